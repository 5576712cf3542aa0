//! Names of ways in which rates come about, and of bonds between prompts.
//!
//! Owns the words; how a rate is computed is in `leak_rate`.

/// The source of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RateKind {
    /// Repeats, which were drawn.
    Repeats,
    /// Enumerated continuations.
    Exact,
}

impl RateKind {
    /// The word for it, on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Repeats => "repeats",
            Self::Exact => "exact",
        }
    }
}

/// The concepts that intervals speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concepts {
    /// How many there are.
    pub n: usize,
    /// True if they stand for others like them, as prompts do; else intervals are for these very concepts.
    pub are_random: bool,
}

/// The bond between prompts of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClusterUnit {
    /// Their control prompt.
    #[default]
    Control,
    /// Their template; a pair without one counts by its control prompt.
    Template,
}
