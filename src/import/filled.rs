//! Tables that people filled in: columns of known names, as text with their places.
//!
//! Owns how such a table is read. What has to stand in a cell is not known here.

use std::path::Path;

use super::mapping::Search;
use super::table::{Cell, Place};
use super::{Format, ImportError, read_bytes};

/// The text of a cell, and how a person finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledCell {
    /// Its text; empty where nothing stands in it.
    pub text: String,
    /// Its row and column.
    pub place: Place,
}

/// The cells of these columns in each row of the file at `path` that is not empty; of a workbook its first sheet is read.
///
/// # Errors
/// For a file that cannot be read, or that lacks one of the columns.
pub fn read_filled<const N: usize>(
    path: &Path,
    names: [&str; N],
) -> Result<Vec<[FilledCell; N]>, ImportError> {
    let format = Format::of(path)?;
    let table = format.read(path, &read_bytes(path)?, None, &names)?;
    let mut search = Search::new(&table, &[], "");
    let columns = names.map(|name| search.required(name));
    search.finish(path)?;
    let columns = columns.map(|column| column.expect("a column that is missing was reported"));
    let row_idxs = (0..table.rows.len()).filter(|&row_idx| {
        let mut cells = table.rows[row_idx].cells.iter();
        cells.any(|cell| !cell.is_blank())
    });
    let cell = |row_idx, column_idx| FilledCell {
        text: match table.cell(row_idx, column_idx) {
            Cell::Error(error) => error.clone(),
            cell => cell.text().unwrap_or_default().into_owned(),
        },
        place: table.place(row_idx, column_idx),
    };
    let rows = row_idxs.map(|row_idx| columns.map(|column_idx| cell(row_idx, column_idx)));
    Ok(rows.collect())
}
