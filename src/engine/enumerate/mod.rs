//! The loop that enumerates continuations, group of prompts by group.
//!
//! Owns which trees share the KV cache at a time. The prompts of a group are prefilled together; of its trees as many
//! are begun as there are sequences for, the next when one is done, so that batches stay full although the last rounds of
//! a tree are small. A tree that finds the cache full waits for the next group, where the cells of the nodes it goes on
//! from are filled again. Under the `strict` schedule no result depends on any of this. What is followed next is decided
//! by each tree alone. The caller stores each group before it asks for the next.

mod cache;
mod grow;
mod round;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rayon::prelude::*;

use super::branch::{DrawContext, prompt_distribution};
use super::budget::GroupSize;
use super::prefill::PromptCache;
use super::trie::common_prefix;
use super::{Decoder, EngineError, GroupOutcome, Job, Work};
use crate::generation::{Enumeration, EnumerationParams, PromptDistribution, Request, RequestId};
use cache::{FIRST_PROMPT, NodeCache, Seqs, TreeNode};
use grow::grow;
use round::{Round, WantedRow};
use tree::{Found, ROOT, Task, Tree};

/// How much more than it took before a prompt is expected to take.
const MARGIN: f64 = 1.1;
/// Rows that a prompt is expected to be allowed at most, before any has been seen.
const N_ROWS_FIRST: u32 = 100;
/// The part of the cells that trees may be begun for; the rest is for those that take more than expected.
const PART_PLANNED: f64 = 0.95;

/// Enumerates group by group.
pub struct Enumerator<'a> {
    cache: PromptCache<'a>,
    job: Job<'a>,
    params: EnumerationParams,
    /// Prompts of which nothing is known, sorted.
    waiting: VecDeque<Request>,
    /// Trees that found the cache full, or were prefilled and not begun.
    parked: VecDeque<Tree>,
    /// None where the context has too few sequences.
    seqs: Option<Seqs>,
    expected: Expected,
    /// The next-token distributions of the prompts of the group in flight.
    next_tokens: Vec<PromptDistribution>,
}

/// The expected cost of one prompt.
#[derive(Debug, Clone, Copy)]
struct Expected {
    rows: f64,
    keepers: f64,
}

impl Expected {
    /// Before any has been seen: more than half of the rows that are allowed, a quarter of them at one depth.
    fn first(params: &EnumerationParams) -> Self {
        let n_rows = f64::from(params.max_rows_per_prompt.min(N_ROWS_FIRST));
        Self {
            rows: 0.6 * n_rows,
            keepers: (0.25 * n_rows).max(1.0),
        }
    }
}

/// The trees of a group and what has become of them: the first are begun, and some of these are retired.
struct Group<'t> {
    trees: &'t mut [Tree],
    nodes: NodeCache,
    n_begun: usize,
    is_retired: Vec<bool>,
    /// The most keepers in use at a time, for each tree that was alive then.
    keepers_per_tree: f64,
}

impl Group<'_> {
    /// The trees that are begun and not retired, by their numbers.
    fn live(&self) -> impl Iterator<Item = usize> {
        (0..self.n_begun).filter(|&tree_idx| !self.is_retired[tree_idx])
    }
}

impl<'a> Enumerator<'a> {
    /// Plans a job; nothing is evaluated yet.
    pub fn new(decoder: &'a mut dyn Decoder, job: Job<'a>, params: EnumerationParams) -> Self {
        let mut requests = job.requests.to_vec();
        requests.sort_by(|a, b| a.prompt_tokens.cmp(&b.prompt_tokens));
        let trunk = trunk(&requests);
        Self {
            cache: PromptCache::new(decoder, job.schedule, trunk, job.cancel),
            job,
            params,
            waiting: requests.into(),
            parked: VecDeque::new(),
            seqs: Seqs::new(
                job.limits.n_seqs,
                job.schedule.n_output_rows_max,
                job.schedule.pad_to,
            ),
            expected: Expected::first(&params),
            next_tokens: Vec::new(),
        }
    }

    /// The enumerations of the next group; `None` after the last group or once cancelled.
    ///
    /// A failure of the decoder fails the requests of its group and not the job.
    pub fn next_group(&mut self) -> Option<GroupOutcome<Enumeration>> {
        let mut outcome = GroupOutcome::default();
        let mut trees = self.take_trees(&mut outcome);
        if trees.is_empty() && outcome.failed.is_empty() {
            return None;
        }
        let n_padding_before = self.cache.batcher.n_padding_rows();
        let done = self.run_group(&mut trees, &mut outcome.work);
        outcome.work.n_padding_rows = self.cache.batcher.n_padding_rows() - n_padding_before;
        match done {
            Ok(true) => {
                let (done, parked): (Vec<Tree>, _) = trees.into_iter().partition(Tree::is_done);
                self.parked.extend(parked);
                outcome.next_tokens = std::mem::take(&mut self.next_tokens);
                outcome.answers = done.into_iter().map(Tree::into_enumeration).collect();
            }
            Ok(false) => return None,
            Err(error) => {
                self.cache.clear();
                self.next_tokens.clear();
                let ids = trees.iter().map(|tree| tree.request.id);
                outcome
                    .failed
                    .extend(ids.map(|id| (id, format!("{error:#}"))));
            }
        }
        Some(outcome)
    }

    /// The trees of the next group: those that were parked, and as many new ones as are expected to fit; sorted.
    fn take_trees(&mut self, outcome: &mut GroupOutcome<Enumeration>) -> Vec<Tree> {
        let mut trees: Vec<Tree> = Vec::new();
        let max_tokens = self.job.sampling.max_tokens;
        let mut size = GroupSize::empty(self.cache.n_trunk(), self.job.schedule, max_tokens);
        while let Some(prompt) = self.next_prompt() {
            let previous = trees.last().map(|tree| &*tree.request.prompt_tokens);
            let with_prompt = size.with(previous, prompt, 1);
            if !trees.is_empty() && !self.is_expected_to_fit(&with_prompt) {
                break;
            }
            match self.take_tree() {
                Ok(tree) => {
                    size = with_prompt;
                    trees.extend(tree);
                }
                Err((id, error)) => outcome.failed.push((id, error.to_string())),
            }
        }
        trees.sort_by(|a, b| a.request.prompt_tokens.cmp(&b.request.prompt_tokens));
        trees
    }

    /// The prompt that is next in turn.
    fn next_prompt(&self) -> Option<&[u32]> {
        let parked = self.parked.front().map(|tree| &tree.request);
        let next = parked.or_else(|| self.waiting.front());
        next.map(|request| &*request.prompt_tokens)
    }

    /// The tree of the prompt that is next in turn.
    fn take_tree(&mut self) -> Result<Option<Tree>, (RequestId, EngineError)> {
        if let Some(tree) = self.parked.pop_front() {
            return Ok(Some(tree));
        }
        let new = |request: Request| {
            let id = request.id;
            Tree::new(request, self.params).map_err(|error| (id, error))
        };
        self.waiting.pop_front().map(new).transpose()
    }

    /// True if prompts of this size have room for what trees are expected to take, and certainly for one path.
    fn is_expected_to_fit(&self, size: &GroupSize) -> bool {
        let n_prompts = self.seqs.map_or(1, |seqs| seqs.n_prompts as usize);
        let n_rows = f64::from(size.n_prompts) * self.expected.rows;
        let limits = self.job.limits;
        size.n_prompts as usize <= limits.n_prompts.min(n_prompts)
            && size.n_cells_of_path() <= limits.n_cells
            && f64::from(size.n_prefilled_cells()) + n_rows <= f64::from(limits.n_cells)
    }

    /// Returns whether the group went on until all trees were done or the cache was full, rather than cancelled.
    fn run_group(&mut self, trees: &mut [Tree], work: &mut Work) -> Result<bool, EngineError> {
        let no_room = || {
            let reason = "the context has no room for a single continuation".to_owned();
            EngineError::Decode(reason)
        };
        let seqs = self.seqs.ok_or_else(no_room)?;
        let started = Instant::now();
        let prompts: Vec<&[u32]> = trees
            .iter()
            .map(|tree| &*tree.request.prompt_tokens)
            .collect();
        let Some(n_prefill_rows) = self.cache.load(&prompts, FIRST_PROMPT)? else {
            return Ok(false);
        };
        work.n_prefill_rows += n_prefill_rows;
        work.prefill += started.elapsed();
        let n_rows_before = work.n_decode_rows;
        let mut group = Group {
            nodes: NodeCache::new(trees.len(), seqs),
            is_retired: vec![false; trees.len()],
            n_begun: 0,
            keepers_per_tree: 0.0,
            trees,
        };
        loop {
            self.retire(&mut group)?;
            self.begin(&mut group);
            let round = self.round(&group, work.n_decode_rows == n_rows_before);
            if round.wanted.is_empty() {
                break;
            }
            if !self.fill_gaps(&mut group, &round, work)?
                || !self.evaluate(&mut group, &round, work)?
            {
                return Ok(false);
            }
            let n_done = group.trees.iter().filter(|tree| tree.is_done()).count();
            (self.job.on_progress)(n_done);
        }
        if work.n_decode_rows == n_rows_before {
            return Err(no_room());
        }
        self.observe(&group);
        Ok(true)
    }

    /// Gives back what trees that are done hold.
    fn retire(&mut self, group: &mut Group<'_>) -> Result<(), EngineError> {
        let live: Vec<usize> = group.live().collect();
        let keepers = group.nodes.n_used() as f64 / live.len().max(1) as f64;
        group.keepers_per_tree = group.keepers_per_tree.max(keepers);
        for tree_idx in live {
            if group.trees[tree_idx].is_done() {
                let tree = &group.trees[tree_idx];
                group
                    .nodes
                    .retire(tree_idx, tree, &mut self.cache.batcher)?;
                group.is_retired[tree_idx] = true;
            }
        }
        Ok(())
    }

    /// Begins as many more trees as there are sequences and cells for, at least one where none is alive.
    fn begin(&self, group: &mut Group<'_>) {
        while group.n_begun < group.trees.len() {
            let live: Vec<usize> = group.live().collect();
            let keepers = self.expected.keepers * (live.len() + 1) as f64;
            let to_come = live.iter().map(|&tree_idx| {
                let n_rows = group.trees[tree_idx].n_rows() as f64;
                (self.expected.rows - n_rows).max(1.0)
            });
            let n_cells = self.cache.batcher.n_cells_after(0) as f64;
            let cells = n_cells + to_come.sum::<f64>() + self.expected.rows;
            let fits = keepers <= group.nodes.n_keepers() as f64
                && cells <= PART_PLANNED * f64::from(self.job.limits.n_cells);
            // A context that is too small for what is expected is tried all the same.
            let is_first = group.n_begun == 0;
            if !(fits || is_first) {
                break;
            }
            group.n_begun += 1;
        }
    }

    /// The rows to evaluate next: all that are wanted, or as many as there is room for.
    fn round(&self, group: &Group<'_>, is_first: bool) -> Round {
        let n_cells = self.cache.batcher.n_cells_after(0);
        let n_free_cells = (self.job.limits.n_cells as usize).saturating_sub(n_cells);
        let pad_to = self.job.schedule.pad_to as usize;
        let mut round = Round::new(self.n_rows_max(), pad_to);
        let mut is_full = false;
        for tree_idx in group.live() {
            let tree = &group.trees[tree_idx];
            for (pending_idx, pending) in tree.wanted() {
                let wanted = WantedRow {
                    tree_idx,
                    pending_idx,
                    node: pending.node,
                };
                let missing = group.nodes.missing_above(tree_idx, tree, pending.node);
                if round.n_cells_with(wanted, tree, &missing) > n_free_cells {
                    is_full = true;
                } else if round.has_keepers_for(wanted, tree, &missing, &group.nodes) {
                    round.add(wanted, tree, &missing, &group.nodes);
                }
            }
        }
        // A few rows more are not worth a batch: they are evaluated in the next group, with others.
        if is_full && !is_first && round.wanted.len() < pad_to {
            round.wanted.clear();
        }
        round
    }

    /// Fills the cells of nodes above the wanted ones that an earlier group has evaluated.
    fn fill_gaps(
        &mut self,
        group: &mut Group<'_>,
        round: &Round,
        work: &mut Work,
    ) -> Result<bool, EngineError> {
        let started = Instant::now();
        for level in round.levels() {
            for nodes in level.chunks(self.n_rows_max()) {
                let batcher = &mut self.cache.batcher;
                let rows = group.nodes.stage(group.trees, nodes, false, batcher)?;
                work.n_prefill_rows += rows.len() as u64;
                if !self.cache.evaluate_all(&rows)? {
                    return Ok(false);
                }
                let batcher = &mut self.cache.batcher;
                group.nodes.settle(group.trees, nodes, batcher)?;
            }
        }
        work.prefill += started.elapsed();
        Ok(true)
    }

    /// Rows in a batch at most: each has a sequence of its own.
    fn n_rows_max(&self) -> usize {
        self.seqs.map_or(1, |seqs| seqs.n_scratch as usize)
    }

    /// Evaluates the wanted rows and lets the trees go on.
    fn evaluate(
        &mut self,
        group: &mut Group<'_>,
        round: &Round,
        work: &mut Work,
    ) -> Result<bool, EngineError> {
        let n_batches = round.wanted.len().div_ceil(self.n_rows_max());
        let pad_to = self.job.schedule.pad_to as usize;
        let size = round.wanted.len().div_ceil(n_batches);
        let size = size.next_multiple_of(pad_to).min(self.n_rows_max());
        let context = DrawContext {
            sampling: self.job.sampling,
            seed: self.job.seed,
            vocabulary: self.job.vocabulary,
            forced: None,
        };
        let mut found = Vec::with_capacity(round.wanted.len());
        for chunk in round.wanted.chunks(size) {
            if self.job.cancel.load(Ordering::Relaxed) {
                return Ok(false);
            }
            found.extend(self.evaluate_batch(group, chunk, &context, work)?);
        }
        for (wanted, found) in round.wanted.iter().zip(found) {
            group.trees[wanted.tree_idx].accept(wanted.pending_idx, found, &context);
        }
        Ok(true)
    }

    fn evaluate_batch(
        &mut self,
        group: &mut Group<'_>,
        wanted: &[WantedRow],
        context: &DrawContext<'_>,
        work: &mut Work,
    ) -> Result<Vec<Found>, EngineError> {
        let started = Instant::now();
        let batcher = &mut self.cache.batcher;
        let nodes: Vec<TreeNode> = wanted.iter().map(|w| (w.tree_idx, w.node)).collect();
        let rows = group.nodes.stage(group.trees, &nodes, true, batcher)?;
        batcher.evaluate(&rows)?;
        group.nodes.settle(group.trees, &nodes, batcher)?;
        let logits = (0..rows.len())
            .map(|row_idx| batcher.logits(row_idx))
            .collect::<Result<Vec<_>, _>>()?;
        work.decode += started.elapsed();
        work.n_decode_rows += rows.len() as u64;
        let started = Instant::now();
        let trees = &*group.trees;
        let found = wanted
            .par_iter()
            .zip(logits)
            .map(|(wanted, row)| {
                let tree = &trees[wanted.tree_idx];
                let pending = tree.pending(wanted.pending_idx);
                let is_prompt = pending.node == ROOT && pending.task == Task::Follow;
                let prompt = &tree.request.prompt_tokens;
                let next_tokens = is_prompt.then(|| prompt_distribution(prompt, row));
                Ok((grow(tree, pending, row, context)?, next_tokens.transpose()?))
            })
            .collect::<Result<Vec<_>, EngineError>>();
        work.sample += started.elapsed();
        let (found, next_tokens): (Vec<Found>, Vec<_>) = found?.into_iter().unzip();
        self.next_tokens.extend(next_tokens.into_iter().flatten());
        Ok(found)
    }

    /// Learns what a prompt takes.
    fn observe(&mut self, group: &Group<'_>) {
        let done = group.trees.iter().filter(|tree| tree.is_done());
        let rows: Vec<f64> = done.map(|tree| tree.n_rows() as f64).collect();
        if !rows.is_empty() {
            let mean = rows.iter().sum::<f64>() / rows.len() as f64;
            self.expected = Expected {
                rows: (MARGIN * mean).max(1.0),
                keepers: group.keepers_per_tree.max(1.0),
            };
        }
    }
}

/// The tokens all prompts begin with, the last token of each left out; `requests` are sorted.
fn trunk(requests: &[Request]) -> Vec<u32> {
    let (Some(first), Some(last)) = (requests.first(), requests.last()) else {
        return Vec::new();
    };
    let lengths = requests.iter().map(|request| request.prompt_tokens.len());
    let shortest = lengths.min().unwrap_or(0);
    let shared = common_prefix(&first.prompt_tokens, &last.prompt_tokens);
    first.prompt_tokens[..shared.min(shortest.saturating_sub(1))].to_vec()
}
