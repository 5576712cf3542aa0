//! The program `seep`: reads the command line, runs the command, prints why it could not.
//!
//! Owns nothing but the order of these steps and the allocator; what a command does is in `cmd`.

mod allocator;

use std::process::ExitCode;

use clap::Parser as _;
use seep::{cli, cmd, home, machine, progress};

fn main() -> ExitCode {
    let (commit, is_dirty) = seep_commit::checkout!();
    machine::set_build(machine::Build { commit, is_dirty });
    let arguments = cli::Cli::parse_from(home::expanded_words(std::env::args_os()));
    progress::start_log(arguments.quiet);
    cmd::set_give_back(allocator::give_back);
    match cmd::run(arguments.command) {
        Ok(status) => status.exit_code(),
        Err(error) => {
            progress::print_error(&error);
            ExitCode::from(2)
        }
    }
}
