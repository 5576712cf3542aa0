//! How large an experiment may be, known before its parts are multiplied.
//!
//! Owns the limits of prompts. That of generations is in `overrides`, which the command line may still change.

use super::problem::Problem;
use super::source::Position;

/// Pairs that an experiment can have.
pub(crate) const PAIRS_MAX: usize = 100_000;

/// Bytes of all prompts together: a long template takes each of many words.
const PROMPT_BYTES_MAX: usize = 1 << 28;

/// How much becomes of templates, before anything does.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) n_prompts: usize,
    n_bytes: usize,
}

impl Size {
    /// Adds a template that takes so many words.
    pub(crate) fn add(&mut self, test: &str, control: &str, n_words: usize) {
        let n_bytes = (test.len() + control.len()).saturating_mul(n_words);
        self.n_prompts = self.n_prompts.saturating_add(n_words);
        self.n_bytes = self.n_bytes.saturating_add(n_bytes);
    }

    /// True if concepts or fillers are refused in any case.
    pub(crate) fn is_too_large(self) -> bool {
        self.n_prompts > 2 * PAIRS_MAX || self.n_bytes > 2 * PROMPT_BYTES_MAX
    }

    /// The problem with texts of this length; None where they can be held.
    pub(crate) fn problem(self, position: &Position) -> Option<Problem> {
        let message = "the prompts of all templates together are too long";
        let label = format!(
            "expected at most {PROMPT_BYTES_MAX} bytes, found {}",
            self.n_bytes
        );
        let problem = || Problem::error(position, message).label(label);
        (self.n_bytes > PROMPT_BYTES_MAX).then(problem)
    }
}

/// The problem with so many pairs; None where they can be held.
pub(crate) fn too_many_pairs(n_pairs: usize, position: &Position) -> Option<Problem> {
    let message = format!("{n_pairs} prompt pairs are too many");
    let problem =
        || Problem::error(position, message).label(format!("expected at most {PAIRS_MAX}"));
    (n_pairs > PAIRS_MAX).then(problem)
}
