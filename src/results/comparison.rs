//! The results of a comparison: conditions against a base.

use super::{DriftSummary, LikelyText};
use crate::generation::EnumerationParams;
use crate::leakage::{Comparison, ConditionRate, Leak, LeakTrend, RepeatFlips};

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
    /// Seed of the generations.
    pub seed: u64,
    /// What prompts of one cluster share, in the singular, such as `control prompt`.
    pub unit: String,
    /// Seed of the random sign flips.
    pub flip_seed: u64,
    /// How far continuations were enumerated; None where repeats are compared.
    pub enumeration: Option<EnumerationParams>,
    /// The sentence that says that logits were computed in different ways, and how; None where they were not.
    pub numerics_note: Option<String>,
    /// The base, and then the others in the order of the command line.
    pub conditions: Vec<Condition>,
    /// Each of the others against the base, in the same order.
    pub comparisons: Vec<ConditionComparison>,
    /// The share of different verdicts among any two repeats of a prompt under the base, 0 to 1; None with one repeat.
    pub base_disagreement: Option<f64>,
    /// One trend for each model with at least three different bits per weight.
    pub trends: Vec<ModelTrend>,
    /// How far other metrics give the same verdicts, by condition.
    pub agreements: Vec<MetricAgreement>,
}

/// One model file.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Model and quantization, as on the command line: `name:quantization`.
    pub name: String,
    /// The model's name.
    pub model: String,
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
    /// The most repeats a prompt has; 0 where continuations were enumerated.
    pub n_repeats: usize,
    /// What is certain of the rate, where continuations were enumerated.
    pub exact: Option<ExactBounds>,
}

/// One condition against the base.
#[derive(Debug, Clone)]
pub struct ConditionComparison {
    /// The condition's name.
    pub name: String,
    /// The difference; None where no prompt is common.
    pub comparison: Option<Comparison>,
    /// How far the next-token distributions lie apart; None where they are not stored.
    pub drift: Option<DriftSummary>,
    /// What became of the base's verdicts, by repeat.
    pub flips: Vec<RepeatFlips>,
    /// Prompts that flipped most consistently.
    pub flipped_prompts: Vec<FlippedText>,
    /// What is certain of the difference and which pairs moved, where continuations were enumerated.
    pub exact: Option<ExactCompared>,
    /// The same difference by other metrics that the database has.
    pub other_metrics: Vec<MetricDifference>,
}

/// A difference by another metric.
#[derive(Debug, Clone)]
pub struct MetricDifference {
    /// The name of the metric.
    pub metric: String,
    /// The difference.
    pub comparison: Comparison,
}

/// A prompt that flipped, with what both conditions made of it.
#[derive(Debug, Clone)]
pub struct FlippedText {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The concept.
    pub concept: String,
    /// The category.
    pub category: String,
    /// The prompt that holds the concept.
    pub test_prompt: String,
    /// The prompt without the concept.
    pub control_prompt: String,
    /// Mean change of the verdict, -1 to 1.
    pub change: f64,
    /// The generations of the base, by repeat.
    pub base: Vec<RepeatText>,
    /// The generations of the other condition, by repeat.
    pub other: Vec<RepeatText>,
}

/// The generations of one repeat.
#[derive(Debug, Clone)]
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
    /// The model's name, with the sampling values where there are several.
    pub model: String,
    /// The fewest bits per weight.
    pub bits_min: f64,
    /// The most bits per weight.
    pub bits_max: f64,
    /// The trend.
    pub trend: LeakTrend,
}

/// How far two metrics give the same verdicts on the generations of one condition.
#[derive(Debug, Clone)]
pub struct MetricAgreement {
    /// The condition's name.
    pub condition: String,
    /// The other metric.
    pub metric: String,
    /// The share of equal verdicts, 0 to 1.
    pub share: f64,
    /// Cohen's kappa; None where both give one and the same verdict throughout.
    pub kappa: Option<f64>,
    /// Verdicts that were compared.
    pub n: usize,
}

/// What is certain of an exact rate, for these prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactBounds {
    /// What the Mean Leak-Rate certainly is at least, in percent.
    pub lower: f64,
    /// What it certainly is at most.
    pub upper: f64,
    /// Standard error that draws of tails leave, in points; 0 where nothing was drawn, None where it is unknown.
    pub draw_standard_error: Option<f64>,
    /// Mean probability of the enumerated continuations, 0 to 1.
    pub coverage: f64,
    /// The smallest of them.
    pub coverage_min: f64,
}

/// What is certain of a difference of exact rates, for these prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactCompared {
    /// What the difference certainly is at least, in points.
    pub lower: f64,
    /// What it certainly is at most.
    pub upper: f64,
    /// Standard error that draws of tails leave, in points; 0 where nothing was drawn, None where it is unknown.
    pub draw_standard_error: Option<f64>,
    /// The pairs whose leak probability changed most, at most one of each cluster.
    pub moved: Vec<MovedPair>,
}

/// A pair whose leak probability changed, with what both conditions make of it.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedPair {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The concept.
    pub concept: String,
    /// The category.
    pub category: String,
    /// The prompt that holds the concept.
    pub test_prompt: String,
    /// The prompt without the concept.
    pub control_prompt: String,
    /// What the change of the leak probability certainly is at least, -1 to 1.
    pub lower: f64,
    /// What it certainly is at most.
    pub upper: f64,
    /// Under the base.
    pub base: MovedSide,
    /// Under the other condition.
    pub other: MovedSide,
}

/// A pair under one condition.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedSide {
    /// Its leak probability, 0 to 1.
    pub leak_probability: f64,
    /// The most probable texts after the test prompt.
    pub test_texts: Vec<LikelyText>,
    /// The most probable texts after the control prompt.
    pub control_texts: Vec<LikelyText>,
}
