//! The rows of the table of prompts, as the page's script reads them.
//!
//! Owns their form, which is compact because there are many: texts stand once, in `texts`, and everything refers to
//! them by number. `report.js` is the only reader.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::data::{ReportData, ReportVerdict};
use crate::leakage::{Flips, Leak, Rounding, ScoredPair, count_flips, rounded};
use crate::report::text::visible;

/// All rows.
#[derive(Debug, Serialize)]
pub(super) struct Rows {
    conditions: Vec<RowCondition>,
    categories: Vec<String>,
    concepts: Vec<String>,
    /// Prompts and generations, each once.
    texts: Vec<String>,
    pairs: Vec<RowPair>,
}

#[derive(Debug, Serialize)]
struct RowCondition {
    name: String,
    model: String,
    quantization: String,
    /// Whether other conditions are compared with it.
    is_base: bool,
}

#[derive(Debug, Serialize)]
struct RowPair {
    /// The pair's place in the experiment, from 0.
    n: usize,
    concept: usize,
    category: usize,
    test: usize,
    control: usize,
    /// For each condition its groups of equal repeats, one number after the other: test generation, control generation,
    /// both similarities in thousandths, twice the verdict, whether it is an echo, number of repeats.
    groups: Vec<Vec<i64>>,
    /// For each condition the repeats whose verdict is not the base's; none where it has no base.
    flips: Vec<Option<usize>>,
}

/// Numbers texts in the order in which they first appear.
#[derive(Default)]
struct Pool {
    texts: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Pool {
    fn number(&mut self, text: &str) -> usize {
        let text = visible(text);
        let next = self.texts.len();
        *self.numbers.entry(text).or_insert_with_key(|text| {
            self.texts.push(text.clone());
            next
        })
    }
}

/// The rows of a report.
pub(super) fn rows(data: &ReportData) -> Rows {
    let by_pair: Vec<BTreeMap<usize, Vec<&ReportVerdict>>> = data
        .conditions
        .iter()
        .map(|condition| grouped(&condition.verdicts))
        .collect();
    let bases = bases(data);
    let (mut texts, mut concepts, mut categories) =
        (Pool::default(), Pool::default(), Pool::default());
    let mut pairs = Vec::with_capacity(data.pairs.len());
    for pair in &data.pairs {
        let of_condition = |idx: usize| {
            by_pair[idx]
                .get(&pair.pair_idx)
                .map_or(&[][..], Vec::as_slice)
        };
        let conditions = 0..data.conditions.len();
        pairs.push(RowPair {
            n: pair.pair_idx,
            concept: concepts.number(&pair.concept),
            category: categories.number(&pair.category),
            test: texts.number(&pair.test_prompt),
            control: texts.number(&pair.control_prompt),
            groups: conditions
                .clone()
                .map(|idx| groups(of_condition(idx), &mut texts))
                .collect(),
            flips: conditions
                .map(|idx| Some(n_flipped(of_condition(bases[idx]?), of_condition(idx))))
                .collect(),
        });
    }
    let conditions = data.conditions.iter().enumerate();
    Rows {
        conditions: conditions
            .map(|(idx, condition)| RowCondition {
                name: visible(&condition.name),
                model: visible(&condition.model.name),
                quantization: visible(&condition.model.quantization),
                is_base: data.comparisons.iter().any(|base| base.base_idx == idx),
            })
            .collect(),
        categories: categories.texts,
        concepts: concepts.texts,
        texts: texts.texts,
        pairs,
    }
}

/// The base of each condition that is compared with one.
fn bases(data: &ReportData) -> Vec<Option<usize>> {
    let mut bases = vec![None; data.conditions.len()];
    for base in &data.comparisons {
        for other in &base.others {
            bases[other.condition_idx] = Some(base.base_idx);
        }
    }
    bases
}

fn grouped(verdicts: &[ReportVerdict]) -> BTreeMap<usize, Vec<&ReportVerdict>> {
    let mut by_pair: BTreeMap<usize, Vec<&ReportVerdict>> = BTreeMap::new();
    for verdict in verdicts {
        by_pair
            .entry(verdict.scored.pair_idx)
            .or_default()
            .push(verdict);
    }
    by_pair
}

/// Equal repeats of one pair as one group, the largest first.
fn groups(verdicts: &[&ReportVerdict], texts: &mut Pool) -> Vec<i64> {
    let mut groups: Vec<(&ReportVerdict, usize)> = Vec::new();
    for verdict in verdicts {
        let is_same = |found: &&mut (&ReportVerdict, usize)| {
            found.0.test_generation == verdict.test_generation
                && found.0.control_generation == verdict.control_generation
        };
        match groups.iter_mut().find(is_same) {
            Some((_, n)) => *n += 1,
            None => groups.push((verdict, 1)),
        }
    }
    groups.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let numbers = groups.into_iter().flat_map(|(verdict, n)| {
        let scored = &verdict.scored;
        [
            texts.number(&verdict.test_generation) as i64,
            texts.number(&verdict.control_generation) as i64,
            thousandths(scored.similarity_test),
            thousandths(scored.similarity_control),
            (2.0 * Leak::value(scored.leak)) as i64,
            i64::from(scored.is_echo),
            n as i64,
        ]
    });
    numbers.collect()
}

fn thousandths(similarity: f64) -> i64 {
    (1000.0 * rounded(similarity, Rounding::PUBLISHED)).round() as i64
}

fn n_flipped(base: &[&ReportVerdict], other: &[&ReportVerdict]) -> usize {
    let scored = |verdicts: &[&ReportVerdict]| -> Vec<ScoredPair> {
        verdicts
            .iter()
            .map(|verdict| verdict.scored.clone())
            .collect()
    };
    let flips = Flips::total(&count_flips(&scored(base), &scored(other)));
    flips.n() - flips.n_unchanged
}
