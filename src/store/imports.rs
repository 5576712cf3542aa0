//! Generations made elsewhere: the tables `imports` and `imported_pairs`, and their rows in the tables of runs.
//!
//! Owns the identity of what has no YAML file, no model file and no request: an experiment is its name, a model its
//! label, a generation its cell and what was read there. One import is one transaction, and importing the same again changes nothing.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, named_params, params};

use super::error::Failure;
use super::models::name_model;
use super::prompts::register_imported_prompt;
use super::values::integer;
use super::{ExperimentId, GenerationId, ModelId, PromptId, Store, StoreError};
use crate::digest::Digest;

/// The seed of verdicts on imported generations, whose own is not known.
pub const IMPORTED_SEED: u64 = 0;

/// A file with generations to store.
#[derive(Debug, Clone, Copy)]
pub struct NewImport<'a> {
    /// The experiment's name.
    pub experiment: &'a str,
    /// The model's name.
    pub model: &'a str,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// The sheet of a workbook; None for the first, and for a file without sheets.
    pub later_sheet: Option<&'a str>,
    /// Where the file lies.
    pub path: &'a str,
    /// The YAML file that says which column is what, word for word.
    pub mapping: &'a str,
    /// The columns with generations, one for each repeat.
    pub columns: &'a [String],
    /// The rows that have a prompt.
    pub rows: &'a [NewImportedRow<'a>],
    /// The prompt pairs.
    pub pairs: &'a [NewImportedPair<'a>],
    /// Findings of the lint.
    pub n_findings: usize,
    /// The command line.
    pub command_line: &'a str,
    /// The program's version.
    pub seep_version: &'a str,
    /// The commit it was built from.
    pub seep_commit: &'a str,
    /// True if its sources had changes that were not committed.
    pub seep_is_dirty: bool,
}

/// A prompt with its generations.
#[derive(Debug, Clone)]
pub struct NewImportedRow<'a> {
    /// The number of the row, or the line, from 1.
    pub number: usize,
    /// The prompt.
    pub prompt: &'a str,
    /// The columns of its generations.
    pub columns: &'a [String],
    /// One for each repeat; None where there is none.
    pub generations: Vec<Option<&'a str>>,
}

/// A test prompt and its control prompt, by their places in the rows.
#[derive(Debug, Clone, Copy)]
pub struct NewImportedPair<'a> {
    /// The concept.
    pub concept: &'a str,
    /// The family of near-synonyms that the concept is in; None where it has none but itself.
    pub concept_family: Option<&'a str>,
    /// The category.
    pub category: &'a str,
    /// The template it was made from; None where there is none.
    pub template_id: Option<&'a str>,
    /// The test prompt's row.
    pub test_row_idx: usize,
    /// The control prompt's row.
    pub control_row_idx: usize,
}

/// The additions of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// The experiment.
    pub experiment: ExperimentId,
    /// Pairs that no other import had brought.
    pub n_new_pairs: usize,
    /// Generations that were not there.
    pub n_new_generations: usize,
    /// True if the same file was imported in the same way before.
    pub is_known: bool,
}

impl Store {
    /// Stores an import with its experiment, model, prompts, pairs and generations, all or none.
    ///
    /// # Errors
    /// `Value` when the model has other generations for the same repeat of the same pair.
    pub fn insert_import(&mut self, new: &NewImport<'_>) -> Result<Imported, StoreError> {
        self.write("store the import", |transaction| {
            let experiment = register_experiment(transaction, new.experiment)?;
            let model = register_model(transaction, new.model)?;
            name_model(transaction, experiment, model, new.model, "imported")?;
            let (import, is_known) = register_import(transaction, experiment, model, new)?;
            let prompts = new
                .rows
                .iter()
                .map(|row| register_imported_prompt(transaction, row.prompt))
                .collect::<Result<Vec<_>, _>>()?;
            let (pair_idxs, n_new_pairs) = register_pairs(transaction, experiment, new, &prompts)?;
            let mut n_new_generations = 0;
            let mut generations = Vec::with_capacity(new.rows.len());
            for (row, prompt) in new.rows.iter().zip(&prompts) {
                let place = Place {
                    new,
                    import,
                    model,
                    prompt: *prompt,
                };
                let (ids, n_new) = insert_row(transaction, &place, row)?;
                generations.push(ids);
                n_new_generations += n_new;
            }
            for (pair, pair_idx) in new.pairs.iter().zip(pair_idxs) {
                let sides = [pair.test_row_idx, pair.control_row_idx];
                let [test, control] = sides.map(|row_idx| &generations[row_idx]);
                let place = PairPlace {
                    experiment,
                    model,
                    pair_idx,
                };
                link(transaction, new, place, pair, test, control)?;
            }
            Ok(Imported {
                experiment,
                n_new_pairs,
                n_new_generations,
                is_known,
            })
        })
    }
}

/// The row of the experiment of this name that has no file.
fn register_experiment(connection: &Connection, name: &str) -> Result<ExperimentId, Failure> {
    let sha256 = Digest::of(format!("seep imported experiment 1|{name}").as_bytes()).to_string();
    connection
        .prepare_cached(
            "INSERT INTO experiments (sha256, name, question) VALUES (?1, ?2, '') ON CONFLICT (sha256) DO NOTHING",
        )?
        .execute(params![sha256, name])?;
    let mut select = connection.prepare_cached("SELECT id FROM experiments WHERE sha256 = ?1")?;
    Ok(select.query_row([sha256], |row| row.get(0))?)
}

fn register_model(connection: &Connection, label: &str) -> Result<ModelId, Failure> {
    let sha256 = Digest::of(format!("seep imported model 1|{label}").as_bytes()).to_string();
    connection
        .prepare_cached(
            "INSERT INTO models (sha256, kind, label, quantization) VALUES (?1, 'imported', ?2, 'imported')
             ON CONFLICT (sha256) DO NOTHING",
        )?
        .execute(params![sha256, label])?;
    let mut select = connection.prepare_cached("SELECT id FROM models WHERE sha256 = ?1")?;
    Ok(select.query_row([sha256], |row| row.get(0))?)
}

/// The row of the import, and whether it was there.
fn register_import(
    connection: &Connection,
    experiment: ExperimentId,
    model: ModelId,
    new: &NewImport<'_>,
) -> Result<(i64, bool), Failure> {
    let columns = serde_json::Value::from(new.columns).to_string();
    let sha256 = new.sha256.to_string();
    let mut insert = connection.prepare_cached(
        "INSERT INTO imports
             (experiment_id, model_id, sha256, path, mapping, columns, n_rows, n_pairs, n_findings, command_line,
              seep_version, seep_commit, seep_is_dirty)
         VALUES
             (:experiment, :model, :sha256, :path, :mapping, :columns, :n_rows, :n_pairs, :n_findings, :command_line,
              :seep_version, :seep_commit, :seep_is_dirty)
         ON CONFLICT DO NOTHING",
    )?;
    let n_inserted = insert.execute(named_params! {
        ":experiment": experiment,
        ":model": model,
        ":sha256": sha256,
        ":path": new.path,
        ":mapping": new.mapping,
        ":columns": columns,
        ":n_rows": integer(new.rows.len())?,
        ":n_pairs": integer(new.pairs.len())?,
        ":n_findings": integer(new.n_findings)?,
        ":command_line": new.command_line,
        ":seep_version": new.seep_version,
        ":seep_commit": new.seep_commit,
        ":seep_is_dirty": new.seep_is_dirty,
    })?;
    let mut select = connection.prepare_cached(
        "SELECT id FROM imports
         WHERE experiment_id = ?1 AND model_id = ?2 AND sha256 = ?3 AND mapping = ?4 AND columns = ?5",
    )?;
    let key = params![experiment, model, sha256, new.mapping, columns];
    Ok((select.query_row(key, |row| row.get(0))?, n_inserted == 0))
}

/// The key of a pair within an experiment: concept, category, template, test and control prompt.
type PairKey = (String, String, Option<String>, PromptId, PromptId);

/// The places of the pairs in the experiment, new ones after those that are there, and how many are new.
///
/// The families of those that are there become those of this import.
fn register_pairs(
    connection: &Connection,
    experiment: ExperimentId,
    new: &NewImport<'_>,
    prompts: &[PromptId],
) -> Result<(Vec<i64>, usize), Failure> {
    let mut known = known_pairs(connection, experiment)?;
    let first_new = known.values().max().map_or(0, |last| last + 1);
    let mut next = first_new;
    let mut insert = connection.prepare_cached(
        "INSERT INTO experiment_pairs
             (experiment_id, pair_idx, concept, category, template_id, test_prompt, control_prompt,
              test_prompt_id, control_prompt_id, concept_family)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut update = connection.prepare_cached(
        "UPDATE experiment_pairs SET concept_family = ?3
         WHERE experiment_id = ?1 AND pair_idx = ?2 AND concept_family IS NOT ?3",
    )?;
    // A file that names no families says nothing about those of another file.
    let has_families = new.pairs.iter().any(|pair| pair.concept_family.is_some());
    let mut n_moved = 0;
    let mut pair_idxs = Vec::with_capacity(new.pairs.len());
    for pair in new.pairs {
        let sides = [pair.test_row_idx, pair.control_row_idx];
        let [test_id, control_id] = sides.map(|row_idx| prompts[row_idx]);
        let [test, control] = sides.map(|row_idx| new.rows[row_idx].prompt);
        let key = (
            pair.concept.to_owned(),
            pair.category.to_owned(),
            pair.template_id.map(str::to_owned),
            test_id,
            control_id,
        );
        let pair_idx = *known.entry(key).or_insert(next);
        if pair_idx == next {
            insert.execute(params![
                experiment,
                pair_idx,
                pair.concept,
                pair.category,
                pair.template_id,
                test,
                control,
                test_id,
                control_id,
                pair.concept_family
            ])?;
            next += 1;
        } else if has_families {
            n_moved += update.execute(params![experiment, pair_idx, pair.concept_family])?;
        }
        pair_idxs.push(pair_idx);
    }
    if n_moved > 0 {
        // A cache: with other families every pair has other siblings, by every metric.
        connection.execute(
            "DELETE FROM specificities
             WHERE condition_id IN (SELECT id FROM conditions WHERE experiment_id = ?1)",
            [experiment],
        )?;
    }
    let n_new = usize::try_from(next - first_new).expect("it counts up");
    Ok((pair_idxs, n_new))
}

fn known_pairs(
    connection: &Connection,
    experiment: ExperimentId,
) -> Result<HashMap<PairKey, i64>, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT concept, category, template_id, test_prompt_id, control_prompt_id, pair_idx
         FROM experiment_pairs WHERE experiment_id = ?1",
    )?;
    let rows = select.query_map([experiment], |row| {
        let key = (
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
        );
        Ok((key, row.get(5)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Where the generations of a row belong.
struct Place<'a> {
    new: &'a NewImport<'a>,
    import: i64,
    model: ModelId,
    prompt: PromptId,
}

/// The generations of a row, and how many of them are new.
fn insert_row(
    connection: &Connection,
    place: &Place<'_>,
    row: &NewImportedRow<'_>,
) -> Result<(Vec<Option<GenerationId>>, usize), Failure> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO generations
             (request_id, numerics_id, model_id, prompt_id, repeat_idx, text, import_id, import_row, import_column)
         VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (request_id, numerics_id) DO NOTHING",
    )?;
    let mut select = connection
        .prepare_cached("SELECT id FROM generations WHERE request_id = ?1 AND numerics_id = 0")?;
    let columns = row.columns.iter().zip(&row.generations);
    let number = integer(row.number)?;
    let mut ids = Vec::with_capacity(row.generations.len());
    let mut n_new = 0;
    for (repeat_idx, (column, text)) in (0u32..).zip(columns) {
        let Some(text) = text else {
            ids.push(None);
            continue;
        };
        let cell = cell_identity(place.new, row.number, column, repeat_idx);
        let request_id = request_id(connection, place, row.prompt, text, cell)?;
        n_new += insert.execute(params![
            request_id,
            place.model,
            place.prompt,
            repeat_idx,
            text,
            place.import,
            number,
            column
        ])?;
        ids.push(Some(select.query_row([request_id], |row| row.get(0))?));
    }
    Ok((ids, n_new))
}

/// The identity of a cell of the first sheet.
fn cell_identity(new: &NewImport<'_>, row: usize, column: &str, repeat_idx: u32) -> String {
    let (file, model) = (new.sha256, new.model);
    format!(
        "seep imported generation 1|file={file}|model={model:?}|row={row}|column={column:?}|repeat={repeat_idx}"
    )
}

/// The identity of the generation in a cell.
///
/// It is that of the cell. Where the cell lies on another sheet, or was stored with another prompt or text because
/// another mapping took it for something else, the sheet and what was read are added. A cell of another sheet that this
/// import stored before sheets were told apart stays what it is.
fn request_id(
    connection: &Connection,
    place: &Place<'_>,
    prompt: &str,
    text: &str,
    mut identity: String,
) -> Result<String, Failure> {
    let plain = Digest::of(identity.as_bytes()).to_string();
    let sheet = place.new.later_sheet;
    let mut select = connection.prepare_cached(
        "SELECT prompt_id = ?2 AND text = ?3 AND (?4 OR import_id = ?5) FROM generations WHERE request_id = ?1",
    )?;
    let key = params![plain, place.prompt, text, sheet.is_none(), place.import];
    let is_stored_as_it = select.query_row(key, |row| row.get(0)).optional()?;
    if is_stored_as_it.unwrap_or(sheet.is_none()) {
        return Ok(plain);
    }
    identity += &format!("|sheet={sheet:?}|prompt={prompt:?}|text={text:?}");
    Ok(Digest::of(identity.as_bytes()).to_string())
}

/// Which pair of which model.
#[derive(Clone, Copy)]
struct PairPlace {
    experiment: ExperimentId,
    model: ModelId,
    pair_idx: i64,
}

/// Stores which generations of a pair are compared; a repeat that lacks one of them has no verdict.
fn link(
    connection: &Connection,
    new: &NewImport<'_>,
    place: PairPlace,
    pair: &NewImportedPair<'_>,
    test: &[Option<GenerationId>],
    control: &[Option<GenerationId>],
) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO imported_pairs
             (experiment_id, model_id, pair_idx, repeat_idx, test_generation_id, control_generation_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (experiment_id, model_id, pair_idx, repeat_idx) DO NOTHING",
    )?;
    for (repeat_idx, sides) in (0u32..).zip(test.iter().zip(control)) {
        let (Some(test), Some(control)) = sides else {
            continue;
        };
        let key = params![
            place.experiment,
            place.model,
            place.pair_idx,
            repeat_idx,
            test,
            control
        ];
        let is_new = insert.execute(key)? == 1;
        if !is_new && !has_same_texts(connection, place, repeat_idx, *test, *control)? {
            let (model, prompt) = (new.model, new.rows[pair.test_row_idx].prompt);
            let repeat = repeat_idx + 1;
            return Err(Failure::Value(format!(
                "the model `{model}` has another generation for repeat {repeat} of `{prompt}` and its control already\n\
                 hint: give the model of this file another name with `--model`, or its experiment with `--experiment`"
            )));
        }
    }
    Ok(())
}

/// True if the stored generations of a repeat say the same as these.
fn has_same_texts(
    connection: &Connection,
    place: PairPlace,
    repeat_idx: u32,
    test: GenerationId,
    control: GenerationId,
) -> Result<bool, Failure> {
    let mut select = connection.prepare_cached(
        "SELECT stored_test.text = test.text AND stored_control.text = control.text
         FROM imported_pairs
             JOIN generations AS stored_test ON stored_test.id = test_generation_id
             JOIN generations AS stored_control ON stored_control.id = control_generation_id
             JOIN generations AS test ON test.id = ?5
             JOIN generations AS control ON control.id = ?6
         WHERE experiment_id = ?1 AND imported_pairs.model_id = ?2 AND pair_idx = ?3 AND imported_pairs.repeat_idx = ?4",
    )?;
    let key = params![
        place.experiment,
        place.model,
        place.pair_idx,
        repeat_idx,
        test,
        control
    ];
    let is_same = select.query_row(key, |row| row.get(0)).optional()?;
    Ok(is_same.unwrap_or(false))
}
