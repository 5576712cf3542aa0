//! The loop that turns requests into generations, one group of prompts at a time.
//!
//! Owns the order of events: trunk once, then for each group prefill, last tokens, and steps until all repeats end.
//! The caller stores each group before it asks for the next, so a killed run loses one group at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::batch::{FIRST_FREE, Schedule};
use super::branch::{Branch, DrawContext, ForcedTokens, Step};
use super::budget::GroupLimits;
use super::group::{self, PromptWork, Queue};
use super::prefill::PromptCache;
use super::vocabulary::Vocabulary;
use super::{Decoder, EngineError, Row, SeqId};
use crate::digest::Digest;
use crate::generation::{Generation, PromptDistribution, Request, RequestId, SamplingParams};

/// The work of a generator or an enumerator.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The requests, in any order; of enumerations each prompt once.
    pub requests: &'a [Request],
    /// Their sampling values.
    pub sampling: &'a SamplingParams,
    /// The seed of their draws.
    pub seed: u64,
    /// The model's tokens.
    pub vocabulary: &'a Vocabulary,
    /// How rows are put into batches.
    pub schedule: Schedule,
    /// The room in the context.
    pub limits: GroupLimits,
    /// Set to end the job before the next batch; answers that are not finished are given up.
    pub cancel: &'a AtomicBool,
    /// Told how many answers of the group in flight are finished.
    pub on_progress: &'a dyn Fn(usize),
}

/// Rows evaluated and time spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Prompt tokens evaluated; a token shared by several prompts counts once.
    pub n_prefill_rows: u64,
    /// Rows that gave logits: last prompt tokens, and generated tokens shared by equal repeats once.
    pub n_decode_rows: u64,
    /// Rows that only filled batches.
    pub n_padding_rows: u64,
    /// Time in prompt tokens.
    pub prefill: Duration,
    /// Time in rows that gave logits.
    pub decode: Duration,
    /// Time in sampling, on all threads.
    pub sample: Duration,
}

impl Work {
    /// Adds the work of another group.
    pub fn add(&mut self, other: &Self) {
        self.n_prefill_rows += other.n_prefill_rows;
        self.n_decode_rows += other.n_decode_rows;
        self.n_padding_rows += other.n_padding_rows;
        self.prefill += other.prefill;
        self.decode += other.decode;
        self.sample += other.sample;
    }
}

/// The result of one group.
#[derive(Debug)]
pub struct GroupOutcome<A> {
    /// The answers that were finished, by prompt and repeat.
    pub answers: Vec<A>,
    /// The requests that could not be answered, with the reason.
    pub failed: Vec<(RequestId, String)>,
    /// The next-token distribution of each prompt that began in this group.
    pub next_tokens: Vec<PromptDistribution>,
    /// Its work.
    pub work: Work,
}

impl<A> Default for GroupOutcome<A> {
    fn default() -> Self {
        Self {
            answers: Vec::new(),
            failed: Vec::new(),
            next_tokens: Vec::new(),
            work: Work::default(),
        }
    }
}

/// The prompts that share the KV cache.
struct Group<'p> {
    prompts: &'p [PromptWork],
    digests: Vec<Digest>,
    /// The first sequence that no branch has used.
    next_seq: SeqId,
    /// Rows evaluated after the prefill, padding included.
    n_rows: u64,
}

/// Makes generations group by group.
pub struct Generator<'a> {
    cache: PromptCache<'a>,
    job: Job<'a>,
    queue: Queue,
    /// The tokens to take instead of drawing them.
    forced: Option<&'a ForcedTokens>,
}

impl<'a> Generator<'a> {
    /// Plans the groups of a job; nothing is evaluated yet.
    pub fn new(decoder: &'a mut dyn Decoder, job: Job<'a>) -> Self {
        let prompts = group::by_prompt(job.requests);
        let n_trunk = group::trunk_len(&prompts);
        let trunk = prompts
            .first()
            .map_or(Vec::new(), |prompt| prompt.tokens[..n_trunk].to_vec());
        let queue = Queue::new(prompts, job.limits, job.schedule, job.sampling.max_tokens);
        Self {
            cache: PromptCache::new(decoder, job.schedule, trunk, job.cancel),
            job,
            queue,
            forced: None,
        }
    }

    /// As [`Self::new`], but tokens are not drawn: those in `forced`, one list for each request, are taken one after the
    /// other, so that the generations hold the model's own log-probabilities of given texts. Their texts are empty.
    pub fn forced(decoder: &'a mut dyn Decoder, job: Job<'a>, forced: &'a ForcedTokens) -> Self {
        Self {
            forced: Some(forced),
            ..Self::new(decoder, job)
        }
    }

    /// The next group's generations; `None` after the last group or once cancelled.
    ///
    /// A failure of the decoder fails the requests of its group and not the job.
    pub fn next_group(&mut self) -> Option<GroupOutcome<Generation>> {
        let prompts = self.queue.next_group()?;
        let mut outcome = GroupOutcome::default();
        let n_padding_before = self.cache.batcher.n_padding_rows();
        let done = self.run_group(&prompts, &mut outcome);
        outcome.work.n_padding_rows = self.cache.batcher.n_padding_rows() - n_padding_before;
        match done {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                self.cache.clear();
                fail(&prompts, &error, &mut outcome);
            }
        }
        Some(outcome)
    }

    /// Returns whether the group was finished rather than cancelled.
    fn run_group(
        &mut self,
        prompts: &[PromptWork],
        outcome: &mut GroupOutcome<Generation>,
    ) -> Result<bool, EngineError> {
        let started = Instant::now();
        let tokens: Vec<&[u32]> = prompts.iter().map(|prompt| &*prompt.tokens).collect();
        let Some(n_prefill_rows) = self.cache.load(&tokens, FIRST_FREE)? else {
            return Ok(false);
        };
        outcome.work.n_prefill_rows = n_prefill_rows;
        outcome.work.prefill = started.elapsed();
        let digests: Vec<Digest> = prompts
            .iter()
            .map(|prompt| digest_of(&prompt.tokens))
            .collect();
        let mut group = Group {
            prompts,
            digests,
            next_seq: FIRST_FREE + prompts.len() as SeqId,
            n_rows: 0,
        };
        let mut branches = (FIRST_FREE..)
            .zip(prompts.iter().enumerate())
            .map(|(seq, (prompt_idx, prompt))| Branch::root(seq, prompt_idx, prompt))
            .collect::<Result<Vec<_>, _>>()?;
        while !branches.is_empty() {
            let Some(live) = self.advance(branches, &mut group, outcome)? else {
                return Ok(false);
            };
            (self.job.on_progress)(outcome.answers.len());
            branches = live;
        }
        let n_seqs = group.next_seq - FIRST_FREE;
        self.queue.observe(prompts.len(), n_seqs, group.n_rows);
        Ok(true)
    }

    /// Draws the next token of every branch; returns those that go on, or `None` once cancelled.
    fn advance(
        &mut self,
        branches: Vec<Branch>,
        group: &mut Group<'_>,
        outcome: &mut GroupOutcome<Generation>,
    ) -> Result<Option<Vec<Branch>>, EngineError> {
        let mut live = Vec::new();
        for chunk in branches.chunks(self.job.schedule.output_batch_size(branches.len())) {
            if self.cancelled() {
                return Ok(None);
            }
            if self.cache.batcher.n_cells_after(chunk.len()) > self.job.limits.n_cells as usize {
                chunk.iter().for_each(|branch| self.defer(branch, group));
                continue;
            }
            let steps = self.step(chunk, group, &mut outcome.work)?;
            for step in steps {
                outcome.answers.extend(step.finished);
                outcome.next_tokens.extend(step.next_tokens);
                self.fork(step.live, group, &mut live)?;
            }
        }
        Ok(Some(live))
    }

    /// Puts the repeats of a branch back into the queue: they are made again from the prompt, with the same tokens.
    fn defer(&mut self, branch: &Branch, group: &Group<'_>) {
        self.queue.defer(PromptWork {
            tokens: Arc::clone(&group.prompts[branch.prompt_idx].tokens),
            repeats: branch.repeats().to_vec(),
        });
    }

    /// Evaluates one batch of branches and draws their next tokens.
    fn step(
        &mut self,
        branches: &[Branch],
        group: &mut Group<'_>,
        work: &mut Work,
    ) -> Result<Vec<Step>, EngineError> {
        let rows: Vec<Row> = branches.iter().map(Branch::row).collect();
        let started = Instant::now();
        self.cache.batcher.evaluate(&rows)?;
        let logits = (0..rows.len())
            .map(|row_idx| self.cache.batcher.logits(row_idx))
            .collect::<Result<Vec<_>, _>>()?;
        work.decode += started.elapsed();
        work.n_decode_rows += rows.len() as u64;
        group.n_rows += rows
            .len()
            .next_multiple_of(self.job.schedule.pad_to as usize) as u64;
        let started = Instant::now();
        let context = DrawContext {
            sampling: self.job.sampling,
            seed: self.job.seed,
            vocabulary: self.job.vocabulary,
            forced: self.forced,
        };
        let (prompts, digests) = (group.prompts, &group.digests);
        let steps = branches
            .par_iter()
            .zip(logits)
            .map(|(branch, row)| {
                let prompt_idx = branch.prompt_idx;
                branch
                    .clone()
                    .step(row, &prompts[prompt_idx], &digests[prompt_idx], &context)
            })
            .collect();
        work.sample += started.elapsed();
        steps
    }

    /// Gives every live branch but the first a sequence of its own that shares the parent's cache, while there are any.
    fn fork(
        &mut self,
        children: Vec<Branch>,
        group: &mut Group<'_>,
        live: &mut Vec<Branch>,
    ) -> Result<(), EngineError> {
        for (child_idx, mut child) in children.into_iter().enumerate() {
            if child_idx > 0 && group.next_seq >= self.job.limits.n_seqs {
                self.defer(&child, group);
                continue;
            }
            if child_idx > 0 {
                self.cache
                    .batcher
                    .share(child.seq, group.next_seq, 0..child.n_cached())?;
                child.seq = group.next_seq;
                group.next_seq += 1;
            }
            live.push(child);
        }
        Ok(())
    }

    fn cancelled(&self) -> bool {
        self.job.cancel.load(Ordering::Relaxed)
    }
}

/// The identity of a prompt in the draws: its tokens, whatever the model.
pub(super) fn digest_of(tokens: &[u32]) -> Digest {
    let bytes: Vec<u8> = tokens
        .iter()
        .flat_map(|token| token.to_le_bytes())
        .collect();
    Digest::of(&bytes)
}

/// Marks every request of a group as failed, those included that had an answer: a group is stored whole.
fn fail(prompts: &[PromptWork], error: &EngineError, outcome: &mut GroupOutcome<Generation>) {
    outcome.answers.clear();
    outcome.next_tokens.clear();
    let requests = prompts.iter().flat_map(|prompt| &prompt.repeats);
    outcome.failed = requests
        .map(|&(_, request_id)| (request_id, format!("{error:#}")))
        .collect();
}
