//! Tests of the schedule on the fake decoder: every request ends once, and as if it had been alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::budget::n_cells_alone;
use super::fake::{FakeDecoder, N_VOCAB, logits_after, long_prompt};
use super::{
    Determinism, ForcedTokens, Generator, GroupLimits, Job, Schedule, Vocabulary, self_check,
};
use crate::digest::Digest;
use crate::generation::{
    DrawMethod, Generation, Request, RequestContext, SamplingParams, StopReason, StopRule,
};
use crate::sampling::{self, AllowedTokens, DrawKey};

const EOG: u32 = 0;

fn vocabulary() -> Vocabulary {
    let pieces = (0..N_VOCAB).map(|token| {
        if token == 7 {
            b". x".to_vec()
        } else {
            format!("t{token} ").into_bytes()
        }
    });
    Vocabulary::new(pieces.collect(), &[EOG], AllowedTokens::all(N_VOCAB))
}

fn sampling(temperature: f64, max_tokens: u32) -> SamplingParams {
    SamplingParams {
        temperature,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        max_tokens,
        stop: StopRule::SentenceEnd,
        draws: DrawMethod::GumbelMax,
    }
}

fn requests(prompts: &[Vec<u32>], n_repeats: u32, sampling: &SamplingParams) -> Vec<Request> {
    let context = RequestContext {
        model_sha256: Digest::of(b"model"),
        sampling: sampling.clone(),
        seed: 3,
        schedule: Schedule::STRICT.name(),
    };
    let prompts = prompts.iter().map(|prompt| Arc::from(prompt.as_slice()));
    prompts
        .flat_map(|prompt: Arc<[u32]>| {
            (0..n_repeats)
                .map(move |repeat_idx| (Arc::clone(&prompt), repeat_idx))
                .collect::<Vec<_>>()
        })
        .map(|(prompt, repeat_idx)| context.request(prompt, repeat_idx))
        .collect()
}

/// The result of a plain loop over one request: the definition that the schedule must meet.
fn alone(request: &Request, sampling: &SamplingParams, vocabulary: &Vocabulary) -> Generation {
    let bytes: Vec<u8> = request
        .prompt_tokens
        .iter()
        .flat_map(|token| token.to_le_bytes())
        .collect();
    let mut seen = request.prompt_tokens.to_vec();
    let (mut tokens, mut token_logprobs, mut text) = (Vec::new(), Vec::new(), Vec::new());
    let stop_reason = loop {
        let logits = logits_after(&seen);
        let distribution =
            sampling::distribution(&logits, vocabulary.allowed(), &seen, sampling).unwrap();
        let token = distribution.draw(
            sampling.draws,
            &DrawKey {
                seed: 3,
                prompt: Digest::of(&bytes),
                repeat_idx: request.repeat_idx,
                token_idx: tokens.len() as u32,
            },
        );
        tokens.push(token);
        seen.push(token);
        token_logprobs.push(distribution.raw_logprob(token));
        if token == EOG {
            break StopReason::Eog;
        }
        text.extend_from_slice(vocabulary.piece(token));
        if let Some(mark_idx) = text.iter().position(|&byte| byte == b'.') {
            text.truncate(mark_idx + 1);
            break StopReason::Stop;
        }
        if tokens.len() == sampling.max_tokens as usize {
            break StopReason::MaxTokens;
        }
    };
    Generation {
        request_id: request.id,
        text: String::from_utf8(text).unwrap(),
        tokens,
        token_logprobs,
        stop_reason,
    }
}

fn check(prompts: &[Vec<u32>], n_repeats: u32, max_tokens: u32, limits: GroupLimits) {
    let sampling = sampling(1.0, max_tokens);
    let vocabulary = vocabulary();
    let requests = requests(prompts, n_repeats, &sampling);
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(1);
    let n_cells = limits
        .n_cells
        .max(n_cells_alone(longest, Schedule::STRICT, max_tokens));
    let limits = GroupLimits { n_cells, ..limits };
    let mut decoder = FakeDecoder::new(n_cells as usize, limits.n_seqs, 128);
    let cancel = AtomicBool::new(false);
    let mut generator = Generator::new(
        &mut decoder,
        Job {
            requests: &requests,
            sampling: &sampling,
            seed: 3,
            vocabulary: &vocabulary,
            schedule: Schedule::STRICT,
            limits,
            cancel: &cancel,
            on_progress: &|_| {},
        },
    );
    let mut made = HashMap::new();
    let mut first_tokens = HashMap::new();
    while let Some(outcome) = generator.next_group() {
        assert_eq!(outcome.failed, []);
        for generation in outcome.answers {
            assert!(made.insert(generation.request_id, generation).is_none());
        }
        let next_tokens = outcome.next_tokens.into_iter();
        first_tokens.extend(next_tokens.map(|it| (it.prompt_tokens.to_vec(), it.distribution)));
    }
    assert_eq!(first_tokens.len(), prompts.len());
    for prompt in prompts {
        let expected = sampling::next_token_distribution(&logits_after(prompt), N_VOCAB).unwrap();
        assert_eq!(first_tokens[prompt], expected);
    }
    for request in &requests {
        assert_eq!(
            made.remove(&request.id),
            Some(alone(request, &sampling, &vocabulary))
        );
    }
    assert!(made.is_empty());
    for &(n_rows, n_outputs) in &decoder.batches {
        assert!(n_rows % 8 == 0 && (n_outputs == 0 || n_outputs == n_rows));
    }
}

/// Given the texts that were drawn, the decoder must find them worth what it did when they were drawn.
fn check_forced(prompts: &[Vec<u32>], n_repeats: u32, limits: GroupLimits) {
    let sampling = sampling(1.0, 5);
    let vocabulary = vocabulary();
    let requests = requests(prompts, n_repeats, &sampling);
    let expected: Vec<Generation> = requests
        .iter()
        .map(|request| alone(request, &sampling, &vocabulary))
        .collect();
    let forced: ForcedTokens = expected
        .iter()
        .map(|generation| (generation.request_id, generation.tokens.clone()))
        .collect();
    let mut decoder = FakeDecoder::new(limits.n_cells as usize, limits.n_seqs, 128);
    let cancel = AtomicBool::new(false);
    let job = Job {
        requests: &requests,
        sampling: &sampling,
        // Another seed: nothing is drawn.
        seed: 4,
        vocabulary: &vocabulary,
        schedule: Schedule::STRICT,
        limits,
        cancel: &cancel,
        on_progress: &|_| {},
    };
    let mut generator = Generator::forced(&mut decoder, job, &forced);
    let mut scored = HashMap::new();
    while let Some(outcome) = generator.next_group() {
        assert_eq!(outcome.failed, []);
        let generations = outcome.answers.into_iter();
        scored.extend(generations.map(|it| (it.request_id, (it.tokens, it.token_logprobs))));
    }
    assert_eq!(scored.len(), expected.len());
    for generation in expected {
        let score = (generation.tokens, generation.token_logprobs);
        assert_eq!(scored.remove(&generation.request_id), Some(score));
    }
}

#[test]
fn given_texts_are_worth_what_they_were_when_they_were_drawn() {
    let prompts = [vec![1, 2, 3], vec![1, 2, 3, 4], vec![1, 2], vec![9]];
    check_forced(&prompts, 9, limits(256, 4096, 32));
    check_forced(&prompts, 9, limits(6, 64, 32));
}

fn limits(n_seqs: u32, n_cells: u32, n_prompts: usize) -> GroupLimits {
    GroupLimits {
        n_seqs,
        n_cells,
        n_prompts,
    }
}

#[test]
fn a_prompt_that_begins_another_and_many_repeats() {
    let prompts = [vec![1, 2, 3], vec![1, 2, 3, 4], vec![1, 2], vec![9]];
    check(&prompts, 9, 5, limits(256, 4096, 32));
    check(&prompts, 9, 5, limits(6, 64, 32));
    check(&prompts[..1], 100, 1, limits(40, 64, 32));
}

#[test]
fn a_failed_batch_fails_its_group_only() {
    let sampling = sampling(1.0, 4);
    let vocabulary = vocabulary();
    let requests = requests(&[vec![1, 2, 3], vec![1, 5, 3], vec![1, 6, 3]], 2, &sampling);
    let mut decoder = FakeDecoder::new(512, 64, 128);
    decoder.fail_at = Some(2);
    let cancel = AtomicBool::new(false);
    let job = Job {
        requests: &requests,
        sampling: &sampling,
        seed: 3,
        vocabulary: &vocabulary,
        schedule: Schedule::STRICT,
        limits: limits(64, 512, 1),
        cancel: &cancel,
        on_progress: &|_| {},
    };
    let mut generator = Generator::new(&mut decoder, job);
    let first = generator.next_group().unwrap();
    assert_eq!((first.answers.len(), first.failed.len()), (0, 2));
    assert!(first.failed[0].1.contains("made to fail"));
    let second = generator.next_group().unwrap();
    let expected: Vec<Generation> = requests[2..4]
        .iter()
        .map(|request| alone(request, &sampling, &vocabulary))
        .collect();
    for generation in &expected {
        assert!(second.answers.contains(generation));
    }
    cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(generator.next_group().is_none());
}

/// They were compared bit by bit, and NaN is equal to itself then.
#[test]
fn the_self_check_refuses_logits_that_are_no_numbers() {
    let prompts: [&[u32]; 2] = [&[1, 2, 3], &[1, 2, 4]];
    for effect in [f32::NAN, f32::INFINITY] {
        let check = self_check(&prompts, Schedule::STRICT, 256, 2, &mut |_| {
            let mut decoder = FakeDecoder::new(256, 8, 128);
            decoder.company_effect = effect;
            Ok(Box::new(decoder))
        });
        let said = check.unwrap_err().to_string();
        assert!(
            said.starts_with("the model computes logits that are"),
            "{said}"
        );
    }
}

#[test]
fn the_self_check_sees_rows_that_depend_on_their_neighbours() {
    let prompts: [&[u32]; 3] = [&[1, 2, 3], &[1, 4], &[5, 6, 7, 8]];
    let determinism_with = |company_effect: f32| {
        let check = self_check(&prompts, Schedule::STRICT, 256, 2, &mut |_| {
            let mut decoder = FakeDecoder::new(256, 8, 128);
            decoder.company_effect = company_effect;
            Ok(Box::new(decoder))
        });
        let check = check.unwrap();
        assert_eq!(check.n_rows, 4 * (2 + 1 + 1));
        check.determinism
    };
    assert_eq!(determinism_with(0.0), Determinism::Bitwise);
    assert!(matches!(determinism_with(0.01), Determinism::Within(difference) if difference > 0.01));
}

/// The digest of logits under such a decoder, and with so many threads.
fn logits_digest(prompts: &[&[u32]], n_cells: usize, n_threads: u32, n_vocab: usize) -> Digest {
    let check = self_check(
        prompts,
        Schedule::STRICT,
        n_cells as u32,
        n_threads,
        &mut |_| {
            let mut decoder = FakeDecoder::new(n_cells, 8, 128);
            decoder.n_vocab = n_vocab;
            Ok(Box::new(decoder))
        },
    );
    check.unwrap().logits_digest
}

#[test]
fn the_digest_of_logits_depends_on_the_model_only() {
    let digest = logits_digest(&[&[1, 2, 3], &[1, 4]], 256, 2, N_VOCAB);
    assert_eq!(logits_digest(&[&[5, 6, 7, 8, 9]], 1024, 1, N_VOCAB), digest);
    assert_ne!(
        logits_digest(&[&[1, 2, 3], &[1, 4]], 256, 2, N_VOCAB + 1),
        digest
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn long_prompts_in_any_company_give_what_a_loop_gives(
        prompts in prop::collection::vec((0u32..40, 0usize..700, 0usize..700), 1..6),
        n_short in 0usize..6,
        n_repeats in 1u32..5,
        max_tokens in 1u32..4,
        n_cells in 64u32..3000,
    ) {
        let short = (0..n_short as u32).map(|id| vec![id]);
        let prompts: BTreeSet<Vec<u32>> = prompts.into_iter().map(long_prompt).chain(short).collect();
        let prompts: Vec<Vec<u32>> = prompts.into_iter().collect();
        check(&prompts, n_repeats, max_tokens, limits(32, n_cells, 96));
    }

    #[test]
    fn a_context_for_long_prompts_has_room_for_their_self_check(
        prompts in prop::collection::vec((0u32..40, 0usize..900, 0usize..1500), 1..9),
        max_tokens in 1u32..20,
    ) {
        let prompts: BTreeSet<Vec<u32>> = prompts.into_iter().map(long_prompt).collect();
        let views: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let limits = GroupLimits::for_generations(&views, Schedule::STRICT, max_tokens);
        let longest = views.iter().map(|prompt| prompt.len()).max().unwrap();
        let alone = n_cells_alone(longest, Schedule::STRICT, max_tokens);
        prop_assert!(limits.n_cells <= (2 * alone + 8).max(2048));
        let found = self_check(&views, Schedule::STRICT, limits.n_cells, 2, &mut |_| {
            let decoder = FakeDecoder::new(limits.n_cells as usize, limits.n_seqs, 128);
            Ok(Box::new(decoder))
        });
        prop_assert_eq!(found.unwrap().determinism, Determinism::Bitwise);
    }
}

proptest! {
    #[test]
    fn any_company_gives_what_a_loop_gives(
        prompts in prop::collection::btree_set(prop::collection::vec(0u32..4, 1..6), 1..9),
        n_repeats in 1u32..7,
        max_tokens in 1u32..7,
        n_seqs in 4u32..64,
        n_cells in 64u32..600,
        n_prompts in 1usize..9,
    ) {
        let prompts: Vec<Vec<u32>> = prompts.into_iter().collect();
        check(&prompts, n_repeats, max_tokens, limits(n_seqs, n_cells, n_prompts));
    }
}
