//! What a database holds, read with SQL by the tests themselves.
//!
//! Owns the rows that must be equal whenever the same was asked: of a generation, all but its numbers and times.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags};

/// Generations by their request.
pub(crate) type Rows = BTreeMap<String, Row>;

/// Verdicts as they are stored: pair, repeat, the bits of both similarities, the verdict.
pub(crate) type Leaks = Vec<(u32, u32, u64, u64, String)>;

/// A generation, as exactly as it is stored: log-probabilities in the shortest digits that give the same bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) model: String,
    pub(crate) prompt: String,
    pub(crate) repeat_idx: u32,
    pub(crate) text: String,
    pub(crate) tokens: String,
    pub(crate) token_logprobs: String,
    pub(crate) stop_reason: String,
}

/// A database, opened for reading.
pub(crate) struct Record {
    connection: Connection,
}

impl Record {
    pub(crate) fn open(path: &Path) -> Self {
        Self::try_open(path).unwrap()
    }

    /// `None` where there is no database yet.
    pub(crate) fn try_open(path: &Path) -> Option<Self> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        connection.ok().map(|connection| Self { connection })
    }

    /// The first column of all rows of a query.
    pub(crate) fn column<T: FromSql>(&self, sql: &str) -> Vec<T> {
        self.try_column(sql).unwrap()
    }

    fn try_column<T: FromSql>(&self, sql: &str) -> rusqlite::Result<Vec<T>> {
        let mut statement = self.connection.prepare(sql)?;
        statement.query_map([], |row| row.get(0))?.collect()
    }

    /// The one value that a query gives.
    pub(crate) fn value<T: FromSql>(&self, sql: &str) -> T {
        self.connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    }

    /// Generations that are stored; 0 while there are no tables.
    pub(crate) fn n_generations(&self) -> usize {
        let ids = self.try_column::<i64>("SELECT id FROM generations");
        ids.map_or(0, |ids| ids.len())
    }

    pub(crate) fn rows(&self) -> Rows {
        let sql = "SELECT request_id, models.sha256, user_message, repeat_idx, generations.text, generations.tokens,
                token_logprobs, stop_reason
            FROM generations JOIN models ON models.id = model_id JOIN prompts ON prompts.id = prompt_id";
        let mut statement = self.connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| {
            let generation = Row {
                model: row.get(1)?,
                prompt: row.get(2)?,
                repeat_idx: row.get(3)?,
                text: row.get(4)?,
                tokens: row.get(5)?,
                token_logprobs: row.get(6)?,
                stop_reason: row.get(7)?,
            };
            Ok((row.get(0)?, generation))
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn leaks(&self) -> Leaks {
        let sql = "SELECT pair_idx, repeat_idx, similarity_test, similarity_control, CAST(leak AS TEXT) FROM v_leaks
            ORDER BY experiment_id, model_id, metric, seed, condition_id, pair_idx, repeat_idx";
        let mut statement = self.connection.prepare(sql).unwrap();
        let bits = |number: f64| number.to_bits();
        let rows = statement.query_map([], |row| {
            let similarities = (bits(row.get(2)?), bits(row.get(3)?));
            Ok((
                row.get(0)?,
                row.get(1)?,
                similarities.0,
                similarities.1,
                row.get(4)?,
            ))
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// The enumerated continuations of a prompt: their tokens as they are stored, and their probabilities.
    pub(crate) fn token_probabilities(&self, user_message: &str) -> Vec<(String, f64)> {
        let sql = "SELECT continuations.tokens, probability
            FROM continuations JOIN enumerations ON enumerations.id = enumeration_id JOIN prompts ON prompts.id = prompt_id
            WHERE user_message = ?1 AND tail_draw_idx IS NULL";
        let mut statement = self.connection.prepare(sql).unwrap();
        let rows = statement.query_map([user_message], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// The statuses of the runs, oldest first.
    pub(crate) fn statuses(&self) -> Vec<String> {
        self.column("SELECT status FROM runs ORDER BY id")
    }

    /// That SQLite finds nothing wrong with the file, and no row refers to one that is missing.
    pub(crate) fn check_integrity(&self) {
        assert_eq!(self.value::<String>("PRAGMA integrity_check"), "ok");
        let strays = self.column::<String>("SELECT \"table\" FROM pragma_foreign_key_check");
        assert!(strays.is_empty(), "{strays:?}");
    }
}

/// That both hold the same generations; says the first difference where they do not.
#[track_caller]
pub(crate) fn assert_same(rows: &Rows, expected: &Rows) {
    assert_eq!(rows.len(), expected.len(), "another number of generations");
    assert_part(rows, expected);
}

/// That all of `rows` stand in `whole`, word for word.
#[track_caller]
pub(crate) fn assert_part(rows: &Rows, whole: &Rows) {
    let differs = |(request, row): &(&String, &Row)| whole.get(*request) != Some(row);
    if let Some((request, row)) = rows.iter().find(differs) {
        panic!("{row:?}\nwas expected to be {:?}", whole.get(request));
    }
}
