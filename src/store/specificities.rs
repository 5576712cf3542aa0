//! Specificities: the table `specificities`, the comparisons of a test generation besides the one with its control.
//!
//! Owns that there is one for a repeat of a pair, or one for an exact pair. A run with a limit takes no sibling away.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Row, named_params};

use super::error::Failure;
use super::leaks::check_pairs;
use super::values::{integer, unsigned};
use super::{ConditionId, Store, StoreError};
use crate::leakage::{SiblingFigures, Specific};

/// The comparisons of each repeat, by the pair's place in the experiment and the repeat; the repeat is 0 of exact pairs.
pub type Specifics = BTreeMap<(usize, u32), Specific>;

impl Store {
    /// Stores comparisons of a condition, all or none; of the same repeats they are replaced. Where only some of the pairs
    /// and repeats were compared (`is_partial`), those with more siblings' generations stay.
    ///
    /// # Errors
    /// `Value` for a pair that the experiment does not have.
    pub fn save_specifics(
        &mut self,
        condition: ConditionId,
        specifics: &Specifics,
        is_partial: bool,
    ) -> Result<(), StoreError> {
        self.write("store specificities", |transaction| {
            let pairs: BTreeSet<usize> = specifics.keys().map(|(pair_idx, _)| *pair_idx).collect();
            check_pairs(transaction, condition, pairs.into_iter())?;
            let mut replace = transaction.prepare_cached(SAVE)?;
            for (&(pair_idx, repeat_idx), new) in specifics {
                let siblings = new.siblings.as_ref();
                replace.execute(named_params! {
                    ":condition": condition,
                    ":pair_idx": integer(pair_idx)?,
                    ":repeat_idx": repeat_idx,
                    ":n_siblings": integer(siblings.map_or(0, |it| it.n_siblings))?,
                    ":n_sibling_texts": integer(siblings.map_or(0, |it| it.n_texts))?,
                    ":placebo": siblings.map(|it| it.placebo),
                    ":repetition": siblings.map(|it| it.repetition),
                    ":specificity": siblings.map(|it| it.specificity),
                    ":specificity_repetition": siblings.map(|it| it.specificity_repetition),
                    ":sibling_echo": siblings.map(|it| it.sibling_echo),
                    ":anchor_placebo": new.anchor_placebo,
                    ":filler_rate": new.filler_rate,
                    ":echo": new.echo,
                    ":control_echo": new.control_echo,
                    ":own_repetition": new.own_repetition,
                    ":margin": new.margin,
                    ":is_partial": is_partial,
                })?;
            }
            Ok(())
        })
    }

    /// All stored comparisons of a condition.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn specifics(&self, condition: ConditionId) -> Result<Specifics, StoreError> {
        self.read("read specificities", |view| {
            let mut select =
                view.prepare_cached("SELECT * FROM specificities WHERE condition_id = ?1")?;
            let mut rows = select.query([condition])?;
            let mut found = Specifics::new();
            while let Some(row) = rows.next()? {
                let key = (unsigned(row.get("pair_idx")?)?, row.get("repeat_idx")?);
                found.insert(key, specific(row)?);
            }
            Ok(found)
        })
    }
}

const SAVE: &str = "
    INSERT INTO specificities
        (condition_id, pair_idx, repeat_idx, n_siblings, n_sibling_texts, placebo, repetition, specificity,
         specificity_repetition, sibling_echo, anchor_placebo, filler_rate, echo, control_echo,
         own_repetition, margin)
    VALUES
        (:condition, :pair_idx, :repeat_idx, :n_siblings, :n_sibling_texts, :placebo, :repetition, :specificity,
         :specificity_repetition, :sibling_echo, :anchor_placebo, :filler_rate, :echo, :control_echo,
         :own_repetition, :margin)
    ON CONFLICT DO UPDATE SET
        n_siblings = excluded.n_siblings, n_sibling_texts = excluded.n_sibling_texts, placebo = excluded.placebo,
        repetition = excluded.repetition, specificity = excluded.specificity,
        specificity_repetition = excluded.specificity_repetition, sibling_echo = excluded.sibling_echo,
        anchor_placebo = excluded.anchor_placebo, filler_rate = excluded.filler_rate, echo = excluded.echo,
        control_echo = excluded.control_echo, own_repetition = excluded.own_repetition, margin = excluded.margin
    WHERE NOT :is_partial OR n_sibling_texts <= excluded.n_sibling_texts";

fn specific(row: &Row<'_>) -> Result<Specific, Failure> {
    let n_siblings = unsigned(row.get("n_siblings")?)?;
    Ok(Specific {
        siblings: match n_siblings {
            0 => None,
            _ => Some(SiblingFigures {
                n_siblings,
                n_texts: unsigned(row.get("n_sibling_texts")?)?,
                placebo: row.get("placebo")?,
                repetition: row.get("repetition")?,
                specificity: row.get("specificity")?,
                specificity_repetition: row.get("specificity_repetition")?,
                sibling_echo: row.get("sibling_echo")?,
            }),
        },
        anchor_placebo: row.get("anchor_placebo")?,
        filler_rate: row.get("filler_rate")?,
        echo: row.get("echo")?,
        control_echo: row.get("control_echo")?,
        own_repetition: row.get("own_repetition")?,
        margin: row.get("margin")?,
    })
}
