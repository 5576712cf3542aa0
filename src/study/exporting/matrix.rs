//! The table `concept_matrix`: the cells of each condition's matrix of concepts.
//!
//! Owns its rows. What a cell is, `leakage` says.

use super::source::{Source, TakeRow, condition_cells};
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
) -> Vec<Cell<'s>> {
    let mut cells = condition_cells(set).to_vec();
    cells.extend([
        Cell::Text(&matrix.concepts[held]),
        Cell::Text(&matrix.concepts[measured]),
        Cell::Real(value),
    ]);
    cells
}
