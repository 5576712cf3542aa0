//! The tables that are exported, row by row.
//!
//! Owns the tables that are computed; all others are views of the store. Files and formats are the business of `export`.

mod comparisons;
mod diagnostics;
mod matrix;
mod rates;
mod source;
mod tables;

pub use source::{Source, TakeRow};
pub use tables::{Table, dictionary, named};
