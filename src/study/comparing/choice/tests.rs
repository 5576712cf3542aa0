//! What the words of the command line mean, and every message about words that mean nothing.

use super::*;
use crate::digest::Digest;
use crate::generation::Method;
use crate::store::{NewExperiment, NewModel, Numerics, NumericsId, Store};

/// Rows whose ids the sets refer to: two versions of `colors`, one `foods`; three models and an encoder.
struct Rows {
    experiments: [ExperimentId; 3],
    models: [ModelId; 4],
    condition: crate::store::ConditionId,
}

const EXPERIMENTS: [(&str, &str); 3] = [("colors", "1"), ("colors", "2"), ("foods", "3")];
const MODELS: [(&str, &str); 4] = [
    ("qwen", "Q4_K_M"),
    ("qwen", "Q2_K"),
    ("smol", "F16"),
    ("mini", "F32"),
];

fn rows() -> Rows {
    let mut store = Store::open_in_memory().unwrap();
    let experiments = EXPERIMENTS.map(|(name, yaml)| {
        let new = NewExperiment {
            sha256: Digest::of(yaml.as_bytes()),
            name,
            question: "",
            yaml,
            extended_yaml: None,
            pairs_sha256: None,
        };
        store.register_experiment(&new).unwrap()
    });
    let models = MODELS.map(|(label, quantization)| {
        let new = NewModel {
            sha256: Digest::of(quantization.as_bytes()),
            label,
            quantization,
            path: "a.gguf".as_ref(),
            architecture: "qwen2",
            n_parameters: 1,
            bits_per_weight: 4.5,
            size_bytes: 1,
            metadata: "{}",
            composition: "{}",
            derivation: None,
        };
        store.register_model(&new).unwrap()
    });
    let condition = store.register_condition(&key(experiments[0], models[0], models[3]));
    Rows {
        experiments,
        models,
        condition: condition.unwrap(),
    }
}

fn key(experiment: ExperimentId, model: ModelId, embedding_model: ModelId) -> ConditionKey {
    ConditionKey {
        experiment,
        model,
        sampling: SamplingId::UNKNOWN,
        seed: 1,
        method: Method::Repeats,
        numerics: NumericsId::UNKNOWN,
        metric: METRIC.to_owned(),
        embedding_model,
        signature: String::new(),
    }
}

/// A set of an experiment and a model by their places above.
fn set(rows: &Rows, experiment: usize, model: usize) -> StoredCondition {
    let (name, yaml) = EXPERIMENTS[experiment];
    let (label, quantization) = MODELS[model];
    StoredCondition {
        id: rows.condition,
        key: key(
            rows.experiments[experiment],
            rows.models[model],
            rows.models[3],
        ),
        experiment_name: name.to_owned(),
        experiment_sha256: Digest::of(yaml.as_bytes()).to_string(),
        label: label.to_owned(),
        quantization: quantization.to_owned(),
        model_sha256: Digest::of(quantization.as_bytes()).to_string(),
        bits_per_weight: Some(4.5),
        requantized_from: None,
        sampling_values: "unknown".to_owned(),
        sampling_label: String::new(),
        numerics: Numerics {
            schedule: String::new(),
            llama_cpp_version: String::new(),
            logits_sha256: None,
        },
        n_leaks: 1,
    }
}

/// A set of the first experiment by another metric and with another seed.
fn with(rows: &Rows, model: usize, metric: &str, seed: u64) -> StoredCondition {
    let mut set = set(rows, 0, model);
    set.key.metric = metric.to_owned();
    set.key.seed = seed;
    set
}

fn wanted<'a>(conditions: &'a [&'a str]) -> Wanted<'a> {
    Wanted {
        conditions,
        experiment: None,
        metric: None,
        seed: None,
    }
}

fn error(sets: &[StoredCondition], wanted: Wanted<'_>) -> String {
    choose(sets, wanted).unwrap_err().to_string()
}

#[test]
fn conditions_are_named_in_several_ways() {
    let rows = rows();
    let sets = [0, 1, 2].map(|model| set(&rows, 0, model));
    let digest = &sets[1].model_sha256[..8];
    for words in [
        ["qwen:Q4_K_M", "qwen:q2_k", "smol"],
        ["QWEN:q4_k_m", digest, "smol:F16"],
    ] {
        let choice = choose(&sets, wanted(&words)).unwrap();
        let names: Vec<String> = choice.sets.iter().map(|set| condition_name(set)).collect();
        assert_eq!(names, ["qwen:Q4_K_M", "qwen:Q2_K", "smol:F16"]);
        assert!(choice.notes.is_empty());
    }
}

#[test]
fn wrong_conditions_are_explained() {
    let rows = rows();
    let sets = [0, 1, 2].map(|model| set(&rows, 0, model));
    let cases: [(&[&str], &str); 5] = [
        (
            &["qwen:Q4_K", "smol"],
            "no leaks are stored of the model `qwen:Q4_K`\nhint: did you mean `qwen:Q4_K_M`? there are leaks of qwen:Q2_K, qwen:Q4_K_M, smol:F16",
        ),
        (
            &["llama", "smol"],
            "no leaks are stored of the model `llama`\nhint: there are leaks of qwen:Q2_K, qwen:Q4_K_M, smol:F16",
        ),
        (
            &["smoll", "qwen:Q2_K"],
            "no leaks are stored of the model `smoll`\nhint: did you mean `smol`? there are leaks of qwen:Q2_K, qwen:Q4_K_M, smol:F16",
        ),
        (
            &["qwen", "smol"],
            "`qwen` has several quantizations: qwen:Q2_K, qwen:Q4_K_M\nhint: name one of them",
        ),
        (
            &["smol", "smol:F16"],
            "`smol:F16` is named twice\nhint: name different conditions",
        ),
    ];
    for (conditions, expected) in cases {
        assert_eq!(error(&sets, wanted(conditions)), expected);
    }
    let mut twin = set(&rows, 0, 2);
    twin.key.model = rows.models[3];
    twin.model_sha256 = "0123456789abcdef".to_owned();
    let [smol, qwen] = [set(&rows, 0, 2), set(&rows, 0, 0)];
    let message = error(&[twin, smol, qwen], wanted(&["smol", "qwen"]));
    assert!(
        message.contains("name one by its sha256: 0123456789ab, "),
        "{message}"
    );
}

#[test]
fn the_latest_version_of_one_experiment_is_chosen() {
    let rows = rows();
    let two = |experiment| [0, 1].map(|model| set(&rows, experiment, model)).to_vec();
    let versions = [two(0), two(1), vec![set(&rows, 2, 0)]].concat();
    let words = ["qwen:Q4_K_M", "qwen:Q2_K"];
    let choice = choose(&versions, wanted(&words)).unwrap();
    assert_eq!(choice.sets[0].key.experiment, rows.experiments[1]);
    assert!(
        choice.notes[0].contains("in 2 versions"),
        "{:?}",
        choice.notes
    );
    let first = &versions[0].experiment_sha256[..12];
    let experiment = Some(first);
    let choice = choose(
        &versions,
        Wanted {
            experiment,
            ..wanted(&words)
        },
    )
    .unwrap();
    assert_eq!(choice.sets[0].key.experiment, rows.experiments[0]);
    assert!(choice.notes.is_empty());
    let several = [two(0), two(2)].concat();
    let message = "several experiments have leaks of these models: colors, foods\nhint: choose one with `--experiment`";
    assert_eq!(error(&several, wanted(&words)), message);
    let experiment = Some("food");
    let message = "no leaks are stored of the experiment `food`\nhint: did you mean `foods`? there are leaks of colors, foods";
    assert_eq!(
        error(
            &several,
            Wanted {
                experiment,
                ..wanted(&words)
            }
        ),
        message
    );
    let apart = [set(&rows, 0, 0), set(&rows, 2, 1)];
    let message = error(&apart, wanted(&words));
    assert!(
        message.starts_with(
            "no experiment has leaks of all of these models:\n  qwen:Q4_K_M: colors ("
        ),
        "{message}"
    );
}

#[test]
fn metric_and_seed_are_those_that_all_have() {
    let rows = rows();
    let words = ["qwen:Q4_K_M", "qwen:Q2_K"];
    let with = |model, metric, seed| with(&rows, model, metric, seed);
    let sets = [
        with(0, "sbert", 1),
        with(0, "sbert", 2),
        with(1, "sbert", 2),
        with(1, "bertscore", 2),
    ];
    let choice = choose(&sets, wanted(&words)).unwrap();
    assert!(
        choice
            .sets
            .iter()
            .all(|set| set.key.metric == "sbert" && set.key.seed == 2)
    );
    let metric = Some("bertscore");
    let message = "no leaks are stored of all of these models by the metric `bertscore`\nhint: all of these models have sbert";
    assert_eq!(
        error(
            &sets,
            Wanted {
                metric,
                ..wanted(&words)
            }
        ),
        message
    );
    let seed = Some(1);
    let message =
        "no leaks are stored of all of these models with the seed 1\nhint: all of them have 2";
    assert_eq!(
        error(
            &sets,
            Wanted {
                seed,
                ..wanted(&words)
            }
        ),
        message
    );
}

#[test]
fn an_open_choice_is_left_to_the_user() {
    let rows = rows();
    let words = ["qwen:Q4_K_M", "qwen:Q2_K"];
    let with = |model, metric, seed| with(&rows, model, metric, seed);
    let both = [
        with(0, "sbert", 1),
        with(0, "sbert", 2),
        with(1, "sbert", 2),
        with(1, "sbert", 1),
    ];
    let message = "there are several seeds: 1, 2\nhint: choose one with `--seed`";
    assert_eq!(error(&both, wanted(&words)), message);
    let none = [with(0, "sbert", 1), with(1, "sbert", 2)];
    assert!(error(&none, wanted(&words)).starts_with("the models have no seed in common"));
    let none = [with(0, "a", 1), with(1, "b", 1)];
    assert!(error(&none, wanted(&words)).starts_with("no metric has been computed for all"));
    let several = [
        with(0, "a", 1),
        with(1, "a", 1),
        with(0, "b", 1),
        with(1, "b", 1),
    ];
    assert!(error(&several, wanted(&words)).starts_with("there are several metrics: a, b"));
    let mut mixed = [with(0, "a", 1), with(1, "a", 1)];
    mixed[1].key.embedding_model = rows.models[0];
    assert!(error(&mixed, wanted(&words)).contains("different embedding models"));
}
