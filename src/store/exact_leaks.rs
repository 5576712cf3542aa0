//! Exact leaks: the table `exact_leaks`, the leak probability of each pair.
//!
//! Owns that a pair of a condition has one, between two enumerations. Saving one again replaces it.

use rusqlite::{Row, named_params, params};

use super::error::Failure;
use super::leaks::check_pairs;
use super::values::{integer, json_numbers, numbers, unsigned};
use super::{ConditionId, EnumerationRowId, PromptId, Store, StoreError};
use crate::leakage::{ExactLeak, ExactPair};

/// The leak probability of a pair, to store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewExactLeak<'a> {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The continuations of the test prompt.
    pub test_enumeration: EnumerationRowId,
    /// The continuations of the control prompt.
    pub control_enumeration: EnumerationRowId,
    /// The leak probability that follows from the two.
    pub leak: &'a ExactLeak,
}

/// A leak probability, read back with what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredExactLeak {
    /// The concept.
    pub concept: String,
    /// The template the pair was made from; None for a free-standing pair.
    pub template_id: Option<String>,
    /// The test prompt as the experiment has it.
    pub test_prompt: String,
    /// The control prompt as the experiment has it.
    pub control_prompt: String,
    /// The continuations of the test prompt.
    pub test_enumeration: EnumerationRowId,
    /// The continuations of the control prompt.
    pub control_enumeration: EnumerationRowId,
    /// The messages in which the test prompt was sent.
    pub test_prompt_id: PromptId,
    /// The messages in which the control prompt was sent: what pairs of one cluster share.
    pub control_prompt_id: PromptId,
    /// The pair, with the numbers of its messages as those of its prompts.
    pub pair: ExactPair,
}

impl Store {
    /// Stores leak probabilities of a condition, all or none; those of the same pairs are replaced.
    ///
    /// # Errors
    /// `Value` for a pair that the experiment does not have.
    pub fn save_exact_leaks(
        &mut self,
        condition: ConditionId,
        leaks: &[NewExactLeak<'_>],
    ) -> Result<(), StoreError> {
        self.write("store exact leaks", |transaction| {
            check_pairs(transaction, condition, leaks.iter().map(|new| new.pair_idx))?;
            let mut replace = transaction.prepare_cached(
                "INSERT OR REPLACE INTO exact_leaks
                     (condition_id, pair_idx, test_enumeration_id, control_enumeration_id, leak_probability, lower, upper,
                      tie_probability, echo_probability, similarity_shift, total_variation_lower, total_variation_upper,
                      entropy_test, entropy_control, covered_test, covered_control, test_influences, control_influences)
                 VALUES
                     (:condition, :pair_idx, :test_enumeration, :control_enumeration, :leak_probability, :lower, :upper,
                      :tie_probability, :echo_probability, :similarity_shift, :total_variation_lower,
                      :total_variation_upper, :entropy_test, :entropy_control, :covered_test, :covered_control,
                      :test_influences, :control_influences)",
            )?;
            for new in leaks {
                let leak = new.leak;
                replace.execute(named_params! {
                    ":condition": condition,
                    ":pair_idx": integer(new.pair_idx)?,
                    ":test_enumeration": new.test_enumeration,
                    ":control_enumeration": new.control_enumeration,
                    ":leak_probability": leak.probability,
                    ":lower": leak.lower,
                    ":upper": leak.upper,
                    ":tie_probability": leak.tie_probability,
                    ":echo_probability": leak.echo_probability,
                    ":similarity_shift": leak.similarity_shift,
                    ":total_variation_lower": leak.total_variation_lower,
                    ":total_variation_upper": leak.total_variation_upper,
                    ":entropy_test": leak.entropy_test,
                    ":entropy_control": leak.entropy_control,
                    ":covered_test": leak.covered_test,
                    ":covered_control": leak.covered_control,
                    ":test_influences": json_numbers(&leak.test_influences),
                    ":control_influences": json_numbers(&leak.control_influences),
                })?;
            }
            Ok(())
        })
    }

    /// All stored leak probabilities of a condition, by pair.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn exact_leaks(&self, condition: ConditionId) -> Result<Vec<StoredExactLeak>, StoreError> {
        self.read("read exact leaks", |view| {
            let mut select = view.prepare_cached(
                "SELECT exact_leaks.*, concept, category, template_id, test_prompt, control_prompt, test_prompt_id,
                     control_prompt_id
                 FROM conditions
                     JOIN exact_leaks ON condition_id = conditions.id
                     JOIN experiment_pairs USING (experiment_id, pair_idx)
                 WHERE conditions.id = ?1
                 ORDER BY pair_idx",
            )?;
            let mut rows = select.query([condition])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(stored_exact_leak(row)?);
            }
            Ok(found)
        })
    }

    /// The `n` most probable texts that were enumerated, with their probabilities, the most probable first.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn likely_texts(
        &self,
        enumeration: EnumerationRowId,
        n: usize,
    ) -> Result<Vec<(String, f64)>, StoreError> {
        self.read("read continuations", |view| {
            let mut select = view.prepare_cached(
                "SELECT text, sum(probability) AS p FROM continuations
                 WHERE enumeration_id = ?1 AND tail_draw_idx IS NULL
                 GROUP BY text ORDER BY p DESC, text LIMIT ?2",
            )?;
            let texts = select.query_map(params![enumeration, integer(n)?], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            Ok(texts.collect::<Result<_, _>>()?)
        })
    }
}

fn stored_exact_leak(row: &Row<'_>) -> Result<StoredExactLeak, Failure> {
    let influences = |column| -> Result<Vec<f64>, Failure> {
        numbers(
            row.get_ref(column)?
                .as_str()
                .map_err(rusqlite::Error::from)?,
        )
    };
    let (test_prompt_id, control_prompt_id): (PromptId, PromptId) =
        (row.get("test_prompt_id")?, row.get("control_prompt_id")?);
    Ok(StoredExactLeak {
        concept: row.get("concept")?,
        template_id: row.get("template_id")?,
        test_prompt: row.get("test_prompt")?,
        control_prompt: row.get("control_prompt")?,
        test_enumeration: row.get("test_enumeration_id")?,
        control_enumeration: row.get("control_enumeration_id")?,
        test_prompt_id,
        control_prompt_id,
        pair: ExactPair {
            pair_idx: unsigned(row.get("pair_idx")?)?,
            category: row.get("category")?,
            test_prompt_idx: unsigned(test_prompt_id.get())?,
            control_prompt_idx: unsigned(control_prompt_id.get())?,
            leak: ExactLeak {
                probability: row.get("leak_probability")?,
                lower: row.get("lower")?,
                upper: row.get("upper")?,
                tie_probability: row.get("tie_probability")?,
                echo_probability: row.get("echo_probability")?,
                similarity_shift: row.get("similarity_shift")?,
                total_variation_lower: row.get("total_variation_lower")?,
                total_variation_upper: row.get("total_variation_upper")?,
                entropy_test: row.get("entropy_test")?,
                entropy_control: row.get("entropy_control")?,
                covered_test: row.get("covered_test")?,
                covered_control: row.get("covered_control")?,
                test_influences: influences("test_influences")?,
                control_influences: influences("control_influences")?,
            },
        },
    })
}
