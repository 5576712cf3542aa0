//! Prompt pairs that a person pages through.
//!
//! Owns which pairs are shown. How they look is the business of `report`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::generation::joined_label;
use crate::leakage::{Leak, RateKind};
use crate::results::{ShownCondition, ShownPair, ShownRepeat};
use crate::store::{Store, StoredCondition, StoredLeak};
use crate::study::estimates::prompts_of_leak;
use crate::study::selecting::{self, Selection};
use crate::study::session::Session;

/// The pairs that are meant.
#[derive(Debug, Clone, Default)]
pub struct Showing {
    /// Those of this experiment; of all unless given.
    pub experiment: Option<String>,
    /// Those of these conditions, named as in a comparison; of all where there is none.
    pub models: Vec<String>,
    /// Verdicts by this metric; by all unless given.
    pub metric: Option<String>,
    /// Verdicts by this encoder; by the first that each experiment names unless given.
    pub embedding_model: Option<String>,
    /// Generations of this seed; of all unless given.
    pub seed: Option<u64>,
    /// Pairs with this concept.
    pub concept: Option<String>,
    /// Pairs of this category.
    pub category: Option<String>,
    /// Only pairs that leak in some repeat.
    pub leaks: bool,
    /// Only pairs with an echo.
    pub echoes: bool,
    /// Only pairs on which two conditions differ.
    pub flips: bool,
}

impl Session {
    /// The stored pairs of `db` that are meant, in the order of the experiments.
    ///
    /// # Errors
    /// When nothing is scored, or a name is not known.
    pub fn show(&self, db: &Path, showing: &Showing) -> anyhow::Result<Vec<ShownPair>> {
        let store = self.store_to_read(db)?;
        let selection = Selection {
            experiment: showing.experiment.clone(),
            metric: showing.metric.clone(),
            embedding_model: showing.embedding_model.clone(),
            seed: showing.seed,
            rates: Some(RateKind::Repeats),
        };
        let stored = selecting::stored(&store)?;
        let selected = selecting::all(&stored, &showing.models, &selection)?;
        for note in &selected.notes {
            self.note(note);
        }
        let pairs = pairs(&store, &selected.sets, showing)?.into_iter();
        Ok(pairs.filter(|pair| is_meant(pair, showing)).collect())
    }
}

/// All pairs that the sets have verdicts on, in the order of the experiments, with one condition for each set.
fn pairs(
    store: &Store,
    sets: &[&StoredCondition],
    showing: &Showing,
) -> anyhow::Result<Vec<ShownPair>> {
    let mut pairs: BTreeMap<(i64, usize), ShownPair> = BTreeMap::new();
    for set in sets {
        let label = label(set, sets);
        for leak in store.leaks(set.id)? {
            let is_meant = |wanted: &Option<String>, found: &str| {
                wanted.as_ref().is_none_or(|wanted| wanted == found)
            };
            if !is_meant(&showing.concept, &leak.concept)
                || !is_meant(&showing.category, &leak.category)
            {
                continue;
            }
            let key = (set.key.experiment.get(), leak.pair_idx);
            let pair = pairs.entry(key).or_insert_with(|| ShownPair {
                experiment: set.experiment_name.clone(),
                pair: prompts_of_leak(&leak),
                conditions: Vec::new(),
            });
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
fn label(set: &StoredCondition, sets: &[&StoredCondition]) -> String {
    let label = format!("{} {}", set.label, set.quantization);
    let mut label = joined_label(label, [&set.sampling_label, &set.wording_label]);
    if sets.iter().any(|other| other.key.metric != set.key.metric) {
        label = format!("{label}, {}", set.key.metric);
    }
    if sets.iter().any(|other| other.key.seed != set.key.seed) {
        label = format!("{label}, seed {}", set.key.seed);
    }
    label
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

/// True if the pair has what the flags ask for.
fn is_meant(pair: &ShownPair, showing: &Showing) -> bool {
    let has = |is: &dyn Fn(&ShownRepeat) -> bool| {
        let mut repeats = pair
            .conditions
            .iter()
            .flat_map(|condition| &condition.repeats);
        repeats.any(is)
    };
    (!showing.leaks || has(&|repeat| repeat.leak == Leak::Leak))
        && (!showing.echoes || has(&|repeat| repeat.is_echo))
        && (!showing.flips || is_flipped(pair))
}

/// True if two conditions differ in the verdict on a repeat.
fn is_flipped(pair: &ShownPair) -> bool {
    let mut first: BTreeMap<(&(String, u64), u32), Leak> = BTreeMap::new();
    let conditions = pair.conditions.iter();
    let mut verdicts = conditions.flat_map(|condition| {
        let repeats = condition.repeats.iter();
        repeats.map(|repeat| ((&condition.metric_and_seed, repeat.repeat_idx), repeat.leak))
    });
    verdicts.any(|(key, leak)| *first.entry(key).or_insert(leak) != leak)
}
