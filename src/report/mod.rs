//! Results for people and for programs: tables, JSON, figures, the page.
//!
//! Owns words and layout. It reads no database and computes no statistic: every figure stands in `results` already.

mod annotation;
mod columns;
mod compare;
mod diagnostics;
mod drift;
mod encoders;
mod figure;
mod html;
mod json;
mod objects;
mod pairs;
mod plan;
mod replicate;
mod sampling_object;
mod seen;
mod specific;
mod specific_object;
mod table;
mod text;
mod wordings;

pub use annotation::{annotation_json, annotation_table};
pub use columns::plain_table;
pub use compare::{comparison_json, comparison_table};
pub use drift::{drift_json, drift_table};
pub use figure::{Figure, FigureError, figure_files};
pub use html::Report;
pub use json::{json, json_list};
pub use pairs::pairs;
pub use plan::plan_table;
pub use replicate::{replication_json, replication_table};
pub use table::{mode_text, table, tables};
