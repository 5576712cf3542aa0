//! The results of a run, and of scoring what is stored.

use super::{DriftSummary, Texts};
use crate::generation::{EnumerationParams, SamplingParams, joined_label};
use crate::leakage::{Comparison, Concepts, Diagnostics, LeakRate};
use crate::stats::Agreement;

/// Everything a finished run shows.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The experiment's name.
    pub experiment: String,
    /// SHA-256 of the experiment's text.
    pub experiment_sha256: String,
    /// The name of the similarity: `sbert` is the cosine of sentence embeddings.
    pub metric: String,
    /// The similarity in words.
    pub similarity: String,
    /// The facts that the figures depend on besides the generations, in one line.
    pub signature: String,
    /// The embedding model's name.
    pub embedding_model: String,
    /// SHA-256 of the embedding model's file.
    pub embedding_model_sha256: String,
    /// Repeats of each prompt.
    pub n_repeats: u32,
    /// Repeats of each control prompt.
    pub n_control_repeats: u32,
    /// How far continuations were enumerated; None where there are repeats only.
    pub enumeration: Option<EnumerationParams>,
    /// Seed of the draws; None where generations were imported, whose seed is not known.
    pub seed: Option<u64>,
    /// Seeds under which the database has all of this, at least 1.
    pub n_seeds: usize,
    /// The concepts that intervals speak of.
    pub concepts: Concepts,
    /// One entry per condition (model file, sampling and wording), in the experiment's order.
    pub models: Vec<ModelSummary>,
    /// The mean over wordings of each model file and sampling that has several: its rates alone are of the mean.
    pub wording_means: Vec<ModelSummary>,
    /// How far quantizations lie from the first of the same model.
    pub drifts: Vec<DriftSummary>,
    /// The most striking leaks of all models.
    pub examples: Vec<Example>,
    /// Each quantization against the first of its model, where continuations were enumerated.
    pub differences: Vec<DifferenceFromBase>,
    /// The same by each other encoder; the figures above are those of the primary one.
    pub encoders: Vec<OtherEncoder>,
    /// The database file.
    pub database: String,
    /// The row of this run in the table `runs`; None where nothing was run.
    pub run_id: Option<i64>,
    /// Requests that failed.
    pub n_failed: usize,
    /// The models of which nothing can be said, with the reason.
    pub missing: Vec<MissingModel>,
}

/// A model that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingModel {
    /// Its name and quantization, with its sampling and wording where there are several.
    pub name: String,
    /// The reason.
    pub error: String,
}

/// The results by another encoder, of the same generations.
#[derive(Debug, Clone)]
pub struct OtherEncoder {
    /// The encoder's name.
    pub embedding_model: String,
    /// SHA-256 of its file.
    pub embedding_model_sha256: String,
    /// The facts that the figures depend on besides the generations, in one line.
    pub signature: String,
    /// The conditions of [`Summary::models`], in their order, with the rates by this encoder.
    pub models: Vec<ModelSummary>,
    /// How far it gives the verdicts of the primary one, in the same order; None where rates are exact.
    pub agreements: Vec<Option<Agreement>>,
}

/// The work and the results of one model file under one sampling in one wording.
#[derive(Debug, Clone)]
pub struct ModelSummary {
    /// The model's name.
    pub model: String,
    /// The label of its quantization.
    pub quantization: String,
    /// SHA-256 of the model file.
    pub sha256: String,
    /// Measured bits per weight; None where generations were imported.
    pub bits_per_weight: Option<f64>,
    /// How the weights are stored, the type of most of them first.
    pub composition: Vec<StoredShare>,
    /// The tensor type that the label promises, and the part of the weights stored so.
    pub label_share: Option<StoredShare>,
    /// The file's derivation from another one, where it was made here.
    pub derivation: Option<DerivationSummary>,
    /// The sampling values; None where generations were imported.
    pub sampling: Option<SamplingParams>,
    /// Those in which the conditions differ, such as `temperature=0.5`; empty where they do not.
    pub sampling_label: String,
    /// The wording; empty where the experiment has no other.
    pub wording_label: String,
    /// The wordings that it is the mean over; empty of a condition by itself.
    pub mean_over: Vec<String>,
    /// The preset that gave values which the experiment does not write out.
    pub preset: Option<&'static str>,
    /// The devices that computed, such as `CPU`; None where generations were not made here.
    pub device: Option<String>,
    /// The level the self-check found; none when nothing had to be generated.
    pub determinism: Option<String>,
    /// Generations made in this run, or prompts whose continuations were enumerated.
    pub n_generated: usize,
    /// The same, found in the database.
    pub n_reused: usize,
    /// Rows that gave logits in this run.
    pub n_decode_rows: u64,
    /// Seconds the generations of this run took, loading and self-check left out.
    pub seconds: f64,
    /// Leak rates: all categories together first, then each.
    pub leak_rates: Vec<LeakRate>,
    /// Other causes that each of the leak rates may have, in the same order; empty where rates are exact.
    pub diagnostics: Vec<Diagnostics>,
}

/// A part of a model's weights.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredShare {
    /// How they are stored, such as `Q4_K`.
    pub tensor_type: String,
    /// The part, 0 to 1.
    pub fraction: f64,
}

/// How a model file was made from another one.
#[derive(Debug, Clone, PartialEq)]
pub struct DerivationSummary {
    /// The label of what was made, without its parent.
    pub quantization: String,
    /// The label of the parent's quantization.
    pub parent_quantization: String,
    /// SHA-256 of the parent.
    pub parent_sha256: String,
    /// True if the parent was quantized already.
    pub is_requantized: bool,
    /// SHA-256 of the importance matrix, where one was used.
    pub imatrix_sha256: Option<String>,
    /// The program that made it.
    pub quantizer: String,
}

/// One leak, worth reading.
#[derive(Debug, Clone)]
pub struct Example {
    /// Model and quantization.
    pub model: String,
    /// The concept.
    pub concept: String,
    /// The probability of a leak, 0 to 1.
    pub leak_probability: f64,
    /// The prompt that holds the concept.
    pub test_prompt: String,
    /// The prompt without the concept.
    pub control_prompt: String,
    /// The texts with which the model continued both prompts.
    pub texts: Texts,
}

impl ModelSummary {
    /// The label of the parent, if the weights were rounded twice.
    pub fn requantized_from(&self) -> Option<&str> {
        let derivation = self.derivation.as_ref();
        derivation
            .filter(|derivation| derivation.is_requantized)
            .map(|derivation| derivation.parent_quantization.as_str())
    }

    /// True if it is the mean over wordings.
    pub(crate) fn is_mean(&self) -> bool {
        !self.mean_over.is_empty()
    }

    /// Model and quantization, with the sampling and the wording where there are several.
    pub(crate) fn name(&self) -> String {
        joined_label(
            format!("{} {}", self.model, self.quantization),
            [&self.sampling_label, &self.wording_label],
        )
    }
}

/// How much more leaks under one quantization than under the first of the same model.
#[derive(Debug, Clone)]
pub struct DifferenceFromBase {
    /// Model and quantization.
    pub model: String,
    /// The base of the difference.
    pub base: String,
    /// The difference.
    pub difference: Comparison,
}
