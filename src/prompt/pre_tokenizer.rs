//! How each family of byte-level tokenizers cuts text into the words that BPE works on.
//!
//! Owns what a GGUF names only by its `tokenizer.ggml.pre`: the normalizer, the pre-tokenizer and the treatment of
//! whole words that the `tokenizer.json` of the family has. What is not listed here we do not tokenize ourselves;
//! `default` among it, which means that the converter did not know the tokenizer.

use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior};

/// Of Qwen2, Qwen2.5 and Qwen3: single digits, line breaks at the end of punctuation.
const QWEN2_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Of Llama 3: as Qwen's, with up to three digits in a word.
const LLAMA3_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A family of tokenizers with one way to cut text into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Qwen2 to Qwen3.
    Qwen2,
    /// Llama 3.
    Llama3,
    /// GPT-2.
    Gpt2,
    /// SmolLM and SmolLM2.
    SmolLm,
}

impl Family {
    /// The family that a GGUF's `tokenizer.ggml.model` and `tokenizer.ggml.pre` name, if it is one of ours.
    pub(super) fn named(model: &str, pre: &str) -> Option<Self> {
        match (model, pre) {
            ("gpt2", "qwen2") => Some(Self::Qwen2),
            ("gpt2", "llama-bpe" | "llama3" | "llama-v3") => Some(Self::Llama3),
            ("gpt2", "gpt-2") => Some(Self::Gpt2),
            ("gpt2", "smollm") => Some(Self::SmolLm),
            _ => None,
        }
    }

    /// True if text is first brought into Unicode's normalization form C.
    pub(super) fn normalizes(self) -> bool {
        self == Self::Qwen2
    }

    /// True if a word that is itself a token is taken as it is, also where no merges lead to it.
    pub(super) fn keeps_whole_words(self) -> bool {
        self == Self::Llama3
    }

    /// The step that cuts text into words, and writes their bytes as the characters that tokens consist of.
    pub(super) fn pre_tokenizer(self) -> tokenizers::Result<PreTokenizerWrapper> {
        let bytes = |has_own_words| ByteLevel::new(false, true, has_own_words);
        Ok(match self {
            Self::Qwen2 => in_turn(words(QWEN2_WORDS)?, bytes(false)),
            Self::Llama3 => in_turn(words(LLAMA3_WORDS)?, bytes(false)),
            Self::Gpt2 => bytes(true).into(),
            Self::SmolLm => in_turn(Digits::new(true), bytes(true)),
        })
    }
}

fn words(regex: &str) -> tokenizers::Result<Split> {
    let pattern = SplitPattern::Regex(regex.to_owned());
    Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
}

fn in_turn(first: impl Into<PreTokenizerWrapper>, second: ByteLevel) -> PreTokenizerWrapper {
    Sequence::new(vec![first.into(), second.into()]).into()
}
