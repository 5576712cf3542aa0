//! Databases of earlier builds: what they say after their migration is what they said before.
//!
//! Owns the loading of a database of schema version 2, whose rows and figures lie in `tests/data`, and the way of one of
//! this build back to version 6. Migrations as such are tested in the library.

use std::path::Path;

use rusqlite::Connection;
use seep::store::Store;
use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;
use crate::record::{Record, assert_part, assert_same};

const DB: &str = "db/seep.sqlite";
const ROWS: &str = include_str!("../data/schema-2.sql");
const FIGURES: &str = include_str!("../data/schema-2.json");
const MIGRATIONS: [&str; 6] = [
    include_str!("../../db/migrations/0001_initial.sql"),
    include_str!("../../db/migrations/0002_exact_views.sql"),
    include_str!("../../db/migrations/0003_conditions.sql"),
    include_str!("../../db/migrations/0004_specificity.sql"),
    include_str!("../../db/migrations/0005_annotations.sql"),
    include_str!("../../db/migrations/0006_encoders.sql"),
];
/// Tables of which no migration takes a row.
const RECORD: [&str; 12] = [
    "experiments",
    "experiment_pairs",
    "models",
    "imports",
    "runs",
    "run_models",
    "imported_pairs",
    "generations",
    "enumerations",
    "continuations",
    "next_token_distributions",
    "scored_generations",
];

/// Writes the database as the earlier build left it, changed by `sql`.
fn write_old(path: &Path, sql: &str) {
    let connection = migrated_to(path, 2);
    for batch in [ROWS, sql] {
        connection.execute_batch(batch).unwrap();
    }
}

/// A new database of an earlier schema version, without the check of foreign keys.
fn migrated_to(path: &Path, version: usize) -> Connection {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let connection = Connection::open(path).unwrap();
    let pragma = |name, value| connection.pragma_update(None, name, value).unwrap();
    pragma("foreign_keys", 0);
    for batch in &MIGRATIONS[..version] {
        connection.execute_batch(batch).unwrap();
    }
    pragma("user_version", version as i64);
    pragma("application_id", 0x7365_6570);
    connection
}

/// Puts the rows of the database at `path` into one of schema version 6, as the build before this one would have made
/// them: `inverse_cdf` was the only way to draw, and no row named it.
fn turn_back(path: &Path) {
    let newer = path.with_extension("newer");
    std::fs::rename(path, &newer).unwrap();
    let connection = migrated_to(path, 6);
    let attach = "ATTACH ?1 AS newer";
    connection
        .execute(attach, [newer.to_str().unwrap()])
        .unwrap();
    let strings = |sql: &str| -> Vec<String> {
        let mut select = connection.prepare(sql).unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    for table in strings(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    ) {
        let columns = strings(&format!(
            "SELECT name FROM pragma_table_info('{table}', 'main')"
        ));
        let columns = columns.join(", ");
        let copy = format!(
            "DELETE FROM main.{table};
             INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table};"
        );
        connection.execute_batch(&copy).unwrap();
    }
    let unnamed = "UPDATE samplings SET label = replace(label, ' draws=inverse_cdf', '')";
    connection.execute(unnamed, []).unwrap();
}

fn counts(record: &Record) -> Vec<i64> {
    let count = |table: &&str| record.value(&format!("SELECT count(*) FROM {table}"));
    RECORD.iter().map(count).collect()
}

/// Writes the database, migrates it, and returns what it held before and holds then.
fn migrated(env: &TestEnv, sql: &str) -> (Vec<i64>, Record) {
    write_old(&env.path(DB), sql);
    let before = counts(&env.record(DB));
    drop(Store::open(&env.path(DB)).unwrap());
    (before, env.record(DB))
}

#[test]
fn the_record_stays_and_verdicts_of_two_signatures_are_parted() {
    let env = TestEnv::empty();
    let (before, record) = migrated(&env, "");
    assert_eq!(counts(&record), before);
    let broken = record.column::<String>("SELECT \"table\" FROM pragma_foreign_key_check");
    assert_eq!(broken, [] as [String; 0]);
    let numerics = "SELECT DISTINCT schedule FROM v_generations JOIN numerics USING (schedule)
        WHERE numerics.id = numerics_id ORDER BY schedule";
    let expected = ["strict-pad8-vbf16", "strict-pad8-vbf16-wide"];
    assert_eq!(record.column::<String>(numerics), expected);
    let imported = "SELECT DISTINCT numerics_id FROM generations WHERE import_id IS NOT NULL";
    assert_eq!(record.column::<i64>(imported), [0]);
    let mixed = "SELECT n_leaks FROM v_conditions WHERE experiment = 'one' ORDER BY condition_id";
    assert_eq!(record.column::<i64>(mixed), [8, 2, 6]);
    // A run of this build would write the same, so what it finds takes the place of these.
    let signature =
        "SELECT DISTINCT signature FROM v_conditions WHERE experiment IN ('two', 'four')";
    let expected = "sbert_encoder_L2_mean_round3_sha256=346a12cae24f_seep=0.1.0";
    assert_eq!(record.column::<String>(signature), [expected]);
}

/// The rows of a table as text, those of the experiment with the mixed set left out.
fn exported(env: &TestEnv, table: &str, columns: &str) -> Vec<Vec<String>> {
    let words = format!("export --table {table} --columns {columns} --format csv -o -");
    let csv = env.seep(&words).ok().stdout;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let experiment = columns.split(',').position(|name| name == "experiment");
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        row.iter().map(str::to_owned).collect::<Vec<_>>()
    });
    rows.filter(|row| row[experiment.unwrap()] != "one")
        .collect()
}

#[test]
fn figures_are_those_of_the_earlier_build() {
    let env = TestEnv::empty();
    write_old(&env.path(DB), "");
    let said = env.seep("list").with_code(2).stderr;
    assert!(said.contains("has schema version 2, older than"), "{said}");
    Store::open(&env.path(DB)).unwrap();
    let figures: Value = serde_json::from_str(FIGURES).unwrap();
    for table in ["rates", "comparisons", "flips", "exact_leaks"] {
        let columns: Vec<String> =
            serde_json::from_value(figures[table]["columns"].clone()).unwrap();
        let rows: Vec<Vec<String>> =
            serde_json::from_value(figures[table]["rows"].clone()).unwrap();
        assert!(!rows.is_empty());
        assert_eq!(exported(&env, table, &columns.join(",")), rows, "{table}");
    }
    for (experiment, other) in [("four", "Q5_0"), ("two", "Q4_0")] {
        let words = format!(
            "compare a:Q8_0-from-F32 a:{other}-from-F32 --experiment {experiment} --format json"
        );
        let found = env.seep(&words).ok().json();
        let expected = &figures[format!("compare_{experiment}").as_str()];
        assert_eq!(
            found["comparisons"][0]["difference"],
            expected["difference"]
        );
        for (found, expected) in
            [0, 1].map(|idx| (&found["conditions"][idx], &expected["conditions"][idx]))
        {
            assert_eq!(found["name"], expected["name"]);
            assert_eq!(found["mean_leak_rate"], expected["mean_leak_rate"]);
        }
        // The two were computed under different schedules, and no drift was shown.
        assert!(found["comparisons"][0]["drift"]["mean_kl"].is_number());
    }
}

/// The file that the earlier build imported, once more with a mapping that names families.
#[test]
fn importing_again_gives_families_to_stored_pairs() {
    let env = TestEnv::empty();
    write_old(&env.path(DB), "");
    env.write(
        "a.csv",
        "prompt,n_control,concept,generation_1,generation_2,category\nHe is,,none,tall,old,1\n\
         He likes red. He is,0,red,a fireman,angry,1\nHe likes blue. He is,0,blue,a blue bus,old,2\n",
    );
    env.seep("import a.csv --experiment three").ok();
    let record = env.record(DB);
    let families =
        "SELECT ifnull(concept_family, '-') FROM v_prompt_pairs WHERE experiment = 'three'";
    assert_eq!(record.column::<String>(families), ["-", "-"]);
    let stored =
        "SELECT concat_ws('|', experiment_id, pair_idx, concept, test_prompt_id, text, import_row)
        FROM experiment_pairs LEFT JOIN imported_pairs USING (experiment_id, pair_idx)
            LEFT JOIN generations ON generations.id = test_generation_id
        ORDER BY 1";
    let before = (counts(&record), record.column::<String>(stored));
    let mapping = include_str!("../../src/import/published.yaml");
    env.write(
        "m.yaml",
        &format!("{mapping}concept_families: {{warm: [red, blue]}}\n"),
    );
    env.seep("import a.csv --experiment three --mapping m.yaml")
        .ok();
    assert_eq!(record.column::<String>(families), ["warm", "warm"]);
    let mut after = (counts(&record), record.column::<String>(stored));
    // Another mapping is another import, of the same cells.
    let imports = RECORD.iter().position(|table| *table == "imports").unwrap();
    after.0[imports] -= 1;
    assert_eq!(after, before);
    record.check_integrity();
}

#[test]
fn verdicts_between_different_numerics_are_left_out() {
    let env = TestEnv::empty();
    let lone = "(SELECT min(control_generation_id) FROM leaks WHERE experiment_id = 4)";
    let older = format!(
        "UPDATE runs SET llama_cpp_version = 'older' WHERE id = 4;
         UPDATE generations SET run_id = 4 WHERE id = {lone};"
    );
    write_old(&env.path("kept.sqlite"), &older);
    let old = env.record("kept.sqlite");
    let n_leaks: i64 = old.value("SELECT count(*) FROM leaks");
    let n_mixed: i64 = old.value(&format!(
        "SELECT count(*) FROM leaks WHERE (test_generation_id = {lone}) <> (control_generation_id = {lone})"
    ));
    assert!(n_mixed > 0);
    let (before, record) = migrated(&env, &older);
    assert_eq!(counts(&record), before);
    assert_eq!(
        record.value::<i64>("SELECT count(*) FROM leaks"),
        n_leaks - n_mixed
    );
    let versions =
        "SELECT count(DISTINCT llama_cpp_version) FROM v_generations WHERE import_id IS NULL";
    assert_eq!(record.value::<i64>(versions), 2);
}

/// The generations of the build before Gumbel-max draws keep their ids and their condition. An experiment that says
/// nothing of draws gets new ones beside them, with a word about it; one that names their way goes on with them.
#[test]
fn generations_of_the_first_draw_method_stay_and_can_be_gone_on_with() {
    let env = TestEnv::with_tiny_models();
    let small = ExperimentFile::tiny(2, 3);
    let earlier = small
        .clone()
        .with_value("repetition_penalty", "1.0\n  draws: inverse_cdf");
    env.experiment(&earlier);
    env.seep("run x.yaml").ok();
    turn_back(&env.path(DB));
    let before = env.record(DB).rows();
    let n_each = before.len() as u64;

    let again = env.seep("run x.yaml --format json").ok();
    assert_eq!(again.made_and_reused(), (0, n_each));
    assert_eq!(
        again.json()["models"][0]["sampling"]["draws"],
        "inverse_cdf"
    );
    let record = env.record(DB);
    record.check_integrity();
    assert_same(&record.rows(), &before);
    let draws = "SELECT DISTINCT draws FROM v_generations ORDER BY draws";
    assert_eq!(record.column::<String>(draws), ["inverse_cdf"]);
    let n_samplings = "SELECT count(*) FROM samplings WHERE draws = 'inverse_cdf'";
    assert_eq!(record.value::<i64>(n_samplings), 1);

    env.experiment(&small);
    let planned = env.seep("plan x.yaml").ok();
    let ran = env.seep("run x.yaml --format json").ok();
    let said = format!("{n_each} stored generations were drawn by `inverse_cdf`");
    for shown in [&planned, &ran] {
        assert!(shown.stderr.contains(&said), "{}", shown.stderr);
        assert!(
            shown
                .stderr
                .contains("write `draws: inverse_cdf` under `sampling`")
        );
    }
    assert_eq!(ran.made_and_reused(), (n_each, 0));
    assert_part(&before, &record.rows());
    assert_eq!(
        record.column::<String>(draws),
        ["gumbel_max", "inverse_cdf"]
    );
    let of_two = "SELECT count(*) FROM v_leaks JOIN samplings ON samplings.id = sampling_id
        JOIN generations ON generations.id IN (test_generation_id, control_generation_id)
        WHERE generations.draws != samplings.draws";
    assert_eq!(record.value::<i64>(of_two), 0);
    let again = env.seep("run x.yaml").ok();
    assert!(!again.stderr.contains(&said), "{}", again.stderr);

    env.experiment(&small.with_value(
        "repetition_penalty",
        "1.0\n  draws: [inverse_cdf, gumbel_max]",
    ));
    let both = env.seep("run x.yaml --format json").ok();
    assert_eq!(both.made_and_reused(), (0, n_each));
    assert_eq!(both.json()["models"][1]["n_reused"], n_each);
    assert!(!both.stderr.contains(&said), "{}", both.stderr);
    let compared = env
        .command("compare")
        .args(["a:F32 draws=inverse_cdf", "a:F32 draws=gumbel_max"])
        .output();
    assert!(compared.unwrap().status.success());
}
