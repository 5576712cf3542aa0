//! The stored answers of a condition, put together for scoring: what is compared with what.
//!
//! Owns the two forms of evidence, one for each method. What comes of them, `scorer` says.

use std::collections::{BTreeMap, HashMap, HashSet};

use itertools::Itertools as _;

use crate::experiment::{Experiment, PromptPair};
use crate::generation::{EnumerationParams, Method, RequestId};
use crate::leakage::Concepts;
use crate::store::{
    Comparison, FillerGeneration, ModelId, NumericsId, SamplingId, Source, Store, StoredEnumeration,
};
use crate::study::asking::{Planned, Registered};

/// The answers of a condition.
pub(crate) enum Evidence {
    /// For each repeat of each pair the two generations.
    Repeats(Repeats),
    /// For each pair the continuations of both prompts.
    Exact(Continuations),
}

/// The generations of a condition.
pub(crate) struct Repeats {
    pub(crate) comparisons: Vec<Comparison>,
    /// Those for neutral fillers.
    pub(crate) fillers: Vec<FillerGeneration>,
}

/// The enumerations of a condition, and the pairs whose prompts they continue.
pub(crate) struct Continuations {
    pub(crate) params: EnumerationParams,
    pub(crate) pairs: Vec<ContinuedPair>,
    pub(crate) fillers: Vec<ContinuedFiller>,
    pub(crate) enumerations: HashMap<RequestId, StoredEnumeration>,
}

/// A pair with the requests that continue its prompts.
pub(crate) struct ContinuedPair {
    pub(crate) pair: PromptPair,
    pub(crate) test_prompt: String,
    pub(crate) control_prompt: String,
    pub(crate) test: RequestId,
    pub(crate) control: RequestId,
}

/// A prompt with a neutral filler, with the request that continues it.
pub(crate) struct ContinuedFiller {
    pub(crate) template_id: String,
    pub(crate) request: RequestId,
}

/// A condition whose answers are scored.
pub(crate) struct Subject {
    pub(crate) source: Source,
    /// The model, with its sampling and wording where there are several, as people read them.
    pub(crate) label: String,
    pub(crate) evidence: Evidence,
    /// True if more is stored of the condition than is scored.
    pub(crate) is_partial: bool,
    /// True if intervals speak of other concepts too.
    pub(crate) generalises_concepts: bool,
}

/// The concepts of conditions of one experiment.
pub(crate) fn concepts_of_subjects<'s>(subjects: impl Iterator<Item = &'s Subject>) -> Concepts {
    let subjects: Vec<&Subject> = subjects.collect();
    let concepts = subjects.iter().flat_map(|it| it.concepts().into_values());
    Concepts {
        n: concepts.unique().count(),
        are_random: subjects.iter().any(|it| it.generalises_concepts),
    }
}

impl Subject {
    /// The condition that was planned, with the answers that are stored under `numerics`.
    ///
    /// Of what other runs of the experiment stored, only the planned pairs and repeats are taken.
    pub(crate) fn of_planned(
        store: &mut Store,
        experiment: &Experiment,
        registered: &Registered,
        planned: &Planned,
        model: ModelId,
        numerics: NumericsId,
    ) -> anyhow::Result<Self> {
        let sampling: SamplingId = store.register_sampling(&planned.prepared.context.sampling)?;
        let source = Source {
            experiment: registered.experiment,
            model,
            sampling,
            wording: registered.wording(planned),
            seed: experiment.seed(),
            numerics,
        };
        let (evidence, is_partial) = match planned.method {
            Method::Repeats => {
                let (repeats, is_partial) = repeats(store, experiment, &source)?;
                (Evidence::Repeats(repeats), is_partial)
            }
            Method::Exact(params) => {
                let found = continuations(store, experiment, planned, params, numerics)?;
                let is_partial = found.pairs.len() < store.n_pairs(registered.experiment)?;
                (Evidence::Exact(found), is_partial)
            }
        };
        Ok(Self {
            source,
            label: planned.prepared.label(),
            evidence,
            is_partial,
            generalises_concepts: experiment.generalises_concepts(),
        })
    }

    /// The concept of each pair, by its place in the experiment.
    pub(crate) fn concepts(&self) -> BTreeMap<usize, &str> {
        let of_repeats = self.comparisons().iter();
        let of_repeats = of_repeats.map(|it| (it.pair_idx, it.concept.as_str()));
        let of_exact = match &self.evidence {
            Evidence::Repeats(_) => &[][..],
            Evidence::Exact(continuations) => &continuations.pairs,
        };
        let of_exact = of_exact
            .iter()
            .map(|it| (it.pair.pair_idx, it.pair.concept.as_str()));
        of_repeats.chain(of_exact).collect()
    }

    /// The generations that are compared; none where continuations were enumerated.
    pub(crate) fn comparisons(&self) -> &[Comparison] {
        match &self.evidence {
            Evidence::Repeats(repeats) => &repeats.comparisons,
            Evidence::Exact(_) => &[],
        }
    }

    /// The concepts and everything that is compared with them; some come more than once.
    pub(crate) fn texts(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match &self.evidence {
            Evidence::Repeats(repeats) => {
                let compared = repeats.comparisons.iter().flat_map(|comparison| {
                    let texts = [&comparison.test.text, &comparison.control.text];
                    [&comparison.concept].into_iter().chain(texts)
                });
                let of_fillers = repeats.fillers.iter().map(|filler| &filler.text);
                Box::new(compared.chain(of_fillers).map(String::as_str))
            }
            Evidence::Exact(continuations) => {
                let concepts = continuations
                    .pairs
                    .iter()
                    .map(|it| it.pair.concept.as_str());
                let stored = continuations.enumerations.values();
                let found = stored.flat_map(|stored| &stored.enumeration.continuations);
                Box::new(concepts.chain(found.map(|continuation| continuation.text.as_str())))
            }
        }
    }
}

/// The planned generations, and if more are stored.
fn repeats(
    store: &Store,
    experiment: &Experiment,
    source: &Source,
) -> anyhow::Result<(Repeats, bool)> {
    let planned: HashSet<usize> = experiment
        .pairs()
        .iter()
        .map(|pair| pair.pair_idx)
        .collect();
    let mut comparisons = store.comparisons(source, experiment.repeat_counts())?;
    comparisons.retain(|found| planned.contains(&found.pair_idx));
    let templates: HashSet<&str> = experiment
        .fillers()
        .iter()
        .map(|filler| filler.template_id.as_str())
        .collect();
    let mut fillers = store.filler_generations(source)?;
    fillers.retain(|found| {
        templates.contains(found.template_id.as_str()) && found.repeat_idx < experiment.n_repeats()
    });
    let of_equal = |found: &&Comparison| found.test.repeat_idx == found.control.repeat_idx;
    let n_of_equal = comparisons.iter().filter(of_equal).count();
    let is_partial = n_of_equal < store.n_of_equal_repeats(source)?;
    let repeats = Repeats {
        comparisons,
        fillers,
    };
    Ok((repeats, is_partial))
}

fn continuations(
    store: &Store,
    experiment: &Experiment,
    planned: &Planned,
    params: EnumerationParams,
    numerics: NumericsId,
) -> anyhow::Result<Continuations> {
    let request = |prompt_idx| planned.plan.request_id(prompt_idx, 0);
    let pairs = experiment.pairs().iter().map(|pair| ContinuedPair {
        test_prompt: experiment.test_prompt(pair).to_owned(),
        control_prompt: experiment.control_prompt(pair).to_owned(),
        test: request(pair.test_prompt_idx),
        control: request(pair.control_prompt_idx),
        pair: pair.clone(),
    });
    let fillers = experiment.fillers().iter().map(|filler| ContinuedFiller {
        template_id: filler.template_id.clone(),
        request: request(filler.prompt_idx),
    });
    Ok(Continuations {
        params,
        pairs: pairs.collect(),
        fillers: fillers.collect(),
        enumerations: store.enumerations(&planned.request_ids(), numerics)?,
    })
}
