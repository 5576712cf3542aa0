//! People as judges of leaks: what a person says of two texts, as a verdict, and how far it is that of a metric.
//!
//! Owns the meaning of a choice. Both judge in three classes: leak, tie, no leak. A person's `same` is a tie; it is said
//! of more texts than a metric finds equal to three decimals, so the agreement where both prefer a text stands beside
//! that of all three classes.

use super::figure::LEVEL;
use super::leak::Leak;
use super::leak_rate::in_percent;
use crate::stats::{ClusteredAgreement, Interval, cluster_mean, clustered_agreement};

/// The text that a person finds closer in meaning to the concept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Choice {
    /// Text A.
    A,
    /// Text B.
    B,
    /// Neither more than the other.
    Same,
}

impl Choice {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::Same];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::Same => "same",
        }
    }

    /// The choice that a word means, in small or capital letters.
    pub fn from_word(word: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|choice| choice.as_str().eq_ignore_ascii_case(word.trim()))
    }

    /// The verdict that it is, where the test generation is text A, or text B.
    pub fn verdict(self, is_test_a: bool) -> Leak {
        match self {
            Self::Same => Leak::Tie,
            Self::A if is_test_a => Leak::Leak,
            Self::B if !is_test_a => Leak::Leak,
            Self::A | Self::B => Leak::NoLeak,
        }
    }
}

/// Two verdicts on one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JudgedItem {
    /// The control prompt; items of one are a cluster.
    pub control_prompt_idx: usize,
    /// The verdict of a person.
    pub person: Leak,
    /// The verdict of the other judge: a metric, or another person.
    pub other: Leak,
}

/// How far two judges give the same verdicts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgeAgreement {
    /// Number of items, at least 1.
    pub n_items: usize,
    /// Clusters of the intervals: control prompts.
    pub n_clusters: usize,
    /// Agreement in three classes, with intervals of 95 %.
    pub all: ClusteredAgreement,
    /// Agreement about the items of which both say leak or no leak; None where there is none.
    pub decided: Option<ClusteredAgreement>,
    /// The Leak-Rate by the person's verdicts.
    pub person_rate: JudgedRate,
    /// The Leak-Rate by the other judge's verdicts on the same items.
    pub other_rate: JudgedRate,
}

/// A Leak-Rate by the verdicts of one judge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedRate {
    /// 100 times the mean of the verdicts, in percent.
    pub rate: f64,
    /// Its 95 % interval in percent, cut to 0 to 100; None with a single cluster.
    pub interval: Option<Interval>,
}

/// How far the two verdicts on each item agree; None without items.
pub fn judge_agreement(items: &[JudgedItem]) -> Option<JudgeAgreement> {
    let all = agreement_about(items)?;
    let is_decided = |item: &&JudgedItem| item.person != Leak::Tie && item.other != Leak::Tie;
    let decided: Vec<JudgedItem> = items.iter().filter(is_decided).copied().collect();
    Some(JudgeAgreement {
        n_items: items.len(),
        n_clusters: all.share.n_clusters,
        all,
        decided: agreement_about(&decided),
        person_rate: judged_rate(items, |item| item.person)?,
        other_rate: judged_rate(items, |item| item.other)?,
    })
}

fn clusters(items: &[JudgedItem]) -> Vec<usize> {
    items.iter().map(|item| item.control_prompt_idx).collect()
}

/// The agreement, its intervals cut to what a share and a kappa can be.
fn agreement_about(items: &[JudgedItem]) -> Option<ClusteredAgreement> {
    let person: Vec<Leak> = items.iter().map(|item| item.person).collect();
    let other: Vec<Leak> = items.iter().map(|item| item.other).collect();
    let mut found = clustered_agreement(&person, &other, &clusters(items), LEVEL)?;
    let cut = |interval: Interval, lowest: f64| Interval {
        lower: interval.lower.max(lowest),
        upper: interval.upper.min(1.0),
    };
    found.share.interval = found.share.interval.map(|interval| cut(interval, 0.0));
    if let Some(kappa) = &mut found.kappa {
        kappa.interval = kappa.interval.map(|interval| cut(interval, -1.0));
    }
    Some(found)
}

fn judged_rate(items: &[JudgedItem], verdict: fn(&JudgedItem) -> Leak) -> Option<JudgedRate> {
    let values: Vec<f64> = items.iter().map(|item| verdict(item).value()).collect();
    let found = cluster_mean(&values, &clusters(items), LEVEL)?;
    Some(JudgedRate {
        rate: 100.0 * found.mean,
        interval: found.interval.map(in_percent),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_the_verdict_of_the_side_that_was_chosen() {
        let cases = [
            (Choice::A, Leak::Leak, Leak::NoLeak),
            (Choice::B, Leak::NoLeak, Leak::Leak),
            (Choice::Same, Leak::Tie, Leak::Tie),
        ];
        for (choice, where_a, where_b) in cases {
            assert_eq!(
                (choice.verdict(true), choice.verdict(false)),
                (where_a, where_b)
            );
            assert_eq!(Choice::from_word(choice.as_str()), Some(choice));
        }
        let words = [" a ", "b", "SAME", "C", "", "A B"].map(Choice::from_word);
        let (a, b, same) = (Some(Choice::A), Some(Choice::B), Some(Choice::Same));
        assert_eq!(words, [a, b, same, None, None, None]);
    }

    fn item(control_prompt_idx: usize, person: Leak, other: Leak) -> JudgedItem {
        JudgedItem {
            control_prompt_idx,
            person,
            other,
        }
    }

    #[test]
    fn ties_of_people_count_and_are_left_out_beside_it() {
        let (leak, tie, none) = (Leak::Leak, Leak::Tie, Leak::NoLeak);
        let items = [
            item(0, leak, leak),
            item(0, tie, leak),
            item(1, none, none),
            item(1, tie, tie),
            item(2, leak, none),
            item(3, none, leak),
        ];
        let found = judge_agreement(&items).unwrap();
        assert_eq!((found.n_items, found.n_clusters), (6, 4));
        assert_eq!(found.all.share.mean, 0.5);
        assert_eq!(found.decided.unwrap().share.n, 4);
        assert_eq!(found.decided.unwrap().kappa.unwrap().value, 0.0);
        assert!((found.person_rate.rate - 50.0).abs() < 1e-9);
        assert!((found.other_rate.rate - 100.0 * 3.5 / 6.0).abs() < 1e-9);
        let ties = judge_agreement(&[item(0, tie, tie), item(1, tie, tie)]).unwrap();
        assert_eq!((ties.decided, ties.all.kappa), (None, None));
        assert_eq!(judge_agreement(&[]), None);
    }

    #[test]
    fn intervals_end_where_kappa_and_share_do() {
        let (leak, none) = (Leak::Leak, Leak::NoLeak);
        let items = [
            item(0, leak, leak),
            item(1, none, none),
            item(2, leak, none),
        ];
        let found = judge_agreement(&items).unwrap();
        let (share, kappa) = (found.all.share.interval, found.all.kappa.unwrap().interval);
        assert_eq!((share.unwrap().lower, share.unwrap().upper), (0.0, 1.0));
        assert_eq!((kappa.unwrap().lower, kappa.unwrap().upper), (-1.0, 1.0));
    }
}
