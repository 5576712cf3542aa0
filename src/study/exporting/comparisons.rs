//! The table `comparisons`: each two conditions of an experiment against each other.
//!
//! Owns which condition is the base: that with more bits per weight, or that stored first where both have as many, as in
//! the view `v_flips`. What a difference is, `leakage` says; prompts that share a control prompt are one cluster.

use super::tables::{Source, TakeRow};
use crate::leakage::{ClusterUnit, RateKind};
use crate::leakage::{
    Comparison, ExactDifference, ExactPair, Flips, PairRates, compare_with_base, count_flips,
    exact_differences,
};
use crate::store::StoredCondition;
use crate::study::comparing::exact::{self, Exact};
use crate::study::comparing::{FLIPS, clusters};
use crate::study::scoring::verdicts::{Verdicts, read_verdicts};
use crate::study::selecting::difference;
use crate::table::Cell;

/// Hands a row for each two conditions to `take` that may be compared.
pub(crate) fn each_comparison(source: &Source, take: TakeRow<'_>) -> anyhow::Result<()> {
    let sets = source.conditions(RateKind::Repeats)?;
    for sets in comparable(&sets) {
        let verdicts = read_verdicts(&source.store, &sets)?;
        for (base_idx, base) in verdicts.iter().enumerate() {
            compare_others(base, &verdicts[base_idx + 1..], take)?;
        }
    }
    let sets = source.conditions(RateKind::Exact)?;
    for sets in comparable(&sets) {
        let conditions = exact::read(&source.store, &sets)?;
        for base_idx in 0..conditions.len() {
            compare_exact(&conditions[base_idx..], take)?;
        }
    }
    Ok(())
}

/// The sets that are compared with each other, those with most bits per weight first.
fn comparable(sets: &[StoredCondition]) -> Vec<Vec<&StoredCondition>> {
    let mut groups: Vec<Vec<&StoredCondition>> = Vec::new();
    for set in sets {
        match groups
            .iter_mut()
            .find(|it| difference(it[0], set).is_none())
        {
            Some(group) => group.push(set),
            None => groups.push(vec![set]),
        }
    }
    let bits = |set: &StoredCondition| set.bits_per_weight.unwrap_or(0.0);
    for group in &mut groups {
        group.sort_by(|a, b| bits(b).total_cmp(&bits(a)));
    }
    groups
}

fn compare_others(
    base: &Verdicts<'_>,
    others: &[Verdicts<'_>],
    take: TakeRow<'_>,
) -> anyhow::Result<()> {
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
            let mut cells = comparison_cells(base.set, other.set, &comparison);
            cells.extend(flip_cells(base, other));
            cells.push(Cell::Text(RateKind::Repeats.name()));
            cells.extend([Cell::Null; 3]);
            take(&cells)?;
        }
    }
    Ok(())
}

/// The first of `conditions` against each of the rest.
fn compare_exact(conditions: &[Exact<'_>], take: TakeRow<'_>) -> anyhow::Result<()> {
    let Some((base, others)) = conditions.split_first() else {
        return Ok(());
    };
    let clusters = exact::clusters(conditions, ClusterUnit::Control);
    let pairs: Vec<&[ExactPair]> = others.iter().map(|other| &*other.pairs).collect();
    let found = exact_differences(&base.pairs, &pairs, &clusters, FLIPS);
    for (other, difference) in others.iter().zip(found) {
        if let Some(difference) = difference {
            let mut cells = comparison_cells(base.set, other.set, &difference.comparison);
            cells.extend([Cell::Null; 4]);
            cells.extend(certain_cells(&difference));
            take(&cells)?;
        }
    }
    Ok(())
}

fn certain_cells(difference: &ExactDifference) -> [Cell<'static>; 4] {
    [
        Cell::Text(RateKind::Exact.name()),
        Cell::Real(difference.lower),
        Cell::Real(difference.upper),
        Cell::opt_real(difference.draw_standard_error),
    ]
}

/// What became of the base's verdicts.
fn flip_cells(base: &Verdicts<'_>, other: &Verdicts<'_>) -> [Cell<'static>; 4] {
    let repeats = count_flips(&base.pairs, &other.pairs);
    let sum = |n_of: &dyn Fn(&Flips) -> usize| {
        let n: usize = repeats.iter().map(|repeat| n_of(&repeat.flips)).sum();
        Cell::Integer(n as i64)
    };
    [
        sum(&|flips| flips.n_to_leak),
        sum(&|flips| flips.n_to_no_leak),
        sum(&|flips| flips.n_ties_changed),
        sum(&|flips| flips.n_unchanged),
    ]
}

/// The first cells in the order of the table `comparisons` in `db/README.md`.
fn comparison_cells<'v>(
    base: &'v StoredCondition,
    other: &'v StoredCondition,
    comparison: &Comparison,
) -> Vec<Cell<'v>> {
    let count = |n: usize| Cell::Integer(n as i64);
    let mut cells = vec![
        Cell::Integer(base.key.experiment.get()),
        Cell::Text(&base.experiment_name),
        Cell::Text(&base.key.metric),
        Cell::Integer(base.key.seed.cast_signed()),
    ];
    for set in [base, other] {
        cells.extend([
            Cell::Integer(set.key.model.get()),
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
    ]);
    cells
}
