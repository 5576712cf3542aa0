//! Batches: how many rows go to the decoder at once, and the padding that makes a row independent of the others.
//!
//! Owns the `Schedule` and the sequence ids set aside for the trunk and for padding.
//! It does not choose which rows are evaluated.
//!
//! Why a schedule: a kernel is chosen by the number of rows it gets (matrix times vector, blocks of 4 or 8 rows,
//! tiled attention from 64 rows), and each sums in another order, so the logits of a prompt move with its neighbours.
//! Under `STRICT` every row is always computed by the same kernels in the same order:
//! 1. flash attention is on and all sequences share one KV cache (set where the context is made);
//! 2. a batch has at most 56 rows, below the 64 from which attention is tiled;
//! 3. a batch has either no outputs or only outputs, because the last block and the head compute output rows only;
//! 4. a batch is filled up to a multiple of 8 rows with rows of a sequence of its own;
//! 5. cells are never freed within a group, so a sequence's cells lie in the order of its positions,
//!    which is the order in which attention adds them up.

use super::{Decoder, EngineError, Row, SeqId};

/// The sequence that holds what all prompts of a job begin with.
pub(super) const TRUNK: SeqId = 0;
/// The sequence of the rows that only fill a batch.
const PADDING: SeqId = 1;
/// The first sequence that prompts and their forks may use.
pub(super) const FIRST_FREE: SeqId = 2;

/// How rows are put into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Rows in a batch at most.
    pub n_rows_max: u32,
    /// A batch's number of rows is filled up to a multiple of this.
    pub pad_to: u32,
    /// Whether rows with and without outputs go into separate batches.
    pub separate_outputs: bool,
}

impl Schedule {
    /// Logits do not depend on what else is evaluated: the schedule of every run.
    pub const STRICT: Self = Self {
        n_rows_max: 56,
        pad_to: 8,
        separate_outputs: true,
    };

    /// What programs around llama.cpp usually do; only the self-check uses it, to show the difference.
    pub const USUAL: Self = Self {
        n_rows_max: 512,
        pad_to: 1,
        separate_outputs: false,
    };

    /// The name with its parameters, part of every generation's identity.
    pub fn name(&self) -> String {
        if self.separate_outputs {
            format!("strict-{}-{}", self.n_rows_max, self.pad_to)
        } else {
            format!("usual-{}", self.n_rows_max)
        }
    }

    /// The number of batches for `n_rows` rows.
    pub(super) fn n_batches(&self, n_rows: u32) -> u32 {
        n_rows.div_ceil(self.n_rows_max)
    }
}

/// Hands rows to a decoder, batch by batch and padded.
pub(super) struct Batcher<'d> {
    decoder: &'d mut dyn Decoder,
    schedule: Schedule,
    padding_position: u32,
    n_padding_rows: u64,
}

impl<'d> Batcher<'d> {
    pub(super) fn new(decoder: &'d mut dyn Decoder, schedule: Schedule) -> Self {
        Self {
            decoder,
            schedule,
            padding_position: 0,
            n_padding_rows: 0,
        }
    }

    /// Evaluates one batch of at most `n_rows_max` rows.
    pub(super) fn evaluate(&mut self, rows: &[Row]) -> Result<(), EngineError> {
        debug_assert!(rows.len() <= self.schedule.n_rows_max as usize);
        let Some(last) = rows.last() else {
            return Ok(());
        };
        let n_padding = rows.len().next_multiple_of(self.schedule.pad_to as usize) - rows.len();
        let mut padded = rows.to_vec();
        for _ in 0..n_padding {
            padded.push(Row {
                position: self.padding_position,
                first_seq: PADDING,
                n_seqs: 1,
                ..*last
            });
            self.padding_position += 1;
        }
        self.n_padding_rows += n_padding as u64;
        self.decoder.evaluate(&padded)
    }

    /// Evaluates rows without outputs, in as many batches as it takes; stops early when `stop` says so.
    ///
    /// Returns whether all were evaluated.
    pub(super) fn evaluate_all(
        &mut self,
        rows: &[Row],
        stop: &dyn Fn() -> bool,
    ) -> Result<bool, EngineError> {
        for chunk in rows.chunks(self.schedule.n_rows_max as usize) {
            if stop() {
                return Ok(false);
            }
            self.evaluate(chunk)?;
        }
        Ok(true)
    }

    /// The logits of row `row_idx` of the last batch.
    pub(super) fn logits(&self, row_idx: usize) -> Result<&[f32], EngineError> {
        self.decoder.logits(row_idx)
    }

    pub(super) fn share(
        &mut self,
        from: SeqId,
        to: SeqId,
        n_positions: u32,
    ) -> Result<(), EngineError> {
        self.decoder.share(from, to, n_positions)
    }

    /// Forgets everything but the trunk, padding included.
    pub(super) fn keep_trunk(&mut self) -> Result<(), EngineError> {
        self.padding_position = 0;
        self.decoder.keep_only(TRUNK)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.padding_position = 0;
        self.decoder.clear();
    }

    pub(super) fn n_padding_rows(&self) -> u64 {
        self.n_padding_rows
    }
}
