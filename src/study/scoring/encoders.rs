//! Several encoders of the same generations: the figures of the primary one, with those of the others beside them.

use crate::leakage::{ScoredPair, metric_agreement};
use crate::results::{OtherEncoder, Summary};

/// The summary by one encoder.
pub(crate) struct ByEncoder {
    pub(crate) summary: Summary,
    /// Those of each condition.
    pub(crate) verdicts: Vec<Vec<ScoredPair>>,
}

/// The summary by the primary encoder, with what the others found of the same conditions.
pub(crate) fn joined(primary: ByEncoder, others: impl IntoIterator<Item = ByEncoder>) -> Summary {
    let mut summary = primary.summary;
    for other in others {
        let both = primary.verdicts.iter().zip(&other.verdicts);
        summary.encoders.push(OtherEncoder {
            agreements: both.map(|(a, b)| metric_agreement(a, b)).collect(),
            embedding_model: other.summary.embedding_model,
            embedding_model_sha256: other.summary.embedding_model_sha256,
            signature: other.summary.signature,
            models: other.summary.models,
        });
    }
    summary
}
