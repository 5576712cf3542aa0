//! `sampling.preset`: where sampling values come from that the file does not write out.
//!
//! Owns the names of the presets and the values of the one that holds for every model. A preset gives the values that
//! change probabilities, never what ends a generation, the repeats or the seed. What a preset stood for is written
//! out in everything that is recorded.

use super::node::{Node, Value};
use super::problem::Problem;
use super::read::{Fields, Reader, shortened};
use super::source::Position;
use super::suggest::did_you_mean;

/// A named set of sampling values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// The values of Hugging Face transformers where nothing is set.
    TransformersDefaults,
    /// The values that the publisher of each model recommends, in its `generation_config.json`.
    ModelDefaults,
}

/// The sampling values that a preset gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplingDefaults {
    /// Divisor of the logits.
    pub temperature: f64,
    /// How many most probable tokens stay; 0 keeps all.
    pub top_k: u32,
    /// The probability that the tokens that stay reach together; 1 keeps all.
    pub top_p: f64,
    /// Which part of the largest probability a token needs to stay; 0 keeps all.
    pub min_p: f64,
    /// The penalty on tokens of the prompt and of the text so far; 1 changes nothing.
    pub repetition_penalty: f64,
}

impl SamplingDefaults {
    /// The values of Hugging Face transformers with `do_sample=True` and nothing else set
    /// (`GenerationConfig._get_default_generation_params` of version 5.24.0, as in version 4); it has no min-p then.
    pub const TRANSFORMERS: Self = Self {
        temperature: 1.0,
        top_k: 50,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
    };
}

impl Preset {
    const ALL: [Self; 2] = [Self::TransformersDefaults, Self::ModelDefaults];

    /// The name in an experiment and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TransformersDefaults => "transformers-defaults",
            Self::ModelDefaults => "model-defaults",
        }
    }
}

impl Reader {
    /// The preset and where it is named.
    pub(crate) fn preset(&mut self, fields: &Fields<'_>) -> Option<(Preset, Position)> {
        let node = fields.get("preset")?;
        let Value::String(name) = &node.value else {
            let example = Some("preset: model-defaults");
            self.wrong_type(node, "sampling.preset", "the name of a preset", example);
            return None;
        };
        let found = Preset::ALL
            .into_iter()
            .find(|preset| preset.as_str() == name);
        if found.is_none() {
            self.report(unknown_preset(node, name));
        }
        Some((found?, node.position.clone()))
    }
}

fn unknown_preset(node: &Node, name: &str) -> Problem {
    let names = Preset::ALL.map(Preset::as_str);
    let meant = did_you_mean(name, names).map(|meant| format!("did you mean `{meant}`?"));
    Problem::error(
        &node.position,
        format!("unknown preset `{}`", shortened(name)),
    )
    .label(format!("expected one of: {}", names.join(", ")))
    .maybe_hint(meant)
}
