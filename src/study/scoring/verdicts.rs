//! Conditions with leaks, as comparison, report and export offer them.
//!
//! Owns which of several conditions stands for those that differ only in how they were computed.

use crate::store::{KeyField, Store, StoredCondition};

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
