//! JSON lines: one object a line; or one list of objects, as other programs write a table.
//!
//! Owns the way from keys to columns. A list under the key `generation` becomes the columns `generation_1`,
//! `generation_2` and so on, the names that the published workbooks have; keys of an object within an object are joined
//! by a point. What Python writes and JSON does not know is understood too: `NaN` is an empty cell, and half a surrogate
//! pair the character that stands for what is no text.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::ImportError;
use super::table::{CELLS_MAX, COLUMNS_MAX, Cell, Table, TableRow};

/// The hint that says how a line should look.
const HINT: &str =
    "each line is one object, such as {\"prompt\": \"He is\", \"generation\": [\"tall\", \"old\"]}";

/// The rows of the file; empty lines are none.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Table, ImportError> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut columns = Columns::default();
    let mut rows = Vec::new();
    let is_list = bytes.trim_ascii_start().first() == Some(&b'[');
    let lines = bytes.split(|byte| *byte == b'\n' && !is_list);
    for (number, line) in (1..).zip(lines) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let failure = |line: usize, reason: String| ImportError::Line {
            path: path.to_owned(),
            line: line as u64,
            reason,
            hint: HINT,
        };
        let (objects, has_surrogates) = objects(line, is_list)
            .map_err(|(lines_before, reason)| failure(number + lines_before, reason))?;
        let lines = object_lines(if is_list { line } else { b"{" });
        for (object, lines_before) in objects.into_iter().zip(lines) {
            let number = number + lines_before;
            let cells = columns.cells(object, has_surrogates);
            let cells = cells.map_err(|reason| failure(number, reason))?;
            rows.push(TableRow { number, cells });
        }
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

/// The objects in a line or in a whole file, and whether half a surrogate pair stands in one.
type Objects = (Vec<Map<String, Value>>, bool);

/// The objects of a text; else how many lines come before the fault, and what it is.
fn objects(text: &[u8], is_list: bool) -> Result<Objects, (usize, String)> {
    let parse = |text: &[u8]| match is_list {
        true => serde_json::from_slice(text),
        false => serde_json::from_slice(text).map(|object| vec![object]),
    };
    let (error, (mended, has_surrogates)) = match parse(text) {
        Ok(objects) => return Ok((objects, false)),
        Err(error) => (error, as_json(text)),
    };
    parse(&mended)
        .map(|objects| (objects, has_surrogates))
        .map_err(|second| {
            // Columns are right where nothing was mended before the fault.
            let error = if mended == text { error } else { second };
            let (line, column) = (error.line(), error.column());
            let found = error.to_string();
            let found = found.split(" at line ").next().unwrap_or_default();
            (
                line.saturating_sub(1),
                format!("no JSON object: {found}, at byte {column} of the line"),
            )
        })
}

/// How many lines stand before each object that is in no other.
fn object_lines(text: &[u8]) -> Vec<usize> {
    let (mut lines, mut n_lines, mut depth) = (Vec::new(), 0, 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_quoted,
            b'"' => is_quoted = !is_quoted,
            b'\n' => n_lines += 1,
            b'{' if !is_quoted => {
                if depth == 0 {
                    lines.push(n_lines);
                }
                depth += 1;
            }
            b'}' if !is_quoted => depth -= 1,
            _ => {}
        }
    }
    lines
}

/// The text with what only Python reads as JSON in words of JSON, and whether half a surrogate pair was among it.
fn as_json(text: &[u8]) -> (Vec<u8>, bool) {
    const WORDS: [(&[u8], &[u8]); 3] = [
        (b"NaN", b"null"),
        (b"-Infinity", b"\"-Infinity\""),
        (b"Infinity", b"\"Infinity\""),
    ];
    let (mut mended, mut rest) = (Vec::with_capacity(text.len()), text);
    let (mut is_quoted, mut has_surrogates) = (false, false);
    while let [first, ..] = rest {
        let word = WORDS
            .iter()
            .find(|(word, _)| !is_quoted && rest.starts_with(word));
        let (taken, written): (usize, &[u8]) = match (word, is_quoted) {
            (Some((word, written)), _) => (word.len(), written),
            (None, true) if *first == b'\\' => match surrogate(rest) {
                Some(Surrogate::Pair) => (12, &rest[..12]),
                Some(Surrogate::Half) => {
                    has_surrogates = true;
                    (6, b"\\ufffd")
                }
                None => (rest.len().min(2), &rest[..rest.len().min(2)]),
            },
            (None, _) => {
                is_quoted ^= *first == b'"';
                (1, &rest[..1])
            }
        };
        mended.extend(written);
        rest = &rest[taken..];
    }
    (mended, has_surrogates)
}

enum Surrogate {
    /// Two escapes that are one character.
    Pair,
    /// One that is none.
    Half,
}

/// The surrogate whose escape the text begins with.
fn surrogate(text: &[u8]) -> Option<Surrogate> {
    let unit = |text: &[u8]| {
        let digits = std::str::from_utf8(text.strip_prefix(b"\\u")?.get(..4)?).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let low = || unit(text.get(6..)?).filter(|unit| (0xdc00..0xe000).contains(unit));
    match unit(text)? {
        0xd800..0xdc00 if low().is_some() => Some(Surrogate::Pair),
        0xd800..0xe000 => Some(Surrogate::Half),
        _ => None,
    }
}

/// The columns that have come up, in the order in which they did.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    place: HashMap<String, usize>,
    n_cells: usize,
    has_surrogates: bool,
}

impl Columns {
    fn cells(
        &mut self,
        object: Map<String, Value>,
        has_surrogates: bool,
    ) -> Result<Vec<Cell>, String> {
        self.has_surrogates = has_surrogates;
        let mut cells = Vec::new();
        for (key, value) in object {
            self.put(&mut cells, key, value);
        }
        if self.names.len() > COLUMNS_MAX || self.n_cells + cells.len() > CELLS_MAX {
            return Err(format!(
                "more than {COLUMNS_MAX} keys, or {CELLS_MAX} values, up to here"
            ));
        }
        self.n_cells += cells.len();
        Ok(cells)
    }

    fn put(&mut self, cells: &mut Vec<Cell>, name: String, value: Value) {
        let cell = match value {
            Value::Array(values) => {
                for (n, value) in (1..).zip(values) {
                    self.put(cells, format!("{name}_{n}"), value);
                }
                return;
            }
            Value::Object(object) => {
                for (key, value) in object {
                    self.put(cells, format!("{name}.{key}"), value);
                }
                return;
            }
            Value::Null => Cell::Empty,
            Value::String(text) if self.has_surrogates && text.contains('\u{fffd}') => {
                let kind = "half a surrogate pair, which is no text";
                Cell::Other { text, kind }
            }
            Value::String(text) => Cell::Text(text),
            Value::Bool(value) => Cell::Bool(value),
            Value::Number(number) => number
                .as_f64()
                .map_or_else(|| Cell::Text(number.to_string()), Cell::Number),
        };
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
