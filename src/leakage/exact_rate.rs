//! Exact Mean Leak-Rate: leak probabilities over many pairs, of all together and by category.
//!
//! Owns the grouping, the means, the interval over prompts and the standard error that draws of tails leave. What a
//! pair's leak probability is, `exact` says; differences between conditions are in `exact_difference`. Pairs that share a
//! control prompt are one cluster, as for repeats.

use std::collections::BTreeMap;

use super::comparison::PairRates;
use super::exact::ExactLeak;
use super::leak_rate::{LEVEL, all_and_categories, in_percent};
use crate::stats::{Interval, cluster_mean};

/// A pair and what its distributions say.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactPair {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The pair's category.
    pub category: String,
    /// The test prompt.
    pub test_prompt_idx: usize,
    /// The control prompt, which names the cluster.
    pub control_prompt_idx: usize,
    /// The comparison.
    pub leak: ExactLeak,
}

/// The exact leak rate of one category, or of all together.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactLeakRate {
    /// The category; None for all together.
    pub category: Option<String>,
    /// 100 times the mean of the leak probabilities, in percent; 50 is no leakage.
    pub mean_leak_rate: f64,
    /// What it certainly is at least for these prompts, in percent.
    pub lower: f64,
    /// What it certainly is at most.
    pub upper: f64,
    /// Standard error of `mean_leak_rate` for these prompts that draws of tails leave, in percentage points; 0 where
    /// nothing was drawn, None where a tail has a single draw.
    pub draw_standard_error: Option<f64>,
    /// The 95 % interval for the choice of prompts in percent, cut to 0 to 100; None with a single cluster.
    pub interval: Option<Interval>,
    /// Pairs, at least 1.
    pub n_pairs: usize,
    /// Clusters of the interval: control prompts.
    pub n_clusters: usize,
    /// Mean probability of a tie, in percent.
    pub tie_rate: f64,
    /// Mean probability of the concept in the test continuation, in percent.
    pub echo_rate: f64,
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

/// The rate of all pairs and then of each category, in the order in which they first appear; empty without pairs.
pub fn exact_leak_rates(pairs: &[ExactPair]) -> Vec<ExactLeakRate> {
    all_and_categories(pairs.iter().map(|pair| pair.category.as_str()))
        .filter_map(|category| exact_leak_rate(pairs, category))
        .collect()
}

/// The leak probabilities as what conditions are compared by.
pub fn exact_pair_rates(pairs: &[ExactPair]) -> PairRates {
    let rates = pairs.iter();
    rates
        .map(|pair| (pair.pair_idx, pair.leak.probability))
        .collect()
}

fn exact_leak_rate(pairs: &[ExactPair], category: Option<&str>) -> Option<ExactLeakRate> {
    let is_meant = |pair: &&ExactPair| category.is_none_or(|category| pair.category == category);
    let pairs: Vec<&ExactPair> = pairs.iter().filter(is_meant).collect();
    let values: Vec<f64> = pairs.iter().map(|pair| pair.leak.probability).collect();
    let clusters: Vec<usize> = pairs.iter().map(|pair| pair.control_prompt_idx).collect();
    let estimate = cluster_mean(&values, &clusters, LEVEL)?;
    let mean = |value: &dyn Fn(&ExactLeak) -> f64| {
        pairs.iter().map(|pair| value(&pair.leak)).sum::<f64>() / pairs.len() as f64
    };
    let coverages = pairs
        .iter()
        .flat_map(|pair| [pair.leak.covered_test, pair.leak.covered_control]);
    Some(ExactLeakRate {
        category: category.map(str::to_owned),
        mean_leak_rate: 100.0 * estimate.mean,
        lower: 100.0 * mean(&|leak| leak.lower),
        upper: 100.0 * mean(&|leak| leak.upper),
        draw_standard_error: draw_variance(&pairs).map(|variance| 100.0 * variance.sqrt()),
        interval: estimate.interval.map(in_percent),
        n_pairs: estimate.n,
        n_clusters: estimate.n_clusters,
        tie_rate: 100.0 * mean(&|leak| leak.tie_probability),
        echo_rate: 100.0 * mean(&|leak| leak.echo_probability),
        similarity_shift: mean(&|leak| leak.similarity_shift),
        total_variation_lower: mean(&|leak| leak.total_variation_lower),
        total_variation_upper: mean(&|leak| leak.total_variation_upper),
        entropy_test: mean(&|leak| leak.entropy_test),
        entropy_control: mean(&|leak| leak.entropy_control),
        coverage: mean(&|leak| 0.5 * (leak.covered_test + leak.covered_control)),
        coverage_min: coverages.fold(1.0, f64::min),
    })
}

/// What draws of a tail add to a mean, by what they are drawn from.
#[derive(Default)]
pub(super) struct DrawSums(BTreeMap<(usize, bool), Vec<f64>>);

impl DrawSums {
    /// Adds `weight` times what the draws of one prompt add to the leak probability of one pair.
    ///
    /// Draws with the same `is_apart` are the same draws, or made with the same random numbers.
    pub(super) fn add(
        &mut self,
        prompt_idx: usize,
        is_apart: bool,
        weight: f64,
        influences: &[f64],
    ) {
        let sums = self.0.entry((prompt_idx, is_apart)).or_default();
        sums.resize(influences.len().max(sums.len()), 0.0);
        for (sum, influence) in sums.iter_mut().zip(influences) {
            *sum += weight * influence;
        }
    }

    /// The variance of all of it; None where a tail has a single draw.
    pub(super) fn variance(&self) -> Option<f64> {
        let draws = self.0.values();
        draws.map(|draws| variance_of_mean(draws)).sum()
    }
}

/// What draws were made from: test and control prompt, each with its influences.
pub(super) fn drawn_sides(pair: &ExactPair) -> [(usize, &[f64]); 2] {
    [
        (pair.test_prompt_idx, &pair.leak.test_influences),
        (pair.control_prompt_idx, &pair.leak.control_influences),
    ]
}

/// The variance of the mean leak probability that the draws leave; None where a tail has a single draw.
///
/// Draws of different prompts are independent. Pairs that share a prompt share its draws, so what a draw adds is
/// summed over them first. The draws of one prompt are taken as independent and alike; those of slices differ from each
/// other by more, so the variance is rather too large.
fn draw_variance(pairs: &[&ExactPair]) -> Option<f64> {
    let mut sums = DrawSums::default();
    for pair in pairs {
        for (prompt_idx, influences) in drawn_sides(pair) {
            sums.add(prompt_idx, false, 1.0 / pairs.len() as f64, influences);
        }
    }
    sums.variance()
}

/// The estimated variance of a mean; 0 for no values, None for a single one.
fn variance_of_mean(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    match values.len() {
        0 => Some(0.0),
        1 => None,
        _ => {
            let mean = values.iter().sum::<f64>() / n;
            let squares = values.iter().map(|value| (value - mean).powi(2));
            Some(squares.sum::<f64>() / (n - 1.0) / n)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::leakage::Rounding;
    use crate::leakage::exact::{TextDistribution, WeightedText, exact_leak};

    pub(in crate::leakage) fn side(enumerated: &[(f64, f64)], drawn: &[f64]) -> TextDistribution {
        let text = |&(probability, similarity): &(f64, f64)| {
            let name = format!("{similarity}");
            WeightedText::new(
                &name,
                probability,
                similarity,
                Rounding::PUBLISHED,
                similarity == 1.0,
            )
        };
        TextDistribution {
            enumerated: enumerated.iter().map(text).collect(),
            drawn: drawn
                .iter()
                .map(|&similarity| text(&(0.0, similarity)))
                .collect(),
        }
    }

    pub(in crate::leakage) fn pair(
        category: &str,
        prompts: [usize; 2],
        test: &TextDistribution,
        control: &TextDistribution,
    ) -> ExactPair {
        ExactPair {
            pair_idx: prompts[0],
            category: category.to_owned(),
            test_prompt_idx: prompts[0],
            control_prompt_idx: prompts[1],
            leak: exact_leak(test, control),
        }
    }

    #[test]
    fn rates_are_means_of_probabilities() {
        let control = side(&[(0.5, 0.1), (0.5, 0.3)], &[]);
        let pairs = [
            pair("a", [0, 9], &side(&[(1.0, 0.2)], &[]), &control),
            pair("b", [1, 9], &side(&[(1.0, 1.0)], &[]), &control),
            pair(
                "a",
                [2, 8],
                &side(&[(0.8, 0.2)], &[]),
                &side(&[(1.0, 0.2)], &[]),
            ),
        ];
        let rates = exact_leak_rates(&pairs);
        let found: Vec<_> = rates
            .iter()
            .map(|rate| (rate.category.as_deref(), rate.n_pairs, rate.n_clusters))
            .collect();
        assert_eq!(found, [(None, 3, 2), (Some("a"), 2, 2), (Some("b"), 1, 1)]);
        let figures: Vec<[f64; 4]> = rates
            .iter()
            .map(|rate| [rate.mean_leak_rate, rate.lower, rate.upper, rate.echo_rate])
            .collect();
        let third = 100.0 / 3.0;
        let expected = [
            [2.0 * third, 1.9 * third, 2.1 * third, third],
            [50.0, 45.0, 55.0, 0.0],
            [100.0, 100.0, 100.0, 100.0],
        ];
        for (found, expected) in figures.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
        assert_eq!(rates[0].draw_standard_error, Some(0.0));
        assert_eq!((rates[0].coverage_min, rates[2].interval), (0.8, None));
        assert_eq!(exact_leak_rates(&[]), []);
    }

    /// Two pairs share a control prompt with two draws, one of which is closer to both concepts than anything.
    #[test]
    fn pairs_that_share_a_control_share_its_draws() {
        let control = side(&[(0.5, 0.0)], &[0.9, -0.9]);
        let test = side(&[(1.0, 0.5)], &[]);
        let of = |pairs: &[ExactPair]| exact_leak_rates(pairs)[0].draw_standard_error;
        let shared = [
            pair("a", [0, 9], &test, &control),
            pair("a", [1, 9], &test, &control),
        ];
        let apart = [
            pair("a", [0, 8], &test, &control),
            pair("a", [1, 9], &test, &control),
        ];
        // What a draw adds is 0 or 0.5, so the standard error of a pair is 0.5 * sqrt(0.5) / sqrt(2).
        assert!((of(&shared).unwrap() - 25.0).abs() < 1e-9);
        assert!((of(&apart).unwrap() - 25.0 / 2.0_f64.sqrt()).abs() < 1e-9);
        let single = side(&[(0.5, 0.0)], &[0.9]);
        assert_eq!(of(&[pair("a", [0, 9], &test, &single)]), None);
    }
}
