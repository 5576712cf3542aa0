//! The table `comparisons`: each two conditions of an experiment against each other.
//!
//! Owns which condition is the base: that with more bits per weight, or that stored first where both have as many, as in
//! the view `v_flips`. What a difference is, `leakage` says; prompts that share a control prompt are one cluster.

use std::collections::BTreeMap;

use super::tables::{Source, TakeRow};
use crate::cli::ClusterUnit;
use crate::cmd::compare::{FLIPS, clusters};
use crate::leakage::{
    Comparison, Flips, PairRates, ScoredPair, compare_with_base, count_flips, pair_rates,
};
use crate::store::{StoredLeak, StoredLeakSet};
use crate::table::Cell;

/// The verdicts of one condition.
struct Verdicts {
    set: StoredLeakSet,
    leaks: Vec<StoredLeak>,
    pairs: Vec<ScoredPair>,
    rates: PairRates,
}

/// Hands a row for each two conditions to `take`; those of one experiment, metric and seed are compared.
pub(super) fn each_comparison(source: &Source, take: TakeRow<'_>) -> anyhow::Result<()> {
    let mut groups: BTreeMap<(i64, String, u64), Vec<StoredLeakSet>> = BTreeMap::new();
    for set in source.leak_sets()? {
        let key = (set.experiment.get(), set.metric.clone(), set.seed);
        groups.entry(key).or_default().push(set);
    }
    for mut sets in groups.into_values() {
        let bits = |set: &StoredLeakSet| set.bits_per_weight.unwrap_or(0.0);
        sets.sort_by(|a, b| bits(b).total_cmp(&bits(a)));
        let verdicts = sets.into_iter().map(|set| read(source, set));
        let verdicts = verdicts.collect::<anyhow::Result<Vec<Verdicts>>>()?;
        for (base_idx, base) in verdicts.iter().enumerate() {
            compare_others(base, &verdicts[base_idx + 1..], take)?;
        }
    }
    Ok(())
}

fn read(source: &Source, set: StoredLeakSet) -> anyhow::Result<Verdicts> {
    let leaks = source.store.leaks(set.set())?;
    let pairs: Vec<ScoredPair> = leaks.iter().map(StoredLeak::scored_pair).collect();
    Ok(Verdicts {
        rates: pair_rates(&pairs),
        set,
        leaks,
        pairs,
    })
}

fn compare_others(base: &Verdicts, others: &[Verdicts], take: TakeRow<'_>) -> anyhow::Result<()> {
    let all = [base].into_iter().chain(others);
    let clusters = clusters(
        all.flat_map(|verdicts| &verdicts.leaks),
        ClusterUnit::Control,
    );
    let rates: Vec<&PairRates> = others.iter().map(|other| &other.rates).collect();
    let found = compare_with_base(&base.rates, &rates, &clusters, FLIPS);
    for (other, comparison) in others.iter().zip(found) {
        // Conditions without a common prompt cannot be compared.
        if let Some(comparison) = comparison {
            take(&cells(base, other, &comparison))?;
        }
    }
    Ok(())
}

/// The cells in the order of the table `comparisons` in `db/README.md`.
fn cells<'v>(base: &'v Verdicts, other: &'v Verdicts, comparison: &Comparison) -> Vec<Cell<'v>> {
    let count = |n: usize| Cell::Integer(n as i64);
    let repeats = count_flips(&base.pairs, &other.pairs);
    let sum = |n_of: &dyn Fn(&Flips) -> usize| {
        count(repeats.iter().map(|repeat| n_of(&repeat.flips)).sum())
    };
    let mut cells = vec![
        Cell::Integer(base.set.experiment.get()),
        Cell::Text(&base.set.experiment_name),
        Cell::Text(&base.set.metric),
        Cell::Integer(base.set.seed.cast_signed()),
    ];
    for set in [&base.set, &other.set] {
        cells.extend([
            Cell::Integer(set.model.get()),
            Cell::Text(&set.label),
            Cell::Text(&set.quantization),
            Cell::opt_real(set.bits_per_weight),
            Cell::Text(&set.sampling_values),
        ]);
    }
    cells.extend([
        Cell::Real(comparison.base_rate),
        Cell::Real(comparison.other_rate),
        Cell::Real(comparison.difference),
        Cell::opt_real(comparison.standard_error),
        Cell::opt_real(comparison.interval.map(|interval| interval.lower)),
        Cell::opt_real(comparison.interval.map(|interval| interval.upper)),
        Cell::Real(comparison.p_value.value),
        Cell::Real(comparison.holm_p_value),
        count(comparison.n_prompts),
        count(comparison.n_clusters),
        sum(&|flips| flips.n_to_leak),
        sum(&|flips| flips.n_to_no_leak),
        sum(&|flips| flips.n_ties_changed),
        sum(&|flips| flips.n_unchanged),
    ]);
    cells
}
