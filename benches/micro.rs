//! Micro-benchmarks of what runs between two batches and after them: `just bench-micro`.
//!
//! Owns the inputs, which are made up but of real size: logits rows of Qwen2.5's vocabulary, prompts that share
//! prefixes as templates do, verdicts as many as the published colour set has. What a whole run takes, `seep bench` says.

use divan::{Bencher, black_box};

use seep::digest::Digest;
use seep::engine::prefill_rows;
use seep::generation::{DrawMethod, SamplingParams, StopRule};
use seep::leakage::{Leak, ScoredPair, cosine, estimates, leak_rates};
use seep::sampling::{AllowedTokens, DrawKey, distribution, uniform};
use seep::stats::cluster_mean;

/// Logits of a row of Qwen2.5.
const N_VOCAB: usize = 151_936;
/// The published colour set: tests, repeats, control prompts.
const N_TESTS: usize = 709;
const N_REPEATS: usize = 5;
const N_CONTROLS: usize = 27;
/// Components of an embedding of all-MiniLM-L6-v2.
const DIM: usize = 384;

fn main() {
    divan::main();
}

/// Numbers in [0, 1) that are the same each time.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    (0..n).map(|idx| uniform(&key(seed, idx))).collect()
}

fn key(seed: u64, token_idx: usize) -> DrawKey {
    DrawKey {
        seed,
        prompt: Digest::of(b"bench"),
        repeat_idx: 0,
        token_idx: token_idx as u32,
    }
}

/// Logits of a sharp distribution: a few tokens far above a broad rest.
fn logits() -> Vec<f32> {
    let rest = numbers(N_VOCAB, 1).into_iter().map(|u| (8.0 * u) as f32);
    let mut logits: Vec<f32> = rest.collect();
    for (rank, logit) in logits.iter_mut().step_by(15_193).enumerate() {
        *logit = 20.0 - rank as f32;
    }
    logits
}

fn sampling(top_k: u32, top_p: f64, repetition_penalty: f64) -> SamplingParams {
    SamplingParams {
        temperature: 0.5,
        top_k,
        top_p,
        min_p: 0.0,
        repetition_penalty,
        max_tokens: 10,
        stop: StopRule::SentenceEnd,
        draws: DrawMethod::GumbelMax,
    }
}

/// One logits row to the token that is drawn: without cuts, and with the published sampler.
#[divan::bench(args = [(0, 1.0, 1.0), (20, 0.8, 1.1)])]
fn sampling_a_row(bencher: Bencher<'_, '_>, (top_k, top_p, penalty): (u32, f64, f64)) {
    let (logits, params) = (logits(), sampling(top_k, top_p, penalty));
    let history: Vec<u32> = (1000..1045).collect();
    let allowed = AllowedTokens::all(N_VOCAB);
    bencher.bench(|| {
        let row = distribution(black_box(&logits), &allowed, &history, &params);
        row.map(|row| row.draw(params.draws, &key(1, 0)))
    });
}

/// The rows to prefill for a group of prompts from eight templates.
#[divan::bench(args = [96, 709])]
fn building_a_trie(bencher: Bencher<'_, '_>, n_prompts: u32) {
    let mut prompts: Vec<Vec<u32>> = (0..n_prompts)
        .map(|prompt| {
            let template = prompt % 8;
            let shared = 0..30 + template;
            let own = (0..15).map(|idx| 1000 + 100 * prompt + idx);
            shared.chain(own).collect()
        })
        .collect();
    prompts.sort_unstable();
    let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    bencher.bench(|| prefill_rows(black_box(&prompts), 2, 0));
}

fn vectors() -> Vec<Vec<f32>> {
    (0..64)
        .map(|seed| numbers(DIM, seed).into_iter().map(|u| u as f32).collect())
        .collect()
}

fn scored_pairs() -> Vec<ScoredPair> {
    let similarities = numbers(2 * N_TESTS * N_REPEATS, 3);
    let pairs = similarities.chunks_exact(2).enumerate();
    pairs
        .map(|(idx, both)| ScoredPair {
            pair_idx: idx / N_REPEATS,
            repeat_idx: (idx % N_REPEATS) as u32,
            sides: [(idx % N_REPEATS) as u32; 2],
            category: format!("category-{}", idx % 3),
            control_prompt_idx: idx / N_REPEATS % N_CONTROLS,
            similarity_test: both[0],
            similarity_control: both[1],
            leak: Leak::of(both[0], both[1]),
            is_echo: false,
        })
        .collect()
}

/// Similarities and verdicts of the published colour set from vectors in memory.
#[divan::bench]
fn scoring_leaks(bencher: Bencher<'_, '_>) {
    let vectors = vectors();
    let vector = |place: usize| vectors[place % vectors.len()].as_slice();
    bencher.bench(|| {
        (0..N_TESTS * N_REPEATS)
            .map(|place| {
                let test = cosine(vector(place), vector(7 * place + 1));
                let control = cosine(vector(place), vector(11 * place + 2));
                Leak::of(test, control).value()
            })
            .sum::<f64>()
    });
}

/// Leak rates with intervals, in all and by category, from verdicts.
#[divan::bench]
fn leak_rates_with_intervals(bencher: Bencher<'_, '_>) {
    let pairs = estimates(&scored_pairs());
    bencher.bench(|| leak_rates(black_box(&pairs), &[]));
}

/// One cluster-robust mean with its interval.
#[divan::bench]
fn one_interval(bencher: Bencher<'_, '_>) {
    let values = numbers(N_TESTS, 4);
    let clusters: Vec<usize> = (0..N_TESTS).map(|idx| idx % N_CONTROLS).collect();
    bencher.bench(|| cluster_mean(black_box(&values), &clusters, 0.95));
}
