//! What two conditions that are compared may differ in.
//!
//! Owns that rule, for every comparison. A difference in anything else would be another question than that of the leaks.

use std::collections::BTreeMap;

use super::words::condition_name;
use crate::store::{KeyField, NumericsId, StoredCondition};

/// The fields in which two compared conditions may differ; of numerics a note says so.
const COMPARED: [KeyField; 3] = [KeyField::Model, KeyField::Sampling, KeyField::Numerics];

/// What a person need not know of to name a condition: how logits and similarities were computed.
pub(crate) const COMPUTING: [KeyField; 3] = [
    KeyField::Numerics,
    KeyField::EmbeddingModel,
    KeyField::Signature,
];

/// The first field in which two conditions differ and compared ones may not.
pub(crate) fn difference(a: &StoredCondition, b: &StoredCondition) -> Option<KeyField> {
    a.key.difference(&b.key, &COMPARED)
}

/// Whether two conditions may be compared that have one sampling, so that only the file and its arithmetic differ.
pub(crate) fn is_file_alone(a: &StoredCondition, b: &StoredCondition) -> bool {
    let is_other_file = a.key.model != b.key.model && a.key.sampling == b.key.sampling;
    is_other_file && difference(a, b).is_none()
}

/// The sentence that says of conditions that their logits were computed differently from those of the first one, and how.
pub(crate) fn numerics_note(sets: &[&StoredCondition]) -> Option<String> {
    let base = *sets.first()?;
    let mut groups: BTreeMap<NumericsId, Vec<&StoredCondition>> = BTreeMap::new();
    for set in sets
        .iter()
        .filter(|set| set.key.numerics != base.key.numerics)
    {
        groups.entry(set.key.numerics).or_default().push(set);
    }
    let sentences = groups.values().map(|group| {
        let names: Vec<String> = group.iter().map(|set| condition_name(set)).collect();
        let what = numerics_difference(base, group[0]);
        format!(
            "{} and {} were computed by different arithmetic: {what}",
            condition_name(base),
            names.join(", ")
        )
    });
    let sentences: Vec<String> = sentences.collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

fn numerics_difference(a: &StoredCondition, b: &StoredCondition) -> String {
    let digest = |set: &StoredCondition| {
        let digest = set.numerics.logits_sha256;
        digest.map_or("not recorded".to_owned(), |digest| digest.short())
    };
    let parts = |set: &StoredCondition| {
        let numerics = &set.numerics;
        [
            ("schedule", numerics.schedule.clone()),
            ("llama.cpp", numerics.llama_cpp_version.clone()),
            ("digest of logits", digest(set)),
        ]
    };
    let both = parts(a).into_iter().zip(parts(b));
    let differing = both.filter(|(a, b)| a != b);
    let words = differing.map(|((what, a), (_, b))| format!("{what} {a} and {b}"));
    words.collect::<Vec<_>>().join(", ")
}
