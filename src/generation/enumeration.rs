//! Enumerations: how far they go, and the continuations of one prompt with their probabilities.
//!
//! Owns plain data and the identity of an enumeration. It enumerates nothing.

use std::sync::Arc;

use super::{Request, RequestContext, RequestId, StopReason};
use crate::digest::Digest;

/// How far the continuations of a prompt are enumerated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EnumerationParams {
    /// Enough of the probability, above 0, at most 1.
    pub coverage: f64,
    /// Rows to evaluate for one prompt at most, at least 1, draws of the tail left out.
    pub max_rows_per_prompt: u32,
    /// Continuations drawn from the tail of a prompt whose enumeration ended before `coverage`.
    pub n_tail_draws: u32,
}

impl EnumerationParams {
    /// Tokens that are followed after one beginning at most where `coverage` is 1: the most probable ones. The others
    /// count as uncovered.
    pub const N_CHILDREN_MAX: usize = 1024;
}

/// How the leak probabilities of a condition are found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// From repeats that are drawn: each gives a verdict, and their mean is an estimate.
    Repeats,
    /// Exactly, from continuations that are enumerated so far.
    Exact(EnumerationParams),
}

impl Method {
    /// The word used in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repeats => "repeats",
            Self::Exact(_) => "exact",
        }
    }
}

impl RequestContext {
    /// The request to enumerate the continuations of a prompt.
    pub fn enumeration_request(
        &self,
        prompt_tokens: Arc<[u32]>,
        params: &EnumerationParams,
    ) -> Request {
        // The first repeat stands for all: its id holds the model, the tokens, the sampling values, seed and schedule.
        let repeat = self.request(Arc::clone(&prompt_tokens), 0);
        let identity = format!(
            "seep enumeration 1|repeat={}|coverage={:?}|max_rows_per_prompt={}|n_tail_draws={}",
            repeat.id, params.coverage, params.max_rows_per_prompt, params.n_tail_draws,
        );
        Request {
            id: RequestId(Digest::of(identity.as_bytes())),
            prompt_tokens,
            repeat_idx: 0,
        }
    }
}

/// One way a prompt goes on, to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Continuation {
    /// The text after the stop rule cut it; invalid UTF-8 is replaced by U+FFFD.
    pub text: String,
    /// All its tokens, with the end-of-generation token where there is one and tokens the stop rule cut into.
    pub tokens: Vec<u32>,
    /// Natural logarithm of the probability that a repeat draws these tokens.
    pub logprob: f64,
    /// Natural logarithm of the model's own probability of them (temperature 1, nothing penalised or cut off).
    pub model_logprob: f64,
    /// Why it ends.
    pub stop_reason: StopReason,
    /// The draw that found it in the tail, from 0; None where it was enumerated.
    pub tail_draw_idx: Option<u32>,
}

/// The continuations of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Enumeration {
    /// The request it answers.
    pub request_id: RequestId,
    /// Those enumerated, most probable first, each once; then those drawn from the tail, in the order of the draws.
    pub continuations: Vec<Continuation>,
    /// The probability of all continuations that were not enumerated, 0 to 1: the tail.
    pub uncovered: f64,
    /// Beginnings that were found and not followed.
    pub n_open: usize,
    /// Rows evaluated for the enumeration.
    pub n_rows: u32,
    /// Rows evaluated for draws of the tail.
    pub n_tail_rows: u32,
}

impl Enumeration {
    /// The probability of all enumerated continuations, 0 to 1.
    pub fn covered(&self) -> f64 {
        1.0 - self.uncovered
    }
}
