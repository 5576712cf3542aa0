//! Where results come from, read back to be shown: experiments, models, runs, sampling values, messages.
//!
//! Owns reading only; the modules of the tables own writing.

use rusqlite::{Row, params};

use super::error::Failure;
use super::values::unsigned;
use super::{ConditionId, ExperimentId, ModelId, RunId, Store, StoreError, StoredCondition};

/// An experiment, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExperimentRecord {
    /// SHA-256 of its text, in hexadecimal.
    pub sha256: String,
    /// Its name.
    pub name: String,
    /// The question it asks, in prose.
    pub question: String,
    /// The YAML file, word for word; None where generations were imported.
    pub yaml: Option<String>,
    /// The YAML file it extends, word for word; None where it extends none.
    pub extended_yaml: Option<String>,
}

/// A model file, read back.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRecord {
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The model's name.
    pub label: String,
    /// The label of its quantization.
    pub quantization: String,
    /// True if its generations were imported; then the fields below are None.
    pub is_imported: bool,
    /// `general.architecture` of the file.
    pub architecture: Option<String>,
    /// Number of weights.
    pub n_parameters: Option<u64>,
    /// Measured bits per weight.
    pub bits_per_weight: Option<f64>,
    /// Size in bytes.
    pub size_bytes: Option<u64>,
    /// `general.license` of the file; None where it does not say.
    pub licence: Option<String>,
    /// The label of the parent, if the weights were rounded twice.
    pub requantized_from: Option<String>,
}

/// A run, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its row.
    pub id: RunId,
    /// `started`, `success`, `cancelled` or `error`.
    pub status: String,
    /// When it started.
    pub started_at: String,
    /// When it ended; None while it has not, or if it was killed.
    pub finished_at: Option<String>,
    /// The seed in use.
    pub seed: u64,
    /// The repeats of each prompt in use.
    pub n_repeats: u32,
    /// The prompt pairs in use.
    pub n_prompt_pairs: usize,
    /// The command line.
    pub command_line: String,
    /// The program's version.
    pub seep_version: String,
    /// The commit it was built from.
    pub seep_commit: String,
    /// True if its sources had changes that were not committed.
    pub seep_is_dirty: bool,
    /// The version of the crate llama-cpp-2.
    pub llama_cpp_2_version: String,
    /// The version of llama.cpp itself.
    pub llama_cpp_version: String,
    /// The processor features that llama.cpp uses, in its own words.
    pub system_info: String,
    /// The processor's name.
    pub cpu: String,
    /// Physical cores.
    pub n_cores: u32,
    /// Main memory in bytes.
    pub memory_bytes: u64,
    /// The operating system and its version.
    pub os: String,
    /// Threads that computed.
    pub n_threads: u32,
}

/// An import, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRecord {
    /// Number of the row.
    pub id: i64,
    /// The model's name.
    pub model: String,
    /// Where the file lay.
    pub path: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The YAML file that says which column is what, word for word.
    pub mapping: String,
    /// Rows that had a prompt.
    pub n_rows: usize,
    /// Prompt pairs.
    pub n_pairs: usize,
    /// Findings of the lint.
    pub n_findings: usize,
    /// The command line.
    pub command_line: String,
    /// The program's version.
    pub seep_version: String,
    /// The commit it was built from.
    pub seep_commit: String,
    /// When it was stored.
    pub created_at: String,
}

/// Sampling values that generations were made with: each as a name and its value as `db/README.md` has it; `unknown`
/// where generations were imported.
pub type SamplingRecord = Vec<(String, String)>;

/// The sampling columns of the table `generations`.
const SAMPLING: [&str; 9] = [
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "max_tokens",
    "stop",
    "draws",
    "schedule",
];

impl Store {
    /// An experiment.
    ///
    /// # Errors
    /// An error of SQLite, also for a row that is not there.
    pub fn experiment_record(
        &self,
        experiment: ExperimentId,
    ) -> Result<ExperimentRecord, StoreError> {
        self.read("read the experiment", |view| {
            let mut select = view.prepare_cached("SELECT * FROM experiments WHERE id = ?1")?;
            let found = select.query_row([experiment], |row| {
                Ok(ExperimentRecord {
                    sha256: row.get("sha256")?,
                    name: row.get("name")?,
                    question: row.get("question")?,
                    yaml: row.get("yaml")?,
                    extended_yaml: row.get("extended_yaml")?,
                })
            });
            Ok(found?)
        })
    }

    /// A model file, by what an experiment calls it.
    ///
    /// # Errors
    /// An error of SQLite, also for a row that is not there.
    pub fn model_record(
        &self,
        experiment: ExperimentId,
        model: ModelId,
    ) -> Result<ModelRecord, StoreError> {
        self.read("read the model", |view| {
            let mut select = view.prepare_cached(
                "SELECT models.*, ifnull(named.label, models.label) AS name,
                     ifnull(named.quantization, models.quantization) AS quantization_name, metadata ->> '$.\"general.license\"' AS licence,
                     CASE WHEN derivation ->> '$.is_requantized' THEN derivation ->> '$.parent_quantization' END
                         AS requantized_from
                 FROM models LEFT JOIN experiment_models AS named ON named.experiment_id = ?1 AND model_id = models.id
                 WHERE models.id = ?2",
            )?;
            let mut rows = select.query(params![experiment, model])?;
            let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            Ok(ModelRecord {
                sha256: row.get("sha256")?,
                label: row.get("name")?,
                quantization: row.get("quantization_name")?,
                is_imported: row.get::<_, String>("kind")? == "imported",
                architecture: row.get("architecture")?,
                n_parameters: optional(row.get("n_parameters")?)?,
                bits_per_weight: row.get("bits_per_weight")?,
                size_bytes: optional(row.get("size_bytes")?)?,
                licence: row.get("licence")?,
                requantized_from: row.get("requantized_from")?,
            })
        })
    }

    /// The runs of an experiment, in the order of their start.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn run_records(&self, experiment: ExperimentId) -> Result<Vec<RunRecord>, StoreError> {
        self.read("read the runs", |view| {
            let mut select =
                view.prepare_cached("SELECT * FROM runs WHERE experiment_id = ?1 ORDER BY id")?;
            let mut rows = select.query([experiment])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(stored_run(row)?);
            }
            Ok(found)
        })
    }

    /// The imports of an experiment, in order.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn import_records(
        &self,
        experiment: ExperimentId,
    ) -> Result<Vec<ImportRecord>, StoreError> {
        self.read("read the imports", |view| {
            let mut select = view.prepare_cached(
                "SELECT imports.*, ifnull(named.label, models.label) AS label
                 FROM imports JOIN models ON models.id = imports.model_id
                     LEFT JOIN experiment_models AS named
                         ON named.experiment_id = imports.experiment_id AND named.model_id = imports.model_id
                 WHERE imports.experiment_id = ?1 ORDER BY imports.id",
            )?;
            let mut rows = select.query([experiment])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(import_record(row)?);
            }
            Ok(found)
        })
    }

    /// The sampling values of the generations that verdicts of a condition compare, with the schedule; each combination once.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn sampling_records(
        &self,
        condition: ConditionId,
    ) -> Result<Vec<SamplingRecord>, StoreError> {
        self.read("read sampling values", |view| {
            let columns = SAMPLING.map(|name| format!("CAST(generations.{name} AS TEXT)"));
            let mut select = view.prepare_cached(&format!(
                "SELECT DISTINCT {} FROM leaks
                     JOIN generations ON generations.id IN (test_generation_id, control_generation_id)
                 WHERE condition_id = ?1
                 ORDER BY generations.id",
                columns.join(", ")
            ))?;
            let mut rows = select.query([condition])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let values = SAMPLING.iter().enumerate();
                let values = values.map(|(idx, name)| {
                    let value: Option<String> = row.get(idx)?;
                    let value = value.unwrap_or_else(|| "unknown".to_owned());
                    Ok(((*name).to_owned(), value))
                });
                found.push(values.collect::<rusqlite::Result<_>>()?);
            }
            Ok(found)
        })
    }

    /// The sampling values under which the continuations of `condition` were enumerated, with the schedule.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn enumeration_sampling(
        &self,
        condition: &StoredCondition,
    ) -> Result<SamplingRecord, StoreError> {
        self.read("read sampling values", |view| {
            let names = SAMPLING.iter().filter(|name| **name != "schedule");
            let names: Vec<&str> = names.copied().collect();
            let columns = names.iter().map(|name| format!("CAST({name} AS TEXT)"));
            let mut select = view.prepare_cached(&format!(
                "SELECT {} FROM samplings WHERE id = ?1",
                columns.collect::<Vec<_>>().join(", ")
            ))?;
            let mut values = select.query_row([condition.key.sampling], |row| {
                let values = names.iter().enumerate();
                let values = values.map(|(idx, name)| Ok(((*name).to_owned(), row.get(idx)?)));
                values.collect::<rusqlite::Result<SamplingRecord>>()
            })?;
            values.push(("schedule".to_owned(), condition.numerics.schedule.clone()));
            Ok(values)
        })
    }
}

fn optional(value: Option<i64>) -> Result<Option<u64>, Failure> {
    value.map(unsigned).transpose()
}

fn import_record(row: &Row<'_>) -> Result<ImportRecord, Failure> {
    Ok(ImportRecord {
        id: row.get("id")?,
        model: row.get("label")?,
        path: row.get("path")?,
        sha256: row.get("sha256")?,
        mapping: row.get("mapping")?,
        n_rows: unsigned(row.get("n_rows")?)?,
        n_pairs: unsigned(row.get("n_pairs")?)?,
        n_findings: unsigned(row.get("n_findings")?)?,
        command_line: row.get("command_line")?,
        seep_version: row.get("seep_version")?,
        seep_commit: row.get("seep_commit")?,
        created_at: row.get("created_at")?,
    })
}

fn stored_run(row: &Row<'_>) -> Result<RunRecord, Failure> {
    let seed: i64 = row.get("seed")?;
    Ok(RunRecord {
        id: row.get("id")?,
        status: row.get("status")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        seed: seed.cast_unsigned(),
        n_repeats: row.get("n_repeats")?,
        n_prompt_pairs: unsigned(row.get("n_prompt_pairs")?)?,
        command_line: row.get("command_line")?,
        seep_version: row.get("seep_version")?,
        seep_commit: row.get("seep_commit")?,
        seep_is_dirty: row.get("seep_is_dirty")?,
        llama_cpp_2_version: row.get("llama_cpp_2_version")?,
        llama_cpp_version: row.get("llama_cpp_version")?,
        system_info: row.get("system_info")?,
        cpu: row.get("cpu")?,
        n_cores: row.get("n_cores")?,
        memory_bytes: unsigned(row.get("memory_bytes")?)?,
        os: row.get("os")?,
        n_threads: row.get("n_threads")?,
    })
}
