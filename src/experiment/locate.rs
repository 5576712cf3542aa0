//! Where every value of a YAML text stands.
//!
//! Owns the tree of places (`Located`) and the syntax errors, both from the event parser.
//! What a plain scalar means (number, text, nothing) is decided by `wire`.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::source::Span;

/// Lists and mappings inside each other; a real experiment needs five.
const DEPTH_MAX: usize = 32;

/// A value's place, with its shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Located {
    pub(crate) span: Span,
    pub(crate) shape: Shape,
    /// What an experiment file does not allow on a value, although YAML does.
    pub(crate) refused: Option<Refused>,
}

/// The shape of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// Text and whether it stands without quotes and on lines of its own.
    Scalar(String, bool),
    List(Vec<Located>),
    Mapping(Vec<(Located, Located)>),
    /// `*name`
    Alias,
}

/// Parts of YAML that an experiment file does without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Anchor,
    Alias,
    Tag,
}

/// Why a text has no tree.
#[derive(Debug, PartialEq)]
pub(crate) enum LocateError {
    Empty,
    TooDeep(Span),
    SecondDocument(Span),
    Syntax { message: String, span: Span },
}

/// The tree of the one document in `text`.
pub(crate) fn locate(text: &str) -> Result<Located, LocateError> {
    let mut builder = Builder::default();
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(syntax_error)?;
        builder.take(event, converted(span))?;
    }
    builder.root.ok_or(LocateError::Empty)
}

fn converted(span: saphyr_parser::Span) -> Span {
    Span {
        start: span.start.index(),
        end: span.end.index(),
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

fn syntax_error(error: ScanError) -> LocateError {
    let mark = *error.marker();
    let message = error.info().to_owned();
    let mut span = converted(saphyr_parser::Span::empty(mark));
    span.end += 1;
    LocateError::Syntax { message, span }
}

/// Lists and mappings that have begun and not ended, innermost last.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Located>,
    n_documents: usize,
}

struct Open {
    is_mapping: bool,
    span: Span,
    refused: Option<Refused>,
    /// Items, or keys and values in turn.
    children: Vec<Located>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), LocateError> {
        match event {
            Event::DocumentStart(_) => return self.begin_document(span),
            Event::Alias(_) => self.finish(Located {
                span,
                shape: Shape::Alias,
                refused: Some(Refused::Alias),
            }),
            Event::Scalar(text, style, anchor, tag) => {
                let shape = Shape::Scalar(text.into_owned(), style == ScalarStyle::Plain);
                let refused = refused(anchor, tag.as_ref());
                self.finish(Located {
                    span,
                    shape,
                    refused,
                });
            }
            Event::SequenceStart(anchor, tag) => {
                return self.begin(false, span, refused(anchor, tag.as_ref()));
            }
            Event::MappingStart(anchor, tag) => {
                return self.begin(true, span, refused(anchor, tag.as_ref()));
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin_document(&mut self, span: Span) -> Result<(), LocateError> {
        self.n_documents += 1;
        if self.n_documents > 1 {
            return Err(LocateError::SecondDocument(span));
        }
        Ok(())
    }

    fn begin(
        &mut self,
        is_mapping: bool,
        span: Span,
        refused: Option<Refused>,
    ) -> Result<(), LocateError> {
        if self.open.len() == DEPTH_MAX {
            return Err(LocateError::TooDeep(span));
        }
        self.open.push(Open {
            is_mapping,
            span,
            refused,
            children: Vec::new(),
        });
        Ok(())
    }

    fn end(&mut self, span: Span) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let shape = if open.is_mapping {
            Shape::Mapping(pairs(open.children))
        } else {
            Shape::List(open.children)
        };
        let end = span.end.max(open.span.end);
        self.finish(Located {
            span: Span { end, ..open.span },
            shape,
            refused: open.refused,
        });
    }

    fn finish(&mut self, located: Located) {
        match self.open.last_mut() {
            Some(open) => open.children.push(located),
            None => self.root = Some(located),
        }
    }
}

fn pairs(children: Vec<Located>) -> Vec<(Located, Located)> {
    let mut children = children.into_iter();
    let mut pairs = Vec::new();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn refused(anchor: usize, tag: Option<&Cow<'_, Tag>>) -> Option<Refused> {
    // The parser numbers anchors from 1; 0 stands for none.
    match (anchor, tag) {
        (0, None) => None,
        (0, Some(_)) => Some(Refused::Tag),
        _ => Some(Refused::Anchor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `line:column text` of every scalar, in order.
    fn scalars(located: &Located, found: &mut Vec<String>) {
        match &located.shape {
            Shape::Scalar(text, _) => {
                found.push(format!(
                    "{}:{} {text}",
                    located.span.line, located.span.column
                ));
            }
            Shape::List(items) => items.iter().for_each(|item| scalars(item, found)),
            Shape::Mapping(entries) => entries.iter().for_each(|(key, value)| {
                scalars(key, found);
                scalars(value, found);
            }),
            Shape::Alias => {}
        }
    }

    #[test]
    fn every_scalar_has_its_place() {
        let text = "é: 'ü'\nlist:\n  - [a, \"b\"]\n  - >-\n    folded\n    text\n";
        let mut found = Vec::new();
        scalars(&locate(text).unwrap(), &mut found);
        assert_eq!(
            found,
            [
                "1:1 é",
                "1:4 ü",
                "2:1 list",
                "3:6 a",
                "3:9 b",
                "5:5 folded text"
            ]
        );
    }

    #[test]
    fn what_is_no_single_document_is_refused() {
        assert_eq!(locate("# nothing\n"), Err(LocateError::Empty));
        assert!(matches!(
            locate("a: 1\n---\nb: 2\n"),
            Err(LocateError::SecondDocument(_))
        ));
        assert!(matches!(
            locate(&"[".repeat(100)),
            Err(LocateError::TooDeep(_))
        ));
        assert!(matches!(locate("a: b: c"), Err(LocateError::Syntax { .. })));
    }

    #[test]
    fn anchors_aliases_and_tags_are_marked() {
        let located = locate("[&x 1, *x, !!str 2, 3]").unwrap();
        let Shape::List(items) = located.shape else {
            panic!("a list");
        };
        let refused: Vec<_> = items.iter().map(|item| item.refused).collect();
        assert_eq!(
            refused,
            [
                Some(Refused::Anchor),
                Some(Refused::Alias),
                Some(Refused::Tag),
                None
            ]
        );
    }
}
