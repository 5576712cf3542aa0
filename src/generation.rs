//! Plain data that crosses the seam between planning, the engine and the store.
//!
//! Owns what a generation is asked for (`Request`), what came back (`Generation`), the same for
//! enumerations, and the identity that lets a killed run resume (`RequestId`).
//! It plans nothing, draws nothing and stores nothing.

mod enumeration;
mod label;

use std::fmt;
use std::sync::Arc;

use crate::digest::Digest;

pub use enumeration::{Continuation, Enumeration, EnumerationParams, Method};
pub use label::{joined_label, sampling_labels};

/// Everything that decides which token follows a logits row, besides the seed.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParams {
    /// Divisor of the logits, 0 or more; 0 always takes the most probable token.
    pub temperature: f64,
    /// Only the `top_k` most probable tokens stay; 0 keeps all.
    pub top_k: u32,
    /// Only the most probable tokens that together reach this probability stay; 1 keeps all.
    pub top_p: f64,
    /// Only tokens at least this fraction as probable as the most probable one stay; 0 keeps all.
    pub min_p: f64,
    /// Divides positive and multiplies negative logits of tokens in the prompt or already generated; 1 changes nothing.
    pub repetition_penalty: f64,
    /// A generation ends after this many tokens.
    pub max_tokens: u32,
    /// The other rule that ends a generation.
    pub stop: StopRule,
    /// How a token is found from the probabilities and the numbers drawn.
    pub draws: DrawMethod,
}

/// The way from probabilities and random numbers to a token. Both ways draw each token with its probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DrawMethod {
    /// Each token has a number of its own: similar distributions draw the same token more often.
    GumbelMax,
    /// One number is looked up in the cumulative distribution, in the order of token ids. Builds before schema 7 of the
    /// database knew this way alone, and tails of enumerations are always drawn so.
    InverseCdf,
}

impl DrawMethod {
    /// All ways.
    pub const ALL: [Self; 2] = [Self::GumbelMax, Self::InverseCdf];

    /// The word in an experiment file and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GumbelMax => "gumbel_max",
            Self::InverseCdf => "inverse_cdf",
        }
    }

    /// The way of this name; None for any other word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|draws| draws.as_str() == name)
    }
}

/// The rule that ends a generation before `max_tokens`, besides the model's own end-of-generation tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopRule {
    /// The first `.`, `!` or `?` is the last character of the text.
    SentenceEnd,
    /// Nothing else.
    None,
    /// The text ends before the first of these strings.
    Strings(Vec<String>),
}

/// The numbers of generations of test and of control prompts, of which one divides the other.
///
/// Each generation counts equally often in the verdicts of a pair: see [`RepeatCounts::verdicts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepeatCounts {
    /// Of each test prompt, at least 1.
    pub test: u32,
    /// Of each control prompt, at least 1.
    pub control: u32,
}

impl RepeatCounts {
    /// The most rounds of verdicts: beyond these, more comparisons of the same generations hardly narrow an interval.
    const ROUNDS_MAX: u32 = 5;

    /// As many of both.
    pub fn equal(n: u32) -> Self {
        Self {
            test: n,
            control: n,
        }
    }

    /// Which test and which control generation each verdict of a pair compares, both from 0.
    ///
    /// In the first round verdict k compares the test generation k modulo `test` with the control generation k modulo
    /// `control`, as many as there are of the more frequent kind: of equal numbers, generations of the same number, as
    /// published rates do. Each further round shifts the control generations by one, until every generation met every
    /// one or there were five rounds. The mean over all rounds estimates the same as that over the first, with less luck.
    pub fn verdicts(self) -> impl Iterator<Item = [u32; 2]> {
        let n_of_round = self.test.max(self.control);
        (0..self.n_verdicts()).map(move |verdict| {
            let (round, k) = (verdict / n_of_round, verdict % n_of_round);
            [k % self.test, (k + round) % self.control]
        })
    }

    /// How many these are.
    pub fn n_verdicts(self) -> u32 {
        self.test.max(self.control) * self.test.min(self.control).min(Self::ROUNDS_MAX)
    }

    /// The larger number less what keeps it from being a multiple of the smaller one.
    pub fn rounded_down(self) -> Self {
        Self {
            test: self.test - self.test % self.control.min(self.test),
            control: self.control - self.control % self.test.min(self.control),
        }
    }

    /// True if each generation can count equally often.
    pub fn divide(self) -> bool {
        self == self.rounded_down()
    }
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The model chose an end-of-generation token.
    Eog,
    /// The stop rule applied.
    Stop,
    /// The limit of tokens was reached.
    MaxTokens,
}

impl StopReason {
    /// The word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eog => "eog",
            Self::Stop => "stop",
            Self::MaxTokens => "max_tokens",
        }
    }
}

/// The identity of a request: a hash of all that determines its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub Digest);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The values that all requests of one model in one run share.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestContext {
    /// SHA-256 of the model file (of the digests of its parts, where it is split).
    pub model_sha256: Digest,
    /// The sampling values.
    pub sampling: SamplingParams,
    /// The experiment's seed.
    pub seed: u64,
    /// The name and parameters of the schedule that evaluates the logits, such as `strict-pad8-vbf16`.
    pub schedule: String,
}

/// One planned answer of a model: a generation, or an enumeration.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Hash of everything below and of the `RequestContext`.
    pub id: RequestId,
    /// The rendered prompt, as token ids.
    pub prompt_tokens: Arc<[u32]>,
    /// Which repeat of this prompt, from 0; 0 where continuations are enumerated.
    pub repeat_idx: u32,
}

impl RequestContext {
    /// The requests by which `method` finds the answers to a prompt: `n_repeats` of them, or one enumeration.
    pub fn requests(
        &self,
        prompt_tokens: &Arc<[u32]>,
        method: Method,
        n_repeats: u32,
    ) -> Vec<Request> {
        match method {
            Method::Repeats => (0..n_repeats)
                .map(|repeat_idx| self.request(Arc::clone(prompt_tokens), repeat_idx))
                .collect(),
            Method::Exact(params) => {
                vec![self.enumeration_request(Arc::clone(prompt_tokens), &params)]
            }
        }
    }

    /// The request for repeat `repeat_idx` of a prompt.
    pub fn request(&self, prompt_tokens: Arc<[u32]>, repeat_idx: u32) -> Request {
        let id = RequestId(Digest::of(&self.identity(&prompt_tokens, repeat_idx)));
        Request {
            id,
            prompt_tokens,
            repeat_idx,
        }
    }

    /// One unambiguous line of text for all that determines a generation; numbers in their shortest exact form.
    fn identity(&self, prompt_tokens: &[u32], repeat_idx: u32) -> Vec<u8> {
        let sampling = &self.sampling;
        // The first way of drawing came without a name: its generations keep their ids.
        let draws = match sampling.draws {
            DrawMethod::InverseCdf => "",
            DrawMethod::GumbelMax => "|draws=gumbel_max",
        };
        format!(
            "seep generation 1|model={}|tokens={prompt_tokens:?}|temperature={:?}|top_k={}|top_p={:?}|min_p={:?}\
             |repetition_penalty={:?}|max_tokens={}|stop={:?}|seed={}|repeat={repeat_idx}|schedule={:?}{draws}",
            self.model_sha256,
            sampling.temperature,
            sampling.top_k,
            sampling.top_p,
            sampling.min_p,
            sampling.repetition_penalty,
            sampling.max_tokens,
            sampling.stop,
            self.seed,
            self.schedule,
        )
        .into_bytes()
    }
}

/// The most probable next tokens after a text, and what is left for all others.
#[derive(Debug, Clone, PartialEq)]
pub struct NextTokenDistribution {
    /// The tokens, the most probable first; each once.
    pub tokens: Vec<u32>,
    /// Natural logarithms of their probabilities (temperature 1, nothing penalised or cut off).
    pub logprobs: Vec<f32>,
    /// The probability of all other tokens together, 0 to 1.
    pub rest: f64,
}

/// The next-token distribution at the point where generations of a prompt begin.
#[derive(Debug, Clone, PartialEq)]
pub struct PromptDistribution {
    /// The rendered prompt, as token ids.
    pub prompt_tokens: Arc<[u32]>,
    /// The distribution of the token that follows the prompt.
    pub distribution: NextTokenDistribution,
}

/// The text a model gave for one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// The request it answers.
    pub request_id: RequestId,
    /// The text after the stop rule cut it; invalid UTF-8 is replaced by U+FFFD.
    pub text: String,
    /// All tokens drawn, with the end-of-generation token where there is one and tokens the stop rule cut into.
    pub tokens: Vec<u32>,
    /// Natural logarithm of the model's own probability of each token (temperature 1, nothing penalised or cut off).
    pub token_logprobs: Vec<f32>,
    /// Why it ended.
    pub stop_reason: StopReason,
}

/// A model's answer to a request.
pub trait Answer {
    /// The request it answers.
    fn request_id(&self) -> RequestId;
}

impl Answer for Generation {
    fn request_id(&self) -> RequestId {
        self.request_id
    }
}

impl Answer for Enumeration {
    fn request_id(&self) -> RequestId {
        self.request_id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn context(draws: DrawMethod) -> RequestContext {
        RequestContext {
            model_sha256: Digest::of(b"model"),
            sampling: SamplingParams {
                temperature: 0.5,
                top_k: 20,
                top_p: 0.8,
                min_p: 0.05,
                repetition_penalty: 1.1,
                max_tokens: 10,
                stop: StopRule::Strings(vec!["\n".to_owned(), "\"".to_owned()]),
                draws,
            },
            seed: u64::MAX,
            schedule: "strict-pad8-vbf16".to_owned(),
        }
    }

    /// Of few repeats every test generation meets every control generation, of many each meets as many.
    #[test]
    fn verdicts_compare_each_generation_equally_often_and_no_two_twice() {
        for (test, control, n_each) in [(5, 5, 5), (5, 15, 15), (4, 2, 2), (1, 3, 3), (10, 10, 5)] {
            let counts = RepeatCounts { test, control };
            let verdicts: Vec<[u32; 2]> = counts.verdicts().collect();
            assert_eq!(verdicts.len(), counts.n_verdicts() as usize);
            let distinct: HashSet<[u32; 2]> = verdicts.iter().copied().collect();
            assert_eq!(distinct.len(), verdicts.len());
            for (side, n, n_each) in [(0, test, n_each), (1, control, n_each * test / control)] {
                for repeat in 0..n {
                    let found = verdicts.iter().filter(|verdict| verdict[side] == repeat);
                    assert_eq!(found.count(), n_each as usize, "{test} {control}");
                }
            }
        }
        let first: Vec<[u32; 2]> = RepeatCounts::equal(3).verdicts().take(4).collect();
        assert_eq!(first, [[0, 0], [1, 1], [2, 2], [0, 1]]);
    }

    /// SHA-256 of the lines as builds before schema 7 wrote them, by Python's `hashlib`: what they stored is found again.
    #[test]
    fn requests_of_the_first_draw_method_keep_their_ids() {
        let tokens: Arc<[u32]> = Arc::from([1, 2, 3]);
        let id = |draws| {
            let request = context(draws).request(Arc::clone(&tokens), 4);
            request.id.to_string()
        };
        assert_eq!(
            id(DrawMethod::InverseCdf),
            "d16b8a45c02f5c00b6f8329fab7e35c19db21de7835152b23afb5826ec469093"
        );
        assert_eq!(
            id(DrawMethod::GumbelMax),
            "284057de122ec7f3eb6b176fde28399688f63a6495d5885e719194f141535cdd"
        );
        let params = EnumerationParams {
            coverage: 0.9,
            max_rows_per_prompt: 100,
            n_tail_draws: 5,
        };
        let context = context(DrawMethod::InverseCdf);
        assert_eq!(
            context.enumeration_request(tokens, &params).id.to_string(),
            "2018ed9300fde2672be03e9558b92237b173eee7269b9567da0ba98f766b39f3"
        );
    }
}
