//! `seep drift`: how far models lie from a base, and what they find the base's generations worth.

use super::Status;
use super::experiment::load;
use super::output::print_as;
use super::program::session;
use crate::cli::{DriftArgs, Format};
use crate::report;

/// Scores what is not scored yet, and prints how far each model lies from the base.
pub(super) fn drift(args: &DriftArgs) -> anyhow::Result<Status> {
    let places = &args.experiment.places;
    let session = session(&places.shelf, args.experiment.offline, args.threads)?;
    let experiment = load(&session, &args.experiment)?;
    let summaries = session.drift(&experiment, &places.db, args.base.as_deref())?;
    print_as(
        args.format,
        &match args.format {
            Format::Table => report::drift_table(&summaries.iter().collect::<Vec<_>>()),
            Format::Json => report::drift_json(&summaries),
        },
    )?;
    Ok(Status::Done)
}
