//! `seep compare`: conditions against a base, from the leaks that are stored.

use anyhow::ensure;

use super::Status;
use super::output::print_as;
use super::program::quiet_session;
use crate::cli::{CompareArgs, Format};
use crate::experiment::MARGIN_MAX;
use crate::report::{comparison_json, comparison_table};
use crate::study::{Comparing, Selection};

/// Compares conditions and prints what was found.
pub(super) fn compare(args: &CompareArgs) -> anyhow::Result<Status> {
    if let Some(margin) = args.margin {
        ensure!(
            0.0 < margin && margin <= MARGIN_MAX,
            "`--margin` is {margin}, expected a number above 0, at most {MARGIN_MAX}"
        );
    }
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
        generalises_concepts: args.generalise.is_some(),
        n_flips: args.flips,
        margin: args.margin,
    };
    let report = quiet_session("".as_ref()).compare(&args.db, &comparing)?;
    print_as(
        args.format,
        &match args.format {
            Format::Table => comparison_table(&report),
            Format::Json => comparison_json(&report),
        },
    )?;
    Ok(Status::Done)
}
