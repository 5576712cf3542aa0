//! The subcommands: each turns arguments into values and wires the parts of the library together.
//!
//! Owns the exit status and the words for an interruption; `program` owns what the process has only once. Each part
//! decides for itself what it does.

mod annotate;
mod bench;
mod compare;
mod drift;
mod experiment;
mod export;
mod import;
mod list;
mod manual;
mod models;
mod output;
mod pager;
mod plan;
mod program;
mod quantize;
mod replicate;
mod report;
mod run;
mod score;
mod show;
mod simulate;
mod target;

use std::process::ExitCode;

use crate::cli::Command;
use crate::llama;
use crate::progress;
use crate::study::Interrupted;
pub use program::set_give_back;

/// How a command ended, if it ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Everything was done.
    Done,
    /// Done, but some requests failed.
    SomeFailed,
    /// Ended by a signal; what was made is stored.
    Interrupted,
}

impl Status {
    /// The exit code, as `cli` documents it.
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Done => 0,
            Self::SomeFailed => 1,
            Self::Interrupted => program::exit_code_of_signal(),
        })
    }
}

/// Runs a subcommand; results go to stdout, everything else to stderr.
///
/// # Errors
/// The reason why the command did not start or finish, as a person should read it.
pub fn run(command: Command) -> anyhow::Result<Status> {
    let ended = match command {
        Command::Run(args) => run::run(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Drift(args) => drift::drift(&args),
        Command::Report(args) => report::report(&args),
        Command::Models(args) => models::models(&args.command),
        Command::Import(args) => import::import(&args),
        Command::Score(args) => score::score(&args),
        Command::List(args) => list::list(&args),
        Command::Show(args) => show::show(&args),
        Command::Export(args) => export::export(&args),
        Command::Annotate(args) => annotate::annotate(&args.command),
        Command::Bench(args) => bench::bench(&args),
        Command::Completions(args) => manual::completions(args.shell),
        Command::Man(args) => manual::man(args.output.as_deref()),
        Command::Replicate(args) => replicate::replicate(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::Quantize(args) => quantize::quantize(&args),
        Command::ServeModel { shared } => llama::serve(shared).map(|()| Status::Done),
        Command::Simulate(args) => simulate::simulate(&args),
    };
    match ended {
        Err(error) if error.is::<Interrupted>() => {
            progress::note("what was made is stored; the same command goes on from there");
            Ok(Status::Interrupted)
        }
        ended => ended,
    }
}
