//! The self-check: does a prompt's logits row depend on what is evaluated beside it, here and with this model?
//!
//! Owns the measurement, made before each run on prompts of the run itself, and which of them it takes. It promises
//! nothing: the level it finds is recorded and shown.

use std::fmt;

use super::batch::{Batcher, FIRST_FREE, Schedule};
use super::budget::{N_CHECK_STEPS, checked_prompts};
use super::trie::prefill_rows;
use super::{Decoder, EngineError, Row, SeqId};
use crate::digest::Digest;
use crate::sampling::check_finite;

/// Tokens behind the digest of logits: all but the last fill one batch without outputs.
const N_DIGEST_TOKENS: usize = 16;
/// Steps after them. Each takes as long as a batch filled up with padding, and every run waits for it.
const N_DIGEST_STEPS: usize = 1;
/// The digest of logits begins with this: another value wherever something else is evaluated for it.
const DIGEST_VERSION: &[u8] = b"seep logits 1\n";

/// How far a generation is independent of its neighbours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Determinism {
    /// Every logit had the same bits in every arrangement.
    Bitwise,
    /// Logits differed by at most this much.
    Within(f32),
}

impl fmt::Display for Determinism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bitwise => f.write_str("bitwise"),
            Self::Within(difference) => write!(f, "within {difference:.1e}"),
        }
    }
}

/// The result of a self-check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelfCheck {
    /// The level.
    pub determinism: Determinism,
    /// Logits rows compared.
    pub n_rows: usize,
    /// Names the arithmetic with this model file and schedule: the hash of the bits of logits that follow a few fixed
    /// tokens, on one thread. Equal digests mean equal arithmetic, whatever the processor is called. Neither the run's
    /// prompts nor the size of its context are in it.
    pub logits_digest: Digest,
}

/// Makes a decoder for a number of threads; the self-check compares several.
pub type MakeDecoder<'a> = dyn FnMut(u32) -> Result<Box<dyn Decoder + 'a>, EngineError> + 'a;

/// Evaluates some of a run's prompts together, in another company, alone, and alone on one thread, and compares the
/// logits bit by bit.
///
/// `prompts` are those of the run, in any order, at least one of them; the decoders have `n_cells` cells, at least those
/// of [`GroupLimits::for_generations`](super::GroupLimits::for_generations).
///
/// # Errors
/// An error of the decoder.
pub fn self_check(
    prompts: &[&[u32]],
    schedule: Schedule,
    n_cells: u32,
    n_threads: u32,
    make_decoder: &mut MakeDecoder<'_>,
) -> Result<SelfCheck, EngineError> {
    let prompts = &checked_prompts(prompts, schedule, n_cells)[..];
    let mut decoder = make_decoder(n_threads)?;
    let together = observe(decoder.as_mut(), schedule, prompts, N_CHECK_STEPS)?;
    let mut largest = LargestDifference::default();
    let half = &prompts[..prompts.len().div_ceil(2)];
    for (row, reference) in observe(decoder.as_mut(), schedule, half, N_CHECK_STEPS)?
        .iter()
        .zip(&together)
    {
        largest.compare(row, reference);
    }
    let last = prompts.len() - 1;
    let alone = observe(decoder.as_mut(), schedule, &prompts[last..], N_CHECK_STEPS)?;
    largest.compare(&alone[0], &together[last]);
    drop(decoder);
    let mut single_threaded = make_decoder(1)?;
    // Before any of the run's prompts have been in this cache.
    let logits_digest = logits_digest(single_threaded.as_mut(), schedule, together[0][0].len())?;
    let alone = observe(
        single_threaded.as_mut(),
        schedule,
        &prompts[..1],
        N_CHECK_STEPS,
    )?;
    largest.compare(&alone[0], &together[0]);
    Ok(largest.finish(logits_digest))
}

/// The digest of the logits that follow fixed tokens of a vocabulary of `n_vocab`.
fn logits_digest(
    decoder: &mut dyn Decoder,
    schedule: Schedule,
    n_vocab: usize,
) -> Result<Digest, EngineError> {
    // Spread over the vocabulary: 7919 is a prime.
    let tokens = (1..=N_DIGEST_TOKENS).map(|number| (number * 7919 % n_vocab) as u32);
    let tokens: Vec<u32> = tokens.collect();
    let observed = observe(decoder, schedule, &[&tokens], N_DIGEST_STEPS)?;
    let logits = observed.iter().flatten().flatten();
    let mut bytes = DIGEST_VERSION.to_vec();
    bytes.extend(logits.flat_map(|logit| logit.to_bits().to_le_bytes()));
    Ok(Digest::of(&bytes))
}

/// The largest difference seen so far.
#[derive(Default)]
struct LargestDifference {
    difference: f32,
    n_rows: usize,
    bits_differ: bool,
}

impl LargestDifference {
    fn compare(&mut self, rows: &[Vec<f32>], reference: &[Vec<f32>]) {
        for (row, reference) in rows.iter().zip(reference) {
            self.n_rows += 1;
            for (a, b) in row.iter().zip(reference) {
                if a.to_bits() != b.to_bits() {
                    self.bits_differ = true;
                    self.difference = self.difference.max((a - b).abs());
                }
            }
        }
    }

    fn finish(self, logits_digest: Digest) -> SelfCheck {
        let determinism = if self.bits_differ {
            Determinism::Within(self.difference)
        } else {
            Determinism::Bitwise
        };
        SelfCheck {
            determinism,
            n_rows: self.n_rows,
            logits_digest,
        }
    }
}

/// The logits after each prompt and after each of `n_steps` tokens fed behind it, by prompt and step.
///
/// The tokens fed are the prompt's own first ones: which they are matters not, that they are the same does.
fn observe(
    decoder: &mut dyn Decoder,
    schedule: Schedule,
    prompts: &[&[u32]],
    n_steps: usize,
) -> Result<Vec<Vec<Vec<f32>>>, EngineError> {
    let mut batcher = Batcher::new(decoder, schedule);
    batcher.clear();
    let mut rows = prefill_rows(prompts, FIRST_FREE, 0);
    if schedule.separate_outputs {
        batcher.evaluate_all(&rows, &|| false)?;
        rows.clear();
    }
    let mut observed = vec![Vec::new(); prompts.len()];
    for step in 0..=n_steps {
        rows.extend(
            (FIRST_FREE..)
                .zip(prompts)
                .map(|(seq, prompt)| output_row(seq, prompt, step)),
        );
        for chunk in rows.chunks(schedule.n_rows_max as usize) {
            batcher.evaluate(chunk)?;
            for (row_idx, row) in chunk.iter().enumerate().filter(|(_, row)| row.output) {
                let logits = batcher.logits(row_idx)?;
                // NaN has the same bits whatever stands beside it.
                check_finite(logits)?;
                observed[(row.first_seq - FIRST_FREE) as usize].push(logits.to_vec());
            }
        }
        rows.clear();
    }
    Ok(observed)
}

fn output_row(seq: SeqId, prompt: &[u32], step: usize) -> Row {
    let position = prompt.len() - 1 + step;
    Row {
        token: if step == 0 {
            prompt[position]
        } else {
            prompt[(step - 1) % prompt.len()]
        },
        position: position as u32,
        first_seq: seq,
        n_seqs: 1,
        output: true,
    }
}
