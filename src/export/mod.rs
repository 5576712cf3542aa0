//! Tables as files of other programs: CSV, JSON Lines, Parquet, Excel workbooks, LaTeX.
//!
//! Owns how columns and cells stand in each format. Which tables there are, and where their rows come from, is not known
//! here. Rows are taken one at a time, so that a long table needs little memory; a workbook alone is built in memory.

mod csv;
mod error;
mod jsonl;
mod latex;
mod parquet;
mod workbook;

use std::io::Write;

pub use error::ExportError;

use crate::table::{Cell, Column};

/// A format that tables can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Comma-separated values.
    Csv {
        /// True if text that a spreadsheet would take for a formula gets an apostrophe before it.
        escapes_formulas: bool,
    },
    /// One JSON object a line.
    Jsonl,
    /// Parquet.
    Parquet,
    /// An Excel workbook, with a sheet for each table.
    Xlsx {
        /// True if long texts go on in further lines of their cell, for people to read.
        wraps_text: bool,
    },
    /// A LaTeX table for the package booktabs.
    Latex,
}

/// A document in the making: tables one after the other, each with its rows.
pub trait Document {
    /// Begins a table.
    ///
    /// # Errors
    /// An error of writing.
    fn begin(&mut self, table: &str, columns: &[Column]) -> Result<(), ExportError>;

    /// Adds a row to the table begun last; it has a cell for each column.
    ///
    /// # Errors
    /// An error of writing, or a value that the format cannot hold.
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError>;

    /// Writes what is left and ends the document; nothing may follow.
    ///
    /// # Errors
    /// An error of writing.
    fn finish(&mut self) -> Result<(), ExportError>;

    /// Rows that hold text which a spreadsheet would take for a formula, and that were written as they are.
    fn n_formula_rows(&self) -> usize {
        0
    }
}

impl ExportFormat {
    /// How names of files in this format end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv { .. } => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Xlsx { .. } => "xlsx",
            Self::Latex => "tex",
        }
    }

    /// True if one document holds several tables.
    pub fn holds_many(self) -> bool {
        matches!(self, Self::Xlsx { .. })
    }

    /// True if a terminal cannot show it.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Xlsx { .. })
    }

    /// A document that is written to `out`.
    pub fn document<'w>(self, out: Box<dyn Write + Send + 'w>) -> Box<dyn Document + 'w> {
        match self {
            Self::Csv { escapes_formulas } => Box::new(csv::Csv::new(out, escapes_formulas)),
            Self::Jsonl => Box::new(jsonl::Jsonl::new(out)),
            Self::Parquet => Box::new(parquet::Parquet::new(out)),
            Self::Xlsx { wraps_text } => Box::new(workbook::Sheets::new(out, wraps_text)),
            Self::Latex => Box::new(latex::Latex::new(out)),
        }
    }
}

#[cfg(test)]
mod fixture;
