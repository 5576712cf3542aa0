//! Excel workbooks: a sheet for each table, its heading in bold and in place while one scrolls.
//!
//! Owns what Excel cannot hold: numbers beyond 2^53 stand as text, and tables or texts that are too long are refused
//! rather than cut. Every text is a string cell, so that none is taken for a formula.

use std::io::Write;

use rust_xlsxwriter::{Format, FormatAlign, Workbook, Worksheet, XlsxError};

use super::{Document, ExportError};
use crate::table::{Cell, Column, ColumnKind};

/// The rows of a worksheet but its heading.
const N_ROWS_MAX: u32 = 1_048_575;
/// UTF-16 units in a cell.
const N_CHARS_MAX: usize = 32_767;
/// Up to here a double holds every whole number.
const EXACT_MAX: u64 = 1 << 53;
/// Width of a column of text, in characters.
const TEXT_WIDTH: u32 = 28;
/// Width of a column of text whose lines are wrapped.
const WRAPPED_WIDTH: u32 = 48;
/// Width of a column of numbers, in characters.
const NUMBER_WIDTH: u32 = 12;

/// A workbook: any number of tables.
pub(super) struct Sheets<W: Write> {
    out: W,
    workbook: Workbook,
    sheet: Option<Sheet>,
    wraps_text: bool,
}

/// The table that is being filled.
struct Sheet {
    table: String,
    worksheet: Worksheet,
    n_rows: u32,
    /// The format of texts.
    text: Format,
}

impl<W: Write> Sheets<W> {
    pub(super) fn new(out: W, wraps_text: bool) -> Self {
        Self {
            out,
            workbook: Workbook::new(),
            sheet: None,
            wraps_text,
        }
    }

    fn end_sheet(&mut self) {
        if let Some(sheet) = self.sheet.take() {
            self.workbook.push_worksheet(sheet.worksheet);
        }
    }
}

impl<W: Write> Document for Sheets<W> {
    fn begin(&mut self, table: &str, columns: &[Column]) -> Result<(), ExportError> {
        self.end_sheet();
        self.sheet = Some(Sheet {
            table: table.to_owned(),
            worksheet: worksheet(table, columns, self.wraps_text).map_err(failure)?,
            n_rows: 0,
            text: match self.wraps_text {
                true => Format::new().set_text_wrap().set_align(FormatAlign::Top),
                false => Format::new(),
            },
        });
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        let sheet = self.sheet.as_mut();
        let sheet = sheet.expect("a table begins before it has rows");
        sheet.n_rows += 1;
        if sheet.n_rows > N_ROWS_MAX {
            return Err(ExportError::TooManyRows {
                table: sheet.table.clone(),
                n_rows_max: N_ROWS_MAX,
            });
        }
        for (column_idx, cell) in (0..).zip(cells) {
            sheet.write(column_idx, cell)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        self.end_sheet();
        let bytes = self.workbook.save_to_buffer().map_err(failure)?;
        self.out.write_all(&bytes)?;
        Ok(self.out.flush()?)
    }
}

impl Sheet {
    fn write(&mut self, column_idx: u16, cell: &Cell<'_>) -> Result<(), ExportError> {
        if let Cell::Text(text) = *cell {
            self.check_length(text)?;
        }
        let (row, sheet) = (self.n_rows, &mut self.worksheet);
        let written = match *cell {
            Cell::Null => Ok(sheet),
            Cell::Integer(number) if number.unsigned_abs() > EXACT_MAX => {
                sheet.write_string(row, column_idx, number.to_string())
            }
            Cell::Integer(number) => sheet.write_number(row, column_idx, number as f64),
            Cell::Real(number) => sheet.write_number(row, column_idx, number),
            Cell::Text(text) => sheet.write_string_with_format(row, column_idx, text, &self.text),
        };
        written.map(drop).map_err(failure)
    }

    fn check_length(&self, text: &str) -> Result<(), ExportError> {
        // No character has more UTF-16 units than bytes of UTF-8, so that only long texts are counted.
        let n_chars = match text.len() {
            0..=N_CHARS_MAX => return Ok(()),
            _ => text.encode_utf16().count(),
        };
        if n_chars <= N_CHARS_MAX {
            return Ok(());
        }
        Err(ExportError::TooLong {
            table: self.table.clone(),
            row: self.n_rows,
            n_chars,
            n_chars_max: N_CHARS_MAX,
        })
    }
}

fn worksheet(table: &str, columns: &[Column], wraps_text: bool) -> Result<Worksheet, XlsxError> {
    let bold = Format::new().set_bold();
    let mut worksheet = Worksheet::new();
    worksheet.set_name(table)?;
    worksheet.set_freeze_panes(1, 0)?;
    for (column_idx, column) in (0..).zip(columns) {
        let width = match column.kind {
            ColumnKind::Text if wraps_text => WRAPPED_WIDTH,
            ColumnKind::Text => TEXT_WIDTH,
            ColumnKind::Integer | ColumnKind::Real => NUMBER_WIDTH,
        };
        worksheet.set_column_width(column_idx, width)?;
        worksheet.write_string_with_format(0, column_idx, column.name.as_str(), &bold)?;
    }
    Ok(worksheet)
}

fn failure(error: XlsxError) -> ExportError {
    match error {
        XlsxError::IoError(error) => error.into(),
        error => ExportError::Library {
            what: "a workbook",
            reason: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use super::*;
    use crate::export::fixture::{ROWS, columns, write_bytes};

    /// A member of the workbook, which is a zip archive of XML.
    fn member(bytes: &[u8], name: &str) -> String {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut text = String::new();
        let mut file = archive.by_name(name).unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn no_text_is_a_formula() {
        let bytes = write_bytes(|out| Box::new(Sheets::new(out, false)), &columns(), ROWS);
        let sheet = member(&bytes, "xl/worksheets/sheet1.xml");
        assert!(!sheet.contains("<f>"), "{sheet}");
        assert!(sheet.contains(r#"<c r="C6" t="s">"#), "{sheet}");
        let strings = member(&bytes, "xl/sharedStrings.xml");
        assert!(strings.contains("<t>=1+1</t>"), "{strings}");
    }

    #[test]
    fn numbers_that_a_double_rounds_are_text() {
        let bytes = write_bytes(|out| Box::new(Sheets::new(out, false)), &columns(), ROWS);
        let strings = member(&bytes, "xl/sharedStrings.xml");
        assert!(strings.contains("<t>9223372036854775807</t>"), "{strings}");
        let sheet = member(&bytes, "xl/worksheets/sheet1.xml");
        assert!(sheet.contains(r#"<c r="A3"><v>-2</v></c>"#), "{sheet}");
    }

    #[test]
    fn every_table_has_its_sheet() {
        let mut bytes = Vec::new();
        let mut document = Sheets::new(&mut bytes, false);
        for table in ["leaks", "rates"] {
            document.begin(table, &columns()).unwrap();
            document.row(&ROWS[0]).unwrap();
        }
        document.finish().unwrap();
        let workbook = member(&bytes, "xl/workbook.xml");
        for table in ["leaks", "rates"] {
            assert!(
                workbook.contains(&format!("name=\"{table}\"")),
                "{workbook}"
            );
        }
    }

    #[test]
    fn what_excel_cannot_hold_is_refused() {
        let mut document = Sheets::new(Vec::new(), false);
        document.begin("generations", &columns()).unwrap();
        let long = "é".repeat(N_CHARS_MAX);
        let row = |text| [Cell::Null, Cell::Null, Cell::Text(text)];
        let longer = "é".repeat(N_CHARS_MAX + 1);
        document.row(&row(&long)).unwrap();
        let message = document.row(&row(&longer)).unwrap_err().to_string();
        let expected = "row 2 of the table `generations` holds a text of 32768 characters, more than the 32767 of a cell\nhint: ";
        assert!(message.starts_with(expected), "{message}");
        for _ in 2..N_ROWS_MAX {
            document.row(&[]).unwrap();
        }
        let message = document.row(&[]).unwrap_err().to_string();
        assert!(message.starts_with("the table `generations` has more than 1048575 rows"));
    }
}
