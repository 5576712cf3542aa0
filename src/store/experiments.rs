//! Experiments and their prompt pairs: the tables `experiments` and `experiment_pairs`.

use std::collections::BTreeMap;

use rusqlite::{Connection, named_params, params};

use super::error::Failure;
use super::values::{integer, unsigned};
use super::{ExperimentId, PromptId, Store, StoreError};
use crate::digest::Digest;

/// An experiment to register.
#[derive(Debug, Clone, Copy)]
pub struct NewExperiment<'a> {
    /// SHA-256 of its text: its identity.
    pub sha256: Digest,
    /// Its name.
    pub name: &'a str,
    /// The question it asks, in prose.
    pub question: &'a str,
    /// The YAML file, word for word.
    pub yaml: &'a str,
    /// The YAML file it extends, word for word; None where it extends none.
    pub extended_yaml: Option<&'a str>,
    /// SHA-256 of the file from which it takes prompt pairs; None where it takes none.
    pub pairs_sha256: Option<Digest>,
}

/// A prompt pair of an experiment to register.
#[derive(Debug, Clone, Copy)]
pub struct NewPair<'a> {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The concept.
    pub concept: &'a str,
    /// The family of near-synonyms that the concept is in; None where it has none but itself.
    pub concept_family: Option<&'a str>,
    /// The category.
    pub category: &'a str,
    /// The template it was made from; None for a free-standing pair.
    pub template_id: Option<&'a str>,
    /// The test prompt as the experiment has it, without the message around it.
    pub test_prompt: &'a str,
    /// The control prompt as the experiment has it, without the message around it.
    pub control_prompt: &'a str,
    /// The messages in which the test prompt is sent.
    pub test_prompt_id: PromptId,
    /// The messages in which the control prompt is sent.
    pub control_prompt_id: PromptId,
}

impl Store {
    /// The row of the experiment with this SHA-256, made if it is missing.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn register_experiment(
        &mut self,
        new: &NewExperiment<'_>,
    ) -> Result<ExperimentId, StoreError> {
        self.write("store the experiment", |transaction| {
            let sha256 = new.sha256.to_string();
            let pairs_sha256 = new.pairs_sha256.map(|digest| digest.to_string());
            transaction
                .prepare_cached(
                    "INSERT INTO experiments (sha256, name, question, yaml, extended_yaml, pairs_sha256)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (sha256) DO NOTHING",
                )?
                .execute(params![sha256, new.name, new.question, new.yaml, new.extended_yaml, pairs_sha256])?;
            let mut select = transaction.prepare_cached("SELECT id FROM experiments WHERE sha256 = ?1")?;
            Ok(select.query_row([sha256], |row| row.get(0))?)
        })
    }

    /// When an experiment of this name was stored first; None where none was, imports aside.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn first_run_at(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read("read the experiment", |view| {
            let mut select = view.prepare_cached(
                "SELECT min(created_at) FROM experiments WHERE name = ?1 AND yaml IS NOT NULL",
            )?;
            Ok(select.query_row([name], |row| row.get(0))?)
        })
    }

    /// Number of prompt pairs of an experiment that are stored.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn n_pairs(&self, experiment: ExperimentId) -> Result<usize, StoreError> {
        self.read("count the prompt pairs", |view| {
            let sql = "SELECT count(*) FROM experiment_pairs WHERE experiment_id = ?1";
            let mut select = view.prepare_cached(sql)?;
            let n_pairs: i64 = select.query_row([experiment], |row| row.get(0))?;
            unsigned(n_pairs)
        })
    }

    /// The prompt pairs of an experiment that are stored, by their place: concept with its family, category, template and
    /// the messages of both prompts, in one text that is the same for the same pair in every database.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn pair_texts(
        &self,
        experiment: ExperimentId,
    ) -> Result<BTreeMap<usize, String>, StoreError> {
        self.read("read the prompt pairs", |view| {
            let mut select = view.prepare_cached(
                "SELECT pair_idx, json_array(concept, concept_family, category, template_id, test_prompt, control_prompt,
                     test.system_message, test.user_message, control.system_message, control.user_message)
                 FROM experiment_pairs JOIN prompts AS test ON test.id = test_prompt_id
                     JOIN prompts AS control ON control.id = control_prompt_id
                 WHERE experiment_id = ?1",
            )?;
            let mut rows = select.query([experiment])?;
            let mut found = BTreeMap::new();
            while let Some(row) = rows.next()? {
                found.insert(unsigned(row.get(0)?)?, row.get(1)?);
            }
            Ok(found)
        })
    }

    /// Stores those of `pairs` that are missing; a run with a limit has only some of an experiment's. The family of a
    /// stored pair's concept is brought up to date: it says how verdicts are found, not what was generated.
    ///
    /// # Errors
    /// `Value` when a stored pair is another one: leaks refer to pairs by their place, so it must keep its meaning.
    pub fn register_pairs(
        &mut self,
        experiment: ExperimentId,
        pairs: &[NewPair<'_>],
    ) -> Result<(), StoreError> {
        self.write("store the prompt pairs", |transaction| {
            pairs
                .iter()
                .try_for_each(|pair| register_pair(transaction, experiment, pair))
        })
    }
}

fn register_pair(
    connection: &Connection,
    experiment: ExperimentId,
    pair: &NewPair<'_>,
) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO experiment_pairs
             (experiment_id, pair_idx, concept, category, template_id, test_prompt, control_prompt,
              test_prompt_id, control_prompt_id, concept_family)
         VALUES
             (:experiment, :pair_idx, :concept, :category, :template_id, :test_prompt, :control_prompt,
              :test_prompt_id, :control_prompt_id, :concept_family)
         ON CONFLICT (experiment_id, pair_idx) DO UPDATE SET concept_family = excluded.concept_family
         WHERE concept = excluded.concept AND category = excluded.category AND template_id IS excluded.template_id
             AND test_prompt = excluded.test_prompt AND control_prompt = excluded.control_prompt
             AND test_prompt_id = excluded.test_prompt_id AND control_prompt_id = excluded.control_prompt_id",
    )?;
    let n_rows = insert.execute(named_params! {
        ":experiment": experiment,
        ":pair_idx": integer(pair.pair_idx)?,
        ":concept": pair.concept,
        ":category": pair.category,
        ":template_id": pair.template_id,
        ":test_prompt": pair.test_prompt,
        ":control_prompt": pair.control_prompt,
        ":test_prompt_id": pair.test_prompt_id,
        ":control_prompt_id": pair.control_prompt_id,
        ":concept_family": pair.concept_family,
    })?;
    // The update counts a row only where the stored pair is the same.
    let pair_idx = pair.pair_idx;
    let failure = || {
        Failure::Value(format!(
            "pair {pair_idx} was stored with other prompts by another version of seep"
        ))
    };
    (n_rows == 1).then_some(()).ok_or_else(failure)
}
