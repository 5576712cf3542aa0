//! Comparisons: conditions against a base, from the leaks that are stored.
//!
//! Owns the order of its steps and what is shown of pairs that changed. Which leaks are compared, `selecting` says; what
//! the difference is, `leakage`; how it is told, `report`. Nothing is generated and nothing is written.

use std::collections::BTreeMap;
use std::path::Path;

use itertools::Itertools as _;

use crate::experiment::declared_margin;
use crate::leakage::{
    ChangedPair, ClusterUnit, Clusters, LeakTrend, Measure, MeasuredComparisons, PERMUTATIONS,
    PairEstimate, PairSpread, Tests, changed_pairs, compare_measures, condition_rate, count_flips,
    leak_rates, leak_trends, metric_agreement, pair_spreads, repeat_disagreement,
    spread_difference,
};
use crate::results::{
    ChangedSide, ChangedText, ComparisonReport, Condition, ConditionComparison, DriftSummary,
    MetricAgreement, MetricDifference, ModelTrend, RepeatText,
};
use crate::stats::SignFlips;
use crate::store::{DriftSide, Store, StoredCondition, StoredLeak};
use crate::study::drifting::{self, Side};
use crate::study::estimates::{Estimates, clusters, likely_texts, read_all};
use crate::study::selecting::{self, Selection, condition_name, numerics_note, other_similarities};
use crate::study::session::Session;

/// Random sign flips of a p-value: near 0.05 its standard error is then 0.0007.
pub(crate) const FLIPS: SignFlips = SignFlips {
    seed: 1,
    n_draws: 99_999,
};

/// The tests of differences without a margin.
pub(crate) const TESTS: Tests = Tests {
    flips: FLIPS,
    margin: None,
    categories: None,
};

/// Texts shown of each prompt of a pair that changed, where continuations were enumerated.
const N_TEXTS: usize = 3;

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
    /// The largest difference in points that counts as none, above 0; that of the experiment unless given.
    pub margin: Option<f64>,
}

impl Comparing {
    /// The first of these conditions as the base of the others, of the only experiment, metric and seed that have them.
    pub fn of(conditions: &[&str]) -> Self {
        Self {
            conditions: conditions.iter().map(|&name| name.to_owned()).collect(),
            selection: Selection::default(),
            unit: ClusterUnit::default(),
            n_flips: 0,
            margin: None,
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
        assemble(&store, &stored, &selected.sets, comparing)
    }
}

fn assemble(
    store: &Store,
    stored: &[StoredCondition],
    sets: &[&StoredCondition],
    comparing: &Comparing,
) -> anyhow::Result<ComparisonReport> {
    let conditions = read_all(store, sets)?;
    let (unit, n_flips, margin) = (comparing.unit, comparing.n_flips, comparing.margin);
    let mut report = report_of(store, &conditions, unit, n_flips, margin)?;
    let tests = tests(store, sets[0], margin)?;
    let clusters = clusters(&conditions, unit);
    for others in other_similarities(stored, sets) {
        let others = read_all(store, &others)?;
        let agreements = agreements_with(&conditions, &others);
        report.agreements.extend(agreements);
        add_differences(
            &mut report.comparisons,
            &others.iter().collect::<Vec<_>>(),
            &clusters,
            tests,
        );
    }
    Ok(report)
}

/// Conditions, of which there is at least one, against the first of them, without other metrics and encoders.
pub(crate) fn report_of(
    store: &Store,
    conditions: &[Estimates<'_>],
    unit: ClusterUnit,
    n_flips: usize,
    margin: Option<f64>,
) -> anyhow::Result<ComparisonReport> {
    let clusters = clusters(conditions, unit);
    let (base, others) = conditions.split_first().expect("the base is a condition");
    let tests = tests(store, base.set, margin)?;
    let mut comparisons = Vec::new();
    for (other, found) in others
        .iter()
        .zip(compare_all(base, others, &clusters, tests))
    {
        let changed = changed_pairs(&base.pairs, &other.pairs, &clusters, n_flips);
        let changed = changed
            .iter()
            .map(|pair| changed_text(store, base, other, pair));
        comparisons.push(ConditionComparison {
            changed: changed.collect::<anyhow::Result<_>>()?,
            spread: Some(spread_difference(
                &spreads(base),
                &spreads(other),
                &clusters,
            )),
            drift: drift(store, base.set, other.set)?,
            ..condition_comparison(base, other, found)
        });
    }
    let set = base.set;
    let sets: Vec<&StoredCondition> = conditions.iter().map(|it| it.set).collect();
    Ok(ComparisonReport {
        experiment: set.experiment_name.clone(),
        experiment_sha256: set.experiment_sha256.clone(),
        database: store.path().display().to_string(),
        metric: set.key.metric.clone(),
        embedding_model: set.embedding_model.clone(),
        seed: set.key.seed,
        unit: cluster_unit(unit).to_owned(),
        flip_seed: FLIPS.seed,
        enumeration: set.key.enumeration(),
        numerics_note: numerics_note(&sets),
        conditions: conditions
            .iter()
            .filter_map(|it| condition(it, &clusters))
            .collect(),
        comparisons,
        base_disagreement: repeat_disagreement(&base.verdicts),
        trends: trends(conditions, &clusters),
        agreements: Vec::new(),
    })
}

/// Names the kind of text that prompts of one cluster share, in the singular.
pub(crate) fn cluster_unit(unit: ClusterUnit) -> &'static str {
    match unit {
        ClusterUnit::Control => "control prompt",
        ClusterUnit::Template => "template",
    }
}

/// The tests of the differences of an experiment, within `margin` or else the margin that it declares.
pub(crate) fn tests(
    store: &Store,
    set: &StoredCondition,
    margin: Option<f64>,
) -> anyhow::Result<Tests> {
    let stored = store.experiment_record(set.key.experiment)?;
    let declared = stored
        .yaml
        .and_then(|yaml| declared_margin(&yaml, stored.extended_yaml.as_deref()));
    Ok(Tests {
        flips: FLIPS,
        margin: margin.or(declared),
        categories: Some(PERMUTATIONS),
    })
}

/// The comparison of each of `others` with the base, by each measure.
pub(crate) fn compare_all<'a>(
    base: &Estimates<'_>,
    others: impl IntoIterator<Item = &'a Estimates<'a>>,
    clusters: &Clusters,
    tests: Tests,
) -> Vec<MeasuredComparisons> {
    let others = others.into_iter();
    let pairs: Vec<&[PairEstimate]> = others.map(|other| &*other.pairs).collect();
    compare_measures(&base.pairs, &pairs, clusters, tests)
}

/// None of a condition without pairs.
fn condition(found: &Estimates<'_>, clusters: &Clusters) -> Option<Condition> {
    let set = found.set;
    let whole = leak_rates(&found.pairs, &found.templates)
        .into_iter()
        .next()?;
    let n_repeats = |side: usize| {
        let verdicts = found.verdicts.iter();
        let repeats = verdicts.map(|verdict| (verdict.pair_idx, verdict.sides[side]));
        let by_pair = repeats.unique().counts_by(|(pair_idx, _)| pair_idx);
        by_pair.into_values().max().unwrap_or(0)
    };
    Some(Condition {
        name: condition_name(set),
        model: set.label.clone(),
        quantization: set.quantization.clone(),
        sha256: set.model_sha256.clone(),
        bits_per_weight: set.bits_per_weight,
        requantized_from: set.requantized_from.clone(),
        rate: condition_rate(&found.rates, clusters)?,
        n_repeats: n_repeats(0),
        n_control_repeats: n_repeats(1),
        claim: whole.claim(),
        exact: whole.exact,
        specific: whole.specific,
    })
}

/// Returns the comparison of two conditions by their estimates, without texts and drift.
pub(crate) fn condition_comparison(
    base: &Estimates<'_>,
    other: &Estimates<'_>,
    found: MeasuredComparisons,
) -> ConditionComparison {
    ConditionComparison {
        name: condition_name(other.set),
        comparison: found.leak_rate,
        specific: found.specific,
        spread: None,
        drift: None,
        flips: count_flips(&base.verdicts, &other.verdicts),
        changed: Vec::new(),
        other_metrics: Vec::new(),
    }
}

fn spreads(found: &Estimates<'_>) -> BTreeMap<usize, PairSpread> {
    let texts = found.leaks.iter();
    let texts = texts.map(|leak| (leak.pair_idx, leak.test_generation.as_str()));
    pair_spreads(&found.pairs, texts)
}

/// How far the next-token distributions lie apart, where they are stored.
fn drift(
    store: &Store,
    base: &StoredCondition,
    other: &StoredCondition,
) -> anyhow::Result<Option<DriftSummary>> {
    let side = |set: &StoredCondition| Side {
        source: DriftSide::from(&set.key),
        name: set.label.clone(),
        quantization: set.quantization.clone(),
        sha256: set.model_sha256.clone(),
        bits_per_weight: set.bits_per_weight,
    };
    let (experiment, seed) = (base.key.experiment, base.key.seed);
    drifting::summary(store, experiment, seed, &side(base), &side(other))
}

fn changed_text(
    store: &Store,
    base: &Estimates<'_>,
    other: &Estimates<'_>,
    changed: &ChangedPair,
) -> anyhow::Result<ChangedText> {
    Ok(ChangedText {
        pair: base.prompts[&changed.pair_idx].clone(),
        change: changed.change,
        bounds: changed.bounds,
        base: changed_side(store, base, changed.pair_idx)?,
        other: changed_side(store, other, changed.pair_idx)?,
    })
}

fn changed_side(
    store: &Store,
    condition: &Estimates<'_>,
    pair_idx: usize,
) -> anyhow::Result<ChangedSide> {
    let mut exact = condition.exact.iter();
    if let Some(leak) = exact.find(|leak| leak.pair.pair_idx == pair_idx) {
        return Ok(ChangedSide::Exact {
            leak_probability: leak.pair.leak.probability,
            test_texts: likely_texts(store, leak.test_enumeration, N_TEXTS)?,
            control_texts: likely_texts(store, leak.control_enumeration, N_TEXTS)?,
        });
    }
    let leaks = condition.leaks.iter();
    let of_pair = leaks.filter(|leak| leak.pair_idx == pair_idx);
    Ok(ChangedSide::Repeats(of_pair.map(repeat_text).collect()))
}

fn repeat_text(leak: &StoredLeak) -> RepeatText {
    RepeatText {
        repeat_idx: leak.repeat_idx,
        test_generation: leak.test_generation.clone(),
        control_generation: leak.control_generation.clone(),
        leak: leak.leak,
    }
}

/// The trends of each model, by specificity and by the leak rate; of different models, bits per weight mean different
/// things.
pub(crate) fn trends(conditions: &[Estimates<'_>], clusters: &Clusters) -> Vec<ModelTrend> {
    // A trend over files is one under the same sampling values.
    let models = conditions.iter().filter_map(|it| {
        let names = (it.set.label.as_str(), it.set.sampling_label.as_str());
        Some((names, (it.set.bits_per_weight?, &*it.pairs)))
    });
    let models: BTreeMap<(&str, &str), Levels<'_>> = models.into_group_map().into_iter().collect();
    let (names, levels): (Vec<_>, Vec<Levels<'_>>) = models.into_iter().unzip();
    let by_measure = [Measure::Specificity, Measure::LeakRate].map(|measure| {
        let trends = leak_trends(&levels, measure, clusters, FLIPS).into_iter();
        let models = names.iter().zip(&levels).zip(trends);
        let models =
            models.map(|((name, levels), trend)| model_trend(*name, levels, measure, trend?));
        models.collect::<Vec<_>>()
    });
    let [specificity, leak_rate] = by_measure;
    let both = specificity.into_iter().zip(leak_rate);
    both.flat_map(|(specificity, leak_rate)| [specificity, leak_rate])
        .flatten()
        .collect()
}

/// The estimates of conditions, with their bits per weight.
type Levels<'a> = Vec<(f64, &'a [PairEstimate])>;

fn model_trend(
    (model, sampling): (&str, &str),
    levels: &Levels<'_>,
    measure: Measure,
    trend: LeakTrend,
) -> Option<ModelTrend> {
    let bits = || levels.iter().map(|(bits, _)| *bits);
    Some(ModelTrend {
        model: format!("{model} {sampling}").trim_end().to_owned(),
        bits_min: bits().fold(f64::INFINITY, f64::min),
        bits_max: bits().fold(0.0, f64::max),
        measure,
        trend,
    })
}

/// How far other similarities give the same verdicts; the conditions of both are in the same order.
pub(crate) fn agreements_with(
    conditions: &[Estimates<'_>],
    others: &[Estimates<'_>],
) -> Vec<MetricAgreement> {
    let both = conditions.iter().zip(others);
    both.filter_map(|(a, b)| agreement(a, b)).collect()
}

fn agreement(a: &Estimates<'_>, b: &Estimates<'_>) -> Option<MetricAgreement> {
    let found = metric_agreement(&a.verdicts, &b.verdicts)?;
    Some(MetricAgreement {
        condition: condition_name(a.set),
        metric: b.set.key.metric.clone(),
        embedding_model: b.set.embedding_model.clone(),
        share: found.share,
        kappa: found.kappa,
        n: found.n,
    })
}

/// Adds the differences by another similarity; the conditions are the base and then the others in their order.
pub(crate) fn add_differences<'c>(
    comparisons: impl IntoIterator<Item = &'c mut ConditionComparison>,
    conditions: &[&Estimates<'_>],
    clusters: &Clusters,
    tests: Tests,
) {
    let Some((base, others)) = conditions.split_first() else {
        return;
    };
    let tests = Tests {
        categories: None,
        ..tests
    };
    let found = compare_all(base, others.iter().copied(), clusters, tests);
    for (comparison, found) in comparisons.into_iter().zip(found) {
        let MeasuredComparisons {
            leak_rate,
            specific,
        } = found;
        let found = leak_rate.map(|comparison| MetricDifference {
            metric: base.set.key.metric.clone(),
            embedding_model: base.set.embedding_model.clone(),
            comparison,
            specific,
        });
        comparison.other_metrics.extend(found);
    }
}
