//! The table `concept_matrix`: the cells of each condition's matrix of concepts.
//!
//! Owns its rows. What a cell is, `leakage` says.

use super::source::{Source, TakeRow};
use crate::leakage::{ConceptMatrix, RateKind};
use crate::store::StoredCondition;
use crate::study::estimates::Estimates;
use crate::table::Cell;

/// Hands a row for each cell of the matrix of each condition that has one to `take`.
pub(crate) fn each_cell(source: &Source, take: TakeRow<'_>) -> anyhow::Result<()> {
    for kind in [RateKind::Repeats, RateKind::Exact] {
        for set in source.conditions(kind)? {
            let found = Estimates::read(&source.store, &set)?.matrix();
            if let Some(matrix) = &found {
                for cell in matrix.values() {
                    take(&cells(&set, matrix, cell))?;
                }
            }
        }
    }
    Ok(())
}

/// The cells of a row in the order of the table `concept_matrix` in `db/README.md`.
fn cells<'s>(
    set: &'s StoredCondition,
    matrix: &'s ConceptMatrix,
    (held, measured, value): (usize, usize, f64),
) -> [Cell<'s>; 13] {
    [
        Cell::Integer(set.key.experiment.get()),
        Cell::Text(&set.experiment_name),
        Cell::Integer(set.key.model.get()),
        Cell::Text(&set.label),
        Cell::Text(&set.quantization),
        Cell::opt_real(set.bits_per_weight),
        Cell::Integer(set.key.sampling.get()),
        Cell::Text(&set.sampling_values),
        Cell::Text(&set.key.metric),
        Cell::Integer(set.key.seed.cast_signed()),
        Cell::Text(&matrix.concepts[held]),
        Cell::Text(&matrix.concepts[measured]),
        Cell::Real(value),
    ]
}
