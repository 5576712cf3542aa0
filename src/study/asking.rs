//! The questions to a model: prompts rendered and tokenized for it, requests planned, everything registered.
//!
//! Owns the way from an experiment and a model file to requests with their ids. It loads no weights: only for a
//! tokenizer that we cannot build is llama.cpp's vocabulary loaded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use itertools::Itertools as _;
use rayon::prelude::*;

use crate::experiment::{Experiment, Plan, Preset, Wording, plan_requests};
use crate::generation::{
    DrawMethod, Method, Request, RequestContext, RequestId, SamplingParams, joined_label,
    sampling_labels,
};
use crate::gguf::inspect::composition_json;
use crate::llama::{Model, Weights};
use crate::prompt::{ChatTemplate, PromptError, RenderedPrompt, Tokenizer};
use crate::store::{
    ExperimentId, ModelId, NewDerivation, NewExperiment, NewModel, NewPair, NewPrompt,
    NewRenderedPrompt, NewWording, NumericsId, PromptId, Store, StoredFiller, WordingId,
};
use crate::study::models::file::ModelFile;
use crate::study::models::placement::Placement;
use crate::study::prompt_date::PromptDate;
use crate::study::session::Session;

/// A model with one of its samplings and one wording, and the prompts as it sees them.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) file: Arc<ModelFile>,
    /// The sampling values in which the conditions of the experiment differ; empty where they do not.
    pub(crate) sampling_label: String,
    /// The wording's place in the experiment.
    pub(crate) wording_idx: usize,
    /// Its name; empty where the experiment has no other.
    pub(crate) wording_label: String,
    pub(crate) preset: Option<Preset>,
    /// In the order in which they were given.
    pub(crate) prompts: Arc<[RenderedPrompt]>,
    /// Which program made the tokens.
    pub(crate) tokenizer_name: &'static str,
    /// Tokens that only fill the vocabulary up.
    pub(crate) unused_tokens: Vec<u32>,
    pub(crate) context: RequestContext,
    /// Where its logits are computed.
    pub(crate) placement: Placement,
    /// The date that its chat template shows; None where it shows none.
    pub(crate) shown_date: Option<PromptDate>,
    /// Time that rendering and tokenizing took.
    pub(crate) took: Duration,
}

/// A condition: a model with one of its samplings and one wording, and what it is asked.
pub(crate) struct Planned {
    pub(crate) prepared: Prepared,
    pub(crate) method: Method,
    pub(crate) plan: Plan,
}

/// Plans the experiment for each of `files` with each of its samplings in each wording, in this order.
pub(crate) fn plan_all(
    session: &Session,
    experiment: &Experiment,
    date: PromptDate,
    files: Vec<ModelFile>,
    samplings: &[Vec<SamplingParams>],
) -> anyhow::Result<Vec<Planned>> {
    let files = files.into_iter().zip(samplings.iter().map(Vec::as_slice));
    let planned = plan_each(session, experiment, date, files.collect());
    let planned = planned.into_iter().map(|(_, planned)| planned);
    Ok(with_sampling_labels(
        planned.collect::<anyhow::Result<_>>()?,
    ))
}

/// Plans the experiment for each of `files` with each of its samplings in each wording; with the names of the files.
pub(crate) fn plan_each(
    session: &Session,
    experiment: &Experiment,
    date: PromptDate,
    files: Vec<(ModelFile, &[SamplingParams])>,
) -> Vec<(String, anyhow::Result<Vec<Planned>>)> {
    let planned = files.into_par_iter().map(|(file, samplings)| {
        let name = file.label();
        (name, plan(session, experiment, date, file, samplings))
    });
    planned.collect()
}

/// The plans of all files, with labels where samplings differ.
pub(crate) fn with_sampling_labels(planned: Vec<Vec<Planned>>) -> Vec<Planned> {
    let mut planned: Vec<Planned> = planned.into_iter().flatten().collect();
    let all = planned
        .iter()
        .map(|planned| &planned.prepared.context.sampling);
    let labels = sampling_labels(&all.collect::<Vec<_>>());
    for (planned, label) in planned.iter_mut().zip(labels) {
        planned.prepared.sampling_label = label;
    }
    planned
}

/// Renders and tokenizes every prompt of the experiment in each wording, and plans the requests of each sampling.
pub(crate) fn plan(
    session: &Session,
    experiment: &Experiment,
    date: PromptDate,
    file: ModelFile,
    samplings: &[SamplingParams],
) -> anyhow::Result<Vec<Planned>> {
    let Some(first) = samplings.first() else {
        return Ok(Vec::new());
    };
    let prompts = experiment.prompts();
    let prepared = prepare(session, experiment, date, prompts, file, first)?;
    let with_tokens = prepared.iter().map(|prepared| {
        let tokens = prepared.prompts.iter();
        let tokens = tokens.map(|prompt| Arc::from(prompt.tokens()));
        (prepared, tokens.collect())
    });
    let with_tokens: Vec<(&Prepared, Vec<Arc<[u32]>>)> = with_tokens.collect();
    let planned = samplings.iter().cartesian_product(&with_tokens);
    let planned = planned.map(|(sampling, (prepared, tokens))| {
        let mut prepared = (*prepared).clone();
        prepared.context.sampling = sampling.clone();
        Planned {
            method: experiment.method(),
            plan: plan_requests(experiment, tokens, &prepared.context),
            prepared,
        }
    });
    Ok(planned.collect())
}

impl Prepared {
    /// The model, with its sampling and its wording where there are several, as people read them.
    pub(crate) fn label(&self) -> String {
        joined_label(
            self.file.label(),
            [&self.sampling_label, &self.wording_label],
        )
    }
}

/// Renders `prompts` in each of the experiment's wordings and tokenizes them; at least one.
pub(crate) fn prepare(
    session: &Session,
    experiment: &Experiment,
    date: PromptDate,
    prompts: &[String],
    mut file: ModelFile,
    sampling: &SamplingParams,
) -> anyhow::Result<Vec<Prepared>> {
    let failed = || format!("failed to prepare the prompts for {}", file.label());
    let template = ChatTemplate::from_gguf(&file.gguf, date.date()).with_context(failed)?;
    if template.shows_date() {
        let label = file.label();
        session.note(format_args!(
            "{label}: its chat template shows the date; {date}"
        ));
    }
    let tokenizer = Tokenizer::from_gguf(&file.gguf).with_context(failed)?;
    let vocabulary = if tokenizer.is_own() {
        None
    } else {
        Some(Model::load(file.gguf.path(), Weights::Absent)?)
    };
    let engine = |text: &str| {
        vocabulary
            .as_ref()
            .and_then(|model| model.tokenize(text).ok())
            .unwrap_or_default()
    };
    let placement = Placement::choose(&file.gguf, experiment.n_gpu_layers())?;
    let rendered = |wording: &Wording| {
        let started = Instant::now();
        let rendered = prompts.iter().map(|prompt| {
            let user = wording.user_message(prompt);
            let messages = template.render(wording.system(), &user)?;
            tokenizer.tokenize(&messages, &engine)
        });
        let rendered = rendered.collect::<Result<Vec<_>, _>>()?;
        Ok::<_, PromptError>((rendered, started.elapsed()))
    };
    let wordings = experiment.wordings().iter();
    let rendered = wordings.map(rendered).collect::<Result<Vec<_>, _>>();
    // A tokenizer that is gone has given nothing.
    if let Some(ended) = vocabulary.as_ref().and_then(Model::ended) {
        return Err(ended).with_context(failed);
    }
    let rendered = rendered.with_context(failed)?;
    file.gguf.drop_lists();
    let file = Arc::new(file);
    let context =
        experiment.request_context(file.sha256, sampling.clone(), placement.schedule_name());
    let prepared = rendered.into_iter().enumerate();
    let prepared = prepared.map(|(wording_idx, (prompts, took))| Prepared {
        took,
        shown_date: template.shows_date().then_some(date),
        tokenizer_name: tokenizer.name(),
        unused_tokens: tokenizer.table().unused().to_vec(),
        prompts: prompts.into(),
        sampling_label: String::new(),
        wording_idx,
        wording_label: match experiment.wordings() {
            [_] => String::new(),
            several => several[wording_idx].name().to_owned(),
        },
        preset: experiment.preset(),
        context: context.clone(),
        placement: placement.clone(),
        file: Arc::clone(&file),
    });
    Ok(prepared.collect())
}

impl Planned {
    /// The planned requests that have no answer under these numerics; all of them where none are known.
    pub(crate) fn missing(
        &self,
        store: &Store,
        numerics: Option<NumericsId>,
    ) -> anyhow::Result<Vec<Request>> {
        let requests = self.plan.requests().iter();
        let Some(numerics) = numerics else {
            return Ok(requests.cloned().collect());
        };
        let missing = store.missing(self.method, &self.request_ids(), numerics)?;
        // Both are in the order of the plan.
        let mut missing = missing.into_iter().peekable();
        Ok(requests
            .filter(|request| missing.next_if_eq(&request.id).is_some())
            .cloned()
            .collect())
    }

    /// The ids of the same requests with other draws.
    fn ids_drawn_by(&self, draws: DrawMethod) -> Vec<RequestId> {
        let mut context = self.prepared.context.clone();
        context.sampling.draws = draws;
        let requests = self.plan.requests().iter();
        let with_draws =
            |it: &Request| context.request(Arc::clone(&it.prompt_tokens), it.repeat_idx);
        requests.map(|request| with_draws(request).id).collect()
    }

    /// The ids of all planned requests, in the order of the plan.
    pub(crate) fn request_ids(&self) -> Vec<RequestId> {
        let requests = self.plan.requests().iter();
        requests.map(|request| request.id).collect()
    }
}

/// Says of which conditions generations are stored that were drawn by the method of earlier builds, where there is none of
/// these conditions yet and the experiment does not ask for both.
pub(crate) fn note_earlier_draws(
    session: &Session,
    store: &Store,
    planned: &[Planned],
) -> anyhow::Result<()> {
    let is_swept = planned
        .iter()
        .any(|it| it.prepared.context.sampling.draws == DrawMethod::InverseCdf);
    if is_swept {
        return Ok(());
    }
    for it in planned {
        let earlier = it.ids_drawn_by(DrawMethod::InverseCdf);
        let n_earlier: usize = store
            .n_answers(it.method, &earlier)?
            .iter()
            .map(|(_, n)| n)
            .sum();
        if n_earlier > 0 && store.n_answers(it.method, &it.request_ids())?.is_empty() {
            session.note(format_args!(
                "{}: {n_earlier} stored generations were drawn by `inverse_cdf`; they stay a condition of their own, and \
                 this one, drawn by `gumbel_max`, gets its own\n\
                 hint: to go on with the stored ones, write `draws: inverse_cdf` under `sampling`",
                it.prepared.label(),
            ));
        }
    }
    Ok(())
}

/// The rows of an experiment that its leaks refer to.
pub(crate) struct Registered {
    pub(crate) experiment: ExperimentId,
    /// In the order of [`Experiment::wordings`].
    wordings: Vec<RegisteredWording>,
}

/// The rows of a wording.
struct RegisteredWording {
    id: WordingId,
    /// In the order of [`Experiment::prompts`].
    prompts: Vec<PromptId>,
}

impl Registered {
    /// The wording of what is planned.
    pub(crate) fn wording(&self, planned: &Planned) -> WordingId {
        self.wordings[planned.prepared.wording_idx].id
    }
}

/// Registers the experiment, its wordings with their messages, its pairs and its fillers.
///
/// # Errors
/// Where the prompts of `planned` show another date than the experiment's, and what the database reports.
pub(crate) fn register_experiment(
    store: &mut Store,
    experiment: &Experiment,
    planned: &[Planned],
) -> anyhow::Result<Registered> {
    let experiment_id = store.register_experiment(&NewExperiment {
        sha256: experiment.sha256(),
        name: experiment.name(),
        question: experiment.question(),
        yaml: experiment.yaml(),
        extended_yaml: experiment.extended().map(|file| file.text()),
        pairs_sha256: experiment.pairs_sha256(),
    })?;
    let shown = planned
        .iter()
        .find_map(|planned| planned.prepared.shown_date);
    if let Some(date) = shown {
        date.check_recorded(experiment, store)?;
    }
    let wordings = register_wordings(store, experiment, experiment_id)?;
    // Pairs and fillers are known by their messages in the first wording.
    let prompts = &wordings[0].prompts;
    let pairs: Vec<NewPair<'_>> = experiment
        .pairs()
        .iter()
        .map(|pair| NewPair {
            pair_idx: pair.pair_idx,
            concept: &pair.concept,
            concept_family: pair.concept_family.as_deref(),
            category: &pair.category,
            template_id: pair.template_id.as_deref(),
            test_prompt: experiment.test_prompt(pair),
            control_prompt: experiment.control_prompt(pair),
            test_prompt_id: prompts[pair.test_prompt_idx],
            control_prompt_id: prompts[pair.control_prompt_idx],
        })
        .collect();
    store.register_pairs(experiment_id, &pairs)?;
    let fillers = experiment.fillers().iter().map(|filler| StoredFiller {
        filler_idx: filler.filler_idx,
        filler: filler.filler.clone(),
        template_id: filler.template_id.clone(),
        prompt: experiment.prompts()[filler.prompt_idx].clone(),
        prompt_id: prompts[filler.prompt_idx],
        control_prompt_id: prompts[filler.control_prompt_idx],
    });
    store.register_fillers(experiment_id, &fillers.collect::<Vec<_>>())?;
    Ok(Registered {
        experiment: experiment_id,
        wordings,
    })
}

/// Registers all prompts in each wording.
fn register_wordings(
    store: &mut Store,
    experiment: &Experiment,
    experiment_id: ExperimentId,
) -> anyhow::Result<Vec<RegisteredWording>> {
    let mut registered: Vec<RegisteredWording> = Vec::new();
    for (wording_idx, wording) in experiment.wordings().iter().enumerate() {
        let messages = experiment.prompts().iter();
        let messages: Vec<String> = messages.map(|it| wording.user_message(it)).collect();
        let new = messages.iter().map(|user_message| NewPrompt {
            system_message: wording.system(),
            user_message,
        });
        let prompts = store.register_prompts(&new.collect::<Vec<_>>())?;
        let first = registered.first().map_or(&prompts, |it| &it.prompts);
        let sent: Vec<_> = first.iter().copied().zip(prompts.iter().copied()).collect();
        let new = NewWording {
            wording_idx,
            name: wording.name(),
            system_message: wording.system(),
            user_message: wording.user(),
        };
        let id = match wording.name() {
            "" => WordingId::UNNAMED,
            _ => store.register_wording(experiment_id, &new, &sent)?,
        };
        registered.push(RegisteredWording { id, prompts });
    }
    Ok(registered)
}

/// Registers a model with the prompts as it sees them.
pub(crate) fn register_planned(
    store: &mut Store,
    registered: &Registered,
    planned: &Planned,
) -> anyhow::Result<ModelId> {
    let file = &planned.prepared.file;
    let model = register_model(store, file)?;
    store.name_model(registered.experiment, model, &file.name, &file.quantization)?;
    let rendered: Vec<NewRenderedPrompt<'_>> = planned
        .prepared
        .prompts
        .iter()
        .zip(&registered.wordings[planned.prepared.wording_idx].prompts)
        .map(|(rendered, &prompt)| NewRenderedPrompt {
            prompt,
            text: rendered.text(),
            tokens: rendered.tokens(),
        })
        .collect();
    store.register_rendered_prompts(model, &rendered)?;
    Ok(model)
}

/// Registers a model file.
pub(crate) fn register_model(store: &mut Store, file: &ModelFile) -> anyhow::Result<ModelId> {
    let document = match &file.derivation {
        Some(derivation) => serde_json::to_string(derivation)?,
        None => String::new(),
    };
    let derivation = file.derivation.as_ref().map(|derivation| NewDerivation {
        parent_sha256: &derivation.parent_sha256,
        document: &document,
    });
    Ok(store.register_model(&NewModel {
        sha256: file.sha256,
        label: &file.name,
        quantization: &file.quantization,
        path: file.gguf.path(),
        architecture: file.inspection.architecture.as_deref().unwrap_or("unknown"),
        n_parameters: file.inspection.n_parameters,
        bits_per_weight: file.inspection.bits_per_weight,
        size_bytes: file.inspection.size_bytes,
        metadata: &file.metadata,
        composition: &composition_json(&file.inspection),
        derivation,
    })?)
}
