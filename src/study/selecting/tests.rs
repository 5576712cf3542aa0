//! What the words of the command line mean, what is taken where nothing is asked for, and every message about either.

use super::*;
use crate::digest::Digest;
use crate::generation::{EnumerationParams, Method, SamplingParams, StopRule};
use crate::store::{
    ConditionId, ConditionKey, ModelId, NewExperiment, NewModel, Numerics, NumericsId, SamplingId,
};

/// Two versions of `colors`, and `foods`.
const EXPERIMENTS: [(&str, &str); 3] = [("colors", "1"), ("colors", "2"), ("foods", "3")];
/// Three models and an encoder.
const MODELS: [(&str, &str, f64); 4] = [
    ("qwen", "Q4_K_M", 4.5),
    ("qwen", "Q8_0", 8.5),
    ("smol", "F16", 16.0),
    ("mini", "F32", 32.0),
];
const METHODS: [Method; 3] = [
    Method::Repeats,
    Method::Exact(EnumerationParams {
        coverage: 0.9,
        max_rows_per_prompt: 40,
        n_tail_draws: 3,
    }),
    Method::Exact(EnumerationParams {
        coverage: 0.99,
        max_rows_per_prompt: 400,
        n_tail_draws: 3,
    }),
];

/// Rows that conditions refer to.
struct Rows {
    store: Store,
    experiments: [ExperimentId; 3],
    models: [ModelId; 4],
    samplings: [SamplingId; 2],
    numerics: [NumericsId; 2],
}

impl Rows {
    fn new() -> Self {
        let mut store = Store::open_in_memory().unwrap();
        Self {
            experiments: EXPERIMENTS.map(|(name, yaml)| {
                let new = NewExperiment {
                    sha256: Digest::of(yaml.as_bytes()),
                    name,
                    question: "",
                    yaml,
                    extended_yaml: None,
                    pairs_sha256: None,
                };
                store.register_experiment(&new).unwrap()
            }),
            models: MODELS.map(|(label, quantization, bits_per_weight)| {
                let new = NewModel {
                    sha256: Digest::of(quantization.as_bytes()),
                    label,
                    quantization,
                    path: "a.gguf".as_ref(),
                    architecture: "qwen2",
                    n_parameters: 1,
                    bits_per_weight,
                    size_bytes: 1,
                    metadata: "{}",
                    composition: "{}",
                    derivation: None,
                };
                store.register_model(&new).unwrap()
            }),
            samplings: [0.5, 1.0].map(|temperature| {
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
            }),
            numerics: ["strict", "wide"].map(|schedule| {
                let numerics = numerics(schedule);
                store.register_numerics(&numerics).unwrap()
            }),
            store,
        }
    }

    /// A condition of an experiment and a model by their places above, with what `change` makes of its key.
    fn with(
        &mut self,
        experiment: usize,
        model: usize,
        change: impl FnOnce(&mut ConditionKey),
    ) -> StoredCondition {
        let mut key = ConditionKey {
            experiment: self.experiments[experiment],
            model: self.models[model],
            sampling: self.samplings[0],
            seed: 1,
            method: METHODS[0],
            numerics: self.numerics[0],
            metric: "sbert".to_owned(),
            embedding_model: self.models[3],
            signature: String::new(),
        };
        change(&mut key);
        let (experiment_name, yaml) = EXPERIMENTS[experiment];
        let (label, quantization, bits) = MODELS[model];
        let is_wide = key.numerics == self.numerics[1];
        StoredCondition {
            id: self.store.register_condition(&key).unwrap(),
            key,
            experiment_name: experiment_name.to_owned(),
            experiment_sha256: Digest::of(yaml.as_bytes()).to_string(),
            label: label.to_owned(),
            quantization: quantization.to_owned(),
            model_sha256: Digest::of(quantization.as_bytes()).to_string(),
            bits_per_weight: Some(bits),
            requantized_from: None,
            sampling_values: "unknown".to_owned(),
            sampling_label: String::new(),
            numerics: numerics(if is_wide { "wide" } else { "strict" }),
            n_leaks: 10,
        }
    }

    fn set(&mut self, experiment: usize, model: usize) -> StoredCondition {
        self.with(experiment, model, |_| {})
    }

    /// A condition of the first experiment by a metric and with a seed.
    fn of(&mut self, model: usize, metric: &str, seed: u64) -> StoredCondition {
        self.with(0, model, |key| {
            key.metric = metric.to_owned();
            key.seed = seed;
        })
    }

    fn with_method(&mut self, experiment: usize, model: usize, method: usize) -> StoredCondition {
        self.with(experiment, model, |key| key.method = METHODS[method])
    }
}

fn numerics(schedule: &str) -> Numerics {
    Numerics {
        schedule: schedule.to_owned(),
        llama_cpp_version: String::new(),
        logits_sha256: None,
    }
}

/// The first two models, as they are named.
const BOTH: [&str; 2] = ["qwen:Q4_K_M", "qwen:Q8_0"];

fn experiment(word: &str) -> Selection {
    Selection {
        experiment: Some(word.to_owned()),
        ..Selection::default()
    }
}

fn metric(word: &str) -> Selection {
    Selection {
        metric: Some(word.to_owned()),
        ..Selection::default()
    }
}

fn seed(seed: u64) -> Selection {
    Selection {
        seed: Some(seed),
        ..Selection::default()
    }
}

fn rates(kind: RateKind) -> Selection {
    Selection {
        rates: Some(kind),
        ..Selection::default()
    }
}

/// The ids of what is chosen and the number of notes, or the message.
type Found = Result<(Vec<ConditionId>, usize), String>;

fn found(selected: anyhow::Result<Selected<'_>>) -> Found {
    let selected = selected.map_err(|error| error.to_string())?;
    let ids = selected.sets.iter().map(|set| set.id).collect();
    Ok((ids, selected.notes.len()))
}

/// Of named conditions.
fn compared(sets: &[StoredCondition], words: &[&str], selection: &Selection) -> Found {
    found(named(sets, words, selection))
}

/// Of an experiment.
fn reported(sets: &[StoredCondition], selection: &Selection) -> Found {
    found(of_experiment(sets, selection))
}

fn ids<const N: usize>(sets: [&StoredCondition; N], n_notes: usize) -> Found {
    Ok((sets.map(|set| set.id).to_vec(), n_notes))
}

#[track_caller]
fn check_message(found: &Found, expected: &str) {
    let message = found.as_ref().unwrap_err();
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn conditions_are_named_in_several_ways() {
    let mut rows = Rows::new();
    let sets = [0, 1, 2].map(|model| rows.set(0, model));
    let digest = &sets[1].model_sha256[..8];
    for words in [
        ["qwen:Q4_K_M", "qwen:q8_0", "smol"],
        ["QWEN:q4_k_m", digest, "smol:F16"],
    ] {
        let found = compared(&sets, &words, &Selection::default());
        assert_eq!(found, ids([&sets[0], &sets[1], &sets[2]], 0));
    }
    let found = compared(&sets, &["smol", digest], &Selection::default());
    assert_eq!(found, ids([&sets[2], &sets[1]], 0));
    let shown = all(&sets, &["qwen".to_owned()], &Selection::default());
    assert_eq!(found.is_ok(), shown.is_ok_and(|it| it.sets.len() == 2));
}

#[test]
fn words_that_mean_nothing_are_answered_with_what_there_is() {
    let mut rows = Rows::new();
    let sets = [0, 1, 2].map(|model| rows.set(0, model));
    let there = "there are leaks of qwen:Q4_K_M, qwen:Q8_0, smol:F16";
    let cases: [(&[&str], String); 5] = [
        (
            &["qwen:Q4_K", "smol"],
            format!(
                "no leaks are stored of the model `qwen:Q4_K`\nhint: did you mean `qwen:Q4_K_M`? {there}"
            ),
        ),
        (
            &["llama", "smol"],
            format!("no leaks are stored of the model `llama`\nhint: {there}"),
        ),
        (
            &["smoll", "qwen:Q8_0"],
            format!("no leaks are stored of the model `smoll`\nhint: did you mean `smol`? {there}"),
        ),
        (
            &["qwen", "smol"],
            "`qwen` has several quantizations: qwen:Q4_K_M, qwen:Q8_0\nhint: name one of them"
                .to_owned(),
        ),
        (
            &["smol", "smol:F16"],
            "`smol:F16` is named twice\nhint: name different conditions".to_owned(),
        ),
    ];
    for (words, expected) in cases {
        assert_eq!(compared(&sets, words, &Selection::default()), Err(expected));
    }
    let cases = [
        (
            experiment("color"),
            "no leaks are stored of the experiment `color`\nhint: did you mean `colors`? there are leaks of colors",
        ),
        (
            metric("sberd"),
            "no leaks are stored with the metric `sberd`\nhint: did you mean `sbert`? there are sbert",
        ),
        (
            seed(7),
            "no leaks are stored with the seed 7\nhint: there are 1",
        ),
        (
            rates(RateKind::Exact),
            "no exact leaks are stored\nhint: there are leaks of repeats",
        ),
    ];
    for (selection, expected) in cases {
        assert_eq!(reported(&sets, &selection), Err(expected.to_owned()));
        let shown = found(all(&sets, &[], &selection));
        assert_eq!(shown, Err(expected.to_owned()));
    }
}

#[test]
fn files_of_one_name_are_told_by_their_digests() {
    let mut rows = Rows::new();
    let [smol, qwen, mut twin] = [2, 0, 3].map(|model| rows.set(0, model));
    twin.label.clone_from(&smol.label);
    twin.quantization.clone_from(&smol.quantization);
    let digest = twin.model_sha256[..12].to_owned();
    let sets = [twin, smol, qwen];
    let found = compared(&sets, &["smol", "qwen"], &Selection::default());
    let expected =
        "there are several model files of the name `smol:F16`\nhint: name one by its sha256: ";
    check_message(&found, expected);
    let found = compared(&sets, &[&digest, "qwen"], &Selection::default());
    assert_eq!(found, ids([&sets[0], &sets[2]], 0));
}

#[test]
fn the_latest_version_of_one_experiment_is_taken() {
    let mut rows = Rows::new();
    let mut two = |experiment| [0, 1].map(|model| rows.set(experiment, model));
    let ([a1, b1], [a2, b2], [a3, b3]) = (two(0), two(1), two(2));
    let versions = [a1, b1, a2, b2, a3];
    let [a1, b1, a2, b2, a3] = &versions;
    let usual = Selection::default();
    assert_eq!(compared(&versions, &BOTH, &usual), ids([a2, b2], 1));
    let first = experiment(&a1.experiment_sha256[..12]);
    assert_eq!(compared(&versions, &BOTH, &first), ids([a1, b1], 0));
    assert_eq!(reported(&versions, &first), ids([a1, b1], 0));
    assert_eq!(reported(&versions, &usual), ids([a3], 1));
    assert_eq!(reported(&versions, &experiment("colors")), ids([a2, b2], 1));
    // A version that lacks a model is not the latest with both.
    let found = compared(&versions[..3], &BOTH, &usual);
    assert_eq!(found, ids([a1, b1], 0));
    let several = [a1, b1, a3, &b3].map(Clone::clone);
    let expected = "several experiments have leaks of these models: colors, foods\nhint: choose one with `--experiment`";
    assert_eq!(compared(&several, &BOTH, &usual), Err(expected.to_owned()));
    let apart = [a1.clone(), b3];
    let expected = "no experiment has leaks of all of these models:\n  qwen:Q4_K_M: colors (";
    check_message(&compared(&apart, &BOTH, &usual), expected);
}

#[test]
fn a_version_with_what_is_asked_for_comes_first() {
    let mut rows = Rows::new();
    let mut two = |experiment, seed, metric: &str| {
        [0, 1].map(|model| {
            rows.with(experiment, model, |key| {
                key.seed = seed;
                key.metric = metric.to_owned();
            })
        })
    };
    let sets = [
        two(0, 1, "bertscore"),
        two(0, 1, "sbert"),
        two(1, 2, "sbert"),
    ]
    .concat();
    let usual = Selection::default();
    assert_eq!(compared(&sets, &BOTH, &usual), ids([&sets[4], &sets[5]], 1));
    let of_first = ids([&sets[2], &sets[3]], 0);
    assert_eq!(compared(&sets, &BOTH, &seed(1)), of_first);
    assert_eq!(
        reported(&sets, &seed(1)).map(|it| it.0),
        of_first.map(|it| it.0)
    );
    let of_metric = ids([&sets[0], &sets[1]], 0);
    assert_eq!(compared(&sets, &BOTH, &metric("bertscore")), of_metric);
    assert_eq!(reported(&sets, &metric("bertscore")), of_metric);
}

#[test]
fn metric_and_seed_of_named_conditions_are_those_that_all_have() {
    let mut rows = Rows::new();
    let kinds = [
        (0, "sbert", 1),
        (0, "sbert", 2),
        (1, "sbert", 2),
        (1, "bertscore", 2),
    ];
    let sets = kinds.map(|(model, metric, seed)| rows.of(model, metric, seed));
    let usual = Selection::default();
    assert_eq!(compared(&sets, &BOTH, &usual), ids([&sets[1], &sets[2]], 0));
    let cases = [
        (
            metric("bertscore"),
            "no leaks are stored of all of these models with the metric `bertscore`\nhint: all of them have sbert",
        ),
        (
            seed(1),
            "no leaks are stored of all of these models with the seed 1\nhint: all of them have 2",
        ),
    ];
    for (selection, expected) in cases {
        assert_eq!(compared(&sets, &BOTH, &selection), Err(expected.to_owned()));
    }
    let mut message = |kinds: &[(usize, &str, u64)], expected: &str| {
        let sets = kinds
            .iter()
            .map(|(model, metric, seed)| rows.of(*model, metric, *seed));
        let sets: Vec<StoredCondition> = sets.collect();
        check_message(&compared(&sets, &BOTH, &usual), expected);
    };
    message(
        &[
            (0, "sbert", 10),
            (0, "sbert", 2),
            (1, "sbert", 2),
            (1, "sbert", 10),
        ],
        "there are several seeds: 2, 10\nhint: choose one with `--seed`",
    );
    message(
        &[(0, "sbert", 1), (1, "sbert", 2)],
        "these models have no seed in common\n",
    );
    message(
        &[(0, "a", 1), (1, "b", 1)],
        "these models have no metric in common\n",
    );
    message(
        &[(0, "a", 1), (1, "a", 1), (0, "b", 1), (1, "b", 1)],
        "there are several metrics: a, b\nhint: choose one with `--metric`",
    );
}

#[test]
fn sbert_and_the_seed_of_most_are_reported() {
    let mut rows = Rows::new();
    let old = rows.set(0, 0);
    let mut of = |model, metric: &str, seed| {
        rows.with(1, model, |key| {
            key.metric = metric.to_owned();
            key.seed = seed;
        })
    };
    let sets = [
        old,
        of(0, "bertscore", 1),
        of(0, "sbert", 2),
        of(0, "sbert", 1),
        of(1, "sbert", 1),
    ];
    let found = reported(&sets, &Selection::default());
    assert_eq!(found, ids([&sets[3], &sets[4]], 3));
}

#[test]
fn leaks_of_repeats_and_exact_ones_are_not_mixed() {
    let mut rows = Rows::new();
    let usual = Selection::default();
    let apart = [rows.with_method(0, 0, 1), rows.with_method(0, 1, 0)];
    let expected = "an exact rate is not compared with one of repeats: exact leaks alone are stored of `qwen:Q4_K_M`, leaks of repeats alone of `qwen:Q8_0`\n";
    check_message(&compared(&apart, &BOTH, &usual), expected);
    let [a, b] = &apart;
    let both = [a.clone(), b.clone(), rows.with_method(0, 1, 1)];
    // The exact leaks, and what is left out.
    assert_eq!(compared(&both, &BOTH, &usual), ids([a, &both[2]], 1));
    let all = [
        a.clone(),
        b.clone(),
        both[2].clone(),
        rows.with_method(0, 0, 0),
    ];
    let expected = "these conditions have leaks of repeats and exact leaks\nhint: choose with `--rates repeats` or `--rates exact`";
    assert_eq!(compared(&all, &BOTH, &usual), Err(expected.to_owned()));
    let exact = rates(RateKind::Exact);
    assert_eq!(compared(&all, &BOTH, &exact), ids([a, &all[2]], 0));
    assert_eq!(reported(&all, &exact), ids([a, &all[2]], 0));
    assert_eq!(reported(&all, &usual), ids([b, &all[3]], 1));
    let later = [b.clone(), rows.with_method(1, 0, 1)];
    assert_eq!(reported(&later, &usual), ids([&later[1]], 1));
}

#[test]
fn enumerations_are_those_that_most_conditions_have() {
    let mut rows = Rows::new();
    let usual = Selection::default();
    let kinds = [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1)];
    let sets = kinds.map(|(model, method)| rows.with_method(0, model, method));
    assert_eq!(
        compared(&sets[..4], &BOTH, &usual),
        ids([&sets[1], &sets[3]], 1)
    );
    assert_eq!(
        reported(&sets, &usual),
        ids([&sets[0], &sets[2], &sets[4]], 1)
    );
    let apart = [sets[0].clone(), sets[3].clone()];
    let expected = "the continuations of these conditions were enumerated differently far:\n  qwen:Q4_K_M: coverage 0.9, 40 rows, 3 draws of the tail\n  qwen:Q8_0: coverage 0.99, ";
    check_message(&compared(&apart, &BOTH, &usual), expected);
}

#[test]
fn similarities_are_those_that_all_were_given() {
    let mut rows = Rows::new();
    let usual = Selection::default();
    let mut of = |model, signature: &str, n_leaks| {
        let set = rows.with(0, model, |key| key.signature = signature.to_owned());
        StoredCondition { n_leaks, ..set }
    };
    let sets = [
        of(0, "a", 10),
        of(1, "a", 10),
        of(0, "b", 5),
        of(1, "b", 10),
        of(0, "c", 99),
    ];
    let first = ids([&sets[0], &sets[1]], 1);
    assert_eq!(compared(&sets, &BOTH, &usual), first);
    assert_eq!(reported(&sets, &usual), first);
    let apart = [sets[0].clone(), sets[3].clone()];
    let mut mixed = [rows.set(0, 0), rows.set(0, 1)];
    mixed[1].key.embedding_model = mixed[1].key.model;
    for (sets, field) in [(apart, "signatures"), (mixed, "embedding models")] {
        let expected =
            format!("the leaks of these models were found with different {field}\nhint: ");
        check_message(&compared(&sets, &BOTH, &usual), &expected);
        check_message(&reported(&sets, &usual), &expected);
        // Each is shown for itself.
        assert_eq!(found(all(&sets, &[], &usual)), ids([&sets[0], &sets[1]], 0));
    }
}

#[test]
fn another_arithmetic_is_said() {
    let mut rows = Rows::new();
    let usual = Selection::default();
    let numerics = rows.numerics;
    let mut of = |model, idx: usize| rows.with(0, model, |key| key.numerics = numerics[idx]);
    let sets = [of(0, 1), of(0, 0), of(1, 1), of(2, 0)];
    let words = ["qwen:Q4_K_M", "qwen:Q8_0"];
    // Of two ways with as many verdicts the one that all have.
    assert_eq!(
        compared(&sets[..3], &words, &usual),
        ids([&sets[0], &sets[2]], 1)
    );
    let selected = named(&sets[1..], &["qwen:Q4_K_M", "smol", "qwen:Q8_0"], &usual).unwrap();
    let expected =
        "qwen:Q4_K_M and qwen:Q8_0 were computed by different arithmetic: schedule strict and wide";
    assert_eq!(selected.notes, [expected]);
    assert!(is_file_alone(&sets[1], &sets[2]));
    assert!(!is_file_alone(&sets[0], &sets[1]));
}

#[test]
fn each_model_is_compared_with_its_file_of_most_bits() {
    let mut rows = Rows::new();
    let stored = [0, 1, 2].map(|model| rows.set(0, model));
    let sets: Vec<&StoredCondition> = stored.iter().collect();
    assert_eq!(bases(&sets, None).unwrap(), [(1, vec![0])]);
    assert_eq!(bases(&sets[1..], None).unwrap(), [(0, vec![1])]);
    assert_eq!(bases(&sets[..1], None).unwrap(), []);
    for word in ["smol", "SMOL:f16", Digest::of(b"F16").short().as_str()] {
        assert_eq!(
            bases(&sets, Some(word)).unwrap(),
            [(2, vec![0, 1])],
            "{word}"
        );
    }
    let error = bases(&sets, Some("qwen")).unwrap_err().to_string();
    assert!(
        error.starts_with("`qwen` has several quantizations: "),
        "{error}"
    );
}

/// A difference is either one of files or one of sampling values, unless a base is asked for.
#[test]
fn files_are_compared_under_the_same_sampling() {
    let mut rows = Rows::new();
    let samplings = rows.samplings;
    let mut with = |model, idx: usize| rows.with(0, model, |key| key.sampling = samplings[idx]);
    let ladder = [with(0, 0), with(0, 1), with(1, 0), with(1, 1)];
    let sets: Vec<&StoredCondition> = ladder.iter().collect();
    assert_eq!(bases(&sets, None).unwrap(), [(2, vec![0]), (3, vec![1])]);
    // Of a single file the first sampling is the base.
    assert_eq!(bases(&sets[2..], None).unwrap(), [(0, vec![1])]);
}

#[test]
fn other_metrics_are_those_on_the_same_generations() {
    let mut rows = Rows::new();
    let other = rows.numerics[1];
    let kinds = [
        (0, "sbert"),
        (1, "sbert"),
        (0, "bertscore"),
        (1, "bertscore"),
        (1, "x"),
    ];
    let mut stored = kinds
        .map(|(model, metric)| rows.of(model, metric, 1))
        .to_vec();
    for model in [0, 1] {
        stored.push(rows.with(0, model, |key| {
            key.metric = "y".to_owned();
            key.numerics = other;
        }));
    }
    let found = other_metrics(&stored, &[&stored[1], &stored[0]]);
    assert_eq!(found, [[&stored[3], &stored[2]]]);
}
