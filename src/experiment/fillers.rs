//! Fillers: words for the slot of a template that are no concepts, to find what any modifier does.
//!
//! Owns the key `fillers` of the experiment and of a template with its checks. How they become prompts, `expand` says.

use std::collections::HashMap;

use super::node::{Node, Value};
use super::problem::Problem;
use super::prompts::Placed;
use super::read::{Fields, Reader};
use super::slot::slots;
use crate::words::folded;

/// A word that stands in the slot of a template and is no concept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filler {
    /// The filler's place among all fillers of the experiment file, from 0; a limit does not change it.
    pub filler_idx: usize,
    /// The word, as the file writes it.
    pub filler: String,
    /// The template.
    pub template_id: String,
    /// The category of the template.
    pub category: String,
    /// Which of [`Experiment::prompts`](super::Experiment::prompts) is the prompt with the filler.
    pub prompt_idx: usize,
    /// Which of [`Experiment::prompts`](super::Experiment::prompts) is the control prompt of the template.
    pub control_prompt_idx: usize,
}

impl Reader {
    /// The fillers of `fields`, which are those of the key `name`; None where the key is absent.
    pub(crate) fn fillers(&mut self, fields: &Fields<'_>, name: &str) -> Option<Vec<Placed>> {
        let node = fields.get("fillers")?;
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            return Some(Vec::new());
        }
        Some(self.filler_list(node, name).unwrap_or_default())
    }

    fn filler_list(&mut self, node: &Node, name: &str) -> Option<Vec<Placed>> {
        let fillers = self.word_list(node, name, "filler", "fillers: [new, woollen]")?;
        for filler in &fillers {
            if let Some(slot) = slots(&filler.text).next() {
                let position = filler.position.narrowed(slot.text);
                let message = format!("a filler has the slot `{}`", slot.text);
                self.report(
                    Problem::error(&position, message).label("a filler is what is put into a slot"),
                );
            }
        }
        Some(fillers)
    }

    /// Reports fillers that are concepts of the template.
    pub(crate) fn check_fillers(&mut self, fillers: &[Placed], concepts: &[Placed]) {
        if fillers.is_empty() {
            return;
        }
        let concepts = concepts.iter();
        let concepts: HashMap<String, &Placed> = concepts
            .map(|concept| (folded(&concept.text), concept))
            .collect();
        for filler in fillers {
            if let Some(concept) = concepts.get(&folded(&filler.text)) {
                let message = format!("the filler `{}` is a concept of the template", filler.text);
                self.report(
                    Problem::error(&filler.position, message)
                        .label("expected a word that is no concept")
                        .earlier(&concept.position, "the concept"),
                );
            }
        }
    }
}
