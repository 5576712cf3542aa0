//! The balanced draw: which of many verdicts are shown to people.
//!
//! Owns the shares of conditions and categories, and the order in which the verdicts of a category are taken. It reads
//! no database.

use std::collections::BTreeMap;

use crate::stats::Draws;

/// A verdict that may be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The place of its condition.
    pub(super) condition_idx: usize,
    pub(super) category: String,
    pub(super) pair_idx: usize,
    /// Its place wherever the caller has it.
    pub(super) place: usize,
}

/// About `n` candidates in random order: of each condition the same number, and in it of each category, as near as it
/// goes; of a category all pairs before a second repeat of one. All of them where there are no more than `n`.
pub(super) fn draw(candidates: Vec<Candidate>, n: usize, draws: &mut Draws) -> Vec<Candidate> {
    let mut taken = Vec::new();
    for of_condition in shares(candidates, n, |it| it.condition_idx, draws) {
        let (of_condition, n) = of_condition;
        for (mut of_category, n) in shares(of_condition, n, |it| it.category.clone(), draws) {
            draws.shuffle(&mut of_category);
            let mut n_of_pairs: BTreeMap<usize, usize> = BTreeMap::new();
            of_category.sort_by_cached_key(|candidate| {
                let n_before = n_of_pairs.entry(candidate.pair_idx).or_default();
                *n_before += 1;
                *n_before
            });
            taken.extend(of_category.into_iter().take(n));
        }
    }
    draws.shuffle(&mut taken);
    taken
}

/// The candidates by `key`, each group with the number that is taken of it.
fn shares<K: Ord>(
    candidates: Vec<Candidate>,
    n: usize,
    key: impl Fn(&Candidate) -> K,
    draws: &mut Draws,
) -> Vec<(Vec<Candidate>, usize)> {
    let mut groups: BTreeMap<K, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        groups.entry(key(&candidate)).or_default().push(candidate);
    }
    let sizes: Vec<usize> = groups.values().map(Vec::len).collect();
    let quotas = quotas(n, &sizes, draws);
    groups.into_values().zip(quotas).collect()
}

/// How many of `n` fall to each group of these sizes: as equally as it goes, and who gets one more by chance.
fn quotas(n: usize, sizes: &[usize], draws: &mut Draws) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    draws.shuffle(&mut order);
    let mut quotas = vec![0; sizes.len()];
    for _ in 0..n {
        let has_room = order.iter().filter(|&&idx| quotas[idx] < sizes[idx]);
        let Some(&idx) = has_room.min_by_key(|&&idx| quotas[idx]) else {
            break;
        };
        quotas[idx] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Candidates of these numbers by condition and category, five of each pair.
    fn candidates(numbers: &[[usize; 2]]) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (condition_idx, of_categories) in numbers.iter().enumerate() {
            for (category, number) in of_categories.iter().enumerate() {
                for n in 0..*number {
                    found.push(Candidate {
                        condition_idx,
                        category: category.to_string(),
                        pair_idx: 100 * category + n / 5,
                        place: found.len(),
                    });
                }
            }
        }
        found
    }

    fn drawn(numbers: &[[usize; 2]], n: usize, seed: u64) -> Vec<Candidate> {
        draw(candidates(numbers), n, &mut Draws::new(seed))
    }

    fn count(found: &[Candidate], condition_idx: usize, category: &str) -> usize {
        let is = |it: &&Candidate| it.condition_idx == condition_idx && it.category == category;
        found.iter().filter(is).count()
    }

    #[test]
    fn conditions_and_categories_have_their_share() {
        let found = drawn(&[[100, 20], [100, 20], [100, 3]], 60, 1);
        let counts = |condition_idx| ["0", "1"].map(|it| count(&found, condition_idx, it));
        assert_eq!([0, 1, 2].map(counts), [[10, 10], [10, 10], [17, 3]]);
        let pairs: Vec<usize> = found
            .iter()
            .filter(|it| it.condition_idx == 0 && it.category == "0")
            .map(|it| it.pair_idx)
            .collect();
        let distinct: std::collections::BTreeSet<_> = pairs.iter().collect();
        assert_eq!(distinct.len(), 10, "a pair was drawn twice before all once");
    }

    #[test]
    fn a_seed_is_a_draw() {
        let numbers = [[100, 20], [100, 20]];
        assert_eq!(drawn(&numbers, 30, 7), drawn(&numbers, 30, 7));
        assert_ne!(drawn(&numbers, 30, 7), drawn(&numbers, 30, 8));
    }

    proptest! {
        #[test]
        fn as_many_as_there_are_and_none_twice(
            numbers in prop::collection::vec([0usize..30, 0usize..30], 1..5), n in 1usize..150, seed in 0u64..100
        ) {
            let found = drawn(&numbers, n, seed);
            let n_there: usize = numbers.iter().flatten().sum();
            prop_assert_eq!(found.len(), n.min(n_there));
            let distinct: std::collections::BTreeSet<_> = found.iter().map(|it| it.place).collect();
            prop_assert_eq!(distinct.len(), found.len());
            // No condition has two more than another that has some left.
            let of = |idx: usize| found.iter().filter(|it| it.condition_idx == idx).count();
            for (a, b) in (0..numbers.len()).flat_map(|a| (0..numbers.len()).map(move |b| (a, b))) {
                prop_assert!(of(a) <= of(b) + 1 || of(b) == numbers[b].iter().sum::<usize>());
            }
        }
    }
}
