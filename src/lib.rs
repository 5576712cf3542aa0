//! A laboratory for semantic leakage in quantized language models.

pub mod digest;
pub mod embedding;
pub mod engine;
pub mod experiment;
pub mod generation;
pub mod gguf;
pub mod leakage;
pub mod llama;
pub mod prompt;
pub mod sampling;
pub mod stats;
pub mod store;
