//! Distributions and scores: what is read back, for which prompts, and what is refused.

use std::sync::Arc;

use crate::generation::{NextTokenDistribution, PromptDistribution};
use crate::store::fixture::{Fixture, new_model};
use crate::store::{ModelId, NewRenderedPrompt, NewScore, Store};

const SCHEDULE: &str = "strict-pad8-vbf16";

fn distribution(token: u32) -> NextTokenDistribution {
    NextTokenDistribution {
        tokens: vec![token, u32::MAX],
        logprobs: vec![-0.1, -3.5e-20],
        rest: 0.25,
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
        let pairs = store.distribution_pairs(fixture.experiment, fixture.model, other);
        pairs.unwrap()
    };
    let all = of_prompts(&fixture, &[0, 1, 2]);
    store
        .insert_next_token_distributions(fixture.model, SCHEDULE, &all)
        .unwrap();
    assert_eq!(pairs(&store), []);
    store
        .insert_next_token_distributions(other, SCHEDULE, &all[1..2])
        .unwrap();
    let found = pairs(&store);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0].base, &found[0].other),
        (&distribution(1), &distribution(1))
    );
    // The first stored stays, and another schedule is another distribution.
    let mut changed = of_prompts(&fixture, &[1]);
    changed[0].distribution = distribution(9);
    store
        .insert_next_token_distributions(other, SCHEDULE, &changed)
        .unwrap();
    store
        .insert_next_token_distributions(other, "usual", &changed)
        .unwrap();
    assert_eq!(pairs(&store), found);
}

#[test]
fn distributions_of_unknown_prompts_and_without_a_number_are_refused() {
    let mut store = Store::open_in_memory().unwrap();
    let fixture = Fixture::register(&mut store);
    let mut insert = |spoil: fn(&mut PromptDistribution)| {
        let mut new = of_prompts(&fixture, &[0]);
        spoil(&mut new[0]);
        let stored = store.insert_next_token_distributions(fixture.model, SCHEDULE, &new);
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
    let stored = store.generations(&fixture.request_ids()).unwrap();
    let ids: Vec<_> = fixture.requests[..2]
        .iter()
        .map(|it| stored[&it.id].id)
        .collect();
    let other = store.register_model(&new_model("other")).unwrap();
    assert_eq!(store.unscored(other, SCHEDULE, &ids).unwrap(), ids);
    let token_logprobs = [-2.5, -1e-30, -0.3];
    let score = |generation, token_logprobs| {
        [NewScore {
            generation,
            token_logprobs,
        }]
    };
    store
        .insert_scores(other, SCHEDULE, &score(ids[1], &token_logprobs))
        .unwrap();
    assert_eq!(store.unscored(other, SCHEDULE, &ids).unwrap(), ids[..1]);
    let scored_with = |store: &Store, seed| {
        let (experiment, base) = (fixture.experiment, fixture.model);
        let scored = store.scored_generations(experiment, seed, base, other);
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
                .insert_scores(other, SCHEDULE, &score(ids[0], refused))
                .is_err()
        );
    }
}
