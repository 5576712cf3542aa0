//! Mean Leak-Rate: estimates over many pairs, of all together and by category.
//!
//! Owns the grouping, the means beside the rate, the choice of clusters for its interval, and the
//! choice of leaks worth showing. All repeats and all pairs that share a control prompt are one
//! cluster: they are compared with the same control texts.

use std::cmp::Ordering;

use itertools::Itertools as _;
use rayon::prelude::*;

use super::bounds::Bounds;
use super::crossing::crossing_of;
use super::estimate::{ExactPair, PairEstimate, ScoredPair};
use super::exact::ExactLeak;
use super::figure::LEVEL;
use super::matrix::TemplateSimilarities;
use super::measure::Measure;
use super::specific_rate::{PlaceboRate, SpecificRate, placebo_rate, specific_rate};
use crate::stats::{Clustering, Interval, cluster_mean};

/// The leak rate of one category, or of all together.
#[derive(Debug, Clone, PartialEq)]
pub struct LeakRate {
    /// The category; None for all together.
    pub category: Option<String>,
    /// 100 times the mean of the leak probabilities, in percent; 50 where the word in the slot changes nothing.
    pub mean_leak_rate: f64,
    /// Its 95 % interval for the choice of prompts in percent, cut to 0 to 100; None with a single cluster.
    pub interval: Option<Interval>,
    /// Pairs times repeats, or pairs where the rate is exact; at least 1.
    pub n_pairs: usize,
    /// How many of them are ties: of repeats a whole number, else the sum of the probabilities.
    pub n_tied: f64,
    /// In how many of them the concept itself stands in the test text, in the same way.
    pub n_echoes: f64,
    /// Clusters of the interval: control prompts.
    pub n_clusters: usize,
    /// True if the comparisons with other concepts are stored.
    pub is_compared: bool,
    /// These comparisons; None where they are not stored, or no pair has siblings.
    pub specific: Option<SpecificRate>,
    /// The weaker comparison of pairs without siblings; None without such pairs.
    pub anchors: Option<PlaceboRate>,
    /// The comparison with neutral fillers; None without fillers.
    pub fillers: Option<PlaceboRate>,
    /// Further facts, where all pairs are exact.
    pub exact: Option<ExactRate>,
}

/// Facts that enumerated continuations give besides a leak rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactRate {
    /// The certain bounds of the rate.
    pub bounds: Bounds,
    /// Mean of how much closer to the concept test continuations are than control continuations, -2 to 2.
    pub similarity_shift: f64,
    /// Mean of the lower bounds of the total variation distance, 0 to 1.
    pub total_variation_lower: f64,
    /// Mean of its upper bounds.
    pub total_variation_upper: f64,
    /// Mean entropy of test texts, in bits.
    pub entropy_test: f64,
    /// Mean entropy of control texts, in bits.
    pub entropy_control: f64,
    /// Mean probability of the enumerated continuations of test and control prompts, 0 to 1.
    pub coverage: f64,
    /// The smallest of them.
    pub coverage_min: f64,
}

impl LeakRate {
    /// The part of ties, in percent.
    pub fn tie_rate(&self) -> f64 {
        self.part(self.n_tied)
    }

    /// The part of test texts in which the concept itself stands, in percent.
    pub fn echo_rate(&self) -> f64 {
        self.part(self.n_echoes)
    }

    /// Rounded in the order of all figures of its kind that were ever published.
    fn part(&self, n: f64) -> f64 {
        let n_pairs = self.n_pairs as f64;
        match self.exact {
            None => 100.0 * n / n_pairs,
            Some(_) => 100.0 * (n / n_pairs),
        }
    }

    /// Returns the certain bounds of the rate for these prompts; None where it is an estimate.
    pub fn bounds(&self) -> Option<Bounds> {
        self.exact.map(|exact| exact.bounds)
    }
}

/// The leak rate of all pairs and then of each category, in the order in which they first appear; empty without pairs.
///
/// The permutation test is made with the similarities of `templates`; there is none without them.
pub fn leak_rates(pairs: &[PairEstimate], templates: &[TemplateSimilarities]) -> Vec<LeakRate> {
    let categories: Vec<Option<&str>> =
        all_and_categories(pairs.iter().map(|pair| pair.category.as_str())).collect();
    let rates = categories.into_par_iter();
    rates
        .filter_map(|category| leak_rate(pairs, templates, category))
        .collect()
}

/// None for all together, then each category in the order in which they first appear.
pub(super) fn all_and_categories<'a>(
    categories: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = Option<&'a str>> {
    std::iter::once(None).chain(categories.unique().map(Some))
}

fn leak_rate(
    pairs: &[PairEstimate],
    templates: &[TemplateSimilarities],
    category: Option<&str>,
) -> Option<LeakRate> {
    let is_meant = |pair: &&PairEstimate| category.is_none_or(|category| pair.category == category);
    let pairs: Vec<&PairEstimate> = pairs.iter().filter(is_meant).collect();
    let values: Vec<f64> = pairs.iter().map(|pair| pair.leak_probability).collect();
    let clusters: Vec<usize> = pairs.iter().map(|pair| pair.control_prompt_idx).collect();
    let crossing = crossing_of(&pairs, Measure::LeakRate);
    let clustering = Clustering::crossed(&clusters, crossing.as_ref());
    let estimate = cluster_mean(&values, clustering, LEVEL)?;
    let exact = pairs.iter().map(|pair| pair.exact.as_ref());
    Some(LeakRate {
        category: category.map(str::to_owned),
        mean_leak_rate: 100.0 * estimate.mean,
        interval: estimate.interval.map(in_percent),
        n_pairs: estimate.n,
        n_tied: pairs.iter().map(|pair| pair.tie_probability).sum(),
        n_echoes: pairs.iter().map(|pair| pair.echo_probability).sum(),
        n_clusters: estimate.n_clusters,
        is_compared: pairs.iter().any(|pair| pair.specific.is_some()),
        specific: specific_rate(&pairs, templates, category),
        anchors: placebo_rate(&pairs, |specific| specific.anchor_placebo),
        fillers: placebo_rate(&pairs, |specific| specific.filler_rate),
        exact: exact
            .collect::<Option<Vec<_>>>()
            .map(|pairs| exact_rate(&pairs)),
    })
}

/// Of at least one pair.
fn exact_rate(pairs: &[&ExactPair]) -> ExactRate {
    let mean = |value: fn(&ExactLeak) -> f64| {
        pairs.iter().map(|pair| value(&pair.leak)).sum::<f64>() / pairs.len() as f64
    };
    let coverages = pairs
        .iter()
        .flat_map(|pair| [pair.leak.covered_test, pair.leak.covered_control]);
    ExactRate {
        bounds: Bounds::of_rate(pairs),
        similarity_shift: mean(|leak| leak.similarity_shift),
        total_variation_lower: mean(|leak| leak.total_variation_lower),
        total_variation_upper: mean(|leak| leak.total_variation_upper),
        entropy_test: mean(|leak| leak.entropy_test),
        entropy_control: mean(|leak| leak.entropy_control),
        coverage: mean(|leak| 0.5 * (leak.covered_test + leak.covered_control)),
        coverage_min: coverages.fold(1.0, f64::min),
    }
}

/// 100 times the mean of the verdicts; None without pairs.
pub(super) fn mean_leak_rate(pairs: &[&ScoredPair]) -> Option<f64> {
    let sum: f64 = pairs.iter().map(|pair| pair.leak.value()).sum();
    (!pairs.is_empty()).then(|| 100.0 * sum / pairs.len() as f64)
}

pub(super) fn in_percent(interval: Interval) -> Interval {
    Interval {
        lower: (100.0 * interval.lower).clamp(0.0, 100.0),
        upper: (100.0 * interval.upper).clamp(0.0, 100.0),
    }
}

/// The places of at most `n_max` leaks worth showing, the largest margin first.
///
/// Only those whose test text is closer to its concept than it is to any other concept, than siblings' texts are and than
/// the control text is; of repeats those that leak; and only those that `is_legible` says of their place: what rests on
/// words unknown to the encoder shows nothing. At most one for each control prompt, so that they differ. Those that
/// mostly repeat concept or prompt come after all others, whatever their margin: that the concept is close to itself shows
/// little.
pub fn striking_leaks<'p>(
    pairs: impl IntoIterator<Item = &'p PairEstimate>,
    n_max: usize,
    is_legible: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let is_shown = |pair: &PairEstimate| {
        let leaks = pair.exact.is_some() || pair.leak_probability == 1.0;
        leaks && margin(pair) > 0.0
    };
    let leaks = pairs
        .into_iter()
        .enumerate()
        .filter(|(place, pair)| is_shown(pair) && is_legible(*place));
    let leaks = leaks
        .sorted_by(|(_, a), (_, b)| by_strikingness(a, b))
        .unique_by(|(_, pair)| pair.control_prompt_idx);
    leaks.take(n_max).map(|(place, _)| place).collect()
}

/// The margin over other concepts, siblings and control; where there is no other concept, that over the control.
fn margin(pair: &PairEstimate) -> f64 {
    let margin = pair.specific.and_then(|specific| specific.margin);
    margin.unwrap_or(pair.similarity_shift)
}

/// The more striking leak first; the order of the experiment among equals.
fn by_strikingness(a: &PairEstimate, b: &PairEstimate) -> Ordering {
    let is_echo = |pair: &PairEstimate| {
        let specific = pair.specific;
        specific.map_or(pair.echo_probability, |it| it.own_repetition) >= 0.5
    };
    let by_margin = margin(b).total_cmp(&margin(a));
    let by_place = (a.pair_idx, a.repeat_idx).cmp(&(b.pair_idx, b.repeat_idx));
    is_echo(a).cmp(&is_echo(b)).then(by_margin).then(by_place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::leakage::Leak;
    use crate::leakage::estimate::tests::{check, pair as exact_pair, side};
    use crate::leakage::{cosine, estimates};

    fn pair(
        category: &str,
        control_prompt_idx: usize,
        similarity_test: f64,
        similarity_control: f64,
    ) -> ScoredPair {
        ScoredPair {
            pair_idx: control_prompt_idx,
            repeat_idx: 0,
            sides: [0, 0],
            category: category.to_owned(),
            control_prompt_idx,
            similarity_test,
            similarity_control,
            leak: Leak::of(similarity_test, similarity_control),
            is_echo: false,
        }
    }

    fn echo(category: &str, control_prompt_idx: usize, similarity_test: f64) -> ScoredPair {
        ScoredPair {
            is_echo: true,
            ..pair(category, control_prompt_idx, similarity_test, 0.0)
        }
    }

    #[test]
    fn rates_come_with_their_counts() {
        let pairs = [
            pair("b", 0, 0.5, 0.1),
            pair("a", 1, 0.1, 0.5),
            pair("b", 0, 0.2, 0.2),
            echo("b", 2, 0.9),
        ];
        let rates = leak_rates(&estimates(&pairs), &[]);
        let counts = |rate: &LeakRate| (rate.n_pairs, rate.n_tied, rate.n_echoes, rate.n_clusters);
        let found: Vec<_> = rates
            .iter()
            .map(|rate| (rate.category.as_deref(), rate.mean_leak_rate, counts(rate)))
            .collect();
        let expected = [
            (None, 62.5, (4, 1.0, 1.0, 3)),
            (Some("b"), 100.0 * (2.5 / 3.0), (3, 1.0, 1.0, 2)),
            (Some("a"), 0.0, (1, 0.0, 0.0, 1)),
        ];
        assert_eq!(found, expected);
        assert_eq!(rates[2].interval, None);
        assert_eq!(leak_rates(&[], &[]), []);
    }

    #[test]
    fn rates_are_means_of_probabilities() {
        let control = side(&[(0.5, 0.1), (0.5, 0.3)], &[]);
        let pairs = [
            exact_pair("a", [0, 9], &side(&[(1.0, 0.2)], &[]), &control),
            exact_pair("b", [1, 9], &side(&[(1.0, 1.0)], &[]), &control),
            exact_pair(
                "a",
                [2, 8],
                &side(&[(0.8, 0.2)], &[]),
                &side(&[(1.0, 0.2)], &[]),
            ),
        ];
        let rates = leak_rates(&estimates(&pairs), &[]);
        let found: Vec<_> = rates
            .iter()
            .map(|rate| (rate.category.as_deref(), rate.n_pairs, rate.n_clusters))
            .collect();
        assert_eq!(found, [(None, 3, 2), (Some("a"), 2, 2), (Some("b"), 1, 1)]);
        let figures: Vec<[f64; 4]> = rates
            .iter()
            .map(|rate| {
                let bounds = rate.bounds().unwrap();
                [
                    rate.mean_leak_rate,
                    bounds.lower,
                    bounds.upper,
                    rate.echo_rate(),
                ]
            })
            .collect();
        let third = 100.0 / 3.0;
        let expected = [
            [2.0 * third, 1.9 * third, 2.1 * third, third],
            [50.0, 45.0, 55.0, 0.0],
            [100.0, 100.0, 100.0, 100.0],
        ];
        check(figures.as_flattened(), expected.as_flattened());
        assert_eq!(rates[0].bounds().unwrap().draw_standard_error, Some(0.0));
        let coverage_min = rates[0].exact.unwrap().coverage_min;
        assert_eq!((coverage_min, rates[2].interval), (0.8, None));
    }

    #[test]
    fn intervals_are_in_percent_and_cut() {
        let pairs = [pair("a", 0, 0.5, 0.1), pair("a", 1, 0.1, 0.5)];
        let interval = leak_rates(&estimates(&pairs), &[])[0].interval.unwrap();
        assert_eq!((interval.lower, interval.upper), (0.0, 100.0));
        let pairs: Vec<_> = (0..40)
            .map(|control| pair("a", control, 0.5, control as f64 / 60.0))
            .collect();
        let interval = leak_rates(&estimates(&pairs), &[])[0].interval.unwrap();
        assert!((60.0..70.0).contains(&interval.lower), "{interval:?}");
        assert!((80.0..95.0).contains(&interval.upper), "{interval:?}");
    }

    /// A vector of length 1, in f32 throughout as numpy has it.
    fn unit(k: i64) -> Vec<f32> {
        let vector: Vec<f32> = (0..6)
            .map(|j| ((k * (3 * j + 5) + j * j) % 17 - 8) as f32)
            .collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter().map(|x| x / length).collect()
    }

    /// The arithmetic of the published work on made-up vectors, by Python 3.11 with numpy 2.4.6:
    /// ```python
    /// def unit(k):
    ///     v = np.array([(k * (3 * j + 5) + j * j) % 17 - 8 for j in range(6)], dtype=np.float32)
    ///     return v / np.linalg.norm(v)
    /// values = {1: [], 2: []}
    /// for p in range(120):
    ///     concept, test, control = unit(p % 4 + 1), unit(p * 7 % 60 + 10), unit(p * 11 % 60 + 10)
    ///     to_test, to_control = round(float(concept @ test), 3), round(float(concept @ control), 3)
    ///     values[1 + p % 3 % 2].append(1.0 if to_test > to_control else 0.5 if to_test == to_control else 0.0)
    /// print([(100 * np.mean(v), len(v), v.count(0.5)) for v in (values[1] + values[2], values[1], values[2])])
    /// ```
    #[test]
    fn published_arithmetic_finds_the_same() {
        let scored = (0..120i64).map(|p| {
            let (concept, test, control) = (
                unit(p % 4 + 1),
                unit(p * 7 % 60 + 10),
                unit(p * 11 % 60 + 10),
            );
            let category = (1 + p % 3 % 2).to_string();
            pair(
                &category,
                0,
                cosine(&concept, &test),
                cosine(&concept, &control),
            )
        });
        let rates = leak_rates(&estimates(&scored.collect::<Vec<_>>()), &[]);
        let found: Vec<_> = rates
            .iter()
            .map(|rate| (rate.mean_leak_rate, rate.n_pairs, rate.n_tied))
            .collect();
        assert_eq!(
            found,
            [
                (48.333333333333336, 120, 8.0),
                (47.5, 80, 8.0),
                (50.0, 40, 0.0)
            ]
        );
    }

    #[test]
    fn striking_leaks_differ_in_their_control_and_echoes_come_last() {
        let pairs = [
            pair("a", 0, 0.5, 0.1),
            pair("a", 0, 0.9, 0.1),
            echo("a", 0, 1.0),
            pair("a", 1, 0.3, 0.1),
            pair("a", 2, 0.1, 0.3),
            echo("a", 3, 1.0),
            pair("a", 4, 0.9, 0.1),
        ];
        let found = |n_max| -> Vec<(usize, f64)> {
            let found = striking_leaks(&estimates(&pairs), n_max, |_| true).into_iter();
            found
                .map(|place| (pairs[place].pair_idx, pairs[place].similarity_test))
                .collect()
        };
        assert_eq!(found(9), [(0, 0.9), (4, 0.9), (1, 0.3), (3, 1.0)]);
        assert_eq!(found(1), [(0, 0.9)]);
        assert_eq!(striking_leaks(&[], 5, |_| true), [0; 0]);
    }

    fn swapped(pairs: &[ScoredPair]) -> Vec<ScoredPair> {
        let swap = |p: &ScoredPair| {
            pair(
                &p.category,
                p.control_prompt_idx,
                p.similarity_control,
                p.similarity_test,
            )
        };
        pairs.iter().map(swap).collect()
    }

    proptest! {
        #[test]
        fn swapping_test_and_control_mirrors_the_rate_about_50(
            found in prop::collection::vec((0usize..3, 0usize..8, -1.0..=1.0f64, -1.0..=1.0f64), 1..60)
        ) {
            let names = ["a", "b", "c"];
            let pairs: Vec<_> = found.into_iter().map(|(name, control, a, b)| pair(names[name], control, a, b)).collect();
            for (rate, mirrored) in leak_rates(&estimates(&pairs), &[]).iter().zip(leak_rates(&estimates(&swapped(&pairs)), &[])) {
                prop_assert!((rate.mean_leak_rate + mirrored.mean_leak_rate - 100.0).abs() < 1e-9);
                prop_assert_eq!((&rate.category, rate.n_tied), (&mirrored.category, mirrored.n_tied));
                prop_assert_eq!(rate.interval.is_some(), mirrored.interval.is_some());
                if let (Some(interval), Some(mirrored)) = (rate.interval, mirrored.interval) {
                    prop_assert!((interval.lower + mirrored.upper - 100.0).abs() < 1e-9);
                }
            }
        }

        #[test]
        fn the_order_of_pairs_changes_no_rate(
            (ordered, shuffled) in prop::collection::vec((0usize..8, -1.0..=1.0f64, -1.0..=1.0f64), 1..60)
                .prop_flat_map(|found| (Just(found.clone()), Just(found).prop_shuffle()))
        ) {
            let rate = |found: Vec<(usize, f64, f64)>| {
                let pairs: Vec<_> = found.into_iter().map(|(control, a, b)| pair("a", control, a, b)).collect();
                leak_rates(&estimates(&pairs), &[]).swap_remove(0)
            };
            let (a, b) = (rate(ordered), rate(shuffled));
            prop_assert!((a.mean_leak_rate - b.mean_leak_rate).abs() < 1e-9);
            prop_assert_eq!((a.n_pairs, a.n_tied, a.n_clusters), (b.n_pairs, b.n_tied, b.n_clusters));
        }
    }
}
