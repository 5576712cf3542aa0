//! Exact leaks: the table `exact_leaks`, the leak probability of each pair.
//!
//! Owns what they are stored under: experiment, metric, pair and the two enumerations, which stand for the model, the
//! sampling values and how far was enumerated. Saving one again replaces it. What is compared is a set of them: those of
//! one condition, enumerated as far.

use rusqlite::{Connection, Row, ToSql, named_params, params};

use super::error::Failure;
use super::leaks::{labelled, stored_leak_set};
use super::samplings::sampling;
use super::values::{integer, json_numbers, numbers, unsigned};
use super::{EnumerationRowId, ExperimentId, ModelId, PromptId, Store, StoreError, StoredLeakSet};
use crate::generation::{EnumerationId, EnumerationParams};
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
    /// What the two say.
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

/// The leak probabilities of one condition, enumerated as far, with the names of what they are about.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredExactSet {
    /// The condition, as for verdicts on repeats; its leaks are pairs.
    pub set: StoredLeakSet,
    /// How far continuations were enumerated.
    pub params: EnumerationParams,
    /// The schedule under which they were.
    pub schedule: String,
}

impl Store {
    /// Stores leak probabilities of `model`, all or none, found with embeddings of `embedding_model`.
    ///
    /// # Errors
    /// What SQLite reports, also about a pair that is not registered.
    pub fn save_exact_leaks(
        &mut self,
        experiment: ExperimentId,
        model: ModelId,
        metric: &str,
        embedding_model: ModelId,
        leaks: &[NewExactLeak<'_>],
    ) -> Result<(), StoreError> {
        self.write("store exact leaks", |transaction| {
            let mut replace = transaction.prepare_cached(
                "INSERT OR REPLACE INTO exact_leaks
                     (experiment_id, metric, pair_idx, test_enumeration_id, control_enumeration_id, model_id,
                      embedding_model_id, leak_probability, lower, upper, tie_probability, echo_probability,
                      similarity_shift, total_variation_lower, total_variation_upper, entropy_test, entropy_control,
                      covered_test, covered_control, test_influences, control_influences)
                 VALUES
                     (:experiment, :metric, :pair_idx, :test_enumeration, :control_enumeration, :model,
                      :embedding_model, :leak_probability, :lower, :upper, :tie_probability, :echo_probability,
                      :similarity_shift, :total_variation_lower, :total_variation_upper, :entropy_test,
                      :entropy_control, :covered_test, :covered_control, :test_influences, :control_influences)",
            )?;
            for new in leaks {
                let leak = new.leak;
                replace.execute(named_params! {
                    ":experiment": experiment,
                    ":metric": metric,
                    ":pair_idx": integer(new.pair_idx)?,
                    ":test_enumeration": new.test_enumeration,
                    ":control_enumeration": new.control_enumeration,
                    ":model": model,
                    ":embedding_model": embedding_model,
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

    /// The stored leak probabilities of `experiment` between enumerations that answer `requests`, by pair.
    ///
    /// The requests of one plan are those of one model, one set of sampling values and one coverage.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn exact_leaks(
        &self,
        experiment: ExperimentId,
        metric: &str,
        requests: &[EnumerationId],
    ) -> Result<Vec<StoredExactLeak>, StoreError> {
        let requests: Vec<String> = requests.iter().map(EnumerationId::to_string).collect();
        let requests = serde_json::Value::from(requests).to_string();
        self.read("read exact leaks", |view| {
            let wanted = "SELECT id FROM enumerations WHERE request_id IN (SELECT value FROM json_each(:requests))";
            let values = named_params! {
                ":experiment": experiment,
                ":metric": metric,
                ":requests": requests,
            };
            leaks_between(view, wanted, values)
        })
    }

    /// The sets of leak probabilities that are stored, by experiment and condition, those stored last at the end of each.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn exact_leak_sets(&self) -> Result<Vec<StoredExactSet>, StoreError> {
        self.read("list exact leaks", |view| {
            let mut select = view.prepare_cached(
                "SELECT experiment_id, name, experiments.sha256 AS experiment_sha256, model_id, models.label AS model_label,
                     quantization, models.sha256 AS model_sha256, bits_per_weight,
                     CASE WHEN derivation ->> 'is_requantized' THEN derivation ->> 'parent_quantization' END
                         AS requantized_from,
                     metric, seed, n_leaks, embedding_model_id, samplings.id AS sampling_id,
                     samplings.label AS sampling_values, coverage, max_rows_per_prompt, n_tail_draws, schedule, samplings.*
                 FROM (SELECT experiment_id, exact_leaks.model_id, metric, seed, temperature, top_k, top_p, min_p,
                         repetition_penalty, max_tokens, stop, coverage, max_rows_per_prompt, n_tail_draws, schedule,
                         count(*) AS n_leaks, max(test_enumeration_id) AS last,
                         CASE WHEN min(embedding_model_id) = max(embedding_model_id) THEN min(embedding_model_id) END
                             AS embedding_model_id
                     FROM exact_leaks JOIN enumerations ON enumerations.id = test_enumeration_id
                     GROUP BY experiment_id, exact_leaks.model_id, metric, seed, temperature, top_k, top_p, min_p,
                         repetition_penalty, max_tokens, stop, coverage, max_rows_per_prompt, n_tail_draws, schedule) AS found
                     JOIN experiments ON experiments.id = experiment_id
                     JOIN models ON models.id = model_id
                     JOIN samplings USING (temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop)
                 ORDER BY experiment_id, model_id, samplings.id, metric, seed, last",
            )?;
            let mut rows = select.query([])?;
            let (mut sets, mut enumerated) = (Vec::new(), Vec::new());
            while let Some(row) = rows.next()? {
                sets.push((stored_leak_set(row)?, sampling(row)?));
                let params = EnumerationParams {
                    coverage: row.get("coverage")?,
                    max_rows_per_prompt: row.get("max_rows_per_prompt")?,
                    n_tail_draws: row.get("n_tail_draws")?,
                };
                enumerated.push((params, row.get("schedule")?));
            }
            let sets = labelled(sets).into_iter().zip(enumerated);
            Ok(sets
                .map(|(set, (params, schedule))| StoredExactSet {
                    set,
                    params,
                    schedule,
                })
                .collect())
        })
    }

    /// All stored leak probabilities of `set`, by pair.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn exact_leaks_of_set(
        &self,
        set: &StoredExactSet,
    ) -> Result<Vec<StoredExactLeak>, StoreError> {
        let StoredExactSet {
            set,
            params,
            schedule,
        } = set;
        self.read("read exact leaks", |view| {
            let wanted = "SELECT enumerations.id FROM enumerations
                     JOIN samplings USING (temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop)
                 WHERE samplings.id = :sampling AND model_id = :model AND seed = :seed AND schedule = :schedule
                     AND coverage = :coverage AND max_rows_per_prompt = :max_rows AND n_tail_draws = :n_tail_draws";
            let values = named_params! {
                ":experiment": set.experiment,
                ":metric": set.metric,
                ":model": set.model,
                ":sampling": set.sampling,
                ":seed": set.seed.cast_signed(),
                ":schedule": schedule,
                ":coverage": params.coverage,
                ":max_rows": params.max_rows_per_prompt,
                ":n_tail_draws": params.n_tail_draws,
            };
            leaks_between(view, wanted, values)
        })
    }

    /// The `n` most probable texts that were enumerated, with their probabilities, the most probable first.
    ///
    /// # Errors
    /// What SQLite reports.
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

/// The stored leak probabilities between enumerations that the statement `wanted` selects, by pair.
fn leaks_between(
    view: &Connection,
    wanted: &str,
    values: &[(&str, &dyn ToSql)],
) -> Result<Vec<StoredExactLeak>, Failure> {
    let mut select = view.prepare_cached(&format!(
        "WITH wanted AS ({wanted})
         SELECT exact_leaks.*, concept, category, template_id, test_prompt, control_prompt, test_prompt_id,
             control_prompt_id
         FROM exact_leaks JOIN experiment_pairs USING (experiment_id, pair_idx)
         WHERE experiment_id = :experiment AND metric = :metric
             AND test_enumeration_id IN wanted AND control_enumeration_id IN wanted
         ORDER BY pair_idx"
    ))?;
    let mut rows = select.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(stored_exact_leak(row)?);
    }
    Ok(found)
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
