//! The sections of an experiment that are single values: name, question, prompt, GPU layers and date.

use jiff::civil::Date;

use super::PromptFormat;
use super::node::{Node, Value};
use super::problem::Problem;
use super::read::{Fields, NumberRange, PROMPT, Reader, Text};
use super::slot::{CONCEPT_SLOT, PROMPT_SLOT, slots};
use super::suggest::did_you_mean;

/// More layers than any model has.
const GPU_LAYERS_MAX: u64 = 10_000;
/// The largest margin of equivalence in points, as far as a rate can be from 50 %.
pub const MARGIN_MAX: f64 = 50.0;
const MARGIN: NumberRange = NumberRange {
    words: "above 0, at most 50",
    holds: |number| 0.0 < number && number <= MARGIN_MAX,
};
const DATE_EXAMPLE: &str = "date: 2026-11-28";

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

    /// The layers on the GPU; None where the key is absent, and after a problem was reported.
    pub(crate) fn gpu_layers(&mut self, fields: &Fields<'_>) -> Option<u32> {
        let node = fields.get("gpu_layers")?;
        let number = self.whole_number(node, "gpu_layers", 0..=GPU_LAYERS_MAX)?;
        u32::try_from(number).ok()
    }

    /// The date that chat templates are told; None where the key is absent, and after a problem was reported.
    pub(crate) fn date(&mut self, fields: &Fields<'_>) -> Option<Date> {
        let node = fields.get("date")?;
        let Value::String(text) = &node.value else {
            self.wrong_type(node, "date", "a date", Some(DATE_EXAMPLE));
            return None;
        };
        // The parser takes shorter forms and times too, which are written otherwise than they were read.
        let parsed: Option<Date> = text.parse().ok();
        let date = parsed.filter(|date| date.to_string() == *text);
        if date.is_none() {
            self.report(
                Problem::error(&node.position, "`date` is no date")
                    .label("expected year, month and day of the calendar")
                    .hint(format!("for example `{DATE_EXAMPLE}`")),
            );
        }
        date
    }

    /// The margin of equivalence in points; None where the key is absent, and after a problem was reported.
    pub(crate) fn margin(&mut self, fields: &Fields<'_>) -> Option<f64> {
        self.number(fields.get("margin")?, "margin", &MARGIN)
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
}
