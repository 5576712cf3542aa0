//! `seep replicate`: which conclusions stand under other seeds and on other machines.

use super::Status;
use super::output::print_as;
use super::program::quiet_session;
use crate::cli::{Format, ReplicateArgs};
use crate::report::{replication_json, replication_table};
use crate::study::{Replicating, Selection};

/// Makes the comparisons of an experiment under each seed and prints which conclusions stand.
pub(super) fn replicate(args: &ReplicateArgs) -> anyhow::Result<Status> {
    let replicating = Replicating {
        selection: Selection {
            experiment: Some(args.experiment.clone()),
            metric: args.metric.clone(),
            embedding_model: args.embedding_model.clone(),
            seed: None,
            rates: args.rates.map(Into::into),
        },
        base: args.base.clone(),
        unit: args.unit.into(),
        generalises_concepts: args.generalise.is_some(),
        others: args.with.clone(),
    };
    let found = quiet_session("".as_ref()).replicate(&args.db, &replicating)?;
    print_as(
        args.format,
        &match args.format {
            Format::Table => replication_table(&found),
            Format::Json => replication_json(&found),
        },
    )?;
    Ok(Status::Done)
}
