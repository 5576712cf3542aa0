//! The folders of tiny encoders as Hugging Face publishes them: configuration, vocabulary, tokenizer and weights.
//!
//! Owns the names that the tensors of a BERT and of a DistilBERT have there. The product makes GGUFs of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

use super::Random;

/// Length of the vectors it computes.
pub(crate) const ENCODER_WIDTH: usize = 32;
const N_BLOCKS: usize = 2;
/// Blocks of the DistilBERT: one more, so that a layer in the middle has blocks on both sides.
pub(crate) const N_DISTILBERT_BLOCKS: usize = 3;
const N_HEADS: usize = 4;
const N_POSITIONS: usize = 64;
const N_TOKEN_TYPES: usize = 2;
const FEED_FORWARD: usize = 2 * ENCODER_WIDTH;
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const WORDS: &str =
    "the a is of and in red blue green yellow orange house color bus school he she likes";

/// Writes `config.json`, `vocab.txt`, `tokenizer.json` and `model.safetensors` of a BERT into `folder`.
pub(crate) fn write_encoder_folder(folder: &Path) {
    let vocabulary = vocabulary();
    let config = config(vocabulary.len());
    write_folder(folder, &vocabulary, &config, &tensors(vocabulary.len()));
}

/// The same of a DistilBERT, whose norms are random too.
pub(crate) fn write_distilbert_folder(folder: &Path) {
    let vocabulary = vocabulary();
    let config = distilbert_config(vocabulary.len());
    let tensors = distilbert_tensors(vocabulary.len());
    write_folder(folder, &vocabulary, &config, &tensors);
}

/// Shape and bytes of each tensor by its name.
type TensorsByName = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

fn write_folder(folder: &Path, vocabulary: &[String], config: &Value, tensors: &TensorsByName) {
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    write("config.json", config.to_string());
    write("vocab.txt", vocabulary.join("\n") + "\n");
    write("tokenizer.json", tokenizer(vocabulary).to_string());
    let views = tensors.iter().map(|(name, (shape, data))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), data).unwrap();
        (name, view)
    });
    let weights = safetensors::serialize(views, None).unwrap();
    fs::write(folder.join("model.safetensors"), weights).unwrap();
}

/// Special tokens, whole words, and single characters at the start of a word and inside one.
fn vocabulary() -> Vec<String> {
    let special = SPECIAL.map(str::to_owned).into_iter();
    let words = WORDS
        .split_whitespace()
        .filter(|word| word.len() > 1)
        .map(str::to_owned);
    let letters = ('a'..='z').chain('0'..='9');
    let inner = letters.clone().map(|letter| format!("##{letter}"));
    let starts = letters.chain(".,!?'-".chars()).map(String::from);
    special.chain(words).chain(starts).chain(inner).collect()
}

fn config(n_vocab: usize) -> Value {
    json!({
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": n_vocab,
        "hidden_size": ENCODER_WIDTH,
        "num_hidden_layers": N_BLOCKS,
        "num_attention_heads": N_HEADS,
        "intermediate_size": FEED_FORWARD,
        "max_position_embeddings": N_POSITIONS,
        "type_vocab_size": N_TOKEN_TYPES,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "position_embedding_type": "absolute"
    })
}

fn distilbert_config(n_vocab: usize) -> Value {
    json!({
        "architectures": ["DistilBertModel"],
        "model_type": "distilbert",
        "vocab_size": n_vocab,
        "dim": ENCODER_WIDTH,
        "n_layers": N_DISTILBERT_BLOCKS,
        "n_heads": N_HEADS,
        "hidden_dim": FEED_FORWARD,
        "max_position_embeddings": N_POSITIONS,
        "activation": "gelu",
        "sinusoidal_pos_embds": false
    })
}

fn tokenizer(vocabulary: &[String]) -> Value {
    let ids: BTreeMap<&String, usize> = vocabulary.iter().zip(0..).collect();
    let added = SPECIAL.iter().enumerate().map(|(id, token)| {
        json!({
            "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true
        })
    });
    let special = |id: usize| json!({"id": SPECIAL[id], "ids": [id], "tokens": [SPECIAL[id]]});
    let part = |id: usize| json!({"SpecialToken": {"id": SPECIAL[id], "type_id": 0}});
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let pair = json!({"Sequence": {"id": "B", "type_id": 1}});
    json!({
        "version": "1.0",
        "truncation": {
            "direction": "Right", "max_length": 32, "strategy": "LongestFirst", "stride": 0
        },
        "padding": null,
        "added_tokens": added.collect::<Value>(),
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [part(2), text, part(3)],
            "pair": [part(2), text, part(3), pair, part(3)],
            "special_tokens": {"[CLS]": special(2), "[SEP]": special(3)}
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": ids
        }
    })
}

fn tensors(n_vocab: usize) -> TensorsByName {
    let mut weights = Weights {
        random: Random::new(7),
        tensors: BTreeMap::new(),
    };
    for (name, n_rows) in [
        ("word_embeddings", n_vocab),
        ("position_embeddings", N_POSITIONS),
        ("token_type_embeddings", N_TOKEN_TYPES),
    ] {
        let shape = [n_rows, ENCODER_WIDTH];
        weights.add(&format!("embeddings.{name}.weight"), &shape, 1.0);
    }
    weights.add_norm("embeddings.LayerNorm");
    for block_idx in 0..N_BLOCKS {
        let name = |part: &str| format!("encoder.layer.{block_idx}.{part}");
        for part in ["self.query", "self.key", "self.value", "output.dense"] {
            weights.add_dense(
                &name(&format!("attention.{part}")),
                ENCODER_WIDTH,
                ENCODER_WIDTH,
            );
        }
        weights.add_norm(&name("attention.output.LayerNorm"));
        weights.add_dense(&name("intermediate.dense"), ENCODER_WIDTH, FEED_FORWARD);
        weights.add_dense(&name("output.dense"), FEED_FORWARD, ENCODER_WIDTH);
        weights.add_norm(&name("output.LayerNorm"));
    }
    weights.tensors
}

fn distilbert_tensors(n_vocab: usize) -> TensorsByName {
    let mut weights = Weights {
        random: Random::new(11),
        tensors: BTreeMap::new(),
    };
    for (name, n_rows) in [
        ("word_embeddings", n_vocab),
        ("position_embeddings", N_POSITIONS),
    ] {
        let shape = [n_rows, ENCODER_WIDTH];
        weights.add(&format!("embeddings.{name}.weight"), &shape, 1.0);
    }
    weights.add_random_norm("embeddings.LayerNorm");
    for block_idx in 0..N_DISTILBERT_BLOCKS {
        let name = |part: &str| format!("transformer.layer.{block_idx}.{part}");
        for part in ["q_lin", "k_lin", "v_lin", "out_lin"] {
            let name = name(&format!("attention.{part}"));
            weights.add_dense(&name, ENCODER_WIDTH, ENCODER_WIDTH);
        }
        weights.add_random_norm(&name("sa_layer_norm"));
        weights.add_dense(&name("ffn.lin1"), ENCODER_WIDTH, FEED_FORWARD);
        weights.add_dense(&name("ffn.lin2"), FEED_FORWARD, ENCODER_WIDTH);
        weights.add_random_norm(&name("output_layer_norm"));
    }
    weights.tensors
}

struct Weights {
    random: Random,
    tensors: TensorsByName,
}

impl Weights {
    fn add(&mut self, name: &str, shape: &[usize], deviation: f32) {
        let numbers = self.random.numbers(shape.iter().product(), deviation);
        self.insert(name, shape, &numbers);
    }

    fn add_dense(&mut self, name: &str, n_in: usize, n_out: usize) {
        let deviation = (n_in as f32).sqrt().recip();
        self.add(&format!("{name}.weight"), &[n_out, n_in], deviation);
        self.add(&format!("{name}.bias"), &[n_out], 0.1);
    }

    fn add_random_norm(&mut self, name: &str) {
        let scales = self.random.numbers(ENCODER_WIDTH, 0.2);
        let scales: Vec<f32> = scales.iter().map(|scale| 1.0 + scale).collect();
        self.insert(&format!("{name}.weight"), &[ENCODER_WIDTH], &scales);
        self.add(&format!("{name}.bias"), &[ENCODER_WIDTH], 0.2);
    }

    fn add_norm(&mut self, name: &str) {
        let (ones, zeros) = ([1.0; ENCODER_WIDTH], [0.0; ENCODER_WIDTH]);
        self.insert(&format!("{name}.weight"), &[ENCODER_WIDTH], &ones);
        self.insert(&format!("{name}.bias"), &[ENCODER_WIDTH], &zeros);
    }

    fn insert(&mut self, name: &str, shape: &[usize], numbers: &[f32]) {
        let data = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        self.tensors.insert(name.to_owned(), (shape.to_vec(), data));
    }
}
