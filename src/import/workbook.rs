//! Workbooks: the first sheet of an xlsx file, or the one that the mapping names.
//!
//! Owns the only use of the crate `calamine`. Of a formula its stored result is taken; nothing is computed. Cells are read
//! one by one, and their number, their texts and their distance have limits: a small file can say that it is a huge one.

use std::collections::HashSet;
use std::io::{self, Cursor, Read as _};
use std::path::Path;

use calamine::{DataRef, ExcelDateTime, Reader as _, Xlsx, XlsxCellReader, XlsxError};

use super::ImportError;
use super::table::{CELLS_MAX, Cell, FILE_BYTES_MAX, Sheet, Table, TableRow, column_letters};

/// Rows, or columns, without anything in them that may lie between two cells: what lies farther off is a slip.
const GAP_MAX: [u32; 2] = [10_000, 1_000];

/// The rows of a sheet below the one that names the wanted columns best.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    sheet: Option<&str>,
    wanted: &[&str],
) -> Result<Table, ImportError> {
    check_unpacked(path, bytes)?;
    let failure = |error: XlsxError| workbook_error(path, &error);
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(failure)?;
    let names = workbook.sheet_names();
    let sheet = chosen(path, &names, sheet)?;
    let mut cells = workbook
        .worksheet_cells_reader(&sheet.name)
        .map_err(failure)?;
    let cells = used(read_cells(path, &mut cells)?);
    check_gaps(path, &cells)?;
    let mut table = table(path, cells, wanted)?;
    table.sheet = Some(sheet);
    table.drop_empty_end();
    if table.rows.is_empty() {
        return Err(ImportError::NoRows {
            path: path.to_owned(),
        });
    }
    Ok(table)
}

/// Refuses a file whose members are larger than what is held in memory, whatever they say of themselves.
fn check_unpacked(path: &Path, bytes: &[u8]) -> Result<(), ImportError> {
    // What is no archive, or a broken one, the reader of workbooks says better.
    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes)) else {
        return Ok(());
    };
    let mut n_left = FILE_BYTES_MAX;
    for member_idx in 0..archive.len() {
        let Ok(member) = archive.by_index(member_idx) else {
            continue;
        };
        let unpacked = io::copy(&mut member.take(n_left + 1), &mut io::sink());
        n_left = n_left
            .checked_sub(unpacked.unwrap_or_default())
            .ok_or_else(|| too_large(path, "its unpacked bytes"))?;
    }
    Ok(())
}

fn too_large(path: &Path, what: &'static str) -> ImportError {
    ImportError::TooMuch {
        path: path.to_owned(),
        what,
    }
}

/// A cell at its row and column, both from 0.
struct PlacedCell {
    row: u32,
    column: u32,
    cell: Cell,
    is_formula: bool,
}

/// All cells that are not empty, in the order of rows and then columns.
fn read_cells(
    path: &Path,
    reader: &mut XlsxCellReader<'_, Cursor<&[u8]>>,
) -> Result<Vec<PlacedCell>, ImportError> {
    let mut cells = Vec::new();
    let mut n_bytes = 0;
    let mut next = || reader.next_cell_with_formula_metadata();
    while let Some(record) = next().map_err(|error| workbook_error(path, &error))? {
        let cell = cell(&record.value);
        let is_formula = record.formula.is_some();
        if cell == Cell::Empty && !is_formula {
            continue;
        }
        if let Cell::Text(text) = &cell {
            n_bytes += text.len() as u64;
        }
        if cells.len() == CELLS_MAX || n_bytes > FILE_BYTES_MAX {
            return Err(too_large(path, "the texts of its cells"));
        }
        let (row, column) = record.pos;
        cells.push(PlacedCell {
            row,
            column,
            cell,
            is_formula,
        });
    }
    cells.sort_by_key(|cell| (cell.row, cell.column));
    Ok(cells)
}

/// The cells that do not lie beyond all that say something: a stray space is nothing.
fn used(mut cells: Vec<PlacedCell>) -> Vec<PlacedCell> {
    let telling = || cells.iter().filter(|cell| !cell.cell.is_blank());
    let last_row = telling().map(|cell| cell.row).max();
    let last_column = telling().map(|cell| cell.column).max();
    cells.retain(|cell| Some(cell.row) <= last_row && Some(cell.column) <= last_column);
    cells
}

/// Refuses a cell that lies far from all others: the table would reach to it.
fn check_gaps(path: &Path, cells: &[PlacedCell]) -> Result<(), ImportError> {
    let telling = cells.iter().filter(|cell| !cell.cell.is_blank());
    for (way, what) in ["rows", "columns"].into_iter().enumerate() {
        let place = |cell: &PlacedCell| [cell.row, cell.column][way];
        let mut in_order: Vec<&PlacedCell> = telling.clone().collect();
        in_order.sort_by_key(|cell| place(cell));
        let stray = in_order
            .windows(2)
            .find(|two| place(two[1]) - place(two[0]) > GAP_MAX[way]);
        if let Some([before, stray]) = stray {
            return Err(ImportError::StrayCell {
                path: path.to_owned(),
                cell: format!(
                    "{}{}",
                    column_letters(stray.column as usize),
                    u64::from(stray.row) + 1
                ),
                gap: format!("{} {what}", place(stray) - place(before)),
            });
        }
    }
    Ok(())
}

/// The table that the cells make up, in which an empty row between others counts.
fn table(path: &Path, cells: Vec<PlacedCell>, wanted: &[&str]) -> Result<Table, ImportError> {
    let first_row = cells.first().map_or(0, |cell| cell.row);
    let first_column = cells.iter().map(|cell| cell.column).min().unwrap_or(0);
    let mut rows: Vec<TableRow> = Vec::new();
    let mut formulas = HashSet::new();
    let mut n_cells = 0;
    for placed in cells {
        let row_idx = (placed.row - first_row) as usize;
        while rows.len() <= row_idx {
            rows.push(TableRow {
                number: first_row as usize + rows.len() + 1,
                cells: Vec::new(),
            });
        }
        let row = &mut rows[row_idx];
        let column_idx = (placed.column - first_column) as usize;
        n_cells += (column_idx + 1).saturating_sub(row.cells.len());
        if n_cells > CELLS_MAX {
            return Err(too_large(path, "its rows and columns"));
        }
        row.cells
            .resize(row.cells.len().max(column_idx + 1), Cell::Empty);
        if placed.is_formula {
            formulas.insert((row.number, column_idx));
        }
        row.cells[column_idx] = placed.cell;
    }
    Ok(Table {
        formulas,
        n_columns_before: first_column as usize,
        ..Table::under_header(rows, wanted)
    })
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

fn cell(data: &DataRef<'_>) -> Cell {
    let text = |text: &str| match text {
        // The result of a formula may be a text of no characters.
        "" => Cell::Empty,
        text => Cell::Text(text.to_owned()),
    };
    let other = |text: String| Cell::Other {
        text,
        kind: "a date or time",
    };
    match data {
        DataRef::Empty => Cell::Empty,
        DataRef::String(string) => text(string),
        DataRef::SharedString(string) => text(string),
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::Bool(value) => Cell::Bool(*value),
        DataRef::Error(error) => Cell::Error(error.to_string()),
        DataRef::DateTime(time) => other(date_text(*time)),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => other(text.clone()),
    }
}

/// A date as ISO 8601 has it, with the time where there is one; a time alone, or a duration, in hours, minutes, seconds.
fn date_text(time: ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    let days = time.as_f64();
    let clock = format!("{minute:02}:{second:02}");
    if time.is_duration() || days < 1.0 {
        let hours = days.max(0.0).trunc() as u64 * 24 + u64::from(hour);
        return format!("{hours:02}:{clock}");
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    match days.fract() == 0.0 {
        true => date,
        false => format!("{date} {hour:02}:{clock}"),
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
