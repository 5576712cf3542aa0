//! Other causes that a leak rate may have, for people and for programs.
//!
//! Owns the table under the rates and the JSON fields beside each. Every figure stands in `Summary` already.

use serde::Serialize;

use super::columns::{NAMING, condition_table, naming};
use crate::leakage::{Diagnostics, Flaw};
use crate::results::ModelSummary;

/// The columns of the table besides those that name the condition; those marked hold text.
const COLUMNS: [(&str, bool); 4] = [
    ("pairs with", true),
    ("number", false),
    ("share", false),
    ("Mean Leak-Rate without", false),
];

/// The table with what it means; a sentence where there is nothing to beware of, nothing where nothing was compared.
pub(super) fn diagnostics_text(models: &[ModelSummary]) -> String {
    let overall = |model: &&ModelSummary| !model.diagnostics.is_empty();
    let models: Vec<&ModelSummary> = models.iter().filter(overall).collect();
    if models.is_empty() {
        return String::new();
    }
    let rows: Vec<_> = models.iter().flat_map(|model| rows(model)).collect();
    let table = condition_table(&[&NAMING[..], &COLUMNS].concat(), &rows);
    format!("\n{table}\n{LEGEND}\n")
}

const LEGEND: &str = "What else the rates may come from, all categories together: pairs of which a generation is flawed, and the rate of the others.\n\
     A prompt is restated where a generation begins with three words of it; generations are distinct where their texts differ.";

/// The rows of one condition: a flaw each, then the distinct generations.
fn rows(model: &ModelSummary) -> Vec<Vec<String>> {
    let overall = &model.diagnostics[0];
    let found = overall.flaws.iter().filter(|count| count.n_pairs > 0);
    let mut rows: Vec<[String; COLUMNS.len()]> = found
        .map(|count| {
            let rate = count.mean_leak_rate_without;
            [
                name(count.flaw).to_owned(),
                count.n_pairs.to_string(),
                format!("{:.1} %", overall.share(count)),
                rate.map_or("none left".to_owned(), |rate| format!("{rate:.1} %")),
            ]
        })
        .collect();
    if rows.is_empty() {
        rows.push(["none of the flaws", "0", "", ""].map(str::to_owned));
    }
    rows.push(distinct(overall));
    let named = rows.into_iter().enumerate().map(|(row_idx, row)| {
        let mut cells = naming(model, row_idx == 0);
        cells.extend(row);
        cells
    });
    named.collect()
}

fn distinct(overall: &Diagnostics) -> [String; COLUMNS.len()] {
    let (n_distinct, n_generations) = (overall.n_distinct_texts, overall.n_generations);
    [
        format!("(distinct of {n_generations} generations)"),
        n_distinct.to_string(),
        format!("{:.1} %", 100.0 * n_distinct as f64 / n_generations as f64),
        String::new(),
    ]
}

fn name(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Echo => "an echo of the concept",
        Flaw::InflectedEcho => "an echo, inflected or not",
        Flaw::Restated => "a restated prompt",
        Flaw::Equal => "test equal to control",
        Flaw::Empty => "an empty generation",
        Flaw::CutOff => "a generation cut off by max_tokens",
        Flaw::RepeatsEqual => "all repeats equal",
        Flaw::Unknown => "words unknown to the encoder",
        Flaw::TooLong => "more tokens than the encoder reads",
    }
}

/// The diagnostics beside one rate in JSON. Percentages are 0 to 100.
#[derive(Serialize)]
pub(super) struct DiagnosticsObject {
    n_generations: usize,
    n_distinct_texts: usize,
    flaws: Vec<FlawObject>,
}

#[derive(Serialize)]
struct FlawObject {
    flaw: &'static str,
    n_pairs: usize,
    share: f64,
    /// Null where all pairs have the flaw.
    mean_leak_rate_without: Option<f64>,
}

/// The diagnostics beside one rate.
pub(super) fn diagnostics_object(diagnostics: &Diagnostics) -> DiagnosticsObject {
    let flaws = diagnostics.flaws.iter().map(|count| FlawObject {
        flaw: count.flaw.as_str(),
        n_pairs: count.n_pairs,
        share: diagnostics.share(count),
        mean_leak_rate_without: count.mean_leak_rate_without,
    });
    DiagnosticsObject {
        n_generations: diagnostics.n_generations,
        n_distinct_texts: diagnostics.n_distinct_texts,
        flaws: flaws.collect(),
    }
}
