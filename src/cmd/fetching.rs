//! Fetching with progress: what comes from where, how much is left.
//!
//! Owns the words shown while files arrive; the shelf does the fetching.

use std::path::PathBuf;

use anyhow::Context as _;
use indicatif::HumanBytes;

use super::session::Session;
use crate::gguf::manifest::Entry;
use crate::gguf::shelf::State;
use crate::gguf::source::FetchEvent;
use crate::progress::{self, Progress, Unit};

/// Makes sure that the files of an entry are on the shelf and right; says nothing where they are.
pub(super) fn fetch(session: &Session, entry: &Entry) -> anyhow::Result<Vec<PathBuf>> {
    let name = format!("{} {}", entry.name(), entry.quantization());
    if !matches!(session.shelf.state(entry), State::Present { .. })
        && !session.fetch_options.offline
    {
        let size = HumanBytes(entry.bytes());
        progress::note(format_args!(
            "{name}: fetching {size} (licence {})",
            entry.licence()
        ));
    }
    let mut shown = Shown {
        name,
        progress: None,
        done_bytes: 0,
    };
    let fetched = session
        .shelf
        .fetch(entry, &session.fetch_options, &mut |event| {
            shown.event(event)
        });
    if let Some(progress) = shown.progress.take() {
        progress.finish(shown.done_bytes);
    }
    session.check_interrupted()?;
    fetched.with_context(|| format!("failed to fetch {}", shown.name))
}

/// The progress of one entry, begun when the first bytes arrive.
struct Shown {
    name: String,
    progress: Option<Progress>,
    done_bytes: u64,
}

impl Shown {
    fn event(&mut self, event: FetchEvent<'_>) {
        match event {
            FetchEvent::Source { source } => {
                progress::note(format_args!("{}: from {source}", self.name))
            }
            FetchEvent::Received {
                done_bytes,
                total_bytes,
                ..
            } => {
                let name = &self.name;
                let progress = self
                    .progress
                    .get_or_insert_with(|| Progress::start(name, total_bytes, Unit::Bytes));
                progress.set(done_bytes);
                self.done_bytes = done_bytes;
            }
            FetchEvent::Checking { .. } => {}
            FetchEvent::Note { text } => progress::note(format_args!("{}: {text}", self.name)),
        }
    }
}
