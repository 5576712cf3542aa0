//! Words of a text, compared without their case and punctuation.
//!
//! Owns which forms of a word count as the same, and when a text repeats a concept or a prompt.

use crate::words::is_unspaced;

/// Endings that are put to a word as it is.
const ENDINGS: [&str; 5] = ["s", "es", "er", "est", "ish"];
/// Endings before which a final `e` is dropped, a final `y` becomes `i`, or a final consonant is doubled.
const CHANGING_ENDINGS: [&str; 4] = ["es", "er", "est", "ish"];

/// Words of a concept that say nothing by themselves.
const FUNCTION_WORDS: [&str; 28] = [
    "a", "an", "and", "as", "at", "be", "by", "for", "from", "has", "have", "he", "her", "his",
    "in", "is", "it", "no", "not", "of", "on", "or", "she", "that", "the", "to", "very", "with",
];
/// Words of a text that must stand in the prompt, side by side, for it to count as restated; of characters that are
/// words, twice as many.
const RESTATED_WORDS: usize = 3;

/// True if `word` is `base`, a plural or a comparison of it, `base` with `-ish`, or the singular of a plural `base`.
///
/// Both are in lower case.
fn is_form_of(word: &str, base: &str) -> bool {
    // A word of one or two letters is no singular worth counting: `a` of `as`.
    let is_plural = base.ends_with('s') && word.len() > 2;
    is_inflected(word, base) || (is_plural && is_inflected(base, word))
}

/// True if the words of a concept stand in a text, the last perhaps inflected.
pub(super) fn holds(text: &[String], concept: &[String]) -> bool {
    let Some((last, before)) = concept.split_last() else {
        return false;
    };
    text.windows(concept.len()).any(|window| {
        let (window_last, window_before) = window
            .split_last()
            .expect("a window is as long as the concept");
        window_before == before && is_form_of(window_last, last)
    })
}

/// True if a text holds a word of a concept that means something by itself, perhaps inflected: `fuchsia` of
/// `fuchsia pink`. Characters that are words mean something only together.
pub(super) fn holds_part(text: &[String], concept: &[String]) -> bool {
    let mut parts = concept.chunk_by(|left, right| is_unspaced(left) && is_unspaced(right));
    parts.any(|part| !FUNCTION_WORDS.contains(&part[0].as_str()) && holds(text, part))
}

/// True if a text begins with words of the prompt rather than going on from it.
pub(super) fn restates(text: &[String], prompt: &[String]) -> bool {
    let is_unspaced = text.first().is_some_and(|word| is_unspaced(word));
    let n_words = RESTATED_WORDS * if is_unspaced { 2 } else { 1 };
    text.len() >= n_words
        && prompt
            .windows(n_words)
            .any(|window| *window == text[..n_words])
}

fn is_inflected(word: &str, base: &str) -> bool {
    if word == base {
        return true;
    }
    let ends = |stem: &str, endings: &[&str]| {
        word.strip_prefix(stem)
            .is_some_and(|ending| endings.contains(&ending))
    };
    let Some(last) = base.chars().next_back() else {
        return false;
    };
    let without_last = &base[..base.len() - last.len_utf8()];
    let changed = match last {
        'e' => without_last.to_owned(),
        'y' => format!("{without_last}i"),
        _ => format!("{base}{last}"),
    };
    ends(base, &ENDINGS) || ends(&changed, &CHANGING_ENDINGS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::words;

    #[test]
    fn concepts_of_several_words_are_found() {
        let holds = |text: &str, concept: &str| holds(&words(text), &words(concept));
        for (text, expected) in [
            ("a sky blue car", true),
            ("Sky-bluish", true),
            ("blue sky", false),
            ("sky", false),
        ] {
            assert_eq!(holds(text, "sky blue"), expected, "{text}");
        }
        assert!(!holds("red", "..."));
    }

    #[test]
    fn a_telling_word_of_a_concept_is_a_part_of_it() {
        let holds_part = |text: &str, concept: &str| holds_part(&words(text), &words(concept));
        for (text, concept, expected) in [
            ("fuchsia", "fuchsia pink", true),
            ("pinkish", "fuchsia pink", true),
            ("green with hope", "green with envy", true),
            ("with hope", "green with envy", false),
            ("red", "red", true),
            ("", "red", false),
            ("天很蓝", "天蓝色", false),
            ("一片天蓝色的海", "天蓝色", true),
        ] {
            assert_eq!(holds_part(text, concept), expected, "{text} {concept}");
        }
    }

    #[test]
    fn a_restated_prompt_begins_the_text() {
        let restates = |text: &str, prompt: &str| restates(&words(text), &words(prompt));
        for (text, expected) in [
            ("他的职业", false),
            ("她的职业是老师", false),
            ("“她戴着红围巾”。", true),
        ] {
            let prompt = "她戴着红围巾。她的职业";
            assert_eq!(restates(text, prompt), expected, "{text}");
        }
    }

    #[test]
    fn inflected_forms_count() {
        let forms = [
            ("red", "red"),
            ("reds", "red"),
            ("reddish", "red"),
            ("redder", "red"),
            ("reddest", "red"),
            ("whiter", "white"),
            ("bluish", "blue"),
            ("purplish", "purple"),
            ("ivories", "ivory"),
            ("bushes", "bush"),
            ("grayish", "gray"),
            ("dolphin", "dolphins"),
            ("berry", "berries"),
        ];
        for (word, base) in forms {
            assert!(is_form_of(word, base), "{word} {base}");
        }
        let others = [
            ("bored", "red"),
            ("redo", "red"),
            ("reed", "red"),
            ("redness", "red"),
            ("re", "red"),
            ("blueberry", "blue"),
            ("greenhouse", "green"),
            ("a", "as"),
            ("", "red"),
            ("red", ""),
        ];
        for (word, base) in others {
            assert!(!is_form_of(word, base), "{word} {base}");
        }
    }
}
