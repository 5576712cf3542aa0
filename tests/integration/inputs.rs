//! Input as people have it: each test is one kind of file that was refused, or misread without a word.
//!
//! Owns the files it writes. How tables are read, `import` tests.

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;

const PAIR_ROWS: &str = "Pairs of a replication\n\n\
    id;concept;category;control_prompt;test_prompt;control_generation;test_generation\n\
    1;red;color;He is, as we know, a;He likes red. He is, as we know, a;clerk;painter\n\
    2;blue;color;He is, as we know, a;He likes blue. He is, as we know, a;clerk;sailor\n";

/// Other replications have a pair in each row, with these names of columns; every prompt had to have a row of its own.
#[test]
fn a_table_with_a_pair_in_each_row_is_imported_and_run() {
    let env = TestEnv::with_tiny_models();
    env.write("p.csv", PAIR_ROWS);
    env.seep("import p.csv --experiment e --db a.sqlite").ok();
    env.seep("score --db a.sqlite --embedding-model encoder.gguf")
        .ok();
    let record = env.record("a.sqlite");
    assert_eq!(record.value::<u32>("SELECT count(*) FROM leaks"), 2);
    let cells = "SELECT import_row || import_column || text FROM generations ORDER BY id";
    assert_eq!(
        record.column::<String>(cells),
        [
            "4test_generationpainter",
            "5test_generationsailor",
            "4control_generationclerk"
        ]
    );
    record.check_integrity();
    let refused = env.seep("import p.csv --experiment e --db a.sqlite --repeats test_generation");
    let refused = refused.with_code(2).stderr;
    assert!(refused.contains("each row of `p.csv` has two prompts\nhint: "));

    let mut experiment = ExperimentFile::tiny(1, 2);
    experiment.pairs.clear();
    env.write("x.yaml", &(experiment.text() + "pairs: {path: p.csv}\n"));
    let ran = env.seep("run x.yaml --format json").ok();
    // Three prompts of the template, three of the table.
    assert_eq!(ran.made_and_reused(), (6 * 5, 0));
}
