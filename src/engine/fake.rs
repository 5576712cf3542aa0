//! A decoder for tests: logits are a hash of the tokens a sequence holds, and every rule of the seam is asserted.
//!
//! Owns a plain model of a KV cache with cells that several sequences share. It exists in tests only.

use std::ops::Range;

use super::{Decoder, EngineError, Row, SeqId};
use crate::digest::Digest;

/// The size of the fake vocabulary.
pub(super) const N_VOCAB: usize = 40;

#[derive(Clone)]
struct Cell {
    token: u32,
    position: u32,
    seqs: Vec<SeqId>,
}

pub(super) struct FakeDecoder {
    pub(super) n_cells: usize,
    pub(super) n_seqs: u32,
    pub(super) n_rows: usize,
    /// Tokens of the vocabulary; the logits of those beyond the first `N_VOCAB` repeat theirs.
    pub(super) n_vocab: usize,
    /// Batches evaluated, as (rows, outputs).
    pub(super) batches: Vec<(usize, usize)>,
    /// Fail this batch, counted from 0.
    pub(super) fail_at: Option<usize>,
    /// Adds this to every logit for each cell in use: a decoder whose rows depend on their neighbours.
    pub(super) company_effect: f32,
    cells: Vec<Cell>,
    logits: Vec<Option<Vec<f32>>>,
}

impl FakeDecoder {
    pub(super) fn new(n_cells: usize, n_seqs: u32, n_rows: usize) -> Self {
        Self {
            n_cells,
            n_seqs,
            n_rows,
            n_vocab: N_VOCAB,
            batches: Vec::new(),
            fail_at: None,
            company_effect: 0.0,
            cells: Vec::new(),
            logits: Vec::new(),
        }
    }

    /// The tokens of a sequence, checked to stand at positions 0, 1, 2 in the order of their cells.
    fn tokens_of(&self, seq: SeqId) -> Vec<u32> {
        let cells: Vec<&Cell> = self
            .cells
            .iter()
            .filter(|cell| cell.seqs.contains(&seq))
            .collect();
        for (position, cell) in cells.iter().enumerate() {
            assert_eq!(
                cell.position as usize, position,
                "cells of sequence {seq} are out of order"
            );
        }
        cells.iter().map(|cell| cell.token).collect()
    }
}

/// Logits that depend on every token before, spread over about ten nats.
pub(super) fn logits_after(tokens: &[u32]) -> Vec<f32> {
    let bytes: Vec<u8> = tokens
        .iter()
        .flat_map(|token| token.to_le_bytes())
        .collect();
    (0..N_VOCAB)
        .map(|token| {
            let digest = Digest::of(&[&bytes[..], &[token as u8]].concat());
            f32::from(digest.as_bytes()[0]) / 25.0
        })
        .collect()
}

/// A prompt of `n_shared` tokens that all such prompts begin with, and `n_own` of its own.
pub(super) fn long_prompt((id, n_shared, n_own): (u32, usize, usize)) -> Vec<u32> {
    let shared = (0..n_shared).map(|at| (at % 39) as u32);
    let own = (0..n_own).map(|at| (id + 3 * at as u32) % 40);
    shared.chain(own).chain([id]).collect()
}

impl Decoder for FakeDecoder {
    fn evaluate(&mut self, rows: &[Row]) -> Result<(), EngineError> {
        let n_outputs = rows.iter().filter(|row| row.output).count();
        assert!(!rows.is_empty() && rows.len() <= self.n_rows);
        if self.fail_at == Some(self.batches.len()) {
            self.fail_at = None;
            return Err(EngineError::Decode("made to fail".to_owned()));
        }
        if self.cells.len() + rows.len() > self.n_cells {
            return Err(EngineError::Decode("the KV cache is full".to_owned()));
        }
        self.batches.push((rows.len(), n_outputs));
        self.logits.clear();
        for row in rows {
            assert!(row.n_seqs >= 1 && row.first_seq + row.n_seqs <= self.n_seqs);
            let seqs: Vec<SeqId> = (row.first_seq..row.first_seq + row.n_seqs).collect();
            self.cells.push(Cell {
                token: row.token,
                position: row.position,
                seqs,
            });
            let tokens = self.tokens_of(row.first_seq);
            assert_eq!(tokens.len(), row.position as usize + 1);
            let offset = self.company_effect * self.cells.len() as f32;
            let logits = || {
                let logits = logits_after(&tokens);
                let logits = logits.iter().cycle().take(self.n_vocab);
                logits.map(|logit| logit + offset).collect()
            };
            self.logits.push(row.output.then(logits));
        }
        Ok(())
    }

    fn logits(&self, row_idx: usize) -> Result<&[f32], EngineError> {
        let row = self.logits.get(row_idx).and_then(Option::as_deref);
        row.ok_or_else(|| EngineError::Decode(format!("row {row_idx} is no output")))
    }

    fn share(&mut self, from: SeqId, to: SeqId, positions: Range<u32>) -> Result<(), EngineError> {
        assert!(from < self.n_seqs && to < self.n_seqs);
        let mut n_shared = 0;
        for cell in &mut self.cells {
            if cell.seqs.contains(&from) && positions.contains(&cell.position) {
                assert!(!cell.seqs.contains(&to));
                cell.seqs.push(to);
                n_shared += 1;
            }
        }
        assert_eq!(n_shared, positions.len());
        Ok(())
    }

    fn release(&mut self, seq: SeqId, positions: Range<u32>) -> Result<(), EngineError> {
        assert!(seq < self.n_seqs);
        for cell in &mut self.cells {
            if positions.contains(&cell.position) {
                cell.seqs.retain(|&kept| kept != seq);
                assert!(!cell.seqs.is_empty(), "a cell became free within a group");
            }
        }
        Ok(())
    }

    fn keep_only(&mut self, seq: SeqId) -> Result<(), EngineError> {
        self.cells.retain(|cell| cell.seqs.contains(&seq));
        for cell in &mut self.cells {
            cell.seqs.retain(|&kept| kept == seq);
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.cells.clear();
    }
}
