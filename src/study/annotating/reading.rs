//! A filled sheet: read, compared with the key, and stored.
//!
//! Owns every fault of a sheet. A sheet with a fault is refused as a whole, so that nobody wonders what was stored of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

use super::shown;
use crate::import::{FilledCell, read_filled};
use crate::leakage::Choice;
use crate::store::{AnnotationItemId, StoredAnnotationItem};
use crate::study::session::Session;
use crate::visible::visible;

/// The columns of a sheet.
const COLUMNS: [&str; 5] = ["item", "concept", "text_a", "text_b", "answer"];
/// Faults that are shown one by one.
const N_SHOWN_MAX: usize = 20;
/// Characters of a cell that are shown in a message.
const N_CHARS_MAX: usize = 60;

/// A filled sheet to read.
#[derive(Debug, Clone)]
pub struct ReadingAnnotations {
    /// The file.
    pub file: PathBuf,
    /// The name of the annotator.
    pub annotator: String,
}

/// A filled sheet that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnotationsRead {
    /// The annotator.
    pub annotator: String,
    /// Items in the file.
    pub n_items: usize,
    /// Items without an answer, which were left out.
    pub n_empty: usize,
    /// Answers about items of which the annotator had said nothing.
    pub n_new: usize,
    /// Answers that were stored before.
    pub n_unchanged: usize,
    /// Answers that take the place of others.
    pub changed: Vec<ChangedChoice>,
}

/// An answer that takes the place of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedChoice {
    /// The item.
    pub item: String,
    /// Row and column of the answer.
    pub place: String,
    /// The answer before.
    pub old: Choice,
    /// The answer now.
    pub new: Choice,
}

/// A fault of one cell, and the step that mends it.
struct Fault {
    text: String,
    hint: &'static str,
}

/// An answer with its cell.
struct Answer<'f> {
    item: &'f StoredAnnotationItem,
    choice: Choice,
    cell: &'f FilledCell,
}

impl Session {
    /// Reads the answers of an annotator; those that were read before are not stored again.
    ///
    /// # Errors
    /// For a file that cannot be read, or in which an item is unknown or doubled, its concept or a text changed, or an
    /// answer none; then nothing is stored.
    pub fn read_annotations(
        &self,
        db: &Path,
        reading: &ReadingAnnotations,
    ) -> anyhow::Result<AnnotationsRead> {
        let annotator = reading.annotator.trim();
        ensure!(
            !annotator.is_empty(),
            "the name of the annotator is empty\nhint: give one with `--annotator`"
        );
        let is_name = annotator != "all" && !annotator.contains(char::is_control);
        ensure!(
            is_name,
            "no annotator can be called `{}`\nhint: `all` stands for everybody together; a name has one line",
            visible(annotator),
        );
        let path = &reading.file;
        let rows = read_filled(path, COLUMNS)?;
        let mut store = self.existing_store(db)?;
        let items = store.annotation_items()?;
        let answers = check(path, &rows, &items)?;
        let choices: Vec<(AnnotationItemId, Choice)> =
            answers.iter().map(|it| (it.item.id, it.choice)).collect();
        let saved = store.save_annotations(annotator, &path.to_string_lossy(), &choices)?;
        let of_item = |id| answers.iter().find(|it| it.item.id == id);
        let changed = saved.changed.iter().filter_map(|(id, old)| {
            let answer = of_item(*id)?;
            Some(ChangedChoice {
                item: answer.item.name.clone(),
                place: answer.cell.place.to_string(),
                old: *old,
                new: answer.choice,
            })
        });
        Ok(AnnotationsRead {
            annotator: annotator.to_owned(),
            n_items: rows.len(),
            n_empty: rows.len() - answers.len(),
            n_new: saved.n_new,
            n_unchanged: saved.n_unchanged,
            changed: changed.collect(),
        })
    }
}

/// The answers of a sheet without fault.
fn check<'f>(
    path: &Path,
    rows: &'f [[FilledCell; 5]],
    items: &'f [StoredAnnotationItem],
) -> anyhow::Result<Vec<Answer<'f>>> {
    let by_name: BTreeMap<&str, _> = items.iter().map(|it| (it.name.as_str(), it)).collect();
    let mut seen = BTreeSet::new();
    let (mut answers, mut faults) = (Vec::new(), Vec::new());
    for row in rows {
        let [name, .., answer] = row;
        let Some(item) = by_name.get(name.text.trim()) else {
            faults.push(unknown(name, items.is_empty()));
            continue;
        };
        if !seen.insert(&item.name) {
            faults.push(Fault::of(
                name,
                "the item stands here twice; expected once",
                DOUBLED,
            ));
        }
        faults.extend(changed(row, item));
        match Choice::from_word(&answer.text) {
            Some(choice) => answers.push(Answer {
                item,
                choice,
                cell: answer,
            }),
            None if answer.text.trim().is_empty() => {}
            None => faults.push(Fault::of(answer, "expected `A`, `B` or `same`", NO_ANSWER)),
        }
    }
    if faults.is_empty() {
        return Ok(answers);
    }
    bail!("{}", faults_text(path, &faults))
}

const DOUBLED: &str = "keep one row of each item";
const NO_ANSWER: &str = "an answer is one of these words, or nothing";
const CHANGED: &str = "change only the column `answer`; where a spreadsheet turned a text of a .csv into a number, a date or \
                       other letters, draw the same sample as .xlsx";
const UNKNOWN: &str = "name the database that the sample was drawn from with `--db`";

fn unknown(name: &FilledCell, has_no_sample: bool) -> Fault {
    let expected = match has_no_sample {
        true => "the database holds no sample",
        false => "expected an item of a sample in this database",
    };
    Fault::of(name, expected, UNKNOWN)
}

/// The cells of a row that are not as they were written.
fn changed(row: &[FilledCell; 5], item: &StoredAnnotationItem) -> Vec<Fault> {
    let [_, concept, text_a, text_b, _] = row;
    let written = [
        (concept, &item.concept),
        (text_a, &item.text_a),
        (text_b, &item.text_b),
    ];
    let is_changed = |(cell, text): &(&FilledCell, &String)| bare(&cell.text) != bare(&shown(text));
    let changed = written.into_iter().filter(is_changed);
    changed
        .map(|(cell, text)| {
            let expected = format!("expected `{}`", excerpt(&shown(text)));
            Fault::of(cell, &expected, CHANGED)
        })
        .collect()
}

/// A text without what files and spreadsheets add to it: other ends of lines, white space around it, the apostrophe before
/// a formula.
fn bare(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    text.strip_prefix('\'').unwrap_or(text).trim().to_owned()
}

/// The beginning of a text on one line.
fn excerpt(text: &str) -> String {
    let text = text.trim().replace('\n', "\\n");
    match text.char_indices().nth(N_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

impl Fault {
    fn of(cell: &FilledCell, expected: &str, hint: &'static str) -> Self {
        let (place, found) = (&cell.place, excerpt(&shown(&cell.text)));
        Self {
            text: format!("{place}: found `{found}`; {expected}"),
            hint,
        }
    }
}

fn faults_text(path: &Path, faults: &[Fault]) -> String {
    let noun = if faults.len() == 1 { "cell" } else { "cells" };
    let path = path.display();
    let mut text = format!(
        "{} {noun} of `{path}` cannot be read; nothing was stored",
        faults.len()
    );
    for fault in faults.iter().take(N_SHOWN_MAX) {
        text += &format!("\n  {}", fault.text);
    }
    if let Some(n_more @ 1..) = faults.len().checked_sub(N_SHOWN_MAX) {
        text += &format!("\n  {n_more} more");
    }
    let mut hints: Vec<&str> = Vec::new();
    for fault in faults {
        if !hints.contains(&fault.hint) {
            hints.push(fault.hint);
        }
    }
    hints
        .iter()
        .for_each(|hint| text += &format!("\nhint: {hint}"));
    text
}
