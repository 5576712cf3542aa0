//! Drift: how far models lie from a base, and what they find the base's generations worth.
//!
//! Owns which generations are scored by which model, and the summary of what is stored. The next-token distributions
//! come from the runs themselves; only the scores need another pass, which repeats nothing that is stored.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::bail;

use crate::engine::{ForcedTokens, Generator, GroupOutcome, Job};
use crate::experiment::Experiment;
use crate::generation::{Generation, Method, Request, RequestId};
use crate::llama::LlamaDecoder;
use crate::results::{DriftSummary, ScoreSummary};
use crate::stats::{Drift, TopTokens, drift, mean_logprobs};
use crate::store::{
    ConditionKey, DistributionPair, DriftSide, ExperimentId, GenerationId, ModelId, NewScore,
    NumericsId, Store, StoredGeneration,
};
use crate::study::answering::loaded::{Loaded, context_limits, decoder_config};
use crate::study::answering::numerics;
use crate::study::asking::{
    Planned, note_earlier_draws, plan_all, register_experiment, register_planned,
};
use crate::study::models::file::ModelFile;
use crate::study::models::opening::open_model;
use crate::study::models::wanted::look_up;
use crate::study::prompt_date::PromptDate;
use crate::study::selecting::{EXPERIMENT, Name, resolve};
use crate::study::session::Session;
use crate::watch::Unit;

/// The stored generations of a model, by what they answer.
type Generations = HashMap<RequestId, StoredGeneration>;

/// A model of the experiment with its row.
struct Registered {
    planned: Planned,
    id: ModelId,
}

impl Session {
    /// Lets each model of the experiment score the generations of the base, where it has not yet, and says how far each
    /// lies from the base: the model named `base`, or the first.
    ///
    /// # Errors
    /// When nothing is stored of the base, and [`Interrupted`](super::Interrupted).
    pub fn drift(
        &self,
        experiment: &Experiment,
        db: &Path,
        base: Option<&str>,
    ) -> anyhow::Result<Vec<DriftSummary>> {
        let wanted = look_up(experiment)?;
        let mut store = self.existing_store(db)?;
        let files = wanted.models.iter().map(|model| open_model(self, model));
        let files = files.collect::<anyhow::Result<Vec<_>>>()?;
        let base_idx = base_idx(&files, base)?;
        // Next-token distributions do not depend on the sampling: the first of each model brings the generations.
        let first = wanted
            .samplings
            .iter()
            .map(|samplings| samplings[..1].to_vec());
        let date = PromptDate::of(experiment, Some(&store))?;
        let samplings: Vec<_> = first.collect();
        let mut planned = plan_all(self, experiment, date, files, &samplings)?;
        // Of several wordings, drift is looked at in the first, as after a run.
        planned.retain(|planned| planned.prepared.wording_idx == 0);
        note_earlier_draws(self, &store, &planned)?;
        let registered = register_experiment(&mut store, experiment, &planned)?;
        let mut models = Vec::new();
        for planned in planned {
            let id = register_planned(&mut store, &registered, &planned)?;
            models.push(Registered { planned, id });
        }
        let base = models.remove(base_idx);
        // Where continuations are enumerated there is no generation to score.
        let is_exact = experiment.enumeration().is_some();
        if !is_exact {
            score_all(self, &mut store, &base, &models)?;
        }
        let side = |model: &Registered| Side::of(&model.planned.prepared.file, model.id, None);
        let base_side = side(&base);
        let (experiment_id, seed) = (registered.experiment, experiment.seed());
        let summaries = models
            .iter()
            .map(|other| summary(&store, experiment_id, seed, &base_side, &side(other)));
        let summaries = summaries.collect::<anyhow::Result<Vec<_>>>()?;
        let summaries: Vec<DriftSummary> = summaries.into_iter().flatten().collect();
        if is_exact && summaries.is_empty() {
            let label = base.planned.prepared.file.label();
            bail!(
                "no next-token distributions of {label} and another model are stored\nhint: run the experiment with them first"
            );
        }
        Ok(summaries)
    }
}

/// Lets all of `others` score the base's generations.
fn score_all(
    session: &Session,
    store: &mut Store,
    base: &Registered,
    others: &[Registered],
) -> anyhow::Result<()> {
    let generations = match numerics::of_most_answers(store, &base.planned)? {
        Some(numerics) => store.generations(&base.planned.request_ids(), numerics)?,
        None => Generations::new(),
    };
    if generations.is_empty() {
        let label = base.planned.prepared.file.label();
        bail!("no generation of {label} is stored\nhint: run the experiment with it first");
    }
    for other in others {
        score(session, store, base, other, &generations)?;
    }
    Ok(())
}

/// The model that is meant by `--base`, the first unless given.
fn base_idx(files: &[ModelFile], base: Option<&str>) -> anyhow::Result<usize> {
    if files.len() < 2 {
        bail!("the experiment has one model only\nhint: a drift is that of one model from another");
    }
    let Some(base) = base else {
        return Ok(0);
    };
    let name = |file: &ModelFile| Name {
        label: file.name.clone(),
        quantization: file.quantization.clone(),
        differing: [String::new(), String::new()],
        sha256: file.sha256.to_string(),
    };
    let names: Vec<Name> = files.iter().map(name).collect();
    resolve(&names, base, EXPERIMENT)
}

/// The rows of the base's generations, in the order of its requests.
fn generation_ids(planned: &Planned, generations: &Generations) -> Vec<GenerationId> {
    let requests = planned.plan.requests().iter();
    requests
        .filter_map(|request| Some(generations.get(&request.id)?.id))
        .collect()
}

/// Lets `other` score the base's generations that it has not scored yet.
fn score(
    session: &Session,
    store: &mut Store,
    base: &Registered,
    other: &Registered,
    generations: &Generations,
) -> anyhow::Result<()> {
    let mut loaded = None;
    let numerics = match numerics::expected(session, store, &other.planned, other.id)? {
        Some(numerics) => numerics,
        None => {
            Loaded::reuse(&mut loaded, session, &other.planned)?;
            let loaded = loaded.as_ref().expect("a model was loaded");
            numerics::settled(session, store, &other.planned, loaded, None)?.1
        }
    };
    let label = other.planned.prepared.file.label();
    let ids = generation_ids(&base.planned, generations);
    let unscored: HashSet<GenerationId> = store
        .unscored(other.id, numerics, &ids)?
        .into_iter()
        .collect();
    let seen: HashSet<&[u32]> = other
        .planned
        .prepared
        .prompts
        .iter()
        .map(|prompt| prompt.tokens())
        .collect();
    let is_wanted = |request: &&Request| {
        let stored = generations.get(&request.id);
        stored.is_some_and(|stored| {
            unscored.contains(&stored.id) && !stored.generation.tokens.is_empty()
        })
    };
    let wanted: Vec<Request> = base
        .planned
        .plan
        .requests()
        .iter()
        .filter(is_wanted)
        .cloned()
        .collect();
    let (requests, unseen): (Vec<_>, Vec<_>) = wanted
        .into_iter()
        .partition(|request| seen.contains(&*request.prompt_tokens));
    if !unseen.is_empty() {
        let n = unseen.len();
        session.note(format_args!(
            "{label} sees the prompts of {n} generations as other tokens; they are not scored"
        ));
    }
    if requests.is_empty() {
        return Ok(());
    }
    let forced = requests.iter().map(|request| {
        let tokens = generations[&request.id].generation.tokens.clone();
        (request.id, tokens)
    });
    let forced: ForcedTokens = forced.collect();
    Loaded::reuse(&mut loaded, session, &other.planned)?;
    let pass = Pass {
        session,
        loaded: loaded.as_ref().expect("a model was loaded"),
        other,
        numerics,
        generations,
    };
    pass.run(store, &requests, &forced)
}

/// One pass of a model over generations of another.
struct Pass<'a> {
    session: &'a Session,
    loaded: &'a Loaded,
    other: &'a Registered,
    numerics: NumericsId,
    generations: &'a Generations,
}

impl Pass<'_> {
    fn run(
        &self,
        store: &mut Store,
        requests: &[Request],
        forced: &ForcedTokens,
    ) -> anyhow::Result<()> {
        let prepared = &self.other.planned.prepared;
        let sampling = &prepared.context.sampling;
        let schedule = prepared.placement.schedule;
        let limits = context_limits(requests, prepared, Method::Repeats);
        let config = decoder_config(limits, schedule, self.session.n_threads);
        let mut decoder = LlamaDecoder::new(&self.loaded.model, config)?;
        let label = format!("{}: scoring", prepared.file.label());
        let progress = self
            .session
            .begin(label, requests.len() as u64, Unit::Generations);
        let job = Job {
            requests,
            sampling,
            seed: prepared.context.seed,
            vocabulary: &self.loaded.vocabulary,
            schedule,
            limits,
            cancel: &self.session.cancel,
            on_progress: &|_| {},
        };
        let mut generator = Generator::forced(&mut decoder, job, forced);
        let mut n_scored = 0;
        while let Some(outcome) = generator.next_group() {
            if let Some((_, error)) = outcome.failed.first() {
                bail!(
                    "failed to score generations with {}: {error}",
                    prepared.file.label()
                );
            }
            n_scored += outcome.answers.len();
            self.store(store, &outcome)?;
            progress.set(n_scored as u64);
        }
        progress.finish(n_scored as u64);
        Ok(self.session.check_interrupted()?)
    }

    fn store(&self, store: &mut Store, outcome: &GroupOutcome<Generation>) -> anyhow::Result<()> {
        let (other, numerics) = (self.other.id, self.numerics);
        store.insert_next_token_distributions(other, numerics, &outcome.next_tokens)?;
        let scores: Vec<NewScore<'_>> = outcome
            .answers
            .iter()
            .map(|scored| NewScore {
                generation: self.generations[&scored.request_id].id,
                token_logprobs: &scored.token_logprobs,
            })
            .collect();
        Ok(store.insert_scores(other, numerics, &scores)?)
    }
}

/// A model whose drift is looked at, as the database and people know it.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    pub(crate) source: DriftSide,
    pub(crate) name: String,
    pub(crate) quantization: String,
    pub(crate) sha256: String,
    /// None where generations were imported.
    pub(crate) bits_per_weight: Option<f64>,
}

impl Side {
    /// A model with the numerics of its distributions; where none are given those under which most are stored.
    pub(crate) fn of(file: &ModelFile, model: ModelId, numerics: Option<NumericsId>) -> Self {
        Self {
            source: DriftSide { model, numerics },
            name: file.name.clone(),
            quantization: file.quantization.clone(),
            sha256: file.sha256.to_string(),
            bits_per_weight: Some(file.inspection.bits_per_weight),
        }
    }
}

/// How far two models' stored next-token distributions lie apart on the experiment's prompts; None where none are.
pub(crate) fn model_drift(
    store: &Store,
    base: &ConditionKey,
    other: &ConditionKey,
) -> anyhow::Result<Option<Drift>> {
    let pairs = pairs(store, base.experiment, base.into(), other.into())?;
    Ok(drift_of_pairs(&pairs))
}

/// Returns the stored distributions of both models in pairs; nothing where both are one model, which does not lie apart
/// from itself.
fn pairs(
    store: &Store,
    experiment: ExperimentId,
    base: DriftSide,
    other: DriftSide,
) -> anyhow::Result<Vec<DistributionPair>> {
    if base.model == other.model {
        return Ok(Vec::new());
    }
    Ok(store.distribution_pairs(experiment, base, other)?)
}

fn drift_of_pairs(pairs: &[DistributionPair]) -> Option<Drift> {
    let lists: Vec<(TopTokens<'_>, TopTokens<'_>)> = pairs
        .iter()
        .map(|pair| (top_tokens(&pair.base), top_tokens(&pair.other)))
        .collect();
    drift(&lists)
}

/// How far `other` lies from `base` on the experiment's prompts, as far as it is stored; None where nothing is.
pub(crate) fn summary(
    store: &Store,
    experiment: ExperimentId,
    seed: u64,
    base: &Side,
    other: &Side,
) -> anyhow::Result<Option<DriftSummary>> {
    let pairs = pairs(store, experiment, base.source, other.source)?;
    let Some(drift) = drift_of_pairs(&pairs) else {
        return Ok(None);
    };
    Ok(Some(DriftSummary {
        base: format!("{} {}", base.name, base.quantization),
        base_sha256: base.sha256.clone(),
        model: other.name.clone(),
        quantization: other.quantization.clone(),
        sha256: other.sha256.clone(),
        bits_per_weight: other.bits_per_weight,
        n_prompts: drift.n_prompts,
        k: pairs
            .iter()
            .map(|pair| pair.base.tokens.len())
            .max()
            .unwrap_or(0),
        mean_kl: drift.mean_kl,
        median_kl: drift.median_kl,
        max_kl: drift.max_kl,
        same_top: drift.same_top,
        mean_rest: drift.mean_rest,
        scores: scores(store, experiment, seed, base.source, other.source)?,
    }))
}

fn scores(
    store: &Store,
    experiment: ExperimentId,
    seed: u64,
    base: DriftSide,
    other: DriftSide,
) -> anyhow::Result<Option<ScoreSummary>> {
    let scored = store.scored_generations(experiment, seed, base, other)?;
    let logprobs: Vec<(&[f32], &[f32])> = scored
        .iter()
        .map(|scored| (&*scored.own_logprobs, &*scored.token_logprobs))
        .collect();
    Ok(mean_logprobs(&logprobs).map(|mean| ScoreSummary {
        n_generations: scored.len(),
        n_tokens: mean.n_tokens,
        own_logprob: mean.own,
        other_logprob: mean.other,
    }))
}

fn top_tokens(distribution: &crate::generation::NextTokenDistribution) -> TopTokens<'_> {
    TopTokens {
        tokens: &distribution.tokens,
        logprobs: &distribution.logprobs,
        rest: distribution.rest,
    }
}
