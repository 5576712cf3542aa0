//! The comparisons that an experiment makes possible, and the smallest differences that each can find.
//!
//! Owns which models are compared with which, and which stored verdicts speak for a comparison that was not made yet.
//! The arithmetic is in `leakage`.

use std::collections::{BTreeMap, BTreeSet};

use itertools::Itertools as _;

use crate::experiment::{Experiment, PromptPair};
use crate::leakage::{
    Components, Design, Detectable, Measure, PRIORS, RateKind, RowCosts, concept_component,
    detectable, difference_components,
};
use crate::results::{AdvisedDesign, ComparisonPlan, DesignAdvice, ModelPlan, VarianceShares};
use crate::stats::{Repeats, VarianceComponents};
use crate::store::{Store, StoredCondition};
use crate::study::estimates::Estimates;
use crate::study::selecting::{USUAL_METRIC, is_file_alone, rate_kind};

/// Facts about a comparison that come from stored leaks.
struct Stored {
    /// By measure; without those that are not stored of both.
    components: BTreeMap<Measure, StoredComponents>,
    n_leaks: usize,
    is_exact: bool,
}

/// The components of one measure.
struct StoredComponents {
    found: VarianceComponents,
    /// These with upper limits in the place of zeros; None without any.
    bounded: Option<VarianceComponents>,
    /// The part of prompts that a concept has in common in all templates.
    concept: f64,
}

/// The design of the experiment, as a measure sees it.
struct Planned {
    /// Of all pairs, and of those that have siblings.
    sizes: Vec<usize>,
    sizes_with_siblings: Vec<usize>,
    /// Of test and control prompts.
    n_repeats: Repeats,
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
    costs: Option<RowCosts>,
) -> anyhow::Result<(Vec<ComparisonPlan>, Option<DesignAdvice>)> {
    let design = Planned::of(experiment);
    let sets = store.map(Store::conditions).transpose()?;
    let pairs = comparison_pairs(models);
    let n_with = |base: usize| pairs.iter().filter(|pair| pair.0 == base).count();
    let of_pairs = pairs.iter().map(|&(base, other)| {
        let (base_model, other_model) = (&models[base], &models[other]);
        match store.zip(sets.as_ref()) {
            Some((store, sets)) => stored(store, sets, experiment, base_model, other_model),
            None => Ok(None),
        }
    });
    let of_pairs = of_pairs.collect::<anyhow::Result<Vec<Option<Stored>>>>()?;
    let n_comparisons_max = pairs.iter().map(|pair| n_with(pair.0)).max();
    let advice = costs
        .filter(|_| experiment.enumeration().is_none())
        .and_then(|costs| advice(experiment, &of_pairs, costs, n_comparisons_max?));
    let plans = pairs.iter().zip(&of_pairs).map(|(&(base, other), stored)| {
        let (base_model, other_model) = (&models[base], &models[other]);
        let n_comparisons = n_with(base);
        let promises = design.promises(stored.as_ref(), n_comparisons);
        let of = |measure| promises.get(&measure);
        let leak_rate = of(Measure::LeakRate).expect("an experiment has pairs");
        let specificity = of(Measure::Specificity);
        let specific_leakage = of(Measure::SpecificLeakage);
        let standard_error = |promise: &Promise| promise.found.standard_error;
        let points = |promise: &Promise| promise.found.points;
        ComparisonPlan {
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
            is_exact: stored.as_ref().is_some_and(|stored| stored.is_exact),
            bounded: stored.iter().flat_map(Stored::bounded).collect(),
            shares: stored.iter().flat_map(|it| design.shares(it)).collect(),
        }
    });
    Ok((plans.collect(), advice))
}

impl Stored {
    /// The measures with an upper limit in the place of a zero.
    fn bounded(&self) -> Vec<&'static str> {
        let bounded = self
            .components
            .iter()
            .filter(|(_, it)| it.bounded.is_some());
        bounded.map(|(measure, _)| measure.name()).collect()
    }
}

impl StoredComponents {
    fn promised(&self) -> &VarianceComponents {
        self.bounded.as_ref().unwrap_or(&self.found)
    }
}

impl Planned {
    fn of(experiment: &Experiment) -> Self {
        Self {
            sizes: cluster_sizes(experiment.pairs().iter()),
            sizes_with_siblings: cluster_sizes(pairs_with_siblings(experiment).into_iter()),
            // An exact rate is the mean over ever more repeats: only the choice of prompts is left to chance.
            n_repeats: match experiment.enumeration() {
                Some(_) => Repeats::matched(f64::INFINITY),
                None => experiment.repeat_counts().into(),
            },
        }
    }

    fn sizes(&self, measure: Measure) -> &[usize] {
        match measure {
            Measure::LeakRate => &self.sizes,
            _ => &self.sizes_with_siblings,
        }
    }

    /// The parts of the variance of each measure.
    fn shares(&self, stored: &Stored) -> Vec<VarianceShares> {
        let of_measures = stored.components.iter();
        let shares = of_measures.filter_map(|(&measure, components)| {
            let sizes = self.sizes(measure);
            let parts = components.found.parts(sizes, self.n_repeats);
            let sum = parts.sum();
            (sum > 0.0).then(|| {
                let n = sizes.iter().sum::<usize>() as f64;
                let concept = (components.concept / n).min(parts.prompt);
                VarianceShares {
                    measure: measure.name(),
                    template: parts.cluster / sum,
                    concept: concept / sum,
                    prompt: (parts.prompt - concept) / sum,
                    control_draws: (parts.cluster_repeat + parts.prompt_control) / sum,
                    test_draws: (parts.residual + parts.interaction) / sum,
                }
            })
        });
        shares.collect()
    }

    /// By measure; without those that take siblings where no pair has any.
    fn promises(
        &self,
        stored: Option<&Stored>,
        n_comparisons: usize,
    ) -> BTreeMap<Measure, Promise> {
        let promise = |(measure, prior): &(Measure, VarianceComponents)| {
            let sizes = self.sizes(*measure);
            let stored = stored.and_then(|stored| stored.components.get(measure));
            let components = stored.map_or(prior, StoredComponents::promised);
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
    let (of_base, of_other) = (read(base)?, read(other)?);
    let measures = PRIORS.iter().map(|(measure, _)| *measure);
    let components: BTreeMap<Measure, StoredComponents> = measures
        .filter_map(|measure| Some((measure, stored_components(&of_base, &of_other, measure)?)))
        .collect();
    let is_enough = components.contains_key(&Measure::LeakRate);
    Ok(is_enough.then(|| Stored {
        components,
        n_leaks: base.n_leaks.min(other.n_leaks),
        is_exact: rate_kind(base) == RateKind::Exact,
    }))
}

fn stored_components(
    base: &Estimates<'_>,
    other: &Estimates<'_>,
    measure: Measure,
) -> Option<StoredComponents> {
    let found = difference_components(&base.pairs, &other.pairs, measure)?;
    let concepts = base.prompts.values().map(|prompts| &prompts.concept);
    let concepts: Vec<&String> = concepts.unique().collect();
    let concept_of = |pair_idx: usize| {
        let concept = base.prompts.get(&pair_idx).map(|prompts| &prompts.concept);
        let place = |concept| concepts.iter().position(|other| *other == concept);
        concept.and_then(place).unwrap_or(concepts.len())
    };
    let concept = concept_component(&base.pairs, &other.pairs, measure, concept_of);
    // Of the pairs that have the measure, by control.
    let pairs = base.pairs.iter().filter(|it| measure.value(it).is_some());
    let pairs: Vec<_> = pairs.collect();
    let controls = pairs.iter().map(|it| (it.pair_idx, it.control_prompt_idx));
    let sizes = controls.unique().counts_by(|(_, control)| control);
    let n_pairs = sizes.values().sum::<usize>() as f64;
    let [test, control] = [0, 1].map(|side| {
        let repeats = pairs.iter().map(|it| (it.pair_idx, it.sides[side]));
        repeats.unique().count() as f64 / n_pairs
    });
    let n_repeats = Repeats {
        test,
        control,
        compared: pairs.len() as f64 / n_pairs,
    };
    Some(StoredComponents {
        bounded: found.bounded(&sizes.into_values().collect::<Vec<_>>(), n_repeats),
        concept: concept.unwrap_or(0.0),
        found,
    })
}

/// Designs for the time of the present one, judged by the mean components of all comparisons.
fn advice(
    experiment: &Experiment,
    stored: &[Option<Stored>],
    costs: RowCosts,
    n_comparisons: usize,
) -> Option<DesignAdvice> {
    let components = mean_components(stored);
    let of_leak_rate = components.get(&Measure::LeakRate)?;
    let with_siblings = pairs_with_siblings(experiment);
    let others = experiment.pairs().iter();
    let others = others.filter(|pair| !with_siblings.iter().any(|it| it.pair_idx == pair.pair_idx));
    let present = Design {
        others: cluster_sizes(others),
        templates: cluster_sizes(with_siblings.iter().copied()),
        n_repeats: experiment.repeat_counts(),
    };
    if present.templates.is_empty() {
        return None;
    }
    let n_concepts_max = with_siblings
        .iter()
        .map(|pair| &pair.concept)
        .unique()
        .count();
    let best_repeats = present.with_best_repeats(&components, costs);
    let best_templates = present.with_best_templates(&components, costs, n_concepts_max);
    let designs = [
        ("present", &present),
        ("repeats", &best_repeats),
        ("templates", &best_templates),
    ];
    let numbers = present.best_numbers(of_leak_rate, costs);
    let advised = |(name, design): (&'static str, &Design)| {
        let points = |measure: Measure| {
            let found = present.components_in(design, measure, components.get(&measure)?);
            let sizes = design.sizes(measure);
            detectable(&found, &sizes, design.repeats(), n_comparisons).points
        };
        AdvisedDesign {
            design: name,
            n_templates: design.templates.len(),
            n_concepts_of_template: design.n_concepts(),
            n_repeats: design.n_repeats.test,
            n_control_repeats: design.n_repeats.control,
            rows: design.rows(costs),
            detectable_points: points(Measure::LeakRate),
            specificity_detectable_points: points(Measure::Specificity),
            specific_leakage_detectable_points: points(Measure::SpecificLeakage),
        }
    };
    Some(DesignAdvice {
        rows_of_prompt: costs.prompt,
        rows_of_draw: costs.draw,
        best_control_ratio: numbers.control_ratio,
        best_repeats: numbers.repeats,
        best_concepts: numbers.concepts,
        designs: designs.into_iter().map(advised).collect(),
    })
}

/// The mean of the components of all comparisons, by measure.
fn mean_components(stored: &[Option<Stored>]) -> Components {
    let all = stored
        .iter()
        .flatten()
        .flat_map(|stored| &stored.components);
    let by_measure = all.into_group_map_by(|(measure, _)| **measure);
    let means = by_measure.into_iter().map(|(measure, found)| {
        let found = found.into_iter().map(|(_, it)| *it.promised());
        (
            measure,
            VarianceComponents::mean(&found.collect::<Vec<_>>()),
        )
    });
    means.collect()
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
