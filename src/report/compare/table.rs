//! The comparison for a terminal.
//!
//! Owns layout and legends; what is said of a figure is in `words`.

use std::collections::HashMap;

use super::cells::{base, condition_cells, difference_cells, indented, range};
use super::exact;
use super::words::{difference_words, few_clusters_words, p_value_text, points, trend_words};
use crate::leakage::{Flips, Leak, RepeatFlips};
use crate::report::columns::plain_table;
use crate::report::drift::drift_table;
use crate::results::{
    ComparisonReport, Condition, ConditionComparison, DriftSummary, FlippedText, RepeatText,
};
use crate::stats::N_EXACT_MAX;
use crate::visible::visible;

/// The comparison as a person reads it.
pub fn comparison_table(report: &ComparisonReport) -> String {
    let (rates, differences) = if report.enumeration.is_some() {
        (exact::rate_table(report), exact::difference_table(report))
    } else {
        (rate_table(report), difference_table(report))
    };
    let mut parts = vec![
        [heading(report), rates]
            .into_iter()
            .chain(requantized_notes(report))
            .collect::<Vec<_>>()
            .join("\n"),
        format!("{differences}\n{}", difference_legend(report)),
        words(report),
    ];
    let drifts: Vec<&DriftSummary> = report.comparisons.iter().flat_map(|it| &it.drift).collect();
    if !drifts.is_empty() {
        parts.push(drift_table(&drifts).trim_end().to_owned());
    }
    if !report.trends.is_empty() {
        let trends: Vec<String> = report.trends.iter().map(trend_words).collect();
        parts.push(format!(
            "Trend of the Mean Leak-Rate:\n{}",
            indented(&trends)
        ));
    }
    parts.extend(texts(report));
    parts.join("\n\n") + "\n"
}

/// What became of single pairs.
fn texts(report: &ComparisonReport) -> Vec<String> {
    let comparisons = report.comparisons.iter();
    if report.enumeration.is_some() {
        return comparisons
            .filter_map(|comparison| exact::moved_texts(report, comparison))
            .collect();
    }
    let mut parts = vec![format!("{}\n{}", flip_table(report), flip_legend(report))];
    if !report.agreements.is_empty() {
        parts.push(metric_tables(report));
    }
    parts.extend(comparisons.filter_map(|comparison| flipped_texts(report, comparison)));
    parts
}

fn heading(report: &ComparisonReport) -> String {
    format!(
        "{} (sha256 {}): {}, seed {}, from {}",
        report.experiment,
        &report.experiment_sha256[..12.min(report.experiment_sha256.len())],
        report.metric,
        report.seed,
        report.database
    )
}

/// What must be known of conditions whose weights were rounded twice.
fn requantized_notes(report: &ComparisonReport) -> Vec<String> {
    let conditions = report.conditions.iter();
    conditions
        .filter_map(|condition| {
            let parent = condition.requantized_from.as_ref()?;
            let name = &condition.name;
            Some(format!(
                "{name} is requantized from {parent}: its weights were rounded twice."
            ))
        })
        .collect()
}

fn rate_table(report: &ComparisonReport) -> String {
    let columns = [
        "condition",
        "bits/weight",
        "Mean Leak-Rate",
        "95 % interval",
        "prompts",
        "repeats",
        "clusters",
    ];
    let row = |condition: &Condition| {
        let mut row = condition_cells(condition);
        row.push(condition.n_repeats.to_string());
        row.push(condition.rate.n_clusters.to_string());
        row
    };
    let rows = report.conditions.iter().map(row);
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0)
}

fn difference_table(report: &ComparisonReport) -> String {
    let against = format!("against {}", base(report));
    let columns = [
        against.as_str(),
        "points",
        "95 % interval",
        "p",
        "Holm p",
        "prompts",
        "clusters",
        "design effect",
        "naive interval",
    ];
    let rows = report.comparisons.iter().map(|comparison| {
        let mut row = vec![comparison.name.clone()];
        row.extend(match &comparison.comparison {
            Some(found) => difference_cells(found),
            None => vec!["none".to_owned(); columns.len() - 1],
        });
        row
    });
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0)
}

fn difference_legend(report: &ComparisonReport) -> String {
    let found = || {
        report
            .comparisons
            .iter()
            .filter_map(|c| c.comparison.as_ref())
    };
    let n_draws = found().find_map(|found| found.p_value.n_draws);
    let flips = n_draws.map_or("all sign flips of clusters".to_owned(), |n| {
        format!(
            "{n} random sign flips of clusters (all, where at most {N_EXACT_MAX} clusters differ)"
        )
    });
    let pairing = match report.enumeration {
        Some(_) => "Prompts are paired",
        None => "Repeats are averaged first, then prompts are paired",
    };
    let mut text = format!(
        "{pairing}; prompts that share a {} are one cluster.\n\
         p: by {flips}.\n\
         The naive interval takes all prompts for independent; the design effect is how much larger the variance is than that.",
        report.unit
    );
    let n_clusters = found().map(|found| found.n_clusters).min();
    if let Some(few) = n_clusters.and_then(|n| few_clusters_words(n, &report.unit)) {
        text = text + "\n" + &few;
    }
    match report.enumeration {
        Some(params) => exact::legend(params, &text),
        None => text,
    }
}

fn words(report: &ComparisonReport) -> String {
    let n_comparisons = report
        .comparisons
        .iter()
        .flat_map(|c| &c.comparison)
        .count();
    let sentences = report.comparisons.iter().map(|comparison| {
        difference_words(
            base(report),
            &comparison.name,
            &report.unit,
            comparison.comparison.as_ref(),
            n_comparisons,
        )
    });
    let sentences = sentences.chain(exact::certain(report));
    sentences.collect::<Vec<_>>().join("\n")
}

fn flip_table(report: &ComparisonReport) -> String {
    let against = format!("against {}", base(report));
    let columns = [
        against.as_str(),
        "repeat",
        "leak -> no leak",
        "no leak -> leak",
        "tie changes",
        "unchanged",
        "of",
    ];
    let rows = report.comparisons.iter().flat_map(flip_rows);
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0)
}

/// All repeats together and then, where there are several, each.
fn flip_rows(comparison: &ConditionComparison) -> Vec<Vec<String>> {
    let cells = |name: &str, repeat: String, flips: Flips| {
        vec![
            name.to_owned(),
            repeat,
            flips.n_to_no_leak.to_string(),
            flips.n_to_leak.to_string(),
            flips.n_ties_changed.to_string(),
            flips.n_unchanged.to_string(),
            flips.n().to_string(),
        ]
    };
    let total = Flips::total(&comparison.flips);
    let mut rows = vec![cells(&comparison.name, "all".to_owned(), total)];
    if comparison.flips.len() > 1 {
        let repeat =
            |repeat: &RepeatFlips| cells("", (repeat.repeat_idx + 1).to_string(), repeat.flips);
        rows.extend(comparison.flips.iter().map(repeat));
    }
    rows
}

fn flip_legend(report: &ComparisonReport) -> String {
    let legend = "Each repeat of a prompt pair is compared with the same repeat under the base.";
    match report.base_disagreement {
        Some(share) => format!(
            "{legend}\nTwo repeats under {} itself differ in {:.1} % of cases, by sampling alone.",
            base(report),
            100.0 * share
        ),
        None => legend.to_owned(),
    }
}

fn metric_tables(report: &ComparisonReport) -> String {
    let columns = ["condition", "metric", "same verdict", "kappa", "of"];
    let rows = report.agreements.iter().map(|agreement| {
        let kappa = agreement.kappa;
        vec![
            agreement.condition.clone(),
            agreement.metric.clone(),
            format!("{:.1} %", 100.0 * agreement.share),
            kappa.map_or("none".to_owned(), |kappa| format!("{kappa:.2}")),
            agreement.n.to_string(),
        ]
    });
    let agreements = plain_table(&columns, rows.collect(), &|column_idx| column_idx > 1);
    let differences = report.comparisons.iter().flat_map(|comparison| {
        comparison.other_metrics.iter().map(|other| {
            let found = &other.comparison;
            let (name, metric) = (&comparison.name, &other.metric);
            format!(
                "{name} by {metric}: {} points (95 % interval {}, p {})",
                points(found.difference),
                range(found.interval),
                p_value_text(found.p_value.value)
            )
        })
    });
    let differences: Vec<String> = differences.collect();
    format!(
        "Agreement of {} with other metrics:\n{agreements}\n{}",
        report.metric,
        differences.join("\n")
    )
}

fn flipped_texts(report: &ComparisonReport, comparison: &ConditionComparison) -> Option<String> {
    if comparison.flipped_prompts.is_empty() {
        return None;
    }
    let texts = comparison
        .flipped_prompts
        .iter()
        .map(|prompt| flipped_text(base(report), &comparison.name, prompt));
    Some(format!(
        "Most consistent flips from {} to {}, one for each {}:\n\n{}",
        base(report),
        comparison.name,
        report.unit,
        texts.collect::<Vec<_>>().join("\n\n")
    ))
}

/// A prompt with what both conditions made of it, side by side.
fn flipped_text(base: &str, other: &str, prompt: &FlippedText) -> String {
    let columns = ["", base, other];
    let texts = |of: fn(&RepeatText) -> &str| {
        [&prompt.base, &prompt.other].map(|repeats| collapsed(repeats.iter().map(of)))
    };
    let test = texts(|repeat| &repeat.test_generation);
    let control = texts(|repeat| &repeat.control_generation);
    let row = |name: &str, [base, other]: [String; 2]| vec![name.to_owned(), base, other];
    let rows = vec![
        row(
            "verdicts",
            [&prompt.base, &prompt.other].map(|repeats| verdict_counts(repeats)),
        ),
        row(&format!("with {}", visible(&prompt.concept)), test),
        row("without", control),
    ];
    let table = plain_table(&columns, rows, &|_| false);
    let table: Vec<String> = table.lines().map(str::to_owned).collect();
    format!(
        "  {} ({}): {}\n{}",
        visible(&prompt.concept),
        visible(&prompt.category),
        visible(prompt.test_prompt.trim()),
        indented(&table)
    )
}

fn verdict_counts(repeats: &[RepeatText]) -> String {
    let kinds = [
        (Leak::Leak, "leak"),
        (Leak::Tie, "tie"),
        (Leak::NoLeak, "no leak"),
    ];
    let counts = kinds.into_iter().filter_map(|(leak, word)| {
        let n = repeats.iter().filter(|repeat| repeat.leak == leak).count();
        (n > 0).then(|| format!("{n}x {word}"))
    });
    counts.collect::<Vec<_>>().join(", ")
}

/// Texts on a line each; those that are equal once, with their number, in the order of their first appearance.
fn collapsed<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut lines: Vec<(String, usize)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for text in texts.map(|text| visible(text.trim())) {
        let place = *places.entry(text.clone()).or_insert(lines.len());
        if place == lines.len() {
            lines.push((text, 0));
        }
        lines[place].1 += 1;
    }
    let lines = lines.into_iter().map(|(text, n)| match n {
        1 => text,
        n => format!("{text} ({n}x)"),
    });
    lines.collect::<Vec<_>>().join("\n")
}
