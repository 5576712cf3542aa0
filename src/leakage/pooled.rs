//! Estimates of several seeds as one.
//!
//! Owns the mean of a pair: over its repeats first, then over seeds, so that each seed counts alike however many repeats it
//! has. Intervals of such means are those of any other values of pairs: seeds are draws, prompts stay the clusters.

use std::collections::BTreeMap;

use itertools::Itertools as _;

use super::estimate::PairEstimate;
use super::specificity::{SiblingFigures, Specific, mean};

/// One estimate for each pair that all of `draws` have, in the order of the pairs.
pub fn pooled(draws: &[&[PairEstimate]]) -> Vec<PairEstimate> {
    let by_draw: Vec<BTreeMap<usize, PairEstimate>> =
        draws.iter().map(|pairs| of_pairs(pairs)).collect();
    let Some(first) = by_draw.first() else {
        return Vec::new();
    };
    let of_pair = first.keys().filter_map(|pair_idx| {
        let found = by_draw.iter().map(|pairs| pairs.get(pair_idx));
        mean_estimate(&found.collect::<Option<Vec<_>>>()?)
    });
    of_pair.collect()
}

fn of_pairs(pairs: &[PairEstimate]) -> BTreeMap<usize, PairEstimate> {
    let by_pair = pairs.iter().into_group_map_by(|pair| pair.pair_idx);
    let means = by_pair
        .into_iter()
        .filter_map(|(pair_idx, repeats)| Some((pair_idx, mean_estimate(&repeats)?)));
    means.collect()
}

/// None of nothing.
fn mean_estimate(of: &[&PairEstimate]) -> Option<PairEstimate> {
    let first = *of.first()?;
    let mean_of = |value: fn(&PairEstimate) -> f64| mean(of.iter().map(|it| value(it)));
    let specifics: Vec<Specific> = of.iter().filter_map(|it| it.specific).collect();
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
        specific: mean_specific(&specifics),
        exact: None,
    })
}

fn mean_specific(of: &[Specific]) -> Option<Specific> {
    let mean_of = |value: fn(&Specific) -> Option<f64>| mean(of.iter().filter_map(value));
    let siblings: Vec<SiblingFigures> = of.iter().filter_map(|it| it.siblings).collect();
    Some(Specific {
        siblings: mean_siblings(&siblings),
        anchor_placebo: mean_of(|it| it.anchor_placebo),
        filler_rate: mean_of(|it| it.filler_rate),
        echo: mean_of(|it| Some(it.echo))?,
        control_echo: mean_of(|it| Some(it.control_echo))?,
        own_repetition: mean_of(|it| Some(it.own_repetition))?,
        margin: mean_of(|it| it.margin),
    })
}

fn mean_siblings(of: &[SiblingFigures]) -> Option<SiblingFigures> {
    let mean_of = |value: fn(&SiblingFigures) -> f64| mean(of.iter().map(value));
    Some(SiblingFigures {
        n_siblings: of.iter().map(|it| it.n_siblings).min()?,
        n_texts: of.iter().map(|it| it.n_texts).min()?,
        placebo: mean_of(|it| it.placebo)?,
        repetition: mean_of(|it| it.repetition)?,
        specificity: mean_of(|it| it.specificity)?,
        specificity_repetition: mean_of(|it| it.specificity_repetition)?,
        sibling_echo: mean_of(|it| it.sibling_echo)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leakage::{Measure, pair_rates};

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
}
