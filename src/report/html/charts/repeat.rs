//! Figures of what the texts are like: how different repeats are, and how often they echo the concept.
//!
//! Owns what they show and what is said under them.

use super::parts::{figure_text, has_specific, overall, range};
use super::{Chart, Table};
use crate::leakage::{Diversity, LeakRate, Measure};
use crate::report::figure::{DotRow, Dots, Figure, Scale, dots};
use crate::report::html::words::rate_numbers;
use crate::report::text::visible;
use crate::results::ReportData;

/// How many prompts have the same text in all repeats; None where no prompt has two repeats.
pub(super) fn repeats(data: &ReportData) -> Option<Chart> {
    let conditions = data.conditions.iter().enumerate();
    let found: Vec<_> = conditions
        .filter_map(|(idx, condition)| Some((idx, condition, condition.diversity?)))
        .collect();
    found.first()?;
    let n_of = |n: &dyn Fn(&Diversity) -> usize, noun| {
        let numbers: Vec<usize> = found.iter().map(|(_, _, diversity)| n(diversity)).collect();
        range(numbers.into_iter(), noun)
    };
    let rows: Vec<DotRow> = found
        .iter()
        .map(|(idx, condition, diversity)| {
            let share = 100.0 * diversity.n_all_equal as f64 / diversity.n_prompts as f64;
            DotRow {
                series_idx: *idx,
                label: visible(&condition.name),
                value: Some(share),
                interval: None,
                numbers: format!("{share:.1} %; {:.2} distinct", diversity.mean_distinct),
            }
        })
        .collect();
    let listing = rows
        .iter()
        .map(|row| format!("{}: {} texts per prompt", row.label, row.numbers));
    let description = format!("Dot plot. {}.", listing.collect::<Vec<_>>().join("; "));
    let plot = Dots {
        x_words: "test prompts whose repeats are all equal, %".to_owned(),
        scale: Scale::Shares,
        series: Vec::new(),
        groups: vec![(String::new(), rows)],
    };
    let caption = format!(
        "Test prompts with the same generation in all repeats, in percent, and the mean number of distinct generations of a prompt. \
         n = {} with {} in each condition. Equal repeats are worth one observation; the intervals of rates know that, because all repeats of a prompt are in one cluster. Counted, without an interval.",
        n_of(&|diversity| diversity.n_prompts, "test prompt"),
        n_of(&|diversity| diversity.n_texts, "generation"),
    );
    let rows = found.iter().map(|(_, condition, diversity)| {
        [
            visible(&condition.name),
            diversity.n_prompts.to_string(),
            diversity.n_all_equal.to_string(),
            format!("{:.2}", diversity.mean_distinct),
            diversity.n_texts.to_string(),
            diversity.n_distinct.to_string(),
            condition
                .disagreement
                .map_or("none".to_owned(), |share| format!("{:.1}", 100.0 * share)),
        ]
    });
    let table = Table::new(
        [
            "condition",
            "test prompts",
            "all repeats equal",
            "distinct per prompt",
            "generations",
            "distinct generations",
            "two repeats differ in verdict, %",
        ],
        rows.collect(),
    );
    let title = "Repeats and their diversity";
    Some(Chart {
        figure: Figure::new("repeats", title, caption, description, dots(&plot)),
        table,
    })
}

/// How often the concept stands in the test generation; None without verdicts.
pub(super) fn echoes(data: &ReportData) -> Option<Chart> {
    let found: Vec<_> = overall(data)
        .map(|(idx, rate)| (idx, &data.conditions[idx], rate))
        .collect();
    found.first()?;
    let n_pairs = found.iter().map(|(_, _, rate)| rate.n_pairs);
    let is_exact = data.enumeration.is_some();
    let texts = if is_exact {
        "continuations"
    } else {
        "generations"
    };
    let rows: Vec<DotRow> = found
        .iter()
        .map(|(idx, condition, rate)| DotRow {
            series_idx: *idx,
            label: visible(&condition.name),
            value: Some(rate.echo_rate()),
            interval: None,
            numbers: format!("{:.1} %", rate.echo_rate()),
        })
        .collect();
    let listing = rows
        .iter()
        .map(|row| format!("{}: {}", row.label, row.numbers));
    let description = format!("Dot plot. {}.", listing.collect::<Vec<_>>().join("; "));
    let plot = Dots {
        x_words: format!("test {texts} that hold the concept itself, %"),
        scale: Scale::Shares,
        series: Vec::new(),
        groups: vec![(String::new(), rows)],
    };
    let n_pairs = range(
        n_pairs,
        if is_exact {
            "prompt pair"
        } else {
            "test generation"
        },
    );
    let what = if is_exact {
        "Probability that the concept itself stands as a word in the continuation of a test prompt, in percent, mean over"
    } else {
        "Test generations in which the concept itself stands as a word, counted, without an interval, in percent of"
    };
    let caption = format!(
        "{what} n = {n_pairs} in each condition.{}",
        echo_words(data)
    );
    let table = echo_table(data);
    let title = "Echoes of the concept";
    Some(Chart {
        figure: Figure::new("echoes", title, caption, description, dots(&plot)),
        table,
    })
}

/// Says what the table of echoes has beside them.
fn echo_words(data: &ReportData) -> String {
    let mut words = String::new();
    if has_specific(data) {
        words += " The table has how much more often test texts hold the concept, inflected or not, than control texts and than texts for other concepts do, in percentage points.";
    }
    let mut conditions = data.conditions.iter();
    if conditions.any(|it| it.leak_rate_without_echoes.is_some()) {
        words += " The rate without echoes is of the repeats in which neither the test nor the control generation holds the concept. It only describes: it picks pairs by what came out, so it tells neither repetition from association nor leakage from none.";
    }
    words
}

/// Echoes in numbers; the rate without them is known of repeats only.
fn echo_table(data: &ReportData) -> Table {
    let is_exact = data.enumeration.is_some();
    let has_excess = has_specific(data);
    let names = ["condition", "echoes, %"].into_iter();
    let of_excess = [
        "more than the control, points (95 % interval)",
        "more than other concepts, points",
    ];
    let names = names.chain(of_excess.into_iter().filter(|_| has_excess));
    let names = names.chain(["Mean Leak-Rate, % (95 % interval)"]);
    let names = names.chain((!is_exact).then_some("without echoes on either side"));
    let rows = overall(data).map(|(idx, rate)| {
        let condition = &data.conditions[idx];
        let mut row = vec![visible(&condition.name), format!("{:.1}", rate.echo_rate())];
        if has_excess {
            row.extend(excess_texts(rate));
        }
        row.push(rate_numbers(rate));
        if !is_exact {
            let without = condition.leak_rate_without_echoes.as_ref();
            row.push(without.map_or("none".to_owned(), rate_numbers));
        }
        row
    });
    Table {
        columns: names.map(str::to_owned).collect(),
        rows: rows.collect(),
    }
}

/// Echoes over those of the control and of other concepts.
fn excess_texts(rate: &LeakRate) -> [String; 2] {
    [Measure::EchoOverControl, Measure::EchoOverSiblings].map(|measure| {
        let text = |rate| figure_text(rate, measure);
        rate.specific.as_ref().map_or("none".to_owned(), text)
    })
}
