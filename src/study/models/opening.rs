//! Generation models, fetched or derived where they are missing.
//!
//! Owns the way from what is wanted to a file that is here, whole, and safe to load. Encoders are opened in `encoder`.

use super::file::{ModelFile, digest_of_parts, hash_parts, model_file, read_checked};
use super::wanted::Wanted;
use super::{deriving, fetching};
use crate::digest::Digest;
use crate::gguf::check_generation_model;
use crate::study::session::Session;

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
