//! Where the nodes of the trees lie in the KV cache.
//!
//! Owns the sequences: a node's row continues the sequence of its parent, or a new one that shares the parent's cells
//! where that sequence has gone another way. It decides nothing about which nodes are evaluated.

use std::collections::HashMap;

use super::tree::{NodeIdx, ROOT, Tree};
use crate::engine::batch::Batcher;
use crate::engine::prefill::prompt_seq;
use crate::engine::{EngineError, Row, SeqId};

/// The nodes in the cache, of all trees of a group.
pub(super) struct NodeCache {
    /// How many positions of each sequence are filled, or about to be.
    n_positions: HashMap<SeqId, u32>,
    /// The sequence that holds a node, as its last position or before.
    seq_of: HashMap<(usize, NodeIdx), SeqId>,
    next_seq: SeqId,
    n_seqs: u32,
}

impl NodeCache {
    /// The cache once the prompts of `trees` are prefilled, for a context of `n_seqs` sequences.
    pub(super) fn new(trees: &[Tree], n_seqs: u32) -> Self {
        let prompts = trees.iter().enumerate();
        let prompts = prompts.map(|(tree_idx, tree)| (prompt_seq(tree_idx), tree.position(ROOT)));
        Self {
            n_positions: prompts.collect(),
            seq_of: HashMap::new(),
            next_seq: prompt_seq(trees.len()),
            n_seqs,
        }
    }

    /// Sequences that are not used yet.
    pub(super) fn n_free(&self) -> usize {
        self.n_seqs.saturating_sub(self.next_seq) as usize
    }

    /// Sequences used by prompts and nodes so far.
    pub(super) fn n_used(&self) -> usize {
        self.n_positions.len()
    }

    /// The nodes above `node` that are not in the cache, the uppermost first.
    pub(super) fn missing_above(
        &self,
        tree_idx: usize,
        tree: &Tree,
        node: NodeIdx,
    ) -> Vec<NodeIdx> {
        let mut missing = Vec::new();
        let mut at = node;
        while at != ROOT {
            at = tree.node(at).parent;
            if self.seq_of.contains_key(&(tree_idx, at)) {
                break;
            }
            missing.push(at);
        }
        missing.reverse();
        missing
    }

    /// A place for a node whose parent is in the cache: the row that puts it there.
    ///
    /// A node that is there already gets a row beside it, in a sequence that ends before it.
    pub(super) fn place(
        &mut self,
        tree_idx: usize,
        tree: &Tree,
        node: NodeIdx,
        output: bool,
        batcher: &mut Batcher<'_>,
    ) -> Result<Row, EngineError> {
        let parent = (tree_idx, tree.node(node).parent);
        let above = if node == ROOT {
            prompt_seq(tree_idx)
        } else {
            self.seq_of[&parent]
        };
        let position = tree.position(node);
        let seq = self.continue_from(above, position, batcher)?;
        self.seq_of.entry((tree_idx, node)).or_insert(seq);
        Ok(Row {
            token: tree.node(node).token,
            position,
            first_seq: seq,
            n_seqs: 1,
            output,
        })
    }

    /// `above` itself, if it ends before `position`, or a new sequence with what `above` holds before it.
    fn continue_from(
        &mut self,
        above: SeqId,
        position: u32,
        batcher: &mut Batcher<'_>,
    ) -> Result<SeqId, EngineError> {
        let filled = self.n_positions.get_mut(&above);
        if let Some(filled) = filled.filter(|filled| **filled == position) {
            *filled = position + 1;
            return Ok(above);
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        batcher.share(above, seq, position)?;
        self.n_positions.insert(seq, position + 1);
        Ok(seq)
    }
}
