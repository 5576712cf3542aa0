//! Wordings of an experiment, and its prompts as each of them sends them: the tables `wordings` and `wording_prompts`.
//!
//! Owns which messages stand for a prompt under a wording. An experiment with one wording without a name has no row here:
//! its messages are those of its pairs.

use rusqlite::{Connection, params};

use super::error::Failure;
use super::values::integer;
use super::{ExperimentId, PromptId, Store, StoreError, WordingId};

/// A wording to register.
#[derive(Debug, Clone, Copy)]
pub struct NewWording<'a> {
    /// Its place in the experiment, from 0.
    pub wording_idx: usize,
    /// Its name, not empty.
    pub name: &'a str,
    /// The system message; None where none is sent.
    pub system_message: Option<&'a str>,
    /// The user message, with `{prompt}` where a prompt is put in.
    pub user_message: &'a str,
}

/// The messages of the test prompt of an experiment's first pair, under one wording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordingMessages {
    /// The wording's name; empty where it has none.
    pub wording: String,
    /// The system message; None where none is sent, and where prompts were imported.
    pub system_message: Option<String>,
    /// The user message.
    pub user_message: String,
}

impl Store {
    /// The row of a wording, made if it is missing, with those of its prompts that are missing: `prompts` are the messages
    /// of the first wording and those of this one.
    ///
    /// # Errors
    /// `Value` when the wording or a prompt was stored with other messages.
    pub fn register_wording(
        &mut self,
        experiment: ExperimentId,
        new: &NewWording<'_>,
        prompts: &[(PromptId, PromptId)],
    ) -> Result<WordingId, StoreError> {
        self.write("store the wording", |transaction| {
            let wording = register(transaction, experiment, new)?;
            for (prompt, sent) in prompts {
                register_prompt(transaction, wording, *prompt, *sent)?;
            }
            Ok(wording)
        })
    }

    /// The messages of the first test prompt, under each wording in the order of the experiment; none without a pair.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn first_messages(
        &self,
        experiment: ExperimentId,
    ) -> Result<Vec<WordingMessages>, StoreError> {
        self.read("read messages", |view| {
            let mut select = view.prepare_cached(
                "SELECT ifnull(name, ''), prompts.system_message, prompts.user_message
                 FROM (
                     SELECT test_prompt_id FROM experiment_pairs WHERE experiment_id = ?1 ORDER BY pair_idx LIMIT 1
                 ) AS first
                     LEFT JOIN wordings ON experiment_id = ?1
                     LEFT JOIN wording_prompts ON wording_id = wordings.id AND prompt_id = test_prompt_id
                     JOIN prompts ON prompts.id = iif(wordings.id IS NULL, test_prompt_id, sent_prompt_id)
                 ORDER BY wording_idx",
            )?;
            let rows = select.query_map([experiment], |row| {
                Ok(WordingMessages {
                    wording: row.get(0)?,
                    system_message: row.get(1)?,
                    user_message: row.get(2)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn register(
    connection: &Connection,
    experiment: ExperimentId,
    new: &NewWording<'_>,
) -> Result<WordingId, Failure> {
    let values = params![
        experiment,
        integer(new.wording_idx)?,
        new.name,
        new.system_message,
        new.user_message
    ];
    connection
        .prepare_cached(
            "INSERT INTO wordings (experiment_id, wording_idx, name, system_message, user_message)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(values)?;
    let mut select = connection.prepare_cached(
        "SELECT id FROM wordings
         WHERE experiment_id = ?1 AND wording_idx = ?2 AND name = ?3 AND system_message IS ?4 AND user_message = ?5",
    )?;
    let mut rows = select.query(values)?;
    match rows.next()? {
        Some(row) => Ok(row.get(0)?),
        None => Err(other_messages(new.name)),
    }
}

fn register_prompt(
    connection: &Connection,
    wording: WordingId,
    prompt: PromptId,
    sent: PromptId,
) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO wording_prompts (wording_id, prompt_id, sent_prompt_id) VALUES (?1, ?2, ?3)
         ON CONFLICT (wording_id, prompt_id) DO UPDATE SET prompt_id = prompt_id
         WHERE sent_prompt_id = excluded.sent_prompt_id",
    )?;
    // The update changes nothing; it counts a row only where the stored messages are the same.
    let n_rows = insert.execute(params![wording, prompt, sent])?;
    let failure = || other_messages(&wording.to_string());
    (n_rows == 1).then_some(()).ok_or_else(failure)
}

fn other_messages(name: &str) -> Failure {
    Failure::Value(format!(
        "the wording {name} was stored with other messages by another version of seep"
    ))
}
