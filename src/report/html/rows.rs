//! The rows of the table of prompts, as the page's script reads them.
//!
//! Owns their form, which is compact because there are many: texts stand once, in `texts`, and everything refers to
//! them by number. `report.js` is the only reader.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::leakage::{PairEstimate, Rounding, rounded};
use crate::report::text::visible;
use crate::results::{LikelyText, ReportData, ReportLeak, SimilarText, Texts};

/// All rows.
#[derive(Debug, Serialize)]
pub(super) struct Rows {
    /// True if rates are exact; `groups` and `flips` then have another meaning.
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
    /// True if other conditions are compared with this one.
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
    // Means over wordings have no texts.
    let is_shown = |idx: &usize| !data.conditions[*idx].is_mean();
    let shown: Vec<usize> = (0..data.conditions.len()).filter(is_shown).collect();
    let conditions = data.conditions.iter();
    let by_pair: Vec<_> = conditions.map(|it| grouped(&it.leaks)).collect();
    let leaks = |idx: usize, pair_idx: usize| by_pair[idx].get(&pair_idx).map_or(&[][..], |it| it);
    let bases = bases(data);
    let (mut texts, mut concepts, mut categories) =
        (Pool::default(), Pool::default(), Pool::default());
    let mut pairs = Vec::with_capacity(data.pairs.len());
    for pair in &data.pairs {
        let leaks = |idx: usize| leaks(idx, pair.pair_idx);
        let conditions = shown.iter().copied();
        pairs.push(RowPair {
            n: pair.pair_idx,
            concept: concepts.number(&pair.concept),
            category: categories.number(&pair.category),
            test: texts.number(&pair.test_prompt),
            control: texts.number(&pair.control_prompt),
            groups: conditions
                .clone()
                .map(|idx| groups(leaks(idx), &mut texts))
                .collect(),
            flips: conditions
                .map(|idx| Some(n_flipped(leaks(bases[idx]?), leaks(idx))))
                .collect(),
        });
    }
    let conditions = shown.iter().map(|&idx| (idx, &data.conditions[idx]));
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

/// Returns the leaks of a condition by pair.
fn grouped(leaks: &[ReportLeak]) -> BTreeMap<usize, Vec<&ReportLeak>> {
    let mut by_pair: BTreeMap<usize, Vec<&ReportLeak>> = BTreeMap::new();
    for leak in leaks {
        let pair_idx = leak.estimate.pair_idx;
        by_pair.entry(pair_idx).or_default().push(leak);
    }
    by_pair
}

/// Equal repeats of one pair as one group, the largest first; an exact leak is a group of its own form.
fn groups(leaks: &[&ReportLeak], texts: &mut Pool) -> Vec<i64> {
    let mut groups: Vec<(&ReportLeak, usize)> = Vec::new();
    for leak in leaks {
        let is_same = |found: &&mut (&ReportLeak, usize)| words_of(found.0) == words_of(leak);
        match groups.iter_mut().find(is_same) {
            Some((_, n)) => *n += 1,
            None => groups.push((leak, 1)),
        }
    }
    groups.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let groups = groups.into_iter();
    groups
        .flat_map(|(leak, n)| match &leak.texts {
            Texts::Generations { test, control } => {
                repeat_numbers(&leak.estimate, [test, control], n, texts).to_vec()
            }
            Texts::Likely { test, control } => {
                exact_numbers(&leak.estimate, [test, control], texts)
            }
        })
        .collect()
}

/// Both generations of a repeat; None of an exact leak, which is there once.
fn words_of(leak: &ReportLeak) -> Option<[&str; 2]> {
    match &leak.texts {
        Texts::Generations { test, control } => Some([&test.text, &control.text]),
        Texts::Likely { .. } => None,
    }
}

fn repeat_numbers(
    estimate: &PairEstimate,
    sides: [&SimilarText; 2],
    n: usize,
    texts: &mut Pool,
) -> [i64; 7] {
    let [test, control] = sides.map(|side| texts.number(&side.text) as i64);
    let [test_thousandths, control_thousandths] = sides.map(|side| thousandths(side.similarity));
    [
        test,
        control,
        test_thousandths,
        control_thousandths,
        (2.0 * estimate.leak_probability) as i64,
        estimate.echo_probability as i64,
        n as i64,
    ]
}

fn exact_numbers(
    estimate: &PairEstimate,
    sides: [&Vec<LikelyText>; 2],
    texts: &mut Pool,
) -> Vec<i64> {
    let exact = estimate.exact.as_ref();
    let [lower, upper] = exact.map_or([0.0, 1.0], |it| [it.leak.lower, it.leak.upper]);
    let (leak, echo) = (estimate.leak_probability, estimate.echo_probability);
    let mut numbers: Vec<i64> = [leak, lower, upper, echo].map(ten_thousandths).into();
    for likely in sides {
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

fn thousandths(similarity: f64) -> i64 {
    (1000.0 * rounded(similarity, Rounding::PUBLISHED)).round() as i64
}

/// The repeats whose verdict is another one; of exact leaks, whether they are on different sides of one half.
fn n_flipped(base: &[&ReportLeak], other: &[&ReportLeak]) -> usize {
    let verdict = |estimate: &PairEstimate| match estimate.exact {
        None => estimate.leak_probability,
        Some(_) => f64::from(u8::from(estimate.leak_probability > 0.5)),
    };
    let of_base = |to: &PairEstimate| {
        let mut base = base.iter().map(|leak| &leak.estimate);
        base.find(|from| (from.repeat_idx, from.sides) == (to.repeat_idx, to.sides))
    };
    let other = other.iter().map(|leak| &leak.estimate);
    let both = other.filter_map(|to| Some((of_base(to)?, to)));
    both.filter(|(from, to)| verdict(from) != verdict(to))
        .count()
}
