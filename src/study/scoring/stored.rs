//! Leak rates of stored generations, without generating.
//!
//! Owns the choice of experiments, the grouping by seed, and which encoder a metric uses unless another is named. Which
//! generations are compared, the store says; what a leak is, `leakage` does.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::ensure;

use super::encoding::{Encoded, Encoding, signature_of, similarity_text};
use super::repeats::N_EXAMPLES;
use crate::generation::{Method, sampling_labels};
use crate::leakage::{
    Diagnostics, Leak, Metric, Rounding, ScoredPair, diagnostics, echoes, estimates, leak_rates,
    striking_leaks,
};
use crate::llama::Backend;
use crate::results::{Example, ModelSummary, SimilarText, Summary, Texts};
use crate::store::{
    ComparedModel, Comparison, ConditionKey, IMPORTED_SEED, NewLeak, Store, StoredExperiment,
};
use crate::study::asking::register_model;
use crate::study::models::encoder::{EncoderUse, open_encoder_for, wanted_encoder};
use crate::study::models::file::{stored_composition, stored_derivation, stored_label_share};
use crate::study::session::Session;
use crate::study::stored;

/// The encoders of the published work.
const SBERT_MODEL: &str = "all-minilm-l6-v2";
const BERTSCORE_MODEL: &str = "distilbert-base-uncased";

/// What can be compared of one experiment: for each seed and model its comparisons.
struct Compared {
    experiment: StoredExperiment,
    by_seed: BTreeMap<u64, Vec<(ComparedModel, Vec<Comparison>)>>,
}

/// The way in which stored generations are scored.
#[derive(Debug, Clone)]
pub struct Scoring {
    /// The name of the only experiment; all unless given.
    pub experiment: Option<String>,
    /// The metrics.
    pub metrics: Vec<Metric>,
    /// An encoder of the manifest, a GGUF file or a folder; that of the published work unless given.
    pub embedding_model: Option<String>,
    /// The layer of which tokens are compared; that which bert_score takes unless given.
    pub layer: Option<u32>,
    /// How similarities are rounded before they are compared.
    pub rounding: Rounding,
}

impl Session {
    /// Scores the stored generations of `db` by each metric and stores the verdicts.
    ///
    /// # Errors
    /// Where nothing is stored, and [`Interrupted`](crate::study::Interrupted).
    pub fn score(&self, db: &Path, scoring: &Scoring) -> anyhow::Result<Vec<Summary>> {
        let mut store = stored::open(db)?;
        let compared = compared(&store, scoring.experiment.as_deref())?;
        let scorer = StoredScorer {
            scoring,
            session: self,
            backend: &Backend::init()?,
            compared: &compared,
        };
        let (of_tokens, of_sentences): (Vec<Metric>, Vec<Metric>) = scoring
            .metrics
            .iter()
            .partition(|metric| metric.is_of_tokens());
        let uses = [
            (of_sentences, EncoderUse::Sentences),
            (
                of_tokens,
                EncoderUse::Tokens {
                    layer: scoring.layer,
                },
            ),
        ];
        let mut summaries = Vec::new();
        for (metrics, encoder_use) in uses.iter().filter(|(metrics, _)| !metrics.is_empty()) {
            summaries.extend(scorer.score(&mut store, metrics, *encoder_use)?);
        }
        Ok(summaries)
    }
}

/// The experiments that are meant and have something to compare.
fn compared(store: &Store, name: Option<&str>) -> anyhow::Result<Vec<Compared>> {
    let meant = stored::experiments_named(store, name)?;
    let mut found = Vec::new();
    for experiment in meant {
        let mut by_seed: BTreeMap<u64, Vec<(ComparedModel, Vec<Comparison>)>> = BTreeMap::new();
        for model in store.compared_models(experiment.id)? {
            for comparison in comparisons(store, &experiment, &model)? {
                let models = by_seed.entry(comparison.seed).or_default();
                match models.last_mut() {
                    Some((last, comparisons)) if *last == model => comparisons.push(comparison),
                    _ => models.push((model.clone(), vec![comparison])),
                }
            }
        }
        if !by_seed.is_empty() {
            found.push(Compared {
                experiment: experiment.clone(),
                by_seed,
            });
        }
    }
    ensure!(
        !found.is_empty(),
        "nothing is stored that could be scored\n\
         hint: generations are scored again once a run has ended, or after `seep import`"
    );
    Ok(found)
}

/// What can be compared of a model of an experiment.
fn comparisons(
    store: &Store,
    experiment: &StoredExperiment,
    model: &ComparedModel,
) -> anyhow::Result<Vec<Comparison>> {
    let (sampling, numerics) = (model.sampling, model.numerics);
    Ok(store.comparisons(experiment.id, model.id, sampling, numerics)?)
}

/// What holds for all metrics of one call.
struct StoredScorer<'a> {
    scoring: &'a Scoring,
    session: &'a Session,
    backend: &'a Backend,
    compared: &'a [Compared],
}

impl StoredScorer<'_> {
    /// Scores everything by metrics that need the same of an encoder.
    fn score(
        &self,
        store: &mut Store,
        metrics: &[Metric],
        encoder_use: EncoderUse,
    ) -> anyhow::Result<Vec<Summary>> {
        let usual = match encoder_use {
            EncoderUse::Sentences => SBERT_MODEL,
            EncoderUse::Tokens { .. } => BERTSCORE_MODEL,
        };
        let name = self.scoring.embedding_model.as_deref().unwrap_or(usual);
        let wanted = wanted_encoder(name)?;
        let encoder = open_encoder_for(self.session, &wanted, encoder_use)?;
        let encoding = Encoding {
            session: self.session,
            backend: self.backend,
            encoder_id: register_model(store, &encoder.file)?,
            encoder: &encoder,
        };
        let encoded = encode(&encoding, store, encoder_use, &texts(self.compared))?;
        let mut summaries = Vec::new();
        for &metric in metrics {
            for compared in self.compared {
                for seed in compared.by_seed.keys() {
                    let scored =
                        self.score_one(store, &encoding, &encoded, metric, compared, *seed);
                    summaries.push(scored?);
                }
            }
        }
        Ok(summaries)
    }

    /// Scores the generations of one experiment and seed, and stores the verdicts.
    fn score_one(
        &self,
        store: &mut Store,
        encoding: &Encoding<'_>,
        encoded: &Encoded,
        metric: Metric,
        compared: &Compared,
        seed: u64,
    ) -> anyhow::Result<Summary> {
        let rounding = self.scoring.rounding;
        let signature = signature_of(metric, encoding.encoder, rounding);
        let (experiment, file) = (compared.experiment.id, &encoding.encoder.file);
        store.name_model(
            experiment,
            encoding.encoder_id,
            &file.name,
            &file.quantization,
        )?;
        let mut summary = new_summary(encoding, store, compared, seed, metric, &signature);
        for (model, comparisons) in &compared.by_seed[&seed] {
            let scored = scored_pairs(encoded, metric, rounding, comparisons)?;
            let condition = store.register_condition(&ConditionKey {
                experiment,
                model: model.id,
                sampling: model.sampling,
                seed,
                method: Method::Repeats,
                numerics: model.numerics,
                metric: metric.name().to_owned(),
                embedding_model: encoding.encoder_id,
                signature: signature.clone(),
            })?;
            let new = comparisons.iter().zip(&scored).map(new_leak);
            store.save_leaks(condition, &new.collect::<Vec<_>>())?;
            add_model(&mut summary, model, comparisons, &scored)?;
        }
        label_samplings(&mut summary);
        Ok(summary)
    }
}

/// Names the sampling values in which the conditions differ, where they are known.
fn label_samplings(summary: &mut Summary) {
    let known = summary.models.iter();
    let known: Vec<_> = known.filter_map(|found| found.sampling.as_ref()).collect();
    let labels = sampling_labels(&known);
    let conditions = summary.models.iter_mut();
    let conditions = conditions.filter(|found| found.sampling.is_some());
    for (condition, label) in conditions.zip(labels) {
        condition.sampling_label = label;
    }
}

/// The vectors of `texts` that the metrics need.
fn encode(
    encoding: &Encoding<'_>,
    store: &mut Store,
    encoder_use: EncoderUse,
    texts: &[&str],
) -> anyhow::Result<Encoded> {
    Ok(match encoder_use {
        EncoderUse::Tokens { .. } => Encoded::Tokens(encoding.tokens(texts)?),
        EncoderUse::Sentences => {
            encoding.embed(store, texts)?;
            Encoded::Sentences(encoding.vectors(store, texts)?)
        }
    })
}

/// The distinct concepts and generations.
fn texts(compared: &[Compared]) -> Vec<&str> {
    let models = compared
        .iter()
        .flat_map(|compared| compared.by_seed.values().flatten());
    let comparisons = models.flat_map(|(_, comparisons)| comparisons);
    let mut texts: Vec<&str> = comparisons
        .flat_map(|comparison| {
            let generations =
                [&comparison.test, &comparison.control].map(|side| side.text.as_str());
            [comparison.concept.as_str()].into_iter().chain(generations)
        })
        .collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

fn scored_pairs(
    encoded: &Encoded,
    metric: Metric,
    rounding: Rounding,
    comparisons: &[Comparison],
) -> anyhow::Result<Vec<ScoredPair>> {
    let scored = comparisons.iter().map(|comparison| {
        let concept = &comparison.concept;
        let similarity = |text: &str| encoded.similarity(metric, concept, text);
        let similarity_test = similarity(&comparison.test.text)?;
        let similarity_control = similarity(&comparison.control.text)?;
        let control_prompt_idx = usize::try_from(comparison.control_prompt_id.get());
        Ok(ScoredPair {
            pair_idx: comparison.pair_idx,
            repeat_idx: comparison.repeat_idx,
            category: comparison.category.clone(),
            control_prompt_idx: control_prompt_idx.expect("ids of rows count up from 1"),
            similarity_test,
            similarity_control,
            leak: Leak::with_rounding(similarity_test, similarity_control, rounding),
            is_echo: echoes(&comparison.test.text, concept),
        })
    });
    scored.collect()
}

/// What else the verdicts may come from; each stands beside its comparison.
fn diagnosed(comparisons: &[Comparison], scored: &[ScoredPair]) -> Vec<Diagnostics> {
    let pairs = comparisons.iter().zip(scored);
    let pairs = pairs.map(|(comparison, scored)| stored::diagnosed_pair(comparison, scored));
    diagnostics(&pairs.collect::<Vec<_>>())
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

fn new_summary(
    encoding: &Encoding<'_>,
    store: &Store,
    compared: &Compared,
    seed: u64,
    metric: Metric,
    signature: &str,
) -> Summary {
    let experiment = &compared.experiment;
    let comparisons = compared.by_seed[&seed]
        .iter()
        .flat_map(|(_, comparisons)| comparisons);
    let is_unknown = experiment.is_imported && seed == IMPORTED_SEED;
    Summary {
        experiment: experiment.name.clone(),
        experiment_sha256: experiment.sha256.clone(),
        metric: metric.name().to_owned(),
        similarity: similarity_text(metric, encoding.encoder),
        signature: signature.to_owned(),
        embedding_model: encoding.encoder.file.name.clone(),
        embedding_model_sha256: encoding.encoder.file.sha256.to_string(),
        n_repeats: comparisons
            .map(|found| found.repeat_idx + 1)
            .max()
            .unwrap_or(0),
        seed: (!is_unknown).then_some(seed),
        models: Vec::new(),
        enumeration: None,
        drifts: Vec::new(),
        examples: Vec::new(),
        differences: Vec::new(),
        database: store.path().display().to_string(),
        run_id: None,
        n_failed: 0,
    }
}

fn add_model(
    summary: &mut Summary,
    model: &ComparedModel,
    comparisons: &[Comparison],
    scored: &[ScoredPair],
) -> anyhow::Result<()> {
    let label = format!("{} {}", model.label, model.quantization);
    let estimates = estimates(scored);
    let examples = striking_leaks(&estimates, N_EXAMPLES).into_iter();
    let examples = examples.map(|place| example(&label, &comparisons[place], &scored[place]));
    summary.examples.extend(examples);
    let mut generations: Vec<i64> = comparisons
        .iter()
        .flat_map(|found| [found.test.id.get(), found.control.id.get()])
        .collect();
    generations.sort_unstable();
    generations.dedup();
    let composition = stored_composition(model.composition.as_deref())?;
    let label_share = stored_label_share(&model.quantization, &composition);
    summary.models.push(ModelSummary {
        model: model.label.clone(),
        quantization: model.quantization.clone(),
        sha256: model.sha256.clone(),
        bits_per_weight: model.bits_per_weight,
        composition,
        label_share,
        derivation: stored_derivation(model.derivation.as_deref())?,
        sampling: model.sampling_values.clone(),
        sampling_label: String::new(),
        preset: None,
        device: None,
        determinism: None,
        n_generated: 0,
        n_reused: generations.len(),
        n_decode_rows: 0,
        seconds: 0.0,
        leak_rates: leak_rates(&estimates),
        diagnostics: diagnosed(comparisons, scored),
    });
    Ok(())
}

fn example(model: &str, comparison: &Comparison, scored: &ScoredPair) -> Example {
    let generation = |text: &str, similarity| SimilarText {
        text: text.to_owned(),
        similarity,
    };
    Example {
        model: model.to_owned(),
        concept: comparison.concept.clone(),
        leak_probability: scored.leak.value(),
        test_prompt: comparison.test_prompt.clone(),
        control_prompt: comparison.control_prompt.clone(),
        texts: Texts::Generations {
            test: generation(&comparison.test.text, scored.similarity_test),
            control: generation(&comparison.control.text, scored.similarity_control),
        },
    }
}
