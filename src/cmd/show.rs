//! `seep show`: paging through what models made of the prompts.
//!
//! Owns which pairs are shown. How they look is the business of `report`, the pager that of `pager`.

use std::collections::BTreeMap;

use anyhow::bail;

use super::verdicts::stored_conditions;
use super::{Status, pager, stored};
use crate::cli::ShowRowsArgs;
use crate::leakage::Leak;
use crate::progress;
use crate::report::{self, ShownCondition, ShownPair, ShownRepeat};
use crate::store::{ExperimentId, Store, StoredCondition, StoredLeak};

/// Pages through the pairs that are meant.
pub(super) fn show(args: &ShowRowsArgs) -> anyhow::Result<Status> {
    let store = stored::open(&args.db)?;
    let sets = meant_sets(&store, args)?;
    let mut pairs: Vec<ShownPair> = pairs(&store, &sets, args)?
        .into_iter()
        .filter(|pair| is_meant(pair, args))
        .collect();
    let n_found = pairs.len();
    pairs.truncate(args.limit.unwrap_or(usize::MAX));
    let n_shown = pairs.len();
    if n_shown == 0 {
        progress::note("no prompt is like that");
    } else {
        pager::show(&report::pairs(&pairs, pager::is_coloured()))?;
        progress::note(format_args!("{n_shown} of {n_found} prompt pairs"));
    }
    Ok(Status::Done)
}

/// The sets of verdicts that are meant.
fn meant_sets(store: &Store, args: &ShowRowsArgs) -> anyhow::Result<Vec<StoredCondition>> {
    let experiments = stored::ids_named(store, args.experiment.as_deref())?;
    let (mut sets, _) = stored_conditions(store)?;
    sets.retain(|set| {
        let is_in = |ids: &Vec<ExperimentId>| ids.contains(&set.key.experiment);
        experiments.as_ref().is_none_or(is_in)
    });
    if sets.is_empty() {
        bail!(
            "nothing is scored yet\nhint: a run scores when it ends, `seep score` does it for imports"
        );
    }
    let wanted = [
        ("model", args.models.as_deref().unwrap_or_default()),
        ("metric", args.metric.as_slice()),
    ];
    for (what, names) in wanted {
        for name in names {
            check_name(what, name, &sets)?;
        }
    }
    let any = |names: &[String], is: &dyn Fn(&str) -> bool| {
        names.is_empty() || names.iter().any(|name| is(name))
    };
    sets.retain(|set| {
        any(wanted[0].1, &|name| names_model(name, set))
            && any(wanted[1].1, &|name| name == set.key.metric)
            && args.seed.is_none_or(|seed| seed == set.key.seed)
    });
    Ok(sets)
}

/// Whether a name, or a name and a quantization, means the model of a set.
fn names_model(name: &str, set: &StoredCondition) -> bool {
    name == set.label || name == format!("{}:{}", set.label, set.quantization)
}

fn check_name(what: &str, name: &str, sets: &[StoredCondition]) -> anyhow::Result<()> {
    let known: Vec<&str> = match what {
        "metric" => sets.iter().map(|set| set.key.metric.as_str()).collect(),
        _ => sets.iter().map(|set| set.label.as_str()).collect(),
    };
    let is_known =
        known.contains(&name) || (what == "model" && sets.iter().any(|set| names_model(name, set)));
    if !is_known {
        bail!(
            "no verdict is stored of the {what} `{name}`{}",
            stored::hint(name, known)
        );
    }
    Ok(())
}

/// All pairs that the sets have verdicts on, in the order of the experiments, with one condition for each set.
fn pairs(
    store: &Store,
    sets: &[StoredCondition],
    args: &ShowRowsArgs,
) -> anyhow::Result<Vec<ShownPair>> {
    let mut pairs: BTreeMap<(i64, usize), ShownPair> = BTreeMap::new();
    for set in sets {
        let label = label(set, sets);
        for leak in store.leaks(set.id)? {
            let is_meant = |wanted: &Option<String>, found: &str| {
                wanted.as_ref().is_none_or(|wanted| wanted == found)
            };
            if !is_meant(&args.concept, &leak.concept) || !is_meant(&args.category, &leak.category)
            {
                continue;
            }
            let key = (set.key.experiment.get(), leak.pair_idx);
            let pair = pairs.entry(key).or_insert_with(|| new_pair(set, &leak));
            if pair
                .conditions
                .last()
                .is_none_or(|last| last.label != label)
            {
                pair.conditions.push(ShownCondition {
                    label: label.clone(),
                    metric_and_seed: (set.key.metric.clone(), set.key.seed),
                    repeats: Vec::new(),
                });
            }
            let condition = pair.conditions.last_mut().expect("it was made above");
            condition.repeats.push(shown_repeat(leak));
        }
    }
    Ok(pairs.into_values().collect())
}

/// Model and quantization, and metric and seed where the sets differ in them.
fn label(set: &StoredCondition, sets: &[StoredCondition]) -> String {
    let label = format!("{} {} {}", set.label, set.quantization, set.sampling_label);
    let mut label = label.trim_end().to_owned();
    if sets.iter().any(|other| other.key.metric != set.key.metric) {
        label = format!("{label}, {}", set.key.metric);
    }
    if sets.iter().any(|other| other.key.seed != set.key.seed) {
        label = format!("{label}, seed {}", set.key.seed);
    }
    label
}

fn new_pair(set: &StoredCondition, leak: &StoredLeak) -> ShownPair {
    ShownPair {
        experiment: set.experiment_name.clone(),
        pair_idx: leak.pair_idx,
        concept: leak.concept.clone(),
        category: leak.category.clone(),
        test_prompt: leak.test_prompt.clone(),
        control_prompt: leak.control_prompt.clone(),
        conditions: Vec::new(),
    }
}

fn shown_repeat(leak: StoredLeak) -> ShownRepeat {
    ShownRepeat {
        repeat_idx: leak.repeat_idx,
        test_generation: leak.test_generation,
        control_generation: leak.control_generation,
        similarity_test: leak.similarity_test,
        similarity_control: leak.similarity_control,
        leak: leak.leak,
        is_echo: leak.is_echo,
    }
}

/// Whether the pair has what the flags ask for.
fn is_meant(pair: &ShownPair, args: &ShowRowsArgs) -> bool {
    let has = |is: &dyn Fn(&ShownRepeat) -> bool| {
        let mut repeats = pair
            .conditions
            .iter()
            .flat_map(|condition| &condition.repeats);
        repeats.any(is)
    };
    (!args.leaks || has(&|repeat| repeat.leak == Leak::Leak))
        && (!args.echoes || has(&|repeat| repeat.is_echo))
        && (!args.flips || is_flipped(pair))
}

/// Whether two conditions differ in the verdict on a repeat.
fn is_flipped(pair: &ShownPair) -> bool {
    let mut first: BTreeMap<(&(String, u64), u32), Leak> = BTreeMap::new();
    let conditions = pair.conditions.iter();
    let mut verdicts = conditions.flat_map(|condition| {
        let repeats = condition.repeats.iter();
        repeats.map(|repeat| ((&condition.metric_and_seed, repeat.repeat_idx), repeat.leak))
    });
    verdicts.any(|(key, leak)| *first.entry(key).or_insert(leak) != leak)
}
