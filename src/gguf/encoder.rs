//! Turning a Hugging Face encoder into a GGUF.
//!
//! Owns the way of the weights, the keys llama.cpp reads, and the form of a WordPiece vocabulary in a GGUF; the names of
//! BERT's and DistilBERT's tensors are in `architecture`. Weights keep their 32 bits; the same folder always gives the
//! same bytes. Which texts become which tokens is decided elsewhere, from the model's own `tokenizer.json`.

mod architecture;
mod vocabulary;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::tensor_type::TensorType;
use super::writer::GgufWriter;
use architecture::{Config, Dim, TOKEN_TYPES};
use vocabulary::WordPieces;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
/// Value of `general.file_type` for 32-bit weights.
const ALL_F32: u32 = 0;
/// Value of `bert.pooling_type` for the mean over all tokens.
const MEAN: u32 = 1;

/// A folder cannot be made into an encoder's GGUF.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// A file of the model cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The GGUF cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// `config.json` is damaged or describes another kind of model.
    #[error("`{}`: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The fault and what was expected.
        problem: String,
    },
    /// `model.safetensors` is damaged or holds something else than the configuration says.
    #[error("`{}`: {problem}\nhint: fetch the files of the model again", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The fault and what was expected.
        problem: String,
    },
    /// `vocab.txt` is no WordPiece vocabulary of this model.
    #[error("`{}`: {problem}\nhint: fetch the files of the model again", path.display())]
    Vocabulary {
        /// The file.
        path: PathBuf,
        /// The fault and what was expected.
        problem: String,
    },
}

/// Writes the encoder in `model_dir` (`config.json`, `model.safetensors`, `vocab.txt`) as a 32-bit GGUF to `out`; `name`
/// becomes its `general.name`.
///
/// # Errors
/// A fault of one of the files.
pub fn convert_encoder(model_dir: &Path, out: &Path, name: &str) -> Result<(), EncoderError> {
    let config = read_config(&model_dir.join(CONFIG))?;
    convert(model_dir, out, name, &config, config.n_blocks)
}

/// As [`convert_encoder`], with the first `layer` blocks only.
///
/// These encoders normalise at the end of each block and not once more after the last one, so the file's output is the
/// hidden state of that layer: what transformers calls `hidden_states[layer]`.
///
/// # Errors
/// As [`convert_encoder`], also `Config` where the model has no such layer.
pub fn convert_encoder_to_layer(
    model_dir: &Path,
    out: &Path,
    name: &str,
    layer: u32,
) -> Result<(), EncoderError> {
    let path = model_dir.join(CONFIG);
    let config = read_config(&path)?;
    if layer == 0 || layer > config.n_blocks {
        let problem = format!(
            "has no layer {layer}: its layers are 1 to {}",
            config.n_blocks
        );
        return Err(EncoderError::Config { path, problem });
    }
    convert(model_dir, out, name, &config, layer)
}

/// How many layers the encoder in `model_dir` has.
///
/// # Errors
/// `Read` or `Config`.
pub fn encoder_layers(model_dir: &Path) -> Result<u32, EncoderError> {
    Ok(read_config(&model_dir.join(CONFIG))?.n_blocks)
}

fn convert(
    model_dir: &Path,
    out: &Path,
    name: &str,
    config: &Config,
    n_blocks: u32,
) -> Result<(), EncoderError> {
    let pieces = WordPieces::read(&model_dir.join("vocab.txt"))?;
    let path = model_dir.join(WEIGHTS);
    let bytes = map_file(&path)?;
    let weights = Weights::parse(&path, &bytes, config)?;
    let mut writer = GgufWriter::new("bert");
    set_keys(&mut writer, config, n_blocks, name);
    pieces.set_keys(&mut writer);
    weights.add_tensors(&mut writer, n_blocks, pieces.len())?;
    writer.write(out).map_err(|source| EncoderError::Write {
        path: out.to_owned(),
        source,
    })
}

fn read_config(path: &Path) -> Result<Config, EncoderError> {
    let text = fs::read(path).map_err(|source| EncoderError::Read {
        path: path.to_owned(),
        source,
    })?;
    Config::parse(&text).map_err(|problem| EncoderError::Config {
        path: path.to_owned(),
        problem,
    })
}

fn map_file(path: &Path) -> Result<Mmap, EncoderError> {
    let read_error = |source| EncoderError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(read_error)?;
    // SAFETY: model files are written under another name and renamed when complete, never changed in place; the
    // mapping is private to this conversion and gone when it ends.
    unsafe { Mmap::map(&file) }.map_err(read_error)
}

fn set_keys(writer: &mut GgufWriter<'_>, config: &Config, n_blocks: u32, name: &str) {
    writer
        .set("general.name", name)
        .set("general.file_type", ALL_F32)
        .set("bert.block_count", n_blocks)
        .set("bert.context_length", config.n_positions)
        .set("bert.embedding_length", config.width)
        .set("bert.feed_forward_length", config.feed_forward)
        .set("bert.attention.head_count", config.n_heads)
        .set("bert.attention.layer_norm_epsilon", config.layer_norm_eps)
        .set("bert.attention.causal", false)
        .set("bert.pooling_type", MEAN)
        .set("tokenizer.ggml.token_type_count", config.n_token_types);
}

/// The tensors of a checkpoint.
struct Weights<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    config: &'a Config,
    /// That of the architecture where the checkpoint has a head beside the encoder, else nothing.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    fn parse(path: &'a Path, bytes: &'a [u8], config: &'a Config) -> Result<Self, EncoderError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| EncoderError::Weights {
            path: path.to_owned(),
            problem: format!("is damaged: {error}"),
        })?;
        let prefix = config.architecture.prefix;
        let has_prefix = tensors.names().iter().any(|name| name.starts_with(prefix));
        Ok(Self {
            path,
            tensors,
            config,
            prefix: if has_prefix { prefix } else { "" },
        })
    }

    /// Adds what is once there and the first `n_blocks` blocks; all blocks are checked.
    fn add_tensors(
        &self,
        writer: &mut GgufWriter<'a>,
        n_blocks: u32,
        n_vocab: u32,
    ) -> Result<(), EncoderError> {
        let mut used = HashSet::new();
        for tensor in self.config.tensors() {
            let lengths = tensor.dims.iter().map(|dim| self.length(*dim, n_vocab));
            let dims: Vec<u64> = lengths.map(u64::from).collect();
            let (hf_name, view) = self.find(&tensor.hf_name)?;
            self.check_tensor(&hf_name, &view, &dims)?;
            if tensor.block_idx.is_none_or(|idx| idx < n_blocks) {
                writer.add_tensor(&tensor.name, &dims, TensorType::F32, view.data());
            }
            used.insert(hf_name);
        }
        if !self.config.architecture.has_token_types {
            // One type whose vector is zero: adding it changes no bit.
            let (width, zeros) = (self.config.width, vec![0.0; self.config.width as usize]);
            writer.add_f32_tensor(TOKEN_TYPES, &[u64::from(width), 1], &zeros);
        }
        self.check_rest(&used)
    }

    fn length(&self, dim: Dim, n_vocab: u32) -> u32 {
        match dim {
            Dim::Width => self.config.width,
            Dim::FeedForward => self.config.feed_forward,
            Dim::Vocabulary => n_vocab,
            Dim::Positions => self.config.n_positions,
            Dim::TokenTypes => self.config.n_token_types,
        }
    }

    /// The tensor with its full name; old checkpoints call the parts of a norm `gamma` and `beta`.
    fn find(&self, hf_name: &str) -> Result<(String, TensorView<'a>), EncoderError> {
        let old_name = hf_name
            .replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta");
        [hf_name, &old_name]
            .iter()
            .map(|name| format!("{}{name}", self.prefix))
            .find_map(|name| Some((name.clone(), self.tensors.tensor(&name).ok()?)))
            .ok_or_else(|| self.error(format!("lacks the tensor `{}{hf_name}`", self.prefix)))
    }

    fn check_tensor(
        &self,
        hf_name: &str,
        view: &TensorView<'_>,
        dims: &[u64],
    ) -> Result<(), EncoderError> {
        if view.dtype() != Dtype::F32 {
            let found = view.dtype();
            let text = format!("tensor `{hf_name}` has numbers of type {found:?}, expected F32");
            return Err(self.error(text));
        }
        let is_same = view
            .shape()
            .iter()
            .map(|dim| *dim as u64)
            .eq(dims.iter().rev().copied());
        if !is_same {
            let expected: Vec<&u64> = dims.iter().rev().collect();
            let found = view.shape();
            let text = format!("tensor `{hf_name}` has the shape {found:?}, expected {expected:?}");
            return Err(self.error(text));
        }
        Ok(())
    }

    /// Refuses tensors that are neither used nor known to be superfluous: they would change what the model computes.
    fn check_rest(&self, used: &HashSet<String>) -> Result<(), EncoderError> {
        let mut names = self.tensors.names();
        names.sort_unstable();
        let is_dropped = |name: &str| {
            let architecture = self.config.architecture;
            let name = name.strip_prefix(architecture.prefix).unwrap_or(name);
            let mut dropped = architecture.dropped.iter();
            dropped.any(|dropped| name.starts_with(dropped))
        };
        match names
            .into_iter()
            .find(|name| !used.contains(*name) && !is_dropped(name))
        {
            None => Ok(()),
            Some(name) => Err(self.error(format!(
                "holds the tensor `{name}`, which no such encoder has"
            ))),
        }
    }

    fn error(&self, problem: String) -> EncoderError {
        EncoderError::Weights {
            path: self.path.to_owned(),
            problem,
        }
    }
}

#[cfg(test)]
mod tests;
