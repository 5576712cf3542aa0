//! Slots such as `{concept}` in a text, and words inside it.

/// Where a template takes its concept.
pub(crate) const CONCEPT_SLOT: &str = "{concept}";
/// Where the user message takes its prompt.
pub(crate) const PROMPT_SLOT: &str = "{prompt}";

/// Something between braces that reads like the name of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot<'t> {
    /// With its braces.
    pub(crate) text: &'t str,
    /// Without braces and blanks.
    pub(crate) name: &'t str,
}

/// All slots of `text`: letters, blanks, `_` and `-` between two braces.
pub(crate) fn slots(text: &str) -> impl Iterator<Item = Slot<'_>> {
    text.match_indices('{').filter_map(|(start, _)| {
        let length = text[start..].find('}')? + 1;
        let slot = &text[start..start + length];
        let name = &slot[1..length - 1];
        let is_name = |character: char| character.is_alphabetic() || " _-".contains(character);
        (!name.trim().is_empty() && name.chars().all(is_name)).then_some(Slot {
            text: slot,
            name: name.trim(),
        })
    })
}

/// `word` as it is written in `text`, where it stands there between word boundaries.
///
/// Letter case is no difference; a boundary is a place without a letter or digit on one side.
pub(crate) fn find_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    if word.is_empty() {
        return None;
    }
    let starts = text.char_indices().map(|(start, _)| start);
    starts
        .filter(|start| !text[..*start].ends_with(char::is_alphanumeric))
        .filter_map(|start| {
            let length = prefix_length(&text[start..], word)?;
            Some((&text[start..start + length], start + length))
        })
        .find(|(_, end)| !text[*end..].starts_with(char::is_alphanumeric))
        .map(|(found, _)| found)
}

/// Bytes of `text` that equal `word` in lowercase, from the start.
fn prefix_length(text: &str, word: &str) -> Option<usize> {
    let mut rest = word.chars().flat_map(char::to_lowercase).peekable();
    for (offset, character) in text.char_indices() {
        if rest.peek().is_none() {
            return Some(offset);
        }
        for lowercase in character.to_lowercase() {
            if rest.next() != Some(lowercase) {
                return None;
            }
        }
    }
    rest.peek().is_none().then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_names_between_braces() {
        let text = "{a} { concept } {{b}} {1} {} {x: y} {c_d";
        let names: Vec<_> = slots(text).map(|slot| slot.name).collect();
        assert_eq!(names, ["a", "concept", "b"]);
    }

    #[test]
    fn words_end_at_boundaries() {
        let cases = [
            ("He likes red.", "red", Some("red")),
            ("Red, he said", "red", Some("Red")),
            ("He was bored", "red", None),
            ("He redid it", "red", None),
            ("bored red-haired", "red", Some("red")),
            ("navy blue", "Navy Blue", Some("navy blue")),
            ("ÉCRU", "écru", Some("ÉCRU")),
            ("İ", "i", None),
            ("red", "", None),
            ("", "red", None),
            ("C++ code", "c++", Some("C++")),
        ];
        for (text, word, expected) in cases {
            assert_eq!(find_word(text, word), expected, "{text} / {word}");
        }
    }
}
