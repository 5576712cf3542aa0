//! Gumbel-max draws: each token has a random number of its own, and the first in a race is drawn.
//!
//! Owns the numbers of tokens and the race. Token `i` with weight `w_i` arrives at the time `E_i / w_i`, where the `E_i`
//! are independent and exponential with mean 1. The first is token `i` with probability `w_i / sum of w`; it is the
//! largest of `ln w_i + G_i`, where `G_i = -ln E_i` has the Gumbel distribution. (Gumbel 1954; Maddison, Tarlow and
//! Minka, "A* sampling", NIPS 2014.)
//!
//! **Coupling.** A number depends on the draw and the token, never on the distribution. Where two distributions differ
//! little, the same token mostly arrives first under both, wherever it stands in the order of ids. Looking one number up
//! in two cumulative distributions agrees less often: a difference in any token moves the shares of all that follow it.
//!
//! **Numbers.** The four words of a [`DrawKey`] are a bijection of its prompt, repeat and token index. Two of them are the
//! key and two are in the counter of a second Philox, whose first counter word is the token: no two draws of a seed share
//! a counter under the same key. 64 bits of its result are the number `v` of a token, on the grid of odd multiples of
//! 2^-65, and `E = -ln(1 - v)`.
//!
//! **Grid.** Times near 0 decide whether an improbable token comes first, and there the grid of `E` is that of `v`: for a
//! token of probability `p` the steps of 2^-64 change it by at most about 2^-64 / p of itself, by 1 in 2,000 at the smallest
//! weights that are no longer negligible (2^-53). Above 2^-12 of its range `v` is rounded to f64, to 53 bits: that is less
//! than the rounding of the weights. It never is 1, so that every time is finite; the largest `E` is 53 ln 2, beyond which
//! an exponential lies with probability 2^-53.

use super::philox::philox4x32_lanes;
use super::{Candidate, DrawKey};

/// Tokens whose numbers are made together.
const LANES: usize = 16;
/// The step of the grid: 2^-64.
const STEP: f64 = 1.0 / (1_u128 << 64) as f64;
/// The largest number below 1.
const BELOW_1: f64 = 1.0 - f64::EPSILON / 2.0;
/// More than the rounding errors of a logarithm, a product and a quotient.
const ROUNDING: f64 = 1.0 + 8.0 * f64::EPSILON;

/// The candidate that arrives first; of several at the same time the one with the lowest id.
///
/// `-ln(1 - v)` is at least `v`, so that most tokens are known to come too late without the logarithm.
pub(super) fn first(candidates: &[Candidate], key: &DrawKey) -> u32 {
    let numbers = Numbers::new(key);
    let mut first = (f64::INFINITY, 0);
    for candidates in candidates.chunks(LANES) {
        let mut tokens = [0; LANES];
        for (token, candidate) in tokens.iter_mut().zip(candidates) {
            *token = candidate.token;
        }
        for (&Candidate { token, weight }, v) in candidates.iter().zip(numbers.of(tokens)) {
            if v < first.0 * weight * ROUNDING {
                let time = exponential(v) / weight;
                if time < first.0 {
                    first = (time, token);
                }
            }
        }
    }
    first.1
}

/// The numbers of all tokens in one draw.
struct Numbers {
    key: [u32; 2],
    counter: [u32; 2],
}

impl Numbers {
    fn new(key: &DrawKey) -> Self {
        let [a, b, c, d] = key.words();
        Self {
            key: [c, d],
            counter: [a, b],
        }
    }

    /// Those of some tokens, each above 0 and below 1.
    fn of<const N: usize>(&self, tokens: [u32; N]) -> [f64; N] {
        let [a, b] = self.counter;
        let [low, high, ..] = philox4x32_lanes([tokens, [0; N], [a; N], [b; N]], self.key);
        std::array::from_fn(|lane| number(u64::from(high[lane]) << 32 | u64::from(low[lane])))
    }
}

fn number(bits: u64) -> f64 {
    ((bits as f64 + 0.5) * STEP).min(BELOW_1)
}

/// The exponential variate of a number.
fn exponential(v: f64) -> f64 {
    -(-v).ln_1p()
}

#[cfg(test)]
mod tests;
