//! Similarity: one number for a concept and a generation, larger when they are closer.
//!
//! Owns the cosine and the rounding that decides ties. Where the vectors come from is not decided here.

use super::metric::Rounding;

/// The cosine of two unit vectors of the same length, -1 to 1 but for rounding: their dot product, summed in f64.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "one model gives vectors of one length");
    let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
    products.sum()
}

/// A similarity as it is compared.
///
/// The published work rounds `float(x)` with Python's `round`, where `x` is a dot product of type
/// f32. So the similarity first becomes the nearest f32. Then the decimal nearest to that very
/// number is taken; of two that are equally near, which only multiples of 1/16 have, the one with an
/// even last digit. Multiplying by 1000, say, rounding and dividing would move some numbers beside a half
/// onto it.
pub fn rounded(similarity: f64, rounding: Rounding) -> f64 {
    let published = f64::from(similarity as f32);
    let Rounding(Some(decimals)) = rounding else {
        return published;
    };
    // Rust writes the exact value of a float, rounded half to even at the last digit asked for.
    let decimal = format!("{published:.*}", usize::from(decimals));
    decimal.parse().expect("a float reads what it has written")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_similarity(similarity: f64) -> f64 {
        rounded(similarity, Rounding::PUBLISHED)
    }

    #[test]
    fn known_angles_have_known_cosines() {
        let cases: [([f32; 2], [f32; 2], f64); 4] = [
            ([1.0, 0.0], [0.0, 1.0], 0.0),
            ([1.0, 0.0], [1.0, 0.0], 1.0),
            ([1.0, 0.0], [-1.0, 0.0], -1.0),
            ([0.6, 0.8], [0.8, 0.6], 0.96),
        ];
        for (a, b, expected) in cases {
            assert!((cosine(&a, &b) - expected).abs() < 1e-7, "{a:?} {b:?}");
        }
    }

    /// The sum of f32 products in f32 would be 0 here.
    #[test]
    fn the_sum_is_kept_in_f64() {
        let (a, b) = ([1.0, 1e-9, -1.0], [1.0, 1.0, 1.0]);
        assert!((cosine(&a, &b) - 1e-9).abs() < 1e-15);
    }

    /// Python 3.11 with numpy 2.4.6: `round(float(np.float32(x)), 3)`.
    #[test]
    fn similarities_are_rounded_as_python_rounds_f32() {
        let cases = [
            (0.0625, 0.062),
            (0.1875, 0.188),
            (-0.0625, -0.062),
            (0.3125, 0.312),
            (0.4375, 0.438),
            (0.5625, 0.562),
            (0.9375, 0.938),
            (0.12349, 0.123),
            (0.9995, 0.999),
            (0.0005, 0.001),
            (-0.0005, -0.001),
            (0.0015, 0.002),
            (0.0025, 0.002),
            (1.0, 1.0),
            (-0.0001, 0.0),
        ];
        for (similarity, expected) in cases {
            assert_eq!(round_similarity(similarity), expected, "{similarity}");
        }
    }

    proptest! {
        #[test]
        fn rounding_moves_by_half_a_step_at_most(similarity in -1.0..=1.0f64) {
            let rounded = round_similarity(similarity);
            prop_assert!((rounded - similarity).abs() <= 0.0005 + 1e-7);
            prop_assert_eq!(round_similarity(rounded), rounded);
            prop_assert_eq!(round_similarity(-similarity), -rounded);
        }
    }
}
