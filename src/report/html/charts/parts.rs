//! The texts that several figures share, and the conditions they show.

use std::collections::BTreeSet;

use itertools::Itertools as _;

use crate::leakage::{LeakRate, Measure, SpecificRate};
use crate::report::columns::{self, concepts_words, p_value_text};
use crate::report::html::words::{count, enumeration_words};
use crate::report::specific::range_of;
use crate::report::text::visible;
use crate::results::{ReportCondition, ReportData};

/// How the intervals of rates are made; the source is in `stats`.
const METHOD: &str = "Intervals: 95 %, cluster-robust standard errors (CR2), Student’s t with Satterthwaite’s degrees of freedom; all pairs that share a control prompt are one cluster.";

/// Says how intervals are computed and what they are for.
pub(super) fn method(data: &ReportData) -> String {
    format!("{METHOD} {}", concepts_words(data.concepts))
}

/// Returns the counts of the rates, such as `n = 1980 verdicts of 396 prompt pairs in each condition, in 76 clusters`.
pub(super) fn n_words(data: &ReportData) -> String {
    let rates = || {
        // Of a mean over wordings a pair counts once.
        let conditions = data.conditions.iter().filter(|it| !it.is_mean());
        conditions.filter_map(|condition| condition.leak_rates.first())
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

/// The names of conditions as a figure with rows has room for them: starred, unless two would then be the same.
pub(super) fn short_names(data: &ReportData) -> Vec<String> {
    let short = |condition: &ReportCondition| {
        let (name, quantization) = (&condition.name, &condition.model.quantization);
        match name.rsplit_once(quantization.as_str()) {
            Some((before, after)) => visible(before) + &starred(condition) + &visible(after),
            None => visible(name),
        }
    };
    let names: Vec<String> = data.conditions.iter().map(short).collect();
    if names.iter().all_unique() {
        return names;
    }
    let conditions = data.conditions.iter();
    conditions.map(|it| visible(&it.name)).collect()
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

/// The same with its condition.
pub(super) fn overall_rates(data: &ReportData) -> Vec<(&ReportCondition, &LeakRate)> {
    let rates = overall(data).map(|(idx, rate)| (&data.conditions[idx], rate));
    rates.collect()
}

/// The comparisons with other concepts of a category, or of all together, of each condition that has them.
pub(super) fn specific_rates<'a>(
    data: &'a ReportData,
    category: Option<&'a str>,
) -> impl Iterator<Item = (usize, &'a SpecificRate)> {
    let conditions = data.conditions.iter().enumerate();
    conditions.filter_map(move |(idx, condition)| {
        let is_meant = |rate: &&LeakRate| rate.category.as_deref() == category;
        let rate = condition.leak_rates.iter().find(is_meant)?;
        Some((idx, rate.specific.as_ref()?))
    })
}

/// The categories, in the order in which they first appear.
pub(super) fn categories(data: &ReportData) -> Vec<&str> {
    let rates = data.conditions.iter().flat_map(|it| &it.leak_rates);
    let named = rates.filter_map(|rate| rate.category.as_deref());
    named.unique().collect()
}

/// Says what 50 % of a Leak-Rate is, and what else tells leakage; `place` names it, such as `At 50 %`.
pub(super) fn fifty_words(data: &ReportData, place: &str) -> String {
    let slot =
        "a word in the slot that changes nothing gives that rate, and so may one that matters";
    match has_specific(data) {
        true => format!(
            "{place}: {slot}; that it matters which word stands there, only specificity says."
        ),
        false => format!(
            "{place}: {slot}; no comparison with other concepts is there, so nothing tells leakage from what any word in the slot does."
        ),
    }
}

/// The same under a figure in which a dashed line is at 50 %.
pub(super) fn dashed_words(data: &ReportData) -> String {
    fifty_words(data, "The dashed line is at 50 %")
}

/// True if some pair has siblings.
pub(super) fn has_specific(data: &ReportData) -> bool {
    specific_rates(data, None).next().is_some()
}

/// Points with their sign, as a page writes it.
pub(super) fn points(points: f64) -> String {
    columns::points(points).replace('-', "−")
}

/// A figure with its interval, as a page writes it: `61.0 (58.0 to 64.0)` or `+2.0 (−1.0 to +5.0)`.
pub(super) fn figure_text(rate: &SpecificRate, measure: Measure) -> String {
    let figure = rate.figure(measure);
    let value = match measure.is_in_points() {
        true => columns::points(figure.value),
        false => format!("{:.1}", figure.value),
    };
    format!("{value} ({})", range_of(figure, measure)).replace('-', "−")
}

/// A p-value behind its letter: `= 0.040` or `< 0.001`.
pub(super) fn p_text(p_value: f64) -> String {
    let text = p_value_text(p_value);
    if text.starts_with('<') {
        text
    } else {
        format!("= {text}")
    }
}
