//! Small headers with one thing wrong each. That llama.cpp survives what passes is tested in `tests/integration`.

use std::path::Path;

use super::*;
use crate::gguf::{Array, GgufWriter, TensorType, Value};

const PATH: &str = "models/small.gguf";
const F32: &str = "F32";

/// A header whose keys and tensors can be taken away and replaced.
#[derive(Clone)]
struct Header {
    architecture: &'static str,
    entries: Vec<(String, Value)>,
    /// Name, shape, type.
    tensors: Vec<(String, Vec<u64>, &'static str)>,
}

impl Header {
    fn new(architecture: &'static str) -> Self {
        Self {
            architecture,
            entries: Vec::new(),
            tensors: Vec::new(),
        }
    }

    fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.remove(key);
        self.entries.push((key.to_owned(), value.into()));
        self
    }

    fn remove(&mut self, name: &str) -> &mut Self {
        self.entries.retain(|(key, _)| key != name);
        self.tensors.retain(|(tensor, _, _)| tensor != name);
        self
    }

    fn tensor(&mut self, name: &str, dims: &[u64]) -> &mut Self {
        self.tensor_as(name, dims, F32)
    }

    fn tensor_as(&mut self, name: &str, dims: &[u64], tensor_type: &'static str) -> &mut Self {
        let tensor = (name.to_owned(), dims.to_vec(), tensor_type);
        match self.tensors.iter_mut().find(|other| other.0 == name) {
            Some(other) => *other = tensor,
            None => self.tensors.push(tensor),
        }
        self
    }

    fn parse(&self) -> Gguf {
        let mut writer = GgufWriter::new(self.architecture);
        for (key, value) in &self.entries {
            writer.set(key, value.clone());
        }
        for (name, dims, tensor_type) in &self.tensors {
            let tensor_type = TensorType::from_name(tensor_type).unwrap();
            let n_blocks = dims.iter().product::<u64>() / tensor_type.block_elements();
            let data = vec![0; (n_blocks * tensor_type.block_bytes()) as usize];
            writer.add_tensor(name, dims, tensor_type, data);
        }
        let mut bytes = Vec::new();
        writer.write_to(&mut bytes).unwrap();
        Gguf::parse(Path::new(PATH), &*bytes, bytes.len() as u64).unwrap()
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// One block, an embedding of 32, 4 heads, 2 for keys and values.
fn decoder(architecture: &'static str) -> Header {
    let mut header = Header::new(architecture);
    for (key, value) in [
        ("block_count", 1),
        ("context_length", 16),
        ("embedding_length", 32),
        ("feed_forward_length", 64),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("rope.dimension_count", 8),
    ] {
        header.set(&format!("{architecture}.{key}"), value);
    }
    header
        .set(
            &format!("{architecture}.attention.layer_norm_rms_epsilon"),
            1e-6,
        )
        .set(&format!("{architecture}.rope.freq_base"), 1e6)
        .set("general.name", "Small")
        .set("general.tags", texts(&["free text"]))
        .set("tokenizer.ggml.model", "gpt2")
        .set("tokenizer.ggml.pre", "qwen2")
        .set(
            "tokenizer.ggml.tokens",
            texts(&["a", "b", "Ġ", "ab", "<|end|>"]),
        )
        .set("tokenizer.ggml.token_type", vec![1, 1, 1, 1, 3])
        .set("tokenizer.ggml.merges", texts(&["a b"]))
        .set("tokenizer.ggml.eos_token_id", 4)
        .set("tokenizer.ggml.add_bos_token", false)
        .tensor("token_embd.weight", &[32, 5])
        .tensor("output_norm.weight", &[32])
        .tensor("blk.0.attn_norm.weight", &[32])
        .tensor("blk.0.attn_q.weight", &[32, 32])
        .tensor("blk.0.attn_q.bias", &[32])
        .tensor("blk.0.attn_k.weight", &[32, 16])
        .tensor("blk.0.attn_k.bias", &[16])
        .tensor("blk.0.attn_v.weight", &[32, 16])
        .tensor("blk.0.attn_v.bias", &[16])
        .tensor("blk.0.attn_output.weight", &[32, 32])
        .tensor("blk.0.ffn_norm.weight", &[32])
        .tensor("blk.0.ffn_gate.weight", &[32, 64])
        .tensor("blk.0.ffn_up.weight", &[32, 64])
        .tensor("blk.0.ffn_down.weight", &[64, 32]);
    header
}

/// One block, an embedding of 4, 2 heads.
fn encoder() -> Header {
    let mut header = Header::new("bert");
    for (key, value) in [
        ("bert.block_count", 1),
        ("bert.context_length", 16),
        ("bert.embedding_length", 4),
        ("bert.feed_forward_length", 8),
        ("bert.attention.head_count", 2),
        ("bert.pooling_type", 1),
        ("tokenizer.ggml.token_type_count", 2),
        ("tokenizer.ggml.bos_token_id", 0),
        ("tokenizer.ggml.seperator_token_id", 1),
        ("tokenizer.ggml.unknown_token_id", 2),
        ("tokenizer.ggml.padding_token_id", 3),
    ] {
        header.set(key, value);
    }
    let tokens = texts(&["[CLS]", "[SEP]", "[UNK]", "[PAD]", "▁a"]);
    header
        .set("bert.attention.layer_norm_epsilon", 1e-12)
        .set("bert.attention.causal", false)
        .set("tokenizer.ggml.model", "bert")
        .set("tokenizer.ggml.tokens", tokens)
        .set("tokenizer.ggml.token_type", vec![3, 3, 3, 3, 1])
        .tensor("token_embd.weight", &[4, 5])
        .tensor("position_embd.weight", &[4, 16])
        .tensor("token_types.weight", &[4, 2]);
    for name in [
        "token_embd_norm",
        "blk.0.attn_output_norm",
        "blk.0.layer_output_norm",
    ] {
        header.tensor(&format!("{name}.weight"), &[4]);
        header.tensor(&format!("{name}.bias"), &[4]);
    }
    for (name, n_in, n_out) in [
        ("attn_q", 4, 4),
        ("attn_k", 4, 4),
        ("attn_v", 4, 4),
        ("attn_output", 4, 4),
        ("ffn_up", 4, 8),
        ("ffn_down", 8, 4),
    ] {
        header.tensor(&format!("blk.0.{name}.weight"), &[n_in, n_out]);
        header.tensor(&format!("blk.0.{name}.bias"), &[n_out]);
    }
    header
}

type Change = fn(&mut Header);

/// The problem that the change makes; the message names the file.
fn problem(header: &Header, change: impl Fn(&mut Header)) -> Option<String> {
    let mut header = header.clone();
    change(&mut header);
    let gguf = header.parse();
    let checked = match header.architecture {
        "bert" => check_encoder(&gguf),
        _ => check_generation_model(&gguf),
    };
    let message = checked.err()?.to_string();
    assert!(message.contains(PATH), "{message}");
    assert!(message.contains("\nhint: "), "{message}");
    Some(message)
}

fn check_refused(header: &Header, change: impl Fn(&mut Header), expected: &str) {
    let message = problem(header, change).unwrap_or_default();
    assert!(
        message.contains(expected),
        "`{expected}` not in: `{message}`"
    );
}

fn check_accepted(header: &Header, change: Change) {
    assert_eq!(problem(header, change), None);
}

/// Each of the keys with this prefix is set to a wrong value, and must be named with what is wrong.
fn check_values(header: &Header, prefix: &str, cases: &[(&str, Value, &str)]) {
    for (name, value, expected) in cases {
        let key = format!("{prefix}{name}");
        let change = |header: &mut Header| {
            header.set(&key, value.clone());
        };
        check_refused(header, change, &format!("key `{key}` of"));
        check_refused(header, change, expected);
    }
}

/// Each of these keys or tensors is needed.
fn check_needed(header: &Header, names: &[&str]) {
    for name in names {
        let change = |header: &mut Header| {
            header.remove(name);
        };
        check_refused(header, change, &format!("`{name}` of"));
        check_refused(header, change, "is missing");
    }
}

/// Each of these tensors is added or replaced by a wrong one, and must be named with what is wrong.
fn check_tensors(header: &Header, cases: &[(&str, &[u64], &'static str, &str)]) {
    for (name, dims, tensor_type, expected) in cases {
        let change = |header: &mut Header| {
            header.tensor_as(name, dims, tensor_type);
        };
        check_refused(header, change, &format!("tensor `{name}` of"));
        check_refused(header, change, expected);
    }
}

#[test]
fn plain_models_pass() {
    check_accepted(&decoder("qwen2"), |_| {});
    check_accepted(&decoder("llama"), |_| {});
    check_accepted(&encoder(), |_| {});
}

#[test]
fn other_architectures_are_refused() {
    let gemma = decoder("gemma3");
    check_refused(&gemma, |_| {}, "is `gemma3`, which is not supported");
    check_refused(&gemma, |_| {}, "hint: the architectures `qwen2` and");
    let error = check_encoder(&decoder("qwen2").parse()).unwrap_err();
    assert!(error.to_string().contains("only the architecture `bert`"));
    let error = check_generation_model(&encoder().parse()).unwrap_err();
    assert!(error.to_string().contains("is `bert`"));
}

#[test]
fn wrong_keys_are_refused() {
    let header = decoder("qwen2");
    let cases = [
        ("block_count", 0.into(), "should be 1 to 512, found 0"),
        ("block_count", 513.into(), "found 513"),
        ("block_count", 1.0.into(), "should be a u32, found a f32"),
        ("context_length", 0.into(), "found 0"),
        ("context_length", u32::MAX.into(), "found 4294967295"),
        ("embedding_length", 0.into(), "found 0"),
        ("feed_forward_length", vec![64].into(), "a list of i32"),
        ("attention.head_count", 0.into(), "found 0"),
        ("attention.head_count", 6.into(), "the embedding of 32"),
        ("attention.head_count", 32.into(), "heads of 1, an odd"),
        ("attention.head_count_kv", 0.into(), "found 0"),
        ("attention.head_count_kv", 3.into(), "divide the 4 heads"),
        ("attention.value_length", 9.into(), "should be 8 as for"),
        ("attention.causal", false.into(), "should be true, found"),
        ("rope.dimension_count", 4.into(), "should be 8, the length"),
        ("rope.freq_base", f32::NAN.into(), "above 0, found NaN"),
        ("rope.freq_base", f32::INFINITY.into(), "found inf"),
        ("rope.scaling.type", "longrope".into(), "only `none`, `li"),
        ("rope.scaling.factor", 0.0.into(), "found 0"),
        ("expert_count", 8.into(), "is 8, which is not supported"),
        ("attention.sliding_window", 8.into(), "is not known and"),
        ("pooling_type", 1.into(), "is not known and may change"),
    ];
    check_values(&header, "qwen2.", &cases);
    let epsilon = "attention.layer_norm_rms_epsilon";
    check_values(&header, "qwen2.", &[(epsilon, (-1.0).into(), "found -1")]);
    let cases = [
        ("name", 1.into(), "should be a string, found a u32"),
        ("file_type", "F16".into(), "should be a u32, found a str"),
        ("quantization_version", 3.into(), "is 3, which is not"),
        ("tensor_extra.name", texts(&[]).into(), "is not known"),
    ];
    check_values(&header, "general.", &cases);
    let template = "tokenizer.chat_template";
    check_values(&header, "", &[(template, true.into(), "found a bool")]);
    let needed = ["qwen2.block_count", "qwen2.attention.head_count"];
    check_needed(&header, &needed);
}

#[test]
fn optional_keys_may_be_there_or_not() {
    let header = decoder("qwen2");
    check_accepted(&header, |h| {
        h.remove("qwen2.rope.dimension_count");
    });
    check_accepted(&header, |h| {
        h.set("qwen2.expert_count", 0);
    });
    check_accepted(&header, |h| {
        h.set("qwen2.rope.scaling.type", "yarn")
            .set("qwen2.rope.scaling.factor", 4.0)
            .set("qwen2.rope.scaling.original_context_length", 8);
    });
    check_accepted(&decoder("llama"), |h| {
        h.set("llama.attention.key_length", 10)
            .set("llama.attention.value_length", 10)
            .remove("llama.rope.dimension_count")
            .tensor("blk.0.attn_q.weight", &[32, 40])
            .tensor("blk.0.attn_q.bias", &[40])
            .tensor("blk.0.attn_k.weight", &[32, 20])
            .tensor("blk.0.attn_k.bias", &[20])
            .tensor("blk.0.attn_v.weight", &[32, 20])
            .tensor("blk.0.attn_v.bias", &[20])
            .tensor("blk.0.attn_output.weight", &[40, 32]);
    });
}

#[test]
fn wrong_vocabularies_are_refused() {
    let header = decoder("qwen2");
    let tokens = |tokens: &[&str]| texts(tokens).into();
    let long = "d".repeat(4097);
    let cases = [
        ("model", "llama".into(), "is \"llama\", which is not supp"),
        ("pre", "qwen3".into(), "is \"qwen3\", which is not supp"),
        ("tokens", tokens(&[]), "is empty"),
        ("tokens", vec![1].into(), "should be a list of string"),
        (
            "tokens",
            tokens(&["a", "b", "a"]),
            "\"a\" twice, again as 2",
        ),
        ("tokens", tokens(&["a", "b", ""]), "the token 2 of 0 bytes"),
        ("tokens", tokens(&["a", &long]), "the token 1 of 4097"),
        ("token_type", vec![1; 4].into(), "4 values for 5 tokens"),
        ("token_type", vec![1, 1, 1, 1, 6].into(), "the type 6"),
        ("scores", vec![0; 4].into(), "4 values for 5 tokens"),
        ("scores", tokens(&[]), "should be a list of f32"),
        ("merges", tokens(&["a b", "ab"]), "\"ab\" as number 1"),
        ("merges", tokens(&["b a"]), "\"b a\" as number 0"),
        ("merges", tokens(&["a b "]), "\"a b \" as number 0"),
        ("eos_token_id", 5.into(), "the token 5, but the vocabulary"),
        ("fim_pad_token_id", u32::MAX.into(), "token 4294967295"),
        ("add_bos_token", 0.into(), "should be a bool, found a u32"),
        ("precompiled_charsmap", vec![0].into(), "is not known"),
    ];
    check_values(&header, "tokenizer.ggml.", &cases);
    let spaced = tokens(&["a", "b", " ", "ab", "c"]);
    let cases = [("tokens", spaced, "\" \" as 2, which stands for no")];
    check_values(&header, "tokenizer.ggml.", &cases);
    let adds_bos: Change = |h| {
        h.set("tokenizer.ggml.add_bos_token", true);
    };
    check_refused(&header, adds_bos, "`tokenizer.ggml.bos_token_id` of");
    for name in ["pre", "tokens", "token_type", "merges", "eos_token_id"] {
        check_needed(&header, &[&format!("tokenizer.ggml.{name}")]);
    }
    let scores = Value::Array(Array::F32(vec![0.0; 5]));
    let with_scores = |h: &mut Header| {
        h.set("tokenizer.ggml.scores", scores.clone());
    };
    assert_eq!(problem(&header, with_scores), None);
}

#[test]
fn wrong_tensors_are_refused() {
    let header = decoder("qwen2");
    let cases: [(&str, &[u64], _, _); 10] = [
        ("blk.1.attn_norm.weight", &[32], F32, "is not known in a"),
        ("blk.0.attn_q.scale", &[1], F32, "is not known in a model"),
        ("rope_freqs.weight", &[4], F32, "is not known in a model"),
        ("token_embd.weight", &[32, 6], F32, "expected [32, 5]"),
        ("token_embd.weight", &[5, 32], F32, "expected [32, 5]"),
        ("output.weight", &[32, 4], F32, "expected [32, 5]"),
        ("output_norm.weight", &[32, 2], F32, "expected [32]"),
        ("output_norm.weight", &[32], "F16", "F16, expected F32"),
        ("token_embd.weight", &[32, 5], "I8", "I8, which cannot be"),
        ("token_embd.weight", &[32, 5], "Q8_1", "which cannot be"),
    ];
    check_tensors(&header, &cases);
    check_needed(&header, &["token_embd.weight", "blk.0.ffn_down.weight"]);
    check_needed(&header, &["blk.0.attn_k.bias", "output_norm.weight"]);
    let more_blocks: Change = |h| {
        h.set("qwen2.block_count", 2);
    };
    check_refused(&header, more_blocks, "`blk.1.attn_k.bias` of");
}

#[test]
fn tensors_may_differ_in_type_and_number() {
    let header = decoder("qwen2");
    check_accepted(&header, |h| {
        h.tensor("output.weight", &[32, 5]);
    });
    check_accepted(&header, |h| {
        h.tensor_as("token_embd.weight", &[32, 5], "Q4_0");
    });
    check_accepted(&header, |h| {
        h.tensor("output_norm.weight", &[32, 1]);
    });
    let header = decoder("llama");
    check_accepted(&header, |h| {
        h.tensor("rope_freqs.weight", &[4]);
    });
    check_accepted(&header, |h| {
        h.remove("blk.0.attn_k.bias");
    });
}

/// llama.cpp accepts any alignment that is a power of two, but maps the file and asserts 32.
#[test]
fn data_that_cannot_be_mapped_is_refused() {
    let mut header = decoder("qwen2");
    header.set("general.alignment", 8);
    let mut n_refused = 0;
    for length in [0, 8, 16, 24] {
        let name = "x".repeat(length);
        let rename = |header: &mut Header| {
            header.set("general.name", name.as_str());
        };
        let problem = problem(&header, rename);
        n_refused += usize::from(problem.is_some());
        let message = problem.unwrap_or("which is no multiple of 32".to_owned());
        assert!(message.contains("which is no multiple of 32"), "{message}");
    }
    assert_eq!(n_refused, 3);
}

#[test]
fn wrong_encoders_are_refused() {
    let header = encoder();
    let cases = [
        ("block_count", 513.into(), "found 513"),
        ("attention.head_count", 3.into(), "the embedding of 4"),
        ("attention.causal", true.into(), "should be false, found"),
        ("pooling_type", 2.into(), "should be 0 to 1, found 2"),
    ];
    check_values(&header, "bert.", &cases);
    let cases = [
        ("token_type_count", 0.into(), "found 0"),
        ("model", "t5".into(), "is \"t5\", which is not supported"),
        ("bos_token_id", 101.into(), "the token 101, but"),
        ("token_type", vec![1, 1, 1, 1, 6].into(), "the type 6"),
        ("merges", texts(&[]).into(), "is not known"),
    ];
    check_values(&header, "tokenizer.ggml.", &cases);
    let cases: [(&str, &[u64], _, _); 4] = [
        ("cls.weight", &[4, 4], F32, "is not known in a model"),
        ("token_types.weight", &[4, 1], F32, "expected [4, 2]"),
        ("position_embd.weight", &[4, 8], F32, "expected [4, 16]"),
        ("position_embd.weight", &[4, 16], "F16", "expected F32"),
    ];
    check_tensors(&header, &cases);
    check_needed(&header, &["token_types.weight", "blk.0.ffn_up.bias"]);
    check_needed(&header, &["tokenizer.ggml.seperator_token_id"]);
}
