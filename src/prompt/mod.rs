//! The text that a model is shown: its chat template rendered, and the text turned into tokens.
//!
//! Owns both steps as Hugging Face's transformers does them, from what the model file says and nothing else.
//! `chat_template` renders a system and a user message and knows which part of the text is content; `tokenizer`
//! turns that into tokens, so that content never becomes a special token; `agreement` compares the tokens of plain
//! text with those of another tokenizer. It loads no model and calls no engine: who calls it lends it the engine's
//! own tokenization.

mod agreement;
pub mod chat_template;
pub mod error;
mod jinja;
mod pre_tokenizer;
mod skeleton;
mod token_table;
pub mod tokenizer;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use agreement::{Disagreement, first_disagreement};
pub use chat_template::{ChatTemplate, Rendering};
pub use error::PromptError;
pub use token_table::TokenTable;
pub use tokenizer::{PlainRun, RenderedPrompt, Tokenizer};
