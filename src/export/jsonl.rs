//! JSON Lines: one object a row, its keys in the order of the columns, a missing value null.

use std::io::Write;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::{Document, ExportError};
use crate::table::{Cell, Column};

/// A JSON Lines document: one table.
pub(super) struct Jsonl<W: Write> {
    out: W,
    names: Vec<String>,
}

impl<W: Write> Jsonl<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            names: Vec::new(),
        }
    }
}

impl<W: Write> Document for Jsonl<W> {
    fn begin(&mut self, _table: &str, columns: &[Column]) -> Result<(), ExportError> {
        self.names = columns.iter().map(|column| column.name.clone()).collect();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        let object = Object {
            names: &self.names,
            cells,
        };
        serde_json::to_writer(&mut self.out, &object).map_err(std::io::Error::from)?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        Ok(self.out.flush()?)
    }
}

/// A row as an object.
struct Object<'r> {
    names: &'r [String],
    cells: &'r [Cell<'r>],
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.names.len()))?;
        for (name, cell) in self.names.iter().zip(self.cells) {
            match cell {
                Cell::Null => map.serialize_entry(name, &())?,
                Cell::Integer(number) => map.serialize_entry(name, number)?,
                Cell::Real(number) => map.serialize_entry(name, number)?,
                Cell::Text(text) => map.serialize_entry(name, text)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixture::{ROWS, columns, write};

    #[test]
    fn rows_are_objects_in_the_order_of_the_columns() {
        let written = write(|out| Box::new(Jsonl::new(out)), &columns(), ROWS);
        let lines: Vec<&str> = written.lines().collect();
        let expected = [
            r#"{"id":1,"similarity":0.1,"text":"plain"}"#,
            r#"{"id":-2,"similarity":1e-30,"text":"a \"quote\", a comma"}"#,
            r#"{"id":null,"similarity":null,"text":null}"#,
            r#"{"id":9223372036854775807,"similarity":-0.5,"text":"two\nlines"}"#,
            r#"{"id":5,"similarity":50.0,"text":"=1+1"}"#,
            "{\"id\":6,\"similarity\":0.0,\"text\":\"&<%$#_{}~^\\\\ \u{202e}naïve\\u0000\"}",
        ];
        assert_eq!(lines, expected);
    }
}
