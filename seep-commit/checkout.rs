//! What git knows of the folder that the program is compiled in.
//!
//! Owns the questions to git and the list of files that change when git's answer does. Git only looks: nothing is
//! written, not even the index, which `git status` otherwise brings up to date.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the program is made of, from the project's folder. A change of anything else makes no other program.
const PARTS: [&str; 7] = [
    ".cargo",
    "Cargo.lock",
    "Cargo.toml",
    "db",
    "gguf/models.yaml",
    "seep-commit",
    "src",
];

/// The commit that a folder holds.
#[derive(Debug)]
pub(crate) struct Checkout {
    /// The first 12 digits of its hash.
    pub(crate) commit: String,
    /// Whether the folder's sources differ from it. They are compiled when they change, so nothing else watches them.
    pub(crate) is_dirty: bool,
    /// Files that git writes when another commit is checked out or made, and not when it only looks.
    pub(crate) watched: Vec<PathBuf>,
}

impl Checkout {
    /// The checkout in `folder`; nothing without git, without a commit, and in a folder within another's checkout.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let is_top = git(folder, &["rev-parse", "--show-prefix"])?.is_empty();
        if !is_top {
            return None;
        }
        let status = ["status", "--porcelain", "--untracked-files=no", "--"];
        Some(Self {
            commit: git(folder, &["rev-parse", "--short=12", "HEAD"])?,
            is_dirty: !git(folder, &[&status[..], &PARTS].concat())?.is_empty(),
            watched: watched(folder)?,
        })
    }
}

/// In a worktree of git's these files lie in two folders, neither of them `.git`.
fn watched(folder: &Path) -> Option<Vec<PathBuf>> {
    // Without a branch there is none to move.
    let branch = git(folder, &["symbolic-ref", "--quiet", "HEAD"]);
    let names = ["HEAD", "logs/HEAD", "packed-refs"];
    let paths: Option<Vec<PathBuf>> = names
        .into_iter()
        .chain(branch.as_deref())
        .map(|name| Some(folder.join(git(folder, &["rev-parse", "--git-path", name])?)))
        .collect();
    let mut paths = paths?;
    paths.retain(|path| path.exists());
    Some(paths)
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("--no-optional-locks")
        .args(arguments)
        .current_dir(folder)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
