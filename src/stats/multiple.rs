//! Several comparisons at once.
//!
//! Owns Holm's correction: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure",
//! Scandinavian Journal of Statistics 6, 1979. It bounds the chance of a single false rejection among
//! all comparisons, whatever their dependence; conditions compared with one base are dependent.

/// The corrected p-values, in the order of `p_values`.
///
/// The k-th smallest of n is multiplied by n - k + 1; none is less than a smaller one becomes, none above 1.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut corrected = vec![1.0; p_values.len()];
    let mut least = 0.0f64;
    for (place, idx) in order.into_iter().enumerate() {
        let n_left = (p_values.len() - place) as f64;
        least = least.max(p_values[idx] * n_left).min(1.0);
        corrected[idx] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// statsmodels 0.15.0: `multipletests(p_values, method="holm")[1]`.
    #[test]
    fn statsmodels_finds_the_same() {
        let cases: [(&[f64], &[f64]); 4] = [
            (&[0.01, 0.04, 0.03, 0.005], &[0.03, 0.06, 0.06, 0.02]),
            (
                &[0.2, 0.9, 0.001, 0.04, 0.04],
                &[0.4, 0.9, 0.005, 0.16, 0.16],
            ),
            (&[0.3], &[0.3]),
            (&[], &[]),
        ];
        for (p_values, expected) in cases {
            let found = holm(p_values);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{found} is not {expected}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn corrected_p_values_keep_their_order_and_are_no_smaller(
            p_values in prop::collection::vec(0.0..=1.0f64, 1..12)
        ) {
            let corrected = holm(&p_values);
            for (a, corrected_a) in p_values.iter().zip(&corrected) {
                prop_assert!(a <= corrected_a && *corrected_a <= 1.0);
                for (b, corrected_b) in p_values.iter().zip(&corrected) {
                    prop_assert!(a > b || corrected_a <= corrected_b);
                }
            }
        }
    }
}
