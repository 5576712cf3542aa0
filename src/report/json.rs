//! The summary as one JSON document.
//!
//! Owns the names of its fields, which programs rely on. Every figure stands in `Summary` already.

use serde::Serialize;

use super::sampling_object::SamplingObject;

use super::diagnostics::{DiagnosticsObject, diagnostics_object};
use super::exact::{self, DifferenceObject, ExactExampleObject, ExactRateObject};
use crate::leakage::LeakRate;
use crate::results::{
    DerivationSummary, DriftSummary, Example, ModelSummary, StoredShare, Summary,
};

/// The document. Percentages are 0 to 100.
#[derive(Serialize)]
struct Document<'a> {
    experiment: &'a str,
    experiment_sha256: &'a str,
    run_id: Option<i64>,
    database: &'a str,
    n_repeats: u32,
    seed: Option<u64>,
    metric: &'a str,
    signature: &'a str,
    embedding_model: &'a str,
    embedding_model_sha256: &'a str,
    n_failed: usize,
    /// Null where there are repeats only.
    enumeration: Option<EnumerationObject>,
    leak_rates: Vec<LeakRateObject<'a>>,
    exact_leak_rates: Vec<ExactRateObject<'a>>,
    exact_differences: Vec<DifferenceObject<'a>>,
    models: Vec<ModelObject<'a>>,
    drifts: &'a [DriftSummary],
    examples: Vec<ExampleObject<'a>>,
    exact_examples: Vec<ExactExampleObject<'a>>,
}

#[derive(Serialize)]
struct EnumerationObject {
    coverage: f64,
    max_rows_per_prompt: u32,
    n_tail_draws: u32,
}

#[derive(Serialize)]
struct LeakRateObject<'a> {
    model: &'a str,
    quantization: &'a str,
    bits_per_weight: Option<f64>,
    /// The label of the parent, if the weights were rounded twice.
    requantized_from: Option<&'a str>,
    /// The sampling values in which the conditions differ; absent where they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling: Option<&'a str>,
    metric: &'a str,
    signature: &'a str,
    /// Null for all categories together.
    category: Option<&'a str>,
    mean_leak_rate: f64,
    /// Null where there is one cluster only.
    interval: Option<IntervalObject>,
    n_pairs: usize,
    n_tied: usize,
    n_echoes: usize,
    n_clusters: usize,
    diagnostics: Option<DiagnosticsObject>,
}

#[derive(Serialize)]
struct IntervalObject {
    level: f64,
    lower: f64,
    upper: f64,
}

#[derive(Serialize)]
struct ModelObject<'a> {
    model: &'a str,
    quantization: &'a str,
    sha256: &'a str,
    bits_per_weight: Option<f64>,
    composition: Vec<ShareObject<'a>>,
    /// The type that the label promises; null where it names none.
    label_share: Option<ShareObject<'a>>,
    /// Null for a file that was not made here.
    derivation: Option<DerivationObject<'a>>,
    preset: Option<&'a str>,
    /// Every value, also those that a preset gave; null where generations were imported.
    sampling: Option<SamplingObject<'a>>,
    /// Null where generations were imported.
    device: Option<&'a str>,
    determinism: Option<&'a str>,
    n_generated: usize,
    n_reused: usize,
    n_decode_rows: u64,
    seconds: f64,
}

#[derive(Serialize)]
struct ShareObject<'a> {
    tensor_type: &'a str,
    fraction: f64,
}

#[derive(Serialize)]
struct DerivationObject<'a> {
    parent_quantization: &'a str,
    parent_sha256: &'a str,
    is_requantized: bool,
    imatrix_sha256: Option<&'a str>,
    quantizer: &'a str,
}

#[derive(Serialize)]
struct ExampleObject<'a> {
    model: &'a str,
    concept: &'a str,
    test_prompt: &'a str,
    test_generation: &'a str,
    similarity_test: f64,
    control_prompt: &'a str,
    control_generation: &'a str,
    similarity_control: f64,
}

/// The summary as one JSON document, ending with a newline.
pub fn json(summary: &Summary) -> String {
    pretty(&document(summary))
}

/// Several summaries as one JSON list, ending with a newline.
pub fn json_list(summaries: &[Summary]) -> String {
    pretty(&summaries.iter().map(document).collect::<Vec<_>>())
}

fn pretty(value: &impl Serialize) -> String {
    let text =
        serde_json::to_string_pretty(value).expect("plain strings and numbers always serialise");
    text + "\n"
}

fn document(summary: &Summary) -> Document<'_> {
    let rates = summary.models.iter().flat_map(|model| {
        let rates = model.leak_rates.iter().enumerate();
        rates.map(move |(rate_idx, rate)| leak_rate_object(summary, model, rate, rate_idx))
    });
    Document {
        experiment: &summary.experiment,
        experiment_sha256: &summary.experiment_sha256,
        run_id: summary.run_id,
        database: &summary.database,
        n_repeats: summary.n_repeats,
        seed: summary.seed,
        metric: &summary.metric,
        signature: &summary.signature,
        embedding_model: &summary.embedding_model,
        embedding_model_sha256: &summary.embedding_model_sha256,
        n_failed: summary.n_failed,
        enumeration: summary.enumeration.map(|params| EnumerationObject {
            coverage: params.coverage,
            max_rows_per_prompt: params.max_rows_per_prompt,
            n_tail_draws: params.n_tail_draws,
        }),
        leak_rates: rates.collect(),
        exact_leak_rates: exact::rate_objects(summary),
        exact_differences: summary
            .exact_differences
            .iter()
            .map(exact::difference_object)
            .collect(),
        models: summary.models.iter().map(model_object).collect(),
        drifts: &summary.drifts,
        examples: summary.examples.iter().map(example_object).collect(),
        exact_examples: summary
            .exact_examples
            .iter()
            .map(exact::example_object)
            .collect(),
    }
}

fn leak_rate_object<'a>(
    summary: &'a Summary,
    model: &'a ModelSummary,
    rate: &'a LeakRate,
    rate_idx: usize,
) -> LeakRateObject<'a> {
    LeakRateObject {
        sampling: model.differing_sampling(),
        model: &model.model,
        quantization: &model.quantization,
        bits_per_weight: model.bits_per_weight,
        requantized_from: model.requantized_from(),
        metric: &summary.metric,
        signature: &summary.signature,
        category: rate.category.as_deref(),
        mean_leak_rate: rate.mean_leak_rate,
        interval: rate.interval.map(|interval| IntervalObject {
            level: 0.95,
            lower: interval.lower,
            upper: interval.upper,
        }),
        n_pairs: rate.n_pairs,
        n_tied: rate.n_tied,
        n_echoes: rate.n_echoes,
        n_clusters: rate.n_clusters,
        diagnostics: model.diagnostics.get(rate_idx).map(diagnostics_object),
    }
}

fn model_object(model: &ModelSummary) -> ModelObject<'_> {
    ModelObject {
        model: &model.model,
        quantization: &model.quantization,
        sha256: &model.sha256,
        bits_per_weight: model.bits_per_weight,
        composition: model.composition.iter().map(share_object).collect(),
        label_share: model.label_share.as_ref().map(share_object),
        derivation: model.derivation.as_ref().map(derivation_object),
        preset: model.preset,
        sampling: model.sampling.as_ref().map(SamplingObject::of),
        device: model.device.as_deref(),
        determinism: model.determinism.as_deref(),
        n_generated: model.n_generated,
        n_reused: model.n_reused,
        n_decode_rows: model.n_decode_rows,
        seconds: model.seconds,
    }
}

fn share_object(share: &StoredShare) -> ShareObject<'_> {
    ShareObject {
        tensor_type: &share.tensor_type,
        fraction: share.fraction,
    }
}

fn derivation_object(derivation: &DerivationSummary) -> DerivationObject<'_> {
    DerivationObject {
        parent_quantization: &derivation.parent_quantization,
        parent_sha256: &derivation.parent_sha256,
        is_requantized: derivation.is_requantized,
        imatrix_sha256: derivation.imatrix_sha256.as_deref(),
        quantizer: &derivation.quantizer,
    }
}

fn example_object(example: &Example) -> ExampleObject<'_> {
    ExampleObject {
        model: &example.model,
        concept: &example.concept,
        test_prompt: &example.test_prompt,
        test_generation: &example.test_generation,
        similarity_test: example.similarity_test,
        control_prompt: &example.control_prompt,
        control_generation: &example.control_generation,
        similarity_control: example.similarity_control,
    }
}
