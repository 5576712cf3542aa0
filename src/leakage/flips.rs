//! Flips: verdicts that are not the same under two conditions.
//!
//! Owns their counts and the choice of prompts worth reading. Rates of two conditions can be equal
//! while many verdicts have changed both ways, so the changes are counted beside the difference:
//! A. Dutta et al., "Accuracy is Not All You Need" (arXiv 2407.09141, 2024).

use std::cmp::Ordering;
use std::hash::Hash;

use itertools::Itertools as _;

use super::bounds::change_bounds;
use super::comparison::Clusters;
use super::estimate::{PairEstimate, ScoredPair, in_both};
use super::leak::Leak;
use crate::stats::Interval;

/// How the verdicts of one condition became those of another.
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

    fn count(&mut self, from: Leak, to: Leak) {
        *match (from, to) {
            (from, to) if from == to => &mut self.n_unchanged,
            (Leak::Leak, Leak::NoLeak) => &mut self.n_to_no_leak,
            (Leak::NoLeak, Leak::Leak) => &mut self.n_to_leak,
            _ => &mut self.n_ties_changed,
        } += 1;
    }
}

/// The flips from `base` to `other`: each verdict on a pair is compared with that on the same repeats of its prompts.
pub fn count_flips(base: &[ScoredPair], other: &[ScoredPair]) -> Flips {
    let mut flips = Flips::default();
    let both = in_both(base, other, ScoredPair::key).into_iter();
    // Not where the repeats of one condition are paired otherwise.
    for (from, to) in both.filter(|(from, to)| from.sides == to.sides) {
        flips.count(from.leak, to.leak);
    }
    flips
}

/// The share of different verdicts among any two repeats of the same pair that share no generation, 0 to 1: what sampling
/// alone does.
///
/// None where no pair has two repeats of both prompts.
pub fn repeat_disagreement(pairs: &[ScoredPair]) -> Option<f64> {
    let all = any_two(pairs, |pair| pair.pair_idx);
    // No two share both.
    let of_test = any_two(pairs, |pair| (pair.pair_idx, pair.sides[0]));
    let of_control = any_two(pairs, |pair| (pair.pair_idx, pair.sides[1]));
    let [n_different, n] = [0, 1].map(|it| all[it] - of_test[it] - of_control[it]);
    (n > 0).then(|| n_different as f64 / n as f64)
}

/// How many combinations of two verdicts that agree in `key` have different verdicts, and how many there are.
fn any_two<K: Hash + Eq>(pairs: &[ScoredPair], key: impl Fn(&ScoredPair) -> K) -> [usize; 2] {
    let n_of_two = |n: usize| n * n.saturating_sub(1) / 2;
    let counts = pairs.iter().counts_by(|pair| (key(pair), pair.leak));
    let n_equal: usize = counts.into_values().map(n_of_two).sum();
    let n: usize = pairs
        .iter()
        .counts_by(key)
        .into_values()
        .map(n_of_two)
        .sum();
    [n - n_equal, n]
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
    fn flips_are_counted_by_direction() {
        let (base, other) = (
            verdicts(&["LLT", "NNL", "NT"]),
            verdicts(&["NLL", "LNT", "LT", "L"]),
        );
        let there = Flips {
            n_to_no_leak: 1,
            n_to_leak: 2,
            n_ties_changed: 2,
            n_unchanged: 3,
        };
        assert_eq!(count_flips(&base, &other), there);
        assert_eq!(there.n(), 8);
        let back = Flips {
            n_to_no_leak: 2,
            n_to_leak: 1,
            ..there
        };
        assert_eq!(count_flips(&other, &base), back);
        assert_eq!(count_flips(&base, &[]), Flips::default());
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
