//! Fillers: the prompts they give, and what is printed about fillers that are wrong.

use super::{GOOD, NO_PLACEBO, load, messages, wrong};
use crate::digest::Digest;
use crate::experiment::{Experiment, FilePair, Overrides, PairsFile};

const CONCEPTS: &str = "concepts: [red, blue]";
const OWN: &str = "    concepts: [red]\n";

/// The good file with these fillers of all templates, and these of the second.
fn with_fillers(all: &str, own: &str) -> String {
    let all = format!("{CONCEPTS}\nfillers: {all}");
    GOOD.replace(CONCEPTS, &all)
        .replace(OWN, &format!("{OWN}{own}"))
}

fn shown(fillers: &str) -> String {
    wrong(CONCEPTS, &format!("{CONCEPTS}\nfillers: {fillers}"))
}

fn shown_own(fillers: &str) -> String {
    wrong(OWN, &format!("{OWN}    fillers: {fillers}\n"))
}

/// Each filler with its place, its template, its prompt and the control prompt.
fn fillers(experiment: &Experiment) -> Vec<String> {
    let fillers = experiment.fillers().iter();
    let shown = fillers.map(|filler| {
        let [prompt, control] = [filler.prompt_idx, filler.control_prompt_idx]
            .map(|prompt_idx| experiment.prompts()[prompt_idx].as_str());
        let (filler_idx, id) = (filler.filler_idx, &filler.template_id);
        format!(
            "{filler_idx} {} {id} {}: {prompt} / {control}",
            filler.filler, filler.category
        )
    });
    shown.collect()
}

const LIKES: [&str; 2] = [
    "0 new likes-works color-to-other: He likes new. He works as a / He works as a",
    "1 woollen likes-works color-to-other: He likes woollen. He works as a / He works as a",
];

#[test]
fn fillers_give_prompts_and_no_pairs() {
    let plain = load(GOOD).unwrap();
    assert_eq!(plain.fillers(), []);
    let wears =
        "2 new wears-sings color-to-color: In a new hat she sings of / In a hat she sings of";
    let old = wears.replace("new", "old");
    let woollen = wears.replace("new", "woollen").replace('2', "3");
    let cases = [
        ("", vec![wears, &woollen]),
        ("    fillers: [old]\n", vec![&old]),
        ("    fillers: []\n", vec![]),
    ];
    for (own, expected) in cases {
        let experiment = load(&with_fillers("[new, woollen]", own)).unwrap();
        let expected = [&LIKES[..], &expected].concat();
        assert_eq!(fillers(&experiment), expected, "{own}");
        assert_eq!(experiment.pairs(), plain.pairs());
        let n_prompts = plain.prompts().len();
        assert_eq!(experiment.prompts()[..n_prompts], *plain.prompts());
        assert_eq!(experiment.prompts().len(), n_prompts + expected.len());
        assert_eq!(messages(&experiment), [NO_PLACEBO]);
    }
    let none = load(&with_fillers("[]", "    fillers: [new]\n")).unwrap();
    assert_eq!(fillers(&none), [wears.replace('2', "0")]);
}

#[test]
fn a_limit_keeps_the_fillers_of_templates_that_have_a_pair() {
    let experiment = load(&with_fillers("[new, woollen]", "    fillers: [old]\n")).unwrap();
    let limited = |limit: usize| {
        let overrides = Overrides {
            limit: Some(limit),
            ..Overrides::default()
        };
        experiment.clone().with_overrides(&overrides).unwrap()
    };
    assert_eq!(fillers(&limited(4)), fillers(&experiment));
    let one = limited(1);
    assert_eq!(one.pairs()[0].template_id.as_deref(), Some("likes-works"));
    assert_eq!(fillers(&one), LIKES);
    assert_eq!(one.prompts().len(), 4);
    for limit in 1..=4 {
        let limited = limited(limit);
        let kept = fillers(&limited);
        assert!(
            kept.iter()
                .all(|filler| fillers(&experiment).contains(filler))
        );
        let used = limited.pairs().iter();
        let used = used.flat_map(|pair| [pair.test_prompt_idx, pair.control_prompt_idx]);
        let filled = limited.fillers().iter().map(|filler| filler.prompt_idx);
        let mut used: Vec<usize> = used.chain(filled).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), limited.prompts().len(), "{limit}");
    }
}

#[test]
fn top_level_fillers() {
    insta::assert_snapshot!(shown("new"), @r"
    error: `fillers` has the wrong type
      --> x.yaml:25:10
       |
    25 | fillers: new
       |          ^^^ expected a list, found the string `new`
       |
       = hint: for example `fillers: [new, woollen]`
    ");
    insta::assert_snapshot!(shown("[new, New]"), @r"
    error: the filler `New` is listed twice
      --> x.yaml:25:16
       |
    25 | fillers: [new, New]
       |           ---  ^^^ the second
       |           |
       |           the first
    ");
    insta::assert_snapshot!(shown("[\"\", 1]"), @r#"
    error: `fillers` is empty
      --> x.yaml:25:11
       |
    25 | fillers: ["", 1]
       |           ^^ expected some text

    error: `fillers` has the wrong type
      --> x.yaml:25:15
       |
    25 | fillers: ["", 1]
       |               ^ expected a string, found the number `1`
       |
       = hint: put quotes around it: "1"
    "#);
    insta::assert_snapshot!(shown("[new, \"a {concept}\"]"), @r#"
    error: a filler has the slot `{concept}`
      --> x.yaml:25:19
       |
    25 | fillers: [new, "a {concept}"]
       |                   ^^^^^^^^^ a filler is what is put into a slot
    "#);
    insta::assert_snapshot!(shown("[new, Blue]"), @r"
    error: the filler `Blue` is a concept of the template
      --> x.yaml:25:16
       |
    25 | fillers: [new, Blue]
       |                ^^^^ expected a word that is no concept
       |
      ::: x.yaml:24:17
       |
    24 | concepts: [red, blue]
       |                 ---- the concept
    ");
}

#[test]
fn template_fillers() {
    insta::assert_snapshot!(shown_own("[]\n    filers: [new]"), @r"
    error: unknown key `filers`
      --> x.yaml:36:5
       |
    36 |     filers: [new]
       |     ^^^^^^ expected one of: id, category, test, control, concepts, fillers
       |
       = hint: did you mean `fillers`?
    ");
    insta::assert_snapshot!(shown_own("[RED]"), @r"
    error: the filler `RED` is a concept of the template
      --> x.yaml:35:15
       |
    35 |     fillers: [RED]
       |               ^^^ expected a word that is no concept
       |
      ::: x.yaml:34:16
       |
    34 |     concepts: [red]
       |                --- the concept
    ");
    // Blue is a concept, but not of this template.
    assert!(load(&with_fillers("[new]", "    fillers: [blue]\n")).is_ok());
}

#[test]
fn prompts_with_fillers_come_once() {
    let twice = |own: &str, from: &str, to: &str| {
        let text = with_fillers("[new]", own).replace(from, to);
        load(&text).unwrap_err()
    };
    insta::assert_snapshot!(twice("", "The greenhouse is", "He likes new. He works as a"), @r#"
    error: the test prompt `He likes new. He works as a` comes twice
      --> x.yaml:29:11
       |
    29 |     test: "He likes {concept}. He works as a"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the second, with the filler `new`
       |
      ::: x.yaml:39:11
       |
    39 |     test: "He likes new. He works as a"
       |           ----------------------------- the first, with the concept `green`

    1 problem in x.yaml; nothing was run
    "#);
    insta::assert_snapshot!(twice("", "The house is", "In a new hat she sings of"), @r#"
    error: the prompt with the filler `new` is a control prompt
      --> x.yaml:33:11
       |
    33 |     test: "In a {concept} hat she sings of"
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a prompt with a filler is compared with a control prompt

    1 problem in x.yaml; nothing was run
    "#);
}

#[test]
fn a_pairs_file_may_not_hold_a_prompt_with_a_filler() {
    let pairs = with_fillers("[new]", "");
    let pairs = &pairs[..pairs.find("pairs:\n").unwrap()];
    let named = load(&format!("{pairs}pairs: {{published: colors}}\n")).unwrap();
    let pair = FilePair {
        concept: "new".to_owned(),
        concept_family: None,
        category: "1".to_owned(),
        template_id: None,
        test: "He likes new. He works as a".to_owned(),
        control: "He is".to_owned(),
    };
    let file = PairsFile {
        sha256: Digest::of(b"workbook"),
        mapping_sha256: None,
        pairs: vec![pair],
    };
    let errors = named.with_pairs_file(file).unwrap_err();
    let message = "the test prompt `He likes new. He works as a` comes twice";
    assert_eq!(errors.problems()[0].message(), message);
}

#[test]
fn fillers_that_no_template_takes_are_warned_of() {
    let own = GOOD.replace(
        "    control: \"He works as a\"\n",
        "    control: \"He works as a\"\n    fillers: []\n",
    );
    let text = own.replace(CONCEPTS, &format!("{CONCEPTS}\nfillers: [new]"));
    let text = text.replace(OWN, &format!("{OWN}    fillers: [old]\n"));
    let experiment = load(&text).unwrap();
    assert_eq!(
        messages(&experiment),
        ["no template takes the fillers", NO_PLACEBO]
    );
}
