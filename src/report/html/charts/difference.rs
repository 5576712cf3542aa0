//! Figures of conditions against a base: differences of specificity and of the Mean Leak-Rate, and flips.
//!
//! Owns what they show and what is said under them.

use super::parts::{has_specific, p_text, points, range};
use super::{Chart, Table};
use crate::leakage::{Comparison, Flips, Measure};
use crate::report::columns::{concepts_words, p_value_text};
use crate::report::figure::{BarRow, Bars, DotRow, Dots, Figure, Scale, bars, dots};
use crate::report::html::words::count;
use crate::report::text::visible;
use crate::results::{BaseComparisons, ConditionComparison, ReportComparison, ReportData};
use crate::stats::N_EXACT_MAX;

/// Differences to the base of specificity or of the Mean Leak-Rate; None where nothing is compared by it.
pub(super) fn forest(data: &ReportData, measure: Measure) -> Option<Chart> {
    let groups: Vec<(String, Vec<DotRow>)> = data
        .comparisons
        .iter()
        .map(|base| {
            let others = base.others.iter();
            let rows = others.filter_map(|other| forest_row(other, measure));
            (against(data, base), rows.collect())
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
    let looks = Looks::of(measure);
    let plot = Dots {
        x_words: looks.x_words.to_owned(),
        scale: Scale::Differences,
        series: Vec::new(),
        groups,
    };
    let caption = forest_caption(data, measure);
    let drawing = dots(&plot);
    Some(Chart {
        figure: Figure::new(looks.name, looks.title, caption, description, drawing),
        table: forest_table(data, measure),
    })
}

/// The words in which figures of differences differ.
struct Looks {
    name: &'static str,
    title: &'static str,
    x_words: &'static str,
    subject: &'static str,
}

impl Looks {
    fn of(measure: Measure) -> Self {
        match measure {
            Measure::LeakRate => Self {
                name: "difference-to-base",
                title: "Differences of the Mean Leak-Rate to the base",
                x_words: "difference of the Mean Leak-Rate, percentage points (right: higher than under the base)",
                subject: "the Mean Leak-Rate",
            },
            _ => Self {
                name: "specificity-difference-to-base",
                title: "Differences of specificity to the base",
                x_words: "difference of specificity, percentage points (right: leaks more than the base)",
                subject: "specificity",
            },
        }
    }
}

fn against(data: &ReportData, base: &BaseComparisons) -> String {
    format!("against {}", visible(&data.conditions[base.base_idx].name))
}

/// The difference by a measure; None where it is not there.
pub(super) fn by(found: &ConditionComparison, measure: Measure) -> Option<&Comparison> {
    match measure {
        Measure::LeakRate => found.comparison.as_ref(),
        _ => found.specific.as_ref().map(|found| found.by(measure)),
    }
}

fn found(data: &ReportData, measure: Measure) -> impl Iterator<Item = &Comparison> {
    let others = data.comparisons.iter().flat_map(|base| &base.others);
    others.filter_map(move |other| by(&other.found, measure))
}

fn forest_row(other: &ReportComparison, measure: Measure) -> Option<DotRow> {
    let found = by(&other.found, measure)?;
    Some(DotRow {
        series_idx: other.condition_idx,
        label: visible(&other.found.name),
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

fn interval_text(found: &Comparison) -> String {
    found.interval.map_or("no interval".to_owned(), |interval| {
        format!("{} to {}", points(interval.lower), points(interval.upper))
    })
}

fn forest_caption(data: &ReportData, measure: Measure) -> String {
    let found = || found(data, measure);
    let n_draws = found().find_map(|found| found.p_value.n_draws);
    let flips = n_draws.map_or("all sign flips of clusters".to_owned(), |n| {
        format!("{n} random sign flips of clusters, seed {} (all, where at most {N_EXACT_MAX} clusters differ)", data.making.flip_seed)
    });
    let concepts = concepts_words(data.concepts);
    let p_value = match data.concepts.are_random {
        true => "Student’s t".to_owned(),
        false => flips,
    };
    let counts = |count: fn(&Comparison) -> usize| found().map(count).collect::<Vec<_>>();
    let prompts = range(counts(|it| it.n_prompts).into_iter(), "prompt pair");
    let clusters = range(counts(|it| it.n_clusters).into_iter(), "cluster");
    let how = match data.enumeration {
        Some(_) => "of exact rates",
        None => "repeats are averaged first",
    };
    let have = match measure {
        Measure::LeakRate => "that both have",
        _ => "with siblings that both have",
    };
    let says = match measure {
        Measure::LeakRate if has_specific(data) => {
            "That a condition leaks more or less, only the difference of specificity says."
        }
        Measure::LeakRate => {
            "No comparison with other concepts is there, so nothing tells leakage from what any word in the slot does."
        }
        _ => "Above 0 a condition leaks more than the base.",
    };
    format!(
        "Difference of {} to the base in percentage points, prompt by prompt: {how}. n = {prompts} {have}, in {clusters}; \
         prompts that share a {} are one cluster. Intervals: 95 %, cluster-robust standard errors (CR2), Student’s t with Satterthwaite’s degrees of freedom. {concepts} p: by {p_value}, corrected after Holm over the comparisons with one base. {says}",
        Looks::of(measure).subject,
        data.cluster_unit
    )
}

fn forest_table(data: &ReportData, measure: Measure) -> Table {
    let rows = data.comparisons.iter().flat_map(|base| {
        let base_name = visible(&data.conditions[base.base_idx].name);
        base.others.iter().filter_map(move |other| {
            let other = &other.found;
            let found = by(other, measure)?;
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
    match measure {
        Measure::LeakRate => add_bounds(&mut table, data),
        _ => add_parts(&mut table, data),
    }
    table
}

/// Adds what is certain of differences of exact Leak-Rates.
fn add_bounds(table: &mut Table, data: &ReportData) {
    if data.enumeration.is_none() {
        return;
    }
    table.columns.insert(3, "certainly".to_owned());
    let found = found(data, Measure::LeakRate);
    for (row, found) in table.rows.iter_mut().zip(found) {
        let certain = found.bounds.map_or(String::new(), |bounds| {
            format!("{} to {}", points(bounds.lower), points(bounds.upper))
        });
        row.insert(3, certain);
    }
}

/// Adds the parts of a difference of specificity, and the difference of specific leakage.
fn add_parts(table: &mut Table, data: &ReportData) {
    let added = [
        ("by repetition", Measure::SpecificityRepetition),
        ("by association", Measure::SpecificityAssociation),
        ("specific leakage, points", Measure::SpecificLeakage),
    ];
    for (name, measure) in added {
        table.columns.push(name.to_owned());
        for (row, found) in table.rows.iter_mut().zip(found(data, measure)) {
            let interval = interval_text(found);
            row.push(format!("{} ({interval})", points(found.difference)));
        }
    }
}

/// Verdicts that flipped, both ways; None where nothing is compared.
pub(super) fn flips(data: &ReportData) -> Option<Chart> {
    let compared: Vec<(&BaseComparisons, &ConditionComparison, Flips)> = data
        .comparisons
        .iter()
        .flat_map(|base| {
            base.others
                .iter()
                .map(move |other| (base, &other.found, other.found.flips))
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
        x_words: "verdicts that flipped, %".to_owned(),
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
        "verdict",
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
            count(flips.n(), "verdict"),
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
