//! Results as values: of runs, comparisons, drift, plans, and everything that a report shows.
//!
//! Owns plain data: numbers with their units, texts as they are stored. `study` puts them together, `report` tells them
//! to people and programs; nothing here is escaped or formatted.

mod comparison;
mod drift;
mod pairs;
mod plan;
mod report;
mod run;

pub use comparison::{
    ComparisonReport, Condition, ConditionComparison, ExactBounds, ExactCompared, FlippedText,
    MetricAgreement, MetricDifference, ModelTrend, MovedPair, MovedSide, RepeatText,
};
pub use drift::{DriftSummary, ScoreSummary};
pub use pairs::{LikelyText, ShownCondition, ShownPair, ShownRepeat};
pub use plan::{ComparisonPlan, Cost, ModelPlan, RunPlan};
pub use report::{
    BaseComparisons, Making, ReportComparison, ReportCondition, ReportData, ReportExactLeak,
    ReportExperiment, ReportModel, ReportPair, ReportRate, ReportRun, ReportRunModel,
    ReportVerdict,
};
pub use run::{
    DerivationSummary, DifferenceFromBase, ExactExample, Example, ModelSummary, StoredShare,
    Summary,
};
