//! What is wrong with an experiment file, and how a person sees it on the terminal.
//!
//! Owns `Problem` (one finding with its place), `ExperimentErrors` (all findings of a file at once)
//! and their text with the offending line underlined. It finds nothing itself.

use std::fmt;
use std::io;

use super::source::{Position, Span};

/// Characters of a source line that are shown at most.
const EXCERPT_CHARS_MAX: usize = 100;

/// Whether a problem keeps the experiment from running.
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

    /// Whether it keeps the experiment from running.
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
        for problem in &self.problems {
            writeln!(f, "{problem}\n")?;
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
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", printable(&self.message))?;
        let margin = self.margin();
        let same_line = self.same_line();
        write!(f, "\n{margin}--> {}", self.position)?;
        let beside = same_line.map(|span| (span, '-'));
        snippet(f, &margin, &self.position, ('^', &self.label), beside)?;
        if let Some((position, label)) = self.earlier.as_ref().filter(|_| same_line.is_none()) {
            write!(f, "\n{margin}::: {position}")?;
            snippet(f, &margin, position, ('-', label), None)?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n{margin} = hint: {}", printable(hint)),
            None => Ok(()),
        }
    }
}

impl Problem {
    /// Spaces as wide as the largest line number shown.
    fn margin(&self) -> String {
        let earlier = self.earlier.as_ref().map(|(position, _)| position);
        let positions = [Some(&self.position), earlier];
        let spans = positions.into_iter().flatten().filter_map(Position::span);
        let line_max = spans.map(|span| span.line).max().unwrap_or(1);
        " ".repeat(line_max.to_string().len())
    }

    /// The earlier place, where it can be underlined in the same picture.
    fn same_line(&self) -> Option<Span> {
        let (earlier, _) = self.earlier.as_ref()?;
        let (here, there) = (self.position.span()?, earlier.span()?);
        let same_file = earlier.file().path() == self.position.file().path();
        let fits = here.column + (here.end - here.start) <= EXCERPT_CHARS_MAX;
        (same_file && fits && here.line == there.line && there.end <= here.start).then_some(there)
    }
}

/// The line of `position`, underlined, with a label; `beside` is underlined as well, without one.
fn snippet(
    f: &mut fmt::Formatter<'_>,
    margin: &str,
    position: &Position,
    (mark, label): (char, &str),
    beside: Option<(Span, char)>,
) -> fmt::Result {
    let Some(span) = position.span() else {
        return Ok(());
    };
    let line = position.file().line(span.line).unwrap_or_default();
    let excerpt = Excerpt::of(line, span);
    let mut underline = excerpt.underline(span, mark);
    if let Some((other, other_mark)) = beside {
        underline = overlay(&underline, &excerpt.underline(other, other_mark));
    }
    let number = span.line;
    let width = margin.len();
    let marked = format!("{underline} {}", printable(label));
    write!(
        f,
        "\n{margin} |\n{number:>width$} | {}\n{margin} | {}",
        excerpt.text,
        marked.trim_end()
    )
}

/// `top` with the marks of `below` where `top` is blank.
fn overlay(top: &str, below: &str) -> String {
    let below: Vec<char> = below.chars().collect();
    let chars = top.chars().enumerate();
    chars
        .map(|(column_idx, mark)| match below.get(column_idx) {
            Some(other) if mark == ' ' => *other,
            _ => mark,
        })
        .collect()
}

/// The part of a source line that is shown.
struct Excerpt {
    text: String,
    /// Characters of the line that are cut off on the left.
    n_cut: usize,
    /// Characters put in their place.
    n_dots: usize,
    /// Characters of the line itself that are shown.
    n_shown: usize,
}

impl Excerpt {
    fn of(line: &str, span: Span) -> Self {
        let chars: Vec<char> = line.trim_end().chars().collect();
        let start = span.column - 1;
        let length = (span.end.saturating_sub(span.start)).max(1);
        let n_cut = if start + length <= EXCERPT_CHARS_MAX || start < EXCERPT_CHARS_MAX / 2 {
            0
        } else {
            (start - EXCERPT_CHARS_MAX / 3).min(chars.len())
        };
        let n_shown = (chars.len() - n_cut).min(EXCERPT_CHARS_MAX);
        let middle: String = chars[n_cut..n_cut + n_shown].iter().collect();
        let before = if n_cut > 0 { "..." } else { "" };
        let after = if n_cut + n_shown < chars.len() {
            "..."
        } else {
            ""
        };
        Self {
            text: format!("{before}{}{after}", printable(&middle)),
            n_cut,
            n_dots: before.len(),
            n_shown,
        }
    }

    /// Blanks and then marks under the span; at least one mark, none beyond the text shown.
    fn underline(&self, span: Span, mark: char) -> String {
        let start = (span.column - 1).saturating_sub(self.n_cut);
        let length = span.end.saturating_sub(span.start);
        let n_marks = length.min(self.n_shown.saturating_sub(start)).max(1);
        format!(
            "{}{}",
            " ".repeat(self.n_dots + start),
            mark.to_string().repeat(n_marks)
        )
    }
}

/// Text that cannot steer a terminal: a control character is shown as a blank or U+FFFD, one for one.
pub(crate) fn printable(text: &str) -> String {
    let shown = |character: char| match character {
        '\t' | '\n' | '\r' => ' ',
        // Marks that reorder or hide text would show another line than the file holds.
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ if character.is_control() => '\u{fffd}',
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
    fn a_problem_of_the_whole_file_shows_no_line() {
        let file = file("");
        let problem = Problem::error(&Position::whole_file(&file), "the file is empty");
        assert_eq!(problem.to_string(), "error: the file is empty\n --> x.yaml");
    }
}
