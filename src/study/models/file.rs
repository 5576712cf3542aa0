//! From what an experiment or a person names to model files that are here, whole, and safe to load.
//!
//! Owns the look-up in the manifest (with its errors at their place in the experiment) and the identity of a file.
//! Encoders are opened in `encoder_file`; fetching is the shelf's, the checks of a header are `gguf`'s.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::digest::Digest;
use crate::experiment::{
    DerivationSpec, EmbeddingModelSource, Experiment, ExperimentErrors, ModelSource, ModelSpec,
    Position, Problem, SamplingDefaults,
};
use crate::generation::SamplingParams;
use crate::gguf::derivation::{Derivation, Target};
use crate::gguf::file_hash::cached_hash_with;
use crate::gguf::inspect::metadata_json;
use crate::gguf::manifest::{Entry, Kind, Manifest, ManifestError};
use crate::gguf::tensor_type::nominal_type;
use crate::gguf::{Gguf, GgufError, Inspection, check_generation_model};
use crate::results::{DerivationSummary, StoredShare};
use crate::study::models::deriving::{self, Wish};
use crate::study::models::fetching;
use crate::study::session::Session;

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

/// The model files an experiment wants.
#[derive(Debug)]
pub(crate) struct WantedModels {
    /// One for each of [`Experiment::models`].
    pub(crate) models: Vec<Wanted>,
    /// The samplings of each of them.
    pub(crate) samplings: Vec<Vec<SamplingParams>>,
    pub(crate) encoder: Wanted,
}

/// A model file that is here, hashed and checked.
#[derive(Debug)]
pub(crate) struct ModelFile {
    pub(crate) name: String,
    /// The label of its quantization.
    pub(crate) quantization: String,
    pub(crate) sha256: Digest,
    /// Its lists are empty once its prompts are tokenized.
    pub(crate) gguf: Gguf,
    pub(crate) inspection: Inspection,
    /// The keys of its header, as JSON.
    pub(crate) metadata: String,
    /// How it was made from another file, where it was made here.
    pub(crate) derivation: Option<Derivation>,
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
    let spec = experiment.embedding_model();
    let encoder = keep(match &spec.source {
        EmbeddingModelSource::Manifest { name } => manifest
            .find_encoder(name)
            .map(Wanted::Entry)
            .map_err(|error| manifest_problem(&error, &spec.position, &spec.position)),
        EmbeddingModelSource::File { path } => own_file(path, &file_label(path), &spec.position),
    });
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
        encoder: encoder.expect("no problem was found"),
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

/// What the quantizer can make, for a hint.
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

pub(crate) fn file_label(path: &Path) -> String {
    path.file_stem()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// Fetches or derives a generation model where it is missing, and reads and checks its header.
///
/// # Errors
/// `Interrupted` where the work is to end, and whatever is wrong with the file or its sources.
pub(crate) fn open_model(session: &Session, wanted: &Wanted) -> anyhow::Result<ModelFile> {
    session.check_interrupted()?;
    match wanted {
        Wanted::Entry(entry) => {
            let paths = fetching::fetch(session, entry)?;
            let digests: Vec<Digest> = entry.files().iter().map(|file| file.sha256).collect();
            let gguf = read_checked(&paths[0], check_generation_model)?;
            Ok(model_file(
                entry.name(),
                Some(entry.quantization()),
                digest_of_parts(&digests),
                gguf,
            ))
        }
        Wanted::File { path, label } => {
            let gguf = read_checked(path, check_generation_model)?;
            let sha256 = hash_parts(session, &gguf)?;
            Ok(model_file(label, None, sha256, gguf))
        }
        Wanted::Derived { parent, wish } => {
            let parent = open_model(session, parent)?;
            let derived = deriving::derive(session, &parent, wish)?;
            let label = derived.derivation.label();
            Ok(ModelFile {
                derivation: Some(derived.derivation),
                ..model_file(&parent.name, Some(&label), derived.sha256, derived.gguf)
            })
        }
        Wanted::Folder { path, .. } => anyhow::bail!(
            "`{}` is a folder, and a model that generates is a GGUF file",
            path.display()
        ),
    }
}

/// Reads a header and refuses what llama.cpp would not survive.
pub(crate) fn read_checked(
    path: &Path,
    check: fn(&Gguf) -> Result<(), GgufError>,
) -> Result<Gguf, GgufError> {
    let gguf = Gguf::read(path)?;
    check(&gguf)?;
    Ok(gguf)
}

pub(crate) fn model_file(
    name: &str,
    quantization: Option<&str>,
    sha256: Digest,
    gguf: Gguf,
) -> ModelFile {
    let inspection = Inspection::of(&gguf);
    let measured = || {
        inspection
            .composition
            .first()
            .map_or("unknown", |share| share.tensor_type.name())
    };
    let quantization = quantization
        .or(inspection.quantization.as_deref())
        .unwrap_or_else(measured);
    ModelFile {
        name: name.to_owned(),
        quantization: quantization.to_owned(),
        sha256,
        inspection: inspection.clone(),
        metadata: metadata_json(&gguf),
        gguf,
        derivation: None,
    }
}

pub(crate) fn hash_parts(session: &Session, gguf: &Gguf) -> anyhow::Result<Digest> {
    let mut digests = Vec::new();
    for path in gguf.files() {
        let mut is_announced = false;
        let digest = cached_hash_with(session.shelf.dir(), path, |_| {
            if !is_announced {
                is_announced = true;
                session.note(format_args!("hashing {}", path.display()));
            }
            Ok(())
        });
        digests.push(digest.with_context(|| format!("failed to read `{}`", path.display()))?);
    }
    Ok(digest_of_parts(&digests))
}

/// The identity of a model: the digest of its file; of the digests of its parts as lines of text, where it is split.
fn digest_of_parts(digests: &[Digest]) -> Digest {
    match digests {
        [digest] => *digest,
        digests => Digest::of(
            digests
                .iter()
                .map(|digest| format!("{digest}\n"))
                .collect::<String>()
                .as_bytes(),
        ),
    }
}

impl ModelFile {
    /// Name and quantization, as people read them.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.name, self.quantization)
    }

    /// How the weights are stored, for a report.
    pub(crate) fn composition(&self) -> Vec<StoredShare> {
        let n_parameters = self.inspection.n_parameters as f64;
        let shares = self.inspection.composition.iter().map(|share| StoredShare {
            tensor_type: share.tensor_type.name().to_owned(),
            fraction: share.n_elements as f64 / n_parameters,
        });
        shares.collect()
    }

    /// What the file's own label promises, for a report.
    pub(crate) fn label_share(&self) -> Option<StoredShare> {
        let share = self.inspection.label_share()?;
        Some(StoredShare {
            tensor_type: share.tensor_type.name().to_owned(),
            fraction: share.fraction,
        })
    }

    /// How the file was derived, for a report.
    pub(crate) fn derivation_summary(&self) -> Option<DerivationSummary> {
        self.derivation.clone().map(derivation_summary)
    }
}

fn derivation_summary(derivation: Derivation) -> DerivationSummary {
    DerivationSummary {
        quantization: derivation.quantization,
        parent_quantization: derivation.parent_quantization,
        parent_sha256: derivation.parent_sha256,
        is_requantized: derivation.is_requantized,
        imatrix_sha256: derivation.imatrix_sha256,
        quantizer: derivation.quantizer,
    }
}

/// How a file was derived, as the database has it, for a report.
pub(crate) fn stored_derivation(json: Option<&str>) -> anyhow::Result<Option<DerivationSummary>> {
    let derivation: Option<Derivation> = json.map(serde_json::from_str).transpose()?;
    Ok(derivation.map(derivation_summary))
}

/// What the label of a stored file promises, such as `Q2_K` or `Q2_K-from-Q4_K_M`, for a report.
pub(crate) fn stored_label_share(label: &str, composition: &[StoredShare]) -> Option<StoredShare> {
    let own_label = label.split('-').next().unwrap_or(label);
    let tensor_type = nominal_type(own_label)?.name();
    let of_type = composition
        .iter()
        .find(|share| share.tensor_type == tensor_type);
    (!composition.is_empty()).then(|| StoredShare {
        tensor_type: tensor_type.to_owned(),
        fraction: of_type.map_or(0.0, |share| share.fraction),
    })
}

/// How a file's weights are stored, as the database has it, for a report.
pub(crate) fn stored_composition(json: Option<&str>) -> anyhow::Result<Vec<StoredShare>> {
    let shares: Vec<serde_json::Value> = json
        .map(serde_json::from_str)
        .transpose()?
        .unwrap_or_default();
    let n_elements = |share: &serde_json::Value| share["n_elements"].as_f64().unwrap_or(0.0);
    let n_parameters: f64 = shares.iter().map(n_elements).sum();
    let shares = shares.iter().map(|share| StoredShare {
        tensor_type: share["type"].as_str().unwrap_or_default().to_owned(),
        fraction: n_elements(share) / n_parameters,
    });
    Ok(shares.collect())
}
