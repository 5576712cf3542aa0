//! A database that a test writes without any model: pairs, models and verdicts of a chosen number.
//!
//! Owns what all such databases have in common. Which pairs leak, and what models say, the test decides.

use std::path::Path;
use std::sync::Arc;

use seep::digest::Digest;
use seep::generation::{
    DrawMethod, Generation, Method, RequestContext, SamplingParams, StopReason, StopRule,
};
use seep::leakage::{Leak, echoes};
use seep::store::{
    ConceptSimilarity, ConditionKey, ExperimentId, GenerationId, ModelId, NewAnswer, NewExperiment,
    NewLeak, NewModel, NewPair, NewPrompt, NewRenderedPrompt, NewRun, Numerics, NumericsId,
    PromptId, RunId, Store,
};

/// The seed of all generations.
pub(crate) const SEED: u64 = 1;
/// The similarity of every control generation.
const SIMILARITY_CONTROL: f64 = 0.25;
/// Words between which the concept stands, by the number of the pair.
const CONCEPTS: [&str; 4] = ["red", "blue", "sky blue", "été"];
/// Of three pairs each, and then again.
const TEMPLATES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const CATEGORIES: [&str; 2] = ["color-to-other", "color-to-color"];

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) n_pairs: usize,
    pub(crate) n_repeats: u32,
    /// Different generations of each model, at least 1; more pairs than that share them.
    pub(crate) n_texts: usize,
}

/// A model file, and what it says.
#[derive(Clone, Copy)]
pub(crate) struct FilledModel<'a> {
    pub(crate) label: &'a str,
    pub(crate) quantization: &'a str,
    pub(crate) bits_per_weight: f64,
    /// How many of five pairs leak.
    pub(crate) n_leaks: usize,
    /// The n-th generation.
    pub(crate) text: &'a dyn Fn(usize) -> String,
}

/// A database under construction.
pub(crate) struct Filling {
    store: Store,
    extent: Extent,
    experiment: ExperimentId,
    run: RunId,
    encoder: ModelId,
    prompts: Vec<PromptId>,
}

impl Filling {
    /// A database with its experiment and its pairs, two of which share a control prompt.
    pub(crate) fn start(path: &Path, extent: Extent) -> Self {
        let mut store = Store::open(path).unwrap();
        let experiment = store
            .register_experiment(&NewExperiment {
                sha256: Digest::of(b"filled"),
                name: "filled",
                question: "Why </script><script>alert(1)</script>?",
                yaml: "name: filled",
                extended_yaml: None,
                pairs_sha256: None,
            })
            .unwrap();
        let n_prompts = extent.n_pairs + extent.n_pairs.div_ceil(2);
        let messages: Vec<String> = (0..n_prompts.max(extent.n_texts))
            .map(|n| n.to_string())
            .collect();
        let new = messages.iter().map(|user_message| NewPrompt {
            system_message: None,
            user_message,
        });
        let prompts = store.register_prompts(&new.collect::<Vec<_>>()).unwrap();
        let run = store.start_run(&new_run(experiment, extent)).unwrap();
        let encoder = store
            .register_model(&new_model("encoder", "F32", 32.0))
            .unwrap();
        let mut filling = Self {
            store,
            extent,
            experiment,
            run,
            encoder,
            prompts,
        };
        filling.register_pairs();
        filling
    }

    fn register_pairs(&mut self) {
        let n_pairs = self.extent.n_pairs;
        let concept = |pair_idx: usize| CONCEPTS[pair_idx % CONCEPTS.len()];
        let tests: Vec<String> = (0..n_pairs)
            .map(|n| format!("His {} scarf, number {n}, was", concept(n)))
            .collect();
        let controls: Vec<String> = (0..n_pairs)
            .map(|n| format!("His scarf, number {}, was", n / 2))
            .collect();
        let pairs = (0..n_pairs).map(|pair_idx| NewPair {
            pair_idx,
            concept: concept(pair_idx),
            concept_family: None,
            category: CATEGORIES[pair_idx % CATEGORIES.len()],
            template_id: Some(TEMPLATES[pair_idx / 3 % TEMPLATES.len()]),
            test_prompt: &tests[pair_idx],
            control_prompt: &controls[pair_idx],
            test_prompt_id: self.prompts[pair_idx],
            control_prompt_id: self.prompts[n_pairs + pair_idx / 2],
        });
        let pairs: Vec<NewPair<'_>> = pairs.collect();
        self.store.register_pairs(self.experiment, &pairs).unwrap();
    }

    /// Adds a model with its generations and verdicts.
    pub(crate) fn add_model(&mut self, model: FilledModel<'_>) {
        let FilledModel {
            label,
            quantization,
            bits_per_weight,
            ..
        } = model;
        let new = new_model(label, quantization, bits_per_weight);
        let id = self.store.register_model(&new).unwrap();
        let generations = self.add_generations(id, new.sha256, model.text);
        let mut leaks = Vec::new();
        for pair_idx in 0..self.extent.n_pairs {
            for repeat_idx in 0..self.extent.n_repeats {
                let n = (pair_idx * 31 + repeat_idx as usize * (pair_idx % 3)) % generations.len();
                leaks.push(self.leak(pair_idx, repeat_idx, &model, (n, &generations)));
            }
        }
        let key = ConditionKey {
            experiment: self.experiment,
            model: id,
            sampling: seep::store::SamplingId::UNKNOWN,
            wording: seep::store::WordingId::UNNAMED,
            seed: SEED,
            method: Method::Repeats,
            numerics: numerics(&mut self.store),
            metric: "sbert".to_owned(),
            embedding_model: self.encoder,
            signature: "sbert_encoder_L2_mean_round3_sha256=0123456789ab_seep=0.1.0".to_owned(),
        };
        let condition = self.store.register_condition(&key).unwrap();
        self.store.save_leaks(condition, &leaks).unwrap();
        let similarities = self.concept_similarities(model.n_leaks);
        self.store
            .save_concept_similarities(condition, &similarities, false)
            .unwrap();
    }

    /// Those of the pairs that share control prompt and template: the more leaks, the closer is a concept to itself.
    fn concept_similarities(&self, n_leaks: usize) -> Vec<ConceptSimilarity> {
        let first = (0..self.extent.n_pairs).step_by(2);
        let pairs = first.map(|pair_idx| [pair_idx, pair_idx + 1]);
        let siblings = pairs.filter(|[a, b]| *b < self.extent.n_pairs && a / 3 == b / 3);
        let rows = siblings.flat_map(|pair| {
            pair.map(|measured| {
                pair.map(|held| ConceptSimilarity {
                    n_texts: 1,
                    pair_idx: measured,
                    held_pair_idx: held,
                    similarity: if measured == held {
                        0.1 * n_leaks as f64
                    } else {
                        0.1
                    },
                    figures: None,
                })
            })
        });
        rows.flatten().collect()
    }

    fn leak(
        &self,
        pair_idx: usize,
        repeat_idx: u32,
        model: &FilledModel<'_>,
        (n, generations): (usize, &[GenerationId]),
    ) -> NewLeak {
        let similarity_test = match (pair_idx + repeat_idx as usize) % 5 {
            step if step < model.n_leaks => 0.5,
            4 => SIMILARITY_CONTROL,
            _ => 0.1,
        };
        NewLeak {
            pair_idx,
            repeat_idx,
            test_generation: generations[n],
            control_generation: generations[(n + 1) % generations.len()],
            similarity_test,
            similarity_control: SIMILARITY_CONTROL,
            leak: Leak::of(similarity_test, SIMILARITY_CONTROL),
            is_echo: echoes(&(model.text)(n), CONCEPTS[pair_idx % CONCEPTS.len()]),
        }
    }

    fn add_generations(
        &mut self,
        model: ModelId,
        model_sha256: Digest,
        text: &dyn Fn(usize) -> String,
    ) -> Vec<GenerationId> {
        let context = context(model_sha256);
        let numerics = numerics(&mut self.store);
        let tokens: Vec<Arc<[u32]>> = (0..self.extent.n_texts as u32)
            .map(|n| Arc::from([n]))
            .collect();
        let rendered = tokens
            .iter()
            .zip(&self.prompts)
            .map(|(tokens, prompt)| NewRenderedPrompt {
                prompt: *prompt,
                text: "rendered",
                tokens,
            });
        let rendered: Vec<_> = rendered.collect();
        self.store
            .register_rendered_prompts(model, &rendered)
            .unwrap();
        // A verdict is about any two of these, and says which by their numbers.
        let requests = tokens.iter().zip(0..);
        let requests = requests.map(|(tokens, n)| context.request(Arc::clone(tokens), n));
        let requests: Vec<_> = requests.collect();
        let generations: Vec<Generation> = requests
            .iter()
            .enumerate()
            .map(|(n, request)| Generation {
                request_id: request.id,
                text: text(n),
                tokens: vec![1],
                token_logprobs: vec![-0.5],
                stop_reason: StopReason::Eog,
            })
            .collect();
        let new = requests.iter().zip(&generations);
        let new = new.map(|(request, generation)| NewAnswer {
            request,
            answer: generation,
        });
        let new: Vec<_> = new.collect();
        self.store
            .insert_generations(self.run, model, numerics, &context, &new)
            .unwrap();
        let ids: Vec<_> = requests.iter().map(|request| request.id).collect();
        let stored = self.store.generations(&ids, numerics).unwrap();
        ids.iter().map(|id| stored[id].id).collect()
    }
}

fn new_model<'a>(label: &'a str, quantization: &'a str, bits_per_weight: f64) -> NewModel<'a> {
    NewModel {
        sha256: Digest::of(format!("{label}:{quantization}").as_bytes()),
        label,
        quantization,
        path: "filled.gguf".as_ref(),
        architecture: "qwen2",
        n_parameters: 1_000,
        bits_per_weight,
        size_bytes: 1_000,
        metadata: r#"{"general.license": "mit"}"#,
        composition: "{}",
        derivation: None,
    }
}

fn context(model_sha256: Digest) -> RequestContext {
    RequestContext {
        model_sha256,
        sampling: SamplingParams {
            temperature: 0.5,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            max_tokens: 10,
            stop: StopRule::None,
            draws: DrawMethod::GumbelMax,
        },
        seed: SEED,
        schedule: "strict-pad8-vbf16".to_owned(),
    }
}

/// How the logits of all generations are computed.
fn numerics(store: &mut Store) -> NumericsId {
    let numerics = Numerics {
        schedule: "strict-pad8-vbf16".to_owned(),
        llama_cpp_version: "b10252".to_owned(),
        logits_sha256: None,
    };
    store.register_numerics(&numerics).unwrap()
}

fn new_run(experiment: ExperimentId, extent: Extent) -> NewRun<'static> {
    NewRun {
        experiment,
        seed: SEED,
        n_repeats: extent.n_repeats,
        n_prompt_pairs: extent.n_pairs,
        command_line: "seep run filled.yaml",
        seep_version: "0.1.0",
        seep_commit: "0123456789ab",
        seep_is_dirty: false,
        llama_cpp_2_version: "0.1.160",
        llama_cpp_version: "b10252",
        system_info: "",
        cpu: "a processor",
        n_cores: 2,
        memory_bytes: 1 << 30,
        os: "Linux",
        n_threads: 2,
    }
}
