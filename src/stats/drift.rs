//! How far the next-token distributions of two models lie apart.
//!
//! Owns the divergence of two lists of most probable tokens and its summary over prompts. It knows no model and no
//! logits, and says nothing about what the difference does to leakage.
//!
//! Of each distribution only the most probable tokens are known, and how much probability all others have together. So
//! the divergence is that of the coarser distributions which both lists tell apart: every token that stands in both
//! lists, and everything else as one. Merging outcomes never increases a divergence (log sum inequality: T. M. Cover and
//! J. A. Thomas, "Elements of Information Theory", 2nd edition 2006, theorem 2.7.1), so it is a **lower bound** of the
//! divergence of the whole distributions, and equal to it where the lists hold all tokens.

use std::collections::HashMap;

/// The most probable tokens of a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopTokens<'a> {
    /// The tokens, the most probable first; at least one, each once.
    pub tokens: &'a [u32],
    /// Natural logarithms of their probabilities.
    pub logprobs: &'a [f32],
    /// The probability of all other tokens together, 0 to 1.
    pub rest: f64,
}

/// How far a model lies from a base, over prompts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// Number of prompts, at least 1.
    pub n_prompts: usize,
    /// Mean of the divergences, nats.
    pub mean_kl: f64,
    /// Median of the divergences, nats.
    pub median_kl: f64,
    /// Largest divergence, nats.
    pub max_kl: f64,
    /// Part of the prompts whose most probable token is the same, 0 to 1.
    pub same_top: f64,
    /// Mean probability of what the base's lists leave out, 0 to 1: how coarse the divergences are.
    pub mean_rest: f64,
}

/// The mean log-probabilities that two models give the tokens of generations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanLogprobs {
    /// Number of tokens, at least 1.
    pub n_tokens: usize,
    /// Mean log-probability of a token under the model that made it, nats.
    pub own: f64,
    /// Mean log-probability of a token under the other model, nats.
    pub other: f64,
}

/// The means over all tokens of `generations`, each with the log-probabilities of its own and of the other model, which
/// are as many. None without a token.
pub fn mean_logprobs(generations: &[(&[f32], &[f32])]) -> Option<MeanLogprobs> {
    let n_tokens: usize = generations.iter().map(|(own, _)| own.len()).sum();
    let sum = |logprobs: &[f32]| -> f64 { logprobs.iter().map(|&x| f64::from(x)).sum() };
    let own: f64 = generations.iter().map(|(own, _)| sum(own)).sum();
    let other: f64 = generations.iter().map(|(_, other)| sum(other)).sum();
    (n_tokens > 0).then(|| MeanLogprobs {
        n_tokens,
        own: own / n_tokens as f64,
        other: other / n_tokens as f64,
    })
}

/// The Kullback-Leibler divergence D(base || other) in nats, of what both lists tell apart; 0 or more.
pub fn kl_divergence(base: TopTokens<'_>, other: TopTokens<'_>) -> f64 {
    let logprob_of: HashMap<u32, f32> = entries(other).collect();
    let (mut divergence, mut rest, mut common) = (0.0, base.rest, 0.0);
    for (token, logprob) in entries(base) {
        let probability = f64::from(logprob).exp();
        match logprob_of.get(&token) {
            Some(&of_other) => {
                divergence += probability * (f64::from(logprob) - f64::from(of_other));
                common += f64::from(of_other).exp();
            }
            None => rest += probability,
        }
    }
    // Adding up what the other list has beyond the common tokens loses less than subtracting from 1.
    let listed: f64 = entries(other)
        .map(|(_, logprob)| f64::from(logprob).exp())
        .sum();
    let rest_of_other = (other.rest + (listed - common).max(0.0)).max(f64::MIN_POSITIVE);
    if rest > 0.0 {
        divergence += rest * (rest / rest_of_other).ln();
    }
    // Log-probabilities are rounded to f32, which can bring a divergence of 0 below it.
    divergence.max(0.0)
}

fn entries(list: TopTokens<'_>) -> impl Iterator<Item = (u32, f32)> {
    list.tokens
        .iter()
        .copied()
        .zip(list.logprobs.iter().copied())
}

/// The summary over prompts, each with the base's distribution and the other's. None without prompts.
pub fn drift(prompts: &[(TopTokens<'_>, TopTokens<'_>)]) -> Option<Drift> {
    let mut divergences: Vec<f64> = prompts
        .iter()
        .map(|&(base, other)| kl_divergence(base, other))
        .collect();
    divergences.sort_by(f64::total_cmp);
    let n_prompts = prompts.len();
    let max_kl = *divergences.last()?;
    let mean = |sum: f64| sum / n_prompts as f64;
    let middle = n_prompts / 2;
    let median_kl = if n_prompts % 2 == 1 {
        divergences[middle]
    } else {
        f64::midpoint(divergences[middle - 1], divergences[middle])
    };
    let is_same = |(base, other): &&(TopTokens<'_>, TopTokens<'_>)| {
        base.tokens.first() == other.tokens.first()
    };
    Some(Drift {
        n_prompts,
        mean_kl: mean(divergences.iter().sum()),
        median_kl,
        max_kl,
        same_top: mean(prompts.iter().filter(is_same).count() as f64),
        mean_rest: mean(prompts.iter().map(|(base, _)| base.rest).sum()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The `k` most probable entries of a distribution.
    struct List {
        tokens: Vec<u32>,
        logprobs: Vec<f32>,
        rest: f64,
    }

    impl List {
        fn of(probabilities: &[f64], k: usize) -> Self {
            let mut ranked: Vec<(u32, f64)> = (0..).zip(probabilities.iter().copied()).collect();
            ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
            let (top, others) = ranked.split_at(k.min(ranked.len()));
            Self {
                tokens: top.iter().map(|entry| entry.0).collect(),
                logprobs: top.iter().map(|entry| entry.1.ln() as f32).collect(),
                rest: others.iter().map(|entry| entry.1).sum(),
            }
        }

        fn view(&self) -> TopTokens<'_> {
            TopTokens {
                tokens: &self.tokens,
                logprobs: &self.logprobs,
                rest: self.rest,
            }
        }
    }

    const KL_ALL: f64 = 0.1572841414743612;
    const KL_BACK: f64 = 0.16339865018452746;
    const KL_THREE: f64 = 0.08914456918770411;
    const P: [f64; 6] = [0.5, 0.2, 0.11, 0.09, 0.06, 0.04];
    const Q: [f64; 6] = [0.3, 0.25, 0.05, 0.21, 0.12, 0.07];

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-7, "{found} {expected}");
    }

    /// Values of `scipy.stats.entropy(p, q)`: of the whole distributions; and, for three entries each, of tokens 0 and
    /// 1, which stand in both lists, and everything else.
    #[test]
    fn divergences_are_those_of_scipy() {
        let kl =
            |p: &[f64], q: &[f64], k| kl_divergence(List::of(p, k).view(), List::of(q, k).view());
        close(kl(&P, &Q, 6), KL_ALL);
        close(kl(&Q, &P, 6), KL_BACK);
        close(kl(&P, &Q, 3), KL_THREE);
        close(kl(&P, &P, 3), 0.0);
    }

    #[test]
    fn summary_is_over_prompts() {
        let [p, q] = [List::of(&P, 6), List::of(&Q, 6)];
        let reversed: Vec<f64> = P.iter().rev().copied().collect();
        let r = List::of(&reversed, 6);
        let same = (p.view(), p.view());
        let near = (p.view(), q.view());
        let far = (p.view(), r.view());
        let found = drift(&[far, same, near]).unwrap();
        assert_eq!(found.n_prompts, 3);
        close(found.median_kl, KL_ALL);
        close(found.max_kl, kl_divergence(p.view(), r.view()));
        close(found.mean_kl, (found.max_kl + KL_ALL) / 3.0);
        close(found.same_top, 2.0 / 3.0);
        close(drift(&[same, near]).unwrap().median_kl, KL_ALL / 2.0);
        assert_eq!(drift(&[]), None);
    }

    #[test]
    fn logprobs_are_averaged_over_tokens() {
        let found = mean_logprobs(&[
            (&[-1.0, -2.0], &[-3.0, -3.0]),
            (&[-0.5], &[-1.5]),
            (&[], &[]),
        ]);
        let expected = MeanLogprobs {
            n_tokens: 3,
            own: -3.5 / 3.0,
            other: -2.5,
        };
        assert_eq!(found, Some(expected));
        assert_eq!(mean_logprobs(&[]), None);
    }

    fn normalised(weights: &[f64]) -> Vec<f64> {
        let total: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / total).collect()
    }

    proptest! {
        #[test]
        fn shorter_lists_give_lower_bounds(
            weights in prop::collection::vec((0.001_f64..1.0, 0.001_f64..1.0), 2..60),
            k in 1..60_usize,
        ) {
            let p = normalised(&weights.iter().map(|pair| pair.0).collect::<Vec<_>>());
            let q = normalised(&weights.iter().map(|pair| pair.1).collect::<Vec<_>>());
            let kl = |k| kl_divergence(List::of(&p, k).view(), List::of(&q, k).view());
            let exact: f64 = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
            prop_assert!((kl(weights.len()) - exact).abs() < 1e-5);
            prop_assert!(kl(k) <= exact + 1e-5);
            prop_assert!(kl(k) >= 0.0);
        }
    }
}
