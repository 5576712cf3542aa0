//! What a comparison of exact leak rates shows besides what all comparisons show.
//!
//! Owns the certain bounds of rates and differences and the pairs that moved: plain data, tables, legends.

use super::cells::{base, condition_cells, difference_cells, indented, range};
use super::words::{certain_words, points};
use crate::generation::EnumerationParams;
use crate::report::columns::plain_table;
use crate::results::{ComparisonReport, Condition, ConditionComparison, LikelyText, MovedPair};
use crate::stats::Interval;
use crate::visible::visible;

impl MovedPair {
    /// How much more probable a leak is under the other condition, -1 to 1.
    pub(super) fn change(&self) -> f64 {
        self.other.leak_probability - self.base.leak_probability
    }
}

pub(super) fn rate_table(report: &ComparisonReport) -> String {
    let columns = [
        "condition",
        "bits/weight",
        "Mean Leak-Rate",
        "certainly",
        "95 % interval",
        "prompts",
        "clusters",
        "covered",
    ];
    let row = |condition: &Condition| {
        let exact = condition.exact.as_ref();
        let mut row = condition_cells(condition);
        row[2] = format!(
            "{:.2}{} %",
            condition.rate.mean_leak_rate,
            error_text(exact.and_then(|exact| exact.draw_standard_error))
        );
        let bounds = exact.map(|exact| format!("{:.2} to {:.2}", exact.lower, exact.upper));
        row.insert(3, bounds.unwrap_or_default());
        row.push(condition.rate.n_clusters.to_string());
        let covered = exact.map(|exact| format!("{:.2} %", 100.0 * exact.coverage));
        row.push(covered.unwrap_or_default());
        row
    };
    let rows = report.conditions.iter().map(row);
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0)
}

pub(super) fn difference_table(report: &ComparisonReport) -> String {
    let against = format!("against {}", base(report));
    let columns = [
        against.as_str(),
        "points",
        "certainly",
        "95 % interval",
        "p",
        "Holm p",
        "prompts",
        "clusters",
        "design effect",
        "naive interval",
    ];
    let rows = report.comparisons.iter().map(|comparison| {
        let mut row = vec![comparison.name.clone()];
        let (Some(found), Some(exact)) = (&comparison.comparison, &comparison.exact) else {
            row.resize(columns.len(), "none".to_owned());
            return row;
        };
        row.extend(difference_cells(found));
        row[1] += &error_text(exact.draw_standard_error);
        let (lower, upper) = (exact.lower, exact.upper);
        row.insert(2, range(Some(Interval { lower, upper })));
        row
    });
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0)
}

fn error_text(draw_standard_error: Option<f64>) -> String {
    match draw_standard_error {
        Some(error) if error > 0.0 => format!(" ± {error:.2}"),
        _ => String::new(),
    }
}

/// What the columns mean; `first` is what all comparisons say.
pub(super) fn legend(params: EnumerationParams, first: &str) -> String {
    format!(
        "Exact leak rates: continuations enumerated up to {} % of the probability, within {} rows a prompt.\n\
         \"certainly\" holds for these prompts, whatever was not enumerated; ± is the standard error of draws of it.\n\
         The interval and p are for the choice of prompts alone: no draw of continuations is involved.\n{first}",
        100.0 * params.coverage,
        params.max_rows_per_prompt
    )
}

/// What is certain of each comparison, in words.
pub(super) fn certain(report: &ComparisonReport) -> Vec<String> {
    let comparisons = report.comparisons.iter().filter_map(|comparison| {
        let exact = comparison.exact.as_ref()?;
        Some(certain_words(
            base(report),
            &comparison.name,
            exact.lower,
            exact.upper,
        ))
    });
    comparisons.collect()
}

/// The pairs that moved most, with the texts of both sides; None where none did.
pub(super) fn moved_texts(
    report: &ComparisonReport,
    comparison: &ConditionComparison,
) -> Option<String> {
    let moved = &comparison.exact.as_ref()?.moved;
    if moved.is_empty() {
        return None;
    }
    let base = base(report);
    let texts = moved
        .iter()
        .map(|pair| moved_text(base, &comparison.name, pair));
    Some(format!(
        "Largest changes of the leak probability from {base} to {}, one for each {}:\n\n{}",
        comparison.name,
        report.unit,
        texts.collect::<Vec<_>>().join("\n\n")
    ))
}

fn moved_text(base: &str, other: &str, pair: &MovedPair) -> String {
    let sides = [&pair.base, &pair.other];
    let row = |name: String, texts: [String; 2]| {
        let [base, other] = texts;
        vec![name, base, other]
    };
    let rows = vec![
        row(
            "leak probability".to_owned(),
            sides.map(|side| format!("{:.1} %", 100.0 * side.leak_probability)),
        ),
        row(
            format!("with {}", visible(&pair.concept)),
            sides.map(|side| likely_lines(&side.test_texts)),
        ),
        row(
            "without".to_owned(),
            sides.map(|side| likely_lines(&side.control_texts)),
        ),
    ];
    let table = plain_table(&["", base, other], rows, &|_| false);
    let table: Vec<String> = table.lines().map(str::to_owned).collect();
    format!(
        "  {} ({}), {} points, certainly {} to {}: {}\n{}",
        visible(&pair.concept),
        visible(&pair.category),
        points(100.0 * pair.change()),
        points(100.0 * pair.lower),
        points(100.0 * pair.upper),
        visible(pair.test_prompt.trim()),
        indented(&table)
    )
}

fn likely_lines(texts: &[LikelyText]) -> String {
    let lines = texts.iter().map(|likely| {
        let percent = 100.0 * likely.probability;
        format!("{} ({percent:.0} %)", visible(likely.text.trim()))
    });
    lines.collect::<Vec<_>>().join("\n")
}
