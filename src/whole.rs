//! Files and folders that are there in full or not at all.
//!
//! Owns how that is done: beside their place, under a name that nobody else has, and renamed in the end. Links are
//! followed to the file that they stand for; a pipe or a device is written into. It knows nothing of what is written.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile, TempDir};

/// Ends the names of what is not whole yet.
const PART: &str = ".part";

/// As many links are followed one after the other as Linux follows.
const LINKS_MAX: usize = 40;

/// Writes the file at `path` through `write`; its folder is made where it is missing.
///
/// # Errors
/// Those of `write`, after which the file is as it was, and those of the operating system.
pub fn write_file<T, E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(File) -> Result<T, E>,
) -> Result<T, E> {
    let found = fs::metadata(path).ok();
    // `/dev/stdout` may be a file, which others write too.
    let is_stream = path.starts_with("/dev") || found.as_ref().is_some_and(|it| !it.is_file());
    if is_stream {
        return write(File::options().append(true).open(path)?);
    }
    let place = followed(path)?;
    let folder = folder_of(&place);
    fs::create_dir_all(folder)?;
    sweep(folder, &place);
    let part = new_part(folder, &place)?;
    if let Some(found) = found {
        part.as_file().set_permissions(found.permissions())?;
    }
    let result = write(part.as_file().try_clone()?)?;
    part.as_file().sync_all()?;
    part.persist(&place).map_err(|error| error.error)?;
    Ok(result)
}

/// Writes a folder through `write`, which is given another one to fill; a folder that is there keeps its other files.
///
/// # Errors
/// As [`write_file`].
pub fn write_folder<T, E: From<io::Error>>(
    folder: &Path,
    write: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let place = followed(folder)?;
    let parent = if place.is_dir() {
        &place
    } else {
        folder_of(&place)
    };
    fs::create_dir_all(parent)?;
    sweep(parent, &place);
    let stage: TempDir = Builder::new()
        .prefix(&prefix(&place))
        .suffix(PART)
        .tempdir_in(parent)?;
    // Tells whoever sweeps that it is in use. A file system without locks has nobody who sweeps.
    let lock = File::open(stage.path())?;
    let _ = lock.try_lock();
    // The folder itself is nobody else's to read; that within it is as any other.
    let whole = stage.path().join("whole");
    fs::create_dir(&whole)?;
    let result = write(&whole)?;
    if place.is_dir() || fs::rename(&whole, &place).is_err() {
        for entry in fs::read_dir(&whole)? {
            let entry = entry?;
            fs::rename(entry.path(), place.join(entry.file_name()))?;
        }
    }
    Ok(result)
}

/// The path at the end of the links that `path` is, whether anything is there or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many links lead to each other"))
}

fn folder_of(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// The beginning of the names under which a file or folder is made.
fn prefix(place: &Path) -> String {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.")
}

/// A new file beside `place`, locked for as long as it is open.
fn new_part(folder: &Path, place: &Path) -> io::Result<NamedTempFile> {
    loop {
        let mut builder = Builder::new();
        let prefix = prefix(place);
        builder.prefix(&prefix).suffix(PART);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let part = builder.tempfile_in(folder)?;
        // Somebody who sweeps may have come between.
        let is_ours = !matches!(part.as_file().try_lock(), Err(fs::TryLockError::WouldBlock));
        if is_ours && part.path().exists() {
            return Ok(part);
        }
    }
}

/// Removes what processes that were killed left of `place`: nobody holds its lock. Links are not followed.
fn sweep(folder: &Path, place: &Path) {
    let prefix = prefix(place);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_part = name.starts_with(&prefix) && name.ends_with(PART);
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if !is_part || is_link {
            continue;
        }
        // The lock is held until it is gone: whoever made it this moment sees one or the other, and makes a new one.
        let left = File::open(entry.path()).ok();
        let left = left.filter(|part| part.try_lock().is_ok());
        if left.is_some() {
            // What cannot be removed harms nobody.
            let _ = fs::remove_file(entry.path()).or_else(|_| fs::remove_dir_all(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn written(path: &Path, text: &str) -> io::Result<()> {
        write_file(path, |mut file| {
            io::Write::write_all(&mut file, text.as_bytes())
        })
    }

    #[test]
    fn what_cannot_be_written_leaves_all_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        written(&path, "old").unwrap();
        let failed = write_file(&path, |mut file| {
            io::Write::write_all(&mut file, b"new")?;
            Err::<(), _>(io::Error::other("no"))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let failed = write_folder(&dir.path().join("b"), |stage| {
            fs::write(stage.join("x"), "x")?;
            Err::<(), _>(io::Error::other("no"))
        });
        assert!(failed.is_err());
        assert_eq!(names(dir.path()), ["a"]);
    }

    /// Two exports into one file took the same temporary name, and each renamed what the other wrote.
    #[test]
    fn two_who_write_one_file_do_not_hurt_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let texts: Vec<String> = (0..4).map(|n| n.to_string().repeat(100_000)).collect();
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| (0..20).for_each(|_| written(&path, text).unwrap()));
            }
        });
        assert!(texts.contains(&fs::read_to_string(&path).unwrap()));
        assert_eq!(names(dir.path()), ["a"]);
    }

    #[test]
    fn a_folder_keeps_its_other_files() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        for name in ["x", "y"] {
            write_folder(&folder, |stage| fs::write(stage.join(name), name)).unwrap();
        }
        assert_eq!(names(&folder), ["x", "y"]);
        assert_eq!(names(&dir.path().join("a")), ["b"]);
    }
}
