//! Stop rules: where a text ends.
//!
//! Owns the cut of the bytes generated so far. It knows no tokens: a rule may apply in the middle of one.

use crate::generation::StopRule;

/// The length to which `bytes` are cut, if `rule` ends the text.
pub(super) fn cut(rule: &StopRule, bytes: &[u8]) -> Option<usize> {
    match rule {
        StopRule::None => None,
        // The three marks are ASCII, and no byte of another UTF-8 character equals one.
        StopRule::SentenceEnd => bytes
            .iter()
            .position(|byte| matches!(byte, b'.' | b'!' | b'?'))
            .map(|mark_idx| mark_idx + 1),
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
