//! A run: from an experiment to its summary.
//!
//! Owns the order of its steps. Everything that can fail before time is spent comes first: the models, the database, the
//! plan. Then each model makes what is missing, and all of it is scored together.

use std::path::Path;

use crate::experiment::{Experiment, Preset};
use crate::leakage::{
    Clusters, Concepts, Measure, Metric, PairEstimate, RateKind, Rounding, compare_with_base,
};
use crate::llama;
use crate::machine;
use crate::results::{DifferenceFromBase, DriftSummary, ModelSummary, Summary};
use crate::store::{ExperimentId, ModelId, NewRun, RunId, RunModel, RunOutcome, Source, Store};
use crate::study::answering::{Answered, Answering};
use crate::study::asking::{
    Planned, Prepared, Registered, note_earlier_draws, plan_each, register_experiment,
    register_model, register_planned, with_sampling_labels,
};
use crate::study::comparing::TESTS;
use crate::study::domain::warn_of_experiment;
use crate::study::drifting::{self, Side};
use crate::study::left_out::LeftOut;
use crate::study::models::encoder::{EncoderFile, EncoderUse, open_encoders};
use crate::study::models::opening::open_model;
use crate::study::models::wanted::look_up;
use crate::study::prompt_date::PromptDate;
use crate::study::scoring::encoders::{ByEncoder, joined};
use crate::study::scoring::encoding::{Encoding, similarity_text};
use crate::study::scoring::evidence::{Subject, concepts_of_subjects};
use crate::study::scoring::means::ForMeans;
use crate::study::scoring::scorer::{Scored, Scorer};
use crate::study::seeds::n_seeds_of;
use crate::study::session::{Interrupted, Session};

/// The metric of every run: the cosine of sentence embeddings.
const METRIC: Metric = Metric::Sbert;

impl Session {
    /// Runs an experiment: makes what is missing in the database `db`, scores all of it, and says what was found.
    ///
    /// # Errors
    /// The fault that keeps the run from starting or ending, or [`Interrupted`](super::Interrupted); it is recorded
    /// with the run.
    pub fn run(&self, experiment: &Experiment, db: &Path) -> anyhow::Result<Summary> {
        let wanted = look_up(experiment)?;
        // A database that is there must be usable before anything is fetched; a new one is made when all else is right.
        let existing = db.exists().then(|| self.store(db)).transpose()?;
        let mut left_out = LeftOut::default();
        let mut files = Vec::new();
        for (model, samplings) in wanted.models.iter().zip(&wanted.samplings) {
            let file = left_out.kept(model.name(), open_model(self, model))?;
            files.extend(file.map(|file| (file, samplings.as_slice())));
        }
        let files = left_out.unless_all(self, files)?;
        let encoders = open_encoders(self, &wanted.encoders)?;
        warn_of_experiment(self, &wanted.encoders, experiment);
        let date = PromptDate::of(experiment, existing.as_ref())?;
        let mut planned = Vec::new();
        for (name, of_file) in plan_each(self, experiment, date, files) {
            planned.extend(left_out.kept(&name, of_file)?);
        }
        let planned = with_sampling_labels(left_out.unless_all(self, planned)?);
        let mut store = existing.map_or_else(|| Store::open(db), Ok)?;
        note_earlier_draws(self, &store, &planned)?;
        let registered = register_experiment(&mut store, experiment, &planned)?;
        let encoder_ids = register_encoders(&mut store, registered.experiment, &encoders)?;
        let models = planned
            .iter()
            .map(|planned| register_planned(&mut store, &registered, planned))
            .collect::<anyhow::Result<Vec<ModelId>>>()?;
        let run = start_run(&mut store, self, experiment, registered.experiment)?;
        let encodings = encoders.iter().zip(encoder_ids);
        let encodings = encodings.map(|(encoder, encoder_id)| Encoding {
            session: self,
            encoder,
            encoder_id,
        });
        let steps = Steps {
            session: self,
            encodings: encodings.collect(),
            experiment,
            registered: &registered,
            run,
            planned: &planned,
            models: &models,
        };
        let summary = steps.run(&mut store, left_out);
        record_end(&mut store, run, summary)
    }
}

/// The rows of the encoders, which are recorded in the order of the experiment.
fn register_encoders(
    store: &mut Store,
    experiment: ExperimentId,
    encoders: &[EncoderFile],
) -> anyhow::Result<Vec<ModelId>> {
    let mut named = Vec::new();
    for EncoderFile { file, .. } in encoders {
        let id = register_model(store, file)?;
        named.push((id, file.name.as_str(), file.quantization.as_str()));
    }
    store.name_encoders(experiment, &named)?;
    Ok(named.iter().map(|(id, ..)| *id).collect())
}

/// Records how a run ended.
fn record_end(
    store: &mut Store,
    run: RunId,
    summary: anyhow::Result<Summary>,
) -> anyhow::Result<Summary> {
    match &summary {
        Ok(summary) if !summary.missing.is_empty() => {
            let missing = summary.missing.iter();
            let missing = missing.map(|it| format!("{}: {}", it.name, it.error));
            let errors = missing.collect::<Vec<_>>().join("\n");
            store.finish_run(run, RunOutcome::Error(&errors))?;
        }
        Ok(_) => store.finish_run(run, RunOutcome::Success)?,
        Err(error) if error.is::<Interrupted>() => store.finish_run(run, RunOutcome::Cancelled)?,
        Err(error) => {
            // The first error matters more than one about recording it.
            let _ = store.finish_run(run, RunOutcome::Error(&format!("{error:#}")));
        }
    }
    summary
}

/// A new row for a run of the experiment on this machine.
pub(crate) fn start_run(
    store: &mut Store,
    session: &Session,
    experiment: &Experiment,
    experiment_id: ExperimentId,
) -> anyhow::Result<RunId> {
    let build = machine::build();
    Ok(store.start_run(&NewRun {
        experiment: experiment_id,
        seed: experiment.seed(),
        n_repeats: experiment.n_repeats(),
        n_prompt_pairs: experiment.pairs().len(),
        command_line: &session.command_line,
        seep_version: machine::VERSION,
        seep_commit: build.commit,
        seep_is_dirty: build.is_dirty,
        llama_cpp_2_version: llama::BINDINGS_VERSION,
        llama_cpp_version: &llama::version(),
        system_info: &llama::system_info(),
        cpu: &session.machine.cpu,
        n_cores: session.machine.n_cores,
        memory_bytes: session.machine.memory_bytes,
        os: &session.machine.os,
        n_threads: session.n_threads,
    })?)
}

/// The steps of a run once everything is open and registered.
struct Steps<'a> {
    session: &'a Session,
    /// The primary one first.
    encodings: Vec<Encoding<'a>>,
    experiment: &'a Experiment,
    registered: &'a Registered,
    run: RunId,
    planned: &'a [Planned],
    /// The row of each planned model.
    models: &'a [ModelId],
}

impl Steps<'_> {
    /// Makes what is missing, scores all of it, and says what was found.
    fn run(&self, store: &mut Store, mut left_out: LeftOut) -> anyhow::Result<Summary> {
        let answered = self.answer(store, &mut left_out)?;
        let subjects = self.subjects(store, &answered)?;
        let by_encoder = self.encodings.iter();
        let by_encoder =
            by_encoder.map(|encoding| self.score_by(store, encoding, &answered, &subjects));
        let mut by_encoder = by_encoder.collect::<anyhow::Result<Vec<_>>>()?.into_iter();
        let primary = by_encoder.next().expect("an experiment names an encoder");
        let mut summary = joined(primary, by_encoder);
        summary.missing = left_out.into_models();
        summary.drifts = self.drifts(store, &answered, &subjects)?;
        let sources: Vec<Source> = subjects.iter().map(|it| it.source).collect();
        let kind = match summary.enumeration {
            None => RateKind::Repeats,
            Some(_) => RateKind::Exact,
        };
        summary.n_seeds = n_seeds_of(store, &sources, METRIC.name(), kind)?;
        Ok(summary)
    }

    /// Scores all of it by one encoder.
    fn score_by(
        &self,
        store: &mut Store,
        encoding: &Encoding<'_>,
        answered: &[Rung<'_>],
        subjects: &[Subject],
    ) -> anyhow::Result<ByEncoder> {
        let texts = subjects.iter().flat_map(Subject::texts);
        let encoded = encoding.encode(store, EncoderUse::Sentences, texts)?;
        let scorer = Scorer {
            encoding,
            encoded: &encoded,
            metric: METRIC,
            rounding: Rounding::PUBLISHED,
        };
        let mut summary = Summary {
            concepts: concepts_of_subjects(subjects.iter()),
            ..self.new_summary(store, &scorer)
        };
        let mut bases: Vec<(&Prepared, Vec<PairEstimate>)> = Vec::new();
        let mut verdicts = Vec::new();
        let mut for_means = ForMeans::default();
        for (rung, subject) in answered.iter().zip(subjects) {
            let mut scored = scorer.score(store, subject)?;
            let prepared = &rung.planned.prepared;
            verdicts.push(std::mem::take(&mut scored.verdicts));
            add_differences(&mut summary, &mut bases, prepared, &scored);
            for_means.add(subject.source, &mut scored);
            add_model(&mut summary, prepared, &rung.answered.done, scored);
        }
        summary.wording_means = for_means.means(&summary.models);
        Ok(ByEncoder { summary, verdicts })
    }

    /// The conditions that were answered.
    fn answer(&self, store: &mut Store, left_out: &mut LeftOut) -> anyhow::Result<Vec<Rung<'_>>> {
        let mut answering = Answering {
            session: self.session,
            store,
            run: self.run,
            loaded: None,
        };
        let mut rungs = Vec::new();
        for (planned, &model) in self.planned.iter().zip(self.models) {
            let answered = answering.answer(planned, model, self.registered.wording(planned));
            let answered = left_out.kept(&planned.prepared.label(), answered)?;
            rungs.extend(answered.map(|answered| Rung {
                planned,
                model,
                answered,
            }));
            // At once, where there is anything besides.
            if self.planned.len() > 1 {
                left_out.tell(self.session);
            }
        }
        left_out.unless_all(self.session, rungs)
    }

    fn subjects(&self, store: &mut Store, rungs: &[Rung<'_>]) -> anyhow::Result<Vec<Subject>> {
        let subjects = rungs.iter().map(|rung| {
            let (planned, model, numerics) = (rung.planned, rung.model, rung.answered.numerics);
            let (experiment, registered) = (self.experiment, self.registered);
            Subject::of_planned(store, experiment, registered, planned, model, numerics)
        });
        subjects.collect()
    }

    /// How far each quantization lies from the first of the same model, on the prompts that have distributions.
    fn drifts(
        &self,
        store: &Store,
        rungs: &[Rung<'_>],
        subjects: &[Subject],
    ) -> anyhow::Result<Vec<DriftSummary>> {
        // A model is there once for each of its samplings and wordings; distributions do not depend on the sampling, and of
        // wordings the first is taken.
        let mut sides: Vec<Side> = rungs
            .iter()
            .zip(subjects)
            .map(|(rung, subject)| {
                let numerics = Some(subject.source.numerics);
                Side::of(&rung.planned.prepared.file, subject.source.model, numerics)
            })
            .collect();
        sides.dedup_by_key(|side| side.source.model);
        let mut drifts = Vec::new();
        for other in &sides {
            let base = sides.iter().find(|base| base.name == other.name);
            if let Some(base) = base.filter(|base| base.source.model != other.source.model) {
                let (id, seed) = (self.registered.experiment, self.experiment.seed());
                drifts.extend(drifting::summary(store, id, seed, base, other)?);
            }
        }
        Ok(drifts)
    }

    fn new_summary(&self, store: &Store, scorer: &Scorer<'_>) -> Summary {
        let (experiment, encoder) = (self.experiment, scorer.encoding.encoder);
        Summary {
            experiment: experiment.name().to_owned(),
            experiment_sha256: experiment.sha256().to_string(),
            metric: METRIC.name().to_owned(),
            similarity: similarity_text(METRIC, encoder),
            signature: scorer.signature(),
            embedding_model: encoder.file.name.clone(),
            embedding_model_sha256: encoder.file.sha256.to_string(),
            n_repeats: experiment.n_repeats(),
            n_control_repeats: experiment.repeat_counts().control,
            seed: Some(experiment.seed()),
            n_seeds: 1,
            enumeration: experiment.enumeration(),
            concepts: Concepts {
                n: 0,
                are_random: false,
            },
            models: Vec::new(),
            wording_means: Vec::new(),
            drifts: Vec::new(),
            examples: Vec::new(),
            differences: Vec::new(),
            encoders: Vec::new(),
            database: store.path().display().to_string(),
            run_id: Some(self.run.get()),
            n_failed: 0,
            missing: Vec::new(),
        }
    }
}

/// A condition with its answers.
struct Rung<'a> {
    planned: &'a Planned,
    model: ModelId,
    answered: Answered,
}

/// Adds how a condition differs from the first of its model under the same sampling values in the same wording, or keeps it as that first.
///
/// Only exact rates have a difference that a run can state: of repeats, one run is one draw.
fn add_differences<'p>(
    summary: &mut Summary,
    bases: &mut Vec<(&'p Prepared, Vec<PairEstimate>)>,
    prepared: &'p Prepared,
    scored: &Scored,
) {
    if summary.enumeration.is_none() {
        return;
    }
    let is_base = |base: &Prepared| {
        base.file.name == prepared.file.name
            && base.context.sampling == prepared.context.sampling
            && base.wording_idx == prepared.wording_idx
    };
    let Some((base, base_pairs)) = bases.iter().find(|(base, _)| is_base(base)) else {
        bases.push((prepared, scored.pairs.clone()));
        return;
    };
    let controls = base_pairs.iter().chain(&scored.pairs);
    let clusters: Clusters = controls
        .map(|pair| (pair.pair_idx, pair.control_prompt_idx))
        .collect();
    let found = compare_with_base(
        base_pairs,
        &[&scored.pairs],
        Measure::LeakRate,
        &clusters,
        TESTS,
    );
    let differences = found
        .into_iter()
        .flatten()
        .map(|difference| DifferenceFromBase {
            model: prepared.label(),
            base: base.label(),
            difference,
        });
    summary.differences.extend(differences);
}

fn add_model(summary: &mut Summary, prepared: &Prepared, done: &RunModel, scored: Scored) {
    summary.examples.extend(scored.examples);
    summary.n_failed += done.n_failed;
    summary.models.push(ModelSummary {
        leak_rates: scored.leak_rates,
        diagnostics: scored.diagnostics,
        ..model_summary(prepared, done)
    });
}

/// Returns the facts about a condition that are known before any rate.
fn model_summary(prepared: &Prepared, done: &RunModel) -> ModelSummary {
    ModelSummary {
        model: prepared.file.name.clone(),
        quantization: prepared.file.quantization.clone(),
        sha256: prepared.file.sha256.to_string(),
        bits_per_weight: Some(prepared.file.inspection.bits_per_weight),
        composition: prepared.file.composition(),
        label_share: prepared.file.label_share(),
        derivation: prepared.file.derivation_summary(),
        sampling: Some(prepared.context.sampling.clone()),
        sampling_label: prepared.sampling_label.clone(),
        wording_label: prepared.wording_label.clone(),
        mean_over: Vec::new(),
        preset: prepared.preset.map(Preset::as_str),
        device: Some(done.device.clone()),
        determinism: done.determinism.clone(),
        n_generated: done.n_generated,
        n_reused: done.n_reused,
        n_decode_rows: done.n_decode_rows,
        seconds: done.total.as_secs_f64(),
        leak_rates: Vec::new(),
        diagnostics: Vec::new(),
    }
}
