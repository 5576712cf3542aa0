//! Tests of the exact leak probability of a pair: against other programs, against every way to resolve what is
//! uncovered, and against all draws of a tail that there can be.

use proptest::prelude::*;

use super::*;
use crate::leakage::Leak;

const ROUNDING: f64 = 1e-12;

fn text(name: &str, probability: f64, similarity: f64) -> WeightedText {
    let is_echo = name.contains("red");
    WeightedText::new(name, probability, similarity, Rounding::PUBLISHED, is_echo)
}

/// Texts named after their similarity.
fn enumerated(weights: &[(f64, f64)]) -> TextDistribution {
    let texts = weights
        .iter()
        .map(|&(probability, similarity)| text(&format!("{similarity}"), probability, similarity));
    TextDistribution {
        enumerated: texts.collect(),
        drawn: Vec::new(),
    }
}

/// scipy 1.17.1, with every text as often as its probability says:
/// ```python
/// test = [0.3, 0.3, 0.3, 0.1, 0.5, 0.2, 0.2, 0.4]
/// control = [0.3, 0.2, 0.2, 0.2, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1]
/// print(stats.mannwhitneyu(test, control).statistic / 80)
/// print(stats.entropy([3, 1, 1, 2, 1], base=2), stats.entropy([1, 3, 1, 5], base=2))
/// ```
#[test]
fn scipy_finds_the_same() {
    let test = enumerated(&[
        (3.0 / 8.0, 0.3),
        (0.125, 0.1),
        (0.125, 0.5),
        (0.25, 0.2),
        (0.125, 0.4),
    ]);
    let control = enumerated(&[(0.1, 0.3), (0.3, 0.2), (0.1, 0.4), (0.5, 0.1)]);
    let found = exact_leak(&test, &control);
    let expected = [0.75625, 2.1556390622295667, 1.6854752972273344];
    let found = [found.probability, found.entropy_test, found.entropy_control];
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < ROUNDING,
            "{found} is not {expected}"
        );
    }
}

#[test]
fn figures_of_a_small_pair() {
    let test = TextDistribution {
        enumerated: vec![
            text("red", 0.5, 0.9),
            text("blue", 0.25, 0.2),
            text("a", 0.15, 0.1),
        ],
        drawn: Vec::new(),
    };
    let control = TextDistribution {
        enumerated: vec![text("blue", 0.5, 0.2), text("a", 0.5, 0.1)],
        drawn: Vec::new(),
    };
    let found = exact_leak(&test, &control);
    let lower = 0.5 + 0.25 * 0.75 + 0.15 * 0.25;
    let expected = [
        (found.probability, lower / 0.9),
        (found.lower, lower),
        (found.upper, lower + 0.1),
        (found.tie_probability, 0.2 / 0.9),
        (found.echo_probability, 0.5 / 0.9),
        (found.similarity_shift, (0.45 + 0.05 + 0.015) / 0.9 - 0.15),
        (found.total_variation_lower, 0.9 - 0.4),
        (found.total_variation_upper, 0.6),
        (found.covered_test, 0.9),
        (found.covered_control, 1.0),
    ];
    for (place, (found, expected)) in expected.iter().enumerate() {
        assert!(
            (found - expected).abs() < ROUNDING,
            "{place}: {found} is not {expected}"
        );
    }
    let leaking = leaking_texts(&test, &control, 2);
    let names: Vec<_> = leaking
        .iter()
        .map(|text| (text.text.as_str(), text.is_echo))
        .collect();
    assert_eq!(names, [("red", true), ("blue", false)]);
    assert!((leaking[1].leak_probability - 0.25 * 0.75).abs() < ROUNDING);
}

/// Similarities are rounded as those of repeats are: what is a tie there is one here.
#[test]
fn rounding_makes_ties() {
    let of_zero = |similarity| enumerated(&[(1.0, similarity)]);
    for (test, control) in [(0.4004, 0.3996), (-0.0001, 0.0001), (0.1, 0.1)] {
        let found = exact_leak(&of_zero(test), &of_zero(control));
        assert_eq!((found.probability, found.tie_probability), (0.5, 1.0));
        assert_eq!(Leak::of(test, control), Leak::Tie);
    }
}

/// A probability for each of a few texts, which add up to 1.
fn distribution() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((0.01..1.0f64, 0..12u32), 1..9).prop_map(|weights| {
        let total: f64 = weights.iter().map(|(weight, _)| weight).sum();
        let weights = weights.into_iter();
        let weights =
            weights.map(|(weight, place)| (weight / total, f64::from(place) / 10.0 - 0.5));
        weights.collect()
    })
}

/// The definition, written out.
fn plain_leak(test: &[(f64, f64)], control: &[(f64, f64)]) -> f64 {
    let pairs = test
        .iter()
        .flat_map(|a| control.iter().map(move |b| (a, b)));
    pairs
        .map(|(a, b)| a.0 * b.0 * Leak::of(a.1, b.1).value())
        .sum()
}

/// Merges equal texts, as the caller does.
fn merged(weights: &[(f64, f64)]) -> TextDistribution {
    let mut distribution = TextDistribution::default();
    for &(probability, similarity) in weights {
        let name = format!("{similarity}");
        let known = distribution
            .enumerated
            .iter_mut()
            .find(|text| text.text == name);
        match known {
            Some(text) => text.probability += probability,
            None => distribution
                .enumerated
                .push(text(&name, probability, similarity)),
        }
    }
    distribution
}

fn total_variation(test: &[(f64, f64)], control: &[(f64, f64)]) -> f64 {
    let probability = |side: &TextDistribution, name: &str| {
        let found = side.enumerated.iter().find(|text| text.text == name);
        found.map_or(0.0, |text| text.probability)
    };
    let (test, control) = (merged(test), merged(control));
    let names = test.enumerated.iter().chain(&control.enumerated);
    let mut names: Vec<&str> = names.map(|text| text.text.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let differences = names
        .iter()
        .map(|name| (probability(&test, name) - probability(&control, name)).abs());
    0.5 * differences.sum::<f64>()
}

/// A tail of `texts` and a way to estimate it by draws: the mean over all `n` draws that there can be, each as
/// probable as it is, of the estimate, of its square, and of the estimated variance.
fn over_all_draws(
    head: &TextDistribution,
    tail: &[(f64, f64)],
    control: &TextDistribution,
    n: u32,
) -> [f64; 3] {
    let tail_sum: f64 = tail.iter().map(|(probability, _)| probability).sum();
    let mut means = [0.0; 3];
    for number in 0..tail.len().pow(n) {
        let places = (0..n).map(|draw| number / tail.len().pow(draw) % tail.len());
        let places: Vec<usize> = places.collect();
        let probability: f64 = places
            .iter()
            .map(|&place| tail[place].0 / tail_sum)
            .product();
        let drawn = places
            .iter()
            .map(|&place| text("drawn", 0.0, tail[place].1));
        let test = TextDistribution {
            drawn: drawn.collect(),
            ..head.clone()
        };
        let found = exact_leak(&test, control);
        let mean = found.test_influences.iter().sum::<f64>() / f64::from(n);
        let squares = found
            .test_influences
            .iter()
            .map(|influence| (influence - mean).powi(2));
        let variance = squares.sum::<f64>() / f64::from(n - 1) / f64::from(n);
        let values = [found.probability, found.probability.powi(2), variance];
        for (mean, value) in means.iter_mut().zip(values) {
            *mean += probability * value;
        }
    }
    means
}

proptest! {
    #[test]
    fn sorting_finds_what_the_definition_says(test in distribution(), control in distribution()) {
        let found = exact_leak(&merged(&test), &merged(&control));
        let expected = plain_leak(&test, &control);
        prop_assert!((found.probability - expected).abs() < ROUNDING);
        prop_assert!((found.lower - expected).abs() < ROUNDING);
        prop_assert!((found.upper - expected).abs() < ROUNDING);
        let mirrored = exact_leak(&merged(&control), &merged(&test)).probability;
        prop_assert!((found.probability + mirrored - 1.0).abs() < ROUNDING);
    }

    /// Any continuations may hide in what was not enumerated.
    #[test]
    fn no_resolution_leaves_the_bounds(
        test in distribution(),
        control in distribution(),
        n_test in 1usize..9,
        n_control in 1usize..9,
    ) {
        let head = |whole: &[(f64, f64)], n: usize| merged(&whole[..n.min(whole.len())]);
        let found = exact_leak(&head(&test, n_test), &head(&control, n_control));
        let whole = plain_leak(&test, &control);
        prop_assert!(found.lower - ROUNDING <= whole && whole <= found.upper + ROUNDING);
        prop_assert!(found.lower - ROUNDING <= found.probability);
        prop_assert!(found.probability <= found.upper + ROUNDING);
        let variation = total_variation(&test, &control);
        prop_assert!(found.total_variation_lower - ROUNDING <= variation);
        prop_assert!(variation <= found.total_variation_upper + ROUNDING);
    }

    /// The extreme resolutions reach them.
    #[test]
    fn the_bounds_are_reached(test in distribution(), control in distribution()) {
        let head = |whole: &[(f64, f64)]| merged(&whole[..whole.len().div_ceil(2)]);
        let (head_test, head_control) = (head(&test), head(&control));
        let found = exact_leak(&head_test, &head_control);
        let resolved = |side: &TextDistribution, similarity: f64| {
            let mut whole = side.clone();
            whole.enumerated.push(text("hidden", 1.0 - side.covered(), similarity));
            whole
        };
        let probability = |of_test: f64, of_control: f64| {
            exact_leak(&resolved(&head_test, of_test), &resolved(&head_control, of_control)).probability
        };
        prop_assert!((probability(-1.0, 1.0) - found.lower).abs() < ROUNDING);
        prop_assert!((probability(1.0, -1.0) - found.upper).abs() < ROUNDING);
    }

    /// The mean over all draws is the exact probability, and the estimated variance is the variance on average.
    #[test]
    fn draws_are_unbiased_and_so_is_their_variance(
        test in distribution(),
        control in distribution(),
        n_head in 0usize..4,
        n_draws in 2u32..4,
    ) {
        let n_head = n_head.min(test.len() - 1);
        let (head, tail) = test.split_at(n_head);
        let control_whole = merged(&control);
        let found = over_all_draws(&merged(head), tail, &control_whole, n_draws);
        let expected = plain_leak(&test, &control);
        prop_assert!((found[0] - expected).abs() < ROUNDING);
        prop_assert!((found[1] - expected.powi(2) - found[2]).abs() < ROUNDING);
    }
}
