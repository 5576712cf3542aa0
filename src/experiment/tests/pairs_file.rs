//! Prompt pairs from another file: what `pairs` may name, what a wrong name prints, and how the pairs join the others.

use super::{Files, GOOD, NO_PLACEBO, load, messages, wrong};
use crate::digest::Digest;
use crate::experiment::{Experiment, FilePair, Overrides, PairsFile, PairsLocation};

/// The end of the good file: its free-standing pair.
const PAIRS: &str = "pairs:\n  - concept: green\n    category: expression-to-color\n    test: \"The greenhouse is\"\n    control: \"The house is\"\n";

/// The message for the good file with this in the place of its pairs.
fn shown(pairs: &str) -> String {
    wrong(PAIRS, pairs)
}

fn experiment(pairs: &str) -> Experiment {
    load(&GOOD.replace(PAIRS, pairs)).unwrap()
}

fn pair(concept: &str, template_id: Option<&str>, test: &str, control: &str) -> FilePair {
    FilePair {
        concept: concept.to_owned(),
        concept_family: None,
        category: "1".to_owned(),
        template_id: template_id.map(str::to_owned),
        test: test.to_owned(),
        control: control.to_owned(),
    }
}

fn file(pairs: Vec<FilePair>) -> PairsFile {
    PairsFile {
        sha256: Digest::of(b"workbook"),
        mapping_sha256: None,
        pairs,
    }
}

#[test]
fn the_file_is_named_with_its_place() {
    let digest = Digest::of(b"workbook");
    let text = format!(
        "pairs:\n  path: own/p.xlsx\n  sha256: {}\n  mapping: m.yaml\n",
        digest.to_string().to_uppercase()
    );
    let files = Files::new(&[("x.yaml", &GOOD.replace(PAIRS, &text))]);
    let experiment = files.load("x.yaml").unwrap();
    let source = experiment.pairs_source().unwrap();
    let PairsLocation::Own {
        path,
        sha256,
        mapping,
    } = &source.file
    else {
        panic!("{source:?}");
    };
    assert_eq!(*path, files.path("own/p.xlsx"));
    assert_eq!(sha256.as_ref().unwrap().0, digest);
    assert_eq!(mapping.as_ref().unwrap().0, files.path("m.yaml"));
    let position = files.relative(&source.position.to_string());
    assert_eq!(position, "x.yaml:36:9");
    let published = super::load(&GOOD.replace(PAIRS, "pairs: {published: colors}\n")).unwrap();
    let expected = PairsLocation::Published {
        name: "colors".to_owned(),
    };
    assert_eq!(published.pairs_source().unwrap().file, expected);
    assert_eq!(load(GOOD).unwrap().pairs_source(), None);
}

#[test]
fn pairs_of_a_file_follow_those_of_templates() {
    let named = experiment("pairs: {path: p.csv}\n");
    let (before, n_templates) = (named.sha256(), named.pairs().len());
    let pairs = vec![
        pair("cats", Some("1"), "She likes cats. She is", "She is"),
        pair("dogs", None, "She likes dogs. She is", "She is"),
    ];
    let complete = named.clone().with_pairs_file(file(pairs.clone())).unwrap();
    assert_eq!((n_templates, complete.pairs().len()), (3, 5));
    let last = &complete.pairs()[4];
    assert_eq!((last.pair_idx, last.concept.as_str()), (4, "dogs"));
    assert_eq!(complete.test_prompt(last), "She likes dogs. She is");
    assert_eq!(complete.control_prompt(last), "She is");
    assert_eq!(complete.prompts().len(), named.prompts().len() + 3);
    assert_eq!(messages(&complete), [NO_PLACEBO]);
    let limited = complete.clone().with_overrides(&Overrides {
        limit: Some(4),
        ..Overrides::default()
    });
    assert_eq!(limited.unwrap().pairs().len(), 4);
    // The file is a part of what the experiment is.
    let lines = format!("{before}\n{}\n", Digest::of(b"workbook"));
    assert_eq!(complete.sha256(), Digest::of(lines.as_bytes()));
    assert_eq!(complete.pairs_sha256(), Some(Digest::of(b"workbook")));
    let mapped = PairsFile {
        mapping_sha256: Some(Digest::of(b"mapping")),
        ..file(pairs)
    };
    let mapped = named.with_pairs_file(mapped).unwrap();
    assert_ne!(mapped.sha256(), complete.sha256());
}

#[test]
fn pairs_that_a_template_makes_too_are_refused() {
    let named = experiment("pairs: {published: colors}\n");
    let refused = |pair: FilePair| {
        let errors = named.clone().with_pairs_file(file(vec![pair]));
        errors.unwrap_err().problems()[0].message().to_owned()
    };
    let doubled = pair("red", None, "He likes red. He works as a", "He is");
    assert_eq!(
        refused(doubled),
        "the test prompt `He likes red. He works as a` comes twice"
    );
    let id = pair("red", Some("likes-works"), "a red b", "a b");
    assert_eq!(refused(id), "the file has a template `likes-works` too");
    let many = (0..100_000).map(|n| pair("c", None, &format!("c {n}"), "none"));
    let many = named.clone().with_pairs_file(file(many.collect()));
    assert_eq!(
        many.unwrap_err().problems()[0].message(),
        "100003 prompt pairs are too many"
    );
}

#[test]
fn invisible_characters_are_warned_of() {
    let pairs = vec![
        pair("red", None, "a red b ", "a b"),
        pair("blue", None, "a blue\nb", "a b"),
    ];
    let named = experiment("pairs: {published: colors}\n");
    let complete = named.with_pairs_file(file(pairs)).unwrap();
    let expected = "2 prompts and concepts hold invisible characters, or white space at an end";
    assert_eq!(messages(&complete), [NO_PLACEBO, expected]);
    assert_eq!(complete.prompts()[5], "a red b ");
}

#[test]
fn pairs() {
    insta::assert_snapshot!(shown("pairs: {}\n"), @r"
    error: `pairs` has neither `published` nor `path`
      --> x.yaml:35:8
       |
    35 | pairs: {}
       |        ^ in the mapping that begins here
       |
       = hint: `published` for a published workbook, `path` for a file
    ");
    insta::assert_snapshot!(shown("pairs: colors\n"), @r#"
    error: `pairs` has the wrong type
      --> x.yaml:35:8
       |
    35 | pairs: colors
       |        ^^^^^^ expected a list, or a mapping with `published` or `path`, found the string `colors`
       |
       = hint: for example `pairs: [{concept: green, category: c, test: "Green tea is", control: "Tea is"}]`
    "#);
    insta::assert_snapshot!(shown("pairs: {publised: colors}\n"), @r"
    error: unknown key `publised`
      --> x.yaml:35:9
       |
    35 | pairs: {publised: colors}
       |         ^^^^^^^^ expected one of: published, path, sha256, mapping
       |
       = hint: did you mean `published`?
    ");
}

#[test]
fn published() {
    insta::assert_snapshot!(shown("pairs: {published: 5}\n"), @r#"
    error: `pairs.published` has the wrong type
      --> x.yaml:35:20
       |
    35 | pairs: {published: 5}
       |                    ^ expected a string, found the number `5`
       |
       = hint: put quotes around it: "5"
    "#);
    insta::assert_snapshot!(shown("pairs: {published: colors, path: p.xlsx}\n"), @r"
    error: `path` cannot stand beside `published`
      --> x.yaml:35:28
       |
    35 | pairs: {published: colors, path: p.xlsx}
       |                            ^^^^ pairs come from one file
       |
       = hint: name a file of your own, or a published workbook
    ");
}

#[test]
fn path() {
    insta::assert_snapshot!(shown("pairs: {path: [p.xlsx]}\n"), @r"
    error: `pairs.path` has the wrong type
      --> x.yaml:35:15
       |
    35 | pairs: {path: [p.xlsx]}
       |               ^^^^^^^^ expected a string, found a list
    ");
}

#[test]
fn sha256() {
    insta::assert_snapshot!(shown("pairs: {path: p.xlsx, sha256: 67f2c23f36e2}\n"), @r"
    error: `pairs.sha256` is no SHA-256
      --> x.yaml:35:31
       |
    35 | pairs: {path: p.xlsx, sha256: 67f2c23f36e2}
       |                               ^^^^^^^^^^^^ expected 64 hexadecimal digits
    ");
    insta::assert_snapshot!(shown("pairs: {published: colors, sha256: 67f2c23f36e2}\n"), @r"
    error: `sha256` cannot stand beside `published`
      --> x.yaml:35:28
       |
    35 | pairs: {published: colors, sha256: 67f2c23f36e2}
       |                            ^^^^^^ of a published workbook it is known
       |
       = hint: remove it, or name a file of your own with `path`
    ");
}

#[test]
fn mapping() {
    insta::assert_snapshot!(shown("pairs: {published: colors, mapping: m.yaml}\n"), @r"
    error: `mapping` cannot stand beside `published`
      --> x.yaml:35:28
       |
    35 | pairs: {published: colors, mapping: m.yaml}
       |                            ^^^^^^^ of a published workbook it is known
       |
       = hint: remove it, or name a file of your own with `path`
    ");
    insta::assert_snapshot!(shown("pairs: {path: p.xlsx, mapping: ''}\n"), @r"
    error: `pairs.mapping` is empty
      --> x.yaml:35:32
       |
    35 | pairs: {path: p.xlsx, mapping: ''}
       |                                ^^ expected some text
    ");
}
