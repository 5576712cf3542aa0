//! From the names in an experiment to the model files that it wants.
//!
//! Owns the look-up in the manifest, with its errors at their place in the experiment. Opening a file is `opening`'s.

use std::path::{Path, PathBuf};

use anyhow::bail;

use super::deriving::Wish;
use super::file::file_label;
use crate::experiment::{
    DerivationSpec, EmbeddingModelSource, EmbeddingModelSpec, Experiment, ExperimentErrors,
    ModelSource, ModelSpec, Position, Problem, SamplingDefaults,
};
use crate::generation::SamplingParams;
use crate::gguf::derivation::Target;
use crate::gguf::manifest::{Entry, Kind, Manifest, ManifestError};

/// A model file that is wanted and known, but perhaps not here yet.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// One of the manifest.
    Entry(&'static Entry),
    /// A user's own.
    File { path: PathBuf, label: String },
    /// One made here from another.
    Derived { parent: Box<Wanted>, wish: Wish },
    /// A user's own encoder as a folder from Hugging Face.
    Folder { path: PathBuf, label: String },
}

impl Wanted {
    /// Its name in tables.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Entry(entry) => entry.name(),
            Self::File { label, .. } | Self::Folder { label, .. } => label,
            Self::Derived { parent, .. } => parent.name(),
        }
    }
}

/// The model files an experiment wants.
#[derive(Debug)]
pub(crate) struct WantedModels {
    /// One for each of [`Experiment::models`].
    pub(crate) models: Vec<Wanted>,
    /// The samplings of each of them.
    pub(crate) samplings: Vec<Vec<SamplingParams>>,
    /// One for each of [`Experiment::embedding_models`].
    pub(crate) encoders: Vec<Wanted>,
}

/// Looks up every model that the experiment names.
///
/// # Errors
/// All unknown names and missing files at once, each at its place in the experiment file.
pub(crate) fn look_up(experiment: &Experiment) -> Result<WantedModels, ExperimentErrors> {
    let manifest = Manifest::builtin();
    let mut problems = Vec::new();
    let mut keep =
        |found: Result<Wanted, Box<Problem>>| found.map_err(|problem| problems.push(*problem)).ok();
    let models: Vec<Option<Wanted>> = experiment
        .models()
        .iter()
        .map(|spec| keep(wanted_model(manifest, spec)))
        .collect();
    let specs = experiment.embedding_models();
    let encoders = specs
        .iter()
        .map(|spec| keep(wanted_encoder(manifest, spec)));
    let encoders: Vec<Option<Wanted>> = encoders.collect();
    problems.extend(same_names(specs, &encoders));
    if let Some(position) = experiment.model_defaults_position() {
        let specs = experiment.models().iter();
        let lacking = specs.zip(&models).filter_map(|(spec, model)| {
            let lacks = model_defaults(model.as_ref()?).is_none();
            lacks.then(|| no_model_defaults(spec, position))
        });
        problems.extend(lacking);
    }
    ExperimentErrors::raise(problems)?;
    let models: Vec<Wanted> = models
        .into_iter()
        .map(|model| model.expect("no problem was found"))
        .collect();
    let samplings = models
        .iter()
        .map(|model| experiment.samplings(model_defaults(model).as_ref()));
    Ok(WantedModels {
        samplings: samplings.collect(),
        models,
        encoders: encoders.into_iter().flatten().collect(),
    })
}

/// The sampling values that a model's publisher recommends; None where the manifest does not have them.
fn model_defaults(model: &Wanted) -> Option<SamplingDefaults> {
    let entry = match model {
        Wanted::Entry(entry) => entry,
        Wanted::Derived { parent, .. } => return model_defaults(parent),
        Wanted::File { .. } | Wanted::Folder { .. } => return None,
    };
    let config = entry.generation_config()?;
    Some(SamplingDefaults {
        temperature: config.temperature,
        top_k: config.top_k,
        top_p: config.top_p,
        min_p: SamplingDefaults::TRANSFORMERS.min_p,
        repetition_penalty: config.repetition_penalty,
    })
}

fn no_model_defaults(spec: &ModelSpec, preset: &Position) -> Problem {
    let what = match &spec.source {
        ModelSource::Manifest { name, .. } => {
            format!("the manifest has no sampling values of `{name}`")
        }
        ModelSource::File { label, .. } => {
            format!("nobody recommends sampling values for the file `{label}`")
        }
    };
    Problem::error(&spec.position, what)
        .earlier(preset, "which this preset asks for")
        .hint("write every sampling value out, or leave the model to an experiment of its own")
}

fn wanted_model(manifest: &'static Manifest, spec: &ModelSpec) -> Result<Wanted, Box<Problem>> {
    let wanted = match &spec.source {
        ModelSource::Manifest { name, quantization } => {
            let at_quantization = spec
                .quantization_position
                .as_ref()
                .unwrap_or(&spec.position);
            manifest_model(manifest, name, quantization)
                .map_err(|error| manifest_problem(&error, &spec.position, at_quantization))
        }
        ModelSource::File { path, label } => own_file(path, label, &spec.position),
    }?;
    match &spec.derivation {
        None => Ok(wanted),
        Some(derivation) => Ok(Wanted::Derived {
            parent: Box::new(wanted),
            wish: wish(derivation)?,
        }),
    }
}

fn wanted_encoder(
    manifest: &'static Manifest,
    spec: &EmbeddingModelSpec,
) -> Result<Wanted, Box<Problem>> {
    match &spec.source {
        EmbeddingModelSource::Manifest { name } => manifest
            .find_encoder(name)
            .map(Wanted::Entry)
            .map_err(|error| manifest_problem(&error, &spec.position, &spec.position)),
        EmbeddingModelSource::File { path } => {
            own_encoder(path).ok_or_else(|| missing_file(path, &spec.position))
        }
    }
}

/// A user's own encoder, a file or a folder; None where there is neither.
pub(crate) fn own_encoder(path: &Path) -> Option<Wanted> {
    let owned = path.to_owned();
    if path.is_dir() {
        // A folder has no ending: the `.5` of `my-encoder-v1.5` is part of its name.
        let name = path.file_name().unwrap_or(path.as_os_str());
        let label = name.to_string_lossy().into_owned();
        return Some(Wanted::Folder { path: owned, label });
    }
    let label = file_label(path);
    path.is_file()
        .then_some(Wanted::File { path: owned, label })
}

/// The encoders that could not be told apart in a table.
fn same_names(specs: &[EmbeddingModelSpec], encoders: &[Option<Wanted>]) -> Vec<Problem> {
    let named: Vec<_> = specs.iter().zip(encoders.iter().flatten()).collect();
    let same = named
        .iter()
        .enumerate()
        .filter_map(|(idx, (spec, encoder))| {
            let mut before = named[..idx].iter();
            let (first, _) = before.find(|(_, other)| other.name() == encoder.name())?;
            let message = format!("two encoders are called `{}`", encoder.name());
            let problem = Problem::error(&spec.position, message);
            let problem = problem.earlier(&first.position, "and this one");
            Some(problem.hint("give the file or folder another name"))
        });
    same.collect()
}

/// The derivation an experiment asks for, if the quantizer can make it.
fn wish(spec: &DerivationSpec) -> Result<Wish, Box<Problem>> {
    let Some(target) = Target::find(&spec.to) else {
        let message = format!("the quantizer makes no `{}`", spec.to);
        let problem = Problem::error(&spec.position, message);
        return Err(Box::new(problem.hint(targets_text())));
    };
    if target.needs_imatrix && spec.imatrix.is_none() {
        let message = format!("`{}` cannot be made without an importance matrix", spec.to);
        let problem = Problem::error(&spec.position, message);
        return Err(Box::new(
            problem.hint("add for example `imatrix: my.imatrix`"),
        ));
    }
    if let (Some(path), Some(position)) = (&spec.imatrix, &spec.imatrix_position)
        && !path.is_file()
    {
        return Err(missing_file(path, position));
    }
    Ok(Wish {
        target,
        allow_requantize: spec.allow_requantize,
        imatrix: spec.imatrix.clone(),
    })
}

/// Returns the list of quantizations that the quantizer can make, for a hint.
pub(crate) fn targets_text() -> String {
    format!("it makes {}", Target::labels().join(", "))
}

fn manifest_model(
    manifest: &'static Manifest,
    name: &str,
    quantization: &str,
) -> Result<Wanted, ManifestError> {
    let entry = manifest.find(name, quantization)?;
    if entry.kind() == Kind::Encoder {
        return Err(ManifestError::NotAGenerator {
            name: name.to_owned(),
        });
    }
    Ok(Wanted::Entry(entry))
}

/// The manifest's error at its place; the error's own hint becomes the problem's.
fn manifest_problem(
    error: &ManifestError,
    at_name: &Position,
    at_quantization: &Position,
) -> Box<Problem> {
    let position = match error {
        ManifestError::UnknownQuantization { .. } => at_quantization,
        _ => at_name,
    };
    let text = error.to_string();
    let (message, hint) = match text.split_once("\nhint: ") {
        Some((message, hint)) => (message, Some(hint)),
        None => (text.as_str(), None),
    };
    Box::new(Problem::error(position, message).maybe_hint(hint))
}

fn own_file(path: &Path, label: &str, position: &Position) -> Result<Wanted, Box<Problem>> {
    if path.is_file() {
        return Ok(Wanted::File {
            path: path.to_owned(),
            label: label.to_owned(),
        });
    }
    Err(missing_file(path, position))
}

fn missing_file(path: &Path, position: &Position) -> Box<Problem> {
    let message = format!("there is no file `{}`", path.display());
    let hint = "a path counts from the folder of the experiment file";
    Box::new(Problem::error(position, message).hint(hint))
}

/// The entry that a name and perhaps a quantization mean.
pub(crate) fn one_entry(name: &str, quantization: Option<&str>) -> anyhow::Result<&'static Entry> {
    let manifest = Manifest::builtin();
    if let Some(quantization) = quantization {
        return Ok(manifest.find(name, quantization)?);
    }
    match manifest.quantizations(name)?.as_slice() {
        [entry] => Ok(entry),
        entries => {
            let known: Vec<&str> = entries.iter().map(|entry| entry.quantization()).collect();
            bail!(
                "`{name}` has several quantizations: {}\nhint: name one of them behind the model",
                known.join(", ")
            )
        }
    }
}
