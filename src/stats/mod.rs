//! Statistics: pure functions of numbers, each with its source.
//!
//! Owns estimates and intervals. It knows no prompts and no leaks, reads nothing and draws nothing.

mod interval;

pub use interval::{ClusterMean, Interval, cluster_mean};
