//! The verdicts of a condition, read back with what statistics are computed from.
//!
//! Owns the one way in which comparison, report and export read leaks of repeats. Exact leaks are in `comparing::exact`.

use crate::leakage::{PairRates, ScoredPair, pair_rates};
use crate::store::{Store, StoredCondition, StoredLeak};

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
