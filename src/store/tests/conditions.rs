//! Conditions: what keeps them apart, and how they are listed.

use super::records::run_model;
use crate::generation::{EnumerationParams, Method, SamplingParams};
use crate::store::fixture::{Fixture, numerics};
use crate::store::{ConditionKey, KeyField, NewWording, Numerics, RunModel, Store, WordingId};

/// The fixture's key with each of its fields changed, but for the experiment.
fn others(store: &mut Store, fixture: &Fixture) -> Vec<(KeyField, ConditionKey)> {
    let key = fixture.key();
    let greedy = SamplingParams {
        temperature: 0.0,
        ..fixture.context.sampling.clone()
    };
    let newer = Numerics {
        llama_cpp_version: "b10253".to_owned(),
        ..numerics()
    };
    let params = EnumerationParams {
        coverage: 0.9,
        max_rows_per_prompt: 10,
        n_tail_draws: 0,
    };
    let change = |field, spoil: &dyn Fn(&mut ConditionKey)| {
        let mut other = key.clone();
        spoil(&mut other);
        (field, other)
    };
    let (sampling, numerics) = (
        store.register_sampling(&greedy).unwrap(),
        store.register_numerics(&newer).unwrap(),
    );
    let wording = NewWording {
        wording_idx: 0,
        name: "bare",
        system_message: None,
        user_message: "{prompt}",
    };
    let wording = store.register_wording(fixture.experiment, &wording, &[]);
    let wording = wording.unwrap();
    vec![
        change(KeyField::Model, &|it| it.model = fixture.embedding_model),
        change(KeyField::Sampling, &|it| it.sampling = sampling),
        change(KeyField::Wording, &|it| it.wording = wording),
        change(KeyField::Seed, &|it| it.seed = 1),
        change(KeyField::Method, &|it| it.method = Method::Exact(params)),
        change(KeyField::Numerics, &|it| it.numerics = numerics),
        change(KeyField::Metric, &|it| it.metric = "other".to_owned()),
        change(KeyField::EmbeddingModel, &|it| {
            it.embedding_model = fixture.model
        }),
        change(KeyField::Signature, &|it| {
            it.signature = "unrounded".to_owned()
        }),
    ]
}

#[test]
fn every_field_keeps_conditions_and_their_verdicts_apart() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let condition = fixture.condition(&mut store);
    assert_eq!(fixture.condition(&mut store), condition);
    let leaks = [0.5, 0.1].map(|similarity| fixture.new_leak(&store, 0, 0, similarity));
    store.save_leaks(condition, &leaks[..1]).unwrap();
    for (field, key) in others(&mut store, &fixture) {
        let other = store.register_condition(&key).unwrap();
        assert_ne!(other, condition, "{field}");
        assert_eq!(store.register_condition(&key).unwrap(), other, "{field}");
        store.save_leaks(other, &leaks[1..]).unwrap();
        let found = store.leaks(condition).unwrap();
        assert_eq!((found.len(), found[0].similarity_test), (1, 0.5), "{field}");
    }
}

#[test]
fn the_first_field_in_which_keys_differ_is_named() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let key = fixture.key();
    assert_eq!(key.difference(&key, &[]), None);
    for (field, other) in others(&mut store, &fixture) {
        assert_eq!(key.difference(&other, &[]), Some(field));
        assert_eq!(key.difference(&other, &[field]), None);
        let both = ConditionKey {
            signature: "both".to_owned(),
            ..other
        };
        assert_eq!(key.difference(&both, &[field, KeyField::Signature]), None);
    }
}

#[test]
fn conditions_are_listed_with_their_names() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let condition = fixture.condition(&mut store);
    assert_eq!(store.conditions().unwrap(), []);
    let leaks = [(0, 0), (0, 1), (1, 0)]
        .map(|(pair_idx, repeat_idx)| fixture.new_leak(&store, pair_idx, repeat_idx, 0.5));
    store.save_leaks(condition, &leaks).unwrap();
    let other = ConditionKey {
        signature: "unrounded".to_owned(),
        ..fixture.key()
    };
    let other = store.register_condition(&other).unwrap();
    store.save_leaks(other, &leaks[..1]).unwrap();
    store
        .name_model(fixture.experiment, fixture.model, "named", "Q4")
        .unwrap();
    let done = RunModel {
        numerics: Some(fixture.numerics),
        ..run_model()
    };
    store
        .save_run_model(
            fixture.run,
            fixture.model,
            fixture.sampling,
            WordingId::UNNAMED,
            &done,
        )
        .unwrap();
    let found = store.conditions().unwrap();
    let ids: Vec<_> = found.iter().map(|it| (it.id, it.n_leaks)).collect();
    assert_eq!(ids, [(condition, 3), (other, 1)]);
    let first = &found[0];
    assert_eq!(
        first.machines,
        ["a processor, AVX2 = 1, Vulkan0 (llvmpipe)"]
    );
    assert_eq!((&first.key, &first.numerics), (&fixture.key(), &numerics()));
    assert_eq!(
        (first.experiment_name.as_str(), first.label.as_str()),
        ("tiny", "named")
    );
    assert_eq!(
        (first.quantization.as_str(), first.bits_per_weight),
        ("Q4", Some(6.5))
    );
}
