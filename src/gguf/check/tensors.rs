//! The tensors of a model: which there are, their shapes and types.
//!
//! Owns the tables of the architectures. llama.cpp checks shapes as well, but it allocates by them first, aborts on
//! numbers it cannot add or multiply, and multiplies with whatever type it finds. What the numbers are is not checked.

use std::collections::{HashMap, HashSet};

use super::keys::{Need, Sizes};
use crate::gguf::error::GgufError;
use crate::gguf::reader::{Gguf, TensorInfo};
use crate::gguf::tensor_type::TensorType;

/// llama.cpp maps files into memory and asserts that data starts at multiples of this.
const ALIGNMENT: u64 = 32;

/// Types of matrices that rows can be taken from and that can be multiplied with on a processor.
const MATRIX_TYPES: &[&str] = &[
    "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K",
    "Q6_K", "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS",
    "TQ1_0", "TQ2_0", "MXFP4",
];

/// The tensors of an architecture.
pub(super) struct Layout {
    /// Tensors a model has once.
    whole: &'static [Row],
    /// Tensors of each block, without the prefix `blk.N.`.
    block: &'static [Row],
}

/// Name, shape with the fastest running dimension first, how it is stored, whether it must be there.
type Row = (&'static str, &'static [Dim], Stored, Need);

/// A length that the keys or the vocabulary state.
#[derive(Debug, Clone, Copy)]
enum Dim {
    Embd,
    Vocab,
    FeedForward,
    Query,
    KeyValue,
    Pairs,
    Positions,
    TokenTypes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    /// In any of [`MATRIX_TYPES`].
    Matrix,
    /// As 32-bit numbers, the only ones that can be added to or multiplied with activations.
    F32,
}

use Dim::{Embd, FeedForward, KeyValue, Pairs, Positions, Query, TokenTypes, Vocab};
use Need::{Optional, Required};
use Stored::{F32, Matrix};

pub(super) const QWEN2: Layout = Layout {
    whole: &[
        ("token_embd.weight", &[Embd, Vocab], Matrix, Required),
        ("output_norm.weight", &[Embd], F32, Required),
        ("output.weight", &[Embd, Vocab], Matrix, Optional),
        ("output.bias", &[Vocab], F32, Optional),
    ],
    block: &[
        ("attn_norm.weight", &[Embd], F32, Required),
        ("attn_q.weight", &[Embd, Query], Matrix, Required),
        ("attn_q.bias", &[Query], F32, Required),
        ("attn_k.weight", &[Embd, KeyValue], Matrix, Required),
        ("attn_k.bias", &[KeyValue], F32, Required),
        ("attn_v.weight", &[Embd, KeyValue], Matrix, Required),
        ("attn_v.bias", &[KeyValue], F32, Required),
        ("attn_output.weight", &[Query, Embd], Matrix, Required),
        ("ffn_norm.weight", &[Embd], F32, Required),
        ("ffn_gate.weight", &[Embd, FeedForward], Matrix, Required),
        ("ffn_up.weight", &[Embd, FeedForward], Matrix, Required),
        ("ffn_down.weight", &[FeedForward, Embd], Matrix, Required),
    ],
};

pub(super) const LLAMA: Layout = Layout {
    whole: &[
        ("token_embd.weight", &[Embd, Vocab], Matrix, Required),
        ("output_norm.weight", &[Embd], F32, Required),
        ("output.weight", &[Embd, Vocab], Matrix, Optional),
        ("rope_freqs.weight", &[Pairs], F32, Optional),
    ],
    block: &[
        ("attn_norm.weight", &[Embd], F32, Required),
        ("attn_q.weight", &[Embd, Query], Matrix, Required),
        ("attn_q.bias", &[Query], F32, Optional),
        ("attn_k.weight", &[Embd, KeyValue], Matrix, Required),
        ("attn_k.bias", &[KeyValue], F32, Optional),
        ("attn_v.weight", &[Embd, KeyValue], Matrix, Required),
        ("attn_v.bias", &[KeyValue], F32, Optional),
        ("attn_output.weight", &[Query, Embd], Matrix, Required),
        ("attn_output.bias", &[Embd], F32, Optional),
        ("ffn_norm.weight", &[Embd], F32, Required),
        ("ffn_gate.weight", &[Embd, FeedForward], Matrix, Required),
        ("ffn_gate.bias", &[FeedForward], F32, Optional),
        ("ffn_up.weight", &[Embd, FeedForward], Matrix, Required),
        ("ffn_up.bias", &[FeedForward], F32, Optional),
        ("ffn_down.weight", &[FeedForward, Embd], Matrix, Required),
        ("ffn_down.bias", &[Embd], F32, Optional),
    ],
};

pub(super) const BERT: Layout = Layout {
    whole: &[
        ("token_embd.weight", &[Embd, Vocab], Matrix, Required),
        ("position_embd.weight", &[Embd, Positions], F32, Required),
        ("token_types.weight", &[Embd, TokenTypes], F32, Required),
        ("token_embd_norm.weight", &[Embd], F32, Required),
        ("token_embd_norm.bias", &[Embd], F32, Required),
    ],
    block: &[
        ("attn_q.weight", &[Embd, Query], Matrix, Required),
        ("attn_q.bias", &[Query], F32, Required),
        ("attn_k.weight", &[Embd, KeyValue], Matrix, Required),
        ("attn_k.bias", &[KeyValue], F32, Required),
        ("attn_v.weight", &[Embd, KeyValue], Matrix, Required),
        ("attn_v.bias", &[KeyValue], F32, Required),
        ("attn_output.weight", &[Query, Embd], Matrix, Required),
        ("attn_output.bias", &[Embd], F32, Required),
        ("attn_output_norm.weight", &[Embd], F32, Required),
        ("attn_output_norm.bias", &[Embd], F32, Required),
        ("ffn_up.weight", &[Embd, FeedForward], Matrix, Required),
        ("ffn_up.bias", &[FeedForward], F32, Required),
        ("ffn_down.weight", &[FeedForward, Embd], Matrix, Required),
        ("ffn_down.bias", &[Embd], F32, Required),
        ("layer_output_norm.weight", &[Embd], F32, Required),
        ("layer_output_norm.bias", &[Embd], F32, Required),
    ],
};

/// Checks that a model has the tensors of `layout`, no others, and each as `sizes` say.
pub(super) fn check(gguf: &Gguf, layout: &Layout, sizes: &Sizes) -> Result<(), GgufError> {
    let expected = expected(layout, sizes.n_blocks);
    for tensor in gguf.tensors() {
        let path = &gguf.files()[tensor.file_idx];
        let row = expected.get(&tensor.name);
        let problem = row.map_or_else(
            || Some("is not known in a model with these keys".to_owned()),
            |row| problem(tensor, row, sizes),
        );
        if let Some(problem) = problem {
            return Err(GgufError::tensor(path, &tensor.name, problem));
        }
    }
    check_complete(gguf, &expected)
}

/// The rows of a layout by the full name of the tensor.
fn expected(layout: &Layout, n_blocks: u32) -> HashMap<String, Row> {
    let whole = layout.whole.iter().map(|row| (row.0.to_owned(), *row));
    let blocks = (0..n_blocks).flat_map(|block_idx| {
        let rows = layout.block.iter();
        rows.map(move |row| (format!("blk.{block_idx}.{}", row.0), *row))
    });
    whole.chain(blocks).collect()
}

fn check_complete(gguf: &Gguf, expected: &HashMap<String, Row>) -> Result<(), GgufError> {
    let found: HashSet<&String> = gguf.tensors().iter().map(|tensor| &tensor.name).collect();
    let missing = expected
        .iter()
        .filter(|(name, row)| row.3 == Required && !found.contains(name))
        .map(|(name, _)| name);
    // The first by name, so that the message is the same every time.
    match missing.min() {
        None => Ok(()),
        Some(name) => Err(GgufError::tensor(gguf.path(), name, "is missing")),
    }
}

/// The fault of a tensor, if there is one.
fn problem(tensor: &TensorInfo, row: &Row, sizes: &Sizes) -> Option<String> {
    let (_, dims, stored, _) = row;
    let dims: Vec<u64> = dims.iter().map(|dim| dim.length(sizes)).collect();
    if !is_shape(&tensor.dims, &dims) {
        return Some(format!(
            "has the shape {:?}, expected {dims:?}",
            tensor.dims
        ));
    }
    let found = tensor.tensor_type.name();
    if *stored == F32 && tensor.tensor_type != TensorType::F32 {
        return Some(format!("has numbers of type {found}, expected F32"));
    }
    if !MATRIX_TYPES.contains(&found) {
        return Some(format!("has numbers of type {found}, which cannot be run"));
    }
    (!tensor.offset.is_multiple_of(ALIGNMENT)).then(|| {
        format!(
            "starts at byte {}, which is no multiple of {ALIGNMENT}",
            tensor.offset
        )
    })
}

/// Further dimensions may follow if they are 1.
fn is_shape(found: &[u64], expected: &[u64]) -> bool {
    let rest = found.strip_prefix(expected);
    rest.is_some_and(|rest| rest.iter().all(|dim| *dim == 1))
}

impl Dim {
    fn length(self, sizes: &Sizes) -> u64 {
        match self {
            Embd => sizes.n_embd,
            Vocab => sizes.n_vocab,
            FeedForward => sizes.n_ff,
            Query => sizes.n_query,
            KeyValue => sizes.n_key_value,
            Pairs => sizes.n_pairs,
            Positions => sizes.n_positions,
            TokenTypes => sizes.n_token_types,
        }
    }
}
