//! Results as values: of runs, comparisons, drift, plans, and everything that a report shows.
//!
//! Owns plain data: numbers with their units, texts as they are stored. `study` puts them together, `report` tells them
//! to people and programs; nothing here is escaped or formatted.

mod annotation;
mod comparison;
mod drift;
mod pairs;
mod plan;
mod replication;
mod report;
mod run;

pub use annotation::{AnnotationReport, BetweenAgreement, PeopleAgreement};
pub use comparison::{
    ChangedSide, ChangedText, ComparisonReport, Condition, ConditionComparison, MetricAgreement,
    MetricDifference, ModelTrend, RepeatText,
};
pub use drift::{DriftSummary, ScoreSummary};
pub use pairs::{
    LikelyText, PairPrompts, ShownCondition, ShownPair, ShownRepeat, SimilarText, Texts,
};
pub use plan::{
    AdvisedDesign, ComparisonPlan, Cost, DesignAdvice, DesignBalance, ModelPlan, RunPlan,
    VarianceShares,
};
pub use replication::{ReplicatedGroup, Replication, ReplicationColumn};
pub use report::{
    BaseComparisons, Making, ReportComparison, ReportCondition, ReportData, ReportExperiment,
    ReportLeak, ReportMessages, ReportModel, ReportRun, ReportRunModel,
};
pub use run::{
    DerivationSummary, DifferenceFromBase, Example, MissingModel, ModelSummary, OtherEncoder,
    StoredShare, Summary,
};
