//! The report in words.
//!
//! Owns the answer: what is said of leak rates, and in which order everything is said. No sentence claims more than
//! its interval does. What is said of differences and trends, `compare::words` owns.

use crate::generation::{EnumerationParams, joined_label};
use crate::leakage::LeakRate;
use crate::report::columns::{certain_text, concepts_words, kappa_text, rate_text};
use crate::report::compare::conclusions::{
    conclusions_words, other_difference_words, similarity_name,
};
use crate::report::compare::words::{
    certain_words, difference_words, few_clusters_words, trend_words,
};
use crate::report::seen::seen_words;
use crate::report::specific::{claim_words, filler_words};
use crate::report::text::visible;
use crate::report::wordings::{Worded, mean_note, spread_words};
use crate::results::{ReportCondition, ReportData};

/// A part of the answer: what it is about, and its sentences.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct AnswerPart {
    pub(super) heading: String,
    pub(super) sentences: Vec<String>,
}

/// The answer to the experiment's question, as far as the numbers give one.
pub(super) fn answer(data: &ReportData) -> Vec<AnswerPart> {
    let parts = [
        ("Does it leak?", leak_sentences(data)),
        (difference_question(data), difference_sentences(data)),
        ("How far does the wording move it?", wording_sentences(data)),
        (
            "Does it follow the bits per weight?",
            data.trends.iter().map(trend_words).collect(),
        ),
        (
            "Do other metrics and encoders say the same?",
            similarity_sentences(data),
        ),
        ("How far this goes", caution_sentences(data)),
    ];
    let said = parts
        .into_iter()
        .filter(|(_, sentences)| !sentences.is_empty());
    said.map(|(heading, sentences)| AnswerPart {
        heading: heading.to_owned(),
        sentences: sentences.iter().map(|sentence| visible(sentence)).collect(),
    })
    .collect()
}

fn leak_sentences(data: &ReportData) -> Vec<String> {
    data.conditions
        .iter()
        .map(|condition| rate_words(condition, &data.cluster_unit))
        .collect()
}

/// Says what the rates of one condition show.
pub(super) fn rate_words(condition: &ReportCondition, unit: &str) -> String {
    let name = &condition.name;
    let Some(rate) = condition.leak_rates.first() else {
        return format!("{name}: no verdict is stored.");
    };
    let mut words = claim_words(name, rate);
    let Some(interval) = rate.interval else {
        return format!(
            "{words} All prompts share one {unit}, so nothing shows how far figures would vary."
        );
    };
    let bounds = rate.bounds();
    words += &format!(
        " Its Mean Leak-Rate over all pairs is {} % (95 % interval {:.1} to {:.1})",
        rate_text(rate.mean_leak_rate, bounds),
        interval.lower,
        interval.upper
    );
    let certainly = bounds.map(|it| format!(", certainly {} for these prompts", certain_text(it)));
    words += &certainly.unwrap_or_default();
    words += ".";
    let fillers = rate.fillers.as_ref().map(filler_words);
    [words]
        .into_iter()
        .chain(fillers)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Says what the means over wordings are, and how far figures differ between wordings and between quantizations.
fn wording_sentences(data: &ReportData) -> Vec<String> {
    let conditions = data.conditions.iter().filter(|it| !it.is_mean());
    let worded = conditions.filter_map(|condition| {
        Some(Worded {
            model: joined_label(&condition.model.name, [&condition.sampling_label, ""]),
            quantization: &condition.model.quantization,
            wording: &condition.wording_label,
            rate: condition.leak_rates.first()?,
        })
    });
    let spread = spread_words(&worded.collect::<Vec<_>>());
    let mut means = data.conditions.iter().map(|it| &*it.mean_over);
    let note = mean_note(means.find(|names| !names.is_empty()));
    let note = note.map(|note| note.replace('\n', " "));
    note.into_iter().chain(spread).collect()
}

/// Returns the question that the comparisons answer: about model files, sampling values or wordings of one file, or both.
fn difference_question(data: &ReportData) -> &'static str {
    let are_same_file = data.comparisons.iter().flat_map(|base| {
        let conditions = base
            .others
            .iter()
            .map(|other| &data.conditions[other.condition_idx]);
        conditions.map(|other| data.conditions[base.base_idx].is_same_file(other))
    });
    let (of_samplings, of_files): (Vec<bool>, Vec<bool>) = are_same_file.partition(|same| *same);
    let has_wordings = data
        .conditions
        .iter()
        .any(|it| !it.wording_label.is_empty());
    match (of_samplings.is_empty(), of_files.is_empty(), has_wordings) {
        (true, ..) => "Does quantization or size change it?",
        (false, true, false) => "Do the sampling values change it?",
        (false, true, true) => "Do the sampling values or the wording change it?",
        (false, false, false) => "Does quantization, size or a sampling value change it?",
        (false, false, true) => {
            "Does quantization, size, a sampling value or the wording change it?"
        }
    }
}

fn difference_sentences(data: &ReportData) -> Vec<String> {
    let mut sentences = Vec::new();
    for base in &data.comparisons {
        let base_name = &data.conditions[base.base_idx].name;
        let n_comparisons = base
            .others
            .iter()
            .filter(|other| other.found.comparison.is_some())
            .count();
        for other in &base.others {
            let name = &other.found.name;
            sentences.push(difference_words(
                &data.cluster_unit,
                &other.found,
                n_comparisons,
            ));
            let found = other.found.comparison.as_ref();
            let bounds = found.and_then(|found| found.bounds);
            sentences.extend(
                bounds.map(|bounds| certain_words(base_name, name, bounds.lower, bounds.upper)),
            );
        }
    }
    sentences
}

/// Says of other metrics and encoders how often their verdicts are those that are shown, what differences they find,
/// and whether the conclusions are the same.
fn similarity_sentences(data: &ReportData) -> Vec<String> {
    let shown = similarity_name(&data.metric, &data.embedding_model.name);
    let agreements = data.agreements.iter().map(|found| {
        format!(
            "{}: {:.1} % of the verdicts by {} are those by {shown} (kappa {}, {}).",
            found.condition,
            100.0 * found.share,
            similarity_name(&found.metric, &found.embedding_model),
            kappa_text(found.kappa),
            count(found.n, "verdict")
        )
    });
    let mut sentences: Vec<String> = agreements.collect();
    for base in &data.comparisons {
        for other in &base.others {
            let found = &other.found;
            let differences = found.other_metrics.iter();
            sentences
                .extend(differences.map(|other| other_difference_words(&found.name, other) + "."));
            sentences.extend(conclusions_words(&shown, found));
        }
    }
    sentences
}

fn caution_sentences(data: &ReportData) -> Vec<String> {
    let mut sentences = Vec::new();
    // Continuations that are enumerated hang on no draw but those of tails.
    if let (Some(seed), None) = (data.seed, data.enumeration) {
        // The page shows no marks of code.
        let seen = seen_words(data.n_seeds, seed, &data.experiment.name);
        sentences.push(seen.replace('`', ""));
    }
    sentences.push(format!(
        "The intervals speak of prompts like these, of the models and sampling values of this experiment, and of nothing else. {}",
        concepts_words(data.concepts)
    ));
    if data.enumeration.is_some() {
        sentences.push("Continuations were enumerated: a rate is that of these prompts and has no luck of draws in it but what the draws of uncovered tails add; what was not enumerated is in what is certain. The intervals are for the choice of prompts alone.".to_owned());
    }
    if data.conditions.len() > 1 {
        sentences.push("Each interval of a rate holds by itself: of twenty such intervals one is expected to miss its rate. Whether two conditions differ, only a comparison of the same prompts says.".to_owned());
    }
    sentences.extend(data.numerics_note.iter().map(|note| format!("{note}.")));
    let rates = data
        .conditions
        .iter()
        .filter_map(|condition| condition.leak_rates.first());
    let n_clusters = rates.map(|rate| rate.n_clusters).min();
    sentences.extend(n_clusters.and_then(|n| few_clusters_words(n, &data.cluster_unit)));
    sentences
}

/// A leak rate in a few characters, such as `58.3 (54.4 to 62.3)`.
pub(super) fn rate_numbers(rate: &LeakRate) -> String {
    format!("{:.1} ({})", rate.mean_leak_rate, rate_interval(rate))
}

/// Its interval, such as `54.4 to 62.3`.
pub(super) fn rate_interval(rate: &LeakRate) -> String {
    rate.interval.map_or("no interval".to_owned(), |interval| {
        format!("{:.1} to {:.1}", interval.lower, interval.upper)
    })
}

/// How far continuations were enumerated.
pub(super) fn enumeration_words(params: EnumerationParams) -> String {
    format!(
        "continuations enumerated to a coverage of {}, with {} at most for each prompt, then {} of the tail",
        params.coverage,
        count(params.max_rows_per_prompt as usize, "row"),
        count(params.n_tail_draws as usize, "draw")
    )
}

/// A number of things with its noun.
pub(super) fn count(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(n))
}

/// A number with spaces between groups of three digits, from five digits on.
pub(super) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut text = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(9999), "9999");
        assert_eq!(thousands(1_234_567), "1\u{a0}234\u{a0}567");
        assert_eq!(count(1, "prompt"), "1 prompt");
        assert_eq!(count(0, "prompt"), "0 prompts");
    }
}
