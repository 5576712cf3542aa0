//! Upper limits of variance components that were found as zero.
//!
//! Owns what a plan takes in their place: that nothing was found does not mean that nothing is there.

use statrs::distribution::{ChiSquared, ContinuousCDF as _};

use super::components::{Repeats, VarianceComponents};

/// The level of the limits.
const LEVEL: f64 = 0.8;
/// Steps in which a quantile is found as exactly as numbers are.
const N_HALVINGS: u32 = 60;

impl VarianceComponents {
    /// The same where components of clusters and prompts that were found as zero are as large as they can be without being
    /// found larger more often than four times in five: their upper confidence limits at 80 %, by the chi-squared distribution
    /// of what their values vary by without them (F. E. Satterthwaite, "An Approximate Distribution of Estimates of Variance
    /// Components", Biometrics Bulletin 2(6), 1946). Draws are then less, so that the design in which they were found keeps
    /// its standard error where it can. None where nothing was found as zero.
    pub fn bounded(&self, cluster_sizes: &[usize], n_repeats: Repeats) -> Option<Self> {
        let n_clusters = cluster_sizes.len() as f64;
        let n = cluster_sizes.iter().sum::<usize>() as f64;
        let of_test = self.residual / n_repeats.test + self.interaction / n_repeats.compared;
        let of_prompt = of_test + self.prompt_control / n_repeats.control;
        let mut bounded = *self;
        if self.prompt <= 0.0 {
            bounded.prompt = of_prompt * excess(n - n_clusters);
        }
        if self.cluster <= 0.0 {
            let sizes = cluster_sizes.iter().map(|size| 1.0 / *size as f64);
            let mean_part = sizes.sum::<f64>() / n_clusters;
            let of_draws = self.cluster_repeat / n_repeats.control;
            let of_cluster = of_draws + (self.prompt + of_prompt) * mean_part;
            bounded.cluster = of_cluster * excess(n_clusters - 1.0);
        }
        if bounded == *self {
            return None;
        }
        let found = self.variance(cluster_sizes, n_repeats);
        let drawn = Self {
            cluster: 0.0,
            prompt: 0.0,
            ..*self
        };
        let drawn = drawn.variance(cluster_sizes, n_repeats);
        let more = bounded.variance(cluster_sizes, n_repeats) - found;
        let part = if drawn > 0.0 {
            (1.0 - more / drawn).max(0.0)
        } else {
            1.0
        };
        Some(Self {
            cluster_repeat: part * bounded.cluster_repeat,
            prompt_control: part * bounded.prompt_control,
            residual: part * bounded.residual,
            interaction: part * bounded.interaction,
            ..bounded
        })
    }
}

/// The part by which a variance with so many degrees of freedom may be larger than one that is found, at 80 %.
fn excess(degrees_of_freedom: f64) -> f64 {
    let Ok(chi_squared) = ChiSquared::new(degrees_of_freedom) else {
        return 0.0;
    };
    // The quantile lies below the mean; that of the library is not exact for many degrees.
    let (mut low, mut high) = (0.0, degrees_of_freedom);
    for _ in 0..N_HALVINGS {
        let middle = f64::midpoint(low, high);
        if chi_squared.cdf(middle) < 1.0 - LEVEL {
            low = middle;
        } else {
            high = middle;
        }
    }
    degrees_of_freedom / high - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::draws::Draws;
    use crate::stats::{Observation, variance_components};

    /// scipy 1.17.1: `n / stats.chi2.ppf(0.2, n) - 1`.
    #[test]
    fn the_limit_is_that_of_scipy() {
        for (degrees_of_freedom, expected) in
            [(31.0, 0.2780840194848091), (320.0, 0.07189235558625895)]
        {
            let found = excess(degrees_of_freedom);
            assert!((found - expected).abs() < 1e-8, "{found}");
        }
        assert_eq!(excess(0.0), 0.0);
    }

    /// A variance of clusters as large as the limit is found as zero once in five times.
    #[test]
    fn a_component_at_its_limit_is_found_as_zero_once_in_five() {
        let (n_clusters, n_prompts) = (31, 4);
        let alone = VarianceComponents {
            cluster: 0.0,
            cluster_repeat: 0.0,
            prompt: 1.0,
            prompt_control: 0.0,
            residual: 0.0,
            interaction: 0.0,
        };
        let sizes = vec![n_prompts; n_clusters];
        let limit = alone
            .bounded(&sizes, Repeats::matched(1.0))
            .unwrap()
            .cluster;
        let mut draws = Draws::new(5);
        let mut normal = |variance: f64| {
            let sum: f64 = (0..12).map(|_| draws.next_uniform()).sum();
            variance.sqrt() * (sum - 6.0)
        };
        let n = 600;
        let mut n_zero = 0;
        for _ in 0..n {
            let mut observations = Vec::new();
            for cluster in 0..n_clusters {
                let of_cluster = normal(limit);
                for _ in 0..n_prompts {
                    observations.push(Observation {
                        cluster,
                        prompt: observations.len(),
                        repeat: 0,
                        control_repeat: 0,
                        value: of_cluster + normal(1.0),
                    });
                }
            }
            n_zero += usize::from(variance_components(&observations).unwrap().cluster <= 0.0);
        }
        let share = n_zero as f64 / f64::from(n);
        assert!((share - 0.2).abs() < 0.06, "{share}");
    }

    /// The stored design keeps its standard error; with ever more repeats something is left.
    #[test]
    fn plans_without_draws_promise_more_than_nothing() {
        let found = VarianceComponents {
            cluster: 0.0,
            cluster_repeat: 1080.0,
            prompt: 0.0,
            prompt_control: 0.0,
            residual: 2916.0,
            interaction: 0.0,
        };
        let sizes = [11; 32];
        let bounded = found.bounded(&sizes, Repeats::matched(5.0)).unwrap();
        let variance = |of: &VarianceComponents, n: f64| of.variance(&sizes, Repeats::matched(n));
        assert!((variance(&bounded, 5.0) / variance(&found, 5.0) - 1.0).abs() < 1e-9);
        assert_eq!(variance(&found, f64::INFINITY), 0.0);
        let left = variance(&bounded, f64::INFINITY).sqrt();
        assert!((1.4..1.7).contains(&left), "{left}");
        let known = VarianceComponents {
            cluster: 1.0,
            prompt: 1.0,
            ..found
        };
        assert_eq!(known.bounded(&sizes, Repeats::matched(5.0)), None);
    }
}
