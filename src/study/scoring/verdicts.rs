//! The verdicts of a condition, read back with what statistics are computed from.
//!
//! Owns the one way in which comparison, report and export read leaks of repeats, and which of several conditions stands
//! for those that differ only in how they were computed. Exact leaks are in `compare::exact`.

use crate::leakage::{PairRates, ScoredPair, pair_rates};
use crate::store::{KeyField, Store, StoredCondition, StoredLeak};

/// What a person need not know of to name a condition: how logits and similarities were computed.
pub(crate) const COMPUTING: [KeyField; 3] = [
    KeyField::Numerics,
    KeyField::EmbeddingModel,
    KeyField::Signature,
];

/// The stored conditions with leaks of repeats, and those with exact ones: each once, with most verdicts of those that
/// differ only in how they were computed, and of equals the latest.
pub(crate) fn stored_conditions(
    store: &Store,
) -> anyhow::Result<(Vec<StoredCondition>, Vec<StoredCondition>)> {
    let mut chosen: Vec<StoredCondition> = Vec::new();
    for condition in store.conditions()? {
        let is_same = |old: &&mut StoredCondition| {
            let difference = old.key.difference(&condition.key, &COMPUTING);
            difference.is_none()
        };
        match chosen.iter_mut().find(is_same) {
            Some(old) if old.n_leaks > condition.n_leaks => {}
            Some(old) => *old = condition,
            None => chosen.push(condition),
        }
    }
    let is_exact = |condition: &StoredCondition| condition.key.enumeration().is_some();
    let (exact, repeats) = chosen.into_iter().partition(is_exact);
    Ok((repeats, exact))
}

/// The verdicts of one condition.
pub(crate) struct Verdicts<'a> {
    pub(crate) set: &'a StoredCondition,
    pub(crate) leaks: Vec<StoredLeak>,
    pub(crate) pairs: Vec<ScoredPair>,
    pub(crate) rates: PairRates,
}

/// The verdicts of each of the sets, in their order.
pub(crate) fn read_verdicts<'a>(
    store: &Store,
    sets: &[&'a StoredCondition],
) -> anyhow::Result<Vec<Verdicts<'a>>> {
    let verdicts = sets.iter().map(|set| {
        let leaks = store.leaks(set.id)?;
        let pairs: Vec<ScoredPair> = leaks.iter().map(StoredLeak::scored_pair).collect();
        let rates = pair_rates(&pairs);
        Ok(Verdicts {
            set,
            leaks,
            pairs,
            rates,
        })
    });
    verdicts.collect()
}
