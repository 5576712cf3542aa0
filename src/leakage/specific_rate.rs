//! Means of the comparisons with other concepts, over many pairs.
//!
//! Owns which pairs each mean is over, its interval, and the permutation test beside them. The figures of a pair are in
//! `measure`.

use itertools::Itertools as _;

use super::crossing::crossing_of;
use super::estimate::PairEstimate;
use super::figure::{Figure, figure};
use super::matrix::TemplateSimilarities;
use super::measure::Measure;
use super::specificity::Specific;
use crate::stats::{Clustering, PValue, Permutations, permutation_p_value};

/// Random permutations of a p-value: near 0.05 its standard error is then 0.0007.
pub const PERMUTATIONS: Permutations = Permutations {
    seed: 1,
    n_draws: 99_999,
};

/// The comparisons with other concepts, over the pairs that have siblings.
#[derive(Debug, Clone, PartialEq)]
pub struct SpecificRate {
    /// These pairs times repeats, or these pairs where the rate is exact; at least 1.
    pub n_pairs: usize,
    /// Their control prompts: clusters of the intervals.
    pub n_clusters: usize,
    /// The Mean Leak-Rate over these pairs, in percent.
    pub leak_rate: Figure,
    /// In the order of [`Measure::OF_SIBLINGS`].
    figures: Vec<Figure>,
    /// The probability of concepts as near to their own generations by chance; None where similarities are not stored.
    pub p_value: Option<PValue>,
}

/// The leak rate beside that of texts which the concept did not stand before.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceboRate {
    /// Pairs times repeats that have both; at least 1.
    pub n_pairs: usize,
    /// The Mean Leak-Rate over these pairs, in percent.
    pub mean_leak_rate: f64,
    /// The rate without the concept, in percent.
    pub rate: Figure,
    /// The Mean Leak-Rate less that, in points.
    pub difference: Figure,
}

impl SpecificRate {
    /// The figure of a measure, which must be one of [`Measure::OF_SIBLINGS`].
    pub fn figure(&self, measure: Measure) -> &Figure {
        let mut places = Measure::OF_SIBLINGS.iter();
        let place = places.position(|it| *it == measure);
        &self.figures[place.expect("callers ask for a measure of siblings")]
    }

    /// The comparisons whose figures are these, in the order of [`Measure::OF_SIBLINGS`], for tests of what is shown.
    #[cfg(test)]
    pub(crate) fn made_up(figures: Vec<Figure>, p_value: Option<PValue>) -> Self {
        Self {
            n_pairs: 10,
            n_clusters: 5,
            leak_rate: Figure {
                value: 60.0,
                standard_error: Some(3.0),
                interval: Some(crate::stats::Interval {
                    lower: 54.0,
                    upper: 66.0,
                }),
            },
            figures,
            p_value,
        }
    }
}

/// None where no pair has siblings.
pub(super) fn specific_rate(
    pairs: &[&PairEstimate],
    templates: &[TemplateSimilarities],
    category: Option<&str>,
) -> Option<SpecificRate> {
    let has_siblings = |pair: &&&PairEstimate| Measure::PlaceboRate.value(pair).is_some();
    let pairs: Vec<&PairEstimate> = pairs.iter().filter(has_siblings).copied().collect();
    let clusters: Vec<usize> = pairs.iter().map(|pair| pair.control_prompt_idx).collect();
    let of_measure = |measure: Measure| mean_of(&pairs, &clusters, measure);
    let is_meant = |template: &&TemplateSimilarities| {
        let is_of = |category| template.category.as_deref() == Some(category);
        template.has_siblings && category.is_none_or(is_of)
    };
    let tables = templates.iter().filter(is_meant);
    let tables: Vec<&[Vec<f64>]> = tables.map(|it| it.similarities.as_slice()).collect();
    Some(SpecificRate {
        n_pairs: pairs.len(),
        n_clusters: clusters.iter().unique().count(),
        leak_rate: of_measure(Measure::LeakRate)?,
        figures: Measure::OF_SIBLINGS
            .into_iter()
            .map(of_measure)
            .collect::<Option<_>>()?,
        p_value: permutation_p_value(&tables, PERMUTATIONS),
    })
}

/// The mean of a measure that all pairs have.
pub(super) fn mean_of(
    pairs: &[&PairEstimate],
    clusters: &[usize],
    measure: Measure,
) -> Option<Figure> {
    let values = pairs.iter().filter_map(|pair| measure.value(pair));
    let crossing = crossing_of(pairs, measure);
    let clustering = Clustering::crossed(clusters, crossing.as_ref());
    figure(&values.collect::<Vec<_>>(), clustering, measure.range())
}

/// None where no pair has the other rate.
pub(super) fn placebo_rate(
    pairs: &[&PairEstimate],
    other: fn(&Specific) -> Option<f64>,
) -> Option<PlaceboRate> {
    let both = pairs.iter().filter_map(|pair| {
        let other = other(pair.specific.as_ref()?)?;
        Some((*pair, other))
    });
    let (pairs, others): (Vec<&PairEstimate>, Vec<f64>) = both.unzip();
    let clusters: Vec<usize> = pairs.iter().map(|pair| pair.control_prompt_idx).collect();
    let crossing = crossing_of(&pairs, Measure::LeakRate);
    let clustering = Clustering::crossed(&clusters, crossing.as_ref());
    let mean = |value: fn(f64, f64) -> f64, range| {
        let both = pairs.iter().zip(&others);
        let values = both.map(|(pair, other)| value(pair.leak_probability, *other));
        figure(&values.collect::<Vec<_>>(), clustering, range)
    };
    Some(PlaceboRate {
        n_pairs: pairs.len(),
        mean_leak_rate: mean(|leak, _| leak, (0.0, 1.0))?.value,
        rate: mean(|_, other| other, (0.0, 1.0))?,
        difference: mean(|leak, other| leak - other, (-1.0, 1.0))?,
    })
}
