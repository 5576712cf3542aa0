//! The replication as one JSON document.
//!
//! Owns the names of its fields, which programs rely on. Specificity is in percent, differences in percentage points.

use serde::Serialize;

use super::rows::{Cell, Row, answer, rows};
use super::table::column_names;
use crate::report::objects::{ConceptsObject, IntervalObject};
use crate::results::{Replication, ReplicationColumn};

#[derive(Serialize)]
struct Document<'a> {
    experiment: &'a str,
    metric: &'a str,
    embedding_model: &'a str,
    cluster_unit: &'a str,
    /// The concepts that intervals speak of; null without any comparison.
    concepts: Option<ConceptsObject>,
    n_pairs: usize,
    columns: Vec<ColumnObject<'a>>,
    conclusions: Vec<ConclusionObject<'a>>,
    in_words: Vec<String>,
}

#[derive(Serialize)]
struct ColumnObject<'a> {
    name: String,
    database: &'a str,
    experiment_sha256: &'a str,
    seed: u64,
    /// Tells arithmetic of one database and seed apart, from 1.
    numerics_idx: usize,
    llama_cpp_version: &'a str,
    machines: &'a [String],
}

#[derive(Serialize)]
struct ConclusionObject<'a> {
    condition: &'a str,
    /// Null where the question is if the condition leaks.
    base: Option<&'a str>,
    figure: &'static str,
    /// In the order of the columns; null where one has no answer.
    columns: Vec<Option<CellObject>>,
    /// Of the means over columns; null where fewer than two have all conditions.
    pooled: Option<CellObject>,
    /// The columns in these means.
    n_pooled: usize,
    /// `stands`, `does not stand`, `cannot tell` or `seen once`.
    standing: &'static str,
    /// The same with the number of columns.
    in_words: String,
}

#[derive(Serialize)]
struct CellObject {
    value: f64,
    interval: Option<IntervalObject>,
    verdict: &'static str,
}

/// The replication as a program reads it.
pub fn replication_json(found: &Replication) -> String {
    let rows = rows(found);
    let names = column_names(&found.columns);
    let columns = found.columns.iter().zip(names);
    let document = Document {
        experiment: &found.experiment,
        metric: &found.metric,
        embedding_model: &found.embedding_model,
        cluster_unit: &found.unit,
        concepts: found.concepts().map(ConceptsObject::from),
        n_pairs: found.n_pairs,
        columns: columns
            .map(|(column, name)| column_object(column, name))
            .collect(),
        in_words: answer(&rows, found.columns.len()),
        conclusions: rows.iter().map(conclusion_object).collect(),
    };
    let json = serde_json::to_string_pretty(&document);
    json.expect("plain strings and numbers always serialise") + "\n"
}

fn column_object(column: &ReplicationColumn, name: String) -> ColumnObject<'_> {
    ColumnObject {
        name,
        database: &column.database,
        experiment_sha256: &column.experiment_sha256,
        seed: column.seed,
        numerics_idx: column.numerics_idx,
        llama_cpp_version: &column.llama_cpp_version,
        machines: &column.machines,
    }
}

fn conclusion_object<'r>(row: &Row<'r>) -> ConclusionObject<'r> {
    let standing = row.standing();
    ConclusionObject {
        condition: row.name,
        base: row.base,
        figure: row.measure.name(),
        columns: row.cells.iter().map(|cell| cell.map(cell_object)).collect(),
        pooled: row.pooled.map(cell_object),
        n_pooled: row.n_pooled,
        standing: standing.name(),
        in_words: standing.words(),
    }
}

fn cell_object(cell: Cell) -> CellObject {
    CellObject {
        value: cell.value,
        interval: cell.interval.map(IntervalObject::from),
        verdict: cell.verdict.words(),
    }
}
