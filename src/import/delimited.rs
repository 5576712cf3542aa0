//! CSV and TSV files.
//!
//! Owns the way from bytes to fields, and the lines at which they stand. Quotes are those of RFC 4180; the text is
//! UTF-8, with or without its mark; lines end as on any system. Whether commas, semicolons or tabs part the fields, the
//! header tells.

use std::path::Path;

use super::ImportError;
use super::table::{CELLS_MAX, COLUMNS_MAX, Cell, HEADER_ROWS_MAX, Table, TableRow, header_of};

/// Bytes that may part the fields.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
const QUOTES_HINT: &str = "a text that holds the delimiter, a quote or a line break stands in quotes, each quote in it doubled; any other quote is a slip";

/// The rows of the file below the one that names the columns best; empty lines are none.
///
/// `usual` is the delimiter where the header fits several.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    usual: u8,
    wanted: &[&str],
) -> Result<Table, ImportError> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let failure = |fault: Fault| ImportError::Line {
        path: path.to_owned(),
        line: fault.line as u64,
        reason: fault.reason,
        hint: fault.hint,
    };
    let delimiter = delimiter(bytes, usual, wanted);
    let rows: Result<Vec<TableRow>, Fault> = Records::new(bytes, delimiter).collect();
    let mut table = Table::under_header(rows.map_err(failure)?, wanted);
    check_lengths(&table).map_err(failure)?;
    table.drop_empty_end();
    if table.rows.is_empty() {
        return Err(ImportError::NoRows {
            path: path.to_owned(),
        });
    }
    Ok(table)
}

/// The delimiter with which the header names most of the wanted columns, or else has most fields.
fn delimiter(bytes: &[u8], usual: u8, wanted: &[&str]) -> u8 {
    let fit = |delimiter: u8| {
        let first = Records::new(bytes, delimiter).map_while(Result::ok);
        let first: Vec<TableRow> = first.take(HEADER_ROWS_MAX).collect();
        let (row_idx, n_named) = header_of(&first, wanted);
        let n_fields = first.get(row_idx).map_or(0, |row| row.cells.len());
        (n_named, n_fields, delimiter == usual)
    };
    let best = DELIMITERS
        .into_iter()
        .max_by_key(|&delimiter| fit(delimiter));
    best.unwrap_or(usual)
}

/// Each row has as many fields as the header.
fn check_lengths(table: &Table) -> Result<(), Fault> {
    let expected = table.columns.len();
    let uneven = table.rows.iter().find(|row| row.cells.len() != expected);
    uneven.map_or(Ok(()), |row| {
        let n_fields = row.cells.len();
        Err(Fault {
            line: row.number,
            reason: format!("{n_fields} fields, where the header has {expected}"),
            hint: "a text that holds the delimiter or a line break needs quotes",
        })
    })
}

/// A fault and its line, from 1.
struct Fault {
    line: usize,
    reason: String,
    hint: &'static str,
}

/// The records of a file, each with the line at which it begins.
struct Records<'a> {
    bytes: &'a [u8],
    delimiter: u8,
    place: usize,
    line: usize,
    n_cells: usize,
}

impl<'a> Records<'a> {
    fn new(bytes: &'a [u8], delimiter: u8) -> Self {
        Self {
            bytes,
            delimiter,
            place: 0,
            line: 1,
            n_cells: 0,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.place).copied()
    }

    /// Takes the end of a line, if one stands here: a line feed, a carriage return, or both.
    fn take_line_end(&mut self) -> bool {
        let length = match &self.bytes[self.place..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => return false,
        };
        self.place += length;
        self.line += 1;
        true
    }

    fn field(&mut self) -> Result<Cell, Fault> {
        let text = if self.peek() == Some(b'"') {
            self.quoted()?
        } else {
            let start = self.place;
            while self.peek().is_some_and(|byte| !self.ends_field(byte)) {
                self.place += 1;
            }
            self.bytes[start..self.place].to_vec()
        };
        let line = self.line;
        let text = String::from_utf8(text).map_err(|_| Fault {
            line,
            reason: "the text is no UTF-8".to_owned(),
            hint: "save the file as UTF-8",
        })?;
        // The format cannot tell an empty text from none.
        let is_empty = text.is_empty();
        Ok(if is_empty {
            Cell::Empty
        } else {
            Cell::Text(text)
        })
    }

    fn ends_field(&self, byte: u8) -> bool {
        byte == self.delimiter || matches!(byte, b'\r' | b'\n')
    }

    fn quoted(&mut self) -> Result<Vec<u8>, Fault> {
        let opened = self.line;
        let fault = |reason: &str| Fault {
            line: opened,
            reason: format!("the quote that opens in this line {reason}"),
            hint: QUOTES_HINT,
        };
        self.place += 1;
        let mut text = Vec::new();
        loop {
            match &self.bytes[self.place..] {
                [] => return Err(fault("is not closed")),
                [b'"', b'"', ..] => {
                    text.push(b'"');
                    self.place += 2;
                }
                [b'"', ..] => break,
                [byte, ..] => {
                    let start = self.place;
                    if !self.take_line_end() {
                        text.push(*byte);
                        self.place += 1;
                    }
                    // A line break within quotes stays as it is.
                    else {
                        text.extend(&self.bytes[start..self.place]);
                    }
                }
            }
        }
        self.place += 1;
        match self.peek() {
            Some(byte) if !self.ends_field(byte) => {
                let (closed, opened) = (self.line, opened);
                Err(fault(&if closed == opened {
                    "is closed in the middle of a text".to_owned()
                } else {
                    format!("is closed in the middle of a text, in line {closed}")
                }))
            }
            _ => Ok(text),
        }
    }

    fn record(&mut self) -> Result<TableRow, Fault> {
        let number = self.line;
        let mut cells = vec![self.field()?];
        while self.peek() == Some(self.delimiter) {
            self.place += 1;
            cells.push(self.field()?);
            if cells.len() > COLUMNS_MAX || self.n_cells + cells.len() > CELLS_MAX {
                return Err(Fault {
                    line: self.line,
                    reason: format!(
                        "more than {COLUMNS_MAX} fields in a line, or {CELLS_MAX} in the file"
                    ),
                    hint: "split it into several files",
                });
            }
        }
        self.n_cells += cells.len();
        self.take_line_end();
        Ok(TableRow { number, cells })
    }
}

impl Iterator for Records<'_> {
    type Item = Result<TableRow, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.take_line_end() {}
        (self.place < self.bytes.len()).then(|| {
            let record = self.record();
            if record.is_err() {
                self.place = self.bytes.len();
            }
            record
        })
    }
}
