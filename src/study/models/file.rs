//! A model file that is here: its header, its identity, and how its weights are stored.
//!
//! Owns reading and hashing; the checks of a header are `gguf`'s.

use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::digest::Digest;
use crate::gguf::derivation::Derivation;
use crate::gguf::file_hash::{cached_hash_with, hash_file};
use crate::gguf::inspect::metadata_json;
use crate::gguf::tensor_type::nominal_type;
use crate::gguf::{Gguf, GgufError, Inspection};
use crate::llama::Model;
use crate::results::{DerivationSummary, StoredShare};
use crate::study::session::Session;

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

pub(crate) fn file_label(path: &Path) -> String {
    path.file_stem()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
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
pub(crate) fn digest_of_parts(digests: &[Digest]) -> Digest {
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
    /// Loads the model in a way that is given, and makes sure that it was loaded from what was hashed.
    ///
    /// # Errors
    /// Those of `load`, and where the file was replaced or written to since it was hashed.
    pub(crate) fn load(
        &self,
        load: impl FnOnce(&Path) -> anyhow::Result<Model>,
    ) -> anyhow::Result<Model> {
        self.check_unchanged()?;
        let model = load(self.gguf.path())?;
        self.check_unchanged()?;
        Ok(model)
    }

    fn check_unchanged(&self) -> anyhow::Result<()> {
        // A new name or a link changes an entry and no content.
        ensure!(
            self.gguf.is_unchanged()? || self.hashed_again()? == self.sha256,
            "`{}` has changed since it was read and hashed\n\
             hint: run again; its answers will stand under the file that is there now",
            self.gguf.path().display()
        );
        Ok(())
    }

    fn hashed_again(&self) -> anyhow::Result<Digest> {
        let digests = self.gguf.files().iter().map(|path| {
            hash_file(path).with_context(|| format!("failed to read `{}`", path.display()))
        });
        Ok(digest_of_parts(
            &digests.collect::<anyhow::Result<Vec<_>>>()?,
        ))
    }

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

    /// Returns the tensor type that the file's own label promises, and its share, for a report.
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

/// Returns the tensor type that the label of a stored file, such as `Q2_K` or `Q2_K-from-Q4_K_M`, promises, and its
/// share, for a report.
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
