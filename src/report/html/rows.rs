//! The rows of the table of prompts, as the page's script reads them.
//!
//! Owns their form, which is compact because there are many: texts stand once, in `texts`, and everything refers to
//! them by number. `report.js` is the only reader.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::leakage::{Flips, Leak, Rounding, ScoredPair, count_flips, rounded};
use crate::report::text::visible;
use crate::results::{LikelyText, ReportCondition, ReportData, ReportExactLeak, ReportVerdict};

/// All rows.
#[derive(Debug, Serialize)]
pub(super) struct Rows {
    /// Whether rates are exact; `groups` and `flips` then mean something else.
    is_exact: bool,
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
    /// Exact, all in hundredths of a percent: leak probability, what it certainly is at least and at most, probability of
    /// an echo; then the number of test texts, each of them with its probability, and the control texts alike.
    groups: Vec<Vec<i64>>,
    /// For each condition the repeats whose verdict is not the base's; none where it has no base.
    /// Exact: whether the pair is on the other side of one half.
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
    let conditions = data.conditions.iter();
    let by_pair: Vec<PairCells<'_>> = conditions.map(PairCells::of).collect();
    let bases = bases(data);
    let (mut texts, mut concepts, mut categories) =
        (Pool::default(), Pool::default(), Pool::default());
    let mut pairs = Vec::with_capacity(data.pairs.len());
    for pair in &data.pairs {
        let numbers = |idx: usize, texts: &mut Pool| by_pair[idx].numbers(pair.pair_idx, texts);
        let n_flipped =
            |base: usize, other: usize| by_pair[base].n_flipped(&by_pair[other], pair.pair_idx);
        let conditions = 0..data.conditions.len();
        pairs.push(RowPair {
            n: pair.pair_idx,
            concept: concepts.number(&pair.concept),
            category: categories.number(&pair.category),
            test: texts.number(&pair.test_prompt),
            control: texts.number(&pair.control_prompt),
            groups: conditions
                .clone()
                .map(|idx| numbers(idx, &mut texts))
                .collect(),
            flips: conditions
                .map(|idx| Some(n_flipped(bases[idx]?, idx)))
                .collect(),
        });
    }
    let conditions = data.conditions.iter().enumerate();
    Rows {
        is_exact: data.enumeration.is_some(),
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

/// What a condition has of each pair.
struct PairCells<'a> {
    verdicts: BTreeMap<usize, Vec<&'a ReportVerdict>>,
    exact: BTreeMap<usize, &'a ReportExactLeak>,
}

impl<'a> PairCells<'a> {
    fn of(condition: &'a ReportCondition) -> Self {
        let exact = condition.exact_leaks.iter();
        Self {
            verdicts: grouped(&condition.verdicts),
            exact: exact.map(|it| (it.exact.pair_idx, it)).collect(),
        }
    }

    fn verdicts(&self, pair_idx: usize) -> &[&'a ReportVerdict] {
        self.verdicts.get(&pair_idx).map_or(&[], Vec::as_slice)
    }

    fn numbers(&self, pair_idx: usize, texts: &mut Pool) -> Vec<i64> {
        match self.exact.get(&pair_idx) {
            Some(exact) => exact_numbers(exact, texts),
            None => groups(self.verdicts(pair_idx), texts),
        }
    }

    fn n_flipped(&self, other: &Self, pair_idx: usize) -> usize {
        let of = |cells: &Self| cells.exact.get(&pair_idx).copied();
        match (of(self), of(other)) {
            (Some(base), Some(other)) => {
                let leaks = |it: &ReportExactLeak| it.exact.leak.probability > 0.5;
                usize::from(leaks(base) != leaks(other))
            }
            _ => n_flipped(self.verdicts(pair_idx), other.verdicts(pair_idx)),
        }
    }
}

fn exact_numbers(exact: &ReportExactLeak, texts: &mut Pool) -> Vec<i64> {
    let leak = &exact.exact.leak;
    let rates = [
        leak.probability,
        leak.lower,
        leak.upper,
        leak.echo_probability,
    ];
    let mut numbers: Vec<i64> = rates.into_iter().map(ten_thousandths).collect();
    for likely in [&exact.test_texts, &exact.control_texts] {
        numbers.push(likely.len() as i64);
        numbers.extend(likely.iter().flat_map(|text| likely_numbers(text, texts)));
    }
    numbers
}

fn likely_numbers(likely: &LikelyText, texts: &mut Pool) -> [i64; 2] {
    let number = texts.number(&likely.text) as i64;
    [number, ten_thousandths(likely.probability)]
}

fn ten_thousandths(probability: f64) -> i64 {
    (10_000.0 * probability).round() as i64
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
