//! A model file with a vocabulary small enough to read, for the tests of this module.
//!
//! Owns the file only; what it is expected to give stands in the tests.

use crate::gguf::{Gguf, GgufWriter};

/// Joined by BPE in this order; the ids of the results follow those of the 256 bytes.
const MERGES: [&str; 11] = [
    "b l", "bl u", "blu e", "Ġ blue", "Ã ©", "1 2", "12 3", "Ġ Ġ", "' s", "Ċ Ċ", ". Ċ",
];
/// Tokens after the joined ones, with their types; no merges lead to `zz`.
const OTHERS: [(&str, i32); 6] = [
    ("zz", 1),
    ("<|im_start|>", 3),
    ("<|im_end|>", 3),
    ("<tool>", 4),
    ("[PAD0]", 5),
    ("[PAD1]", 5),
];

/// The ids of some tokens of [`small`]; that of a single byte is its value.
pub(super) mod id {
    pub(in crate::prompt) const BLUE: u32 = 258;
    pub(in crate::prompt) const SPACE_BLUE: u32 = 259;
    pub(in crate::prompt) const E_ACUTE: u32 = 260;
    pub(in crate::prompt) const IM_START: u32 = 268;
    pub(in crate::prompt) const IM_END: u32 = 269;
    pub(in crate::prompt) const TOOL: u32 = 270;
    pub(in crate::prompt) const PAD: [u32; 2] = [271, 272];
}

/// The template that transformers calls ChatML, with a system message where none is given.
pub(super) const CHATML: &str = "\
{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nzz<|im_end|>\n' }}{% endif %}\
{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}\
{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}\n";

/// The header of a file with the keys that `set` sets.
pub(super) fn gguf(set: impl Fn(&mut GgufWriter)) -> Gguf {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut writer = GgufWriter::new("qwen2");
    set(&mut writer);
    writer.write(&path).unwrap();
    Gguf::read(&path).unwrap()
}

/// A tokenizer of the family that Qwen2.5 belongs to, with the template [`CHATML`].
pub(super) fn small() -> Gguf {
    small_with(|_| {})
}

/// As [`small`], with the keys that `set` changes.
pub(super) fn small_with(set: impl Fn(&mut GgufWriter)) -> Gguf {
    let joined = MERGES.map(|merge| merge.replace(' ', ""));
    let others = OTHERS.map(|(text, _)| text.to_owned());
    let tokens: Vec<String> = byte_tokens().chain(joined).chain(others).collect();
    let mut types = vec![1; 256 + MERGES.len()];
    types.extend(OTHERS.map(|(_, kind)| kind));
    gguf(|writer| {
        writer
            .set("tokenizer.ggml.model", "gpt2")
            .set("tokenizer.ggml.pre", "qwen2")
            .set("tokenizer.ggml.tokens", tokens.clone())
            .set("tokenizer.ggml.token_type", types.clone())
            .set("tokenizer.ggml.merges", MERGES.map(str::to_owned).to_vec())
            .set("tokenizer.ggml.eos_token_id", id::IM_END)
            .set("tokenizer.chat_template", CHATML);
        set(writer);
    })
}

/// The characters that stand for the bytes 0 to 255: printable ones as in Latin-1, the others from U+0100 on.
fn byte_tokens() -> impl Iterator<Item = String> {
    let mut n_hidden = 0;
    (0..=u8::MAX).map(move |byte| {
        let char = match byte {
            b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
            _ => {
                n_hidden += 1;
                char::from_u32(0x100 + n_hidden - 1).unwrap()
            }
        };
        char.to_string()
    })
}
