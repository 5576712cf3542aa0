//! Next-token distributions and generations scored by other models: what says how far two models lie apart.
//!
//! Owns the tables `next_token_distributions` and `scored_generations`. A distribution belongs to a rendered prompt, and
//! with it to a model; a score to a generation and the model that scored it. It computes no divergence.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::error::Failure;
use super::values::{blob, integer, json_numbers, numbers, vector};
use super::{ExperimentId, GenerationId, ModelId, PromptId, RenderedPromptId, Store, StoreError};
use crate::generation::{NextTokenDistribution, PromptDistribution};

/// The distributions of two models after the same prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct DistributionPair {
    /// The messages.
    pub prompt: PromptId,
    /// The base's.
    pub base: NextTokenDistribution,
    /// The other's.
    pub other: NextTokenDistribution,
}

/// A generation to store as scored by another model than the one that made it.
#[derive(Debug, Clone, Copy)]
pub struct NewScore<'a> {
    /// The generation.
    pub generation: GenerationId,
    /// Natural logarithm of the scoring model's own probability of each of its tokens.
    pub token_logprobs: &'a [f32],
}

/// A generation with what its own model and another one found it worth.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredGeneration {
    /// The generation.
    pub generation: GenerationId,
    /// Logarithms of the probabilities its own model gave to its tokens.
    pub own_logprobs: Vec<f32>,
    /// Those that the scoring model gave.
    pub token_logprobs: Vec<f32>,
}

impl Store {
    /// Stores distributions of `model` under a schedule, all or none; one that is stored already stays.
    ///
    /// # Errors
    /// `Value` for a prompt that is not registered, or a distribution with a value that is no finite number.
    pub fn insert_next_token_distributions(
        &mut self,
        model: ModelId,
        schedule: &str,
        distributions: &[PromptDistribution],
    ) -> Result<(), StoreError> {
        self.write("store next-token distributions", |transaction| {
            for new in distributions {
                insert_distribution(transaction, model, schedule, new)?;
            }
            Ok(())
        })
    }

    /// The distributions of two models after every prompt of the experiment's pairs for which both are stored, by
    /// prompt. A prompt that the two models see as different tokens is left out. Both are of the same schedule; where there
    /// are several, of the one whose name comes last.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn distribution_pairs(
        &self,
        experiment: ExperimentId,
        base: ModelId,
        other: ModelId,
    ) -> Result<Vec<DistributionPair>, StoreError> {
        self.read("read next-token distributions", |view| {
            let mut select = view.prepare_cached(
                "SELECT seen.prompt_id, base.tokens AS base_tokens, base.logprobs AS base_logprobs, base.rest AS base_rest,
                     base.k AS base_k, other.tokens AS other_tokens, other.logprobs AS other_logprobs,
                     other.rest AS other_rest, other.k AS other_k, max(base.schedule)
                 FROM (SELECT test_prompt_id AS prompt_id FROM experiment_pairs WHERE experiment_id = ?1
                       UNION SELECT control_prompt_id FROM experiment_pairs WHERE experiment_id = ?1) AS asked
                     JOIN rendered_prompts AS seen ON seen.prompt_id = asked.prompt_id AND seen.model_id = ?2
                     JOIN rendered_prompts AS base_seen ON base_seen.model_id = ?2 AND base_seen.tokens = seen.tokens
                     JOIN rendered_prompts AS other_seen ON other_seen.model_id = ?3 AND other_seen.tokens = seen.tokens
                     JOIN next_token_distributions AS base ON base.rendered_prompt_id = base_seen.id
                     JOIN next_token_distributions AS other
                         ON other.rendered_prompt_id = other_seen.id AND other.schedule = base.schedule
                 GROUP BY seen.prompt_id
                 ORDER BY seen.prompt_id",
            )?;
            let mut rows = select.query(params![experiment, base, other])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(DistributionPair {
                    prompt: row.get("prompt_id")?,
                    base: distribution(row, "base")?,
                    other: distribution(row, "other")?,
                });
            }
            Ok(found)
        })
    }

    /// Those of `generations` that `model` has not scored yet, in order.
    ///
    /// # Errors
    /// What SQLite reports.
    pub fn unscored(
        &self,
        model: ModelId,
        schedule: &str,
        generations: &[GenerationId],
    ) -> Result<Vec<GenerationId>, StoreError> {
        self.read("look for scored generations", |view| {
            let mut select = view.prepare_cached(
                "SELECT 1 FROM scored_generations WHERE generation_id = ?1 AND model_id = ?2 AND schedule = ?3",
            )?;
            let mut unscored = Vec::new();
            for generation in generations {
                if !select.exists(params![generation, model, schedule])? {
                    unscored.push(*generation);
                }
            }
            Ok(unscored)
        })
    }

    /// Stores what `model` found generations worth, all or none; one that is scored already stays.
    ///
    /// # Errors
    /// `Value` for another number of values than the generation has tokens, or a value that is no finite number.
    pub fn insert_scores(
        &mut self,
        model: ModelId,
        schedule: &str,
        scores: &[NewScore<'_>],
    ) -> Result<(), StoreError> {
        self.write("store scored generations", |transaction| {
            for new in scores {
                insert_score(transaction, model, schedule, new)?;
            }
            Ok(())
        })
    }

    /// The generations of `base` after prompts of the experiment's pairs, with this seed, that `other` has scored under the same schedule, with
    /// both sets of values.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn scored_generations(
        &self,
        experiment: ExperimentId,
        seed: u64,
        base: ModelId,
        other: ModelId,
    ) -> Result<Vec<ScoredGeneration>, StoreError> {
        self.read("read scored generations", |view| {
            let mut select = view.prepare_cached(
                "SELECT generations.id, generations.token_logprobs AS own, scored_generations.token_logprobs AS scored
                 FROM scored_generations JOIN generations ON generations.id = generation_id
                 WHERE scored_generations.model_id = :other AND scored_generations.schedule = generations.schedule
                     AND generations.model_id = :base AND generations.seed = :seed
                     AND generations.prompt_id IN (
                         SELECT test_prompt_id FROM experiment_pairs WHERE experiment_id = :experiment
                         UNION SELECT control_prompt_id FROM experiment_pairs WHERE experiment_id = :experiment)
                 ORDER BY generations.id",
            )?;
            let mut rows = select.query(named_params! {
                ":experiment": experiment,
                ":seed": seed.cast_signed(),
                ":base": base,
                ":other": other,
            })?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(ScoredGeneration {
                    generation: row.get("id")?,
                    own_logprobs: numbers(&row.get::<_, String>("own")?)?,
                    token_logprobs: numbers(&row.get::<_, String>("scored")?)?,
                });
            }
            Ok(found)
        })
    }
}

fn insert_distribution(
    connection: &Connection,
    model: ModelId,
    schedule: &str,
    new: &PromptDistribution,
) -> Result<(), Failure> {
    let mut select = connection.prepare_cached(
        "SELECT id FROM rendered_prompts WHERE model_id = ?1 AND tokens = ?2 ORDER BY id LIMIT 1",
    )?;
    let tokens = json_numbers(&new.prompt_tokens);
    let rendered: Option<RenderedPromptId> = select
        .query_row(params![model, tokens], |row| row.get(0))
        .optional()?;
    let rendered = rendered
        .ok_or_else(|| Failure::Value("the prompt of a distribution was not stored".to_owned()))?;
    let top = &new.distribution;
    if top.tokens.len() != top.logprobs.len() || !(0.0..=1.0).contains(&top.rest) {
        return Err(Failure::Value("a distribution is incomplete".to_owned()));
    }
    connection
        .prepare_cached(
            "INSERT INTO next_token_distributions (rendered_prompt_id, schedule, k, tokens, logprobs, rest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (rendered_prompt_id, schedule) DO NOTHING",
        )?
        .execute(params![
            rendered,
            schedule,
            integer(top.tokens.len())?,
            token_blob(&top.tokens),
            blob(&top.logprobs)?,
            top.rest
        ])?;
    Ok(())
}

fn insert_score(
    connection: &Connection,
    model: ModelId,
    schedule: &str,
    new: &NewScore<'_>,
) -> Result<(), Failure> {
    let n_tokens: i64 = connection
        .prepare_cached("SELECT n_tokens FROM generations WHERE id = ?1")?
        .query_row([new.generation], |row| row.get(0))?;
    let is_whole = integer(new.token_logprobs.len())? == n_tokens
        && new.token_logprobs.iter().all(|logprob| logprob.is_finite());
    if !is_whole {
        return Err(Failure::Value(format!(
            "the score of generation {} does not fit its tokens",
            new.generation
        )));
    }
    connection
        .prepare_cached(
            "INSERT INTO scored_generations (generation_id, model_id, schedule, token_logprobs)
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (generation_id, model_id, schedule) DO NOTHING",
        )?
        .execute(params![
            new.generation,
            model,
            schedule,
            json_numbers(new.token_logprobs)
        ])?;
    Ok(())
}

fn distribution(row: &Row<'_>, side: &str) -> Result<NextTokenDistribution, Failure> {
    let column = |name: &str| format!("{side}_{name}");
    let k: i64 = row.get(&*column("k"))?;
    let tokens: Vec<u8> = row.get(&*column("tokens"))?;
    let logprobs: Vec<u8> = row.get(&*column("logprobs"))?;
    Ok(NextTokenDistribution {
        tokens: tokens_of(&tokens, k)?,
        logprobs: vector(&logprobs, k)?,
        rest: row.get(&*column("rest"))?,
    })
}

/// Token ids as little-endian u32, 4 bytes each.
fn token_blob(tokens: &[u32]) -> Vec<u8> {
    tokens
        .iter()
        .flat_map(|token| token.to_le_bytes())
        .collect()
}

fn tokens_of(blob: &[u8], k: i64) -> Result<Vec<u32>, Failure> {
    let (tokens, rest) = blob.as_chunks();
    if !rest.is_empty() || integer(tokens.len())? != k {
        return Err(Failure::Value(format!(
            "a distribution of {k} tokens has {} bytes of them",
            blob.len()
        )));
    }
    Ok(tokens
        .iter()
        .map(|bytes| u32::from_le_bytes(*bytes))
        .collect())
}
