//! From the encoder that an experiment or a person names to a GGUF with its tokenizer.
//!
//! Owns what an encoder is used for: which layer, how many tokens of a text, and so which GGUF is made of a folder's
//! weights, once. Where the files come from, `model_file` knows; what a GGUF must be, `gguf`.

use std::path::Path;

use anyhow::Context as _;

use crate::embedding::N_TOKENS_MAX;
use crate::embedding::wordpiece::WordPieceTokenizer;
use crate::gguf::manifest::Manifest;
use crate::gguf::{check_encoder, convert_encoder_to_layer, encoder_layers};
use crate::study::models::fetching;
use crate::study::models::file::{ModelFile, file_label, hash_parts, model_file, read_checked};
use crate::study::models::wanted::Wanted;
use crate::study::session::Session;

/// Layers that bert_score takes of models whose last is not the best: `model2layers` of bert_score 0.3.13.
const BERTSCORE_LAYERS: [(&str, u32); 1] = [("distilbert-base-uncased", 5)];

/// An encoder's GGUF with the tokenizer that belongs to it.
pub(crate) struct EncoderFile {
    pub(crate) file: ModelFile,
    pub(crate) tokenizer: WordPieceTokenizer,
    /// The layer whose hidden states it gives: as many blocks as the file has.
    pub(crate) layer: u32,
}

/// The use of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EncoderUse {
    /// One vector for a text, of the last layer.
    Sentences,
    /// One vector for each token, of this layer; where none is given, of the one that bert_score takes.
    Tokens { layer: Option<u32> },
}

/// The encoder that a person names: one of the manifest, the path of a GGUF file, or that of a folder with
/// `model.safetensors`.
pub(crate) fn wanted_encoder(name: &str) -> anyhow::Result<Wanted> {
    let path = Path::new(name);
    let label = file_label(path);
    if path.is_dir() {
        let path = path.to_owned();
        return Ok(Wanted::Folder { path, label });
    }
    if path.extension().is_some_and(|ending| ending == "gguf") {
        anyhow::ensure!(path.is_file(), "there is no file `{name}`");
        let path = path.to_owned();
        return Ok(Wanted::File { path, label });
    }
    Ok(Wanted::Entry(Manifest::builtin().find_encoder(name)?))
}

/// Fetches an encoder of sentences where it is missing, converts it where that was not done before, and checks it.
pub(crate) fn open_encoder(session: &Session, wanted: &Wanted) -> anyhow::Result<EncoderFile> {
    open_encoder_for(session, wanted, EncoderUse::Sentences)
}

/// As [`open_encoder`], for another use.
pub(crate) fn open_encoder_for(
    session: &Session,
    wanted: &Wanted,
    encoder_use: EncoderUse,
) -> anyhow::Result<EncoderFile> {
    session.check_interrupted()?;
    match wanted {
        Wanted::Entry(entry) => {
            fetching::fetch(session, entry)?;
            let folder = session.shelf.folder(entry);
            folder_encoder(session, &folder, entry.name(), encoder_use)
        }
        Wanted::Folder { path, label } => folder_encoder(session, path, label, encoder_use),
        Wanted::File { path, label } => {
            let gguf = read_checked(path, check_encoder)?;
            let sha256 = hash_parts(session, &gguf)?;
            let layer = gguf.u32("bert.block_count")?;
            if encoder_use.layer(label, layer) != layer {
                anyhow::bail!(
                    "`{}` has {layer} layers, and a GGUF file is used as a whole\n\
                     hint: name the folder with its `model.safetensors` instead, of which a file of fewer layers is made",
                    path.display()
                );
            }
            let n_tokens_max = encoder_use.n_tokens_max(None)?;
            let n_tokens_max = n_tokens_max.min(gguf.u32("bert.context_length")?) as usize;
            let tokenizer = WordPieceTokenizer::from_gguf(&gguf, n_tokens_max)?;
            Ok(EncoderFile {
                file: model_file(label, None, sha256, gguf),
                tokenizer,
                layer,
            })
        }
        Wanted::Derived { .. } => anyhow::bail!("an embedding model is not derived"),
    }
}

/// The encoder in a folder from Hugging Face, whose GGUF is made beside its files.
fn folder_encoder(
    session: &Session,
    folder: &Path,
    name: &str,
    encoder_use: EncoderUse,
) -> anyhow::Result<EncoderFile> {
    let n_layers = encoder_layers(folder)?;
    let layer = encoder_use.layer(name, n_layers);
    let path = folder.join(if layer == n_layers {
        format!("{name}-f32.gguf")
    } else {
        format!("{name}-f32-layer{layer}.gguf")
    });
    if !is_newer_than_sources(&path, folder) {
        convert_encoder_to_layer(folder, &path, name, layer)?;
    }
    let gguf = read_checked(&path, check_encoder)?;
    let sha256 = hash_parts(session, &gguf)?;
    let n_tokens_max = encoder_use.n_tokens_max(Some(folder))?;
    let n_tokens_max = n_tokens_max.min(gguf.u32("bert.context_length")?) as usize;
    let tokenizer = WordPieceTokenizer::from_file(&folder.join("tokenizer.json"), n_tokens_max)?;
    Ok(EncoderFile {
        file: model_file(name, Some("F32"), sha256, gguf),
        tokenizer,
        layer,
    })
}

/// True if a converted file is there and none of the files it was made from has changed since.
fn is_newer_than_sources(path: &Path, folder: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    let Some(converted) = changed(path) else {
        return false;
    };
    let sources = ["config.json", "model.safetensors", "vocab.txt"];
    sources
        .iter()
        .all(|name| changed(&folder.join(name)).is_none_or(|source| source <= converted))
}

impl EncoderUse {
    /// The layer to use of an encoder that has so many.
    fn layer(self, name: &str, n_layers: u32) -> u32 {
        match self {
            Self::Sentences => n_layers,
            Self::Tokens { layer } => {
                let usual = BERTSCORE_LAYERS.iter().find(|(known, _)| *known == name);
                layer.unwrap_or(usual.map_or(n_layers, |(_, layer)| *layer))
            }
        }
    }

    /// How many tokens of a text are read at most: of a sentence as many as its model was made for, of tokens all.
    fn n_tokens_max(self, folder: Option<&Path>) -> anyhow::Result<u32> {
        let path = folder.map(|folder| folder.join("sentence_bert_config.json"));
        match (self, path) {
            (Self::Sentences, Some(path)) if path.is_file() => {
                let failed = || format!("failed to read `{}`", path.display());
                let text = std::fs::read(&path).with_context(failed)?;
                let config: SentenceConfig = serde_json::from_slice(&text).with_context(failed)?;
                Ok(config.max_seq_length)
            }
            (Self::Sentences, _) => Ok(N_TOKENS_MAX),
            (Self::Tokens { .. }, _) => Ok(u32::MAX),
        }
    }
}

/// The fields of a sentence encoder's `sentence_bert_config.json` that matter here.
#[derive(serde::Deserialize)]
struct SentenceConfig {
    max_seq_length: u32,
}
