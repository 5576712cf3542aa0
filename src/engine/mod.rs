//! Generations from requests: which rows are evaluated together, what is drawn from them, when a text ends.
//!
//! Owns the seam to whatever computes logits (`Decoder`), the `strict` schedule that makes a generation
//! independent of its neighbours, and the self-check that measures whether it does on this machine.
//! It knows no experiment, no database and no file; the only decoder is `llama::LlamaDecoder`
//! (tests bring their own), and it takes requests and hands back generations group by group.

mod batch;
mod branch;
mod budget;
mod enumerate;
mod generate;
mod group;
mod prefill;
mod self_check;
mod stop;
mod trie;
mod vocabulary;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use batch::{Schedule, ValueType};
pub use branch::ForcedTokens;
pub use budget::GroupLimits;
pub use enumerate::Enumerator;
pub use generate::{Generator, GroupOutcome, Job, Work};
pub use self_check::{Determinism, MakeDecoder, SelfCheck, self_check};
pub use trie::prefill_rows;
pub use vocabulary::Vocabulary;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::sampling::SamplingError;

/// llama.cpp's parallel stream within one KV cache.
pub type SeqId = u32;

/// One token to evaluate, at one position, as part of one or more neighbouring sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The token.
    pub token: u32,
    /// Its position in each of its sequences, from 0.
    pub position: u32,
    /// The first of its sequences.
    pub first_seq: SeqId,
    /// How many sequences, counted up from `first_seq`, share this token; at least 1.
    pub n_seqs: u32,
    /// True if logits are wanted for the token after this one.
    pub output: bool,
}

/// A computer of logits; llama.cpp and the tests implement it.
pub trait Decoder {
    /// Evaluates the rows in one batch and keeps them in the KV cache.
    ///
    /// # Errors
    /// `EngineError::Decode` when nothing was computed.
    fn evaluate(&mut self, rows: &[Row]) -> Result<(), EngineError>;

    /// The logits of row `row_idx` of the last batch, as long as the vocabulary.
    ///
    /// # Errors
    /// `EngineError::Decode` when that row was no output.
    fn logits(&self, row_idx: usize) -> Result<&[f32], EngineError>;

    /// Lets sequence `to` share the cached tokens of `from` at these positions.
    ///
    /// # Errors
    /// `EngineError::Decode` for a sequence out of range.
    fn share(&mut self, from: SeqId, to: SeqId, positions: Range<u32>) -> Result<(), EngineError>;

    /// Lets `seq` forget its tokens at these positions; those that no other sequence shares are gone.
    ///
    /// # Errors
    /// `EngineError::Decode` for a sequence out of range.
    fn release(&mut self, seq: SeqId, positions: Range<u32>) -> Result<(), EngineError>;

    /// Forgets every cached token that `seq` does not hold.
    ///
    /// # Errors
    /// `EngineError::Decode` for a sequence out of range.
    fn keep_only(&mut self, seq: SeqId) -> Result<(), EngineError>;

    /// Forgets every cached token.
    fn clear(&mut self);
}

/// Why generations could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The decoder refused or failed.
    #[error("failed to evaluate tokens: {0}")]
    Decode(String),
    /// The logits cannot be drawn from.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
    /// The prompt leaves no room in the context the model was trained for.
    #[error(
        "a prompt of {n_tokens} tokens and {max_tokens} new ones exceed the model's context of {n_ctx_train} tokens\nhint: shorten the prompt or lower `max_tokens`"
    )]
    PromptTooLong {
        /// Tokens of the prompt.
        n_tokens: usize,
        /// Tokens to generate at most.
        max_tokens: u32,
        /// Positions the model was trained for.
        n_ctx_train: u32,
    },
    /// A prompt without a token has nothing to continue.
    #[error("a prompt has no token")]
    EmptyPrompt,
}
