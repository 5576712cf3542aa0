//! Rules for the documents, the README and its like.
//!
//! Owns what marks a place that was to be written later, and how links to files of the project are found. What the
//! documents say of the program is tested beside the program.

use std::fs;
use std::path::Path;

use super::UNWANTED_WORDS;

/// Folders with documents, from the project's folder.
const FOLDERS: [&str; 6] = [".", "benches", "db", "docs", "experiments", "gguf"];
/// The mark of a place to be filled in, such as `@@TABLE@@`.
const BLANK: &str = "@@";

/// The lines of `text` that were to be written later, counted from 1.
fn blanks(text: &str) -> Vec<usize> {
    let is_blank = |line: &str| {
        let mut marks = UNWANTED_WORDS.iter().chain([&BLANK]);
        marks.any(|mark| line.contains(mark))
    };
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| is_blank(line))
        .map(|(line_idx, _)| line_idx + 1)
        .collect()
}

/// Where the links of `text` lead, those to other sites and within the document left out.
fn linked_files(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

#[test]
fn documents_are_complete_and_their_links_lead_somewhere() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut findings = Vec::new();
    let (mut n_documents, mut n_links) = (0, 0);
    for entry in FOLDERS
        .iter()
        .flat_map(|folder| fs::read_dir(project.join(folder)).unwrap())
    {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        n_documents += 1;
        let (name, text) = (path.display(), fs::read_to_string(&path).unwrap());
        let lines = blanks(&text).into_iter();
        findings.extend(lines.map(|line| format!("{name}:{line}: to be written")));
        for target in linked_files(&text) {
            n_links += 1;
            if !path.with_file_name(target).exists() {
                findings.push(format!(
                    "{name}: a link leads to `{target}`, which is not there"
                ));
            }
        }
    }
    assert!(
        n_documents > 6 && n_links > 10,
        "{n_documents} documents, {n_links} links"
    );
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn places_to_be_written_are_found() {
    assert_eq!(blanks("a\n@@TABLE@@\nTODO: b\n"), [2, 3]);
    assert!(blanks("an @ and a to-do\n").is_empty());
}

#[test]
fn links_to_files_are_found() {
    let text = "[a](b.md), [c](https://d.org/e.md), [f](#g), ![h](i/j.svg#k)";
    assert_eq!(linked_files(text), ["b.md", "i/j.svg"]);
    assert!(linked_files("f(a)[b] [c] (d)").is_empty());
}
