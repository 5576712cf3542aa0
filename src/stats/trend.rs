//! A trend over levels, where every prompt was given at every level.
//!
//! Owns the slope, its interval and its p-value, the test of the straight line, and the steps from level to level. Each
//! prompt has its own least-squares slope over the levels; the slope of the mean values is the mean of these, and standard
//! error and interval are those of `interval` for that mean: a regression with an effect of its own for each prompt.
//!
//! A slope describes a straight line. It does not say that the truth is one: contrasts that are orthogonal to the line
//! (polynomials of degree 2 and more, by Gram-Schmidt) are zero where it is, so each is tested as the slope is, by flipping
//! the signs of clusters, and corrected for all of them by Holm.

use super::interval::{Interval, STANDARD_ERROR_ZERO, robust_mean};
use super::multiple::holm;
use super::paired::{PairedDifference, mean_interval, p_value, paired_difference};
use super::sign_flip::{PValue, SignFlips};
use super::variance::{Clustering, Crossing};

/// The fewest different levels that show a trend; two are a difference.
pub const N_LEVELS_MIN: usize = 3;

/// A slope.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    /// Change of the mean value for one more unit of the level.
    pub slope: f64,
    /// Its cluster-robust standard error, 0 or more; None with a single cluster.
    pub standard_error: Option<f64>,
    /// The interval of the slope; None with a single cluster.
    pub interval: Option<Interval>,
    /// How likely a slope at least as steep is without any true one.
    pub p_value: PValue,
    /// How likely means at least as far from a straight line are where the truth is one.
    pub lack_of_fit_p_value: f64,
    /// True if the means only rise or only fall from level to level.
    pub is_monotone: bool,
    /// From each level to the next higher one, from the lowest on.
    pub steps: Vec<Step>,
    /// Number of different levels, at least [`N_LEVELS_MIN`].
    pub n_levels: usize,
    /// Number of prompts, at least 1.
    pub n: usize,
    /// Number of clusters, at least 1.
    pub n_clusters: usize,
}

/// Two neighbouring levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The lower level.
    pub from: f64,
    /// The higher one.
    pub to: f64,
    /// The value at the higher level less that at the lower.
    pub difference: PairedDifference,
}

/// The trend of `values[l][i]`, from 0 to 1: the value of prompt i at `levels[l]`, where prompt i belongs to the cluster
/// named `clusters[i]`.
///
/// `crossing` is that of sums over levels with these factors; None where no clusters cross. `coverage` of the interval is
/// between 0 and 1, such as 0.95. None without prompts or with too few different levels.
pub fn trend(
    levels: &[f64],
    values: &[Vec<f64>],
    clusters: &[usize],
    crossing: impl Fn(&[f64]) -> Option<Crossing>,
    coverage: f64,
    flips: SignFlips,
) -> Option<Trend> {
    assert_eq!(levels.len(), values.len(), "every level has its values");
    let is_complete = values.iter().all(|values| values.len() == clusters.len());
    assert!(is_complete, "every prompt has a value at every level");
    let n_levels = different(levels).len();
    if clusters.is_empty() || n_levels < N_LEVELS_MIN {
        return None;
    }
    let tested = |weights: &[f64]| {
        let values = contrast(weights, values);
        let crossing = crossing(weights);
        let clustering = Clustering::crossed(clusters, crossing.as_ref());
        let mean = robust_mean(&values, clustering);
        let p_value = p_value(&mean, &values, clustering, flips);
        (mean, p_value)
    };
    // The first is the line itself.
    let bends = polynomials(levels, n_levels).into_iter().skip(1);
    let bends = bends.map(|weights| tested(&weights).1.value);
    let weights = slope_weights(levels);
    let (mean, p_value) = tested(&weights);
    // The steepest slope that values from 0 to 1 can have: 1 above the mean level and 0 below.
    let above: f64 = weights.iter().filter(|weight| **weight > 0.0).sum();
    let steps = steps(levels, values, clusters, &crossing, coverage, flips);
    Some(Trend {
        slope: mean.mean,
        standard_error: mean.standard_error,
        interval: mean_interval(&mean, above, coverage),
        p_value,
        lack_of_fit_p_value: holm(&bends.collect::<Vec<_>>())
            .into_iter()
            .fold(1.0, f64::min),
        is_monotone: is_monotone(&steps),
        steps,
        n_levels,
        n: clusters.len(),
        n_clusters: mean.n_clusters,
    })
}

/// The factors of the values at levels whose sum is their least-squares slope; levels are not all the same.
pub fn slope_weights(levels: &[f64]) -> Vec<f64> {
    let distances = distances(levels);
    let sum_of_squares = dot(&distances, &distances);
    let weights = distances.iter();
    weights.map(|distance| distance / sum_of_squares).collect()
}

/// Each level once, from the lowest on.
fn different(levels: &[f64]) -> Vec<f64> {
    let mut levels = levels.to_vec();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    levels
}

/// The distance of each level from their mean.
fn distances(levels: &[f64]) -> Vec<f64> {
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    levels.iter().map(|level| level - mean).collect()
}

fn length(vector: &[f64]) -> f64 {
    dot(vector, vector).sqrt()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The orthogonal polynomials over the levels of degree 1 to `n - 1`, each of length 1.
fn polynomials(levels: &[f64], n: usize) -> Vec<Vec<f64>> {
    let distances = distances(levels);
    let mut found = vec![vec![(levels.len() as f64).sqrt().recip(); levels.len()]];
    while found.len() < n {
        let last = &found[found.len() - 1];
        let mut next: Vec<f64> = last.iter().zip(&distances).map(|(a, b)| a * b).collect();
        // The second time takes out what rounding left.
        for other in found.iter().chain(&found) {
            let part = dot(&next, other);
            next.iter_mut()
                .zip(other)
                .for_each(|(value, other)| *value -= part * other);
        }
        let length = length(&next);
        found.push(next.iter().map(|value| value / length).collect());
    }
    found.split_off(1)
}

/// The weighted sum over levels of each prompt's values; what rounding leaves of a zero is one.
fn contrast(weights: &[f64], values: &[Vec<f64>]) -> Vec<f64> {
    let n = values.first().map_or(0, Vec::len);
    let sum = |prompt: usize| -> f64 {
        let at_levels = weights.iter().zip(values);
        at_levels
            .map(|(weight, values)| weight * values[prompt])
            .sum()
    };
    let sums = (0..n).map(sum);
    sums.map(|sum| {
        if sum.abs() <= STANDARD_ERROR_ZERO {
            0.0
        } else {
            sum
        }
    })
    .collect()
}

fn steps(
    levels: &[f64],
    values: &[Vec<f64>],
    clusters: &[usize],
    crossing: impl Fn(&[f64]) -> Option<Crossing>,
    coverage: f64,
    flips: SignFlips,
) -> Vec<Step> {
    let shares = |level: f64| -> Vec<f64> {
        let meant = levels.iter().map(|it| f64::from(u8::from(*it == level)));
        let n: f64 = meant.clone().sum();
        meant.map(|it| it / n).collect()
    };
    let different = different(levels);
    let neighbours = different.windows(2).map(|pair| (pair[0], pair[1]));
    neighbours
        .filter_map(|(from, to)| {
            let [lower, upper] = [from, to].map(shares);
            let factors: Vec<f64> = upper.iter().zip(&lower).map(|(u, l)| u - l).collect();
            let crossing = crossing(&factors);
            let clustering = Clustering::crossed(clusters, crossing.as_ref());
            let [base, other] = [lower, upper].map(|shares| {
                // Rounding may lift a mean of ones above 1.
                let means = contrast(&shares, values).into_iter();
                means.map(|mean| mean.min(1.0)).collect::<Vec<_>>()
            });
            Some(Step {
                from,
                to,
                difference: paired_difference(&base, &other, clustering, coverage, flips)?,
            })
        })
        .collect()
}

fn is_monotone(steps: &[Step]) -> bool {
    let all = |sign: f64| {
        let mut steps = steps.iter();
        steps.all(|step| sign * step.difference.difference >= -STANDARD_ERROR_ZERO)
    };
    all(1.0) || all(-1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEVELS: [f64; 4] = [2.6, 3.9, 4.8, 8.5];
    const FLIPS: SignFlips = SignFlips {
        seed: 1,
        n_draws: 999,
    };

    fn trend(
        levels: &[f64],
        values: &[Vec<f64>],
        clusters: &[usize],
        coverage: f64,
    ) -> Option<Trend> {
        super::trend(levels, values, clusters, |_| None, coverage, FLIPS)
    }

    fn made(n: i32, factor: i32) -> Vec<f64> {
        (0..n)
            .map(|k| f64::from((k * k * factor + 13 * k) % 101) / 100.0)
            .collect()
    }

    fn figures(found: &Trend) -> [f64; 4] {
        let interval = found.interval.unwrap();
        [
            found.slope,
            found.standard_error.unwrap(),
            interval.lower,
            interval.upper,
        ]
    }

    /// R 4.2.2 with clubSandwich 0.5.8, `made` as in `paired`:
    /// ```r
    /// x <- c(2.6, 3.9, 4.8, 8.5); Y <- sapply(c(3, 5, 8, 12), function(f) made(120, f))
    /// slopes <- apply(Y, 1, function(y) coef(lm(y ~ x))[2])
    /// ci <- conf_int(lm(slopes ~ 1), vcov = "CR2", cluster = (0:119)^2 %% 17, test = "Satterthwaite")
    /// print(c(ci$beta, ci$SE, ci$CI_L, ci$CI_U), digits = 17)
    /// ```
    #[test]
    fn club_sandwich_finds_the_same() {
        let values = [3, 5, 8, 12].map(|factor| made(120, factor));
        let clusters: Vec<usize> = (0..120).map(|k| k * k % 17).collect();
        let found = trend(&LEVELS, &values, &clusters, 0.95).unwrap();
        let expected = [
            -6.883116883108203e-05,
            0.007076103786351358,
            -0.016450277429778302,
            0.016312615092115977,
        ];
        for (found, expected) in figures(&found).into_iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-12,
                "{found} is not {expected}"
            );
        }
        assert_eq!((found.n_levels, found.n, found.n_clusters), (4, 120, 9));
    }

    /// scipy 1.17.1 and R 4.2.2, whose `contr.poly(4, scores = c(2.6, 3.9, 4.8, 8.5))` are the contrasts over four levels:
    /// ```python
    /// made = lambda n, f: (np.arange(n) ** 2 * f + 13 * np.arange(n)) % 101 / 100
    /// Y, G = np.array([made(120, f) for f in (3, 5, 8, 12)]), np.arange(120) ** 2 % 17
    /// Y[1] = np.minimum(Y[1] + .5, 1)
    /// for c in R_CONTR_POLY.T:
    ///     sums = [(c @ Y)[G == g].sum() for g in set(G)]
    ///     print(stats.permutation_test((np.array(sums),), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue)
    /// ```
    /// which prints 0.01171875, 0.03125 and 0.00390625.
    #[test]
    fn scipy_finds_the_same_p_values() {
        let mut values = [3, 5, 8, 12].map(|factor| made(120, factor));
        values[1]
            .iter_mut()
            .for_each(|it| *it = (*it + 0.5).min(1.0));
        let clusters: Vec<usize> = (0..120).map(|k| k * k % 17).collect();
        let found = trend(&LEVELS, &values, &clusters, 0.95).unwrap();
        assert_eq!(
            found.p_value,
            PValue {
                value: 0.01171875,
                n_draws: None
            }
        );
        assert_eq!(found.lack_of_fit_p_value, 2.0 * 0.00390625);
        assert!(!found.is_monotone);
        let steps: Vec<_> = found
            .steps
            .iter()
            .map(|step| (step.from, step.to))
            .collect();
        assert_eq!(steps, [(2.6, 3.9), (3.9, 4.8), (4.8, 8.5)]);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / 120.0;
        let expected = mean(&values[2]) - mean(&values[1]);
        assert!((found.steps[1].difference.difference - expected).abs() < 1e-12);
    }

    /// Rounding must not pass for a deviation that all clusters share.
    #[test]
    fn a_straight_line_is_seen_to_fit() {
        let values = LEVELS.map(|level| vec![level / 10.0; 12]);
        let found = trend(&LEVELS, &values, &(0..12).collect::<Vec<_>>(), 0.95).unwrap();
        assert_eq!(found.lack_of_fit_p_value, 1.0);
        assert_eq!(found.p_value.value, 2.0 / 4096.0);
        assert!(found.is_monotone);
    }

    #[test]
    fn files_of_one_level_are_one_level() {
        let values = [0.2, 0.4, 0.5, 0.3].map(|value| vec![value; 12]);
        let clusters: Vec<usize> = (0..12).collect();
        let found = trend(&[2.0, 3.0, 4.0, 3.0], &values, &clusters, 0.95).unwrap();
        let steps: Vec<f64> = found
            .steps
            .iter()
            .map(|step| step.difference.difference)
            .collect();
        assert!(
            (steps[0] - 0.15).abs() < 1e-12 && (steps[1] - 0.15).abs() < 1e-12,
            "{steps:?}"
        );
        assert_eq!((found.n_levels, found.lack_of_fit_p_value), (3, 1.0));
    }

    #[test]
    fn equal_values_have_a_slope_of_zero_that_is_not_certain() {
        let found = trend(&LEVELS, &vec![vec![0.5; 6]; 4], &[0, 1, 2, 3, 4, 5], 0.95).unwrap();
        let interval = found.interval.unwrap();
        assert!(found.slope.abs() < 1e-15);
        assert_eq!(
            (
                found.p_value.value,
                found.lack_of_fit_p_value,
                found.is_monotone
            ),
            (1.0, 1.0, true)
        );
        assert!(interval.lower < -0.01 && 0.01 < interval.upper);
    }

    #[test]
    fn too_few_levels_or_clusters_have_no_trend_or_no_interval() {
        let values = vec![vec![0.5; 2]; 3];
        assert_eq!(trend(&[2.0, 3.0, 3.0], &values, &[0, 1], 0.95), None);
        assert_eq!(trend(&[2.0, 3.0, 4.0], &vec![vec![]; 3], &[], 0.95), None);
        let found = trend(&[2.0, 3.0, 4.0], &values, &[7, 7], 0.95).unwrap();
        assert_eq!((found.interval, found.n_clusters), (None, 1));
    }

    /// Values of prompts at the four levels, with the names of their clusters, of which there are at least two.
    fn observations() -> impl Strategy<Value = Vec<([f64; 4], usize)>> {
        let rates = [(); 4].map(|()| (0u32..=10).prop_map(|tenths| f64::from(tenths) / 10.0));
        prop::collection::vec((rates, 0usize..9), 2..40).prop_filter("two clusters", |found| {
            found.iter().any(|(_, cluster)| *cluster != found[0].1)
        })
    }

    fn of(found: &[([f64; 4], usize)], map: &dyn Fn(f64) -> f64) -> Trend {
        let at = |level: usize| found.iter().map(|(rates, _)| map(rates[level])).collect();
        let values: Vec<Vec<f64>> = (0..4).map(at).collect();
        let clusters: Vec<usize> = found.iter().map(|(_, cluster)| *cluster).collect();
        trend(&LEVELS, &values, &clusters, 0.95).unwrap()
    }

    proptest! {
        #[test]
        fn mirrored_values_negate_the_slope(found in observations()) {
            let [slope, standard_error, lower, upper] = figures(&of(&found, &|rate| rate));
            let expected = [-slope, standard_error, -upper, -lower];
            for (found, expected) in figures(&of(&found, &|rate| 1.0 - rate)).into_iter().zip(expected) {
                prop_assert!((found - expected).abs() < 1e-9);
            }
        }

        #[test]
        fn order_and_names_of_clusters_change_nothing(
            (ordered, shuffled) in observations().prop_flat_map(|found| (Just(found.clone()), Just(found).prop_shuffle()))
        ) {
            let renamed: Vec<_> = shuffled.iter().map(|(rates, cluster)| (*rates, 100 - cluster)).collect();
            let expected = figures(&of(&ordered, &|rate| rate));
            for (found, expected) in figures(&of(&renamed, &|rate| rate)).into_iter().zip(expected) {
                prop_assert!((found - expected).abs() < 1e-9);
            }
        }
    }
}
