//! The comparisons that an experiment makes possible, and the smallest difference that each can find.
//!
//! Owns which models are compared with which, and which stored verdicts speak for a comparison that was not made yet.
//! The arithmetic is in `leakage`.

use std::collections::BTreeMap;

use crate::experiment::Experiment;
use crate::leakage::{PRIOR, detectable, difference_components};
use crate::results::{ComparisonPlan, ModelPlan};
use crate::stats::VarianceComponents;
use crate::store::{KeyField, Store, StoredCondition};
use crate::study::estimates::Estimates;
use crate::study::scoring::verdicts::stored_conditions;

/// The metric whose stored verdicts are looked at: every run has it.
const METRIC: &str = "sbert";

/// What is stored about a comparison.
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
    let sets = store
        .map(|store| Sets::load(store, experiment))
        .transpose()?;
    let pairs = comparison_pairs(models);
    let n_with = |base: usize| pairs.iter().filter(|pair| pair.0 == base).count();
    let plans = pairs.iter().map(|&(base, other)| {
        let (base_model, other_model) = (&models[base], &models[other]);
        let stored = sets.as_ref().map_or(Ok(None), |sets| {
            sets.stored(experiment, base_model, other_model)
        })?;
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

/// What is stored of all experiments.
struct Sets<'s> {
    store: &'s Store,
    repeats: Vec<StoredCondition>,
    /// Empty where repeats are planned.
    exact: Vec<StoredCondition>,
}

impl<'s> Sets<'s> {
    fn load(store: &'s Store, experiment: &Experiment) -> anyhow::Result<Self> {
        let is_exact = experiment.enumeration().is_some();
        let (repeats, exact) = stored_conditions(store)?;
        Ok(Self {
            store,
            repeats,
            exact: if is_exact { exact } else { Vec::new() },
        })
    }

    /// What is stored of both models, as many as there are: leak probabilities where these are planned and stored, else
    /// verdicts.
    fn stored(
        &self,
        experiment: &Experiment,
        base: &ModelPlan,
        other: &ModelPlan,
    ) -> anyhow::Result<Option<Stored>> {
        let of_kind = |sets| most_alike(sets, experiment, base, other);
        let Some((base, other)) = of_kind(&self.exact).or_else(|| of_kind(&self.repeats)) else {
            return Ok(None);
        };
        let read = |set| Estimates::read(self.store, set);
        let components = difference_components(&read(base)?.pairs, &read(other)?.pairs);
        Ok(components.map(|components| Stored {
            components,
            n_leaks: base.n_leaks.min(other.n_leaks),
            is_exact: base.key.enumeration().is_some(),
        }))
    }
}

/// The conditions of both models with most leaks that differ in the file and in what is computed alike for any file.
fn most_alike<'s>(
    sets: &'s [StoredCondition],
    experiment: &Experiment,
    base: &ModelPlan,
    other: &ModelPlan,
) -> Option<(&'s StoredCondition, &'s StoredCondition)> {
    let is_of = |found: &StoredCondition, model: &ModelPlan| {
        let quantization = model.quantization.as_ref();
        found.experiment_name == experiment.name()
            && found.key.metric == METRIC
            && found.label == model.model
            && quantization.is_none_or(|name| found.quantization.eq_ignore_ascii_case(name))
    };
    let of = |model: &ModelPlan| -> Vec<&'s StoredCondition> {
        sets.iter().filter(|found| is_of(found, model)).collect()
    };
    let (of_base, of_other) = (of(base), of(other));
    let both = of_base
        .iter()
        .flat_map(|&base| of_other.iter().map(move |&other| (base, other)));
    let except = [KeyField::Model, KeyField::Numerics, KeyField::Signature];
    let alike = both.filter(|(base, other)| {
        base.key.model != other.key.model && base.key.difference(&other.key, &except).is_none()
    });
    alike.max_by_key(|(base, other)| (base.n_leaks.min(other.n_leaks), base.key.experiment))
}
