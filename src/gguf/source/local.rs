//! Files that lie on this machine outside the shelf.
//!
//! Owns finding a file of an entry at a path of the manifest. Nothing is copied: such a file is used where it is.

use std::path::{Path, PathBuf};

use crate::gguf::manifest::{Entry, ManifestFile, Source};

/// Where the manifest's paths say that `file` of `entry` lies: the first place that has a file.
/// Relative paths start at `shelf_dir`.
pub(crate) fn find(entry: &Entry, file: &ManifestFile, shelf_dir: &Path) -> Option<PathBuf> {
    let paths = entry.sources().iter().filter_map(|source| match source {
        Source::Path(path) => Some(path),
        Source::Hub(_) | Source::Pypi(_) => None,
    });
    paths
        .map(|path| place(&shelf_dir.join(path), entry, file))
        .find(|path| path.is_file())
}

/// The place of `file` for one path: in it, if it is a folder; the path itself is meant only by an entry of one file.
pub(crate) fn place(path: &Path, entry: &Entry, file: &ManifestFile) -> PathBuf {
    if entry.files().len() > 1 || path.is_dir() {
        path.join(&file.name)
    } else {
        path.to_owned()
    }
}
