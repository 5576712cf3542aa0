//! Rows on their way to other programs: plain data that crosses the seam between the store and the exports.
//!
//! Owns what a column and a cell are, and what each column means. Where rows come from and how a format writes them is not
//! decided here.

mod dictionary;

pub use dictionary::{described_columns, described_tables};

/// The kind of a column's values; each cell may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Whole numbers of 64 bits.
    Integer,
    /// Floating-point numbers of 64 bits.
    Real,
    /// Text.
    Text,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The kind of its values.
    pub kind: ColumnKind,
    /// Its meaning, with unit and range, in Markdown.
    pub meaning: String,
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'r> {
    /// There is none.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text.
    Text(&'r str),
}

impl ColumnKind {
    /// The name of the kind, as SQLite has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Integer, Self::Real, Self::Text]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

impl<'r> Cell<'r> {
    /// A cell of text, or null.
    pub fn opt_text(text: Option<&'r str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }

    /// A cell of a number, or null.
    pub fn opt_real(number: Option<f64>) -> Self {
        number.map_or(Self::Null, Self::Real)
    }
}
