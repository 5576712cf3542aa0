//! A laboratory for semantic leakage in quantized language models.

pub mod digest;
pub mod experiment;
pub mod generation;
pub mod gguf;
pub mod leakage;
pub mod stats;
pub mod store;
