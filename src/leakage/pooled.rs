//! Estimates of several conditions as one: of several seeds, or of several wordings of the messages around the prompts.
//!
//! Owns the mean of a pair: over its repeats first, then over conditions, so that each counts alike however many repeats it
//! has. Intervals of such means are those of any other values of pairs, with the clusters of the pairs: seeds are draws, and
//! wordings are fixed, so nothing here says how far another wording would lie. `docs/statistics.md` has the definition.

use std::collections::BTreeMap;
use std::sync::Arc;

use itertools::Itertools as _;

use super::estimate::{CrossedPair, PairEstimate};
use super::specificity::{SiblingFigures, Specific, mean};

/// The estimates that a value must be known of, for its mean to be known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// One of several repeats, as of any condition.
    OfAny,
    /// Each condition: with others the mean would be that of something else.
    OfAll,
}

/// One estimate for each pair that all of `conditions` have, in the order of the pairs.
///
/// Comparisons with siblings are there where all conditions have those with as many; with others they are other figures.
pub fn pooled(conditions: &[&[PairEstimate]]) -> Vec<PairEstimate> {
    let by_pair: Vec<BTreeMap<usize, PairEstimate>> =
        conditions.iter().map(|pairs| of_pairs(pairs)).collect();
    let Some(first) = by_pair.first() else {
        return Vec::new();
    };
    let of_pair = first.keys().filter_map(|pair_idx| {
        let found = by_pair.iter().map(|pairs| pairs.get(pair_idx));
        mean_estimate(&found.collect::<Option<Vec<_>>>()?, Known::OfAll)
    });
    of_pair.collect()
}

fn of_pairs(pairs: &[PairEstimate]) -> BTreeMap<usize, PairEstimate> {
    let by_pair = pairs.iter().into_group_map_by(|pair| pair.pair_idx);
    let means = by_pair
        .into_iter()
        .filter_map(|(pair_idx, repeats)| Some((pair_idx, mean_estimate(&repeats, Known::OfAny)?)));
    means.collect()
}

/// None of nothing.
fn mean_estimate(of: &[&PairEstimate], known: Known) -> Option<PairEstimate> {
    let first = *of.first()?;
    let mean_of = |value: fn(&PairEstimate) -> f64| mean(of.iter().map(|it| value(it)));
    let specifics = known_of(of.iter().map(|it| it.specific), known);
    Some(PairEstimate {
        pair_idx: first.pair_idx,
        repeat_idx: 0,
        sides: [0, 0],
        category: first.category.clone(),
        control_prompt_idx: first.control_prompt_idx,
        leak_probability: mean_of(|it| it.leak_probability)?,
        tie_probability: mean_of(|it| it.tie_probability)?,
        echo_probability: mean_of(|it| it.echo_probability)?,
        similarity_shift: mean_of(|it| it.similarity_shift)?,
        specific: mean_specific(&specifics, known),
        crossed: mean_crossed(of).map(Arc::new),
        exact: None,
    })
}

/// The values that are there; none of them where all must be and one is not.
fn known_of<T>(values: impl Iterator<Item = Option<T>>, known: Known) -> Vec<T> {
    match known {
        Known::OfAny => values.flatten().collect(),
        Known::OfAll => values.collect::<Option<Vec<T>>>().unwrap_or_default(),
    }
}

fn mean_specific(of: &[Specific], known: Known) -> Option<Specific> {
    let mean_of = |value: fn(&Specific) -> Option<f64>| {
        let values = known_of(of.iter().map(value), known);
        mean(values.into_iter())
    };
    let siblings = known_of(of.iter().map(|it| it.siblings), known);
    let are_as_many = known == Known::OfAny || siblings.iter().map(|it| it.n_siblings).all_equal();
    Some(Specific {
        siblings: SiblingFigures::mean(siblings.iter()).filter(|_| are_as_many),
        anchor_placebo: mean_of(|it| it.anchor_placebo),
        filler_rate: mean_of(|it| it.filler_rate),
        echo: mean_of(|it| Some(it.echo))?,
        control_echo: mean_of(|it| Some(it.control_echo))?,
        own_repetition: mean_of(|it| Some(it.own_repetition))?,
        margin: mean_of(|it| it.margin),
    })
}

/// None where concepts are fixed in one of them.
fn mean_crossed(of: &[&PairEstimate]) -> Option<CrossedPair> {
    let crossed = of.iter().map(|it| it.crossed.as_deref());
    let crossed: Vec<&CrossedPair> = crossed.collect::<Option<_>>()?;
    let siblings = crossed.iter().flat_map(|it| &it.siblings);
    let siblings = siblings.map(|(concept, figures)| (*concept, figures));
    let siblings: BTreeMap<usize, Vec<&SiblingFigures>> =
        siblings.into_group_map().into_iter().collect();
    let siblings = siblings.into_iter().filter_map(|(concept, figures)| {
        Some((concept, SiblingFigures::mean(figures.into_iter())?))
    });
    Some(CrossedPair {
        concept: crossed.first()?.concept,
        siblings: siblings.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leakage::estimate::tests::check;
    use crate::leakage::{Measure, leak_rates, pair_rates};

    fn estimate(pair_idx: usize, repeat_idx: u32, leak: f64, specificity: f64) -> PairEstimate {
        PairEstimate {
            pair_idx,
            repeat_idx,
            sides: [repeat_idx; 2],
            category: "a".to_owned(),
            control_prompt_idx: pair_idx / 2,
            leak_probability: leak,
            tie_probability: 0.0,
            echo_probability: 0.0,
            similarity_shift: 0.0,
            specific: Some(Specific {
                siblings: Some(SiblingFigures {
                    n_siblings: 2,
                    n_texts: 4,
                    placebo: 0.5,
                    repetition: 0.0,
                    specificity,
                    specificity_repetition: 0.0,
                    sibling_echo: 0.0,
                }),
                anchor_placebo: None,
                filler_rate: None,
                echo: 0.0,
                control_echo: 0.0,
                own_repetition: 0.0,
                margin: None,
            }),
            crossed: None,
            exact: None,
        }
    }

    #[test]
    fn each_seed_counts_alike_and_pairs_of_one_seed_alone_are_left_out() {
        let many = [
            estimate(0, 0, 1.0, 1.0),
            estimate(0, 1, 1.0, 0.5),
            estimate(0, 2, 0.0, 0.0),
            estimate(0, 3, 0.0, 0.5),
            estimate(1, 0, 1.0, 1.0),
        ];
        let one = [estimate(0, 0, 0.0, 1.0), estimate(2, 0, 1.0, 1.0)];
        let found = pooled(&[&many, &one]);
        assert_eq!(found.len(), 1);
        assert_eq!(pair_rates(&found, Measure::LeakRate)[&0], 0.25);
        assert_eq!(pair_rates(&found, Measure::Specificity)[&0], 0.75);
        assert_eq!(pooled(&[]), []);
    }

    #[test]
    fn concepts_are_random_in_a_mean_where_they_are_in_all_of_which_it_is() {
        let crossed = |specificity: f64| {
            let pair = estimate(0, 0, 1.0, specificity);
            let figures = pair.specific.unwrap().siblings.unwrap();
            let crossed = CrossedPair {
                concept: 7,
                siblings: vec![(9, figures)],
            };
            [PairEstimate {
                crossed: Some(Arc::new(crossed)),
                ..pair
            }]
        };
        let found = pooled(&[&crossed(0.25), &crossed(0.75)]);
        let of_pair = found[0].crossed.as_ref().unwrap();
        let (sibling, figures) = of_pair.siblings[0];
        assert_eq!((of_pair.concept, sibling, figures.specificity), (7, 9, 0.5));
        let fixed = [estimate(0, 0, 1.0, 0.5)];
        assert_eq!(pooled(&[&crossed(0.25), &fixed])[0].crossed, None);
    }

    /// With one seed nothing is pooled but repeats, which every figure does.
    #[test]
    fn one_seed_alone_keeps_its_values() {
        let alone = [
            estimate(0, 0, 1.0, 0.25),
            estimate(0, 1, 0.5, 0.5),
            estimate(3, 0, 0.0, 0.75),
        ];
        let found = pooled(&[&alone]);
        for measure in [
            Measure::LeakRate,
            Measure::Specificity,
            Measure::SpecificLeakage,
        ] {
            assert_eq!(pair_rates(&found, measure), pair_rates(&alone, measure));
        }
    }

    /// The same with a placebo, and a specificity of `leak` / 2 + 1/4.
    fn worded(pair_idx: usize, repeat_idx: u32, leak: f64, placebo: f64) -> PairEstimate {
        let mut found = estimate(pair_idx, repeat_idx, leak, leak / 2.0 + 0.25);
        let siblings = found.specific.as_mut().and_then(|it| it.siblings.as_mut());
        siblings.unwrap().placebo = placebo;
        found
    }

    /// By hand. Wording 1: pair 0 leaks (1 + 0) / 2 with placebo (1 + 0) / 2, pair 1 leaks 1 with placebo 0, pair 2 leaks 0
    /// with placebo 1. Wording 2, with one repeat: 1 and 0, 1 and 1, 0 and 0. Means: 0.75, 1 and 0; placebo 0.25, 0.5, 0.5.
    /// The Leak-Rate is their mean 7/12, specific leakage (0.5 + 0.5 - 0.5) / 3 = 1/6.
    #[test]
    fn each_pair_counts_once_with_its_mean_over_wordings() {
        let first = [
            worded(0, 0, 1.0, 1.0),
            worded(0, 1, 0.0, 0.0),
            worded(1, 0, 1.0, 0.0),
            worded(2, 0, 0.0, 1.0),
        ];
        let second = [
            worded(0, 0, 1.0, 0.0),
            worded(1, 0, 1.0, 1.0),
            worded(2, 0, 0.0, 0.0),
            worded(3, 0, 1.0, 0.0),
        ];
        let mean = pooled(&[&first, &second]);
        let leaks: Vec<f64> = mean.iter().map(|it| it.leak_probability).collect();
        check(&leaks, &[0.75, 1.0, 0.0]);
        let rates = leak_rates(&mean, &[]);
        let rate = &rates[0];
        let specific = rate.specific.as_ref().unwrap();
        let figure = |measure| specific.figure(measure).value;
        check(
            &[
                rate.mean_leak_rate,
                figure(Measure::PlaceboRate),
                figure(Measure::SpecificLeakage),
                figure(Measure::Specificity),
            ],
            &[
                700.0 / 12.0,
                125.0 / 3.0,
                100.0 / 6.0,
                100.0 * (7.0 / 24.0 + 0.25),
            ],
        );
        assert_eq!((rate.n_pairs, rate.n_clusters), (3, 2));
        // Two clusters, of two pairs and one: deviations 7/12 and -7/12, so the variance by CR2 is
        // (7/12)² (1 / (1 - 2/3) + 1 / (1 - 1/3)) / 9 = (7/12)² / 2.
        let error = cluster_error(&mean);
        check(&[error], &[7.0 / 12.0 / 2f64.sqrt()]);
    }

    fn cluster_error(mean: &[PairEstimate]) -> f64 {
        let values: Vec<f64> = mean.iter().map(|it| it.leak_probability).collect();
        let clusters: Vec<usize> = mean.iter().map(|it| it.control_prompt_idx).collect();
        let found = crate::stats::cluster_mean(&values, &clusters, 0.95).unwrap();
        found.standard_error.unwrap()
    }

    #[test]
    fn pairs_with_other_siblings_are_not_averaged() {
        let mut other = worded(0, 0, 1.0, 0.0);
        let specific = other.specific.as_mut().unwrap();
        specific.siblings.as_mut().unwrap().n_siblings = 1;
        let mean = pooled(&[&[worded(0, 0, 0.0, 0.0)], &[other]]);
        assert_eq!(mean[0].leak_probability, 0.5);
        assert_eq!(mean[0].specific.unwrap().siblings, None);
    }
}
