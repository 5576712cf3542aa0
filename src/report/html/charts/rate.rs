//! Figures of leak rates: by condition, by category, by size and quantization.
//!
//! Owns what they show and what is said under them.

use super::parts::{
    categories, dashed_words, fifty_words, has_sweep, method, n_words, overall_rates, series,
    star_words, starred,
};
use super::{Chart, Table};
use crate::leakage::LeakRate;
use crate::report::columns::certain_text;
use crate::report::figure::{DotRow, Dots, Figure, Grid, GridCell, Scale, dots, grid};
use crate::report::html::words::{rate_interval, rate_numbers};
use crate::report::text::visible;
use crate::results::{ReportCondition, ReportData};

/// Mean Leak-Rate by condition, where files are there under several sampling values.
pub(super) fn by_condition(data: &ReportData) -> Option<Chart> {
    let rows = rows(data, None);
    if rows.is_empty() || !has_sweep(data) {
        return None;
    }
    let listing = rows
        .iter()
        .map(|row| format!("{}: {}", row.label, row.numbers));
    let description = format!("Dot plot. {}.", listing.collect::<Vec<_>>().join("; "));
    let plot = Dots {
        x_words: "Mean Leak-Rate, %".to_owned(),
        scale: Scale::Rates,
        series: Vec::new(),
        groups: vec![(String::new(), rows)],
    };
    let method = method(data);
    let caption = format!(
        "Mean Leak-Rate in percent by condition, with its interval in parentheses. {} {}. {method}",
        dashed_words(data),
        n_words(data)
    );
    Some(Chart {
        figure: Figure::new(
            "leak-rate-by-condition",
            "Mean Leak-Rate by condition",
            caption,
            description,
            dots(&plot),
        ),
        table: rates_table(data, &overall_rates(data)),
    })
}

/// The rates of conditions with all that is counted beside them.
pub(super) fn rates_table(data: &ReportData, rates: &[(&ReportCondition, &LeakRate)]) -> Table {
    let is_exact = data.enumeration.is_some();
    let counted = if is_exact { "prompt pairs" } else { "verdicts" };
    let mut table = Table::new(
        [
            "condition",
            "bits per weight",
            "Mean Leak-Rate, %",
            "95 % interval",
            counted,
            "tied, %",
            "echoes, %",
            "clusters",
        ],
        rates
            .iter()
            .map(|(condition, rate)| rate_row(condition, rate))
            .collect(),
    );
    if is_exact {
        table.columns.insert(3, "certainly, %".to_owned());
        for (row, (_, rate)) in table.rows.iter_mut().zip(rates) {
            row.insert(3, rate.bounds().map_or(String::new(), certain_text));
        }
    }
    table
}

fn rate_row(condition: &ReportCondition, rate: &LeakRate) -> [String; 8] {
    let bits = condition.model.bits_per_weight;
    [
        visible(&condition.name),
        bits.map_or("unknown".to_owned(), |bits| format!("{bits:.2}")),
        format!("{:.1}", rate.mean_leak_rate),
        rate_interval(rate),
        rate.n_pairs.to_string(),
        format!("{:.1}", rate.tie_rate()),
        format!("{:.1}", rate.echo_rate()),
        rate.n_clusters.to_string(),
    ]
}

/// Mean Leak-Rate by category, a row for each condition; None with a single category.
pub(super) fn by_category(data: &ReportData) -> Option<Chart> {
    let categories = categories(data);
    if categories.len() < 2 {
        return None;
    }
    let groups: Vec<(String, Vec<DotRow>)> = categories
        .iter()
        .map(|category| (visible(category), rows(data, Some(category))))
        .collect();
    let rows = groups.iter().flat_map(|(category, rows)| {
        rows.iter()
            .map(|row| [category.clone(), row.label.clone(), row.numbers.clone()])
    });
    let rows: Vec<[String; 3]> = rows.collect();
    let listing: Vec<String> = rows
        .iter()
        .map(|[category, name, numbers]| format!("{category}, {name}: {numbers}"))
        .collect();
    let plot = Dots {
        x_words: "Mean Leak-Rate, %".to_owned(),
        scale: Scale::Rates,
        series: Vec::new(),
        groups,
    };
    let method = method(data);
    let caption = format!(
        "Mean Leak-Rate in percent by category and condition, with its interval in parentheses. {} {}. {method} \
         Fewer clusters lie behind a category than behind all together.",
        dashed_words(data),
        n_words(data)
    );
    let description = format!("Dot plot. {}.", listing.join("; "));
    let title = "Mean Leak-Rate by category";
    Some(Chart {
        figure: Figure::new(
            "leak-rate-by-category",
            title,
            caption,
            description,
            dots(&plot),
        ),
        table: Table::new(
            ["category", "condition", "Mean Leak-Rate, % (95 % interval)"],
            rows,
        ),
    })
}

/// A row for each condition that has a rate of the category, or of all together.
fn rows(data: &ReportData, category: Option<&str>) -> Vec<DotRow> {
    let conditions = data.conditions.iter().enumerate();
    let rows = conditions.filter_map(|(idx, condition)| {
        let of_category = |rate: &&LeakRate| rate.category.as_deref() == category;
        let rate = condition.leak_rates.iter().find(of_category)?;
        Some(DotRow {
            series_idx: idx,
            label: visible(&condition.name),
            value: Some(rate.mean_leak_rate),
            interval: rate.interval,
            numbers: rate_numbers(rate),
        })
    });
    rows.collect()
}

/// Models by size and quantizations by bits per weight; None with a single condition, and where a cell would hold several.
pub(super) fn grid_of_sizes(data: &ReportData) -> Option<Chart> {
    let mut conditions = overall_rates(data);
    if conditions.len() < 2 || has_sweep(data) {
        return None;
    }
    let bits = |condition: &ReportCondition| condition.model.bits_per_weight.unwrap_or(0.0);
    conditions.sort_by(|(a, _), (b, _)| bits(b).total_cmp(&bits(a)));
    let columns: Vec<String> = conditions
        .iter()
        .map(|(condition, _)| starred(condition))
        .collect();
    let (columns, column_numbers) = series(columns.iter().map(String::as_str));
    let mut sizes: Vec<(u64, String)> = conditions
        .iter()
        .map(|(condition, _)| size_row(condition))
        .collect();
    sizes.sort();
    sizes.dedup();
    let cells = conditions
        .iter()
        .zip(column_numbers)
        .map(|((condition, rate), column_idx)| {
            let row = size_row(condition);
            let row_idx = sizes
                .iter()
                .position(|size| *size == row)
                .expect("each condition gave its row");
            let lines = [format!("{:.1} %", rate.mean_leak_rate), rate_interval(rate)];
            (
                row_idx,
                column_idx,
                GridCell {
                    rate: rate.mean_leak_rate,
                    lines,
                },
            )
        });
    let plot = Grid {
        rows: sizes.iter().map(|(_, name)| name.clone()).collect(),
        columns,
        cells: cells.collect(),
    };
    let table = grid_table(&plot);
    let method = method(data);
    let caption = format!(
        "Mean Leak-Rate in percent, and below it its interval, by model (smallest first) and label of quantization (most bits per weight first); blue is above 50 %, orange below, and a dash is a condition that was not run. {} {}. {method}{}",
        fifty_words(data, "The rate of 50 %"),
        n_words(data),
        star_words(conditions.iter().map(|(condition, _)| *condition))
    );
    let listing = table
        .rows
        .iter()
        .map(|row| row.join(", "))
        .collect::<Vec<_>>()
        .join("; ");
    let title = "Mean Leak-Rate by size and quantization";
    Some(Chart {
        figure: Figure::new(
            "leak-rate-grid",
            title,
            caption,
            format!("Grid. {listing}."),
            grid(&plot),
        ),
        table,
    })
}

/// Returns the key that orders a row of the grid, and its name. Models of one size are rows of their own.
fn size_row(condition: &ReportCondition) -> (u64, String) {
    (
        condition.model.n_parameters.unwrap_or(0),
        visible(&condition.model.name),
    )
}

fn grid_table(plot: &Grid) -> Table {
    let rows = plot.cells.iter().map(|(row_idx, column_idx, cell)| {
        let [rate, interval] = cell.lines.clone();
        [
            plot.rows[*row_idx].clone(),
            plot.columns[*column_idx].clone(),
            rate,
            interval,
        ]
    });
    let mut rows: Vec<[String; 4]> = rows.collect();
    rows.sort_by_key(|[model, ..]| plot.rows.iter().position(|row| row == model));
    Table::new(
        ["model", "quantization", "Mean Leak-Rate", "95 % interval"],
        rows,
    )
}
