//! What can be scored without generating: for each repeat of each pair the two generations that are compared.
//!
//! Owns the search for them. Imports say which generations belong together; of runs it is known from the verdicts they
//! ended with, so a run that was interrupted before it was scored gives none.

use rusqlite::{Row, params};

use super::error::Failure;
use super::samplings::sampling;
use super::values::unsigned;
use super::{
    ExperimentId, GenerationId, ModelId, NumericsId, PromptId, SamplingId, Store, StoreError,
};
use crate::generation::{SamplingParams, StopReason};
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
    /// Whether its generations were imported.
    pub is_imported: bool,
}

/// A model with a sampling and numerics whose generations can be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedModel {
    /// Its row.
    pub id: ModelId,
    /// SHA-256 of its file; what stands for it where generations were imported.
    pub sha256: String,
    /// Its name.
    pub label: String,
    /// The label of its quantization; `imported` where generations were.
    pub quantization: String,
    /// Measured bits per weight; None where generations were imported.
    pub bits_per_weight: Option<f64>,
    /// JSON: which part of the file has which tensor type; None where generations were imported.
    pub composition: Option<String>,
    /// JSON: how the file was derived from another one; None for any other.
    pub derivation: Option<String>,
    /// The row of its sampling.
    pub sampling: SamplingId,
    /// The sampling values; None where generations were imported.
    pub sampling_values: Option<SamplingParams>,
    /// How the logits of its generations were computed.
    pub numerics: NumericsId,
}

/// A repeat of a pair, with the texts that are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The seed of the generations.
    pub seed: u64,
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The repeat, from 0.
    pub repeat_idx: u32,
    /// The concept.
    pub concept: String,
    /// The category.
    pub category: String,
    /// The messages in which the control prompt was sent: what pairs of one cluster share.
    pub control_prompt_id: PromptId,
    /// The test prompt as the experiment has it.
    pub test_prompt: String,
    /// The control prompt as the experiment has it.
    pub control_prompt: String,
    /// The generation for the test prompt.
    pub test: ComparedText,
    /// The generation of the same repeat for the control prompt.
    pub control: ComparedText,
}

/// A generation that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedText {
    /// Its row.
    pub id: GenerationId,
    /// The text.
    pub text: String,
    /// Whether the limit of tokens ended it; false where that is not known, as of imported ones.
    pub is_cut_off: bool,
}

/// For each seed, pair and repeat of a model under a sampling and numerics in an experiment the rows of its generations.
/// Where conditions were scored on different generations, the newest is meant; SQLite takes the other columns from the row
/// of the maximum.
const COMPARED: &str = "
    SELECT seed, pair_idx, repeat_idx, max(test_generation_id) AS test_generation_id, control_generation_id
    FROM (
        SELECT 0 AS seed, pair_idx, repeat_idx, test_generation_id, control_generation_id
        FROM imported_pairs WHERE experiment_id = ?1 AND model_id = ?2 AND ?3 = 0 AND ?4 = 0
        UNION ALL
        SELECT seed, pair_idx, repeat_idx, test_generation_id, control_generation_id
        FROM conditions JOIN leaks ON condition_id = conditions.id
        WHERE experiment_id = ?1 AND model_id = ?2 AND sampling_id = ?3 AND numerics_id = ?4
    )
    GROUP BY seed, pair_idx, repeat_idx";

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
        }
    }
}

impl Store {
    /// All experiments, in the order in which they came.
    ///
    /// # Errors
    /// What SQLite reports.
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

    /// The models of an experiment that have generations to compare, each with each of its samplings and numerics.
    ///
    /// # Errors
    /// What SQLite reports.
    pub fn compared_models(
        &self,
        experiment: ExperimentId,
    ) -> Result<Vec<ComparedModel>, StoreError> {
        self.read("read models", |view| {
            let mut select = view.prepare_cached(
                "SELECT sha256, ifnull(named.label, models.label) AS model_label,
                     ifnull(named.quantization, models.quantization) AS model_quantization, bits_per_weight, composition,
                     derivation, found.model_id, numerics_id, samplings.*
                 FROM (
                     SELECT model_id, 0 AS sampling_id, 0 AS numerics_id FROM imported_pairs WHERE experiment_id = ?1
                     UNION SELECT model_id, sampling_id, numerics_id FROM conditions
                     WHERE experiment_id = ?1 AND EXISTS (SELECT 1 FROM leaks WHERE condition_id = conditions.id)
                 ) AS found
                     JOIN models ON models.id = found.model_id
                     JOIN samplings ON samplings.id = sampling_id
                     LEFT JOIN experiment_models AS named
                         ON named.experiment_id = ?1 AND named.model_id = found.model_id
                 ORDER BY found.model_id, sampling_id, numerics_id",
            )?;
            let mut rows = select.query([experiment])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(compared_model(row)?);
            }
            Ok(found)
        })
    }

    /// What can be compared of a model with a sampling and numerics, by seed, pair and repeat.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn comparisons(
        &self,
        experiment: ExperimentId,
        model: ModelId,
        sampling: SamplingId,
        numerics: NumericsId,
    ) -> Result<Vec<Comparison>, StoreError> {
        self.read("read generations to compare", |view| {
            let mut select = view.prepare_cached(&format!(
                "SELECT compared.*, concept, category, test_prompt, control_prompt, control_prompt_id,
                     test.text AS test_text, control.text AS control_text,
                     test.stop_reason AS test_stop_reason, control.stop_reason AS control_stop_reason
                 FROM ({COMPARED}) AS compared
                     JOIN experiment_pairs USING (pair_idx)
                     JOIN generations AS test ON test.id = test_generation_id
                     JOIN generations AS control ON control.id = control_generation_id
                 WHERE experiment_id = ?1
                 ORDER BY compared.seed, pair_idx, compared.repeat_idx"
            ))?;
            let mut rows = select.query(params![experiment, model, sampling, numerics])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(comparison(row)?);
            }
            Ok(found)
        })
    }
}

fn compared_model(row: &Row<'_>) -> Result<ComparedModel, Failure> {
    Ok(ComparedModel {
        id: row.get("model_id")?,
        sha256: row.get("sha256")?,
        label: row.get("model_label")?,
        quantization: row.get("model_quantization")?,
        bits_per_weight: row.get("bits_per_weight")?,
        composition: row.get("composition")?,
        derivation: row.get("derivation")?,
        sampling: row.get("id")?,
        sampling_values: sampling(row)?,
        numerics: row.get("numerics_id")?,
    })
}

fn comparison(row: &Row<'_>) -> Result<Comparison, Failure> {
    let text = |id: &str, text: &str, stop_reason: &str| {
        let stop_reason: Option<String> = row.get(stop_reason)?;
        Ok::<_, Failure>(ComparedText {
            id: row.get(id)?,
            text: row.get(text)?,
            is_cut_off: stop_reason.as_deref() == Some(StopReason::MaxTokens.as_str()),
        })
    };
    Ok(Comparison {
        seed: row.get::<_, i64>("seed")?.cast_unsigned(),
        pair_idx: unsigned(row.get("pair_idx")?)?,
        repeat_idx: row.get("repeat_idx")?,
        concept: row.get("concept")?,
        category: row.get("category")?,
        control_prompt_id: row.get("control_prompt_id")?,
        test_prompt: row.get("test_prompt")?,
        control_prompt: row.get("control_prompt")?,
        test: text("test_generation_id", "test_text", "test_stop_reason")?,
        control: text(
            "control_generation_id",
            "control_text",
            "control_stop_reason",
        )?,
    })
}
