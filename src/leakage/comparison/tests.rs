//! Comparisons of made-up verdicts and exact pairs.

use proptest::prelude::*;

use super::*;
use crate::leakage::estimate::tests::{check, pair, side};
use crate::leakage::flips::tests::verdict;
use crate::leakage::{ExactPair, SiblingFigures, Specific, estimates};

const TESTS: Tests = Tests {
    flips: SignFlips {
        seed: 1,
        n_draws: 999,
    },
    margin: None,
    categories: None,
};

fn each_alone(n: usize) -> Clusters {
    (0..n).map(|prompt| (prompt, prompt)).collect()
}

fn one(base: &[ScoredPair], other: &[ScoredPair], clusters: &Clusters) -> Option<Comparison> {
    compare_with_base(
        &estimates(base),
        &[&estimates(other)],
        Measure::LeakRate,
        clusters,
        TESTS,
    )
    .swap_remove(0)
}

#[test]
fn repeats_are_averaged_before_prompts() {
    let base = [verdict(0, 0, Leak::Leak), verdict(1, 0, Leak::NoLeak)];
    let other = [
        verdict(0, 0, Leak::Leak),
        verdict(0, 1, Leak::NoLeak),
        verdict(0, 2, Leak::NoLeak),
        verdict(0, 3, Leak::NoLeak),
        verdict(1, 0, Leak::Tie),
    ];
    let rate = condition_rate(&estimates(&other), &each_alone(2)).unwrap();
    assert_eq!((rate.mean_leak_rate, rate.n_prompts), (37.5, 2));
    let found = one(&base, &other, &each_alone(2)).unwrap();
    assert_eq!((found.base_rate, found.other_rate), (50.0, 37.5));
    assert_eq!((found.difference, found.n_prompts), (-12.5, 2));
    assert_eq!((found.p_value.value, found.holm_p_value), (1.0, 1.0));
}

/// A model whose file lacks two of four concepts has other siblings: the same generations were said to leak more.
#[test]
fn pairs_with_other_siblings_are_not_compared() {
    let with_siblings = |n_siblings: [usize; 3], specificity: f64| -> Vec<PairEstimate> {
        let pairs = estimates(&[0, 1, 2].map(|pair| verdict(pair, 0, Leak::Leak)));
        let pairs = pairs.into_iter().zip(n_siblings);
        let with = pairs.map(|(pair, n_siblings)| {
            let siblings = SiblingFigures {
                n_siblings,
                n_texts: n_siblings,
                placebo: 0.5,
                repetition: 0.0,
                specificity,
                specificity_repetition: 0.0,
                sibling_echo: 0.0,
            };
            pair.with_specific(Some(Specific {
                siblings: Some(siblings),
                anchor_placebo: None,
                filler_rate: None,
                echo: 0.0,
                control_echo: 0.0,
                own_repetition: 0.0,
                margin: None,
            }))
        });
        with.collect()
    };
    let base = with_siblings([3, 3, 3], 0.5);
    let compared = |n_siblings| {
        let other = with_siblings(n_siblings, 0.75);
        compare_measures(&base, &[&other], &each_alone(3), TESTS).swap_remove(0)
    };
    let same = compared([3, 3, 1]);
    let found = same.specific.unwrap();
    let found = found.by(Measure::Specificity);
    assert_eq!((found.n_prompts, found.difference), (2, 25.0));
    assert_eq!(compared([1, 1, 1]).specific, None);
    assert_eq!(compared([1, 1, 1]).leak_rate.unwrap().n_prompts, 3);
}

#[test]
fn only_common_prompts_are_compared() {
    let base = [0, 1, 2].map(|prompt| verdict(prompt, 0, Leak::Leak));
    let other = [1, 2, 3, 4].map(|prompt| verdict(prompt, 0, Leak::NoLeak));
    let found = one(&base, &other, &each_alone(5)).unwrap();
    assert_eq!((found.difference, found.n_prompts), (-100.0, 2));
    assert_eq!((found.n_base_only, found.n_other_only), (1, 2));
    let interval = found.interval.unwrap();
    assert!(
        interval.lower == -100.0 && interval.upper < 100.0,
        "{interval:?}"
    );
    assert_eq!(one(&base[..1], &other, &each_alone(5)), None);
    assert_eq!(one(&[], &[], &each_alone(0)), None);
    assert_eq!(condition_rate(&[], &each_alone(0)), None);
}

#[test]
fn pairs_of_one_cluster_have_a_difference_and_no_interval() {
    let clusters = Clusters::from([(0, 7), (1, 7)]);
    let base = [0, 1].map(|prompt| verdict(prompt, 0, Leak::NoLeak));
    let other = [0, 1].map(|prompt| verdict(prompt, 0, Leak::Tie));
    let found = one(&base, &other, &clusters).unwrap();
    assert_eq!((found.difference, found.n_clusters), (50.0, 1));
    assert_eq!((found.interval, found.standard_error), (None, None));
}

#[test]
fn comparisons_that_found_nothing_are_not_corrected_for() {
    let of = |leak| estimates(&[0, 1, 2, 3, 4, 5, 6, 7].map(|pair| verdict(pair, 0, leak)));
    let (base, leaking) = (of(Leak::NoLeak), of(Leak::Leak));
    let others = [&*leaking, &[], &*base, &*leaking];
    let found = compare_with_base(&base, &others, Measure::LeakRate, &each_alone(8), TESTS);
    let p_values: Vec<_> = found
        .iter()
        .map(|found| {
            found
                .as_ref()
                .map(|found| (found.p_value.value, found.holm_p_value))
        })
        .collect();
    let small = Some((1.0 / 128.0, 3.0 / 128.0));
    assert_eq!(p_values, [small, None, Some((1.0, 1.0)), small]);
}

/// A comparison of exact leaks, clustered by control prompt.
fn exact(base: &[ExactPair], other: &[ExactPair]) -> Option<Comparison> {
    let controls = base.iter().chain(other);
    let clusters = controls.map(|pair| (pair.pair_idx, pair.control_prompt_idx));
    let clusters = clusters.collect();
    compare_with_base(
        &estimates(base),
        &[&estimates(other)],
        Measure::LeakRate,
        &clusters,
        TESTS,
    )
    .swap_remove(0)
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
    let found = exact(&base, &other).unwrap();
    assert_eq!(found.n_prompts, 2);
    let bounds = found.bounds.unwrap();
    check(
        &[found.difference, bounds.lower, bounds.upper],
        &[50.0, 40.0, 55.0],
    );
    assert_eq!(exact(&base, &[]), None);
}

/// Pairs of a control that is known, with a test text that is closer to the concept with these probabilities.
pub(in crate::leakage) fn leaking(probabilities: &[f64]) -> Vec<ExactPair> {
    let control = side(&[(1.0, 0.0)], &[]);
    let pairs = probabilities.iter().enumerate();
    pairs
        .map(|(pair_idx, &p)| {
            let test = side(&[(p, 0.5), (1.0 - p, -0.5)], &[]);
            pair("a", [pair_idx, 100 + pair_idx], &test, &control)
        })
        .collect()
}

pub(in crate::leakage) const BASE: [f64; 6] = [0.5, 0.25, 0.875, 0.125, 0.75, 0.625];
pub(in crate::leakage) const OTHER: [f64; 6] = [0.75, 0.25, 1.0, 0.0, 0.875, 1.0];

/// scipy 1.17.1, of the differences in percent:
/// ```python
/// d = 100 * (numpy.array(other) - base); found = stats.ttest_1samp(d, 0)
/// d.mean(), found.confidence_interval(0.95), stats.sem(d)
/// ```
#[test]
fn pairs_of_their_own_clusters_give_the_paired_t_interval() {
    let (base, other) = (leaking(&BASE), leaking(&OTHER));
    let found = exact(&base, &other).unwrap();
    let interval = found.interval.unwrap();
    check(
        &[
            found.difference,
            interval.lower,
            interval.upper,
            found.standard_error.unwrap(),
        ],
        &[
            12.5,
            -6.0515764347323575,
            31.051576434732358,
            7.216878364870323,
        ],
    );
    // Everything is enumerated, so that the bounds are the difference itself.
    let bounds = found.bounds.unwrap();
    check(&[bounds.lower, bounds.upper], &[12.5; 2]);
    assert_eq!(bounds.draw_standard_error, Some(0.0));
}

/// Four pairs of one category leak more, four of another do not: 2 of the 70 assignments are as far apart.
#[test]
fn differences_are_told_by_category() {
    let of = |rates: [f64; 8]| -> Vec<PairEstimate> {
        let pairs = leaking(&rates).into_iter();
        let pairs = pairs.map(|pair| ExactPair {
            category: ["b", "a"][pair.pair_idx / 4].to_owned(),
            ..pair
        });
        estimates(&pairs.collect::<Vec<_>>())
    };
    let base = of([0.25; 8]);
    let other = of([1.0, 0.875, 1.0, 0.75, 0.25, 0.25, 0.375, 0.125]);
    let tests = Tests {
        categories: Some(Permutations {
            seed: 1,
            n_draws: 999,
        }),
        ..TESTS
    };
    let found = compare_measures(&base, &[&other, &base], &each_alone(8), tests);
    let found = found.into_iter().map(|it| it.leak_rate.unwrap());
    let [changed, same] = <[Comparison; 2]>::try_from(found.collect::<Vec<_>>()).unwrap();
    let by = changed.by_category.unwrap();
    let shown = by.differences.iter();
    let shown: Vec<_> = shown
        .map(|(name, it)| (name.as_str(), it.difference, it.n_prompts))
        .collect();
    assert_eq!(shown, [("b", 65.625, 4), ("a", 0.0, 4)]);
    let test = by.test.unwrap();
    check(
        &[test.found.p_value.value, test.holm_p_value],
        &[2.0 / 70.0, 4.0 / 70.0],
    );
    assert_eq!(same.by_category.unwrap().test.unwrap().holm_p_value, 1.0);
    let unasked = compare_measures(&base, &[&other], &each_alone(8), TESTS);
    assert_eq!(unasked[0].leak_rate.as_ref().unwrap().by_category, None);
    let one = Vec::from_iter(base[..4].iter().cloned());
    let found = compare_measures(&one, &[&other], &each_alone(8), tests);
    assert_eq!(found[0].leak_rate.as_ref().unwrap().by_category, None);
}

/// Parts of a range of -100 to 100 points are half as large; figures that have no margin are not tested.
#[test]
fn differences_are_tested_to_be_within_the_margin() {
    let [base, other] = [BASE, OTHER].map(|rates| estimates(&leaking(&rates)));
    let tests = Tests {
        margin: Some(45.0),
        ..TESTS
    };
    let found = compare_measures(&base, &[&other, &base], &each_alone(6), tests);
    let [wide, same] = [0, 1].map(|place| {
        let leak_rate = found[place].leak_rate.as_ref().unwrap();
        leak_rate.equivalence.unwrap()
    });
    // scipy 1.17.1, of the differences in percent: `stats.ttest_1samp(d, 45, alternative="less").pvalue`, which is larger
    // than that above -45, and `stats.ttest_1samp(d, 0).confidence_interval(0.90)`.
    check(
        &[wide.p_value, wide.interval.lower, wide.interval.upper],
        &[0.003189964149538556, -2.042359009674241, 27.04235900967423],
    );
    check(&[wide.holm_p_value], &[2.0 * wide.p_value]);
    assert!(wide.p_value < same.p_value && same.holm_p_value == same.p_value);
    assert!(wide.is_within() && same.is_within());
    let none = compare_measures(&base, &[&other], &each_alone(6), TESTS);
    assert_eq!(none[0].leak_rate.as_ref().unwrap().equivalence, None);
}

#[test]
fn each_comparison_is_corrected_for_all_of_them() {
    let (base, other) = (leaking(&BASE), leaking(&OTHER));
    let clusters: Clusters = (0..6).map(|pair_idx| (pair_idx, pair_idx)).collect();
    let alone = exact(&base, &other).unwrap();
    let [base, other] = [base, other].map(|pairs| estimates(&pairs));
    let all = compare_with_base(&base, &[&other, &base], Measure::LeakRate, &clusters, TESTS);
    let corrected = all[0].as_ref().unwrap().holm_p_value;
    check(&[corrected], &[2.0 * alone.p_value.value]);
    let same = all[1].as_ref().unwrap();
    let bounds = same.bounds.unwrap();
    check(&[same.difference, bounds.lower, bounds.upper], &[0.0; 3]);
}

#[test]
fn metrics_agree_about_the_same_repeats() {
    let a = [
        verdict(0, 0, Leak::Leak),
        verdict(0, 1, Leak::NoLeak),
        verdict(1, 0, Leak::Tie),
    ];
    let b = [
        verdict(0, 1, Leak::NoLeak),
        verdict(0, 0, Leak::Tie),
        verdict(2, 0, Leak::Tie),
    ];
    let found = metric_agreement(&a, &b).unwrap();
    assert_eq!((found.share, found.n), (0.5, 2));
    assert_eq!(metric_agreement(&a, &[]), None);
}

proptest! {
    #[test]
    fn the_difference_is_that_of_the_rates(found in prop::collection::vec((0usize..9, 0usize..3, 0usize..3), 1..60)) {
        let leaks = [Leak::Leak, Leak::Tie, Leak::NoLeak];
        let side = |side: usize| -> Vec<ScoredPair> {
            let numbered = found.iter().zip(0..);
            numbered.map(|((prompt, a, b), repeat)| verdict(*prompt, repeat, leaks[[*a, *b][side]])).collect()
        };
        let (base, other) = (side(0), side(1));
        let clusters = (0..9).map(|prompt| (prompt, prompt / 2)).collect();
        let comparison = one(&base, &other, &clusters).unwrap();
        let rate = |pairs: &[ScoredPair]| condition_rate(&estimates(pairs), &clusters).unwrap().mean_leak_rate;
        prop_assert!((comparison.difference - (rate(&other) - rate(&base))).abs() < 1e-9);
        prop_assert!((comparison.other_rate - rate(&other)).abs() < 1e-9);
        let swapped = one(&other, &base, &clusters).unwrap();
        prop_assert!((comparison.difference + swapped.difference).abs() < 1e-9);
        prop_assert_eq!(comparison.p_value, swapped.p_value);
    }
}
