//! Text of a model, of a file or of the system, made fit to be shown.
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

/// The same for text of several lines, which stay lines; colours (`ESC [ .. m`) stay where the text `is_coloured` by us.
pub fn visible_lines(text: &str, is_coloured: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c| c != '\n' && is_obeyed(c)) {
        let (before, from) = rest.split_at(start);
        shown.push_str(before);
        let n_bytes = match colour_len(from) {
            Some(n_bytes) if is_coloured => {
                shown.push_str(&from[..n_bytes]);
                n_bytes
            }
            _ => {
                let n_bytes = from.chars().next().map_or(0, char::len_utf8);
                shown.push_str(&visible(&from[..n_bytes]));
                n_bytes
            }
        };
        rest = &from[n_bytes..];
    }
    shown + rest
}

/// Bytes of the change of colour that a text begins with.
fn colour_len(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    numbers[end..].starts_with('m').then_some(2 + end + 1)
}

/// A JSON document of the same values in which nothing is obeyed: what would be, is written as JSON escapes it.
pub fn visible_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_obeyed(c) {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            shown.extend(units.map(|unit| format!("\\u{unit:04x}")));
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
    fn lines_and_our_own_colours_stay() {
        let text = "a\x1b[1;31mb\x1b[0m\n\x1b]0;t\x07\x1b[2J\r\n";
        let lines = "\\u{1b}]0;t\\u{7}\\u{1b}[2J\\r\n";
        let plain = format!("a\\u{{1b}}[1;31mb\\u{{1b}}[0m\n{lines}");
        assert_eq!(visible_lines(text, false), plain);
        let coloured = format!("a\x1b[1;31mb\x1b[0m\n{lines}");
        assert_eq!(visible_lines(text, true), coloured);
    }

    #[test]
    fn json_keeps_its_values() {
        let text = "\u{9b}31m\u{202e}\u{e0041}é";
        let json = visible_json(&format!("{{\n\"a\": \"{text}\"}}\n"));
        assert!(
            json.is_ascii() || !json.chars().any(|c| c != '\n' && is_obeyed(c)),
            "{json}"
        );
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["a"], text);
    }

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
