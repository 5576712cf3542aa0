//! Runs that do not come to their end, or are not alone: Ctrl-C, `kill -9`, two processes on one database.
//!
//! Owns the moments. Whatever happened, what is stored in the end must be what one undisturbed run stores.

use std::fs;
use std::time::Duration;

use crate::experiment_file::ExperimentFile;
use crate::harness::{Ran, TestEnv};
use crate::record::{Leaks, Rows, assert_part, assert_same};
use crate::tiny::Random;

const N_KILLS: usize = 10;
const SEED: u64 = 20_251_125;
const DB: &str = "x.sqlite";

/// What an undisturbed run stored.
struct Reference {
    rows: Rows,
    leaks: Leaks,
    took: Duration,
}

/// A folder with an experiment of many groups, and what it comes to.
fn long_run() -> (TestEnv, Reference) {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile {
        max_tokens: 20,
        repeats: 6,
        ..ExperimentFile::tiny(20, 16)
    });
    let ran = env.seep("run x.yaml --db reference.sqlite").ok();
    let record = env.record("reference.sqlite");
    let reference = Reference {
        rows: record.rows(),
        leaks: record.leaks(),
        took: ran.took,
    };
    assert_eq!(reference.rows.len(), (20 * 17 + 2) * 6);
    (env, reference)
}

/// That the database holds what an undisturbed run stores, and nothing else.
#[track_caller]
fn assert_complete(env: &TestEnv, reference: &Reference) {
    let record = env.record(DB);
    record.check_integrity();
    assert_same(&record.rows(), &reference.rows);
    assert_eq!(record.leaks(), reference.leaks);
}

fn run(env: &TestEnv) -> Ran {
    env.seep(&format!("run x.yaml --db {DB} --format json"))
}

#[test]
fn interrupted_run_goes_on_where_it_was() {
    let (env, reference) = long_run();
    let n_all = reference.rows.len();
    let mut running = env.start(&format!("run x.yaml --db {DB}"));
    running.wait_until("the first group is stored", || env.n_generations(DB) > 0);
    running.interrupt();
    let ran = running.finish().with_code(130);
    assert_eq!(ran.stdout, "");
    let said = "interrupted: ending before the next batch (Ctrl-C again ends at once)\n";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let last = "what was made is stored; the same command goes on from there\n";
    assert!(ran.stderr.ends_with(last), "{}", ran.stderr);
    let record = env.record(DB);
    assert_eq!(record.statuses(), ["cancelled"]);
    let n_stored = record.n_generations();
    assert!((1..n_all).contains(&n_stored), "{n_stored}");
    assert_part(&record.rows(), &reference.rows);
    let resumed = run(&env).ok();
    let expected = ((n_all - n_stored) as u64, n_stored as u64);
    assert_eq!(resumed.made_and_reused(), expected);
    assert_complete(&env, &reference);
    assert_eq!(env.record(DB).statuses(), ["cancelled", "success"]);
}

/// Where a killed run was so far along that a resumed one ended, the next begins anew.
#[test]
fn killed_runs_lose_nothing_that_was_stored() {
    let (env, reference) = long_run();
    let mut random = Random::new(SEED);
    let (mut n_killed, mut n_stored_max) = (0, 0);
    while n_killed < N_KILLS {
        let age = reference.took.mul_f64(random.below(1000) as f64 / 2500.0);
        let running = env.start(&format!("run x.yaml --db {DB}"));
        if running.kill_at(age) {
            n_killed += 1;
            n_stored_max = n_stored_max.max(env.n_generations(DB));
            continue;
        }
        assert_complete(&env, &reference);
        remove_database(&env);
    }
    assert!(n_stored_max > 0, "no kill came after the first group");
    run(&env).ok();
    assert_complete(&env, &reference);
}

fn remove_database(env: &TestEnv) {
    for suffix in ["", "-wal", "-shm"] {
        let path = env.path(&format!("{DB}{suffix}"));
        if path.exists() {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn two_processes_work_on_one_database() {
    let (env, reference) = long_run();
    let command = format!("run x.yaml --db {DB} --format json");
    let both = [env.start(&command), env.start(&command)];
    let [first, second] = both.map(|running| running.finish().ok());
    assert_eq!(first.json()["leak_rates"], second.json()["leak_rates"]);
    assert_complete(&env, &reference);
    assert_eq!(env.record(DB).statuses(), ["success", "success"]);
}
