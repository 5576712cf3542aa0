//! Conditions with the means over their wordings.
//!
//! Owns which conditions a mean is over and the name that stands in the place of its wording. What the mean is,
//! `leakage` says. Means are over the wordings that all conditions have which have several, so that they can be compared.

use std::collections::BTreeSet;

use itertools::Itertools as _;

use crate::store::{Store, StoredCondition, WordingId};
use crate::study::estimates::Estimates;

/// Conditions, with the mean over the wordings of a model file and sampling after these.
pub(crate) struct WithMeans {
    pub(crate) sets: Vec<StoredCondition>,
    /// The places of the conditions that each is the mean over; none of a condition by itself.
    pub(crate) of: Vec<Vec<usize>>,
}

/// The name that stands in the place of a wording.
pub(crate) fn mean_label(n_wordings: usize) -> String {
    format!("mean over {n_wordings} wordings")
}

impl WithMeans {
    /// The conditions, put together by file and sampling in the order of their first; with their means where there are
    /// several wordings.
    pub(crate) fn of(sets: &[&StoredCondition]) -> Self {
        let file = |set: &StoredCondition| (set.key.model, set.key.sampling);
        let files = sets.iter().map(|set| file(set)).unique();
        let of_files = files.map(|key| {
            let of_file = sets.iter().filter(|set| file(set) == key);
            of_file.copied().collect::<Vec<&StoredCondition>>()
        });
        let of_files: Vec<Vec<&StoredCondition>> = of_files.collect();
        let common = common_wordings(&of_files);
        let mut found = Self {
            sets: Vec::new(),
            of: Vec::new(),
        };
        for of_file in of_files {
            found.add(&of_file, &common);
        }
        found
    }

    fn add(&mut self, of_file: &[&StoredCondition], common: &BTreeSet<WordingId>) {
        let first = self.sets.len();
        for &set in of_file {
            self.sets.push(set.clone());
            self.of.push(Vec::new());
        }
        let is_meant = |idx: &usize| common.contains(&self.sets[*idx].key.wording);
        let meant: Vec<usize> = (first..self.sets.len()).filter(is_meant).collect();
        if meant.len() > 1 {
            let mut mean = self.sets[meant[0]].clone();
            mean.key.wording = WordingId::MEAN;
            mean.wording = String::new();
            mean.wording_label = mean_label(meant.len());
            self.sets.push(mean);
            self.of.push(meant);
        }
    }

    /// The estimates of each; concepts are taken for random where the experiment says so or `is_generalised`.
    pub(crate) fn read(
        &self,
        store: &Store,
        is_generalised: bool,
    ) -> anyhow::Result<Vec<Estimates<'_>>> {
        let read = |set| read(store, set, is_generalised);
        let mut found: Vec<Estimates<'_>> = Vec::new();
        for (set, of) in self.sets.iter().zip(&self.of) {
            let estimates = match &of[..] {
                [] => read(set)?,
                of => Estimates::mean(&of.iter().map(|&idx| &found[idx]).collect::<Vec<_>>(), set),
            };
            found.push(estimates);
        }
        Ok(found)
    }

    /// Conditions without means over them.
    pub(crate) fn without<'s>(sets: impl Iterator<Item = &'s StoredCondition>) -> Self {
        let sets: Vec<StoredCondition> = sets.cloned().collect();
        Self {
            of: vec![Vec::new(); sets.len()],
            sets,
        }
    }

    /// The estimates of the one at a place, as [`Self::read`].
    pub(crate) fn read_one(
        &self,
        store: &Store,
        place: usize,
        is_generalised: bool,
    ) -> anyhow::Result<Estimates<'_>> {
        let read = |set| read(store, set, is_generalised);
        let set = &self.sets[place];
        let of = self.of[place].iter();
        let of = of.map(|&idx| read(&self.sets[idx]));
        let of = of.collect::<anyhow::Result<Vec<_>>>()?;
        match &of[..] {
            [] => read(set),
            of => Ok(Estimates::mean(&of.iter().collect::<Vec<_>>(), set)),
        }
    }

    /// The names of the wordings that the condition at a place is the mean over; none of a condition by itself.
    pub(crate) fn mean_over(&self, idx: usize) -> Vec<String> {
        let of = self.of[idx].iter();
        of.map(|&idx| self.sets[idx].wording.clone()).collect()
    }
}

/// The estimates of a condition; concepts are taken for random where the experiment says so or `is_generalised`.
fn read<'a>(
    store: &Store,
    set: &'a StoredCondition,
    is_generalised: bool,
) -> anyhow::Result<Estimates<'a>> {
    match is_generalised {
        true => Estimates::read_generalised(store, set, true),
        false => Estimates::read(store, set),
    }
}

/// The wordings that all have of which several are there.
fn common_wordings(of_files: &[Vec<&StoredCondition>]) -> BTreeSet<WordingId> {
    let wordings = of_files.iter().map(|of_file| {
        let wordings = of_file.iter().map(|set| set.key.wording);
        wordings.collect::<BTreeSet<WordingId>>()
    });
    let several = wordings.filter(|wordings| wordings.len() > 1);
    several.reduce(|a, b| &a & &b).unwrap_or_default()
}
