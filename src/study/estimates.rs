//! The stored leaks of a condition, read back: the estimates that all its figures are computed from, and the texts
//! behind them.
//!
//! Owns the one way in which comparison, report and export read leaks, of repeats and exact ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use itertools::Itertools as _;

use crate::experiment::generalises_concepts;
use crate::leakage::{
    ClusterUnit, Clusters, ConceptMatrix, Concepts, CrossedPair, LeakRate, PairEstimate,
    PairSpread, ScoredPair, TemplateSimilarities, estimates, leak_rates, mean_spreads,
    pair_spreads, pooled, with_exact,
};
use crate::results::{LikelyText, PairPrompts};
use crate::store::{
    ConceptSimilarity, EnumerationRowId, ExperimentId, Store, StoredCondition, StoredExactLeak,
    StoredLeak,
};
use crate::study::templates::templates;

/// The estimates of one condition.
pub(crate) struct Estimates<'a> {
    pub(crate) set: &'a StoredCondition,
    /// By pair and repeat.
    pub(crate) pairs: Vec<PairEstimate>,
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
    /// The estimates of a condition, taking concepts for random where its experiment says so.
    pub(crate) fn read(store: &Store, set: &'a StoredCondition) -> anyhow::Result<Self> {
        Self::read_generalised(store, set, is_generalised(store, set.key.experiment)?)
    }

    /// The same, taking concepts for random or not.
    pub(crate) fn read_generalised(
        store: &Store,
        set: &'a StoredCondition,
        are_random: bool,
    ) -> anyhow::Result<Self> {
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
        let pairs = match are_random {
            true => generalised(set, pairs, &prompts, &similarities)?,
            false => pairs,
        };
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
        let of_each = of.iter().map(|it| leak_rates(&it.pairs, &[]));
        let prompts = of.iter().flat_map(|it| it.prompts.clone());
        let n_repeats = |side: usize| of.iter().map(|it| it.n_repeats[side]).max().unwrap_or(0);
        Self {
            set,
            prompts: prompts.collect(),
            n_repeats: [0, 1].map(n_repeats),
            spreads: mean_spreads(&spreads),
            of_each: of_each.collect(),
            templates: TemplateSimilarities::mean(&templates),
            verdicts: Vec::new(),
            leaks: Vec::new(),
            exact: Vec::new(),
            pairs: pooled(&pairs),
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

/// True if the experiment says that intervals speak of other concepts too.
pub(crate) fn is_generalised(store: &Store, experiment: ExperimentId) -> anyhow::Result<bool> {
    let record = store.experiment_record(experiment)?;
    let extended = record.extended_yaml.as_deref();
    Ok(record
        .yaml
        .is_some_and(|yaml| generalises_concepts(&yaml, extended)))
}

/// The estimates of a stored condition with what they depend on where concepts are random.
fn generalised(
    set: &StoredCondition,
    pairs: Vec<PairEstimate>,
    prompts: &BTreeMap<usize, PairPrompts>,
    similarities: &[ConceptSimilarity],
) -> anyhow::Result<Vec<PairEstimate>> {
    let concepts = prompts.values();
    let concepts = concepts.map(|pair| (pair.pair_idx, pair.concept.as_str()));
    crossed(pairs, &concepts.collect(), similarities).with_context(|| {
        format!(
            "concepts of {} cannot be generalised over\n\
             hint: `seep score --experiment {}` stores what it takes",
            set.label, set.experiment_name
        )
    })
}

/// The estimates with what they depend on where concepts are random.
///
/// # Errors
/// Where the comparison with each sibling is missing.
pub(crate) fn crossed(
    pairs: Vec<PairEstimate>,
    concepts: &BTreeMap<usize, &str>,
    similarities: &[ConceptSimilarity],
) -> anyhow::Result<Vec<PairEstimate>> {
    let number = |pair_idx: usize| concepts.get(&pair_idx).copied().map(CrossedPair::number);
    let siblings = similarities.iter().filter_map(|it| {
        let figures = it.figures?;
        Some((it.pair_idx, (number(it.held_pair_idx)?, figures)))
    });
    let mut siblings = siblings.into_group_map();
    let of_pairs = concepts.keys().filter_map(|pair_idx| {
        let crossed = CrossedPair {
            concept: number(*pair_idx)?,
            siblings: siblings.remove(pair_idx).unwrap_or_default(),
        };
        Some((*pair_idx, Arc::new(crossed)))
    });
    let of_pairs: BTreeMap<usize, Arc<CrossedPair>> = of_pairs.collect();
    let pairs = pairs.into_iter().map(|pair| {
        let crossed = of_pairs.get(&pair.pair_idx).cloned();
        let has_siblings = pair.specific.is_some_and(|it| it.siblings.is_some());
        let is_whole = crossed.as_ref().is_some_and(|it| !it.siblings.is_empty());
        ensure!(
            is_whole || !has_siblings,
            "the comparison with each sibling is not stored"
        );
        Ok(PairEstimate { crossed, ..pair })
    });
    pairs.collect()
}

/// The concepts of conditions, as far as their figures tell.
pub(crate) fn concepts_of(conditions: &[Estimates<'_>]) -> Concepts {
    let pairs = conditions.iter().flat_map(|it| it.prompts.values());
    let mut estimates = conditions.iter().flat_map(|it| &it.pairs);
    Concepts {
        n: pairs.map(|pair| &pair.concept).unique().count(),
        are_random: estimates.all(|pair| pair.crossed.is_some()),
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
