//! From stored enumerations to exact leak rates: embed, compare the distributions of each pair, store.
//!
//! Owns how continuations of equal text become one, and which examples are shown. What an exact leak is, `leakage` says.

use std::collections::{BTreeMap, HashMap};

use itertools::Itertools as _;

use crate::experiment::PromptPair;
use crate::generation::{Continuation, Enumeration, EnumerationId, Method};
use crate::leakage::{
    ExactPair, LeakRate, LeakingText, PairEstimate, Rounding, TextDistribution, WeightedText,
    echoes, exact_leak, leak_rates, leaking_texts,
};
use crate::results::{Example, LikelyText, Texts as ShownTexts};
use crate::store::{ConditionId, ModelId, NewExactLeak, Store, StoredEnumeration};
use crate::study::answering::exact::EnumerationPlan;
use crate::study::asking::Planned;
use crate::study::scoring::encoding::Vectors;
use crate::study::scoring::repeats::{N_EXAMPLES, Scorer};

/// Texts shown of each side of an example.
const N_TEXTS: usize = 3;

pub(crate) type Enumerations = HashMap<EnumerationId, StoredEnumeration>;

/// What scoring the enumerations of one model found.
pub(crate) struct ExactScored {
    pub(crate) leak_rates: Vec<LeakRate>,
    pub(crate) pairs: Vec<PairEstimate>,
    pub(crate) examples: Vec<Example>,
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
    fn seen_by(&self, concept: &str, vectors: &Vectors) -> anyhow::Result<TextDistribution> {
        let weighted = |text: &str, probability: f64| -> anyhow::Result<WeightedText> {
            let similarity = vectors.similarity(concept, text)?;
            let is_echo = echoes(text, concept);
            let rounding = Rounding::PUBLISHED;
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
    pair: &'e PromptPair,
    exact: ExactPair,
    leaking: Vec<LeakingText>,
}

impl Scorer<'_> {
    /// Compares the continuations of one model, and stores the leak probabilities.
    ///
    /// A pair whose test or control prompt has no enumeration has no leak probability.
    pub(crate) fn score_exact(
        &self,
        store: &mut Store,
        planned: &Planned,
        plan: &EnumerationPlan,
        model: ModelId,
        enumerations: &Enumerations,
    ) -> anyhow::Result<ExactScored> {
        let texts: HashMap<EnumerationId, Texts<'_>> = enumerations
            .iter()
            .map(|(&id, stored)| (id, Texts::of(&stored.enumeration)))
            .collect();
        let vectors = self.vectors(store, continuation_texts(enumerations))?;
        let mut compared = Vec::new();
        for pair in self.experiment.pairs() {
            let side = |prompt_idx| texts.get(&plan.id(prompt_idx));
            if let (Some(test), Some(control)) =
                (side(pair.test_prompt_idx), side(pair.control_prompt_idx))
            {
                compared.push(compare(pair, test, control, &vectors)?);
            }
        }
        let method = Method::Exact(plan.params);
        let condition = self.condition(store, &planned.prepared, model, method)?;
        save(store, condition, plan, enumerations, &compared)?;
        let striking = striking(&compared);
        let examples = striking
            .iter()
            .map(|compared| self.exact_example(planned, plan, compared, &texts));
        let examples = examples.collect();
        let pairs = compared.iter().map(|it| PairEstimate::from(&it.exact));
        let pairs: Vec<PairEstimate> = pairs.collect();
        Ok(ExactScored {
            examples,
            leak_rates: leak_rates(&pairs),
            pairs,
        })
    }

    fn exact_example(
        &self,
        planned: &Planned,
        plan: &EnumerationPlan,
        compared: &Compared<'_>,
        texts: &HashMap<EnumerationId, Texts<'_>>,
    ) -> Example {
        let pair = compared.pair;
        let likely = |text: &str, probability| LikelyText {
            text: text.to_owned(),
            probability,
        };
        let leaking = compared.leaking.iter();
        let control = &texts[&plan.id(pair.control_prompt_idx)];
        let mut of_control: Vec<LikelyText> = control
            .enumerated
            .iter()
            .map(|(text, &probability)| likely(text, probability))
            .collect();
        of_control.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        of_control.truncate(N_TEXTS);
        Example {
            model: planned.prepared.label(),
            concept: pair.concept.clone(),
            leak_probability: compared.exact.leak.probability,
            test_prompt: self.experiment.test_prompt(pair).to_owned(),
            control_prompt: self.experiment.control_prompt(pair).to_owned(),
            texts: ShownTexts::Likely {
                test: leaking
                    .map(|text| likely(&text.text, text.probability))
                    .collect(),
                control: of_control,
            },
        }
    }
}

fn save(
    store: &mut Store,
    condition: ConditionId,
    plan: &EnumerationPlan,
    enumerations: &Enumerations,
    compared: &[Compared<'_>],
) -> anyhow::Result<()> {
    let row = |prompt_idx| enumerations[&plan.id(prompt_idx)].id;
    let new: Vec<NewExactLeak<'_>> = compared
        .iter()
        .map(|compared| NewExactLeak {
            pair_idx: compared.exact.pair_idx,
            test_enumeration: row(compared.exact.test_prompt_idx),
            control_enumeration: row(compared.exact.control_prompt_idx),
            leak: &compared.exact.leak,
        })
        .collect();
    Ok(store.save_exact_leaks(condition, &new)?)
}

/// All texts of the continuations.
pub(crate) fn continuation_texts(enumerations: &Enumerations) -> impl Iterator<Item = &str> {
    let continuations = enumerations
        .values()
        .flat_map(|stored| &stored.enumeration.continuations);
    continuations.map(|continuation| continuation.text.as_str())
}

fn compare<'e>(
    pair: &'e PromptPair,
    test: &Texts<'_>,
    control: &Texts<'_>,
    vectors: &Vectors,
) -> anyhow::Result<Compared<'e>> {
    let test = test.seen_by(&pair.concept, vectors)?;
    let control = control.seen_by(&pair.concept, vectors)?;
    Ok(Compared {
        pair,
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
        .take(N_EXAMPLES)
        .collect()
}
