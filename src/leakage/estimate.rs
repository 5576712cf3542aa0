//! Estimates: how probably a pair leaks, from whichever way it was found.
//!
//! Owns what rates and comparisons are computed from: of repeats one estimate for each, which is its verdict; of
//! enumerated continuations one for each pair, with what is certain of it.

use std::collections::BTreeMap;

use super::exact::ExactLeak;
use super::leak::Leak;
use super::specificity::Specific;

/// One repeat of a test prompt, compared with the same repeat of its control prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredPair {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The repeat, from 0.
    pub repeat_idx: u32,
    /// The pair's category.
    pub category: String,
    /// The control prompt, which names the cluster.
    pub control_prompt_idx: usize,
    /// Similarity of the concept and the test generation, -1 to 1, not rounded.
    pub similarity_test: f64,
    /// Similarity of the concept and the control generation, -1 to 1, not rounded.
    pub similarity_control: f64,
    /// The verdict.
    pub leak: Leak,
    /// True if the concept itself stands in the test generation.
    pub is_echo: bool,
}

impl ScoredPair {
    /// How much closer to the concept the test generation is than the control generation, -2 to 2.
    pub fn similarity_difference(&self) -> f64 {
        self.similarity_test - self.similarity_control
    }

    /// Pair and repeat, by which verdicts of two conditions are compared.
    pub(super) fn key(&self) -> (usize, u32) {
        (self.pair_idx, self.repeat_idx)
    }
}

/// A pair and what its distributions say.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactPair {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The pair's category.
    pub category: String,
    /// The test prompt.
    pub test_prompt_idx: usize,
    /// The control prompt, which names the cluster.
    pub control_prompt_idx: usize,
    /// The comparison.
    pub leak: ExactLeak,
}

/// How probably a pair leaks.
#[derive(Debug, Clone, PartialEq)]
pub struct PairEstimate {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The repeat, from 0; 0 where the estimate is exact.
    pub repeat_idx: u32,
    /// The pair's category.
    pub category: String,
    /// The control prompt, which names the cluster.
    pub control_prompt_idx: usize,
    /// The probability of a leak, a tie counting half, 0 to 1; of a repeat its verdict.
    pub leak_probability: f64,
    /// The probability of a tie, 0 to 1.
    pub tie_probability: f64,
    /// The probability that the concept itself stands in the test text, 0 to 1.
    pub echo_probability: f64,
    /// How much closer to the concept the test text is than the control text, on average, -2 to 2.
    pub similarity_shift: f64,
    /// The comparisons with other concepts; None where they are not stored.
    pub specific: Option<Specific>,
    /// Further facts from enumerated continuations; None for a repeat.
    pub exact: Option<ExactPair>,
}

impl PairEstimate {
    /// The same with its comparisons with other concepts.
    pub fn with_specific(self, specific: Option<Specific>) -> Self {
        Self { specific, ..self }
    }

    /// Pair and repeat, by which estimates of two conditions are compared.
    pub fn key(&self) -> (usize, u32) {
        (self.pair_idx, self.repeat_idx)
    }
}

impl From<&ScoredPair> for PairEstimate {
    fn from(pair: &ScoredPair) -> Self {
        Self {
            pair_idx: pair.pair_idx,
            repeat_idx: pair.repeat_idx,
            category: pair.category.clone(),
            control_prompt_idx: pair.control_prompt_idx,
            leak_probability: pair.leak.value(),
            tie_probability: f64::from(u8::from(pair.leak == Leak::Tie)),
            echo_probability: f64::from(u8::from(pair.is_echo)),
            similarity_shift: pair.similarity_difference(),
            specific: None,
            exact: None,
        }
    }
}

impl From<&ExactPair> for PairEstimate {
    fn from(pair: &ExactPair) -> Self {
        Self {
            pair_idx: pair.pair_idx,
            repeat_idx: 0,
            category: pair.category.clone(),
            control_prompt_idx: pair.control_prompt_idx,
            leak_probability: pair.leak.probability,
            tie_probability: pair.leak.tie_probability,
            echo_probability: pair.leak.echo_probability,
            similarity_shift: pair.leak.similarity_shift,
            specific: None,
            exact: Some(pair.clone()),
        }
    }
}

/// The estimates of verdicts or of exact leaks, in their order.
pub fn estimates<'p, P>(pairs: &'p [P]) -> Vec<PairEstimate>
where
    PairEstimate: From<&'p P>,
{
    pairs.iter().map(PairEstimate::from).collect()
}

/// Each item of a pair and repeat beside the other one of the same pair and repeat, in the order of `base`.
pub(super) fn in_both<'p, P>(
    base: &'p [P],
    other: &'p [P],
    key: fn(&P) -> (usize, u32),
) -> Vec<(&'p P, &'p P)> {
    let other: BTreeMap<(usize, u32), &P> = other.iter().map(|it| (key(it), it)).collect();
    let both = base.iter();
    both.filter_map(|from| Some((from, *other.get(&key(from))?)))
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::leakage::Rounding;
    use crate::leakage::exact::{TextDistribution, WeightedText, exact_leak};

    pub(in crate::leakage) fn check(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }

    /// Texts with their probabilities and similarities, and draws with their similarities.
    pub(in crate::leakage) fn side(enumerated: &[(f64, f64)], drawn: &[f64]) -> TextDistribution {
        let text = |&(probability, similarity): &(f64, f64)| {
            let name = format!("{similarity}");
            WeightedText::new(
                &name,
                probability,
                similarity,
                Rounding::PUBLISHED,
                similarity == 1.0,
            )
        };
        TextDistribution {
            enumerated: enumerated.iter().map(text).collect(),
            drawn: drawn
                .iter()
                .map(|&similarity| text(&(0.0, similarity)))
                .collect(),
        }
    }

    pub(in crate::leakage) fn pair(
        category: &str,
        prompts: [usize; 2],
        test: &TextDistribution,
        control: &TextDistribution,
    ) -> ExactPair {
        ExactPair {
            pair_idx: prompts[0],
            category: category.to_owned(),
            test_prompt_idx: prompts[0],
            control_prompt_idx: prompts[1],
            leak: exact_leak(test, control),
        }
    }
}
