//! Families of concepts: which pair is of which family, and what is printed about families that are wrong.

use super::{Files, GOOD, load, messages, wrong};
use crate::digest::Digest;
use crate::experiment::{Experiment, FilePair, PairsFile};

const CONCEPTS: &str = "concepts: [red, blue]";

/// The good file with these families below its concepts.
fn with_families(families: &str) -> String {
    GOOD.replace(
        CONCEPTS,
        &format!("{CONCEPTS}\nconcept_families: {families}"),
    )
}

/// The message for the good file with these families.
fn shown(families: &str) -> String {
    wrong(
        CONCEPTS,
        &format!("{CONCEPTS}\nconcept_families: {families}"),
    )
}

/// Each pair's concept with its family.
fn families(experiment: &Experiment) -> Vec<(&str, Option<&str>)> {
    let pairs = experiment.pairs().iter();
    pairs
        .map(|pair| (pair.concept.as_str(), pair.concept_family.as_deref()))
        .collect()
}

fn warnings(text: &str) -> String {
    let files = Files::new(&[("x.yaml", text)]);
    let experiment = files.load("x.yaml").unwrap();
    let shown = experiment.warnings().iter().map(ToString::to_string);
    files.relative(&shown.collect::<Vec<_>>().join("\n"))
}

#[test]
fn pairs_know_their_family() {
    let cases = [
        ("{}", [None, None, None, None]),
        (
            "{red: [BLUE]}",
            [Some("red"), Some("red"), Some("red"), None],
        ),
        (
            "{warm: [Red, green]}",
            [Some("warm"), None, Some("warm"), Some("warm")],
        ),
        (
            "{Red: [red, blue]}",
            [Some("Red"), Some("Red"), Some("Red"), None],
        ),
    ];
    for (named, expected) in cases {
        let experiment = load(&with_families(named)).unwrap();
        let concepts = ["red", "blue", "red", "green"];
        let expected: Vec<_> = concepts.into_iter().zip(expected).collect();
        assert_eq!(families(&experiment), expected, "{named}");
    }
}

#[test]
fn concept_families() {
    insta::assert_snapshot!(shown("[red, blue]"), @r"
    error: `concept_families` has the wrong type
      --> x.yaml:25:19
       |
    25 | concept_families: [red, blue]
       |                   ^^^^^^^^^^^ expected a mapping, found a list
       |
       = hint: for example `concept_families: {red: [crimson, scarlet]}`
    ");
    insta::assert_snapshot!(shown("{red: blue}"), @r"
    error: `concept_families.red` has the wrong type
      --> x.yaml:25:25
       |
    25 | concept_families: {red: blue}
       |                         ^^^^ expected a list, found the string `blue`
       |
       = hint: for example `concept_families: {red: [crimson, scarlet]}`
    ");
    insta::assert_snapshot!(shown("{red: []}"), @r"
    error: `concept_families.red` is an empty list
      --> x.yaml:25:25
       |
    25 | concept_families: {red: []}
       |                         ^^ expected at least one item
       |
       = hint: for example `concept_families: {red: [crimson, scarlet]}`
    ");
    insta::assert_snapshot!(shown("{red: [blu, \" green\", 1]}"), @r#"
    error: `blu` is not among the concepts of the experiment
      --> x.yaml:25:26
       |
    25 | concept_families: {red: [blu, " green", 1]}
       |                          ^^^ expected a concept of `concepts` or `pairs`
       |
       = hint: did you mean `blue`?

    error: `concept_families.red` begins with white space
      --> x.yaml:25:31
       |
    25 | concept_families: {red: [blu, " green", 1]}
       |                               ^^^^^^^^ it is invisible and changes the tokens
       |
       = hint: remove it

    error: `concept_families.red` has the wrong type
      --> x.yaml:25:41
       |
    25 | concept_families: {red: [blu, " green", 1]}
       |                                         ^ expected a string, found the number `1`
       |
       = hint: put quotes around it: "1"
    "#);
}

#[test]
fn a_concept_is_in_one_family_once() {
    insta::assert_snapshot!(shown("{warm: [red, blue], cold: [Blue, green]}"), @r"
    error: `Blue` is in the families `warm` and `cold`
      --> x.yaml:25:46
       |
    25 | concept_families: {warm: [red, blue], cold: [Blue, green]}
       |                                ----          ^^^^ the second
       |                                |
       |                                the first
    ");
    insta::assert_snapshot!(shown("{warm: [red, Red, green]}"), @r"
    error: `Red` is listed twice in the family `warm`
      --> x.yaml:25:32
       |
    25 | concept_families: {warm: [red, Red, green]}
       |                           ---  ^^^ the second
       |                           |
       |                           the first
    ");
    insta::assert_snapshot!(shown("{red: [blue], Red: [green]}"), @r"
    error: the family `Red` comes twice
      --> x.yaml:25:33
       |
    25 | concept_families: {red: [blue], Red: [green]}
       |                    ---          ^^^ the second
       |                    |
       |                    the first
    ");
}

#[test]
fn a_member_of_a_family_is_a_concept() {
    insta::assert_snapshot!(shown("{red: [blue, crimson, gren]}"), @r"
    error: `crimson` is not among the concepts of the experiment
      --> x.yaml:25:32
       |
    25 | concept_families: {red: [blue, crimson, gren]}
       |                                ^^^^^^^ expected a concept of `concepts` or `pairs`

    error: `gren` is not among the concepts of the experiment
      --> x.yaml:25:41
       |
    25 | concept_families: {red: [blue, crimson, gren]}
       |                                         ^^^^ expected a concept of `concepts` or `pairs`
       |
       = hint: did you mean `green`?
    ");
}

#[test]
fn families_of_the_extended_file_name_what_is_there() {
    let small = "name: larger\nconcepts: [red, scarlet]\nextends: base.yaml\n";
    let base = with_families("{red: [blue]}");
    let files = Files::new(&[("x.yaml", small), ("base.yaml", &base)]);
    insta::assert_snapshot!(files.load("x.yaml").unwrap_err(), @r"
    error: `blue` is not among the concepts of the experiment
      --> base.yaml:25:26
       |
    25 | concept_families: {red: [blue]}
       |                          ^^^^ expected a concept of `concepts` or `pairs`
       |
       = hint: the families are those of the extended file; give this one `concept_families` of its own, or `{}` for none

    1 problem in base.yaml; nothing was run
    ");
    let own = format!("{small}concept_families: {{red: [scarlet]}}\n");
    let files = Files::new(&[("x.yaml", &own), ("base.yaml", &base)]);
    let experiment = files.load("x.yaml").unwrap();
    assert_eq!(families(&experiment)[1], ("scarlet", Some("red")));
    let none = format!("{small}concept_families: {{}}\n");
    let files = Files::new(&[("x.yaml", &none), ("base.yaml", &base)]);
    assert_eq!(
        families(&files.load("x.yaml").unwrap())[1],
        ("scarlet", None)
    );
}

#[test]
fn families_that_change_nothing_or_not_enough_are_warned_of() {
    insta::assert_snapshot!(warnings(&with_families("{gren: [blue, red]}")), @r#"
    warning: no concept is called `gren`
      --> x.yaml:25:20
       |
    25 | concept_families: {gren: [blue, red]}
       |                    ^^^^ so its members alone are a family
       |
       = hint: did you mean `green`?
    warning: 2 templates have no placebo: `likes-works`, `wears-sings`
      --> x.yaml:29:11
       |
    29 |     test: "He likes {concept}. He works as a"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ no concept of another family fills this slot
    "#);
    insta::assert_snapshot!(warnings(&with_families("{green: [green]}")), @r#"
    warning: the family `green` has one concept
      --> x.yaml:25:20
       |
    25 | concept_families: {green: [green]}
       |                    ^^^^^ it changes nothing
    warning: 1 template has no placebo: `wears-sings`
      --> x.yaml:33:11
       |
    33 |     test: "In a {concept} hat she sings of"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ no concept of another family fills this slot
    "#);
}

#[test]
fn templates_without_a_placebo_are_named_in_one_line() {
    insta::assert_snapshot!(warnings(GOOD), @r#"
    warning: 1 template has no placebo: `wears-sings`
      --> x.yaml:32:11
       |
    32 |     test: "In a {concept} hat she sings of"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ no concept of another family fills this slot
    "#);
    insta::assert_snapshot!(warnings(&with_families("{red: [blue]}")), @r#"
    warning: 2 templates have no placebo: `likes-works`, `wears-sings`
      --> x.yaml:29:11
       |
    29 |     test: "He likes {concept}. He works as a"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ no concept of another family fills this slot
    "#);
}

#[test]
fn families_of_a_pairs_file_give_way_to_those_of_the_experiment() {
    let pairs = GOOD.find("pairs:\n").unwrap();
    let text = |families: &str| format!("{}{families}pairs: {{path: p.csv}}\n", &GOOD[..pairs]);
    let pair = |concept: &str, family: Option<&str>| FilePair {
        concept: concept.to_owned(),
        concept_family: family.map(str::to_owned),
        category: "1".to_owned(),
        template_id: None,
        test: format!("She likes {concept}. She is"),
        control: "She is".to_owned(),
    };
    let file = || PairsFile {
        sha256: Digest::of(b"workbook"),
        mapping_sha256: None,
        pairs: vec![pair("lemon", Some("yellow")), pair("crimson", None)],
    };
    let complete = |families: &str| load(&text(families)).unwrap().with_pairs_file(file());
    let named = complete("").unwrap();
    assert_eq!(
        families(&named)[3..],
        [("lemon", Some("yellow")), ("crimson", None)]
    );
    let named = complete("concept_families: {red: [Crimson]}\n").unwrap();
    let expected = [("lemon", None), ("crimson", Some("red"))];
    assert_eq!(
        (families(&named)[0], &families(&named)[3..]),
        (("red", Some("red")), &expected[..])
    );
    let errors = complete("concept_families: {red: [crimsn]}\n").unwrap_err();
    let message = "`crimsn` is not among the concepts of the experiment";
    assert_eq!(errors.problems()[0].message(), message);
    let named = complete("concept_families: {lemon: [lemon]}\n").unwrap();
    assert!(messages(&named).contains(&"the family `lemon` has one concept"));
}
