//! Model files: reading, checking, describing and writing GGUF, and where the files come from.
//!
//! `reader` and `writer` know the container, `inspect` describes a file to people, `check` refuses what the engine
//! would not survive, `encoder` turns a Hugging Face encoder into a GGUF, `derivation` names the files that are
//! quantized here and `imatrix` reads what such a quantization may be weighted with, `widen` writes the same weights in a
//! type that is faster to compute with. `manifest`, `shelf` and `source` know which files exist, where they lie and how
//! they are fetched. No file here names the engine.

mod check;
pub mod conversion;
pub mod derivation;
pub mod encoder;
pub mod error;
pub mod file_hash;
mod header;
pub mod imatrix;
pub mod inspect;
pub mod manifest;
pub mod reader;
pub mod shelf;
pub mod source;
pub mod tensor_type;
pub mod value;
pub mod widen;
pub mod writer;

pub use check::{check_encoder, check_generation_model};
pub use encoder::{EncoderError, convert_encoder, convert_encoder_to_layer, encoder_layers};
pub use error::GgufError;
pub use inspect::{Inspection, TypeShare};
pub use reader::{Gguf, TensorInfo};
pub use tensor_type::TensorType;
pub use value::{Array, Value};
pub use writer::GgufWriter;
