//! Placebo and specificity: a test generation against those whose prompt held another concept.
//!
//! Owns the figures of one pair, from the similarities of all generations of its template. `docs/validity.md` has the
//! definitions and the proofs: where generations do not depend on which concept stands in the prompt, specificity is 1/2,
//! and specific leakage and each of its parts are 0. Where similarities come from does not matter here; means over pairs
//! are in `leak_rate`.

use super::group::{ComparedRepeats, Group, texts_at};
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

impl SiblingFigures {
    /// The mean of some, each with the same weight; None without any.
    pub(super) fn mean<'a>(figures: impl Iterator<Item = &'a Self> + Clone) -> Option<Self> {
        let of = |figure: fn(&Self) -> f64| mean(figures.clone().map(figure));
        Some(Self {
            n_siblings: figures.clone().map(|it| it.n_siblings).min()?,
            n_texts: figures.clone().map(|it| it.n_texts).min()?,
            placebo: of(|it| it.placebo)?,
            repetition: of(|it| it.repetition)?,
            specificity: of(|it| it.specificity)?,
            specificity_repetition: of(|it| it.specificity_repetition)?,
            sibling_echo: of(|it| it.sibling_echo)?,
        })
    }
}

/// A sibling of a pair, as the pair's concept sees all of its texts.
struct Sibling {
    held: usize,
    all: Weights,
    /// Those that repeat nothing in a comparison with the pair.
    plain: Weights,
    /// Their mean similarity.
    similarity: f64,
}

/// A pair, with one repeat of its texts and one of the control's, or all of them.
struct Slice<'g> {
    group: &'g Group<'g>,
    mentions: &'g Mentions,
    pair: usize,
    repeats: ComparedRepeats,
}

impl Group<'_> {
    /// The figures of each pair: one for each verdict with its number, or a single one, with the number 0, where texts are
    /// distributions.
    pub fn specifics(&self) -> Vec<Vec<(u32, Specific)>> {
        let mentions = Mentions::of(self);
        let of_pair = |pair| self.specifics_of(pair, &mentions);
        (0..self.n_pairs).map(of_pair).collect()
    }

    /// For each pair its siblings, by their place, with the figures of the comparison with that one alone, over its repeats.
    pub fn by_sibling(&self) -> Vec<Vec<(usize, SiblingFigures)>> {
        let mentions = Mentions::of(self);
        let of_pair = |pair: usize| {
            let siblings = self.siblings(pair, &mentions);
            let of_sibling = |sibling: &Sibling| {
                let alone = std::slice::from_ref(sibling);
                let found = self.repeats_of(pair, &mentions, |slice| slice.against(alone));
                let found: Vec<SiblingFigures> = found.into_iter().map(|(_, it)| it).collect();
                Some((sibling.held, SiblingFigures::mean(found.iter())?))
            };
            siblings.iter().filter_map(of_sibling).collect()
        };
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
        self.repeats_of(pair, mentions, |slice| slice.specific(&siblings))
    }

    /// The results of each repeat of a pair's texts that has one.
    fn repeats_of<T>(
        &self,
        pair: usize,
        mentions: &Mentions,
        found: impl Fn(&Slice<'_>) -> Option<T>,
    ) -> Vec<(u32, T)> {
        let of_repeats = self.compared[pair].iter().filter_map(|&repeats| {
            let slice = Slice {
                group: self,
                mentions,
                pair,
                repeats,
            };
            Some((repeats.verdict_idx, found(&slice)?))
        });
        of_repeats.collect()
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
                    similarity: expected(&texts, seen),
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
        let control = texts_at(&group.control, self.repeats.control);
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

    /// The comparison with some of the siblings; None where the control prompt has no text to compare with.
    fn against(&self, siblings: &[Sibling]) -> Option<SiblingFigures> {
        let control = texts_at(&self.group.control, self.repeats.control);
        self.sibling_figures(&control, siblings)
            .filter(|_| !control.is_empty())
    }

    fn texts(&self, held: usize) -> Vec<(usize, f64)> {
        self.group.held[held].at(self.repeats.test)
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
        let with_control: Vec<[f64; 3]> = present
            .map(|sibling| self.against_control(sibling, &of_control))
            .collect();
        // No control is needed here, so siblings count that lack this repeat.
        let with_texts: Vec<[f64; 2]> = siblings.iter().map(|it| self.against_texts(it)).collect();
        let of_control = |place: usize| mean(with_control.iter().map(|figures| figures[place]));
        let of_texts = |place: usize| mean(with_texts.iter().map(|figures| figures[place]));
        Some(SiblingFigures {
            n_siblings: siblings.len(),
            n_texts: siblings
                .iter()
                .map(|it| self.group.held[it.held].texts.len())
                .sum(),
            placebo: of_control(0)?.clamp(0.0, 1.0),
            repetition: of_control(1)?.clamp(-1.0, 1.0),
            sibling_echo: of_control(2)?.clamp(0.0, 1.0),
            specificity: of_texts(0)?.clamp(0.0, 1.0),
            specificity_repetition: of_texts(1)?.clamp(-0.5, 0.5),
        })
    }

    /// The placebo of one sibling, the repetition of it, and its echo.
    ///
    /// Association is what comparisons of texts add that repeat nothing: of independent texts, the product of their
    /// weights times the difference of their verdicts.
    fn against_control(&self, sibling: &Sibling, of_control: &Weights) -> [f64; 3] {
        let own = self.verdicts(self.pair, sibling.held, of_control);
        let others = self.verdicts(sibling.held, sibling.held, of_control);
        let association = own.plain * others.plain_weight - others.plain * own.plain_weight;
        [
            others.all,
            own.all - others.all - association,
            self.echo(sibling.held),
        ]
    }

    /// The specificity against all texts of one sibling, and the repetition of it.
    fn against_texts(&self, sibling: &Sibling) -> [f64; 2] {
        let [mut specificity, mut association] = [0.0; 2];
        let seen = &self.group.similarities[self.pair][self.pair];
        for (text, weight) in self.texts(self.pair) {
            specificity += weight * sibling.all.leak(seen[text]);
            if !self.repeats(self.pair, text, sibling.held) {
                let gain = sibling.plain.leak(seen[text]) - 0.5 * sibling.plain.total();
                association += weight * gain;
            }
        }
        [specificity, specificity - 0.5 - association]
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
        let of_siblings = mean(siblings.iter().map(|sibling| sibling.similarity));
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

/// None of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}

/// The weight of what is true.
fn probability(weighted: impl Iterator<Item = (f64, bool)>) -> f64 {
    let held = weighted.map(|(weight, is_true)| if is_true { weight } else { 0.0 });
    held.sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
