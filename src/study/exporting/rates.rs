//! The table `rates`: the leak rates of each condition with their intervals.
//!
//! Owns its rows. What a rate is, `leakage` says.

use super::source::{Source, TakeRow, condition_cells};
use crate::leakage::{LeakRate, Measure, RateKind};
use crate::store::StoredCondition;
use crate::study::estimates::Estimates;
use crate::table::Cell;

/// Hands a row for each rate of each condition to `take`.
pub(crate) fn each_rate(source: &Source, take: TakeRow<'_>) -> anyhow::Result<()> {
    let (repeats, exact) = (
        source.conditions(RateKind::Repeats)?,
        source.conditions(RateKind::Exact)?,
    );
    for set in repeats.iter().chain(&exact) {
        let found = Estimates::read(&source.store, set)?;
        for rate in found.leak_rates() {
            take(&rate_cells(set, &rate))?;
        }
    }
    Ok(())
}

/// The cells of a row of the table `rates`, in the order of `db/README.md`.
fn rate_cells<'s>(set: &'s StoredCondition, rate: &'s LeakRate) -> Vec<Cell<'s>> {
    let count = |n: f64| match rate.exact {
        None => Cell::Integer(n as i64),
        Some(_) => Cell::Null,
    };
    let kind = match rate.exact {
        None => RateKind::Repeats,
        Some(_) => RateKind::Exact,
    };
    let bounds = rate.bounds();
    let mut cells = condition_cells(set).to_vec();
    cells.extend([
        Cell::opt_text(rate.category.as_deref()),
        Cell::Real(rate.mean_leak_rate),
        Cell::opt_real(rate.interval.map(|interval| interval.lower)),
        Cell::opt_real(rate.interval.map(|interval| interval.upper)),
        Cell::Integer(rate.n_pairs as i64),
        count(rate.n_tied),
        count(rate.n_echoes),
        Cell::Integer(rate.n_clusters as i64),
        Cell::Text(kind.name()),
        Cell::opt_real(bounds.map(|bounds| bounds.lower)),
        Cell::opt_real(bounds.map(|bounds| bounds.upper)),
        Cell::opt_real(bounds.and_then(|bounds| bounds.draw_standard_error)),
        Cell::opt_real(rate.exact.map(|exact| exact.coverage)),
    ]);
    cells.extend(specific_cells(rate));
    cells
}

/// The cells on other concepts: of each measure its value and the ends of its interval.
fn specific_cells(rate: &LeakRate) -> Vec<Cell<'static>> {
    let specific = rate.specific.as_ref();
    let figures = Measure::OF_SIBLINGS.into_iter().flat_map(move |measure| {
        let figure = specific.map(|specific| *specific.figure(measure));
        let interval = figure.and_then(|figure| figure.interval);
        [
            figure.map(|figure| figure.value),
            interval.map(|interval| interval.lower),
            interval.map(|interval| interval.upper),
        ]
    });
    let p_value = specific.and_then(|specific| specific.p_value);
    let n_pairs = specific.map_or(0, |specific| specific.n_pairs);
    figures
        .chain([p_value.map(|p_value| p_value.value)])
        .map(Cell::opt_real)
        .chain([Cell::Integer(n_pairs as i64)])
        .collect()
}
