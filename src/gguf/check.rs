//! Refusing the models that llama.cpp would not survive.
//!
//! Owns which architectures can be run and what must hold for them before a file may be loaded: keys, vocabulary and
//! tensors, each by itself and with one another. Wherever llama.cpp asserts, divides, indexes or silently takes a
//! default, a rule stands here, so a file that passes is loaded or refused by it with an error. That a file is whole
//! is decided in `header`; whether a prompt can be made for a model is decided elsewhere.

mod keys;
mod tensors;
mod vocabulary;

use keys::{KeyRule, Sizes};
use tensors::Layout;

use super::error::GgufError;
use super::reader::Gguf;

const ARCHITECTURE: &str = "general.architecture";
const WHAT_GENERATES: &str = "the architectures `qwen2` and `llama` can generate";
const WHAT_ENCODES: &str = "only the architecture `bert` can embed";

/// The rules for the models of one architecture.
struct ArchitectureRules {
    /// Value of `general.architecture` and prefix of its keys.
    name: &'static str,
    keys: &'static [KeyRule],
    layout: Layout,
}

const GENERATING: [ArchitectureRules; 2] = [
    ArchitectureRules {
        name: "qwen2",
        keys: keys::DECODER,
        layout: tensors::QWEN2,
    },
    ArchitectureRules {
        name: "llama",
        keys: keys::DECODER,
        layout: tensors::LLAMA,
    },
];
const BERT: ArchitectureRules = ArchitectureRules {
    name: "bert",
    keys: keys::ENCODER,
    layout: tensors::BERT,
};

/// Refuses every file that llama.cpp could not load and run as a generation model.
///
/// # Errors
/// `Key` or `Tensor`, naming the first thing that is wrong.
pub fn check_generation_model(gguf: &Gguf) -> Result<(), GgufError> {
    let architecture = find_architecture(gguf, &GENERATING, WHAT_GENERATES)?;
    keys::check_general(gguf)?;
    keys::check_architecture(gguf, architecture.name, architecture.keys)?;
    let n_vocab = vocabulary::check_byte_level(gguf)?;
    let sizes = Sizes::of_decoder(gguf, architecture.name, n_vocab)?;
    tensors::check(gguf, &architecture.layout, &sizes)
}

/// Refuses every file that llama.cpp could not load and run as an encoder.
///
/// # Errors
/// As for [`check_generation_model`].
pub fn check_encoder(gguf: &Gguf) -> Result<(), GgufError> {
    find_architecture(gguf, &[BERT], WHAT_ENCODES)?;
    keys::check_general(gguf)?;
    keys::check_architecture(gguf, BERT.name, BERT.keys)?;
    let n_vocab = vocabulary::check_word_pieces(gguf)?;
    let sizes = Sizes::of_encoder(gguf, BERT.name, n_vocab)?;
    tensors::check(gguf, &BERT.layout, &sizes)
}

fn find_architecture<'a>(
    gguf: &Gguf,
    known: &'a [ArchitectureRules],
    hint: &'static str,
) -> Result<&'a ArchitectureRules, GgufError> {
    let name = gguf.str(ARCHITECTURE)?;
    let found = known.iter().find(|architecture| architecture.name == name);
    found.ok_or_else(|| {
        let problem = format!("is `{name}`, which is not supported");
        GgufError::key_with_hint(gguf.path(), ARCHITECTURE, problem, hint)
    })
}

#[cfg(test)]
mod tests;
