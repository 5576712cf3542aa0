//! The results of a comparison: conditions against a base.

use super::{DriftSummary, LikelyText, PairPrompts};
use crate::generation::EnumerationParams;
use crate::leakage::{
    Claim, Comparison, Concepts, ConditionRate, ExactRate, Flips, Leak, LeakTrend, Measure,
    SpecificComparison, SpecificRate, SpreadDifference,
};
use crate::stats::Interval;

/// Conditions against a base.
#[derive(Debug, Clone)]
pub struct ComparisonReport {
    /// The experiment's name.
    pub experiment: String,
    /// SHA-256 of the experiment's text.
    pub experiment_sha256: String,
    /// The database file.
    pub database: String,
    /// The name of the similarity.
    pub metric: String,
    /// The encoder's name.
    pub embedding_model: String,
    /// Seed of the generations.
    pub seed: u64,
    /// The kind of text that prompts of one cluster share, in the singular, such as `control prompt`.
    pub unit: String,
    /// The concepts that intervals speak of.
    pub concepts: Concepts,
    /// Seed of the random sign flips.
    pub flip_seed: u64,
    /// How far continuations were enumerated; None where repeats are compared.
    pub enumeration: Option<EnumerationParams>,
    /// The sentence that says that logits were computed in different ways, and how; None where they were not.
    pub numerics_note: Option<String>,
    /// The base's name, without its wording where it is there in several.
    pub base: String,
    /// The base, and then the others in the order of the command line; of each all wordings, then their mean.
    pub conditions: Vec<Condition>,
    /// Each of the others against the base in the same wording, by wording, then their means over wordings; against the
    /// base where it has only one.
    pub comparisons: Vec<ConditionComparison>,
    /// The share of different verdicts among any two repeats of a prompt under the base, 0 to 1, of several wordings the
    /// mean; None with one repeat.
    pub base_disagreement: Option<f64>,
    /// One trend for each model with at least three different bits per weight.
    pub trends: Vec<ModelTrend>,
    /// How far other metrics and encoders give the same verdicts, by condition.
    pub agreements: Vec<MetricAgreement>,
}

impl ComparisonReport {
    /// The comparisons with the base of this one, which p-values are corrected for.
    pub(crate) fn n_comparisons(&self, found: &ConditionComparison) -> usize {
        let with_base = self.comparisons.iter().filter(|it| it.base == found.base);
        with_base.filter(|it| it.comparison.is_some()).count()
    }

    /// The wordings that means over wordings are over; None where there is no mean.
    pub(crate) fn mean_over(&self) -> Option<&[String]> {
        let means = self.conditions.iter().map(|it| &*it.mean_over);
        means.into_iter().find(|names| !names.is_empty())
    }
}

/// One model file, under one sampling in one wording, or the mean over several.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Model and quantization, as on the command line: `name:quantization`.
    pub name: String,
    /// The model's name.
    pub model: String,
    /// The wording's name; empty where it has none, and of a mean.
    pub wording: String,
    /// The wordings that it is the mean over; empty of a condition by itself.
    pub mean_over: Vec<String>,
    /// The label of its quantization.
    pub quantization: String,
    /// SHA-256 of the model file.
    pub sha256: String,
    /// Measured bits per weight; None where generations were imported.
    pub bits_per_weight: Option<f64>,
    /// The label of the parent, if the weights were rounded twice.
    pub requantized_from: Option<String>,
    /// Its Mean Leak-Rate over all of its prompts.
    pub rate: ConditionRate,
    /// The most repeats a test prompt has; 0 where continuations were enumerated.
    pub n_repeats: usize,
    /// The most that are compared of a control prompt.
    pub n_control_repeats: usize,
    /// The comparisons with other concepts; None where none are stored.
    pub specific: Option<SpecificRate>,
    /// The claim that the figures allow.
    pub claim: Claim,
    /// Further facts about the rate, where continuations were enumerated.
    pub exact: Option<ExactRate>,
}

/// One condition against the base.
#[derive(Debug, Clone)]
pub struct ConditionComparison {
    /// The condition's name.
    pub name: String,
    /// The name of what it is compared with.
    pub base: String,
    /// The difference of Mean Leak-Rates; None where no prompt is common.
    pub comparison: Option<Comparison>,
    /// The differences of the comparisons with other concepts; None where not both have any.
    pub specific: Option<SpecificComparison>,
    /// The change of similarity shift and entropy, so that a flatter distribution is not taken for less leakage; None
    /// where it was not computed.
    pub spread: Option<SpreadDifference>,
    /// How far the next-token distributions lie apart; None where they are not stored.
    pub drift: Option<DriftSummary>,
    /// The flips of the base's verdicts; none where continuations were enumerated.
    pub flips: Flips,
    /// The pairs that changed most, at most one of each cluster.
    pub changed: Vec<ChangedText>,
    /// The same difference by other metrics and encoders that the database has.
    pub other_metrics: Vec<MetricDifference>,
}

/// A difference by another metric or another encoder.
#[derive(Debug, Clone)]
pub struct MetricDifference {
    /// The name of the metric.
    pub metric: String,
    /// The encoder's name.
    pub embedding_model: String,
    /// The difference of Mean Leak-Rates.
    pub comparison: Comparison,
    /// The differences of the comparisons with other concepts; None where not both have any.
    pub specific: Option<SpecificComparison>,
}

/// A pair whose leak probability changed, with what both conditions made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedText {
    /// The pair.
    pub pair: PairPrompts,
    /// How much more probable a leak is under the other condition, -1 to 1.
    pub change: f64,
    /// The certain bounds of `change`; None where it is one of repeats.
    pub bounds: Option<Interval>,
    /// Under the base.
    pub base: ChangedSide,
    /// Under the other condition.
    pub other: ChangedSide,
}

/// A pair under one condition.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangedSide {
    /// Its repeats.
    Repeats(Vec<RepeatText>),
    /// Its enumerated continuations.
    Exact {
        /// Its leak probability, 0 to 1.
        leak_probability: f64,
        /// The most probable texts after the test prompt.
        test_texts: Vec<LikelyText>,
        /// The most probable texts after the control prompt.
        control_texts: Vec<LikelyText>,
    },
}

/// The generations of one repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct RepeatText {
    /// The repeat, from 0.
    pub repeat_idx: u32,
    /// The generation for the test prompt.
    pub test_generation: String,
    /// The generation for the control prompt.
    pub control_generation: String,
    /// The verdict.
    pub leak: Leak,
}

/// The trend of one model over its quantizations, under one choice of sampling values.
#[derive(Debug, Clone)]
pub struct ModelTrend {
    /// The model's name, with the sampling values and the wording where there are several.
    pub model: String,
    /// The fewest bits per weight.
    pub bits_min: f64,
    /// The most bits per weight.
    pub bits_max: f64,
    /// The figure that the trend is of.
    pub measure: Measure,
    /// The trend.
    pub trend: LeakTrend,
}

/// How far two metrics or encoders give the same verdicts on the generations of one condition.
#[derive(Debug, Clone)]
pub struct MetricAgreement {
    /// The condition's name.
    pub condition: String,
    /// The other metric.
    pub metric: String,
    /// Its encoder's name.
    pub embedding_model: String,
    /// The share of equal verdicts, 0 to 1.
    pub share: f64,
    /// Cohen's kappa; None where both give one and the same verdict throughout.
    pub kappa: Option<f64>,
    /// Verdicts that were compared.
    pub n: usize,
}
