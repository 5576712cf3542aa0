//! Exact rates of a mean over conditions.
//!
//! Owns what enumerated continuations say of such a mean: its certain bounds are the means of those in each condition. What
//! the mean of a pair is, `pooled` says.

use super::bounds::Bounds;
use super::leak_rate::{ExactRate, LeakRate};

/// The rates of means with what enumerated continuations say of them: `of` are the rates of each condition.
pub fn with_exact(rates: Vec<LeakRate>, of: &[Vec<LeakRate>]) -> Vec<LeakRate> {
    let with_exact = |rate: LeakRate| {
        let of_category = of.iter().map(|rates| {
            let mut rates = rates.iter();
            let found = rates.find(|it| it.category == rate.category)?;
            // Of other pairs, other bounds are certain.
            found.exact.filter(|_| found.n_pairs == rate.n_pairs)
        });
        let of_category: Option<Vec<ExactRate>> = of_category.collect();
        let exact = of_category.as_deref().and_then(ExactRate::mean);
        LeakRate { exact, ..rate }
    };
    rates.into_iter().map(with_exact).collect()
}

impl ExactRate {
    /// The mean over conditions; None without any.
    fn mean(of: &[Self]) -> Option<Self> {
        let mean = |value: fn(&Self) -> f64| mean_of(of.iter().map(value));
        let bounds: Vec<Bounds> = of.iter().map(|rate| rate.bounds).collect();
        Some(Self {
            bounds: Bounds::mean(&bounds)?,
            similarity_shift: mean(|it| it.similarity_shift),
            total_variation_lower: mean(|it| it.total_variation_lower),
            total_variation_upper: mean(|it| it.total_variation_upper),
            entropy_test: mean(|it| it.entropy_test),
            entropy_control: mean(|it| it.entropy_control),
            coverage: mean(|it| it.coverage),
            coverage_min: of.iter().map(|it| it.coverage_min).fold(1.0, f64::min),
        })
    }
}

/// The mean of at least one value.
fn mean_of(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}
