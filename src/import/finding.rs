//! The oddities of a file that can be imported.
//!
//! Owns the kinds of findings, how each names its row and column, and how many are shown.

use std::fmt;

use super::table::Place;

/// Findings of one kind that are shown one by one.
const N_SHOWN_MAX: usize = 20;

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A test prompt without a control prompt; left out.
    NoControl,
    /// A row with a control prompt but without a concept; left out.
    NoConcept,
    /// The same pair once more; left out.
    DoubledPair,
    /// A row without a prompt; left out.
    NoPrompt,
    /// An empty cell where a generation should be; that repeat is left out.
    MissingGeneration,
    /// A generation of no characters.
    EmptyGeneration,
    /// The control prompt holds the concept.
    ControlHoldsConcept,
    /// Two rows hold each other's concept.
    SwappedConcepts,
    /// The test prompt does not hold its concept.
    UnusedConcept,
    /// The control prompt is itself a test prompt.
    ControlIsTest,
    /// The same prompt once more.
    DoubledPrompt,
    /// A member of a family that no pair has.
    AbsentMember,
    /// A prompt or a concept with a character that nobody sees.
    Invisible,
    /// A cell that is no text: a formula, an error, a date, a truth value.
    NotText,
}

impl FindingKind {
    /// The kind in words, for counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoControl => "test prompts without a control prompt",
            Self::NoConcept => "rows without a concept",
            Self::DoubledPair => "doubled pairs",
            Self::NoPrompt => "rows without a prompt",
            Self::MissingGeneration => "missing generations",
            Self::EmptyGeneration => "empty generations",
            Self::ControlHoldsConcept => "control prompts that hold the concept",
            Self::SwappedConcepts => "swapped concepts",
            Self::UnusedConcept => "test prompts that do not hold their concept",
            Self::ControlIsTest => "control prompts that are test prompts",
            Self::DoubledPrompt => "doubled prompts",
            Self::AbsentMember => "members of families that no pair has",
            Self::Invisible => "prompts and concepts with invisible characters",
            Self::NotText => "cells that are no text",
        }
    }
}

/// One thing that looks wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    place: Place,
    text: String,
}

impl Finding {
    pub(super) fn new(kind: FindingKind, place: Place, text: impl Into<String>) -> Self {
        Self {
            kind,
            place,
            text: text.into(),
        }
    }

    /// The number of its row.
    pub fn row(&self) -> usize {
        self.place.row
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// The findings as lines: at most 20 of each kind, then how many more there are.
pub fn summary_of(findings: &[Finding]) -> Vec<String> {
    let mut kinds: Vec<FindingKind> = findings.iter().map(|finding| finding.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut lines = Vec::new();
    for kind in kinds {
        let of_kind: Vec<&Finding> = findings.iter().filter(|found| found.kind == kind).collect();
        lines.extend(of_kind.iter().take(N_SHOWN_MAX).map(ToString::to_string));
        if let Some(n_more @ 1..) = of_kind.len().checked_sub(N_SHOWN_MAX) {
            lines.push(format!("{n_more} more {}", kind.name()));
        }
    }
    lines
}
