//! Heterogeneity: does a mean of clustered values depend on the category that they are in?
//!
//! Owns the statistic and its p-value. With d_k the mean of category k, v_k its variance CR2 over clusters and
//! w_k = 1 / v_k, the statistic is the sum of w_k (d_k - d)² with d the mean of d_k weighted by w_k: the numerator of
//! B. L. Welch, "On the Comparison of Several Mean Values: An Alternative Approach", Biometrika 38, 1951, times one less
//! than there are categories. It needs no equal variances. The p-value is the share of assignments of clusters to
//! categories, each keeping its values and each category as many clusters, with a statistic at least as large: all of them
//! where they are few, else random ones with the one found among them, as in `permutation`.
//!
//! A cluster with values of several categories is taken as one cluster for each of them. What these have in common moves
//! the means of all categories alike, so they lie nearer together than those of random assignments do: the test then
//! rejects less often than it says, not more often.

use std::collections::BTreeMap;

use super::draws::Draws;
use super::permutation::{N_PERMUTATIONS_MAX, Permutations};
use super::sign_flip::PValue;

/// Statistics nearer than this, or this share of them, are equal but for rounding.
const TOLERANCE: f64 = 1e-9;

/// The least variance of a category, as a share of that which as many clusters of all categories have: clusters that agree
/// by chance, such as two without any difference, have no infinite weight.
const VARIANCE_SHARE_MIN: f64 = 1e-3;

/// The fewest clusters of a category that show a variance.
const N_CLUSTERS_MIN: usize = 2;

/// The test that means do not depend on the category.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heterogeneity {
    /// The weighted sum of squares, 0 or more.
    pub statistic: f64,
    /// How likely one at least as large is where the category does not matter.
    pub p_value: PValue,
    /// Categories with at least two clusters, at least 2; the others are left out.
    pub n_categories: usize,
}

/// The values of one cluster in one category.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    n: f64,
    sum: f64,
}

/// Tests if the mean of `values[i]` depends on `categories[i]`, where value i belongs to the cluster named `clusters[i]`.
///
/// None where fewer than two categories have two clusters.
pub fn heterogeneity(
    values: &[f64],
    clusters: &[usize],
    categories: &[usize],
    permutations: Permutations,
) -> Option<Heterogeneity> {
    assert_eq!(values.len(), clusters.len(), "every value has its cluster");
    assert_eq!(values.len(), categories.len(), "and its category");
    let mut by_category: BTreeMap<usize, BTreeMap<usize, Part>> = BTreeMap::new();
    for ((value, cluster), category) in values.iter().zip(clusters).zip(categories) {
        let parts = by_category.entry(*category).or_default();
        let part = parts.entry(*cluster).or_default();
        part.n += 1.0;
        part.sum += value;
    }
    by_category.retain(|_, parts| parts.len() >= N_CLUSTERS_MIN);
    let n_categories = by_category.len();
    if n_categories < 2 {
        return None;
    }
    let parts = by_category.into_values().zip(0u8..);
    let (parts, labels): (Vec<Part>, Vec<u8>) = parts
        .flat_map(|(parts, label)| parts.into_values().map(move |part| (part, label)))
        .unzip();
    let units = Units::new(parts, n_categories);
    let statistic = units.statistic(&labels);
    Some(Heterogeneity {
        statistic,
        p_value: p_value(&units, labels, permutations),
        n_categories,
    })
}

/// The parts that are assigned to categories.
struct Units {
    parts: Vec<Part>,
    n_categories: usize,
    /// The variance of the mean of one cluster of all categories.
    variance_of_one: f64,
}

impl Units {
    fn new(mut parts: Vec<Part>, n_categories: usize) -> Self {
        let (mean, variance) = mean_and_variance(parts.iter());
        for part in &mut parts {
            part.sum -= part.n * mean;
        }
        Self {
            variance_of_one: variance * parts.len() as f64,
            parts,
            n_categories,
        }
    }

    /// The least statistic that counts as large as that of `labels`.
    fn least(&self, labels: &[u8]) -> f64 {
        let found = self.statistic(labels);
        found - TOLERANCE * (1.0 + found)
    }

    /// 0 where all clusters have one mean.
    fn statistic(&self, labels: &[u8]) -> f64 {
        if self.variance_of_one <= f64::EPSILON {
            return 0.0;
        }
        let (mut weights, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for label in 0..self.n_categories {
            let meant = || {
                let both = self.parts.iter().zip(labels);
                both.filter(|(_, it)| usize::from(**it) == label)
                    .map(|(part, _)| part)
            };
            let (mean, variance) = mean_and_variance(meant());
            let least = VARIANCE_SHARE_MIN * self.variance_of_one / meant().count() as f64;
            let weight = variance.max(least).recip();
            weights += weight;
            sum += weight * mean;
            squares += weight * mean * mean;
        }
        (squares - sum * sum / weights).max(0.0)
    }
}

/// The mean of all values and its variance CR2.
fn mean_and_variance<'p>(parts: impl Iterator<Item = &'p Part> + Clone) -> (f64, f64) {
    let total = parts.clone().fold(Part::default(), |total, part| Part {
        n: total.n + part.n,
        sum: total.sum + part.sum,
    });
    let mean = total.sum / total.n;
    let squares = parts.map(|part| {
        let residual = part.sum - part.n * mean;
        residual * residual / (1.0 - part.n / total.n)
    });
    (mean, squares.sum::<f64>() / (total.n * total.n))
}

/// The p-value of the assignment `labels`, which are in order.
fn p_value(units: &Units, labels: Vec<u8>, permutations: Permutations) -> PValue {
    match count_assignments(&labels) {
        Some(n) if n <= N_PERMUTATIONS_MAX => PValue {
            value: exact_share(units, labels),
            n_draws: None,
        },
        _ => PValue {
            value: random_share(units, labels, permutations),
            n_draws: Some(permutations.n_draws),
        },
    }
}

fn exact_share(units: &Units, mut labels: Vec<u8>) -> f64 {
    let (least, mut n_as_far, mut n) = (units.least(&labels), 1u32, 1u32);
    while next_assignment(&mut labels) {
        n_as_far += u32::from(units.statistic(&labels) >= least);
        n += 1;
    }
    f64::from(n_as_far) / f64::from(n)
}

/// The assignment found is counted among the random ones.
fn random_share(units: &Units, mut labels: Vec<u8>, permutations: Permutations) -> f64 {
    let (least, mut n_as_far) = (units.least(&labels), 1u32);
    let mut draws = Draws::new(permutations.seed);
    for _ in 0..permutations.n_draws {
        draws.shuffle(&mut labels);
        n_as_far += u32::from(units.statistic(&labels) >= least);
    }
    f64::from(n_as_far) / (f64::from(permutations.n_draws) + 1.0)
}

/// The number of different orders of labels that are in order; None where it is above 64 bits.
fn count_assignments(labels: &[u8]) -> Option<u64> {
    let (mut count, mut n_equal) = (1u64, 0u64);
    for (place, label) in labels.iter().enumerate() {
        let is_equal = place > 0 && labels[place - 1] == *label;
        n_equal = if is_equal { n_equal + 1 } else { 1 };
        count = count.checked_mul(place as u64 + 1)? / n_equal;
    }
    Some(count)
}

/// Puts the next order of labels in the place of this one; false after the last.
fn next_assignment(labels: &mut [u8]) -> bool {
    let Some(fall) = labels.windows(2).rposition(|pair| pair[0] < pair[1]) else {
        return false;
    };
    let larger = labels.iter().rposition(|label| *label > labels[fall]);
    labels.swap(fall, larger.expect("the label behind the rise is larger"));
    labels[fall + 1..].reverse();
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERMUTATIONS: Permutations = Permutations {
        seed: 1,
        n_draws: 9_999,
    };
    const VALUES: [f64; 12] = [
        0.1, 0.3, 0.2, 0.25, -0.1, 0.0, 0.05, 0.5, 0.1, 0.2, 0.15, 0.35,
    ];
    const CATEGORIES: [usize; 12] = [0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2];

    fn each_alone() -> Vec<usize> {
        (0..12).collect()
    }

    /// R 4.2.2: `oneway.test(y ~ factor(g))` gives F = 0.48659060911856206. It is the statistic by k - 1 = 2 and by 1 + 2 (k - 2) / (k² - 1) times the sum of (1 - w / sum of w)² / (n - 1).
    #[test]
    fn the_statistic_is_welchs() {
        let found = heterogeneity(&VALUES, &each_alone(), &CATEGORIES, PERMUTATIONS).unwrap();
        let by_category = [&VALUES[..4], &VALUES[4..9], &VALUES[9..]];
        let weights = by_category.map(|values| {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            n * (n - 1.0)
                / values
                    .iter()
                    .map(|value| (value - mean).powi(2))
                    .sum::<f64>()
        });
        let total: f64 = weights.iter().sum();
        let terms = weights.iter().zip(by_category);
        let terms =
            terms.map(|(w, values)| (1.0 - w / total).powi(2) / (values.len() as f64 - 1.0));
        let f = found.statistic / 2.0 / (1.0 + 2.0 / 8.0 * terms.sum::<f64>());
        assert!((f - 0.48659060911856206).abs() < 1e-9, "{f}");
        assert_eq!(found.n_categories, 3);
    }

    /// scipy 1.17.1, every assignment by itself (12! / (4! 5! 3!) = 27,720):
    /// ```python
    /// def q(*groups):
    ///     d, w = np.array([g.mean() for g in groups]), np.array([len(g) / g.var(ddof=1) for g in groups])
    ///     return (w * (d - (w * d).sum() / w.sum()) ** 2).sum()
    /// stats.permutation_test((y[:4], y[4:9], y[9:]), q, permutation_type="independent", alternative="greater",
    ///                        n_resamples=np.inf).pvalue
    /// ```
    #[test]
    fn scipy_counts_the_same() {
        let found = heterogeneity(&VALUES, &each_alone(), &CATEGORIES, PERMUTATIONS).unwrap();
        assert_eq!(found.p_value.n_draws, None);
        assert!(
            (found.p_value.value - 0.6439393939393939).abs() < 1e-12,
            "{found:?}"
        );
    }

    #[test]
    fn random_assignments_come_near_to_all_of_them() {
        let parts = VALUES.map(|sum| Part { n: 1.0, sum });
        let labels = CATEGORIES.iter().map(|label| *label as u8).collect();
        let share = random_share(&Units::new(parts.to_vec(), 3), labels, PERMUTATIONS);
        // Four standard errors of a share of 0.64 in 9,999 draws.
        assert!((share - 0.6439393939393939).abs() < 0.02, "{share}");
    }

    /// Values that do not depend on the category are rejected as often as the p-value says, also where clusters have
    /// several values and part of them are in two categories.
    #[test]
    fn it_rejects_no_more_often_than_it_says() {
        let permutations = Permutations {
            seed: 1,
            n_draws: 99,
        };
        let mut draws = Draws::new(3);
        for is_mixed in [false, true] {
            let mut n_rejected = 0;
            for _ in 0..400 {
                let (mut values, mut clusters, mut categories) = (vec![], vec![], vec![]);
                for cluster in 0..16 {
                    let shared = draws.next_uniform();
                    for pair in 0..2 + cluster % 3 {
                        values.push(shared + draws.next_uniform());
                        clusters.push(cluster);
                        categories.push(if is_mixed { pair % 2 } else { cluster % 2 });
                    }
                }
                let found = heterogeneity(&values, &clusters, &categories, permutations).unwrap();
                n_rejected += u32::from(found.p_value.value <= 0.05);
            }
            // Four standard errors of 5 % in 400.
            assert!(n_rejected <= 38, "{n_rejected}");
            assert_eq!(n_rejected >= 4, !is_mixed, "{n_rejected}");
        }
    }

    #[test]
    fn what_cannot_be_tested_is_left_out() {
        let of = |values: &[f64], clusters: &[usize], categories: &[usize]| {
            heterogeneity(values, clusters, categories, PERMUTATIONS)
        };
        assert_eq!(of(&[0.1, 0.2, 0.3], &[0, 1, 2], &[0, 0, 1]), None);
        assert_eq!(of(&[], &[], &[]), None);
        let same = of(&[0.5; 4], &[0, 1, 2, 3], &[0, 0, 1, 1]).unwrap();
        assert_eq!((same.statistic, same.p_value.value), (0.0, 1.0));
        // Two clusters without any difference do not outweigh everything.
        let found = of(
            &[0.0, 0.0, 0.1, -0.1, 0.2],
            &[0, 1, 2, 3, 4],
            &[0, 0, 1, 1, 1],
        )
        .unwrap();
        assert!(found.p_value.value > 0.1, "{found:?}");
    }

    proptest! {
        #[test]
        fn order_and_names_change_nothing(
            (ordered, shuffled) in prop::collection::vec((-10i32..=10, 0usize..5, 0usize..3), 4..10)
                .prop_flat_map(|found| (Just(found.clone()), Just(found).prop_shuffle()))
        ) {
            let of = |found: &[(i32, usize, usize)], shift: f64, rename: &dyn Fn(usize) -> usize| {
                let values: Vec<f64> = found.iter().map(|(value, ..)| f64::from(*value) / 8.0 + shift).collect();
                let clusters: Vec<usize> = found.iter().map(|(_, cluster, _)| rename(*cluster)).collect();
                let categories: Vec<usize> = found.iter().map(|(.., category)| rename(*category)).collect();
                heterogeneity(&values, &clusters, &categories, PERMUTATIONS)
            };
            let (a, b) = (of(&ordered, 0.0, &|name| name), of(&shuffled, 0.5, &|name| 9 - name));
            prop_assert_eq!(a.is_some(), b.is_some());
            if let (Some(a), Some(b)) = (a, b) {
                prop_assert!((a.statistic - b.statistic).abs() < 1e-6 * (1.0 + a.statistic));
                if a.p_value.n_draws.is_none() {
                    prop_assert_eq!(a.p_value, b.p_value);
                }
            }
        }
    }
}
