//! Replications: the comparisons of an experiment under other seeds and other arithmetic.
//!
//! Owns the order of its steps and what is pooled. Which conditions make a column, `columns` says; each is compared as
//! `seep compare` does, by `comparing`. Nothing is generated, and of databases besides the first copies are read.

mod columns;

use std::path::{Path, PathBuf};

use columns::{Column, Columns};
use itertools::Itertools as _;

use crate::leakage::{ClusterUnit, Measure, TemplateSimilarities, pair_rates, pooled};
use crate::results::{ComparisonReport, ReplicatedGroup, Replication};
use crate::store::{Store, StoredCondition};
use crate::study::comparing::{cluster_unit, report_of};
use crate::study::estimates::{Estimates, read_all};
use crate::study::selecting::{self, Selection, bases, condition_name};
use crate::study::session::Session;

/// The experiment whose comparisons are made again, and how.
#[derive(Debug, Clone, Default)]
pub struct Replicating {
    /// The leaks that are meant, under every seed; the latest experiment unless one is named.
    pub selection: Selection,
    /// The condition that all others are compared with; of each model the file with most bits per weight unless given.
    pub base: Option<String>,
    /// The bond between prompts that are not independent of each other.
    pub unit: ClusterUnit,
    /// Databases of other machines, which stay as they are.
    pub others: Vec<PathBuf>,
}

impl Session {
    /// Makes the comparisons of an experiment under each seed that is stored in `db` and in other databases.
    ///
    /// # Errors
    /// When nothing is stored of what is meant, or another database asked something else.
    pub fn replicate(&self, db: &Path, replicating: &Replicating) -> anyhow::Result<Replication> {
        let mut stores = vec![Store::open_existing(db)?];
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
        let groups = groups(&columns, replicating.base.as_deref())?.into_iter();
        let groups = groups.map(|names| group(&columns, names, replicating.unit));
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

/// The names of each base and of what is compared with it, then those of conditions that nothing is compared with; of the
/// first column that has most.
fn groups(columns: &[Column<'_>], base: Option<&str>) -> anyhow::Result<Vec<Vec<String>>> {
    let n_sets_max = columns.iter().map(|it| it.sets.len()).max();
    let column = columns.iter().find(|it| Some(it.sets.len()) == n_sets_max);
    let sets: Vec<&StoredCondition> = column.into_iter().flat_map(|it| &it.sets).collect();
    let mut groups: Vec<Vec<String>> = Vec::new();
    for (base, others) in bases(&sets, base)? {
        let places = [base].into_iter().chain(others);
        groups.push(places.map(|place| condition_name(sets[place])).collect());
    }
    let names = sets.iter().map(|set| condition_name(set));
    let alone = names.filter(|name| !groups.iter().flatten().contains(name));
    let alone: Vec<Vec<String>> = alone.map(|name| vec![name]).collect();
    groups.extend(alone);
    Ok(groups)
}

fn group(
    columns: &[Column<'_>],
    names: Vec<String>,
    unit: ClusterUnit,
) -> anyhow::Result<ReplicatedGroup> {
    let mut reports = Vec::new();
    let mut whole: Vec<Vec<Estimates<'_>>> = Vec::new();
    for column in columns {
        let sets: Vec<&StoredCondition> = names.iter().filter_map(|it| column.set(it)).collect();
        if column.set(&names[0]).is_none() {
            reports.push(None);
            continue;
        }
        let found = read_all(column.store, &sets)?;
        reports.push(Some(report_of(column.store, &found, unit, 0, None)?));
        if found.len() == names.len() {
            whole.push(found);
        }
    }
    let n_pooled = if whole.len() > 1 { whole.len() } else { 0 };
    let pooled = (n_pooled > 0).then(|| pooled_report(columns[0].store, &whole, unit));
    Ok(ReplicatedGroup {
        pooled: pooled.transpose()?,
        n_pooled,
        names,
        reports,
    })
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
        mean_estimates(&draws)
    });
    report_of(store, &conditions.collect::<Vec<_>>(), unit, 0, None)
}

fn mean_estimates<'a>(draws: &[&Estimates<'a>]) -> Estimates<'a> {
    let pairs: Vec<&[_]> = draws.iter().map(|it| &*it.pairs).collect();
    let templates: Vec<&[_]> = draws.iter().map(|it| &*it.templates).collect();
    let pairs = pooled(&pairs);
    Estimates {
        set: draws[0].set,
        rates: pair_rates(&pairs, Measure::LeakRate),
        pairs,
        prompts: draws[0].prompts.clone(),
        templates: TemplateSimilarities::mean(&templates),
        verdicts: Vec::new(),
        leaks: Vec::new(),
        exact: Vec::new(),
    }
}
