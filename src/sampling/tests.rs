//! Tests of drawing: against transformers, against the definition written out plainly, and of the numbers drawn.
//!
//! Owns the comparison with `tests/data/sampling-transformers.json`, whose `source` says how it was computed, and
//! the properties that hold for every row. Rows of two lengths are drawn from: shorter and longer than what the
//! code under test reads at a time.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;

use super::philox::philox4x32;
use super::{AllowedTokens, Distribution, DrawKey, SamplingError, distribution, uniform};
use crate::digest::Digest;
use crate::generation::{DrawMethod, SamplingParams, StopRule};

/// transformers divides by the temperature in f32. A score below 32 is rounded by at most 2^-20, and so are the scores
/// that its probability is normalised by: together 2 * 2^-20 = 1.9e-6 of the probability.
const TRANSFORMERS_RELATIVE: f64 = 2e-6;
/// Between two ways to sum up at most 200,000 probabilities in f64, each computed to about 1e-15 of itself.
const SUMMATION: f64 = 1e-10;
/// The tolerance documented for `raw_logprob`, whose terms are added up in f32: about 1e-6.
const RAW_LOGPROB: f64 = 3e-6;
/// More nats below the most probable token than this and a token may be left out.
const NEGLIGIBLE_NATS_MIN: f64 = 36.0;

fn neutral() -> SamplingParams {
    SamplingParams {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        max_tokens: 1,
        stop: StopRule::None,
        draws: DrawMethod::GumbelMax,
    }
}

fn kept(distribution: &Distribution<'_>) -> Vec<u32> {
    let probabilities = distribution.probabilities();
    probabilities.map(|(token, _)| token).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    source: String,
    cases: Vec<ReferenceCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceCase {
    name: String,
    logits: Vec<f32>,
    seen: Vec<u32>,
    temperature: f64,
    top_k: u32,
    top_p: f64,
    min_p: f64,
    repetition_penalty: f64,
    /// The tokens left, by id.
    tokens: Vec<u32>,
    probabilities: Vec<f64>,
}

impl ReferenceCase {
    fn check(&self) {
        let params = SamplingParams {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            ..neutral()
        };
        let allowed = AllowedTokens::all(self.logits.len());
        let distribution = distribution(&self.logits, &allowed, &self.seen, &params).unwrap();
        assert_eq!(kept(&distribution), self.tokens, "{}", self.name);
        for ((token, found), &expected) in distribution.probabilities().zip(&self.probabilities) {
            assert!(
                (found - expected).abs() <= TRANSFORMERS_RELATIVE * expected,
                "{}, token {token}: {found:e} instead of {expected:e}",
                self.name
            );
        }
    }
}

#[test]
fn transformers_gives_the_same() {
    let text = include_str!("../../tests/data/sampling-transformers.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    assert!(reference.source.contains("transformers 5."));
    assert_eq!(reference.cases.len(), 21);
    for case in &reference.cases {
        case.check();
    }
}

/// The tokens kept of a row.
fn check_kept(logits: &[f32], params: &SamplingParams, expected: &[u32]) {
    let allowed = AllowedTokens::all(logits.len());
    let distribution = distribution(logits, &allowed, &[], params).unwrap();
    assert_eq!(kept(&distribution), expected, "{logits:?}, {params:?}");
}

/// transformers keeps all that equal the last of top-k, and for top-p leaves open which of equals goes first
/// (`torch.sort` without `stable`); here the one with the lower id stays.
#[test]
fn equals_are_kept_or_go_by_id() {
    let greedy = SamplingParams {
        temperature: 0.0,
        ..neutral()
    };
    let top_k = |top_k| SamplingParams { top_k, ..neutral() };
    let top_p = |top_p| SamplingParams { top_p, ..neutral() };
    check_kept(&[1.0, 3.0, 2.0, 3.0], &greedy, &[1]);
    check_kept(&[1.0, 3.0, 2.0, 3.0], &top_k(1), &[1, 3]);
    check_kept(&[1.0, 3.0, 1.0, 3.0, 0.0], &top_k(3), &[0, 1, 2, 3]);
    // All dropped together may have just 1 - top_p.
    check_kept(&[0.0; 4], &top_p(0.75), &[0, 1, 2]);
    check_kept(&[0.0; 4], &top_p(0.5), &[0, 1]);
    check_kept(&[0.0; 4], &top_p(0.51), &[0, 1, 2]);
    check_kept(&[0.0; 4], &top_p(1e-9), &[0]);
    // 1 - top_p is 1.
    check_kept(&[0.0; 4], &top_p(1e-17), &[0]);
    check_kept(&[0.0, 9.0, 9.0, 0.0], &top_p(0.3), &[1]);
    let min_p = SamplingParams {
        min_p: 0.999,
        ..neutral()
    };
    check_kept(&[0.0, 2.0, 1.99, 2.0], &min_p, &[1, 3]);
}

/// Candidates are chosen by score before min-p looks at weights: neither may cut off what the other would keep.
#[test]
fn min_p_cuts_where_it_says() {
    let share = (-1.0_f64).exp();
    for (shift, expected) in [(-5e-7, &[0, 1][..]), (5e-7, &[0][..])] {
        let params = SamplingParams {
            min_p: share * (1.0 + shift),
            ..neutral()
        };
        check_kept(&[0.0, -1.0, -2.0], &params, expected);
    }
}

#[test]
fn a_share_holds_its_lower_end_only() {
    let distribution = distribution(&[2.0; 4], &AllowedTokens::all(4), &[], &neutral()).unwrap();
    let below_1 = 1.0 - f64::EPSILON / 2.0;
    for (u, expected) in [(0.0, 0), (0.25, 1), (0.5, 2), (0.75, 3), (below_1, 3)] {
        assert_eq!(distribution.at(u), expected, "{u}");
    }
}

#[test]
fn a_temperature_near_0_is_as_good_as_0() {
    for temperature in [0.0, f64::MIN_POSITIVE, 1e-100, 1e-9] {
        let params = SamplingParams {
            temperature,
            ..neutral()
        };
        check_kept(&[-3.0, 4.0, 3.999, f32::MIN, 0.0], &params, &[1]);
        check_kept(&[f32::MIN], &params, &[0]);
    }
}

#[test]
fn a_temperature_beyond_all_bounds_keeps_all() {
    for temperature in [1e6, 1e38, 1e300, f64::MAX] {
        let params = SamplingParams {
            temperature,
            ..neutral()
        };
        check_kept(&[-100.0, 4.0, -3.0, 90.0], &params, &[0, 1, 2, 3]);
    }
}

#[test]
fn a_damaged_row_is_refused() {
    let allowed = AllowedTokens::all(3);
    for (at, bad) in [(0, f32::NAN), (2, f32::INFINITY), (3, f32::NEG_INFINITY)] {
        // The fourth is padding: it may not be drawn and must be finite all the same.
        let mut logits = [0.0, 1.0, 2.0, 3.0];
        logits[at] = bad;
        let error = distribution(&logits, &allowed, &[], &neutral()).unwrap_err();
        let SamplingError::NotFinite(found) = error else {
            panic!("{error:?}");
        };
        assert_eq!(found.to_bits(), bad.to_bits());
    }
}

#[test]
fn a_row_without_a_token_to_draw_is_refused() {
    for temperature in [0.0, 1.0] {
        let params = SamplingParams {
            temperature,
            ..neutral()
        };
        for allowed in [
            AllowedTokens::all(0),
            AllowedTokens::without(2, vec![0, 1, 7]),
        ] {
            let error = distribution(&[1.0, 2.0, 3.0], &allowed, &[], &params).unwrap_err();
            assert_eq!(error, SamplingError::NoToken);
        }
    }
}

/// A row with all that a distribution depends on.
#[derive(Debug, Clone)]
struct Input {
    logits: Vec<f32>,
    n_tokens: usize,
    excluded: Vec<u32>,
    seen: Vec<u32>,
    params: SamplingParams,
}

impl Input {
    /// `None` where no token may be drawn.
    fn distribution(&self) -> Option<Distribution<'_>> {
        let allowed = AllowedTokens::without(self.n_tokens, self.excluded.clone());
        match distribution(&self.logits, &allowed, &self.seen, &self.params) {
            Ok(distribution) => Some(distribution),
            Err(SamplingError::NoToken) => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn is_allowed(&self, token: u32) -> bool {
        (token as usize) < self.n_tokens && !self.excluded.contains(&token)
    }

    /// The definition in the plainest words: every token that may be drawn with its probability, the most probable first.
    fn plain(&self) -> Vec<(u32, f64)> {
        let penalty = self.params.repetition_penalty as f32;
        let score = |token: u32, logit: f32| match (self.seen.contains(&token), logit < 0.0) {
            (false, _) => logit,
            (true, true) => logit * penalty,
            (true, false) => logit / penalty,
        };
        let scores = (0u32..).zip(&self.logits);
        let mut left: Vec<(u32, f64)> = scores
            .filter(|&(token, _)| self.is_allowed(token))
            .map(|(token, &logit)| (token, f64::from(score(token, logit))))
            .collect();
        left.sort_by(|a, b| b.1.total_cmp(&a.1));
        let Some(&(_, max)) = left.first() else {
            return left;
        };
        if self.params.temperature == 0.0 {
            return vec![(left[0].0, 1.0)];
        }
        for (_, score) in &mut left {
            *score = ((*score - max) / self.params.temperature).exp();
        }
        if let Some(&(_, smallest)) = left.get((self.params.top_k as usize).wrapping_sub(1)) {
            left.retain(|&(_, weight)| weight >= smallest);
        }
        let total: f64 = left.iter().map(|&(_, weight)| weight).sum();
        let mut rest = 0.0;
        while left.len() > 1 && self.params.top_p < 1.0 {
            rest += left[left.len() - 1].1;
            if rest > (1.0 - self.params.top_p) * total {
                break;
            }
            left.pop();
        }
        left.retain(|&(_, weight)| weight >= self.params.min_p);
        let total: f64 = left.iter().map(|&(_, weight)| weight).sum();
        left.iter()
            .map(|&(token, weight)| (token, weight / total))
            .collect()
    }
}

/// Checks that an input's distribution is the plain one, but for tokens that are too improbable to matter.
fn check_definition(input: &Input) {
    let mut expected = input.plain();
    let Some(distribution) = input.distribution() else {
        assert!(expected.is_empty(), "{input:?}");
        return;
    };
    let found: Vec<(u32, f64)> = distribution.probabilities().collect();
    assert!(found.is_sorted_by(|a, b| a.0 < b.0), "not by id: {found:?}");
    let total: f64 = found.iter().map(|&(_, probability)| probability).sum();
    assert!((total - 1.0).abs() <= SUMMATION, "the sum is {total}");
    let negligible = (-NEGLIGIBLE_NATS_MIN).exp() * expected[0].1;
    expected.sort_by_key(|&(token, _)| token);
    let mut found = found.into_iter().peekable();
    for (token, probability) in expected {
        let Some((_, found)) = found.next_if(|&(found, _)| found == token) else {
            assert!(probability <= negligible, "{token} is missing");
            continue;
        };
        assert!((found - probability).abs() <= SUMMATION, "token {token}");
    }
    assert_eq!(found.next(), None, "found beyond what is expected");
}

/// Logits that are multiples of a unit, so that long rows have ties; with the large unit most are negligible.
fn logits() -> impl Strategy<Value = Vec<f32>> {
    let n_tokens = prop_oneof![1..80_usize, 1000..2600_usize];
    let multiples = n_tokens.prop_flat_map(|n_tokens| vec(-1000..1000_i32, n_tokens));
    (multiples, select(vec![0.003_f32, 0.02, 0.25])).prop_map(|(multiples, unit)| {
        let logits = multiples.iter().map(|&multiple| multiple as f32 * unit);
        logits.collect()
    })
}

fn params() -> impl Strategy<Value = SamplingParams> {
    let temperature = prop_oneof![1 => Just(0.0), 2 => Just(1.0), 6 => 0.05..3.0];
    let top_k = prop_oneof![Just(0), 1..60_u32];
    let top_p = prop_oneof![Just(1.0), 0.01..1.0];
    let min_p = prop_oneof![Just(0.0), 0.0..0.5];
    let repetition_penalty = prop_oneof![Just(1.0), 0.6..1.6];
    (temperature, top_k, top_p, min_p, repetition_penalty).prop_map(
        |(temperature, top_k, top_p, min_p, repetition_penalty)| SamplingParams {
            temperature,
            top_k,
            top_p,
            min_p,
            repetition_penalty,
            ..neutral()
        },
    )
}

/// Some tokens seen and excluded do not exist, as with a prompt of added tokens or a padded vocabulary.
fn input() -> impl Strategy<Value = Input> {
    (logits(), params(), 0..20_usize).prop_flat_map(|(logits, params, n_padding)| {
        let n_tokens = logits.len().saturating_sub(n_padding).max(1);
        let token = 0..logits.len() as u32 + 10;
        let tokens = (vec(token.clone(), 0..40), vec(token, 0..10));
        tokens.prop_map(move |(seen, excluded)| Input {
            logits: logits.clone(),
            n_tokens,
            excluded,
            seen,
            params: params.clone(),
        })
    })
}

proptest! {
    #[test]
    fn the_distribution_is_the_plain_one(input in input()) {
        check_definition(&input);
    }

    #[test]
    fn a_draw_is_a_token_that_is_left(input in input(), numerators in vec(0..1_u64 << 53, 20)) {
        let Some(distribution) = input.distribution() else {
            return Ok(());
        };
        let kept = kept(&distribution);
        for numerator in numerators.into_iter().chain([0, (1 << 53) - 1]) {
            let token = distribution.at(numerator as f64 / (1_u64 << 53) as f64);
            prop_assert!(kept.binary_search(&token).is_ok());
            prop_assert!(input.is_allowed(token));
        }
    }

    #[test]
    fn a_token_has_its_share_in_the_order_of_ids(input in input()) {
        let Some(distribution) = input.distribution() else {
            return Ok(());
        };
        let mut before = 0.0;
        for (token, probability) in distribution.probabilities() {
            if probability > 4.0 * SUMMATION {
                for within in [0.25, 0.5, 0.75] {
                    prop_assert_eq!(distribution.at(before + within * probability), token);
                }
            }
            before += probability;
        }
    }

    #[test]
    fn the_order_of_seen_tokens_changes_nothing(
        (input, shuffled) in input().prop_flat_map(|input| {
            let seen = input.seen.clone();
            (Just(input), Just(seen).prop_shuffle())
        }),
    ) {
        let other = Input { seen: shuffled, ..input.clone() };
        let (Some(one), Some(other)) = (input.distribution(), other.distribution()) else {
            return Ok(());
        };
        prop_assert!(one.probabilities().eq(other.probabilities()));
    }

    #[test]
    fn raw_logprob_is_the_log_softmax_of_the_logits(input in input()) {
        let Some(distribution) = input.distribution() else {
            return Ok(());
        };
        check_raw_logprobs(&distribution, &input.logits);
    }

    #[test]
    fn uniform_is_in_its_interval_and_on_its_grid(
        seed: u64, prompt: [u8; 32], repeat_idx: u32, token_idx: u32,
    ) {
        let prompt = Digest::from_bytes(prompt);
        let u = uniform(&DrawKey { seed, prompt, repeat_idx, token_idx });
        prop_assert!((0.0..1.0).contains(&u));
        prop_assert_eq!((u * (1_u64 << 53) as f64).fract(), 0.0);
    }
}

fn check_raw_logprobs(distribution: &Distribution<'_>, logits: &[f32]) {
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let terms = logits.iter().map(|&logit| (f64::from(logit) - max).exp());
    let log_sum = max + terms.sum::<f64>().ln();
    for (token, &logit) in (0u32..).zip(logits) {
        let expected = f64::from(logit) - log_sum;
        let found = distribution.raw_logprob(token);
        // Half the spacing of f32 comes on top: logits lie up to 500 nats apart.
        let tolerance = RAW_LOGPROB + expected.abs() * f64::from(f32::EPSILON);
        assert!(
            found <= 0.0 && (f64::from(found) - expected).abs() <= tolerance,
            "token {token}: {found:e} instead of {expected:e}"
        );
    }
    let n_tokens = logits.len() as u32;
    assert_eq!(distribution.raw_logprob(n_tokens), f32::NEG_INFINITY);
}

/// A row as long as a real one: roughly normal with standard deviation 3, and a few tokens that stand out.
fn long_row() -> Vec<f32> {
    let bulk = (0..151_936_u32).map(|token| {
        let words = philox4x32([token, 0, 0, 0], [1, 0]);
        let sum: f64 = words.iter().map(|&word| f64::from(word)).sum();
        ((sum / f64::from(u32::MAX) - 2.0) * 3.0 * 3_f64.sqrt()) as f32
    });
    let mut logits: Vec<f32> = bulk.collect();
    for (token, logit) in [
        (11, 14.5),
        (70_000, 16.0),
        (70_001, 15.0),
        (151_000, 14.5),
        (151_935, 18.0),
    ] {
        logits[token] = logit;
    }
    logits
}

#[test]
fn a_long_row_gives_the_plain_distribution() {
    let cutoffs = [
        (0.0, 0, 1.0, 0.0),
        (0.5, 0, 1.0, 0.0),
        (0.5, 20, 0.8, 0.0),
        (1.0, 0, 0.9, 0.0),
        (1.0, 3000, 0.95, 0.0),
        (2.0, 0, 1.0, 0.05),
    ];
    for (temperature, top_k, top_p, min_p) in cutoffs {
        let input = Input {
            logits: long_row(),
            n_tokens: 151_669,
            excluded: vec![3, 151_000],
            seen: vec![70_000, 11, 0, 70_000],
            params: SamplingParams {
                temperature,
                top_k,
                top_p,
                min_p,
                repetition_penalty: 1.1,
                ..neutral()
            },
        };
        check_definition(&input);
    }
    let logits = long_row();
    let allowed = AllowedTokens::all(logits.len());
    check_raw_logprobs(
        &distribution(&logits, &allowed, &[], &neutral()).unwrap(),
        &logits,
    );
}

/// The known answers of Random123 1.14 (see `philox`), whose counter and key are the fields of a `DrawKey` here.
#[test]
fn uniform_is_made_of_two_words_of_philox() {
    let key = |counter: [u32; 4], seed| {
        let mut prompt = [0; 32];
        prompt[..4].copy_from_slice(&counter[2].to_le_bytes());
        prompt[4..8].copy_from_slice(&counter[3].to_le_bytes());
        DrawKey {
            seed,
            prompt: Digest::from_bytes(prompt),
            repeat_idx: counter[1],
            token_idx: counter[0],
        }
    };
    let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
    let cases = [
        (key([0; 4], 0), 0xe169_c58d_6627_e8d5_u64),
        (key([u32::MAX; 4], u64::MAX), 0x41c8_3b0e_408f_276d),
        (key(pi, 0x299f_31d0_a409_3822), 0x94fd_cceb_d16c_fe09),
    ];
    for (key, words) in cases {
        let expected = (words >> 11) as f64 / (1_u64 << 53) as f64;
        assert_eq!(uniform(&key), expected, "{key:?}");
    }
}

#[test]
fn uniform_differs_by_every_field_of_its_key() {
    let key = DrawKey {
        seed: 1,
        prompt: Digest::from_bytes([7; 32]),
        repeat_idx: 1,
        token_idx: 1,
    };
    let with_byte = |byte_idx: usize| {
        let mut prompt = [7; 32];
        prompt[byte_idx] = 8;
        let prompt = Digest::from_bytes(prompt);
        DrawKey { prompt, ..key }
    };
    let mut keys = vec![key];
    keys.extend((0..64).map(|bit| DrawKey {
        seed: key.seed ^ 1 << bit,
        ..key
    }));
    keys.extend((0..8).map(with_byte));
    keys.extend((2..200).map(|repeat_idx| DrawKey { repeat_idx, ..key }));
    keys.extend((2..200).map(|token_idx| DrawKey { token_idx, ..key }));
    let mut numbers: Vec<u64> = keys.iter().map(|key| uniform(key).to_bits()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), keys.len());
}

/// DrawMethod from 12 tokens with these keys and checks Pearson's chi-squared against its 0.999 quantile.
///
/// The keys are fixed, so the outcome is too; quantile from `scipy.stats.chi2.ppf(0.999, 11)`, scipy 1.17.1.
fn check_frequencies(name: &str, key: impl Fn(u32) -> DrawKey) {
    const N_DRAWS: u32 = 20_000;
    const CHI_SQUARED_MAX: f64 = 31.264;
    let logits: Vec<f32> = (0..12_u8)
        .map(|token| f32::from(token * 5 % 12) / 6.0)
        .collect();
    let params = SamplingParams {
        temperature: 0.5,
        ..neutral()
    };
    let distribution = distribution(&logits, &AllowedTokens::all(12), &[], &params).unwrap();
    for draws in DrawMethod::ALL {
        let mut counts = [0_u32; 12];
        for draw_idx in 0..N_DRAWS {
            counts[distribution.draw(draws, &key(draw_idx)) as usize] += 1;
        }
        let terms = distribution.probabilities().map(|(token, probability)| {
            let expected = probability * f64::from(N_DRAWS);
            assert!(expected > 5.0, "too few for the approximation");
            (f64::from(counts[token as usize]) - expected).powi(2) / expected
        });
        let chi_squared: f64 = terms.sum();
        let name = format!("{}, {name}", draws.as_str());
        assert!(
            chi_squared <= CHI_SQUARED_MAX,
            "{name}: {chi_squared}, {counts:?}"
        );
    }
}

#[test]
fn tokens_are_drawn_as_often_as_their_probabilities_say() {
    let key = DrawKey {
        seed: 1,
        prompt: Digest::of(b"prompt"),
        repeat_idx: 0,
        token_idx: 0,
    };
    check_frequencies("repeats", |repeat_idx| DrawKey { repeat_idx, ..key });
    check_frequencies("tokens", |token_idx| DrawKey { token_idx, ..key });
    check_frequencies("seeds", |seed| DrawKey {
        seed: seed.into(),
        ..key
    });
    check_frequencies("prompts", |number| DrawKey {
        prompt: Digest::of(&number.to_le_bytes()),
        ..key
    });
}
