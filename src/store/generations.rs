//! Generations and requests that failed: the tables `generations` and `failures`.
//!
//! Owns the way from a request to its row. A generation belongs to its request and to how logits were computed for it,
//! whichever run or experiment asked for it first; a failure belongs to a run, and the request stays missing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, named_params, params};

use super::error::Failure;
use super::values::{digest, integer, json_numbers, numbers, unsigned};
use super::{
    GenerationId, ModelId, NumericsId, PromptId, RenderedPromptId, RunId, Store, StoreError,
};
use crate::generation::{Generation, Method, Request, RequestContext, RequestId, StopReason};

/// An answer to store, with the request it answers.
#[derive(Debug, Clone, Copy)]
pub struct NewAnswer<'a, A> {
    /// The request.
    pub request: &'a Request,
    /// The model's answer.
    pub answer: &'a A,
}

/// A request that failed.
#[derive(Debug, Clone, Copy)]
pub struct NewFailure<'a> {
    /// The request.
    pub request: &'a Request,
    /// Why.
    pub error: &'a str,
}

/// A generation, read back.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredGeneration {
    /// Its row.
    pub id: GenerationId,
    /// The generation.
    pub generation: Generation,
}

impl Store {
    /// All generations that are stored.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn n_generations(&self) -> Result<u64, StoreError> {
        self.read("count generations", |view| {
            let mut select = view.prepare_cached("SELECT count(*) FROM generations")?;
            unsigned(select.query_row([], |row| row.get(0))?)
        })
    }

    /// Those of `requests` that have no stored answer under these numerics, in order.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn missing(
        &self,
        method: Method,
        requests: &[RequestId],
        numerics: NumericsId,
    ) -> Result<Vec<RequestId>, StoreError> {
        self.read("look for answers", |view| {
            let mut select = view.prepare_cached(&format!(
                "SELECT 1 FROM {} WHERE request_id = ?1 AND numerics_id = ?2",
                table(method)
            ))?;
            let mut missing = Vec::new();
            for request in requests {
                if !select.exists(params![request.to_string(), numerics])? {
                    missing.push(*request);
                }
            }
            Ok(missing)
        })
    }

    /// How many of `requests` have an answer under each of the numerics, those with most first, of equals the latest.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn n_answers(
        &self,
        method: Method,
        requests: &[RequestId],
    ) -> Result<Vec<(NumericsId, usize)>, StoreError> {
        self.read("count answers", |view| {
            let mut select = view.prepare_cached(&format!(
                "SELECT numerics_id FROM {} WHERE request_id = ?1",
                table(method)
            ))?;
            let mut counts: BTreeMap<NumericsId, usize> = BTreeMap::new();
            for request in requests {
                let mut rows = select.query([request.to_string()])?;
                while let Some(row) = rows.next()? {
                    *counts.entry(row.get(0)?).or_default() += 1;
                }
            }
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_by_key(|&(numerics, n)| Reverse((n, numerics)));
            Ok(counts)
        })
    }

    /// The stored generations of those of `requests` that have one under these numerics.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn generations(
        &self,
        requests: &[RequestId],
        numerics: NumericsId,
    ) -> Result<HashMap<RequestId, StoredGeneration>, StoreError> {
        self.read("read generations", |view| {
            let mut select = view.prepare_cached(
                "SELECT id, request_id, text, tokens, token_logprobs, stop_reason FROM generations
                 WHERE request_id = ?1 AND numerics_id = ?2",
            )?;
            let mut found = HashMap::with_capacity(requests.len());
            for request in requests {
                let mut rows = select.query(params![request.to_string(), numerics])?;
                if let Some(row) = rows.next()? {
                    found.insert(*request, stored_generation(row)?);
                }
            }
            Ok(found)
        })
    }

    /// Stores generations that `run` made, all or none, and returns how many were not there already.
    ///
    /// The rendered prompts of their requests must be registered. A request that has its generation under these
    /// numerics already keeps it.
    ///
    /// # Errors
    /// `Value` when `model`, the schedule of `numerics` or a request is not that of `context`, or a generation not that
    /// of its request.
    pub fn insert_generations(
        &mut self,
        run: RunId,
        model: ModelId,
        numerics: NumericsId,
        context: &RequestContext,
        generations: &[NewAnswer<'_, Generation>],
    ) -> Result<usize, StoreError> {
        self.write("store generations", |transaction| {
            check_context(transaction, model, numerics, context)?;
            let mut n_inserted = 0;
            for new in generations {
                check_generation(context, new)?;
                n_inserted += insert_generation(transaction, run, model, numerics, context, new)?;
            }
            Ok(n_inserted)
        })
    }

    /// Stores why requests failed in `run`; the same request may fail in many runs.
    ///
    /// # Errors
    /// `Value` when the rendered prompt of a request is not registered.
    pub fn insert_failures(
        &mut self,
        run: RunId,
        model: ModelId,
        failures: &[NewFailure<'_>],
    ) -> Result<(), StoreError> {
        self.write("store failures", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO failures (run_id, model_id, request_id, prompt_id, repeat_idx, error)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for NewFailure { request, error } in failures {
                let id = request.id.to_string();
                let (_, prompt) = rendered_prompt(transaction, model, &request.prompt_tokens, &id)?;
                insert.execute(params![run, model, id, prompt, request.repeat_idx, error])?;
            }
            Ok(())
        })
    }

    /// How many requests failed in `run`.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn n_failures(&self, run: RunId) -> Result<usize, StoreError> {
        self.read("count failures", |view| {
            let mut select = view.prepare_cached(
                "SELECT count(DISTINCT request_id) FROM failures WHERE run_id = ?1",
            )?;
            unsigned(select.query_row([run], |row| row.get(0))?)
        })
    }
}

/// The table of the answers that a method asks for.
fn table(method: Method) -> &'static str {
    match method {
        Method::Repeats => "generations",
        Method::Exact(_) => "enumerations",
    }
}

/// Makes sure that model and numerics are what the requests were made for.
pub(super) fn check_context(
    connection: &Connection,
    model: ModelId,
    numerics: NumericsId,
    context: &RequestContext,
) -> Result<(), Failure> {
    let is_in = |select: &str, values: &[&dyn ToSql]| -> Result<bool, Failure> {
        Ok(connection.prepare_cached(select)?.exists(values)?)
    };
    let sha256 = context.model_sha256.to_string();
    let select = "SELECT 1 FROM models WHERE id = ?1 AND sha256 = ?2";
    if !is_in(select, &[&model, &sha256])? {
        return Err(Failure::Value(format!(
            "model {model} is not the one that was asked"
        )));
    }
    let select = "SELECT 1 FROM numerics WHERE id = ?1 AND schedule = ?2";
    if !is_in(select, &[&numerics, &context.schedule])? {
        return Err(Failure::Value(format!(
            "the numerics {numerics} are not those of the schedule that was asked for"
        )));
    }
    Ok(())
}

/// Makes sure that a row's columns are what its request id stands for.
fn check_generation(
    context: &RequestContext,
    new: &NewAnswer<'_, Generation>,
) -> Result<(), Failure> {
    let NewAnswer {
        request,
        answer: generation,
    } = new;
    let refuse = |why: &str| {
        Err(Failure::Value(format!(
            "the generation of request {} {why}",
            request.id
        )))
    };
    let of_context = context.request(Arc::clone(&request.prompt_tokens), request.repeat_idx);
    if of_context.id != request.id {
        return refuse("has other sampling values than it was asked with");
    }
    if generation.request_id != request.id {
        return refuse("answers another request");
    }
    if generation.tokens.len() != generation.token_logprobs.len() {
        return refuse("has tokens without a log-probability");
    }
    if !generation
        .token_logprobs
        .iter()
        .all(|logprob| logprob.is_finite())
    {
        return refuse("has a log-probability that is no finite number");
    }
    Ok(())
}

/// Returns 1, or 0 where the request has its generation already.
fn insert_generation(
    connection: &Connection,
    run: RunId,
    model: ModelId,
    numerics: NumericsId,
    context: &RequestContext,
    new: &NewAnswer<'_, Generation>,
) -> Result<usize, Failure> {
    let NewAnswer {
        request,
        answer: generation,
    } = new;
    let sampling = &context.sampling;
    let id = request.id.to_string();
    let (rendered_prompt, prompt) =
        rendered_prompt(connection, model, &request.prompt_tokens, &id)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO generations
             (request_id, numerics_id, model_id, prompt_id, rendered_prompt_id, repeat_idx, text, stop_reason, n_tokens, tokens,
              token_logprobs, temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop, draws, seed,
              schedule, run_id)
         VALUES
             (:request, :numerics, :model, :prompt, :rendered_prompt, :repeat_idx, :text, :stop_reason, :n_tokens, :tokens,
              :token_logprobs, :temperature, :top_k, :top_p, :min_p, :repetition_penalty, :max_tokens, :stop, :draws, :seed,
              :schedule, :run)
         ON CONFLICT (request_id, numerics_id) DO NOTHING",
    )?;
    Ok(insert.execute(named_params! {
        ":request": id,
        ":numerics": numerics,
        ":model": model,
        ":prompt": prompt,
        ":rendered_prompt": rendered_prompt,
        ":repeat_idx": request.repeat_idx,
        ":text": generation.text,
        ":stop_reason": generation.stop_reason.as_str(),
        ":n_tokens": integer(generation.tokens.len())?,
        ":tokens": json_numbers(&generation.tokens),
        ":token_logprobs": json_numbers(&generation.token_logprobs),
        ":temperature": sampling.temperature,
        ":top_k": sampling.top_k,
        ":top_p": sampling.top_p,
        ":min_p": sampling.min_p,
        ":repetition_penalty": sampling.repetition_penalty,
        ":max_tokens": sampling.max_tokens,
        ":stop": sampling.stop.to_text(),
        ":draws": sampling.draws.as_str(),
        ":seed": context.seed.cast_signed(),
        ":schedule": context.schedule,
        ":run": run,
    })?)
}

/// The rendered prompt of a request and its messages; the first stored where several prompts have the same tokens.
pub(super) fn rendered_prompt(
    connection: &Connection,
    model: ModelId,
    prompt_tokens: &[u32],
    request: &str,
) -> Result<(RenderedPromptId, PromptId), Failure> {
    let mut select = connection.prepare_cached(
        "SELECT id, prompt_id FROM rendered_prompts WHERE model_id = ?1 AND tokens = ?2 ORDER BY id LIMIT 1",
    )?;
    let tokens = json_numbers(prompt_tokens);
    let found = select.query_row(params![model, tokens], |row| Ok((row.get(0)?, row.get(1)?)));
    let failure = || Failure::Value(format!("the prompt of request {request} was not stored"));
    found.optional()?.ok_or_else(failure)
}

fn stored_generation(row: &Row<'_>) -> Result<StoredGeneration, Failure> {
    let text_of = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    let generation = Generation {
        request_id: RequestId(digest(text_of("request_id")?)?),
        text: row.get("text")?,
        tokens: numbers(text_of("tokens")?)?,
        token_logprobs: numbers(text_of("token_logprobs")?)?,
        stop_reason: stop_reason(text_of("stop_reason")?)?,
    };
    if generation.tokens.len() != generation.token_logprobs.len() {
        let request = generation.request_id;
        return Err(Failure::Value(format!(
            "the generation of request {request} has tokens without a log-probability"
        )));
    }
    Ok(StoredGeneration {
        id: row.get("id")?,
        generation,
    })
}

pub(super) fn stop_reason(text: &str) -> Result<StopReason, Failure> {
    let known = [StopReason::Eog, StopReason::Stop, StopReason::MaxTokens];
    let found = known.into_iter().find(|reason| reason.as_str() == text);
    found.ok_or_else(|| Failure::Value(format!("`{text}` is no stop reason")))
}
