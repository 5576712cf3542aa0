//! Converting small encoders that the tests write themselves.

use std::collections::BTreeMap;

use super::architecture::Tensor;
use super::*;
use crate::gguf::Gguf;

/// Tensors by name: shape and bytes.
type Checkpoint = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nblue\n";

fn config() -> serde_json::Value {
    serde_json::json!({
        "model_type": "bert", "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 8, "max_position_embeddings": 16, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "hidden_act": "gelu"
    })
}

fn distilbert_config() -> serde_json::Value {
    serde_json::json!({
        "model_type": "distilbert", "dim": 4, "n_layers": 2, "n_heads": 2, "hidden_dim": 8,
        "max_position_embeddings": 16, "activation": "gelu", "sinusoidal_pos_embds": false
    })
}

fn tensors(config: &serde_json::Value) -> Vec<Tensor> {
    let config = Config::parse(config.to_string().as_bytes()).unwrap();
    config.tensors()
}

fn checkpoint() -> Checkpoint {
    checkpoint_of(&config())
}

/// Tensors by name: shape as at Hugging Face, and numbers that differ everywhere.
fn checkpoint_of(config: &serde_json::Value) -> Checkpoint {
    let length = |dim: &Dim| match dim {
        Dim::Width => 4_usize,
        Dim::FeedForward => 8,
        Dim::Vocabulary => 8,
        Dim::Positions => 16,
        Dim::TokenTypes => 2,
    };
    let mut n_numbers = 0_u16;
    tensors(config)
        .into_iter()
        .map(|Tensor { hf_name, dims, .. }| {
            let shape: Vec<usize> = dims.iter().rev().map(length).collect();
            let numbers = (0..shape.iter().product()).flat_map(|_: usize| {
                n_numbers += 1;
                f32::from(n_numbers).to_le_bytes()
            });
            let data = numbers.collect();
            (hf_name, (shape, data))
        })
        .collect()
}

fn write_model(dir: &Path, config: &serde_json::Value, checkpoint: &Checkpoint) {
    fs::write(dir.join(CONFIG), config.to_string()).unwrap();
    fs::write(dir.join("vocab.txt"), VOCABULARY).unwrap();
    let views = checkpoint.iter().map(|(name, (shape, data))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), data).unwrap();
        (name, view)
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    fs::write(dir.join(WEIGHTS), bytes).unwrap();
}

fn convert(
    config: &serde_json::Value,
    checkpoint: &Checkpoint,
) -> Result<(Gguf, Vec<u8>), EncoderError> {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), config, checkpoint);
    let out = dir.path().join("out.gguf");
    convert_encoder(dir.path(), &out, "small")?;
    Ok((Gguf::read(&out).unwrap(), fs::read(&out).unwrap()))
}

/// That the first tensors of the file are these, in their order.
fn check_arrived(gguf: &Gguf, bytes: &[u8], expected: &[Tensor], checkpoint: &Checkpoint) {
    for (tensor, Tensor { name, hf_name, .. }) in gguf.tensors().iter().zip(expected) {
        assert_eq!(tensor.name, *name);
        let (shape, data) = &checkpoint[hf_name];
        let dims: Vec<u64> = shape.iter().rev().map(|dim| *dim as u64).collect();
        assert_eq!(tensor.dims, dims, "{name}");
        let found = &bytes[tensor.offset as usize..][..tensor.n_bytes as usize];
        assert_eq!(found, data, "{name}");
    }
}

#[test]
fn weights_and_shapes_arrive() {
    let checkpoint = checkpoint();
    let (gguf, bytes) = convert(&config(), &checkpoint).unwrap();
    assert_eq!(gguf.tensors().len(), 5 + 16 * 2);
    check_arrived(&gguf, &bytes, &tensors(&config()), &checkpoint);
    assert_eq!(gguf.str("general.name").unwrap(), "small");
    assert_eq!(gguf.u32("bert.feed_forward_length").unwrap(), 8);
    assert_eq!(
        gguf.f32("bert.attention.layer_norm_epsilon").unwrap(),
        1e-12
    );
    let tokens = gguf.strings("tokenizer.ggml.tokens").unwrap();
    assert_eq!(tokens[5..], ["▁a", "a", "▁blue"]);
    assert_eq!(gguf.u32("tokenizer.ggml.bos_token_id").unwrap(), 2);
}

#[test]
fn heads_prefix_and_old_names_make_no_difference() {
    let (_, expected) = convert(&config(), &checkpoint()).unwrap();
    let mut other: BTreeMap<_, _> = checkpoint()
        .into_iter()
        .map(|(name, tensor)| {
            let name = name
                .replace("LayerNorm.weight", "LayerNorm.gamma")
                .replace("LayerNorm.bias", "LayerNorm.beta");
            (format!("bert.{name}"), tensor)
        })
        .collect();
    for name in [
        "bert.pooler.dense.weight",
        "cls.predictions.bias",
        "bert.embeddings.position_ids",
    ] {
        other.insert(name.to_owned(), (vec![1], vec![0; 4]));
    }
    let (_, found) = convert(&config(), &other).unwrap();
    assert!(found == expected);
}

#[test]
fn a_distilbert_becomes_a_bert_whose_token_types_are_zero() {
    let config = distilbert_config();
    let checkpoint = checkpoint_of(&config);
    let (gguf, bytes) = convert(&config, &checkpoint).unwrap();
    assert_eq!(gguf.tensors().len(), 5 + 16 * 2);
    check_arrived(&gguf, &bytes, &tensors(&config), &checkpoint);
    let token_types = gguf.tensors().last().unwrap();
    assert_eq!(
        (token_types.name.as_str(), token_types.dims.as_slice()),
        ("token_types.weight", &[4, 1][..])
    );
    let found = &bytes[token_types.offset as usize..][..token_types.n_bytes as usize];
    assert_eq!(found, [0; 16]);
    assert_eq!(gguf.u32("tokenizer.ggml.token_type_count").unwrap(), 1);
    assert_eq!(
        gguf.f32("bert.attention.layer_norm_epsilon").unwrap(),
        1e-12
    );
    crate::gguf::check_encoder(&gguf).unwrap();
    // The head of its training, as in distilbert-base-uncased.
    let mut with_head: Checkpoint = checkpoint
        .into_iter()
        .map(|(name, tensor)| (format!("distilbert.{name}"), tensor))
        .collect();
    for name in [
        "vocab_transform.weight",
        "vocab_layer_norm.bias",
        "vocab_projector.bias",
    ] {
        with_head.insert(name.to_owned(), (vec![1], vec![0; 4]));
    }
    assert!(convert(&config, &with_head).unwrap().1 == bytes);
}

#[test]
fn a_layer_below_the_last_keeps_the_blocks_up_to_it() {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), &config(), &checkpoint());
    let out = dir.path().join("out.gguf");
    let convert = |layer| convert_encoder_to_layer(dir.path(), &out, "small", layer);
    convert(1).unwrap();
    let gguf = Gguf::read(&out).unwrap();
    assert_eq!(gguf.u32("bert.block_count").unwrap(), 1);
    assert_eq!(gguf.tensors().len(), 5 + 16);
    crate::gguf::check_encoder(&gguf).unwrap();
    for layer in [0, 3] {
        let error = convert(layer).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("has no layer {layer}: its layers are 1 to 2")),
            "{error}"
        );
    }
    convert(2).unwrap();
    let whole = fs::read(&out).unwrap();
    convert_encoder(dir.path(), &out, "small").unwrap();
    assert!(fs::read(&out).unwrap() == whole);
}

#[test]
fn other_models_are_refused() {
    let check = |key: &str, value: serde_json::Value, expected: &str| {
        let mut config = config();
        config[key] = value;
        let error = convert(&config, &checkpoint()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("model_type", "roberta".into(), "`model_type` is `roberta`");
    check("hidden_act", "relu".into(), "only `gelu`");
    check(
        "position_embedding_type",
        "relative_key".into(),
        "only `absolute`",
    );
    check("hidden_size", "wide".into(), "expected u32");
    check("hidden_size", 6.into(), "shape [8, 4], expected [8, 6]");
    check(
        "num_hidden_layers",
        3.into(),
        "lacks the tensor `encoder.layer.2.",
    );
    check(
        "num_hidden_layers",
        1.into(),
        "holds the tensor `encoder.layer.1.",
    );
}

#[test]
fn missing_and_damaged_files_are_named() {
    for name in [CONFIG, WEIGHTS, "vocab.txt"] {
        let dir = tempfile::tempdir().unwrap();
        write_model(dir.path(), &config(), &checkpoint());
        let out = dir.path().join("out.gguf");
        let error = || {
            convert_encoder(dir.path(), &out, "small")
                .unwrap_err()
                .to_string()
        };
        fs::write(dir.path().join(name), "{").unwrap();
        assert!(error().contains(name), "{}", error());
        fs::remove_file(dir.path().join(name)).unwrap();
        assert!(error().starts_with("cannot read `"), "{}", error());
        assert!(!out.exists());
    }
}
