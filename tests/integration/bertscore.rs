//! BERTScore and the encoders it uses, on a tiny DistilBERT that the tests write.
//!
//! Owns the comparison with the values that transformers and bert_score computed on the very same folder; they lie in
//! `tests/data/distilbert-tiny.json`, which names the programs.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use seep::digest::Digest;
use seep::embedding::Embedder;
use seep::embedding::wordpiece::WordPieceTokenizer;
use seep::gguf::{Gguf, check_encoder, convert_encoder_to_layer};
use seep::llama::{Model, Weights};
use serde_json::Value;

use crate::harness::TestEnv;
use crate::real_models::{data, numbers, turn};
use crate::tiny::{N_DISTILBERT_BLOCKS, write_distilbert_folder};

const N_TOKENS_MAX: usize = 64;
/// Largest difference of a component of a unit vector: llama.cpp takes GELU from a table of 16-bit numbers.
const COMPONENT_DIFFERENCE_MAX: f64 = 5e-4;
const SCORE_DIFFERENCE_MAX: f64 = 5e-4;

/// The folder of the DistilBERT, and what other programs computed with it.
fn write_distilbert(folder: &Path) -> Value {
    fs::create_dir_all(folder).unwrap();
    write_distilbert_folder(folder);
    let data = data("distilbert-tiny.json");
    let weights = fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(
        data["weights_sha256"],
        Digest::of(&weights).to_string(),
        "the reference values belong to other weights"
    );
    data
}

#[test]
fn hidden_states_of_a_distilbert_are_those_of_transformers() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let data = write_distilbert(dir.path());
    crate::harness::serve_models();
    let cases = data["texts"].as_array().unwrap();
    let texts: Vec<String> = cases
        .iter()
        .map(|case| case["text"].as_str().unwrap().to_owned())
        .collect();
    let tokenizer =
        WordPieceTokenizer::from_file(&dir.path().join("tokenizer.json"), N_TOKENS_MAX).unwrap();
    for layer in 1..=N_DISTILBERT_BLOCKS {
        let path = dir.path().join(format!("{layer}.gguf"));
        convert_encoder_to_layer(dir.path(), &path, "tiny", layer as u32).unwrap();
        check_encoder(&Gguf::read(&path).unwrap()).unwrap();
        let model = Model::load(&path, Weights::Mapped).unwrap();
        let embedder = Embedder::new(&model, tokenizer.clone(), 1).unwrap();
        let embedded = embedder.embed_tokens(&texts, &AtomicBool::new(false), &|_| {});
        for (tokens, case) in embedded.unwrap().unwrap().iter().zip(cases) {
            let ids: Vec<u32> = numbers(&case["ids"]);
            assert_eq!(
                tokenizer.encode(case["text"].as_str().unwrap()).unwrap(),
                ids
            );
            let expected: Vec<Vec<f64>> =
                serde_json::from_value(case["hidden_states"][layer.to_string()].clone()).unwrap();
            assert_eq!(tokens.len(), expected.len());
            for (ours, theirs) in tokens.iter().zip(&expected) {
                let difference = largest_difference(ours.as_slice(), theirs);
                assert!(
                    difference < COMPONENT_DIFFERENCE_MAX,
                    "layer {layer}: {difference}"
                );
            }
        }
    }
}

/// Between a unit vector and another vector divided by its length.
fn largest_difference(ours: &[f32], theirs: &[f64]) -> f64 {
    let length = theirs.iter().map(|x| x * x).sum::<f64>().sqrt();
    let differences = ours
        .iter()
        .zip(theirs)
        .map(|(&a, b)| (f64::from(a) - b / length).abs());
    differences.fold(0.0, f64::max)
}

/// From a file of generations to stored similarities, through the command line.
#[test]
fn scores_are_those_of_bert_score() {
    let env = TestEnv::empty();
    let data = write_distilbert(&env.path("distil"));
    let cases = data["bertscore"].as_array().unwrap();
    let text = |case: &Value, name: &str| case[name].as_str().unwrap().to_owned();
    let mut lines = String::new();
    for (idx, case) in cases.iter().enumerate() {
        let (concept, generation) = (text(case, "candidate"), text(case, "reference"));
        let control =
            serde_json::json!({"prompt": format!("It is {idx}"), "generation": [generation]});
        let test = serde_json::json!({
            "prompt": format!("{concept} is {idx}"), "generation": [generation], "n_control": 2 * idx, "concept": concept
        });
        lines.push_str(&format!("{control}\n{test}\n"));
    }
    env.write("a.jsonl", &lines);
    env.seep("import a.jsonl --experiment e").ok();
    let metrics = [
        ("bertscore", "f1"),
        ("bertscore-precision", "precision"),
        ("bertscore-recall", "recall"),
    ];
    let flags = metrics
        .map(|(metric, _)| format!("--metric {metric}"))
        .join(" ");
    let ran = env
        .seep(&format!(
            "score {flags} --embedding-model distil --layer 2 --threads 1 --format json"
        ))
        .ok();
    let record = env.record("db/seep.sqlite");
    for (metric, part) in metrics {
        let similarities = record.column::<f64>(&format!(
            "SELECT similarity_test FROM v_leaks WHERE metric = '{metric}' ORDER BY pair_idx"
        ));
        assert_eq!(similarities.len(), cases.len());
        for (ours, case) in similarities.iter().zip(cases) {
            let theirs = case[part].as_f64().unwrap();
            assert!(
                (ours - theirs).abs() < SCORE_DIFFERENCE_MAX,
                "{metric} {ours}: {case}"
            );
        }
    }
    // A generation is as close as itself.
    let json = ran.json();
    assert_eq!(json.as_array().unwrap().len(), metrics.len());
    assert_eq!(json[0]["leak_rates"][0]["n_tied"], cases.len());
    let signature = json[0]["signature"].as_str().unwrap();
    assert!(
        signature.starts_with("bertscore_distil_L2_no-idf_round3_sha256="),
        "{signature}"
    );
    assert_eq!(
        record.value::<String>("SELECT min(signature) FROM conditions WHERE metric = 'bertscore'"),
        signature
    );
    assert!(env.path("distil/distil-f32-layer2.gguf").exists());
    let wrong = env
        .seep("score --metric bertscore --embedding-model distil --layer 4")
        .with_code(2);
    assert_eq!(
        wrong.stderr,
        "error: `distil/config.json`: has no layer 4: its layers are 1 to 3\n"
    );
    let whole = env
        .seep("score --metric bertscore --embedding-model distil/distil-f32-layer2.gguf --layer 1")
        .with_code(2);
    assert!(whole.stderr.starts_with("error: `distil/distil-f32-layer2.gguf` has 2 layers, and a GGUF file is used as a whole\nhint: "), "{}", whole.stderr);
}
