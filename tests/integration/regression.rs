//! Faults that were found and mended, one test each, with the story of each above it.
//!
//! Owns no feature: how a part behaves is tested where that part is. Here stands what it once did wrong.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use rust_xlsxwriter::Workbook;
use seep::gguf::convert_encoder;
use serde_json::Value;

use crate::experiment_file::{ExperimentFile, Pair};
use crate::harness::{TestEnv, wait_until};
use crate::tiny::{TinyModel, write_encoder_folder};

const DB: &str = "db/seep.sqlite";

/// Writes a workbook with a sheet for each, of a control and a test prompt in a layout of its own.
fn write_sheets(env: &TestEnv, sheets: &[(&str, [&str; 2])]) {
    let mut workbook = Workbook::new();
    for (name, generations) in sheets {
        let sheet = workbook.add_worksheet().set_name(*name).unwrap();
        let header = [
            "prompt",
            "n_control",
            "concept",
            "generation_1",
            "other_prompt",
        ];
        let control = ["He is", "", "", generations[0], "She is"];
        let test = [
            "He likes red. He is",
            "0",
            "red",
            generations[1],
            "She likes red. She is",
        ];
        for (row, cells) in (0..).zip([header, control, test]) {
            for (column, text) in (0..).zip(cells) {
                match text.parse::<f64>() {
                    Ok(number) => drop(sheet.write(row, column, number).unwrap()),
                    Err(_) => drop(sheet.write(row, column, text).unwrap()),
                }
            }
        }
    }
    workbook.save(env.path("a.xlsx")).unwrap();
}

/// A mapping of those columns, with what else is given.
fn write_mapping(env: &TestEnv, name: &str, prompt: &str, more: &str) {
    let columns = "concept: concept\ncontrol: {row_index: n_control}\ngenerations: [generation_1]";
    env.write(name, &format!("prompt: {prompt}\n{columns}\n{more}"));
}

/// The prompt and the text of each generation that an experiment compares, control before test.
fn compared(env: &TestEnv, experiment: &str) -> Vec<String> {
    env.record("db/seep.sqlite").column(&format!(
        "SELECT user_message || ': ' || text
         FROM imported_pairs
             JOIN experiments ON experiments.id = experiment_id
             JOIN generations ON generations.id IN (test_generation_id, control_generation_id)
             JOIN prompts ON prompts.id = prompt_id
         WHERE experiments.name = '{experiment}' ORDER BY import_row"
    ))
}

/// An imported generation was known by file, model, row, column and repeat. Two sheets of one workbook agree in all of
/// them, so that the second was scored with the texts of the first; a cell that a second mapping gave another prompt
/// kept its first.
#[test]
fn sheets_and_prompt_columns_of_one_workbook_are_told_apart() {
    let env = TestEnv::empty();
    let sheets = [("one", ["tall", "angry"]), ("two", ["old", "a fireman"])];
    write_sheets(&env, &sheets);
    write_mapping(&env, "one.yaml", "prompt", "sheet: one\n");
    write_mapping(&env, "two.yaml", "prompt", "sheet: two\n");
    write_mapping(&env, "other.yaml", "other_prompt", "");
    let import = |name: &str| {
        env.seep(&format!(
            "import a.xlsx --experiment {name} --mapping {name}.yaml"
        ))
        .ok()
    };
    for name in ["one", "two", "other"] {
        import(name);
    }
    assert_eq!(
        compared(&env, "one"),
        ["He is: tall", "He likes red. He is: angry"]
    );
    assert_eq!(
        compared(&env, "two"),
        ["He is: old", "He likes red. He is: a fireman"]
    );
    assert_eq!(
        compared(&env, "other"),
        ["She is: tall", "She likes red. She is: angry"]
    );
    // The only sheets that were known before there were several keep their identity, whatever names them.
    let request = |cell: &str| {
        let identity = format!("seep imported generation 1|{cell}");
        seep::digest::Digest::of(identity.as_bytes()).to_string()
    };
    let file = seep::digest::Digest::of(&std::fs::read(env.path("a.xlsx")).unwrap());
    let record = env.record("db/seep.sqlite");
    assert_eq!(
        record.value::<String>("SELECT request_id FROM generations WHERE text = 'tall'"),
        request(&format!(
            "file={file}|model=\"a\"|row=2|column=\"generation_1\"|repeat=0"
        ))
    );
    for name in ["one", "two", "other"] {
        let ran = import(name);
        assert!(
            ran.stderr
                .ends_with("a.xlsx: imported before; nothing was added\n"),
            "{}",
            ran.stderr
        );
        assert_eq!(record.n_generations(), 6, "{name}");
    }
    record.check_integrity();
}

/// The address of a hub that gives out a byte of one file now and then, until whoever asked has gone.
fn slow_hub() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The request is not looked at: whatever was asked for, the answer never ends.
            let n_read = stream.read(&mut [0; 4096]).unwrap();
            assert!(n_read > 0, "nothing was asked for");
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            wait_until("the program to go", || stream.write_all(b"x").is_err());
        }
    });
    format!("http://{address}")
}

/// Only `run` looked at Ctrl-C after it had opened its models; an encoder whose fetch was ended, and every fetch of
/// `score`, `drift` and `models`, ended the program as an error does.
#[test]
fn ctrl_c_while_a_file_is_fetched_ends_as_an_interruption() {
    let env = TestEnv::with_tiny_models();
    let tiny = ExperimentFile::tiny(1, 1);
    env.experiment(&tiny);
    env.seep("run x.yaml").ok();
    let experiment = ExperimentFile {
        embedding_model: "all-minilm-l6-v2".to_owned(),
        ..tiny.clone()
    };
    env.write("encoder.yaml", &experiment.text());
    let experiment = ExperimentFile {
        models: vec!["{name: qwen2.5-0.5b-instruct, quantizations: [Q8_0]}".to_owned()],
        ..tiny
    };
    env.write("model.yaml", &experiment.text());
    let hub = slow_hub();
    for arguments in [
        "run encoder.yaml",
        "run model.yaml",
        "score --embedding-model all-minilm-l6-v2",
        "drift model.yaml",
        "models fetch all-minilm-l6-v2",
        "models show all-minilm-l6-v2",
    ] {
        let mut command = env.command(&format!("{arguments} --models-dir fetched"));
        command
            .env("HF_ENDPOINT", &hub)
            .env("SEEP_PYTHON", "no-python");
        let mut running = env.spawn(&mut command);
        let is_part = |name: &String| name.ends_with(".part");
        running.wait_until("the first bytes are here", || {
            env.files().iter().any(is_part)
        });
        running.interrupt();
        let ran = running.finish();
        assert_eq!(ran.exit_code, Some(130), "{arguments}: {}", ran.stderr);
        assert!(
            !ran.stderr.contains("error:"),
            "{arguments}: {}",
            ran.stderr
        );
        std::fs::remove_dir_all(env.path("fetched")).unwrap();
    }
    assert_eq!(env.record("db/seep.sqlite").statuses(), ["success"]);
}

/// The template of a model that is told the date, as Llama 3 is.
const DATED: &str = "{{ '<|im_start|>system\nToday Date: ' + strftime_now('%d %b %Y') + '<|im_end|>\n' }}\
    {% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// Such a template was told the time of each run. On the next day every prompt was another one, so that nothing that was
/// stored was of use; and a model that was added on that day was compared with models that had been told another date.
#[test]
fn a_template_that_shows_the_date_shows_that_of_the_first_run() {
    let env = TestEnv::with_tiny_models();
    for (name, seed) in [("a.gguf", 1), ("b.gguf", 2)] {
        let model = TinyModel {
            seed,
            chat_template: DATED,
            ..TinyModel::QWEN2
        };
        model.write(&env.path(name));
    }
    let experiment = ExperimentFile::tiny(1, 1);
    env.experiment(&experiment);
    let today = || jiff::Timestamp::now().to_string()[..10].to_owned();
    let before = today();
    let plan = env.seep("plan x.yaml").ok();
    let said = |date: &str, origin: &str| {
        format!("a F32: its chat template shows the date; {date} is used, {origin}\n")
    };
    let first = "the date of the experiment's first run";
    let days = [before, today()];
    assert!(
        days.iter()
            .any(|day| plan.stderr.contains(&said(day, first))),
        "{}",
        plan.stderr
    );
    env.write(
        "x.yaml",
        &format!("date: 2020-01-02\n{}", experiment.text()),
    );
    let ran = env.seep("run x.yaml --format json").ok();
    let given = said("2020-01-02", "as the experiment says");
    assert!(ran.stderr.contains(&given), "{}", ran.stderr);
    let (n_generated, _) = ran.made_and_reused();
    // As if it had been run then; the file without the date is an edited one.
    let database = rusqlite::Connection::open(env.path("db/seep.sqlite")).unwrap();
    let long_ago = "UPDATE experiments SET created_at = '2020-01-02T23:59:59.999Z'";
    database.execute(long_ago, []).unwrap();
    env.experiment(&experiment);
    let again = env.seep("run x.yaml --format json").ok();
    assert_eq!(again.made_and_reused(), (0, n_generated));
    let kept = said("2020-01-02", first);
    assert!(again.stderr.contains(&kept), "{}", again.stderr);
    env.experiment(&experiment.models(&["a.gguf", "b.gguf"]));
    env.seep("run x.yaml").ok();
    env.seep("compare a b").ok();
    let shown = env.record("db/seep.sqlite").column::<String>(
        "SELECT DISTINCT models.label || substr(text, instr(text, ': '), 13)
         FROM rendered_prompts JOIN models ON models.id = model_id ORDER BY 1",
    );
    assert_eq!(shown, ["a: 02 Jan 2020", "b: 02 Jan 2020"]);
}

/// The self-check evaluated four prompts of a run together, in a cache of cells that was sized for one of them: a few
/// prompts of some hundred tokens ended a run with "the KV cache is full" before it had made anything.
#[test]
fn long_prompts_pass_the_self_check() {
    let env = TestEnv::with_tiny_models();
    let model = TinyModel {
        n_ctx: 4096,
        ..TinyModel::QWEN2
    };
    model.write(&env.path("a.gguf"));
    let mut experiment = ExperimentFile::tiny(3, 2);
    for template in &mut experiment.templates {
        // No two begin alike.
        let subject = template.id.trim_start_matches("likes-").to_owned();
        let story = format!("The {subject} was old and it was tall. ").repeat(60);
        template.test = format!("{subject}: {{concept}}. {story}{}", template.test);
        template.control = format!("{subject}: {story}{}", template.control);
    }
    experiment.system = None;
    env.experiment(&experiment);
    env.seep("run x.yaml").ok();
    let longest: u32 = env
        .record("db/seep.sqlite")
        .value("SELECT max(n_tokens) FROM rendered_prompts");
    assert!(longest > 520, "{longest}");
}

/// Q5_0 weights are computed as Q8_0, under a schedule whose name ends in `-wide`. Distributions were paired by schedule,
/// so that the drift of such a file from a Q8_0 or F16 base was not shown, as if none were stored.
#[test]
fn drift_of_widened_files_is_shown() {
    let env = TestEnv::with_tiny_models();
    let mut experiment = ExperimentFile::tiny(2, 2);
    experiment.models = vec!["{path: a.gguf, quantizations: {to: [q8_0, q5_0]}}".to_owned()];
    env.experiment(&experiment);
    let run = env.seep("run x.yaml --format json").ok().json();
    let record = env.record(DB);
    let schedules = record.column::<String>("SELECT schedule FROM run_models ORDER BY model_id");
    assert_eq!(schedules, ["strict-pad8-vbf16", "strict-pad8-vbf16-wide"]);
    let words = "compare a:Q8_0-from-F32 a:Q5_0-from-F32 --format json";
    let compared = env.seep(words).ok().json();
    let drift = env
        .seep("drift x.yaml --threads 1 --format json")
        .ok()
        .json();
    let mean_kl = |found: &Value| {
        found["mean_kl"]
            .as_f64()
            .unwrap_or_else(|| panic!("{found}"))
    };
    let of_run = mean_kl(&run["drifts"][0]);
    assert!(of_run > 0.0);
    assert_eq!(mean_kl(&compared["comparisons"][0]["drift"]), of_run);
    let drift = &drift["drifts"][0];
    assert_eq!(mean_kl(drift), of_run);
    let scores = &drift["scores"];
    assert!(scores["n_generations"].as_u64().unwrap() > 0, "{drift}");
}

/// A model file had one name in the database, the one it was given last: an experiment that named the same file otherwise
/// renamed it in the tables of all earlier ones, and their commands no longer worked.
#[test]
fn an_experiment_keeps_its_names_of_model_files() {
    let env = TestEnv::with_tiny_models();
    let experiment = |name: &str, model: &str| {
        let mut file = ExperimentFile::tiny(2, 2);
        file.name = name.to_owned();
        file.models = vec![
            format!("{{path: a.gguf, name: {model}}}"),
            "{path: b.gguf}".to_owned(),
        ];
        file.text()
    };
    for (name, model) in [("first", "alpha"), ("second", "omega")] {
        env.write("x.yaml", &experiment(name, model));
        env.seep("run x.yaml").ok();
    }
    for (name, model, other) in [("first", "alpha", "omega"), ("second", "omega", "alpha")] {
        let said = |words: &str| {
            let ran = env.seep(&format!("{words} --experiment {name}")).ok();
            ran.stdout
        };
        let compared = said(&format!("compare {model}:F32 b:F32"));
        assert!(compared.contains(&format!("{model}:F32")) && !compared.contains(other));
        for table in ["rates", "leaks", "run_models", "conditions", "comparisons"] {
            let rows = said(&format!("export --table {table} --format jsonl -o -"));
            let has = |word: &str| rows.contains(&format!("\"{word}\""));
            assert!(has(model) && !has(other), "{table}: {rows}");
        }
        said("report -o page.html");
        let page = std::fs::read_to_string(env.path("page.html")).unwrap();
        assert!(page.contains(&format!("{model}:F32")) && !page.contains(&format!("{other}:F32")));
        let shown = said(&format!("show --models {model}"));
        assert!(shown.contains(&format!("{model} F32")));
        let refused = env.seep(&format!("compare {other}:F32 b:F32 --experiment {name}"));
        assert_eq!(refused.exit_code, Some(2));
    }
    let record = env.record(DB);
    let first = "SELECT label FROM models WHERE label != 'encoder' ORDER BY id";
    assert_eq!(record.column::<String>(first), ["alpha", "b"]);
}

/// Verdicts were stored under experiment, model, sampling, metric and seed alone: scoring again with another rounding
/// replaced them one by one, and an interrupted scoring left a set of both, with one figure for it.
#[test]
fn verdicts_of_another_signature_are_kept_apart() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(2, 2));
    env.seep("run x.yaml").ok();
    let before = env.record(DB).leaks();
    let words = "score --embedding-model encoder.gguf --decimals none --threads 1";
    env.seep(words).ok();
    let record = env.record(DB);
    let n_leaks = record.column::<i64>("SELECT n_leaks FROM v_conditions ORDER BY condition_id");
    assert_eq!(n_leaks, [before.len() as i64; 2]);
    let n_signatures: u32 = record.value("SELECT count(DISTINCT signature) FROM conditions");
    assert_eq!(n_signatures, 2);
    assert_eq!(record.leaks()[..before.len()], before);
}

/// A condition that is scored again keeps its row, so that a newer scoring lost to an older one with another signature: the
/// table of a run showed other rates than `compare` and the export after it.
#[test]
fn what_was_scored_last_is_taken() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(3, 2).models(&["a.gguf", "b.gguf"]));
    env.seep("run x.yaml").ok();
    let rates = || env.seep("export --table rates --format csv").ok().stdout;
    let compared = || env.seep("compare a b --format json").ok().json();
    let (rates_of_run, compared_after_run) = (rates(), compared());
    let coarse = "score --embedding-model encoder.gguf --decimals 0 --threads 1";
    env.seep(coarse).ok();
    assert_ne!(rates(), rates_of_run);
    assert_ne!(compared(), compared_after_run);
    env.seep("run x.yaml").ok();
    assert_eq!(rates(), rates_of_run);
    assert_eq!(compared(), compared_after_run);
}

/// `seep score` scored every experiment with the encoder of the published work, and its verdicts took the place of those
/// that an experiment had been given by the encoder that it names.
#[test]
fn score_keeps_to_the_encoder_of_each_experiment() {
    let env = TestEnv::with_tiny_models();
    let folder = tempfile::tempdir().unwrap();
    write_encoder_folder(folder.path());
    convert_encoder(folder.path(), &env.path("other.gguf"), "Another encoder").unwrap();
    env.experiment(&ExperimentFile::tiny(1, 1));
    env.seep("run x.yaml").ok();
    env.experiment(&ExperimentFile {
        name: "other".to_owned(),
        embedding_model: "{path: other.gguf}".to_owned(),
        ..ExperimentFile::tiny(1, 1)
    });
    env.seep("run x.yaml").ok();
    let before = env.record(DB).leaks();
    let said = env.seep("score --format json").ok().json();
    let encoder = |idx: usize| said[idx]["embedding_model"].clone();
    assert_eq!([encoder(0), encoder(1)], ["encoder", "other"]);
    let record = env.record(DB);
    let encoders: Vec<String> = record.column(
        "SELECT experiments.name || ' ' || path
         FROM conditions JOIN experiments ON experiments.id = experiment_id JOIN models ON models.id = embedding_model_id
         ORDER BY 1",
    );
    assert_eq!(encoders.len(), 2, "{encoders:?}");
    assert!(encoders[0].starts_with("other ") && encoders[0].ends_with("other.gguf"));
    assert!(encoders[1].starts_with("tiny ") && encoders[1].ends_with("encoder.gguf"));
    assert_eq!(record.leaks(), before);
}

/// A group of prompts to enumerate was sized by its first prompt. A short one before many long ones made a group that did
/// not fit into the cache, and every rerun made the same group.
#[test]
fn long_prompts_behind_a_short_one_are_enumerated() {
    let env = TestEnv::with_tiny_models();
    let model = TinyModel {
        n_ctx: 4096,
        ..TinyModel::QWEN2
    };
    model.write(&env.path("a.gguf"));
    let mut experiment = ExperimentFile {
        system: None,
        max_tokens: 3,
        ..ExperimentFile::tiny(1, 1)
    };
    experiment.pairs = (0..24)
        .map(|number| {
            let story = format!("{number} was old and {number} was tall. ").repeat(25) + "It is";
            Pair {
                concept: "green".to_owned(),
                category: "expression-to-color".to_owned(),
                test: format!("{number}: green. {story}"),
                control: format!("{number}: {story}"),
            }
        })
        .collect();
    let exact = "  top_k: 4\n  mode: exact\n  coverage: 0.9\n  max_rows_per_prompt: 20\n";
    env.write("x.yaml", &experiment.text().replace("  top_k: 0\n", exact));
    env.seep("run x.yaml").ok();
    let record = env.record(DB);
    assert_eq!(record.value::<u32>("SELECT count(*) FROM failures"), 0);
    let length =
        |of: &str| -> u32 { record.value(&format!("SELECT {of}(n_tokens) FROM rendered_prompts")) };
    assert!(3 * length("min") < length("max"), "{}", length("min"));
    assert!(length("max") > 200, "{}", length("max"));
}

/// Nothing cut off and the whole probability asked for: each row of logits put a node into the tree for every token of the
/// vocabulary, 150,000 of a real model's. Now at most some are followed, which the file is told, and the others count as
/// not covered.
#[test]
fn whole_coverage_of_everything_is_bounded_and_says_so() {
    let env = TestEnv::with_tiny_models();
    let experiment = ExperimentFile {
        max_tokens: 2,
        ..ExperimentFile::tiny(1, 1)
    };
    let exact = "  top_k: 0\n  mode: exact\n  coverage: 1\n  max_rows_per_prompt: 20\n";
    env.write("x.yaml", &experiment.text().replace("  top_k: 0\n", exact));
    let ran = env.seep("run x.yaml").ok();
    let said = "at most 1024 tokens are followed after each beginning";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let sums: Vec<f64> = env.record(DB).column(
        "SELECT uncovered + (SELECT sum(probability) FROM continuations
             WHERE enumeration_id = enumerations.id AND tail_draw_idx IS NULL) FROM enumerations",
    );
    assert!(!sums.is_empty());
    assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{sums:?}");
}

/// A model was looked for in all versions of an experiment before one of them was chosen. Once a sampling value had been
/// edited each model had two conditions, one a version, which were told as two files of one sha256; and a seed or a
/// metric that only an earlier version has was looked for in the latest alone.
#[test]
fn conditions_are_compared_after_the_experiment_was_edited() {
    let env = TestEnv::with_tiny_models();
    let first = ExperimentFile::tiny(2, 2).models(&["a.gguf", "b.gguf"]);
    let edited = first.clone().with_value("temperature", "0.7");
    let reseeded = ExperimentFile {
        seed: first.seed + 1,
        ..edited.clone()
    };
    for experiment in [&first, &edited, &reseeded] {
        env.experiment(experiment);
        env.seep("run x.yaml").ok();
    }
    let record = env.record(DB);
    let versions = record.column::<String>("SELECT sha256 FROM experiments ORDER BY id");
    let compared = |words: &str| {
        let ran = env.seep(&format!("compare a b {words} --format json")).ok();
        let report = ran.json();
        let version = report["experiment_sha256"].clone();
        let version = versions.iter().position(|sha256| version == **sha256);
        (version.unwrap(), ran.stderr)
    };
    let (version, said) = compared("");
    assert_eq!(version, 2);
    assert!(said.contains("`tiny` is stored in 3 versions ("), "{said}");
    assert_eq!(compared("--experiment tiny").0, 2);
    for (idx, sha256) in versions.iter().enumerate() {
        let words = format!("--experiment {}", &sha256[..12]);
        assert_eq!(compared(&words), (idx, String::new()));
        env.seep(&format!("report {words}")).ok();
    }
    // The latest version with what is asked for.
    let words = format!("--seed {}", first.seed);
    assert_eq!(compared(&words).0, 1);
    let bertscore = "--metric bertscore --embedding-model encoder.gguf --layer 2";
    env.seep(&format!("score {bertscore} --experiment {}", &versions[0]))
        .ok();
    assert_eq!(compared("--metric bertscore"), (0, String::new()));
    let page = env.seep("report --metric bertscore").ok();
    assert!(page.stderr.contains("wrote report.html"), "{}", page.stderr);
}

/// As above, of files that have swapped their names from one version to the next.
#[test]
fn model_files_may_swap_their_names() {
    let env = TestEnv::with_tiny_models();
    let mut experiment = ExperimentFile::tiny(2, 2);
    for files in [["a", "b"], ["b", "a"]] {
        let [x, y] = files.map(|file| format!("{{path: {file}.gguf, name: "));
        experiment.models = vec![format!("{x}x}}"), format!("{y}y}}")];
        env.experiment(&experiment);
        env.seep("run x.yaml").ok();
    }
    let digests = |words: &str| {
        let report = env.seep(&format!("compare x y {words} --format json"));
        let report = report.ok().json();
        [0, 1].map(|idx| report["conditions"][idx]["sha256"].clone())
    };
    let record = env.record(DB);
    let versions = record.column::<String>("SELECT sha256 FROM experiments ORDER BY id");
    let [a, b] = digests(&format!("--experiment {}", versions[0]));
    assert_ne!(a, b);
    assert_eq!(digests(""), [b, a]);
}

/// Two verdicts were compared whatever their signatures, and nothing was said where their logits had been computed
/// differently.
#[test]
fn leaks_that_were_computed_differently_are_not_compared_silently() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(2, 2).models(&["a.gguf", "b.gguf"]));
    env.seep("run x.yaml").ok();
    assert_eq!(env.seep("compare a b").ok().stderr, "");
    let database = rusqlite::Connection::open(env.path(DB)).unwrap();
    let change = |sql: &str| assert_eq!(database.execute(sql, []).unwrap(), 1, "{sql}");
    change(
        "INSERT INTO numerics (schedule, llama_cpp_version) SELECT schedule, 'other' FROM numerics WHERE id = 1",
    );
    change(
        "UPDATE conditions SET numerics_id = (SELECT max(id) FROM numerics)
         WHERE model_id = (SELECT id FROM models WHERE label = 'b')",
    );
    let said = env.seep("compare a b").ok().stderr;
    let expected = "a:F32 and b:F32 were computed by different arithmetic: llama.cpp ";
    assert!(said.starts_with(expected), "{said}");
    let json = env.seep("compare a b --format json").ok().json();
    let note = json["numerics_note"].as_str().unwrap();
    assert_eq!(format!("{note}\n"), said);
    env.seep("report -o page.html").ok();
    let page = std::fs::read_to_string(env.path("page.html")).unwrap();
    assert!(page.contains(expected));
    change("UPDATE conditions SET signature = 'other' WHERE id = (SELECT max(id) FROM conditions)");
    for command in ["compare a b", "report"] {
        let refused = env.seep(command).with_code(2);
        let expected =
            "error: the leaks of these models were found with different signatures\nhint: ";
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
}

/// An annotator called `all` looked like the row of everybody together, and a line break in a name broke the table.
#[test]
fn an_annotator_is_not_called_as_everybody_together() {
    let env = TestEnv::filled();
    for name in ["all", "an\nna"] {
        let mut command = env.command("annotate read anna.csv --db filled.sqlite --annotator");
        let ran = env.run(command.arg(name));
        assert_eq!(ran.exit_code, Some(2), "{}", ran.stderr);
        let said = "no annotator can be called ";
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
}
