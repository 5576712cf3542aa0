//! The figures of one group against every comparison of two texts by itself.

use proptest::prelude::*;

use super::*;
use crate::leakage::{GroupText, HeldPrompt, MeasuredConcept};

const CONCEPTS: [(&str, &str); 4] = [
    ("red", "red"),
    ("crimson", "red"),
    ("blue", "blue"),
    ("green", "green"),
];
const PROMPTS: [&str; 4] = [
    "Yes. She wore a red hat",
    "Yes. She wore a crimson hat",
    "Yes. She wore a blue hat",
    "Yes. She wore a green hat",
];
const TEXTS: [[&str; 3]; 4] = [
    ["a red car", "sea", "She wore a hat"],
    ["crimson", "sky", "a blue sea"],
    ["sky", "blues", "sky"],
    ["grass", "tea", "red sky"],
];
const CONTROL: [&str; 3] = ["tea", "a blue hat", "sea"];

/// Repeats, or distributions with the weights of each prompt's texts and of the control's.
fn group(weights: Option<([[f64; 3]; 4], [f64; 3])>) -> Group<'static> {
    let texts = |texts: &[&'static str; 3], weights: Option<[f64; 3]>| {
        let numbered = texts.iter().enumerate();
        let texts = numbered.map(|(idx, text)| GroupText {
            text,
            repeat_idx: weights.is_none().then_some(idx as u32),
            weight: weights.map_or(1.0 / 3.0, |weights| weights[idx]),
        });
        texts.collect::<Vec<_>>()
    };
    let tenths = |number: usize, modulus: usize| (number % modulus) as f64 / 10.0;
    let places = 0..4usize;
    let similarities = places.clone().map(|m| {
        let of_prompt = |g: usize| {
            let of_text = |i: usize| tenths(7 * m + 5 * g + 3 * i + m * g * i, 11);
            (0..3).map(of_text).collect()
        };
        (0..4).map(of_prompt).collect()
    });
    let repeats = match weights {
        Some(_) => vec![ComparedRepeats::equal(None)],
        None => (0..3).map(|i| ComparedRepeats::equal(Some(i))).collect(),
    };
    Group {
        n_pairs: 4,
        compared: vec![repeats; 4],
        measured: CONCEPTS
            .map(|(concept, family)| MeasuredConcept { concept, family })
            .into(),
        held: places
            .clone()
            .map(|place| HeldPrompt {
                prompt: PROMPTS[place],
                texts: texts(&TEXTS[place], weights.map(|(of_tests, _)| of_tests[place])),
            })
            .collect(),
        control: texts(&CONTROL, weights.map(|(_, of_control)| of_control)),
        similarities: similarities.collect(),
        control_similarities: places
            .map(|m| (0..3).map(|i| tenths(3 * m + 4 * i, 7)).collect())
            .collect(),
    }
}

fn check(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }
}

/// numpy 2.4.6 from the definitions, every comparison of two texts by itself:
/// ```python
/// h = lambda x, y: (x > y) + (x == y) / 2
/// s = lambda m, g, i: (7 * m + 5 * g + 3 * i + m * g * i) % 11 / 10
/// t = lambda m, i: (3 * m + 4 * i) % 7 / 10
/// def r(g, i, c, o):
///   words = texts[g][i].lower().split(); forms = lambda x: (concepts[x], concepts[x] + "s")
///   return any(w in forms(x) for x in (c, o) for w in words) or texts[g][i].startswith("She wore a")
/// for c in range(4):
///   os = [o for o in range(4) if families[o] != families[c]]
///   for i in range(3):
///     own, p = h(s(c, c, i), t(c, i)), [h(s(c, o, i), t(c, i)) for o in os]
///     by = [own - v for o, v in zip(os, p) if r(c, i, c, o) or r(o, i, c, o)]
///     S = [(h(s(c, c, i), s(c, o, j)), r(c, i, c, o) or r(o, j, c, o)) for o in os for j in range(3)]
///     print(np.mean(p), sum(by) / len(os), np.mean([v for v, _ in S]), np.mean([(v - .5) * q for v, q in S]))
/// ```
#[test]
fn figures_of_repeats_are_those_of_every_comparison() {
    let found = group(None).specifics();
    let expected = [
        [1.0, -0.5, 0.0, -0.5],
        [0.5, 0.0, 1.0 / 6.0, 0.0],
        [1.0, 0.0, 0.5, 0.0],
        [0.5, -0.5, 5.0 / 12.0, -1.0 / 12.0],
        [0.75, 0.25, 7.0 / 12.0, 1.0 / 12.0],
        [0.5, 0.0, 1.0, 0.25],
        [2.0 / 3.0, -1.0 / 3.0, 1.0 / 18.0, -2.0 / 9.0],
        [2.0 / 3.0, 1.0 / 3.0, 17.0 / 18.0, 4.0 / 9.0],
        [1.0, 0.0, 7.0 / 18.0, -1.0 / 9.0],
        [1.0, 0.0, 1.0 / 9.0, -2.0 / 9.0],
        [2.0 / 3.0, -1.0 / 3.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0, 0.0, 7.0 / 18.0, 0.0],
    ];
    let found: Vec<(u32, Specific)> = found.into_iter().flatten().collect();
    assert_eq!(found.len(), expected.len());
    for ((_, found), expected) in found.iter().zip(expected) {
        let of = found.siblings.unwrap();
        let figures = [
            of.placebo,
            of.repetition,
            of.specificity,
            of.specificity_repetition,
        ];
        check(&figures, &expected);
        assert_eq!((found.anchor_placebo, found.filler_rate), (None, None));
    }
    let echoes: Vec<f64> = found.iter().map(|(_, found)| found.echo).collect();
    assert_eq!(echoes, [1., 0., 0., 1., 0., 0., 0., 1., 0., 0., 0., 0.]);
    assert_eq!(found[7].1.control_echo, 1.0);
    check(&[found[2].1.siblings.unwrap().sibling_echo], &[0.5]);
    let margins: Vec<f64> = found.iter().filter_map(|(_, found)| found.margin).collect();
    let expected = [
        -1.0,
        -1.0 / 3.0,
        -0.3,
        -0.7,
        -0.5,
        0.2,
        -0.8,
        0.2,
        -1.0 / 18.0,
        -0.4,
        -0.3,
        -0.5,
    ];
    check(&margins, &expected);
}

/// The same with the weights of distributions: sums over i, j and the control's k of their products.
#[test]
fn figures_of_distributions_are_those_of_every_comparison() {
    let of_tests = [
        [0.5, 0.25, 0.25],
        [0.2, 0.3, 0.5],
        [0.1, 0.6, 0.3],
        [0.4, 0.4, 0.2],
    ];
    let found = group(Some((of_tests, [0.25, 0.5, 0.25]))).specifics();
    let expected = [
        [0.8, -0.3, 0.2375, -0.1875],
        [0.575, 0.165, 0.8125, 0.18],
        [0.764583333333, 0.102083333333, 0.7, 0.228333333333],
        [0.71875, -0.202916666667, 0.145, -0.215],
    ];
    for (found, expected) in found.iter().zip(expected) {
        let [(0, found)] = &found[..] else {
            panic!("one row for each pair: {found:?}");
        };
        let of = found.siblings.unwrap();
        let figures = [
            of.placebo,
            of.repetition,
            of.specificity,
            of.specificity_repetition,
        ];
        check(&figures, &expected);
    }
}

/// A pair alone, with two anchors, and a filler in its template.
#[test]
fn a_pair_without_siblings_has_its_anchors() {
    let whole = group(None);
    let alone = Group {
        n_pairs: 1,
        held: vec![whole.held[0].clone(), whole.held[3].clone()],
        similarities: whole
            .similarities
            .iter()
            .map(|of| vec![of[0].clone(), of[3].clone()])
            .collect(),
        ..whole
    };
    let found = alone.specifics().swap_remove(0);
    assert!(found.iter().all(|(_, found)| found.siblings.is_none()));
    // h(s(m, 0, i), t(m, i)) for m = 2 and 3, and h(s(0, 3, i), t(0, i)), by hand.
    let anchors: Vec<f64> = found
        .iter()
        .filter_map(|(_, it)| it.anchor_placebo)
        .collect();
    assert_eq!(anchors, [0.5, 0.5, 1.0]);
    let fillers: Vec<f64> = found.iter().filter_map(|(_, it)| it.filler_rate).collect();
    assert_eq!(fillers, [1.0, 1.0, 1.0]);
}

/// Siblings that lack a repeat were left out of the specificity of that repeat, in which no control takes part.
#[test]
fn specificity_takes_all_texts_of_a_sibling_that_lacks_the_repeat() {
    let whole = group(None).specifics().swap_remove(0);
    let mut group = group(None);
    group.held[2].texts.remove(1);
    for of_concept in &mut group.similarities {
        of_concept[2].remove(1);
    }
    let found = group.specifics().swap_remove(0);
    let of = |found: &[(u32, Specific)]| found[1].1.siblings.unwrap();
    // Blue's second text has the similarity (10 + 3) % 11 / 10 to red, above the own one of 3 / 10: with it the verdicts
    // of the second repeat against blue are 0, without it they are those of the other two texts.
    let seen = &group.similarities[0][2];
    let leaks = seen.iter().filter(|other| 0.3 > **other).count() as f64 / 2.0;
    let of_blue = 2.0 * of(&found).specificity - of_green(&group);
    check(&[of_blue], &[leaks]);
    // The placebo of that repeat is green's alone.
    assert!(of(&found).placebo != of(&whole).placebo || of(&whole).placebo == 1.0);
}

/// The specificity of red's second text against green alone.
fn of_green(group: &Group<'_>) -> f64 {
    let own = group.similarities[0][0][1];
    let verdict =
        |other: &f64| f64::from(u8::from(own > *other)) + 0.5 * f64::from(u8::from(own == *other));
    group.similarities[0][3].iter().map(verdict).sum::<f64>() / 3.0
}

#[test]
fn a_repeat_that_the_control_lacks_is_left_out() {
    let mut group = group(None);
    group.control.remove(1);
    for similarities in &mut group.control_similarities {
        similarities.remove(1);
    }
    let found = group.specifics();
    let repeats: Vec<u32> = found[0].iter().map(|(repeat_idx, _)| *repeat_idx).collect();
    assert_eq!(repeats, [0, 2]);
}

proptest! {
    /// Exchanging the texts of two concepts swaps which of them is closer: the parts change their sign with it.
    #[test]
    fn exchanging_two_concepts_texts_mirrors_every_part(
        tenths in prop::collection::vec(0u8..8, 24), picks in prop::collection::vec(0usize..6, 6),
    ) {
        let vocabulary = ["red", "blues", "sky", "She wore a red", "tea", "a blue sea"];
        let texts: Vec<&str> = picks.iter().map(|pick| vocabulary[*pick]).collect();
        let group = |order: [usize; 2]| {
            let held = |place: usize| HeldPrompt {
                prompt: ["She wore a red hat", "She wore a blue hat"][place],
                texts: (0..3)
                    .map(|i| GroupText { text: texts[3 * order[place] + i], repeat_idx: Some(i as u32), weight: 1.0 / 3.0 })
                    .collect(),
            };
            let seen = |m: usize, g: usize| (0..3).map(|i| f64::from(tenths[6 * m + 3 * order[g] + i])).collect();
            Group {
                n_pairs: 2,
                compared: vec![(0..3).map(|i| ComparedRepeats::equal(Some(i))).collect(); 2],
                measured: ["red", "blue"].map(|concept| MeasuredConcept { concept, family: concept }).into(),
                held: vec![held(0), held(1)],
                control: (0..3).map(|i| GroupText { text: "tea", repeat_idx: Some(i), weight: 1.0 / 3.0 }).collect(),
                similarities: (0..2).map(|m| (0..2).map(|g| seen(m, g)).collect()).collect(),
                control_similarities: vec![
                    (12..15).map(|i| f64::from(tenths[i])).collect(),
                    (15..18).map(|i| f64::from(tenths[i])).collect(),
                ],
            }
        };
        let sums = |order| {
            let found = group(order).specifics().swap_remove(0);
            let siblings = || found.iter().filter_map(|(_, found)| found.siblings);
            let sum = |value: fn(SiblingFigures) -> f64| siblings().map(value).sum::<f64>();
            [sum(|of| of.specificity - 0.5), sum(|of| of.specificity_repetition), sum(|of| of.repetition)]
        };
        for (a, b) in sums([0, 1]).into_iter().zip(sums([1, 0])) {
            prop_assert!((a + b).abs() < 1e-9, "{} {}", a, b);
        }
    }
}
