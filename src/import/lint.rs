//! The lint of rows and pairs that can be imported.
//!
//! Owns the checks that need a prompt beside its concept, its control or its generations. What had to be left out,
//! `pairs` has reported already.

use std::collections::{HashMap, HashSet};

use super::ImportedPair;
use super::finding::{Finding, FindingKind};
use super::mapping::{Layout, Mapping};
use super::pairs::Row;
use super::table::{Cell, Table};
use crate::experiment::did_you_mean;
use crate::words::{folded, holds_word, invisible_words, seen};

/// Test prompts without their concept, under one control, among which swapped concepts are looked for.
const N_SWAPPABLE_MAX: usize = 500;

/// Adds what looks wrong to `findings`.
pub(super) fn lint(
    table: &Table,
    layout: &Layout,
    rows: &[Row],
    pairs: &[ImportedPair],
    findings: &mut Vec<Finding>,
) {
    let lint = Lint {
        table,
        layout,
        rows,
        pairs,
    };
    let checks = [
        Lint::cells,
        Lint::invisible,
        Lint::generations,
        Lint::controls,
        Lint::concepts,
        Lint::doubled_prompts,
    ];
    for check in checks {
        findings.extend(check(&lint));
    }
}

struct Lint<'a> {
    table: &'a Table,
    layout: &'a Layout,
    rows: &'a [Row],
    pairs: &'a [ImportedPair],
}

impl Lint<'_> {
    fn finding(
        &self,
        kind: FindingKind,
        row_idx: usize,
        column_idx: usize,
        text: impl Into<String>,
    ) -> Finding {
        let table_row_idx = self.rows[row_idx].table_row_idx;
        Finding::new(kind, self.table.place(table_row_idx, column_idx), text)
    }

    fn prompt(&self, row_idx: usize) -> &str {
        &self.rows[row_idx].imported.prompt
    }

    /// Cells that are read although they are no text.
    fn cells(&self) -> Vec<Finding> {
        let layout = self.layout;
        let read = [layout.prompt, layout.concept, layout.control.column_idx()];
        let mut findings = Vec::new();
        for (row_idx, row) in self.rows.iter().enumerate() {
            // A prompt that stands beside another shares its row.
            let named = read.iter().filter(|_| !row.is_beside);
            for &column_idx in named.chain(row.repeats(layout)) {
                let cell = self.table.cell(row.table_row_idx, column_idx);
                let is_formula = self
                    .table
                    .formulas
                    .contains(&(row.imported.number, column_idx));
                let text = match (is_formula, cell.unusual()) {
                    (true, _) => format!("the cell holds a formula; {}", taken(cell)),
                    (false, Some(kind)) => format!("the cell holds {kind}; {}", taken(cell)),
                    (false, None) => continue,
                };
                findings.push(self.finding(FindingKind::NotText, row_idx, column_idx, text));
            }
        }
        findings
    }

    /// Prompts and concepts in which a character stands that nobody sees.
    fn invisible(&self) -> Vec<Finding> {
        let layout = self.layout;
        let mut findings = Vec::new();
        for (row_idx, row) in self.rows.iter().enumerate() {
            let columns = match (row.is_beside, layout.control) {
                (true, control) => vec![(control.column_idx(), "prompt")],
                (false, _) => vec![(layout.prompt, "prompt"), (layout.concept, "concept")],
            };
            for (column_idx, what) in columns {
                let text = self.table.cell(row.table_row_idx, column_idx).text();
                if let Some(named) = text.and_then(|text| invisible_words(&text)) {
                    let text = format!("the {what} holds {named}");
                    let kind = FindingKind::Invisible;
                    findings.push(self.finding(kind, row_idx, column_idx, text));
                }
            }
        }
        findings
    }

    fn generations(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (row_idx, row) in self.rows.iter().enumerate() {
            let generations = row
                .imported
                .generations
                .iter()
                .zip(row.repeats(self.layout));
            for (generation, &column_idx) in generations {
                let (kind, text) = match generation {
                    None => (
                        FindingKind::MissingGeneration,
                        "there is no generation; this repeat has no verdict",
                    ),
                    Some(text) if text.trim().is_empty() => {
                        (FindingKind::EmptyGeneration, "the generation is empty")
                    }
                    Some(_) => continue,
                };
                findings.push(self.finding(kind, row_idx, column_idx, text));
            }
        }
        findings
    }

    /// Controls that hold the concept or are test prompts themselves.
    fn controls(&self) -> Vec<Finding> {
        let tests = self.pairs.iter().map(|pair| pair.test_row_idx);
        let prompts: HashSet<String> = tests.clone().map(|idx| seen(self.prompt(idx))).collect();
        let tests: HashSet<usize> = tests.collect();
        let column_idx = self.layout.control.column_idx();
        let mut findings = Vec::new();
        for pair in self.pairs {
            let (row_idx, concept) = (pair.test_row_idx, &pair.concept);
            let control = &self.rows[pair.control_row_idx].imported;
            let number = control.number;
            if holds_word(&control.prompt, concept) {
                let text =
                    format!("the control prompt in row {number} holds the concept `{concept}`");
                let kind = FindingKind::ControlHoldsConcept;
                findings.push(self.finding(kind, row_idx, column_idx, text));
            }
            let is_beside = self.rows[pair.control_row_idx].is_beside;
            let is_test = is_beside && prompts.contains(&seen(&control.prompt));
            if is_test || tests.contains(&pair.control_row_idx) {
                let text = format!("the control prompt in row {number} is itself a test prompt");
                let kind = FindingKind::ControlIsTest;
                findings.push(self.finding(kind, row_idx, column_idx, text));
            }
        }
        findings
    }

    /// Test prompts that do not hold their concept.
    fn concepts(&self) -> Vec<Finding> {
        let mut unused: HashMap<usize, Vec<&ImportedPair>> = HashMap::new();
        for pair in self.pairs {
            if !holds(self.prompt(pair.test_row_idx), &pair.concept) {
                unused.entry(pair.control_row_idx).or_default().push(pair);
            }
        }
        let groups = unused.values();
        let findings = groups.flat_map(|group| {
            let findings = group.iter().map(|pair| self.unused_concept(pair, group));
            findings.collect::<Vec<_>>()
        });
        findings.collect()
    }

    fn unused_concept(&self, pair: &ImportedPair, others: &[&ImportedPair]) -> Finding {
        let (row_idx, concept) = (pair.test_row_idx, &pair.concept);
        let is_swapped = |other: &&&ImportedPair| {
            holds(self.prompt(row_idx), &other.concept)
                && holds(self.prompt(other.test_row_idx), concept)
        };
        let others = if others.len() > N_SWAPPABLE_MAX {
            &[]
        } else {
            others
        };
        let (kind, text) = match others.iter().find(is_swapped) {
            Some(other) => {
                let number = self.rows[other.test_row_idx].imported.number;
                let found = &other.concept;
                let text = format!(
                    "the concepts seem swapped: the prompt holds `{found}`, the one in row {number} holds `{concept}`"
                );
                (FindingKind::SwappedConcepts, text)
            }
            None => {
                let text = format!("the test prompt does not hold its concept `{concept}`");
                (FindingKind::UnusedConcept, text)
            }
        };
        self.finding(kind, row_idx, self.layout.concept, text)
    }

    /// Test prompts that come twice, with another concept or another control.
    fn doubled_prompts(&self) -> Vec<Finding> {
        let mut first: HashMap<String, usize> = HashMap::new();
        let mut findings = Vec::new();
        for pair in self.pairs {
            let row_idx = pair.test_row_idx;
            let first_idx = *first.entry(seen(self.prompt(row_idx))).or_insert(row_idx);
            if first_idx != row_idx {
                let number = self.rows[first_idx].imported.number;
                let text = format!("the test prompt stands in row {number} already");
                let kind = FindingKind::DoubledPrompt;
                findings.push(self.finding(kind, row_idx, self.layout.prompt, text));
            }
        }
        findings
    }
}

/// Members of the mapping's families that are the concept of no pair; they are shown where the column of concepts begins.
pub(super) fn absent_members(
    table: &Table,
    layout: &Layout,
    mapping: &Mapping,
    pairs: &[ImportedPair],
) -> Vec<Finding> {
    let concepts = pairs.iter().map(|pair| pair.concept.trim());
    let known: HashSet<String> = concepts.clone().map(folded).collect();
    let members = mapping.family_members();
    let absent = members.filter(|member| !known.contains(&folded(member)));
    let finding = |member: &str| {
        let meant = did_you_mean(member, concepts.clone());
        let meant = meant.map(|meant| format!("; did you mean `{meant}`?"));
        let meant = meant.unwrap_or_default();
        let text = format!("`{member}` of `concept_families` is the concept of no pair{meant}");
        Finding::new(
            FindingKind::AbsentMember,
            table.place(0, layout.concept),
            text,
        )
    };
    absent.map(finding).collect()
}

/// The use made of a cell that is no text.
fn taken(cell: &Cell) -> String {
    match cell.text() {
        Some(text) => format!("`{text}` is taken"),
        None => "it counts as empty".to_owned(),
    }
}

/// True if `text` holds `concept`, in any letter case and without the white space around it.
fn holds(text: &str, concept: &str) -> bool {
    folded(text).contains(&folded(concept.trim()))
}
