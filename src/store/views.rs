//! Views: the tables that people and other programs read.
//!
//! Owns which views there are to export, in which order their rows come, and which rows belong to an experiment. A view
//! is SQL in `db/migrations` and a description in `db/README.md`; a new one is an entry of `VIEWS` here.

use std::ops::ControlFlow;

use rusqlite::types::ValueRef;
use rusqlite::{Row, params};

use super::error::Failure;
use super::{ExperimentId, Store, StoreError};
use crate::table::{Cell, Column, described_columns};

/// A view of the database.
#[derive(Debug)]
pub struct View {
    /// Its name for people: that of the view without `v_`.
    pub name: &'static str,
    /// The view.
    sql_name: &'static str,
    /// Which rows belong to the experiments whose ids are the JSON array `?1`.
    of_experiments: &'static str,
    /// The order of the rows.
    order: &'static str,
}

const BY_EXPERIMENT: &str = "experiment_id IN (SELECT value FROM json_each(?1))";

/// Generations that a verdict on the experiment refers to, that it imported, or that its runs made.
const BY_GENERATION: &str = "generation_id IN (
    SELECT test_generation_id FROM conditions JOIN leaks ON condition_id = conditions.id
    WHERE experiment_id IN (SELECT value FROM json_each(?1))
    UNION SELECT control_generation_id FROM conditions JOIN leaks ON condition_id = conditions.id
    WHERE experiment_id IN (SELECT value FROM json_each(?1))
    UNION SELECT test_generation_id FROM imported_pairs WHERE experiment_id IN (SELECT value FROM json_each(?1))
    UNION SELECT control_generation_id FROM imported_pairs WHERE experiment_id IN (SELECT value FROM json_each(?1))
    UNION SELECT generations.id FROM generations JOIN runs ON runs.id = run_id
    WHERE experiment_id IN (SELECT value FROM json_each(?1)))";

/// Enumerations that a leak probability of the experiment refers to, or that its runs made.
const BY_ENUMERATION: &str = "enumeration_id IN (
    SELECT test_enumeration_id FROM conditions JOIN exact_leaks ON condition_id = conditions.id
    WHERE experiment_id IN (SELECT value FROM json_each(?1))
    UNION SELECT control_enumeration_id FROM conditions JOIN exact_leaks ON condition_id = conditions.id
    WHERE experiment_id IN (SELECT value FROM json_each(?1))
    UNION SELECT enumerations.id FROM enumerations JOIN runs ON runs.id = run_id
    WHERE experiment_id IN (SELECT value FROM json_each(?1)))";

const BY_MODEL: &str = "model_id IN (
    SELECT model_id FROM run_models JOIN runs ON runs.id = run_id
    WHERE experiment_id IN (SELECT value FROM json_each(?1))
    UNION SELECT model_id FROM imports WHERE experiment_id IN (SELECT value FROM json_each(?1))
    UNION SELECT model_id FROM conditions WHERE experiment_id IN (SELECT value FROM json_each(?1))
    UNION SELECT embedding_model_id FROM conditions WHERE experiment_id IN (SELECT value FROM json_each(?1)))";

/// All views, those that are asked for most first.
pub const VIEWS: &[View] = &[
    View {
        name: "generations",
        sql_name: "v_generations",
        of_experiments: BY_GENERATION,
        order: "generation_id",
    },
    View {
        name: "leaks",
        sql_name: "v_leaks",
        of_experiments: BY_EXPERIMENT,
        order: "experiment_id, model_id, sampling_id, metric, seed, condition_id, pair_idx, repeat_idx",
    },
    View {
        name: "specificity",
        sql_name: "v_specificity",
        of_experiments: BY_EXPERIMENT,
        order: "experiment_id, model_id, sampling_id, metric, seed, condition_id, category",
    },
    View {
        name: "concept_similarities",
        sql_name: "v_concept_similarities",
        of_experiments: BY_EXPERIMENT,
        order: "condition_id, pair_idx, held_pair_idx",
    },
    View {
        name: "flips",
        sql_name: "v_flips",
        of_experiments: BY_EXPERIMENT,
        order: "experiment_id, sampling_id, metric, seed, pair_idx, repeat_idx, base_model_id, other_model_id, base_condition_id, other_condition_id",
    },
    View {
        name: "exact_leaks",
        sql_name: "v_exact_leaks",
        of_experiments: BY_EXPERIMENT,
        order: "experiment_id, model_id, sampling_id, metric, test_enumeration_id, control_enumeration_id, pair_idx, condition_id",
    },
    View {
        name: "conditions",
        sql_name: "v_conditions",
        of_experiments: BY_EXPERIMENT,
        order: "condition_id",
    },
    View {
        name: "continuations",
        sql_name: "v_continuations",
        of_experiments: BY_ENUMERATION,
        order: "enumeration_id, continuation_idx",
    },
    View {
        name: "prompt_pairs",
        sql_name: "v_prompt_pairs",
        of_experiments: BY_EXPERIMENT,
        order: "experiment_id, pair_idx",
    },
    View {
        name: "experiments",
        sql_name: "v_experiments",
        of_experiments: BY_EXPERIMENT,
        order: "experiment_id",
    },
    View {
        name: "models",
        sql_name: "v_models",
        of_experiments: BY_MODEL,
        order: "model_id",
    },
    View {
        name: "runs",
        sql_name: "v_runs",
        of_experiments: BY_EXPERIMENT,
        order: "run_id",
    },
    View {
        name: "run_models",
        sql_name: "v_run_models",
        of_experiments: BY_EXPERIMENT,
        order: "run_id, model_id, sampling_id, wording",
    },
    View {
        name: "imports",
        sql_name: "v_imports",
        of_experiments: BY_EXPERIMENT,
        order: "import_id",
    },
    View {
        name: "failures",
        sql_name: "v_failures",
        of_experiments: BY_EXPERIMENT,
        order: "failure_id",
    },
    View {
        name: "scored_generations",
        sql_name: "v_scored_generations",
        of_experiments: BY_GENERATION,
        order: "generation_id, scoring_model_id, numerics_id",
    },
    View {
        name: "tokens",
        sql_name: "v_tokens",
        of_experiments: BY_GENERATION,
        order: "generation_id, token_idx",
    },
];

/// The view of this name, which must be one of [`VIEWS`].
pub fn view(name: &str) -> &'static View {
    let found = VIEWS.iter().find(|view| view.name == name);
    found.expect("callers name views that there are")
}

impl View {
    /// The columns, in the order in which the view has them.
    pub fn columns(&self) -> Vec<Column> {
        described_columns(self.sql_name)
    }
}

impl Store {
    /// Calls `each` with every row of a view, or with those of some experiments, until it breaks.
    ///
    /// # Errors
    /// `Value` when a row holds bytes.
    pub fn each_row(
        &self,
        view: &View,
        experiments: Option<&[ExperimentId]>,
        each: &mut dyn FnMut(&[Cell<'_>]) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let columns: Vec<String> = view
            .columns()
            .into_iter()
            .map(|column| column.name)
            .collect();
        let condition = experiments.map_or("?1 IS NULL", |_| view.of_experiments);
        let sql = format!(
            "SELECT {} FROM {} WHERE {condition} ORDER BY {}",
            columns.join(", "),
            view.sql_name,
            view.order
        );
        let ids = experiments.map(json_ids);
        self.read("read a view", |connection| {
            let mut select = connection.prepare(&sql)?;
            let mut rows = select.query(params![ids])?;
            while let Some(row) = rows.next()? {
                if each(&cells(row, columns.len())?).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

fn json_ids(experiments: &[ExperimentId]) -> String {
    let ids: Vec<i64> = experiments.iter().map(|id| id.get()).collect();
    super::values::json_numbers(&ids)
}

fn cells<'r>(row: &'r Row<'_>, n_columns: usize) -> Result<Vec<Cell<'r>>, Failure> {
    (0..n_columns)
        .map(|column_idx| cell(row.get_ref(column_idx)?))
        .collect()
}

fn cell(value: ValueRef<'_>) -> Result<Cell<'_>, Failure> {
    match value {
        ValueRef::Null => Ok(Cell::Null),
        ValueRef::Integer(number) => Ok(Cell::Integer(number)),
        ValueRef::Real(number) => Ok(Cell::Real(number)),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes)
            .map(Cell::Text)
            .map_err(|error| Failure::Value(format!("a text is not UTF-8: {error}"))),
        ValueRef::Blob(_) => Err(Failure::Value("a view holds bytes".to_owned())),
    }
}
