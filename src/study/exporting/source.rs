//! From where the rows of tables come, and to whom they are handed.
//!
//! Owns which experiments and which of their conditions are meant.

use std::path::Path;

use crate::leakage::RateKind;
use crate::store::{ExperimentId, Store, StoredCondition};
use crate::study::selecting::{self, Selection, rate_kind};
use crate::study::session::Session;
use crate::table::Cell;

/// Takes a row.
pub type TakeRow<'t> = &'t mut dyn FnMut(&[Cell<'_>]) -> anyhow::Result<()>;

/// The stored experiments from which rows come.
pub struct Source {
    pub(crate) store: Store,
    /// The experiments that are meant; all unless given.
    pub(crate) experiments: Option<Vec<ExperimentId>>,
    /// The encoder that is asked for.
    selection: Selection,
}

/// The first cells of a row about a condition, in the order of `rates` and `concept_matrix` in `db/README.md`.
pub(super) fn condition_cells(set: &StoredCondition) -> [Cell<'_>; 11] {
    [
        Cell::Integer(set.key.experiment.get()),
        Cell::Text(&set.experiment_name),
        Cell::Integer(set.key.model.get()),
        Cell::Text(&set.label),
        Cell::Text(&set.quantization),
        Cell::opt_real(set.bits_per_weight),
        Cell::Integer(set.key.sampling.get()),
        Cell::Text(&set.sampling_values),
        Cell::Text(&set.key.metric),
        Cell::Integer(set.key.seed.cast_signed()),
        Cell::Text(&set.wording),
    ]
}

impl Source {
    /// The experiments of this name, or whose SHA-256 begins so, in a database that is there; all of them unless one is
    /// given. Figures are by the encoder that is named, or by the first that each experiment names.
    ///
    /// # Errors
    /// When there is none of this name, or nothing by this encoder.
    pub fn open(
        session: &Session,
        db: &Path,
        experiment: Option<&str>,
        embedding_model: Option<&str>,
    ) -> anyhow::Result<Self> {
        let store = session.store_to_read(db)?;
        let experiments = selecting::ids_named(&store, experiment)?;
        let source = Self {
            store,
            experiments,
            selection: Selection {
                embedding_model: embedding_model.map(str::to_owned),
                ..Selection::default()
            },
        };
        selecting::all(&source.stored()?, &[], &source.selection)?;
        Ok(source)
    }

    /// The conditions of the experiments that are meant.
    fn stored(&self) -> anyhow::Result<Vec<StoredCondition>> {
        let mut stored = self.store.conditions()?;
        let experiments = self.experiments.as_ref();
        stored.retain(|set| experiments.is_none_or(|ids| ids.contains(&set.key.experiment)));
        Ok(stored)
    }

    /// The choices that nobody asked for and that are worth saying.
    ///
    /// # Errors
    /// An error of the database.
    pub fn notes(&self) -> anyhow::Result<Vec<String>> {
        Ok(selecting::all(&self.stored()?, &[], &self.selection)?.notes)
    }

    /// The conditions with such leaks that are meant; none where no such leaks are stored.
    pub(crate) fn conditions(&self, kind: RateKind) -> anyhow::Result<Vec<StoredCondition>> {
        let mut stored = self.stored()?;
        stored.retain(|set| rate_kind(set) == kind && self.selection.has_encoder(set));
        let meant = selecting::all(&stored, &[], &Selection::default())?;
        Ok(meant.sets.into_iter().cloned().collect())
    }
}
