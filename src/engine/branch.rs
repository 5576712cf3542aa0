//! Branches: repeats of one prompt that agree so far share one sequence and part only where their draws differ.
//!
//! Owns the continuation of a branch by one token: draw for each repeat, end what ends, fork what differs.
//! It is pure: logits come in, branches and finished generations go out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::group::PromptWork;
use super::stop::cut;
use super::vocabulary::Vocabulary;
use super::{EngineError, Row, SeqId};
use crate::digest::Digest;
use crate::generation::{Generation, PromptDistribution, RequestId, SamplingParams, StopReason};
use crate::sampling::{self, DrawKey};

/// Tokens kept of a next-token distribution, 2 KB for each prompt. Where a sentence may go on in many ways, a tenth of the
/// probability can lie outside of them; how much does is stored and shown.
const N_NEXT_TOKENS: usize = 256;

/// The tokens that continue the prompt of each request, at least one.
pub type ForcedTokens = HashMap<RequestId, Vec<u32>>;

/// The settings that stay the same for every branch of a job.
#[derive(Clone, Copy)]
pub(super) struct DrawContext<'a> {
    pub(super) sampling: &'a SamplingParams,
    pub(super) seed: u64,
    pub(super) vocabulary: &'a Vocabulary,
    /// The tokens to take instead of drawing them.
    pub(super) forced: Option<&'a ForcedTokens>,
}

impl DrawContext<'_> {
    /// Adds the bytes of `token`, the last of `n_tokens`, to a text; says whether and why the text ends with it.
    pub(super) fn end(
        &self,
        token: u32,
        n_tokens: usize,
        bytes: &mut Vec<u8>,
    ) -> Option<StopReason> {
        if self.vocabulary.is_eog(token) {
            return Some(StopReason::Eog);
        }
        bytes.extend_from_slice(self.vocabulary.piece(token));
        if let Some(n_bytes) = cut(&self.sampling.stop, bytes) {
            bytes.truncate(n_bytes);
            return Some(StopReason::Stop);
        }
        (n_tokens >= self.sampling.max_tokens as usize).then_some(StopReason::MaxTokens)
    }
}

/// Repeats of one prompt with the same tokens so far.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    /// The sequence whose cache holds the prompt and all tokens but the last.
    pub(super) seq: SeqId,
    pub(super) prompt_idx: usize,
    /// Where the next token to evaluate stands.
    position: u32,
    /// The next token to evaluate.
    token: u32,
    drawn: Drawn,
    repeats: Vec<(u32, RequestId)>,
}

/// The tokens drawn so far.
#[derive(Debug, Clone, Default)]
struct Drawn {
    tokens: Vec<u32>,
    logprobs: Vec<f32>,
    bytes: Vec<u8>,
}

/// One step of one branch: what goes on, and what ended.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// The branches that go on; the first may keep the parent's sequence, the others need their own.
    pub(super) live: Vec<Branch>,
    pub(super) finished: Vec<Generation>,
    /// The next-token distribution of the prompt, where this was its first step.
    pub(super) next_tokens: Option<PromptDistribution>,
}

impl Branch {
    /// The branch of all repeats of a prompt, about to evaluate the prompt's last token.
    ///
    /// # Errors
    /// `EmptyPrompt` for a prompt without tokens.
    pub(super) fn root(
        seq: SeqId,
        prompt_idx: usize,
        prompt: &PromptWork,
    ) -> Result<Self, EngineError> {
        let (&token, before) = prompt.tokens.split_last().ok_or(EngineError::EmptyPrompt)?;
        Ok(Self {
            seq,
            prompt_idx,
            position: before.len() as u32,
            token,
            drawn: Drawn::default(),
            repeats: prompt.repeats.clone(),
        })
    }

    /// The repeats it stands for.
    pub(super) fn repeats(&self) -> &[(u32, RequestId)] {
        &self.repeats
    }

    /// The row to evaluate next.
    pub(super) fn row(&self) -> Row {
        Row {
            token: self.token,
            position: self.position,
            first_seq: self.seq,
            n_seqs: 1,
            output: true,
        }
    }

    /// The number of tokens its sequence holds, once its row is evaluated and `self` is a step further.
    pub(super) fn n_cached(&self) -> u32 {
        self.position
    }

    /// DrawMethod the next token of every repeat from `logits`, what the model gave for this branch's row.
    ///
    /// # Errors
    /// `Sampling` for logits that are no numbers.
    pub(super) fn step(
        self,
        logits: &[f32],
        prompt: &PromptWork,
        prompt_digest: &Digest,
        context: &DrawContext<'_>,
    ) -> Result<Step, EngineError> {
        let seen: Vec<u32> = prompt
            .tokens
            .iter()
            .chain(&self.drawn.tokens)
            .copied()
            .collect();
        let allowed = context.vocabulary.allowed();
        let distribution = sampling::distribution(logits, allowed, &seen, context.sampling)?;
        let mut by_token: BTreeMap<u32, Vec<(u32, RequestId)>> = BTreeMap::new();
        for &(repeat_idx, request_id) in &self.repeats {
            let token_idx = self.drawn.tokens.len();
            let token = match context.forced {
                Some(forced) => forced[&request_id][token_idx],
                None => {
                    let key = DrawKey {
                        seed: context.seed,
                        prompt: *prompt_digest,
                        repeat_idx,
                        token_idx: token_idx as u32,
                    };
                    distribution.draw(context.sampling.draws, &key)
                }
            };
            by_token
                .entry(token)
                .or_default()
                .push((repeat_idx, request_id));
        }
        let mut step = Step {
            next_tokens: self.next_tokens(logits, prompt)?,
            ..Step::default()
        };
        for (token, repeats) in by_token {
            let logprob = distribution.raw_logprob(token);
            self.child(token, logprob, repeats, context, &mut step);
        }
        Ok(step)
    }

    /// The next-token distribution of the prompt, if nothing follows it yet.
    fn next_tokens(
        &self,
        logits: &[f32],
        prompt: &PromptWork,
    ) -> Result<Option<PromptDistribution>, EngineError> {
        if !self.drawn.tokens.is_empty() {
            return Ok(None);
        }
        prompt_distribution(&prompt.tokens, logits).map(Some)
    }

    /// Adds the repeats that drew `token` to the live branches or, if their text ends, to the finished ones.
    fn child(
        &self,
        token: u32,
        logprob: f32,
        repeats: Vec<(u32, RequestId)>,
        context: &DrawContext<'_>,
        step: &mut Step,
    ) {
        let mut drawn = self.drawn.clone();
        drawn.tokens.push(token);
        drawn.logprobs.push(logprob);
        if let Some(forced) = context.forced {
            self.forced_child(token, drawn, repeats, forced, step);
            return;
        }
        let n_tokens = drawn.tokens.len();
        match context.end(token, n_tokens, &mut drawn.bytes) {
            Some(stop_reason) => step.finished.extend(
                repeats
                    .iter()
                    .map(|&(_, request_id)| drawn.generation(request_id, stop_reason)),
            ),
            None => step.live.push(Self {
                seq: self.seq,
                prompt_idx: self.prompt_idx,
                position: self.position + 1,
                token,
                drawn,
                repeats,
            }),
        }
    }
}

impl Branch {
    /// As [`Self::child`], where the texts end with the tokens that are given; their bytes are not wanted.
    fn forced_child(
        &self,
        token: u32,
        drawn: Drawn,
        repeats: Vec<(u32, RequestId)>,
        forced: &ForcedTokens,
        step: &mut Step,
    ) {
        let n_tokens = drawn.tokens.len();
        let (ended, live): (Vec<_>, Vec<_>) = repeats
            .into_iter()
            .partition(|(_, request_id)| forced[request_id].len() == n_tokens);
        let finished = ended
            .into_iter()
            .map(|(_, request_id)| drawn.generation(request_id, StopReason::MaxTokens));
        step.finished.extend(finished);
        if !live.is_empty() {
            step.live.push(Self {
                seq: self.seq,
                prompt_idx: self.prompt_idx,
                position: self.position + 1,
                token,
                drawn,
                repeats: live,
            });
        }
    }
}

impl Drawn {
    fn generation(&self, request_id: RequestId, stop_reason: StopReason) -> Generation {
        Generation {
            request_id,
            text: String::from_utf8_lossy(&self.bytes).into_owned(),
            tokens: self.tokens.clone(),
            token_logprobs: self.logprobs.clone(),
            stop_reason,
        }
    }
}

/// The next-token distribution of a prompt, by the `logits` of its last token.
pub(super) fn prompt_distribution(
    prompt_tokens: &Arc<[u32]>,
    logits: &[f32],
) -> Result<PromptDistribution, EngineError> {
    Ok(PromptDistribution {
        prompt_tokens: Arc::clone(prompt_tokens),
        distribution: sampling::next_token_distribution(logits, N_NEXT_TOKENS)?,
    })
}
