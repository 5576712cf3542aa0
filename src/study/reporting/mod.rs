//! Everything that is stored of an experiment, read for its report.
//!
//! Owns the order of its steps. Which leaks are shown, `selecting` says; what is read of them, `assemble`, and `exact` of
//! exact ones; how it is told, the module `report` of the library.

mod assemble;

use std::path::Path;

use crate::leakage::ClusterUnit;
use crate::results::ReportData;
use crate::study::selecting::{self, Selection};
use crate::study::session::Session;

/// The leaks of a report, and how conditions are compared there.
#[derive(Debug, Clone, Default)]
pub struct Reporting {
    /// The leaks that are meant; the latest experiment unless one is named.
    pub selection: Selection,
    /// The condition that all others are compared with; of each model the file with most bits per weight unless given.
    pub base: Option<String>,
    /// The bond between prompts that are not independent of each other.
    pub unit: ClusterUnit,
    /// Let intervals speak of other concepts too, whatever the experiment says.
    pub generalises_concepts: bool,
}

impl Session {
    /// Everything that a report shows of an experiment stored in `db`.
    ///
    /// # Errors
    /// When nothing is stored of what is meant.
    pub fn report(&self, db: &Path, reporting: &Reporting) -> anyhow::Result<ReportData> {
        let store = self.store_to_read(db)?;
        let stored = selecting::stored(&store)?;
        let selected = selecting::of_experiment(&stored, &reporting.selection)?;
        for note in &selected.notes {
            self.note(note);
        }
        assemble::assemble(self, &store, &stored, &selected.sets, reporting)
    }
}
