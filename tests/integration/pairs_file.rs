//! Experiments that take their prompt pairs from a workbook or table: what runs, what is recorded, what wrong ones print.
//!
//! Owns a small table with the columns of the published workbooks. Those themselves are not stored here: a server of the
//! test stands in for the public repository, and can only give another file.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use seep::digest::Digest;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;

const DB: &str = "db/seep.sqlite";
const HEADER: &str = "template_id,prompt,n_control,concept,is_control_item,category\n";
const ROWS: &str = "1,He is,,none,1,1\n1,He likes red. He is,0,red,0,1\n1,He likes blue. He is,0, blue ,0,1\n\
    2,A house is,,none,1,2\n2,A red house is,3,red,0,2\n";

/// An experiment with one template and two concepts, and these lines in the place of its pairs.
fn experiment(pairs: &str) -> String {
    let mut experiment = ExperimentFile::tiny(1, 2);
    experiment.pairs.clear();
    experiment.text() + pairs
}

fn env(pairs: &str) -> TestEnv {
    let env = TestEnv::with_tiny_models();
    env.write("p.csv", &format!("{HEADER}{ROWS}"));
    env.write("x.yaml", &experiment(pairs));
    env
}

#[test]
fn pairs_of_a_table_run_beside_those_of_templates() {
    let env = env("pairs: {path: p.csv}\n");
    let ran = env.seep("run x.yaml --format json").ok();
    // Three prompts of the template, five of the table.
    assert_eq!(ran.made_and_reused(), (8 * 5, 0));
    let record = env.record(DB);
    let columns = "concept || '|' || category || '|' || coalesce(template_id, '') || '|' || test_prompt || '|' || control_prompt";
    let pairs = record.column::<String>(&format!(
        "SELECT {columns} FROM experiment_pairs WHERE pair_idx >= 2 ORDER BY pair_idx"
    ));
    assert_eq!(
        pairs,
        [
            "red|1|1|He likes red. He is|He is",
            "blue|1|1|He likes blue. He is|He is",
            "red|2|2|A red house is|A house is",
        ]
    );
    assert_eq!(record.value::<u32>("SELECT count(*) FROM leaks"), 5 * 25);
    let digest = Digest::of(format!("{HEADER}{ROWS}").as_bytes());
    let stored: String = record.value("SELECT pairs_sha256 FROM experiments");
    assert_eq!(stored, digest.to_string());
    record.check_integrity();

    let again = env.seep("run x.yaml --format json").ok();
    assert_eq!(again.made_and_reused(), (0, 8 * 5));
    assert_eq!(again.stderr, "");
    // An edited table is another experiment, which finds what was made for the first.
    env.write(
        "p.csv",
        &format!("{HEADER}{ROWS}2,A blue house is,3,blue,0,2\n"),
    );
    let edited = env.seep("run x.yaml --format json").ok();
    assert_eq!(edited.made_and_reused(), (5, 8 * 5));
    assert_eq!(record.value::<u32>("SELECT count(*) FROM experiments"), 2);
}

#[test]
fn other_columns_are_named_by_a_mapping() {
    let env = env("pairs: {path: q.tsv, mapping: m.yaml}\n");
    env.write(
        "q.tsv",
        "text\tword\tplain\nHe is\t\t\nHe likes red. He is\tred\tHe is\n",
    );
    env.write(
        "m.yaml",
        "prompt: text\nconcept: word\ncontrol: {prompt: plain}\n",
    );
    let plan = env.seep("plan x.yaml --format json").ok().json();
    assert_eq!(plan["n_prompt_pairs"], 2 + 1, "{plan}");
    env.write("m.yaml", "prompt: text\nconcept: word\n");
    let wrong = env.seep("plan x.yaml").with_code(2);
    assert!(
        wrong
            .stderr
            .starts_with("error: failed to read the mapping that x.yaml:"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn what_looks_wrong_is_printed_and_refused_under_strict() {
    let env = env("pairs: {path: p.csv}\n");
    let rows =
        "2,A green house is,,green,0,2\n2,A tall house is,3,yellow,0,2\n1,Red is,1,red,0,1\n";
    env.write("p.csv", &format!("{HEADER}{ROWS}{rows}"));
    let ran = env.seep("plan x.yaml").ok();
    let warnings: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("warning"))
        .collect();
    insta::assert_snapshot!(warnings.join("\n"), @r"
    warning: p.csv, line 7 (index 5), column `n_control`: the test prompt with the concept `green` has no control prompt; it is left out
    warning: p.csv, line 9 (index 7), column `n_control`: the control prompt in row 3 holds the concept `red`
    warning: p.csv, line 8 (index 6), column `concept`: the test prompt does not hold its concept `yellow`
    warning: p.csv, line 9 (index 7), column `n_control`: the control prompt in row 3 is itself a test prompt
    ");
    let strict = env.seep("run x.yaml --strict").with_code(2);
    assert!(
        strict.stderr.starts_with("error: p.csv, line 7"),
        "{}",
        strict.stderr
    );
    assert!(
        strict
            .stderr
            .ends_with("nothing was run\nhint: correct the experiment, or leave out `--strict`\n"),
        "{}",
        strict.stderr
    );
    assert!(!env.path(DB).exists());
}

#[test]
fn wrong_files_are_refused_with_the_place_that_names_them() {
    let env = env("");
    env.write(
        "column.csv",
        "prompt,n_controls,concept\nHe is,,\nRed is,0,red\n",
    );
    env.write(
        "outside.csv",
        "prompt,n_control,concept\nHe is,,\nRed is,7,red\n",
    );
    env.write("none.csv", "prompt,n_control,concept\nHe is,,\n");
    let mut said = String::new();
    for pairs in [
        "{path: missing.xlsx}",
        "{path: p.yaml}",
        "{path: column.csv}",
        "{path: outside.csv}",
        "{path: none.csv}",
        "{path: p.csv, mapping: missing.yaml}",
        "{published: colours}",
        "{path: p.csv, sha256: 67f2c23f36e23e59d5c8ae08dba432e147c38adaf75b5b2f5ae78f1d0fa1bb45}",
    ] {
        env.write("x.yaml", &experiment(&format!("pairs: {pairs}\n")));
        let ran = env.seep("run x.yaml").with_code(2);
        assert_eq!(ran.stdout, "");
        said.push_str(&ran.stderr);
    }
    insta::assert_snapshot!(said, @r#"
    error: failed to read the prompt pairs of the file that x.yaml:25:15 names: failed to read `missing.xlsx`: No such file or directory (os error 2)
    error: failed to read the prompt pairs of the file that x.yaml:25:15 names: `p.yaml` has no known format
    hint: a file to import ends in .xlsx, .csv, .tsv, .jsonl or .json
    error: failed to read the prompt pairs of the file that x.yaml:25:15 names: `column.csv` has no column `n_control`
    hint: did you mean `n_controls`? its columns are: `prompt`, `n_controls`, `concept`; other names are given with a mapping (experiments/IMPORT.md)
    error: failed to read the prompt pairs of the file that x.yaml:25:15 names: 1 row of `outside.csv` cannot be imported
      line 3 (index 1), column `n_control`: the control index 7 is out of range: the rows are 0 to 1
    hint: a control is named by the index of its row: the first row below the header has the index 0
    error: failed to read the prompt pairs of the file that x.yaml:25:15 names: `none.csv` has no prompt pair
    hint: a test prompt is a row with a concept and a control
    error: failed to read the mapping that x.yaml:25:31 names: failed to read `missing.yaml`: No such file or directory (os error 2)
    error: no published workbook is called `colours`
      --> x.yaml:25:20
       |
    25 | pairs: {published: colours}
       |                    ^^^^^^^
       |
       = hint: did you mean `colors`?

    1 problem in x.yaml; nothing was run
    error: `p.csv` is another file
      --> x.yaml:25:30
       |
    25 | pairs: {path: p.csv, sha256: 67f2c23f36e23e59d5c8ae08dba432e147c38adaf75b5b2f5ae78f1d0fa1bb45}
       |                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ found 472ecbe25435c4fc9408fca25ae805716f672ecb982a030281b98d2d48aab5d6
       |
       = hint: give the file that was meant, or leave `sha256` out: what is used is recorded

    1 problem in x.yaml; nothing was run
    "#);
    assert!(!env.path(DB).exists());
}

/// A server that answers every request with this text, on a port of its own.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            let length = answer.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream
                .write_all(format!("{head}{answer}").as_bytes())
                .unwrap();
        }
    });
    format!("http://{address}")
}

#[test]
fn published_prompts_that_cannot_be_had_are_named() {
    let env = env("pairs: {published: colors}\n");
    let offline = env.seep("plan x.yaml --offline").with_code(2);
    insta::assert_snapshot!(offline.stderr, @r#"
    error: failed to read the prompt pairs of the file that x.yaml:25:20 names: the published workbook `color_prompts_qwen_15_instr` is not here, and nothing is fetched with `--offline`
    hint: fetch data/generation_results/color_prompts/color_prompts_qwen_15_instr.xlsx from https://github.com/smilni/semantic_leakage_project by other means and save it as `db/published/color_prompts_qwen_15_instr.xlsx`
    "#);
    let mut command = env.command("plan x.yaml");
    let ran = env
        .run(command.env("SEEP_GITHUB_ENDPOINT", server("another file")))
        .with_code(2);
    let stderr = ran.stderr;
    assert!(
        stderr.contains("error: failed to read the prompt pairs of the file that x.yaml:25:20 names: failed to fetch the published workbook `color_prompts_qwen_15_instr`"),
        "{stderr}"
    );
    assert!(
        stderr.contains("save it as `db/published/color_prompts_qwen_15_instr.xlsx`"),
        "{stderr}"
    );
    assert!(
        !env.path("db/published")
            .join("color_prompts_qwen_15_instr.xlsx")
            .exists()
    );
}
