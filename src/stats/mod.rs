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
mod paired;
mod permutation;
mod power;
mod sign_flip;
mod simulation;
mod trend;
mod upper;

pub use agreement::{Agreement, ClusteredAgreement, Kappa, agreement, clustered_agreement};
pub use components::{Observation, VarianceComponents, opposed_components, variance_components};
pub use crossed::crossed_component;
pub use draws::Draws;
pub use drift::{Drift, MeanLogprobs, TopTokens, drift, kl_divergence, mean_logprobs};
pub use equivalence::{EQUIVALENCE_LEVEL, Equivalence, equivalence};
pub use heterogeneity::{Heterogeneity, heterogeneity};
pub use interval::{
    ClusterMean, Interval, cluster_mean, cluster_mean_about_zero, degrees_of_freedom,
};
pub use multiple::holm;
pub use paired::{PairedDifference, paired_difference};
pub use permutation::{N_PERMUTATIONS_MAX, Permutations, permutation_p_value};
pub use power::detectable_difference;
pub use sign_flip::{N_EXACT_MAX, PValue, SignFlips, sign_flip_p_value};
pub use simulation::{
    DIFFERENCE_MAX, SimulatedDesign, SimulatedPower, SimulatedShares, simulated_power,
    simulated_shares,
};
pub use trend::{N_LEVELS_MIN, Step, Trend, trend};
