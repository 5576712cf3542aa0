//! The findings of `seep replicate`, for people and for programs.
//!
//! Owns the folder's order: `rows` makes conclusions of comparisons, `table` and `json` show them.

mod json;
mod rows;
mod table;
#[cfg(test)]
mod tests;

pub use json::replication_json;
pub use table::replication_table;
