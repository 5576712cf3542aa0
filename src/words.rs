//! Texts as people read them, in any script: when two are the same, what a word is, and which characters nobody sees.
//!
//! Owns the comparison of texts (Unicode's composed form, without what is invisible), the boundaries of words, and the
//! names of invisible characters. In scripts that set no spaces between words (Chinese, Japanese but for Katakana, Thai,
//! Lao, Khmer, Burmese) every character is a word of its own, so that a word is found wherever its characters stand side
//! by side: no dictionary is asked. It changes no text that is sent, stored or scored.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation as _;

/// The text with what a reader sees of it: composed, blanks as plain ones, and nothing invisible.
pub fn seen(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let seen = text.nfc().filter_map(|c| match name_of(c) {
        None => Some(c),
        Some(_) if c.is_whitespace() => Some(' '),
        Some(_) => None,
    });
    seen.collect()
}

/// The text as it is compared where letter case is no difference.
pub fn folded(text: &str) -> String {
    seen(text).to_lowercase()
}

/// The words of a text in lower case: runs of letters and digits; of scripts without spaces each character.
pub fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = None;
    for c in folded(text).chars() {
        if is_of_word(c) {
            match words.last_mut().filter(|_| !is_apart(before, Some(c))) {
                Some(word) => word.push(c),
                None => words.push(c.to_string()),
            }
        }
        before = Some(c);
    }
    words
}

/// True if `word` stands in `text` between boundaries of words, whatever the letter case.
pub fn holds_word(text: &str, word: &str) -> bool {
    let (text, word) = (folded(text), folded(word));
    // Overlapping places count, so each is tried.
    let starts = text.char_indices().map(|(start, _)| start);
    !word.is_empty()
        && starts
            .filter(|start| text[*start..].starts_with(&word))
            .any(|start| is_bounded(&text, start, start + word.len()))
}

/// `word` as it is written in `text`, where it stands there between boundaries of words, whatever the letter case; all of
/// the text where it is written in another way than the word.
pub fn find_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    if !holds_word(text, word) {
        return None;
    }
    let starts = text.char_indices().map(|(start, _)| start);
    let mut found = starts.filter_map(|start| {
        let end = start + prefix_length(&text[start..], word)?;
        is_bounded(text, start, end).then_some(&text[start..end])
    });
    Some(found.next().unwrap_or(text))
}

/// True if a word is written in a script without spaces, in which it is one character.
pub fn is_unspaced(word: &str) -> bool {
    word.chars().next().is_some_and(is_unspaced_char)
}

/// True if a text is written in a script that sets no mark at the end of a sentence: Thai or Lao.
pub fn has_no_sentence_marks(text: &str) -> bool {
    text.contains(|c| ('\u{e01}'..='\u{eff}').contains(&c))
}

/// The first character that nobody sees and that changes the tokens, with its place, from 1, and its name.
pub fn invisible(text: &str) -> Option<(char, usize, &'static str)> {
    let chars = || text.chars().map(Some).chain([None]);
    let around = [None].into_iter().chain(chars()).zip(chars().skip(1));
    let with_place = (1..).zip(text.chars().zip(around));
    let found = with_place.filter_map(|(place, (c, (before, after)))| {
        let is_latin = |c: Option<char>| c.is_none_or(|c| c.is_ascii());
        // They shape letters of Persian or Hindi and hold emoji together.
        let is_joiner = matches!(c, '\u{200c}' | '\u{200d}');
        let is_meant = is_joiner && !is_latin(before) && !is_latin(after);
        Some((c, place, name_of(c).filter(|_| !is_meant)?))
    });
    found.into_iter().next()
}

/// The invisible character of a text in words, with its code point, place and name.
pub fn invisible_words(text: &str) -> Option<String> {
    let (c, place, name) = invisible(text)?;
    let code = u32::from(c);
    Some(format!("U+{code:04X} ({name}) as character {place}"))
}

/// The name of a character that is invisible, or a blank that looks like a plain one.
fn name_of(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{a0}' => "no-break space",
        '\u{ad}' => "soft hyphen",
        '\u{34f}' => "combining grapheme joiner",
        '\u{61c}' | '\u{200e}' | '\u{200f}' => "direction mark",
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' => "Hangul filler",
        '\u{180e}' => "Mongolian vowel separator",
        '\u{2000}'..='\u{200a}' | '\u{205f}' => "typographic space",
        '\u{200b}' => "zero width space",
        '\u{200c}' => "zero width non-joiner",
        '\u{200d}' => "zero width joiner",
        '\u{2028}' | '\u{2029}' => "line or paragraph separator",
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "direction control",
        '\u{202f}' => "narrow no-break space",
        '\u{2060}' => "word joiner",
        '\u{2061}'..='\u{2065}' | '\u{206a}'..='\u{206f}' => "format character",
        '\u{feff}' => "byte order mark",
        '\u{fff9}'..='\u{fffb}' => "annotation mark",
        '\u{e0000}'..='\u{e007f}' => "tag character",
        _ => return None,
    })
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && is_combining_mark(c))
}

/// True for a letter that does not join the next one to a word: Unicode Standard Annex 29 sets a boundary between them.
fn is_unspaced_char(c: char) -> bool {
    let twice = || [c, c].iter().collect::<String>();
    !c.is_ascii() && c.is_alphabetic() && twice().split_word_bounds().count() > 1
}

/// True if a boundary of words lies between two neighbours.
fn is_apart(left: Option<char>, right: Option<char>) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return true;
    };
    let both = is_of_word(left) && is_of_word(right);
    !both || (!is_combining_mark(right) && (is_unspaced_char(left) || is_unspaced_char(right)))
}

fn is_bounded(text: &str, start: usize, end: usize) -> bool {
    let last = |text: &str| text.chars().next_back();
    let first = |text: &str| text.chars().next();
    let is_apart = |left, right| is_apart(left, right) && !right.is_some_and(is_combining_mark);
    is_apart(last(&text[..start]), first(&text[start..]))
        && is_apart(last(&text[..end]), first(&text[end..]))
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
    fn words_are_those_of_the_script() {
        let cases: [(&str, &[&str]); 12] = [
            (" “He’s” RED-hot,\n2nd.", &["he", "s", "red", "hot", "2nd"]),
            (" ...!", &[]),
            ("Ein großes Café", &["ein", "großes", "café"]),
            ("cafe\u{301}", &["café"]),
            ("外红色布料", &["外", "红", "色", "布", "料"]),
            ("赤いレッドカード", &["赤", "い", "レッドカード"]),
            ("红T恤2件", &["红", "t", "恤", "2", "件"]),
            ("น้ำ", &["น้", "ำ"]),
            ("빨간 사과", &["빨간", "사과"]),
            ("हिन्दी है", &["हिन्दी", "है"]),
            ("x² 1½", &["x²", "1½"]),
            ("r\u{200b}ed\u{a0}car", &["red", "car"]),
        ];
        for (text, expected) in cases {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn words_end_at_boundaries() {
        let cases = [
            ("He likes red.", "red", Some("red")),
            ("Red, he said", "red", Some("Red")),
            ("He was bored", "red", None),
            ("He redid it", "red", None),
            ("bored red-haired", "red", Some("red")),
            ("red2", "red", None),
            ("navy blue", "Navy Blue", Some("navy blue")),
            ("skyblue", "sky blue", None),
            ("aa a a", "a a", Some("a a")),
            ("ÉCRU", "écru", Some("ÉCRU")),
            ("İ", "i", None),
            ("red", "", None),
            ("", "red", None),
            ("C++ code", "c++", Some("C++")),
            ("她外欢红酒", "红", Some("红")),
            ("外红色布料", "红色", Some("红色")),
            ("外红色", "红布", None),
            ("レッドカード", "レッド", None),
            ("レッドの車", "レッド", Some("レッド")),
            ("เสื้อสีแดงเข้ม", "แดง", Some("แดง")),
            ("cafe", "cafe\u{301}", None),
            ("cafe\u{301}", "cafe", None),
            ("Un cafe\u{301}.", "CAFÉ", Some("Un cafe\u{301}.")),
            ("r\u{200b}ed", "red", Some("r\u{200b}ed")),
            ("navy\u{a0}blue", "navy blue", Some("navy\u{a0}blue")),
            ("rotes Rot", "rot", Some("Rot")),
        ];
        for (text, word, expected) in cases {
            assert_eq!(find_word(text, word), expected, "{text} / {word}");
            assert_eq!(
                holds_word(text, word),
                expected.is_some(),
                "{text} / {word}"
            );
        }
    }

    #[test]
    fn invisible_characters_have_names_and_places() {
        let cases = [
            ("plain", None),
            ("日本\u{3000}語 👩\u{200d}🔬 می\u{200c}شود", None),
            (
                "a \u{200b}b",
                Some("U+200B (zero width space) as character 3"),
            ),
            ("é\u{a0}b", Some("U+00A0 (no-break space) as character 2")),
            ("\u{feff}a", Some("U+FEFF (byte order mark) as character 1")),
            (
                "a\u{202e}",
                Some("U+202E (direction control) as character 2"),
            ),
            (
                "re\u{200d}d",
                Some("U+200D (zero width joiner) as character 3"),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(invisible_words(text).as_deref(), expected, "{text:?}");
        }
    }
}
