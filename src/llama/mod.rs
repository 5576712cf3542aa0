//! The only module that names llama.cpp: its backend, its log, model files in memory and the two kinds of context.
//!
//! Owns every call that can abort the process, each behind a check of what llama.cpp asserts:
//! `decoder` evaluates rows of a generation model, `encoder` evaluates strings of an embedding model, `quantize` makes
//! smaller files of larger ones, `device` lists what can compute.
//! It decides nothing about batches, sampling or pooling of results, and it reads no header:
//! a file has passed `gguf::check_generation_model` or `gguf::check_encoder` before it comes here.

mod decoder;
mod device;
mod encoder;
mod log;
mod quantize;

use std::ffi::CStr;
use std::path::{Path, PathBuf};

use llama_cpp_2::LlamaCppError;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

pub use decoder::{DecoderConfig, LlamaDecoder};
pub use device::{Device, DeviceKind};
pub use encoder::{EncoderConfig, LlamaEncoder};
pub use quantize::{QuantizeJob, quantize, quantized_bytes};

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

/// A refusal of llama.cpp.
#[derive(Debug, thiserror::Error)]
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

    /// The instruction sets and libraries this build uses, as llama.cpp prints them.
    pub fn system_info(&self) -> String {
        // SAFETY: The backend is initialised; the function returns a pointer to a static, terminated string.
        let info = unsafe { CStr::from_ptr(llama_cpp_sys_2::llama_print_system_info()) };
        info.to_string_lossy().trim().to_owned()
    }
}

/// Without any device: a build for GPUs would otherwise send large products to them even when no layer is theirs.
fn on_processor(params: LlamaModelParams) -> LlamaModelParams {
    params
        .with_devices(&[])
        .expect("an empty list names no unknown device")
}

/// A model file in memory.
#[derive(Debug)]
pub struct Model {
    inner: LlamaModel,
    n_vocab: u32,
}

impl Model {
    /// Loads a checked model file for the processor alone.
    ///
    /// # Errors
    /// `Load` with the reason from llama.cpp's log.
    pub fn load(backend: &Backend, path: &Path) -> Result<Self, LlamaError> {
        Self::load_on_gpus(backend, path, 0)
    }

    /// Loads a checked model file and puts its last `n_gpu_layers` layers (blocks, and the head as one more) on the GPUs
    /// of the build; on none where `n_gpu_layers` is 0 or the build has none.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_on_gpus(
        backend: &Backend,
        path: &Path,
        n_gpu_layers: u32,
    ) -> Result<Self, LlamaError> {
        let params = LlamaModelParams::default().with_n_gpu_layers(n_gpu_layers);
        let params = if n_gpu_layers > 0 {
            params
        } else {
            on_processor(params)
        };
        Self::load_with(backend, path, &params)
    }

    /// As [`Self::load`], but the file may be deleted afterwards: nothing of it is mapped into memory.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_into_memory(backend: &Backend, path: &Path) -> Result<Self, LlamaError> {
        let params = on_processor(LlamaModelParams::default()).with_use_mmap(false);
        Self::load_with(backend, path, &params)
    }

    /// Loads the vocabulary of a checked model file and none of its weights: enough to tokenize.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_vocabulary(backend: &Backend, path: &Path) -> Result<Self, LlamaError> {
        Self::load_with(
            backend,
            path,
            &on_processor(LlamaModelParams::default()).with_vocab_only(true),
        )
    }

    fn load_with(
        backend: &Backend,
        path: &Path,
        params: &LlamaModelParams,
    ) -> Result<Self, LlamaError> {
        log::take_errors();
        let loaded = LlamaModel::load_from_file(&backend.inner, path, params);
        let inner = loaded.map_err(|error| LlamaError::Load {
            path: path.to_owned(),
            reason: log::reason_or(&error.to_string()),
        })?;
        let n_vocab = u32::try_from(inner.n_vocab()).map_err(|_| LlamaError::Load {
            path: path.to_owned(),
            reason: "it has no vocabulary".to_owned(),
        })?;
        Ok(Self { inner, n_vocab })
    }

    /// The length of a logits row.
    pub fn n_vocab(&self) -> u32 {
        self.n_vocab
    }

    /// The number of positions the model was trained for.
    pub fn n_ctx_train(&self) -> u32 {
        self.inner.n_ctx_train()
    }

    /// True if `token` ends a generation; false for ids outside the vocabulary.
    pub fn is_eog(&self, token: u32) -> bool {
        self.token(token)
            .is_some_and(|token| self.inner.vocab().is_eog(token))
    }

    /// The bytes that `token` adds to a text; none for control tokens and ids outside the vocabulary.
    pub fn token_bytes(&self, token: u32) -> Vec<u8> {
        self.token(token)
            .map(|token| self.inner.vocab().token_to_piece(token, false, None))
            .unwrap_or_default()
    }

    /// llama.cpp's own tokenization of plain text: nothing added, no special token recognised.
    pub fn tokenize(&self, text: &str) -> Vec<u32> {
        let tokens = self.inner.vocab().tokenize(text.as_bytes(), false, false);
        tokens
            .into_iter()
            .map(|LlamaToken(id)| id.cast_unsigned())
            .collect()
    }

    fn token(&self, token: u32) -> Option<LlamaToken> {
        (token < self.n_vocab).then(|| LlamaToken(token.cast_signed()))
    }
}
