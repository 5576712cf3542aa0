//! From where the rows of tables come, and to whom they are handed.
//!
//! Owns which experiments and which of their conditions are meant.

use std::path::Path;

use crate::leakage::RateKind;
use crate::store::{ExperimentId, Store, StoredCondition};
use crate::study::selecting::{self, Selection, rate_kind};
use crate::table::Cell;

/// Takes a row.
pub type TakeRow<'t> = &'t mut dyn FnMut(&[Cell<'_>]) -> anyhow::Result<()>;

/// The stored experiments from which rows come.
pub struct Source {
    pub(crate) store: Store,
    /// The experiments that are meant; all unless given.
    pub(crate) experiments: Option<Vec<ExperimentId>>,
}

impl Source {
    /// The experiments of this name, or whose SHA-256 begins so, in a database that is there; all of them unless one is
    /// given.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn open(db: &Path, experiment: Option<&str>) -> anyhow::Result<Self> {
        let store = Store::open_existing(db)?;
        let experiments = selecting::ids_named(&store, experiment)?;
        Ok(Self { store, experiments })
    }

    /// The conditions with such leaks that are meant; none where no such leaks are stored.
    pub(crate) fn conditions(&self, kind: RateKind) -> anyhow::Result<Vec<StoredCondition>> {
        let mut stored = self.store.conditions()?;
        stored.retain(|set| {
            let is_in = |ids: &Vec<ExperimentId>| ids.contains(&set.key.experiment);
            rate_kind(set) == kind && self.experiments.as_ref().is_none_or(is_in)
        });
        let meant = selecting::all(&stored, &[], &Selection::default())?;
        Ok(meant.sets.into_iter().cloned().collect())
    }
}
