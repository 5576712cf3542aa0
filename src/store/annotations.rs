//! Annotations: the tables `annotation_samples`, `annotation_items` and `annotations`.
//!
//! Owns the key of a sample, which text of an item is whose, and the choices of people. A choice that is changed is another
//! row, of which the last counts.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::error::Failure;
use super::leaks::leak;
use super::values::{digest, integer, unsigned};
use super::{AnnotationItemId, ConditionId, ExperimentId, PromptId, Store, StoreError};
use crate::digest::Digest;
use crate::leakage::{Choice, Leak};

/// A sample of verdicts to store, for people to judge what they are about.
#[derive(Debug, Clone, Copy)]
pub struct NewAnnotationSample<'a> {
    /// SHA-256 of all items with their texts: its identity.
    pub sha256: Digest,
    /// The experiment.
    pub experiment: ExperimentId,
    /// The seed of the draws.
    pub seed: u64,
    /// Its items, in the order of the file.
    pub items: &'a [NewAnnotationItem],
    /// The command line.
    pub command_line: &'a str,
    /// The program's version.
    pub seep_version: &'a str,
    /// The commit it was built from.
    pub seep_commit: &'a str,
    /// True if its sources had changes that were not committed.
    pub seep_is_dirty: bool,
}

/// An item of a sample to store: a verdict with its name in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAnnotationItem {
    /// Its name, which says nothing about it.
    pub name: String,
    /// The condition of the verdict.
    pub condition: ConditionId,
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The repeat, from 0.
    pub repeat_idx: u32,
    /// True if the test generation is text A.
    pub is_test_a: bool,
}

/// A sample, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnnotationSample {
    /// SHA-256 of all items with their texts.
    pub sha256: Digest,
    /// The experiment.
    pub experiment: ExperimentId,
    /// The seed of the draws.
    pub seed: u64,
    /// Number of items.
    pub n_items: usize,
}

/// An item, read back with what people see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnnotationItem {
    /// Its row.
    pub id: AnnotationItemId,
    /// Its name.
    pub name: String,
    /// The concept.
    pub concept: String,
    /// Text A, as it was generated.
    pub text_a: String,
    /// Text B.
    pub text_b: String,
}

/// The choice that counts of one annotator about one item, with the verdict of the metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnnotation {
    /// The item.
    pub item: AnnotationItemId,
    /// The annotator.
    pub annotator: String,
    /// The choice.
    pub choice: Choice,
    /// True if the test generation is text A.
    pub is_test_a: bool,
    /// The condition of the verdict.
    pub condition: ConditionId,
    /// The messages in which the control prompt was sent.
    pub control_prompt_id: PromptId,
    /// The verdict under the condition; None where there is none any more on these generations.
    pub leak: Option<Leak>,
}

/// The changes that choices made when they were saved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedAnnotations {
    /// Items about which the annotator had said nothing.
    pub n_new: usize,
    /// Items about which the annotator had said the same.
    pub n_unchanged: usize,
    /// Items about which the annotator had said something else, and what.
    pub changed: Vec<(AnnotationItemId, Choice)>,
}

impl Store {
    /// Stores a sample with its items, all or none; false where it was stored before.
    ///
    /// # Errors
    /// `Value` for an item about which there is no verdict.
    pub fn insert_annotation_sample(
        &mut self,
        new: &NewAnnotationSample<'_>,
    ) -> Result<bool, StoreError> {
        self.write("store the sample", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO annotation_samples
                     (sha256, experiment_id, seed, command_line, seep_version, seep_commit, seep_is_dirty)
                 VALUES
                     (:sha256, :experiment, :seed, :command_line, :seep_version, :seep_commit, :seep_is_dirty)
                 ON CONFLICT (sha256) DO NOTHING",
            )?;
            let n_rows = insert.execute(named_params! {
                ":sha256": new.sha256.to_string(),
                ":experiment": new.experiment,
                ":seed": new.seed.cast_signed(),
                ":command_line": new.command_line,
                ":seep_version": new.seep_version,
                ":seep_commit": new.seep_commit,
                ":seep_is_dirty": new.seep_is_dirty,
            })?;
            if n_rows == 1 {
                let sample = transaction.last_insert_rowid();
                let mut items = new.items.iter();
                items.try_for_each(|item| insert_item(transaction, sample, item))?;
            }
            Ok(n_rows == 1)
        })
    }

    /// All samples, in the order in which they were drawn.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn annotation_samples(&self) -> Result<Vec<StoredAnnotationSample>, StoreError> {
        self.read("read samples", |view| {
            let mut select = view.prepare_cached(
                "SELECT sha256, experiment_id, seed,
                     (SELECT count(*) FROM annotation_items WHERE sample_id = annotation_samples.id) AS n_items
                 FROM annotation_samples ORDER BY id",
            )?;
            let mut rows = select.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(StoredAnnotationSample {
                    sha256: digest(&row.get::<_, String>("sha256")?)?,
                    experiment: row.get("experiment_id")?,
                    seed: row.get::<_, i64>("seed")?.cast_unsigned(),
                    n_items: unsigned(row.get("n_items")?)?,
                });
            }
            Ok(found)
        })
    }

    /// All items of all samples.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn annotation_items(&self) -> Result<Vec<StoredAnnotationItem>, StoreError> {
        self.read("read items", |view| {
            let mut select = view.prepare_cached(
                "SELECT items.id, items.name, concept,
                     iif(test_side = 'A', test.text, control.text) AS text_a,
                     iif(test_side = 'A', control.text, test.text) AS text_b
                 FROM annotation_items AS items
                     JOIN conditions ON conditions.id = condition_id
                     JOIN experiment_pairs USING (experiment_id, pair_idx)
                     JOIN generations AS test ON test.id = test_generation_id
                     JOIN generations AS control ON control.id = control_generation_id
                 ORDER BY items.id",
            )?;
            let rows = select.query_map([], |row| {
                Ok(StoredAnnotationItem {
                    id: row.get("id")?,
                    name: row.get("name")?,
                    concept: row.get("concept")?,
                    text_a: row.get("text_a")?,
                    text_b: row.get("text_b")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Stores the choices of an annotator, read from the file at `path`, all or none; nothing where one is as it was.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn save_annotations(
        &mut self,
        annotator: &str,
        path: &str,
        choices: &[(AnnotationItemId, Choice)],
    ) -> Result<SavedAnnotations, StoreError> {
        self.write("store annotations", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO annotations (item_id, annotator, choice, path) VALUES (?1, ?2, ?3, ?4)",
            )?;
            let mut saved = SavedAnnotations::default();
            for (item, choice) in choices {
                match last_choice(transaction, *item, annotator)? {
                    Some(old) if old == *choice => {
                        saved.n_unchanged += 1;
                        continue;
                    }
                    Some(old) => saved.changed.push((*item, old)),
                    None => saved.n_new += 1,
                }
                insert.execute(params![item, annotator, choice.as_str(), path])?;
            }
            Ok(saved)
        })
    }

    /// The choices that count, by annotator and item.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn annotations(&self) -> Result<Vec<StoredAnnotation>, StoreError> {
        self.read("read annotations", |view| {
            let mut select = view.prepare_cached(
                "SELECT item_id, annotator, choice, test_side, items.condition_id, control_prompt_id, leak
                 FROM annotations
                     JOIN annotation_items AS items ON items.id = item_id
                     JOIN conditions ON conditions.id = items.condition_id
                     JOIN experiment_pairs USING (experiment_id, pair_idx)
                     LEFT JOIN leaks
                         ON leaks.condition_id = items.condition_id AND leaks.pair_idx = items.pair_idx
                         AND leaks.repeat_idx = items.repeat_idx
                         AND leaks.test_generation_id = items.test_generation_id
                         AND leaks.control_generation_id = items.control_generation_id
                 WHERE annotations.id IN (SELECT max(id) FROM annotations GROUP BY item_id, annotator)
                 ORDER BY annotator, item_id",
            )?;
            let mut rows = select.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(stored_annotation(row)?);
            }
            Ok(found)
        })
    }
}

fn insert_item(
    connection: &Connection,
    sample: i64,
    item: &NewAnnotationItem,
) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO annotation_items
             (sample_id, name, condition_id, pair_idx, repeat_idx, test_generation_id, control_generation_id, test_side)
         SELECT :sample, :name, condition_id, pair_idx, repeat_idx, test_generation_id, control_generation_id, :test_side
         FROM leaks WHERE condition_id = :condition AND pair_idx = :pair_idx AND repeat_idx = :repeat_idx",
    )?;
    let n_rows = insert.execute(named_params! {
        ":sample": sample,
        ":name": item.name,
        ":condition": item.condition,
        ":pair_idx": integer(item.pair_idx)?,
        ":repeat_idx": item.repeat_idx,
        ":test_side": if item.is_test_a { "A" } else { "B" },
    })?;
    let (pair_idx, repeat_idx) = (item.pair_idx, item.repeat_idx);
    let failure = || {
        Failure::Value(format!(
            "there is no verdict on repeat {repeat_idx} of pair {pair_idx}"
        ))
    };
    (n_rows == 1).then_some(()).ok_or_else(failure)
}

fn last_choice(
    connection: &Connection,
    item: AnnotationItemId,
    annotator: &str,
) -> Result<Option<Choice>, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT choice FROM annotations WHERE item_id = ?1 AND annotator = ?2 ORDER BY id DESC LIMIT 1",
    )?;
    let word: Option<String> = select
        .query_row(params![item, annotator], |row| row.get(0))
        .optional()?;
    word.map(|word| choice(&word)).transpose()
}

fn stored_annotation(row: &Row<'_>) -> Result<StoredAnnotation, Failure> {
    Ok(StoredAnnotation {
        item: row.get("item_id")?,
        annotator: row.get("annotator")?,
        choice: choice(&row.get::<_, String>("choice")?)?,
        is_test_a: row.get::<_, String>("test_side")? == "A",
        condition: row.get("condition_id")?,
        control_prompt_id: row.get("control_prompt_id")?,
        leak: row.get::<_, Option<f64>>("leak")?.map(leak).transpose()?,
    })
}

fn choice(word: &str) -> Result<Choice, Failure> {
    Choice::from_word(word).ok_or_else(|| Failure::Value(format!("`{word}` is no choice")))
}
