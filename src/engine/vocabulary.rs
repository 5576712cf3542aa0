//! The engine's knowledge of a model's tokens: their bytes, which end a generation, which may be drawn.
//!
//! Owns plain tables filled once per model. It tokenizes nothing.

use crate::sampling::AllowedTokens;

/// The tokens of a model, indexed by id.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    pieces: Vec<Vec<u8>>,
    is_eog: Vec<bool>,
    allowed: AllowedTokens,
}

impl Vocabulary {
    /// A vocabulary of `pieces` (the bytes each token adds to a text) with the tokens that may be drawn.
    pub fn new(pieces: Vec<Vec<u8>>, eog_tokens: &[u32], allowed: AllowedTokens) -> Self {
        let mut is_eog = vec![false; pieces.len()];
        for &token in eog_tokens {
            if let Some(flag) = is_eog.get_mut(token as usize) {
                *flag = true;
            }
        }
        Self {
            pieces,
            is_eog,
            allowed,
        }
    }

    /// The bytes `token` adds to a text; none for ids outside the vocabulary.
    pub fn piece(&self, token: u32) -> &[u8] {
        self.pieces.get(token as usize).map_or(&[], Vec::as_slice)
    }

    /// True if `token` ends a generation.
    pub fn is_eog(&self, token: u32) -> bool {
        self.is_eog.get(token as usize).copied().unwrap_or(false)
    }

    /// The tokens that may be drawn.
    pub fn allowed(&self) -> &AllowedTokens {
        &self.allowed
    }
}
