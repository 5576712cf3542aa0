//! `seep score`: leak rates of what is stored, without generating.

use super::Status;
use super::output::print_as;
use super::program::session;
use crate::cli::{Format, ScoreArgs};
use crate::leakage::Rounding;
use crate::report;
use crate::study::Scoring;

/// Scores stored generations and prints the leak rates.
pub(super) fn score(args: &ScoreArgs) -> anyhow::Result<Status> {
    let session = session(&args.places.shelf, args.offline, args.threads)?;
    let scoring = Scoring {
        experiment: args.experiment.clone(),
        metrics: args.metric.iter().copied().map(Into::into).collect(),
        embedding_models: args.embedding_model.clone(),
        layer: args.layer,
        rounding: Rounding(args.decimals.0),
        generalises_concepts: args.generalise.is_some(),
    };
    let summaries = session.score(&args.places.db, &scoring)?;
    print_as(
        args.format,
        &match args.format {
            Format::Table => report::tables(&summaries),
            Format::Json => report::json_list(&summaries),
        },
    )?;
    Ok(Status::Done)
}
