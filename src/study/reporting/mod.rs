//! Everything that is stored of an experiment, read for its report.
//!
//! Owns the order of its steps. Which leaks are shown, `choice` says; what is read of them, `assemble`, and `exact` of
//! exact ones; how it is told, the module `report` of the library.

mod assemble;
mod choice;
mod exact;

use std::path::Path;

use anyhow::bail;

use crate::leakage::{ClusterUnit, RateKind};
use crate::results::ReportData;
use crate::study::comparing::Selection;
use crate::study::comparing::kind::Kinds;
use crate::study::scoring::verdicts::stored_conditions;
use crate::study::session::Session;
use crate::study::stored;

/// The leaks of a report, and how conditions are compared there.
#[derive(Debug, Clone, Default)]
pub struct Reporting {
    /// The leaks that are meant; the latest experiment unless one is named.
    pub selection: Selection,
    /// The condition that all others are compared with; of each model the file with most bits per weight unless given.
    pub base: Option<String>,
    /// The bond between prompts that are not independent of each other.
    pub unit: ClusterUnit,
}

impl Session {
    /// Everything that a report shows of an experiment stored in `db`.
    ///
    /// # Errors
    /// When nothing is stored of what is meant.
    pub fn report(&self, db: &Path, reporting: &Reporting) -> anyhow::Result<ReportData> {
        let store = stored::open(db)?;
        let (stored, exact) = stored_conditions(&store)?;
        if stored.is_empty() && exact.is_empty() {
            bail!(
                "the database `{}` holds no leaks yet\nhint: `seep run` stores them",
                db.display()
            );
        }
        let kinds = Kinds {
            repeats: &stored,
            exact: &exact,
        };
        let choice = choice::choose(kinds, &reporting.selection)?;
        for note in &choice.notes {
            self.note(note);
        }
        match choice.kind {
            RateKind::Repeats => assemble::assemble(self, &store, &choice.sets, reporting),
            RateKind::Exact => {
                let sets = exact::with_common_params(self, &exact, &choice);
                assemble::assemble(self, &store, &sets, reporting)
            }
        }
    }
}
