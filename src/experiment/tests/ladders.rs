//! Derived quantizations: what a ladder gives, and what is wrong with one.

use super::*;

const PLAIN: &str = "    quantizations: [Q4_K_M, Q8_0]\n";

/// The good file with this text in the place of the quantizations of its first model.
fn with(ladder: &str) -> String {
    GOOD.replace(PLAIN, ladder)
}

fn derivations(experiment: &Experiment) -> Vec<(String, Option<DerivationSpec>)> {
    let models = experiment.models().iter();
    models
        .map(|model| (model.label(), model.derivation.clone()))
        .collect()
}

#[test]
fn every_rung_is_a_model() {
    let ladder = "    quantizations: {from: q4_k_m, to: [q3_k_m, Q2_K]}\n    allow_requantize: true\n    imatrix: own/m.imatrix\n";
    let files = Files::new(&[("x.yaml", &with(ladder))]);
    let experiment = files.load("x.yaml").unwrap();
    let [third, second, mine] = &derivations(&experiment)[..] else {
        panic!("{:?}", derivations(&experiment));
    };
    let name = "qwen2.5-0.5b-instruct";
    assert_eq!(third.0, format!("{name}:q3_k_m-from-q4_k_m-imatrix"));
    assert_eq!(second.0, format!("{name}:Q2_K-from-q4_k_m-imatrix"));
    let spec = second.1.as_ref().unwrap();
    assert_eq!((spec.to.as_str(), spec.allow_requantize), ("Q2_K", true));
    assert_eq!(spec.imatrix, Some(files.path("own/m.imatrix")));
    assert_eq!(mine, &("mine".to_owned(), None));
    let source = ModelSource::Manifest {
        name: name.to_owned(),
        quantization: "q4_k_m".to_owned(),
    };
    assert_eq!(experiment.models()[0].source, source);
}

#[test]
fn file_is_its_own_parent() {
    let yaml = GOOD.replace(
        "  - path: own/my.gguf\n    name: mine\n",
        "  - {path: own/my.gguf, name: mine}\n  - path: own/my.gguf\n    name: mine\n    quantizations: {to: [Q8_0]}\n",
    );
    let experiment = load(&yaml).unwrap();
    let labels: Vec<String> = experiment.models().iter().map(ModelSpec::label).collect();
    assert_eq!(labels[2..], ["mine", "mine:Q8_0"]);
    assert_eq!(experiment.models()[2].source, experiment.models()[3].source);
}

#[test]
fn rungs_are_chosen_by_their_label() {
    let ladder = "    quantizations: {from: F16, to: [Q4_K_M, Q2_K]}\n";
    let chosen = |word: &str| {
        let overrides = Overrides {
            models: Some(vec![word.to_owned()]),
            ..Overrides::default()
        };
        let experiment = load(&with(ladder)).unwrap().with_overrides(&overrides);
        experiment.unwrap().models().len()
    };
    assert_eq!(chosen("qwen2.5-0.5b-instruct"), 2);
    assert_eq!(chosen("qwen2.5-0.5b-instruct:q2_k-from-f16"), 1);
}

#[test]
fn quantized_parent() {
    insta::assert_snapshot!(wrong(PLAIN, "    quantizations: {from: Q4_K_M, to: [Q2_K]}\n"), @r"
    error: `Q4_K_M` is quantized already
      --> x.yaml:20:27
       |
    20 |     quantizations: {from: Q4_K_M, to: [Q2_K]}
       |                           ^^^^^^ what is derived from it is quantized twice
       |
       = hint: derive from F16, or write `allow_requantize: true` beside `quantizations`; its figures are marked then
    ");
    for parent in ["F16", "fp16", "bf16", "F32"] {
        let ladder = format!("    quantizations: {{from: {parent}, to: [Q2_K]}}\n");
        assert!(load(&with(&ladder)).is_ok(), "{parent}");
    }
}

#[test]
fn from_and_to() {
    insta::assert_snapshot!(wrong(PLAIN, "    quantizations: {to: [Q2_K]}\n"), @r"
    error: missing key `from` in `models.quantizations`
      --> x.yaml:20:20
       |
    20 |     quantizations: {to: [Q2_K]}
       |                    ^ in the mapping that begins here
       |
       = hint: add for example `from: F16`
    ");
    insta::assert_snapshot!(wrong(PLAIN, "    quantizations: {from: F16}\n"), @r"
    error: missing key `to` in `models.quantizations`
      --> x.yaml:20:20
       |
    20 |     quantizations: {from: F16}
       |                    ^ in the mapping that begins here
       |
       = hint: add for example `to: [Q4_K_M, Q2_K]`
    ");
    insta::assert_snapshot!(wrong(PLAIN, "    quantizations: {from: F16, to: Q2_K}\n"), @r"
    error: `models.quantizations.to` has the wrong type
      --> x.yaml:20:36
       |
    20 |     quantizations: {from: F16, to: Q2_K}
       |                                    ^^^^ expected a list, found the string `Q2_K`
       |
       = hint: for example `to: [Q4_K_M, Q2_K]`
    ");
    insta::assert_snapshot!(wrong(PLAIN, "    quantizations: {from: 16, to: [Q2_K]}\n"), @r#"
    error: `models.quantizations.from` has the wrong type
      --> x.yaml:20:27
       |
    20 |     quantizations: {from: 16, to: [Q2_K]}
       |                           ^^ expected a string, found the number `16`
       |
       = hint: put quotes around it: "16"
    "#);
    insta::assert_snapshot!(wrong(PLAIN, "    quantizations: {from: F16, to: [Q2_K, f16]}\n"), @r"
    error: `f16` is to be derived from itself
      --> x.yaml:20:43
       |
    20 |     quantizations: {from: F16, to: [Q2_K, f16]}
       |                           --- the parent  ^^^ expected another quantization
       |
       = hint: the parent itself is `quantizations: [F16]` of another item
    ");
    insta::assert_snapshot!(wrong(PLAIN, "    quantizations: {from: F16, to: [Q2_K, q2_k]}\n"), @r"
    error: the model `qwen2.5-0.5b-instruct:q2_k-from-F16` is listed twice
      --> x.yaml:20:43
       |
    20 |     quantizations: {from: F16, to: [Q2_K, q2_k]}
       |                                     ----  ^^^^ the second
       |                                     |
       |                                     the first
    ");
    insta::assert_snapshot!(wrong("    name: mine\n", "    quantizations: {from: F16, to: [Q2_K]}\n"), @r"
    error: `from` cannot stand beside `path`
      --> x.yaml:22:21
       |
    22 |     quantizations: {from: F16, to: [Q2_K]}
       |                     ^^^^ the GGUF file is what others are derived from
    ");
}

#[test]
fn allow_requantize_and_imatrix() {
    insta::assert_snapshot!(wrong(PLAIN, "    quantizations: {from: Q4_K_M, to: [Q2_K]}\n    allow_requantize: yes\n"), @r"
    error: `models.allow_requantize` has the wrong type
      --> x.yaml:21:23
       |
    21 |     allow_requantize: yes
       |                       ^^^ expected true or false, found the string `yes`
    ");
    insta::assert_snapshot!(wrong(PLAIN, "    quantizations: [Q2_K]\n    allow_requantize: true\n"), @r"
    error: `allow_requantize` says how to derive a file, and none is derived
      --> x.yaml:21:5
       |
    21 |     allow_requantize: true
       |     ^^^^^^^^^^^^^^^^ needs a mapping of `quantizations` beside it
       |
       = hint: for example `quantizations: {from: F16, to: [Q4_K_M, Q2_K]}`
    ");
    insta::assert_snapshot!(wrong("    name: mine\n", "    name: mine\n    imatrix: m.imatrix\n"), @r"
    error: `imatrix` says how to derive a file, and none is derived
      --> x.yaml:23:5
       |
    23 |     imatrix: m.imatrix
       |     ^^^^^^^ needs a mapping of `quantizations` beside it
       |
       = hint: for example `quantizations: {from: F16, to: [Q4_K_M, Q2_K]}`
    ");
    insta::assert_snapshot!(wrong(PLAIN, "    quantizations: {from: F16, to: [Q2_K]}\n    imatrix: 7\n"), @r#"
    error: `models.imatrix` has the wrong type
      --> x.yaml:21:14
       |
    21 |     imatrix: 7
       |              ^ expected a string, found the number `7`
       |
       = hint: put quotes around it: "7"
    "#);
}
