//! A folder of its own in which the program runs, and what it said there.
//!
//! Owns the folder with its tiny models, the environment of the program, and the words that differ from run to run
//! and are put aside before a snapshot. What a database holds is read in `record`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use seep::gguf::convert_encoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::experiment_file::ExperimentFile;
use crate::filling::{Extent, FilledModel, Filling};
use crate::record::Record;
use crate::tiny::{TinyModel, write_encoder_folder};

/// What [`TestEnv::filled`] holds.
pub(crate) const FILLED: Extent = Extent {
    n_pairs: 24,
    n_repeats: 3,
    n_texts: 12,
};

/// What a test waits for has to happen within this time.
const TIME_MAX: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Variables through which the machine of the tests could change what the program does.
const VARIABLES: [&str; 15] = [
    "RUST_LOG",
    "RUST_BACKTRACE",
    "HF_ENDPOINT",
    "SEEP_GITHUB_ENDPOINT",
    "HF_TOKEN",
    "HF_TOKEN_PATH",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "SEEP_OFFLINE",
    "SEEP_PYTHON",
    "PIP_INDEX_URL",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
];

/// A folder in which the program runs.
pub(crate) struct TestEnv {
    folder: TempDir,
}

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit_code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
    folder: String,
}

/// Lets models that a test loads itself be served by seep, since this program has no such command.
pub(crate) fn serve_models() {
    seep::llama::set_program(env!("CARGO_BIN_EXE_seep").into());
}

impl TestEnv {
    /// With no model file.
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// With `filled.sqlite`, which holds [`FILLED`]: three quantizations of `tiny`, of which the smallest leaks more.
    pub(crate) fn filled() -> Self {
        let env = Self::empty();
        let mut filling = Filling::start(&env.path("filled.sqlite"), FILLED);
        for (quantization, bits_per_weight, n_leaks) in
            [("Q4_0", 4.5, 2), ("Q8_0", 8.5, 2), ("Q2_K", 2.6, 4)]
        {
            filling.add_model(FilledModel {
                label: "tiny",
                quantization,
                bits_per_weight,
                n_leaks,
                text: &|n| format!("{quantization} says {n}"),
            });
        }
        env
    }

    /// With two models, `a.gguf` and `b.gguf`, and `encoder.gguf`.
    pub(crate) fn with_tiny_models() -> Self {
        let env = Self::empty();
        for (name, seed) in [("a.gguf", 1), ("b.gguf", 2)] {
            let model = TinyModel {
                seed,
                ..TinyModel::QWEN2
            };
            model.write(&env.path(name));
        }
        let encoder = tempfile::tempdir().unwrap();
        write_encoder_folder(encoder.path());
        convert_encoder(encoder.path(), &env.path("encoder.gguf"), "Tiny encoder").unwrap();
        env
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of this text.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Writes `x.yaml`.
    pub(crate) fn experiment(&self, experiment: &ExperimentFile) {
        self.write("x.yaml", &experiment.text());
    }

    /// The database `name`.
    pub(crate) fn record(&self, name: &str) -> Record {
        Record::open(&self.path(name))
    }

    /// Generations in the database `name`; 0 where there is none yet.
    pub(crate) fn n_generations(&self, name: &str) -> usize {
        let record = Record::try_open(&self.path(name));
        record.map_or(0, |record| record.n_generations())
    }

    /// The names of all files, in folders too.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.folder.path()).unwrap();
                    files.push(name.to_str().unwrap().to_owned());
                }
            }
        }
        files.sort();
        files
    }

    /// The program with the words of `arguments`, not started yet.
    ///
    /// A run computes on one thread unless it is told otherwise: tests run side by side, and where there are more
    /// threads than processors, those of llama.cpp spend their time waiting for each other.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seep"));
        command.args(arguments.split_whitespace());
        if (arguments.starts_with("run ") || arguments.starts_with("plan "))
            && !arguments.contains("--threads")
        {
            command.args(["--threads", "1"]);
        }
        command
            .current_dir(self.folder.path())
            .env("SEEP_MODELS_DIR", self.path("shelf"))
            .env("HF_HOME", self.path("hub"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) fn seep(&self, arguments: &str) -> Ran {
        self.run(&mut self.command(arguments))
    }

    /// Runs a command made by [`Self::command`] to its end.
    pub(crate) fn run(&self, command: &mut Command) -> Ran {
        let started = Instant::now();
        let output = command.output().unwrap();
        self.ran(output, started.elapsed())
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &str) -> Running<'_> {
        self.spawn(&mut self.command(arguments))
    }

    /// Starts a command made by [`Self::command`].
    pub(crate) fn spawn(&self, command: &mut Command) -> Running<'_> {
        Running {
            child: command.spawn().unwrap(),
            started: Instant::now(),
            env: self,
        }
    }

    fn ran(&self, output: Output, took: Duration) -> Ran {
        Ran {
            exit_code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            took,
            folder: self.folder.path().to_str().unwrap().to_owned(),
        }
    }
}

/// The program while it runs.
pub(crate) struct Running<'e> {
    child: Child,
    started: Instant,
    env: &'e TestEnv,
}

impl Running<'_> {
    /// Waits until `is_there`, while the program runs.
    pub(crate) fn wait_until(&mut self, what: &str, is_there: impl Fn() -> bool) {
        wait_until(what, || {
            let ended = self.child.try_wait().unwrap();
            is_there() || ended.is_some_and(|status| early_end(what, status))
        });
    }

    /// What Ctrl-C sends.
    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// The number of the process that serves its model.
    pub(crate) fn model_process(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let find = || {
            let children = std::fs::read_to_string(&children).unwrap_or_default();
            let mut children = children.split_whitespace().map(str::to_owned);
            children.find(|child| {
                let line = std::fs::read(format!("/proc/{child}/cmdline"));
                line.is_ok_and(|line| String::from_utf8_lossy(&line).contains("serve-model"))
            })
        };
        let mut found = None;
        wait_until("a process serves a model", || {
            found = found.take().or_else(find);
            found.is_some()
        });
        found.unwrap().parse().unwrap()
    }

    /// Sends a signal to that process.
    pub(crate) fn signal_model(&self, name: &str) {
        signal(self.model_process(), name);
    }

    /// Kills the program, so old, as `kill -9` does; false where it had ended before.
    pub(crate) fn kill_at(mut self, age: Duration) -> bool {
        let deadline = self.started + age;
        wait_until("the program to be old enough", || {
            Instant::now() >= deadline || self.child.try_wait().unwrap().is_some()
        });
        let is_running = self.child.try_wait().unwrap().is_none();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        is_running
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Ran {
        let output = self.child.wait_with_output().unwrap();
        self.env.ran(output, self.started.elapsed())
    }
}

fn early_end(what: &str, status: ExitStatus) -> bool {
    panic!("the program ended ({status}) before {what}")
}

fn signal(process: u32, name: &str) {
    let kill = format!("kill -{name} {process}");
    let status = Command::new("sh").args(["-c", &kill]).status();
    assert!(status.unwrap().success());
}

/// Waits until `is_there`, but not for ever.
pub(crate) fn wait_until(what: &str, mut is_there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_there() {
        assert!(started.elapsed() < TIME_MAX, "waited in vain for {what}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

impl Ran {
    /// The same, if it ended with this exit code.
    #[track_caller]
    pub(crate) fn with_code(self, exit_code: i32) -> Self {
        assert_eq!(
            self.exit_code,
            Some(exit_code),
            "{}{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The same, if everything was done.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.with_code(0)
    }

    /// The one document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let document = serde_json::from_str(&self.stdout);
        document.unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }

    /// How many generations the first model made and how many it found, as the JSON says.
    #[track_caller]
    pub(crate) fn made_and_reused(&self) -> (u64, u64) {
        let json = self.json();
        let count = |name: &str| json["models"][0][name].as_u64().unwrap();
        (count("n_generated"), count("n_reused"))
    }

    /// `text` without what differs from run to run.
    pub(crate) fn stable(&self, text: &str) -> String {
        let text = text.replace(&self.folder, "[FOLDER]");
        let lines = text.lines().map(stable_line);
        lines.map(|line| line + "\n").collect()
    }
}

/// A line with `[TIME]` for a number of seconds, `[RATE]` for a number per second and `[SHA-256]` for a digest.
fn stable_line(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut stable: Vec<String> = Vec::new();
    let mut word_idx = 0;
    while word_idx < words.len() {
        let (word, next) = (words[word_idx], words.get(word_idx + 1).unwrap_or(&""));
        let (before, number) = split_number(word);
        let placeholder = match next.trim_end_matches([')', ',', ';']) {
            "s" => Some("[TIME]"),
            "generations/s" | "strings/s" => Some("[RATE]"),
            _ => None,
        };
        match placeholder {
            Some(placeholder) if number.parse::<f64>().is_ok() => {
                stable.push(format!(
                    "{before}{placeholder}{}",
                    next.trim_start_matches(|c| c != ')' && c != ',' && c != ';')
                ));
                word_idx += 1;
            }
            _ => stable.push(stable_word(word)),
        }
        word_idx += 1;
    }
    stable.join(" ")
}

fn split_number(word: &str) -> (&str, &str) {
    let start = word
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(word.len());
    word.split_at(start)
}

fn stable_word(word: &str) -> String {
    let is_digest =
        |part: &str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (before, number) = split_number(word);
    match number.split_once("/s") {
        Some((rate, rest)) if rate.parse::<f64>().is_ok() => format!("{before}[RATE]{rest}"),
        _ if is_digest(word) => "[SHA-256]".to_owned(),
        _ => word.to_owned(),
    }
}

/// The folder of the model files that the tests share with the program: that of the checkout, or `SEEP_MODELS_DIR`.
pub(crate) fn checkout_shelf() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("SEEP_MODELS_DIR").map_or_else(|| checkout.join("gguf"), PathBuf::from)
}

#[test]
fn only_what_differs_is_put_aside() {
    let digest = "0123456789abcdef".repeat(4);
    let cases = [
        (
            "a: 40 generations in 0.3 s (133.3 generations/s)",
            "a: 40 generations in [TIME] ([RATE])",
        ),
        (
            "1 of 2, 3.0 strings/s, 12 s left",
            "1 of 2, [RATE], [TIME] left",
        ),
        (
            "40 in 1.0 s (40.0/s), 3 reused",
            "40 in [TIME] ([RATE]), 3 reused",
        ),
        (&digest, "[SHA-256]"),
        ("7 s.yaml 0.5", "7 s.yaml 0.5"),
    ];
    for (line, expected) in cases {
        assert_eq!(stable_line(line), expected);
    }
}
