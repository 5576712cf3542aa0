//! Turning a Hugging Face encoder into a GGUF.
//!
//! Owns the names and shapes of a BERT's tensors on both sides, the keys llama.cpp reads, and the form of a WordPiece
//! vocabulary in a GGUF. Weights keep their 32 bits; the same folder always gives the same bytes. Which texts become
//! which tokens is decided elsewhere, from the model's own `tokenizer.json`.

mod vocabulary;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::Deserialize;

use super::tensor_type::TensorType;
use super::writer::GgufWriter;
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
        /// What the operating system said.
        source: io::Error,
    },
    /// The GGUF cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// `config.json` is damaged or describes another kind of model.
    #[error("`{}`: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// `model.safetensors` is damaged or holds something else than the configuration says.
    #[error("`{}`: {problem}\nhint: fetch the files of the model again", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// `vocab.txt` is no WordPiece vocabulary of this model.
    #[error("`{}`: {problem}\nhint: fetch the files of the model again", path.display())]
    Vocabulary {
        /// The file.
        path: PathBuf,
        /// What is wrong and what was expected.
        problem: String,
    },
}

/// What of `config.json` matters here.
#[derive(Debug, Deserialize)]
struct Config {
    model_type: String,
    hidden_size: u32,
    num_hidden_layers: u32,
    num_attention_heads: u32,
    intermediate_size: u32,
    max_position_embeddings: u32,
    type_vocab_size: u32,
    layer_norm_eps: f32,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn absolute() -> String {
    "absolute".to_owned()
}

/// A length that the configuration or the vocabulary gives.
#[derive(Debug, Clone, Copy)]
enum Dim {
    Width,
    FeedForward,
    Vocabulary,
    Positions,
    TokenTypes,
}

use Dim::{FeedForward, Positions, TokenTypes, Vocabulary, Width};

/// A tensor on both sides: name in the GGUF, name at Hugging Face, shape with the fastest running dimension first.
type Row = (&'static str, &'static str, &'static [Dim]);

/// Tensors a BERT has once.
const WHOLE: [Row; 5] = [
    (
        "token_embd.weight",
        "embeddings.word_embeddings.weight",
        &[Width, Vocabulary],
    ),
    (
        "position_embd.weight",
        "embeddings.position_embeddings.weight",
        &[Width, Positions],
    ),
    (
        "token_types.weight",
        "embeddings.token_type_embeddings.weight",
        &[Width, TokenTypes],
    ),
    (
        "token_embd_norm.weight",
        "embeddings.LayerNorm.weight",
        &[Width],
    ),
    (
        "token_embd_norm.bias",
        "embeddings.LayerNorm.bias",
        &[Width],
    ),
];

/// Parts of a block, each with a weight of the given shape and a bias as long as its last dimension.
const BLOCK: [Row; 8] = [
    ("attn_q", "attention.self.query", &[Width, Width]),
    ("attn_k", "attention.self.key", &[Width, Width]),
    ("attn_v", "attention.self.value", &[Width, Width]),
    ("attn_output", "attention.output.dense", &[Width, Width]),
    ("attn_output_norm", "attention.output.LayerNorm", &[Width]),
    ("ffn_up", "intermediate.dense", &[Width, FeedForward]),
    ("ffn_down", "output.dense", &[FeedForward, Width]),
    ("layer_output_norm", "output.LayerNorm", &[Width]),
];

/// What a checkpoint may hold beside the encoder: heads of its training, and a constant table of positions.
const DROPPED: [&str; 3] = ["pooler.", "cls.", "embeddings.position_ids"];

/// Writes the BERT in `model_dir` (`config.json`, `model.safetensors`, `vocab.txt`) as a 32-bit GGUF to `out`; `name`
/// becomes its `general.name`.
pub fn convert_encoder(model_dir: &Path, out: &Path, name: &str) -> Result<(), EncoderError> {
    let config = read_config(&model_dir.join(CONFIG))?;
    let pieces = WordPieces::read(&model_dir.join("vocab.txt"))?;
    let path = model_dir.join(WEIGHTS);
    let bytes = map_file(&path)?;
    let weights = Weights::parse(&path, &bytes)?;
    let mut writer = GgufWriter::new("bert");
    set_keys(&mut writer, &config, name);
    pieces.set_keys(&mut writer);
    weights.add_tensors(&mut writer, &config, pieces.len())?;
    writer.write(out).map_err(|source| EncoderError::Write {
        path: out.to_owned(),
        source,
    })
}

fn read_config(path: &Path) -> Result<Config, EncoderError> {
    let problem = |problem: String| EncoderError::Config {
        path: path.to_owned(),
        problem,
    };
    let text = fs::read(path).map_err(|source| EncoderError::Read {
        path: path.to_owned(),
        source,
    })?;
    let config: Config =
        serde_json::from_slice(&text).map_err(|error| problem(error.to_string()))?;
    let expectations = [
        ("model_type", &config.model_type, "bert"),
        ("hidden_act", &config.hidden_act, "gelu"),
        (
            "position_embedding_type",
            &config.position_embedding_type,
            "absolute",
        ),
    ];
    for (key, found, expected) in expectations {
        if found != expected {
            let text = format!("`{key}` is `{found}`, but only `{expected}` can be converted");
            return Err(problem(text));
        }
    }
    Ok(config)
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

fn set_keys(writer: &mut GgufWriter<'_>, config: &Config, name: &str) {
    writer
        .set("general.name", name)
        .set("general.file_type", ALL_F32)
        .set("bert.block_count", config.num_hidden_layers)
        .set("bert.context_length", config.max_position_embeddings)
        .set("bert.embedding_length", config.hidden_size)
        .set("bert.feed_forward_length", config.intermediate_size)
        .set("bert.attention.head_count", config.num_attention_heads)
        .set("bert.attention.layer_norm_epsilon", config.layer_norm_eps)
        .set("bert.attention.causal", false)
        .set("bert.pooling_type", MEAN)
        .set("tokenizer.ggml.token_type_count", config.type_vocab_size);
}

/// The tensors of a checkpoint.
struct Weights<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    /// `bert.` where the checkpoint has a head beside the encoder.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    fn parse(path: &'a Path, bytes: &'a [u8]) -> Result<Self, EncoderError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| EncoderError::Weights {
            path: path.to_owned(),
            problem: format!("is damaged: {error}"),
        })?;
        let has_prefix = tensors.names().iter().any(|name| name.starts_with("bert."));
        Ok(Self {
            path,
            tensors,
            prefix: if has_prefix { "bert." } else { "" },
        })
    }

    fn add_tensors(
        &self,
        writer: &mut GgufWriter<'a>,
        config: &Config,
        n_vocab: u32,
    ) -> Result<(), EncoderError> {
        let length = |dim: Dim| match dim {
            Width => config.hidden_size,
            FeedForward => config.intermediate_size,
            Vocabulary => n_vocab,
            Positions => config.max_position_embeddings,
            TokenTypes => config.type_vocab_size,
        };
        let mut used = HashSet::new();
        for (name, hf_name, dims) in tensor_list(config.num_hidden_layers) {
            let dims: Vec<u64> = dims.iter().map(|dim| u64::from(length(*dim))).collect();
            let (hf_name, view) = self.find(&hf_name)?;
            self.check_tensor(&hf_name, &view, &dims)?;
            writer.add_tensor(&name, &dims, TensorType::F32, view.data());
            used.insert(hf_name);
        }
        self.check_rest(&used)
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
            let name = name.strip_prefix("bert.").unwrap_or(name);
            DROPPED.iter().any(|dropped| name.starts_with(dropped))
        };
        match names
            .into_iter()
            .find(|name| !used.contains(*name) && !is_dropped(name))
        {
            None => Ok(()),
            Some(name) => Err(self.error(format!(
                "holds the tensor `{name}`, which no BERT encoder has"
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

/// All tensors of an encoder with `n_blocks` blocks: both names and the shape.
fn tensor_list(n_blocks: u32) -> Vec<(String, String, &'static [Dim])> {
    let whole = WHOLE.iter().map(|(name, hf_name, dims)| {
        let names = ((*name).to_owned(), (*hf_name).to_owned());
        (names.0, names.1, *dims)
    });
    let blocks = (0..n_blocks).flat_map(|block_idx| {
        BLOCK.iter().flat_map(move |(name, hf_name, dims)| {
            let part = move |part: &str, dims| {
                let name = format!("blk.{block_idx}.{name}.{part}");
                let hf_name = format!("encoder.layer.{block_idx}.{hf_name}.{part}");
                (name, hf_name, dims)
            };
            [part("weight", *dims), part("bias", &dims[dims.len() - 1..])]
        })
    });
    whole.chain(blocks).collect()
}

#[cfg(test)]
mod tests;
