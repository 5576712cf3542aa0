//! Words among which several commands let choose.

use clap::ValueEnum;

/// The common part of the prompts of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClusterUnit {
    /// Their control prompt.
    Control,
    /// Their template; a pair without one counts by its control prompt.
    Template,
}

/// The things that intervals speak of besides prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generalise {
    /// Other concepts too.
    Concepts,
}

/// Where rates come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RateKind {
    /// Repeats, which were drawn.
    Repeats,
    /// Enumerated continuations.
    Exact,
}

impl From<RateKind> for crate::leakage::RateKind {
    fn from(kind: RateKind) -> Self {
        match kind {
            RateKind::Repeats => Self::Repeats,
            RateKind::Exact => Self::Exact,
        }
    }
}

impl From<ClusterUnit> for crate::leakage::ClusterUnit {
    fn from(unit: ClusterUnit) -> Self {
        match unit {
            ClusterUnit::Control => Self::Control,
            ClusterUnit::Template => Self::Template,
        }
    }
}
