//! A model that is loaded, compared with our own tokenizer, and self-checked.
//!
//! Owns the order of these steps and the size of a context. What the self-check measures, the engine says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::digest::Digest;
use crate::engine::{
    Determinism, EngineError, GroupLimits, Schedule, SelfCheck, Vocabulary, self_check,
};
use crate::generation::{Method, Request};
use crate::llama::{DecoderConfig, LlamaDecoder, Model};
use crate::prompt::{RenderedPrompt, first_disagreement};
use crate::sampling::AllowedTokens;
use crate::store::RunModel;
use crate::study::asking::{Planned, Prepared};
use crate::study::session::Session;
use crate::watch::duration;

/// A model that is loaded, kept for its next sampling or wording.
pub(crate) struct Loaded {
    sha256: Digest,
    pub(crate) model: Model,
    pub(crate) vocabulary: Vocabulary,
    /// None where every prompt is too long for the model.
    pub(crate) check: Option<SelfCheck>,
    checking: Duration,
    /// The prompts that both tokenizers agree on.
    compared: Arc<[RenderedPrompt]>,
}

impl Loaded {
    /// Loads the model that is asked, unless `last` is the same file. The self-check is made once, on the prompts of the
    /// wording for which the model is loaded: how rows depend on their neighbours is a matter of the arithmetic.
    ///
    /// # Errors
    /// Where llama.cpp refuses the file, or its tokenizer is another than the one that planned the requests.
    pub(crate) fn reuse(
        last: &mut Option<Self>,
        session: &Session,
        planned: &Planned,
    ) -> anyhow::Result<()> {
        let sha256 = planned.prepared.file.sha256;
        if last.as_ref().is_none_or(|last| last.sha256 != sha256) {
            // Two models at a time may be more than there is memory for.
            *last = None;
            *last = Some(Self::load(session, planned)?);
        }
        let prompts = &planned.prepared.prompts;
        if let Some(last) = last.as_mut()
            && !Arc::ptr_eq(&last.compared, prompts)
        {
            compare_tokenizers(&planned.prepared, &last.model)?;
            last.compared = Arc::clone(prompts);
        }
        Ok(())
    }

    fn load(session: &Session, planned: &Planned) -> anyhow::Result<Self> {
        let prepared = &planned.prepared;
        let model = load(session, prepared)?;
        let mut loaded = Self {
            sha256: prepared.file.sha256,
            vocabulary: vocabulary(prepared, &model)?,
            model,
            check: None,
            checking: Duration::ZERO,
            compared: Arc::clone(&prepared.prompts),
        };
        let (fitting, _) = loaded.split_too_long(planned.plan.requests(), prepared);
        if !fitting.is_empty() {
            let started = Instant::now();
            let check = loaded.check(session, prepared, &fitting)?;
            loaded.checking = started.elapsed();
            session.note(format_args!(
                "{}: independence of neighbours: {} ({} logits rows compared in {})",
                prepared.file.label(),
                check.determinism,
                check.n_rows,
                duration(loaded.checking.as_secs_f64())
            ));
            loaded.check = Some(check);
        }
        Ok(loaded)
    }

    fn check(
        &self,
        session: &Session,
        prepared: &Prepared,
        requests: &[Request],
    ) -> anyhow::Result<SelfCheck> {
        let schedule = prepared.placement.schedule;
        let limits = context_limits(requests, prepared, Method::Repeats);
        let check = self_check(
            &prompts(requests),
            schedule,
            limits.n_cells,
            session.n_threads,
            &mut |n_threads| {
                let config = decoder_config(limits, schedule, n_threads);
                Ok(Box::new(LlamaDecoder::new(&self.model, config)?))
            },
        );
        match self.model.ended() {
            Some(ended) => Err(ended.into()),
            None => check.with_context(|| format!("failed to check {}", prepared.file.label())),
        }
    }

    /// Writes what the self-check found into the record of a run.
    pub(super) fn record(&self, done: &mut RunModel) {
        let Some(check) = &self.check else {
            return;
        };
        done.determinism = Some(check.determinism.to_string());
        done.logit_difference_max = Some(match check.determinism {
            Determinism::Bitwise => 0.0,
            Determinism::Within(difference) => f64::from(difference),
        });
        done.self_check = self.checking;
    }

    /// Requests that fit the positions the model was trained for, and the others with the reason.
    pub(super) fn split_too_long<'r>(
        &self,
        requests: &'r [Request],
        prepared: &Prepared,
    ) -> (Vec<Request>, Vec<(&'r Request, String)>) {
        let n_ctx_train = self.model.n_ctx_train();
        let max_tokens = prepared.context.sampling.max_tokens;
        let (mut fitting, mut too_long) = (Vec::new(), Vec::new());
        for request in requests {
            let n_tokens = request.prompt_tokens.len();
            if n_tokens + max_tokens as usize <= n_ctx_train as usize {
                fitting.push(request.clone());
            } else {
                let error = EngineError::PromptTooLong {
                    n_tokens,
                    max_tokens,
                    n_ctx_train,
                };
                too_long.push((request, error.to_string()));
            }
        }
        (fitting, too_long)
    }
}

/// Loads a model; one that would be asked something else than was planned is not used.
pub(crate) fn load(session: &Session, prepared: &Prepared) -> anyhow::Result<Model> {
    session.note(format_args!("{}: loading", prepared.file.label()));
    // The tokenizers that made the requests are gone; llama.cpp soon needs as much.
    session.watch.before_loading();
    let model = prepared.placement.load(&prepared.file)?;
    compare_tokenizers(prepared, &model)?;
    Ok(model)
}

/// Tokenizes every prompt with llama.cpp as well; a model whose two tokenizers disagree is not used.
fn compare_tokenizers(prepared: &Prepared, model: &Model) -> anyhow::Result<()> {
    let engine = |text: &str| model.tokenize(text).unwrap_or_default();
    let runs = prepared.prompts.iter().flat_map(|prompt| prompt.runs());
    let disagreement = first_disagreement(runs, &engine);
    if let Some(ended) = model.ended() {
        return Err(ended.into());
    }
    match disagreement {
        None => Ok(()),
        Some(disagreement) => bail!(
            "{}: its tokenizer and llama.cpp's disagree: {disagreement}\n\
             hint: the model file may have been made with another tokenizer; please report this",
            prepared.file.label()
        ),
    }
}

/// The bytes of every token, and which may be drawn: all but padding of the vocabulary.
///
/// # Errors
/// Where the process of the model is gone.
pub(crate) fn vocabulary(prepared: &Prepared, model: &Model) -> anyhow::Result<Vocabulary> {
    let tokens = model.vocabulary()?;
    let allowed = AllowedTokens::without(tokens.len(), prepared.unused_tokens.clone());
    let eog = (0..).zip(&tokens).filter(|(_, token)| token.is_eog);
    let eog: Vec<u32> = eog.map(|(id, _)| id).collect();
    let pieces = tokens.into_iter().map(|token| token.bytes).collect();
    Ok(Vocabulary::new(pieces, &eog, allowed))
}

/// The prompts of these requests, in any order.
pub(crate) fn prompts(requests: &[Request]) -> Vec<&[u32]> {
    let prompts = requests.iter().map(|request| &*request.prompt_tokens);
    prompts.collect()
}

/// The size of the context for these requests.
pub(crate) fn context_limits(
    requests: &[Request],
    prepared: &Prepared,
    method: Method,
) -> GroupLimits {
    let schedule = prepared.placement.schedule;
    let max_tokens = prepared.context.sampling.max_tokens;
    let limits = GroupLimits::for_generations(&prompts(requests), schedule, max_tokens);
    match method {
        Method::Repeats => limits,
        Method::Exact(_) => limits.for_enumerations(),
    }
}

/// The context that has room for groups of this size.
pub(crate) fn decoder_config(
    limits: GroupLimits,
    schedule: Schedule,
    n_threads: u32,
) -> DecoderConfig {
    DecoderConfig {
        n_cells: limits.n_cells,
        n_seqs: limits.n_seqs,
        n_rows: schedule.n_rows_max,
        n_threads,
        value_type: schedule.value_type,
    }
}
