//! Experiments, models, prompts and runs: which rows are the same and what is read back.

use std::time::Duration;

use crate::generation::{EnumerationParams, Method, SamplingParams};
use crate::store::fixture::{
    Fixture, YAML, new_experiment, new_model, new_pair, new_run, register_messages,
};
use crate::store::{
    NewModel, NewPair, NewPrompt, NumericsId, RunModel, RunOutcome, Store, StoreError, WordingId,
};

#[test]
fn registering_again_finds_the_same_rows() {
    let mut store = Store::open_in_memory().unwrap();
    let first = Fixture::register(&mut store);
    let second = Fixture::register(&mut store);
    assert_eq!(
        (first.experiment, first.model),
        (second.experiment, second.model)
    );
    assert_ne!(first.run, second.run);
    first.insert(&mut store, 0..6);
    assert_eq!(
        store
            .missing(Method::Repeats, &second.request_ids(), second.numerics)
            .unwrap(),
        []
    );
    let n_rows = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        store
            .connection
            .query_row(&sql, [], |row| row.get(0))
            .unwrap()
    };
    let tables = [
        "experiments",
        "models",
        "prompts",
        "rendered_prompts",
        "experiment_pairs",
        "generations",
        "runs",
    ];
    assert_eq!(tables.map(n_rows), [1, 2, 3, 3, 2, 6, 2]);
}

#[test]
fn an_edited_experiment_is_another_one_and_shares_generations() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let edited = store
        .register_experiment(&new_experiment("edited"))
        .unwrap();
    assert_ne!(edited, fixture.experiment);
    store.start_run(&new_run(edited)).unwrap();
    assert_eq!(
        store
            .missing(Method::Repeats, &fixture.request_ids(), fixture.numerics)
            .unwrap(),
        []
    );
    let yaml: Vec<String> = {
        let mut select = store
            .connection
            .prepare("SELECT yaml FROM experiments ORDER BY id")
            .unwrap();
        select
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    assert_eq!(yaml, [YAML, "edited"]);
}

#[test]
fn messages_differ_by_an_absent_system_message() {
    let mut store = Store::open_in_memory().unwrap();
    let new = [None, Some(""), Some("a"), None, Some("a")].map(|system_message| NewPrompt {
        system_message,
        user_message: "b",
    });
    let ids = store.register_prompts(&new).unwrap();
    assert_eq!((ids[0], ids[2]), (ids[3], ids[4]));
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}

#[test]
fn a_pair_keeps_its_meaning() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let prompts = register_messages(&mut store);
    let pair = new_pair(0, "red", [prompts[0], prompts[2]]);
    store.register_pairs(fixture.experiment, &[pair]).unwrap();
    let free_standing = NewPair {
        template_id: None,
        ..pair
    };
    for other in [new_pair(0, "blue", [prompts[0], prompts[2]]), free_standing] {
        let error = store
            .register_pairs(fixture.experiment, &[other])
            .unwrap_err();
        assert!(matches!(error, StoreError::Value { .. }), "{error}");
    }
}

/// The family of each pair's concept, by the pair's place.
pub(super) fn families(store: &Store) -> Vec<Option<String>> {
    let mut select = store
        .connection
        .prepare("SELECT concept_family FROM experiment_pairs ORDER BY pair_idx")
        .unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn the_family_of_a_pair_is_brought_up_to_date() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let prompts = register_messages(&mut store);
    assert_eq!(families(&store), [None, None]);
    let pair = new_pair(0, "red", [prompts[0], prompts[2]]);
    for concept_family in [Some("warm"), Some("red"), None] {
        let pair = NewPair {
            concept_family,
            ..pair
        };
        store.register_pairs(fixture.experiment, &[pair]).unwrap();
        let expected = [concept_family.map(str::to_owned), None];
        assert_eq!(families(&store), expected);
    }
    let other = NewPair {
        concept_family: Some("warm"),
        category: "other",
        ..pair
    };
    let refused = store.register_pairs(fixture.experiment, &[other]);
    assert!(refused.is_err());
    assert_eq!(families(&store), [None, None]);
}

#[test]
fn a_model_file_keeps_its_row_and_its_name_except_where_an_experiment_names_it() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let renamed = NewModel {
        label: "renamed",
        ..new_model("tiny")
    };
    assert_eq!(store.register_model(&renamed).unwrap(), fixture.model);
    store
        .save_run_model(
            fixture.run,
            fixture.model,
            fixture.sampling,
            WordingId::UNNAMED,
            &run_model(),
        )
        .unwrap();
    let found = store.run_models(fixture.run).unwrap();
    assert_eq!((found.len(), found[0].label.as_str()), (1, "tiny"));
    store
        .name_model(fixture.experiment, fixture.model, "renamed", "Q4")
        .unwrap();
    let found = store.run_models(fixture.run).unwrap();
    assert_eq!(
        (found[0].label.as_str(), found[0].quantization.as_str()),
        ("renamed", "Q4")
    );
    let wrong = NewModel {
        metadata: "{",
        ..renamed
    };
    assert!(matches!(
        store.register_model(&wrong),
        Err(StoreError::Sqlite { .. })
    ));
}

pub(super) fn run_model() -> RunModel {
    RunModel {
        sampling_label: "temperature=0.5".to_owned(),
        preset: Some("model-defaults".to_owned()),
        schedule: "strict-pad8-vbf16".to_owned(),
        numerics: Some(NumericsId::UNKNOWN),
        backend: "Vulkan".to_owned(),
        device: "Vulkan0 (llvmpipe)".to_owned(),
        n_gpu_layers: 25,
        tokenizer: "tokenizers".to_owned(),
        determinism: Some("bitwise".to_owned()),
        logit_difference_max: Some(0.0),
        n_generated: 1,
        n_reused: 2,
        n_failed: 3,
        n_prefill_tokens: 4,
        n_decode_rows: 5,
        n_padding_rows: 6,
        self_check: Duration::from_millis(7),
        prefill: Duration::from_millis(8),
        decode: Duration::from_millis(9),
        sample: Duration::from_millis(10),
        total: Duration::from_millis(11),
    }
}

#[test]
fn the_work_of_a_run_is_read_back_as_last_saved() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let nothing = RunModel {
        sampling_label: String::new(),
        preset: None,
        numerics: None,
        determinism: None,
        logit_difference_max: None,
        ..run_model()
    };
    for done in [nothing, run_model()] {
        store
            .save_run_model(
                fixture.run,
                fixture.model,
                fixture.sampling,
                WordingId::UNNAMED,
                &done,
            )
            .unwrap();
        let found = store.run_models(fixture.run).unwrap();
        assert_eq!(found[0].run_model, done);
        assert_eq!(found[0].sha256, new_model("tiny").sha256.to_string());
        assert_eq!((found.len(), found[0].bits_per_weight), (1, 6.5));
    }
}

#[test]
fn samplings_are_kept_apart_by_every_value() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let values = fixture.context.sampling.clone();
    assert_eq!(store.register_sampling(&values).unwrap(), fixture.sampling);
    let swept = SamplingParams {
        repetition_penalty: 1.05,
        ..values.clone()
    };
    let other = store.register_sampling(&swept).unwrap();
    assert_ne!(other, fixture.sampling);
    for sampling in [fixture.sampling, other] {
        store
            .save_run_model(
                fixture.run,
                fixture.model,
                sampling,
                WordingId::UNNAMED,
                &run_model(),
            )
            .unwrap();
    }
    let found = store.run_models(fixture.run).unwrap();
    let samplings: Vec<_> = found.iter().map(|done| done.sampling).collect();
    assert_eq!(samplings, [fixture.sampling, other]);
    let text: String = store
        .connection
        .query_row(
            "SELECT stop FROM samplings WHERE repetition_penalty = 1.05",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(text, values.stop.to_text());
}

#[test]
fn values_of_a_sampling_are_all_known_or_none() {
    let store = Store::open_in_memory().unwrap();
    let insert = |values: &str| {
        let sql = format!(
            "INSERT INTO samplings (label, temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop) VALUES ({values})"
        );
        store.connection.execute(&sql, []).is_ok()
    };
    assert!(!insert(
        "'unknown', NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    ));
    assert!(!insert("'a', NULL, NULL, NULL, NULL, NULL, NULL, NULL"));
    assert!(!insert("'b', 0.5, 20, 0.8, NULL, 1.1, 10, 'none'"));
    assert!(insert("'b', 0.5, 20, 0.8, 0.0, 1.1, 10, 'none'"));
}

#[test]
fn a_run_ends_once() {
    let outcomes = [
        (RunOutcome::Success, "success", None),
        (RunOutcome::Cancelled, "cancelled", None),
        (RunOutcome::Error("no memory"), "error", Some("no memory")),
    ];
    for (outcome, status, error) in outcomes {
        let mut store = Store::open_in_memory().unwrap();
        let run = Fixture::register(&mut store).run;
        store.finish_run(run, outcome).unwrap();
        let found: (String, Option<String>, bool) = store
            .connection
            .query_row(
                "SELECT status, error, finished_at >= started_at FROM runs",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap();
        assert_eq!(found, (status.to_owned(), error.map(str::to_owned), true));
        assert!(matches!(
            store.finish_run(run, outcome),
            Err(StoreError::Value { .. })
        ));
    }
}

#[test]
fn timestamps_are_utc_in_iso_8601() {
    let mut store = Store::open_in_memory().unwrap();
    Fixture::register(&mut store);
    let is_close = "SELECT started_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9][0-9][0-9]Z'
        AND abs(julianday('now') - julianday(started_at)) < 1 FROM runs";
    assert!(
        store
            .connection
            .query_row(is_close, [], |row| row.get::<_, bool>(0))
            .unwrap()
    );
}

#[test]
fn the_latest_run_that_made_many_generations_tells_the_speed() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let model = new_model("tiny").sha256;
    let speed = |store: &Store, n_threads| {
        store
            .last_speed(model, "a processor", n_threads, Method::Repeats)
            .unwrap()
    };
    assert_eq!(speed(&store, 2), None);
    let mut made = |n_generated: usize, seconds: u64| {
        let run = store.start_run(&new_run(fixture.experiment)).unwrap();
        let done = RunModel {
            n_generated,
            total: Duration::from_secs(seconds),
            ..run_model()
        };
        store
            .save_run_model(
                run,
                fixture.model,
                fixture.sampling,
                WordingId::UNNAMED,
                &done,
            )
            .unwrap();
        run
    };
    let runs = [(100, 10), (50, 5), (49, 1), (0, 0)].map(|(n, seconds)| made(n, seconds));
    let found = speed(&store, 2).unwrap();
    assert_eq!((found.run, found.n_generated), (runs[1], 50));
    assert_eq!(found.total, Duration::from_secs(5));
    assert_eq!(speed(&store, 1), None);
    // These runs made generations, which say nothing about enumerations.
    let exact = EnumerationParams {
        coverage: 0.99,
        max_rows_per_prompt: 100,
        n_tail_draws: 5,
    };
    let of_exact = store.last_speed(model, "a processor", 2, Method::Exact(exact));
    assert_eq!(of_exact.unwrap(), None);
    assert_eq!(
        store
            .last_speed(model, "another", 2, Method::Repeats)
            .unwrap(),
        None
    );
}
