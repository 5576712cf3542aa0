//! Text of a model in a report: without the white space around it, which generations often begin with.
//!
//! `visible` decides which characters are shown by their numbers instead of obeyed. HTML is not the business of this
//! file; the template escapes.

use crate::visible;

/// Text on one line, with nothing in it that a browser would obey.
pub(super) fn visible(text: &str) -> String {
    visible::visible(text.trim())
}

/// The same with its lines and its indentation kept.
pub(super) fn visible_block(text: &str) -> String {
    visible::visible_lines(text.trim_end(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines_only_in_blocks() {
        assert_eq!(visible(" a\n\x1b b "), "a\\n\\u{1b} b");
        assert_eq!(visible_block("  a\n\x1b b \n"), "  a\n\\u{1b} b");
    }
}
