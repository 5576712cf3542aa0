//! Runs with more generations of control prompts than of test prompts: what is made, what is compared with what, and what
//! stays as it is.

use serde_json::Value;

use crate::experiment_file::{ExperimentFile, Pair, Template};
use crate::harness::TestEnv;
use crate::record::{Record, assert_part, assert_same};

const DB: &str = "x.sqlite";
const N_TESTS: u32 = 3 * 4 + 1;
const N_CONTROLS: u32 = 3 + 1;
/// Each of two test generations with each of six control generations.
const ALL_OF_2_AND_6: &str = "0/0 1/1 0/2 1/3 0/4 1/5 0/1 1/2 0/3 1/4 0/5 1/0";

/// Three templates of four concepts, and a pair.
fn env() -> TestEnv {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile {
        repeats: 2,
        ..ExperimentFile::tiny(3, 4)
    });
    env
}

/// The repeats of test and control that each verdict is about, of one pair or several that have the same.
fn compared(record: &Record) -> Vec<String> {
    record.column(
        "SELECT DISTINCT group_concat(test.repeat_idx || '/' || control.repeat_idx, ' ' ORDER BY leaks.repeat_idx)
         FROM leaks
             JOIN generations AS test ON test.id = test_generation_id
             JOIN generations AS control ON control.id = control_generation_id
         GROUP BY condition_id, pair_idx",
    )
}

#[test]
fn each_generation_counts_equally_often() {
    let env = env();
    let ran = env
        .seep(&format!("run x.yaml --db {DB} --control-repeats 6"))
        .ok();
    let record = env.record(DB);
    let n_generations = (2 * N_TESTS + 6 * N_CONTROLS) as usize;
    assert_eq!(record.n_generations(), n_generations);
    assert_eq!(compared(&record), [ALL_OF_2_AND_6]);
    let n_leaks: u32 = record.value("SELECT count(*) FROM leaks");
    assert_eq!(n_leaks, 12 * N_TESTS);
    assert!(ran.stdout.contains(", 2 repeats, 6 of controls, seed 1\n"));
    let leaks = record.leaks();
    env.seep(&format!("score --db {DB}")).ok();
    assert_eq!(env.record(DB).leaks(), leaks);
    let json = env.seep(&format!("score --db {DB} --format json")).ok();
    let json = json.json();
    assert_eq!(
        (&json[0]["n_repeats"], &json[0]["n_control_repeats"]),
        (&2.into(), &6.into())
    );
}

#[test]
fn more_control_repeats_later_make_only_what_is_missing() {
    let env = env();
    env.seep("run x.yaml --db direct.sqlite --control-repeats 6")
        .ok();
    env.seep(&format!("run x.yaml --db {DB}")).ok();
    let more = env
        .seep(&format!(
            "run x.yaml --db {DB} --control-repeats 6 --format json"
        ))
        .ok();
    let n_before = u64::from(2 * (N_TESTS + N_CONTROLS));
    assert_eq!(
        more.made_and_reused(),
        (u64::from(4 * N_CONTROLS), n_before)
    );
    let (found, direct) = (env.record(DB), env.record("direct.sqlite"));
    assert_same(&found.rows(), &direct.rows());
    assert_eq!(found.leaks(), direct.leaks());
    // A run that asks for less compares less, and takes no generation away.
    env.seep(&format!("run x.yaml --db {DB}")).ok();
    assert_eq!(compared(&env.record(DB)), ["0/0 1/1 0/1 1/0"]);
    assert_same(&env.record(DB).rows(), &direct.rows());
    env.seep(&format!("score --db {DB}")).ok();
    assert_eq!(env.record(DB).leaks(), direct.leaks());
}

#[test]
fn interrupted_runs_end_with_the_same_rows() {
    let env = env();
    env.seep("run x.yaml --db direct.sqlite --control-repeats 6")
        .ok();
    let limited = format!("run x.yaml --db {DB} --control-repeats 6 --limit 5");
    env.seep(&limited).ok();
    let direct = env.record("direct.sqlite");
    assert_part(&env.record(DB).rows(), &direct.rows());
    let mut running = env.start(&format!("run x.yaml --db {DB} --control-repeats 6"));
    running.wait_until("the database is there", || env.n_generations(DB) > 0);
    let _ = running.kill_at(std::time::Duration::ZERO);
    env.seep(&format!("run x.yaml --db {DB} --control-repeats 6"))
        .ok();
    assert_same(&env.record(DB).rows(), &direct.rows());
    assert_eq!(env.record(DB).leaks(), direct.leaks());
}

/// What is left of the older pairing would count some generations more often than others.
#[test]
fn another_pairing_takes_the_place_of_the_older_one() {
    let env = env();
    env.seep(&format!("run x.yaml --db {DB} --control-repeats 6"))
        .ok();
    env.seep(&format!("run x.yaml --db {DB} --repeats 3")).ok();
    assert_eq!(
        compared(&env.record(DB)),
        ["0/0 1/1 2/2 0/1 1/2 2/0 0/2 1/0 2/1"]
    );
    let n: u32 = env.record(DB).value("SELECT count(*) FROM specificities");
    assert_eq!(n, 9 * N_TESTS);
    env.seep(&format!(
        "run x.yaml --db {DB} --repeats 6 --control-repeats 2"
    ))
    .ok();
    assert_eq!(
        compared(&env.record(DB)),
        ["0/0 1/1 2/0 3/1 4/0 5/1 0/1 1/0 2/1 3/0 4/1 5/0"]
    );
}

/// No control is compared there.
#[test]
fn specificity_does_not_depend_on_control_repeats() {
    let env = env();
    let found = [1, 2, 6].map(|n| {
        let run = format!("run x.yaml --db {n}.sqlite --control-repeats {n} --format json");
        let json = env.seep(&run).ok().json();
        let rate = &json["leak_rates"][0];
        let value = |name: &str| rate[name].as_f64().unwrap();
        (value("specificity"), value("specific_leakage"))
    });
    for (specificity, _) in found {
        assert!((specificity - found[0].0).abs() < 1e-9, "{found:?}");
    }
    assert!(found[0].1 != found[2].1, "{found:?}");
}

/// The control of the second pair is the test prompt of the first, whose pairs need only two.
#[test]
fn a_prompt_that_is_test_and_control_has_the_larger_number() {
    let env = TestEnv::with_tiny_models();
    let pair = |concept: &str, test: &str, control: &str| Pair {
        concept: concept.to_owned(),
        category: "free".to_owned(),
        test: test.to_owned(),
        control: control.to_owned(),
    };
    env.experiment(&ExperimentFile {
        repeats: 2,
        templates: Vec::<Template>::new(),
        pairs: vec![
            pair("red", "A red dog is", "A dog is"),
            pair("blue", "A red and blue dog is", "A red dog is"),
        ],
        ..ExperimentFile::tiny(1, 2)
    });
    let run = format!("run x.yaml --db {DB} --control-repeats 4");
    env.seep(&run).ok();
    let record = env.record(DB);
    assert_eq!(record.n_generations(), 4 + 4 + 2);
    assert_eq!(compared(&record), ["0/0 1/1 0/2 1/3 0/1 1/2 0/3 1/0"]);
}

#[test]
fn numbers_that_do_not_divide_are_refused() {
    let env = env();
    let text = ExperimentFile::tiny(3, 4).text();
    env.write(
        "x.yaml",
        &text.replace("  seed: 1", "  control_repeats: 12\n  seed: 1"),
    );
    let refused = env.seep("plan x.yaml").with_code(2);
    let said = "of `repeats: 5` and `control_repeats: 12` neither divides the other";
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
    let hint = "the nearest are 10 and 15";
    assert!(refused.stderr.contains(hint), "{}", refused.stderr);
    env.write(
        "x.yaml",
        &text.replace("  seed: 1", "  control_repeats: 15\n  seed: 1"),
    );
    let planned = env.seep("plan x.yaml --format json").ok().json();
    assert_eq!(planned["n_control_repeats"], 15);
    let n = planned["models"][0]["n_generations"].as_u64();
    assert_eq!(n, Some(u64::from(5 * N_TESTS + 15 * N_CONTROLS)));
}

#[test]
fn plans_say_where_variance_comes_from_and_what_is_better() {
    let env = TestEnv::with_tiny_models();
    let file = ExperimentFile {
        repeats: 2,
        ..ExperimentFile::tiny(8, 4)
    };
    env.experiment(&file.models(&["a.gguf", "b.gguf"]));
    let flags = format!("x.yaml --db {DB} --control-repeats 6");
    env.seep(&format!("run {flags}")).ok();
    let plan = env.seep(&format!("plan {flags} --format json")).ok().json();
    let all_shares = plan["comparisons"][0]["shares"].as_array().unwrap();
    assert_eq!(all_shares.len(), 3);
    for shares in all_shares {
        let part = |name: &str| shares[name].as_f64().unwrap();
        let choices = part("template") + part("concept") + part("prompt");
        let draws = part("control_draws") + part("test_draws");
        assert!((choices + draws - 1.0).abs() < 1e-9, "{shares}");
        if shares["measure"] == "specificity" {
            assert_eq!(part("control_draws"), 0.0);
        }
    }
    let designs = plan["advice"]["designs"].as_array().unwrap();
    let rows = |design: &Value| design["rows"].as_f64().unwrap();
    assert_eq!(designs.len(), 3);
    assert!(designs.iter().all(|it| rows(it) <= rows(&designs[0])));
    assert_eq!(designs[0]["n_templates"], 8);
    assert_eq!(designs[0]["n_control_repeats"], 6);
    let shown = env.seep(&format!("plan {flags}")).ok().stdout;
    for expected in [
        "2 repeats, 6 of controls",
        "Parts of the variance of these differences",
        "Designs for the same time",
    ] {
        assert!(shown.contains(expected), "{shown}");
    }
}
