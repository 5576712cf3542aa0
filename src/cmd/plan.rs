//! `seep plan`: what a run would do, without doing it.

use super::Status;
use super::experiment::load;
use super::output::print_as;
use super::program::session;
use crate::cli::{Format, PlanArgs};
use crate::report::plan_table;

/// Prints what a run would do.
pub(super) fn plan(args: &PlanArgs) -> anyhow::Result<Status> {
    let places = &args.experiment.places;
    let session = session(&places.shelf, true, args.threads)?;
    let experiment = load(&session, &args.experiment)?;
    let plan = session.plan(&experiment, &places.db)?;
    print_as(
        args.format,
        &match args.format {
            Format::Json => serde_json::to_string_pretty(&plan)? + "\n",
            Format::Table => plan_table(&plan),
        },
    )?;
    Ok(Status::Done)
}
