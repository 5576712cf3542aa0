//! Concept similarities: what is read back, what is replaced, what is refused.

use crate::leakage::SiblingFigures;
use crate::store::fixture::Fixture;
use crate::store::{ConceptSimilarity, ConditionId, Store};

fn similarity(pair_idx: usize, held_pair_idx: usize, similarity: f64) -> ConceptSimilarity {
    ConceptSimilarity {
        pair_idx,
        held_pair_idx,
        n_texts: 2,
        similarity,
        figures: (pair_idx != held_pair_idx).then_some(SiblingFigures {
            n_siblings: 1,
            n_texts: 2,
            placebo: 0.5,
            repetition: -0.25,
            specificity: 0.75,
            specificity_repetition: 0.125,
            sibling_echo: 0.0,
        }),
    }
}

fn store_with_condition() -> (Store, ConditionId) {
    let mut store = Store::open_in_memory().unwrap();
    let condition = Fixture::register(&mut store).condition(&mut store);
    (store, condition)
}

#[test]
fn concept_similarities_are_read_back_in_order() {
    let (mut store, condition) = store_with_condition();
    let [a, b, c, d] = [(0, 0, 0.5), (0, 1, -0.25), (1, 0, 0.1), (1, 1, 1.0 / 3.0)]
        .map(|(pair, held, value)| similarity(pair, held, value));
    store
        .save_concept_similarities(condition, &[d, b, c, a], false)
        .unwrap();
    assert_eq!(store.concept_similarities(condition).unwrap(), [a, b, c, d]);
}

#[test]
fn saved_concept_similarities_replace_the_same_ones_only() {
    let (mut store, condition) = store_with_condition();
    let first = [similarity(0, 1, 0.5), similarity(1, 0, 0.5)];
    store
        .save_concept_similarities(condition, &first, false)
        .unwrap();
    let again = similarity(0, 1, 0.1);
    store
        .save_concept_similarities(condition, &[again], false)
        .unwrap();
    assert_eq!(
        store.concept_similarities(condition).unwrap(),
        [again, first[1]]
    );
}

#[test]
fn concept_similarities_need_both_pairs() {
    let (mut store, condition) = store_with_condition();
    for wrong in [similarity(7, 0, 0.5), similarity(0, 7, 0.5)] {
        let new = [similarity(0, 0, 0.5), wrong];
        let error = store
            .save_concept_similarities(condition, &new, false)
            .unwrap_err();
        assert!(error.to_string().ends_with("pair 7 was not stored"));
    }
    assert_eq!(store.concept_similarities(condition).unwrap(), []);
}
