//! `seep annotate` as a person uses it: the sheet, what is read of it, and the figures.
//!
//! Owns the annotators, who are programs here. The draw and the statistics are tested in the library.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use calamine::{Data, Reader as _, Xlsx, open_workbook};
use rust_xlsxwriter::Workbook;
use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::filling::{Extent, FilledModel, Filling};
use crate::harness::TestEnv;

const DB: &str = "db/seep.sqlite";
const FILLED: &str = "--db filled.sqlite";
const COLUMNS: [&str; 5] = ["item", "concept", "text_a", "text_b", "answer"];

/// A sheet: its rows without the heading.
type Rows = Vec<[String; 5]>;

/// A folder with `filled.sqlite`: verdicts of two quantizations, 144 of each, in two categories, on texts of which one is
/// a formula and one has two lines.
fn filled() -> TestEnv {
    let env = TestEnv::empty();
    let extent = Extent {
        n_pairs: 48,
        n_repeats: 3,
        n_texts: 12,
    };
    let mut filling = Filling::start(&env.path("filled.sqlite"), extent);
    for (quantization, bits_per_weight, n_leaks) in [("Q8_0", 8.5, 2), ("Q2_K", 2.6, 4)] {
        filling.add_model(FilledModel {
            label: "tiny",
            quantization,
            bits_per_weight,
            n_leaks,
            text: &|n| match n {
                5 => "=1+1".to_owned(),
                6 => " two\nlines\u{1b} ".to_owned(),
                _ => format!("\"word\" {n}, é"),
            },
        });
    }
    env
}

fn read_csv(path: &Path) -> Rows {
    let mut reader = csv::Reader::from_path(path).unwrap();
    assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
    let rows = reader.records().map(|row| {
        let cells: Vec<String> = row.unwrap().iter().map(str::to_owned).collect();
        cells.try_into().unwrap()
    });
    rows.collect()
}

fn write_csv(path: &Path, rows: &Rows) {
    let mut writer = csv::Writer::from_path(path).unwrap();
    writer.write_record(COLUMNS).unwrap();
    rows.iter()
        .for_each(|row| writer.write_record(row).unwrap());
    writer.flush().unwrap();
}

/// Draws a sheet `a.csv` of `filled.sqlite` and returns its rows.
fn drawn(env: &TestEnv, flags: &str) -> Rows {
    env.seep(&format!("annotate sample {FILLED} -o a.csv {flags}"))
        .ok();
    read_csv(&env.path("a.csv"))
}

/// A column of the items with what the key says of them, in the order of their numbers.
fn key(env: &TestEnv, db: &str, column: &str) -> Vec<String> {
    env.record(db).column(&format!(
        "SELECT CAST({column} AS TEXT) FROM annotation_items AS items
             JOIN v_leaks ON v_leaks.condition_id = items.condition_id AND v_leaks.pair_idx = items.pair_idx
                 AND v_leaks.repeat_idx = items.repeat_idx
         ORDER BY items.id"
    ))
}

/// The word for what the metric says, by the items.
fn answers_of_metric(env: &TestEnv, db: &str) -> Vec<&'static str> {
    let (sides, leaks) = (key(env, db, "test_side"), key(env, db, "leak"));
    let both = sides.iter().zip(&leaks);
    both.map(|(side, leak)| match (leak.as_str(), side.as_str()) {
        ("0.5", _) => "same",
        ("1.0", "A") | ("0.0", "B") => "A",
        _ => "B",
    })
    .collect()
}

fn counts(words: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_insert(0) += 1;
    }
    counts
}

/// A folder in which 60 verdicts of two tiny models were judged, and what the key says of them. Anna says `same` of each
/// fourth item, else what the metric does; Ben says of the first 30 what the metric does.
struct Judged {
    env: TestEnv,
    of_metric: Vec<&'static str>,
    conditions: Vec<String>,
    leaks: Vec<f64>,
}

fn judged() -> Judged {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(8, 3).models(&["a.gguf", "b.gguf"]));
    env.seep("run x.yaml").ok();
    let drawn = env
        .seep("annotate sample --experiment tiny --n 60 --seed 3 -o a.csv")
        .ok();
    let said = "a.csv: 60 rows of items\n30 of a:F32\n30 of b:F32\n";
    assert!(drawn.stderr.ends_with(said), "{}", drawn.stderr);
    let mut rows = read_csv(&env.path("a.csv"));
    let of_metric = answers_of_metric(&env, DB);
    for (row_idx, row) in rows.iter_mut().enumerate() {
        let answer = match row_idx % 4 {
            0 => "same",
            _ => of_metric[row_idx],
        };
        row[4] = format!(" {} ", answer.to_uppercase());
    }
    write_csv(&env.path("anna.csv"), &rows);
    rows.truncate(30);
    for (row, answer) in rows.iter_mut().zip(&of_metric) {
        row[4] = (*answer).to_owned();
    }
    write_csv(&env.path("ben.csv"), &rows);
    let read = env.seep("annotate read anna.csv --annotator anna").ok();
    let said = "anna: 60 items, 60 new answers, 0 changed, 0 as before, 0 empty\n";
    assert_eq!(read.stdout, said);
    env.seep("annotate read ben.csv --annotator ben").ok();
    let leaks = key(&env, DB, "leak").into_iter();
    Judged {
        of_metric,
        conditions: key(&env, DB, "model"),
        leaks: leaks.map(|leak| leak.parse().unwrap()).collect(),
        env,
    }
}

impl Judged {
    /// The figures of the only table.
    fn report(&self) -> Value {
        let mut shown = self.env.seep("annotate show --format json").ok().json();
        let reports = shown["annotations"].as_array_mut().unwrap();
        assert_eq!(reports.len(), 1);
        reports.pop().unwrap()
    }

    /// True if Anna says of an item what the metric does.
    fn is_equal(&self, item_idx: usize) -> bool {
        !item_idx.is_multiple_of(4) || self.of_metric[item_idx] == "same"
    }
}

/// The figures of an annotator about a condition.
fn people(report: &Value, annotator: impl Into<Value>, condition: impl Into<Value>) -> Value {
    let (annotator, condition) = (annotator.into(), condition.into());
    let mut rows = report["people"].as_array().unwrap().iter();
    let row = rows.find(|row| row["annotator"] == annotator && row["condition"] == condition);
    row.unwrap().clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn people_are_compared_with_the_metric_by_condition() {
    let judged = judged();
    let report = judged.report();
    assert_eq!(report["experiment"], "tiny");
    assert_eq!(
        (&report["metric"], &report["seed"]),
        (&"sbert".into(), &1.into())
    );
    assert_eq!(report["people"].as_array().unwrap().len(), 9);
    for condition in ["a", "b"] {
        let is_of = |item_idx: &usize| judged.conditions[*item_idx] == condition;
        let of: Vec<usize> = (0..60).filter(is_of).collect();
        let row = people(&report, "anna", format!("{condition}:F32"));
        assert_eq!(row["n_items"], 30);
        let n_equal = of.iter().filter(|&&idx| judged.is_equal(idx)).count();
        let share = n_equal as f64 / 30.0;
        assert_eq!(number(&row["agreement"]), share);
        let interval = &row["agreement_interval"];
        assert!(number(&interval["lower"]) < share && share < number(&interval["upper"]));
        let rate = of.iter().map(|&idx| judged.leaks[idx]).sum::<f64>() / 0.3;
        assert!((number(&row["metric"]["mean_leak_rate"]) - rate).abs() < 1e-9);
    }
    let anna = people(&report, "anna", Value::Null);
    let (kappa, interval) = (number(&anna["kappa"]), &anna["kappa_interval"]);
    assert!(number(&interval["lower"]) < kappa && kappa < number(&interval["upper"]));
    assert!(kappa > 0.3, "{anna}");
    assert_eq!(anna["decided"]["agreement"], 1.0);
    let ben = people(&report, "ben", Value::Null);
    assert_eq!(
        (&ben["agreement"], &ben["kappa"]),
        (&1.0.into(), &1.0.into())
    );
    assert!(number(&ben["kappa_interval"]["lower"]) < 1.0);
    assert_eq!(
        ben["human"]["mean_leak_rate"],
        ben["metric"]["mean_leak_rate"]
    );
    assert_eq!(people(&report, Value::Null, Value::Null)["n_items"], 90);
}

#[test]
fn annotators_are_compared_with_each_other() {
    let judged = judged();
    let report = judged.report();
    let between = &report["between_annotators"][0];
    assert_eq!(between["annotators"], serde_json::json!(["anna", "ben"]));
    let n_equal = (0..30).filter(|&idx| judged.is_equal(idx)).count();
    assert_eq!(between["n_items"], 30);
    assert_eq!(number(&between["agreement"]), n_equal as f64 / 30.0);
    let show = "annotate show --experiment tiny --format text";
    let table = judged.env.seep(show).ok().stdout;
    let heading = "tiny: people against sbert, seed 1\n";
    assert!(table.starts_with(heading), "{table}");
    assert!(table.contains("\nBetween annotators:\n"), "{table}");
    let lines = table.lines().filter(|line| line.starts_with("anna "));
    assert_eq!(lines.count(), 3, "{table}");
}

/// Another similarity makes other verdicts, under another signature.
#[test]
fn verdicts_that_were_judged_stay_what_they_were() {
    let judged = judged();
    let before = judged.report();
    judged
        .env
        .seep("score --embedding-model encoder.gguf --decimals 0")
        .ok();
    assert_eq!(judged.report(), before);
    let database = rusqlite::Connection::open(judged.env.path(DB)).unwrap();
    database
        .execute("DELETE FROM leaks WHERE pair_idx = 0", [])
        .unwrap();
    let n_judged =
        "SELECT count(*) FROM annotations JOIN annotation_items AS items ON items.id = item_id
        WHERE pair_idx = 0";
    let n_judged = judged.env.record(DB).value::<i64>(n_judged);
    assert!(n_judged > 0);
    assert_eq!(judged.report()["n_without_verdict"], n_judged);
}

#[test]
fn a_sheet_tells_neither_condition_nor_side() {
    let env = filled();
    let rows = drawn(&env, "--n 200");
    let text = std::fs::read_to_string(env.path("a.csv")).unwrap();
    for secret in [
        "tiny", "Q8_0", "Q2_K", "sbert", "color-to", "scarf", "test", "control",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(rows.len(), 200);
    assert!(rows.iter().all(|row| row[4].is_empty()));
    let is_name = |(row, number): (&[String; 5], usize)| {
        row[0].len() == 12 && row[0][8..] == format!("-{number:03}")
    };
    assert!(rows.iter().zip(1..).all(is_name), "{text}");
    let db = "filled.sqlite";
    let sides = counts(key(&env, db, "test_side"));
    // Of 200 fair coins, within three standard errors.
    assert!((79..=121).contains(&sides["A"]), "{sides:?}");
    let mut conditions = key(&env, db, "quantization");
    let n_changes = conditions.windows(2).filter(|two| two[0] != two[1]).count();
    assert!((79..=121).contains(&n_changes), "{conditions:?}");
    conditions.dedup();
    assert!(conditions.len() > 2);
    // Both texts are shown, on the sides that the key says.
    let tests = key(&env, db, "test_generation");
    let sides = key(&env, db, "test_side");
    for ((row, test), side) in rows.iter().zip(&tests).zip(&sides) {
        let shown = &row[if side == "A" { 2 } else { 3 }];
        let expected = match test.as_str() {
            "=1+1" => "'=1+1",
            " two\nlines\u{1b} " => "two\nlines\\u{1b}",
            text => text,
        };
        assert_eq!(shown, expected);
    }
}

#[test]
fn conditions_and_categories_have_the_same_number() {
    let env = filled();
    drawn(&env, "--n 101");
    let db = "filled.sqlite";
    let conditions: Vec<usize> = counts(key(&env, db, "quantization"))
        .into_values()
        .collect();
    assert!(
        conditions == [50, 51] || conditions == [51, 50],
        "{conditions:?}"
    );
    let cells = counts(key(&env, db, "quantization || category"));
    assert_eq!(cells.len(), 4);
    assert!(cells.values().all(|n| (25..=26).contains(n)), "{cells:?}");
    // 48 pairs: each condition has each of them before a second repeat of one.
    let pairs: BTreeSet<String> = key(&env, db, "quantization || items.pair_idx")
        .into_iter()
        .collect();
    assert!(pairs.len() >= 96, "{}", pairs.len());
    let one = env
        .seep(&format!(
            "annotate sample {FILLED} --models tiny:Q2_K --n 9 -o b.csv"
        ))
        .ok();
    assert_eq!(one.stderr, "b.csv: 9 rows of items\n9 of tiny:Q2_K\n");
    let all = env
        .seep(&format!("annotate sample {FILLED} --n 1000 -o c.csv"))
        .ok();
    assert!(
        all.stderr
            .contains("there are 288 verdicts on different texts; all are drawn\n"),
        "{}",
        all.stderr
    );
}

#[test]
fn a_seed_is_a_sheet() {
    let env = filled();
    let bytes = |name: &str| std::fs::read(env.path(name)).unwrap();
    for (name, seed) in [("a.csv", 1), ("b.csv", 1), ("c.csv", 2)] {
        env.seep(&format!(
            "annotate sample {FILLED} --n 20 --seed {seed} -o {name}"
        ))
        .ok();
    }
    assert_eq!(bytes("a.csv"), bytes("b.csv"));
    assert_ne!(bytes("a.csv"), bytes("c.csv"));
    let n_samples = "SELECT count(*) FROM annotation_samples";
    assert_eq!(env.record("filled.sqlite").value::<i64>(n_samples), 2);
    // A sheet may hold the work of a person.
    let ran = env
        .seep(&format!(
            "annotate sample {FILLED} --n 20 --seed 2 -o a.csv"
        ))
        .with_code(2);
    insta::assert_snapshot!(ran.stderr, @r"
    error: there is a file `a.csv` already
    hint: it may hold answers, so move it away, or give another name with `--output`
    ");
    assert_eq!(bytes("a.csv"), bytes("b.csv"));
}

#[test]
fn a_workbook_comes_back() {
    let env = filled();
    env.seep(&format!("annotate sample {FILLED} --n 40 -o a.xlsx"))
        .ok();
    let mut workbook: Xlsx<_> = open_workbook(env.path("a.xlsx")).unwrap();
    assert_eq!(workbook.sheet_names(), ["items", "instructions"]);
    let instructions = workbook.worksheet_range("instructions").unwrap();
    assert!(instructions.height() > 4);
    let formulas = workbook.worksheet_formula("items").unwrap();
    assert_eq!(formulas.used_cells().count(), 0);
    let rows = workbook.worksheet_range("items").unwrap();
    let mut filled = Workbook::new();
    let sheet = filled.add_worksheet();
    for (row_idx, row) in (0..).zip(rows.rows()) {
        for (column_idx, cell) in (0..).zip(row) {
            sheet.write(row_idx, column_idx, cell.to_string()).unwrap();
        }
        if row_idx > 0 {
            assert!(
                row[..4].iter().all(|cell| matches!(cell, Data::String(_))),
                "{row:?}"
            );
            sheet
                .write(row_idx, 4, ["A", "b", ""][row_idx as usize % 3])
                .unwrap();
        }
    }
    filled.save(env.path("b.xlsx")).unwrap();
    let read = env
        .seep(&format!("annotate read b.xlsx --annotator anna {FILLED}"))
        .ok();
    let said = "anna: 40 items, 27 new answers, 0 changed, 0 as before, 13 empty\n";
    assert_eq!((read.stdout.as_str(), read.stderr.as_str()), (said, ""));
}

#[test]
fn answers_are_added_once_and_none_is_lost() {
    let env = filled();
    let mut rows = drawn(&env, "--n 20");
    for row in &mut rows[..10] {
        row[4] = "A".to_owned();
    }
    write_csv(&env.path("a.csv"), &rows);
    let read = |annotator: &str| {
        env.seep(&format!(
            "annotate read a.csv --annotator {annotator} {FILLED}"
        ))
        .ok()
    };
    let stored = || {
        let columns = "annotator || ' ' || choice || ' ' || item_id";
        let sql = format!("SELECT {columns} FROM annotations ORDER BY id");
        env.record("filled.sqlite").column::<String>(&sql)
    };
    insta::assert_snapshot!(read("anna").stdout, @"anna: 20 items, 10 new answers, 0 changed, 0 as before, 10 empty");
    let once = stored();
    insta::assert_snapshot!(read("anna").stdout, @"anna: 20 items, 0 new answers, 0 changed, 10 as before, 10 empty");
    assert_eq!(stored(), once);
    insta::assert_snapshot!(read("ben").stdout, @"ben: 20 items, 10 new answers, 0 changed, 0 as before, 10 empty");
    // She thinks better of the first item, adds another, and clears a third, which takes nothing back.
    for (row_idx, answer) in [(0, "same"), (10, "B"), (2, "")] {
        rows[row_idx][4] = answer.to_owned();
    }
    write_csv(&env.path("a.csv"), &rows);
    let again = read("anna");
    insta::assert_snapshot!(again.stdout, @"anna: 20 items, 1 new answers, 1 changed, 8 as before, 10 empty");
    let said = format!(
        "warning: a.csv, line 2 (index 0), column `answer`: the answer of anna about {} was A and is same now\n",
        rows[0][0]
    );
    assert_eq!(again.stderr, said);
    assert_eq!(stored()[..20], [once, stored()[10..20].to_vec()].concat());
    assert_eq!(stored().len(), 22);
    let shown = env
        .seep(&format!("annotate show {FILLED} --format json"))
        .ok()
        .json();
    let people = shown["annotations"][0]["people"].as_array().unwrap();
    let anna = people
        .iter()
        .find(|row| row["annotator"] == "anna")
        .unwrap();
    assert_eq!(anna["n_items"], 11);
    env.record("filled.sqlite").check_integrity();
}

#[test]
fn wrong_sheets_are_refused_cell_by_cell() {
    let env = filled();
    let rows = drawn(&env, "--n 6 --seed 5");
    let refused = |change: &dyn Fn(&mut Rows)| {
        let mut rows = rows.clone();
        rows[5][4] = "A".to_owned();
        change(&mut rows);
        write_csv(&env.path("b.csv"), &rows);
        let ran = env
            .seep(&format!("annotate read b.csv --annotator anna {FILLED}"))
            .with_code(2);
        let sample = &rows[5][0][..8];
        ran.stderr.replace(sample, "[SAMPLE]")
    };
    insta::assert_snapshot!(refused(&|rows| rows[0][4] = "C".to_owned()), @r"
    error: 1 cell of `b.csv` cannot be read; nothing was stored
      line 2 (index 0), column `answer`: found `C`; expected `A`, `B` or `same`
    hint: an answer is one of these words, or nothing
    ");
    insta::assert_snapshot!(refused(&|rows| rows[1][0] = "00000000-001".to_owned()), @r"
    error: 1 cell of `b.csv` cannot be read; nothing was stored
      line 4 (index 1), column `item`: found `00000000-001`; expected an item of a sample in this database
    hint: name the database that the sample was drawn from with `--db`
    ");
    insta::assert_snapshot!(refused(&|rows| rows[2] = rows[3].clone()), @r"
    error: 1 cell of `b.csv` cannot be read; nothing was stored
      line 6 (index 3), column `item`: found `[SAMPLE]-004`; the item stands here twice; expected once
    hint: keep one row of each item
    ");
    insta::assert_snapshot!(refused(&|rows| {
        rows[0][1] = "mauve".to_owned();
        rows[0][2] = "3".to_owned();
        rows[4][0] = String::new();
        rows[4][4] = "left".to_owned();
    }), @r"
    error: 3 cells of `b.csv` cannot be read; nothing was stored
      line 2 (index 0), column `concept`: found `mauve`; expected `sky blue`
      line 2 (index 0), column `text_a`: found `3`; expected `two\nlines\u{1b}`
      line 7 (index 4), column `item`: found ``; expected an item of a sample in this database
    hint: change only the column `answer`; where a spreadsheet turned a text of a .csv into a number, a date or other letters, draw the same sample as .xlsx
    hint: name the database that the sample was drawn from with `--db`
    ");
    let n_stored = "SELECT count(*) FROM annotations";
    assert_eq!(env.record("filled.sqlite").value::<i64>(n_stored), 0);
}

#[test]
fn files_that_are_no_sheets_are_refused() {
    let env = filled();
    let files = [
        ("none.csv", None),
        ("c.txt", Some("item\n")),
        ("d.csv", Some("item,concept,text_a,text_b\na,b,c,d\n")),
        ("e.csv", Some("item,concept,text_a,text_b,answer\n")),
        (
            "f.csv",
            Some("item;concept;text_a;text_b;answer\na;b;c;d;A\n"),
        ),
        ("g.xlsx", Some("item")),
    ];
    let mut said = String::new();
    for (name, text) in files {
        if let Some(text) = text {
            env.write(name, text);
        }
        let ran = env
            .seep(&format!("annotate read {name} --annotator anna {FILLED}"))
            .with_code(2);
        said += &ran.stderr;
    }
    insta::assert_snapshot!(said, @r"
    error: failed to read `none.csv`: No such file or directory (os error 2)
    error: `c.txt` has no known format
    hint: a file to import ends in .xlsx, .csv, .tsv, .jsonl or .json
    error: `d.csv` has no column `answer`
    hint: its columns are: `item`, `concept`, `text_a`, `text_b`
    error: `e.csv` has no rows
    hint: the first row names the columns, each row below it is a prompt or an item
    error: 1 cell of `f.csv` cannot be read; nothing was stored
      line 2 (index 0), column `item`: found `a`; the database holds no sample
    hint: name the database that the sample was drawn from with `--db`
    error: `g.xlsx` is no xlsx workbook: Zip error: invalid Zip archive: Could not find EOCD
    hint: open it with the program that made it and save it as .xlsx or .csv
    ");
}

#[test]
fn mistakes_on_the_command_line_are_named() {
    let env = filled();
    let mut said = String::new();
    for arguments in [
        "show",
        "show --experiment other",
        "sample -o a.txt",
        "sample -o a.csv --experiment other",
        "sample -o a.csv --models tiny:Q4_0",
        "sample -o a.csv --metric bertscore",
        "sample -o a.csv --generation-seed 2",
    ] {
        let ran = env
            .seep(&format!("annotate {arguments} {FILLED}"))
            .with_code(2);
        said += &ran.stderr;
    }
    insta::assert_snapshot!(said, @r"
    error: nobody has annotated verdicts
    hint: `seep annotate sample` draws verdicts for people to judge
    error: the database has no experiment `other`
    hint: it has: filled
    error: `a.txt` has no format that people fill in
    hint: give a name that ends in .csv or .xlsx with `--output`
    error: no leaks are stored of the experiment `other`
    hint: there are leaks of filled
    error: no leaks are stored of the model `tiny:Q4_0`
    hint: did you mean `tiny:Q8_0`? there are leaks of tiny:Q2_K, tiny:Q8_0
    error: no leaks are stored with the metric `bertscore`
    hint: there are sbert
    error: no leaks are stored with the seed 2
    hint: there are 1
    ");
    assert!(!env.path("a.csv").exists());
    env.seep(&format!("annotate sample -o a.csv --n 0 {FILLED}"))
        .with_code(2);
    let rows = drawn(&env, "--n 3");
    let unanswered = env.seep(&format!("annotate show {FILLED}")).with_code(2);
    insta::assert_snapshot!(unanswered.stderr, @r"
    error: nobody has annotated verdicts
    hint: `seep annotate read FILE --annotator NAME` reads a filled sheet
    ");
    write_csv(&env.path("b.csv"), &rows);
    let mut nobody = env.command(&format!("annotate read b.csv {FILLED} --annotator"));
    let nobody = env.run(nobody.arg(" ")).with_code(2);
    insta::assert_snapshot!(nobody.stderr, @r"
    error: the name of the annotator is empty
    hint: give one with `--annotator`
    ");
    let elsewhere = env
        .seep("annotate read b.csv --annotator anna --db none.sqlite")
        .with_code(2);
    insta::assert_snapshot!(elsewhere.stderr, @r"
    error: there is no database `none.sqlite`
    hint: `seep run` and `seep import` make one; `--db` names another
    ");
}
