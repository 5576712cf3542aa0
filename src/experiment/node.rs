//! A YAML text as values that know their place.
//!
//! Owns `Node` and the joining of the two readings of a text: values from `wire`, places from
//! `locate`. They must agree on every value; where they do not, or where the text uses a part of
//! YAML that experiments do without, the problem is reported. What keys mean is decided by `read`.

use std::sync::Arc;

use super::locate::{self, LocateError, Located, Refused, Shape};
use super::problem::Problem;
use super::source::{Position, SourceFile};
use super::wire::{self, Wire};

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

/// Keys and values in the order of the file; a key can come twice.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    pub(crate) entries: Vec<Entry>,
    /// A part was refused, so what seems to be missing may stand there.
    pub(crate) incomplete: bool,
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_position: Position,
    pub(crate) node: Node,
}

/// The tree of a file; None where there is a problem that leaves nothing to read.
pub(crate) fn parse(file: &Arc<SourceFile>, problems: &mut Vec<Problem>) -> Option<Node> {
    let located = match locate::locate(file.body()) {
        Ok(located) => located,
        Err(error) => {
            problems.push(locate_problem(file, error));
            return None;
        }
    };
    let mut joining = Joining {
        file,
        problems: Vec::new(),
    };
    joining.refuse(&located);
    let node = match wire::parse(file.body()) {
        Ok(wire) => Some(joining.join(located, wire)),
        Err(error) => {
            // What was refused explains why the second reader could not read on.
            if joining.problems.is_empty() {
                joining.problems.push(wire_problem(file, &error));
            }
            None
        }
    };
    problems.append(&mut joining.problems);
    node
}

fn wire_problem(file: &Arc<SourceFile>, error: &wire::WireError) -> Problem {
    let position = match error.place {
        Some((line, column)) => Position::character(file, line, column),
        None => Position::whole_file(file),
    };
    Problem::error(&position, format!("not valid YAML: {}", error.message))
}

fn locate_problem(file: &Arc<SourceFile>, error: LocateError) -> Problem {
    match error {
        LocateError::Empty => Problem::error(&Position::whole_file(file), "the file is empty")
            .hint("experiments/README.md describes the format"),
        LocateError::TooDeep(span) => Problem::error(
            &Position::new(file, span),
            "lists and mappings are nested too deep",
        ),
        LocateError::SecondDocument(span) => {
            let message = "a second YAML document begins here";
            Problem::error(&Position::new(file, span), message)
                .hint("an experiment is one document: remove the line `---`")
        }
        LocateError::Syntax { message, span } => {
            let (line, hint) = syntax_hint(file, &message, span.line);
            let position = match line {
                Some(line) => Position::character(file, line, 1),
                None => Position::new(file, span),
            };
            Problem::error(&position, format!("not valid YAML: {message}")).maybe_hint(hint)
        }
    }
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

/// The problems found while two readings of one file are joined.
struct Joining<'f> {
    file: &'f Arc<SourceFile>,
    problems: Vec<Problem>,
}

impl Joining<'_> {
    /// Reports every anchor, alias, tag and merge key at or below `located`.
    fn refuse(&mut self, located: &Located) {
        let position = Position::new(self.file, located.span);
        let what = located.refused.map(|refused| match refused {
            Refused::Anchor => "a YAML anchor (`&name`)",
            Refused::Alias => "a YAML alias (`*name`)",
            Refused::Tag => "a YAML tag (`!name`)",
        });
        if let Some(what) = what {
            let message = format!("{what} has no place in an experiment");
            self.problems.push(
                Problem::error(&position, message)
                    .hint("write the value out, or put quotes around it if it is text"),
            );
        }
        match &located.shape {
            Shape::List(items) => items.iter().for_each(|item| self.refuse(item)),
            Shape::Mapping(entries) => entries.iter().for_each(|(key, value)| {
                self.refuse_key(key);
                self.refuse(value);
            }),
            Shape::Scalar(..) | Shape::Alias => {}
        }
    }

    fn refuse_key(&mut self, key: &Located) {
        let position = Position::new(self.file, key.span);
        match &key.shape {
            Shape::Scalar(text, true) if text == "<<" => self.problems.push(
                Problem::error(
                    &position,
                    "a YAML merge key (`<<`) has no place in an experiment",
                )
                .hint("write the keys out, or take whole sections from a file with `extends`"),
            ),
            Shape::Scalar(..) => self.refuse(key),
            _ => self.problems.push(
                Problem::error(&position, "a list or mapping cannot be a key")
                    .hint("put quotes around the text before the `:`"),
            ),
        }
    }

    fn join(&mut self, located: Located, wire: Wire) -> Node {
        let position = Position::new(self.file, located.span);
        let value = match (located.shape, wire) {
            // An alias or a value with a tag is reported; an anchored value can still be read.
            _ if matches!(located.refused, Some(Refused::Alias | Refused::Tag)) => Value::Refused,
            (Shape::List(items), Wire::List(wires)) if items.len() == wires.len() => {
                let items = items.into_iter().zip(wires);
                Value::List(items.map(|(item, wire)| self.join(item, wire)).collect())
            }
            (Shape::Mapping(entries), Wire::Mapping(wires)) if entries.len() == wires.len() => {
                Value::Mapping(self.join_entries(entries, wires))
            }
            (Shape::Scalar(text, _), Wire::String(string)) if text == string => {
                Value::String(string)
            }
            (Shape::Scalar(_, true), Wire::Null) => Value::Null,
            (Shape::Scalar(_, true), Wire::Bool(truth)) => Value::Bool(truth),
            (Shape::Scalar(_, true), Wire::Integer(number)) => Value::Integer(number),
            (Shape::Scalar(_, true), Wire::Float(number)) => Value::Float(number),
            _ => self.disagreement(&position),
        };
        Node { value, position }
    }

    fn join_entries(
        &mut self,
        entries: Vec<(Located, Located)>,
        wires: Vec<(Wire, Wire)>,
    ) -> Mapping {
        let n_entries = entries.len();
        let mut joined = Vec::with_capacity(n_entries);
        for ((key, value), (_, wire)) in entries.into_iter().zip(wires) {
            let node = self.join(value, wire);
            match key.shape {
                Shape::Scalar(text, is_plain) if !(is_plain && text == "<<") => {
                    joined.push(Entry {
                        key: text,
                        key_position: Position::new(self.file, key.span),
                        node,
                    });
                }
                _ => {}
            }
        }
        Mapping {
            incomplete: joined.len() < n_entries,
            entries: joined,
        }
    }

    fn disagreement(&mut self, position: &Position) -> Value {
        self.problems.push(
            Problem::error(position, "YAML readers do not agree on this value")
                .hint("write it on one line, between double quotes"),
        );
        Value::Refused
    }
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
             --> x.yaml:1:18\n  |\n1 | question: Does it: leak?\n  |                  ^\n  \
             = hint: put quotes around a text that holds `: `, or check the indentation of this line",
        );
        check(
            "a:\n  b: 1\n\tc: 2\n",
            "error: not valid YAML: while scanning a plain scalar, found a tab\n \
             --> x.yaml:3:1\n  |\n3 |  c: 2\n  | ^\n  \
             = hint: YAML is indented with spaces; this line begins with a tab",
        );
        check(
            "a: \"x\nb: 1\n",
            "error: not valid YAML: invalid indentation in quoted scalar\n \
             --> x.yaml:1:4\n  |\n1 | a: \"x\n  |    ^\n  \
             = hint: is the closing quote missing?",
        );
        check(
            "a: [1, 2\nb: 3\n",
            "error: not valid YAML: illegal placement of ':' indicator\n \
             --> x.yaml:2:2\n  |\n2 | b: 3\n  |  ^\n  \
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
            "error: the file is empty\n --> x.yaml\n  = hint: experiments/README.md describes the format",
        );
        check(
            "a: 1\n---\nb: 2\n",
            "error: a second YAML document begins here\n --> x.yaml:2:1\n  |\n2 | ---\n  | ^^^\n  \
             = hint: an experiment is one document: remove the line `---`",
        );
    }

    #[test]
    fn both_readers_agree_on_all_ways_to_write_text() {
        let text = "a: >\n  one\n  two\n\n  three\n    four\n\nb: |-\n  one\n   two\n\nc: >+\n  one\n\n\
                    d: \"\\u263a \\x41\\\n  \\ two\\n\"\ne: 'it''s\n\n  two'\nf: one # remark\n  \n\
                    g: one\n   two #three\nh: [a b, 'c', {d: e}]\ni: |2\n   one\nj: !x\n";
        let shown = problems_of(&text.replace("j: !x\n", ""));
        assert_eq!(shown, Vec::<String>::new());
        assert_eq!(problems_of(text).len(), 1, "the tag alone is refused");
    }

    #[test]
    fn values_on_which_readers_differ_are_refused() {
        // U+2028 is a line break for YAML 1.1 readers and a character for YAML 1.2 readers.
        let shown = problems_of("a: \"one\u{2028} two\"\n");
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(shown[0].starts_with("error: YAML readers do not agree on this value"));
    }
}
