//! A template with the texts of its prompts, as its concepts see them.
//!
//! Owns the form in which generations of one template are compared: repeats and distributions alike. What is found in it,
//! `specificity` says.

/// A text of a prompt, with its part of the prompt's texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupText<'a> {
    /// The text.
    pub text: &'a str,
    /// Its repeat; None where texts are a distribution.
    pub repeat_idx: Option<u32>,
    /// Its part; those of a prompt add up to 1.
    pub weight: f64,
}

/// A concept that texts are measured by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredConcept<'a> {
    /// The concept.
    pub concept: &'a str,
    /// Its family, else the concept itself; in lower case.
    pub family: &'a str,
}

/// The repeats of a test and of its control prompt that are compared; None where texts are distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComparedRepeats {
    /// The number of the verdict.
    pub verdict_idx: u32,
    /// Of the test prompt, and of any other in the same slot.
    pub test: Option<u32>,
    /// Of the control prompt.
    pub control: Option<u32>,
}

impl ComparedRepeats {
    /// A repeat with the control's of the same number, or two distributions.
    pub fn equal(repeat_idx: Option<u32>) -> Self {
        Self {
            verdict_idx: repeat_idx.unwrap_or(0),
            test: repeat_idx,
            control: repeat_idx,
        }
    }
}

/// A prompt with something in its slot.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldPrompt<'a> {
    /// The prompt.
    pub prompt: &'a str,
    /// The texts that it was continued with, at least one; repeats in their order.
    pub texts: Vec<GroupText<'a>>,
}

/// Everything that is compared of one template and control.
///
/// The first concepts and prompts are those of the pairs, in the same order. Further concepts are the anchors of pairs
/// without siblings, further prompts hold fillers.
#[derive(Debug, Clone, PartialEq)]
pub struct Group<'a> {
    /// Number of pairs.
    pub n_pairs: usize,
    /// The concepts.
    pub measured: Vec<MeasuredConcept<'a>>,
    /// The prompts.
    pub held: Vec<HeldPrompt<'a>>,
    /// The repeats of each pair that are compared, in the order of verdicts.
    pub compared: Vec<Vec<ComparedRepeats>>,
    /// The texts of the control prompt; repeats in their order.
    pub control: Vec<GroupText<'a>>,
    /// `similarities[measured][held][text]`, rounded.
    pub similarities: Vec<Vec<Vec<f64>>>,
    /// `control_similarities[measured][text]`, rounded.
    pub control_similarities: Vec<Vec<f64>>,
}

impl HeldPrompt<'_> {
    /// The places and weights of one repeat's texts, or of all.
    pub(super) fn at(&self, repeat_idx: Option<u32>) -> Vec<(usize, f64)> {
        texts_at(&self.texts, repeat_idx)
    }
}

/// The places and weights of one repeat's texts, or of all.
pub(super) fn texts_at(of_prompt: &[GroupText<'_>], repeat_idx: Option<u32>) -> Vec<(usize, f64)> {
    let texts = of_prompt.iter().enumerate();
    match repeat_idx {
        None => texts.map(|(place, text)| (place, text.weight)).collect(),
        Some(_) => {
            let found = of_prompt.binary_search_by_key(&repeat_idx, |text| text.repeat_idx);
            found.into_iter().map(|place| (place, 1.0)).collect()
        }
    }
}
