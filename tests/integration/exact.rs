//! Exact leak rates: enumerations against single evaluations of llama.cpp, and `seep run` with `mode: exact`.
//!
//! Owns the brute force over the whole tree of a tiny model, and what such a run makes, reuses and records. Repeats of
//! a real model against its enumerations are in `real_models`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use seep::digest::Digest;
use seep::engine::{Decoder as _, Enumerator, GroupLimits, Job, Row, Schedule, Vocabulary};
use seep::generation::{
    DrawMethod, Enumeration, EnumerationParams, RequestContext, SamplingParams, StopRule,
};
use seep::llama::{DecoderConfig, LlamaDecoder, Model, Weights};
use seep::sampling::{self, AllowedTokens};
use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;
use crate::real_models::turn;
use crate::tiny::TinyModel;

/// Between products of the same probabilities; a row has the same bits alone and among others.
const PROBABILITY: f64 = 1e-9;

const SAMPLING: SamplingParams = SamplingParams {
    temperature: 0.8,
    top_k: 4,
    top_p: 0.95,
    min_p: 0.0,
    repetition_penalty: 1.1,
    max_tokens: 4,
    stop: StopRule::SentenceEnd,
    draws: DrawMethod::InverseCdf,
};

/// A context for tiny prompts.
fn decoder(model: &Model) -> LlamaDecoder<'_> {
    let config = DecoderConfig {
        n_cells: 2048,
        n_seqs: 64,
        n_rows: Schedule::STRICT.n_rows_max,
        n_threads: 1,
        value_type: Schedule::STRICT.value_type,
    };
    LlamaDecoder::new(model, config).unwrap()
}

fn enumerate(
    decoder: &mut LlamaDecoder<'_>,
    vocabulary: &Vocabulary,
    prompts: &[&[u32]],
    params: &EnumerationParams,
) -> Vec<Enumeration> {
    let context = RequestContext {
        model_sha256: Digest::of(b"tiny"),
        sampling: SAMPLING,
        seed: 1,
        schedule: Schedule::STRICT.name(),
    };
    let requests = prompts
        .iter()
        .map(|&tokens| context.enumeration_request(Arc::from(tokens), params));
    let requests: Vec<_> = requests.collect();
    let cancel = AtomicBool::new(false);
    let job = Job {
        requests: &requests,
        sampling: &SAMPLING,
        seed: 1,
        vocabulary,
        schedule: Schedule::STRICT,
        limits: GroupLimits {
            n_seqs: 64,
            n_cells: 2048,
            n_prompts: 8,
        },
        cancel: &cancel,
        on_progress: &|_| {},
    };
    let mut groups = Enumerator::new(decoder, job, *params);
    let mut found = Vec::new();
    while let Some(outcome) = groups.next_group() {
        assert_eq!(outcome.failed, []);
        found.extend(outcome.answers);
    }
    let place = |enumeration: &Enumeration| {
        requests
            .iter()
            .position(|request| request.id == enumeration.request_id)
    };
    found.sort_by_key(place);
    found
}

/// Rows of one sequence from position `first` on, filled up to a multiple of 8 with rows of another.
fn padded(tokens: &[u32], first: u32, first_padding: u32, output: bool) -> Vec<Row> {
    let row = |token, position, first_seq| Row {
        token,
        position,
        first_seq,
        n_seqs: 1,
        output,
    };
    let rows = tokens.iter().zip(first..);
    let mut rows: Vec<Row> = rows
        .map(|(&token, position)| row(token, position, 2))
        .collect();
    let n_padding = rows.len().next_multiple_of(8) - rows.len();
    rows.extend((0..n_padding as u32).map(|n| row(tokens[0], first_padding + n, 1)));
    rows
}

/// Logits after `tokens`, evaluated with nothing beside them.
fn logits_alone(decoder: &mut LlamaDecoder<'_>, tokens: &[u32]) -> Vec<f32> {
    let (last, before) = tokens.split_last().unwrap();
    decoder.clear();
    let rows = padded(before, 0, 0, false);
    let n_padding = (rows.len() - before.len()) as u32;
    decoder.evaluate(&rows).unwrap();
    let rows = padded(&[*last], before.len() as u32, n_padding, true);
    decoder.evaluate(&rows).unwrap();
    decoder.logits(0).unwrap().to_vec()
}

/// A model with its decoder, to walk its whole tree.
struct Walk<'a, 'm> {
    decoder: LlamaDecoder<'m>,
    vocabulary: &'a Vocabulary,
    prompt: &'a [u32],
    /// The tokens of continuations with their probabilities.
    found: Vec<(Vec<u32>, f64)>,
}

impl Walk<'_, '_> {
    fn follow(&mut self, tokens: &mut Vec<u32>, probability: f64) {
        let seen = [self.prompt, tokens].concat();
        let logits = logits_alone(&mut self.decoder, &seen);
        let allowed = self.vocabulary.allowed();
        let next = sampling::distribution(&logits, allowed, &seen, &SAMPLING).unwrap();
        for (token, share) in next.probabilities() {
            tokens.push(token);
            if self.is_end(tokens) {
                self.found.push((tokens.clone(), probability * share));
            } else {
                self.follow(tokens, probability * share);
            }
            tokens.pop();
        }
    }

    fn is_end(&self, tokens: &[u32]) -> bool {
        let last = tokens[tokens.len() - 1];
        let mark = |byte: &u8| b".!?".contains(byte);
        self.vocabulary.is_eog(last)
            || self.vocabulary.piece(last).iter().any(mark)
            || tokens.len() == SAMPLING.max_tokens as usize
    }
}

fn tiny_model(folder: &Path) -> Model {
    let path = folder.join("tiny.gguf");
    TinyModel::QWEN2.write(&path);
    crate::harness::serve_models();
    Model::load(&path, Weights::Mapped).unwrap()
}

fn vocabulary(model: &Model) -> Vocabulary {
    let tokens = model.vocabulary().unwrap();
    let eog = (0..).zip(&tokens).filter(|(_, token)| token.is_eog);
    let eog: Vec<u32> = eog.map(|(id, _)| id).collect();
    let allowed = AllowedTokens::all(tokens.len());
    let pieces = tokens.into_iter().map(|token| token.bytes).collect();
    Vocabulary::new(pieces, &eog, allowed)
}

#[test]
fn all_continuations_are_those_of_single_evaluations() {
    let folder = tempfile::tempdir().unwrap();
    let _turn = turn();
    let model = tiny_model(folder.path());
    let vocabulary = vocabulary(&model);
    let whole = EnumerationParams {
        coverage: 1.0,
        max_rows_per_prompt: 100_000,
        n_tail_draws: 1,
    };
    let prompts: [&[u32]; 3] = [&[5, 9, 12, 40], &[5, 9, 12, 41, 7], &[5, 9]];
    let found = enumerate(&mut decoder(&model), &vocabulary, &prompts, &whole);
    for (&prompt, found) in prompts.iter().zip(&found) {
        assert_eq!((found.uncovered, found.n_open), (0.0, 0));
        let mut walk = Walk {
            decoder: decoder(&model),
            vocabulary: &vocabulary,
            prompt,
            found: Vec::new(),
        };
        walk.follow(&mut Vec::new(), 1.0);
        let mut expected = walk.found;
        assert!(expected.len() > 50, "{}", expected.len());
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        let mut continuations: Vec<(&[u32], f64)> = found
            .continuations
            .iter()
            .map(|c| (c.tokens.as_slice(), c.logprob.exp()))
            .collect();
        continuations.sort_by(|a, b| a.0.cmp(b.0));
        assert_eq!(continuations.len(), expected.len());
        for (found, expected) in continuations.iter().zip(&expected) {
            assert_eq!(found.0, expected.0);
            assert!(
                (found.1 - expected.1).abs() < PROBABILITY,
                "{found:?}, {expected:?}"
            );
        }
    }
}

#[test]
fn neighbours_change_no_bit_of_an_enumeration() {
    let folder = tempfile::tempdir().unwrap();
    let _turn = turn();
    let model = tiny_model(folder.path());
    let vocabulary = vocabulary(&model);
    // Too few rows for the coverage, so that the tail is drawn from as well.
    let some = EnumerationParams {
        coverage: 0.99,
        max_rows_per_prompt: 9,
        n_tail_draws: 3,
    };
    let prompts: [&[u32]; 5] = [
        &[5, 9, 12, 40],
        &[5, 9, 12, 41, 7],
        &[5, 9],
        &[5, 8, 8],
        &[5, 60, 61, 62, 63, 64],
    ];
    let together = enumerate(&mut decoder(&model), &vocabulary, &prompts, &some);
    assert!(
        together
            .iter()
            .any(|enumeration| enumeration.n_tail_rows > 0)
    );
    for (prompt, expected) in prompts.iter().zip(&together) {
        let alone = enumerate(&mut decoder(&model), &vocabulary, &[prompt], &some);
        assert_eq!(alone, std::slice::from_ref(expected));
    }
}

/// Three templates and a pair, enumerated within few rows.
fn exact_text() -> String {
    exact_text_of(&["a.gguf"])
}

/// The same under several models.
fn exact_text_of(models: &[&str]) -> String {
    let experiment = ExperimentFile {
        max_tokens: 4,
        ..ExperimentFile::tiny(3, 3)
    };
    experiment.models(models).text().replace(
        "  top_k: 0\n",
        "  top_k: 8\n  mode: exact\n  coverage: 0.9\n  max_rows_per_prompt: 40\n",
    )
}

fn continuations(env: &TestEnv, db: &str) -> Vec<String> {
    env.record(db).column(
        "SELECT json_array(request_id, continuation_idx, continuations.text, continuations.tokens, logprob, tail_draw_idx)
         FROM continuations JOIN enumerations ON enumerations.id = enumeration_id ORDER BY request_id, continuation_idx",
    )
}

#[test]
fn an_exact_run_is_recorded_and_made_once() {
    let env = TestEnv::with_tiny_models();
    env.write("x.yaml", &exact_text());
    let json = env.seep("run x.yaml --format json").ok().json();
    let record = env.record("db/seep.sqlite");
    record.check_integrity();
    assert_eq!(record.n_generations(), 0);
    // Nine filled templates with three controls, and the pair.
    assert_eq!(record.value::<u32>("SELECT count(*) FROM enumerations"), 14);
    assert_eq!(record.value::<u32>("SELECT count(*) FROM exact_leaks"), 10);
    let uncovered = "SELECT max(abs(1 - uncovered - covered)) FROM enumerations JOIN
        (SELECT enumeration_id, sum(probability) AS covered FROM continuations WHERE tail_draw_idx IS NULL GROUP BY 1)
        ON enumeration_id = id";
    assert!(record.value::<f64>(uncovered) < 1e-9);
    let rate = &json["exact_leak_rates"][0];
    let number = |name: &str| rate[name].as_f64().unwrap();
    assert_eq!(rate["n_pairs"].as_u64(), Some(10));
    assert!(number("lower") <= number("mean_leak_rate"));
    assert!(number("mean_leak_rate") <= number("upper"));
    let mean: f64 = record.value("SELECT 100 * avg(leak_probability) FROM exact_leaks");
    assert!((mean - number("mean_leak_rate")).abs() < 1e-9);
    let again = env.seep("run x.yaml --format json").ok();
    assert_eq!(again.made_and_reused(), (0, 14));
    assert_eq!(again.json()["exact_leak_rates"], json["exact_leak_rates"]);
    let plan = env.seep("plan x.yaml --format json").ok().json();
    assert_eq!(plan["models"][0]["n_stored"].as_u64(), Some(14));
    let table = env.seep("run x.yaml").ok().stdout;
    assert!(
        table.contains("certainly") && table.contains("within 40 rows"),
        "{table}"
    );
}

#[test]
fn part_of_the_prompts_gives_the_same_enumerations() {
    let env = TestEnv::with_tiny_models();
    env.write("x.yaml", &exact_text());
    env.seep("run x.yaml --db whole.sqlite").ok();
    env.seep("run x.yaml --db part.sqlite --limit 3").ok();
    let whole = continuations(&env, "whole.sqlite");
    let part = continuations(&env, "part.sqlite");
    assert!(!part.is_empty() && part.len() < whole.len());
    assert!(part.iter().all(|row| whole.contains(row)));
    env.seep("run x.yaml --db part.sqlite").ok();
    assert_eq!(continuations(&env, "part.sqlite"), whole);
}

/// A sweep of enumerations loads a model once, names its conditions, and makes what each of them makes alone.
#[test]
fn a_sweep_of_exact_runs_names_its_conditions() {
    let env = TestEnv::with_tiny_models();
    let swept = exact_text().replace("temperature: 0.5\n", "temperature: [0.5, 1]\n");
    assert!(swept.contains("[0.5, 1]"), "{swept}");
    env.write("x.yaml", &swept);
    let ran = env.seep("run x.yaml --db swept.sqlite").ok();
    let count = |text: &str| ran.stderr.matches(text).count();
    assert_eq!(
        (count(": loading\n"), count("independence of neighbours")),
        (1, 1),
        "{}",
        ran.stderr
    );
    let rows = ran.stdout.lines();
    let rows = rows.filter(|line| line.contains(" all   ") && line.contains("32.00"));
    let samplings: Vec<Option<&str>> = rows
        .map(|row| row.split(' ').find(|word| word.starts_with("temperature=")))
        .collect();
    let expected = ["temperature=0.5", "temperature=1.0"];
    assert_eq!(samplings, expected.map(Some), "{}", ran.stdout);
    let json = env
        .seep("run x.yaml --db swept.sqlite --format json")
        .ok()
        .json();
    let rates = json["exact_leak_rates"].as_array().unwrap();
    let overall = rates.iter().filter(|rate| rate["category"].is_null());
    let samplings: Vec<Option<&str>> = overall.map(|rate| rate["sampling"].as_str()).collect();
    assert_eq!(samplings, expected.map(Some), "{json}");
    let examples = json["exact_examples"].as_array().unwrap();
    let is_named = |example: &Value| example["model"].as_str().unwrap().contains("temperature=");
    assert!(
        !examples.is_empty() && examples.iter().all(is_named),
        "{json}"
    );

    let all = continuations(&env, "swept.sqlite");
    env.write("x.yaml", &exact_text());
    env.seep("run x.yaml --db alone.sqlite").ok();
    let alone = continuations(&env, "alone.sqlite");
    assert!(!alone.is_empty() && alone.len() < all.len());
    assert!(alone.iter().all(|row| all.contains(row)));
}

/// A plan takes what is stored of both models for what the comparison will find.
#[test]
fn a_plan_goes_by_stored_leak_probabilities() {
    let env = TestEnv::with_tiny_models();
    env.write("x.yaml", &exact_text_of(&["a.gguf", "b.gguf"]));
    let comparison = || env.seep("plan x.yaml --format json").ok().json()["comparisons"][0].clone();
    assert_eq!(comparison()["basis"], "prior");
    env.seep("run x.yaml").ok();
    let found = comparison();
    assert_eq!(found["basis"], "stored");
    assert_eq!(found["n_stored"], 10);
    assert_eq!(found["is_exact"], true);
    assert!(found["standard_error"].as_f64().unwrap() > 0.0, "{found}");
    let table = env.seep("plan x.yaml").ok().stdout;
    for expected in [
        "14 distinct prompts, exact: coverage 0.9 within 40 rows a prompt",
        "enumerations",
        "10 stored leak probabilities each",
    ] {
        assert!(table.contains(expected), "{table}");
    }
}
