//! `seep import` and `seep score` as a person uses them: the tables, the findings, what wrong files leave behind.
//!
//! Owns the workbooks it writes. Every format and every finding is tested in `import`.

use std::path::Path;

use rust_xlsxwriter::{Formula, Workbook};
use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;

const HEADER: &str = "prompt,n_control,concept,generation_1,generation_2,category\n";
const ROWS: &str = "He is,,none,tall,old,1\nHe likes red. He is,0,red,a fireman,angry,1\n\
    She likes green. She is,,green,a,b,1\nHe likes blue. He is,0,blue,a blue bus,old,2\n";

/// A folder with a tiny encoder and `a.csv`.
fn env() -> TestEnv {
    let env = TestEnv::with_tiny_models();
    env.write("a.csv", &format!("{HEADER}{ROWS}"));
    env
}

/// Writes a workbook with the layout of the published ones.
fn write_workbook(path: &Path, header: &[&str], rows: &[[&str; 5]]) {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (column, name) in (0..).zip(header) {
        sheet.write(0, column, *name).unwrap();
    }
    for (row_idx, row) in (1..).zip(rows) {
        for (column, text) in (0..).zip(row) {
            match (text.strip_prefix('='), text.parse::<f64>()) {
                (Some(_), _) => {
                    let formula = Formula::new(*text).set_result("a cat");
                    sheet.write(row_idx, column, formula).unwrap();
                }
                (None, Ok(number)) => drop(sheet.write(row_idx, column, number).unwrap()),
                (None, Err(_)) => drop(sheet.write(row_idx, column, *text).unwrap()),
            }
        }
    }
    workbook.save(path).unwrap();
}

const COLUMNS: [&str; 5] = ["prompt", "n_control", "concept", "generation_1", "category"];

#[test]
fn findings_go_to_stderr_and_the_table_to_stdout() {
    let env = env();
    let ran = env.seep("import a.csv --experiment e --db a.sqlite").ok();
    insta::assert_snapshot!(ran.stderr, @"warning: a.csv, line 4 (index 2), column `n_control`: the test prompt with the concept `green` has no control prompt; it is left out");
    let row = ran.stdout.lines().nth(2).unwrap();
    let row: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(
        (row[0], &row[2..]),
        ("a.csv", &["a", "4", "2", "2", "1", "1", "8"][..])
    );
    let again = env.seep("import a.csv --experiment e --db a.sqlite").ok();
    assert!(
        again
            .stderr
            .ends_with("a.csv: imported before; nothing was added\n")
    );
    let changed = format!("{HEADER}{ROWS}").replace("angry", "calm");
    env.write("b.csv", &changed);
    let other = env
        .seep("import b.csv --experiment e --model a --db a.sqlite")
        .with_code(2);
    insta::assert_snapshot!(other.stderr, @r"
    warning: b.csv, line 4 (index 2), column `n_control`: the test prompt with the concept `green` has no control prompt; it is left out
    error: failed to store the import in the database `a.sqlite`: the model `a` has another generation for repeat 2 of `He likes red. He is` and its control already
    hint: give the model of this file another name with `--model`, or its experiment with `--experiment`
    ");
    env.record("a.sqlite").check_integrity();
}

/// What was imported is scored, and the figures are those of the verdicts that are stored.
#[test]
fn imported_generations_are_scored() {
    let env = env();
    env.seep("import a.csv --experiment e --db a.sqlite").ok();
    let score = "score --experiment e --db a.sqlite --embedding-model encoder.gguf --threads 1";
    let ran = env.seep(&format!("{score} --format json")).ok();
    let json = ran.json();
    let rate = &json[0]["leak_rates"][0];
    let record = env.record("a.sqlite");
    let mean = record.value::<f64>("SELECT 100 * avg(leak) FROM v_leaks WHERE metric = 'sbert'");
    assert!((rate["mean_leak_rate"].as_f64().unwrap() - mean).abs() < 1e-9);
    assert_eq!(
        (&rate["n_pairs"], &rate["n_echoes"]),
        (&4.into(), &1.into())
    );
    assert_eq!(
        (&json[0]["seed"], &json[0]["run_id"]),
        (&Value::Null, &Value::Null)
    );
    // Nothing is embedded twice, and the verdicts stay what they are.
    let leaks = record.leaks();
    let again = env.seep(&format!("{score} --format json")).ok();
    assert_eq!(again.stderr, "");
    assert_eq!((again.json(), record.leaks()), (json, leaks));
    let table = env.seep(score).ok();
    assert!(
        table
            .stdout
            .starts_with("e: sbert (cosine of encoder embeddings), 2 repeats, imported\n"),
        "{}",
        table.stdout
    );
    record.check_integrity();
}

#[test]
fn a_run_can_be_scored_again() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(2, 2));
    env.seep("run x.yaml").ok();
    let record = env.record("db/seep.sqlite");
    let leaks = record.leaks();
    let ran = env
        .seep("score --embedding-model encoder.gguf --threads 1")
        .ok();
    assert_eq!(ran.stderr, "");
    assert_eq!(record.leaks(), leaks);
}

#[test]
fn wrong_workbooks_are_refused_and_leave_no_database() {
    let env = TestEnv::empty();
    let rows = [
        ["He is", "none", "none", "tall", "1"],
        ["He likes red. He is", "0", "red", "a fireman", "1"],
    ];
    let renamed = [
        "prompt",
        "n_controls",
        "concept",
        "generation_1",
        "category",
    ];
    write_workbook(&env.path("column.xlsx"), &renamed, &rows);
    let mut outside = rows;
    outside[1][1] = "900";
    write_workbook(&env.path("outside.xlsx"), &COLUMNS, &outside);
    env.write("text.xlsx", "prompt,concept\n");
    write_workbook(&env.path("good.xlsx"), &COLUMNS, &rows);
    let mut said = String::new();
    for arguments in [
        "column.xlsx",
        "good.xlsx outside.xlsx",
        "text.xlsx",
        "missing.xlsx",
        "good.xlsx published:colours",
    ] {
        let ran = env
            .seep(&format!("import {arguments} --experiment e"))
            .with_code(2);
        assert_eq!(ran.stdout, "");
        said.push_str(&ran.stderr);
    }
    insta::assert_snapshot!(said, @r"
    error: `column.xlsx` has no column `n_control`
    hint: did you mean `n_controls`? its columns are: `prompt`, `n_controls`, `concept`, `generation_1`, `category`; other names are given with a mapping (experiments/IMPORT.md)
    error: 1 row of `outside.xlsx` cannot be imported
      row 3 (index 1), column `n_control` (B3): the control index 900 is out of range: the rows are 0 to 1
    hint: a control is named by the index of its row: the first row below the header has the index 0
    error: `text.xlsx` is no xlsx workbook: Zip error: invalid Zip archive: Could not find EOCD
    hint: open it with the program that made it and save it as .xlsx or .csv
    error: failed to read `missing.xlsx`: No such file or directory (os error 2)
    error: no published workbook is called `colours`
    hint: did you mean `published:colors`?
    ");
    assert!(!env.path("db/seep.sqlite").exists());
}

#[test]
fn emojis_are_kept_and_formulas_are_reported() {
    let env = TestEnv::empty();
    let rows = [
        ["He is", "none", "none", "👩‍🚀 naïve", "1"],
        [
            "He likes red. He is",
            "0",
            "red",
            "=CONCAT(\"a \",\"cat\")",
            "1",
        ],
    ];
    write_workbook(&env.path("a.xlsx"), &COLUMNS, &rows);
    let ran = env.seep("import a.xlsx --experiment e").ok();
    insta::assert_snapshot!(ran.stderr, @"warning: a.xlsx, row 3 (index 1), column `generation_1` (D3): the cell holds a formula; `a cat` is taken");
    let texts = env
        .record("db/seep.sqlite")
        .column::<String>("SELECT text FROM generations ORDER BY id");
    assert_eq!(texts, ["👩‍🚀 naïve", "a cat"]);
    let strict = env
        .seep("import a.xlsx --experiment e --strict --db b.sqlite")
        .with_code(2);
    insta::assert_snapshot!(strict.stderr, @r"
    error: a.xlsx, row 3 (index 1), column `generation_1` (D3): the cell holds a formula; `a cat` is taken
    error: 1 finding; nothing was imported
    hint: correct the file, or leave out `--strict`
    ");
    assert!(!env.path("b.sqlite").exists());
}

#[test]
fn a_hundred_thousand_rows_are_imported() {
    let env = TestEnv::empty();
    let mut text = "prompt,n_control,concept,generation_1\nHe is,,,tall\n".to_owned();
    for n in 0..100_000 {
        text.push_str(&format!("He likes c{n}. He is,0,c{n},man {n}\n"));
    }
    env.write("a.csv", &text);
    let ran = env.seep("import a.csv --experiment e").ok();
    assert_eq!(ran.stderr, "");
    let record = env.record("db/seep.sqlite");
    assert_eq!(record.n_generations(), 100_001);
    assert_eq!(
        record.value::<i64>("SELECT count(*) FROM imported_pairs"),
        100_000
    );
}

#[test]
fn published_workbooks_that_cannot_be_fetched_are_named() {
    let env = TestEnv::empty();
    let mut command = env.command("import published:color_prompts_qwen_05_instr --experiment e");
    // Port 9 discards; nothing listens there.
    let ran = env
        .run(command.env("SEEP_GITHUB_ENDPOINT", "http://127.0.0.1:9"))
        .with_code(2);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert!(
        lines[1].starts_with(
            "error: failed to fetch the published workbook `color_prompts_qwen_05_instr`"
        ),
        "{lines:?}"
    );
    assert!(lines[2].starts_with("hint: fetch data/generation_results/color_prompts/color_prompts_qwen_05_instr.xlsx from "), "{lines:?}");
    assert!(env.files().is_empty(), "{:?}", env.files());
}

#[test]
fn names_that_are_not_there_come_with_what_was_meant() {
    let env = env();
    let none = env.seep("score --experiment e --db a.sqlite").with_code(2);
    assert_eq!(
        none.stderr,
        "error: there is no database `a.sqlite`\nhint: `seep run` and `seep import` make one; `--db` names another\n"
    );
    env.seep("import a.csv --experiment colors --db a.sqlite")
        .ok();
    let ran = env
        .seep("score --experiment colours --db a.sqlite")
        .with_code(2);
    assert_eq!(
        ran.stderr,
        "error: the database has no experiment `colours`\nhint: did you mean `colors`?\n"
    );
    let strict = env
        .seep("import a.csv --experiment e --strict --db b.sqlite")
        .with_code(2);
    assert!(strict.stderr.ends_with(
        "error: 1 finding; nothing was imported\nhint: correct the file, or leave out `--strict`\n"
    ));
    assert!(!env.path("b.sqlite").exists());
}

#[test]
fn warnings_about_an_experiment_are_errors_under_strict() {
    let env = TestEnv::with_tiny_models();
    let mut experiment = ExperimentFile::tiny(1, 2);
    env.experiment(&experiment);
    env.seep("plan x.yaml --strict").ok();
    experiment.pairs[0].test = "The hothouse has a".to_owned();
    env.experiment(&experiment);
    let plan = env.seep("plan x.yaml").ok();
    assert!(
        plan.stderr
            .starts_with("warning: the test prompt does not hold its concept `green`\n")
    );
    let strict = env.seep("run x.yaml --strict").with_code(2);
    let end = "error: warnings are errors under `--strict`; nothing was run\nhint: correct the experiment, or leave out `--strict`\n";
    let warning = plan.stderr.lines().next().unwrap();
    assert!(strict.stderr.starts_with(warning), "{}", strict.stderr);
    assert!(strict.stderr.ends_with(end), "{}", strict.stderr);
    assert!(!env.path("db/seep.sqlite").exists());
}
