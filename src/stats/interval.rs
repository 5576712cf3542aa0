//! The mean of verdicts that come in clusters, with an interval that knows it.
//!
//! Owns the cluster-robust standard error of a mean and the intervals around it. It does not choose
//! the clusters and does not cut an interval to the range of the quantity: the caller does both.
//!
//! Verdicts that share something are not independent, and counting them as if they were makes an
//! interval too narrow. Clusters are taken as independent of each other, nothing is assumed within one.
//! With n values x_i of mean m in clusters of n_g values, p_g = n_g / n, the variance of the mean is
//! estimated by
//!
//! > sum over clusters of (sum over the cluster of (x_i - m))² / (1 - p_g) / n²
//!
//! which is the estimator CR2 of a regression on a constant, and the interval takes Student's t with
//! Satterthwaite's degrees of freedom of that estimator where values do not depend on each other,
//!
//! > 1 / (sum of p_g² + sum over g ≠ h of p_g² p_h² / ((1 - p_g) (1 - p_h)))
//!
//! which are G - 1 in G clusters of one size and fewer where sizes differ: R. M. Bell and D. F.
//! McCaffrey, "Bias Reduction in Standard Errors for Linear Regression with Multi-Stage Samples",
//! Survey Methodology 28(2), 2002; G. W. Imbens and M. Kolesár, "Robust Standard Errors in Small
//! Samples", Review of Economics and Statistics 98(4), 2016. With G - 1 degrees and without the
//! division by 1 - p_g, as is more usual, intervals are too narrow where a few clusters hold most
//! values. Clustered standard errors for evaluations of language models: E. Miller, "Adding Error Bars
//! to Evals", arXiv 2411.00640, 2024.
//!
//! Where the standard error is zero, because all values are equal or every cluster has the same
//! mean, that interval would have no width, as if nothing were uncertain. Then the interval is
//! Wilson's score interval of the mean (E. B. Wilson, Journal of the American Statistical Association
//! 22, 1927), with each cluster as a single observation: the most that values which agree within
//! their cluster can be worth.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::normal::normal_quantile;
use super::variance::{Clustering, Variance};

/// A standard error up to this is a zero that rounding has blurred.
///
/// The smallest true one of n verdicts of 0, 0.5 and 1 is above 0.3 / n², so this holds for half a million.
pub(super) const STANDARD_ERROR_ZERO: f64 = 1e-12;

/// The mean of clustered values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusterMean {
    /// The mean of all values; every value has the same weight.
    pub mean: f64,
    /// Its cluster-robust standard error, 0 or more; None with a single cluster.
    pub standard_error: Option<f64>,
    /// The interval, whose ends may lie outside of the range of values; None with a single cluster.
    pub interval: Option<Interval>,
    /// The degrees of freedom of Student's t, at most one less than there are clusters; 0 with a single cluster.
    pub degrees_of_freedom: f64,
    /// Number of values, at least 1.
    pub n: usize,
    /// Number of clusters, at least 1.
    pub n_clusters: usize,
}

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

/// The mean of `values`, each from 0 to 1, where `values[i]` belongs to the cluster named `clusters[i]`.
///
/// `level` is the coverage of the interval, between 0 and 1, such as 0.95. None without values.
pub fn cluster_mean<'a>(
    values: &[f64],
    clusters: impl Into<Clustering<'a>>,
    level: f64,
) -> Option<ClusterMean> {
    let is_verdict = |value: &f64| (0.0..=1.0).contains(value);
    assert!(values.iter().all(is_verdict), "values are from 0 to 1");
    assert!(0.0 < level && level < 1.0, "a level is between 0 and 1");
    if values.is_empty() {
        return None;
    }
    let robust = robust_mean(values, clusters);
    Some(ClusterMean {
        mean: robust.mean,
        standard_error: robust.standard_error,
        interval: robust.interval(level, |n| wilson_interval(robust.mean, n, level)),
        degrees_of_freedom: robust.degrees_of_freedom,
        n: values.len(),
        n_clusters: robust.n_clusters,
    })
}

/// The mean of `values`, each from `-bound` to `bound`, as [`cluster_mean`].
///
/// Where every cluster has the same mean, the interval is that of values which agree, as for differences.
pub fn cluster_mean_about_zero<'a>(
    values: &[f64],
    clusters: impl Into<Clustering<'a>>,
    bound: f64,
    level: f64,
) -> Option<ClusterMean> {
    if values.is_empty() {
        return None;
    }
    let robust = robust_mean(values, clusters);
    let without_variance = |n| agreement_interval(robust.mean, bound, n, level);
    Some(ClusterMean {
        mean: robust.mean,
        standard_error: robust.standard_error,
        interval: robust.interval(level, without_variance),
        degrees_of_freedom: robust.degrees_of_freedom,
        n: values.len(),
        n_clusters: robust.n_clusters,
    })
}

/// A mean and its cluster-robust standard error.
#[derive(Debug, Clone, Copy)]
pub(super) struct RobustMean {
    pub(super) mean: f64,
    /// None with a single cluster.
    pub(super) standard_error: Option<f64>,
    pub(super) degrees_of_freedom: f64,
    pub(super) n_clusters: usize,
    /// Observations where clusters agree: clusters, of two kinds the fewer.
    pub(super) n_agreeing: usize,
}

impl RobustMean {
    /// The interval by Student's t, or `without_variance` of so many observations where all clusters agree; None with a
    /// single cluster.
    pub(super) fn interval(
        &self,
        level: f64,
        without_variance: impl FnOnce(usize) -> Interval,
    ) -> Option<Interval> {
        let standard_error = self.standard_error?;
        Some(if standard_error <= STANDARD_ERROR_ZERO {
            without_variance(self.n_agreeing)
        } else {
            t_interval(self.mean, standard_error, self.degrees_of_freedom, level)
        })
    }

    /// The two-sided p-value of a true mean of 0 by Student's t; None without a standard error above 0.
    pub(super) fn p_value(&self) -> Option<f64> {
        let standard_error = self.standard_error?;
        (standard_error > STANDARD_ERROR_ZERO).then(|| {
            let student = student(self.degrees_of_freedom);
            2.0 * student.cdf(-(self.mean / standard_error).abs())
        })
    }
}

/// The mean of at least one value of any size, with its cluster-robust standard error.
pub(super) fn robust_mean<'a>(values: &[f64], clustering: impl Into<Clustering<'a>>) -> RobustMean {
    let clustering = clustering.into();
    let Variance {
        variance,
        degrees_of_freedom,
        n_agreeing,
    } = clustering.variance(values);
    RobustMean {
        mean: values.iter().sum::<f64>() / values.len() as f64,
        standard_error: variance.map(f64::sqrt),
        degrees_of_freedom,
        n_clusters: clustering.n_clusters(),
        n_agreeing,
    }
}

fn t_interval(mean: f64, standard_error: f64, degrees_of_freedom: f64, level: f64) -> Interval {
    let half_width = t_quantile(0.5 + level / 2.0, degrees_of_freedom) * standard_error;
    Interval {
        lower: mean - half_width,
        upper: mean + half_width,
    }
}

/// The quantile of Student's t at `probability`, between 0 and 1.
pub(super) fn t_quantile(probability: f64, degrees_of_freedom: f64) -> f64 {
    student(degrees_of_freedom).inverse_cdf(probability)
}

fn student(degrees_of_freedom: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, degrees_of_freedom)
        .expect("two clusters or more have a positive number of degrees of freedom")
}

/// An interval around the mean of values that are the same in every cluster, so that no variance can be estimated.
///
/// No cluster of n deviated from the others. Wilson's score interval of that proportion says how large a
/// share u may deviate all the same, and a deviation is anything from `-bound` to `bound`: the truth
/// lies between (1 - u) mean - u bound and (1 - u) mean + u bound. The bound must be at least the mean.
pub(super) fn agreement_interval(mean: f64, bound: f64, n: usize, level: f64) -> Interval {
    let share = wilson_interval(0.0, n, level).upper;
    let (centre, half_width) = ((1.0 - share) * mean, share * bound);
    Interval {
        lower: centre - half_width,
        upper: centre + half_width,
    }
}

/// The score interval of a proportion found in `n` observations; it stays within 0 to 1 but for rounding.
fn wilson_interval(proportion: f64, n: usize, level: f64) -> Interval {
    let n = n as f64;
    let z2 = normal_quantile(0.5 + level / 2.0).powi(2);
    let centre = (proportion + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let variance = proportion * (1.0 - proportion) / n + z2 / (4.0 * n * n);
    let half_width = (z2 * variance).sqrt() / (1.0 + z2 / n);
    Interval {
        lower: centre - half_width,
        upper: centre + half_width,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::degrees_of_freedom;

    /// Checks mean, standard error, lower and upper end.
    fn check(values: &[f64], clusters: &[usize], expected: [f64; 4]) {
        let estimate = cluster_mean(values, clusters, 0.95).unwrap();
        let found = figures(&estimate);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }

    fn figures(estimate: &ClusterMean) -> [f64; 4] {
        let interval = estimate.interval.unwrap();
        let standard_error = estimate.standard_error.unwrap();
        [
            estimate.mean,
            standard_error,
            interval.lower,
            interval.upper,
        ]
    }

    /// R 4.2.2 with clubSandwich 0.5.8:
    /// ```r
    /// reference <- function(y, g) {
    ///   ci <- conf_int(lm(y ~ 1), vcov = "CR2", cluster = g, test = "Satterthwaite")
    ///   print(c(ci$beta, ci$SE, ci$CI_L, ci$CI_U, ci$df), digits = 17)
    /// }
    /// reference(c(1, 0, .5, 1, 1, 0, 1, .5, .5, 1, 0, 1), c(0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4))
    /// reference(c(0, 1, 1, 1, .5, 0), c(7, 7, 7, 3, 3, 3))
    /// k <- 0:299; reference(k^2 %% 11 / 10, k^2 %% 37)
    /// ```
    #[test]
    fn club_sandwich_finds_the_same() {
        check(
            &[1.0, 0.0, 0.5, 1.0, 1.0, 0.0, 1.0, 0.5, 0.5, 1.0, 0.0, 1.0],
            &[0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4],
            [
                0.625,
                0.07754519698703183,
                0.3899644635241911,
                0.8600355364758095,
            ],
        );
        check(
            &[0.0, 1.0, 1.0, 1.0, 0.5, 0.0],
            &[7, 7, 7, 3, 3, 3],
            [
                0.5833333333333335,
                0.08333333333333338,
                -0.4755170613478916,
                1.6421837280145586,
            ],
        );
        let values: Vec<f64> = (0..300).map(|k| f64::from(k * k % 11) / 10.0).collect();
        let clusters: Vec<usize> = (0..300).map(|k| k * k % 37).collect();
        check(
            &values,
            &clusters,
            [
                0.39766666666666656,
                0.005194563531883656,
                0.3867443737857221,
                0.40858895954761304,
            ],
        );
    }

    /// The fifth figure of `reference` above.
    #[test]
    fn degrees_of_freedom_are_satterthwaites() {
        let found = degrees_of_freedom(&[3, 4, 2, 2, 1]);
        assert!((found - 3.286_852_589_641_434).abs() < 1e-9, "{found}");
        assert!((degrees_of_freedom(&[5; 27]) - 26.0).abs() < 1e-9);
        assert_eq!(
            (degrees_of_freedom(&[9]), degrees_of_freedom(&[])),
            (0.0, 0.0)
        );
    }

    /// scipy 1.17.1: `y.mean()`, `stats.sem(y)` and `stats.t.interval(0.95, 4, y.mean(), stats.sem(y))`.
    #[test]
    fn one_value_a_cluster_gives_the_ordinary_t_interval() {
        check(
            &[0.1, 0.4, 0.35, 0.8, 0.9],
            &[4, 8, 0, 1, 2],
            [
                0.51,
                0.14866068747318506,
                0.09725176192973645,
                0.9227482380702636,
            ],
        );
    }

    /// statsmodels 0.15.0: `proportion_confint(5, 5, 0.05, "wilson")`, the same of 0 in 4 and of 3 in 6.
    #[test]
    fn without_variance_between_clusters_the_interval_is_wilsons() {
        let five_pairs = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4];
        check(&[1.0; 10], &five_pairs, [1.0, 0.0, 0.5655175352168252, 1.0]);
        check(
            &[0.0; 4],
            &[0, 1, 2, 3],
            [0.0, 0.0, 0.0, 0.4898908364545974],
        );
        let (halves, six_pairs) = ([0.0, 1.0].repeat(6), (0..12).map(|k| k / 2));
        let clusters: Vec<usize> = six_pairs.collect();
        check(
            &halves,
            &clusters,
            [0.5, 0.0, 0.18761630648265054, 0.8123836935173494],
        );
    }

    #[test]
    fn a_single_cluster_has_no_interval() {
        let estimate = cluster_mean(&[1.0, 0.0, 0.5], &[7, 7, 7], 0.95).unwrap();
        assert_eq!((estimate.mean, estimate.degrees_of_freedom), (0.5, 0.0));
        assert_eq!((estimate.standard_error, estimate.interval), (None, None));
        assert_eq!((estimate.n, estimate.n_clusters), (3, 1));
        assert_eq!(cluster_mean(&[], &[], 0.95), None);
    }

    /// A small linear congruential generator (Knuth's MMIX constants), uniform in 0 to 1.
    fn uniform(state: &mut u64) -> f64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as f64 / (1u64 << 31) as f64
    }

    /// Verdicts of `n_clusters` clusters of unequal size, whose probability differs from cluster to cluster around 0.5.
    fn simulate(n_clusters: usize, state: &mut u64) -> (Vec<f64>, Vec<usize>) {
        let (mut values, mut clusters) = (Vec::new(), Vec::new());
        for cluster in 0..n_clusters {
            let probability = 0.25 + 0.5 * uniform(state);
            for _ in 0..4 + cluster % 5 {
                values.push(f64::from(uniform(state) < probability));
                clusters.push(cluster);
            }
        }
        (values, clusters)
    }

    #[test]
    fn the_interval_covers_the_truth_as_often_as_it_says() {
        let n_simulations = 4_000;
        let mut state = 17;
        for n_clusters in [20, 40] {
            let mut n_covered = 0;
            for _ in 0..n_simulations {
                let (values, clusters) = simulate(n_clusters, &mut state);
                let interval = cluster_mean(&values, &clusters, 0.95)
                    .unwrap()
                    .interval
                    .unwrap();
                n_covered += u32::from(interval.lower <= 0.5 && 0.5 <= interval.upper);
            }
            let coverage = f64::from(n_covered) / f64::from(n_simulations);
            assert!(
                (coverage - 0.95).abs() < 0.02,
                "{n_clusters} clusters: {coverage}"
            );
        }
    }

    /// Verdicts with the names of their clusters, of which there are at least two.
    fn observations() -> impl Strategy<Value = Vec<(f64, usize)>> {
        let verdict = prop::sample::select(vec![0.0, 0.5, 1.0]);
        prop::collection::vec((verdict, 0usize..6), 2..40).prop_filter("two clusters", |found| {
            found.iter().any(|(_, cluster)| *cluster != found[0].1)
        })
    }

    fn estimate_of(observations: &[(f64, usize)]) -> ClusterMean {
        let (values, clusters): (Vec<f64>, Vec<usize>) = observations.iter().copied().unzip();
        cluster_mean(&values, &clusters, 0.95).unwrap()
    }

    fn are_close(a: &ClusterMean, b: [f64; 4]) -> bool {
        figures(a).iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    proptest! {
        #[test]
        fn order_and_names_of_clusters_change_nothing(
            (ordered, shuffled) in observations().prop_flat_map(|found| (Just(found.clone()), Just(found).prop_shuffle()))
        ) {
            let renamed: Vec<_> = shuffled.iter().map(|(value, cluster)| (*value, 100 - cluster)).collect();
            prop_assert!(are_close(&estimate_of(&renamed), figures(&estimate_of(&ordered))));
        }

        /// A second copy of every value in its own cluster brings no information.
        #[test]
        fn copies_within_a_cluster_change_nothing(once in observations()) {
            let twice = [once.clone(), once.clone()].concat();
            prop_assert!(are_close(&estimate_of(&twice), figures(&estimate_of(&once))));
        }

        #[test]
        fn shifted_values_shift_the_t_interval(found in observations(), shift in 0.0..0.5f64) {
            let halved: Vec<_> = found.iter().map(|(value, cluster)| (value / 2.0, *cluster)).collect();
            let estimate = estimate_of(&halved);
            prop_assume!(estimate.standard_error.unwrap() > STANDARD_ERROR_ZERO);
            let shifted: Vec<_> = halved.iter().map(|(value, cluster)| (value + shift, *cluster)).collect();
            let [mean, standard_error, lower, upper] = figures(&estimate);
            let expected = [mean + shift, standard_error, lower + shift, upper + shift];
            prop_assert!(are_close(&estimate_of(&shifted), expected));
        }

        #[test]
        fn mirrored_verdicts_mirror_the_interval(found in observations()) {
            let mirrored: Vec<_> = found.iter().map(|(value, cluster)| (1.0 - value, *cluster)).collect();
            let [mean, standard_error, lower, upper] = figures(&estimate_of(&found));
            let expected = [1.0 - mean, standard_error, 1.0 - upper, 1.0 - lower];
            prop_assert!(are_close(&estimate_of(&mirrored), expected));
        }

        #[test]
        fn a_value_of_its_own_cluster_counts_as_in_the_textbook(
            values in prop::collection::vec(0.0..1.0f64, 2..30)
        ) {
            let clusters: Vec<usize> = (0..values.len()).collect();
            let estimate = cluster_mean(&values, &clusters, 0.95).unwrap();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            prop_assert!((estimate.standard_error.unwrap() - (variance / n).sqrt()).abs() < 1e-12);
        }
    }
}
