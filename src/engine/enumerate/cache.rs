//! Where the nodes of the trees lie in the KV cache.
//!
//! Owns the sequences. It decides nothing about which nodes are evaluated.
//!
//! A row sees what its sequence holds, so each path through a tree needs a sequence with the cells of its nodes; but of
//! the hundreds of paths in a group only those of one batch are evaluated at a time. So a path is put together when its
//! row is due, in a **scratch** sequence, and given up after it. In between each node's cell is held by a **keeper**: a
//! sequence that no row is evaluated in, with one cell at most for each position, of whatever trees. So a tree takes as
//! many sequences as it has nodes at the depth where it has most of them, not as many as it has paths. What a finished
//! tree leaves goes to the **grave**: under the `strict` schedule no cell becomes free within a group.

use std::collections::HashMap;
use std::ops::Range;

use super::tree::{NodeIdx, ROOT, Tree};
use crate::engine::batch::{Batcher, FIRST_FREE};
use crate::engine::{EngineError, Row, SeqId};

/// Holds what nothing is evaluated after any more.
const GRAVE: SeqId = FIRST_FREE;
/// The first sequence of a prompt.
pub(super) const FIRST_PROMPT: SeqId = GRAVE + 1;
/// One in so many sequences is for paths.
const SCRATCH_PART: u32 = 4;
/// One in so many sequences at most is for prompts.
const PROMPT_PART: u32 = 6;

/// The uses of a context's sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seqs {
    /// Sequences of the context.
    n: u32,
    /// Rows in a batch at most.
    pub(super) n_scratch: u32,
    /// Prompts in a group at most.
    pub(super) n_prompts: u32,
}

impl Seqs {
    /// The parts of a context of `n` sequences, for batches of at most `n_rows_max` rows filled up to a multiple of
    /// `pad_to`; None where there are too few.
    pub(super) fn new(n: u32, n_rows_max: u32, pad_to: u32) -> Option<Self> {
        let n_usable = n.saturating_sub(FIRST_PROMPT);
        let n_scratch = (n_usable / SCRATCH_PART).clamp(1, n_rows_max);
        let whole = n_scratch - n_scratch % pad_to;
        // One path, one prompt, one keeper.
        (n_usable >= 3).then_some(Self {
            n,
            n_scratch: if whole == 0 { n_scratch } else { whole },
            n_prompts: (n_usable / PROMPT_PART).max(1),
        })
    }

    fn scratch(self, row_idx: usize) -> SeqId {
        self.n - 1 - row_idx as SeqId
    }

    fn keepers(self, n_prompts: usize) -> Range<SeqId> {
        FIRST_PROMPT + n_prompts as SeqId..self.n - self.n_scratch
    }
}

/// The keepers of one position.
#[derive(Debug, Clone)]
struct KeeperList {
    /// Those from here on have never been used.
    unused: Range<SeqId>,
    /// Those that were given back.
    returned: Vec<SeqId>,
}

impl KeeperList {
    fn n_free(&self) -> usize {
        self.unused.len() + self.returned.len()
    }

    fn take(&mut self) -> Option<SeqId> {
        self.returned.pop().or_else(|| self.unused.next())
    }
}

/// A node of one of the trees of a group.
pub(super) type TreeNode = (usize, NodeIdx);

/// The nodes in the cache, of all trees of a group.
pub(super) struct NodeCache {
    seqs: Seqs,
    keepers: Range<SeqId>,
    /// The keeper that holds a node.
    keeper_of: HashMap<TreeNode, SeqId>,
    keepers_at: HashMap<u32, KeeperList>,
}

impl NodeCache {
    /// The cache once `n_prompts` prompts are prefilled.
    pub(super) fn new(n_prompts: usize, seqs: Seqs) -> Self {
        Self {
            seqs,
            keepers: seqs.keepers(n_prompts),
            keeper_of: HashMap::new(),
            keepers_at: HashMap::new(),
        }
    }

    /// Sequences that hold nodes.
    pub(super) fn n_keepers(&self) -> usize {
        self.keepers.len()
    }

    /// Keepers that are free for a node at `position`.
    pub(super) fn n_free_at(&self, position: u32) -> usize {
        let list = self.keepers_at.get(&position);
        list.map_or(self.keepers.len(), KeeperList::n_free)
    }

    /// Keepers that are in use where most are.
    pub(super) fn n_used(&self) -> usize {
        let free = self.keepers_at.values().map(KeeperList::n_free);
        free.map(|n_free| self.keepers.len() - n_free)
            .max()
            .unwrap_or(0)
    }

    pub(super) fn holds(&self, node: TreeNode) -> bool {
        self.keeper_of.contains_key(&node)
    }

    /// The nodes above `node` that are not in the cache, the uppermost first.
    pub(super) fn missing_above(
        &self,
        tree_idx: usize,
        tree: &Tree,
        node: NodeIdx,
    ) -> Vec<NodeIdx> {
        let above = ancestors(tree, node).into_iter();
        above
            .filter(|&node| !self.holds((tree_idx, node)))
            .collect()
    }

    /// A row for each of the nodes, at most [`Seqs::n_scratch`], whose parents are in the cache: each in a sequence that
    /// holds what is above it.
    pub(super) fn stage(
        &self,
        trees: &[Tree],
        nodes: &[TreeNode],
        output: bool,
        batcher: &mut Batcher<'_>,
    ) -> Result<Vec<Row>, EngineError> {
        let rows = nodes.iter().enumerate();
        rows.map(|(row_idx, &(tree_idx, node))| {
            let (tree, scratch) = (&trees[tree_idx], self.seqs.scratch(row_idx));
            let prompt = FIRST_PROMPT + tree_idx as SeqId;
            batcher.share(prompt, scratch, 0..tree.position(ROOT))?;
            for above in ancestors(tree, node) {
                let keeper = self.keeper_of[&(tree_idx, above)];
                batcher.share(keeper, scratch, at(tree.position(above)))?;
            }
            Ok(Row {
                token: tree.node(node).token,
                position: tree.position(node),
                first_seq: scratch,
                n_seqs: 1,
                output,
            })
        })
        .collect()
    }

    /// Keeps the cells of the nodes whose rows were evaluated, and gives up their paths.
    pub(super) fn settle(
        &mut self,
        trees: &[Tree],
        nodes: &[TreeNode],
        batcher: &mut Batcher<'_>,
    ) -> Result<(), EngineError> {
        for (row_idx, &(tree_idx, node)) in nodes.iter().enumerate() {
            let scratch = self.seqs.scratch(row_idx);
            let position = trees[tree_idx].position(node);
            let holder = self.take_keeper((tree_idx, node), position);
            batcher.share(scratch, holder, at(position))?;
            batcher.release(scratch, 0..position + 1)?;
        }
        Ok(())
    }

    /// Where the cell of a node goes; a node that is there already got a row beside it, which nothing needs any more.
    fn take_keeper(&mut self, node: TreeNode, position: u32) -> SeqId {
        if self.holds(node) {
            return GRAVE;
        }
        let list = self
            .keepers_at
            .entry(position)
            .or_insert_with(|| KeeperList {
                unused: self.keepers.clone(),
                returned: Vec::new(),
            });
        let keeper = list.take();
        let keeper = keeper.expect("a round takes no more nodes than there are keepers for");
        self.keeper_of.insert(node, keeper);
        keeper
    }

    /// Gives back what holds the nodes of a tree; returns how many it had where it had most.
    pub(super) fn retire(
        &mut self,
        tree_idx: usize,
        tree: &Tree,
        batcher: &mut Batcher<'_>,
    ) -> Result<usize, EngineError> {
        let mut n_at: HashMap<u32, usize> = HashMap::new();
        for node in tree.nodes() {
            let Some(keeper) = self.keeper_of.remove(&(tree_idx, node)) else {
                continue;
            };
            let position = tree.position(node);
            batcher.share(keeper, GRAVE, at(position))?;
            batcher.release(keeper, at(position))?;
            let list = self.keepers_at.get_mut(&position);
            let list = list.expect("a keeper came from the list of its position");
            list.returned.push(keeper);
            *n_at.entry(position).or_default() += 1;
        }
        Ok(n_at.into_values().max().unwrap_or(0))
    }
}

/// The nodes above `node`, the uppermost first.
fn ancestors(tree: &Tree, node: NodeIdx) -> Vec<NodeIdx> {
    let mut found = Vec::new();
    let mut at = node;
    while at != ROOT {
        at = tree.node(at).parent;
        found.push(at);
    }
    found.reverse();
    found
}

fn at(position: u32) -> Range<u32> {
    position..position + 1
}
