//! Seeds under which the same was asked.
//!
//! Owns when two stored conditions ask the same: the same prompt pairs in the same messages, the same model file, sampling
//! values, wording and method. Seed and numerics may differ, and the text of the experiment where none of this does.

use std::collections::{BTreeMap, BTreeSet};

use crate::leakage::RateKind;
use crate::store::{ExperimentId, Source, Store, StoredCondition};
use crate::study::selecting::rate_kind;

/// The prompt pairs of an experiment, as [`Store::pair_texts`] has them.
pub(crate) type PairTexts = BTreeMap<usize, String>;

/// The first pair that two experiments do not have in common, by its place; None where one has all pairs of the other.
pub(crate) fn differing_pair(a: &PairTexts, b: &PairTexts) -> Option<usize> {
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut pairs = few.iter();
    let differs = pairs.find(|(place, text)| many.get(place) != Some(text));
    differs.map(|(place, _)| *place)
}

/// True if two conditions have the same model file, sampling values, messages around prompts and method.
pub(crate) fn is_made_alike(a: &StoredCondition, b: &StoredCondition) -> bool {
    a.model_sha256 == b.model_sha256
        && a.sampling_values == b.sampling_values
        && a.wording_messages == b.wording_messages
        && a.key.method == b.key.method
}

/// The number of seeds under which all of `shown` are stored, with as many pairs and by the same metric; at least 1.
pub(crate) fn n_seeds(
    store: &Store,
    stored: &[StoredCondition],
    shown: &[&StoredCondition],
) -> anyhow::Result<usize> {
    let Some(first) = shown.first() else {
        return Ok(1);
    };
    let mut experiments: BTreeMap<ExperimentId, bool> = BTreeMap::new();
    let pairs = store.pair_texts(first.key.experiment)?;
    let mut found: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
    for set in stored {
        if set.experiment_name != first.experiment_name || set.key.metric != first.key.metric {
            continue;
        }
        let experiment = set.key.experiment;
        let is_same = match experiments.get(&experiment) {
            Some(is_same) => *is_same,
            None => differing_pair(&pairs, &store.pair_texts(experiment)?).is_none(),
        };
        experiments.insert(experiment, is_same);
        let Some(place) = shown.iter().position(|it| is_made_alike(it, set)) else {
            continue;
        };
        if is_same && store.n_scored_pairs(set.id)? >= store.n_scored_pairs(shown[place].id)? {
            found.entry(set.key.seed).or_default().insert(place);
        }
    }
    let n_kinds = (0..shown.len()).filter(|&place| {
        let first = shown.iter().position(|it| is_made_alike(it, shown[place]));
        first == Some(place)
    });
    let n_kinds = n_kinds.count();
    let n_seeds = found.values().filter(|places| places.len() == n_kinds);
    Ok(n_seeds.count().max(1))
}

/// The same of the conditions that have verdicts on these generations, or exact leaks.
pub(crate) fn n_seeds_of(
    store: &Store,
    sources: &[Source],
    metric: &str,
    kind: RateKind,
) -> anyhow::Result<usize> {
    let stored = store.conditions()?;
    let is_shown = |set: &&StoredCondition| {
        sources.contains(&set.key.source()) && set.key.metric == metric && rate_kind(set) == kind
    };
    let shown: Vec<&StoredCondition> = stored.iter().filter(is_shown).collect();
    n_seeds(store, &stored, &shown)
}
