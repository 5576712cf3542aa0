//! Tests of Gumbel-max draws: the numbers of tokens, the race against all candidates, independence and coupling.
//!
//! How often a token is drawn is tested with the other draws.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::digest::Digest;
use crate::generation::DrawMethod;
use crate::sampling::philox::philox4x32;
use crate::sampling::uniform;

fn key(seed: u64, repeat_idx: u32) -> DrawKey {
    DrawKey {
        seed,
        prompt: Digest::of(b"prompt"),
        repeat_idx,
        token_idx: 0,
    }
}

fn candidates(weights: &[f64]) -> Vec<Candidate> {
    let tokens = (0u32..).zip(weights);
    tokens
        .map(|(token, &weight)| Candidate { token, weight })
        .collect()
}

/// The race written out plainly: every token with its time.
fn plain(candidates: &[Candidate], key: &DrawKey) -> u32 {
    let numbers = Numbers::new(key);
    let time = |it: &Candidate| exponential(numbers.of([it.token])[0]) / it.weight;
    let first = candidates.iter().min_by(|a, b| time(a).total_cmp(&time(b)));
    first.unwrap().token
}

proptest! {
    #[test]
    fn a_draw_is_the_first_of_all_candidates(
        logits in btree_map(0..200_000_u32, -36.0..0.0, 1..400),
        seed: u64, repeat_idx: u32,
    ) {
        let candidates = logits.into_iter().map(|(token, logit): (u32, f64)| Candidate {
            token,
            weight: logit.exp(),
        });
        let candidates: Vec<Candidate> = candidates.collect();
        let key = key(seed, repeat_idx);
        prop_assert_eq!(first(&candidates, &key), plain(&candidates, &key));
    }

    #[test]
    fn numbers_are_within_0_and_1(seed: u64, repeat_idx: u32, token: u32) {
        let [v] = Numbers::new(&key(seed, repeat_idx)).of([token]);
        prop_assert!(v > 0.0 && v < 1.0);
        prop_assert!(exponential(v) >= v && exponential(v).is_finite());
    }

    #[test]
    fn what_others_weigh_does_not_change_which_of_two_comes_first(
        weights in vec(1e-6..1.0, 3..50), seed: u64, factor in 0.0..1.0,
    ) {
        let key = key(seed, 0);
        let drawn = first(&candidates(&weights), &key);
        let lighter: Vec<f64> = weights
            .iter()
            .zip(0u32..)
            .map(|(weight, token)| if token == drawn { *weight } else { weight * factor })
            .collect();
        prop_assert_eq!(first(&candidates(&lighter), &key), drawn);
    }
}

/// Both ends of the grid: `v` is not 0 for the lowest bits and not 1 for the highest.
#[test]
fn the_ends_of_the_grid_are_finite_times() {
    assert_eq!(number(0), 2_f64.powi(-65));
    assert_eq!(exponential(number(0)), 2_f64.powi(-65));
    assert_eq!(number(u64::MAX), BELOW_1);
    let longest = exponential(number(u64::MAX));
    assert!((longest - 53.0 * 2_f64.ln()).abs() < 1e-12, "{longest}");
}

/// Computed by a program of its own in Python, with `math.log1p`. Other draws are another method: what is stored would not
/// be made again.
#[test]
fn draws_stay_as_they_are() {
    let weights: Vec<f64> = (0..1000_u32)
        .map(|token| (-f64::from(token * 7 % 1000) / 40.0).exp())
        .collect();
    let candidates = candidates(&weights);
    let drawn: Vec<u32> = (0..12)
        .map(|repeat_idx| first(&candidates, &key(1, repeat_idx)))
        .collect();
    assert_eq!(
        drawn,
        [4, 715, 861, 717, 858, 287, 573, 862, 580, 286, 145, 311]
    );
    let numbers = Numbers::new(&key(1, 0));
    let found = numbers.of([0, 1, 151_935]);
    assert_eq!(
        found,
        [0.8326144195201313, 0.2515568746735431, 0.912065462107387]
    );
}

/// The token of one draw says nothing about that of another: repeats, token indices, prompts and seeds.
///
/// Pearson's chi-squared of pairs of draws from four tokens against the product of their probabilities; the keys are
/// fixed, so the outcome is too. 0.999 quantile of 15 degrees of freedom, `scipy.stats.chi2.ppf(0.999, 15)`, scipy 1.17.1.
#[test]
fn draws_are_independent_of_each_other() {
    const N_DRAWS: u32 = 20_000;
    const CHI_SQUARED_MAX: f64 = 37.697;
    let probabilities = [0.4, 0.3, 0.2, 0.1];
    let candidates = candidates(&probabilities);
    type Other = fn(DrawKey) -> DrawKey;
    let others: [(&str, Other); 4] = [
        ("repeats", |key| DrawKey {
            repeat_idx: key.repeat_idx ^ 1,
            ..key
        }),
        ("tokens", |key| DrawKey {
            token_idx: key.token_idx + 1,
            ..key
        }),
        ("prompts", |key| DrawKey {
            prompt: Digest::of(b"control"),
            ..key
        }),
        ("seeds", |key| DrawKey {
            seed: key.seed + 1,
            ..key
        }),
    ];
    for (name, other) in others {
        let mut counts = [[0_u32; 4]; 4];
        for draw_idx in 0..N_DRAWS {
            // Both repeats of a pair are looked at once.
            let key = key(3, 2 * draw_idx);
            let (one, two) = (first(&candidates, &key), first(&candidates, &other(key)));
            counts[one as usize][two as usize] += 1;
        }
        let terms = (0..16).map(|cell| {
            let (one, two) = (cell / 4, cell % 4);
            let expected = probabilities[one] * probabilities[two] * f64::from(N_DRAWS);
            (f64::from(counts[one][two]) - expected).powi(2) / expected
        });
        let chi_squared: f64 = terms.sum();
        assert!(chi_squared <= CHI_SQUARED_MAX, "{name}: {chi_squared}");
    }
}

/// A made-up row and one that differs from it by noise of this standard deviation, as weights.
fn neighbours(row: u32, noise: f64) -> [Vec<Candidate>; 2] {
    let normal = |idx: u32| {
        let words = philox4x32([idx, row, 0, 0], [7, 0]);
        let sum: f64 = words.iter().map(|&word| f64::from(word)).sum();
        (sum / f64::from(u32::MAX) - 2.0) * 3_f64.sqrt()
    };
    let base: Vec<f64> = (0..50).map(|token| 4.0 * normal(token)).collect();
    let other = base
        .iter()
        .zip(50..)
        .map(|(logit, idx)| logit + noise * normal(idx));
    let other: Vec<f64> = other.collect();
    [base, other].map(|logits| {
        let weights = logits.iter().map(|logit| logit.exp());
        let total: f64 = weights.clone().sum();
        candidates(&weights.map(|weight| weight / total).collect::<Vec<_>>())
    })
}

/// How often two distributions draw the same token: by the race, and by one number in both cumulative distributions.
fn agreements(noise: f64) -> (f64, [f64; 2], f64) {
    const N_ROWS: u32 = 100;
    const N_DRAWS: u32 = 100;
    let (mut divergence, mut n_equal, mut expected) = (0.0, [0_u32; 2], 0.0);
    for row in 0..N_ROWS {
        let sides = neighbours(row, noise);
        let [p, q] = sides.each_ref();
        let both = || p.iter().zip(q).map(|(p, q)| (p.weight, q.weight));
        divergence += both().map(|(p, q)| p * (p / q).ln()).sum::<f64>();
        // Token i is drawn on both sides where none comes before it on either: probability
        // 1 / sum_j max(p_j / p_i, q_j / q_i). (Daliri, Musco and Suresh, arXiv 2408.07978.)
        let same =
            |(pi, qi): (f64, f64)| 1.0 / both().map(|(p, q)| (p / pi).max(q / qi)).sum::<f64>();
        expected += both().map(same).sum::<f64>();
        for draw_idx in 0..N_DRAWS {
            let key = DrawKey {
                token_idx: row,
                ..key(1, draw_idx)
            };
            for (way, n_equal) in DrawMethod::ALL.into_iter().zip(&mut n_equal) {
                let [one, two] = sides.each_ref().map(|side| draw(side, way, &key));
                *n_equal += u32::from(one == two);
            }
        }
    }
    let n_draws = f64::from(N_ROWS * N_DRAWS);
    let n_rows = f64::from(N_ROWS);
    (
        divergence / n_rows,
        n_equal.map(|n| f64::from(n) / n_draws),
        expected / n_rows,
    )
}

fn draw(candidates: &[Candidate], way: DrawMethod, key: &DrawKey) -> u32 {
    match way {
        DrawMethod::GumbelMax => first(candidates, key),
        DrawMethod::InverseCdf => {
            let u = uniform(key);
            let mut sum = 0.0;
            let holds = |it: &&Candidate| {
                sum += it.weight;
                sum > u
            };
            candidates.iter().find(holds).map_or(49, |it| it.token)
        }
    }
}

/// Rows that are about as far apart as neighbouring quantizations of a model: with numbers of their own, tokens are the
/// same in about 0.89, 0.77 and 0.67 of the draws, with one number in about 0.78, 0.67 and 0.58.
#[test]
fn similar_distributions_draw_the_same_token_more_often() {
    for (noise, divergence, coupled, shared) in [
        (0.4, 0.04, 0.89, 0.81),
        (0.8, 0.17, 0.77, 0.69),
        (1.45, 0.46, 0.66, 0.58),
    ] {
        let (found_divergence, [gumbel_max, inverse_cdf], expected) = agreements(noise);
        let found = format!("{found_divergence} nats: {gumbel_max}, {inverse_cdf}, {expected}");
        assert!((found_divergence / divergence - 1.0).abs() < 0.2, "{found}");
        assert!((gumbel_max - expected).abs() < 0.012, "{found}");
        assert!((gumbel_max - coupled).abs() < 0.03, "{found}");
        assert!((inverse_cdf - shared).abs() < 0.04, "{found}");
        assert!(gumbel_max - inverse_cdf > 0.06, "{found}");
    }
}
