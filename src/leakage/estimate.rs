//! Estimates: how probably a pair leaks, from whichever way it was found.
//!
//! Owns what rates and comparisons are computed from: of repeats one estimate for each, which is its verdict; of
//! enumerated continuations one for each pair, with what is certain of it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::exact::ExactLeak;
use super::leak::Leak;
use super::specificity::{SiblingFigures, Specific};

/// One repeat of a test prompt, compared with one of its control prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredPair {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The number of the verdict, from 0.
    pub repeat_idx: u32,
    /// Which repeat of the test prompt and which of the control prompt are compared, from 0.
    pub sides: [u32; 2],
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

/// The concepts that the figures of a pair depend on, over its repeats.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossedPair {
    /// The number of its own concept, the same under all conditions.
    pub concept: usize,
    /// The numbers of its siblings' concepts, with the comparison with each.
    pub siblings: Vec<(usize, SiblingFigures)>,
}

impl CrossedPair {
    /// The number of a concept, by its name alone, so that it is the same under all conditions.
    pub fn number(concept: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        concept.hash(&mut hasher);
        hasher.finish() as usize
    }
}

/// How probably a pair leaks.
#[derive(Debug, Clone, PartialEq)]
pub struct PairEstimate {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The number of the verdict, from 0; 0 where the estimate is exact.
    pub repeat_idx: u32,
    /// Which repeat of the test prompt and which of the control prompt are compared, from 0; 0 where it is exact.
    pub sides: [u32; 2],
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
    /// The concepts that its figures depend on; None where concepts are fixed.
    pub crossed: Option<Arc<CrossedPair>>,
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
            sides: pair.sides,
            category: pair.category.clone(),
            control_prompt_idx: pair.control_prompt_idx,
            leak_probability: pair.leak.value(),
            tie_probability: f64::from(u8::from(pair.leak == Leak::Tie)),
            echo_probability: f64::from(u8::from(pair.is_echo)),
            similarity_shift: pair.similarity_difference(),
            specific: None,
            crossed: None,
            exact: None,
        }
    }
}

impl From<&ExactPair> for PairEstimate {
    fn from(pair: &ExactPair) -> Self {
        Self {
            pair_idx: pair.pair_idx,
            repeat_idx: 0,
            sides: [0, 0],
            category: pair.category.clone(),
            control_prompt_idx: pair.control_prompt_idx,
            leak_probability: pair.leak.probability,
            tie_probability: pair.leak.tie_probability,
            echo_probability: pair.leak.echo_probability,
            similarity_shift: pair.leak.similarity_shift,
            specific: None,
            crossed: None,
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
    use std::cmp::Ordering;

    use itertools::Itertools as _;

    use super::*;
    use crate::generation::RepeatCounts;
    use crate::leakage::Rounding;
    use crate::leakage::exact::{TextDistribution, WeightedText, exact_leak};

    fn counts(tests: &[usize], controls: &[usize]) -> RepeatCounts {
        let [test, control] = [tests, controls].map(|side| side.len() as u32);
        RepeatCounts { test, control }
    }

    /// The mean verdict on the generations of a test prompt and of its control, `x > y`.
    fn paired_mean(tests: &[usize], controls: &[usize]) -> f64 {
        let verdicts = counts(tests, controls).verdicts().map(|[test, control]| {
            match tests[test as usize].cmp(&controls[control as usize]) {
                Ordering::Greater => 1.0,
                Ordering::Equal => 0.5,
                Ordering::Less => 0.0,
            }
        });
        let verdicts: Vec<f64> = verdicts.collect();
        verdicts.iter().sum::<f64>() / verdicts.len() as f64
    }

    /// Mean and variance over all outcomes of draws from two distributions of the values 0, 1 and 2.
    fn moments(n_test: usize, n_control: usize) -> [f64; 2] {
        let [of_test, of_control] = [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]];
        let outcomes = (0..n_test + n_control)
            .map(|_| 0..3usize)
            .multi_cartesian_product();
        let mut sums = [0.0; 2];
        for outcome in outcomes {
            let (tests, controls) = outcome.split_at(n_test);
            let of_tests: f64 = tests.iter().map(|value| of_test[*value]).product();
            let of_controls: f64 = controls.iter().map(|value| of_control[*value]).product();
            let mean = paired_mean(tests, controls);
            sums[0] += of_tests * of_controls * mean;
            sums[1] += of_tests * of_controls * mean * mean;
        }
        [sums[0], sums[1] - sums[0] * sums[0]]
    }

    /// Whatever the numbers, the expectation is the leak probability, 0.2 x 0.3 + 0.3 x 0.75 + 0.5 x 0.95; the variance
    /// that the luck of controls makes is divided by their number, that of tests by theirs, and what is left of a verdict
    /// by the number of verdicts.
    #[test]
    fn more_control_repeats_keep_the_expectation_and_divide_the_controls_part_of_the_variance() {
        let [probability, whole] = moments(1, 1);
        assert!((probability - 0.76).abs() < 1e-12, "{probability}");
        // The variance of what is expected of a verdict once one of its texts is known.
        let of_control =
            0.6 * 0.9f64.powi(2) + 0.3 * 0.65f64.powi(2) + 0.1 * 0.25f64.powi(2) - 0.76f64.powi(2);
        let of_test =
            0.2 * 0.3f64.powi(2) + 0.3 * 0.75f64.powi(2) + 0.5 * 0.95f64.powi(2) - 0.76f64.powi(2);
        let rest = whole - of_control - of_test;
        for (test, control) in [(1, 2), (1, 4), (2, 2), (2, 4), (4, 2), (2, 6)] {
            let [mean, variance] = moments(test, control);
            assert!((mean - probability).abs() < 1e-12, "{mean}");
            let expected = of_control / control as f64
                + of_test / test as f64
                + rest / (test * control) as f64;
            assert!(
                (variance - expected).abs() < 1e-12,
                "{variance} is not {expected}"
            );
        }
    }

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
