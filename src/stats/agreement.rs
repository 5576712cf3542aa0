//! How far two judges agree.
//!
//! Owns Cohen's kappa: J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and
//! Psychological Measurement 20(1), 1960.

use std::collections::BTreeMap;

/// The agreement of two judges about the same things.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// The share of things about which both say the same, 0 to 1.
    pub share: f64,
    /// How far that is beyond chance: 0 as chance would have it, 1 everywhere; None where both always say the same one thing.
    pub kappa: Option<f64>,
    /// Number of things, at least 1.
    pub n: usize,
}

/// The agreement of two judges, one of which says `a[i]` of a thing and the other `b[i]`; None without things.
pub fn agreement<T: Ord>(a: &[T], b: &[T]) -> Option<Agreement> {
    assert_eq!(a.len(), b.len(), "both judge the same things");
    let n = a.len() as f64;
    if a.is_empty() {
        return None;
    }
    let mut counts: BTreeMap<&T, [f64; 2]> = BTreeMap::new();
    for (a, b) in a.iter().zip(b) {
        counts.entry(a).or_default()[0] += 1.0;
        counts.entry(b).or_default()[1] += 1.0;
    }
    let share = a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / n;
    let by_chance: f64 = counts.values().map(|[a, b]| a * b / (n * n)).sum();
    Some(Agreement {
        share,
        kappa: (by_chance < 1.0).then(|| (share - by_chance) / (1.0 - by_chance)),
        n: a.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// statsmodels 0.15.0:
    /// ```python
    /// table = np.zeros((3, 3), int)
    /// for q in range(200):
    ///     a = q * q % 7 % 3; b = a if q % 4 else q % 3
    ///     table[a, b] += 1
    /// print(cohens_kappa(table).kappa)
    /// ```
    #[test]
    fn statsmodels_finds_the_same() {
        let a: Vec<u32> = (0..200).map(|q| q * q % 7 % 3).collect();
        let b: Vec<u32> = (0..200)
            .map(|q| if q % 4 > 0 { q * q % 7 % 3 } else { q % 3 })
            .collect();
        for (a, b) in [(&a, &b), (&b, &a)] {
            let found = agreement(a, b).unwrap();
            assert!((found.kappa.unwrap() - 0.7142016559492287).abs() < 1e-12);
            assert_eq!((found.share, found.n), (0.83, 200));
        }
    }

    #[test]
    fn judges_who_know_one_word_have_no_kappa() {
        let found = agreement(&["yes"; 3], &["yes"; 3]).unwrap();
        assert_eq!((found.share, found.kappa), (1.0, None));
        assert_eq!(agreement::<u8>(&[], &[]), None);
    }
}
