//! A file on its way: what has arrived of it, with the hash so far.
//!
//! Owns the `.part` file: resuming, joining pieces, proving the whole and giving it its final name.
//! It knows no source; the bytes are handed in.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{Reporter, SourceError};
use crate::digest::Digest;
use crate::gguf::file_hash::feed;
use crate::gguf::manifest::ManifestFile;

const BUFFER_BYTES: usize = 256 << 10;

/// The place of a file while it arrives: beside its final place, so that renaming stays on one disk.
pub(crate) fn part_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// A file that is being received.
pub(crate) struct PartFile<'a> {
    file: &'a ManifestFile,
    final_path: PathBuf,
    path: PathBuf,
    out: File,
    hasher: Sha256,
    len: u64,
}

/// A state of a [`PartFile`] to go back to.
pub(crate) struct Checkpoint {
    hasher: Sha256,
    len: u64,
}

/// Why copying into a [`PartFile`] ended early.
pub(crate) enum CopyError {
    /// The reader failed: the source's fault.
    Read(io::Error),
    /// This machine's fault, or the user's wish.
    Local(SourceError),
}

impl<'a> PartFile<'a> {
    /// Opens what an earlier attempt left and hashes it, or starts anew.
    pub(crate) fn open(
        final_path: PathBuf,
        file: &'a ManifestFile,
        reporter: &mut Reporter<'_>,
    ) -> Result<Self, SourceError> {
        let path = part_path(&final_path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(SourceError::io(folder))?;
        }
        // A link would have another file cut and overwritten.
        if path.is_symlink() {
            fs::remove_file(&path).map_err(SourceError::io(&path))?;
        }
        let mut options = File::options();
        let opened = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut out = opened.map_err(SourceError::io(&path))?;
        let mut hasher = Sha256::new();
        let mut on_bytes = |bytes| reporter.reading(&file.name, bytes);
        let len = feed(&mut hasher, &mut out, &mut on_bytes).map_err(SourceError::io(&path))?;
        let mut part = Self {
            file,
            final_path,
            path,
            out,
            hasher,
            len,
        };
        if len > file.bytes {
            part.restart()?;
        }
        Ok(part)
    }

    /// Bytes that have arrived.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes still to come.
    pub(crate) fn missing_bytes(&self) -> u64 {
        self.file.bytes - self.len
    }

    /// Throws away what has arrived.
    pub(crate) fn restart(&mut self) -> Result<(), SourceError> {
        self.roll_back(Checkpoint {
            hasher: Sha256::new(),
            len: 0,
        })
    }

    /// The state now.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            hasher: self.hasher.clone(),
            len: self.len,
        }
    }

    /// Goes back to an earlier state.
    pub(crate) fn roll_back(&mut self, checkpoint: Checkpoint) -> Result<(), SourceError> {
        let Checkpoint { hasher, len } = checkpoint;
        let cut = self
            .out
            .set_len(len)
            .and_then(|()| self.out.seek(SeekFrom::Start(len)));
        cut.map_err(SourceError::io(&self.path))?;
        self.hasher = hasher;
        self.len = len;
        Ok(())
    }

    /// Appends all that `reader` has, at most what is missing.
    pub(crate) fn copy_from(
        &mut self,
        reader: impl Read,
        reporter: &mut Reporter<'_>,
    ) -> Result<(), CopyError> {
        let mut reader = reader.take(self.missing_bytes());
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let n_bytes = match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n_bytes) => n_bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(CopyError::Read(error)),
            };
            self.write(&buffer[..n_bytes]).map_err(CopyError::Local)?;
            reporter
                .received(&self.file.name, self.len)
                .map_err(CopyError::Local)?;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        let written = self.out.write_all(bytes);
        written.map_err(SourceError::writing(&self.path, self.missing_bytes()))?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Leaves no trace of an attempt that brought nothing.
    fn remove_if_empty(self) {
        if self.len == 0 {
            // An empty file that stays does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Proves that the whole file has arrived and gives it its final name; a wrong one is removed.
    pub(crate) fn finish(self) -> Result<(), SourceError> {
        assert_eq!(
            self.len, self.file.bytes,
            "sources finish a file only once it has all its bytes"
        );
        let found = Digest::from_bytes(self.hasher.finalize().into());
        if found != self.file.sha256 {
            fs::remove_file(&self.path).map_err(SourceError::io(&self.path))?;
            return Err(SourceError::WrongHash {
                file: self.file.name.clone(),
                expected: self.file.sha256,
                found,
            });
        }
        // Only a file that is safely on the disk gets the name that later runs trust.
        self.out
            .sync_all()
            .map_err(SourceError::writing(&self.path, 0))?;
        fs::rename(&self.path, &self.final_path).map_err(SourceError::io(&self.final_path))
    }
}

/// Receives one file through `receive`, which must leave it complete, and proves it.
///
/// The bytes of an earlier attempt may be damaged, so a wrong hash after resuming is followed by one attempt from the
/// start before the source is blamed.
pub(crate) fn receive_file(
    final_path: &Path,
    file: &ManifestFile,
    reporter: &mut Reporter<'_>,
    mut receive: impl FnMut(&mut PartFile<'_>, &mut Reporter<'_>) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    loop {
        let mut part = PartFile::open(final_path.to_owned(), file, reporter)?;
        let is_resumed = part.len() > 0;
        if let Err(error) = receive(&mut part, reporter) {
            part.remove_if_empty();
            return Err(error);
        }
        match part.finish() {
            Err(SourceError::WrongHash { .. }) if is_resumed => {
                reporter.note(&format!(
                    "`{}` was damaged by an earlier attempt; starting it again",
                    file.name
                ));
            }
            result => return result,
        }
    }
}
