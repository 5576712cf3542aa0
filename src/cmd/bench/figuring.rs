//! The small sums behind the figures, each used by several of the measurements.
//!
//! Owns how items are chosen, how a rate is taken and which figure stands for several.

use std::time::Duration;

/// `n` of the items, evenly spread; all of them where there are no more.
pub(super) fn spread<T: Clone>(items: &[T], n: usize) -> Vec<T> {
    let n = n.clamp(1, items.len());
    (0..n)
        .map(|place| items[place * items.len() / n].clone())
        .collect()
}

/// The median of some figures; the upper of the two in the middle.
pub(super) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// `n` by the seconds that they took.
pub(super) fn per_second(n: usize, duration: Duration) -> f64 {
    n as f64 / duration.as_secs_f64().max(1e-9)
}
