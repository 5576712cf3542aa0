//! Leak rates of stored generations, without generating.
//!
//! Owns the choice of experiments, the grouping by seed, and which encoders a metric uses unless others are named. Which
//! generations are compared, the store says; what a leak is, `leakage` does.

use std::collections::HashMap;
use std::path::Path;

use anyhow::ensure;
use itertools::Itertools as _;

use super::encoders::{ByEncoder, joined};
use super::encoding::{Encoding, similarity_text};
use super::evidence::{Evidence, Repeats, Subject, concepts_of_subjects};
use super::means::ForMeans;
use super::scorer::{Scored, Scorer};
use crate::experiment::whole_names;
use crate::generation::sampling_labels;
use crate::leakage::{Metric, RateKind, Rounding};
use crate::results::{ModelSummary, Summary};
use crate::store::{
    ComparedModel, ComparedText, Comparison, IMPORTED_SEED, Source, Store, StoredExperiment,
};
use crate::study::asking::register_model;
use crate::study::domain::Domain;
use crate::study::estimates::is_generalised;
use crate::study::models::encoder::{
    EncoderFile, EncoderUse, open_encoder_for, refuse_same, stored_encoder, wanted_encoder,
};
use crate::study::models::file::{stored_composition, stored_derivation, stored_label_share};
use crate::study::models::wanted::Wanted;
use crate::study::seeds::n_seeds_of;
use crate::study::selecting;
use crate::study::session::Session;

/// The encoders of the published work.
pub(crate) const SBERT_MODEL: &str = "all-minilm-l6-v2";
const BERTSCORE_MODEL: &str = "distilbert-base-uncased";

/// The conditions of one experiment and seed that can be scored.
struct Scorable {
    experiment: StoredExperiment,
    seed: u64,
    models: Vec<(ComparedModel, Subject)>,
}

/// An encoder that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Wish {
    /// By a word.
    Word(String),
    /// One that an experiment was scored with.
    Stored { label: String, path: Option<String> },
}

/// A place among what is scored, a metric and an encoder.
type Place<'w> = (usize, Metric, &'w Wish);

impl Wish {
    fn wanted(&self, session: &Session) -> anyhow::Result<Wanted> {
        match self {
            Self::Word(word) => wanted_encoder(word),
            Self::Stored { label, path } => {
                stored_encoder(session, label, path.as_deref().map(Path::new))
            }
        }
    }
}

/// The way in which stored generations are scored.
#[derive(Debug, Clone)]
pub struct Scoring {
    /// The name of the only experiment; all unless given.
    pub experiment: Option<String>,
    /// The metrics.
    pub metrics: Vec<Metric>,
    /// Encoders, each of the manifest, a GGUF file or a folder, the primary one first; where there is none those that the
    /// experiment names, or for imports and for metrics of tokens that of the published work.
    pub embedding_models: Vec<String>,
    /// The layer of which tokens are compared; that which bert_score takes unless given.
    pub layer: Option<u32>,
    /// How similarities are rounded before they are compared.
    pub rounding: Rounding,
    /// Let intervals speak of other concepts too, whatever the experiments say.
    pub generalises_concepts: bool,
}

impl Session {
    /// Scores the stored generations of `db` by each metric and stores the verdicts.
    ///
    /// # Errors
    /// Where nothing is stored, and [`Interrupted`](crate::study::Interrupted).
    pub fn score(&self, db: &Path, scoring: &Scoring) -> anyhow::Result<Vec<Summary>> {
        let mut store = self.existing_store(db)?;
        let scorable = scorable(&store, scoring)?;
        let call = Call {
            scoring,
            session: self,
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
fn scorable(store: &Store, scoring: &Scoring) -> anyhow::Result<Vec<Scorable>> {
    let mut found: Vec<Scorable> = Vec::new();
    for experiment in selecting::experiments_named(store, scoring.experiment.as_deref())? {
        let are_random = scoring.generalises_concepts || is_generalised(store, experiment.id)?;
        let models = store.compared_models(experiment.id)?.into_iter();
        let by_seed = models.into_group_map_by(|model| model.source.seed);
        for (seed, models) in by_seed.into_iter().sorted_by_key(|(seed, _)| *seed) {
            let models = models
                .into_iter()
                .map(|model| subject(store, model, are_random));
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

fn subject(
    store: &Store,
    model: ComparedModel,
    generalises_concepts: bool,
) -> anyhow::Result<(ComparedModel, Subject)> {
    let subject = Subject {
        source: model.source,
        label: format!("{} {}", model.label, model.quantization),
        evidence: Evidence::Repeats(Repeats {
            comparisons: store.comparisons(&model.source, store.stored_repeats(&model.source)?)?,
            fillers: store.filler_generations(&model.source)?,
        }),
        is_partial: false,
        generalises_concepts,
    };
    Ok((model, subject))
}

/// Everything that holds for all metrics of one call.
struct Call<'a> {
    scoring: &'a Scoring,
    session: &'a Session,
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
        let wishes = scorable.iter();
        let wishes = wishes.map(|of| self.encoders(store, &of.experiment, encoder_use));
        let wishes = wishes.collect::<anyhow::Result<Vec<Vec<Wish>>>>()?;
        let distinct: Vec<&Wish> = wishes.iter().flatten().unique().collect();
        let opened = self.open(&distinct, &wishes, encoder_use)?;
        let mut found: HashMap<Place<'_>, ByEncoder> = HashMap::new();
        // Of several the first is scored last: where no experiment says which is the primary one, that is taken.
        for (wish, encoder) in distinct.iter().zip(&opened).rev() {
            let of_wish = scorable.iter().enumerate();
            let of_wish = of_wish.filter(|(idx, _)| wishes[*idx].contains(wish));
            let of_wish: Vec<_> = of_wish.collect();
            for (idx, metric, by) in
                self.score_with(store, encoder, &of_wish, metrics, encoder_use)?
            {
                found.insert((idx, metric, wish), by);
            }
        }
        let mut summaries = Vec::new();
        for ((wish, &metric), idx) in distinct
            .iter()
            .cartesian_product(metrics)
            .cartesian_product(0..scorable.len())
        {
            if wishes[idx][0] != **wish {
                continue;
            }
            let of = wishes[idx].iter();
            let mut of = of.filter_map(|wish| found.remove(&(idx, metric, wish)));
            let primary = of.next().expect("each wish was scored");
            let sources = scorable[idx].models.iter().map(|(_, it)| it.source);
            let sources: Vec<Source> = sources.collect();
            summaries.push(Summary {
                n_seeds: n_seeds_of(store, &sources, metric.name(), RateKind::Repeats)?,
                ..joined(primary, of)
            });
        }
        Ok(summaries)
    }

    /// Opens the encoders before anything is scored; no experiment has one file twice.
    fn open(
        &self,
        distinct: &[&Wish],
        wishes: &[Vec<Wish>],
        encoder_use: EncoderUse,
    ) -> anyhow::Result<Vec<EncoderFile>> {
        let opened = distinct.iter();
        let opened = opened
            .map(|wish| open_encoder_for(self.session, &wish.wanted(self.session)?, encoder_use));
        let opened = opened.collect::<anyhow::Result<Vec<_>>>()?;
        for wishes in wishes {
            let place = |wish| distinct.iter().position(|other| *other == wish);
            let of = wishes.iter().filter_map(place).map(|place| &opened[place]);
            refuse_same(&of.collect::<Vec<_>>())?;
        }
        Ok(opened)
    }

    /// The encoders for an experiment: those that are asked for, that it names, that it was scored with, or the
    /// published one; at least one.
    fn encoders(
        &self,
        store: &Store,
        experiment: &StoredExperiment,
        encoder_use: EncoderUse,
    ) -> anyhow::Result<Vec<Wish>> {
        let asked = &self.scoring.embedding_models;
        if !asked.is_empty() {
            let is_path = |word: &str| Path::new(word).exists();
            let words = whole_names(asked, is_path).into_iter();
            return Ok(words.map(Wish::Word).collect());
        }
        if matches!(encoder_use, EncoderUse::Tokens { .. }) {
            return Ok(vec![Wish::Word(BERTSCORE_MODEL.to_owned())]);
        }
        let mut stored = store.named_encoders(experiment.id)?;
        if stored.is_empty() {
            stored.extend(store.first_encoder(experiment.id, Metric::Sbert.name())?);
        }
        if stored.is_empty() {
            return Ok(vec![Wish::Word(SBERT_MODEL.to_owned())]);
        }
        let wishes = stored.into_iter();
        Ok(wishes
            .map(|(label, path)| Wish::Stored { label, path })
            .collect())
    }

    /// The summaries by an encoder, each with the place of what was scored.
    fn score_with(
        &self,
        store: &mut Store,
        encoder: &EncoderFile,
        scorable: &[(usize, &Scorable)],
        metrics: &[Metric],
        encoder_use: EncoderUse,
    ) -> anyhow::Result<Vec<(usize, Metric, ByEncoder)>> {
        let encoding = Encoding {
            session: self.session,
            encoder_id: register_model(store, &encoder.file)?,
            encoder,
        };
        let subjects = scorable.iter().flat_map(|(_, scorable)| &scorable.models);
        let comparisons = subjects.clone().flat_map(|(_, it)| it.comparisons());
        let concepts = comparisons.clone().map(|it| it.concept.as_str());
        let generations = comparisons.map(|it| it.test.text.as_str());
        let domain = Domain {
            name: &encoder.file.name,
            tokenizer: Some(encoder.tokenizer.clone()),
        };
        domain.warn(
            self.session,
            &concepts.collect::<Vec<_>>(),
            &generations.collect::<Vec<_>>(),
        );
        let texts = subjects.flat_map(|(_, subject)| subject.texts());
        let encoded = encoding.encode(store, encoder_use, texts)?;
        let mut found = Vec::new();
        for &metric in metrics {
            let scorer = Scorer {
                encoding: &encoding,
                encoded: &encoded,
                metric,
                rounding: self.scoring.rounding,
            };
            for (idx, scorable) in scorable {
                found.push((*idx, metric, score_one(store, &scorer, scorable)?));
            }
        }
        Ok(found)
    }
}

/// Scores the generations of one experiment and seed, and stores the verdicts.
fn score_one(
    store: &mut Store,
    scorer: &Scorer<'_>,
    scorable: &Scorable,
) -> anyhow::Result<ByEncoder> {
    let (encoding, file) = (scorer.encoding, &scorer.encoding.encoder.file);
    let experiment = scorable.experiment.id;
    store.name_model(
        experiment,
        encoding.encoder_id,
        &file.name,
        &file.quantization,
    )?;
    let mut summary = new_summary(scorer, store, scorable);
    let mut verdicts = Vec::new();
    let mut for_means = ForMeans::default();
    for (model, subject) in &scorable.models {
        let mut scored = scorer.score(store, subject)?;
        verdicts.push(std::mem::take(&mut scored.verdicts));
        summary.examples.extend(scored.examples.iter().cloned());
        for_means.add(subject.source, &mut scored);
        summary.models.push(model_summary(model, subject, scored)?);
    }
    label_differing(&mut summary, scorable);
    summary.wording_means = for_means.means(&summary.models);
    Ok(ByEncoder { summary, verdicts })
}

/// Names the wordings and the sampling values in which the conditions differ, where they are known.
fn label_differing(summary: &mut Summary, scorable: &Scorable) {
    let wordings = || scorable.models.iter().map(|(model, _)| &model.wording);
    if wordings().unique().nth(1).is_some() {
        for (condition, wording) in summary.models.iter_mut().zip(wordings()) {
            condition.wording_label.clone_from(wording);
        }
    }
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
    let n_of = |side: fn(&Comparison) -> &ComparedText| {
        let subjects = scorable.models.iter();
        let found = subjects.flat_map(|(_, subject)| subject.comparisons());
        found.map(|it| side(it).repeat_idx + 1).max().unwrap_or(0)
    };
    let is_unknown = experiment.is_imported && scorable.seed == IMPORTED_SEED;
    Summary {
        experiment: experiment.name.clone(),
        experiment_sha256: experiment.sha256.clone(),
        metric: scorer.metric.name().to_owned(),
        similarity: similarity_text(scorer.metric, encoder),
        signature: scorer.signature(),
        embedding_model: encoder.file.name.clone(),
        embedding_model_sha256: encoder.file.sha256.to_string(),
        n_repeats: n_of(|found| &found.test),
        n_control_repeats: n_of(|found| &found.control),
        seed: (!is_unknown).then_some(scorable.seed),
        n_seeds: 1,
        concepts: concepts_of_subjects(scorable.models.iter().map(|(_, subject)| subject)),
        models: Vec::new(),
        wording_means: Vec::new(),
        enumeration: None,
        drifts: Vec::new(),
        examples: Vec::new(),
        differences: Vec::new(),
        encoders: Vec::new(),
        database: store.path().display().to_string(),
        run_id: None,
        n_failed: 0,
        missing: Vec::new(),
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
        wording_label: String::new(),
        mean_over: Vec::new(),
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
