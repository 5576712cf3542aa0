//! Batches: how many rows go to the decoder at once, and the padding that makes a row independent of the others.
//!
//! Owns the `Schedule` and the sequence ids set aside for the trunk and for padding.
//! It does not choose which rows are evaluated.
//!
//! Why a schedule: a kernel is chosen by the number of rows it gets (matrix times vector, blocks of 4 or 8 rows,
//! tiled attention from 64 rows), and each sums in another order, so the logits of a prompt move with its neighbours.
//! Under `STRICT` every row is always computed by the same kernels in the same order:
//! 1. flash attention is on and all sequences share one KV cache (set where the context is made);
//! 2. attention is never tiled: from 64 rows on llama.cpp would add up in tiles of cells, whose borders depend on what
//!    else is in the cache, but only where keys and values have the same type, so values are kept in BF16 and keys in F16
//!    (values are then added up in F32, which F16 values are not);
//! 3. a batch has either no outputs or only outputs, because the last block and the head compute output rows only;
//! 4. a batch is filled up to a multiple of 8 rows with rows of a sequence of its own;
//! 5. cells are never freed within a group, so a sequence's cells lie in the order of its positions,
//!    which is the order in which attention adds them up.

use std::ops::Range;

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
    /// Rows in a batch with outputs at most: llama.cpp keeps a row of logits for each, twice.
    pub n_output_rows_max: u32,
    /// A batch's number of rows is filled up to a multiple of this.
    pub pad_to: u32,
    /// True if rows with and without outputs go into separate batches.
    pub separate_outputs: bool,
    /// How values lie in the KV cache; keys are F16.
    pub value_type: ValueType,
}

/// How values lie in the KV cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ValueType {
    /// As keys do, which lets llama.cpp compute attention in tiles.
    F16,
    /// Otherwise than keys, which keeps it from that.
    Bf16,
}

impl Schedule {
    /// Logits do not depend on what else is evaluated: the schedule of every run.
    pub const STRICT: Self = Self {
        n_rows_max: 128,
        n_output_rows_max: 64,
        pad_to: 8,
        separate_outputs: true,
        value_type: ValueType::Bf16,
    };

    /// The same with values as GPUs take them, beside keys of the same type. Kernels of a GPU are others, so how far
    /// logits depend on their neighbours is measured there and not promised.
    pub const GPU: Self = Self {
        value_type: ValueType::F16,
        ..Self::STRICT
    };

    /// The usual schedule of programs around llama.cpp; only the self-check uses it, to show the difference.
    pub const USUAL: Self = Self {
        n_rows_max: 512,
        n_output_rows_max: 512,
        pad_to: 1,
        separate_outputs: false,
        value_type: ValueType::F16,
    };

    /// The name with its parameters, part of every generation's identity.
    pub fn name(&self) -> String {
        let values = match self.value_type {
            ValueType::F16 => "f16",
            ValueType::Bf16 => "bf16",
        };
        let kind = if self.separate_outputs {
            "strict"
        } else {
            "usual"
        };
        format!("{kind}-pad{}-v{values}", self.pad_to)
    }

    /// The number of batches for `n_rows` rows without outputs.
    pub(super) fn n_batches(&self, n_rows: u32) -> u32 {
        n_rows.div_ceil(self.n_rows_max)
    }

    /// The number of batches for `n_rows` rows with outputs.
    pub(super) fn n_output_batches(&self, n_rows: u32) -> u32 {
        n_rows.div_ceil(self.n_output_rows_max)
    }

    /// How many rows without outputs to put into each batch so that `n_rows` rows make batches of about the same size.
    pub(super) fn batch_size(&self, n_rows: usize) -> usize {
        self.even_size(n_rows, self.n_rows_max)
    }

    /// The same for rows with outputs.
    pub(super) fn output_batch_size(&self, n_rows: usize) -> usize {
        self.even_size(n_rows, self.n_output_rows_max)
    }

    fn even_size(&self, n_rows: usize, n_rows_max: u32) -> usize {
        let n_batches = n_rows.div_ceil(n_rows_max as usize).max(1);
        let size = n_rows
            .div_ceil(n_batches)
            .next_multiple_of(self.pad_to as usize);
        size.clamp(1, n_rows_max as usize)
    }
}

/// Hands rows to a decoder, batch by batch and padded.
pub(super) struct Batcher<'d> {
    decoder: &'d mut dyn Decoder,
    schedule: Schedule,
    padding_position: u32,
    n_padding_rows: u64,
    /// Cells of the trunk.
    n_trunk_cells: usize,
    /// Cells in use.
    n_cells: usize,
}

impl<'d> Batcher<'d> {
    pub(super) fn new(decoder: &'d mut dyn Decoder, schedule: Schedule) -> Self {
        Self {
            decoder,
            schedule,
            padding_position: 0,
            n_padding_rows: 0,
            n_trunk_cells: 0,
            n_cells: 0,
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
        self.n_cells += padded.len();
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
        for chunk in rows.chunks(self.schedule.batch_size(rows.len())) {
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
        positions: Range<u32>,
    ) -> Result<(), EngineError> {
        self.decoder.share(from, to, positions)
    }

    /// Lets a sequence forget tokens that another one shares: no cell may become free within a group.
    pub(super) fn release(&mut self, seq: SeqId, positions: Range<u32>) -> Result<(), EngineError> {
        self.decoder.release(seq, positions)
    }

    /// Forgets everything but the trunk, padding included.
    pub(super) fn keep_trunk(&mut self) -> Result<(), EngineError> {
        self.padding_position = 0;
        self.n_cells = self.n_trunk_cells;
        self.decoder.keep_only(TRUNK)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.padding_position = 0;
        (self.n_trunk_cells, self.n_cells) = (0, 0);
        self.decoder.clear();
    }

    /// Notes that the `n_cells` rows just evaluated are the trunk.
    pub(super) fn set_trunk(&mut self, n_cells: usize) {
        self.n_trunk_cells = n_cells;
    }

    /// Cells that a batch of `n_rows` rows would leave in use.
    pub(super) fn n_cells_after(&self, n_rows: usize) -> usize {
        self.n_cells + n_rows.next_multiple_of(self.schedule.pad_to as usize)
    }

    pub(super) fn n_padding_rows(&self) -> u64 {
        self.n_padding_rows
    }
}
