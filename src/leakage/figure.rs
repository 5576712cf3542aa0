//! A figure: a mean over pairs with its interval.
//!
//! Owns the level of all intervals and how a mean of values of any range gets one.

use crate::stats::{Clustering, Interval, cluster_mean, cluster_mean_about_zero};

/// The coverage of the interval.
pub(super) const LEVEL: f64 = 0.95;

/// A mean, in percent or points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The mean.
    pub value: f64,
    /// Its cluster-robust standard error; None with a single cluster.
    pub standard_error: Option<f64>,
    /// Its 95 % interval, cut to the range of the figure; None with a single cluster.
    pub interval: Option<Interval>,
}

/// A hundred times the mean of values within a range, which is 0 to 1 or as far below 0 as above; None without values.
pub(super) fn figure<'a>(
    values: &[f64],
    clusters: impl Into<Clustering<'a>>,
    range: (f64, f64),
) -> Option<Figure> {
    let (lower, upper) = range;
    let within: Vec<f64> = values
        .iter()
        .map(|value| value.clamp(lower, upper))
        .collect();
    let found = match lower < 0.0 {
        true => cluster_mean_about_zero(&within, clusters, upper, LEVEL)?,
        false => cluster_mean(&within, clusters, LEVEL)?,
    };
    Some(Figure {
        value: 100.0 * found.mean,
        standard_error: found.standard_error.map(|error| 100.0 * error),
        interval: found.interval.map(|interval| Interval {
            lower: 100.0 * interval.lower.clamp(lower, upper),
            upper: 100.0 * interval.upper.clamp(lower, upper),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// statsmodels 0.15.0: `proportion_confint(0, 5, 0.05, "wilson")` ends at 0.43448246478317487: so large a part of the
    /// clusters may differ although none was found to.
    #[test]
    fn figures_without_variance_have_an_interval() {
        let clusters = [0, 1, 2, 3, 4];
        let found = figure(&[0.0; 5], &clusters, (-1.0, 1.0)).unwrap();
        let interval = found.interval.unwrap();
        assert_eq!((found.value, found.standard_error), (0.0, Some(0.0)));
        assert!((interval.upper - 43.448246478317487).abs() < 1e-9);
        assert!((interval.lower + 43.448246478317487).abs() < 1e-9);
    }
}
