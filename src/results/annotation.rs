//! How far what people say of generations is what a metric says.

use crate::leakage::JudgeAgreement;

/// How far people and a metric agree, of verdicts on generations of one seed that have the same signature.
#[derive(Debug, Clone)]
pub struct AnnotationReport {
    /// The experiment's name.
    pub experiment: String,
    /// SHA-256 of the experiment's text.
    pub experiment_sha256: String,
    /// The name of the similarity.
    pub metric: String,
    /// One line that says what its verdicts depend on besides the generations.
    pub signature: String,
    /// Seed of the generations; None where they were imported.
    pub seed: Option<u64>,
    /// Answers left out because there is no verdict any more on the generations that were shown.
    pub n_without_verdict: usize,
    /// People against the metric: for each annotator, and for all where there are several, all conditions and then each.
    pub people: Vec<PeopleAgreement>,
    /// Any two annotators about the items of which both said something.
    pub between: Vec<BetweenAgreement>,
}

/// People against the metric.
#[derive(Debug, Clone, PartialEq)]
pub struct PeopleAgreement {
    /// The annotator; None for all together, each answer counted.
    pub annotator: Option<String>,
    /// The condition's name; None for all together.
    pub condition: Option<String>,
    /// How far they agree; the other judge is the metric.
    pub agreement: JudgeAgreement,
}

/// Two annotators.
#[derive(Debug, Clone, PartialEq)]
pub struct BetweenAgreement {
    /// The annotators, in alphabetical order.
    pub annotators: [String; 2],
    /// How far they agree.
    pub agreement: JudgeAgreement,
}
