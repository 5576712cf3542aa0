//! Equivalence: is a difference small, and not merely not found?
//!
//! Owns the two one-sided tests of a mean of clustered values: D. J. Schuirmann, "A Comparison of the Two One-Sided Tests
//! Procedure and the Power Approach for Assessing the Equivalence of Average Bioavailability", Journal of Pharmacokinetics
//! and Biopharmaceutics 15(6), 1987. A mean is equivalent to zero within a margin where it is surely above minus the
//! margin and surely below the margin, each at 5 %; that is where its 90 % interval lies within the margin. Standard error
//! and degrees of freedom are those of `interval`.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::interval::{Interval, STANDARD_ERROR_ZERO};
use super::paired::{PairedDifference, mean_interval};

/// The coverage of the interval that lies within the margin where both tests reject at 5 %.
pub const EQUIVALENCE_LEVEL: f64 = 0.90;

/// The tests that a difference is within a margin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Equivalence {
    /// The 90 % interval of the difference.
    pub interval: Interval,
    /// The larger of both p-values; up to 0.05 where the interval lies within the margin.
    pub p_value: f64,
}

/// Tests that a difference lies within `margin`, above 0, of zero; None with a single cluster.
pub fn equivalence(found: &PairedDifference, margin: f64) -> Option<Equivalence> {
    assert!(margin > 0.0, "a margin is above 0");
    let mean = found.robust_mean();
    Some(Equivalence {
        interval: mean_interval(&mean, 1.0, EQUIVALENCE_LEVEL)?,
        p_value: p_value(found, mean.standard_error?, margin),
    })
}

fn p_value(found: &PairedDifference, standard_error: f64, margin: f64) -> f64 {
    let distance = margin - found.difference.abs();
    if standard_error > STANDARD_ERROR_ZERO {
        let student = StudentsT::new(0.0, 1.0, found.degrees_of_freedom)
            .expect("two clusters or more have a positive number of degrees of freedom");
        return student.sf(distance / standard_error);
    }
    if distance <= 0.0 {
        return 1.0;
    }
    // All clusters agree: the level at which the interval of `agreement_interval` reaches the margin. A share u of
    // clusters may deviate, as far as to 1; Wilson's u of n clusters is z² / (n + z²).
    let share = (distance / (1.0 - found.difference.abs())).min(1.0);
    let normal = Normal::new(0.0, 1.0).expect("a standard deviation of 1 is positive");
    normal.sf((found.n_agreeing as f64 * share / (1.0 - share)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{SignFlips, paired_difference};

    fn difference(other: &[f64], clusters: &[usize]) -> PairedDifference {
        let flips = SignFlips {
            seed: 1,
            n_draws: 99,
        };
        paired_difference(&vec![0.5; other.len()], other, clusters, 0.95, flips).unwrap()
    }

    /// statsmodels 0.15.0: `weightstats.ttost_paired(other, numpy.full(8, .5), -margin, margin)[0]`, and the interval of
    /// `stats.ttest_1samp(other - .5, 0).confidence_interval(0.90)` in scipy 1.17.1.
    #[test]
    fn statsmodels_finds_the_same() {
        let other = [0.55, 0.5, 0.45, 0.6, 0.52, 0.5, 0.48, 0.56];
        let found = difference(&other, &[0, 1, 2, 3, 4, 5, 6, 7]);
        for (margin, expected) in [
            (0.05, 0.06056114488758278),
            (0.03, 0.28751922099166327),
            (0.01, 0.7124807790083372),
        ] {
            let found = equivalence(&found, margin).unwrap();
            assert!((found.p_value - expected).abs() < 1e-9, "{found:?}");
            assert!(
                (found.interval.lower + 0.012223753182133049).abs() < 1e-9,
                "{found:?}"
            );
            assert!(
                (found.interval.upper - 0.052223753182133056).abs() < 1e-9,
                "{found:?}"
            );
        }
    }

    /// Interval and p-value agree, also where clusters do not differ; signs do not matter.
    #[test]
    fn the_interval_lies_within_the_margin_where_p_is_small() {
        let clusters = [0, 0, 1, 1, 2, 2, 3, 4, 5, 6];
        let noisy = [0.5, 0.52, 0.49, 0.6, 0.5, 0.4, 0.55, 0.5, 0.53, 0.5];
        for other in [noisy, [0.5; 10], [0.55; 10], noisy.map(|value| 1.0 - value)] {
            let found = difference(&other, &clusters);
            for margin in (1..60).map(|percent| f64::from(percent) / 100.0) {
                let found = equivalence(&found, margin).unwrap();
                let is_within = -margin < found.interval.lower && found.interval.upper < margin;
                assert_eq!(is_within, found.p_value < 0.05, "{found:?} {margin}");
            }
        }
        assert_eq!(equivalence(&difference(&[0.5; 2], &[7, 7]), 0.1), None);
    }
}
