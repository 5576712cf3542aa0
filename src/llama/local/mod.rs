//! llama.cpp in this very process: model files in memory and the two kinds of context.
//!
//! Owns every call that can abort the process, each behind a check of what llama.cpp asserts. Only the process that
//! [`serve`](super::serve) runs in comes here, and tests.

mod decoder;
mod encoder;
mod side_by_side;

use std::path::Path;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use super::{Backend, LlamaError, Weights, log};

pub use decoder::LlamaDecoder;
pub use encoder::LlamaEncoder;

/// Without any device: a build for GPUs would otherwise send large products to them even when no layer is theirs.
fn on_processor(params: LlamaModelParams) -> LlamaModelParams {
    params
        .with_devices(&[])
        .expect("an empty list names no unknown device")
}

/// A model file in memory.
#[derive(Debug)]
pub struct Model {
    inner: LlamaModel,
    n_vocab: u32,
}

impl Model {
    /// Loads a checked model file.
    ///
    /// # Errors
    /// `Load` with the reason from llama.cpp's log.
    pub fn load(backend: &Backend, path: &Path, weights: Weights) -> Result<Self, LlamaError> {
        let params = LlamaModelParams::default();
        let params = match weights {
            Weights::OnGpus(n_gpu_layers) => params.with_n_gpu_layers(n_gpu_layers),
            Weights::Mapped => on_processor(params),
            Weights::IntoMemory => on_processor(params).with_use_mmap(false),
            Weights::Absent => on_processor(params).with_vocab_only(true),
        };
        log::take_errors();
        let loaded = LlamaModel::load_from_file(&backend.inner, path, &params);
        let inner = loaded.map_err(|error| LlamaError::Load {
            path: path.to_owned(),
            reason: log::reason_or(&error.to_string()),
        })?;
        let n_vocab = u32::try_from(inner.n_vocab()).map_err(|_| LlamaError::Load {
            path: path.to_owned(),
            reason: "it has no vocabulary".to_owned(),
        })?;
        Ok(Self { inner, n_vocab })
    }

    /// The length of a logits row.
    pub fn n_vocab(&self) -> u32 {
        self.n_vocab
    }

    /// The number of positions the model was trained for.
    pub fn n_ctx_train(&self) -> u32 {
        self.inner.n_ctx_train()
    }

    /// True if `token` ends a generation; false for ids outside the vocabulary.
    pub fn is_eog(&self, token: u32) -> bool {
        self.token(token)
            .is_some_and(|token| self.inner.vocab().is_eog(token))
    }

    /// The bytes that `token` adds to a text; none for control tokens and ids outside the vocabulary.
    pub fn token_bytes(&self, token: u32) -> Vec<u8> {
        self.token(token)
            .map(|token| self.inner.vocab().token_to_piece(token, false, None))
            .unwrap_or_default()
    }

    /// llama.cpp's own tokenization of plain text: nothing added, no special token recognised.
    pub fn tokenize(&self, text: &str) -> Vec<u32> {
        let tokens = self.inner.vocab().tokenize(text.as_bytes(), false, false);
        tokens
            .into_iter()
            .map(|LlamaToken(id)| id.cast_unsigned())
            .collect()
    }

    fn token(&self, token: u32) -> Option<LlamaToken> {
        (token < self.n_vocab).then(|| LlamaToken(token.cast_signed()))
    }
}
