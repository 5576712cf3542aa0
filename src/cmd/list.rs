//! `seep list`: the experiments and runs that a database holds.
//!
//! Owns the two tables that people read; the views `v_experiments` and `v_runs` say what is in them.

use std::ops::ControlFlow;

use serde_json::{Map, Value, json};

use super::Status;
use super::output::print_as;
use super::program::quiet_session;
use crate::cli::{Format, ListArgs};
use crate::report::plain_table;
use crate::store::{ExperimentId, Store, View, view};
use crate::study::ids_named;
use crate::table::Cell;
use crate::visible::visible;
use crate::watch::duration;

/// A row of a view, by column.
type ViewRow = Map<String, Value>;

/// Prints the lists.
pub(super) fn list(args: &ListArgs) -> anyhow::Result<Status> {
    let store = quiet_session("".as_ref()).store_to_read(&args.db)?;
    let meant = ids_named(&store, args.experiment.as_deref())?;
    let experiments = rows(&store, view("experiments"), meant.as_deref())?;
    let runs = rows(&store, view("runs"), meant.as_deref())?;
    print_as(
        args.format,
        &match args.format {
            Format::Json => {
                let document = json!({ "experiments": experiments, "runs": runs });
                format!("{document:#}\n")
            }
            Format::Table if experiments.is_empty() => {
                "The database holds no experiment.\n".to_owned()
            }
            Format::Table => format!(
                "{}\n\n{}\n",
                experiment_table(&experiments),
                run_table(&runs)
            ),
        },
    )?;
    Ok(Status::Done)
}

fn rows(
    store: &Store,
    view: &View,
    experiments: Option<&[ExperimentId]>,
) -> anyhow::Result<Vec<ViewRow>> {
    let columns = view.columns();
    let mut rows = Vec::new();
    store.each_row(view, experiments, &mut |cells| {
        let named = columns.iter().zip(cells);
        let row = named.map(|(column, cell)| (column.name.clone(), value(cell)));
        rows.push(row.collect());
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

fn value(cell: &Cell<'_>) -> Value {
    match *cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => number.into(),
        Cell::Real(number) => number.into(),
        Cell::Text(text) => text.into(),
    }
}

/// The text of a column, on one line; empty where there is none.
fn text(row: &ViewRow, column: &str) -> String {
    match &row[column] {
        Value::Null => String::new(),
        Value::String(text) => visible(text.trim()),
        other => other.to_string(),
    }
}

fn experiment_table(experiments: &[ViewRow]) -> String {
    let columns = ["experiment", "sha256", "pairs", "runs", "verdicts", "since"];
    let rows = experiments.iter().map(|row| {
        vec![
            text(row, "experiment"),
            text(row, "experiment_sha256").chars().take(8).collect(),
            text(row, "n_prompt_pairs"),
            text(row, "n_runs"),
            text(row, "n_leaks"),
            to_the_minute(&text(row, "created_at")),
        ]
    });
    plain_table(&columns, rows.collect(), &|column_idx| {
        (2..5).contains(&column_idx)
    })
}

fn run_table(runs: &[ViewRow]) -> String {
    let columns = [
        "run",
        "experiment",
        "started",
        "status",
        "took",
        "seed",
        "pairs",
        "repeats",
        "models",
        "made",
        "reused",
        "failed",
    ];
    let rows = runs.iter().map(|row| {
        vec![
            text(row, "run_id"),
            text(row, "experiment"),
            to_the_minute(&text(row, "started_at")),
            text(row, "status"),
            row["seconds"].as_f64().map_or_else(String::new, duration),
            text(row, "seed"),
            text(row, "n_prompt_pairs"),
            text(row, "n_repeats"),
            text(row, "n_models"),
            text(row, "n_generated"),
            text(row, "n_reused"),
            text(row, "n_failed"),
        ]
    });
    plain_table(&columns, rows.collect(), &|column_idx| {
        column_idx == 0 || column_idx >= 4
    })
}

/// `2026-01-31T12:00:00.000Z` as `2026-01-31 12:00`.
fn to_the_minute(timestamp: &str) -> String {
    let minutes: String = timestamp.chars().take(16).collect();
    minutes.replace('T', " ")
}
