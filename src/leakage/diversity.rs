//! Diversity: how different the repeats of a prompt are.
//!
//! Owns the counts. Repeats that are all equal are worth one observation, so a report shows how many there are.

use std::collections::{BTreeMap, HashSet};

/// How different the repeats of prompts are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Diversity {
    /// Number of prompts with at least two repeats, at least 1.
    pub n_prompts: usize,
    /// How many of them have one and the same text in all repeats.
    pub n_all_equal: usize,
    /// Mean number of distinct texts of a prompt, from 1 to the number of repeats.
    pub mean_distinct: f64,
    /// Number of texts: prompts times repeats.
    pub n_texts: usize,
    /// Number of distinct texts over all prompts.
    pub n_distinct: usize,
}

/// The diversity of texts, each with the prompt it is a repeat of; None where no prompt has two.
pub fn diversity<'a>(texts: impl IntoIterator<Item = (usize, &'a str)>) -> Option<Diversity> {
    let mut prompts: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (prompt, text) in texts {
        prompts.entry(prompt).or_default().push(text);
    }
    prompts.retain(|_, texts| texts.len() > 1);
    let distinct: Vec<usize> = prompts.values().map(|texts| n_distinct(texts)).collect();
    let all: Vec<&str> = prompts.values().flatten().copied().collect();
    (!distinct.is_empty()).then(|| Diversity {
        n_prompts: distinct.len(),
        n_all_equal: distinct.iter().filter(|n| **n == 1).count(),
        mean_distinct: distinct.iter().sum::<usize>() as f64 / distinct.len() as f64,
        n_texts: all.len(),
        n_distinct: n_distinct(&all),
    })
}

fn n_distinct(texts: &[&str]) -> usize {
    texts.iter().collect::<HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_counted_by_prompt() {
        let texts = [(0, "a"), (1, "a"), (0, "a"), (1, "b"), (1, "c"), (2, "d")];
        let expected = Diversity {
            n_prompts: 2,
            n_all_equal: 1,
            mean_distinct: 2.0,
            n_texts: 5,
            n_distinct: 3,
        };
        assert_eq!(diversity(texts), Some(expected));
    }

    #[test]
    fn a_single_repeat_shows_nothing() {
        assert_eq!(diversity([(0, "a"), (1, "a")]), None);
        assert_eq!(diversity([]), None);
    }
}
