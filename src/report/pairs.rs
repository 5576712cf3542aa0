//! Prompt pairs as a person pages through them: the prompts, what each model made of them, the verdicts.
//!
//! Owns words, layout and colour. Which pairs are shown is decided elsewhere. Equal repeats stand once, with their count.
//! No meaning is carried by colour alone.

use std::fmt::Write as _;

use console::Style;

use crate::leakage::Leak;
use crate::results::{ShownPair, ShownRepeat};
use crate::visible::visible;

/// The pairs as text for a terminal, with colours where `is_coloured`.
pub fn pairs(pairs: &[ShownPair], is_coloured: bool) -> String {
    let look = Look::new(is_coloured);
    let texts: Vec<String> = pairs.iter().map(|pair| pair_text(pair, &look)).collect();
    texts.join("\n")
}

/// The styles in use.
struct Look {
    heading: Style,
    leak: Style,
    faint: Style,
}

impl Look {
    fn new(is_coloured: bool) -> Self {
        let style = || Style::new().force_styling(is_coloured);
        Self {
            heading: style().bold(),
            leak: style().magenta().bold(),
            faint: style().dim(),
        }
    }
}

fn pair_text(shown: &ShownPair, look: &Look) -> String {
    let pair = &shown.pair;
    let heading = format!(
        "{} · {} · {} {}",
        visible(&pair.concept),
        visible(&pair.category),
        visible(&shown.experiment),
        pair.pair_idx
    );
    let mut text = format!(
        "{}\n  test     {}\n  control  {}\n",
        look.heading.apply_to(heading),
        visible(pair.test_prompt.trim()),
        visible(pair.control_prompt.trim())
    );
    for condition in &shown.conditions {
        write(
            &mut text,
            format_args!(
                "  {}: {}\n",
                visible(&condition.label),
                counts(&condition.repeats)
            ),
        );
        for (repeat, n_equal) in collapsed(&condition.repeats) {
            text.push_str(&repeat_text(repeat, n_equal, look));
        }
    }
    text
}

fn write(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line)
        .expect("writing to a string cannot fail");
}

/// Two lines: what the test prompt gave, below it what the control prompt gave.
fn repeat_text(repeat: &ShownRepeat, n_equal: usize, look: &Look) -> String {
    let verdict = format!("{:<7}", verdict_word(repeat.leak));
    let verdict = match repeat.leak {
        Leak::Leak => look.leak.apply_to(verdict),
        Leak::Tie | Leak::NoLeak => look.faint.apply_to(verdict),
    };
    let echo = if repeat.is_echo { "  (echo)" } else { "" };
    format!(
        "    {n_equal:>3} x  {verdict}  {:>6.3}  {}{echo}\n{:20}{:>6.3}  {}\n",
        repeat.similarity_test,
        generation(&repeat.test_generation),
        "",
        repeat.similarity_control,
        generation(&repeat.control_generation)
    )
}

/// A generation on one line; an empty one is named.
fn generation(text: &str) -> String {
    match visible(text.trim()) {
        shown if shown.is_empty() => "(empty)".to_owned(),
        shown => shown,
    }
}

fn verdict_word(leak: Leak) -> &'static str {
    match leak {
        Leak::Leak => "leak",
        Leak::Tie => "tie",
        Leak::NoLeak => "no leak",
    }
}

/// How many repeats have which verdict, such as `3 leak, 2 tie`.
fn counts(repeats: &[ShownRepeat]) -> String {
    let count = |leak| {
        let n = repeats.iter().filter(|repeat| repeat.leak == leak).count();
        (n > 0).then(|| format!("{n} {}", verdict_word(leak)))
    };
    let counts = [Leak::Leak, Leak::Tie, Leak::NoLeak]
        .into_iter()
        .filter_map(count);
    counts.collect::<Vec<_>>().join(", ")
}

/// Repeats with the same two texts once, with their number, in the order in which they first appear.
fn collapsed(repeats: &[ShownRepeat]) -> Vec<(&ShownRepeat, usize)> {
    let mut found: Vec<(&ShownRepeat, usize)> = Vec::new();
    let texts = |repeat: &ShownRepeat| {
        [
            repeat.test_generation.clone(),
            repeat.control_generation.clone(),
        ]
    };
    for repeat in repeats {
        match found
            .iter_mut()
            .find(|(known, _)| texts(known) == texts(repeat))
        {
            Some((_, n_equal)) => *n_equal += 1,
            None => found.push((repeat, 1)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{PairPrompts, ShownCondition};

    fn repeat(test: &str, control: &str, leak: Leak) -> ShownRepeat {
        ShownRepeat {
            repeat_idx: 0,
            test_generation: test.to_owned(),
            control_generation: control.to_owned(),
            similarity_test: 0.6378,
            similarity_control: -0.06,
            leak,
            is_echo: test.contains("red"),
        }
    }

    fn pair() -> ShownPair {
        ShownPair {
            experiment: "colors".to_owned(),
            pair: PairPrompts {
                pair_idx: 12,
                concept: "red".to_owned(),
                category: "color-to-other".to_owned(),
                template_id: None,
                test_prompt: "He likes red. He is".to_owned(),
                control_prompt: "He is".to_owned(),
            },
            conditions: vec![ShownCondition {
                label: "tiny Q4_K_M".to_owned(),
                metric_and_seed: ("sbert".to_owned(), 1),
                repeats: vec![
                    repeat(" a fireman.", "a baker.", Leak::Leak),
                    repeat("red\u{1b}[2J\u{202e}.", "", Leak::NoLeak),
                    repeat(" a fireman.", "a baker.", Leak::Leak),
                ],
            }],
        }
    }

    #[test]
    fn equal_repeats_stand_once_and_nothing_is_obeyed() {
        let expected = "\
red · color-to-other · colors 12
  test     He likes red. He is
  control  He is
  tiny Q4_K_M: 2 leak, 1 no leak
      2 x  leak      0.638  a fireman.
                    -0.060  a baker.
      1 x  no leak   0.638  red\\u{1b}[2J\\u{202e}.  (echo)
                    -0.060  (empty)
";
        assert_eq!(pairs(&[pair()], false), expected);
        let two = pairs(&[pair(), pair()], false);
        assert_eq!(two, format!("{expected}\n{expected}"));
    }

    #[test]
    fn colours_add_nothing_but_colour() {
        let coloured = pairs(&[pair()], true);
        assert!(coloured.contains("\u{1b}["));
        assert_eq!(
            console::strip_ansi_codes(&coloured),
            pairs(&[pair()], false)
        );
    }
}
