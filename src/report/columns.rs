//! Tables on a terminal: their style, and the columns that tables of conditions share.
//!
//! Owns how columns and rows are laid out. What stands in them, the tables say.

use comfy_table::{CellAlignment, Table, TableComponent, presets};

use crate::leakage::{Bounds, Concepts};
use crate::results::ModelSummary;
use crate::stats::Interval;
use crate::visible::visible_lines;

/// The columns that name a condition, all of text; the last two are there only where the conditions differ in a sampling
/// value, or in their wording.
pub(super) const NAMING: [(&str, bool); 4] = [
    ("model", true),
    ("quantization", true),
    ("sampling", true),
    ("wording", true),
];

/// The cells of [`NAMING`], which stand in the first row of a condition only.
pub(super) fn naming(model: &ModelSummary, is_first: bool) -> Vec<String> {
    let names = [
        &model.model,
        &model.quantization,
        &model.sampling_label,
        &model.wording_label,
    ];
    let cells = names.map(|name| if is_first { name.as_str() } else { "" });
    cells.map(str::to_owned).into()
}

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
        .add_rows(
            rows.iter()
                .map(|row| row.iter().map(|cell| visible_lines(cell, false))),
        );
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

/// A table of conditions, by its columns (a name, and whether they hold text) and rows. The columns of sampling and wording
/// are left out where all of one is empty: the conditions do not differ in it.
pub(super) fn condition_table(columns: &[(&str, bool)], rows: &[Vec<String>]) -> String {
    let is_shown = |idx: &usize| {
        let is_optional = NAMING[2..].contains(&columns[*idx]);
        !is_optional || rows.iter().any(|row| !row[*idx].is_empty())
    };
    let shown: Vec<usize> = (0..columns.len()).filter(is_shown).collect();
    let names: Vec<&str> = shown.iter().map(|&idx| columns[idx].0).collect();
    let cells = |row: &Vec<String>| shown.iter().map(|&idx| row[idx].clone()).collect();
    plain_table(&names, rows.iter().map(cells).collect(), &|column_idx| {
        !columns[shown[column_idx]].1
    })
}

/// A rate in percent: with its standard error where there were draws, and coarser where it is an estimate.
pub(super) fn rate_text(rate: f64, bounds: Option<Bounds>) -> String {
    match bounds {
        Some(bounds) => format!("{rate:.2}{}", error_text(bounds)),
        None => format!("{rate:.1}"),
    }
}

/// The standard error that draws leave, such as ` ± 0.12`; nothing where there were none or it is unknown.
pub(super) fn error_text(bounds: Bounds) -> String {
    match bounds.draw_standard_error {
        Some(error) if error > 0.0 => format!(" ± {error:.2}"),
        _ => String::new(),
    }
}

/// Returns the certain bounds of a rate, such as `82.16 to 85.05`.
pub(super) fn certain_text(bounds: Bounds) -> String {
    format!("{:.2} to {:.2}", bounds.lower, bounds.upper)
}

/// The bits per weight of a model.
pub(super) fn bits_text(model: &ModelSummary) -> String {
    let bits = model.bits_per_weight;
    bits.map_or("unknown".to_owned(), |bits| format!("{bits:.2}"))
}

/// A difference in points, with its sign.
pub(super) fn points(points: f64) -> String {
    let text = format!("{points:+.1}");
    if text == "-0.0" {
        "+0.0".to_owned()
    } else {
        text
    }
}

/// A p-value, not more exact than it is read.
pub(super) fn p_value_text(p_value: f64) -> String {
    if p_value < 0.001 {
        "< 0.001".to_owned()
    } else {
        format!("{p_value:.3}")
    }
}

/// Cohen's kappa as a cell; `none` where chance would agree everywhere.
pub(super) fn kappa_text(kappa: Option<f64>) -> String {
    kappa.map_or("none".to_owned(), |kappa| format!("{kappa:.2}"))
}

/// An interval of a difference.
pub(super) fn range(interval: Option<Interval>) -> String {
    interval.map_or("none".to_owned(), |interval| {
        points_range(interval.lower, interval.upper)
    })
}

/// The ends of an interval of a difference.
pub(super) fn points_range(lower: f64, upper: f64) -> String {
    format!("{} to {}", points(lower), points(upper))
}

/// Says which concepts intervals speak of.
pub(super) fn concepts_words(concepts: Concepts) -> String {
    let n = concepts.n;
    let these = match n {
        1 => "this concept".to_owned(),
        _ => format!("these {n} concepts"),
    };
    match concepts.are_random {
        false => format!(
            "Concepts are fixed: intervals are for other prompts with {these}, not for other concepts."
        ),
        true => format!(
            "Intervals are for other prompts and for other concepts like the {n} here: standard errors are clustered by both, and by a jackknife over concepts where these are compared."
        ),
    }
}
