//! The known part of the tree of continuations of one prompt.
//!
//! Owns which beginnings are followed, in which order and how far, and the draws of the tail. It is pure: logits come in,
//! and everything is decided by the prompt, the settings and those logits, never by what is evaluated at the same time.
//! Others decide where and how a node's row is evaluated.
//!
//! **Order.** A node is a beginning: the prompt and some tokens. Best first would follow the most probable open node,
//! one row at a time. Here the nodes of a round are followed together: the most probable ones, so many that those left
//! out have at most `1 - coverage` of the probability together. None of them is followed in vain: whichever it is, the
//! nodes left out and those less probable than it have more than `1 - coverage` together, so best first would have come
//! to it before it could end. Near the end of the budget, where there may be rows for some of them only, a round takes
//! a part of the rows that are left, so that the probable continuations are brought to their ends.
//!
//! **Rest.** A node has a child for each token that may follow, of which most are improbable beyond all use. Those are
//! kept together as the node's rest: their probability counts as uncovered, and a draw of the tail may fall on them.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::digest::Digest;
use crate::engine::EngineError;
use crate::engine::branch::DrawContext;
use crate::engine::generate::digest_of;
use crate::generation::{Continuation, Enumeration, EnumerationParams, Request, StopReason};
use crate::sampling::{self, DrawKey};

/// A token after a node.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) token: u32,
    /// That it follows the node.
    pub(super) probability: f64,
    pub(super) model_logprob: f32,
    /// Why the text ends with it, and the text; None where it goes on.
    pub(super) end: Option<(StopReason, String)>,
}

/// The result of a row.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// The children, most probable first.
    Following {
        children: Vec<Child>,
        rest: Option<Rest>,
    },
    /// The children that draws went on with, by token.
    Drawing(Vec<(Child, Vec<u32>)>),
}

/// A node's place in its tree; parents come before their children.
pub(super) type NodeIdx = usize;

/// The prompt itself.
pub(super) const ROOT: NodeIdx = 0;

/// A round takes at least one in so many of the rows that are left.
const ROUND_PART: u32 = 4;
/// Draws of the tail are numbered from here, so that none has the numbers of a repeat.
const FIRST_TAIL_DRAW: u32 = 1 << 31;
/// The number that chooses where in the tail a draw begins; no continuation has so many tokens.
const CHOICE: u32 = u32::MAX;
/// Sums of probabilities are this near to what they stand for.
const SUM_ROUNDING: f64 = 1e-12;

/// A beginning of continuations.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) parent: NodeIdx,
    /// Its last token.
    pub(super) token: u32,
    /// Tokens after the prompt.
    pub(super) n_tokens: u32,
    /// That a repeat begins so.
    pub(super) probability: f64,
    pub(super) logprob: f64,
    pub(super) model_logprob: f64,
}

/// The improbable children of a node, together.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    pub(super) node: NodeIdx,
    pub(super) probability: f64,
    /// The tokens that are not part of it, in order.
    pub(super) kept: Vec<u32>,
}

/// A node whose row is wanted.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) node: NodeIdx,
    pub(super) task: Task,
}

/// The purpose of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Task {
    /// All that follows.
    Follow,
    /// The next tokens of these draws of the tail.
    Draw {
        draws: Vec<u32>,
        /// The rest they fall on, if they do.
        rest_idx: Option<usize>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Following,
    Drawing,
    Done,
}

/// The known continuations of one prompt, and the beginnings of others.
pub(super) struct Tree {
    pub(super) request: Request,
    params: EnumerationParams,
    prompt_digest: Digest,
    nodes: Vec<Node>,
    /// Nodes that were not followed, most probable first.
    open: Vec<NodeIdx>,
    rests: Vec<Rest>,
    covered: Vec<Continuation>,
    drawn: Vec<Continuation>,
    pending: Vec<Pending>,
    /// The results of `pending` so far.
    found: Vec<Option<Found>>,
    phase: Phase,
    uncovered: f64,
    n_rows: u32,
    n_tail_rows: u32,
}

impl Tree {
    /// The tree of a prompt of which nothing is known.
    ///
    /// # Errors
    /// `EmptyPrompt` for a prompt without tokens.
    pub(super) fn new(request: Request, params: EnumerationParams) -> Result<Self, EngineError> {
        let &token = request
            .prompt_tokens
            .last()
            .ok_or(EngineError::EmptyPrompt)?;
        let root = Node {
            parent: ROOT,
            token,
            n_tokens: 0,
            probability: 1.0,
            logprob: 0.0,
            model_logprob: 0.0,
        };
        Ok(Self {
            prompt_digest: digest_of(&request.prompt_tokens),
            request,
            params,
            nodes: vec![root],
            open: Vec::new(),
            rests: Vec::new(),
            covered: Vec::new(),
            drawn: Vec::new(),
            pending: vec![Pending {
                node: ROOT,
                task: Task::Follow,
            }],
            found: vec![None],
            phase: Phase::Following,
            uncovered: 1.0,
            n_rows: 0,
            n_tail_rows: 0,
        })
    }

    /// Those of the nodes whose rows are wanted that have none yet, with their numbers in [`Tree::found`].
    pub(super) fn wanted(&self) -> impl Iterator<Item = (usize, &Pending)> {
        let pending = self.pending.iter().enumerate();
        pending.filter(|&(pending_idx, _)| self.found[pending_idx].is_none())
    }

    pub(super) fn pending(&self, pending_idx: usize) -> &Pending {
        &self.pending[pending_idx]
    }

    pub(super) fn node(&self, node: NodeIdx) -> &Node {
        &self.nodes[node]
    }

    /// All nodes.
    pub(super) fn nodes(&self) -> Range<NodeIdx> {
        0..self.nodes.len()
    }

    /// Rows evaluated so far.
    pub(super) fn n_rows(&self) -> usize {
        (self.n_rows + self.n_tail_rows) as usize
    }

    pub(super) fn rest(&self, rest_idx: usize) -> &Rest {
        &self.rests[rest_idx]
    }

    pub(super) fn params(&self) -> &EnumerationParams {
        &self.params
    }

    /// Where in a sequence the token of a node stands.
    pub(super) fn position(&self, node: NodeIdx) -> u32 {
        self.request.prompt_tokens.len() as u32 - 1 + self.nodes[node].n_tokens
    }

    /// The tokens of a node after the prompt.
    pub(super) fn tokens(&self, node: NodeIdx) -> Vec<u32> {
        let mut tokens = Vec::with_capacity(self.nodes[node].n_tokens as usize);
        let mut at = node;
        while at != ROOT {
            tokens.push(self.nodes[at].token);
            at = self.nodes[at].parent;
        }
        tokens.reverse();
        tokens
    }

    pub(super) fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// The number in [0, 1) for a token of a draw of the tail.
    pub(super) fn uniform(&self, seed: u64, draw_idx: u32, token_idx: u32) -> f64 {
        sampling::uniform(&DrawKey {
            seed,
            prompt: self.prompt_digest,
            repeat_idx: FIRST_TAIL_DRAW + draw_idx,
            token_idx,
        })
    }

    /// Takes what came of a wanted row; once the round has all of its rows, plans the next.
    ///
    /// Results are used in the order in which they were wanted, whenever they come.
    pub(super) fn accept(&mut self, pending_idx: usize, found: Found, context: &DrawContext<'_>) {
        self.found[pending_idx] = Some(found);
        if self.found.iter().any(Option::is_none) {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let found = std::mem::take(&mut self.found);
        match self.phase {
            Phase::Following => self.n_rows += pending.len() as u32,
            Phase::Drawing | Phase::Done => self.n_tail_rows += pending.len() as u32,
        }
        let mut walks = Vec::new();
        for (pending, found) in pending.iter().zip(found.into_iter().flatten()) {
            match found {
                Found::Following { children, rest } => self.follow(pending.node, children, rest),
                Found::Drawing(drawn) => walks.extend(self.walk(pending.node, drawn)),
            }
        }
        self.plan(walks, context);
        self.found = vec![None; self.pending.len()];
    }

    fn follow(&mut self, node: NodeIdx, children: Vec<Child>, rest: Option<Rest>) {
        for child in children {
            match self.ended(node, &child, None) {
                Some(continuation) => self.covered.push(continuation),
                None => {
                    self.open.push(self.nodes.len());
                    self.push(node, &child);
                }
            }
        }
        self.rests.extend(rest);
    }

    /// The draws that go on, with the nodes they have come to.
    fn walk(&mut self, node: NodeIdx, drawn: Vec<(Child, Vec<u32>)>) -> Vec<Pending> {
        let mut walks = Vec::new();
        for (child, draws) in drawn {
            let ended = draws
                .iter()
                .filter_map(|&draw_idx| self.ended(node, &child, Some(draw_idx)));
            let ended: Vec<Continuation> = ended.collect();
            if ended.is_empty() {
                walks.push(Pending {
                    node: self.nodes.len(),
                    task: Task::Draw {
                        draws,
                        rest_idx: None,
                    },
                });
                self.push(node, &child);
            }
            self.drawn.extend(ended);
        }
        walks
    }

    fn push(&mut self, parent: NodeIdx, child: &Child) {
        let node = &self.nodes[parent];
        let node = Node {
            parent,
            token: child.token,
            n_tokens: node.n_tokens + 1,
            probability: node.probability * child.probability,
            logprob: node.logprob + child.probability.ln(),
            model_logprob: node.model_logprob + f64::from(child.model_logprob),
        };
        self.nodes.push(node);
    }

    fn ended(
        &self,
        parent: NodeIdx,
        child: &Child,
        tail_draw_idx: Option<u32>,
    ) -> Option<Continuation> {
        let (stop_reason, text) = child.end.as_ref()?;
        let node = &self.nodes[parent];
        let mut tokens = self.tokens(parent);
        tokens.push(child.token);
        Some(Continuation {
            text: text.clone(),
            tokens,
            logprob: node.logprob + child.probability.ln(),
            model_logprob: node.model_logprob + f64::from(child.model_logprob),
            stop_reason: *stop_reason,
            tail_draw_idx,
        })
    }

    /// Plans the next round after the draws that go on.
    fn plan(&mut self, walks: Vec<Pending>, context: &DrawContext<'_>) {
        if self.phase == Phase::Following {
            self.sort_open();
            self.uncovered = self.tail_parts().sum();
            let n_followed = self.n_to_follow();
            self.pending = self
                .open
                .drain(..n_followed)
                .map(|node| Pending {
                    node,
                    task: Task::Follow,
                })
                .collect();
            if n_followed > 0 {
                return;
            }
            self.phase = Phase::Drawing;
            self.pending = self.first_draws(context.seed);
        } else {
            self.pending = walks;
        }
        if self.pending.is_empty() {
            self.phase = Phase::Done;
        }
    }

    fn sort_open(&mut self) {
        let nodes = &self.nodes;
        // Of equals the one that was found first, which does not depend on neighbours either.
        self.open.sort_unstable_by(|&a, &b| {
            let by_probability = nodes[b].probability.total_cmp(&nodes[a].probability);
            by_probability.then(a.cmp(&b))
        });
    }

    /// True if the tail is larger than asked for.
    fn is_too_large(&self, tail: f64) -> bool {
        tail > 1.0 - self.params.coverage + SUM_ROUNDING
    }

    /// How many of the open nodes the next round follows.
    fn n_to_follow(&self) -> usize {
        let n_left = self.params.max_rows_per_prompt.saturating_sub(self.n_rows);
        let n_max = n_left.div_ceil(ROUND_PART) as usize;
        let mut tail = self.uncovered;
        let needed = self.open.iter().take_while(|&&node| {
            let is_needed = self.is_too_large(tail);
            tail -= self.nodes[node].probability;
            is_needed
        });
        needed.take(n_max).count()
    }

    /// The probabilities of the open nodes, then those of the rests.
    fn tail_parts(&self) -> impl Iterator<Item = f64> {
        let nodes = self.open.iter().map(|&node| self.nodes[node].probability);
        nodes.chain(self.rests.iter().map(|rest| rest.probability))
    }

    /// Where the draws of the tail begin, if the tail is larger than asked for: one in each of equal slices of it.
    fn first_draws(&self, seed: u64) -> Vec<Pending> {
        let n_draws = self.params.n_tail_draws;
        if !self.is_too_large(self.uncovered) {
            return Vec::new();
        }
        let mut sum = 0.0;
        let add = |probability: f64| {
            sum += probability;
            sum
        };
        let cumulative: Vec<f64> = self.tail_parts().map(add).collect();
        let mut draws_of: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for draw_idx in 0..n_draws {
            let place = f64::from(draw_idx) + self.uniform(seed, draw_idx, CHOICE);
            let target = place / f64::from(n_draws) * self.uncovered;
            let part = cumulative.partition_point(|&sum| sum <= target);
            // Rounding can bring the target up to the total.
            let part = part.min(cumulative.len() - 1);
            draws_of.entry(part).or_default().push(draw_idx);
        }
        let starts = draws_of.into_iter();
        starts
            .map(|(part, draws)| self.first_draw(part, draws))
            .collect()
    }

    fn first_draw(&self, part: usize, draws: Vec<u32>) -> Pending {
        let rest_idx = part.checked_sub(self.open.len());
        Pending {
            node: rest_idx.map_or_else(|| self.open[part], |rest_idx| self.rests[rest_idx].node),
            task: Task::Draw { draws, rest_idx },
        }
    }

    /// The enumeration, once the tree is done.
    pub(super) fn into_enumeration(self) -> Enumeration {
        let mut continuations = self.covered;
        continuations.sort_by(|a, b| {
            let by_probability = b.logprob.total_cmp(&a.logprob);
            by_probability.then_with(|| a.tokens.cmp(&b.tokens))
        });
        let mut drawn = self.drawn;
        drawn.sort_by_key(|continuation| continuation.tail_draw_idx);
        continuations.extend(drawn);
        Enumeration {
            request_id: self.request.id,
            continuations,
            uncovered: self.uncovered.clamp(0.0, 1.0),
            n_open: self.open.len(),
            n_rows: self.n_rows,
            n_tail_rows: self.n_tail_rows,
        }
    }
}
