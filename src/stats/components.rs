//! The causes by which clustered, repeated measurements vary, so that a design not yet run can be judged.
//!
//! Owns six variance components and the standard error that a design would have with them. A value
//! belongs to a cluster, to a prompt within it and to a repeat of that prompt and one of the control, and is taken as the
//! sum of a constant and of independent effects of the cluster, of the control's repeat within the cluster (prompts that
//! share a control prompt share its generations), of the prompt, of the prompt's repeat, of the control's repeat as
//! this prompt is compared with it, and of both repeats together.
//!
//! The components are found from the mean product of two values' deviations from the mean of all, over
//! the pairs that share their prompt and one of both repeats, their prompt only, their cluster and control's repeat, their
//! cluster only, or nothing: each such mean is the sum of the components that the pair shares. This needs no balance, and in a balanced design
//! it is the analysis of variance: G. G. Koch, "A General Approach to the Estimation of Variance
//! Components", Technometrics 9(1), 1967. Squared differences of two values would do the same where all
//! clusters vary alike; where small clusters vary less than large ones they take that for less variance
//! between clusters. A component below zero is set to zero. Where the data cannot tell two components
//! apart, both go to the one that more prompts or repeats reduce less; of both repeats, where there are as many of each,
//! to that of the prompt.

use std::collections::{BTreeMap, BTreeSet};

/// One measured value and what it shares with others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// The name of its cluster.
    pub cluster: usize,
    /// The name of its prompt, which is in one cluster only.
    pub prompt: usize,
    /// Its repeat.
    pub repeat: u32,
    /// The control's repeat that it is compared with; a prompt has each two repeats at most once.
    pub control_repeat: u32,
    /// The value.
    pub value: f64,
}

/// Variances of the effects that add up to a value, each 0 or more.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceComponents {
    /// Of clusters.
    pub cluster: f64,
    /// Of the control's repeats, in all prompts of a cluster.
    pub cluster_repeat: f64,
    /// Of prompts within a cluster.
    pub prompt: f64,
    /// Of the control's repeats, in a single prompt.
    pub prompt_control: f64,
    /// Of a prompt's repeats, and of single values where these cannot be told apart.
    pub residual: f64,
    /// Of single values: of a prompt's repeat and one of the control together.
    pub interaction: f64,
}

/// Numbers of draws that the mean of a prompt's values is over, each at least 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Repeats {
    /// Repeats of the prompt.
    pub test: f64,
    /// Repeats of its control.
    pub control: f64,
    /// Values: two repeats each.
    pub compared: f64,
}

impl Repeats {
    /// So many of both, compared one by one.
    pub fn matched(n: f64) -> Self {
        Self {
            test: n,
            control: n,
            compared: n,
        }
    }
}

/// Number of pairs of values, and the sum of the products of each two.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pairs {
    pub(super) n: f64,
    pub(super) products: f64,
}

impl Pairs {
    /// All pairs among `n` values of this sum and sum of squares.
    fn among(Sums { n, sum, squares }: Sums) -> Self {
        Self {
            n: n * (n - 1.0) / 2.0,
            products: (sum * sum - squares) / 2.0,
        }
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self {
            n: self.n - other.n,
            products: self.products - other.products,
        }
    }

    /// The variance `of_all` without the part that such pairs share; None without pairs.
    fn unshared(self, of_all: f64) -> Option<f64> {
        (self.n > 0.5).then(|| (of_all - self.products / self.n).max(0.0))
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, value: f64) {
        self.n += 1.0;
        self.sum += value;
        self.squares += value * value;
    }
}

/// The parts of the variance that pairs of values do not share, by what both have in common.
struct Unshared {
    nothing: f64,
    cluster: f64,
    /// None where no cluster has two prompts.
    repeat: Option<f64>,
    /// None where no prompt has two repeats of both.
    prompt: Option<f64>,
    /// Of one repeat of a prompt with two of the control; None without any.
    test: Option<f64>,
    /// Of two repeats of a prompt with one of the control; None without any.
    control: Option<f64>,
}

/// The components of `observations`; None where there are not two clusters.
pub fn variance_components(observations: &[Observation]) -> Option<VarianceComponents> {
    let found = Unshared::of(observations)?;
    Some(VarianceComponents {
        cluster: (found.nothing - found.cluster).max(0.0),
        ..found.within(found.nothing.min(found.cluster))
    })
}

/// The components of `observations` of which a high one in a cluster lowers the others there, as where each is compared
/// with the others; None where there are not two clusters.
///
/// Such values differ more within clusters than between them, and that is no chance: all components are then less, in
/// the proportion by which the mean over this very design varies less than components from zero up would have it.
pub fn opposed_components(observations: &[Observation]) -> Option<VarianceComponents> {
    let components = variance_components(observations)?;
    let uncut = Unshared::of(observations)?.uncut();
    let prompts = observations.iter().map(|o| (o.prompt, o.cluster));
    let prompts: BTreeMap<usize, usize> = prompts.collect();
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for cluster in prompts.values() {
        *sizes.entry(*cluster).or_default() += 1;
    }
    let sizes: Vec<usize> = sizes.into_values().collect();
    let n_each = |key: fn(&Observation) -> (usize, u32)| {
        let distinct: BTreeSet<_> = observations.iter().map(key).collect();
        distinct.len() as f64 / prompts.len() as f64
    };
    let n_repeats = Repeats {
        test: n_each(|o| (o.prompt, o.repeat)),
        control: n_each(|o| (o.prompt, o.control_repeat)),
        compared: observations.len() as f64 / prompts.len() as f64,
    };
    let cut = components.variance(&sizes, n_repeats);
    let found = uncut.variance(&sizes, n_repeats).max(0.0);
    Some(if found < cut {
        components.times(found / cut)
    } else {
        components
    })
}

impl Unshared {
    fn of(observations: &[Observation]) -> Option<Self> {
        let n = observations.len() as f64;
        let mean = observations.iter().map(|o| o.value).sum::<f64>() / n;
        let deviations = observations.iter().map(|o| Observation {
            value: o.value - mean,
            ..*o
        });
        let deviations: Vec<Observation> = deviations.collect();
        let of_all = deviations.iter().map(|o| o.value * o.value).sum::<f64>() / n;
        let all = pairs_within(&deviations, |_| ());
        let in_cluster = pairs_within(&deviations, |o| o.cluster);
        let in_prompt = pairs_within(&deviations, |o| o.prompt);
        let in_repeat = pairs_within(&deviations, |o| (o.cluster, o.control_repeat));
        let in_test = pairs_within(&deviations, |o| (o.prompt, o.repeat));
        let in_control = pairs_within(&deviations, |o| (o.prompt, o.control_repeat));
        let in_repeat = in_repeat.without(in_control);
        let cluster = in_cluster.without(in_prompt).without(in_repeat);
        let repeat = in_repeat.unshared(of_all);
        let prompt = in_prompt.without(in_test).without(in_control);
        let prompt = prompt.unshared(of_all);
        let (test, control) = (in_test.unshared(of_all), in_control.unshared(of_all));
        // Of prompts alone in their clusters and without repeats nothing but the total is known.
        let cluster = cluster.unshared(of_all).or(repeat).or(prompt);
        Some(Self {
            nothing: all.without(in_cluster).unshared(of_all)?,
            cluster: cluster.unwrap_or(0.0),
            repeat,
            prompt,
            test,
            control,
        })
    }

    /// The components as they come out, below zero too.
    fn uncut(&self) -> VarianceComponents {
        let prompt_and_residual = self.repeat.unwrap_or(self.cluster);
        let cluster_repeat = self.cluster - prompt_and_residual;
        let [prompt_control, residual, interaction] = self.draws(cluster_repeat);
        VarianceComponents {
            cluster: self.nothing - self.cluster,
            cluster_repeat,
            prompt: prompt_and_residual - prompt_control - residual - interaction,
            prompt_control,
            residual,
            interaction,
        }
    }

    /// The components within clusters, which add up to `within`.
    fn within(&self, within: f64) -> VarianceComponents {
        let prompt_and_residual = self.repeat.map_or(within, |found| found.min(within));
        let cluster_repeat = within - prompt_and_residual;
        let draws = self.draws(cluster_repeat);
        let all = draws.iter().sum::<f64>().clamp(0.0, prompt_and_residual);
        let prompt_control = draws[0].clamp(0.0, all);
        let residual = draws[1].clamp(0.0, all - prompt_control);
        VarianceComponents {
            cluster: 0.0,
            cluster_repeat,
            prompt: prompt_and_residual - all,
            prompt_control,
            residual,
            interaction: all - prompt_control - residual,
        }
    }

    /// The components of draws besides the control's in all prompts of a cluster: of the control's in a single prompt,
    /// of the prompt's, and of both together.
    fn draws(&self, cluster_repeat: f64) -> [f64; 3] {
        match (self.prompt, self.test, self.control) {
            (Some(prompt), Some(test), Some(control)) => [
                prompt - cluster_repeat - control,
                prompt - test,
                control - (prompt - test),
            ],
            (Some(prompt), Some(test), None) => [test - cluster_repeat, prompt - test, 0.0],
            (Some(prompt), None, own) => {
                let draws = prompt - cluster_repeat;
                let own = own.unwrap_or(draws);
                [draws - own, own, 0.0]
            }
            // Of one repeat of the prompt its luck is a part of the prompt, of one of the control its luck too.
            (None, Some(test), _) => [test - cluster_repeat, 0.0, 0.0],
            (None, None, own) => [0.0, own.unwrap_or(0.0), 0.0],
        }
    }
}

/// The pairs of values that agree in `key`.
pub(super) fn pairs_within<K: Ord>(
    observations: &[Observation],
    key: impl Fn(&Observation) -> K,
) -> Pairs {
    let mut sums: BTreeMap<K, Sums> = BTreeMap::new();
    for observation in observations {
        sums.entry(key(observation))
            .or_default()
            .add(observation.value);
    }
    let pairs = sums.into_values().map(Pairs::among);
    pairs.fold(Pairs::default(), |a, b| Pairs {
        n: a.n + b.n,
        products: a.products + b.products,
    })
}

impl VarianceComponents {
    fn times(self, part: f64) -> Self {
        Self {
            cluster: part * self.cluster,
            cluster_repeat: part * self.cluster_repeat,
            prompt: part * self.prompt,
            prompt_control: part * self.prompt_control,
            residual: part * self.residual,
            interaction: part * self.interaction,
        }
    }

    /// The standard error of the mean over clusters of so many prompts each, with so many repeats of each prompt.
    ///
    /// There is at least one prompt and one repeat.
    pub fn standard_error(&self, cluster_sizes: &[usize], n_repeats: u32) -> f64 {
        let n: usize = cluster_sizes.iter().sum();
        assert!(n > 0 && n_repeats > 0, "a design measures something");
        self.variance(cluster_sizes, Repeats::matched(n_repeats.into()))
            .sqrt()
    }

    /// The variance of that mean with so many repeats of each prompt and of each control.
    pub fn variance(&self, cluster_sizes: &[usize], n_repeats: Repeats) -> f64 {
        self.parts(cluster_sizes, n_repeats).sum()
    }

    /// The part of each component in that variance.
    pub fn parts(&self, cluster_sizes: &[usize], n_repeats: Repeats) -> Self {
        let n = cluster_sizes.iter().sum::<usize>() as f64;
        let squares = cluster_sizes.iter().map(|size| (*size as f64 / n).powi(2));
        let of_clusters = squares.sum::<f64>();
        Self {
            cluster: self.cluster * of_clusters,
            cluster_repeat: self.cluster_repeat * of_clusters / n_repeats.control,
            prompt: self.prompt / n,
            prompt_control: self.prompt_control / n_repeats.control / n,
            residual: self.residual / n_repeats.test / n,
            interaction: self.interaction / n_repeats.compared / n,
        }
    }

    /// The mean of each component; there is at least one.
    pub fn mean(all: &[Self]) -> Self {
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
        Self {
            cluster: mean(|it| it.cluster),
            cluster_repeat: mean(|it| it.cluster_repeat),
            prompt: mean(|it| it.prompt),
            prompt_control: mean(|it| it.prompt_control),
            residual: mean(|it| it.residual),
            interaction: mean(|it| it.interaction),
        }
    }

    /// The sum of all components: the variance of a value.
    pub fn sum(&self) -> f64 {
        let of_prompts = self.prompt + self.prompt_control + self.residual + self.interaction;
        self.cluster + self.cluster_repeat + of_prompts
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::stats::draws::Draws;

    fn close(found: VarianceComponents, expected: [f64; 4], tolerance: f64) {
        let found = [
            found.cluster,
            found.cluster_repeat,
            found.prompt,
            found.prompt_control + found.residual + found.interaction,
        ];
        for (a, b) in found.into_iter().zip(expected) {
            assert!((a - b).abs() < tolerance, "{found:?} is not {expected:?}");
        }
    }

    /// A value that looks irregular, from 0 to 1.
    pub(in crate::stats) fn made(a: usize, b: usize) -> f64 {
        ((a * a * 31 + b * b * 17 + a * b * 7 + 3) % 101) as f64 / 100.0
    }

    /// `n_repeats` of `n_prompts` in each of `n_clusters`.
    fn balanced(n_clusters: usize, n_prompts: usize, n_repeats: u32) -> Vec<Observation> {
        let mut observations = Vec::new();
        for cluster in 0..n_clusters {
            for place in 0..n_prompts {
                let prompt = cluster * n_prompts + place;
                for repeat in 0..n_repeats {
                    let repeat_idx = repeat as usize;
                    let value = 0.8 * made(cluster, 5)
                        + 0.6 * made(cluster, 11 + repeat_idx)
                        + 0.7 * made(prompt, 3)
                        + 0.5 * made(prompt, 29 + repeat_idx);
                    observations.push(Observation {
                        cluster,
                        prompt,
                        repeat,
                        control_repeat: repeat,
                        value,
                    });
                }
            }
        }
        observations
    }

    /// statsmodels 0.15.0, `made` as here:
    /// ```python
    /// rows = [(c, 4 * c + p, r, 0.8 * made(c, 5) + 0.6 * made(c, 11 + r) + 0.7 * made(4 * c + p, 3)
    ///          + 0.5 * made(4 * c + p, 29 + r)) for c in range(30) for p in range(4) for r in range(3)]
    /// data = pd.DataFrame(rows, columns=["cluster", "prompt", "repeat", "value"])
    /// fit = smf.mixedlm("value ~ 1", data, groups="cluster", re_formula="1", vc_formula={
    ///     "p": "0 + C(prompt)", "r": "0 + C(repeat)"}).fit(reml=True)
    /// print(fit.cov_re, fit.vcomp, fit.scale)
    /// ```
    /// In a balanced design without a component below zero both estimators are the analysis of variance.
    #[test]
    fn statsmodels_finds_the_same() {
        let found = variance_components(&balanced(30, 4, 3)).unwrap();
        let expected = [
            0.033764,
            0.025212223086324682,
            0.03839117715321948,
            0.02017486484201993,
        ];
        close(found, expected, 2e-6);
    }

    /// The definition, over each pair of values.
    #[test]
    fn unbalanced_pairs_count_once_each() {
        let all = balanced(7, 4, 3);
        let some: Vec<Observation> = all
            .iter()
            .filter(|o| made(o.prompt, o.repeat as usize) < 0.85)
            .copied()
            .collect();
        let n_all = some.len() as f64;
        let mean_of_all = some.iter().map(|o| o.value).sum::<f64>() / n_all;
        let squares = some.iter().map(|o| (o.value - mean_of_all).powi(2));
        let of_all = squares.sum::<f64>() / n_all;
        let mean = |is_meant: &dyn Fn(&Observation, &Observation) -> bool| {
            let (mut n, mut sum) = (0.0, 0.0);
            for (place, a) in some.iter().enumerate() {
                for b in some[..place].iter().filter(|b| is_meant(a, b)) {
                    n += 1.0;
                    sum += (a.value - mean_of_all) * (b.value - mean_of_all);
                }
            }
            of_all - sum / n
        };
        let total = mean(&|a, b| a.cluster != b.cluster);
        let cluster =
            mean(&|a, b| a.cluster == b.cluster && a.prompt != b.prompt && a.repeat != b.repeat);
        let repeat =
            mean(&|a, b| a.cluster == b.cluster && a.prompt != b.prompt && a.repeat == b.repeat);
        let prompt = mean(&|a, b| a.prompt == b.prompt);
        let residual = prompt - (cluster - repeat);
        let expected = [
            total - cluster,
            cluster - repeat,
            repeat - residual,
            residual,
        ];
        assert!(
            expected.iter().all(|component| *component > 0.0),
            "{expected:?}"
        );
        close(variance_components(&some).unwrap(), expected, 1e-12);
    }

    #[test]
    fn what_cannot_be_told_apart_is_reduced_less() {
        let once = balanced(40, 3, 1);
        let found = variance_components(&once).unwrap();
        assert_eq!((found.cluster_repeat, found.residual), (0.0, 0.0));
        let alone = balanced(40, 1, 1);
        let found = variance_components(&alone).unwrap();
        assert_eq!(
            (found.cluster_repeat, found.prompt, found.residual),
            (0.0, 0.0, 0.0)
        );
        let n = alone.len() as f64;
        let mean = alone.iter().map(|o| o.value).sum::<f64>() / n;
        let variance = alone.iter().map(|o| (o.value - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!((found.cluster - variance).abs() < 1e-12);
        assert!((found.standard_error(&[1; 40], 1) - (variance / n).sqrt()).abs() < 1e-12);
        assert_eq!(variance_components(&balanced(1, 3, 3)), None);
        assert_eq!(variance_components(&[]), None);
    }

    /// Large clusters of 1 and of -1, and small ones in which nothing varies: squared differences would find 0.
    #[test]
    fn clusters_that_vary_less_do_not_hide_what_varies_between_others() {
        let sizes = [vec![20; 10], vec![2; 100]].concat();
        let mut observations = Vec::new();
        for (cluster, size) in sizes.iter().enumerate() {
            for place in 0..*size {
                let sign = if cluster % 2 == 0 { 1.0 } else { -1.0 };
                let own = if place % 2 == 0 { 2.0 } else { -2.0 };
                observations.push(Observation {
                    cluster,
                    prompt: observations.len(),
                    repeat: 0,
                    control_repeat: 0,
                    value: if *size == 20 { sign + own } else { 0.0 },
                });
            }
        }
        let found = variance_components(&observations).unwrap();
        let expected = (10.0 * 20f64.powi(2) / 400f64.powi(2)).sqrt();
        let found = found.standard_error(&sizes, 1);
        assert!((found / expected - 1.0).abs() < 0.1, "{found} {expected}");
    }

    /// Values that add up to nearly the same in each cluster: the mean hardly varies.
    #[test]
    fn values_that_pull_against_each_other_vary_the_mean_less() {
        let mut observations = balanced(30, 4, 3);
        for of_cluster in observations.chunks_mut(12) {
            let mean = of_cluster.iter().map(|o| o.value).sum::<f64>() / 12.0;
            of_cluster.iter_mut().for_each(|o| o.value -= 0.9 * mean);
        }
        let clusters = observations.chunks(12);
        let means = clusters.map(|it| it.iter().map(|o| o.value).sum::<f64>() / 12.0);
        let means: Vec<f64> = means.collect();
        let mean = means.iter().sum::<f64>() / 30.0;
        let squares = means.iter().map(|it| (it - mean).powi(2)).sum::<f64>();
        let expected = (squares / 29.0 / 30.0).sqrt();
        let opposed = opposed_components(&observations).unwrap();
        let found = opposed.standard_error(&[4; 30], 3);
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
        let usual = variance_components(&observations).unwrap();
        assert!(usual.standard_error(&[4; 30], 3) > 2.0 * expected);
        let apart = balanced(30, 4, 3);
        assert_eq!(opposed_components(&apart), variance_components(&apart));
        assert_eq!(opposed_components(&[]), None);
    }

    /// A mean of simulated values varies as the standard error of its design says.
    #[test]
    fn the_standard_error_is_that_of_repeated_experiments() {
        let components = VarianceComponents {
            cluster: 0.01,
            cluster_repeat: 0.06,
            prompt: 0.02,
            prompt_control: 0.0,
            residual: 0.2,
            interaction: 0.0,
        };
        let sizes = [9, 1, 4, 4, 2];
        let expected = components.standard_error(&sizes, 3);
        let mut draws = Draws::new(3);
        let means: Vec<f64> = (0..4_000)
            .map(|_| simulated_mean(&components, &sizes, 3, &mut draws))
            .collect();
        let found = (means.iter().map(|mean| mean * mean).sum::<f64>() / means.len() as f64).sqrt();
        assert!(
            (found / expected - 1.0).abs() < 0.04,
            "{found} is not {expected}"
        );
    }

    fn simulated_mean(
        components: &VarianceComponents,
        sizes: &[usize],
        n_repeats: u32,
        draws: &mut Draws,
    ) -> f64 {
        // A uniform value with this variance around zero.
        let mut effect = |variance: f64| (12.0 * variance).sqrt() * (draws.next_uniform() - 0.5);
        let mut sum = 0.0;
        for size in sizes {
            let cluster = effect(components.cluster);
            let repeats: Vec<f64> = (0..n_repeats)
                .map(|_| effect(components.cluster_repeat))
                .collect();
            for _ in 0..*size {
                let prompt = effect(components.prompt);
                sum += repeats
                    .iter()
                    .map(|repeat| cluster + prompt + repeat + effect(components.residual))
                    .sum::<f64>();
            }
        }
        sum / (sizes.iter().sum::<usize>() as f64 * f64::from(n_repeats))
    }
}
