//! The standard normal distribution.

use statrs::distribution::{ContinuousCDF, Normal};

fn normal() -> Normal {
    Normal::new(0.0, 1.0).expect("a standard deviation of 1 is positive")
}

/// The probability of a value up to `value`.
pub fn normal_cdf(value: f64) -> f64 {
    normal().cdf(value)
}

/// The value up to which lies the share `probability`, between 0 and 1.
pub fn normal_quantile(probability: f64) -> f64 {
    normal().inverse_cdf(probability)
}
