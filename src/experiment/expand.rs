//! From templates and concepts to prompt pairs.
//!
//! Owns the order of the pairs (templates in file order, each with its concepts in their order,
//! then the free pairs) and the checks that need all of them: doubled prompts, and how many.

use std::collections::{HashMap, HashSet};

use super::problem::Problem;
use super::prompts::{FreePair, Placed, Template};
use super::slot::CONCEPT_SLOT;
use super::source::Position;

/// Pairs that an experiment can have.
const PAIRS_MAX: usize = 100_000;

/// A pair of prompts with its texts.
#[derive(Debug, Clone)]
pub(crate) struct ExpandedPair {
    pub(crate) concept: String,
    pub(crate) category: String,
    pub(crate) template_id: Option<String>,
    pub(crate) test: String,
    pub(crate) control: String,
    /// Where the text of the test prompt stands.
    test_position: Position,
}

/// All pairs; None, with a problem, where there are too many to hold.
pub(crate) fn expand(
    templates: &[Template],
    free_pairs: &[FreePair],
    concepts: &[Placed],
    problems: &mut Vec<Problem>,
) -> Option<Vec<ExpandedPair>> {
    let own = |template: &Template| template.concepts.as_deref().unwrap_or(concepts).len();
    let n_pairs = templates.iter().map(own).sum::<usize>() + free_pairs.len();
    let first = templates.first().map(|template| &template.test.position);
    let first = first.or(free_pairs.first().map(|pair| &pair.test.position));
    if let Some(problem) = first.and_then(|position| too_many_pairs(n_pairs, position)) {
        problems.push(problem);
        return None;
    }
    let mut pairs = Vec::with_capacity(n_pairs);
    for template in templates {
        let concepts = template.concepts.as_deref().unwrap_or(concepts);
        let filled = concepts.iter().map(|concept| fill(template, concept));
        pairs.extend(filled);
    }
    pairs.extend(free_pairs.iter().map(free));
    Some(pairs)
}

/// The problem with so many pairs; None where they can be held.
pub(crate) fn too_many_pairs(n_pairs: usize, position: &Position) -> Option<Problem> {
    let message = format!("{n_pairs} prompt pairs are too many");
    let problem =
        || Problem::error(position, message).label(format!("expected at most {PAIRS_MAX}"));
    (n_pairs > PAIRS_MAX).then(problem)
}

fn fill(template: &Template, concept: &Placed) -> ExpandedPair {
    ExpandedPair {
        concept: concept.text.clone(),
        category: template.category.clone(),
        template_id: Some(template.id.clone()),
        test: template.test.text.replace(CONCEPT_SLOT, &concept.text),
        control: template.control.text.clone(),
        test_position: template.test.position.clone(),
    }
}

fn free(pair: &FreePair) -> ExpandedPair {
    ExpandedPair {
        concept: pair.concept.text.clone(),
        category: pair.category.clone(),
        template_id: None,
        test: pair.test.text.clone(),
        control: pair.control.text.clone(),
        test_position: pair.test.position.clone(),
    }
}

/// Reports test prompts that come twice, once for each two places they come from.
pub(crate) fn refuse_doubled(pairs: &[ExpandedPair], problems: &mut Vec<Problem>) {
    let mut first_of: HashMap<&str, &ExpandedPair> = HashMap::new();
    let mut reported: HashSet<(&Position, &Position)> = HashSet::new();
    for pair in pairs {
        let first = *first_of.entry(&pair.test).or_insert(pair);
        let places = (&first.test_position, &pair.test_position);
        if std::ptr::eq(first, pair) || !reported.insert(places) {
            continue;
        }
        let message = format!("the test prompt `{}` comes twice", pair.test);
        problems.push(
            Problem::error(places.1, message)
                .label(format!("the second, with the concept `{}`", pair.concept))
                .earlier(
                    places.0,
                    format!("the first, with the concept `{}`", first.concept),
                ),
        );
    }
}
