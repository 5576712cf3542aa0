//! The cost of the missing generations of a model: time, memory, tokens.
//!
//! Owns the estimates and where each comes from: the last run with this model file on this machine, or a warm-up of a
//! few seconds. Loading a model, the self-check and embedding are not in the time; they take seconds.

use std::time::Instant;

use itertools::Itertools as _;

use crate::engine::{Enumerator, Generator, Job};
use crate::generation::{Method, Request};
use crate::gguf::Gguf;
use crate::llama::LlamaDecoder;
use crate::results::Cost;
use crate::store::{Speed, Store};
use crate::study::answering::loaded::{context_limits, decoder_config, vocabulary};
use crate::study::asking::Planned;
use crate::study::session::Session;

/// Prompts of the warm-up, evenly spread: enough for a batch that is nearly as efficient as those of a run.
const WARM_UP_PROMPTS: usize = 12;
/// An allowance for llama.cpp's buffers beside KV cache and logits; an assumption, no measurement.
const BUFFER_BYTES: u64 = 150 << 20;
/// Rows of logits that llama.cpp keeps at a time.
const LOGIT_ROWS: u64 = 64;
/// Bytes of a key or a value in the KV cache.
const CACHE_VALUE_BYTES: u64 = 2;

/// Tokens of one answer, at most; of an enumeration, rows: each draw of the tail takes at most one for each token.
fn n_tokens_max(method: Method, max_tokens: u32) -> u64 {
    let max_tokens = u64::from(max_tokens);
    match method {
        Method::Repeats => max_tokens,
        Method::Exact(params) => {
            u64::from(params.max_rows_per_prompt) + u64::from(params.n_tail_draws) * max_tokens
        }
    }
}

/// Estimates the cost of `missing`, which may be empty.
pub(crate) fn cost(
    session: &Session,
    store: Option<&Store>,
    planned: &Planned,
    missing: &[Request],
) -> anyhow::Result<Cost> {
    let max_tokens = planned.prepared.context.sampling.max_tokens;
    let speed = speed(session, store, planned)?;
    let rows_of_draw = speed.as_ref().map_or(f64::from(max_tokens), |speed| {
        speed.n_decode_rows as f64 / speed.n_generated as f64
    });
    let mut cost = Cost {
        rows_of_prompt: rows_of_prompt(planned.plan.requests()),
        rows_of_draw,
        seconds: 0.0,
        seconds_from: None,
        n_tokens_max: missing.len() as u64 * n_tokens_max(planned.method, max_tokens),
        memory_bytes: memory_bytes(planned, missing),
    };
    if !missing.is_empty() {
        let (seconds, from) = match speed {
            Some(speed) => {
                let seconds = speed.total.as_secs_f64() / speed.n_generated as f64;
                (seconds, format!("run {}", speed.run.get()))
            }
            None => {
                let seconds = warm_up(session, planned, missing)?;
                (seconds, "warm-up".to_owned())
            }
        };
        cost.seconds = seconds * missing.len() as f64;
        cost.seconds_from = Some(from);
    }
    Ok(cost)
}

fn speed(
    session: &Session,
    store: Option<&Store>,
    planned: &Planned,
) -> anyhow::Result<Option<Speed>> {
    let Some(store) = store else {
        return Ok(None);
    };
    let (sha256, cpu) = (planned.prepared.file.sha256, &session.machine.cpu);
    Ok(store.last_speed(sha256, cpu, session.n_threads, planned.method)?)
}

/// The mean number of tokens of a prompt besides those that the one before it, in the order of tokens, begins with.
fn rows_of_prompt(requests: &[Request]) -> f64 {
    let prompts = requests.iter().map(|request| &*request.prompt_tokens);
    let (mut n_prompts, mut n_rows, mut previous) = (0.0, 0.0, &[][..]);
    for prompt in prompts.dedup() {
        let shared = previous.iter().zip(prompt).take_while(|(a, b)| a == b);
        n_rows += (prompt.len() - shared.count()) as f64;
        n_prompts += 1.0;
        previous = prompt;
    }
    n_rows / f64::max(n_prompts, 1.0)
}

/// Makes a few of what is missing, stores nothing, and returns the seconds each took.
fn warm_up(session: &Session, planned: &Planned, missing: &[Request]) -> anyhow::Result<f64> {
    let prepared = &planned.prepared;
    session.note(format_args!("{}: warming up", prepared.file.label()));
    let model = prepared.placement.load(&prepared.file)?;
    let vocabulary = vocabulary(prepared, &model)?;
    let requests = spread(missing, planned.method);
    let schedule = prepared.placement.schedule;
    let limits = context_limits(&requests, prepared, planned.method);
    let config = decoder_config(limits, schedule, session.n_threads);
    let mut decoder = LlamaDecoder::new(&model, config)?;
    let job = Job {
        requests: &requests,
        sampling: &prepared.context.sampling,
        seed: prepared.context.seed,
        vocabulary: &vocabulary,
        schedule,
        limits,
        cancel: &session.cancel,
        on_progress: &|_| {},
    };
    let started = Instant::now();
    let n_made: usize = match planned.method {
        Method::Repeats => {
            let mut groups = Generator::new(&mut decoder, job);
            std::iter::from_fn(|| groups.next_group())
                .map(|outcome| outcome.answers.len())
                .sum()
        }
        Method::Exact(params) => {
            let mut groups = Enumerator::new(&mut decoder, job, params);
            std::iter::from_fn(|| groups.next_group())
                .map(|outcome| outcome.answers.len())
                .sum()
        }
    };
    anyhow::ensure!(
        n_made > 0,
        "{}: the warm-up made nothing",
        prepared.file.label()
    );
    Ok(started.elapsed().as_secs_f64() / n_made as f64)
}

/// The requests of a few prompts, evenly spread over those of `missing`; one enumeration of each, whatever the samplings.
fn spread(missing: &[Request], method: Method) -> Vec<Request> {
    let mut prompts: Vec<&[u32]> = missing.iter().map(|it| &*it.prompt_tokens).collect();
    prompts.sort_unstable();
    prompts.dedup();
    let step = prompts.len().div_ceil(WARM_UP_PROMPTS).max(1);
    let chosen: Vec<&[u32]> = prompts.into_iter().step_by(step).collect();
    let is_chosen = |it: &&Request| chosen.binary_search(&&*it.prompt_tokens).is_ok();
    let spread = missing.iter().filter(is_chosen).cloned();
    match method {
        Method::Repeats => spread.collect(),
        Method::Exact(_) => spread
            .unique_by(|request| request.prompt_tokens.clone())
            .collect(),
    }
}

/// The weights, the KV cache, the logits and other buffers.
fn memory_bytes(planned: &Planned, missing: &[Request]) -> u64 {
    let prepared = &planned.prepared;
    let file = &prepared.file;
    let n_cells = u64::from(context_limits(missing, prepared, planned.method).n_cells);
    let n_vocab = file.inspection.n_vocab.unwrap_or(0) as u64;
    file.inspection.size_bytes
        + prepared.placement.widened_bytes
        + n_cells * cache_bytes_per_cell(&file.gguf).unwrap_or(0)
        + LOGIT_ROWS * n_vocab * size_of::<f32>() as u64
        + BUFFER_BYTES
}

/// Bytes of keys and values of one token in all layers; None where the header does not say.
fn cache_bytes_per_cell(gguf: &Gguf) -> Option<u64> {
    let architecture = gguf.str("general.architecture").ok()?.to_owned();
    let value = |key: &str| {
        let found = gguf.u32(&format!("{architecture}.{key}")).ok()?;
        Some(u64::from(found))
    };
    let n_heads = value("attention.head_count")?;
    let n_heads_kv = value("attention.head_count_kv").unwrap_or(n_heads);
    let head_size = value("attention.key_length").or(Some(value("embedding_length")? / n_heads))?;
    Some(2 * CACHE_VALUE_BYTES * value("block_count")? * n_heads_kv * head_size)
}
