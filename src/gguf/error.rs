//! Why a GGUF is refused.
//!
//! Owns the texts and their hints; who finds the fault says what was expected and found.

use std::io;
use std::path::{Path, PathBuf};

/// A GGUF cannot be read, is damaged, or is of a kind that cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The operating system refused.
    #[error("cannot read `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file does not begin as a GGUF does.
    #[error(
        "`{}` is no GGUF: it begins with {found}, expected `GGUF`\n\
         hint: a download that failed may have left a web page; fetch the file again", path.display()
    )]
    Magic {
        /// The file.
        path: PathBuf,
        /// Its first bytes, printable.
        found: String,
    },
    /// A version of the format that is not read.
    #[error(
        "`{}` has GGUF version {found}, expected 2 or 3\n\
         hint: convert the model again with a current tool", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it states.
        found: u32,
    },
    /// The file stops before its header is complete.
    #[error(
        "`{}` ends inside its header, at byte {size_bytes}, while reading {what}\n\
         hint: the download was cut short or the file is damaged; fetch it again", path.display()
    )]
    HeaderCut {
        /// The file.
        path: PathBuf,
        /// Its size.
        size_bytes: u64,
        /// The part that was being read.
        what: &'static str,
    },
    /// The file stops before its last tensor is complete.
    #[error(
        "`{}` ends {} bytes early: {expected_bytes} bytes expected, {size_bytes} found\n\
         hint: the download was cut short; fetch it again", path.display(), expected_bytes - size_bytes
    )]
    DataCut {
        /// The file.
        path: PathBuf,
        /// Where the last tensor ends.
        expected_bytes: u64,
        /// The file's size, less than that.
        size_bytes: u64,
    },
    /// Bytes of the header that cannot be.
    #[error(
        "the header of `{}` is damaged at byte {offset}: {problem}\n\
         hint: fetch the file again", path.display()
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// Where the wrong value starts, counted from 0.
        offset: u64,
        /// The fault.
        problem: String,
    },
    /// A metadata key that is missing or has a value that cannot be used.
    #[error("key `{key}` of `{}` {problem}\nhint: {hint}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The fault, as the rest of the sentence.
        problem: String,
        /// The next step.
        hint: &'static str,
    },
    /// A tensor that is missing, unknown, or has a shape or type that cannot be used.
    #[error("tensor `{tensor}` of `{}` {problem}\nhint: {DAMAGED}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The fault, as the rest of the sentence.
        problem: String,
    },
    /// One of several files of a model is not what the first says.
    #[error("`{}` {problem}\nhint: {hint}", path.display())]
    Split {
        /// The file.
        path: PathBuf,
        /// The fault, as the rest of the sentence.
        problem: String,
        /// The next step.
        hint: String,
    },
}

/// The hint where all that is known is that the content is not right.
pub(crate) const DAMAGED: &str =
    "the file is damaged or not a complete model; fetch it again or convert the model again";

impl GgufError {
    /// A key whose value cannot be used; `problem` goes on from "key `..` of `..` ".
    pub(crate) fn key(path: &Path, key: &str, problem: impl Into<String>) -> Self {
        Self::key_with_hint(path, key, problem, DAMAGED)
    }

    /// As [`Self::key`], with a hint of its own.
    pub(crate) fn key_with_hint(
        path: &Path,
        key: &str,
        problem: impl Into<String>,
        hint: &'static str,
    ) -> Self {
        Self::Key {
            path: path.to_owned(),
            key: key.to_owned(),
            problem: problem.into(),
            hint,
        }
    }

    /// A tensor that cannot be used; `problem` goes on from "tensor `..` of `..` ".
    pub(crate) fn tensor(path: &Path, tensor: &str, problem: impl Into<String>) -> Self {
        Self::Tensor {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            problem: problem.into(),
        }
    }
}
