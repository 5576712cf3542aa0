//! Exact leak rates, for people and for programs.
//!
//! Owns their table, their examples and their JSON fields. Every figure stands in `Summary` already.

use std::fmt::Write as _;

use serde::Serialize;

use super::columns::{SAMPLING, bits_text, condition_table};
use crate::leakage::ExactLeakRate;
use crate::results::{DifferenceFromBase, ExactExample, LikelyText, ModelSummary, Summary};
use crate::visible::visible;

/// The columns of the rates; those marked hold text.
const COLUMNS: [(&str, bool); 12] = [
    ("model", true),
    ("quantization", true),
    ("bits/weight", false),
    (SAMPLING, true),
    ("category", true),
    ("Mean Leak-Rate", false),
    ("certainly", false),
    ("95 % interval", false),
    ("pairs", false),
    ("ties", false),
    ("echoes", false),
    ("covered", false),
];

/// A difference in one line.
pub(super) fn difference_line(found: &DifferenceFromBase) -> String {
    let DifferenceFromBase {
        model,
        base,
        difference,
    } = found;
    let comparison = &difference.comparison;
    let interval = comparison.interval.map_or("none".to_owned(), |interval| {
        format!("{:+.1} to {:+.1}", interval.lower, interval.upper)
    });
    format!(
        "{model} against {base}: {:+.2} points, certainly {:+.2} to {:+.2}; 95 % interval for the choice of prompts {interval}, p = {:.3}",
        comparison.difference, difference.lower, difference.upper, comparison.p_value.value
    )
}

/// The rates of all models, with what the columns mean.
pub(super) fn exact_table(models: &[ModelSummary]) -> String {
    let rows = models.iter().flat_map(|model| {
        let rates = model.exact_leak_rates.iter().enumerate();
        rates.map(move |(rate_idx, rate)| row(model, rate, rate_idx == 0))
    });
    let table = condition_table(&COLUMNS, &rows.collect::<Vec<_>>());
    format!("{table}\n{LEGEND}")
}

const LEGEND: &str = "50 % = no leakage. The rate of a pair is the probability that a test continuation is closer to the concept than a control\n\
     continuation; a tie counts one half. \"certainly\" holds whatever was not enumerated; ± is the standard error of draws of it.\n\
     The interval is for the choice of prompts alone and treats all pairs that share a control as one cluster.";

/// One row; what names the model stands in its first row only.
fn row(model: &ModelSummary, rate: &ExactLeakRate, is_first: bool) -> [String; COLUMNS.len()] {
    let once = |text: String| if is_first { text } else { String::new() };
    let interval = rate.interval.map_or("none".to_owned(), |interval| {
        format!("{:.1} to {:.1}", interval.lower, interval.upper)
    });
    let error = match rate.draw_standard_error {
        Some(error) if error > 0.0 => format!(" ± {error:.2}"),
        _ => String::new(),
    };
    [
        once(model.model.clone()),
        once(model.quantization.clone()),
        once(bits_text(model)),
        once(model.sampling_label.clone()),
        rate.category.clone().unwrap_or_else(|| "all".to_owned()),
        format!("{:.2}{error} %", rate.mean_leak_rate),
        format!("{:.2} to {:.2}", rate.lower, rate.upper),
        interval,
        rate.n_pairs.to_string(),
        format!("{:.1} %", rate.tie_rate),
        format!("{:.1} %", rate.echo_rate),
        format!("{:.2} %", 100.0 * rate.coverage),
    ]
}

/// The examples as a person reads them.
pub(super) fn example_text(example: &ExactExample) -> String {
    let mut text = format!(
        "  {} ({}): {:.1} %\n",
        example.concept,
        example.model,
        100.0 * example.leak_probability
    );
    let sides = [
        (&example.test_prompt, &example.test_texts),
        (&example.control_prompt, &example.control_texts),
    ];
    for (prompt, texts) in sides {
        let texts = texts.iter().map(|likely| {
            let percent = 100.0 * likely.probability;
            format!("{} ({percent:.0} %)", visible(&likely.text))
        });
        let texts: Vec<String> = texts.collect();
        writeln!(text, "    {} -> {}", visible(prompt), texts.join(", "))
            .expect("writing to a string cannot fail");
    }
    text.pop();
    text
}

/// A rate in JSON. Percentages are 0 to 100.
#[derive(Serialize)]
pub(super) struct ExactRateObject<'a> {
    model: &'a str,
    quantization: &'a str,
    bits_per_weight: Option<f64>,
    /// The label of the parent, if the weights were rounded twice.
    requantized_from: Option<&'a str>,
    /// The sampling values in which the conditions differ; absent where they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling: Option<&'a str>,
    metric: &'a str,
    /// Null for all categories together.
    category: Option<&'a str>,
    mean_leak_rate: f64,
    lower: f64,
    upper: f64,
    draw_standard_error: Option<f64>,
    /// Null where there is one cluster only.
    interval: Option<[f64; 2]>,
    n_pairs: usize,
    n_clusters: usize,
    tie_rate: f64,
    echo_rate: f64,
    similarity_shift: f64,
    total_variation_lower: f64,
    total_variation_upper: f64,
    entropy_test: f64,
    entropy_control: f64,
    coverage: f64,
    coverage_min: f64,
}

/// A difference in JSON, in percentage points.
#[derive(Serialize)]
pub(super) struct DifferenceObject<'a> {
    model: &'a str,
    base: &'a str,
    difference: f64,
    lower: f64,
    upper: f64,
    /// Null where there is one cluster only.
    interval: Option<[f64; 2]>,
    p_value: f64,
    n_pairs: usize,
    n_clusters: usize,
}

pub(super) fn difference_object(found: &DifferenceFromBase) -> DifferenceObject<'_> {
    let comparison = &found.difference.comparison;
    DifferenceObject {
        model: &found.model,
        base: &found.base,
        difference: comparison.difference,
        lower: found.difference.lower,
        upper: found.difference.upper,
        interval: comparison
            .interval
            .map(|interval| [interval.lower, interval.upper]),
        p_value: comparison.p_value.value,
        n_pairs: comparison.n_prompts,
        n_clusters: comparison.n_clusters,
    }
}

/// An example in JSON; probabilities are 0 to 1.
#[derive(Serialize)]
pub(super) struct ExactExampleObject<'a> {
    model: &'a str,
    concept: &'a str,
    leak_probability: f64,
    test_prompt: &'a str,
    test_texts: Vec<(&'a str, f64)>,
    control_prompt: &'a str,
    control_texts: Vec<(&'a str, f64)>,
}

pub(super) fn rate_objects(summary: &Summary) -> Vec<ExactRateObject<'_>> {
    let rates = summary.models.iter().flat_map(|model| {
        let rates = model.exact_leak_rates.iter();
        rates.map(move |rate| rate_object(summary, model, rate))
    });
    rates.collect()
}

fn rate_object<'a>(
    summary: &'a Summary,
    model: &'a ModelSummary,
    rate: &'a ExactLeakRate,
) -> ExactRateObject<'a> {
    ExactRateObject {
        model: &model.model,
        quantization: &model.quantization,
        bits_per_weight: model.bits_per_weight,
        requantized_from: model.requantized_from(),
        sampling: model.differing_sampling(),
        metric: &summary.metric,
        category: rate.category.as_deref(),
        mean_leak_rate: rate.mean_leak_rate,
        lower: rate.lower,
        upper: rate.upper,
        draw_standard_error: rate.draw_standard_error,
        interval: rate
            .interval
            .map(|interval| [interval.lower, interval.upper]),
        n_pairs: rate.n_pairs,
        n_clusters: rate.n_clusters,
        tie_rate: rate.tie_rate,
        echo_rate: rate.echo_rate,
        similarity_shift: rate.similarity_shift,
        total_variation_lower: rate.total_variation_lower,
        total_variation_upper: rate.total_variation_upper,
        entropy_test: rate.entropy_test,
        entropy_control: rate.entropy_control,
        coverage: rate.coverage,
        coverage_min: rate.coverage_min,
    }
}

/// Texts with their probabilities.
pub(super) fn listed(texts: &[LikelyText]) -> Vec<(&str, f64)> {
    let texts = texts.iter();
    texts
        .map(|likely| (likely.text.as_str(), likely.probability))
        .collect()
}

pub(super) fn example_object(example: &ExactExample) -> ExactExampleObject<'_> {
    ExactExampleObject {
        model: &example.model,
        concept: &example.concept,
        leak_probability: example.leak_probability,
        test_prompt: &example.test_prompt,
        test_texts: listed(&example.test_texts),
        control_prompt: &example.control_prompt,
        control_texts: listed(&example.control_texts),
    }
}
