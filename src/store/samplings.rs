//! Sampling values: the table `samplings`.
//!
//! Owns which values are the same row: the label writes all of them out.

use rusqlite::{Row, named_params};

use super::error::Failure;
use super::{SamplingId, Store, StoreError};
use crate::generation::{DrawMethod, SamplingParams, StopRule};

impl Store {
    /// The row of these sampling values, made if it is missing.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn register_sampling(
        &mut self,
        sampling: &SamplingParams,
    ) -> Result<SamplingId, StoreError> {
        self.write("store the sampling values", |transaction| {
            let label = sampling.written_out();
            transaction
                .prepare_cached(
                    "INSERT INTO samplings
                         (label, temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop, draws)
                     VALUES
                         (:label, :temperature, :top_k, :top_p, :min_p, :repetition_penalty, :max_tokens, :stop,
                          :draws)
                     ON CONFLICT (label) DO NOTHING",
                )?
                .execute(named_params! {
                    ":label": label,
                    ":temperature": sampling.temperature,
                    ":top_k": sampling.top_k,
                    ":top_p": sampling.top_p,
                    ":min_p": sampling.min_p,
                    ":repetition_penalty": sampling.repetition_penalty,
                    ":max_tokens": sampling.max_tokens,
                    ":stop": sampling.stop.to_text(),
                    ":draws": sampling.draws.as_str(),
                })?;
            let mut select =
                transaction.prepare_cached("SELECT id FROM samplings WHERE label = ?1")?;
            Ok(select.query_row([label], |row| row.get(0))?)
        })
    }
}

/// The values in a row of `samplings`; None in the one of unknown values.
pub(super) fn sampling(row: &Row<'_>) -> Result<Option<SamplingParams>, Failure> {
    let Some(temperature) = row.get("temperature")? else {
        return Ok(None);
    };
    let stop: String = row.get("stop")?;
    let rule = StopRule::from_text(&stop);
    let draws: String = row.get("draws")?;
    let way = DrawMethod::from_name(&draws);
    Ok(Some(SamplingParams {
        temperature,
        top_k: row.get("top_k")?,
        top_p: row.get("top_p")?,
        min_p: row.get("min_p")?,
        repetition_penalty: row.get("repetition_penalty")?,
        max_tokens: row.get("max_tokens")?,
        stop: rule.ok_or_else(|| Failure::Value(format!("`{stop}` is no stop rule")))?,
        draws: way.ok_or_else(|| Failure::Value(format!("`{draws}` is no way of drawing")))?,
    }))
}
