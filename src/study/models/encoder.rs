//! From the encoder that an experiment or a person names to a GGUF with its tokenizer.
//!
//! Owns what an encoder is used for: which layer, how many tokens of a text, and so which GGUF is made of a folder's
//! weights, once. Where the files come from, `model_file` knows; what a GGUF must be, `gguf`.

use std::path::Path;

use anyhow::Context as _;

use crate::digest::Digest;
use crate::embedding::N_TOKENS_MAX;
use crate::embedding::wordpiece::WordPieceTokenizer;
use crate::experiment::is_path;
use crate::gguf::conversion::ConversionRecord;
use crate::gguf::file_hash::cached_hash;
use crate::gguf::manifest::Manifest;
use crate::gguf::shelf::Shelf;
use crate::gguf::{Gguf, check_encoder, convert_encoder_to_layer, encoder_layers};
use crate::study::models::fetching;
use crate::study::models::file::{ModelFile, hash_parts, model_file, read_checked};
use crate::study::models::wanted::{Wanted, own_encoder};
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
    let is_path = is_path(name);
    match own_encoder(path) {
        Some(own) if is_path || path.is_dir() => Ok(own),
        _ if is_path => anyhow::bail!("there is no file or folder `{name}`"),
        _ => Ok(Wanted::Entry(Manifest::builtin().find_encoder(name)?)),
    }
}

/// The encoder that something was scored with before: that of the manifest where its files lie on the shelf or nowhere,
/// else the user's own.
pub(crate) fn stored_encoder(
    session: &Session,
    label: &str,
    path: Option<&Path>,
) -> anyhow::Result<Wanted> {
    let own = path.filter(|path| path.is_file());
    let entry = Manifest::builtin().find_encoder(label).ok();
    let is_on_shelf = |entry| own.is_none_or(|own| own.starts_with(session.shelf.folder(entry)));
    if let Some(entry) = entry.filter(|entry| is_on_shelf(entry)) {
        return Ok(Wanted::Entry(entry));
    }
    let Some(path) = own else {
        anyhow::bail!(
            "the encoder `{label}` is no longer there\nhint: name one with `--embedding-model`"
        );
    };
    // A folder's GGUF is made beside its files, which say more than it does.
    let folder = path.parent().filter(|folder| {
        let is_made = *path == folder.join(gguf_name(label));
        is_made && folder.join("model.safetensors").is_file()
    });
    let label = label.to_owned();
    Ok(match folder.map(Path::to_owned) {
        Some(path) => Wanted::Folder { path, label },
        None => Wanted::File {
            path: path.to_owned(),
            label,
        },
    })
}

/// The name of the GGUF with all layers that is made of a folder's weights.
fn gguf_name(label: &str) -> String {
    format!("{label}-f32.gguf")
}

/// Opens several encoders of sentences, the primary one first.
pub(crate) fn open_encoders(
    session: &Session,
    wanted: &[Wanted],
) -> anyhow::Result<Vec<EncoderFile>> {
    let encoders = wanted.iter().map(|wanted| open_encoder(session, wanted));
    let encoders = encoders.collect::<anyhow::Result<Vec<_>>>()?;
    refuse_same(&encoders.iter().collect::<Vec<_>>())?;
    Ok(encoders)
}

/// Refuses encoders that are one file under two names: their figures would be the same.
pub(crate) fn refuse_same(encoders: &[&EncoderFile]) -> anyhow::Result<()> {
    for (idx, encoder) in encoders.iter().enumerate() {
        let mut before = encoders[..idx].iter();
        let same = before.find(|other| other.file.sha256 == encoder.file.sha256);
        if let Some(same) = same {
            let (first, second) = (&same.file.name, &encoder.file.name);
            anyhow::bail!(
                "the encoders `{first}` and `{second}` are the same file\nhint: name it once"
            );
        }
    }
    Ok(())
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
    if encoder_use == EncoderUse::Sentences {
        check_pooling(folder)?;
    }
    let n_layers = encoder_layers(folder)?;
    let layer = encoder_use.layer(name, n_layers);
    let path = folder.join(if layer == n_layers {
        gguf_name(name)
    } else {
        format!("{name}-f32-layer{layer}.gguf")
    });
    let (gguf, sha256) = converted(session, folder, &path, name, layer)?;
    let n_tokens_max = encoder_use.n_tokens_max(Some(folder))?;
    let n_tokens_max = n_tokens_max.min(gguf.u32("bert.context_length")?) as usize;
    let tokenizer = WordPieceTokenizer::from_file(&folder.join("tokenizer.json"), n_tokens_max)?;
    Ok(EncoderFile {
        file: model_file(name, Some("F32"), sha256, gguf),
        tokenizer,
        layer,
    })
}

/// The tokenizer of an encoder whose files are there, as they were opened for this use; nothing is fetched or made.
///
/// # Errors
/// Where it is not there, or cannot be used.
pub(crate) fn tokenizer_at_hand(
    wanted: &Wanted,
    shelf: &Shelf,
    encoder_use: EncoderUse,
) -> anyhow::Result<WordPieceTokenizer> {
    let of_folder = |folder: &Path| {
        let n_tokens_max = encoder_use.n_tokens_max(Some(folder))? as usize;
        let path = folder.join("tokenizer.json");
        Ok(WordPieceTokenizer::from_file(&path, n_tokens_max)?)
    };
    match wanted {
        Wanted::Entry(entry) => of_folder(&shelf.folder(entry)),
        Wanted::Folder { path, .. } => of_folder(path),
        Wanted::File { path, .. } => {
            let gguf = Gguf::read(path)?;
            let n_tokens_max = encoder_use.n_tokens_max(None)?;
            let n_tokens_max = n_tokens_max.min(gguf.u32("bert.context_length")?) as usize;
            Ok(WordPieceTokenizer::from_gguf(&gguf, n_tokens_max)?)
        }
        Wanted::Derived { .. } => anyhow::bail!("an embedding model is not derived"),
    }
}

/// The tokenizer of an encoder whose GGUF lay there, as it was opened for this use.
///
/// # Errors
/// Where it is no longer there.
pub(crate) fn stored_tokenizer(
    path: &Path,
    encoder_use: EncoderUse,
) -> anyhow::Result<WordPieceTokenizer> {
    let gguf = Gguf::read(path)?;
    // A GGUF that was made of a folder's weights lies beside them.
    let folder = path.parent().filter(|folder| {
        let is_made = path
            .file_stem()
            .is_some_and(|stem| stem.to_string_lossy().contains("-f32"));
        is_made && folder.join("model.safetensors").is_file()
    });
    let n_tokens_max = encoder_use.n_tokens_max(folder)?;
    let n_tokens_max = n_tokens_max.min(gguf.u32("bert.context_length")?) as usize;
    Ok(match folder {
        Some(folder) => {
            WordPieceTokenizer::from_file(&folder.join("tokenizer.json"), n_tokens_max)?
        }
        None => WordPieceTokenizer::from_gguf(&gguf, n_tokens_max)?,
    })
}

/// Refuses an encoder of sentences whose vectors are not the mean over tokens, as a GGUF that says so is refused.
fn check_pooling(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join("1_Pooling/config.json");
    if !path.is_file() {
        return Ok(());
    }
    let failed = || format!("failed to read `{}`", path.display());
    let text = std::fs::read(&path).with_context(failed)?;
    let config: PoolingConfig = serde_json::from_slice(&text).with_context(failed)?;
    anyhow::ensure!(
        config.pooling_mode_mean_tokens,
        "`{}` makes the vector of a text otherwise than as the mean over its tokens, which is all that seep does\n\
         hint: take an encoder with `pooling_mode_mean_tokens`",
        folder.display()
    );
    Ok(())
}

/// The converted file at `path`, made where it is missing or was made of other files, with its hash.
fn converted(
    session: &Session,
    folder: &Path,
    path: &Path,
    name: &str,
    layer: u32,
) -> anyhow::Result<(Gguf, Digest)> {
    let hash = |path: &Path| cached_hash(session.shelf.dir(), path);
    let sources = ConversionRecord::sources(folder, hash)
        .with_context(|| format!("failed to read the encoder in `{}`", folder.display()))?;
    let record = ConversionRecord::read(path).filter(|record| record.is_of(&sources));
    let record = record.filter(|_| path.is_file());
    if record.is_none() {
        convert_encoder_to_layer(folder, path, name, layer)?;
    }
    let gguf = read_checked(path, check_encoder)?;
    let sha256 = hash_parts(session, &gguf)?;
    match record {
        Some(record) if record.sha256 != sha256.to_string() => anyhow::bail!(
            "`{}` is not as it was made: its sha256 is `{sha256}` instead of `{}`\n\
             hint: delete it; it is made again from `{}`",
            path.display(),
            record.sha256,
            folder.join("model.safetensors").display()
        ),
        Some(_) => {}
        None => ConversionRecord::new(sources, sha256)
            .write(path)
            .with_context(|| format!("failed to write the record of `{}`", path.display()))?,
    }
    Ok((gguf, sha256))
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

/// The field of a sentence encoder's `1_Pooling/config.json` that matters here.
#[derive(serde::Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

/// The fields of a sentence encoder's `sentence_bert_config.json` that matter here.
#[derive(serde::Deserialize)]
struct SentenceConfig {
    max_seq_length: u32,
}
