//! A run: from an experiment to its summary.
//!
//! Owns the order of its steps. Everything that can fail before time is spent comes first: the models, the database, the
//! plan. Then each model makes what is missing, and all of it is scored together.

use std::path::Path;

use crate::experiment::{Experiment, Preset};
use crate::leakage::{Clusters, Metric, PairEstimate, compare_with_base};
use crate::llama::{self, Backend};
use crate::machine;
use crate::results::{DifferenceFromBase, DriftSummary, ModelSummary, Summary};
use crate::store::{ExperimentId, ModelId, NewRun, RunId, RunModel, RunOutcome, Store};
use crate::study::answering::exact::{self as enumerating, EnumerationPlan};
use crate::study::answering::repeats::{self as generating, Destination, Loaded};
use crate::study::asking::{
    Planned, Prepared, plan_all, register_experiment, register_model, register_planned,
};
use crate::study::comparing::FLIPS;
use crate::study::drifting::{self, Side};
use crate::study::models::encoder::open_encoder;
use crate::study::models::opening::open_model;
use crate::study::models::wanted::look_up;
use crate::study::prompt_date::PromptDate;
use crate::study::scoring::encoding::similarity_text;
use crate::study::scoring::exact::{Enumerations, ExactScored, continuation_texts};
use crate::study::scoring::repeats::{METRIC, Scored, Scorer, generation_texts};
use crate::study::session::{Interrupted, Session};

impl Session {
    /// Runs an experiment: makes what is missing in the database `db`, scores all of it, and says what was found.
    ///
    /// # Errors
    /// What keeps the run from starting or ending, and [`Interrupted`](super::Interrupted); it is recorded with the run.
    pub fn run(&self, experiment: &Experiment, db: &Path) -> anyhow::Result<Summary> {
        let wanted = look_up(experiment)?;
        // A database that is there must be usable before anything is fetched; a new one is made when all else is right.
        let existing = db.exists().then(|| Store::open(db)).transpose()?;
        let models = wanted.models.iter().map(|model| open_model(self, model));
        let models = models.collect::<anyhow::Result<Vec<_>>>()?;
        let encoder = open_encoder(self, &wanted.encoder)?;
        let backend = Backend::init()?;
        let date = PromptDate::of(experiment, existing.as_ref())?;
        let planned = plan_all(self, experiment, date, &backend, models, &wanted.samplings)?;
        let mut store = existing.map_or_else(|| Store::open(db), Ok)?;
        let registered = register_experiment(&mut store, experiment, &planned)?;
        let encoder_id = register_model(&mut store, &encoder.file)?;
        let names = (&encoder.file.name, &encoder.file.quantization);
        store.name_model(registered.experiment, encoder_id, names.0, names.1)?;
        let models = planned
            .iter()
            .map(|planned| register_planned(&mut store, &registered, planned))
            .collect::<anyhow::Result<Vec<ModelId>>>()?;
        let run = start_run(
            &mut store,
            self,
            &backend,
            experiment,
            registered.experiment,
        )?;
        let scorer = Scorer {
            session: self,
            backend: &backend,
            encoder,
            encoder_id,
            experiment,
            experiment_id: registered.experiment,
        };
        let summary = generate_and_score(&scorer, &mut store, run, &planned, &models);
        record_end(&mut store, run, summary)
    }
}

/// Records how a run ended.
fn record_end(
    store: &mut Store,
    run: RunId,
    summary: anyhow::Result<Summary>,
) -> anyhow::Result<Summary> {
    match &summary {
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
    backend: &Backend,
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
        system_info: &backend.system_info(),
        cpu: &session.machine.cpu,
        n_cores: session.machine.n_cores,
        memory_bytes: session.machine.memory_bytes,
        os: &session.machine.os,
        n_threads: session.n_threads,
    })?)
}

fn generate_and_score(
    scorer: &Scorer<'_>,
    store: &mut Store,
    run: RunId,
    planned: &[Planned],
    models: &[ModelId],
) -> anyhow::Result<Summary> {
    if let Some(params) = scorer.experiment.enumeration() {
        let plans = planned
            .iter()
            .map(|planned| EnumerationPlan::new(&planned.prepared, params));
        let plans: Vec<EnumerationPlan> = plans.collect();
        return enumerate_and_score(scorer, store, run, planned, &plans, models);
    }
    let mut done = Vec::new();
    let mut last = None;
    for (planned, &model) in planned.iter().zip(models) {
        done.push(make_missing(scorer, store, run, planned, model, &mut last)?);
        scorer.session.check_interrupted()?;
    }
    drop(last);
    let generations = planned
        .iter()
        .map(|planned| planned.generations(store))
        .collect::<anyhow::Result<Vec<_>>>()?;
    scorer.embed(store, generations.iter().flat_map(generation_texts))?;
    let mut summary = new_summary(scorer, store, run);
    for (model_idx, planned) in planned.iter().enumerate() {
        let scored = scorer.score(store, planned, models[model_idx], &generations[model_idx])?;
        add_model(&mut summary, &planned.prepared, &done[model_idx], scored);
    }
    summary.drifts = drifts(scorer, store, planned, models)?;
    Ok(summary)
}

/// How far each quantization lies from the first of the same model, as far as the prompts were generated for.
fn drifts(
    scorer: &Scorer<'_>,
    store: &Store,
    planned: &[Planned],
    models: &[ModelId],
) -> anyhow::Result<Vec<DriftSummary>> {
    // A model is there once for each of its samplings, on which the distributions do not depend.
    let mut sides: Vec<Side> = planned
        .iter()
        .zip(models)
        .map(|(planned, &id)| Side::of(store, &planned.prepared, id))
        .collect::<anyhow::Result<_>>()?;
    sides.dedup_by_key(|side| side.source.model);
    let mut drifts = Vec::new();
    for other in &sides {
        let base = sides.iter().find(|base| base.name == other.name);
        if let Some(base) = base.filter(|base| base.source.model != other.source.model) {
            let seed = scorer.experiment.seed();
            drifts.extend(drifting::summary(
                store,
                scorer.experiment_id,
                seed,
                base,
                other,
            )?);
        }
    }
    Ok(drifts)
}

/// The same from enumerated continuations instead of repeats.
fn enumerate_and_score(
    scorer: &Scorer<'_>,
    store: &mut Store,
    run: RunId,
    planned: &[Planned],
    plans: &[EnumerationPlan],
    models: &[ModelId],
) -> anyhow::Result<Summary> {
    let (session, backend) = (scorer.session, scorer.backend);
    let mut done = Vec::new();
    let mut last = None;
    for ((planned, plan), &model) in planned.iter().zip(plans).zip(models) {
        let sampling = store.register_sampling(&planned.prepared.context.sampling)?;
        let numerics = generating::register_numerics(store, &planned.prepared)?;
        let mut destination = Destination {
            store,
            run,
            model,
            sampling,
            numerics,
        };
        done.push(enumerating::enumerate(
            session,
            backend,
            &mut destination,
            planned,
            plan,
            &mut last,
        )?);
        session.check_interrupted()?;
    }
    drop(last);
    let enumerations = planned.iter().zip(plans).map(|(planned, plan)| {
        let numerics = generating::register_numerics(store, &planned.prepared)?;
        Ok(store.enumerations(&plan.ids(), numerics)?)
    });
    let enumerations = enumerations.collect::<anyhow::Result<Vec<Enumerations>>>()?;
    scorer.embed(store, enumerations.iter().flat_map(continuation_texts))?;
    let mut summary = new_summary(scorer, store, run);
    let mut pairs_of: Vec<(&Prepared, Vec<PairEstimate>)> = Vec::new();
    for (model_idx, planned) in planned.iter().enumerate() {
        let (plan, enumerations) = (&plans[model_idx], &enumerations[model_idx]);
        let scored = scorer.score_exact(store, planned, plan, models[model_idx], enumerations)?;
        let file = &planned.prepared.file;
        let is_base = |base: &Prepared| {
            base.file.name == file.name
                && base.context.sampling == planned.prepared.context.sampling
        };
        let base = pairs_of.iter().find(|(base, _)| is_base(base));
        summary.differences.extend(base.and_then(|(base, pairs)| {
            difference_from_base(base, pairs, &planned.prepared, &scored.pairs)
        }));
        pairs_of.push((&planned.prepared, scored.pairs.clone()));
        add_exact_model(&mut summary, &planned.prepared, &done[model_idx], scored);
    }
    summary.drifts = drifts(scorer, store, planned, models)?;
    Ok(summary)
}

/// How much more leaks under another quantization than under the first of the same model.
fn difference_from_base(
    base: &Prepared,
    base_pairs: &[PairEstimate],
    other: &Prepared,
    other_pairs: &[PairEstimate],
) -> Option<DifferenceFromBase> {
    let controls = base_pairs.iter().chain(other_pairs);
    let clusters: Clusters = controls
        .map(|pair| (pair.pair_idx, pair.control_prompt_idx))
        .collect();
    let found = compare_with_base(base_pairs, &[other_pairs], &clusters, FLIPS);
    Some(DifferenceFromBase {
        model: other.label(),
        base: base.label(),
        difference: found.into_iter().next()??,
    })
}

/// Makes the generations of one condition that are missing; loads its model only if there are any, and once for all of
/// its samplings.
fn make_missing(
    scorer: &Scorer<'_>,
    store: &mut Store,
    run: RunId,
    planned: &Planned,
    model: ModelId,
    last: &mut Option<Loaded>,
) -> anyhow::Result<RunModel> {
    let sampling = store.register_sampling(&planned.prepared.context.sampling)?;
    let numerics = generating::register_numerics(store, &planned.prepared)?;
    let missing = planned.missing(store)?;
    let n_reused = planned.plan.requests().len() - missing.len();
    if missing.is_empty() {
        let done = generating::new_run_model(&planned.prepared, n_reused);
        store.save_run_model(run, model, sampling, &done)?;
        return Ok(done);
    }
    let mut destination = Destination {
        store,
        run,
        model,
        sampling,
        numerics,
    };
    generating::generate(
        scorer.session,
        scorer.backend,
        &mut destination,
        &planned.prepared,
        &missing,
        n_reused,
        last,
    )
}

fn new_summary(scorer: &Scorer<'_>, store: &Store, run: RunId) -> Summary {
    let experiment = scorer.experiment;
    Summary {
        experiment: experiment.name().to_owned(),
        experiment_sha256: experiment.sha256().to_string(),
        metric: METRIC.to_owned(),
        similarity: similarity_text(Metric::Sbert, &scorer.encoder),
        signature: scorer.signature(),
        embedding_model: scorer.encoder.file.name.clone(),
        embedding_model_sha256: scorer.encoder.file.sha256.to_string(),
        n_repeats: experiment.n_repeats(),
        seed: Some(experiment.seed()),
        enumeration: experiment.enumeration(),
        models: Vec::new(),
        drifts: Vec::new(),
        examples: Vec::new(),
        differences: Vec::new(),
        database: store.path().display().to_string(),
        run_id: Some(run.get()),
        n_failed: 0,
    }
}

fn add_model(summary: &mut Summary, prepared: &Prepared, done: &RunModel, scored: Scored) {
    summary.examples.extend(scored.examples);
    let model = ModelSummary {
        leak_rates: scored.leak_rates,
        diagnostics: scored.diagnostics,
        ..model_summary(prepared, done)
    };
    add_summary(summary, done, model);
}

fn add_exact_model(
    summary: &mut Summary,
    prepared: &Prepared,
    done: &RunModel,
    scored: ExactScored,
) {
    summary.examples.extend(scored.examples);
    let model = ModelSummary {
        leak_rates: scored.leak_rates,
        ..model_summary(prepared, done)
    };
    add_summary(summary, done, model);
}

fn add_summary(summary: &mut Summary, done: &RunModel, model: ModelSummary) {
    summary.n_failed += done.n_failed;
    summary.models.push(model);
}

/// What is known of a condition before any rate.
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
