//! Enumerations and exact leaks: what is read back, what is missing, what is refused.

use std::sync::Arc;

use crate::generation::{
    Continuation, Enumeration, EnumerationParams, Method, Request, RequestContext, StopReason,
};
use crate::leakage::{ExactLeak, ExactPair};
use crate::store::fixture::Fixture;
use crate::store::{ConditionKey, NewAnswer, NewExactLeak, Store};

const PARAMS: EnumerationParams = EnumerationParams {
    coverage: 0.99,
    max_rows_per_prompt: 100,
    n_tail_draws: 2,
};

/// One request for each prompt of the fixture.
fn requests(fixture: &Fixture) -> Vec<Request> {
    let first_repeats = fixture.requests.iter().step_by(2);
    first_repeats
        .map(|request| {
            let tokens = Arc::clone(&request.prompt_tokens);
            fixture.context.enumeration_request(tokens, &PARAMS)
        })
        .collect()
}

/// An enumeration with text and numbers that are easily mangled.
fn enumeration(request: &Request) -> Enumeration {
    let continuation = |logprob: f64, tail_draw_idx| Continuation {
        text: format!(" \u{0}naïve “{}”\n", request.prompt_tokens[2]),
        tokens: vec![0, 151_645, u32::MAX],
        logprob,
        model_logprob: -1e-300,
        stop_reason: StopReason::Stop,
        tail_draw_idx,
    };
    Enumeration {
        request_id: request.id,
        continuations: vec![
            continuation(-0.1, None),
            continuation(0.0, None),
            continuation(-700.5, Some(1)),
        ],
        uncovered: 0.1 + 0.2,
        n_open: 17,
        n_rows: 21,
        n_tail_rows: 3,
    }
}

fn insert(store: &mut Store, fixture: &Fixture, requests: &[Request]) -> usize {
    let enumerations: Vec<Enumeration> = requests.iter().map(enumeration).collect();
    let new = requests.iter().zip(&enumerations);
    let new: Vec<_> = new
        .map(|(request, enumeration)| NewAnswer {
            request,
            answer: enumeration,
        })
        .collect();
    let (run, model) = (fixture.run, fixture.model);
    store
        .insert_enumerations(
            run,
            model,
            fixture.numerics,
            &fixture.context,
            &PARAMS,
            &new,
        )
        .unwrap()
}

#[test]
fn enumerations_are_read_back_as_they_were_and_what_is_missing_is_found() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let requests = requests(&fixture);
    let ids: Vec<_> = requests.iter().map(|request| request.id).collect();
    assert_eq!(insert(&mut store, &fixture, &requests[..2]), 2);
    assert_eq!(
        store
            .missing(Method::Exact(PARAMS), &ids, fixture.numerics)
            .unwrap(),
        [ids[2]]
    );
    assert_eq!(insert(&mut store, &fixture, &requests), 1);
    let stored = store.enumerations(&ids, fixture.numerics).unwrap();
    assert_eq!(stored.len(), 3);
    for request in &requests {
        assert_eq!(stored[&request.id].enumeration, enumeration(request));
    }
}

#[test]
fn every_value_is_part_of_the_identity() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let tokens = &fixture.requests[0].prompt_tokens;
    let id = |context: &RequestContext, params: EnumerationParams| {
        context.enumeration_request(Arc::clone(tokens), &params).id
    };
    let mut context = fixture.context.clone();
    context.seed = 1;
    let ids = [
        id(&fixture.context, PARAMS),
        id(&context, PARAMS),
        id(
            &fixture.context,
            EnumerationParams {
                coverage: 0.9,
                ..PARAMS
            },
        ),
        id(
            &fixture.context,
            EnumerationParams {
                max_rows_per_prompt: 99,
                ..PARAMS
            },
        ),
        id(
            &fixture.context,
            EnumerationParams {
                n_tail_draws: 3,
                ..PARAMS
            },
        ),
    ];
    for (place, id) in ids.iter().enumerate() {
        assert!(!ids[..place].contains(id));
    }
}

#[test]
fn enumerations_of_other_requests_are_refused() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let requests = requests(&fixture);
    let good = enumeration(&requests[0]);
    let mut not_finite = good.clone();
    not_finite.continuations[0].logprob = f64::NEG_INFINITY;
    let other_params = EnumerationParams {
        coverage: 0.5,
        ..PARAMS
    };
    let cases = [
        (&requests[1], &good, PARAMS, "answers another request"),
        (
            &requests[0],
            &good,
            other_params,
            "has other values than it was asked with",
        ),
        (
            &requests[0],
            &not_finite,
            PARAMS,
            "has a log-probability that is no finite number",
        ),
    ];
    for (request, enumeration, params, reason) in cases {
        let new = [NewAnswer {
            request,
            answer: enumeration,
        }];
        let (run, model) = (fixture.run, fixture.model);
        let error = store.insert_enumerations(
            run,
            model,
            fixture.numerics,
            &fixture.context,
            &params,
            &new,
        );
        let error = error.unwrap_err().to_string();
        assert!(error.ends_with(reason), "{error}");
    }
    let ids: Vec<_> = requests.iter().map(|request| request.id).collect();
    assert_eq!(
        store
            .missing(Method::Exact(PARAMS), &ids, fixture.numerics)
            .unwrap(),
        ids
    );
}

fn exact_leak(probability: f64) -> ExactLeak {
    ExactLeak {
        probability,
        lower: 0.25,
        upper: 0.75,
        tie_probability: 0.01,
        echo_probability: 0.02,
        similarity_shift: -0.03,
        total_variation_lower: 0.04,
        total_variation_upper: 0.05,
        entropy_test: 6.5,
        entropy_control: 7.5,
        covered_test: 0.9,
        covered_control: 0.1 + 0.2,
        test_influences: vec![0.1, 1e-17],
        control_influences: Vec::new(),
    }
}

#[test]
fn exact_leaks_are_replaced_and_read_back() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let requests = requests(&fixture);
    insert(&mut store, &fixture, &requests);
    let ids: Vec<_> = requests.iter().map(|request| request.id).collect();
    let rows = store.enumerations(&ids, fixture.numerics).unwrap();
    let key = ConditionKey {
        method: Method::Exact(PARAMS),
        ..fixture.key()
    };
    let condition = store.register_condition(&key).unwrap();
    for probability in [0.5, 0.625] {
        let leak = exact_leak(probability);
        let new = [1, 0].map(|pair_idx: usize| NewExactLeak {
            pair_idx,
            test_enumeration: rows[&ids[pair_idx]].id,
            control_enumeration: rows[&ids[2]].id,
            leak: &leak,
        });
        store.save_exact_leaks(condition, &new).unwrap();
    }
    let found = store.exact_leaks(condition).unwrap();
    let concepts: Vec<_> = found.iter().map(|leak| leak.concept.as_str()).collect();
    assert_eq!(concepts, ["red", "blue"]);
    assert_eq!(found[0].control_prompt_id, found[1].control_prompt_id);
    let expected = ExactPair {
        pair_idx: 1,
        category: "color-to-other".to_owned(),
        test_prompt_idx: found[1].test_prompt_id.get() as usize,
        control_prompt_idx: found[1].control_prompt_id.get() as usize,
        leak: exact_leak(0.625),
    };
    assert_eq!(found[1].pair, expected);
    assert_eq!(found[1].test_enumeration, rows[&ids[1]].id);
    let conditions = store.conditions().unwrap();
    let [stored] = conditions.as_slice() else {
        panic!("{conditions:?}");
    };
    assert_eq!((stored.label.as_str(), stored.n_leaks), ("tiny", 2));
    assert_eq!((&stored.key, stored.id), (&key, condition));
    let texts = store.likely_texts(rows[&ids[0]].id, 1).unwrap();
    assert_eq!(texts.len(), 1);
    let other = NewExactLeak {
        pair_idx: 7,
        test_enumeration: rows[&ids[0]].id,
        control_enumeration: rows[&ids[2]].id,
        leak: &exact_leak(0.5),
    };
    let error = store.save_exact_leaks(condition, &[other]).unwrap_err();
    assert!(error.to_string().ends_with("pair 7 was not stored"));
}
