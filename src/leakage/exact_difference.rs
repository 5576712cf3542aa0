//! Differences of exact leak rates between conditions: the same pairs, other models or quantizations.
//!
//! Owns the certain bounds of a difference, the standard error that draws of tails leave in it, and which pairs changed
//! most. The interval and the p-value are for the choice of prompts alone; `comparison` finds them as for repeats.

use std::collections::BTreeMap;

use itertools::Itertools as _;

use super::comparison::{Clusters, Comparison, PairRates, compare_with_base};
use super::exact::ExactLeak;
use super::exact_rate::{DrawSums, ExactPair, drawn_sides, exact_pair_rates};
use crate::stats::SignFlips;

/// The difference of two exact leak rates over the pairs that both have.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactDifference {
    /// The difference; its interval and p-value are for the choice of prompts.
    pub comparison: Comparison,
    /// What the difference certainly is at least for these prompts, in percentage points.
    pub lower: f64,
    /// What it certainly is at most.
    pub upper: f64,
    /// Standard error of the difference for these prompts that draws of tails leave, in percentage points; 0 where
    /// nothing was drawn, None where a tail has a single draw.
    pub draw_standard_error: Option<f64>,
}

/// A pair whose leak probability is another one under another condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactMover {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// Its leak probability under the base, 0 to 1.
    pub base: f64,
    /// Its leak probability under the other condition, 0 to 1.
    pub other: f64,
    /// What `other - base` certainly is at least, -1 to 1.
    pub lower: f64,
    /// What it certainly is at most.
    pub upper: f64,
}

/// How much more leaks under each of `others` than under `base`, corrected for their number by Holm; None without a
/// pair that both have.
pub fn exact_differences(
    base: &[ExactPair],
    others: &[&[ExactPair]],
    clusters: &Clusters,
    flips: SignFlips,
) -> Vec<Option<ExactDifference>> {
    let rates: Vec<PairRates> = others.iter().map(|other| exact_pair_rates(other)).collect();
    let rates: Vec<&PairRates> = rates.iter().collect();
    let compared = compare_with_base(&exact_pair_rates(base), &rates, clusters, flips);
    let with_bounds = compared.into_iter().zip(others).map(|(compared, other)| {
        let common = common_pairs(base, other);
        let mean = |bound: fn(&ExactLeak, &ExactLeak) -> f64| {
            let bounds = common
                .iter()
                .map(|(base, other)| bound(&base.leak, &other.leak));
            100.0 * bounds.sum::<f64>() / common.len() as f64
        };
        Some(ExactDifference {
            comparison: compared?,
            lower: mean(lower_bound),
            upper: mean(upper_bound),
            draw_standard_error: difference_draw_variance(&common)
                .map(|variance| 100.0 * variance.sqrt()),
        })
    });
    with_bounds.collect()
}

/// The same for a single other condition, clustered by control prompt.
pub fn exact_difference(
    base: &[ExactPair],
    other: &[ExactPair],
    flips: SignFlips,
) -> Option<ExactDifference> {
    let controls = base.iter().chain(other);
    let clusters: Clusters = controls
        .map(|pair| (pair.pair_idx, pair.control_prompt_idx))
        .collect();
    exact_differences(base, &[other], &clusters, flips)
        .into_iter()
        .next()
        .flatten()
}

/// At most `n_max` pairs whose leak probability changed most, in either direction.
///
/// At most one of each cluster, so that they differ: a control that is continued otherwise would bring all pairs that
/// are compared with it.
pub fn exact_movers(
    base: &[ExactPair],
    other: &[ExactPair],
    clusters: &Clusters,
    n_max: usize,
) -> Vec<ExactMover> {
    let movers = common_pairs(base, other)
        .into_iter()
        .map(|(from, to)| ExactMover {
            pair_idx: from.pair_idx,
            base: from.leak.probability,
            other: to.leak.probability,
            lower: lower_bound(&from.leak, &to.leak),
            upper: upper_bound(&from.leak, &to.leak),
        });
    movers
        .filter(|mover| mover.change() != 0.0)
        .sorted_by(|a, b| {
            let by_size = b.change().abs().total_cmp(&a.change().abs());
            by_size.then(a.pair_idx.cmp(&b.pair_idx))
        })
        .unique_by(|mover| clusters[&mover.pair_idx])
        .take(n_max)
        .collect()
}

impl ExactMover {
    /// How much more probable a leak is under the other condition, -1 to 1.
    pub fn change(&self) -> f64 {
        self.other - self.base
    }
}

fn lower_bound(base: &ExactLeak, other: &ExactLeak) -> f64 {
    other.lower - base.upper
}

fn upper_bound(base: &ExactLeak, other: &ExactLeak) -> f64 {
    other.upper - base.lower
}

/// The pairs that both have, in the order of `base`.
fn common_pairs<'p>(
    base: &'p [ExactPair],
    other: &'p [ExactPair],
) -> Vec<(&'p ExactPair, &'p ExactPair)> {
    let by_pair: BTreeMap<usize, &ExactPair> =
        other.iter().map(|pair| (pair.pair_idx, pair)).collect();
    let common = base
        .iter()
        .filter_map(|pair| Some((pair, *by_pair.get(&pair.pair_idx)?)));
    common.collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leakage::exact_rate::tests::{pair, side};

    const FLIPS: SignFlips = SignFlips {
        seed: 1,
        n_draws: 99,
    };

    fn check(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }

    #[test]
    fn differences_have_the_bounds_of_both_sides() {
        let control = side(&[(1.0, 0.0)], &[]);
        let base = [
            pair("a", [0, 9], &side(&[(0.9, 0.5)], &[]), &control),
            pair("a", [1, 8], &side(&[(1.0, -0.5)], &[]), &control),
            pair("a", [5, 8], &side(&[(1.0, 0.5)], &[]), &control),
        ];
        let other = [
            pair("a", [1, 8], &side(&[(0.8, 0.5)], &[]), &control),
            pair("a", [0, 9], &side(&[(1.0, 0.5)], &[]), &control),
        ];
        let found = exact_difference(&base, &other, FLIPS).unwrap();
        assert_eq!(found.comparison.n_prompts, 2);
        let figures = [found.comparison.difference, found.lower, found.upper];
        for (found, expected) in figures.iter().zip([50.0, 40.0, 55.0]) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
        assert_eq!(exact_difference(&base, &[], FLIPS), None);
    }

    /// Pairs of a control that is known, with a test text that is closer to the concept with these probabilities.
    fn leaking(probabilities: &[f64]) -> Vec<ExactPair> {
        let control = side(&[(1.0, 0.0)], &[]);
        let pairs = probabilities.iter().enumerate();
        pairs
            .map(|(pair_idx, &p)| {
                let test = side(&[(p, 0.5), (1.0 - p, -0.5)], &[]);
                pair("a", [pair_idx, 100 + pair_idx], &test, &control)
            })
            .collect()
    }

    const BASE: [f64; 6] = [0.5, 0.25, 0.875, 0.125, 0.75, 0.625];
    const OTHER: [f64; 6] = [0.75, 0.25, 1.0, 0.0, 0.875, 1.0];

    /// scipy 1.17.1, of the differences in percent:
    /// ```python
    /// d = 100 * (numpy.array(other) - base); found = stats.ttest_1samp(d, 0)
    /// d.mean(), found.confidence_interval(0.95), stats.sem(d)
    /// ```
    #[test]
    fn pairs_of_their_own_clusters_give_the_paired_t_interval() {
        let (base, other) = (leaking(&BASE), leaking(&OTHER));
        let found = exact_difference(&base, &other, FLIPS).unwrap();
        let interval = found.comparison.interval.unwrap();
        check(
            &[
                found.comparison.difference,
                interval.lower,
                interval.upper,
                found.comparison.standard_error.unwrap(),
            ],
            &[
                12.5,
                -6.0515764347323575,
                31.051576434732358,
                7.216878364870323,
            ],
        );
        // Everything is enumerated, so that the bounds are the difference itself.
        check(&[found.lower, found.upper], &[12.5; 2]);
        assert_eq!(found.draw_standard_error, Some(0.0));
    }

    #[test]
    fn each_comparison_is_corrected_for_all_of_them() {
        let (base, other) = (leaking(&BASE), leaking(&OTHER));
        let clusters: Clusters = (0..6).map(|pair_idx| (pair_idx, pair_idx)).collect();
        let all = exact_differences(&base, &[&other, &base], &clusters, FLIPS);
        let alone = exact_difference(&base, &other, FLIPS).unwrap().comparison;
        let corrected = all[0].as_ref().unwrap().comparison.holm_p_value;
        check(&[corrected], &[2.0 * alone.p_value.value]);
        let same = all[1].as_ref().unwrap();
        check(
            &[same.comparison.difference, same.lower, same.upper],
            &[0.0; 3],
        );
    }

    #[test]
    fn those_that_moved_most_come_first_and_one_of_each_cluster() {
        let (base, other) = (leaking(&BASE), leaking(&OTHER));
        // The pairs 0 and 5 share a cluster, and pair 1 did not change.
        let clusters: Clusters = [0, 1, 2, 3, 4, 0].into_iter().enumerate().collect();
        let found = exact_movers(&base, &other, &clusters, 9);
        let pairs: Vec<_> = found.iter().map(|mover| mover.pair_idx).collect();
        assert_eq!(pairs, [5, 2, 3, 4]);
        assert_eq!(
            (found[2].change(), found[2].lower, found[2].upper),
            (-0.125, -0.125, -0.125)
        );
        assert_eq!(exact_movers(&base, &other, &clusters, 1).len(), 1);
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
            let found = exact_difference(
                std::slice::from_ref(base),
                std::slice::from_ref(other),
                FLIPS,
            );
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
