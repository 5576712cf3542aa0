//! Sampling values in words: all of one sampling, and only those in which several differ.
//!
//! Owns the names of the values, which are those of the experiment file and of the database's columns.

use super::{SamplingParams, StopRule};

impl SamplingParams {
    /// Every value by its name, in the order in which they are applied; numbers in their shortest exact form.
    pub fn named_values(&self) -> [(&'static str, String); 8] {
        [
            ("temperature", format!("{:?}", self.temperature)),
            ("top_k", self.top_k.to_string()),
            ("top_p", format!("{:?}", self.top_p)),
            ("min_p", format!("{:?}", self.min_p)),
            (
                "repetition_penalty",
                format!("{:?}", self.repetition_penalty),
            ),
            ("max_tokens", self.max_tokens.to_string()),
            ("stop", self.stop.to_text()),
            ("draws", self.draws.as_str().to_owned()),
        ]
    }

    /// All values written out, such as `temperature=0.5 top_k=0 top_p=1.0 ...`; equal for equal values only.
    pub fn written_out(&self) -> String {
        joined(self.named_values().iter())
    }
}

impl StopRule {
    /// The word of the rule; a JSON array for strings.
    pub fn to_text(&self) -> String {
        match self {
            Self::SentenceEnd => "sentence_end".to_owned(),
            Self::None => "none".to_owned(),
            Self::Strings(strings) => serde_json::Value::from(strings.as_slice()).to_string(),
        }
    }

    /// The rule of which [`StopRule::to_text`] made this; None for any other text.
    pub fn from_text(text: &str) -> Option<Self> {
        match text {
            "sentence_end" => Some(Self::SentenceEnd),
            "none" => Some(Self::None),
            json => serde_json::from_str(json).ok().map(Self::Strings),
        }
    }
}

/// For each of `samplings` the values in which not all of them agree, such as `repetition_penalty=1.1`.
///
/// They are empty where all are the same, and equal for equal samplings only.
pub fn sampling_labels(samplings: &[&SamplingParams]) -> Vec<String> {
    let values: Vec<_> = samplings
        .iter()
        .map(|sampling| sampling.named_values())
        .collect();
    let differs = |value_idx: &usize| {
        values
            .iter()
            .any(|named| named[*value_idx] != values[0][*value_idx])
    };
    let n_values = values.first().map_or(0, |named| named.len());
    let shown: Vec<usize> = (0..n_values).filter(differs).collect();
    values
        .iter()
        .map(|named| joined(shown.iter().map(|&value_idx| &named[value_idx])))
        .collect()
}

/// A name with what sets a condition apart from others of that name, where anything does.
pub fn joined_label(name: impl Into<String>, differing: [&str; 2]) -> String {
    let mut label = name.into();
    for words in differing.into_iter().filter(|words| !words.is_empty()) {
        label.push(' ');
        label += words;
    }
    label
}

fn joined<'v>(values: impl Iterator<Item = &'v (&'static str, String)>) -> String {
    let words: Vec<String> = values
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::DrawMethod;

    fn sampling(temperature: f64, repetition_penalty: f64) -> SamplingParams {
        SamplingParams {
            temperature,
            top_k: 20,
            top_p: 0.8,
            min_p: 0.0,
            repetition_penalty,
            max_tokens: 10,
            stop: StopRule::Strings(vec!["\n".to_owned(), "\"".to_owned()]),
            draws: DrawMethod::GumbelMax,
        }
    }

    #[test]
    fn all_values_are_written_out() {
        assert_eq!(
            sampling(0.5, 1.05).written_out(),
            "temperature=0.5 top_k=20 top_p=0.8 min_p=0.0 repetition_penalty=1.05 max_tokens=10 stop=[\"\\n\",\"\\\"\"] draws=gumbel_max"
        );
    }

    #[test]
    fn stop_rules_are_read_back() {
        let strings = StopRule::Strings(vec!["none".to_owned(), "\n\"]".to_owned()]);
        for rule in [StopRule::SentenceEnd, StopRule::None, strings] {
            assert_eq!(StopRule::from_text(&rule.to_text()), Some(rule));
        }
        assert_eq!(StopRule::from_text("sentence"), None);
    }

    #[test]
    fn labels_hold_only_what_differs() {
        let label = |samplings: &[SamplingParams]| {
            sampling_labels(&samplings.iter().collect::<Vec<_>>()).join(", ")
        };
        let (a, b, c) = (sampling(0.5, 1.0), sampling(0.5, 1.05), sampling(1.0, 1.0));
        assert_eq!(label(&[]), "");
        assert_eq!(label(&[a.clone(), a.clone()]), ", ");
        assert_eq!(
            label(&[a.clone(), b.clone()]),
            "repetition_penalty=1.0, repetition_penalty=1.05"
        );
        assert_eq!(
            label(&[a, b, c]),
            "temperature=0.5 repetition_penalty=1.0, temperature=0.5 repetition_penalty=1.05, \
             temperature=1.0 repetition_penalty=1.0"
        );
    }
}
