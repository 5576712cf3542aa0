//! `seep export`: that every table in every format holds the rows of the database.
//!
//! Owns what other programs read. How cells stand in each format is tested where the formats are.

use std::collections::BTreeMap;
use std::fs::File;

use calamine::{Data, Reader as _, Xlsx, open_workbook};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use seep::leakage::{Flaw, Measure};
use seep::table::described_columns;
use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;

const DB: &str = "db/seep.sqlite";
const VIEWS: [&str; 17] = [
    "generations",
    "leaks",
    "flips",
    "exact_leaks",
    "conditions",
    "continuations",
    "prompt_pairs",
    "experiments",
    "models",
    "runs",
    "run_models",
    "imports",
    "failures",
    "scored_generations",
    "tokens",
    "specificity",
    "concept_similarities",
];

/// A folder with a database of two models.
fn env() -> TestEnv {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(2, 2).models(&["a.gguf", "b.gguf"]));
    env.seep("run x.yaml").ok();
    env
}

/// Rows of each table that is exported, as the database and the program's own JSON have them.
fn n_rows_expected(env: &TestEnv) -> BTreeMap<String, usize> {
    let record = env.record(DB);
    let count =
        |view: &str| record.value::<i64>(&format!("SELECT count(*) FROM v_{view}")) as usize;
    let mut expected: BTreeMap<String, usize> = VIEWS
        .iter()
        .map(|view| ((*view).to_owned(), count(view)))
        .collect();
    expected.insert("rates".to_owned(), count("leak_rates"));
    // The two models, against each other.
    expected.insert("comparisons".to_owned(), 1);
    expected.insert("specific_comparisons".to_owned(), Measure::COMPARED.len());
    expected.insert(
        "diagnostics".to_owned(),
        Flaw::ALL.len() * count("leak_rates"),
    );
    let cells = "SELECT count(*) FROM (
             SELECT DISTINCT condition_id, concept, held_concept FROM v_concept_similarities AS cell
             WHERE EXISTS (
                 SELECT 1 FROM concept_similarities AS other
                 WHERE other.condition_id = cell.condition_id AND other.pair_idx = cell.pair_idx
                     AND other.held_pair_idx != other.pair_idx
             )
         )";
    expected.insert(
        "concept_matrix".to_owned(),
        record.value::<i64>(cells) as usize,
    );
    let described = [
        "rates",
        "diagnostics",
        "comparisons",
        "specific_comparisons",
        "concept_matrix",
    ]
    .into_iter();
    let described: usize = described.map(|table| described_columns(table).len()).sum();
    let n_columns = VIEWS.iter().map(|view| {
        let sql = format!("SELECT count(*) FROM pragma_table_info('v_{view}')");
        record.value::<i64>(&sql) as usize
    });
    expected.insert(
        "dictionary".to_owned(),
        n_columns.sum::<usize>() + described,
    );
    expected
}

/// Rows of each file of a folder, counted by another program's reader.
fn n_rows_in_folder(
    env: &TestEnv,
    folder: &str,
    count: impl Fn(File) -> usize,
) -> BTreeMap<String, usize> {
    let files = env.files().into_iter();
    let files =
        files.filter_map(|name| Some(name.strip_prefix(folder)?.strip_prefix('/')?.to_owned()));
    files
        .map(|name| {
            let file = File::open(env.path(folder).join(&name)).unwrap();
            (name.split('.').next().unwrap().to_owned(), count(file))
        })
        .collect()
}

#[test]
fn every_format_holds_all_rows() {
    let env = env();
    let expected = n_rows_expected(&env);
    assert!(expected["flips"] > 0 && expected["tokens"] > expected["generations"]);
    let ran = env.seep("export --format csv -o csv/").ok();
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr.contains("csv/rates.csv: 8 rows of rates\n"),
        "{}",
        ran.stderr
    );
    let csv = |file| {
        csv::Reader::from_reader(file)
            .records()
            .map(Result::unwrap)
            .count()
    };
    assert_eq!(n_rows_in_folder(&env, "csv", csv), expected);
    env.seep("export --format jsonl -o jsonl/").ok();
    let jsonl = |file| {
        let stream = serde_json::Deserializer::from_reader(file).into_iter::<Value>();
        stream.map(Result::unwrap).count()
    };
    assert_eq!(n_rows_in_folder(&env, "jsonl", jsonl), expected);
    env.seep("export --format parquet -o parquet/").ok();
    let parquet = |file| {
        let reader = SerializedFileReader::new(file).unwrap();
        reader
            .get_row_iter(None)
            .unwrap()
            .map(Result::unwrap)
            .count()
    };
    assert_eq!(n_rows_in_folder(&env, "parquet", parquet), expected);
    env.seep("export -o all.xlsx").ok();
    let mut workbook: Xlsx<_> = open_workbook(env.path("all.xlsx")).unwrap();
    let sheets = workbook.worksheets().into_iter();
    let found: BTreeMap<String, usize> = sheets
        .map(|(name, rows)| (name, rows.height() - 1))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn rates_are_those_of_the_run() {
    let env = env();
    let document = env.seep("run x.yaml --format json").ok().json();
    let exported = env.seep("export --format jsonl --table rates").ok();
    let rates: Vec<Value> = exported
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = document["leak_rates"].as_array().unwrap();
    assert_eq!(rates.len(), expected.len());
    for (rate, expected) in rates.iter().zip(expected) {
        for column in [
            "model",
            "quantization",
            "metric",
            "category",
            "mean_leak_rate",
            "n_pairs",
            "n_tied",
            "n_echoes",
        ] {
            assert_eq!(rate[column], expected[column], "{column}");
        }
        for (column, end) in [("interval_lower", "lower"), ("interval_upper", "upper")] {
            assert_eq!(rate[column], expected["interval"][end], "{column}");
        }
    }
}

/// The diagnostics of an export, of a run and of scoring it again are the same.
#[test]
fn diagnostics_stand_beside_every_rate() {
    let env = env();
    let of_run = env.seep("run x.yaml --format json").ok().json();
    let score = "score --embedding-model encoder.gguf --format json";
    let of_score = env.seep(score).ok().json();
    let exported = env.seep("export --format jsonl --table diagnostics").ok();
    let mut rows = exported.stdout.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        row
    });
    let rates = of_run["leak_rates"].as_array().unwrap();
    assert_eq!(
        rates.len(),
        of_score[0]["leak_rates"].as_array().unwrap().len()
    );
    for (rate_idx, rate) in rates.iter().enumerate() {
        let diagnostics = &rate["diagnostics"];
        assert_eq!(
            *diagnostics,
            of_score[0]["leak_rates"][rate_idx]["diagnostics"]
        );
        assert_eq!(diagnostics["flaws"][0]["n_pairs"], rate["n_echoes"]);
        for flaw in diagnostics["flaws"].as_array().unwrap() {
            let row = rows.next().unwrap();
            let named = [&row["model"], &row["category"], &row["n_pairs"]];
            assert_eq!(named, [&rate["model"], &rate["category"], &rate["n_pairs"]]);
            let columns = ["flaw", "n_affected", "share", "mean_leak_rate_without"];
            let keys = ["flaw", "n_pairs", "share", "mean_leak_rate_without"];
            for (column, key) in columns.into_iter().zip(keys) {
                assert_eq!(row[column], flaw[key], "{column}");
            }
            for column in ["n_generations", "n_distinct_texts"] {
                assert_eq!(row[column], diagnostics[column], "{column}");
            }
        }
    }
    assert_eq!(rows.next(), None);
    // Tiny models babble until they are stopped.
    let cut_off = &rates[0]["diagnostics"]["flaws"][5];
    assert_eq!(cut_off["flaw"], "cut_off");
    let cut_by_limit = "(SELECT id FROM generations WHERE stop_reason = 'max_tokens')";
    let expected = env.record(DB).value::<i64>(&format!(
        "SELECT count(*) FROM v_leaks WHERE model = 'a'
             AND (test_generation_id IN {cut_by_limit} OR control_generation_id IN {cut_by_limit})"
    ));
    assert_eq!(cut_off["n_pairs"], expected);
    assert!(expected > 0);
}

#[test]
fn comparisons_are_those_of_compare() {
    let env = env();
    let exported = env.seep("export --format jsonl --table comparisons").ok();
    let row: Value = serde_json::from_str(&exported.stdout).unwrap();
    assert_eq!(
        (&row["base_model"], &row["other_model"]),
        (&"a".into(), &"b".into())
    );
    let compared = env.seep("compare a b --format json").ok().json();
    let expected = &compared["comparisons"][0]["difference"];
    assert_eq!(row["difference"], expected["points"], "{expected}");
    let columns = [
        "base_rate",
        "other_rate",
        "standard_error",
        "p_value",
        "holm_p_value",
        "n_prompts",
        "n_clusters",
    ];
    for column in columns {
        assert_eq!(row[column], expected[column], "{column}: {expected}");
    }
    assert_eq!(
        row["interval_lower"], expected["interval"]["lower"],
        "{expected}"
    );
    let record = env.record(DB);
    let n_flips =
        record.value::<i64>("SELECT count(*) FROM v_flips WHERE base_leak = 0 AND other_leak = 1");
    assert_eq!(row["n_to_leak"], n_flips);
}

#[test]
fn columns_are_chosen_and_experiments_told_apart() {
    let env = env();
    let other = ExperimentFile {
        name: "other".to_owned(),
        ..ExperimentFile::tiny(3, 1)
    };
    env.write("other.yaml", &other.text());
    env.seep("run other.yaml").ok();
    let chosen = env
        .seep("export --table leaks --columns concept,leak --experiment other -o leaks.csv")
        .ok();
    // 3 filled templates and the pair, each of five generations with each of the control's five, of one model.
    assert_eq!(chosen.stderr, "leaks.csv: 100 rows of leaks\n");
    let text = std::fs::read_to_string(env.path("leaks.csv")).unwrap();
    assert_eq!(text.lines().next(), Some("concept,leak"));
    let mut concepts: Vec<&str> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    concepts.dedup();
    assert_eq!(concepts, ["red", "green"]);
    let generations = env
        .seep("export --table generations --format jsonl --experiment other")
        .ok();
    // 4 test prompts and 4 controls; those that another experiment made belong to this one too.
    assert_eq!(generations.stdout.lines().count(), 8 * 5);
    let runs = env.seep("export --table runs --format jsonl").ok();
    assert_eq!(runs.stdout.lines().count(), 2);
}

#[test]
fn workbooks_keep_numbers_and_text() {
    let env = env();
    env.seep("export --table leaks -o leaks.xlsx").ok();
    let mut workbook: Xlsx<_> = open_workbook(env.path("leaks.xlsx")).unwrap();
    assert_eq!(workbook.sheet_names(), ["leaks", "dictionary"]);
    let rows = workbook.worksheet_range("leaks").unwrap();
    let headings: Vec<String> = rows
        .rows()
        .next()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    let column = |name: &str| headings.iter().position(|heading| heading == name).unwrap();
    for row in rows.rows().skip(1) {
        assert!(matches!(row[column("leak")], Data::Float(_)), "{row:?}");
        assert!(matches!(row[column("concept")], Data::String(_)), "{row:?}");
    }
}

#[test]
fn a_rate_table_goes_into_a_paper() {
    let env = env();
    let latex = env.seep("export --format latex --table rates").ok().stdout;
    let rows: Vec<&str> = latex.lines().filter(|line| line.contains(" & ")).collect();
    let heading = "Model & Quantization & Bits/weight & Category & Rate & 95 \\% interval & Pairs & Tied & Echoes \\\\";
    assert_eq!(rows[0], heading);
    assert_eq!(rows.len(), 1 + 8, "{latex}");
    assert!(rows[1].starts_with("a & F32 & 32.00 & all & "), "{latex}");
}

#[test]
fn the_dictionary_needs_no_database() {
    let env = TestEnv::empty();
    let text = env.seep("export --dictionary --format csv").ok().stdout;
    assert!(text.starts_with("table,column,type,meaning\n"), "{text}");
    assert!(text.contains("\ntokens,logprob,REAL,"), "{text}");
    assert!(text.contains("\nrates,interval_lower,REAL,"), "{text}");
    let one = env
        .seep("export --dictionary --format csv --table rates")
        .ok()
        .stdout;
    assert!(
        one.lines().skip(1).all(|line| line.starts_with("rates,")),
        "{one}"
    );
    assert_eq!(env.files(), Vec::<String>::new());
}

#[test]
fn mistakes_are_named() {
    let env = env();
    let cases = [
        (
            "--format csv --table generation",
            "there is no table `generation`\nhint: did you mean `generations`?\n",
        ),
        (
            "--format csv",
            "22 tables do not fit into one csv file\nhint: name one with `--table`, or give a folder with `-o FOLDER/`\n",
        ),
        (
            "--table leaks",
            "the format is not known\nhint: give it with `--format csv`, jsonl, parquet, xlsx or latex\n",
        ),
        (
            "--format csv --table leaks --columns leek",
            "the table `leaks` has no column `leek`\nhint: did you mean `leak`?\n",
        ),
        (
            "--format csv --columns leak",
            "`--columns` chooses from one table\nhint: name it with `--table`\n",
        ),
        (
            "--format csv --table leaks --experiment tinny",
            "the database has no experiment `tinny`\nhint: did you mean `tiny`?\n",
        ),
        (
            "--format csv --table leaks --db none.sqlite",
            "there is no database `none.sqlite`\nhint: `seep run` and `seep import` make one; `--db` names another\n",
        ),
    ];
    let before = env.files();
    for (flags, expected) in cases {
        let ran = env.seep(&format!("export {flags}")).with_code(2);
        assert_eq!(ran.stderr, format!("error: {expected}"), "{flags}");
    }
    let kept = |files: Vec<String>| {
        files
            .into_iter()
            .filter(|name| !name.contains("sqlite-"))
            .collect::<Vec<_>>()
    };
    assert_eq!(kept(env.files()), kept(before));
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing() {
    let env = env();
    env.write("file", "");
    let ran = env
        .seep("export --table leaks -o file/leaks.csv")
        .with_code(2);
    assert!(
        ran.stderr
            .starts_with("error: failed to write `file/leaks.csv`: "),
        "{}",
        ran.stderr
    );
    assert!(env.files().iter().all(|name| !name.ends_with(".part")));
}

/// Similarities of 0.4 to itself and 0.1 to the other have row and column means of 0.25.
#[test]
fn the_cells_of_a_map_are_rows() {
    let env = TestEnv::filled();
    let ran = env.seep("export --db filled.sqlite --format jsonl --table concept_matrix");
    let rows: Vec<Value> = ran
        .ok()
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let found: Vec<(&str, &str, f64)> = rows
        .iter()
        .filter(|row| row["quantization"] == "Q2_K")
        .map(|row| {
            let cell = row["similarity"].as_f64().unwrap();
            let [held, measured] =
                ["held_concept", "concept"].map(|name| row[name].as_str().unwrap());
            (held, measured, (1000.0 * cell).round())
        })
        .collect();
    let expected = [
        ("red", "red", 150.0),
        ("red", "blue", -150.0),
        ("blue", "red", -150.0),
        ("blue", "blue", 150.0),
        ("sky blue", "sky blue", 150.0),
        ("sky blue", "été", -150.0),
        ("été", "sky blue", -150.0),
        ("été", "été", 150.0),
    ];
    assert_eq!(found, expected);
    assert_eq!(rows.len(), 3 * expected.len());
}
