//! Workbooks: the first sheet of an xlsx file, or the one that the mapping names.
//!
//! Owns the only use of the crate `calamine`. Of a formula its stored result is taken; nothing is computed.

use std::io::Cursor;
use std::path::Path;

use calamine::{Data, Range, Reader as _, Xlsx, XlsxError};

use super::ImportError;
use super::table::{Cell, Sheet, Table, TableRow};

/// The rows of a sheet.
pub(super) fn read(path: &Path, bytes: &[u8], sheet: Option<&str>) -> Result<Table, ImportError> {
    let failure = |error: XlsxError| workbook_error(path, &error);
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(failure)?;
    let names = workbook.sheet_names();
    let sheet = chosen(path, &names, sheet)?;
    let range = workbook.worksheet_range(&sheet.name).map_err(failure)?;
    let formulas = workbook.worksheet_formula(&sheet.name).map_err(failure)?;
    let mut table = table(range);
    // Both ranges begin at their own first used cell.
    if let (Some((first_row, first_column)), Some(start)) = (table_start(&table), formulas.start())
    {
        let places = formulas
            .used_cells()
            .filter(|(_, _, text)| !text.is_empty());
        table.formulas = places
            .filter_map(|(row, column, _)| {
                let row = (start.0 as usize + row).checked_sub(first_row)?;
                let column = (start.1 as usize + column).checked_sub(first_column)?;
                Some((row, column))
            })
            .collect();
    }
    table.sheet = Some(sheet);
    table.drop_empty_end();
    if table.rows.is_empty() {
        return Err(ImportError::NoRows {
            path: path.to_owned(),
        });
    }
    Ok(table)
}

fn chosen(path: &Path, names: &[String], wanted: Option<&str>) -> Result<Sheet, ImportError> {
    let is_wanted = |name: &String| wanted.is_none_or(|wanted| name == wanted);
    let idx = names.iter().position(is_wanted);
    let idx = idx.ok_or_else(|| ImportError::NoSheet {
        path: path.to_owned(),
        wanted: wanted.unwrap_or_default().to_owned(),
        found: names.join(", "),
    })?;
    Ok(Sheet {
        name: names[idx].clone(),
        idx,
        n_sheets: names.len(),
    })
}

/// Row (below the header) and column of the sheet at which the table begins, from 0.
fn table_start(table: &Table) -> Option<(usize, usize)> {
    let first = table.rows.first()?;
    Some((first.number - 1, table.n_columns_before))
}

fn table(range: Range<Data>) -> Table {
    let (first_row, first_column) = range.start().unwrap_or_default();
    let mut rows = range.rows();
    let header = rows.next().unwrap_or_default();
    let columns = header.iter().map(|data| {
        let name = cell(data).text().unwrap_or_default().into_owned();
        name.trim().to_owned()
    });
    Table {
        columns: columns.collect(),
        // The header is row `first_row` from 0, so the row below it is two more from 1.
        rows: (first_row as usize + 2..)
            .zip(rows)
            .map(|(number, row)| TableRow {
                number,
                cells: row.iter().map(cell).collect(),
            })
            .collect(),
        n_columns_before: first_column as usize,
        ..Table::default()
    }
}

fn cell(data: &Data) -> Cell {
    match data {
        Data::Empty => Cell::Empty,
        // The result of a formula may be a text of no characters.
        Data::String(text) if text.is_empty() => Cell::Empty,
        Data::String(text) => Cell::Text(text.clone()),
        Data::Int(number) => Cell::Number(*number as f64),
        Data::Float(number) => Cell::Number(*number),
        Data::Bool(value) => Cell::Bool(*value),
        Data::Error(error) => Cell::Error(error.to_string()),
        Data::DateTime(_) | Data::DateTimeIso(_) | Data::DurationIso(_) => Cell::Other {
            text: data.to_string(),
            kind: "a date or time",
        },
    }
}

fn workbook_error(path: &Path, error: &XlsxError) -> ImportError {
    let path = path.to_owned();
    match error {
        XlsxError::Password => ImportError::Password { path },
        _ => ImportError::NotAWorkbook {
            path,
            reason: error.to_string(),
        },
    }
}
