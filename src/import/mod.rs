//! Generations that were made elsewhere: read from a workbook, a CSV or TSV file, or JSON; or the prompts alone; or a
//! table that people filled in.
//!
//! Owns the three formats, the mapping that says which column is what, the way from rows to prompt pairs, and every
//! finding about a row. It stores nothing, scores nothing, and changes no text: prompts, concepts and generations stay
//! as the file has them.
//!
//! A fault that leaves nothing to import (a column that is missing, a control that points outside of the file) is an
//! [`ImportError`]; what looks wrong but can be imported, or has to be left out, is a [`Finding`]. Nothing is left out
//! without one, except rows that are empty from the first cell to the last and stand at the end.

mod delimited;
mod error;
mod filled;
mod finding;
mod json_lines;
mod lint;
mod mapping;
mod pairs;
mod published;
mod table;
mod workbook;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::Digest;

pub use error::ImportError;
pub use filled::{FilledCell, read_filled};
pub use finding::{Finding, FindingKind, summary_of};
pub use mapping::Mapping;
pub use published::{
    PUBLISHED_COMMIT, PUBLISHED_PREFIX, PUBLISHED_REPOSITORY, PUBLISHED_WORKBOOKS,
    PublishedWorkbook, published_prompts, published_workbooks,
};
pub use table::{Place, Sheet};

use published::families_of;
use table::{FILE_BYTES_MAX, Table};

/// A file of generations, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedFile {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// The sheet that was read; None for a file without sheets.
    pub sheet: Option<Sheet>,
    /// The mapping that fits its columns, word for word.
    pub mapping: String,
    /// The columns with generations of test prompts, one for each repeat.
    pub columns: Vec<String>,
    /// All prompts that have a row or stand in one, in the order of the file.
    pub rows: Vec<ImportedRow>,
    /// The prompt pairs, in the order of their test prompts.
    pub pairs: Vec<ImportedPair>,
    /// The findings, in the order of the rows.
    pub findings: Vec<Finding>,
}

/// One prompt with its generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedRow {
    /// The row's number as a spreadsheet shows it, or its line, from 1.
    pub number: usize,
    /// The prompt.
    pub prompt: String,
    /// One for each repeat; None where the cell is empty.
    pub generations: Vec<Option<String>>,
    /// The columns in which they stand.
    pub columns: Arc<[String]>,
}

/// A test prompt and its control prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedPair {
    /// The concept.
    pub concept: String,
    /// The family of near-synonyms that the concept is in: as the mapping says, or as is known of a published workbook.
    pub concept_family: Option<String>,
    /// The category; [`ImportedPair::NO_CATEGORY`] where the file has none.
    pub category: String,
    /// The template it was made from.
    pub template_id: Option<String>,
    /// The test prompt's place in [`ImportedFile::rows`].
    pub test_row_idx: usize,
    /// The control prompt's place in [`ImportedFile::rows`].
    pub control_row_idx: usize,
}

impl ImportedPair {
    /// The category of a pair whose file gives none.
    pub const NO_CATEGORY: &'static str = "uncategorised";
}

impl ImportedFile {
    /// Reads the file at `path` as `mapping` says.
    ///
    /// # Errors
    /// Every fault that keeps the whole file from being imported, with row and column where there is one.
    pub fn read(path: &Path, mapping: &Mapping) -> Result<Self, ImportError> {
        let format = Format::of(path)?;
        let bytes = read_bytes(path)?;
        let sha256 = Digest::of(&bytes);
        let table = format.read(path, &bytes, mapping.sheet(), &mapping.wanted())?;
        // Texts of the table are copied from here on, so that the bytes need not stay.
        drop(bytes);
        let mapping = mapping.fitting(&table);
        let layout = mapping.layout(path, &table)?;
        let mut read = pairs::read(path, &table, &layout, mapping)?;
        let families = mapping.families().unwrap_or_else(|| families_of(sha256));
        for pair in &mut read.pairs {
            pair.concept_family = families.of(&pair.concept).map(str::to_owned);
        }
        let mut findings = read.findings;
        lint::lint(&table, &layout, &read.rows, &read.pairs, &mut findings);
        findings.extend(lint::absent_members(&table, &layout, mapping, &read.pairs));
        findings.sort_by_key(Finding::row);
        Ok(Self {
            path: path.to_owned(),
            sha256,
            mapping: mapping.text().to_owned(),
            columns: layout.repeat_names(&table),
            sheet: table.sheet,
            rows: read.rows.into_iter().map(|row| row.imported).collect(),
            pairs: read.pairs,
            findings,
        })
    }

    /// How many rows are control prompts that no test prompt uses.
    pub fn n_unused_rows(&self) -> usize {
        let mut is_used = vec![false; self.rows.len()];
        for pair in &self.pairs {
            is_used[pair.test_row_idx] = true;
            is_used[pair.control_row_idx] = true;
        }
        is_used.iter().filter(|is_used| !**is_used).count()
    }
}

/// The formats that are read, known by the ending of a file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Workbook,
    Delimited(u8),
    JsonLines,
}

impl Format {
    fn of(path: &Path) -> Result<Self, ImportError> {
        let ending = path.extension().unwrap_or_default().to_string_lossy();
        match ending.to_lowercase().as_str() {
            "xlsx" | "xlsm" => Ok(Self::Workbook),
            "csv" => Ok(Self::Delimited(b',')),
            "tsv" => Ok(Self::Delimited(b'\t')),
            "jsonl" | "ndjson" | "json" => Ok(Self::JsonLines),
            _ => Err(ImportError::UnknownFormat {
                path: path.to_owned(),
            }),
        }
    }

    /// The table in a file; its header is the row that names most of the wanted columns.
    fn read(
        self,
        path: &Path,
        bytes: &[u8],
        sheet: Option<&str>,
        wanted: &[&str],
    ) -> Result<Table, ImportError> {
        match self {
            Self::Workbook => workbook::read(path, bytes, sheet, wanted),
            Self::Delimited(delimiter) => delimited::read(path, bytes, delimiter, wanted),
            Self::JsonLines => json_lines::read(path, bytes),
        }
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, ImportError> {
    let failure = |reason| ImportError::Read {
        path: path.to_owned(),
        reason,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failure)?;
    let mut limited = file.take(FILE_BYTES_MAX + 1);
    limited.read_to_end(&mut bytes).map_err(failure)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ImportError::TooLarge {
            path: path.to_owned(),
            bytes_max: FILE_BYTES_MAX,
        });
    }
    Ok(bytes)
}
