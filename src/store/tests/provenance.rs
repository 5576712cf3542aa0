//! Provenance that is read back to be shown.

use crate::digest::Digest;
use crate::store::fixture::{Fixture, YAML, new_experiment, new_model};
use crate::store::{NewDerivation, NewModel, Store};

#[test]
fn experiments_and_their_messages_are_read_back() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let found = store.experiment_record(fixture.experiment).unwrap();
    assert_eq!(
        (found.name.as_str(), found.yaml.as_deref()),
        ("tiny", Some(YAML))
    );
    assert_eq!(found.sha256, Digest::of(YAML.as_bytes()).to_string());
    let messages = store
        .first_messages(fixture.experiment)
        .unwrap()
        .swap_remove(0);
    assert_eq!(messages.user_message, "He likes red. He is");
    let empty = store
        .register_experiment(&new_experiment("without pairs"))
        .unwrap();
    assert_eq!(store.first_messages(empty).unwrap(), []);
}

#[test]
fn models_say_their_licence_and_whether_they_were_quantized_twice() {
    let mut store = Store::open_in_memory().unwrap();
    let experiment = Fixture::register(&mut store).experiment;
    let plain = store.register_model(&new_model("plain")).unwrap();
    let found = store.model_record(experiment, plain).unwrap();
    assert_eq!((found.licence, found.requantized_from), (None, None));
    assert_eq!(
        (found.n_parameters, found.bits_per_weight),
        (Some(494_032_768), Some(6.5))
    );
    for (is_requantized, expected) in [("true", Some("Q8_0")), ("false", None)] {
        let document =
            format!(r#"{{"is_requantized": {is_requantized}, "parent_quantization": "Q8_0"}}"#);
        let derivation = NewDerivation {
            parent_sha256: &"ab".repeat(32),
            document: &document,
        };
        let derived = NewModel {
            metadata: r#"{"general.license": "mit"}"#,
            derivation: Some(derivation),
            ..new_model("derived")
        };
        let derived = store.register_model(&derived).unwrap();
        let found = store.model_record(experiment, derived).unwrap();
        assert_eq!(found.licence.as_deref(), Some("mit"));
        assert_eq!(found.requantized_from.as_deref(), expected);
        // The file that was made, named by its path.
        let by_path = store.register_model(&new_model("derived")).unwrap();
        let found = store.model_record(experiment, by_path).unwrap();
        assert_eq!(found.requantized_from.as_deref(), expected);
    }
}

#[test]
fn runs_are_read_back_in_order() {
    let mut store = Store::open_in_memory().unwrap();
    let first = Fixture::register(&mut store);
    let second = Fixture::register(&mut store);
    let found = store.run_records(first.experiment).unwrap();
    let ids: Vec<_> = found.iter().map(|run| run.id).collect();
    assert_eq!(ids, [first.run, second.run]);
    assert_eq!((found[0].seed, found[0].n_repeats), (u64::MAX, 2));
    assert_eq!(
        (found[0].status.as_str(), &found[0].finished_at),
        ("started", &None)
    );
    assert_eq!(store.import_records(first.experiment).unwrap(), []);
}

#[test]
fn sampling_values_are_those_of_the_generations_that_are_compared() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let condition = fixture.condition(&mut store);
    assert_eq!(
        store.sampling_records(condition).unwrap(),
        [] as [Vec<_>; 0]
    );
    let leaks = [0, 1].map(|repeat_idx| fixture.new_leak(&store, 0, repeat_idx, 0.5));
    store.save_leaks(condition, &leaks).unwrap();
    let found = store.sampling_records(condition).unwrap();
    let value = |wanted: &str| {
        let value = found[0].iter().find(|(name, _)| name == wanted);
        value.map(|(_, value)| value.clone()).unwrap()
    };
    assert_eq!(found.len(), 1, "two repeats have the same values");
    assert_eq!(
        (value("temperature"), value("top_k")),
        ("0.5".into(), "20".into())
    );
    assert_eq!(
        (value("stop"), value("schedule")),
        (r#"["\n","\""]"#.into(), "strict-pad8-vbf16".into())
    );
}
