//! Converting small encoders that the tests write themselves.

use std::collections::BTreeMap;

use super::*;
use crate::gguf::Gguf;

const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nblue\n";

fn config() -> serde_json::Value {
    serde_json::json!({
        "model_type": "bert", "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 8, "max_position_embeddings": 16, "type_vocab_size": 2,
        "layer_norm_eps": 1e-12, "hidden_act": "gelu"
    })
}

/// Tensors by name: shape as at Hugging Face, and numbers that differ everywhere.
fn checkpoint() -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let length = |dim: &Dim| match dim {
        Width => 4_usize,
        FeedForward => 8,
        Vocabulary => 8,
        Positions => 16,
        TokenTypes => 2,
    };
    let mut n_numbers = 0_u16;
    tensor_list(2)
        .into_iter()
        .map(|(_, hf_name, dims)| {
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

fn write_model(
    dir: &Path,
    config: &serde_json::Value,
    checkpoint: &BTreeMap<String, (Vec<usize>, Vec<u8>)>,
) {
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
    checkpoint: &BTreeMap<String, (Vec<usize>, Vec<u8>)>,
) -> Result<(Gguf, Vec<u8>), EncoderError> {
    let dir = tempfile::tempdir().unwrap();
    write_model(dir.path(), config, checkpoint);
    let out = dir.path().join("out.gguf");
    convert_encoder(dir.path(), &out, "small")?;
    Ok((Gguf::read(&out).unwrap(), fs::read(&out).unwrap()))
}

#[test]
fn weights_and_shapes_arrive() {
    let checkpoint = checkpoint();
    let (gguf, bytes) = convert(&config(), &checkpoint).unwrap();
    assert_eq!(gguf.tensors().len(), 5 + 16 * 2);
    for (tensor, (name, hf_name, _)) in gguf.tensors().iter().zip(tensor_list(2)) {
        assert_eq!(tensor.name, name);
        let (shape, data) = &checkpoint[&hf_name];
        let dims: Vec<u64> = shape.iter().rev().map(|dim| *dim as u64).collect();
        assert_eq!(tensor.dims, dims, "{name}");
        let found = &bytes[tensor.offset as usize..][..tensor.n_bytes as usize];
        assert_eq!(found, data, "{name}");
    }
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
