//! Placebo and specificity: a test generation against those whose prompt held another concept.
//!
//! Owns the figures of one pair, from the similarities of all generations of its template. `docs/validity.md` has the
//! definitions and the proofs: where generations do not depend on which concept stands in the prompt, specificity is 1/2,
//! and specific leakage and each of its parts are 0. Where similarities come from does not matter here; means over pairs
//! are in `leak_rate`.

use std::collections::BTreeSet;

use super::group::{Group, texts_at};
use super::mentions::Mentions;
use super::weights::Weights;

/// The comparisons of a test generation besides the one with its control, or of a distribution of generations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Specific {
    /// Against siblings: the pairs of the same template and control whose concept is of another family; None without any.
    pub siblings: Option<SiblingFigures>,
    /// Of a pair without siblings, the mean verdict on the same two texts by the similarity to other concepts, 0 to 1.
    pub anchor_placebo: Option<f64>,
    /// The mean verdict on generations whose prompt holds a neutral filler, 0 to 1; None without fillers.
    pub filler_rate: Option<f64>,
    /// The probability that the test generation holds the concept, inflected or not, 0 to 1.
    pub echo: f64,
    /// The same of the control generation.
    pub control_echo: f64,
    /// The probability that the test generation holds a word of the concept or restates its prompt, 0 to 1.
    pub own_repetition: f64,
    /// The amount by which the test generation is closer to its concept than it is to any other concept, than siblings'
    /// generations are and than the control generation is, the least of them; None without other concepts.
    pub margin: Option<f64>,
}

/// The comparisons with siblings. Probabilities, 0 to 1; parts of differences of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SiblingFigures {
    /// Siblings that have generations, at least 1.
    pub n_siblings: usize,
    /// Their texts, at least 1 for each.
    pub n_texts: usize,
    /// Verdict of siblings' generations against the control, by the similarity to this pair's concept.
    pub placebo: f64,
    /// The part of the leak less `placebo` from comparisons in which one of the two generations repeats.
    pub repetition: f64,
    /// Verdict of the test generation against all generations of the siblings.
    pub specificity: f64,
    /// The part of `specificity` less 1/2 from comparisons in which one of the two generations repeats.
    pub specificity_repetition: f64,
    /// The probability that a sibling's generation holds this pair's concept.
    pub sibling_echo: f64,
}

/// A sibling of a pair, as the pair's concept sees all of its texts.
struct Sibling {
    held: usize,
    all: Weights,
    /// Those that repeat nothing in a comparison with the pair.
    plain: Weights,
}

/// A pair, with one repeat of its texts or all of them.
struct Slice<'g> {
    group: &'g Group<'g>,
    mentions: &'g Mentions,
    pair: usize,
    repeat_idx: Option<u32>,
}

impl Group<'_> {
    /// The figures of each pair: one for each repeat of its test prompt that the control has too, or a single one, with
    /// the repeat 0, where texts are distributions.
    pub fn specifics(&self) -> Vec<Vec<(u32, Specific)>> {
        let mentions = Mentions::of(self);
        let of_pair = |pair| self.specifics_of(pair, &mentions);
        (0..self.n_pairs).map(of_pair).collect()
    }

    /// The mean similarity of each of the pairs' concepts to the texts of each pair, `[measured][held]`.
    pub fn mean_similarities(&self) -> Vec<Vec<f64>> {
        let mean = |measured: usize, held: usize| {
            let texts = self.held[held].at(None);
            expected(&texts, &self.similarities[measured][held])
        };
        let row = |measured| (0..self.n_pairs).map(|held| mean(measured, held)).collect();
        (0..self.n_pairs).map(row).collect()
    }

    fn specifics_of(&self, pair: usize, mentions: &Mentions) -> Vec<(u32, Specific)> {
        let siblings = self.siblings(pair, mentions);
        let repeats: BTreeSet<Option<u32>> = self.held[pair].repeats().collect();
        let found = repeats.into_iter().filter_map(|repeat_idx| {
            let slice = Slice {
                group: self,
                mentions,
                pair,
                repeat_idx,
            };
            Some((repeat_idx.unwrap_or(0), slice.specific(&siblings)?))
        });
        found.collect()
    }

    /// The pairs of another family.
    fn siblings(&self, pair: usize, mentions: &Mentions) -> Vec<Sibling> {
        let others = (0..self.n_pairs).filter(|&other| self.are_others(pair, other));
        others
            .map(|held| {
                let seen = &self.similarities[pair][held];
                let texts = self.held[held].at(None);
                let weighted = |&(text, weight): &(usize, f64)| (seen[text], weight);
                let is_plain =
                    |&&(text, _): &&(usize, f64)| !mentions.repeats(held, text, [pair, held]);
                Sibling {
                    held,
                    all: Weights::of(texts.iter().map(weighted)),
                    plain: Weights::of(texts.iter().filter(is_plain).map(weighted)),
                }
            })
            .collect()
    }

    fn are_others(&self, a: usize, b: usize) -> bool {
        self.measured[a].family != self.measured[b].family
    }
}

/// The mean of values by the places of weighted texts.
fn expected(texts: &[(usize, f64)], values: &[f64]) -> f64 {
    texts
        .iter()
        .map(|(text, weight)| weight * values[*text])
        .sum()
}

impl Slice<'_> {
    /// None where the control prompt has no text to compare with.
    fn specific(&self, siblings: &[Sibling]) -> Option<Specific> {
        let group = self.group;
        let control = texts_at(&group.control, self.repeat_idx);
        if control.is_empty() {
            return None;
        }
        let by_siblings = self.sibling_figures(&control, siblings);
        let own = self.texts(self.pair);
        let anchors = || (0..group.measured.len()).filter(|&it| group.are_others(self.pair, it));
        let is_alone = siblings.is_empty();
        Some(Specific {
            siblings: by_siblings,
            anchor_placebo: is_alone
                .then(|| mean(anchors().map(|anchor| self.leak(anchor, self.pair, &control))))
                .flatten(),
            filler_rate: mean(
                (group.n_pairs..group.held.len())
                    .filter(|&filler| !self.texts(filler).is_empty())
                    .map(|filler| self.leak(self.pair, filler, &control)),
            ),
            echo: self.echo(self.pair),
            control_echo: probability(
                control
                    .iter()
                    .map(|(text, weight)| (*weight, self.mentions.control_holds(*text, self.pair))),
            ),
            own_repetition: probability(own.iter().map(|(text, weight)| {
                let repeats = self.repeats(self.pair, *text, self.pair);
                (*weight, repeats)
            })),
            margin: self.margin(&control, siblings, anchors()),
        })
    }

    fn texts(&self, held: usize) -> Vec<(usize, f64)> {
        self.group.held[held].at(self.repeat_idx)
    }

    /// The verdict of a prompt's texts against the control, by a concept.
    fn leak(&self, measured: usize, held: usize, control: &[(usize, f64)]) -> f64 {
        let of_control = self.control_weights(measured, control);
        let seen = &self.group.similarities[measured][held];
        let texts = self.texts(held);
        let verdicts = texts
            .iter()
            .map(|(text, weight)| weight * of_control.leak(seen[*text]));
        verdicts.sum()
    }

    fn control_weights(&self, measured: usize, control: &[(usize, f64)]) -> Weights {
        let seen = &self.group.control_similarities[measured];
        Weights::of(control.iter().map(|(text, weight)| (seen[*text], *weight)))
    }

    /// The probability that a prompt's text holds the pair's concept.
    fn echo(&self, held: usize) -> f64 {
        let texts = self.texts(held);
        probability(
            texts
                .iter()
                .map(|(text, weight)| (*weight, self.mentions.holds(held, *text, self.pair))),
        )
    }

    fn sibling_figures(
        &self,
        control: &[(usize, f64)],
        siblings: &[Sibling],
    ) -> Option<SiblingFigures> {
        let of_control = self.control_weights(self.pair, control);
        let present = siblings
            .iter()
            .filter(|sibling| !self.texts(sibling.held).is_empty());
        let found: Vec<[f64; 5]> = present
            .map(|sibling| self.against(sibling, &of_control))
            .collect();
        let mean_of = |place: usize| mean(found.iter().map(|figures| figures[place]));
        Some(SiblingFigures {
            n_siblings: siblings.len(),
            n_texts: siblings
                .iter()
                .map(|it| self.group.held[it.held].texts.len())
                .sum(),
            placebo: mean_of(0)?.clamp(0.0, 1.0),
            repetition: mean_of(1)?.clamp(-1.0, 1.0),
            specificity: mean_of(2)?.clamp(0.0, 1.0),
            specificity_repetition: mean_of(3)?.clamp(-0.5, 0.5),
            sibling_echo: mean_of(4)?.clamp(0.0, 1.0),
        })
    }

    /// The figures of [`SiblingFigures`] against one sibling, in their order.
    ///
    /// Association is what comparisons of texts add that repeat nothing: of independent texts, the product of their
    /// weights times the difference of their verdicts.
    fn against(&self, sibling: &Sibling, of_control: &Weights) -> [f64; 5] {
        let own = self.verdicts(self.pair, sibling.held, of_control);
        let others = self.verdicts(sibling.held, sibling.held, of_control);
        let association = own.plain * others.plain_weight - others.plain * own.plain_weight;
        let [mut specificity, mut specificity_association] = [0.0; 2];
        let seen = &self.group.similarities[self.pair][self.pair];
        for (text, weight) in self.texts(self.pair) {
            specificity += weight * sibling.all.leak(seen[text]);
            if !self.repeats(self.pair, text, sibling.held) {
                let gain = sibling.plain.leak(seen[text]) - 0.5 * sibling.plain.total();
                specificity_association += weight * gain;
            }
        }
        [
            others.all,
            own.all - others.all - association,
            specificity,
            specificity - 0.5 - specificity_association,
            self.echo(sibling.held),
        ]
    }

    /// True if a text holds the pair's or the sibling's concept or restates one of their prompts.
    fn repeats(&self, held: usize, text: usize, sibling: usize) -> bool {
        self.mentions.repeats(held, text, [self.pair, sibling])
    }

    /// The verdicts of a prompt's texts against the control, by the pair's concept, in a comparison with `sibling`.
    fn verdicts(&self, held: usize, sibling: usize, of_control: &Weights) -> Verdicts {
        let seen = &self.group.similarities[self.pair][held];
        let mut sums = Verdicts::default();
        for (text, weight) in self.texts(held) {
            let verdict = weight * of_control.leak(seen[text]);
            sums.all += verdict;
            if !self.repeats(held, text, sibling) {
                sums.plain += verdict;
                sums.plain_weight += weight;
            }
        }
        sums
    }

    fn margin(
        &self,
        control: &[(usize, f64)],
        siblings: &[Sibling],
        others: impl Iterator<Item = usize>,
    ) -> Option<f64> {
        let (group, pair) = (self.group, self.pair);
        let own = self.texts(pair);
        let seen_by = |measured: usize| expected(&own, &group.similarities[measured][pair]);
        let to_other_concepts = others.map(seen_by).reduce(f64::max)?;
        let of_siblings = mean(siblings.iter().map(|sibling| {
            let texts = group.held[sibling.held].at(None);
            expected(&texts, &group.similarities[pair][sibling.held])
        }));
        let of_control = expected(control, &group.control_similarities[pair]);
        let nearest = to_other_concepts.max(of_control);
        Some(seen_by(pair) - of_siblings.map_or(nearest, |siblings| nearest.max(siblings)))
    }
}

/// Sums over the texts of a prompt.
#[derive(Debug, Clone, Copy, Default)]
struct Verdicts {
    all: f64,
    /// Of the texts that repeat nothing.
    plain: f64,
    /// Their weight.
    plain_weight: f64,
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}

/// The weight of what is true.
fn probability(weighted: impl Iterator<Item = (f64, bool)>) -> f64 {
    let held = weighted.map(|(weight, is_true)| if is_true { weight } else { 0.0 });
    held.sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
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
        Group {
            n_pairs: 4,
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
}
