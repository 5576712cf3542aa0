//! Echoes: the concept itself stands in the test generation.
//!
//! Owns the match. An echo is reported beside a leak rate because it is a leak of the plainest kind,
//! and because small and heavily quantized models often restate the prompt.

use crate::words::holds_word;

/// True if `concept` stands in `generation` as a word or words of its own, whatever the case of the letters.
///
/// The characters beside it must be neither letters nor digits, in scripts with spaces between words. It is the plain word that counts:
/// `reds` and `reddish` are no echoes of `red`.
pub fn echoes(generation: &str, concept: &str) -> bool {
    holds_word(generation, concept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_count() {
        let cases = [
            ("a Red car", "red", true),
            ("red", "RED", true),
            ("“red”.", "red", true),
            ("red-hot", "red", true),
            ("red's", "red", true),
            ("reds", "red", false),
            ("reddish", "red", false),
            ("bored", "red", false),
            ("red2", "red", false),
            ("boredred red", "red", true),
            ("sky blue.", "sky blue", true),
            ("skyblue", "sky blue", false),
            ("aa a a", "a a", true),
            ("éa a a", "a a", true),
            ("ÉCRU!", "écru", true),
            ("", "red", false),
            ("red", "", false),
            ("", "", false),
            ("外红色布料的裁缝。", "红", true),
            ("Ein roter Hut", "rot", false),
        ];
        for (generation, concept, expected) in cases {
            assert_eq!(
                echoes(generation, concept),
                expected,
                "{generation:?} {concept:?}"
            );
        }
    }
}
