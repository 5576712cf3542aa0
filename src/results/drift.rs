//! The distance of models from a base.

use serde::Serialize;

/// How far one model lies from a base on the prompts of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DriftSummary {
    /// Name and quantization of the base.
    pub base: String,
    /// SHA-256 of the base's file.
    pub base_sha256: String,
    /// The model's name.
    pub model: String,
    /// The label of its quantization.
    pub quantization: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Measured bits per weight.
    pub bits_per_weight: Option<f64>,
    /// Prompts compared.
    pub n_prompts: usize,
    /// Tokens of each distribution that are kept.
    pub k: usize,
    /// Mean divergence of the next-token distribution, nats: a lower bound (`stats::kl_divergence`).
    pub mean_kl: f64,
    /// Its median.
    pub median_kl: f64,
    /// Its largest value.
    pub max_kl: f64,
    /// Part of the prompts after which both find the same token most probable, 0 to 1.
    pub same_top: f64,
    /// Mean probability that the base gives to tokens that are not kept, 0 to 1.
    pub mean_rest: f64,
    /// The model's log-probabilities of the base's generations; None before `seep drift`.
    pub scores: Option<ScoreSummary>,
}

/// Log-probabilities of the base's generations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScoreSummary {
    /// Generations of the base that the model has scored.
    pub n_generations: usize,
    /// Their tokens.
    pub n_tokens: usize,
    /// Mean log-probability of a token under the base itself, nats.
    pub own_logprob: f64,
    /// Mean log-probability of a token under the model, nats.
    pub other_logprob: f64,
}
