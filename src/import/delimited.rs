//! CSV and TSV files.
//!
//! Owns the only use of the crate `csv`. Quotes are those of RFC 4180; the text is UTF-8, with or without its mark.

use std::path::Path;

use super::ImportError;
use super::table::{Cell, Table, TableRow};

/// The rows of the file; empty lines are none.
pub(super) fn read(path: &Path, bytes: &[u8], delimiter: u8) -> Result<Table, ImportError> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(bytes);
    let failure = |error: csv::Error| line_error(path, &error);
    let header = reader.headers().map_err(failure)?;
    let columns = header.iter().map(|name| name.trim().to_owned()).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(failure)?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push(TableRow {
            number: usize::try_from(line).unwrap_or(usize::MAX),
            cells: record.iter().map(cell).collect(),
        });
    }
    let mut table = Table {
        columns,
        rows,
        ..Table::default()
    };
    table.drop_empty_end();
    if table.rows.is_empty() {
        return Err(ImportError::NoRows {
            path: path.to_owned(),
        });
    }
    Ok(table)
}

/// A cell without a character is an empty one: the format cannot tell an empty text from none.
fn cell(text: &str) -> Cell {
    if text.is_empty() {
        Cell::Empty
    } else {
        Cell::Text(text.to_owned())
    }
}

fn line_error(path: &Path, error: &csv::Error) -> ImportError {
    let position = error.position().map(csv::Position::line);
    let (reason, hint) = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => {
            ("the text is no UTF-8".to_owned(), "save the file as UTF-8")
        }
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => (
            format!("{len} fields, where the header has {expected_len}"),
            "a text that holds the delimiter or a line break needs quotes",
        ),
        _ => (error.to_string(), "the file is read as RFC 4180 has it"),
    };
    ImportError::Line {
        path: path.to_owned(),
        line: position.unwrap_or(1),
        reason,
        hint,
    }
}
