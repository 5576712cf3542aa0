//! Claims: the sentences that the figures of a rate or of a difference allow.
//!
//! Owns when a claim is made: where the interval of specificity and its test agree. A Leak-Rate alone says only that
//! something in the slot matters. How a claim is put into words is in `report`.

use super::comparison::{CategoryTest, Comparison, MarginTest, SpecificComparison};
use super::leak_rate::LeakRate;
use super::measure::Measure;
use super::specific_rate::SpecificRate;
use super::trends::{LeakTrend, LevelContrast};
use crate::stats::Interval;

/// A p-value up to this goes with a 95 % interval.
pub const P_VALUE_MAX: f64 = 0.05;

/// The claim on one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Generations are closer to the concept of their own prompt.
    Leaks(Origin),
    /// Generations are farther from the concept of their own prompt.
    Avoids,
    /// The Leak-Rate is above one half, but which concept stands in the prompt cannot be told to matter.
    SlotRaises,
    /// The Leak-Rate is below one half, and the same.
    SlotLowers,
    /// Nothing can be told.
    CannotTell,
    /// No pair has siblings.
    NoSiblings,
}

/// The way in which a concept comes out, as far as the parts of specificity tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The concept or the prompt is repeated.
    Repetition,
    /// It is not repeated but near in meaning.
    Association,
    /// Both.
    Both,
    /// Neither part can be told from 0 by itself.
    Unclear,
}

/// The side of a value on which an interval lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// All of it is above.
    Above,
    /// All of it is below.
    Below,
}

impl LeakRate {
    /// The claim on this rate.
    pub fn claim(&self) -> Claim {
        let Some(specific) = &self.specific else {
            return Claim::NoSiblings;
        };
        match specific.direction() {
            Some(Direction::Above) => Claim::Leaks(specific.origin()),
            Some(Direction::Below) => Claim::Avoids,
            None => match side_of(specific.leak_rate.interval, 50.0) {
                Some(Direction::Above) => Claim::SlotRaises,
                Some(Direction::Below) => Claim::SlotLowers,
                None => Claim::CannotTell,
            },
        }
    }
}

impl SpecificRate {
    /// The side of 50 % on which specificity lies, where interval and permutation test agree.
    fn direction(&self) -> Option<Direction> {
        let is_small = self
            .p_value
            .is_some_and(|p_value| p_value.value <= P_VALUE_MAX);
        side_of(self.figure(Measure::Specificity).interval, 50.0).filter(|_| is_small)
    }

    fn origin(&self) -> Origin {
        let side = |measure: Measure| side_of(self.figure(measure).interval, 0.0);
        origin_of(
            side(Measure::SpecificityRepetition) == Some(Direction::Above),
            side(Measure::SpecificityAssociation) == Some(Direction::Above),
        )
    }
}

impl Comparison {
    /// The side of 0 on which the difference lies, where its interval and its corrected p-value agree.
    pub fn direction(&self) -> Option<Direction> {
        side_of(self.interval, 0.0).filter(|_| self.holm_p_value <= P_VALUE_MAX)
    }
}

impl MarginTest {
    /// True where the difference is within the margin: the corrected p-value is small, so the interval is within it too.
    pub fn is_within(&self) -> bool {
        self.holm_p_value <= P_VALUE_MAX
    }
}

impl CategoryTest {
    /// True where the difference depends on the category.
    pub fn depends(&self) -> bool {
        self.holm_p_value <= P_VALUE_MAX
    }
}

impl LeakTrend {
    /// True if nothing speaks against a straight line: the means only rise or only fall, and do so by a line.
    pub fn is_line(&self) -> bool {
        self.is_monotone && self.lack_of_fit_p_value > P_VALUE_MAX
    }

    /// The side of 0 on which the slope lies, where its interval and its corrected p-value agree.
    pub fn direction(&self) -> Option<Direction> {
        side_of(self.interval, 0.0).filter(|_| self.holm_p_value <= P_VALUE_MAX)
    }
}

impl LevelContrast {
    /// The side of 0 on which the difference lies, where its interval and its corrected p-value agree.
    pub fn direction(&self) -> Option<Direction> {
        side_of(self.interval, 0.0).filter(|_| self.holm_p_value <= P_VALUE_MAX)
    }
}

impl SpecificComparison {
    /// The parts of specificity whose difference lies on the side of the whole, by their intervals.
    pub fn origin(&self, direction: Direction) -> Origin {
        let side = |measure: Measure| side_of(self.by(measure).interval, 0.0);
        origin_of(
            side(Measure::SpecificityRepetition) == Some(direction),
            side(Measure::SpecificityAssociation) == Some(direction),
        )
    }
}

fn origin_of(is_repeated: bool, is_associated: bool) -> Origin {
    match (is_repeated, is_associated) {
        (true, true) => Origin::Both,
        (true, false) => Origin::Repetition,
        (false, true) => Origin::Association,
        (false, false) => Origin::Unclear,
    }
}

/// The side of `value` on which an interval lies; None where it holds it or is not there.
pub fn side_of(interval: Option<Interval>, value: f64) -> Option<Direction> {
    let interval = interval?;
    if interval.lower > value {
        Some(Direction::Above)
    } else if interval.upper < value {
        Some(Direction::Below)
    } else {
        None
    }
}
