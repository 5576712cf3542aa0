//! The comparisons that an experiment makes possible, and the smallest difference that each can find.
//!
//! Owns which models are compared with which, and which stored verdicts speak for a comparison that was not made yet.
//! The arithmetic is in `leakage`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ModelPlan;
use crate::experiment::Experiment;
use crate::leakage::{PRIOR, ScoredPair, detectable, difference_components};
use crate::stats::VarianceComponents;
use crate::store::{Store, StoredLeak, StoredLeakSet};

/// The metric whose stored verdicts are looked at: every run has it.
const METRIC: &str = "sbert";

/// A comparison that the experiment makes possible.
#[derive(Debug, Serialize)]
pub(super) struct ComparisonPlan {
    pub(super) base: String,
    pub(super) other: String,
    /// How many comparisons with this base Holm's correction is for.
    n_comparisons: usize,
    alpha: f64,
    /// The standard error to expect, in points.
    pub(super) standard_error: f64,
    /// The smallest difference found with a power of 80 %, in points; null where none can be.
    pub(super) detectable_points: Option<f64>,
    /// `stored` or `prior`.
    pub(super) basis: &'static str,
    /// Verdicts under each of both that the standard error comes from; 0 for the prior.
    pub(super) n_stored: usize,
}

/// What is stored about a comparison.
struct Stored {
    components: VarianceComponents,
    n_verdicts: usize,
}

/// Every model with the first one, and with the first of its own name.
pub(super) fn comparisons(
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
    let sets = store.map_or_else(|| Ok(Vec::new()), Store::leak_sets)?;
    let pairs = comparison_pairs(models);
    let n_with = |base: usize| pairs.iter().filter(|pair| pair.0 == base).count();
    let plans = pairs.iter().map(|&(base, other)| {
        let (base_model, other_model) = (&models[base], &models[other]);
        let stored = match store {
            Some(store) => stored(store, &sets, experiment, base_model, other_model)?,
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
            n_stored: stored.map_or(0, |stored| stored.n_verdicts),
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

/// The stored verdicts of both models under the same version of the experiment and the same seed, as many as there are.
fn stored(
    store: &Store,
    sets: &[StoredLeakSet],
    experiment: &Experiment,
    base: &ModelPlan,
    other: &ModelPlan,
) -> anyhow::Result<Option<Stored>> {
    let of = |model: &ModelPlan| {
        let name = model.model.clone();
        let quantization = model.quantization.clone();
        sets.iter().filter(move |set| {
            set.experiment_name == experiment.name()
                && set.metric == METRIC
                && set.label == name
                && quantization
                    .as_ref()
                    .is_none_or(|quantization| set.quantization.eq_ignore_ascii_case(quantization))
        })
    };
    let both = of(base).flat_map(|base| of(other).map(move |other| (base, other)));
    let alike = both.filter(|(base, other)| {
        base.experiment == other.experiment
            && base.seed == other.seed
            && base.sampling == other.sampling
            && base.model != other.model
            && base.embedding_model == other.embedding_model
    });
    let Some((base, other)) =
        alike.max_by_key(|(base, other)| (base.n_leaks.min(other.n_leaks), base.experiment))
    else {
        return Ok(None);
    };
    let pairs = |set: &StoredLeakSet| -> anyhow::Result<Vec<ScoredPair>> {
        let leaks = store.leaks(set.set())?;
        Ok(leaks.iter().map(StoredLeak::scored_pair).collect())
    };
    let components = difference_components(&pairs(base)?, &pairs(other)?);
    Ok(components.map(|components| Stored {
        components,
        n_verdicts: base.n_leaks.min(other.n_leaks),
    }))
}
