//! Tells the program which commit it is built from; each run records it.

use std::path::Path;
use std::process::Command;

fn main() {
    // Only what can change the answer makes this script run again.
    for path in [
        ".git/HEAD",
        ".git/index",
        ".git/logs/HEAD",
        "src",
        "Cargo.toml",
        "Cargo.lock",
        "db/migrations",
    ] {
        if Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    println!(
        "cargo::rustc-env=SEEP_COMMIT={}",
        commit().unwrap_or_else(|| "unknown".to_owned())
    );
}

fn commit() -> Option<String> {
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let is_dirty = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if is_dirty {
        format!("{commit}-dirty")
    } else {
        commit
    })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
