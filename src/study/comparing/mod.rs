//! Comparisons: conditions against a base, from the leaks that are stored.
//!
//! Owns the order of its steps and what prompts of one cluster share. Which leaks are compared, `selecting` says;
//! what is shown of exact ones is put together in `exact`; what the difference is, `leakage`; how it is told, `report`.
//! Nothing is generated and nothing is written.

pub(crate) mod exact;

use std::collections::BTreeMap;
use std::path::Path;

use crate::leakage::{
    ClusterUnit, Clusters, Comparison, FlippedPrompt, PairRates, RateKind, compare_with_base,
    condition_rate, count_flips, flipped_prompts, leak_trend, metric_agreement,
    repeat_disagreement,
};
use crate::results::{
    ComparisonReport, Condition, ConditionComparison, FlippedText, MetricAgreement,
    MetricDifference, ModelTrend, RepeatText,
};
use crate::stats::SignFlips;
use crate::store::{DriftSide, PromptId, Store, StoredCondition, StoredLeak};
use crate::study::drifting::{self, Side};
use crate::study::scoring::verdicts::{Verdicts, read_verdicts};
use crate::study::selecting::{self, Selection, condition_name, numerics_note, other_metrics};
use crate::study::session::Session;

/// Random sign flips of a p-value: near 0.05 its standard error is then 0.0007.
pub(crate) const FLIPS: SignFlips = SignFlips {
    seed: 1,
    n_draws: 99_999,
};

/// The conditions that are compared, and how.
#[derive(Debug, Clone)]
pub struct Comparing {
    /// The base and then the others: `name`, `name:quantization`, or the beginning of a file's SHA-256.
    pub conditions: Vec<String>,
    /// The leaks that are meant.
    pub selection: Selection,
    /// The bond between prompts that are not independent of each other.
    pub unit: ClusterUnit,
    /// Prompts shown of those that changed most.
    pub n_flips: usize,
}

impl Comparing {
    /// The first of these conditions as the base of the others, of the only experiment, metric and seed that have them.
    pub fn of(conditions: &[&str]) -> Self {
        Self {
            conditions: conditions.iter().map(|&name| name.to_owned()).collect(),
            selection: Selection::default(),
            unit: ClusterUnit::default(),
            n_flips: 0,
        }
    }
}

impl Session {
    /// Compares stored conditions with a base.
    ///
    /// # Errors
    /// When a condition is not stored, or the conditions cannot be compared.
    pub fn compare(&self, db: &Path, comparing: &Comparing) -> anyhow::Result<ComparisonReport> {
        let store = Store::open_existing(db)?;
        let stored = selecting::stored(&store)?;
        let words: Vec<&str> = comparing.conditions.iter().map(String::as_str).collect();
        let selected = selecting::named(&stored, &words, &comparing.selection)?;
        for note in &selected.notes {
            self.note(note);
        }
        match selected.kind() {
            RateKind::Repeats => assemble(&store, &stored, &selected.sets, comparing),
            RateKind::Exact => exact::assemble(&store, &selected.sets, comparing),
        }
    }
}

fn assemble(
    store: &Store,
    stored: &[StoredCondition],
    sets: &[&StoredCondition],
    comparing: &Comparing,
) -> anyhow::Result<ComparisonReport> {
    let verdicts = read_verdicts(store, sets)?;
    let clusters = clusters(verdicts.iter().flat_map(|v| &v.leaks), comparing.unit);
    let (base, others) = verdicts.split_first().expect("the base is a condition");
    let compared = compare_all(base, others, &clusters);
    let mut comparisons: Vec<ConditionComparison> = others
        .iter()
        .zip(compared)
        .map(|(other, found)| {
            let comparison = condition_comparison(base, other, found, &clusters, comparing.n_flips);
            with_drift(store, base.set, other.set, comparison)
        })
        .collect::<anyhow::Result<_>>()?;
    let mut agreements = Vec::new();
    for metric in other_metrics(stored, sets) {
        let others = read_verdicts(store, &metric)?;
        agreements.extend(
            verdicts
                .iter()
                .zip(&others)
                .filter_map(|(a, b)| agreement(a, b)),
        );
        add_metric(&mut comparisons, &others, comparing.unit);
    }
    let set = base.set;
    Ok(ComparisonReport {
        experiment: set.experiment_name.clone(),
        experiment_sha256: set.experiment_sha256.clone(),
        database: store.path().display().to_string(),
        metric: set.key.metric.clone(),
        seed: set.key.seed,
        unit: cluster_unit(comparing.unit).to_owned(),
        flip_seed: FLIPS.seed,
        enumeration: None,
        numerics_note: numerics_note(sets),
        conditions: verdicts
            .iter()
            .filter_map(|v| condition(v.set, &v.rates, n_repeats(v)?, &clusters))
            .collect(),
        comparisons,
        base_disagreement: repeat_disagreement(&base.pairs),
        trends: trends(verdicts.iter().map(|v| (v.set, &v.rates)), &clusters),
        agreements,
    })
}

/// What prompts of one cluster share, in the singular.
pub(crate) fn cluster_unit(unit: ClusterUnit) -> &'static str {
    match unit {
        ClusterUnit::Control => "control prompt",
        ClusterUnit::Template => "template",
    }
}

/// The cluster of each pair, numbered in the order of their first appearance.
///
/// A pair without a template is in the cluster of its control prompt.
pub(crate) fn clusters<'a>(
    leaks: impl Iterator<Item = &'a StoredLeak>,
    unit: ClusterUnit,
) -> Clusters {
    let pairs = leaks.map(|leak| {
        let template = leak.template_id.as_deref();
        (leak.pair_idx, template, leak.control_prompt_id)
    });
    number_clusters(pairs, unit)
}

/// The same of pairs, each with its template and its control prompt.
fn number_clusters<'a>(
    pairs: impl Iterator<Item = (usize, Option<&'a str>, PromptId)>,
    unit: ClusterUnit,
) -> Clusters {
    let mut numbers = BTreeMap::new();
    let mut clusters = Clusters::new();
    for (pair_idx, template, control) in pairs {
        let shared = match (unit, template) {
            (ClusterUnit::Template, Some(template)) => (Some(template), None),
            (ClusterUnit::Control | ClusterUnit::Template, _) => (None, Some(control)),
        };
        let next = numbers.len();
        clusters.insert(pair_idx, *numbers.entry(shared).or_insert(next));
    }
    clusters
}

fn compare_all(
    base: &Verdicts<'_>,
    others: &[Verdicts<'_>],
    clusters: &Clusters,
) -> Vec<Option<Comparison>> {
    let rates: Vec<&PairRates> = others.iter().map(|other| &other.rates).collect();
    compare_with_base(&base.rates, &rates, clusters, FLIPS)
}

/// The most repeats that a pair has; None without any.
fn n_repeats(verdicts: &Verdicts<'_>) -> Option<usize> {
    let mut n_repeats: BTreeMap<usize, usize> = BTreeMap::new();
    for pair in &verdicts.pairs {
        *n_repeats.entry(pair.pair_idx).or_default() += 1;
    }
    n_repeats.into_values().max()
}

fn condition(
    set: &StoredCondition,
    rates: &PairRates,
    n_repeats: usize,
    clusters: &Clusters,
) -> Option<Condition> {
    Some(Condition {
        name: condition_name(set),
        model: set.label.clone(),
        quantization: set.quantization.clone(),
        sha256: set.model_sha256.clone(),
        bits_per_weight: set.bits_per_weight,
        requantized_from: set.requantized_from.clone(),
        rate: condition_rate(rates, clusters)?,
        n_repeats,
        exact: None,
    })
}

fn condition_comparison(
    base: &Verdicts<'_>,
    other: &Verdicts<'_>,
    comparison: Option<Comparison>,
    clusters: &Clusters,
    n_flips: usize,
) -> ConditionComparison {
    let flipped = flipped_prompts(&base.pairs, &other.pairs, clusters, n_flips);
    let texts = flipped
        .iter()
        .filter_map(|prompt| flipped_text(base, other, prompt));
    ConditionComparison {
        name: condition_name(other.set),
        comparison,
        drift: None,
        flips: count_flips(&base.pairs, &other.pairs),
        flipped_prompts: texts.collect(),
        exact: None,
        other_metrics: Vec::new(),
    }
}

/// Adds how far the next-token distributions lie apart, where they are stored.
fn with_drift(
    store: &Store,
    base: &StoredCondition,
    other: &StoredCondition,
    comparison: ConditionComparison,
) -> anyhow::Result<ConditionComparison> {
    let side = |set: &StoredCondition| Side {
        source: DriftSide::from(&set.key),
        name: set.label.clone(),
        quantization: set.quantization.clone(),
        sha256: set.model_sha256.clone(),
        bits_per_weight: set.bits_per_weight,
    };
    let drift = drifting::summary(
        store,
        base.key.experiment,
        base.key.seed,
        &side(base),
        &side(other),
    )?;
    Ok(ConditionComparison {
        drift,
        ..comparison
    })
}

fn flipped_text(
    base: &Verdicts<'_>,
    other: &Verdicts<'_>,
    prompt: &FlippedPrompt,
) -> Option<FlippedText> {
    let repeats = |verdicts: &Verdicts<'_>| -> Vec<RepeatText> {
        let leaks = verdicts.leaks.iter();
        leaks
            .filter(|leak| leak.pair_idx == prompt.pair_idx)
            .map(repeat_text)
            .collect()
    };
    let leak = base
        .leaks
        .iter()
        .find(|leak| leak.pair_idx == prompt.pair_idx)?;
    Some(FlippedText {
        pair_idx: prompt.pair_idx,
        concept: leak.concept.clone(),
        category: leak.category.clone(),
        test_prompt: leak.test_prompt.clone(),
        control_prompt: leak.control_prompt.clone(),
        change: prompt.change,
        base: repeats(base),
        other: repeats(other),
    })
}

fn repeat_text(leak: &StoredLeak) -> RepeatText {
    RepeatText {
        repeat_idx: leak.repeat_idx,
        test_generation: leak.test_generation.clone(),
        control_generation: leak.control_generation.clone(),
        leak: leak.leak,
    }
}

/// One trend for each model; of different models, bits per weight mean different things.
pub(crate) fn trends<'a>(
    conditions: impl Iterator<Item = (&'a StoredCondition, &'a PairRates)>,
    clusters: &Clusters,
) -> Vec<ModelTrend> {
    // A trend over files is one under the same sampling values.
    let mut models: BTreeMap<(&str, &str), Vec<(f64, &PairRates)>> = BTreeMap::new();
    for (set, rates) in conditions {
        let key = (set.label.as_str(), set.sampling_label.as_str());
        let levels = models.entry(key).or_default();
        levels.extend(set.bits_per_weight.map(|bits| (bits, rates)));
    }
    let trends = models
        .into_iter()
        .filter_map(|((model, sampling), levels)| {
            let bits = || levels.iter().map(|(bits, _)| *bits);
            Some(ModelTrend {
                model: format!("{model} {sampling}").trim_end().to_owned(),
                bits_min: bits().fold(f64::INFINITY, f64::min),
                bits_max: bits().fold(0.0, f64::max),
                trend: leak_trend(&levels, clusters)?,
            })
        });
    trends.collect()
}

fn agreement(a: &Verdicts<'_>, b: &Verdicts<'_>) -> Option<MetricAgreement> {
    let found = metric_agreement(&a.pairs, &b.pairs)?;
    Some(MetricAgreement {
        condition: condition_name(a.set),
        metric: b.set.key.metric.clone(),
        share: found.share,
        kappa: found.kappa,
        n: found.n,
    })
}

/// Adds the differences by another metric; the conditions are in the order of the report.
fn add_metric(
    comparisons: &mut [ConditionComparison],
    verdicts: &[Verdicts<'_>],
    unit: ClusterUnit,
) {
    let clusters = clusters(verdicts.iter().flat_map(|v| &v.leaks), unit);
    let Some((base, others)) = verdicts.split_first() else {
        return;
    };
    let found = compare_all(base, others, &clusters);
    for (comparison, found) in comparisons.iter_mut().zip(found) {
        comparison
            .other_metrics
            .extend(found.map(|found| MetricDifference {
                metric: base.set.key.metric.clone(),
                comparison: found,
            }));
    }
}
