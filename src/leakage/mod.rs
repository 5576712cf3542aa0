//! Leakage: from similarities to the verdict on a pair, and from verdicts to the Mean Leak-Rate.
//!
//! Owns the definitions of V. Smilga, "Scaling Down Semantic Leakage" (arXiv 2501.06638), after
//! H. Gonen et al., "Does Liking Yellow Imply Driving a School Bus?" (arXiv 2408.06518).
//! Two similarities are known: the cosine of sentence embeddings, and BERTScore. It is pure: texts and vectors come in,
//! numbers go out.

mod bertscore;
mod bounds;
mod claim;
mod comparison;
mod crossing;
mod design;
mod detection;
mod diagnostics;
mod diversity;
mod echo;
mod estimate;
mod exact;
mod figure;

mod flips;
mod group;
mod judges;
mod kind;
mod leak;
mod leak_rate;
mod matrix;
mod mean_exact;
mod measure;
mod mentions;
mod metric;
mod pooled;
mod promises;
mod similarity;
mod simulation;
mod specific_rate;
mod specificity;
mod spread;
mod trends;
mod weights;
mod words;

pub use bertscore::{BertScore, TokenVectors};
pub use bounds::Bounds;
pub use claim::{Claim, Direction, Origin, P_VALUE_MAX, side_of};
pub use comparison::{
    ByCategory, CategoryTest, Clusters, Comparison, ConditionRate, MarginTest, MeasuredComparisons,
    PairRates, SpecificComparison, Tests, compare_measures, compare_with_base, condition_rate,
    metric_agreement, pair_rates,
};
pub use design::{BestNumbers, Components, Design, RowCosts};
pub use detection::{
    Detectable, POWER, PRIORS, concept_component, detectable, difference_components,
};
pub use diagnostics::{
    DiagnosedPair, Diagnostics, Flaw, FlawCount, PairReading, Side, diagnostics,
};
pub use diversity::{Diversity, diversity};
pub use echo::echoes;
pub use estimate::{CrossedPair, ExactPair, PairEstimate, ScoredPair, estimates};
pub use exact::{
    ExactLeak, LeakingText, TextDistribution, WeightedText, exact_leak, leaking_texts,
    scale_and_part,
};
pub use figure::Figure;
pub use flips::{ChangedPair, Flips, changed_pairs, count_flips, repeat_disagreement};
pub use group::{ComparedRepeats, Group, GroupText, HeldPrompt, MeasuredConcept};
pub use judges::{Choice, JudgeAgreement, JudgedItem, JudgedRate, judge_agreement};
pub use kind::{ClusterUnit, Concepts, RateKind};
pub use leak::Leak;
pub use leak_rate::{ExactRate, LeakRate, leak_rates, striking_leaks};
pub use matrix::{ConceptMatrix, TemplateSimilarities};
pub use mean_exact::with_exact;
pub use measure::Measure;
pub use metric::{Metric, Rounding, Signature};
pub use pooled::pooled;
pub use promises::{
    CHECKS, Check, KeptPromises, PlanPromise, kept_promises, plan_promise, simulated_components,
};
pub use similarity::{cosine, rounded};
pub use simulation::{ConceptEffects, SimulatedDesign};
pub use specific_rate::{PERMUTATIONS, PlaceboRate, SpecificRate};
pub use specificity::{SiblingFigures, Specific};
pub use spread::{PairSpread, SpreadDifference, mean_spreads, pair_spreads, spread_difference};
pub use trends::{LeakTrend, LevelContrast, leak_trends};
