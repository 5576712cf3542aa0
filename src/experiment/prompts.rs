//! The sections `concepts`, `templates` and `pairs`.
//!
//! Owns what a single text must be like: slots, white space, the concept in its control.
//! `expand` checks the texts together, once every concept is put in.

use std::collections::{HashMap, HashSet};

use super::node::{Node, Value};
use super::problem::{N_SHOWN_MAX, Problem};
use super::read::{Fields, PAIRS, Reader, Section, TEMPLATES, Text};
use super::size::Size;
use super::slot::{CONCEPT_SLOT, slots};
use super::source::Position;
use super::suggest::did_you_mean;
use crate::words::{find_word, folded, invisible, invisible_words, seen};

/// A text with its place.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) text: String,
    pub(crate) position: Position,
}

/// A template whose own texts are as they should be.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) id: String,
    pub(crate) category: String,
    pub(crate) test: Placed,
    pub(crate) control: Placed,
    /// None takes the concepts of the experiment.
    pub(crate) concepts: Option<Vec<Placed>>,
    /// None takes the fillers of the experiment.
    pub(crate) fillers: Option<Vec<Placed>>,
}

/// A free-standing pair whose own texts are as they should be.
#[derive(Debug, Clone)]
pub(crate) struct FreePair {
    pub(crate) concept: Placed,
    pub(crate) category: String,
    pub(crate) test: Placed,
    pub(crate) control: Placed,
}

/// The two prompts of a template or pair.
#[derive(Debug)]
struct TwoPrompts {
    test: Placed,
    control: Placed,
}

/// The things known of all templates while they are read.
struct Known<'c> {
    ids: HashMap<String, Position>,
    /// The concepts of the experiment.
    concepts: HashSet<&'c str>,
    size: Size,
}

fn texts_of(concepts: &[Placed]) -> HashSet<&str> {
    concepts
        .iter()
        .map(|concept| concept.text.as_str())
        .collect()
}

impl Reader {
    /// The concepts of the experiment; an experiment of pairs alone has none.
    pub(crate) fn concepts(&mut self, top: &Fields<'_>) -> Option<Vec<Placed>> {
        match top.get("concepts") {
            Some(node) => self.concept_list(node, "concepts"),
            None if top.get("templates").is_none() => Some(Vec::new()),
            None => None,
        }
    }

    fn concept_list(&mut self, node: &Node, name: &str) -> Option<Vec<Placed>> {
        self.word_list(node, name, "concept", "concepts: [red, blue]")
    }

    /// Words for a slot, each once; letter case is no difference.
    pub(crate) fn word_list(
        &mut self,
        node: &Node,
        name: &str,
        noun: &str,
        example: &str,
    ) -> Option<Vec<Placed>> {
        let items = self.list(node, name, example)?;
        let mut words: Vec<Placed> = Vec::new();
        let mut first_of: HashMap<String, Position> = HashMap::new();
        let mut all_good = true;
        for item in items {
            let Some(word) = self.placed(item, name) else {
                all_good = false;
                continue;
            };
            let key = folded(&word.text);
            if let Some(first) = first_of.get(&key) {
                let message = format!("the {noun} `{}` is listed twice", word.text);
                self.report(
                    Problem::error(&word.position, message)
                        .label("the second")
                        .earlier(first, "the first"),
                );
                continue;
            }
            first_of.insert(key, word.position.clone());
            words.push(word);
        }
        all_good.then_some(words)
    }

    /// All templates that can be read; an empty list where there is no such key.
    pub(crate) fn templates(
        &mut self,
        top: &Fields<'_>,
        concepts: Option<&[Placed]>,
        fillers: &[Placed],
    ) -> Vec<Template> {
        let Some(node) = top.get("templates") else {
            return Vec::new();
        };
        let example = "templates: [{id: likes, category: c, test: \"I like {concept}\", control: \"I like it\"}]";
        let items = self.list(node, "templates", example).unwrap_or_default();
        let mut templates = Vec::new();
        let mut known = Known {
            ids: HashMap::new(),
            concepts: texts_of(concepts.unwrap_or_default()),
            size: Size::default(),
        };
        for item in items {
            templates.extend(self.template(item, concepts, fillers, &mut known));
        }
        templates
    }

    fn template(
        &mut self,
        node: &Node,
        all_concepts: Option<&[Placed]>,
        all_fillers: &[Placed],
        known: &mut Known<'_>,
    ) -> Option<Template> {
        let fields = self.fields(node, &TEMPLATES, "- id: likes-works")?;
        let keys = [("id", "likes-works"), ("category", "color-to-other")];
        self.require(&fields, "the template", &keys);
        let id = fields
            .get("id")
            .and_then(|node| self.id(node, &mut known.ids));
        let category = self.category(&fields, &TEMPLATES);
        let two = self.two_prompts(&fields, &TEMPLATES);
        let own = fields
            .get("concepts")
            .map(|node| self.own_concepts(node, all_concepts, &known.concepts));
        let fillers = self.fillers(&fields, "templates.fillers");
        let two = two?;
        self.check_template_slots(&two)?;
        let concepts = own.as_ref().map_or(all_concepts, Option::as_deref)?;
        let filled = fillers.as_deref().unwrap_or(all_fillers);
        known.size.add(
            &two.test.text,
            &two.control.text,
            concepts.len() + filled.len(),
        );
        // Too many are refused by `expand`; before that nothing is done for each of them.
        if !known.size.is_too_large() {
            self.check_control(&two.control, concepts);
            self.check_fillers(filled, concepts);
        }
        Some(Template {
            id: id?,
            category: category?,
            test: two.test,
            control: two.control,
            concepts: own.flatten(),
            fillers,
        })
    }

    fn id(&mut self, node: &Node, ids: &mut HashMap<String, Position>) -> Option<String> {
        let id = self.lowercase_name(node, "templates.id")?;
        if let Some(first) = ids.get(id) {
            let message = format!("two templates have the id `{id}`");
            self.report(
                Problem::error(&node.position, message)
                    .label("the second")
                    .earlier(first, "the first"),
            );
            return None;
        }
        ids.insert(id.to_owned(), node.position.clone());
        Some(id.to_owned())
    }

    fn own_concepts(
        &mut self,
        node: &Node,
        all_concepts: Option<&[Placed]>,
        known: &HashSet<&str>,
    ) -> Option<Vec<Placed>> {
        let own = self.concept_list(node, "templates.concepts")?;
        let all = all_concepts?;
        let mut all_known = true;
        for concept in &own {
            if known.contains(concept.text.as_str()) {
                continue;
            }
            all_known = false;
            let all = all.iter().filter(|_| self.problems.len() < N_SHOWN_MAX);
            let meant = did_you_mean(&concept.text, all.map(|known| known.text.as_str()));
            let message = format!(
                "`{}` is not among the concepts of the experiment",
                concept.text
            );
            self.report(
                Problem::error(&concept.position, message)
                    .label("expected a part of the top-level `concepts`")
                    .maybe_hint(meant.map(|meant| format!("did you mean `{meant}`?"))),
            );
        }
        all_known.then_some(own)
    }

    /// All pairs that can be read; an empty list where there is no such key, or one that names a file.
    pub(crate) fn free_pairs(&mut self, top: &Fields<'_>) -> Vec<FreePair> {
        let node = match top.get("pairs") {
            Some(node) if !matches!(node.value, Value::Mapping(_)) => node,
            _ => return Vec::new(),
        };
        let example =
            "pairs: [{concept: green, category: c, test: \"Green tea is\", control: \"Tea is\"}]";
        if !matches!(node.value, Value::List(_)) {
            let expected = "a list, or a mapping with `published` or `path`";
            self.wrong_type(node, "pairs", expected, Some(example));
            return Vec::new();
        }
        let items = self.list(node, "pairs", example).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| self.free_pair(item))
            .collect()
    }

    fn free_pair(&mut self, node: &Node) -> Option<FreePair> {
        let fields = self.fields(node, &PAIRS, "- concept: green")?;
        let keys = [("concept", "green"), ("category", "expression-to-color")];
        self.require(&fields, "the pair", &keys);
        let concept = fields
            .get("concept")
            .and_then(|node| self.placed(node, "pairs.concept"));
        let category = self.category(&fields, &PAIRS);
        let two = self.two_prompts(&fields, &PAIRS)?;
        self.check_no_slot(&two.test);
        self.check_no_slot(&two.control);
        if seen(&two.test.text) == seen(&two.control.text) {
            let message = "the test prompt equals its control prompt";
            self.report(
                Problem::error(&two.control.position, message)
                    .label("the control")
                    .earlier(&two.test.position, "the test")
                    .hint("the control says the same without the concept"),
            );
            return None;
        }
        let concept = concept?;
        self.check_control(&two.control, std::slice::from_ref(&concept));
        Some(FreePair {
            concept,
            category: category?,
            test: two.test,
            control: two.control,
        })
    }

    fn category(&mut self, fields: &Fields<'_>, section: &Section) -> Option<String> {
        let node = fields.get("category")?;
        let name = format!("{}.category", section.name);
        let category = self.text(node, &name, Text::Line)?;
        Some(category.to_owned())
    }

    pub(crate) fn placed(&mut self, node: &Node, name: &str) -> Option<Placed> {
        let text = self.text(node, name, Text::Line)?;
        self.warn_of_invisible(node, name, text);
        Some(Placed {
            text: text.to_owned(),
            position: node.position.clone(),
        })
    }

    /// Warns of the first character that nobody sees: texts of some languages need some of them.
    pub(crate) fn warn_of_invisible(&mut self, node: &Node, name: &str, text: &str) {
        let Some((c, ..)) = invisible(text) else {
            return;
        };
        let what = invisible_words(text).unwrap_or_default();
        let position = node.position.narrowed(&c.to_string());
        self.warnings.push(
            Problem::warning(&position, format!("`{name}` holds {what}"))
                .label("it is invisible and changes the tokens"),
        );
    }

    fn two_prompts(&mut self, fields: &Fields<'_>, section: &Section) -> Option<TwoPrompts> {
        self.require_both(fields);
        let mut read = |key: &str| {
            let name = format!("{}.{key}", section.name);
            fields.get(key).and_then(|node| self.placed(node, &name))
        };
        let (test, control) = (read("test"), read("control"));
        Some(TwoPrompts {
            test: test?,
            control: control?,
        })
    }

    fn require_both(&mut self, fields: &Fields<'_>) {
        let problem = match (fields.lacks("test"), fields.lacks("control")) {
            (false, false) => return,
            (true, true) => Problem::error(&fields.start, "missing keys `test`, `control`")
                .label("in the mapping that begins here")
                .hint("a pair is a test prompt with the concept and a control prompt without it"),
            (false, true) => {
                let position = fields.entry("test").map(|entry| &entry.key_position);
                let position = position.unwrap_or(&fields.start);
                Problem::error(position, "a test prompt without a control prompt")
                    .label("needs a `control` beside it")
                    .hint("the control says the same without the concept")
            }
            (true, false) => {
                let position = fields.entry("control").map(|entry| &entry.key_position);
                let position = position.unwrap_or(&fields.start);
                Problem::error(position, "a control prompt without a test prompt")
                    .label("needs a `test` beside it")
                    .hint("the test prompt says the same with the concept")
            }
        };
        self.report(problem);
    }

    /// Reports slots that are not as a template needs them; None where there is one.
    fn check_template_slots(&mut self, two: &TwoPrompts) -> Option<()> {
        let test_is_good = self.check_unknown_slots(&two.test);
        let control_is_good = self.check_unknown_slots(&two.control);
        let n_before = self.problems.len();
        if test_is_good && !two.test.text.contains(CONCEPT_SLOT) {
            self.report(
                Problem::error(&two.test.position, "the test prompt has no `{concept}`")
                    .label("expected `{concept}`, where a concept is put in")
                    .hint("a prompt that no slot can express belongs under `pairs`"),
            );
        }
        if control_is_good && two.control.text.contains(CONCEPT_SLOT) {
            let position = two.control.position.narrowed(CONCEPT_SLOT);
            self.report(
                Problem::error(&position, "the control prompt has a `{concept}`")
                    .label("a control prompt is without the concept"),
            );
        }
        (test_is_good && control_is_good && self.problems.len() == n_before).then_some(())
    }

    /// Reports slots other than `{concept}`, and `{concept}` in more than its own braces.
    fn check_unknown_slots(&mut self, prompt: &Placed) -> bool {
        let unknown = slots(&prompt.text).find(|slot| slot.text != CONCEPT_SLOT);
        let doubled = prompt.text.contains("{{concept") || prompt.text.contains("concept}}");
        if let Some(slot) = unknown {
            let position = prompt.position.narrowed(slot.text);
            let meant = did_you_mean(slot.name, ["concept"]).is_some();
            self.report(
                Problem::error(&position, format!("unknown slot `{}`", slot.text))
                    .label("expected `{concept}`, the only slot of a template")
                    .maybe_hint(meant.then_some("did you mean `{concept}`?")),
            );
        } else if doubled {
            let position = prompt.position.narrowed(CONCEPT_SLOT);
            self.report(
                Problem::error(&position, "`{concept}` stands in further braces")
                    .label("the outer braces would be part of the prompt")
                    .hint("write `{concept}`, with one pair of braces"),
            );
        }
        unknown.is_none() && !doubled
    }

    fn check_no_slot(&mut self, prompt: &Placed) {
        let similar =
            slots(&prompt.text).find(|slot| did_you_mean(slot.name, ["concept"]).is_some());
        if let Some(slot) = similar {
            let position = prompt.position.narrowed(slot.text);
            self.report(
                Problem::error(&position, format!("a pair has the slot `{}`", slot.text))
                    .label("nothing is put in here")
                    .hint("write the concept out, or make it a template"),
            );
        }
    }

    /// Reports the concepts that stand in a control prompt.
    fn check_control(&mut self, control: &Placed, concepts: &[Placed]) {
        let found = concepts.iter().filter_map(|concept| {
            let written = find_word(&control.text, &concept.text)?;
            Some((concept.text.as_str(), written))
        });
        let found: Vec<_> = found.collect();
        let Some((_, written)) = found.first() else {
            return;
        };
        let quoted: Vec<_> = found.iter().map(|(text, _)| format!("`{text}`")).collect();
        let noun = if found.len() == 1 {
            "concept"
        } else {
            "concepts"
        };
        let message = format!("the control prompt holds the {noun} {}", quoted.join(", "));
        self.report(
            Problem::error(&control.position.narrowed(written), message)
                .label("a control prompt is without the concept")
                .hint("reword the control, or leave the concept out"),
        );
    }
}

/// True if neither templates nor pairs are given in any form.
pub(crate) fn has_no_prompts(top: &Fields<'_>) -> bool {
    top.lacks("templates") && top.lacks("pairs")
}

/// True if the key `concepts` is needed.
pub(crate) fn needs_concepts(top: &Fields<'_>) -> bool {
    let templates = top.get("templates").map(|node| &node.value);
    matches!(templates, Some(Value::List(items)) if !items.is_empty())
}
