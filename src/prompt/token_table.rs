//! The tokens of a model file as its header lists them.
//!
//! Owns their texts and kinds, for tokenizing and for messages, and the search for special tokens in a text. How
//! plain text becomes tokens is in `tokenizer`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::error::PromptError;
use crate::gguf::Gguf;

const TOKENS: &str = "tokenizer.ggml.tokens";
const TOKEN_TYPES: &str = "tokenizer.ggml.token_type";

/// Values of `tokenizer.ggml.token_type`; all others are of tokens that plain text is made of.
mod token_type {
    pub(super) const UNKNOWN: i32 = 2;
    pub(super) const CONTROL: i32 = 3;
    pub(super) const USER_DEFINED: i32 = 4;
    pub(super) const UNUSED: i32 = 5;
}

/// The tokens of a model file, indexed by id.
#[derive(Clone)]
pub struct TokenTable {
    texts: Vec<String>,
    /// As long as `texts`.
    types: Vec<i32>,
    unused: Vec<u32>,
    /// True if the texts stand for bytes, one character for each.
    is_byte_level: bool,
}

impl TokenTable {
    /// Reads the vocabulary in the header of `gguf`; without types, every token is a plain one.
    ///
    /// # Errors
    /// `Gguf` or `Vocabulary` when the header has no usable list of tokens.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, PromptError> {
        let texts = gguf.strings(TOKENS)?.to_vec();
        let types = match gguf.opt_i32s(TOKEN_TYPES)? {
            Some(types) => types.to_vec(),
            None => vec![1; texts.len()],
        };
        if types.len() != texts.len() || u32::try_from(texts.len()).is_err() {
            let problem = format!("it has {} tokens and {} types", texts.len(), types.len());
            let path = gguf.path().to_owned();
            return Err(PromptError::Vocabulary { path, problem });
        }
        let is_byte_level = gguf.opt_str("tokenizer.ggml.model")? == Some("gpt2");
        let unused = ids_of(&types, |kind| kind == token_type::UNUSED).collect();
        Ok(Self {
            texts,
            types,
            unused,
            is_byte_level,
        })
    }

    /// The number of tokens, unused ones included.
    pub fn n_vocab(&self) -> u32 {
        self.texts.len() as u32
    }

    /// The ids of tokens that only fill the vocabulary up and must never be drawn, in ascending order.
    pub fn unused(&self) -> &[u32] {
        &self.unused
    }

    /// The text of a token, for messages: what is no complete UTF-8 shows as U+FFFD, an id beyond the table as itself.
    pub fn text(&self, token: u32) -> String {
        let Some(text) = self.texts.get(token as usize) else {
            return format!("<token {token}>");
        };
        let is_special = is_special(self.types[token as usize]);
        if self.is_byte_level && !is_special {
            let bytes: Option<Vec<u8>> = text.chars().map(byte_of).collect();
            if let Some(bytes) = bytes {
                return String::from_utf8_lossy(&bytes).into_owned();
            }
        }
        text.clone()
    }

    /// The tokens that plain text can consist of, with their ids.
    pub(super) fn plain(&self) -> impl Iterator<Item = (&str, u32)> {
        let is_plain = |kind| {
            !matches!(
                kind,
                token_type::UNKNOWN | token_type::CONTROL | token_type::UNUSED
            )
        };
        let ids = ids_of(&self.types, is_plain);
        ids.map(|id| (self.texts[id as usize].as_str(), id))
    }
}

/// Without the lists, which are long.
impl fmt::Debug for TokenTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenTable({} tokens)", self.texts.len())
    }
}

/// The tokens that stand for more than their text: control tokens and those that the model's makers added.
///
/// Hugging Face calls both added tokens, and both are found in a text before it is split into anything else.
#[derive(Debug, Clone)]
pub(super) struct SpecialTokens {
    /// By their first byte; in each list the longest comes first.
    by_first_byte: BTreeMap<u8, Vec<(String, u32)>>,
}

/// Where a special token stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpecialMatch {
    /// Bytes of the text.
    pub(super) range: Range<usize>,
    pub(super) token: u32,
}

impl SpecialTokens {
    pub(super) fn new(table: &TokenTable) -> Self {
        let mut by_first_byte: BTreeMap<u8, Vec<(String, u32)>> = BTreeMap::new();
        for id in ids_of(&table.types, is_special) {
            let text = &table.texts[id as usize];
            if let Some(&first) = text.as_bytes().first() {
                by_first_byte
                    .entry(first)
                    .or_default()
                    .push((text.clone(), id));
            }
        }
        for list in by_first_byte.values_mut() {
            list.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
        Self { by_first_byte }
    }

    /// The first special token in `text`; of several that start at one place the longest.
    pub(super) fn find(&self, text: &str) -> Option<SpecialMatch> {
        let bytes = text.as_bytes();
        bytes.iter().enumerate().find_map(|(start, first)| {
            let candidates = self.by_first_byte.get(first)?;
            let (special, token) = candidates
                .iter()
                .find(|(special, _)| bytes[start..].starts_with(special.as_bytes()))?;
            Some(SpecialMatch {
                range: start..start + special.len(),
                token: *token,
            })
        })
    }
}

fn is_special(kind: i32) -> bool {
    matches!(kind, token_type::CONTROL | token_type::USER_DEFINED)
}

fn ids_of(types: &[i32], wanted: impl Fn(i32) -> bool) -> impl Iterator<Item = u32> {
    let ids = types.iter().enumerate();
    ids.filter(move |&(_, &kind)| wanted(kind))
        .map(|(id, _)| id as u32)
}

/// The byte that a character of a byte-level token stands for.
///
/// GPT-2 shows printable Latin-1 bytes as themselves and the 68 others as U+0100 and on, in their order.
fn byte_of(char: char) -> Option<u8> {
    let is_shown = |byte: u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    match u8::try_from(char) {
        Ok(byte) => is_shown(byte).then_some(byte),
        Err(_) => {
            let hidden_idx = u32::from(char) - 0x100;
            (0..=u8::MAX)
                .filter(|&byte| !is_shown(byte))
                .nth(hidden_idx as usize)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::fixture::{gguf, small};

    #[test]
    fn texts_are_those_that_people_read() {
        let table = TokenTable::from_gguf(&small()).unwrap();
        let id = |text: &str| table.texts.iter().position(|t| t == text).unwrap() as u32;
        assert_eq!(table.text(id("Ġblue")), " blue");
        assert_eq!(table.text(id("Ã©")), "é");
        assert_eq!(table.text(id("Ċ")), "\n");
        assert_eq!(table.text(id("Ã")), "\u{fffd}");
        assert_eq!(table.text(id("<|im_end|>")), "<|im_end|>");
        assert_eq!(table.text(99_999), "<token 99999>");
        assert_eq!(table.unused(), [id("[PAD0]"), id("[PAD1]")]);
        assert_eq!(table.n_vocab(), table.unused()[1] + 1);
    }

    /// The table at the foot of OpenAI's `encoder.py` for GPT-2: 33 bytes up to the space, then 127 to 160, then 173.
    #[test]
    fn characters_stand_for_bytes() {
        for (char, byte) in [
            ('Ā', 0),
            ('Ġ', 32),
            ('!', 33),
            ('~', 126),
            ('ġ', 127),
            ('ł', 160),
            ('¡', 161),
            ('Ń', 173),
            ('ÿ', 255),
        ] {
            assert_eq!(byte_of(char), Some(byte), "{char}");
        }
        for char in [' ', '\u{ad}', 'ń', '蓝'] {
            assert_eq!(byte_of(char), None, "{char}");
        }
    }

    #[test]
    fn the_first_and_longest_special_token_is_found() {
        let special = |texts: &[&str]| {
            let types = vec![token_type::CONTROL; texts.len()];
            let texts = texts.iter().map(|&text| text.to_owned()).collect();
            let table = TokenTable {
                texts,
                types,
                unused: Vec::new(),
                is_byte_level: true,
            };
            SpecialTokens::new(&table)
        };
        let found = special(&["<s>", "<s>x", "é", ""]);
        let check = |text: &str, expect: Option<(Range<usize>, u32)>| {
            let expect = expect.map(|(range, token)| SpecialMatch { range, token });
            assert_eq!(found.find(text), expect, "{text}");
        };
        check("a<s>b", Some((1..4, 0)));
        check("a<s>x", Some((1..5, 1)));
        check("<sé<s>", Some((2..4, 2)));
        check("<s", None);
        check("", None);
    }

    #[test]
    fn lists_of_different_lengths_are_refused() {
        let gguf = gguf(|writer| {
            writer
                .set(TOKENS, vec!["a".to_owned()])
                .set(TOKEN_TYPES, vec![1, 1]);
        });
        let error = TokenTable::from_gguf(&gguf).unwrap_err().to_string();
        assert!(error.contains("1 tokens and 2 types"), "{error}");
    }
}
