//! Drawing a token from a logits row: pure functions of the row, the sampling values and a key.
//!
//! Owns the processors in the order of Hugging Face transformers (`LogitsProcessor` and its subclasses: repetition
//! penalty, temperature, top-k, top-p, min-p), the softmax in f64, and the numbers drawn.
//! It reads no clock, starts no thread and keeps no state: a draw depends on its arguments only.

mod philox;

use crate::digest::Digest;
use crate::generation::SamplingParams;

/// Terms of a softmax more than this many nats below the largest are left out.
///
/// All of them together are less than `n_vocab * exp(-49)`, for 200,000 tokens 1.1e-16 of the largest term:
/// below half the spacing of f64 at 1, so no sum that holds the largest term would show them.
const NEGLIGIBLE_NATS: f64 = 49.0;

/// Which tokens may be drawn; padding of the vocabulary may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedTokens {
    n_tokens: usize,
    excluded: Vec<u32>,
}

impl AllowedTokens {
    /// The first `n_tokens` ids, all of them.
    pub fn all(n_tokens: usize) -> Self {
        Self {
            n_tokens,
            excluded: Vec::new(),
        }
    }

    /// The first `n_tokens` ids without those in `excluded`.
    pub fn without(n_tokens: usize, excluded: Vec<u32>) -> Self {
        Self { n_tokens, excluded }
    }
}

/// A logits row that cannot be drawn from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// A logit is not a number or infinite: the model file or the computation is damaged.
    #[error(
        "the logits hold {0}\nhint: the model file may be damaged; `seep models verify` compares its checksum"
    )]
    NotFinite(f32),
    /// No token may be drawn.
    #[error("the model has no token that may be drawn")]
    NoToken,
}

/// What a draw depends on besides the distribution.
///
/// The model is not in it: the same prompt draws the same numbers under every model and quantization,
/// so that a difference between two of them is not blurred by luck (common random numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawKey {
    /// The experiment's seed.
    pub seed: u64,
    /// Digest of the prompt's tokens.
    pub prompt: Digest,
    /// Which repeat, from 0.
    pub repeat_idx: u32,
    /// Which token of the generation, from 0.
    pub token_idx: u32,
}

/// The number in [0, 1) for a draw, a multiple of 2^-53.
pub fn uniform(key: &DrawKey) -> f64 {
    let prompt = key.prompt.as_bytes();
    let word = |at: usize| {
        u32::from_le_bytes([prompt[at], prompt[at + 1], prompt[at + 2], prompt[at + 3]])
    };
    let counter = [key.token_idx, key.repeat_idx, word(0), word(4)];
    let random = philox::philox4x32(counter, [key.seed as u32, (key.seed >> 32) as u32]);
    let bits = (u64::from(random[1]) << 32 | u64::from(random[0])) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

/// The distribution a token is drawn from, after all processors.
#[derive(Debug, Clone)]
pub struct Distribution<'a> {
    /// The tokens that are left, by id.
    tokens: Vec<u32>,
    /// Their weights added up, in the same order; the last is the total.
    cumulative: Vec<f64>,
    logits: &'a [f32],
    /// Logarithm of the sum of the exponentials of all raw logits.
    raw_log_sum: f64,
}

impl Distribution<'_> {
    /// The token whose share of [0, 1), in the order of ids, holds `u`.
    pub fn draw(&self, u: f64) -> u32 {
        let target = u * self.total();
        let token_idx = self.cumulative.partition_point(|&sum| sum <= target);
        // Rounding can bring the target up to the total.
        self.tokens[token_idx.min(self.tokens.len() - 1)]
    }

    /// The tokens that can be drawn with their probabilities, by id.
    pub fn probabilities(&self) -> impl Iterator<Item = (u32, f64)> {
        let before = std::iter::once(&0.0).chain(&self.cumulative);
        let weights = self
            .cumulative
            .iter()
            .zip(before)
            .map(|(sum, before)| sum - before);
        self.tokens
            .iter()
            .copied()
            .zip(weights.map(|weight| weight / self.total()))
    }

    /// Natural logarithm of the model's own probability of `token`: temperature 1, nothing penalised or cut off.
    pub fn raw_logprob(&self, token: u32) -> f32 {
        let logit = self
            .logits
            .get(token as usize)
            .map_or(f64::NEG_INFINITY, |&logit| f64::from(logit));
        (logit - self.raw_log_sum) as f32
    }

    fn total(&self) -> f64 {
        self.cumulative.last().copied().unwrap_or(0.0)
    }
}

/// The distribution of the next token after a logits row.
///
/// `seen` holds the tokens of the prompt and those generated so far, which the repetition penalty acts on.
///
/// # Errors
/// `NotFinite` for a row that holds NaN or an infinity, `NoToken` when nothing may be drawn.
pub fn distribution<'a>(
    logits: &'a [f32],
    allowed: &AllowedTokens,
    seen: &[u32],
    params: &SamplingParams,
) -> Result<Distribution<'a>, SamplingError> {
    if let Some(&bad) = logits.iter().find(|logit| !logit.is_finite()) {
        return Err(SamplingError::NotFinite(bad));
    }
    let scores = processed_scores(logits, allowed, seen, params);
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if max == f32::NEG_INFINITY {
        return Err(SamplingError::NoToken);
    }
    let mut candidates = candidates(&scores, max, params.temperature);
    keep_top_k(&mut candidates, params.top_k);
    keep_top_p(&mut candidates, params.top_p);
    keep_min_p(&mut candidates, params.min_p);
    let mut sum = 0.0;
    let add = |candidate: &Candidate| {
        sum += candidate.weight;
        sum
    };
    let cumulative = candidates.iter().map(add).collect();
    Ok(Distribution {
        cumulative,
        tokens: candidates
            .into_iter()
            .map(|candidate| candidate.token)
            .collect(),
        logits,
        raw_log_sum: log_sum_exp(logits),
    })
}

/// A token that may be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    token: u32,
    /// Its probability over that of the most probable token.
    weight: f64,
}

/// The logits with the repetition penalty applied (in f32, as transformers does) and what may not be drawn at minus infinity.
fn processed_scores(
    logits: &[f32],
    allowed: &AllowedTokens,
    seen: &[u32],
    params: &SamplingParams,
) -> Vec<f32> {
    let n_tokens = allowed.n_tokens.min(logits.len());
    let mut scores = logits[..n_tokens].to_vec();
    let penalty = params.repetition_penalty as f32;
    if penalty != 1.0 {
        for &token in seen {
            // Always from the raw logit: a token seen twice is penalised once.
            let Some(&logit) = logits.get(token as usize) else {
                continue;
            };
            if let Some(score) = scores.get_mut(token as usize) {
                *score = if logit < 0.0 {
                    logit * penalty
                } else {
                    logit / penalty
                };
            }
        }
    }
    for &token in &allowed.excluded {
        if let Some(score) = scores.get_mut(token as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
    scores
}

/// The tokens with more than a negligible weight, by id; at temperature 0 the most probable one with the lowest id.
fn candidates(scores: &[f32], max: f32, temperature: f64) -> Vec<Candidate> {
    let tokens = scores.iter().zip(0u32..);
    if temperature == 0.0 {
        let best = tokens.filter(|&(&score, _)| score == max).take(1);
        return best
            .map(|(_, token)| Candidate { token, weight: 1.0 })
            .collect();
    }
    let max = f64::from(max);
    // One comparison in f32 passes over most of the row; the exact test follows for the others.
    let coarse = (max - (NEGLIGIBLE_NATS + 1.0) * temperature) as f32;
    tokens
        .filter(|&(&score, _)| score >= coarse)
        .map(|(&score, token)| ((f64::from(score) - max) / temperature, token))
        .filter(|&(nats, _)| nats > -NEGLIGIBLE_NATS)
        .map(|(nats, token)| Candidate {
            token,
            weight: nats.exp(),
        })
        .collect()
}

/// Keeps the `top_k` largest, and all that equal the smallest of them; 0 keeps all.
fn keep_top_k(candidates: &mut Vec<Candidate>, top_k: u32) {
    let top_k = top_k as usize;
    if top_k == 0 || top_k >= candidates.len() {
        return;
    }
    let mut weights: Vec<f64> = candidates
        .iter()
        .map(|candidate| candidate.weight)
        .collect();
    let (_, &mut threshold, _) = weights.select_nth_unstable_by(top_k - 1, |a, b| b.total_cmp(a));
    candidates.retain(|candidate| candidate.weight >= threshold);
}

/// Drops the least probable tokens as long as all dropped together have at most `1 - top_p`; keeps at least one.
///
/// Of equally probable tokens the one with the higher id goes first (transformers leaves that order open).
fn keep_top_p(candidates: &mut Vec<Candidate>, top_p: f64) {
    if top_p >= 1.0 {
        return;
    }
    let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
    candidates.sort_unstable_by(|a, b| a.weight.total_cmp(&b.weight).then(b.token.cmp(&a.token)));
    let limit = (1.0 - top_p) * total;
    let mut sum = 0.0;
    let n_dropped = candidates
        .iter()
        .take_while(|candidate| {
            sum += candidate.weight;
            sum <= limit
        })
        .count()
        .min(candidates.len() - 1);
    candidates.drain(..n_dropped);
    candidates.sort_unstable_by_key(|candidate| candidate.token);
}

/// Keeps the tokens at least `min_p` times as probable as the most probable one.
fn keep_min_p(candidates: &mut Vec<Candidate>, min_p: f64) {
    let max = candidates
        .iter()
        .map(|candidate| candidate.weight)
        .fold(0.0, f64::max);
    candidates.retain(|candidate| candidate.weight >= min_p * max);
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let coarse = max - NEGLIGIBLE_NATS as f32 - 1.0;
    let terms = logits.iter().filter(|&&logit| logit >= coarse);
    let sum: f64 = terms
        .map(|&logit| (f64::from(logit) - f64::from(max)).exp())
        .sum();
    f64::from(max) + sum.ln()
}
