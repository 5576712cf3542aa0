//! The replication for a terminal.
//!
//! Owns layout and legends; answers and their words are in `rows`.

use itertools::Itertools as _;

use super::rows::{Cell, Row, Verdict, answer, rows};
use crate::report::columns::{concepts_words, plain_table, points, points_range};
use crate::report::compare::conclusions::similarity_name;
use crate::results::{Replication, ReplicationColumn};

const LEGEND: &str = "Specificity of one condition in percent, where 50 is no leakage; of two the difference in points. In parentheses the 95 % interval for\n\
     the choice of prompts. Pooled: the values of each pair are averaged over these columns first, then intervals and tests are as in\n\
     `seep compare`: seeds are draws, prompts stay the clusters. The same prompts were asked each time: what stands, stands for\n\
     prompts like these.";

/// The replication as a person reads it.
pub fn replication_table(found: &Replication) -> String {
    let rows = rows(found);
    let parts = [
        heading(found),
        format!("{}\n{LEGEND}{}", table(found, &rows), concepts(found)),
        answer(&rows, found.columns.len()).join("\n"),
    ];
    parts.join("\n\n") + "\n"
}

/// The concepts that intervals speak of, on a line of its own.
fn concepts(found: &Replication) -> String {
    found.concepts().map_or_else(String::new, |concepts| {
        format!("\n{}", concepts_words(concepts))
    })
}

fn heading(found: &Replication) -> String {
    let names = column_names(&found.columns);
    let columns = found.columns.iter().zip(names);
    let columns = columns.map(|(column, name)| format!("\n  {name}: {}", facts(column)));
    format!(
        "{}: {}, {} prompt pairs, clusters by {}{}",
        found.experiment,
        similarity_name(&found.metric, &found.embedding_model),
        found.n_pairs,
        found.unit,
        columns.collect::<String>()
    )
}

fn facts(column: &ReplicationColumn) -> String {
    // The features of a processor come after its name and fill a line by themselves.
    let names = column.machines.iter();
    let names = names.filter_map(|machine| machine.split(", ").next());
    let machines = names.unique().join("; ");
    let machine = match machines.as_str() {
        "" => "a machine that is not recorded",
        machines => machines,
    };
    format!(
        "{} (experiment {}), llama.cpp {}, {machine}",
        column.database,
        &column.experiment_sha256[..12.min(column.experiment_sha256.len())],
        column.llama_cpp_version
    )
}

/// The names of columns: the seed, and what else is needed to tell them apart.
pub(super) fn column_names(columns: &[ReplicationColumn]) -> Vec<String> {
    let are_several = columns.iter().any(|it| it.database != columns[0].database);
    let name = |column: &ReplicationColumn| {
        let mut name = format!("seed {}", column.seed);
        if are_several {
            name += &format!(", {}", column.database);
        }
        if column.numerics_idx > 1 {
            name += &format!(", arithmetic {}", column.numerics_idx);
        }
        name
    };
    columns.iter().map(name).collect()
}

fn table(found: &Replication, rows: &[Row<'_>]) -> String {
    let names = column_names(&found.columns);
    let mut columns = vec!["condition", "figure"];
    columns.extend(names.iter().map(String::as_str));
    columns.extend(["pooled", ""]);
    let subject = |row_idx: usize| rows.get(row_idx).map(|row| (row.name, row.base));
    let cells = rows.iter().enumerate().map(|(row_idx, row)| {
        let nth = (0..row_idx).rev();
        let nth = nth.take_while(|before| subject(*before) == subject(row_idx));
        // The condition stands in its first row, its base in the next one.
        let name = match (nth.count(), row.base) {
            (0, _) => row.name.to_owned(),
            (1, Some(base)) => format!("  against {base}"),
            _ => String::new(),
        };
        let mut cells = vec![name, row.figure().to_owned()];
        cells.extend(row.cells.iter().map(|cell| cell_text(*cell)));
        cells.push(cell_text(row.pooled));
        cells.push(row.standing().words());
        cells
    });
    plain_table(&columns, cells.collect(), &|_| false)
}

/// Such as `+3.3 (-0.1 to +6.8) cannot tell`.
fn cell_text(cell: Option<Cell>) -> String {
    let Some(cell) = cell else {
        return "none".to_owned();
    };
    let is_claim = matches!(cell.verdict, Verdict::Claim(_));
    let value = match is_claim {
        true => format!("{:.1}", cell.value),
        false => points(cell.value),
    };
    let interval = cell
        .interval
        .map_or("no interval".to_owned(), |it| match is_claim {
            true => format!("{:.1} to {:.1}", it.lower, it.upper),
            false => points_range(it.lower, it.upper),
        });
    format!("{value} ({interval}) {}", cell.verdict.words())
}
