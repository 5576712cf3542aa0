//! The sampling values of a condition in JSON.
//!
//! Owns their names, which are those of the experiment file.

use serde::Serialize;

use crate::generation::{SamplingParams, StopRule};

#[derive(Serialize)]
pub(super) struct SamplingObject<'a> {
    temperature: f64,
    top_k: u32,
    top_p: f64,
    min_p: f64,
    repetition_penalty: f64,
    max_tokens: u32,
    stop: StopObject<'a>,
    draws: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum StopObject<'a> {
    Word(&'a str),
    Strings(&'a [String]),
}

impl<'a> SamplingObject<'a> {
    pub(super) fn of(sampling: &'a SamplingParams) -> Self {
        Self {
            temperature: sampling.temperature,
            top_k: sampling.top_k,
            top_p: sampling.top_p,
            min_p: sampling.min_p,
            repetition_penalty: sampling.repetition_penalty,
            max_tokens: sampling.max_tokens,
            stop: match &sampling.stop {
                StopRule::SentenceEnd => StopObject::Word("sentence_end"),
                StopRule::None => StopObject::Word("none"),
                StopRule::Strings(strings) => StopObject::Strings(strings),
            },
            draws: sampling.draws.as_str(),
        }
    }
}
