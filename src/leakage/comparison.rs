//! Conditions against a base: the same prompts, other models or quantizations.
//!
//! Owns which rates are compared: one number for each prompt pair, over pairs that both conditions
//! have. Where it comes from does not matter here; of repeats it is their mean ([`pair_rates`]). What
//! clusters prompts, the caller says; how sure a difference is, `stats` says; what is certain of it,
//! `bounds`. Everything returned is in percent and percentage points.

use std::collections::BTreeMap;

use itertools::Itertools as _;
use rayon::prelude::*;

use super::bounds::Bounds;
use super::crossing::crossing;
use super::estimate::{PairEstimate, ScoredPair, in_both};
use super::figure::LEVEL;
use super::leak::Leak;
use super::leak_rate::in_percent;
use super::measure::Measure;
use crate::stats::{
    Agreement, Clustering, Heterogeneity, Interval, PValue, Permutations, SignFlips, agreement,
    cluster_mean, equivalence, heterogeneity, holm, paired_difference,
};

/// The cluster of each pair, by the pair's place in the experiment.
pub type Clusters = BTreeMap<usize, usize>;

/// A measure of each pair under one condition, as [`Measure::value`] gives it, by the pair's place in the experiment: the mean over
/// its repeats, or of probabilities.
pub type PairRates = BTreeMap<usize, f64>;

/// The Mean Leak-Rate of one condition, over prompts whose repeats are averaged.
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionRate {
    /// 100 times the mean of the prompts' means, in percent; 50 where the word in the slot changes nothing.
    pub mean_leak_rate: f64,
    /// Its 95 % interval in percent, cut to 0 to 100; None with a single cluster.
    pub interval: Option<Interval>,
    /// Number of prompt pairs, at least 1.
    pub n_prompts: usize,
    /// Number of clusters.
    pub n_clusters: usize,
}

/// The difference of a measure between a condition and its base: of the Mean Leak-Rate, or of another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The base's mean over the common prompts, in percent or points.
    pub base_rate: f64,
    /// The other condition's.
    pub other_rate: f64,
    /// `other_rate - base_rate`, in percentage points.
    pub difference: f64,
    /// Its cluster-robust standard error in points; None with a single cluster.
    pub standard_error: Option<f64>,
    /// Its 95 % interval in points, cut to what differences can be; None with a single cluster.
    pub interval: Option<Interval>,
    /// The interval for the case that all prompts are independent; None with a single prompt.
    pub naive_interval: Option<Interval>,
    /// The variance by the one it would have if all prompts were independent; None where that is 0 or unknown.
    pub design_effect: Option<f64>,
    /// How likely a difference at least as large is without any true one.
    pub p_value: PValue,
    /// The same after Holm's correction over all comparisons with this base, above 0 up to 1.
    pub holm_p_value: f64,
    /// Prompt pairs that both conditions have, at least 1.
    pub n_prompts: usize,
    /// Clusters of these.
    pub n_clusters: usize,
    /// Prompt pairs that only the base has; they are left out.
    pub n_base_only: usize,
    /// Prompt pairs that only the other condition has; they are left out.
    pub n_other_only: usize,
    /// The certain bounds of `difference`; None where it is one of repeats.
    pub bounds: Option<Bounds>,
    /// The test that it lies within a margin; None without a margin or with a single cluster.
    pub equivalence: Option<MarginTest>,
    /// The difference in each category; None where the pairs are of one, and of figures that are not asked for.
    pub by_category: Option<ByCategory>,
}

/// A difference in each category of the pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct ByCategory {
    /// Each category with the difference over its pairs, in the order in which they first appear; at least two.
    pub differences: Vec<(String, Comparison)>,
    /// The test that the difference does not depend on it; None where fewer than two categories have two clusters.
    pub test: Option<CategoryTest>,
}

/// The test that a difference does not depend on the category.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CategoryTest {
    /// The statistic and its p-value.
    pub found: Heterogeneity,
    /// The p-value after Holm's correction over all comparisons with this base.
    pub holm_p_value: f64,
    /// True if intervals speak of other concepts too, which this test does not: it takes concepts as they are.
    pub is_for_these_concepts: bool,
}

/// The two one-sided tests that a difference is small.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarginTest {
    /// The largest difference that counts as none, in points.
    pub margin: f64,
    /// The 90 % interval of the difference in points, cut to what differences can be.
    pub interval: Interval,
    /// How likely an interval as narrow and as near to 0 is if the difference is as large as the margin, at most.
    pub p_value: f64,
    /// The same after Holm's correction over all comparisons with this base.
    pub holm_p_value: f64,
}

/// The tests of a difference.
#[derive(Debug, Clone, Copy)]
pub struct Tests {
    /// The sign flips of its p-value.
    pub flips: SignFlips,
    /// The margin of equivalence in points, above 0; None tests none.
    pub margin: Option<f64>,
    /// The random assignments of clusters to categories; None compares no categories.
    pub categories: Option<Permutations>,
}

/// The measure of each pair that has one, over its repeats.
pub fn pair_rates(pairs: &[PairEstimate], measure: Measure) -> PairRates {
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for pair in pairs {
        if let Some(value) = measure.value(pair) {
            let (sum, n) = sums.entry(pair.pair_idx).or_default();
            *sum += value;
            *n += 1.0;
        }
    }
    let means = sums.into_iter().map(|(pair, (sum, n))| (pair, sum / n));
    means.collect()
}

/// The Mean Leak-Rate of one condition; None without pairs.
pub fn condition_rate(pairs: &[PairEstimate], clusters: &Clusters) -> Option<ConditionRate> {
    let rates = pair_rates(pairs, Measure::LeakRate);
    let values: Vec<f64> = rates.values().copied().collect();
    let clusters = clusters_of(rates.keys(), clusters);
    let conditions = [(1.0, pairs.iter())];
    let crossing = crossing(rates.keys().copied(), &conditions, Measure::LeakRate);
    let clustering = Clustering::crossed(&clusters, crossing.as_ref());
    let estimate = cluster_mean(&values, clustering, LEVEL)?;
    Some(ConditionRate {
        mean_leak_rate: 100.0 * estimate.mean,
        interval: estimate.interval.map(in_percent),
        n_prompts: estimate.n,
        n_clusters: estimate.n_clusters,
    })
}

/// Each of `others` against `base` by one measure, in order; None where no pair has it under both.
///
/// Holm's correction is over the others.
pub fn compare_with_base(
    base: &[PairEstimate],
    others: &[&[PairEstimate]],
    measure: Measure,
    clusters: &Clusters,
    tests: Tests,
) -> Vec<Option<Comparison>> {
    let compared = others
        .iter()
        .map(|other| compare(base, other, measure, clusters, tests));
    let mut compared: Vec<Option<Comparison>> = compared.collect();
    let found = compared.iter_mut().flatten();
    correct(found.map(|it| (it.p_value.value, &mut it.holm_p_value)));
    let within = compared.iter_mut().flatten();
    let within = within.filter_map(|it| it.equivalence.as_mut());
    correct(within.map(|it| (it.p_value, &mut it.holm_p_value)));
    let by_category = compared.iter_mut().flatten();
    let by_category = by_category.filter_map(|it| it.by_category.as_mut()?.test.as_mut());
    correct(by_category.map(|it| (it.found.p_value.value, &mut it.holm_p_value)));
    compared
}

/// Puts p-values, corrected for all of them, where they belong.
pub(super) fn correct<'c>(p_values: impl Iterator<Item = (f64, &'c mut f64)>) {
    let (p_values, places): (Vec<f64>, Vec<&mut f64>) = p_values.unzip();
    for (place, corrected) in places.into_iter().zip(holm(&p_values)) {
        *place = corrected;
    }
}

/// A condition against its base, by each measure.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MeasuredComparisons {
    /// By the leak rate; None where no pair is common.
    pub leak_rate: Option<Comparison>,
    /// By the comparisons with other concepts; None where no common pair has siblings.
    pub specific: Option<SpecificComparison>,
}

/// The differences of the comparisons with other concepts.
#[derive(Debug, Clone, PartialEq)]
pub struct SpecificComparison {
    /// In the order of [`Measure::COMPARED`].
    differences: Vec<Comparison>,
}

impl SpecificComparison {
    /// The difference of a measure, which must be one of [`Measure::COMPARED`].
    pub fn by(&self, measure: Measure) -> &Comparison {
        let place = Measure::COMPARED.iter().position(|it| *it == measure);
        &self.differences[place.expect("callers ask for a measure that is compared")]
    }

    /// Each measure with its difference.
    pub fn all(&self) -> impl Iterator<Item = (Measure, &Comparison)> {
        Measure::COMPARED.into_iter().zip(&self.differences)
    }

    /// Differences in the order of [`Measure::COMPARED`], for tests of what is shown.
    #[cfg(test)]
    pub(crate) fn made_up(differences: Vec<Comparison>) -> Self {
        Self { differences }
    }
}

/// Each of `others` against `base` by the leak rate and by each measure of [`Measure::COMPARED`], in order.
pub fn compare_measures(
    base: &[PairEstimate],
    others: &[&[PairEstimate]],
    clusters: &Clusters,
    tests: Tests,
) -> Vec<MeasuredComparisons> {
    let by = |measure: Measure| compare_with_base(base, others, measure, clusters, tests);
    let leak_rates = by(Measure::LeakRate);
    let by_measure: Vec<Vec<Option<Comparison>>> =
        Measure::COMPARED.into_par_iter().map(by).collect();
    let compared = leak_rates.into_iter().enumerate();
    compared
        .map(|(place, leak_rate)| {
            let differences = by_measure.iter().map(|found| found[place].clone());
            let differences: Option<Vec<Comparison>> = differences.collect();
            MeasuredComparisons {
                leak_rate,
                specific: differences.map(|differences| SpecificComparison { differences }),
            }
        })
        .collect()
}

/// One comparison, not yet corrected.
fn compare(
    base_estimates: &[PairEstimate],
    other_estimates: &[PairEstimate],
    measure: Measure,
    clusters: &Clusters,
    tests: Tests,
) -> Option<Comparison> {
    let (prompts, rates) = common_pairs(&[base_estimates, other_estimates], measure);
    let both = Both {
        rates: [&rates[0], &rates[1]],
        estimates: [base_estimates, other_estimates],
        measure,
        clusters,
        tests,
    };
    let found = both.over(&prompts)?;
    let is_asked = measure.has_margin();
    let by_category = tests
        .categories
        .filter(|_| is_asked)
        .and_then(|permutations| {
            let categories = base_estimates.iter();
            let categories = categories.map(|pair| (pair.pair_idx, pair.category.as_str()));
            both.by_category(&prompts, &categories.collect(), permutations)
        });
    let bounds = || {
        let both = in_both(base_estimates, other_estimates, PairEstimate::key);
        Bounds::of_difference(&both)
    };
    Some(Comparison {
        n_base_only: rates[0].len() - found.n_prompts,
        n_other_only: rates[1].len() - found.n_prompts,
        bounds: (measure == Measure::LeakRate).then(bounds).flatten(),
        by_category,
        ..found
    })
}

/// A measure of pairs under the base and under another condition.
struct Both<'a> {
    rates: [&'a PairRates; 2],
    estimates: [&'a [PairEstimate]; 2],
    measure: Measure,
    clusters: &'a Clusters,
    tests: Tests,
}

impl Both<'_> {
    /// The difference over these pairs, which both have; None without pairs.
    fn over(&self, prompts: &[usize]) -> Option<Comparison> {
        let [base, other] = self.rates.map(|rates| values_of(rates, prompts));
        let (lower, upper) = self.measure.range();
        let width = upper - lower;
        let [base_parts, other_parts] = [&base, &other].map(|values| parts(values, lower, width));
        let clusters = clusters_of(prompts.iter(), self.clusters);
        let [base_pairs, other_pairs] = self.estimates.map(<[PairEstimate]>::iter);
        let conditions = [(-1.0 / width, base_pairs), (1.0 / width, other_pairs)];
        let crossing = crossing(prompts.iter().copied(), &conditions, self.measure);
        let found = paired_difference(
            &base_parts,
            &other_parts,
            Clustering::crossed(&clusters, crossing.as_ref()),
            LEVEL,
            self.tests.flips,
        )?;
        let rate = |values: &[f64]| 100.0 * values.iter().sum::<f64>() / values.len() as f64;
        let in_points = |interval: Interval| Interval {
            lower: width * (100.0 * interval.lower).clamp(-100.0, 100.0),
            upper: width * (100.0 * interval.upper).clamp(-100.0, 100.0),
        };
        let margin = self.tests.margin.filter(|_| self.measure.has_margin());
        Some(Comparison {
            base_rate: rate(&base),
            other_rate: rate(&other),
            difference: 100.0 * width * found.difference,
            standard_error: found.standard_error.map(|error| 100.0 * width * error),
            interval: found.interval.map(in_points),
            naive_interval: found.naive_interval.map(in_points),
            design_effect: found.design_effect,
            p_value: found.p_value,
            holm_p_value: found.p_value.value,
            n_prompts: found.n,
            n_clusters: found.n_clusters,
            n_base_only: 0,
            n_other_only: 0,
            bounds: None,
            equivalence: margin.and_then(|margin| {
                let found = equivalence(&found, margin / (100.0 * width))?;
                Some(MarginTest {
                    margin,
                    interval: in_points(found.interval),
                    p_value: found.p_value,
                    holm_p_value: found.p_value,
                })
            }),
            by_category: None,
        })
    }

    /// The differences over the pairs of each category; None where all are of one.
    fn by_category(
        &self,
        prompts: &[usize],
        categories: &BTreeMap<usize, &str>,
        permutations: Permutations,
    ) -> Option<ByCategory> {
        let of_prompts: Vec<&str> = prompts.iter().map(|prompt| categories[prompt]).collect();
        let names: Vec<&str> = of_prompts.iter().copied().unique().collect();
        if names.len() < 2 {
            return None;
        }
        let numbers = of_prompts.iter().map(|category| {
            let place = names.iter().position(|name| name == category);
            place.expect("each category is among those that appear")
        });
        let numbers: Vec<usize> = numbers.collect();
        let [base, other] = self.rates.map(|rates| values_of(rates, prompts));
        let changes: Vec<f64> = base.iter().zip(&other).map(|(b, o)| o - b).collect();
        let clusters = clusters_of(prompts.iter(), self.clusters);
        let found = heterogeneity(&changes, &clusters, &numbers, permutations);
        let differences = names.iter().filter_map(|name| {
            let both = prompts.iter().zip(&of_prompts);
            let meant = both.filter(|(_, it)| *it == name);
            let meant: Vec<usize> = meant.map(|(prompt, _)| *prompt).collect();
            Some(((*name).to_owned(), self.over(&meant)?))
        });
        Some(ByCategory {
            differences: differences.collect(),
            test: found.map(|found| CategoryTest {
                found,
                holm_p_value: found.p_value.value,
                is_for_these_concepts: self.estimates[0].iter().all(|it| it.crossed.is_some()),
            }),
        })
    }
}

/// The number of siblings of each pair that has some.
fn siblings(pairs: &[PairEstimate]) -> BTreeMap<usize, usize> {
    let with_siblings = pairs.iter().filter_map(|pair| {
        let siblings = pair.specific?.siblings?;
        Some((pair.pair_idx, siblings.n_siblings))
    });
    with_siblings.collect()
}

/// Values as parts of their range, 0 to 1.
pub(super) fn parts(values: &[f64], lower: f64, width: f64) -> Vec<f64> {
    let parts = values.iter().map(|value| (value - lower) / width);
    parts.map(|part| part.clamp(0.0, 1.0)).collect()
}

/// How far two metrics give the same verdicts on the same generations; None where they share none.
pub fn metric_agreement(a: &[ScoredPair], b: &[ScoredPair]) -> Option<Agreement> {
    let both = in_both(a, b, ScoredPair::key).into_iter();
    let both = both.map(|(a, b)| (a.leak, b.leak));
    let (a, b): (Vec<Leak>, Vec<Leak>) = both.unzip();
    agreement(&a, &b)
}

/// The pairs that have a measure under all conditions, in order, and the measure of all pairs of each.
///
/// With other siblings the same generations have other figures: pairs are common by these only where they have as many.
pub(super) fn common_pairs(
    conditions: &[&[PairEstimate]],
    measure: Measure,
) -> (Vec<usize>, Vec<PairRates>) {
    let rates = conditions.iter().map(|pairs| pair_rates(pairs, measure));
    let rates: Vec<PairRates> = rates.collect();
    let Some((first, rest)) = rates.split_first() else {
        return (Vec::new(), rates);
    };
    let is_common = |pair: &&usize| rest.iter().all(|rates| rates.contains_key(pair));
    let mut prompts: Vec<usize> = first.keys().filter(is_common).copied().collect();
    if measure != Measure::LeakRate {
        let of: Vec<BTreeMap<usize, usize>> = conditions.iter().map(|it| siblings(it)).collect();
        prompts.retain(|pair| of.iter().all(|it| it.get(pair) == of[0].get(pair)));
    }
    (prompts, rates)
}

pub(super) fn values_of(rates: &PairRates, pairs: &[usize]) -> Vec<f64> {
    pairs.iter().map(|pair| rates[pair]).collect()
}

pub(super) fn clusters_of<'a>(
    prompts: impl Iterator<Item = &'a usize>,
    clusters: &Clusters,
) -> Vec<usize> {
    prompts.map(|prompt| clusters[prompt]).collect()
}

#[cfg(test)]
pub(super) mod tests;
