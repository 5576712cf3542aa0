//! The description of a model file, for people and for the record.
//!
//! Owns the measured bits per weight and the composition by tensor type, because a label is no measure. It judges
//! nothing: a file that cannot be run can still be described.

use std::collections::BTreeMap;

use super::reader::Gguf;
use super::tensor_type::{TensorType, file_type_label, nominal_type};
use super::value::{Array, Value};

/// A description of a model; what the file does not say, or says in another type than usual, is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// `general.architecture`, such as `qwen2`.
    pub architecture: Option<String>,
    /// `general.name`.
    pub name: Option<String>,
    /// The label that goes with `general.file_type`, such as `Q4_K_M`; says how most tensors were meant to be stored.
    pub quantization: Option<String>,
    /// Elements of all tensors together.
    pub n_parameters: u64,
    /// Bits of all tensor data by the number of elements, as llama.cpp counts them; 0 for a file without tensors.
    pub bits_per_weight: f64,
    /// Size of the files.
    pub size_bytes: u64,
    /// How the elements are stored, the type with most elements first.
    pub composition: Vec<TypeShare>,
    /// The longest text the model was trained for, in tokens.
    pub context_length: Option<u32>,
    /// `tokenizer.ggml.model`, such as `gpt2`.
    pub tokenizer_model: Option<String>,
    /// `tokenizer.ggml.pre`, such as `qwen2`.
    pub tokenizer_pre: Option<String>,
    /// Number of tokens in the vocabulary.
    pub n_vocab: Option<usize>,
    /// True if the file brings a chat template.
    pub has_chat_template: bool,
}

/// The tensors of one type.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeShare {
    /// How they are stored.
    pub tensor_type: TensorType,
    /// Number of tensors, at least 1.
    pub n_tensors: usize,
    /// Elements of all of them.
    pub n_elements: u64,
    /// Bytes of their data.
    pub n_bytes: u64,
}

impl Inspection {
    /// Describes `gguf`.
    pub fn of(gguf: &Gguf) -> Self {
        let text = |key: &str| match gguf.get(key) {
            Some(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        let number = |key: &str| match gguf.get(key) {
            Some(Value::U32(number)) => Some(*number),
            _ => None,
        };
        let architecture = text("general.architecture");
        let prefix = architecture.as_deref().unwrap_or_default();
        let composition = composition(gguf);
        let n_parameters = composition.iter().map(|share| share.n_elements).sum();
        let n_bytes: u64 = composition.iter().map(|share| share.n_bytes).sum();
        Self {
            name: text("general.name"),
            quantization: number("general.file_type")
                .and_then(file_type_label)
                .map(str::to_owned),
            n_parameters,
            bits_per_weight: bits_per_weight(n_bytes, n_parameters),
            size_bytes: gguf.size_bytes(),
            composition,
            context_length: number(&format!("{prefix}.context_length")),
            tokenizer_model: text("tokenizer.ggml.model"),
            tokenizer_pre: text("tokenizer.ggml.pre"),
            n_vocab: match gguf.get("tokenizer.ggml.tokens") {
                Some(Value::Array(Array::String(tokens))) => Some(tokens.len()),
                _ => None,
            },
            has_chat_template: text("tokenizer.chat_template").is_some(),
            architecture,
        }
    }
}

/// How much of a file is what its label promises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelShare {
    /// The type that the label names.
    pub tensor_type: TensorType,
    /// The part of the weights that are stored so, 0 to 1.
    pub fraction: f64,
}

impl LabelShare {
    /// True if most weights are stored otherwise than the label says.
    pub fn is_misleading(&self) -> bool {
        self.fraction < 0.5
    }
}

impl Inspection {
    /// How much of the file is what its own label promises; None where it has no label or no weights.
    ///
    /// llama.cpp keeps some tensors at higher precision in every mixture, and falls back to another type where the
    /// rows of a tensor are no multiple of the block: a 0.5B "Q2_K" of Qwen2.5 is mostly Q4_0 for that reason.
    pub fn label_share(&self) -> Option<LabelShare> {
        let tensor_type = nominal_type(self.quantization.as_deref()?)?;
        if self.n_parameters == 0 {
            return None;
        }
        let of_type = self
            .composition
            .iter()
            .find(|share| share.tensor_type == tensor_type);
        let n_elements = of_type.map_or(0, |share| share.n_elements);
        Some(LabelShare {
            tensor_type,
            fraction: n_elements as f64 / self.n_parameters as f64,
        })
    }
}

/// The metadata of a file as one JSON object; an array, which may hold a whole vocabulary, as its type and length.
pub fn metadata_json(gguf: &Gguf) -> String {
    let entries = gguf
        .entries()
        .iter()
        .map(|(key, value)| (key.clone(), json_value(value)));
    serde_json::Value::Object(entries.collect()).to_string()
}

fn json_value(value: &Value) -> serde_json::Value {
    match value {
        Value::U8(number) => (*number).into(),
        Value::I8(number) => (*number).into(),
        Value::U16(number) => (*number).into(),
        Value::I16(number) => (*number).into(),
        Value::U32(number) => (*number).into(),
        Value::I32(number) => (*number).into(),
        Value::U64(number) => (*number).into(),
        Value::I64(number) => (*number).into(),
        // A number that JSON has no form for becomes null.
        Value::F32(number) => f64::from(*number).into(),
        Value::F64(number) => (*number).into(),
        Value::Bool(flag) => (*flag).into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(array) => {
            serde_json::json!({ "type": array.type_name(), "length": array.len() })
        }
    }
}

/// The composition as a JSON array, the type with most elements first.
pub fn composition_json(inspection: &Inspection) -> String {
    let shares = inspection.composition.iter().map(|share| {
        serde_json::json!({
            "type": share.tensor_type.name(),
            "n_tensors": share.n_tensors,
            "n_elements": share.n_elements,
            "n_bytes": share.n_bytes,
        })
    });
    serde_json::Value::Array(shares.collect()).to_string()
}

fn composition(gguf: &Gguf) -> Vec<TypeShare> {
    let mut shares = BTreeMap::new();
    for tensor in gguf.tensors() {
        let share = shares.entry(tensor.tensor_type).or_insert(TypeShare {
            tensor_type: tensor.tensor_type,
            n_tensors: 0,
            n_elements: 0,
            n_bytes: 0,
        });
        share.n_tensors += 1;
        // Each tensor lies in a file, so the sums stay far below the limit.
        share.n_elements += tensor.n_elements;
        share.n_bytes += tensor.n_bytes;
    }
    let mut shares: Vec<TypeShare> = shares.into_values().collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.n_elements));
    shares
}

fn bits_per_weight(n_bytes: u64, n_elements: u64) -> f64 {
    if n_elements == 0 {
        return 0.0;
    }
    n_bytes as f64 * 8.0 / n_elements as f64
}
