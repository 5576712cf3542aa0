//! The cells that tables of a comparison share, and how its texts are indented.

use crate::leakage::Comparison;
use crate::report::columns::{
    certain_text, error_text, p_value_text, points, points_range, range, rate_text,
};
use crate::results::Condition;

/// Name, bits per weight, rate, what it certainly is where it is exact, and so on.
pub(super) fn condition_cells(condition: &Condition, is_exact: bool) -> Vec<String> {
    let rate = &condition.rate;
    let bounds = condition.exact.map(|exact| exact.bounds);
    let mut cells = vec![
        condition.name.clone(),
        condition
            .bits_per_weight
            .map_or("none".to_owned(), |bits| format!("{bits:.2}")),
        format!("{} %", rate_text(rate.mean_leak_rate, bounds)),
        rate.interval.map_or("none".to_owned(), |interval| {
            format!("{:.1} to {:.1}", interval.lower, interval.upper)
        }),
        rate.n_prompts.to_string(),
    ];
    let n_clusters = rate.n_clusters.to_string();
    if is_exact {
        let exact = condition.exact;
        let certain = exact.map(|exact| certain_text(exact.bounds));
        let covered = exact.map(|exact| format!("{:.2} %", 100.0 * exact.coverage));
        cells.insert(3, certain.unwrap_or_default());
        cells.extend([n_clusters, covered.unwrap_or_default()]);
    } else {
        let repeats = match (condition.n_repeats, condition.n_control_repeats) {
            (n_test, n_control) if n_test == n_control => n_test.to_string(),
            (n_test, n_control) => format!("{n_test}, controls {n_control}"),
        };
        cells.extend([repeats, n_clusters]);
    }
    cells
}

/// Points, what they certainly are where they are exact, and so on.
pub(super) fn difference_cells(found: &Comparison, is_exact: bool) -> Vec<String> {
    let mut cells = vec![
        points(found.difference),
        range(found.interval),
        p_value_text(found.p_value.value),
        p_value_text(found.holm_p_value),
        found.n_prompts.to_string(),
        found.n_clusters.to_string(),
        found
            .design_effect
            .map_or("none".to_owned(), |effect| format!("{effect:.2}")),
        range(found.naive_interval),
    ];
    if let Some(bounds) = found.bounds {
        cells[0] += &error_text(bounds);
        cells.insert(1, points_range(bounds.lower, bounds.upper));
    } else if is_exact {
        cells.insert(1, String::new());
    }
    cells
}

pub(super) fn indented(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| format!("  {line}"));
    lines.collect::<Vec<_>>().join("\n")
}
