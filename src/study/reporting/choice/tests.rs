//! What is shown and what it is compared with, and every message about words that mean nothing.

use super::*;
use crate::digest::Digest;
use crate::generation::{Method, SamplingParams, StopRule};
use crate::store::{
    ConditionId, ConditionKey, ExperimentId, ModelId, NewExperiment, NewModel, Numerics,
    NumericsId, SamplingId, Store,
};

const MODELS: [(&str, &str); 4] = [
    ("qwen", "Q4_0"),
    ("qwen", "Q8_0"),
    ("smol", "F16"),
    ("mini", "F32"),
];

/// Ids of rows: two experiments, and the models above.
fn ids() -> ([ExperimentId; 2], [ModelId; 4], ConditionId) {
    let mut store = Store::open_in_memory().unwrap();
    let experiments = ["1", "2"].map(|yaml| {
        let new = NewExperiment {
            sha256: Digest::of(yaml.as_bytes()),
            name: "colors",
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
    (experiments, models, condition.unwrap())
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

fn set(experiment: usize, model: usize, metric: &str, seed: u64) -> StoredCondition {
    let (experiments, models, id) = ids();
    let (label, quantization) = MODELS[model];
    StoredCondition {
        id,
        key: ConditionKey {
            metric: metric.to_owned(),
            seed,
            ..key(experiments[experiment], models[model], models[3])
        },
        experiment_name: "colors".to_owned(),
        experiment_sha256: Digest::of((experiment + 1).to_string().as_bytes()).to_string(),
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
        n_leaks: 10,
    }
}

/// Ids of two samplings.
fn samplings() -> [SamplingId; 2] {
    let mut store = Store::open_in_memory().unwrap();
    [0.5, 1.0].map(|temperature| {
        let sampling = SamplingParams {
            temperature,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            max_tokens: 10,
            stop: StopRule::SentenceEnd,
        };
        store.register_sampling(&sampling).unwrap()
    })
}

fn args() -> Selection {
    Selection::default()
}

fn repeats(stored: &[StoredCondition]) -> Kinds<'_> {
    Kinds {
        repeats: stored,
        exact: &[],
    }
}

fn chosen(stored: &[StoredCondition], args: &Selection) -> (Vec<String>, usize) {
    let choice = choose(repeats(stored), args).unwrap();
    let name = |set: &&StoredCondition| {
        format!(
            "{} {} {}",
            condition_name(set),
            set.key.metric,
            set.key.seed
        )
    };
    (choice.sets.iter().map(name).collect(), choice.notes.len())
}

#[test]
fn the_latest_experiment_its_sbert_and_its_most_used_seed_are_shown() {
    let stored = [
        set(0, 0, "sbert", 1),
        set(1, 0, "bertscore", 1),
        set(1, 0, "sbert", 1),
        set(1, 1, "sbert", 1),
        set(1, 1, "sbert", 2),
    ];
    let expected = vec![
        "qwen:Q4_0 sbert 1".to_owned(),
        "qwen:Q8_0 sbert 1".to_owned(),
    ];
    assert_eq!(chosen(&stored, &args()), (expected, 3));
    let asked = Selection {
        metric: Some("bertscore".to_owned()),
        seed: Some(1),
        experiment: Some(Digest::of(b"2").short()),
        ..args()
    };
    assert_eq!(
        chosen(&stored, &asked),
        (vec!["qwen:Q4_0 bertscore 1".to_owned()], 0)
    );
}

#[test]
fn each_model_is_compared_with_its_file_of_most_bits() {
    let stored = [
        set(0, 0, "sbert", 1),
        set(0, 1, "sbert", 1),
        set(0, 2, "sbert", 1),
    ];
    let sets: Vec<&StoredCondition> = stored.iter().collect();
    let bits = [Some(4.5), Some(8.5), Some(16.0)];
    assert_eq!(bases(&sets, &bits, None).unwrap(), [(1, vec![0])]);
    assert_eq!(bases(&sets[1..], &bits[1..], None).unwrap(), [(0, vec![1])]);
    assert_eq!(bases(&sets[..1], &bits[..1], None).unwrap(), []);
    for word in ["smol", "SMOL:f16", Digest::of(b"F16").short().as_str()] {
        assert_eq!(
            bases(&sets, &bits, Some(word)).unwrap(),
            [(2, vec![0, 1])],
            "{word}"
        );
    }
}

/// A difference is either one of files or one of sampling values, unless a base is asked for.
#[test]
fn files_are_compared_under_the_same_sampling() {
    let [one, two] = samplings();
    let with = |model: usize, sampling: SamplingId| {
        let mut set = set(0, model, "sbert", 1);
        set.key.sampling = sampling;
        set
    };
    let ladder = [with(0, one), with(0, two), with(1, one), with(1, two)];
    let sets: Vec<&StoredCondition> = ladder.iter().collect();
    let bits = [Some(4.5), Some(4.5), Some(8.5), Some(8.5)];
    let found = bases(&sets, &bits, None).unwrap();
    assert_eq!(found, [(2, vec![0]), (3, vec![1])]);
    // Of a single file the first sampling is the base.
    let found = bases(&sets[2..], &bits[2..], None).unwrap();
    assert_eq!(found, [(0, vec![1])]);
}

#[test]
fn words_that_mean_nothing_are_answered_with_what_there_is() {
    let stored = [set(0, 0, "sbert", 1), set(0, 1, "sbert", 1)];
    let sets: Vec<&StoredCondition> = stored.iter().collect();
    let message = |args: Selection| choose(repeats(&stored), &args).unwrap_err().to_string();
    let of_base = |word: &str| {
        bases(&sets, &[None, None], Some(word))
            .unwrap_err()
            .to_string()
    };
    let cases = [
        (
            message(Selection {
                experiment: Some("color".to_owned()),
                ..args()
            }),
            "no leaks are stored of the experiment `color`\nhint: did you mean `colors`? there are leaks of colors",
        ),
        (
            message(Selection {
                metric: Some("sberd".to_owned()),
                ..args()
            }),
            "no leaks are stored by the metric `sberd`\nhint: did you mean `sbert`? there are sbert",
        ),
        (
            message(Selection {
                seed: Some(7),
                ..args()
            }),
            "no leaks are stored with the seed 7\nhint: there are 1",
        ),
        (
            of_base("qwen:Q8"),
            "no leaks are stored of the model `qwen:Q8`\nhint: did you mean `qwen:Q8_0`? there are leaks of qwen:Q4_0, qwen:Q8_0",
        ),
        (
            of_base("qwen"),
            "`qwen` names several conditions: qwen:Q4_0, qwen:Q8_0\nhint: name one of them",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn similarities_of_different_embedding_models_are_not_mixed() {
    let mut stored = [set(0, 0, "sbert", 1), set(0, 1, "sbert", 1)];
    stored[1].key.embedding_model = stored[1].key.model;
    let found = choose(repeats(&stored), &args()).unwrap_err().to_string();
    assert!(found.contains("with different embedding models"), "{found}");
}

#[test]
fn the_kind_of_rates_of_the_latest_experiment_is_shown() {
    let (old, new) = ([set(0, 0, "sbert", 1)], [set(1, 0, "sbert", 1)]);
    let kind = |repeats, exact, rates| {
        let args = Selection { rates, ..args() };
        let choice = choose(Kinds { repeats, exact }, &args).unwrap();
        (choice.kind, choice.notes.len())
    };
    assert_eq!(kind(&[], &old, None), (RateKind::Exact, 0));
    assert_eq!(kind(&old, &[], None), (RateKind::Repeats, 0));
    assert_eq!(kind(&old, &new, None), (RateKind::Exact, 0));
    assert_eq!(kind(&new, &old, None), (RateKind::Repeats, 0));
    // One experiment with both: those of repeats, and a note.
    assert_eq!(kind(&new, &new, None), (RateKind::Repeats, 1));
    let asked = Some(RateKind::Exact);
    assert_eq!(kind(&new, &new, asked), (RateKind::Exact, 0));
    let args = Selection {
        rates: asked,
        ..args()
    };
    let found = choose(repeats(&old), &args).unwrap_err().to_string();
    assert!(
        found.starts_with("no exact leaks are stored\nhint: "),
        "{found}"
    );
}
