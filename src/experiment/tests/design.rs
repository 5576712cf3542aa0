//! The design of an experiment: how many generations each prompt has, and how evenly templates meet concepts.

use std::path::Path;

use super::*;
use crate::experiment::balance::range;

/// The good file with these templates of one category, each with its concepts.
fn with_templates(templates: &[&str]) -> String {
    let start = GOOD.find("concepts: [red").unwrap();
    let end = GOOD.find("pairs:\n").unwrap();
    let list = templates.iter().enumerate().map(|(idx, concepts)| {
        format!(
            "  - id: t{idx}\n    category: color-to-other\n    test: \"A {{concept}} n{idx} is\"\n    control: \"A n{idx} is\"\n    concepts: [{concepts}]\n"
        )
    });
    let list: String = list.collect();
    format!(
        "{}concepts: [red, blue, gray, green]\ntemplates:\n{list}{}",
        &GOOD[..start],
        &GOOD[end..]
    )
}

/// The warnings about the balance of these templates.
fn unbalanced(templates: &[&str]) -> String {
    let files = Files::new(&[("x.yaml", &with_templates(templates))]);
    let experiment = files.load("x.yaml").unwrap();
    let warnings = experiment.warnings().iter();
    let shown = warnings.filter(|it| it.message().starts_with("in the category"));
    files.relative(&shown.map(|it| format!("{it}\n")).collect::<String>())
}

/// Blocks of two of three colours, each pair once.
const EVEN: [&str; 3] = ["red, blue", "blue, gray", "gray, red"];

#[test]
fn even_designs_are_not_warned_of() {
    assert_eq!(unbalanced(&EVEN), "");
    assert_eq!(unbalanced(&["red, blue, gray"; 2]), "");
    // Four templates cannot be divided among three concepts; one apart is as even as can be.
    assert_eq!(unbalanced(&["red", "blue", "gray", "red"]), "");
    let experiment = load(&with_templates(&EVEN)).unwrap();
    let found = experiment.balance().unwrap();
    assert_eq!((found.n_templates, found.n_in_template), (3, [2, 2]));
    assert!(found.n_of_concepts.values().all(|n| *n == 2), "{found:?}");
    assert!(found.n_of_two.values().all(|n| *n == 1), "{found:?}");
    assert_eq!(found.n_of_two.len(), 3);
}

#[test]
fn uneven_designs_are_named() {
    let two_blocks = ["red, blue", "red, blue", "gray, green", "gray, green"];
    let shown = ["red, blue", "red, blue", "red, gray"];
    let shown = [unbalanced(&shown), unbalanced(&two_blocks)].concat();
    insta::assert_snapshot!(shown, @r"
    warning: in the category `color-to-other` concepts do not fill equally many templates
      --> x.yaml:30:16
       |
    30 |     concepts: [red, blue]
       |                ^^^ fewest templates: 1 of `gray`; most: 3 of `red`
    warning: in the category `color-to-other` pairs of concepts do not meet equally often in a template
      --> x.yaml:30:16
       |
    30 |     concepts: [red, blue]
       |                ^^^ fewest templates: 0 of `blue` and `gray`; most: 2 of `blue` and `red`
    warning: in the category `color-to-other` pairs of concepts do not meet equally often in a template
      --> x.yaml:30:16
       |
    30 |     concepts: [red, blue]
       |                ^^^ fewest templates: 0 of `blue` and `gray`, `blue` and `green`, `gray` and `red`, `green` and `red`; most: 2 of `blue` and `red`, `gray` and `green`
    ");
}

/// Concepts of one family need not meet.
#[test]
fn families_need_not_meet() {
    let templates = ["red, blue", "crimson, blue"];
    let text = with_templates(&templates);
    let text = text.replace(
        "concepts: [red, blue, gray, green]",
        "concepts: [red, crimson, blue]\nconcept_families: {red: [crimson]}",
    );
    let experiment = load(&text).unwrap();
    let pairs = experiment.balance().unwrap().n_of_two;
    assert!(!pairs.contains_key(&["crimson".to_owned(), "red".to_owned()]));
    assert_eq!(pairs.len(), 2);
}

/// Controls have fifteen, test prompts the five of the file.
#[test]
fn a_plan_has_as_many_requests_as_the_larger_number() {
    let overrides = Overrides {
        control_repeats: Some(15),
        ..Overrides::default()
    };
    let experiment = load(GOOD).unwrap().with_overrides(&overrides).unwrap();
    assert_eq!(experiment.repeat_counts().control, 15);
    let controls: Vec<usize> = experiment
        .pairs()
        .iter()
        .map(|pair| pair.control_prompt_idx)
        .collect();
    let expected = (0..experiment.prompts().len()).map(|idx| match controls.contains(&idx) {
        true => 15,
        false => 5,
    });
    assert_eq!(experiment.n_requests(), expected.collect::<Vec<u32>>());
    let sampling = experiment.samplings(None).swap_remove(0);
    let context = experiment.request_context(Digest::of(b"model"), sampling, "s".to_owned());
    let prompt_tokens: Vec<Arc<[u32]>> = (0..experiment.prompts().len() as u32)
        .map(|last| Arc::from([1, last]))
        .collect();
    let plan = plan_requests(&experiment, &prompt_tokens, &context);
    let n_requests: u32 = experiment.n_requests().iter().sum();
    assert_eq!(plan.requests().len(), n_requests as usize);
    let last = plan.request(controls[0], 14);
    let tokens = Arc::clone(&prompt_tokens[controls[0]]);
    assert_eq!(last, &context.request(tokens, 14));
}

/// An experiment of this checkout, which must be without a warning.
fn shipped(name: &str) -> Experiment {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let experiment = Experiment::load(&folder.join(name)).unwrap();
    assert!(experiment.warnings().is_empty(), "{name}");
    experiment
}

/// The least and the most templates of a concept, and of two concepts of different families.
fn evenness(experiment: &Experiment) -> [Option<[usize; 2]>; 2] {
    let found = experiment.balance().unwrap();
    assert_eq!(found.n_in_template, [3, 3]);
    [
        range(found.n_of_concepts.into_values()),
        range(found.n_of_two.into_values()),
    ]
}

#[test]
fn shipped_designs_are_even() {
    let colors = shipped("colors.yaml");
    assert_eq!(colors.balance().unwrap().n_templates, 110);
    assert_eq!(evenness(&colors), [Some([30, 30]), Some([6, 6])]);
    for domain in [
        "animals",
        "foods",
        "occupations",
        "music",
        "weather",
        "places",
    ] {
        let domain = shipped(&format!("suite/{domain}.yaml"));
        assert_eq!(domain.pairs().len(), 360);
        assert_eq!(evenness(&domain), [Some([30, 30]), Some([6, 6])]);
    }
    assert_eq!(shipped("suite/all.yaml").pairs().len(), 2160);
}

#[test]
fn other_repeats_keep_the_ratio_of_controls() {
    let counts = |control: &str, repeats: u32| {
        let text = GOOD.replace("repeats: 5", &format!("repeats: 5\n  {control}"));
        let overrides = Overrides {
            repeats: Some(repeats),
            ..Overrides::default()
        };
        let experiment = load(&text).unwrap().with_overrides(&overrides);
        experiment.map(|it| (it.repeat_counts().test, it.repeat_counts().control))
    };
    assert_eq!(counts("control_repeats: 15", 2).unwrap(), (2, 6));
    assert_eq!(counts("control_repeats: 1", 10).unwrap(), (10, 2));
}
