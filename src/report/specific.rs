//! The comparisons with other concepts, for people: the table beneath the rates, and what a rate shows in words.
//!
//! Owns columns and sentences. When a claim is made, `leakage` says.

use super::columns::{NAMING, condition_table, naming, p_value_text, points};
use crate::leakage::{Claim, Figure, LeakRate, Measure, Origin, PlaceboRate, SpecificRate};
use crate::results::ModelSummary;
use crate::stats::Interval;

/// The explanation of the figures.
pub(super) const LEGEND: &str = "Placebo: the same comparison with the control for generations whose prompt held another concept. Specific leakage, the Leak-Rate\n\
     less that, is 0 where it does not matter which concept stands in the prompt. Specificity: how often a generation is closer to the concept\n\
     of its prompt than generations for other concepts are; 50 % where it does not matter. p: concepts permuted within templates.\n\
     Repetition: the part from generations that hold a concept or restate a prompt; association: the rest.";

/// The table of all rates that have these comparisons; None where none has.
pub(super) fn specific_table(models: &[&ModelSummary]) -> Option<String> {
    let rows = models.iter().flat_map(|model| {
        let rates = model.leak_rates.iter().filter_map(|rate| {
            let specific = rate.specific.as_ref()?;
            Some((rate.category.as_deref(), specific))
        });
        let rates = rates.enumerate();
        rates.map(move |(row_idx, (category, specific))| {
            let mut cells = naming(model, row_idx == 0);
            cells.push(category.unwrap_or("all").to_owned());
            cells.extend(specific_cells(specific));
            cells
        })
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let figures = SPECIFIC_COLUMNS.map(|name| (name, false));
    let columns = [&NAMING[..], &[("category", true)], &figures].concat();
    (!rows.is_empty()).then(|| condition_table(&columns, &rows))
}

/// Placebo, specific leakage with its parts, specificity and its p-value.
pub(super) fn specific_cells(specific: &SpecificRate) -> [String; 6] {
    let figure = |measure| specific.figure(measure);
    let in_points = |measure| points(figure(measure).value);
    let with_range =
        |text: String, measure| format!("{text} ({})", range_of(figure(measure), measure));
    [
        percent(figure(Measure::PlaceboRate).value),
        with_range(
            in_points(Measure::SpecificLeakage),
            Measure::SpecificLeakage,
        ),
        in_points(Measure::Repetition),
        in_points(Measure::Association),
        with_range(
            percent(figure(Measure::Specificity).value),
            Measure::Specificity,
        ),
        specific
            .p_value
            .map_or("none".to_owned(), |it| p_value_text(it.value)),
    ]
}

/// The names of the columns of [`specific_cells`].
pub(super) const SPECIFIC_COLUMNS: [&str; 6] = [
    "placebo",
    "specific leakage",
    "= repetition",
    "+ association",
    "specificity",
    "p",
];

fn percent(value: f64) -> String {
    format!("{value:.1} %")
}

/// The ends of a figure's interval.
pub(super) fn range_of(figure: &Figure, measure: Measure) -> String {
    figure
        .interval
        .map_or("no interval".to_owned(), |interval| {
            range_text(interval, measure)
        })
}

fn range_text(interval: Interval, measure: Measure) -> String {
    let ends = [interval.lower, interval.upper];
    let [lower, upper] = match measure.is_in_points() {
        true => ends.map(points),
        false => ends.map(|end| format!("{end:.1}")),
    };
    format!("{lower} to {upper}")
}

/// Says what the leak rate of a condition shows, in a sentence or two.
pub(super) fn claim_words(name: &str, rate: &LeakRate) -> String {
    let Some(specific) = &rate.specific else {
        return no_siblings_words(name, rate);
    };
    let figure = |measure| specific.figure(measure);
    let specificity = format!(
        "specificity {} ({}, p {})",
        percent(figure(Measure::Specificity).value),
        interval_words(figure(Measure::Specificity)),
        specific
            .p_value
            .map_or("none".to_owned(), |it| p_value_text(it.value)),
    );
    let leak_rate = format!(
        "the Leak-Rate of pairs with siblings, {}, is {} for other concepts in the prompt and {} points for this one",
        percent(specific.leak_rate.value),
        percent(figure(Measure::PlaceboRate).value),
        points(figure(Measure::SpecificLeakage).value),
    );
    match rate.claim() {
        Claim::Leaks(origin) => format!(
            "{name} leaks: {specificity}; {leak_rate}. {}",
            origin_words(specific, origin)
        ),
        Claim::Avoids => format!(
            "{name} keeps away from its concept: {specificity}, below the 50 % of no leakage; {leak_rate}."
        ),
        Claim::SlotRaises => format!(
            "{name}: what stands in the slot matters, but not measurably which concept: {specificity}, where 50 % is no leakage; {leak_rate}."
        ),
        Claim::SlotLowers => format!(
            "{name}: what stands in the slot makes generations less like the concepts, but not measurably which concept: {specificity}, where 50 % is no leakage; {leak_rate}."
        ),
        Claim::CannotTell | Claim::NoSiblings => format!(
            "{name}: cannot tell at this size: {specificity}, where 50 % is no leakage; {leak_rate}."
        ),
    }
}

/// The interval of a rate in a sentence.
fn interval_words(figure: &Figure) -> String {
    figure
        .interval
        .map_or("no interval: a single cluster".to_owned(), |interval| {
            format!(
                "95 % interval {:.1} to {:.1}",
                interval.lower, interval.upper
            )
        })
}

fn origin_words(specific: &SpecificRate, origin: Origin) -> String {
    let part = |measure: Measure| {
        let figure = specific.figure(measure);
        format!("{} ({})", points(figure.value), range_of(figure, measure))
    };
    let what = match origin {
        Origin::Repetition => {
            "It repeats the concept or the prompt; association cannot be told from 0"
        }
        Origin::Association => "It associates; repetition cannot be told from 0",
        Origin::Both => "It repeats the concept and associates with it",
        Origin::Unclear => "Repetition and association cannot be told apart",
    };
    format!(
        "{what}: of specificity above 50 %, repetition is {} points and association {}.",
        part(Measure::SpecificityRepetition),
        part(Measure::SpecificityAssociation)
    )
}

fn no_siblings_words(name: &str, rate: &LeakRate) -> String {
    match &rate.anchors {
        None if rate.is_compared => format!(
            "{name}: no pair has siblings, so nothing tells leakage from what any word in the slot does."
        ),
        None => format!(
            "{name}: no comparison with other concepts is stored (`seep score` makes it), so nothing tells leakage from what any word in the slot does."
        ),
        Some(anchors) => format!(
            "{name}: no pair has siblings, so nothing tells leakage from what any word in the slot does. {}",
            anchor_words(anchors)
        ),
    }
}

/// Says how the Leak-Rate of pairs without siblings compares with the placebo of anchors.
pub(super) fn anchor_words(anchors: &PlaceboRate) -> String {
    format!(
        "By the similarity to other concepts the same generations have {} where their own has {} ({} points, {}); this weaker placebo has no exact null.",
        percent(anchors.rate.value),
        percent(anchors.mean_leak_rate),
        points(anchors.difference.value),
        range_of(&anchors.difference, Measure::SpecificLeakage)
    )
}

/// Says what neutral fillers do in the slot.
pub(super) fn filler_words(fillers: &PlaceboRate) -> String {
    format!(
        "With a neutral filler in the slot the rate is {} where the concept has {} ({} points, {}): that is what any modifier does.",
        percent(fillers.rate.value),
        percent(fillers.mean_leak_rate),
        points(fillers.difference.value),
        range_of(&fillers.difference, Measure::SpecificLeakage)
    )
}
