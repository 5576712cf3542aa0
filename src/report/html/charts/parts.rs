//! The texts that several figures share, and the conditions they show.

use std::collections::BTreeSet;

use crate::leakage::LeakRate;
use crate::report::html::words::{count, enumeration_words};
use crate::report::text::visible;
use crate::results::{ReportCondition, ReportData};

/// How the intervals of rates are made; the source is in `stats`.
pub(super) const METHOD: &str = "Intervals: 95 %, cluster-robust standard errors (CR2), Student’s t with Satterthwaite’s degrees of freedom; all pairs that share a control prompt are one cluster.";

/// Returns the counts of the rates, such as `n = 1980 verdicts of 396 prompt pairs in each condition, in 76 clusters`.
pub(super) fn n_words(data: &ReportData) -> String {
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
pub(super) fn range(numbers: impl Iterator<Item = usize> + Clone, noun: &str) -> String {
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
pub(super) fn series<'a>(names: impl Iterator<Item = &'a str>) -> (Vec<String>, Vec<usize>) {
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
pub(super) fn starred(condition: &ReportCondition) -> String {
    let quantization = &condition.model.quantization;
    if condition.marks.is_empty() {
        return visible(quantization);
    }
    let made = quantization.split_once("-from-").map(|(made, _)| made);
    visible(&format!("{}*", made.unwrap_or(quantization)))
}

/// Explains the stars, such as ` Q2_K*: requantized from Q4_K_M.`; empty where there are none.
pub(super) fn star_words<'a>(conditions: impl Iterator<Item = &'a ReportCondition>) -> String {
    let starred_ones = conditions.filter(|condition| !condition.marks.is_empty());
    let words: BTreeSet<String> = starred_ones
        .map(|condition| {
            let marks = visible(&condition.marks.join(", "));
            format!(" {}: {marks}.", starred(condition))
        })
        .collect();
    words.into_iter().collect()
}

/// True if a model file is there under several sampling values, which bits per weight and size cannot tell apart.
pub(super) fn has_sweep(data: &ReportData) -> bool {
    let mut conditions = data.conditions.iter().enumerate();
    conditions.any(|(idx, condition)| {
        let mut before = data.conditions[..idx].iter();
        before.any(|it| it.is_same_file(condition))
    })
}

/// The rate of all categories together, of each condition that has one.
pub(super) fn overall(data: &ReportData) -> impl Iterator<Item = (usize, &LeakRate)> {
    let conditions = data.conditions.iter().enumerate();
    conditions.filter_map(|(idx, condition)| Some((idx, condition.leak_rates.first()?)))
}
