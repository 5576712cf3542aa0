//! Typed reading of nodes, with a problem for everything that is not as expected.
//!
//! Owns what is common to all sections: known, unknown, doubled and missing keys, types, ranges,
//! and texts that hold something invisible. Which keys there are is decided by the sections.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::node::{Field, Node, Value};
use super::problem::Problem;
use super::source::Position;
use super::suggest::did_you_mean;

/// Characters of a value repeated in a message.
const QUOTED_CHARS_MAX: usize = 40;

/// A section of the format and its keys, in the order of the README.
pub(crate) struct Section {
    /// The name before the dot of `sampling.top_k`; empty for the top level.
    pub(crate) name: &'static str,
    /// The name of its mapping in a message.
    pub(crate) title: &'static str,
    pub(crate) keys: &'static [&'static str],
}

pub(crate) const TOP_LEVEL: Section = Section {
    name: "",
    title: "the file",
    keys: &[
        "name",
        "question",
        ONE_WORDING,
        SEVERAL_WORDINGS,
        "sampling",
        "models",
        ONE_ENCODER,
        SEVERAL_ENCODERS,
        "gpu_layers",
        "date",
        "margin",
        "generalise",
        "concepts",
        "concept_families",
        "fillers",
        "templates",
        "pairs",
        "extends",
    ],
};
pub(crate) const PROMPT: Section = Section {
    name: ONE_WORDING,
    title: ONE_WORDING,
    keys: &["system", "user"],
};
pub(crate) const WORDINGS: Section = Section {
    name: SEVERAL_WORDINGS,
    title: "an item of `prompts`",
    keys: &["name", "system", "user"],
};
pub(crate) const SAMPLING: Section = Section {
    name: "sampling",
    title: "sampling",
    keys: &[
        "preset",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "repetition_penalty",
        "max_tokens",
        "stop",
        "draws",
        "repeats",
        "control_repeats",
        "seed",
        "mode",
        "coverage",
        "max_rows_per_prompt",
    ],
};
pub(crate) const MODELS: Section = Section {
    name: "models",
    title: "an item of `models`",
    keys: &[
        "name",
        "quantizations",
        "path",
        "allow_requantize",
        "imatrix",
    ],
};
pub(crate) const QUANTIZATIONS: Section = Section {
    name: "models.quantizations",
    title: "models.quantizations",
    keys: &["from", "to"],
};
pub(crate) const EMBEDDING_MODEL: Section = Section {
    name: "embedding_model",
    title: "embedding_model",
    keys: &["path"],
};
pub(crate) const TEMPLATES: Section = Section {
    name: "templates",
    title: "an item of `templates`",
    keys: &["id", "category", "test", "control", "concepts", "fillers"],
};
pub(crate) const PAIRS: Section = Section {
    name: "pairs",
    title: "an item of `pairs`",
    keys: &["concept", "category", "test", "control"],
};
pub(crate) const PAIRS_FILE: Section = Section {
    name: "pairs",
    title: "pairs",
    keys: &["published", "path", "sha256", "mapping"],
};

/// Where a key may have been meant to stand that does not belong where it stands.
const SECTIONS: [&Section; 4] = [&TOP_LEVEL, &PROMPT, &SAMPLING, &TEMPLATES];

/// The key that names one encoder.
pub(crate) const ONE_ENCODER: &str = "embedding_model";
/// The key that names several.
pub(crate) const SEVERAL_ENCODERS: &str = "embedding_models";

/// The key of the only wording.
pub(crate) const ONE_WORDING: &str = "prompt";
/// The key that names several.
pub(crate) const SEVERAL_WORDINGS: &str = "prompts";

/// Keys of which a file has one: a base's is put aside where the file above it has the other.
const FORMS: [[&str; 2]; 2] = [
    [ONE_ENCODER, SEVERAL_ENCODERS],
    [ONE_WORDING, SEVERAL_WORDINGS],
];

/// The known keys of a mapping, each once.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'n> {
    entries: Vec<&'n Field>,
    /// Known keys that an unknown key probably stands for.
    meant: Vec<&'static str>,
    incomplete: bool,
    /// Where the mapping begins.
    pub(crate) start: Position,
}

impl<'n> Fields<'n> {
    pub(crate) fn entry(&self, key: &str) -> Option<&'n Field> {
        self.entries.iter().copied().find(|entry| entry.key == key)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// True if nothing stands for `key`, not even a misspelt or refused one.
    pub(crate) fn lacks(&self, key: &str) -> bool {
        self.entry(key).is_none() && !self.incomplete && !self.meant.contains(&key)
    }

    /// These fields, with those of `base` for keys that are not here, nor the key that says the same in another form.
    pub(crate) fn over(mut self, base: Fields<'n>) -> Fields<'n> {
        let missing = |entry: &&Field| {
            let key = entry.key.as_str();
            let of_key = FORMS.iter().find(|forms| forms.contains(&key));
            let forms = of_key.copied().unwrap_or([key, key]);
            forms.iter().all(|key| self.entry(key).is_none())
        };
        let inherited: Vec<_> = base.entries.iter().copied().filter(missing).collect();
        self.entries.extend(inherited);
        self.meant.extend(base.meant);
        self.incomplete |= base.incomplete;
        self
    }
}

/// The characters that a text may hold besides visible ones and blanks between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// One line.
    Line,
    /// Line breaks and tabs between words as well.
    Lines,
}

/// A range of numbers with its words.
pub(crate) struct NumberRange {
    pub(crate) words: &'static str,
    pub(crate) holds: fn(f64) -> bool,
}

/// Reads nodes and keeps the problems.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Reader {
    pub(crate) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The fields of a mapping, after reporting doubled and unknown keys.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        section: &Section,
        example: &str,
    ) -> Option<Fields<'n>> {
        let Value::Mapping(mapping) = &node.value else {
            self.wrong_type(node, section.title, "a mapping", Some(example));
            return None;
        };
        let mut fields = Fields {
            entries: Vec::new(),
            meant: Vec::new(),
            incomplete: mapping.incomplete,
            start: node.position.first_character(),
        };
        let mut first_of = HashMap::new();
        for entry in &mapping.entries {
            let first = *first_of.entry(entry.key.as_str()).or_insert(entry);
            self.add_entry(&mut fields, entry, first, section);
        }
        Some(fields)
    }

    fn add_entry<'n>(
        &mut self,
        fields: &mut Fields<'n>,
        entry: &'n Field,
        first: &'n Field,
        section: &Section,
    ) {
        let key = &entry.key;
        if !std::ptr::eq(first, entry) {
            self.report(
                Problem::error(&entry.key_position, format!("the key `{key}` comes twice"))
                    .label("the second")
                    .earlier(&first.key_position, "the first"),
            );
        } else if section.keys.contains(&key.as_str()) {
            fields.entries.push(entry);
        } else {
            let meant = did_you_mean(key, section.keys.iter().copied());
            // The suggestion is one of the section's own keys, which live as long as the program.
            let own = section.keys.iter().copied().find(|own| Some(*own) == meant);
            fields
                .meant
                .extend(own.filter(|own| !fields.meant.contains(own)));
            self.report(unknown_key(entry, own, section));
        }
    }

    /// Reports all of `keys` that `fields` lacks as one problem; each comes with an example value.
    pub(crate) fn require(&mut self, fields: &Fields<'_>, name: &str, keys: &[(&str, &str)]) {
        let lacking: Vec<_> = keys.iter().filter(|(key, _)| fields.lacks(key)).collect();
        let Some((first_key, first_value)) = lacking.first() else {
            return;
        };
        let quoted: Vec<_> = lacking.iter().map(|(key, _)| format!("`{key}`")).collect();
        let noun = if lacking.len() == 1 { "key" } else { "keys" };
        let place = match name {
            "" => "at the top level".to_owned(),
            name => format!("in {name}"),
        };
        let message = format!("missing {noun} {} {place}", quoted.join(", "));
        self.report(
            Problem::error(&fields.start, message)
                .label("in the mapping that begins here")
                .hint(format!("add for example `{first_key}: {first_value}`")),
        );
    }

    /// The items of a list that is not empty.
    pub(crate) fn list<'n>(
        &mut self,
        node: &'n Node,
        name: &str,
        example: &str,
    ) -> Option<&'n [Node]> {
        let Value::List(items) = &node.value else {
            self.wrong_type(node, name, "a list", Some(example));
            return None;
        };
        if items.is_empty() {
            self.report(
                Problem::error(&node.position, format!("`{name}` is an empty list"))
                    .label("expected at least one item")
                    .hint(format!("for example `{example}`")),
            );
            return None;
        }
        Some(items)
    }

    /// A string with something visible in it.
    pub(crate) fn string<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n str> {
        let Value::String(text) = &node.value else {
            self.wrong_type(node, name, "a string", None);
            return None;
        };
        if text.trim().is_empty() {
            let problem = Problem::error(&node.position, format!("`{name}` is empty"));
            self.report(problem.label("expected some text"));
            return None;
        }
        Some(text)
    }

    /// A string without anything invisible at its ends or inside.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, name: &str, kind: Text) -> Option<&'n str> {
        let text = self.string(node, name)?;
        let is_break = |character| matches!(character, '\n' | '\t') && kind == Text::Lines;
        let control = text
            .trim()
            .chars()
            .find(|character| character.is_control() && !is_break(*character));
        if text.trim() != text {
            let side = if text.trim_start() == text {
                "ends"
            } else {
                "begins"
            };
            self.report(edge_whitespace(node, name, side, text));
            return None;
        }
        if let Some(control) = control {
            let message = format!("`{name}` holds the control character {control:?}");
            self.report(
                Problem::error(&node.position, message)
                    .label("it is invisible and changes the tokens"),
            );
            return None;
        }
        Some(text)
    }

    /// A lowercase name: `[a-z0-9-]+`.
    pub(crate) fn lowercase_name<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n str> {
        let text = self.string(node, name)?;
        let allowed = |character: char| matches!(character, 'a'..='z' | '0'..='9' | '-');
        if text.chars().all(allowed) {
            return Some(text);
        }
        let proposal: String = text
            .trim()
            .to_lowercase()
            .chars()
            .map(|character| if allowed(character) { character } else { '-' })
            .collect();
        self.report(
            Problem::error(&node.position, format!("`{name}` is no plain name"))
                .label("expected only lowercase letters a to z, digits and hyphens")
                .hint(format!("for example `{proposal}`")),
        );
        None
    }

    /// True or false.
    pub(crate) fn truth(&mut self, node: &Node, name: &str) -> Option<bool> {
        if let Value::Bool(truth) = node.value {
            return Some(truth);
        }
        self.wrong_type(node, name, "true or false", None);
        None
    }

    /// A finite number in a range.
    pub(crate) fn number(&mut self, node: &Node, name: &str, range: &NumberRange) -> Option<f64> {
        let number = match &node.value {
            // A rounded number is in the same range.
            Value::Integer(number) => *number as f64,
            Value::Float(number) => *number,
            _ => {
                self.wrong_type(node, name, "a number", None);
                return None;
            }
        };
        if number.is_finite() && (range.holds)(number) {
            // Adding 0 turns -0 into 0, so that both name the same generation.
            return Some(number + 0.0);
        }
        self.out_of_range(node, name, &format!("a number {}", range.words));
        None
    }

    /// A whole number in a range.
    pub(crate) fn whole_number(
        &mut self,
        node: &Node,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let Value::Integer(number) = &node.value else {
            self.wrong_type(node, name, "a whole number", None);
            return None;
        };
        let found = u64::try_from(*number)
            .ok()
            .filter(|number| range.contains(number));
        if found.is_none() {
            let (least, most) = range.into_inner();
            let expected = format!("a whole number from {least} to {most}");
            self.out_of_range(node, name, &expected);
        }
        found
    }

    fn out_of_range(&mut self, node: &Node, name: &str, expected: &str) {
        let found = node.position.source_text();
        self.report(
            Problem::error(&node.position, format!("`{name}` is out of range"))
                .label(format!("expected {expected}, found {found}")),
        );
    }

    /// Reports a value of another type than expected, unless its problem is known already.
    pub(crate) fn wrong_type(
        &mut self,
        node: &Node,
        name: &str,
        expected: &str,
        example: Option<&str>,
    ) {
        if matches!(node.value, Value::Refused) {
            return;
        }
        // A key is quoted, a phrase such as "an item of `models`" is not.
        let name = if name.contains(' ') {
            name.to_owned()
        } else {
            format!("`{name}`")
        };
        let hint = match example {
            Some(example) => Some(format!("for example `{example}`")),
            None => type_hint(node, expected),
        };
        self.report(
            Problem::error(&node.position, format!("{name} has the wrong type"))
                .label(format!("expected {expected}, found {}", describe(node)))
                .maybe_hint(hint),
        );
    }
}

fn unknown_key(entry: &Field, meant: Option<&str>, section: &Section) -> Problem {
    let key = &entry.key;
    // Many things have a name, so where one is misplaced says nothing.
    let elsewhere = SECTIONS.iter().find(|other| {
        key != "name" && other.name != section.name && other.keys.contains(&key.as_str())
    });
    let hint = match (meant, elsewhere) {
        (Some(meant), _) => Some(format!("did you mean `{meant}`?")),
        (None, Some(other)) if other.name.is_empty() => {
            Some(format!("`{key}` belongs to the top level"))
        }
        (None, Some(other)) => Some(format!("`{key}` belongs under `{}`", other.name)),
        (None, None) => None,
    };
    Problem::error(&entry.key_position, format!("unknown key `{key}`"))
        .label(format!("expected one of: {}", section.keys.join(", ")))
        .maybe_hint(hint)
}

fn edge_whitespace(node: &Node, name: &str, side: &str, text: &str) -> Problem {
    let hint = if text.ends_with('\n') && side == "ends" {
        "write `>-` or `|-` instead of `>` or `|`: it leaves the last line break out"
    } else {
        "remove it"
    };
    Problem::error(&node.position, format!("`{name}` {side} with white space"))
        .label("it is invisible and changes the tokens")
        .hint(hint)
}

/// The kind and the text of a node, in words.
pub(crate) fn describe(node: &Node) -> String {
    let source = shortened(&node.position.source_text());
    match &node.value {
        Value::Null if source.is_empty() => "nothing".to_owned(),
        Value::Null => format!("`{source}`, which stands for nothing"),
        Value::Bool(_) => format!("the boolean `{source}`"),
        Value::Integer(_) | Value::Float(_) => format!("the number `{source}`"),
        Value::String(text) => format!("the string `{}`", shortened(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
        Value::Refused => "a value that is refused".to_owned(),
    }
}

fn type_hint(node: &Node, expected: &str) -> Option<String> {
    let source = node.position.source_text();
    let source = source.trim();
    match &node.value {
        Value::Null if source.is_empty() => None,
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_)
            if expected == "a string" =>
        {
            Some(format!("put quotes around it: \"{source}\""))
        }
        Value::Mapping(_) if expected == "a string" && source.starts_with('{') => Some(format!(
            "a text that begins with a brace needs quotes: \"{}\"",
            shortened(source)
        )),
        Value::String(text) if expected.ends_with("number") && text.parse::<f64>().is_ok() => {
            Some(format!("remove the quotes: {text}"))
        }
        _ => None,
    }
}

pub(crate) fn shortened(text: &str) -> String {
    let text = text.trim_end();
    if text.chars().count() <= QUOTED_CHARS_MAX {
        return text.to_owned();
    }
    let start: String = text.chars().take(QUOTED_CHARS_MAX - 3).collect();
    format!("{}...", start.trim_end())
}
