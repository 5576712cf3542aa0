//! Sweeps and presets: conditions that are kept apart everywhere, and what a preset that has no values prints.

use std::collections::BTreeSet;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;
use crate::record::{assert_part, assert_same};

const DB: &str = "db/seep.sqlite";
/// Distinct prompts of [`small`], five times each.
const N_EACH: usize = 10 * 5;

/// Two templates, three concepts and a pair: 10 prompts.
fn small() -> ExperimentFile {
    ExperimentFile::tiny(2, 3)
}

fn swept() -> ExperimentFile {
    small()
        .models(&["a.gguf", "b.gguf"])
        .with_value("temperature", "[0.5, 1]")
}

#[test]
fn sweep_runs_each_model_once_for_all_its_samplings() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&swept());
    let ran = env.seep("run x.yaml").ok();
    let count = |text: &str| ran.stderr.lines().filter(|line| *line == text).count();
    assert_eq!((count("a F32: loading"), count("b F32: loading")), (1, 1));
    let n_checks = ran.stderr.matches("independence of neighbours").count();
    assert_eq!(n_checks, 2, "{}", ran.stderr);
    let rows: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| line.contains(" all   ") && line.contains("32.00"))
        .collect();
    let samplings: Vec<Option<&str>> = rows
        .iter()
        .map(|row| row.split(' ').find(|word| word.starts_with("temperature=")))
        .collect();
    let (half, one) = (Some("temperature=0.5"), Some("temperature=1.0"));
    assert_eq!(samplings, [half, one, half, one], "{}", ran.stdout);
    let record = env.record(DB);
    record.check_integrity();
    assert_eq!(record.n_generations(), 4 * N_EACH);
    // Row 0 stands for the unknown sampling of imported generations.
    assert_eq!(
        record.value::<i64>("SELECT count(*) FROM samplings WHERE id != 0"),
        2
    );
    assert_eq!(
        record.value::<i64>("SELECT count(*) FROM leaks"),
        4 * 7 * 25
    );
    let strays: i64 = record.value(
        "SELECT count(*) FROM v_leaks JOIN samplings ON samplings.id = sampling_id
             JOIN generations ON generations.id IN (test_generation_id, control_generation_id)
         WHERE generations.temperature != samplings.temperature",
    );
    assert_eq!(strays, 0);
    let labels = record
        .column::<String>("SELECT sampling_label FROM run_models ORDER BY model_id, sampling_id");
    let expected = ["temperature=0.5", "temperature=1.0"];
    assert_eq!(labels, [expected, expected].concat());
}

/// The texts of a condition are those it has alone, and what is made for one experiment serves another.
#[test]
fn sweep_makes_what_its_conditions_make_alone() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&swept());
    env.seep("run x.yaml").ok();
    let all = env.record(DB).rows();
    for temperature in ["0.5", "1.0"] {
        let alone = small()
            .models(&["a.gguf", "b.gguf"])
            .with_value("temperature", temperature);
        env.experiment(&alone);
        env.seep("run x.yaml --db alone.sqlite").ok();
        let again = env.seep("run x.yaml --format json").ok();
        assert_eq!(again.made_and_reused(), (0, N_EACH as u64));
        assert!(!again.stdout.contains("temperature="), "{}", again.stdout);
    }
    let alone = env.record("alone.sqlite").rows();
    assert_same(&alone, &all);
    assert_part(&alone, &all);
}

#[test]
fn json_writes_every_value_out() {
    let env = TestEnv::with_tiny_models();
    let experiment = small().with_value("repetition_penalty", "[1.0, 1.1]");
    env.experiment(&experiment);
    let json = env.seep("run x.yaml --format json").ok().json();
    let conditions = json["models"].as_array().unwrap();
    let penalties: Vec<_> = conditions
        .iter()
        .map(|condition| {
            condition["sampling"]["repetition_penalty"]
                .as_f64()
                .unwrap()
        })
        .collect();
    assert_eq!(penalties, [1.0, 1.1]);
    assert_eq!(conditions[0]["sampling"]["stop"], "sentence_end");
    let labels: BTreeSet<&str> = json["leak_rates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rate| rate["sampling"].as_str().unwrap())
        .collect();
    let expected = ["repetition_penalty=1.0", "repetition_penalty=1.1"];
    assert_eq!(labels, BTreeSet::from(expected));
    let plan = env
        .seep("plan x.yaml --format json --repeats 6")
        .ok()
        .json();
    let counts = ["n_generations", "n_stored"].map(|name| plan["models"][0][name].clone());
    assert_eq!(counts, [2 * 60, 2 * 50]);
}

/// Two samplings of one file are compared by name, and no drift of the file from itself is shown.
#[test]
fn samplings_of_one_model_are_compared() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&small().with_value("temperature", "[0.5, 1]"));
    env.seep("run x.yaml").ok();
    let conditions = ["a:F32 temperature=0.5", "a:F32 temperature=1.0"];
    let compared = env.run(env.command("compare").args(conditions)).ok();
    let heading = format!("against {} ", conditions[0]);
    assert!(compared.stdout.contains(&heading), "{}", compared.stdout);
    assert!(!compared.stdout.contains("Drift"), "{}", compared.stdout);
}

#[test]
fn preset_is_written_out_in_the_record() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile {
        probabilities: "  preset: transformers-defaults\n  temperature: 0.5\n".to_owned(),
        ..small()
    });
    env.seep("run x.yaml").ok();
    let record = env.record(DB);
    let preset: String = record.value("SELECT DISTINCT preset FROM run_models");
    assert_eq!(preset, "transformers-defaults");
    let label: String = record.value("SELECT label FROM samplings");
    assert_eq!(
        label,
        "temperature=0.5 top_k=50 top_p=1.0 min_p=0.0 repetition_penalty=1.0 max_tokens=10 stop=sentence_end draws=gumbel_max"
    );
    assert_eq!(
        record.value::<u32>("SELECT DISTINCT top_k FROM generations"),
        50
    );
}

#[test]
fn model_without_defaults_is_refused() {
    let env = TestEnv::with_tiny_models();
    let mut experiment = ExperimentFile {
        probabilities: "  preset: model-defaults\n".to_owned(),
        ..small()
    };
    let coder = "{name: qwen2.5-coder-0.5b-instruct, quantizations: [Q4_K_M]}";
    experiment.models = vec!["{path: a.gguf}".to_owned(), coder.to_owned()];
    env.experiment(&experiment);
    let ran = env.seep("run x.yaml").with_code(2);
    insta::assert_snapshot!(ran.stderr, @r"
    error: nobody recommends sampling values for the file `a`
      --> x.yaml:13:12
       |
    13 |   - {path: a.gguf}
       |            ^^^^^^
       |
      ::: x.yaml:7:11
       |
     7 |   preset: model-defaults
       |           -------------- which this preset asks for
       |
       = hint: write every sampling value out, or leave the model to an experiment of its own

    error: the manifest has no sampling values of `qwen2.5-coder-0.5b-instruct`
      --> x.yaml:14:12
       |
    14 |   - {name: qwen2.5-coder-0.5b-instruct, quantizations: [Q4_K_M]}
       |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
      ::: x.yaml:7:11
       |
     7 |   preset: model-defaults
       |           -------------- which this preset asks for
       |
       = hint: write every sampling value out, or leave the model to an experiment of its own

    2 problems in x.yaml; nothing was run
    ");
}
