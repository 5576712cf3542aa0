//! Figures of the comparisons with other concepts: specificity, and the parts that a Leak-Rate is made of.
//!
//! Owns what they show and what is said under them. Conditions without these comparisons are named, not drawn.

use itertools::Itertools as _;

use super::parts::{
    categories, figure_text, method, p_text, range, short_names, specific_rates, star_words,
};
use super::{Chart, Table};
use crate::leakage::{Measure, PERMUTATIONS, SpecificRate};
use crate::report::columns::p_value_text;
use crate::report::figure::{DotRow, Dots, Figure, Scale, SumRow, Sums, dots, sums};
use crate::report::html::words::{enumeration_words, thousands};
use crate::report::text::visible;
use crate::results::ReportData;

/// The rate of one condition, of a category or of all together.
struct Row<'a> {
    condition_idx: usize,
    label: String,
    name: String,
    rate: &'a SpecificRate,
}

/// A category with its rows; one without a name where there are no others.
type Group<'a> = (String, Vec<Row<'a>>);

/// Specificity by condition, of all together and then by category; None where no pair has siblings.
pub(super) fn specificity(data: &ReportData) -> Option<Chart> {
    let groups = groups(data);
    groups.first()?;
    let plot = Dots {
        x_words: "specificity, % (right of the dashed line: it matters which concept is there)"
            .to_owned(),
        scale: Scale::Rates,
        series: Vec::new(),
        groups: mapped(&groups, |row| DotRow {
            series_idx: row.condition_idx,
            label: row.label.clone(),
            value: Some(row.rate.figure(Measure::Specificity).value),
            interval: row.rate.figure(Measure::Specificity).interval,
            numbers: figure_text(row.rate, Measure::Specificity),
        }),
    };
    let method = method(data);
    let caption = format!(
        "Specificity: how often a generation is closer to the concept of its own prompt than generations for other concepts in the same template are, in percent, \
         with its interval in parentheses. The dashed line at 50 % is no leakage: it does not matter which concept is in the prompt. {}. {method}{}{}",
        n_words(data, &groups),
        p_words(&groups),
        named_words(data)
    );
    Some(Chart {
        figure: Figure::new(
            "specificity",
            "Specificity: does it matter which concept is in the prompt?",
            caption,
            description("Dot plot", &groups, specificity_text),
            dots(&plot),
        ),
        table: specificity_table(data, &groups),
    })
}

/// The Leak-Rate as placebo, repetition and association; None where no pair has siblings.
pub(super) fn parts_of_leak_rate(data: &ReportData) -> Option<Chart> {
    let groups = groups(data);
    groups.first()?;
    let plot = Sums {
        x_words: "Mean Leak-Rate and its parts, %".to_owned(),
        parts: ["placebo", "repetition", "association"],
        whole: "Mean Leak-Rate",
        groups: mapped(&groups, |row| SumRow {
            label: row.label.clone(),
            parts: parts(row.rate),
            numbers: sum_text(row.rate),
        }),
    };
    let method = method(data);
    let caption = format!(
        "Mean Leak-Rate = placebo + repetition + association, of the pairs that have siblings. Placebo: the same comparison with the control for generations whose \
         prompt held another concept, so it is no leakage. Repetition: what is added where a generation holds the concept or restates the prompt. Association: \
         what else this very concept adds. Each part begins where the one above it ends, and one to the left is negative; rounded parts need not add up exactly. \
         Intervals are in the table. {}. {method}{}",
        n_words(data, &groups),
        named_words(data)
    );
    Some(Chart {
        figure: Figure::new(
            "leak-rate-parts",
            "What the Leak-Rate is made of",
            caption,
            description("Bars in three lanes", &groups, sum_text),
            sums(&plot),
        ),
        table: parts_table(data, &groups),
    })
}

fn groups(data: &ReportData) -> Vec<Group<'_>> {
    let named = categories(data);
    let named = named.into_iter().map(Some).filter(|_| has_several(data));
    let all = std::iter::once(None).chain(named);
    let groups = all.map(|category| {
        let heading = match category {
            Some(category) => visible(category),
            None if has_several(data) => "all categories".to_owned(),
            None => String::new(),
        };
        (heading, rows(data, category))
    });
    groups.filter(|(_, rows)| !rows.is_empty()).collect()
}

fn has_several(data: &ReportData) -> bool {
    categories(data).len() > 1
}

fn rows<'a>(data: &'a ReportData, category: Option<&'a str>) -> Vec<Row<'a>> {
    let labels = short_names(data);
    let rates = specific_rates(data, category);
    let rows = rates.map(|(condition_idx, rate)| Row {
        condition_idx,
        label: labels[condition_idx].clone(),
        name: visible(&data.conditions[condition_idx].name),
        rate,
    });
    rows.collect()
}

fn mapped<R>(groups: &[Group<'_>], row: impl Fn(&Row<'_>) -> R) -> Vec<(String, Vec<R>)> {
    let groups = groups.iter();
    groups
        .map(|(heading, rows)| (heading.clone(), rows.iter().map(&row).collect()))
        .collect()
}

fn description(form: &str, groups: &[Group<'_>], numbers: fn(&SpecificRate) -> String) -> String {
    let rows = groups.iter().flat_map(|(heading, rows)| {
        rows.iter().map(move |row| {
            let names = [heading.as_str(), row.name.as_str()];
            let names = names.into_iter().filter(|name| !name.is_empty()).join(", ");
            format!("{names}: {}", numbers(row.rate))
        })
    });
    format!("{form}. {}.", rows.collect::<Vec<_>>().join("; "))
}

/// The counts behind the rates, such as `n = 1760 verdicts on pairs with siblings in each condition, in 32 clusters`.
fn n_words(data: &ReportData, groups: &[Group<'_>]) -> String {
    let counts = |count: fn(&SpecificRate) -> usize| -> Vec<usize> {
        let all = groups.first().into_iter().flat_map(|(_, rows)| rows);
        all.map(|row| count(row.rate)).collect()
    };
    let clusters = range(counts(|rate| rate.n_clusters).into_iter(), "cluster");
    let pairs = counts(|rate| rate.n_pairs).into_iter();
    match data.enumeration {
        Some(params) => format!(
            "Exact: {}; n = {} with siblings in each condition, in {clusters}",
            enumeration_words(params),
            range(pairs, "prompt pair")
        ),
        None => format!(
            "n = {} on pairs with siblings in each condition, in {clusters}",
            range(pairs, "verdict")
        ),
    }
}

/// Says how p-values were found; empty where there are none.
fn p_words(groups: &[Group<'_>]) -> String {
    let mut rows = groups.iter().flat_map(|(_, rows)| rows);
    if rows.all(|row| row.rate.p_value.is_none()) {
        return String::new();
    }
    format!(
        " p, in the table: concepts permuted within templates, {} random permutations, seed {} (all, where they are fewer).",
        thousands(PERMUTATIONS.n_draws as usize),
        PERMUTATIONS.seed
    )
}

/// Explains the stars, and names the conditions that are not drawn; empty where there are neither.
fn named_words(data: &ReportData) -> String {
    let shown: Vec<usize> = specific_rates(data, None).map(|(idx, _)| idx).collect();
    let drawn = shown.iter().map(|&idx| &data.conditions[idx]);
    let are_short = short_names(data)
        .iter()
        .zip(&data.conditions)
        .any(|(short, it)| *short != visible(&it.name));
    let stars = if are_short {
        star_words(drawn)
    } else {
        String::new()
    };
    let conditions = data.conditions.iter().enumerate();
    let left_out = conditions.filter(|(idx, _)| !shown.contains(idx));
    let names = left_out.map(|(_, it)| visible(&it.name)).join(", ");
    let left_out = match names.as_str() {
        "" => String::new(),
        names => format!(" Left out, without comparisons with other concepts: {names}."),
    };
    stars + &left_out
}

fn specificity_text(rate: &SpecificRate) -> String {
    let p = rate
        .p_value
        .map_or(String::new(), |it| format!(", p\u{a0}{}", p_text(it.value)));
    figure_text(rate, Measure::Specificity) + &p
}

fn parts(rate: &SpecificRate) -> [f64; 3] {
    let measures = [
        Measure::PlaceboRate,
        Measure::Repetition,
        Measure::Association,
    ];
    measures.map(|measure| rate.figure(measure).value)
}

/// The sum in numbers, such as `57.2 + 0.9 − 0.3 = 57.8`.
fn sum_text(rate: &SpecificRate) -> String {
    let [first, others @ ..] = parts(rate);
    let others = others.map(|part| {
        let text = format!("{:.1}", part.abs());
        let sign = if part < 0.0 && text != "0.0" {
            '−'
        } else {
            '+'
        };
        format!("{sign} {text}")
    });
    format!(
        "{first:.1} {} = {:.1}",
        others.join(" "),
        rate.leak_rate.value
    )
}

fn specificity_table(data: &ReportData, groups: &[Group<'_>]) -> Table {
    let columns = [
        "category",
        "condition",
        "specificity, % (95 % interval)",
        "p",
        "by repetition, points",
        "by association, points",
        counted(data),
        "clusters",
    ];
    let cells = |rate: &SpecificRate| {
        [
            figure_text(rate, Measure::Specificity),
            rate.p_value
                .map_or("none".to_owned(), |it| p_value_text(it.value)),
            figure_text(rate, Measure::SpecificityRepetition),
            figure_text(rate, Measure::SpecificityAssociation),
            rate.n_pairs.to_string(),
            rate.n_clusters.to_string(),
        ]
    };
    table(&columns, groups, &cells)
}

fn parts_table(data: &ReportData, groups: &[Group<'_>]) -> Table {
    let columns = [
        "category",
        "condition",
        "Mean Leak-Rate, %",
        "placebo, % (95 % interval)",
        "repetition, points",
        "association, points",
        "specific leakage (both), points",
        counted(data),
    ];
    let cells = |rate: &SpecificRate| {
        [
            format!("{:.1}", rate.leak_rate.value),
            figure_text(rate, Measure::PlaceboRate),
            figure_text(rate, Measure::Repetition),
            figure_text(rate, Measure::Association),
            figure_text(rate, Measure::SpecificLeakage),
            rate.n_pairs.to_string(),
        ]
    };
    table(&columns, groups, &cells)
}

/// The noun of what the rates are means of.
fn counted(data: &ReportData) -> &'static str {
    match data.enumeration {
        Some(_) => "prompt pairs with siblings",
        None => "verdicts with siblings",
    }
}

fn table(
    columns: &[&str; 8],
    groups: &[Group<'_>],
    cells: &dyn Fn(&SpecificRate) -> [String; 6],
) -> Table {
    let rows = groups.iter().flat_map(|(heading, rows)| {
        rows.iter().map(move |row| {
            let category = match heading.as_str() {
                "" => "all",
                heading => heading,
            };
            let names = [category.to_owned(), row.name.clone()];
            names.into_iter().chain(cells(row.rate)).collect()
        })
    });
    Table {
        columns: columns.iter().map(|&name| name.to_owned()).collect(),
        rows: rows.collect(),
    }
}
