//! Experiments whose true difference is known, to see what intervals, p-values and plans are worth.
//!
//! Owns the made-up experiments and the shares that come out. In them a prompt leaks with a probability
//! around one half that has parts of its own for the cluster, the prompt and each repeat's control
//! generation; the second condition adds the true difference and parts of its own for the same three.
//! A verdict is a leak, no leak or, in a given share, a tie. Probabilities stay within 0 to 1, so that
//! the difference is exactly the one asked for.

use super::components::{Observation, VarianceComponents, variance_components};
use super::draws::Draws;
use super::paired::paired_difference;
use super::power::detectable_difference;
use super::sign_flip::SignFlips;

/// The coverage of intervals, and 1 less the level of tests.
const LEVEL: f64 = 0.95;
/// The power of which a plan speaks.
const POWER: f64 = 0.8;
/// Sign flips of a p-value: for a decision at 5 % the error of so few is no bias.
const N_DRAWS: u32 = 999;
/// The largest sum of all parts of a probability but the difference.
const PARTS_MAX: f64 = 0.37;
/// The largest true difference, so that probabilities stay within 0 to 1.
pub const DIFFERENCE_MAX: f64 = 0.5 - PARTS_MAX;

/// A made-up experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedDesign {
    /// Prompts of each cluster, each at least 1.
    pub cluster_sizes: Vec<usize>,
    /// Repeats of each prompt, at least 1.
    pub n_repeats: u32,
    /// The share of verdicts that are ties, 0 to 1.
    pub tie_share: f64,
    /// How far a cluster's own response to the second condition reaches to either side, 0 to 0.12.
    pub cluster_response: f64,
}

/// The results of many experiments with the same true difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulatedShares {
    /// The true difference.
    pub difference: f64,
    /// Number of experiments.
    pub n_simulations: u32,
    /// The share whose 95 % interval holds the true difference.
    pub coverage: f64,
    /// The share whose interval does that takes prompts for independent.
    pub naive_coverage: f64,
    /// The share with a p-value up to 5 %.
    pub rejected: f64,
    /// The share whose interval leaves out zero.
    pub interval_excludes_zero: f64,
}

/// The truth of a promise to find a difference with a power of 80 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulatedPower {
    /// The mean of the differences that plans promised to find.
    pub promised_difference: f64,
    /// The share of experiments that found the difference their plan promised to find.
    pub power: f64,
    /// Number of plans, each from stored data of its own.
    pub n_plans: u32,
    /// Number of experiments.
    pub n_simulations: u32,
}

/// One experiment: observations of the base and of the other condition, in the same order.
struct Experiment {
    base: Vec<Observation>,
    other: Vec<Observation>,
}

/// The shares among `n_simulations` experiments with this true difference, at most [`DIFFERENCE_MAX`] to either side.
pub fn simulated_shares(
    design: &SimulatedDesign,
    difference: f64,
    n_simulations: u32,
    seed: u64,
) -> SimulatedShares {
    let mut draws = Draws::new(seed);
    let mut counts = [0u32; 4];
    for _ in 0..n_simulations {
        let experiment = experiment(design, difference, &mut draws);
        let found = analysed(&experiment, draws.next_word());
        for (count, holds) in counts.iter_mut().zip(found.holds(difference)) {
            *count += u32::from(holds);
        }
    }
    let [coverage, naive_coverage, rejected, interval_excludes_zero] =
        counts.map(|count| f64::from(count) / f64::from(n_simulations));
    SimulatedShares {
        difference,
        n_simulations,
        coverage,
        naive_coverage,
        rejected,
        interval_excludes_zero,
    }
}

/// The power that plans from stored data come to, each tried on `n_simulations` experiments of the same design.
///
/// The stored data of each of `n_plans` plans are one experiment with the design `stored`, without a true difference.
/// None where a plan promised nothing, or a difference above [`DIFFERENCE_MAX`].
pub fn simulated_power(
    stored: &SimulatedDesign,
    design: &SimulatedDesign,
    n_plans: u32,
    n_simulations: u32,
    seed: u64,
) -> Option<SimulatedPower> {
    let mut draws = Draws::new(seed);
    let (mut promised_sum, mut power_sum) = (0.0, 0.0);
    for _ in 0..n_plans {
        let components = difference_components(&experiment(stored, 0.0, &mut draws))?;
        let standard_error = components.standard_error(&design.cluster_sizes, design.n_repeats);
        let promised =
            detectable_difference(standard_error, &design.cluster_sizes, 1.0 - LEVEL, POWER)
                .filter(|promised| *promised <= DIFFERENCE_MAX)?;
        promised_sum += promised;
        power_sum += simulated_shares(design, promised, n_simulations, draws.next_word()).rejected;
    }
    Some(SimulatedPower {
        promised_difference: promised_sum / f64::from(n_plans),
        power: power_sum / f64::from(n_plans),
        n_plans,
        n_simulations: n_plans * n_simulations,
    })
}

fn difference_components(experiment: &Experiment) -> Option<VarianceComponents> {
    let both = experiment.base.iter().zip(&experiment.other);
    let differences = both.map(|(base, other)| Observation {
        value: other.value - base.value,
        ..*base
    });
    variance_components(&differences.collect::<Vec<_>>())
}

/// The conclusions from one experiment.
struct Analysed {
    interval: super::Interval,
    naive_interval: super::Interval,
    p_value: f64,
}

impl Analysed {
    /// Covered, covered by the naive interval, rejected, and zero left out.
    fn holds(&self, truth: f64) -> [bool; 4] {
        let covers = |interval: super::Interval, value: f64| {
            interval.lower <= value && value <= interval.upper
        };
        [
            covers(self.interval, truth),
            covers(self.naive_interval, truth),
            self.p_value <= 1.0 - LEVEL,
            !covers(self.interval, 0.0),
        ]
    }
}

fn analysed(experiment: &Experiment, seed: u64) -> Analysed {
    let (base, clusters) = prompt_means(&experiment.base);
    let (other, _) = prompt_means(&experiment.other);
    let flips = SignFlips {
        seed,
        n_draws: N_DRAWS,
    };
    let found = paired_difference(&base, &other, &clusters, LEVEL, flips)
        .expect("a design has at least one prompt");
    let several = "a design has at least two clusters";
    Analysed {
        interval: found.interval.expect(several),
        naive_interval: found.naive_interval.expect(several),
        p_value: found.p_value.value,
    }
}

/// The mean of each prompt, whose observations follow each other, and its cluster.
fn prompt_means(observations: &[Observation]) -> (Vec<f64>, Vec<usize>) {
    let prompts = observations.chunk_by(|a, b| a.prompt == b.prompt);
    prompts
        .map(|prompt| {
            let sum: f64 = prompt.iter().map(|o| o.value).sum();
            (sum / prompt.len() as f64, prompt[0].cluster)
        })
        .unzip()
}

fn experiment(design: &SimulatedDesign, difference: f64, draws: &mut Draws) -> Experiment {
    assert!(
        difference.abs() <= DIFFERENCE_MAX,
        "probabilities stay within 0 to 1"
    );
    let (mut base, mut other) = (Vec::new(), Vec::new());
    let mut n_prompts = 0;
    for (cluster, size) in design.cluster_sizes.iter().enumerate() {
        let of_base = part(0.05, draws);
        let of_other = of_base + difference + part(design.cluster_response, draws);
        let controls: Vec<[f64; 2]> = (0..design.n_repeats)
            .map(|_| [(); 2].map(|()| part(0.05, draws)))
            .collect();
        for _ in 0..*size {
            let of_prompt = part(0.05, draws);
            let response = part(0.05, draws);
            for (repeat, control) in (0..).zip(&controls) {
                let mut observe = |probability: f64| Observation {
                    cluster,
                    prompt: n_prompts,
                    repeat,
                    control_repeat: repeat,
                    value: verdict(probability, design.tie_share, draws),
                };
                base.push(observe(0.5 + of_base + of_prompt + control[0]));
                other.push(observe(0.5 + of_other + of_prompt + response + control[1]));
            }
            n_prompts += 1;
        }
    }
    Experiment { base, other }
}

/// A part of a probability, uniform up to `reach` to either side.
fn part(reach: f64, draws: &mut Draws) -> f64 {
    reach * (2.0 * draws.next_uniform() - 1.0)
}

/// A verdict whose expected value is `probability`.
fn verdict(probability: f64, tie_share: f64, draws: &mut Draws) -> f64 {
    // A tie counts one half, so the others lean further to make up for it.
    let ties = tie_share.min(2.0 * probability.min(1.0 - probability));
    let uniform = draws.next_uniform();
    if uniform < ties {
        0.5
    } else {
        f64::from(u8::from(uniform < ties + probability - ties / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design(cluster_sizes: Vec<usize>) -> SimulatedDesign {
        SimulatedDesign {
            cluster_sizes,
            n_repeats: 3,
            tie_share: 0.1,
            cluster_response: 0.12,
        }
    }

    /// The clusters of the published colour set: 709 tests on 27 controls.
    fn published() -> SimulatedDesign {
        let sizes = [vec![33; 20], vec![15, 11, 10, 10, 1, 1, 1]].concat();
        design(sizes)
    }

    #[test]
    fn the_true_difference_is_the_one_asked_for() {
        let mut draws = Draws::new(5);
        let sum_of =
            |observations: &[Observation]| -> f64 { observations.iter().map(|o| o.value).sum() };
        let (mut difference, mut n, mut n_ties) = (0.0, 0.0, 0.0);
        for _ in 0..300 {
            let experiment = experiment(&design(vec![5; 40]), -0.11, &mut draws);
            difference += sum_of(&experiment.other) - sum_of(&experiment.base);
            n += experiment.base.len() as f64;
            n_ties += experiment.base.iter().filter(|o| o.value == 0.5).count() as f64;
        }
        assert!((difference / n + 0.11).abs() < 0.004, "{}", difference / n);
        assert!((n_ties / n - 0.1).abs() < 0.004, "{}", n_ties / n);
    }

    #[test]
    fn the_interval_covers_the_truth_as_often_as_it_says() {
        let unequal = design((0..20).map(|cluster| 4 + cluster % 5).collect());
        for (design, difference, seed) in [
            (unequal, 0.1, 1),
            (published(), 0.0, 2),
            (design(vec![3; 60]), -0.05, 3),
        ] {
            let found = simulated_shares(&design, difference, 1_500, seed);
            assert!((found.coverage - 0.95).abs() < 0.02, "{found:?}");
        }
    }

    #[test]
    fn an_interval_that_ignores_clusters_does_not() {
        let found = simulated_shares(&published(), 0.0, 500, 4);
        assert!(found.naive_coverage < 0.87, "{found:?}");
    }

    #[test]
    fn without_a_difference_at_most_6_in_100_are_found() {
        for (n_clusters, seed) in [(8, 4), (12, 5), (20, 6), (40, 7)] {
            let found = simulated_shares(&design(vec![6; n_clusters]), 0.0, 3_000, seed);
            assert!(found.rejected <= 0.06, "{n_clusters} clusters: {found:?}");
        }
    }

    #[test]
    fn a_plan_keeps_its_promise() {
        let design = design(vec![12; 40]);
        let found = simulated_power(&design, &design, 20, 100, 8).unwrap();
        assert!((found.power - 0.8).abs() < 0.06, "{found:?}");
        let small = SimulatedDesign {
            cluster_sizes: vec![1; 6],
            ..design.clone()
        };
        assert_eq!(simulated_power(&design, &small, 1, 1, 9), None);
    }
}
