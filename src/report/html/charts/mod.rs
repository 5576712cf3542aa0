//! The report's figures: what each shows, what is said under it, and its numbers as a table.
//!
//! Owns titles, captions and descriptions. How a figure is drawn, `figure` says; what the numbers are, `leakage`.

mod difference;
mod drift;
mod rate;
mod repeat;

use std::collections::BTreeSet;

use serde::Serialize;

use super::words::{count, enumeration_words};
use crate::report::figure::Figure;
use crate::report::text::visible;
use crate::results::{ReportCondition, ReportData, ReportRate};

/// How the intervals of rates are made; the source is in `stats`.
const METHOD: &str = "Intervals: 95 %, cluster-robust standard errors (CR2), Student’s t with Satterthwaite’s degrees of freedom; all pairs that share a control prompt are one cluster.";

/// A figure with its numbers.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) figure: Figure,
    pub(super) table: Table,
}

/// Numbers as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<const N: usize>(columns: [&str; N], rows: Vec<[String; N]>) -> Self {
        Self {
            columns: columns.map(str::to_owned).into(),
            rows: rows.into_iter().map(Vec::from).collect(),
        }
    }
}

/// All figures that the data have something for, in the order of the page.
pub(super) fn charts(data: &ReportData) -> Vec<Chart> {
    let found = [
        rate::by_condition(data),
        rate::by_bits(data),
        rate::by_category(data),
        rate::grid_of_sizes(data),
        difference::forest(data),
        difference::flips(data),
        drift::against_difference(data),
        repeat::repeats(data),
        repeat::echoes(data),
    ];
    found.into_iter().flatten().collect()
}

/// What rates are over, such as `n = 1980 verdicts of 396 prompt pairs in each condition, in 76 clusters`.
fn n_words(data: &ReportData) -> String {
    let rates = || {
        data.conditions
            .iter()
            .filter_map(|condition| condition.leak_rates.first())
    };
    if let Some(params) = data.enumeration {
        let pairs = range(rates().map(|rate| rate.n_pairs), "prompt pair");
        let clusters = range(rates().map(|rate| rate.n_clusters), "cluster");
        return format!(
            "Exact: {}; n = {pairs} in each condition, in {clusters}",
            enumeration_words(params)
        );
    }
    let verdicts = range(rates().map(|rate| rate.n_pairs), "verdict");
    let clusters = range(rates().map(|rate| rate.n_clusters), "cluster");
    format!(
        "n = {verdicts} of {} in each condition, in {clusters}",
        count(data.pairs.len(), "prompt pair")
    )
}

/// One number where all are equal, else the smallest and the largest.
fn range(numbers: impl Iterator<Item = usize> + Clone, noun: &str) -> String {
    let (min, max) = (
        numbers.clone().min().unwrap_or(0),
        numbers.max().unwrap_or(0),
    );
    if min == max {
        count(max, noun)
    } else {
        format!("{min} to {}", count(max, noun))
    }
}

/// The names of series in the order in which they first appear, and the number of each item's series.
fn series<'a>(names: impl Iterator<Item = &'a str>) -> (Vec<String>, Vec<usize>) {
    let mut found: Vec<String> = Vec::new();
    let numbers = names.map(|name| {
        found
            .iter()
            .position(|known| known == name)
            .unwrap_or_else(|| {
                found.push(name.to_owned());
                found.len() - 1
            })
    });
    let numbers = numbers.collect();
    (found, numbers)
}

/// The quantization as a figure has room for it: starred where something makes the file unlike others, and then without
/// what it was derived from.
fn starred(condition: &ReportCondition) -> String {
    let quantization = &condition.model.quantization;
    if condition.marks.is_empty() {
        return visible(quantization);
    }
    let made = quantization.split_once("-from-").map(|(made, _)| made);
    visible(&format!("{}*", made.unwrap_or(quantization)))
}

/// What the stars stand for, such as ` Q2_K*: requantized from Q4_K_M.`; empty where there are none.
fn star_words<'a>(conditions: impl Iterator<Item = &'a ReportCondition>) -> String {
    let starred_ones = conditions.filter(|condition| !condition.marks.is_empty());
    let words: BTreeSet<String> = starred_ones
        .map(|condition| {
            let marks = visible(&condition.marks.join(", "));
            format!(" {}: {marks}.", starred(condition))
        })
        .collect();
    words.into_iter().collect()
}

/// Whether a model file is there under several sampling values, which bits per weight and size cannot tell apart.
fn has_sweep(data: &ReportData) -> bool {
    let mut conditions = data.conditions.iter().enumerate();
    conditions.any(|(idx, condition)| {
        let mut before = data.conditions[..idx].iter();
        before.any(|it| it.is_same_file(condition))
    })
}

/// The rate of all categories together, of each condition that has one.
fn overall(data: &ReportData) -> impl Iterator<Item = (usize, &ReportRate)> {
    let conditions = data.conditions.iter().enumerate();
    conditions.filter_map(|(idx, condition)| Some((idx, condition.leak_rates.first()?)))
}
