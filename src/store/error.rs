//! The faults of a database, in the words a person reads.
//!
//! Owns `StoreError` and the translation of SQLite's result codes into it. The parts of the store
//! return `Failure`, which knows neither the file nor what was being done; `Store` adds both.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the database could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder of the database cannot be made.
    #[error(
        "failed to make the folder of the database `{path}`: {reason}\nhint: give another place with `--db`"
    )]
    Folder {
        /// The database.
        path: PathBuf,
        /// The reason that the operating system gives.
        reason: std::io::Error,
    },
    /// There is no such file.
    #[error(
        "there is no database `{path}`\nhint: `seep run` and `seep import` make one; `--db` names another"
    )]
    Missing {
        /// The path that was given.
        path: PathBuf,
    },
    /// The path is that of a folder.
    #[error("the database `{path}` is a folder\nhint: give the path of a file with `--db`")]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file cannot be copied.
    #[error("failed to copy the database `{path}`, which is read from a copy: {reason}")]
    Copy {
        /// The database.
        path: PathBuf,
        /// The reason that the operating system gives.
        reason: std::io::Error,
    },
    /// SQLite cannot open the file.
    #[error(
        "failed to open the database `{path}`: {reason}\nhint: check that the file and its folder can be written"
    )]
    Open {
        /// The database.
        path: PathBuf,
        /// The reason that SQLite gives.
        reason: String,
    },
    /// The file is no SQLite database.
    #[error(
        "`{path}` is not a database\nhint: give another file with `--db`; this one is left as it is"
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is the SQLite database of another program.
    #[error(
        "`{path}` is a database of another program\nhint: give another file with `--db`; this one is left as it is"
    )]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// A newer version of the program made the database.
    #[error(
        "the database `{path}` has schema version {found}, newer than {known}, the newest this program knows\nhint: update seep, or give another file with `--db`"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// An older version of the program made the database, and reading changes nothing.
    #[error(
        "the database `{path}` has schema version {found}, older than {known}, and a command that only reads leaves it as it is\nhint: `seep run` or `seep score` with this database brings it up to date"
    )]
    Older {
        /// The database.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The version that is read.
        known: i64,
    },
    /// A table or view is not as this program makes it, although the version of the schema is the same.
    #[error(
        "the database `{path}` was made by another build of seep: its `{name}` is not as this one makes it\nhint: export what is needed with the build that made it (`seep export -o FOLDER/`), and move the file away or give another one with `--db`; this one is left as it is"
    )]
    Altered {
        /// The database.
        path: PathBuf,
        /// The first table, view or index that is missing or different.
        name: String,
    },
    /// Another connection holds the lock for longer than the busy timeout.
    #[error(
        "the database `{path}` is locked by another process\nhint: wait until it is done (another run, a database browser) and repeat the command, or give another file with `--db`"
    )]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// The file or its folder cannot be written.
    #[error(
        "the database `{path}` is read-only\nhint: make the file and its folder writable, or give another file with `--db`"
    )]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// The file is a database, but its content is not as SQLite left it.
    #[error(
        "the database `{path}` is damaged\nhint: restore a copy of it, or give another file with `--db`"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
    },
    /// A value that must not be stored, or that was stored differently.
    #[error("failed to {action} in the database `{path}`: {reason}")]
    Value {
        /// The database.
        path: PathBuf,
        /// The action that failed.
        action: &'static str,
        /// The fault of the value.
        reason: String,
    },
    /// Anything else that SQLite reports.
    #[error("failed to {action} in the database `{path}`")]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// The action that failed.
        action: &'static str,
        /// The reason that SQLite gives.
        source: rusqlite::Error,
    },
}

/// An error whose place is not known yet.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite's.
    Sqlite(rusqlite::Error),
    /// A value that must not be stored, or that was stored differently: why.
    Value(String),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    /// The error of the database at `path` while it was asked to `action`, as in "failed to read runs".
    pub(super) fn at(self, path: &Path, action: &'static str) -> StoreError {
        let path = path.to_owned();
        let source = match self {
            Self::Value(reason) => {
                return StoreError::Value {
                    path,
                    action,
                    reason,
                };
            }
            Self::Sqlite(source) => source,
        };
        match source.sqlite_error_code() {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed,
            ) => StoreError::Locked { path },
            Some(ErrorCode::NotADatabase) => StoreError::NotADatabase { path },
            Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { path },
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged { path },
            Some(ErrorCode::CannotOpen) => StoreError::Open {
                path,
                reason: source.to_string(),
            },
            _ => StoreError::Sqlite {
                path,
                action,
                source,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    /// The first line of the message for a result code of SQLite.
    fn check(code: i32, expected: &str) {
        let failure = Failure::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        let message = failure.at(Path::new("a.sqlite"), "read runs").to_string();
        assert_eq!(message.lines().next(), Some(expected));
    }

    #[test]
    fn result_codes_become_messages() {
        let cases = [
            (
                ffi::SQLITE_BUSY,
                "the database `a.sqlite` is locked by another process",
            ),
            (
                ffi::SQLITE_BUSY_SNAPSHOT,
                "the database `a.sqlite` is locked by another process",
            ),
            (ffi::SQLITE_READONLY, "the database `a.sqlite` is read-only"),
            (
                ffi::SQLITE_READONLY_DIRECTORY,
                "the database `a.sqlite` is read-only",
            ),
            (ffi::SQLITE_NOTADB, "`a.sqlite` is not a database"),
            (ffi::SQLITE_CORRUPT, "the database `a.sqlite` is damaged"),
            (
                ffi::SQLITE_FULL,
                "failed to read runs in the database `a.sqlite`",
            ),
        ];
        for (code, expected) in cases {
            check(code, expected);
        }
    }
}
