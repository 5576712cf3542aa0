//! The report's figures: what each shows, what is said under it, and its numbers as a table.
//!
//! Owns titles, captions and descriptions. How a figure is drawn, `figure` says; what the numbers are, `leakage`.

mod bits;
mod difference;
mod drift;
mod matrix;
mod parts;
mod rate;
mod repeat;
mod specific;

use serde::Serialize;

use crate::leakage::Measure;
use crate::report::figure::Figure;
use crate::results::ReportData;

/// A figure with its numbers.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) figure: Figure,
    pub(super) table: Table,
}

/// Numbers as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<const N: usize>(columns: [&str; N], rows: Vec<[String; N]>) -> Self {
        Self {
            columns: columns.map(str::to_owned).into(),
            rows: rows.into_iter().map(Vec::from).collect(),
        }
    }
}

/// All figures that the data have something for, in the order of the page: what tells leakage comes before Leak-Rates.
pub(super) fn charts(data: &ReportData) -> Vec<Chart> {
    let found = [
        specific::specificity(data),
        specific::parts_of_leak_rate(data),
        bits::specificity(data),
        difference::forest(data, Measure::Specificity),
        rate::by_condition(data),
        bits::leak_rate(data),
        rate::by_category(data),
        rate::grid_of_sizes(data),
        difference::forest(data, Measure::LeakRate),
        difference::flips(data),
        drift::against_difference(data),
        repeat::repeats(data),
        repeat::echoes(data),
    ];
    let found = found.into_iter().flatten();
    found.chain(matrix::maps(data)).collect()
}
