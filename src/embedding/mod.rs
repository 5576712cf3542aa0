//! Embeddings: one unit vector per string, from an encoder served by llama.cpp.
//!
//! Owns the way from a string to a vector, or to one for each token: WordPiece ids, truncation, mean pooling, L2
//! normalisation.
//! Strings are evaluated in small batches, packed so that a vector does not depend on what is beside it. It caches
//! nothing: the store does.

pub mod wordpiece;

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::llama::{EncoderConfig, Encoders, LlamaError, Model};
use wordpiece::WordPieceTokenizer;

/// Tokens of a sentence at most, CLS and SEP included, where a model says nothing else: sentence-transformers' limit for
/// all-MiniLM-L6-v2.
pub const N_TOKENS_MAX: u32 = 256;

/// A vector of length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Vec<f32>);

impl Embedding {
    /// `vector` divided by its length; `None` when it has no length, or one that is no number.
    pub fn normalized(vector: Vec<f32>) -> Option<Self> {
        let norm = vector
            .iter()
            .map(|&x| f64::from(x).powi(2))
            .sum::<f64>()
            .sqrt();
        (norm.is_finite() && norm > 0.0).then(|| {
            Self(
                vector
                    .into_iter()
                    .map(|x| (f64::from(x) / norm) as f32)
                    .collect(),
            )
        })
    }

    /// The components.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// The components.
    pub fn into_vec(self) -> Vec<f32> {
        self.0
    }
}

/// Why strings could not be embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingError {
    /// llama.cpp refused or failed.
    #[error(transparent)]
    Llama(#[from] LlamaError),
    /// The tokenizer failed on a string.
    #[error("failed to tokenize {text:?}: {reason}")]
    Tokenizer {
        /// The string.
        text: String,
        /// The tokenizer's reason.
        reason: String,
    },
    /// A vector of zeros or of numbers that are none.
    #[error("the encoder gave no usable vector for {text:?}")]
    NoVector {
        /// The string.
        text: String,
    },
}

/// An encoder with its tokenizer.
pub struct Embedder<'m> {
    encoders: Encoders<'m>,
    tokenizer: WordPieceTokenizer,
}

impl<'m> Embedder<'m> {
    /// One llama context of one thread for each of `n_threads`: batches are embedded side by side.
    ///
    /// # Errors
    /// `Llama` when a context cannot be made.
    pub fn new(
        model: &'m Model,
        tokenizer: WordPieceTokenizer,
        n_threads: u32,
    ) -> Result<Self, EmbeddingError> {
        let config = EncoderConfig {
            n_tokens_max: tokenizer.n_tokens_max().min(model.n_ctx_train()),
            n_threads: 1,
        };
        Ok(Self {
            encoders: Encoders::new(model, config, n_threads.max(1))?,
            tokenizer,
        })
    }

    /// The embedding of each text, in order; `on_progress` is told the number done now and then.
    ///
    /// # Errors
    /// The first failure; `None` in its place when `cancel` was set before all were done.
    pub fn embed(
        &self,
        texts: &[String],
        cancel: &AtomicBool,
        on_progress: &dyn Fn(usize),
    ) -> Result<Option<Vec<Embedding>>, EmbeddingError> {
        let tokens = self.vectors(texts, false, cancel, on_progress)?;
        Ok(tokens.map(|of_texts| of_texts.into_iter().flatten().collect()))
    }

    /// The vectors of each text's tokens, each of length 1, CLS and SEP included; otherwise as [`Self::embed`].
    ///
    /// # Errors
    /// As [`Self::embed`].
    pub fn embed_tokens(
        &self,
        texts: &[String],
        cancel: &AtomicBool,
        on_progress: &dyn Fn(usize),
    ) -> Result<Option<Vec<Vec<Embedding>>>, EmbeddingError> {
        self.vectors(texts, true, cancel, on_progress)
    }

    /// The vectors of each text: one, or one for each of its tokens.
    fn vectors(
        &self,
        texts: &[String],
        each_token: bool,
        cancel: &AtomicBool,
        on_progress: &dyn Fn(usize),
    ) -> Result<Option<Vec<Vec<Embedding>>>, EmbeddingError> {
        let tokenized = texts.par_iter().map(|text| self.tokenize(text));
        let tokenized: Vec<Vec<u32>> = tokenized.collect::<Result<_, _>>()?;
        let on_done = |n_done| {
            on_progress(n_done);
            !cancel.load(Ordering::Relaxed)
        };
        let Some(encoded) = self.encoders.encode(tokenized, each_token, &on_done)? else {
            return Ok(None);
        };
        let embeddings = texts.iter().zip(encoded).map(|(text, vectors)| {
            let normalized: Option<Vec<Embedding>> =
                vectors?.into_iter().map(Embedding::normalized).collect();
            normalized.ok_or_else(|| EmbeddingError::NoVector { text: text.clone() })
        });
        embeddings.collect::<Result<_, _>>().map(Some)
    }

    fn tokenize(&self, text: &str) -> Result<Vec<u32>, EmbeddingError> {
        self.tokenizer
            .encode(text)
            .map_err(|error| EmbeddingError::Tokenizer {
                text: text.to_owned(),
                reason: error.to_string(),
            })
    }
}
