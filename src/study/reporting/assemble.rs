//! From the database to `ReportData`: reads what is shown and computes what is said of it.
//!
//! Owns which statistics and which texts a report has. What the statistics are, `leakage` says.

use itertools::Itertools as _;

use super::Reporting;
use crate::generation::joined_label;
use crate::gguf::manifest::Manifest;
use crate::leakage::{
    Clusters, ConceptMatrix, LeakRate, PairEstimate, diversity, echoes, leak_rates,
    repeat_disagreement,
};
use crate::machine;
use crate::results::{
    BaseComparisons, Making, ReportComparison, ReportCondition, ReportData, ReportExperiment,
    ReportLeak, ReportMessages, ReportModel, ReportRun, ReportRunModel, SimilarText, Texts,
};
use crate::store::{
    ImportRecord, ModelRecord, RunRecord, SamplingRecord, Store, StoredCondition, StoredExactLeak,
    StoredLeak, StoredRunModel, WordingMessages,
};
use crate::study::comparing::{
    FLIPS, add_differences, agreements_with, cluster_unit, compare_all, compare_others,
    condition_comparison, tests, trends,
};
use crate::study::domain::stored_readings;
use crate::study::drifting::model_drift;
use crate::study::estimates::{Estimates, clusters, concepts_of, likely_texts, prompts};
use crate::study::seeds::n_seeds;
use crate::study::selecting::{bases, condition_name, numerics_note, other_similarities};
use crate::study::session::Session;
use crate::study::wordings::WithMeans;

/// Texts shown of each prompt of a pair whose continuations were enumerated.
const N_TEXTS: usize = 5;

/// Everything a report on these conditions shows.
pub(crate) fn assemble(
    session: &Session,
    store: &Store,
    stored: &[StoredCondition],
    sets: &[&StoredCondition],
    reporting: &Reporting,
) -> anyhow::Result<ReportData> {
    let with_means = WithMeans::of(sets);
    let found = with_means.read(store, reporting.generalises_concepts)?;
    let clusters = clusters(&found, reporting.unit);
    let matrices: Vec<Option<ConceptMatrix>> = found.iter().map(Estimates::matrix).collect();
    let conditions = found.iter().zip(&matrices).enumerate();
    let conditions = conditions.map(|(idx, (found, matrix))| {
        condition(store, found, with_means.mean_over(idx), matrix.clone())
    });
    let others = other_similarities(stored, sets);
    let others: Vec<WithMeans> = others.iter().map(|sets| WithMeans::of(sets)).collect();
    let others = others
        .iter()
        .map(|sets| Ok((sets, sets.read(store, reporting.generalises_concepts)?)));
    let others = others.collect::<anyhow::Result<Vec<_>>>()?;
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
        n_seeds: n_seeds(store, stored, sets)?,
        enumeration: first.key.enumeration(),
        numerics_note: numerics_note(sets),
        cluster_unit: cluster_unit(reporting.unit).to_owned(),
        concepts: concepts_of(&found),
        conditions: conditions.collect::<anyhow::Result<_>>()?,
        comparisons: comparisons(
            store,
            (&with_means, &found),
            &matrices,
            &others,
            reporting,
            &clusters,
        )?,
        agreements: others
            .iter()
            .flat_map(|(_, others)| agreements_with(&found, others))
            .collect(),
        trends: trends(&found, &clusters),
        pairs: prompts(&found),
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
        messages: messages.into_iter().map(report_messages).collect(),
    })
}

fn report_messages(stored: WordingMessages) -> ReportMessages {
    ReportMessages {
        wording: stored.wording,
        system_message: stored.system_message,
        user_message: stored.user_message,
    }
}

fn model(stored: ModelRecord) -> ReportModel {
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

/// Returns the marks that set a file apart from the others: requantized or imported.
fn marks(stored: &ModelRecord) -> Vec<String> {
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

fn condition(
    store: &Store,
    found: &Estimates<'_>,
    mean_over: Vec<String>,
    matrix: Option<ConceptMatrix>,
) -> anyhow::Result<ReportCondition> {
    let set = found.set;
    let is_exact = set.key.enumeration().is_some();
    // A test generation stands in several verdicts where there are more repeats of controls.
    let texts = found.leaks.iter();
    let texts = texts.unique_by(|leak| (leak.pair_idx, leak.sides[0]));
    let texts = texts.map(|leak| (leak.pair_idx, leak.test_generation.as_str()));
    let stored = store.model_record(set.key.experiment, set.key.model)?;
    let of_repeats = found.leaks.iter().map(|leak| Ok(generations(leak)));
    let exact = found.exact.iter().map(|leak| likely(store, leak));
    // Of a mean over wordings there are no texts.
    let leaks = found.pairs.iter().zip(of_repeats.chain(exact)).enumerate();
    let of_exact = found.exact.iter().map(|leak| [leak.concept.as_str(); 3]);
    let read = found.leaks.iter().map(StoredLeak::texts).chain(of_exact);
    let readings = stored_readings(store, set, read)?.unwrap_or_default();
    let leaks = leaks.map(|(place, (estimate, texts))| {
        anyhow::Ok(ReportLeak {
            estimate: estimate.clone(),
            texts: texts?,
            is_legible: !readings.get(place).is_some_and(|it| it.rests_on_unknown()),
        })
    });
    Ok(ReportCondition {
        name: condition_name(set),
        sampling_label: set.sampling_label.clone(),
        wording_label: set.wording_label.clone(),
        mean_over,
        marks: marks(&stored),
        model: model(stored),
        sampling: match is_exact {
            true => store.enumeration_sampling(set)?,
            false => sampling(store.sampling_records(set.id)?),
        },
        leak_rates: found.leak_rates(),
        leak_rate_without_echoes: leak_rate_without_echoes(found),
        diversity: diversity(texts),
        disagreement: repeat_disagreement(&found.verdicts),
        matrix,
        leaks: leaks.collect::<anyhow::Result<_>>()?,
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

fn generations(leak: &StoredLeak) -> Texts {
    let similar = |text: &str, similarity| SimilarText {
        text: text.to_owned(),
        similarity,
    };
    Texts::Generations {
        test: similar(&leak.test_generation, leak.similarity_test),
        control: similar(&leak.control_generation, leak.similarity_control),
    }
}

fn likely(store: &Store, leak: &StoredExactLeak) -> anyhow::Result<Texts> {
    Ok(Texts::Likely {
        test: likely_texts(store, leak.test_enumeration, N_TEXTS)?,
        control: likely_texts(store, leak.control_enumeration, N_TEXTS)?,
    })
}

/// The leak rate of the repeats in which neither generation holds the concept; None where all do, and of exact rates.
fn leak_rate_without_echoes(found: &Estimates<'_>) -> Option<LeakRate> {
    let both = found.pairs.iter().zip(&found.leaks);
    let without = both.filter(|(pair, leak)| match pair.specific {
        Some(specific) => specific.echo == 0.0 && specific.control_echo == 0.0,
        None => !leak.is_echo && !echoes(&leak.control_generation, &leak.concept),
    });
    let without: Vec<PairEstimate> = without
        .map(|(pair, _)| pair.clone().with_specific(None))
        .collect();
    leak_rates(&without, &[]).into_iter().next()
}

fn comparisons(
    store: &Store,
    (with_means, found): (&WithMeans, &[Estimates<'_>]),
    matrices: &[Option<ConceptMatrix>],
    by_others: &[(&WithMeans, Vec<Estimates<'_>>)],
    reporting: &Reporting,
    clusters: &Clusters,
) -> anyhow::Result<Vec<BaseComparisons>> {
    let sets: Vec<&StoredCondition> = found.iter().map(|found| found.set).collect();
    let tests = tests(store, sets[0], None)?;
    let bases = bases(&sets, reporting.base.as_deref())?;
    let all = compare_all(with_means, found, &bases, clusters, tests);
    let by_others = by_others.iter().map(|(with_means, others)| {
        let compared = compare_others(with_means, others, &bases, clusters, tests);
        (others[0].set, compared)
    });
    let mut by_others: Vec<_> = by_others.collect();
    let comparisons = bases.iter().zip(all).enumerate();
    let comparisons = comparisons.map(|(place, ((base_idx, others), compared))| {
        let base_idx = *base_idx;
        let base = &found[base_idx];
        let compared = others.iter().zip(compared);
        let compared = compared.map(|(&condition_idx, comparison)| {
            let other = &found[condition_idx];
            let both = matrices[base_idx]
                .as_ref()
                .zip(matrices[condition_idx].as_ref());
            Ok(ReportComparison {
                condition_idx,
                found: condition_comparison(base, other, comparison),
                drift: model_drift(store, &base.set.key, &other.set.key)?,
                matrix: both.map(|(base, other)| ConceptMatrix::difference(base, other)),
            })
        });
        let mut compared = compared.collect::<anyhow::Result<Vec<_>>>()?;
        for (set, by) in &mut by_others {
            let comparisons = compared.iter_mut().map(|it| &mut it.found);
            add_differences(comparisons, set, std::mem::take(&mut by[place]));
        }
        Ok(BaseComparisons {
            base_idx,
            others: compared,
        })
    });
    comparisons.collect()
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
        name: joined_label(
            format!("{}:{}", model.label, model.quantization),
            [&done.sampling_label, &model.wording],
        ),
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
