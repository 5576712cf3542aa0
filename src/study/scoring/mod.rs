//! From answers to verdicts: embedding, similarity, verdicts and leak probabilities.

pub(crate) mod encoders;
pub(crate) mod encoding;
pub(crate) mod evidence;
pub(crate) mod exact;
mod groups;
pub(crate) mod means;
pub(crate) mod scorer;
pub(crate) mod stored;

pub(crate) use stored::SBERT_MODEL;
pub use stored::Scoring;
