//! The self-check on tiny models, through the library.
//!
//! Owns what the digest of logits depends on. That the level is found is tested in the engine, and real models have
//! their levels in `real_models`.

use std::path::Path;

use seep::digest::Digest;
use seep::engine::{Determinism, GroupLimits, Schedule, self_check};
use seep::llama::{DecoderConfig, LlamaDecoder, Model, Weights};

use crate::real_models::turn;
use crate::tiny::TinyModel;

const PROMPTS: [&[u32]; 3] = [&[5, 9, 12, 40], &[5, 9, 12, 41, 7], &[5, 60]];

fn model(folder: &Path, seed: u64) -> Model {
    let path = folder.join(format!("{seed}.gguf"));
    let tiny = TinyModel {
        seed,
        ..TinyModel::QWEN2
    };
    tiny.write(&path);
    Model::load(&path, Weights::IntoMemory).unwrap()
}

/// The digest with these prompts, on so many threads, in a context of so many cells and sequences.
fn digest(
    model: &Model,
    prompts: &[&[u32]],
    n_threads: u32,
    [n_cells, n_seqs]: [u32; 2],
) -> Digest {
    let schedule = Schedule::STRICT;
    let check = self_check(prompts, schedule, n_cells, n_threads, &mut |n_threads| {
        let config = DecoderConfig {
            n_cells,
            n_seqs,
            n_rows: schedule.n_rows_max,
            n_threads,
            value_type: schedule.value_type,
        };
        Ok(Box::new(LlamaDecoder::new(model, config)?))
    });
    let check = check.unwrap();
    assert_eq!(check.determinism, Determinism::Bitwise);
    check.logits_digest
}

#[test]
fn the_digest_of_logits_names_the_model_and_nothing_of_the_run() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    crate::harness::serve_models();
    let tiny = model(folder.path(), 1);
    let limits = GroupLimits::for_generations(&PROMPTS, Schedule::STRICT, 10);
    let size = [limits.n_cells, limits.n_seqs];
    let expected = digest(&tiny, &PROMPTS, 1, size);
    assert_eq!(digest(&tiny, &PROMPTS, 2, size), expected);
    let others: [&[u32]; 2] = [&[7; 300], &[8]];
    assert_eq!(digest(&tiny, &others, 1, size), expected);
    for size in [[512, 8], [8192, 256]] {
        assert_eq!(digest(&tiny, &PROMPTS, 2, size), expected);
    }
    let other = model(folder.path(), 2);
    assert_ne!(digest(&other, &PROMPTS, 1, size), expected);
}
