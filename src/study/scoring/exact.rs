//! From stored enumerations to exact leak rates: embed, compare the distributions of each pair, store.
//!
//! Owns how continuations of equal text become one, and which examples are shown. What an exact leak is, `leakage` says.

use std::collections::{BTreeMap, HashMap};

use itertools::Itertools as _;

use super::encoding::Encoded;
use super::evidence::{Continuations, ContinuedPair};
use super::groups::{FillerTexts, PairTexts, Scale};
use crate::generation::{Continuation, Enumeration, RequestId};
use crate::leakage::{
    ComparedRepeats, ExactPair, GroupText, LeakingText, PairEstimate, TextDistribution,
    WeightedText, echoes, exact_leak, leaking_texts, scale_and_part, striking_leaks,
};
use crate::results::{Example, LikelyText, Texts as ShownTexts};
use crate::store::NewExactLeak;

/// Texts shown of each side of an example.
const N_TEXTS: usize = 3;

/// The continuations of one prompt, those of equal text as one.
struct Texts<'e> {
    /// With their probabilities, by text.
    enumerated: BTreeMap<&'e str, f64>,
    /// In the order of the draws.
    drawn: Vec<&'e str>,
}

impl<'e> Texts<'e> {
    fn of(enumeration: &'e Enumeration) -> Self {
        let mut enumerated = BTreeMap::new();
        let is_enumerated = |c: &&Continuation| c.tail_draw_idx.is_none();
        for continuation in enumeration.continuations.iter().filter(is_enumerated) {
            *enumerated.entry(continuation.text.as_str()).or_insert(0.0) +=
                continuation.logprob.exp();
        }
        let drawn = enumeration.continuations.iter();
        let drawn = drawn.filter(|continuation| continuation.tail_draw_idx.is_some());
        Self {
            enumerated,
            drawn: drawn
                .map(|continuation| continuation.text.as_str())
                .collect(),
        }
    }

    /// Each with its part of the estimated distribution.
    fn weighted(&self) -> Vec<GroupText<'e>> {
        let covered = self.enumerated.values().sum::<f64>().min(1.0);
        let (scale, part) = scale_and_part(covered, self.drawn.len());
        let enumerated = self.enumerated.iter();
        let enumerated = enumerated.map(|(&text, probability)| (text, scale * probability));
        let drawn = self.drawn.iter().map(|&text| (text, part));
        let texts = enumerated.chain(drawn).map(|(text, weight)| GroupText {
            text,
            repeat_idx: None,
            weight,
        });
        texts.collect()
    }

    /// As the concept sees them.
    fn seen_by(&self, concept: &str, scale: Scale<'_>) -> anyhow::Result<TextDistribution> {
        let weighted = |text: &str, probability: f64| -> anyhow::Result<WeightedText> {
            let similarity = (scale.similarity)(concept, text)?;
            let is_echo = echoes(text, concept);
            let rounding = scale.rounding;
            Ok(WeightedText::new(
                text,
                probability,
                similarity,
                rounding,
                is_echo,
            ))
        };
        let enumerated = self.enumerated.iter();
        Ok(TextDistribution {
            enumerated: enumerated
                .map(|(text, &probability)| weighted(text, probability))
                .collect::<anyhow::Result<_>>()?,
            drawn: self
                .drawn
                .iter()
                .map(|text| weighted(text, 0.0))
                .collect::<anyhow::Result<_>>()?,
        })
    }
}

/// A pair with what is shown of it, should it be striking.
struct Compared<'e> {
    of: &'e ContinuedPair,
    exact: ExactPair,
    leaking: Vec<LeakingText>,
}

/// The pairs of a condition, compared.
pub(super) struct ComparedPairs<'e> {
    continuations: &'e Continuations,
    texts: HashMap<RequestId, Texts<'e>>,
    pairs: Vec<Compared<'e>>,
}

/// Compares the continuations of each pair whose prompts both have some.
pub(super) fn compare<'e>(
    scale: Scale<'_>,
    continuations: &'e Continuations,
) -> anyhow::Result<ComparedPairs<'e>> {
    let stored = continuations.enumerations.iter();
    let texts: HashMap<RequestId, Texts<'_>> = stored
        .map(|(&id, stored)| (id, Texts::of(&stored.enumeration)))
        .collect();
    let mut pairs = Vec::new();
    for pair in &continuations.pairs {
        if let (Some(test), Some(control)) = (texts.get(&pair.test), texts.get(&pair.control)) {
            pairs.push(compare_pair(scale, pair, test, control)?);
        }
    }
    Ok(ComparedPairs {
        continuations,
        texts,
        pairs,
    })
}

impl ComparedPairs<'_> {
    /// The leak probabilities to store.
    pub(super) fn new_leaks(&self) -> Vec<NewExactLeak<'_>> {
        let row = |id: RequestId| self.continuations.enumerations[&id].id;
        let new = self.pairs.iter().map(|compared| NewExactLeak {
            pair_idx: compared.exact.pair_idx,
            test_enumeration: row(compared.of.test),
            control_enumeration: row(compared.of.control),
            leak: &compared.exact.leak,
        });
        new.collect()
    }

    /// The pairs with all texts of their prompts.
    pub(super) fn pair_texts(&self) -> Vec<PairTexts<'_>> {
        let pairs = self.pairs.iter().map(|compared| {
            let of = compared.of;
            PairTexts {
                pair_idx: of.pair.pair_idx,
                concept: &of.pair.concept,
                concept_family: of.pair.concept_family.as_deref(),
                category: &of.pair.category,
                template_id: of.pair.template_id.as_deref(),
                test_prompt: &of.test_prompt,
                control_prompt: &of.control_prompt,
                test: self.texts[&of.test].weighted(),
                control: self.texts[&of.control].weighted(),
                compared: vec![ComparedRepeats::equal(None)],
            }
        });
        pairs.collect()
    }

    /// The prompts with neutral fillers that have continuations.
    pub(super) fn filler_texts(&self) -> FillerTexts<'_> {
        let fillers = self.continuations.fillers.iter().filter_map(|filler| {
            let texts = self.texts.get(&filler.request)?.weighted();
            Some((filler.template_id.as_str(), texts))
        });
        fillers.into_group_map()
    }

    /// The estimate of each pair.
    pub(super) fn estimates(&self) -> Vec<PairEstimate> {
        let pairs = self.pairs.iter();
        pairs.map(|compared| (&compared.exact).into()).collect()
    }

    /// The pairs worth showing, at most `n_max`, by the estimates of all in their order.
    pub(super) fn examples(
        &self,
        label: &str,
        estimates: &[PairEstimate],
        n_max: usize,
        encoded: &Encoded,
    ) -> Vec<Example> {
        let is_legible = |place: usize| !encoded.is_unknown(&self.pairs[place].of.pair.concept);
        let striking = striking_leaks(estimates, n_max, is_legible).into_iter();
        striking
            .map(|place| self.example(label, &self.pairs[place]))
            .collect()
    }

    fn example(&self, label: &str, compared: &Compared<'_>) -> Example {
        let likely = |text: &str, probability| LikelyText {
            text: text.to_owned(),
            probability,
        };
        let leaking = compared.leaking.iter();
        let of_control = self.texts[&compared.of.control].enumerated.iter();
        let mut of_control: Vec<LikelyText> = of_control
            .map(|(text, &probability)| likely(text, probability))
            .collect();
        of_control.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        of_control.truncate(N_TEXTS);
        Example {
            model: label.to_owned(),
            concept: compared.of.pair.concept.clone(),
            leak_probability: compared.exact.leak.probability,
            test_prompt: compared.of.test_prompt.clone(),
            control_prompt: compared.of.control_prompt.clone(),
            texts: ShownTexts::Likely {
                test: leaking
                    .map(|text| likely(&text.text, text.probability))
                    .collect(),
                control: of_control,
            },
        }
    }
}

fn compare_pair<'e>(
    scale: Scale<'_>,
    of: &'e ContinuedPair,
    test: &Texts<'_>,
    control: &Texts<'_>,
) -> anyhow::Result<Compared<'e>> {
    let pair = &of.pair;
    let test = test.seen_by(&pair.concept, scale)?;
    let control = control.seen_by(&pair.concept, scale)?;
    Ok(Compared {
        of,
        leaking: leaking_texts(&test, &control, N_TEXTS),
        exact: ExactPair {
            pair_idx: pair.pair_idx,
            category: pair.category.clone(),
            test_prompt_idx: pair.test_prompt_idx,
            control_prompt_idx: pair.control_prompt_idx,
            leak: exact_leak(&test, &control),
        },
    })
}
