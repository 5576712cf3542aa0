//! Text of a model, made fit to be shown.
//!
//! Owns which characters are never shown as they are: those that a terminal or a page obeys instead of displaying. What
//! is stored and exported is not changed; only what people look at is.

/// The text with nothing in it that a terminal would obey, on one line: `\n`, `\u{1b}`, `\u{202e}` stand for what they name.
///
/// Besides control characters these are the characters that turn the direction of writing around (Unicode's
/// `Bidi_Control`) and those that end a line or a paragraph.
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

/// Whether a terminal or a page obeys the character instead of displaying it.
pub fn is_obeyed(c: char) -> bool {
    let is_bidi_control = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let is_separator = matches!(c, '\u{2028}' | '\u{2029}');
    c.is_control() || is_bidi_control || is_separator
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
