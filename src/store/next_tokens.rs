//! Next-token distributions and generations scored by other models: what says how far two models lie apart.
//!
//! Owns the tables `next_token_distributions` and `scored_generations`. A distribution belongs to a rendered prompt, and
//! with it to a model; a score to a generation and the model that scored it. It computes no divergence.

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::error::Failure;
use super::values::{blob, integer, json_numbers, numbers, vector};
use super::{
    ConditionKey, ExperimentId, GenerationId, ModelId, NumericsId, PromptId, RenderedPromptId,
    Store, StoreError,
};
use crate::generation::{NextTokenDistribution, PromptDistribution};

/// A model whose distributions are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DriftSide {
    /// The model.
    pub model: ModelId,
    /// How its logits were computed. Where that is None, or nothing is stored for it, those numerics are meant under
    /// which most prompts of the experiment have a distribution, of equals the latest.
    pub numerics: Option<NumericsId>,
}

impl From<&ConditionKey> for DriftSide {
    fn from(key: &ConditionKey) -> Self {
        Self {
            model: key.model,
            numerics: Some(key.numerics),
        }
    }
}

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
    /// Stores distributions of `model` under numerics, all or none; one that is stored already stays.
    ///
    /// # Errors
    /// `Value` for a prompt that is not registered, or a distribution with a value that is no finite number.
    pub fn insert_next_token_distributions(
        &mut self,
        model: ModelId,
        numerics: NumericsId,
        distributions: &[PromptDistribution],
    ) -> Result<(), StoreError> {
        self.write("store next-token distributions", |transaction| {
            for new in distributions {
                insert_distribution(transaction, model, numerics, new)?;
            }
            Ok(())
        })
    }

    /// The distributions of two models after every prompt of the experiment's pairs for which both are stored, by
    /// prompt. A prompt that the two models see as different tokens is left out. Each side has its own numerics, because
    /// the widened weights of one file are evaluated under another schedule than those of the next.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn distribution_pairs(
        &self,
        experiment: ExperimentId,
        base: DriftSide,
        other: DriftSide,
    ) -> Result<Vec<DistributionPair>, StoreError> {
        self.read("read next-token distributions", |view| {
            let base_numerics = numerics_of(view, experiment, base)?;
            let other_numerics = numerics_of(view, experiment, other)?;
            let mut select = view.prepare_cached(
                "SELECT seen.prompt_id, base.tokens AS base_tokens, base.logprobs AS base_logprobs, base.rest AS base_rest,
                     base.k AS base_k, other.tokens AS other_tokens, other.logprobs AS other_logprobs,
                     other.rest AS other_rest, other.k AS other_k
                 FROM (SELECT test_prompt_id AS prompt_id FROM experiment_pairs WHERE experiment_id = ?1
                       UNION SELECT control_prompt_id FROM experiment_pairs WHERE experiment_id = ?1) AS asked
                     JOIN rendered_prompts AS seen ON seen.prompt_id = asked.prompt_id AND seen.model_id = ?2
                     JOIN rendered_prompts AS base_seen ON base_seen.model_id = ?2 AND base_seen.tokens = seen.tokens
                     JOIN rendered_prompts AS other_seen ON other_seen.model_id = ?3 AND other_seen.tokens = seen.tokens
                     JOIN next_token_distributions AS base
                         ON base.rendered_prompt_id = base_seen.id AND base.numerics_id = ?4
                     JOIN next_token_distributions AS other
                         ON other.rendered_prompt_id = other_seen.id AND other.numerics_id = ?5
                 GROUP BY seen.prompt_id
                 ORDER BY seen.prompt_id",
            )?;
            let values = params![experiment, base.model, other.model, base_numerics, other_numerics];
            let mut rows = select.query(values)?;
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

    /// Those of `generations` that `model` has not scored yet under these numerics, in order.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn unscored(
        &self,
        model: ModelId,
        numerics: NumericsId,
        generations: &[GenerationId],
    ) -> Result<Vec<GenerationId>, StoreError> {
        self.read("look for scored generations", |view| {
            let mut select = view.prepare_cached(
                "SELECT 1 FROM scored_generations WHERE generation_id = ?1 AND model_id = ?2 AND numerics_id = ?3",
            )?;
            let mut unscored = Vec::new();
            for generation in generations {
                if !select.exists(params![generation, model, numerics])? {
                    unscored.push(*generation);
                }
            }
            Ok(unscored)
        })
    }

    /// Stores what `model` found generations worth under numerics, all or none; one that is scored already stays.
    ///
    /// # Errors
    /// `Value` for another number of values than the generation has tokens, or a value that is no finite number.
    pub fn insert_scores(
        &mut self,
        model: ModelId,
        numerics: NumericsId,
        scores: &[NewScore<'_>],
    ) -> Result<(), StoreError> {
        self.write("store scored generations", |transaction| {
            for new in scores {
                insert_score(transaction, model, numerics, new)?;
            }
            Ok(())
        })
    }

    /// The generations of `base` after prompts of the experiment's pairs, with this seed, that `other` has scored, with both
    /// sets of values; each side under the numerics of its distributions.
    ///
    /// # Errors
    /// `Value` when a row does not hold what was stored.
    pub fn scored_generations(
        &self,
        experiment: ExperimentId,
        seed: u64,
        base: DriftSide,
        other: DriftSide,
    ) -> Result<Vec<ScoredGeneration>, StoreError> {
        self.read("read scored generations", |view| {
            let mut select = view.prepare_cached(
                "SELECT generations.id, generations.token_logprobs AS own, scored_generations.token_logprobs AS scored
                 FROM scored_generations JOIN generations ON generations.id = generation_id
                 WHERE scored_generations.model_id = :other AND scored_generations.numerics_id = :other_numerics
                     AND generations.model_id = :base AND generations.numerics_id = :base_numerics
                     AND generations.seed = :seed
                     AND generations.prompt_id IN (
                         SELECT test_prompt_id FROM experiment_pairs WHERE experiment_id = :experiment
                         UNION SELECT control_prompt_id FROM experiment_pairs WHERE experiment_id = :experiment)
                 ORDER BY generations.id",
            )?;
            let mut rows = select.query(named_params! {
                ":experiment": experiment,
                ":seed": seed.cast_signed(),
                ":base": base.model,
                ":base_numerics": numerics_of(view, experiment, base)?,
                ":other": other.model,
                ":other_numerics": numerics_of(view, experiment, other)?,
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

/// The numerics whose distributions are meant; None where the model has none on prompts of the experiment.
fn numerics_of(
    view: &Connection,
    experiment: ExperimentId,
    side: DriftSide,
) -> Result<Option<NumericsId>, Failure> {
    let mut select = view.prepare_cached(
        "SELECT numerics_id
         FROM (SELECT test_prompt_id AS prompt_id FROM experiment_pairs WHERE experiment_id = ?1
               UNION SELECT control_prompt_id FROM experiment_pairs WHERE experiment_id = ?1) AS asked
             JOIN rendered_prompts AS seen ON seen.prompt_id = asked.prompt_id AND seen.model_id = ?2
             JOIN rendered_prompts AS first ON first.model_id = ?2 AND first.tokens = seen.tokens
             JOIN next_token_distributions ON rendered_prompt_id = first.id
         GROUP BY numerics_id
         ORDER BY numerics_id IS ?3 DESC, count(DISTINCT asked.prompt_id) DESC, max(next_token_distributions.id) DESC
         LIMIT 1",
    )?;
    let values = params![experiment, side.model, side.numerics];
    Ok(select.query_row(values, |row| row.get(0)).optional()?)
}

fn insert_distribution(
    connection: &Connection,
    model: ModelId,
    numerics: NumericsId,
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
            "INSERT INTO next_token_distributions (rendered_prompt_id, numerics_id, k, tokens, logprobs, rest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (rendered_prompt_id, numerics_id) DO NOTHING",
        )?
        .execute(params![
            rendered,
            numerics,
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
    numerics: NumericsId,
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
            "INSERT INTO scored_generations (generation_id, model_id, numerics_id, token_logprobs)
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT (generation_id, model_id, numerics_id) DO NOTHING",
        )?
        .execute(params![
            new.generation,
            model,
            numerics,
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
