//! A llama context that evaluates rows of a generation model and hands out logits.
//!
//! Owns the checks of everything llama.cpp asserts on: batch size, sequence ids, token ids, positions,
//! and which rows have logits. It chooses no rows.

use std::num::NonZeroU32;
use std::ops::Range;

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{KvCacheType, LlamaContextParams};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_sys_2::LLAMA_FLASH_ATTN_TYPE_ENABLED;

use super::{Backend, LlamaError, Model, log};
use crate::engine::{Decoder, EngineError, Row, SeqId, ValueType};
use crate::llama::DecoderConfig;

/// More sequences than this llama.cpp does not keep apart (`LLAMA_MAX_SEQ`).
const N_SEQS_MAX: u32 = 256;
/// llama.cpp reserves cells in steps of this.
const CELL_STEP: u32 = 256;

/// A generation model ready to evaluate rows.
pub struct LlamaDecoder<'m> {
    context: LlamaContext<'m>,
    batch: LlamaBatch<'static>,
    config: DecoderConfig,
    n_vocab: u32,
    /// Which rows of the last batch have logits.
    outputs: Vec<bool>,
}

impl<'m> LlamaDecoder<'m> {
    /// Makes a llama context: one KV cache for all sequences, flash attention on.
    ///
    /// # Errors
    /// `Refused` for a size llama.cpp cannot take, `Context` when memory does not suffice.
    pub fn new(
        backend: &Backend,
        model: &'m Model,
        config: DecoderConfig,
    ) -> Result<Self, LlamaError> {
        if !(1..=N_SEQS_MAX).contains(&config.n_seqs) || config.n_rows == 0 || config.n_threads == 0
        {
            return Err(LlamaError::Refused(format!(
                "a llama context of {config:?}"
            )));
        }
        let n_cells = config
            .n_cells
            .max(config.n_rows)
            .next_multiple_of(CELL_STEP);
        // llama.cpp aborts when a batch could hold fewer rows than there are sequences.
        let n_batch = config.n_rows.max(config.n_seqs);
        let n_threads = config.n_threads.cast_signed();
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(n_cells))
            .with_n_batch(n_batch)
            .with_n_ubatch(config.n_rows)
            .with_n_seq_max(config.n_seqs)
            .with_n_threads(n_threads)
            .with_n_threads_batch(n_threads)
            .with_type_k(KvCacheType::F16)
            .with_type_v(match config.value_type {
                ValueType::F16 => KvCacheType::F16,
                ValueType::Bf16 => KvCacheType::BF16,
            })
            .with_kv_unified(true)
            .with_flash_attention_policy(LLAMA_FLASH_ATTN_TYPE_ENABLED);
        log::take_errors();
        let context = model
            .inner
            .new_context(&backend.inner, params)
            .map_err(|error| LlamaError::Context {
                n_ctx: n_cells,
                reason: log::reason_or(&error.to_string()),
            })?;
        Ok(Self {
            context,
            batch: LlamaBatch::new(config.n_rows as usize, config.n_seqs.cast_signed()),
            config: DecoderConfig { n_cells, ..config },
            n_vocab: model.n_vocab(),
            outputs: Vec::new(),
        })
    }

    fn check_row(&self, row: &Row) -> Result<(), LlamaError> {
        let last_seq = u64::from(row.first_seq) + u64::from(row.n_seqs);
        let fits = row.token < self.n_vocab
            && row.position < self.config.n_cells
            && row.n_seqs > 0
            && last_seq <= u64::from(self.config.n_seqs);
        fits.then_some(()).ok_or_else(|| {
            LlamaError::Refused(format!("{row:?} in a context of {:?}", self.config))
        })
    }

    fn check_seq(&self, seq: SeqId) -> Result<i32, LlamaError> {
        if seq < self.config.n_seqs {
            Ok(seq.cast_signed())
        } else {
            Err(LlamaError::Refused(format!(
                "sequence {seq} of {}",
                self.config.n_seqs
            )))
        }
    }

    fn fill_batch(&mut self, rows: &[Row]) -> Result<(), LlamaError> {
        if rows.is_empty() || rows.len() > self.config.n_rows as usize {
            return Err(LlamaError::Refused(format!(
                "a batch of {} rows",
                rows.len()
            )));
        }
        self.batch.clear();
        for row in rows {
            self.check_row(row)?;
            let seqs: Vec<i32> = (row.first_seq..row.first_seq + row.n_seqs)
                .map(u32::cast_signed)
                .collect();
            let token = LlamaToken(row.token.cast_signed());
            self.batch
                .add(token, row.position.cast_signed(), &seqs, row.output)
                .map_err(|error| LlamaError::Refused(error.to_string()))?;
        }
        Ok(())
    }

    /// As [`Decoder::evaluate`], with llama.cpp's own error.
    ///
    /// # Errors
    /// `Refused` for rows that would make llama.cpp abort, `CacheFull` or `Compute` when nothing was computed.
    pub fn evaluate_rows(&mut self, rows: &[Row]) -> Result<(), LlamaError> {
        self.outputs.clear();
        self.fill_batch(rows)?;
        self.context
            .decode(&mut self.batch)
            .map_err(|error| match error {
                DecodeError::NoKvCacheSlot => LlamaError::CacheFull,
                other => LlamaError::Compute(log::reason_or(&other.to_string())),
            })?;
        // Waiting here keeps the computation out of whatever is timed next.
        self.context.synchronize();
        self.outputs.extend(rows.iter().map(|row| row.output));
        Ok(())
    }
}

impl Decoder for LlamaDecoder<'_> {
    fn evaluate(&mut self, rows: &[Row]) -> Result<(), EngineError> {
        Ok(self.evaluate_rows(rows)?)
    }

    fn logits(&self, row_idx: usize) -> Result<&[f32], EngineError> {
        if self.outputs.get(row_idx) != Some(&true) {
            return Err(LlamaError::Refused(format!(
                "logits of row {row_idx}, which is no output"
            ))
            .into());
        }
        let row_idx = i32::try_from(row_idx)
            .expect("a row index is below n_rows, which llama.cpp took as i32");
        Ok(self.context.get_logits_ith(row_idx))
    }

    fn share(&mut self, from: SeqId, to: SeqId, positions: Range<u32>) -> Result<(), EngineError> {
        let (from, to) = (self.check_seq(from)?, self.check_seq(to)?);
        self.context
            .copy_kv_cache_seq(from, to, Some(positions.start), Some(positions.end))
            .map_err(|error| LlamaError::Refused(error.to_string()))?;
        Ok(())
    }

    fn release(&mut self, seq: SeqId, positions: Range<u32>) -> Result<(), EngineError> {
        self.check_seq(seq)?;
        self.context
            .clear_kv_cache_seq(Some(seq), Some(positions.start), Some(positions.end))
            .map_err(|error| LlamaError::Refused(error.to_string()))?;
        Ok(())
    }

    fn keep_only(&mut self, seq: SeqId) -> Result<(), EngineError> {
        let seq = self.check_seq(seq)?;
        self.context.llama_kv_cache_seq_keep(seq);
        Ok(())
    }

    fn clear(&mut self) {
        // Cells are forgotten, not zeroed: nothing reads a cell that no sequence holds. It cannot fail without a range.
        let _: Result<bool, _> = self.context.clear_kv_cache_seq(None, None, None);
    }
}
