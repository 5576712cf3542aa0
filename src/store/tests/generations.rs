//! Generations and failures: what is read back, what is missing, what is refused.

use crate::digest::Digest;
use crate::generation::{Generation, Method, RequestContext};
use crate::store::fixture::{Fixture, generation, new_run, register_messages};
use crate::store::{NewAnswer, NewRenderedPrompt, Store};

#[test]
fn generations_are_read_back_as_they_were() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    assert_eq!(fixture.insert(&mut store, 0..4), 4);
    let stored = store
        .generations(&fixture.request_ids(), fixture.numerics)
        .unwrap();
    assert_eq!(stored.len(), 4);
    for request in &fixture.requests[..4] {
        assert_eq!(stored[&request.id].generation, generation(request));
    }
}

#[test]
fn what_is_missing_is_found_exactly_and_in_order() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 1..3);
    let ids = fixture.request_ids();
    assert_eq!(
        store
            .missing(Method::Repeats, &ids, fixture.numerics)
            .unwrap(),
        [ids[0], ids[3], ids[4], ids[5]]
    );
    assert_eq!(fixture.insert(&mut store, 0..6), 4);
    assert_eq!(
        store
            .missing(Method::Repeats, &ids, fixture.numerics)
            .unwrap(),
        []
    );
}

#[test]
fn the_first_generation_of_a_request_stays() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..1);
    let request = &fixture.requests[0];
    let other = Generation {
        text: "other".to_owned(),
        ..generation(request)
    };
    let new = [NewAnswer {
        request,
        answer: &other,
    }];
    let n_inserted = store
        .insert_generations(
            fixture.run,
            fixture.model,
            fixture.numerics,
            &fixture.context,
            &new,
        )
        .unwrap();
    assert_eq!(n_inserted, 0);
    let stored = store.generations(&[request.id], fixture.numerics).unwrap();
    assert_eq!(stored[&request.id].generation, generation(request));
}

#[test]
fn every_sampling_value_has_its_column() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 1..2);
    let row: String = store
        .connection
        .query_row(
            "SELECT json_array(repeat_idx, temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, json(stop), seed,
                 schedule, stop_reason, n_tokens, json(tokens), json(token_logprobs), user_message)
             FROM generations JOIN prompts ON prompts.id = prompt_id",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let expected = r#"[1,0.5,20,0.8,0.05,1.1,10,["\n","\""],-1,"strict-pad8-vbf16","eog",3,[1,151645,4294967295],[-0.1,-1e-30,0.0],"He likes red. He is"]"#;
    assert_eq!(row, expected);
}

/// A change to a valid generation and its context after which it must not be stored.
fn check_generation_refused(
    spoil: impl FnOnce(&mut Generation, &mut RequestContext),
    reason: &str,
) {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let (good, request) = (generation(&fixture.requests[0]), &fixture.requests[1]);
    let (mut bad, mut context) = (generation(request), fixture.context.clone());
    spoil(&mut bad, &mut context);
    let first = &fixture.requests[0];
    let new = [
        NewAnswer {
            request: first,
            answer: &good,
        },
        NewAnswer {
            request,
            answer: &bad,
        },
    ];
    let error = store
        .insert_generations(fixture.run, fixture.model, fixture.numerics, &context, &new)
        .unwrap_err();
    assert!(error.to_string().ends_with(reason), "{error}");
    assert_eq!(
        store
            .missing(Method::Repeats, &fixture.request_ids(), fixture.numerics)
            .unwrap()
            .len(),
        6,
        "all or none"
    );
}

#[test]
fn generations_that_do_not_fit_their_request_are_refused() {
    check_generation_refused(
        |_, context| context.seed = 1,
        "has other sampling values than it was asked with",
    );
    check_generation_refused(
        |_, context| context.model_sha256 = Digest::of(b""),
        "model 1 is not the one that was asked",
    );
    check_generation_refused(
        |bad, _| bad.request_id.0 = Digest::of(b""),
        "answers another request",
    );
    check_generation_refused(
        |bad, _| bad.tokens.truncate(1),
        "has tokens without a log-probability",
    );
    check_generation_refused(
        |bad, _| bad.token_logprobs[0] = f32::NEG_INFINITY,
        "has a log-probability that is no finite number",
    );
}

#[test]
fn rows_that_were_changed_by_hand_are_noticed() {
    let cases = [
        (
            "tokens = '[1,2,\"a\"]'",
            "`[1,2,\"a\"]` is no list of numbers",
        ),
        (
            "token_logprobs = '[1,2,null]'",
            "`[1,2,null]` is no list of numbers",
        ),
    ];
    for (sql, reason) in cases {
        let mut store = Store::open_in_memory().unwrap();
        let fixture = Fixture::register(&mut store);
        fixture.insert(&mut store, 0..1);
        store
            .connection
            .execute(&format!("UPDATE generations SET {sql}"), [])
            .unwrap();
        let error = store
            .generations(&fixture.request_ids(), fixture.numerics)
            .unwrap_err();
        assert!(error.to_string().ends_with(reason), "{error}");
    }
}

#[test]
fn prompts_must_be_registered_before_their_generations() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let request = fixture.context.request([9].into(), 0);
    let generation = Generation {
        request_id: request.id,
        ..generation(&fixture.requests[0])
    };
    let new = [NewAnswer {
        request: &request,
        answer: &generation,
    }];
    let error = store
        .insert_generations(
            fixture.run,
            fixture.model,
            fixture.numerics,
            &fixture.context,
            &new,
        )
        .unwrap_err();
    assert!(error.to_string().ends_with("was not stored"), "{error}");
}

#[test]
fn failures_are_counted_and_stay_missing() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.fail(&mut store, 2..4);
    fixture.fail(&mut store, 3..4);
    assert_eq!(store.n_failures(fixture.run).unwrap(), 2);
    assert_eq!(
        store
            .missing(Method::Repeats, &fixture.request_ids(), fixture.numerics)
            .unwrap()
            .len(),
        6
    );
    let later = store.start_run(&new_run(fixture.experiment)).unwrap();
    assert_eq!(store.n_failures(later).unwrap(), 0);
}

#[test]
fn prompts_with_the_same_tokens_share_generations_under_the_first_of_them() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let prompts = register_messages(&mut store);
    let rendered = [prompts[1], prompts[0]].map(|prompt| NewRenderedPrompt {
        prompt,
        text: "",
        tokens: &[9, 9, 9],
    });
    let ids = store
        .register_rendered_prompts(fixture.model, &rendered)
        .unwrap();
    assert_ne!(ids[0], ids[1]);
    let request = fixture.context.request([9, 9, 9].into(), 0);
    let generation = generation(&request);
    let new = [NewAnswer {
        request: &request,
        answer: &generation,
    }];
    store
        .insert_generations(
            fixture.run,
            fixture.model,
            fixture.numerics,
            &fixture.context,
            &new,
        )
        .unwrap();
    let sql = "SELECT prompt_id, rendered_prompt_id FROM generations";
    let found = store
        .connection
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(found, (prompts[1], ids[0]));
}
