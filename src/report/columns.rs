//! Tables on a terminal: their style, and the columns that tables of conditions share.
//!
//! Owns how columns and rows are laid out. What stands in them, the tables say.

use comfy_table::{CellAlignment, Table, TableComponent, presets};

use crate::results::ModelSummary;

/// The column that is there only where the conditions differ in a sampling value.
pub(super) const SAMPLING: &str = "sampling";

/// A table in the style of all our tables: a line under the heading, figures to the right.
pub fn plain_table(
    columns: &[&str],
    rows: Vec<Vec<String>>,
    is_number: &dyn Fn(usize) -> bool,
) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(columns.to_vec())
        .add_rows(rows);
    for line in [
        TableComponent::HeaderLines,
        TableComponent::MiddleHeaderIntersections,
    ] {
        table.set_style(line, '─');
    }
    for (column_idx, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if is_number(column_idx) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// A table of conditions, by its columns (a name, and whether they hold text) and rows. The column `sampling` is left
/// out where all of it is empty: the conditions differ in no sampling value.
pub(super) fn condition_table<const N: usize>(
    columns: &[(&str, bool); N],
    rows: &[[String; N]],
) -> String {
    let is_shown =
        |idx: &usize| columns[*idx].0 != SAMPLING || rows.iter().any(|row| !row[*idx].is_empty());
    let shown: Vec<usize> = (0..N).filter(is_shown).collect();
    let names: Vec<&str> = shown.iter().map(|&idx| columns[idx].0).collect();
    let cells = |row: &[String; N]| shown.iter().map(|&idx| row[idx].clone()).collect();
    plain_table(&names, rows.iter().map(cells).collect(), &|column_idx| {
        !columns[shown[column_idx]].1
    })
}

/// The bits per weight of a model.
pub(super) fn bits_text(model: &ModelSummary) -> String {
    let bits = model.bits_per_weight;
    bits.map_or("unknown".to_owned(), |bits| format!("{bits:.2}"))
}
