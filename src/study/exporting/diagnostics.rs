//! The table `diagnostics`: what else each rate may come from, a row for each flaw.
//!
//! Owns the order of rows and cells. What a flaw is, `leakage` says.

use super::source::{Source, TakeRow};
use crate::leakage::{DiagnosedPair, Diagnostics, FlawCount, RateKind, diagnostics};
use crate::store::{StoredCondition, StoredLeak};
use crate::study::domain::stored_readings;
use crate::study::estimates::Estimates;
use crate::table::Cell;

/// Hands a row for each flaw of each rate to `take`, in the order of the table `rates`.
pub(crate) fn each_diagnostic(source: &Source, take: TakeRow<'_>) -> anyhow::Result<()> {
    for set in source.conditions(RateKind::Repeats)? {
        for of_rate in read(source, &set)? {
            for count in &of_rate.flaws {
                take(&cells(&set, &of_rate, count))?;
            }
        }
    }
    Ok(())
}

fn read(source: &Source, set: &StoredCondition) -> anyhow::Result<Vec<Diagnostics>> {
    let found = Estimates::read(&source.store, set)?;
    let texts = found.leaks.iter().map(StoredLeak::texts);
    let readings = stored_readings(&source.store, set, texts)?;
    let pairs = found.leaks.iter().zip(&found.verdicts).enumerate();
    let pairs = pairs.map(|(place, (leak, scored))| DiagnosedPair {
        reading: readings.as_ref().map(|readings| readings[place]),
        ..leak.diagnosed(scored)
    });
    Ok(diagnostics(&pairs.collect::<Vec<_>>()))
}

/// The cells in the order of the table `diagnostics` in `db/README.md`.
fn cells<'s>(
    set: &'s StoredCondition,
    of_rate: &'s Diagnostics,
    count: &'s FlawCount,
) -> [Cell<'s>; 18] {
    let whole = |n: usize| Cell::Integer(n as i64);
    [
        Cell::Integer(set.key.experiment.get()),
        Cell::Text(&set.experiment_name),
        Cell::Integer(set.key.model.get()),
        Cell::Text(&set.label),
        Cell::Text(&set.quantization),
        Cell::Integer(set.key.sampling.get()),
        Cell::Text(&set.sampling_values),
        Cell::Text(&set.key.metric),
        Cell::Integer(set.key.seed.cast_signed()),
        Cell::Text(&set.wording),
        Cell::opt_text(of_rate.category.as_deref()),
        Cell::Text(count.flaw.as_str()),
        whole(count.n_pairs),
        Cell::Real(of_rate.share(count)),
        Cell::opt_real(count.mean_leak_rate_without),
        whole(of_rate.n_pairs),
        whole(of_rate.n_generations),
        whole(of_rate.n_distinct_texts),
    ]
}
