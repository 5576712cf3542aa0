//! The rule that files use each other in one direction only: no circles within a folder.
//!
//! Owns how the uses are found and what counts as one. The files of a folder are the nodes of a graph; a file and the
//! folder of its name are one.
//! - A path leads to the file that defines the item, not to one that only hands it on with `use` or `pub use`.
//! - A folder's own file, `mod.rs`, holds the types that the folder is about, and its children may name those. It uses
//!   a child with anything but a bare `mod` or `pub use`; a child uses it with a function or constant that is defined
//!   there. Both together are a circle.
//! - Code for tests alone does not count: a test may use whatever it checks.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, find_all, find_word, first_word};

/// The node of a folder's own file.
const OWN_FILE: &str = "mod";

/// The names in a path, such as `crate`, `stats` and `mean`.
type Names = Vec<String>;

/// The files of `src/` without those for tests, by their names below the crate.
type Modules = BTreeMap<Names, Module>;

/// Who uses whom in one folder, each with a place where it does.
type Graph = BTreeMap<String, BTreeMap<String, String>>;

/// The part of one file that counts.
struct Module {
    /// Its path from the project's folder.
    file: String,
    uses: Vec<Use>,
    /// All other code.
    body: String,
}

/// One name that a `use` declaration brings in.
struct Use {
    /// Where the declaration stands.
    offset: usize,
    /// True if it hands the name on.
    is_public: bool,
    path: Names,
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are both `a`, `b`; the list of modules, `lib.rs`, has no name.
fn module_names(source: &Source) -> Option<Names> {
    let path = source.path_in_src()?.strip_suffix(".rs")?;
    let mut names: Names = path.split('/').map(str::to_owned).collect();
    match names.last().map(String::as_str) {
        Some("main") => return None,
        Some("mod" | "lib") => drop(names.pop()),
        _ => {}
    }
    Some(names)
}

fn modules_of(sources: &[Source]) -> Modules {
    let mut modules = Modules::new();
    let mut for_tests = Vec::new();
    for source in sources {
        let Some(names) = module_names(source) else {
            continue;
        };
        let (code, files) = without_tests(&source.code);
        for_tests.extend(files.into_iter().map(|file| joined(&names, file)));
        let (uses, body) = declarations(&code);
        let file = source.path.clone();
        modules.insert(names, Module { file, uses, body });
    }
    modules.retain(|names, _| !for_tests.iter().any(|tests| names.starts_with(tests)));
    modules
}

fn joined(names: &[String], name: &str) -> Names {
    [names, &[name.to_owned()]].concat()
}

/// The code without the items below `#[cfg(test)]`, and the names of the files that are declared there.
fn without_tests(code: &str) -> (String, Vec<&str>) {
    let mut kept = code.to_owned();
    let mut files = Vec::new();
    for at in find_all(code, "#[cfg(test)]") {
        let item = &code[at..];
        let head = &item[..item.find([';', '{']).unwrap_or(item.len())];
        let block = block_len(&item[head.len()..]);
        if block == 0 {
            let mods = find_word(head, "mod").into_iter();
            files.extend(mods.map(|at| first_word(head[at + 3..].trim_start())));
        }
        blank_out(&mut kept, at, head.len() + block);
    }
    (kept, files)
}

fn blank_out(code: &mut String, at: usize, len: usize) {
    let blank = |byte| if byte == b'\n' { '\n' } else { ' ' };
    let blanks: String = code[at..at + len].bytes().map(blank).collect();
    code.replace_range(at..at + len, &blanks);
}

/// The length of the block that `text` opens with; 0 if it opens with something else.
fn block_len(text: &str) -> usize {
    let mut depth = 0;
    for (at, char) in text.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return if at == 0 { 0 } else { at + 1 };
        }
    }
    text.len()
}

/// The names that the `use` declarations bring in, and the code without them.
fn declarations(code: &str) -> (Vec<Use>, String) {
    let mut uses = Vec::new();
    let mut body = code.to_owned();
    for offset in find_word(code, "use") {
        let declaration = code[offset..].split(';').next().unwrap_or_default();
        blank_out(&mut body, offset, declaration.len());
        let line = code[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        let is_public = code[line..offset].trim_start().starts_with("pub");
        let paths = paths_at(declaration[3..].trim_start());
        uses.extend(paths.into_iter().map(|path| Use {
            offset,
            is_public,
            path,
        }));
    }
    (uses, body)
}

/// The paths that `text` begins with, groups written out: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths_at(text: &str) -> Vec<Names> {
    let group = &text[..block_len(text)];
    if !group.is_empty() {
        let members = members(&group[1..group.len() - 1]).into_iter();
        return members.flat_map(paths_at).collect();
    }
    let name = first_word(text);
    let Some(below) = text[name.len()..].strip_prefix("::") else {
        return vec![vec![name.to_owned()]];
    };
    let below = paths_at(below).into_iter();
    below
        .map(|path| [&[name.to_owned()], &path[..]].concat())
        .collect()
}

/// The members of a group; an inner group stays in one of them.
fn members(group: &str) -> Vec<&str> {
    let mut depth = 0;
    let members = group.split(|char| {
        depth += i32::from(char == '{') - i32::from(char == '}');
        char == ',' && depth == 0
    });
    let members = members.map(str::trim);
    members.filter(|member| !member.is_empty()).collect()
}

/// Every path in a file to another file of the crate, but for what it only hands on from its children.
fn used_paths(modules: &Modules, names: &[String]) -> Vec<(usize, Names)> {
    let Module { uses, body, .. } = &modules[names];
    let is_child = |name: &str| modules.contains_key(&joined(names, name));
    let is_only_handed_on = |item: &Use| {
        let [head, .., name] = &item.path[..] else {
            return false;
        };
        item.is_public && is_child(head) && find_word(body, name).is_empty()
    };
    let used = uses.iter().filter(|item| !is_only_handed_on(item));
    let mut used: Vec<_> = used.map(|item| (item.offset, item.path.clone())).collect();
    for colons in find_all(body, "::") {
        let is_word = |char: char| char == '_' || char.is_alphanumeric();
        let offset = body[..colons].trim_end_matches(is_word).len();
        let head = &body[offset..colons];
        let is_head = !body[..offset].ends_with(':');
        if is_head && (["crate", "self", "super"].contains(&head) || is_child(head)) {
            let paths = paths_at(&body[offset..]).into_iter();
            used.extend(paths.map(|path| (offset, path)));
        }
    }
    used
}

/// The file that defines what `path` names in the file `from`; nothing if that is in another crate.
fn definer(modules: &Modules, from: &[String], path: &[String]) -> Option<Names> {
    let (head, mut rest) = path.split_first()?;
    let mut at = match head.as_str() {
        "crate" => Names::new(),
        "self" => from.to_vec(),
        "super" => from.split_last()?.1.to_vec(),
        child => joined(from, child),
    };
    let module = loop {
        let module = modules.get(&at)?;
        let Some((name, below)) = rest.split_first() else {
            return Some(at);
        };
        let child = joined(&at, name);
        if !modules.contains_key(&child) {
            break module;
        }
        (at, rest) = (child, below);
    };
    let brings_it = |item: &&Use| item.path.len() > 1 && item.path.last() == rest.first();
    let handed_on = module.uses.iter().find(brings_it);
    let defined = handed_on.and_then(|item| definer(modules, &at, &item.path));
    Some(defined.unwrap_or(at))
}

/// True if the path ends in the name of a type or a trait.
fn is_type(path: &[String]) -> bool {
    path.last().is_some_and(|name| {
        name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase)
    })
}

/// The graph of each folder that has one.
fn graphs(sources: &[Source]) -> BTreeMap<String, Graph> {
    let modules = modules_of(sources);
    let mut graphs = BTreeMap::<String, Graph>::new();
    for (from, module) in &modules {
        for (offset, path) in used_paths(&modules, from) {
            let Some(to) = definer(&modules, from, &path) else {
                continue;
            };
            let n_shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            let node =
                |names: &[String]| names.get(n_shared).map_or(OWN_FILE, |name| name).to_owned();
            let (user, used) = (node(from), node(&to));
            if user != used && !(used == OWN_FILE && is_type(&path)) {
                let line = 1 + module.body[..offset].matches('\n').count();
                let folder = [&["src".to_owned()], &from[..n_shared]].concat().join("/");
                let users = graphs.entry(folder).or_default();
                let place = format!("`{}` at {}:{line}", path.join("::"), module.file);
                users.entry(user).or_default().entry(used).or_insert(place);
            }
        }
    }
    graphs
}

/// The nodes that lie on a way from `start`, which is among them only if it lies on a circle.
fn reached<'g>(graph: &'g Graph, start: &str) -> BTreeSet<&'g str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for used in graph.get(node).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(used.as_str()) {
                open.push(used);
            }
        }
    }
    reached
}

/// The sets of nodes that use each other.
fn circles(graph: &Graph) -> BTreeSet<Vec<&str>> {
    graph
        .keys()
        .filter(|node| reached(graph, node).contains(node.as_str()))
        .map(|node| {
            let on_way = reached(graph, node).into_iter();
            on_way
                .filter(|other| reached(graph, other).contains(node.as_str()))
                .collect()
        })
        .collect()
}

/// One line for each circle.
fn findings(sources: &[Source]) -> Vec<String> {
    let graphs = graphs(sources);
    let of_folder = |(folder, graph): (&String, &Graph)| {
        let found = circles(graph).into_iter();
        let lines = found.map(|circle| format!("{folder}: {}", uses_within(graph, &circle)));
        lines.collect::<Vec<_>>()
    };
    graphs.iter().flat_map(of_folder).collect()
}

/// Who uses whom in a circle, and where.
fn uses_within(graph: &Graph, circle: &[&str]) -> String {
    let uses = circle.iter().flat_map(|user| {
        let used = graph[*user].iter();
        let within = used.filter(|(used, _)| circle.contains(&used.as_str()));
        within.map(move |(used, place)| format!("{user} uses {used} ({place})"))
    });
    uses.collect::<Vec<_>>().join(", ")
}

#[test]
fn files_use_each_other_in_one_direction() {
    let findings = findings(&super::sources_in("src"));
    let n_findings = findings.len();
    assert!(
        findings.is_empty(),
        "{n_findings} findings:\n{}",
        findings.join("\n")
    );
}

/// The findings in a tree of these files below `src/`.
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let files = [&[("lib.rs", "")], files].concat();
    let sources: Vec<Source> = files
        .iter()
        .map(|(path, text)| Source::new(&format!("src/{path}"), text))
        .collect();
    assert_eq!(findings(&sources), expected, "{files:?}");
}

#[test]
fn circles_between_files_are_found() {
    let there = ("a/b.rs", "\nuse super::c::{d, C};");
    let found = "src/a: b uses c (`super::c::d` at src/a/b.rs:2), c uses b (";
    for (back, place) in [
        (
            "fn e() { crate::a::b::f() }",
            "`crate::a::b::f` at src/a/c.rs:1",
        ),
        (
            "use crate::{digest, a::{b::{self, B}}};",
            "`crate::a::b::self` at src/a/c.rs:1",
        ),
        ("type D = super::b::B;", "`super::b::B` at src/a/c.rs:1"),
        // Handed on by the folder's own file.
        ("use super::B;", "`super::B` at src/a/c.rs:1"),
    ] {
        let own = ("a/mod.rs", "mod b;\nmod c;\npub use b::{B, F};");
        let expected = format!("{found}{place})");
        check(&[own, there, ("a/c.rs", back)], &[&expected]);
    }
    // A file and the folder of its name are one.
    let own = ("a/mod.rs", "mod b; mod c;");
    let inner = ("a/c/g.rs", "use crate::a::b::B;");
    let expected = format!("{found}`crate::a::b::B` at src/a/c/g.rs:1)");
    check(&[own, there, ("a/c.rs", "mod g;"), inner], &[&expected]);
    // So are the modules of the crate.
    check(
        &[("a.rs", "use crate::b::c;"), ("b.rs", "use crate::a::C;")],
        &["src: a uses b (`crate::b::c` at src/a.rs:1), b uses a (`crate::a::C` at src/b.rs:1)"],
    );
}

#[test]
fn circles_with_the_own_file_are_found() {
    let child = ("a/b.rs", "use super::c;");
    let found = "src/a: b uses mod (`super::c` at src/a/b.rs:1), mod uses b (";
    for (own, place) in [
        ("mod b;\nfn c() { b::d() }", "`b::d` at src/a/mod.rs:2"),
        ("mod b;\nuse b::D;", "`b::D` at src/a/mod.rs:2"),
        (
            "mod b;\npub use b::D;\nstruct E(D);",
            "`b::D` at src/a/mod.rs:2",
        ),
    ] {
        check(&[("a/mod.rs", own), child], &[&format!("{found}{place})")]);
    }
    // It does not use what it declares and hands on.
    check(&[("a/mod.rs", "mod b;\npub use b::D;"), child], &[]);
    // The folder's types are there to be named.
    let types = ("a/b.rs", "use super::{Able, AError};");
    check(&[("a/mod.rs", "mod b;\nfn c() { b::d() }"), types], &[]);
}

#[test]
fn code_for_tests_may_go_in_circles() {
    let tests = "use super::c::C;\n#[cfg(test)]\nmod tests { use super::c; use crate::a::d::D; }";
    let files = [
        ("a/mod.rs", "mod b; mod c;\n#[cfg(test)]\nmod d;"),
        ("a/b.rs", tests),
        ("a/c.rs", "#[cfg(test)]\nuse super::b::{B};\nfn c() {}"),
        ("a/d.rs", "use super::b::B;"),
    ];
    check(&files, &[]);
}
