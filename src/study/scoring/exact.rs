//! From stored enumerations to exact leak rates: embed, compare the distributions of each pair, store.
//!
//! Owns how continuations of equal text become one, and which examples are shown. What an exact leak is, `leakage` says.

use std::collections::{BTreeMap, HashMap};

use itertools::Itertools as _;

use super::evidence::{Continuations, ContinuedPair};
use crate::generation::{Continuation, Enumeration, RequestId};
use crate::leakage::{
    ExactPair, LeakingText, PairEstimate, Rounding, TextDistribution, WeightedText, echoes,
    exact_leak, leaking_texts,
};
use crate::results::{Example, LikelyText, Texts as ShownTexts};
use crate::store::NewExactLeak;

/// Texts shown of each side of an example.
const N_TEXTS: usize = 3;

/// The similarities of a metric.
#[derive(Clone, Copy)]
pub(super) struct Scale<'a> {
    /// Of a concept and a text.
    pub(super) similarity: &'a dyn Fn(&str, &str) -> anyhow::Result<f64>,
    pub(super) rounding: Rounding,
}

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

    /// The estimate of each pair.
    pub(super) fn estimates(&self) -> Vec<PairEstimate> {
        let pairs = self.pairs.iter();
        pairs.map(|compared| (&compared.exact).into()).collect()
    }

    /// The pairs worth showing, at most `n_max`.
    pub(super) fn examples(&self, label: &str, n_max: usize) -> Vec<Example> {
        let striking = striking(&self.pairs).into_iter().take(n_max);
        striking
            .map(|compared| self.example(label, compared))
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

/// The pairs worth showing: the largest shift of similarity first, at most one for each control prompt, those whose
/// most leaking text is an echo after all others.
fn striking<'c, 'e>(compared: &'c [Compared<'e>]) -> Vec<&'c Compared<'e>> {
    let is_echo =
        |compared: &Compared<'_>| compared.leaking.first().is_none_or(|text| text.is_echo);
    let found = compared.iter().sorted_by(|a, b| {
        let (shift_a, shift_b) = (a.exact.leak.similarity_shift, b.exact.leak.similarity_shift);
        is_echo(a)
            .cmp(&is_echo(b))
            .then(shift_b.total_cmp(&shift_a))
    });
    found
        .unique_by(|compared| compared.exact.control_prompt_idx)
        .collect()
}
