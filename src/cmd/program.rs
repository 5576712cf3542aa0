//! The parts of the process that it has only once and lends to the work: thread pool, Ctrl-C, memory, the terminal.
//!
//! Owns the reaction to Ctrl-C: the first ends the work before the next batch, the second ends the program.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;

use crate::cli::ShelfArgs;
use crate::progress::{self, Terminal};
use crate::study::Session;

/// Gives freed memory back to the system; set once, by `main`.
static GIVE_BACK: OnceLock<fn()> = OnceLock::new();

/// Says how freed memory goes back to the system.
pub fn set_give_back(give_back: fn()) {
    // A second call would mean the same program started twice; the first is kept.
    let _ = GIVE_BACK.set(give_back);
}

/// A session of the program, which Ctrl-C ends and a terminal shows.
pub(super) fn session(
    shelf: &ShelfArgs,
    is_offline: bool,
    threads: Option<u32>,
) -> anyhow::Result<Session> {
    let session = quiet_session(&shelf.models_dir)
        .with_offline(is_offline)
        .with_cancel(catch_interrupt()?);
    let session = match threads {
        Some(n_threads) => session.with_threads(n_threads),
        None => session,
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(session.n_threads as usize)
        .build_global()
        .context("failed to start threads")?;
    Ok(session)
}

/// A session for what only reads: no thread is started, and Ctrl-C ends the program at once.
pub(super) fn quiet_session(models_dir: &Path) -> Session {
    let terminal = Terminal {
        give_back: GIVE_BACK.get().copied().unwrap_or(|| ()),
    };
    Session::new(models_dir)
        .with_watch(Box::new(terminal))
        .with_command_line(std::env::args().collect::<Vec<_>>().join(" "))
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
