//! The bases that conditions are compared with where no comparison is asked for.
//!
//! Owns the choice of bases among conditions that may be compared.

use super::words::{LEAKS, Name, resolve};
use crate::store::StoredCondition;

/// A base by its place among the conditions, and what is compared with it.
pub(crate) type Base = (usize, Vec<usize>);

/// Each base among `sets`, and what is compared with it.
///
/// The base that is named; else of the files of a model under the same sampling values the one with most bits per weight,
/// of a single file its first sampling; else, where nothing is there twice, the first condition.
pub(crate) fn bases(sets: &[&StoredCondition], wanted: Option<&str>) -> anyhow::Result<Vec<Base>> {
    let all_but = |base: usize| (0..sets.len()).filter(move |idx| *idx != base).collect();
    if let Some(wanted) = wanted {
        let names: Vec<Name> = sets.iter().map(|set| Name::of(set)).collect();
        let base = resolve(&names, wanted, LEAKS)?;
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
        let bits = |idx: &usize| sets[*idx].bits_per_weight.unwrap_or(0.0);
        // Of equals the last is taken, so they are walked down to prefer the first.
        let walked = group.iter().rev().copied();
        let base = walked.max_by(|a, b| bits(a).total_cmp(&bits(b)))?;
        let others: Vec<usize> = group.iter().copied().filter(|idx| *idx != base).collect();
        (!others.is_empty()).then_some((base, others))
    };
    let of_models: Vec<Base> = groups.iter().filter_map(of_group).collect();
    if of_models.is_empty() && sets.len() > 1 {
        return Ok(vec![(0, all_but(0))]);
    }
    Ok(of_models)
}
