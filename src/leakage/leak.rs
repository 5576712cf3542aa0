//! The verdict on one pair.
//!
//! Owns the comparison of two similarities. Where they come from does not matter here.

use super::metric::Rounding;
use super::similarity::rounded;

/// The verdict on whether the concept leaked into the test generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leak {
    /// The test generation is closer to the concept than the control generation.
    Leak,
    /// Both are equally close.
    Tie,
    /// The control generation is closer.
    NoLeak,
}

impl Leak {
    /// Compares the similarities of the concept to both generations, each rounded first as in the published work.
    ///
    /// Both must be finite.
    pub fn of(similarity_test: f64, similarity_control: f64) -> Self {
        Self::with_rounding(similarity_test, similarity_control, Rounding::PUBLISHED)
    }

    /// As [`Self::of`], with another rounding.
    pub fn with_rounding(
        similarity_test: f64,
        similarity_control: f64,
        rounding: Rounding,
    ) -> Self {
        let is_finite = similarity_test.is_finite() && similarity_control.is_finite();
        assert!(is_finite, "embeddings are checked to be finite");
        let test = rounded(similarity_test, rounding);
        let control = rounded(similarity_control, rounding);
        if test > control {
            Self::Leak
        } else if test < control {
            Self::NoLeak
        } else {
            Self::Tie
        }
    }

    /// Returns the number that the verdict counts as: 1, 0.5 or 0.
    pub fn value(self) -> f64 {
        match self {
            Self::Leak => 1.0,
            Self::Tie => 0.5,
            Self::NoLeak => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rounding_comes_before_the_comparison() {
        let cases = [
            (0.5, 0.4, Leak::Leak),
            (0.4, 0.5, Leak::NoLeak),
            (0.4, 0.4, Leak::Tie),
            (0.4004, 0.3996, Leak::Tie),
            (0.4006, 0.4004, Leak::Leak),
            (-0.2, -0.3, Leak::Leak),
            (-0.0001, 0.0001, Leak::Tie),
        ];
        for (test, control, expected) in cases {
            assert_eq!(Leak::of(test, control), expected, "{test} {control}");
        }
    }

    #[test]
    fn another_rounding_gives_other_ties() {
        let verdict = |decimals| Leak::with_rounding(0.4004, 0.3996, Rounding(decimals));
        assert_eq!(
            [None, Some(4), Some(3), Some(0)].map(verdict),
            [Leak::Leak, Leak::Leak, Leak::Tie, Leak::Tie]
        );
    }

    proptest! {
        #[test]
        fn swapping_the_similarities_mirrors_the_verdict(a in -1.0..=1.0f64, b in -1.0..=1.0f64) {
            prop_assert_eq!(Leak::of(a, b).value() + Leak::of(b, a).value(), 1.0);
        }
    }
}
