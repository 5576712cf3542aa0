//! The files that an experiment extends.
//!
//! Owns the reading of `extends` and how several files become one: the prompts of all are joined, every other key is the
//! same in all of them. How an experiment's own keys stand over theirs, `read` knows.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::{Unreadable, read_file};
use super::node::{self, Field, Mapping, Node, Value};
use super::problem::Problem;
use super::read::{Reader, Text};
use super::source::SourceFile;

/// The keys that several extended files add to each other: lists, and the mapping of families.
const JOINED: [&str; 5] = [
    "concepts",
    "concept_families",
    "fillers",
    "templates",
    "pairs",
];
/// The keys by which files differ without a consequence.
const OWN: [&str; 2] = ["name", "question"];

/// One or several extended files as one.
pub(super) struct Base {
    /// Its text; of several files all texts.
    pub(super) file: Arc<SourceFile>,
    /// Its keys.
    pub(super) node: Node,
}

impl Base {
    /// The files that `entry`, the `extends` of `main`, names; None where a problem was reported.
    pub(super) fn read(reader: &mut Reader, main: &Arc<SourceFile>, entry: &Field) -> Option<Self> {
        let names = match &entry.node.value {
            Value::List(names) if !names.is_empty() => names.as_slice(),
            _ => std::slice::from_ref(&entry.node),
        };
        let files: Option<Vec<_>> = names
            .iter()
            .map(|name| reader.base_file(main, name))
            .collect();
        let files = files?;
        let nodes: Option<Vec<_>> = files
            .iter()
            .map(|file| node::parse(file, &mut reader.problems))
            .collect();
        let nodes = nodes?;
        for (name, node) in names.iter().zip(&nodes) {
            if let Some(second) = entry_of(node, "extends") {
                reader.report(extended_twice(main, name, second));
            }
        }
        let node = nodes
            .into_iter()
            .reduce(|joined, next| join(reader, joined, next))?;
        Some(Self {
            file: joined_file(&files)?,
            node,
        })
    }
}

/// The keys of two files.
fn join(reader: &mut Reader, mut joined: Node, next: Node) -> Node {
    let (Value::Mapping(all), Value::Mapping(more)) = (&mut joined.value, next.value) else {
        return joined;
    };
    all.incomplete |= more.incomplete;
    for field in more.entries {
        match all.entries.iter_mut().find(|it| it.key == field.key) {
            None => all.entries.push(field),
            Some(there) if JOINED.contains(&field.key.as_str()) => extend(reader, there, field),
            Some(there)
                if !OWN.contains(&field.key.as_str()) && !is_same(&there.node, &field.node) =>
            {
                reader.report(differing(there, &field));
            }
            Some(_) => {}
        }
    }
    joined
}

/// Adds the items of a list or mapping to those of another file.
fn extend(reader: &mut Reader, there: &mut Field, field: Field) {
    match (&mut there.node.value, field.node.value) {
        (Value::List(all), Value::List(more)) => {
            // A concept of two domains is one concept.
            let is_new = |node: &Node| {
                !matches!(node.value, Value::String(_)) || !all.iter().any(|it| is_same(it, node))
            };
            let more: Vec<Node> = more.into_iter().filter(is_new).collect();
            all.extend(more);
        }
        (Value::Mapping(all), Value::Mapping(more)) => all.entries.extend(more.entries),
        _ => {
            let message = format!(
                "`{}` has another form here than in the file before",
                field.key
            );
            let problem = Problem::error(&field.key_position, message);
            reader.report(problem.earlier(&there.key_position, "the one before"));
        }
    }
}

/// The problem that a key differs between two files, and nothing says which one holds.
fn differing(first: &Field, second: &Field) -> Problem {
    let message = format!("`{}` differs between the extended files", second.key);
    Problem::error(&second.key_position, message)
        .earlier(&first.key_position, "the other one")
        .hint("files that are extended together differ in their prompts only")
}

/// True for the same value, wherever it stands.
fn is_same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Mapping(a), Value::Mapping(b)) => {
            let holds = |field: &Field| {
                let there = b.entries.iter().find(|it| it.key == field.key);
                there.is_some_and(|there| is_same(&field.node, &there.node))
            };
            a.entries.len() == b.entries.len() && a.entries.iter().all(holds)
        }
        (Value::Null, Value::Null) | (Value::Refused, _) | (_, Value::Refused) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Integer(a), Value::Integer(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        _ => false,
    }
}

fn entry_of<'n>(node: &'n Node, key: &str) -> Option<&'n Field> {
    match &node.value {
        Value::Mapping(Mapping { entries, .. }) => entries.iter().find(|entry| entry.key == key),
        _ => None,
    }
}

/// The file, or the texts of several with their names.
fn joined_file(files: &[Arc<SourceFile>]) -> Option<Arc<SourceFile>> {
    let (first, rest) = files.split_first()?;
    if rest.is_empty() {
        return Some(Arc::clone(first));
    }
    let texts = files.iter().map(|file| {
        let name = file.path().file_name().unwrap_or_default();
        format!("# {}\n{}\n", name.to_string_lossy(), file.text())
    });
    Some(SourceFile::new(first.path(), texts.collect()))
}

/// The problem that the file named by `name` extends a file itself, or even this one.
fn extended_twice(main: &SourceFile, name: &Node, second: &Field) -> Problem {
    let target = match &second.node.value {
        Value::String(name) => second.node.position.file().beside(name),
        _ => PathBuf::new(),
    };
    let (message, hint) = if is_same_file(&target, main.path()) {
        (
            "the two files extend each other",
            "remove `extends` from one of them",
        )
    } else {
        (
            "an extended file cannot itself extend another one",
            "extend the last file of the chain instead",
        )
    };
    Problem::error(&name.position, message)
        .earlier(&second.key_position, "it extends here")
        .hint(hint)
}

fn is_same_file(left: &Path, right: &Path) -> bool {
    match (fs::canonicalize(left), fs::canonicalize(right)) {
        (Ok(left), Ok(right)) => left == right,
        _ => false,
    }
}

impl Reader {
    /// A file named by `extends`.
    fn base_file(&mut self, main: &SourceFile, node: &Node) -> Option<Arc<SourceFile>> {
        let name = self.text(node, "extends", Text::Line)?;
        let path = main.beside(name);
        if is_same_file(&path, main.path()) {
            let problem = Problem::error(&node.position, "the file extends itself");
            self.report(problem.hint("leave `extends` out, or name another file"));
            return None;
        }
        match read_file(&path) {
            Ok(file) => Some(file),
            Err(Unreadable::NotUtf8(problem)) => {
                self.report(*problem);
                None
            }
            Err(Unreadable::NotRead { reason, hint, .. }) => {
                let message = format!("cannot read `{}`: {reason}", path.display());
                self.report(Problem::error(&node.position, message).maybe_hint(hint));
                None
            }
        }
    }
}
