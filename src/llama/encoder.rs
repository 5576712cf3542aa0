//! A llama context that turns the tokens of one string into one vector.
//!
//! Owns the checks of what llama.cpp asserts on for encoders: batch size, position, token ids.
//! It tokenizes nothing and normalises nothing.

use std::num::NonZeroU32;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_DISABLED;

use super::{Backend, LlamaError, Model, log};

/// The size of a llama context for an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderConfig {
    /// Tokens of a string at most.
    pub n_tokens_max: u32,
    /// Threads that compute one string.
    pub n_threads: u32,
}

/// An encoder ready to embed one string at a time, which makes a vector independent of all others.
pub struct LlamaEncoder<'m> {
    context: LlamaContext<'m>,
    batch: LlamaBatch<'static>,
    n_tokens_max: usize,
    n_vocab: u32,
}

impl<'m> LlamaEncoder<'m> {
    /// Makes a llama context with mean pooling, flash attention off (it would round keys and values to F16).
    ///
    /// # Errors
    /// `Refused` for more tokens than the model has positions, `Context` when memory does not suffice.
    pub fn new(
        backend: &Backend,
        model: &'m Model,
        config: EncoderConfig,
    ) -> Result<Self, LlamaError> {
        // A position beyond the position table aborts the process.
        if config.n_tokens_max == 0
            || config.n_tokens_max > model.n_ctx_train()
            || config.n_threads == 0
        {
            return Err(LlamaError::Refused(format!(
                "an encoder of {config:?} on a model of {} positions",
                model.n_ctx_train()
            )));
        }
        let n_threads = config.n_threads.cast_signed();
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(config.n_tokens_max))
            .with_n_batch(config.n_tokens_max)
            .with_n_ubatch(config.n_tokens_max)
            .with_n_seq_max(1)
            .with_n_threads(n_threads)
            .with_n_threads_batch(n_threads)
            .with_embeddings(true)
            .with_pooling_type(LlamaPoolingType::Mean)
            .with_flash_attention_policy(LLAMA_FLASH_ATTN_TYPE_DISABLED);
        log::take_errors();
        let context = model
            .inner
            .new_context(&backend.inner, params)
            .map_err(|error| LlamaError::Context {
                n_ctx: config.n_tokens_max,
                reason: log::reason_or(&error.to_string()),
            })?;
        Ok(Self {
            context,
            batch: LlamaBatch::new(config.n_tokens_max as usize, 1),
            n_tokens_max: config.n_tokens_max as usize,
            n_vocab: model.n_vocab(),
        })
    }

    /// The mean of the last hidden states over all tokens; not normalised.
    ///
    /// # Errors
    /// `Refused` for no or too many tokens or an id outside the vocabulary, `Compute` when llama.cpp fails.
    pub fn encode(&mut self, tokens: &[u32]) -> Result<Vec<f32>, LlamaError> {
        if tokens.is_empty() || tokens.len() > self.n_tokens_max {
            return Err(LlamaError::Refused(format!(
                "a string of {} tokens",
                tokens.len()
            )));
        }
        self.batch.clear();
        for (position, &token) in (0..).zip(tokens) {
            if token >= self.n_vocab {
                return Err(LlamaError::Refused(format!(
                    "token {token} of {}",
                    self.n_vocab
                )));
            }
            self.batch
                .add(LlamaToken(token.cast_signed()), position, &[0], true)
                .map_err(|error| LlamaError::Refused(error.to_string()))?;
        }
        let compute_error = |text: String| LlamaError::Compute(log::reason_or(&text));
        self.context
            .encode(&mut self.batch)
            .map_err(|error| compute_error(error.to_string()))?;
        let pooled = self
            .context
            .embeddings_seq_ith(0)
            .map_err(|error| compute_error(error.to_string()))?;
        Ok(pooled.to_vec())
    }
}
