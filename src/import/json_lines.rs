//! JSON lines: one object a line.
//!
//! Owns the way from keys to columns. A list under the key `generation` becomes the columns `generation_1`,
//! `generation_2` and so on, the names that the published workbooks have.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::ImportError;
use super::table::{Cell, Table, TableRow};

/// The hint that says how a line should look.
const HINT: &str =
    "each line is one object, such as {\"prompt\": \"He is\", \"generation\": [\"tall\", \"old\"]}";

/// The rows of the file; empty lines are none.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Table, ImportError> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut columns = Columns::default();
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let failure = |reason: String| ImportError::Line {
            path: path.to_owned(),
            line: number as u64,
            reason,
            hint: HINT,
        };
        let object: Map<String, Value> = serde_json::from_slice(line)
            .map_err(|error| failure(format!("no JSON object: {error}")))?;
        let cells = columns.cells(object).map_err(failure)?;
        rows.push(TableRow { number, cells });
    }
    if rows.is_empty() {
        return Err(ImportError::NoRows {
            path: path.to_owned(),
        });
    }
    Ok(Table {
        columns: columns.names,
        rows,
        ..Table::default()
    })
}

/// The columns that have come up, in the order in which they did.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    place: HashMap<String, usize>,
}

impl Columns {
    fn cells(&mut self, object: Map<String, Value>) -> Result<Vec<Cell>, String> {
        let mut cells = Vec::new();
        for (key, value) in object {
            match value {
                Value::Array(values) => {
                    for (n, value) in (1..).zip(values) {
                        let name = format!("{key}_{n}");
                        let cell = cell(&name, value)?;
                        self.put(&mut cells, name, cell);
                    }
                }
                value => {
                    let cell = cell(&key, value)?;
                    self.put(&mut cells, key, cell);
                }
            }
        }
        Ok(cells)
    }

    fn put(&mut self, cells: &mut Vec<Cell>, name: String, cell: Cell) {
        let next = self.names.len();
        let place = *self.place.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            next
        });
        if cells.len() <= place {
            cells.resize(place + 1, Cell::Empty);
        }
        cells[place] = cell;
    }
}

fn cell(name: &str, value: Value) -> Result<Cell, String> {
    match value {
        Value::Null => Ok(Cell::Empty),
        Value::String(text) => Ok(Cell::Text(text)),
        Value::Bool(value) => Ok(Cell::Bool(value)),
        Value::Number(number) => Ok(number
            .as_f64()
            .map_or_else(|| Cell::Text(number.to_string()), Cell::Number)),
        Value::Array(_) | Value::Object(_) => Err(format!("`{name}` holds a list or an object")),
    }
}
