//! One test for each fault that was found in use, with its story.

use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;

const DB: &str = "db/seep.sqlite";

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
