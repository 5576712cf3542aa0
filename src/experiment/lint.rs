//! The warnings about an experiment that can run.
//!
//! Owns the warnings that need several texts beside each other. What keeps an experiment from running (a control prompt
//! that holds the concept, a test prompt that comes twice) is an error and found by `prompts` and `expand`; that a test
//! prompt has a control prompt, the format sees to.

use std::collections::{BTreeMap, HashMap, HashSet};

use itertools::Itertools as _;

use super::balance::{Balance, are_even, range};
use super::expand::ExpandedPair;
use super::families::ConceptFamilies;
use super::problem::Problem;
use super::prompts::{FreePair, Placed, Template};
use crate::words::{folded, has_no_sentence_marks, seen};

/// Pairs without their concept among which one with a swapped concept is looked for.
const N_SWAPPABLE_MAX: usize = 100;
/// Templates, or concepts, that a warning names at most.
const N_NAMED_MAX: usize = 5;

/// All warnings, by kind.
pub(crate) fn lint(
    templates: &[Template],
    free_pairs: &[FreePair],
    concepts: &[Placed],
    pairs: &[ExpandedPair],
) -> Vec<Problem> {
    let mut warnings = absent_concepts(free_pairs);
    warnings.extend(controls_that_are_tests(templates, free_pairs, pairs));
    warnings.extend(unused_concepts(templates, concepts));
    warnings
}

/// Free pairs whose test prompt does not hold the concept, in any letter case; two of them may have been swapped.
fn absent_concepts(free_pairs: &[FreePair]) -> Vec<Problem> {
    let absent: Vec<&FreePair> = free_pairs
        .iter()
        .filter(|pair| !holds(&pair.test, &pair.concept))
        .collect();
    let warning = |pair: &&FreePair| {
        let concept = &pair.concept.text;
        let message = format!("the test prompt does not hold its concept `{concept}`");
        let is_swapped = |other: &&&FreePair| {
            holds(&pair.test, &other.concept) && holds(&other.test, &pair.concept)
        };
        let others = &absent[..absent.len().min(N_SWAPPABLE_MAX)];
        let label = match others.iter().find(is_swapped) {
            Some(other) => format!(
                "it holds `{}`, whose own prompt holds `{concept}`: are they swapped?",
                other.concept.text
            ),
            None => "is the word spelt differently here?".to_owned(),
        };
        Problem::warning(&pair.test.position, message)
            .label(label)
            .earlier(&pair.concept.position, "the concept")
    };
    absent.iter().map(warning).collect()
}

fn holds(prompt: &Placed, concept: &Placed) -> bool {
    folded(&prompt.text).contains(&folded(&concept.text))
}

/// Control prompts that are the test prompt of another pair, and so carry a concept.
fn controls_that_are_tests(
    templates: &[Template],
    free_pairs: &[FreePair],
    pairs: &[ExpandedPair],
) -> Vec<Problem> {
    let tests: HashMap<String, &str> = pairs
        .iter()
        .map(|pair| (seen(&pair.test), pair.concept.as_str()))
        .collect();
    let controls = templates.iter().map(|template| &template.control);
    let controls = controls.chain(free_pairs.iter().map(|pair| &pair.control));
    let warning = |control: &Placed| {
        let concept = tests.get(&seen(&control.text))?;
        let message = "the control prompt is itself a test prompt";
        Some(
            Problem::warning(&control.position, message)
                .label(format!("it is the one with the concept `{concept}`")),
        )
    };
    controls.filter_map(warning).collect()
}

/// Top-level concepts that no template takes, because each has concepts of its own.
fn unused_concepts(templates: &[Template], concepts: &[Placed]) -> Vec<Problem> {
    if templates.iter().any(|template| template.concepts.is_none()) {
        return Vec::new();
    }
    let own = templates
        .iter()
        .filter_map(|template| template.concepts.as_ref());
    let used: HashSet<&str> = own.flatten().map(|concept| concept.text.as_str()).collect();
    let unused = concepts
        .iter()
        .filter(|concept| !used.contains(concept.text.as_str()));
    unused
        .map(|concept| {
            let message = format!("no template takes the concept `{}`", concept.text);
            Problem::warning(&concept.position, message)
                .label("every template has concepts of its own")
        })
        .collect()
}

/// Categories in which some template has concepts of its own, and concepts or pairs of them do not come equally often.
pub(crate) fn unbalanced(
    templates: &[Template],
    concepts: &[Placed],
    families: &ConceptFamilies,
) -> Vec<Problem> {
    let categories = templates.iter().map(|template| template.category.as_str());
    let of_category = categories.unique().flat_map(|category| {
        let of = templates.iter().filter(|it| it.category == category);
        let of: Vec<&Template> = of.collect();
        let mut own = of.iter().filter_map(|it| it.concepts.as_ref()?.first());
        own.next().map_or_else(Vec::new, |first| {
            of_category(first, &of, concepts, families)
        })
    });
    of_category.collect()
}

fn of_category(
    first: &Placed,
    templates: &[&Template],
    concepts: &[Placed],
    families: &ConceptFamilies,
) -> Vec<Problem> {
    let concept = |concept: &Placed| {
        let family = families.of(&concept.text).unwrap_or(&concept.text);
        (concept.text.clone(), family.to_lowercase())
    };
    let held = templates.iter().map(|template| {
        let held = template.concepts.as_deref().unwrap_or(concepts);
        held.iter().map(concept).collect()
    });
    let Some(found) = Balance::of(&held.collect::<Vec<_>>()) else {
        return Vec::new();
    };
    let category = &templates[0].category;
    let n_concepts = found.n_of_concepts.iter();
    let n_concepts = n_concepts.map(|(concept, n)| (format!("`{concept}`"), *n));
    let n_two = found.n_of_two.iter();
    let n_two = n_two.map(|([a, b], n)| (format!("`{a}` and `{b}`"), *n));
    let uneven = [
        (
            "concepts do not fill equally many templates",
            n_concepts.collect(),
        ),
        (
            "pairs of concepts do not meet equally often in a template",
            n_two.collect(),
        ),
    ];
    let uneven = uneven.into_iter().filter(|(_, counts)| !are_even(counts));
    let warning = |(message, counts): (&str, BTreeMap<String, usize>)| {
        let message = format!("in the category `{category}` {message}");
        Problem::warning(&first.position, message).label(extremes(&counts))
    };
    uneven.map(warning).collect()
}

/// The rarest and the commonest with their numbers.
fn extremes(counts: &BTreeMap<String, usize>) -> String {
    let [least, most] = range(counts.values().copied()).unwrap_or_default();
    let named = |n: usize| {
        let of_n = counts.iter().filter(|(_, found)| **found == n);
        listed(&of_n.map(|(name, _)| name.clone()).collect::<Vec<_>>())
    };
    format!(
        "fewest templates: {least} of {}; most: {most} of {}",
        named(least),
        named(most)
    )
}

/// The first few, and how many more there are.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(N_NAMED_MAX).cloned();
    let n_more = names.len().saturating_sub(N_NAMED_MAX);
    let more = (n_more > 0).then(|| format!("{n_more} more"));
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

/// Top-level fillers that no template takes.
pub(crate) fn unused_fillers(templates: &[Template], fillers: &[Placed]) -> Option<Problem> {
    let mut takers = templates.iter().filter(|it| it.fillers.is_none());
    let first = fillers.first().filter(|_| takers.next().is_none())?;
    let warning = Problem::warning(&first.position, "no template takes the fillers");
    Some(warning.label("every template has fillers of its own, or there is none"))
}

/// A warning about prompts of a script in which `sentence_end` ends no text.
pub(crate) fn without_sentence_end(pairs: &[ExpandedPair]) -> Option<Problem> {
    let first = pairs.iter().find(|it| has_no_sentence_marks(&it.test))?;
    let message = "`sentence_end` knows no end of a sentence in Thai or Lao";
    Some(
        Problem::warning(&first.test_position, message)
            .label("texts go on from here to `max_tokens`")
            .hint("list strings under `stop` instead, such as a line break"),
    )
}

/// One warning about all templates whose concepts are of one family: no other concept fills their slot.
pub(crate) fn without_placebo(
    templates: &[Template],
    concepts: &[Placed],
    families: &ConceptFamilies,
) -> Option<Problem> {
    let n_families = |template: &Template| {
        let concepts = template.concepts.as_deref().unwrap_or(concepts).iter();
        let names = concepts.map(|concept| {
            let family = families.of(&concept.text).unwrap_or(&concept.text);
            family.to_lowercase()
        });
        names.collect::<HashSet<_>>().len()
    };
    let alone = templates.iter().filter(|template| n_families(template) < 2);
    let alone: Vec<&Template> = alone.collect();
    let named = alone.iter().map(|template| format!("`{}`", template.id));
    let (named, first) = (listed(&named.collect::<Vec<_>>()), alone.first()?);
    let message = match alone.len() {
        1 => format!("1 template has no placebo: {named}"),
        n_alone => format!("{n_alone} templates have no placebo: {named}"),
    };
    let warning = Problem::warning(&first.test.position, message);
    Some(warning.label("no concept of another family fills this slot"))
}
