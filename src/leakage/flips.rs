//! Flips: verdicts that are not the same under two conditions.
//!
//! Owns their counts and the choice of prompts worth reading. Rates of two conditions can be equal
//! while many verdicts have changed both ways, so the changes are counted beside the difference:
//! A. Dutta et al., "Accuracy is Not All You Need" (arXiv 2407.09141, 2024).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use itertools::Itertools as _;

use super::bounds::change_bounds;
use super::comparison::Clusters;
use super::estimate::{PairEstimate, ScoredPair, in_both};
use super::leak::Leak;
use crate::stats::Interval;

/// How the verdicts of one condition became those of another, in repeats of prompt pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flips {
    /// From leak to no leak.
    pub n_to_no_leak: usize,
    /// From no leak to leak.
    pub n_to_leak: usize,
    /// From a tie to either, or from either to a tie.
    pub n_ties_changed: usize,
    /// The same verdict.
    pub n_unchanged: usize,
}

/// The flips of one repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepeatFlips {
    /// The repeat, from 0.
    pub repeat_idx: u32,
    /// Its flips.
    pub flips: Flips,
}

/// A pair whose leak probability is another one under another condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangedPair {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// How much more probable a leak is, -1 to 1; of repeats over those that both conditions have.
    pub change: f64,
    /// The certain bounds of `change`; None where it is one of repeats.
    pub bounds: Option<Interval>,
    /// Mean change of how much closer to the concept the test text is than the control text, -4 to 4.
    pub similarity_change: f64,
}

impl Flips {
    /// All verdicts that were compared.
    pub fn n(&self) -> usize {
        self.n_to_no_leak + self.n_to_leak + self.n_ties_changed + self.n_unchanged
    }

    /// The flips of all repeats together.
    pub fn total(repeats: &[RepeatFlips]) -> Self {
        repeats.iter().fold(Self::default(), |sum, repeat| Self {
            n_to_no_leak: sum.n_to_no_leak + repeat.flips.n_to_no_leak,
            n_to_leak: sum.n_to_leak + repeat.flips.n_to_leak,
            n_ties_changed: sum.n_ties_changed + repeat.flips.n_ties_changed,
            n_unchanged: sum.n_unchanged + repeat.flips.n_unchanged,
        })
    }

    fn count(&mut self, from: Leak, to: Leak) {
        *match (from, to) {
            (from, to) if from == to => &mut self.n_unchanged,
            (Leak::Leak, Leak::NoLeak) => &mut self.n_to_no_leak,
            (Leak::NoLeak, Leak::Leak) => &mut self.n_to_leak,
            _ => &mut self.n_ties_changed,
        } += 1;
    }
}

/// The flips from `base` to `other`, by repeat: each repeat of a pair is compared with the same repeat.
pub fn count_flips(base: &[ScoredPair], other: &[ScoredPair]) -> Vec<RepeatFlips> {
    let mut repeats: BTreeMap<u32, Flips> = BTreeMap::new();
    let both = in_both(base, other, ScoredPair::key).into_iter();
    // Not where the repeats of one condition are paired otherwise.
    for (from, to) in both.filter(|(from, to)| from.sides == to.sides) {
        let flips = repeats.entry(from.repeat_idx).or_default();
        flips.count(from.leak, to.leak);
    }
    let repeats = repeats.into_iter();
    repeats
        .map(|(repeat_idx, flips)| RepeatFlips { repeat_idx, flips })
        .collect()
}

/// The share of different verdicts among any two repeats of the same pair that share no generation, 0 to 1: what sampling
/// alone does.
///
/// None where no pair has two repeats of both prompts.
pub fn repeat_disagreement(pairs: &[ScoredPair]) -> Option<f64> {
    let by_pair = pairs.iter().into_group_map_by(|pair| pair.pair_idx);
    let any_two = by_pair
        .values()
        .flat_map(|of| of.iter().tuple_combinations());
    let (mut n_different, mut n) = (0, 0);
    for (a, b) in any_two.filter(|(a, b)| a.sides[0] != b.sides[0] && a.sides[1] != b.sides[1]) {
        n += 1;
        n_different += usize::from(a.leak != b.leak);
    }
    (n > 0).then(|| n_different as f64 / n as f64)
}

/// At most `n_max` pairs whose leak probability changed, those that changed most and in one direction first.
///
/// At most one of each cluster, so that they differ: a control that is continued otherwise would
/// bring all pairs that are compared with it.
pub fn changed_pairs(
    base: &[PairEstimate],
    other: &[PairEstimate],
    clusters: &Clusters,
    n_max: usize,
) -> Vec<ChangedPair> {
    let changes = changes(base, other).into_iter();
    changes
        .filter(|pair| pair.change != 0.0)
        .sorted_by(by_change)
        .unique_by(|pair| clusters[&pair.pair_idx])
        .take(n_max)
        .collect()
}

/// The larger change first, then the larger change of similarities; the order of the experiment among equals.
fn by_change(a: &ChangedPair, b: &ChangedPair) -> Ordering {
    let size = |pair: &ChangedPair| [pair.change.abs(), pair.similarity_change.abs()];
    let ([change_a, similarity_a], [change_b, similarity_b]) = (size(a), size(b));
    let by_size = change_b.total_cmp(&change_a);
    by_size
        .then(similarity_b.total_cmp(&similarity_a))
        .then(a.pair_idx.cmp(&b.pair_idx))
}

fn changes(base: &[PairEstimate], other: &[PairEstimate]) -> Vec<ChangedPair> {
    let common = in_both(base, other, PairEstimate::key).into_iter();
    let by_pair = common.into_group_map_by(|(from, _)| from.pair_idx);
    let changes = by_pair.into_iter().map(|(pair_idx, repeats)| {
        let mean = |value: fn(&PairEstimate) -> f64| {
            let changes = repeats.iter().map(|(from, to)| value(to) - value(from));
            changes.sum::<f64>() / repeats.len() as f64
        };
        let (from, to) = repeats[0];
        let exact = from.exact.as_ref().zip(to.exact.as_ref());
        ChangedPair {
            pair_idx,
            change: mean(|estimate| estimate.leak_probability),
            bounds: exact.map(|(from, to)| {
                let [lower, upper] = change_bounds(from, to);
                Interval { lower, upper }
            }),
            similarity_change: mean(|estimate| estimate.similarity_shift),
        }
    });
    changes.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::leakage::comparison::tests::{BASE, OTHER, leaking};
    use crate::leakage::estimates;

    /// A verdict, with similarities that go with it.
    pub(in crate::leakage) fn verdict(pair_idx: usize, repeat_idx: u32, leak: Leak) -> ScoredPair {
        ScoredPair {
            pair_idx,
            repeat_idx,
            sides: [repeat_idx; 2],
            category: "a".to_owned(),
            control_prompt_idx: 0,
            similarity_test: 0.2 * leak.value(),
            similarity_control: 0.1,
            leak,
            is_echo: false,
        }
    }

    /// Verdicts of prompts, a letter for each repeat: leak, tie or no leak.
    fn verdicts(prompts: &[&str]) -> Vec<ScoredPair> {
        let prompts = prompts.iter().enumerate();
        prompts
            .flat_map(|(pair_idx, letters)| {
                letters.chars().zip(0..).map(move |(letter, repeat_idx)| {
                    let leak = match letter {
                        'L' => Leak::Leak,
                        'T' => Leak::Tie,
                        _ => Leak::NoLeak,
                    };
                    verdict(pair_idx, repeat_idx, leak)
                })
            })
            .collect()
    }

    #[test]
    fn flips_are_counted_by_repeat_and_direction() {
        let (base, other) = (
            verdicts(&["LLT", "NNL", "NT"]),
            verdicts(&["NLL", "LNT", "LT", "L"]),
        );
        let repeats = count_flips(&base, &other);
        let counts: Vec<_> = repeats
            .iter()
            .map(|repeat| {
                let flips = repeat.flips;
                (
                    repeat.repeat_idx,
                    flips.n_to_no_leak,
                    flips.n_to_leak,
                    flips.n_ties_changed,
                    flips.n_unchanged,
                )
            })
            .collect();
        assert_eq!(counts, [(0, 1, 2, 0, 0), (1, 0, 0, 0, 3), (2, 0, 0, 2, 0)]);
        let total = Flips::total(&repeats);
        assert_eq!((total.n(), total.n_ties_changed), (8, 2));
        let back = Flips::total(&count_flips(&other, &base));
        assert_eq!(
            (back.n_to_leak, back.n_to_no_leak),
            (total.n_to_no_leak, total.n_to_leak)
        );
        assert_eq!(count_flips(&base, &[]), []);
    }

    #[test]
    fn repeats_disagree_with_themselves() {
        assert_eq!(
            repeat_disagreement(&verdicts(&["LLN", "TT", "L"])),
            Some(0.5)
        );
        assert_eq!(repeat_disagreement(&verdicts(&["L", "N"])), None);
        assert_eq!(repeat_disagreement(&[]), None);
    }

    #[test]
    fn consistent_flips_come_first_and_differ_in_their_cluster() {
        let base = verdicts(&["LL", "NN", "LN", "LL", "TT", "LL"]);
        let other = verdicts(&["NN", "LL", "NL", "LN", "TT", "NT"]);
        let found = |clusters: &[usize], n_max| -> Vec<(usize, f64)> {
            let clusters = clusters.iter().copied().enumerate().collect();
            let found = changed_pairs(&estimates(&base), &estimates(&other), &clusters, n_max);
            found
                .iter()
                .map(|prompt| (prompt.pair_idx, prompt.change))
                .collect()
        };
        let expected = [(0, -1.0), (1, 1.0), (5, -0.75), (3, -0.5)];
        assert_eq!(found(&[0, 1, 2, 3, 4, 5], 9), expected);
        assert_eq!(found(&[0, 1, 2, 3, 4, 5], 2), expected[..2]);
        assert_eq!(found(&[0, 1, 0, 0, 0, 1], 9), expected[..2]);
        assert_eq!(found(&[0; 6], 0), []);
    }

    #[test]
    fn those_that_moved_most_come_first_and_one_of_each_cluster() {
        let [base, other] = [BASE, OTHER].map(|rates| estimates(&leaking(&rates)));
        // The pairs 0 and 5 share a cluster, and pair 1 did not change.
        let clusters: Clusters = [0, 1, 2, 3, 4, 0].into_iter().enumerate().collect();
        let found = changed_pairs(&base, &other, &clusters, 9);
        let pairs: Vec<_> = found.iter().map(|mover| mover.pair_idx).collect();
        assert_eq!(pairs, [5, 2, 3, 4]);
        assert_eq!(
            (found[2].change, found[2].bounds),
            (
                -0.125,
                Some(Interval {
                    lower: -0.125,
                    upper: -0.125
                })
            )
        );
        assert_eq!(changed_pairs(&base, &other, &clusters, 1).len(), 1);
    }
}
