//! Distributions and scores: what is read back, for which prompts, and what is refused.

use std::sync::Arc;

use crate::generation::{NextTokenDistribution, PromptDistribution};
use crate::store::fixture::{Fixture, new_model, numerics};
use crate::store::{DriftSide, ModelId, NewRenderedPrompt, NewScore, Numerics, Store};

fn distribution(token: u32) -> NextTokenDistribution {
    NextTokenDistribution {
        tokens: vec![token, u32::MAX],
        logprobs: vec![-0.1, -3.5e-20],
        rest: 0.25,
    }
}

/// A model whose numerics are not given.
fn side(model: ModelId) -> DriftSide {
    DriftSide {
        model,
        numerics: None,
    }
}

/// Distributions of the prompts at these places of the fixture.
fn of_prompts(fixture: &Fixture, places: &[usize]) -> Vec<PromptDistribution> {
    let distributions = places.iter().map(|&place| PromptDistribution {
        prompt_tokens: Arc::clone(&fixture.requests[2 * place].prompt_tokens),
        distribution: distribution(place as u32),
    });
    distributions.collect()
}

/// Another model that sees the first two prompts as the first model does, and the third otherwise.
fn other_model(store: &mut Store, fixture: &Fixture) -> ModelId {
    let other = store.register_model(&new_model("other")).unwrap();
    let prompts = crate::store::fixture::register_messages(store);
    let tokens: Vec<Vec<u32>> = (0..3)
        .map(|place| {
            let mut tokens = fixture.requests[2 * place].prompt_tokens.to_vec();
            if place == 2 {
                tokens.push(7);
            }
            tokens
        })
        .collect();
    let rendered: Vec<NewRenderedPrompt<'_>> = prompts
        .iter()
        .zip(&tokens)
        .map(|(prompt, tokens)| NewRenderedPrompt {
            prompt: *prompt,
            text: "...",
            tokens,
        })
        .collect();
    store.register_rendered_prompts(other, &rendered).unwrap();
    other
}

#[test]
fn distributions_are_paired_where_both_models_saw_the_same_tokens() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let other = other_model(&mut store, &fixture);
    let pairs = |store: &Store| {
        let pairs = store.distribution_pairs(fixture.experiment, side(fixture.model), side(other));
        pairs.unwrap()
    };
    let all = of_prompts(&fixture, &[0, 1, 2]);
    // Widened weights are evaluated under another schedule.
    let wide = Numerics {
        schedule: "strict-pad8-vbf16-wide".to_owned(),
        ..numerics()
    };
    let wide = store.register_numerics(&wide).unwrap();
    store
        .insert_next_token_distributions(fixture.model, fixture.numerics, &all)
        .unwrap();
    assert_eq!(pairs(&store), []);
    store
        .insert_next_token_distributions(other, wide, &all[1..2])
        .unwrap();
    let found = pairs(&store);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].base, &found[0].other),
        (&distribution(1), &distribution(1))
    );
    // The first stored stays, and other numerics are another distribution.
    let mut changed = of_prompts(&fixture, &[1]);
    changed[0].distribution = distribution(9);
    store
        .insert_next_token_distributions(other, wide, &changed)
        .unwrap();
    store
        .insert_next_token_distributions(other, fixture.numerics, &changed)
        .unwrap();
    let of_condition = DriftSide {
        numerics: Some(wide),
        ..side(other)
    };
    let base = side(fixture.model);
    let asked = store.distribution_pairs(fixture.experiment, base, of_condition);
    assert_eq!(asked.unwrap(), found);
    // Both have one prompt, so the latest is meant.
    assert_eq!(pairs(&store)[0].other, distribution(9));
}

#[test]
fn distributions_of_unknown_prompts_and_without_a_number_are_refused() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let mut insert = |spoil: fn(&mut PromptDistribution)| {
        let mut new = of_prompts(&fixture, &[0]);
        spoil(&mut new[0]);
        let stored = store.insert_next_token_distributions(fixture.model, fixture.numerics, &new);
        stored.map_err(|error| error.to_string())
    };
    for spoil in [
        (|it| it.prompt_tokens = Arc::from([1, 2])) as fn(&mut PromptDistribution),
        |it| it.distribution.rest = 1.5,
        |it| it.distribution.logprobs[0] = f32::NAN,
        |it| it.distribution.tokens.truncate(1),
    ] {
        assert!(insert(spoil).is_err());
    }
    assert_eq!(insert(|_| {}), Ok(()));
}

#[test]
fn scores_are_read_back_beside_what_the_own_model_found() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    fixture.insert(&mut store, 0..2);
    let stored = store
        .generations(&fixture.request_ids(), fixture.numerics)
        .unwrap();
    let ids: Vec<_> = fixture.requests[..2]
        .iter()
        .map(|it| stored[&it.id].id)
        .collect();
    let other = other_model(&mut store, &fixture);
    let wide = Numerics {
        schedule: "strict-pad8-vbf16-wide".to_owned(),
        ..numerics()
    };
    let wide = store.register_numerics(&wide).unwrap();
    for (model, numerics) in [(fixture.model, fixture.numerics), (other, wide)] {
        let first = of_prompts(&fixture, &[0]);
        let stored = store.insert_next_token_distributions(model, numerics, &first);
        stored.unwrap();
    }
    assert_eq!(store.unscored(other, wide, &ids).unwrap(), ids);
    let token_logprobs = [-2.5, -1e-30, -0.3];
    let score = |generation, token_logprobs| {
        [NewScore {
            generation,
            token_logprobs,
        }]
    };
    store
        .insert_scores(other, wide, &score(ids[1], &token_logprobs))
        .unwrap();
    assert_eq!(store.unscored(other, wide, &ids).unwrap(), ids[..1]);
    let scored_with = |store: &Store, seed| {
        let (base, other) = (side(fixture.model), side(other));
        let scored = store.scored_generations(fixture.experiment, seed, base, other);
        scored.unwrap()
    };
    assert_eq!(scored_with(&store, 1), []);
    let scored = scored_with(&store, fixture.context.seed);
    assert_eq!(scored.len(), 1);
    assert_eq!(scored[0].generation, ids[1]);
    assert_eq!(scored[0].token_logprobs, token_logprobs);
    let own = &stored[&fixture.requests[1].id].generation.token_logprobs;
    assert_eq!(&scored[0].own_logprobs, own);
    for refused in [&token_logprobs[..2], &[-1.0, f32::NEG_INFINITY, 0.0]] {
        assert!(
            store
                .insert_scores(other, wide, &score(ids[0], refused))
                .is_err()
        );
    }
}
