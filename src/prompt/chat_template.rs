//! The chat template of a model file, and what it makes of a system and a user message.
//!
//! Owns the variables a template sees, and refusing what a template would change in its messages. How Jinja itself
//! behaves is in `jinja`, how content is found in the text in `skeleton`; the text becomes tokens in `tokenizer`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use jiff::civil::Date;
use minijinja::{Environment, Error, Value, context};

use super::error::PromptError;
use super::jinja::{TEMPLATE, environment, problem_of};
use super::skeleton::{Messages, Placeholders, Skeleton};
use super::token_table::{SpecialTokens, TokenTable};
use crate::gguf::Gguf;

const KEY: &str = "tokenizer.chat_template";

/// Variables of a template, and the keys of the ids of the tokens whose texts they are.
const TOKEN_VARIABLES: &[(&str, &str)] = &[
    ("bos_token", "tokenizer.ggml.bos_token_id"),
    ("eos_token", "tokenizer.ggml.eos_token_id"),
    ("unk_token", "tokenizer.ggml.unknown_token_id"),
    // Spelled as llama.cpp spells it.
    ("sep_token", "tokenizer.ggml.seperator_token_id"),
    ("pad_token", "tokenizer.ggml.padding_token_id"),
    ("cls_token", "tokenizer.ggml.cls_token_id"),
    ("mask_token", "tokenizer.ggml.mask_token_id"),
];

/// The chat template of a model file, compiled.
#[derive(Debug)]
pub struct ChatTemplate {
    path: PathBuf,
    environment: Environment<'static>,
    tokens: BTreeMap<&'static str, String>,
    specials: SpecialTokens,
    shows_date: bool,
}

/// The text that a chat template made of the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendering {
    text: String,
    contents: Vec<Range<usize>>,
}

impl Rendering {
    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where in the text the messages stand, in bytes, in ascending order; all else is template.
    pub fn contents(&self) -> &[Range<usize>] {
        &self.contents
    }
}

impl ChatTemplate {
    /// Reads and compiles the template of `gguf`; a template that asks for the time is told midnight on `date`.
    ///
    /// # Errors
    /// `NoTemplate` and `Template`, or what is wrong with the vocabulary.
    pub fn from_gguf(gguf: &Gguf, date: Date) -> Result<Self, PromptError> {
        let path = gguf.path().to_owned();
        let Some(source) = gguf.opt_str(KEY)? else {
            return Err(PromptError::NoTemplate { path });
        };
        let environment = environment(source, date).map_err(|error| PromptError::Template {
            path: path.clone(),
            problem: problem_of(&error),
        })?;
        Ok(Self {
            path,
            environment,
            tokens: token_variables(gguf)?,
            specials: SpecialTokens::new(&TokenTable::from_gguf(gguf)?),
            shows_date: source.contains("strftime_now"),
        })
    }

    /// True if the template asks for the date, so that another one makes other prompts.
    pub fn shows_date(&self) -> bool {
        self.shows_date
    }

    /// Renders the messages with the start of the model's answer, as transformers'
    /// `apply_chat_template(.., add_generation_prompt=True)`.
    ///
    /// # Errors
    /// `Render` when the template fails or refuses, `LostMessage` when it leaves a message out, `SpecialContent` when
    /// content could become a special token.
    pub fn render(&self, system: Option<&str>, user: &str) -> Result<Rendering, PromptError> {
        let messages = Messages { system, user };
        let text = self
            .fill(messages)
            .map_err(|error| self.render_error(messages, &error))?;
        if let Some(skeleton) = self.skeleton(messages)
            && let Some(contents) = skeleton.locate(messages, &text)
        {
            self.check_all_placed(messages, &skeleton)?;
            return Ok(Rendering { text, contents });
        }
        self.all_template(messages, text)
    }

    fn fill(&self, messages: Messages<'_>) -> Result<String, Error> {
        let message = |role: &str, content: &str| context! { role, content };
        let system = messages.system.map(|content| message("system", content));
        let user = message("user", messages.user);
        let list: Vec<Value> = system.into_iter().chain([user]).collect();
        let given = context! {
            messages => list,
            tools => (),
            documents => (),
            add_generation_prompt => true,
        };
        let template = self.environment.get_template(TEMPLATE)?;
        template.render(context! { ..given, ..Value::from_serialize(&self.tokens) })
    }

    /// The template rendered with placeholders; `None` if it takes none.
    fn skeleton(&self, messages: Messages<'_>) -> Option<Skeleton> {
        let places = Placeholders::for_messages(messages);
        let text = self.fill(places.in_place_of(messages)).ok()?;
        Some(Skeleton::new(text, places))
    }

    /// Refuses a template that would ask the model something else than was written.
    fn check_all_placed(
        &self,
        messages: Messages<'_>,
        skeleton: &Skeleton,
    ) -> Result<(), PromptError> {
        let is_lost = |text: &str, is_placed: bool| !text.trim().is_empty() && !is_placed;
        let system = messages.system.unwrap_or_default();
        let role = match skeleton.places_system_and_user() {
            (_, placed) if is_lost(messages.user, placed) => "user",
            (placed, _) if is_lost(system, placed) => "system",
            _ => return Ok(()),
        };
        Err(PromptError::LostMessage {
            path: self.path.clone(),
            role,
        })
    }

    /// The rendering if it is known only as a whole: safe as long as no message holds a special token's text.
    fn all_template(&self, messages: Messages<'_>, text: String) -> Result<Rendering, PromptError> {
        let contents = messages.system.into_iter().chain([messages.user]);
        for content in contents {
            if let Some(special) = self.specials.find(content) {
                return Err(PromptError::SpecialContent {
                    path: self.path.clone(),
                    special: content[special.range].to_owned(),
                    messages: messages.to_string(),
                });
            }
        }
        Ok(Rendering {
            text,
            contents: Vec::new(),
        })
    }

    fn render_error(&self, messages: Messages<'_>, error: &Error) -> PromptError {
        let without_system = Messages {
            system: None,
            ..messages
        };
        PromptError::Render {
            path: self.path.clone(),
            messages: messages.to_string(),
            problem: problem_of(error),
            takes_no_system: messages.system.is_some() && self.fill(without_system).is_ok(),
        }
    }
}

fn token_variables(gguf: &Gguf) -> Result<BTreeMap<&'static str, String>, PromptError> {
    let texts = gguf.strings("tokenizer.ggml.tokens")?;
    let mut variables = BTreeMap::new();
    for &(variable, key) in TOKEN_VARIABLES {
        let id = gguf.opt_u32(key)?;
        if let Some(text) = id.and_then(|id| texts.get(id as usize)) {
            variables.insert(variable, text.clone());
        }
    }
    Ok(variables)
}
