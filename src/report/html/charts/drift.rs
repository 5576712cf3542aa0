//! The figure of drift: how far the models' next-token distributions lie apart, against the difference of leakage.
//!
//! Owns what it shows and what is said under it.

use super::difference::by;
use super::parts::{points, range, series, star_words, starred};
use super::{Chart, Table};
use crate::leakage::{Comparison, Measure};
use crate::report::figure::{Figure, Point, Scatter, XAxis, scatter};
use crate::report::text::visible;
use crate::results::{ReportCondition, ReportData};
use crate::stats::Drift;

/// A condition with what is set against each other.
struct Drifted<'a> {
    base: &'a ReportCondition,
    condition: &'a ReportCondition,
    found: &'a Comparison,
    drift: Drift,
}

/// Drift against the difference of specificity, or of the Mean Leak-Rate where no pair has siblings; None where no
/// next-token distributions are stored.
pub(super) fn against_difference(data: &ReportData) -> Option<Chart> {
    let of_specificity = drifted(data, Measure::Specificity);
    let (drifted, of) = match of_specificity.as_slice() {
        [] => (drifted(data, Measure::LeakRate), "the Mean Leak-Rate"),
        _ => (of_specificity, "specificity"),
    };
    drifted.first()?;
    let names: Vec<String> = drifted
        .iter()
        .map(|it| visible(&it.condition.model.name))
        .collect();
    let (series, numbers) = series(names.iter().map(String::as_str));
    let points = drifted.iter().zip(numbers).map(|(it, series_idx)| Point {
        series_idx,
        label: starred(it.condition),
        x: it.drift.mean_kl,
        y: it.found.difference,
        interval: it.found.interval,
    });
    let plot = Scatter {
        x_words: "mean divergence of the next token from the base, nats".to_owned(),
        x_axis: XAxis::FromZero,
        y_words: format!("difference of {of}, points"),
        y_reference: 0.0,
        series,
        points: points.collect(),
    };
    let prompts: Vec<usize> = drifted.iter().map(|it| it.drift.n_prompts).collect();
    let caption = format!(
        "Difference of {of} to the base in percentage points against the mean Kullback-Leibler divergence of the next-token \
         distribution after a prompt, in nats, a lower bound from the most probable tokens; n = {}. Intervals: those of the figure of differences. \
         Drift says how much a file changed, not in which direction.{}",
        range(prompts.into_iter(), "prompt"),
        star_words(drifted.iter().map(|it| it.condition))
    );
    let table = table(&drifted);
    let listing: Vec<String> = table
        .rows
        .iter()
        .map(|row| format!("{}: {} nats, {} points", row[1], row[3], row[5]))
        .collect();
    let description = format!("Scatter plot. {}.", listing.join("; "));
    let title = "Drift against the difference of leakage";
    Some(Chart {
        figure: Figure::new("drift", title, caption, description, scatter(&plot)),
        table,
    })
}

fn drifted(data: &ReportData, measure: Measure) -> Vec<Drifted<'_>> {
    let mut drifted = Vec::new();
    for base in &data.comparisons {
        for other in &base.others {
            if let (Some(found), Some(drift)) = (by(&other.found, measure), other.drift) {
                drifted.push(Drifted {
                    base: &data.conditions[base.base_idx],
                    condition: &data.conditions[other.condition_idx],
                    found,
                    drift,
                });
            }
        }
    }
    drifted
}

fn table(drifted: &[Drifted<'_>]) -> Table {
    let rows = drifted.iter().map(|it| {
        [
            visible(&it.base.name),
            visible(&it.condition.name),
            it.drift.n_prompts.to_string(),
            format!("{:.4}", it.drift.mean_kl),
            format!("{:.1}", 100.0 * it.drift.same_top),
            points(it.found.difference),
        ]
    });
    Table::new(
        [
            "base",
            "condition",
            "prompts",
            "mean divergence, nats",
            "same most probable token, %",
            "points",
        ],
        rows.collect(),
    )
}
