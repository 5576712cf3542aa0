//! From an experiment and the tokens of its prompts to the requests of one condition.
//!
//! Owns the order of the requests and which request answers which prompt and repeat.
//! It renders no chat template and knows no tokenizer: the token ids are given.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Experiment;
use crate::generation::{Method, Request, RequestContext, RequestId};

/// The requests of one condition and what they answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    requests: Vec<Request>,
    /// Place in `requests` of repeat 0, for each prompt; the other repeats follow it.
    first_request_idxs: Vec<usize>,
    /// Requests of each prompt.
    n_each: usize,
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
    let (method, n_repeats) = (experiment.method(), experiment.n_repeats());
    Plan::new(prompt_tokens, context, method, n_repeats)
}

impl Plan {
    /// The requests by which `method` finds the answers to prompts; of repeats `n_repeats` each.
    ///
    /// They are sorted by prompt tokens and then repeat, so that prompts with a common beginning are neighbours; prompts
    /// with the same tokens share their requests.
    pub fn new(
        prompt_tokens: &[Arc<[u32]>],
        context: &RequestContext,
        method: Method,
        n_repeats: u32,
    ) -> Self {
        let mut request_idx_of: BTreeMap<&Arc<[u32]>, usize> =
            prompt_tokens.iter().map(|tokens| (tokens, 0)).collect();
        let mut requests = Vec::new();
        for (tokens, first_request_idx) in &mut request_idx_of {
            *first_request_idx = requests.len();
            requests.extend(context.requests(tokens, method, n_repeats));
        }
        let first_request_idxs = prompt_tokens.iter().map(|tokens| request_idx_of[tokens]);
        Self {
            first_request_idxs: first_request_idxs.collect(),
            n_each: requests.len() / request_idx_of.len().max(1),
            requests,
        }
    }

    /// The requests: by prompt tokens, then by repeat; each once.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// The request for a repeat of a prompt, both counted from 0.
    pub fn request(&self, prompt_idx: usize, repeat_idx: u32) -> &Request {
        let repeat_idx = repeat_idx as usize;
        assert!(repeat_idx < self.n_each, "repeat {repeat_idx} is planned");
        &self.requests[self.first_request_idxs[prompt_idx] + repeat_idx]
    }

    /// The id of the request for a repeat of a prompt, both counted from 0.
    pub fn request_id(&self, prompt_idx: usize, repeat_idx: u32) -> RequestId {
        self.request(prompt_idx, repeat_idx).id
    }
}
