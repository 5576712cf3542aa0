//! The comparison for a terminal.
//!
//! Owns layout and legends; what is said of a figure is in `words`.

use std::collections::HashMap;

use super::categories::category_table;
use super::cells::{condition_cells, difference_cells, indented};
use super::conclusions::{conclusions_words, other_difference_words, similarity_name};
use super::words::{
    certain_words, difference_words, few_clusters_words, spread_words, trend_words,
};
use crate::generation::EnumerationParams;
use crate::leakage::{Leak, SpecificComparison};
use crate::report::columns::{
    concepts_words, kappa_text, p_value_text, plain_table, points, range,
};
use crate::report::drift::drift_table;
use crate::report::specific::{self, SPECIFIC_COLUMNS, specific_cells};
use crate::report::wordings::mean_note;
use crate::results::{
    ChangedSide, ChangedText, ComparisonReport, ConditionComparison, DriftSummary, LikelyText,
    RepeatText,
};
use crate::stats::N_EXACT_MAX;
use crate::visible::visible;

/// The comparison as a person reads it.
pub fn comparison_table(report: &ComparisonReport) -> String {
    let mut parts = vec![
        [heading(report), rate_table(report)]
            .into_iter()
            .chain(mean_note(report.mean_over()))
            .chain(requantized_notes(report))
            .collect::<Vec<_>>()
            .join("\n"),
        format!(
            "{}\n{}",
            difference_table(report),
            difference_legend(report)
        ),
    ];
    parts.extend(specific_tables(report));
    parts.extend(equivalence_table(report));
    parts.extend(category_table(report));
    parts.push(words(report));
    parts.extend(spread_lines(report));
    let drifts: Vec<&DriftSummary> = report.comparisons.iter().flat_map(|it| &it.drift).collect();
    if !drifts.is_empty() {
        parts.push(drift_table(&drifts).trim_end().to_owned());
    }
    if report
        .comparisons
        .iter()
        .any(|it| !it.other_metrics.is_empty())
    {
        parts.push(similarity_tables(report));
    }
    if !report.trends.is_empty() {
        let trends: Vec<String> = report.trends.iter().map(trend_words).collect();
        parts.push(format!("Trends:\n{}", indented(&trends)));
    }
    parts.extend(texts(report));
    parts.join("\n\n") + "\n"
}

fn spread_lines(report: &ComparisonReport) -> Option<String> {
    let spreads = report.comparisons.iter();
    let lines = spreads.filter_map(|it| Some(spread_words(&it.name, it.spread.as_ref()?)));
    let lines = lines.collect::<Vec<_>>();
    let intro = "So that a flatter distribution is not taken for less leakage (95 % intervals):";
    (!lines.is_empty()).then(|| format!("{intro}\n{}", indented(&lines)))
}

/// Returns the tables and texts about single pairs.
fn texts(report: &ComparisonReport) -> Vec<String> {
    let comparisons = report.comparisons.iter();
    let changed = comparisons.filter_map(|comparison| changed_texts(report, comparison));
    if report.enumeration.is_some() {
        return changed.collect();
    }
    let mut parts = vec![format!("{}\n{}", flip_table(report), flip_legend(report))];
    parts.extend(changed);
    parts
}

fn heading(report: &ComparisonReport) -> String {
    format!(
        "{} (sha256 {}): {}, seed {}, from {}",
        report.experiment,
        &report.experiment_sha256[..12.min(report.experiment_sha256.len())],
        shown_similarity(report),
        report.seed,
        report.database
    )
}

/// Returns a note for each condition whose weights were rounded twice.
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
    let is_exact = report.enumeration.is_some();
    let mut columns = vec![
        "condition",
        "bits/weight",
        "Mean Leak-Rate",
        "95 % interval",
        "prompts",
    ];
    if is_exact {
        columns.insert(3, "certainly");
        columns.extend(["clusters", "covered"]);
    } else {
        columns.extend(["repeats", "clusters"]);
    }
    let rows = report.conditions.iter();
    let rows = rows.map(|condition| condition_cells(condition, is_exact));
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0)
}

fn difference_table(report: &ComparisonReport) -> String {
    let against = format!("against {}", report.base);
    let mut columns = vec![
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
    if report.enumeration.is_some() {
        columns.insert(2, "certainly");
    }
    let rows = report.comparisons.iter().map(|comparison| {
        let mut row = vec![comparison.name.clone()];
        row.extend(match &comparison.comparison {
            Some(found) => difference_cells(found, report.enumeration.is_some()),
            None => vec!["none".to_owned(); columns.len() - 1],
        });
        row
    });
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0)
}

/// The comparisons with other concepts, of each condition and of each two; None where none are stored.
fn specific_tables(report: &ComparisonReport) -> Option<String> {
    let conditions = report.conditions.iter().filter_map(|condition| {
        let mut row = vec![condition.name.clone()];
        row.extend(specific_cells(condition.specific.as_ref()?));
        Some(row)
    });
    let conditions: Vec<Vec<String>> = conditions.collect();
    if conditions.is_empty() {
        return None;
    }
    let columns: Vec<&str> = ["condition"].into_iter().chain(SPECIFIC_COLUMNS).collect();
    let is_number = |column_idx: usize| column_idx > 0;
    let rates = plain_table(&columns, conditions, &is_number);
    let against = format!("against {}", report.base);
    let columns = [
        against.as_str(),
        "figure",
        "points",
        "95 % interval",
        "p",
        "Holm p",
        "prompts",
    ];
    let rows = report.comparisons.iter().flat_map(specific_rows).collect();
    let differences = plain_table(&columns, rows, &|column_idx| column_idx > 1);
    Some(format!("{rates}\n{}\n\n{differences}", specific::LEGEND))
}

/// A row for each figure; what names the condition stands in the first.
fn specific_rows(comparison: &ConditionComparison) -> Vec<Vec<String>> {
    let found = comparison.specific.iter().flat_map(SpecificComparison::all);
    let rows = found.enumerate().map(|(row_idx, (measure, found))| {
        vec![
            if row_idx == 0 {
                comparison.name.clone()
            } else {
                String::new()
            },
            measure.title().to_owned(),
            points(found.difference),
            range(found.interval),
            p_value_text(found.p_value.value),
            p_value_text(found.holm_p_value),
            found.n_prompts.to_string(),
        ]
    });
    rows.collect()
}

/// The tests that differences are within the margin; None without a margin.
fn equivalence_table(report: &ComparisonReport) -> Option<String> {
    let rows = report.comparisons.iter().flat_map(|comparison| {
        let tested = comparison.main_differences().into_iter();
        let tested = tested.filter_map(|(measure, it)| Some((measure, it, it.equivalence?)));
        tested.enumerate().map(|(row_idx, (measure, found, test))| {
            vec![
                if row_idx == 0 { &comparison.name } else { "" }.to_owned(),
                measure.title().to_owned(),
                points(found.difference),
                range(Some(test.interval)),
                p_value_text(test.p_value),
                p_value_text(test.holm_p_value),
                if test.is_within() {
                    "yes"
                } else {
                    "cannot tell"
                }
                .to_owned(),
                test.margin.to_string(),
            ]
        })
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    let margin = rows.first()?.last()?.clone();
    rows.iter_mut().for_each(|row| row.truncate(7));
    let against = format!("against {}", report.base);
    let within = format!("within {margin} points");
    let columns = [
        against.as_str(),
        "figure",
        "points",
        "90 % interval",
        "p",
        "Holm p",
        within.as_str(),
    ];
    let table = plain_table(&columns, rows, &|column_idx| column_idx > 1);
    Some(format!(
        "{table}\nEquivalence: two one-sided tests at 5 %; the 90 % interval then lies within the margin."
    ))
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
    let p_value = match report.concepts.are_random {
        true => "Student's t, as in the interval".to_owned(),
        false => flips,
    };
    let pairing = match report.enumeration {
        Some(_) => "Prompts are paired",
        None => "Repeats are averaged first, then prompts are paired",
    };
    let mut text = format!(
        "{pairing}; prompts that share a {} are one cluster.\n\
         {}\n\
         p: by {p_value}.\n\
         The naive interval takes all prompts for independent; the design effect is how much larger the variance is than that.",
        report.unit,
        concepts_words(report.concepts)
    );
    let n_clusters = found().map(|found| found.n_clusters).min();
    if let Some(few) = n_clusters.and_then(|n| few_clusters_words(n, &report.unit)) {
        text = text + "\n" + &few;
    }
    match report.enumeration {
        Some(params) => exact_legend(params, &text),
        None => text,
    }
}

/// Explains the columns; `first` is the text that all comparisons have.
fn exact_legend(params: EnumerationParams, first: &str) -> String {
    format!(
        "Exact leak rates: continuations enumerated up to {} % of the probability, within {} rows a prompt.\n\
         \"certainly\" holds for these prompts, whatever was not enumerated; ± is the standard error of draws of it.\n\
         The interval and p are for the choice of prompts alone: no draw of continuations is involved.\n{first}",
        100.0 * params.coverage,
        params.max_rows_per_prompt
    )
}

fn words(report: &ComparisonReport) -> String {
    let sentences = report.comparisons.iter().map(|comparison| {
        let n_comparisons = report.n_comparisons(comparison);
        difference_words(&report.unit, comparison, n_comparisons)
    });
    let certain = report.comparisons.iter().filter_map(|comparison| {
        let bounds = comparison.comparison.as_ref()?.bounds?;
        Some(certain_words(
            &comparison.base,
            &comparison.name,
            bounds.lower,
            bounds.upper,
        ))
    });
    let sentences = sentences.chain(certain);
    sentences.collect::<Vec<_>>().join("\n")
}

fn flip_table(report: &ComparisonReport) -> String {
    let against = format!("against {}", report.base);
    let columns = [
        against.as_str(),
        "leak -> no leak",
        "no leak -> leak",
        "tie changes",
        "unchanged",
        "of",
    ];
    // A mean over wordings has no repeats.
    let means = report
        .conditions
        .iter()
        .filter(|it| !it.mean_over.is_empty());
    let means: Vec<&str> = means.map(|it| it.name.as_str()).collect();
    let comparisons = report.comparisons.iter();
    let rows = comparisons
        .filter(|it| !means.contains(&it.name.as_str()))
        .map(flip_row);
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0)
}

fn flip_row(comparison: &ConditionComparison) -> Vec<String> {
    let flips = comparison.flips;
    let counts = [
        flips.n_to_no_leak,
        flips.n_to_leak,
        flips.n_ties_changed,
        flips.n_unchanged,
        flips.n(),
    ];
    let counts = counts.map(|n| n.to_string());
    [vec![comparison.name.clone()], counts.to_vec()].concat()
}

fn flip_legend(report: &ComparisonReport) -> String {
    let legend =
        "Each verdict on a prompt pair is compared with that on the same repeats under the base.";
    match report.base_disagreement {
        Some(share) => format!(
            "{legend}\nTwo repeats under {} itself differ in {:.1} % of cases, by sampling alone.",
            report.base,
            100.0 * share
        ),
        None => legend.to_owned(),
    }
}

fn shown_similarity(report: &ComparisonReport) -> String {
    similarity_name(&report.metric, &report.embedding_model)
}

/// The verdicts and the differences by other metrics and encoders.
fn similarity_tables(report: &ComparisonReport) -> String {
    let columns = [
        "condition",
        "metric",
        "encoder",
        "same verdict",
        "kappa",
        "of",
    ];
    let rows = report.agreements.iter().map(|agreement| {
        vec![
            agreement.condition.clone(),
            agreement.metric.clone(),
            agreement.embedding_model.clone(),
            format!("{:.1} %", 100.0 * agreement.share),
            kappa_text(agreement.kappa),
            agreement.n.to_string(),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let shown = shown_similarity(report);
    let mut lines = vec![format!(
        "Agreement of {shown} with other metrics and encoders:"
    )];
    if !rows.is_empty() {
        let table = plain_table(&columns, rows, &|column_idx| column_idx > 2);
        lines.push(table.trim_end().to_owned());
    }
    lines.extend(report.comparisons.iter().flat_map(other_differences));
    let conclusions = report.comparisons.iter();
    lines.extend(conclusions.filter_map(|it| conclusions_words(&shown, it)));
    lines.join("\n")
}

fn other_differences(comparison: &ConditionComparison) -> Vec<String> {
    let others = comparison.other_metrics.iter();
    let lines = others.map(|other| other_difference_words(&comparison.name, other));
    lines.collect()
}

/// The pairs that changed most, with the texts of both sides; None where none did.
fn changed_texts(report: &ComparisonReport, comparison: &ConditionComparison) -> Option<String> {
    let (base, other) = (&comparison.base, &comparison.name);
    let changed = comparison.changed.iter();
    let texts: Vec<String> = changed
        .map(|changed| changed_text(base, other, changed))
        .collect();
    let what = match report.enumeration {
        Some(_) => "Largest changes of the leak probability",
        None => "Most consistent flips",
    };
    let unit = &report.unit;
    (!texts.is_empty()).then(|| {
        let texts = texts.join("\n\n");
        format!("{what} from {base} to {other}, one for each {unit}:\n\n{texts}")
    })
}

/// A pair with what both conditions made of it, side by side.
fn changed_text(base: &str, other: &str, changed: &ChangedText) -> String {
    let pair = &changed.pair;
    let [base_lines, other_lines] = [&changed.base, &changed.other].map(side_lines);
    let names = [
        base_lines.0.to_owned(),
        format!("with {}", visible(&pair.concept)),
        "without".to_owned(),
    ];
    let rows = names.into_iter().zip(base_lines.1).zip(other_lines.1);
    let rows = rows.map(|((name, base), other)| vec![name, base, other]);
    let table = plain_table(&["", base, other], rows.collect(), &|_| false);
    let table: Vec<String> = table.lines().map(str::to_owned).collect();
    let certainly = changed.bounds.map_or(String::new(), |bounds| {
        let [change, lower, upper] =
            [changed.change, bounds.lower, bounds.upper].map(|value| points(100.0 * value));
        format!(", {change} points, certainly {lower} to {upper}")
    });
    format!(
        "  {} ({}){certainly}: {}\n{}",
        visible(&pair.concept),
        visible(&pair.category),
        visible(pair.test_prompt.trim()),
        indented(&table)
    )
}

/// Returns the name of the first fact about one side, then that fact and the texts that follow the test and the control
/// prompt.
fn side_lines(side: &ChangedSide) -> (&'static str, [String; 3]) {
    match side {
        ChangedSide::Repeats(repeats) => {
            let texts = |of: fn(&RepeatText) -> &str| collapsed(repeats.iter().map(of));
            let lines = [
                verdict_counts(repeats),
                texts(|repeat| &repeat.test_generation),
                texts(|repeat| &repeat.control_generation),
            ];
            ("verdicts", lines)
        }
        ChangedSide::Exact {
            leak_probability,
            test_texts,
            control_texts,
        } => {
            let lines = [
                format!("{:.1} %", 100.0 * leak_probability),
                likely_lines(test_texts),
                likely_lines(control_texts),
            ];
            ("leak probability", lines)
        }
    }
}

fn likely_lines(texts: &[LikelyText]) -> String {
    let lines = texts.iter().map(|likely| {
        let percent = 100.0 * likely.probability;
        format!("{} ({percent:.0} %)", visible(likely.text.trim()))
    });
    lines.collect::<Vec<_>>().join("\n")
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
