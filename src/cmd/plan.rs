//! `seep plan`: what a run would do, without doing it.
//!
//! Owns the counts and their two forms, a table and JSON; what it takes is in `cost`, what it can find in `detection`.
//! It fetches nothing and writes nothing into a database that exists; a model that is not here cannot be tokenized
//! for, so all its generations count as missing.

mod cost;
mod detection;

use indicatif::HumanBytes;
use serde::Serialize;

use super::deriving::{self, DerivedState, Wish};
use super::enumerating::EnumerationPlan;
use super::model_file::{self, Wanted, look_up};
use super::models::state_text;
use super::prepare;
use super::run::load;
use super::session::Session;
use super::{Status, print};
use crate::cli::{Format, PlanArgs};
use crate::experiment::Experiment;
use crate::generation::{EnumerationParams, SamplingParams};
use crate::gguf::derivation::derived_label;
use crate::gguf::shelf::State;
use crate::llama::Backend;
use crate::progress;
use crate::report::{mode_text, plain_table};
use crate::store::Store;
use cost::{Cost, Missing};
use detection::ComparisonPlan;

/// What a generation takes in the database, where the database does not tell.
const BYTES_PER_GENERATION: u64 = 1_600;
/// A database with fewer generations does not tell: its tables take most of it.
const N_GENERATIONS_TELLING: u64 = 500;

/// What a run would do.
#[derive(Serialize)]
struct PlanDocument<'a> {
    experiment: &'a str,
    n_prompt_pairs: usize,
    n_prompts: usize,
    n_repeats: u32,
    /// How far continuations are enumerated, if they are; the repeats are then draws of what is not.
    #[serde(skip)]
    enumeration: Option<EnumerationParams>,
    models: Vec<ModelPlan>,
    /// Time of all generations whose time is known, in seconds.
    seconds: f64,
    /// Models with missing generations whose time is unknown, because they are not here.
    n_models_without_time: usize,
    /// What is fetched, derived and stored, in bytes.
    disk_bytes: u64,
    /// The largest memory of a model that is here, in bytes; models are loaded one after the other.
    memory_bytes: Option<u64>,
    machine_memory_bytes: u64,
    comparisons: Vec<ComparisonPlan>,
}

/// What it would do with one model.
#[derive(Serialize)]
struct ModelPlan {
    model: String,
    quantization: Option<String>,
    state: String,
    fetch_bytes: u64,
    /// Size of a file that has to be derived; null where its parent is not here.
    derive_bytes: Option<u64>,
    /// Enumerations, where continuations are enumerated: one for each distinct prompt.
    n_generations: usize,
    n_stored: usize,
    n_missing: usize,
    /// Tokens of all rendered prompts; null where the model is not here.
    n_prompt_tokens: Option<usize>,
    /// Null where the model is not here.
    cost: Option<Cost>,
}

impl ModelPlan {
    /// Model and quantization, as `seep compare` takes them.
    fn name(&self) -> String {
        match &self.quantization {
            Some(quantization) => format!("{}:{quantization}", self.model),
            None => self.model.clone(),
        }
    }
}

/// Prints what a run would do.
pub(super) fn plan(args: &PlanArgs) -> anyhow::Result<Status> {
    let experiment = load(&args.experiment)?;
    let wanted = look_up(&experiment)?;
    let session = Session::start(&args.experiment.places.shelf, true, args.threads)?;
    let db = &args.experiment.places.db;
    let store = if db.exists() {
        Some(Store::open(db)?)
    } else {
        None
    };
    let backend = Backend::init()?;
    let models = wanted
        .models
        .iter()
        .chain([&wanted.encoder])
        .enumerate()
        .map(|(model_idx, model)| {
            // The encoder has none.
            let samplings = wanted.samplings.get(model_idx);
            plan_model(
                &session,
                &backend,
                &experiment,
                store.as_ref(),
                model,
                samplings.map_or(&[], Vec::as_slice),
            )
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let generating = &models[..wanted.models.len()];
    let comparisons = detection::comparisons(&experiment, generating, store.as_ref())?;
    let document = document(&experiment, &session, store.as_ref(), models, comparisons)?;
    print(&match args.format {
        Format::Json => serde_json::to_string_pretty(&document)? + "\n",
        Format::Table => table(&document),
    })?;
    Ok(Status::Done)
}

/// Adds up what the models take.
fn document<'a>(
    experiment: &'a Experiment,
    session: &Session,
    store: Option<&Store>,
    models: Vec<ModelPlan>,
    comparisons: Vec<ComparisonPlan>,
) -> anyhow::Result<PlanDocument<'a>> {
    let costs = || models.iter().filter_map(|model| model.cost.as_ref());
    let is_without_time = |model: &&ModelPlan| model.n_missing > 0 && model.cost.is_none();
    let n_missing: usize = models.iter().map(|model| model.n_missing).sum();
    let files = models.iter();
    let files = files.map(|model| model.fetch_bytes + model.derive_bytes.unwrap_or(0));
    Ok(PlanDocument {
        experiment: experiment.name(),
        n_prompt_pairs: experiment.pairs().len(),
        n_prompts: experiment.prompts().len(),
        n_repeats: experiment.n_repeats(),
        enumeration: experiment.enumeration(),
        // The sum of no number is minus zero.
        seconds: costs().map(|cost| cost.seconds).sum::<f64>() + 0.0,
        n_models_without_time: models.iter().filter(is_without_time).count(),
        disk_bytes: files.sum::<u64>() + n_missing as u64 * bytes_per_generation(store)?,
        memory_bytes: costs().map(|cost| cost.memory_bytes).max(),
        machine_memory_bytes: session.machine.memory_bytes,
        models,
        comparisons,
    })
}

/// What a generation takes in this database, with all that belongs to it.
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
    backend: &Backend,
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
        experiment,
        backend,
        model_file::open_model(session, wanted)?,
        samplings,
    )?;
    let first = &planned[0];
    plan.n_prompt_tokens = Some(
        first
            .prepared
            .prompts
            .iter()
            .map(|prompt| prompt.tokens().len())
            .sum(),
    );
    let (mut missing, mut missing_enumerations) = (Vec::new(), Vec::new());
    plan.n_generations = 0;
    for planned in &planned {
        if let Some(params) = experiment.enumeration() {
            let enumerations = EnumerationPlan::new(&planned.prepared, params);
            plan.n_generations += enumerations.requests.len();
            missing_enumerations.extend(match store {
                Some(store) => enumerations.missing(store, &planned.prepared)?,
                None => enumerations.requests,
            });
        } else {
            plan.n_generations += planned.plan.requests().len();
            missing.extend(match store {
                Some(store) => planned.missing(store)?,
                None => planned.plan.requests().to_vec(),
            });
        }
    }
    plan.n_missing = missing.len() + missing_enumerations.len();
    plan.n_stored = plan.n_generations - plan.n_missing;
    plan.quantization = Some(first.prepared.file.quantization.clone());
    let missing = match experiment.enumeration() {
        Some(params) => Missing::Enumerations(&missing_enumerations, params),
        None => Missing::Generations(&missing),
    };
    plan.cost = Some(cost::cost(session, backend, store, first, &missing)?);
    Ok(plan)
}

/// What is known of a model without its file.
fn absent_model(
    session: &Session,
    experiment: &Experiment,
    wanted: &Wanted,
    n_samplings: usize,
) -> anyhow::Result<ModelPlan> {
    let n_each = match experiment.enumeration() {
        Some(_) => 1,
        None => experiment.n_repeats() as usize,
    };
    let n_generations = experiment.prompts().len() * n_each * n_samplings;
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

/// What there is of a model file, and what it takes to have it.
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
    let parent = model_file::open_model(session, parent)?;
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

fn table(plan: &PlanDocument<'_>) -> String {
    let made = match plan.enumeration {
        Some(_) => "enumerations",
        None => "generations",
    };
    let columns = [
        "model",
        "quantization",
        "here",
        "to fetch",
        made,
        "stored",
        "missing",
        "prompt tokens",
        "memory",
        "time",
        "from",
    ];
    let rows = plan.models.iter().map(|model| {
        vec![
            model.model.clone(),
            model.quantization.clone().unwrap_or_default(),
            model.state.clone(),
            HumanBytes(model.fetch_bytes).to_string(),
            model.n_generations.to_string(),
            model.n_stored.to_string(),
            model.n_missing.to_string(),
            model
                .n_prompt_tokens
                .map_or("-".to_owned(), |n| n.to_string()),
        ]
        .into_iter()
        .chain(cost_cells(model.cost.as_ref()))
        .collect()
    });
    format!(
        "{}: {} prompt pairs of {} distinct prompts, {}\n{}\n{}\n\n{}\n",
        plan.experiment,
        plan.n_prompt_pairs,
        plan.n_prompts,
        mode_text(plan.n_repeats, plan.enumeration.as_ref()),
        plain_table(&columns, rows.collect(), &|column_idx| (3..10)
            .contains(&column_idx)),
        totals(plan),
        comparison_table(&plan.comparisons)
    )
}

fn cost_cells(cost: Option<&Cost>) -> [String; 3] {
    let none = || "-".to_owned();
    [
        cost.map_or_else(none, |cost| HumanBytes(cost.memory_bytes).to_string()),
        cost.map_or_else(none, |cost| progress::duration(cost.seconds)),
        cost.and_then(|cost| cost.seconds_from.clone())
            .unwrap_or_else(none),
    ]
}

/// What all of it takes.
fn totals(plan: &PlanDocument<'_>) -> String {
    let known = progress::duration(plan.seconds);
    let time = match plan.n_models_without_time {
        0 => known,
        _ if plan.models.iter().all(|model| model.cost.is_none()) => {
            "unknown, because no model is here".to_owned()
        }
        n => format!("{known} and that of {n} models that are not here"),
    };
    let memory = plan.memory_bytes.map_or("unknown".to_owned(), |bytes| {
        let is_too_much = bytes > plan.machine_memory_bytes;
        let warning = if is_too_much {
            ", which is too much"
        } else {
            ""
        };
        let (bytes, machine) = (HumanBytes(bytes), HumanBytes(plan.machine_memory_bytes));
        format!("{bytes} of {machine}{warning}")
    });
    format!(
        "Time {time}, without loading, the self-check and embedding; disk {}; memory {memory}.",
        HumanBytes(plan.disk_bytes)
    )
}

fn comparison_table(comparisons: &[ComparisonPlan]) -> String {
    if comparisons.is_empty() {
        return "There is one model, so nothing to compare.".to_owned();
    }
    let columns = [
        "base",
        "other",
        "detectable points",
        "standard error",
        "from",
    ];
    let rows = comparisons.iter().map(|comparison| {
        let points = comparison.detectable_points;
        vec![
            comparison.base.clone(),
            comparison.other.clone(),
            points.map_or("none".to_owned(), |points| format!("{points:.1}")),
            format!("{:.1}", comparison.standard_error),
            match comparison.n_stored {
                0 => "prior".to_owned(),
                n if comparison.is_exact => format!("{n} stored leak probabilities each"),
                n => format!("{n} stored verdicts each"),
            },
        ]
    });
    format!(
        "The smallest difference of Mean Leak-Rates that is found with a power of 80 %, after Holm's correction over the comparisons with its base:\n{}",
        plain_table(&columns, rows.collect(), &|column_idx| (2..4)
            .contains(&column_idx))
    )
}
