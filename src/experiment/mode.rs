//! The keys of `sampling` that say how generations become a leak rate: `mode`, `coverage`, `max_rows_per_prompt`.
//!
//! Owns the two modes. How a token is drawn is the business of `fields`.

use super::node::{Node, Value};
use super::problem::Problem;
use super::read::{Fields, NumberRange, Reader, shortened};
use super::suggest::did_you_mean;
use crate::generation::EnumerationParams;

/// Rows that the enumeration of one prompt can be allowed.
const ROWS_MAX: u64 = 1_000_000;
/// The keys that only one mode has, with an example of each.
const OF_EXACT: [(&str, &str); 2] = [("coverage", "0.99"), ("max_rows_per_prompt", "100")];

const COVERAGE: NumberRange = NumberRange {
    words: "above 0, at most 1",
    holds: |number| number > 0.0 && number <= 1.0,
};

/// How generations become a leak rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// From repeats.
    Repeats,
    /// From enumerated continuations.
    Exact,
}

impl Reader {
    /// How far continuations are enumerated, with `n_repeats` draws of a tail; `Some(None)` where they are not.
    pub(crate) fn enumeration(
        &mut self,
        fields: &Fields<'_>,
        n_repeats: Option<u32>,
    ) -> Option<Option<EnumerationParams>> {
        let mode = match fields.get("mode") {
            Some(node) => self.mode(node)?,
            None => Mode::Repeats,
        };
        if mode == Mode::Repeats {
            self.refuse_keys_of_exact(fields)?;
            return Some(None);
        }
        self.require(fields, "`sampling`", &OF_EXACT);
        if let Some(entry) = fields.entry("control_repeats") {
            let message = "`sampling.control_repeats` has no effect with `mode: exact`";
            self.warnings.push(
                Problem::warning(&entry.key_position, message)
                    .label("each prompt is enumerated once")
                    .hint("remove this key"),
            );
        }
        let coverage = fields.get("coverage");
        let coverage = coverage.and_then(|node| self.number(node, "sampling.coverage", &COVERAGE));
        let max_rows = fields
            .get("max_rows_per_prompt")
            .and_then(|node| self.whole_number(node, "sampling.max_rows_per_prompt", 1..=ROWS_MAX));
        Some(Some(EnumerationParams {
            coverage: coverage?,
            max_rows_per_prompt: u32::try_from(max_rows?).ok()?,
            n_tail_draws: n_repeats?,
        }))
    }

    /// Warns where the whole probability is asked for, of samplings that leave more tokens than are followed.
    pub(crate) fn warn_of_whole_coverage(
        &mut self,
        fields: &Fields<'_>,
        enumeration: Option<EnumerationParams>,
    ) {
        let is_whole = enumeration.is_some_and(|params| params.coverage >= 1.0);
        if let Some(node) = fields.get("coverage").filter(|_| is_whole) {
            let n_max = EnumerationParams::N_CHILDREN_MAX;
            let message = "the whole probability is asked for, but nothing is cut off";
            self.warnings.push(
                Problem::warning(&node.position, message)
                    .label(format!("at most {n_max} tokens are followed after each beginning; the others count as not covered"))
                    .hint(format!("set `top_k` to {n_max} at most, or ask for less, such as `coverage: 0.99`")),
            );
        }
    }

    fn mode(&mut self, node: &Node) -> Option<Mode> {
        let expected = "`repeats` or `exact`";
        let Value::String(word) = &node.value else {
            self.wrong_type(node, "sampling.mode", expected, Some("mode: exact"));
            return None;
        };
        match word.as_str() {
            "repeats" => Some(Mode::Repeats),
            "exact" => Some(Mode::Exact),
            _ => {
                let meant = did_you_mean(word, ["repeats", "exact"]);
                let message = format!("unknown mode `{}`", shortened(word));
                self.report(
                    Problem::error(&node.position, message)
                        .label(format!("expected {expected}"))
                        .maybe_hint(meant.map(|meant| format!("did you mean `{meant}`?"))),
                );
                None
            }
        }
    }

    fn refuse_keys_of_exact(&mut self, fields: &Fields<'_>) -> Option<()> {
        let found = OF_EXACT.iter().find_map(|(key, _)| fields.entry(key));
        let Some(entry) = found else {
            return Some(());
        };
        let message = format!("`sampling.{}` belongs to `mode: exact`", entry.key);
        self.report(
            Problem::error(&entry.key_position, message)
                .label("repeats have no coverage")
                .hint("add `mode: exact` to enumerate continuations, or remove this key"),
        );
        None
    }
}
