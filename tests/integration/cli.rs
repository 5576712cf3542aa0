//! The rest of the command line: help, JSON, `plan`, `models`.
//!
//! Owns what programs and people find there. What a run makes is tested in `run`, what mistakes print in `mistakes`.

use serde_json::{Value, json};

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;
use crate::record::Record;

const DB: &str = "db/seep.sqlite";

/// The words that begin the lines of the commands in a help.
fn commands(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| !line.is_empty())
        // A line that goes on with a description is indented deeper.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

#[test]
fn help_lists_the_commands() {
    let env = TestEnv::empty();
    let help = env.seep("--help").ok();
    let expected = [
        "run",
        "plan",
        "import",
        "score",
        "compare",
        "replicate",
        "drift",
        "report",
        "models",
        "list",
        "show",
        "export",
        "annotate",
        "bench",
        "completions",
        "man",
        "help",
    ];
    assert_eq!(commands(&help.stdout), expected);
    let bare = env.seep("").with_code(2);
    assert_eq!(commands(&bare.stderr), expected);
    let models = env.seep("models --help").ok();
    let expected = [
        "list", "fetch", "verify", "show", "derive", "check", "devices", "help",
    ];
    assert_eq!(commands(&models.stdout), expected);
    let run = env.seep("run --help --threads 1").ok();
    for flag in [
        "--models",
        "--limit",
        "--repeats",
        "--seed",
        "--db",
        "--threads",
        "--offline",
        "--format",
        "--models-dir",
    ] {
        assert!(
            run.stdout.contains(&format!("{flag} <")) || flag == "--offline",
            "{flag}"
        );
        assert!(run.stdout.contains(flag), "{flag}");
    }
    let version = env.seep("--version").ok();
    assert_eq!(
        version.stdout,
        format!("seep {}\n", env!("CARGO_PKG_VERSION"))
    );
}

/// Rate, pairs, ties and echoes of one model, of one category or of all, from the table `leaks`.
fn recomputed(record: &Record, model: &str, category: Option<&str>) -> (f64, u64, u64, u64) {
    let pairs = format!(
        "FROM v_leaks WHERE model = '{model}' AND {}",
        category.map_or("true".to_owned(), |category| format!(
            "category = '{category}'"
        ))
    );
    let verdicts = record.column::<f64>(&format!("SELECT leak {pairs}"));
    let echoes = record.column::<u32>(&format!("SELECT is_echo {pairs}"));
    let n_tied = verdicts.iter().filter(|verdict| **verdict == 0.5).count();
    let mean = verdicts.iter().sum::<f64>() / verdicts.len() as f64;
    (
        100.0 * mean,
        verdicts.len() as u64,
        n_tied as u64,
        echoes.iter().sum::<u32>().into(),
    )
}

#[test]
fn json_is_one_document_with_the_figures_of_the_database() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(4, 4).models(&["a.gguf", "b.gguf"]));
    let ran = env.seep("run x.yaml --format json").ok();
    let document = ran.json();
    let record = env.record(DB);
    let rates = document["leak_rates"].as_array().unwrap();
    let categories = [
        None,
        Some("color-to-other"),
        Some("color-to-color"),
        Some("expression-to-color"),
    ];
    assert_eq!(rates.len(), 2 * categories.len());
    let expected = ["a", "b"]
        .iter()
        .flat_map(|model| categories.map(|category| (model, category)));
    for (rate, (model, category)) in rates.iter().zip(expected) {
        let (mean, n_pairs, n_tied, n_echoes) = recomputed(&record, model, category);
        assert_eq!(rate["model"], *model);
        assert_eq!(rate["quantization"], "F32");
        assert_eq!(rate["metric"], "sbert");
        assert_eq!(rate["category"], json!(category));
        assert!(
            (rate["mean_leak_rate"].as_f64().unwrap() - mean).abs() < 1e-9,
            "{rate} {mean}"
        );
        assert_eq!(rate["n_pairs"], n_pairs);
        assert_eq!(rate["n_tied"], n_tied);
        assert_eq!(rate["n_echoes"], n_echoes);
        if let Some(interval) = rate["interval"].as_object() {
            let bounds = ["lower", "upper"].map(|name| interval[name].as_f64().unwrap());
            assert!(bounds[0] <= mean && mean <= bounds[1], "{rate}");
        }
    }
    assert_eq!(rates[0]["n_pairs"], 17 * 25);
    assert_eq!(document["database"], DB);
    assert_eq!(
        document["run_id"],
        record.value::<i64>("SELECT max(id) FROM runs")
    );
    let again = env.seep("run x.yaml --format json").ok().json();
    assert_eq!(again["leak_rates"], document["leak_rates"]);
}

#[test]
fn plan_counts_and_makes_nothing() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(4, 4).models(&["a.gguf", "b.gguf"]));
    let before = env.files();
    let plan = env.seep("plan x.yaml --format json").ok().json();
    assert_eq!(plan["n_prompts"], 22);
    assert_eq!(plan["n_prompt_pairs"], 17);
    assert_eq!(plan["n_repeats"], 5);
    let counts = |plan: &Value| {
        ["n_generations", "n_stored", "n_missing"].map(|name| plan["models"][0][name].clone())
    };
    assert_eq!(counts(&plan), [110, 0, 110]);
    let cost = |plan: &Value| plan["models"][0]["cost"].clone();
    assert_eq!(cost(&plan)["seconds_from"], "warm-up");
    assert_eq!(cost(&plan)["n_tokens_max"], 110 * 10);
    assert!(cost(&plan)["seconds"].as_f64().unwrap() > 0.0);
    let comparison = |plan: &Value| plan["comparisons"][0].clone();
    assert_eq!(comparison(&plan)["basis"], "prior");
    // Five control prompts: no sign-flip test can reject at 5 %, whatever the difference.
    assert!(comparison(&plan)["detectable_points"].is_null());
    assert_eq!(plan["n_filler_prompts"], 0);
    assert_eq!(plan["n_pairs_with_siblings"], 16);
    assert_eq!(comparison(&plan)["siblings_basis"], "prior");
    for name in ["specificity", "specific_leakage"] {
        let error = &comparison(&plan)[format!("{name}_standard_error")];
        assert!(error.as_f64().unwrap() > 0.0, "{plan}");
    }
    let mut after = env.files();
    after.retain(|name| name != "shelf/.hashes.json");
    assert_eq!(after, before);
    env.seep("run x.yaml --limit 3").ok();
    let n_stored = env.n_generations(DB) / 2;
    let plan = env.seep("plan x.yaml --format json").ok().json();
    assert_eq!(counts(&plan), [110, n_stored, 110 - n_stored]);
    env.seep("run x.yaml").ok();
    let plan = env
        .seep("plan x.yaml --format json --repeats 6")
        .ok()
        .json();
    assert_eq!(counts(&plan), [132, 110, 22]);
    assert_eq!(cost(&plan)["seconds_from"], "run 2");
    assert_eq!(comparison(&plan)["basis"], "stored");
    assert_eq!(comparison(&plan)["siblings_basis"], "stored");
    assert_eq!(comparison(&plan)["n_stored"], 17 * 25);
    let plan = env.seep("plan x.yaml").ok();
    for expected in [
        "Time 0.0 s, without loading",
        "found with a power of 80 %",
        "17 prompt pairs, 22 distinct prompts",
        "\n4 templates x 4 of 4 concepts, each concept 4 times, each pair of concepts together 4 times\n",
        "425 stored verdicts each",
        "over 16 of 17 pairs, which have siblings",
    ] {
        assert!(plan.stdout.contains(expected), "{}", plan.stdout);
    }
    let alone = env.seep("plan x.yaml --models a").ok();
    assert!(
        alone
            .stdout
            .contains("There is one model, so nothing to compare."),
        "{}",
        alone.stdout
    );
}

#[test]
fn models_of_the_manifest_are_listed() {
    let env = TestEnv::empty();
    let listed = env.seep("models list").ok().stdout;
    for [name, quantization] in [
        ["qwen2.5-coder-0.5b-instruct", "Q4_K_M"],
        ["qwen2.5-coder-1.5b-instruct", "Q4_K_M"],
        ["smollm2-135m-instruct", "Q4_1"],
        ["all-minilm-l6-v2", "F32"],
    ] {
        let is_row = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.starts_with(&[name, quantization]) && words.ends_with(&["no"])
        };
        assert!(
            listed.lines().any(is_row),
            "{name} {quantization}:\n{listed}"
        );
    }
    let verified = env.seep("models verify").ok();
    assert_eq!(verified.stderr, "none of these models is here\n");
    assert_eq!(verified.stdout, "");
    assert_eq!(env.files(), Vec::<String>::new());
}

#[test]
fn damaged_model_is_found_by_verify() {
    let env = TestEnv::empty();
    let folder = env.path("shelf/smollm2-135m-instruct");
    std::fs::create_dir_all(folder).unwrap();
    env.write(
        "shelf/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf",
        "GGUF",
    );
    let verified = env.seep("models verify smollm2-135m-instruct").with_code(2);
    let said = "it has 4 bytes instead of 98362432";
    assert!(verified.stdout.contains(said), "{}", verified.stdout);
    assert_eq!(
        verified.stderr,
        "error: 1 of the model files are not as published or as they were made\n"
    );
}

#[test]
fn model_file_is_shown() {
    let env = TestEnv::with_tiny_models();
    let shown = env.seep("models show a.gguf").ok().stdout;
    for line in [
        "file             a.gguf",
        "architecture     qwen2",
        "bits per weight  32.00 measured",
        "context          512 tokens",
        "usable           yes, to generate",
        "chat template:",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}:\n{shown}");
    }
    let encoder = env.seep("models show encoder.gguf").ok().stdout;
    assert!(
        encoder.contains("usable           yes, as an embedding model\n"),
        "{encoder}"
    );
    let missing = env.seep("models show c.gguf").with_code(2);
    assert_eq!(missing.stderr, "error: there is no file `c.gguf`\n");
    let misspelt = env.seep("models show smollm2-135-instruct").with_code(2);
    let said = "error: no model is named `smollm2-135-instruct`\nhint: did you mean `smollm2-135m-instruct`?\n";
    assert_eq!(misspelt.stderr, said);
}
