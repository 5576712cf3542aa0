//! `seep compare`: conditions against a base, from the leaks that are stored.

use super::Status;
use super::output::print;
use super::program::quiet_session;
use crate::cli::{CompareArgs, Format};
use crate::report::{comparison_json, comparison_table};
use crate::study::{Comparing, Selection};

/// Compares conditions and prints what was found.
pub(super) fn compare(args: &CompareArgs) -> anyhow::Result<Status> {
    let names = [&args.base].into_iter().chain(&args.others);
    let comparing = Comparing {
        conditions: names.cloned().collect(),
        selection: Selection {
            experiment: args.experiment.clone(),
            metric: args.metric.clone(),
            embedding_model: args.embedding_model.clone(),
            seed: args.seed,
            rates: args.rates.map(Into::into),
        },
        unit: args.unit.into(),
        n_flips: args.flips,
    };
    let report = quiet_session("".as_ref()).compare(&args.db, &comparing)?;
    print(&match args.format {
        Format::Table => comparison_table(&report),
        Format::Json => comparison_json(&report),
    })?;
    Ok(Status::Done)
}
