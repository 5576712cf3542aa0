//! Concept similarities: the table `concept_similarities`, how close each concept of a template is to the test
//! generations of each.
//!
//! Owns that both pairs belong to the condition's experiment. A run with a limit takes no
//! generation away.

use std::collections::BTreeSet;

use rusqlite::params;

use super::leaks::check_pairs;
use super::values::{integer, unsigned};
use super::{ConditionId, Store, StoreError};

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
                "INSERT INTO concept_similarities (condition_id, pair_idx, held_pair_idx, n_texts, similarity)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET n_texts = excluded.n_texts, similarity = excluded.similarity
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
                    is_partial
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
                "SELECT pair_idx, held_pair_idx, n_texts, similarity FROM concept_similarities
                 WHERE condition_id = ?1
                 ORDER BY pair_idx, held_pair_idx",
            )?;
            let mut rows = select.query([condition])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(ConceptSimilarity {
                    pair_idx: unsigned(row.get(0)?)?,
                    held_pair_idx: unsigned(row.get(1)?)?,
                    n_texts: unsigned(row.get(2)?)?,
                    similarity: row.get(3)?,
                });
            }
            Ok(found)
        })
    }
}
