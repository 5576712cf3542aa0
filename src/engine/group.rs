//! Groups: which prompts share the KV cache at a time.
//!
//! Owns the cut of a job into groups that fit the sequences and cells of a context.
//! Under the `strict` schedule the cut changes no generation, only memory and speed.

use std::sync::Arc;

use super::batch::{FIRST_FREE, Schedule};
use super::trie::common_prefix;
use crate::generation::{GenerationRequest, RequestId};

/// What a context has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// Sequences of the context, those of trunk and padding included.
    pub n_seqs: u32,
    /// Cells of the KV cache.
    pub n_cells: u32,
    /// Prompts in a group at most; bounds what a killed run loses.
    pub n_prompts: usize,
}

/// One prompt and the repeats asked of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PromptWork {
    pub(super) tokens: Arc<[u32]>,
    pub(super) repeats: Vec<(u32, RequestId)>,
}

/// The requests by prompt, prompts sorted by their tokens, repeats in order.
pub(super) fn by_prompt(requests: &[GenerationRequest]) -> Vec<PromptWork> {
    let mut sorted: Vec<&GenerationRequest> = requests.iter().collect();
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

/// Cuts sorted prompts into groups that fit; a prompt with too many repeats is spread over several groups.
pub(super) fn cut(
    prompts: Vec<PromptWork>,
    limits: GroupLimits,
    schedule: Schedule,
    max_tokens: u32,
) -> Vec<Vec<PromptWork>> {
    let n_trunk = trunk_len(&prompts);
    let mut groups = Vec::new();
    let mut group: Vec<PromptWork> = Vec::new();
    let mut size = GroupSize::empty(n_trunk, schedule, max_tokens);
    for prompt in prompts
        .into_iter()
        .flat_map(|prompt| split_repeats(prompt, limits, schedule, max_tokens))
    {
        let with_prompt = size.with(group.last(), &prompt);
        if group.is_empty() || (with_prompt.fits(limits) && group.len() < limits.n_prompts) {
            size = with_prompt;
        } else {
            groups.push(std::mem::take(&mut group));
            size = GroupSize::empty(n_trunk, schedule, max_tokens).with(None, &prompt);
        }
        group.push(prompt);
    }
    groups.extend((!group.is_empty()).then_some(group));
    groups
}

/// The cells that one repeat of a prompt of `n_tokens` tokens can need at most, alone in a group.
pub fn n_cells_alone(n_tokens: usize, schedule: Schedule, max_tokens: u32) -> u32 {
    let mut size = GroupSize::empty(0, schedule, max_tokens);
    size.n_prefill = n_tokens as u32;
    size.n_prompts = 1;
    size.n_repeats = 1;
    // The trunk is evaluated in batches of its own, hence one more padding.
    size.n_cells() + schedule.pad_to
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

/// Upper bounds of what a group takes.
#[derive(Clone, Copy)]
struct GroupSize {
    n_trunk: u32,
    n_prefill: u32,
    n_prompts: u32,
    n_repeats: u32,
    max_tokens: u32,
    schedule: Schedule,
}

impl GroupSize {
    fn empty(n_trunk: usize, schedule: Schedule, max_tokens: u32) -> Self {
        Self {
            n_trunk: n_trunk as u32,
            n_prefill: 0,
            n_prompts: 0,
            n_repeats: 0,
            max_tokens,
            schedule,
        }
    }

    fn with(self, previous: Option<&PromptWork>, prompt: &PromptWork) -> Self {
        let shared = previous.map_or(0, |previous| {
            common_prefix(&previous.tokens, &prompt.tokens)
        });
        let n_new =
            prompt.tokens.len() - shared.max(self.n_trunk as usize).min(prompt.tokens.len());
        Self {
            n_prefill: self.n_prefill + n_new as u32,
            n_prompts: self.n_prompts + 1,
            n_repeats: self.n_repeats + prompt.repeats.len() as u32,
            ..self
        }
    }

    /// Prompts, last tokens, every token of every repeat as if none were equal, and padding.
    fn n_cells(&self) -> u32 {
        let n_steps = self.max_tokens.saturating_sub(1);
        let n_batches = self.schedule.n_batches(self.n_trunk)
            + self.schedule.n_batches(self.n_prefill)
            + self.schedule.n_batches(self.n_prompts)
            + n_steps * self.schedule.n_batches(self.n_repeats);
        let n_padding = n_batches * (self.schedule.pad_to - 1);
        self.n_trunk + self.n_prefill + self.n_prompts + n_steps * self.n_repeats + n_padding
    }

    fn fits(&self, limits: GroupLimits) -> bool {
        self.n_repeats <= limits.n_seqs.saturating_sub(FIRST_FREE)
            && self.n_cells() <= limits.n_cells
    }
}
