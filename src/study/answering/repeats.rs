//! Making the missing generations of one model: load, compare tokenizers, self-check, group by group.
//!
//! Owns the order of these steps, what is stored when, and when a model is given up. Which rows are evaluated
//! together is the engine's business; what is missing was found out before.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::digest::Digest;
use crate::engine::{
    Determinism, EngineError, Generator, GroupLimits, GroupOutcome, Job, Schedule, SelfCheck,
    Vocabulary, Work, self_check,
};
use crate::generation::{GenerationRequest, RequestId};
use crate::llama::{self, Backend, DecoderConfig, LlamaDecoder, Model};
use crate::prompt::first_disagreement;
use crate::sampling::AllowedTokens;
use crate::store::{
    ModelId, NewFailure, NewGeneration, Numerics, NumericsId, RunId, RunModel, SamplingId, Store,
};
use crate::study::asking::Prepared;
use crate::study::session::Session;
use crate::watch::{Gauge, Unit, duration};

/// A model is given up when more than this part of its requests has failed.
const FAILED_FRACTION_MAX: f64 = 0.1;

/// Where the work of one model goes.
pub(crate) struct Destination<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) run: RunId,
    pub(crate) model: ModelId,
    pub(crate) sampling: SamplingId,
    pub(crate) numerics: NumericsId,
}

/// How logits of a model are computed here; no digest of them is known yet.
fn numerics_here(prepared: &Prepared) -> Numerics {
    Numerics {
        schedule: prepared.context.schedule.clone(),
        llama_cpp_version: llama::version(),
        logits_sha256: None,
    }
}

/// The row of how logits of a model are computed here; None where nothing is stored of it.
pub(crate) fn numerics(store: &Store, prepared: &Prepared) -> anyhow::Result<Option<NumericsId>> {
    let here = numerics_here(prepared);
    Ok(store.undigested(&here.schedule, &here.llama_cpp_version)?)
}

/// The same row, made if it is missing.
pub(crate) fn register_numerics(
    store: &mut Store,
    prepared: &Prepared,
) -> anyhow::Result<NumericsId> {
    Ok(store.register_numerics(&numerics_here(prepared))?)
}

/// A model that is loaded, kept for its next sampling.
pub(crate) struct Loaded {
    sha256: Digest,
    pub(crate) model: Model,
    pub(crate) vocabulary: Vocabulary,
    /// What the self-check found: the level, and the largest difference of two logits.
    checked: (Option<String>, Option<f64>),
}

impl Loaded {
    fn load(session: &Session, backend: &Backend, prepared: &Prepared) -> anyhow::Result<Self> {
        let model = load(session, backend, prepared)?;
        Ok(Self {
            sha256: prepared.file.sha256,
            vocabulary: vocabulary(prepared, &model),
            model,
            checked: (None, None),
        })
    }

    /// The model of `prepared`: that in `last` where it is the same file, else loaded in its place.
    pub(crate) fn reuse<'l>(
        last: &'l mut Option<Self>,
        session: &Session,
        backend: &Backend,
        prepared: &Prepared,
    ) -> anyhow::Result<&'l mut Self> {
        let same = last
            .take()
            .filter(|last| last.sha256 == prepared.file.sha256);
        Ok(last.insert(match same {
            Some(loaded) => loaded,
            None => Self::load(session, backend, prepared)?,
        }))
    }
}

/// Makes the generations of `requests` and stores them; returns what was done, also when Ctrl-C ended it.
///
/// # Errors
/// What keeps the model from being used at all; failures of single requests are stored and counted.
pub(crate) fn generate(
    session: &Session,
    backend: &Backend,
    destination: &mut Destination<'_>,
    prepared: &Prepared,
    requests: &[GenerationRequest],
    n_reused: usize,
    last: &mut Option<Loaded>,
) -> anyhow::Result<RunModel> {
    let loaded = Loaded::reuse(last, session, backend, prepared)?;
    let mut done = new_run_model(prepared, n_reused);
    let (fitting, limits) = check_requests(
        session,
        backend,
        destination,
        prepared,
        loaded,
        requests,
        &mut done,
    )?;
    let schedule = prepared.placement.schedule;
    let config = decoder_config(limits, schedule, session.n_threads);
    let mut decoder = LlamaDecoder::new(backend, &loaded.model, config)?;
    let n_requests = fitting.len() as u64;
    let shown = Shown::start(session, prepared, n_requests, Unit::Generations);
    let on_progress = |n_finished| shown.show(n_finished);
    let job = Job {
        requests: &fitting,
        sampling: &prepared.context.sampling,
        seed: prepared.context.seed,
        vocabulary: &loaded.vocabulary,
        schedule,
        limits,
        cancel: &session.cancel,
        on_progress: &on_progress,
    };
    let generator = Generator::new(&mut decoder, job);
    run_groups(
        destination,
        prepared,
        &mut done,
        generator,
        &fitting,
        &shown,
    )?;
    shown.progress.finish(done.n_generated as u64);
    Ok(done)
}

/// Loads a model; one that would be asked something else than was planned is not used.
pub(crate) fn load(
    session: &Session,
    backend: &Backend,
    prepared: &Prepared,
) -> anyhow::Result<Model> {
    session.note(format_args!("{}: loading", prepared.file.label()));
    // The tokenizers that made the requests are gone; llama.cpp soon needs as much.
    session.watch.before_loading();
    let model = prepared.placement.load(backend, &prepared.file)?;
    compare_tokenizers(prepared, &model)?;
    Ok(model)
}

/// The context that has room for groups of this size.
pub(crate) fn decoder_config(
    limits: GroupLimits,
    schedule: Schedule,
    n_threads: u32,
) -> DecoderConfig {
    DecoderConfig {
        n_cells: limits.n_cells,
        n_seqs: limits.n_seqs,
        n_rows: schedule.n_rows_max,
        n_threads,
        value_type: schedule.value_type,
    }
}

/// Stores those requests as failed that are too long for the model, and self-checks with the others, once for a file.
///
/// Returns the others and the size of the context for them.
pub(crate) fn check_requests(
    session: &Session,
    backend: &Backend,
    destination: &mut Destination<'_>,
    prepared: &Prepared,
    loaded: &mut Loaded,
    requests: &[GenerationRequest],
    done: &mut RunModel,
) -> anyhow::Result<(Vec<GenerationRequest>, GroupLimits)> {
    done.numerics = Some(destination.numerics);
    (done.determinism, done.logit_difference_max) = loaded.checked.clone();
    let model = &loaded.model;
    let (fitting, too_long) = split_too_long(requests, prepared, model.n_ctx_train());
    let schedule = prepared.placement.schedule;
    let limits = limits(&fitting, schedule, prepared.context.sampling.max_tokens);
    // Another sampling of the same model may have been checked before.
    if !fitting.is_empty() && done.determinism.is_none() {
        let started = Instant::now();
        let check = self_check(
            &prompts(&fitting),
            schedule,
            limits.n_cells,
            session.n_threads,
            &mut |n_threads| {
                let config = decoder_config(limits, schedule, n_threads);
                Ok(Box::new(LlamaDecoder::new(backend, model, config)?))
            },
        )?;
        record_check(
            session,
            done,
            &prepared.file.label(),
            &check,
            started.elapsed(),
        );
        loaded.checked = (done.determinism.clone(), done.logit_difference_max);
    }
    store_failures(destination, done, &too_long)?;
    Ok((fitting, limits))
}

/// What is stored of a model for which nothing was done yet.
pub(crate) fn new_run_model(prepared: &Prepared, n_reused: usize) -> RunModel {
    RunModel {
        sampling_label: prepared.sampling_label.clone(),
        preset: prepared.preset.map(|preset| preset.as_str().to_owned()),
        schedule: prepared.context.schedule.clone(),
        numerics: None,
        backend: prepared.placement.backend.clone(),
        device: prepared.placement.device.clone(),
        n_gpu_layers: prepared.placement.n_gpu_layers,
        tokenizer: prepared.tokenizer_name.to_owned(),
        determinism: None,
        logit_difference_max: None,
        n_generated: 0,
        n_reused,
        n_failed: 0,
        n_prefill_tokens: 0,
        n_decode_rows: 0,
        n_padding_rows: 0,
        self_check: Duration::ZERO,
        prefill: Duration::ZERO,
        decode: Duration::ZERO,
        sample: Duration::ZERO,
        total: Duration::ZERO,
    }
}

/// Tokenizes every prompt with llama.cpp as well; a model whose two tokenizers disagree is not used.
fn compare_tokenizers(prepared: &Prepared, model: &Model) -> anyhow::Result<()> {
    let engine = |text: &str| model.tokenize(text);
    let runs = prepared.prompts.iter().flat_map(|prompt| prompt.runs());
    match first_disagreement(runs, &engine) {
        None => Ok(()),
        Some(disagreement) => bail!(
            "{}: its tokenizer and llama.cpp's disagree: {disagreement}\n\
             hint: the model file may have been made with another tokenizer; please report this",
            prepared.file.label()
        ),
    }
}

/// The bytes of every token, and which may be drawn: all but padding of the vocabulary.
pub(crate) fn vocabulary(prepared: &Prepared, model: &Model) -> Vocabulary {
    let n_vocab = model.n_vocab();
    let pieces = (0..n_vocab).map(|token| model.token_bytes(token)).collect();
    let eog: Vec<u32> = (0..n_vocab).filter(|&token| model.is_eog(token)).collect();
    let allowed = AllowedTokens::without(n_vocab as usize, prepared.unused_tokens.clone());
    Vocabulary::new(pieces, &eog, allowed)
}

/// Requests that fit the positions the model was trained for, and the others with the reason.
fn split_too_long<'r>(
    requests: &'r [GenerationRequest],
    prepared: &Prepared,
    n_ctx_train: u32,
) -> (Vec<GenerationRequest>, Vec<(&'r GenerationRequest, String)>) {
    let max_tokens = prepared.context.sampling.max_tokens;
    let (mut fitting, mut too_long) = (Vec::new(), Vec::new());
    for request in requests {
        let n_tokens = request.prompt_tokens.len();
        if n_tokens + max_tokens as usize <= n_ctx_train as usize {
            fitting.push(request.clone());
        } else {
            let error = EngineError::PromptTooLong {
                n_tokens,
                max_tokens,
                n_ctx_train,
            };
            too_long.push((request, error.to_string()));
        }
    }
    (fitting, too_long)
}

/// The size of the context for these requests.
pub(crate) fn limits(
    requests: &[GenerationRequest],
    schedule: Schedule,
    max_tokens: u32,
) -> GroupLimits {
    GroupLimits::for_generations(&prompts(requests), schedule, max_tokens)
}

/// The prompts of these requests, in any order.
pub(crate) fn prompts(requests: &[GenerationRequest]) -> Vec<&[u32]> {
    let prompts = requests.iter().map(|request| &*request.prompt_tokens);
    prompts.collect()
}

fn record_check(
    session: &Session,
    done: &mut RunModel,
    label: &str,
    check: &SelfCheck,
    took: Duration,
) {
    done.determinism = Some(check.determinism.to_string());
    done.logit_difference_max = Some(match check.determinism {
        Determinism::Bitwise => 0.0,
        Determinism::Within(difference) => f64::from(difference),
    });
    done.self_check = took;
    session.note(format_args!(
        "{label}: independence of neighbours: {} ({} logits rows compared in {})",
        check.determinism,
        check.n_rows,
        duration(took.as_secs_f64())
    ));
}

/// The progress of a model, between groups and within one.
pub(crate) struct Shown {
    pub(crate) progress: Box<dyn Gauge>,
    pub(crate) n_stored: Cell<usize>,
}

impl Shown {
    pub(crate) fn start(session: &Session, prepared: &Prepared, total: u64, unit: Unit) -> Self {
        Self {
            progress: session.begin(prepared.label(), total, unit),
            n_stored: Cell::new(0),
        }
    }

    /// Shows what is finished of the group in work; its generations come in a bunch, which says nothing about the pace.
    pub(crate) fn show(&self, n_finished: usize) {
        self.progress
            .show((self.n_stored.get() + n_finished) as u64);
    }

    /// Shows that a group has ended with so many generations stored.
    pub(crate) fn end_group(&self, n_stored: usize) {
        self.n_stored.set(n_stored);
        self.progress.set(n_stored as u64);
    }
}

/// Makes and stores group after group until all are done, Ctrl-C is pressed, or too many requests have failed.
fn run_groups(
    destination: &mut Destination<'_>,
    prepared: &Prepared,
    done: &mut RunModel,
    mut generator: Generator<'_>,
    requests: &[GenerationRequest],
    shown: &Shown,
) -> anyhow::Result<()> {
    let by_id: HashMap<RequestId, &GenerationRequest> = requests
        .iter()
        .map(|request| (request.id, request))
        .collect();
    let started = Instant::now();
    let mut work = Work::default();
    while let Some(outcome) = generator.next_group() {
        work.add(&outcome.work);
        store_generations(destination, prepared, &by_id, &outcome)?;
        done.n_generated += outcome.generations.len();
        done.total = started.elapsed();
        record_work(done, &work);
        let failed: Vec<_> = outcome
            .failed
            .iter()
            .map(|(id, error)| (by_id[id], error.clone()))
            .collect();
        store_failures(destination, done, &failed)?;
        shown.end_group(done.n_generated);
        give_up_on_failures(done, requests.len(), &failed)?;
    }
    Ok(())
}

pub(crate) fn record_work(done: &mut RunModel, work: &Work) {
    done.n_prefill_tokens = work.n_prefill_rows;
    done.n_decode_rows = work.n_decode_rows;
    done.n_padding_rows = work.n_padding_rows;
    done.prefill = work.prefill;
    done.decode = work.decode;
    done.sample = work.sample;
}

fn store_generations(
    destination: &mut Destination<'_>,
    prepared: &Prepared,
    by_id: &HashMap<RequestId, &GenerationRequest>,
    outcome: &GroupOutcome,
) -> anyhow::Result<()> {
    let new: Vec<NewGeneration<'_>> = outcome
        .generations
        .iter()
        .map(|generation| NewGeneration {
            request: by_id[&generation.request_id],
            generation,
        })
        .collect();
    destination.store.insert_next_token_distributions(
        destination.model,
        destination.numerics,
        &outcome.next_tokens,
    )?;
    destination.store.insert_generations(
        destination.run,
        destination.model,
        destination.numerics,
        &prepared.context,
        &new,
    )?;
    Ok(())
}

/// Stores failures and, in any case, what was done so far.
pub(crate) fn store_failures(
    destination: &mut Destination<'_>,
    done: &mut RunModel,
    failed: &[(&GenerationRequest, String)],
) -> anyhow::Result<()> {
    let new: Vec<NewFailure<'_>> = failed
        .iter()
        .map(|(request, error)| NewFailure { request, error })
        .collect();
    if !new.is_empty() {
        destination
            .store
            .insert_failures(destination.run, destination.model, &new)?;
    }
    done.n_failed += new.len();
    destination.store.save_run_model(
        destination.run,
        destination.model,
        destination.sampling,
        done,
    )?;
    Ok(())
}

pub(crate) fn give_up_on_failures(
    done: &RunModel,
    n_requests: usize,
    failed: &[(&GenerationRequest, String)],
) -> anyhow::Result<()> {
    match failed.first() {
        Some((_, error)) if done.n_failed as f64 > FAILED_FRACTION_MAX * n_requests as f64 => {
            Err(anyhow::anyhow!(error.clone())).with_context(|| {
                format!(
                    "{} of {n_requests} requests failed; the last because",
                    done.n_failed
                )
            })
        }
        _ => Ok(()),
    }
}
