//! The vocabulary of a model: its tokens, their types, the merges, and the tokens with a meaning of their own.
//!
//! Owns that llama.cpp's tokenizer can be built from it and that every token has a text. llama.cpp aborts on a
//! vocabulary with equal tokens and takes token 11 for the end of a text where none is named. How a text is tokenized
//! is decided elsewhere.

use std::collections::HashSet;

use super::keys::{KeyRule, Need, Rule, check_prefix};
use crate::gguf::error::GgufError;
use crate::gguf::reader::Gguf;
use crate::gguf::value::{Array, Value};

const PREFIX: &str = "tokenizer.ggml.";
const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TOKEN_TYPES: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";
/// llama.cpp's memory for the text of a token grows with the square of its length; real ones stay below 600.
const TOKEN_BYTES_MAX: usize = 4096;
/// Normal, unknown, control, user-defined, unused; the sixth, a byte, is only in vocabularies of other kinds.
const TYPES: std::ops::RangeInclusive<i32> = 1..=5;
const NORMAL: i32 = 1;

/// Ways to split a text before merging that llama.cpp knows for byte-level vocabularies of models that can run here.
const PRE_TOKENIZERS: &[&str] = &[
    "qwen2",
    "deepseek-r1-qwen",
    "megrez",
    "kormo",
    "a.x-4.0",
    "llama-bpe",
    "llama3",
    "llama-v3",
    "smaug-bpe",
    "dbrx",
    "falcon3",
    "pixtral",
    "tekken",
    "midm-2.0",
    "smollm",
    "gpt-2",
    "gigachat",
    "mellum",
    "starcoder",
    "refact",
    "granite-docling",
    "deepseek-llm",
    "deepseek-coder",
    "deepseek-v3",
    "seed-coder",
    "superbpe",
    "trillion",
    "viking",
    "poro-chat",
    "minerva-7b",
    "default",
];

use Need::{Optional, Required};
use Rule::{Bool, Count, List, Text, Token};

/// Keys of a byte-level vocabulary.
const BYTE_LEVEL: &[KeyRule] = &[
    ("model", Required, Text),
    ("pre", Required, Text),
    ("tokens", Required, List),
    ("token_type", Required, List),
    ("scores", Optional, List),
    ("merges", Required, List),
    ("bos_token_id", Optional, Token),
    ("eos_token_id", Required, Token),
    ("eot_token_id", Optional, Token),
    ("eom_token_id", Optional, Token),
    ("unknown_token_id", Optional, Token),
    ("seperator_token_id", Optional, Token),
    ("padding_token_id", Optional, Token),
    ("cls_token_id", Optional, Token),
    ("mask_token_id", Optional, Token),
    ("fim_pre_token_id", Optional, Token),
    ("fim_suf_token_id", Optional, Token),
    ("fim_mid_token_id", Optional, Token),
    ("fim_pad_token_id", Optional, Token),
    ("fim_rep_token_id", Optional, Token),
    ("fim_sep_token_id", Optional, Token),
    ("prefix_token_id", Optional, Token),
    ("suffix_token_id", Optional, Token),
    ("middle_token_id", Optional, Token),
    ("add_bos_token", Optional, Bool),
    ("add_eos_token", Optional, Bool),
    ("add_sep_token", Optional, Bool),
    ("add_space_prefix", Optional, Bool),
    ("remove_extra_whitespaces", Optional, Bool),
];

/// Keys of a WordPiece vocabulary.
const WORD_PIECES: &[KeyRule] = &[
    ("model", Required, Text),
    ("pre", Optional, Text),
    ("tokens", Required, List),
    ("token_type", Required, List),
    ("scores", Optional, List),
    ("token_type_count", Required, Count(1, 1 << 16)),
    ("bos_token_id", Required, Token),
    ("eos_token_id", Optional, Token),
    ("unknown_token_id", Required, Token),
    ("seperator_token_id", Required, Token),
    ("padding_token_id", Required, Token),
    ("cls_token_id", Optional, Token),
    ("mask_token_id", Optional, Token),
    ("add_bos_token", Optional, Bool),
    ("add_eos_token", Optional, Bool),
    ("add_sep_token", Optional, Bool),
    ("add_space_prefix", Optional, Bool),
    ("remove_extra_whitespaces", Optional, Bool),
    ("normalizer.lowercase", Optional, Bool),
    ("normalizer.strip_accents", Optional, Bool),
];

/// Checks the vocabulary of a model that generates and returns the number of its tokens.
pub(super) fn check_byte_level(gguf: &Gguf) -> Result<u32, GgufError> {
    const HINT: &str = "only models with a byte-level vocabulary (`gpt2`) can generate";
    const PRE_HINT: &str =
        "fetch the file again; if it is whole, its tokenizer is none that is known to be safe";
    check_text(gguf, MODEL, &["gpt2"], HINT)?;
    check_text(gguf, PRE, PRE_TOKENIZERS, PRE_HINT)?;
    let texts = check_tokens(gguf)?;
    check_prefix(gguf, PREFIX, BYTE_LEVEL, n_tokens(&texts))?;
    check_alphabet(gguf)?;
    check_merges(gguf, &texts)?;
    let adds_bos = gguf.opt_bool("tokenizer.ggml.add_bos_token")? == Some(true);
    if adds_bos {
        gguf.u32("tokenizer.ggml.bos_token_id")?;
    }
    Ok(n_tokens(&texts))
}

/// Checks the vocabulary of an encoder and returns the number of its tokens.
pub(super) fn check_word_pieces(gguf: &Gguf) -> Result<u32, GgufError> {
    const HINT: &str = "only models with a WordPiece vocabulary (`bert`) can embed";
    check_text(gguf, MODEL, &["bert"], HINT)?;
    let texts = check_tokens(gguf)?;
    check_prefix(gguf, PREFIX, WORD_PIECES, n_tokens(&texts))?;
    Ok(n_tokens(&texts))
}

fn n_tokens(texts: &HashSet<&str>) -> u32 {
    u32::try_from(texts.len()).expect("the header's lists are shorter than 2^24")
}

fn check_text(gguf: &Gguf, key: &str, known: &[&str], hint: &'static str) -> Result<(), GgufError> {
    let found = gguf.str(key)?;
    if known.contains(&found) {
        return Ok(());
    }
    let problem = format!("is {found:?}, which is not supported");
    Err(GgufError::key_with_hint(gguf.path(), key, problem, hint))
}

/// Checks the list of tokens and those that go with it; returns the texts, as many as there are tokens.
fn check_tokens(gguf: &Gguf) -> Result<HashSet<&str>, GgufError> {
    let error = |problem: String| GgufError::key(gguf.path(), TOKENS, problem);
    let tokens = gguf.strings(TOKENS)?;
    let mut texts = HashSet::with_capacity(tokens.len());
    for (id, token) in tokens.iter().enumerate() {
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
            let n_bytes = token.len();
            let problem =
                format!("has the token {id} of {n_bytes} bytes, expected 1 to {TOKEN_BYTES_MAX}");
            return Err(error(problem));
        }
        if !texts.insert(token.as_str()) {
            return Err(error(format!(
                "has the token {token:?} twice, again as {id}"
            )));
        }
    }
    if tokens.is_empty() {
        return Err(error("is empty".to_owned()));
    }
    check_token_types(gguf, tokens.len())?;
    check_scores(gguf, tokens.len())?;
    Ok(texts)
}

fn check_token_types(gguf: &Gguf, n_tokens: usize) -> Result<(), GgufError> {
    let types = gguf.i32s(TOKEN_TYPES)?;
    check_length(gguf, TOKEN_TYPES, types.len(), n_tokens)?;
    let mut with_ids = types.iter().enumerate();
    match with_ids.find(|(_, found)| !TYPES.contains(*found)) {
        None => Ok(()),
        Some((id, found)) => {
            let problem = format!("gives the token {id} the type {found}, expected 1 to 5");
            Err(GgufError::key(gguf.path(), TOKEN_TYPES, problem))
        }
    }
}

/// Scores say nothing in these vocabularies, but llama.cpp reads as many as there are tokens.
fn check_scores(gguf: &Gguf, n_tokens: usize) -> Result<(), GgufError> {
    match gguf.get(SCORES) {
        None => Ok(()),
        Some(Value::Array(Array::F32(scores))) => {
            check_length(gguf, SCORES, scores.len(), n_tokens)
        }
        Some(Value::Array(Array::I32(scores))) => {
            check_length(gguf, SCORES, scores.len(), n_tokens)
        }
        Some(other) => {
            let problem = format!("should be a list of f32, found a {}", other.type_name());
            Err(GgufError::key(gguf.path(), SCORES, problem))
        }
    }
}

fn check_length(gguf: &Gguf, key: &str, found: usize, n_tokens: usize) -> Result<(), GgufError> {
    if found == n_tokens {
        return Ok(());
    }
    let problem = format!("has {found} values for {n_tokens} tokens");
    Err(GgufError::key(gguf.path(), key, problem))
}

/// Normal tokens consist of the characters that stand for bytes; llama.cpp would spell out all others.
fn check_alphabet(gguf: &Gguf) -> Result<(), GgufError> {
    let (tokens, types) = (gguf.strings(TOKENS)?, gguf.i32s(TOKEN_TYPES)?);
    let is_wrong =
        |token: &str, of_type: i32| of_type == NORMAL && !token.chars().all(stands_for_byte);
    let mut with_types = tokens.iter().zip(types).enumerate();
    match with_types.find(|(_, (token, of_type))| is_wrong(token, **of_type)) {
        None => Ok(()),
        Some((id, (token, _))) => {
            let problem = format!("has the token {token:?} as {id}, which stands for no bytes");
            Err(GgufError::key(gguf.path(), TOKENS, problem))
        }
    }
}

/// GPT-2's alphabet: bytes that print stand for themselves, the 68 others for the characters from U+0100.
fn stands_for_byte(char: char) -> bool {
    matches!(char, '!'..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{143}')
}

/// Each merge names two tokens that together are a third.
fn check_merges(gguf: &Gguf, texts: &HashSet<&str>) -> Result<(), GgufError> {
    let is_merge = |merge: &str| {
        merge.split_once(' ').is_some_and(|(left, right)| {
            let whole = format!("{left}{right}");
            [left, right, &whole]
                .iter()
                .all(|text| texts.contains(text))
        })
    };
    let merges = gguf.strings(MERGES)?;
    match merges
        .iter()
        .enumerate()
        .find(|(_, merge)| !is_merge(merge))
    {
        None => Ok(()),
        Some((idx, merge)) => {
            let problem = format!("has {merge:?} as number {idx}, which merges no two tokens");
            Err(GgufError::key(gguf.path(), MERGES, problem))
        }
    }
}
