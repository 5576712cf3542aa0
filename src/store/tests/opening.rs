//! Opening a database, and sharing it with other connections.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::generation::Method;
use crate::store::fixture::{Fixture, YAML, new_experiment};
use crate::store::schema::{self, MIGRATIONS};
use crate::store::{Store, StoreError};

/// The first line of the message of opening what `make` leaves at the path, and the whole message has a hint.
fn check_refused(make: impl FnOnce(&Path), expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    make(&path);
    let message = Store::open_with_timeout(&path, Duration::ZERO)
        .unwrap_err()
        .to_string();
    let message = message.replace(&path.display().to_string(), "PATH");
    let (first, rest) = message.split_once('\n').unwrap();
    assert!(first.starts_with(expected), "{message}");
    assert!(rest.starts_with("hint: "), "{message}");
}

fn execute(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn unusable_files_are_refused() {
    check_refused(
        |path| std::fs::create_dir(path).unwrap(),
        "the database `PATH` is a folder",
    );
    check_refused(
        |path| std::fs::write(path, "name: colors\n".repeat(100)).unwrap(),
        "`PATH` is not a database",
    );
    check_refused(
        |path| execute(path, "CREATE TABLE bookmarks (url)"),
        "`PATH` is a database of another program",
    );
    let newer = |path: &Path| {
        Store::open(path).unwrap();
        execute(path, "PRAGMA user_version = 99");
    };
    check_refused(
        newer,
        &format!(
            "the database `PATH` has schema version 99, newer than {}",
            MIGRATIONS.len()
        ),
    );
    let altered = |path: &Path| {
        Store::open(path).unwrap();
        execute(path, "DROP VIEW v_tokens");
    };
    check_refused(
        altered,
        "the database `PATH` was made by another build of seep: its `v_tokens` is not as this one makes it",
    );
}

#[test]
fn views_of_ones_own_are_no_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    Store::open(&path).unwrap();
    execute(&path, "CREATE VIEW mine AS SELECT text FROM generations");
    Store::open(&path).unwrap();
}

#[test]
fn refused_files_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    execute(&path, "CREATE TABLE bookmarks (url)");
    let before = std::fs::read(&path).unwrap();
    assert!(Store::open(&path).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_in_the_place_of_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(&file.join("a.sqlite")).unwrap_err();
    assert!(matches!(error, StoreError::Folder { .. }), "{error}");
    assert!(matches!(
        Store::open(Path::new("")),
        Err(StoreError::Folder { .. })
    ));
}

#[test]
fn missing_folders_and_odd_names_are_made() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["new/folder/a.sqlite", "file:a?mode=memory", ":memory:"] {
        let path = folder.path().join(name);
        Store::open(&path).unwrap();
        assert!(path.is_file(), "{name}");
    }
}

#[test]
fn opening_twice_keeps_what_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    let fixture = Fixture::register(&mut Store::open(&path).unwrap());
    let mut store = Store::open(&path).unwrap();
    let again = store.register_experiment(&new_experiment(YAML)).unwrap();
    assert_eq!(again, fixture.experiment);
    assert_eq!(store.path(), path);
}

#[test]
fn many_can_open_a_new_database_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let path = folder.path().join(format!("{round}.sqlite"));
        std::thread::scope(|scope| {
            let open = || {
                Store::open(&path).map(|mut store| store.register_experiment(&new_experiment(YAML)))
            };
            let opened: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
            for thread in opened {
                thread.join().unwrap().unwrap().unwrap();
            }
        });
    }
}

#[test]
fn a_lock_of_another_connection_is_reported_for_writing_and_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    let mut store = Store::open_with_timeout(&path, Duration::from_millis(10)).unwrap();
    let fixture = Fixture::register(&mut store);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store
        .register_experiment(&new_experiment("other"))
        .unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, StoreError::Locked { .. }), "{message}");
    assert!(
        message.contains(&path.display().to_string()) && message.contains("\nhint: "),
        "{message}"
    );
    // Reading and opening do not wait for a writer.
    assert_eq!(
        store
            .missing(Method::Repeats, &fixture.request_ids(), fixture.numerics)
            .unwrap()
            .len(),
        6
    );
    Store::open_with_timeout(&path, Duration::ZERO).unwrap();
    other.execute_batch("ROLLBACK").unwrap();
    store.register_experiment(&new_experiment("other")).unwrap();
}

#[test]
fn an_exclusive_lock_keeps_a_database_from_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE a (x)")
        .unwrap();
    let error = Store::open_with_timeout(&path, Duration::from_millis(10)).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
}

#[test]
fn commits_reach_the_disk_and_are_seen_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    let mut store = Store::open(&path).unwrap();
    let pragma = |store: &Store, name| {
        store
            .connection
            .pragma_query_value(None, name, |row| row.get(0))
    };
    let synchronous: i64 = pragma(&store, "synchronous").unwrap();
    assert_eq!(synchronous, 2);
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..2);
    let other = Store::open(&path).unwrap();
    assert_eq!(
        other
            .missing(Method::Repeats, &fixture.request_ids(), fixture.numerics)
            .unwrap(),
        fixture.request_ids()[2..]
    );
    fixture.insert(&mut store, 0..6);
    assert_eq!(
        other
            .missing(Method::Repeats, &fixture.request_ids(), fixture.numerics)
            .unwrap(),
        []
    );
    assert!(folder.path().join("a.sqlite-wal").exists());
}

/// Another machine's database is opened so: not even its schema changes, and what only its journal has is read.
#[test]
fn a_copy_leaves_an_earlier_schema_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    let mut writer = Connection::open(&path).unwrap();
    let journal = "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0";
    writer.execute_batch(journal).unwrap();
    schema::migrate(&mut writer, &MIGRATIONS[..5]).unwrap();
    let files = || {
        let names = std::fs::read_dir(folder.path()).unwrap();
        let mut files: Vec<_> = names
            .map(|entry| entry.unwrap().path())
            .map(|path| (std::fs::read(&path).unwrap(), path))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let store = Store::open_copy(&path).unwrap();
    assert_eq!(store.path(), path);
    assert!(store.experiments().unwrap().is_empty());
    drop(store);
    assert!(before == files());
    let version: i64 = writer
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 5);
    let missing = Store::open_copy(&folder.path().join("b.sqlite"));
    assert!(matches!(missing, Err(StoreError::Missing { .. })));
    let is_folder = Store::open_copy(folder.path());
    assert!(matches!(is_folder, Err(StoreError::IsFolder { .. })));
}

fn reading_error(path: &Path) -> String {
    Store::open_reading(path).unwrap_err().to_string()
}

/// A command that only reads brought an older database up to date, for good.
#[test]
fn a_reader_never_migrates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    let mut older = Connection::open(&path).unwrap();
    schema::migrate(&mut older, &MIGRATIONS[..5]).unwrap();
    older.close().unwrap();
    let before = std::fs::read(&path).unwrap();
    let said = reading_error(&path);
    assert!(said.contains("has schema version 5, older than"), "{said}");
    assert!(said.contains("hint: `seep run` or `seep score`"), "{said}");
    assert!(before == std::fs::read(&path).unwrap());
    Store::open(&path).unwrap();
    let mut reader = Store::open_reading(&path).unwrap();
    assert!(reader.register_experiment(&new_experiment(YAML)).is_err());
    drop(reader);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A page that no query came by could be damaged without anybody knowing it.
#[test]
fn the_pages_of_a_database_that_was_not_closed_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (path, killed) = (
        folder.path().join("a.sqlite"),
        folder.path().join("b.sqlite"),
    );
    drop(Store::open(&path).unwrap());
    let writer = Connection::open(&path).unwrap();
    let page: u32 = writer
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'annotations'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    writer
        .execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE mine (x)")
        .unwrap();
    // The process is gone before it closes the file.
    for suffix in ["", "-wal"] {
        let beside = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(beside(&path), beside(&killed)).unwrap();
    }
    Store::open_reading(&killed).unwrap();
    for suffix in ["", "-wal"] {
        let beside = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(beside(&path), beside(&killed)).unwrap();
    }
    let mut bytes = std::fs::read(&killed).unwrap();
    let page = page as usize;
    bytes[(page - 1) * 4096..page * 4096].fill(7);
    std::fs::write(&killed, bytes).unwrap();
    let error = Store::open_reading(&killed).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn triggers_and_views_of_others_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    assert!(Store::open(&path).unwrap().additions().is_empty());
    execute(
        &path,
        "CREATE TRIGGER t AFTER INSERT ON leaks BEGIN DELETE FROM leaks; END; CREATE VIEW mine AS SELECT 1",
    );
    let expected = ["view `mine`", "trigger `t`"];
    assert_eq!(Store::open_reading(&path).unwrap().additions(), expected);
    assert_eq!(Store::open(&path).unwrap().additions(), expected);
}
