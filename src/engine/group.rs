//! Groups: which prompts share the KV cache at a time.
//!
//! Owns the cut of a job into groups that fit the sequences and cells of a context.
//! Under the `strict` schedule the cut changes no generation, only memory and speed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::batch::{FIRST_FREE, Schedule};
use super::budget::{GroupLimits, GroupSize, n_cells_alone};
use super::trie::common_prefix;
use crate::generation::{Request, RequestId};

/// How much more than it took before a prompt is expected to take.
const MARGIN: f64 = 1.1;

/// One prompt and the repeats asked of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PromptWork {
    pub(super) tokens: Arc<[u32]>,
    pub(super) repeats: Vec<(u32, RequestId)>,
}

impl PromptWork {
    /// The size of a group with this prompt behind `previous`.
    fn counted_in(&self, size: GroupSize, previous: Option<&Self>) -> GroupSize {
        let previous = previous.map(|previous| &*previous.tokens);
        size.with(previous, &self.tokens, self.repeats.len())
    }
}

/// The requests by prompt, prompts sorted by their tokens, repeats in order.
pub(super) fn by_prompt(requests: &[Request]) -> Vec<PromptWork> {
    let mut sorted: Vec<&Request> = requests.iter().collect();
    sorted.sort_by(|a, b| (&a.prompt_tokens, a.repeat_idx).cmp(&(&b.prompt_tokens, b.repeat_idx)));
    let mut prompts: Vec<PromptWork> = Vec::new();
    for request in sorted {
        let repeat = (request.repeat_idx, request.id);
        match prompts.last_mut() {
            Some(prompt) if prompt.tokens == request.prompt_tokens => prompt.repeats.push(repeat),
            _ => prompts.push(PromptWork {
                tokens: Arc::clone(&request.prompt_tokens),
                repeats: vec![repeat],
            }),
        }
    }
    prompts
}

/// The number of tokens all prompts begin with, the last token of each left out.
pub(super) fn trunk_len(prompts: &[PromptWork]) -> usize {
    let (Some(first), Some(last)) = (prompts.first(), prompts.last()) else {
        return 0;
    };
    let shortest = prompts
        .iter()
        .map(|prompt| prompt.tokens.len())
        .min()
        .unwrap_or(0);
    common_prefix(&first.tokens, &last.tokens).min(shortest.saturating_sub(1))
}

/// The prompts still to do, and how many of them to take at a time.
///
/// Most repeats agree for a while and many agree to the end, so groups are cut by how many sequences and cells prompts
/// have been seen to take. Repeats for which there was no room after all come back through `defer`, and are done at
/// the end in groups that are certain to fit.
pub(super) struct Queue {
    prompts: VecDeque<PromptWork>,
    deferred: BTreeMap<Arc<[u32]>, Vec<(u32, RequestId)>>,
    limits: GroupLimits,
    schedule: Schedule,
    max_tokens: u32,
    n_trunk: usize,
    /// Sequences that a prompt takes, one for each continuation that differs.
    seqs_per_prompt: f64,
    /// Rows that a prompt takes after its prefill.
    rows_per_prompt: f64,
}

impl Queue {
    /// A queue of sorted prompts.
    pub(super) fn new(
        prompts: Vec<PromptWork>,
        limits: GroupLimits,
        schedule: Schedule,
        max_tokens: u32,
    ) -> Self {
        let n_repeats = prompts.iter().map(|prompt| prompt.repeats.len()).max();
        let n_repeats = n_repeats.unwrap_or(1) as f64;
        // A guess for the first group: continuations that differ grow with the root of the number of repeats.
        let seqs_per_prompt = (1.5 * n_repeats.sqrt()).min(n_repeats);
        Self {
            n_trunk: trunk_len(&prompts),
            prompts: prompts.into(),
            deferred: BTreeMap::new(),
            limits,
            schedule,
            max_tokens,
            seqs_per_prompt,
            rows_per_prompt: seqs_per_prompt * f64::from(max_tokens),
        }
    }

    /// The next group; `None` when all is done.
    pub(super) fn next_group(&mut self) -> Option<Vec<PromptWork>> {
        if self.prompts.is_empty() {
            let deferred = std::mem::take(&mut self.deferred).into_iter();
            let prompts = deferred.map(|(tokens, repeats)| PromptWork { tokens, repeats });
            let mut groups = cut(
                prompts,
                self.limits,
                self.schedule,
                self.max_tokens,
                self.n_trunk,
            );
            if groups.is_empty() {
                return None;
            }
            let group = groups.remove(0);
            groups
                .into_iter()
                .flatten()
                .for_each(|prompt| self.defer(prompt));
            return Some(group);
        }
        let mut group: Vec<PromptWork> = Vec::new();
        let mut size = GroupSize::empty(self.n_trunk, self.schedule, self.max_tokens);
        while let Some(prompt) = self.prompts.front() {
            let with_prompt = prompt.counted_in(size, group.last());
            if !group.is_empty() && !self.is_expected_to_fit(&with_prompt) {
                break;
            }
            size = with_prompt;
            group.extend(self.prompts.pop_front());
        }
        Some(self.bounded(group))
    }

    /// A single prompt may be too large for a guess: then it is cut so that it certainly fits.
    fn bounded(&mut self, group: Vec<PromptWork>) -> Vec<PromptWork> {
        if group.len() > 1 {
            return group;
        }
        let mut groups = cut(
            group.into_iter(),
            self.limits,
            self.schedule,
            self.max_tokens,
            self.n_trunk,
        );
        let first = groups.remove(0);
        groups
            .into_iter()
            .flatten()
            .for_each(|prompt| self.defer(prompt));
        first
    }

    fn is_expected_to_fit(&self, size: &GroupSize) -> bool {
        let n_prompts = f64::from(size.n_prompts);
        let n_seqs = n_prompts * self.seqs_per_prompt;
        let n_rows = f64::from(size.n_prefilled_cells()) + n_prompts * self.rows_per_prompt;
        size.n_prompts as usize <= self.limits.n_prompts
            && n_seqs <= f64::from(self.limits.n_seqs.saturating_sub(FIRST_FREE))
            && n_rows <= f64::from(self.limits.n_cells)
    }

    /// Takes repeats back for which there was no room.
    pub(super) fn defer(&mut self, prompt: PromptWork) {
        self.deferred
            .entry(prompt.tokens)
            .or_default()
            .extend(prompt.repeats);
    }

    /// Learns from a group of `n_prompts` what prompts take.
    pub(super) fn observe(&mut self, n_prompts: usize, n_seqs: u32, n_rows: u64) {
        // A little more than was seen, because running out costs more than a batch that is not full.
        let per_prompt = |n: f64| MARGIN * n / n_prompts.max(1) as f64;
        self.seqs_per_prompt = per_prompt(f64::from(n_seqs)).max(1.0);
        self.rows_per_prompt = per_prompt(n_rows as f64).max(1.0);
    }
}

/// Cuts sorted prompts into groups that certainly fit; a prompt with too many repeats is spread over several groups.
fn cut(
    prompts: impl Iterator<Item = PromptWork>,
    limits: GroupLimits,
    schedule: Schedule,
    max_tokens: u32,
    n_trunk: usize,
) -> Vec<Vec<PromptWork>> {
    let mut groups = Vec::new();
    let mut group: Vec<PromptWork> = Vec::new();
    let mut size = GroupSize::empty(n_trunk, schedule, max_tokens);
    for prompt in prompts.flat_map(|prompt| split_repeats(prompt, limits, schedule, max_tokens)) {
        let with_prompt = prompt.counted_in(size, group.last());
        if group.is_empty() || (with_prompt.fits(limits) && group.len() < limits.n_prompts) {
            size = with_prompt;
        } else {
            groups.push(std::mem::take(&mut group));
            size = prompt.counted_in(GroupSize::empty(n_trunk, schedule, max_tokens), None);
        }
        group.push(prompt);
    }
    groups.extend((!group.is_empty()).then_some(group));
    groups
}

/// Chunks of a prompt's repeats, each small enough to fit a group of its own.
fn split_repeats(
    prompt: PromptWork,
    limits: GroupLimits,
    schedule: Schedule,
    max_tokens: u32,
) -> Vec<PromptWork> {
    let alone = n_cells_alone(prompt.tokens.len(), schedule, max_tokens);
    let spare_cells = limits.n_cells.saturating_sub(alone);
    // A further repeat costs a row a step, and its share of the padding.
    let by_cells = 1 + spare_cells / (2 * max_tokens.max(1));
    let by_seqs = limits.n_seqs.saturating_sub(FIRST_FREE).max(1);
    let n_repeats = by_cells.min(by_seqs) as usize;
    prompt
        .repeats
        .chunks(n_repeats)
        .map(|repeats| PromptWork {
            tokens: Arc::clone(&prompt.tokens),
            repeats: repeats.to_vec(),
        })
        .collect()
}
