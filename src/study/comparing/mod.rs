//! Comparisons: conditions against a base, from the leaks that are stored.
//!
//! Owns the order of its steps and what is shown of pairs that changed. Which leaks are compared, `selecting` says; what
//! the difference is, `leakage`; how it is told, `report`. Nothing is generated and nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::ensure;
use itertools::Itertools as _;

use crate::experiment::declared_margin;
use crate::generation::joined_label;
use crate::leakage::{
    Bounds, ChangedPair, ClusterUnit, Clusters, LeakTrend, Measure, MeasuredComparisons,
    PERMUTATIONS, PairEstimate, Tests, changed_pairs, compare_measures, condition_rate,
    count_flips, leak_trends, metric_agreement, repeat_disagreement, spread_difference,
};
use crate::results::{
    ChangedSide, ChangedText, ComparisonReport, Condition, ConditionComparison, DriftSummary,
    MetricAgreement, MetricDifference, ModelTrend, RepeatText,
};
use crate::stats::SignFlips;
use crate::store::{DriftSide, Store, StoredCondition, StoredLeak, WordingId};
use crate::study::drifting::{self, Side};
use crate::study::estimates::{Estimates, clusters, concepts_of, likely_texts};
use crate::study::selecting::{
    self, Base, Name, Selection, against, condition_name, numerics_note, other_similarities,
};
use crate::study::session::Session;
use crate::study::wordings::WithMeans;

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
    /// Let intervals speak of other concepts too, whatever the experiment says.
    pub generalises_concepts: bool,
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
            generalises_concepts: false,
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
        let store = self.store_to_read(db)?;
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
    let with_means = WithMeans::of(sets);
    let all: Vec<&StoredCondition> = with_means.sets.iter().collect();
    let bases = against(&all, &comparing.conditions[0]);
    ensure!(
        !bases.is_empty(),
        "`{}` has no wording that the others have\nhint: name conditions of the same wording",
        comparing.conditions[0]
    );
    let conditions = with_means.read(store, comparing.generalises_concepts)?;
    let (unit, n_flips, margin) = (comparing.unit, comparing.n_flips, comparing.margin);
    let mut report = report_of(
        store,
        (&with_means, &conditions),
        &bases,
        unit,
        n_flips,
        margin,
    )?;
    let tests = tests(store, sets[0], margin)?;
    let clusters = clusters(&conditions, unit);
    for others in other_similarities(stored, sets) {
        let with_means = WithMeans::of(&others);
        let others = with_means.read(store, comparing.generalises_concepts)?;
        let agreements = agreements_with(&conditions, &others);
        report.agreements.extend(agreements);
        let found = compare_others(&with_means, &others, &bases, &clusters, tests);
        let found = found.into_iter().flatten();
        add_differences(&mut report.comparisons, others[0].set, found);
    }
    Ok(report)
}

/// Conditions against `bases` among them, of which there is at least one, without other metrics and encoders.
pub(crate) fn report_of(
    store: &Store,
    (with_means, conditions): (&WithMeans, &[Estimates<'_>]),
    bases: &[Base],
    unit: ClusterUnit,
    n_flips: usize,
    margin: Option<f64>,
) -> anyhow::Result<ComparisonReport> {
    let clusters = clusters(conditions, unit);
    let set = conditions[bases[0].0].set;
    let tests = tests(store, set, margin)?;
    let compared = compare_all(with_means, conditions, bases, &clusters, tests);
    let mut comparisons = Vec::new();
    // A drift is that of two files, whatever their samplings and wordings are.
    let mut drifted = BTreeSet::new();
    for ((base, others), found) in bases.iter().zip(compared) {
        let base = &conditions[*base];
        for (other, found) in others.iter().map(|&idx| &conditions[idx]).zip(found) {
            let changed = changed_pairs(&base.pairs, &other.pairs, &clusters, n_flips);
            let changed = changed.iter().filter(|_| !is_mean(base.set));
            let changed = changed.map(|pair| changed_text(store, base, other, pair));
            comparisons.push(ConditionComparison {
                changed: changed.collect::<anyhow::Result<_>>()?,
                spread: Some(spread_difference(&base.spreads, &other.spreads, &clusters)),
                drift: match drifted.insert((base.set.key.model, other.set.key.model)) {
                    true => drift(store, base.set, other.set)?,
                    false => None,
                },
                ..condition_comparison(base, other, found)
            });
        }
    }
    let is_linked =
        |idx: &usize| !is_mean(conditions[*idx].set) || bases.iter().any(|it| is_of(it, *idx));
    let shown = (0..conditions.len()).filter(is_linked);
    let singles = bases.iter().map(|(base, _)| &conditions[*base]);
    let singles = singles.filter(|base| !is_mean(base.set));
    let disagreements = singles.filter_map(|base| repeat_disagreement(&base.verdicts));
    let sets = conditions.iter().map(|it| it.set);
    let sets: Vec<&StoredCondition> = sets.filter(|set| !is_mean(set)).collect();
    Ok(ComparisonReport {
        experiment: set.experiment_name.clone(),
        experiment_sha256: set.experiment_sha256.clone(),
        database: store.path().display().to_string(),
        metric: set.key.metric.clone(),
        embedding_model: set.embedding_model.clone(),
        seed: set.key.seed,
        unit: cluster_unit(unit).to_owned(),
        concepts: concepts_of(conditions),
        flip_seed: FLIPS.seed,
        enumeration: set.key.enumeration(),
        numerics_note: numerics_note(&sets),
        base: match bases {
            [_] => condition_name(set),
            _ => Name::of(set).in_any_wording().to_string(),
        },
        base_disagreement: mean(disagreements),
        conditions: shown
            .filter_map(|idx| condition(&conditions[idx], with_means.mean_over(idx), &clusters))
            .collect(),
        comparisons,
        trends: trends(conditions, &clusters),
        agreements: Vec::new(),
    })
}

/// True if the condition at a place is a base or compared with it.
fn is_of((base, others): &Base, idx: usize) -> bool {
    *base == idx || others.contains(&idx)
}

fn is_mean(set: &StoredCondition) -> bool {
    set.key.wording == WordingId::MEAN
}

/// The mean of what is there; None of nothing.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    let n = values.len() as f64;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / n)
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

/// For each base the comparisons of its others, by each measure.
///
/// The certain bounds of a difference of means over wordings are the means of those in each wording.
pub(crate) fn compare_all(
    with_means: &WithMeans,
    conditions: &[Estimates<'_>],
    bases: &[Base],
    clusters: &Clusters,
    tests: Tests,
) -> Vec<Vec<MeasuredComparisons>> {
    let compared = bases.iter().map(|(base, others)| {
        let others = others.iter().map(|&other| &*conditions[other].pairs);
        let others: Vec<&[PairEstimate]> = others.collect();
        compare_measures(&conditions[*base].pairs, &others, clusters, tests)
    });
    let mut compared: Vec<Vec<MeasuredComparisons>> = compared.collect();
    let bounds_of = |compared: &[Vec<MeasuredComparisons>], base: usize, other: usize| {
        let place = bases.iter().position(|(idx, _)| *idx == base)?;
        let of_base = bases[place].1.iter().position(|idx| *idx == other)?;
        compared[place][of_base].leak_rate.as_ref()?.bounds
    };
    for (place, (base, others)) in bases.iter().enumerate() {
        for (of_base, other) in others.iter().enumerate() {
            let both = with_means.of[*base].iter().zip(&with_means.of[*other]);
            let bounds = both.map(|(base, other)| bounds_of(&compared, *base, *other));
            let bounds: Option<Vec<Bounds>> = bounds.collect();
            if let (Some(bounds), Some(found)) = (
                bounds.as_deref().and_then(Bounds::mean),
                &mut compared[place][of_base].leak_rate,
            ) {
                found.bounds = Some(bounds);
            }
        }
    }
    compared
}

/// The same by another similarity, without categories.
pub(crate) fn compare_others(
    with_means: &WithMeans,
    conditions: &[Estimates<'_>],
    bases: &[Base],
    clusters: &Clusters,
    tests: Tests,
) -> Vec<Vec<MeasuredComparisons>> {
    let tests = Tests {
        categories: None,
        ..tests
    };
    compare_all(with_means, conditions, bases, clusters, tests)
}

/// None of a condition without pairs.
fn condition(
    found: &Estimates<'_>,
    mean_over: Vec<String>,
    clusters: &Clusters,
) -> Option<Condition> {
    let set = found.set;
    let whole = found.leak_rates().into_iter().next()?;
    Some(Condition {
        name: condition_name(set),
        model: set.label.clone(),
        quantization: set.quantization.clone(),
        sha256: set.model_sha256.clone(),
        bits_per_weight: set.bits_per_weight,
        requantized_from: set.requantized_from.clone(),
        rate: condition_rate(&found.pairs, clusters)?,
        wording: set.wording.clone(),
        mean_over,
        n_repeats: found.n_repeats[0],
        n_control_repeats: found.n_repeats[1],
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
        base: condition_name(base.set),
        comparison: found.leak_rate,
        specific: found.specific,
        spread: None,
        drift: None,
        flips: count_flips(&base.verdicts, &other.verdicts),
        changed: Vec::new(),
        other_metrics: Vec::new(),
    }
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
    // A trend over files is one under the same sampling values in the same wording.
    let models = conditions.iter().filter_map(|it| {
        let names = (it.set.label.as_str(), differing(it.set));
        Some((names, (it.set.bits_per_weight?, &*it.pairs)))
    });
    let models: BTreeMap<(&str, [&str; 2]), Levels<'_>> =
        models.into_group_map().into_iter().collect();
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

fn differing(set: &StoredCondition) -> [&str; 2] {
    [&set.sampling_label, &set.wording_label]
}

fn model_trend(
    (model, differing): (&str, [&str; 2]),
    levels: &Levels<'_>,
    measure: Measure,
    trend: LeakTrend,
) -> Option<ModelTrend> {
    let bits = || levels.iter().map(|(bits, _)| *bits);
    Some(ModelTrend {
        model: joined_label(model, differing),
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

/// Adds the differences `found` by the similarity of `set`; they are in the order of the comparisons.
pub(crate) fn add_differences<'c>(
    comparisons: impl IntoIterator<Item = &'c mut ConditionComparison>,
    set: &StoredCondition,
    found: impl IntoIterator<Item = MeasuredComparisons>,
) {
    for (comparison, found) in comparisons.into_iter().zip(found) {
        let MeasuredComparisons {
            leak_rate,
            specific,
        } = found;
        let found = leak_rate.map(|comparison| MetricDifference {
            metric: set.key.metric.clone(),
            embedding_model: set.embedding_model.clone(),
            comparison,
            specific,
        });
        comparison.other_metrics.extend(found);
    }
}
