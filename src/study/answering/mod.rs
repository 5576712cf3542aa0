//! Answers of models: what is missing is made, group by group, and each group is stored before the next begins.
//!
//! Owns the order of steps for one condition, for both methods: what is stored when, and when a model is given up. Which
//! rows are evaluated together is the engine's business; how a model is loaded and checked is in `loaded`, under which
//! numerics its answers stand in `numerics`.

pub(crate) mod loaded;
pub(crate) mod numerics;

use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::engine::{Enumerator, Generator, GroupOutcome, Job, Work};
use crate::generation::{Answer, Method, Request, RequestId};
use crate::llama::{LlamaDecoder, LlamaError};
use crate::store::{
    ModelId, NewAnswer, NewFailure, NumericsId, RunId, RunModel, SamplingId, Store, StoreError,
    WordingId,
};
use crate::study::asking::{Planned, Prepared};
use crate::study::session::Session;
use crate::watch::{Gauge, Unit};
use loaded::{Loaded, context_limits, decoder_config};

/// A model is given up when more than this part of its requests has failed.
const FAILED_FRACTION_MAX: f64 = 0.1;

/// Makes the missing answers of the conditions of one run.
pub(crate) struct Answering<'a> {
    pub(crate) session: &'a Session,
    pub(crate) store: &'a mut Store,
    pub(crate) run: RunId,
    /// The model that was loaded last, kept for its next sampling or wording.
    pub(crate) loaded: Option<Loaded>,
}

/// The work on one condition.
pub(crate) struct Answered {
    pub(crate) done: RunModel,
    /// The answers of the condition stand under these.
    pub(crate) numerics: NumericsId,
}

/// The place of the work of one condition.
#[derive(Clone, Copy)]
struct Destination {
    run: RunId,
    model: ModelId,
    sampling: SamplingId,
    wording: WordingId,
    numerics: NumericsId,
}

impl Answering<'_> {
    /// Makes the answers of one condition that are missing, and stores them. Its model is loaded only if there are any, or
    /// if it is not known how this machine computes it. Where the system ends the model's process, that is tried once more.
    ///
    /// # Errors
    /// [`Interrupted`](crate::study::Interrupted), and what keeps the model from being used at all; failures of single
    /// requests are stored and counted.
    pub(crate) fn answer(
        &mut self,
        planned: &Planned,
        model: ModelId,
        wording: WordingId,
    ) -> anyhow::Result<Answered> {
        let answered = self.try_to_answer(planned, model, wording);
        let answered = match answered {
            Err(error) if was_ended_from_outside(&error) => {
                let label = planned.prepared.label();
                self.session
                    .note(format_args!("{label}: {error:#}; trying once more"));
                self.loaded = None;
                self.try_to_answer(planned, model, wording)
            }
            answered => answered,
        };
        if answered.is_err() {
            self.loaded = None;
        }
        answered
    }

    fn try_to_answer(
        &mut self,
        planned: &Planned,
        model: ModelId,
        wording: WordingId,
    ) -> anyhow::Result<Answered> {
        let prepared = &planned.prepared;
        let sampling = self.store.register_sampling(&prepared.context.sampling)?;
        let expected = numerics::expected(self.session, self.store, planned, model)?;
        let mut done = new_run_model(prepared, planned.plan.requests().len());
        if let Some(numerics) = expected
            && planned.missing(self.store, Some(numerics))?.is_empty()
        {
            self.store
                .save_run_model(self.run, model, sampling, wording, &done)?;
            return Ok(Answered { done, numerics });
        }
        Loaded::reuse(&mut self.loaded, self.session, planned)?;
        let loaded = self.loaded.as_ref().expect("a model was loaded");
        let (here, numerics) =
            numerics::settled(self.session, self.store, planned, loaded, expected)?;
        loaded.record(&mut done);
        done.numerics = Some(here);
        let missing = planned.missing(self.store, Some(numerics))?;
        done.n_reused -= missing.len();
        let destination = Destination {
            run: self.run,
            model,
            sampling,
            wording,
            numerics,
        };
        self.make(planned, destination, &missing, &mut done)?;
        self.session.check_interrupted()?;
        Ok(Answered { done, numerics })
    }

    /// Makes the answers to `requests` with the model that is loaded.
    fn make(
        &mut self,
        planned: &Planned,
        destination: Destination,
        requests: &[Request],
        done: &mut RunModel,
    ) -> anyhow::Result<()> {
        let session = self.session;
        let prepared = &planned.prepared;
        let loaded = self.loaded.as_ref().expect("a model was loaded");
        let (fitting, too_long) = loaded.split_too_long(requests, prepared);
        store_failures(self.store, destination, done, &too_long)?;
        let limits = context_limits(&fitting, prepared, planned.method);
        let schedule = prepared.placement.schedule;
        let config = decoder_config(limits, schedule, session.n_threads);
        let mut decoder = LlamaDecoder::new(&loaded.model, config)?;
        let gauge = Shown::start(session, planned, fitting.len() as u64);
        let on_progress = |n_finished| gauge.show(n_finished);
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
        let mut groups = Groups {
            loaded,
            store: self.store,
            destination,
            by_id: fitting
                .iter()
                .map(|request| (request.id, request))
                .collect(),
            done,
            gauge: &gauge,
        };
        let context = &prepared.context;
        let Destination {
            run,
            model,
            numerics,
            ..
        } = destination;
        match planned.method {
            Method::Repeats => {
                let mut generator = Generator::new(&mut decoder, job);
                groups.run(&mut || generator.next_group(), &|store, new| {
                    store.insert_generations(run, model, numerics, context, new)
                })?;
            }
            Method::Exact(params) => {
                let mut enumerator = Enumerator::new(&mut decoder, job, params);
                groups.run(&mut || enumerator.next_group(), &|store, new| {
                    store.insert_enumerations(run, model, numerics, context, &params, new)
                })?;
            }
        }
        gauge.gauge.finish(done.n_generated as u64);
        Ok(())
    }
}

/// Stores the answers of one group.
type Insert<'i, A> = &'i dyn Fn(&mut Store, &[NewAnswer<'_, A>]) -> Result<usize, StoreError>;

/// The groups of one condition, on their way into the database.
struct Groups<'a> {
    loaded: &'a Loaded,
    store: &'a mut Store,
    destination: Destination,
    by_id: HashMap<RequestId, &'a Request>,
    done: &'a mut RunModel,
    gauge: &'a Shown,
}

impl Groups<'_> {
    /// Stores group after group until all are done, the work is ended, or too many requests have failed.
    fn run<A: Answer>(
        &mut self,
        next_group: &mut dyn FnMut() -> Option<GroupOutcome<A>>,
        insert: Insert<'_, A>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut work = Work::default();
        while let Some(outcome) = next_group() {
            work.add(&outcome.work);
            self.store_group(&outcome, insert)?;
            self.done.n_generated += outcome.answers.len();
            self.done.total = started.elapsed();
            record_work(self.done, &work);
            // That is no failure of single requests.
            if let Some(ended) = self.loaded.model.ended() {
                return Err(ended.into());
            }
            let failed: Vec<_> = outcome
                .failed
                .iter()
                .map(|(id, error)| (self.by_id[id], error.clone()))
                .collect();
            store_failures(self.store, self.destination, self.done, &failed)?;
            self.gauge.end_group(self.done.n_generated);
            give_up_on_failures(self.done, self.by_id.len(), &failed)?;
        }
        Ok(())
    }

    fn store_group<A: Answer>(
        &mut self,
        outcome: &GroupOutcome<A>,
        insert: Insert<'_, A>,
    ) -> anyhow::Result<()> {
        let new = outcome.answers.iter().map(|answer| NewAnswer {
            request: self.by_id[&answer.request_id()],
            answer,
        });
        let Destination {
            model, numerics, ..
        } = self.destination;
        self.store
            .insert_next_token_distributions(model, numerics, &outcome.next_tokens)?;
        insert(self.store, &new.collect::<Vec<_>>())?;
        Ok(())
    }
}

/// The record of a model for which nothing was done yet.
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

fn was_ended_from_outside(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = cause.downcast_ref();
        matches!(cause, Some(LlamaError::Ended { is_from_outside, .. }) if *is_from_outside)
    })
}

fn record_work(done: &mut RunModel, work: &Work) {
    done.n_prefill_tokens = work.n_prefill_rows;
    done.n_decode_rows = work.n_decode_rows;
    done.n_padding_rows = work.n_padding_rows;
    done.prefill = work.prefill;
    done.decode = work.decode;
    done.sample = work.sample;
}

/// Stores failures and, in any case, what was done so far.
fn store_failures(
    store: &mut Store,
    destination: Destination,
    done: &mut RunModel,
    failed: &[(&Request, String)],
) -> anyhow::Result<()> {
    let Destination {
        run,
        model,
        sampling,
        wording,
        ..
    } = destination;
    let new: Vec<NewFailure<'_>> = failed
        .iter()
        .map(|(request, error)| NewFailure { request, error })
        .collect();
    if !new.is_empty() {
        store.insert_failures(run, model, &new)?;
    }
    done.n_failed += new.len();
    store.save_run_model(run, model, sampling, wording, done)?;
    Ok(())
}

fn give_up_on_failures(
    done: &RunModel,
    n_requests: usize,
    failed: &[(&Request, String)],
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

/// The progress of a model, between groups and within one.
struct Shown {
    gauge: Box<dyn Gauge>,
    n_stored: Cell<usize>,
}

impl Shown {
    fn start(session: &Session, planned: &Planned, total: u64) -> Self {
        let unit = match planned.method {
            Method::Repeats => Unit::Generations,
            Method::Exact(_) => Unit::Prompts,
        };
        Self {
            gauge: session.begin(planned.prepared.label(), total, unit),
            n_stored: Cell::new(0),
        }
    }

    /// Shows what is finished of the group in work; its answers come in a bunch, which says nothing about the pace.
    fn show(&self, n_finished: usize) {
        self.gauge.show((self.n_stored.get() + n_finished) as u64);
    }

    /// Shows that a group has ended with so many answers stored.
    fn end_group(&self, n_stored: usize) {
        self.n_stored.set(n_stored);
        self.gauge.set(n_stored as u64);
    }
}
