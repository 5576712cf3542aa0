//! A trend over levels, where every prompt was given at every level.
//!
//! Owns the slope and its interval. Each prompt has its own least-squares slope over the levels; the
//! slope of the mean values is the mean of these, and standard error and interval are those of
//! `interval` for that mean: a regression with an effect of its own for each prompt.
//!
//! A slope describes a straight line. It does not say that the truth is one.

use super::interval::{Interval, robust_mean};
use super::paired::mean_interval;

/// The fewest different levels that show a trend; two are a difference.
pub const N_LEVELS_MIN: usize = 3;

/// A slope.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Change of the mean value for one more unit of the level.
    pub slope: f64,
    /// Its cluster-robust standard error, 0 or more; None with a single cluster.
    pub standard_error: Option<f64>,
    /// The interval of the slope; None with a single cluster.
    pub interval: Option<Interval>,
    /// Number of different levels, at least [`N_LEVELS_MIN`].
    pub n_levels: usize,
    /// Number of prompts, at least 1.
    pub n: usize,
    /// Number of clusters, at least 1.
    pub n_clusters: usize,
}

/// The trend of `values[l][i]`, from 0 to 1: the value of prompt i at `levels[l]`, where prompt i belongs to the cluster
/// named `clusters[i]`.
///
/// `coverage` of the interval is between 0 and 1, such as 0.95. None without prompts or with too few different levels.
pub fn trend(
    levels: &[f64],
    values: &[Vec<f64>],
    clusters: &[usize],
    coverage: f64,
) -> Option<Trend> {
    assert_eq!(levels.len(), values.len(), "every level has its values");
    let is_complete = values.iter().all(|values| values.len() == clusters.len());
    assert!(is_complete, "every prompt has a value at every level");
    let n_levels = count_different(levels);
    if clusters.is_empty() || n_levels < N_LEVELS_MIN {
        return None;
    }
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    let distances: Vec<f64> = levels.iter().map(|level| level - mean).collect();
    let sum_of_squares: f64 = distances.iter().map(|distance| distance * distance).sum();
    let slopes = (0..clusters.len()).map(|prompt| {
        let at_levels = distances.iter().zip(values);
        let products = at_levels.map(|(distance, values)| distance * values[prompt]);
        products.sum::<f64>() / sum_of_squares
    });
    let slopes = robust_mean(&slopes.collect::<Vec<_>>(), clusters);
    // The steepest slope that values from 0 to 1 can have: 1 above the mean level and 0 below.
    let above: f64 = distances.iter().filter(|distance| **distance > 0.0).sum();
    Some(Trend {
        slope: slopes.mean,
        standard_error: slopes.standard_error,
        interval: mean_interval(&slopes, above / sum_of_squares, coverage),
        n_levels,
        n: clusters.len(),
        n_clusters: slopes.n_clusters,
    })
}

fn count_different(levels: &[f64]) -> usize {
    let mut levels = levels.to_vec();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    levels.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEVELS: [f64; 4] = [2.6, 3.9, 4.8, 8.5];

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

    #[test]
    fn equal_values_have_a_slope_of_zero_that_is_not_certain() {
        let found = trend(&LEVELS, &vec![vec![0.5; 6]; 4], &[0, 1, 2, 3, 4, 5], 0.95).unwrap();
        let interval = found.interval.unwrap();
        assert!(found.slope.abs() < 1e-15);
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
