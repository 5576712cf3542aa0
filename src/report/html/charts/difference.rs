//! Figures of conditions against a base: differences of the Mean Leak-Rate, and flips.
//!
//! Owns what they show and what is said under them.

use super::parts::range;
use super::{Chart, Table};
use crate::leakage::{Comparison, Flips};
use crate::report::columns::{self, p_value_text};
use crate::report::figure::{BarRow, Bars, DotRow, Dots, Figure, Scale, bars, dots};
use crate::report::html::words::count;
use crate::report::text::visible;
use crate::results::{BaseComparisons, ConditionComparison, ReportData};
use crate::stats::N_EXACT_MAX;

/// Differences to the base of the Mean Leak-Rate; None where nothing is compared.
pub(super) fn forest(data: &ReportData) -> Option<Chart> {
    let groups: Vec<(String, Vec<DotRow>)> = data
        .comparisons
        .iter()
        .map(|base| {
            (
                against(data, base),
                base.others
                    .iter()
                    .filter_map(|other| forest_row(other.condition_idx, &other.found))
                    .collect(),
            )
        })
        .filter(|(_, rows): &(String, Vec<DotRow>)| !rows.is_empty())
        .collect();
    if groups.is_empty() {
        return None;
    }
    let rows = groups.iter().flat_map(|(base, rows)| {
        rows.iter()
            .map(move |row| format!("{} {base}: {}", row.label, row.numbers))
    });
    let description = format!("Forest plot. {}.", rows.collect::<Vec<_>>().join("; "));
    let plot = Dots {
        x_words:
            "difference of the Mean Leak-Rate, percentage points (right: leaks more than the base)"
                .to_owned(),
        scale: Scale::Differences,
        series: Vec::new(),
        groups,
    };
    let title = "Differences to the base";
    Some(Chart {
        figure: Figure::new(
            "difference-to-base",
            title,
            forest_caption(data),
            description,
            dots(&plot),
        ),
        table: forest_table(data),
    })
}

fn against(data: &ReportData, base: &BaseComparisons) -> String {
    format!("against {}", visible(&data.conditions[base.base_idx].name))
}

fn found(data: &ReportData) -> impl Iterator<Item = &Comparison> {
    let others = data.comparisons.iter().flat_map(|base| &base.others);
    others.filter_map(|other| other.found.comparison.as_ref())
}

fn forest_row(condition_idx: usize, other: &ConditionComparison) -> Option<DotRow> {
    let found = other.comparison.as_ref()?;
    Some(DotRow {
        series_idx: condition_idx,
        label: visible(&other.name),
        value: Some(found.difference),
        interval: found.interval,
        numbers: format!(
            "{} ({}), p {}",
            points(found.difference),
            interval_text(found),
            p_text(found.holm_p_value)
        ),
    })
}

/// Points with their sign, as a page writes it.
fn points(points: f64) -> String {
    columns::points(points).replace('-', "−")
}

fn interval_text(found: &Comparison) -> String {
    found.interval.map_or("no interval".to_owned(), |interval| {
        format!("{} to {}", points(interval.lower), points(interval.upper))
    })
}

fn p_text(p_value: f64) -> String {
    let text = p_value_text(p_value);
    if text.starts_with('<') {
        text
    } else {
        format!("= {text}")
    }
}

fn forest_caption(data: &ReportData) -> String {
    let n_draws = found(data).find_map(|found| found.p_value.n_draws);
    let flips = n_draws.map_or("all sign flips of clusters".to_owned(), |n| {
        format!("{n} random sign flips of clusters, seed {} (all, where at most {N_EXACT_MAX} clusters differ)", data.making.flip_seed)
    });
    let prompts = range(
        found(data)
            .map(|found| found.n_prompts)
            .collect::<Vec<_>>()
            .into_iter(),
        "prompt pair",
    );
    let clusters = range(
        found(data)
            .map(|found| found.n_clusters)
            .collect::<Vec<_>>()
            .into_iter(),
        "cluster",
    );
    let how = match data.enumeration {
        Some(_) => "of exact rates",
        None => "repeats are averaged first",
    };
    format!(
        "Difference of the Mean Leak-Rate to the base in percentage points, prompt by prompt: {how}. n = {prompts} that both have, in {clusters}; \
         prompts that share a {} are one cluster. Intervals: 95 %, cluster-robust standard errors (CR2), Student’s t with Satterthwaite’s degrees of freedom. p: by {flips}, corrected after Holm over the comparisons with one base.",
        data.cluster_unit
    )
}

fn forest_table(data: &ReportData) -> Table {
    let rows = data.comparisons.iter().flat_map(|base| {
        let base_name = visible(&data.conditions[base.base_idx].name);
        base.others.iter().filter_map(move |other| {
            let other = &other.found;
            let found = other.comparison.as_ref()?;
            Some([
                base_name.clone(),
                visible(&other.name),
                points(found.difference),
                interval_text(found),
                p_value_text(found.p_value.value),
                p_value_text(found.holm_p_value),
                found.n_prompts.to_string(),
                found.n_clusters.to_string(),
                found
                    .design_effect
                    .map_or("none".to_owned(), |effect| format!("{effect:.2}")),
            ])
        })
    });
    let mut table = Table::new(
        [
            "base",
            "condition",
            "points",
            "95 % interval",
            "p",
            "Holm p",
            "prompt pairs",
            "clusters",
            "design effect",
        ],
        rows.collect(),
    );
    if data.enumeration.is_some() {
        table.columns.insert(3, "certainly".to_owned());
        for (row, found) in table.rows.iter_mut().zip(found(data)) {
            let certain = found.bounds.map_or(String::new(), |bounds| {
                format!("{} to {}", points(bounds.lower), points(bounds.upper))
            });
            row.insert(3, certain);
        }
    }
    table
}

/// Verdicts that flipped, both ways; None where nothing is compared.
pub(super) fn flips(data: &ReportData) -> Option<Chart> {
    let compared: Vec<(&BaseComparisons, &ConditionComparison, Flips)> = data
        .comparisons
        .iter()
        .flat_map(|base| {
            base.others
                .iter()
                .map(move |other| (base, &other.found, Flips::total(&other.found.flips)))
        })
        .filter(|(_, _, flips)| flips.n() > 0)
        .collect();
    if compared.is_empty() {
        return None;
    }
    let rows = compared
        .iter()
        .map(|(base, other, flips)| flip_row(data, base, other, *flips));
    let plot = Bars {
        x_words: "repeats whose verdict flipped, %".to_owned(),
        directions: ["leak → no leak".to_owned(), "no leak → leak".to_owned()],
        rows: rows.collect(),
    };
    let listing = plot.rows.iter().map(|row| {
        format!(
            "{}: {:.1} % stopped leaking, {:.1} % began to",
            row.label, row.values[0], row.values[1]
        )
    });
    let description = format!(
        "Diverging bars. {}.",
        listing.collect::<Vec<_>>().join("; ")
    );
    let title = "Flips: what became of the base’s verdicts";
    Some(Chart {
        figure: Figure::new(
            "flips",
            title,
            flip_caption(data, &compared),
            description,
            bars(&plot),
        ),
        table: flip_table(data, &compared),
    })
}

fn flip_row(
    data: &ReportData,
    base: &BaseComparisons,
    other: &ConditionComparison,
    flips: Flips,
) -> BarRow {
    let share = |n: usize| 100.0 * n as f64 / flips.n() as f64;
    let label = if data.comparisons.len() > 1 {
        format!(
            "{} / {}",
            other.name, data.conditions[base.base_idx].model.quantization
        )
    } else {
        other.name.clone()
    };
    BarRow {
        label: visible(&label),
        values: [share(flips.n_to_no_leak), share(flips.n_to_leak)],
        numbers: format!(
            "{} / {} of {}",
            flips.n_to_no_leak,
            flips.n_to_leak,
            flips.n()
        ),
    }
}

fn flip_caption(
    data: &ReportData,
    compared: &[(&BaseComparisons, &ConditionComparison, Flips)],
) -> String {
    let n = range(
        compared
            .iter()
            .map(|(_, _, flips)| flips.n())
            .collect::<Vec<_>>()
            .into_iter(),
        "repeat",
    );
    let bases = data.comparisons.iter().filter_map(|base| {
        let condition = &data.conditions[base.base_idx];
        let share = condition.disagreement?;
        Some(format!(
            "{:.1} % under {}",
            100.0 * share,
            visible(&condition.name)
        ))
    });
    let bases: Vec<String> = bases.collect();
    let chance = if bases.is_empty() {
        String::new()
    } else {
        format!(
            " For comparison, two repeats of one prompt under one and the same condition differ in their verdict in {}.",
            bases.join(", ")
        )
    };
    format!(
        "Repeats of prompt pairs whose verdict flipped, in percent of all that both conditions have (n = {n}); rates can be equal while many verdicts change both ways. \
         The numbers at the right are leak → no leak and no leak → leak; changes from or to a tie are in the table.{chance}"
    )
}

fn flip_table(
    data: &ReportData,
    compared: &[(&BaseComparisons, &ConditionComparison, Flips)],
) -> Table {
    let rows = compared.iter().map(|(base, other, flips)| {
        [
            visible(&data.conditions[base.base_idx].name),
            visible(&other.name),
            flips.n_to_no_leak.to_string(),
            flips.n_to_leak.to_string(),
            flips.n_ties_changed.to_string(),
            flips.n_unchanged.to_string(),
            count(flips.n(), "repeat"),
        ]
    });
    Table::new(
        [
            "base",
            "condition",
            "leak → no leak",
            "no leak → leak",
            "ties changed",
            "unchanged",
            "of",
        ],
        rows.collect(),
    )
}
