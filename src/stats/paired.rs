//! The difference between two conditions that were given the same prompts.
//!
//! Owns the estimate, its interval and its p-value. A prompt that leaks under one condition tends to
//! leak under the other, so the difference is taken prompt by prompt and only then averaged: the mean
//! of paired differences varies less than the difference of two means. The repeats of a prompt are
//! averaged before they come here; they say nothing about other prompts (E. Miller, "Adding Error Bars
//! to Evals", arXiv 2411.00640, 2024, sections 2 and 4).
//!
//! Standard error and interval are those of `interval`, for the mean of the differences. The p-value
//! comes from [`sign_flip_p_value`], which assumes no distribution but one cluster for each prompt; where clusters cross,
//! it comes from Student's t.

use super::interval::{Interval, RobustMean, STANDARD_ERROR_ZERO, agreement_interval, robust_mean};
use super::sign_flip::{PValue, SignFlips, sign_flip_p_value};
use super::variance::Clustering;

/// The mean difference between two conditions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDifference {
    /// The mean of the differences `other - base`, -1 to 1; every prompt has the same weight.
    pub difference: f64,
    /// Its cluster-robust standard error, 0 or more; None with a single cluster.
    pub standard_error: Option<f64>,
    /// The degrees of freedom of Student's t; 0 with a single cluster.
    pub degrees_of_freedom: f64,
    /// The interval, whose ends may lie outside of -1 to 1; None with a single cluster.
    pub interval: Option<Interval>,
    /// The interval if every prompt were independent of all others; None with a single prompt.
    pub naive_interval: Option<Interval>,
    /// The variance of the mean by the one it would have if prompts were independent; None where one of them is missing
    /// or the latter is 0.
    pub design_effect: Option<f64>,
    /// How likely a difference at least as large is without any true one.
    pub p_value: PValue,
    /// Number of prompts, at least 1.
    pub n: usize,
    /// Number of clusters, at least 1.
    pub n_clusters: usize,
    /// Observations where clusters agree: clusters, of two kinds the fewer.
    pub(super) n_agreeing: usize,
}

impl PairedDifference {
    pub(super) fn robust_mean(&self) -> RobustMean {
        RobustMean {
            mean: self.difference,
            standard_error: self.standard_error,
            degrees_of_freedom: self.degrees_of_freedom,
            n_clusters: self.n_clusters,
            n_agreeing: self.n_agreeing,
        }
    }
}

/// The mean of `other[i] - base[i]`, each value from 0 to 1, where prompt i belongs to the cluster named `clusters[i]`.
///
/// `level` is the coverage of the interval, between 0 and 1, such as 0.95. None without prompts.
pub fn paired_difference<'a>(
    base: &[f64],
    other: &[f64],
    clusters: impl Into<Clustering<'a>>,
    level: f64,
    flips: SignFlips,
) -> Option<PairedDifference> {
    assert_eq!(base.len(), other.len(), "every prompt has both values");
    let is_rate = |value: &f64| (0.0..=1.0).contains(value);
    assert!(
        base.iter().chain(other).all(is_rate),
        "values are from 0 to 1"
    );
    assert!(0.0 < level && level < 1.0, "a level is between 0 and 1");
    if base.is_empty() {
        return None;
    }
    let differences: Vec<f64> = other.iter().zip(base).map(|(o, b)| o - b).collect();
    let alone: Vec<usize> = (0..differences.len()).collect();
    let clusters = clusters.into();
    let clustered = robust_mean(&differences, clusters);
    let naive = robust_mean(&differences, &alone);
    Some(PairedDifference {
        difference: clustered.mean,
        standard_error: clustered.standard_error,
        degrees_of_freedom: clustered.degrees_of_freedom,
        interval: mean_interval(&clustered, 1.0, level),
        naive_interval: mean_interval(&naive, 1.0, level),
        design_effect: design_effect(&clustered, &naive),
        p_value: p_value(&clustered, &differences, clusters, flips),
        n: differences.len(),
        n_clusters: clustered.n_clusters,
        n_agreeing: clustered.n_agreeing,
    })
}

/// The interval around a mean of values from `-bound` to `bound`; None with a single cluster.
pub(super) fn mean_interval(mean: &RobustMean, bound: f64, level: f64) -> Option<Interval> {
    mean.interval(level, |n| agreement_interval(mean.mean, bound, n, level))
}

/// By flipping the signs of clusters; where these are crossed, as no cluster can then be flipped by itself, by Student's t.
pub(super) fn p_value(
    mean: &RobustMean,
    values: &[f64],
    clustering: Clustering<'_>,
    flips: SignFlips,
) -> PValue {
    let by_t = mean.p_value().filter(|_| clustering.is_crossed());
    match by_t {
        Some(value) => PValue {
            value: value.max(f64::MIN_POSITIVE),
            n_draws: None,
        },
        None => sign_flip_p_value(values, clustering.clusters(), flips),
    }
}

/// How much larger clustering makes the variance of a mean (L. Kish, "Survey Sampling", 1965, section 8.2).
fn design_effect(clustered: &RobustMean, naive: &RobustMean) -> Option<f64> {
    let (clustered, naive) = (clustered.standard_error?, naive.standard_error?);
    (naive > STANDARD_ERROR_ZERO).then(|| (clustered / naive).powi(2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FLIPS: SignFlips = SignFlips {
        seed: 1,
        n_draws: 999,
    };

    fn of(base: &[f64], other: &[f64], clusters: &[usize]) -> PairedDifference {
        paired_difference(base, other, clusters, 0.95, FLIPS).unwrap()
    }

    /// Difference, standard error, ends of the interval and of the naive interval.
    fn figures(found: &PairedDifference) -> [f64; 6] {
        let (interval, naive) = (found.interval.unwrap(), found.naive_interval.unwrap());
        [
            found.difference,
            found.standard_error.unwrap(),
            interval.lower,
            interval.upper,
            naive.lower,
            naive.upper,
        ]
    }

    fn check(found: &PairedDifference, expected: [f64; 6], design_effect: f64) {
        for (found, expected) in figures(found).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
        assert!((found.design_effect.unwrap() - design_effect).abs() < 1e-9);
    }

    /// Values from 0 to 1 that look irregular.
    fn made(n: i32, factor: i32) -> Vec<f64> {
        (0..n)
            .map(|k| f64::from((k * k * factor + 13 * k) % 101) / 100.0)
            .collect()
    }

    /// R 4.2.2 with clubSandwich 0.5.8; the last figure is the square of the quotient of the two standard errors:
    /// ```r
    /// paired <- function(base, other, g) {
    ///   d <- other - base; naive <- t.test(d)
    ///   ci <- conf_int(lm(d ~ 1), vcov = "CR2", cluster = g, test = "Satterthwaite")
    ///   print(c(ci$beta, ci$SE, ci$CI_L, ci$CI_U, naive$conf.int, (ci$SE / naive$stderr)^2), digits = 17)
    /// }
    /// made <- function(n, f) { k <- 0:(n - 1); (k * k * f + 13 * k) %% 101 / 100 }
    /// paired(made(100, 3), made(100, 8), (0:99)^2 %% 23)
    /// paired(c(0, .5, 1, 1, .2, .4), c(.5, .5, 1, 0, .8, 1), c(0, 0, 1, 1, 2, 2))
    /// ```
    #[test]
    fn club_sandwich_finds_the_same() {
        let clusters: Vec<usize> = (0..100).map(|k| k * k % 23).collect();
        check(
            &of(&made(100, 3), &made(100, 8), &clusters),
            [
                -0.07120000000000005,
                0.028971768276286575,
                -0.13511576044528537,
                -0.0072842395547147165,
                -0.147583452684665,
                0.005183452684664899,
            ],
            0.5664084791537021,
        );
        check(
            &of(
                &[0.0, 0.5, 1.0, 1.0, 0.2, 0.4],
                &[0.5, 0.5, 1.0, 0.0, 0.8, 1.0],
                &[0, 0, 1, 1, 2, 2],
            ),
            [
                0.11666666666666672,
                0.3244653722321967,
                -1.2793951528773697,
                1.512728486210703,
                -0.5282597060994169,
                0.7615930394327503,
            ],
            1.6725507502206554,
        );
    }

    /// scipy 1.17.1: `stats.ttest_1samp(made(30, 8) - made(30, 3), 0).confidence_interval(0.95)`.
    #[test]
    fn a_prompt_of_its_own_cluster_gives_the_paired_t_interval() {
        let alone: Vec<usize> = (0..30).collect();
        let found = of(&made(30, 3), &made(30, 8), &alone);
        let ends = [-0.20625297659514918, 0.03891964326181582];
        check(
            &found,
            [
                -0.08366666666666651,
                0.05993767516524613,
                ends[0],
                ends[1],
                ends[0],
                ends[1],
            ],
            1.0,
        );
    }

    /// statsmodels 0.15.0: `proportion_confint(0, 5, 0.05, "wilson")` ends at 0.43448246478317487.
    #[test]
    fn conditions_that_agree_everywhere_are_not_certain_to_agree() {
        let clusters = [0, 1, 2, 3, 4, 4];
        let found = of(&[0.5; 6], &[0.5; 6], &clusters);
        let interval = found.interval.unwrap();
        assert_eq!((found.difference, found.standard_error), (0.0, Some(0.0)));
        assert!((interval.lower + 0.43448246478317487).abs() < 1e-12);
        assert!((interval.upper - 0.43448246478317487).abs() < 1e-12);
        assert_eq!((found.p_value.value, found.design_effect), (1.0, None));
        let opposite = of(&[0.0; 6], &[1.0; 6], &clusters);
        let interval = opposite.interval.unwrap();
        assert!((interval.lower - (1.0 - 2.0 * 0.43448246478317487)).abs() < 1e-12);
        assert!((interval.upper - 1.0).abs() < 1e-12);
        assert_eq!(opposite.p_value.value, 1.0 / 16.0);
    }

    #[test]
    fn a_single_cluster_has_no_interval() {
        let found = of(&[0.0, 0.5], &[1.0, 0.5], &[3, 3]);
        assert_eq!((found.difference, found.n, found.n_clusters), (0.5, 2, 1));
        assert_eq!((found.standard_error, found.interval), (None, None));
        assert_eq!((found.design_effect, found.p_value.value), (None, 1.0));
        assert_eq!(paired_difference(&[], &[], &[], 0.95, FLIPS), None);
    }

    /// Of equal conditions, and of far ones: values with the names of their clusters, of which there are at least two.
    fn observations() -> impl Strategy<Value = Vec<(f64, f64, usize)>> {
        let rate = || (0u32..=10).prop_map(|tenths| f64::from(tenths) / 10.0);
        prop::collection::vec((rate(), rate(), 0usize..30), 2..60)
            .prop_filter("two clusters", |found| {
                found.iter().any(|(.., cluster)| *cluster != found[0].2)
            })
    }

    fn of_observations(found: &[(f64, f64, usize)]) -> PairedDifference {
        let base: Vec<f64> = found.iter().map(|(base, ..)| *base).collect();
        let other: Vec<f64> = found.iter().map(|(_, other, _)| *other).collect();
        let clusters: Vec<usize> = found.iter().map(|(.., cluster)| *cluster).collect();
        of(&base, &other, &clusters)
    }

    proptest! {
        #[test]
        fn swapping_the_conditions_negates_the_difference(found in observations()) {
            let swapped: Vec<_> = found.iter().map(|(a, b, cluster)| (*b, *a, *cluster)).collect();
            let (a, b) = (of_observations(&found), of_observations(&swapped));
            let [difference, standard_error, lower, upper, naive_lower, naive_upper] = figures(&a);
            let expected = [-difference, standard_error, -upper, -lower, -naive_upper, -naive_lower];
            for (found, expected) in figures(&b).into_iter().zip(expected) {
                prop_assert!((found - expected).abs() < 1e-9);
            }
            prop_assert_eq!(a.p_value, b.p_value);
        }

        #[test]
        fn order_and_names_of_clusters_change_nothing(
            (ordered, shuffled) in observations().prop_flat_map(|found| (Just(found.clone()), Just(found).prop_shuffle()))
        ) {
            let renamed: Vec<_> = shuffled.iter().map(|(a, b, cluster)| (*a, *b, 100 - cluster)).collect();
            let (a, b) = (of_observations(&ordered), of_observations(&renamed));
            for (found, expected) in figures(&b).into_iter().zip(figures(&a)) {
                prop_assert!((found - expected).abs() < 1e-9);
            }
            prop_assert_eq!(a.p_value, b.p_value);
        }

        #[test]
        fn what_all_prompts_have_in_common_cancels(found in observations(), shift in 0.0..0.5f64) {
            let halved: Vec<_> = found.iter().map(|(a, b, cluster)| (a / 2.0, b / 2.0, *cluster)).collect();
            let shifted: Vec<_> = halved.iter().map(|(a, b, cluster)| (a + shift, b + shift, *cluster)).collect();
            for (found, expected) in figures(&of_observations(&shifted)).into_iter().zip(figures(&of_observations(&halved))) {
                prop_assert!((found - expected).abs() < 1e-9);
            }
        }
    }
}
