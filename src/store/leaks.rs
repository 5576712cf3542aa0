//! Leaks: the table `leaks`, the verdict on each repeat of each pair.
//!
//! Owns what of a condition has verdicts: pairs and repeats. Saving a verdict again puts it in the place of the older one;
//! others stay, so a run with a limit or fewer repeats takes nothing away. Only where the repeats of test and control are
//! paired otherwise than before do the older verdicts on the pair go: in a mixture of both some generations would count
//! more than others.

use rusqlite::{Connection, Row, named_params, params};

use super::error::Failure;
use super::values::{integer, unsigned};
use super::{ConditionId, GenerationId, PromptId, Store, StoreError};
use crate::generation::StopReason;
use crate::leakage::{DiagnosedPair, Leak, ScoredPair, Side};

/// A verdict to store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewLeak {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The repeat, from 0.
    pub repeat_idx: u32,
    /// The generation for the test prompt.
    pub test_generation: GenerationId,
    /// The generation for the control prompt.
    pub control_generation: GenerationId,
    /// Similarity of the concept and the test generation, -1 to 1, not rounded.
    pub similarity_test: f64,
    /// Similarity of the concept and the control generation, -1 to 1, not rounded.
    pub similarity_control: f64,
    /// The verdict.
    pub leak: Leak,
    /// True if the concept itself stands in the test generation.
    pub is_echo: bool,
}

/// A verdict, read back with what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredLeak {
    /// The pair's place in the experiment, from 0.
    pub pair_idx: usize,
    /// The repeat, from 0.
    pub repeat_idx: u32,
    /// Which repeat of the test prompt and which of the control prompt are compared, from 0.
    pub sides: [u32; 2],
    /// The concept.
    pub concept: String,
    /// The category.
    pub category: String,
    /// The template the pair was made from; None for a free-standing pair.
    pub template_id: Option<String>,
    /// The test prompt as the experiment has it.
    pub test_prompt: String,
    /// The control prompt as the experiment has it.
    pub control_prompt: String,
    /// The messages in which the control prompt was sent: what pairs of one cluster share.
    pub control_prompt_id: PromptId,
    /// The generation for the test prompt.
    pub test_generation: String,
    /// The generation for the control prompt.
    pub control_generation: String,
    /// True of those that the limit of tokens ended, test and control.
    pub are_cut_off: [bool; 2],
    /// Similarity of the concept and the test generation, -1 to 1, not rounded.
    pub similarity_test: f64,
    /// Similarity of the concept and the control generation, -1 to 1, not rounded.
    pub similarity_control: f64,
    /// The verdict.
    pub leak: Leak,
    /// True if the concept itself stands in the test generation.
    pub is_echo: bool,
}

impl StoredLeak {
    /// The verdict, with the texts that it is about.
    pub fn diagnosed<'a>(&'a self, scored: &'a ScoredPair) -> DiagnosedPair<'a> {
        let [is_test_cut_off, is_control_cut_off] = self.are_cut_off;
        DiagnosedPair {
            scored,
            concept: &self.concept,
            test: Side {
                prompt: &self.test_prompt,
                generation: &self.test_generation,
                is_cut_off: is_test_cut_off,
            },
            control: Side {
                prompt: &self.control_prompt,
                generation: &self.control_generation,
                is_cut_off: is_control_cut_off,
            },
            reading: None,
        }
    }

    /// The concept, the test and the control generation.
    pub fn texts(&self) -> [&str; 3] {
        [
            &self.concept,
            &self.test_generation,
            &self.control_generation,
        ]
    }

    /// The pair for leak rates, clustered by control prompt.
    pub fn scored_pair(&self) -> ScoredPair {
        let control_prompt_idx =
            usize::try_from(self.control_prompt_id.get()).expect("ids of rows count up from 1");
        ScoredPair {
            pair_idx: self.pair_idx,
            repeat_idx: self.repeat_idx,
            sides: self.sides,
            category: self.category.clone(),
            control_prompt_idx,
            similarity_test: self.similarity_test,
            similarity_control: self.similarity_control,
            leak: self.leak,
            is_echo: self.is_echo,
        }
    }
}

impl Store {
    /// Stores verdicts of a condition, all or none; those of the same pairs and repeats are replaced.
    ///
    /// # Errors
    /// `Value` for a pair that the experiment does not have.
    pub fn save_leaks(
        &mut self,
        condition: ConditionId,
        leaks: &[NewLeak],
    ) -> Result<(), StoreError> {
        self.write("store leaks", |transaction| {
            check_pairs(transaction, condition, leaks.iter().map(|new| new.pair_idx))?;
            for new in leaks {
                drop_otherwise_paired(transaction, condition, new)?;
            }
            let mut replace = transaction.prepare_cached(
                "INSERT OR REPLACE INTO leaks
                     (condition_id, pair_idx, repeat_idx, test_generation_id, control_generation_id, similarity_test,
                      similarity_control, leak, is_echo)
                 VALUES
                     (:condition, :pair_idx, :repeat_idx, :test_generation, :control_generation, :similarity_test,
                      :similarity_control, :leak, :is_echo)",
            )?;
            for new in leaks {
                replace.execute(named_params! {
                    ":condition": condition,
                    ":pair_idx": integer(new.pair_idx)?,
                    ":repeat_idx": new.repeat_idx,
                    ":test_generation": new.test_generation,
                    ":control_generation": new.control_generation,
                    ":similarity_test": new.similarity_test,
                    ":similarity_control": new.similarity_control,
                    ":leak": new.leak.value(),
                    ":is_echo": new.is_echo,
                })?;
            }
            Ok(())
        })
    }

    /// All stored verdicts of a condition, by pair and repeat.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn leaks(&self, condition: ConditionId) -> Result<Vec<StoredLeak>, StoreError> {
        self.read("read leaks", |view| {
            let mut select = view.prepare_cached(
                "SELECT leaks.*, concept, category, template_id, test_prompt, control_prompt, control_prompt_id,
                     test.text AS test_generation, control.text AS control_generation,
                     iif(test.import_id IS NULL, test.repeat_idx, leaks.repeat_idx) AS test_repeat_idx,
                     iif(control.import_id IS NULL, control.repeat_idx, leaks.repeat_idx) AS control_repeat_idx,
                     ifnull(test.stop_reason = ?2, 0) AS is_test_cut_off,
                     ifnull(control.stop_reason = ?2, 0) AS is_control_cut_off
                 FROM conditions
                     JOIN leaks ON condition_id = conditions.id
                     JOIN experiment_pairs USING (experiment_id, pair_idx)
                     JOIN generations AS test ON test.id = test_generation_id
                     JOIN generations AS control ON control.id = control_generation_id
                 WHERE conditions.id = ?1
                 ORDER BY pair_idx, leaks.repeat_idx",
            )?;
            let mut rows = select.query(params![condition, StopReason::MaxTokens.as_str()])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(stored_leak(row)?);
            }
            Ok(found)
        })
    }
}

/// Removes everything on a pair where the stored verdict of the same number is about other repeats.
fn drop_otherwise_paired(
    connection: &Connection,
    condition: ConditionId,
    new: &NewLeak,
) -> Result<(), Failure> {
    let pair_idx: i64 = integer(new.pair_idx)?;
    let mut select = connection.prepare_cached(
        "SELECT 1 FROM leaks
             JOIN generations AS test ON test.id = test_generation_id
             JOIN generations AS control ON control.id = control_generation_id
         WHERE condition_id = ?1 AND pair_idx = ?2 AND leaks.repeat_idx = ?3
             AND (test.repeat_idx <> (SELECT repeat_idx FROM generations WHERE id = ?4)
                 OR control.repeat_idx <> (SELECT repeat_idx FROM generations WHERE id = ?5))",
    )?;
    let [test, control] = [new.test_generation, new.control_generation];
    if select.exists(params![condition, pair_idx, new.repeat_idx, test, control])? {
        for table in ["leaks", "specificities"] {
            let delete = format!("DELETE FROM {table} WHERE condition_id = ?1 AND pair_idx = ?2");
            connection.execute(&delete, params![condition, pair_idx])?;
        }
    }
    Ok(())
}

/// Makes sure that the experiment of a condition has these pairs, to which no foreign key refers.
pub(super) fn check_pairs(
    connection: &Connection,
    condition: ConditionId,
    mut pair_idxs: impl Iterator<Item = usize>,
) -> Result<(), Failure> {
    let mut select = connection.prepare_cached(
        "SELECT 1 FROM conditions JOIN experiment_pairs USING (experiment_id)
         WHERE conditions.id = ?1 AND pair_idx = ?2",
    )?;
    pair_idxs.try_for_each(|pair_idx| {
        let is_there = select.exists(params![condition, integer(pair_idx)?])?;
        let failure = || Failure::Value(format!("pair {pair_idx} was not stored"));
        is_there.then_some(()).ok_or_else(failure)
    })
}

fn stored_leak(row: &Row<'_>) -> Result<StoredLeak, Failure> {
    Ok(StoredLeak {
        pair_idx: unsigned(row.get("pair_idx")?)?,
        repeat_idx: row.get("repeat_idx")?,
        // Imported generations are numbered by themselves.
        sides: [row.get("test_repeat_idx")?, row.get("control_repeat_idx")?],
        are_cut_off: [row.get("is_test_cut_off")?, row.get("is_control_cut_off")?],
        concept: row.get("concept")?,
        category: row.get("category")?,
        template_id: row.get("template_id")?,
        test_prompt: row.get("test_prompt")?,
        control_prompt: row.get("control_prompt")?,
        control_prompt_id: row.get("control_prompt_id")?,
        test_generation: row.get("test_generation")?,
        control_generation: row.get("control_generation")?,
        similarity_test: row.get("similarity_test")?,
        similarity_control: row.get("similarity_control")?,
        leak: leak(row.get("leak")?)?,
        is_echo: row.get("is_echo")?,
    })
}

pub(super) fn leak(value: f64) -> Result<Leak, Failure> {
    let known = [Leak::Leak, Leak::Tie, Leak::NoLeak];
    let found = known.into_iter().find(|leak| leak.value() == value);
    found.ok_or_else(|| Failure::Value(format!("{value} is no verdict")))
}
