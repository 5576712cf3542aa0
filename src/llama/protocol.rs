//! The conversation between the program and the process of a model.
//!
//! Owns the messages and their form on a pipe: a length in four bytes, then the message as `postcard` writes it. Each
//! question has one reply; only the vectors of strings are preceded by numbers of strings that are done.

use std::io::{self, Read, Write};
use std::ops::Range;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{DecoderConfig, EncoderConfig, LlamaError, Weights};
use crate::engine::{Row, SeqId};

/// A question to the process of a model.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Question {
    /// The first: the path as bytes, since a name need not be text.
    Load {
        path: Vec<u8>,
        weights: Weights,
    },
    /// All tokens of the vocabulary.
    Vocabulary,
    /// The tokens of a plain text.
    Tokenize(String),
    /// A decoder, whose logits lie in the shared file from this byte on.
    OpenDecoder {
        number: u32,
        config: DecoderConfig,
        first_byte: u64,
    },
    CloseDecoder(u32),
    Decode {
        number: u32,
        step: Step,
    },
    /// So many contexts to encode side by side.
    OpenEncoders {
        config: EncoderConfig,
        n_contexts: u32,
    },
    /// One vector for each string, or one for each of its tokens.
    Encode {
        strings: Vec<Vec<u32>>,
        each_token: bool,
    },
}

/// A step of a decoder, as [`Decoder`](crate::engine::Decoder) has them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Step {
    Evaluate(Vec<Row>),
    Share {
        from: SeqId,
        to: SeqId,
        positions: Range<u32>,
    },
    Release {
        seq: SeqId,
        positions: Range<u32>,
    },
    KeepOnly(SeqId),
    Clear,
}

/// A token of a vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VocabularyToken {
    /// The bytes that it adds to a text; none for control tokens.
    pub bytes: Vec<u8>,
    /// True if it ends a generation.
    pub is_eog: bool,
}

/// The vectors of a string: one, or one for each of its tokens.
pub type StringVectors = Result<Vec<Vec<f32>>, LlamaError>;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Done,
    Loaded {
        n_vocab: u32,
        n_ctx_train: u32,
    },
    Vocabulary(Vec<VocabularyToken>),
    Tokens(Vec<u32>),
    /// So many strings are done; more is to come.
    Encoding(usize),
    Encoded(Vec<StringVectors>),
}

/// An answer, or the reason why there is none.
pub(super) type Reply = Result<Answer, LlamaError>;

/// Writes a message.
pub(super) fn send<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads a message.
pub(super) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut bytes)?;
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}
