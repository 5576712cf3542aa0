//! Which leaks a report shows: from the words of the command line to one set for each condition.
//!
//! Owns the choice of experiment, metric, seed and bases, and every message about it. It reads no database.

use std::collections::BTreeSet;

use anyhow::bail;

use crate::experiment::did_you_mean;
use crate::leakage::RateKind;
use crate::store::StoredCondition;
use crate::study::comparing::Selection;
use crate::study::comparing::choice::{condition_name, is_of_condition, is_of_experiment};
use crate::study::comparing::kind::Kinds;

/// The metric that is shown unless another is asked for.
const METRIC: &str = "sbert";

/// What is shown.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    /// Whether leaks of repeats are shown or exact ones.
    pub(crate) kind: RateKind,
    /// One set for each condition: of one experiment, metric and seed.
    pub(crate) sets: Vec<&'a StoredCondition>,
    /// What was chosen without being asked for, worth saying.
    pub(crate) notes: Vec<String>,
}

/// Chooses among the sets that are stored, of which there is at least one.
pub(crate) fn choose<'a>(kinds: Kinds<'a>, selection: &Selection) -> anyhow::Result<Choice<'a>> {
    let mut notes = Vec::new();
    let kind = match kinds.asked_or_only(selection.rates)? {
        Some(kind) => kind,
        None => of_latest(kinds, selection.experiment.as_deref(), &mut notes),
    };
    let sets = of_experiment(kinds.of(kind), selection.experiment.as_deref(), &mut notes)?;
    let sets = of_metric(sets, selection.metric.as_deref(), &mut notes)?;
    let sets = of_seed(sets, selection.seed, &mut notes)?;
    check_embedding_model(&sets)?;
    Ok(Choice { kind, sets, notes })
}

/// The kind of the latest experiment that is meant; where it has both, that of repeats.
fn of_latest(kinds: Kinds<'_>, wanted: Option<&str>, notes: &mut Vec<String>) -> RateKind {
    let latest = |kind| {
        let sets = kinds.of(kind).iter();
        let meant = sets.filter(|set| is_meant(set, wanted));
        meant.map(|set| set.key.experiment).max()
    };
    let (repeats, exact) = (latest(RateKind::Repeats), latest(RateKind::Exact));
    if repeats.is_some() && repeats == exact {
        notes.push(
            "there are leaks of repeats and exact ones; showing those of repeats; `--rates exact` shows the others"
                .to_owned(),
        );
    }
    if exact > repeats {
        RateKind::Exact
    } else {
        RateKind::Repeats
    }
}

fn is_meant(set: &StoredCondition, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| is_of_experiment(set, wanted))
}

fn listing(words: impl IntoIterator<Item = String>) -> String {
    let words: BTreeSet<String> = words.into_iter().collect();
    words.into_iter().collect::<Vec<_>>().join(", ")
}

fn hint(meant: Option<&str>, listing: &str) -> String {
    meant.map_or(listing.to_owned(), |meant| {
        format!("did you mean `{meant}`? {listing}")
    })
}

/// The sets of the experiment that is meant, of several versions the latest; of the latest of all where none is.
fn of_experiment<'a>(
    stored: &'a [StoredCondition],
    wanted: Option<&str>,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<&'a StoredCondition>> {
    let meant = stored.iter().filter(|set| is_meant(set, wanted));
    let meant: Vec<&StoredCondition> = meant.collect();
    let Some(latest) = meant.iter().max_by_key(|set| set.key.experiment).copied() else {
        let wanted = wanted.unwrap_or_default();
        let names = || stored.iter().map(|set| set.experiment_name.as_str());
        let listing = format!("there are leaks of {}", listing(names().map(str::to_owned)));
        let hint = hint(did_you_mean(wanted, names()), &listing);
        bail!("no leaks are stored of the experiment `{wanted}`\nhint: {hint}");
    };
    let experiments: BTreeSet<_> = meant.iter().map(|set| set.key.experiment).collect();
    if experiments.len() > 1 {
        notes.push(format!(
            "{} experiments match; showing the latest, `{}` ({}); `--experiment` chooses another by name or sha256",
            experiments.len(),
            latest.experiment_name,
            &latest.experiment_sha256[..12.min(latest.experiment_sha256.len())]
        ));
    }
    let is_latest = |set: &&StoredCondition| set.key.experiment == latest.key.experiment;
    Ok(meant.into_iter().filter(is_latest).collect())
}

fn of_metric<'a>(
    sets: Vec<&'a StoredCondition>,
    wanted: Option<&str>,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<&'a StoredCondition>> {
    let metrics: BTreeSet<&str> = sets.iter().map(|set| set.key.metric.as_str()).collect();
    let names = listing(metrics.iter().map(|name| (*name).to_owned()));
    let metric = match wanted {
        Some(wanted) if metrics.contains(wanted) => wanted,
        Some(wanted) => {
            let meant = did_you_mean(wanted, metrics.iter().copied());
            let hint = hint(meant, &format!("there are {names}"));
            bail!("no leaks are stored by the metric `{wanted}`\nhint: {hint}")
        }
        None if metrics.contains(METRIC) => METRIC,
        None => metrics.first().copied().unwrap_or(METRIC),
    };
    if wanted.is_none() && metrics.len() > 1 {
        notes.push(format!(
            "there are several metrics ({names}); showing {metric}; `--metric` chooses another"
        ));
    }
    let is_chosen = |set: &&StoredCondition| set.key.metric == metric;
    Ok(sets.iter().copied().filter(is_chosen).collect())
}

/// The sets of one seed: the one that is meant, or the one that most conditions have.
fn of_seed<'a>(
    sets: Vec<&'a StoredCondition>,
    wanted: Option<u64>,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<&'a StoredCondition>> {
    let seeds: BTreeSet<u64> = sets.iter().map(|set| set.key.seed).collect();
    let numbers: Vec<String> = seeds.iter().map(u64::to_string).collect();
    let numbers = numbers.join(", ");
    let n_conditions = |seed: u64| sets.iter().filter(|set| set.key.seed == seed).count();
    let seed = match wanted {
        Some(wanted) if seeds.contains(&wanted) => wanted,
        Some(wanted) => {
            bail!("no leaks are stored with the seed {wanted}\nhint: there are {numbers}")
        }
        // Of equals the last is taken, so the seeds are walked down to prefer the smallest.
        None => {
            let most = seeds
                .iter()
                .rev()
                .copied()
                .max_by_key(|seed| n_conditions(*seed));
            most.expect("there is a set, and it has a seed")
        }
    };
    if wanted.is_none() && seeds.len() > 1 {
        notes.push(format!(
            "there are several seeds ({numbers}); showing {seed}; `--seed` chooses another"
        ));
    }
    Ok(sets
        .into_iter()
        .filter(|set| set.key.seed == seed)
        .collect())
}

/// Similarities by different embedding models are different measures.
fn check_embedding_model(sets: &[&StoredCondition]) -> anyhow::Result<()> {
    let models: BTreeSet<_> = sets.iter().map(|set| set.key.embedding_model).collect();
    if models.len() > 1 {
        bail!(
            "the leaks of these models were found with different embedding models\nhint: run the experiment again with all of them, which scores them alike"
        );
    }
    Ok(())
}

/// Each base among `sets`, and what is compared with it; `bits` are the sets' measured bits per weight.
///
/// The base that is named; else of the files of a model under the same sampling values the one with most bits per weight,
/// of a single file its first sampling; else, where nothing is there twice, the first condition.
pub(crate) fn bases(
    sets: &[&StoredCondition],
    bits: &[Option<f64>],
    wanted: Option<&str>,
) -> anyhow::Result<Vec<(usize, Vec<usize>)>> {
    let all_but = |base: usize| (0..sets.len()).filter(move |idx| *idx != base).collect();
    if let Some(wanted) = wanted {
        let base = named(sets, wanted)?;
        return Ok(vec![(base, all_but(base))]);
    }
    let is_only_file = |set: &StoredCondition| {
        let mut of_model = sets.iter().filter(|other| other.label == set.label);
        of_model.all(|other| other.key.model == set.key.model)
    };
    let key = |idx: usize| {
        let set = sets[idx];
        let sampling = (!is_only_file(set)).then_some(set.key.sampling);
        (set.label.as_str(), sampling)
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for idx in 0..sets.len() {
        match groups.iter_mut().find(|group| key(group[0]) == key(idx)) {
            Some(group) => group.push(idx),
            None => groups.push(vec![idx]),
        }
    }
    let of_group = |group: &Vec<usize>| {
        let bits = |idx: &usize| bits[*idx].unwrap_or(0.0);
        // Of equals the last is taken, so they are walked down to prefer the first.
        let walked = group.iter().rev().copied();
        let base = walked.max_by(|a, b| bits(a).total_cmp(&bits(b)))?;
        let others: Vec<usize> = group.iter().copied().filter(|idx| *idx != base).collect();
        (!others.is_empty()).then_some((base, others))
    };
    let of_models: Vec<(usize, Vec<usize>)> = groups.iter().filter_map(of_group).collect();
    if of_models.is_empty() && sets.len() > 1 {
        return Ok(vec![(0, all_but(0))]);
    }
    Ok(of_models)
}

fn named(sets: &[&StoredCondition], wanted: &str) -> anyhow::Result<usize> {
    let found: Vec<usize> = (0..sets.len())
        .filter(|idx| is_of_condition(sets[*idx], wanted))
        .collect();
    let names: Vec<String> = sets.iter().map(|set| condition_name(set)).collect();
    match found[..] {
        [only] => Ok(only),
        [] => {
            let meant = did_you_mean(wanted, names.iter().map(String::as_str));
            let hint = hint(
                meant,
                &format!("there are leaks of {}", listing(names.clone())),
            );
            bail!("no leaks are stored of the model `{wanted}`\nhint: {hint}")
        }
        _ => bail!(
            "`{wanted}` names several conditions: {}\nhint: name one of them",
            listing(found.iter().map(|idx| names[*idx].clone()))
        ),
    }
}

#[cfg(test)]
mod tests;
