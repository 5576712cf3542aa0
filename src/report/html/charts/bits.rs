//! Figures by bits per weight: specificity, and the Mean Leak-Rate.
//!
//! Owns what they show and what is said under them. There are none where a file is there under several sampling values,
//! which bits per weight cannot tell apart.

use super::parts::{
    dashed_words, figure_text, has_sweep, method, n_words, overall_rates, series, specific_rates,
    star_words, starred,
};
use super::rate::rates_table;
use super::{Chart, Table};
use crate::leakage::{LeakRate, Measure};
use crate::report::figure::{Figure, Point, Scatter, XAxis, scatter};
use crate::report::html::words::rate_numbers;
use crate::report::text::visible;
use crate::results::{ReportCondition, ReportData};
use crate::stats::Interval;

/// Lines in a figure that are no fit.
const LINES: &str = "Lines join the files of one model; they are no fit.";

/// One condition.
struct Mark<'a> {
    condition: &'a ReportCondition,
    bits: f64,
    value: f64,
    interval: Option<Interval>,
    numbers: String,
}

/// Specificity by bits per weight; None where no pair has siblings or bits cannot tell conditions apart.
pub(super) fn specificity(data: &ReportData) -> Option<Chart> {
    let marks = specific_rates(data, None).filter_map(|(idx, rate)| {
        let condition = &data.conditions[idx];
        let figure = rate.figure(Measure::Specificity);
        Some(Mark {
            condition,
            bits: condition.model.bits_per_weight?,
            value: figure.value,
            interval: figure.interval,
            numbers: figure_text(rate, Measure::Specificity),
        })
    });
    let marks: Vec<Mark<'_>> = marks.collect();
    let caption = format!(
        "Specificity in percent of each model file against its measured bits per weight; the dashed line at 50 % is no leakage. The pairs and intervals are those of \
         the figure of specificity. {LINES}{}",
        star_words(marks.iter().map(|mark| mark.condition))
    );
    let rows = marks.iter().map(|mark| {
        [
            visible(&mark.condition.name),
            format!("{:.2}", mark.bits),
            mark.numbers.clone(),
        ]
    });
    let table = Table::new(
        [
            "condition",
            "bits per weight",
            "specificity, % (95 % interval)",
        ],
        rows.collect(),
    );
    let names = ["specificity-by-bits", "Specificity by bits per weight"];
    chart(data, names, "specificity, %", caption, &marks, table)
}

/// Mean Leak-Rate by bits per weight; None where they cannot tell conditions apart.
pub(super) fn leak_rate(data: &ReportData) -> Option<Chart> {
    let rates: Vec<(&ReportCondition, &LeakRate)> = overall_rates(data)
        .into_iter()
        .filter(|(condition, _)| condition.model.bits_per_weight.is_some())
        .collect();
    let marks = rates.iter().filter_map(|(condition, rate)| {
        Some(Mark {
            condition,
            bits: condition.model.bits_per_weight?,
            value: rate.mean_leak_rate,
            interval: rate.interval,
            numbers: rate_numbers(rate),
        })
    });
    let marks: Vec<Mark<'_>> = marks.collect();
    let method = method(data);
    let caption = format!(
        "Mean Leak-Rate in percent of each model file against its measured bits per weight. {} {}. {method} {LINES}{}",
        dashed_words(data),
        n_words(data),
        star_words(marks.iter().map(|mark| mark.condition))
    );
    let names = ["leak-rate-by-bits", "Mean Leak-Rate by bits per weight"];
    let table = rates_table(data, &rates);
    chart(data, names, "Mean Leak-Rate, %", caption, &marks, table)
}

fn chart(
    data: &ReportData,
    [name, title]: [&str; 2],
    y_words: &str,
    caption: String,
    marks: &[Mark<'_>],
    table: Table,
) -> Option<Chart> {
    if marks.is_empty() || has_sweep(data) {
        return None;
    }
    let models = marks
        .iter()
        .map(|mark| visible(&mark.condition.model.name))
        .collect::<Vec<_>>();
    let (series, numbers) = series(models.iter().map(String::as_str));
    let points = marks.iter().zip(numbers).map(|(mark, series_idx)| Point {
        series_idx,
        label: starred(mark.condition),
        x: mark.bits,
        y: mark.value,
        interval: mark.interval,
    });
    let plot = Scatter {
        x_words: "bits per weight, measured".to_owned(),
        x_axis: XAxis::Around,
        y_words: y_words.to_owned(),
        y_reference: 50.0,
        series,
        points: points.collect(),
    };
    let listing = marks.iter().map(|mark| {
        format!(
            "{} at {:.2} bits per weight: {} percent",
            visible(&mark.condition.name),
            mark.bits,
            mark.numbers
        )
    });
    let description = format!("Scatter plot. {}.", listing.collect::<Vec<_>>().join("; "));
    Some(Chart {
        figure: Figure::new(name, title, caption, description, scatter(&plot)),
        table,
    })
}
