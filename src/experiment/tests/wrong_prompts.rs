//! The message for a wrong value of each field: concepts, templates and pairs.

use super::wrong;

#[test]
fn concepts() {
    insta::assert_snapshot!(wrong("concepts: [red, blue]\n", ""), @r"
    error: missing key `concepts` at the top level
     --> x.yaml:1:1
      |
    1 | name: small
      | ^ in the mapping that begins here
      |
      = hint: add for example `concepts: [red, blue]`
    ");
    insta::assert_snapshot!(wrong("concepts: [red, blue]", "concepts: []"), @r"
    error: `concepts` is an empty list
      --> x.yaml:24:11
       |
    24 | concepts: []
       |           ^^ expected at least one item
       |
       = hint: for example `concepts: [red, blue]`
    ");
    insta::assert_snapshot!(wrong("concepts: [red, blue]", "concepts: red"), @r"
    error: `concepts` has the wrong type
      --> x.yaml:24:11
       |
    24 | concepts: red
       |           ^^^ expected a list, found the string `red`
       |
       = hint: for example `concepts: [red, blue]`
    ");
    insta::assert_snapshot!(wrong("concepts: [red, blue]", "concepts: [red, blue, Red]"), @r"
    error: the concept `Red` is listed twice
      --> x.yaml:24:23
       |
    24 | concepts: [red, blue, Red]
       |            ---        ^^^ the second
       |            |
       |            the first
    ");
    insta::assert_snapshot!(wrong("concepts: [red, blue]", "concepts: [red, 1]"), @r#"
    error: `concepts` has the wrong type
      --> x.yaml:24:17
       |
    24 | concepts: [red, 1]
       |                 ^ expected a string, found the number `1`
       |
       = hint: put quotes around it: "1"
    "#);
    insta::assert_snapshot!(wrong("concepts: [red, blue]", "concepts: [red, \" blue\"]"), @r#"
    error: `concepts` begins with white space
      --> x.yaml:24:17
       |
    24 | concepts: [red, " blue"]
       |                 ^^^^^^^ it is invisible and changes the tokens
       |
       = hint: remove it
    "#);
}

#[test]
fn templates() {
    insta::assert_snapshot!(wrong("templates:\n  - id: likes-works\n    category: color-to-other\n    test: \"He likes {concept}. He works as a\"\n    control: \"He works as a\"\n  - id: wears-sings\n    category: color-to-color\n    test: \"In a {concept} hat she sings of\"\n    control: \"In a hat she sings of\"\n    concepts: [red]\n", "templates: likes\n"), @r#"
    error: `templates` has the wrong type
      --> x.yaml:25:12
       |
    25 | templates: likes
       |            ^^^^^ expected a list, found the string `likes`
       |
       = hint: for example `templates: [{id: likes, category: c, test: "I like {concept}", control: "I like it"}]`
    "#);
    insta::assert_snapshot!(wrong("templates:\n  - id: likes-works\n    category: color-to-other\n    test: \"He likes {concept}. He works as a\"\n    control: \"He works as a\"\n  - id: wears-sings\n    category: color-to-color\n    test: \"In a {concept} hat she sings of\"\n    control: \"In a hat she sings of\"\n    concepts: [red]\n", "templates: []\n"), @r#"
    error: `templates` is an empty list
      --> x.yaml:25:12
       |
    25 | templates: []
       |            ^^ expected at least one item
       |
       = hint: for example `templates: [{id: likes, category: c, test: "I like {concept}", control: "I like it"}]`
    "#);
    insta::assert_snapshot!(wrong("templates:\n  - id: likes-works\n    category: color-to-other\n    test: \"He likes {concept}. He works as a\"\n    control: \"He works as a\"\n  - id: wears-sings\n    category: color-to-color\n    test: \"In a {concept} hat she sings of\"\n    control: \"In a hat she sings of\"\n    concepts: [red]\n", "templates: [likes]\n"), @r"
    error: an item of `templates` has the wrong type
      --> x.yaml:25:13
       |
    25 | templates: [likes]
       |             ^^^^^ expected a mapping, found the string `likes`
       |
       = hint: for example `- id: likes-works`
    ");
    insta::assert_snapshot!(wrong("templates:\n  - id: likes-works\n    category: color-to-other\n    test: \"He likes {concept}. He works as a\"\n    control: \"He works as a\"\n  - id: wears-sings\n    category: color-to-color\n    test: \"In a {concept} hat she sings of\"\n    control: \"In a hat she sings of\"\n    concepts: [red]\npairs:\n  - concept: green\n    category: expression-to-color\n    test: \"The greenhouse is\"\n    control: \"The house is\"\n", ""), @r"
    error: an experiment needs `templates` or `pairs`
     --> x.yaml:1:1
      |
    1 | name: small
      | ^ in the mapping that begins here
      |
      = hint: templates put each concept into a slot; pairs are written out, or taken from a file
    ");
}

#[test]
fn template_id() {
    insta::assert_snapshot!(wrong("id: wears-sings", "id: likes-works"), @r"
    error: two templates have the id `likes-works`
      --> x.yaml:30:9
       |
    30 |   - id: likes-works
       |         ^^^^^^^^^^^ the second
       |
      ::: x.yaml:26:9
       |
    26 |   - id: likes-works
       |         ----------- the first
    ");
    insta::assert_snapshot!(wrong("id: wears-sings", "id: Wears sings"), @r"
    error: `templates.id` is no plain name
      --> x.yaml:30:9
       |
    30 |   - id: Wears sings
       |         ^^^^^^^^^^^ expected only lowercase letters a to z, digits and hyphens
       |
       = hint: for example `wears-sings`
    ");
    insta::assert_snapshot!(wrong("  - id: wears-sings\n    category: color-to-color\n    test", "  - test"), @r#"
    error: missing keys `id`, `category` in the template
      --> x.yaml:30:5
       |
    30 |   - test: "In a {concept} hat she sings of"
       |     ^ in the mapping that begins here
       |
       = hint: add for example `id: likes-works`
    "#);
}

#[test]
fn template_category() {
    insta::assert_snapshot!(wrong("category: color-to-other", "category: \"\""), @r#"
    error: `templates.category` is empty
      --> x.yaml:27:15
       |
    27 |     category: ""
       |               ^^ expected some text
    "#);
    insta::assert_snapshot!(wrong("category: color-to-other", "catgory: color-to-other"), @r"
    error: unknown key `catgory`
      --> x.yaml:27:5
       |
    27 |     catgory: color-to-other
       |     ^^^^^^^ expected one of: id, category, test, control, concepts, fillers
       |
       = hint: did you mean `category`?
    ");
}

#[test]
fn template_test() {
    insta::assert_snapshot!(wrong("He likes {concept}. He", "He likes it. He"), @r#"
    error: the test prompt has no `{concept}`
      --> x.yaml:28:11
       |
    28 |     test: "He likes it. He works as a"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ expected `{concept}`, where a concept is put in
       |
       = hint: a prompt that no slot can express belongs under `pairs`
    "#);
    insta::assert_snapshot!(wrong("He likes {concept}. He", "He likes {concpet}. He"), @r#"
    error: unknown slot `{concpet}`
      --> x.yaml:28:21
       |
    28 |     test: "He likes {concpet}. He works as a"
       |                     ^^^^^^^^^ expected `{concept}`, the only slot of a template
       |
       = hint: did you mean `{concept}`?
    "#);
    insta::assert_snapshot!(wrong("He likes {concept}. He", "He likes {{concept}}. He"), @r#"
    error: `{concept}` stands in further braces
      --> x.yaml:28:22
       |
    28 |     test: "He likes {{concept}}. He works as a"
       |                      ^^^^^^^^^ the outer braces would be part of the prompt
       |
       = hint: write `{concept}`, with one pair of braces
    "#);
    insta::assert_snapshot!(wrong("    test: \"He likes {concept}. He works as a\"\n", ""), @r#"
    error: a control prompt without a test prompt
      --> x.yaml:28:5
       |
    28 |     control: "He works as a"
       |     ^^^^^^^ needs a `test` beside it
       |
       = hint: the test prompt says the same with the concept
    "#);
    insta::assert_snapshot!(wrong("He likes {concept}. He works as a", "He likes {concept}. He works as a "), @r#"
    error: `templates.test` ends with white space
      --> x.yaml:28:11
       |
    28 |     test: "He likes {concept}. He works as a "
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ it is invisible and changes the tokens
       |
       = hint: remove it
    "#);
    insta::assert_snapshot!(wrong("He likes {concept}. He works", "He likes {concept}.\\nHe works"), @r#"
    error: `templates.test` holds the control character '\n'
      --> x.yaml:28:11
       |
    28 |     test: "He likes {concept}.\nHe works as a"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ it is invisible and changes the tokens
    "#);
    insta::assert_snapshot!(wrong("test: \"He likes {concept}. He works as a\"", "test: {concept} is"), @r"
    error: not valid YAML: while parsing a block mapping, did not find expected key
      --> x.yaml:28:21
       |
    28 |     test: {concept} is
       |                     ^
       |
       = hint: is this line indented like its neighbours? a text that begins with a brace, a bracket or a quote needs quotes around all of it
    ");
}

#[test]
fn template_control() {
    insta::assert_snapshot!(wrong("    control: \"He works as a\"\n", ""), @r#"
    error: a test prompt without a control prompt
      --> x.yaml:28:5
       |
    28 |     test: "He likes {concept}. He works as a"
       |     ^^^^ needs a `control` beside it
       |
       = hint: the control says the same without the concept
    "#);
    insta::assert_snapshot!(wrong("control: \"He works as a\"", "control: \"He {concept} works as a\""), @r#"
    error: the control prompt has a `{concept}`
      --> x.yaml:29:18
       |
    29 |     control: "He {concept} works as a"
       |                  ^^^^^^^^^ a control prompt is without the concept
    "#);
    insta::assert_snapshot!(wrong("control: \"He works as a\"", "control: \"He works as a Red, blue or bored\""), @r#"
    error: the control prompt holds the concepts `red`, `blue`
      --> x.yaml:29:29
       |
    29 |     control: "He works as a Red, blue or bored"
       |                             ^^^ a control prompt is without the concept
       |
       = hint: reword the control, or leave the concept out
    "#);
    insta::assert_snapshot!(wrong("control: \"He works as a\"", "control: \"\""), @r#"
    error: `templates.control` is empty
      --> x.yaml:29:14
       |
    29 |     control: ""
       |              ^^ expected some text
    "#);
}

#[test]
fn template_concepts() {
    insta::assert_snapshot!(wrong("concepts: [red]", "concepts: [rad]"), @r"
    error: `rad` is not among the concepts of the experiment
      --> x.yaml:34:16
       |
    34 |     concepts: [rad]
       |                ^^^ expected a part of the top-level `concepts`
       |
       = hint: did you mean `red`?
    ");
    insta::assert_snapshot!(wrong("concepts: [red]", "concepts: []"), @r"
    error: `templates.concepts` is an empty list
      --> x.yaml:34:15
       |
    34 |     concepts: []
       |               ^^ expected at least one item
       |
       = hint: for example `concepts: [red, blue]`
    ");
    insta::assert_snapshot!(wrong("concepts: [red]", "concepts: [red, red]"), @r"
    error: the concept `red` is listed twice
      --> x.yaml:34:21
       |
    34 |     concepts: [red, red]
       |                ---  ^^^ the second
       |                |
       |                the first
    ");
    insta::assert_snapshot!(wrong("concepts: [red]", "concepts: red"), @r"
    error: `templates.concepts` has the wrong type
      --> x.yaml:34:15
       |
    34 |     concepts: red
       |               ^^^ expected a list, found the string `red`
       |
       = hint: for example `concepts: [red, blue]`
    ");
}

#[test]
fn pairs() {
    insta::assert_snapshot!(wrong("pairs:\n  - concept: green\n    category: expression-to-color\n    test: \"The greenhouse is\"\n    control: \"The house is\"\n", "pairs: []\n"), @r#"
    error: `pairs` is an empty list
      --> x.yaml:35:8
       |
    35 | pairs: []
       |        ^^ expected at least one item
       |
       = hint: for example `pairs: [{concept: green, category: c, test: "Green tea is", control: "Tea is"}]`
    "#);
    insta::assert_snapshot!(wrong("  - concept: green\n    category: expression-to-color\n    test", "  - test"), @r#"
    error: missing keys `concept`, `category` in the pair
      --> x.yaml:36:5
       |
    36 |   - test: "The greenhouse is"
       |     ^ in the mapping that begins here
       |
       = hint: add for example `concept: green`
    "#);
}

#[test]
fn pair_concept() {
    insta::assert_snapshot!(wrong("concept: green", "concept: no\n    concepts: [green]"), @r"
    error: unknown key `concepts`
      --> x.yaml:37:5
       |
    37 |     concepts: [green]
       |     ^^^^^^^^ expected one of: concept, category, test, control
       |
       = hint: did you mean `concept`?
    ");
    insta::assert_snapshot!(wrong("concept: green", "concept: true"), @r#"
    error: `pairs.concept` has the wrong type
      --> x.yaml:36:14
       |
    36 |   - concept: true
       |              ^^^^ expected a string, found the boolean `true`
       |
       = hint: put quotes around it: "true"
    "#);
}

#[test]
fn pair_category() {
    insta::assert_snapshot!(wrong("category: expression-to-color", "category: [a]"), @r"
    error: `pairs.category` has the wrong type
      --> x.yaml:37:15
       |
    37 |     category: [a]
       |               ^^^ expected a string, found a list
    ");
}

#[test]
fn pair_test() {
    insta::assert_snapshot!(wrong("    test: \"The greenhouse is\"\n", ""), @r#"
    error: a control prompt without a test prompt
      --> x.yaml:38:5
       |
    38 |     control: "The house is"
       |     ^^^^^^^ needs a `test` beside it
       |
       = hint: the test prompt says the same with the concept
    "#);
    insta::assert_snapshot!(wrong("The greenhouse is", "The {concept}house is"), @r#"
    error: a pair has the slot `{concept}`
      --> x.yaml:38:16
       |
    38 |     test: "The {concept}house is"
       |                ^^^^^^^^^ nothing is put in here
       |
       = hint: write the concept out, or make it a template
    "#);
    insta::assert_snapshot!(wrong("The greenhouse is", "The house is"), @r#"
    error: the test prompt equals its control prompt
      --> x.yaml:39:14
       |
    39 |     control: "The house is"
       |              ^^^^^^^^^^^^^^ the control
       |
      ::: x.yaml:38:11
       |
    38 |     test: "The house is"
       |           -------------- the test
       |
       = hint: the control says the same without the concept
    "#);
    insta::assert_snapshot!(wrong("The greenhouse is", "The green\\u0007house is"), @r#"
    error: `pairs.test` holds the control character '\u{7}'
      --> x.yaml:38:11
       |
    38 |     test: "The green\u0007house is"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^ it is invisible and changes the tokens
    "#);
}

#[test]
fn pair_control() {
    insta::assert_snapshot!(wrong("    control: \"The house is\"\n", ""), @r#"
    error: a test prompt without a control prompt
      --> x.yaml:38:5
       |
    38 |     test: "The greenhouse is"
       |     ^^^^ needs a `control` beside it
       |
       = hint: the control says the same without the concept
    "#);
    insta::assert_snapshot!(wrong("The house is", "The green house is"), @r#"
    error: the control prompt holds the concept `green`
      --> x.yaml:39:19
       |
    39 |     control: "The green house is"
       |                   ^^^^^ a control prompt is without the concept
       |
       = hint: reword the control, or leave the concept out
    "#);
}

#[test]
fn doubled_prompts() {
    insta::assert_snapshot!(wrong("In a {concept} hat she sings of", "He likes {concept}. He works as a"), @r#"
    error: the test prompt `He likes red. He works as a` comes twice
      --> x.yaml:32:11
       |
    32 |     test: "He likes {concept}. He works as a"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the second, with the concept `red`
       |
      ::: x.yaml:28:11
       |
    28 |     test: "He likes {concept}. He works as a"
       |           ----------------------------------- the first, with the concept `red`
    "#);
    insta::assert_snapshot!(wrong("The greenhouse is\"", "He likes red. He works as a\""), @r#"
    error: the test prompt `He likes red. He works as a` comes twice
      --> x.yaml:38:11
       |
    38 |     test: "He likes red. He works as a"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the second, with the concept `green`
       |
      ::: x.yaml:28:11
       |
    28 |     test: "He likes {concept}. He works as a"
       |           ----------------------------------- the first, with the concept `red`
    "#);
}
