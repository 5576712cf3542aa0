//! Making the missing enumerations of one model: as `generating` does for generations, group by group.
//!
//! Owns which enumerations are missing, the order of steps and what is stored when. How continuations are enumerated is
//! the engine's business.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::engine::{EnumerationJob, EnumerationOutcome, Enumerator, Work};
use crate::generation::{
    EnumerationId, EnumerationParams, EnumerationRequest, GenerationRequest, RequestId,
};
use crate::llama::{Backend, LlamaDecoder};
use crate::store::{NewEnumeration, RunModel, Store};
use crate::study::answering::repeats::{self as generating, Destination, Loaded, Shown};
use crate::study::asking::{Planned, Prepared};
use crate::study::session::Session;
use crate::watch::Unit;

/// The enumerations planned for one model, with how far they go.
pub(crate) struct EnumerationPlan {
    pub(crate) params: EnumerationParams,
    /// By prompt tokens, each once.
    pub(crate) requests: Vec<EnumerationRequest>,
    /// For each prompt of the experiment, the enumeration of its tokens.
    id_of: Vec<EnumerationId>,
}

impl EnumerationPlan {
    /// Plans an enumeration of every distinct prompt.
    pub(crate) fn new(prepared: &Prepared, params: EnumerationParams) -> Self {
        let requests = prepared.prompts.iter().map(|prompt| {
            let tokens = Arc::from(prompt.tokens());
            prepared.context.enumeration_request(tokens, &params)
        });
        let mut requests: Vec<EnumerationRequest> = requests.collect();
        let id_of = requests.iter().map(|request| request.id).collect();
        requests.sort_by(|a, b| a.prompt_tokens.cmp(&b.prompt_tokens));
        requests.dedup();
        Self {
            params,
            requests,
            id_of,
        }
    }

    /// The ids of all enumerations.
    pub(crate) fn ids(&self) -> Vec<EnumerationId> {
        self.requests.iter().map(|request| request.id).collect()
    }

    /// The enumeration of a prompt of the experiment.
    pub(crate) fn id(&self, prompt_idx: usize) -> EnumerationId {
        self.id_of[prompt_idx]
    }

    /// The planned requests that have no enumeration yet.
    pub(crate) fn missing(
        &self,
        store: &Store,
        prepared: &Prepared,
    ) -> anyhow::Result<Vec<EnumerationRequest>> {
        let Some(numerics) = generating::numerics(store, prepared)? else {
            return Ok(self.requests.clone());
        };
        let missing = store.missing_enumerations(&self.ids(), numerics)?;
        // Both are in the order of the plan.
        let mut missing = missing.into_iter().peekable();
        let requests = self.requests.iter();
        Ok(requests
            .filter(|request| missing.next_if_eq(&request.id).is_some())
            .cloned()
            .collect())
    }
}

/// Makes the missing enumerations and stores them; returns what was done, also when Ctrl-C ended it. Loads the model only
/// if some are missing, and once for all of its samplings.
///
/// # Errors
/// What keeps the model from being used at all; failures of single requests are stored and counted.
pub(crate) fn enumerate(
    session: &Session,
    backend: &Backend,
    destination: &mut Destination<'_>,
    planned: &Planned,
    plan: &EnumerationPlan,
    last: &mut Option<Loaded>,
) -> anyhow::Result<RunModel> {
    let prepared = &planned.prepared;
    let missing = plan.missing(destination.store, prepared)?;
    let mut done = generating::new_run_model(prepared, plan.requests.len() - missing.len());
    if missing.is_empty() {
        generating::store_failures(destination, &mut done, &[])?;
        return Ok(done);
    }
    let loaded = Loaded::reuse(last, session, backend, prepared)?;
    let (fitting, limits) = generating::check_requests(
        session,
        backend,
        destination,
        prepared,
        loaded,
        &missing
            .iter()
            .map(as_generation_request)
            .collect::<Vec<_>>(),
        &mut done,
    )?;
    let schedule = prepared.placement.schedule;
    let limits = limits.for_enumerations();
    let config = generating::decoder_config(limits, schedule, session.n_threads);
    let mut decoder = LlamaDecoder::new(backend, &loaded.model, config)?;
    let requests: Vec<EnumerationRequest> = fitting.iter().map(as_enumeration_request).collect();
    let shown = Shown::start(session, prepared, requests.len() as u64, Unit::Prompts);
    let on_progress = |n_finished| shown.show(n_finished);
    let job = EnumerationJob {
        requests: &requests,
        sampling: &prepared.context.sampling,
        params: &plan.params,
        seed: prepared.context.seed,
        vocabulary: &loaded.vocabulary,
        schedule,
        limits,
        cancel: &session.cancel,
        on_progress: &on_progress,
    };
    let groups = Enumerator::new(&mut decoder, job);
    run_groups(destination, prepared, &mut done, groups, job, &shown)?;
    shown.progress.finish(done.n_generated as u64);
    Ok(done)
}

/// The request as one for a generation, for what does not depend on what is asked: length, self-check, failures.
pub(crate) fn as_generation_request(request: &EnumerationRequest) -> GenerationRequest {
    GenerationRequest {
        id: RequestId(request.id.0),
        prompt_tokens: Arc::clone(&request.prompt_tokens),
        repeat_idx: 0,
    }
}

/// The way back from [`as_generation_request`].
pub(crate) fn as_enumeration_request(request: &GenerationRequest) -> EnumerationRequest {
    EnumerationRequest {
        id: EnumerationId(request.id.0),
        prompt_tokens: Arc::clone(&request.prompt_tokens),
    }
}

/// Makes and stores group after group until all are done, Ctrl-C is pressed, or too many requests have failed.
fn run_groups(
    destination: &mut Destination<'_>,
    prepared: &Prepared,
    done: &mut RunModel,
    mut groups: Enumerator<'_>,
    job: EnumerationJob<'_>,
    shown: &Shown,
) -> anyhow::Result<()> {
    let by_id: HashMap<EnumerationId, &EnumerationRequest> = job
        .requests
        .iter()
        .map(|request| (request.id, request))
        .collect();
    let started = Instant::now();
    let mut work = Work::default();
    while let Some(outcome) = groups.next_group() {
        work.add(&outcome.work);
        store_enumerations(destination, prepared, &by_id, job.params, &outcome)?;
        done.n_generated += outcome.enumerations.len();
        done.total = started.elapsed();
        generating::record_work(done, &work);
        let failed = outcome.failed.iter().map(|(id, error)| {
            let request = as_generation_request(by_id[id]);
            (request, error.clone())
        });
        let failed: Vec<(GenerationRequest, String)> = failed.collect();
        let failed: Vec<_> = failed
            .iter()
            .map(|(request, error)| (request, error.clone()))
            .collect();
        generating::store_failures(destination, done, &failed)?;
        shown.end_group(done.n_generated);
        generating::give_up_on_failures(done, job.requests.len(), &failed)?;
    }
    Ok(())
}

fn store_enumerations(
    destination: &mut Destination<'_>,
    prepared: &Prepared,
    by_id: &HashMap<EnumerationId, &EnumerationRequest>,
    params: &EnumerationParams,
    outcome: &EnumerationOutcome,
) -> anyhow::Result<()> {
    let new: Vec<NewEnumeration<'_>> = outcome
        .enumerations
        .iter()
        .map(|enumeration| NewEnumeration {
            request: by_id[&enumeration.id],
            enumeration,
        })
        .collect();
    destination.store.insert_next_token_distributions(
        destination.model,
        destination.numerics,
        &outcome.next_tokens,
    )?;
    destination.store.insert_enumerations(
        destination.run,
        destination.model,
        destination.numerics,
        &prepared.context,
        params,
        &new,
    )?;
    Ok(())
}
