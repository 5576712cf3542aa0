//! Embeddings: one unit vector per string, from an encoder served by llama.cpp.
//!
//! Owns the way from a string to a vector, or to one for each token: WordPiece ids, truncation, mean pooling, L2
//! normalisation.
//! Strings are evaluated in small batches, packed so that a vector does not depend on what is beside it. It caches
//! nothing: the store does.

pub mod wordpiece;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::llama::{Backend, EncoderConfig, LlamaEncoder, LlamaError, Model};
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
    encoders: Vec<Mutex<LlamaEncoder<'m>>>,
    tokenizer: WordPieceTokenizer,
}

/// An encoder's output for the tokens of several strings, one result for each.
type Encode<'m, R> = dyn Fn(&mut LlamaEncoder<'m>, &[&[u32]]) -> Result<Vec<R>, LlamaError> + Sync;

impl<'m> Embedder<'m> {
    /// One llama context of one thread for each of `n_threads`: batches are embedded side by side.
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
            n_tokens_max: tokenizer.n_tokens_max().min(model.n_ctx_train()),
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
        let embed = |encoder: &mut LlamaEncoder<'m>, strings: &[&[u32]]| encoder.encode(strings);
        self.each(texts, cancel, on_progress, &embed, &Embedding::normalized)
    }

    /// The vectors of each text's tokens, each of length 1, CLS and SEP included; otherwise as [`Self::embed`].
    ///
    /// # Errors
    /// As [`Self::embed`].
    pub fn embed_tokens(
        &self,
        texts: &[String],
        cancel: &AtomicBool,
        on_progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Option<Vec<Vec<Embedding>>>, EmbeddingError> {
        let embed =
            |encoder: &mut LlamaEncoder<'m>, strings: &[&[u32]]| encoder.encode_tokens(strings);
        let finish = |rows: Vec<Vec<f32>>| rows.into_iter().map(Embedding::normalized).collect();
        self.each(texts, cancel, on_progress, &embed, &finish)
    }

    /// The output of `encode` for each text, finished by `finish`; the work is shared out among the encoders.
    fn each<R, T: Send>(
        &self,
        texts: &[String],
        cancel: &AtomicBool,
        on_progress: &(dyn Fn(usize) + Sync),
        encode: &Encode<'m, R>,
        finish: &(dyn Fn(R) -> Option<T> + Sync),
    ) -> Result<Option<Vec<T>>, EmbeddingError> {
        let tokenized: Vec<Vec<u32>> = texts
            .par_iter()
            .map(|text| self.tokenize(text))
            .collect::<Result<_, _>>()?;
        let batches = pack(&tokenized);
        let next = AtomicUsize::new(0);
        let done = AtomicUsize::new(0);
        let results: Mutex<Vec<Option<Result<T, EmbeddingError>>>> =
            Mutex::new(texts.iter().map(|_| None).collect());
        std::thread::scope(|scope| {
            for encoder in &self.encoders {
                scope.spawn(|| {
                    let mut encoder = encoder.lock().unwrap_or_else(PoisonError::into_inner);
                    while !cancel.load(Ordering::Relaxed) {
                        let batch_idx = next.fetch_add(1, Ordering::Relaxed);
                        let Some(batch) = batches.get(batch_idx) else {
                            break;
                        };
                        let strings: Vec<&[u32]> = batch
                            .iter()
                            .map(|&text_idx| tokenized[text_idx].as_slice())
                            .collect();
                        let encoded = encode(&mut encoder, &strings);
                        let embedded = finished(encoded, batch, texts, finish);
                        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                        for (&text_idx, embedding) in batch.iter().zip(embedded) {
                            results[text_idx] = Some(embedding);
                        }
                        drop(results);
                        on_progress(done.fetch_add(batch.len(), Ordering::Relaxed) + batch.len());
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

    fn tokenize(&self, text: &str) -> Result<Vec<u32>, EmbeddingError> {
        self.tokenizer
            .encode(text)
            .map_err(|error| EmbeddingError::Tokenizer {
                text: text.to_owned(),
                reason: error.to_string(),
            })
    }
}

/// The places of strings that are evaluated together, short ones first: neighbours of like length fill a batch best.
fn pack(tokenized: &[Vec<u32>]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..tokenized.len()).collect();
    order.sort_by_key(|&text_idx| tokenized[text_idx].len());
    let mut batches = Vec::new();
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let n_packed =
            LlamaEncoder::n_packed(rest.iter().map(|&text_idx| tokenized[text_idx].len()));
        let (batch, after) = rest.split_at(n_packed);
        batches.push(batch.to_vec());
        rest = after;
    }
    batches
}

/// The results of one batch; a failure of llama.cpp is the failure of each of its strings.
fn finished<R, T>(
    encoded: Result<Vec<R>, LlamaError>,
    batch: &[usize],
    texts: &[String],
    finish: &dyn Fn(R) -> Option<T>,
) -> Vec<Result<T, EmbeddingError>> {
    let no_vector = |text_idx: usize| EmbeddingError::NoVector {
        text: texts[text_idx].clone(),
    };
    match encoded {
        Ok(results) => batch
            .iter()
            .zip(results)
            .map(|(&text_idx, result)| finish(result).ok_or_else(|| no_vector(text_idx)))
            .collect(),
        Err(error) => {
            let failure = |_| Err(LlamaError::Compute(error.to_string()).into());
            batch.iter().map(failure).collect()
        }
    }
}
