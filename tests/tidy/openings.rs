//! The rule that sentences of documentation have a noun for their subject: none opens with `What` or `Whether`.
//!
//! Owns what counts as such a sentence, one at the beginning of a line, and the places that still have some.

use super::source::{Source, find_word, sources_in};
use super::{Finding, check};

/// Places under `src/` that still have such sentences: a file, or a folder if it ends in `/`. It only gets shorter.
const OPENINGS_LEFT: &[&str] = &[
    "experiment/sampling.rs",
    "generation.rs",
    "leakage/",
    "report/",
    "results/",
    "study/",
];

const UNWANTED_OPENINGS: [&str; 2] = ["What", "Whether"];

/// The lines of documentation in `src/` that open with an unwanted word.
fn docs_open_with_a_noun(source: &Source) -> Vec<Finding> {
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

/// One line for each finding outside of `left`, and for each of `left` that is not needed.
fn findings(sources: &[Source], left: &[&str]) -> Vec<String> {
    let mut unneeded = left.to_vec();
    let mut findings = Vec::new();
    for finding in sources.iter().flat_map(docs_open_with_a_noun) {
        let is_in = |place: &&str| {
            let path = finding.path.trim_start_matches("src/");
            path == *place || (place.ends_with('/') && path.starts_with(*place))
        };
        unneeded.retain(|place| !is_in(place));
        if !left.iter().any(is_in) {
            findings.push(finding.to_string());
        }
    }
    let unneeded = unneeded.into_iter();
    findings.extend(unneeded.map(|place| {
        format!("{place} has no such sentence any more; take it out of `OPENINGS_LEFT`")
    }));
    findings
}

#[test]
fn sentences_of_documentation_have_a_noun_for_their_subject() {
    let findings = findings(&sources_in("src"), OPENINGS_LEFT);
    let n_findings = findings.len();
    assert!(
        findings.is_empty(),
        "{n_findings} findings:\n{}",
        findings.join("\n")
    );
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

#[test]
fn openings_are_left_to_their_place_only() {
    let files = [
        ("src/a/b.rs", "/// What c."),
        ("src/a.rs", "/// Whether d."),
    ];
    let sources = files.map(|(path, text)| Source::new(path, text));
    let found =
        "src/a.rs:1: a sentence opens with `Whether`: begin with the noun, or with `True if`";
    assert_eq!(findings(&sources, &["a/"]), [found]);
    let gone = "a/ has no such sentence any more; take it out of `OPENINGS_LEFT`";
    assert_eq!(findings(&sources[1..], &["a/", "a.rs"]), [gone]);
}
