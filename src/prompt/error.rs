//! Why a prompt cannot be rendered or tokenized.
//!
//! Owns the texts and their hints.

use std::path::PathBuf;

use crate::gguf::GgufError;

/// A model file whose template or vocabulary cannot be used, or a prompt that they cannot take.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// A key that is missing or has a value that cannot be used.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The model file brings no chat template.
    #[error(
        "`{}` has no chat template (key `tokenizer.chat_template`)\n\
         hint: use an instruct model; a base model was not trained on messages", path.display()
    )]
    NoTemplate {
        /// The model file.
        path: PathBuf,
    },
    /// The chat template is no template that we understand.
    #[error(
        "the chat template of `{}` cannot be read: {problem}\n\
         hint: use another file of this model, made with a current converter", path.display()
    )]
    Template {
        /// The model file.
        path: PathBuf,
        /// The fault, and its line in the template.
        problem: String,
    },
    /// The chat template failed, or itself refused the messages.
    #[error("the chat template of `{}` fails on {messages}: {problem}{}", path.display(), system_hint(*takes_no_system))]
    Render {
        /// The model file.
        path: PathBuf,
        /// The messages, for people to read.
        messages: String,
        /// The fault.
        problem: String,
        /// True if it takes the user message alone.
        takes_no_system: bool,
    },
    /// The chat template does not show the model all it was given.
    #[error(
        "the chat template of `{}` leaves out the {role} message\n\
         hint: {}", path.display(), lost_hint(role)
    )]
    LostMessage {
        /// The model file.
        path: PathBuf,
        /// `system` or `user`.
        role: &'static str,
    },
    /// A template that changes its content, with content that could become a special token.
    #[error(
        "the chat template of `{}` changes what it is given, so that `{special}` in {messages} \
         could become a special token\n\
         hint: remove `{special}` from the prompt", path.display()
    )]
    SpecialContent {
        /// The model file.
        path: PathBuf,
        /// The text of a special token that the content holds.
        special: String,
        /// The messages, for people to read.
        messages: String,
    },
    /// The vocabulary and the merges of the model file make no tokenizer.
    #[error(
        "the tokenizer of `{}` cannot be built: {problem}\n\
         hint: the file is damaged or was made by a faulty converter; use another file of this model", path.display()
    )]
    Vocabulary {
        /// The model file.
        path: PathBuf,
        /// The fault.
        problem: String,
    },
    /// The tokenizer failed on a text.
    #[error("failed to tokenize {text:?}: {problem}")]
    Tokenize {
        /// The text.
        text: String,
        /// The tokenizer's reason.
        problem: String,
    },
}

const WITHOUT_SYSTEM: &str = "write no system message, or put it at the start of the user message";

fn system_hint(takes_no_system: bool) -> String {
    if takes_no_system {
        format!("\nhint: this model takes no system message; {WITHOUT_SYSTEM}")
    } else {
        String::new()
    }
}

fn lost_hint(role: &str) -> &'static str {
    match role {
        "system" => WITHOUT_SYSTEM,
        _ => "it is made for messages of another form, such as images; use another model",
    }
}
