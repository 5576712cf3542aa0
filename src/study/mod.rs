//! The laboratory as values: experiments are run, scored, compared and planned here, for the program and for libraries.
//!
//! Owns the steps between the parts: which files are opened, what models are asked, what is stored when, which verdicts
//! are compared. It reads no command line and prints nothing: whoever opens a [`Session`] watches it and may end it.
//!
//! # Example
//!
//! A folder of model files and a database, an experiment file, its rates, and a comparison:
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! # let folder = std::path::Path::new("gguf");
//! # let db = std::path::Path::new("db/seep.sqlite");
//! # let file = std::path::Path::new("experiments/colors.yaml");
#![doc = include_str!("../../tests/integration/example.in")]
//! # }
//! ```

mod annotating;
pub(crate) mod answering;
pub(crate) mod asking;
mod comparing;
mod domain;
mod drifting;
mod estimates;
mod experiment;
mod exporting;
mod importing;
mod left_out;
pub(crate) mod models;
mod planning;
pub(crate) mod prompt_date;
pub(crate) mod published;
mod replicating;
mod reporting;
pub(crate) mod running;
pub(crate) mod scoring;
mod seeds;
pub(crate) mod selecting;
pub(crate) mod session;
mod showing;
mod templates;
mod wordings;

/// The tables that are exported, row by row.
pub mod export {
    pub use super::exporting::{Source, Table, TakeRow, dictionary, named};
}

pub use annotating::{
    AnnotationSheet, AnnotationsRead, ChangedChoice, ReadingAnnotations, SamplingVerdicts,
    SheetItem,
};
pub use comparing::Comparing;
pub use experiment::Loading;
pub use importing::{ImportedNow, Importing};
pub use replicating::Replicating;
pub use reporting::Reporting;
pub use scoring::Scoring;
pub use selecting::{Selection, ids_named};
pub use session::{Interrupted, Session};
pub use showing::Showing;
