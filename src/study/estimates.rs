//! The stored leaks of a condition, read back: the estimates that all its figures are computed from, and the texts
//! behind them.
//!
//! Owns the one way in which comparison, report and export read leaks, of repeats and exact ones.

use std::collections::{BTreeMap, HashMap};

use itertools::Itertools as _;

use crate::leakage::{
    ClusterUnit, Clusters, Measure, PairEstimate, PairRates, ScoredPair, TemplateSimilarities,
    estimates, pair_rates,
};
use crate::results::{LikelyText, PairPrompts};
use crate::store::{
    ConceptSimilarity, EnumerationRowId, Store, StoredCondition, StoredExactLeak, StoredLeak,
};

/// The estimates of one condition.
pub(crate) struct Estimates<'a> {
    pub(crate) set: &'a StoredCondition,
    /// By pair and repeat.
    pub(crate) pairs: Vec<PairEstimate>,
    /// Of each pair one.
    pub(crate) rates: PairRates,
    /// The prompts of each pair, by its place in the experiment.
    pub(crate) prompts: BTreeMap<usize, PairPrompts>,
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
        let templates = templates(&prompts, &store.concept_similarities(set.id)?);
        Ok(Self {
            set,
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

/// The similarities of each template that are stored whole: of every concept to the generations of every other.
///
/// Templates and concepts are in the order of the alphabet, as when they are scored.
fn templates(
    prompts: &BTreeMap<usize, PairPrompts>,
    similarities: &[ConceptSimilarity],
) -> Vec<TemplateSimilarities> {
    let cells: HashMap<(usize, usize), f64> = similarities
        .iter()
        .map(|it| ((it.pair_idx, it.held_pair_idx), it.similarity))
        .collect();
    let measured = similarities.iter().map(|it| it.pair_idx).dedup();
    let pairs = measured.filter_map(|pair_idx| prompts.get(&pair_idx));
    let by_template = pairs
        .map(|pair| ((&pair.template_id, &pair.control_prompt), pair))
        .into_group_map();
    let by_template = by_template.into_iter().sorted_by_key(|(key, _)| *key);
    let templates = by_template.filter_map(|((..), pairs)| {
        let pairs: Vec<&PairPrompts> = pairs.into_iter().sorted_by_key(|it| &it.concept).collect();
        let row = |measured: &&PairPrompts| {
            let cells = pairs
                .iter()
                .map(|held| cells.get(&(measured.pair_idx, held.pair_idx)));
            cells
                .map(Option::<&f64>::copied)
                .collect::<Option<Vec<f64>>>()
        };
        Some(TemplateSimilarities {
            category: pairs.first()?.category.clone(),
            concepts: pairs.iter().map(|pair| pair.concept.clone()).collect(),
            similarities: pairs.iter().map(row).collect::<Option<_>>()?,
        })
    });
    templates.collect()
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
