//! Fillers: what is stored of them, and the generations that are found for them.

use crate::store::fixture::{Fixture, register_messages};
use crate::store::{FillerGeneration, Source, Store, StoreError, StoredFiller, WordingId};

#[test]
fn fillers_and_their_generations_are_read_back() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let source = Source {
        experiment: fixture.experiment,
        model: fixture.model,
        sampling: fixture.sampling,
        wording: WordingId::UNNAMED,
        seed: u64::MAX,
        numerics: fixture.numerics,
    };
    // The third request and its repeat are those of the second prompt, which serves as that of a filler.
    fixture.insert(&mut store, 2..4);
    assert_eq!(store.fillers(fixture.experiment).unwrap(), []);
    assert_eq!(store.filler_generations(&source).unwrap(), []);
    let prompts = register_messages(&mut store);
    let filler = |filler_idx: usize, filler: &str, prompt: usize| StoredFiller {
        filler_idx,
        filler: filler.to_owned(),
        template_id: "likes".to_owned(),
        prompt: format!("He likes {filler}. He is"),
        prompt_id: prompts[prompt],
        control_prompt_id: prompts[2],
    };
    let fillers = [filler(0, "naïve", 1), filler(3, "new", 0)];
    store
        .register_fillers(fixture.experiment, &fillers[1..])
        .unwrap();
    store
        .register_fillers(fixture.experiment, &fillers)
        .unwrap();
    assert_eq!(store.fillers(fixture.experiment).unwrap(), fillers);
    let generation = |repeat_idx| FillerGeneration {
        filler: "naïve".to_owned(),
        template_id: "likes".to_owned(),
        control_prompt_id: prompts[2],
        repeat_idx,
        text: " \u{0}naïve “1”\n".to_owned(),
    };
    let found = store.filler_generations(&source).unwrap();
    assert_eq!(found, [generation(0), generation(1)]);
    let other = Source { seed: 1, ..source };
    assert_eq!(store.filler_generations(&other).unwrap(), []);
    let changed = [filler(3, "old", 0)];
    let error = store.register_fillers(fixture.experiment, &changed);
    assert!(matches!(error, Err(StoreError::Value { .. })), "{error:?}");
}
