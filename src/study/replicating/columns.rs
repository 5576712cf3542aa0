//! The columns of a replication: each seed and each arithmetic under which the same was asked.
//!
//! Owns which stored conditions make a column, and which are left out and why. What asks the same, `seeds` says.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::bail;

use crate::results::ReplicationColumn;
use crate::store::{ExperimentId, Store, StoredCondition};
use crate::study::seeds::{PairTexts, differing_pair, is_made_alike};
use crate::study::selecting::{
    Selection, condition_name, experiment_version, is_computed_alike, of_experiment,
};

/// The conditions of one seed and one arithmetic.
pub(super) struct Column<'s> {
    pub(super) store: &'s Store,
    /// The place of the store, from 0; the first is the database at hand.
    store_idx: usize,
    pub(super) numerics_idx: usize,
    /// At least one.
    pub(super) sets: Vec<StoredCondition>,
}

/// The columns, and what is worth saying of others.
pub(super) struct Columns<'s> {
    pub(super) found: Vec<Column<'s>>,
    pub(super) notes: Vec<String>,
    /// The prompt pairs of each experiment that was looked at.
    pairs: BTreeMap<(usize, ExperimentId), PairTexts>,
}

impl Column<'_> {
    fn first(&self) -> &StoredCondition {
        &self.sets[0]
    }

    fn experiment(&self) -> (usize, ExperimentId) {
        (self.store_idx, self.first().key.experiment)
    }

    /// The column in words.
    fn name(&self) -> String {
        format!(
            "seed {} of {} in `{}`",
            self.first().key.seed,
            experiment_version(self.first()),
            self.store.path().display()
        )
    }

    pub(super) fn set(&self, name: &str) -> Option<&StoredCondition> {
        self.sets.iter().find(|set| condition_name(set) == name)
    }

    /// True if the same generations are in both: those of the same draws and the same arithmetic.
    fn is_copy_of(&self, other: &Self) -> bool {
        let both = self.sets.iter().flat_map(|a| {
            let alike = other.sets.iter().filter(|b| is_made_alike(a, b));
            alike.map(move |b| (a, b))
        });
        let mut both = both.peekable();
        let is_here = self.store_idx == other.store_idx;
        self.first().key.seed == other.first().key.seed
            && both.peek().is_some()
            && both.all(|(a, b)| {
                // Without a digest the same words may stand for other arithmetic on another machine.
                let is_known = a.numerics.logits_sha256.is_some() || is_here;
                a.numerics == b.numerics && is_known
            })
    }

    pub(super) fn described(&self) -> ReplicationColumn {
        let first = self.first();
        let machines = self
            .sets
            .iter()
            .flat_map(|set| set.machines.iter().cloned());
        let mut machines: Vec<String> = machines.collect();
        machines.sort();
        machines.dedup();
        ReplicationColumn {
            database: self.store.path().display().to_string(),
            experiment_sha256: first.experiment_sha256.clone(),
            seed: first.key.seed,
            numerics_idx: self.numerics_idx,
            llama_cpp_version: first.numerics.llama_cpp_version.clone(),
            machines,
        }
    }
}

impl<'s> Columns<'s> {
    /// The columns of the databases in which the same was asked as in `reference`, which is of the first database.
    ///
    /// # Errors
    /// When something else was asked in a database besides the first one.
    pub(super) fn of(
        stores: &'s [Store],
        stored: Vec<Vec<StoredCondition>>,
        reference: &StoredCondition,
        selection: &Selection,
    ) -> anyhow::Result<Self> {
        let mut columns = Self {
            found: Vec::new(),
            notes: Vec::new(),
            pairs: BTreeMap::new(),
        };
        let mut databases = Vec::new();
        for (store_idx, (store, stored)) in stores.iter().zip(stored).enumerate() {
            databases.push(columns.candidates(store_idx, store, stored, reference, selection)?);
        }
        let first = databases[0].iter().position(|it| {
            let set = it.first();
            set.key.experiment == reference.key.experiment && set.key.seed == reference.key.seed
        });
        let first = databases[0].remove(first.unwrap_or(0));
        columns.found.push(first);
        for (store, found) in stores.iter().zip(databases) {
            columns.add(store, found)?;
        }
        columns.leave_partial_out()?;
        columns
            .found
            .sort_by_key(|it| (it.store_idx, it.first().key.seed, it.numerics_idx));
        Ok(columns)
    }

    /// The columns of one database, the latest version of the experiment first.
    fn candidates(
        &mut self,
        store_idx: usize,
        store: &'s Store,
        stored: Vec<StoredCondition>,
        reference: &StoredCondition,
        selection: &Selection,
    ) -> anyhow::Result<Vec<Column<'s>>> {
        let groups = grouped(stored, reference);
        let selection = Selection {
            experiment: None,
            seed: None,
            ..selection.clone()
        };
        let (mut found, mut failed): (Vec<Column<'s>>, Vec<anyhow::Error>) =
            (Vec::new(), Vec::new());
        for group in groups {
            match of_experiment(&group, &selection) {
                Ok(selected) => {
                    self.notes.extend(selected.notes);
                    found.push(Column {
                        store,
                        store_idx,
                        numerics_idx: 1,
                        sets: selected.sets.into_iter().cloned().collect(),
                    });
                }
                Err(error) => failed.push(error),
            }
        }
        for column in &found {
            let (_, experiment) = column.experiment();
            let texts = store.pair_texts(experiment)?;
            self.pairs.insert((store_idx, experiment), texts);
        }
        match failed.pop() {
            Some(error) if found.is_empty() => {
                Err(error.context(format!("failed to read `{}`", store.path().display())))
            }
            _ if found.is_empty() => bail!(
                "the database `{}` has no leaks of the experiment `{}`\nhint: the experiment must have the same name there",
                store.path().display(),
                reference.experiment_name
            ),
            _ => Ok(found),
        }
    }

    /// Takes what asks the same as the first column and has other draws or other arithmetic than each that was taken.
    fn add(&mut self, store: &Store, candidates: Vec<Column<'s>>) -> anyhow::Result<()> {
        let mut refused = Vec::new();
        let mut is_any = false;
        for mut column in candidates {
            self.rename(&mut column);
            if let Some(reason) = self.difference(&column) {
                refused.push(format!("{}: {reason}", column.name()));
                continue;
            }
            is_any = true;
            if let Some(same) = self.found.iter().find(|it| column.is_copy_of(it)) {
                let same = same.name();
                self.notes.push(format!(
                    "{} is left out: it is made of the same draws by the same arithmetic as {same}",
                    column.name()
                ));
                continue;
            }
            let beside = self.found.iter().filter(|it| {
                it.store_idx == column.store_idx && it.first().key.seed == column.first().key.seed
            });
            column.numerics_idx = 1 + beside.count();
            self.found.push(column);
        }
        let first = &self.found[0];
        if !is_any && store.path() != first.store.path() && !refused.is_empty() {
            bail!(
                "the database `{}` holds another experiment of the name `{}`:\n  {}\nhint: compare databases that one experiment file was run with; only seed and machine may differ",
                store.path().display(),
                first.first().experiment_name,
                refused.join("\n  ")
            );
        }
        let left = refused.into_iter().map(|it| format!("left out: {it}"));
        self.notes.extend(left);
        Ok(())
    }

    /// Names conditions as the first columns do that have the same files, sampling values and wordings.
    fn rename(&self, column: &mut Column<'_>) {
        let known: Vec<&StoredCondition> = self.found.iter().flat_map(|it| &it.sets).collect();
        for set in &mut column.sets {
            if let Some(same) = known.iter().find(|it| is_made_alike(it, set)) {
                set.label = same.label.clone();
                set.quantization = same.quantization.clone();
                set.sampling_label = same.sampling_label.clone();
                set.wording = same.wording.clone();
                set.wording_label = same.wording_label.clone();
            }
        }
    }

    /// The reason why a column does not ask the same as the first one.
    fn difference(&self, column: &Column<'_>) -> Option<String> {
        let reference = &self.found[0];
        let (here, there) = (reference.first(), column.first());
        let [of_here, of_there] = [reference, column].map(|it| &self.pairs[&it.experiment()]);
        if let Some(place) = differing_pair(of_here, of_there) {
            return Some(format!(
                "it has other prompts than {}, pair {place} is another one",
                experiment_version(here)
            ));
        }
        let facts = |set: &StoredCondition| {
            [
                ("encoder", set.embedding_model_sha256.clone()),
                ("signature", set.key.signature.clone()),
                ("method", format!("{:?}", set.key.method)),
            ]
        };
        let mut both = facts(here).into_iter().zip(facts(there));
        if let Some(((what, here), (_, there))) = both.find(|(a, b)| a != b) {
            return Some(format!("its {what} is {there} in place of {here}"));
        }
        let mut sets = column.sets.iter();
        sets.find_map(|set| {
            let name = condition_name(set);
            let known = reference.set(&name)?;
            (!is_made_alike(known, set)).then(|| {
                if known.model_sha256 != set.model_sha256 {
                    format!("{name} is another file, sha256 {}", set.model_sha256)
                } else if known.sampling_values != set.sampling_values {
                    format!("{name} has other sampling values: {}", set.sampling_values)
                } else {
                    format!("{name} has other messages: {}", set.wording_messages)
                }
            })
        })
    }

    /// Leaves conditions out that have verdicts on fewer pairs than others have: those of a run with a limit.
    fn leave_partial_out(&mut self) -> anyhow::Result<()> {
        let mut counts = Vec::new();
        for column in &self.found {
            let of_sets = column.sets.iter();
            let of_sets = of_sets.map(|set| Ok(column.store.n_scored_pairs(set.id)?));
            counts.push(of_sets.collect::<anyhow::Result<Vec<usize>>>()?);
        }
        let n_most = counts.iter().flatten().copied().max().unwrap_or(0);
        for (column, counts) in self.found.iter_mut().zip(counts) {
            let mut kept = Vec::new();
            let name = column.name();
            for (set, n_pairs) in std::mem::take(&mut column.sets).into_iter().zip(counts) {
                if n_pairs == n_most {
                    kept.push(set);
                } else {
                    self.notes.push(format!(
                        "left out: {} under {name}, which has {n_pairs} of {n_most} prompt pairs",
                        condition_name(&set)
                    ));
                }
            }
            column.sets = kept;
        }
        self.found.retain(|column| !column.sets.is_empty());
        Ok(())
    }
}

/// All that is stored of the experiment's name, by version, seed and arithmetic; the version of `reference` first, then the
/// latest.
fn grouped(stored: Vec<StoredCondition>, reference: &StoredCondition) -> Vec<Vec<StoredCondition>> {
    let mut groups: Vec<Vec<StoredCondition>> = Vec::new();
    for set in stored {
        if set.experiment_name != reference.experiment_name {
            continue;
        }
        let is_beside = |it: &StoredCondition| {
            it.key.experiment == set.key.experiment
                && it.key.seed == set.key.seed
                && is_computed_alike(it, &set)
        };
        match groups.iter_mut().find(|group| group.iter().all(is_beside)) {
            Some(group) => group.push(set),
            None => groups.push(vec![set]),
        }
    }
    groups.sort_by_key(|group| {
        let experiment = group[0].key.experiment;
        (experiment != reference.key.experiment, Reverse(experiment))
    });
    groups
}
