//! Other causes that a leak rate may have: flaws of the generations, how many pairs have each, and the rate without
//! them.
//!
//! Owns what counts as a flaw. None is an error: each is a way in which a verdict says little about a leak, so the rate
//! is given without the pairs that have it.

use std::collections::{BTreeMap, HashSet};

use super::echo::echoes;
use super::estimate::ScoredPair;
use super::leak_rate::{all_and_categories, mean_leak_rate};
use super::words::{holds, restates};
use crate::words::words;

/// A scored pair with the texts its verdict is about.
#[derive(Debug, Clone, Copy)]
pub struct DiagnosedPair<'a> {
    /// The verdict.
    pub scored: &'a ScoredPair,
    /// The concept.
    pub concept: &'a str,
    /// The test prompt and its generation.
    pub test: Side<'a>,
    /// The control prompt and its generation.
    pub control: Side<'a>,
    /// How the encoder read concept and generations; None where its vocabulary is not at hand.
    pub reading: Option<PairReading>,
}

/// How an encoder reads the texts of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairReading {
    /// True if it does not know a word of the concept: all such words have one vector.
    pub is_concept_unknown: bool,
    /// True if it does not know half of the words of the test and of the control generation.
    pub are_texts_unknown: [bool; 2],
    /// True if one of the texts is longer than it reads.
    pub is_cut: bool,
}

impl PairReading {
    /// True if the verdict rests on words that the encoder does not know.
    pub fn rests_on_unknown(&self) -> bool {
        self.is_concept_unknown || self.are_texts_unknown.contains(&true)
    }
}

/// A prompt and what a model made of it.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The prompt, without the message around it.
    pub prompt: &'a str,
    /// The generation.
    pub generation: &'a str,
    /// True if the limit of tokens ended the generation; false where that is not known.
    pub is_cut_off: bool,
}

/// A way in which a verdict says little about a leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The concept stands in the test generation, as a word of its own.
    Echo,
    /// The concept stands in the test generation, as it is or inflected: `reds`, `redder`, `reddish`.
    InflectedEcho,
    /// A generation begins with three words that stand in its prompt, side by side.
    Restated,
    /// Both generations are the same text.
    Equal,
    /// A generation holds nothing visible.
    Empty,
    /// A generation was ended by the limit of tokens.
    CutOff,
    /// All repeats of the test prompt gave the same text; needs at least two of them.
    RepeatsEqual,
    /// The encoder does not know a word of the concept, or half of a generation.
    Unknown,
    /// The encoder does not read the end of a text.
    TooLong,
}

impl Flaw {
    /// All flaws, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Echo,
        Self::InflectedEcho,
        Self::Restated,
        Self::Equal,
        Self::Empty,
        Self::CutOff,
        Self::RepeatsEqual,
        Self::Unknown,
        Self::TooLong,
    ];

    /// True if only those know it who have the encoder's vocabulary.
    fn is_of_encoder(self) -> bool {
        matches!(self, Self::Unknown | Self::TooLong)
    }

    /// The word used in JSON and in exports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::InflectedEcho => "inflected_echo",
            Self::Restated => "restated",
            Self::Equal => "equal",
            Self::Empty => "empty",
            Self::CutOff => "cut_off",
            Self::RepeatsEqual => "repeats_equal",
            Self::Unknown => "unknown_to_encoder",
            Self::TooLong => "longer_than_encoder_reads",
        }
    }
}

/// How many pairs have a flaw, and what the others say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlawCount {
    /// The flaw.
    pub flaw: Flaw,
    /// Pairs (one repeat each) that have it.
    pub n_pairs: usize,
    /// Mean Leak-Rate in percent of the pairs that do not have it, and of echoes none in the control either; None where none
    /// is left.
    pub mean_leak_rate_without: Option<f64>,
}

/// The diagnostics of one category, or of all together.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostics {
    /// The category; None for all together.
    pub category: Option<String>,
    /// Pairs (one repeat each) that were looked at, at least 1.
    pub n_pairs: usize,
    /// In the order of [`Flaw::ALL`]; those of the encoder only where its vocabulary was at hand.
    pub flaws: Vec<FlawCount>,
    /// Generations that were compared, each once.
    pub n_generations: usize,
    /// How many different texts they are.
    pub n_distinct_texts: usize,
}

impl Diagnostics {
    /// The part of the pairs that have a flaw, in percent.
    pub fn share(&self, count: &FlawCount) -> f64 {
        100.0 * count.n_pairs as f64 / self.n_pairs as f64
    }
}

/// The diagnostics of all pairs and then of each category, in the order in which they first appear; empty without pairs.
///
/// That is the order of [`super::leak_rates`] for the same pairs.
pub fn diagnostics(pairs: &[DiagnosedPair<'_>]) -> Vec<Diagnostics> {
    let repeating = repeating_pairs(pairs);
    let flaws: Vec<Vec<Flaw>> = pairs
        .iter()
        .map(|pair| flaws_of(pair, repeating.contains(&pair.scored.pair_idx)))
        .collect();
    all_and_categories(pairs.iter().map(|pair| pair.scored.category.as_str()))
        .filter(|_| !pairs.is_empty())
        .map(|category| {
            let is_meant = |pair: &DiagnosedPair<'_>| {
                category.is_none_or(|category| pair.scored.category == category)
            };
            let meant = pairs.iter().zip(&flaws).filter(|(pair, _)| is_meant(pair));
            diagnosed(category, &meant.collect::<Vec<_>>())
        })
        .collect()
}

fn diagnosed(category: Option<&str>, pairs: &[(&DiagnosedPair<'_>, &Vec<Flaw>)]) -> Diagnostics {
    let count = |flaw: Flaw| {
        let flawed = pairs.iter().filter(|(_, flaws)| flaws.contains(&flaw));
        let others = pairs
            .iter()
            .filter(|(pair, flaws)| !flaws.contains(&flaw) && !is_in_control(pair, flaw));
        let others: Vec<&ScoredPair> = others.map(|(pair, _)| pair.scored).collect();
        FlawCount {
            flaw,
            n_pairs: flawed.count(),
            mean_leak_rate_without: mean_leak_rate(&others),
        }
    };
    // Pairs that share a control share its generations.
    let texts: BTreeMap<(&str, u32), &str> = pairs
        .iter()
        .flat_map(|(pair, _)| {
            let [test, control] = pair.scored.sides;
            [(pair.test, test), (pair.control, control)]
                .map(|(side, repeat_idx)| ((side.prompt, repeat_idx), side.generation))
        })
        .collect();
    let are_read = pairs.iter().all(|(pair, _)| pair.reading.is_some());
    let known = Flaw::ALL.into_iter();
    let known = known.filter(|flaw| are_read || !flaw.is_of_encoder());
    let distinct: HashSet<&str> = texts.values().copied().collect();
    Diagnostics {
        category: category.map(str::to_owned),
        n_pairs: pairs.len(),
        flaws: known.map(count).collect(),
        n_generations: texts.len(),
        n_distinct_texts: distinct.len(),
    }
}

/// True if an echo stands in the control generation: what is left out on one side only would move the rate by itself.
fn is_in_control(pair: &DiagnosedPair<'_>, flaw: Flaw) -> bool {
    let control = pair.control.generation;
    match flaw {
        Flaw::Echo => echoes(control, pair.concept),
        Flaw::InflectedEcho => holds(&words(control), &words(pair.concept)),
        _ => false,
    }
}

/// The pairs whose test prompt has at least two repeats, all with the same text.
fn repeating_pairs(pairs: &[DiagnosedPair<'_>]) -> HashSet<usize> {
    let mut texts: BTreeMap<usize, (HashSet<u32>, HashSet<&str>)> = BTreeMap::new();
    for pair in pairs {
        let (repeats, distinct) = texts.entry(pair.scored.pair_idx).or_default();
        repeats.insert(pair.scored.sides[0]);
        distinct.insert(pair.test.generation);
    }
    let repeating = texts
        .into_iter()
        .filter(|(_, (repeats, distinct))| repeats.len() > 1 && distinct.len() == 1);
    repeating.map(|(pair_idx, _)| pair_idx).collect()
}

fn flaws_of(pair: &DiagnosedPair<'_>, repeats_are_equal: bool) -> Vec<Flaw> {
    let sides = [pair.test, pair.control];
    let has = |flaw: &Flaw| match flaw {
        Flaw::Echo => pair.scored.is_echo,
        Flaw::InflectedEcho => holds(&words(pair.test.generation), &words(pair.concept)),
        Flaw::Restated => sides
            .iter()
            .any(|side| restates(&words(side.generation), &words(side.prompt))),
        Flaw::Equal => pair.test.generation == pair.control.generation,
        Flaw::Empty => sides.iter().any(|side| side.generation.trim().is_empty()),
        Flaw::CutOff => sides.iter().any(|side| side.is_cut_off),
        Flaw::RepeatsEqual => repeats_are_equal,
        Flaw::Unknown => pair.reading.is_some_and(|it| it.rests_on_unknown()),
        Flaw::TooLong => pair.reading.is_some_and(|it| it.is_cut),
    };
    Flaw::ALL.into_iter().filter(has).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::leakage::{Leak, estimates, leak_rates};

    const TEST: &str = "He likes red. He works as a";
    const CONTROL: &str = "He works as a";

    fn scored(pair_idx: usize, repeat_idx: u32, category: &str, leak: Leak) -> ScoredPair {
        ScoredPair {
            pair_idx,
            repeat_idx,
            sides: [repeat_idx; 2],
            category: category.to_owned(),
            control_prompt_idx: 0,
            similarity_test: 0.0,
            similarity_control: 0.0,
            leak,
            is_echo: false,
        }
    }

    fn side<'a>(prompt: &'a str, generation: &'a str) -> Side<'a> {
        Side {
            prompt,
            generation,
            is_cut_off: false,
        }
    }

    fn diagnosed_pair<'a>(
        scored: &'a ScoredPair,
        test: &'a str,
        control: &'a str,
    ) -> DiagnosedPair<'a> {
        DiagnosedPair {
            scored,
            concept: "red",
            test: side(TEST, test),
            control: side(CONTROL, control),
            reading: None,
        }
    }

    fn flaws(test: &str, control: &str) -> Vec<Flaw> {
        let mut scored = scored(0, 0, "a", Leak::Tie);
        scored.is_echo = echoes(test, "red");
        flaws_of(&diagnosed_pair(&scored, test, control), false)
    }

    #[test]
    fn every_flaw_is_found() {
        let cases = [
            ("nurse.", "teacher.", vec![]),
            ("red nurse", "nurse", vec![Flaw::Echo, Flaw::InflectedEcho]),
            ("reddish nurse", "nurse", vec![Flaw::InflectedEcho]),
            ("bored nurse", "nurse", vec![]),
            ("He works as a nurse", "nurse", vec![Flaw::Restated]),
            ("nurse", "\"he works as", vec![Flaw::Restated]),
            ("he works", "works as", vec![]),
            ("nurse", "nurse", vec![Flaw::Equal]),
            (" \n", "nurse", vec![Flaw::Empty]),
        ];
        for (test, control, expected) in cases {
            assert_eq!(flaws(test, control), expected, "{test:?} {control:?}");
        }
        let scored = scored(0, 0, "a", Leak::Tie);
        let mut cut = diagnosed_pair(&scored, "nurse", "cook");
        cut.control.is_cut_off = true;
        assert_eq!(flaws_of(&cut, true), [Flaw::CutOff, Flaw::RepeatsEqual]);
        let mut read = diagnosed_pair(&scored, "nurse", "cook");
        read.reading = Some(PairReading {
            is_concept_unknown: true,
            are_texts_unknown: [false; 2],
            is_cut: true,
        });
        assert_eq!(flaws_of(&read, false), [Flaw::Unknown, Flaw::TooLong]);
        let n_flaws = |pairs: &[DiagnosedPair<'_>]| diagnostics(pairs)[0].flaws.len();
        // Nothing is said of an encoder that is not at hand.
        assert_eq!((n_flaws(&[read]), n_flaws(&[read, cut])), (9, 7));
    }

    /// Two pairs with two repeats each; all of the first have one text, of the second one is an echo that leaks.
    #[test]
    fn rates_are_given_without_the_pairs_that_have_a_flaw() {
        let verdicts = [
            scored(0, 0, "a", Leak::NoLeak),
            scored(0, 1, "a", Leak::NoLeak),
            scored(1, 0, "b", Leak::Leak),
            ScoredPair {
                is_echo: true,
                ..scored(1, 1, "b", Leak::Leak)
            },
        ];
        let texts = ["cook", "cook", "red car", "nurse"];
        let pairs: Vec<_> = verdicts
            .iter()
            .zip(texts)
            .map(|(verdict, text)| {
                let mut pair = diagnosed_pair(verdict, text, "nurse");
                pair.test.prompt = ["He likes red.", "She"][verdict.pair_idx];
                pair
            })
            .collect();
        let found = diagnostics(&pairs);
        let categories: Vec<_> = found.iter().map(|of| of.category.as_deref()).collect();
        assert_eq!(categories, [None, Some("a"), Some("b")]);
        let shown = |of: &Diagnostics, flaw: Flaw| {
            let count = of.flaws.iter().find(|count| count.flaw == flaw).unwrap();
            (count.n_pairs, count.mean_leak_rate_without)
        };
        assert_eq!(shown(&found[0], Flaw::Echo), (1, Some(100.0 / 3.0)));
        assert_eq!(shown(&found[0], Flaw::RepeatsEqual), (2, Some(100.0)));
        assert_eq!(shown(&found[0], Flaw::Equal), (1, Some(100.0 / 3.0)));
        assert_eq!(shown(&found[0], Flaw::Empty), (0, Some(50.0)));
        assert_eq!(shown(&found[1], Flaw::RepeatsEqual), (2, None));
        // Two test prompts and their control, twice each; four different texts less the control's.
        assert_eq!((found[0].n_generations, found[0].n_distinct_texts), (6, 3));
        assert_eq!(diagnostics(&[]), []);
    }

    proptest! {
        #[test]
        fn without_a_flaw_the_rate_is_the_leak_rate(
            found in prop::collection::vec((0usize..4, 0u32..3, 0usize..3, "[a-c ]{0,3}"), 1..40)
        ) {
            let leaks = [Leak::Leak, Leak::Tie, Leak::NoLeak];
            let names = ["a", "b"];
            let verdicts: Vec<_> = found
                .iter()
                .map(|(pair_idx, repeat_idx, leak, _)| scored(*pair_idx, *repeat_idx, names[pair_idx % 2], leaks[*leak]))
                .collect();
            let pairs: Vec<_> = verdicts
                .iter()
                .zip(&found)
                .map(|(verdict, (.., text))| diagnosed_pair(verdict, text, "x"))
                .collect();
            let rates = leak_rates(&estimates(&verdicts), &[]);
            let diagnostics = diagnostics(&pairs);
            prop_assert_eq!(rates.len(), diagnostics.len());
            for (rate, diagnosed) in rates.iter().zip(&diagnostics) {
                prop_assert_eq!(&rate.category, &diagnosed.category);
                prop_assert_eq!(rate.n_pairs, diagnosed.n_pairs);
                prop_assert!(diagnosed.n_distinct_texts <= diagnosed.n_generations);
                for count in &diagnosed.flaws {
                    prop_assert!(count.n_pairs <= rate.n_pairs);
                    if count.n_pairs == 0 {
                        let without = count.mean_leak_rate_without.unwrap();
                        prop_assert!((without - rate.mean_leak_rate).abs() < 1e-9);
                    }
                    prop_assert_eq!(count.mean_leak_rate_without.is_none(), count.n_pairs == rate.n_pairs);
                }
            }
        }
    }
}
