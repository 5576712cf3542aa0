//! Loading model files with llama.cpp in a process of its own, so that an abort is a result and not the end.
//!
//! Owns the child, which is this test binary once more, and the report it leaves: a line for each file, written as
//! soon as the file is done with. A file without a line is the one that ended the child.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use seep::engine::{Decoder, Row};
use seep::gguf::Gguf;
use seep::llama::local::{LlamaDecoder, LlamaEncoder, Model};
use seep::llama::{Backend, DecoderConfig, EncoderConfig, Weights};

/// Names the folder to a child; the test that is the child does nothing without it.
const FOLDER: &str = "SEEP_TEST_MODELS_TO_LOAD";
const CHILD: &str = "llama_child::load_what_the_parent_names";
const REPORT: &str = "report.txt";
const STDERR: &str = "stderr.txt";
/// A file that takes longer counts as one on which llama.cpp never ends.
const TIME_MAX: Duration = Duration::from_secs(60);

/// What became of a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// It was loaded and computed with. Of a generation model, the number of tokens that share the probability of the
    /// next draw at a temperature of 0.5 (the exponential of its entropy); of an encoder, the length of its vector.
    Ran(f64),
    /// llama.cpp said no.
    Refused(String),
    /// llama.cpp ended the process, or did not come to an end; the last that it wrote to stderr.
    Aborted(String),
}

/// Loads every model file in `folder` and computes with it once; the outcomes by the name of the file.
pub(crate) fn load_in_child(folder: &Path) -> BTreeMap<String, Outcome> {
    let names = model_names(folder);
    loop {
        let stderr = run_child(folder);
        let outcomes = read_report(folder);
        let Some(culprit) = names.iter().find(|name| !outcomes.contains_key(*name)) else {
            return outcomes;
        };
        report(folder, culprit, &Outcome::Aborted(stderr));
    }
}

/// Runs a child on the files without a line in the report; returns its last words.
fn run_child(folder: &Path) -> String {
    let stderr_path = folder.join(STDERR);
    Command::new(std::env::current_exe().unwrap())
        .args([CHILD, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        // Otherwise an abort starts a debugger, where there is one.
        .env("GGML_NO_BACKTRACE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&stderr_path).unwrap())
        .status()
        .unwrap();
    let stderr = fs::read(stderr_path).unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    stderr.lines().last().unwrap_or_default().to_owned()
}

fn model_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".gguf")).collect();
    names.sort();
    names
}

fn report(folder: &Path, name: &str, outcome: &Outcome) {
    let (word, detail) = match outcome {
        Outcome::Ran(number) => ("ran", number.to_string()),
        Outcome::Refused(reason) => ("refused", reason.replace('\n', " ")),
        Outcome::Aborted(last_words) => ("aborted", last_words.clone()),
    };
    let mut options = File::options();
    let mut file = options
        .create(true)
        .append(true)
        .open(folder.join(REPORT))
        .unwrap();
    writeln!(file, "{name}\t{word}\t{detail}").unwrap();
}

fn read_report(folder: &Path) -> BTreeMap<String, Outcome> {
    let text = fs::read_to_string(folder.join(REPORT)).unwrap_or_default();
    let outcome = |line: &str| {
        let [name, word, detail] = line.splitn(3, '\t').collect::<Vec<_>>().try_into().unwrap();
        let outcome = match word {
            "ran" => Outcome::Ran(detail.parse().unwrap()),
            "refused" => Outcome::Refused(detail.to_owned()),
            _ => Outcome::Aborted(detail.to_owned()),
        };
        (name.to_owned(), outcome)
    };
    text.lines().map(outcome).collect()
}

/// The child. It is a test only to be reachable, and passes at once when nobody named a folder.
#[test]
fn load_what_the_parent_names() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let backend = Backend::init().unwrap();
    let done = abort_when_stuck();
    let known = read_report(&folder);
    let names = model_names(&folder).into_iter();
    for name in names.filter(|name| !known.contains_key(name)) {
        let path = folder.join(&name);
        let outcome = match Gguf::read(&path).unwrap().str("general.architecture") {
            Ok("bert") => encode_once(&backend, &path),
            _ => generate_once(&backend, &path),
        };
        report(&folder, &name, &outcome.unwrap_or_else(Outcome::Refused));
        done.send(()).unwrap();
    }
}

/// Aborts the process unless something is sent often enough.
fn abort_when_stuck() -> Sender<()> {
    let (done, heard) = mpsc::channel();
    thread::spawn(move || {
        loop {
            match heard.recv_timeout(TIME_MAX) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => std::process::abort(),
            }
        }
    });
    done
}

fn generate_once(backend: &Backend, path: &Path) -> Result<Outcome, String> {
    let model = Model::load(backend, path, Weights::Mapped).map_err(|error| error.to_string())?;
    let mut tokens = model.tokenize("The house is blue.\n");
    for token in 0..model.n_vocab() {
        model.token_bytes(token);
        model.is_eog(token);
    }
    // A damaged vocabulary may have no token for any of the letters.
    tokens.push(model.n_vocab() - 1);
    tokens.truncate(8);
    let config = DecoderConfig {
        n_cells: 64,
        n_seqs: 2,
        n_rows: 8,
        n_threads: 1,
        value_type: seep::engine::ValueType::F16,
    };
    let decoder = LlamaDecoder::new(backend, &model, config);
    let mut decoder = decoder.map_err(|error| error.to_string())?;
    let rows: Vec<Row> = tokens
        .iter()
        .zip(0..)
        .map(|(token, position)| Row {
            token: *token,
            position,
            first_seq: 0,
            n_seqs: 2,
            output: true,
        })
        .collect();
    decoder.evaluate(&rows).map_err(|error| error.to_string())?;
    let logits = decoder
        .logits(rows.len() - 1)
        .map_err(|error| error.to_string())?;
    assert_eq!(logits.len(), model.n_vocab() as usize);
    Ok(Outcome::Ran(n_likely_tokens(logits, 0.5)))
}

fn n_likely_tokens(logits: &[f32], temperature: f64) -> f64 {
    let scaled = logits.iter().map(|logit| f64::from(*logit) / temperature);
    let max = scaled.clone().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = scaled.map(|logit| (logit - max).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let surprise = |weight: &f64| {
        if *weight == 0.0 {
            0.0
        } else {
            -(weight / sum) * (weight / sum).ln()
        }
    };
    weights.iter().map(surprise).sum::<f64>().exp()
}

fn encode_once(backend: &Backend, path: &Path) -> Result<Outcome, String> {
    let model = Model::load(backend, path, Weights::Mapped).map_err(|error| error.to_string())?;
    for token in 0..model.n_vocab() {
        model.token_bytes(token);
    }
    let config = EncoderConfig {
        n_tokens_max: model.n_ctx_train().min(8),
        n_threads: 1,
    };
    let encoder = LlamaEncoder::new(backend, &model, config);
    let mut encoder = encoder.map_err(|error| error.to_string())?;
    let tokens = [0, model.n_vocab() - 1];
    let vector = encoder.encode(&[&tokens[..config.n_tokens_max.min(2) as usize]]);
    let vector = vector.map_err(|error| error.to_string())?;
    Ok(Outcome::Ran(vector[0].len() as f64))
}
