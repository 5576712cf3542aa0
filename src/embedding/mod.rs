//! Embeddings: one unit vector per string, from an encoder served by llama.cpp.
//!
//! Owns the way from a string to a vector: WordPiece ids, truncation, mean pooling, L2 normalisation.
//! Each string is evaluated alone, so its vector depends on nothing else. It caches nothing: the store does.

pub mod wordpiece;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::llama::{Backend, EncoderConfig, LlamaEncoder, LlamaError, Model};
use wordpiece::WordPieceTokenizer;

/// Tokens of a string at most, CLS and SEP included: sentence-transformers' limit for all-MiniLM-L6-v2.
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
        /// What the tokenizer said.
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
    encoders: Vec<Mutex<LlamaEncoder<'m>>>,
    tokenizer: WordPieceTokenizer,
}

impl<'m> Embedder<'m> {
    /// One llama context of one thread for each of `n_threads`: strings are embedded side by side, each alone.
    ///
    /// # Errors
    /// `Llama` when a context cannot be made.
    pub fn new(
        backend: &Backend,
        model: &'m Model,
        tokenizer: WordPieceTokenizer,
        n_threads: u32,
    ) -> Result<Self, EmbeddingError> {
        let config = EncoderConfig {
            n_tokens_max: N_TOKENS_MAX.min(model.n_ctx_train()),
            n_threads: 1,
        };
        // Contexts of one model must be made one after the other; llama.cpp allows no parallel creation.
        let encoders = (0..n_threads.max(1))
            .map(|_| Ok(Mutex::new(LlamaEncoder::new(backend, model, config)?)))
            .collect::<Result<_, LlamaError>>()?;
        Ok(Self {
            encoders,
            tokenizer,
        })
    }

    /// The embedding of each text, in order; `on_progress` is told the number done after each.
    ///
    /// # Errors
    /// The first failure; `None` in its place when `cancel` was set before all were done.
    pub fn embed(
        &self,
        texts: &[String],
        cancel: &AtomicBool,
        on_progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Option<Vec<Embedding>>, EmbeddingError> {
        let next = AtomicUsize::new(0);
        let done = AtomicUsize::new(0);
        let results: Mutex<Vec<Option<Result<Embedding, EmbeddingError>>>> =
            Mutex::new(texts.iter().map(|_| None).collect());
        std::thread::scope(|scope| {
            for encoder in &self.encoders {
                scope.spawn(|| {
                    let mut encoder = encoder.lock().unwrap_or_else(PoisonError::into_inner);
                    while !cancel.load(Ordering::Relaxed) {
                        let text_idx = next.fetch_add(1, Ordering::Relaxed);
                        let Some(text) = texts.get(text_idx) else {
                            break;
                        };
                        let embedding = self.embed_one(&mut encoder, text);
                        results.lock().unwrap_or_else(PoisonError::into_inner)[text_idx] =
                            Some(embedding);
                        on_progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                    }
                });
            }
        });
        results
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .into_iter()
            .map(Option::transpose)
            .collect()
    }

    fn embed_one(
        &self,
        encoder: &mut LlamaEncoder<'_>,
        text: &str,
    ) -> Result<Embedding, EmbeddingError> {
        let tokens = self
            .tokenizer
            .encode(text)
            .map_err(|error| EmbeddingError::Tokenizer {
                text: text.to_owned(),
                reason: error.to_string(),
            })?;
        let pooled = encoder.encode(&tokens)?;
        Embedding::normalized(pooled).ok_or_else(|| EmbeddingError::NoVector {
            text: text.to_owned(),
        })
    }
}
