//! The differences that an experiment can be expected to find, before it runs.
//!
//! Owns of which measures they are planned, what the differences of two conditions are made of, and what is assumed of
//! conditions that were never measured. The arithmetic is `stats`'. All is in percentage points.

use std::collections::BTreeSet;

use super::estimate::{PairEstimate, in_both};
use super::figure::LEVEL;
use super::measure::Measure;
use crate::stats::{
    Observation, Repeats, VarianceComponents, crossed_component, detectable_difference,
    opposed_components, variance_components,
};

/// The power of which is spoken: the probability to find a difference of that size.
pub const POWER: f64 = 0.8;

/// The measures whose differences are planned, each with the variance components of the difference between two
/// conditions of which nothing is stored, in squared points.
///
/// Component by component the larger one of two measured between Qwen2.5 models of 0.5B and 1.5B parameters, by
/// sentence similarity and 5 repeats: in the published generations of the colour set (arXiv 2501.06638; 709 tests on 27
/// controls, of which 706 on 24 have siblings), and in those of the coder variants at Q4_K_M in the default colour
/// experiment (396 tests on 76 controls, of which 352 on 32 have siblings). Quantizations of one model tend to differ less.
pub const PRIORS: [(Measure, VarianceComponents); 3] = [
    (
        // 265, 258, 839 and 2186 against 0, 1080, 0 and 2916.
        Measure::LeakRate,
        VarianceComponents {
            cluster: 265.0,
            cluster_repeat: 1080.0,
            prompt: 839.0,
            prompt_control: 0.0,
            residual: 2916.0,
            interaction: 0.0,
        },
    ),
    (
        // 22, 18, 640 and 918 against 1, 0, 9 and 1519.
        Measure::Specificity,
        VarianceComponents {
            cluster: 22.0,
            cluster_repeat: 18.0,
            prompt: 640.0,
            prompt_control: 0.0,
            residual: 1519.0,
            interaction: 0.0,
        },
    ),
    (
        // 45, 18, 688 and 1927 against 4, 0, 0 and 1848.
        Measure::SpecificLeakage,
        VarianceComponents {
            cluster: 45.0,
            cluster_repeat: 18.0,
            prompt: 688.0,
            prompt_control: 0.0,
            residual: 1927.0,
            interaction: 0.0,
        },
    ),
];

/// The smallest difference of a measure that is found with probability [`POWER`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detectable {
    /// The difference, in percentage points; None where no result could be significant, or none below 100 points.
    pub points: Option<f64>,
    /// The standard error to expect of a difference, in points.
    pub standard_error: f64,
    /// The level of the test: 5 % divided by the number of comparisons, which Holm's correction asks of the first.
    pub alpha: f64,
}

/// Returns the variance components of the differences of a measure from `base` to `other`, in squared points; None where
/// they share no pairs that have it in two clusters.
///
/// An exact leak probability is what one repeat would be without its luck.
///
/// Each repeat of specificity, and less so of specific leakage, is compared with the siblings' texts of all repeats, so
/// that its repeats are not independent: the luck of the siblings' texts is the same in all repeats of a pair, and counts
/// as a part of the pair. And a text that is closer to every concept raises its own pair's specificity and lowers that of
/// each sibling, so that pairs of a template pull against each other ([`opposed_components`]). Of a design like the stored
/// one the standard error is right; for more repeats than are stored it is rather too large, since the luck of the
/// siblings' texts is carried over as it is.
pub fn difference_components(
    base: &[PairEstimate],
    other: &[PairEstimate],
    measure: Measure,
) -> Option<VarianceComponents> {
    let differences = differences(base, other, measure);
    match measure {
        Measure::LeakRate => variance_components(&differences),
        _ => opposed_components(&differences),
    }
}

/// Returns the variance of what the differences of a concept have in common in all templates, in squared points: a part
/// of that of prompts. None where no concept is in two clusters.
pub fn concept_component(
    base: &[PairEstimate],
    other: &[PairEstimate],
    measure: Measure,
    concept_of: impl Fn(usize) -> usize,
) -> Option<f64> {
    let differences = differences(base, other, measure);
    crossed_component(&differences, |found| concept_of(found.prompt))
}

fn differences(
    base: &[PairEstimate],
    other: &[PairEstimate],
    measure: Measure,
) -> Vec<Observation> {
    let differences = in_both(other, base, PairEstimate::key).into_iter();
    let differences = differences.filter(|(to, from)| to.sides == from.sides);
    let differences = differences.filter_map(|(to, from)| {
        let [test, control] = to.sides;
        Some(Observation {
            cluster: to.control_prompt_idx,
            prompt: to.pair_idx,
            repeat: test,
            control_repeat: control,
            value: 100.0 * (measure.value(to)? - measure.value(from)?),
        })
    });
    let mut differences: Vec<Observation> = differences.collect();
    if measure == Measure::Specificity {
        // No control is compared: a test generation counts once, and shares nothing with others.
        let mut seen = BTreeSet::new();
        differences.retain(|found| seen.insert((found.prompt, found.repeat)));
        for (number, found) in (0..).zip(&mut differences) {
            found.control_repeat = number;
        }
    }
    differences
}

/// Returns the smallest difference that a design with clusters of these sizes can find in one of `n_comparisons`
/// comparisons with the same base.
///
/// There is at least one prompt and comparison.
pub fn detectable(
    components: &VarianceComponents,
    cluster_sizes: &[usize],
    n_repeats: Repeats,
    n_comparisons: usize,
) -> Detectable {
    let standard_error = components.variance(cluster_sizes, n_repeats).sqrt();
    let alpha = (1.0 - LEVEL) / n_comparisons as f64;
    let found = detectable_difference(standard_error, cluster_sizes, alpha, POWER);
    Detectable {
        points: found.filter(|points| *points < 100.0),
        standard_error,
        alpha,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leakage::estimate::tests::{pair, side};

    use crate::leakage::flips::tests::verdict;
    use crate::leakage::{ExactPair, Leak, ScoredPair, estimates};

    #[test]
    fn differences_are_taken_repeat_by_repeat() {
        let verdicts = |leaks: [Leak; 4]| {
            let verdicts: Vec<ScoredPair> = (0..4)
                .map(|pair| ScoredPair {
                    control_prompt_idx: pair,
                    ..verdict(pair, 0, leaks[pair])
                })
                .collect();
            estimates(&verdicts)
        };
        let base = verdicts([Leak::Leak, Leak::NoLeak, Leak::Tie, Leak::Leak]);
        let other = verdicts([Leak::NoLeak, Leak::NoLeak, Leak::Leak, Leak::Leak]);
        // Differences of -100, 0, 50 and 0 points in clusters of their own: their variance.
        let found = difference_components(&base, &other, Measure::LeakRate).unwrap();
        assert!(
            (found.cluster - 1e4 * 1.1875 / 3.0).abs() < 1e-8,
            "{found:?}"
        );
        assert_eq!(
            difference_components(&base[..1], &other, Measure::LeakRate),
            None
        );
        assert_eq!(difference_components(&[], &other, Measure::LeakRate), None);
    }

    /// Leak probabilities of 1, 0 and 1/2 vary as verdicts with these values do.
    #[test]
    fn exact_differences_are_taken_pair_by_pair() {
        let control = side(&[(1.0, 0.2)], &[]);
        let pairs = |similarities: [f64; 4]| {
            let pairs: Vec<ExactPair> = similarities
                .iter()
                .enumerate()
                .map(|(idx, &similarity)| {
                    pair(
                        "a",
                        [idx, 10 + idx],
                        &side(&[(1.0, similarity)], &[]),
                        &control,
                    )
                })
                .collect();
            estimates(&pairs)
        };
        let (base, other) = (pairs([0.3, 0.1, 0.2, 0.3]), pairs([0.1, 0.1, 0.3, 0.3]));
        let found = difference_components(&base, &other, Measure::LeakRate).unwrap();
        assert!(
            (found.cluster - 1e4 * 1.1875 / 3.0).abs() < 1e-8,
            "{found:?}"
        );
        assert_eq!(
            difference_components(&base[..1], &other, Measure::LeakRate),
            None
        );
    }

    /// scipy 1.17.1, for the clusters and repeats of the published colour set:
    /// ```python
    /// sizes = np.array([33] * 20 + [15, 11, 10, 10, 1, 1, 1]); p = sizes / sizes.sum()
    /// se = ((265 + 1080 / 5) * (p ** 2).sum() + (839 + 2916 / 5) / sizes.sum()) ** 0.5
    /// q = p ** 2 / (1 - p); df = 1 / ((p ** 2).sum() + q.sum() ** 2 - (q ** 2).sum())
    /// print(se, se * (stats.t.ppf(1 - 0.025 / 3, df) + stats.t.ppf(0.8, df)))
    /// ```
    #[test]
    fn the_prior_promises_what_scipy_finds() {
        let sizes = [vec![33; 20], vec![15, 11, 10, 10, 1, 1, 1]].concat();
        let found = detectable(&PRIORS[0].1, &sizes, Repeats::matched(5.0), 3);
        assert!(
            (found.standard_error - 4.834444921500075).abs() < 1e-9,
            "{found:?}"
        );
        assert!(
            (found.points.unwrap() - 16.701422247759005).abs() < 1e-9,
            "{found:?}"
        );
        assert_eq!(
            detectable(&PRIORS[0].1, &[7], Repeats::matched(5.0), 1).points,
            None
        );
        assert_eq!(
            detectable(&PRIORS[0].1, &[1; 6], Repeats::matched(1.0), 1).points,
            None
        );
    }
}
