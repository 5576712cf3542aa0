//! Prompt pairs as they are paged through.

use crate::leakage::Leak;

/// A prompt pair, without anything that was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairPrompts {
    /// Its place in the experiment, from 0.
    pub pair_idx: usize,
    /// The concept.
    pub concept: String,
    /// The category.
    pub category: String,
    /// The template it was made from; None for a free-standing pair.
    pub template_id: Option<String>,
    /// The prompt with the concept.
    pub test_prompt: String,
    /// The prompt without the concept.
    pub control_prompt: String,
}

/// A prompt pair, and what was made of it under each condition.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownPair {
    /// The experiment's name.
    pub experiment: String,
    /// The pair.
    pub pair: PairPrompts,
    /// The results of the pair under each condition.
    pub conditions: Vec<ShownCondition>,
}

/// The results of a pair under one condition.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownCondition {
    /// Model, quantization and whatever else tells it from others.
    pub label: String,
    /// The metric and the seed: verdicts of others are not comparable.
    pub metric_and_seed: (String, u64),
    /// The repeats, in their order.
    pub repeats: Vec<ShownRepeat>,
}

/// One repeat of a pair.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownRepeat {
    /// The repeat, from 0.
    pub repeat_idx: u32,
    /// The generation for the test prompt.
    pub test_generation: String,
    /// The generation for the control prompt.
    pub control_generation: String,
    /// Similarity of the concept and the test generation.
    pub similarity_test: f64,
    /// Similarity of the concept and the control generation.
    pub similarity_control: f64,
    /// The verdict.
    pub leak: Leak,
    /// True if the concept itself stands in the test generation.
    pub is_echo: bool,
}

/// A text and its probability, 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct LikelyText {
    /// The text.
    pub text: String,
    /// Its probability.
    pub probability: f64,
}

/// A generation and its similarity to the concept.
#[derive(Debug, Clone, PartialEq)]
pub struct SimilarText {
    /// The text.
    pub text: String,
    /// The similarity, -1 to 1.
    pub similarity: f64,
}

/// The texts behind an estimate.
#[derive(Debug, Clone, PartialEq)]
pub enum Texts {
    /// The generations of one repeat.
    Generations {
        /// For the test prompt.
        test: SimilarText,
        /// For the control prompt.
        control: SimilarText,
    },
    /// The continuations that tell most, each with its probability.
    Likely {
        /// Of the test prompt.
        test: Vec<LikelyText>,
        /// Of the control prompt.
        control: Vec<LikelyText>,
    },
}
