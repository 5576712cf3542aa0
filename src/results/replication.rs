//! The same comparison under several seeds and numerics.

use super::ComparisonReport;
use crate::leakage::Concepts;

/// An experiment's comparisons, made once under each seed and each arithmetic.
#[derive(Debug, Clone)]
pub struct Replication {
    /// The experiment's name.
    pub experiment: String,
    /// The name of the similarity.
    pub metric: String,
    /// The encoder's name.
    pub embedding_model: String,
    /// The kind of text that prompts of one cluster share, in the singular, such as `control prompt`.
    pub unit: String,
    /// Prompt pairs.
    pub n_pairs: usize,
    /// The times that the comparisons were made, at least one.
    pub columns: Vec<ReplicationColumn>,
    /// The comparisons: each base with what is compared with it, then the conditions that nothing is compared with.
    pub groups: Vec<ReplicatedGroup>,
}

impl Replication {
    /// The concepts that intervals speak of; None without any comparison.
    pub fn concepts(&self) -> Option<Concepts> {
        let mut reports = self.groups.iter().flat_map(|group| &group.reports);
        Some(reports.find_map(Option::as_ref)?.concepts)
    }
}

/// One seed under one arithmetic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationColumn {
    /// The database file.
    pub database: String,
    /// SHA-256 of the experiment's text there.
    pub experiment_sha256: String,
    /// Seed of the generations.
    pub seed: u64,
    /// The number by which other arithmetic under the same seed in the same database is told apart, from 1.
    pub numerics_idx: usize,
    /// The version of llama.cpp.
    pub llama_cpp_version: String,
    /// The machines that computed: processor, its features and the device; empty where none is recorded.
    pub machines: Vec<String>,
}

/// A base and what is compared with it, under each seed and arithmetic.
#[derive(Debug, Clone)]
pub struct ReplicatedGroup {
    /// The names of the conditions, the base first; a single one is compared with nothing.
    pub names: Vec<String>,
    /// The comparison of each column; None where the base is not stored there.
    pub reports: Vec<Option<ComparisonReport>>,
    /// The comparison of the means over the columns that have all of these conditions; None with fewer than two.
    pub pooled: Option<ComparisonReport>,
    /// The number of columns in these means.
    pub n_pooled: usize,
}
