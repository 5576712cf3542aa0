//! Wordings: which rows are the same, and that the generations of each are found by themselves.

use crate::generation::RepeatCounts;
use crate::store::fixture::{Fixture, register_messages};
use crate::store::{NewPrompt, NewWording, Source, Store, StoreError, WordingId, WordingMessages};

const BARE: NewWording<'_> = NewWording {
    wording_idx: 0,
    name: "bare",
    system_message: None,
    user_message: "{prompt}",
};

#[test]
fn a_wording_keeps_its_messages() {
    let mut store = Store::open_in_memory().unwrap();
    let experiment = Fixture::register(&mut store).experiment;
    let prompts = register_messages(&mut store);
    let sent = [(prompts[0], prompts[0])];
    let first = store.register_wording(experiment, &BARE, &sent).unwrap();
    let again = store.register_wording(experiment, &BARE, &sent).unwrap();
    assert_eq!(first, again);
    assert!(first > WordingId::UNNAMED);
    let other = NewWording {
        user_message: "Go on: {prompt}",
        ..BARE
    };
    let refused = store.register_wording(experiment, &other, &sent);
    assert!(
        matches!(refused, Err(StoreError::Value { .. })),
        "{refused:?}"
    );
    let refused = store.register_wording(experiment, &BARE, &[(prompts[0], prompts[1])]);
    assert!(
        matches!(refused, Err(StoreError::Value { .. })),
        "{refused:?}"
    );
}

/// The first wording sends the fixture's prompts as they are, the second those of the two concepts the other way round: its
/// generations are others, and none are found of a third that no prompt was registered for.
#[test]
fn generations_are_found_by_the_messages_of_their_wording() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..6);
    let prompts = register_messages(&mut store);
    let same = prompts.iter().map(|&prompt| (prompt, prompt));
    let same: Vec<_> = same.collect();
    let turned = [
        (prompts[0], prompts[1]),
        (prompts[1], prompts[0]),
        (prompts[2], prompts[2]),
    ];
    let mut texts = |wording_idx: usize, name: &str, sent: &[_]| {
        let new = NewWording {
            wording_idx,
            name,
            ..BARE
        };
        let wording = store.register_wording(fixture.experiment, &new, sent);
        let source = Source {
            wording: wording.unwrap(),
            ..fixture.key().source()
        };
        let found = store
            .comparisons(
                &source,
                RepeatCounts {
                    test: 2,
                    control: 1,
                },
            )
            .unwrap()
            .into_iter();
        found
            .map(|it| (it.pair_idx, it.control_prompt_id, it.test.text))
            .collect::<Vec<_>>()
    };
    let (first, second, third) = (
        texts(0, "bare", &same),
        texts(1, "turned", &turned),
        texts(2, "none", &[]),
    );
    let text = |prompt: usize| format!(" \u{0}naïve “{prompt}”\n");
    let expected = |prompts_of: [usize; 2]| {
        let both = prompts_of.into_iter().enumerate();
        let twice = both
            .flat_map(|(pair, prompt)| [0, 1].map(|_repeat_idx| (pair, prompts[2], text(prompt))));
        twice.collect::<Vec<_>>()
    };
    assert_eq!(first, expected([0, 1]));
    assert_eq!(second, expected([1, 0]));
    assert_eq!(third, []);
    let unnamed = store
        .comparisons(
            &fixture.key().source(),
            RepeatCounts {
                test: 2,
                control: 1,
            },
        )
        .unwrap();
    assert_eq!(unnamed.len(), 4);
}

#[test]
fn messages_of_each_wording_are_read_back() {
    let mut store = Store::open_in_memory().unwrap();
    let experiment = Fixture::register(&mut store).experiment;
    let first = register_messages(&mut store)[0];
    let sent = store.register_prompts(&[NewPrompt {
        system_message: Some("Be brief."),
        user_message: "Go on: He likes red. He is",
    }]);
    let sent = sent.unwrap()[0];
    let brief = NewWording {
        wording_idx: 1,
        name: "brief",
        system_message: Some("Be brief."),
        user_message: "Go on: {prompt}",
    };
    // Registered in another order than the experiment has.
    for (new, sent) in [(brief, sent), (BARE, first)] {
        store
            .register_wording(experiment, &new, &[(first, sent)])
            .unwrap();
    }
    let messages = |wording: &str, system: Option<&str>, user: &str| WordingMessages {
        wording: wording.to_owned(),
        system_message: system.map(str::to_owned),
        user_message: user.to_owned(),
    };
    let expected = [
        messages("bare", None, "He likes red. He is"),
        messages("brief", Some("Be brief."), "Go on: He likes red. He is"),
    ];
    assert_eq!(store.first_messages(experiment).unwrap(), expected);
}
