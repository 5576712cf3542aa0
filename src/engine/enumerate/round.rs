//! The rows of one round: those of the wanted rows that there is room for.
//!
//! Owns the count of cells and keepers that they take. The loop says in which order rows are taken.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::cache::{NodeCache, TreeNode};
use super::tree::{NodeIdx, Tree};

/// A wanted row: whose it is, and its place among what that tree wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct WantedRow {
    pub(super) tree_idx: usize,
    pub(super) pending_idx: usize,
    pub(super) node: NodeIdx,
}

/// The rows of one round.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) wanted: Vec<WantedRow>,
    /// Nodes above the wanted ones whose cells are to be filled first, by their depth.
    missing: BTreeMap<u32, BTreeSet<TreeNode>>,
    /// Keepers that all of them take, by position.
    n_keepers: HashMap<u32, usize>,
    n_rows_max: usize,
    pad_to: usize,
}

impl Round {
    /// No rows yet; batches of at most `n_rows_max` rows are filled up to a multiple of `pad_to`.
    pub(super) fn new(n_rows_max: usize, pad_to: usize) -> Self {
        Self {
            wanted: Vec::new(),
            missing: BTreeMap::new(),
            n_keepers: HashMap::new(),
            n_rows_max,
            pad_to,
        }
    }

    /// The nodes whose cells are to be filled, a level after the one above it.
    pub(super) fn levels(&self) -> impl Iterator<Item = Vec<TreeNode>> {
        let levels = self.missing.values();
        levels.map(|level| level.iter().copied().collect())
    }

    pub(super) fn add(
        &mut self,
        wanted: WantedRow,
        tree: &Tree,
        missing: &[NodeIdx],
        nodes: &NodeCache,
    ) {
        for position in self.positions(wanted, tree, missing, nodes) {
            *self.n_keepers.entry(position).or_default() += 1;
        }
        for &node in missing {
            let level = self.missing.entry(tree.node(node).n_tokens).or_default();
            level.insert((wanted.tree_idx, node));
        }
        self.wanted.push(wanted);
    }

    /// True if there is a keeper for another wanted node, and for each node of `missing` above it.
    pub(super) fn has_keepers_for(
        &self,
        wanted: WantedRow,
        tree: &Tree,
        missing: &[NodeIdx],
        nodes: &NodeCache,
    ) -> bool {
        // Nodes of one path stand at different positions.
        let mut positions = self.positions(wanted, tree, missing, nodes).into_iter();
        positions.all(|position| {
            let n_taken = self.n_keepers.get(&position).copied().unwrap_or(0);
            n_taken < nodes.n_free_at(position)
        })
    }

    /// Where keepers are needed for another wanted node and for `missing` above it.
    fn positions(
        &self,
        wanted: WantedRow,
        tree: &Tree,
        missing: &[NodeIdx],
        nodes: &NodeCache,
    ) -> Vec<u32> {
        let is_new = |node: NodeIdx| {
            let depth = tree.node(node).n_tokens;
            let level = self.missing.get(&depth);
            !level.is_some_and(|level| level.contains(&(wanted.tree_idx, node)))
        };
        let missing = missing.iter().copied().filter(|&node| is_new(node));
        let own = (!nodes.holds((wanted.tree_idx, wanted.node))).then_some(wanted.node);
        missing.chain(own).map(|node| tree.position(node)).collect()
    }

    /// Cells that are filled at most with another wanted node, below `missing`.
    pub(super) fn n_cells_with(
        &self,
        wanted: WantedRow,
        tree: &Tree,
        missing: &[NodeIdx],
    ) -> usize {
        let mut levels: BTreeMap<u32, usize> = BTreeMap::new();
        for (&level, nodes) in &self.missing {
            *levels.entry(level).or_default() += nodes.len();
        }
        for &node in missing {
            let depth = tree.node(node).n_tokens;
            let level = self.missing.get(&depth);
            if !level.is_some_and(|level| level.contains(&(wanted.tree_idx, node))) {
                *levels.entry(depth).or_default() += 1;
            }
        }
        let n_missing: usize = levels.values().map(|n_rows| self.padded(*n_rows)).sum();
        n_missing + self.padded(self.wanted.len() + 1)
    }

    /// Cells that `n_rows` rows fill, in as many batches as it takes.
    fn padded(&self, n_rows: usize) -> usize {
        let (n_full, rest) = (n_rows / self.n_rows_max, n_rows % self.n_rows_max);
        n_full * self.n_rows_max.next_multiple_of(self.pad_to) + rest.next_multiple_of(self.pad_to)
    }
}
