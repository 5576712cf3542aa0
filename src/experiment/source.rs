//! The text of an experiment file and places in it.
//!
//! Owns `SourceFile` (path and text, word for word) and `Position` (a stretch of that text).
//! It neither parses the text nor says what is wrong with it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::Digest;
use crate::home;

/// A file that makes up an experiment: its path as the user gave it and its text, word for word.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    path: PathBuf,
    text: String,
    sha256: Digest,
    /// The bytes of the body at which its lines begin.
    line_starts: Vec<usize>,
    /// The bytes of the body at which every [`MARK_CHARS`]th character begins.
    char_marks: Vec<usize>,
}

/// Characters from one place that is known to the next: a file may have as many problems as lines, and none of them
/// should be looked for from the start.
const MARK_CHARS: usize = 1024;

impl SourceFile {
    pub(crate) fn new(path: &Path, text: String) -> Arc<Self> {
        let sha256 = Digest::of(text.as_bytes());
        let body = body_of(&text);
        // Both pointers are into the body, so their distance is the byte offset of the line.
        let start = |line: &str| line.as_ptr() as usize - body.as_ptr() as usize;
        let line_starts = lines(body).map(start).collect();
        let chars = body.char_indices().step_by(MARK_CHARS);
        let char_marks = chars.map(|(offset, _)| offset).collect();
        Arc::new(Self {
            path: path.to_owned(),
            text,
            sha256,
            line_starts,
            char_marks,
        })
    }

    /// The path, as given on the command line or joined from it and an `extends`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `name` as seen from the directory of this file; `~` is the home folder.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        let directory = self.path.parent().unwrap_or(Path::new(""));
        directory.join(home::expanded(Path::new(name)))
    }

    /// The text, word for word.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the bytes of the file.
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// The text without a byte order mark; what the YAML parser sees and positions count in.
    pub(crate) fn body(&self) -> &str {
        body_of(&self.text)
    }

    /// The body from the character with this number, from 0.
    fn rest_from(&self, char_idx: usize) -> &str {
        let mark = self.char_marks.get(char_idx / MARK_CHARS);
        let rest = mark.map_or("", |mark| &self.body()[*mark..]);
        let mut chars = rest.char_indices();
        chars
            .nth(char_idx % MARK_CHARS)
            .map_or("", |(offset, _)| &rest[offset..])
    }

    /// The line with this number, counted from 1, without its line break.
    pub(crate) fn line(&self, number: usize) -> Option<&str> {
        let start = *self.line_starts.get(number.checked_sub(1)?)?;
        lines(&self.body()[start..]).next()
    }
}

/// The text without a byte order mark.
fn body_of(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The lines of `text` as YAML counts them: a line ends with `\n`, `\r\n` or a lone `\r`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let Some(end) = current.find(['\n', '\r']) else {
            rest = None;
            return Some(current);
        };
        let n_break_bytes = if current[end..].starts_with("\r\n") {
            2
        } else {
            1
        };
        rest = Some(&current[end + n_break_bytes..]);
        Some(&current[..end])
    })
}

/// A stretch of text: characters `start..end` of a body, and where `start` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Characters before the stretch.
    pub(crate) start: usize,
    /// Characters before its end.
    pub(crate) end: usize,
    /// Line of the start, from 1.
    pub(crate) line: usize,
    /// Column of the start in characters, from 1.
    pub(crate) column: usize,
}

/// A place in an experiment file, for messages about it; shown as `path:line:column`.
#[derive(Clone)]
pub struct Position {
    file: Arc<SourceFile>,
    /// None stands for the file as a whole.
    span: Option<Span>,
}

impl Position {
    pub(crate) fn new(file: &Arc<SourceFile>, span: Span) -> Self {
        Self {
            file: Arc::clone(file),
            span: Some(span),
        }
    }

    pub(crate) fn whole_file(file: &Arc<SourceFile>) -> Self {
        Self {
            file: Arc::clone(file),
            span: None,
        }
    }

    /// One character, `line` and `column` counted from 1.
    pub(crate) fn character(file: &Arc<SourceFile>, line: usize, column: usize) -> Self {
        let start = char_index(file.body(), line, column);
        let end = start + 1;
        Self::new(
            file,
            Span {
                start,
                end,
                line,
                column,
            },
        )
    }

    /// The character that follows the first `n_bytes` of the body.
    pub(crate) fn after_bytes(file: &Arc<SourceFile>, n_bytes: usize) -> Self {
        let before = &file.body()[..n_bytes];
        let (n_breaks, column) = end_of(before);
        Self::character(file, n_breaks + 1, column)
    }

    /// The file.
    pub fn file(&self) -> &SourceFile {
        &self.file
    }

    pub(crate) fn span(&self) -> Option<Span> {
        self.span
    }

    /// The text at this place, as written in the file, quotes and all.
    pub(crate) fn source_text(&self) -> String {
        let Some(span) = self.span else {
            return String::new();
        };
        let n_chars = span.end.saturating_sub(span.start);
        let chars = self.file.rest_from(span.start).chars();
        chars.take(n_chars).collect()
    }

    /// The first character only: where something begins that spans many lines.
    pub(crate) fn first_character(&self) -> Self {
        let span = self.span.map(|span| Span {
            end: span.start + 1,
            ..span
        });
        Self {
            file: Arc::clone(&self.file),
            span,
        }
    }

    /// The first occurrence of `needle` inside this place; this place where it is not written so.
    pub(crate) fn narrowed(&self, needle: &str) -> Self {
        let text = self.source_text();
        let (Some(span), Some(offset)) = (self.span, text.find(needle)) else {
            return self.clone();
        };
        let before = &text[..offset];
        let (n_breaks, column) = end_of(before);
        let start = span.start + before.chars().count();
        let column = if n_breaks == 0 {
            span.column + column - 1
        } else {
            column
        };
        let end = start + needle.chars().count().max(1);
        let line = span.line + n_breaks;
        Self::new(
            &self.file,
            Span {
                start,
                end,
                line,
                column,
            },
        )
    }
}

/// How many line breaks `text` holds, and the column (from 1) at which it ends.
fn end_of(text: &str) -> (usize, usize) {
    let n_lines = lines(text).count();
    let last = lines(text).last().unwrap_or_default();
    (n_lines.saturating_sub(1), last.chars().count() + 1)
}

fn char_index(text: &str, line: usize, column: usize) -> usize {
    let Some(current) = lines(text).nth(line.saturating_sub(1)) else {
        return text.chars().count();
    };
    // Both pointers are into `text`, so their distance is the byte offset of the line.
    let offset = current.as_ptr() as usize - text.as_ptr() as usize;
    text[..offset].chars().count() + column.saturating_sub(1)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.path.display())?;
        match self.span {
            Some(span) => write!(f, ":{}:{}", span.line, span.column),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}

impl PartialEq for Position {
    fn eq(&self, other: &Self) -> bool {
        self.span == other.span && self.file.path == other.file.path
    }
}

impl Eq for Position {}

impl Hash for Position {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.span.map(|span| span.start).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Arc<SourceFile> {
        SourceFile::new(Path::new("x.yaml"), text.to_owned())
    }

    #[test]
    fn lines_end_as_in_yaml() {
        let file = file("\u{feff}a\r\nb\rc\n\nd");
        let found: Vec<_> = (1..=6).map(|number| file.line(number)).collect();
        assert_eq!(
            found,
            [Some("a"), Some("b"), Some("c"), Some(""), Some("d"), None]
        );
        assert_eq!(file.line(0), None);
        assert!(file.text().starts_with('\u{feff}'));
    }

    #[test]
    fn places_count_characters() {
        let file = file("é: ü\nlist: [é, red]\n");
        let second_line = Position::new(
            &file,
            Span {
                start: 5,
                end: 19,
                line: 2,
                column: 1,
            },
        );
        assert_eq!(second_line.source_text(), "list: [é, red]");
        let red = second_line.narrowed("red");
        assert_eq!(
            (red.to_string().as_str(), red.source_text().as_str()),
            ("x.yaml:2:11", "red")
        );
        assert_eq!(second_line.narrowed("blue"), second_line);
        assert_eq!(Position::character(&file, 2, 11).source_text(), "r");
        assert_eq!(
            Position::after_bytes(&file, "é: ü\nlist".len()).to_string(),
            "x.yaml:2:5"
        );
    }

    #[test]
    fn a_place_narrows_across_lines() {
        let file = file("a: one\n  two {x}\n");
        let value = Position::new(
            &file,
            Span {
                start: 3,
                end: 16,
                line: 1,
                column: 4,
            },
        );
        assert_eq!(value.narrowed("{x}").to_string(), "x.yaml:2:7");
    }
}
