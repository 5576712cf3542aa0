//! Tests of the enumeration on the fake decoder: against the whole tree written out, and in any company.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::Enumerator;
use crate::digest::Digest;
use crate::engine::branch::DrawContext;
use crate::engine::budget::n_cells_alone;
use crate::engine::fake::{FakeDecoder, N_VOCAB, logits_after, long_prompt};
use crate::engine::{GroupLimits, Schedule, Vocabulary};
use crate::engine::{GroupOutcome, Job};
use crate::generation::{
    Continuation, DrawMethod, Enumeration, EnumerationParams, Request, RequestContext,
    SamplingParams, StopReason, StopRule,
};
use crate::sampling::{self, AllowedTokens};

const EOG: u32 = 0;
const SEED: u64 = 5;

fn vocabulary(n_vocab: usize) -> Vocabulary {
    let pieces = (0..n_vocab).map(|token| match token {
        7 => b". x".to_vec(),
        // The same text as two tokens, so that continuations of equal text differ in their tokens.
        8 | 9 => b"same ".to_vec(),
        _ => format!("t{token} ").into_bytes(),
    });
    Vocabulary::new(pieces.collect(), &[EOG], AllowedTokens::all(n_vocab))
}

fn sampling(top_k: u32, max_tokens: u32) -> SamplingParams {
    SamplingParams {
        temperature: 1.5,
        top_k,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.1,
        max_tokens,
        stop: StopRule::SentenceEnd,
        draws: DrawMethod::InverseCdf,
    }
}

fn params(coverage: f64, max_rows_per_prompt: u32, n_tail_draws: u32) -> EnumerationParams {
    EnumerationParams {
        coverage,
        max_rows_per_prompt,
        n_tail_draws,
    }
}

/// The settings of a job, besides its prompts.
#[derive(Clone)]
struct Asked {
    sampling: SamplingParams,
    params: EnumerationParams,
    seed: u64,
}

impl Asked {
    fn new(sampling: SamplingParams, params: EnumerationParams) -> Self {
        Self {
            sampling,
            params,
            seed: SEED,
        }
    }

    fn requests(&self, prompts: &[Vec<u32>]) -> Vec<Request> {
        let context = RequestContext {
            model_sha256: Digest::of(b"model"),
            sampling: self.sampling.clone(),
            seed: self.seed,
            schedule: Schedule::STRICT.name(),
        };
        prompts
            .iter()
            .map(|prompt| context.enumeration_request(Arc::from(prompt.as_slice()), &self.params))
            .collect()
    }

    /// All groups' outcomes.
    fn outcomes(
        &self,
        decoder: &mut FakeDecoder,
        prompts: &[Vec<u32>],
        limits: GroupLimits,
    ) -> Vec<GroupOutcome<Enumeration>> {
        let vocabulary = vocabulary(decoder.n_vocab);
        let requests = self.requests(prompts);
        let cancel = AtomicBool::new(false);
        let mut enumerator = Enumerator::new(
            decoder,
            Job {
                requests: &requests,
                sampling: &self.sampling,
                seed: self.seed,
                vocabulary: &vocabulary,
                schedule: Schedule::STRICT,
                limits,
                cancel: &cancel,
                on_progress: &|_| {},
            },
            self.params,
        );
        std::iter::from_fn(|| enumerator.next_group()).collect()
    }

    /// The enumerations of prompts that share a context, in the order of the prompts.
    fn enumerate(&self, prompts: &[Vec<u32>], limits: GroupLimits) -> Vec<Enumeration> {
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(1);
        let alone = n_cells_alone(longest, Schedule::STRICT, self.sampling.max_tokens);
        let n_cells = limits.n_cells.max(alone);
        let mut decoder = FakeDecoder::new(n_cells as usize, limits.n_seqs, 128);
        let limits = GroupLimits { n_cells, ..limits };
        let mut by_id = HashMap::new();
        let mut n_distributions = 0;
        for outcome in self.outcomes(&mut decoder, prompts, limits) {
            assert_eq!(outcome.failed, []);
            for next in outcome.next_tokens {
                let logits = logits_after(&next.prompt_tokens);
                let expected = sampling::next_token_distribution(&logits, N_VOCAB).unwrap();
                assert_eq!(next.distribution, expected);
                n_distributions += 1;
            }
            for enumeration in outcome.answers {
                assert!(by_id.insert(enumeration.request_id, enumeration).is_none());
            }
        }
        assert_eq!(n_distributions, prompts.len());
        for &(n_rows, n_outputs) in &decoder.batches {
            assert!(n_rows % 8 == 0 && (n_outputs == 0 || n_outputs == n_rows));
        }
        let requests = self.requests(prompts);
        let found = requests
            .iter()
            .map(|request| by_id.remove(&request.id).unwrap());
        let found = found.collect();
        assert!(by_id.is_empty());
        found
    }

    fn alone(&self, prompt: &[u32]) -> Enumeration {
        let mut found = self.enumerate(&[prompt.to_vec()], limits(256, 20_000, 32));
        found.remove(0)
    }

    /// Every continuation of `prompt` by a plain recursion, and every node that is not one with its probability.
    fn whole_tree(&self, prompt: &[u32]) -> (Vec<Continuation>, Vec<f64>) {
        let vocabulary = vocabulary(N_VOCAB);
        let context = DrawContext {
            sampling: &self.sampling,
            seed: self.seed,
            vocabulary: &vocabulary,
            forced: None,
        };
        let mut whole = (Vec::new(), Vec::new());
        recurse(prompt, &mut Vec::new(), [0.0, 0.0], &context, &mut whole);
        whole
    }
}

fn recurse(
    prompt: &[u32],
    tokens: &mut Vec<u32>,
    [logprob, model_logprob]: [f64; 2],
    context: &DrawContext<'_>,
    whole: &mut (Vec<Continuation>, Vec<f64>),
) {
    whole.1.push(logprob.exp());
    let seen = [prompt, tokens].concat();
    let logits = logits_after(&seen);
    let allowed = context.vocabulary.allowed();
    let next = sampling::distribution(&logits, allowed, &seen, context.sampling).unwrap();
    let total: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
    for (token, probability) in next.probabilities() {
        tokens.push(token);
        let raw = f64::from(logits[token as usize]) - total.ln();
        let sums = [logprob + probability.ln(), model_logprob + raw];
        match ending(tokens, context) {
            Some((stop_reason, text)) => whole.0.push(Continuation {
                text,
                tokens: tokens.clone(),
                logprob: sums[0],
                model_logprob: sums[1],
                stop_reason,
                tail_draw_idx: None,
            }),
            None => recurse(prompt, tokens, sums, context, whole),
        }
        tokens.pop();
    }
}

/// The stop rules once more, in words of their own.
fn ending(tokens: &[u32], context: &DrawContext<'_>) -> Option<(StopReason, String)> {
    let pieces = tokens.iter().filter(|&&token| token != EOG);
    let bytes: Vec<u8> = pieces
        .flat_map(|&token| context.vocabulary.piece(token).to_vec())
        .collect();
    let text = String::from_utf8(bytes).unwrap();
    if tokens.last() == Some(&EOG) {
        return Some((StopReason::Eog, text));
    }
    if let Some(mark) = text.find('.') {
        return Some((StopReason::Stop, text[..=mark].to_owned()));
    }
    let is_long = tokens.len() == context.sampling.max_tokens as usize;
    is_long.then_some((StopReason::MaxTokens, text))
}

fn limits(n_seqs: u32, n_cells: u32, n_prompts: usize) -> GroupLimits {
    GroupLimits {
        n_seqs,
        n_cells,
        n_prompts,
    }
}

fn sum(continuations: &[Continuation]) -> f64 {
    let probabilities = continuations.iter().map(|c| c.logprob.exp());
    probabilities.sum()
}

#[test]
fn all_continuations_are_those_of_the_whole_tree() {
    for (top_k, max_tokens) in [(0, 2), (3, 5), (1, 6)] {
        let asked = Asked::new(sampling(top_k, max_tokens), params(1.0, 10_000, 3));
        for prompt in [vec![1, 2, 3], vec![4]] {
            let found = asked.alone(&prompt);
            let (mut whole, nodes) = asked.whole_tree(&prompt);
            assert_eq!(found.n_rows as usize, nodes.len());
            assert_eq!(
                (found.uncovered, found.n_open, found.n_tail_rows),
                (0.0, 0, 0)
            );
            assert!((sum(&found.continuations) - 1.0).abs() < 1e-12);
            let mut sorted = found.continuations.clone();
            sorted.sort_by(|a, b| a.tokens.cmp(&b.tokens));
            whole.sort_by(|a, b| a.tokens.cmp(&b.tokens));
            assert_eq!(sorted.len(), whole.len());
            for (found, expected) in sorted.iter().zip(&whole) {
                assert!((found.logprob - expected.logprob).abs() < 1e-12);
                assert!((found.model_logprob - expected.model_logprob).abs() < 1e-5);
                let expected = Continuation {
                    logprob: found.logprob,
                    model_logprob: found.model_logprob,
                    ..expected.clone()
                };
                assert_eq!(*found, expected);
            }
        }
    }
}

#[test]
fn the_coverage_asked_for_is_reached_with_no_more_rows_than_best_first_takes() {
    for coverage in [0.5, 0.9, 0.99] {
        // With so many rows allowed, next to nothing is kept back in rests, which best first does not have.
        let asked = Asked::new(sampling(5, 4), params(coverage, 1_000_000_000, 3));
        for prompt in [vec![1, 2, 3], vec![4]] {
            let found = asked.alone(&prompt);
            assert!(found.covered() >= coverage && found.covered() < 1.0);
            assert!((sum(&found.continuations) - found.covered()).abs() < 1e-12);
            assert_eq!(found.n_tail_rows, 0);
            let n_best_first = n_best_first(&asked, &prompt, coverage);
            assert!(
                found.n_rows as usize <= n_best_first,
                "{} rows instead of {n_best_first} for {coverage}",
                found.n_rows
            );
            assert!(
                found
                    .continuations
                    .is_sorted_by(|a, b| a.logprob >= b.logprob)
            );
        }
    }
}

/// Rows until the most probable nodes, followed one by one, cover enough. Parents come before their children, so these
/// are the nodes in the order of their probabilities.
fn n_best_first(asked: &Asked, prompt: &[u32], coverage: f64) -> usize {
    let (whole, mut nodes) = asked.whole_tree(prompt);
    nodes.sort_by(|a, b| b.total_cmp(a));
    let parents = |continuation: &Continuation| {
        let parent = &continuation.tokens[..continuation.tokens.len() - 1];
        let (mut seen, mut probability) = (prompt.to_vec(), 1.0);
        for &token in parent {
            let logits = logits_after(&seen);
            let allowed = AllowedTokens::all(N_VOCAB);
            let next = sampling::distribution(&logits, &allowed, &seen, &asked.sampling).unwrap();
            probability *= next.probabilities().find(|&(t, _)| t == token).unwrap().1;
            seen.push(token);
        }
        (probability, continuation.logprob.exp())
    };
    let leaves: Vec<(f64, f64)> = whole.iter().map(parents).collect();
    (1..=nodes.len())
        .find(|&n_rows| {
            let floor = nodes[n_rows - 1] * (1.0 - 1e-12);
            let covered = leaves.iter().filter(|(parent, _)| *parent >= floor);
            covered.map(|(_, probability)| probability).sum::<f64>() >= coverage
        })
        .unwrap()
}

#[test]
fn a_budget_is_kept_and_spent_on_continuations_that_end() {
    for max_rows in [1, 7, 40] {
        let asked = Asked::new(sampling(0, 4), params(0.99, max_rows, 4));
        let found = asked.alone(&[3, 1]);
        assert_eq!(found.n_rows, max_rows);
        let drawn = found.continuations.iter().filter_map(|c| c.tail_draw_idx);
        assert_eq!(drawn.collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(found.n_tail_rows > 0 && found.n_tail_rows <= 4 * 4);
        assert!(
            max_rows < 7 || found.covered() > 0.02,
            "{}",
            found.covered()
        );
    }
}

/// DrawMethod of the tail hit every text as often as its probability in the tail says: over 1,500 seeds with 4 draws, the
/// mean of the estimated probability of each of the largest 30 texts of the tail is within 4.5 standard errors.
#[test]
fn draws_of_the_tail_follow_its_distribution() {
    let prompt = [2, 6];
    let mut asked = Asked::new(sampling(5, 3), params(0.9, 8, 4));
    let (whole, _) = asked.whole_tree(&prompt);
    let head = asked.alone(&prompt);
    assert!((0.1..0.95).contains(&head.uncovered), "{}", head.uncovered);
    let mut tail: HashMap<&[u32], f64> = whole
        .iter()
        .map(|c| (c.tokens.as_slice(), c.logprob.exp()))
        .collect();
    for covered in head
        .continuations
        .iter()
        .filter(|c| c.tail_draw_idx.is_none())
    {
        tail.remove(covered.tokens.as_slice());
    }
    let tail_sum: f64 = tail.values().sum();
    assert!((tail_sum - head.uncovered).abs() < 1e-12);
    let n_seeds = 1500;
    let mut hits: HashMap<Vec<u32>, u32> = HashMap::new();
    for seed in 0..n_seeds {
        asked.seed = seed;
        let found = asked.alone(&prompt);
        for drawn in found
            .continuations
            .iter()
            .filter(|c| c.tail_draw_idx.is_some())
        {
            *hits.entry(drawn.tokens.clone()).or_default() += 1;
        }
    }
    assert!(
        hits.keys()
            .all(|tokens| tail.contains_key(tokens.as_slice()))
    );
    let mut largest: Vec<(&[u32], f64)> = tail.into_iter().collect();
    largest.sort_by(|a, b| b.1.total_cmp(&a.1));
    let n = 4.0 * n_seeds as f64;
    for (tokens, probability) in largest.into_iter().take(30) {
        let expected = probability / tail_sum;
        let found = f64::from(hits.get(tokens).copied().unwrap_or(0)) / n;
        // Slices make it smaller than that of independent draws.
        let standard_error = (expected * (1.0 - expected) / n).sqrt();
        assert!(
            (found - expected).abs() < 4.5 * standard_error,
            "{tokens:?}: {found}, {expected}"
        );
    }
}

#[test]
fn a_failed_batch_fails_its_group_only() {
    let asked = Asked::new(sampling(3, 3), params(0.9, 50, 2));
    let prompts = [vec![1, 2, 3], vec![1, 5, 3]];
    let mut decoder = FakeDecoder::new(512, 64, 128);
    decoder.fail_at = Some(2);
    let outcomes = asked.outcomes(&mut decoder, &prompts, limits(64, 512, 1));
    let counts: Vec<_> = outcomes
        .iter()
        .map(|outcome| (outcome.answers.len(), outcome.failed.len()))
        .collect();
    assert_eq!(counts, [(0, 1), (1, 0)]);
    assert!(outcomes[0].failed[0].1.contains("made to fail"));
    assert_eq!(outcomes[1].answers[0], asked.alone(&prompts[1]));
}

/// Of a wide vocabulary of which sampling cuts off nothing, some children of a node are kept; what is not counts as
/// uncovered.
#[test]
fn whole_coverage_of_a_wide_vocabulary_keeps_a_bounded_number_of_children() {
    let asked = Asked::new(sampling(0, 2), params(1.0, 5, 3));
    let mut decoder = FakeDecoder::new(4096, 64, 128);
    decoder.n_vocab = 3000;
    let outcomes = asked.outcomes(&mut decoder, &[vec![1, 2, 3]], limits(64, 4096, 8));
    let found = &outcomes[0].answers[0];
    assert_eq!(found.n_rows, 5);
    let (covered, drawn): (Vec<Continuation>, Vec<_>) = found
        .continuations
        .iter()
        .cloned()
        .partition(|continuation| continuation.tail_draw_idx.is_none());
    let n_kept = covered.len() + found.n_open + 4;
    assert_eq!(n_kept, 5 * EnumerationParams::N_CHILDREN_MAX);
    assert_eq!(drawn.len(), 3);
    assert!((sum(&covered) + found.uncovered - 1.0).abs() < 1e-9);
}

/// The cells of a group are counted for the prompts that are in it, not for the first of them.
#[test]
fn a_short_prompt_before_long_ones_does_not_fill_the_cache() {
    let asked = Asked::new(sampling(3, 3), params(0.9, 20, 2));
    let long = (1..=40u32).map(|first| (0..200).map(|at| (first + at) % 40).collect());
    let prompts: Vec<Vec<u32>> = std::iter::once(vec![0]).chain(long).collect();
    let found = asked.enumerate(&prompts, limits(256, 4096, 96));
    assert_eq!(found[0], asked.alone(&prompts[0]));
    assert_eq!(found[40], asked.alone(&prompts[40]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn long_prompts_in_any_company_give_the_same(
        prompts in prop::collection::vec((0u32..40, 0usize..700, 0usize..700), 1..6),
        n_short in 0usize..6,
        max_tokens in 1u32..4,
        n_cells in 64u32..3000,
    ) {
        let short = (0..n_short as u32).map(|id| vec![id]);
        let prompts = prompts.into_iter().map(long_prompt).chain(short);
        let prompts: BTreeSet<Vec<u32>> = prompts.collect();
        let prompts: Vec<Vec<u32>> = prompts.into_iter().collect();
        let asked = Asked::new(sampling(2, max_tokens), params(0.9, 6, 2));
        let found = asked.enumerate(&prompts, limits(32, n_cells, 96));
        for (prompt, found) in prompts.iter().zip(found) {
            prop_assert_eq!(found, asked.alone(prompt));
        }
    }
}

proptest! {
    #[test]
    fn any_company_and_any_context_give_the_same(
        prompts in prop::collection::btree_set(prop::collection::vec(0u32..4, 1..6), 1..7),
        top_k in prop::sample::select(vec![0u32, 2, 5]),
        max_tokens in 1u32..6,
        coverage in prop::sample::select(vec![0.3, 0.8, 0.95, 1.0]),
        max_rows in 1u32..60,
        n_tail_draws in 0u32..5,
        n_seqs in 6u32..64,
        n_cells in 64u32..600,
        n_prompts in 1usize..9,
    ) {
        let prompts: Vec<Vec<u32>> = prompts.into_iter().collect();
        let asked = Asked::new(sampling(top_k, max_tokens), params(coverage, max_rows, n_tail_draws));
        let found = asked.enumerate(&prompts, limits(n_seqs, n_cells, n_prompts));
        for (prompt, found) in prompts.iter().zip(found) {
            prop_assert_eq!(found, asked.alone(prompt));
        }
    }
}
