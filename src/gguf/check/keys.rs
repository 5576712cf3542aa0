//! The keys of an architecture: which there are, their types and bounds, and the sizes they state.
//!
//! Owns every number a model is computed with. Keys that are not in a table are refused where they carry the prefix of
//! the table: llama.cpp would either not read them, which hides a misspelt one, or read them unchecked. The lists of
//! the vocabulary are checked in `vocabulary`.

use crate::gguf::error::GgufError;
use crate::gguf::reader::Gguf;

const UNKNOWN: &str = "fetch the file again; if it is whole, the model needs something that is not supported, so choose a \
                       plain `qwen2`, `llama` or `bert` model";
/// Larger numbers overflow somewhere in llama.cpp, which counts in 32 bits; no model comes near.
const COUNT_MAX: u32 = 1 << 30;

/// A key without its prefix, whether it must be there, and what it must be.
pub(super) type KeyRule = (&'static str, Need, Rule);

/// The need for a key or a tensor: some may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

/// The condition that a value must meet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// A `u32` from the first to the second.
    Count(u32, u32),
    /// A finite `f32` above 0.
    Positive,
    /// A `bool`.
    Bool,
    /// A `bool` of this value.
    Always(bool),
    /// A text.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// The id of a token.
    Token,
    /// A list with rules of its own.
    List,
}

use Need::{Optional, Required};
use Rule::{Always, Bool, Count, OneOf, Positive, Text};

/// Keys that all models share; others with the prefix `general.` describe the model for people.
const GENERAL: &[KeyRule] = &[
    ("general.name", Optional, Text),
    ("general.file_type", Optional, Count(0, COUNT_MAX)),
    ("general.quantization_version", Optional, Count(2, 2)),
    ("tokenizer.chat_template", Optional, Text),
];
/// Makes llama.cpp compute some tensors differently.
const TENSOR_EXTRA: &str = "general.tensor_extra.";

/// Keys of models that generate. llama.cpp asserts the number of blocks, divides by the numbers of heads, asserts how
/// RoPE scales, and chooses other tensors where there are experts.
pub(super) const DECODER: &[KeyRule] = &[
    ("block_count", Required, Count(1, 512)),
    ("context_length", Required, Count(1, COUNT_MAX)),
    ("embedding_length", Required, Count(1, COUNT_MAX)),
    ("feed_forward_length", Required, Count(1, COUNT_MAX)),
    ("vocab_size", Optional, Count(1, COUNT_MAX)),
    ("tensor_data_layout", Optional, Text),
    ("attention.head_count", Required, Count(1, COUNT_MAX)),
    ("attention.head_count_kv", Optional, Count(1, COUNT_MAX)),
    ("attention.key_length", Optional, Count(1, COUNT_MAX)),
    ("attention.value_length", Optional, Count(1, COUNT_MAX)),
    ("attention.layer_norm_rms_epsilon", Required, Positive),
    ("attention.causal", Optional, Always(true)),
    ("rope.dimension_count", Optional, Count(1, COUNT_MAX)),
    ("rope.freq_base", Optional, Positive),
    (
        "rope.scaling.type",
        Optional,
        OneOf(&["none", "linear", "yarn"]),
    ),
    ("rope.scaling.factor", Optional, Positive),
    ("rope.scaling.attn_factor", Optional, Positive),
    (
        "rope.scaling.original_context_length",
        Optional,
        Count(1, COUNT_MAX),
    ),
    ("rope.scaling.finetuned", Optional, Bool),
    ("rope.scale_linear", Optional, Positive),
    ("expert_count", Optional, Count(0, 0)),
    ("expert_used_count", Optional, Count(0, 0)),
];

/// Keys of encoders; pooling is none or the mean, all that is done with what they compute.
pub(super) const ENCODER: &[KeyRule] = &[
    ("block_count", Required, Count(1, 512)),
    ("context_length", Required, Count(1, COUNT_MAX)),
    ("embedding_length", Required, Count(1, COUNT_MAX)),
    ("feed_forward_length", Required, Count(1, COUNT_MAX)),
    ("vocab_size", Optional, Count(1, COUNT_MAX)),
    ("attention.head_count", Required, Count(1, COUNT_MAX)),
    ("attention.head_count_kv", Optional, Count(1, COUNT_MAX)),
    ("attention.layer_norm_epsilon", Required, Positive),
    ("attention.causal", Required, Always(false)),
    ("pooling_type", Optional, Count(0, 1)),
];

/// Checks the keys that all models share.
pub(super) fn check_general(gguf: &Gguf) -> Result<(), GgufError> {
    for (key, need, rule) in GENERAL {
        check_key(gguf, key, *need, *rule, 0)?;
    }
    refuse_unknown(gguf, TENSOR_EXTRA, &[])
}

/// Checks the keys of the architecture `name`.
pub(super) fn check_architecture(
    gguf: &Gguf,
    name: &str,
    rules: &[KeyRule],
) -> Result<(), GgufError> {
    check_prefix(gguf, &format!("{name}."), rules, 0)
}

/// Checks all keys with this prefix; token ids are below `n_vocab`.
pub(super) fn check_prefix(
    gguf: &Gguf,
    prefix: &str,
    rules: &[KeyRule],
    n_vocab: u32,
) -> Result<(), GgufError> {
    for (name, need, rule) in rules {
        check_key(gguf, &format!("{prefix}{name}"), *need, *rule, n_vocab)?;
    }
    refuse_unknown(gguf, prefix, rules)
}

fn check_key(
    gguf: &Gguf,
    key: &str,
    need: Need,
    rule: Rule,
    n_vocab: u32,
) -> Result<(), GgufError> {
    if need == Optional && gguf.get(key).is_none() {
        return Ok(());
    }
    match rule {
        Count(min, max) => check_count(gguf, key, min, max),
        Positive => check_positive(gguf, key),
        Bool => gguf.bool(key).map(drop),
        Always(expected) => check_always(gguf, key, expected),
        Text => gguf.str(key).map(drop),
        OneOf(texts) => check_one_of(gguf, key, texts),
        Rule::Token => check_token(gguf, key, n_vocab),
        Rule::List => Ok(()),
    }
}

fn refuse_unknown(gguf: &Gguf, prefix: &str, rules: &[KeyRule]) -> Result<(), GgufError> {
    let is_unknown = |key: &str| {
        key.strip_prefix(prefix)
            .is_some_and(|name| rules.iter().all(|rule| rule.0 != name))
    };
    let mut keys = gguf.entries().iter().map(|(key, _)| key);
    let Some(key) = keys.find(|key| is_unknown(key)) else {
        return Ok(());
    };
    let problem = "is not known and may change what the model computes";
    Err(GgufError::key_with_hint(gguf.path(), key, problem, UNKNOWN))
}

fn check_count(gguf: &Gguf, key: &str, min: u32, max: u32) -> Result<(), GgufError> {
    let found = gguf.u32(key)?;
    if (min..=max).contains(&found) {
        return Ok(());
    }
    if min == max {
        let problem = format!("is {found}, which is not supported");
        return Err(GgufError::key_with_hint(gguf.path(), key, problem, UNKNOWN));
    }
    let problem = format!("should be {min} to {max}, found {found}");
    Err(GgufError::key(gguf.path(), key, problem))
}

fn check_positive(gguf: &Gguf, key: &str) -> Result<(), GgufError> {
    let found = gguf.f32(key)?;
    if found.is_finite() && found > 0.0 {
        return Ok(());
    }
    let problem = format!("should be a number above 0, found {found}");
    Err(GgufError::key(gguf.path(), key, problem))
}

fn check_always(gguf: &Gguf, key: &str, expected: bool) -> Result<(), GgufError> {
    if gguf.bool(key)? == expected {
        return Ok(());
    }
    let problem = format!("should be {expected}, found {}", !expected);
    Err(GgufError::key(gguf.path(), key, problem))
}

fn check_one_of(gguf: &Gguf, key: &str, texts: &[&str]) -> Result<(), GgufError> {
    let found = gguf.str(key)?;
    if texts.contains(&found) {
        return Ok(());
    }
    let problem = format!("is {found:?}, but only `{}` can be run", texts.join("`, `"));
    Err(GgufError::key_with_hint(gguf.path(), key, problem, UNKNOWN))
}

fn check_token(gguf: &Gguf, key: &str, n_vocab: u32) -> Result<(), GgufError> {
    let found = gguf.u32(key)?;
    if found < n_vocab {
        return Ok(());
    }
    let problem = format!("is the token {found}, but the vocabulary has {n_vocab}");
    Err(GgufError::key(gguf.path(), key, problem))
}

/// The lengths that a model's tensors follow from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) n_blocks: u32,
    pub(super) n_embd: u64,
    pub(super) n_vocab: u64,
    pub(super) n_ff: u64,
    /// Width of all queries of a token together.
    pub(super) n_query: u64,
    /// Width of all keys, and of all values, of a token together.
    pub(super) n_key_value: u64,
    /// Numbers that RoPE turns as a pair, in one head.
    pub(super) n_pairs: u64,
    pub(super) n_positions: u64,
    pub(super) n_token_types: u64,
}

impl Sizes {
    /// The sizes of a model that generates, whose keys are checked one by one.
    pub(super) fn of_decoder(gguf: &Gguf, name: &str, n_vocab: u32) -> Result<Self, GgufError> {
        let heads = Heads::read(gguf, name)?;
        heads.check_rope(gguf, name)?;
        Self::new(gguf, name, n_vocab, &heads)
    }

    /// The sizes of an encoder, whose keys are checked one by one.
    pub(super) fn of_encoder(gguf: &Gguf, name: &str, n_vocab: u32) -> Result<Self, GgufError> {
        let heads = Heads::read(gguf, name)?;
        let n_token_types = gguf.u32("tokenizer.ggml.token_type_count")?;
        Ok(Self {
            n_token_types: n_token_types.into(),
            ..Self::new(gguf, name, n_vocab, &heads)?
        })
    }

    fn new(gguf: &Gguf, name: &str, n_vocab: u32, heads: &Heads) -> Result<Self, GgufError> {
        let length = |key: &str| gguf.u32(&format!("{name}.{key}"));
        let head_length = u64::from(heads.length);
        Ok(Self {
            n_blocks: length("block_count")?,
            n_embd: length("embedding_length")?.into(),
            n_vocab: n_vocab.into(),
            n_ff: length("feed_forward_length")?.into(),
            n_query: u64::from(heads.n_heads) * head_length,
            n_key_value: u64::from(heads.n_heads_kv) * head_length,
            n_pairs: head_length / 2,
            n_positions: length("context_length")?.into(),
            n_token_types: 0,
        })
    }
}

/// How attention divides an embedding.
struct Heads {
    n_heads: u32,
    /// At least 1, divides `n_heads`.
    n_heads_kv: u32,
    /// Numbers in a head.
    length: u32,
}

impl Heads {
    fn read(gguf: &Gguf, name: &str) -> Result<Self, GgufError> {
        let key = |key: &str| format!("{name}.attention.{key}");
        let n_heads = gguf.u32(&key("head_count"))?;
        let n_heads_kv = gguf.opt_u32(&key("head_count_kv"))?.unwrap_or(n_heads);
        if !n_heads.is_multiple_of(n_heads_kv) {
            let problem = format!("is {n_heads_kv}, which does not divide the {n_heads} heads");
            return Err(GgufError::key(gguf.path(), &key("head_count_kv"), problem));
        }
        let n_embd = gguf.u32(&format!("{name}.embedding_length"))?;
        let stated = gguf.opt_u32(&key("key_length"))?;
        if stated.is_none() && !n_embd.is_multiple_of(n_heads) {
            let problem = format!("is {n_heads}, which does not divide the embedding of {n_embd}");
            return Err(GgufError::key(gguf.path(), &key("head_count"), problem));
        }
        let length = stated.unwrap_or(n_embd / n_heads);
        let value_length = gguf
            .opt_u32(&key("value_length"))?
            .unwrap_or(n_embd / n_heads);
        if value_length != length {
            let problem = format!("should be {length} as for keys, found {value_length}");
            return Err(GgufError::key(gguf.path(), &key("value_length"), problem));
        }
        Ok(Self {
            n_heads,
            n_heads_kv,
            length,
        })
    }

    /// RoPE turns all numbers of a head, in pairs.
    fn check_rope(&self, gguf: &Gguf, name: &str) -> Result<(), GgufError> {
        let length = self.length;
        if !length.is_multiple_of(2) {
            let problem = format!("makes heads of {length}, an odd number");
            let key = format!("{name}.attention.head_count");
            return Err(GgufError::key(gguf.path(), &key, problem));
        }
        let key = format!("{name}.rope.dimension_count");
        match gguf.opt_u32(&key)? {
            Some(found) if found != length => {
                let problem = format!("should be {length}, the length of a head, found {found}");
                Err(GgufError::key(gguf.path(), &key, problem))
            }
            _ => Ok(()),
        }
    }
}
