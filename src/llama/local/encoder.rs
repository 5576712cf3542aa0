//! A llama context that turns the tokens of strings into vectors, several strings at a time.
//!
//! Owns the checks of what llama.cpp asserts on for encoders (batch size, position, token ids), and the packing that
//! makes a vector independent of the strings beside it. It tokenizes nothing and normalises nothing.
//!
//! Why a packing: as with generation, kernels are chosen by the number of rows, and attention in tiles (from 64 rows)
//! adds up across their borders. So strings are packed into batches of at most [`N_PACKED_ROWS`] rows, filled up to a
//! multiple of [`PAD_TO`] with rows of a sequence of its own; attention then adds up a string's own cells in their order.
//! A longer string is evaluated alone. The mean over tokens is taken here, in the order of the tokens.

use std::num::NonZeroU32;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_ENABLED;

use super::{Backend, LlamaError, Model, log};
use crate::llama::EncoderConfig;

/// Rows of a batch of several strings at most: below the 64 from which attention is tiled.
const N_PACKED_ROWS: usize = 56;
/// A batch's number of rows is filled up to a multiple of this.
const PAD_TO: usize = 8;
/// The sequence of the rows that only fill a batch; where there are any, strings are fewer than rows and leave it free.
const PADDING: i32 = N_PACKED_ROWS as i32 - 1;

/// An encoder ready to embed strings.
pub struct LlamaEncoder<'m> {
    context: LlamaContext<'m>,
    batch: LlamaBatch<'static>,
    n_tokens_max: usize,
    n_vocab: u32,
}

impl<'m> LlamaEncoder<'m> {
    /// Makes a llama context that hands out one vector per token, with flash attention on.
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
        let n_rows = (config.n_tokens_max as usize)
            .next_multiple_of(PAD_TO)
            .max(N_PACKED_ROWS);
        let n_rows = u32::try_from(n_rows).expect("it is a u32 rounded up to a small multiple");
        let n_threads = config.n_threads.cast_signed();
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(n_rows))
            .with_n_batch(n_rows)
            .with_n_ubatch(n_rows)
            .with_n_seq_max(N_PACKED_ROWS as u32)
            .with_n_threads(n_threads)
            .with_n_threads_batch(n_threads)
            .with_kv_unified(true)
            .with_embeddings(true)
            .with_pooling_type(LlamaPoolingType::None)
            .with_flash_attention_policy(LLAMA_FLASH_ATTN_TYPE_ENABLED);
        log::take_errors();
        let context = model.inner.new_context(&backend.inner, params);
        let context = context.map_err(|error| LlamaError::Context {
            n_ctx: n_rows,
            reason: log::reason_or(&error.to_string()),
        })?;
        Ok(Self {
            context,
            batch: LlamaBatch::new(n_rows as usize, 1),
            n_tokens_max: config.n_tokens_max as usize,
            n_vocab: model.n_vocab(),
        })
    }

    /// How many of the first of `lengths`, strings in tokens, go into one batch; at least one where there is any.
    pub fn n_packed(lengths: impl IntoIterator<Item = usize>) -> usize {
        let mut n_rows = 0;
        let mut n_strings = 0;
        for length in lengths {
            n_rows += length;
            if n_strings > 0 && n_rows > N_PACKED_ROWS {
                break;
            }
            n_strings += 1;
        }
        n_strings
    }

    /// The means of the last hidden states over the tokens of each string; not normalised.
    ///
    /// `strings` are as many as [`Self::n_packed`] allows.
    ///
    /// # Errors
    /// `Refused` for no or too many tokens or an id outside the vocabulary, `Compute` when llama.cpp fails.
    pub fn encode(&mut self, strings: &[&[u32]]) -> Result<Vec<Vec<f32>>, LlamaError> {
        self.compute(strings)?;
        let compute_error = |text: String| LlamaError::Compute(log::reason_or(&text));
        let mut first_row = 0;
        strings
            .iter()
            .map(|tokens| {
                let rows = first_row..first_row + tokens.len();
                first_row = rows.end;
                self.mean(rows).map_err(compute_error)
            })
            .collect()
    }

    /// The last hidden states of the tokens of each string, in their order; not normalised.
    ///
    /// `strings` are as many as [`Self::n_packed`] allows.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_tokens(&mut self, strings: &[&[u32]]) -> Result<Vec<Vec<Vec<f32>>>, LlamaError> {
        self.compute(strings)?;
        let mut rows = 0..;
        let mut next_row = || {
            let row = self
                .context
                .embeddings_ith(rows.next().expect("it has no end"));
            row.map(<[f32]>::to_vec)
                .map_err(|error| LlamaError::Compute(log::reason_or(&error.to_string())))
        };
        strings
            .iter()
            .map(|tokens| tokens.iter().map(|_| next_row()).collect())
            .collect()
    }

    fn compute(&mut self, strings: &[&[u32]]) -> Result<(), LlamaError> {
        self.fill_batch(strings)?;
        let encoded = self.context.encode(&mut self.batch);
        encoded.map_err(|error| LlamaError::Compute(log::reason_or(&error.to_string())))?;
        Ok(())
    }

    fn fill_batch(&mut self, strings: &[&[u32]]) -> Result<(), LlamaError> {
        let n_rows: usize = strings.iter().map(|tokens| tokens.len()).sum();
        let is_longest = strings.len() == 1 && n_rows <= self.n_tokens_max;
        if strings.iter().any(|tokens| tokens.is_empty())
            || n_rows == 0
            || (n_rows > N_PACKED_ROWS && !is_longest)
        {
            return Err(LlamaError::Refused(format!(
                "{} strings of {n_rows} tokens together",
                strings.len()
            )));
        }
        self.batch.clear();
        for (seq, tokens) in (0..).zip(strings) {
            for (position, &token) in (0..).zip(*tokens) {
                self.add_row(token, position, seq)?;
            }
        }
        let padding = strings[0][0];
        for position in 0..n_rows.next_multiple_of(PAD_TO) - n_rows {
            self.add_row(padding, position as i32, PADDING)?;
        }
        Ok(())
    }

    fn add_row(&mut self, token: u32, position: i32, seq: i32) -> Result<(), LlamaError> {
        if token >= self.n_vocab {
            return Err(LlamaError::Refused(format!(
                "token {token} of {}",
                self.n_vocab
            )));
        }
        let added = self
            .batch
            .add(LlamaToken(token.cast_signed()), position, &[seq], true);
        added.map_err(|error| LlamaError::Refused(error.to_string()))
    }

    /// The mean of the vectors of some rows, added up in f64 in their order.
    fn mean(&self, rows: std::ops::Range<usize>) -> Result<Vec<f32>, String> {
        let n_rows = rows.len() as f64;
        let mut sums: Vec<f64> = Vec::new();
        for row_idx in rows {
            let row_idx = i32::try_from(row_idx).map_err(|error| error.to_string())?;
            let vector = self
                .context
                .embeddings_ith(row_idx)
                .map_err(|error| error.to_string())?;
            sums.resize(vector.len(), 0.0);
            for (sum, &component) in sums.iter_mut().zip(vector) {
                *sum += f64::from(component);
            }
        }
        Ok(sums.into_iter().map(|sum| (sum / n_rows) as f32).collect())
    }
}
