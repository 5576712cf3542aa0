//! House rules that the compiler does not know, checked on the sources of this crate.
//!
//! Owns who may use which crate (`ROOMS`), which module may use which (`ARROWS`) and a few rules of form; that files go
//! in no circles is in `circles`, how documentation opens in `openings`.
//! Each rule is a pure function of one file, with a test that shows it can fail; `the_tree_is_tidy` applies
//! all of them to `src/` and `tests/`. A new arrow between modules is an edit of the table here.
//! It does not check what rustc, rustfmt or clippy check.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod circles;
mod documents;
mod openings;
mod source;

use std::fmt;

use source::{Source, find_all, find_word, first_word, path_heads, sources_in};

/// A crate, and the only places under `src/` that may name it. A place is a file, or a folder if it ends in `/`.
const ROOMS: &[(&str, &[&str])] = &[
    ("clap", &["main.rs", "cli.rs", "cli/", "cmd/"]),
    ("plotters", FIGURE_ROOMS),
    ("resvg", FIGURE_ROOMS),
    ("svg2pdf", FIGURE_ROOMS),
    ("rusqlite", &["store/"]),
    ("llama_cpp_2", LLAMA_ROOMS),
    ("llama_cpp_sys_2", LLAMA_ROOMS),
    ("annotate_snippets", &["experiment/problem.rs"]),
    ("saphyr_parser", &["experiment/node.rs"]),
    ("serde_yaml", &["gguf/manifest/", "import/mapping.rs"]),
    ("calamine", &["import/workbook.rs"]),
    ("csv", &["export/"]),
    ("unicode_normalization", &["words.rs"]),
    ("unicode_segmentation", &["words.rs"]),
    ("parquet", &["export/"]),
    (
        "rust_xlsxwriter",
        &[
            "export/workbook.rs",
            "import/fixture.rs",
            "import/faults.rs",
        ],
    ),
];
const FIGURE_ROOMS: &[&str] = &["report/figure/"];
const LLAMA_ROOMS: &[&str] = &["llama/"];

/// A top-level module, and the others that it may use; `digest` may be used by all.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "main",
        &["allocator", "cli", "cmd", "home", "machine", "progress"],
    ),
    (
        "cmd",
        &[
            "cli",
            "embedding",
            "engine",
            "experiment",
            "export",
            "generation",
            "gguf",
            "leakage",
            "llama",
            "machine",
            "progress",
            "report",
            "stats",
            "store",
            "study",
            "table",
            "visible",
            "watch",
            "whole",
        ],
    ),
    (
        "study",
        &[
            "embedding",
            "engine",
            "experiment",
            "generation",
            "gguf",
            "import",
            "leakage",
            "llama",
            "machine",
            "prompt",
            "results",
            "sampling",
            "stats",
            "store",
            "table",
            // What people see of generations in a sample, and is compared with what they send back.
            "visible",
            "watch",
            "words",
        ],
    ),
    ("results", &["generation", "leakage", "stats"]),
    // The words of the command line mean values of `leakage`.
    ("cli", &["home", "leakage"]),
    (
        "report",
        &[
            "generation",
            "leakage",
            "results",
            "stats",
            "visible",
            "watch",
            "whole",
        ],
    ),
    ("store", &["generation", "leakage", "table"]),
    ("export", &["table", "visible"]),
    ("table", &[]),
    ("visible", &[]),
    ("progress", &["experiment", "visible", "watch"]),
    ("watch", &[]),
    ("engine", &["generation", "sampling"]),
    ("embedding", &["gguf", "llama"]),
    ("prompt", &["gguf"]),
    ("llama", &["engine"]),
    ("import", &["experiment", "words"]),
    ("leakage", &["generation", "stats", "words"]),
    ("words", &[]),
    ("stats", &[]),
    ("experiment", &["generation", "home", "visible", "words"]),
    ("sampling", &["generation"]),
    ("generation", &[]),
    ("gguf", &["home", "whole"]),
    ("home", &[]),
    ("whole", &[]),
    ("allocator", &[]),
    ("machine", &[]),
    ("digest", &[]),
];
const USED_BY_ALL: &str = "digest";

/// Modules whose results depend on their arguments only.
const PURE: &[&str] = &["leakage", "stats", "words"];
const IMPURE_STD: &[&str] = &["env", "fs", "io", "net", "process", "thread", "time"];
const IMPURE_CODE: &[&str] = &["println!", "eprintln!", "print!", "eprint!", "tracing"];

const UNWANTED_CODE: &[&str] = &[
    "#[allow(",
    "#![allow(",
    "#[ignore",
    "#[should_panic",
    "super::super",
    "todo!",
    "unimplemented!",
];
const UNWANTED_WORDS: &[&str] = &["TODO", "FIXME", "XXX"];
const UNWANTED_MODULES: &[&str] = &["common", "helper", "helpers", "types", "util", "utils"];
const N_LINES_MAX: usize = 600;

/// One rule's fault with one line.
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    /// `what` is wrong at the byte `offset` of any form of the source.
    fn new(source: &Source, offset: usize, what: String) -> Self {
        Self {
            path: source.path.clone(),
            line: 1 + source.text[..offset].matches('\n').count(),
            what,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

type Rule = fn(&Source) -> Vec<Finding>;

const RULES: &[Rule] = &[
    crates_stay_in_their_rooms,
    arrows_are_in_the_table,
    pure_modules_are_pure,
    the_file_says_what_it_owns,
    the_file_is_short,
    nothing_unwanted_is_written,
    no_glob_is_re_exported,
    modules_have_telling_names,
    openings::docs_open_with_a_noun,
];

fn crates_stay_in_their_rooms(source: &Source) -> Vec<Finding> {
    let Some(path) = source.path_in_src() else {
        return Vec::new();
    };
    let is_in = |room: &&str| path == *room || (room.ends_with('/') && path.starts_with(*room));
    ROOMS
        .iter()
        .filter(|(_, rooms)| !rooms.iter().any(is_in))
        .flat_map(|(name, rooms)| {
            let what = format!("`{name}` is used outside of {}", rooms.join(", "));
            find_word(&source.code, name)
                .into_iter()
                .map(move |offset| Finding::new(source, offset, what.clone()))
        })
        .collect()
}

fn arrows_are_in_the_table(source: &Source) -> Vec<Finding> {
    let Some(module) = source.module() else {
        return Vec::new();
    };
    let Some((_, targets)) = ARROWS.iter().find(|(name, _)| *name == module) else {
        let what = format!("the module `{module}` is not in the table of arrows");
        return vec![Finding::new(source, 0, what)];
    };
    ["crate", "seep"]
        .iter()
        .flat_map(|root| path_heads(&source.code, root))
        .filter(|(_, head)| {
            let is_module = ARROWS.iter().any(|(name, _)| name == head);
            is_module && *head != module && *head != USED_BY_ALL && !targets.contains(head)
        })
        .map(|(offset, head)| {
            let what = format!("the arrow {module} -> {head} is not in the table");
            Finding::new(source, offset, what)
        })
        .collect()
}

fn pure_modules_are_pure(source: &Source) -> Vec<Finding> {
    let Some(module) = source.module().filter(|module| PURE.contains(module)) else {
        return Vec::new();
    };
    let from_std = path_heads(&source.code, "std")
        .into_iter()
        .filter(|(_, head)| IMPURE_STD.contains(head));
    let written = IMPURE_CODE.iter().flat_map(|what| {
        find_word(&source.code, what)
            .into_iter()
            .map(move |at| (at, *what))
    });
    from_std
        .chain(written)
        .map(|(offset, what)| {
            let what = format!("`{what}` in `{module}`, which only computes");
            Finding::new(source, offset, what)
        })
        .collect()
}

fn the_file_says_what_it_owns(source: &Source) -> Vec<Finding> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    let what = "the file does not open with `//!`: what it owns and what it does not".to_owned();
    vec![Finding::new(source, 0, what)]
}

fn the_file_is_short(source: &Source) -> Vec<Finding> {
    let n_lines = source.text.lines().count();
    if n_lines <= N_LINES_MAX {
        return Vec::new();
    }
    let what = format!("{n_lines} lines; {N_LINES_MAX} is the limit");
    vec![Finding::new(source, source.text.len(), what)]
}

fn nothing_unwanted_is_written(source: &Source) -> Vec<Finding> {
    let in_code = UNWANTED_CODE
        .iter()
        .flat_map(|unwanted| find_all(&source.code, unwanted).map(move |at| (at, unwanted)));
    let in_words = UNWANTED_WORDS.iter().flat_map(|unwanted| {
        let found = find_word(&source.code_and_comments, unwanted);
        found.into_iter().map(move |at| (at, unwanted))
    });
    in_code
        .chain(in_words)
        .map(|(at, unwanted)| Finding::new(source, at, format!("`{unwanted}`")))
        .collect()
}

fn no_glob_is_re_exported(source: &Source) -> Vec<Finding> {
    find_word(&source.code, "use")
        .into_iter()
        .filter(|&at| {
            let line_start = source.code[..at]
                .rfind('\n')
                .map_or(0, |newline| newline + 1);
            let is_public = source.code[line_start..at].trim_start().starts_with("pub");
            let statement = source.code[at..].split(';').next().unwrap_or_default();
            is_public && statement.contains('*')
        })
        .map(|at| Finding::new(source, at, "a glob is re-exported".to_owned()))
        .collect()
}

fn modules_have_telling_names(source: &Source) -> Vec<Finding> {
    let in_path = source
        .path
        .split('/')
        .map(|part| (0, part.strip_suffix(".rs").unwrap_or(part)));
    let declared = find_word(&source.code, "mod")
        .into_iter()
        .map(|at| (at, first_word(source.code[at + 3..].trim_start())));
    in_path
        .chain(declared)
        .filter(|(_, name)| UNWANTED_MODULES.contains(name))
        .map(|(at, name)| Finding::new(source, at, format!("`{name}` names no responsibility")))
        .collect()
}

#[test]
fn the_tree_is_tidy() {
    let sources: Vec<Source> = ["seep-commit", "src", "tests"]
        .into_iter()
        .flat_map(sources_in)
        .collect();
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"));
    let mut findings: Vec<String> = sources
        .iter()
        .flat_map(|source| RULES.iter().flat_map(move |rule| rule(source)))
        .map(|finding| finding.to_string())
        .collect();
    findings.sort();
    let n_findings = findings.len();
    assert!(
        findings.is_empty(),
        "{n_findings} findings:\n{}",
        findings.join("\n")
    );
}

/// The lines at which `rule` finds something in a file with this path and text.
fn check(rule: Rule, path: &str, text: &str, lines: &[usize]) {
    let findings = rule(&Source::new(path, text));
    let found: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
    assert_eq!(found, lines, "in {path}:\n{text}");
}

#[test]
fn crates_outside_of_their_rooms_are_found() {
    let rule = crates_stay_in_their_rooms;
    check(rule, "src/report/mod.rs", "\nuse rusqlite::Row;", &[2]);
    check(
        rule,
        "src/engine/mod.rs",
        "type A = llama_cpp_sys_2::B;",
        &[1],
    );
    check(rule, "src/store.rs", "use rusqlite::Row;", &[1]);
    check(rule, "src/store/runs.rs", "use rusqlite::Row;", &[]);
    check(rule, "src/cmd/run.rs", "use clap::Parser;", &[]);
    check(
        rule,
        "src/gguf/mod.rs",
        "// serde_yaml\nlet clap_ = \"clap\";",
        &[],
    );
    check(rule, "tests/store.rs", "use rusqlite::Row;", &[]);
}

#[test]
fn new_arrows_are_found() {
    let rule = arrows_are_in_the_table;
    check(rule, "src/stats/mod.rs", "use crate::store::Store;", &[1]);
    check(
        rule,
        "src/engine/mod.rs",
        "use crate::{\n    digest::Digest,\n    store,\n};",
        &[3],
    );
    check(
        rule,
        "src/engine/mod.rs",
        "use crate::{sampling::{store}, generation};",
        &[],
    );
    check(rule, "src/main.rs", "seep::engine::run()", &[1]);
    check(rule, "src/attic.rs", "", &[1]);
    check(
        rule,
        "src/store/mod.rs",
        "use crate::store::a; // crate::report",
        &[],
    );
    check(rule, "src/lib.rs", "pub use crate::store::Store;", &[]);
}

#[test]
fn effects_in_pure_modules_are_found() {
    let rule = pure_modules_are_pure;
    check(
        rule,
        "src/stats/mod.rs",
        "use std::{fmt, time};\nstd::fs::read(a)",
        &[1, 2],
    );
    check(rule, "src/leakage/leak.rs", "println!()", &[1]);
    check(rule, "src/stats/mod.rs", "use std::fmt;\n//! println!", &[]);
    check(rule, "src/store/mod.rs", "use std::fs;", &[]);
}

#[test]
fn missing_openings_and_long_files_are_found() {
    check(
        the_file_says_what_it_owns,
        "src/a.rs",
        "use std::fmt;",
        &[1],
    );
    check(the_file_says_what_it_owns, "src/a.rs", "//! Owns a.", &[]);
    check(the_file_is_short, "src/a.rs", &"\n".repeat(601), &[602]);
    check(the_file_is_short, "src/a.rs", &"\n".repeat(600), &[]);
}

#[test]
fn unwanted_code_and_words_are_found() {
    let rule = nothing_unwanted_is_written;
    for code in [
        "#[allow(dead_code)]",
        "#![allow(dead_code)]",
        "#[ignore = \"slow\"]",
        "#[should_panic]",
        "use super::super::a;",
        "todo!()",
        "unimplemented!()",
        "// TODO: more",
        "/* FIXME */",
        "//! XXX",
    ] {
        check(rule, "tests/a.rs", &format!("//! A.\n{code}"), &[2]);
        check(
            rule,
            "src/a.rs",
            &format!("let a = r#\"{}\"#;", code.replace('"', "")),
            &[],
        );
    }
    check(
        rule,
        "src/a.rs",
        "#[expect(dead_code, reason = \"b\")]\nlet n_TODOS;",
        &[],
    );
}

#[test]
fn re_exported_globs_are_found() {
    let rule = no_glob_is_re_exported;
    check(rule, "src/a.rs", "pub use b::*;", &[1]);
    check(
        rule,
        "src/a.rs",
        "\npub(crate) use b::{\n    c::*,\n};",
        &[2],
    );
    check(
        rule,
        "src/a.rs",
        "    use super::*;\npub use b::c;\nlet d = *e;",
        &[],
    );
}

#[test]
fn names_without_responsibility_are_found() {
    let rule = modules_have_telling_names;
    check(rule, "src/utils.rs", "", &[1]);
    check(rule, "tests/common/mod.rs", "", &[1]);
    check(rule, "src/a.rs", "\npub mod helpers;", &[2]);
    check(rule, "src/a.rs", "mod helpers_of_b;\nlet types = 1;", &[]);
}
