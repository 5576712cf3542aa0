//! Exact leak rates: from the distributions of test and control continuations of a pair instead of repeats.
//!
//! Owns the probability that a pair leaks, its certain bounds, what the draws of a tail add to its uncertainty, and
//! what else two distributions tell about a pair. `docs/exact-leak-rates.md` has the definitions and the proofs.
//! Where the distributions come from is not decided here; rates over many pairs are in `leak_rate`.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::metric::Rounding;
use super::similarity::rounded;
use super::weights::Weights;

/// A text that a prompt may be continued with.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedText {
    /// The text.
    pub text: String,
    /// The probability of all continuations with this text, 0 to 1.
    pub probability: f64,
    /// Its similarity to the concept, -1 to 1, not rounded.
    pub similarity: f64,
    /// The same as it is compared.
    pub rounded: f64,
    /// True if the concept itself stands in the text.
    pub is_echo: bool,
}

impl WeightedText {
    /// A text whose similarity, which must be finite, is compared after `rounding`.
    pub fn new(
        text: &str,
        probability: f64,
        similarity: f64,
        rounding: Rounding,
        is_echo: bool,
    ) -> Self {
        let is_finite = similarity.is_finite();
        assert!(is_finite, "embeddings are checked to be finite");
        Self {
            text: text.to_owned(),
            probability,
            similarity,
            rounded: rounded(similarity, rounding),
            is_echo,
        }
    }
}

/// The known continuations of one prompt, as one concept sees them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TextDistribution {
    /// The distinct texts that were enumerated; their probabilities add up to at most 1.
    pub enumerated: Vec<WeightedText>,
    /// Texts drawn from the rest, each with the same part of what the enumerated texts lack to 1; empty where nothing
    /// was drawn.
    pub drawn: Vec<WeightedText>,
}

impl TextDistribution {
    /// The probability of the enumerated texts, 0 to 1.
    pub fn covered(&self) -> f64 {
        let probabilities = self.enumerated.iter().map(|text| text.probability);
        probabilities.sum::<f64>().min(1.0)
    }

    /// The estimated distribution: the enumerated texts and the draws, with weights that add up to 1.
    ///
    /// Without draws the enumerated texts stand for all: their probabilities are divided by their sum.
    fn weights(&self) -> impl Iterator<Item = (&WeightedText, f64)> {
        let (scale, part) = scale_and_part(self.covered(), self.drawn.len());
        let enumerated = self.enumerated.iter();
        let enumerated = enumerated.map(move |text| (text, scale * text.probability));
        enumerated.chain(self.drawn.iter().map(move |text| (text, part)))
    }

    fn mean(&self, value: impl Fn(&WeightedText) -> f64) -> f64 {
        self.weights()
            .map(|(text, weight)| weight * value(text))
            .sum()
    }
}

/// The factor of the probabilities of enumerated texts, which add up to `covered`, and the weight of each of `n_drawn` draws
/// of the rest, so that all weights add up to 1.
pub fn scale_and_part(covered: f64, n_drawn: usize) -> (f64, f64) {
    match n_drawn {
        0 => (covered.recip(), 0.0),
        _ => (1.0, (1.0 - covered) / n_drawn as f64),
    }
}

/// The comparison of the two distributions of one pair.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactLeak {
    /// The probability that a test continuation is closer to the concept than a control continuation, plus half the
    /// probability that both are equally close, 0 to 1.
    pub probability: f64,
    /// The certain lower bound of `probability`, whatever was not enumerated.
    pub lower: f64,
    /// The certain upper bound of `probability`.
    pub upper: f64,
    /// The probability of a tie, 0 to 1.
    pub tie_probability: f64,
    /// The probability that the concept itself stands in the test continuation, 0 to 1.
    pub echo_probability: f64,
    /// How much closer to the concept test continuations are than control continuations on average, -2 to 2.
    pub similarity_shift: f64,
    /// Half the sum of the differences of the probabilities of all texts, at least, 0 to 1.
    pub total_variation_lower: f64,
    /// The same, at most.
    pub total_variation_upper: f64,
    /// Entropy of the enumerated texts of the test prompt in bits, their probabilities divided by their sum.
    pub entropy_test: f64,
    /// The same for the control prompt.
    pub entropy_control: f64,
    /// The probability of the enumerated test continuations.
    pub covered_test: f64,
    /// The probability of the enumerated control continuations.
    pub covered_control: f64,
    /// The amount that each draw of the test prompt's tail would add to `probability` if it had all the weight of the
    /// tail.
    pub test_influences: Vec<f64>,
    /// The same for the control prompt.
    pub control_influences: Vec<f64>,
}

/// Compares the continuations of a test prompt with those of its control prompt, taken as independent.
///
/// Both must hold at least one text, and similarities must be finite. Takes O((n + m) log (n + m)) for n and m texts.
pub fn exact_leak(test: &TextDistribution, control: &TextDistribution) -> ExactLeak {
    let of_control = rounded_weights(control.weights());
    let of_test = rounded_weights(test.weights());
    let leak = |text: &WeightedText| of_control.leak(text.rounded);
    let no_leak = |text: &WeightedText| of_test.total() - of_test.leak(text.rounded);
    let enumerated = |side: &TextDistribution| {
        let texts = side.enumerated.iter();
        rounded_weights(texts.map(|text| (text, text.probability)))
    };
    let control_enumerated = enumerated(control);
    let lower: f64 = test
        .enumerated
        .iter()
        .map(|text| text.probability * control_enumerated.leak(text.rounded))
        .sum();
    let (covered_test, covered_control) = (test.covered(), control.covered());
    let overlap = overlap(test, control);
    ExactLeak {
        probability: test.mean(leak).clamp(0.0, 1.0),
        lower: lower.clamp(0.0, 1.0),
        upper: (lower + 1.0 - covered_test * covered_control).clamp(0.0, 1.0),
        tie_probability: test
            .mean(|text| of_control.equal(text.rounded))
            .clamp(0.0, 1.0),
        echo_probability: test
            .mean(|text| f64::from(u8::from(text.is_echo)))
            .clamp(0.0, 1.0),
        similarity_shift: test.mean(|text| text.similarity) - control.mean(|text| text.similarity),
        total_variation_lower: (covered_test + covered_control - 1.0 - overlap).clamp(0.0, 1.0),
        total_variation_upper: (1.0 - overlap).clamp(0.0, 1.0),
        entropy_test: entropy(test),
        entropy_control: entropy(control),
        covered_test,
        covered_control,
        test_influences: influences(test, leak),
        control_influences: influences(control, no_leak),
    }
}

fn rounded_weights<'t>(texts: impl Iterator<Item = (&'t WeightedText, f64)>) -> Weights {
    Weights::of(texts.map(|(text, weight)| (text.rounded, weight)))
}

fn influences(side: &TextDistribution, value: impl Fn(&WeightedText) -> f64) -> Vec<f64> {
    let tail = 1.0 - side.covered();
    side.drawn.iter().map(|text| tail * value(text)).collect()
}

/// The probability that both sides have in common among enumerated texts.
fn overlap(test: &TextDistribution, control: &TextDistribution) -> f64 {
    let of_control: HashMap<&str, f64> = control
        .enumerated
        .iter()
        .map(|text| (text.text.as_str(), text.probability))
        .collect();
    let common = test.enumerated.iter().filter_map(|text| {
        let probability = of_control.get(text.text.as_str())?;
        Some(probability.min(text.probability))
    });
    common.sum()
}

fn entropy(side: &TextDistribution) -> f64 {
    let covered = side.covered();
    let terms = side.enumerated.iter().map(|text| {
        let probability = text.probability / covered;
        if probability > 0.0 {
            -probability * probability.log2()
        } else {
            0.0
        }
    });
    terms.sum::<f64>().max(0.0)
}

/// A text that leaks, with how much of the pair's leak probability it accounts for.
#[derive(Debug, Clone, PartialEq)]
pub struct LeakingText {
    /// The text of the test continuation.
    pub text: String,
    /// Its probability.
    pub probability: f64,
    /// Its similarity to the concept.
    pub similarity: f64,
    /// The probability that it is drawn and closer to the concept than a control continuation; ties count half.
    pub leak_probability: f64,
    /// True if the concept itself stands in the text.
    pub is_echo: bool,
}

/// The enumerated test texts that account for most of the leak probability, at most `n_max`; the alphabet decides among
/// equals.
pub fn leaking_texts(
    test: &TextDistribution,
    control: &TextDistribution,
    n_max: usize,
) -> Vec<LeakingText> {
    let of_control = rounded_weights(control.weights());
    let mut found: Vec<LeakingText> = test
        .enumerated
        .iter()
        .map(|text| LeakingText {
            text: text.text.clone(),
            probability: text.probability,
            similarity: text.similarity,
            leak_probability: text.probability * of_control.leak(text.rounded),
            is_echo: text.is_echo,
        })
        .collect();
    found.sort_by(by_leak_probability);
    found.truncate(n_max);
    found
}

fn by_leak_probability(a: &LeakingText, b: &LeakingText) -> Ordering {
    let by_probability = b.leak_probability.total_cmp(&a.leak_probability);
    by_probability.then_with(|| a.text.cmp(&b.text))
}

#[cfg(test)]
mod tests;
