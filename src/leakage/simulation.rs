//! Made-up experiments in which it is known what is true, with the variances that were measured.
//!
//! Owns the similarities, the estimates that come of them, and the true values. A similarity is a sum of random parts, nearly all of them normal; a
//! pair leaks where that of its test text is above that of its control text, and its specificity compares test texts with
//! each other. Templates have a part of their own, concepts have one where they are not alike, each prompt has one, half of
//! it towards any concept and half towards its own, and each text has one, to which what a single concept sees of it is
//! added. Each part is drawn anew for each condition, but for what conditions have in common. Concepts and templates cross.
//!
//! The variances are such that differences of verdicts vary as between quantizations of a 1.5B model in the default
//! colour experiment, or as nearly as a normal threshold allows: 0.005 for templates, 0.101 for the control texts that all
//! concepts of a template share, 0.010 for prompts, 0.299 for single verdicts; 0 or 0.005 for concepts.

use std::sync::Arc;

use super::estimate::{CrossedPair, PairEstimate};
use super::specificity::{SiblingFigures, Specific};
use crate::generation::RepeatCounts;
use crate::stats::{Draws, normal_cdf, normal_quantile};

/// The variance of the part of templates: common to conditions, and of each condition.
const TEMPLATE: [f64; 2] = [0.096, 0.016];
/// The same of prompts.
const PROMPT: [f64; 2] = [0.157, 0.030];
/// The same of concepts; the first is a part of that of prompts.
const CONCEPT: [f64; 2] = [0.016, 0.016];
/// The variance of a text's part.
const TEXT: f64 = 0.308;
/// The variance of what a concept sees of a text besides. It is uniform, which costs less and changes no probability by
/// a ten thousandth.
const SEEN: f64 = 0.043;
/// The variance of the difference of two texts as a concept sees them.
const DRAWS: f64 = 2.0 * (TEXT + SEEN);

/// How concepts differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConceptEffects {
    /// They do not.
    Absent,
    /// They do, and the true values are those of these concepts.
    OfThese,
    /// They do, and the true values are those of all concepts like these.
    OfAll,
}

/// A made-up experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedDesign {
    /// The concepts of each template, which has a control prompt of its own.
    pub templates: Vec<Vec<usize>>,
    /// Repeats of test and of control prompts; None where probabilities are exact.
    pub n_repeats: Option<RepeatCounts>,
    /// How concepts differ.
    pub concepts: ConceptEffects,
}

/// How much more alike test texts are to concepts than control texts are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Means {
    /// To any concept.
    pub(super) slot: f64,
    /// To their own one besides.
    pub(super) own: f64,
}

/// The true values of a condition, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Truth {
    pub(super) leak_rate: f64,
    pub(super) specific_leakage: f64,
    pub(super) specificity: f64,
}

/// The parts of an experiment that are not drawn with texts: of each template, of each prompt towards any concept and
/// towards its own, and the same of each concept.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    templates: Vec<f64>,
    any: Vec<Vec<f64>>,
    own: Vec<Vec<f64>>,
    concepts_any: Vec<f64>,
    concepts_own: Vec<f64>,
}

/// A condition of an experiment.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    means: Means,
    parts: Parts,
}

/// The texts of a condition, as estimates and as tables for the permutation test.
pub(super) struct Answers {
    /// By pair and then by row.
    pub(super) pairs: Vec<PairEstimate>,
    /// The mean similarities of each template with several concepts.
    pub(super) tables: Vec<Vec<Vec<f64>>>,
}

impl SimulatedDesign {
    /// Each of the first `n_concepts` concepts in each template.
    pub fn crossed(n_templates: usize, n_concepts: usize) -> Vec<Vec<usize>> {
        vec![(0..n_concepts).collect(); n_templates]
    }

    /// Three of eleven concepts in each of 110 templates, every two of them equally often.
    pub fn blocks_of_three() -> Vec<Vec<usize>> {
        let blocks = (1..=5).flat_map(|i| {
            (0..11).map(move |shift| [0, i, 3 * i].map(|it| (it + shift) % 11).to_vec())
        });
        let blocks: Vec<Vec<usize>> = blocks.collect();
        [blocks.clone(), blocks].concat()
    }

    fn n_concepts(&self) -> usize {
        let last = self.templates.iter().flatten().max();
        1 + last.copied().unwrap_or(0)
    }

    /// Parts of these variances: of templates, of prompts, of concepts.
    fn parts(&self, [template, prompt, concept]: [f64; 3], draws: &mut Draws) -> Parts {
        let mut normals = |n: usize, variance: f64| -> Vec<f64> {
            (0..n)
                .map(|_| variance.sqrt() * draws.next_normal())
                .collect()
        };
        let n_concepts = self.n_concepts();
        let templates = normals(self.templates.len(), template);
        let mut of_prompts = || {
            let sizes = self.templates.iter().map(Vec::len);
            sizes.map(|n| normals(n, prompt / 2.0)).collect()
        };
        let (any, own) = (of_prompts(), of_prompts());
        Parts {
            templates,
            any,
            own,
            concepts_any: normals(n_concepts, concept / 2.0),
            concepts_own: normals(n_concepts, concept / 2.0),
        }
    }

    fn has_concepts(&self) -> bool {
        self.concepts != ConceptEffects::Absent
    }

    /// The parts that all conditions have in common.
    pub(super) fn common(&self, draws: &mut Draws) -> Parts {
        let concept = if self.has_concepts() { CONCEPT[0] } else { 0.0 };
        self.parts([TEMPLATE[0], PROMPT[0] - concept, concept], draws)
    }

    /// A condition with what all have in common.
    pub(super) fn condition(&self, common: &Parts, means: Means, draws: &mut Draws) -> Condition {
        let concept = if self.has_concepts() { CONCEPT[1] } else { 0.0 };
        let own = self.parts([TEMPLATE[1], PROMPT[1], concept], draws);
        Condition {
            means,
            parts: common.plus(&own),
        }
    }

    /// A condition whose texts do not depend on which concept stands in the prompt.
    pub(super) fn null(&self, slot: f64, draws: &mut Draws) -> Condition {
        Condition {
            means: Means { slot, own: 0.0 },
            parts: self.parts([TEMPLATE[0] + TEMPLATE[1], 0.0, 0.0], draws),
        }
    }

    /// The true values of a condition.
    pub(super) fn truth(&self, condition: &Condition) -> Truth {
        let Means { slot, own } = condition.means;
        let concept = match self.concepts {
            ConceptEffects::OfAll => CONCEPT[0] + CONCEPT[1],
            ConceptEffects::Absent | ConceptEffects::OfThese => 0.0,
        };
        // The common part of concepts is taken from that of prompts.
        let taken = if self.has_concepts() { CONCEPT[0] } else { 0.0 };
        let prompt = PROMPT[0] + PROMPT[1] - taken;
        let template = TEMPLATE[0] + TEMPLATE[1] + DRAWS;
        let parts = |concept: usize| match self.concepts {
            ConceptEffects::OfThese => [
                condition.parts.concepts_any[concept],
                condition.parts.concepts_own[concept],
            ],
            ConceptEffects::Absent | ConceptEffects::OfAll => [0.0; 2],
        };
        let leak = |c: usize| {
            let [any, of_own] = parts(c);
            normal_cdf((slot + own + any + of_own) / (template + prompt + concept).sqrt())
        };
        let placebo = |o: usize| {
            normal_cdf((slot + parts(o)[0]) / (template + 0.5 * (prompt + concept)).sqrt())
        };
        let specific = |c: usize, o: usize| {
            let [any, of_own] = parts(c);
            let distance = own + any + of_own - parts(o)[0];
            normal_cdf(distance / (DRAWS + 1.5 * (prompt + concept)).sqrt())
        };
        self.mean_truth(leak, placebo, specific)
    }

    /// The means over pairs and siblings.
    fn mean_truth(
        &self,
        leak: impl Fn(usize) -> f64,
        placebo: impl Fn(usize) -> f64,
        specific: impl Fn(usize, usize) -> f64,
    ) -> Truth {
        let n = self.n_concepts();
        let leaks: Vec<f64> = (0..n).map(leak).collect();
        let placebos: Vec<f64> = (0..n).map(placebo).collect();
        let specifics: Vec<f64> = (0..n * n).map(|it| specific(it / n, it % n)).collect();
        let (mut all, mut of_siblings) = ([0.0; 2], [0.0; 3]);
        for concepts in &self.templates {
            for &c in concepts {
                all = [all[0] + leaks[c], all[1] + 1.0];
                if concepts.len() < 2 {
                    continue;
                }
                let weight = 1.0 / (concepts.len() - 1) as f64;
                for &o in concepts.iter().filter(|&&o| o != c) {
                    of_siblings[0] += weight * (leaks[c] - placebos[o]);
                    of_siblings[1] += weight * specifics[c * n + o];
                    of_siblings[2] += weight;
                }
            }
        }
        Truth {
            leak_rate: all[0] / all[1],
            specific_leakage: of_siblings[0] / of_siblings[2],
            specificity: of_siblings[1] / of_siblings[2],
        }
    }

    /// The means at which the Leak-Rate is `leak_rate` and specificity `specificity`; of concepts that are alike.
    pub(super) fn means(leak_rate: f64, specificity: f64) -> Means {
        let prompt = PROMPT[0] + PROMPT[1];
        let own = normal_quantile(specificity) * (DRAWS + 1.5 * prompt).sqrt();
        let all = (TEMPLATE[0] + TEMPLATE[1] + prompt + DRAWS).sqrt();
        Means {
            slot: normal_quantile(leak_rate) * all - own,
            own,
        }
    }

    /// The repeats that each verdict compares; one where probabilities are exact.
    fn verdicts(&self) -> impl Iterator<Item = [u32; 2]> {
        self.n_repeats.unwrap_or(RepeatCounts::equal(1)).verdicts()
    }

    /// The answers under a condition: an estimate for each row, or one for each pair where `are_averaged`; with what
    /// crossed concepts need where `are_crossed`.
    pub(super) fn answers(
        &self,
        condition: &Condition,
        are_averaged: bool,
        are_crossed: bool,
        draws: &mut Draws,
    ) -> Answers {
        let mut answers = Answers {
            pairs: Vec::new(),
            tables: Vec::new(),
        };
        let mut first_pair = 0;
        for (template, concepts) in self.templates.iter().enumerate() {
            let seen = match self.n_repeats {
                Some(n_repeats) => Seen::drawn(condition, template, concepts, n_repeats, draws),
                None => Seen::exact(condition, template, concepts),
            };
            for pair in 0..concepts.len() {
                let rows = seen.rows(pair, self.verdicts());
                let mean = averaged(&rows);
                let crossed = are_crossed.then(|| Arc::new(crossed(concepts, pair, &mean)));
                let rows = if are_averaged { vec![mean] } else { rows };
                let verdicts = (0..).zip(self.verdicts());
                let estimates = verdicts
                    .zip(rows)
                    .map(|((repeat_idx, sides), row)| PairEstimate {
                        sides,
                        crossed: crossed.clone(),
                        ..estimate(first_pair + pair, repeat_idx, template, &row)
                    });
                answers.pairs.extend(estimates);
            }
            first_pair += concepts.len();
            answers.tables.extend(seen.table());
        }
        answers
    }
}

impl Parts {
    fn plus(&self, other: &Self) -> Self {
        let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + b).collect();
        let sums =
            |a: &[Vec<f64>], b: &[Vec<f64>]| a.iter().zip(b).map(|(a, b)| sum(a, b)).collect();
        Self {
            templates: sum(&self.templates, &other.templates),
            any: sums(&self.any, &other.any),
            own: sums(&self.own, &other.own),
            concepts_any: sum(&self.concepts_any, &other.concepts_any),
            concepts_own: sum(&self.concepts_own, &other.concepts_own),
        }
    }
}

impl Condition {
    /// The means of similarities of texts whose prompt held the concept at a place, to any concept and to that one more.
    fn means_of(&self, template: usize, place: usize, concept: usize) -> [f64; 2] {
        let Parts {
            templates,
            any,
            own,
            concepts_any,
            concepts_own,
        } = &self.parts;
        [
            self.means.slot + templates[template] + any[template][place] + concepts_any[concept],
            self.means.own + own[template][place] + concepts_own[concept],
        ]
    }
}

/// One row of a pair: its leak, and placebo and specificity against each sibling.
#[derive(Debug, Clone)]
struct Row {
    leak: f64,
    siblings: Vec<[f64; 2]>,
}

/// The texts of a template as its concepts see them.
enum Seen {
    Drawn {
        /// `tests[held][text][measured]`.
        tests: Vec<Vec<Vec<f64>>>,
        /// `controls[text][measured]`.
        controls: Vec<Vec<f64>>,
    },
    /// The means of each prompt's texts to any concept and to its own besides.
    Exact(Vec<[f64; 2]>),
}

impl Seen {
    fn drawn(
        condition: &Condition,
        template: usize,
        concepts: &[usize],
        n_repeats: RepeatCounts,
        draws: &mut Draws,
    ) -> Self {
        let (of_text, of_seen) = (TEXT.sqrt(), (12.0 * SEEN).sqrt());
        let n_concepts = concepts.len();
        let mut text = |mean: f64| -> Vec<f64> {
            let text = mean + of_text * draws.next_normal();
            let seen = (0..n_concepts).map(|_| text + of_seen * (draws.next_uniform() - 0.5));
            seen.collect()
        };
        let controls = (0..n_repeats.control).map(|_| text(0.0)).collect();
        let tests = concepts.iter().enumerate().map(|(place, concept)| {
            let [any, own] = condition.means_of(template, place, *concept);
            let test = |_| {
                let mut seen = text(any);
                seen[place] += own;
                seen
            };
            (0..n_repeats.test).map(test).collect()
        });
        Self::Drawn {
            tests: tests.collect(),
            controls,
        }
    }

    fn exact(condition: &Condition, template: usize, concepts: &[usize]) -> Self {
        let concepts = concepts.iter().enumerate();
        let means = concepts.map(|(place, concept)| condition.means_of(template, place, *concept));
        Self::Exact(means.collect())
    }

    /// The rows of a pair: for each verdict the test and the control text that it compares.
    fn rows(&self, pair: usize, verdicts: impl Iterator<Item = [u32; 2]>) -> Vec<Row> {
        match self {
            Self::Exact(means) => {
                let sd = DRAWS.sqrt();
                let [any, own] = means[pair];
                let sibling =
                    |of: &[f64; 2]| [normal_cdf(of[0] / sd), normal_cdf((any + own - of[0]) / sd)];
                vec![Row {
                    leak: normal_cdf((any + own) / sd),
                    siblings: others(means, pair).map(sibling).collect(),
                }]
            }
            Self::Drawn { tests, controls } => {
                let own = &tests[pair];
                let specific: Vec<Vec<f64>> = own
                    .iter()
                    .map(|text| {
                        let siblings = others(tests, pair);
                        siblings.map(|of| above(text[pair], of, pair)).collect()
                    })
                    .collect();
                let row = |[test, control]: [u32; 2]| {
                    let control = controls[control as usize][pair];
                    let test = test as usize;
                    let leaks = |held: &[Vec<f64>]| f64::from(u8::from(held[test][pair] > control));
                    let siblings = others(tests, pair).zip(&specific[test]);
                    Row {
                        leak: leaks(own),
                        siblings: siblings.map(|(of, above)| [leaks(of), *above]).collect(),
                    }
                };
                verdicts.map(row).collect()
            }
        }
    }

    /// The mean similarities of each concept to each prompt's texts; None of a single concept, or where nothing is drawn.
    fn table(&self) -> Option<Vec<Vec<f64>>> {
        let Self::Drawn { tests, .. } = self else {
            return None;
        };
        let mean = |measured: usize, of: &[Vec<f64>]| {
            of.iter().map(|text| text[measured]).sum::<f64>() / of.len() as f64
        };
        let row = |measured| tests.iter().map(|of| mean(measured, of)).collect();
        (tests.len() > 1).then(|| (0..tests.len()).map(row).collect())
    }
}

/// All but the one at a place.
fn others<T>(all: &[T], place: usize) -> impl Iterator<Item = &T> {
    let others = all.iter().enumerate();
    others.filter_map(move |(it, value)| (it != place).then_some(value))
}

/// The share of texts below a similarity; ties do not happen.
fn above(similarity: f64, texts: &[Vec<f64>], measured: usize) -> f64 {
    let below = texts.iter().filter(|text| text[measured] < similarity);
    below.count() as f64 / texts.len() as f64
}

fn averaged(rows: &[Row]) -> Row {
    let n = rows.len() as f64;
    let mut mean = Row {
        leak: rows.iter().map(|row| row.leak).sum::<f64>() / n,
        siblings: vec![[0.0; 2]; rows[0].siblings.len()],
    };
    for row in rows {
        for (sum, figures) in mean.siblings.iter_mut().zip(&row.siblings) {
            *sum = [sum[0] + figures[0] / n, sum[1] + figures[1] / n];
        }
    }
    mean
}

fn estimate(pair_idx: usize, repeat_idx: u32, template: usize, row: &Row) -> PairEstimate {
    let n_siblings = row.siblings.len();
    let sum = row.siblings.iter();
    let sum = sum.fold([0.0; 2], |sum, it| [sum[0] + it[0], sum[1] + it[1]]);
    PairEstimate {
        pair_idx,
        repeat_idx,
        sides: [repeat_idx; 2],
        category: (template % 2).to_string(),
        control_prompt_idx: template,
        leak_probability: row.leak,
        tie_probability: 0.0,
        echo_probability: 0.0,
        similarity_shift: 0.0,
        specific: (n_siblings > 0).then_some(Specific {
            siblings: Some(figures(sum.map(|sum| sum / n_siblings as f64), n_siblings)),
            anchor_placebo: None,
            filler_rate: None,
            echo: 0.0,
            control_echo: 0.0,
            own_repetition: 0.0,
            margin: None,
        }),
        crossed: None,
        exact: None,
    }
}

/// Figures without repetition.
fn figures([placebo, specificity]: [f64; 2], n_siblings: usize) -> SiblingFigures {
    SiblingFigures {
        n_siblings,
        n_texts: n_siblings,
        placebo,
        repetition: 0.0,
        specificity,
        specificity_repetition: 0.0,
        sibling_echo: 0.0,
    }
}

fn crossed(concepts: &[usize], pair: usize, mean: &Row) -> CrossedPair {
    let siblings = others(concepts, pair).zip(&mean.siblings);
    CrossedPair {
        concept: concepts[pair],
        siblings: siblings
            .map(|(concept, found)| (*concept, figures(*found, 1)))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
