//! The keys `prompt` and `prompts`: the messages in which prompts are sent, in one wording or in several.
//!
//! Owns what messages must be like, and that wordings are told apart by name and by messages.

use super::Wording;
use super::node::{Node, Value};
use super::problem::Problem;
use super::read::{
    Fields, ONE_WORDING as ONE, PROMPT, Reader, SEVERAL_WORDINGS as SEVERAL, Section, Text,
    WORDINGS,
};
use super::slot::{CONCEPT_SLOT, PROMPT_SLOT, slots};
use super::suggest::did_you_mean;

/// Characters of a name, which stands in the rows of tables.
const NAME_CHARS_MAX: usize = 24;
const EXAMPLE: &str = "prompts: [{name: bare, system: null, user: \"{prompt}\"}]";

impl Reader {
    /// The wordings in file order, at least one; that of `prompt` has an empty name.
    pub(crate) fn wordings(&mut self, top: &Fields<'_>) -> Option<Vec<Wording>> {
        if let (Some(one), Some(several)) = (top.entry(ONE), top.entry(SEVERAL)) {
            let message = format!("`{SEVERAL}` cannot stand beside `{ONE}`");
            self.report(
                Problem::error(&several.key_position, message)
                    .label("these wordings")
                    .earlier(&one.key_position, "and this one")
                    .hint(format!(
                        "name all of them in `{SEVERAL}`, each with its `name`"
                    )),
            );
            return None;
        }
        if let Some(node) = top.get(ONE) {
            let fields = self.fields(node, &PROMPT, "user: \"{prompt}\"")?;
            return Some(vec![self.wording(&fields, &PROMPT)?]);
        }
        let items = self.list(top.get(SEVERAL)?, SEVERAL, EXAMPLE)?;
        let read: Vec<Option<Wording>> = items.iter().map(|item| self.named(item)).collect();
        self.refuse_alike(items, &read);
        read.into_iter().collect()
    }

    fn named(&mut self, node: &Node) -> Option<Wording> {
        let fields = self.fields(node, &WORDINGS, "- name: bare")?;
        let wording = self.wording(&fields, &WORDINGS);
        let node = fields.get("name")?;
        let name = self.lowercase_name(node, "prompts.name")?;
        if name.chars().count() > NAME_CHARS_MAX {
            let problem = Problem::error(&node.position, "`prompts.name` is too long");
            self.report(problem.label(format!("expected at most {NAME_CHARS_MAX} characters")));
            return None;
        }
        Some(Wording {
            name: name.to_owned(),
            ..wording?
        })
    }

    fn wording(&mut self, fields: &Fields<'_>, section: &Section) -> Option<Wording> {
        let keys = [
            ("name", "bare"),
            ("system", "null"),
            ("user", "\"{prompt}\""),
        ];
        let is_known = |(key, _): &&(&str, &str)| section.keys.contains(key);
        let keys: Vec<(&str, &str)> = keys.iter().filter(is_known).copied().collect();
        let title = match section.name {
            ONE => format!("`{ONE}`"),
            _ => "the wording".to_owned(),
        };
        self.require(fields, &title, &keys);
        let system = fields.get("system");
        let system = system.and_then(|node| self.system(node, section.name));
        let user = fields.get("user");
        let user = user.and_then(|node| self.user(node, section.name));
        Some(Wording {
            name: String::new(),
            system: system?,
            user: user?,
        })
    }

    /// Reports wordings that have the name or the messages of an earlier one.
    fn refuse_alike(&mut self, items: &[Node], wordings: &[Option<Wording>]) {
        for (idx, wording) in wordings.iter().enumerate() {
            let Some(wording) = wording else { continue };
            let before = wordings[..idx].iter().enumerate();
            let mut before = before.filter_map(|(place, it)| Some((place, it.as_ref()?)));
            let alike = before.find_map(|(place, earlier)| {
                let (name, other) = (&wording.name, &earlier.name);
                let what = if name == other {
                    format!("two wordings have the name `{name}`")
                } else if (&wording.system, &wording.user) == (&earlier.system, &earlier.user) {
                    format!("the wordings `{other}` and `{name}` have the same messages")
                } else {
                    return None;
                };
                Some((place, what))
            });
            if let Some((place, what)) = alike {
                self.report(
                    Problem::error(&items[idx].position.first_character(), what)
                        .label("the second")
                        .earlier(&items[place].position.first_character(), "the first"),
                );
            }
        }
    }

    fn system(&mut self, node: &Node, section: &str) -> Option<Option<String>> {
        if matches!(node.value, Value::Null) {
            return Some(None);
        }
        let name = format!("{section}.system");
        if matches!(&node.value, Value::String(text) if text.trim().is_empty()) {
            self.report(
                Problem::error(&node.position, format!("`{name}` is empty"))
                    .label("expected some text or null")
                    .hint("`system: null` sends no system message"),
            );
            return None;
        }
        let text = self.text(node, &name, Text::Lines)?;
        self.warn_of_invisible(node, &name, text);
        Some(Some(text.to_owned()))
    }

    fn user(&mut self, node: &Node, section: &str) -> Option<String> {
        let name = format!("{section}.user");
        let text = self.text(node, &name, Text::Lines)?;
        self.warn_of_invisible(node, &name, text);
        let n_slots = text.matches(PROMPT_SLOT).count();
        if n_slots == 1 {
            return Some(text.to_owned());
        }
        let similar = slots(text).find(|slot| did_you_mean(slot.name, ["prompt"]).is_some());
        let problem = match similar {
            Some(slot) if n_slots == 0 => Problem::error(
                &node.position.narrowed(slot.text),
                format!("unknown slot `{}` in `{name}`", slot.text),
            )
            .hint(format!("did you mean `{PROMPT_SLOT}`?")),
            _ if n_slots == 0 => {
                Problem::error(&node.position, format!("`{name}` has no `{PROMPT_SLOT}`"))
                    .label("expected `{prompt}` once, where a prompt is put in")
                    .maybe_hint(
                        text.contains(CONCEPT_SLOT)
                            .then_some("`{concept}` belongs into templates"),
                    )
            }
            _ => Problem::error(
                &node.position,
                format!("`{name}` has `{PROMPT_SLOT}` {n_slots} times"),
            )
            .label("expected it once"),
        };
        self.report(problem);
        None
    }
}
