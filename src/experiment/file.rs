//! The text of an experiment file, or why there is none.
//!
//! Owns the reading of bytes and what is said of a file that is missing, too large or no text. It knows no key.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::problem::{Problem, io_reason};
use super::source::{Position, SourceFile};
use super::suggest::did_you_mean;

/// Bytes of an experiment file; a model file given by mistake is not read in full.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Why a file has no text.
pub(super) enum Unreadable {
    NotRead {
        file: Arc<SourceFile>,
        reason: String,
        hint: Option<String>,
    },
    NotUtf8(Box<Problem>),
}

impl Unreadable {
    pub(super) fn problem(self) -> Problem {
        match self {
            Self::NotUtf8(problem) => *problem,
            Self::NotRead { file, reason, hint } => {
                let message = format!("cannot read the experiment: {reason}");
                Problem::error(&Position::whole_file(&file), message).maybe_hint(hint)
            }
        }
    }
}

pub(super) fn read_file(path: &Path) -> Result<Arc<SourceFile>, Unreadable> {
    let bytes = read_bytes(path).map_err(|error| {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        Unreadable::NotRead {
            file: SourceFile::new(path, String::new()),
            reason: io_reason(&error),
            hint: is_missing.then(|| neighbour_hint(path)).flatten(),
        }
    })?;
    let n_valid_bytes = match String::from_utf8(bytes) {
        Ok(text) => return Ok(SourceFile::new(path, text)),
        Err(error) => {
            let n_valid_bytes = error.utf8_error().valid_up_to();
            let lossy = String::from_utf8_lossy(error.as_bytes()).into_owned();
            (n_valid_bytes, SourceFile::new(path, lossy))
        }
    };
    Err(not_utf8(n_valid_bytes))
}

fn not_utf8((n_valid_bytes, file): (usize, Arc<SourceFile>)) -> Unreadable {
    // The replacement text begins with the same valid bytes, less a byte order mark.
    let n_mark_bytes = file.text().len() - file.body().len();
    let n_bytes = n_valid_bytes.saturating_sub(n_mark_bytes);
    let position = Position::after_bytes(&file, n_bytes);
    let problem = Problem::error(&position, "the file is not UTF-8 text")
        .label("the first byte that is not")
        .hint("an experiment is a YAML file; save it as UTF-8");
    Unreadable::NotUtf8(Box::new(problem))
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let message = format!(
            "it is larger than {} MiB, so it is no experiment",
            FILE_BYTES_MAX >> 20
        );
        return Err(io::Error::other(message));
    }
    Ok(bytes)
}

/// A file beside `path` with a similar name.
fn neighbour_hint(path: &Path) -> Option<String> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let entries = fs::read_dir(directory.unwrap_or(Path::new("."))).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.collect();
    // The order of a directory is arbitrary; the message is not.
    names.sort();
    let meant = did_you_mean(
        path.file_name()?.to_str()?,
        names.iter().map(String::as_str),
    )?;
    Some(format!(
        "did you mean `{}`?",
        path.with_file_name(meant).display()
    ))
}
