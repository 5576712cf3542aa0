//! The only module that names llama.cpp: its backend, its log, model files in memory and the two kinds of context.
//!
//! A model is loaded into a process of its own ([`Model`], [`LlamaDecoder`] and the vectors of an encoder are what the
//! program sees of it), so that an abort of llama.cpp, or the system's answer to a want of memory, is an error of that
//! model and no more. `local` makes the calls there, each behind a check of what llama.cpp asserts; `protocol` is the
//! conversation, `server` its one end and `remote` the other. `quantize` makes smaller files of larger ones, `device`
//! lists what can compute.
//! It decides nothing about batches, sampling or pooling of results, and it reads no header:
//! a file has passed `gguf::check_generation_model` or `gguf::check_encoder` before it comes here.

mod device;
pub mod local;
mod log;
mod process;
mod protocol;
mod quantize;
mod remote;
mod server;

use std::ffi::CStr;
use std::path::PathBuf;

use llama_cpp_2::LlamaCppError;
use llama_cpp_2::llama_backend::LlamaBackend;
use serde::{Deserialize, Serialize};

use crate::engine::ValueType;

pub use device::{Device, DeviceKind, devices, gpus};
pub use process::set_program;
pub use protocol::{StringVectors, VocabularyToken};
pub use quantize::{QuantizeJob, quantize, quantized_bytes};
pub use remote::{Encoders, LlamaDecoder, Model};
pub use server::serve;

/// The version of the bindings, and with them of the llama.cpp they carry.
pub const BINDINGS_VERSION: &str = "llama-cpp-2 0.1.160";

/// The version of ggml, the library that computes, as the shipped llama.cpp states it.
pub fn version() -> String {
    // SAFETY: The function takes nothing and returns a pointer to a static, terminated string.
    let version = unsafe { CStr::from_ptr(llama_cpp_sys_2::ggml_version()) };
    format!(
        "ggml {} (llama-cpp-sys-2 0.1.161)",
        version.to_string_lossy()
    )
}

/// The instruction sets and libraries this build uses, as llama.cpp prints them.
pub fn system_info() -> String {
    // SAFETY: The function takes nothing and returns a pointer to a static, terminated string.
    let info = unsafe { CStr::from_ptr(llama_cpp_sys_2::llama_print_system_info()) };
    info.to_string_lossy().trim().to_owned()
}

/// A refusal of llama.cpp.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
pub enum LlamaError {
    /// The backend lives once per process.
    #[error("llama.cpp is already in use in this process")]
    BackendInUse,
    /// A model file that passed our checks and was refused all the same.
    #[error("llama.cpp could not load `{}`: {reason}", path.display())]
    Load {
        /// The model file.
        path: PathBuf,
        /// The last errors of llama.cpp's log.
        reason: String,
    },
    /// No context could be made, most often for want of memory.
    #[error(
        "llama.cpp could not make a context of {n_ctx} tokens: {reason}\nhint: close other programs, or choose a smaller model"
    )]
    Context {
        /// Size of the KV cache asked for, in tokens.
        n_ctx: u32,
        /// The last errors of llama.cpp's log.
        reason: String,
    },
    /// A row or sequence that would make llama.cpp abort; a fault of the caller.
    #[error("refused before llama.cpp saw it: {0}")]
    Refused(String),
    /// The KV cache has no room for the rows.
    #[error("the KV cache is full")]
    CacheFull,
    /// llama.cpp reported a failure while it computed.
    #[error("llama.cpp failed to compute a batch: {0}")]
    Compute(String),
    /// The process of a model is gone.
    #[error("llama.cpp's process ended ({how}): {said}")]
    Ended {
        /// Its exit code or signal.
        how: String,
        /// True if the system or a person ended it, and not llama.cpp: another try may come through.
        is_from_outside: bool,
        /// Its last words.
        said: String,
    },
    /// The quantizer gave up.
    #[error("llama.cpp could not quantize `{}`: {reason}", path.display())]
    Quantize {
        /// The file that was to be quantized.
        path: PathBuf,
        /// The last errors of llama.cpp's log.
        reason: String,
    },
}

/// llama.cpp, initialised; one per process, and it outlives every model.
#[derive(Debug)]
pub struct Backend {
    inner: LlamaBackend,
}

impl Backend {
    /// Initialises llama.cpp and routes its log to `tracing`.
    ///
    /// # Errors
    /// `BackendInUse` on the second call in a process.
    pub fn init() -> Result<Self, LlamaError> {
        log::route_to_tracing();
        match LlamaBackend::init() {
            Ok(inner) => Ok(Self { inner }),
            Err(LlamaCppError::BackendAlreadyInitialized) => Err(LlamaError::BackendInUse),
            Err(other) => Err(LlamaError::Compute(other.to_string())),
        }
    }
}

/// How the weights of a file come into memory, and where they compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weights {
    /// The file stays open; only the processor computes.
    Mapped,
    /// The file may be deleted afterwards: nothing of it is mapped into memory. Only the processor computes.
    IntoMemory,
    /// The file stays open; its last so many layers (blocks, and the head as one more) are on the GPUs of the build.
    OnGpus(u32),
    /// No weights: enough to tokenize.
    Absent,
}

/// The size of a llama context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecoderConfig {
    /// Cells of the KV cache, shared by all sequences; rounded up to a multiple of 256.
    pub n_cells: u32,
    /// Sequences, at most 256.
    pub n_seqs: u32,
    /// Rows in a batch at most.
    pub n_rows: u32,
    /// Threads that compute.
    pub n_threads: u32,
    /// How values lie in the KV cache; keys are F16.
    pub value_type: ValueType,
}

/// The size of a llama context for an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderConfig {
    /// Tokens of a string at most.
    pub n_tokens_max: u32,
    /// Threads that compute.
    pub n_threads: u32,
}

impl From<LlamaError> for crate::engine::EngineError {
    fn from(error: LlamaError) -> Self {
        Self::Decode(error.to_string())
    }
}
