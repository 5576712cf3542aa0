//! Leaks: the table `leaks`, the verdict on each repeat of each pair.
//!
//! Owns what verdicts are stored under: experiment, generating model, sampling, metric, seed, pair and repeat. Saving a
//! verdict again puts it in the place of the older one; others stay, so a run with a limit, fewer
//! repeats or another seed takes nothing away.

use rusqlite::{Row, named_params};

use super::error::Failure;
use super::samplings::sampling;
use super::values::{integer, unsigned};
use super::{ExperimentId, GenerationId, ModelId, PromptId, SamplingId, Store, StoreError};
use crate::generation::{SamplingParams, sampling_labels};
use crate::leakage::{Leak, ScoredPair};

/// Which leaks are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeakSet<'a> {
    /// The experiment.
    pub experiment: ExperimentId,
    /// The model that made the generations.
    pub model: ModelId,
    /// The sampling of the generations.
    pub sampling: SamplingId,
    /// The name of the similarity, such as `sbert`.
    pub metric: &'a str,
    /// The seed of the generations.
    pub seed: u64,
}

/// What verdicts were found with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoredWith<'a> {
    /// The encoder.
    pub embedding_model: ModelId,
    /// The signature of the metric.
    pub signature: &'a str,
}

/// A verdict to store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewLeak {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The repeat, from 0.
    pub repeat_idx: u32,
    /// The generation for the test prompt.
    pub test_generation: GenerationId,
    /// The generation for the control prompt.
    pub control_generation: GenerationId,
    /// Similarity of the concept and the test generation, -1 to 1, not rounded.
    pub similarity_test: f64,
    /// Similarity of the concept and the control generation, -1 to 1, not rounded.
    pub similarity_control: f64,
    /// The verdict.
    pub leak: Leak,
    /// Whether the concept itself stands in the test generation.
    pub is_echo: bool,
}

/// A verdict, read back with what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredLeak {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The repeat, from 0.
    pub repeat_idx: u32,
    /// The concept.
    pub concept: String,
    /// The category.
    pub category: String,
    /// The template the pair was made from; None for a free-standing pair.
    pub template_id: Option<String>,
    /// The test prompt as the experiment has it.
    pub test_prompt: String,
    /// The control prompt as the experiment has it.
    pub control_prompt: String,
    /// The messages in which the control prompt was sent: what pairs of one cluster share.
    pub control_prompt_id: PromptId,
    /// The generation for the test prompt.
    pub test_generation: String,
    /// The generation for the control prompt.
    pub control_generation: String,
    /// Similarity of the concept and the test generation, -1 to 1, not rounded.
    pub similarity_test: f64,
    /// Similarity of the concept and the control generation, -1 to 1, not rounded.
    pub similarity_control: f64,
    /// The verdict.
    pub leak: Leak,
    /// Whether the concept itself stands in the test generation.
    pub is_echo: bool,
}

/// A set of leaks that the database holds, with the names of what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredLeakSet {
    /// The experiment.
    pub experiment: ExperimentId,
    /// The experiment's name.
    pub experiment_name: String,
    /// SHA-256 of the experiment's text, in hexadecimal.
    pub experiment_sha256: String,
    /// The model that made the generations.
    pub model: ModelId,
    /// The model's name.
    pub label: String,
    /// The label of its quantization.
    pub quantization: String,
    /// SHA-256 of the model file, in hexadecimal.
    pub model_sha256: String,
    /// Measured bits per weight; None where generations were imported.
    pub bits_per_weight: Option<f64>,
    /// The label of the parent, if the file was made from one that was quantized already.
    pub requantized_from: Option<String>,
    /// The sampling of the generations.
    pub sampling: SamplingId,
    /// All its values written out; `unknown` where generations were imported.
    pub sampling_values: String,
    /// The values in which the samplings of the experiment differ, such as `temperature=0.5`; empty where they do not.
    pub sampling_label: String,
    /// The name of the similarity.
    pub metric: String,
    /// The seed of the generations.
    pub seed: u64,
    /// The model whose embeddings were compared; None where it is not the same for all verdicts.
    pub embedding_model: Option<ModelId>,
    /// Number of verdicts, at least 1.
    pub n_leaks: usize,
}

impl StoredLeakSet {
    /// The model and the sampling: with the seed, the condition.
    pub fn condition(&self) -> (ModelId, SamplingId) {
        (self.model, self.sampling)
    }

    /// What the verdicts are stored under.
    pub fn set(&self) -> LeakSet<'_> {
        LeakSet {
            experiment: self.experiment,
            model: self.model,
            sampling: self.sampling,
            metric: &self.metric,
            seed: self.seed,
        }
    }
}

impl StoredLeak {
    /// What leak rates are computed from, clustered by control prompt.
    pub fn scored_pair(&self) -> ScoredPair {
        let control_prompt_idx =
            usize::try_from(self.control_prompt_id.get()).expect("ids of rows count up from 1");
        ScoredPair {
            pair_idx: self.pair_idx,
            repeat_idx: self.repeat_idx,
            category: self.category.clone(),
            control_prompt_idx,
            similarity_test: self.similarity_test,
            similarity_control: self.similarity_control,
            leak: self.leak,
            is_echo: self.is_echo,
        }
    }
}

impl Store {
    /// Stores verdicts of `set`, all or none; those of the same pairs and repeats are replaced.
    ///
    /// # Errors
    /// What SQLite reports, also about a pair that is not registered.
    pub fn save_leaks(
        &mut self,
        set: LeakSet<'_>,
        with: ScoredWith<'_>,
        leaks: &[NewLeak],
    ) -> Result<(), StoreError> {
        self.write("store leaks", |transaction| {
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO leaks
                     (experiment_id, model_id, sampling_id, metric, seed, pair_idx, repeat_idx, embedding_model_id, signature,
                      test_generation_id, control_generation_id, similarity_test, similarity_control, leak, is_echo)
                 VALUES
                     (:experiment, :model, :sampling, :metric, :seed, :pair_idx, :repeat_idx, :embedding_model, :signature,
                      :test_generation, :control_generation, :similarity_test, :similarity_control, :leak, :is_echo)
                 ON CONFLICT (experiment_id, model_id, sampling_id, metric, seed, pair_idx, repeat_idx) DO UPDATE SET
                     embedding_model_id = excluded.embedding_model_id, signature = excluded.signature,
                     test_generation_id = excluded.test_generation_id,
                     control_generation_id = excluded.control_generation_id,
                     similarity_test = excluded.similarity_test, similarity_control = excluded.similarity_control,
                     leak = excluded.leak, is_echo = excluded.is_echo",
            )?;
            for new in leaks {
                upsert.execute(named_params! {
                    ":experiment": set.experiment,
                    ":model": set.model,
                    ":sampling": set.sampling,
                    ":metric": set.metric,
                    ":seed": set.seed.cast_signed(),
                    ":pair_idx": integer(new.pair_idx)?,
                    ":repeat_idx": new.repeat_idx,
                    ":embedding_model": with.embedding_model,
                    ":signature": with.signature,
                    ":test_generation": new.test_generation,
                    ":control_generation": new.control_generation,
                    ":similarity_test": new.similarity_test,
                    ":similarity_control": new.similarity_control,
                    ":leak": new.leak.value(),
                    ":is_echo": new.is_echo,
                })?;
            }
            Ok(())
        })
    }

    /// The sets of leaks that are stored, by experiment and model, each in the order of its first use.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn leak_sets(&self) -> Result<Vec<StoredLeakSet>, StoreError> {
        self.read("list leaks", |view| {
            let mut select = view.prepare_cached(
                "SELECT experiment_id, name, experiments.sha256 AS experiment_sha256, model_id, models.label AS model_label,
                     quantization, models.sha256 AS model_sha256, bits_per_weight,
                     CASE WHEN derivation ->> 'is_requantized' THEN derivation ->> 'parent_quantization' END
                         AS requantized_from,
                     metric, seed, n_leaks, embedding_model_id, sampling_id, samplings.label AS sampling_values,
                     samplings.*
                 FROM (SELECT experiment_id, model_id, sampling_id, metric, seed, count(*) AS n_leaks,
                         CASE WHEN min(embedding_model_id) = max(embedding_model_id) THEN min(embedding_model_id) END
                             AS embedding_model_id
                     FROM leaks GROUP BY experiment_id, model_id, sampling_id, metric, seed)
                     JOIN experiments ON experiments.id = experiment_id
                     JOIN models ON models.id = model_id
                     JOIN samplings ON samplings.id = sampling_id
                 ORDER BY experiment_id, model_id, sampling_id, metric, seed",
            )?;
            let mut rows = select.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push((stored_leak_set(row)?, sampling(row)?));
            }
            Ok(labelled(found))
        })
    }

    /// All stored verdicts of `set`, by pair and repeat.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn leaks(&self, set: LeakSet<'_>) -> Result<Vec<StoredLeak>, StoreError> {
        self.read("read leaks", |view| {
            let mut select = view.prepare_cached(
                "SELECT leaks.*, concept, category, template_id, test_prompt, control_prompt, control_prompt_id,
                     test.text AS test_generation, control.text AS control_generation
                 FROM leaks
                     JOIN experiment_pairs USING (experiment_id, pair_idx)
                     JOIN generations AS test ON test.id = test_generation_id
                     JOIN generations AS control ON control.id = control_generation_id
                 WHERE experiment_id = :experiment AND leaks.model_id = :model AND sampling_id = :sampling
                     AND metric = :metric AND leaks.seed = :seed
                 ORDER BY pair_idx, leaks.repeat_idx",
            )?;
            let mut rows = select.query(named_params! {
                ":experiment": set.experiment,
                ":model": set.model,
                ":sampling": set.sampling,
                ":metric": set.metric,
                ":seed": set.seed.cast_signed(),
            })?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(stored_leak(row)?);
            }
            Ok(found)
        })
    }
}

fn stored_leak(row: &Row<'_>) -> Result<StoredLeak, Failure> {
    Ok(StoredLeak {
        pair_idx: unsigned(row.get("pair_idx")?)?,
        repeat_idx: row.get("repeat_idx")?,
        concept: row.get("concept")?,
        category: row.get("category")?,
        template_id: row.get("template_id")?,
        test_prompt: row.get("test_prompt")?,
        control_prompt: row.get("control_prompt")?,
        control_prompt_id: row.get("control_prompt_id")?,
        test_generation: row.get("test_generation")?,
        control_generation: row.get("control_generation")?,
        similarity_test: row.get("similarity_test")?,
        similarity_control: row.get("similarity_control")?,
        leak: leak(row.get("leak")?)?,
        is_echo: row.get("is_echo")?,
    })
}

/// Gives each set the sampling values in which those of its experiment differ, where they are known.
pub(super) fn labelled(
    mut sets: Vec<(StoredLeakSet, Option<SamplingParams>)>,
) -> Vec<StoredLeakSet> {
    for of_experiment in sets.chunk_by_mut(|(a, _), (b, _)| a.experiment == b.experiment) {
        let known: Vec<_> = of_experiment
            .iter()
            .filter_map(|(_, values)| values.clone())
            .collect();
        let labels = sampling_labels(&known.iter().collect::<Vec<_>>());
        let with_values = of_experiment
            .iter_mut()
            .filter(|(_, values)| values.is_some());
        for ((set, _), label) in with_values.zip(labels) {
            set.sampling_label = label;
        }
    }
    sets.into_iter().map(|(set, _)| set).collect()
}

pub(super) fn stored_leak_set(row: &Row<'_>) -> Result<StoredLeakSet, Failure> {
    let seed: i64 = row.get("seed")?;
    Ok(StoredLeakSet {
        experiment: row.get("experiment_id")?,
        experiment_name: row.get("name")?,
        experiment_sha256: row.get("experiment_sha256")?,
        model: row.get("model_id")?,
        label: row.get("model_label")?,
        sampling: row.get("sampling_id")?,
        sampling_values: row.get("sampling_values")?,
        sampling_label: String::new(),
        quantization: row.get("quantization")?,
        model_sha256: row.get("model_sha256")?,
        bits_per_weight: row.get("bits_per_weight")?,
        requantized_from: row.get("requantized_from")?,
        metric: row.get("metric")?,
        seed: seed.cast_unsigned(),
        embedding_model: row.get("embedding_model_id")?,
        n_leaks: unsigned(row.get("n_leaks")?)?,
    })
}

fn leak(value: f64) -> Result<Leak, Failure> {
    let known = [Leak::Leak, Leak::Tie, Leak::NoLeak];
    let found = known.into_iter().find(|leak| leak.value() == value);
    found.ok_or_else(|| Failure::Value(format!("{value} is no verdict")))
}
