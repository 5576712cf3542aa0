//! Stored concept similarities as tables, one for each template.
//!
//! Owns the way from rows of pairs to tables of concepts.

use std::collections::{BTreeMap, HashMap};

use itertools::Itertools as _;

use crate::leakage::TemplateSimilarities;
use crate::results::PairPrompts;
use crate::store::ConceptSimilarity;

/// The similarities of each template that are stored whole: of every concept to the generations of every other.
///
/// Templates and concepts are in the order of the alphabet, as when they are scored.
pub(crate) fn templates(
    prompts: &BTreeMap<usize, PairPrompts>,
    similarities: &[ConceptSimilarity],
    has_siblings: &dyn Fn(usize) -> bool,
) -> Vec<TemplateSimilarities> {
    let cells: HashMap<(usize, usize), f64> = similarities
        .iter()
        .map(|it| ((it.pair_idx, it.held_pair_idx), it.similarity))
        .collect();
    let measured = similarities.iter().map(|it| it.pair_idx).dedup();
    let pairs = measured.filter_map(|pair_idx| prompts.get(&pair_idx));
    let by_template = pairs
        .map(|pair| ((&pair.template_id, &pair.control_prompt), pair))
        .into_group_map();
    let by_template = by_template.into_iter().sorted_by_key(|(key, _)| *key);
    let templates = by_template.filter_map(|((..), pairs)| {
        let pairs: Vec<&PairPrompts> = pairs.into_iter().sorted_by_key(|it| &it.concept).collect();
        let row = |measured: &&PairPrompts| {
            let cells = pairs
                .iter()
                .map(|held| cells.get(&(measured.pair_idx, held.pair_idx)));
            cells
                .map(Option::<&f64>::copied)
                .collect::<Option<Vec<f64>>>()
        };
        Some(TemplateSimilarities {
            category: pairs
                .iter()
                .map(|pair| &pair.category)
                .all_equal_value()
                .ok()
                .cloned(),
            has_siblings: pairs.iter().any(|pair| has_siblings(pair.pair_idx)),
            concepts: pairs.iter().map(|pair| pair.concept.clone()).collect(),
            similarities: pairs.iter().map(row).collect::<Option<_>>()?,
        })
    });
    templates.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts() -> BTreeMap<usize, PairPrompts> {
        let concepts = ["red", "blue", "green", "red", "blue"]
            .into_iter()
            .enumerate();
        let pairs = concepts.map(|(pair_idx, concept)| PairPrompts {
            pair_idx,
            concept: concept.to_owned(),
            category: ["first", "second"][pair_idx / 3].to_owned(),
            template_id: Some(["first", "second"][pair_idx / 3].to_owned()),
            test_prompt: String::new(),
            control_prompt: String::new(),
        });
        pairs.map(|pair| (pair.pair_idx, pair)).collect()
    }

    /// The rows of pairs that share a template; the similarity says which they are.
    fn rows(pairs: &[usize]) -> Vec<ConceptSimilarity> {
        let both = pairs
            .iter()
            .flat_map(|pair| pairs.iter().map(move |held| (*pair, *held)));
        both.map(|(pair_idx, held_pair_idx)| ConceptSimilarity {
            pair_idx,
            held_pair_idx,
            n_texts: 1,
            similarity: (10 * pair_idx + held_pair_idx) as f64,
            figures: None,
        })
        .collect()
    }

    #[test]
    fn pairs_that_are_measured_against_each_other_are_a_table() {
        let all = [rows(&[0, 2]), rows(&[3, 4])].concat();
        let found = templates(&prompts(), &all, &|_| true);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].category.as_deref(), found[1].category.as_deref()),
            (Some("first"), Some("second"))
        );
        assert_eq!(found[0].concepts, ["green", "red"]);
        assert_eq!(found[0].similarities, [[22.0, 20.0], [2.0, 0.0]]);
        assert_eq!(found[1].similarities, [[44.0, 43.0], [34.0, 33.0]]);
    }

    #[test]
    fn a_table_with_a_hole_is_left_out() {
        let mut all = [rows(&[0, 1, 2]), rows(&[3, 4])].concat();
        all.retain(|row| (row.pair_idx, row.held_pair_idx) != (2, 1));
        let found = templates(&prompts(), &all, &|_| true);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].concepts, ["blue", "red"]);
    }
}
