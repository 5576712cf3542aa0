//! The program `seep`: reads the command line, runs the command, prints why it could not.
//!
//! Owns nothing but the order of these steps and the allocator; what a command does is in `cmd`.

mod allocator;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use seep::{cli, cmd, home, machine, progress};

fn main() -> ExitCode {
    let (commit, is_dirty) = seep_commit::checkout!();
    machine::set_build(machine::Build { commit, is_dirty });
    let words = home::expanded_words(std::env::args_os());
    let arguments = match cli::Cli::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error)
            if error.use_stderr()
                && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            progress::print_usage(error.render());
            return ExitCode::from(2);
        }
        Err(help) => help.exit(),
    };
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
