//! The loop that enumerates continuations, group of prompts by group.
//!
//! Owns which trees share the KV cache at a time and what happens when it is full: a tree then waits for the next
//! group, where the cells of the nodes it goes on from are filled again. Under the `strict` schedule no result depends
//! on any of this. What is followed next is decided by each tree alone.
//! The caller stores each group before it asks for the next.

mod cache;
mod grow;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use super::batch::{FIRST_FREE, Schedule};
use super::branch::{DrawContext, prompt_distribution};
use super::group::GroupLimits;
use super::prefill::PromptCache;
use super::trie::common_prefix;
use super::{Decoder, EngineError, Row, Vocabulary, Work};
use crate::generation::{
    Enumeration, EnumerationId, EnumerationParams, EnumerationRequest, PromptDistribution,
    SamplingParams,
};
use cache::NodeCache;
use grow::{Found, grow};
use tree::{NodeIdx, ROOT, Task, Tree};

/// Sequences that a prompt is expected to take before any has been seen.
const SEQS_PER_PROMPT: f64 = 8.0;
/// How much more than it took before a prompt is expected to take.
const MARGIN: f64 = 1.1;

/// What an enumerator is asked to do.
#[derive(Clone, Copy)]
pub struct EnumerationJob<'a> {
    /// The requests, in any order, each prompt once.
    pub requests: &'a [EnumerationRequest],
    /// Their sampling values.
    pub sampling: &'a SamplingParams,
    /// How far they go.
    pub params: &'a EnumerationParams,
    /// The seed of draws of the tail.
    pub seed: u64,
    /// The model's tokens.
    pub vocabulary: &'a Vocabulary,
    /// How rows are put into batches.
    pub schedule: Schedule,
    /// What the context has room for.
    pub limits: GroupLimits,
    /// Set to end the job before the next batch; what is not finished is given up.
    pub cancel: &'a AtomicBool,
    /// Told how many prompts of the group in flight are finished.
    pub on_progress: &'a dyn Fn(usize),
}

/// What came of one group.
#[derive(Debug, Default)]
pub struct EnumerationOutcome {
    /// The enumerations that were finished, by prompt.
    pub enumerations: Vec<Enumeration>,
    /// The requests that could not be answered, with the reason.
    pub failed: Vec<(EnumerationId, String)>,
    /// What may follow each prompt whose enumeration began in this group.
    pub next_tokens: Vec<PromptDistribution>,
    /// What it took.
    pub work: Work,
}

/// Enumerates group by group.
pub struct Enumerator<'a> {
    cache: PromptCache<'a>,
    job: EnumerationJob<'a>,
    /// Prompts of which nothing is known, sorted.
    waiting: VecDeque<EnumerationRequest>,
    /// Trees that found the cache full.
    parked: Vec<Tree>,
    seqs_per_prompt: f64,
    /// What may follow the prompts of the group in flight.
    next_tokens: Vec<PromptDistribution>,
}

/// A wanted row: whose it is, and its place among what that tree wants.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    tree_idx: usize,
    pending_idx: usize,
    node: NodeIdx,
}

impl<'a> Enumerator<'a> {
    /// Plans a job; nothing is evaluated yet.
    pub fn new(decoder: &'a mut dyn Decoder, job: EnumerationJob<'a>) -> Self {
        let mut requests = job.requests.to_vec();
        requests.sort_by(|a, b| a.prompt_tokens.cmp(&b.prompt_tokens));
        let trunk = trunk(&requests);
        Self {
            cache: PromptCache::new(decoder, job.schedule, trunk, job.cancel),
            job,
            waiting: requests.into(),
            parked: Vec::new(),
            seqs_per_prompt: SEQS_PER_PROMPT,
            next_tokens: Vec::new(),
        }
    }

    /// The enumerations of the next group; `None` after the last group or once cancelled.
    ///
    /// A failure of the decoder fails the requests of its group and not the job.
    pub fn next_group(&mut self) -> Option<EnumerationOutcome> {
        let mut outcome = EnumerationOutcome::default();
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
                outcome.enumerations = done.into_iter().map(Tree::into_enumeration).collect();
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
    fn take_trees(&mut self, outcome: &mut EnumerationOutcome) -> Vec<Tree> {
        let n_seqs = f64::from(self.job.limits.n_seqs.saturating_sub(FIRST_FREE));
        let n_expected = (n_seqs / self.seqs_per_prompt) as usize;
        let n_trees = n_expected.clamp(1, self.job.limits.n_prompts);
        let n_parked = self.parked.len().min(n_trees);
        let mut trees: Vec<Tree> = self.parked.drain(..n_parked).collect();
        while trees.len() < n_trees {
            let Some(request) = self.waiting.pop_front() else {
                break;
            };
            let id = request.id;
            match Tree::new(request, *self.job.params) {
                Ok(tree) => trees.push(tree),
                Err(error) => outcome.failed.push((id, error.to_string())),
            }
        }
        trees.sort_by(|a, b| a.request.prompt_tokens.cmp(&b.request.prompt_tokens));
        trees
    }

    /// Returns whether the group went on until all trees were done or the cache was full, rather than cancelled.
    fn run_group(&mut self, trees: &mut [Tree], work: &mut Work) -> Result<bool, EngineError> {
        let started = Instant::now();
        let prompts: Vec<&[u32]> = trees
            .iter()
            .map(|tree| &*tree.request.prompt_tokens)
            .collect();
        let Some(n_prefill_rows) = self.cache.load(&prompts)? else {
            return Ok(false);
        };
        work.n_prefill_rows += n_prefill_rows;
        work.prefill += started.elapsed();
        let mut nodes = NodeCache::new(trees, self.job.limits.n_seqs);
        let n_rows_before = work.n_decode_rows;
        loop {
            let is_first = work.n_decode_rows == n_rows_before;
            let round = self.round(trees, &nodes, is_first);
            if round.wanted.is_empty() {
                break;
            }
            if !self.fill_gaps(trees, &round, &mut nodes, work)?
                || !self.evaluate(trees, &round, &mut nodes, work)?
            {
                return Ok(false);
            }
            let n_done = trees.iter().filter(|tree| tree.is_done()).count();
            (self.job.on_progress)(n_done);
        }
        if work.n_decode_rows == n_rows_before {
            let reason = "the context has no room for a single continuation".to_owned();
            return Err(EngineError::Decode(reason));
        }
        self.observe(trees, &nodes);
        Ok(true)
    }

    /// The rows to evaluate next: all that are wanted, or as many as there is room for.
    fn round(&self, trees: &[Tree], nodes: &NodeCache, is_first: bool) -> Round {
        let mut round = Round::default();
        let n_cells = self.cache.batcher.n_cells_after(0);
        let n_free_cells = (self.job.limits.n_cells as usize).saturating_sub(n_cells);
        let pad_to = self.job.schedule.pad_to as usize;
        let mut is_full = false;
        for (tree_idx, tree) in trees.iter().enumerate() {
            for (pending_idx, pending) in tree.wanted() {
                let wanted = Wanted {
                    tree_idx,
                    pending_idx,
                    node: pending.node,
                };
                let missing = nodes.missing_above(tree_idx, tree, pending.node);
                let with_it = round.n_cells_with(tree, &missing, pad_to);
                if round.wanted.len() < nodes.n_free() && with_it <= n_free_cells {
                    round.add(wanted, tree, &missing);
                } else {
                    is_full = true;
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
        trees: &[Tree],
        round: &Round,
        nodes: &mut NodeCache,
        work: &mut Work,
    ) -> Result<bool, EngineError> {
        let started = Instant::now();
        for level in round.missing.values() {
            let rows = level
                .iter()
                .map(|&(tree_idx, node)| {
                    let batcher = &mut self.cache.batcher;
                    nodes.place(tree_idx, &trees[tree_idx], node, false, batcher)
                })
                .collect::<Result<Vec<Row>, _>>()?;
            work.n_prefill_rows += rows.len() as u64;
            if !self.cache.evaluate_all(&rows)? {
                return Ok(false);
            }
        }
        work.prefill += started.elapsed();
        Ok(true)
    }

    /// Evaluates the wanted rows and lets the trees go on.
    fn evaluate(
        &mut self,
        trees: &mut [Tree],
        round: &Round,
        nodes: &mut NodeCache,
        work: &mut Work,
    ) -> Result<bool, EngineError> {
        let size = self.job.schedule.output_batch_size(round.wanted.len());
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
            found.extend(self.evaluate_batch(trees, chunk, nodes, &context, work)?);
        }
        for (wanted, found) in round.wanted.iter().zip(found) {
            trees[wanted.tree_idx].accept(wanted.pending_idx, found, &context);
        }
        Ok(true)
    }

    fn evaluate_batch(
        &mut self,
        trees: &[Tree],
        wanted: &[Wanted],
        nodes: &mut NodeCache,
        context: &DrawContext<'_>,
        work: &mut Work,
    ) -> Result<Vec<Found>, EngineError> {
        let started = Instant::now();
        let batcher = &mut self.cache.batcher;
        let rows = wanted
            .iter()
            .map(|w| nodes.place(w.tree_idx, &trees[w.tree_idx], w.node, true, batcher))
            .collect::<Result<Vec<Row>, _>>()?;
        batcher.evaluate(&rows)?;
        let logits = (0..rows.len())
            .map(|row_idx| batcher.logits(row_idx))
            .collect::<Result<Vec<_>, _>>()?;
        work.decode += started.elapsed();
        work.n_decode_rows += rows.len() as u64;
        let started = Instant::now();
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

    /// Learns how many sequences a prompt takes; one that was parked counts half.
    fn observe(&mut self, trees: &[Tree], nodes: &NodeCache) {
        let n_done = trees.iter().filter(|tree| tree.is_done()).count() as f64;
        let n_prompts = 0.5 * (n_done + trees.len() as f64);
        self.seqs_per_prompt = (MARGIN * nodes.n_used() as f64 / n_prompts).max(1.0);
    }
}

/// The rows of one round.
#[derive(Debug, Default)]
struct Round {
    wanted: Vec<Wanted>,
    /// Nodes above the wanted ones whose cells are to be filled first, by their depth.
    missing: BTreeMap<u32, BTreeSet<(usize, NodeIdx)>>,
}

impl Round {
    fn add(&mut self, wanted: Wanted, tree: &Tree, missing: &[NodeIdx]) {
        for &node in missing {
            let level = self.missing.entry(tree.node(node).n_tokens).or_default();
            level.insert((wanted.tree_idx, node));
        }
        self.wanted.push(wanted);
    }

    /// At most so many cells are filled with another wanted node, below `missing`.
    fn n_cells_with(&self, tree: &Tree, missing: &[NodeIdx], pad_to: usize) -> usize {
        let mut levels: BTreeMap<u32, usize> = BTreeMap::new();
        for (&level, nodes) in &self.missing {
            *levels.entry(level).or_default() += nodes.len();
        }
        for &node in missing {
            *levels.entry(tree.node(node).n_tokens).or_default() += 1;
        }
        let n_missing: usize = levels
            .values()
            .map(|n_rows| n_rows.next_multiple_of(pad_to))
            .sum();
        n_missing + (self.wanted.len() + 1).next_multiple_of(pad_to)
    }
}

/// The tokens all prompts begin with, the last token of each left out; `requests` are sorted.
fn trunk(requests: &[EnumerationRequest]) -> Vec<u32> {
    let (Some(first), Some(last)) = (requests.first(), requests.last()) else {
        return Vec::new();
    };
    let lengths = requests.iter().map(|request| request.prompt_tokens.len());
    let shortest = lengths.min().unwrap_or(0);
    let shared = common_prefix(&first.prompt_tokens, &last.prompt_tokens);
    first.prompt_tokens[..shared.min(shortest.saturating_sub(1))].to_vec()
}
