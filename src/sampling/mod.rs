//! Drawing a token from a logits row: pure functions of the row, the sampling values and a key.
//!
//! Owns the processors in the order of Hugging Face transformers (`LogitsProcessor` and its subclasses: repetition
//! penalty, temperature, top-k, top-p, min-p), the softmax in f64, and the numbers drawn.
//! It reads no clock, starts no thread and keeps no state: a draw depends on its arguments only.

mod gumbel;
mod next_token;
mod philox;
mod row;

use crate::digest::Digest;
use crate::generation::{DrawMethod, SamplingParams};
pub use next_token::{check_finite, next_token_distribution};
use row::{Changes, Row};

/// More than the relative rounding error of a sum of a million weights in f64.
const SUM_ROUNDING: f64 = 1e-9;

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
        "the model computes logits that are {0}\nhint: its file may be damaged (`seep models verify` compares its checksum), or its values are too large for the type of \
         its weights: try another quantization"
    )]
    NotFinite(f32),
    /// No token may be drawn.
    #[error("the model has no token that may be drawn")]
    NoToken,
}

/// The values that a draw depends on besides the distribution.
///
/// The model is not in it: the same prompt draws the same numbers under every model and quantization,
/// so that a difference between two of them is less blurred by luck (common random numbers).
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

impl DrawKey {
    /// Four random words, which are different ones for every draw of a seed: Philox is a bijection of its counter.
    fn words(&self) -> [u32; 4] {
        let prompt = self.prompt.as_bytes();
        let word = |at: usize| {
            u32::from_le_bytes([prompt[at], prompt[at + 1], prompt[at + 2], prompt[at + 3]])
        };
        let counter = [self.token_idx, self.repeat_idx, word(0), word(4)];
        philox::philox4x32(counter, [self.seed as u32, (self.seed >> 32) as u32])
    }
}

/// The number in [0, 1) for a draw, a multiple of 2^-53.
pub fn uniform(key: &DrawKey) -> f64 {
    let random = key.words();
    let bits = (u64::from(random[1]) << 32 | u64::from(random[0])) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

/// The distribution a token is drawn from, after all processors.
#[derive(Debug, Clone)]
pub struct Distribution<'a> {
    /// The tokens that are left, by id, at least one.
    candidates: Vec<Candidate>,
    /// The sum of their weights, in this order.
    total: f64,
    logits: &'a [f32],
    /// Logarithm of the sum of the exponentials of all raw logits.
    raw_log_sum: f64,
}

impl Distribution<'_> {
    /// The token that a draw falls on.
    pub fn draw(&self, draws: DrawMethod, key: &DrawKey) -> u32 {
        match draws {
            DrawMethod::GumbelMax => gumbel::first(&self.candidates, key),
            DrawMethod::InverseCdf => self.at(uniform(key)),
        }
    }

    /// The token whose share of [0, 1), in the order of ids, holds `u`.
    pub fn at(&self, u: f64) -> u32 {
        let target = u * self.total;
        let mut sum = 0.0;
        let found = self.candidates.iter().find(|candidate| {
            sum += candidate.weight;
            sum > target
        });
        // Rounding can bring the target up to the total.
        let found = found.or(self.candidates.last());
        found
            .expect("a distribution without tokens was refused")
            .token
    }

    /// The tokens that can be drawn with their probabilities, by id.
    pub fn probabilities(&self) -> impl Iterator<Item = (u32, f64)> {
        let candidates = self.candidates.iter();
        candidates.map(|candidate| (candidate.token, candidate.weight / self.total))
    }

    /// The same, the most probable token first; of equally probable ones the lower id.
    pub fn by_probability(&self) -> Vec<(u32, f64)> {
        let mut tokens: Vec<(u32, f64)> = self.probabilities().collect();
        tokens.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        tokens
    }

    /// Natural logarithm of the model's own probability of `token`: temperature 1, nothing penalised or cut off.
    pub fn raw_logprob(&self, token: u32) -> f32 {
        let logit = self
            .logits
            .get(token as usize)
            .map_or(f64::NEG_INFINITY, |&logit| f64::from(logit));
        (logit - self.raw_log_sum) as f32
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
    let changes = Changes::new(logits, allowed, seen, params);
    let row = Row::read(logits, &changes)?;
    let mut candidates = row.candidates(params);
    if candidates.is_empty() {
        return Err(SamplingError::NoToken);
    }
    keep_top_k(&mut candidates, params.top_k);
    keep_top_p(&mut candidates, params.top_p);
    keep_min_p(&mut candidates, params.min_p);
    Ok(Distribution {
        total: candidates.iter().map(|candidate| candidate.weight).sum(),
        candidates,
        logits,
        raw_log_sum: row.raw_log_sum(),
    })
}

/// A token that may be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    token: u32,
    /// Its probability over that of the most probable token.
    weight: f64,
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
    let limit = (1.0 - top_p) * total;
    // Tokens so light that all of them together have at most half the limit go in any case: sorting the others is enough,
    // unless a sum comes so near to the limit that it matters in which order the light ones were added up.
    let light_max = limit / (2.0 * candidates.len() as f64);
    let is_light = |candidate: &&Candidate| candidate.weight < light_max;
    let light = candidates.iter().filter(is_light);
    let light = light.map(|candidate| candidate.weight).sum();
    let heavy = candidates.iter().filter(|candidate| !is_light(candidate));
    let mut heavy: Vec<Candidate> = heavy.copied().collect();
    let margin = drop_least_probable(&mut heavy, light, limit);
    if margin > SUM_ROUNDING * limit {
        *candidates = heavy;
    } else {
        drop_least_probable(candidates, 0.0, limit);
    }
}

/// Drops the least probable tokens as long as their weights and `dropped` add up to at most `limit`; keeps at least one.
///
/// Returns how near to the limit a sum came.
fn drop_least_probable(candidates: &mut Vec<Candidate>, dropped: f64, limit: f64) -> f64 {
    candidates.sort_unstable_by(|a, b| a.weight.total_cmp(&b.weight).then(b.token.cmp(&a.token)));
    let mut sum = dropped;
    let mut margin = f64::INFINITY;
    let n_dropped = candidates
        .iter()
        .take_while(|candidate| {
            sum += candidate.weight;
            margin = margin.min((sum - limit).abs());
            sum <= limit
        })
        .count()
        .min(candidates.len() - 1);
    candidates.drain(..n_dropped);
    candidates.sort_unstable_by_key(|candidate| candidate.token);
    margin
}

/// Keeps the tokens at least `min_p` times as probable as the most probable one.
fn keep_min_p(candidates: &mut Vec<Candidate>, min_p: f64) {
    let max = candidates
        .iter()
        .map(|candidate| candidate.weight)
        .fold(0.0, f64::max);
    candidates.retain(|candidate| candidate.weight >= min_p * max);
}

#[cfg(test)]
mod tests;
