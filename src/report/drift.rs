//! How far models lie from a base, as a table and as JSON.
//!
//! Owns words and layout; the figures stand in [`DriftSummary`] already.

use serde::Serialize;

use super::columns::plain_table;
use crate::results::{DriftSummary, ScoreSummary};

/// The summaries as a person reads them.
pub fn drift_table(summaries: &[&DriftSummary]) -> String {
    if summaries.is_empty() {
        return "no prompt was seen by two models as the same tokens\n".to_owned();
    }
    let columns = [
        "model",
        "quantization",
        "bits/weight",
        "KL (mean)",
        "KL (median)",
        "KL (max)",
        "same top token",
        "prompts",
        "log-probability",
        "under the base",
        "generations",
    ];
    let rows = summaries.iter().map(|summary| row(summary)).collect();
    let table = plain_table(&columns, rows, &|column_idx| column_idx >= 2);
    let k = summaries.iter().map(|summary| summary.k).max().unwrap_or(0);
    let rest = summaries.iter().map(|summary| summary.mean_rest);
    let rest = rest.fold(0.0, f64::max);
    format!(
        "Drift from {}\n{table}\n\
         KL: divergence of the next-token distribution after a prompt from the base's, nats; a lower bound, from the {k} most\n\
         probable tokens of each and {rest:.1e} of the base's probability outside of them on average.\n\
         log-probability: mean over the tokens of the base's generations, nats, under the model and under the base itself.\n",
        summaries[0].base
    )
}

fn row(summary: &DriftSummary) -> Vec<String> {
    let score =
        |text: fn(&ScoreSummary) -> String| summary.scores.as_ref().map_or("-".to_owned(), text);
    vec![
        summary.model.clone(),
        summary.quantization.clone(),
        summary
            .bits_per_weight
            .map_or("-".to_owned(), |bits| format!("{bits:.2}")),
        format!("{:.3}", summary.mean_kl),
        format!("{:.3}", summary.median_kl),
        format!("{:.3}", summary.max_kl),
        format!("{:.1} %", 100.0 * summary.same_top),
        summary.n_prompts.to_string(),
        score(|scores| format!("{:.3}", scores.other_logprob)),
        score(|scores| format!("{:.3}", scores.own_logprob)),
        score(|scores| scores.n_generations.to_string()),
    ]
}

/// One line for the table of a run.
pub(super) fn drift_line(summary: &DriftSummary) -> String {
    format!(
        "{} {} against {}: KL divergence of the next token {:.3} nats (median {:.3}); the same most probable one after {:.0} % of {} prompts",
        summary.model,
        summary.quantization,
        summary.base,
        summary.mean_kl,
        summary.median_kl,
        100.0 * summary.same_top,
        summary.n_prompts
    )
}

/// The summaries as one JSON document, ending with a newline.
pub fn drift_json(summaries: &[DriftSummary]) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        drifts: &'a [DriftSummary],
    }
    let text = serde_json::to_string_pretty(&Document { drifts: summaries })
        .expect("plain strings and numbers always serialise");
    text + "\n"
}
