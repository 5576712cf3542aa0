//! Embeddings and leaks: what is read back, what is replaced, what is refused.

use crate::leakage::{Leak, estimates, leak_rates};
use crate::store::fixture::{Fixture, generation};
use crate::store::{NewLeak, Store, StoreError, StoredLeak};

#[test]
fn embeddings_are_read_back_bit_for_bit() {
    let mut store = Store::open_in_memory().unwrap();
    let model = Fixture::register(&mut store).embedding_model;
    let (a, b) = ([0.6f32, -0.8, -0.0], [f32::MIN_POSITIVE, 1.0, 0.0]);
    store
        .insert_embeddings(model, &[("red", &a), ("", &b)])
        .unwrap();
    store.insert_embeddings(model, &[("red", &b)]).unwrap();
    store.insert_embeddings(model, &[]).unwrap();
    let found = store.embeddings(model, &["red", "", "none"]).unwrap();
    assert_eq!(
        (found.len(), &found["red"][..], &found[""][..]),
        (2, &a[..], &b[..])
    );
    assert!(found["red"][2].is_sign_negative());
    let texts = ["new", "red", "other", "new"];
    assert_eq!(
        store.missing_embeddings(model, &texts).unwrap(),
        ["new", "other"]
    );
}

#[test]
fn embeddings_of_another_model_are_others() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    store
        .insert_embeddings(fixture.embedding_model, &[("red", &[1.0])])
        .unwrap();
    assert_eq!(
        store.missing_embeddings(fixture.model, &["red"]).unwrap(),
        ["red"]
    );
    store
        .insert_embeddings(fixture.model, &[("red", &[1.0, 0.0])])
        .unwrap();
}

#[test]
fn embeddings_that_cannot_be_right_are_refused() {
    let mut store = Store::open_in_memory().unwrap();
    let model = Fixture::register(&mut store).embedding_model;
    store
        .insert_embeddings(model, &[("red", &[1.0, 0.0])])
        .unwrap();
    for wrong in [&[1.0][..], &[], &[f32::NAN, 0.0]] {
        let error = store
            .insert_embeddings(model, &[("good", &[0.0, 1.0]), ("bad", wrong)])
            .unwrap_err();
        assert!(matches!(error, StoreError::Value { .. }), "{error}");
    }
    assert_eq!(
        store.missing_embeddings(model, &["good"]).unwrap(),
        ["good"]
    );
    let damage = "UPDATE embeddings SET vector = x'0000807F0000807F'";
    store.connection.execute(damage, []).unwrap();
    assert!(matches!(
        store.embeddings(model, &["red"]),
        Err(StoreError::Value { .. })
    ));
}

#[test]
fn leaks_are_read_back_with_what_they_are_about() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let leaks =
        [(1, 1, 0.1), (0, 0, 0.5), (1, 0, 0.25)].map(|(pair_idx, repeat_idx, similarity)| {
            fixture.new_leak(&store, pair_idx, repeat_idx, similarity)
        });
    let condition = fixture.condition(&mut store);
    store.save_leaks(condition, &leaks).unwrap();
    let found = store.leaks(condition).unwrap();
    let verdicts: Vec<_> = found
        .iter()
        .map(|leak| (leak.pair_idx, leak.repeat_idx, leak.leak, leak.is_echo))
        .collect();
    let expected = [
        (0, 0, Leak::Leak, false),
        (1, 0, Leak::Tie, false),
        (1, 1, Leak::NoLeak, true),
    ];
    assert_eq!(verdicts, expected);
    let last = &found[2];
    assert_eq!(
        (last.concept.as_str(), last.category.as_str()),
        ("blue", "color-to-other")
    );
    assert_eq!(
        (last.test_prompt.as_str(), last.control_prompt.as_str()),
        ("He likes blue. He is", "He is")
    );
    assert_eq!(last.template_id.as_deref(), Some("likes"));
    assert_eq!(last.test_generation, generation(&fixture.requests[3]).text);
    assert_eq!(
        last.control_generation,
        generation(&fixture.requests[5]).text
    );
    assert_eq!((last.similarity_test, last.similarity_control), (0.1, 0.25));
    let scored: Vec<_> = found.iter().map(StoredLeak::scored_pair).collect();
    let rates = leak_rates(&estimates(&scored), &[]);
    assert_eq!((rates[0].mean_leak_rate, rates[0].n_clusters), (50.0, 1));
}

#[test]
fn saved_leaks_replace_the_same_ones_only() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let condition = fixture.condition(&mut store);
    let first = [
        fixture.new_leak(&store, 0, 0, 0.5),
        fixture.new_leak(&store, 1, 0, 0.5),
    ];
    store.save_leaks(condition, &first).unwrap();
    let again = [fixture.new_leak(&store, 0, 0, 0.1)];
    store.save_leaks(condition, &again).unwrap();
    let similarities: Vec<_> = store
        .leaks(condition)
        .unwrap()
        .iter()
        .map(|leak| leak.similarity_test)
        .collect();
    assert_eq!(similarities, [0.1, 0.5]);
}

#[test]
fn leaks_need_their_pair() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let good = fixture.new_leak(&store, 0, 0, 0.5);
    let orphan = NewLeak {
        pair_idx: 7,
        ..good
    };
    let condition = fixture.condition(&mut store);
    let error = store.save_leaks(condition, &[good, orphan]).unwrap_err();
    assert!(error.to_string().ends_with("pair 7 was not stored"));
    assert_eq!(store.leaks(condition).unwrap(), []);
}
