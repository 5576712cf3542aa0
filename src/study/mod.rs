//! The laboratory as values: experiments are run, scored, compared and planned here, for the program and for libraries.
//!
//! Owns the steps between the parts: which files are opened, what models are asked, what is stored when, which verdicts
//! are compared. It reads no command line and prints nothing: whoever opens a [`Session`] watches it and may end it.

pub(crate) mod answering;
pub(crate) mod asking;
mod comparing;
mod drifting;
mod estimates;
mod experiment;
mod exporting;
mod importing;
pub(crate) mod models;
mod planning;
pub(crate) mod prompt_date;
pub(crate) mod published;
mod reporting;
pub(crate) mod running;
pub(crate) mod scoring;
pub(crate) mod session;
mod showing;
pub(crate) mod stored;

/// The tables that are exported, row by row.
pub mod export {
    pub use super::exporting::{Source, Table, TakeRow, dictionary, named};
}

pub use comparing::{Comparing, Selection};
pub use experiment::Loading;
pub use importing::{ImportedNow, Importing};
pub use reporting::Reporting;
pub use scoring::Scoring;
pub use session::{Interrupted, Session};
pub use showing::Showing;
pub use stored::{ids_named, open as open_stored};
