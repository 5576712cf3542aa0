//! Which leaks of the database are compared: from the words of the command line to one set for each condition.
//!
//! Owns the choice of experiment, models, metric and seed, and every message about it; whether these are leaks of
//! repeats or exact ones is in `kind`. It reads no database.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use anyhow::{anyhow, bail};

use crate::experiment::did_you_mean;
use crate::store::{ConditionKey, ExperimentId, ModelId, SamplingId, StoredCondition};

/// The metric that is compared unless another is asked for.
const METRIC: &str = "sbert";
/// From so many digits on a word may be the beginning of a SHA-256.
const N_DIGITS_MIN: usize = 8;

/// The model and the sampling of a condition.
type ConditionId = (ModelId, SamplingId);

fn condition_id(key: &ConditionKey) -> ConditionId {
    (key.model, key.sampling)
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The base and then the others: `name`, `name:quantization`, or the beginning of a file's SHA-256.
    pub(crate) conditions: &'a [&'a str],
    /// Name or beginning of the SHA-256.
    pub(crate) experiment: Option<&'a str>,
    pub(crate) metric: Option<&'a str>,
    pub(crate) seed: Option<u64>,
}

/// What is compared.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    /// One set for each condition, in order: of one experiment, metric and seed.
    pub(crate) sets: Vec<&'a StoredCondition>,
    /// What was chosen without being asked for, worth saying.
    pub(crate) notes: Vec<String>,
}

/// Chooses among the `stored` sets, of which there is at least one.
pub(crate) fn choose<'a>(
    stored: &'a [StoredCondition],
    wanted: Wanted<'_>,
) -> anyhow::Result<Choice<'a>> {
    let all: Vec<&StoredCondition> = stored.iter().collect();
    let of_experiments = match wanted.experiment {
        Some(experiment) => with_experiment(&all, experiment)?,
        None => all,
    };
    let models = models(&of_experiments, wanted.conditions)?;
    let mut notes = Vec::new();
    let sets = with_one_experiment(of_experiments, &models, &mut notes)?;
    let sets = with_metric(sets, &models, wanted.metric)?;
    let sets = with_seed(sets, &models, wanted.seed)?;
    let of_model = |model: &ConditionId| {
        sets.iter()
            .find(|set| condition_id(&set.key) == *model)
            .copied()
    };
    let chosen: Vec<&StoredCondition> = models.iter().filter_map(of_model).collect();
    assert_eq!(
        chosen.len(),
        models.len(),
        "each step kept a set of each model"
    );
    check_embedding_model(&chosen)?;
    Ok(Choice {
        sets: chosen,
        notes,
    })
}

/// How a condition is written on the command line: with its sampling where there are several.
pub(crate) fn condition_name(set: &StoredCondition) -> String {
    let name = format!("{}:{} {}", set.label, set.quantization, set.sampling_label);
    name.trim_end().to_owned()
}

fn is_sha256(word: &str, sha256: &str) -> bool {
    word.len() >= N_DIGITS_MIN && sha256.starts_with(&word.to_lowercase())
}

fn listing(words: impl IntoIterator<Item = String>) -> String {
    let words: BTreeSet<String> = words.into_iter().collect();
    words.into_iter().collect::<Vec<_>>().join(", ")
}

/// Whether a word of the command line means the experiment of a set.
pub(crate) fn is_of_experiment(set: &StoredCondition, experiment: &str) -> bool {
    set.experiment_name == experiment || is_sha256(experiment, &set.experiment_sha256)
}

fn with_experiment<'a>(
    sets: &[&'a StoredCondition],
    experiment: &str,
) -> anyhow::Result<Vec<&'a StoredCondition>> {
    let is_meant = |set: &&&StoredCondition| is_of_experiment(set, experiment);
    let found: Vec<&StoredCondition> = sets.iter().filter(is_meant).copied().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names = || sets.iter().map(|set| set.experiment_name.clone());
    let meant = did_you_mean(
        experiment,
        sets.iter().map(|set| set.experiment_name.as_str()),
    );
    let hint = hint(meant, &format!("there are leaks of {}", listing(names())));
    bail!("no leaks are stored of the experiment `{experiment}`\nhint: {hint}")
}

fn hint(meant: Option<&str>, listing: &str) -> String {
    meant.map_or(listing.to_owned(), |meant| {
        format!("did you mean `{meant}`? {listing}")
    })
}

fn models(sets: &[&StoredCondition], conditions: &[&str]) -> anyhow::Result<Vec<ConditionId>> {
    let mut models = Vec::new();
    for condition in conditions {
        let set = model(sets, condition)?;
        if models.contains(&condition_id(&set.key)) {
            bail!(
                "`{}` is named twice\nhint: name different conditions",
                condition_name(set)
            );
        }
        models.push(condition_id(&set.key));
    }
    Ok(models)
}

/// Whether a word of the command line means the condition of a set.
pub(crate) fn is_of_condition(set: &StoredCondition, condition: &str) -> bool {
    set.label == condition
        || condition_name(set).eq_ignore_ascii_case(condition)
        || format!("{}:{}", set.label, set.quantization).eq_ignore_ascii_case(condition)
        || is_sha256(condition, &set.model_sha256)
}

/// A set of the one model that a word means.
fn model<'a>(sets: &[&'a StoredCondition], condition: &str) -> anyhow::Result<&'a StoredCondition> {
    let is_meant = |set: &&&StoredCondition| is_of_condition(set, condition);
    let found: Vec<&StoredCondition> = sets.iter().filter(is_meant).copied().collect();
    let Some(first) = found.first() else {
        return Err(unknown_model(sets, condition));
    };
    if found
        .iter()
        .all(|set| condition_id(&set.key) == condition_id(&first.key))
    {
        return Ok(first);
    }
    let names = listing(found.iter().map(|set| condition_name(set)));
    if found
        .iter()
        .any(|set| condition_name(set) != condition_name(first))
    {
        let what = match found.iter().all(|set| set.key.model == first.key.model) {
            true => "samplings",
            false => "quantizations",
        };
        bail!("`{condition}` has several {what}: {names}\nhint: name one of them");
    }
    let digests = listing(found.iter().map(|set| short(&set.model_sha256)));
    bail!(
        "there are several model files of the name `{names}`\nhint: name one by its sha256: {digests}"
    )
}

fn unknown_model(sets: &[&StoredCondition], condition: &str) -> anyhow::Error {
    let names: BTreeSet<String> = sets.iter().map(|set| condition_name(set)).collect();
    let labels: BTreeSet<&str> = sets.iter().map(|set| set.label.as_str()).collect();
    // A beginning is more likely meant than a word of fewer edits.
    let beginning = condition.to_lowercase();
    let begins = |name: &&String| name.to_lowercase().starts_with(&beginning);
    let nearest = || did_you_mean(condition, names.iter().map(String::as_str).chain(labels));
    let meant = names
        .iter()
        .find(begins)
        .map(String::as_str)
        .or_else(nearest);
    let hint = hint(
        meant,
        &format!("there are leaks of {}", listing(names.clone())),
    );
    anyhow!("no leaks are stored of the model `{condition}`\nhint: {hint}")
}

fn short(sha256: &str) -> String {
    sha256.chars().take(12).collect()
}

/// The sets of the one experiment that has all of the models; of several versions the latest.
fn with_one_experiment<'a>(
    sets: Vec<&'a StoredCondition>,
    models: &[ConditionId],
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<&'a StoredCondition>> {
    let has_all = |experiment: ExperimentId| {
        let has = |model| {
            sets.iter()
                .any(|set| set.key.experiment == experiment && condition_id(&set.key) == model)
        };
        models.iter().all(|model| has(*model))
    };
    let complete: Vec<&StoredCondition> = sets
        .iter()
        .filter(|set| has_all(set.key.experiment))
        .copied()
        .collect();
    let Some(latest) = complete
        .iter()
        .max_by_key(|set| set.key.experiment)
        .copied()
    else {
        return Err(no_common_experiment(&sets, models));
    };
    let names: BTreeSet<&str> = complete
        .iter()
        .map(|set| set.experiment_name.as_str())
        .collect();
    if names.len() > 1 {
        let names = listing(names.into_iter().map(str::to_owned));
        bail!(
            "several experiments have leaks of these models: {names}\nhint: choose one with `--experiment`"
        );
    }
    let versions: BTreeSet<ExperimentId> = complete.iter().map(|set| set.key.experiment).collect();
    if versions.len() > 1 {
        let digests = listing(complete.iter().map(|set| short(&set.experiment_sha256)));
        notes.push(format!(
            "`{}` is stored in {} versions ({digests}); comparing the latest, {}; `--experiment SHA256` chooses another",
            latest.experiment_name,
            versions.len(),
            short(&latest.experiment_sha256)
        ));
    }
    let is_chosen = |set: &&StoredCondition| set.key.experiment == latest.key.experiment;
    Ok(sets.into_iter().filter(is_chosen).collect())
}

fn no_common_experiment(sets: &[&StoredCondition], models: &[ConditionId]) -> anyhow::Error {
    let lines = models.iter().map(|model| {
        let of_model = || sets.iter().filter(|set| condition_id(&set.key) == *model);
        let experiments = listing(of_model().map(|set| {
            format!(
                "{} ({})",
                set.experiment_name,
                short(&set.experiment_sha256)
            )
        }));
        let name = of_model()
            .next()
            .map_or(String::new(), |set| condition_name(set));
        format!("\n  {name}: {experiments}")
    });
    anyhow!(
        "no experiment has leaks of all of these models:{}\nhint: run one experiment with all of them",
        lines.collect::<String>()
    )
}

/// Those of `options` for which there is a set of every model.
fn common<T: Ord + Clone>(
    sets: &[&StoredCondition],
    models: &[ConditionId],
    option: impl Fn(&StoredCondition) -> T,
) -> BTreeSet<T> {
    let options: BTreeSet<T> = sets.iter().map(|set| option(set)).collect();
    let has = |model: &ConditionId, wanted: &T| {
        sets.iter()
            .any(|set| condition_id(&set.key) == *model && option(set) == *wanted)
    };
    let is_common = |wanted: &T| models.iter().all(|model| has(model, wanted));
    options.into_iter().filter(is_common).collect()
}

fn with_metric<'a>(
    sets: Vec<&'a StoredCondition>,
    models: &[ConditionId],
    wanted: Option<&str>,
) -> anyhow::Result<Vec<&'a StoredCondition>> {
    let metrics = common(&sets, models, |set| set.key.metric.clone());
    let names = listing(metrics.clone());
    let metric = match (wanted, metrics.iter().next()) {
        (_, None) => bail!(
            "no metric has been computed for all of these models\nhint: run the experiment again with all of them"
        ),
        (Some(wanted), _) if metrics.contains(wanted) => wanted,
        (Some(wanted), _) => {
            let meant = did_you_mean(wanted, metrics.iter().map(String::as_str));
            let hint = hint(meant, &format!("all of these models have {names}"));
            bail!(
                "no leaks are stored of all of these models by the metric `{wanted}`\nhint: {hint}"
            )
        }
        (None, _) if metrics.contains(METRIC) => METRIC,
        (None, Some(only)) if metrics.len() == 1 => only,
        (None, _) => bail!("there are several metrics: {names}\nhint: choose one with `--metric`"),
    };
    Ok(sets
        .into_iter()
        .filter(|set| set.key.metric == metric)
        .collect())
}

fn with_seed<'a>(
    sets: Vec<&'a StoredCondition>,
    models: &[ConditionId],
    wanted: Option<u64>,
) -> anyhow::Result<Vec<&'a StoredCondition>> {
    let seeds = common(&sets, models, |set| set.key.seed);
    let numbers: Vec<String> = seeds.iter().map(u64::to_string).collect();
    let numbers = numbers.join(", ");
    let seed = match (wanted, seeds.first()) {
        (_, None) => bail!(
            "the models have no seed in common\nhint: run the experiment with the same seed for all of them"
        ),
        (Some(wanted), _) if seeds.contains(&wanted) => wanted,
        (Some(wanted), _) => bail!(
            "no leaks are stored of all of these models with the seed {wanted}\nhint: all of them have {numbers}"
        ),
        (None, Some(only)) if seeds.len() == 1 => *only,
        (None, _) => bail!("there are several seeds: {numbers}\nhint: choose one with `--seed`"),
    };
    Ok(sets
        .into_iter()
        .filter(|set| set.key.seed == seed)
        .collect())
}

/// Similarities by different embedding models are different measures.
pub(crate) fn check_embedding_model(chosen: &[&StoredCondition]) -> anyhow::Result<()> {
    let models: BTreeSet<ModelId> = chosen.iter().map(|set| set.key.embedding_model).collect();
    if models.len() > 1 {
        bail!(
            "the leaks of these models were found with different embedding models\nhint: run the experiment again with all of them, which scores them alike"
        );
    }
    Ok(())
}
