//! Files that extend another one.

use super::{Files, GOOD};
use crate::digest::Digest;
use crate::experiment::declared_margin;

/// A file that takes all but its name and concepts from `base.yaml`.
const SMALL: &str = "name: larger\nconcepts: [red, scarlet, blue]\nextends: base.yaml\n";

fn shown(files: &[(&str, &str)]) -> String {
    let files = Files::new(files);
    files.load("x.yaml").unwrap_err()
}

#[test]
fn what_is_not_given_is_taken_from_the_extended_file() {
    let files = Files::new(&[("x.yaml", SMALL), ("base.yaml", GOOD)]);
    let experiment = files.load("x.yaml").unwrap();
    assert_eq!(experiment.name(), "larger");
    assert_eq!(experiment.concepts(), ["red", "scarlet", "blue"]);
    assert_eq!(experiment.pairs().len(), 3 + 1 + 1);
    assert_eq!(experiment.yaml(), SMALL);
    let extended = experiment.extended().unwrap();
    assert_eq!(
        (extended.text(), extended.path()),
        (GOOD, files.path("base.yaml").as_path())
    );
    let lines = format!(
        "{}\n{}\n",
        Digest::of(SMALL.as_bytes()),
        Digest::of(GOOD.as_bytes())
    );
    assert_eq!(experiment.sha256(), Digest::of(lines.as_bytes()));
}

/// Either key for encoders takes the place of the other one in the extended file.
#[test]
fn encoders_take_the_place_of_those_of_the_extended_file() {
    let one = "embedding_model: all-minilm-l6-v2\n";
    let several = "embedding_models: [a.gguf, b.gguf, c.gguf]\n";
    let several_below = GOOD.replace(one, several);
    for (own, base, n) in [
        ("", several_below.as_str(), 3),
        (one, &several_below, 1),
        (several, GOOD, 3),
    ] {
        let own = format!("{SMALL}{own}");
        let files = Files::new(&[("x.yaml", &own), ("base.yaml", base)]);
        let experiment = files.load("x.yaml").unwrap();
        assert_eq!(experiment.embedding_models().len(), n, "{own}");
    }
}

#[test]
fn problems_name_the_file_they_are_in() {
    let base = GOOD
        .replace("top_k: 0", "top_k: many")
        .replace("id: wears", "idd: wears")
        .replace("question", "qestion");
    let text = SMALL.replace("concepts: [red, scarlet, blue]", "concepts: [blue, blue]");
    let shown = shown(&[("x.yaml", &text), ("base.yaml", &base)]);
    insta::assert_snapshot!(shown, @r"
    error: the concept `blue` is listed twice
     --> x.yaml:2:18
      |
    2 | concepts: [blue, blue]
      |            ----  ^^^^ the second
      |            |
      |            the first

    error: unknown key `qestion`
     --> base.yaml:2:1
      |
    2 | qestion: >
      | ^^^^^^^ expected one of: name, question, prompt, prompts, sampling, models, embedding_model, embedding_models, gpu_layers, date, margin, generalise, concepts, concept_families, fillers, templates, pairs, extends
      |
      = hint: did you mean `question`?

    error: `sampling.top_k` has the wrong type
      --> base.yaml:10:10
       |
    10 |   top_k: many
       |          ^^^^ expected a whole number, found the string `many`

    error: unknown key `idd`
      --> base.yaml:30:5
       |
    30 |   - idd: wears-sings
       |     ^^^ expected one of: id, category, test, control, concepts, fillers
       |
       = hint: did you mean `id`?

    error: `red` is not among the concepts of the experiment
      --> base.yaml:34:16
       |
    34 |     concepts: [red]
       |                ^^^ expected a part of the top-level `concepts`

    5 problems in x.yaml and base.yaml; nothing was run
    ");
}

#[test]
fn a_key_missing_from_both_files_is_missing() {
    let base = GOOD.replace("embedding_model: all-minilm-l6-v2\n", "");
    let shown = shown(&[("x.yaml", SMALL), ("base.yaml", &base)]);
    insta::assert_snapshot!(shown, @r"
    error: missing key `embedding_model` at the top level
     --> x.yaml:1:1
      |
    1 | name: larger
      | ^ in the mapping that begins here
      |
      = hint: add for example `embedding_model: all-minilm-l6-v2`

    1 problem in x.yaml; nothing was run
    ");
}

#[test]
fn an_overridden_section_of_the_extended_file_does_not_matter() {
    let base = GOOD.replace("concepts: [red, blue]", "concepts: 7");
    let files = Files::new(&[("x.yaml", SMALL), ("base.yaml", &base)]);
    assert!(files.load("x.yaml").is_ok());
}

#[test]
fn a_missing_file_is_the_only_problem() {
    let shown = shown(&[("x.yaml", SMALL), ("bsae.yaml", GOOD)]);
    insta::assert_snapshot!(shown, @r"
    error: cannot read `base.yaml`: no such file or directory
     --> x.yaml:3:10
      |
    3 | extends: base.yaml
      |          ^^^^^^^^^
      |
      = hint: did you mean `bsae.yaml`?

    1 problem in x.yaml; nothing was run
    ");
}

#[test]
fn a_misspelt_extends_is_the_only_problem() {
    let text = SMALL.replace("extends", "extend");
    let shown = shown(&[("x.yaml", &text), ("base.yaml", GOOD)]);
    insta::assert_snapshot!(shown, @r"
    error: unknown key `extend`
     --> x.yaml:3:1
      |
    3 | extend: base.yaml
      | ^^^^^^ expected one of: name, question, prompt, prompts, sampling, models, embedding_model, embedding_models, gpu_layers, date, margin, generalise, concepts, concept_families, fillers, templates, pairs, extends
      |
      = hint: did you mean `extends`?

    1 problem in x.yaml; nothing was run
    ");
}

#[test]
fn a_value_that_names_no_file_is_refused() {
    let shown = shown(&[
        ("x.yaml", &SMALL.replace("base.yaml", "[base.yaml, 7]")),
        ("base.yaml", GOOD),
    ]);
    insta::assert_snapshot!(shown, @r#"
    error: `extends` has the wrong type
     --> x.yaml:3:22
      |
    3 | extends: [base.yaml, 7]
      |                      ^ expected a string, found the number `7`
      |
      = hint: put quotes around it: "7"

    1 problem in x.yaml; nothing was run
    "#);
}

/// Two files that differ in their prompts, their name and nothing else.
fn domains() -> [(&'static str, String); 2] {
    let good = format!("margin: 3\n{GOOD}");
    let other = good.replace("name: small", "name: other");
    let other = other.replace("[red, blue]", "[red, sad]");
    [
        ("a.yaml", GOOD.to_owned()),
        (
            "b.yaml",
            other
                .replace("id: ", "id: b-")
                .replace("house", "room")
                .replace("He ", "She ")
                .replace("In a", "In the"),
        ),
    ]
}

#[test]
fn the_prompts_of_several_extended_files_are_joined() {
    let [a, b] = domains();
    let text = "name: both\nextends: [a.yaml, b.yaml]\n";
    let files = Files::new(&[("x.yaml", text), (a.0, &a.1), (b.0, &b.1)]);
    let experiment = files.load("x.yaml").unwrap();
    assert_eq!(experiment.concepts(), ["red", "blue", "sad"]);
    let texts = experiment.extended().unwrap().text();
    assert_eq!(declared_margin(text, Some(texts)), Some(3.0));
    assert_eq!(texts, format!("# a.yaml\n{}\n# b.yaml\n{}\n", a.1, b.1));
}

#[test]
fn several_extended_files_that_differ_in_more_than_prompts_are_refused() {
    let [a, b] = domains();
    let b = b.1.replace("top_k: 0", "top_k: 5");
    let text = "name: both\nextends: [a.yaml, b.yaml]\n";
    let shown = shown(&[("x.yaml", text), (a.0, &a.1), ("b.yaml", &b)]);
    insta::assert_snapshot!(shown, @r"
    error: `sampling` differs between the extended files
     --> b.yaml:9:1
      |
    9 | sampling:
      | ^^^^^^^^
      |
     ::: a.yaml:8:1
      |
    8 | sampling:
      | -------- the other one
      |
      = hint: files that are extended together differ in their prompts only

    1 problem in b.yaml; nothing was run
    ");
}

#[test]
fn chains_and_circles_are_refused() {
    let itself = shown(&[("x.yaml", &SMALL.replace("base.yaml", "./x.yaml"))]);
    insta::assert_snapshot!(itself, @r"
    error: the file extends itself
     --> x.yaml:3:10
      |
    3 | extends: ./x.yaml
      |          ^^^^^^^^
      |
      = hint: leave `extends` out, or name another file

    1 problem in x.yaml; nothing was run
    ");
    let chain = format!("extends: third.yaml\n{GOOD}");
    let chain = shown(&[("x.yaml", SMALL), ("base.yaml", &chain)]);
    insta::assert_snapshot!(chain, @r"
    error: an extended file cannot itself extend another one
     --> x.yaml:3:10
      |
    3 | extends: base.yaml
      |          ^^^^^^^^^
      |
     ::: base.yaml:1:1
      |
    1 | extends: third.yaml
      | ------- it extends here
      |
      = hint: extend the last file of the chain instead

    1 problem in x.yaml; nothing was run
    ");
    let circle = format!("extends: x.yaml\n{GOOD}");
    let circle = shown(&[("x.yaml", SMALL), ("base.yaml", &circle)]);
    insta::assert_snapshot!(circle, @r"
    error: the two files extend each other
     --> x.yaml:3:10
      |
    3 | extends: base.yaml
      |          ^^^^^^^^^
      |
     ::: base.yaml:1:1
      |
    1 | extends: x.yaml
      | ------- it extends here
      |
      = hint: remove `extends` from one of them

    1 problem in x.yaml; nothing was run
    ");
}

#[test]
fn syntax_errors_of_the_extended_file_are_shown_there() {
    let shown = shown(&[("x.yaml", SMALL), ("base.yaml", "a: b: c\n")]);
    insta::assert_snapshot!(shown, @r"
    error: not valid YAML: mapping values are not allowed in this context
     --> base.yaml:1:5
      |
    1 | a: b: c
      |     ^
      |
      = hint: put quotes around a text that holds `: `, or check the indentation of this line

    1 problem in base.yaml; nothing was run
    ");
}
