//! The comparison as one JSON document.
//!
//! Owns the names of its fields, which programs rely on. Rates are in percent, differences in percentage points.

use std::collections::BTreeMap;

use serde::Serialize;

use super::conclusions::{Conclusion, conclusions_words, similarity_name};
use super::words::difference_words;
use crate::leakage::{Comparison, Flips, LevelContrast, Measure, SpreadDifference};
use crate::report::objects::{
    BoundsObject, ConceptsObject, EnumerationObject, IntervalObject, listed,
};
use crate::report::specific_object::SpecificObject;
use crate::results::{
    ChangedSide, ChangedText, ComparisonReport, Condition, ConditionComparison, DriftSummary,
    MetricAgreement, MetricDifference, ModelTrend, RepeatText,
};
use crate::stats::ClusterMean;

#[derive(Serialize)]
struct Document<'a> {
    experiment: &'a str,
    experiment_sha256: &'a str,
    database: &'a str,
    metric: &'a str,
    embedding_model: &'a str,
    seed: u64,
    cluster_unit: &'a str,
    concepts: ConceptsObject,
    flip_seed: u64,
    /// `repeats` or `exact`.
    rates: &'static str,
    /// How far continuations were enumerated; null where repeats are compared.
    enumeration: Option<EnumerationObject>,
    /// How the logits of conditions were computed differently; null where they were not.
    numerics_note: Option<&'a str>,
    base: &'a str,
    conditions: Vec<ConditionObject<'a>>,
    comparisons: Vec<ComparisonObject<'a>>,
    /// Null with one repeat.
    base_disagreement: Option<f64>,
    trends: Vec<TrendObject<'a>>,
    specificity_trends: Vec<TrendObject<'a>>,
    metric_agreements: Vec<AgreementObject<'a>>,
}

#[derive(Serialize)]
struct ConditionObject<'a> {
    name: &'a str,
    model: &'a str,
    quantization: &'a str,
    /// Absent where it has no name, and of a mean.
    #[serde(skip_serializing_if = "str::is_empty")]
    wording: &'a str,
    /// The wordings that it is the mean over; absent of a condition by itself.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    mean_over: &'a [String],
    sha256: &'a str,
    bits_per_weight: Option<f64>,
    /// The label of the parent, if the weights were rounded twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    requantized_from: Option<&'a str>,
    mean_leak_rate: f64,
    interval: Option<IntervalObject>,
    n_prompts: usize,
    /// Null where continuations were enumerated.
    n_repeats: Option<usize>,
    n_control_repeats: Option<usize>,
    n_clusters: usize,
    #[serde(flatten)]
    specific: SpecificObject,
    /// Absent where repeats are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    exact: Option<ExactRateObject>,
}

/// The certain facts about an exact rate.
#[derive(Serialize)]
struct ExactRateObject {
    #[serde(flatten)]
    bounds: BoundsObject,
    coverage: f64,
    coverage_min: f64,
}

/// The certain facts about a difference of exact rates.
#[derive(Serialize)]
struct ExactObject<'a> {
    #[serde(flatten)]
    bounds: BoundsObject,
    moved_pairs: Vec<ChangedObject<'a>>,
}

#[derive(Serialize)]
struct ComparisonObject<'a> {
    name: &'a str,
    base: &'a str,
    in_words: String,
    /// Null where no prompt is common.
    difference: Option<DifferenceObject>,
    #[serde(flatten)]
    specific: SpecificObject,
    /// By figure, the tests that its difference is within the margin; absent without a margin.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    equivalence: BTreeMap<&'static str, EquivalenceObject>,
    /// By figure, its difference in each category; absent where pairs are of one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    by_category: BTreeMap<&'static str, CategoriesObject<'a>>,
    /// The change of similarity shift, entropy and distinct texts of test prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    spread: Option<SpreadObject>,
    /// Absent where next-token distributions are not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<&'a DriftSummary>,
    /// Absent where repeats are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    exact: Option<ExactObject<'a>>,
    flips: FlipsObject,
    flipped_prompts: Vec<ChangedObject<'a>>,
    /// Such as `leaks more` or `cannot tell`; null where no prompt is common.
    conclusion: Option<&'static str>,
    other_metrics: Vec<MetricObject<'a>>,
    /// True if all of them lead to the same conclusion; null where there is no other metric or encoder.
    is_same_conclusion: Option<bool>,
    /// The same in a sentence.
    conclusions_in_words: Option<String>,
}

#[derive(Serialize)]
struct DifferenceObject {
    base_rate: f64,
    other_rate: f64,
    points: f64,
    standard_error: Option<f64>,
    interval: Option<IntervalObject>,
    naive_interval: Option<IntervalObject>,
    design_effect: Option<f64>,
    p_value: f64,
    /// Null where all sign flips were looked at.
    p_value_n_draws: Option<u32>,
    holm_p_value: f64,
    n_prompts: usize,
    n_clusters: usize,
    n_base_only: usize,
    n_other_only: usize,
}

#[derive(Serialize)]
struct CategoriesObject<'a> {
    differences: Vec<CategoryObject<'a>>,
    /// Null where fewer than two categories have two clusters; so are the following.
    statistic: Option<f64>,
    p_value: Option<f64>,
    /// Null where all assignments of clusters were looked at.
    p_value_n_draws: Option<u32>,
    holm_p_value: Option<f64>,
}

#[derive(Serialize)]
struct CategoryObject<'a> {
    category: &'a str,
    points: f64,
    standard_error: Option<f64>,
    interval: Option<IntervalObject>,
    n_prompts: usize,
    n_clusters: usize,
}

/// Differences from the base, with their 95 % intervals; similarities, bits, and parts of 1.
#[derive(Serialize)]
struct SpreadObject {
    similarity_shift: Option<f64>,
    similarity_shift_interval: Option<IntervalObject>,
    entropy_test: Option<f64>,
    entropy_test_interval: Option<IntervalObject>,
    distinct_test: Option<f64>,
    distinct_test_interval: Option<IntervalObject>,
}

/// Points.
#[derive(Serialize)]
struct EquivalenceObject {
    margin: f64,
    /// The 90 % interval.
    interval: IntervalObject,
    p_value: f64,
    holm_p_value: f64,
    is_equivalent: bool,
}

#[derive(Serialize)]
struct FlipsObject {
    leak_to_no_leak: usize,
    no_leak_to_leak: usize,
    ties_changed: usize,
    unchanged: usize,
}

/// Probabilities are 0 to 1.
#[derive(Serialize)]
struct ChangedObject<'a> {
    pair_idx: usize,
    concept: &'a str,
    category: &'a str,
    test_prompt: &'a str,
    control_prompt: &'a str,
    change: f64,
    /// Absent where repeats are compared.
    #[serde(flatten)]
    bounds: Option<ChangeBounds>,
    base: SideObject<'a>,
    other: SideObject<'a>,
}

#[derive(Serialize)]
struct ChangeBounds {
    lower: f64,
    upper: f64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum SideObject<'a> {
    Repeats(Vec<RepeatObject<'a>>),
    Exact {
        leak_probability: f64,
        test_texts: Vec<(&'a str, f64)>,
        control_texts: Vec<(&'a str, f64)>,
    },
}

#[derive(Serialize)]
struct RepeatObject<'a> {
    repeat_idx: u32,
    test_generation: &'a str,
    control_generation: &'a str,
    leak: f64,
}

#[derive(Serialize)]
struct MetricObject<'a> {
    metric: &'a str,
    embedding_model: &'a str,
    conclusion: &'static str,
    difference: DifferenceObject,
    #[serde(flatten)]
    specific: SpecificObject,
}

#[derive(Serialize)]
struct TrendObject<'a> {
    model: &'a str,
    measure: &'static str,
    points_per_bit: f64,
    interval: Option<IntervalObject>,
    p_value: f64,
    holm_p_value: f64,
    lack_of_fit_p_value: f64,
    is_monotone: bool,
    contrasts: Vec<ContrastObject>,
    bits_min: f64,
    bits_max: f64,
    n_levels: usize,
    n_prompts: usize,
    n_clusters: usize,
}

/// The figure at more bits less that at fewer.
#[derive(Serialize)]
struct ContrastObject {
    bits_from: f64,
    bits_to: f64,
    points: f64,
    interval: Option<IntervalObject>,
    p_value: f64,
    holm_p_value: f64,
}

#[derive(Serialize)]
struct AgreementObject<'a> {
    condition: &'a str,
    metric: &'a str,
    embedding_model: &'a str,
    share: f64,
    kappa: Option<f64>,
    n: usize,
}

/// The comparison as one JSON document, ending with a newline.
pub fn comparison_json(report: &ComparisonReport) -> String {
    let comparisons = report.comparisons.iter();
    let document = Document {
        experiment: &report.experiment,
        experiment_sha256: &report.experiment_sha256,
        database: &report.database,
        metric: &report.metric,
        embedding_model: &report.embedding_model,
        seed: report.seed,
        cluster_unit: &report.unit,
        concepts: report.concepts.into(),
        flip_seed: report.flip_seed,
        rates: match report.enumeration {
            Some(_) => "exact",
            None => "repeats",
        },
        enumeration: report.enumeration.map(Into::into),
        numerics_note: report.numerics_note.as_deref(),
        base: &report.base,
        conditions: report.conditions.iter().map(condition_object).collect(),
        comparisons: comparisons
            .map(|comparison| comparison_object(report, comparison))
            .collect(),
        base_disagreement: report.base_disagreement,
        trends: trends(report, Measure::LeakRate),
        specificity_trends: trends(report, Measure::Specificity),
        metric_agreements: report.agreements.iter().map(agreement_object).collect(),
    };
    let text = serde_json::to_string_pretty(&document)
        .expect("plain strings and numbers always serialise");
    text + "\n"
}

fn condition_object(condition: &Condition) -> ConditionObject<'_> {
    ConditionObject {
        name: &condition.name,
        model: &condition.model,
        quantization: &condition.quantization,
        wording: &condition.wording,
        mean_over: &condition.mean_over,
        sha256: &condition.sha256,
        bits_per_weight: condition.bits_per_weight,
        requantized_from: condition.requantized_from.as_deref(),
        mean_leak_rate: condition.rate.mean_leak_rate,
        interval: condition.rate.interval.map(Into::into),
        n_prompts: condition.rate.n_prompts,
        n_repeats: condition.exact.is_none().then_some(condition.n_repeats),
        n_control_repeats: condition
            .exact
            .is_none()
            .then_some(condition.n_control_repeats),
        n_clusters: condition.rate.n_clusters,
        specific: SpecificObject::of(condition.specific.as_ref()),
        exact: condition.exact.map(|exact| ExactRateObject {
            bounds: exact.bounds.into(),
            coverage: exact.coverage,
            coverage_min: exact.coverage_min,
        }),
    }
}

fn comparison_object<'a>(
    report: &'a ComparisonReport,
    comparison: &'a ConditionComparison,
) -> ComparisonObject<'a> {
    let other_metrics = comparison.other_metrics.iter();
    let bounds = comparison.comparison.as_ref().and_then(|it| it.bounds);
    let changed: Vec<ChangedObject<'_>> = comparison.changed.iter().map(changed_object).collect();
    let (moved_pairs, flipped_prompts) = match bounds {
        Some(_) => (changed, Vec::new()),
        None => (Vec::new(), changed),
    };
    let conclusion = comparison.conclusion();
    let conclusions = comparison.other_metrics.iter();
    let mut conclusions = conclusions.map(MetricDifference::conclusion);
    let has_others = !comparison.other_metrics.is_empty();
    let shown = similarity_name(&report.metric, &report.embedding_model);
    ComparisonObject {
        conclusion: conclusion.map(Conclusion::words),
        is_same_conclusion: has_others.then(|| conclusions.all(|it| Some(it) == conclusion)),
        conclusions_in_words: conclusions_words(&shown, comparison),
        name: &comparison.name,
        base: &comparison.base,
        in_words: difference_words(&report.unit, comparison, report.n_comparisons(comparison)),
        difference: comparison.comparison.as_ref().map(difference_object),
        specific: SpecificObject::of_differences(comparison.specific.as_ref()),
        equivalence: equivalence_objects(comparison),
        by_category: category_objects(comparison),
        spread: comparison.spread.as_ref().map(spread_object),
        drift: comparison.drift.as_ref(),
        exact: bounds.map(|bounds| ExactObject {
            bounds: bounds.into(),
            moved_pairs,
        }),
        flips: flips_object(comparison.flips),
        flipped_prompts,
        other_metrics: other_metrics
            .map(|other| MetricObject {
                metric: &other.metric,
                embedding_model: &other.embedding_model,
                conclusion: other.conclusion().words(),
                difference: difference_object(&other.comparison),
                specific: SpecificObject::of_differences(other.specific.as_ref()),
            })
            .collect(),
    }
}

fn difference_object(found: &Comparison) -> DifferenceObject {
    DifferenceObject {
        base_rate: found.base_rate,
        other_rate: found.other_rate,
        points: found.difference,
        standard_error: found.standard_error,
        interval: found.interval.map(Into::into),
        naive_interval: found.naive_interval.map(Into::into),
        design_effect: found.design_effect,
        p_value: found.p_value.value,
        p_value_n_draws: found.p_value.n_draws,
        holm_p_value: found.holm_p_value,
        n_prompts: found.n_prompts,
        n_clusters: found.n_clusters,
        n_base_only: found.n_base_only,
        n_other_only: found.n_other_only,
    }
}

fn equivalence_objects(
    comparison: &ConditionComparison,
) -> BTreeMap<&'static str, EquivalenceObject> {
    let tested = comparison.main_differences().into_iter();
    let objects = tested.filter_map(|(measure, found)| {
        let test = found.equivalence?;
        let object = EquivalenceObject {
            margin: test.margin,
            interval: test.interval.into(),
            p_value: test.p_value,
            holm_p_value: test.holm_p_value,
            is_equivalent: test.is_within(),
        };
        Some((measure.name(), object))
    });
    objects.collect()
}

fn category_objects(
    comparison: &ConditionComparison,
) -> BTreeMap<&'static str, CategoriesObject<'_>> {
    let found = comparison.main_differences().into_iter();
    let objects = found.filter_map(|(measure, found)| {
        let by = found.by_category.as_ref()?;
        let differences = by.differences.iter();
        let differences = differences.map(|(category, found)| CategoryObject {
            category,
            points: found.difference,
            standard_error: found.standard_error,
            interval: found.interval.map(Into::into),
            n_prompts: found.n_prompts,
            n_clusters: found.n_clusters,
        });
        let object = CategoriesObject {
            differences: differences.collect(),
            statistic: by.test.map(|it| it.found.statistic),
            p_value: by.test.map(|it| it.found.p_value.value),
            p_value_n_draws: by.test.and_then(|it| it.found.p_value.n_draws),
            holm_p_value: by.test.map(|it| it.holm_p_value),
        };
        Some((measure.name(), object))
    });
    objects.collect()
}

fn spread_object(found: &SpreadDifference) -> SpreadObject {
    let [shift, entropy, distinct] = [found.similarity_shift, found.entropy, found.distinct];
    let interval = |found: Option<ClusterMean>| found.and_then(|it| it.interval).map(Into::into);
    SpreadObject {
        similarity_shift: shift.map(|it| it.mean),
        similarity_shift_interval: interval(shift),
        entropy_test: entropy.map(|it| it.mean),
        entropy_test_interval: interval(entropy),
        distinct_test: distinct.map(|it| it.mean),
        distinct_test_interval: interval(distinct),
    }
}

fn flips_object(flips: Flips) -> FlipsObject {
    FlipsObject {
        leak_to_no_leak: flips.n_to_no_leak,
        no_leak_to_leak: flips.n_to_leak,
        ties_changed: flips.n_ties_changed,
        unchanged: flips.n_unchanged,
    }
}

fn changed_object(changed: &ChangedText) -> ChangedObject<'_> {
    let pair = &changed.pair;
    ChangedObject {
        pair_idx: pair.pair_idx,
        concept: &pair.concept,
        category: &pair.category,
        test_prompt: &pair.test_prompt,
        control_prompt: &pair.control_prompt,
        change: changed.change,
        bounds: changed.bounds.map(|bounds| ChangeBounds {
            lower: bounds.lower,
            upper: bounds.upper,
        }),
        base: side_object(&changed.base),
        other: side_object(&changed.other),
    }
}

fn side_object(side: &ChangedSide) -> SideObject<'_> {
    match side {
        ChangedSide::Repeats(repeats) => {
            SideObject::Repeats(repeats.iter().map(repeat_object).collect())
        }
        ChangedSide::Exact {
            leak_probability,
            test_texts,
            control_texts,
        } => SideObject::Exact {
            leak_probability: *leak_probability,
            test_texts: listed(test_texts),
            control_texts: listed(control_texts),
        },
    }
}

fn repeat_object(repeat: &RepeatText) -> RepeatObject<'_> {
    RepeatObject {
        repeat_idx: repeat.repeat_idx,
        test_generation: &repeat.test_generation,
        control_generation: &repeat.control_generation,
        leak: repeat.leak.value(),
    }
}

fn trends(report: &ComparisonReport, measure: Measure) -> Vec<TrendObject<'_>> {
    let trends = report.trends.iter().filter(|it| it.measure == measure);
    trends.map(trend_object).collect()
}

fn trend_object(found: &ModelTrend) -> TrendObject<'_> {
    TrendObject {
        model: &found.model,
        measure: found.measure.name(),
        points_per_bit: found.trend.slope,
        interval: found.trend.interval.map(Into::into),
        p_value: found.trend.p_value.value,
        holm_p_value: found.trend.holm_p_value,
        lack_of_fit_p_value: found.trend.lack_of_fit_p_value,
        is_monotone: found.trend.is_monotone,
        contrasts: found.trend.contrasts.iter().map(contrast_object).collect(),
        bits_min: found.bits_min,
        bits_max: found.bits_max,
        n_levels: found.trend.n_levels,
        n_prompts: found.trend.n_prompts,
        n_clusters: found.trend.n_clusters,
    }
}

fn contrast_object(found: &LevelContrast) -> ContrastObject {
    ContrastObject {
        bits_from: found.bits_from,
        bits_to: found.bits_to,
        points: found.difference,
        interval: found.interval.map(Into::into),
        p_value: found.p_value.value,
        holm_p_value: found.holm_p_value,
    }
}

fn agreement_object(found: &MetricAgreement) -> AgreementObject<'_> {
    AgreementObject {
        condition: &found.condition,
        metric: &found.metric,
        embedding_model: &found.embedding_model,
        share: found.share,
        kappa: found.kappa,
        n: found.n,
    }
}
