//! The meaning of every column: the tables of `db/README.md`, read by the program.
//!
//! Owns the reading of that file. The file is the one home of these words: people read it, exports carry it
//! along, and tests compare it with the schema.

use super::{Column, ColumnKind};

const README: &str = include_str!("../../db/README.md");

/// The columns that `db/README.md` describes for a table, view or computed table, in its order; empty for other names.
///
/// Columns of bytes are left out: no export writes them.
pub fn described_columns(table: &str) -> Vec<Column> {
    described_in(README, table)
        .filter_map(|[name, kind, meaning]| {
            Some(Column {
                name: name.to_owned(),
                kind: ColumnKind::from_name(kind)?,
                meaning: meaning.to_owned(),
            })
        })
        .collect()
}

/// Name, type and meaning in each row of a table's description.
fn described_in<'r>(readme: &'r str, table: &str) -> impl Iterator<Item = [&'r str; 3]> + use<'r> {
    let heading = format!("### `{table}`");
    let section = readme.lines().skip_while(move |line| *line != heading);
    let rows = section.skip(1).take_while(|line| !line.starts_with('#'));
    rows.filter_map(|row| {
        let (name, rest) = row.strip_prefix("| `")?.split_once("` | ")?;
        let (kind, meaning) = rest.split_once(" | ")?;
        Some([name, kind, meaning.strip_suffix(" |")?])
    })
}

/// The names of all tables, views and computed tables that `db/README.md` describes, in its order.
pub fn described_tables() -> impl Iterator<Item = &'static str> {
    README
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_with_their_types_and_meanings() {
        let columns = described_columns("v_tokens");
        let found: Vec<_> = columns
            .iter()
            .map(|column| (column.name.as_str(), column.kind))
            .collect();
        let expected = [
            ("generation_id", ColumnKind::Integer),
            ("token_idx", ColumnKind::Integer),
            ("token", ColumnKind::Integer),
            ("logprob", ColumnKind::Real),
        ];
        assert_eq!(found, expected);
        assert_eq!(columns[0].meaning, "The generation.");
        assert_eq!(described_columns("v_token"), []);
    }

    #[test]
    fn bytes_are_left_out() {
        let columns = described_columns("embeddings");
        assert!(columns.iter().all(|column| column.name != "vector"));
        assert!(columns.iter().any(|column| column.name == "dim"));
    }
}
