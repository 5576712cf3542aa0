//! `sampling.stop`: one rule, or several in a sweep.
//!
//! Owns how a list is read: strings alone are one rule, to stop at any of them; a list that holds the word of a rule
//! or another list is a sweep over rules.

use super::node::{Node, Value};
use super::problem::Problem;
use super::read::{Reader, shortened};
use super::suggest::did_you_mean;
use crate::generation::StopRule;

const NAME: &str = "sampling.stop";
const RULES: [&str; 2] = ["sentence_end", "none"];

impl Reader {
    /// The stop rules of a sweep, or the one rule.
    pub(crate) fn stop(&mut self, node: &Node) -> Option<Vec<StopRule>> {
        let is_rule = |item: &Node| match &item.value {
            Value::String(text) => RULES.contains(&text.as_str()),
            Value::List(_) => true,
            _ => false,
        };
        match &node.value {
            Value::List(items) if items.iter().any(is_rule) => {
                let rules: Vec<_> = items.iter().map(|item| self.swept_rule(item)).collect();
                self.refuse_equal(items, &rules, NAME);
                rules.into_iter().collect()
            }
            _ => self.stop_rule(node).map(|rule| vec![rule]),
        }
    }

    fn swept_rule(&mut self, item: &Node) -> Option<StopRule> {
        match &item.value {
            Value::String(text) if !RULES.contains(&text.as_str()) => {
                let message = "`sampling.stop` holds a string beside stop rules";
                self.report(
                    Problem::error(&item.position, message)
                        .label("in a sweep over rules, strings to stop at are a list")
                        .hint(format!("for example `[{}]`", item.position.source_text())),
                );
                None
            }
            _ => self.stop_rule(item),
        }
    }

    fn stop_rule(&mut self, node: &Node) -> Option<StopRule> {
        match &node.value {
            Value::String(word) => self.rule_of_word(node, word),
            Value::List(_) => {
                let items = self.list(node, NAME, "stop: [\".\"]")?;
                let strings: Vec<_> = items.iter().map(|item| self.stop_string(item)).collect();
                let strings = strings.into_iter().collect::<Option<Vec<String>>>();
                strings.map(StopRule::Strings)
            }
            _ => {
                let expected = "`sentence_end`, `none` or a list of strings";
                self.wrong_type(node, NAME, expected, Some("stop: sentence_end"));
                None
            }
        }
    }

    fn rule_of_word(&mut self, node: &Node, word: &str) -> Option<StopRule> {
        match word {
            "sentence_end" => return Some(StopRule::SentenceEnd),
            "none" => return Some(StopRule::None),
            _ => {}
        }
        let hint = match did_you_mean(word, RULES) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "strings to stop at are a list: `stop: [\".\"]`".to_owned(),
        };
        self.report(
            Problem::error(
                &node.position,
                format!("unknown stop rule `{}`", shortened(word)),
            )
            .label("expected `sentence_end`, `none` or a list of strings")
            .hint(hint),
        );
        None
    }

    /// A string to stop at; it may be a blank or a line break, but not nothing.
    fn stop_string(&mut self, node: &Node) -> Option<String> {
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
                self.wrong_type(node, NAME, "a string", None);
                None
            }
        }
    }
}
