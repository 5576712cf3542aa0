//! The rule that sentences of documentation have a noun for their subject: none opens with `What` or `Whether`.
//!
//! Owns what counts as such a sentence: one at the beginning of a line.

use super::source::{Source, find_word};
use super::{Finding, check};

const UNWANTED_OPENINGS: [&str; 2] = ["What", "Whether"];

/// The lines of documentation in `src/` that open with an unwanted word.
pub(super) fn docs_open_with_a_noun(source: &Source) -> Vec<Finding> {
    if source.path_in_src().is_none() {
        return Vec::new();
    }
    let text = &source.code_and_comments;
    let opens_a_line = |at: &usize| {
        let line = text[..*at].rsplit('\n').next().unwrap_or_default().trim();
        ["///", "//!"].contains(&line)
    };
    let finding = |at, word: &str| {
        let what =
            format!("a sentence opens with `{word}`: begin with the noun, or with `True if`");
        Finding::new(source, at, what)
    };
    UNWANTED_OPENINGS
        .iter()
        .flat_map(|word| {
            let found = find_word(text, word).into_iter().filter(opens_a_line);
            found.map(move |at| finding(at, word))
        })
        .collect()
}

#[test]
fn unwanted_openings_are_found() {
    let rule = docs_open_with_a_noun;
    check(rule, "src/a.rs", "//! A.\n//! What b is.", &[2]);
    check(
        rule,
        "src/a.rs",
        "\n    /// What c.\n/// Whether d.",
        &[2, 3],
    );
    check(rule, "tests/a.rs", "/// Whether e.", &[]);
    check(
        rule,
        "src/a.rs",
        "// What f.\n/// Whatever g, What h.\nlet i = \"/// What j\";",
        &[],
    );
}
