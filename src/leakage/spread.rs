//! Spread: how far texts move towards the concept, and how different the texts of a prompt are.
//!
//! Owns what is compared beside a leak probability. That is an area under a curve: a flatter distribution of texts moves it
//! towards one half at the same mean similarities, which is no less leakage.

use std::collections::BTreeMap;

use itertools::Itertools as _;

use super::comparison::Clusters;
use super::estimate::PairEstimate;
use super::figure::LEVEL;
use crate::stats::{ClusterMean, Clustering, Crossing, cluster_mean_about_zero};

/// The spread of one pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairSpread {
    /// How much closer to the concept test texts are than control texts, on average, -2 to 2.
    pub similarity_shift: f64,
    /// Entropy of the texts of the test prompt in bits; None of a single repeat.
    pub entropy: Option<f64>,
    /// Distinct texts of the test prompt by its repeats, above 0 up to 1; None of a single repeat and where texts were
    /// enumerated.
    pub distinct: Option<f64>,
    /// The number of its concept; None where concepts are fixed.
    pub concept: Option<usize>,
}

/// The change of each from a base, over the pairs that both conditions have; None where no such pair has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpreadDifference {
    /// The change of the similarity shift.
    pub similarity_shift: Option<ClusterMean>,
    /// The change of entropy, in bits.
    pub entropy: Option<ClusterMean>,
    /// The change of the part of distinct texts.
    pub distinct: Option<ClusterMean>,
}

/// The spread of each pair; `texts` are the generations of test prompts, each with its pair, and none where texts were
/// enumerated.
pub fn pair_spreads<'t>(
    pairs: &[PairEstimate],
    texts: impl IntoIterator<Item = (usize, &'t str)>,
) -> BTreeMap<usize, PairSpread> {
    let texts = texts.into_iter().into_group_map();
    let by_pair = pairs.iter().into_group_map_by(|pair| pair.pair_idx);
    let spreads = by_pair.into_iter().map(|(pair_idx, estimates)| {
        let shifts = estimates.iter().map(|it| it.similarity_shift);
        let exact = estimates[0].exact.as_ref();
        let counts = texts.get(&pair_idx).filter(|texts| texts.len() > 1);
        let counts = counts.map(|texts| texts.iter().counts().into_values().collect_vec());
        let spread = PairSpread {
            similarity_shift: shifts.sum::<f64>() / estimates.len() as f64,
            entropy: match exact {
                Some(exact) => Some(exact.leak.entropy_test),
                None => counts.as_deref().map(entropy),
            },
            distinct: counts
                .map(|counts| counts.len() as f64 / counts.iter().sum::<usize>() as f64),
            concept: estimates[0].crossed.as_ref().map(|it| it.concept),
        };
        (pair_idx, spread)
    });
    spreads.collect()
}

/// The means over conditions, of the pairs that all of them have.
pub fn mean_spreads(of: &[&BTreeMap<usize, PairSpread>]) -> BTreeMap<usize, PairSpread> {
    let pairs = of.iter().flat_map(|spreads| spreads.keys()).unique();
    let means = pairs.filter_map(|pair_idx| {
        let found = of.iter().map(|spreads| spreads.get(pair_idx).copied());
        let found = found.collect::<Option<Vec<PairSpread>>>()?;
        let mean = |value: fn(&PairSpread) -> Option<f64>| {
            let values = found.iter().map(value).collect::<Option<Vec<f64>>>()?;
            Some(values.iter().sum::<f64>() / values.len() as f64)
        };
        let spread = PairSpread {
            similarity_shift: mean(|it| Some(it.similarity_shift))?,
            entropy: mean(|it| it.entropy),
            distinct: mean(|it| it.distinct),
            concept: found.first().and_then(|it| it.concept),
        };
        Some((*pair_idx, spread))
    });
    means.collect()
}

/// The entropy of draws in bits by how often each text came: G. A. Miller, "Note on the Bias of Information Estimates"
/// (1955), which adds half a nat for each text but one, by the number of draws, to the entropy of the shares.
fn entropy(counts: &[usize]) -> f64 {
    let n = counts.iter().sum::<usize>() as f64;
    let terms = counts.iter().map(|count| {
        let share = *count as f64 / n;
        -share * share.log2()
    });
    let correction = (counts.len() - 1) as f64 / (2.0 * n);
    terms.sum::<f64>() + correction * std::f64::consts::LOG2_E
}

/// The change from `base` to `other`, with its 95 % interval.
pub fn spread_difference(
    base: &BTreeMap<usize, PairSpread>,
    other: &BTreeMap<usize, PairSpread>,
    clusters: &Clusters,
) -> SpreadDifference {
    let by = |value: fn(&PairSpread) -> Option<f64>| {
        let changes = base.iter().filter_map(|(pair_idx, base)| {
            let change = value(other.get(pair_idx)?)? - value(base)?;
            Some((change, clusters[pair_idx], base.concept))
        });
        let (changes, clusters, concepts): (Vec<f64>, Vec<usize>, Vec<_>) = changes.multiunzip();
        let crossing = concepts.into_iter().collect::<Option<Vec<usize>>>();
        let crossing = crossing.map(|clusters| Crossing {
            clusters,
            changes: Vec::new(),
        });
        // Where all clusters agree, others may differ as far as any pair did, or by 1.
        let bound = changes.iter().fold(1.0, |most: f64, it| most.max(it.abs()));
        let clustering = Clustering::crossed(&clusters, crossing.as_ref());
        cluster_mean_about_zero(&changes, clustering, bound, LEVEL)
    };
    SpreadDifference {
        similarity_shift: by(|it| Some(it.similarity_shift)),
        entropy: by(|it| it.entropy),
        distinct: by(|it| it.distinct),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leakage::estimates;
    use crate::leakage::flips::tests::verdict;
    use crate::leakage::{Leak, ScoredPair};

    fn spreads(texts: &[&str], leak: Leak) -> BTreeMap<usize, PairSpread> {
        let repeats = (0..).zip(texts);
        let verdicts =
            (0..3).flat_map(|pair| repeats.clone().map(move |(n, _)| verdict(pair, n, leak)));
        let verdicts: Vec<ScoredPair> = verdicts.collect();
        let texts = (0..3).flat_map(|pair| texts.iter().map(move |text| (pair, *text)));
        pair_spreads(&estimates(&verdicts), texts)
    }

    /// Of counts 2, 1, 1: 1.5 bits, and 2 / 8 nats more.
    #[test]
    fn texts_are_counted_by_prompt() {
        let found = spreads(&["a", "b", "a", "c"], Leak::Leak)[&1];
        let expected = 1.5 + 0.25 / std::f64::consts::LN_2;
        assert!(
            (found.entropy.unwrap() - expected).abs() < 1e-12,
            "{found:?}"
        );
        assert_eq!(found.distinct, Some(0.75));
        assert!((found.similarity_shift - 0.1).abs() < 1e-12);
        let single = spreads(&["a"], Leak::Leak)[&0];
        assert_eq!((single.entropy, single.distinct), (None, None));
    }

    #[test]
    fn changes_are_means_over_common_pairs() {
        let clusters = (0..3).map(|pair| (pair, pair)).collect();
        let [flat, same] = [&["a", "b"], &["a", "a"]].map(|texts| spreads(texts, Leak::Leak));
        let found = spread_difference(&same, &flat, &clusters);
        let distinct = found.distinct.unwrap();
        assert_eq!(
            (distinct.mean, distinct.n, distinct.n_clusters),
            (0.5, 3, 3)
        );
        assert!(found.entropy.unwrap().mean > 1.0);
        assert_eq!(found.similarity_shift.unwrap().mean, 0.0);
        let none = spread_difference(&BTreeMap::new(), &flat, &clusters);
        assert_eq!(none.entropy, None);
    }
}
