//! The cells that tables of a comparison share, and how its texts are indented.

use super::words::{p_value_text, points};
use crate::leakage::Comparison;
use crate::results::{ComparisonReport, Condition};
use crate::stats::Interval;

pub(super) fn base(report: &ComparisonReport) -> &str {
    report.conditions.first().map_or("", |base| &base.name)
}

/// Name, bits per weight, rate, interval and number of prompts.
pub(super) fn condition_cells(condition: &Condition) -> Vec<String> {
    let rate = &condition.rate;
    vec![
        condition.name.clone(),
        condition
            .bits_per_weight
            .map_or("none".to_owned(), |bits| format!("{bits:.2}")),
        format!("{:.1} %", rate.mean_leak_rate),
        rate.interval.map_or("none".to_owned(), |interval| {
            format!("{:.1} to {:.1}", interval.lower, interval.upper)
        }),
        rate.n_prompts.to_string(),
    ]
}

pub(super) fn difference_cells(found: &Comparison) -> Vec<String> {
    vec![
        points(found.difference),
        range(found.interval),
        p_value_text(found.p_value.value),
        p_value_text(found.holm_p_value),
        found.n_prompts.to_string(),
        found.n_clusters.to_string(),
        found
            .design_effect
            .map_or("none".to_owned(), |effect| format!("{effect:.2}")),
        range(found.naive_interval),
    ]
}

pub(super) fn range(interval: Option<Interval>) -> String {
    interval.map_or("none".to_owned(), |interval| {
        format!("{} to {}", points(interval.lower), points(interval.upper))
    })
}

pub(super) fn indented(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| format!("  {line}"));
    lines.collect::<Vec<_>>().join("\n")
}
