//! A whole file at once: many problems together, and files that are no experiment.

use std::fs;

use super::{Files, GOOD, load, wrong};
use crate::experiment::generalises_concepts;

/// The good file with ten mistakes.
fn many_mistakes() -> String {
    GOOD.replace("name: small", "name: Small")
        .replace("  temperature: 0.5", "  temprature: 0.5")
        .replace("top_p: 1.0", "top_p: 1.5")
        .replace("stop: sentence_end", "stop: sentence")
        .replace("  seed: 1\n", "")
        .replace("[red, blue]", "[red, blue, RED]")
        .replace("    control: \"He works as a\"\n", "")
        .replace("id: wears-sings", "id: likes-works")
        .replace("{concept} hat", "{colour} hat")
}

#[test]
fn all_problems_of_a_file_are_shown_at_once() {
    insta::assert_snapshot!(load(&many_mistakes()).unwrap_err(), @r#"
    error: `name` is no plain name
     --> x.yaml:1:7
      |
    1 | name: Small
      |       ^^^^^ expected only lowercase letters a to z, digits and hyphens
      |
      = hint: for example `small`

    error: unknown key `temprature`
     --> x.yaml:9:3
      |
    9 |   temprature: 0.5
      |   ^^^^^^^^^^ expected one of: preset, temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop, draws, repeats, control_repeats, seed, mode, coverage, max_rows_per_prompt
      |
      = hint: did you mean `temperature`?

    error: missing key `seed` in `sampling`
     --> x.yaml:9:3
      |
    9 |   temprature: 0.5
      |   ^ in the mapping that begins here
      |
      = hint: add for example `seed: 1`

    error: `sampling.top_p` is out of range
      --> x.yaml:11:10
       |
    11 |   top_p: 1.5
       |          ^^^ expected a number above 0, at most 1, found 1.5

    error: unknown stop rule `sentence`
      --> x.yaml:15:9
       |
    15 |   stop: sentence
       |         ^^^^^^^^ expected `sentence_end`, `none` or a list of strings
       |
       = hint: did you mean `sentence_end`?

    error: the concept `RED` is listed twice
      --> x.yaml:23:23
       |
    23 | concepts: [red, blue, RED]
       |            ---        ^^^ the second
       |            |
       |            the first

    error: a test prompt without a control prompt
      --> x.yaml:27:5
       |
    27 |     test: "He likes {concept}. He works as a"
       |     ^^^^ needs a `control` beside it
       |
       = hint: the control says the same without the concept

    error: two templates have the id `likes-works`
      --> x.yaml:28:9
       |
    28 |   - id: likes-works
       |         ^^^^^^^^^^^ the second
       |
      ::: x.yaml:25:9
       |
    25 |   - id: likes-works
       |         ----------- the first

    error: unknown slot `{colour}`
      --> x.yaml:30:17
       |
    30 |     test: "In a {colour} hat she sings of"
       |                 ^^^^^^^^ expected `{concept}`, the only slot of a template

    9 problems in x.yaml; nothing was run
    "#);
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let files = Files::new(&[("colors.yaml", GOOD)]);
    insta::assert_snapshot!(files.load("colours.yaml").unwrap_err(), @r"
    error: cannot read the experiment: no such file or directory
    --> colours.yaml
     = hint: did you mean `colors.yaml`?

    1 problem in colours.yaml; nothing was run
    ");
    insta::assert_snapshot!(files.load("nowhere/experiment.yaml").unwrap_err(), @r"
    error: cannot read the experiment: no such file or directory
    --> nowhere/experiment.yaml

    1 problem in nowhere/experiment.yaml; nothing was run
    ");
}

#[test]
fn files_that_are_no_text_are_refused() {
    let files = Files::new(&[]);
    let bytes = [b"name: small\nquestion: caf".as_slice(), b"\xe9?\n"].concat();
    fs::write(files.path("latin1.yaml"), bytes).unwrap();
    insta::assert_snapshot!(files.load("latin1.yaml").unwrap_err(), @r"
    error: the file is not UTF-8 text
     --> latin1.yaml:2:14
      |
    2 | question: caf�?
      |              ^ the first byte that is not
      |
      = hint: an experiment is a YAML file; save it as UTF-8

    1 problem in latin1.yaml; nothing was run
    ");
    fs::write(files.path("model.gguf"), vec![b'x'; (16 << 20) + 1]).unwrap();
    insta::assert_snapshot!(files.load("model.gguf").unwrap_err(), @r"
    error: cannot read the experiment: it is larger than 16 MiB, so it is no experiment
    --> model.gguf

    1 problem in model.gguf; nothing was run
    ");
    fs::create_dir(files.path("directory")).unwrap();
    insta::assert_snapshot!(files.load("directory").unwrap_err(), @r"
    error: cannot read the experiment: is a directory
    --> directory

    1 problem in directory; nothing was run
    ");
}

#[test]
fn files_of_another_shape_are_refused() {
    insta::assert_snapshot!(load("- name: small\n").unwrap_err(), @r"
    error: the file has the wrong type
     --> x.yaml:1:1
      |
    1 | - name: small
      | ^^^^^^^^^^^^^ expected a mapping, found a list
      |
      = hint: for example `name: colors`

    1 problem in x.yaml; nothing was run
    ");
    insta::assert_snapshot!(load("").unwrap_err(), @r"
    error: the file is empty
    --> x.yaml
     = hint: experiments/README.md describes the format

    1 problem in x.yaml; nothing was run
    ");
    insta::assert_snapshot!(load("\"\\u001b[31m\": 1\n").unwrap_err(), @r#"
    error: unknown key `�[31m`
     --> x.yaml:1:1
      |
    1 | "\u001b[31m": 1
      | ^^^^^^^^^^^^ expected one of: name, question, prompt, prompts, sampling, models, embedding_model, embedding_models, gpu_layers, date, margin, generalise, concepts, concept_families, fillers, templates, pairs, extends

    error: missing keys `name`, `question`, `prompt`, `sampling`, `models`, `embedding_model` at the top level
     --> x.yaml:1:1
      |
    1 | "\u001b[31m": 1
      | ^ in the mapping that begins here
      |
      = hint: add for example `name: colors`

    error: an experiment needs `templates` or `pairs`
     --> x.yaml:1:1
      |
    1 | "\u001b[31m": 1
      | ^ in the mapping that begins here
      |
      = hint: templates put each concept into a slot; pairs are written out, or taken from a file

    3 problems in x.yaml; nothing was run
    "#);
}

#[test]
fn more_pairs_than_fit_are_refused() {
    let concepts: Vec<_> = (0..100_000).map(|number| format!("c{number}")).collect();
    let yaml = GOOD.replace("[red, blue]", &format!("[red, {}]", concepts.join(", ")));
    insta::assert_snapshot!(load(&yaml).unwrap_err(), @r#"
    error: 100003 prompt pairs are too many
      --> x.yaml:28:11
       |
    28 |     test: "He likes {concept}. He works as a"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ expected at most 100000

    1 problem in x.yaml; nothing was run
    "#);
}

#[test]
fn dates() {
    let encoder = "embedding_model: all-minilm-l6-v2";
    let with = |date: &str| format!("{encoder}\ndate: {date}");
    let date = load(&GOOD.replace(encoder, &with("2024-02-29")))
        .unwrap()
        .date();
    assert_eq!(date, Some(jiff::civil::date(2024, 2, 29)));
    assert_eq!(load(GOOD).unwrap().date(), None);
    insta::assert_snapshot!(wrong(encoder, &with("2026-02-29")), @r"
    error: `date` is no date
      --> x.yaml:24:7
       |
    24 | date: 2026-02-29
       |       ^^^^^^^^^^ expected year, month and day of the calendar
       |
       = hint: for example `date: 2026-11-28`
    ");
    insta::assert_snapshot!(wrong(encoder, &with("20261128")), @r"
    error: `date` has the wrong type
      --> x.yaml:24:7
       |
    24 | date: 20261128
       |       ^^^^^^^^ expected a date, found the number `20261128`
       |
       = hint: for example `date: 2026-11-28`
    ");
    for date in [
        "today",
        "2026-1-5",
        "28.11.2026",
        "\"20261128\"",
        "2026-11-28T00:00",
        "\" 2026-11-28\"",
    ] {
        let shown = wrong(encoder, &with(date));
        assert!(shown.starts_with("error: `date` is no date\n"), "{shown}");
    }
}

#[test]
fn concepts_may_be_generalised_over() {
    let encoder = "embedding_model: all-minilm-l6-v2";
    let with = |word: &str| GOOD.replace(encoder, &format!("{encoder}\ngeneralise: {word}"));
    let (yes, no) = (with("concepts"), GOOD);
    assert!(load(&yes).unwrap().generalises_concepts());
    assert!(!load(no).unwrap().generalises_concepts());
    // As it is read again from the database.
    let extending = "extends: x.yaml\nname: other\n";
    for (text, extended, expected) in [
        (yes.as_str(), None, true),
        (no, None, false),
        (extending, Some(yes.as_str()), true),
        (extending, Some(no), false),
    ] {
        assert_eq!(generalises_concepts(text, extended), expected);
    }
    let wrong = |word: &str| wrong(encoder, &format!("{encoder}\ngeneralise: {word}"));
    insta::assert_snapshot!(wrong("templates"), @r"
    error: `generalise` is `templates`
      --> x.yaml:24:13
       |
    24 | generalise: templates
       |             ^^^^^^^^^ expected `concepts`
       |
       = hint: leave `generalise` out where intervals are for these very concepts
    ");
    insta::assert_snapshot!(wrong("[concepts]"), @r"
    error: `generalise` has the wrong type
      --> x.yaml:24:13
       |
    24 | generalise: [concepts]
       |             ^^^^^^^^^^ expected the word `concepts`, found a list
       |
       = hint: for example `generalise: concepts`
    ");
}
