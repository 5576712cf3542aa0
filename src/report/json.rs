//! The summary as one JSON document.
//!
//! Owns the names of its fields, which programs rely on. Every figure stands in `Summary` already.

use serde::Serialize;

use super::diagnostics::{DiagnosticsObject, diagnostics_object};
use super::objects::{BoundsObject, ConceptsObject, EnumerationObject, IntervalObject, listed};
use super::sampling_object::SamplingObject;
use super::specific_object::{PlaceboObject, SpecificObject};
use crate::leakage::{ExactRate, LeakRate};
use crate::results::{
    DerivationSummary, DifferenceFromBase, DriftSummary, Example, MissingModel, ModelSummary,
    OtherEncoder, StoredShare, Summary, Texts,
};
use crate::stats::{Agreement, Interval};

/// The document. Percentages are 0 to 100.
#[derive(Serialize)]
struct MissingObject<'a> {
    name: &'a str,
    error: &'a str,
}

fn missing_object(missing: &MissingModel) -> MissingObject<'_> {
    let MissingModel { name, error } = missing;
    MissingObject { name, error }
}

#[derive(Serialize)]
struct Document<'a> {
    experiment: &'a str,
    experiment_sha256: &'a str,
    run_id: Option<i64>,
    database: &'a str,
    n_repeats: u32,
    n_control_repeats: u32,
    seed: Option<u64>,
    /// Seeds under which the database has all of this.
    n_seeds: usize,
    metric: &'a str,
    signature: &'a str,
    embedding_model: &'a str,
    embedding_model_sha256: &'a str,
    n_failed: usize,
    /// Models that could not be used, with the reason.
    missing: Vec<MissingObject<'a>>,
    /// Null where there are repeats only.
    enumeration: Option<EnumerationObject>,
    concepts: ConceptsObject,
    leak_rates: Vec<RateObject<'a>>,
    exact_leak_rates: Vec<RateObject<'a>>,
    /// Means over wordings, of repeats or exact; empty with one wording.
    wording_means: Vec<RateObject<'a>>,
    exact_differences: Vec<DifferenceObject<'a>>,
    models: Vec<ModelObject<'a>>,
    drifts: &'a [DriftSummary],
    examples: Vec<ExampleObject<'a>>,
    exact_examples: Vec<ExampleObject<'a>>,
    encoders: Vec<EncoderObject<'a>>,
}

/// The sampling values and the wording in which conditions differ; absent where they do not.
#[derive(Serialize)]
struct DifferingObject<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    sampling: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    wording: &'a str,
    /// The wordings that a mean is over; absent of a condition by itself.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    mean_over: &'a [String],
}

impl<'a> DifferingObject<'a> {
    fn of(model: &'a ModelSummary) -> Self {
        Self {
            sampling: &model.sampling_label,
            wording: if model.is_mean() {
                ""
            } else {
                &model.wording_label
            },
            mean_over: &model.mean_over,
        }
    }
}

/// A rate, of repeats or exact.
#[derive(Serialize)]
struct RateObject<'a> {
    model: &'a str,
    quantization: &'a str,
    bits_per_weight: Option<f64>,
    /// The label of the parent, if the weights were rounded twice.
    requantized_from: Option<&'a str>,
    #[serde(flatten)]
    differing: DifferingObject<'a>,
    metric: &'a str,
    /// Absent of an exact rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
    /// Null for all categories together.
    category: Option<&'a str>,
    mean_leak_rate: f64,
    /// Absent where the rate is an estimate.
    #[serde(flatten)]
    bounds: Option<BoundsObject>,
    /// Null where there is one cluster only.
    interval: Option<RateInterval>,
    n_pairs: usize,
    /// Absent of an exact rate and of a mean over wordings.
    #[serde(flatten)]
    counts: Option<CountsObject>,
    n_clusters: usize,
    #[serde(flatten)]
    specific: SpecificObject,
    /// The comparison with other concepts of pairs without siblings, which has no exact null; null without such pairs.
    anchors: Option<PlaceboObject>,
    /// The comparison with neutral fillers; null without fillers.
    fillers: Option<PlaceboObject>,
    #[serde(flatten)]
    rest: RestObject,
}

/// With its level; of an exact rate its two ends alone.
#[derive(Serialize)]
#[serde(untagged)]
enum RateInterval {
    OfRepeats(IntervalObject),
    Exact([f64; 2]),
}

#[derive(Serialize)]
struct CountsObject {
    n_tied: usize,
    n_echoes: usize,
}

/// The other facts about a rate.
#[derive(Serialize)]
#[serde(untagged)]
enum RestObject {
    OfRepeats {
        diagnostics: Option<DiagnosticsObject>,
    },
    Exact {
        tie_rate: f64,
        echo_rate: f64,
        similarity_shift: f64,
        total_variation_lower: f64,
        total_variation_upper: f64,
        entropy_test: f64,
        entropy_control: f64,
        coverage: f64,
        coverage_min: f64,
    },
}

/// A difference of exact rates, in percentage points.
#[derive(Serialize)]
struct DifferenceObject<'a> {
    model: &'a str,
    base: &'a str,
    difference: f64,
    lower: Option<f64>,
    upper: Option<f64>,
    /// Null where there is one cluster only.
    interval: Option<[f64; 2]>,
    p_value: f64,
    n_pairs: usize,
    n_clusters: usize,
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
    /// The wording; absent where there is one only.
    #[serde(skip_serializing_if = "str::is_empty")]
    wording: &'a str,
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

/// An example; probabilities are 0 to 1.
#[derive(Serialize)]
#[serde(untagged)]
enum ExampleObject<'a> {
    OfRepeats {
        model: &'a str,
        concept: &'a str,
        test_prompt: &'a str,
        test_generation: &'a str,
        similarity_test: f64,
        control_prompt: &'a str,
        control_generation: &'a str,
        similarity_control: f64,
    },
    Exact {
        model: &'a str,
        concept: &'a str,
        leak_probability: f64,
        test_prompt: &'a str,
        test_texts: Vec<(&'a str, f64)>,
        control_prompt: &'a str,
        control_texts: Vec<(&'a str, f64)>,
    },
}

/// An encoder beside the primary one.
#[derive(Serialize)]
struct EncoderObject<'a> {
    embedding_model: &'a str,
    embedding_model_sha256: &'a str,
    signature: &'a str,
    leak_rates: Vec<RateObject<'a>>,
    exact_leak_rates: Vec<RateObject<'a>>,
    /// Empty where rates are exact.
    agreements: Vec<AgreementObject<'a>>,
}

/// How far its verdicts are those of the primary encoder.
#[derive(Serialize)]
struct AgreementObject<'a> {
    model: &'a str,
    quantization: &'a str,
    #[serde(flatten)]
    differing: DifferingObject<'a>,
    share: f64,
    kappa: Option<f64>,
    n: usize,
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
    let (metric, signature) = (&*summary.metric, &*summary.signature);
    let rates = |is_exact| rate_objects(metric, signature, &summary.models, is_exact);
    let means = [false, true].into_iter();
    let means = means
        .flat_map(|is_exact| rate_objects(metric, signature, &summary.wording_means, is_exact));
    let examples = |is_exact: bool| {
        let is_meant =
            |example: &&Example| matches!(example.texts, Texts::Likely { .. }) == is_exact;
        let examples = summary.examples.iter().filter(is_meant);
        examples.map(example_object).collect()
    };
    Document {
        experiment: &summary.experiment,
        experiment_sha256: &summary.experiment_sha256,
        run_id: summary.run_id,
        database: &summary.database,
        n_repeats: summary.n_repeats,
        n_control_repeats: summary.n_control_repeats,
        seed: summary.seed,
        n_seeds: summary.n_seeds,
        metric: &summary.metric,
        signature: &summary.signature,
        embedding_model: &summary.embedding_model,
        embedding_model_sha256: &summary.embedding_model_sha256,
        n_failed: summary.n_failed,
        missing: summary.missing.iter().map(missing_object).collect(),
        enumeration: summary.enumeration.map(Into::into),
        concepts: summary.concepts.into(),
        leak_rates: rates(false),
        exact_leak_rates: rates(true),
        wording_means: means.collect(),
        exact_differences: summary.differences.iter().map(difference_object).collect(),
        models: summary.models.iter().map(model_object).collect(),
        drifts: &summary.drifts,
        examples: examples(false),
        exact_examples: examples(true),
        encoders: encoder_objects(summary),
    }
}

/// The rates of conditions, either the exact ones or those of repeats.
fn rate_objects<'a>(
    metric: &'a str,
    signature: &'a str,
    models: &'a [ModelSummary],
    is_exact: bool,
) -> Vec<RateObject<'a>> {
    let rates = models.iter().flat_map(|model| {
        let rates = model.leak_rates.iter().enumerate();
        rates.map(move |(rate_idx, rate)| (model, rate_idx, rate))
    });
    let rates = rates.filter(|(.., rate)| rate.exact.is_some() == is_exact);
    rates
        .map(|(model, rate_idx, rate)| rate_object(metric, signature, model, rate, rate_idx))
        .collect()
}

fn rate_object<'a>(
    metric: &'a str,
    signature: &'a str,
    model: &'a ModelSummary,
    rate: &'a LeakRate,
    rate_idx: usize,
) -> RateObject<'a> {
    let of_repeats = rate.exact.is_none();
    let diagnostics = model.diagnostics.get(rate_idx);
    RateObject {
        differing: DifferingObject::of(model),
        model: &model.model,
        quantization: &model.quantization,
        bits_per_weight: model.bits_per_weight,
        requantized_from: model.requantized_from(),
        metric,
        signature: of_repeats.then_some(signature),
        category: rate.category.as_deref(),
        mean_leak_rate: rate.mean_leak_rate,
        bounds: rate.bounds().map(Into::into),
        specific: SpecificObject::of(rate.specific.as_ref()),
        anchors: rate.anchors.as_ref().map(PlaceboObject::of),
        fillers: rate.fillers.as_ref().map(PlaceboObject::of),
        interval: rate.interval.map(|interval| match rate.exact {
            None => RateInterval::OfRepeats(interval.into()),
            Some(_) => RateInterval::Exact(ends(interval)),
        }),
        n_pairs: rate.n_pairs,
        counts: (of_repeats && !model.is_mean()).then_some(CountsObject {
            n_tied: rate.n_tied as usize,
            n_echoes: rate.n_echoes as usize,
        }),
        n_clusters: rate.n_clusters,
        rest: match rate.exact {
            None => RestObject::OfRepeats {
                diagnostics: diagnostics.map(diagnostics_object),
            },
            Some(exact) => exact_object(rate, exact),
        },
    }
}

/// The other encoders of a summary.
fn encoder_objects(summary: &Summary) -> Vec<EncoderObject<'_>> {
    let encoders = summary.encoders.iter();
    encoders.map(|it| encoder_object(summary, it)).collect()
}

fn encoder_object<'a>(summary: &'a Summary, encoder: &'a OtherEncoder) -> EncoderObject<'a> {
    let (metric, signature) = (&summary.metric, &encoder.signature);
    let rates = |is_exact| rate_objects(metric, signature, &encoder.models, is_exact);
    EncoderObject {
        embedding_model: &encoder.embedding_model,
        embedding_model_sha256: &encoder.embedding_model_sha256,
        signature: &encoder.signature,
        leak_rates: rates(false),
        exact_leak_rates: rates(true),
        agreements: encoder
            .models
            .iter()
            .zip(&encoder.agreements)
            .filter_map(|(model, found)| found.map(|found| agreement_object(model, found)))
            .collect(),
    }
}

fn agreement_object(model: &ModelSummary, found: Agreement) -> AgreementObject<'_> {
    AgreementObject {
        model: &model.model,
        quantization: &model.quantization,
        differing: DifferingObject::of(model),
        share: found.share,
        kappa: found.kappa,
        n: found.n,
    }
}

fn exact_object(rate: &LeakRate, exact: ExactRate) -> RestObject {
    RestObject::Exact {
        tie_rate: rate.tie_rate(),
        echo_rate: rate.echo_rate(),
        similarity_shift: exact.similarity_shift,
        total_variation_lower: exact.total_variation_lower,
        total_variation_upper: exact.total_variation_upper,
        entropy_test: exact.entropy_test,
        entropy_control: exact.entropy_control,
        coverage: exact.coverage,
        coverage_min: exact.coverage_min,
    }
}

fn ends(interval: Interval) -> [f64; 2] {
    [interval.lower, interval.upper]
}

fn difference_object(found: &DifferenceFromBase) -> DifferenceObject<'_> {
    let difference = &found.difference;
    DifferenceObject {
        model: &found.model,
        base: &found.base,
        difference: difference.difference,
        lower: difference.bounds.map(|bounds| bounds.lower),
        upper: difference.bounds.map(|bounds| bounds.upper),
        interval: difference.interval.map(ends),
        p_value: difference.p_value.value,
        n_pairs: difference.n_prompts,
        n_clusters: difference.n_clusters,
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
        wording: &model.wording_label,
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
    let (model, concept) = (&example.model, &example.concept);
    let (test_prompt, control_prompt) = (&example.test_prompt, &example.control_prompt);
    match &example.texts {
        Texts::Generations { test, control } => ExampleObject::OfRepeats {
            model,
            concept,
            test_prompt,
            test_generation: &test.text,
            similarity_test: test.similarity,
            control_prompt,
            control_generation: &control.text,
            similarity_control: control.similarity,
        },
        Texts::Likely { test, control } => ExampleObject::Exact {
            model,
            concept,
            leak_probability: example.leak_probability,
            test_prompt,
            test_texts: listed(test),
            control_prompt,
            control_texts: listed(control),
        },
    }
}
