//! A row of logits as it is drawn from, and the tokens of it that can matter.
//!
//! Owns the passes over a whole row, which take most of the time of drawing: the scores (what the repetition penalty and
//! exclusion make of the logits), their maxima, the sum behind log-probabilities and the choice of candidates.
//! Beyond negligible tokens it leaves out only what a processor drops in any case; top-k, top-p and min-p themselves stay
//! with the parent module.

use wide::{f32x16, f64x8};

use super::{AllowedTokens, Candidate, SamplingError};
use crate::generation::SamplingParams;

/// Tokens more than this many nats below the most probable one are never drawn: 53 ln 2.
///
/// Their probability is below 2^-53, the step of the numbers that draws are made from. All of them together have less
/// than `n_vocab * 2^-53`, for 200,000 tokens 2.3e-11.
const NEGLIGIBLE_NATS: f64 = 36.74;
/// Weights this many nats apart differ in spite of rounding.
const DISTINCT_NATS: f64 = 1e-6;
/// Logits looked at together: most runs of a row hold no candidate, which one comparison of their maximum shows.
const RUN: usize = 64;
/// Logits that are read at a time: 4 KiB, which stay in the nearest cache while they are looked at in several ways.
const BLOCK: usize = 1024;
/// Independent maxima within a run.
const LANES: usize = 32;

/// The values that replace logits in a draw, by token, each once: penalised logits, and minus infinity for what may not
/// be drawn.
pub(super) struct Changes {
    scores: Vec<(u32, f32)>,
}

impl Changes {
    /// Applies the repetition penalty (in f32, as transformers does) and leaves out what may not be drawn.
    pub(super) fn new(
        logits: &[f32],
        allowed: &AllowedTokens,
        seen: &[u32],
        params: &SamplingParams,
    ) -> Self {
        let n_tokens = allowed.n_tokens.min(logits.len());
        let penalty = params.repetition_penalty as f32;
        let penalised = |logit: f32| {
            if logit < 0.0 {
                logit * penalty
            } else {
                logit / penalty
            }
        };
        // Always from the raw logit: a token seen twice is penalised once.
        let seen = seen.iter().filter(|_| penalty != 1.0);
        let seen = seen.filter_map(|&token| Some((token, penalised(*logits.get(token as usize)?))));
        let excluded = allowed
            .excluded
            .iter()
            .map(|&token| (token, f32::NEG_INFINITY));
        let beyond = (n_tokens as u32..logits.len() as u32).map(|token| (token, f32::NEG_INFINITY));
        let mut scores: Vec<(u32, f32)> = seen.chain(excluded).chain(beyond).collect();
        // What may not be drawn comes first among equals, and stays.
        scores.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        scores.dedup_by_key(|&mut (token, _)| token);
        Self { scores }
    }
    /// The scores of the block that begins at token `first`: its logits, or a copy where something differs.
    fn scores<'a>(&self, block: &'a [f32], first: u32, copy: &'a mut [f32; BLOCK]) -> &'a [f32] {
        let from = self.scores.partition_point(|&(token, _)| token < first);
        let end = first + block.len() as u32;
        let mut here = self.scores[from..]
            .iter()
            .take_while(|&&(token, _)| token < end)
            .peekable();
        if here.peek().is_none() {
            return block;
        }
        let scores = &mut copy[..block.len()];
        scores.copy_from_slice(block);
        for &(token, score) in here {
            scores[(token - first) as usize] = score;
        }
        scores
    }
}

/// The result of a pass over a row of logits.
pub(super) struct Row<'a> {
    logits: &'a [f32],
    changes: &'a Changes,
    raw_max: f32,
    /// Sum of `exp(logit - raw_max)` over all logits, to about 1e-6: log-probabilities are kept as f32.
    raw_sum: f64,
    /// The largest score: logit, penalised and allowed.
    max: f32,
    /// The largest score of every run.
    run_maxima: Vec<f32>,
}

impl<'a> Row<'a> {
    /// # Errors
    /// `NotFinite` for a row that holds NaN or an infinity.
    pub(super) fn read(logits: &'a [f32], changes: &'a Changes) -> Result<Self, SamplingError> {
        let mut row = Self {
            logits,
            changes,
            raw_max: f32::NEG_INFINITY,
            raw_sum: 0.0,
            max: f32::NEG_INFINITY,
            run_maxima: Vec::with_capacity(logits.len().div_ceil(RUN)),
        };
        let mut copy = [0.0; BLOCK];
        for (block, first) in logits.chunks(BLOCK).zip((0u32..).step_by(BLOCK)) {
            check_finite(block)?;
            row.add_raw(block);
            let scores = changes.scores(block, first, &mut copy);
            row.run_maxima.extend(scores.chunks(RUN).map(max_of));
        }
        row.max = max_of(&row.run_maxima);
        Ok(row)
    }

    fn add_raw(&mut self, block: &[f32]) {
        let max = max_of(block);
        if max > self.raw_max {
            self.raw_sum *= f64::from(self.raw_max - max).exp();
            self.raw_max = max;
        }
        let (lanes, rest) = block.as_chunks::<16>();
        let exponentials = lanes
            .iter()
            .map(|lane| (f32x16::from(*lane) - self.raw_max).exp());
        let sum = exponentials
            .fold(f32x16::ZERO, |sum, lane| sum + lane)
            .reduce_add();
        let rest: f32 = rest.iter().map(|&logit| (logit - self.raw_max).exp()).sum();
        self.raw_sum += f64::from(sum + rest);
    }

    /// Logarithm of the sum of the exponentials of all logits.
    pub(super) fn raw_log_sum(&self) -> f64 {
        f64::from(self.raw_max) + self.raw_sum.ln()
    }

    /// The tokens with more than a negligible weight, by id, without some that top-k or min-p drops in any case; at
    /// temperature 0 the most probable one with the lowest id.
    pub(super) fn candidates(&self, params: &SamplingParams) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        if !self.max.is_finite() {
            return candidates;
        }
        let temperature = params.temperature;
        if temperature == 0.0 {
            self.for_runs_from(self.max, |run| candidates.extend(run.with_weights(|_| 0.0)));
            candidates.truncate(1);
        } else {
            self.for_runs_from(self.floor(params), |run| {
                candidates.extend(run.with_weights(|score| self.nats(score, temperature)));
            });
        }
        candidates
    }

    /// Logarithm of a score's probability over that of the largest.
    fn nats(&self, score: f32, temperature: f64) -> f64 {
        (f64::from(score) - f64::from(self.max)) / temperature
    }

    /// The smallest score of a candidate.
    fn floor(&self, params: &SamplingParams) -> f32 {
        let below_max = |nats: f64| (f64::from(self.max) - nats * params.temperature) as f32;
        let is_candidate = |score| self.nats(score, params.temperature) > -NEGLIGIBLE_NATS;
        let mut floor = below_max(NEGLIGIBLE_NATS);
        // It is rounded; the next scores tell where exactly the negligible ones begin.
        while is_candidate(floor) {
            floor = floor.next_down();
        }
        while floor < self.max && !is_candidate(floor) {
            floor = floor.next_up();
        }
        if params.top_k > 0 && params.top_k as usize <= self.run_maxima.len() {
            // So many runs hold at least this score, hence so many tokens have it.
            let kth = nth_largest(&self.run_maxima, params.top_k as usize - 1);
            let equal = f64::from(kth) - DISTINCT_NATS * params.temperature;
            floor = floor.max(equal as f32);
        }
        // Top-p counts what min-p drops after it.
        if params.top_p >= 1.0 {
            floor = floor.max(below_max(DISTINCT_NATS - params.min_p.ln()));
        }
        floor
    }

    /// Calls `look` with the scores of at least `floor` of every run that has some, in the order of tokens.
    fn for_runs_from(&self, floor: f32, mut look: impl FnMut(&Selection)) {
        let mut copy = [0.0; BLOCK];
        let mut selection = Selection::new();
        let blocks = self.logits.chunks(BLOCK).zip((0u32..).step_by(BLOCK));
        for ((block, first), maxima) in blocks.zip(self.run_maxima.chunks(BLOCK / RUN)) {
            if max_of(maxima) < floor {
                continue;
            }
            let scores = self.changes.scores(block, first, &mut copy);
            let runs = scores.chunks(RUN).zip((first..).step_by(RUN));
            for ((run, first), _) in runs.zip(maxima).filter(|&(_, &max)| max >= floor) {
                selection.select(run, first, floor);
                look(&selection);
            }
        }
    }
}

/// Scores of a run with their tokens.
struct Selection {
    n_selected: usize,
    scores: [f32; RUN],
    tokens: [u32; RUN],
}

impl Selection {
    fn new() -> Self {
        Self {
            n_selected: 0,
            scores: [0.0; RUN],
            tokens: [0; RUN],
        }
    }

    /// Holds the scores of at least `floor` from now on; their tokens count up from `first`.
    fn select(&mut self, run: &[f32], first: u32, floor: f32) {
        self.n_selected = 0;
        for (&score, token) in run.iter().zip(first..) {
            // Without a branch for each score, which the processor would guess wrong too often.
            self.scores[self.n_selected % RUN] = score;
            self.tokens[self.n_selected % RUN] = token;
            self.n_selected += usize::from(score >= floor);
        }
    }

    /// The selected tokens with their weights: the exponentials of what `nats` makes of their scores.
    fn with_weights(&self, nats: impl Fn(f32) -> f64) -> impl Iterator<Item = Candidate> {
        let mut weights = [0.0; RUN];
        let (lanes, _) = self.scores.as_chunks::<8>();
        let (weight_lanes, _) = weights.as_chunks_mut::<8>();
        for (weights, scores) in weight_lanes
            .iter_mut()
            .zip(lanes)
            .take(self.n_selected.div_ceil(8))
        {
            *weights = f64x8::from(scores.map(&nats)).exp().to_array();
        }
        let candidates = self.tokens.iter().zip(weights).take(self.n_selected);
        candidates.map(|(&token, weight)| Candidate { token, weight })
    }
}

fn nth_largest(values: &[f32], idx: usize) -> f32 {
    let mut values = values.to_vec();
    *values.select_nth_unstable_by(idx, |a, b| b.total_cmp(a)).1
}

/// The largest; minus infinity for an empty row. In lanes, so that it is compiled to vector instructions.
fn max_of(row: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (lanes, rest) = row.as_chunks::<LANES>();
    let mut max = [f32::NEG_INFINITY; LANES];
    for lane in lanes {
        for (max, &x) in max.iter_mut().zip(lane) {
            *max = larger(*max, x);
        }
    }
    max.iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, larger)
}

fn check_finite(logits: &[f32]) -> Result<(), SamplingError> {
    // Without an early end, so that it is compiled to vector instructions.
    let is_finite = logits
        .iter()
        .fold(true, |is_finite, x| is_finite & x.is_finite());
    if is_finite {
        return Ok(());
    }
    let bad = logits
        .iter()
        .copied()
        .find(|x| !x.is_finite())
        .unwrap_or(f32::NAN);
    Err(SamplingError::NotFinite(bad))
}
