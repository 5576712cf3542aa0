//! A figure: a mean over pairs with its interval.
//!
//! Owns the level of all intervals and how a mean of values of any range gets one.

use crate::stats::{Interval, cluster_mean};

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

/// A hundred times the mean of values within a range; None without values.
pub(super) fn figure(values: &[f64], clusters: &[usize], range: (f64, f64)) -> Option<Figure> {
    let (lower, upper) = range;
    let width = upper - lower;
    let within: Vec<f64> = values
        .iter()
        .map(|value| ((value - lower) / width).clamp(0.0, 1.0))
        .collect();
    let found = cluster_mean(&within, clusters, LEVEL)?;
    let back = |part: f64| 100.0 * (lower + width * part);
    Some(Figure {
        value: back(found.mean),
        standard_error: found.standard_error.map(|error| 100.0 * width * error),
        interval: found.interval.map(|interval| Interval {
            lower: back(interval.lower.clamp(0.0, 1.0)),
            upper: back(interval.upper.clamp(0.0, 1.0)),
        }),
    })
}
