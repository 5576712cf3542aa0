//! Enumerations and their continuations: the tables `enumerations` and `continuations`.
//!
//! Owns the way from a request to its rows. An enumeration belongs to its request and to how logits were computed for
//! it, whichever run or experiment asked for it first, as a generation does.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::error::Failure;
use super::generations::{check_context, rendered_prompt, stop_reason};
use super::values::{integer, json_numbers, numbers, unsigned};
use super::{EnumerationRowId, ModelId, NewAnswer, NumericsId, RunId, Store, StoreError};
use crate::generation::{Continuation, Enumeration, EnumerationParams, RequestContext, RequestId};

/// An enumeration, read back.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEnumeration {
    /// Its row.
    pub id: EnumerationRowId,
    /// The enumeration.
    pub enumeration: Enumeration,
}

impl Store {
    /// The stored enumerations of those of `requests` that have one under these numerics.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn enumerations(
        &self,
        requests: &[RequestId],
        numerics: NumericsId,
    ) -> Result<HashMap<RequestId, StoredEnumeration>, StoreError> {
        self.read("read enumerations", |view| {
            let mut found = HashMap::with_capacity(requests.len());
            for request in requests {
                if let Some(stored) = stored_enumeration(view, *request, numerics)? {
                    found.insert(*request, stored);
                }
            }
            Ok(found)
        })
    }

    /// Stores enumerations that `run` made, all or none, and returns how many were not there already.
    ///
    /// The rendered prompts of their requests must be registered. A request that has its enumeration under these
    /// numerics already keeps it.
    ///
    /// # Errors
    /// `Value` when `model`, the schedule of `numerics` or a request is not that of `context` and `params`, or an
    /// enumeration not that of its request.
    pub fn insert_enumerations(
        &mut self,
        run: RunId,
        model: ModelId,
        numerics: NumericsId,
        context: &RequestContext,
        params: &EnumerationParams,
        enumerations: &[NewAnswer<'_, Enumeration>],
    ) -> Result<usize, StoreError> {
        self.write("store enumerations", |transaction| {
            check_context(transaction, model, numerics, context)?;
            let mut n_inserted = 0;
            for new in enumerations {
                check_enumeration(context, params, new)?;
                n_inserted +=
                    insert_enumeration(transaction, run, model, numerics, context, params, new)?;
            }
            Ok(n_inserted)
        })
    }
}

/// Makes sure that a row's columns are what its request id stands for.
fn check_enumeration(
    context: &RequestContext,
    params: &EnumerationParams,
    new: &NewAnswer<'_, Enumeration>,
) -> Result<(), Failure> {
    let NewAnswer {
        request,
        answer: enumeration,
    } = new;
    let refuse = |why: &str| {
        Err(Failure::Value(format!(
            "the enumeration of request {} {why}",
            request.id
        )))
    };
    let of_context = context.enumeration_request(Arc::clone(&request.prompt_tokens), params);
    if of_context.id != request.id {
        return refuse("has other values than it was asked with");
    }
    if enumeration.request_id != request.id {
        return refuse("answers another request");
    }
    let is_finite = |c: &Continuation| c.logprob.is_finite() && c.model_logprob.is_finite();
    if !enumeration.continuations.iter().all(is_finite) {
        return refuse("has a log-probability that is no finite number");
    }
    Ok(())
}

/// Returns 1, or 0 where the request has its enumeration already.
fn insert_enumeration(
    connection: &Connection,
    run: RunId,
    model: ModelId,
    numerics: NumericsId,
    context: &RequestContext,
    params: &EnumerationParams,
    new: &NewAnswer<'_, Enumeration>,
) -> Result<usize, Failure> {
    let NewAnswer {
        request,
        answer: enumeration,
    } = new;
    let sampling = &context.sampling;
    let (rendered_prompt, prompt) = rendered_prompt(
        connection,
        model,
        &request.prompt_tokens,
        &request.id.to_string(),
    )?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO enumerations
             (request_id, numerics_id, model_id, prompt_id, rendered_prompt_id, temperature, top_k, top_p, min_p,
              repetition_penalty, max_tokens, stop, seed, schedule, coverage, max_rows_per_prompt, n_tail_draws,
              uncovered, n_open, n_rows, n_tail_rows, run_id)
         VALUES
             (:request, :numerics, :model, :prompt, :rendered_prompt, :temperature, :top_k, :top_p, :min_p,
              :repetition_penalty, :max_tokens, :stop, :seed, :schedule, :coverage, :max_rows_per_prompt, :n_tail_draws,
              :uncovered, :n_open, :n_rows, :n_tail_rows, :run)
         ON CONFLICT (request_id, numerics_id) DO NOTHING
         RETURNING id",
    )?;
    let id: Option<EnumerationRowId> = insert
        .query_row(
            named_params! {
                ":request": request.id.to_string(),
                ":numerics": numerics,
                ":model": model,
                ":prompt": prompt,
                ":rendered_prompt": rendered_prompt,
                ":temperature": sampling.temperature,
                ":top_k": sampling.top_k,
                ":top_p": sampling.top_p,
                ":min_p": sampling.min_p,
                ":repetition_penalty": sampling.repetition_penalty,
                ":max_tokens": sampling.max_tokens,
                ":stop": sampling.stop.to_text(),
                ":seed": context.seed.cast_signed(),
                ":schedule": context.schedule,
                ":coverage": params.coverage,
                ":max_rows_per_prompt": params.max_rows_per_prompt,
                ":n_tail_draws": params.n_tail_draws,
                ":uncovered": enumeration.uncovered,
                ":n_open": integer(enumeration.n_open)?,
                ":n_rows": enumeration.n_rows,
                ":n_tail_rows": enumeration.n_tail_rows,
                ":run": run,
            },
            |row| row.get(0),
        )
        .optional()?;
    let Some(id) = id else {
        return Ok(0);
    };
    insert_continuations(connection, id, &enumeration.continuations)?;
    Ok(1)
}

fn insert_continuations(
    connection: &Connection,
    enumeration: EnumerationRowId,
    continuations: &[Continuation],
) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO continuations
             (enumeration_id, continuation_idx, text, stop_reason, n_tokens, tokens, probability, logprob, model_logprob,
              tail_draw_idx)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for (continuation_idx, continuation) in continuations.iter().enumerate() {
        insert.execute(params![
            enumeration,
            integer(continuation_idx)?,
            continuation.text,
            continuation.stop_reason.as_str(),
            integer(continuation.tokens.len())?,
            json_numbers(&continuation.tokens),
            // A sum of logarithms may end a rounding error above 0.
            continuation.logprob.exp().min(1.0),
            continuation.logprob,
            continuation.model_logprob,
            continuation.tail_draw_idx,
        ])?;
    }
    Ok(())
}

fn stored_enumeration(
    view: &Connection,
    request: RequestId,
    numerics: NumericsId,
) -> Result<Option<StoredEnumeration>, Failure> {
    let mut select = view.prepare_cached(
        "SELECT id, uncovered, n_open, n_rows, n_tail_rows FROM enumerations WHERE request_id = ?1 AND numerics_id = ?2",
    )?;
    let mut rows = select.query(params![request.to_string(), numerics])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let id = row.get("id")?;
    Ok(Some(StoredEnumeration {
        id,
        enumeration: Enumeration {
            request_id: request,
            continuations: continuations(view, id)?,
            uncovered: row.get("uncovered")?,
            n_open: unsigned(row.get("n_open")?)?,
            n_rows: row.get("n_rows")?,
            n_tail_rows: row.get("n_tail_rows")?,
        },
    }))
}

fn continuations(
    view: &Connection,
    enumeration: EnumerationRowId,
) -> Result<Vec<Continuation>, Failure> {
    let mut select = view.prepare_cached(
        "SELECT text, stop_reason, tokens, logprob, model_logprob, tail_draw_idx FROM continuations
         WHERE enumeration_id = ?1 ORDER BY continuation_idx",
    )?;
    let mut rows = select.query([enumeration])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(continuation(row)?);
    }
    Ok(found)
}

fn continuation(row: &Row<'_>) -> Result<Continuation, Failure> {
    let text_of = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    Ok(Continuation {
        text: row.get("text")?,
        tokens: numbers(text_of("tokens")?)?,
        logprob: row.get("logprob")?,
        model_logprob: row.get("model_logprob")?,
        stop_reason: stop_reason(text_of("stop_reason")?)?,
        tail_draw_idx: row.get("tail_draw_idx")?,
    })
}
