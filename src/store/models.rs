//! Model files: the table `models`, for models that generate and models that embed, and `experiment_models`.
//!
//! Owns what a file is called: in `models` as it was first, in each experiment as that one has it.

use std::path::Path;

use rusqlite::{Connection, named_params, params};

use super::error::Failure;
use super::values::integer;
use super::{ExperimentId, ModelId, Store, StoreError};
use crate::digest::Digest;

/// A model file to register.
#[derive(Debug, Clone, Copy)]
pub struct NewModel<'a> {
    /// SHA-256 of the file (of the digests of its parts, where it is split): its identity.
    pub sha256: Digest,
    /// The model's name.
    pub label: &'a str,
    /// The label of its quantization, such as `Q4_K_M`; a label is no measure.
    pub quantization: &'a str,
    /// Where the file lies.
    pub path: &'a Path,
    /// `general.architecture`, such as `qwen2`.
    pub architecture: &'a str,
    /// Number of weights.
    pub n_parameters: u64,
    /// Measured bits per weight, above 0.
    pub bits_per_weight: f64,
    /// Bytes of the file, of all parts where it is split.
    pub size_bytes: u64,
    /// The metadata of the file, a JSON document.
    pub metadata: &'a str,
    /// How many weights have which quantization, a JSON document.
    pub composition: &'a str,
    /// How it was derived from another file; None for a file that came as it is.
    pub derivation: Option<NewDerivation<'a>>,
}

/// How a model file was derived from another one.
#[derive(Debug, Clone, Copy)]
pub struct NewDerivation<'a> {
    /// SHA-256 of the parent, in hexadecimal.
    pub parent_sha256: &'a str,
    /// Everything that determined the file, a JSON document.
    pub document: &'a str,
}

impl Store {
    /// The row of the model file with this SHA-256, made if it is missing; what describes the file is brought up to
    /// date, and what it is called stays as it was first. How it was derived stays known where it is named by its path.
    ///
    /// # Errors
    /// An error of SQLite, also for text that is no JSON.
    pub fn register_model(&mut self, new: &NewModel<'_>) -> Result<ModelId, StoreError> {
        self.write("store the model", |transaction| {
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO models
                     (sha256, label, quantization, path, architecture, n_parameters, bits_per_weight, size_bytes,
                      metadata, composition, parent_sha256, derivation)
                 VALUES
                     (:sha256, :label, :quantization, :path, :architecture, :n_parameters, :bits_per_weight, :size_bytes,
                      :metadata, :composition, :parent_sha256, :derivation)
                 ON CONFLICT (sha256) DO UPDATE SET
                     path = excluded.path, architecture = excluded.architecture,
                     n_parameters = excluded.n_parameters, bits_per_weight = excluded.bits_per_weight,
                     size_bytes = excluded.size_bytes, metadata = excluded.metadata,
                     composition = excluded.composition, parent_sha256 = coalesce(excluded.parent_sha256, parent_sha256),
                     derivation = coalesce(excluded.derivation, derivation)
                 RETURNING id",
            )?;
            let values = named_params! {
                ":sha256": new.sha256.to_string(),
                ":label": new.label,
                ":quantization": new.quantization,
                ":path": new.path.to_string_lossy(),
                ":architecture": new.architecture,
                ":n_parameters": integer(new.n_parameters)?,
                ":bits_per_weight": new.bits_per_weight,
                ":size_bytes": integer(new.size_bytes)?,
                ":metadata": new.metadata,
                ":composition": new.composition,
                ":parent_sha256": new.derivation.map(|derivation| derivation.parent_sha256),
                ":derivation": new.derivation.map(|derivation| derivation.document),
            };
            Ok(upsert.query_row(values, |row| row.get(0))?)
        })
    }
    /// Records what an experiment calls a model file, in the place of what it called it before.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn name_model(
        &mut self,
        experiment: ExperimentId,
        model: ModelId,
        label: &str,
        quantization: &str,
    ) -> Result<(), StoreError> {
        self.write("store the name of the model", |transaction| {
            name_model(transaction, experiment, model, label, quantization)
        })
    }

    /// Records the encoders that an experiment names, in its order, each with its name and the label of its quantization.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn name_encoders(
        &mut self,
        experiment: ExperimentId,
        encoders: &[(ModelId, &str, &str)],
    ) -> Result<(), StoreError> {
        self.write("store the encoders", |transaction| {
            let named = "UPDATE experiment_models SET encoder_idx = NULL WHERE experiment_id = ?1";
            transaction.execute(named, params![experiment])?;
            for (encoder_idx, (model, label, quantization)) in encoders.iter().enumerate() {
                name_model(transaction, experiment, *model, label, quantization)?;
                let place = "UPDATE experiment_models SET encoder_idx = ?3
                    WHERE experiment_id = ?1 AND model_id = ?2";
                transaction.execute(place, params![experiment, model, encoder_idx as i64])?;
            }
            Ok(())
        })
    }

    /// Where the file of a model lay when it was last used; None where it had none.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn model_path(&self, model: ModelId) -> Result<Option<String>, StoreError> {
        self.read("read the model", |view| {
            let mut select = view.prepare_cached("SELECT path FROM models WHERE id = ?1")?;
            Ok(select.query_row([model], |row| row.get(0))?)
        })
    }

    /// Name and path of each encoder that an experiment names, in its order; none where an earlier build ran it.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn named_encoders(
        &self,
        experiment: ExperimentId,
    ) -> Result<Vec<(String, Option<String>)>, StoreError> {
        self.read("list encoders", |view| {
            let mut select = view.prepare_cached(
                "SELECT experiment_models.label, path FROM experiment_models JOIN models ON models.id = model_id
                 WHERE experiment_id = ?1 AND encoder_idx IS NOT NULL ORDER BY encoder_idx",
            )?;
            let rows = select.query_map([experiment], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

pub(super) fn name_model(
    connection: &Connection,
    experiment: ExperimentId,
    model: ModelId,
    label: &str,
    quantization: &str,
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "INSERT INTO experiment_models (experiment_id, model_id, label, quantization) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (experiment_id, model_id) DO UPDATE SET
                 label = excluded.label, quantization = excluded.quantization",
        )?
        .execute(params![experiment, model, label, quantization])?;
    Ok(())
}
