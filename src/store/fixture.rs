//! A small experiment for the store's tests: two prompt pairs that share a control, two repeats.

use std::sync::Arc;

use super::{
    ConditionId, ConditionKey, ExperimentId, ModelId, NewAnswer, NewExperiment, NewFailure,
    NewLeak, NewModel, NewPair, NewPrompt, NewRenderedPrompt, NewRun, Numerics, NumericsId,
    PromptId, RunId, SamplingId, Store, WordingId,
};
use crate::digest::Digest;
use crate::generation::{
    DrawMethod, Generation, Method, Request, RequestContext, RequestId, SamplingParams, StopReason,
    StopRule,
};
use crate::leakage::Leak;

pub(super) const YAML: &str = "name: tiny\nquestion: |\n  \"Why?\" — naïve\n";

/// The user messages: two test prompts and the control prompt of both.
const USER_MESSAGES: [&str; 3] = ["He likes red. He is", "He likes blue. He is", "He is"];
const N_REPEATS: u32 = 2;

/// The rows registered in a store, and the requests of its run.
pub(super) struct Fixture {
    pub(super) experiment: ExperimentId,
    pub(super) model: ModelId,
    pub(super) embedding_model: ModelId,
    pub(super) sampling: SamplingId,
    pub(super) numerics: NumericsId,
    pub(super) run: RunId,
    pub(super) context: RequestContext,
    /// By prompt and then repeat: 6.
    pub(super) requests: Vec<Request>,
}

pub(super) fn new_experiment(yaml: &str) -> NewExperiment<'_> {
    NewExperiment {
        sha256: Digest::of(yaml.as_bytes()),
        name: "tiny",
        question: "\"Why?\" — naïve\n",
        yaml,
        extended_yaml: None,
        pairs_sha256: None,
    }
}

pub(super) fn new_model(label: &str) -> NewModel<'_> {
    NewModel {
        sha256: Digest::of(label.as_bytes()),
        label,
        quantization: "Q4_K_M",
        path: "models/a b.gguf".as_ref(),
        architecture: "qwen2",
        n_parameters: 494_032_768,
        bits_per_weight: 6.5,
        size_bytes: 401_000_000,
        metadata: r#"{"general.name": "a"}"#,
        composition: r#"{"Q5_0": 300000000}"#,
        derivation: None,
    }
}

pub(super) fn new_run(experiment: ExperimentId) -> NewRun<'static> {
    NewRun {
        experiment,
        seed: u64::MAX,
        n_repeats: N_REPEATS,
        n_prompt_pairs: 2,
        command_line: "seep run tiny.yaml",
        seep_version: "0.1.0",
        seep_commit: "0123456789ab",
        seep_is_dirty: true,
        llama_cpp_2_version: "0.1.160",
        llama_cpp_version: "b10252",
        system_info: "AVX2 = 1",
        cpu: "a processor",
        n_cores: 2,
        memory_bytes: 8 << 30,
        os: "Linux",
        n_threads: 2,
    }
}

fn context(model_sha256: Digest) -> RequestContext {
    RequestContext {
        model_sha256,
        sampling: SamplingParams {
            temperature: 0.5,
            top_k: 20,
            top_p: 0.8,
            min_p: 0.05,
            repetition_penalty: 1.1,
            max_tokens: 10,
            stop: StopRule::Strings(vec!["\n".to_owned(), "\"".to_owned()]),
            draws: DrawMethod::GumbelMax,
        },
        seed: u64::MAX,
        schedule: "strict-pad8-vbf16".to_owned(),
    }
}

/// How the logits of the fixture's generations are computed.
pub(super) fn numerics() -> Numerics {
    Numerics {
        schedule: "strict-pad8-vbf16".to_owned(),
        llama_cpp_version: "b10252".to_owned(),
        logits_sha256: Some(Digest::of(b"logits")),
    }
}

pub(super) fn new_pair(pair_idx: usize, concept: &str, prompts: [PromptId; 2]) -> NewPair<'_> {
    NewPair {
        pair_idx,
        concept,
        concept_family: None,
        category: "color-to-other",
        template_id: Some("likes"),
        test_prompt: USER_MESSAGES[pair_idx],
        control_prompt: USER_MESSAGES[2],
        test_prompt_id: prompts[0],
        control_prompt_id: prompts[1],
    }
}

impl Fixture {
    /// Registers everything that a run needs before it generates.
    pub(super) fn register(store: &mut Store) -> Self {
        let experiment = store.register_experiment(&new_experiment(YAML)).unwrap();
        let model = store.register_model(&new_model("tiny")).unwrap();
        let embedding_model = store.register_model(&new_model("encoder")).unwrap();
        let prompts = register_messages(store);
        let pairs = [
            new_pair(0, "red", [prompts[0], prompts[2]]),
            new_pair(1, "blue", [prompts[1], prompts[2]]),
        ];
        store.register_pairs(experiment, &pairs).unwrap();
        let tokens = |prompt: usize| Arc::from([1, 151_644, prompt as u32]);
        let all_tokens: Vec<Arc<[u32]>> = (0..3).map(tokens).collect();
        let rendered = all_tokens
            .iter()
            .zip(&prompts)
            .map(|(tokens, prompt)| NewRenderedPrompt {
                prompt: *prompt,
                text: "<|im_start|>user\n...",
                tokens,
            });
        store
            .register_rendered_prompts(model, &rendered.collect::<Vec<_>>())
            .unwrap();
        let context = context(new_model("tiny").sha256);
        let requests = all_tokens.iter().flat_map(|tokens| {
            let context = &context;
            (0..N_REPEATS).map(move |repeat_idx| context.request(Arc::clone(tokens), repeat_idx))
        });
        Self {
            requests: requests.collect(),
            sampling: store.register_sampling(&context.sampling).unwrap(),
            numerics: store.register_numerics(&numerics()).unwrap(),
            run: store.start_run(&new_run(experiment)).unwrap(),
            experiment,
            model,
            embedding_model,
            context,
        }
    }

    /// The key of the verdicts.
    pub(super) fn key(&self) -> ConditionKey {
        ConditionKey {
            experiment: self.experiment,
            model: self.model,
            sampling: self.sampling,
            wording: WordingId::UNNAMED,
            seed: u64::MAX,
            method: Method::Repeats,
            numerics: self.numerics,
            metric: "sbert".to_owned(),
            embedding_model: self.embedding_model,
            signature: "sbert_encoder_L2_mean_round3_sha256=0123456789ab_seep=0.1.0".to_owned(),
        }
    }

    /// The row of that.
    pub(super) fn condition(&self, store: &mut Store) -> ConditionId {
        store.register_condition(&self.key()).unwrap()
    }

    pub(super) fn request_ids(&self) -> Vec<RequestId> {
        self.requests.iter().map(|request| request.id).collect()
    }

    /// Stores the generations of the requests at these places.
    pub(super) fn insert(&self, store: &mut Store, places: std::ops::Range<usize>) -> usize {
        let requests = &self.requests[places];
        let generations: Vec<Generation> = requests.iter().map(generation).collect();
        let new = requests.iter().zip(&generations);
        let new: Vec<_> = new
            .map(|(request, generation)| NewAnswer {
                request,
                answer: generation,
            })
            .collect();
        store
            .insert_generations(self.run, self.model, self.numerics, &self.context, &new)
            .unwrap()
    }

    pub(super) fn fail(&self, store: &mut Store, places: std::ops::Range<usize>) {
        let failures = self.requests[places].iter().map(|request| NewFailure {
            request,
            error: "no room",
        });
        store
            .insert_failures(self.run, self.model, &failures.collect::<Vec<_>>())
            .unwrap();
    }

    /// A verdict on a repeat of a pair, whose generations must be stored.
    pub(super) fn new_leak(
        &self,
        store: &Store,
        pair_idx: usize,
        repeat_idx: u32,
        similarity_test: f64,
    ) -> NewLeak {
        let ids = self.request_ids();
        let stored = store.generations(&ids, self.numerics).unwrap();
        let generation = |prompt: usize| stored[&ids[2 * prompt + repeat_idx as usize]].id;
        NewLeak {
            pair_idx,
            repeat_idx,
            test_generation: generation(pair_idx),
            control_generation: generation(2),
            similarity_test,
            similarity_control: 0.25,
            leak: Leak::of(similarity_test, 0.25),
            is_echo: repeat_idx == 1,
        }
    }
}

pub(super) fn register_messages(store: &mut Store) -> Vec<PromptId> {
    let new = USER_MESSAGES.map(|user_message| NewPrompt {
        system_message: None,
        user_message,
    });
    store.register_prompts(&new).unwrap()
}

/// A generation with text and numbers that are easily mangled.
pub(super) fn generation(request: &Request) -> Generation {
    Generation {
        request_id: request.id,
        text: format!(" \u{0}naïve “{}”\n", request.prompt_tokens[2]),
        tokens: vec![request.repeat_idx, 151_645, u32::MAX],
        token_logprobs: vec![-0.1, -1e-30, 0.0],
        stop_reason: StopReason::Eog,
    }
}
