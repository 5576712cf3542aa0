//! Mentions: which texts of a template hold which of its concepts or restate which of its prompts.
//!
//! Owns what repetition is: a text that holds a telling word of the concept, inflected or not, or that begins with words
//! of the prompt.

use super::group::Group;
use super::words::{holds, holds_part, restates};
use crate::words::words;

/// The mentions of all texts of a group, each with a place for each pair.
pub(super) struct Mentions {
    /// `[held][text]`: the pairs whose concept it holds.
    holding: Vec<Vec<Vec<bool>>>,
    /// `[held][text]`: the pairs of whose concept it holds a word, or whose prompt it restates.
    repeating: Vec<Vec<Vec<bool>>>,
    /// `[text]` of the control: the pairs whose concept it holds.
    control: Vec<Vec<bool>>,
}

impl Mentions {
    pub(super) fn of(group: &Group<'_>) -> Self {
        let pairs = 0..group.n_pairs;
        let concepts = pairs
            .clone()
            .map(|pair| words(group.measured[pair].concept));
        let concepts: Vec<Vec<String>> = concepts.collect();
        let prompts: Vec<Vec<String>> = pairs.map(|pair| words(group.held[pair].prompt)).collect();
        let holding = |text: &[String]| -> Vec<bool> {
            concepts
                .iter()
                .map(|concept| holds(text, concept))
                .collect()
        };
        let mut mentions = Self {
            holding: Vec::new(),
            repeating: Vec::new(),
            control: group
                .control
                .iter()
                .map(|it| holding(&words(it.text)))
                .collect(),
        };
        for held in &group.held {
            let texts: Vec<Vec<String>> = held.texts.iter().map(|it| words(it.text)).collect();
            let of_texts: Vec<Vec<bool>> = texts.iter().map(|text| holding(text)).collect();
            let repeating = texts.iter().map(|text| {
                let pairs = concepts.iter().zip(&prompts);
                pairs
                    .map(|(concept, prompt)| holds_part(text, concept) || restates(text, prompt))
                    .collect()
            });
            mentions.repeating.push(repeating.collect());
            mentions.holding.push(of_texts);
        }
        mentions
    }

    /// True if a text of the prompt `held` holds the concept of `pair`.
    pub(super) fn holds(&self, held: usize, text: usize, pair: usize) -> bool {
        self.holding[held][text][pair]
    }

    /// True if a text of the control holds the concept of `pair`.
    pub(super) fn control_holds(&self, text: usize, pair: usize) -> bool {
        self.control[text][pair]
    }

    /// True if a text of the prompt `held` holds a word of the concept of one of `pairs` or restates the prompt of one.
    ///
    /// It is the same for both texts of a comparison of these pairs, so that exchanging them changes nothing.
    pub(super) fn repeats(&self, held: usize, text: usize, pairs: [usize; 2]) -> bool {
        pairs.iter().any(|pair| self.repeating[held][text][*pair])
    }
}
