//! Scales: which values an axis spans and where its ticks are.
//!
//! Owns the choice; how an axis looks, `axes` says. Charts of one kind have the same axis wherever the values allow it.

use crate::stats::Interval;

/// The values an axis spans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) lower: f64,
    pub(super) upper: f64,
}

impl Span {
    /// The span of a rate in percent: 0 to 100 would hide most differences, so the values and `reference` decide,
    /// rounded outwards to tens and cut to what a rate can be.
    pub(super) fn of_rates(values: impl Iterator<Item = f64>, reference: f64) -> Self {
        let span = Self::around(values.chain([reference]));
        Self {
            lower: ((span.lower - 2.0) / 10.0).floor().max(0.0) * 10.0,
            upper: ((span.upper + 2.0) / 10.0).ceil().min(10.0) * 10.0,
        }
    }

    /// The span of differences: zero in the middle, so that both directions look alike.
    pub(super) fn of_differences(values: impl Iterator<Item = f64>) -> Self {
        let largest = values.fold(1.0, |largest: f64, value| largest.max(value.abs()));
        let step = step(2.0 * largest, 8);
        let upper = (largest * 1.05 / step).ceil() * step;
        Self {
            lower: -upper,
            upper,
        }
    }

    /// The span from zero to a little more than the largest value, at least to `least`.
    pub(super) fn from_zero(values: impl Iterator<Item = f64>, least: f64) -> Self {
        let largest = values.fold(least, f64::max);
        let step = step(largest, 6);
        Self {
            lower: 0.0,
            upper: (largest * 1.05 / step).ceil() * step,
        }
    }

    /// The span of quantities such as bits per weight, with room at both ends.
    pub(super) fn with_margin(values: impl Iterator<Item = f64>) -> Self {
        let span = Self::around(values);
        let margin = ((span.upper - span.lower) * 0.08).max(0.5);
        Self {
            lower: span.lower - margin,
            upper: span.upper + margin,
        }
    }

    fn around(values: impl Iterator<Item = f64>) -> Self {
        let none = Self {
            lower: f64::INFINITY,
            upper: f64::NEG_INFINITY,
        };
        values.fold(none, |span, value| Self {
            lower: span.lower.min(value),
            upper: span.upper.max(value),
        })
    }
}

/// Steps of 1, 2 or 5 times a power of ten, so that about `n` of them fill `width`.
pub(super) fn step(width: f64, n: usize) -> f64 {
    let rough = (width / n as f64).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(rough.log10().floor());
    let fits = |factor: &f64| factor * power >= rough * 0.999;
    [1.0, 2.0, 5.0].into_iter().find(fits).unwrap_or(10.0) * power
}

/// A value and both ends of its interval.
pub(super) fn extent(value: f64, interval: Option<Interval>) -> impl Iterator<Item = f64> {
    let ends = interval.map(|interval| [interval.lower, interval.upper]);
    [value].into_iter().chain(ends.into_iter().flatten())
}

/// A number of an axis, without decimals that say nothing.
pub(super) fn tick(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text.strip_prefix('-') {
        Some("0") => "0".to_owned(),
        Some(positive) => format!("−{positive}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_round_and_hold_their_values() {
        let rates = Span::of_rates([53.5, 68.3].into_iter(), 50.0);
        assert_eq!((rates.lower, rates.upper), (40.0, 80.0));
        let all = Span::of_rates([0.0, 100.0].into_iter(), 50.0);
        assert_eq!((all.lower, all.upper), (0.0, 100.0));
        let differences = Span::of_differences([-3.1, 1.0].into_iter());
        assert_eq!((differences.lower, differences.upper), (-4.0, 4.0));
        let none = Span::of_differences([].into_iter());
        assert!(none.lower < 0.0 && none.upper > 0.0);
        let shares = Span::from_zero([41.0].into_iter(), 1.0);
        assert_eq!((shares.lower, shares.upper), (0.0, 50.0));
    }

    #[test]
    fn steps_are_round() {
        let cases = [
            (10.0, 5, 2.0),
            (7.0, 5, 2.0),
            (0.4, 4, 0.1),
            (100.0, 3, 50.0),
            (90.0, 10, 10.0),
        ];
        for (width, n, expected) in cases {
            let found = step(width, n);
            assert!((found - expected).abs() < 1e-9, "{width} {n}: {found}");
        }
    }

    #[test]
    fn ticks_say_no_more_than_they_must() {
        let found: Vec<String> = [-0.000_000_1, 50.0, 2.5, -3.0, 0.005].map(tick).into();
        assert_eq!(found, ["0", "50", "2.5", "−3", "0.005"]);
    }
}
