//! The sections of an experiment that are single values: name, question, prompt and sampling.

use super::PromptFormat;
use super::node::{Node, Value};
use super::problem::Problem;
use super::read::{Fields, NumberRange, PROMPT, Reader, SAMPLING, Text, shortened};
use super::slot::{CONCEPT_SLOT, PROMPT_SLOT, slots};
use super::suggest::did_you_mean;
use crate::generation::{EnumerationParams, SamplingParams, StopRule};

/// Repeats that an experiment can ask for.
pub(crate) const REPEATS_MAX: u32 = 10_000;
/// Tokens that a generation can have.
const TOKENS_MAX: u64 = 4096;

const NOT_NEGATIVE: NumberRange = NumberRange {
    words: "of 0 or more",
    holds: |number| number >= 0.0,
};
const POSITIVE: NumberRange = NumberRange {
    words: "above 0",
    holds: |number| number > 0.0,
};
const ABOVE_0_TO_1: NumberRange = NumberRange {
    words: "above 0, at most 1",
    holds: |number| number > 0.0 && number <= 1.0,
};
const FROM_0_BELOW_1: NumberRange = NumberRange {
    words: "of 0 or more, below 1",
    holds: |number| (0.0..1.0).contains(&number),
};

/// The section `sampling`.
#[derive(Debug, Clone)]
pub(crate) struct Sampling {
    pub(crate) params: SamplingParams,
    pub(crate) n_repeats: u32,
    pub(crate) seed: u64,
    pub(crate) enumeration: Option<EnumerationParams>,
}

impl Reader {
    pub(crate) fn name(&mut self, fields: &Fields<'_>) -> Option<String> {
        let name = self.lowercase_name(fields.get("name")?, "name")?;
        Some(name.to_owned())
    }

    /// The question; its lines are prose, so white space at its end means nothing.
    pub(crate) fn question(&mut self, fields: &Fields<'_>) -> Option<String> {
        let question = self.string(fields.get("question")?, "question")?;
        Some(question.trim().to_owned())
    }

    pub(crate) fn prompt_format(&mut self, top: &Fields<'_>) -> Option<PromptFormat> {
        let example = "user: \"{prompt}\"";
        let fields = self.fields(top.get("prompt")?, &PROMPT, example)?;
        let keys = [("system", "null"), ("user", "\"{prompt}\"")];
        self.require(&fields, "`prompt`", &keys);
        let system = fields.get("system").and_then(|node| self.system(node));
        let user = fields.get("user").and_then(|node| self.user(node));
        Some(PromptFormat {
            system: system?,
            user: user?,
        })
    }

    fn system(&mut self, node: &Node) -> Option<Option<String>> {
        if matches!(node.value, Value::Null) {
            return Some(None);
        }
        if matches!(&node.value, Value::String(text) if text.trim().is_empty()) {
            self.report(
                Problem::error(&node.position, "`prompt.system` is empty")
                    .label("expected some text or null")
                    .hint("`system: null` sends no system message"),
            );
            return None;
        }
        let text = self.text(node, "prompt.system", Text::Lines)?;
        Some(Some(text.to_owned()))
    }

    fn user(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node, "prompt.user", Text::Lines)?;
        let n_slots = text.matches(PROMPT_SLOT).count();
        if n_slots == 1 {
            return Some(text.to_owned());
        }
        let similar = slots(text).find(|slot| did_you_mean(slot.name, ["prompt"]).is_some());
        let problem = match similar {
            Some(slot) if n_slots == 0 => Problem::error(
                &node.position.narrowed(slot.text),
                format!("unknown slot `{}` in `prompt.user`", slot.text),
            )
            .hint(format!("did you mean `{PROMPT_SLOT}`?")),
            _ if n_slots == 0 => Problem::error(&node.position, "`prompt.user` has no `{prompt}`")
                .label("expected `{prompt}` once, where a prompt is put in")
                .maybe_hint(
                    text.contains(CONCEPT_SLOT)
                        .then_some("`{concept}` belongs into templates"),
                ),
            _ => Problem::error(
                &node.position,
                format!("`prompt.user` has `{PROMPT_SLOT}` {n_slots} times"),
            )
            .label("expected it once"),
        };
        self.report(problem);
        None
    }

    pub(crate) fn sampling(&mut self, top: &Fields<'_>) -> Option<Sampling> {
        let fields = self.fields(top.get("sampling")?, &SAMPLING, "temperature: 0.5")?;
        self.require(
            &fields,
            "`sampling`",
            &[
                ("temperature", "0.5"),
                ("top_k", "0"),
                ("top_p", "1.0"),
                ("min_p", "0.0"),
                ("repetition_penalty", "1.0"),
                ("max_tokens", "10"),
                ("stop", "sentence_end"),
                ("repeats", "5"),
                ("seed", "1"),
            ],
        );
        let temperature = self.sampling_number(&fields, "temperature", &NOT_NEGATIVE);
        let top_k = self.sampling_count(&fields, "top_k", 0, u32::MAX.into());
        let top_p = self.sampling_number(&fields, "top_p", &ABOVE_0_TO_1);
        let min_p = self.sampling_number(&fields, "min_p", &FROM_0_BELOW_1);
        let repetition_penalty = self.sampling_number(&fields, "repetition_penalty", &POSITIVE);
        let max_tokens = self.sampling_count(&fields, "max_tokens", 1, TOKENS_MAX);
        let stop = fields.get("stop").and_then(|node| self.stop(node));
        let n_repeats = self.sampling_count(&fields, "repeats", 1, REPEATS_MAX.into());
        let seed = self.sampling_count(&fields, "seed", 0, u64::MAX);
        let n_repeats = n_repeats.and_then(|n_repeats| u32::try_from(n_repeats).ok());
        let enumeration = self.enumeration(&fields, n_repeats);
        let params = SamplingParams {
            temperature: temperature?,
            top_k: u32::try_from(top_k?).ok()?,
            top_p: top_p?,
            min_p: min_p?,
            repetition_penalty: repetition_penalty?,
            max_tokens: u32::try_from(max_tokens?).ok()?,
            stop: stop?,
        };
        Some(Sampling {
            params,
            n_repeats: n_repeats?,
            seed: seed?,
            enumeration: enumeration?,
        })
    }

    fn sampling_number(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        range: &NumberRange,
    ) -> Option<f64> {
        self.number(fields.get(key)?, &format!("sampling.{key}"), range)
    }

    fn sampling_count(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        least: u64,
        most: u64,
    ) -> Option<u64> {
        self.whole_number(fields.get(key)?, &format!("sampling.{key}"), least..=most)
    }

    fn stop(&mut self, node: &Node) -> Option<StopRule> {
        let name = "sampling.stop";
        match &node.value {
            Value::String(rule) => self.stop_rule(node, rule),
            Value::List(_) => {
                let items = self.list(node, name, "stop: [\".\"]")?;
                let strings = items.iter().map(|item| self.stop_string(item));
                let strings: Vec<_> = strings.collect();
                let strings = strings.into_iter().collect::<Option<Vec<String>>>();
                strings.map(StopRule::Strings)
            }
            _ => {
                let expected = "`sentence_end`, `none` or a list of strings";
                self.wrong_type(node, name, expected, Some("stop: sentence_end"));
                None
            }
        }
    }

    fn stop_rule(&mut self, node: &Node, rule: &str) -> Option<StopRule> {
        match rule {
            "sentence_end" => return Some(StopRule::SentenceEnd),
            "none" => return Some(StopRule::None),
            _ => {}
        }
        let hint = match did_you_mean(rule, ["sentence_end", "none"]) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "strings to stop at are a list: `stop: [\".\"]`".to_owned(),
        };
        self.report(
            Problem::error(
                &node.position,
                format!("unknown stop rule `{}`", shortened(rule)),
            )
            .label("expected `sentence_end`, `none` or a list of strings")
            .hint(hint),
        );
        None
    }

    /// A string to stop at; it may be a blank or a line break, but not nothing.
    fn stop_string(&mut self, node: &Node) -> Option<String> {
        let name = "sampling.stop";
        match &node.value {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::String(_) => {
                let message = "`sampling.stop` holds an empty string";
                self.report(
                    Problem::error(&node.position, message)
                        .label("expected at least one character")
                        .hint("`stop: none` stops at no string"),
                );
                None
            }
            _ => {
                self.wrong_type(node, name, "a string", None);
                None
            }
        }
    }
}
