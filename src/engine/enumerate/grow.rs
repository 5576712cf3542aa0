//! From the logits of a node to its children.
//!
//! Owns which children are kept, where texts end, and what draws of the tail go on with. It changes no tree, so that
//! the rows of a batch are looked at side by side.

use std::collections::BTreeMap;

use super::tree::{Child, Found, NodeIdx, Pending, Rest, Task, Tree};
use crate::engine::EngineError;
use crate::engine::branch::DrawContext;
use crate::generation::EnumerationParams;
use crate::sampling::{self, Distribution};

/// Part of the uncovered probability that is allowed which may lie in rests.
const REST_PART: f64 = 0.25;
/// Children that are kept of any node, however improbable it is.
const KEPT_MIN: f64 = 16.0;
/// Children that are kept of a node of probability 1 in addition.
const KEPT_OF_ONE: f64 = 1024.0;

/// The result of a node's row, by its `logits`.
///
/// # Errors
/// `Sampling` for logits that are no numbers.
pub(super) fn grow(
    tree: &Tree,
    pending: &Pending,
    logits: &[f32],
    context: &DrawContext<'_>,
) -> Result<Found, EngineError> {
    let tokens = tree.tokens(pending.node);
    let prompt = tree.request.prompt_tokens.iter();
    let seen: Vec<u32> = prompt.chain(&tokens).copied().collect();
    let allowed = context.vocabulary.allowed();
    let distribution = sampling::distribution(logits, allowed, &seen, context.sampling)?;
    let node = Beginning {
        n_tokens: tokens.len(),
        bytes: bytes(&tokens, context),
        context,
        distribution: &distribution,
    };
    Ok(match &pending.task {
        Task::Follow => follow(tree, pending.node, &node),
        Task::Draw { draws, rest_idx } => draw(tree, draws, *rest_idx, &node),
    })
}

/// The text so far; a node is open, so no stop rule has applied.
fn bytes(tokens: &[u32], context: &DrawContext<'_>) -> Vec<u8> {
    let pieces = tokens.iter().map(|&token| context.vocabulary.piece(token));
    pieces.flatten().copied().collect()
}

/// A node as what follows it sees it.
struct Beginning<'a> {
    n_tokens: usize,
    bytes: Vec<u8>,
    context: &'a DrawContext<'a>,
    distribution: &'a Distribution<'a>,
}

impl Beginning<'_> {
    fn child(&self, token: u32, probability: f64) -> Child {
        let mut bytes = self.bytes.clone();
        let stop_reason = self.context.end(token, self.n_tokens + 1, &mut bytes);
        let text = |stop_reason| (stop_reason, String::from_utf8_lossy(&bytes).into_owned());
        Child {
            token,
            probability,
            model_logprob: self.distribution.raw_logprob(token),
            end: stop_reason.map(text),
        }
    }
}

fn follow(tree: &Tree, node: NodeIdx, beginning: &Beginning<'_>) -> Found {
    let probability = tree.node(node).probability;
    let followers = beginning.distribution.by_probability();
    // From the least probable one up, so that nothing is lost in a sum of much larger numbers.
    let mut beyond = vec![0.0; followers.len() + 1];
    for (at, (_, follower)) in followers.iter().enumerate().rev() {
        beyond[at] = beyond[at + 1] + follower;
    }
    let n_kept = n_kept(tree, probability, &beyond);
    let rest = (n_kept < followers.len()).then(|| {
        let mut kept: Vec<u32> = followers[..n_kept]
            .iter()
            .map(|&(token, _)| token)
            .collect();
        kept.sort_unstable();
        Rest {
            node,
            probability: probability * beyond[n_kept],
            kept,
        }
    });
    let kept = followers[..n_kept].iter();
    Found::Following {
        children: kept.map(|&(token, p)| beginning.child(token, p)).collect(),
        rest,
    }
}

/// How many children are kept of a node, where `beyond[n]` is the probability of all but the first n.
///
/// So many that all rests together cannot keep the enumeration from its coverage, and no more than are of use.
fn n_kept(tree: &Tree, probability: f64, beyond: &[f64]) -> usize {
    let params = tree.params();
    let allowed = REST_PART * (1.0 - params.coverage) / f64::from(params.max_rows_per_prompt);
    let n_needed = beyond.partition_point(|&rest| probability * rest > allowed);
    let n_useful = if allowed > 0.0 {
        (KEPT_MIN + KEPT_OF_ONE * probability) as usize
    } else {
        // Nothing may be kept back, so that what sampling leaves is followed whole, unless that is most of a vocabulary.
        EnumerationParams::N_CHILDREN_MAX
    };
    n_needed.min(n_useful)
}

fn draw(tree: &Tree, draws: &[u32], rest_idx: Option<usize>, beginning: &Beginning<'_>) -> Found {
    let followers: BTreeMap<u32, f64> = beginning.distribution.probabilities().collect();
    let mut drawn: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for &draw_idx in draws {
        let token_idx = beginning.n_tokens as u32;
        let u = tree.uniform(beginning.context.seed, draw_idx, token_idx);
        let token = match rest_idx {
            None => beginning.distribution.at(u),
            Some(rest_idx) => draw_beyond(&followers, &tree.rest(rest_idx).kept, u),
        };
        drawn.entry(token).or_default().push(draw_idx);
    }
    let children = drawn
        .into_iter()
        .map(|(token, draws)| (beginning.child(token, followers[&token]), draws));
    Found::Drawing(children.collect())
}

/// The token whose share of [0, 1) holds `u`, among those not in `kept`, in the order of ids.
fn draw_beyond(followers: &BTreeMap<u32, f64>, kept: &[u32], u: f64) -> u32 {
    let is_beyond = |follower: &(u32, f64)| kept.binary_search(&follower.0).is_err();
    let followers = followers
        .iter()
        .map(|(&token, &probability)| (token, probability));
    let beyond: Vec<(u32, f64)> = followers.filter(is_beyond).collect();
    let target = u * beyond
        .iter()
        .map(|(_, probability)| probability)
        .sum::<f64>();
    let mut sum = 0.0;
    let found = beyond.iter().find(|(_, probability)| {
        sum += probability;
        sum > target
    });
    // Rounding can bring the target up to the total.
    let found = found.or(beyond.last());
    found.expect("a rest holds at least one token").0
}
