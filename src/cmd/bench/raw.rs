//! The rates of llama.cpp itself on this machine, in llama-bench's terms.
//!
//! Owns the measurement of prompt processing (`pp`) and of decoding (`tg`) at several sequences a batch, with the
//! settings a program without our schedule would choose. Sampling, tokenization and storing are not in it.

use std::time::{Duration, Instant};

use super::figuring::median;
use crate::engine::{Decoder, EngineError, Row, ValueType};
use crate::llama::{DecoderConfig, LlamaDecoder, LlamaError, Model};

/// Tokens of a prompt, as llama-bench's pp128 and pp512.
pub(super) const PROMPT_SIZES: [u32; 2] = [128, 512];
/// Sequences a batch when decoding.
pub(super) const BATCH_SIZES: [u32; 4] = [1, 8, 32, 64];
/// Decoding steps of one measurement.
const N_STEPS: u32 = 16;
/// Measurements of which the median is taken.
const N_ROUNDS: usize = 3;

/// Rates in tokens a second.
#[derive(Debug, Clone)]
pub(super) struct RawRates {
    /// By size of the prompt, as [`PROMPT_SIZES`].
    pub(super) prefill: Vec<(u32, f64)>,
    /// By sequences a batch, as [`BATCH_SIZES`].
    pub(super) decode: Vec<(u32, f64)>,
}

impl RawRates {
    /// The time that evaluating so many prompt tokens and decode rows takes at the best of these rates.
    pub(super) fn floor(&self, n_prefill_rows: u64, n_decode_rows: u64) -> Duration {
        let best = |rates: &[(u32, f64)]| {
            rates
                .iter()
                .map(|&(_, rate)| rate)
                .fold(f64::MIN_POSITIVE, f64::max)
        };
        let seconds =
            n_prefill_rows as f64 / best(&self.prefill) + n_decode_rows as f64 / best(&self.decode);
        Duration::from_secs_f64(seconds)
    }
}

/// Measures the rates of `model` with `n_threads` threads.
pub(super) fn measure(model: &Model, n_threads: u32) -> Result<RawRates, LlamaError> {
    let n_rows = PROMPT_SIZES[PROMPT_SIZES.len() - 1];
    let n_seqs = BATCH_SIZES[BATCH_SIZES.len() - 1];
    let config = DecoderConfig {
        n_cells: n_rows.max(n_seqs * N_STEPS),
        n_seqs,
        n_rows,
        n_threads,
        value_type: ValueType::F16,
    };
    let mut decoder = LlamaDecoder::new(model, config)?;
    let mut rate = |measure: &mut dyn FnMut(&mut LlamaDecoder<'_>) -> Result<f64, EngineError>| {
        measure(&mut decoder).map_err(|error| LlamaError::Compute(error.to_string()))?;
        let rounds = (0..N_ROUNDS)
            .map(|_| measure(&mut decoder))
            .collect::<Result<Vec<f64>, _>>();
        rounds
            .map(median)
            .map_err(|error| LlamaError::Compute(error.to_string()))
    };
    let mut rates = RawRates {
        prefill: Vec::new(),
        decode: Vec::new(),
    };
    for n_tokens in PROMPT_SIZES {
        let measured = rate(&mut |decoder| prefill_rate(decoder, n_tokens, model.n_vocab()))?;
        rates.prefill.push((n_tokens, measured));
    }
    for n_seqs in BATCH_SIZES {
        let measured = rate(&mut |decoder| decode_rate(decoder, n_seqs, model.n_vocab()))?;
        rates.decode.push((n_seqs, measured));
    }
    Ok(rates)
}

fn prefill_rate(
    decoder: &mut LlamaDecoder<'_>,
    n_tokens: u32,
    n_vocab: u32,
) -> Result<f64, EngineError> {
    decoder.clear();
    let rows: Vec<Row> = (0..n_tokens)
        .map(|position| row(position, 0, n_vocab, position + 1 == n_tokens))
        .collect();
    let started = Instant::now();
    decoder.evaluate(&rows)?;
    Ok(f64::from(n_tokens) / started.elapsed().as_secs_f64())
}

fn decode_rate(
    decoder: &mut LlamaDecoder<'_>,
    n_seqs: u32,
    n_vocab: u32,
) -> Result<f64, EngineError> {
    decoder.clear();
    let started = Instant::now();
    for position in 0..N_STEPS {
        let rows: Vec<Row> = (0..n_seqs)
            .map(|seq| row(position, seq, n_vocab, true))
            .collect();
        decoder.evaluate(&rows)?;
    }
    Ok(f64::from(n_seqs * N_STEPS) / started.elapsed().as_secs_f64())
}

/// A row of some token; which one changes nothing about the time it takes.
fn row(position: u32, seq: u32, n_vocab: u32, output: bool) -> Row {
    Row {
        token: (position * 131 + seq * 7919 + 1000) % n_vocab.min(32_000),
        position,
        first_seq: seq,
        n_seqs: 1,
        output,
    }
}
