//! `seep plan`: what a run would do, without doing it.
//!
//! Owns the counts and their two forms, a table and JSON. It fetches nothing and writes nothing into a database
//! that exists; a model that is not here cannot be tokenized for, so all its generations count as missing.

use indicatif::HumanBytes;
use serde::Serialize;

use super::deriving::{self, DerivedState, Wish};
use super::model_file::{self, Wanted, look_up};
use super::models::state_text;
use super::prepare;
use super::run::load;
use super::session::Session;
use super::{Status, print};
use crate::cli::{Format, PlanArgs};
use crate::experiment::Experiment;
use crate::gguf::derivation::derived_label;
use crate::gguf::shelf::State;
use crate::llama::Backend;
use crate::report::plain_table;
use crate::store::Store;

/// What a run would do.
#[derive(Serialize)]
struct PlanDocument<'a> {
    experiment: &'a str,
    n_prompt_pairs: usize,
    n_prompts: usize,
    n_repeats: u32,
    models: Vec<ModelPlan>,
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
    n_generations: usize,
    n_stored: usize,
    n_missing: usize,
    /// Tokens of all rendered prompts; null where the model is not here.
    n_prompt_tokens: Option<usize>,
}

/// Prints what a run would do.
pub(super) fn plan(args: &PlanArgs) -> anyhow::Result<Status> {
    let experiment = load(&args.experiment)?;
    let wanted = look_up(&experiment)?;
    let session = Session::start(&args.experiment.places.shelf, true, None)?;
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
            let generates = model_idx < wanted.models.len();
            plan_model(
                &session,
                &backend,
                &experiment,
                store.as_ref(),
                model,
                generates,
            )
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let document = PlanDocument {
        experiment: experiment.name(),
        n_prompt_pairs: experiment.pairs().len(),
        n_prompts: experiment.prompts().len(),
        n_repeats: experiment.n_repeats(),
        models,
    };
    print(&match args.format {
        Format::Json => serde_json::to_string_pretty(&document)? + "\n",
        Format::Table => table(&document),
    })?;
    Ok(Status::Done)
}

fn plan_model(
    session: &Session,
    backend: &Backend,
    experiment: &Experiment,
    store: Option<&Store>,
    wanted: &Wanted,
    generates: bool,
) -> anyhow::Result<ModelPlan> {
    let mut plan = absent_model(session, experiment, wanted, generates)?;
    if !generates || plan.fetch_bytes > 0 || plan.derive_bytes != Some(0) {
        return Ok(plan);
    }
    let planned = prepare::plan(
        experiment,
        backend,
        model_file::open_model(session, wanted)?,
    )?;
    plan.n_prompt_tokens = Some(
        planned
            .prepared
            .prompts
            .iter()
            .map(|prompt| prompt.tokens().len())
            .sum(),
    );
    plan.n_generations = planned.plan.requests().len();
    plan.n_missing = match store {
        Some(store) => planned.missing(store)?.len(),
        None => plan.n_generations,
    };
    plan.n_stored = plan.n_generations - plan.n_missing;
    Ok(plan)
}

/// What is known of a model without its file.
fn absent_model(
    session: &Session,
    experiment: &Experiment,
    wanted: &Wanted,
    generates: bool,
) -> anyhow::Result<ModelPlan> {
    let n_generations = experiment.prompts().len() * experiment.n_repeats() as usize;
    let n_generations = if generates { n_generations } else { 0 };
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
        Wanted::File { label, .. } => Ok(FilePlan {
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
    let columns = [
        "model",
        "quantization",
        "here",
        "to fetch",
        "generations",
        "stored",
        "missing",
        "prompt tokens",
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
    });
    format!(
        "{}: {} prompt pairs of {} distinct prompts, {} repeats\n{}\n",
        plan.experiment,
        plan.n_prompt_pairs,
        plan.n_prompts,
        plan.n_repeats,
        plain_table(&columns, rows.collect(), &|column_idx| column_idx >= 3)
    )
}
