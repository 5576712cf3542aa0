//! The difference of Mean Leak-Rates that an experiment can be expected to find, before it runs.
//!
//! Owns what the differences of two conditions are made of, and what is assumed of conditions that were
//! never measured. The arithmetic is `stats`'.

use super::estimate::{PairEstimate, in_both};
use super::figure::LEVEL;
use crate::stats::{Observation, VarianceComponents, detectable_difference, variance_components};

/// The power of which is spoken: the probability to find a difference of that size.
pub const POWER: f64 = 0.8;

/// Variance components of the difference of two verdicts, for conditions of which nothing is stored.
///
/// Component by component the larger one of two measured between Qwen2.5 models of 0.5B and 1.5B parameters, by
/// sentence similarity: in the published generations of the colour set (arXiv 2501.06638; 709 tests on 27 controls,
/// 5 repeats: 0.023, 0.026, 0.087, 0.219), and in those of the coder variants at Q4_K_M in the default colour experiment
/// (396 tests on 76 controls, 5 repeats: 0, 0.101, 0, 0.299). Quantizations of one model tend to differ less.
pub const PRIOR: VarianceComponents = VarianceComponents {
    cluster: 0.023,
    cluster_repeat: 0.101,
    prompt: 0.087,
    residual: 0.299,
};

/// The smallest difference of Mean Leak-Rates that is found with probability [`POWER`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detectable {
    /// The difference, in percentage points; None where no result could be significant, or none below 100 points.
    pub points: Option<f64>,
    /// The standard error to expect of a difference, in points.
    pub standard_error: f64,
    /// The level of the test: 5 % divided by the number of comparisons, which Holm's correction asks of the first.
    pub alpha: f64,
}

/// Returns the variance components of the differences from `base` to `other`; None where they share no pairs in two
/// clusters.
///
/// An exact leak probability is what one repeat would be without its luck.
pub fn difference_components(
    base: &[PairEstimate],
    other: &[PairEstimate],
) -> Option<VarianceComponents> {
    let differences = in_both(other, base, PairEstimate::key).into_iter();
    let differences = differences.map(|(to, from)| Observation {
        cluster: to.control_prompt_idx,
        prompt: to.pair_idx,
        repeat: to.repeat_idx,
        value: to.leak_probability - from.leak_probability,
    });
    variance_components(&differences.collect::<Vec<_>>())
}

/// Returns the smallest difference that a design with clusters of these sizes can find in one of `n_comparisons`
/// comparisons with the same base.
///
/// There is at least one prompt, repeat and comparison.
pub fn detectable(
    components: &VarianceComponents,
    cluster_sizes: &[usize],
    n_repeats: u32,
    n_comparisons: usize,
) -> Detectable {
    let standard_error = components.standard_error(cluster_sizes, n_repeats);
    let alpha = (1.0 - LEVEL) / n_comparisons as f64;
    let found = detectable_difference(standard_error, cluster_sizes, alpha, POWER);
    Detectable {
        points: found
            .map(|found| 100.0 * found)
            .filter(|points| *points < 100.0),
        standard_error: 100.0 * standard_error,
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
        // Differences of -1, 0, 0.5 and 0 in clusters of their own: their variance.
        let found = difference_components(&base, &other).unwrap();
        assert!((found.cluster - 1.1875 / 3.0).abs() < 1e-12, "{found:?}");
        assert_eq!(difference_components(&base[..1], &other), None);
        assert_eq!(difference_components(&[], &other), None);
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
        let found = difference_components(&base, &other).unwrap();
        assert!((found.cluster - 1.1875 / 3.0).abs() < 1e-12, "{found:?}");
        assert_eq!(difference_components(&base[..1], &other), None);
    }

    /// scipy 1.17.1, for the clusters and repeats of the published colour set:
    /// ```python
    /// sizes = np.array([33] * 20 + [15, 11, 10, 10, 1, 1, 1]); p = sizes / sizes.sum()
    /// se = ((0.023 + 0.101 / 5) * (p ** 2).sum() + (0.087 + 0.299 / 5) / sizes.sum()) ** 0.5
    /// q = p ** 2 / (1 - p); df = 1 / ((p ** 2).sum() + q.sum() ** 2 - (q ** 2).sum())
    /// print(100 * se, 100 * se * (stats.t.ppf(1 - 0.025 / 3, df) + stats.t.ppf(0.8, df)))
    /// ```
    #[test]
    fn the_prior_promises_what_scipy_finds() {
        let sizes = [vec![33; 20], vec![15, 11, 10, 10, 1, 1, 1]].concat();
        let found = detectable(&PRIOR, &sizes, 5, 3);
        assert!(
            (found.standard_error - 4.610844228480797).abs() < 1e-9,
            "{found:?}"
        );
        assert!(
            (found.points.unwrap() - 15.928955160090181).abs() < 1e-9,
            "{found:?}"
        );
        assert_eq!(detectable(&PRIOR, &[7], 5, 1).points, None);
        assert_eq!(detectable(&PRIOR, &[1; 6], 1, 1).points, None);
    }
}
