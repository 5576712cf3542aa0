//! A real model on a GPU through Vulkan, beside the same on the processor.
//!
//! Owns a run of SmolLM2 each way and what the records must say. Not part of a plain `cargo test`, because it needs a
//! build with the feature `vulkan` and a driver; `just test-vulkan` runs it. Mesa's software driver will do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use tempfile::TempDir;

const FLAGS: &str = "--limit 6 --repeats 2 --threads 2";
/// Blocks of SmolLM2 135M, and the head.
const N_LAYERS: i64 = 31;
/// The largest difference allowed between two log-probabilities of the same next token, one from each processor. Both
/// compute with quantized weights, and round activations differently.
const LOGPROB_DIFFERENCE_MAX: f64 = 0.25;

struct Place {
    folder: TempDir,
}

/// What the database says of the latest run.
#[derive(Debug)]
struct Run {
    backend: String,
    device: String,
    n_gpu_layers: i64,
    schedule: String,
    determinism: Option<String>,
    n_generated: i64,
    n_reused: i64,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let colors = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/colors.yaml");
        let text = format!(
            "name: colors-vulkan\nextends: {}\nmodels:\n  - {{name: smollm2-135m-instruct, quantizations: [Q4_1]}}\n",
            colors.display()
        );
        std::fs::write(folder.path().join("x.yaml"), text).unwrap();
        Self { folder }
    }

    fn seep(&self, arguments: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_seep"))
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .env(
                "SEEP_MODELS_DIR",
                Path::new(env!("CARGO_MANIFEST_DIR")).join("gguf"),
            )
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn connection(&self) -> Connection {
        Connection::open(self.folder.path().join("x.sqlite")).unwrap()
    }

    fn run(&self, flags: &str) -> Run {
        self.seep(&format!("run x.yaml --db x.sqlite {FLAGS} {flags}"));
        let sql =
            "SELECT backend, device, n_gpu_layers, schedule, determinism, n_generated, n_reused
                   FROM run_models ORDER BY run_id DESC LIMIT 1";
        let run = |row: &rusqlite::Row<'_>| {
            Ok(Run {
                backend: row.get(0)?,
                device: row.get(1)?,
                n_gpu_layers: row.get(2)?,
                schedule: row.get(3)?,
                determinism: row.get(4)?,
                n_generated: row.get(5)?,
                n_reused: row.get(6)?,
            })
        };
        let run = self.connection().query_row(sql, [], run).unwrap();
        println(&format!("{flags}: {run:?}"));
        run
    }

    /// For each prompt, the most probable next token and its log-probability under a schedule.
    fn top_tokens(&self, schedule: &str) -> Vec<(u32, f32)> {
        let connection = self.connection();
        let sql = "SELECT tokens, logprobs FROM next_token_distributions WHERE schedule = ?1 ORDER BY rendered_prompt_id";
        let mut select = connection.prepare(sql).unwrap();
        let first = |row: &rusqlite::Row<'_>| {
            let (token, logprob): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let token = u32::from_le_bytes(token[..4].try_into().unwrap());
            Ok((token, f32::from_le_bytes(logprob[..4].try_into().unwrap())))
        };
        select
            .query_map([schedule], first)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }
}

#[expect(clippy::print_stdout, reason = "figures for whoever runs the test")]
fn println(line: &str) {
    println!("{line}");
}

#[test]
fn a_model_runs_on_the_gpu_and_its_record_says_so() {
    let place = Place::new();
    let devices = place.seep("models devices");
    println(&devices);
    assert!(devices.contains("Vulkan0"), "{devices}");

    let gpu = place.run("");
    assert_eq!(
        (gpu.backend.as_str(), gpu.n_gpu_layers),
        ("Vulkan", N_LAYERS)
    );
    assert!(gpu.device.starts_with("Vulkan0 ("), "{gpu:?}");
    assert_eq!(gpu.schedule, format!("strict-pad8-vf16-vulkan{N_LAYERS}"));
    assert!(gpu.determinism.is_some() && gpu.n_generated > 0, "{gpu:?}");

    // All layers are there already, however many more are asked for.
    let again = place.run("--gpu-layers 99");
    assert_eq!((again.n_generated, again.n_reused), (0, gpu.n_generated));

    // What the processor makes is something else, and by the rules of the processor.
    let processor = place.run("--gpu-layers 0");
    assert_eq!(
        (processor.backend.as_str(), processor.n_gpu_layers),
        ("CPU", 0)
    );
    assert_eq!(processor.schedule, "strict-pad8-vbf16");
    assert_eq!(processor.determinism.as_deref(), Some("bitwise"));
    assert_eq!(processor.n_generated, gpu.n_generated);

    let some = place.run("--gpu-layers 5");
    assert_eq!((some.backend.as_str(), some.n_gpu_layers), ("Vulkan", 5));
    assert_eq!(some.n_generated, gpu.n_generated);

    compare(
        &place.top_tokens(&gpu.schedule),
        &place.top_tokens(&processor.schedule),
    );
}

/// Both processors give nearly the same distribution after every prompt.
fn compare(gpu: &[(u32, f32)], processor: &[(u32, f32)]) {
    assert!(gpu.len() == processor.len() && !gpu.is_empty());
    let pairs = || gpu.iter().zip(processor);
    let n_same = pairs().filter(|(a, b)| a.0 == b.0).count();
    let differences = pairs()
        .filter(|(a, b)| a.0 == b.0)
        .map(|(a, b)| f64::from((a.1 - b.1).abs()));
    let largest = differences.fold(0.0, f64::max);
    println(&format!(
        "most probable next token: the same after {n_same} of {} prompts, log-probabilities within {largest:.4}",
        gpu.len()
    ));
    assert!(10 * n_same >= 8 * gpu.len(), "{n_same} of {}", gpu.len());
    assert!(largest < LOGPROB_DIFFERENCE_MAX, "{largest}");
}
