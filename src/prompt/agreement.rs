//! The check that another tokenizer makes the same tokens of plain text.
//!
//! Owns the comparison and the message about a difference. Who the other is and what follows is the caller's.

use std::fmt;
use std::sync::Arc;

use super::token_table::TokenTable;
use super::tokenizer::PlainRun;

/// A text of which the other tokenizer makes other tokens.
#[derive(Debug, Clone)]
pub struct Disagreement {
    text: String,
    token_idx: usize,
    ours: Option<u32>,
    engines: Option<u32>,
    table: Arc<TokenTable>,
}

/// The first of `runs` whose tokens are not those that `engine` makes of its text.
pub fn first_disagreement<'r>(
    runs: impl IntoIterator<Item = &'r PlainRun>,
    engine: &dyn Fn(&str) -> Vec<u32>,
) -> Option<Disagreement> {
    runs.into_iter().find_map(|run| {
        let engines = engine(&run.text);
        let n_tokens = run.tokens.len().max(engines.len());
        let token_idx = (0..n_tokens).find(|&idx| run.tokens.get(idx) != engines.get(idx))?;
        Some(Disagreement {
            text: run.text.clone(),
            token_idx,
            ours: run.tokens.get(token_idx).copied(),
            engines: engines.get(token_idx).copied(),
            table: Arc::clone(&run.table),
        })
    })
}

impl Disagreement {
    fn describe(&self, token: Option<u32>) -> String {
        match token {
            Some(token) => format!("{token} {:?}", self.table.text(token)),
            None => "the end".to_owned(),
        }
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "in {:?}, token {} is {} for us and {} for llama.cpp",
            self.text,
            self.token_idx,
            self.describe(self.ours),
            self.describe(self.engines)
        )
    }
}
