//! The table a run ends with, for a terminal.
//!
//! Owns words and layout. Every figure stands in `Summary` already.

use std::fmt::Write as _;

use itertools::Itertools as _;

use super::columns::{SAMPLING, bits_text, condition_table};
use super::diagnostics::diagnostics_text;
use super::drift::drift_line;
use super::exact::{self, exact_table};
use crate::generation::EnumerationParams;
use crate::leakage::LeakRate;
use crate::results::{Example, ModelSummary, StoredShare, Summary};
use crate::visible::visible;

/// The columns of the leak rates; those marked hold text.
const COLUMNS: [(&str, bool); 10] = [
    ("model", true),
    ("quantization", true),
    ("bits/weight", false),
    (SAMPLING, true),
    ("category", true),
    ("Mean Leak-Rate", false),
    ("95 % interval", false),
    ("pairs", false),
    ("tied", false),
    ("echoes", false),
];
/// Tensor types of a misleadingly labelled file that are listed.
const N_PARTS: usize = 4;

/// The summary as a person reads it.
pub fn table(summary: &Summary) -> String {
    let mut text = String::new();
    let mut write = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    write(heading(summary));
    if summary.enumeration.is_some() {
        write(exact_table(&summary.models));
        let differences = summary.exact_differences.iter();
        differences.for_each(|found| write(exact::difference_line(found)));
    } else {
        write(leak_rate_table(&summary.models));
        write(legend());
        write(diagnostics_text(&summary.models));
    }
    write(format!("Signature: {}", summary.signature));
    // A model is there once for each of its samplings.
    let notes = summary.models.iter().flat_map(notes).unique();
    notes.for_each(&mut write);
    if !summary.drifts.is_empty() {
        write("\nDrift:".to_owned());
        let lines = summary.drifts.iter().map(drift_line);
        lines.for_each(|line| write(format!("  {line}")));
    }
    let examples = summary.examples.iter().map(example_text);
    let exact_examples = summary.exact_examples.iter().map(exact::example_text);
    let examples: Vec<String> = examples.chain(exact_examples).collect();
    if !examples.is_empty() {
        write("\nMost striking leaks:".to_owned());
        examples.into_iter().for_each(&mut write);
    }
    write(String::new());
    let unit = match summary.enumeration {
        Some(_) => "enumerations",
        None => "generations",
    };
    summary
        .models
        .iter()
        .for_each(|model| write(model_text(model, unit)));
    if summary.n_failed > 0 {
        write(format!(
            "{} requests failed; their reasons are in the table `failures`.",
            summary.n_failed
        ));
    }
    let run = summary
        .run_id
        .map_or(String::new(), |run_id| format!(" (run {run_id})"));
    write(format!("Everything is in {}{run}.", summary.database));
    text
}

/// Several summaries as a person reads them, one below the other.
pub fn tables(summaries: &[Summary]) -> String {
    summaries.iter().map(table).collect::<Vec<_>>().join("\n")
}

fn leak_rate_table(models: &[ModelSummary]) -> String {
    let rows = models.iter().flat_map(|model| {
        let rates = model.leak_rates.iter().enumerate();
        rates.map(move |(rate_idx, rate)| leak_rate_cells(model, rate, rate_idx == 0))
    });
    condition_table(&COLUMNS, &rows.collect::<Vec<_>>())
}

/// The cells of a row; what names the condition stands in its first row only.
fn leak_rate_cells(
    model: &ModelSummary,
    rate: &LeakRate,
    is_first: bool,
) -> [String; COLUMNS.len()] {
    let once = |text: String| if is_first { text } else { String::new() };
    let interval = rate.interval.map_or("none".to_owned(), |interval| {
        format!("{:.1} to {:.1}", interval.lower, interval.upper)
    });
    [
        once(model.model.clone()),
        once(model.quantization.clone()),
        once(bits_text(model)),
        once(model.sampling_label.clone()),
        rate.category.clone().unwrap_or_else(|| "all".to_owned()),
        format!("{:.1} %", rate.mean_leak_rate),
        interval,
        rate.n_pairs.to_string(),
        rate.n_tied.to_string(),
        rate.n_echoes.to_string(),
    ]
}

fn legend() -> String {
    "50 % = no leakage. A pair is one repeat of a test prompt with the same repeat of its control; a tie counts one half.\n\
     An echo is a generation that holds the concept itself. The interval treats all pairs that share a control as one cluster."
        .to_owned()
}

/// What must be known of a model file before its figures are read.
fn notes(model: &ModelSummary) -> Vec<String> {
    let name = format!("{} {}", model.model, model.quantization);
    let mut notes = Vec::new();
    if let Some(derivation) = model.derivation.as_ref().filter(|it| it.is_requantized) {
        notes.push(format!(
            "{name} is requantized from {}: its weights were rounded twice, so it is no {} of the published weights.",
            derivation.parent_quantization, derivation.quantization
        ));
    }
    if let Some(share) = model
        .label_share
        .as_ref()
        .filter(|share| share.fraction < 0.5)
    {
        let parts = model.composition.iter().take(N_PARTS);
        let parts: Vec<String> = parts.map(share_text).collect();
        notes.push(format!(
            "{name} is misleadingly labelled: {} of its weights ({}).",
            share_text(share),
            parts.join(", ")
        ));
    }
    notes
}

fn share_text(share: &StoredShare) -> String {
    format!("{} {:.0} %", share.tensor_type, 100.0 * share.fraction)
}

fn example_text(example: &Example) -> String {
    let mut text = format!("  {} ({})\n", example.concept, example.model);
    let sides = [
        (
            &example.test_prompt,
            &example.test_generation,
            example.similarity_test,
        ),
        (
            &example.control_prompt,
            &example.control_generation,
            example.similarity_control,
        ),
    ];
    for (prompt, generation, similarity) in sides {
        writeln!(
            text,
            "    {similarity:>6.3}  {} -> {}",
            visible(prompt.trim()),
            visible(generation.trim())
        )
        .expect("writing to a string cannot fail");
    }
    text.pop();
    text
}

/// What is made of each prompt: repeats, or an enumeration and how far it goes.
pub fn mode_text(n_repeats: u32, enumeration: Option<&EnumerationParams>) -> String {
    match enumeration {
        Some(params) => format!(
            "exact: coverage {} within {} rows a prompt, else {} draws of the tail",
            params.coverage, params.max_rows_per_prompt, params.n_tail_draws
        ),
        None if n_repeats == 1 => "1 repeat".to_owned(),
        None => format!("{n_repeats} repeats"),
    }
}

fn heading(summary: &Summary) -> String {
    let source = mode_text(summary.n_repeats, summary.enumeration.as_ref());
    let seed = summary
        .seed
        .map_or("imported".to_owned(), |seed| format!("seed {seed}"));
    format!(
        "{}: {} ({}), {source}, {seed}",
        summary.experiment, summary.metric, summary.similarity
    )
}

fn model_text(model: &ModelSummary, unit: &str) -> String {
    let name = format!(
        "{} {} {}",
        model.model, model.quantization, model.sampling_label
    );
    let name = name.trim_end();
    if model.n_generated == 0 {
        return format!("{name}: all {} {unit} were stored already", model.n_reused);
    }
    let rate = model.n_generated as f64 / model.seconds.max(1e-9);
    let determinism = model.determinism.as_deref().unwrap_or("not measured");
    format!(
        "{name}: {} {unit} in {:.1} s ({rate:.1}/s), {} reused; independence of neighbours: {determinism}",
        model.n_generated, model.seconds, model.n_reused
    )
}
