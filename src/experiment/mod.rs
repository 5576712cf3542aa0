//! The user's experiment: one YAML file, read, checked in full and expanded into prompt pairs.
//!
//! Owns the format described in `experiments/README.md`, every message about a file that does not
//! follow it, the choice that `--limit` makes, and the plan of requests for a model.
//! It knows no engine, no database and no manifest: a model's name is looked up by the caller, who
//! reports an unknown one in the same form through [`Problem`] and [`ExperimentErrors`]. Nor does it know workbooks: a
//! file that holds prompt pairs is read by the caller and handed over as [`PairsFile`].

mod balance;
mod encoders;
mod expand;
mod extending;
mod families;
mod fields;
mod file;
mod fillers;
mod ladder;
mod limit;
mod lint;
mod load;
mod mode;
mod models;
mod node;
mod overrides;
mod pairs_file;
mod plan;
mod preset;
mod problem;
mod prompts;
mod read;
mod sampling;
mod scalar;
mod size;
mod slot;
mod source;
mod stop;
mod suggest;
mod wordings;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;

use crate::digest::Digest;
use crate::generation::{EnumerationParams, Method, RepeatCounts, RequestContext, SamplingParams};

pub use balance::{Balance, range};
pub use encoders::{EmbeddingModelSource, EmbeddingModelSpec, is_path};
pub use families::ConceptFamilies;
pub use fields::MARGIN_MAX;
pub use fillers::Filler;
pub use ladder::DerivationSpec;
pub use load::{declared_margin, generalises_concepts};
pub use models::{ModelSource, ModelSpec};
pub use overrides::{OverrideError, Overrides};
pub use pairs_file::{FilePair, PairsFile, PairsLocation, PairsSource};
pub use plan::{Plan, plan_requests};
pub use preset::{Preset, SamplingDefaults};
pub use problem::{ExperimentErrors, Problem, Severity};
pub use source::{Position, SourceFile};
pub use suggest::{did_you_mean, whole_names};

pub(crate) use families::doubled;

use expand::{ExpandedFiller, ExpandedPair};
use families::NamedFamilies;
use sampling::SamplingGrid;
use slot::PROMPT_SLOT;

/// A validated experiment.
#[derive(Debug, Clone)]
pub struct Experiment {
    source: Arc<SourceFile>,
    extended: Option<Arc<SourceFile>>,
    name: String,
    question: String,
    wordings: Vec<Wording>,
    sampling: SamplingGrid,
    n_repeats: u32,
    n_control_repeats: Option<u32>,
    seed: u64,
    enumeration: Option<EnumerationParams>,
    models: Vec<ModelSpec>,
    embedding_models: Vec<EmbeddingModelSpec>,
    n_gpu_layers: Option<u32>,
    date: Option<Date>,
    margin: Option<f64>,
    generalises_concepts: bool,
    concepts: Vec<String>,
    families: Option<NamedFamilies>,
    pairs: Vec<PromptPair>,
    fillers: Vec<Filler>,
    prompts: Vec<String>,
    pairs_source: Option<PairsSource>,
    pairs_sha256: Option<Digest>,
    pairs_mapping_sha256: Option<Digest>,
    warnings: Vec<Problem>,
}

/// A wording: the messages in which prompts are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    name: String,
    system: Option<String>,
    user: String,
}

/// A test prompt, its control prompt and the concept whose influence is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptPair {
    /// The pair's place among all pairs of the experiment file, from 0; a limit does not change it.
    pub pair_idx: usize,
    /// The concept, as the file writes it.
    pub concept: String,
    /// The family of near-synonyms that the concept is in; None where it has none but itself.
    pub concept_family: Option<String>,
    /// The category.
    pub category: String,
    /// The template it was made from; None for a free-standing pair.
    pub template_id: Option<String>,
    /// Which of [`Experiment::prompts`] is the test prompt.
    pub test_prompt_idx: usize,
    /// Which of [`Experiment::prompts`] is the control prompt.
    pub control_prompt_idx: usize,
}

impl Wording {
    /// The name: lowercase letters, digits and hyphens; empty where the experiment has one wording without a name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The system message; None sends none.
    pub fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    /// The user message with `{prompt}` where a prompt is put in.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The user message for a prompt.
    pub fn user_message(&self, prompt: &str) -> String {
        // Validated to hold the slot exactly once; a slot inside the prompt stays as it is.
        self.user.replacen(PROMPT_SLOT, prompt, 1)
    }
}

impl Experiment {
    /// Reads the experiment at `path` and the file it extends, and reports all problems at once.
    pub fn load(path: &Path) -> Result<Self, ExperimentErrors> {
        load::load(path)
    }

    /// The name: lowercase letters, digits and hyphens.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The question that the experiment asks, in prose.
    pub fn question(&self) -> &str {
        &self.question
    }

    /// The wordings in which prompts are sent, in file order; at least one.
    pub fn wordings(&self) -> &[Wording] {
        &self.wordings
    }

    /// The first wording.
    pub fn first_wording(&self) -> &Wording {
        &self.wordings[0]
    }

    /// The samplings of a model: every combination of the values of the file, in its order; at least one.
    ///
    /// Where [`Experiment::model_defaults_position`] is somewhere, `model_defaults` must be those of the model.
    pub fn samplings(&self, model_defaults: Option<&SamplingDefaults>) -> Vec<SamplingParams> {
        self.sampling.expand(model_defaults)
    }

    /// Tokens that a generation can have at most, under any sampling.
    pub fn max_tokens(&self) -> u32 {
        self.sampling.max_tokens()
    }

    /// The preset that gives values which the file does not write out.
    pub fn preset(&self) -> Option<Preset> {
        self.sampling.preset.as_ref().map(|(preset, _)| *preset)
    }

    /// Where the file asks for the defaults of each model; None where it needs none.
    pub fn model_defaults_position(&self) -> Option<&Position> {
        self.sampling.model_defaults_position()
    }

    /// Generations of each prompt, 1 to 10000; of a control prompt those of [`Experiment::repeat_counts`].
    pub fn n_repeats(&self) -> u32 {
        self.n_repeats
    }

    /// Generations of test and of control prompts, of which one divides the other.
    pub fn repeat_counts(&self) -> RepeatCounts {
        RepeatCounts {
            test: self.n_repeats,
            control: self.n_control_repeats.unwrap_or(self.n_repeats),
        }
    }

    /// The requests of each of [`Experiment::prompts`]: the larger number of a prompt that is both test and control; one
    /// where continuations are enumerated.
    pub fn n_requests(&self) -> Vec<u32> {
        let mut n_requests = vec![1; self.prompts.len()];
        if self.enumeration.is_some() {
            return n_requests;
        }
        let counts = self.repeat_counts();
        let pairs = self.pairs.iter();
        let pairs = pairs.map(|it| [it.test_prompt_idx, it.control_prompt_idx]);
        let fillers = self.fillers.iter();
        let fillers = fillers.map(|it| [it.prompt_idx, it.control_prompt_idx]);
        for [test, control] in pairs.chain(fillers) {
            n_requests[test] = n_requests[test].max(counts.test);
            n_requests[control] = n_requests[control].max(counts.control);
        }
        n_requests
    }

    /// The seed of all draws.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How far continuations are enumerated, with a draw of the tail for each repeat; None where there are repeats only.
    pub fn enumeration(&self) -> Option<EnumerationParams> {
        self.enumeration.map(|params| EnumerationParams {
            n_tail_draws: self.n_repeats,
            ..params
        })
    }

    /// How leak probabilities are found.
    pub fn method(&self) -> Method {
        self.enumeration().map_or(Method::Repeats, Method::Exact)
    }

    /// The models in file order, one for each quantization; at least one.
    pub fn models(&self) -> &[ModelSpec] {
        &self.models
    }

    /// The encoders in file order, at least one; the first is the primary one, whose figures are shown.
    pub fn embedding_models(&self) -> &[EmbeddingModelSpec] {
        &self.embedding_models
    }

    /// Layers of each model to put on the GPU; None puts all there where there is one.
    pub fn n_gpu_layers(&self) -> Option<u32> {
        self.n_gpu_layers
    }

    /// The largest difference of two conditions in points that counts as none; None where the file declares none.
    pub fn margin(&self) -> Option<f64> {
        self.margin
    }

    /// The date that chat templates are told where they ask for it; None where the file leaves it to the first run.
    pub fn date(&self) -> Option<Date> {
        self.date
    }

    /// True if intervals speak of other concepts than these too.
    pub fn generalises_concepts(&self) -> bool {
        self.generalises_concepts
    }

    /// The top-level concepts in file order; empty where there are only free-standing pairs.
    pub fn concepts(&self) -> &[String] {
        &self.concepts
    }

    /// The prompt pairs: templates in file order, each with its concepts, then free-standing pairs or those of a file.
    pub fn pairs(&self) -> &[PromptPair] {
        &self.pairs
    }

    /// The fillers: templates in file order, each with its fillers; those of templates that have a pair.
    pub fn fillers(&self) -> &[Filler] {
        &self.fillers
    }

    /// The distinct prompts of all pairs, test and control, and of all fillers, each where it is used first.
    pub fn prompts(&self) -> &[String] {
        &self.prompts
    }

    /// The text of a pair's test prompt.
    pub fn test_prompt(&self, pair: &PromptPair) -> &str {
        &self.prompts[pair.test_prompt_idx]
    }

    /// The text of a pair's control prompt.
    pub fn control_prompt(&self, pair: &PromptPair) -> &str {
        &self.prompts[pair.control_prompt_idx]
    }

    /// The warnings: the user should look, although the experiment can run.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The text of the experiment file, word for word.
    pub fn yaml(&self) -> &str {
        self.source.text()
    }

    /// The experiment file.
    pub fn source(&self) -> &SourceFile {
        &self.source
    }

    /// The file that the experiment extends, where it extends one.
    pub fn extended(&self) -> Option<&SourceFile> {
        self.extended.as_deref()
    }

    /// The SHA-256 of the experiment file, where it stands alone.
    ///
    /// Where it extends a file or takes pairs from one, that of the digests of all of them, each on a line: this file,
    /// the extended one, the one with the pairs, the mapping of its columns.
    pub fn sha256(&self) -> Digest {
        let extended = self.extended.as_ref().map(|file| file.sha256());
        let others = [extended, self.pairs_sha256, self.pairs_mapping_sha256];
        let others: Vec<Digest> = others.into_iter().flatten().collect();
        if others.is_empty() {
            return self.source.sha256();
        }
        let digests = [self.source.sha256()].into_iter().chain(others);
        let lines: String = digests.map(|digest| format!("{digest}\n")).collect();
        Digest::of(lines.as_bytes())
    }

    /// The values that all requests of one model with one of its samplings share.
    pub fn request_context(
        &self,
        model_sha256: Digest,
        sampling: SamplingParams,
        schedule: String,
    ) -> RequestContext {
        RequestContext {
            model_sha256,
            sampling,
            seed: self.seed,
            schedule,
        }
    }

    /// The families that the experiment file names; none where it names none.
    fn families(&self) -> ConceptFamilies {
        let families = self.families.as_ref();
        families.map(NamedFamilies::families).unwrap_or_default()
    }

    fn add_pairs(&mut self, expanded: Vec<ExpandedPair>) {
        let families = self.families();
        let mut prompts = PromptList::default();
        let pairs = expanded.into_iter().enumerate();
        let pairs = pairs.map(|(pair_idx, pair)| PromptPair {
            pair_idx,
            test_prompt_idx: prompts.index_of(&pair.test),
            control_prompt_idx: prompts.index_of(&pair.control),
            concept_family: families.of(&pair.concept).map(str::to_owned),
            concept: pair.concept,
            category: pair.category,
            template_id: pair.template_id,
        });
        self.pairs = pairs.collect();
        self.prompts = prompts.texts;
    }

    fn add_fillers(&mut self, expanded: Vec<ExpandedFiller>) {
        let mut prompts = PromptList::of(std::mem::take(&mut self.prompts));
        let fillers = expanded.into_iter().enumerate();
        let fillers = fillers.map(|(filler_idx, filled)| Filler {
            filler_idx,
            prompt_idx: prompts.index_of(&filled.prompt),
            control_prompt_idx: prompts.index_of(&filled.control),
            filler: filled.filler,
            template_id: filled.template_id,
            category: filled.category,
        });
        self.fillers = fillers.collect();
        self.prompts = prompts.texts;
    }

    /// Adds the pairs of a file after those that are there.
    fn append_pairs(&mut self, added: Vec<FilePair>) {
        let families = self.families();
        let mut prompts = PromptList::of(std::mem::take(&mut self.prompts));
        for pair in added {
            let concept_family = match self.families {
                Some(_) => families.of(&pair.concept).map(str::to_owned),
                None => pair.concept_family,
            };
            self.pairs.push(PromptPair {
                pair_idx: self.pairs.len(),
                test_prompt_idx: prompts.index_of(&pair.test),
                control_prompt_idx: prompts.index_of(&pair.control),
                concept_family,
                concept: pair.concept,
                category: pair.category,
                template_id: pair.template_id,
            });
        }
        self.prompts = prompts.texts;
    }

    /// Keeps the pairs at these places, given in ascending order, the fillers of their templates, and the prompts that
    /// they use.
    fn keep_pairs(&mut self, kept: &[usize]) {
        let mut prompts = PromptList::default();
        let pairs = kept.iter().map(|place| {
            let pair = self.pairs[*place].clone();
            PromptPair {
                test_prompt_idx: prompts.index_of(&self.prompts[pair.test_prompt_idx]),
                control_prompt_idx: prompts.index_of(&self.prompts[pair.control_prompt_idx]),
                ..pair
            }
        });
        self.pairs = pairs.collect();
        let templates = self.pairs.iter();
        let templates: HashSet<_> = templates.filter_map(|it| it.template_id.as_ref()).collect();
        self.fillers
            .retain(|filler| templates.contains(&filler.template_id));
        for filler in &mut self.fillers {
            for prompt_idx in [&mut filler.prompt_idx, &mut filler.control_prompt_idx] {
                *prompt_idx = prompts.index_of(&self.prompts[*prompt_idx]);
            }
        }
        self.prompts = prompts.texts;
    }
}

/// Distinct prompts in the order of their first use.
#[derive(Default)]
struct PromptList {
    texts: Vec<String>,
    idx_of: HashMap<String, usize>,
}

impl PromptList {
    fn of(texts: Vec<String>) -> Self {
        let mut list = Self::default();
        for text in &texts {
            list.index_of(text);
        }
        list
    }

    fn index_of(&mut self, text: &str) -> usize {
        if let Some(prompt_idx) = self.idx_of.get(text) {
            return *prompt_idx;
        }
        let prompt_idx = self.texts.len();
        self.texts.push(text.to_owned());
        self.idx_of.insert(text.to_owned(), prompt_idx);
        prompt_idx
    }
}
