//! The comparisons that an experiment makes possible, and the smallest differences that each can find.
//!
//! Owns which models are compared with which, and which stored verdicts speak for a comparison that was not made yet.
//! The arithmetic is in `leakage`.

use std::collections::{BTreeMap, BTreeSet};

use itertools::Itertools as _;

use crate::experiment::{Experiment, PromptPair};
use crate::leakage::{Detectable, Measure, PRIORS, RateKind, detectable, difference_components};
use crate::results::{ComparisonPlan, ModelPlan};
use crate::stats::VarianceComponents;
use crate::store::{Store, StoredCondition};
use crate::study::estimates::Estimates;
use crate::study::selecting::{USUAL_METRIC, is_file_alone, rate_kind};

/// Facts about a comparison that come from stored leaks.
struct Stored {
    /// By measure; without those that are not stored of both.
    components: BTreeMap<Measure, VarianceComponents>,
    n_leaks: usize,
    is_exact: bool,
}

/// The design of the experiment, as a measure sees it.
struct Design {
    /// Of all pairs, and of those that have siblings.
    sizes: Vec<usize>,
    sizes_with_siblings: Vec<usize>,
    n_repeats: u32,
}

/// A difference that can be found, and where that comes from.
struct Promise {
    found: Detectable,
    basis: &'static str,
}

/// Every model with the first one, and with the first of its own name.
pub(crate) fn comparisons(
    experiment: &Experiment,
    models: &[ModelPlan],
    store: Option<&Store>,
) -> anyhow::Result<Vec<ComparisonPlan>> {
    let design = Design::of(experiment);
    let sets = store.map(Store::conditions).transpose()?;
    let pairs = comparison_pairs(models);
    let n_with = |base: usize| pairs.iter().filter(|pair| pair.0 == base).count();
    let plans = pairs.iter().map(|&(base, other)| {
        let (base_model, other_model) = (&models[base], &models[other]);
        let stored = match store.zip(sets.as_ref()) {
            Some((store, sets)) => stored(store, sets, experiment, base_model, other_model)?,
            None => None,
        };
        let n_comparisons = n_with(base);
        let promises = design.promises(stored.as_ref(), n_comparisons);
        let of = |measure| promises.get(&measure);
        let leak_rate = of(Measure::LeakRate).expect("an experiment has pairs");
        let specificity = of(Measure::Specificity);
        let specific_leakage = of(Measure::SpecificLeakage);
        let standard_error = |promise: &Promise| promise.found.standard_error;
        let points = |promise: &Promise| promise.found.points;
        Ok(ComparisonPlan {
            base: base_model.name(),
            other: other_model.name(),
            n_comparisons,
            alpha: leak_rate.found.alpha,
            standard_error: standard_error(leak_rate),
            detectable_points: points(leak_rate),
            specificity_standard_error: specificity.map(standard_error),
            specificity_detectable_points: specificity.and_then(points),
            specific_leakage_standard_error: specific_leakage.map(standard_error),
            specific_leakage_detectable_points: specific_leakage.and_then(points),
            basis: leak_rate.basis,
            siblings_basis: specificity.map(|promise| promise.basis),
            n_stored: stored.as_ref().map_or(0, |stored| stored.n_leaks),
            is_exact: stored.is_some_and(|stored| stored.is_exact),
        })
    });
    plans.collect()
}

impl Design {
    fn of(experiment: &Experiment) -> Self {
        Self {
            sizes: cluster_sizes(experiment.pairs().iter()),
            sizes_with_siblings: cluster_sizes(pairs_with_siblings(experiment).into_iter()),
            // An exact rate is the mean over ever more repeats: only the choice of prompts is left to chance.
            n_repeats: match experiment.enumeration() {
                Some(_) => u32::MAX,
                None => experiment.n_repeats(),
            },
        }
    }

    /// By measure; without those that take siblings where no pair has any.
    fn promises(
        &self,
        stored: Option<&Stored>,
        n_comparisons: usize,
    ) -> BTreeMap<Measure, Promise> {
        let promise = |(measure, prior): &(Measure, VarianceComponents)| {
            let sizes = match measure {
                Measure::LeakRate => &self.sizes,
                _ => &self.sizes_with_siblings,
            };
            let stored = stored.and_then(|stored| stored.components.get(measure));
            let components = stored.unwrap_or(prior);
            let promise = Promise {
                found: detectable(components, sizes, self.n_repeats, n_comparisons),
                basis: if stored.is_some() { "stored" } else { "prior" },
            };
            (*measure, promise)
        };
        let is_known =
            |measure: Measure| measure == Measure::LeakRate || !self.sizes_with_siblings.is_empty();
        let priors = PRIORS.iter().filter(|(measure, _)| is_known(*measure));
        priors.map(promise).collect()
    }
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
fn cluster_sizes<'e>(pairs: impl Iterator<Item = &'e PromptPair>) -> Vec<usize> {
    let sizes: BTreeMap<usize, usize> = pairs
        .map(|pair| pair.control_prompt_idx)
        .counts()
        .into_iter()
        .collect();
    sizes.into_values().collect()
}

/// The pairs beside which another one of the same template and control has a concept of another family.
pub(super) fn pairs_with_siblings(experiment: &Experiment) -> Vec<&PromptPair> {
    let group = |pair: &&PromptPair| Some((pair.template_id.clone()?, pair.control_prompt_idx));
    let family = |pair: &PromptPair| {
        let family = pair.concept_family.as_ref();
        family.unwrap_or(&pair.concept).to_lowercase()
    };
    let mut families: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for pair in experiment.pairs() {
        families
            .entry(group(&pair))
            .or_default()
            .insert(family(pair));
    }
    let pairs = experiment.pairs().iter();
    pairs
        .filter(|pair| group(pair).is_some() && families[&group(pair)].len() > 1)
        .collect()
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
    let (of_base, of_other) = (read(base)?.pairs, read(other)?.pairs);
    let components: BTreeMap<Measure, VarianceComponents> = PRIORS
        .iter()
        .filter_map(|(measure, _)| {
            let found = difference_components(&of_base, &of_other, *measure)?;
            Some((*measure, found))
        })
        .collect();
    let is_enough = components.contains_key(&Measure::LeakRate);
    Ok(is_enough.then(|| Stored {
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
