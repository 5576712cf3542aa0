//! Everything that is shown of an experiment, as it is stored and computed.

use super::{ConditionComparison, MetricAgreement, ModelTrend, PairPrompts, Texts};
use crate::generation::EnumerationParams;
use crate::leakage::{ConceptMatrix, Concepts, Diversity, LeakRate, PairEstimate};
use crate::stats::Drift;

/// An experiment with everything that is shown of it.
#[derive(Debug, Clone)]
pub struct ReportData {
    /// The experiment.
    pub experiment: ReportExperiment,
    /// The name of the similarity.
    pub metric: String,
    /// The embedding model.
    pub embedding_model: ReportModel,
    /// Seed of the generations; None where they were imported.
    pub seed: Option<u64>,
    /// Seeds under which the database has all of these conditions, at least 1.
    pub n_seeds: usize,
    /// How far continuations were enumerated; None where rates are those of repeats.
    pub enumeration: Option<EnumerationParams>,
    /// The sentence that says that logits were computed in different ways, and how; None where they were not.
    pub numerics_note: Option<String>,
    /// The kind of text that prompts of one cluster share, in the singular, such as `control prompt`.
    pub cluster_unit: String,
    /// The concepts that intervals speak of.
    pub concepts: Concepts,
    /// The conditions, in the order in which they were first run.
    pub conditions: Vec<ReportCondition>,
    /// The conditions that others are compared with, and these.
    pub comparisons: Vec<BaseComparisons>,
    /// How far other metrics and encoders give the same verdicts, by condition.
    pub agreements: Vec<MetricAgreement>,
    /// One trend for each model with at least three different bits per weight.
    pub trends: Vec<ModelTrend>,
    /// The prompt pairs, by their place in the experiment.
    pub pairs: Vec<PairPrompts>,
    /// The runs of the experiment, in the order of their start.
    pub runs: Vec<ReportRun>,
    /// The making of this report.
    pub making: Making,
}

/// The experiment.
#[derive(Debug, Clone)]
pub struct ReportExperiment {
    /// Its name.
    pub name: String,
    /// The question it asks, in prose.
    pub question: String,
    /// SHA-256 of its text.
    pub sha256: String,
    /// Its YAML file, word for word; None where no file asked for it.
    pub yaml: Option<String>,
    /// The YAML file it extends, word for word; None where it extends none.
    pub extended_yaml: Option<String>,
    /// The messages of the first test prompt, in each wording; none where there is no pair.
    pub messages: Vec<ReportMessages>,
}

/// The messages of a prompt.
#[derive(Debug, Clone)]
pub struct ReportMessages {
    /// The name of the wording; empty where it has none.
    pub wording: String,
    /// The system message; None where none is sent.
    pub system_message: Option<String>,
    /// The user message.
    pub user_message: String,
}

/// A model file.
#[derive(Debug, Clone)]
pub struct ReportModel {
    /// Its name.
    pub name: String,
    /// The label of its quantization.
    pub quantization: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// `general.architecture` of the file; this and what follows is None where there is no file.
    pub architecture: Option<String>,
    /// Number of weights.
    pub n_parameters: Option<u64>,
    /// Measured bits per weight.
    pub bits_per_weight: Option<f64>,
    /// Size in bytes.
    pub size_bytes: Option<u64>,
    /// The licence, as the manifest or the file names it; None where neither does.
    pub licence: Option<String>,
}

/// One model file under one choice of sampling values in one wording, or its mean over wordings.
#[derive(Debug, Clone)]
pub struct ReportCondition {
    /// How the condition is named everywhere in the report; unique.
    pub name: String,
    /// The model file.
    pub model: ReportModel,
    /// The sampling values in which conditions differ; empty where they do not.
    pub sampling_label: String,
    /// The wording; empty where the experiment has no other.
    pub wording_label: String,
    /// The wordings that it is the mean over, which has rates and no leaks; empty of a condition by itself.
    pub mean_over: Vec<String>,
    /// The marks that set the file apart from the others, such as `requantized`.
    pub marks: Vec<String>,
    /// The sampling values of its generations: name and value. Several values of one name were all in use.
    pub sampling: Vec<(String, String)>,
    /// Leak rates: all categories together first, then each.
    pub leak_rates: Vec<LeakRate>,
    /// The leak rate of the repeats in which neither generation holds the concept; None where all do, and where rates are exact.
    pub leak_rate_without_echoes: Option<LeakRate>,
    /// How different the repeats of test prompts are; None without verdicts.
    pub diversity: Option<Diversity>,
    /// The share of different verdicts among any two repeats of a prompt, 0 to 1; None with one repeat.
    pub disagreement: Option<f64>,
    /// How close the generations for each concept are to each concept; None where no template holds two.
    pub matrix: Option<ConceptMatrix>,
    /// The leaks that the rates are made of, by pair and repeat.
    pub leaks: Vec<ReportLeak>,
}

/// A pair, or one repeat of it.
#[derive(Debug, Clone)]
pub struct ReportLeak {
    /// How probably it leaks.
    pub estimate: PairEstimate,
    /// The texts with which its prompts were continued.
    pub texts: Texts,
    /// False where it is known to rest on words that the encoder does not know.
    pub is_legible: bool,
}

/// Conditions against one base.
#[derive(Debug, Clone)]
pub struct BaseComparisons {
    /// The base, in `conditions`.
    pub base_idx: usize,
    /// The conditions that are compared with the base.
    pub others: Vec<ReportComparison>,
}

/// A condition against its base.
#[derive(Debug, Clone)]
pub struct ReportComparison {
    /// The condition, in `conditions`.
    pub condition_idx: usize,
    /// The results of the comparison.
    pub found: ConditionComparison,
    /// How far the condition lies from the base in its next-token distributions; None where they are not stored.
    pub drift: Option<Drift>,
    /// The condition's matrix less that of the base; None where one has none.
    pub matrix: Option<ConceptMatrix>,
}

/// A run or an import: which program did what, on which machine.
#[derive(Debug, Clone)]
pub struct ReportRun {
    /// Its kind, with its row in the database, such as `Run 1`.
    pub title: String,
    /// The command line.
    pub command_line: String,
    /// Facts about it, in order: what, and its value.
    pub facts: Vec<(String, String)>,
    /// Its work with each model; none where generations were imported.
    pub models: Vec<ReportRunModel>,
}

/// The work of a run with one model.
#[derive(Debug, Clone)]
pub struct ReportRunModel {
    /// Model and quantization.
    pub name: String,
    /// Name and parameters of the schedule.
    pub schedule: String,
    /// The devices that computed, such as `CPU`.
    pub device: String,
    /// Which program made tokens of the prompts.
    pub tokenizer: String,
    /// How far generations were independent of their neighbours; None where nothing had to be generated.
    pub determinism: Option<String>,
    /// Generations made.
    pub n_generated: usize,
    /// Generations that were stored before.
    pub n_reused: usize,
    /// Requests that failed.
    pub n_failed: usize,
}

/// How the report was made.
#[derive(Debug, Clone)]
pub struct Making {
    /// The database that was read.
    pub database: String,
    /// The command line.
    pub command_line: String,
    /// Version and commit of the program.
    pub program: String,
    /// Random sign flips of a p-value are drawn with this seed.
    pub flip_seed: u64,
}

impl ReportCondition {
    /// True if it is the mean over wordings.
    pub(crate) fn is_mean(&self) -> bool {
        !self.mean_over.is_empty()
    }

    /// True if both conditions are of one model file, so that they differ in sampling values.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        let (a, b) = (&self.model, &other.model);
        (&a.name, &a.quantization, &a.sha256) == (&b.name, &b.quantization, &b.sha256)
    }
}
