//! The comparisons that an experiment makes possible, and the smallest difference that each can find.
//!
//! Owns which models are compared with which, and which stored verdicts speak for a comparison that was not made yet.
//! The arithmetic is in `leakage`.

use std::collections::BTreeMap;

use itertools::Itertools as _;

use crate::experiment::Experiment;
use crate::leakage::{PRIOR, RateKind, detectable, difference_components};
use crate::results::{ComparisonPlan, ModelPlan};
use crate::stats::VarianceComponents;
use crate::store::{Store, StoredCondition};
use crate::study::estimates::Estimates;
use crate::study::selecting::{USUAL_METRIC, is_file_alone, rate_kind};

/// Facts about a comparison that come from stored leaks.
struct Stored {
    components: VarianceComponents,
    n_leaks: usize,
    is_exact: bool,
}

/// Every model with the first one, and with the first of its own name.
pub(crate) fn comparisons(
    experiment: &Experiment,
    models: &[ModelPlan],
    store: Option<&Store>,
) -> anyhow::Result<Vec<ComparisonPlan>> {
    let sizes = cluster_sizes(experiment);
    // An exact rate is the mean over ever more repeats: only the choice of prompts is left to chance.
    let n_repeats = match experiment.enumeration() {
        Some(_) => u32::MAX,
        None => experiment.n_repeats(),
    };
    let sets = store.map(Store::conditions).transpose()?;
    let pairs = comparison_pairs(models);
    let n_with = |base: usize| pairs.iter().filter(|pair| pair.0 == base).count();
    let plans = pairs.iter().map(|&(base, other)| {
        let (base_model, other_model) = (&models[base], &models[other]);
        let stored = match store.zip(sets.as_ref()) {
            Some((store, sets)) => stored(store, sets, experiment, base_model, other_model)?,
            None => None,
        };
        let components = stored.as_ref().map_or(PRIOR, |stored| stored.components);
        let n_comparisons = n_with(base);
        let found = detectable(&components, &sizes, n_repeats, n_comparisons);
        Ok(ComparisonPlan {
            base: base_model.name(),
            other: other_model.name(),
            n_comparisons,
            alpha: found.alpha,
            standard_error: found.standard_error,
            detectable_points: found.points,
            basis: if stored.is_some() { "stored" } else { "prior" },
            n_stored: stored.as_ref().map_or(0, |stored| stored.n_leaks),
            is_exact: stored.is_some_and(|stored| stored.is_exact),
        })
    });
    plans.collect()
}

/// Places of a base and another model.
fn comparison_pairs(models: &[ModelPlan]) -> Vec<(usize, usize)> {
    let first_of = |name: &str| models.iter().position(|model| model.model == name);
    let mut pairs = Vec::new();
    for (place, model) in models.iter().enumerate() {
        let bases = [(!models.is_empty()).then_some(0), first_of(&model.model)];
        for base in bases.into_iter().flatten() {
            if base != place && !pairs.contains(&(base, place)) {
                pairs.push((base, place));
            }
        }
    }
    pairs.sort_unstable();
    pairs
}

/// Test prompts by control prompt.
fn cluster_sizes(experiment: &Experiment) -> Vec<usize> {
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for pair in experiment.pairs() {
        *sizes.entry(pair.control_prompt_idx).or_default() += 1;
    }
    sizes.into_values().collect()
}

/// Returns the stored facts about a comparison of both models, from leak probabilities where these are planned and
/// stored, else from verdicts; None where too little is stored.
fn stored(
    store: &Store,
    sets: &[StoredCondition],
    experiment: &Experiment,
    base: &ModelPlan,
    other: &ModelPlan,
) -> anyhow::Result<Option<Stored>> {
    let Some((base, other)) = most_alike(sets, experiment, base, other) else {
        return Ok(None);
    };
    let read = |set| Estimates::read(store, set);
    let components = difference_components(&read(base)?.pairs, &read(other)?.pairs);
    Ok(components.map(|components| Stored {
        components,
        n_leaks: base.n_leaks.min(other.n_leaks),
        is_exact: rate_kind(base) == RateKind::Exact,
    }))
}

/// The conditions of both models with most leaks, exact ones first where these are planned, that differ in the file alone.
fn most_alike<'s>(
    sets: &'s [StoredCondition],
    experiment: &Experiment,
    base: &ModelPlan,
    other: &ModelPlan,
) -> Option<(&'s StoredCondition, &'s StoredCondition)> {
    let is_exact_planned = experiment.enumeration().is_some();
    let is_exact = |found: &StoredCondition| rate_kind(found) == RateKind::Exact;
    let is_of = |found: &StoredCondition, model: &ModelPlan| {
        let quantization = model.quantization.as_ref();
        found.experiment_name == experiment.name()
            && found.key.metric == USUAL_METRIC
            && (is_exact_planned || !is_exact(found))
            && found.label == model.model
            && quantization.is_none_or(|name| found.quantization.eq_ignore_ascii_case(name))
    };
    let of = |model| sets.iter().filter(move |found| is_of(found, model));
    let both = of(base).cartesian_product(of(other));
    let alike = both.filter(|(base, other)| is_file_alone(base, other));
    alike.max_by_key(|(base, other)| {
        let n_leaks = base.n_leaks.min(other.n_leaks);
        (is_exact(base), n_leaks, base.key.experiment)
    })
}
