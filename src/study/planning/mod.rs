//! Plans: what a run would do, without doing it.
//!
//! Owns the counts; what it takes is in `cost`, what it can find in `detection`. It fetches nothing and writes nothing
//! into a database that exists; a model that is not here cannot be tokenized for, so all its generations count as
//! missing.

mod cost;
mod detection;

use std::path::Path;

use indicatif::HumanBytes;
use itertools::Itertools as _;

use crate::experiment::{Balance, Experiment, range};
use crate::generation::SamplingParams;
use crate::gguf::derivation::derived_label;
use crate::gguf::shelf::State;
use crate::leakage::RowCosts;
use crate::results::{ComparisonPlan, DesignAdvice, DesignBalance, ModelPlan, RunPlan};
use crate::store::Store;
use crate::study::answering::numerics;
use crate::study::asking as prepare;
use crate::study::domain::warn_of_experiment;
use crate::study::models::deriving::{self, DerivedState, Wish};
use crate::study::models::fetching::state_text;
use crate::study::models::opening::open_model;
use crate::study::models::wanted::{Wanted, look_up};
use crate::study::prompt_date::PromptDate;
use crate::study::session::Session;

/// Bytes that a generation takes in the database, where the database does not tell.
const BYTES_PER_GENERATION: u64 = 1_600;
/// A database with fewer generations does not tell: its tables take most of it.
const N_GENERATIONS_TELLING: u64 = 500;

impl Session {
    /// Plans a run of the experiment; the database need not exist.
    ///
    /// # Errors
    /// Whatever would keep the run from starting.
    pub fn plan(&self, experiment: &Experiment, db: &Path) -> anyhow::Result<RunPlan> {
        let wanted = look_up(experiment)?;
        let store = db.exists().then(|| self.store_to_read(db)).transpose()?;
        let date = PromptDate::of(experiment, store.as_ref())?;
        warn_of_experiment(self, &wanted.encoders, experiment);
        let models = wanted
            .models
            .iter()
            .chain(&wanted.encoders)
            .enumerate()
            .map(|(model_idx, model)| {
                // Encoders have none.
                let samplings = wanted.samplings.get(model_idx);
                plan_model(
                    self,
                    date,
                    experiment,
                    store.as_ref(),
                    model,
                    samplings.map_or(&[], Vec::as_slice),
                )
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let generating = &models[..wanted.models.len()];
        let costs = generating.iter().filter_map(|model| model.cost.as_ref());
        let mut costs = costs.rev().map(|cost| RowCosts {
            prompt: cost.rows_of_prompt,
            draw: cost.rows_of_draw,
        });
        let (comparisons, advice) =
            detection::comparisons(experiment, generating, store.as_ref(), costs.next())?;
        document(
            experiment,
            self,
            store.as_ref(),
            models,
            comparisons,
            advice,
        )
    }
}

/// Adds up what the models take.
fn document(
    experiment: &Experiment,
    session: &Session,
    store: Option<&Store>,
    models: Vec<ModelPlan>,
    comparisons: Vec<ComparisonPlan>,
    advice: Option<DesignAdvice>,
) -> anyhow::Result<RunPlan> {
    let costs = || models.iter().filter_map(|model| model.cost.as_ref());
    let is_without_time = |model: &&ModelPlan| model.n_missing > 0 && model.cost.is_none();
    let n_missing: usize = models.iter().map(|model| model.n_missing).sum();
    let files = models.iter();
    let files = files.map(|model| model.fetch_bytes + model.derive_bytes.unwrap_or(0));
    Ok(RunPlan {
        experiment: experiment.name().to_owned(),
        n_prompt_pairs: experiment.pairs().len(),
        n_pairs_with_siblings: detection::pairs_with_siblings(experiment).len(),
        n_filler_prompts: n_filler_prompts(experiment),
        n_prompts: experiment.prompts().len(),
        balance: experiment.balance().map(|found| balance(&found)),
        n_repeats: experiment.n_repeats(),
        n_control_repeats: experiment.repeat_counts().control,
        enumeration: experiment.enumeration(),
        // The sum of no number is minus zero.
        seconds: costs().map(|cost| cost.seconds).sum::<f64>() + 0.0,
        n_models_without_time: models.iter().filter(is_without_time).count(),
        disk_bytes: files.sum::<u64>() + n_missing as u64 * bytes_per_generation(store)?,
        memory_bytes: costs().map(|cost| cost.memory_bytes).max(),
        machine_memory_bytes: session.machine.memory_bytes,
        models,
        comparisons,
        advice,
    })
}

fn balance(found: &Balance) -> DesignBalance {
    let of = |counts: &mut dyn Iterator<Item = &usize>| range(counts.copied());
    DesignBalance {
        n_templates: found.n_templates,
        n_concepts: found.n_of_concepts.len(),
        n_concepts_of_template: found.n_in_template,
        n_templates_of_concept: of(&mut found.n_of_concepts.values()).unwrap_or_default(),
        n_templates_of_two: of(&mut found.n_of_two.values()),
    }
}

fn n_filler_prompts(experiment: &Experiment) -> usize {
    let fillers = experiment.fillers().iter();
    fillers.map(|filler| filler.prompt_idx).unique().count()
}

/// Returns the bytes that a generation takes in this database, with all that belongs to the generation.
fn bytes_per_generation(store: Option<&Store>) -> anyhow::Result<u64> {
    let Some(store) = store else {
        return Ok(BYTES_PER_GENERATION);
    };
    let n_generations = store.n_generations()?;
    let size = store.path().metadata().map_or(0, |it| it.len());
    Ok(if n_generations < N_GENERATIONS_TELLING {
        BYTES_PER_GENERATION
    } else {
        size / n_generations
    })
}

fn plan_model(
    session: &Session,
    date: PromptDate,
    experiment: &Experiment,
    store: Option<&Store>,
    wanted: &Wanted,
    samplings: &[SamplingParams],
) -> anyhow::Result<ModelPlan> {
    let mut plan = absent_model(session, experiment, wanted, samplings.len())?;
    if samplings.is_empty() || plan.fetch_bytes > 0 || plan.derive_bytes != Some(0) {
        return Ok(plan);
    }
    let planned = prepare::plan(
        session,
        experiment,
        date,
        open_model(session, wanted)?,
        samplings,
    )?;
    if let Some(store) = store {
        prepare::note_earlier_draws(session, store, &planned)?;
    }
    let first = &planned[0];
    plan.n_prompt_tokens = Some(
        first
            .prepared
            .prompts
            .iter()
            .map(|prompt| prompt.tokens().len())
            .sum(),
    );
    let mut missing = Vec::new();
    plan.n_generations = 0;
    for planned in &planned {
        plan.n_generations += planned.plan.requests().len();
        missing.extend(match store {
            Some(store) => planned.missing(store, numerics::of_most_answers(store, planned)?)?,
            None => planned.plan.requests().to_vec(),
        });
    }
    plan.n_missing = missing.len();
    plan.n_stored = plan.n_generations - plan.n_missing;
    plan.quantization = Some(first.prepared.file.quantization.clone());
    plan.cost = Some(cost::cost(session, store, first, &missing)?);
    Ok(plan)
}

/// Returns the part of a model's plan that is known without its file.
fn absent_model(
    session: &Session,
    experiment: &Experiment,
    wanted: &Wanted,
    n_samplings: usize,
) -> anyhow::Result<ModelPlan> {
    let n_each: u32 = experiment.n_requests().iter().sum();
    let n_generations = n_each as usize * experiment.wordings().len() * n_samplings;
    let file = file_plan(session, wanted)?;
    Ok(ModelPlan {
        model: file.model,
        quantization: file.quantization,
        state: file.state,
        fetch_bytes: file.fetch_bytes,
        derive_bytes: file.derive_bytes,
        n_generations,
        n_stored: 0,
        n_missing: n_generations,
        n_prompt_tokens: None,
        cost: None,
    })
}

/// The state of a model file, and the bytes to fetch or derive until it is here.
struct FilePlan {
    model: String,
    quantization: Option<String>,
    state: String,
    fetch_bytes: u64,
    derive_bytes: Option<u64>,
}

fn file_plan(session: &Session, wanted: &Wanted) -> anyhow::Result<FilePlan> {
    match wanted {
        Wanted::File { label, .. } | Wanted::Folder { label, .. } => Ok(FilePlan {
            model: label.clone(),
            quantization: None,
            state: "yes".to_owned(),
            fetch_bytes: 0,
            derive_bytes: Some(0),
        }),
        Wanted::Entry(entry) => {
            let state = session.shelf.state(entry);
            Ok(FilePlan {
                model: entry.name().to_owned(),
                quantization: Some(entry.quantization().to_owned()),
                state: state_text(&state, entry),
                fetch_bytes: match state {
                    State::Absent | State::Wrong { .. } => entry.bytes(),
                    State::Partial { bytes } => entry.bytes() - bytes,
                    State::Present { .. } => 0,
                },
                derive_bytes: Some(0),
            })
        }
        Wanted::Derived { parent, wish } => derived_plan(session, parent, wish),
    }
}

/// The parent is fetched once for all that is derived from it, so it is counted where it stands as a model itself.
fn derived_plan(session: &Session, parent: &Wanted, wish: &Wish) -> anyhow::Result<FilePlan> {
    let plan = file_plan(session, parent)?;
    if plan.fetch_bytes > 0 {
        let from = plan.quantization.unwrap_or_default();
        return Ok(FilePlan {
            quantization: Some(derived_label(
                wish.target.label,
                &from,
                wish.imatrix.is_some(),
            )),
            state: format!("to derive once {from} is here"),
            derive_bytes: None,
            ..plan
        });
    }
    let parent = open_model(session, parent)?;
    let label = derived_label(
        wish.target.label,
        &parent.quantization,
        wish.imatrix.is_some(),
    );
    let (state, derive_bytes) = match deriving::state(session, &parent, wish)? {
        DerivedState::Here => ("yes, derived".to_owned(), 0),
        DerivedState::ToMake { bytes } => (format!("to derive, {}", HumanBytes(bytes)), bytes),
    };
    Ok(FilePlan {
        model: parent.name,
        quantization: Some(label),
        state,
        fetch_bytes: 0,
        derive_bytes: Some(derive_bytes),
    })
}
