//! `seep compare` on a database that the test writes: three quantizations, of which the smallest leaks more.

use std::path::Path;
use std::sync::Arc;

use seep::digest::Digest;
use seep::generation::{Generation, Method, RequestContext, SamplingParams, StopReason, StopRule};
use seep::leakage::Leak;
use seep::store::{
    ConditionKey, ExperimentId, GenerationId, ModelId, NewExperiment, NewGeneration, NewLeak,
    NewModel, NewPair, NewPrompt, NewRenderedPrompt, NewRun, Numerics, NumericsId, PromptId, RunId,
    Store,
};
use serde_json::Value;

use crate::harness::{Ran, TestEnv};

/// Two test prompts for each control prompt.
const N_CONTROLS: usize = 24;
const N_PAIRS: usize = 2 * N_CONTROLS;
const N_REPEATS: u32 = 2;
const SEED: u64 = 1;
/// Quantization, bits per weight, and how many of five pairs leak.
const LADDER: [(&str, f64, usize); 3] = [("Q8_0", 8.5, 2), ("Q4_0", 4.5, 2), ("Q2_K", 2.6, 4)];

/// A database under construction.
struct Filling {
    store: Store,
    experiment: ExperimentId,
    run: RunId,
    /// The test prompts and then the control prompts.
    prompts: Vec<PromptId>,
}

impl Filling {
    fn start(path: &Path) -> Self {
        let mut store = Store::open(path).unwrap();
        let experiment = store
            .register_experiment(&NewExperiment {
                sha256: Digest::of(b"tiny"),
                name: "tiny",
                question: "Why?",
                yaml: "name: tiny",
                extended_yaml: None,
                pairs_sha256: None,
            })
            .unwrap();
        let messages: Vec<String> = (0..N_PAIRS + N_CONTROLS).map(|n| n.to_string()).collect();
        let new: Vec<NewPrompt<'_>> = messages
            .iter()
            .map(|user_message| NewPrompt {
                system_message: None,
                user_message,
            })
            .collect();
        let prompts = store.register_prompts(&new).unwrap();
        let run = store.start_run(&new_run(experiment)).unwrap();
        let mut filling = Self {
            store,
            experiment,
            run,
            prompts,
        };
        filling.register_pairs();
        filling
    }

    fn register_pairs(&mut self) {
        let tests: Vec<String> = (0..N_PAIRS).map(|n| format!("Red test {n}")).collect();
        let pairs: Vec<NewPair<'_>> = (0..N_PAIRS)
            .map(|pair_idx| NewPair {
                pair_idx,
                concept: "red",
                category: "color-to-other",
                template_id: Some(["a", "b"][pair_idx % 2]),
                test_prompt: &tests[pair_idx],
                control_prompt: "control",
                test_prompt_id: self.prompts[pair_idx],
                control_prompt_id: self.prompts[N_PAIRS + pair_idx / 2],
            })
            .collect();
        self.store.register_pairs(self.experiment, &pairs).unwrap();
    }

    /// Adds a model whose pairs leak in `n_leaks` of five.
    fn add_model(&mut self, (quantization, bits_per_weight, n_leaks): (&str, f64, usize)) {
        let sha256 = Digest::of(quantization.as_bytes());
        let model = self
            .store
            .register_model(&NewModel {
                sha256,
                label: "tiny",
                quantization,
                path: "tiny.gguf".as_ref(),
                architecture: "qwen2",
                n_parameters: 1_000,
                bits_per_weight,
                size_bytes: 1_000,
                metadata: "{}",
                composition: "{}",
                derivation: None,
            })
            .unwrap();
        let generations = self.add_generations(model, sha256, quantization);
        let mut leaks = Vec::new();
        for pair_idx in 0..N_PAIRS {
            for repeat_idx in 0..N_REPEATS {
                let is_leak = pair_idx % 5 < n_leaks;
                let similarity_test = if is_leak { 0.5 } else { 0.1 };
                let at =
                    |prompt: usize| generations[prompt * N_REPEATS as usize + repeat_idx as usize];
                leaks.push(NewLeak {
                    pair_idx,
                    repeat_idx,
                    test_generation: at(pair_idx),
                    control_generation: at(N_PAIRS + pair_idx / 2),
                    similarity_test,
                    similarity_control: 0.25,
                    leak: Leak::of(similarity_test, 0.25),
                    is_echo: false,
                });
            }
        }
        // The embedding model is any row.
        let encoder = ladder_encoder(&mut self.store);
        let key = ConditionKey {
            experiment: self.experiment,
            model,
            sampling: seep::store::SamplingId::UNKNOWN,
            seed: SEED,
            method: Method::Repeats,
            numerics: numerics(&mut self.store),
            metric: "sbert".to_owned(),
            embedding_model: encoder,
            signature: "sbert_encoder_L2_mean_round3_sha256=0123456789ab_seep=0.1.0".to_owned(),
        };
        let condition = self.store.register_condition(&key).unwrap();
        self.store.save_leaks(condition, &leaks).unwrap();
    }

    /// Generations of all prompts, by prompt and then repeat.
    fn add_generations(
        &mut self,
        model: ModelId,
        model_sha256: Digest,
        quantization: &str,
    ) -> Vec<GenerationId> {
        let context = context(model_sha256);
        let numerics = numerics(&mut self.store);
        let tokens: Vec<Arc<[u32]>> = (0..self.prompts.len() as u32)
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
        self.store
            .register_rendered_prompts(model, &rendered.collect::<Vec<_>>())
            .unwrap();
        let requests = tokens.iter().flat_map(|tokens| {
            (0..N_REPEATS).map(|repeat_idx| context.request(Arc::clone(tokens), repeat_idx))
        });
        let requests: Vec<_> = requests.collect();
        let generations: Vec<Generation> = requests
            .iter()
            .map(|request| Generation {
                request_id: request.id,
                text: format!("{quantization} says {}", request.prompt_tokens[0]),
                tokens: vec![1],
                token_logprobs: vec![-0.5],
                stop_reason: StopReason::Eog,
            })
            .collect();
        let new = requests
            .iter()
            .zip(&generations)
            .map(|(request, generation)| NewGeneration {
                request,
                generation,
            });
        self.store
            .insert_generations(
                self.run,
                model,
                numerics,
                &context,
                &new.collect::<Vec<_>>(),
            )
            .unwrap();
        let ids: Vec<_> = requests.iter().map(|request| request.id).collect();
        let stored = self.store.generations(&ids, numerics).unwrap();
        ids.iter().map(|id| stored[id].id).collect()
    }
}

fn ladder_encoder(store: &mut Store) -> ModelId {
    store
        .register_model(&NewModel {
            sha256: Digest::of(b"encoder"),
            label: "encoder",
            quantization: "F32",
            path: "encoder.gguf".as_ref(),
            architecture: "bert",
            n_parameters: 1_000,
            bits_per_weight: 32.0,
            size_bytes: 4_000,
            metadata: "{}",
            composition: "{}",
            derivation: None,
        })
        .unwrap()
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

fn new_run(experiment: ExperimentId) -> NewRun<'static> {
    NewRun {
        experiment,
        seed: SEED,
        n_repeats: N_REPEATS,
        n_prompt_pairs: N_PAIRS,
        command_line: "seep run tiny.yaml",
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

fn filled() -> TestEnv {
    let env = TestEnv::empty();
    let mut filling = Filling::start(&env.path("tiny.sqlite"));
    LADDER
        .into_iter()
        .for_each(|model| filling.add_model(model));
    env
}

fn compare(env: &TestEnv, arguments: &str) -> Ran {
    env.seep(&format!("compare --db tiny.sqlite {arguments}"))
}

fn document(ran: &Ran) -> Value {
    assert_eq!(ran.exit_code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_ladder_is_compared_with_its_base() {
    let env = filled();
    let ran = compare(&env, "tiny:q8_0 tiny:Q4_0 tiny:Q2_K --flips 1");
    assert_eq!((ran.exit_code, ran.stderr.as_str()), (Some(0), ""));
    for expected in [
        "tiny:Q4_0: cannot tell at this size whether it leaks more or less than tiny:Q8_0; anything from ",
        "tiny:Q2_K leaks more than tiny:Q8_0, by 39.6 points (95 % interval ",
        "tiny over 3 levels from 2.60 to 8.50 bits per weight, 48 prompts: leakage falls with bits, by ",
        "Two repeats under tiny:Q8_0 itself differ in 0.0 % of cases",
        "red (color-to-other): Red test 2",
        "Q2_K says 2 (2x)",
    ] {
        let text = &ran.stdout;
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let found = document(&compare(
        &env,
        "tiny:Q8_0 tiny:Q2_K --format json --unit template",
    ));
    let comparison = &found["comparisons"][0];
    assert_eq!(found["cluster_unit"], "template");
    assert_eq!(comparison["difference"]["n_clusters"], 2);
    assert_eq!(comparison["flips"]["no_leak_to_leak"], 38);
}

#[test]
fn swapped_conditions_negate_the_difference() {
    let env = filled();
    let difference = |conditions: &str| {
        let found = document(&compare(&env, &format!("{conditions} --format json")));
        let difference = &found["comparisons"][0]["difference"];
        ["points", "p_value"].map(|name| difference[name].as_f64().unwrap())
    };
    let there = difference("tiny:Q8_0 tiny:Q2_K");
    let back = difference("tiny:Q2_K tiny:Q8_0");
    assert!((there[0] + back[0]).abs() < 1e-9, "{there:?} {back:?}");
    assert_eq!(there[1], back[1]);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let env = filled();
    let empty = TestEnv::empty();
    let refused = |env: &TestEnv, arguments: &str, expected: &str| {
        let ran = compare(env, arguments);
        assert_eq!((ran.exit_code, ran.stdout.as_str()), (Some(2), ""));
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    };
    refused(
        &env,
        "tiny:Q8_0 tiny:Q3_K",
        "hint: did you mean `tiny:Q2_K`? there are leaks of tiny:Q2_K, tiny:Q4_0, tiny:Q8_0",
    );
    let words = "tiny:Q8_0 tiny:Q2_K";
    refused(&empty, words, "there is no database `tiny.sqlite`");
    assert_eq!(empty.files(), [""; 0]);
    Store::open(&empty.path("tiny.sqlite")).unwrap();
    refused(&empty, words, "holds no leaks yet");
}
