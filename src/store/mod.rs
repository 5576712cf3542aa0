//! The store: the SQLite database that records everything.
//!
//! Owns the connection, the schema (`db/migrations`, documented in `db/README.md`) and every SQL
//! statement. It makes no generation, computes no leak and prints nothing. Rows are added and, where
//! they describe the latest state of something, updated; none is ever deleted.
//!
//! **Locking.** The journal is a write-ahead log: readers and one writer do not wait for each other.
//! Nothing is held between two calls, so several processes can work on one database; a call waits up
//! to the busy timeout for another's write and then fails with [`StoreError::Locked`].
//! Two processes that make the same generation are no conflict: the first stored is kept.
//!
//! **Durability.** Each call that writes is one transaction, all or nothing. `synchronous = FULL`
//! makes it reach the disk before the call returns, so that neither a killed process nor a power cut
//! takes back what was stored. It costs milliseconds for a commit that comes once in seconds.
//!
//! **Time.** All timestamps are made by SQLite: UTC, ISO 8601 with milliseconds.

mod annotations;
mod comparisons;
mod concept_similarities;
mod conditions;
mod embeddings;
mod enumerations;
mod error;
mod exact_leaks;
mod experiments;
mod fillers;
mod generations;
mod ids;
mod imports;
mod leaks;
mod models;
mod next_tokens;
mod numerics;
mod prompts;
mod provenance;
mod runs;
mod samplings;
mod schema;
mod specificities;
mod values;
mod views;
mod wordings;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tempfile::TempDir;
use url::Url;

pub use annotations::{
    NewAnnotationItem, NewAnnotationSample, SavedAnnotations, StoredAnnotation,
    StoredAnnotationItem, StoredAnnotationSample,
};
pub use comparisons::{ComparedModel, ComparedText, Comparison, Source, StoredExperiment};
pub use concept_similarities::ConceptSimilarity;
pub use conditions::{ConditionKey, KeyField, StoredCondition};
pub use enumerations::StoredEnumeration;
pub use error::StoreError;
pub use exact_leaks::{NewExactLeak, StoredExactLeak};
pub use experiments::{NewExperiment, NewPair};
pub use fillers::{FillerGeneration, StoredFiller};
pub use generations::{NewAnswer, NewFailure, StoredGeneration};
pub use ids::{
    AnnotationItemId, ConditionId, EnumerationRowId, ExperimentId, GenerationId, ModelId,
    NumericsId, PromptId, RenderedPromptId, RunId, SamplingId, WordingId,
};
pub use imports::{IMPORTED_SEED, Imported, NewImport, NewImportedPair, NewImportedRow};
pub use leaks::{NewLeak, StoredLeak};
pub use models::{NewDerivation, NewModel};
pub use next_tokens::{DistributionPair, DriftSide, NewScore, ScoredGeneration};
pub use numerics::{Here, Numerics};
pub use prompts::{NewPrompt, NewRenderedPrompt};
pub use provenance::{ExperimentRecord, ImportRecord, ModelRecord, RunRecord, SamplingRecord};
pub use runs::{NewRun, RunModel, RunOutcome, Speed, StoredRunModel};
pub use specificities::Specifics;
pub use views::{VIEWS, View, view};
pub use wordings::{NewWording, WordingMessages};

use error::Failure;
use schema::{Kind, MIGRATIONS};

/// How long a call waits for another connection's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Time between two tries to change the journal of a new database that others are opening too.
const WAL_RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// The version of the schema that this program makes.
const NEWEST: i64 = MIGRATIONS.len() as i64;

/// A database that is made where it is missing.
const WRITING: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_CREATE);

/// The action while a database is opened, for messages.
const OPENING: &str = "open tables";

/// An open database.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    additions: Vec<String>,
    /// The folder of the copy that is open in place of `path`, which goes with the value.
    _copy: Option<TempDir>,
}

impl Store {
    /// Opens the database at `path`, with its folder and schema where they are missing.
    ///
    /// # Errors
    /// Each variant of [`StoreError`] except `Value`; a file that is not ours is left as it is.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with_timeout(path, BUSY_TIMEOUT)
    }

    /// Opens a database that is there.
    ///
    /// # Errors
    /// `Missing` when there is none, else as [`Store::open`].
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        check_there(path)?;
        Self::open(path)
    }

    /// Opens a database that is there, to read it: neither its schema nor a row changes, and no right to write is needed.
    ///
    /// Its pages are checked first where it was not closed, as after a power cut or while a run goes on.
    ///
    /// # Errors
    /// `Missing` when there is none, `Older` when its schema is, `Damaged` when the check finds something, else as
    /// [`Store::open`].
    pub fn open_reading(path: &Path) -> Result<Self, StoreError> {
        check_there(path)?;
        let was_closed = journals(path).is_empty();
        // Where the file cannot be written, SQLite opens it for reading.
        let opened = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE);
        let opened = opened.and_then(|connection| Self::prepare_reading(connection, path));
        let mut store = match opened {
            // Even a reader keeps a journal beside the file, unless it is told that nobody writes.
            Err(StoreError::Open { .. } | StoreError::ReadOnly { .. }) if was_closed => {
                Self::prepare_reading(connect_immutable(path)?, path)?
            }
            Err(StoreError::Open { .. } | StoreError::ReadOnly { .. }) => {
                let (folder, copy) = copied(path)?;
                let connection = connect(&copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
                let store = Self::prepare_reading(connection, path)?;
                Self {
                    _copy: Some(folder),
                    ..store
                }
            }
            opened => opened?,
        };
        if !was_closed
            && store
                .open_step(|connection| Ok(schema::damage(connection)?))?
                .is_some()
        {
            return Err(StoreError::Damaged { path: store.path });
        }
        Ok(store)
    }

    /// Opens a copy of a database that is there, so that the file itself stays as it is: its schema and its journal too.
    ///
    /// # Errors
    /// `Missing` when there is none, `Copy` when it cannot be copied, else as [`Store::open`].
    pub fn open_copy(path: &Path) -> Result<Self, StoreError> {
        check_there(path)?;
        let (folder, copy) = copied(path)?;
        let connection = connect(&copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let store = Self::prepare(connection, path, BUSY_TIMEOUT)?;
        Ok(Self {
            _copy: Some(folder),
            ..store
        })
    }

    /// Opens the database as [`Store::open`] does, to wait `busy_timeout` for writes of others.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with_timeout(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        let connection = connect(path, WRITING)?;
        Self::prepare(connection, path, busy_timeout)
    }

    /// A database that lives as long as the value.
    ///
    /// # Errors
    /// `Sqlite` where memory is short.
    pub fn open_in_memory() -> Result<Self, StoreError> {
        let path = Path::new(":memory:");
        let connection =
            Connection::open_in_memory().map_err(|error| Failure::from(error).at(path, OPENING))?;
        Self::prepare(connection, path, BUSY_TIMEOUT)
    }

    /// The database's path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn prepare(
        connection: Connection,
        path: &Path,
        busy_timeout: Duration,
    ) -> Result<Self, StoreError> {
        let (mut store, _) = Self::recognised(connection, path, busy_timeout)?;
        // Only now, because the journal mode stays with the file.
        store.open_step(|connection| {
            configure(connection, busy_timeout)?;
            schema::migrate(connection, MIGRATIONS)?;
            Ok(connection.pragma_update(None, "foreign_keys", true)?)
        })?;
        Ok(store)
    }

    fn prepare_reading(connection: Connection, path: &Path) -> Result<Self, StoreError> {
        let (mut store, found) = Self::recognised(connection, path, BUSY_TIMEOUT)?;
        if found < NEWEST {
            return Err(StoreError::Older {
                path: store.path,
                found,
                known: NEWEST,
            });
        }
        store.open_step(|connection| Ok(connection.pragma_update(None, "query_only", true)?))?;
        Ok(store)
    }

    /// The database with the version of its schema, 0 of an empty one, if it is ours and as the migrations made it.
    fn recognised(
        connection: Connection,
        path: &Path,
        busy_timeout: Duration,
    ) -> Result<(Self, i64), StoreError> {
        let mut store = Self {
            connection,
            path: path.to_owned(),
            additions: Vec::new(),
            _copy: None,
        };
        let kind = store.open_step(|connection| {
            connection.busy_timeout(busy_timeout)?;
            // A database that came from elsewhere may hold views and triggers that call functions.
            connection.pragma_update(None, "trusted_schema", false)?;
            Ok(schema::kind(connection)?)
        })?;
        let found = match kind {
            Kind::Empty => return Ok((store, 0)),
            Kind::Foreign => return Err(StoreError::Foreign { path: store.path }),
            Kind::Ours(found) if found > NEWEST => {
                let (path, known) = (store.path, NEWEST);
                return Err(StoreError::Newer { path, found, known });
            }
            Kind::Ours(found) => found,
        };
        let difference = store.open_step(|connection| schema::difference(connection, found))?;
        match difference.altered {
            Some(name) if found == NEWEST => Err(StoreError::Altered {
                path: store.path,
                name,
            }),
            _ => {
                store.additions = difference.added;
                Ok((store, found))
            }
        }
    }

    /// Triggers, views, tables and indexes that others have added, each as in "view `mine`".
    pub fn additions(&self) -> &[String] {
        &self.additions
    }

    fn open_step<T>(
        &mut self,
        step: impl FnOnce(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        step(&mut self.connection).map_err(|failure| failure.at(&self.path, OPENING))
    }

    /// Runs `work` on one unchanging view of the database.
    fn read<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let transaction = self.connection.unchecked_transaction();
        let result = transaction
            .map_err(Failure::from)
            .and_then(|view| work(&view));
        result.map_err(|failure| failure.at(&self.path, action))
    }

    /// Runs `work` in one transaction that holds the write lock from its beginning.
    fn write<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate);
        let result = transaction.map_err(Failure::from).and_then(|transaction| {
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        });
        result.map_err(|failure| failure.at(&self.path, action))
    }
}

/// Refuses a path at which there is no file.
fn check_there(path: &Path) -> Result<(), StoreError> {
    let path = path.to_owned();
    if path.is_dir() {
        return Err(StoreError::IsFolder { path });
    }
    if !path.exists() {
        return Err(StoreError::Missing { path });
    }
    Ok(())
}

/// The file beside a database whose name goes on with `suffix`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The endings of the journals beside a database that hold something; none where it was closed.
fn journals(path: &Path) -> Vec<&'static str> {
    let has_bytes = |suffix: &&str| beside(path, suffix).metadata().is_ok_and(|it| it.len() > 0);
    ["-wal", "-journal"].into_iter().filter(has_bytes).collect()
}

/// Copies a database with its journals into a folder of its own.
fn copied(path: &Path) -> Result<(TempDir, PathBuf), StoreError> {
    let failed = |reason| StoreError::Copy {
        path: path.to_owned(),
        reason,
    };
    let folder = tempfile::tempdir().map_err(failed)?;
    let copy = folder.path().join("copy.sqlite");
    for suffix in std::iter::once("").chain(journals(path)) {
        // Read and written, so that the copy does not take over that the file is read-only.
        let mut from = File::open(beside(path, suffix)).map_err(failed)?;
        let mut to = File::create(beside(&copy, suffix)).map_err(failed)?;
        std::io::copy(&mut from, &mut to).map_err(failed)?;
    }
    Ok((folder, copy))
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let folder_error = |reason| StoreError::Folder {
        path: path.to_owned(),
        reason,
    };
    // An absolute path keeps SQLite from taking `:memory:` or an empty path for a database that does not last.
    let absolute = std::path::absolute(path).map_err(folder_error)?;
    if absolute.is_dir() {
        return Err(StoreError::IsFolder {
            path: path.to_owned(),
        });
    }
    if let (true, Some(folder)) = (flags == WRITING, absolute.parent()) {
        std::fs::create_dir_all(folder).map_err(folder_error)?;
    }
    Connection::open_with_flags(&absolute, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| Failure::from(error).at(path, OPENING))
}

/// Opens a database that nobody writes, without any file beside it.
fn connect_immutable(path: &Path) -> Result<Connection, StoreError> {
    let absolute = std::path::absolute(path).ok();
    let url = absolute.and_then(|path| Url::from_file_path(path).ok());
    let mut url = url.ok_or_else(|| StoreError::Missing {
        path: path.to_owned(),
    })?;
    url.set_query(Some("immutable=1"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(url.as_str(), flags)
        .map_err(|error| Failure::from(error).at(path, OPENING))
}

fn configure(connection: &Connection, busy_timeout: Duration) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    let started = Instant::now();
    loop {
        // Where a file system has no shared memory SQLite stays with its rollback journal, as safe but less concurrent.
        let result = connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()));
        let is_busy = result
            .as_ref()
            .is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        if !is_busy || started.elapsed() >= busy_timeout {
            return result;
        }
        // SQLite does not wait here: two connections that both change the journal of a new file would wait for each other.
        std::thread::sleep(WAL_RETRY_INTERVAL);
    }
}
