//! The words on a difference, and of the conclusions of several similarities.

use super::{OTHER, comparison, interval, ladder, of_condition};
use crate::leakage::{ByCategory, CategoryTest, Comparison, MarginTest, SpecificComparison};
use crate::report::compare::conclusions::conclusions_words;
use crate::report::compare::words::difference_words;
use crate::report::{comparison_json, comparison_table};
use crate::results::{ConditionComparison, MetricDifference};
use crate::stats::{Heterogeneity, Interval, PValue};

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
    difference_words("control prompt", &found, n_comparisons)
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

/// The same with the test that it is within 3 points.
fn within(found: Comparison, holm_p_value: f64) -> Comparison {
    let interval = Interval {
        lower: found.difference - 2.5,
        upper: found.difference + 2.5,
    };
    Comparison {
        equivalence: Some(MarginTest {
            margin: 3.0,
            interval,
            p_value: holm_p_value / 2.0,
            holm_p_value,
        }),
        ..found
    }
}

#[test]
fn a_small_difference_is_told_from_one_that_was_not_found() {
    let clear = comparison(1.4, interval(0.2, 2.6), [0.01, 0.02]);
    let none = || about(0.2, 0.9);
    let beside = "Its Mean Leak-Rate differs by +0.2 points (-2.8 to +3.2).";
    let caution = "no comparison with other concepts is there, so nothing tells leakage from what any word in the slot does.";
    let [equivalent, not] =
        [0.04, 0.06].map(|p| said(none(), Some([within(none(), p), none(), none()]), 2));
    assert_eq!(
        equivalent,
        format!(
            "qwen:Q2_K is equivalent to qwen:Q8_0 within 3 points: specificity differs by +0.2 (90 % interval -2.3 to +2.7). {beside}"
        )
    );
    assert!(not.ends_with(&format!("of specificity of -2.8 to +3.2 points is compatible with the data. That they are equivalent within 3 points cannot be told either (90 % interval -2.3 to +2.7, Holm p 0.060). {beside}")), "{not}");
    let both = said(
        none(),
        Some([within(clear.clone(), 0.03), none(), none()]),
        2,
    );
    let expected = "qwen:Q2_K leaks more than qwen:Q8_0, by less than 3 points: specificity differs by +1.4 points (95 % interval +0.2 to +2.6). ";
    assert!(both.starts_with(expected), "{both}");
    let expected = format!(
        "qwen:Q2_K is equivalent to qwen:Q8_0 within 3 points: the Mean Leak-Rate differs by +0.2 (90 % interval -2.3 to +2.7). Yet {caution}"
    );
    assert_eq!(said(within(none(), 0.04), None, 2), expected);
    let expected = format!(
        "qwen:Q2_K has a Mean Leak-Rate higher than qwen:Q8_0, by 1.4 points (95 % interval +0.2 to +2.6), which is less than 3 points; {caution}"
    );
    assert_eq!(said(within(clear, 0.03), None, 2), expected);
}

#[test]
fn equivalence_stands_in_table_and_json() {
    let mut report = ladder();
    let found = report.comparisons[0].comparison.take().unwrap();
    report.comparisons[0].comparison = Some(within(found, 0.04));
    let table = comparison_table(&report);
    for expected in [
        "against qwen:Q8_0   figure           points   90 % interval       p   Holm p   within 3 points",
        "qwen:Q4_K_M         Mean Leak-Rate     +0.0    -2.5 to +2.5   0.020    0.040               yes",
    ] {
        assert!(table.contains(expected), "{expected:?} is not in\n{table}");
    }
    let json: serde_json::Value = serde_json::from_str(&comparison_json(&report)).unwrap();
    let first = &json["comparisons"][0];
    assert_eq!(first["conclusion"], "is equivalent within the margin");
    let test = &first["equivalence"]["mean_leak_rate"];
    assert_eq!(
        (&test["margin"], &test["is_equivalent"]),
        (&3.0.into(), &true.into())
    );
    assert_eq!(json["comparisons"][1].get("equivalence"), None);
}

/// The same with differences of two categories.
fn by_category(found: Comparison, holm_p_value: f64) -> Comparison {
    let differences = [("color-to-other", 12.9), ("<\u{1b}>", -6.8)];
    let differences = differences.map(|(name, points)| (name.to_owned(), about(points, 0.5)));
    Comparison {
        by_category: Some(ByCategory {
            differences: differences.into(),
            test: Some(CategoryTest {
                found: Heterogeneity {
                    statistic: 9.0,
                    p_value: PValue {
                        value: holm_p_value / 2.0,
                        n_draws: None,
                    },
                    n_categories: 2,
                },
                holm_p_value,
                is_for_these_concepts: false,
            }),
        }),
        ..found
    }
}

#[test]
fn a_difference_that_depends_on_the_category_is_told_by_it() {
    let none = || about(0.2, 0.9);
    let [depends, not] =
        [0.012, 0.3].map(|p| said(none(), Some([by_category(none(), p), none(), none()]), 2));
    let expected = " The difference of specificity depends on the category (Holm p 0.012): +12.9 in color-to-other, -6.8 in <\\u{1b}>.";
    assert!(depends.ends_with(expected), "{depends}");
    let expected = " There is no sign that the difference of specificity depends on the category (Holm p 0.300).";
    assert!(not.ends_with(expected), "{not}");
    let mut these = by_category(none(), 0.3);
    let test = these.by_category.as_mut().unwrap().test.as_mut();
    test.unwrap().is_for_these_concepts = true;
    let these = said(none(), Some([these, none(), none()]), 2);
    let expected = "(Holm p 0.300, for these very concepts).";
    assert!(these.ends_with(expected), "{these}");
    let mut report = ladder();
    report.concepts.are_random = true;
    let found = report.comparisons[0].comparison.take().unwrap();
    report.comparisons[0].comparison = Some(by_category(found, 0.04));
    let table = comparison_table(&report);
    for expected in [
        "qwen:Q4_K_M         color-to-other   +12.9 (+9.9 to +15.9)               none          none       709         27",
        "                    Holm p                           0.040               none          none",
        "The difference of the Mean Leak-Rate depends on the category (Holm p 0.040): +12.9 in color-to-other,",
        "That test takes concepts as they are: it is for these concepts, not for others.",
    ] {
        assert!(table.contains(expected), "{expected:?} is not in\n{table}");
    }
    let json: serde_json::Value = serde_json::from_str(&comparison_json(&report)).unwrap();
    let by = &json["comparisons"][0]["by_category"]["mean_leak_rate"];
    assert_eq!(
        (&by["statistic"], &by["holm_p_value"]),
        (&9.0.into(), &0.04.into())
    );
    assert_eq!(by["differences"][1]["points"], -6.8);
    assert_eq!(json["comparisons"][1].get("by_category"), None);
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
        conclusions_words("sbert of a", &found)
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
