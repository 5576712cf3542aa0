//! From answers to verdicts: embedding, similarity, verdicts and leak probabilities.

pub(crate) mod encoding;
pub(crate) mod exact;
pub(crate) mod repeats;
pub(crate) mod stored;
pub(crate) mod verdicts;

pub use stored::Scoring;
