//! Trends of a measure over bits per weight, where every pair was given to every file.
//!
//! Owns which pairs a trend is over and how trends that are shown together are corrected; the line, its p-value and the
//! test that it is one are in `stats`. Everything returned is in percentage points.

use super::comparison::{Clusters, clusters_of, common_pairs, correct, parts, values_of};
use super::crossing::crossing;
use super::estimate::PairEstimate;
use super::figure::LEVEL;
use super::measure::Measure;
use crate::stats::{Interval, PValue, SignFlips, Step, trend};

/// A straight line through means of a measure over bits per weight, and the steps from file to file.
#[derive(Debug, Clone, PartialEq)]
pub struct LeakTrend {
    /// Change of the mean for one more bit per weight, in points.
    pub slope: f64,
    /// Its 95 % interval in points; None with a single cluster.
    pub interval: Option<Interval>,
    /// How likely a slope at least as steep is without any true one.
    pub p_value: PValue,
    /// The same after Holm's correction over all trends of the measure that are shown together.
    pub holm_p_value: f64,
    /// How likely means at least as far from a straight line are where the truth is one.
    pub lack_of_fit_p_value: f64,
    /// True if the means only rise or only fall with bits.
    pub is_monotone: bool,
    /// From each number of bits to the next, from the fewest on.
    pub contrasts: Vec<LevelContrast>,
    /// Number of different bits per weight, at least 3.
    pub n_levels: usize,
    /// Prompt pairs that all conditions have, at least 1.
    pub n_prompts: usize,
    /// Clusters of these.
    pub n_clusters: usize,
}

/// The difference between neighbouring bits per weight.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelContrast {
    /// The fewer bits per weight.
    pub bits_from: f64,
    /// The more.
    pub bits_to: f64,
    /// The mean at more bits less that at fewer, in points.
    pub difference: f64,
    /// Its 95 % interval in points; None with a single cluster.
    pub interval: Option<Interval>,
    /// How likely a difference at least as large is without any true one.
    pub p_value: PValue,
    /// The same after Holm's correction over the contrasts of all trends of the measure that are shown together.
    pub holm_p_value: f64,
}

/// The trend of each group of conditions with their bits per weight; None with fewer than three levels or no common pair.
pub fn leak_trends(
    groups: &[Vec<(f64, &[PairEstimate])>],
    measure: Measure,
    clusters: &Clusters,
    flips: SignFlips,
) -> Vec<Option<LeakTrend>> {
    let trends = groups
        .iter()
        .map(|group| leak_trend(group, measure, clusters, flips));
    let mut trends: Vec<Option<LeakTrend>> = trends.collect();
    let found = trends.iter_mut().flatten();
    correct(found.map(|it| (it.p_value.value, &mut it.holm_p_value)));
    let contrasts = trends.iter_mut().flatten().flat_map(|it| &mut it.contrasts);
    correct(contrasts.map(|it| (it.p_value.value, &mut it.holm_p_value)));
    trends
}

/// One trend, not yet corrected.
fn leak_trend(
    conditions: &[(f64, &[PairEstimate])],
    measure: Measure,
    clusters: &Clusters,
    flips: SignFlips,
) -> Option<LeakTrend> {
    let (levels, pairs): (Vec<f64>, Vec<&[PairEstimate]>) = conditions.iter().copied().unzip();
    let (prompts, rates) = common_pairs(&pairs, measure);
    let (lower, upper) = measure.range();
    let scale = 100.0 * (upper - lower);
    let rates = rates.iter();
    let values = rates.map(|rates| parts(&values_of(rates, &prompts), lower, upper - lower));
    let clusters = clusters_of(prompts.iter(), clusters);
    let crossing = |factors: &[f64]| {
        let conditions = factors.iter().zip(&pairs);
        let conditions = conditions.map(|(factor, pairs)| (factor / (upper - lower), pairs.iter()));
        let prompts = prompts.iter().copied();
        crossing(prompts, &conditions.collect::<Vec<_>>(), measure)
    };
    let found = trend(
        &levels,
        &values.collect::<Vec<_>>(),
        &clusters,
        crossing,
        LEVEL,
        flips,
    )?;
    Some(LeakTrend {
        slope: scale * found.slope,
        interval: found.interval.map(|interval| scaled(interval, scale)),
        p_value: found.p_value,
        holm_p_value: found.p_value.value,
        lack_of_fit_p_value: found.lack_of_fit_p_value,
        is_monotone: found.is_monotone,
        contrasts: found
            .steps
            .into_iter()
            .map(|step| contrast(step, scale))
            .collect(),
        n_levels: found.n_levels,
        n_prompts: found.n,
        n_clusters: found.n_clusters,
    })
}

fn contrast(step: Step, scale: f64) -> LevelContrast {
    let found = step.difference;
    LevelContrast {
        bits_from: step.from,
        bits_to: step.to,
        difference: scale * found.difference,
        interval: found.interval.map(|interval| scaled(interval, scale)),
        p_value: found.p_value,
        holm_p_value: found.p_value.value,
    }
}

fn scaled(interval: Interval, scale: f64) -> Interval {
    Interval {
        lower: scale * interval.lower,
        upper: scale * interval.upper,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leakage::comparison::tests::leaking;
    use crate::leakage::estimates;

    const FLIPS: SignFlips = SignFlips {
        seed: 1,
        n_draws: 999,
    };

    fn at(n_leaks: usize) -> Vec<PairEstimate> {
        let rates = (0..10).map(|pair| f64::from(u8::from(pair < n_leaks)));
        estimates(&leaking(&rates.collect::<Vec<_>>()))
    }

    #[test]
    fn a_trend_takes_three_levels_and_common_prompts() {
        let [low, middle, high] = [8, 6, 4].map(at);
        let conditions = vec![(2.0, &*low), (3.0, &*middle), (4.0, &*high)];
        let clusters: Clusters = (0..10).map(|pair| (pair, pair)).collect();
        let trends = |groups: &[Vec<_>]| leak_trends(groups, Measure::LeakRate, &clusters, FLIPS);
        let found = trends(std::slice::from_ref(&conditions))
            .swap_remove(0)
            .unwrap();
        assert!((found.slope + 20.0).abs() < 1e-9, "{found:?}");
        assert_eq!(
            (found.n_levels, found.n_prompts, found.n_clusters),
            (3, 10, 10)
        );
        assert_eq!(
            trends(&[conditions[1..].to_vec(), Vec::new()]),
            [None, None]
        );
    }

    /// Four pairs of ten change: 2 of 2^4 choices of signs are as far from zero, and two trends double that.
    #[test]
    fn trends_are_corrected_for_all_that_are_shown_together() {
        let [low, middle, high] = [8, 6, 4].map(at);
        let conditions = vec![(2.0, &*low), (3.0, &*middle), (4.0, &*high)];
        let clusters: Clusters = (0..10).map(|pair| (pair, pair)).collect();
        let two = [conditions.clone(), conditions];
        let found = leak_trends(&two, Measure::LeakRate, &clusters, FLIPS);
        let first = found[0].as_ref().unwrap();
        assert_eq!((first.p_value.value, first.holm_p_value), (0.125, 0.25));
        assert!(first.is_monotone);
        let contrast = &first.contrasts[0];
        assert_eq!((contrast.bits_from, contrast.bits_to), (2.0, 3.0));
        assert!((contrast.difference + 20.0).abs() < 1e-9);
        assert_eq!((contrast.p_value.value, contrast.holm_p_value), (0.5, 1.0));
    }
}
