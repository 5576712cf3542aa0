//! The most probable next tokens of a logits row, and what is left for all others.
//!
//! Owns the choice and the sums, in f64. It draws nothing; how two such lists differ is a matter of `stats`.

use super::SamplingError;
use crate::generation::NextTokenDistribution;

/// That a logits row holds numbers only.
///
/// # Errors
/// `NotFinite` for a row that holds NaN or an infinity.
pub fn check_finite(logits: &[f32]) -> Result<(), SamplingError> {
    let bad = logits.iter().find(|logit| !logit.is_finite());
    bad.map_or(Ok(()), |bad| Err(SamplingError::NotFinite(*bad)))
}

/// The `k` most probable tokens after a logits row, or all where there are fewer: temperature 1, nothing penalised or
/// cut off. Of equally probable tokens the one with the lower id comes first.
///
/// # Errors
/// `NotFinite` for a row that holds NaN or an infinity, `NoToken` for an empty one.
pub fn next_token_distribution(
    logits: &[f32],
    k: usize,
) -> Result<NextTokenDistribution, SamplingError> {
    check_finite(logits)?;
    let mut by_rank: Vec<(f32, u32)> = logits.iter().copied().zip(0..).collect();
    let k = k.min(by_rank.len());
    if k == 0 {
        return Err(SamplingError::NoToken);
    }
    let rank = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    by_rank.select_nth_unstable_by(k - 1, rank);
    let (top, others) = by_rank.split_at_mut(k);
    top.sort_unstable_by(rank);
    let max = f64::from(top[0].0);
    let weight = |entry: &(f32, u32)| (f64::from(entry.0) - max).exp();
    let top_weight: f64 = top.iter().map(weight).sum();
    let rest_weight: f64 = others.iter().map(weight).sum();
    let total = top_weight + rest_weight;
    let log_total = max + total.ln();
    let logprobs = top
        .iter()
        .map(|&(logit, _)| (f64::from(logit) - log_total) as f32);
    Ok(NextTokenDistribution {
        logprobs: logprobs.collect(),
        tokens: top.iter().map(|&(_, token)| token).collect(),
        rest: rest_weight / total,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values of `scipy.special.log_softmax([1.0, -2.0, 3.5, 0.25, 3.5])`.
    #[test]
    fn logprobs_are_those_of_scipy() {
        let logits = [1.0, -2.0, 3.5, 0.25, 3.5];
        let top = next_token_distribution(&logits, 3).unwrap();
        assert_eq!(top.tokens, [2, 4, 0]);
        for (found, expected) in
            top.logprobs
                .iter()
                .zip([-0.753746379885742, -0.753746379885742, -3.253746379885742])
        {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found}");
        }
        let all = next_token_distribution(&logits, 9).unwrap();
        assert_eq!((all.tokens.len(), all.rest), (5, 0.0));
        assert!(next_token_distribution(&[0.0, f32::NAN], 1).is_err());
        assert!(next_token_distribution(&[], 1).is_err());
    }

    proptest! {
        #[test]
        fn probabilities_add_up_and_fall(
            logits in prop::collection::vec(-30.0_f32..30.0, 1..300),
            k in 1..50_usize,
        ) {
            let top = next_token_distribution(&logits, k).unwrap();
            let sum: f64 = top.logprobs.iter().map(|&logprob| f64::from(logprob).exp()).sum();
            prop_assert!((sum + top.rest - 1.0).abs() < 1e-5, "{}", sum + top.rest);
            prop_assert!(top.logprobs.is_sorted_by(|a, b| a >= b));
            prop_assert_eq!(top.tokens.len(), k.min(logits.len()));
        }
    }
}
