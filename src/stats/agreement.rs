//! How far two judges agree.
//!
//! Owns Cohen's kappa: J. Cohen, "A Coefficient of Agreement for Nominal Scales", Educational and
//! Psychological Measurement 20(1), 1960.
//!
//! Its standard error is that of the delta method: J. L. Fleiss, J. Cohen and B. S. Everitt, "Large Sample Standard
//! Errors of Kappa and Weighted Kappa", Psychological Bulletin 72(5), 1969. With s the share of equal judgements, e
//! that by chance, and p_a(x) and p_b(x) how often each judge says x, one thing of which they say a_i and b_i moves
//! kappa = (s - e) / (1 - e) by
//!
//! > u_i = ((\[a_i = b_i\] - s) (1 - e) - (p_b(a_i) + p_a(b_i) - 2 e) (1 - s)) / (1 - e)²
//!
//! divided by n. Things that share something are not independent: the u_i of a cluster are added up first, as in
//! Z. Yang and M. Zhou, "Kappa Statistic for Clustered Matched-Pair Data", Statistics in Medicine 33(15), 2014, and
//! their mean has the standard error and the degrees of freedom of any other mean here (`interval`).

use std::collections::BTreeMap;

use super::interval::{ClusterMean, Interval, cluster_mean, robust_mean};

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

/// The agreement of two judges about things that come in clusters, with intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusteredAgreement {
    /// The share of things about which both say the same, 0 to 1.
    pub share: ClusterMean,
    /// How far that is beyond chance; None where both always say the same one thing.
    pub kappa: Option<Kappa>,
}

/// Cohen's kappa.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kappa {
    /// 0 as chance would have it, 1 where the judges say the same everywhere; -1 or more.
    pub value: f64,
    /// Its cluster-robust standard error, 0 or more; None with a single cluster.
    pub standard_error: Option<f64>,
    /// Its interval, whose ends may lie outside of -1 to 1; None with a single cluster.
    pub interval: Option<Interval>,
}

/// The agreement of two judges, one of which says `a[i]` of a thing and the other `b[i]`; None without things.
pub fn agreement<T: Ord>(a: &[T], b: &[T]) -> Option<Agreement> {
    assert_eq!(a.len(), b.len(), "both judge the same things");
    if a.is_empty() {
        return None;
    }
    let share = a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / a.len() as f64;
    let by_chance = by_chance(&said(a, b), a.len());
    Some(Agreement {
        share,
        kappa: (by_chance < 1.0).then(|| (share - by_chance) / (1.0 - by_chance)),
        n: a.len(),
    })
}

/// The same of things that belong to the clusters named `clusters[i]`, with intervals of the coverage `level`, between
/// 0 and 1.
///
/// Where kappa has no variance its interval is that of the share, with the agreement by chance as it was found.
pub fn clustered_agreement<T: Ord>(
    a: &[T],
    b: &[T],
    clusters: &[usize],
    level: f64,
) -> Option<ClusteredAgreement> {
    let found = agreement(a, b)?;
    let n = a.len() as f64;
    let both = || a.iter().zip(b);
    let equal: Vec<f64> = both().map(|(a, b)| f64::from(u8::from(a == b))).collect();
    let share = cluster_mean(&equal, clusters, level)?;
    let counts = said(a, b);
    let chance = by_chance(&counts, a.len());
    let beyond = 1.0 - chance;
    let kappa = found.kappa.map(|value| {
        let moves = both().zip(&equal).map(|((a, b), equal)| {
            let crossed = (counts[a][1] + counts[b][0]) / n - 2.0 * chance;
            ((equal - found.share) * beyond - crossed * (1.0 - found.share)) / (beyond * beyond)
        });
        let mean = robust_mean(&moves.collect::<Vec<_>>(), clusters);
        let around_value = |interval: Interval| Interval {
            lower: value + interval.lower,
            upper: value + interval.upper,
        };
        let of_share = |_| {
            let of = |end: f64| (end - chance) / beyond - value;
            let ends = share.interval.expect("there are clusters, as for kappa");
            Interval {
                lower: of(ends.lower),
                upper: of(ends.upper),
            }
        };
        Kappa {
            value,
            standard_error: mean.standard_error,
            interval: mean.interval(level, of_share).map(around_value),
        }
    });
    Some(ClusteredAgreement { share, kappa })
}

/// How often each of two judges says each thing that one of them says.
fn said<'t, T: Ord>(a: &'t [T], b: &'t [T]) -> BTreeMap<&'t T, [f64; 2]> {
    let mut counts: BTreeMap<&T, [f64; 2]> = BTreeMap::new();
    for (a, b) in a.iter().zip(b) {
        counts.entry(a).or_default()[0] += 1.0;
        counts.entry(b).or_default()[1] += 1.0;
    }
    counts
}

/// The share of `n` things about which they would say the same by chance.
fn by_chance<T>(counts: &BTreeMap<&T, [f64; 2]>, n: usize) -> f64 {
    let n = n as f64;
    counts.values().map(|[a, b]| a * b / (n * n)).sum()
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

    /// Judgements of 200 things.
    fn judged() -> [Vec<usize>; 2] {
        let (a, b) = (|q: usize| q * q % 7 % 3, |q: usize| q % 3);
        let second = |q| if q % 4 > 0 { a(q) } else { b(q) };
        [(0..200).map(a).collect(), (0..200).map(second).collect()]
    }

    fn check(cluster_of: fn(usize) -> usize, expected: [f64; 3]) {
        let [a, b] = judged();
        let clusters: Vec<usize> = (0..200).map(cluster_of).collect();
        let found = clustered_agreement(&a, &b, &clusters, 0.95).unwrap();
        let plain = agreement(&a, &b).unwrap();
        let kappa = found.kappa.unwrap();
        assert_eq!(
            (found.share.mean, Some(kappa.value)),
            (plain.share, plain.kappa)
        );
        let interval = kappa.interval.unwrap();
        let figures = [
            kappa.standard_error.unwrap(),
            interval.lower,
            interval.upper,
        ];
        for (found, expected) in figures.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }

    /// R 4.2.2 with survey 4.1.1, for things alone and in clusters of ten, of two kinds:
    /// ```r
    /// q <- 0:199; a <- q^2 %% 7 %% 3
    /// d <- data.frame(a = factor(a), b = factor(ifelse(q %% 4 > 0, a, q %% 3)))
    /// for (g in list(q, q %% 20, q %/% 10)) {
    ///   x <- svykappa(~a + b, svydesign(~g, weights = ~1, data = cbind(d, g)))
    ///   print(c(SE(x), confint(x, df = length(unique(g)) - 1)), digits = 17)
    /// }
    /// ```
    /// The first standard error is `cohens_kappa(table).std_kappa` of statsmodels 0.15.0, times sqrt(200 / 199).
    #[test]
    fn survey_finds_the_same_standard_errors() {
        check(
            |q| q,
            [0.04406270121831561, 0.6273119239243616, 0.8010913879740957],
        );
        check(
            |q| q % 20,
            [0.1130195406852647, 0.4776490386767911, 0.9507542732216663],
        );
        check(
            |q| q / 10,
            [0.02514008956105145, 0.6615828437679687, 0.7668204681304887],
        );
    }

    /// The share is at least 0.43448 of 1: statsmodels 0.15.0, `proportion_confint(5, 5, 0.05, "wilson")`.
    #[test]
    fn judges_who_never_differ_are_not_certain_to_agree() {
        let said = [0, 1, 0, 1, 0, 1];
        let found = clustered_agreement(&said, &said, &[0, 1, 2, 3, 4, 4], 0.95).unwrap();
        let kappa = found.kappa.unwrap();
        assert_eq!((kappa.value, kappa.standard_error), (1.0, Some(0.0)));
        let interval = kappa.interval.unwrap();
        let lower = 1.0 - 0.43448246478317487;
        assert!((interval.lower - (lower - 0.5) / 0.5).abs() < 1e-9);
        assert!((interval.upper - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_single_cluster_has_no_interval() {
        let found = clustered_agreement(&[0, 1, 1], &[0, 1, 0], &[7; 3], 0.95).unwrap();
        let kappa = found.kappa.unwrap();
        assert_eq!((kappa.standard_error, kappa.interval), (None, None));
        assert_eq!(found.share.interval, None);
        let one_word = clustered_agreement(&["yes"; 3], &["yes"; 3], &[0, 1, 2], 0.95).unwrap();
        assert_eq!(one_word.kappa, None);
        assert_eq!(clustered_agreement::<u8>(&[], &[], &[], 0.95), None);
    }
}
