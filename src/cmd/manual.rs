//! `seep completions` and `seep man`: made from the arguments themselves, so that they never fall behind.

use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::Status;
use super::output::print_own;
use crate::cli::{Cli, Shell};
use crate::whole;

/// Prints the completions of a shell.
pub(super) fn completions(shell: Shell) -> anyhow::Result<Status> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Powershell => clap_complete::Shell::PowerShell,
        Shell::Elvish => clap_complete::Shell::Elvish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "seep", &mut script);
    print_own(&String::from_utf8(script)?)?;
    Ok(Status::Done)
}

/// Prints the page of the program, or writes those of all commands into a folder.
pub(super) fn man(folder: Option<&Path>) -> anyhow::Result<Status> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        print_own(&String::from_utf8(page)?)?;
        return Ok(Status::Done);
    };
    let failed = || format!("failed to write manual pages to `{}`", folder.display());
    whole::write_folder(folder, |stage| {
        clap_mangen::generate_to(Cli::command(), stage)
    })
    .with_context(failed)?;
    Ok(Status::Done)
}
