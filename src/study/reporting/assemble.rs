//! From the database to `ReportData`: reads what is shown and computes what is said of it.
//!
//! Owns which statistics a report has, and all of it that is the same for leaks of repeats and for exact ones. What
//! the statistics are, `leakage` says.

use itertools::Itertools as _;

use super::Reporting;
use crate::generation::EnumerationParams;
use crate::gguf::manifest::Manifest;
use crate::leakage::{
    Clusters, PairRates, ScoredPair, compare_with_base, count_flips, diversity, leak_rates,
    repeat_disagreement,
};
use crate::machine;
use crate::results::{
    BaseComparisons, ConditionComparison, Making, ModelTrend, ReportComparison, ReportCondition,
    ReportData, ReportExperiment, ReportModel, ReportPair, ReportRun, ReportRunModel,
    ReportVerdict,
};
use crate::store::{
    ImportRecord, ModelRecord, RunRecord, SamplingRecord, Store, StoredCondition, StoredLeak,
    StoredRunModel,
};
use crate::study::comparing::{FLIPS, cluster_unit, clusters, trends};
use crate::study::drifting::model_drift;
use crate::study::scoring::verdicts::{Verdicts, read_verdicts};
use crate::study::selecting::{Base, bases, condition_name, numerics_note};
use crate::study::session::Session;

/// What of a report depends on how leaks were found.
pub(crate) struct Found {
    pub(crate) enumeration: Option<EnumerationParams>,
    pub(crate) conditions: Vec<ReportCondition>,
    pub(crate) comparisons: Vec<BaseComparisons>,
    pub(crate) trends: Vec<ModelTrend>,
    pub(crate) pairs: Vec<ReportPair>,
}

/// Everything a report on repeats shows.
pub(crate) fn assemble(
    session: &Session,
    store: &Store,
    sets: &[&StoredCondition],
    reporting: &Reporting,
) -> anyhow::Result<ReportData> {
    let verdicts = read_verdicts(store, sets)?;
    let bases = bases(sets, reporting.base.as_deref())?;
    let clusters = clusters(verdicts.iter().flat_map(|v| &v.leaks), reporting.unit);
    let conditions = verdicts.iter().map(|v| condition(store, v));
    let found = Found {
        enumeration: None,
        conditions: conditions.collect::<anyhow::Result<_>>()?,
        comparisons: comparisons(store, &bases, &verdicts, &clusters)?,
        trends: trends(verdicts.iter().map(|v| (v.set, &v.rates)), &clusters),
        pairs: pairs(&verdicts),
    };
    with_experiment(session, store, sets, reporting, found)
}

/// Adds what is the same for all kinds of leaks.
pub(crate) fn with_experiment(
    session: &Session,
    store: &Store,
    sets: &[&StoredCondition],
    reporting: &Reporting,
    found: Found,
) -> anyhow::Result<ReportData> {
    let first = sets[0];
    let experiment = experiment(store, first)?;
    // Of generations made elsewhere the seed is not known; their verdicts stand under a number all the same.
    let seed = experiment.yaml.is_some().then_some(first.key.seed);
    Ok(ReportData {
        experiment,
        metric: first.key.metric.clone(),
        embedding_model: model(
            store.model_record(first.key.experiment, first.key.embedding_model)?,
        ),
        seed,
        enumeration: found.enumeration,
        numerics_note: numerics_note(sets),
        cluster_unit: cluster_unit(reporting.unit).to_owned(),
        conditions: found.conditions,
        comparisons: found.comparisons,
        trends: found.trends,
        pairs: found.pairs,
        runs: runs(store, first)?,
        making: making(session, store),
    })
}

fn experiment(store: &Store, set: &StoredCondition) -> anyhow::Result<ReportExperiment> {
    let stored = store.experiment_record(set.key.experiment)?;
    let messages = store.first_messages(set.key.experiment)?;
    Ok(ReportExperiment {
        name: stored.name,
        question: stored.question,
        sha256: stored.sha256,
        yaml: stored.yaml,
        extended_yaml: stored.extended_yaml,
        system_message: messages.as_ref().and_then(|m| m.system_message.clone()),
        user_message: messages.map_or(String::new(), |m| m.user_message),
    })
}

pub(crate) fn model(stored: ModelRecord) -> ReportModel {
    let of_manifest = licence(&stored.label);
    ReportModel {
        name: stored.label,
        quantization: stored.quantization,
        sha256: stored.sha256,
        architecture: stored.architecture,
        n_parameters: stored.n_parameters,
        bits_per_weight: stored.bits_per_weight,
        size_bytes: stored.size_bytes,
        licence: of_manifest.or(stored.licence),
    }
}

/// What makes a file unlike the others.
pub(crate) fn marks(stored: &ModelRecord) -> Vec<String> {
    let requantized = stored.requantized_from.as_ref();
    let requantized = requantized.map(|parent| format!("requantized from {parent}"));
    let imported = stored.is_imported.then(|| "imported".to_owned());
    requantized.into_iter().chain(imported).collect()
}

/// The licence of a model of the manifest, with what it restricts.
fn licence(name: &str) -> Option<String> {
    let mut entries = Manifest::builtin().entries().iter();
    let entry = entries.find(|entry| entry.name() == name)?;
    Some(match entry.licence_note() {
        Some(note) => format!("{} ({note})", entry.licence()),
        None => entry.licence().to_owned(),
    })
}

fn condition(store: &Store, verdicts: &Verdicts<'_>) -> anyhow::Result<ReportCondition> {
    let pairs = &verdicts.pairs;
    let is_no_echo = |pair: &&ScoredPair| !pair.is_echo;
    let without_echoes: Vec<ScoredPair> = pairs.iter().filter(is_no_echo).cloned().collect();
    let leaks = verdicts.leaks.iter();
    let texts = leaks.map(|leak| (leak.pair_idx, leak.test_generation.as_str()));
    let stored = store.model_record(verdicts.set.key.experiment, verdicts.set.key.model)?;
    let without_echoes = leak_rates(&without_echoes).into_iter().next();
    Ok(ReportCondition {
        name: condition_name(verdicts.set),
        marks: marks(&stored),
        model: model(stored),
        sampling: sampling(store.sampling_records(verdicts.set.id)?),
        leak_rates: leak_rates(pairs).into_iter().map(Into::into).collect(),
        leak_rate_without_echoes: without_echoes.map(Into::into),
        diversity: diversity(texts),
        disagreement: repeat_disagreement(pairs),
        verdicts: verdicts.leaks.iter().map(verdict).collect(),
        exact_leaks: Vec::new(),
    })
}

/// Each name once with each of its values.
fn sampling(stored: Vec<SamplingRecord>) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for value in stored.into_iter().flatten() {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

fn verdict(leak: &StoredLeak) -> ReportVerdict {
    ReportVerdict {
        scored: leak.scored_pair(),
        test_generation: leak.test_generation.clone(),
        control_generation: leak.control_generation.clone(),
    }
}

fn comparisons(
    store: &Store,
    bases: &[Base],
    verdicts: &[Verdicts<'_>],
    clusters: &Clusters,
) -> anyhow::Result<Vec<BaseComparisons>> {
    let comparisons = bases.iter().map(|(base_idx, others)| {
        let base = &verdicts[*base_idx];
        let rates: Vec<&PairRates> = others.iter().map(|idx| &verdicts[*idx].rates).collect();
        let found = compare_with_base(&base.rates, &rates, clusters, FLIPS);
        let others = others.iter().zip(found).map(|(idx, comparison)| {
            let found = ConditionComparison {
                name: condition_name(verdicts[*idx].set),
                comparison,
                flips: count_flips(&base.pairs, &verdicts[*idx].pairs),
                flipped_prompts: Vec::new(),
                exact: None,
                other_metrics: Vec::new(),
                drift: None,
            };
            let other = verdicts[*idx].set;
            Ok(ReportComparison {
                condition_idx: *idx,
                found,
                drift: model_drift(store, &base.set.key, &other.key)?,
            })
        });
        Ok(BaseComparisons {
            base_idx: *base_idx,
            others: others.collect::<anyhow::Result<_>>()?,
        })
    });
    comparisons.collect()
}

/// The pairs that have a verdict, by their place in the experiment.
fn pairs(verdicts: &[Verdicts<'_>]) -> Vec<ReportPair> {
    let leaks = verdicts.iter().flat_map(|v| &v.leaks);
    let pairs = leaks
        .unique_by(|leak| leak.pair_idx)
        .map(|leak| ReportPair {
            pair_idx: leak.pair_idx,
            concept: leak.concept.clone(),
            category: leak.category.clone(),
            template_id: leak.template_id.clone(),
            test_prompt: leak.test_prompt.clone(),
            control_prompt: leak.control_prompt.clone(),
        });
    pairs.sorted_by_key(|pair| pair.pair_idx).collect()
}

fn runs(store: &Store, set: &StoredCondition) -> anyhow::Result<Vec<ReportRun>> {
    let imports = store.import_records(set.key.experiment)?;
    let mut found: Vec<ReportRun> = imports.into_iter().map(import).collect();
    for run in store.run_records(set.key.experiment)? {
        let models = store.run_models(run.id)?;
        found.push(ReportRun {
            title: format!("Run {}", run.id),
            facts: run_facts(&run),
            models: models.iter().map(run_model).collect(),
            command_line: run.command_line,
        });
    }
    Ok(found)
}

fn import(import: ImportRecord) -> ReportRun {
    let facts = [
        ("model", import.model),
        ("file", import.path),
        ("sha256", import.sha256),
        ("rows", import.n_rows.to_string()),
        ("prompt pairs", import.n_pairs.to_string()),
        ("findings of the lint", import.n_findings.to_string()),
        ("stored", import.created_at),
        (
            "seep",
            format!("{} ({})", import.seep_version, import.seep_commit),
        ),
    ];
    ReportRun {
        title: format!("Import {}", import.id),
        command_line: import.command_line,
        facts: facts.map(|(name, value)| (name.to_owned(), value)).into(),
        models: Vec::new(),
    }
}

fn run_facts(run: &RunRecord) -> Vec<(String, String)> {
    let dirty = if run.seep_is_dirty {
        ", with uncommitted changes"
    } else {
        ""
    };
    let finished = run.finished_at.as_deref().unwrap_or("not recorded");
    let facts = [
        ("status", run.status.clone()),
        ("started", run.started_at.clone()),
        ("ended", finished.to_owned()),
        ("seed", run.seed.to_string()),
        ("repeats", run.n_repeats.to_string()),
        ("prompt pairs", run.n_prompt_pairs.to_string()),
        (
            "seep",
            format!("{} ({}{dirty})", run.seep_version, run.seep_commit),
        ),
        (
            "llama.cpp",
            format!("{}, {}", run.llama_cpp_version, run.llama_cpp_2_version),
        ),
        (
            "processor",
            format!(
                "{}, {} cores, {} threads",
                run.cpu, run.n_cores, run.n_threads
            ),
        ),
        ("memory", format!("{:.1} GB", run.memory_bytes as f64 / 1e9)),
        ("system", run.os.clone()),
        ("processor features in use", run.system_info.clone()),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).into()
}

fn run_model(model: &StoredRunModel) -> ReportRunModel {
    let done = &model.run_model;
    ReportRunModel {
        name: format!(
            "{}:{} {}",
            model.label, model.quantization, done.sampling_label
        )
        .trim_end()
        .to_owned(),
        schedule: done.schedule.clone(),
        device: done.device.clone(),
        tokenizer: done.tokenizer.clone(),
        determinism: done.determinism.clone(),
        n_generated: done.n_generated,
        n_reused: done.n_reused,
        n_failed: done.n_failed,
    }
}

fn making(session: &Session, store: &Store) -> Making {
    Making {
        database: store.path().display().to_string(),
        command_line: session.command_line.clone(),
        program: format!("seep {} ({})", machine::VERSION, machine::build()),
        flip_seed: FLIPS.seed,
    }
}
