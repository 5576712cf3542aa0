//! The message for a wrong value of each field: models, embedding model, GPU layers.

use super::wrong;

#[test]
fn models() {
    insta::assert_snapshot!(wrong("  - path: own/my.gguf\n    name: mine", "  - qwen2.5-1.5b-instruct"), @r"
    error: an item of `models` has the wrong type
      --> x.yaml:21:5
       |
    21 |   - qwen2.5-1.5b-instruct
       |     ^^^^^^^^^^^^^^^^^^^^^ expected a mapping, found the string `qwen2.5-1.5b-instruct`
       |
       = hint: for example `- name: qwen2.5-0.5b-instruct`
    ");
    insta::assert_snapshot!(wrong("models:\n  - name: qwen2.5-0.5b-instruct\n    quantizations: [Q4_K_M, Q8_0]\n  - path: own/my.gguf\n    name: mine\n", "models: []\n"), @r"
    error: `models` is an empty list
      --> x.yaml:18:9
       |
    18 | models: []
       |         ^^ expected at least one item
       |
       = hint: for example `models: [{name: qwen2.5-0.5b-instruct, quantizations: [Q4_K_M]}]`
    ");
    insta::assert_snapshot!(wrong("  - path: own/my.gguf\n    name: mine", "  - {}"), @r"
    error: a model has neither `name` nor `path`
      --> x.yaml:21:5
       |
    21 |   - {}
       |     ^ in the mapping that begins here
       |
       = hint: `name` for a model of the manifest, `path` for a GGUF file
    ");
}

#[test]
fn model_name() {
    insta::assert_snapshot!(wrong("  - name: qwen2.5-0.5b-instruct", "  - name: 0.5"), @r#"
    error: `models.name` has the wrong type
      --> x.yaml:19:11
       |
    19 |   - name: 0.5
       |           ^^^ expected a string, found the number `0.5`
       |
       = hint: put quotes around it: "0.5"
    "#);
    insta::assert_snapshot!(wrong("    name: mine", "    name: qwen2.5-0.5b-instruct"), @r"
    error: two models are called `qwen2.5-0.5b-instruct`
      --> x.yaml:21:11
       |
    21 |   - path: own/my.gguf
       |           ^^^^^^^^^^^ this file
       |
      ::: x.yaml:19:11
       |
    19 |   - name: qwen2.5-0.5b-instruct
       |           --------------------- and this model
       |
       = hint: give the file another `name`
    ");
}

#[test]
fn model_quantizations() {
    insta::assert_snapshot!(wrong("    quantizations: [Q4_K_M, Q8_0]\n", ""), @r"
    error: missing key `quantizations` in the model
      --> x.yaml:19:5
       |
    19 |   - name: qwen2.5-0.5b-instruct
       |     ^ in the mapping that begins here
       |
       = hint: add for example `quantizations: [Q4_K_M]`
    ");
    insta::assert_snapshot!(wrong("quantizations: [Q4_K_M, Q8_0]", "quantizations: Q4_K_M"), @r"
    error: `models.quantizations` has the wrong type
      --> x.yaml:20:20
       |
    20 |     quantizations: Q4_K_M
       |                    ^^^^^^ expected a list, or a mapping with `from` and `to`, found the string `Q4_K_M`
       |
       = hint: for example `quantizations: [Q4_K_M]`
    ");
    insta::assert_snapshot!(wrong("quantizations: [Q4_K_M, Q8_0]", "quantizations: []"), @r"
    error: `models.quantizations` is an empty list
      --> x.yaml:20:20
       |
    20 |     quantizations: []
       |                    ^^ expected at least one item
       |
       = hint: for example `quantizations: [Q4_K_M]`
    ");
    insta::assert_snapshot!(wrong("quantizations: [Q4_K_M, Q8_0]", "quantizations: [Q4_K_M, q4_k_m]"), @r"
    error: the model `qwen2.5-0.5b-instruct:q4_k_m` is listed twice
      --> x.yaml:20:29
       |
    20 |     quantizations: [Q4_K_M, q4_k_m]
       |                     ------  ^^^^^^ the second
       |                     |
       |                     the first
    ");
    insta::assert_snapshot!(wrong("    name: mine", "    quantizations: [Q4_K_M]"), @r"
    error: `quantizations` cannot stand beside `path`
      --> x.yaml:22:5
       |
    22 |     quantizations: [Q4_K_M]
       |     ^^^^^^^^^^^^^ a GGUF file has the quantization it has
       |
       = hint: list each file as a model of its own, or derive others: `quantizations: {to: [Q2_K]}`
    ");
}

#[test]
fn model_path() {
    insta::assert_snapshot!(wrong("own/my.gguf", "\"\""), @r#"
    error: `models.path` is empty
      --> x.yaml:21:11
       |
    21 |   - path: ""
       |           ^^ expected some text
    "#);
    insta::assert_snapshot!(wrong("own/my.gguf\n    name: mine", ".."), @r"
    error: `models.path` names no file
      --> x.yaml:21:11
       |
    21 |   - path: ..
       |           ^^ expected a GGUF file
    ");
    insta::assert_snapshot!(wrong("    name: mine", "    name: mine\n  - path: own/my.gguf\n    name: other"), @r"
    error: the model `other` is listed twice
      --> x.yaml:23:11
       |
    23 |   - path: own/my.gguf
       |           ^^^^^^^^^^^ the second
       |
      ::: x.yaml:21:11
       |
    21 |   - path: own/my.gguf
       |           ----------- the first
    ");
}

#[test]
fn embedding_model() {
    insta::assert_snapshot!(wrong("embedding_model: all-minilm-l6-v2", "embedding_model: [all-minilm-l6-v2]"), @r"
    error: `embedding_model` has the wrong type
      --> x.yaml:23:18
       |
    23 | embedding_model: [all-minilm-l6-v2]
       |                  ^^^^^^^^^^^^^^^^^^ expected the name of a model, or a mapping with its `path`, found a list
       |
       = hint: for example `embedding_models: [all-minilm-l6-v2, my-encoder.gguf]`
    ");
    insta::assert_snapshot!(wrong("embedding_model: all-minilm-l6-v2", "embedding_model: {name: all-minilm-l6-v2}"), @r"
    error: missing key `path` in `embedding_model`
      --> x.yaml:23:18
       |
    23 | embedding_model: {name: all-minilm-l6-v2}
       |                  ^ in the mapping that begins here
       |
       = hint: add for example `path: my-encoder.gguf`

    error: unknown key `name`
      --> x.yaml:23:19
       |
    23 | embedding_model: {name: all-minilm-l6-v2}
       |                   ^^^^ expected one of: path
    ");
}

/// The one key for an encoder in the file that the tests change.
const ENCODER: &str = "embedding_model: all-minilm-l6-v2";

#[test]
fn embedding_models() {
    insta::assert_snapshot!(wrong(ENCODER, "embedding_models: all-minilm-l6-v2"), @r"
    error: `embedding_models` has the wrong type
      --> x.yaml:23:19
       |
    23 | embedding_models: all-minilm-l6-v2
       |                   ^^^^^^^^^^^^^^^^ expected a list, found the string `all-minilm-l6-v2`
       |
       = hint: for example `embedding_models: [all-minilm-l6-v2, my-encoder.gguf]`
    ");
    insta::assert_snapshot!(wrong(ENCODER, "embedding_models: []"), @r"
    error: `embedding_models` is an empty list
      --> x.yaml:23:19
       |
    23 | embedding_models: []
       |                   ^^ expected at least one item
       |
       = hint: for example `embedding_models: [all-minilm-l6-v2, my-encoder.gguf]`
    ");
    insta::assert_snapshot!(wrong(ENCODER, "embedding_models: [all-minilm-l6-v2, 7]"), @r"
    error: an item of `embedding_models` has the wrong type
      --> x.yaml:23:38
       |
    23 | embedding_models: [all-minilm-l6-v2, 7]
       |                                      ^ expected the name of a model, or a mapping with its `path`, found the number `7`
       |
       = hint: for example `embedding_models: [all-minilm-l6-v2, my-encoder.gguf]`
    ");
}

#[test]
fn items_of_embedding_models() {
    insta::assert_snapshot!(wrong(ENCODER, "embedding_models: [a.gguf, {file: b.gguf}]"), @r"
    error: missing key `path` in `embedding_models`
      --> x.yaml:23:28
       |
    23 | embedding_models: [a.gguf, {file: b.gguf}]
       |                            ^ in the mapping that begins here
       |
       = hint: add for example `path: my-encoder.gguf`

    error: unknown key `file`
      --> x.yaml:23:29
       |
    23 | embedding_models: [a.gguf, {file: b.gguf}]
       |                             ^^^^ expected one of: path
    ");
    insta::assert_snapshot!(wrong(ENCODER, "embedding_models: [a.gguf, all-minilm-l6-v2, ./a.gguf, {path: a.gguf}]"), @r"
    error: the encoder `./a.gguf` is listed twice
      --> x.yaml:23:46
       |
    23 | embedding_models: [a.gguf, all-minilm-l6-v2, ./a.gguf, {path: a.gguf}]
       |                    ------ the first          ^^^^^^^^ the second

    error: the encoder `a.gguf` is listed twice
      --> x.yaml:23:56
       |
    23 | embedding_models: [a.gguf, all-minilm-l6-v2, ./a.gguf, {path: a.gguf}]
       |                    ------ the first                    ^^^^^^^^^^^^^^ the second
    ");
    let both = format!("{ENCODER}\nembedding_models: [a.gguf, b]");
    insta::assert_snapshot!(wrong(ENCODER, &both), @r"
    error: `embedding_models` cannot stand beside `embedding_model`
      --> x.yaml:24:1
       |
    24 | embedding_models: [a.gguf, b]
       | ^^^^^^^^^^^^^^^^ these encoders
       |
      ::: x.yaml:23:1
       |
    23 | embedding_model: all-minilm-l6-v2
       | --------------- and this one
       |
       = hint: name all of them in `embedding_models`, the primary one first
    ");
    insta::assert_snapshot!(wrong(ENCODER, "embeding_models: [a.gguf, b]"), @r"
    error: unknown key `embeding_models`
      --> x.yaml:23:1
       |
    23 | embeding_models: [a.gguf, b]
       | ^^^^^^^^^^^^^^^ expected one of: name, question, prompt, prompts, sampling, models, embedding_model, embedding_models, gpu_layers, date, margin, generalise, concepts, concept_families, fillers, templates, pairs, extends
       |
       = hint: did you mean `embedding_models`?
    ");
}

#[test]
fn embedding_path() {
    insta::assert_snapshot!(wrong("embedding_model: all-minilm-l6-v2", "embedding_model: {path: 7}"), @r#"
    error: `embedding_model.path` has the wrong type
      --> x.yaml:23:25
       |
    23 | embedding_model: {path: 7}
       |                         ^ expected a string, found the number `7`
       |
       = hint: put quotes around it: "7"
    "#);
}

#[test]
fn gpu_layers() {
    let with = |value: &str| format!("embedding_model: all-minilm-l6-v2\ngpu_layers: {value}");
    insta::assert_snapshot!(wrong("embedding_model: all-minilm-l6-v2", &with("all")), @r"
    error: `gpu_layers` has the wrong type
      --> x.yaml:24:13
       |
    24 | gpu_layers: all
       |             ^^^ expected a whole number, found the string `all`
    ");
    insta::assert_snapshot!(wrong("embedding_model: all-minilm-l6-v2", &with("-1")), @r"
    error: `gpu_layers` is out of range
      --> x.yaml:24:13
       |
    24 | gpu_layers: -1
       |             ^^ expected a whole number from 0 to 10000, found -1
    ");
}
