//! Exact leaks of conditions against those of a base.
//!
//! Owns what is shown of the pairs that changed most. What a difference of exact rates is, `leakage` says.

use super::{Comparing, FLIPS, cluster_unit, condition, number_clusters, trends, with_drift};
use crate::leakage::{
    ClusterUnit, Clusters, ExactDifference, ExactMover, ExactPair, PairRates, exact_differences,
    exact_leak_rates, exact_movers, exact_pair_rates,
};
use crate::results::{
    ComparisonReport, Condition, ConditionComparison, ExactBounds, ExactCompared, LikelyText,
    MovedPair, MovedSide,
};
use crate::store::{EnumerationRowId, Store, StoredCondition, StoredExactLeak};
use crate::study::selecting::{condition_name, numerics_note};

/// Texts shown of each prompt of a pair that moved.
const N_TEXTS: usize = 3;

/// The leak probabilities of one condition.
pub(crate) struct Exact<'a> {
    pub(crate) set: &'a StoredCondition,
    pub(crate) leaks: Vec<StoredExactLeak>,
    pub(crate) pairs: Vec<ExactPair>,
    pub(crate) rates: PairRates,
}

/// Compares exact leaks; `sets` name the base and then the others.
pub(crate) fn assemble(
    store: &Store,
    sets: &[&StoredCondition],
    comparing: &Comparing,
) -> anyhow::Result<ComparisonReport> {
    let conditions = read(store, sets)?;
    let clusters = clusters(&conditions, comparing.unit);
    let (base, others) = conditions.split_first().expect("the base is a condition");
    let other_pairs: Vec<&[ExactPair]> = others.iter().map(|other| &*other.pairs).collect();
    let differences = exact_differences(&base.pairs, &other_pairs, &clusters, FLIPS);
    let comparisons = others.iter().zip(differences).map(|(other, difference)| {
        let moved = exact_movers(&base.pairs, &other.pairs, &clusters, comparing.n_flips);
        let comparison = condition_comparison(store, base, other, difference, &moved)?;
        with_drift(store, base.set, other.set, comparison)
    });
    let set = base.set;
    Ok(ComparisonReport {
        experiment: set.experiment_name.clone(),
        experiment_sha256: set.experiment_sha256.clone(),
        database: store.path().display().to_string(),
        metric: set.key.metric.clone(),
        seed: set.key.seed,
        unit: cluster_unit(comparing.unit).to_owned(),
        flip_seed: FLIPS.seed,
        enumeration: set.key.enumeration(),
        numerics_note: numerics_note(sets),
        comparisons: comparisons.collect::<anyhow::Result<_>>()?,
        conditions: conditions
            .iter()
            .filter_map(|exact| exact_condition(exact, &clusters))
            .collect(),
        base_disagreement: None,
        trends: trends(conditions.iter().map(|it| (it.set, &it.rates)), &clusters),
        agreements: Vec::new(),
    })
}

/// The cluster of each pair.
pub(crate) fn clusters(conditions: &[Exact<'_>], unit: ClusterUnit) -> Clusters {
    let pairs = conditions.iter().flat_map(|condition| &condition.leaks);
    let pairs = pairs.map(|leak| {
        let template = leak.template_id.as_deref();
        (leak.pair.pair_idx, template, leak.control_prompt_id)
    });
    number_clusters(pairs, unit)
}

/// The leak probabilities of each of the sets, in their order.
pub(crate) fn read<'a>(
    store: &Store,
    sets: &[&'a StoredCondition],
) -> anyhow::Result<Vec<Exact<'a>>> {
    let conditions = sets.iter().map(|set| {
        let leaks = store.exact_leaks(set.id)?;
        let pairs: Vec<ExactPair> = leaks.iter().map(|leak| leak.pair.clone()).collect();
        Ok(Exact {
            set,
            rates: exact_pair_rates(&pairs),
            leaks,
            pairs,
        })
    });
    conditions.collect()
}

fn exact_condition(exact: &Exact<'_>, clusters: &Clusters) -> Option<Condition> {
    let rate = exact_leak_rates(&exact.pairs).into_iter().next()?;
    Some(Condition {
        exact: Some(ExactBounds {
            lower: rate.lower,
            upper: rate.upper,
            draw_standard_error: rate.draw_standard_error,
            coverage: rate.coverage,
            coverage_min: rate.coverage_min,
        }),
        ..condition(exact.set, &exact.rates, 0, clusters)?
    })
}

pub(crate) fn condition_comparison(
    store: &Store,
    base: &Exact<'_>,
    other: &Exact<'_>,
    difference: Option<ExactDifference>,
    moved: &[ExactMover],
) -> anyhow::Result<ConditionComparison> {
    let moved = moved.iter().filter_map(|mover| {
        let leak_of = |side: &'_ Exact<'_>| {
            let is_meant = |leak: &&StoredExactLeak| leak.pair.pair_idx == mover.pair_idx;
            side.leaks.iter().find(is_meant).cloned()
        };
        Some((mover, leak_of(base)?, leak_of(other)?))
    });
    let moved = moved.map(|(mover, base, other)| moved_pair(store, mover, &base, &other));
    let moved = moved.collect::<anyhow::Result<Vec<MovedPair>>>()?;
    Ok(ConditionComparison {
        name: condition_name(other.set),
        exact: difference.as_ref().map(|found| ExactCompared {
            lower: found.lower,
            upper: found.upper,
            draw_standard_error: found.draw_standard_error,
            moved,
        }),
        comparison: difference.map(|found| found.comparison),
        drift: None,
        flips: Vec::new(),
        flipped_prompts: Vec::new(),
        other_metrics: Vec::new(),
    })
}

fn moved_pair(
    store: &Store,
    mover: &ExactMover,
    base: &StoredExactLeak,
    other: &StoredExactLeak,
) -> anyhow::Result<MovedPair> {
    Ok(MovedPair {
        pair_idx: mover.pair_idx,
        concept: base.concept.clone(),
        category: base.pair.category.clone(),
        test_prompt: base.test_prompt.clone(),
        control_prompt: base.control_prompt.clone(),
        lower: mover.lower,
        upper: mover.upper,
        base: moved_side(store, base)?,
        other: moved_side(store, other)?,
    })
}

fn moved_side(store: &Store, leak: &StoredExactLeak) -> anyhow::Result<MovedSide> {
    Ok(MovedSide {
        leak_probability: leak.pair.leak.probability,
        test_texts: likely_texts(store, leak.test_enumeration, N_TEXTS)?,
        control_texts: likely_texts(store, leak.control_enumeration, N_TEXTS)?,
    })
}

/// The `n` most probable texts of an enumeration.
pub(crate) fn likely_texts(
    store: &Store,
    enumeration: EnumerationRowId,
    n: usize,
) -> anyhow::Result<Vec<LikelyText>> {
    let texts = store.likely_texts(enumeration, n)?.into_iter();
    Ok(texts
        .map(|(text, probability)| LikelyText { text, probability })
        .collect())
}
