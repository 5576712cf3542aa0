//! The table a run ends with, for a terminal.
//!
//! Owns words and layout. Every figure stands in `Summary` already.

use itertools::Itertools as _;

use super::columns::{
    NAMING, bits_text, certain_text, concepts_words, condition_table, naming, rate_text,
};
use super::diagnostics::diagnostics_text;
use super::drift::drift_line;
use super::encoders::encoder_table;
use super::seen::seen_words;
use super::specific::{self, claim_words, filler_words, specific_table};
use super::wordings::{Worded, mean_note, spread_words};
use crate::generation::{EnumerationParams, joined_label};
use crate::leakage::LeakRate;
use crate::results::{
    DifferenceFromBase, Example, LikelyText, MissingModel, ModelSummary, SimilarText, StoredShare,
    Summary, Texts,
};
use crate::visible::visible;

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
    let is_exact = summary.enumeration.is_some();
    let models = with_means(summary);
    write(leak_rate_table(&models, is_exact));
    write(if is_exact { EXACT_LEGEND } else { LEGEND }.to_owned());
    write(concepts_words(summary.concepts));
    let mean_over = summary.wording_means.first().map(|it| &*it.mean_over);
    mean_note(mean_over).into_iter().for_each(&mut write);
    write(answer(&models));
    spread_lines(summary).into_iter().for_each(&mut write);
    if let (Some(seed), false) = (summary.seed, is_exact) {
        write(seen_words(summary.n_seeds, seed, &summary.experiment));
    }
    let differences = summary.differences.iter().map(difference_line);
    differences.for_each(&mut write);
    if !is_exact {
        write(diagnostics_text(&summary.models));
    }
    write(format!("Signature: {}", summary.signature));
    encoder_table(summary).into_iter().for_each(&mut write);
    // A model is there once for each of its samplings and wordings.
    let notes = summary.models.iter().flat_map(notes).unique();
    notes.for_each(&mut write);
    if !summary.drifts.is_empty() {
        write("\nDrift:".to_owned());
        let lines = summary.drifts.iter().map(drift_line);
        lines.for_each(|line| write(format!("  {line}")));
    }
    let examples = summary.examples.iter().map(example_text);
    let examples: Vec<String> = examples.collect();
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
    for MissingModel { name, error } in &summary.missing {
        write(format!("{name} is missing: {error}"));
    }
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

/// The columns of the leak rates; those marked hold text.
fn rate_columns(is_exact: bool) -> Vec<(&'static str, bool)> {
    let mut columns = NAMING.to_vec();
    columns.insert(BITS, ("bits/weight", false));
    columns.extend([
        ("category", true),
        ("Mean Leak-Rate", false),
        ("95 % interval", false),
        ("pairs", false),
        (if is_exact { "ties" } else { "tied" }, false),
        ("echoes", false),
    ]);
    if is_exact {
        columns.insert(CERTAINLY, ("certainly", false));
        columns.push(("covered", false));
    }
    columns
}

/// The place of the column of bits per weight among those that name a condition.
const BITS: usize = 2;
/// The place of the column that only exact rates have.
const CERTAINLY: usize = 7;

/// The conditions, after the last of each file and sampling the mean over its wordings.
fn with_means(summary: &Summary) -> Vec<&ModelSummary> {
    let mut means = summary.wording_means.iter().peekable();
    let mut models = Vec::new();
    for model in &summary.models {
        models.push(model);
        models.extend(means.next_if(|mean| mean.mean_over.last() == Some(&model.wording_label)));
    }
    models
}

/// Says how far wordings and quantizations move a figure.
fn spread_lines(summary: &Summary) -> Vec<String> {
    let points = summary.models.iter().filter_map(|model| {
        Some(Worded {
            model: joined_label(&model.model, [&model.sampling_label, ""]),
            quantization: &model.quantization,
            wording: &model.wording_label,
            rate: model.leak_rates.first()?,
        })
    });
    spread_words(&points.collect::<Vec<_>>())
}

fn leak_rate_table(models: &[&ModelSummary], is_exact: bool) -> String {
    let rows = models.iter().flat_map(|model| {
        let rates = model.leak_rates.iter().enumerate();
        rates.map(move |(rate_idx, rate)| leak_rate_cells(model, rate, rate_idx == 0, is_exact))
    });
    condition_table(&rate_columns(is_exact), &rows.collect::<Vec<_>>())
}

/// The cells of a row; what names the condition stands in its first row only.
fn leak_rate_cells(
    model: &ModelSummary,
    rate: &LeakRate,
    is_first: bool,
    is_exact: bool,
) -> Vec<String> {
    let once = |text: String| if is_first { text } else { String::new() };
    let interval = rate.interval.map_or("none".to_owned(), |interval| {
        format!("{:.1} to {:.1}", interval.lower, interval.upper)
    });
    let mut cells = naming(model, is_first);
    cells.insert(BITS, once(bits_text(model)));
    cells.extend([
        rate.category.clone().unwrap_or_else(|| "all".to_owned()),
        format!("{} %", rate_text(rate.mean_leak_rate, rate.bounds())),
        interval,
        rate.n_pairs.to_string(),
    ]);
    let Some(exact) = rate.exact else {
        // Of a mean these are no counts.
        let counts = [rate.n_tied, rate.n_echoes].map(|n| match model.is_mean() {
            true => String::new(),
            false => n.to_string(),
        });
        cells.extend(counts);
        if is_exact {
            cells.insert(CERTAINLY, String::new());
            cells.push(String::new());
        }
        return cells;
    };
    cells.insert(CERTAINLY, certain_text(exact.bounds));
    cells.extend([rate.tie_rate(), rate.echo_rate()].map(|part| format!("{part:.1} %")));
    cells.push(format!("{:.2} %", 100.0 * exact.coverage));
    cells
}

/// Returns the comparisons with other concepts, and what each condition shows.
fn answer(models: &[&ModelSummary]) -> String {
    let table = specific_table(models).map(|table| format!("\n{table}\n{}\n", specific::LEGEND));
    let words = models.iter().filter_map(|model| {
        let rate = model.leak_rates.first()?;
        let fillers = rate.fillers.as_ref().map(filler_words);
        let words = claim_words(&model.name(), rate);
        Some([words].into_iter().chain(fillers).join(" "))
    });
    table.into_iter().chain(words).join("\n")
}

const LEGEND: &str = "A pair is one repeat of a test prompt with one of its control; a tie counts one half.\n\
     A rate above 50 % does not say that it matters which word stands in the slot, nor 50 % that it does not: see the next table.\n\
     An echo is a generation that holds the concept itself. The interval treats all pairs that share a control as one cluster.";

const EXACT_LEGEND: &str = "A rate above 50 % does not say that it matters which word stands in the slot, nor 50 % that it does not: see the next table.\n\
     The rate of a pair is the probability that a test continuation is closer to the concept than a control\n\
     continuation; a tie counts one half. \"certainly\" holds whatever was not enumerated; ± is the standard error of draws of it.\n\
     The interval is for the choice of prompts alone and treats all pairs that share a control as one cluster.";

/// A difference in one line.
fn difference_line(found: &DifferenceFromBase) -> String {
    let DifferenceFromBase {
        model,
        base,
        difference,
    } = found;
    let interval = difference.interval.map_or("none".to_owned(), |interval| {
        format!("{:+.1} to {:+.1}", interval.lower, interval.upper)
    });
    let certainly = difference.bounds.map_or(String::new(), |bounds| {
        format!(", certainly {:+.2} to {:+.2}", bounds.lower, bounds.upper)
    });
    format!(
        "{model} against {base}: {:+.2} points{certainly}; 95 % interval for the choice of prompts {interval}, p = {:.3}",
        difference.difference, difference.p_value.value
    )
}

/// Returns the notes to read before the figures of a model file.
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
    let (concept, model) = (&example.concept, &example.model);
    let prompts = [&example.test_prompt, &example.control_prompt];
    match &example.texts {
        Texts::Generations { test, control } => {
            let side = |prompt: &String, of: &SimilarText| {
                let (prompt, text) = (visible(prompt.trim()), visible(of.text.trim()));
                format!("    {:>6.3}  {prompt} -> {text}", of.similarity)
            };
            let [test, control] = [side(prompts[0], test), side(prompts[1], control)];
            format!("  {concept} ({model})\n{test}\n{control}")
        }
        Texts::Likely { test, control } => {
            let side = |prompt: &String, texts: &[LikelyText]| {
                format!("    {} -> {}", visible(prompt), likely_words(texts))
            };
            let [test, control] = [side(prompts[0], test), side(prompts[1], control)];
            let percent = 100.0 * example.leak_probability;
            format!("  {concept} ({model}): {percent:.1} %\n{test}\n{control}")
        }
    }
}

fn likely_words(texts: &[LikelyText]) -> String {
    let texts = texts.iter().map(|likely| {
        let percent = 100.0 * likely.probability;
        format!("{} ({percent:.0} %)", visible(&likely.text))
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// Says what is made of each prompt: repeats of test and control prompts, or an enumeration and how far it goes.
pub fn mode_text(n_repeats: [u32; 2], enumeration: Option<&EnumerationParams>) -> String {
    let [n_test, n_control] = n_repeats;
    let of_tests = match n_test {
        1 => "1 repeat".to_owned(),
        n => format!("{n} repeats"),
    };
    match enumeration {
        Some(params) => format!(
            "exact: coverage {} within {} rows a prompt, else {} draws of the tail",
            params.coverage, params.max_rows_per_prompt, params.n_tail_draws
        ),
        None if n_test == n_control => of_tests,
        None => format!("{of_tests}, {n_control} of controls"),
    }
}

fn heading(summary: &Summary) -> String {
    let source = mode_text(
        [summary.n_repeats, summary.n_control_repeats],
        summary.enumeration.as_ref(),
    );
    let seed = summary
        .seed
        .map_or("imported".to_owned(), |seed| format!("seed {seed}"));
    format!(
        "{}: {} ({}), {source}, {seed}",
        summary.experiment, summary.metric, summary.similarity
    )
}

fn model_text(model: &ModelSummary, unit: &str) -> String {
    let name = model.name();
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
