//! Prompts as they are sent and as a model sees them: the tables `prompts` and `rendered_prompts`.
//!
//! Messages belong to no experiment and no model, so experiments that send the same share a row. What
//! a model sees of them depends on its chat template and tokenizer, so that is a row of its own, and
//! its tokens are what a request is known by.

use rusqlite::{Connection, params};

use super::error::Failure;
use super::values::{integer, json_numbers};
use super::{ModelId, PromptId, RenderedPromptId, Store, StoreError};

/// A prompt to register: the messages of a chat.
#[derive(Debug, Clone, Copy)]
pub struct NewPrompt<'a> {
    /// The system message; None where none is sent.
    pub system_message: Option<&'a str>,
    /// The user message, with the prompt in its place.
    pub user_message: &'a str,
}

/// A prompt as one model sees it, to register.
#[derive(Debug, Clone, Copy)]
pub struct NewRenderedPrompt<'a> {
    /// The messages.
    pub prompt: PromptId,
    /// The text after the chat template.
    pub text: &'a str,
    /// Its tokens, at least one.
    pub tokens: &'a [u32],
}

impl Store {
    /// The rows of these prompts, in order; made where they are missing.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn register_prompts(
        &mut self,
        prompts: &[NewPrompt<'_>],
    ) -> Result<Vec<PromptId>, StoreError> {
        self.write("store the prompts", |transaction| {
            prompts
                .iter()
                .map(|prompt| register_prompt(transaction, prompt))
                .collect()
        })
    }

    /// The rows of these prompts as `model` sees them, in order; made where they are missing.
    ///
    /// # Errors
    /// An error of SQLite.
    pub fn register_rendered_prompts(
        &mut self,
        model: ModelId,
        prompts: &[NewRenderedPrompt<'_>],
    ) -> Result<Vec<RenderedPromptId>, StoreError> {
        self.write("store the rendered prompts", |transaction| {
            prompts
                .iter()
                .map(|prompt| register_rendered_prompt(transaction, model, prompt))
                .collect()
        })
    }
}

/// The row of a prompt whose messages are not known.
pub(super) fn register_imported_prompt(
    connection: &Connection,
    prompt: &str,
) -> Result<PromptId, Failure> {
    connection
        .prepare_cached(
            "INSERT INTO prompts (user_message, is_imported) VALUES (?1, 1) ON CONFLICT DO NOTHING",
        )?
        .execute([prompt])?;
    // Written like the index, so that it is used.
    let mut select = connection.prepare_cached(
        "SELECT id FROM prompts
         WHERE user_message = ?1 AND (system_message IS NULL) = 1 AND ifnull(system_message, '') = '' AND is_imported = 1",
    )?;
    Ok(select.query_row([prompt], |row| row.get(0))?)
}

fn register_prompt(connection: &Connection, prompt: &NewPrompt<'_>) -> Result<PromptId, Failure> {
    let values = params![prompt.system_message, prompt.user_message];
    connection
        .prepare_cached("INSERT INTO prompts (system_message, user_message) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(values)?;
    // Written like the index, so that it is used.
    let mut select = connection.prepare_cached(
        "SELECT id FROM prompts
         WHERE user_message = ?2 AND (system_message IS NULL) = (?1 IS NULL) AND ifnull(system_message, '') = ifnull(?1, '')
             AND is_imported = 0",
    )?;
    Ok(select.query_row(values, |row| row.get(0))?)
}

fn register_rendered_prompt(
    connection: &Connection,
    model: ModelId,
    prompt: &NewRenderedPrompt<'_>,
) -> Result<RenderedPromptId, Failure> {
    let tokens = json_numbers(prompt.tokens);
    let n_tokens = integer(prompt.tokens.len())?;
    connection
        .prepare_cached(
            "INSERT INTO rendered_prompts (model_id, prompt_id, text, tokens, n_tokens) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (model_id, tokens, prompt_id) DO NOTHING",
        )?
        .execute(params![model, prompt.prompt, prompt.text, tokens, n_tokens])?;
    let mut select = connection.prepare_cached(
        "SELECT id FROM rendered_prompts WHERE model_id = ?1 AND tokens = ?2 AND prompt_id = ?3",
    )?;
    Ok(select.query_row(params![model, tokens, prompt.prompt], |row| row.get(0))?)
}
