//! Replications: the comparisons of an experiment under other seeds and other arithmetic.
//!
//! Owns the order of its steps and what is pooled. Which conditions make a column, `columns` says; each is compared as
//! `seep compare` does, by `comparing`. Nothing is generated, and of databases besides the first copies are read.

mod columns;

use std::path::{Path, PathBuf};

use columns::{Column, Columns};
use itertools::Itertools as _;

use crate::leakage::ClusterUnit;
use crate::results::{ComparisonReport, ReplicatedGroup, Replication};
use crate::store::{Store, StoredCondition};
use crate::study::comparing::{cluster_unit, report_of};
use crate::study::estimates::{Estimates, is_generalised};
use crate::study::selecting::{self, Selection, bases, condition_name};
use crate::study::session::Session;
use crate::study::wordings::WithMeans;

/// The experiment whose comparisons are made again, and how.
#[derive(Debug, Clone, Default)]
pub struct Replicating {
    /// The leaks that are meant, under every seed; the latest experiment unless one is named.
    pub selection: Selection,
    /// The condition that all others are compared with; of each model the file with most bits per weight unless given.
    pub base: Option<String>,
    /// The bond between prompts that are not independent of each other.
    pub unit: ClusterUnit,
    /// Let intervals speak of other concepts too, whatever the experiment says.
    pub generalises_concepts: bool,
    /// Databases of other machines, which stay as they are.
    pub others: Vec<PathBuf>,
}

impl Session {
    /// Makes the comparisons of an experiment under each seed that is stored in `db` and in other databases.
    ///
    /// # Errors
    /// When nothing is stored of what is meant, or another database asked something else.
    pub fn replicate(&self, db: &Path, replicating: &Replicating) -> anyhow::Result<Replication> {
        let mut stores = vec![self.store_to_read(db)?];
        for other in &replicating.others {
            stores.push(Store::open_copy(other)?);
        }
        let stored = stores.iter().map(selecting::stored);
        let stored = stored.collect::<anyhow::Result<Vec<_>>>()?;
        let selection = &replicating.selection;
        let reference = selecting::of_experiment(&stored[0], selection)?.sets[0].clone();
        let columns = Columns::of(&stores, stored, &reference, selection)?;
        for note in columns.notes.iter().unique() {
            self.note(note);
        }
        let columns = columns.found;
        let conditions: Vec<Conditions<'_>> = columns.iter().map(Conditions::of).collect();
        let groups = groups(&conditions, replicating.base.as_deref())?.into_iter();
        let (unit, are_random) = (replicating.unit, are_random(&columns, replicating)?);
        let groups = groups.map(|named| group(&conditions, &named, unit, are_random));
        Ok(Replication {
            experiment: reference.experiment_name.clone(),
            metric: reference.key.metric.clone(),
            embedding_model: reference.embedding_model.clone(),
            unit: cluster_unit(replicating.unit).to_owned(),
            n_pairs: columns[0].store.n_scored_pairs(columns[0].sets[0].id)?,
            columns: columns.iter().map(Column::described).collect(),
            groups: groups.collect::<anyhow::Result<_>>()?,
        })
    }
}

/// A condition's name, and of a mean the wordings that it is over, in the order of their names.
type Named = (String, Vec<String>);

/// The conditions of a column, with the means over their wordings.
struct Conditions<'c> {
    store: &'c Store,
    with_means: WithMeans,
    /// In the order of these.
    names: Vec<Named>,
}

impl<'c> Conditions<'c> {
    fn of(column: &Column<'c>) -> Self {
        let with_means = WithMeans::of(&column.sets.iter().collect::<Vec<_>>());
        let names = with_means.sets.iter().enumerate().map(|(place, set)| {
            let mut mean_over = with_means.mean_over(place);
            mean_over.sort();
            (condition_name(set), mean_over)
        });
        Self {
            store: column.store,
            names: names.collect(),
            with_means,
        }
    }

    /// Those of these names that are there.
    fn read(&self, names: &[Named], are_random: bool) -> anyhow::Result<Vec<Estimates<'_>>> {
        let places = names.iter();
        let places = places.filter_map(|named| self.names.iter().position(|it| it == named));
        places
            .map(|place| self.with_means.read_one(self.store, place, are_random))
            .collect()
    }
}

/// True if concepts are taken for random in all columns: the same question is asked in each.
fn are_random(columns: &[Column<'_>], replicating: &Replicating) -> anyhow::Result<bool> {
    let sets = columns
        .iter()
        .flat_map(|it| it.sets.iter().map(|set| (it.store, set)));
    let says = sets.map(|(store, set)| is_generalised(store, set.key.experiment));
    let says = says.collect::<anyhow::Result<Vec<bool>>>()?;
    Ok(replicating.generalises_concepts || says.contains(&true))
}

/// The names of each base and of what is compared with it, then those of conditions that nothing is compared with; of the
/// first column that has most.
fn groups(columns: &[Conditions<'_>], base: Option<&str>) -> anyhow::Result<Vec<Vec<Named>>> {
    let n_names_max = columns.iter().map(|it| it.names.len()).max();
    let column = columns
        .iter()
        .find(|it| Some(it.names.len()) == n_names_max);
    let column = column.expect("the database at hand makes a column");
    let sets: Vec<&StoredCondition> = column.with_means.sets.iter().collect();
    let mut groups: Vec<Vec<Named>> = Vec::new();
    for (base, others) in bases(&sets, base)? {
        let places = [base].into_iter().chain(others);
        groups.push(places.map(|place| column.names[place].clone()).collect());
    }
    let names = column.names.iter();
    let alone = names.filter(|name| !groups.iter().flatten().contains(name));
    let alone: Vec<Vec<Named>> = alone.map(|name| vec![name.clone()]).collect();
    groups.extend(alone);
    Ok(groups)
}

fn group(
    columns: &[Conditions<'_>],
    names: &[Named],
    unit: ClusterUnit,
    are_random: bool,
) -> anyhow::Result<ReplicatedGroup> {
    let mut reports = Vec::new();
    let mut whole: Vec<Vec<Estimates<'_>>> = Vec::new();
    for column in columns {
        if !column.names.contains(&names[0]) {
            reports.push(None);
            continue;
        }
        let found = column.read(names, are_random)?;
        reports.push(Some(report(column.store, &found, unit)?));
        if found.len() == names.len() {
            whole.push(found);
        }
    }
    let n_pooled = if whole.len() > 1 { whole.len() } else { 0 };
    let pooled = (n_pooled > 0).then(|| pooled_report(columns[0].store, &whole, unit));
    Ok(ReplicatedGroup {
        pooled: pooled.transpose()?,
        n_pooled,
        names: names.iter().map(|(name, _)| name.clone()).collect(),
        reports,
    })
}

/// The comparison of conditions with the first of them.
fn report(
    store: &Store,
    conditions: &[Estimates<'_>],
    unit: ClusterUnit,
) -> anyhow::Result<ComparisonReport> {
    let single = WithMeans::without(conditions.iter().map(|it| it.set));
    let base = (0, (1..conditions.len()).collect());
    report_of(store, (&single, conditions), &[base], unit, 0, None)
}

/// The comparison of the means of each pair over columns, which have the same conditions in the same order.
fn pooled_report(
    store: &Store,
    columns: &[Vec<Estimates<'_>>],
    unit: ClusterUnit,
) -> anyhow::Result<ComparisonReport> {
    let conditions = 0..columns[0].len();
    let conditions = conditions.map(|place| {
        let draws: Vec<&Estimates<'_>> = columns.iter().map(|column| &column[place]).collect();
        Estimates::mean(&draws, draws[0].set)
    });
    report(store, &conditions.collect::<Vec<_>>(), unit)
}
