//! Tiny models with random weights, written by the tests themselves in well under a second.
//!
//! Owns their shapes, weights and vocabularies: a generation model with the vocabulary and the chat template of a
//! Qwen2.5 in small, and an encoder as a folder from Hugging Face. What they say makes no sense, but it is the same
//! every time, and their next tokens are neither certain nor equally likely. Nothing is tested here but that.

mod encoder;
mod vocabulary;

use std::fs;
use std::path::Path;

use seep::gguf::{
    Gguf, GgufWriter, TensorType, check_encoder, check_generation_model, convert_encoder,
};
use tokenizers::Tokenizer;

use crate::llama_child::{Outcome, load_in_child};
use encoder::ENCODER_WIDTH;
pub(crate) use encoder::{N_DISTILBERT_BLOCKS, write_distilbert_folder, write_encoder_folder};
use vocabulary::Vocabulary;

/// Value of `general.file_type` for 32-bit weights.
const ALL_F32: u32 = 0;
const N_BLOCKS: usize = 2;
const N_HEADS: usize = 4;
const N_HEADS_KV: usize = 2;

/// The chat template of Qwen2.5 without its tools.
pub(crate) const CHAT_TEMPLATE: &str = "\
{%- if messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == \"user\") or (message.role == \"system\" and not loop.first) or (message.role == \"assistant\") %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
";

/// A generation model to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TinyModel {
    /// `qwen2` or `llama`.
    pub(crate) architecture: &'static str,
    /// Models of different seeds say different things.
    pub(crate) seed: u64,
    /// Whether logits come from the embeddings instead of a matrix of their own.
    pub(crate) is_tied: bool,
    /// Width of an embedding; heads and feed-forward layer grow with it.
    pub(crate) n_embd: usize,
    /// Positions that it says it was trained for.
    pub(crate) n_ctx: u32,
    /// How matrices are stored; the numbers of other types than `F32` are any bytes.
    pub(crate) matrix_type: &'static str,
    /// What becomes of its messages.
    pub(crate) chat_template: &'static str,
}

impl TinyModel {
    /// Two blocks, an embedding of 64, 32-bit weights.
    pub(crate) const QWEN2: Self = Self {
        architecture: "qwen2",
        seed: 1,
        is_tied: true,
        n_embd: 64,
        n_ctx: 512,
        matrix_type: "F32",
        chat_template: CHAT_TEMPLATE,
    };

    /// Writes the model to `path`.
    pub(crate) fn write(&self, path: &Path) {
        let vocabulary = Vocabulary::train();
        let mut writer = GgufWriter::new(self.architecture);
        self.set_keys(&mut writer);
        vocabulary.set_keys(&mut writer);
        self.add_tensors(&mut writer, vocabulary.len());
        writer.write(path).unwrap();
    }

    fn set_keys(&self, writer: &mut GgufWriter<'_>) {
        let (n_embd, n_ff) = (self.n_embd as u32, 2 * self.n_embd as u32);
        writer
            .set("general.name", "Tiny")
            .set("general.file_type", ALL_F32)
            .set("tokenizer.chat_template", self.chat_template);
        for (key, value) in [
            ("block_count", N_BLOCKS as u32),
            ("context_length", self.n_ctx),
            ("embedding_length", n_embd),
            ("feed_forward_length", n_ff),
            ("attention.head_count", N_HEADS as u32),
            ("attention.head_count_kv", N_HEADS_KV as u32),
        ] {
            writer.set(&format!("{}.{key}", self.architecture), value);
        }
        for (key, value) in [
            ("rope.freq_base", 1e6),
            ("attention.layer_norm_rms_epsilon", 1e-6),
        ] {
            writer.set(&format!("{}.{key}", self.architecture), value);
        }
    }

    /// The blocks outweigh the embeddings, or the likeliest next token would always be the last one again. Logits
    /// have a standard deviation of about 2, so at a temperature of 0.5 a handful of tokens share the probability.
    fn add_tensors(&self, writer: &mut GgufWriter<'_>, n_vocab: usize) {
        let (n_embd, n_ff) = (self.n_embd, 2 * self.n_embd);
        let n_kv = n_embd / N_HEADS * N_HEADS_KV;
        let unit = (n_embd as f32).sqrt().recip();
        let mut tensors = Tensors {
            writer,
            random: Random::new(self.seed),
            matrix_type: self.matrix_type,
        };
        tensors.matrix("token_embd.weight", n_embd, n_vocab, 2.0 * unit);
        tensors.ones("output_norm.weight", n_embd);
        if !self.is_tied {
            tensors.matrix("output.weight", n_embd, n_vocab, 2.0 * unit);
        }
        for block_idx in 0..N_BLOCKS {
            let name = |part: &str| format!("blk.{block_idx}.{part}");
            tensors.ones(&name("attn_norm.weight"), n_embd);
            for (part, n_out) in [("attn_q", n_embd), ("attn_k", n_kv), ("attn_v", n_kv)] {
                tensors.matrix(&name(&format!("{part}.weight")), n_embd, n_out, 1.5 * unit);
                if self.architecture == "qwen2" {
                    tensors.vector(&name(&format!("{part}.bias")), n_out, 0.1);
                }
            }
            tensors.matrix(&name("attn_output.weight"), n_embd, n_embd, 1.5 * unit);
            tensors.ones(&name("ffn_norm.weight"), n_embd);
            tensors.matrix(&name("ffn_gate.weight"), n_embd, n_ff, 1.5 * unit);
            tensors.matrix(&name("ffn_up.weight"), n_embd, n_ff, 1.5 * unit);
            tensors.matrix(&name("ffn_down.weight"), n_ff, n_embd, unit);
        }
    }
}

/// A model's tensors in the making.
struct Tensors<'a, 'w> {
    writer: &'a mut GgufWriter<'w>,
    random: Random,
    matrix_type: &'static str,
}

impl Tensors<'_, '_> {
    fn matrix(&mut self, name: &str, n_in: usize, n_out: usize, deviation: f32) {
        let dims = [n_in as u64, n_out as u64];
        if self.matrix_type == "F32" {
            let numbers = self.random.numbers(n_in * n_out, deviation);
            self.writer.add_f32_tensor(name, &dims, &numbers);
            return;
        }
        let tensor_type = TensorType::from_name(self.matrix_type).unwrap();
        let n_blocks = (n_in * n_out) as u64 / tensor_type.block_elements();
        let n_bytes = n_blocks * tensor_type.block_bytes();
        let data = self.random.bytes(n_bytes as usize);
        self.writer.add_tensor(name, &dims, tensor_type, data);
    }

    fn vector(&mut self, name: &str, length: usize, deviation: f32) {
        let numbers = self.random.numbers(length, deviation);
        self.writer.add_f32_tensor(name, &[length as u64], &numbers);
    }

    fn ones(&mut self, name: &str, length: usize) {
        let ones = vec![1.0; length];
        self.writer.add_f32_tensor(name, &[length as u64], &ones);
    }
}

/// A small generator of random numbers (SplitMix64, Steele, Lea and Flood 2014).
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `n`, which is small enough for the remainder to be as good as uniform.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Numbers around 0, uniformly distributed with the given standard deviation.
    fn numbers(&mut self, n: usize, deviation: f32) -> Vec<f32> {
        let half_width = deviation * 3_f32.sqrt();
        let number = |_| {
            let unit = (self.next() >> 40) as f32 / (1_u32 << 24) as f32;
            (2.0 * unit - 1.0) * half_width
        };
        (0..n).map(number).collect()
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}

#[test]
fn models_are_written_the_same_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["first.gguf", "second.gguf"].map(|name| dir.path().join(name));
    TinyModel::QWEN2.write(&first);
    TinyModel::QWEN2.write(&second);
    assert!(fs::read(&first).unwrap() == fs::read(&second).unwrap());
    let other = TinyModel {
        seed: 2,
        ..TinyModel::QWEN2
    };
    other.write(&second);
    assert!(fs::read(&first).unwrap() != fs::read(&second).unwrap());
}

#[test]
fn next_tokens_are_neither_certain_nor_equally_likely() {
    let dir = tempfile::tempdir().unwrap();
    for architecture in ["qwen2", "llama"] {
        for (seed, is_tied) in [(1, true), (2, true), (1, false), (2, false)] {
            let name = format!("{architecture}-{seed}-{is_tied}.gguf");
            let path = dir.path().join(name);
            let model = TinyModel {
                architecture,
                seed,
                is_tied,
                ..TinyModel::QWEN2
            };
            model.write(&path);
            check_generation_model(&Gguf::read(&path).unwrap()).unwrap();
        }
    }
    for (name, outcome) in load_in_child(dir.path()) {
        let is_likely = |n_likely: f64| (2.0..60.0).contains(&n_likely);
        assert!(
            matches!(outcome, Outcome::Ran(n_likely) if is_likely(n_likely)),
            "{name}: {outcome:?}"
        );
    }
}

#[test]
fn encoder_runs_and_its_tokenizer_is_read() {
    let dir = tempfile::tempdir().unwrap();
    write_encoder_folder(dir.path());
    let path = dir.path().join("encoder.gguf");
    convert_encoder(dir.path(), &path, "Tiny").unwrap();
    check_encoder(&Gguf::read(&path).unwrap()).unwrap();
    let outcome = &load_in_child(dir.path())["encoder.gguf"];
    assert_eq!(*outcome, Outcome::Ran(ENCODER_WIDTH as f64));
    let tokenizer = Tokenizer::from_file(dir.path().join("tokenizer.json")).unwrap();
    let encoding = tokenizer.encode("The blue bus.", true).unwrap();
    let expected = ["[CLS]", "the", "blue", "bus", ".", "[SEP]"];
    assert_eq!(encoding.get_tokens(), expected);
}
