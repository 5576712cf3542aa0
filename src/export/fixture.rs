//! A table for the tests of all formats, with values that are easily mangled.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::Document;
use crate::table::{Cell, Column, ColumnKind};

pub(super) const ROWS: &[[Cell<'static>; 3]] = &[
    [Cell::Integer(1), Cell::Real(0.1), Cell::Text("plain")],
    [
        Cell::Integer(-2),
        Cell::Real(1e-30),
        Cell::Text("a \"quote\", a comma"),
    ],
    [Cell::Null, Cell::Null, Cell::Null],
    [
        Cell::Integer(i64::MAX),
        Cell::Real(-0.5),
        Cell::Text("two\nlines"),
    ],
    [Cell::Integer(5), Cell::Real(50.0), Cell::Text("=1+1")],
    [
        Cell::Integer(6),
        Cell::Real(0.0),
        Cell::Text("&<%$#_{}~^\\ \u{202e}naïve\u{0}"),
    ],
];

pub(super) fn columns() -> Vec<Column> {
    let column = |name: &str, kind| Column {
        name: name.to_owned(),
        kind,
        meaning: format!("The {name}."),
    };
    vec![
        column("id", ColumnKind::Integer),
        column("similarity", ColumnKind::Real),
        column("text", ColumnKind::Text),
    ]
}

/// Takes what is written while the document still holds it.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The bytes of a document of one table, `table`.
pub(super) fn write_bytes(
    document: impl FnOnce(Box<dyn Write + Send>) -> Box<dyn Document>,
    columns: &[Column],
    rows: &[[Cell<'_>; 3]],
) -> Vec<u8> {
    let sink = Sink::default();
    let mut document = document(Box::new(sink.clone()));
    document.begin("table", columns).unwrap();
    rows.iter().for_each(|row| document.row(row).unwrap());
    document.finish().unwrap();
    sink.0.lock().unwrap().clone()
}

/// The text of a document of one table, `table`.
pub(super) fn write(
    document: impl FnOnce(Box<dyn Write + Send>) -> Box<dyn Document>,
    columns: &[Column],
    rows: &[[Cell<'_>; 3]],
) -> String {
    String::from_utf8(write_bytes(document, columns, rows)).unwrap()
}
