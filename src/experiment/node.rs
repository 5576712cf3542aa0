//! A YAML text as values that know their place.
//!
//! Owns `Node`, built from the events of the YAML parser; it is the only file that names that parser. Where the text
//! uses a part of YAML that experiments do without, the problem is reported. `scalar` tells numbers from texts, and
//! `read` knows the keys.

use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::problem::Problem;
use super::scalar::{Scalar, plain};
use super::source::{Position, SourceFile, Span};

/// Lists and mappings inside each other; a real experiment needs five.
const DEPTH_MAX: usize = 32;

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) position: Position,
}

/// A YAML value.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    String(String),
    List(Vec<Node>),
    Mapping(Mapping),
    /// A problem has been reported here already; readers pass over it in silence.
    Refused,
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Null => Self::Null,
            Scalar::Bool(value) => Self::Bool(value),
            Scalar::Integer(value) => Self::Integer(value),
            Scalar::Float(value) => Self::Float(value),
            Scalar::String(value) => Self::String(value),
        }
    }
}

/// Keys and values in the order of the file; a key can come twice.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) entries: Vec<Field>,
    /// A part was refused, so what seems to be missing may stand there.
    pub(crate) incomplete: bool,
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) key: String,
    pub(crate) key_position: Position,
    pub(crate) node: Node,
}

/// The tree of a file; None where there is a problem that leaves nothing to read.
pub(crate) fn parse(file: &Arc<SourceFile>, problems: &mut Vec<Problem>) -> Option<Node> {
    let mut builder = Builder {
        file,
        open: Vec::new(),
        root: None,
        n_documents: 0,
        problems: Vec::new(),
    };
    match builder.read() {
        Ok(()) => {
            problems.append(&mut builder.problems);
            builder.root
        }
        Err(problem) => {
            problems.push(*problem);
            None
        }
    }
}

fn syntax_problem(file: &Arc<SourceFile>, error: &ScanError) -> Problem {
    let mark = error.marker();
    let message = error.info();
    let (line, hint) = syntax_hint(file, message, mark.line());
    let (line, column) = line.map_or((mark.line(), mark.col() + 1), |line| (line, 1));
    let position = Position::character(file, line, column);
    Problem::error(&position, format!("not valid YAML: {message}")).maybe_hint(hint)
}

/// The line at fault, where it is not the one reported, and a next step, for the usual mistakes.
fn syntax_hint(
    file: &SourceFile,
    message: &str,
    line: usize,
) -> (Option<usize>, Option<&'static str>) {
    let indented_by_tab = |number: &usize| {
        let text = file.line(*number).unwrap_or_default();
        text.trim_start_matches(' ').starts_with('\t')
    };
    if let Some(tab_line) = (line..line + 3).find(indented_by_tab) {
        let hint = "YAML is indented with spaces; this line begins with a tab";
        return (Some(tab_line), Some(hint));
    }
    let hints = [
        (
            "mapping values are not allowed",
            "put quotes around a text that holds `: `, or check the indentation of this line",
        ),
        ("in quoted scalar", "is the closing quote missing?"),
        (
            "content after",
            "inside single quotes a quote is written twice: 'it''s'",
        ),
        (
            "unexpected character",
            "put quotes around a text that begins with a special character",
        ),
        (
            "unknown escape",
            "inside double quotes a backslash is written twice; inside single quotes it is plain",
        ),
        (
            "unknown anchor",
            "put quotes around a text that begins with `*`",
        ),
        (
            "placement of ':'",
            "is a closing `]` or `}` missing on an earlier line?",
        ),
        ("flow", "is a closing `]` or `}` missing?"),
        (
            "expected '-'",
            "does this line begin in the same column as its neighbours?",
        ),
        (
            "find expected key",
            "is this line indented like its neighbours? a text that begins with a brace, a bracket or a quote needs quotes around all of it",
        ),
        (
            "simple key expect",
            "is a `:` missing after a key, or is this line indented wrongly?",
        ),
    ];
    let found = hints.iter().find(|(part, _)| message.contains(part));
    (None, found.map(|(_, hint)| *hint))
}

/// The tree while the parser's events come in.
struct Builder<'f> {
    file: &'f Arc<SourceFile>,
    /// Lists and mappings that have begun and not ended, innermost last.
    open: Vec<Open>,
    root: Option<Node>,
    n_documents: usize,
    problems: Vec<Problem>,
}

/// A list or mapping that has begun.
struct Open {
    span: Span,
    /// The list or the mapping, with its parts so far.
    value: Value,
    has_tag: bool,
    /// In a mapping, the key whose value comes next; the inner None is a refused key.
    key: Option<Option<(String, Position)>>,
}

impl Builder<'_> {
    fn read(&mut self) -> Result<(), Box<Problem>> {
        let file = self.file;
        // The parser would take a NUL for the end of the text.
        if let Some(n_bytes) = file.body().find(is_control) {
            let position = Position::after_bytes(file, n_bytes);
            let message = "not valid YAML: control characters are not allowed";
            return Err(Problem::error(&position, message).into());
        }
        let mut parser = Parser::new_from_str(file.body());
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| syntax_problem(file, &error))?;
            let span = Span {
                start: span.start.index(),
                end: span.end.index(),
                line: span.start.line(),
                column: span.start.col() + 1,
            };
            self.take(event, span)?;
        }
        if self.root.is_some() {
            return Ok(());
        }
        let empty = Problem::error(&Position::whole_file(file), "the file is empty");
        let hint = "experiments/README.md describes the format";
        Err(empty.hint(hint).into())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Box<Problem>> {
        let position = Position::new(self.file, span);
        match event {
            Event::DocumentStart(_) => return self.begin_document(&position),
            Event::Alias(_) => {
                self.refuse(&position, "alias (`*name`)");
                let value = Value::Refused;
                self.add(Node { value, position }, None);
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_properties(&position, anchor, tag.is_some());
                let is_plain = style == ScalarStyle::Plain;
                // The parser takes a block scalar inside brackets for a text without quotes.
                if is_plain && text.starts_with(['|', '>']) {
                    let message = "not valid YAML: a text without quotes begins with `|` or `>`";
                    let hint = "put quotes around it";
                    return Err(Problem::error(&position, message).hint(hint).into());
                }
                let value = match tag {
                    Some(_) => Value::Refused,
                    None if is_plain => plain(&text).into(),
                    None => Value::String(text.to_string()),
                };
                self.add(
                    Node { value, position },
                    Some((text.into_owned(), is_plain)),
                );
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_properties(&position, anchor, tag.is_some());
                return self.begin(Value::List(Vec::new()), span, tag.is_some());
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_properties(&position, anchor, tag.is_some());
                let mapping = Mapping {
                    entries: Vec::new(),
                    incomplete: false,
                };
                return self.begin(Value::Mapping(mapping), span, tag.is_some());
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin_document(&mut self, position: &Position) -> Result<(), Box<Problem>> {
        self.n_documents += 1;
        if self.n_documents == 1 {
            return Ok(());
        }
        let message = "a second YAML document begins here";
        let hint = "an experiment is one document: remove the line `---`";
        Err(Problem::error(position, message).hint(hint).into())
    }

    fn begin(&mut self, value: Value, span: Span, has_tag: bool) -> Result<(), Box<Problem>> {
        if self.open.len() == DEPTH_MAX {
            let message = "lists and mappings are nested too deep";
            return Err(Problem::error(&Position::new(self.file, span), message).into());
        }
        self.open.push(Open {
            span,
            value,
            has_tag,
            key: None,
        });
        Ok(())
    }

    fn end(&mut self, span: Span) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let end = span.end.max(open.span.end);
        let position = Position::new(self.file, Span { end, ..open.span });
        let value = if open.has_tag {
            Value::Refused
        } else {
            open.value
        };
        self.add(Node { value, position }, None);
    }

    /// Puts a node into the innermost list or mapping; `scalar` is its text and whether that is plain.
    fn add(&mut self, node: Node, scalar: Option<(String, bool)>) {
        let Some(mut open) = self.open.pop() else {
            self.root = Some(node);
            return;
        };
        match (&mut open.value, open.key.take()) {
            (Value::Mapping(_), None) => open.key = Some(self.key(node, scalar)),
            (Value::Mapping(mapping), Some(Some((key, key_position)))) => {
                mapping.entries.push(Field {
                    key,
                    key_position,
                    node,
                });
            }
            (Value::Mapping(mapping), Some(None)) => mapping.incomplete = true,
            (Value::List(items), _) => items.push(node),
            // Nothing else is ever opened.
            _ => {}
        }
        self.open.push(open);
    }

    /// The key that a node stands for; None where it is none, which is reported.
    fn key(&mut self, node: Node, scalar: Option<(String, bool)>) -> Option<(String, Position)> {
        let (message, hint) = match scalar {
            Some((text, true)) if text == "<<" => (
                "a YAML merge key (`<<`) has no place in an experiment",
                "write the keys out, or take whole sections from a file with `extends`",
            ),
            Some((text, _)) => return Some((text, node.position)),
            // An alias has been reported.
            None if matches!(node.value, Value::Refused) => return None,
            None => (
                "a list or mapping cannot be a key",
                "put quotes around the text before the `:`",
            ),
        };
        self.problems
            .push(Problem::error(&node.position, message).hint(hint));
        None
    }

    /// Reports an anchor or a tag; the parser numbers anchors from 1, and 0 stands for none.
    fn refuse_properties(&mut self, position: &Position, anchor: usize, has_tag: bool) {
        if anchor != 0 {
            self.refuse(position, "anchor (`&name`)");
        } else if has_tag {
            self.refuse(position, "tag (`!name`)");
        }
    }

    fn refuse(&mut self, position: &Position, what: &str) {
        let message = format!("a YAML {what} has no place in an experiment");
        self.problems.push(
            Problem::error(position, message)
                .hint("write the value out, or put quotes around it if it is text"),
        );
    }
}

/// True for the characters that YAML does not allow anywhere.
fn is_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{85}')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn problems_of(text: &str) -> Vec<String> {
        let file = SourceFile::new(Path::new("x.yaml"), text.to_owned());
        let mut problems = Vec::new();
        parse(&file, &mut problems);
        problems.iter().map(Problem::to_string).collect()
    }

    fn check(text: &str, expected: &str) {
        assert_eq!(problems_of(text).join("\n"), expected, "{text}");
    }

    #[test]
    fn syntax_errors_show_the_line_and_a_next_step() {
        check(
            "question: Does it: leak?\n",
            "error: not valid YAML: mapping values are not allowed in this context\n \
             --> x.yaml:1:18\n  |\n1 | question: Does it: leak?\n  |                  ^\n  |\n  \
             = hint: put quotes around a text that holds `: `, or check the indentation of this line",
        );
        check(
            "a:\n  b: 1\n\tc: 2\n",
            "error: not valid YAML: while scanning a plain scalar, found a tab\n \
             --> x.yaml:3:1\n  |\n3 |     c: 2\n  | ^^^^\n  |\n  \
             = hint: YAML is indented with spaces; this line begins with a tab",
        );
        check(
            "a: \"x\nb: 1\n",
            "error: not valid YAML: invalid indentation in quoted scalar\n \
             --> x.yaml:1:4\n  |\n1 | a: \"x\n  |    ^\n  |\n  \
             = hint: is the closing quote missing?",
        );
        check(
            "a: [1, 2\nb: 3\n",
            "error: not valid YAML: illegal placement of ':' indicator\n \
             --> x.yaml:2:2\n  |\n2 | b: 3\n  |  ^\n  |\n  \
             = hint: is a closing `]` or `}` missing on an earlier line?",
        );
    }

    #[test]
    fn every_refused_part_is_reported() {
        let text = "a: &x 1\nb: *x\nc: !colour red\n<<: {d: 1}\n? [e]\n: 2\n";
        let shown = problems_of(text);
        let firsts: Vec<_> = shown
            .iter()
            .filter_map(|text| text.lines().next())
            .collect();
        assert_eq!(
            firsts,
            [
                "error: a YAML anchor (`&name`) has no place in an experiment",
                "error: a YAML alias (`*name`) has no place in an experiment",
                "error: a YAML tag (`!name`) has no place in an experiment",
                "error: a YAML merge key (`<<`) has no place in an experiment",
                "error: a list or mapping cannot be a key",
            ]
        );
    }

    #[test]
    fn a_file_that_grows_by_aliases_is_refused_at_once() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert!(problems_of(&text).len() > 100);
    }

    #[test]
    fn nothing_and_two_documents_are_refused() {
        check(
            "# only a remark\n",
            "error: the file is empty\n--> x.yaml\n = hint: experiments/README.md describes the format",
        );
        check(
            "a: 1\n---\nb: 2\n",
            "error: a second YAML document begins here\n --> x.yaml:2:1\n  |\n2 | ---\n  | ^^^\n  |\n  \
             = hint: an experiment is one document: remove the line `---`",
        );
    }

    /// The keys and values of a mapping without problems.
    fn entries_of(text: &str) -> Vec<(String, Value)> {
        let file = SourceFile::new(Path::new("x.yaml"), text.to_owned());
        let mut problems = Vec::new();
        let node = parse(&file, &mut problems).unwrap();
        assert_eq!(problems, Vec::new());
        let Value::Mapping(mapping) = node.value else {
            panic!("a mapping");
        };
        let entries = mapping.entries.into_iter();
        entries.map(|entry| (entry.key, entry.node.value)).collect()
    }

    #[test]
    fn all_ways_to_write_text_are_read() {
        let text = "a: >\n  one\n  two\n\n  three\n    four\n\nb: |-\n  one\n   two\n\nc: >+\n  one\n\n\
                    d: \"\\u263a \\x41\\\n  \\ two\\n\"\ne: 'it''s\n\n  two'\nf: one # remark\n  \n\
                    g: one\n   two #three\ni: |2\n   one\nj: \"one\u{2028} two\"\n";
        let expected = [
            ("a", "one two\nthree\n  four\n"),
            ("b", "one\n two"),
            ("c", "one\n\n"),
            ("d", "☺ A two\n"),
            ("e", "it's\ntwo"),
            ("f", "one"),
            ("g", "one two"),
            ("i", " one\n"),
            ("j", "one\u{2028} two"),
        ];
        let entries = entries_of(text);
        assert_eq!(entries.len(), expected.len());
        for ((key, value), (expected_key, expected)) in entries.iter().zip(expected) {
            assert_eq!(key, expected_key);
            assert!(
                matches!(value, Value::String(text) if text == expected),
                "{value:?}"
            );
        }
    }

    #[test]
    fn every_value_has_its_place() {
        let text = "é: 'ü'\nlist:\n  - [a, \"b\"]\n  - >-\n    folded\n    text\n";
        let file = SourceFile::new(Path::new("x.yaml"), text.to_owned());
        let root = parse(&file, &mut Vec::new()).unwrap();
        let mut found = Vec::new();
        places(&root, &mut found);
        let expected = [
            "x.yaml:1:1 é: 'ü'\nlist:\n  - [a, \"b\"]\n  - >-\n    folded\n    text\n",
            "x.yaml:1:4 'ü'",
            "x.yaml:3:3 - [a, \"b\"]\n  - >-\n    folded\n    text\n",
            "x.yaml:3:5 [a, \"b\"]",
            "x.yaml:3:6 a",
            "x.yaml:3:9 \"b\"",
            "x.yaml:5:5 folded\n    text\n",
        ];
        assert_eq!(found, expected);
    }

    /// The place and the text of a node, and of all nodes in it.
    fn places(node: &Node, found: &mut Vec<String>) {
        found.push(format!("{} {}", node.position, node.position.source_text()));
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| places(item, found)),
            Value::Mapping(mapping) => {
                let entries = mapping.entries.iter();
                entries.for_each(|entry| places(&entry.node, found));
            }
            _ => {}
        }
    }

    #[test]
    fn a_control_character_is_refused_and_ends_nothing() {
        check(
            "a: one\0 two\n",
            "error: not valid YAML: control characters are not allowed\n \
             --> x.yaml:1:7\n  |\n1 | a: one\u{fffd} two\n  |       ^",
        );
    }

    #[test]
    fn a_block_of_text_inside_brackets_is_refused() {
        check(
            "a: [b, >-\n  c]\n",
            "error: not valid YAML: a text without quotes begins with `|` or `>`\n \
             --> x.yaml:1:8\n  |\n1 | a: [b, >-\n  |        ^^\n  |\n  = hint: put quotes around it",
        );
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        let shown = problems_of(&"[".repeat(100));
        assert_eq!(shown.len(), 1);
        assert!(shown[0].starts_with("error: lists and mappings are nested too deep"));
    }
}
