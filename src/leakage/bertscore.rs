//! BERTScore: how well the tokens of two texts match, by the vectors that a BERT gives them.
//!
//! Owns the greedy matching and which tokens count. After T. Zhang et al., "BERTScore: Evaluating Text Generation with
//! BERT" (ICLR 2020), as the program bert_score 0.3.13 computes it without idf and without rescaling. Which layer the
//! vectors come from is not decided here.

use super::similarity::cosine;

/// The vectors of a text's tokens, each of length 1, in order: first that of CLS, last that of SEP.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenVectors(pub Vec<Vec<f32>>);

/// How well two texts match, larger when they are closer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BertScore {
    /// Mean over the candidate's tokens of the best match in the reference, -1 to 1.
    pub precision: f64,
    /// Mean over the reference's tokens of the best match in the candidate, -1 to 1.
    pub recall: f64,
    /// Harmonic mean of both; of opposite signs it can be any number, as it has a pole where they add up to 0.
    pub f1: f64,
}

impl BertScore {
    const NONE: Self = Self {
        precision: 0.0,
        recall: 0.0,
        f1: 0.0,
    };

    /// Compares a candidate with a reference; in the published work the concept is the candidate, the generation the
    /// reference.
    ///
    /// CLS and SEP are left out of both means, but other tokens may match them: bert_score gives them the weight 0 and
    /// does not mask them. A text without tokens of its own scores 0.
    ///
    /// bert_score also lets a token match the padding of its batch, with a similarity of 0, so that what it finds for
    /// tokens whose best match is negative depends on the texts beside them. Here, as there with one pair at a time,
    /// nothing is padded.
    pub fn of(candidate: &TokenVectors, reference: &TokenVectors) -> Self {
        let (candidate, reference) = (&candidate.0, &reference.0);
        if candidate.len() <= 2 || reference.len() <= 2 {
            return Self::NONE;
        }
        let precision = mean_best_match(candidate, reference);
        let recall = mean_best_match(reference, candidate);
        let f1 = 2.0 * precision * recall / (precision + recall);
        Self {
            precision,
            recall,
            // bert_score replaces what is no number.
            f1: if f1.is_nan() { 0.0 } else { f1 },
        }
    }
}

/// The mean over the inner tokens of `texts` of the largest cosine with any token of `others`.
fn mean_best_match(texts: &[Vec<f32>], others: &[Vec<f32>]) -> f64 {
    let inner = &texts[1..texts.len() - 1];
    let best = inner.iter().map(|vector| {
        let cosines = others.iter().map(|other| cosine(vector, other));
        cosines.fold(f64::NEG_INFINITY, f64::max)
    });
    best.sum::<f64>() / inner.len() as f64
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn unit(angle: f64) -> Vec<f32> {
        vec![angle.cos() as f32, angle.sin() as f32]
    }

    fn text(angles: &[f64]) -> TokenVectors {
        TokenVectors(angles.iter().map(|&angle| unit(angle)).collect())
    }

    /// By bert_score 0.3.13, whose function takes the reference first:
    /// ```python
    /// from bert_score.utils import greedy_cos_idf
    /// emb = lambda angles: torch.tensor([[[math.cos(a), math.sin(a)] for a in angles]])
    /// idf = lambda n: torch.tensor([[0.0] + [1.0] * (n - 2) + [0.0]])
    /// a, b = [0.0, 0.5, 1.2, 3.0], [0.1, 2.0, 2.8]
    /// greedy_cos_idf(emb(a), torch.ones(1, 4), idf(4), emb(b), torch.ones(1, 3), idf(3))
    /// ```
    #[test]
    fn bert_score_finds_the_same() {
        let (a, b) = (text(&[0.0, 0.5, 1.2, 3.0]), text(&[0.1, 2.0, 2.8]));
        let found = BertScore::of(&b, &a);
        let expected = [0.696_706_8, 0.808_883_9, 0.748_616_3];
        for (found, expected) in [found.precision, found.recall, found.f1]
            .iter()
            .zip(expected)
        {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn special_tokens_do_not_count_but_can_be_matched() {
        // The only inner token of the candidate is nearest to the reference's CLS.
        let (candidate, reference) = (text(&[9.0, 1.0, 9.0]), text(&[1.0, 3.0, 3.0]));
        let found = BertScore::of(&candidate, &reference);
        assert!((found.precision - 1.0).abs() < 1e-6, "{found:?}");
        let empty = text(&[0.0, 1.0]);
        assert_eq!(BertScore::of(&empty, &reference), BertScore::NONE);
        assert_eq!(BertScore::of(&reference, &empty), BertScore::NONE);
    }

    proptest! {
        #[test]
        fn exchanging_the_texts_exchanges_precision_and_recall(a in vec(0.0..6.0f64, 3..8), b in vec(0.0..6.0f64, 3..8)) {
            let (a, b) = (text(&a), text(&b));
            let (found, exchanged) = (BertScore::of(&a, &b), BertScore::of(&b, &a));
            prop_assert_eq!((found.precision, found.recall), (exchanged.recall, exchanged.precision));
            prop_assert!((BertScore::of(&a, &a).f1 - 1.0).abs() < 1e-6);
        }
    }
}
