//! What a person sees on stderr while seep works: the log, notes, errors, progress.
//!
//! Owns every line on stderr. Results go to stdout and are not printed here.
//! On a terminal progress is a bar; elsewhere it is a plain line now and then, so that a log file stays readable.

use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

use crate::experiment::ExperimentErrors;

/// Time between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Sends the log to stderr: errors only, or what `RUST_LOG` asks for.
pub fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Prints why the program ends.
pub fn print_error(error: &anyhow::Error) {
    // Problems of an experiment file come with their own headings.
    if let Some(problems) = error.downcast_ref::<ExperimentErrors>() {
        line(&problems);
    } else {
        line(&format_args!("error: {error:#}"));
    }
}

/// Prints one line that a person should see once.
pub fn note(text: impl fmt::Display) {
    line(&text);
}

fn line(text: &dyn fmt::Display) {
    // Nothing sensible is left to do when stderr itself is gone.
    let _: std::io::Result<()> = writeln!(std::io::stderr(), "{text}");
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Generations.
    Generations,
    /// Strings to embed.
    Strings,
    /// Bytes of a file.
    Bytes,
}

/// The progress of one piece of work.
pub struct Progress {
    label: String,
    unit: Unit,
    total: u64,
    started: Instant,
    bar: Option<ProgressBar>,
    plain: Mutex<PlainLine>,
}

/// When the last plain line was printed.
struct PlainLine {
    last: Instant,
    done: u64,
}

impl Progress {
    /// Begins to show `label` with `total` to do.
    pub fn start(label: impl Into<String>, total: u64, unit: Unit) -> Self {
        let label = label.into();
        let now = Instant::now();
        Self {
            bar: std::io::stderr()
                .is_terminal()
                .then(|| new_bar(&label, total, unit)),
            label,
            unit,
            total,
            started: now,
            plain: Mutex::new(PlainLine { last: now, done: 0 }),
        }
    }

    /// Shows that `done` of the total are done.
    pub fn set(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let mut plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        plain.done = done;
        if plain.last.elapsed() >= PLAIN_INTERVAL && done < self.total {
            plain.last = Instant::now();
            note(self.plain_text(done));
        }
    }

    /// Ends the display with one line that says what was done, and how fast.
    pub fn finish(self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = done as f64 / seconds.max(1e-9);
        note(format_args!(
            "{}: {} in {} ({})",
            self.label,
            self.unit.count(done),
            duration(seconds),
            self.unit.rate(rate)
        ));
    }

    fn plain_text(&self, done: u64) -> String {
        if done == 0 {
            let total = self.unit.count(self.total);
            return format!("{}: {} of {total}", self.label, self.unit.number(0));
        }
        let rate = done as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        let left = (self.total - done) as f64 / rate.max(1e-9);
        let total = self.unit.count(self.total);
        let done = self.unit.number(done);
        format!(
            "{}: {done} of {total}, {}, {} left",
            self.label,
            self.unit.rate(rate),
            duration(left)
        )
    }
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Generations => "generations",
            Self::Strings => "strings",
            Self::Bytes => "",
        }
    }

    fn number(self, n: u64) -> String {
        match self {
            Self::Bytes => HumanBytes(n).to_string(),
            Self::Generations | Self::Strings => n.to_string(),
        }
    }

    fn count(self, n: u64) -> String {
        format!("{} {}", self.number(n), self.name())
            .trim_end()
            .to_owned()
    }

    fn rate(self, per_second: f64) -> String {
        match self {
            Self::Bytes => format!("{}/s", HumanBytes(per_second as u64)),
            Self::Generations | Self::Strings => format!("{per_second:.1} {}/s", self.name()),
        }
    }
}

fn new_bar(label: &str, total: u64, unit: Unit) -> ProgressBar {
    let counts = match unit {
        Unit::Bytes => "{bytes}/{total_bytes} {bytes_per_sec}",
        Unit::Generations => "{pos}/{len} generations, {per_sec}",
        Unit::Strings => "{pos}/{len} strings, {per_sec}",
    };
    let template = format!("{{msg}} {{wide_bar}} {counts}, {{eta}} left");
    let style = ProgressStyle::with_template(&template)
        .expect("the template is a constant that indicatif accepts");
    let bar = ProgressBar::new(total)
        .with_style(style)
        .with_message(label.to_owned());
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// Seconds as a person says them: `3.1 s`, `2 min 5 s`, `1 h 12 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..60 if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let cases = [
            (0.04, "0.0 s"),
            (3.12, "3.1 s"),
            (59.4, "59 s"),
            (125.0, "2 min 5 s"),
            (4321.0, "1 h 12 min"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(duration(seconds), expected);
        }
    }
}
