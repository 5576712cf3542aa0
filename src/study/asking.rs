//! The questions to a model: prompts rendered and tokenized for it, requests planned, everything registered.
//!
//! Owns the way from an experiment and a model file to requests with their ids. It loads no weights: only for a
//! tokenizer that we cannot build is llama.cpp's vocabulary loaded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rayon::prelude::*;

use crate::experiment::{Experiment, Plan, Preset, plan_requests};
use crate::generation::{
    DrawMethod, Method, Request, RequestContext, RequestId, SamplingParams, sampling_labels,
};
use crate::gguf::inspect::composition_json;
use crate::llama::{Backend, Model};
use crate::prompt::{ChatTemplate, RenderedPrompt, Tokenizer};
use crate::store::{
    ExperimentId, ModelId, NewDerivation, NewExperiment, NewModel, NewPair, NewPrompt,
    NewRenderedPrompt, NumericsId, PromptId, Store, StoredFiller,
};
use crate::study::models::file::ModelFile;
use crate::study::models::placement::Placement;
use crate::study::prompt_date::PromptDate;
use crate::study::session::Session;

/// A model with one of its samplings, and the prompts as it sees them.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) file: Arc<ModelFile>,
    /// The sampling values in which the conditions of the experiment differ; empty where they do not.
    pub(crate) sampling_label: String,
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

/// A condition: a model with one of its samplings, and what it is asked.
pub(crate) struct Planned {
    pub(crate) prepared: Prepared,
    pub(crate) method: Method,
    pub(crate) plan: Plan,
}

/// Plans the experiment for each of `files` with each of its samplings, in this order.
pub(crate) fn plan_all(
    session: &Session,
    experiment: &Experiment,
    date: PromptDate,
    backend: &Backend,
    files: Vec<ModelFile>,
    samplings: &[Vec<SamplingParams>],
) -> anyhow::Result<Vec<Planned>> {
    let planned = files
        .into_par_iter()
        .zip(samplings)
        .map(|(file, samplings)| plan(session, experiment, date, backend, file, samplings))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut planned: Vec<Planned> = planned.into_iter().flatten().collect();
    let all = planned
        .iter()
        .map(|planned| &planned.prepared.context.sampling);
    let labels = sampling_labels(&all.collect::<Vec<_>>());
    for (planned, label) in planned.iter_mut().zip(labels) {
        planned.prepared.sampling_label = label;
    }
    Ok(planned)
}

/// Renders and tokenizes every prompt of the experiment, and plans the requests of each sampling.
pub(crate) fn plan(
    session: &Session,
    experiment: &Experiment,
    date: PromptDate,
    backend: &Backend,
    file: ModelFile,
    samplings: &[SamplingParams],
) -> anyhow::Result<Vec<Planned>> {
    let Some(first) = samplings.first() else {
        return Ok(Vec::new());
    };
    let prepared = prepare(
        session,
        experiment,
        date,
        experiment.prompts(),
        backend,
        file,
        first,
    )?;
    let tokens: Vec<Arc<[u32]>> = prepared
        .prompts
        .iter()
        .map(|prompt| Arc::from(prompt.tokens()))
        .collect();
    let planned = samplings.iter().map(|sampling| {
        let mut prepared = prepared.clone();
        prepared.context.sampling = sampling.clone();
        Planned {
            method: experiment.method(),
            plan: plan_requests(experiment, &tokens, &prepared.context),
            prepared,
        }
    });
    Ok(planned.collect())
}

impl Prepared {
    /// The model, with its sampling where there are several, as people read them.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.file.label(), self.sampling_label)
            .trim_end()
            .to_owned()
    }
}

/// Renders `prompts` in the experiment's messages and tokenizes them.
pub(crate) fn prepare(
    session: &Session,
    experiment: &Experiment,
    date: PromptDate,
    prompts: &[String],
    backend: &Backend,
    mut file: ModelFile,
    sampling: &SamplingParams,
) -> anyhow::Result<Prepared> {
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
        Some(Model::load_vocabulary(backend, file.gguf.path())?)
    };
    let engine = |text: &str| {
        vocabulary
            .as_ref()
            .map_or_else(Vec::new, |model| model.tokenize(text))
    };
    let placement = Placement::choose(backend, &file.gguf, experiment.n_gpu_layers())?;
    let system = experiment.prompt_format().system();
    let started = Instant::now();
    let prompts = prompts
        .iter()
        .map(|prompt| {
            let messages = template.render(system, &experiment.user_message(prompt))?;
            tokenizer.tokenize(&messages, &engine)
        })
        .collect::<Result<Vec<_>, _>>()
        .with_context(failed)?;
    file.gguf.drop_lists();
    Ok(Prepared {
        took: started.elapsed(),
        shown_date: template.shows_date().then_some(date),
        tokenizer_name: tokenizer.name(),
        unused_tokens: tokenizer.table().unused().to_vec(),
        prompts: prompts.into(),
        sampling_label: String::new(),
        preset: experiment.preset(),
        context: experiment.request_context(
            file.sha256,
            sampling.clone(),
            placement.schedule_name(),
        ),
        placement,
        file: Arc::new(file),
    })
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
    /// In the order of [`Experiment::prompts`].
    prompts: Vec<PromptId>,
}

/// Registers the experiment, its messages, its pairs and its fillers.
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
    let messages: Vec<String> = experiment
        .prompts()
        .iter()
        .map(|prompt| experiment.user_message(prompt))
        .collect();
    let new: Vec<NewPrompt<'_>> = messages
        .iter()
        .map(|user_message| NewPrompt {
            system_message: experiment.prompt_format().system(),
            user_message,
        })
        .collect();
    let prompts = store.register_prompts(&new)?;
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
        prompts,
    })
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
        .zip(&registered.prompts)
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
