//! The errors of writing a table.
//!
//! Owns the distinction between a reader that has gone away, which is no error to a person, and all else.

use std::io;

/// Why a table was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file or the reader does not take it.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// A worksheet has more rows than Excel reads.
    #[error(
        "the table `{table}` has more than {n_rows_max} rows, the most a worksheet holds\n\
         hint: export it with `--format parquet` or `--format csv`"
    )]
    TooManyRows {
        /// The table.
        table: String,
        /// The most rows, without the heading.
        n_rows_max: u32,
    },
    /// A text is longer than Excel reads.
    #[error(
        "row {row} of the table `{table}` holds a text of {n_chars} characters, more than the {n_chars_max} of a cell\n\
         hint: export it with `--format parquet` or `--format csv`"
    )]
    TooLong {
        /// The table.
        table: String,
        /// The row, from 1.
        row: u32,
        /// Characters of the text, in UTF-16 units as Excel counts.
        n_chars: usize,
        /// The most of them.
        n_chars_max: usize,
    },
    /// A value is not of its column's kind.
    #[error(
        "the column `{column}` of the table `{table}` holds {found} where {expected} was described"
    )]
    Kind {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The kind that was found.
        found: &'static str,
        /// The kind that is described.
        expected: &'static str,
    },
    /// A library that writes a format refuses.
    #[error("failed to write {what}: {reason}")]
    Library {
        /// The format that is written.
        what: &'static str,
        /// The reason that the library gives.
        reason: String,
    },
}

impl ExportError {
    /// True if the reader has gone away, as `head` does when it has enough.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
