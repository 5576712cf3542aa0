//! Conditions: the key of verdicts and leak probabilities, with all that they depend on.
//!
//! Owns the key, the words for its fields, and the list of the conditions that are stored, for both methods. `leaks` and
//! `exact_leaks` hold what is stored under one; others decide which conditions are compared.

use std::fmt;

use itertools::Itertools as _;
use rusqlite::{Connection, Row, named_params};

use super::error::Failure;
use super::numerics::numerics;
use super::samplings::sampling;
use super::values::{texts, unsigned};
use super::{
    ConditionId, ExperimentId, ModelId, Numerics, NumericsId, SamplingId, Source, Store,
    StoreError, WordingId,
};
use crate::generation::{EnumerationParams, Method, SamplingParams, sampling_labels};

/// Everything that a verdict or a leak probability depends on, besides pair and repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct ConditionKey {
    /// The experiment.
    pub experiment: ExperimentId,
    /// The model that generates.
    pub model: ModelId,
    /// Its sampling.
    pub sampling: SamplingId,
    /// The messages in which prompts were sent.
    pub wording: WordingId,
    /// The seed of the generations.
    pub seed: u64,
    /// How leak probabilities are found.
    pub method: Method,
    /// How logits were computed.
    pub numerics: NumericsId,
    /// The name of the similarity, such as `sbert`.
    pub metric: String,
    /// The encoder.
    pub embedding_model: ModelId,
    /// The signature of the metric.
    pub signature: String,
}

/// A field of a [`ConditionKey`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyField {
    /// `experiment`.
    Experiment,
    /// `model`.
    Model,
    /// `sampling`.
    Sampling,
    /// `wording`.
    Wording,
    /// `seed`.
    Seed,
    /// `method`.
    Method,
    /// `numerics`.
    Numerics,
    /// `metric`.
    Metric,
    /// `embedding_model`.
    EmbeddingModel,
    /// `signature`.
    Signature,
}

impl fmt::Display for KeyField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Experiment => "experiment",
            Self::Model => "model file",
            Self::Sampling => "sampling",
            Self::Wording => "wording",
            Self::Seed => "seed",
            Self::Method => "method",
            Self::Numerics => "numerics",
            Self::Metric => "metric",
            Self::EmbeddingModel => "embedding model",
            Self::Signature => "signature",
        })
    }
}

impl ConditionKey {
    /// The first field, in the order of the key, in which two keys differ and that is not among `except`.
    pub fn difference(&self, other: &Self, except: &[KeyField]) -> Option<KeyField> {
        let is_same = [
            (KeyField::Experiment, self.experiment == other.experiment),
            (KeyField::Model, self.model == other.model),
            (KeyField::Sampling, self.sampling == other.sampling),
            (KeyField::Wording, self.wording == other.wording),
            (KeyField::Seed, self.seed == other.seed),
            (KeyField::Method, self.method == other.method),
            (KeyField::Numerics, self.numerics == other.numerics),
            (KeyField::Metric, self.metric == other.metric),
            (
                KeyField::EmbeddingModel,
                self.embedding_model == other.embedding_model,
            ),
            (KeyField::Signature, self.signature == other.signature),
        ];
        let differs = |(field, is_same): &(KeyField, bool)| !is_same && !except.contains(field);
        is_same.into_iter().find(differs).map(|(field, _)| field)
    }

    /// The generations that are scored.
    pub fn source(&self) -> Source {
        Source {
            experiment: self.experiment,
            model: self.model,
            sampling: self.sampling,
            wording: self.wording,
            seed: self.seed,
            numerics: self.numerics,
        }
    }

    /// How far continuations were enumerated; None for repeats.
    pub fn enumeration(&self) -> Option<EnumerationParams> {
        match self.method {
            Method::Repeats => None,
            Method::Exact(params) => Some(params),
        }
    }
}

/// A condition that is stored, with the names of what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCondition {
    /// Its row.
    pub id: ConditionId,
    /// Its key.
    pub key: ConditionKey,
    /// The experiment's name.
    pub experiment_name: String,
    /// SHA-256 of the experiment's text, in hexadecimal.
    pub experiment_sha256: String,
    /// The model's name in the experiment.
    pub label: String,
    /// The label of its quantization there.
    pub quantization: String,
    /// SHA-256 of the model file, in hexadecimal.
    pub model_sha256: String,
    /// Measured bits per weight; None where generations were imported.
    pub bits_per_weight: Option<f64>,
    /// The label of the parent, if the file was made from one that was quantized already.
    pub requantized_from: Option<String>,
    /// All values of the sampling written out; `unknown` where generations were imported.
    pub sampling_values: String,
    /// The values in which the samplings of the experiment differ, such as `temperature=0.5`; empty where they do not.
    pub sampling_label: String,
    /// The wording's name; empty where the experiment has one without a name.
    pub wording: String,
    /// The same; empty where the experiment has no other wording.
    pub wording_label: String,
    /// Its system and user message as a JSON list; nulls where it has no name.
    pub wording_messages: String,
    /// How logits were computed.
    pub numerics: Numerics,
    /// The machines on which a run of the model found these numerics: processor, its features and the device.
    pub machines: Vec<String>,
    /// The encoder's name in the experiment.
    pub embedding_model: String,
    /// SHA-256 of the encoder's file, in hexadecimal.
    pub embedding_model_sha256: String,
    /// Its place among the encoders that the experiment names, from 0; None where it names another or is imported.
    pub encoder_idx: Option<u32>,
    /// Its place in the order of scoring, the last with the highest number; 0 where an earlier build scored it.
    pub scored_idx: i64,
    /// Number of verdicts or leak probabilities, at least 1.
    pub n_leaks: usize,
}

impl Store {
    /// The row of this condition, made if it is missing; the condition is now the one that was scored last.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn register_condition(&mut self, key: &ConditionKey) -> Result<ConditionId, StoreError> {
        self.write("store the condition", |transaction| {
            register(transaction, key)
        })
    }

    /// The conditions that have verdicts or leak probabilities, by experiment, model, sampling, wording, metric and seed, each in
    /// the order of its first use; of those that differ in other fields the latest last.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn conditions(&self) -> Result<Vec<StoredCondition>, StoreError> {
        self.read("list conditions", |view| {
            let mut select = view.prepare_cached(
                "SELECT v_conditions.*, experiments.sha256 AS experiment_sha256, models.sha256 AS model_sha256,
                     encoders.sha256 AS embedding_model_sha256, encoder_idx,
                     CASE WHEN models.derivation ->> 'is_requantized' THEN models.derivation ->> 'parent_quantization' END
                         AS requantized_from,
                     temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop, draws,
                     json_array(wordings.system_message, wordings.user_message) AS wording_messages,
                     (SELECT json_group_array(DISTINCT cpu || ', ' || system_info || ', ' || device)
                      FROM run_models JOIN runs ON runs.id = run_id
                      WHERE run_models.model_id = v_conditions.model_id
                          AND (run_models.numerics_id = v_conditions.numerics_id
                              OR run_models.numerics_id IS NULL AND logits_sha256 IS NULL
                                  AND run_models.schedule = v_conditions.schedule
                                  AND runs.llama_cpp_version = v_conditions.llama_cpp_version)) AS machines
                 FROM v_conditions
                     JOIN experiments ON experiments.id = v_conditions.experiment_id
                     JOIN models ON models.id = v_conditions.model_id
                     JOIN models AS encoders ON encoders.id = embedding_model_id
                     LEFT JOIN experiment_models AS named ON named.experiment_id = v_conditions.experiment_id
                         AND named.model_id = embedding_model_id
                     JOIN samplings ON samplings.id = sampling_id
                     JOIN wordings ON wordings.id = wording_id
                 ORDER BY v_conditions.experiment_id, v_conditions.model_id, sampling_id, wording_id, metric, seed, scored_idx,
                     condition_id",
            )?;
            let mut rows = select.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let condition = stored_condition(row)?;
                if condition.n_leaks > 0 {
                    found.push((condition, sampling(row)?));
                }
            }
            Ok(labelled(found))
        })
    }

    /// Number of prompt pairs that have a verdict or a leak probability under a condition.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn n_scored_pairs(&self, condition: ConditionId) -> Result<usize, StoreError> {
        self.read("count the prompt pairs", |view| {
            let mut select = view.prepare_cached(
                "SELECT count(*) FROM (SELECT pair_idx FROM leaks WHERE condition_id = ?1
                     UNION SELECT pair_idx FROM exact_leaks WHERE condition_id = ?1)",
            )?;
            unsigned(select.query_row([condition], |row| row.get(0))?)
        })
    }
}

fn register(connection: &Connection, key: &ConditionKey) -> Result<ConditionId, Failure> {
    let params = key.enumeration();
    let values = named_params! {
        ":experiment": key.experiment,
        ":model": key.model,
        ":sampling": key.sampling,
        ":wording": key.wording,
        ":seed": key.seed.cast_signed(),
        ":method": key.method.name(),
        ":coverage": params.map(|params| params.coverage),
        ":max_rows": params.map(|params| params.max_rows_per_prompt),
        ":n_tail_draws": params.map(|params| params.n_tail_draws),
        ":numerics": key.numerics,
        ":metric": key.metric,
        ":embedding_model": key.embedding_model,
        ":signature": key.signature,
    };
    connection
        .prepare_cached(
            "INSERT INTO conditions
                 (experiment_id, model_id, sampling_id, wording_id, seed, method, coverage, max_rows_per_prompt, n_tail_draws,
                  numerics_id, metric, embedding_model_id, signature, scored_idx)
             VALUES
                 (:experiment, :model, :sampling, :wording, :seed, :method, :coverage, :max_rows, :n_tail_draws,
                  :numerics, :metric, :embedding_model, :signature,
                  (SELECT ifnull(max(scored_idx), 0) + 1 FROM conditions))
             ON CONFLICT DO UPDATE SET scored_idx = excluded.scored_idx",
        )?
        .execute(values)?;
    let mut select = connection.prepare_cached(
        "SELECT id FROM conditions
         WHERE experiment_id = :experiment AND model_id = :model AND sampling_id = :sampling AND wording_id = :wording
             AND seed = :seed AND method = :method AND coverage IS :coverage AND max_rows_per_prompt IS :max_rows
             AND n_tail_draws IS :n_tail_draws AND numerics_id = :numerics AND metric = :metric
             AND embedding_model_id = :embedding_model AND signature = :signature",
    )?;
    Ok(select.query_row(values, |row| row.get(0))?)
}

/// The key in a row of `v_conditions`.
fn key(row: &Row<'_>) -> Result<ConditionKey, Failure> {
    let method: String = row.get("method")?;
    let seed: i64 = row.get("seed")?;
    Ok(ConditionKey {
        experiment: row.get("experiment_id")?,
        model: row.get("model_id")?,
        sampling: row.get("sampling_id")?,
        wording: row.get("wording_id")?,
        seed: seed.cast_unsigned(),
        method: match method.as_str() {
            "repeats" => Method::Repeats,
            "exact" => Method::Exact(EnumerationParams {
                coverage: row.get("coverage")?,
                max_rows_per_prompt: row.get("max_rows_per_prompt")?,
                n_tail_draws: row.get("n_tail_draws")?,
            }),
            other => return Err(Failure::Value(format!("`{other}` is no method"))),
        },
        numerics: row.get("numerics_id")?,
        metric: row.get("metric")?,
        embedding_model: row.get("embedding_model_id")?,
        signature: row.get("signature")?,
    })
}

fn stored_condition(row: &Row<'_>) -> Result<StoredCondition, Failure> {
    Ok(StoredCondition {
        id: row.get("condition_id")?,
        key: key(row)?,
        experiment_name: row.get("experiment")?,
        experiment_sha256: row.get("experiment_sha256")?,
        label: row.get("model")?,
        quantization: row.get("quantization")?,
        model_sha256: row.get("model_sha256")?,
        bits_per_weight: row.get("bits_per_weight")?,
        requantized_from: row.get("requantized_from")?,
        sampling_values: row.get("sampling")?,
        sampling_label: String::new(),
        wording: row.get("wording")?,
        wording_label: String::new(),
        wording_messages: row.get("wording_messages")?,
        numerics: numerics(row)?,
        machines: texts(&row.get::<_, String>("machines")?)?,
        embedding_model: row.get("embedding_model")?,
        embedding_model_sha256: row.get("embedding_model_sha256")?,
        encoder_idx: row.get("encoder_idx")?,
        scored_idx: row.get("scored_idx")?,
        n_leaks: unsigned(row.get("n_leaks")?)?,
    })
}

/// Gives each condition the sampling values and the wording in which those of its experiment and kind of method differ,
/// where they are known.
fn labelled(
    mut conditions: Vec<(StoredCondition, Option<SamplingParams>)>,
) -> Vec<StoredCondition> {
    for of_experiment in
        conditions.chunk_by_mut(|(a, _), (b, _)| a.key.experiment == b.key.experiment)
    {
        for is_exact in [false, true] {
            let (mut meant, mut known) = (Vec::new(), Vec::new());
            for (condition, values) in of_experiment.iter_mut() {
                if let Some(values) = values
                    && condition.key.enumeration().is_some() == is_exact
                {
                    meant.push(condition);
                    known.push(&*values);
                }
            }
            let wordings = meant.iter().map(|condition| condition.key.wording);
            let has_several = wordings.unique().nth(1).is_some();
            for condition in meant.iter_mut().filter(|_| has_several) {
                condition.wording_label.clone_from(&condition.wording);
            }
            for (condition, label) in meant.into_iter().zip(sampling_labels(&known)) {
                condition.sampling_label = label;
            }
        }
    }
    conditions
        .into_iter()
        .map(|(condition, _)| condition)
        .collect()
}
