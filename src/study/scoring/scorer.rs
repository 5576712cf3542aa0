//! The scorer: from the answers of a condition to verdicts or leak probabilities, stored under the whole key.
//!
//! Owns what is stored of both methods and which examples are shown of repeats. What a leak is, `leakage` says; what
//! distributions are compared, `exact`.

use super::encoding::{Encoded, Encoding, signature_of};
use super::evidence::{Continuations, Evidence, Repeats, Subject};
use super::exact;
use super::groups::{Grouped, Scale, compare_groups, fillers_of_repeats, pairs_of_repeats};
use crate::generation::Method;
use crate::leakage::{
    DiagnosedPair, Diagnostics, Leak, LeakRate, Metric, PairEstimate, PairReading, Rounding,
    ScoredPair, TemplateSimilarities, diagnostics, echoes, estimates, leak_rates, striking_leaks,
};
use crate::results::{Example, SimilarText, Texts};
use crate::store::{Comparison, ConditionId, ConditionKey, NewLeak, Store};
use crate::study::estimates::crossed;

/// Leaks shown for each model.
const N_EXAMPLES: usize = 3;

/// Scores the answers of conditions by one metric.
pub(crate) struct Scorer<'a> {
    pub(crate) encoding: &'a Encoding<'a>,
    pub(crate) encoded: &'a Encoded,
    pub(crate) metric: Metric,
    pub(crate) rounding: Rounding,
}

/// The results of scoring one condition.
pub(crate) struct Scored {
    /// By pair and repeat.
    pub(crate) pairs: Vec<PairEstimate>,
    /// Those of repeats; empty where rates are exact.
    pub(crate) verdicts: Vec<ScoredPair>,
    /// The similarities of all concepts of each template.
    pub(crate) templates: Vec<TemplateSimilarities>,
    pub(crate) leak_rates: Vec<LeakRate>,
    /// Empty where rates are exact.
    pub(crate) diagnostics: Vec<Diagnostics>,
    pub(crate) examples: Vec<Example>,
}

impl Scorer<'_> {
    /// The line that says what the figures depend on besides the answers.
    pub(crate) fn signature(&self) -> String {
        signature_of(self.metric, self.encoding.encoder, self.rounding)
    }

    /// Scores the answers of one condition, and stores what is found under its key.
    ///
    /// A pair whose test or control prompt has no answer is left out.
    pub(crate) fn score(&self, store: &mut Store, subject: &Subject) -> anyhow::Result<Scored> {
        match &subject.evidence {
            Evidence::Repeats(repeats) => self.score_repeats(store, subject, repeats),
            Evidence::Exact(continuations) => self.score_exact(store, subject, continuations),
        }
    }

    fn score_exact(
        &self,
        store: &mut Store,
        subject: &Subject,
        continuations: &Continuations,
    ) -> anyhow::Result<Scored> {
        let similarity = |concept: &str, text: &str| self.similarity(concept, text);
        let compared = exact::compare(self.scale(&similarity), continuations)?;
        let grouped = compare_groups(
            self.scale(&similarity),
            &compared.pair_texts(),
            &compared.filler_texts(),
        )?;
        let key = self.key(subject, Method::Exact(continuations.params));
        let condition = store.register_condition(&key)?;
        store.save_exact_leaks(condition, &compared.new_leaks())?;
        save_grouped(store, condition, &grouped, subject.is_partial)?;
        let pairs = with_specifics(compared.estimates(), &grouped, subject)?;
        Ok(Scored {
            leak_rates: leak_rates(&pairs, &grouped.templates),
            diagnostics: Vec::new(),
            examples: compared.examples(&subject.label, &pairs, N_EXAMPLES, self.encoded),
            verdicts: Vec::new(),
            templates: grouped.templates,
            pairs,
        })
    }

    fn score_repeats(
        &self,
        store: &mut Store,
        subject: &Subject,
        repeats: &Repeats,
    ) -> anyhow::Result<Scored> {
        let comparisons = &repeats.comparisons;
        let scored = comparisons
            .iter()
            .map(|comparison| self.verdict(comparison));
        let scored = scored.collect::<anyhow::Result<Vec<ScoredPair>>>()?;
        let condition = store.register_condition(&self.key(subject, Method::Repeats))?;
        let new: Vec<NewLeak> = comparisons.iter().zip(&scored).map(new_leak).collect();
        store.save_leaks(condition, &new)?;
        let similarity = |concept: &str, text: &str| self.similarity(concept, text);
        let grouped = compare_groups(
            self.scale(&similarity),
            &pairs_of_repeats(comparisons),
            &fillers_of_repeats(&repeats.fillers),
        )?;
        save_grouped(store, condition, &grouped, subject.is_partial)?;
        let pairs = with_specifics(estimates(&scored), &grouped, subject)?;
        let read = |comparison: &Comparison| {
            let [test, control] = [&comparison.test, &comparison.control].map(|side| &side.text);
            self.encoded.reading(&comparison.concept, test, control)
        };
        let readings: Vec<Option<PairReading>> = comparisons.iter().map(read).collect();
        let is_legible = |place: usize| !readings[place].is_some_and(|it| it.rests_on_unknown());
        let places = striking_leaks(&pairs, N_EXAMPLES, is_legible).into_iter();
        let examples =
            places.map(|place| example(&subject.label, &comparisons[place], &scored[place]));
        Ok(Scored {
            examples: examples.collect(),
            leak_rates: leak_rates(&pairs, &grouped.templates),
            diagnostics: diagnosed(comparisons, &scored, &readings),
            verdicts: scored,
            templates: grouped.templates,
            pairs,
        })
    }

    fn scale<'s>(
        &self,
        similarity: &'s (dyn Fn(&str, &str) -> anyhow::Result<f64> + Sync),
    ) -> Scale<'s> {
        Scale {
            similarity,
            rounding: self.rounding,
        }
    }

    fn key(&self, subject: &Subject, method: Method) -> ConditionKey {
        let source = &subject.source;
        ConditionKey {
            experiment: source.experiment,
            model: source.model,
            sampling: source.sampling,
            wording: source.wording,
            seed: source.seed,
            method,
            numerics: source.numerics,
            metric: self.metric.name().to_owned(),
            embedding_model: self.encoding.encoder_id,
            signature: self.signature(),
        }
    }

    /// The similarity of a concept and a text.
    fn similarity(&self, concept: &str, text: &str) -> anyhow::Result<f64> {
        self.encoded.similarity(self.metric, concept, text)
    }

    fn verdict(&self, comparison: &Comparison) -> anyhow::Result<ScoredPair> {
        let concept = &comparison.concept;
        let similarity_test = self.similarity(concept, &comparison.test.text)?;
        let similarity_control = self.similarity(concept, &comparison.control.text)?;
        let control_prompt_idx = usize::try_from(comparison.control_prompt_id.get());
        Ok(ScoredPair {
            pair_idx: comparison.pair_idx,
            repeat_idx: comparison.repeat_idx,
            sides: [comparison.test.repeat_idx, comparison.control.repeat_idx],
            category: comparison.category.clone(),
            control_prompt_idx: control_prompt_idx.expect("ids of rows count up from 1"),
            similarity_test,
            similarity_control,
            leak: Leak::with_rounding(similarity_test, similarity_control, self.rounding),
            is_echo: echoes(&comparison.test.text, concept),
        })
    }
}

fn save_grouped(
    store: &mut Store,
    condition: ConditionId,
    grouped: &Grouped,
    is_partial: bool,
) -> anyhow::Result<()> {
    store.save_specifics(condition, &grouped.specifics, is_partial)?;
    store.save_concept_similarities(condition, &grouped.similarities, is_partial)?;
    Ok(())
}

/// Each estimate with its comparisons with other concepts, and what it depends on where these are random.
fn with_specifics(
    pairs: Vec<PairEstimate>,
    grouped: &Grouped,
    subject: &Subject,
) -> anyhow::Result<Vec<PairEstimate>> {
    let pairs = pairs.into_iter().map(|pair| {
        let specific = grouped.specifics.get(&pair.key()).copied();
        pair.with_specific(specific)
    });
    match subject.generalises_concepts {
        true => crossed(pairs.collect(), &subject.concepts(), &grouped.similarities),
        false => Ok(pairs.collect()),
    }
}

/// Returns the other causes that the verdicts may have; each verdict stands beside its comparison.
fn diagnosed(
    comparisons: &[Comparison],
    scored: &[ScoredPair],
    readings: &[Option<PairReading>],
) -> Vec<Diagnostics> {
    let pairs = comparisons.iter().zip(scored).zip(readings);
    let pairs = pairs.map(|((comparison, scored), &reading)| DiagnosedPair {
        reading,
        ..comparison.diagnosed(scored)
    });
    diagnostics(&pairs.collect::<Vec<DiagnosedPair<'_>>>())
}

fn new_leak((comparison, scored): (&Comparison, &ScoredPair)) -> NewLeak {
    NewLeak {
        pair_idx: scored.pair_idx,
        repeat_idx: scored.repeat_idx,
        test_generation: comparison.test.id,
        control_generation: comparison.control.id,
        similarity_test: scored.similarity_test,
        similarity_control: scored.similarity_control,
        leak: scored.leak,
        is_echo: scored.is_echo,
    }
}

fn example(label: &str, comparison: &Comparison, leak: &ScoredPair) -> Example {
    let generation = |text: &str, similarity| SimilarText {
        text: text.to_owned(),
        similarity,
    };
    Example {
        model: label.to_owned(),
        concept: comparison.concept.clone(),
        leak_probability: leak.leak.value(),
        test_prompt: comparison.test_prompt.clone(),
        control_prompt: comparison.control_prompt.clone(),
        texts: Texts::Generations {
            test: generation(&comparison.test.text, leak.similarity_test),
            control: generation(&comparison.control.text, leak.similarity_control),
        },
    }
}
