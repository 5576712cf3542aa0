//! `seep replicate` on what tiny models say under several seeds, in one database and in two.

use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::{Ran, TestEnv};

const DB: &str = "db/seep.sqlite";
const OTHER: &str = "other.sqlite";

/// Two models and three templates of three concepts.
fn experiment() -> ExperimentFile {
    ExperimentFile {
        repeats: 2,
        ..ExperimentFile::tiny(3, 3)
    }
    .models(&["a.gguf", "b.gguf"])
}

/// A folder in which the experiment was run under these seeds.
fn with_seeds(seeds: &[u64]) -> TestEnv {
    let env = TestEnv::with_tiny_models();
    env.experiment(&experiment());
    for seed in seeds {
        env.seep(&format!("run x.yaml --seed {seed}")).ok();
    }
    env
}

fn replicate(env: &TestEnv, arguments: &str) -> Ran {
    env.seep(&format!("replicate tiny {arguments}"))
}

fn document(env: &TestEnv, arguments: &str) -> Value {
    let ran = replicate(env, &format!("{arguments} --format json"));
    ran.ok().json()
}

fn seeds(found: &Value) -> Vec<u64> {
    let columns = found["columns"].as_array().unwrap().iter();
    columns.map(|it| it["seed"].as_u64().unwrap()).collect()
}

/// The conclusion about a figure of the second model against the first.
fn difference<'v>(found: &'v Value, figure: &str) -> &'v Value {
    let mut conclusions = found["conclusions"].as_array().unwrap().iter();
    let is_meant = |it: &&Value| it["figure"] == figure && it["base"].is_string();
    conclusions.find(is_meant).unwrap()
}

fn value(cell: &Value) -> f64 {
    cell["value"].as_f64().unwrap_or_else(|| panic!("{cell}"))
}

/// No path of its own: each column has what `seep compare --seed` says.
#[test]
fn each_column_is_the_comparison_of_its_seed() {
    let env = with_seeds(&[1, 2]);
    let found = document(&env, "");
    assert_eq!(seeds(&found), [1, 2]);
    for (place, seed) in [1, 2].into_iter().enumerate() {
        let arguments = format!("compare a b --seed {seed} --format json");
        let compared = env.seep(&arguments).ok().json();
        let (compared, conditions) = (&compared["comparisons"][0], &compared["conditions"]);
        let by = difference(&found, "mean_leak_rate");
        let cell = &by["columns"][place];
        assert_eq!(cell["value"], compared["difference"]["points"]);
        assert_eq!(cell["interval"], compared["difference"]["interval"]);
        let by = difference(&found, "specificity");
        assert_eq!(
            by["columns"][place]["value"],
            compared["specificity_difference"]
        );
        let claim = &found["conclusions"][0];
        assert_eq!(claim["base"], Value::Null);
        assert_eq!(
            claim["columns"][place]["value"],
            conditions[0]["specificity"]
        );
    }
    let table = replicate(&env, "").ok();
    for expected in [
        "seed 1 ",
        "seed 2 ",
        "  against a:F32",
        "Stands every time: ",
        "seeds are draws, prompts stay the clusters",
    ] {
        assert!(
            table.stdout.contains(expected),
            "{expected}: {}",
            table.stdout
        );
    }
}

/// The columns and what is pooled of them speak of other concepts where they are asked to.
#[test]
fn concepts_are_generalised_over_in_each_column_and_in_what_is_pooled() {
    let env = with_seeds(&[1, 2]);
    let [fixed, random] = ["", "--generalise concepts"].map(|flag| document(&env, flag));
    assert_eq!(fixed["concepts"]["are"], "fixed");
    assert_eq!(random["concepts"]["are"], "random");
    let compared = env.seep("compare a b --seed 2 --generalise concepts --format json");
    let compared = compared.ok().json();
    let by = difference(&random, "mean_leak_rate");
    let expected = &compared["comparisons"][0]["difference"]["interval"];
    assert_eq!(&by["columns"][1]["interval"], expected);
    let pooled = |found: &Value| -> Vec<Value> {
        let conclusions = found["conclusions"].as_array().unwrap().iter();
        conclusions.map(|it| it["pooled"].clone()).collect()
    };
    let [fixed, random] = [fixed, random].map(|found| pooled(&found));
    assert_ne!(fixed, random);
    for (fixed, random) in fixed.iter().zip(&random) {
        let width = |of: &Value| {
            let [lower, upper] =
                ["lower", "upper"].map(|end| of["interval"][end].as_f64().unwrap());
            upper - lower
        };
        assert_eq!(value(fixed), value(random));
        assert!(width(random) >= width(fixed), "{random} {fixed}");
    }
    let table = replicate(&env, "--generalise concepts").ok().stdout;
    assert!(
        table.contains("for other concepts like the 3 here"),
        "{table}"
    );
}

/// With as many repeats under each seed the pooled difference is the mean of the differences.
#[test]
fn three_seeds_are_pooled_pair_by_pair() {
    let env = with_seeds(&[1, 2, 3]);
    let found = document(&env, "--base b");
    assert_eq!(seeds(&found), [1, 2, 3]);
    for figure in ["specificity", "specific_leakage", "mean_leak_rate"] {
        let by = difference(&found, figure);
        assert_eq!((&by["base"], &by["n_pooled"]), (&"b:F32".into(), &3.into()));
        let cells = by["columns"].as_array().unwrap();
        let mean = cells.iter().map(value).sum::<f64>() / 3.0;
        assert!((value(&by["pooled"]) - mean).abs() < 1e-9, "{by}");
        let width = |cell: &Value| {
            let [lower, upper] =
                ["lower", "upper"].map(|end| cell["interval"][end].as_f64().unwrap());
            upper - lower
        };
        let widest = cells.iter().map(width).fold(0.0, f64::max);
        assert!(width(&by["pooled"]) < widest, "{by}");
    }
}

#[test]
fn a_run_and_the_page_say_with_how_many_seeds() {
    let env = with_seeds(&[1]);
    let said =
        "Seen with one seed; `seep run FILE --seed 2` and `seep replicate tiny` show if it stands.";
    assert!(env.seep("run x.yaml").ok().stdout.contains(said));
    assert!(env.seep("score").ok().stdout.contains(said));
    // A run with a limit is no second look at all prompts.
    let limited = env.seep("run x.yaml --seed 7 --limit 2 --format json").ok();
    assert_eq!(limited.json()["n_seeds"], 2);
    let page = |env: &TestEnv| {
        env.seep("report --seed 1").ok();
        fs::read_to_string(env.path("report.html")).unwrap()
    };
    assert!(page(&env).contains("Seen with one seed"));
    let second = env.seep("run x.yaml --seed 2 --format json").ok().json();
    assert_eq!(second["n_seeds"], 2);
    assert!(page(&env).contains("Seen with 2 seeds"));
    let found = replicate(&env, "--format json").ok();
    assert_eq!(seeds(&found.json()), [1, 2]);
    let left_out = "which has 2 of 10 prompt pairs";
    assert!(found.stderr.contains(left_out), "{}", found.stderr);
}

#[test]
fn one_seed_stands_for_nothing() {
    let env = with_seeds(&[1]);
    let found = replicate(&env, "").ok();
    assert!(
        found.stdout.contains("Seen once: `seep run FILE --seed N`"),
        "{}",
        found.stdout
    );
    assert_eq!(
        document(&env, "")["conclusions"][0]["standing"],
        "seen once"
    );
}

/// The text of an experiment is its identity in the database; here only what is asked counts.
#[test]
fn a_seed_that_the_file_names_is_one_more_and_other_prompts_are_none() {
    let env = with_seeds(&[1]);
    env.experiment(&ExperimentFile {
        seed: 2,
        ..experiment()
    });
    env.seep("run x.yaml").ok();
    let mut others = experiment();
    others.pairs[0].test = "The green house has a".to_owned();
    env.write("y.yaml", &others.text());
    env.seep("run y.yaml --seed 3").ok();
    env.seep("run x.yaml --seed 4").ok();
    let x = env
        .record(DB)
        .column::<String>("SELECT sha256 FROM experiments ORDER BY id");
    let found = env.seep(&format!("replicate {} --format json", x[1])).ok();
    assert_eq!(seeds(&found.json()), [1, 2, 4]);
    assert!(
        found.stderr.contains("it has other prompts than tiny ("),
        "{}",
        found.stderr
    );
    assert_eq!(seeds(&document(&env, "")), [3]);
}

#[test]
fn a_second_database_is_read_and_left_as_it_is() {
    let env = with_seeds(&[1]);
    env.seep(&format!("run x.yaml --seed 1 --db {OTHER}")).ok();
    env.seep(&format!("run x.yaml --seed 2 --db {OTHER}")).ok();
    let before = (fs::read(env.path(OTHER)).unwrap(), env.files());
    let found = replicate(&env, &format!("--with {OTHER} --format json")).ok();
    assert_eq!(seeds(&found.json()), [1, 2]);
    assert_eq!(
        found.json()["columns"][1]["name"],
        format!("seed 2, {OTHER}")
    );
    let copy = "is left out: it is made of the same draws by the same arithmetic as seed 1";
    assert!(found.stderr.contains(copy), "{}", found.stderr);
    assert!(before == (fs::read(env.path(OTHER)).unwrap(), env.files()));
    let missing = replicate(&env, "--with none.sqlite").with_code(2);
    assert!(
        missing
            .stderr
            .contains("there is no database `none.sqlite`")
    );
}

#[test]
fn another_machine_is_a_column_of_its_own() {
    let env = with_seeds(&[1]);
    env.seep(&format!("run x.yaml --seed 1 --db {OTHER}")).ok();
    let change = |name: &str| {
        let sql = "UPDATE runs SET cpu = 'another';
            UPDATE numerics SET logits_sha256 = printf('%064d', id) WHERE id > 0";
        Connection::open(env.path(name))
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    };
    change(OTHER);
    let found = document(&env, &format!("--with {OTHER}"));
    assert_eq!(seeds(&found), [1, 1]);
    assert!(
        found["columns"][1]["machines"][0]
            .as_str()
            .unwrap()
            .contains("another")
    );
    change(DB);
    env.seep("run x.yaml").ok();
    let found = document(&env, "");
    assert_eq!(seeds(&found), [1, 1]);
    assert_eq!(found["columns"][1]["name"], "seed 1, arithmetic 2");
}

#[test]
fn a_database_of_other_prompts_or_files_is_refused() {
    let env = with_seeds(&[1]);
    env.write(
        "y.yaml",
        &experiment()
            .text()
            .replace("a helpful assistant", "a pirate"),
    );
    env.seep(&format!("run y.yaml --db {OTHER}")).ok();
    let refused = replicate(&env, &format!("--with {OTHER}")).with_code(2);
    for expected in [
        "the database `other.sqlite` holds another experiment of the name `tiny`",
        "it has other prompts than tiny (",
        "hint: compare databases that one experiment file was run with",
    ] {
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    let hotter = experiment().with_value("temperature", "0.9");
    env.write("z.yaml", &hotter.text());
    env.seep("run z.yaml --db hotter.sqlite").ok();
    let refused = replicate(&env, "--with hotter.sqlite").with_code(2);
    let expected = "a:F32 has other sampling values: ";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    let unknown = env.seep("replicate tinny").with_code(2);
    assert!(
        unknown.stderr.contains("hint: did you mean `tiny`?"),
        "{}",
        unknown.stderr
    );
}
