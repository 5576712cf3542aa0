//! How logits are computed: the table `numerics`.
//!
//! Owns which computations are the same row. Generations belong to a request and to one of these rows, so that a text
//! never stands for what another arithmetic would have given. It computes no digest.

use rusqlite::{OptionalExtension as _, Row, named_params, params};

use super::error::Failure;
use super::values::digest;
use super::{ModelId, NumericsId, Store, StoreError};
use crate::digest::Digest;

/// How logits are computed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Numerics {
    /// Name and parameters of the schedule that evaluates them, such as `strict-pad8-vbf16`.
    pub schedule: String,
    /// The version of llama.cpp.
    pub llama_cpp_version: String,
    /// Digest of the logits of fixed token sequences: where it is the same, so is the arithmetic, whatever the processor
    /// is called. None where it was not recorded.
    pub logits_sha256: Option<Digest>,
}

/// The machine and the build that a run would compute with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Here<'a> {
    /// The processor's name.
    pub cpu: &'a str,
    /// The processor features that llama.cpp uses, in its own words.
    pub system_info: &'a str,
    /// The version of llama.cpp.
    pub llama_cpp_version: &'a str,
}

impl Store {
    /// The row of this way to compute logits, made if it is missing.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn register_numerics(&mut self, numerics: &Numerics) -> Result<NumericsId, StoreError> {
        self.write("store how logits are computed", |transaction| {
            let logits_sha256 = numerics.logits_sha256.map(|digest| digest.to_string());
            let key = params![
                numerics.schedule,
                numerics.llama_cpp_version,
                logits_sha256
            ];
            transaction
                .prepare_cached(
                    "INSERT INTO numerics (schedule, llama_cpp_version, logits_sha256) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO NOTHING",
                )?
                .execute(key)?;
            let mut select = transaction.prepare_cached(
                "SELECT id FROM numerics
                 WHERE schedule = ?1 AND llama_cpp_version = ?2 AND ifnull(logits_sha256, '') = ifnull(?3, '')",
            )?;
            Ok(select.query_row(key, |row| row.get(0))?)
        })
    }

    /// How logits are computed under a row.
    ///
    /// # Errors
    /// An error of SQLite, also for a row that is not there.
    pub fn numerics(&self, id: NumericsId) -> Result<Numerics, StoreError> {
        self.read("read how logits are computed", |view| {
            let mut select = view.prepare_cached("SELECT * FROM numerics WHERE id = ?1")?;
            let mut rows = select.query([id])?;
            let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            numerics(row)
        })
    }

    /// The row of this schedule and version of llama.cpp without a digest, which builds that recorded none have used.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn undigested(
        &self,
        schedule: &str,
        llama_cpp_version: &str,
    ) -> Result<Option<NumericsId>, StoreError> {
        self.read("read how logits are computed", |view| {
            let mut select = view.prepare_cached(
                "SELECT id FROM numerics
                 WHERE schedule = ?1 AND llama_cpp_version = ?2 AND ifnull(logits_sha256, '') = ''",
            )?;
            let found = select.query_row([schedule, llama_cpp_version], |row| row.get(0));
            Ok(found.optional()?)
        })
    }

    /// The numerics with a digest that the latest run on such a machine found for a model under a schedule on a device;
    /// None where no run has.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn known_numerics(
        &self,
        here: &Here<'_>,
        model: ModelId,
        schedule: &str,
        device: &str,
    ) -> Result<Option<NumericsId>, StoreError> {
        self.read("look for how logits were computed", |view| {
            let mut select = view.prepare_cached(
                "SELECT numerics_id
                 FROM run_models JOIN runs ON runs.id = run_id JOIN numerics ON numerics.id = numerics_id
                 WHERE cpu = :cpu AND system_info = :system_info AND model_id = :model AND device = :device
                     AND numerics.schedule = :schedule AND numerics.llama_cpp_version = :llama_cpp_version
                     AND logits_sha256 IS NOT NULL
                 ORDER BY run_id DESC LIMIT 1",
            )?;
            let values = named_params! {
                ":cpu": here.cpu,
                ":system_info": here.system_info,
                ":llama_cpp_version": here.llama_cpp_version,
                ":model": model,
                ":schedule": schedule,
                ":device": device,
            };
            Ok(select.query_row(values, |row| row.get(0)).optional()?)
        })
    }
}

/// The columns of `numerics` in a row.
pub(super) fn numerics(row: &Row<'_>) -> Result<Numerics, Failure> {
    let logits_sha256: Option<String> = row.get("logits_sha256")?;
    Ok(Numerics {
        schedule: row.get("schedule")?,
        llama_cpp_version: row.get("llama_cpp_version")?,
        logits_sha256: logits_sha256.as_deref().map(digest).transpose()?,
    })
}
