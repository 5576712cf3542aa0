//! The promises of intervals, tests and plans, tried on made-up experiments.
//!
//! Owns what is tried: [`CHECKS`] has a name for each, and `checked` the finding. Everything is computed as for stored
//! conditions. A new interval or test is a new name there and a new finding here.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::comparison::{Clusters, Comparison, Tests, compare_with_base};
use super::detection::{detectable, difference_components};
use super::estimate::PairEstimate;
use super::figure::Figure;
use super::measure::Measure;
use super::simulation::{Answers, ConceptEffects, Condition, Means, SimulatedDesign, Truth};
use super::specific_rate::mean_of;
use super::trends::{LeakTrend, leak_trends};
use crate::generation::RepeatCounts;
use crate::stats::{
    Draws, Interval, Permutations, SignFlips, VarianceComponents, permutation_p_value,
    slope_weights,
};

/// A promise that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The interval of so many percent of experiments holds the true value; the name of what it is of.
    Covers(&'static str),
    /// In 5 % of experiments a test finds what is not there; its name.
    Rejects(&'static str),
}

/// All that is tried, in the order of findings.
pub const CHECKS: [Check; 18] = [
    Check::Covers("Leak-Rate"),
    Check::Covers("specific leakage"),
    Check::Covers("specificity"),
    Check::Covers("Δ Leak-Rate"),
    Check::Covers("Δ specific leakage"),
    Check::Covers("Δ specificity"),
    Check::Covers("trend of Leak-Rate"),
    Check::Covers("trend of specificity"),
    Check::Rejects("p of specificity"),
    Check::Rejects("p of Δ Leak-Rate"),
    Check::Rejects("p of Δ specific leakage"),
    Check::Rejects("p of Δ specificity"),
    Check::Rejects("any of 3 by Holm"),
    Check::Rejects("p of trend"),
    Check::Rejects("p of straight line"),
    Check::Rejects("p of categories"),
    Check::Rejects("equivalence of Leak-Rate"),
    Check::Rejects("equivalence of specificity"),
];

/// The findings on one design.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptPromises {
    /// By check, the share of experiments; None where the design has no such thing.
    pub shares: Vec<Option<f64>>,
    /// The mean Leak-Rate where no text depends on the concept in its prompt, in percent.
    pub null_leak_rate: f64,
    /// The mean specificity there.
    pub null_specificity: f64,
}

/// The truth of a promise to find a difference with a power of 80 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanPromise {
    /// The mean of the differences that plans promised to find, in points.
    pub points: f64,
    /// The share of experiments that found the difference their plan promised to find.
    pub power: f64,
}

/// Sign flips of a p-value: for a decision at 5 % the error of so few is no bias.
const FLIPS: u32 = 999;
/// Random permutations of a p-value: with 1 more a multiple of 20, so that a test at 5 % is exact.
const N_PERMUTATIONS: u32 = 199;
/// Bits per weight of the base and of the others.
const BITS: [f64; 4] = [8.5, 4.8, 3.9, 2.6];
/// The Leak-Rate and the specificity of the base.
const BASE: [f64; 2] = [0.55, 0.53];
/// Those of the condition that differs.
const OTHER: [f64; 2] = [0.60, 0.57];
/// The Leak-Rate where nothing depends on the concept.
const NULL: f64 = 0.58;
/// Experiments made with the same draws.
const N_IN_PART: u32 = 100;
/// The largest difference that is tried: probabilities end at 1.
const DIFFERENCE_MAX: f64 = 0.3;
/// The measures that are tried.
const MEASURES: [Measure; 3] = [
    Measure::LeakRate,
    Measure::SpecificLeakage,
    Measure::Specificity,
];

/// The sums over experiments.
#[derive(Default, Clone)]
struct Sums {
    /// By check, experiments that have it and those that found it.
    found: [[u32; 2]; CHECKS.len()],
    null: [f64; 2],
    n: f64,
}

/// The findings in one experiment: by check, and the means where nothing depends on the concept.
type Found = ([Option<bool>; CHECKS.len()], [f64; 2]);

/// The shares among `n_simulations` experiments, each with four conditions of which the last differs, and one in which
/// nothing depends on the concept; of each treatment one: true where concepts are crossed with templates, else fixed.
pub fn kept_promises(
    design: &SimulatedDesign,
    treatments: &[bool],
    n_simulations: u32,
    seed: u64,
) -> Vec<KeptPromises> {
    let n_parts = n_simulations.div_ceil(N_IN_PART);
    let parts = (0..n_parts).into_par_iter().map(|part| {
        let mut draws = Draws::new(seed.wrapping_mul(1_000_003).wrapping_add(part.into()));
        let n = N_IN_PART.min(n_simulations - part * N_IN_PART);
        let mut sums = vec![Sums::default(); treatments.len()];
        for _ in 0..n {
            let found = checked(design, treatments, &mut draws);
            for (sums, found) in sums.iter_mut().zip(found) {
                sums.add(found);
            }
        }
        sums
    });
    let parts: Vec<Vec<Sums>> = parts.collect();
    let of_treatment = |it: usize| kept(parts.iter().map(|part| &part[it]).collect());
    (0..treatments.len()).map(of_treatment).collect()
}

fn kept(parts: Vec<&Sums>) -> KeptPromises {
    let n_simulations: f64 = parts.iter().map(|it| it.n).sum();
    let count = |check: usize, of: usize| parts.iter().map(|it| it.found[check][of]).sum::<u32>();
    let share = |check: usize| {
        let n = count(check, 0);
        (n > 0).then(|| f64::from(count(check, 1)) / f64::from(n))
    };
    let null = |of: usize| parts.iter().map(|it| it.null[of]).sum::<f64>() / n_simulations;
    KeptPromises {
        shares: (0..CHECKS.len()).map(share).collect(),
        null_leak_rate: null(0),
        null_specificity: null(1),
    }
}

impl Sums {
    fn add(&mut self, (found, null): Found) {
        self.n += 1.0;
        for (sums, found) in self.found.iter_mut().zip(found) {
            if let Some(found) = found {
                *sums = [sums[0] + 1, sums[1] + u32::from(found)];
            }
        }
        self.null = [self.null[0] + null[0], self.null[1] + null[1]];
    }
}

/// The findings in one experiment by each treatment.
fn checked(design: &SimulatedDesign, treatments: &[bool], draws: &mut Draws) -> Vec<Found> {
    let [base, other] = [BASE, OTHER].map(|[leak_rate, it]| SimulatedDesign::means(leak_rate, it));
    let common = design.common(draws);
    let conditions = [base, base, base, other].map(|it| design.condition(&common, it, draws));
    let is_crossed = treatments.contains(&true);
    let mut answer = |it| design.answers(it, true, is_crossed, draws).pairs;
    let answers = conditions.each_ref().map(&mut answer);
    let truths = conditions.each_ref().map(|it| design.truth(it));
    let (p_value, null) = null_findings(design, draws);
    let seed = draws.next_word();
    let found = treatments.iter().map(|&are_crossed| {
        let mut answers = answers.clone();
        if !are_crossed {
            let pairs = answers.iter_mut().flatten();
            pairs.for_each(|pair| pair.crossed = None);
        }
        // Permutations take concepts as they are.
        let p_value = p_value.filter(|_| !are_crossed);
        (found(design, &answers, &truths, p_value, seed), null)
    });
    found.collect()
}

/// The findings from the estimates of four conditions, and whether the test by permutation rejects.
fn found(
    design: &SimulatedDesign,
    answers: &[Vec<PairEstimate>; 4],
    truths: &[Truth; 4],
    p_value: Option<bool>,
    seed: u64,
) -> [Option<bool>; CHECKS.len()] {
    let (clusters, tests) = (clusters(&answers[0]), without_margin(seed));
    let [base, others @ ..] = answers;
    let others = others.each_ref().map(Vec::as_slice);
    let change = |measure: Measure| truths[3].by(measure) - truths[0].by(measure);
    let by = |measure| {
        // Of a difference as large as the margin.
        let margin = Some(100.0 * change(measure).abs());
        let tests = Tests { margin, ..tests };
        compare_with_base(base, &others, measure, &clusters, tests)
    };
    let [leak_rate, leakage, specificity] = MEASURES.map(by);
    // Of these very concepts two conditions without a difference do differ.
    let is_null = design.concepts != ConceptEffects::OfThese;
    let rejects = |found: &Option<Comparison>| {
        let found = found.as_ref().filter(|_| is_null)?;
        Some(found.p_value.value <= 0.05)
    };
    let level = |measure| {
        let figure = mean(base, measure)?;
        holds(figure.interval, 100.0 * truths[0].by(measure))
    };
    let difference = |measure: Measure, found: &[Option<Comparison>]| {
        holds(found[2].as_ref()?.interval, 100.0 * change(measure))
    };
    let trend = |measure| {
        let found = trend(answers, measure, &clusters, tests.flips)?;
        let weights = slope_weights(&BITS).into_iter().zip(truths);
        let truth = weights.map(|(weight, truth)| weight * truth.by(measure));
        holds(found.interval, 100.0 * truth.sum::<f64>())
    };
    let flat = self::trend(&answers[..3], Measure::Specificity, &clusters, tests.flips);
    let flat = flat.filter(|_| is_null);
    let is_equivalent = |found: &[Option<Comparison>]| {
        let found = found[2].as_ref()?.equivalence?;
        Some(found.p_value <= 0.05)
    };
    let categories = differs_by_category(base, others[0], &clusters, tests);
    let any = specificity[..2].iter().flatten();
    let any = any.map(|it| it.holm_p_value <= 0.05).reduce(|a, b| a || b);
    [
        level(Measure::LeakRate),
        level(Measure::SpecificLeakage),
        level(Measure::Specificity),
        difference(Measure::LeakRate, &leak_rate),
        difference(Measure::SpecificLeakage, &leakage),
        difference(Measure::Specificity, &specificity),
        trend(Measure::LeakRate),
        trend(Measure::Specificity),
        p_value,
        rejects(&leak_rate[0]),
        rejects(&leakage[0]),
        rejects(&specificity[0]),
        any.filter(|_| is_null),
        flat.as_ref().map(|it| it.p_value.value <= 0.05),
        flat.as_ref().map(|it| it.lack_of_fit_p_value <= 0.05),
        categories.filter(|_| is_null),
        is_equivalent(&leak_rate),
        is_equivalent(&specificity),
    ]
}

/// The test by permutation and the means where nothing depends on the concept.
fn null_findings(design: &SimulatedDesign, draws: &mut Draws) -> (Option<bool>, [f64; 2]) {
    let slot = SimulatedDesign::means(NULL, 0.5).slot;
    let condition = design.null(slot, draws);
    let Answers { pairs, tables } = design.answers(&condition, true, false, draws);
    let tables: Vec<&[Vec<f64>]> = tables.iter().map(Vec::as_slice).collect();
    let permutations = Permutations {
        seed: draws.next_word(),
        n_draws: N_PERMUTATIONS,
    };
    let p_value = permutation_p_value(&tables, permutations);
    // A share of 10 in 200, told from 11 in 200.
    let is_rejected = p_value.map(|p_value| p_value.value < 0.0525);
    let of = |measure| mean(&pairs, measure).map_or(0.0, |figure| figure.value);
    (
        is_rejected,
        [Measure::LeakRate, Measure::Specificity].map(of),
    )
}

fn trend(
    answers: &[Vec<PairEstimate>],
    measure: Measure,
    clusters: &Clusters,
    flips: SignFlips,
) -> Option<LeakTrend> {
    let conditions = BITS.iter().zip(answers);
    let conditions = conditions.map(|(bits, pairs)| (*bits, pairs.as_slice()));
    leak_trends(&[conditions.collect()], measure, clusters, flips).swap_remove(0)
}

/// The test that the difference of specificity does not depend on the category, which takes concepts as they are; None
/// where they are crossed.
fn differs_by_category(
    base: &[PairEstimate],
    other: &[PairEstimate],
    clusters: &Clusters,
    tests: Tests,
) -> Option<bool> {
    if base.iter().any(|pair| pair.crossed.is_some()) {
        return None;
    }
    let tests = Tests {
        categories: Some(Permutations {
            seed: tests.flips.seed,
            n_draws: N_PERMUTATIONS,
        }),
        ..tests
    };
    let found = compare_with_base(base, &[other], Measure::Specificity, clusters, tests);
    let test = found.first()?.as_ref()?.by_category.as_ref()?.test?;
    // A share of 10 in 200, told from 11 in 200.
    Some(test.found.p_value.value < 0.0525)
}

/// The mean of a measure over the pairs that have it.
fn mean(pairs: &[PairEstimate], measure: Measure) -> Option<Figure> {
    let has_it = |pair: &&PairEstimate| measure.value(pair).is_some();
    let pairs: Vec<&PairEstimate> = pairs.iter().filter(has_it).collect();
    let clusters: Vec<usize> = pairs.iter().map(|pair| pair.control_prompt_idx).collect();
    mean_of(&pairs, &clusters, measure)
}

fn clusters(pairs: &[PairEstimate]) -> Clusters {
    let clusters = pairs.iter();
    let clusters = clusters.map(|pair| (pair.pair_idx, pair.control_prompt_idx));
    clusters.collect()
}

/// The tests of a p-value, without a margin and without categories.
fn without_margin(seed: u64) -> Tests {
    Tests {
        flips: SignFlips {
            seed,
            n_draws: FLIPS,
        },
        margin: None,
        categories: None,
    }
}

fn holds(interval: Option<Interval>, truth: f64) -> Option<bool> {
    let interval = interval?;
    Some(interval.lower <= truth && truth <= interval.upper)
}

impl Truth {
    fn by(&self, measure: Measure) -> f64 {
        match measure {
            Measure::LeakRate => self.leak_rate,
            Measure::SpecificLeakage => self.specific_leakage,
            _ => self.specificity,
        }
    }
}

/// The components of the differences between two conditions of a design with as many test as control repeats, in the
/// place of concepts the covariance of pairs that share only these: the means over `n_simulations` experiments.
pub fn simulated_components(
    design: &SimulatedDesign,
    measure: Measure,
    n_simulations: u32,
    seed: u64,
) -> (VarianceComponents, f64) {
    let found = (0..n_simulations).into_par_iter().map(|simulation| {
        let mut draws = Draws::new(seed.wrapping_mul(1_000_003).wrapping_add(simulation.into()));
        let [base, other] = pair_of_conditions(design, [base_means(); 2], false, &mut draws);
        let found = difference_components(&base, &other, measure);
        let found = found.expect("a design has several clusters");
        let of_concepts = concept_component(design, &base, &other, measure);
        [
            found.cluster,
            found.cluster_repeat,
            found.prompt,
            found.prompt_control,
            found.residual,
            found.interaction,
            of_concepts,
        ]
    });
    let found: Vec<[f64; 7]> = found.collect();
    // Squared points are ten thousandths.
    let mean = |of: usize| {
        found.iter().map(|it| it[of]).sum::<f64>() / f64::from(n_simulations) / 10_000.0
    };
    let components = VarianceComponents {
        cluster: mean(0),
        cluster_repeat: mean(1),
        prompt: mean(2),
        prompt_control: mean(3),
        residual: mean(4),
        interaction: mean(5),
    };
    (components, mean(6))
}

/// The mean product of the differences, whose true mean is 0, of two pairs of the same concept in different templates.
fn concept_component(
    design: &SimulatedDesign,
    base: &[PairEstimate],
    other: &[PairEstimate],
    measure: Measure,
) -> f64 {
    let value = |of: &PairEstimate| 100.0 * measure.value(of).unwrap_or(0.0);
    let differences: Vec<f64> = other
        .iter()
        .zip(base)
        .map(|(a, b)| value(a) - value(b))
        .collect();
    let n_rows = differences.len() / design.templates.iter().map(Vec::len).sum::<usize>();
    let of_pairs = differences.chunks(n_rows);
    let of_pairs = of_pairs.map(|rows| rows.iter().sum::<f64>() / n_rows as f64);
    let mut sums = BTreeMap::<usize, [f64; 3]>::new();
    for (concept, value) in design.templates.iter().flatten().zip(of_pairs) {
        let [sum, squares, n] = sums.entry(*concept).or_default();
        *sum += value;
        *squares += value * value;
        *n += 1.0;
    }
    let products = sums.values().map(|[sum, squares, _]| sum * sum - squares);
    let n = sums.values().map(|[_, _, n]| n * (n - 1.0));
    products.sum::<f64>() / n.sum::<f64>()
}

fn base_means() -> Means {
    SimulatedDesign::means(BASE[0], BASE[1])
}

/// The estimates under two conditions.
fn pair_of_conditions(
    design: &SimulatedDesign,
    means: [Means; 2],
    are_averaged: bool,
    draws: &mut Draws,
) -> [Vec<PairEstimate>; 2] {
    let common = design.common(draws);
    let conditions: [Condition; 2] = means.map(|it| design.condition(&common, it, draws));
    conditions.map(|it| design.answers(&it, are_averaged, false, draws).pairs)
}

/// The power that plans of one comparison come to, each from stored data of the design `stored`, and each tried on
/// `n_simulations` experiments of `planned`; of concepts that are alike, and as many test as control repeats.
///
/// None where a plan promised nothing, or a difference too large to be tried.
pub fn plan_promise(
    stored: &SimulatedDesign,
    planned: &SimulatedDesign,
    measure: Measure,
    [n_plans, n_simulations]: [u32; 2],
    seed: u64,
) -> Option<PlanPromise> {
    let sizes: Vec<usize> = planned.templates.iter().map(Vec::len).collect();
    let n_repeats = planned.n_repeats.unwrap_or(RepeatCounts::equal(1)).into();
    let plans = (0..n_plans).into_par_iter().map(|plan| {
        let mut draws = Draws::new(seed.wrapping_mul(1_000_003).wrapping_add(plan.into()));
        let [base, other] = pair_of_conditions(stored, [base_means(); 2], false, &mut draws);
        let components = difference_components(&base, &other, measure)?;
        let points = detectable(&components, &sizes, n_repeats, 1).points?;
        let means = [base_means(), differing(measure, points / 100.0)?];
        let found = (0..n_simulations).map(|_| {
            let [base, other] = pair_of_conditions(planned, means, true, &mut draws);
            let tests = without_margin(draws.next_word());
            let clusters = clusters(&base);
            let found = compare_with_base(&base, &[&other], measure, &clusters, tests);
            let found = found.first().and_then(Option::as_ref);
            f64::from(u8::from(found.is_some_and(|it| it.p_value.value <= 0.05)))
        });
        Some([points, found.sum::<f64>() / f64::from(n_simulations)])
    });
    let plans: Option<Vec<[f64; 2]>> = plans.collect();
    let plans = plans?;
    let mean = |of: usize| plans.iter().map(|it| it[of]).sum::<f64>() / plans.len() as f64;
    Some(PlanPromise {
        points: mean(0),
        power: mean(1),
    })
}

/// The means of a condition whose true difference from the base is this one, 0 to 1; None where it is too large.
fn differing(measure: Measure, difference: f64) -> Option<Means> {
    let [leak_rate, specificity] = BASE;
    let base = base_means();
    (difference <= DIFFERENCE_MAX).then(|| match measure {
        Measure::Specificity => Means {
            own: SimulatedDesign::means(leak_rate, specificity + difference).own,
            ..base
        },
        // More of the own concept alone is no more placebo.
        Measure::SpecificLeakage => {
            let more = SimulatedDesign::means(leak_rate + difference, specificity);
            Means {
                own: base.own + more.slot - base.slot,
                ..base
            }
        }
        _ => SimulatedDesign::means(leak_rate + difference, specificity),
    })
}

#[cfg(test)]
mod tests;
