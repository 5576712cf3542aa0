//! The words on a difference, and of the conclusions of several similarities.

use super::{BASE, OTHER, comparison, interval, of_condition};
use crate::leakage::{Comparison, SpecificComparison};
use crate::report::compare::conclusions::conclusions_words;
use crate::report::compare::words::difference_words;
use crate::results::{ConditionComparison, MetricDifference};

/// The words on a difference of Mean Leak-Rates, and on those of specificity and its two parts where they are there.
fn said(leak_rate: Comparison, specific: Option<[Comparison; 3]>, n_comparisons: usize) -> String {
    let found = ConditionComparison {
        specific: specific.map(|[whole, repetition, association]| {
            let other = comparison(0.0, interval(-1.0, 1.0), [1.0, 1.0]);
            let others = [other.clone(), other.clone(), other];
            let all = [whole, repetition, association].into_iter().chain(others);
            SpecificComparison::made_up(all.collect())
        }),
        ..of_condition(OTHER, Some(leak_rate))
    };
    difference_words(BASE, OTHER, "control prompt", &found, n_comparisons)
}

/// A difference whose interval reaches 3 points to each side.
fn about(difference: f64, holm_p_value: f64) -> Comparison {
    let around = interval(difference - 3.0, difference + 3.0);
    comparison(difference, around, [holm_p_value / 2.0, holm_p_value])
}

#[test]
fn leakage_is_claimed_of_specificity_alone() {
    let (none, much, little) = (about(0.2, 0.9), about(12.0, 0.001), about(-4.0, 0.02));
    let same = "Its Mean Leak-Rate differs by +0.2 points (-2.8 to +3.2).";
    let cases = [
        (
            (&none, [&much, &much, &none]),
            format!("qwen:Q2_K leaks more than qwen:Q8_0: specificity differs by +12.0 points (95 % interval +9.0 to +15.0). It repeats the concept or the prompt more; that it associates more cannot be told: repetition +12.0 (+9.0 to +15.0) points, association +0.2 (-2.8 to +3.2). {same}"),
        ),
        (
            (&none, [&little, &none, &little]),
            format!("qwen:Q2_K leaks less than qwen:Q8_0: specificity differs by -4.0 points (95 % interval -7.0 to -1.0). It associates less; that it repeats less cannot be told: repetition +0.2 (-2.8 to +3.2) points, association -4.0 (-7.0 to -1.0). {same}"),
        ),
        (
            (&none, [&much, &much, &much]),
            format!("qwen:Q2_K leaks more than qwen:Q8_0: specificity differs by +12.0 points (95 % interval +9.0 to +15.0). It repeats more and associates more: repetition +12.0 (+9.0 to +15.0) points, association +12.0 (+9.0 to +15.0). {same}"),
        ),
        (
            (&much, [&none, &none, &none]),
            "qwen:Q2_K: cannot tell at this size if it leaks more or less than qwen:Q8_0; a difference of specificity of -2.8 to +3.2 points is compatible with the data. Its Mean Leak-Rate differs by +12.0 points (+9.0 to +15.0): the slot matters more or less, but not measurably which concept stands in it.".to_owned(),
        ),
    ];
    for ((leak_rate, specific), expected) in cases {
        assert_eq!(
            said(leak_rate.clone(), Some(specific.map(Comparison::clone)), 2),
            expected
        );
    }
    let unsure = about(12.0, 0.06);
    let text = said(none.clone(), Some([unsure.clone(), unsure, none]), 3);
    let expected = "qwen:Q2_K: cannot tell for sure if it leaks more or less than qwen:Q8_0; specificity differs by +12.0 points here (95 % interval +9.0 to +15.0), but p is 0.060 after correction for 3 comparisons.";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn without_siblings_no_leakage_is_claimed() {
    let caution = "no comparison with other concepts is there, so nothing tells leakage from what any word in the slot does.";
    let cases = [
        (
            about(-6.5, 0.02),
            format!(
                "qwen:Q2_K has a Mean Leak-Rate lower than qwen:Q8_0, by 6.5 points (95 % interval -9.5 to -3.5); {caution}"
            ),
        ),
        (
            comparison(2.0, interval(0.0, 4.0), [0.001, 0.001]),
            format!(
                "qwen:Q2_K: cannot tell at this size if it leaks more or less than qwen:Q8_0; a difference of the Mean Leak-Rate of +0.0 to +4.0 points is compatible with the data. Also, {caution}"
            ),
        ),
        (
            comparison(2.0, None, [1.0, 1.0]),
            format!(
                "qwen:Q2_K: cannot tell, all prompts share one control prompt, so nothing shows how far the difference would vary. Also, {caution}"
            ),
        ),
        (
            Comparison {
                n_base_only: 3,
                n_other_only: 1,
                ..about(6.5, 0.02)
            },
            format!(
                "qwen:Q2_K has a Mean Leak-Rate higher than qwen:Q8_0, by 6.5 points (95 % interval +3.5 to +9.5); {caution} Left out: 3 prompts of qwen:Q8_0 and 1 of qwen:Q2_K, which the other does not have."
            ),
        ),
    ];
    for (leak_rate, expected) in cases {
        assert_eq!(said(leak_rate, None, 2), expected);
    }
}

#[test]
fn conclusions_are_said_to_be_the_same_only_where_they_are() {
    let clear = comparison(6.5, interval(1.36, 11.64), [0.01, 0.02]);
    let unclear = comparison(6.5, interval(1.36, 11.64), [0.03, 0.06]);
    let less = comparison(-6.5, interval(-11.64, -1.36), [0.01, 0.02]);
    let words = |by: &[(&str, &Comparison)]| {
        let others = by[1..].iter().map(|(name, found)| MetricDifference {
            metric: "sbert".to_owned(),
            embedding_model: (*name).to_owned(),
            comparison: (*found).clone(),
            specific: None,
        });
        let found = ConditionComparison {
            other_metrics: others.collect(),
            ..of_condition(OTHER, Some(by[0].1.clone()))
        };
        conclusions_words(BASE, "sbert of a", &found)
    };
    assert_eq!(words(&[("a", &clear)]), None);
    let start = "qwen:Q2_K against qwen:Q8_0: the conclusion is";
    for (by, expected) in [
        (
            &[("a", &less), ("b", &less)][..],
            "the same by all: has a lower Leak-Rate by sbert of a, sbert of b.",
        ),
        (
            &[("a", &unclear), ("b", &clear), ("c", &less), ("d", &clear)],
            "not the same by all: cannot tell by sbert of a; has a higher Leak-Rate by sbert of b, sbert of d; has a lower Leak-Rate by sbert of c.",
        ),
    ] {
        assert_eq!(words(by), Some(format!("{start} {expected}")));
    }
}
