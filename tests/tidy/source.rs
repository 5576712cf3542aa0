//! Reads the sources of this crate for the rules of `main.rs`.
//!
//! Owns how Rust's comments and quotes are told from its code, and how names are found in the code.
//! It knows no rule.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file in the forms that the rules look at, which all have the same lines.
pub(crate) struct Source {
    /// Path from the project's folder, with `/` on every system.
    pub(crate) path: String,
    /// As it is written.
    pub(crate) text: String,
    /// With blanks for comments and for what stands in quotes.
    pub(crate) code: String,
    /// With blanks for what stands in quotes.
    pub(crate) code_and_comments: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code: blank_out(text, &[Piece::Comment, Piece::Quoted]),
            code_and_comments: blank_out(text, &[Piece::Quoted]),
        }
    }

    /// The path inside `src/`; nothing for a test.
    pub(crate) fn path_in_src(&self) -> Option<&str> {
        self.path.strip_prefix("src/")
    }

    /// The top-level module that the file belongs to; nothing for a test and for the list of modules, `lib.rs`.
    pub(crate) fn module(&self) -> Option<&str> {
        let first = self.path_in_src()?.split('/').next()?;
        let module = first.strip_suffix(".rs").unwrap_or(first);
        (module != "lib").then_some(module)
    }
}

/// Every Rust file of `folder`, a path from the project's folder, and of the folders in it.
pub(crate) fn sources_in(folder: &str) -> Vec<Source> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![project.join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(project).unwrap();
                sources.push(Source::new(
                    &path.to_str().unwrap().replace('\\', "/"),
                    &text,
                ));
            }
        }
    }
    sources
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Code,
    Comment,
    Quoted,
}

/// `text` with blanks for the pieces `unwanted`; line ends stay.
fn blank_out(text: &str, unwanted: &[Piece]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, len) = first_piece(rest);
        let (head, tail) = rest.split_at(len);
        if unwanted.contains(&piece) {
            // One blank a byte keeps the offsets of all forms equal.
            kept.extend(
                head.bytes()
                    .map(|byte| if byte == b'\n' { '\n' } else { ' ' }),
            );
        } else {
            kept.push_str(head);
        }
        rest = tail;
    }
    kept
}

/// The kind and the length in bytes of the first piece of `rest`, which is not empty.
fn first_piece(rest: &str) -> (Piece, usize) {
    if rest.starts_with("//") {
        return (Piece::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Piece::Comment, block_comment_len(rest));
    }
    if let Some(len) = raw_string_len(rest) {
        return (Piece::Quoted, len);
    }
    if rest.starts_with('"') {
        return (Piece::Quoted, quoted_len(rest, '"'));
    }
    if is_char_literal(rest) {
        return (Piece::Quoted, quoted_len(rest, '\''));
    }
    let first_len = rest.chars().next().map_or(0, char::len_utf8);
    (Piece::Code, first_word(rest).len().max(first_len))
}

/// Comments in blocks nest.
fn block_comment_len(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        let (change, len) = match here {
            [b'/', b'*', ..] => (1, 2),
            [b'*', b'/', ..] => (-1, 2),
            _ => (0, 1),
        };
        depth += change;
        at += len;
        if depth == 0 {
            break;
        }
    }
    at
}

fn raw_string_len(rest: &str) -> Option<usize> {
    let opened = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let n_hashes = opened.len() - opened.trim_start_matches('#').len();
    let body = opened[n_hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(n_hashes));
    let body_len = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + body_len)
}

/// The length of what opens with `quote` and goes to the next one that is not escaped.
fn quoted_len(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, char) in rest.char_indices().skip(1) {
        if char == quote && !is_escaped {
            return at + 1;
        }
        is_escaped = char == '\\' && !is_escaped;
    }
    rest.len()
}

/// Tells `'a'` and `'\n'` from the lifetime `'a`.
fn is_char_literal(rest: &str) -> bool {
    let mut chars = rest.chars();
    let [quote, first, second] = [chars.next(), chars.next(), chars.next()];
    quote == Some('\'') && (first == Some('\\') || second == Some('\''))
}

fn is_word_char(char: char) -> bool {
    char == '_' || char.is_alphanumeric()
}

/// The word that `text` begins with, empty if it begins with something else.
pub(crate) fn first_word(text: &str) -> &str {
    let end = text.find(|char| !is_word_char(char));
    &text[..end.unwrap_or(text.len())]
}

pub(crate) fn find_all(text: &str, sought: &str) -> impl Iterator<Item = usize> {
    text.match_indices(sought).map(|(at, _)| at)
}

/// Where `sought` stands by itself, not as a part of a longer word.
pub(crate) fn find_word(text: &str, sought: &str) -> Vec<usize> {
    find_all(text, sought)
        .filter(|&at| {
            let before = text[..at].chars().next_back();
            let after = text[at + sought.len()..].chars().next();
            !before.is_some_and(is_word_char)
                && (sought.ends_with('!') || !after.is_some_and(is_word_char))
        })
        .collect()
}

/// The names right below `root` in paths: `a` and `b` for `root::a::x` and `root::{a::x, b}`.
pub(crate) fn path_heads<'a>(code: &'a str, root: &str) -> Vec<(usize, &'a str)> {
    let mut heads = Vec::new();
    for at in find_word(code, root) {
        let below = at + root.len();
        let Some(path) = code[below..].strip_prefix("::") else {
            continue;
        };
        if path.starts_with('{') {
            heads.extend(group_heads(path).map(|(within, head)| (below + 2 + within, head)));
        } else {
            heads.push((at, first_word(path)));
        }
    }
    heads
}

/// The first names of the members of `{a::x, b::{c, d}}`: `a` and `b`.
fn group_heads(group: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut depth = 0;
    let mut starts = Vec::new();
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (char == ',' || (char == '{' && at == 0)) {
            starts.push(at + 1);
        }
    }
    starts.into_iter().map(|start| {
        let member = group[start..].trim_start();
        (group.len() - member.len(), first_word(member))
    })
}

#[test]
fn code_is_told_from_comments_and_quotes() {
    let unwanted = [Piece::Comment, Piece::Quoted];
    for (text, code) in [
        ("a // b\nc", "a     \nc"),
        ("a /* /* b */ */ c", "a               c"),
        (r#"a("\"b") + c"#, "a(     ) + c"),
        (r###"a(r##"b"# "##) + c"###, "a(           ) + c"),
        (r"a<'b>('\'', 'c') + d", "a<'b>(    ,    ) + d"),
        ("a /*/ b */ c", "a          c"),
        ("for_r\"a\"", "for_r   "),
        ("\"é\"", "    "),
    ] {
        assert_eq!(blank_out(text, &unwanted), code, "{text}");
    }
}
