//! Fillers of an experiment and the generations for them: the table `experiment_fillers`.

use rusqlite::{Connection, named_params};

use super::comparisons::ANSWERS;
use super::error::Failure;
use super::values::{integer, unsigned};
use super::{ExperimentId, PromptId, Source, Store, StoreError};

/// A filler of an experiment: a word that stands in the slot of a template and is no concept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFiller {
    /// The filler's place in the experiment, from 0.
    pub filler_idx: usize,
    /// The word.
    pub filler: String,
    /// The template whose slot it stands in.
    pub template_id: String,
    /// The prompt with the filler as the experiment has it, without the message around it.
    pub prompt: String,
    /// The messages in which it is sent.
    pub prompt_id: PromptId,
    /// The messages in which the template's control prompt is sent.
    pub control_prompt_id: PromptId,
}

/// A generation for a prompt with a filler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillerGeneration {
    /// The word.
    pub filler: String,
    /// The template whose slot it stands in.
    pub template_id: String,
    /// The messages in which the template's control prompt is sent: shared with the pairs of the template.
    pub control_prompt_id: PromptId,
    /// The repeat, from 0.
    pub repeat_idx: u32,
    /// The text.
    pub text: String,
}

impl Store {
    /// Stores those of `fillers` that are missing; a run with a limit has only some of an experiment's.
    ///
    /// # Errors
    /// `Value` when a stored filler is another one.
    pub fn register_fillers(
        &mut self,
        experiment: ExperimentId,
        fillers: &[StoredFiller],
    ) -> Result<(), StoreError> {
        self.write("store the fillers", |transaction| {
            fillers
                .iter()
                .try_for_each(|filler| register_filler(transaction, experiment, filler))
        })
    }

    /// The fillers of an experiment, by their places.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn fillers(&self, experiment: ExperimentId) -> Result<Vec<StoredFiller>, StoreError> {
        self.read("read the fillers", |view| {
            let mut select = view.prepare_cached(
                "SELECT filler_idx, filler, template_id, prompt, prompt_id, control_prompt_id
                 FROM experiment_fillers WHERE experiment_id = ?1 ORDER BY filler_idx",
            )?;
            let mut rows = select.query([experiment])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(StoredFiller {
                    filler_idx: unsigned(row.get("filler_idx")?)?,
                    filler: row.get("filler")?,
                    template_id: row.get("template_id")?,
                    prompt: row.get("prompt")?,
                    prompt_id: row.get("prompt_id")?,
                    control_prompt_id: row.get("control_prompt_id")?,
                });
            }
            Ok(found)
        })
    }

    /// The generations of a condition for its experiment's fillers, by filler and repeat; none of imports.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn filler_generations(&self, source: &Source) -> Result<Vec<FillerGeneration>, StoreError> {
        // The answers of a condition are many and experiments with fillers few.
        if self.fillers(source.experiment)?.is_empty() {
            return Ok(Vec::new());
        }
        self.read("read generations for fillers", |view| {
            let mut select = view.prepare_cached(&format!(
                "WITH answers AS MATERIALIZED ({ANSWERS})
                 SELECT filler, template_id, control_prompt_id, answers.repeat_idx AS repeat_idx, text
                 FROM experiment_fillers AS fillers
                     JOIN answers ON answers.prompt_id = fillers.prompt_id
                     JOIN generations ON generations.id = answers.id
                 WHERE experiment_id = ?1
                 ORDER BY filler_idx, answers.repeat_idx"
            ))?;
            let rows = select.query_map(source.key(), |row| {
                Ok(FillerGeneration {
                    filler: row.get("filler")?,
                    template_id: row.get("template_id")?,
                    control_prompt_id: row.get("control_prompt_id")?,
                    repeat_idx: row.get("repeat_idx")?,
                    text: row.get("text")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

fn register_filler(
    connection: &Connection,
    experiment: ExperimentId,
    filler: &StoredFiller,
) -> Result<(), Failure> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO experiment_fillers
             (experiment_id, filler_idx, filler, template_id, prompt, prompt_id, control_prompt_id)
         VALUES (:experiment, :filler_idx, :filler, :template_id, :prompt, :prompt_id, :control_prompt_id)
         ON CONFLICT (experiment_id, filler_idx) DO UPDATE SET filler = filler
         WHERE filler = excluded.filler AND template_id = excluded.template_id AND prompt = excluded.prompt
             AND prompt_id = excluded.prompt_id AND control_prompt_id = excluded.control_prompt_id",
    )?;
    let n_rows = insert.execute(named_params! {
        ":experiment": experiment,
        ":filler_idx": integer(filler.filler_idx)?,
        ":filler": filler.filler,
        ":template_id": filler.template_id,
        ":prompt": filler.prompt,
        ":prompt_id": filler.prompt_id,
        ":control_prompt_id": filler.control_prompt_id,
    })?;
    // The update changes nothing; it counts a row only where the stored filler is the same.
    let filler_idx = filler.filler_idx;
    let failure = || {
        Failure::Value(format!(
            "filler {filler_idx} was stored with another prompt by another version of seep"
        ))
    };
    (n_rows == 1).then_some(()).ok_or_else(failure)
}
