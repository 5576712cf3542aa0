//! `seep score`: leak rates of what is stored, without generating.
//!
//! Owns the choice of experiments and the grouping by seed. Which generations are compared, the store says; what a leak
//! is, `leakage` does. A metric is added as one more arm of `score_metric`.

use std::collections::BTreeMap;

use anyhow::ensure;

use super::encoding::{Encoding, Vectors};
use super::model_file::{self, stored_composition, stored_derivation, stored_label_share};
use super::prepare::register_model;
use super::scoring::{METRIC, N_EXAMPLES};
use super::session::Session;
use super::{Status, print, stored};
use crate::cli::{Format, Metric, ScoreArgs};
use crate::leakage::{Leak, ScoredPair, echoes, leak_rates, striking_leaks};
use crate::llama::Backend;
use crate::progress;
use crate::report::{self, Example, ModelSummary, Summary};
use crate::store::{
    ComparedModel, Comparison, IMPORTED_SEED, LeakSet, NewLeak, Store, StoredExperiment,
};

/// What can be compared of one experiment: for each seed and model its comparisons.
struct Compared {
    experiment: StoredExperiment,
    by_seed: BTreeMap<u64, Vec<(ComparedModel, Vec<Comparison>)>>,
}

/// Scores stored generations and prints the leak rates.
pub(super) fn score(args: &ScoreArgs) -> anyhow::Result<Status> {
    let mut store = stored::open(&args.places.db)?;
    let compared = compared(&store, args.experiment.as_deref())?;
    let session = Session::start(&args.places.shelf, args.offline, args.threads)?;
    let mut summaries = Vec::new();
    for metric in &args.metric {
        match score_metric(*metric, args, &session, &mut store, &compared)? {
            Some(scored) => summaries.extend(scored),
            None => {
                progress::note("what was embedded is stored; the same command goes on from there");
                return Ok(Status::Interrupted);
            }
        }
    }
    print(&match args.format {
        Format::Table => report::tables(&summaries),
        Format::Json => report::json_list(&summaries),
    })?;
    Ok(Status::Done)
}

/// The experiments that are meant and have something to compare.
fn compared(store: &Store, name: Option<&str>) -> anyhow::Result<Vec<Compared>> {
    let meant = stored::experiments_named(store, name)?;
    let mut found = Vec::new();
    for experiment in meant {
        let mut by_seed: BTreeMap<u64, Vec<(ComparedModel, Vec<Comparison>)>> = BTreeMap::new();
        for model in store.compared_models(experiment.id)? {
            for comparison in store.comparisons(experiment.id, model.id)? {
                let models = by_seed.entry(comparison.seed).or_default();
                match models.last_mut() {
                    Some((last, comparisons)) if last.id == model.id => {
                        comparisons.push(comparison)
                    }
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

/// Scores everything by one metric; None when Ctrl-C ended it.
fn score_metric(
    metric: Metric,
    args: &ScoreArgs,
    session: &Session,
    store: &mut Store,
    compared: &[Compared],
) -> anyhow::Result<Option<Vec<Summary>>> {
    match metric {
        Metric::Sbert => score_sbert(args, session, store, compared),
    }
}

fn score_sbert(
    args: &ScoreArgs,
    session: &Session,
    store: &mut Store,
    compared: &[Compared],
) -> anyhow::Result<Option<Vec<Summary>>> {
    let wanted = model_file::wanted_encoder(&args.embedding_model)?;
    let encoder = model_file::open_encoder(session, &wanted)?;
    let backend = Backend::init()?;
    let encoding = Encoding {
        session,
        backend: &backend,
        encoder_id: register_model(store, &encoder.file)?,
        encoder: &encoder,
    };
    let texts = texts(compared);
    if !encoding.embed(store, &texts)? {
        return Ok(None);
    }
    let vectors = encoding.vectors(store, &texts)?;
    let mut summaries = Vec::new();
    for compared in compared {
        for (seed, models) in &compared.by_seed {
            let mut summary = new_summary(&encoding, store, compared, *seed);
            for (model, comparisons) in models {
                let scored = scored_pairs(&vectors, comparisons)?;
                let set = LeakSet {
                    experiment: compared.experiment.id,
                    model: model.id,
                    metric: METRIC,
                    seed: *seed,
                };
                let new = comparisons.iter().zip(&scored).map(new_leak);
                store.save_leaks(set, encoding.encoder_id, &new.collect::<Vec<_>>())?;
                add_model(&mut summary, model, comparisons, &scored)?;
            }
            summaries.push(summary);
        }
    }
    Ok(Some(summaries))
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

fn scored_pairs(vectors: &Vectors, comparisons: &[Comparison]) -> anyhow::Result<Vec<ScoredPair>> {
    let scored = comparisons.iter().map(|comparison| {
        let concept = &comparison.concept;
        let similarity_test = vectors.similarity(concept, &comparison.test.text)?;
        let similarity_control = vectors.similarity(concept, &comparison.control.text)?;
        let control_prompt_idx = usize::try_from(comparison.control_prompt_id.get());
        Ok(ScoredPair {
            pair_idx: comparison.pair_idx,
            repeat_idx: comparison.repeat_idx,
            category: comparison.category.clone(),
            control_prompt_idx: control_prompt_idx.expect("ids of rows count up from 1"),
            similarity_test,
            similarity_control,
            leak: Leak::of(similarity_test, similarity_control),
            is_echo: echoes(&comparison.test.text, concept),
        })
    });
    scored.collect()
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

fn new_summary(encoding: &Encoding<'_>, store: &Store, compared: &Compared, seed: u64) -> Summary {
    let experiment = &compared.experiment;
    let comparisons = compared.by_seed[&seed]
        .iter()
        .flat_map(|(_, comparisons)| comparisons);
    let is_unknown = experiment.is_imported && seed == IMPORTED_SEED;
    Summary {
        experiment: experiment.name.clone(),
        experiment_sha256: experiment.sha256.clone(),
        metric: METRIC.to_owned(),
        embedding_model: encoding.encoder.file.name.clone(),
        embedding_model_sha256: encoding.encoder.file.sha256.to_string(),
        n_repeats: comparisons
            .map(|found| found.repeat_idx + 1)
            .max()
            .unwrap_or(0),
        seed: (!is_unknown).then_some(seed),
        models: Vec::new(),
        drifts: Vec::new(),
        examples: Vec::new(),
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
    let examples = striking_leaks(scored, N_EXAMPLES).into_iter().map(|leak| {
        let is_meant = |found: &&Comparison| {
            (found.pair_idx, found.repeat_idx) == (leak.pair_idx, leak.repeat_idx)
        };
        let comparison = comparisons.iter().find(is_meant);
        let comparison = comparison.expect("a scored pair comes from a comparison");
        Example {
            model: label.clone(),
            concept: comparison.concept.clone(),
            test_prompt: comparison.test_prompt.clone(),
            test_generation: comparison.test.text.clone(),
            similarity_test: leak.similarity_test,
            control_prompt: comparison.control_prompt.clone(),
            control_generation: comparison.control.text.clone(),
            similarity_control: leak.similarity_control,
        }
    });
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
        determinism: None,
        n_generated: 0,
        n_reused: generations.len(),
        seconds: 0.0,
        leak_rates: leak_rates(scored),
    });
    Ok(())
}
