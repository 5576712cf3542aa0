//! Concepts as clusters of their own, which cross those of prompts.
//!
//! Owns what a pair must know for it: its concept, and its comparison with each sibling, since a value that compares
//! concepts depends on all of them. Without these concepts are fixed: intervals are then for other prompts with the same
//! concepts.

use std::collections::BTreeMap;

use super::estimate::{CrossedPair, PairEstimate};
use super::measure::Measure;
use super::specificity::SiblingFigures;
use crate::stats::Crossing;

impl CrossedPair {
    /// The change of a measure where the sibling of a concept is left out; None where no other is left.
    fn changes(&self, measure: Measure) -> Vec<(usize, Option<f64>)> {
        if measure == Measure::LeakRate {
            return Vec::new();
        }
        // Measures are differences of figures, so of leaks and echoes nothing is left in a change.
        let value = |figures: &SiblingFigures| measure.of_siblings(0.0, 0.0, 0.0, figures);
        let all = SiblingFigures::mean(self.siblings.iter().map(|(_, it)| it));
        let Some(mean) = all.as_ref().map(value) else {
            return Vec::new();
        };
        let (n, others) = (self.siblings.len() as f64, self.siblings.len() - 1);
        let change = |figures| (mean - value(figures)) / (n - 1.0);
        let changes = self.siblings.iter();
        changes
            .map(|(concept, figures)| (*concept, (others > 0).then(|| change(figures))))
            .collect()
    }
}

/// The crossing of values that are sums of a measure under conditions, each with its factor; `pairs[i]` is the pair of
/// value i. None where concepts are fixed.
pub(super) fn crossing<'p>(
    pairs: impl Iterator<Item = usize>,
    conditions: &[(f64, impl Iterator<Item = &'p PairEstimate> + Clone)],
    measure: Measure,
) -> Option<Crossing> {
    let of_conditions = conditions.iter().map(|(factor, pairs)| {
        let crossed = pairs.clone();
        let crossed = crossed.map(|pair| Some((pair.pair_idx, pair.crossed.as_deref()?)));
        Some((*factor, crossed.collect::<Option<BTreeMap<_, _>>>()?))
    });
    let of_conditions: Vec<(f64, BTreeMap<usize, &CrossedPair>)> =
        of_conditions.collect::<Option<_>>()?;
    let first = &of_conditions.first()?.1;
    let mut found = Crossing::default();
    let mut known: BTreeMap<usize, Vec<(usize, Option<f64>)>> = BTreeMap::new();
    for pair in pairs {
        found.clusters.push(first[&pair].concept);
        if measure != Measure::LeakRate {
            let changes = known.entry(pair).or_insert_with(|| {
                let of_pair = of_conditions.iter();
                summed(of_pair.map(|(factor, pairs)| (*factor, pairs[&pair].changes(measure))))
            });
            found.changes.push(changes.clone());
        }
    }
    Some(found)
}

/// The crossing of a measure's values, one for each of these pairs; None where concepts are fixed.
pub(super) fn crossing_of(pairs: &[&PairEstimate], measure: Measure) -> Option<Crossing> {
    let places = pairs.iter().map(|pair| pair.pair_idx);
    crossing(places, &[(1.0, pairs.iter().copied())], measure)
}

/// The sums over conditions of the changes by concept; None where one of them is.
fn summed(
    conditions: impl Iterator<Item = (f64, Vec<(usize, Option<f64>)>)>,
) -> Vec<(usize, Option<f64>)> {
    let mut sums: BTreeMap<usize, Option<f64>> = BTreeMap::new();
    for (factor, changes) in conditions {
        for (concept, change) in changes {
            let sum = sums.entry(concept).or_insert(Some(0.0));
            *sum = sum.zip(change).map(|(sum, change)| sum + factor * change);
        }
    }
    sums.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(placebo: f64, specificity: f64) -> SiblingFigures {
        SiblingFigures {
            n_siblings: 1,
            n_texts: 1,
            placebo,
            repetition: 0.0,
            specificity,
            specificity_repetition: 0.0,
            sibling_echo: 0.0,
        }
    }

    /// Of three siblings at 0.2, 0.5 and 0.8 the mean without the first is 0.65, and that of placebos 0.4 in the place
    /// of 0.3, so that specific leakage is less.
    #[test]
    fn without_a_sibling_the_mean_of_the_others_is_left() {
        let siblings = [
            (7, figures(0.1, 0.2)),
            (8, figures(0.3, 0.5)),
            (9, figures(0.5, 0.8)),
        ];
        let pair = CrossedPair {
            concept: 6,
            siblings: siblings.to_vec(),
        };
        let change = |measure| pair.changes(measure)[0].1.unwrap();
        assert!((change(Measure::Specificity) - 0.15).abs() < 1e-12);
        assert!((change(Measure::SpecificLeakage) + 0.1).abs() < 1e-12);
        assert_eq!(pair.changes(Measure::LeakRate), []);
        let alone = CrossedPair {
            siblings: siblings[..1].to_vec(),
            ..pair
        };
        assert_eq!(alone.changes(Measure::Specificity), [(7, None)]);
    }
}
