//! The other encoders of a run or a scoring, beneath its table.

use super::columns::{NAMING, condition_table, kappa_text, naming, rate_text};
use crate::results::{ModelSummary, OtherEncoder, Summary};
use crate::stats::Agreement;

/// Each condition with how far its verdicts agree.
fn with_agreements(
    encoder: &OtherEncoder,
) -> impl Iterator<Item = (&ModelSummary, Option<Agreement>)> {
    encoder
        .models
        .iter()
        .zip(encoder.agreements.iter().copied())
}

/// The rates by the other encoders, a row for each condition; None where there is no other encoder.
pub(super) fn encoder_table(summary: &Summary) -> Option<String> {
    let figures = [
        ("Mean Leak-Rate", false),
        ("95 % interval", false),
        ("same verdict", false),
        ("kappa", false),
    ];
    let rows = summary.encoders.iter().flat_map(|encoder| {
        let conditions = with_agreements(encoder);
        conditions.filter_map(|(model, found)| encoder_cells(encoder, model, found))
    });
    let rows: Vec<Vec<String>> = rows.collect();
    (!rows.is_empty()).then(|| {
        let columns = [&[("encoder", true)][..], &NAMING, &figures].concat();
        let table = condition_table(&columns, &rows);
        let primary = &summary.embedding_model;
        format!("\nBy other encoders, with how often the verdict is that by {primary}:\n{table}")
    })
}

fn encoder_cells(
    encoder: &OtherEncoder,
    model: &ModelSummary,
    found: Option<Agreement>,
) -> Option<Vec<String>> {
    let rate = model.leak_rates.first()?;
    let interval = rate.interval.map_or("none".to_owned(), |interval| {
        format!("{:.1} to {:.1}", interval.lower, interval.upper)
    });
    let share = found.map_or("none".to_owned(), |found| {
        format!("{:.1} %", 100.0 * found.share)
    });
    let mut cells = vec![encoder.embedding_model.clone()];
    cells.extend(naming(model, true));
    cells.extend([
        format!("{} %", rate_text(rate.mean_leak_rate, rate.bounds())),
        interval,
        share,
        kappa_text(found.and_then(|found| found.kappa)),
    ]);
    Some(cells)
}
