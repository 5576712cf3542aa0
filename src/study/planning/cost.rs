//! What the missing generations of a model will take: time, memory, tokens.
//!
//! Owns the estimates and where each comes from: the last run with this model file on this machine, or a warm-up of a
//! few seconds. Loading a model, the self-check and embedding are not in the time; they take seconds.

use std::time::Instant;

use crate::engine::{EnumerationJob, Enumerator, Generator, GroupLimits, Job, Vocabulary};
use crate::generation::{EnumerationParams, EnumerationRequest, GenerationRequest};
use crate::gguf::Gguf;
use crate::llama::{Backend, LlamaDecoder};
use crate::results::Cost;
use crate::store::Store;
use crate::study::answering::exact::{as_enumeration_request, as_generation_request};
use crate::study::answering::repeats as generating;
use crate::study::asking::{Planned, Prepared};
use crate::study::session::Session;

/// Prompts of the warm-up, evenly spread: enough for a batch that is nearly as efficient as those of a run.
const WARM_UP_PROMPTS: usize = 12;
/// An allowance for llama.cpp's buffers beside KV cache and logits; an assumption, no measurement.
const BUFFER_BYTES: u64 = 150 << 20;
/// Rows of logits that llama.cpp keeps at a time.
const LOGIT_ROWS: u64 = 64;
/// Bytes of a key or a value in the KV cache.
const CACHE_VALUE_BYTES: u64 = 2;

/// What is to be made.
#[derive(Clone, Copy)]
pub(crate) enum Missing<'a> {
    Generations(&'a [GenerationRequest]),
    Enumerations(&'a [EnumerationRequest], EnumerationParams),
}

impl Missing<'_> {
    /// The size of the context for `requests`, some of them.
    fn limits(&self, requests: &[GenerationRequest], prepared: &Prepared) -> GroupLimits {
        let max_tokens = prepared.context.sampling.max_tokens;
        let limits = generating::limits(requests, prepared.placement.schedule, max_tokens);
        match self.enumeration() {
            Some(_) => limits.for_enumerations(),
            None => limits,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Generations(requests) => requests.len(),
            Self::Enumerations(requests, _) => requests.len(),
        }
    }

    /// As requests for generations, for what does not depend on what is asked: prompts and their lengths.
    fn requests(&self) -> Vec<GenerationRequest> {
        match self {
            Self::Generations(requests) => requests.to_vec(),
            Self::Enumerations(requests, _) => requests.iter().map(as_generation_request).collect(),
        }
    }

    fn enumeration(&self) -> Option<&EnumerationParams> {
        match self {
            Self::Generations(_) => None,
            Self::Enumerations(_, params) => Some(params),
        }
    }

    /// Tokens of one, at most; of an enumeration, rows: each draw of the tail takes at most one for each token.
    fn n_tokens_max(&self, max_tokens: u32) -> u64 {
        let max_tokens = u64::from(max_tokens);
        self.enumeration().map_or(max_tokens, |params| {
            u64::from(params.max_rows_per_prompt) + u64::from(params.n_tail_draws) * max_tokens
        })
    }
}

/// Estimates the cost of `missing`, which may be empty.
pub(crate) fn cost(
    session: &Session,
    backend: &Backend,
    store: Option<&Store>,
    planned: &Planned,
    missing: &Missing<'_>,
) -> anyhow::Result<Cost> {
    let max_tokens = planned.prepared.context.sampling.max_tokens;
    let mut cost = Cost {
        seconds: 0.0,
        seconds_from: None,
        n_tokens_max: missing.len() as u64 * missing.n_tokens_max(max_tokens),
        memory_bytes: memory_bytes(&planned.prepared, missing),
    };
    if missing.len() > 0 {
        let (seconds, from) = seconds_each(session, backend, store, planned, missing)?;
        cost.seconds = seconds * missing.len() as f64;
        cost.seconds_from = Some(from);
    }
    Ok(cost)
}

fn seconds_each(
    session: &Session,
    backend: &Backend,
    store: Option<&Store>,
    planned: &Planned,
    missing: &Missing<'_>,
) -> anyhow::Result<(f64, String)> {
    if let Some(store) = store {
        let sha256 = planned.prepared.file.sha256;
        let cpu = &session.machine.cpu;
        let speed = store.last_speed(sha256, cpu, session.n_threads, missing.enumeration())?;
        if let Some(speed) = speed {
            let seconds = speed.total.as_secs_f64() / speed.n_generated as f64;
            return Ok((seconds, format!("run {}", speed.run.get())));
        }
    }
    let seconds = warm_up(session, backend, planned, missing)?;
    Ok((seconds, "warm-up".to_owned()))
}

/// Makes a few of what is missing, stores nothing, and returns the seconds each took.
fn warm_up(
    session: &Session,
    backend: &Backend,
    planned: &Planned,
    missing: &Missing<'_>,
) -> anyhow::Result<f64> {
    let prepared = &planned.prepared;
    session.note(format_args!("{}: warming up", prepared.file.label()));
    let model = prepared.placement.load(backend, &prepared.file)?;
    let vocabulary = generating::vocabulary(prepared, &model);
    let requests = spread(&missing.requests());
    let schedule = prepared.placement.schedule;
    let limits = missing.limits(&requests, prepared);
    let config = generating::decoder_config(limits, schedule, session.n_threads);
    let mut decoder = LlamaDecoder::new(backend, &model, config)?;
    let trial = Trial {
        session,
        prepared,
        vocabulary: &vocabulary,
        limits,
    };
    let started = Instant::now();
    let n_made = match missing.enumeration() {
        Some(params) => trial.enumerate(&mut decoder, &requests, params),
        None => trial.generate(&mut decoder, &requests),
    };
    anyhow::ensure!(
        n_made > 0,
        "{}: the warm-up made nothing",
        prepared.file.label()
    );
    Ok(started.elapsed().as_secs_f64() / n_made as f64)
}

/// What a warm-up makes is made with.
struct Trial<'a> {
    session: &'a Session,
    prepared: &'a Prepared,
    vocabulary: &'a Vocabulary,
    limits: GroupLimits,
}

impl Trial<'_> {
    /// Returns how many generations were made.
    fn generate(&self, decoder: &mut LlamaDecoder<'_>, requests: &[GenerationRequest]) -> usize {
        let context = &self.prepared.context;
        let job = Job {
            requests,
            sampling: &context.sampling,
            seed: context.seed,
            vocabulary: self.vocabulary,
            schedule: self.prepared.placement.schedule,
            limits: self.limits,
            cancel: &self.session.cancel,
            on_progress: &|_| {},
        };
        let mut generator = Generator::new(decoder, job);
        let outcomes = std::iter::from_fn(|| generator.next_group());
        outcomes.map(|outcome| outcome.generations.len()).sum()
    }

    /// Returns how many prompts were enumerated, each once whatever the samplings.
    fn enumerate(
        &self,
        decoder: &mut LlamaDecoder<'_>,
        requests: &[GenerationRequest],
        params: &EnumerationParams,
    ) -> usize {
        let mut requests: Vec<EnumerationRequest> =
            requests.iter().map(as_enumeration_request).collect();
        requests.sort_by(|a, b| a.prompt_tokens.cmp(&b.prompt_tokens));
        requests.dedup_by(|a, b| a.prompt_tokens == b.prompt_tokens);
        let context = &self.prepared.context;
        let job = EnumerationJob {
            requests: &requests,
            sampling: &context.sampling,
            params,
            seed: context.seed,
            vocabulary: self.vocabulary,
            schedule: self.prepared.placement.schedule,
            limits: self.limits,
            cancel: &self.session.cancel,
            on_progress: &|_| {},
        };
        let mut enumerator = Enumerator::new(decoder, job);
        let outcomes = std::iter::from_fn(|| enumerator.next_group());
        outcomes.map(|outcome| outcome.enumerations.len()).sum()
    }
}

/// The requests of a few prompts, evenly spread over those of `missing`.
fn spread(missing: &[GenerationRequest]) -> Vec<GenerationRequest> {
    let mut prompts: Vec<&[u32]> = missing.iter().map(|it| &*it.prompt_tokens).collect();
    prompts.sort_unstable();
    prompts.dedup();
    let step = prompts.len().div_ceil(WARM_UP_PROMPTS).max(1);
    let chosen: Vec<&[u32]> = prompts.into_iter().step_by(step).collect();
    let is_chosen = |it: &&GenerationRequest| chosen.binary_search(&&*it.prompt_tokens).is_ok();
    missing.iter().filter(is_chosen).cloned().collect()
}

/// The weights, the KV cache, the logits and other buffers.
fn memory_bytes(prepared: &Prepared, missing: &Missing<'_>) -> u64 {
    let file = &prepared.file;
    let n_cells = u64::from(missing.limits(&missing.requests(), prepared).n_cells);
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
