//! The differences by category for a terminal.
//!
//! Owns the table and what is said beneath it; the test is told in words by `words`.

use crate::leakage::Measure;
use crate::report::columns::{p_value_text, plain_table, points, range};
use crate::results::{ComparisonReport, ConditionComparison};
use crate::visible::visible;

/// The figures that are given by category.
const BY_CATEGORY: [Measure; 3] = [
    Measure::LeakRate,
    Measure::SpecificLeakage,
    Measure::Specificity,
];

/// The explanation of the differences by category.
const CATEGORY_LEGEND: &str = "Holm p: that the difference does not depend on the category, by exchanging clusters between categories; intervals are not corrected.\n\
     A cluster with prompts of several categories counts as one in each, so that the test errs to the safe side.";

/// The differences in each category; None where pairs are of one.
pub(super) fn category_table(report: &ComparisonReport) -> Option<String> {
    let comparisons = report.comparisons.iter();
    let rows: Vec<Vec<String>> = comparisons.flat_map(category_rows).collect();
    let against = format!("against {}", report.base);
    let [leak_rate, leakage, specificity] = BY_CATEGORY.map(Measure::title);
    let columns = [
        against.as_str(),
        "category",
        leak_rate,
        leakage,
        specificity,
        "prompts",
        "clusters",
    ];
    (!rows.is_empty()).then(|| {
        let table = plain_table(&columns, rows, &|column_idx| column_idx > 1);
        let concepts = match report.concepts.are_random {
            true => {
                "\nThat test takes concepts as they are: it is for these concepts, not for others."
            }
            false => "",
        };
        format!("{table}\n{CATEGORY_LEGEND}{concepts}")
    })
}

/// A row for each category, and one for the test that the differences depend on it.
fn category_rows(comparison: &ConditionComparison) -> Vec<Vec<String>> {
    let differences = comparison.main_differences();
    let by = |measure: Measure| {
        let found = differences.iter().find(|(it, _)| *it == measure);
        found.and_then(|(_, found)| found.by_category.as_ref())
    };
    let by = BY_CATEGORY.map(by);
    let Some(of_rate) = by[0] else {
        return Vec::new();
    };
    let none = || "none".to_owned();
    let mut rows = vec![];
    for (category, found) in &of_rate.differences {
        let figures = by.map(|by| {
            let mut differences = by.into_iter().flat_map(|by| &by.differences);
            let found = differences.find(|(name, _)| name == category);
            found.map_or_else(none, |(_, it)| {
                format!("{} ({})", points(it.difference), range(it.interval))
            })
        });
        let is_first = rows.is_empty();
        let mut row = vec![if is_first {
            comparison.name.clone()
        } else {
            String::new()
        }];
        row.push(visible(category));
        row.extend(figures);
        row.extend([found.n_prompts, found.n_clusters].map(|n| n.to_string()));
        rows.push(row);
    }
    let tests = by.map(|by| {
        let test = by.and_then(|by| by.test);
        test.map_or_else(none, |test| p_value_text(test.holm_p_value))
    });
    let mut row = vec![String::new(), "Holm p".to_owned()];
    row.extend(tests);
    row.extend([String::new(), String::new()]);
    rows.push(row);
    rows
}
