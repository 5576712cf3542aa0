//! Embedding distinct generations, and scoring an experiment whose embeddings are stored.
//!
//! Owns the two measurements; the vectors are made as in a run and thrown away.

use std::time::{Duration, Instant};

use super::end_to_end::Bench;
use super::figuring::{median, per_second};
use crate::embedding::Embedder;
use crate::gguf::manifest::Manifest;
use crate::leakage::{Leak, ScoredPair, cosine, estimates, leak_rates};
use crate::llama::{Model, Weights};
use crate::study::Interrupted;
use crate::study::models::encoder::{self as encoder_file, EncoderFile};
use crate::study::models::wanted::Wanted;

/// The encoder that is measured.
const ENCODER: &str = "all-minilm-l6-v2";
/// Pairs that are scored: as many as the published colour set has, 709 with 5 repeats.
const N_SCORED_PAIRS: usize = 3545;
/// Control prompts that they share, as in the published colour set.
const N_CONTROLS: usize = 27;
/// Measurements of which the median is taken.
const N_ROUNDS: usize = 3;

/// The speed of embedding and scoring.
#[derive(Debug, Clone)]
pub(super) struct EmbeddingFigures {
    pub(super) n_strings: usize,
    pub(super) strings_per_second: f64,
    pub(super) n_scored_pairs: usize,
    pub(super) scoring: Duration,
    /// The folder of the encoder's files, for the peer.
    pub(super) folder: std::path::PathBuf,
}

/// Embeds `texts`, then scores pairs of them.
pub(super) fn measure(bench: &Bench<'_>, texts: &[String]) -> anyhow::Result<EmbeddingFigures> {
    let entry = Manifest::builtin().find_encoder(ENCODER)?;
    let EncoderFile {
        file, tokenizer, ..
    } = encoder_file::open_encoder(bench.session, &Wanted::Entry(entry))?;
    let model = Model::load(file.gguf.path(), Weights::Mapped)?;
    let embedder = Embedder::new(&model, tokenizer, bench.session.n_threads)?;
    let cancel = &bench.session.cancel;
    let mut vectors = Vec::new();
    let mut rates = Vec::new();
    for _ in 0..N_ROUNDS {
        let started = Instant::now();
        vectors = embedder.embed(texts, cancel, &|_| {})?.ok_or(Interrupted)?;
        rates.push(per_second(texts.len(), started.elapsed()));
    }
    let scoring = (0..N_ROUNDS)
        .map(|_| score(&vectors).as_secs_f64())
        .collect();
    Ok(EmbeddingFigures {
        n_strings: texts.len(),
        strings_per_second: median(rates),
        n_scored_pairs: N_SCORED_PAIRS,
        scoring: Duration::from_secs_f64(median(scoring)),
        folder: bench.session.shelf.folder(entry),
    })
}

/// Verdicts and rates with intervals from vectors in memory.
fn score(vectors: &[crate::embedding::Embedding]) -> Duration {
    let started = Instant::now();
    let vector = |place: usize| vectors[place % vectors.len()].as_slice();
    let pairs: Vec<ScoredPair> = (0..N_SCORED_PAIRS)
        .map(|place| {
            let (test, control) = (vector(7 * place + 1), vector(11 * place + 2));
            let similarity_test = cosine(vector(place), test);
            let similarity_control = cosine(vector(place), control);
            ScoredPair {
                pair_idx: place / 5,
                repeat_idx: (place % 5) as u32,
                sides: [(place % 5) as u32; 2],
                category: format!("{}", place % 3),
                control_prompt_idx: place % N_CONTROLS,
                similarity_test,
                similarity_control,
                leak: Leak::of(similarity_test, similarity_control),
                is_echo: false,
            }
        })
        .collect();
    assert_eq!(
        leak_rates(&estimates(&pairs), &[]).len(),
        4,
        "all together and three categories"
    );
    started.elapsed()
}
