//! Real models, fetched by the product: what a generation depends on, what embeddings and tokens ought to be.
//!
//! Owns the comparison with itself (bit by bit, in other company and after an interruption) and with the values that
//! transformers and sentence-transformers computed, which lie in `tests/data`. A model that cannot be fetched fails
//! its tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use seep::embedding::wordpiece::WordPieceTokenizer;
use seep::embedding::{Embedder, Embedding, N_TOKENS_MAX};
use seep::gguf::Gguf;
use seep::llama::{Model, Weights};
use seep::prompt::{ChatTemplate, Tokenizer};
use serde_json::Value;
use statrs::distribution::{ChiSquared, ContinuousCDF as _};

use crate::harness::{TestEnv, checkout_shelf};
use crate::record::{Rows, assert_part, assert_same};

/// Enough prompts and repeats for two groups, so that an interruption falls between them.
const WHOLE: &str = "--limit 16 --repeats 20";
const COSINE_MIN: f64 = 0.9999;

/// Real models take both cores and some memory, and llama.cpp is initialised once, so one test has them at a time.
static TURN: Mutex<()> = Mutex::new(());

pub(crate) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fetches a model through the product, unless it is there; its path.
fn fetch(name: &str, quantization: &str) -> PathBuf {
    let output = Command::new(env!("CARGO_BIN_EXE_seep"))
        .args(["models", "fetch", name, quantization, "--models-dir"])
        .arg(checkout_shelf())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cannot fetch {name}: {said}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end())
}

/// The colours on SmolLM2, run in a folder of their own.
struct Colors {
    env: TestEnv,
}

/// What one undisturbed run stored.
///
/// It computes on one thread, as all runs but one: other tests run beside it, and two threads of llama.cpp without a
/// processor each are many times slower than one.
static REFERENCE: LazyLock<(Colors, Rows)> = LazyLock::new(|| {
    let colors = Colors::new();
    let rows = colors.rows("reference.sqlite", WHOLE);
    (colors, rows)
});

impl Colors {
    fn new() -> Self {
        fetch("smollm2-135m-instruct", "Q4_1");
        fetch("all-minilm-l6-v2", "F32");
        let env = TestEnv::empty();
        let colors = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/colors-full.yaml");
        let text = format!(
            "name: colors-small\nextends: {}\nconcepts: [yellow, red, purple, green, blue, pink, black, white, brown, orange, gray]\nconcept_families: {{}}\nmodels:\n  - {{name: smollm2-135m-instruct, quantizations: [Q4_1]}}\n",
            colors.display()
        );
        env.write("x.yaml", &text);
        Self { env }
    }

    fn arguments(&self, db: &str, flags: &str) -> String {
        let shelf = checkout_shelf();
        format!(
            "run x.yaml --offline --models-dir {} --db {db} {flags}",
            shelf.display()
        )
    }

    /// Runs the experiment on this database; every run's self-check has to say that neighbours change nothing.
    fn rows(&self, db: &str, flags: &str) -> Rows {
        let ran = self.env.seep(&self.arguments(db, flags)).ok();
        let said = "independence of neighbours: bitwise (";
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        self.env.record(db).rows()
    }
}

#[test]
fn part_of_the_prompts_gives_the_same_generations() {
    let _turn = turn();
    let (colors, reference) = &*REFERENCE;
    let some = colors.rows("some.sqlite", "--limit 5");
    assert!((6 * 5..reference.len()).contains(&some.len()));
    assert_part(&some, reference);
}

#[test]
fn two_threads_give_the_same_generations() {
    let _turn = turn();
    let (colors, reference) = &*REFERENCE;
    let two = colors.rows("two.sqlite", "--limit 4 --threads 2");
    assert!(two.len() > 4 * 5);
    assert_part(&two, reference);
}

/// All but one generation are stored already, so the last is made alone.
#[test]
fn lonely_request_gives_the_same_generation() {
    let _turn = turn();
    let (colors, reference) = &*REFERENCE;
    let db = "lonely.sqlite";
    fs::copy(colors.env.path("reference.sqlite"), colors.env.path(db)).unwrap();
    for prompt_idx in [3, 20] {
        let connection = Connection::open(colors.env.path(db)).unwrap();
        let lonely = format!(
            "DELETE FROM leaks; DELETE FROM generations WHERE repeat_idx = 3 AND prompt_id =
             (SELECT DISTINCT prompt_id FROM generations ORDER BY prompt_id LIMIT 1 OFFSET {prompt_idx})"
        );
        connection.execute_batch(&lonely).unwrap();
        drop(connection);
        assert_eq!(colors.env.n_generations(db), reference.len() - 1);
        assert_same(&colors.rows(db, WHOLE), reference);
    }
}

#[test]
fn interrupted_run_gives_the_same_generations() {
    let _turn = turn();
    let (colors, reference) = &*REFERENCE;
    let db = "interrupted.sqlite";
    let mut running = colors.env.start(&colors.arguments(db, WHOLE));
    running.wait_until("the first group is stored", || {
        colors.env.n_generations(db) > 0
    });
    running.interrupt();
    running.finish().with_code(130);
    let record = colors.env.record(db);
    assert_eq!(record.statuses(), ["cancelled"]);
    assert!(record.n_generations() < reference.len());
    assert_part(&record.rows(), reference);
    assert_same(&colors.rows(db, WHOLE), reference);
    let whole = colors.env.record("reference.sqlite");
    assert_eq!(record.leaks(), whole.leaks());
}

/// Few enough continuations that each is drawn often.
const PEAKED: &str = "\
sampling:
  temperature: 0.7
  top_k: 5
  top_p: 0.9
  min_p: 0.0
  repetition_penalty: 1.1
  max_tokens: 3
  stop: sentence_end
  repeats: 2000
  seed: 7
";
/// The level of the goodness-of-fit test: a right program fails with this probability for a new seed.
const FIT_LEVEL: f64 = 1e-3;
/// Continuations that are expected less often than this are counted together, as Pearson's test needs it.
const EXPECTED_MIN: f64 = 10.0;

/// 2,000 repeats of each of three prompts against the enumerated probabilities: Pearson's chi-squared test.
#[test]
fn repeats_are_drawn_from_the_enumerated_distribution() {
    let _turn = turn();
    let colors = Colors::new();
    let extended = fs::read_to_string(colors.env.path("x.yaml")).unwrap();
    let db = "fit.sqlite";
    colors.env.write("x.yaml", &(extended.clone() + PEAKED));
    let repeats = colors.rows(db, "--limit 2");
    let exact = "  mode: exact\n  coverage: 0.9999\n  max_rows_per_prompt: 1000\n";
    colors.env.write("x.yaml", &(extended + PEAKED + exact));
    colors.env.seep(&colors.arguments(db, "--limit 2")).ok();
    let record = colors.env.record(db);
    let prompts: Vec<String> = record.column(
        "SELECT DISTINCT user_message FROM prompts JOIN enumerations ON prompt_id = prompts.id ORDER BY 1",
    );
    assert!(prompts.len() >= 3);
    for prompt in &prompts[..3] {
        let of_prompt = repeats.values().filter(|row| row.prompt == *prompt);
        let drawn: Vec<&str> = of_prompt.map(|row| row.tokens.as_str()).collect();
        let p_value = fit(&record.token_probabilities(prompt), &drawn);
        assert!(p_value > FIT_LEVEL, "{p_value} for {prompt:?}");
    }
}

/// The p-value of Pearson's chi-squared test that `drawn` come from `probabilities`.
fn fit(probabilities: &[(String, f64)], drawn: &[&str]) -> f64 {
    let n = drawn.len() as f64;
    let (mut statistic, mut n_cells) = (0.0, 0);
    let (mut rare_found, mut rare_expected) = (n, n);
    for (tokens, probability) in probabilities {
        let expected = n * probability;
        if expected >= EXPECTED_MIN {
            let found = drawn.iter().filter(|other| **other == tokens).count() as f64;
            statistic += (found - expected).powi(2) / expected;
            n_cells += 1;
            rare_found -= found;
            rare_expected -= expected;
        }
    }
    assert!(n_cells > 3, "the prompt has too few continuations");
    if rare_expected >= EXPECTED_MIN {
        statistic += (rare_found - rare_expected).powi(2) / rare_expected;
        n_cells += 1;
    }
    ChiSquared::new(f64::from(n_cells - 1))
        .unwrap()
        .sf(statistic)
}

pub(crate) fn data(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn numbers<T: for<'de> serde::Deserialize<'de>>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

/// That the tokens of texts and of chats are those of transformers.
fn check_tokens(path: &Path, name: &str) {
    let gguf = Gguf::read(path).unwrap();
    let tokenizer = Tokenizer::from_gguf(&gguf).unwrap();
    let template = ChatTemplate::from_gguf(&gguf, jiff::civil::date(2026, 11, 28)).unwrap();
    assert!(tokenizer.is_own());
    let no_engine = |text: &str| -> Vec<u32> { panic!("llama.cpp is asked for {text:?}") };
    let data = data(name);
    for case in data["plain"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let run = tokenizer.tokenize_plain(text, &no_engine).unwrap();
        assert_eq!(run.tokens(), numbers::<u32>(&case["ids"]), "{text:?}");
    }
    for list in ["chats", "special_content"] {
        for case in data[list].as_array().unwrap() {
            let user = case["user"].as_str().unwrap();
            let rendering = template.render(case["system"].as_str(), user).unwrap();
            assert_eq!(rendering.text(), case["text"].as_str().unwrap());
            let prompt = tokenizer.tokenize(&rendering, &no_engine).unwrap();
            assert_eq!(prompt.tokens(), numbers::<u32>(&case["ids"]), "{user:?}");
        }
    }
}

#[test]
fn tokens_of_qwen_are_those_of_transformers() {
    let _turn = turn();
    let path = fetch("qwen2.5-coder-0.5b-instruct", "Q4_K_M");
    check_tokens(&path, "qwen2.5-tokens.json");
}

#[test]
fn tokens_of_smollm_are_those_of_transformers() {
    let _turn = turn();
    check_tokens(
        &fetch("smollm2-135m-instruct", "Q4_1"),
        "smollm2-tokens.json",
    );
}

/// The tokenizer of the published folder, and the one made of the converted file.
fn word_pieces(path: &Path) -> [WordPieceTokenizer; 2] {
    let n_tokens_max = N_TOKENS_MAX as usize;
    let published = path.parent().unwrap().join("tokenizer.json");
    [
        WordPieceTokenizer::from_file(&published, n_tokens_max).unwrap(),
        WordPieceTokenizer::from_gguf(&Gguf::read(path).unwrap(), n_tokens_max).unwrap(),
    ]
}

#[test]
fn tokens_of_minilm_are_those_of_transformers() {
    let _turn = turn();
    let path = fetch("all-minilm-l6-v2", "F32");
    for tokenizer in word_pieces(&path) {
        for case in data("minilm-tokens.json")["plain"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            assert_eq!(
                tokenizer.encode(text).unwrap(),
                numbers::<u32>(&case["ids"]),
                "{text:?}"
            );
        }
    }
}

fn embed(embedder: &Embedder<'_>, texts: &[String]) -> Vec<Embedding> {
    let embedded = embedder.embed(texts, &AtomicBool::new(false), &|_| {});
    embedded.unwrap().unwrap()
}

fn cosine(ours: &Embedding, theirs: &[f64]) -> f64 {
    let norm = theirs.iter().map(|x| x * x).sum::<f64>().sqrt();
    let ours = ours.as_slice().iter().map(|&x| f64::from(x));
    ours.zip(theirs).map(|(a, b)| a * b).sum::<f64>() / norm
}

#[test]
fn embeddings_are_those_of_sentence_transformers_whatever_is_beside_them() {
    let _turn = turn();
    let path = fetch("all-minilm-l6-v2", "F32");
    crate::harness::serve_models();
    let model = Model::load(&path, Weights::Mapped).unwrap();
    let embedder = |n_threads| {
        let [tokenizer, _] = word_pieces(&path);
        Embedder::new(&model, tokenizer, n_threads).unwrap()
    };
    let data = data("minilm-embeddings.json");
    let cases = data["embeddings"].as_array().unwrap();
    let texts: Vec<String> = cases
        .iter()
        .map(|case| case["text"].as_str().unwrap().to_owned())
        .collect();
    assert!(texts.len() > 20);
    let together = embed(&embedder(2), &texts);
    for (ours, case) in together.iter().zip(cases) {
        let cosine = cosine(ours, &numbers::<f64>(&case["vector"]));
        assert!(cosine >= COSINE_MIN, "{cosine} for {}", case["text"]);
    }
    let single = embedder(1);
    for (text, expected) in texts.iter().zip(&together) {
        let alone = embed(&single, std::slice::from_ref(text));
        assert_eq!(alone, std::slice::from_ref(expected), "{text:?} alone");
    }
    for step in 2..5 {
        let indexes: Vec<usize> = (0..texts.len()).rev().step_by(step).collect();
        let some: Vec<String> = indexes.iter().map(|&idx| texts[idx].clone()).collect();
        for (idx, embedding) in indexes.into_iter().zip(embed(&single, &some)) {
            assert_eq!(embedding, together[idx], "{:?} among others", texts[idx]);
        }
    }
}
