//! The tables that can be exported: each a name, its description in `db/README.md`, and where its rows come from.
//!
//! Owns two that are computed, the rates with their intervals and the dictionary; two more are in `comparisons` and
//! `diagnostics`. All others are views of the store.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::bail;

use super::comparisons::each_comparison;
use super::diagnostics::each_diagnostic;
use crate::leakage::{LeakRate, RateKind, leak_rates};
use crate::store::{ExperimentId, Store, StoredCondition, VIEWS, View};
use crate::study::estimates::Estimates;
use crate::study::selecting::{self, Selection, hint, rate_kind};
use crate::table::{Cell, Column, described_columns};

/// The stored experiments from which rows come.
pub struct Source {
    pub(crate) store: Store,
    /// The experiments that are meant; all unless given.
    pub(crate) experiments: Option<Vec<ExperimentId>>,
}

impl Source {
    /// The experiments of this name, or whose SHA-256 begins so, in a database that is there; all of them unless one is
    /// given.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn open(db: &Path, experiment: Option<&str>) -> anyhow::Result<Self> {
        let store = Store::open_existing(db)?;
        let experiments = selecting::ids_named(&store, experiment)?;
        Ok(Self { store, experiments })
    }

    /// The conditions with such leaks that are meant; none where no such leaks are stored.
    pub(crate) fn conditions(&self, kind: RateKind) -> anyhow::Result<Vec<StoredCondition>> {
        let mut stored = self.store.conditions()?;
        stored.retain(|set| {
            let is_in = |ids: &Vec<ExperimentId>| ids.contains(&set.key.experiment);
            rate_kind(set) == kind && self.experiments.as_ref().is_none_or(is_in)
        });
        let meant = selecting::all(&stored, &[], &Selection::default())?;
        Ok(meant.sets.into_iter().cloned().collect())
    }
}

/// A table to export.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    rows: Rows,
    all_columns: Vec<Column>,
    /// The columns that are written, by their place in all.
    chosen: Vec<usize>,
}

/// What the rows of a table are made of.
enum Rows {
    View(&'static View),
    Rates,
    Comparisons,
    Diagnostics,
    /// The columns of the tables of these names.
    Dictionary(Vec<&'static str>),
}

/// Takes a row.
pub type TakeRow<'t> = &'t mut dyn FnMut(&[Cell<'_>]) -> anyhow::Result<()>;

const RATES: &str = "rates";
const COMPARISONS: &str = "comparisons";
const DIAGNOSTICS: &str = "diagnostics";
const DICTIONARY: &str = "dictionary";

/// The tables of these names; all of them unless names are given.
pub fn named(names: Option<&[String]>) -> anyhow::Result<Vec<Table>> {
    let computed = [
        (RATES, Rows::Rates),
        (DIAGNOSTICS, Rows::Diagnostics),
        (COMPARISONS, Rows::Comparisons),
    ];
    let computed = computed.map(|(name, rows)| Table::new(name, rows, described_columns(name)));
    let views = VIEWS
        .iter()
        .map(|view| Table::new(view.name, Rows::View(view), view.columns()));
    let mut all: Vec<Table> = computed.into_iter().chain(views).collect();
    let Some(names) = names else {
        return Ok(all);
    };
    let mut found = Vec::new();
    for name in names {
        let Some(table_idx) = all.iter().position(|table| table.name == name) else {
            let known = described_names();
            bail!("there is no table `{name}`{}", hint(name, known));
        };
        found.push(all.remove(table_idx));
    }
    Ok(found)
}

fn described_names() -> impl Iterator<Item = &'static str> {
    let views = VIEWS.iter().map(|view| view.name);
    [RATES, DIAGNOSTICS, COMPARISONS].into_iter().chain(views)
}

/// What the columns of the tables of these names mean, as a table.
pub fn dictionary(names: Vec<&'static str>) -> Table {
    Table::new(
        DICTIONARY,
        Rows::Dictionary(names),
        described_columns(DICTIONARY),
    )
}

impl Table {
    fn new(name: &'static str, rows: Rows, all_columns: Vec<Column>) -> Self {
        Self {
            name,
            rows,
            chosen: (0..all_columns.len()).collect(),
            all_columns,
        }
    }

    /// Keeps only the columns of these names, in this order.
    pub fn choose(&mut self, names: &[String]) -> anyhow::Result<()> {
        let known = || self.all_columns.iter().map(|column| column.name.as_str());
        let mut chosen = Vec::new();
        for name in names {
            let Some(column_idx) = known().position(|column| column == name) else {
                let hint = hint(name, known());
                bail!("the table `{}` has no column `{name}`{hint}", self.name);
            };
            chosen.push(column_idx);
        }
        self.chosen = chosen;
        Ok(())
    }

    /// The columns that are written.
    pub fn columns(&self) -> Vec<Column> {
        let chosen = self.chosen.iter();
        chosen
            .map(|&column_idx| self.all_columns[column_idx].clone())
            .collect()
    }

    /// Hands every row to `take`; returns how many there were.
    pub fn each_row(&self, source: Option<&Source>, take: TakeRow<'_>) -> anyhow::Result<usize> {
        let mut n_rows = 0;
        let mut take_chosen = |cells: &[Cell<'_>]| {
            n_rows += 1;
            let chosen: Vec<Cell<'_>> = self.chosen.iter().map(|&idx| cells[idx]).collect();
            take(&chosen)
        };
        let source = || source.expect("only the dictionary is written without a database");
        match &self.rows {
            Rows::Dictionary(names) => each_meaning(names, &mut take_chosen)?,
            Rows::View(view) => each_view_row(view, source(), &mut take_chosen)?,
            Rows::Rates => each_rate(source(), &mut take_chosen)?,
            Rows::Comparisons => each_comparison(source(), &mut take_chosen)?,
            Rows::Diagnostics => each_diagnostic(source(), &mut take_chosen)?,
        }
        Ok(n_rows)
    }
}

fn each_view_row(view: &View, source: &Source, take: TakeRow<'_>) -> anyhow::Result<()> {
    let mut result = Ok(());
    let experiments = source.experiments.as_deref();
    source.store.each_row(view, experiments, &mut |cells| {
        result = take(cells);
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    result
}

fn each_rate(source: &Source, take: TakeRow<'_>) -> anyhow::Result<()> {
    let (repeats, exact) = (
        source.conditions(RateKind::Repeats)?,
        source.conditions(RateKind::Exact)?,
    );
    for set in repeats.iter().chain(&exact) {
        for rate in leak_rates(&Estimates::read(&source.store, set)?.pairs) {
            take(&rate_cells(set, &rate))?;
        }
    }
    Ok(())
}

/// The cells of a row of the table `rates`, in the order of `db/README.md`.
fn rate_cells<'s>(set: &'s StoredCondition, rate: &'s LeakRate) -> [Cell<'s>; 23] {
    let count = |n: f64| match rate.exact {
        None => Cell::Integer(n as i64),
        Some(_) => Cell::Null,
    };
    let kind = match rate.exact {
        None => RateKind::Repeats,
        Some(_) => RateKind::Exact,
    };
    let bounds = rate.bounds();
    [
        Cell::Integer(set.key.experiment.get()),
        Cell::Text(&set.experiment_name),
        Cell::Integer(set.key.model.get()),
        Cell::Text(&set.label),
        Cell::Text(&set.quantization),
        Cell::opt_real(set.bits_per_weight),
        Cell::Integer(set.key.sampling.get()),
        Cell::Text(&set.sampling_values),
        Cell::Text(&set.key.metric),
        Cell::Integer(set.key.seed.cast_signed()),
        Cell::opt_text(rate.category.as_deref()),
        Cell::Real(rate.mean_leak_rate),
        Cell::opt_real(rate.interval.map(|interval| interval.lower)),
        Cell::opt_real(rate.interval.map(|interval| interval.upper)),
        Cell::Integer(rate.n_pairs as i64),
        count(rate.n_tied),
        count(rate.n_echoes),
        Cell::Integer(rate.n_clusters as i64),
        Cell::Text(kind.name()),
        Cell::opt_real(bounds.map(|bounds| bounds.lower)),
        Cell::opt_real(bounds.map(|bounds| bounds.upper)),
        Cell::opt_real(bounds.and_then(|bounds| bounds.draw_standard_error)),
        Cell::opt_real(rate.exact.map(|exact| exact.coverage)),
    ]
}

fn each_meaning(names: &[&'static str], take: TakeRow<'_>) -> anyhow::Result<()> {
    for table in named(None)? {
        for column in table
            .all_columns
            .iter()
            .filter(|_| names.contains(&table.name))
        {
            take(&[
                Cell::Text(table.name),
                Cell::Text(&column.name),
                Cell::Text(column.kind.name()),
                Cell::Text(&column.meaning),
            ])?;
        }
    }
    Ok(())
}
