//! The findings of `seep compare`, for people and for programs.
//!
//! Owns `ComparisonReport`, plain data that the command puts together, and its two renderings. It reads no database
//! and computes no statistic.

mod categories;
mod cells;
pub(super) mod conclusions;
mod json;
mod table;
#[cfg(test)]
mod tests;
pub(super) mod words;

pub use json::comparison_json;
pub use table::comparison_table;
