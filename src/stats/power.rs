//! The difference that a design can be expected to find.
//!
//! Owns the smallest detectable difference: H. S. Bloom, "Minimum Detectable Effects: A Simple Way to
//! Report the Statistical Power of Experimental Designs", Evaluation Review 19(5), 1995.

use super::interval::t_quantile;
use super::variance::degrees_of_freedom;

/// The true difference that a two-sided test at level `alpha` finds with probability `power`.
///
/// The design has clusters of these sizes, and the difference the standard error `standard_error`. None where no result
/// whatever could be significant: with a single cluster, or where even the smallest p-value of a test by sign flips,
/// 2 of 2^G for G clusters, is above `alpha`.
pub fn detectable_difference(
    standard_error: f64,
    cluster_sizes: &[usize],
    alpha: f64,
    power: f64,
) -> Option<f64> {
    assert!(0.0 < alpha && alpha < 1.0, "a level is between 0 and 1");
    assert!(
        (0.5..1.0).contains(&power),
        "a power is from 0.5 to below 1"
    );
    let degrees_of_freedom = degrees_of_freedom(cluster_sizes);
    let p_value_min = 2.0 / 2f64.powi(cluster_sizes.len().min(64) as i32);
    if degrees_of_freedom <= 0.0 || p_value_min > alpha {
        return None;
    }
    let significant = t_quantile(1.0 - alpha / 2.0, degrees_of_freedom);
    Some((significant + t_quantile(power, degrees_of_freedom)) * standard_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `stats.t.ppf(1 - alpha / 2, n - 1) + stats.t.ppf(power, n - 1)`.
    ///
    /// Bloom's formula is close to the exact one, statsmodels 0.15.0:
    /// `TTestPower().solve_power(nobs=n, alpha=alpha, power=power) * np.sqrt(n)`.
    #[test]
    fn scipy_finds_the_same_and_statsmodels_nearly() {
        let cases = [
            (27, 0.05, 0.8, 2.9111946719710415, 2.910550496314041),
            (77, 0.05, 0.8, 2.8380489296330316, 2.837608842635554),
            (27, 0.05 / 3.0, 0.8, 3.4146076190470795, 3.42674453455254),
            (12, 0.05, 0.9, 3.5644154781121795, 3.566188622507162),
        ];
        for (n_clusters, alpha, power, expected, exact) in cases {
            let found = detectable_difference(1.0, &vec![3; n_clusters], alpha, power).unwrap();
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
            assert!(
                (found / exact - 1.0).abs() < 0.005,
                "{found} is not near {exact}"
            );
        }
    }

    #[test]
    fn too_few_clusters_detect_nothing() {
        assert_eq!(detectable_difference(1.0, &[700], 0.05, 0.8), None);
        assert_eq!(detectable_difference(1.0, &[9; 5], 0.05, 0.8), None);
        assert!(detectable_difference(1.0, &[9; 6], 0.05, 0.8).is_some());
        assert_eq!(detectable_difference(1.0, &[9; 6], 0.025, 0.8), None);
    }
}
