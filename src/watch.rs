//! The signs by which a person sees how work goes on: notes, warnings, progress.
//!
//! Owns the seam between the work and whoever watches it, and what is counted. Where lines and bars go is the
//! business of the one who watches: the program's is [`crate::progress`], a library may stay [`Silent`].

use std::fmt;

/// Shows how work goes on.
pub trait Watch: Send + Sync {
    /// Shows one line that a person may want to see once.
    fn note(&self, text: &dyn fmt::Display);

    /// Shows one line that a person has to know.
    fn warning(&self, text: &dyn fmt::Display);

    /// Begins to show the progress of `label` with `total` to do.
    fn begin(&self, label: &str, total: u64, unit: Unit) -> Box<dyn Gauge>;

    /// A model is about to be loaded: memory that was freed may be given back to the system.
    fn before_loading(&self) {}
}

/// Shows the progress of one piece of work.
pub trait Gauge: Sync {
    /// Shows that `done` of the total are done, at an even pace: the rate and the time left follow.
    fn set(&self, done: u64);

    /// Shows that `done` of the total are done in the middle of a group whose end is what tells the pace.
    fn show(&self, done: u64);

    /// Ends the display with what was done.
    fn finish(self: Box<Self>, done: u64);
}

/// Amounts of work, by what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Generations.
    Generations,
    /// Prompts whose continuations are enumerated.
    Prompts,
    /// Strings to embed.
    Strings,
    /// Bytes of a file.
    Bytes,
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Watch for Silent {
    fn note(&self, _text: &dyn fmt::Display) {}

    fn warning(&self, _text: &dyn fmt::Display) {}

    fn begin(&self, _label: &str, _total: u64, _unit: Unit) -> Box<dyn Gauge> {
        Box::new(Self)
    }
}

impl Gauge for Silent {
    fn set(&self, _done: u64) {}

    fn show(&self, _done: u64) {}

    fn finish(self: Box<Self>, _done: u64) {}
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
