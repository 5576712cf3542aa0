//! The stored leaks of a condition, read back: the estimates that all its figures are computed from, and the texts
//! behind them.
//!
//! Owns the one way in which comparison, report and export read leaks, of repeats and exact ones.

use std::collections::BTreeMap;

use itertools::Itertools as _;

use crate::leakage::{
    ClusterUnit, Clusters, ConceptMatrix, LeakRate, Measure, PairEstimate, PairRates, PairSpread,
    ScoredPair, TemplateSimilarities, estimates, leak_rates, mean_spreads, pair_rates,
    pair_spreads, pooled, with_exact,
};
use crate::results::{LikelyText, PairPrompts};
use crate::store::{EnumerationRowId, Store, StoredCondition, StoredExactLeak, StoredLeak};
use crate::study::templates::templates;

/// The estimates of one condition.
pub(crate) struct Estimates<'a> {
    pub(crate) set: &'a StoredCondition,
    /// By pair and repeat.
    pub(crate) pairs: Vec<PairEstimate>,
    /// Of each pair one.
    pub(crate) rates: PairRates,
    /// The prompts of each pair, by its place in the experiment.
    pub(crate) prompts: BTreeMap<usize, PairPrompts>,
    /// The repeats that a test prompt has at most, and those of a control prompt; 0 where rates are exact.
    pub(crate) n_repeats: [usize; 2],
    /// How far the texts of each pair lie apart.
    pub(crate) spreads: BTreeMap<usize, PairSpread>,
    /// Of a mean over conditions the rates in each of them, without comparisons; else empty.
    pub(crate) of_each: Vec<Vec<LeakRate>>,
    /// The similarities of all concepts of each template; empty where they are not stored.
    pub(crate) templates: Vec<TemplateSimilarities>,
    /// The verdicts; empty where rates are exact.
    pub(crate) verdicts: Vec<ScoredPair>,
    /// These with their texts.
    pub(crate) leaks: Vec<StoredLeak>,
    /// The exact leaks; empty where rates are those of repeats.
    pub(crate) exact: Vec<StoredExactLeak>,
}

/// The estimates of each of the conditions, in their order.
pub(crate) fn read_all<'a>(
    store: &Store,
    sets: &[&'a StoredCondition],
) -> anyhow::Result<Vec<Estimates<'a>>> {
    sets.iter().map(|set| Estimates::read(store, set)).collect()
}

impl<'a> Estimates<'a> {
    pub(crate) fn read(store: &Store, set: &'a StoredCondition) -> anyhow::Result<Self> {
        let leaks = store.leaks(set.id)?;
        let exact = store.exact_leaks(set.id)?;
        let verdicts: Vec<ScoredPair> = leaks.iter().map(StoredLeak::scored_pair).collect();
        let specifics = store.specifics(set.id)?;
        let mut pairs = estimates(&verdicts);
        pairs.extend(exact.iter().map(|leak| PairEstimate::from(&leak.pair)));
        let pairs = pairs.into_iter().map(|pair| {
            let specific = specifics.get(&pair.key()).copied();
            pair.with_specific(specific)
        });
        let pairs: Vec<PairEstimate> = pairs.collect();
        let prompts = leaks
            .iter()
            .map(prompts_of_leak)
            .chain(exact.iter().map(prompts_of_exact));
        let prompts: BTreeMap<usize, PairPrompts> =
            prompts.map(|pair| (pair.pair_idx, pair)).collect();
        let has_siblings = |pair_idx: usize| {
            let specific = specifics.range((pair_idx, 0)..=(pair_idx, u32::MAX));
            specific.into_iter().any(|(_, it)| it.siblings.is_some())
        };
        let similarities = store.concept_similarities(set.id)?;
        let templates = templates(&prompts, &similarities, &has_siblings);
        let n_repeats = [0, 1].map(|side| {
            let repeats = verdicts.iter().map(|it| (it.pair_idx, it.sides[side]));
            let by_pair = repeats.unique().counts_by(|(pair_idx, _)| pair_idx);
            by_pair.into_values().max().unwrap_or(0)
        });
        let texts = leaks.iter();
        let texts = texts.map(|leak| (leak.pair_idx, leak.test_generation.as_str()));
        Ok(Self {
            set,
            n_repeats,
            spreads: pair_spreads(&pairs, texts),
            of_each: Vec::new(),
            rates: pair_rates(&pairs, Measure::LeakRate),
            pairs,
            prompts,
            templates,
            verdicts,
            leaks,
            exact,
        })
    }
}

impl<'a> Estimates<'a> {
    /// The means over at least one condition, which differ in their wording or their draws alone, as those of `set`; without
    /// texts.
    pub(crate) fn mean(of: &[&Estimates<'_>], set: &'a StoredCondition) -> Self {
        let pairs: Vec<&[PairEstimate]> = of.iter().map(|it| &*it.pairs).collect();
        let templates: Vec<&[_]> = of.iter().map(|it| &*it.templates).collect();
        let spreads: Vec<&BTreeMap<_, _>> = of.iter().map(|it| &it.spreads).collect();
        let pairs = pooled(&pairs);
        let of_each = of.iter().map(|it| leak_rates(&it.pairs, &[]));
        let prompts = of.iter().flat_map(|it| it.prompts.clone());
        let n_repeats = |side: usize| of.iter().map(|it| it.n_repeats[side]).max().unwrap_or(0);
        Self {
            set,
            rates: pair_rates(&pairs, Measure::LeakRate),
            prompts: prompts.collect(),
            n_repeats: [0, 1].map(n_repeats),
            spreads: mean_spreads(&spreads),
            of_each: of_each.collect(),
            templates: TemplateSimilarities::mean(&templates),
            verdicts: Vec::new(),
            leaks: Vec::new(),
            exact: Vec::new(),
            pairs,
        }
    }
}

impl Estimates<'_> {
    /// The leak rates: of all categories together, then of each.
    pub(crate) fn leak_rates(&self) -> Vec<LeakRate> {
        let rates = leak_rates(&self.pairs, &self.templates);
        match &self.of_each[..] {
            [] => rates,
            of_each => with_exact(rates, of_each),
        }
    }

    /// The matrix of concepts, in the order of the experiment; None where no template holds two.
    pub(crate) fn matrix(&self) -> Option<ConceptMatrix> {
        let concepts = self.prompts.values().map(|pair| pair.concept.as_str());
        ConceptMatrix::new(&self.templates).map(|matrix| matrix.in_order_of(concepts))
    }
}

/// The prompts of the pair of a verdict.
pub(crate) fn prompts_of_leak(leak: &StoredLeak) -> PairPrompts {
    PairPrompts {
        pair_idx: leak.pair_idx,
        concept: leak.concept.clone(),
        category: leak.category.clone(),
        template_id: leak.template_id.clone(),
        test_prompt: leak.test_prompt.clone(),
        control_prompt: leak.control_prompt.clone(),
    }
}

fn prompts_of_exact(leak: &StoredExactLeak) -> PairPrompts {
    PairPrompts {
        pair_idx: leak.pair.pair_idx,
        concept: leak.concept.clone(),
        category: leak.pair.category.clone(),
        template_id: leak.template_id.clone(),
        test_prompt: leak.test_prompt.clone(),
        control_prompt: leak.control_prompt.clone(),
    }
}

/// The cluster of each pair, numbered in the order of their first appearance.
///
/// A pair without a template is in the cluster of its control prompt.
pub(crate) fn clusters(conditions: &[Estimates<'_>], unit: ClusterUnit) -> Clusters {
    let mut numbers = BTreeMap::new();
    let mut clusters = Clusters::new();
    for condition in conditions {
        for estimate in &condition.pairs {
            let template = condition.prompts[&estimate.pair_idx].template_id.as_deref();
            let shared = match (unit, template) {
                (ClusterUnit::Template, Some(template)) => (Some(template), None),
                (ClusterUnit::Control | ClusterUnit::Template, _) => {
                    (None, Some(estimate.control_prompt_idx))
                }
            };
            let next = numbers.len();
            clusters.insert(estimate.pair_idx, *numbers.entry(shared).or_insert(next));
        }
    }
    clusters
}

/// All pairs of the conditions, by their place in the experiment.
pub(crate) fn prompts(conditions: &[Estimates<'_>]) -> Vec<PairPrompts> {
    let pairs = conditions.iter().flat_map(|it| it.prompts.values());
    let distinct = pairs.unique_by(|pair| pair.pair_idx).cloned();
    distinct.sorted_by_key(|pair| pair.pair_idx).collect()
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
