//! The faults that keep a whole file from being imported, in the words a person reads.

use std::io;
use std::path::PathBuf;

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The operating system does not give the file.
    #[error("failed to read `{path}`: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        reason: io::Error,
    },
    /// More bytes than are held in memory.
    #[error("`{path}` is larger than {bytes_max} bytes\nhint: split it into several files")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// More than is held in memory, once it is unpacked.
    #[error(
        "`{path}` cannot be held in memory: {what} are too many\nhint: split it into several files"
    )]
    TooMuch {
        /// The file.
        path: PathBuf,
        /// The part of it that goes beyond the limit.
        what: &'static str,
    },
    /// A cell far from all others.
    #[error(
        "`{path}` has a stray cell {cell}, {gap} away from all before it\nhint: delete it, or the rows and columns up to it"
    )]
    StrayCell {
        /// The file.
        path: PathBuf,
        /// The name of the cell, such as `XFD1048576`.
        cell: String,
        /// How far away it is, as in "1000 rows".
        gap: String,
    },
    /// An ending of the name that says nothing.
    #[error(
        "`{path}` has no known format\nhint: a file to import ends in .xlsx, .csv, .tsv, .jsonl or .json"
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The name ends in .xlsx, but it is no workbook.
    #[error(
        "`{path}` is no xlsx workbook: {reason}\nhint: open it with the program that made it and save it as .xlsx or .csv"
    )]
    NotAWorkbook {
        /// The file.
        path: PathBuf,
        /// The reader's reason.
        reason: String,
    },
    /// The workbook needs a password.
    #[error("`{path}` is protected by a password\nhint: save it without one")]
    Password {
        /// The file.
        path: PathBuf,
    },
    /// The mapping names a sheet that is not there.
    #[error("`{path}` has no sheet `{wanted}`\nhint: its sheets are: {found}")]
    NoSheet {
        /// The file.
        path: PathBuf,
        /// The sheet of the mapping.
        wanted: String,
        /// The sheets of the workbook.
        found: String,
    },
    /// Nothing below the header.
    #[error(
        "`{path}` has no rows\nhint: the first row names the columns, each row below it is a prompt or an item"
    )]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// A line that is not of the file's format.
    #[error("`{path}`, line {line}: {reason}\nhint: {hint}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The fault.
        reason: String,
        /// The next step.
        hint: &'static str,
    },
    /// Columns that the mapping names and the file does not have.
    #[error("`{path}` has no {what}\nhint: {hint}its columns are: {found}{advice}")]
    MissingColumns {
        /// The file.
        path: PathBuf,
        /// The columns, as in "column `a`" or "columns `a`, `b`".
        what: String,
        /// The name that was probably meant, ending in "; "; or nothing.
        hint: String,
        /// The columns of the file.
        found: String,
        /// How to name other columns, beginning with "; "; or nothing.
        advice: &'static str,
    },
    /// Two columns of one name, of which the mapping needs one.
    #[error("`{path}` has two columns `{column}`\nhint: rename one of them")]
    DoubledColumn {
        /// The file.
        path: PathBuf,
        /// The name.
        column: String,
    },
    /// Pairs of which one side has more generations.
    #[error(
        "`{path}` has {n_test} columns of generations of test prompts and {n_control} of control prompts\nhint: each repeat compares one of each; a mapping may name fewer columns (experiments/IMPORT.md)"
    )]
    UnevenRepeats {
        /// The file.
        path: PathBuf,
        /// Columns for test prompts.
        n_test: usize,
        /// Columns for control prompts.
        n_control: usize,
    },
    /// Rows that contradict the mapping.
    #[error("{n_rows_text} of `{path}` cannot be imported\n{rows}\nhint: {hint}")]
    Rows {
        /// The file.
        path: PathBuf,
        /// How many, as in "2 rows".
        n_rows_text: String,
        /// One line for each, but not endlessly many.
        rows: String,
        /// The next step.
        hint: &'static str,
    },
    /// No row is a test prompt with a control prompt.
    #[error(
        "`{path}` has no prompt pair\n{findings}hint: a test prompt is a row with a concept and a control"
    )]
    NoPairs {
        /// The file.
        path: PathBuf,
        /// The findings, each on a line.
        findings: String,
    },
    /// The mapping itself is wrong.
    #[error(
        "the mapping `{path}` cannot be used: {reason}\nhint: `experiments/IMPORT.md` describes its keys"
    )]
    Mapping {
        /// The mapping.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
}
