//! Other programs on the same prompts, in the same run.
//!
//! Owns how they are called and how their last line is read. The programs themselves are not part of seep: a folder
//! with `peer_transformers.py`, `peer_llama_cpp_python.py` and `peer_sentence_transformers.py` is given.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::end_to_end::Bench;
use super::figuring::spread;
use crate::cli::BenchArgs;
use crate::progress;
use crate::study::session::Session;

/// A rate that another program reached, and ours on the same work.
#[derive(Debug, Clone)]
pub(super) struct PeerFigure {
    pub(super) name: &'static str,
    pub(super) n_prompts: usize,
    pub(super) n_repeats: u32,
    pub(super) per_second: f64,
    pub(super) ours_per_second: f64,
}

impl PeerFigure {
    pub(super) fn ratio(&self) -> f64 {
        self.ours_per_second / self.per_second
    }
}

/// Prompts for the peers, which take seconds for each; ours are measured on the same.
const N_PROMPTS: usize = 96;
/// Of them, those for the loop over transformers, with one repeat: more would take hours.
const N_PROMPTS_TRANSFORMERS: usize = 24;

/// Runs every peer that `python` can run, and ours on the same prompts.
pub(super) fn measure(
    args: &BenchArgs,
    bench: &Bench<'_>,
    python: &Path,
) -> anyhow::Result<Vec<PeerFigure>> {
    let n_prompts = N_PROMPTS.min(bench.n_prompts());
    let ours = bench
        .measure(n_prompts, args.repeats)?
        .generations_per_second();
    let prompts = spread(bench.prompts, n_prompts);
    let prompts_file = bench.write_lines("prompts.txt", &prompts)?;
    let few_prompts = spread(&prompts, N_PROMPTS_TRANSFORMERS);
    let few_prompts_file = bench.write_lines("few-prompts.txt", &few_prompts)?;
    let gguf = bench.prepared.file.gguf.path();
    let call = Call {
        args,
        python,
        session: bench.session,
    };
    let llama_cpp = call.rate(
        "peer_llama_cpp_python.py",
        &[gguf, &prompts_file],
        &[n_prompts.to_string(), args.repeats.to_string()],
    );
    let llama_cpp = llama_cpp.map(|per_second| PeerFigure {
        name: "llama-cpp-python, a loop",
        n_prompts,
        n_repeats: args.repeats,
        per_second,
        ours_per_second: ours,
    });
    let transformers = call.rate(
        "peer_transformers.py",
        &[gguf, &few_prompts_file],
        &[few_prompts.len().to_string(), "1".to_owned()],
    );
    let transformers = transformers.map(|per_second| PeerFigure {
        name: "transformers, a loop",
        n_prompts: few_prompts.len(),
        n_repeats: 1,
        per_second,
        ours_per_second: ours,
    });
    let embedding = embedding(&call, bench)?;
    Ok([llama_cpp, transformers, embedding]
        .into_iter()
        .flatten()
        .collect())
}

fn embedding(call: &Call<'_>, bench: &Bench<'_>) -> anyhow::Result<Option<PeerFigure>> {
    // A string with a line break would be two for the peer.
    let texts: Vec<String> = bench
        .texts()?
        .into_iter()
        .filter(|text| !text.trim().is_empty() && !text.contains('\n'))
        .collect();
    if texts.is_empty() {
        return Ok(None);
    }
    let ours = super::embedding::measure(bench, &texts)?;
    let strings_file = bench.write_lines("strings.txt", &texts)?;
    let rate = call.rate(
        "peer_sentence_transformers.py",
        &[&ours.folder, &strings_file],
        &[],
    );
    Ok(rate.map(|per_second| PeerFigure {
        name: "sentence-transformers",
        n_prompts: texts.len(),
        n_repeats: 1,
        per_second,
        ours_per_second: ours.strings_per_second,
    }))
}

/// How peers are called.
struct Call<'a> {
    args: &'a BenchArgs,
    python: &'a Path,
    session: &'a Session,
}

impl Call<'_> {
    /// The rate of a program; one that fails is named and left out, so that nothing measured before is lost.
    fn rate(&self, program: &str, paths: &[&Path], numbers: &[String]) -> Option<f64> {
        let rate = self.run(program, paths, numbers);
        rate.inspect_err(|error| progress::note(format_args!("left out: {error:#}")))
            .ok()
    }

    /// Runs a program and reads the rate at the end of its last line, such as `4.20 generations/s`.
    fn run(&self, program: &str, paths: &[&Path], numbers: &[String]) -> anyhow::Result<f64> {
        self.session.check_interrupted()?;
        progress::note(format_args!("running {program}"));
        let n_threads = self.session.n_threads.to_string();
        let path = self.args.peer_programs.join(program);
        let output = Command::new(self.python)
            .arg(&path)
            .args(paths)
            .args(numbers)
            .env("HF_HUB_OFFLINE", "1")
            .env("THREADS", &n_threads)
            .env("OMP_NUM_THREADS", &n_threads)
            .output()
            .with_context(|| format!("failed to start `{}`", self.python.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let rate = said.lines().last().and_then(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(words.len().checked_sub(2)?)?.parse().ok()
        });
        rate.with_context(|| {
            let errors = String::from_utf8_lossy(&output.stderr);
            let last = errors.lines().last().unwrap_or_default();
            format!(
                "`{}` gave no rate ({}): {last}",
                path.display(),
                output.status
            )
        })
    }
}
