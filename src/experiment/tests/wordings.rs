//! Several wordings: what a file with them gives, and the messages about wrong ones.

use super::{Files, GOOD, Wording, load, wrong};

const ONE: &str = "prompt:\n  system: \"Be brief.\"\n  user: \"{prompt}\"\n";
const SEVERAL: &str = "prompts:\n  - {name: brief, system: \"Be brief.\", user: \"{prompt}\"}\n  - {name: bare, system: null, user: \"{prompt}\"}\n";

/// The message for a second wording in the place of the good one.
fn wrong_second(item: &str) -> String {
    let several = SEVERAL.replace("{name: bare, system: null, user: \"{prompt}\"}", item);
    wrong(ONE, &several)
}

#[test]
fn wordings_are_read_in_their_order() {
    let experiment = load(&GOOD.replace(ONE, SEVERAL)).unwrap();
    let names = experiment.wordings().iter().map(Wording::name);
    assert_eq!(names.collect::<Vec<_>>(), ["brief", "bare"]);
    let systems = experiment.wordings().iter().map(Wording::system);
    assert_eq!(systems.collect::<Vec<_>>(), [Some("Be brief."), None]);
    let one = load(GOOD).unwrap();
    assert_eq!((one.wordings().len(), one.first_wording().name()), (1, ""));
}

/// Either key takes the place of the other one in the extended file.
#[test]
fn wordings_take_the_place_of_those_of_the_extended_file() {
    let several_below = GOOD.replace(ONE, SEVERAL);
    for (own, base, n) in [
        ("", several_below.as_str(), 2),
        (ONE, &several_below, 1),
        (SEVERAL, GOOD, 2),
    ] {
        let own = format!("name: own\nextends: base.yaml\n{own}");
        let files = Files::new(&[("x.yaml", &own), ("base.yaml", base)]);
        let experiment = files.load("x.yaml").unwrap();
        assert_eq!(experiment.wordings().len(), n, "{own}");
    }
}

#[test]
fn one_wording_and_several_exclude_each_other() {
    insta::assert_snapshot!(wrong(ONE, &format!("{ONE}{SEVERAL}")), @r#"
    error: `prompts` cannot stand beside `prompt`
     --> x.yaml:8:1
      |
    8 | prompts:
      | ^^^^^^^ these wordings
      |
     ::: x.yaml:5:1
      |
    5 | prompt:
      | ------ and this one
      |
      = hint: name all of them in `prompts`, each with its `name`
    "#);
}

#[test]
fn wordings_are_a_list() {
    insta::assert_snapshot!(wrong(ONE, "prompts: []\n"), @r#"
    error: `prompts` is an empty list
     --> x.yaml:5:10
      |
    5 | prompts: []
      |          ^^ expected at least one item
      |
      = hint: for example `prompts: [{name: bare, system: null, user: "{prompt}"}]`
    "#);
    insta::assert_snapshot!(wrong(ONE, "prompts: bare\n"), @r#"
    error: `prompts` has the wrong type
     --> x.yaml:5:10
      |
    5 | prompts: bare
      |          ^^^^ expected a list, found the string `bare`
      |
      = hint: for example `prompts: [{name: bare, system: null, user: "{prompt}"}]`
    "#);
}

#[test]
fn wordings_are_told_apart() {
    insta::assert_snapshot!(wrong_second("{name: brief, system: null, user: \"{prompt}\"}"), @r#"
    error: two wordings have the name `brief`
     --> x.yaml:7:5
      |
    7 |   - {name: brief, system: null, user: "{prompt}"}
      |     ^ the second
      |
     ::: x.yaml:6:5
      |
    6 |   - {name: brief, system: "Be brief.", user: "{prompt}"}
      |     - the first
    "#);
    insta::assert_snapshot!(wrong_second("{name: short, system: \"Be brief.\", user: \"{prompt}\"}"), @r#"
    error: the wordings `brief` and `short` have the same messages
     --> x.yaml:7:5
      |
    7 |   - {name: short, system: "Be brief.", user: "{prompt}"}
      |     ^ the second
      |
     ::: x.yaml:6:5
      |
    6 |   - {name: brief, system: "Be brief.", user: "{prompt}"}
      |     - the first
    "#);
}

#[test]
fn name() {
    insta::assert_snapshot!(wrong_second("{name: Bare words, system: null, user: \"{prompt}\"}"), @r#"
    error: `prompts.name` is no plain name
     --> x.yaml:7:12
      |
    7 |   - {name: Bare words, system: null, user: "{prompt}"}
      |            ^^^^^^^^^^ expected only lowercase letters a to z, digits and hyphens
      |
      = hint: for example `bare-words`
    "#);
    insta::assert_snapshot!(wrong_second("{name: just-the-prompt-and-nothing-else, system: null, user: \"{prompt}\"}"), @r#"
    error: `prompts.name` is too long
     --> x.yaml:7:12
      |
    7 |   - {name: just-the-prompt-and-nothing-else, system: null, user: "{prompt}"}
      |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ expected at most 24 characters
    "#);
    insta::assert_snapshot!(wrong_second("{system: null, user: \"{prompt}\"}"), @r#"
    error: missing key `name` in the wording
     --> x.yaml:7:5
      |
    7 |   - {system: null, user: "{prompt}"}
      |     ^ in the mapping that begins here
      |
      = hint: add for example `name: bare`
    "#);
}

#[test]
fn messages() {
    insta::assert_snapshot!(wrong_second("{name: bare, system: \" \", user: \"{prompt}\"}"), @r#"
    error: `prompts.system` is empty
     --> x.yaml:7:26
      |
    7 |   - {name: bare, system: " ", user: "{prompt}"}
      |                          ^^^ expected some text or null
      |
      = hint: `system: null` sends no system message
    "#);
    insta::assert_snapshot!(wrong_second("{name: bare, system: null, user: \"Go on:\"}"), @r#"
    error: `prompts.user` has no `{prompt}`
     --> x.yaml:7:38
      |
    7 |   - {name: bare, system: null, user: "Go on:"}
      |                                      ^^^^^^^^ expected `{prompt}` once, where a prompt is put in
    "#);
}
