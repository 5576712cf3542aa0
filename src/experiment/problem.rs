//! The mistakes in an experiment file, and their picture on the terminal.
//!
//! Owns `Problem` (one finding with its place), `ExperimentErrors` (all findings of a file at once)
//! and their text. It finds nothing itself; the offending line is drawn by `annotate_snippets`.

use std::fmt;
use std::io;

use annotate_snippets::{Annotation, AnnotationKind, Element, Level, Origin, Renderer, Snippet};

use super::source::{Position, Span};
use crate::visible::is_obeyed;

/// Problems of a file that are shown, and for which a similar word is looked for.
pub(crate) const N_SHOWN_MAX: usize = 100;
/// Columns of a source line that are shown at most.
const EXCERPT_WIDTH: usize = 100;

/// The weight of a problem: an error keeps the experiment from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The experiment does not run.
    Error,
    /// The experiment runs; the user should look.
    Warning,
}

/// One finding about an experiment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    severity: Severity,
    message: String,
    position: Position,
    label: String,
    earlier: Option<(Position, String)>,
    hint: Option<String>,
}

impl Problem {
    /// An error at `position`; `message` is a lowercase phrase without a final period.
    pub fn error(position: &Position, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            position: position.clone(),
            label: String::new(),
            earlier: None,
            hint: None,
        }
    }

    /// A warning at `position`; `message` is a lowercase phrase without a final period.
    pub fn warning(position: &Position, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(position, message)
        }
    }

    /// The same with words beside the underline, such as what was expected.
    pub fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            ..self
        }
    }

    /// The same with a second place that belongs to it, such as the first of two equal names.
    pub fn earlier(self, position: &Position, label: impl Into<String>) -> Self {
        Self {
            earlier: Some((position.clone(), label.into())),
            ..self
        }
    }

    /// The same with a next step for the user.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.maybe_hint(Some(hint))
    }

    /// The same with a next step for the user, where there is one.
    pub fn maybe_hint(self, hint: Option<impl Into<String>>) -> Self {
        Self {
            hint: hint.map(Into::into),
            ..self
        }
    }

    /// Its weight: an error keeps the experiment from running.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Where it is.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The sentence without place and hint.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// All errors of an experiment file and of the file it extends; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExperimentErrors {
    problems: Vec<Problem>,
}

impl ExperimentErrors {
    /// One error at `position`.
    pub fn single(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }

    /// `Ok` where `problems` is empty, else all of them as one error, equal ones once.
    pub fn raise(mut problems: Vec<Problem>) -> Result<(), Self> {
        problems.dedup();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self { problems })
        }
    }

    /// The problems in the order in which they are shown.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The paths of all files with a problem, each once.
    fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for problem in &self.problems {
            let path = problem.position.file().path().display().to_string();
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }
}

impl std::error::Error for ExperimentErrors {}

impl fmt::Display for ExperimentErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.problems.iter().take(N_SHOWN_MAX) {
            writeln!(f, "{problem}\n")?;
        }
        if let Some(n_more @ 1..) = self.problems.len().checked_sub(N_SHOWN_MAX) {
            writeln!(f, "and {n_more} more\n")?;
        }
        let n_problems = self.problems.len();
        let noun = if n_problems == 1 {
            "problem"
        } else {
            "problems"
        };
        let paths = self.paths().join(" and ");
        write!(f, "{n_problems} {noun} in {paths}; nothing was run")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(printable(&self.message));
        let mut group = title.elements(self.pictures());
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(printable(hint)));
        }
        let renderer = Renderer::plain().term_width(EXCERPT_WIDTH);
        f.write_str(&renderer.render(&[group]))
    }
}

impl Problem {
    /// A picture of each place; one for both where they are close together.
    fn pictures(&self) -> Vec<Element<'_>> {
        let here = mark(AnnotationKind::Primary, &self.position, &self.label);
        let Some((earlier, label)) = &self.earlier else {
            return vec![picture(&self.position, here)];
        };
        let there = mark(AnnotationKind::Context, earlier, label);
        if self.is_close_to(earlier) {
            vec![picture(&self.position, here.into_iter().chain(there))]
        } else {
            vec![picture(&self.position, here), picture(earlier, there)]
        }
    }

    /// True for a place on the same line, unless the line would be too long to show both.
    fn is_close_to(&self, earlier: &Position) -> bool {
        let (Some(here), Some(there)) = (self.position.span(), earlier.span()) else {
            return false;
        };
        let n_chars = here.end.max(there.end) - here.start.min(there.start);
        self.position.file().path() == earlier.file().path()
            && here.line == there.line
            && n_chars <= EXCERPT_WIDTH
    }
}

/// The path and the line of a place, with marks under the line; the path alone of a whole file.
fn picture<'a>(
    position: &Position,
    marks: impl IntoIterator<Item = Annotation<'a>>,
) -> Element<'a> {
    let path = printable(&position.file().path().display().to_string());
    let Some(span) = position.span() else {
        return Origin::path(path).into();
    };
    let snippet = Snippet::source(line_of(position, span));
    let snippet = snippet.path(path).line_start(span.line).fold(false);
    snippet.annotations(marks).into()
}

/// The mark under a place, up to the end of its first line.
fn mark<'a>(kind: AnnotationKind, position: &Position, label: &str) -> Option<Annotation<'a>> {
    let span = position.span()?;
    let line = line_of(position, span);
    let offset = |n_chars| {
        let mut chars = line.char_indices();
        chars.nth(n_chars).map_or(line.len(), |(offset, _)| offset)
    };
    let start = span.column - 1;
    // The line is cut where its marks end, so a long stretch is marked in part.
    let n_chars = span.end.saturating_sub(span.start).min(EXCERPT_WIDTH);
    let mark = kind.span(offset(start)..offset(start + n_chars));
    Some(mark.label((!label.is_empty()).then(|| printable(label))))
}

fn line_of(position: &Position, span: Span) -> String {
    let line = position.file().line(span.line).unwrap_or_default();
    printable(line.trim_end())
}

/// Text that cannot steer a terminal, character by character, so that columns stay what they are: the library that draws
/// lets some of these characters through, in labels all of them.
fn printable(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\r' => ' ',
        '\t' => '\t',
        _ if is_obeyed(character) => '\u{fffd}',
        _ => character,
    };
    text.chars().map(shown).collect()
}

/// The operating system's words for why a file cannot be read, without the error number.
pub(crate) fn io_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut chars = text[..end].chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::experiment::source::SourceFile;

    fn file(text: &str) -> Arc<SourceFile> {
        SourceFile::new(Path::new("x.yaml"), text.to_owned())
    }

    fn place(file: &Arc<SourceFile>, text: &str) -> Position {
        let offset = file.body().find(text).unwrap();
        Position::after_bytes(file, offset).narrowed_to_chars(text.chars().count())
    }

    impl Position {
        fn narrowed_to_chars(&self, n_chars: usize) -> Self {
            let span = self.span().unwrap();
            let file = SourceFile::new(self.file().path(), self.file().text().to_owned());
            let end = span.start + n_chars;
            Self::new(&file, Span { end, ..span })
        }
    }

    #[test]
    fn a_problem_shows_its_line() {
        let file = file("name: colors\n  temprature: 0.5\n");
        let problem = Problem::error(&place(&file, "temprature"), "unknown key `temprature`")
            .label("expected one of: temperature")
            .hint("did you mean `temperature`?");
        insta::assert_snapshot!(ExperimentErrors::single(problem), @r"
        error: unknown key `temprature`
         --> x.yaml:2:3
          |
        2 |   temprature: 0.5
          |   ^^^^^^^^^^ expected one of: temperature
          |
          = hint: did you mean `temperature`?

        1 problem in x.yaml; nothing was run
        ");
    }

    #[test]
    fn two_places_on_one_line_share_a_picture() {
        let file = file("concepts: [red, blue, Red]\n");
        let problem = Problem::error(&place(&file, "Red"), "`Red` is listed twice")
            .earlier(&place(&file, "red"), "first here");
        insta::assert_snapshot!(problem, @r"
        error: `Red` is listed twice
         --> x.yaml:1:23
          |
        1 | concepts: [red, blue, Red]
          |            ---        ^^^
          |            |
          |            first here
        ");
    }

    #[test]
    fn two_places_on_two_lines_have_two_pictures() {
        let file = file("a: red\n\n\n\n\n\n\n\n\nb: Red\n");
        let problem = Problem::warning(&place(&file, "Red"), "twice")
            .label("again here")
            .earlier(&place(&file, "red"), "first here");
        insta::assert_snapshot!(problem, @r"
        warning: twice
          --> x.yaml:10:4
           |
        10 | b: Red
           |    ^^^ again here
           |
          ::: x.yaml:1:4
           |
         1 | a: red
           |    --- first here
        ");
    }

    #[test]
    fn long_lines_are_cut_and_controls_are_shown_harmlessly() {
        let text = format!("a: {} here {}\u{1b}[31m", "x".repeat(150), "y".repeat(150));
        let file = file(&text);
        let shown = Problem::error(&place(&file, "here"), "long \u{1b}[2J").to_string();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[0], "error: long \u{fffd}[2J");
        let column = lines[3].find("here").unwrap();
        assert_eq!(lines[4].find("^^^^"), Some(column), "{shown}");
        assert!(lines[3].starts_with("1 | ...x") && lines[3].ends_with("y..."));
        assert!(lines.iter().all(|line| line.chars().count() <= 110));
    }

    #[test]
    fn marks_stand_under_wide_and_combining_characters() {
        let file = file("\t- 日本語: cafe\u{301} {x}\r\n");
        let shown = Problem::error(&place(&file, "{x}"), "unknown slot").to_string();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[3], "1 |     - 日本語: cafe\u{301} {x}");
        // Each of the three wide characters takes two columns, the accent takes none.
        assert_eq!(lines[4], format!("  | {}^^^", " ".repeat(19)));
    }

    #[test]
    fn a_line_of_fifty_thousand_characters_stays_readable() {
        let text = format!("a: red {} red {}", "x".repeat(50_000), "語".repeat(50_000));
        let file = file(&text);
        let first = place(&file, "red");
        let last = Position::after_bytes(&file, text.rfind("red").unwrap()).narrowed_to_chars(3);
        let shown = Problem::error(&last, "twice").earlier(&first, "the first");
        let shown = shown.to_string();
        assert!(
            shown.lines().all(|line| line.chars().count() <= 110),
            "{shown}"
        );
        assert_eq!(shown.matches(" red ").count(), 2, "{shown}");
        let whole = Problem::error(&first.narrowed_to_chars(100_000), "long")
            .label("too long")
            .to_string();
        assert!(whole.ends_with("^ too long"), "{whole}");
        assert!(
            whole.lines().all(|line| line.chars().count() <= 210),
            "{whole}"
        );
    }

    #[test]
    fn a_place_after_the_last_line_is_shown() {
        let file = file("a: 1\n");
        let shown = Problem::error(&Position::character(&file, 9, 1), "the end").to_string();
        assert_eq!(shown, "error: the end\n --> x.yaml:9:1\n  |\n9 |\n  | ^");
    }

    #[test]
    fn a_problem_of_the_whole_file_shows_no_line() {
        let file = file("");
        let problem = Problem::error(&Position::whole_file(&file), "the file is empty");
        assert_eq!(problem.to_string(), "error: the file is empty\n--> x.yaml");
    }
}
