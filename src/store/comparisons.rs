//! Pairs of generations that can be scored: for each repeat of each prompt pair those of its two prompts.
//!
//! Owns the search for them. Imports say which generations belong together; of runs the generations are found by the
//! prompts of a pair, so verdicts can be thrown away and made again. Generations of different numerics are never paired.

use rusqlite::{OptionalExtension as _, Params, Row, params};

use super::error::Failure;
use super::samplings::sampling;
use super::values::unsigned;
use super::{
    ExperimentId, GenerationId, ModelId, NumericsId, PromptId, SamplingId, Store, StoreError,
    WordingId,
};
use crate::generation::{RepeatCounts, SamplingParams, StopReason};
use crate::leakage::{DiagnosedPair, ScoredPair, Side};

/// An experiment, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredExperiment {
    /// Its row.
    pub id: ExperimentId,
    /// SHA-256 of its text.
    pub sha256: String,
    /// Its name.
    pub name: String,
    /// True if its generations were imported.
    pub is_imported: bool,
}

/// Generations of one condition, whatever they are scored by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The experiment.
    pub experiment: ExperimentId,
    /// The model that made them.
    pub model: ModelId,
    /// Its sampling.
    pub sampling: SamplingId,
    /// The messages in which prompts were sent.
    pub wording: WordingId,
    /// Their seed.
    pub seed: u64,
    /// How the logits were computed.
    pub numerics: NumericsId,
}

/// A condition whose generations can be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedModel {
    /// Its generations.
    pub source: Source,
    /// SHA-256 of its file; what stands for it where generations were imported.
    pub sha256: String,
    /// Its name in the experiment.
    pub label: String,
    /// The label of its quantization there; `imported` where generations were.
    pub quantization: String,
    /// Measured bits per weight; None where generations were imported.
    pub bits_per_weight: Option<f64>,
    /// JSON: which part of the file has which tensor type; None where generations were imported.
    pub composition: Option<String>,
    /// JSON: how the file was derived from another one; None for any other.
    pub derivation: Option<String>,
    /// The sampling values; None where generations were imported.
    pub sampling_values: Option<SamplingParams>,
    /// The wording's name; empty where the experiment has one without a name.
    pub wording: String,
}

/// A repeat of a pair, with the texts that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// Which verdict of the pair it gives, from 0.
    pub repeat_idx: u32,
    /// The concept.
    pub concept: String,
    /// The category.
    pub category: String,
    /// The template the pair was made from; None for a free-standing pair.
    pub template_id: Option<String>,
    /// The family of near-synonyms of the concept; None where it has none but itself.
    pub concept_family: Option<String>,
    /// The messages of the control prompt under the experiment's first wording: what pairs of one cluster share.
    pub control_prompt_id: PromptId,
    /// The test prompt as the experiment has it.
    pub test_prompt: String,
    /// The control prompt as the experiment has it.
    pub control_prompt: String,
    /// The generation for the test prompt.
    pub test: ComparedText,
    /// The generation for the control prompt.
    pub control: ComparedText,
}

/// A generation that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedText {
    /// Its row.
    pub id: GenerationId,
    /// Which repeat of its prompt it is, from 0; of imported ones that of the row.
    pub repeat_idx: u32,
    /// The text.
    pub text: String,
    /// True if the limit of tokens ended it; false where that is not known, as of imported ones.
    pub is_cut_off: bool,
}

/// The generations of the model ?2 with the sampling ?3, the seed ?4, the numerics ?5 and the wording ?6, by each prompt
/// that they answer: those that look alike to the model. A prompt is known by its messages in the first wording. Of
/// several generations for one prompt the latest is meant.
pub(super) const ANSWERS: &str = "
    SELECT sent.prompt_id, repeat_idx, max(generations.id) AS id
    FROM generations
        JOIN samplings USING (temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop, draws)
        JOIN rendered_prompts AS answered ON answered.id = rendered_prompt_id
        JOIN rendered_prompts AS asked ON asked.model_id = answered.model_id AND asked.tokens = answered.tokens
        JOIN (
            SELECT prompt_id, sent_prompt_id FROM wording_prompts WHERE wording_id = ?6
            UNION ALL SELECT id, id FROM prompts WHERE ?6 = 0
        ) AS sent ON sent.sent_prompt_id = asked.prompt_id
    WHERE generations.model_id = ?2 AND samplings.id = ?3 AND seed = ?4 AND numerics_id = ?5
    GROUP BY sent.prompt_id, repeat_idx";

/// The pairs of these generations in the experiment ?1 by the verdicts ?7, a JSON array of the repeats of test and control
/// prompt that each compares, or those that were imported together.
const COMPARED: &str = "
    SELECT pair_idx, repeat_idx, repeat_idx AS test_repeat_idx, repeat_idx AS control_repeat_idx, test_generation_id,
        control_generation_id
    FROM imported_pairs WHERE experiment_id = ?1 AND model_id = ?2 AND ?3 = 0 AND ?4 = 0 AND ?5 = 0 AND ?6 = 0
    UNION ALL
    SELECT pair_idx, verdict_idx, test.repeat_idx, control.repeat_idx, test.id, control.id
    FROM experiment_pairs
        CROSS JOIN verdicts
        CROSS JOIN answers AS test ON test.prompt_id = test_prompt_id AND test.repeat_idx = verdicts.test
        CROSS JOIN answers AS control ON control.prompt_id = control_prompt_id AND control.repeat_idx = verdicts.control
    WHERE experiment_id = ?1";

/// The answers and the verdicts of [`COMPARED`].
const GIVEN: &str = "
    answers AS MATERIALIZED ({ANSWERS}),
    verdicts AS MATERIALIZED (SELECT key AS verdict_idx, value ->> 0 AS test, value ->> 1 AS control FROM json_each(?7))";

/// How many prompts of the experiment ?1 have how many answers: test prompts that are no controls, controls that are no
/// test prompts, and those that are both, which NULL marks. The commonest numbers first, the larger one of equally common ones.
const STORED_REPEATS: &str = "
    WITH answers AS MATERIALIZED ({ANSWERS}),
        tests AS (SELECT DISTINCT test_prompt_id AS prompt_id FROM experiment_pairs WHERE experiment_id = ?1),
        controls AS (SELECT DISTINCT control_prompt_id AS prompt_id FROM experiment_pairs WHERE experiment_id = ?1),
        counts AS (
            SELECT
                CASE WHEN (prompt_id IN tests) <> (prompt_id IN controls) THEN prompt_id IN controls END AS is_control,
                count(*) AS n_repeats
            FROM answers WHERE prompt_id IN tests OR prompt_id IN controls
            GROUP BY prompt_id
        )
    SELECT is_control, n_repeats FROM counts GROUP BY is_control, n_repeats ORDER BY count(*) DESC, n_repeats DESC";

impl Source {
    /// The values ?1 to ?6 of [`ANSWERS`].
    pub(super) fn key(
        &self,
    ) -> (
        ExperimentId,
        ModelId,
        SamplingId,
        i64,
        NumericsId,
        WordingId,
    ) {
        let seed = self.seed.cast_signed();
        (
            self.experiment,
            self.model,
            self.sampling,
            seed,
            self.numerics,
            self.wording,
        )
    }

    /// The values ?1 to ?7 of [`COMPARED`].
    fn key_with(&self, counts: RepeatCounts) -> impl Params {
        let (experiment, model, sampling, seed, numerics, wording) = self.key();
        let verdicts = serde_json::json!(counts.verdicts().collect::<Vec<_>>()).to_string();
        (
            experiment, model, sampling, seed, numerics, wording, verdicts,
        )
    }
}

impl Comparison {
    /// A verdict on it, with the texts that it is about.
    pub fn diagnosed<'a>(&'a self, scored: &'a ScoredPair) -> DiagnosedPair<'a> {
        let side = |prompt: &'a str, text: &'a ComparedText| Side {
            prompt,
            generation: &text.text,
            is_cut_off: text.is_cut_off,
        };
        DiagnosedPair {
            scored,
            concept: &self.concept,
            test: side(&self.test_prompt, &self.test),
            control: side(&self.control_prompt, &self.control),
            reading: None,
        }
    }
}

impl Store {
    /// All experiments, in the order in which they came.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn experiments(&self) -> Result<Vec<StoredExperiment>, StoreError> {
        self.read("read experiments", |view| {
            let mut select = view.prepare_cached(
                "SELECT id, sha256, name, yaml IS NULL AS is_imported FROM experiments ORDER BY id",
            )?;
            let rows = select.query_map([], |row| {
                Ok(StoredExperiment {
                    id: row.get("id")?,
                    sha256: row.get("sha256")?,
                    name: row.get("name")?,
                    is_imported: row.get("is_imported")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The conditions of an experiment that have generations to compare, in the order of models, samplings, wordings and
    /// seeds.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn compared_models(
        &self,
        experiment: ExperimentId,
    ) -> Result<Vec<ComparedModel>, StoreError> {
        self.read("read models", |view| {
            let mut select = view.prepare_cached(
                "SELECT sha256, ifnull(named.label, models.label) AS model_label,
                     ifnull(named.quantization, models.quantization) AS model_quantization, bits_per_weight, composition,
                     derivation, found.model_id, numerics_id, seed, wording_id, wordings.name AS wording, samplings.*
                 FROM (
                     SELECT model_id, 0 AS sampling_id, 0 AS wording_id, 0 AS numerics_id, 0 AS seed
                     FROM imported_pairs WHERE experiment_id = ?1
                     UNION
                     SELECT asked.model_id, sampling_id, wording_id, numerics_id, asked.seed
                     FROM (
                             SELECT DISTINCT model_id, sampling_id, wording_id, seed
                             FROM runs JOIN run_models ON run_id = runs.id WHERE experiment_id = ?1
                         ) AS asked
                         JOIN samplings ON samplings.id = sampling_id
                         JOIN generations
                             USING (model_id, seed, temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop,
                                 draws)
                     WHERE prompt_id IN (
                         SELECT test_prompt_id FROM experiment_pairs WHERE experiment_id = ?1 AND wording_id = 0
                         UNION SELECT sent_prompt_id FROM wording_prompts WHERE wording_id = asked.wording_id
                     )
                 ) AS found
                     JOIN models ON models.id = found.model_id
                     JOIN samplings ON samplings.id = sampling_id
                     JOIN wordings ON wordings.id = wording_id
                     LEFT JOIN experiment_models AS named
                         ON named.experiment_id = ?1 AND named.model_id = found.model_id
                 ORDER BY found.model_id, sampling_id, wording_id, seed, numerics_id",
            )?;
            let mut rows = select.query([experiment])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(compared_model(experiment, row)?);
            }
            Ok(found)
        })
    }

    /// The numbers of repeats that most test and most control prompts of a condition have, the larger one rounded down to
    /// a multiple of the smaller one; where all are imported, one of each.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn stored_repeats(&self, source: &Source) -> Result<RepeatCounts, StoreError> {
        self.read("count repeats", |view| {
            let mut select = view.prepare_cached(&STORED_REPEATS.replace("{ANSWERS}", ANSWERS))?;
            let rows = select.query_map(source.key(), |row| Ok((row.get(0)?, row.get(1)?)))?;
            let rows: Vec<(Option<bool>, u32)> = rows.collect::<Result<_, _>>()?;
            let commonest = |is_control| rows.iter().find(|row| row.0 == Some(is_control));
            let n_of_all = rows.first().map_or(1, |row| row.1);
            let n_of = |is_control| commonest(is_control).map_or(n_of_all, |row| row.1);
            let (test, control) = (n_of(false), n_of(true));
            Ok(RepeatCounts { test, control }.rounded_down())
        })
    }

    /// How many pairs of generations of a condition have the same number.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn n_of_equal_repeats(&self, source: &Source) -> Result<usize, StoreError> {
        self.read("count generations to compare", |view| {
            let mut select = view.prepare_cached(&format!(
                "WITH answers AS MATERIALIZED ({ANSWERS})
                 SELECT count(*) FROM experiment_pairs
                     JOIN answers AS test ON test.prompt_id = test_prompt_id
                     JOIN answers AS control ON control.prompt_id = control_prompt_id
                         AND control.repeat_idx = test.repeat_idx
                 WHERE experiment_id = ?1"
            ))?;
            unsigned(select.query_row(source.key(), |row| row.get(0))?)
        })
    }

    /// The pairs of generations of a condition, by pair and verdict.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn comparisons(
        &self,
        source: &Source,
        counts: RepeatCounts,
    ) -> Result<Vec<Comparison>, StoreError> {
        self.read("read generations to compare", |view| {
            let given = GIVEN.replace("{ANSWERS}", ANSWERS);
            let mut select = view.prepare_cached(&format!(
                "WITH {given}
                 SELECT compared.*, concept, category, template_id, concept_family, test_prompt, control_prompt, control_prompt_id,
                     test.text AS test_text, control.text AS control_text,
                     test.stop_reason AS test_stop_reason, control.stop_reason AS control_stop_reason
                 FROM ({COMPARED}) AS compared
                     JOIN experiment_pairs USING (pair_idx)
                     JOIN generations AS test ON test.id = test_generation_id
                     JOIN generations AS control ON control.id = control_generation_id
                 WHERE experiment_id = ?1
                 ORDER BY pair_idx, compared.repeat_idx"
            ))?;
            let mut rows = select.query(source.key_with(counts))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(comparison(row)?);
            }
            Ok(found)
        })
    }

    /// Name and path of the encoder that the experiment's verdicts by a metric were first found with; None without any.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn first_encoder(
        &self,
        experiment: ExperimentId,
        metric: &str,
    ) -> Result<Option<(String, Option<String>)>, StoreError> {
        self.read("read the encoder", |view| {
            let mut select = view.prepare_cached(
                "SELECT label, path FROM conditions JOIN models ON models.id = embedding_model_id
                 WHERE experiment_id = ?1 AND metric = ?2 ORDER BY conditions.id LIMIT 1",
            )?;
            let found = select.query_row(params![experiment, metric], |row| {
                Ok((row.get(0)?, row.get(1)?))
            });
            Ok(found.optional()?)
        })
    }
}

fn compared_model(experiment: ExperimentId, row: &Row<'_>) -> Result<ComparedModel, Failure> {
    Ok(ComparedModel {
        source: Source {
            experiment,
            model: row.get("model_id")?,
            sampling: row.get("id")?,
            wording: row.get("wording_id")?,
            seed: row.get::<_, i64>("seed")?.cast_unsigned(),
            numerics: row.get("numerics_id")?,
        },
        sha256: row.get("sha256")?,
        label: row.get("model_label")?,
        quantization: row.get("model_quantization")?,
        bits_per_weight: row.get("bits_per_weight")?,
        composition: row.get("composition")?,
        derivation: row.get("derivation")?,
        sampling_values: sampling(row)?,
        wording: row.get("wording")?,
    })
}

fn comparison(row: &Row<'_>) -> Result<Comparison, Failure> {
    let text = |side: &str| {
        let stop_reason: Option<String> = row.get(&*format!("{side}_stop_reason"))?;
        Ok::<_, Failure>(ComparedText {
            id: row.get(&*format!("{side}_generation_id"))?,
            repeat_idx: row.get(&*format!("{side}_repeat_idx"))?,
            text: row.get(&*format!("{side}_text"))?,
            is_cut_off: stop_reason.as_deref() == Some(StopReason::MaxTokens.as_str()),
        })
    };
    Ok(Comparison {
        pair_idx: unsigned(row.get("pair_idx")?)?,
        repeat_idx: row.get("repeat_idx")?,
        concept: row.get("concept")?,
        category: row.get("category")?,
        template_id: row.get("template_id")?,
        concept_family: row.get("concept_family")?,
        control_prompt_id: row.get("control_prompt_id")?,
        test_prompt: row.get("test_prompt")?,
        control_prompt: row.get("control_prompt")?,
        test: text("test")?,
        control: text("control")?,
    })
}
