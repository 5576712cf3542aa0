//! The rule for the differences that two compared conditions may have.
//!
//! Owns that rule, for every comparison. A difference in anything else would be another question than that of the leaks.

use std::collections::BTreeMap;

use super::words::condition_name;
use crate::store::{KeyField, Numerics, StoredCondition};
use crate::study::models::placement::WIDENED;

/// The fields in which two compared conditions may differ; of numerics a note says so.
pub(crate) const COMPARED: [KeyField; 4] = [
    KeyField::Model,
    KeyField::Sampling,
    KeyField::Wording,
    KeyField::Numerics,
];

/// The fields that a person need not know to name a condition: they tell how logits and similarities were computed.
pub(crate) const COMPUTING: [KeyField; 3] = [
    KeyField::Numerics,
    KeyField::EmbeddingModel,
    KeyField::Signature,
];

/// The first field in which two conditions differ and compared ones may not.
pub(crate) fn difference(a: &StoredCondition, b: &StoredCondition) -> Option<KeyField> {
    a.key.difference(&b.key, &COMPARED)
}

/// True if two conditions may be compared that have one sampling and wording, so that only the file and its arithmetic
/// differ.
pub(crate) fn is_file_alone(a: &StoredCondition, b: &StoredCondition) -> bool {
    let asked = |set: &StoredCondition| (set.key.sampling, set.key.wording);
    let is_other_file = a.key.model != b.key.model && asked(a) == asked(b);
    is_other_file && difference(a, b).is_none()
}

/// True if the logits of two conditions were computed alike.
///
/// Those of one file are told apart by their digest. Two files have no digest in common: they are computed alike by one
/// version of llama.cpp under one schedule where one machine has computed both. Which weights
/// are widened is a matter of the file.
pub(crate) fn is_computed_alike(a: &StoredCondition, b: &StoredCondition) -> bool {
    if a.key.model == b.key.model || a.key.numerics == b.key.numerics {
        return a.key.numerics == b.key.numerics;
    }
    computing(a) == computing(b)
        && a.machines
            .iter()
            .any(|machine| b.machines.contains(machine))
}

/// Returns the facts that two files can have in common about how logits are computed, each with its name.
fn computing(set: &StoredCondition) -> [(&'static str, &str); 2] {
    let Numerics {
        schedule,
        llama_cpp_version,
        ..
    } = &set.numerics;
    let schedule = schedule.strip_suffix(WIDENED).unwrap_or(schedule);
    [("schedule", schedule), ("llama.cpp", llama_cpp_version)]
}

/// The sentence that says of conditions that their logits were computed differently from those of the first one, and how.
pub(crate) fn numerics_note(sets: &[&StoredCondition]) -> Option<String> {
    let base = *sets.first()?;
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for set in sets.iter().filter(|set| !is_computed_alike(base, set)) {
        let names = groups.entry(numerics_difference(base, set)).or_default();
        names.push(condition_name(set));
    }
    let base = condition_name(base);
    let sentences = groups.into_iter().map(|(what, names)| {
        let names = names.join(", ");
        format!("{base} and {names} were computed by different arithmetic: {what}")
    });
    let sentences: Vec<String> = sentences.collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

fn numerics_difference(a: &StoredCondition, b: &StoredCondition) -> String {
    let both = computing(a).into_iter().zip(computing(b));
    let differing = both.filter(|(a, b)| a != b);
    let words = differing.map(|((what, a), (_, b))| format!("{what} {a} and {b}"));
    let words: Vec<String> = words.collect();
    if !words.is_empty() {
        return words.join(", ");
    }
    let machines = [a, b].map(|set| match &set.machines[..] {
        [] => "a machine that is not recorded".to_owned(),
        machines => machines.join(" or "),
    });
    if machines[0] == machines[1] {
        return "digests of logits differ".to_owned();
    }
    machines.join(" against ")
}
