//! A test by flipping signs: could clusters of differences lean to one side by chance alone?
//!
//! Owns the p-value. If two conditions do not differ, their names could as well be swapped in any
//! cluster: the difference of a cluster is as likely with the one sign as with the other. The p-value
//! is the share of all 2^G choices of signs whose sum is at least as far from zero as the one found.
//! R. A. Fisher, "The Design of Experiments" (1935), section 21, with clusters in the place of pairs.
//!
//! Up to [`N_EXACT_MAX`] clusters that differ at all, every choice of signs is looked at. Beyond, a
//! number of random ones is, and the choice found is counted among them, because a p-value of zero
//! would be wrong: B. Phipson and G. K. Smyth, "Permutation P-values Should Never Be Zero",
//! Statistical Applications in Genetics and Molecular Biology 9(1), 2010.

use std::collections::BTreeMap;

use super::draws::Draws;

/// Up to so many clusters whose sum is not zero the p-value is exact.
pub const N_EXACT_MAX: usize = 16;

/// Sums nearer than this share of the largest possible sum are equal but for rounding.
const TOLERANCE: f64 = 1e-9;

/// How random signs are drawn where there are too many choices to look at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignFlips {
    /// The seed of the draws.
    pub seed: u64,
    /// Number of random choices of signs, at least 1.
    pub n_draws: u32,
}

/// A two-sided p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PValue {
    /// The p-value, above 0 up to 1.
    pub value: f64,
    /// Random choices of signs that were looked at; None where all were, and the value is exact.
    pub n_draws: Option<u32>,
}

/// The p-value of no difference, where `values[i]` is a difference that belongs to the cluster named `clusters[i]`.
///
/// Neither the order of clusters nor the sign of all differences changes it.
pub fn sign_flip_p_value(values: &[f64], clusters: &[usize], flips: SignFlips) -> PValue {
    assert_eq!(values.len(), clusters.len(), "every value has its cluster");
    assert!(flips.n_draws > 0, "at least one choice of signs is drawn");
    let mut sums: BTreeMap<usize, f64> = BTreeMap::new();
    for (value, cluster) in values.iter().zip(clusters) {
        *sums.entry(*cluster).or_default() += value;
    }
    let largest: f64 = values.iter().map(|value| value.abs()).sum();
    let found = sums.values().sum::<f64>().abs() - TOLERANCE * largest;
    let mut sizes: Vec<f64> = sums.into_values().map(f64::abs).collect();
    // A cluster without a difference adds nothing, whatever its sign.
    sizes.retain(|size| *size > TOLERANCE * largest);
    sizes.sort_by(f64::total_cmp);
    if sizes.len() <= N_EXACT_MAX {
        PValue {
            value: exact_share(&sizes, found),
            n_draws: None,
        }
    } else {
        PValue {
            value: random_share(&sizes, found, flips),
            n_draws: Some(flips.n_draws),
        }
    }
}

/// The share of all choices of signs whose sum is at least `found` from zero.
///
/// The last sign stays, because flipping all changes no distance from zero. Consecutive choices
/// differ in one sign (a Gray code), so each costs one addition.
fn exact_share(sizes: &[f64], found: f64) -> f64 {
    let n_choices = 1u32 << sizes.len().saturating_sub(1);
    let mut terms = sizes.to_vec();
    let mut sum: f64 = terms.iter().sum();
    let mut n_as_far = u32::from(sum.abs() >= found);
    for choice in 1..n_choices {
        let term = &mut terms[choice.trailing_zeros() as usize];
        *term = -*term;
        sum += 2.0 * *term;
        n_as_far += u32::from(sum.abs() >= found);
    }
    f64::from(n_as_far) / f64::from(n_choices)
}

/// The share of random choices of signs, and of the one found, whose sum is at least `found` from zero.
fn random_share(sizes: &[f64], found: f64, flips: SignFlips) -> f64 {
    let mut draws = Draws::new(flips.seed);
    let mut n_as_far = 1u32;
    for _ in 0..flips.n_draws {
        let mut sum = 0.0;
        for chunk in sizes.chunks(64) {
            let signs = draws.next_word();
            for (bit, size) in chunk.iter().enumerate() {
                sum += if signs >> bit & 1 == 1 { *size } else { -size };
            }
        }
        n_as_far += u32::from(sum.abs() >= found);
    }
    f64::from(n_as_far) / (f64::from(flips.n_draws) + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FLIPS: SignFlips = SignFlips {
        seed: 1,
        n_draws: 99_999,
    };

    fn p_value(values: &[f64]) -> PValue {
        let clusters: Vec<usize> = (0..values.len()).collect();
        sign_flip_p_value(values, &clusters, FLIPS)
    }

    fn made(k: i32, factor: i32) -> f64 {
        f64::from((k * k * factor + 13 * k) % 101) / 100.0
    }

    /// scipy 1.17.1: `stats.permutation_test((np.array(sums),), np.sum, permutation_type="samples", n_resamples=np.inf)`,
    /// for the third with `def made(factor): return (k * k * factor + 13 * k) % 101 / 100`, `k = np.arange(12)` and
    /// the sums `made(8) - made(3)`.
    #[test]
    fn scipy_finds_the_same() {
        let third: Vec<f64> = (0..12).map(|k| made(k, 8) - made(k, 3)).collect();
        let cases: [(&[f64], f64); 4] = [
            (&[0.5, 1.0, -0.5, 2.0, 0.5, 1.5], 0.125),
            (&[1.0, -0.5, 2.0, 0.5, 1.5], 0.1875),
            (&third, 0.466796875),
            (
                &[0.3, -0.1, 0.2, 0.4, -0.6, 0.8, 0.9, 0.1, -0.2, 0.5],
                0.166015625,
            ),
        ];
        for (sums, expected) in cases {
            let found = p_value(sums);
            assert!((found.value - expected).abs() < 1e-12, "{found:?}");
            assert_eq!(found.n_draws, None);
        }
    }

    /// Exact by Python 3.11, whole numbers throughout:
    /// ```python
    /// sums = [(k * k * 3 + 13 * k) % 101 - 45 for k in range(40)]
    /// ways = Counter({0: 1})
    /// for v in sums:
    ///     new = Counter()
    ///     for a, b in ways.items(): new[a + v] += b; new[a - v] += b
    ///     ways = new
    /// print(sum(b for a, b in ways.items() if abs(a) >= abs(sum(sums))) / 2 ** 40)
    /// ```
    /// With 99,999 draws one standard error is 0.0007.
    #[test]
    fn random_signs_come_near_the_exact_value() {
        let sums: Vec<f64> = (0..40)
            .map(|k| f64::from((k * k * 3 + 13 * k) % 101 - 45))
            .collect();
        let found = p_value(&sums);
        assert_eq!(found.n_draws, Some(99_999));
        assert!(
            (found.value - 0.045902857988039614).abs() < 0.002,
            "{found:?}"
        );
        assert_eq!(p_value(&sums), found);
    }

    #[test]
    fn a_p_value_is_never_zero_and_one_without_a_difference() {
        assert_eq!(p_value(&[]).value, 1.0);
        assert_eq!(p_value(&[0.0; 40]).value, 1.0);
        assert_eq!(p_value(&[0.3]).value, 1.0);
        assert_eq!(p_value(&[0.3; 6]).value, 1.0 / 32.0);
        assert_eq!(p_value(&[1.0; 64]).value, 1.0 / 100_000.0);
        // More clusters than a word has bits.
        assert_eq!(p_value(&[1.0; 130]).value, 1.0 / 100_000.0);
    }

    proptest! {
        #[test]
        fn signs_order_names_and_empty_clusters_change_nothing(
            (ordered, shuffled) in prop::collection::vec((-10i32..=10, 0usize..24), 1..60)
                .prop_flat_map(|found| (Just(found.clone()), Just(found).prop_shuffle()))
        ) {
            let flips = SignFlips { seed: 5, n_draws: 200 };
            let p_value = |found: &[(i32, usize)], sign: f64, rename: &dyn Fn(usize) -> usize| {
                let values: Vec<f64> = found.iter().map(|(tenths, _)| sign * f64::from(*tenths) / 8.0).collect();
                let clusters: Vec<usize> = found.iter().map(|(_, cluster)| rename(*cluster)).collect();
                sign_flip_p_value(&values, &clusters, flips)
            };
            let with_empty = [shuffled, vec![(0, 50), (4, 51), (-4, 51)]].concat();
            let expected = p_value(&ordered, 1.0, &|cluster| cluster);
            prop_assert_eq!(p_value(&with_empty, -1.0, &|cluster| 1000 - cluster), expected);
            prop_assert!(0.0 < expected.value && expected.value <= 1.0);
        }
    }
}
