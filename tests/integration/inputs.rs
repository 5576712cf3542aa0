//! Input as people have it: each test is one kind of file that was refused, or misread without a word.
//!
//! Owns the files it writes. How tables are read, `import` tests.

use crate::experiment_file::{ExperimentFile, Pair, Template};
use crate::harness::TestEnv;
use crate::tiny::write_encoder_folder;

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

/// An experiment of one template with these concepts.
fn experiment(test: &str, control: &str, concepts: &[&str]) -> ExperimentFile {
    let mut experiment = ExperimentFile::tiny(0, 0);
    experiment.pairs.clear();
    experiment.concepts = concepts.iter().map(|&word| word.to_owned()).collect();
    experiment.templates.push(Template {
        id: "a".to_owned(),
        category: "c".to_owned(),
        test: test.to_owned(),
        control: control.to_owned(),
    });
    experiment
}

fn free_pair(concept: &str, test: &str) -> Pair {
    Pair {
        concept: concept.to_owned(),
        category: "c".to_owned(),
        test: test.to_owned(),
        control: "He works as a".to_owned(),
    }
}

/// A word was what stands between spaces: in Chinese no control held a concept, and no text echoed one.
#[test]
fn a_chinese_experiment_runs_with_words_of_its_own() {
    let env = TestEnv::with_tiny_models();
    let (test, control) = ("她戴着{concept}围巾。她的职业是", "她戴着围巾。她的职业是");
    let good = experiment(test, control, &["红", "天蓝色"]);
    env.experiment(&good);
    let ran = env.seep("run x.yaml --format json").ok();
    assert_eq!(ran.made_and_reused(), (3 * 5, 0));

    let (test, control) = (
        "她戴着{concept}围巾。她喜欢红酒。她的职业是",
        "她戴着围巾。她喜欢红酒。她的职业是",
    );
    env.experiment(&experiment(test, control, &["红", "天蓝色"]));
    let refused = env.seep("plan x.yaml").with_code(2).stderr;
    let expected = "error: the control prompt holds the concept `红`\n";
    assert!(refused.contains(expected), "{refused}");

    let rows = "{\"prompt\":\"她戴着围巾。她的职业是\",\"generation\":[\"老师。\"]}\n\
        {\"prompt\":\"她戴着红围巾。她的职业是\",\"concept\":\"红\",\"n_control\":0,\"generation\":[\"外红色布料的裁缝。\"]}\n";
    env.write("echo.jsonl", rows);
    env.seep("import echo.jsonl --experiment e --db a.sqlite")
        .ok();
    env.seep("score --experiment e --db a.sqlite --embedding-model encoder.gguf")
        .ok();
    let record = env.record("a.sqlite");
    assert_eq!(record.value::<u32>("SELECT sum(is_echo) FROM leaks"), 1);
}

#[test]
fn a_german_experiment_runs_with_words_of_its_own() {
    let env = TestEnv::with_tiny_models();
    let concepts = ["rot", "grün", "weiß"];
    let (test, control) = (
        "Sie mag die Farbe {concept}. Größere Hüte trägt",
        "Sie mag Rotwein. Größere Hüte trägt",
    );
    env.experiment(&experiment(test, control, &concepts));
    let ran = env.seep("run x.yaml --format json").ok();
    assert_eq!(ran.made_and_reused(), (4 * 5, 0));
    // The same letters, composed here and not there.
    let control = "Sie mag Gru\u{308}n. Größere Hüte trägt";
    env.experiment(&experiment(test, control, &concepts));
    let refused = env.seep("plan x.yaml").with_code(2).stderr;
    let expected = "error: the control prompt holds the concept `grün`\n";
    assert!(refused.contains(expected), "{refused}");
    let doubled = ["grün", "Gru\u{308}n"];
    env.experiment(&experiment(test, "Sie singt. Größere Hüte trägt", &doubled));
    let refused = env.seep("plan x.yaml").with_code(2).stderr;
    assert!(refused.contains("is listed twice\n"), "{refused}");
}

/// Differences that nobody sees passed: zero-width and no-break spaces, two prompts that look equal.
#[test]
fn invisible_characters_are_named_and_make_no_other_prompt() {
    let env = TestEnv::with_tiny_models();
    let mut one = ExperimentFile::tiny(0, 0);
    one.pairs = vec![free_pair("red", "He likes \u{200b}red. He\u{a0}works as a")];
    env.experiment(&one);
    let warned = env.seep("plan x.yaml").ok().stderr;
    let expected = "warning: `pairs.test` holds U+200B (zero width space) as character 10\n";
    assert!(warned.contains(expected), "{warned}");
    env.seep("plan x.yaml --strict").with_code(2);
    one.pairs
        .push(free_pair("red", "He likes red. He works as a"));
    env.experiment(&one);
    let refused = env.seep("plan x.yaml").with_code(2).stderr;
    let expected = "error: the test prompt `He likes red. He works as a` comes twice\n";
    assert!(refused.contains(expected), "{refused}");
    let rows = "prompt,concept,n_control,generation_1\nHe is,none,none,tall\n\
        He likes r\u{ad}ed. He is,red,0,old\nHe likes red. He is,red,0,old\n";
    env.write("p.csv", rows);
    let warned = env.seep("import p.csv --experiment e --db a.sqlite").ok();
    let expected = [
        "warning: p.csv, line 3 (index 1), column `prompt`: the prompt holds U+00AD (soft hyphen) as character 11\n",
        "warning: p.csv, line 4 (index 2), column `prompt`: the test prompt stands in row 3 already\n",
    ];
    for expected in expected {
        assert!(warned.stderr.contains(expected), "{}", warned.stderr);
    }
}

/// Thai sets no mark at the end of a sentence; the rule never applied, and nobody was told.
#[test]
fn a_script_without_sentence_ends_is_named() {
    let env = TestEnv::with_tiny_models();
    let (test, control) = ("เธอชอบสี{concept} อาชีพของเธอคือ", "อาชีพของเธอคือ");
    env.experiment(&experiment(test, control, &["แดง"]));
    let warned = env.seep("plan x.yaml").ok().stderr;
    let expected = "warning: `sentence_end` knows no end of a sentence in Thai or Lao\n";
    assert!(warned.contains(expected), "{warned}");
}

/// Concept and generation became the unknown token: a similarity of 1.000, shown as the most striking leak.
#[test]
fn a_leak_that_rests_on_unknown_words_is_said_and_not_shown() {
    let env = TestEnv::with_tiny_models();
    let row = |prompt: &str, more: &str, text: &str| {
        format!("{{\"prompt\":\"{prompt}\",{more}\"generation\":[\"{text}\"]}}\n")
    };
    let rows = [
        row("What is this flower like?", "", "red"),
        row(
            "What is this 🟡 flower like?",
            "\"concept\":\"🟡\",\"n_control\":0,",
            "🔥🎺",
        ),
    ];
    env.write("u.jsonl", &rows.concat());
    // Imports are scored by this encoder unless another is named; here it has the tiny vocabulary.
    let shelf = env.path("shelf/all-minilm-l6-v2");
    std::fs::create_dir_all(&shelf).unwrap();
    write_encoder_folder(&shelf);
    let import = "import u.jsonl --experiment e --db a.sqlite";
    let warned = env.seep(import).ok().stderr;
    let expected = "warning: the encoder `all-minilm-l6-v2` does not know 1 concept (`🟡`): ";
    assert!(warned.contains(expected), "{warned}");
    let score = "score --experiment e --db a.sqlite --embedding-model encoder.gguf";
    let scored = env.seep(score).ok();
    let expected = "warning: the encoder `encoder` does not know 1 concept (`🟡`): ";
    assert!(scored.stderr.contains(expected), "{}", scored.stderr);
    let expected = "2 are mostly words that the encoder `encoder` does not know\n";
    assert!(scored.stderr.contains(expected), "{}", scored.stderr);
    let lines: Vec<&str> = scored.stdout.lines().collect();
    assert!(!scored.stdout.contains("Most striking"), "{lines:#?}");
    let counted = lines
        .iter()
        .any(|line| line.contains("words unknown to the encoder") && line.contains("100.0 %"));
    assert!(counted, "{lines:#?}");
    let exported = env
        .seep("export --db a.sqlite --table diagnostics --format jsonl")
        .ok();
    let unknown = exported
        .stdout
        .lines()
        .find(|line| line.contains("unknown_to_encoder"));
    assert!(unknown.unwrap().contains("\"n_affected\":1"), "{unknown:?}");
    env.seep("report --db a.sqlite -o r.html").ok();
    let report = std::fs::read_to_string(env.path("r.html")).unwrap();
    assert!(!report.contains("The most striking leaks"));
    let mut one = ExperimentFile::tiny(0, 0);
    one.pairs = vec![free_pair("🟡", "He likes 🟡. He works as a")];
    env.experiment(&one);
    for command in ["plan x.yaml", "run x.yaml"] {
        let warned = env.seep(command).ok().stderr;
        let expected = "warning: the encoder `encoder` does not know 1 concept (`🟡`): ";
        assert!(warned.contains(expected), "{command}: {warned}");
    }
}

/// Texts are cut to what the encoder reads, 32 tokens here, and nobody was told.
#[test]
fn texts_that_an_encoder_does_not_read_to_the_end_are_counted() {
    let env = TestEnv::with_tiny_models();
    let long = "and so on ".repeat(300);
    let rows = format!(
        "prompt,concept,n_control,generation_1\nHe is,,,tall\nHe likes red. He is,red,0,{long}\n"
    );
    env.write("p.csv", &rows);
    env.seep("import p.csv --experiment e --db a.sqlite").ok();
    let score = "score --experiment e --db a.sqlite --embedding-model encoder.gguf --format json";
    let scored = env.seep(score).ok();
    let expected = "warning: 1 of 3 texts are longer than the ";
    assert!(scored.stderr.contains(expected), "{}", scored.stderr);
    let expected = "\"flaw\": \"longer_than_encoder_reads\"";
    assert!(scored.stdout.contains(expected), "{}", scored.stdout);
}

/// An encoder of English gives vectors of every language, and figures that mean little.
#[test]
fn a_language_that_the_encoder_was_not_trained_on_is_said() {
    let env = TestEnv::with_tiny_models();
    let mut chinese = experiment(
        "她戴着{concept}围巾。她的职业是",
        "她戴着围巾。她的职业是",
        &["红"],
    );
    chinese.embedding_model = "all-minilm-l6-v2".to_owned();
    env.experiment(&chinese);
    let warned = env.seep("plan x.yaml").ok().stderr;
    let expected = "warning: the encoder `all-minilm-l6-v2` was trained on English, and the texts seem to be in another language\nhint: ";
    assert!(warned.contains(expected), "{warned}");
    let rows =
        "prompt,concept,n_control,generation_1\nОн,,,врач\nОн любит красный. Он,красный,0,врач\n";
    env.write("p.csv", rows);
    let warned = env.seep("import p.csv --experiment e --db a.sqlite").ok();
    assert!(warned.stderr.contains(expected), "{}", warned.stderr);
    let mut english = ExperimentFile::tiny(2, 2);
    english.embedding_model = chinese.embedding_model;
    env.experiment(&english);
    let warned = env.seep("plan x.yaml").ok().stderr;
    assert!(!warned.contains("trained on"), "{warned}");
}
