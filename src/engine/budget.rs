//! How many cells of the KV cache are taken: by prompts, their repeats, the trees of an enumeration, the self-check.
//!
//! Owns these counts and the size of a context, which is made of them: whatever is cut to fit a context is counted here,
//! so that nothing asks for more than there is. Of the prompts of a run it only chooses those of the self-check.

use super::batch::{FIRST_FREE, Schedule};
use super::trie::common_prefix;

/// Prompts in a group at most: few enough that little is lost when a run is killed.
const GROUP_PROMPTS: usize = 96;
/// Sequences of the context, which bound a group: each continuation that differs takes one, and each costs llama.cpp
/// memory for a row of logits.
const GROUP_SEQS: u32 = 192;
/// Cells of the KV cache, unless some prompts need more. Attention looks at each cell for each row, if only to find
/// that another prompt holds it; with fewer cells more repeats find no room and begin again (benches/README.md).
const GROUP_CELLS: u32 = 2048;
/// Sequences of the context for enumerations; llama.cpp keeps no more apart.
const TREE_SEQS: u32 = 256;
/// Cells for enumerations: many, because what a tree that is not done at the end of its group goes on from is evaluated
/// again.
const TREE_CELLS: u32 = 4096;

/// Steps after the prompt at which logits are compared.
pub(super) const N_CHECK_STEPS: usize = 3;
/// Prompts of a run that are evaluated together.
const N_CHECK_PROMPTS: usize = 4;
/// So many at least, however long they are: a single one has no neighbours.
const N_CHECK_PROMPTS_MIN: usize = 2;

/// The room in a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// Sequences of the context, those of trunk and padding included.
    pub n_seqs: u32,
    /// Cells of the KV cache.
    pub n_cells: u32,
    /// Prompts in a group at most; bounds what a killed run loses.
    pub n_prompts: usize,
}

impl GroupLimits {
    /// A context for generations of at most `max_tokens` tokens after any of `prompts`, and for the self-check on them.
    ///
    /// It has the cells that the longest prompt needs alone, or two of the prompts in the self-check: that is at most
    /// about twice as many.
    pub fn for_generations(prompts: &[&[u32]], schedule: Schedule, max_tokens: u32) -> Self {
        let lengths = prompts.iter().map(|prompt| prompt.len());
        let alone = n_cells_alone(lengths.max().unwrap_or(1), schedule, max_tokens);
        let checked = n_cells_checked(prompts, schedule);
        Self {
            n_seqs: GROUP_SEQS,
            n_cells: alone.max(checked).max(GROUP_CELLS),
            n_prompts: GROUP_PROMPTS,
        }
    }

    /// The same with room for enumerations: each sequence more lets more trees go on at a time.
    ///
    /// One path of a tree takes no more cells than one repeat, so no prompt needs more.
    pub fn for_enumerations(self) -> Self {
        Self {
            n_seqs: TREE_SEQS,
            n_cells: self.n_cells.max(TREE_CELLS),
            ..self
        }
    }
}

/// The cells that one repeat of a prompt of `n_tokens` tokens can need at most, alone in a group.
pub(super) fn n_cells_alone(n_tokens: usize, schedule: Schedule, max_tokens: u32) -> u32 {
    let mut size = GroupSize::empty(0, schedule, max_tokens);
    size.n_prefill = n_tokens as u32;
    size.n_prompts = 1;
    size.n_repeats = 1;
    // The trunk is evaluated in batches of its own, hence one more padding.
    size.n_cells() + schedule.pad_to
}

/// Upper bounds of what prompts that share the KV cache take.
#[derive(Clone, Copy)]
pub(super) struct GroupSize {
    n_trunk: u32,
    n_prefill: u32,
    pub(super) n_prompts: u32,
    n_repeats: u32,
    max_tokens: u32,
    schedule: Schedule,
}

impl GroupSize {
    /// No prompts yet, of which each begins with the same `n_trunk` tokens and is followed by at most `max_tokens`.
    pub(super) fn empty(n_trunk: usize, schedule: Schedule, max_tokens: u32) -> Self {
        Self {
            n_trunk: n_trunk as u32,
            n_prefill: 0,
            n_prompts: 0,
            n_repeats: 0,
            max_tokens,
            schedule,
        }
    }

    /// The same with another prompt and so many repeats of it; tokens that it shares with `previous`, any prompt that is
    /// counted already, are not counted again.
    pub(super) fn with(self, previous: Option<&[u32]>, prompt: &[u32], n_repeats: usize) -> Self {
        let shared = previous.map_or(0, |previous| common_prefix(previous, prompt));
        let n_new = prompt.len() - shared.max(self.n_trunk as usize).min(prompt.len());
        Self {
            n_prefill: self.n_prefill + n_new as u32,
            n_prompts: self.n_prompts + 1,
            n_repeats: self.n_repeats + n_repeats as u32,
            ..self
        }
    }

    /// Cells once the first token after every prompt is drawn.
    pub(super) fn n_prefilled_cells(&self) -> u32 {
        let n_batches = self.n_prefill_batches() + self.schedule.n_output_batches(self.n_prompts);
        self.n_trunk + self.n_prefill + self.n_prompts + n_batches * (self.schedule.pad_to - 1)
    }

    /// Cells once a tree has followed one path to its end, each token in a batch of its own.
    pub(super) fn n_cells_of_path(&self) -> u32 {
        self.n_prefilled_cells() + self.max_tokens * self.schedule.pad_to
    }

    /// Prompts, last tokens, every token of every repeat as if none were equal, and padding.
    pub(super) fn n_cells(&self) -> u32 {
        let n_steps = self.max_tokens.saturating_sub(1);
        let n_batches = self.n_prefill_batches()
            + self.schedule.n_output_batches(self.n_prompts)
            + n_steps * self.schedule.n_output_batches(self.n_repeats);
        let n_padding = n_batches * (self.schedule.pad_to - 1);
        self.n_trunk + self.n_prefill + self.n_prompts + n_steps * self.n_repeats + n_padding
    }

    fn n_prefill_batches(&self) -> u32 {
        self.schedule.n_batches(self.n_trunk) + self.schedule.n_batches(self.n_prefill)
    }

    pub(super) fn fits(&self, limits: GroupLimits) -> bool {
        self.n_repeats <= limits.n_seqs.saturating_sub(FIRST_FREE)
            && self.n_cells() <= limits.n_cells
    }
}

/// A few prompts, spread over all of them and sorted; without the longest ones where all do not fit into `n_cells` cells.
pub(super) fn checked_prompts<'p>(
    prompts: &[&'p [u32]],
    schedule: Schedule,
    n_cells: u32,
) -> Vec<&'p [u32]> {
    let mut prompts = prompts.to_vec();
    prompts.sort_unstable();
    prompts.dedup();
    let step = prompts.len().div_ceil(N_CHECK_PROMPTS).max(1);
    let mut chosen: Vec<&[u32]> = prompts.into_iter().step_by(step).collect();
    while chosen.len() > N_CHECK_PROMPTS_MIN && n_cells_of(&chosen, schedule) > n_cells {
        let lengths = chosen.iter().map(|prompt| prompt.len());
        let longest = lengths.enumerate().max_by_key(|&(_, length)| length);
        chosen.remove(longest.map_or(0, |(prompt_idx, _)| prompt_idx));
    }
    chosen
}

/// The cells that `prompts`, sorted and distinct, take when they are observed together.
fn n_cells_of(prompts: &[&[u32]], schedule: Schedule) -> u32 {
    let mut size = GroupSize::empty(0, schedule, N_CHECK_STEPS as u32 + 1);
    let mut previous = None;
    for prompt in prompts {
        size = size.with(previous, prompt, 1);
        previous = Some(*prompt);
    }
    size.n_cells()
}

/// The cells without which a run with these prompts cannot be checked.
fn n_cells_checked(prompts: &[&[u32]], schedule: Schedule) -> u32 {
    n_cells_of(&checked_prompts(prompts, schedule, 0), schedule)
}
