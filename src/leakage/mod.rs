//! Leakage: from similarities to the verdict on a pair, and from verdicts to the Mean Leak-Rate.
//!
//! Owns the definitions of V. Smilga, "Scaling Down Semantic Leakage" (arXiv 2501.06638), after
//! H. Gonen et al., "Does Liking Yellow Imply Driving a School Bus?" (arXiv 2408.06518).
//! Two similarities are known: the cosine of sentence embeddings, and BERTScore. It is pure: texts and vectors come in,
//! numbers go out.

mod bertscore;
mod comparison;
mod detection;
mod diagnostics;
mod diversity;
mod echo;
mod exact;
mod exact_difference;
mod exact_rate;
mod flips;
mod kind;
mod leak;
mod leak_rate;
mod metric;
mod similarity;
mod words;

pub use bertscore::{BertScore, TokenVectors};
pub use comparison::{
    Clusters, Comparison, ConditionRate, LeakTrend, PairRates, compare_with_base, condition_rate,
    leak_trend, metric_agreement, pair_rates,
};
pub use detection::{
    Detectable, POWER, PRIOR, detectable, difference_components, exact_difference_components,
};
pub use diagnostics::{DiagnosedPair, Diagnostics, Flaw, FlawCount, Side, diagnostics};
pub use diversity::{Diversity, diversity};
pub use echo::echoes;
pub use exact::{
    ExactLeak, LeakingText, TextDistribution, WeightedText, exact_leak, leaking_texts,
};
pub use exact_difference::{
    ExactDifference, ExactMover, exact_difference, exact_differences, exact_movers,
};
pub use exact_rate::{ExactLeakRate, ExactPair, exact_leak_rates, exact_pair_rates};
pub use flips::{
    FlippedPrompt, Flips, RepeatFlips, count_flips, flipped_prompts, repeat_disagreement,
};
pub use kind::{ClusterUnit, RateKind};
pub use leak::Leak;
pub use leak_rate::{LeakRate, ScoredPair, leak_rates, striking_leaks};
pub use metric::{Metric, Rounding, Signature};
pub use similarity::{cosine, rounded};
