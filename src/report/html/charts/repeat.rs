//! Figures of what the texts are like: how different repeats are, and how often they echo the concept.
//!
//! Owns what they show and what is said under them.

use super::parts::{overall, range};
use super::{Chart, Table};
use crate::leakage::Diversity;
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
    let texts = match data.enumeration {
        Some(_) => "continuations",
        None => "generations",
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
    let caption = if data.enumeration.is_some() {
        format!(
            "Probability that the concept itself stands as a word in the continuation of a test prompt, in percent, mean over n = {} in each condition.",
            range(n_pairs, "prompt pair")
        )
    } else {
        format!(
            "Test generations in which the concept itself stands as a word, in percent of n = {} in each condition. Counted, without an interval. \
             The table has the Mean Leak-Rate without these repeats; it leaves out leaks of the plainest kind, so neither reading is the better one.",
            range(n_pairs, "test generation"),
        )
    };
    let table = echo_table(data);
    let title = "Echoes of the concept";
    Some(Chart {
        figure: Figure::new("echoes", title, caption, description, dots(&plot)),
        table,
    })
}

/// Echoes in numbers; the rate without them is known of repeats only.
fn echo_table(data: &ReportData) -> Table {
    let is_exact = data.enumeration.is_some();
    let columns = [
        "condition",
        "echoes, %",
        "Mean Leak-Rate, % (95 % interval)",
    ];
    let without = (!is_exact).then_some("without echoes");
    let rows = overall(data).map(|(idx, rate)| {
        let condition = &data.conditions[idx];
        let without = condition.leak_rate_without_echoes.as_ref();
        let without = without.map_or("none".to_owned(), rate_numbers);
        let row = [
            visible(&condition.name),
            format!("{:.1}", rate.echo_rate()),
            rate_numbers(rate),
        ];
        row.into_iter()
            .chain((!is_exact).then_some(without))
            .collect()
    });
    Table {
        columns: columns
            .into_iter()
            .chain(without)
            .map(str::to_owned)
            .collect(),
        rows: rows.collect(),
    }
}
