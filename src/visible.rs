//! Text of a model, made fit to be shown.
//!
//! Owns which characters are never shown as they are: those that a terminal or a page obeys instead of displaying.
//! Only text that people look at is changed, not text that is stored and exported.

/// The text with nothing in it that a terminal would obey, on one line: `\n`, `\u{1b}`, `\u{202e}` stand for what they name.
///
/// [`is_obeyed`] says which characters these are.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// True if a terminal or a page obeys the character instead of displaying it: besides control characters those that end
/// a line or a paragraph and those without a shape, such as marks, embeddings, overrides and isolates of direction
/// (Unicode Standard Annex 9).
///
/// The zero width joiner is displayed: it holds emoji and letters of several scripts together.
pub fn is_obeyed(c: char) -> bool {
    let has_no_shape = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || has_no_shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_is_obeyed() {
        let cases = [
            (" a\x1b[31m\nb\u{7f}é ", " a\\u{1b}[31m\\nb\\u{7f}é "),
            (
                "\u{9b}31m\u{202e}abc\u{2066}\u{200f}",
                "\\u{9b}31m\\u{202e}abc\\u{2066}\\u{200f}",
            ),
            ("a\u{2028}b\t", "a\\u{2028}b\\t"),
            ("日本 👩\u{200d}🔬 naïve", "日本 👩\u{200d}🔬 naïve"),
        ];
        for (text, expected) in cases {
            assert_eq!(visible(text), expected);
        }
    }
}
