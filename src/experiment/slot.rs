//! Slots such as `{concept}` in a text.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_names_between_braces() {
        let text = "{a} { concept } {{b}} {1} {} {x: y} {c_d";
        let names: Vec<_> = slots(text).map(|slot| slot.name).collect();
        assert_eq!(names, ["a", "concept", "b"]);
    }
}
