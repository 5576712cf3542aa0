//! From strings to the WordPiece ids that an encoder was trained on.
//!
//! Owns reading the tokenizer, from a `tokenizer.json` or from a GGUF's own vocabulary, and truncation. Tokens are
//! made by Hugging Face's tokenizers crate: llama.cpp's WordPiece knows no longest word and has its own tables for
//! letters. What becomes of the ids is decided in [`super`].

use std::path::{Path, PathBuf};

use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{
    AddedToken, ModelWrapper, PostProcessor as _, Tokenizer as HfTokenizer, TruncationDirection,
    TruncationParams, TruncationStrategy,
};

use crate::gguf::{Gguf, GgufError};

/// In a GGUF, what starts a word has this mark; in a `tokenizer.json`, what goes on has the other.
const WORD_START: char = '▁';
const WORD_REST: &str = "##";
/// Longer words become the unknown token, as in BERT's own tokenizer.
const WORD_CHARS_MAX: usize = 100;

/// Values of `tokenizer.ggml.token_type` for tokens whose texts are no part of a word.
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;

/// Why a tokenizer cannot be had, or a string not be tokenized.
#[derive(Debug, thiserror::Error)]
pub enum WordPieceError {
    /// The file is missing or no tokenizer.
    #[error("cannot read the tokenizer `{}`: {problem}\nhint: fetch the encoder again", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The fault.
        problem: String,
    },
    /// A tokenizer of another kind.
    #[error(
        "the tokenizer of `{}` is {found}, expected WordPiece\n\
         hint: use an encoder of the BERT family, such as all-MiniLM-L6-v2", path.display()
    )]
    OtherKind {
        /// The file.
        path: PathBuf,
        /// Its kind.
        found: String,
    },
    /// A key of the GGUF that is missing or has a value that cannot be used.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// There is no room for a token of the text.
    #[error("{n_tokens_max} tokens leave no room for text: {n_added} are added to it")]
    NoRoom {
        /// The limit that was asked for.
        n_tokens_max: usize,
        /// Tokens that mark the start and the end of a text.
        n_added: usize,
    },
    /// The tokenizer failed on a string.
    #[error("{0}")]
    Encode(String),
}

/// How an encoder reads a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Its tokens, without those that mark start and end, up to the limit.
    pub n_tokens: usize,
    /// Those that stand for a word which the vocabulary does not have: all such words are the same to the encoder.
    pub n_unknown: usize,
    /// True if the text has more tokens than are read.
    pub is_cut: bool,
}

impl Reading {
    /// True if at least half of the text is unknown.
    pub fn is_mostly_unknown(&self) -> bool {
        self.n_unknown > 0 && 2 * self.n_unknown >= self.n_tokens
    }
}

/// A tokenizer that cuts off what is too long.
#[derive(Debug, Clone)]
pub struct WordPieceTokenizer {
    tokenizer: HfTokenizer,
}

impl WordPieceTokenizer {
    /// Reads a `tokenizer.json`; texts become at most `n_tokens_max` tokens, those that mark start and end included.
    ///
    /// The file's rules of padding and truncation are replaced: there is no padding.
    ///
    /// # Errors
    /// `File`, `OtherKind` or `NoRoom`.
    pub fn from_file(path: &Path, n_tokens_max: usize) -> Result<Self, WordPieceError> {
        let file_error = |problem: String| WordPieceError::File {
            path: path.to_owned(),
            problem,
        };
        let bytes = std::fs::read(path).map_err(|error| file_error(error.to_string()))?;
        let tokenizer =
            HfTokenizer::from_bytes(bytes).map_err(|error| file_error(error.to_string()))?;
        let found = match tokenizer.get_model() {
            ModelWrapper::WordPiece(_) => return Self::truncating(tokenizer, n_tokens_max),
            ModelWrapper::BPE(_) => "BPE",
            ModelWrapper::WordLevel(_) => "WordLevel",
            ModelWrapper::Unigram(_) => "Unigram",
        };
        Err(WordPieceError::OtherKind {
            path: path.to_owned(),
            found: found.to_owned(),
        })
    }

    /// Builds the tokenizer from the vocabulary of an encoder's GGUF, as BERT's own tokenizer would be with it.
    ///
    /// # Errors
    /// `Gguf`, `OtherKind` or `NoRoom`.
    pub fn from_gguf(gguf: &Gguf, n_tokens_max: usize) -> Result<Self, WordPieceError> {
        let model = gguf.str("tokenizer.ggml.model")?;
        if model != "bert" {
            return Err(WordPieceError::OtherKind {
                path: gguf.path().to_owned(),
                found: format!("`{model}`"),
            });
        }
        let vocabulary = Vocabulary::read(gguf)?;
        // Without the key, accents are stripped where text is lowercased.
        let lowercase = gguf
            .opt_bool("tokenizer.ggml.normalizer.lowercase")?
            .unwrap_or(true);
        let strip_accents = gguf.opt_bool("tokenizer.ggml.normalizer.strip_accents")?;
        let normalizer = BertNormalizer::new(true, true, strip_accents, lowercase);
        let mut tokenizer = vocabulary.tokenizer()?;
        tokenizer.with_normalizer(Some(normalizer));
        Self::truncating(tokenizer, n_tokens_max)
    }

    /// The ids of `text` between those that mark start and end, cut to the limit.
    ///
    /// # Errors
    /// `Encode` when the vocabulary lacks the token for what it does not know.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, WordPieceError> {
        let encoding = self.tokenizer.encode_fast(text, true);
        let encoding = encoding.map_err(|error| WordPieceError::Encode(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// How the text is read.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn read(&self, text: &str) -> Result<Reading, WordPieceError> {
        let encoding = self.tokenizer.encode_fast(text, true);
        let encoding = encoding.map_err(|error| WordPieceError::Encode(error.to_string()))?;
        let unknown = match self.tokenizer.get_model() {
            ModelWrapper::WordPiece(model) => self.tokenizer.token_to_id(&model.unk_token),
            _ => None,
        };
        let is_mark = encoding.get_special_tokens_mask().iter();
        let content = encoding.get_ids().iter().zip(is_mark);
        let content = content.filter(|(_, is_mark)| **is_mark == 0);
        let content: Vec<u32> = content.map(|(id, _)| *id).collect();
        let is_unknown = |id: &&u32| Some(**id) == unknown;
        Ok(Reading {
            n_tokens: content.len(),
            n_unknown: content.iter().filter(is_unknown).count(),
            is_cut: !encoding.get_overflowing().is_empty(),
        })
    }

    /// Tokens of a text at most, those that mark start and end included.
    pub fn n_tokens_max(&self) -> u32 {
        let truncation = self.tokenizer.get_truncation();
        let length = truncation.map_or(0, |truncation| truncation.max_length);
        u32::try_from(length).unwrap_or(u32::MAX)
    }

    fn truncating(mut tokenizer: HfTokenizer, n_tokens_max: usize) -> Result<Self, WordPieceError> {
        let n_added = tokenizer
            .get_post_processor()
            .map_or(0, |processor| processor.added_tokens(false));
        if n_added >= n_tokens_max {
            return Err(WordPieceError::NoRoom {
                n_tokens_max,
                n_added,
            });
        }
        let truncation = TruncationParams {
            direction: TruncationDirection::Right,
            max_length: n_tokens_max,
            strategy: TruncationStrategy::LongestFirst,
            stride: 0,
        };
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(Some(truncation))
            .expect("the limit is above the number of added tokens, and there is no stride");
        Ok(Self { tokenizer })
    }
}

/// The WordPiece vocabulary of a GGUF, in the form of a `vocab.txt`.
struct Vocabulary {
    /// In the order of their ids.
    tokens: Vec<String>,
    controls: Vec<String>,
    unknown_id: usize,
    start_id: usize,
    end_id: usize,
}

impl Vocabulary {
    fn read(gguf: &Gguf) -> Result<Self, WordPieceError> {
        let texts = gguf.strings("tokenizer.ggml.tokens")?;
        let types = gguf.i32s("tokenizer.ggml.token_type")?;
        if types.len() != texts.len() {
            let problem = format!("has {} entries for {} tokens", types.len(), texts.len());
            return Err(GgufError::key(gguf.path(), "tokenizer.ggml.token_type", problem).into());
        }
        let id = |keys: &[&str], default| token_id(gguf, keys, default, texts.len());
        let typed = texts.iter().zip(types);
        let controls = typed.clone().filter(|&(_, &kind)| kind == CONTROL);
        Ok(Self {
            controls: controls.map(|(text, _)| text.clone()).collect(),
            tokens: typed
                .map(|(text, &kind)| as_in_vocab_txt(text, kind))
                .collect(),
            // Where a key is missing, llama.cpp takes the id of bert-base-uncased.
            unknown_id: id(&["tokenizer.ggml.unknown_token_id"], 100)?,
            start_id: id(
                &["tokenizer.ggml.cls_token_id", "tokenizer.ggml.bos_token_id"],
                101,
            )?,
            end_id: id(&["tokenizer.ggml.seperator_token_id"], 102)?,
        })
    }

    fn tokenizer(self) -> Result<HfTokenizer, WordPieceError> {
        let token = |id: usize| (self.tokens[id].clone(), id as u32);
        let marks = BertProcessing::new(token(self.end_id), token(self.start_id));
        let unknown = token(self.unknown_id).0;
        let ids = 0..self.tokens.len() as u32;
        let model = WordPiece::builder()
            .vocab(self.tokens.into_iter().zip(ids).collect::<WordIds>())
            .unk_token(unknown)
            .continuing_subword_prefix(WORD_REST.to_owned())
            .max_input_chars_per_word(WORD_CHARS_MAX)
            .build()
            .map_err(|error| WordPieceError::Encode(error.to_string()))?;
        let mut tokenizer = HfTokenizer::new(model);
        tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
        tokenizer.with_post_processor(Some(marks));
        let controls: Vec<AddedToken> = self
            .controls
            .into_iter()
            .map(|text| AddedToken::from(text, true))
            .collect();
        tokenizer.add_special_tokens(&controls);
        Ok(tokenizer)
    }
}

/// The map the tokenizers crate takes; its hasher has no other public name.
type WordIds = tokenizers::models::bpe::Vocab;

/// The first of `keys` that is there, as an id in a vocabulary of `n_tokens`.
fn token_id(
    gguf: &Gguf,
    keys: &[&str],
    default: u32,
    n_tokens: usize,
) -> Result<usize, WordPieceError> {
    let mut found = (keys[0], default);
    for key in keys {
        if let Some(id) = gguf.opt_u32(key)? {
            found = (key, id);
            break;
        }
    }
    let (key, id) = found;
    if id as usize >= n_tokens {
        let problem = format!("stands for token {id} of {n_tokens}");
        return Err(GgufError::key(gguf.path(), key, problem).into());
    }
    Ok(id as usize)
}

/// A token's text in a `vocab.txt`, from that in a GGUF.
fn as_in_vocab_txt(text: &str, kind: i32) -> String {
    match text.strip_prefix(WORD_START) {
        _ if kind == CONTROL => text.to_owned(),
        Some(word) => word.to_owned(),
        None if matches!(kind, UNKNOWN | UNUSED) => text.to_owned(),
        None => format!("{WORD_REST}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::GgufWriter;

    /// A vocabulary in the form of a GGUF, with the types of its tokens.
    const TOKENS: &[(&str, i32)] = &[
        ("[PAD]", 3),
        ("[UNK]", 3),
        ("[CLS]", 3),
        ("[SEP]", 3),
        ("[MASK]", 3),
        ("[unused0]", 5),
        ("▁blue", 1),
        ("▁sk", 1),
        ("y", 1),
        ("▁ies", 1),
        ("ies", 1),
        ("▁.", 1),
        ("▁a", 1),
        ("a", 1),
        ("▁色", 1),
        ("▁Blue", 1),
        ("▁é", 1),
    ];

    fn tokenizer(
        n_tokens_max: usize,
        set: impl Fn(&mut GgufWriter),
    ) -> Result<WordPieceTokenizer, WordPieceError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("encoder.gguf");
        let mut writer = GgufWriter::new("bert");
        let texts: Vec<String> = TOKENS.iter().map(|&(text, _)| text.to_owned()).collect();
        let types: Vec<i32> = TOKENS.iter().map(|&(_, kind)| kind).collect();
        writer
            .set("tokenizer.ggml.model", "bert")
            .set("tokenizer.ggml.tokens", texts)
            .set("tokenizer.ggml.token_type", types)
            .set("tokenizer.ggml.unknown_token_id", 1_u32)
            .set("tokenizer.ggml.bos_token_id", 2_u32)
            .set("tokenizer.ggml.seperator_token_id", 3_u32);
        set(&mut writer);
        writer.write(&path).unwrap();
        WordPieceTokenizer::from_gguf(&Gguf::read(&path).unwrap(), n_tokens_max)
    }

    fn check(text: &str, expect: &[u32]) {
        let tokenizer = tokenizer(256, |_| {}).unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), expect, "{text}");
    }

    /// Expected ids: `BertTokenizer` of transformers 5.24.0, tokenizers 0.23.3, on the `vocab.txt` with
    /// `blue`, `sk`, `##y` and so on in the places of these tokens.
    #[test]
    fn words_are_tokenized_as_bert_does() {
        check("Blue sky.", &[2, 6, 7, 8, 11, 3]);
        check("blue skies", &[2, 6, 7, 10, 3]);
        check("BLÜE Á", &[2, 6, 12, 3]);
        check("green色a", &[2, 1, 14, 12, 3]);
        check("[MASK] blue[SEP]", &[2, 4, 6, 3, 3]);
        check("[unused0]", &[2, 1, 1, 1, 3]);
        check("", &[2, 3]);
        check(
            &format!("{} {}", "a".repeat(100), "a".repeat(101)),
            &[&[2, 12][..], &[13; 99], &[1, 3]].concat(),
        );
    }

    #[test]
    fn case_and_accents_follow_the_file() {
        let lowercase = "tokenizer.ggml.normalizer.lowercase";
        let cased = tokenizer(256, |writer| {
            writer.set(lowercase, false);
        });
        assert_eq!(cased.unwrap().encode("Blue é").unwrap(), [2, 15, 16, 3]);
        let accented = tokenizer(256, |writer| {
            writer.set("tokenizer.ggml.normalizer.strip_accents", false);
        });
        assert_eq!(accented.unwrap().encode("Blue É").unwrap(), [2, 6, 16, 3]);
    }

    #[test]
    fn what_is_not_known_or_not_read_is_counted() {
        let check = |text: &str, n_tokens, n_unknown, is_cut| {
            let read = tokenizer(5, |_| {}).unwrap().read(text).unwrap();
            let expected = Reading {
                n_tokens,
                n_unknown,
                is_cut,
            };
            assert_eq!(read, expected, "{text}");
        };
        check("blue sky", 3, 0, false);
        check("🟡", 1, 1, false);
        check("green色a", 3, 1, false);
        check("blue blue sky", 3, 0, true);
        check("", 0, 0, false);
        let read = |text: &str| tokenizer(9, |_| {}).unwrap().read(text).unwrap();
        assert!(read("鋼琴").is_mostly_unknown() && read("blue 🟡").is_mostly_unknown());
        assert!(!read("blue blue 🟡").is_mostly_unknown() && !read("").is_mostly_unknown());
    }

    #[test]
    fn texts_are_cut_to_the_limit() {
        let tokenizer = tokenizer(4, |_| {}).unwrap();
        assert_eq!(tokenizer.encode("blue blue").unwrap(), [2, 6, 6, 3]);
        assert_eq!(tokenizer.encode("blue blue sky").unwrap(), [2, 6, 6, 3]);
    }

    #[test]
    fn a_file_of_the_crate_is_read_without_its_padding_and_truncation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let written = tokenizer(256, |_| {}).unwrap();
        let mut inner = written.tokenizer.clone();
        inner.with_padding(Some(tokenizers::PaddingParams {
            strategy: tokenizers::PaddingStrategy::Fixed(9),
            ..Default::default()
        }));
        inner.save(&path, false).unwrap();
        let read = WordPieceTokenizer::from_file(&path, 5).unwrap();
        assert_eq!(read.encode("Blue sky").unwrap(), [2, 6, 7, 8, 3]);
        assert_eq!(read.encode("blue").unwrap(), [2, 6, 3]);
        assert_eq!(read.encode("blue blue sky").unwrap(), [2, 6, 6, 7, 3]);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let check = |result: Result<WordPieceTokenizer, WordPieceError>, expect: &str| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(tokenizer(2, |_| {}), "2 tokens leave no room");
        let model = tokenizer(9, |writer| {
            writer.set("tokenizer.ggml.model", "gpt2");
        });
        check(model, "is `gpt2`, expected WordPiece");
        let id = tokenizer(9, |writer| {
            writer.set("tokenizer.ggml.cls_token_id", 17_u32);
        });
        check(id, "stands for token 17 of 17");
        let types = tokenizer(9, |writer| {
            writer.set("tokenizer.ggml.token_type", vec![1]);
        });
        check(types, "has 1 entries for 17 tokens");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        check(
            WordPieceTokenizer::from_file(&path, 9),
            "cannot read the tokenizer",
        );
        std::fs::write(&path, "{}").unwrap();
        check(
            WordPieceTokenizer::from_file(&path, 9),
            "cannot read the tokenizer",
        );
        let bpe = r#"{"model": {"type": "BPE", "vocab": {}, "merges": []}, "added_tokens": []}"#;
        std::fs::write(&path, bpe).unwrap();
        check(
            WordPieceTokenizer::from_file(&path, 9),
            "is BPE, expected WordPiece",
        );
    }
}
