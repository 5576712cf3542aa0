//! From an experiment and the tokens of its prompts to the requests of one condition.
//!
//! Owns the order of the requests and which request answers which prompt and repeat.
//! It renders no chat template and knows no tokenizer: the token ids are given.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::Experiment;
use crate::generation::{Method, Request, RequestContext, RequestId};

/// The requests of one condition and what they answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    requests: Vec<Request>,
    /// Places in `requests` of each prompt's repeats, in their order.
    places: Vec<Range<usize>>,
}

/// Plans every repeat of every prompt, or an enumeration of each.
///
/// `prompt_tokens` holds the rendered prompts in the order of [`Experiment::prompts`].
pub fn plan_requests(
    experiment: &Experiment,
    prompt_tokens: &[Arc<[u32]>],
    context: &RequestContext,
) -> Plan {
    assert_eq!(
        prompt_tokens.len(),
        experiment.prompts().len(),
        "every prompt has its tokens"
    );
    assert_eq!(
        context.seed,
        experiment.seed(),
        "the context is that of the experiment"
    );
    let (method, n_repeats) = (experiment.method(), experiment.n_requests());
    Plan::new(prompt_tokens, context, method, &n_repeats)
}

impl Plan {
    /// The requests by which `method` finds the answers to prompts; of repeats `n_repeats`, a number
    /// for each prompt.
    ///
    /// They are sorted by prompt tokens and then repeat, so that prompts with a common beginning are neighbours; prompts
    /// with the same tokens share their requests, as many as the one of them with most.
    pub fn new(
        prompt_tokens: &[Arc<[u32]>],
        context: &RequestContext,
        method: Method,
        n_repeats: &[u32],
    ) -> Self {
        let mut n_of: BTreeMap<&Arc<[u32]>, u32> = BTreeMap::new();
        for (tokens, &n_repeats) in prompt_tokens.iter().zip(n_repeats) {
            let n_largest = n_of.entry(tokens).or_default();
            *n_largest = n_repeats.max(*n_largest);
        }
        let mut requests = Vec::new();
        let places = n_of.into_iter().map(|(tokens, n_repeats)| {
            let first = requests.len();
            requests.extend(context.requests(tokens, method, n_repeats));
            (tokens, first..requests.len())
        });
        let places: BTreeMap<&Arc<[u32]>, Range<usize>> = places.collect();
        let places = prompt_tokens.iter().map(|tokens| places[tokens].clone());
        Self {
            places: places.collect(),
            requests,
        }
    }

    /// The requests: by prompt tokens, then by repeat; each once.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The request for a repeat of a prompt, both counted from 0.
    pub fn request(&self, prompt_idx: usize, repeat_idx: u32) -> &Request {
        &self.requests[self.places[prompt_idx].clone()][repeat_idx as usize]
    }

    /// The id of the request for a repeat of a prompt, both counted from 0.
    pub fn request_id(&self, prompt_idx: usize, repeat_idx: u32) -> RequestId {
        self.request(prompt_idx, repeat_idx).id
    }
}
