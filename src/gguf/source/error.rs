//! The faults at one source, in the words a person reads.
//!
//! Owns `SourceError` and the short form of a size. What to do about an error is decided by `shelf`.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;

/// Why a source did not give a file.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No connection, or no answer in time.
    #[error("cannot reach `{endpoint}`: {reason}")]
    Unreachable {
        /// The hub's address.
        endpoint: String,
        /// The connection's reason.
        reason: String,
    },
    /// The server answered, but not with the file.
    #[error("`{url}` answered {status}{}", status_hint(*status))]
    Status {
        /// The address that was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The connection ended early, again and again.
    #[error("the connection broke at {} of {}: {reason}", size_text(*done_bytes), size_text(*total_bytes))]
    Interrupted {
        /// The bytes that have arrived and are kept.
        done_bytes: u64,
        /// The size of the file.
        total_bytes: u64,
        /// The connection's reason.
        reason: String,
    },
    /// The source has a file of another size.
    #[error("`{file}` has {found} bytes there instead of {expected}")]
    Size {
        /// The file or member.
        file: String,
        /// Bytes in the manifest.
        expected: u64,
        /// Bytes at the source.
        found: u64,
    },
    /// The file arrived in full and is not the right one.
    #[error(
        "what it gave as `{file}` was removed again: its sha256 is `{found}` instead of `{expected}`"
    )]
    WrongHash {
        /// The file.
        file: String,
        /// The hash in the manifest.
        expected: Digest,
        /// The hash of what arrived.
        found: Digest,
    },
    /// The Python program could not be started.
    #[error(
        "cannot start `{}`: {error}\nhint: install Python 3, or name one with the variable `SEEP_PYTHON`",
        python.display()
    )]
    PythonMissing {
        /// The program.
        python: PathBuf,
        /// Why it did not start.
        error: io::Error,
    },
    /// This Python has no pip.
    #[error(
        "`{0}` has no pip\nhint: `{0} -m ensurepip` installs it, or name another Python with the variable \
         `SEEP_PYTHON`",
        python.display()
    )]
    PipMissing {
        /// The program.
        python: PathBuf,
    },
    /// The index does not have this version of the package.
    #[error("pip finds no wheel of `{package}` {version}: {last_line}")]
    WheelMissing {
        /// The package.
        package: String,
        /// The version.
        version: String,
        /// The last line of pip that tells an error.
        last_line: String,
    },
    /// pip got no connection.
    #[error("pip cannot reach the package index: {reason}")]
    IndexUnreachable {
        /// The reason given by pip's connection.
        reason: String,
    },
    /// pip failed for another reason.
    #[error("pip could not download `{package}` {version}: {last_line}")]
    PipFailed {
        /// The package.
        package: String,
        /// The version.
        version: String,
        /// The last line of pip that tells an error.
        last_line: String,
    },
    /// The wheel is no readable zip file.
    #[error("cannot read the wheel `{wheel}`: {reason}")]
    BadWheel {
        /// Its file name.
        wheel: String,
        /// The fault.
        reason: String,
    },
    /// The wheel lacks the member.
    #[error("the wheel `{wheel}` has no member `{member}`")]
    MemberMissing {
        /// Its file name.
        wheel: String,
        /// The path inside it.
        member: String,
    },
    /// Nothing lies at a local path.
    #[error("`{}` does not exist", path.display())]
    PathMissing {
        /// The path.
        path: PathBuf,
    },
    /// Another file lies at a local path.
    #[error("`{}` is another file: its sha256 is `{found}` instead of `{expected}`", path.display())]
    PathWrongHash {
        /// The path.
        path: PathBuf,
        /// The hash in the manifest.
        expected: Digest,
        /// The hash of the file.
        found: Digest,
    },
    /// The disk is full; no other source would help.
    #[error("no space left for `{}`: {} more are needed\nhint: make room and try again; what arrived is kept",
        path.display(), size_text(*missing_bytes))]
    DiskFull {
        /// The file being written.
        path: PathBuf,
        /// Bytes still to come.
        missing_bytes: u64,
    },
    /// Reading or writing a local file failed; no other source would help.
    #[error("`{}`: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The user asked to stop.
    #[error("stopped; what arrived is kept")]
    Cancelled,
}

impl SourceError {
    /// True if the fault is on this machine, so that no other source helps.
    pub(crate) fn is_local(&self) -> bool {
        matches!(
            self,
            Self::DiskFull { .. } | Self::Io { .. } | Self::Cancelled
        )
    }

    /// An error of reading or preparing a local file.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| match error.kind() {
            io::ErrorKind::Interrupted => Self::Cancelled,
            _ => Self::Io {
                path: path.clone(),
                error,
            },
        }
    }

    /// An error of writing a local file of which `missing_bytes` are still to come.
    pub(crate) fn writing(path: &Path, missing_bytes: u64) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull {
                path,
                missing_bytes,
            },
            _ => Self::Io { path, error },
        }
    }
}

fn status_hint(status: u16) -> &'static str {
    match status {
        401 | 403 => "\nhint: set `HF_TOKEN` to a token that may read this repository",
        404 => " (no such repository, revision or file)",
        429 => " (too many downloads; try again later)",
        _ => "",
    }
}

/// A size for people: decimal units, one digit after the point.
pub(crate) fn size_text(bytes: u64) -> String {
    let scaled = |unit: f64| bytes as f64 / unit;
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", scaled(1e3)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", scaled(1e6)),
        _ => format!("{:.2} GB", scaled(1e9)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (466_247, "466.2 kB"),
            (491_400_064, "491.4 MB"),
            (1_117_320_768, "1.12 GB"),
        ] {
            assert_eq!(size_text(bytes), text);
        }
    }

    #[test]
    fn full_disk_is_told_from_other_write_errors() {
        let path = Path::new("gguf/tiny/tiny.gguf.part");
        let error = SourceError::writing(path, 5_000_000)(io::ErrorKind::StorageFull.into());
        assert_eq!(
            error.to_string(),
            "no space left for `gguf/tiny/tiny.gguf.part`: 5.0 MB more are needed\n\
             hint: make room and try again; what arrived is kept"
        );
        assert!(error.is_local());
        let error = SourceError::writing(path, 5_000_000)(io::ErrorKind::PermissionDenied.into());
        assert_eq!(
            error.to_string(),
            "`gguf/tiny/tiny.gguf.part`: permission denied"
        );
    }
}
