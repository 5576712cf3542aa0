//! A WordPiece vocabulary and its form in a GGUF.
//!
//! Owns reading `vocab.txt` and the transformed token texts that llama.cpp expects.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::EncoderError;
use crate::gguf::writer::GgufWriter;

/// Starts a word in a GGUF, where `vocab.txt` marks the pieces that do not.
const WORD_START: char = '\u{2581}';
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;

/// Tokens with a meaning of their own and the keys that name them; llama.cpp takes its CLS from the BOS key, and one
/// key has a spelling mistake that has become the format.
const SPECIAL: [(&str, &[&str]); 5] = [
    ("[UNK]", &["unknown_token_id"]),
    ("[SEP]", &["seperator_token_id"]),
    ("[PAD]", &["padding_token_id"]),
    ("[CLS]", &["cls_token_id", "bos_token_id"]),
    ("[MASK]", &["mask_token_id"]),
];

/// The tokens of `vocab.txt`; the line number is the token id.
#[derive(Debug)]
pub(super) struct WordPieces {
    /// As the GGUF has them.
    texts: Vec<String>,
    types: Vec<i32>,
    /// Ids in the order of [`SPECIAL`].
    special_ids: [u32; SPECIAL.len()],
}

impl WordPieces {
    /// Reads and transforms `vocab.txt`.
    pub(super) fn read(path: &Path) -> Result<Self, EncoderError> {
        let text = fs::read_to_string(path).map_err(|source| EncoderError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|problem| EncoderError::Vocabulary {
            path: path.to_owned(),
            problem,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut ids = HashMap::new();
        let mut texts = Vec::new();
        let mut types = Vec::new();
        // Not `lines`, so that only the newline is cut; a token may hold any other kind of space.
        for (line_idx, line) in text.trim_end_matches('\n').split('\n').enumerate() {
            let token = line.strip_suffix('\r').unwrap_or(line);
            let is_special = SPECIAL.iter().any(|(special, _)| *special == token);
            let text = transform(token, is_special);
            let id = u32::try_from(line_idx).map_err(|_| "too many lines".to_owned())?;
            if token.is_empty() {
                return Err(format!("line {} is empty", line_idx + 1));
            }
            if let Some(first) = ids.insert(text.clone(), id) {
                let (line, first) = (line_idx + 1, first + 1);
                return Err(format!("`{token}` on line {line} repeats line {first}"));
            }
            types.push(if is_special { CONTROL } else { NORMAL });
            texts.push(text);
        }
        let mut special_ids = [0; SPECIAL.len()];
        for (id, (token, _)) in special_ids.iter_mut().zip(SPECIAL) {
            *id = *ids
                .get(token)
                .ok_or_else(|| format!("lacks the token `{token}`"))?;
        }
        Ok(Self {
            texts,
            types,
            special_ids,
        })
    }

    /// Number of tokens, at least 5.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.texts.len()).expect("every id was made as a u32")
    }

    /// Sets the tokenizer's keys.
    pub(super) fn set_keys(&self, writer: &mut GgufWriter<'_>) {
        writer
            .set("tokenizer.ggml.model", "bert")
            .set("tokenizer.ggml.pre", "bert-bge")
            .set("tokenizer.ggml.tokens", self.texts.clone())
            .set("tokenizer.ggml.token_type", self.types.clone());
        for (id, (_, keys)) in self.special_ids.into_iter().zip(SPECIAL) {
            for key in keys {
                writer.set(&format!("tokenizer.ggml.{key}"), id);
            }
        }
    }
}

/// A token's text in a GGUF: special ones as they are, inner pieces without their mark, all others marked as starts.
fn transform(token: &str, is_special: bool) -> String {
    match token.strip_prefix("##") {
        _ if is_special => token.to_owned(),
        Some(inner) if !inner.is_empty() => inner.to_owned(),
        _ => format!("{WORD_START}{token}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n[unused0]\na\n##a\n##\n#\n";

    #[test]
    fn texts_and_types() {
        let pieces = WordPieces::parse(SMALL).unwrap();
        let expected = [
            "[PAD]",
            "[UNK]",
            "[CLS]",
            "[SEP]",
            "[MASK]",
            "▁[unused0]",
            "▁a",
            "a",
            "▁##",
            "▁#",
        ];
        assert_eq!(pieces.texts, expected);
        assert_eq!(pieces.types, [3, 3, 3, 3, 3, 1, 1, 1, 1, 1]);
        assert_eq!(pieces.special_ids, [1, 3, 0, 2, 4]);
        let with_returns = WordPieces::parse(&SMALL.replace('\n', "\r\n")).unwrap();
        assert_eq!(with_returns.texts, expected);
    }

    #[test]
    fn wrong_vocabularies() {
        let check = |text: &str, expected: &str| {
            assert_eq!(WordPieces::parse(text).unwrap_err(), expected);
        };
        check("", "line 1 is empty");
        check("a\n\nb\n", "line 2 is empty");
        check("a\nb\na\n", "`a` on line 3 repeats line 1");
        check("a\nb\n", "lacks the token `[UNK]`");
        check(&SMALL.replace("[MASK]\n", ""), "lacks the token `[MASK]`");
    }
}
