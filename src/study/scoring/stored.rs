//! Leak rates of stored generations, without generating.
//!
//! Owns the choice of experiments, the grouping by seed, and which encoder a metric uses unless another is named. Which
//! generations are compared, the store says; what a leak is, `leakage` does.

use std::path::Path;

use anyhow::ensure;
use itertools::Itertools as _;

use super::encoding::{Encoding, similarity_text};
use super::evidence::{Evidence, Repeats, Subject};
use super::scorer::{Scored, Scorer};
use crate::generation::sampling_labels;
use crate::gguf::manifest::Manifest;
use crate::leakage::{Metric, Rounding};
use crate::llama::Backend;
use crate::results::{ModelSummary, Summary};
use crate::store::{ComparedModel, IMPORTED_SEED, Store, StoredExperiment};
use crate::study::asking::register_model;
use crate::study::models::encoder::{EncoderUse, open_encoder_for, wanted_encoder};
use crate::study::models::file::{stored_composition, stored_derivation, stored_label_share};
use crate::study::selecting;
use crate::study::session::Session;

/// The encoders of the published work.
const SBERT_MODEL: &str = "all-minilm-l6-v2";
const BERTSCORE_MODEL: &str = "distilbert-base-uncased";

/// The conditions of one experiment and seed that can be scored.
struct Scorable {
    experiment: StoredExperiment,
    seed: u64,
    models: Vec<(ComparedModel, Subject)>,
}

/// The way in which stored generations are scored.
#[derive(Debug, Clone)]
pub struct Scoring {
    /// The name of the only experiment; all unless given.
    pub experiment: Option<String>,
    /// The metrics.
    pub metrics: Vec<Metric>,
    /// An encoder of the manifest, a GGUF file or a folder; unless given that of the experiment's runs, or for imports and
    /// for metrics of tokens that of the published work.
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
        let mut store = Store::open_existing(db)?;
        let scorable = scorable(&store, scoring.experiment.as_deref())?;
        let call = Call {
            scoring,
            session: self,
            backend: &Backend::init()?,
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
            summaries.extend(call.score(&mut store, &scorable, metrics, *encoder_use)?);
        }
        Ok(summaries)
    }
}

/// The experiments that are meant and have something to compare, by experiment and seed.
fn scorable(store: &Store, name: Option<&str>) -> anyhow::Result<Vec<Scorable>> {
    let mut found: Vec<Scorable> = Vec::new();
    for experiment in selecting::experiments_named(store, name)? {
        let models = store.compared_models(experiment.id)?.into_iter();
        let by_seed = models.into_group_map_by(|model| model.source.seed);
        for (seed, models) in by_seed.into_iter().sorted_by_key(|(seed, _)| *seed) {
            let models = models.into_iter().map(|model| subject(store, model));
            found.push(Scorable {
                experiment: experiment.clone(),
                seed,
                models: models.collect::<anyhow::Result<_>>()?,
            });
        }
    }
    ensure!(
        !found.is_empty(),
        "nothing is stored that could be scored\n\
         hint: `seep run` and `seep import` store generations"
    );
    Ok(found)
}

fn subject(store: &Store, model: ComparedModel) -> anyhow::Result<(ComparedModel, Subject)> {
    let subject = Subject {
        source: model.source,
        label: format!("{} {}", model.label, model.quantization),
        evidence: Evidence::Repeats(Repeats {
            comparisons: store.comparisons(&model.source)?,
            fillers: store.filler_generations(&model.source)?,
        }),
    };
    Ok((model, subject))
}

/// Everything that holds for all metrics of one call.
struct Call<'a> {
    scoring: &'a Scoring,
    session: &'a Session,
    backend: &'a Backend,
}

impl Call<'_> {
    /// Scores everything by metrics that need the same of an encoder.
    fn score(
        &self,
        store: &mut Store,
        scorable: &[Scorable],
        metrics: &[Metric],
        encoder_use: EncoderUse,
    ) -> anyhow::Result<Vec<Summary>> {
        let named = scorable.iter().map(|scorable| {
            let name = self.encoder_name(store, &scorable.experiment, encoder_use)?;
            Ok((name, scorable))
        });
        let named = named.collect::<anyhow::Result<Vec<(String, &Scorable)>>>()?;
        let names = named.iter().map(|(name, _)| name).unique();
        let mut summaries = Vec::new();
        for name in names {
            let of_name = named.iter().filter(|(of, _)| of == name);
            let scorable: Vec<&Scorable> = of_name.map(|(_, scorable)| *scorable).collect();
            summaries.extend(self.score_with(store, name, &scorable, metrics, encoder_use)?);
        }
        Ok(summaries)
    }

    /// The encoder for an experiment: that which is asked for, that which its runs were scored with, or the published one.
    fn encoder_name(
        &self,
        store: &Store,
        experiment: &StoredExperiment,
        encoder_use: EncoderUse,
    ) -> anyhow::Result<String> {
        if let Some(name) = &self.scoring.embedding_model {
            return Ok(name.clone());
        }
        if matches!(encoder_use, EncoderUse::Tokens { .. }) {
            return Ok(BERTSCORE_MODEL.to_owned());
        }
        let chosen = store.first_encoder(experiment.id, Metric::Sbert.name())?;
        Ok(match chosen {
            Some((label, _)) if Manifest::builtin().find_encoder(&label).is_ok() => label,
            Some((_, Some(path))) => path,
            Some((_, None)) | None => SBERT_MODEL.to_owned(),
        })
    }

    fn score_with(
        &self,
        store: &mut Store,
        encoder: &str,
        scorable: &[&Scorable],
        metrics: &[Metric],
        encoder_use: EncoderUse,
    ) -> anyhow::Result<Vec<Summary>> {
        let encoder = open_encoder_for(self.session, &wanted_encoder(encoder)?, encoder_use)?;
        let encoding = Encoding {
            session: self.session,
            backend: self.backend,
            encoder_id: register_model(store, &encoder.file)?,
            encoder: &encoder,
        };
        let subjects = scorable.iter().flat_map(|scorable| &scorable.models);
        let texts = subjects.flat_map(|(_, subject)| subject.texts());
        let encoded = encoding.encode(store, encoder_use, texts)?;
        let mut summaries = Vec::new();
        for &metric in metrics {
            let scorer = Scorer {
                encoding: &encoding,
                encoded: &encoded,
                metric,
                rounding: self.scoring.rounding,
            };
            for scorable in scorable {
                summaries.push(score_one(store, &scorer, scorable)?);
            }
        }
        Ok(summaries)
    }
}

/// Scores the generations of one experiment and seed, and stores the verdicts.
fn score_one(
    store: &mut Store,
    scorer: &Scorer<'_>,
    scorable: &Scorable,
) -> anyhow::Result<Summary> {
    let (encoding, file) = (scorer.encoding, &scorer.encoding.encoder.file);
    let experiment = scorable.experiment.id;
    store.name_model(
        experiment,
        encoding.encoder_id,
        &file.name,
        &file.quantization,
    )?;
    let mut summary = new_summary(scorer, store, scorable);
    for (model, subject) in &scorable.models {
        let scored = scorer.score(store, subject)?;
        summary.examples.extend(scored.examples.iter().cloned());
        summary.models.push(model_summary(model, subject, scored)?);
    }
    label_samplings(&mut summary);
    Ok(summary)
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

fn new_summary(scorer: &Scorer<'_>, store: &Store, scorable: &Scorable) -> Summary {
    let (experiment, encoder) = (&scorable.experiment, scorer.encoding.encoder);
    let comparisons = scorable
        .models
        .iter()
        .flat_map(|(_, subject)| subject.comparisons());
    let is_unknown = experiment.is_imported && scorable.seed == IMPORTED_SEED;
    Summary {
        experiment: experiment.name.clone(),
        experiment_sha256: experiment.sha256.clone(),
        metric: scorer.metric.name().to_owned(),
        similarity: similarity_text(scorer.metric, encoder),
        signature: scorer.signature(),
        embedding_model: encoder.file.name.clone(),
        embedding_model_sha256: encoder.file.sha256.to_string(),
        n_repeats: comparisons
            .map(|found| found.repeat_idx + 1)
            .max()
            .unwrap_or(0),
        seed: (!is_unknown).then_some(scorable.seed),
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

fn model_summary(
    model: &ComparedModel,
    subject: &Subject,
    scored: Scored,
) -> anyhow::Result<ModelSummary> {
    let generations = subject
        .comparisons()
        .iter()
        .flat_map(|found| [found.test.id, found.control.id]);
    let composition = stored_composition(model.composition.as_deref())?;
    let label_share = stored_label_share(&model.quantization, &composition);
    Ok(ModelSummary {
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
        n_reused: generations.unique().count(),
        n_decode_rows: 0,
        seconds: 0.0,
        leak_rates: scored.leak_rates,
        diagnostics: scored.diagnostics,
    })
}
