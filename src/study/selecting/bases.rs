//! The bases that conditions are compared with.
//!
//! Owns the choice of bases among conditions that may be compared, and that like is compared with like.

use super::words::{LEAKS, Name, resolve};
use crate::store::{StoredCondition, WordingId};

/// A base by its place among the conditions, and what is compared with it.
pub(crate) type Base = (usize, Vec<usize>);

/// Each base among `sets`, and what is compared with it.
///
/// The base that is named; else of the files of a model under the same sampling values in the same wording the one with
/// most bits per weight, of a single file its first sampling and wording; else, where nothing is there twice, the first
/// condition.
pub(crate) fn bases(sets: &[&StoredCondition], wanted: Option<&str>) -> anyhow::Result<Vec<Base>> {
    if let Some(wanted) = wanted {
        let names: Vec<Name> = sets.iter().map(|set| Name::of(set)).collect();
        resolve(&names, wanted, LEAKS)?;
        return Ok(against(sets, wanted));
    }
    let is_only_file = |set: &StoredCondition| {
        let mut of_model = sets.iter().filter(|other| other.label == set.label);
        of_model.all(|other| other.key.model == set.key.model)
    };
    let key = |idx: usize| {
        let set = sets[idx];
        let asked = (!is_only_file(set)).then_some((set.key.sampling, set.key.wording));
        (set.label.as_str(), asked)
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for idx in 0..sets.len() {
        match groups.iter_mut().find(|group| key(group[0]) == key(idx)) {
            Some(group) => group.push(idx),
            None => groups.push(vec![idx]),
        }
    }
    let of_group = |group: &Vec<usize>| {
        let bits = |idx: &usize| sets[*idx].bits_per_weight.unwrap_or(0.0);
        // Of equals the last is taken, so they are walked down to prefer the first.
        let walked = group.iter().rev().copied();
        let base = walked.max_by(|a, b| bits(a).total_cmp(&bits(b)))?;
        let others = group.iter().copied();
        let others = others.filter(|&idx| idx != base && is_mean(sets[idx]) == is_mean(sets[base]));
        let others: Vec<usize> = others.collect();
        (!others.is_empty()).then_some((base, others))
    };
    let of_models: Vec<Base> = groups.iter().filter_map(of_group).collect();
    let Some(first) = sets.first().filter(|_| of_models.is_empty()) else {
        return Ok(of_models);
    };
    Ok(against(sets, &first.model_sha256))
}

/// The conditions that a word means as bases of all others: of each the one in the same wording, or the only one there is.
pub(crate) fn against(sets: &[&StoredCondition], word: &str) -> Vec<Base> {
    let is_base = |idx: &usize| Name::of(sets[*idx]).is(word);
    let (bases, others): (Vec<usize>, Vec<usize>) = (0..sets.len()).partition(is_base);
    let of_base = |base: usize| {
        let is_only = bases.len() == 1;
        let is_like = |idx: &usize| match is_only {
            true => is_mean(sets[*idx]) == is_mean(sets[base]),
            false => sets[*idx].key.wording == sets[base].key.wording,
        };
        let others: Vec<usize> = others.iter().copied().filter(is_like).collect();
        (!others.is_empty()).then_some((base, others))
    };
    bases.iter().copied().filter_map(of_base).collect()
}

fn is_mean(set: &StoredCondition) -> bool {
    set.key.wording == WordingId::MEAN
}
