//! Echoes: the concept itself stands in the test generation.
//!
//! Owns the match. An echo is reported beside a leak rate because it is a leak of the plainest kind,
//! and because small and heavily quantized models often restate the prompt.

/// True if `concept` stands in `generation` as a word or words of its own, whatever the case of the letters.
///
/// The characters beside it must be neither letters nor digits. It is the plain word that counts:
/// `reds` and `reddish` are no echoes of `red`.
pub fn echoes(generation: &str, concept: &str) -> bool {
    let generation = generation.to_lowercase();
    let concept = concept.to_lowercase();
    let is_apart = |beside: Option<char>| beside.is_none_or(|c| !c.is_alphanumeric());
    // Overlapping matches count, so every place of the concept's first character is tried.
    let starts = generation.char_indices().map(|(start, _)| start);
    !concept.is_empty()
        && starts
            .filter(|start| generation[*start..].starts_with(&concept))
            .any(|start| {
                let before = generation[..start].chars().next_back();
                let after = generation[start + concept.len()..].chars().next();
                is_apart(before) && is_apart(after)
            })
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
