//! Vectors of strings and of their tokens: stored ones, and those that an encoder has to make first.
//!
//! Owns how many strings are embedded between two commits, the progress shown, and the similarity of two strings that
//! have vectors. Vectors of strings are stored and the encoder is loaded only where one is missing; vectors of tokens are
//! many times as many and are made anew. What is compared with what is not decided here.

use std::collections::HashMap;

use anyhow::Context as _;
use itertools::Itertools as _;
use rayon::prelude::*;

use crate::embedding::wordpiece::Reading;
use crate::embedding::{Embedder, Embedding};
use crate::leakage::{BertScore, Metric, PairReading, Rounding, Signature, TokenVectors, cosine};
use crate::llama::{Model, Weights};
use crate::machine;
use crate::store::{ModelId, Store};
use crate::study::domain::{pair_reading, warn_of_readings};
use crate::study::models::encoder::{EncoderFile, EncoderUse};
use crate::study::session::{Interrupted, Session};
use crate::watch::Unit;

/// Strings embedded between two commits.
const EMBEDDING_CHUNK: usize = 512;

/// An encoder, not loaded yet.
pub(crate) struct Encoding<'a> {
    pub(crate) session: &'a Session,
    pub(crate) encoder: &'a EncoderFile,
    pub(crate) encoder_id: ModelId,
}

/// Vectors by their strings.
pub(crate) struct Vectors(HashMap<String, Vec<f32>>);

/// The vectors that an encoder made of strings, and how it read them.
pub(crate) struct Encoded {
    vectors: Made,
    readings: HashMap<String, Reading>,
}

enum Made {
    Sentences(Vectors),
    /// The vectors of their tokens, by string.
    Tokens(HashMap<String, TokenVectors>),
}

impl Encoded {
    /// The similarity of a concept and a generation by a metric that needs what this is.
    pub(crate) fn similarity(
        &self,
        metric: Metric,
        concept: &str,
        generation: &str,
    ) -> anyhow::Result<f64> {
        match &self.vectors {
            Made::Sentences(vectors) => vectors.similarity(concept, generation),
            Made::Tokens(texts) => {
                let tokens = |text: &str| {
                    let failed = || format!("no vectors were made of the tokens of {text:?}");
                    texts.get(text).with_context(failed)
                };
                let score = BertScore::of(tokens(concept)?, tokens(generation)?);
                Ok(match metric {
                    Metric::BertscorePrecision => score.precision,
                    Metric::BertscoreRecall => score.recall,
                    Metric::Bertscore | Metric::Sbert => score.f1,
                })
            }
        }
    }
}

impl Encoded {
    /// How a pair is read; None where one of its texts was not encoded.
    pub(crate) fn reading(&self, concept: &str, test: &str, control: &str) -> Option<PairReading> {
        let [concept, test, control] = [concept, test, control].map(|text| self.readings.get(text));
        Some(pair_reading([concept?, test?, control?]))
    }

    /// True if the encoder does not know a word of the concept.
    pub(crate) fn is_unknown(&self, concept: &str) -> bool {
        let reading = self.readings.get(concept);
        reading.is_some_and(|reading| reading.n_unknown > 0)
    }
}

/// Returns the facts that figures by a metric depend on besides the generations.
pub(crate) fn signature_of(metric: Metric, encoder: &EncoderFile, rounding: Rounding) -> String {
    let signature = Signature {
        metric,
        encoder: &encoder.file.name,
        encoder_sha256: encoder.file.sha256,
        layer: encoder.layer,
        rounding,
        seep_version: machine::VERSION,
    };
    signature.to_string()
}

/// Describes a metric with this encoder in words.
pub(crate) fn similarity_text(metric: Metric, encoder: &EncoderFile) -> String {
    let (name, layer) = (&encoder.file.name, encoder.layer);
    match metric {
        Metric::Sbert => format!("cosine of {name} embeddings"),
        Metric::Bertscore => format!("F1 by {name}, layer {layer}"),
        Metric::BertscorePrecision => format!("precision by {name}, layer {layer}"),
        Metric::BertscoreRecall => format!("recall by {name}, layer {layer}"),
    }
}

impl Encoding<'_> {
    /// The vectors of `texts` that a use of the encoder needs; each text may come more than once.
    ///
    /// # Errors
    /// [`Interrupted`] where it was ended; what was embedded of sentences is stored.
    pub(crate) fn encode<'t>(
        &self,
        store: &mut Store,
        encoder_use: EncoderUse,
        texts: impl Iterator<Item = &'t str>,
    ) -> anyhow::Result<Encoded> {
        let texts: Vec<&str> = texts.sorted_unstable().dedup().collect();
        let readings = self.readings(&texts)?;
        let vectors = match encoder_use {
            EncoderUse::Tokens { .. } => Made::Tokens(self.tokens(&texts)?),
            EncoderUse::Sentences => {
                self.embed(store, &texts)?;
                Made::Sentences(Vectors(store.embeddings(self.encoder_id, &texts)?))
            }
        };
        Ok(Encoded { vectors, readings })
    }

    /// How the encoder reads texts; warns of those that it does not.
    fn readings(&self, texts: &[&str]) -> anyhow::Result<HashMap<String, Reading>> {
        let (tokenizer, name) = (&self.encoder.tokenizer, &self.encoder.file.name);
        let read = |text: &&str| Ok(((*text).to_owned(), tokenizer.read(text)?));
        let readings = texts.par_iter().map(read);
        let readings: HashMap<String, Reading> = readings.collect::<anyhow::Result<_>>()?;
        warn_of_readings(
            self.session,
            name,
            tokenizer.n_tokens_max(),
            readings.values(),
        );
        Ok(readings)
    }

    /// Embeds those of `texts` that have no stored vector.
    ///
    /// # Errors
    /// [`Interrupted`] where it was ended; what was embedded is stored.
    fn embed(&self, store: &mut Store, texts: &[&str]) -> anyhow::Result<()> {
        let missing = store.missing_embeddings(self.encoder_id, texts)?;
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<String> = missing.into_iter().map(str::to_owned).collect();
        self.embed_missing(store, &missing)
    }

    fn embed_missing(&self, store: &mut Store, missing: &[String]) -> anyhow::Result<()> {
        let model = self.load()?;
        let tokenizer = self.encoder.tokenizer.clone();
        let embedder = Embedder::new(&model, tokenizer, self.session.n_threads)?;
        let label = format!("embedding with {}", self.encoder.file.name);
        let progress = self
            .session
            .begin(label, missing.len() as u64, Unit::Strings);
        let mut n_done = 0;
        for chunk in missing.chunks(EMBEDDING_CHUNK) {
            let embeddings = embedder.embed(chunk, &self.session.cancel, &|n| {
                progress.set((n_done + n) as u64)
            })?;
            let embeddings = embeddings.ok_or(Interrupted)?;
            let new = chunk
                .iter()
                .map(String::as_str)
                .zip(embeddings.iter().map(|e| e.as_slice()));
            store.insert_embeddings(self.encoder_id, &new.collect::<Vec<_>>())?;
            n_done += chunk.len();
        }
        progress.finish(n_done as u64);
        Ok(())
    }

    fn load(&self) -> anyhow::Result<Model> {
        let file = &self.encoder.file;
        let loaded = file.load(|path| Ok(Model::load(path, Weights::Mapped)?));
        loaded.with_context(|| format!("failed to load {}", file.label()))
    }

    /// Makes the vectors of the tokens of `texts`.
    ///
    /// # Errors
    /// [`Interrupted`] where it was ended.
    fn tokens(&self, texts: &[&str]) -> anyhow::Result<HashMap<String, TokenVectors>> {
        let model = self.load()?;
        let tokenizer = self.encoder.tokenizer.clone();
        let embedder = Embedder::new(&model, tokenizer, self.session.n_threads)?;
        let label = format!("tokens with {}", self.encoder.file.name);
        let progress = self.session.begin(label, texts.len() as u64, Unit::Strings);
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let embedded =
            embedder.embed_tokens(&texts, &self.session.cancel, &|n| progress.set(n as u64))?;
        let embedded = embedded.ok_or(Interrupted)?;
        progress.finish(embedded.len() as u64);
        let vectors = embedded
            .into_iter()
            .map(|tokens| TokenVectors(tokens.into_iter().map(Embedding::into_vec).collect()));
        Ok(texts.into_iter().zip(vectors).collect())
    }
}

impl Vectors {
    /// The similarity of two strings that have vectors.
    pub(crate) fn similarity(&self, left: &str, right: &str) -> anyhow::Result<f64> {
        Ok(cosine(self.vector(left)?, self.vector(right)?))
    }

    fn vector(&self, text: &str) -> anyhow::Result<&[f32]> {
        let vector = self.0.get(text).map(Vec::as_slice);
        vector.with_context(|| format!("no embedding is stored of {text:?}"))
    }
}
