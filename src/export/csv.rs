//! CSV as RFC 4180 has it, in UTF-8 with a heading; a field is quoted where it must be, a missing value is empty.
//!
//! Owns the guard against text that a spreadsheet takes for a formula: on request it gets an apostrophe before it,
//! otherwise it is written as it is and counted, so that the user can be told. Numbers are in their shortest digits that
//! give the same value back.

use std::borrow::Cow;
use std::io::Write;

use super::{Document, ExportError};
use crate::table::{Cell, Column};

/// A CSV document: one table.
pub(super) struct Csv<W: Write> {
    writer: csv::Writer<W>,
    escapes_formulas: bool,
    n_formula_rows: usize,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(out: W, escapes_formulas: bool) -> Self {
        Self {
            writer: csv::Writer::from_writer(out),
            escapes_formulas,
            n_formula_rows: 0,
        }
    }

    fn field<'c>(&self, cell: &Cell<'c>) -> Cow<'c, str> {
        match *cell {
            Cell::Null => Cow::Borrowed(""),
            Cell::Integer(number) => Cow::Owned(number.to_string()),
            // Debug keeps the exponent of very small and large numbers, where Display writes all their zeros.
            Cell::Real(number) => Cow::Owned(format!("{number:?}")),
            Cell::Text(text) if self.escapes_formulas && looks_like_formula(text) => {
                Cow::Owned(format!("'{text}"))
            }
            Cell::Text(text) => Cow::Borrowed(text),
        }
    }
}

impl<W: Write> Document for Csv<W> {
    fn begin(&mut self, _table: &str, columns: &[Column]) -> Result<(), ExportError> {
        let names = columns.iter().map(|column| &column.name);
        self.writer.write_record(names).map_err(failure)
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        let is_formula =
            |cell: &Cell<'_>| matches!(cell, Cell::Text(text) if looks_like_formula(text));
        if cells.iter().any(is_formula) {
            self.n_formula_rows += 1;
        }
        for cell in cells {
            let field = self.field(cell);
            self.writer.write_field(field.as_bytes()).map_err(failure)?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(failure)
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        Ok(self.writer.flush()?)
    }

    fn n_formula_rows(&self) -> usize {
        if self.escapes_formulas {
            0
        } else {
            self.n_formula_rows
        }
    }
}

fn failure(error: csv::Error) -> ExportError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        kind => ExportError::Library {
            what: "CSV",
            reason: format!("{kind:?}"),
        },
    }
}

/// True if a spreadsheet that reads this text from a CSV file would take it for a formula.
///
/// The characters are those of the OWASP page on CSV injection; some programs take the full-width signs for the others.
fn looks_like_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixture::{ROWS, columns, write};

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let written = write(|out| Box::new(Csv::new(out, false)), &columns(), ROWS);
        let expected = "\
id,similarity,text
1,0.1,plain
-2,1e-30,\"a \"\"quote\"\", a comma\"
,,
9223372036854775807,-0.5,\"two
lines\"
5,50.0,=1+1
6,0.0,&<%$#_{}~^\\ \u{202e}naïve\u{0}
";
        assert_eq!(written, expected);
    }

    #[test]
    fn signs_of_all_widths_and_line_breaks_are_escaped() {
        for text in [
            "=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠a",
        ] {
            assert!(looks_like_formula(text), "{text:?}");
        }
        for text in ["", " a", "1-1", "a=1", "−1"] {
            assert!(!looks_like_formula(text), "{text:?}");
        }
    }

    #[test]
    fn formulas_are_counted_or_escaped() {
        let mut sink = Vec::new();
        let mut document = Csv::new(&mut sink, false);
        ROWS.iter().for_each(|row| document.row(row).unwrap());
        assert_eq!(document.n_formula_rows(), 1);
        let written = write(|out| Box::new(Csv::new(out, true)), &columns(), ROWS);
        assert!(written.contains("\n5,50.0,'=1+1\n"), "{written}");
    }
}
