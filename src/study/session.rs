//! The surroundings of all work: machine, model folder, threads, and who watches and who may end it.
//!
//! Owns nothing that the process has only once: thread pool, signals, allocator and log are the program's, which hands
//! over their ends.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::gguf::shelf::Shelf;
use crate::gguf::source::FetchOptions;
use crate::machine::Machine;
use crate::store::{Store, StoreError};
use crate::watch::{Gauge, Silent, Unit, Watch};

/// The surroundings of all work.
pub struct Session {
    pub(crate) machine: Machine,
    pub(crate) shelf: Shelf,
    pub(crate) fetch_options: FetchOptions,
    /// Threads of llama.cpp.
    pub(crate) n_threads: u32,
    /// Ends the work before the next batch once it is set.
    pub(crate) cancel: Arc<AtomicBool>,
    /// Recorded with each run, report and import.
    pub(crate) command_line: String,
    pub(crate) watch: Box<dyn Watch>,
}

impl Session {
    /// A session that nobody watches, on all physical cores, with the model files in `models_dir`.
    pub fn new(models_dir: &Path) -> Self {
        let machine = Machine::here();
        let cancel = Arc::new(AtomicBool::new(false));
        let mut fetch_options = FetchOptions::from_env(false);
        fetch_options.cancelled = Arc::clone(&cancel);
        Self {
            n_threads: machine.n_cores,
            machine,
            shelf: Shelf::new(models_dir),
            fetch_options,
            cancel,
            command_line: String::new(),
            watch: Box::new(Silent),
        }
    }

    /// Contacts no server where `is_offline`, or where the environment forbids it.
    #[must_use]
    pub fn with_offline(mut self, is_offline: bool) -> Self {
        self.fetch_options.offline |= is_offline;
        self
    }

    /// Computes on `n_threads` threads, at least 1.
    #[must_use]
    pub fn with_threads(mut self, n_threads: u32) -> Self {
        self.n_threads = n_threads;
        self
    }

    /// Is ended by whoever sets `cancel`; all that was made until then is stored.
    #[must_use]
    pub fn with_cancel(mut self, cancel: Arc<AtomicBool>) -> Self {
        self.fetch_options.cancelled = Arc::clone(&cancel);
        self.cancel = cancel;
        self
    }

    /// Is watched by `watch`.
    #[must_use]
    pub fn with_watch(mut self, watch: Box<dyn Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// Records `command_line` as the reason of what is made.
    #[must_use]
    pub fn with_command_line(mut self, command_line: String) -> Self {
        self.command_line = command_line;
        self
    }

    /// The machine that computes.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Opens a database to read it; nothing of it changes.
    pub(crate) fn store_to_read(&self, db: &Path) -> Result<Store, StoreError> {
        self.named(Store::open_reading(db)?)
    }

    /// Opens a database that is there, to add to it.
    pub(crate) fn existing_store(&self, db: &Path) -> Result<Store, StoreError> {
        self.named(Store::open_existing(db)?)
    }

    /// Opens a database, or makes it.
    pub(crate) fn store(&self, db: &Path) -> Result<Store, StoreError> {
        self.named(Store::open(db)?)
    }

    /// Names what others have added to a database: a trigger can change what is stored.
    fn named(&self, store: Store) -> Result<Store, StoreError> {
        let added = store.additions().join(", ");
        if !added.is_empty() {
            let path = store.path().display();
            self.warning(format_args!("{path} holds what seep did not make: {added}"));
        }
        Ok(store)
    }

    /// Shows one line that a person may want to see once.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        self.watch.note(&text);
    }

    /// Shows one line that a person has to know.
    pub(crate) fn warning(&self, text: impl fmt::Display) {
        self.watch.warning(&text);
    }

    /// Begins to show the progress of some work.
    pub(crate) fn begin(&self, label: impl AsRef<str>, total: u64, unit: Unit) -> Box<dyn Gauge> {
        self.watch.begin(label.as_ref(), total, unit)
    }

    /// True once the work is to end.
    pub(crate) fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Goes on unless the work is to end.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub(crate) fn check_interrupted(&self) -> Result<(), Interrupted> {
        if self.cancelled() {
            return Err(Interrupted);
        }
        Ok(())
    }
}

/// Ended by whoever may; all that was made until then is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;
