//! Stop rules: where a text ends.
//!
//! Owns the cut of the bytes generated so far. It knows no tokens: a rule may apply in the middle of one.

use crate::generation::StopRule;

/// The marks that end a sentence: in Latin script, in Chinese and Japanese, in Hindi, Arabic, Urdu, Khmer and Burmese. None is a part of
/// another character's UTF-8. Thai and Lao have none.
const SENTENCE_MARKS: [&str; 13] = [
    ".", "!", "?", "。", "！", "？", "．", "｡", "।", "؟", "۔", "។", "။",
];

/// The length to which `bytes` are cut, if `rule` ends the text.
pub(super) fn cut(rule: &StopRule, bytes: &[u8]) -> Option<usize> {
    match rule {
        StopRule::None => None,
        StopRule::SentenceEnd => (0..bytes.len()).find_map(|start| {
            let rest = &bytes[start..];
            let mut marks = SENTENCE_MARKS.iter();
            let mark = marks.find(|mark| rest.starts_with(mark.as_bytes()))?;
            Some(start + mark.len())
        }),
        StopRule::Strings(strings) => strings
            .iter()
            .filter_map(|string| find(bytes, string))
            .min(),
    }
}

fn find(bytes: &[u8], string: &str) -> Option<usize> {
    if string.is_empty() {
        return None;
    }
    bytes
        .windows(string.len())
        .position(|window| window == string.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_where_the_rule_says() {
        let strings =
            |strings: &[&str]| StopRule::Strings(strings.iter().map(|&s| s.to_owned()).collect());
        let cases = [
            (StopRule::None, "a. b", None),
            (StopRule::SentenceEnd, "a. b", Some("a.")),
            (StopRule::SentenceEnd, "a?! b", Some("a?")),
            (StopRule::SentenceEnd, "école…", None),
            (StopRule::SentenceEnd, "老师。她", Some("老师。")),
            (StopRule::SentenceEnd, "老师！她", Some("老师！")),
            (StopRule::SentenceEnd, "先生、？", Some("先生、？")),
            (StopRule::SentenceEnd, "नर्स। वह", Some("नर्स।")),
            (StopRule::SentenceEnd, "", None),
            (strings(&["\n", " b"]), "a b\n", Some("a")),
            (strings(&["b", "ab"]), "xab", Some("x")),
            (strings(&["long string"]), "a", None),
        ];
        for (rule, text, expected) in cases {
            assert_eq!(
                cut(&rule, text.as_bytes()),
                expected.map(str::len),
                "{rule:?} {text}"
            );
        }
    }
}
