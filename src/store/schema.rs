//! The schema: which database is ours, and how an older one becomes the newest.
//!
//! Owns the list of migrations. An entry is never changed or removed once released, because
//! databases out there have taken it already: a change of the schema is a new file at the end.

use std::collections::BTreeSet;

use rusqlite::{Connection, TransactionBehavior};

use super::error::Failure;

/// `PRAGMA application_id` of our databases: "seep" in ASCII.
const APPLICATION_ID: i64 = 0x7365_6570;

/// The migrations in order; a database of version n has taken the first n.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../db/migrations/0001_initial.sql"),
    include_str!("../../db/migrations/0002_exact_views.sql"),
    include_str!("../../db/migrations/0003_conditions.sql"),
    include_str!("../../db/migrations/0004_specificity.sql"),
    include_str!("../../db/migrations/0005_annotations.sql"),
    include_str!("../../db/migrations/0006_encoders.sql"),
    include_str!("../../db/migrations/0007_draws.sql"),
    include_str!("../../db/migrations/0008_wordings.sql"),
    include_str!("../../db/migrations/0009_siblings.sql"),
    include_str!("../../db/migrations/0010_absent_json.sql"),
];

/// The kind of a database, by who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has no table yet.
    Empty,
    /// It is ours and has taken this many migrations.
    Ours(i64),
    /// It is another program's.
    Foreign,
}

/// Finds out what a database is, without changing it.
pub(super) fn kind(connection: &Connection) -> rusqlite::Result<Kind> {
    // One view for all three, because another process may be migrating.
    let view = connection.unchecked_transaction()?;
    let n_objects: i64 =
        view.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application_id: i64 = view.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = version(&view)?;
    Ok(match (n_objects, application_id, version) {
        (0, 0, 0) => Kind::Empty,
        (_, APPLICATION_ID, version) => Kind::Ours(version),
        _ => Kind::Foreign,
    })
}

/// Takes the migrations that the database has not taken, all or none; foreign keys are off from then on.
///
/// A table that others refer to is made anew under its name, which enforced foreign keys forbid; they are checked at the
/// end instead.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), Failure> {
    let newest = migrations.len() as i64;
    if version(connection)? >= newest {
        return Ok(());
    }
    // Within a transaction this would do nothing.
    connection.pragma_update(None, "foreign_keys", false)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    // Another process may have migrated while this one waited for the lock.
    let version = version(&transaction)?;
    for (migration, from) in migrations
        .iter()
        .zip(0..)
        .filter(|(_, from)| *from >= version)
    {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", from + 1)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    check_foreign_keys(&transaction)?;
    Ok(transaction.commit()?)
}

/// Makes sure that no row refers to one that is not there.
fn check_foreign_keys(connection: &Connection) -> Result<(), Failure> {
    let mut select = connection.prepare("SELECT \"table\" FROM pragma_foreign_key_check")?;
    let mut rows = select.query([])?;
    match rows.next()? {
        None => Ok(()),
        Some(row) => {
            let table: String = row.get(0)?;
            Err(Failure::Value(format!(
                "a row of `{table}` refers to one that is not there"
            )))
        }
    }
}

/// How the schema of a database differs from what the migrations make.
#[derive(Debug)]
pub(super) struct Difference {
    /// The name of the first table, view or index that is missing or different; None where all are as they were made.
    ///
    /// Versions are counted when seep is released, so a build between two releases may have made something else of the
    /// same version.
    pub(super) altered: Option<String>,
    /// Objects that others have added, each as in "view `mine`".
    pub(super) added: Vec<String>,
}

/// Compares the schema of a database of this version with that of the migrations.
pub(super) fn difference(connection: &Connection, version: i64) -> Result<Difference, Failure> {
    let n_migrations = usize::try_from(version).unwrap_or(0).min(MIGRATIONS.len());
    let mut expected = Connection::open_in_memory()?;
    migrate(&mut expected, &MIGRATIONS[..n_migrations])?;
    let (found, expected) = (objects(connection)?, objects(&expected)?);
    let altered = expected.difference(&found).next();
    let is_ours = |name: &String| expected.iter().any(|(ours, ..)| ours == name);
    let added = found.iter().filter(|(name, ..)| !is_ours(name));
    Ok(Difference {
        altered: altered.map(|(name, ..)| name.clone()),
        added: added
            .map(|(name, kind, _)| format!("{kind} `{name}`"))
            .collect(),
    })
}

/// Name, kind and SQL of everything that has some.
fn objects(connection: &Connection) -> rusqlite::Result<BTreeSet<(String, String, String)>> {
    let sql = "SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'";
    let mut select = connection.prepare(sql)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// The first fault that a check of all pages finds, if any.
pub(super) fn damage(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::VIEWS;
    use crate::table::{ColumnKind, described_tables};

    const README: &str = include_str!("../../db/README.md");

    fn migrated(migrations: &[&str]) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, migrations).unwrap();
        connection
    }

    fn strings(connection: &Connection, sql: &str) -> BTreeSet<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    #[test]
    fn migrating_twice_is_migrating_once() {
        let mut connection = migrated(MIGRATIONS);
        let schema = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL";
        let once = strings(&connection, schema);
        migrate(&mut connection, MIGRATIONS).unwrap();
        assert_eq!(strings(&connection, schema), once);
        assert_eq!(
            kind(&connection).unwrap(),
            Kind::Ours(MIGRATIONS.len() as i64)
        );
    }

    #[test]
    fn an_older_database_takes_only_what_it_lacks() {
        let mut connection = migrated(&["CREATE TABLE a (x)"]);
        connection.execute("INSERT INTO a VALUES (1)", []).unwrap();
        migrate(
            &mut connection,
            &["CREATE TABLE a (x)", "CREATE TABLE b AS SELECT x FROM a"],
        )
        .unwrap();
        assert_eq!(
            strings(&connection, "SELECT CAST(x AS TEXT) FROM b"),
            BTreeSet::from(["1".to_owned()])
        );
        assert_eq!(kind(&connection).unwrap(), Kind::Ours(2));
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(
            migrate(
                &mut connection,
                &["CREATE TABLE a (x)", "CREATE TABLE b (x); nonsense"]
            )
            .is_err()
        );
        assert_eq!(kind(&connection).unwrap(), Kind::Empty);
    }

    #[test]
    fn databases_of_others_are_recognised() {
        for sql in [
            "CREATE TABLE a (x)",
            "PRAGMA user_version = 1",
            "PRAGMA application_id = 5",
        ] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(sql).unwrap();
            assert_eq!(kind(&connection).unwrap(), Kind::Foreign, "{sql}");
        }
    }

    #[test]
    fn every_migration_file_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/db/migrations");
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        let texts: Vec<_> = paths
            .iter()
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect();
        assert_eq!(texts, MIGRATIONS);
        for (path, number) in paths.iter().zip(1..) {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with(&format!("{number:04}_")), "{name}");
        }
    }

    /// Everything that is described but is no table or view.
    const COMPUTED: &[&str] = &[
        "rates",
        "diagnostics",
        "comparisons",
        "specific_comparisons",
        "concept_matrix",
        "dictionary",
    ];

    /// Name and declared type of each column.
    fn columns(connection: &Connection, table: &str) -> Vec<(String, String)> {
        let sql = format!("SELECT name, type FROM pragma_table_info('{table}') ORDER BY cid");
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Else `PRAGMA integrity_check` of SQLite 3.40, which many systems have, says of a healthy table without row ids that
    /// values are missing.
    #[test]
    fn a_primary_key_comes_first_in_tables_without_row_ids() {
        let connection = migrated(MIGRATIONS);
        let tables = strings(
            &connection,
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND wr",
        );
        assert!(tables.contains("leaks"));
        for table in tables {
            let sql = format!(
                "SELECT count(*) FROM pragma_table_info('{table}') WHERE pk > 0 AND cid >=
                     (SELECT count(*) FROM pragma_table_info('{table}') WHERE pk > 0)"
            );
            let n_behind: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(n_behind, 0, "{table}");
        }
    }

    /// `json_valid(NULL)` is 0 in SQLite 3.40: its integrity check said that healthy rows break a rule.
    #[test]
    fn no_rule_asks_whether_an_absent_value_is_json() {
        let connection = migrated(MIGRATIONS);
        let texts = strings(
            &connection,
            "SELECT sql FROM sqlite_schema WHERE sql LIKE '%json_valid%'",
        );
        let lines = texts.iter().flat_map(|sql| sql.lines());
        let rules: Vec<&str> = lines.filter(|line| line.contains("json_valid")).collect();
        assert!(rules.len() > 5);
        for rule in rules {
            assert!(
                rule.contains("NOT NULL") || rule.contains("IS NULL OR"),
                "{rule}"
            );
        }
    }

    #[test]
    fn every_column_is_documented() {
        let connection = migrated(MIGRATIONS);
        let named = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%'";
        let mut names = strings(&connection, named);
        assert!(names.contains("generations") && names.contains("v_generations"));
        for table in &names {
            let documented = documented_columns(README, table);
            let mut found = columns(&connection, table);
            for (name, kind) in found.iter_mut().filter(|_| table.starts_with("v_")) {
                // Of a column that a view computes SQLite knows no type.
                let described = documented.iter().find(|(known, _)| known == name);
                if let (None, Some((_, described))) = (ColumnKind::from_name(kind), described) {
                    described.clone_into(kind);
                }
            }
            let sorted = |columns: Vec<_>| BTreeSet::from_iter(columns);
            assert_eq!(sorted(documented), sorted(found), "{table}");
        }
        names.extend(COMPUTED.iter().map(|&name| name.to_owned()));
        let described: BTreeSet<String> = described_tables().map(str::to_owned).collect();
        assert_eq!(described, names);
    }

    /// The columns that a README documents for a table, with their types: the first cells of each row below its heading.
    fn documented_columns(readme: &str, table: &str) -> Vec<(String, String)> {
        let heading = format!("### `{table}`");
        let section = readme.lines().skip_while(|line| **line != heading).skip(1);
        let rows = section.take_while(|line| !line.starts_with('#'));
        rows.filter_map(|row| row.strip_prefix("| `")?.split_once("` | "))
            .map(|(column, rest)| {
                (
                    column.to_owned(),
                    rest.split(' ').next().unwrap().to_owned(),
                )
            })
            .collect()
    }

    #[test]
    fn views_are_described_for_exports_as_they_are() {
        let connection = migrated(MIGRATIONS);
        for view in VIEWS {
            let sql_name = format!("v_{}", view.name);
            let names: Vec<String> = view
                .columns()
                .into_iter()
                .map(|column| column.name)
                .collect();
            let found = columns(&connection, &sql_name)
                .into_iter()
                .map(|(name, _)| name);
            assert_eq!(names, found.collect::<Vec<_>>(), "{sql_name}");
        }
        let views = strings(
            &connection,
            "SELECT name FROM sqlite_schema WHERE type = 'view'",
        );
        let exported = VIEWS.iter().map(|view| format!("v_{}", view.name));
        // The rates are exported with intervals, which SQL cannot compute.
        let exported = exported.chain(["v_leak_rates".to_owned()]);
        assert_eq!(exported.collect::<BTreeSet<_>>(), views);
    }

    #[test]
    fn documented_queries_work() {
        let connection = migrated(MIGRATIONS);
        let queries: Vec<&str> = README
            .split("```sql\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
            .collect();
        assert_eq!(queries.len(), 5);
        for query in queries {
            connection.prepare(query).unwrap();
        }
    }

    #[test]
    fn every_table_is_strict() {
        let connection = migrated(MIGRATIONS);
        let lax = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite%'";
        assert_eq!(strings(&connection, lax), BTreeSet::new());
    }
}
