//! Prefill: the prompts of a group in the KV cache, what they begin with evaluated once per job.
//!
//! Owns the trunk (the tokens all prompts of a job begin with) and the batcher behind it.
//! The caller decides what is evaluated after the prompts.

use std::sync::atomic::{AtomicBool, Ordering};

use super::batch::{Batcher, Schedule, TRUNK};
use super::trie::prefill_rows;
use super::{Decoder, EngineError, Row, SeqId};

/// The KV cache with the prompts of one group at a time.
pub(super) struct PromptCache<'a> {
    pub(super) batcher: Batcher<'a>,
    trunk: Vec<u32>,
    trunk_is_cached: bool,
    cancel: &'a AtomicBool,
}

impl<'a> PromptCache<'a> {
    /// An empty cache for prompts that all begin with `trunk`; nothing is evaluated once `cancel` is set.
    pub(super) fn new(
        decoder: &'a mut dyn Decoder,
        schedule: Schedule,
        trunk: Vec<u32>,
        cancel: &'a AtomicBool,
    ) -> Self {
        Self {
            batcher: Batcher::new(decoder, schedule),
            trunk,
            trunk_is_cached: false,
            cancel,
        }
    }

    /// Puts `prompts`, sorted and distinct, without their last tokens into the cache instead of the group before:
    /// prompt i as sequence `first_seq + i`.
    ///
    /// Returns the rows it took; `None` once cancelled.
    pub(super) fn load(
        &mut self,
        prompts: &[&[u32]],
        first_seq: SeqId,
    ) -> Result<Option<u64>, EngineError> {
        self.batcher.keep_trunk()?;
        let Some(n_trunk_rows) = self.cache_trunk()? else {
            return Ok(None);
        };
        let n_cached = self.trunk.len();
        for seq in (first_seq..).take(if n_cached == 0 { 0 } else { prompts.len() }) {
            self.batcher.share(TRUNK, seq, 0..n_cached as u32)?;
        }
        let rows = prefill_rows(prompts, first_seq, n_cached);
        let is_done = self.evaluate_all(&rows)?;
        Ok(is_done.then_some(n_trunk_rows + rows.len() as u64))
    }

    /// Tokens that all prompts begin with.
    pub(super) fn n_trunk(&self) -> usize {
        self.trunk.len()
    }

    /// Evaluates rows without outputs; returns whether all were evaluated, rather than cancelled.
    pub(super) fn evaluate_all(&mut self, rows: &[Row]) -> Result<bool, EngineError> {
        let cancel = self.cancel;
        self.batcher
            .evaluate_all(rows, &|| cancel.load(Ordering::Relaxed))
    }

    /// Forgets everything, as after a failure of the decoder.
    pub(super) fn clear(&mut self) {
        self.batcher.clear();
        self.trunk_is_cached = false;
    }

    /// Evaluates what all prompts begin with, once per job.
    fn cache_trunk(&mut self) -> Result<Option<u64>, EngineError> {
        if self.trunk_is_cached {
            return Ok(Some(0));
        }
        let rows: Vec<Row> = (0..)
            .zip(&self.trunk)
            .map(|(position, &token)| Row {
                token,
                position,
                first_seq: TRUNK,
                n_seqs: 1,
                output: false,
            })
            .collect();
        self.trunk_is_cached = self.evaluate_all(&rows)?;
        self.batcher.set_trunk(rows.len());
        Ok(self.trunk_is_cached.then_some(rows.len() as u64))
    }
}
