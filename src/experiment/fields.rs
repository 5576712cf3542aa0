//! The sections of an experiment that are single values: name, question, GPU layers and date.

use jiff::civil::Date;

use super::node::Value;
use super::problem::Problem;
use super::read::{Fields, NumberRange, Reader, shortened};

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

    /// The layers on the GPU; None where the key is absent, and after a problem was reported.
    pub(crate) fn gpu_layers(&mut self, fields: &Fields<'_>) -> Option<u32> {
        let node = fields.get("gpu_layers")?;
        let number = self.whole_number(node, "gpu_layers", 0..=GPU_LAYERS_MAX)?;
        u32::try_from(number).ok()
    }

    /// True where intervals speak of other concepts too; None where the key is absent, and after a problem was reported.
    pub(crate) fn generalises_concepts(&mut self, fields: &Fields<'_>) -> Option<bool> {
        let node = fields.get("generalise")?;
        let Value::String(word) = &node.value else {
            let example = "generalise: concepts";
            self.wrong_type(node, "generalise", "the word `concepts`", Some(example));
            return None;
        };
        if word == "concepts" {
            return Some(true);
        }
        let message = format!("`generalise` is `{}`", shortened(word));
        self.report(
            Problem::error(&node.position, message)
                .label("expected `concepts`")
                .hint("leave `generalise` out where intervals are for these very concepts"),
        );
        None
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
}
