//! Our engine from prompts to rows in a database.
//!
//! Owns the database that lives as long as the measurement, and what is counted: tokenization, prefill, decoding,
//! sampling and storing are in the time, loading the model and the self-check are beside it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::figuring::{per_second, spread};
use crate::experiment::{Experiment, Plan};
use crate::generation::Method;
use crate::store::{
    ExperimentId, ModelId, NewPrompt, NewRenderedPrompt, RunModel, Store, WordingId,
};
use crate::study::Session;
use crate::study::answering::numerics::of_most_answers;
use crate::study::answering::{Answered, Answering};
use crate::study::asking::{Planned, Prepared, register_experiment, register_model};
use crate::study::running::start_run;

/// The common part of all measurements.
pub(super) struct Bench<'a> {
    pub(super) session: &'a Session,
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
        per_second(self.n_generations, self.total)
    }
}

impl<'a> Bench<'a> {
    /// Makes the folder of the databases.
    pub(super) fn new(
        session: &'a Session,
        experiment: &'a Experiment,
        prompts: &'a [String],
        prepared: &'a Prepared,
    ) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("seep-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self {
            session,
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
        let planned = self.planned(&chosen, n_repeats);
        let (experiment, model) = self.register(&mut store, &chosen)?;
        let run = start_run(&mut store, self.session, self.experiment, experiment)?;
        let registering = started.elapsed();
        let mut answering = Answering {
            session: self.session,
            store: &mut store,
            run,
            loaded: None,
        };
        let Answered { done, numerics } = answering.answer(&planned, model, WordingId::UNNAMED)?;
        drop(answering);
        let requests = planned.plan.requests();
        let generations = store.generations(&planned.request_ids(), numerics)?;
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
            total: done.total
                + registering
                + self
                    .prepared
                    .took
                    .mul_f64(chosen.len() as f64 / self.prompts.len() as f64),
            work: done,
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
            .map(|&idx| {
                self.experiment
                    .first_wording()
                    .user_message(&self.prompts[idx])
            })
            .collect();
        let system_message = self.experiment.first_wording().system();
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

    fn planned(&self, chosen: &[usize], n_repeats: u32) -> Planned {
        let tokens = chosen
            .iter()
            .map(|&idx| Arc::from(self.prepared.prompts[idx].tokens()));
        let (tokens, context) = (tokens.collect::<Vec<_>>(), &self.prepared.context);
        Planned {
            plan: Plan::new(
                &tokens,
                context,
                Method::Repeats,
                &vec![n_repeats; tokens.len()],
            ),
            prepared: self.prepared.clone(),
            method: Method::Repeats,
        }
    }

    /// Writes a file with one line for each of `lines`, for another program.
    pub(super) fn write_lines(&self, name: &str, lines: &[String]) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        std::fs::write(&path, lines.join("\n") + "\n")?;
        Ok(path)
    }

    /// The distinct generations of the largest measurement.
    pub(super) fn texts(&self) -> anyhow::Result<Vec<String>> {
        let store = Store::open(&self.db(self.n_prompts(), self.experiment.n_repeats()))?;
        let chosen: Vec<usize> = (0..self.prompts.len()).collect();
        let planned = self.planned(&chosen, self.experiment.n_repeats());
        let numerics = of_most_answers(&store, &planned)?.context("nothing was generated")?;
        let mut texts: Vec<String> = store
            .generations(&planned.request_ids(), numerics)?
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
        // A file left in a folder for temporary files does no harm.
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
