//! The parts of the process that it has only once and lends to the work: thread pool, signals, memory, the terminal.
//!
//! Owns the reaction to signals: Ctrl-C (SIGINT), SIGTERM and SIGHUP end the work before the next batch, and what was
//! made is stored. A second Ctrl-C ends the program at once; a second SIGTERM does not, since schedulers repeat theirs.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cli::ShelfArgs;
use crate::progress::{self, Terminal};
use crate::study::Session;

/// Gives freed memory back to the system; set once, by `main`.
static GIVE_BACK: OnceLock<fn()> = OnceLock::new();
/// The first signal that came; 0 before.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

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
        .with_cancel(catch_signals()?);
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
        .with_command_line(command_line())
}

/// The words of the command line; one that is no Unicode has a sign in the place of each part that is none.
fn command_line() -> String {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    words.collect::<Vec<_>>().join(" ")
}

/// The exit code of work that a signal ended, as shells have it.
pub(super) fn exit_code_of_signal() -> u8 {
    let signal = SIGNAL.load(Ordering::Relaxed);
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

fn catch_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("failed to listen for signals")?;
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancel);
    thread::spawn(move || {
        for signal in signals.forever() {
            if flag.swap(true, Ordering::Relaxed) {
                if signal == SIGINT {
                    std::process::exit(128 + SIGINT);
                }
                continue;
            }
            SIGNAL.store(signal, Ordering::Relaxed);
            progress::note("interrupted: ending before the next batch (Ctrl-C again ends at once)");
        }
    });
    Ok(cancel)
}
