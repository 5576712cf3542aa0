//! Our engine from prompts to rows in a database.
//!
//! Owns the database that lives as long as the measurement, and what is counted: tokenization, prefill, decoding,
//! sampling and storing are in the time, loading the model and the self-check are beside it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::spread;
use crate::experiment::Experiment;
use crate::generation::{GenerationRequest, RequestId};
use crate::llama::Backend;
use crate::store::{ExperimentId, ModelId, NewPrompt, NewRenderedPrompt, RunModel, Store};
use crate::study::answering::repeats::{self as generating, Destination};
use crate::study::asking::{Prepared, register_experiment, register_model};
use crate::study::running::start_run;
use crate::study::session::Session;

/// What all measurements share.
pub(super) struct Bench<'a> {
    pub(super) session: &'a Session,
    pub(super) backend: &'a Backend,
    pub(super) prepared: &'a Prepared,
    pub(super) prompts: &'a [String],
    pub(super) experiment: &'a Experiment,
    folder: PathBuf,
}

/// One measurement.
#[derive(Debug, Clone)]
pub(super) struct EndToEnd {
    pub(super) n_prompts: usize,
    pub(super) n_repeats: u32,
    pub(super) n_generations: usize,
    /// Tokens that a loop over requests would evaluate: each prompt once per repeat, every generated token.
    pub(super) n_loop_prompt_tokens: u64,
    pub(super) n_loop_decode_rows: u64,
    /// Time from the first token to the last row in the database.
    pub(super) total: Duration,
    pub(super) tokenize: Duration,
    pub(super) work: RunModel,
    /// Peak of the memory of the process beyond the size of the model file; None where it cannot be known.
    pub(super) memory_bytes: Option<u64>,
}

impl EndToEnd {
    pub(super) fn generations_per_second(&self) -> f64 {
        super::per_second(self.n_generations, self.total)
    }
}

impl<'a> Bench<'a> {
    /// Makes the folder of the databases.
    pub(super) fn new(
        session: &'a Session,
        backend: &'a Backend,
        experiment: &'a Experiment,
        prompts: &'a [String],
        prepared: &'a Prepared,
    ) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("seep-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            session,
            backend,
            prepared,
            prompts,
            experiment,
            folder,
        })
    }

    pub(super) fn n_prompts(&self) -> usize {
        self.prompts.len()
    }

    fn db(&self, n_prompts: usize, n_repeats: u32) -> PathBuf {
        self.folder.join(format!("{n_prompts}-{n_repeats}.sqlite"))
    }

    /// Makes `n_repeats` generations for `n_prompts` of the prompts in a new database.
    ///
    /// # Errors
    /// Also when Ctrl-C ended it: a part of the work has no rate.
    pub(super) fn measure(&self, n_prompts: usize, n_repeats: u32) -> anyhow::Result<EndToEnd> {
        let path = self.db(n_prompts, n_repeats);
        if path.exists() {
            std::fs::remove_file(&path)?;
        }
        let mut store = Store::open(&path)?;
        let chosen: Vec<usize> = spread(&(0..self.prompts.len()).collect::<Vec<_>>(), n_prompts);
        let started = Instant::now();
        let requests = self.requests(&chosen, n_repeats);
        let (experiment, model) = self.register(&mut store, &chosen)?;
        let sampling = store.register_sampling(&self.prepared.context.sampling)?;
        let run = start_run(
            &mut store,
            self.session,
            self.backend,
            self.experiment,
            experiment,
        )?;
        let registering = started.elapsed();
        let numerics = generating::register_numerics(&mut store, self.prepared)?;
        let mut destination = Destination {
            store: &mut store,
            run,
            model,
            sampling,
            numerics,
        };
        let work = generating::generate(
            self.session,
            self.backend,
            &mut destination,
            self.prepared,
            &requests,
            0,
            &mut None,
        )?;
        self.session.check_interrupted()?;
        let ids: Vec<RequestId> = requests.iter().map(|request| request.id).collect();
        let generations = store.generations(&ids, numerics)?;
        let n_prompt_tokens: usize = requests
            .iter()
            .map(|request| request.prompt_tokens.len())
            .sum();
        let n_tokens: usize = generations
            .values()
            .map(|stored| stored.generation.tokens.len())
            .sum();
        Ok(EndToEnd {
            n_prompts: chosen.len(),
            n_repeats,
            n_generations: generations.len(),
            n_loop_prompt_tokens: n_prompt_tokens as u64,
            n_loop_decode_rows: n_tokens as u64,
            tokenize: self.prepared.took,
            total: work.total
                + registering
                + self
                    .prepared
                    .took
                    .mul_f64(chosen.len() as f64 / self.prompts.len() as f64),
            work,
            memory_bytes: peak_memory_bytes()
                .map(|peak| peak.saturating_sub(self.prepared.file.inspection.size_bytes)),
        })
    }

    /// Registers what generations refer to.
    fn register(
        &self,
        store: &mut Store,
        chosen: &[usize],
    ) -> anyhow::Result<(ExperimentId, ModelId)> {
        let registered = register_experiment(store, self.experiment, &[])?;
        let model = register_model(store, &self.prepared.file)?;
        let messages: Vec<String> = chosen
            .iter()
            .map(|&idx| self.experiment.user_message(&self.prompts[idx]))
            .collect();
        let system_message = self.experiment.prompt_format().system();
        let new: Vec<NewPrompt<'_>> = messages
            .iter()
            .map(|user_message| NewPrompt {
                system_message,
                user_message,
            })
            .collect();
        let ids = store.register_prompts(&new)?;
        let rendered = chosen
            .iter()
            .zip(ids)
            .map(|(&idx, prompt)| NewRenderedPrompt {
                prompt,
                text: self.prepared.prompts[idx].text(),
                tokens: self.prepared.prompts[idx].tokens(),
            });
        store.register_rendered_prompts(model, &rendered.collect::<Vec<_>>())?;
        Ok((registered.experiment, model))
    }

    fn requests(&self, chosen: &[usize], n_repeats: u32) -> Vec<GenerationRequest> {
        let mut seen = HashSet::new();
        let prompts = chosen
            .iter()
            .map(|&idx| self.prepared.prompts[idx].tokens());
        let distinct: Vec<&[u32]> = prompts.filter(|tokens| seen.insert(*tokens)).collect();
        let requests = distinct.into_iter().flat_map(|tokens| {
            let tokens: Arc<[u32]> = Arc::from(tokens);
            (0..n_repeats).map(move |repeat_idx| (Arc::clone(&tokens), repeat_idx))
        });
        requests
            .map(|(tokens, repeat_idx)| self.prepared.context.request(tokens, repeat_idx))
            .collect()
    }

    /// Writes a file with one line for each of `lines`, for another program.
    pub(super) fn write_lines(&self, name: &str, lines: &[String]) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, lines.join("\n") + "\n")?;
        Ok(path)
    }

    /// The distinct generations of the largest measurement.
    pub(super) fn texts(&self) -> anyhow::Result<Vec<String>> {
        let mut store = Store::open(&self.db(self.n_prompts(), self.experiment.n_repeats()))?;
        let chosen: Vec<usize> = (0..self.prompts.len()).collect();
        let requests = self.requests(&chosen, self.experiment.n_repeats());
        let ids: Vec<RequestId> = requests.iter().map(|request| request.id).collect();
        let numerics = generating::register_numerics(&mut store, self.prepared)?;
        let mut texts: Vec<String> = store
            .generations(&ids, numerics)?
            .into_values()
            .map(|stored| stored.generation.text)
            .collect();
        texts.sort_unstable();
        texts.dedup();
        Ok(texts)
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        // What is left in a folder for temporary files is no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The largest resident size of this process so far.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(1024 * kilobytes)
}
