//! Concept similarities: the table `concept_similarities`, how close each concept of a template is to the test
//! generations of each.
//!
//! Owns that both pairs belong to the condition's experiment. A run with a limit takes no
//! generation away.

use std::collections::BTreeSet;

use rusqlite::{Row, params};

use super::leaks::check_pairs;
use super::values::{integer, unsigned};
use super::{ConditionId, Store, StoreError};
use crate::leakage::SiblingFigures;

/// How close one pair's concept is to the test generations of another pair of its template, or to its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConceptSimilarity {
    /// The pair whose concept is measured, by its place in the experiment, from 0.
    pub pair_idx: usize,
    /// The pair whose test generations are measured: its concept stood in their prompt.
    pub held_pair_idx: usize,
    /// These generations, at least 1.
    pub n_texts: usize,
    /// The mean similarity; the expectation where continuations were enumerated.
    pub similarity: f64,
    /// The comparison of the first pair with the second alone, over its repeats; None where these are no siblings, and
    /// where an earlier version scored them.
    pub figures: Option<SiblingFigures>,
}

impl Store {
    /// Stores concept similarities of a condition, all or none; those of the same two pairs are
    /// replaced. Where only some of the pairs and repeats were compared (`is_partial`), those of more generations stay.
    ///
    /// # Errors
    /// `Value` for a pair that the experiment does not have.
    pub fn save_concept_similarities(
        &mut self,
        condition: ConditionId,
        similarities: &[ConceptSimilarity],
        is_partial: bool,
    ) -> Result<(), StoreError> {
        self.write("store concept similarities", |transaction| {
            let pairs = similarities
                .iter()
                .flat_map(|it| [it.pair_idx, it.held_pair_idx]);
            let distinct: BTreeSet<usize> = pairs.collect();
            check_pairs(transaction, condition, distinct.into_iter())?;
            let mut replace = transaction.prepare_cached(
                "INSERT INTO concept_similarities
                     (condition_id, pair_idx, held_pair_idx, n_texts, similarity, placebo, repetition, specificity,
                      specificity_repetition, sibling_echo)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT DO UPDATE SET
                     n_texts = excluded.n_texts, similarity = excluded.similarity, placebo = excluded.placebo,
                     repetition = excluded.repetition, specificity = excluded.specificity,
                     specificity_repetition = excluded.specificity_repetition, sibling_echo = excluded.sibling_echo
                 WHERE NOT ?6 OR n_texts <= excluded.n_texts",
            )?;
            for new in similarities {
                let (measured, held) = (integer(new.pair_idx)?, integer(new.held_pair_idx)?);
                let n_texts = integer(new.n_texts)?;
                replace.execute(params![
                    condition,
                    measured,
                    held,
                    n_texts,
                    new.similarity,
                    is_partial,
                    new.figures.map(|it| it.placebo),
                    new.figures.map(|it| it.repetition),
                    new.figures.map(|it| it.specificity),
                    new.figures.map(|it| it.specificity_repetition),
                    new.figures.map(|it| it.sibling_echo),
                ])?;
            }
            Ok(())
        })
    }

    /// All stored concept similarities of a condition, by the pair that is measured and then the one held.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn concept_similarities(
        &self,
        condition: ConditionId,
    ) -> Result<Vec<ConceptSimilarity>, StoreError> {
        self.read("read concept similarities", |view| {
            let mut select = view.prepare_cached(
                "SELECT * FROM concept_similarities
                 WHERE condition_id = ?1
                 ORDER BY pair_idx, held_pair_idx",
            )?;
            let mut rows = select.query([condition])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let n_texts = unsigned(row.get("n_texts")?)?;
                found.push(ConceptSimilarity {
                    pair_idx: unsigned(row.get("pair_idx")?)?,
                    held_pair_idx: unsigned(row.get("held_pair_idx")?)?,
                    n_texts,
                    similarity: row.get("similarity")?,
                    figures: figures(row, n_texts)?,
                });
            }
            Ok(found)
        })
    }
}

fn figures(row: &Row<'_>, n_texts: usize) -> Result<Option<SiblingFigures>, rusqlite::Error> {
    let Some(placebo) = row.get("placebo")? else {
        return Ok(None);
    };
    Ok(Some(SiblingFigures {
        n_siblings: 1,
        n_texts,
        placebo,
        repetition: row.get("repetition")?,
        specificity: row.get("specificity")?,
        specificity_repetition: row.get("specificity_repetition")?,
        sibling_echo: row.get("sibling_echo")?,
    }))
}
