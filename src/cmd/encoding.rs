//! Vectors of strings: stored ones, and those that an encoder has to make first.
//!
//! Owns how many strings are embedded between two commits, and the progress shown. The encoder is loaded only where a
//! string has no vector yet. What is compared with what is not decided here.

use std::collections::HashMap;

use anyhow::Context as _;

use super::model_file::EncoderFile;
use super::session::Session;
use crate::embedding::Embedder;
use crate::leakage::cosine;
use crate::llama::{Backend, Model};
use crate::progress::{Progress, Unit};
use crate::store::{ModelId, Store};

/// Strings embedded between two commits.
const EMBEDDING_CHUNK: usize = 512;

/// An encoder, not loaded yet.
pub(super) struct Encoding<'a> {
    pub(super) session: &'a Session,
    pub(super) backend: &'a Backend,
    pub(super) encoder: &'a EncoderFile,
    pub(super) encoder_id: ModelId,
}

/// Vectors by their strings.
pub(super) struct Vectors(HashMap<String, Vec<f32>>);

impl Encoding<'_> {
    /// Embeds those of `texts` that have no stored vector.
    ///
    /// Returns false when Ctrl-C ended it; what was embedded is stored.
    pub(super) fn embed(&self, store: &mut Store, texts: &[&str]) -> anyhow::Result<bool> {
        let missing = store.missing_embeddings(self.encoder_id, texts)?;
        if missing.is_empty() {
            return Ok(true);
        }
        let missing: Vec<String> = missing.into_iter().map(str::to_owned).collect();
        self.embed_missing(store, &missing)
    }

    fn embed_missing(&self, store: &mut Store, missing: &[String]) -> anyhow::Result<bool> {
        let model = Model::load(self.backend, self.encoder.file.gguf.path())?;
        let tokenizer = self.encoder.tokenizer.clone();
        let embedder = Embedder::new(self.backend, &model, tokenizer, self.session.n_threads)?;
        let label = format!("embedding with {}", self.encoder.file.name);
        let progress = Progress::start(label, missing.len() as u64, Unit::Strings);
        let mut n_done = 0;
        for chunk in missing.chunks(EMBEDDING_CHUNK) {
            let embeddings = embedder.embed(chunk, &self.session.cancel, &|n| {
                progress.set((n_done + n) as u64)
            })?;
            let Some(embeddings) = embeddings else {
                return Ok(false);
            };
            let new = chunk
                .iter()
                .map(String::as_str)
                .zip(embeddings.iter().map(|e| e.as_slice()));
            store.insert_embeddings(self.encoder_id, &new.collect::<Vec<_>>())?;
            n_done += chunk.len();
        }
        progress.finish(n_done as u64);
        Ok(true)
    }

    /// The stored vectors of `texts`.
    pub(super) fn vectors(&self, store: &Store, texts: &[&str]) -> anyhow::Result<Vectors> {
        Ok(Vectors(store.embeddings(self.encoder_id, texts)?))
    }
}

impl Vectors {
    /// The similarity of two strings that have vectors.
    pub(super) fn similarity(&self, left: &str, right: &str) -> anyhow::Result<f64> {
        Ok(cosine(self.vector(left)?, self.vector(right)?))
    }

    fn vector(&self, text: &str) -> anyhow::Result<&[f32]> {
        let vector = self.0.get(text).map(Vec::as_slice);
        vector.with_context(|| format!("no embedding is stored of {text:?}"))
    }
}
