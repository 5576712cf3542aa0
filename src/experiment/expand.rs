//! From templates and concepts to prompt pairs.
//!
//! Owns the order of the pairs (templates in file order, each with its concepts in their order,
//! then the free pairs) and the checks that need all of them: doubled prompts, and how many.

use std::collections::{HashMap, HashSet};

use super::problem::Problem;
use super::prompts::{FreePair, Placed, Template};
use super::size::{PAIRS_MAX, Size, too_many_pairs};
use super::slot::CONCEPT_SLOT;
use super::source::Position;
use crate::words::seen;

/// A pair of prompts with its texts.
#[derive(Debug, Clone)]
pub(crate) struct ExpandedPair {
    pub(crate) concept: String,
    pub(crate) category: String,
    pub(crate) template_id: Option<String>,
    pub(crate) test: String,
    pub(crate) control: String,
    /// Where the text of the test prompt stands.
    pub(crate) test_position: Position,
}

/// A prompt with a filler, and its control prompt.
#[derive(Debug, Clone)]
pub(crate) struct ExpandedFiller {
    pub(crate) filler: String,
    pub(crate) category: String,
    pub(crate) template_id: String,
    pub(crate) prompt: String,
    pub(crate) control: String,
    /// Where the text of the template's test prompt stands.
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
    let size = size_of(templates, own);
    let n_pairs = size.n_prompts + free_pairs.len();
    let first = templates.first().map(|template| &template.test.position);
    let first = first.or(free_pairs.first().map(|pair| &pair.test.position));
    let refused = |position| too_many_pairs(n_pairs, position).or_else(|| size.problem(position));
    if let Some(problem) = first.and_then(refused) {
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

/// The size of all templates, each of which takes as many words as `own` says.
fn size_of(templates: &[Template], own: impl Fn(&Template) -> usize) -> Size {
    let mut size = Size::default();
    for template in templates {
        size.add(&template.test.text, &template.control.text, own(template));
    }
    size
}

/// The prompts with fillers, of those of a template or else `fillers`; None, with a problem, where there are too many.
pub(crate) fn expand_fillers(
    templates: &[Template],
    fillers: &[Placed],
    problems: &mut Vec<Problem>,
) -> Option<Vec<ExpandedFiller>> {
    let own = |template: &Template| template.fillers.as_deref().unwrap_or(fillers).len();
    let size = size_of(templates, own);
    let n_fillers = size.n_prompts;
    let first = templates.first().map(|template| &template.test.position);
    let refused = |position| {
        let message = format!("{n_fillers} prompts with fillers are too many");
        let expected = format!("expected at most {PAIRS_MAX}");
        let too_many = || Problem::error(position, message).label(expected);
        (n_fillers > PAIRS_MAX)
            .then(too_many)
            .or_else(|| size.problem(position))
    };
    if let Some(problem) = first.and_then(refused) {
        problems.push(problem);
        return None;
    }
    let mut filled = Vec::with_capacity(n_fillers);
    for template in templates {
        let fillers = template.fillers.as_deref().unwrap_or(fillers).iter();
        filled.extend(fillers.map(|filler| ExpandedFiller {
            filler: filler.text.clone(),
            category: template.category.clone(),
            template_id: template.id.clone(),
            prompt: template.test.text.replace(CONCEPT_SLOT, &filler.text),
            control: template.control.text.clone(),
            test_position: template.test.position.clone(),
        }));
    }
    Some(filled)
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

/// A prompt that may come once.
struct Test<'p> {
    prompt: &'p str,
    position: &'p Position,
    /// The kind of the word in it: `concept` or `filler`.
    noun: &'static str,
    word: &'p str,
}

/// Reports test prompts and prompts with fillers that come twice, once for each two places they come from, and prompts
/// with fillers that are control prompts.
pub(crate) fn refuse_doubled(
    pairs: &[ExpandedPair],
    fillers: &[ExpandedFiller],
    problems: &mut Vec<Problem>,
) {
    let tests = pairs.iter().map(|pair| Test {
        prompt: &pair.test,
        position: &pair.test_position,
        noun: "concept",
        word: &pair.concept,
    });
    let filled = fillers.iter().map(|filler| Test {
        prompt: &filler.prompt,
        position: &filler.test_position,
        noun: "filler",
        word: &filler.filler,
    });
    let tests: Vec<Test<'_>> = tests.chain(filled).collect();
    let mut first_of: HashMap<String, &Test<'_>> = HashMap::new();
    let mut reported: HashSet<(&Position, &Position)> = HashSet::new();
    for test in &tests {
        let first = *first_of.entry(seen(test.prompt)).or_insert(test);
        let places = (first.position, test.position);
        if std::ptr::eq(first, test) || !reported.insert(places) {
            continue;
        }
        let with = |test: &Test<'_>| format!("with the {} `{}`", test.noun, test.word);
        let message = format!("the test prompt `{}` comes twice", test.prompt);
        problems.push(
            Problem::error(places.1, message)
                .label(format!("the second, {}", with(test)))
                .earlier(places.0, format!("the first, {}", with(first))),
        );
    }
    let controls: HashSet<String> = pairs.iter().map(|pair| seen(&pair.control)).collect();
    let are_controls = fillers
        .iter()
        .filter(|it| controls.contains(&seen(&it.prompt)));
    problems.extend(are_controls.map(|filler| {
        let message = format!(
            "the prompt with the filler `{}` is a control prompt",
            filler.filler
        );
        Problem::error(&filler.test_position, message)
            .label("a prompt with a filler is compared with a control prompt")
    }));
}
