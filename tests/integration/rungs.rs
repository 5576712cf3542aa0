//! Models that fail: the process of one is ended, or its file is replaced. The others are answered and scored.

use std::fs;

use crate::experiment_file::ExperimentFile;
use crate::harness::{Running, TestEnv};
use crate::record::assert_same;

const DB: &str = "x.sqlite";

/// A folder with an experiment of two models, each of which takes a second or more.
fn env() -> TestEnv {
    let env = TestEnv::with_tiny_models();
    let file = ExperimentFile {
        max_tokens: 20,
        repeats: 4,
        ..ExperimentFile::tiny(8, 6)
    };
    env.experiment(&file.models(&["a.gguf", "b.gguf"]));
    env
}

/// A run of which a part of the first model is stored.
fn started(env: &TestEnv) -> Running<'_> {
    let mut running = env.start(&format!("run x.yaml --db {DB}"));
    running.wait_until("generations are there", || env.n_generations(DB) > 0);
    running
}

#[test]
fn a_model_whose_process_aborts_is_left_out_and_the_others_are_scored() {
    let env = env();
    let running = started(&env);
    running.signal_model("ABRT");
    let ran = running.finish().with_code(1);
    let said = "a F32 is missing: llama.cpp's process ended (signal: 6 (SIGABRT)";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    let record = env.record(DB);
    record.check_integrity();
    let (status, error): (String, String) = (
        record.value("SELECT status FROM runs"),
        record.value("SELECT error FROM runs"),
    );
    assert_eq!(status, "error");
    assert!(
        error.starts_with("a F32: llama.cpp's process ended"),
        "{error}"
    );
    let scored = "SELECT group_concat(DISTINCT model) FROM v_leaks";
    assert_eq!(record.value::<String>(scored), "b");
    let n_of_b = "SELECT count(*) FROM v_generations WHERE model = 'b'";
    assert_eq!(record.value::<u32>(n_of_b), (8 * 7 + 2) * 4);
    // What was made of the other one stays, and the next run makes the rest.
    env.seep(&format!("run x.yaml --db {DB}")).ok();
    env.seep("run x.yaml --db direct.sqlite").ok();
    assert_same(&env.record(DB).rows(), &env.record("direct.sqlite").rows());
}

/// Such a file kept all others from being run.
#[test]
fn a_file_that_cannot_be_read_is_left_out_and_the_others_are_run() {
    let env = env();
    let whole = fs::read(env.path("a.gguf")).unwrap();
    fs::write(env.path("a.gguf"), &whole[..whole.len() / 2]).unwrap();
    let ran = env.seep(&format!("run x.yaml --db {DB}")).with_code(1);
    assert!(ran.stderr.contains("a is left out: "), "{}", ran.stderr);
    assert!(ran.stdout.contains("a is missing: "), "{}", ran.stdout);
    let models = "SELECT group_concat(DISTINCT model) FROM v_leaks";
    assert_eq!(env.record(DB).value::<String>(models), "b");
    fs::write(env.path("b.gguf"), "GGUF").unwrap();
    let refused = env.seep(&format!("run x.yaml --db {DB}")).with_code(2);
    assert!(refused.stderr.contains("error: "), "{}", refused.stderr);
}

/// A system that is short of memory does that.
#[test]
fn a_model_whose_process_is_killed_is_tried_once_more() {
    let env = env();
    let running = started(&env);
    running.signal_model("KILL");
    let ran = running.finish().ok();
    let said = "as a system does that is short of memory): it said nothing; trying once more";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    env.seep("run x.yaml --db direct.sqlite").ok();
    let (found, direct) = (env.record(DB), env.record("direct.sqlite"));
    assert_same(&found.rows(), &direct.rows());
    assert_eq!(found.leaks(), direct.leaks());
}

/// Its answers stood under the digest of the file that was there when the run began.
#[test]
fn a_file_that_is_replaced_while_another_model_runs_is_not_loaded() {
    let env = env();
    let running = started(&env);
    let other = fs::read(env.path("a.gguf")).unwrap();
    fs::write(env.path("new.gguf"), other).unwrap();
    fs::rename(env.path("new.gguf"), env.path("b.gguf")).unwrap();
    let ran = running.finish().with_code(1);
    let said = "b F32 is missing: `b.gguf` has changed since it was read and hashed";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    let models = "SELECT group_concat(DISTINCT model) FROM v_generations";
    assert_eq!(env.record(DB).value::<String>(models), "a");
}

/// SIGTERM, which ended the program at once before, is what schedulers send, more than once.
#[test]
fn every_signal_ends_a_run_in_the_same_orderly_way() {
    let env = env();
    for (name, exit_code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let running = started(&env);
        running.signal(name);
        if name == "TERM" {
            running.signal(name);
        }
        let ran = running.finish().with_code(exit_code);
        assert!(
            ran.stderr
                .contains("interrupted: ending before the next batch")
        );
        let env_record = env.record(DB);
        let statuses = env_record.column::<String>("SELECT status FROM runs ORDER BY id");
        assert_eq!(statuses, ["cancelled"], "{name}");
        fs::remove_file(env.path(DB)).unwrap();
    }
}

/// Nothing of a program that was killed goes on computing.
#[test]
fn the_process_of_a_model_ends_with_the_program() {
    let env = env();
    let running = started(&env);
    let model = running.model_process();
    assert!(running.kill_at(std::time::Duration::ZERO));
    crate::harness::wait_until("the model's process to end", || {
        !fs::exists(format!("/proc/{model}/cmdline")).unwrap()
    });
}
