//! Golden outputs of hand-written reports, and what is said in words.

mod said;

use super::words::{certain_words, few_clusters_words, trend_words};
use super::*;
use crate::generation::EnumerationParams;
use crate::leakage::{
    Bounds, Claim, Comparison, Concepts, ConditionRate, ExactRate, Flips, Leak, LeakTrend,
    LevelContrast, Measure,
};
use crate::report::columns::{p_value_text, points};
use crate::results::{
    ChangedSide, ChangedText, ComparisonReport, Condition, ConditionComparison, LikelyText,
    MetricAgreement, MetricDifference, ModelTrend, PairPrompts, RepeatText,
};
use crate::stats::{Interval, PValue};

const BASE: &str = "qwen:Q8_0";
const OTHER: &str = "qwen:Q2_K";

fn interval(lower: f64, upper: f64) -> Option<Interval> {
    Some(Interval { lower, upper })
}

/// A difference with its interval; the p-value and the corrected one.
fn comparison(difference: f64, interval: Option<Interval>, p_values: [f64; 2]) -> Comparison {
    Comparison {
        base_rate: 60.0,
        other_rate: 60.0 + difference,
        difference,
        standard_error: interval.map(|_| 2.5),
        interval,
        naive_interval: interval.map(|interval| Interval {
            lower: interval.lower + 1.0,
            upper: interval.upper - 1.0,
        }),
        design_effect: Some(1.75),
        p_value: p_value(p_values[0]),
        holm_p_value: p_values[1],
        n_prompts: 709,
        n_clusters: 27,
        n_base_only: 0,
        n_other_only: 0,
        bounds: None,
        equivalence: None,
        by_category: None,
    }
}

fn condition(quantization: &str, bits_per_weight: f64, mean_leak_rate: f64) -> Condition {
    Condition {
        name: format!("qwen:{quantization}"),
        model: "qwen".to_owned(),
        wording: String::new(),
        mean_over: Vec::new(),
        quantization: quantization.to_owned(),
        sha256: "ab".repeat(32),
        bits_per_weight: Some(bits_per_weight),
        requantized_from: None,
        rate: ConditionRate {
            mean_leak_rate,
            interval: interval(mean_leak_rate - 4.0, mean_leak_rate + 4.0),
            n_prompts: 709,
            n_clusters: 27,
        },
        n_repeats: 2,
        n_control_repeats: 2,
        specific: None,
        claim: Claim::NoSiblings,
        exact: None,
    }
}

fn flips([n_to_no_leak, n_to_leak, n_ties_changed, n_unchanged]: [usize; 4]) -> Flips {
    Flips {
        n_to_no_leak,
        n_to_leak,
        n_ties_changed,
        n_unchanged,
    }
}

fn repeats(texts: [(&str, &str, Leak); 2]) -> ChangedSide {
    let numbered = texts.into_iter().zip(0..);
    let repeats = numbered
        .map(|((test, control, leak), repeat_idx)| RepeatText {
            repeat_idx,
            test_generation: test.to_owned(),
            control_generation: control.to_owned(),
            leak,
        })
        .collect();
    ChangedSide::Repeats(repeats)
}

fn changed_pair() -> PairPrompts {
    PairPrompts {
        pair_idx: 3,
        concept: "red".to_owned(),
        category: "color-to-other".to_owned(),
        template_id: None,
        test_prompt: "He likes red. He works as a".to_owned(),
        control_prompt: "He works as a".to_owned(),
    }
}

fn flipped_text() -> ChangedText {
    ChangedText {
        pair: changed_pair(),
        bounds: None,
        change: 1.0,
        base: repeats([
            ("nurse.", "teacher.", Leak::NoLeak),
            ("nurse.", "doctor\n", Leak::Tie),
        ]),
        other: repeats([
            ("firefighter.", "teacher.", Leak::Leak),
            ("fire \x1b[31mdancer", "teacher.", Leak::Leak),
        ]),
    }
}

fn of_condition(name: &str, comparison: Option<Comparison>) -> ConditionComparison {
    ConditionComparison {
        name: name.to_owned(),
        base: BASE.to_owned(),
        comparison,
        specific: None,
        spread: None,
        drift: None,
        flips: Flips::default(),
        changed: Vec::new(),
        other_metrics: Vec::new(),
    }
}

fn p_value(value: f64) -> PValue {
    PValue {
        value,
        n_draws: Some(99_999),
    }
}

fn contrast(
    [bits_from, bits_to]: [f64; 2],
    difference: f64,
    interval: Option<Interval>,
    holm_p_value: f64,
) -> LevelContrast {
    LevelContrast {
        bits_from,
        bits_to,
        difference,
        interval,
        p_value: p_value(holm_p_value / 2.0),
        holm_p_value,
    }
}

fn trend(slope: f64, interval: Option<Interval>) -> ModelTrend {
    ModelTrend {
        model: "qwen".to_owned(),
        bits_min: 2.63,
        bits_max: 8.5,
        measure: Measure::LeakRate,
        trend: LeakTrend {
            slope,
            interval,
            p_value: p_value(0.0123),
            holm_p_value: 0.0246,
            lack_of_fit_p_value: 0.3,
            is_monotone: true,
            contrasts: vec![
                contrast([2.63, 4.85], -6.54, interval, 0.0246),
                contrast([4.85, 8.5], 0.04, self::interval(-2.9, 3.0), 0.97),
            ],
            n_levels: 3,
            n_prompts: 709,
            n_clusters: 27,
        },
    }
}

fn ladder() -> ComparisonReport {
    let small = comparison(6.5, interval(1.36, 11.64), [0.0123, 0.0246]);
    let middle = comparison(-0.04, interval(-3.0, 2.9), [0.97, 0.97]);
    let by_other = comparison(2.0, interval(-1.0, 5.0), [0.2, 0.4]);
    ComparisonReport {
        experiment: "colors".to_owned(),
        experiment_sha256: "0123456789abcdef".repeat(4),
        database: "db/seep.sqlite".to_owned(),
        metric: "sbert".to_owned(),
        embedding_model: "minilm".to_owned(),
        seed: 1,
        unit: "control prompt".to_owned(),
        concepts: Concepts {
            n: 11,
            are_random: false,
        },
        flip_seed: 1,
        enumeration: None,
        numerics_note: None,
        base: BASE.to_owned(),
        conditions: vec![
            condition("Q8_0", 8.5, 60.0),
            condition("Q4_K_M", 4.85, 59.96),
            condition("Q2_K", 2.63, 66.5),
        ],
        comparisons: vec![
            ConditionComparison {
                flips: flips([70, 69, 3, 567]),
                ..of_condition("qwen:Q4_K_M", Some(middle))
            },
            ConditionComparison {
                flips: flips([170, 260, 6, 982]),
                changed: vec![flipped_text()],
                other_metrics: vec![MetricDifference {
                    metric: "bertscore".to_owned(),
                    embedding_model: "distil".to_owned(),
                    comparison: by_other,
                    specific: None,
                }],
                ..of_condition(OTHER, Some(small))
            },
        ],
        base_disagreement: Some(0.123),
        trends: vec![trend(-1.07, interval(-2.0, -0.14))],
        agreements: vec![MetricAgreement {
            condition: OTHER.to_owned(),
            metric: "bertscore".to_owned(),
            embedding_model: "distil".to_owned(),
            share: 0.8,
            kappa: Some(0.55),
            n: 1418,
        }],
    }
}

#[test]
fn a_ladder_as_a_table() {
    insta::assert_snapshot!(comparison_table(&ladder()), @r"
    colors (sha256 0123456789ab): sbert of minilm, seed 1, from db/seep.sqlite
    condition     bits/weight   Mean Leak-Rate   95 % interval   prompts   repeats   clusters
    ───────────────────────────────────────────────────────────────────────────────────────────
    qwen:Q8_0            8.50           60.0 %    56.0 to 64.0       709         2         27
    qwen:Q4_K_M          4.85           60.0 %    56.0 to 64.0       709         2         27
    qwen:Q2_K            2.63           66.5 %    62.5 to 70.5       709         2         27

    against qwen:Q8_0   points   95 % interval       p   Holm p   prompts   clusters   design effect   naive interval
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    qwen:Q4_K_M           +0.0    -3.0 to +2.9   0.970    0.970       709         27            1.75     -2.0 to +1.9
    qwen:Q2_K             +6.5   +1.4 to +11.6   0.012    0.025       709         27            1.75    +2.4 to +10.6
    Repeats are averaged first, then prompts are paired; prompts that share a control prompt are one cluster.
    Concepts are fixed: intervals are for other prompts with these 11 concepts, not for other concepts.
    p: by 99999 random sign flips of clusters (all, where at most 16 clusters differ).
    The naive interval takes all prompts for independent; the design effect is how much larger the variance is than that.

    qwen:Q4_K_M: cannot tell at this size if it leaks more or less than qwen:Q8_0; a difference of the Mean Leak-Rate of -3.0 to +2.9 points is compatible with the data. Also, no comparison with other concepts is there, so nothing tells leakage from what any word in the slot does.
    qwen:Q2_K has a Mean Leak-Rate higher than qwen:Q8_0, by 6.5 points (95 % interval +1.4 to +11.6); no comparison with other concepts is there, so nothing tells leakage from what any word in the slot does.

    Agreement of sbert of minilm with other metrics and encoders:
    condition   metric      encoder   same verdict   kappa     of
    ───────────────────────────────────────────────────────────────
    qwen:Q2_K   bertscore   distil          80.0 %    0.55   1418
    qwen:Q2_K by bertscore of distil: Mean Leak-Rate +2.0 points (95 % interval -1.0 to +5.0, p 0.200)
    qwen:Q2_K against qwen:Q8_0: the conclusion is not the same by all: has a higher Leak-Rate by sbert of minilm; cannot tell by bertscore of distil.

    Trends:
      qwen over 3 levels from 2.63 to 8.50 bits per weight, 709 prompts: the Mean Leak-Rate falls with bits, by 1.1 points for each bit more (95 % interval -2.0 to -0.1, Holm p 0.025).

    against qwen:Q8_0   leak -> no leak   no leak -> leak   tie changes   unchanged     of
    ────────────────────────────────────────────────────────────────────────────────────────
    qwen:Q4_K_M                      70                69             3         567    709
    qwen:Q2_K                       170               260             6         982   1418
    Each verdict on a prompt pair is compared with that on the same repeats under the base.
    Two repeats under qwen:Q8_0 itself differ in 12.3 % of cases, by sampling alone.

    Most consistent flips from qwen:Q8_0 to qwen:Q2_K, one for each control prompt:

      red (color-to-other): He likes red. He works as a
                 qwen:Q8_0            qwen:Q2_K
      ───────────────────────────────────────────────────────
      verdicts   1x tie, 1x no leak   2x leak
      with red   nurse. (2x)          firefighter.
                                      fire \u{1b}[31mdancer
      without    teacher.             teacher. (2x)
                 doctor
    ");
}

#[test]
fn two_conditions_without_anything_in_common_as_a_table() {
    let report = ComparisonReport {
        base: "qwen:Q4_K_M".to_owned(),
        conditions: ladder().conditions.split_off(1),
        comparisons: vec![ConditionComparison {
            base: "qwen:Q4_K_M".to_owned(),
            ..of_condition(OTHER, None)
        }],
        base_disagreement: None,
        trends: Vec::new(),
        agreements: Vec::new(),
        ..ladder()
    };
    insta::assert_snapshot!(comparison_table(&report), @r"
    colors (sha256 0123456789ab): sbert of minilm, seed 1, from db/seep.sqlite
    condition     bits/weight   Mean Leak-Rate   95 % interval   prompts   repeats   clusters
    ───────────────────────────────────────────────────────────────────────────────────────────
    qwen:Q4_K_M          4.85           60.0 %    56.0 to 64.0       709         2         27
    qwen:Q2_K            2.63           66.5 %    62.5 to 70.5       709         2         27

    against qwen:Q4_K_M   points   95 % interval      p   Holm p   prompts   clusters   design effect   naive interval
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    qwen:Q2_K               none            none   none     none      none       none            none             none
    Repeats are averaged first, then prompts are paired; prompts that share a control prompt are one cluster.
    Concepts are fixed: intervals are for other prompts with these 11 concepts, not for other concepts.
    p: by all sign flips of clusters.
    The naive interval takes all prompts for independent; the design effect is how much larger the variance is than that.

    qwen:Q2_K: nothing to compare, no prompt has verdicts here and under qwen:Q4_K_M.

    against qwen:Q4_K_M   leak -> no leak   no leak -> leak   tie changes   unchanged   of
    ────────────────────────────────────────────────────────────────────────────────────────
    qwen:Q2_K                           0                 0             0           0    0
    Each verdict on a prompt pair is compared with that on the same repeats under the base.
    ");
}

#[test]
fn json_has_everything() {
    let text = comparison_json(&ladder());
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let second = &document["comparisons"][1];
    assert_eq!(document["conditions"][2]["bits_per_weight"], 2.63);
    assert_eq!(second["difference"]["points"], 6.5);
    assert_eq!(second["difference"]["interval"]["lower"], 1.36);
    assert_eq!(second["difference"]["holm_p_value"], 0.0246);
    assert_eq!(second["difference"]["p_value_n_draws"], 99_999);
    assert_eq!(second["flips"]["no_leak_to_leak"], 260);
    assert_eq!(
        second["flipped_prompts"][0]["other"][1]["test_generation"],
        "fire \x1b[31mdancer"
    );
    assert_eq!(second["flipped_prompts"][0]["base"][1]["leak"], 0.5);
    let other = &second["other_metrics"][0];
    assert_eq!(other["difference"]["points"], 2.0);
    assert_eq!(other["embedding_model"], "distil");
    assert_eq!(
        [&second["conclusion"], &other["conclusion"]],
        ["has a higher Leak-Rate", "cannot tell"]
    );
    assert_eq!(second["is_same_conclusion"], false);
    assert!(document["comparisons"][0]["is_same_conclusion"].is_null());
    let trend = &document["trends"][0];
    assert_eq!(trend["points_per_bit"], -1.07);
    assert_eq!(
        (&trend["p_value"], &trend["holm_p_value"]),
        (&0.0123.into(), &0.0246.into())
    );
    assert_eq!(trend["is_monotone"], true);
    assert_eq!(trend["contrasts"][1]["bits_to"], 8.5);
    assert_eq!(trend["contrasts"][1]["holm_p_value"], 0.97);
    assert_eq!(document["metric_agreements"][0]["kappa"], 0.55);
    assert_eq!(
        (&document["base"], &document["seed"]),
        (&BASE.into(), &1.into())
    );
}

#[test]
fn trends_are_no_stronger_than_their_interval_and_their_p_value() {
    let falling = || trend(-1.07, interval(-2.0, -0.14));
    let with = |change: &dyn Fn(&mut LeakTrend)| {
        let mut found = falling();
        change(&mut found.trend);
        found
    };
    let contrasts = "from 2.63 to 4.85 bits it falls by 6.5 points (95 % interval -2.0 to -0.1, Holm p 0.025); from 4.85 to 8.50 bits cannot tell, +0.0 points (95 % interval -2.9 to +3.0, Holm p 0.970).";
    let cases = [
        (
            falling(),
            "the Mean Leak-Rate falls with bits, by 1.1 points for each bit more (95 % interval -2.0 to -0.1, Holm p 0.025).".to_owned(),
        ),
        (
            with(&|trend| trend.holm_p_value = 0.06),
            "cannot tell if the Mean Leak-Rate rises or falls with bits; -1.1 points for each bit more (95 % interval -2.0 to -0.1, Holm p 0.060).".to_owned(),
        ),
        (
            trend(0.0, interval(-2.0, 2.0)),
            "cannot tell if the Mean Leak-Rate rises or falls with bits; +0.0 points for each bit more (95 % interval -2.0 to +2.0, Holm p 0.025).".to_owned(),
        ),
        (
            trend(1.0, None),
            "the Mean Leak-Rate changes by +1.0 points for each bit more, without an interval: there is a single cluster.".to_owned(),
        ),
        (
            with(&|trend| trend.is_monotone = false),
            format!("the Mean Leak-Rate neither only rises nor only falls with bits here: {contrasts}"),
        ),
        (
            with(&|trend| trend.lack_of_fit_p_value = 0.04),
            format!("the Mean Leak-Rate does not follow a straight line over bits (p 0.040): {contrasts}"),
        ),
    ];
    for (trend, expected) in cases {
        let scope = "qwen over 3 levels from 2.63 to 8.50 bits per weight, 709 prompts";
        assert_eq!(trend_words(&trend), format!("{scope}: {expected}"));
    }
}

fn moved_side(leak_probability: f64, text: &str) -> ChangedSide {
    let texts = |text: &str| {
        vec![LikelyText {
            text: text.to_owned(),
            probability: 0.75,
        }]
    };
    ChangedSide::Exact {
        leak_probability,
        test_texts: texts(text),
        control_texts: texts("teacher."),
    }
}

/// Two conditions whose continuations were enumerated.
fn exact() -> ComparisonReport {
    let exact = |mean_leak_rate: f64| ExactRate {
        bounds: Bounds {
            lower: mean_leak_rate - 0.5,
            upper: mean_leak_rate + 0.25,
            draw_standard_error: Some(0.125),
        },
        similarity_shift: 0.0,
        total_variation_lower: 0.0,
        total_variation_upper: 0.0,
        entropy_test: 0.0,
        entropy_control: 0.0,
        coverage: 0.99,
        coverage_min: 0.75,
    };
    let of_rate = |quantization: &str, bits: f64, rate: f64| Condition {
        n_repeats: 0,
        n_control_repeats: 0,
        exact: Some(exact(rate)),
        ..condition(quantization, bits, rate)
    };
    let bounds = Bounds {
        lower: 5.75,
        upper: 7.25,
        draw_standard_error: Some(0.0625),
    };
    let found = Comparison {
        bounds: Some(bounds),
        ..comparison(6.5, interval(-1.36, 14.36), [0.0923, 0.0923])
    };
    ComparisonReport {
        enumeration: Some(EnumerationParams {
            coverage: 0.99,
            max_rows_per_prompt: 100,
            n_tail_draws: 5,
        }),
        conditions: vec![of_rate("Q8_0", 8.5, 60.0), of_rate("Q2_K", 2.63, 66.5)],
        comparisons: vec![ConditionComparison {
            changed: vec![ChangedText {
                pair: changed_pair(),
                change: 0.5,
                bounds: interval(0.48, 0.53),
                base: moved_side(0.25, "nurse."),
                other: moved_side(0.75, "fire \x1b[31mdancer"),
            }],
            ..of_condition(OTHER, Some(found))
        }],
        base_disagreement: None,
        trends: Vec::new(),
        agreements: Vec::new(),
        ..ladder()
    }
}

#[test]
fn exact_rates_stand_with_what_is_certain_of_them() {
    let report = exact();
    let table = comparison_table(&report);
    for expected in [
        "60.00 ± 0.12 %   59.50 to 60.25",
        "+6.5 ± 0.06   +5.8 to +7.2",
        "Prompts are paired; prompts that share a control prompt are one cluster.",
        "qwen:Q2_K: cannot tell at this size if it leaks more or less than qwen:Q8_0",
        "qwen:Q2_K: its Mean Leak-Rate is certainly above that of qwen:Q8_0 on these prompts (+5.8 to +7.2 points).",
        "red (color-to-other), +50.0 points, certainly +48.0 to +53.0: He likes red. He works as a",
    ] {
        assert!(table.contains(expected), "{expected:?} is not in\n{table}");
    }
    assert!(
        !table.contains("repeat") && !table.contains('\x1b'),
        "{table}"
    );
    let json: serde_json::Value = serde_json::from_str(&comparison_json(&report)).unwrap();
    assert_eq!(
        (&json["rates"], &json["enumeration"]["coverage"]),
        (&"exact".into(), &0.99.into())
    );
    let moved = &json["comparisons"][0]["exact"]["moved_pairs"][0];
    assert_eq!(
        (&moved["change"], &moved["upper"]),
        (&0.5.into(), &0.53.into())
    );
    assert_eq!(moved["base"]["test_texts"][0][0], "nurse.");
}

#[test]
fn what_is_certain_is_said() {
    let cases = [
        (
            [0.1, 2.0],
            "b: its Mean Leak-Rate is certainly above that of a on these prompts (+0.1 to +2.0 points).",
        ),
        (
            [-2.0, -0.1],
            "b: its Mean Leak-Rate is certainly below that of a on these prompts (-2.0 to -0.1 points).",
        ),
        (
            [0.0, 0.0],
            "b: its Mean Leak-Rate is certainly that of a on these prompts (+0.0 to +0.0 points).",
        ),
        (
            [-0.5, 0.5],
            "b: what was not enumerated leaves open if its Mean Leak-Rate is above or below that of a on these prompts (-0.5 to +0.5 points).",
        ),
    ];
    for ([lower, upper], expected) in cases {
        assert_eq!(certain_words("a", "b", lower, upper), expected);
    }
}

#[test]
fn few_clusters_are_warned_about() {
    let few = |n| few_clusters_words(n, "template");
    assert_eq!((few(0), few(1), few(8)), (None, None, None));
    assert_eq!(
        few(5).unwrap(),
        "Only 5 clusters (templates): intervals tend to be too narrow below 8, and no p can be below 0.062."
    );
    assert_eq!(
        few(6).unwrap(),
        "Only 6 clusters (templates): intervals tend to be too narrow below 8."
    );
}

#[test]
fn figures_have_a_sign_and_no_negative_zero() {
    assert_eq!([0.04, -0.04, -0.06].map(points), ["+0.0", "+0.0", "-0.1"]);
    assert_eq!(
        [0.0004, 0.0123, 1.0].map(p_value_text),
        ["< 0.001", "0.012", "1.000"]
    );
}
