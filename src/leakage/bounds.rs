//! The certain bounds of a rate or a difference for its prompts, where continuations were enumerated.
//!
//! Owns the bounds over many pairs, and the standard error that draws of tails leave in them. The bounds of one pair
//! are in `exact`.

use std::collections::BTreeMap;

use super::estimate::{ExactPair, PairEstimate};
use super::exact::ExactLeak;

/// The certain bounds of a rate or a difference for these prompts, whatever was not enumerated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The certain lower bound, in percent, or in percentage points of a difference.
    pub lower: f64,
    /// The certain upper bound.
    pub upper: f64,
    /// Standard error for these prompts that draws of tails leave, in percentage points; 0 where nothing was drawn, None
    /// where a tail has a single draw.
    pub draw_standard_error: Option<f64>,
}

impl Bounds {
    /// Of the mean leak probability of at least one pair.
    pub(super) fn of_rate(pairs: &[&ExactPair]) -> Self {
        let mean = |bound: fn(&ExactLeak) -> f64| {
            100.0 * (pairs.iter().map(|pair| bound(&pair.leak)).sum::<f64>() / pairs.len() as f64)
        };
        Self {
            lower: mean(|leak| leak.lower),
            upper: mean(|leak| leak.upper),
            draw_standard_error: draw_variance(pairs).map(|variance| 100.0 * variance.sqrt()),
        }
    }

    /// Of the mean difference over estimates of the same pairs; None unless all of them are exact.
    pub(super) fn of_difference(common: &[(&PairEstimate, &PairEstimate)]) -> Option<Self> {
        let pairs = common.iter();
        let pairs = pairs.map(|(base, other)| Some((base.exact.as_ref()?, other.exact.as_ref()?)));
        let pairs = pairs.collect::<Option<Vec<(&ExactPair, &ExactPair)>>>()?;
        let mean = |side: usize| {
            let bounds = pairs
                .iter()
                .map(|(base, other)| change_bounds(base, other)[side]);
            100.0 * bounds.sum::<f64>() / pairs.len() as f64
        };
        Some(Self {
            lower: mean(0),
            upper: mean(1),
            draw_standard_error: difference_draw_variance(&pairs)
                .map(|variance| 100.0 * variance.sqrt()),
        })
    }
}

impl Bounds {
    /// Of the mean over wordings, whose draws are independent of each other; None without any.
    pub fn mean(of: &[Self]) -> Option<Self> {
        let n = of.len() as f64;
        let mean = |bound: fn(&Self) -> f64| of.iter().map(bound).sum::<f64>() / n;
        let variances = of.iter().map(|it| Some(it.draw_standard_error?.powi(2)));
        let variance: Option<f64> = variances.sum();
        (!of.is_empty()).then(|| Self {
            lower: mean(|it| it.lower),
            upper: mean(|it| it.upper),
            draw_standard_error: variance.map(|sum| sum.sqrt() / n),
        })
    }
}

/// Returns the certain bounds of the change of a leak probability, -1 to 1.
pub(super) fn change_bounds(base: &ExactPair, other: &ExactPair) -> [f64; 2] {
    let (base, other) = (&base.leak, &other.leak);
    [other.lower - base.upper, other.upper - base.lower]
}

/// The amounts that draws of tails add to a mean, by prompt and `is_apart`.
#[derive(Default)]
struct DrawSums(BTreeMap<(usize, bool), Vec<f64>>);

impl DrawSums {
    /// Adds `weight` times what the draws of one prompt add to the leak probability of one pair.
    ///
    /// Draws with the same `is_apart` are the same draws, or made with the same random numbers.
    fn add(&mut self, prompt_idx: usize, is_apart: bool, weight: f64, influences: &[f64]) {
        let sums = self.0.entry((prompt_idx, is_apart)).or_default();
        sums.resize(influences.len().max(sums.len()), 0.0);
        for (sum, influence) in sums.iter_mut().zip(influences) {
            *sum += weight * influence;
        }
    }

    /// The variance of all of it; None where a tail has a single draw.
    fn variance(&self) -> Option<f64> {
        let draws = self.0.values();
        draws.map(|draws| variance_of_mean(draws)).sum()
    }
}

/// Returns the sides that draws were made from: test and control prompt, each with the influences of its draws.
fn drawn_sides(pair: &ExactPair) -> [(usize, &[f64]); 2] {
    [
        (pair.test_prompt_idx, &pair.leak.test_influences),
        (pair.control_prompt_idx, &pair.leak.control_influences),
    ]
}

/// The variance of the mean leak probability that the draws leave; None where a tail has a single draw.
///
/// Draws of different prompts are independent. Pairs that share a prompt share its draws, so what a draw adds is
/// summed over them first. The draws of one prompt are taken as independent and alike; those of slices differ from each
/// other by more, so the variance is rather too large.
fn draw_variance(pairs: &[&ExactPair]) -> Option<f64> {
    let mut sums = DrawSums::default();
    for pair in pairs {
        for (prompt_idx, influences) in drawn_sides(pair) {
            sums.add(prompt_idx, false, 1.0 / pairs.len() as f64, influences);
        }
    }
    sums.variance()
}

/// The variance of the mean difference of pairs that the draws leave; None where a tail has a single draw.
///
/// The i-th draw of a prompt uses the same random numbers under both conditions, so that the two are dependent: what they
/// add is subtracted draw by draw. Where the numbers of draws differ they were made for other settings, and are apart.
fn difference_draw_variance(common: &[(&ExactPair, &ExactPair)]) -> Option<f64> {
    let mut sums = DrawSums::default();
    let weight = 1.0 / common.len() as f64;
    for (base, other) in common {
        for ((base_idx, from), (other_idx, to)) in
            drawn_sides(base).into_iter().zip(drawn_sides(other))
        {
            let is_apart = base_idx != other_idx || from.len() != to.len();
            sums.add(base_idx, false, -weight, from);
            sums.add(other_idx, is_apart, weight, to);
        }
    }
    sums.variance()
}

/// The estimated variance of a mean; 0 for no values, None for a single one.
fn variance_of_mean(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    match values.len() {
        0 => Some(0.0),
        1 => None,
        _ => {
            let mean = values.iter().sum::<f64>() / n;
            let squares = values.iter().map(|value| (value - mean).powi(2));
            Some(squares.sum::<f64>() / (n - 1.0) / n)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leakage::estimate::tests::{check, pair, side};

    /// Two pairs share a control prompt with two draws, one of which is closer to both concepts than anything.
    #[test]
    fn pairs_that_share_a_control_share_its_draws() {
        let control = side(&[(0.5, 0.0)], &[0.9, -0.9]);
        let test = side(&[(1.0, 0.5)], &[]);
        let of = |pairs: &[ExactPair]| {
            Bounds::of_rate(&pairs.iter().collect::<Vec<_>>()).draw_standard_error
        };
        let shared = [
            pair("a", [0, 9], &test, &control),
            pair("a", [1, 9], &test, &control),
        ];
        let apart = [
            pair("a", [0, 8], &test, &control),
            pair("a", [1, 9], &test, &control),
        ];
        // What a draw adds is 0 or 0.5, so the standard error of a pair is 0.5 * sqrt(0.5) / sqrt(2).
        assert!((of(&shared).unwrap() - 25.0).abs() < 1e-9);
        assert!((of(&apart).unwrap() - 25.0 / 2.0_f64.sqrt()).abs() < 1e-9);
        let single = side(&[(0.5, 0.0)], &[0.9]);
        assert_eq!(of(&[pair("a", [0, 9], &test, &single)]), None);
    }

    /// Draws that one condition alone has, and draws of both that are paired by their number.
    ///
    /// scipy 1.17.1: half of each influence below is the weight of the tail, and a draw adds all of it or nothing, so
    /// `50 * stats.sem([1, 1, 0, 0])` and `50 * stats.sem(numpy.array([1, 1, 0, 0]) - [1, 0, 0, 0])`.
    #[test]
    fn draws_of_both_conditions_are_paired() {
        let control = side(&[(1.0, 0.0)], &[]);
        let of = |drawn: &[f64]| pair("a", [0, 9], &side(&[(0.5, 0.5)], drawn), &control);
        let [two, one] = [of(&[0.4, 0.4, -0.4, -0.4]), of(&[0.4, -0.4, -0.4, -0.4])];
        let none = pair("a", [0, 9], &side(&[(1.0, 0.5)], &[]), &control);
        let error = |base: &ExactPair, other: &ExactPair| {
            let [base, other] = [base, other].map(PairEstimate::from);
            let found = Bounds::of_difference(&[(&base, &other)]);
            found.unwrap().draw_standard_error
        };
        check(
            &[
                error(&none, &two).unwrap(),
                error(&two, &none).unwrap(),
                error(&one, &two).unwrap(),
            ],
            &[14.433756729740644, 14.433756729740644, 12.5],
        );
        assert_eq!(error(&two, &two), Some(0.0));
        assert_eq!(error(&none, &of(&[0.4])), None);
    }
}
