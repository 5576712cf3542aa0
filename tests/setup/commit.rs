//! Tests of how the commit gets into the program: what git is asked, and what makes cargo ask again.
//!
//! The checkouts are made here, in folders of their own.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

#[path = "../../seep-commit/checkout.rs"]
mod checkout;

use checkout::Checkout;

fn git(folder: &Path, arguments: &str) {
    let status = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
        .args(arguments.split(' '))
        .current_dir(folder)
        .status();
    assert!(status.unwrap().success(), "git {arguments}");
}

/// A checkout with one commit of `src/a.rs` and `README.md`.
fn project() -> TempDir {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("src")).unwrap();
    fs::write(path.join("src/a.rs"), "a").unwrap();
    fs::write(path.join("README.md"), "a").unwrap();
    git(path, "init --quiet --initial-branch=main");
    git(path, "add .");
    git(path, "commit --quiet --message=a");
    folder
}

fn checkout_of(folder: &Path) -> Checkout {
    Checkout::of(folder).unwrap()
}

/// The watched files in one text, which cargo sees change.
fn watched_text(checkout: &Checkout) -> Vec<u8> {
    let texts = checkout.watched.iter().map(|path| fs::read(path).unwrap());
    texts.collect::<Vec<_>>().concat()
}

/// Once the index was watched and `git status` wrote it, so that the second build compiled everything again.
#[test]
fn asking_git_writes_nothing() {
    let project = project();
    let path = project.path();
    // The index does not know this time of change yet, and `git status` by itself would write it down.
    fs::write(path.join("src/a.rs"), "a").unwrap();
    let index = || fs::metadata(path.join(".git/index")).unwrap().modified();
    let before = index().unwrap();
    let first = checkout_of(path);
    let text = watched_text(&first);
    let second = checkout_of(path);
    assert_eq!(index().unwrap(), before);
    assert_eq!(
        (&first.commit, &first.watched),
        (&second.commit, &second.watched)
    );
    assert_eq!(watched_text(&second), text);
    assert!(!first.watched.is_empty());
}

#[test]
fn another_commit_or_branch_changes_what_is_watched() {
    let project = project();
    let path = project.path();
    let mut before = checkout_of(path);
    for change in [
        "commit --quiet --allow-empty --message=b",
        "checkout --quiet --detach HEAD~1",
        "checkout --quiet main",
        "reset --quiet --soft HEAD~1",
    ] {
        let text = watched_text(&before);
        git(path, change);
        assert_ne!(watched_text(&before), text, "git {change}");
        before = checkout_of(path);
        assert_eq!(before.commit.len(), 12);
    }
}

/// Without a log of HEAD and with packed branches a commit still changes a watched file.
#[test]
fn a_checkout_without_a_log_is_watched_by_its_branch() {
    let project = project();
    let path = project.path();
    git(path, "config core.logAllRefUpdates false");
    fs::remove_dir_all(path.join(".git/logs")).unwrap();
    let before = checkout_of(path);
    let text = watched_text(&before);
    git(path, "commit --quiet --allow-empty --message=b");
    assert_ne!(watched_text(&before), text);
    assert_ne!(checkout_of(path).commit, before.commit);
}

#[test]
fn a_change_of_the_sources_is_dirty_and_one_of_the_readme_is_not() {
    let project = project();
    let path = project.path();
    fs::write(path.join("README.md"), "b").unwrap();
    assert!(!checkout_of(path).is_dirty);
    fs::write(path.join("src/a.rs"), "b").unwrap();
    assert!(checkout_of(path).is_dirty);
    git(path, "add .");
    assert!(checkout_of(path).is_dirty);
    git(path, "commit --quiet --message=b");
    assert!(!checkout_of(path).is_dirty);
}

/// `.git` is a file there, and what changes lies in two other folders.
#[test]
fn a_worktree_is_watched_where_git_keeps_it() {
    let project = project();
    let path = project.path();
    git(path, "worktree add --quiet -b other worktree");
    let worktree = path.join("worktree");
    let before = checkout_of(&worktree);
    let text = watched_text(&before);
    git(&worktree, "commit --quiet --allow-empty --message=b");
    assert_ne!(watched_text(&before), text);
    assert_ne!(checkout_of(&worktree).commit, checkout_of(path).commit);
}

#[test]
fn a_folder_that_is_no_checkout_has_no_commit() {
    let folder = TempDir::new().unwrap();
    assert!(Checkout::of(folder.path()).is_none());
    // Nor is the commit around a copy of the sources theirs.
    assert!(Checkout::of(&project().path().join("src")).is_none());
}
