//! What holds for a whole command: the machine, the shelf of model files, the number of threads, Ctrl-C.
//!
//! Owns the reaction to Ctrl-C: the first ends the work before the next batch, the second ends the program. Work that
//! it ended returns [`Interrupted`], which `cmd::run` turns into the status.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

use crate::cli::ShelfArgs;
use crate::gguf::shelf::Shelf;
use crate::gguf::source::FetchOptions;
use crate::machine::Machine;
use crate::progress;

/// Ctrl-C was pressed.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(super) struct Interrupted;

/// What holds for a whole command.
pub(super) struct Session {
    pub(super) machine: Machine,
    pub(super) shelf: Shelf,
    pub(super) fetch_options: FetchOptions,
    /// Threads that compute.
    pub(super) n_threads: u32,
    /// Set by Ctrl-C.
    pub(super) cancel: Arc<AtomicBool>,
}

impl Session {
    pub(super) fn start(
        shelf: &ShelfArgs,
        offline: bool,
        threads: Option<u32>,
    ) -> anyhow::Result<Self> {
        let machine = Machine::here();
        let n_threads = threads.unwrap_or(machine.n_cores);
        rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads as usize)
            .build_global()
            .context("failed to start threads")?;
        let mut fetch_options = FetchOptions::from_env(offline);
        let cancel = catch_interrupt()?;
        fetch_options.cancelled = Arc::clone(&cancel);
        Ok(Self {
            machine,
            shelf: Shelf::new(&shelf.models_dir),
            fetch_options,
            n_threads,
            cancel,
        })
    }

    /// Whether Ctrl-C was pressed.
    pub(super) fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// An error once Ctrl-C was pressed. It goes before the one that a fetch or a process ended with because of it.
    pub(super) fn check_interrupted(&self) -> Result<(), Interrupted> {
        if self.cancelled() {
            return Err(Interrupted);
        }
        Ok(())
    }
}

fn catch_interrupt() -> anyhow::Result<Arc<AtomicBool>> {
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancel);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        progress::note("interrupted: ending before the next batch (Ctrl-C again ends at once)");
    })
    .context("failed to listen for Ctrl-C")?;
    Ok(cancel)
}
