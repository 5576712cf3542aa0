//! Everything that a person sees on stderr while seep works: the log, notes, warnings, errors, progress.
//!
//! Owns every line on stderr. Results go to stdout and are not printed here.
//! On a terminal progress is a bar; elsewhere it is a plain line now and then, so that a log file stays readable.
//! `--quiet` leaves warnings and errors.

mod pace;

use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressState, ProgressStyle};
use tracing_subscriber::EnvFilter;

use crate::experiment::ExperimentErrors;
use crate::visible::{visible, visible_lines};
use crate::watch::{Gauge, Unit, Watch, duration};
use pace::Pace;

/// Time between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// Time between two looks of a bar at the clock.
const TICK_INTERVAL: Duration = Duration::from_millis(500);

/// True if only warnings and errors are shown; set once, by `main`.
static IS_QUIET: OnceLock<bool> = OnceLock::new();

/// Sends the log to stderr: errors only, or what `RUST_LOG` asks for. Where `is_quiet`, notes and progress are not shown.
pub fn start_log(is_quiet: bool) {
    // A second call would mean the same program started twice; the first is kept.
    let _ = IS_QUIET.set(is_quiet);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

fn is_quiet() -> bool {
    IS_QUIET.get().copied().unwrap_or(false)
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

/// Prints why the words of the command line are not understood; they may hold anything.
pub fn print_usage(error: impl fmt::Display) {
    line(&error.to_string().trim_end());
}

/// Prints one line that a person may want to see once; not where quiet is asked for.
pub fn note(text: impl fmt::Display) {
    if !is_quiet() {
        line(&text);
    }
}

/// Prints what a person has to know, also where quiet is asked for.
pub fn warning(text: impl fmt::Display) {
    line(&text);
}

fn line(text: &dyn fmt::Display) {
    let text = visible_lines(&text.to_string(), false);
    // Nothing sensible is left to do when stderr itself is gone.
    let _: std::io::Result<()> = writeln!(std::io::stderr(), "{text}");
}

/// The progress of one piece of work.
struct Progress {
    label: String,
    unit: Unit,
    started: Instant,
    work: Arc<Mutex<Seen>>,
    bar: Option<ProgressBar>,
}

/// The work as it was seen so far.
struct Seen {
    total: u64,
    done: u64,
    pace: Pace,
    last_line: Instant,
}

impl Progress {
    fn start(label: &str, total: u64, unit: Unit) -> Self {
        let started = Instant::now();
        let work = Arc::new(Mutex::new(Seen {
            total,
            done: 0,
            pace: Pace::new(total),
            last_line: started,
        }));
        let has_bar = std::io::stderr().is_terminal() && !is_quiet();
        Self {
            bar: has_bar.then(|| new_bar(label, unit, started, &work)),
            label: label.to_owned(),
            unit,
            started,
            work,
        }
    }
}

impl Gauge for Progress {
    fn set(&self, done: u64) {
        let elapsed = self.started.elapsed();
        lock(&self.work).pace.observe(elapsed, done);
        self.show(done);
    }

    fn show(&self, done: u64) {
        let mut work = lock(&self.work);
        work.done = done;
        if let Some(bar) = &self.bar {
            // The bar asks for the figures while it draws itself.
            drop(work);
            bar.set_position(done);
        } else if work.last_line.elapsed() >= PLAIN_INTERVAL && done < work.total {
            work.last_line = Instant::now();
            let figures = figures(&work, self.unit, self.started.elapsed());
            note(format_args!("{}: {figures}", self.label));
        }
    }

    /// Ends the display with one line that says what was done, and how fast.
    fn finish(self: Box<Self>, done: u64) {
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
}

/// A person in front of stderr.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Gives freed memory back to the system; how, the program's allocator knows.
    pub give_back: fn(),
}

impl Watch for Terminal {
    fn note(&self, text: &dyn fmt::Display) {
        note(text);
    }

    fn warning(&self, text: &dyn fmt::Display) {
        warning(text);
    }

    fn begin(&self, label: &str, total: u64, unit: Unit) -> Box<dyn Gauge> {
        Box::new(Progress::start(label, total, unit))
    }

    fn before_loading(&self) {
        (self.give_back)();
    }
}

fn lock(work: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Done, total, left, rate and time left; those that are not known are left out.
fn figures(work: &Seen, unit: Unit, elapsed: Duration) -> String {
    let to_do = work.total.saturating_sub(work.done);
    let mut parts = vec![
        format!("{} of {}", unit.number(work.done), unit.count(work.total)),
        format!("{} to go", unit.number(to_do)),
    ];
    parts.extend(work.pace.rate().map(|rate| unit.rate(rate)));
    let left = work.pace.left(elapsed);
    parts.extend(left.map(|left| format!("about {} left", rough_duration(left))));
    parts.join(", ")
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Generations => "generations",
            Self::Prompts => "prompts",
            Self::Strings => "strings",
            Self::Bytes => "",
        }
    }

    fn number(self, n: u64) -> String {
        match self {
            Self::Bytes => HumanBytes(n).to_string(),
            Self::Generations | Self::Prompts | Self::Strings => n.to_string(),
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
            Self::Generations | Self::Prompts | Self::Strings => {
                format!("{per_second:.1} {}/s", self.name())
            }
        }
    }
}

fn new_bar(label: &str, unit: Unit, started: Instant, work: &Arc<Mutex<Seen>>) -> ProgressBar {
    let total = lock(work).total;
    let work = Arc::clone(work);
    let write_figures = move |_: &ProgressState, out: &mut dyn fmt::Write| {
        // A bar that cannot be drawn is drawn again half a second later.
        let _ = out.write_str(&figures(&lock(&work), unit, started.elapsed()));
    };
    let style = ProgressStyle::with_template("{msg} {wide_bar} {figures}")
        .expect("the template is a constant that indicatif accepts")
        .with_key("figures", write_figures);
    let bar = ProgressBar::new(total)
        .with_style(style)
        .with_message(visible(label));
    bar.enable_steady_tick(TICK_INTERVAL);
    bar
}

/// A time left in steps that a person can keep up with: `8 s`, `45 s`, `2 min 10 s`, `34 min`, `1 h 12 min`.
fn rough_duration(left: Duration) -> String {
    let seconds = left.as_secs_f64().ceil();
    let step = match seconds {
        ..=10.0 => 1.0,
        ..=60.0 => 5.0,
        ..=600.0 => 10.0,
        _ => 60.0,
    };
    match (seconds / step).ceil() * step {
        seconds @ ..60.0 => format!("{seconds:.0} s"),
        seconds @ ..3600.0 if seconds % 60.0 == 0.0 => format!("{:.0} min", seconds / 60.0),
        seconds => duration(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_left_are_in_steps() {
        let cases = [
            (0.2, "1 s"),
            (7.9, "8 s"),
            (41.0, "45 s"),
            (58.0, "1 min"),
            (121.0, "2 min 10 s"),
            (600.0, "10 min"),
            (601.0, "11 min"),
            (4290.0, "1 h 12 min"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(rough_duration(Duration::from_secs_f64(seconds)), expected);
        }
    }

    /// The figures when so many of 200 were done after so many seconds, a second later.
    fn check_figures(unit: Unit, seen: &[(u64, u64)], expected: &str) {
        let mut work = Seen {
            total: 200,
            done: 0,
            pace: Pace::new(200),
            last_line: Instant::now(),
        };
        let mut elapsed = Duration::ZERO;
        for &(seconds, done) in seen {
            elapsed = Duration::from_secs(seconds);
            work.done = done;
            work.pace.observe(elapsed, done);
        }
        assert_eq!(
            figures(&work, unit, elapsed + Duration::from_secs(1)),
            expected
        );
    }

    #[test]
    fn figures_say_only_what_is_known() {
        let generations = Unit::Generations;
        check_figures(generations, &[], "0 of 200 generations, 200 to go");
        check_figures(generations, &[(1, 3)], "3 of 200 generations, 197 to go");
        check_figures(
            generations,
            &[(1, 3), (40, 80)],
            "80 of 200 generations, 120 to go, 2.0 generations/s, about 1 min left",
        );
        check_figures(
            Unit::Bytes,
            &[(10, 100)],
            "100 B of 200 B, 100 B to go, 10 B/s, about 9 s left",
        );
    }
}
