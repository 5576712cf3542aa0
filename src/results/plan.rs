//! The plan of a run: what it would make, take and find.

use serde::Serialize;

use crate::generation::EnumerationParams;

/// The work that a run would do.
#[derive(Debug, Serialize)]
pub struct RunPlan {
    /// The experiment's name.
    pub experiment: String,
    /// Prompt pairs.
    pub n_prompt_pairs: usize,
    /// Those of them that have siblings: pairs of the same template and control with a concept of another family.
    pub n_pairs_with_siblings: usize,
    /// Prompts with a neutral filler; they are in no pair.
    pub n_filler_prompts: usize,
    /// Distinct prompts, with those of fillers.
    pub n_prompts: usize,
    /// How evenly templates meet concepts; null without templates.
    pub balance: Option<DesignBalance>,
    /// Repeats of each test prompt.
    pub n_repeats: u32,
    /// Repeats of each control prompt.
    pub n_control_repeats: u32,
    /// How far continuations are enumerated, if they are; the repeats are then draws of what is not.
    #[serde(skip)]
    pub enumeration: Option<EnumerationParams>,
    /// The models, and the encoder at the end.
    pub models: Vec<ModelPlan>,
    /// Time of all generations whose time is known, in seconds.
    pub seconds: f64,
    /// Models with missing generations whose time is unknown, because they are not here.
    pub n_models_without_time: usize,
    /// Size of all that is fetched, derived and stored, in bytes.
    pub disk_bytes: u64,
    /// The largest memory of a model that is here, in bytes; models are loaded one after the other.
    pub memory_bytes: Option<u64>,
    /// Memory of the machine, in bytes.
    pub machine_memory_bytes: u64,
    /// The comparisons that the experiment makes possible.
    pub comparisons: Vec<ComparisonPlan>,
    /// Better designs for the same time; null where continuations are enumerated, nothing is stored that tells, or no
    /// model is here.
    pub advice: Option<DesignAdvice>,
}

/// How often concepts stand in the slots of templates: of each, the least and the most.
#[derive(Debug, Serialize)]
pub struct DesignBalance {
    /// Templates.
    pub n_templates: usize,
    /// Concepts of all templates together.
    pub n_concepts: usize,
    /// Concepts of a template.
    pub n_concepts_of_template: [usize; 2],
    /// Templates of a concept.
    pub n_templates_of_concept: [usize; 2],
    /// Templates that two concepts of different families share; null where all are of one.
    pub n_templates_of_two: Option<[usize; 2]>,
}

/// The work that a run would do with one model.
#[derive(Debug, Serialize)]
pub struct ModelPlan {
    /// The model's name.
    pub model: String,
    /// The label of its quantization, where it is known.
    pub quantization: Option<String>,
    /// The state of its file, in words.
    pub state: String,
    /// Bytes to fetch.
    pub fetch_bytes: u64,
    /// Size of a file that has to be derived; null where its parent is not here.
    pub derive_bytes: Option<u64>,
    /// Enumerations, where continuations are enumerated: one for each distinct prompt.
    pub n_generations: usize,
    /// Those that are stored.
    pub n_stored: usize,
    /// Those to be made.
    pub n_missing: usize,
    /// Tokens of all rendered prompts; null where the model is not here.
    pub n_prompt_tokens: Option<usize>,
    /// Null where the model is not here.
    pub cost: Option<Cost>,
}

impl ModelPlan {
    /// Model and quantization, as `seep compare` takes them.
    pub fn name(&self) -> String {
        match &self.quantization {
            Some(quantization) => format!("{}:{quantization}", self.model),
            None => self.model.clone(),
        }
    }
}

/// The cost of the missing generations of one model.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// Time to make them, in seconds.
    pub seconds: f64,
    /// Where that comes from, such as `run 3` or `warm-up`; null where nothing is missing.
    pub seconds_from: Option<String>,
    /// Tokens that they have at most; of enumerations, the rows that they take at most.
    pub n_tokens_max: u64,
    /// Memory of the process, in bytes.
    pub memory_bytes: u64,
    /// Rows evaluated for a prompt, besides those that it shares with its neighbour.
    pub rows_of_prompt: f64,
    /// Rows evaluated for a generation: in the last run on this machine, else as many as it may have tokens.
    pub rows_of_draw: f64,
}

/// A comparison that the experiment makes possible.
#[derive(Debug, Serialize)]
pub struct ComparisonPlan {
    /// Model and quantization of the base.
    pub base: String,
    /// Those of the other.
    pub other: String,
    /// How many comparisons with this base Holm's correction is for.
    pub n_comparisons: usize,
    /// The level of the test after Holm's correction.
    pub alpha: f64,
    /// The standard error to expect of a difference of Mean Leak-Rates, in points.
    pub standard_error: f64,
    /// The smallest difference found with a power of 80 %, in points; null where none can be.
    pub detectable_points: Option<f64>,
    /// The standard error of specificity; null where no pair has siblings.
    pub specificity_standard_error: Option<f64>,
    /// Its smallest difference.
    pub specificity_detectable_points: Option<f64>,
    /// The standard error of specific leakage; null where no pair has siblings.
    pub specific_leakage_standard_error: Option<f64>,
    /// Its smallest difference.
    pub specific_leakage_detectable_points: Option<f64>,
    /// The source of the Mean Leak-Rate's standard error: `stored` or `prior`.
    pub basis: &'static str,
    /// That of specificity and specific leakage; null where no pair has siblings.
    pub siblings_basis: Option<&'static str>,
    /// Verdicts, or leak probabilities, under each of both that the standard error comes from; 0 for the prior.
    pub n_stored: usize,
    /// True if these are leak probabilities.
    pub is_exact: bool,
    /// The measures of which a component of the variance was found as zero, so that an upper limit of it stands for it.
    pub bounded: Vec<&'static str>,
    /// The parts of the variance of each measure's difference in this design; empty for the prior.
    pub shares: Vec<VarianceShares>,
}

/// The parts of the variance of a difference between two conditions, which add up to 1.
#[derive(Debug, Serialize)]
pub struct VarianceShares {
    /// The measure.
    pub measure: &'static str,
    /// Of the choice of templates.
    pub template: f64,
    /// Of what a concept has in common in all templates.
    pub concept: f64,
    /// Of the choice of prompts besides: of a concept in a template.
    pub prompt: f64,
    /// Of the draws of control generations.
    pub control_draws: f64,
    /// Of the draws of test generations.
    pub test_draws: f64,
}

/// Designs that take the same time, in rows evaluated.
#[derive(Debug, Serialize)]
pub struct DesignAdvice {
    /// Rows evaluated for a prompt.
    pub rows_of_prompt: f64,
    /// Rows evaluated for a generation.
    pub rows_of_draw: f64,
    /// The best number of control repeats for each test repeat, for the Leak-Rate, by formula; null where any is as good.
    pub best_control_ratio: Option<f64>,
    /// The best repeats, in the same way.
    pub best_repeats: Option<f64>,
    /// The best number of concepts of a template, in the same way.
    pub best_concepts: Option<f64>,
    /// The design as it is, with the best repeats, and with the best templates too.
    pub designs: Vec<AdvisedDesign>,
}

/// A design and what it can find.
#[derive(Debug, Serialize)]
pub struct AdvisedDesign {
    /// Which one: `present`, `repeats` or `templates`.
    pub design: &'static str,
    /// Templates with siblings.
    pub n_templates: usize,
    /// The mean number of their concepts.
    pub n_concepts_of_template: f64,
    /// Repeats of each test prompt.
    pub n_repeats: u32,
    /// Repeats of each control prompt.
    pub n_control_repeats: u32,
    /// Rows evaluated for one model.
    pub rows: f64,
    /// The smallest difference of Mean Leak-Rates that is found with a power of 80 %, in points; null where none can be.
    pub detectable_points: Option<f64>,
    /// That of specificity.
    pub specificity_detectable_points: Option<f64>,
    /// That of specific leakage.
    pub specific_leakage_detectable_points: Option<f64>,
}
