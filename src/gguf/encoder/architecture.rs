//! The encoders that can be converted: what their configuration says, and the names and shapes of their tensors.
//!
//! Owns the tables of BERT and DistilBERT. Both compute the same in llama.cpp: a DistilBERT is a BERT whose token types
//! are all zero.

use serde::Deserialize;
use serde_json::Value;

/// A length that the configuration or the vocabulary gives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Dim {
    Width,
    FeedForward,
    Vocabulary,
    Positions,
    TokenTypes,
}

use Dim::{FeedForward, Positions, TokenTypes, Vocabulary, Width};

/// A tensor on both sides: name in the GGUF, name at Hugging Face, shape with the fastest running dimension first.
type Row = (&'static str, &'static str, &'static [Dim]);

/// How an architecture names its tensors at Hugging Face.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Architecture {
    /// Before every name where the checkpoint has a head beside the encoder.
    pub(super) prefix: &'static str,
    /// Before the number of a block.
    blocks: &'static str,
    /// The parts of a block, in the order of [`PARTS`].
    parts: [&'static str; 8],
    /// True if there are vectors for token types.
    pub(super) has_token_types: bool,
    /// The parts that may lie beside the encoder: heads of its training, and a constant table of positions.
    pub(super) dropped: &'static [&'static str],
}

/// Parts of a block: name in the GGUF, and the shape of the weight; the bias is as long as its last dimension.
const PARTS: [(&str, &[Dim]); 8] = [
    ("attn_q", &[Width, Width]),
    ("attn_k", &[Width, Width]),
    ("attn_v", &[Width, Width]),
    ("attn_output", &[Width, Width]),
    ("attn_output_norm", &[Width]),
    ("ffn_up", &[Width, FeedForward]),
    ("ffn_down", &[FeedForward, Width]),
    ("layer_output_norm", &[Width]),
];

const BERT: Architecture = Architecture {
    prefix: "bert.",
    blocks: "encoder.layer",
    parts: [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "attention.output.LayerNorm",
        "intermediate.dense",
        "output.dense",
        "output.LayerNorm",
    ],
    has_token_types: true,
    dropped: &["pooler.", "cls.", "embeddings.position_ids"],
};

const DISTILBERT: Architecture = Architecture {
    prefix: "distilbert.",
    blocks: "transformer.layer",
    parts: [
        "attention.q_lin",
        "attention.k_lin",
        "attention.v_lin",
        "attention.out_lin",
        "sa_layer_norm",
        "ffn.lin1",
        "ffn.lin2",
        "output_layer_norm",
    ],
    has_token_types: false,
    dropped: &[
        "vocab_transform.",
        "vocab_layer_norm.",
        "vocab_projector.",
        "embeddings.position_ids",
    ],
};

/// Tensors that an encoder has once.
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

/// A tensor to copy.
pub(super) struct Tensor {
    /// Its name in the GGUF.
    pub(super) name: String,
    /// Its name at Hugging Face, without prefix.
    pub(super) hf_name: String,
    pub(super) dims: &'static [Dim],
    /// The block it belongs to.
    pub(super) block_idx: Option<u32>,
}

/// The values of `config.json` that matter here.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) architecture: &'static Architecture,
    pub(super) width: u32,
    pub(super) n_blocks: u32,
    pub(super) n_heads: u32,
    pub(super) feed_forward: u32,
    pub(super) n_positions: u32,
    pub(super) n_token_types: u32,
    pub(super) layer_norm_eps: f32,
}

#[derive(Debug, Deserialize)]
struct WireBert {
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

#[derive(Debug, Deserialize)]
struct WireDistilBert {
    dim: u32,
    n_layers: u32,
    n_heads: u32,
    hidden_dim: u32,
    max_position_embeddings: u32,
    #[serde(default = "gelu")]
    activation: String,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn absolute() -> String {
    "absolute".to_owned()
}

impl Config {
    /// Reads a `config.json`; the error says what is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match value["model_type"].as_str() {
            Some("bert") => Self::bert(&value),
            Some("distilbert") => Self::distilbert(&value),
            found => Err(format!(
                "`model_type` is `{}`, but only `bert` and `distilbert` can be converted",
                found.unwrap_or("missing")
            )),
        }
    }

    fn bert(value: &Value) -> Result<Self, String> {
        let wire = WireBert::deserialize(value).map_err(|error| error.to_string())?;
        expect("hidden_act", &wire.hidden_act, "gelu")?;
        let positions = &wire.position_embedding_type;
        expect("position_embedding_type", positions, "absolute")?;
        Ok(Self {
            architecture: &BERT,
            width: wire.hidden_size,
            n_blocks: wire.num_hidden_layers,
            n_heads: wire.num_attention_heads,
            feed_forward: wire.intermediate_size,
            n_positions: wire.max_position_embeddings,
            n_token_types: wire.type_vocab_size,
            layer_norm_eps: wire.layer_norm_eps,
        })
    }

    /// A table of sinusoidal positions is stored like a learned one, so there is no difference to know of.
    fn distilbert(value: &Value) -> Result<Self, String> {
        let wire = WireDistilBert::deserialize(value).map_err(|error| error.to_string())?;
        expect("activation", &wire.activation, "gelu")?;
        Ok(Self {
            architecture: &DISTILBERT,
            width: wire.dim,
            n_blocks: wire.n_layers,
            n_heads: wire.n_heads,
            feed_forward: wire.hidden_dim,
            n_positions: wire.max_position_embeddings,
            n_token_types: 1,
            // DistilBERT has no key for it; transformers writes this number into the model.
            layer_norm_eps: 1e-12,
        })
    }

    /// All tensors that the checkpoint must have.
    pub(super) fn tensors(&self) -> Vec<Tensor> {
        let architecture = self.architecture;
        let is_there = |row: &&Row| architecture.has_token_types || row.0 != TOKEN_TYPES;
        let whole = WHOLE
            .iter()
            .filter(is_there)
            .map(|(name, hf_name, dims)| Tensor {
                name: (*name).to_owned(),
                hf_name: (*hf_name).to_owned(),
                dims,
                block_idx: None,
            });
        let blocks = (0..self.n_blocks).flat_map(|block_idx| architecture.block(block_idx));
        whole.chain(blocks).collect()
    }
}

/// The tensor that a DistilBERT lacks.
pub(super) const TOKEN_TYPES: &str = "token_types.weight";

impl Architecture {
    fn block(&'static self, block_idx: u32) -> impl Iterator<Item = Tensor> {
        let parts = PARTS.iter().zip(self.parts);
        parts.flat_map(move |(&(name, dims), hf_name)| {
            let part = |part: &str, dims| Tensor {
                name: format!("blk.{block_idx}.{name}.{part}"),
                hf_name: format!("{}.{block_idx}.{hf_name}.{part}", self.blocks),
                dims,
                block_idx: Some(block_idx),
            };
            [part("weight", dims), part("bias", &dims[dims.len() - 1..])]
        })
    }
}

fn expect(key: &str, found: &str, expected: &str) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "`{key}` is `{found}`, but only `{expected}` can be converted"
    ))
}
