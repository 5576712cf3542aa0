//! From rows to prompt pairs.
//!
//! Owns which row is a test prompt and which its control prompt, and which rows are left out. A row is a test prompt
//! when it names a control; without one it is a control prompt, or a test prompt that lacks its control. Where a row of
//! the table holds both prompts, it becomes two: its control prompt is a row that has none in the table.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::finding::{Finding, FindingKind};
use super::mapping::{ControlColumn, Layout, Mapping};
use super::table::{Cell, Place, Table};
use super::{ImportError, ImportedPair, ImportedRow};

/// Rows that are shown of those that cannot be imported.
const N_SHOWN_MAX: usize = 10;

/// The result of reading the rows of a table.
pub(super) struct Read {
    pub(super) rows: Vec<Row>,
    pub(super) pairs: Vec<ImportedPair>,
    pub(super) findings: Vec<Finding>,
}

/// A row that has a prompt.
pub(super) struct Row {
    pub(super) imported: ImportedRow,
    /// Its place in the table.
    pub(super) table_row_idx: usize,
    /// True if it is the control prompt that stands beside a test prompt, whose place is the one above.
    pub(super) is_beside: bool,
}

impl Row {
    /// The columns of its generations.
    pub(super) fn repeats<'l>(&self, layout: &'l Layout) -> &'l [usize] {
        match self.is_beside {
            true => &layout.control_repeats,
            false => &layout.repeats,
        }
    }
}

/// The rows and pairs of `table`.
pub(super) fn read(
    path: &Path,
    table: &Table,
    layout: &Layout,
    mapping: &Mapping,
) -> Result<Read, ImportError> {
    let mut findings = Vec::new();
    let mut rows = rows(table, layout, &mut findings);
    let beside = match layout.control {
        ControlColumn::Text(column_idx) => {
            add_controls(table, layout, mapping, column_idx, &mut rows)
        }
        _ => HashMap::new(),
    };
    let pairs = read_pairs(path, table, layout, mapping, (&rows, beside), &mut findings)?;
    if pairs.is_empty() {
        let lines = super::summary_of(&findings).into_iter();
        return Err(ImportError::NoPairs {
            path: path.to_owned(),
            findings: lines.map(|line| format!("  {line}\n")).collect(),
        });
    }
    Ok(Read {
        rows,
        pairs,
        findings,
    })
}

fn read_pairs(
    path: &Path,
    table: &Table,
    layout: &Layout,
    mapping: &Mapping,
    (rows, beside): (&[Row], HashMap<usize, usize>),
    findings: &mut Vec<Finding>,
) -> Result<Vec<ImportedPair>, ImportError> {
    let mut reader = PairReader {
        table,
        layout,
        mapping,
        row_of: row_of(table, rows),
        row_of_prompt: row_of_prompt(layout, rows),
        beside,
        rows,
        seen: HashSet::new(),
        findings,
        problems: Vec::new(),
    };
    let row_idxs = (0..rows.len()).filter(|&row_idx| !rows[row_idx].is_beside);
    let pairs = row_idxs.filter_map(|row_idx| reader.pair(row_idx));
    let pairs = pairs.collect();
    refuse(path, layout, &reader.problems)?;
    Ok(pairs)
}

fn rows(table: &Table, layout: &Layout, findings: &mut Vec<Finding>) -> Vec<Row> {
    let mut rows = Vec::new();
    let columns: Arc<[String]> = layout.repeat_names(table).into();
    for (table_row_idx, row) in table.rows.iter().enumerate() {
        let Some(prompt) = table.cell(table_row_idx, layout.prompt).text_within() else {
            let is_empty = row.cells.iter().all(Cell::is_blank);
            let what = if is_empty {
                "the row is empty"
            } else {
                "the row has no prompt"
            };
            let place = table.place(table_row_idx, layout.prompt);
            let text = format!("{what}; it is left out");
            findings.push(Finding::new(FindingKind::NoPrompt, place, text));
            continue;
        };
        rows.push(Row {
            imported: ImportedRow {
                number: row.number,
                prompt: prompt.into_owned(),
                generations: generations(table, table_row_idx, &layout.repeats),
                columns: Arc::clone(&columns),
            },
            table_row_idx,
            is_beside: false,
        });
    }
    rows
}

fn generations(table: &Table, table_row_idx: usize, columns: &[usize]) -> Vec<Option<String>> {
    let columns = columns.iter();
    columns
        .map(|&column_idx| {
            let text = table.cell(table_row_idx, column_idx).text();
            text.map(Cow::into_owned)
        })
        .collect()
}

/// Adds the control prompts that stand beside test prompts, those with the same text and generations once; gives the
/// place of each by the row of its test prompt in the table.
fn add_controls(
    table: &Table,
    layout: &Layout,
    mapping: &Mapping,
    column_idx: usize,
    rows: &mut Vec<Row>,
) -> HashMap<usize, usize> {
    let columns: Arc<[String]> = layout.control_repeat_names(table).into();
    let mut places = HashMap::new();
    let mut known = HashMap::new();
    for test_idx in 0..rows.len() {
        let table_row_idx = rows[test_idx].table_row_idx;
        let Some(prompt) = mapping.value(table.cell(table_row_idx, column_idx)) else {
            continue;
        };
        let imported = ImportedRow {
            number: rows[test_idx].imported.number,
            prompt: prompt.into_owned(),
            generations: generations(table, table_row_idx, &layout.control_repeats),
            columns: Arc::clone(&columns),
        };
        let key = (imported.prompt.clone(), imported.generations.clone());
        let row_idx = *known.entry(key).or_insert_with(|| {
            rows.push(Row {
                imported,
                table_row_idx,
                is_beside: true,
            });
            rows.len() - 1
        });
        places.insert(table_row_idx, row_idx);
    }
    places
}

/// For each row of the table its place among the rows with a prompt.
fn row_of(table: &Table, rows: &[Row]) -> Vec<Option<usize>> {
    let mut row_of = vec![None; table.rows.len()];
    for (row_idx, row) in rows.iter().enumerate().filter(|(_, row)| !row.is_beside) {
        row_of[row.table_row_idx] = Some(row_idx);
    }
    row_of
}

/// The first row with each prompt, where controls are named by their prompt.
fn row_of_prompt<'r>(layout: &Layout, rows: &'r [Row]) -> HashMap<&'r str, usize> {
    let mut first = HashMap::new();
    if matches!(layout.control, ControlColumn::Prompt(_)) {
        for (row_idx, row) in rows.iter().enumerate() {
            first.entry(row.imported.prompt.as_str()).or_insert(row_idx);
        }
    }
    first
}

/// The values that make two pairs the same: concept, category, template, test and control prompt.
type PairKey<'r> = (String, String, Option<String>, &'r str, &'r str);

struct PairReader<'a> {
    table: &'a Table,
    layout: &'a Layout,
    mapping: &'a Mapping,
    rows: &'a [Row],
    row_of: Vec<Option<usize>>,
    row_of_prompt: HashMap<&'a str, usize>,
    /// The control prompts beside test prompts, by the row of the table.
    beside: HashMap<usize, usize>,
    seen: HashSet<PairKey<'a>>,
    findings: &'a mut Vec<Finding>,
    /// Rows that contradict the mapping.
    problems: Vec<(Place, String)>,
}

impl<'a> PairReader<'a> {
    /// The pair of which a row is the test prompt.
    fn pair(&mut self, row_idx: usize) -> Option<ImportedPair> {
        let table_row_idx = self.rows[row_idx].table_row_idx;
        let (table, layout, mapping) = (self.table, self.layout, self.mapping);
        let cell = |column_idx| table.cell(table_row_idx, column_idx);
        let concept = mapping.value(cell(layout.concept));
        let control_idx = layout.control.column_idx();
        let Some(control) = mapping.value(cell(control_idx)) else {
            self.report_lone(table_row_idx, concept?.as_ref());
            return None;
        };
        let Some(concept) = concept else {
            let text = "the row has a control but no concept; it is left out";
            self.find(
                FindingKind::NoConcept,
                table_row_idx,
                self.layout.concept,
                text,
            );
            return None;
        };
        let control_row_idx = self.control_row(table_row_idx, &control);
        let control_row_idx = control_row_idx.and_then(|found| {
            let is_itself = found == row_idx;
            let reason = || "the control is the row itself".to_owned();
            (!is_itself).then_some(found).ok_or_else(reason)
        });
        let text_of = |column_idx: Option<usize>| {
            let text = cell(column_idx?).text_within()?;
            Some(text.trim().to_owned())
        };
        let category = text_of(self.layout.category);
        let pair = ImportedPair {
            concept: concept.into_owned(),
            concept_family: None,
            category: category.unwrap_or_else(|| ImportedPair::NO_CATEGORY.to_owned()),
            template_id: text_of(self.layout.template),
            test_row_idx: row_idx,
            control_row_idx: control_row_idx
                .map_err(|reason| {
                    let place = self.table.place(table_row_idx, control_idx);
                    self.problems.push((place, reason));
                })
                .ok()?,
        };
        self.is_new(&pair).then_some(pair)
    }

    /// Reports a row with a concept and without a control, unless it says that it is a control itself.
    fn report_lone(&mut self, table_row_idx: usize, concept: &str) {
        let is_control = self.layout.is_control;
        let is_control = is_control.map(|idx| self.table.cell(table_row_idx, idx));
        if !is_control.is_some_and(is_true) {
            let text = format!(
                "the test prompt with the concept `{concept}` has no control prompt; it is left out"
            );
            let column_idx = self.layout.control.column_idx();
            self.find(FindingKind::NoControl, table_row_idx, column_idx, text);
        }
    }

    fn find(
        &mut self,
        kind: FindingKind,
        table_row_idx: usize,
        column_idx: usize,
        text: impl Into<String>,
    ) {
        let place = self.table.place(table_row_idx, column_idx);
        self.findings.push(Finding::new(kind, place, text));
    }

    /// The row of the control that a row names, or why there is none.
    fn control_row(&self, table_row_idx: usize, control: &str) -> Result<usize, String> {
        match self.layout.control {
            ControlColumn::RowIndex(column_idx) => {
                let index = index(self.table.cell(table_row_idx, column_idx))
                    .ok_or_else(|| format!("the control `{control}` is no row index"))?;
                let n_rows = self.row_of.len();
                let row = self.row_of.get(index).ok_or_else(|| {
                    let last = n_rows - 1;
                    format!("the control index {index} is out of range: the rows are 0 to {last}")
                })?;
                row.ok_or_else(|| format!("the control row {index} has no prompt"))
            }
            ControlColumn::Prompt(_) => {
                let row = self.row_of_prompt.get(control).copied();
                row.ok_or_else(|| format!("no row has the control prompt `{control}`"))
            }
            ControlColumn::Text(_) => {
                let row = self.beside.get(&table_row_idx).copied();
                row.ok_or_else(|| "the row has no control prompt".to_owned())
            }
        }
    }

    /// True if the pair has not come before; reports it where it has.
    fn is_new(&mut self, pair: &ImportedPair) -> bool {
        let rows = self.rows;
        let prompt = |row_idx: usize| rows[row_idx].imported.prompt.as_str();
        let key = (
            pair.concept.clone(),
            pair.category.clone(),
            pair.template_id.clone(),
            prompt(pair.test_row_idx),
            prompt(pair.control_row_idx),
        );
        let is_new = self.seen.insert(key);
        if !is_new {
            let table_row_idx = rows[pair.test_row_idx].table_row_idx;
            let text = "the same concept, test prompt and control prompt stand in an earlier row; it is left out";
            self.find(
                FindingKind::DoubledPair,
                table_row_idx,
                self.layout.prompt,
                text,
            );
        }
        is_new
    }
}

/// The whole number in a cell, also where it is written as `35.0`.
fn index(cell: &Cell) -> Option<usize> {
    let number = match cell {
        Cell::Number(number) => *number,
        cell => cell.text()?.trim().parse().ok()?,
    };
    // Beyond 2^53 an f64 is not exact, and no file has that many rows.
    let is_index = number.fract() == 0.0 && (0.0..9e15).contains(&number);
    is_index.then_some(number as usize)
}

fn is_true(cell: &Cell) -> bool {
    match cell {
        Cell::Bool(value) => *value,
        Cell::Number(number) => *number == 1.0,
        cell => cell.text().is_some_and(|text| {
            let text = text.trim().to_lowercase();
            ["true", "yes", "1"].contains(&text.as_str())
        }),
    }
}

fn refuse(path: &Path, layout: &Layout, problems: &[(Place, String)]) -> Result<(), ImportError> {
    if problems.is_empty() {
        return Ok(());
    }
    let shown = problems.iter().take(N_SHOWN_MAX);
    let mut rows: Vec<String> = shown
        .map(|(place, reason)| format!("  {place}: {reason}"))
        .collect();
    if let Some(n_more @ 1..) = problems.len().checked_sub(N_SHOWN_MAX) {
        rows.push(format!("  and {n_more} more"));
    }
    Err(ImportError::Rows {
        path: path.to_owned(),
        n_rows_text: match problems.len() {
            1 => "1 row".to_owned(),
            n_rows => format!("{n_rows} rows"),
        },
        rows: rows.join("\n"),
        hint: match layout.control {
            ControlColumn::RowIndex(_) => {
                "a control is named by the index of its row: the first row below the header has the index 0"
            }
            ControlColumn::Text(_) => "a control prompt stands beside its test prompt",
            ControlColumn::Prompt(_) => {
                "a control is named by its prompt, which has a row of its own, letter by letter the same"
            }
        },
    })
}
