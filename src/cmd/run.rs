//! `seep run`: the main job, from an experiment file to a table.

use super::Status;
use super::experiment::load;
use super::output::print_as;
use super::program::session;
use crate::cli::{Format, RunArgs};
use crate::report;

/// Runs an experiment and prints what it found.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Status> {
    let places = &args.experiment.places;
    let session = session(&places.shelf, args.experiment.offline, args.threads)?;
    let experiment = load(&session, &args.experiment)?;
    let summary = session.run(&experiment, &places.db)?;
    print_as(
        args.format,
        &match args.format {
            Format::Table => report::table(&summary),
            Format::Json => report::json(&summary),
        },
    )?;
    Ok(if summary.n_failed > 0 || !summary.missing.is_empty() {
        Status::SomeFailed
    } else {
        Status::Done
    })
}
