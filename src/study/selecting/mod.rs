//! Which of the stored leaks are meant: from the words of the command line to conditions that may be compared.
//!
//! Owns the order of the steps, for each purpose; the steps are in `narrowing` and `computing`, words in `words`, what
//! may be compared in `alike`. Whoever compares, reports, shows, exports, plans or drifts asks here, so that one word means one thing.

mod alike;
mod bases;
mod computing;
mod narrowing;
mod words;

use anyhow::bail;
use itertools::Itertools as _;

use crate::leakage::RateKind;
use crate::store::{
    ConditionKey, ExperimentId, KeyField, Store, StoredCondition, StoredExperiment,
};

pub(crate) use alike::{difference, is_computed_alike, is_file_alone, numerics_note};
pub(crate) use bases::{Base, against, bases};
pub(crate) use narrowing::{Selected, USUAL_METRIC, rate_kind};
pub(crate) use words::{
    EXPERIMENT, Name, condition_name, experiment_version, hint, is_encoder, is_experiment, resolve,
};

use narrowing::{METRIC, Policy, SEED};

/// The stored leaks that are meant.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// The experiment, by name or by the beginning of its SHA-256.
    pub experiment: Option<String>,
    /// The metric; `sbert` unless given.
    pub metric: Option<String>,
    /// The encoder, by its name, its path or the beginning of its file's SHA-256; the first that the experiment names unless
    /// given.
    pub embedding_model: Option<String>,
    /// The seed of the generations.
    pub seed: Option<u64>,
    /// Rates of repeats or exact ones.
    pub rates: Option<RateKind>,
}

/// All conditions that are stored, of which there is at least one.
pub(crate) fn stored(store: &Store) -> anyhow::Result<Vec<StoredCondition>> {
    let stored = store.conditions()?;
    if stored.is_empty() {
        bail!(
            "the database `{}` holds no leaks yet\nhint: `seep run` stores them when it ends, `seep score` does for imports",
            store.path().display()
        );
    }
    Ok(stored)
}

/// The conditions that the words name, in their order.
pub(crate) fn named<'a>(
    stored: &'a [StoredCondition],
    words: &[&str],
    selection: &Selection,
) -> anyhow::Result<Selected<'a>> {
    let asked = begin(stored, Policy::Given, selection)?;
    let mut left = begin(stored, Policy::Given, selection)?;
    left.complete(words, |set| selection.has_asked(set))?;
    left.rates()?;
    left.note_other_rates(&asked, words);
    left.latest()?;
    left.named(words)?;
    left.finish(selection)
}

/// All conditions of the experiment that is meant; of the latest unless one is.
pub(crate) fn of_experiment<'a>(
    stored: &'a [StoredCondition],
    selection: &Selection,
) -> anyhow::Result<Selected<'a>> {
    let mut left = begin(stored, Policy::Usual, selection)?;
    left.complete(&[], |set| selection.has_asked(set))?;
    left.latest()?;
    left.rates()?;
    left.finish(selection)
}

/// All that are meant, of several experiments, metrics and seeds unless they are given; of these words, if any.
pub(crate) fn all<'a>(
    stored: &'a [StoredCondition],
    words: &[String],
    selection: &Selection,
) -> anyhow::Result<Selected<'a>> {
    let mut left = begin(stored, Policy::All, selection)?;
    left.field(METRIC, selection.metric.as_deref())?;
    left.encoder(selection.embedding_model.as_deref())?;
    left.field(SEED, selection.seed().as_deref())?;
    left.only(words)?;
    left.standing();
    Ok(left)
}

/// The sets of each other metric and encoder that there is for all conditions, in their order: verdicts on the same
/// generations. Encoders of the same metric come first, those that the experiment names in its order.
pub(crate) fn other_similarities<'a>(
    stored: &'a [StoredCondition],
    sets: &[&StoredCondition],
) -> Vec<Vec<&'a StoredCondition>> {
    let except = [
        KeyField::Metric,
        KeyField::EmbeddingModel,
        KeyField::Signature,
    ];
    let is_of = |found: &StoredCondition, set: &StoredCondition| {
        found.key.difference(&set.key, &except).is_none()
    };
    let shown = &sets[0].key;
    let is_other = |key: &ConditionKey| {
        key.metric != shown.metric || key.embedding_model != shown.embedding_model
    };
    let others = stored.iter();
    let others = others.filter(|it| is_other(&it.key) && sets.iter().any(|set| is_of(it, set)));
    let kind = |set: &StoredCondition| {
        let metric = set.key.metric.clone();
        let place = set.encoder_idx.unwrap_or(u32::MAX);
        (
            metric != shown.metric,
            metric,
            place,
            set.key.embedding_model,
        )
    };
    let by_kind = others.into_group_map_by(|set| kind(set)).into_iter();
    let of_kind = by_kind
        .sorted_by(|(a, _), (b, _)| a.cmp(b))
        .filter_map(|(_, others)| {
            let mut left = Selected {
                policy: Policy::Given,
                sets: others,
                notes: Vec::new(),
            };
            left.similarities().ok()?;
            let of = |set: &&StoredCondition| left.sets.iter().copied().find(|it| is_of(it, set));
            sets.iter().map(of).collect::<Option<Vec<_>>>()
        });
    of_kind.collect()
}

impl Selection {
    fn seed(&self) -> Option<String> {
        self.seed.map(|seed| seed.to_string())
    }

    /// True if a set is by the encoder that is asked for, or if none is.
    pub(crate) fn has_encoder(&self, set: &StoredCondition) -> bool {
        let asked = self.embedding_model.as_deref();
        asked.is_none_or(|word| is_encoder(word, set))
    }

    fn has_asked(&self, set: &StoredCondition) -> bool {
        METRIC.is(set, self.metric.as_deref())
            && SEED.is(set, self.seed().as_deref())
            && self.has_encoder(set)
    }
}

/// The sets of the rates and of the experiment that are asked for.
fn begin<'a>(
    stored: &'a [StoredCondition],
    policy: Policy,
    selection: &Selection,
) -> anyhow::Result<Selected<'a>> {
    let mut left = Selected {
        policy,
        sets: stored.iter().collect(),
        notes: Vec::new(),
    };
    left.asked_experiment(selection.experiment.as_deref())?;
    left.asked_rates(selection.rates, stored)?;
    Ok(left)
}

impl Selected<'_> {
    /// Keeps the sets that may be compared, of those of one experiment and kind of rates.
    fn finish(mut self, selection: &Selection) -> anyhow::Result<Self> {
        self.field(METRIC, selection.metric.as_deref())?;
        self.encoder(selection.embedding_model.as_deref())?;
        self.field(SEED, selection.seed().as_deref())?;
        self.enumeration()?;
        self.similarities()?;
        self.standing();
        self.notes.extend(numerics_note(&self.sets));
        Ok(self)
    }
}

/// The stored experiments of this name, or whose SHA-256 begins so; all of them unless one is given.
///
/// # Errors
/// When there is none of this name.
pub(crate) fn experiments_named(
    store: &Store,
    word: Option<&str>,
) -> anyhow::Result<Vec<StoredExperiment>> {
    let mut meant = store.experiments()?;
    if let Some(word) = word {
        let names: Vec<String> = meant.iter().map(|it| it.name.clone()).collect();
        meant.retain(|it| is_experiment(word, &it.name, &it.sha256));
        if meant.is_empty() {
            let hint = hint(word, names.iter().map(String::as_str));
            bail!("the database has no experiment `{word}`{hint}");
        }
    }
    Ok(meant)
}

/// The ids of the experiments of this name, or whose SHA-256 begins so; None unless one is given.
///
/// # Errors
/// When there is none of this name.
pub fn ids_named(store: &Store, word: Option<&str>) -> anyhow::Result<Option<Vec<ExperimentId>>> {
    let ids = |named: Vec<StoredExperiment>| named.iter().map(|it| it.id).collect();
    let named = word.map(|_| experiments_named(store, word));
    Ok(named.transpose()?.map(ids))
}

#[cfg(test)]
mod tests;
