//! Annotations: what is stored once, what counts of it, what is refused.

use crate::digest::Digest;
use crate::leakage::{Choice, Leak};
use crate::store::fixture::Fixture;
use crate::store::{NewAnnotationItem, NewAnnotationSample, Store, StoreError};

fn item(number: u32, fixture: &Fixture, store: &mut Store) -> NewAnnotationItem {
    NewAnnotationItem {
        name: format!("a-{number}"),
        condition: fixture.condition(store),
        pair_idx: 0,
        repeat_idx: number,
        is_test_a: number == 0,
    }
}

fn sample<'a>(
    text: &str,
    fixture: &Fixture,
    items: &'a [NewAnnotationItem],
) -> NewAnnotationSample<'a> {
    NewAnnotationSample {
        sha256: Digest::of(text.as_bytes()),
        experiment: fixture.experiment,
        seed: u64::MAX,
        items,
        command_line: "seep annotate sample",
        seep_version: "0.1.0",
        seep_commit: "unknown",
        seep_is_dirty: false,
    }
}

#[test]
fn a_sample_needs_verdicts_and_is_stored_once() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let items = [0, 1].map(|number| item(number, &fixture, &mut store));
    let refused = store.insert_annotation_sample(&sample("a", &fixture, &items));
    assert!(matches!(refused, Err(StoreError::Value { .. })));
    assert_eq!(store.annotation_samples().unwrap(), []);
    let condition = items[0].condition;
    let leaks = [0, 1].map(|repeat_idx| fixture.new_leak(&store, 0, repeat_idx, 0.5));
    store.save_leaks(condition, &leaks).unwrap();
    for is_new in [true, false] {
        let stored = store.insert_annotation_sample(&sample("a", &fixture, &items));
        assert_eq!(stored.unwrap(), is_new);
    }
    let samples = store.annotation_samples().unwrap();
    assert_eq!((samples[0].seed, samples[0].n_items), (u64::MAX, 2));
    let stored = store.annotation_items().unwrap();
    // Of the first the test text is A, of the second B.
    assert_eq!(stored[0].concept, "red");
    assert_ne!(stored[0].text_a, stored[0].text_b);
    let choices: Vec<_> = stored.iter().map(|it| (it.id, Choice::A)).collect();
    store.save_annotations("anna", "a.csv", &choices).unwrap();
    let found = store.annotations().unwrap();
    let verdicts: Vec<Leak> = found
        .iter()
        .map(|it| it.choice.verdict(it.is_test_a))
        .collect();
    assert_eq!(verdicts, [Leak::Leak, Leak::NoLeak]);
    assert!(found.iter().all(|it| it.leak == Some(Leak::Leak)));
    // The verdict is made again on other generations: it is none on those that were judged.
    let other = fixture.new_leak(&store, 1, 0, 0.5);
    let moved = crate::store::NewLeak {
        pair_idx: 0,
        ..other
    };
    store.save_leaks(condition, &[moved]).unwrap();
    let leaks = store.annotations().unwrap().into_iter().map(|it| it.leak);
    assert_eq!(leaks.collect::<Vec<_>>(), [None, Some(Leak::Leak)]);
}
