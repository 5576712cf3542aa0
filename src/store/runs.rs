//! Executions of an experiment: the tables `runs` and `run_models`.

use std::time::Duration;

use rusqlite::{Row, named_params, params};

use super::error::Failure;
use super::values::{integer, milliseconds, unsigned};
use super::{ExperimentId, ModelId, NumericsId, RunId, SamplingId, Store, StoreError, WordingId};
use crate::digest::Digest;
use crate::generation::Method;

/// A run that begins: what was asked for, with which program, on which machine.
#[derive(Debug, Clone, Copy)]
pub struct NewRun<'a> {
    /// The experiment.
    pub experiment: ExperimentId,
    /// The seed in use.
    pub seed: u64,
    /// The repeats of each prompt in use, at least 1.
    pub n_repeats: u32,
    /// The prompt pairs in use: fewer than the experiment's under a limit.
    pub n_prompt_pairs: usize,
    /// The command line.
    pub command_line: &'a str,
    /// The program's version.
    pub seep_version: &'a str,
    /// The commit it was built from.
    pub seep_commit: &'a str,
    /// True if its sources had changes that were not committed.
    pub seep_is_dirty: bool,
    /// The version of the crate llama-cpp-2.
    pub llama_cpp_2_version: &'a str,
    /// The version of llama.cpp itself.
    pub llama_cpp_version: &'a str,
    /// The processor features that llama.cpp uses, in its own words.
    pub system_info: &'a str,
    /// The processor's name.
    pub cpu: &'a str,
    /// Physical cores, at least 1.
    pub n_cores: u32,
    /// Main memory in bytes.
    pub memory_bytes: u64,
    /// The operating system and its version.
    pub os: &'a str,
    /// Threads that compute, at least 1.
    pub n_threads: u32,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome<'a> {
    /// It went through, although single requests may have failed.
    Success,
    /// The user interrupted it.
    Cancelled,
    /// It could not go on, for this reason.
    Error(&'a str),
}

/// The work of a run with one model and one of its samplings.
#[derive(Debug, Clone, PartialEq)]
pub struct RunModel {
    /// The values in which the conditions of the run differ, such as `temperature=0.5`; empty where they do not.
    pub sampling_label: String,
    /// The preset that gave values which the experiment does not write out.
    pub preset: Option<String>,
    /// The schedule that evaluated the logits, such as `strict-pad8-vbf16`.
    pub schedule: String,
    /// How logits were computed; None where no model was loaded.
    pub numerics: Option<NumericsId>,
    /// The part of llama.cpp that computed, such as `CPU` or `Vulkan`.
    pub backend: String,
    /// The devices that layers were on, such as `Vulkan0 (NVIDIA GeForce RTX 3080)`; `CPU` where none were.
    pub device: String,
    /// Layers of the model on those devices, the head as one of them.
    pub n_gpu_layers: u32,
    /// Which program made tokens of the prompts: `tokenizers`, or `llama.cpp` for a tokenizer that we cannot build.
    pub tokenizer: String,
    /// The level that the self-check found; None where nothing had to be generated.
    pub determinism: Option<String>,
    /// The largest difference of two logits that the self-check found, 0 where it is bitwise; None as above.
    pub logit_difference_max: Option<f64>,
    /// Generations made in this run.
    pub n_generated: usize,
    /// Generations that were stored before.
    pub n_reused: usize,
    /// Requests that failed.
    pub n_failed: usize,
    /// Prompt tokens evaluated; a token shared by several prompts counts once.
    pub n_prefill_tokens: u64,
    /// Rows that gave logits.
    pub n_decode_rows: u64,
    /// Rows that only filled batches.
    pub n_padding_rows: u64,
    /// Time of the self-check.
    pub self_check: Duration,
    /// Time in prompt tokens.
    pub prefill: Duration,
    /// Time in rows that gave logits.
    pub decode: Duration,
    /// Time in sampling, summed over threads.
    pub sample: Duration,
    /// Time from the first request to the last generation, without loading and self-check.
    pub total: Duration,
}

/// The work of a run with one model, one of its samplings and one wording, read back with all.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRunModel {
    /// The model.
    pub model: ModelId,
    /// The model's name.
    pub label: String,
    /// The label of its quantization.
    pub quantization: String,
    /// SHA-256 of the model file.
    pub sha256: String,
    /// Measured bits per weight.
    pub bits_per_weight: f64,
    /// The sampling.
    pub sampling: SamplingId,
    /// The wording's name; empty where the experiment has one without a name.
    pub wording: String,
    /// The work.
    pub run_model: RunModel,
}

/// How fast a run made generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// The run.
    pub run: RunId,
    /// Generations or enumerations made, at least 1.
    pub n_generated: u64,
    /// Rows that gave logits.
    pub n_decode_rows: u64,
    /// Time from the first request to the last generation, without loading and self-check.
    pub total: Duration,
}

impl Store {
    /// How fast the latest run was that made answers by `method` with a model file, on such a processor with so many
    /// threads; a run that made 50 or more goes before those that made fewer.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn last_speed(
        &self,
        model_sha256: Digest,
        cpu: &str,
        n_threads: u32,
        method: Method,
    ) -> Result<Option<Speed>, StoreError> {
        let enumeration = match method {
            Method::Repeats => None,
            Method::Exact(params) => Some(params),
        };
        self.read("read the speed of runs", |view| {
            let mut select = view.prepare_cached(
                "SELECT run_id, sum(n_generated) AS n_generated, sum(total_ms) AS total_ms,
                     sum(n_decode_rows) AS n_decode_rows
                 FROM run_models JOIN runs ON runs.id = run_id JOIN models ON models.id = model_id
                 WHERE models.sha256 = ?1 AND cpu = ?2 AND n_threads = ?3 AND n_generated > 0
                     AND CASE WHEN ?4 IS NULL
                         THEN NOT EXISTS (SELECT 1 FROM enumerations WHERE enumerations.run_id = runs.id)
                         ELSE EXISTS (SELECT 1 FROM enumerations WHERE enumerations.run_id = runs.id AND coverage = ?4
                             AND max_rows_per_prompt = ?5 AND n_tail_draws = ?6) END
                 GROUP BY run_id
                 ORDER BY sum(n_generated) >= 50 DESC, run_id DESC LIMIT 1",
            )?;
            let mut rows = select.query(params![
                model_sha256.to_string(),
                cpu,
                n_threads,
                enumeration.map(|params| params.coverage),
                enumeration.map(|params| params.max_rows_per_prompt),
                enumeration.map(|params| params.n_tail_draws),
            ])?;
            rows.next()?
                .map(|row| {
                    Ok(Speed {
                        run: row.get("run_id")?,
                        n_generated: unsigned(row.get("n_generated")?)?,
                        n_decode_rows: unsigned(row.get("n_decode_rows")?)?,
                        total: Duration::from_millis(unsigned(row.get("total_ms")?)?),
                    })
                })
                .transpose()
        })
    }

    /// A new run with status `started`.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn start_run(&mut self, new: &NewRun<'_>) -> Result<RunId, StoreError> {
        self.write("store the run", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO runs
                     (experiment_id, seed, n_repeats, n_prompt_pairs, command_line, seep_version, seep_commit, seep_is_dirty,
                      llama_cpp_2_version, llama_cpp_version, system_info, cpu, n_cores, memory_bytes, os, n_threads)
                 VALUES
                     (:experiment, :seed, :n_repeats, :n_prompt_pairs, :command_line, :seep_version, :seep_commit, :seep_is_dirty,
                      :llama_cpp_2_version, :llama_cpp_version, :system_info, :cpu, :n_cores, :memory_bytes, :os, :n_threads)
                 RETURNING id",
            )?;
            let values = named_params! {
                ":experiment": new.experiment,
                ":seed": new.seed.cast_signed(),
                ":n_repeats": new.n_repeats,
                ":n_prompt_pairs": integer(new.n_prompt_pairs)?,
                ":command_line": new.command_line,
                ":seep_version": new.seep_version,
                ":seep_commit": new.seep_commit,
                ":seep_is_dirty": new.seep_is_dirty,
                ":llama_cpp_2_version": new.llama_cpp_2_version,
                ":llama_cpp_version": new.llama_cpp_version,
                ":system_info": new.system_info,
                ":cpu": new.cpu,
                ":n_cores": new.n_cores,
                ":memory_bytes": integer(new.memory_bytes)?,
                ":os": new.os,
                ":n_threads": new.n_threads,
            };
            Ok(insert.query_row(values, |row| row.get(0))?)
        })
    }

    /// Ends a run that has status `started`; a run that is never ended keeps it.
    ///
    /// # Errors
    /// `Value` when the run has ended already.
    pub fn finish_run(&mut self, run: RunId, outcome: RunOutcome<'_>) -> Result<(), StoreError> {
        let (status, error) = match outcome {
            RunOutcome::Success => ("success", None),
            RunOutcome::Cancelled => ("cancelled", None),
            RunOutcome::Error(error) => ("error", Some(error)),
        };
        self.write("finish the run", |transaction| {
            let mut update = transaction.prepare_cached(
                "UPDATE runs SET status = ?2, error = ?3, finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
                 WHERE id = ?1 AND status = 'started'",
            )?;
            let n_rows = update.execute(params![run, status, error])?;
            let failure = || Failure::Value(format!("run {run} is not under way"));
            (n_rows == 1).then_some(()).ok_or_else(failure)
        })
    }

    /// Stores what a run has done with a model, a sampling and a wording so far, in the place of what was stored before.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn save_run_model(
        &mut self,
        run: RunId,
        model: ModelId,
        sampling: SamplingId,
        wording: WordingId,
        done: &RunModel,
    ) -> Result<(), StoreError> {
        self.write("store the work of the run", |transaction| {
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO run_models
                     (run_id, model_id, sampling_id, wording_id, sampling_label, preset, schedule, numerics_id, backend, device, n_gpu_layers,
                      tokenizer, determinism, logit_difference_max, n_generated, n_reused, n_failed, n_prefill_tokens, n_decode_rows, n_padding_rows, self_check_ms, prefill_ms, decode_ms, sample_ms,
                      total_ms)
                 VALUES
                     (:run, :model, :sampling, :wording, :sampling_label, :preset, :schedule, :numerics, :backend, :device, :n_gpu_layers,
                      :tokenizer, :determinism, :logit_difference_max, :n_generated, :n_reused, :n_failed, :n_prefill_tokens, :n_decode_rows, :n_padding_rows, :self_check_ms, :prefill_ms, :decode_ms, :sample_ms,
                      :total_ms)
                 ON CONFLICT (run_id, model_id, sampling_id, wording_id) DO UPDATE SET
                     sampling_label = excluded.sampling_label, preset = excluded.preset,
                     schedule = excluded.schedule, numerics_id = excluded.numerics_id, backend = excluded.backend, device = excluded.device,
                     n_gpu_layers = excluded.n_gpu_layers, tokenizer = excluded.tokenizer, determinism = excluded.determinism,
                     logit_difference_max = excluded.logit_difference_max, n_generated = excluded.n_generated,
                     n_reused = excluded.n_reused, n_failed = excluded.n_failed,
                     n_prefill_tokens = excluded.n_prefill_tokens, n_decode_rows = excluded.n_decode_rows,
                     n_padding_rows = excluded.n_padding_rows, self_check_ms = excluded.self_check_ms,
                     prefill_ms = excluded.prefill_ms, decode_ms = excluded.decode_ms,
                     sample_ms = excluded.sample_ms, total_ms = excluded.total_ms",
            )?;
            upsert.execute(named_params! {
                ":run": run,
                ":model": model,
                ":sampling": sampling,
                ":wording": wording,
                ":sampling_label": done.sampling_label,
                ":preset": done.preset,
                ":schedule": done.schedule,
                ":numerics": done.numerics,
                ":backend": done.backend,
                ":device": done.device,
                ":n_gpu_layers": done.n_gpu_layers,
                ":tokenizer": done.tokenizer,
                ":determinism": done.determinism,
                ":logit_difference_max": done.logit_difference_max,
                ":n_generated": integer(done.n_generated)?,
                ":n_reused": integer(done.n_reused)?,
                ":n_failed": integer(done.n_failed)?,
                ":n_prefill_tokens": integer(done.n_prefill_tokens)?,
                ":n_decode_rows": integer(done.n_decode_rows)?,
                ":n_padding_rows": integer(done.n_padding_rows)?,
                ":self_check_ms": milliseconds(done.self_check)?,
                ":prefill_ms": milliseconds(done.prefill)?,
                ":decode_ms": milliseconds(done.decode)?,
                ":sample_ms": milliseconds(done.sample)?,
                ":total_ms": milliseconds(done.total)?,
            })?;
            Ok(())
        })
    }

    /// The work of a run with each of its models, samplings and wordings.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn run_models(&self, run: RunId) -> Result<Vec<StoredRunModel>, StoreError> {
        self.read("read the work of the run", |view| {
            let mut select = view.prepare_cached(
                "SELECT run_models.*, sha256, bits_per_weight, ifnull(named.label, models.label) AS label,
                     ifnull(named.quantization, models.quantization) AS quantization, wordings.name AS wording
                 FROM run_models JOIN wordings ON wordings.id = wording_id JOIN runs ON runs.id = run_id JOIN models ON models.id = run_models.model_id
                     LEFT JOIN experiment_models AS named
                         ON named.experiment_id = runs.experiment_id AND named.model_id = run_models.model_id
                 WHERE run_id = ?1
                 ORDER BY run_models.model_id, sampling_id, wording_id",
            )?;
            let mut rows = select.query([run])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(stored_run_model(row)?);
            }
            Ok(found)
        })
    }
}

fn stored_run_model(row: &Row<'_>) -> Result<StoredRunModel, Failure> {
    let count = |column: &str| -> Result<u64, Failure> { unsigned(row.get(column)?) };
    let size = |column: &str| -> Result<usize, Failure> { unsigned(row.get(column)?) };
    let time = |column: &str| Ok::<_, Failure>(Duration::from_millis(count(column)?));
    Ok(StoredRunModel {
        model: row.get("model_id")?,
        label: row.get("label")?,
        quantization: row.get("quantization")?,
        sha256: row.get("sha256")?,
        bits_per_weight: row.get("bits_per_weight")?,
        sampling: row.get("sampling_id")?,
        wording: row.get("wording")?,
        run_model: RunModel {
            sampling_label: row.get("sampling_label")?,
            preset: row.get("preset")?,
            schedule: row.get("schedule")?,
            numerics: row.get("numerics_id")?,
            backend: row.get("backend")?,
            device: row.get("device")?,
            n_gpu_layers: row.get("n_gpu_layers")?,
            tokenizer: row.get("tokenizer")?,
            determinism: row.get("determinism")?,
            logit_difference_max: row.get("logit_difference_max")?,
            n_generated: size("n_generated")?,
            n_reused: size("n_reused")?,
            n_failed: size("n_failed")?,
            n_prefill_tokens: count("n_prefill_tokens")?,
            n_decode_rows: count("n_decode_rows")?,
            n_padding_rows: count("n_padding_rows")?,
            self_check: time("self_check_ms")?,
            prefill: time("prefill_ms")?,
            decode: time("decode_ms")?,
            sample: time("sample_ms")?,
            total: time("total_ms")?,
        },
    })
}
