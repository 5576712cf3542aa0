//! The tables `comparisons` and `specific_comparisons`: each two conditions of an experiment against each other.
//!
//! Owns which condition is the base: that with more bits per weight, or that stored first where both have as many, as in
//! the view `v_flips`. What a difference is, `leakage` says; prompts that share a control prompt are one cluster.

use super::source::{Source, TakeRow};
use crate::leakage::{
    ClusterUnit, Comparison, RateKind, SpecificComparison, compare_measures, count_flips,
};
use crate::store::StoredCondition;
use crate::study::comparing::TESTS;
use crate::study::estimates::{Estimates, clusters, read_all};
use crate::study::selecting::difference;
use crate::table::Cell;

/// The figures that are compared.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    /// Mean Leak-Rates: the table `comparisons`.
    LeakRate,
    /// Comparisons with other concepts, a row for each: the table `specific_comparisons`.
    Specific,
}

/// Hands the rows for each two conditions to `take` that may be compared.
pub(crate) fn each_comparison(source: &Source, by: By, take: TakeRow<'_>) -> anyhow::Result<()> {
    for kind in [RateKind::Repeats, RateKind::Exact] {
        let sets = source.conditions(kind)?;
        for sets in comparable(&sets) {
            let conditions = read_all(&source.store, &sets)?;
            for base_idx in 0..conditions.len() {
                compare_first(&conditions[base_idx..], by, take)?;
            }
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

/// The first of `conditions` against each of the rest.
fn compare_first(conditions: &[Estimates<'_>], by: By, take: TakeRow<'_>) -> anyhow::Result<()> {
    let Some((base, others)) = conditions.split_first() else {
        return Ok(());
    };
    let clusters = clusters(conditions, ClusterUnit::Control);
    let pairs: Vec<_> = others.iter().map(|other| &*other.pairs).collect();
    let found = compare_measures(&base.pairs, &pairs, &clusters, TESTS);
    for (other, comparison) in others.iter().zip(found) {
        // Conditions without a common prompt cannot be compared.
        match by {
            By::LeakRate => {
                if let Some(found) = &comparison.leak_rate {
                    let mut cells = comparison_cells(base.set, other.set, found);
                    cells.extend(flip_cells(base, other));
                    cells.extend(certain_cells(base.set, found));
                    take(&cells)?;
                }
            }
            By::Specific => {
                let measures = comparison.specific.iter();
                for (measure, found) in measures.flat_map(SpecificComparison::all) {
                    let mut cells = comparison_cells(base.set, other.set, found);
                    cells.extend([kind_cell(base.set), Cell::Text(measure.name())]);
                    take(&cells)?;
                }
            }
        }
    }
    Ok(())
}

fn kind_cell(base: &StoredCondition) -> Cell<'static> {
    let kind = match base.key.enumeration() {
        None => RateKind::Repeats,
        Some(_) => RateKind::Exact,
    };
    Cell::Text(kind.name())
}

fn certain_cells(base: &StoredCondition, comparison: &Comparison) -> [Cell<'static>; 4] {
    let bounds = comparison.bounds;
    [
        kind_cell(base),
        Cell::opt_real(bounds.map(|bounds| bounds.lower)),
        Cell::opt_real(bounds.map(|bounds| bounds.upper)),
        Cell::opt_real(bounds.and_then(|bounds| bounds.draw_standard_error)),
    ]
}

/// Returns the cells on the flips of the base's verdicts; nulls where the base has no verdicts.
fn flip_cells(base: &Estimates<'_>, other: &Estimates<'_>) -> [Cell<'static>; 4] {
    if base.verdicts.is_empty() {
        return [Cell::Null; 4];
    }
    let flips = count_flips(&base.verdicts, &other.verdicts);
    [
        flips.n_to_leak,
        flips.n_to_no_leak,
        flips.n_ties_changed,
        flips.n_unchanged,
    ]
    .map(|n| Cell::Integer(n as i64))
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
            Cell::Text(&set.wording),
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
