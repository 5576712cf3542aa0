//! Metrics: the names of similarities, and the signature that says what a figure depends on.
//!
//! Owns the names, which stand in YAML, SQL and reports, and the form of a signature. How a similarity is computed is
//! in `similarity` and `bertscore`.

use std::fmt;

use crate::digest::Digest;

/// A similarity of a concept and a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Cosine of sentence embeddings.
    Sbert,
    /// F1 of BERTScore.
    Bertscore,
    /// Precision of BERTScore: how well the generation covers the concept.
    BertscorePrecision,
    /// Recall of BERTScore: how well the concept covers the generation.
    BertscoreRecall,
}

impl Metric {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sbert => "sbert",
            Self::Bertscore => "bertscore",
            Self::BertscorePrecision => "bertscore-precision",
            Self::BertscoreRecall => "bertscore-recall",
        }
    }

    /// True if the metric compares the vectors of tokens and not those of whole texts.
    pub fn is_of_tokens(self) -> bool {
        self != Self::Sbert
    }

    /// Returns the name of the way in which the hidden states of a text become vectors.
    fn pooling(self) -> &'static str {
        if self.is_of_tokens() {
            "no-idf"
        } else {
            "mean"
        }
    }
}

/// To how many decimals similarities are rounded before they are compared; None compares them as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rounding(pub Option<u8>);

impl Rounding {
    /// As in the published work.
    pub const PUBLISHED: Self = Self(Some(3));
}

/// The facts that a figure depends on besides the generations, in one line, as bert_score prints for its figures.
///
/// Two figures may be compared when their signatures are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The similarity.
    pub metric: Metric,
    /// The encoder's name.
    pub encoder: &'a str,
    /// SHA-256 of the encoder's GGUF.
    pub encoder_sha256: Digest,
    /// The layer whose hidden states are used, from 1.
    pub layer: u32,
    /// How similarities are rounded.
    pub rounding: Rounding,
    /// The program's version.
    pub seep_version: &'a str,
}

impl fmt::Display for Signature<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, pooling) = (self.metric.name(), self.metric.pooling());
        write!(f, "{name}_{}_L{}_{pooling}", self.encoder, self.layer)?;
        match self.rounding {
            Rounding(Some(decimals)) => write!(f, "_round{decimals}")?,
            Rounding(None) => write!(f, "_unrounded")?,
        }
        write!(
            f,
            "_sha256={}_seep={}",
            self.encoder_sha256.short(),
            self.seep_version
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_one_line_and_differ_in_all_that_matters() {
        let sbert = Signature {
            metric: Metric::Sbert,
            encoder: "all-minilm-l6-v2",
            encoder_sha256: Digest::of(b"weights"),
            layer: 6,
            rounding: Rounding::PUBLISHED,
            seep_version: "0.1.0",
        };
        let short = Digest::of(b"weights").short();
        let expected = format!("sbert_all-minilm-l6-v2_L6_mean_round3_sha256={short}_seep=0.1.0");
        assert_eq!(sbert.to_string(), expected);
        let f1 = Signature {
            metric: Metric::Bertscore,
            layer: 5,
            rounding: Rounding(None),
            ..sbert
        };
        let expected =
            format!("bertscore_all-minilm-l6-v2_L5_no-idf_unrounded_sha256={short}_seep=0.1.0");
        assert_eq!(f1.to_string(), expected);
    }
}
