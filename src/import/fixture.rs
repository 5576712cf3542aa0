//! Files for the tests of imports, written by the tests themselves.

use std::path::{Path, PathBuf};

use rust_xlsxwriter::{Formula, Workbook};
use tempfile::TempDir;

use super::{ImportError, ImportedFile, Mapping, summary_of};

/// The content that a test puts into a cell.
#[derive(Clone)]
pub(super) enum Value {
    None,
    Text(String),
    Number(f64),
    Bool(bool),
    /// A formula with its stored result.
    Formula(&'static str, &'static str),
}

/// A text as a cell; `-` for an empty one, digits for a number.
pub(super) fn value(text: &str) -> Value {
    match text {
        "-" => Value::None,
        "true" => Value::Bool(true),
        text => text
            .parse()
            .map_or_else(|_| Value::Text(text.to_owned()), Value::Number),
    }
}

/// Rows from text: cells between bars.
pub(super) fn rows(text: &str) -> Vec<Vec<Value>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| line.split('|').map(|cell| value(cell.trim())).collect())
        .collect()
}

/// A folder for files.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(super) fn workbook(&self, rows: &[Vec<Value>]) -> PathBuf {
        let path = self.path("a.xlsx");
        write(&path, rows);
        path
    }

    /// The findings in a workbook with these rows, one line for each.
    pub(super) fn findings(&self, rows: &[Vec<Value>]) -> Vec<String> {
        let path = self.workbook(rows);
        let read = ImportedFile::read(&path, &Mapping::published()).unwrap();
        summary_of(&read.findings)
    }

    /// The message of a file that cannot be imported, without the folder.
    pub(super) fn refusal(&self, path: &Path, mapping: &Mapping) -> String {
        self.message(&ImportedFile::read(path, mapping).unwrap_err())
    }

    pub(super) fn message(&self, error: &ImportError) -> String {
        let folder = format!("{}/", self.0.path().display());
        error.to_string().replace(&folder, "")
    }
}

fn write(path: &Path, rows: &[Vec<Value>]) {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (row_idx, row) in (0u32..).zip(rows) {
        for (column_idx, value) in (0u16..).zip(row) {
            let result = match value {
                Value::None => continue,
                Value::Text(text) => sheet.write(row_idx, column_idx, text),
                Value::Number(number) => sheet.write(row_idx, column_idx, *number),
                Value::Bool(value) => sheet.write(row_idx, column_idx, *value),
                Value::Formula(formula, result) => {
                    let formula = Formula::new(*formula).set_result(*result);
                    sheet.write(row_idx, column_idx, formula)
                }
            };
            result.unwrap();
        }
    }
    workbook.save(path).unwrap();
}
