//! The keys `embedding_model` and `embedding_models`.
//!
//! Owns which encoders an experiment names, in which order, and where it names them. Whether one is there is found out by
//! those who hold the manifest and the files.

use std::path::PathBuf;

use super::node::{Node, Value};
use super::problem::Problem;
use super::read::{
    EMBEDDING_MODEL, Fields, ONE_ENCODER as ONE, Reader, SEVERAL_ENCODERS as SEVERAL, Text,
};
use super::source::Position;

const EXAMPLE: &str = "embedding_models: [all-minilm-l6-v2, my-encoder.gguf]";

/// An encoder that an experiment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingModelSpec {
    /// Where its files come from.
    pub source: EmbeddingModelSource,
    /// Where the experiment names it.
    pub position: Position,
}

/// Where the files of an encoder come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbeddingModelSource {
    /// An entry of the manifest.
    Manifest {
        /// The encoder's name.
        name: String,
    },
    /// A user's own GGUF, or folder with `model.safetensors`.
    File {
        /// The path, joined to the directory of the experiment file.
        path: PathBuf,
    },
}

impl Reader {
    /// The encoders in file order, the primary one first; at least one.
    pub(crate) fn embedding_models(&mut self, top: &Fields<'_>) -> Option<Vec<EmbeddingModelSpec>> {
        if let (Some(one), Some(several)) = (top.entry(ONE), top.entry(SEVERAL)) {
            let message = format!("`{SEVERAL}` cannot stand beside `{ONE}`");
            self.report(
                Problem::error(&several.key_position, message)
                    .label("these encoders")
                    .earlier(&one.key_position, "and this one")
                    .hint(format!(
                        "name all of them in `{SEVERAL}`, the primary one first"
                    )),
            );
            return None;
        }
        if let Some(node) = top.get(ONE) {
            return Some(vec![self.encoder(node, ONE)?]);
        }
        let items = self.list(top.get(SEVERAL)?, SEVERAL, EXAMPLE)?;
        let read: Vec<_> = items
            .iter()
            .map(|item| self.encoder(item, SEVERAL))
            .collect();
        let encoders: Vec<_> = read.into_iter().collect::<Option<_>>()?;
        self.refuse_doubled_encoders(&encoders);
        Some(encoders)
    }

    fn encoder(&mut self, node: &Node, key: &str) -> Option<EmbeddingModelSpec> {
        let source = match &node.value {
            Value::Mapping(_) => {
                let example = format!("{ONE}: {{path: my-encoder.gguf}}");
                let fields = self.fields(node, &EMBEDDING_MODEL, &example)?;
                let title = format!("`{key}`");
                self.require(&fields, &title, &[("path", "my-encoder.gguf")]);
                let node = fields.get("path")?;
                let path = self.text(node, &format!("{key}.path"), Text::Line)?;
                EmbeddingModelSource::File {
                    path: node.position.file().beside(path),
                }
            }
            Value::String(_) => source(node, self.text(node, key, Text::Line)?),
            _ => {
                let (what, example) = match &node.value {
                    _ if key == SEVERAL => ("an item of `embedding_models`", EXAMPLE),
                    Value::List(_) => (ONE, EXAMPLE),
                    _ => (ONE, "embedding_model: all-minilm-l6-v2"),
                };
                let expected = "the name of a model, or a mapping with its `path`";
                self.wrong_type(node, what, expected, Some(example));
                return None;
            }
        };
        Some(EmbeddingModelSpec {
            source,
            position: node.position.clone(),
        })
    }

    fn refuse_doubled_encoders(&mut self, encoders: &[EmbeddingModelSpec]) {
        for (idx, encoder) in encoders.iter().enumerate() {
            let mut before = encoders[..idx].iter();
            if let Some(first) = before.find(|before| before.source == encoder.source) {
                let name = match &encoder.source {
                    EmbeddingModelSource::Manifest { name } => name.clone(),
                    EmbeddingModelSource::File { path } => path.display().to_string(),
                };
                self.report(
                    Problem::error(
                        &encoder.position,
                        format!("the encoder `{name}` is listed twice"),
                    )
                    .label("the second")
                    .earlier(&first.position, "the first"),
                );
            }
        }
    }
}

/// True if a word that means an encoder is a path: no name of the manifest has a slash or ends like a file.
pub fn is_path(word: &str) -> bool {
    word.contains(['/', '\\']) || word.to_lowercase().ends_with(".gguf")
}

fn source(node: &Node, word: &str) -> EmbeddingModelSource {
    if is_path(word) {
        return EmbeddingModelSource::File {
            path: node.position.file().beside(word),
        };
    }
    EmbeddingModelSource::Manifest {
        name: word.to_owned(),
    }
}
