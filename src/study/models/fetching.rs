//! Fetching with progress: what comes from where, how much is left.
//!
//! Owns the words shown while files arrive; the shelf does the fetching.

use std::path::PathBuf;

use anyhow::Context as _;
use indicatif::HumanBytes;

use crate::gguf::manifest::Entry;
use crate::gguf::shelf::State;
use crate::gguf::source::FetchEvent;
use crate::study::session::Session;
use crate::watch::{Gauge, Unit};

/// Makes sure that the files of an entry are on the shelf and right; says nothing where they are.
pub(crate) fn fetch(session: &Session, entry: &Entry) -> anyhow::Result<Vec<PathBuf>> {
    let name = format!("{} {}", entry.name(), entry.quantization());
    if !matches!(session.shelf.state(entry), State::Present { .. })
        && !session.fetch_options.offline
    {
        let size = HumanBytes(entry.bytes());
        session.note(format_args!(
            "{name}: fetching {size} (licence {})",
            entry.licence()
        ));
    }
    let mut shown = Shown {
        session,
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
    if fetched.is_err() {
        session.check_interrupted()?;
    }
    fetched.with_context(|| format!("failed to fetch {}", shown.name))
}

/// The state of an entry's files in words, with the bytes that are left to fetch.
pub(crate) fn state_text(state: &State, entry: &Entry) -> String {
    match state {
        State::Absent => "no".to_owned(),
        State::Partial { bytes } => {
            format!("in part, {} to fetch", HumanBytes(entry.bytes() - bytes))
        }
        State::Present { is_verified: true } => "yes".to_owned(),
        State::Present { is_verified: false } => "yes, not verified yet".to_owned(),
        State::Wrong { path } => format!("another file lies at {}", path.display()),
    }
}

/// The progress of one entry, begun when the first bytes arrive.
struct Shown<'a> {
    session: &'a Session,
    name: String,
    progress: Option<Box<dyn Gauge>>,
    done_bytes: u64,
}

impl Shown<'_> {
    fn event(&mut self, event: FetchEvent<'_>) {
        match event {
            FetchEvent::Source { source } => self
                .session
                .note(format_args!("{}: from {source}", self.name)),
            FetchEvent::Received {
                done_bytes,
                total_bytes,
                ..
            } => {
                let name = &self.name;
                let progress = self
                    .progress
                    .get_or_insert_with(|| self.session.begin(name, total_bytes, Unit::Bytes));
                progress.set(done_bytes);
                self.done_bytes = done_bytes;
            }
            FetchEvent::Checking { .. } => {}
            FetchEvent::Note { text } => self.session.note(format_args!("{}: {text}", self.name)),
        }
    }
}
