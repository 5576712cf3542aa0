//! The tables that are exported, row by row.
//!
//! Owns the tables that are computed; all others are views of the store. Files and formats are the business of `export`.

mod comparisons;
mod diagnostics;
mod tables;

pub use tables::{Source, Table, TakeRow, dictionary, named};
