//! The variance of a mean of values that come in clusters, and in clusters of two kinds that cross.
//!
//! Owns the estimates and their degrees of freedom; `interval` says which formula one kind of cluster has.
//!
//! Prompts and concepts cross: each value belongs to a cluster of prompts and to a concept, and shares something with
//! the other values of both. Then
//!
//! > V = V_prompts + V_concepts - V_both
//!
//! the last of values that share both, and V is at least the larger of the first two; degrees of freedom are the fewer of
//! both. A. C. Cameron, J. B. Gelbach and D. L. Miller, "Robust Inference With Multiway Clustering", Journal of Business &
//! Economic Statistics 29(2), 2011; J. G. MacKinnon, M. Ø. Nielsen and M. D. Webb, arXiv 2406.08880.
//!
//! A value that compares its concept with others depends on them too. Of such values V_concepts and V_both are those of
//! the jackknife: the mean is made again without a concept, that is without its values and without all comparisons with
//! it, everywhere for V_concepts and in a single cluster of prompts for V_both, and with n such means m_i of a mean m the
//! variance is (n - 1) / n times the sum of (m_i - m)².

use std::collections::{BTreeMap, BTreeSet};

/// The clusters of values.
#[derive(Debug, Clone, Copy)]
pub struct Clustering<'a> {
    clusters: &'a [usize],
    crossing: Option<&'a Crossing>,
}

/// A second kind of clusters, which cross the first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Crossing {
    /// The second cluster of each value.
    pub clusters: Vec<usize>,
    /// For each value the second clusters besides its own that it depends on, and how it changes where one is left out;
    /// None where nothing is left of it then. Empty where values depend on their own only.
    pub changes: Vec<Vec<(usize, Option<f64>)>>,
}

/// The variance of a mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variance {
    /// None with a single cluster of either kind.
    pub(super) variance: Option<f64>,
    pub(super) degrees_of_freedom: f64,
    /// Clusters; of two kinds the fewer.
    pub(super) n_agreeing: usize,
}

impl<'a> From<&'a [usize]> for Clustering<'a> {
    fn from(clusters: &'a [usize]) -> Self {
        Self {
            clusters,
            crossing: None,
        }
    }
}

impl<'a> From<&'a Vec<usize>> for Clustering<'a> {
    fn from(clusters: &'a Vec<usize>) -> Self {
        clusters.as_slice().into()
    }
}

impl<'a, const N: usize> From<&'a [usize; N]> for Clustering<'a> {
    fn from(clusters: &'a [usize; N]) -> Self {
        clusters.as_slice().into()
    }
}

impl<'a> Clustering<'a> {
    /// These clusters, crossed by others where there are some.
    pub fn crossed(clusters: &'a [usize], crossing: Option<&'a Crossing>) -> Self {
        Self { clusters, crossing }
    }

    pub(super) fn clusters(&self) -> &'a [usize] {
        self.clusters
    }

    pub(super) fn is_crossed(&self) -> bool {
        self.crossing.is_some()
    }

    pub(super) fn n_clusters(&self) -> usize {
        self.clusters.iter().collect::<BTreeSet<_>>().len()
    }

    /// The variance of the mean of at least one value.
    pub(super) fn variance(&self, values: &[f64]) -> Variance {
        let n_values = values.len();
        assert_eq!(n_values, self.clusters.len(), "every value has its cluster");
        let first = one_way(values, self.clusters);
        let Some(crossing) = self.crossing else {
            return first;
        };
        assert_eq!(n_values, crossing.clusters.len(), "and its second one");
        let mut second = one_way(values, &crossing.clusters);
        let cells: Vec<(usize, usize)> = self
            .clusters
            .iter()
            .copied()
            .zip(crossing.clusters.iter().copied())
            .collect();
        let mut both = one_way(values, &cells).variance;
        if !crossing.changes.is_empty() {
            let jackknife = Jackknife::new(values, self.clusters, crossing);
            second.variance = second.variance.and_then(|_| jackknife.everywhere());
            both = jackknife.in_clusters();
        }
        let sum = || {
            let (first, second) = (first.variance?, second.variance?);
            let both = both.unwrap_or(0.0);
            Some((first + second - both).max(first).max(second))
        };
        Variance {
            variance: sum(),
            degrees_of_freedom: first.degrees_of_freedom.min(second.degrees_of_freedom),
            n_agreeing: first.n_agreeing.min(second.n_agreeing),
        }
    }
}

/// The estimator CR2 of a mean, with Satterthwaite's degrees of freedom.
fn one_way<K: Ord + Copy>(values: &[f64], clusters: &[K]) -> Variance {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let mut of_clusters: BTreeMap<K, (usize, f64)> = BTreeMap::new();
    for (value, cluster) in values.iter().zip(clusters) {
        let (size, residual) = of_clusters.entry(*cluster).or_default();
        *size += 1;
        *residual += value - mean;
    }
    let squares = of_clusters.values().map(|(size, residual)| {
        let share = *size as f64 / n;
        residual * residual / (1.0 - share)
    });
    let sizes: Vec<usize> = of_clusters.values().map(|(size, _)| *size).collect();
    Variance {
        variance: (sizes.len() > 1).then(|| squares.sum::<f64>() / (n * n)),
        degrees_of_freedom: degrees_of_freedom(&sizes),
        n_agreeing: sizes.len(),
    }
}

/// Satterthwaite's degrees of freedom of the estimator CR2 of a mean over clusters of these sizes, each at least 1;
/// 0 with a single cluster.
pub fn degrees_of_freedom(cluster_sizes: &[usize]) -> f64 {
    if cluster_sizes.len() < 2 {
        return 0.0;
    }
    let n: usize = cluster_sizes.iter().sum();
    let (mut squares, mut sum, mut sum_of_squares) = (0.0, 0.0, 0.0);
    for size in cluster_sizes {
        let share = *size as f64 / n as f64;
        let term = share * share / (1.0 - share);
        squares += share * share;
        sum += term;
        sum_of_squares += term * term;
    }
    1.0 / (squares + sum * sum - sum_of_squares)
}

/// The means without a second cluster.
struct Jackknife {
    sum: f64,
    n: f64,
    /// The amount that leaving out takes from sum and number, by cluster and second cluster.
    taken: BTreeMap<(usize, usize), [f64; 2]>,
}

impl Jackknife {
    fn new(values: &[f64], clusters: &[usize], crossing: &Crossing) -> Self {
        let mut taken: BTreeMap<(usize, usize), [f64; 2]> = BTreeMap::new();
        let mut take = |key, value: f64, n: f64| {
            let [sum, number] = taken.entry(key).or_default();
            *sum += value;
            *number += n;
        };
        let second = crossing.clusters.iter().zip(&crossing.changes);
        for ((value, cluster), (own, changes)) in values.iter().zip(clusters).zip(second) {
            take((*cluster, *own), *value, 1.0);
            for (other, change) in changes {
                match change {
                    Some(change) => take((*cluster, *other), -change, 0.0),
                    None => take((*cluster, *other), *value, 1.0),
                }
            }
        }
        Self {
            sum: values.iter().sum(),
            n: values.len() as f64,
            taken,
        }
    }

    /// Of means without a second cluster; None where nothing is left without one.
    fn everywhere(&self) -> Option<f64> {
        let mut taken: BTreeMap<usize, [f64; 2]> = BTreeMap::new();
        for ((_, second), [sum, n]) in &self.taken {
            let all = taken.entry(*second).or_default();
            *all = [all[0] + sum, all[1] + n];
        }
        self.variance(taken.into_values())
    }

    /// Of means without a second cluster in a single first one.
    fn in_clusters(&self) -> Option<f64> {
        self.variance(self.taken.values().copied())
    }

    fn variance(&self, taken: impl ExactSizeIterator<Item = [f64; 2]>) -> Option<f64> {
        let (n_means, mean) = (taken.len() as f64, self.sum / self.n);
        let mut squares = 0.0;
        for [sum, n] in taken {
            if self.n - n < 0.5 {
                return None;
            }
            squares += ((self.sum - sum) / (self.n - n) - mean).powi(2);
        }
        Some((n_means - 1.0) / n_means * squares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{SignFlips, cluster_mean, paired_difference};

    /// Values from 0 to 1 that look irregular.
    fn made(factor: usize) -> Vec<f64> {
        let made = (0..60).map(|k| ((k * k * factor + 13 * k) % 101) as f64 / 100.0);
        made.collect()
    }

    fn check(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    /// R 4.2.2, one way by the definition of CR2 with the matrix of weights of each cluster; the two standard errors, and
    /// with 5.4439705312136475 degrees of freedom the interval of the first and the p-value of the second:
    /// ```r
    /// cr2 <- function(y, g) {
    ///   n <- length(y); e <- y - mean(y)
    ///   sum(sapply(unique(g), function(c) {
    ///     i <- which(g == c); s <- eigen(diag(length(i)) - 1 / n)
    ///     a <- s$vectors %*% diag(1 / sqrt(s$values), length(i)) %*% t(s$vectors)
    ///     sum(a %*% e[i])^2
    ///   })) / n^2
    /// }
    /// made <- function(n, f) { k <- 0:(n - 1); (k * k * f + 13 * k) %% 101 / 100 }
    /// k <- 0:59; t <- k %% 12; c <- (k^2 + k %/% 12) %% 7
    /// two <- function(y) { a <- cr2(y, t); b <- cr2(y, c); sqrt(max(a + b - cr2(y, 100 * t + c), a, b)) }
    /// two(made(60, 3)); two(made(60, 8) - made(60, 3))
    /// ```
    #[test]
    fn two_ways_are_the_sum_less_what_both_share() {
        let clusters: Vec<usize> = (0..60).map(|k| k % 12).collect();
        let crossing = Crossing {
            clusters: (0..60).map(|k| (k * k + k / 12) % 7).collect(),
            changes: Vec::new(),
        };
        let clustering = Clustering::crossed(&clusters, Some(&crossing));
        let found = cluster_mean(&made(3), clustering, 0.95).unwrap();
        check(found.standard_error.unwrap(), 0.04778503870487698);
        check(found.degrees_of_freedom, 5.4439705312136475);
        let interval = found.interval.unwrap();
        check(interval.lower, 0.4401174124552799);
        check(interval.upper, 0.6798825875447202);
        let flips = SignFlips {
            seed: 1,
            n_draws: 99,
        };
        let found = paired_difference(&made(3), &made(8), clustering, 0.95, flips).unwrap();
        check(found.standard_error.unwrap(), 0.05438846742981201);
        check(found.p_value.value, 0.15984926954123357);
        assert_eq!(found.p_value.n_draws, None);
    }

    /// Three of five concepts in each of six templates; how template, concept and sibling compare is made up.
    fn templates() -> Vec<[usize; 3]> {
        (0..6).map(|t| [t % 5, (t + 1) % 5, (t + 3) % 5]).collect()
    }

    fn compared(t: usize, c: usize, o: usize) -> f64 {
        ((t * t * 7 + c * 11 + o * 5 + 13 * c * o + 3 * t * o) % 17) as f64 / 16.0
    }

    /// Python 3.11 with numpy 2.4.6 and scipy 1.17.1; `cr2` as above, all means made again from the comparisons:
    /// ```python
    /// tem = [[t % 5, (t + 1) % 5, (t + 3) % 5] for t in range(6)]
    /// s = lambda t, c, o: ((t*t*7 + c*11 + o*5 + 13*c*o + 3*t*o) % 17) / 16
    /// def est(skip=lambda t, c: False):
    ///     rest = [(t, c, [o for o in cs if o != c and not skip(t, o)])
    ///             for t, cs in enumerate(tem) for c in cs if not skip(t, c)]
    ///     return np.mean([np.mean([s(t, c, o) for o in os]) for t, c, os in rest if os])
    /// jack = lambda x: (len(x) - 1) / len(x) * sum((a - est())**2 for a in x)
    /// jc = jack([est(lambda t, c, k=k: c == k) for k in range(5)])
    /// jb = jack([est(lambda t, c, k=k, u=u: c == k and t == u) for u, cs in enumerate(tem) for k in cs])
    /// v = max(vt + jc - jb, vt, jc)
    /// ```
    #[test]
    fn comparisons_with_a_concept_are_left_out_with_it() {
        let (mut values, mut clusters, mut crossing) = (vec![], vec![], Crossing::default());
        for (t, concepts) in templates().into_iter().enumerate() {
            for c in concepts {
                let others: Vec<usize> = concepts.into_iter().filter(|o| *o != c).collect();
                let mean = (compared(t, c, others[0]) + compared(t, c, others[1])) / 2.0;
                values.push(mean);
                clusters.push(t);
                crossing.clusters.push(c);
                let without = |o: usize, rest: usize| (o, Some(compared(t, c, rest) - mean));
                let changes = [without(others[0], others[1]), without(others[1], others[0])];
                crossing.changes.push(changes.to_vec());
            }
        }
        let clustering = Clustering::crossed(&clusters, Some(&crossing));
        let found = cluster_mean(&values, clustering, 0.95).unwrap();
        check(found.mean, 0.5885416666666666);
        check(found.standard_error.unwrap(), 0.11210207718243574);
        check(found.degrees_of_freedom, 3.9137380191693287);
        let interval = found.interval.unwrap();
        check(interval.lower, 0.2745721587833774);
        check(interval.upper, 0.9025111745499559);
    }

    #[test]
    fn a_single_concept_says_nothing_of_others() {
        let crossing = Crossing {
            clusters: vec![3; 4],
            changes: Vec::new(),
        };
        let clusters = [0, 0, 1, 1];
        let clustering = Clustering::crossed(&clusters, Some(&crossing));
        let found = cluster_mean(&[0.1, 0.4, 0.3, 0.9], clustering, 0.95).unwrap();
        assert_eq!((found.standard_error, found.interval), (None, None));
    }
}
