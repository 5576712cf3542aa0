//! Answers of different arithmetic: which are reused, and what is said.
//!
//! Owns the tests that make a database look as if another machine, or an earlier build, had filled it.

use rusqlite::Connection;

use crate::experiment_file::ExperimentFile;
use crate::harness::{Ran, TestEnv};

const DB: &str = "db/seep.sqlite";
const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A folder in which an experiment was run, with how many generations that made.
fn ran() -> (TestEnv, u64) {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(2, 2));
    let (n_made, n_reused) = run(&env).made_and_reused();
    assert!(n_made > 0 && n_reused == 0);
    (env, n_made)
}

fn run(env: &TestEnv) -> Ran {
    env.seep("run x.yaml --format json").ok()
}

fn change(env: &TestEnv, sql: &str) {
    let connection = Connection::open(env.path(DB)).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn a_run_records_what_its_processor_computes() {
    let (env, n_made) = ran();
    let record = env.record(DB);
    let digests: Vec<String> = record.column(
        "SELECT DISTINCT logits_sha256 FROM generations JOIN numerics ON numerics.id = numerics_id",
    );
    assert_eq!(digests.len(), 1, "{digests:?}");
    let again = run(&env);
    assert_eq!(again.made_and_reused(), (0, n_made));
    assert!(!again.stderr.contains("loading"), "{}", again.stderr);
}

#[test]
fn what_another_processor_computed_is_kept_and_not_mixed() {
    let (env, n_made) = ran();
    let sql = "UPDATE runs SET cpu = 'another'; UPDATE numerics SET logits_sha256 = ";
    change(&env, &format!("{sql}'{OTHER}' WHERE id > 0"));
    let here = run(&env);
    assert_eq!(here.made_and_reused(), (n_made, 0));
    let said = format!("{n_made} stored answers were computed by other arithmetic");
    assert!(here.stderr.contains(&said), "{}", here.stderr);
    let record = env.record(DB);
    assert_eq!(record.n_generations() as u64, 2 * n_made);
    let conditions: u32 = record.value("SELECT count(DISTINCT numerics_id) FROM conditions");
    assert_eq!(conditions, 2);
    let again = run(&env);
    assert_eq!(again.made_and_reused(), (0, n_made));
    assert!(!again.stderr.contains("arithmetic"), "{}", again.stderr);
}

#[test]
fn a_processor_of_another_name_that_computes_the_same_reuses_all() {
    let (env, n_made) = ran();
    change(&env, "UPDATE runs SET cpu = 'another'");
    assert_eq!(run(&env).made_and_reused(), (0, n_made));
}

#[test]
fn a_condition_of_an_earlier_build_is_gone_on_with_and_said_to_be_unknown() {
    let (env, n_made) = ran();
    change(
        &env,
        "UPDATE numerics SET logits_sha256 = NULL WHERE id > 0",
    );
    assert_eq!(run(&env).made_and_reused(), (0, n_made));
    env.experiment(&ExperimentFile::tiny(2, 3));
    let more = run(&env);
    let (n_new, n_reused) = more.made_and_reused();
    assert!(n_new > 0 && n_reused == n_made);
    let said = "stored by a build that did not record how logits were computed";
    assert!(more.stderr.contains(said), "{}", more.stderr);
    let record = env.record(DB);
    let n_numerics: u32 = record.value("SELECT count(DISTINCT numerics_id) FROM generations");
    assert_eq!(n_numerics, 1);
}
