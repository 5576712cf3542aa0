//! The message for a wrong value of each field: name, question, prompt, prompts, sampling, and the file as a whole.

use super::{GOOD, wrong};
use crate::experiment::declared_margin;

#[test]
fn name() {
    insta::assert_snapshot!(wrong("name: small", "name: Small Test"), @r"
    error: `name` is no plain name
     --> x.yaml:1:7
      |
    1 | name: Small Test
      |       ^^^^^^^^^^ expected only lowercase letters a to z, digits and hyphens
      |
      = hint: for example `small-test`
    ");
    insta::assert_snapshot!(wrong("name: small\n", ""), @r"
    error: missing key `name` at the top level
     --> x.yaml:1:1
      |
    1 | question: >
      | ^ in the mapping that begins here
      |
      = hint: add for example `name: colors`
    ");
    insta::assert_snapshot!(wrong("name: small", "name: 7"), @r#"
    error: `name` has the wrong type
     --> x.yaml:1:7
      |
    1 | name: 7
      |       ^ expected a string, found the number `7`
      |
      = hint: put quotes around it: "7"
    "#);
}

#[test]
fn question() {
    insta::assert_snapshot!(wrong("question: >\n  Does a colour\n  leak?\n", "question: \"\"\n"), @r#"
    error: `question` is empty
     --> x.yaml:2:11
      |
    2 | question: ""
      |           ^^ expected some text
    "#);
    insta::assert_snapshot!(wrong("question: >\n  Does a colour\n  leak?\n", "question: [why]\n"), @r"
    error: `question` has the wrong type
     --> x.yaml:2:11
      |
    2 | question: [why]
      |           ^^^^^ expected a string, found a list
    ");
}

#[test]
fn prompt() {
    insta::assert_snapshot!(wrong("prompt:\n  system: \"Be brief.\"\n  user: \"{prompt}\"", "prompt: \"{prompt}\""), @r#"
    error: `prompt` has the wrong type
     --> x.yaml:5:9
      |
    5 | prompt: "{prompt}"
      |         ^^^^^^^^^^ expected a mapping, found the string `{prompt}`
      |
      = hint: for example `user: "{prompt}"`
    "#);
    insta::assert_snapshot!(wrong("  system: \"Be brief.\"\n", ""), @r#"
    error: missing key `system` in `prompt`
     --> x.yaml:6:3
      |
    6 |   user: "{prompt}"
      |   ^ in the mapping that begins here
      |
      = hint: add for example `system: null`
    "#);
    insta::assert_snapshot!(wrong("system: \"Be brief.\"", "system: \"\""), @r#"
    error: `prompt.system` is empty
     --> x.yaml:6:11
      |
    6 |   system: ""
      |           ^^ expected some text or null
      |
      = hint: `system: null` sends no system message
    "#);
    insta::assert_snapshot!(wrong("system: \"Be brief.\"", "system: >\n    Be brief."), @r"
    error: `prompt.system` ends with white space
     --> x.yaml:7:5
      |
    7 |     Be brief.
      |     ^^^^^^^^^ it is invisible and changes the tokens
      |
      = hint: write `>-` or `|-` instead of `>` or `|`: it leaves the last line break out
    ");
}

#[test]
fn prompt_user() {
    insta::assert_snapshot!(wrong("user: \"{prompt}\"", "user: {prompt}"), @r#"
    error: `prompt.user` has the wrong type
     --> x.yaml:7:9
      |
    7 |   user: {prompt}
      |         ^^^^^^^^ expected a string, found a mapping
      |
      = hint: a text that begins with a brace needs quotes: "{prompt}"
    "#);
    insta::assert_snapshot!(wrong("user: \"{prompt}\"", "user: \"{promt}\""), @r#"
    error: unknown slot `{promt}` in `prompt.user`
     --> x.yaml:7:10
      |
    7 |   user: "{promt}"
      |          ^^^^^^^
      |
      = hint: did you mean `{prompt}`?
    "#);
    insta::assert_snapshot!(wrong("user: \"{prompt}\"", "user: \"Go on:\""), @r#"
    error: `prompt.user` has no `{prompt}`
     --> x.yaml:7:9
      |
    7 |   user: "Go on:"
      |         ^^^^^^^^ expected `{prompt}` once, where a prompt is put in
    "#);
    insta::assert_snapshot!(wrong("user: \"{prompt}\"", "user: \"{prompt} and {prompt}\""), @r#"
    error: `prompt.user` has `{prompt}` 2 times
     --> x.yaml:7:9
      |
    7 |   user: "{prompt} and {prompt}"
      |         ^^^^^^^^^^^^^^^^^^^^^^^ expected it once
    "#);
    insta::assert_snapshot!(wrong("user: \"{prompt}\"", "user: \"{concept}\""), @r#"
    error: `prompt.user` has no `{prompt}`
     --> x.yaml:7:9
      |
    7 |   user: "{concept}"
      |         ^^^^^^^^^^^ expected `{prompt}` once, where a prompt is put in
      |
      = hint: `{concept}` belongs into templates
    "#);
}

#[test]
fn temperature() {
    insta::assert_snapshot!(wrong("temperature: 0.5", "temperature: warm"), @r"
    error: `sampling.temperature` has the wrong type
     --> x.yaml:9:16
      |
    9 |   temperature: warm
      |                ^^^^ expected a number, found the string `warm`
    ");
    insta::assert_snapshot!(wrong("temperature: 0.5", "temperature: -1"), @r"
    error: `sampling.temperature` is out of range
     --> x.yaml:9:16
      |
    9 |   temperature: -1
      |                ^^ expected a number of 0 or more, found -1
    ");
    insta::assert_snapshot!(wrong("temperature: 0.5", "temperature: \"0.5\""), @r#"
    error: `sampling.temperature` has the wrong type
     --> x.yaml:9:16
      |
    9 |   temperature: "0.5"
      |                ^^^^^ expected a number, found the string `0.5`
      |
      = hint: remove the quotes: 0.5
    "#);
    insta::assert_snapshot!(wrong("temperature: 0.5", "temperature: .nan"), @r"
    error: `sampling.temperature` is out of range
     --> x.yaml:9:16
      |
    9 |   temperature: .nan
      |                ^^^^ expected a number of 0 or more, found .nan
    ");
    insta::assert_snapshot!(wrong("temperature: 0.5", "temprature: 0.5"), @r"
    error: unknown key `temprature`
     --> x.yaml:9:3
      |
    9 |   temprature: 0.5
      |   ^^^^^^^^^^ expected one of: preset, temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop, draws, repeats, control_repeats, seed, mode, coverage, max_rows_per_prompt
      |
      = hint: did you mean `temperature`?
    ");
}

#[test]
fn top_k() {
    insta::assert_snapshot!(wrong("top_k: 0", "top_k: -1"), @r"
    error: `sampling.top_k` is out of range
      --> x.yaml:10:10
       |
    10 |   top_k: -1
       |          ^^ expected a whole number from 0 to 4294967295, found -1
    ");
    insta::assert_snapshot!(wrong("top_k: 0", "top_k: 0.5"), @r"
    error: `sampling.top_k` has the wrong type
      --> x.yaml:10:10
       |
    10 |   top_k: 0.5
       |          ^^^ expected a whole number, found the number `0.5`
    ");
    insta::assert_snapshot!(wrong("top_k: 0", "top_k:"), @r"
    error: `sampling.top_k` has the wrong type
      --> x.yaml:10:8
       |
    10 |   top_k:
       |        ^ expected a whole number, found nothing
    ");
}

#[test]
fn top_p() {
    insta::assert_snapshot!(wrong("top_p: 1.0", "top_p: 0"), @r"
    error: `sampling.top_p` is out of range
      --> x.yaml:11:10
       |
    11 |   top_p: 0
       |          ^ expected a number above 0, at most 1, found 0
    ");
    insta::assert_snapshot!(wrong("top_p: 1.0", "top_p: 1.01"), @r"
    error: `sampling.top_p` is out of range
      --> x.yaml:11:10
       |
    11 |   top_p: 1.01
       |          ^^^^ expected a number above 0, at most 1, found 1.01
    ");
}

#[test]
fn min_p() {
    insta::assert_snapshot!(wrong("min_p: 0.0", "min_p: 1"), @r"
    error: `sampling.min_p` is out of range
      --> x.yaml:12:10
       |
    12 |   min_p: 1
       |          ^ expected a number of 0 or more, below 1, found 1
    ");
}

#[test]
fn repetition_penalty() {
    insta::assert_snapshot!(wrong("repetition_penalty: 1.0", "repetition_penalty: 0"), @r"
    error: `sampling.repetition_penalty` is out of range
      --> x.yaml:13:23
       |
    13 |   repetition_penalty: 0
       |                       ^ expected a number above 0, found 0
    ");
}

#[test]
fn max_tokens() {
    insta::assert_snapshot!(wrong("max_tokens: 10", "max_tokens: 4097"), @r"
    error: `sampling.max_tokens` is out of range
      --> x.yaml:14:15
       |
    14 |   max_tokens: 4097
       |               ^^^^ expected a whole number from 1 to 4096, found 4097
    ");
    insta::assert_snapshot!(wrong("max_tokens: 10", "max_tokens: ten"), @r"
    error: `sampling.max_tokens` has the wrong type
      --> x.yaml:14:15
       |
    14 |   max_tokens: ten
       |               ^^^ expected a whole number, found the string `ten`
    ");
}

#[test]
fn stop() {
    insta::assert_snapshot!(wrong("stop: sentence_end", "stop: sentence-end"), @r"
    error: unknown stop rule `sentence-end`
      --> x.yaml:15:9
       |
    15 |   stop: sentence-end
       |         ^^^^^^^^^^^^ expected `sentence_end`, `none` or a list of strings
       |
       = hint: did you mean `sentence_end`?
    ");
    insta::assert_snapshot!(wrong("stop: sentence_end", "stop: \".\""), @r#"
    error: unknown stop rule `.`
      --> x.yaml:15:9
       |
    15 |   stop: "."
       |         ^^^ expected `sentence_end`, `none` or a list of strings
       |
       = hint: strings to stop at are a list: `stop: ["."]`
    "#);
    insta::assert_snapshot!(wrong("stop: sentence_end", "stop: []"), @r#"
    error: `sampling.stop` is an empty list
      --> x.yaml:15:9
       |
    15 |   stop: []
       |         ^^ expected at least one item
       |
       = hint: for example `stop: ["."]`
    "#);
    insta::assert_snapshot!(wrong("stop: sentence_end", "stop: [\".\", \"\"]"), @r#"
    error: `sampling.stop` holds an empty string
      --> x.yaml:15:15
       |
    15 |   stop: [".", ""]
       |               ^^ expected at least one character
       |
       = hint: `stop: none` stops at no string
    "#);
    insta::assert_snapshot!(wrong("stop: sentence_end", "stop: null"), @r"
    error: `sampling.stop` has the wrong type
      --> x.yaml:15:9
       |
    15 |   stop: null
       |         ^^^^ expected `sentence_end`, `none` or a list of strings, found `null`, which stands for nothing
       |
       = hint: for example `stop: sentence_end`
    ");
    insta::assert_snapshot!(wrong("stop: sentence_end", "stop: [1]"), @r#"
    error: `sampling.stop` has the wrong type
      --> x.yaml:15:10
       |
    15 |   stop: [1]
       |          ^ expected a string, found the number `1`
       |
       = hint: put quotes around it: "1"
    "#);
}

#[test]
fn repeats() {
    insta::assert_snapshot!(wrong("repeats: 5", "repeats: 0"), @r"
    error: `sampling.repeats` is out of range
      --> x.yaml:16:12
       |
    16 |   repeats: 0
       |            ^ expected a whole number from 1 to 10000, found 0
    ");
    insta::assert_snapshot!(wrong("repeats: 5", "repeats: five"), @r"
    error: `sampling.repeats` has the wrong type
      --> x.yaml:16:12
       |
    16 |   repeats: five
       |            ^^^^ expected a whole number, found the string `five`
    ");
}

#[test]
fn control_repeats() {
    insta::assert_snapshot!(wrong("repeats: 5", "repeats: 5\n  control_repeats: 12"), @r"
    error: of `repeats: 5` and `control_repeats: 12` neither divides the other
      --> x.yaml:17:20
       |
    17 |   control_repeats: 12
       |                    ^^ each generation has to be compared equally often
       |
       = hint: the nearest are 10 and 15
    ");
    insta::assert_snapshot!(wrong("repeats: 5", "repeats: 10\n  control_repeats: 4"), @r"
    error: of `repeats: 10` and `control_repeats: 4` neither divides the other
      --> x.yaml:17:20
       |
    17 |   control_repeats: 4
       |                    ^ each generation has to be compared equally often
       |
       = hint: the nearest are 2 and 5
    ");
    insta::assert_snapshot!(wrong("repeats: 5", "repeats: 5\n  control_repeats: 0"), @r"
    error: `sampling.control_repeats` is out of range
      --> x.yaml:17:20
       |
    17 |   control_repeats: 0
       |                    ^ expected a whole number from 1 to 10000, found 0
    ");
}

#[test]
fn seed() {
    insta::assert_snapshot!(wrong("seed: 1", "seed: -1"), @r"
    error: `sampling.seed` is out of range
      --> x.yaml:17:9
       |
    17 |   seed: -1
       |         ^^ expected a whole number from 0 to 18446744073709551615, found -1
    ");
    insta::assert_snapshot!(wrong("seed: 1", "seed: 18446744073709551616"), @r"
    error: `sampling.seed` is out of range
      --> x.yaml:17:9
       |
    17 |   seed: 18446744073709551616
       |         ^^^^^^^^^^^^^^^^^^^^ expected a whole number from 0 to 18446744073709551615, found 18446744073709551616
    ");
}

#[test]
fn sampling() {
    insta::assert_snapshot!(wrong("  top_k: 0\n  top_p: 1.0\n", ""), @r"
    error: missing keys `top_k`, `top_p` in `sampling`
     --> x.yaml:9:3
      |
    9 |   temperature: 0.5
      |   ^ in the mapping that begins here
      |
      = hint: add for example `top_k: 0`
    ");
    insta::assert_snapshot!(wrong("  seed: 1\n", "  seed: 1\n  seed: 2\n"), @r"
    error: the key `seed` comes twice
      --> x.yaml:18:3
       |
    18 |   seed: 2
       |   ^^^^ the second
       |
      ::: x.yaml:17:3
       |
    17 |   seed: 1
       |   ---- the first
    ");
    insta::assert_snapshot!(wrong("  seed: 1\n", "  seed: 1\n  system: null\n"), @r"
    error: unknown key `system`
      --> x.yaml:18:3
       |
    18 |   system: null
       |   ^^^^^^ expected one of: preset, temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop, draws, repeats, control_repeats, seed, mode, coverage, max_rows_per_prompt
       |
       = hint: `system` belongs under `prompt`
    ");
}

#[test]
fn syntax() {
    insta::assert_snapshot!(wrong("  Does a colour\n", "  Does a colour\nanswer: It may: leak\n"), @r"
    error: not valid YAML: mapping values are not allowed in this context
     --> x.yaml:4:15
      |
    4 | answer: It may: leak
      |               ^
      |
      = hint: put quotes around a text that holds `: `, or check the indentation of this line
    ");
}

#[test]
fn top_level() {
    insta::assert_snapshot!(wrong("concepts: [red, blue]", "colours: [red, blue]"), @r"
    error: missing key `concepts` at the top level
     --> x.yaml:1:1
      |
    1 | name: small
      | ^ in the mapping that begins here
      |
      = hint: add for example `concepts: [red, blue]`

    error: unknown key `colours`
      --> x.yaml:24:1
       |
    24 | colours: [red, blue]
       | ^^^^^^^ expected one of: name, question, prompt, prompts, sampling, models, embedding_model, embedding_models, gpu_layers, date, margin, generalise, concepts, concept_families, fillers, templates, pairs, extends
    ");
    insta::assert_snapshot!(wrong("name: small", "name: small\nrepeats: 3"), @r"
    error: unknown key `repeats`
     --> x.yaml:2:1
      |
    2 | repeats: 3
      | ^^^^^^^ expected one of: name, question, prompt, prompts, sampling, models, embedding_model, embedding_models, gpu_layers, date, margin, generalise, concepts, concept_families, fillers, templates, pairs, extends
      |
      = hint: `repeats` belongs under `sampling`
    ");
    insta::assert_snapshot!(wrong("name: small", "- name: small"), @r"
    error: not valid YAML: while parsing a block collection, did not find expected '-' indicator
     --> x.yaml:2:1
      |
    2 | question: >
      | ^
      |
      = hint: does this line begin in the same column as its neighbours?
    ");
}

#[test]
fn margin() {
    insta::assert_snapshot!(wrong("concepts: [red, blue]", "margin: 0\nconcepts: [red, blue]"), @r"
    error: `margin` is out of range
      --> x.yaml:24:9
       |
    24 | margin: 0
       |         ^ expected a number above 0, at most 50, found 0
    ");
    insta::assert_snapshot!(wrong("concepts: [red, blue]", "margin: 3 points\nconcepts: [red, blue]"), @r"
    error: `margin` has the wrong type
      --> x.yaml:24:9
       |
    24 | margin: 3 points
       |         ^^^^^^^^ expected a number, found the string `3 points`
    ");
    let with = |margin: &str| {
        GOOD.replace(
            "concepts: [red, blue]",
            &format!("margin: {margin}\nconcepts: [red, blue]"),
        )
    };
    assert_eq!(declared_margin(&with("2.5"), None), Some(2.5));
    assert_eq!(
        declared_margin("extends: a.yaml", Some(&with("50"))),
        Some(50.0)
    );
    assert_eq!(declared_margin(&with("1"), Some(&with("50"))), Some(1.0));
    assert_eq!(declared_margin(GOOD, None), None);
    assert_eq!(declared_margin("- [", None), None);
}
