//! From stored generations to leak rates: embed what has no embedding yet, compare, store the verdicts.
//!
//! Owns which texts are embedded and which generations are compared. What a leak is, `leakage` says.

use std::collections::HashMap;

use crate::experiment::{Experiment, PromptPair};
use crate::generation::{Method, StopReason};
use crate::leakage::{
    DiagnosedPair, Diagnostics, Leak, LeakRate, Metric, Rounding, ScoredPair, Side, diagnostics,
    echoes, estimates, leak_rates, striking_leaks,
};
use crate::llama::Backend;
use crate::results::{Example, SimilarText, Texts};
use crate::store::{
    ConditionId, ConditionKey, ExperimentId, ModelId, NewLeak, Store, StoredGeneration,
};
use crate::study::answering::repeats::register_numerics;
use crate::study::asking::{Generations, Planned, Prepared};
use crate::study::models::encoder::EncoderFile;
use crate::study::scoring::encoding::{Encoding, Vectors, signature_of};
use crate::study::session::Session;

/// The name of the similarity: the cosine of sentence embeddings.
pub(crate) const METRIC: &str = "sbert";
/// Leaks shown for each model.
pub(crate) const N_EXAMPLES: usize = 3;

/// Embeds strings, with the encoder loaded when the first is missing.
pub(crate) struct Scorer<'a> {
    pub(crate) session: &'a Session,
    pub(crate) backend: &'a Backend,
    pub(crate) encoder: EncoderFile,
    pub(crate) encoder_id: ModelId,
    pub(crate) experiment: &'a Experiment,
    pub(crate) experiment_id: ExperimentId,
}

/// What scoring one model found.
pub(crate) struct Scored {
    pub(crate) leak_rates: Vec<LeakRate>,
    pub(crate) diagnostics: Vec<Diagnostics>,
    pub(crate) examples: Vec<Example>,
}

impl Scorer<'_> {
    /// Embeds every concept and every one of `texts` that has no embedding yet.
    ///
    /// # Errors
    /// Also when it was ended; what was embedded is stored.
    pub(crate) fn embed<'t>(
        &'t self,
        store: &mut Store,
        texts: impl Iterator<Item = &'t str>,
    ) -> anyhow::Result<()> {
        self.encoding().embed(store, &self.texts(texts))
    }

    /// What the verdicts depend on besides the generations.
    pub(crate) fn signature(&self) -> String {
        signature_of(Metric::Sbert, &self.encoder, Rounding::PUBLISHED)
    }

    fn encoding(&self) -> Encoding<'_> {
        Encoding {
            session: self.session,
            backend: self.backend,
            encoder: &self.encoder,
            encoder_id: self.encoder_id,
        }
    }

    /// Compares the generations of one model with the concepts, and stores the verdicts.
    ///
    /// A repeat whose test or control generation is missing has no verdict.
    pub(crate) fn score(
        &self,
        store: &mut Store,
        planned: &Planned,
        model: ModelId,
        generations: &Generations,
    ) -> anyhow::Result<Scored> {
        let vectors = self.vectors(store, generation_texts(generations))?;
        let mut scored = Vec::new();
        let mut new = Vec::new();
        for pair in self.experiment.pairs() {
            for repeat_idx in 0..self.experiment.n_repeats() {
                let generation =
                    |prompt_idx| generations.get(&planned.plan.request_id(prompt_idx, repeat_idx));
                let sides = (
                    generation(pair.test_prompt_idx),
                    generation(pair.control_prompt_idx),
                );
                if let (Some(test), Some(control)) = sides {
                    let verdict = verdict(pair, repeat_idx, test, control, &vectors)?;
                    new.push(new_leak(&verdict, test, control));
                    scored.push(verdict);
                }
            }
        }
        let condition = self.condition(store, &planned.prepared, model, Method::Repeats)?;
        store.save_leaks(condition, &new)?;
        let estimates = estimates(&scored);
        let examples = striking_leaks(&estimates, N_EXAMPLES).into_iter();
        Ok(Scored {
            examples: examples
                .map(|place| self.example(planned, &scored[place], generations))
                .collect(),
            leak_rates: leak_rates(&estimates),
            diagnostics: self.diagnostics(planned, &scored, generations),
        })
    }

    /// The condition under which what is found of one model is stored.
    pub(crate) fn condition(
        &self,
        store: &mut Store,
        prepared: &Prepared,
        model: ModelId,
        method: Method,
    ) -> anyhow::Result<ConditionId> {
        let key = ConditionKey {
            experiment: self.experiment_id,
            model,
            sampling: store.register_sampling(&prepared.context.sampling)?,
            seed: self.experiment.seed(),
            method,
            numerics: register_numerics(store, prepared)?,
            metric: METRIC.to_owned(),
            embedding_model: self.encoder_id,
            signature: self.signature(),
        };
        Ok(store.register_condition(&key)?)
    }

    /// The stored vectors of all concepts and of `texts`.
    pub(crate) fn vectors<'t>(
        &'t self,
        store: &Store,
        texts: impl Iterator<Item = &'t str>,
    ) -> anyhow::Result<Vectors> {
        self.encoding().vectors(store, &self.texts(texts))
    }

    /// The distinct concepts and texts.
    pub(crate) fn texts<'t>(&'t self, texts: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
        let concepts = self
            .experiment
            .pairs()
            .iter()
            .map(|pair| pair.concept.as_str());
        let mut texts: Vec<&str> = concepts.chain(texts).collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    /// What else the verdicts may come from.
    fn diagnostics(
        &self,
        planned: &Planned,
        scored: &[ScoredPair],
        generations: &Generations,
    ) -> Vec<Diagnostics> {
        let pair_of: HashMap<usize, &PromptPair> = self
            .experiment
            .pairs()
            .iter()
            .map(|pair| (pair.pair_idx, pair))
            .collect();
        let diagnosed = scored.iter().map(|scored| {
            let pair = pair_of[&scored.pair_idx];
            let side = |prompt_idx: usize| {
                let request = planned.plan.request_id(prompt_idx, scored.repeat_idx);
                let generation = &generations[&request].generation;
                Side {
                    prompt: &self.experiment.prompts()[prompt_idx],
                    generation: &generation.text,
                    is_cut_off: generation.stop_reason == StopReason::MaxTokens,
                }
            };
            DiagnosedPair {
                scored,
                concept: &pair.concept,
                test: side(pair.test_prompt_idx),
                control: side(pair.control_prompt_idx),
            }
        });
        diagnostics(&diagnosed.collect::<Vec<_>>())
    }

    fn example(
        &self,
        planned: &Planned,
        scored: &ScoredPair,
        generations: &Generations,
    ) -> Example {
        let pair = self
            .experiment
            .pairs()
            .iter()
            .find(|pair| pair.pair_idx == scored.pair_idx);
        let pair = pair.expect("a scored pair is one of the experiment");
        let generation = |prompt_idx, similarity| {
            let request = planned.plan.request_id(prompt_idx, scored.repeat_idx);
            let text = generations[&request].generation.text.clone();
            SimilarText { text, similarity }
        };
        Example {
            model: planned.prepared.label(),
            concept: pair.concept.clone(),
            leak_probability: scored.leak.value(),
            test_prompt: self.experiment.test_prompt(pair).to_owned(),
            control_prompt: self.experiment.control_prompt(pair).to_owned(),
            texts: Texts::Generations {
                test: generation(pair.test_prompt_idx, scored.similarity_test),
                control: generation(pair.control_prompt_idx, scored.similarity_control),
            },
        }
    }
}

/// The texts of generations.
pub(crate) fn generation_texts(generations: &Generations) -> impl Iterator<Item = &str> {
    generations
        .values()
        .map(|stored| stored.generation.text.as_str())
}

fn verdict(
    pair: &PromptPair,
    repeat_idx: u32,
    test: &StoredGeneration,
    control: &StoredGeneration,
    vectors: &Vectors,
) -> anyhow::Result<ScoredPair> {
    let similarity_test = vectors.similarity(&pair.concept, &test.generation.text)?;
    let similarity_control = vectors.similarity(&pair.concept, &control.generation.text)?;
    Ok(ScoredPair {
        pair_idx: pair.pair_idx,
        repeat_idx,
        category: pair.category.clone(),
        control_prompt_idx: pair.control_prompt_idx,
        similarity_test,
        similarity_control,
        leak: Leak::of(similarity_test, similarity_control),
        is_echo: echoes(&test.generation.text, &pair.concept),
    })
}

fn new_leak(pair: &ScoredPair, test: &StoredGeneration, control: &StoredGeneration) -> NewLeak {
    NewLeak {
        pair_idx: pair.pair_idx,
        repeat_idx: pair.repeat_idx,
        test_generation: test.id,
        control_generation: control.id,
        similarity_test: pair.similarity_test,
        similarity_control: pair.similarity_control,
        leak: pair.leak,
        is_echo: pair.is_echo,
    }
}
