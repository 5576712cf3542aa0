//! Statistics: pure functions of numbers, each with its source.
//!
//! Owns estimates, intervals and p-values. It knows no prompts and no leaks and reads nothing; where it draws, it
//! draws from a seed that it is given.

mod agreement;
mod components;
mod crossed;
mod draws;
mod drift;
mod equivalence;
mod heterogeneity;
mod interval;
mod multiple;
mod normal;
mod paired;
mod permutation;
mod power;
mod sign_flip;
mod trend;
mod upper;
mod variance;

pub use agreement::{Agreement, ClusteredAgreement, Kappa, agreement, clustered_agreement};
pub use components::{
    Observation, Repeats, VarianceComponents, opposed_components, variance_components,
};
pub use crossed::crossed_component;
pub use draws::Draws;
pub use drift::{Drift, MeanLogprobs, TopTokens, drift, kl_divergence, mean_logprobs};
pub use equivalence::{EQUIVALENCE_LEVEL, Equivalence, equivalence};
pub use heterogeneity::{Heterogeneity, heterogeneity};
pub use interval::{ClusterMean, Interval, cluster_mean, cluster_mean_about_zero};
pub use multiple::holm;
pub use normal::{normal_cdf, normal_quantile};
pub use paired::{PairedDifference, paired_difference};
pub use permutation::{N_PERMUTATIONS_MAX, Permutations, permutation_p_value};
pub use power::detectable_difference;
pub use sign_flip::{N_EXACT_MAX, PValue, SignFlips, sign_flip_p_value};
pub use trend::{N_LEVELS_MIN, Step, Trend, slope_weights, trend};
pub use variance::{Clustering, Crossing, degrees_of_freedom};
