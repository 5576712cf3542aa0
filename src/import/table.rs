//! A file as rows of cells, whatever its format.
//!
//! Owns how a cell becomes a text or a number and how a person finds a cell again. What a column means is not known
//! here.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// A file as rows of cells.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    /// The names in the header, in the order of the columns; empty where a column has none.
    pub(super) columns: Vec<String>,
    /// The rows below it.
    pub(super) rows: Vec<TableRow>,
    /// The sheet, in a workbook.
    pub(super) sheet: Option<Sheet>,
    /// Columns of the sheet before the first that is used, in a workbook.
    pub(super) n_columns_before: usize,
    /// Which cells hold a formula: the number of the row, and the column as in `columns`.
    pub(super) formulas: HashSet<(usize, usize)>,
}

/// A sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Its name.
    pub name: String,
    /// Its place in the workbook, from 0.
    pub idx: usize,
    /// How many sheets the workbook has.
    pub n_sheets: usize,
}

/// One row below the header.
#[derive(Debug, Clone)]
pub(super) struct TableRow {
    /// Its number in the sheet, or its line, from 1.
    pub(super) number: usize,
    /// As many as there are columns, or fewer where the last are empty.
    pub(super) cells: Vec<Cell>,
}

/// The content of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Empty,
    Text(String),
    Number(f64),
    Bool(bool),
    /// Another kind, with its text: a date, say.
    Other {
        text: String,
        kind: &'static str,
    },
    /// An error, such as `#NAME?`.
    Error(String),
}

/// Where a cell or a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The number of the row, or the line, from 1.
    pub(super) row: usize,
    row_idx: usize,
    column: String,
    /// The cell's name in a workbook, such as `E703`.
    cell: Option<String>,
}

const EMPTY: &Cell = &Cell::Empty;
/// Rows among which the header is looked for: titles and notes may stand above it.
pub(super) const HEADER_ROWS_MAX: usize = 20;
/// Bytes of a file, unpacked, at most; it is held in memory as a whole.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 30;
/// Columns of a table at most, those of the largest sheet.
pub(super) const COLUMNS_MAX: usize = 1 << 14;
/// Cells of a table at most, empty ones before others in their row included.
pub(super) const CELLS_MAX: usize = 1 << 24;

/// The place of the row that holds most of the wanted names, among the first ones, and how many it holds.
pub(super) fn header_of(rows: &[TableRow], wanted: &[&str]) -> (usize, usize) {
    let n_named = |row: &TableRow| {
        let names: Vec<String> = row.cells.iter().map(Cell::name).collect();
        let is_there = |wanted: &&&str| names.iter().any(|name| name == **wanted);
        wanted.iter().filter(is_there).count()
    };
    let mut best = (0, 0);
    for (row_idx, row) in rows.iter().take(HEADER_ROWS_MAX).enumerate() {
        let n_named = n_named(row);
        if n_named > best.1 {
            best = (row_idx, n_named);
        }
    }
    best
}

impl Table {
    /// The rows below the header, which is the one that holds most of the wanted names; the first where none does.
    pub(super) fn under_header(mut rows: Vec<TableRow>, wanted: &[&str]) -> Self {
        let (row_idx, _) = header_of(&rows, wanted);
        let header = rows.drain(..rows.len().min(row_idx + 1)).next_back();
        let columns = header.iter().flat_map(|row| &row.cells).map(Cell::name);
        Self {
            columns: columns.collect(),
            rows,
            ..Self::default()
        }
    }

    /// The cell at these places; an empty one beyond the end of the row.
    pub(super) fn cell(&self, row_idx: usize, column_idx: usize) -> &Cell {
        self.rows[row_idx].cells.get(column_idx).unwrap_or(EMPTY)
    }

    /// How a person finds the cell.
    pub(super) fn place(&self, row_idx: usize, column_idx: usize) -> Place {
        let row = self.rows[row_idx].number;
        let is_workbook = self.sheet.is_some();
        let name = || {
            format!(
                "{}{row}",
                column_letters(self.n_columns_before + column_idx)
            )
        };
        Place {
            row,
            row_idx,
            column: self.columns[column_idx].clone(),
            cell: is_workbook.then(name),
        }
    }

    /// Drops the empty rows at the end.
    pub(super) fn drop_empty_end(&mut self) {
        let is_empty = |row: &TableRow| row.cells.iter().all(Cell::is_blank);
        while self.rows.last().is_some_and(is_empty) {
            self.rows.pop();
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (row, row_idx, column) = (self.row, self.row_idx, &self.column);
        match &self.cell {
            Some(cell) => write!(f, "row {row} (index {row_idx}), column `{column}` ({cell})"),
            None => write!(f, "line {row} (index {row_idx}), column `{column}`"),
        }
    }
}

impl Cell {
    /// The text of a cell, a number in its shortest form; None where it is empty or an error.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Empty | Self::Error(_) => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Other { text, .. } => Some(Cow::Borrowed(text)),
            // An f64 is written without a point where it is a whole number.
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Bool(true) => Some(Cow::Borrowed("TRUE")),
            Self::Bool(false) => Some(Cow::Borrowed("FALSE")),
        }
    }

    /// Its text as the name of a column.
    fn name(&self) -> String {
        let text = self.text().unwrap_or_default();
        text.trim().to_owned()
    }

    /// The text of a cell that is more than white space.
    pub(super) fn text_within(&self) -> Option<Cow<'_, str>> {
        self.text().filter(|text| !text.trim().is_empty())
    }

    /// True if nothing visible stands in it.
    pub(super) fn is_blank(&self) -> bool {
        !matches!(self, Self::Error(_)) && self.text_within().is_none()
    }

    /// Its kind, in words, where it is neither text nor a number nor empty.
    pub(super) fn unusual(&self) -> Option<String> {
        match self {
            Self::Empty | Self::Text(_) | Self::Number(_) => None,
            Self::Bool(_) => Some("a truth value".to_owned()),
            Self::Other { kind, .. } => Some((*kind).to_owned()),
            Self::Error(error) => Some(format!("the error {error}")),
        }
    }
}

/// The letters of a column: A for 0, AA for 26.
pub(super) fn column_letters(column_idx: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column_idx + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + (rest % 26) as u8));
        rest /= 26;
    }
    letters.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_lettered_as_in_a_spreadsheet() {
        let cases = [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")];
        for (column_idx, expected) in cases {
            assert_eq!(column_letters(column_idx), expected);
        }
    }

    #[test]
    fn numbers_have_their_shortest_text() {
        let cases = [
            (35.0, "35"),
            (0.5, "0.5"),
            (-1.0, "-1"),
            (1e20, "100000000000000000000"),
        ];
        for (number, expected) in cases {
            assert_eq!(Cell::Number(number).text().unwrap(), expected);
        }
    }
}
