//! From a rendered prompt to tokens.
//!
//! Owns the byte-level BPE of a model file, and the rule that special tokens are found in the template's own text
//! only: template and content between two special tokens form one run of plain text, which is tokenized as a whole.
//! For tokenizers that we cannot build from the file, runs are tokenized by the engine, which the caller lends;
//! llama.cpp then still finds tokens of type 4 (added by the model's makers), but no control tokens, in content.

use std::sync::Arc;

use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::{NormalizedString, Tokenizer as HfTokenizer};

use super::chat_template::Rendering;
use super::error::PromptError;
use super::pre_tokenizer::Family;
use super::token_table::{SpecialTokens, TokenTable};
use crate::gguf::{Gguf, GgufError};

/// The tokenizer of a model file.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    table: Arc<TokenTable>,
    specials: SpecialTokens,
    /// `None` where the engine tokenizes.
    own: Option<BytePairs>,
}

/// A prompt as a model sees it.
#[derive(Debug, Clone)]
pub struct RenderedPrompt {
    text: String,
    tokens: Vec<u32>,
    runs: Vec<PlainRun>,
}

/// A part of a prompt that lies between special tokens.
#[derive(Debug, Clone)]
pub struct PlainRun {
    pub(super) text: String,
    pub(super) tokens: Vec<u32>,
    pub(super) table: Arc<TokenTable>,
}

impl RenderedPrompt {
    /// The text, special tokens included, as the chat template wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tokens; nothing is added to what the template wrote.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The parts between special tokens, in order.
    pub fn runs(&self) -> &[PlainRun] {
        &self.runs
    }
}

impl PlainRun {
    /// The text, normalized where the tokenizer does that.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its tokens.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }
}

impl Tokenizer {
    /// Builds the tokenizer that `gguf` describes; where its kind is not one of ours, the engine will tokenize.
    ///
    /// # Errors
    /// `Gguf` or `Vocabulary` when the vocabulary or the merges cannot be used.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, PromptError> {
        let table = TokenTable::from_gguf(gguf)?;
        let model = gguf.str("tokenizer.ggml.model")?;
        let pre = gguf.opt_str("tokenizer.ggml.pre")?.unwrap_or("default");
        let own = Family::named(model, pre)
            .map(|family| BytePairs::new(gguf, &table, family))
            .transpose()?;
        Ok(Self {
            specials: SpecialTokens::new(&table),
            table: Arc::new(table),
            own,
        })
    }

    /// True if the tokens of plain text are ours; if not, they are those of the engine that [`Self::tokenize`] is lent.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The program that makes the tokens, for the record.
    pub fn name(&self) -> &'static str {
        if self.is_own() {
            "tokenizers"
        } else {
            "llama.cpp"
        }
    }

    /// The tokens of the model.
    pub fn table(&self) -> &TokenTable {
        &self.table
    }

    /// The ids of tokens that only fill the vocabulary up and must never be drawn.
    pub fn unused_tokens(&self) -> &[u32] {
        self.table.unused()
    }

    /// The tokens of a rendered prompt.
    ///
    /// `engine` tokenizes plain text: it adds nothing and recognises no special token. It is not called where
    /// [`Self::is_own`] holds.
    ///
    /// # Errors
    /// `Tokenize` when the tokenizer fails on a text.
    pub fn tokenize(
        &self,
        rendering: &Rendering,
        engine: &dyn Fn(&str) -> Vec<u32>,
    ) -> Result<RenderedPrompt, PromptError> {
        let mut prompt = RenderedPrompt {
            text: rendering.text().to_owned(),
            tokens: Vec::new(),
            runs: Vec::new(),
        };
        for piece in self.pieces(rendering) {
            match piece {
                Piece::Special(token) => prompt.tokens.push(token),
                Piece::Plain(text) => {
                    let run = self.tokenize_plain(&text, engine)?;
                    prompt.tokens.extend(&run.tokens);
                    prompt.runs.push(run);
                }
            }
        }
        Ok(prompt)
    }

    /// The tokens of plain text, in which nothing is a special token; `engine` as for [`Self::tokenize`].
    ///
    /// # Errors
    /// As [`Self::tokenize`].
    pub fn tokenize_plain(
        &self,
        text: &str,
        engine: &dyn Fn(&str) -> Vec<u32>,
    ) -> Result<PlainRun, PromptError> {
        let (text, tokens) = match &self.own {
            Some(own) => {
                let normalized = own.normalize(text);
                let tokens = own.encode(&normalized)?;
                (normalized, tokens)
            }
            None => (text.to_owned(), engine(text)),
        };
        let table = Arc::clone(&self.table);
        Ok(PlainRun {
            text,
            tokens,
            table,
        })
    }

    /// The text as special tokens and the plain text between them.
    fn pieces(&self, rendering: &Rendering) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        for (text, is_template) in segments(rendering) {
            let mut rest = text;
            while let Some(special) = is_template.then(|| self.specials.find(rest)).flatten() {
                plain.push_str(&rest[..special.range.start]);
                if !plain.is_empty() {
                    pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Special(special.token));
                rest = &rest[special.range.end..];
            }
            plain.push_str(rest);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        pieces
    }
}

/// A part of a rendered prompt.
enum Piece {
    Special(u32),
    /// Not empty.
    Plain(String),
}

/// The text cut at the borders of the messages; true marks what the template wrote.
fn segments(rendering: &Rendering) -> Vec<(&str, bool)> {
    let text = rendering.text();
    let mut segments = Vec::new();
    let mut template_start = 0;
    for content in rendering.contents() {
        segments.push((&text[template_start..content.start], true));
        segments.push((&text[content.clone()], false));
        template_start = content.end;
    }
    segments.push((&text[template_start..], true));
    segments
}

/// Byte-level BPE without any special token.
#[derive(Debug, Clone)]
struct BytePairs {
    tokenizer: HfTokenizer,
    normalizes: bool,
}

impl BytePairs {
    fn new(gguf: &Gguf, table: &TokenTable, family: Family) -> Result<Self, PromptError> {
        let vocabulary_error = |problem: String| PromptError::Vocabulary {
            path: gguf.path().to_owned(),
            problem,
        };
        let vocab: Vocab = table
            .plain()
            .map(|(text, id)| (text.to_owned(), id))
            .collect();
        let model = BPE::builder()
            .vocab_and_merges(vocab, merges(gguf)?)
            .ignore_merges(family.keeps_whole_words())
            .build()
            .map_err(|error| vocabulary_error(error.to_string()))?;
        let pre_tokenizer = family
            .pre_tokenizer()
            .map_err(|error| vocabulary_error(error.to_string()))?;
        let mut tokenizer = HfTokenizer::new(model);
        tokenizer.with_pre_tokenizer(Some(pre_tokenizer));
        Ok(Self {
            tokenizer,
            normalizes: family.normalizes(),
        })
    }

    /// Normalization form C, with the tables of the tokenizers crate.
    fn normalize(&self, text: &str) -> String {
        if !self.normalizes || text.is_ascii() {
            return text.to_owned();
        }
        let mut normalized = NormalizedString::from(text);
        normalized.nfc();
        normalized.get().to_owned()
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>, PromptError> {
        let encoding = self.tokenizer.encode_fast(text, false);
        let encoding = encoding.map_err(|error| PromptError::Tokenize {
            text: text.to_owned(),
            problem: error.to_string(),
        })?;
        Ok(encoding.get_ids().to_vec())
    }
}

/// Pairs of tokens in the order in which BPE joins them.
fn merges(gguf: &Gguf) -> Result<Merges, GgufError> {
    let key = "tokenizer.ggml.merges";
    gguf.strings(key)?
        .iter()
        .map(|merge| {
            let pair = merge.split_once(' ');
            let (left, right) = pair.ok_or_else(|| {
                GgufError::key(gguf.path(), key, format!("has `{merge}`, which is no pair"))
            })?;
            Ok((left.to_owned(), right.to_owned()))
        })
        .collect()
}
