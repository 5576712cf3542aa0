//! The changes that the command line makes to an experiment.

use super::Experiment;
use super::limit::spread;
use super::models::ModelSpec;
use super::sampling::{REPEATS_MAX, nearest};
use super::suggest::{did_you_mean, whole_names};
use crate::generation::RepeatCounts;

/// Generations of one model: each is a request that is held in memory while others are made.
const REQUESTS_MAX: u64 = 10_000_000;

/// Values of the command line that take the place of the file's; None leaves the file's value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Only these of the experiment's models, each as `name`, `name:quantization` or label.
    pub models: Option<Vec<String>>,
    /// Generations of each prompt, 1 to 10000.
    pub repeats: Option<u32>,
    /// Generations of each control prompt, 1 to 10000.
    pub control_repeats: Option<u32>,
    /// The seed of all draws.
    pub seed: Option<u64>,
    /// At most this many prompt pairs, at least 1.
    pub limit: Option<usize>,
    /// Layers of each model on the GPU.
    pub gpu_layers: Option<u32>,
    /// Let intervals speak of other concepts too, whatever the file says.
    pub generalises_concepts: bool,
}

/// Why an experiment cannot be changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// The experiment does not have this model.
    #[error("the experiment `{experiment}` has no model `{model}`\nhint: {}", hint(.meant.as_deref(), .labels))]
    UnknownModel {
        /// Name of the experiment.
        experiment: String,
        /// The model as asked for.
        model: String,
        /// The name or label probably meant.
        meant: Option<String>,
        /// The labels of all models of the experiment.
        labels: Vec<String>,
    },
    /// The list of models is empty.
    #[error("no model is chosen\nhint: leave `--models` out to take all models of the experiment")]
    NoModel,
    /// The number of repeats is out of range.
    #[error("`--repeats` is {0}, expected a number from 1 to {REPEATS_MAX}")]
    Repeats(u32),
    /// The number of control repeats is out of range.
    #[error("`--control-repeats` is {0}, expected a number from 1 to {REPEATS_MAX}")]
    ControlRepeats(u32),
    /// Neither number of repeats divides the other.
    #[error(
        "of {} repeats of test prompts and {} of control prompts neither number divides the other\n\
         hint: the nearest for `--control-repeats` are {}", .0.test, .0.control, nearest(*.0)
    )]
    Uneven(RepeatCounts),
    /// Continuations are enumerated.
    #[error(
        "`--control-repeats` has no meaning with `mode: exact`\nhint: leave it out; each prompt is enumerated once"
    )]
    ExactControlRepeats,
    /// More generations than can be planned.
    #[error(
        "the experiment asks each model for {0} generations, expected at most {REQUESTS_MAX}\n\
         hint: fewer repeats, pairs (`--limit`), samplings or wordings"
    )]
    TooManyRequests(u64),
    /// The limit is 0.
    #[error(
        "`--limit` is 0, so nothing would be generated\nhint: `--limit 1` takes one test prompt with its control"
    )]
    Limit,
}

fn hint(meant: Option<&str>, labels: &[String]) -> String {
    let labels = labels.join(", ");
    match meant {
        Some(meant) => format!("did you mean `{meant}`? the experiment has: {labels}"),
        None => format!("the experiment has: {labels}"),
    }
}

impl Experiment {
    /// The experiment with the values of the command line.
    pub fn with_overrides(mut self, overrides: &Overrides) -> Result<Self, OverrideError> {
        if let Some(chosen) = &overrides.models {
            self.models = self.chosen_models(chosen)?;
        }
        if let Some(n_repeats) = overrides.repeats {
            if !(1..=REPEATS_MAX).contains(&n_repeats) {
                return Err(OverrideError::Repeats(n_repeats));
            }
            self.n_control_repeats = self.control_repeats_beside(n_repeats);
            self.n_repeats = n_repeats;
        }
        if let Some(n_repeats) = overrides.control_repeats {
            self.set_control_repeats(n_repeats)?;
        }
        if !self.repeat_counts().divide() {
            return Err(OverrideError::Uneven(self.repeat_counts()));
        }
        self.seed = overrides.seed.unwrap_or(self.seed);
        self.generalises_concepts |= overrides.generalises_concepts;
        self.n_gpu_layers = overrides.gpu_layers.or(self.n_gpu_layers);
        match overrides.limit {
            Some(0) => return Err(OverrideError::Limit),
            Some(limit) => self.keep_pairs(&spread(&self.pairs, limit)),
            None => {}
        }
        match self.n_generations() {
            n if n > REQUESTS_MAX => Err(OverrideError::TooManyRequests(n)),
            _ => Ok(self),
        }
    }

    /// The generations of each model, or its enumerations.
    fn n_generations(&self) -> u64 {
        let n_repeats: u64 = self.n_requests().into_iter().map(u64::from).sum();
        let n_conditions = self
            .wordings
            .len()
            .saturating_mul(self.sampling.n_samplings());
        n_repeats.saturating_mul(n_conditions as u64)
    }

    /// The control repeats that go with other repeats in the same ratio as now; where none is a whole number, those of now.
    fn control_repeats_beside(&self, n_repeats: u32) -> Option<u32> {
        let now = self.n_control_repeats?;
        let (control, test) = (u64::from(now), u64::from(self.n_repeats));
        let wanted = control * u64::from(n_repeats);
        let in_ratio = wanted.is_multiple_of(test).then_some(wanted / test);
        let in_ratio = in_ratio.and_then(|wanted| u32::try_from(wanted).ok());
        in_ratio
            .filter(|wanted| *wanted <= REPEATS_MAX)
            .or(Some(now))
    }

    fn set_control_repeats(&mut self, n_repeats: u32) -> Result<(), OverrideError> {
        if !(1..=REPEATS_MAX).contains(&n_repeats) {
            return Err(OverrideError::ControlRepeats(n_repeats));
        }
        if self.enumeration.is_some() {
            return Err(OverrideError::ExactControlRepeats);
        }
        self.n_control_repeats = Some(n_repeats);
        Ok(())
    }

    /// The models that `chosen` names, in the order of the file.
    fn chosen_models(&self, chosen: &[String]) -> Result<Vec<ModelSpec>, OverrideError> {
        let names_it = |model: &ModelSpec, word: &str| {
            model.name() == word || model.label().eq_ignore_ascii_case(word)
        };
        if chosen.is_empty() {
            return Err(OverrideError::NoModel);
        }
        let is_known = |word: &str| self.models.iter().any(|model| names_it(model, word));
        let chosen = whole_names(chosen, is_known);
        for word in &chosen {
            if !is_known(word) {
                return Err(self.unknown_model(word));
            }
        }
        let is_chosen = |model: &&ModelSpec| chosen.iter().any(|word| names_it(model, word));
        Ok(self.models.iter().filter(is_chosen).cloned().collect())
    }

    fn unknown_model(&self, word: &str) -> OverrideError {
        let labels: Vec<_> = self.models.iter().map(ModelSpec::label).collect();
        let names = self.models.iter().map(ModelSpec::name);
        let meant = did_you_mean(word, names.chain(labels.iter().map(String::as_str)));
        OverrideError::UnknownModel {
            experiment: self.name.clone(),
            model: word.to_owned(),
            meant: meant.map(str::to_owned),
            labels,
        }
    }
}
