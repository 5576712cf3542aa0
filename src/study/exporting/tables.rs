//! The tables that can be exported: each a name, its description in `db/README.md`, and where its rows come from.
//!
//! Owns the list of them and the dictionary. Those that are computed are in `rates`, `comparisons`, `diagnostics` and
//! `matrix`; all others are views of the store.

use std::ops::ControlFlow;

use anyhow::bail;

use super::comparisons::{By, each_comparison};
use super::diagnostics::each_diagnostic;
use super::matrix::each_cell;
use super::rates::each_rate;
use super::source::{Source, TakeRow};
use crate::store::{VIEWS, View};
use crate::study::selecting::hint;
use crate::table::{Cell, Column, described_columns};

/// A table to export.
pub struct Table {
    /// Its name.
    pub name: &'static str,
    rows: Rows,
    all_columns: Vec<Column>,
    /// The columns that are written, by their place in all.
    chosen: Vec<usize>,
}

/// The source of a table's rows.
enum Rows {
    View(&'static View),
    Rates,
    Comparisons(By),
    Diagnostics,
    ConceptMatrix,
    /// The columns of the tables of these names.
    Dictionary(Vec<&'static str>),
}

const RATES: &str = "rates";
const COMPARISONS: &str = "comparisons";
const SPECIFIC_COMPARISONS: &str = "specific_comparisons";
const DIAGNOSTICS: &str = "diagnostics";
const CONCEPT_MATRIX: &str = "concept_matrix";
const DICTIONARY: &str = "dictionary";

/// The tables of these names; all of them unless names are given.
pub fn named(names: Option<&[String]>) -> anyhow::Result<Vec<Table>> {
    let computed = [
        (RATES, Rows::Rates),
        (DIAGNOSTICS, Rows::Diagnostics),
        (COMPARISONS, Rows::Comparisons(By::LeakRate)),
        (SPECIFIC_COMPARISONS, Rows::Comparisons(By::Specific)),
        (CONCEPT_MATRIX, Rows::ConceptMatrix),
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
    [
        RATES,
        DIAGNOSTICS,
        COMPARISONS,
        SPECIFIC_COMPARISONS,
        CONCEPT_MATRIX,
    ]
    .into_iter()
    .chain(views)
}

/// Returns the meanings of the columns of the tables of these names, as a table.
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

    /// True if its rows are figures of one encoder, which are computed here.
    pub fn is_of_figures(&self) -> bool {
        matches!(
            self.rows,
            Rows::Rates | Rows::Comparisons(_) | Rows::Diagnostics
        )
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
            Rows::Comparisons(by) => each_comparison(source(), *by, &mut take_chosen)?,
            Rows::Diagnostics => each_diagnostic(source(), &mut take_chosen)?,
            Rows::ConceptMatrix => each_cell(source(), &mut take_chosen)?,
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
