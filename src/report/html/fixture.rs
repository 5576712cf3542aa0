//! Reports written by hand: two models, three files, three pairs, of repeats and exact; their texts are hostile.

use crate::generation::EnumerationParams;
use crate::leakage::{
    Bounds, Comparison, ConceptMatrix, Concepts, Diversity, ExactLeak, ExactPair, Figure, Flips,
    Leak, LeakRate, LeakTrend, Measure, PairEstimate, ScoredPair, SiblingFigures, Specific,
    SpecificComparison, SpecificRate, TemplateSimilarities, leak_rates,
};
use crate::results::*;
use crate::stats::{Drift, Interval, PValue};

/// Texts with which a model may break a page.
pub(super) const HOSTILE: [&str; 4] = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)> <!-- ' \" & ]]>",
    "safe\u{202e}txt.exe\u{2066}\u{200f} \u{1b}[31m\0 {{ 7 * 7 }}",
    "\u{2028}\u{feff}blue, but blueish is none",
];

/// A text longer than any row.
pub(super) fn endless() -> String {
    "endless ".repeat(1250)
}

fn interval(lower: f64, upper: f64) -> Option<Interval> {
    Some(Interval { lower, upper })
}

fn model(name: &str, quantization: &str, n_parameters: u64, bits_per_weight: f64) -> ReportModel {
    ReportModel {
        name: name.to_owned(),
        quantization: quantization.to_owned(),
        sha256: "0123456789abcdef".repeat(4),
        architecture: Some("qwen2".to_owned()),
        n_parameters: Some(n_parameters),
        bits_per_weight: Some(bits_per_weight),
        size_bytes: Some(n_parameters * 2),
        licence: Some("Apache-2.0".to_owned()),
    }
}

fn rate(category: Option<&str>, mean_leak_rate: f64, interval: Option<Interval>) -> LeakRate {
    LeakRate {
        category: category.map(str::to_owned),
        mean_leak_rate,
        interval,
        n_pairs: 6,
        n_tied: 1.0,
        n_echoes: 2.0,
        n_clusters: 3,
        is_compared: false,
        specific: None,
        anchors: None,
        fillers: None,
        exact: None,
    }
}

/// A rate whose specificity, with the parts of it by repetition and association, has intervals of 3 points to each side.
fn with_specificity(
    rate: LeakRate,
    [whole, repetition, association]: [f64; 3],
    p: f64,
) -> LeakRate {
    let figure = |value: f64| Figure {
        value,
        standard_error: Some(1.5),
        interval: interval(value - 3.0, value + 3.0),
    };
    let figures = [
        48.0,
        12.0,
        12.0 + association,
        -association,
        whole,
        repetition,
        association,
        5.0,
        4.0,
    ];
    let p_value = PValue {
        value: p,
        n_draws: Some(99_999),
    };
    LeakRate {
        specific: Some(SpecificRate::made_up(
            figures.map(figure).into(),
            Some(p_value),
        )),
        ..rate
    }
}

/// Comparisons with two siblings: all their texts are `margin` farther from the concept, or closer if it is negative.
fn specific(margin: f64, is_echo: bool) -> Option<Specific> {
    let share = if margin > 0.0 { 1.0 } else { 0.25 };
    let repeated = if is_echo { share - 0.5 } else { 0.0 };
    Some(Specific {
        siblings: Some(SiblingFigures {
            n_siblings: 2,
            n_texts: 4,
            placebo: 0.5,
            repetition: repeated,
            specificity: share,
            specificity_repetition: repeated,
            sibling_echo: 0.25,
        }),
        anchor_placebo: None,
        filler_rate: None,
        echo: f64::from(u8::from(is_echo)),
        control_echo: 0.0,
        own_repetition: f64::from(u8::from(is_echo)),
        margin: Some(margin),
    })
}

/// The verdicts with comparisons with siblings, in which they lose a little of their lead over the control.
fn with_specifics(leaks: Vec<ReportLeak>) -> Vec<ReportLeak> {
    let leaks = leaks.into_iter();
    leaks
        .map(|leak| {
            let ReportLeak {
                estimate, texts, ..
            } = leak;
            let (margin, is_echo) = (
                estimate.similarity_shift - 0.05,
                estimate.echo_probability > 0.0,
            );
            ReportLeak {
                estimate: estimate.with_specific(specific(margin, is_echo)),
                texts,
                is_legible: true,
            }
        })
        .collect()
}

/// Verdicts of three pairs by similarity to the test generation; the control's is 0.3.
fn verdicts(texts: [(&str, f64); 6]) -> Vec<ReportLeak> {
    let numbered = texts.into_iter().enumerate();
    numbered
        .map(|(idx, (text, similarity_test))| ReportLeak {
            estimate: PairEstimate::from(&ScoredPair {
                pair_idx: idx / 2,
                repeat_idx: idx as u32 % 2,
                sides: [idx as u32 % 2; 2],
                category: ["color-to-other", "<b>expression</b>"][idx / 4].to_owned(),
                control_prompt_idx: idx / 2,
                similarity_test,
                similarity_control: 0.3,
                leak: Leak::of(similarity_test, 0.3),
                is_echo: text.contains("blue,"),
            }),
            texts: Texts::Generations {
                test: similar(text, similarity_test),
                control: similar("a control", 0.3),
            },
            is_legible: true,
        })
        .collect()
}

fn similar(text: &str, similarity: f64) -> SimilarText {
    SimilarText {
        text: text.to_owned(),
        similarity,
    }
}

fn condition(
    model: ReportModel,
    marks: &[&str],
    leak_rates: Vec<LeakRate>,
    leaks: Vec<ReportLeak>,
) -> ReportCondition {
    ReportCondition {
        name: format!("{}:{}", model.name, model.quantization),
        sampling_label: String::new(),
        wording_label: String::new(),
        mean_over: Vec::new(),
        model,
        marks: marks.iter().map(|mark| (*mark).to_owned()).collect(),
        sampling: [
            ("temperature", "0.5"),
            ("top_k", "0"),
            ("stop", "[\"</pre>\"]"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        leak_rate_without_echoes: Some(rate(
            None,
            leak_rates[0].mean_leak_rate - 1.0,
            leak_rates[0].interval,
        )),
        leak_rates,
        diversity: Some(Diversity {
            n_prompts: 3,
            n_all_equal: 1,
            mean_distinct: 5.0 / 3.0,
            n_texts: 6,
            n_distinct: 5,
        }),
        disagreement: Some(0.25),
        matrix: None,
        leaks,
    }
}

fn comparison(difference: f64, interval: Option<Interval>, holm_p_value: f64) -> Comparison {
    Comparison {
        base_rate: 60.0,
        other_rate: 60.0 + difference,
        difference,
        standard_error: Some(2.0),
        interval,
        naive_interval: interval,
        design_effect: Some(1.5),
        p_value: PValue {
            value: holm_p_value / 2.0,
            n_draws: None,
        },
        holm_p_value,
        n_prompts: 3,
        n_clusters: 3,
        n_base_only: 0,
        n_other_only: 0,
        bounds: None,
        equivalence: None,
        by_category: None,
    }
}

/// The differences by each measure of which the whole is `whole`: two thirds of it by repetition.
fn specific_comparison(whole: f64, holm_p_value: f64) -> SpecificComparison {
    let parts = [1.0, 2.0 / 3.0, 1.0 / 3.0, 0.8, 0.5, 0.3];
    let differences = parts.map(|part| {
        let value = part * whole;
        comparison(value, interval(value - 5.0, value + 5.0), holm_p_value)
    });
    SpecificComparison::made_up(differences.into())
}

/// A comparison, and how far the condition has drifted.
fn other(
    condition_idx: usize,
    name: &str,
    comparison: Comparison,
    [n_to_no_leak, n_to_leak, n_ties_changed, n_unchanged]: [usize; 4],
    drift: Option<Drift>,
) -> ReportComparison {
    let found = ConditionComparison {
        name: name.to_owned(),
        base: "small:F16".to_owned(),
        specific: (condition_idx == 1).then(|| specific_comparison(-10.5, 0.002)),
        comparison: Some(comparison),
        flips: Flips {
            n_to_no_leak,
            n_to_leak,
            n_ties_changed,
            n_unchanged,
        },
        changed: Vec::new(),
        other_metrics: Vec::new(),
        spread: None,
        drift: None,
    };
    ReportComparison {
        condition_idx,
        found,
        drift,
        matrix: None,
    }
}

fn drift(mean_kl: f64) -> Option<Drift> {
    Some(Drift {
        n_prompts: 4,
        mean_kl,
        median_kl: mean_kl,
        max_kl: 3.0 * mean_kl,
        same_top: 0.75,
        mean_rest: 0.01,
    })
}

fn pair(pair_idx: usize, concept: &str, category: &str) -> PairPrompts {
    PairPrompts {
        pair_idx,
        concept: concept.to_owned(),
        category: category.to_owned(),
        template_id: None,
        test_prompt: format!("Her {concept} scarf. She is"),
        control_prompt: "Her scarf. She is".to_owned(),
    }
}

fn run() -> ReportRun {
    ReportRun {
        title: "Run 7".to_owned(),
        command_line: "seep run tiny.yaml".to_owned(),
        facts: vec![("processor".to_owned(), "a processor, 2 cores".to_owned())],
        models: vec![ReportRunModel {
            name: "small:F16".to_owned(),
            schedule: "strict-pad8-vbf16".to_owned(),
            device: "CPU".to_owned(),
            tokenizer: "tokenizers".to_owned(),
            determinism: None,
            n_generated: 0,
            n_reused: 12,
            n_failed: 1,
        }],
    }
}

fn conditions() -> Vec<ReportCondition> {
    let [script, image, turned, echo] = HOSTILE;
    let endless = endless();
    let categories = |rates: [f64; 2]| {
        let first = rate(Some("color-to-other"), rates[0], interval(45.0, 75.0));
        // Of the third model no comparison with other concepts is stored.
        let first = match rates[0] {
            40.0 => first,
            _ => with_specificity(first, [64.0, 12.0, 2.0], 0.02),
        };
        [first, rate(Some("<b>expression</b>"), rates[1], None)]
    };
    let rates = |all: LeakRate, by_category: [f64; 2]| {
        [all].into_iter().chain(categories(by_category)).collect()
    };
    let bland = [
        ("a", 0.4),
        ("a", 0.4),
        ("b", 0.2),
        ("c", 0.3),
        (echo, 0.5),
        (echo, 0.5),
    ];
    vec![
        condition(
            model("small", "F16", 500_000_000, 16.0),
            &[],
            rates(
                with_specificity(
                    rate(None, 62.5, interval(55.0, 70.0)),
                    [61.0, 9.0, 2.0],
                    0.0004,
                ),
                [60.0, 65.0],
            ),
            with_specifics(verdicts(bland)),
        ),
        condition(
            model("small", "Q4_0", 500_000_000, 4.5),
            &["requantized"],
            rates(
                with_specificity(
                    rate(None, 51.25, interval(43.0, 59.5)),
                    [50.5, 0.5, 0.0],
                    0.4,
                ),
                [50.0, 52.5],
            ),
            with_specifics(verdicts([
                (script, 0.2),
                (script, 0.2),
                (image, 0.2),
                (turned, 0.3004),
                (echo, 0.9),
                (&endless, 0.1),
            ])),
        ),
        condition(
            model("large<&>", "Q8_0", 1_500_000_000, 8.5),
            &[],
            rates(rate(None, 40.0, interval(35.0, 45.0)), [40.0, 40.0]),
            verdicts(bland),
        ),
    ]
}

/// The matrix of two templates that share a concept, of which `same` is the similarity to itself.
fn matrix(same: f64) -> ConceptMatrix {
    let template = |concepts: [&str; 2]| TemplateSimilarities {
        category: Some("color-to-other".to_owned()),
        has_siblings: true,
        concepts: concepts.map(str::to_owned).into(),
        similarities: vec![vec![same, 0.1], vec![0.2, same]],
    };
    let templates = [
        template(["blue", "red|.*"]),
        template(["blue", "<b>green</b>"]),
    ];
    ConceptMatrix::new(&templates).expect("there are two concepts in each")
}

/// The report.
pub(super) fn data() -> ReportData {
    let mut data = data_without_matrices();
    let [base, other] = [0.5, 0.45].map(matrix);
    data.comparisons[0].others[0].matrix = Some(ConceptMatrix::difference(&base, &other));
    data.conditions[0].matrix = Some(base);
    data.conditions[1].matrix = Some(other);
    data
}

fn trend() -> ModelTrend {
    ModelTrend {
        model: "small".to_owned(),
        bits_min: 4.5,
        bits_max: 16.0,
        measure: Measure::LeakRate,
        trend: LeakTrend {
            slope: 0.9,
            interval: interval(0.1, 1.7),
            p_value: PValue {
                value: 0.03,
                n_draws: None,
            },
            holm_p_value: 0.03,
            lack_of_fit_p_value: 0.6,
            is_monotone: true,
            contrasts: Vec::new(),
            n_levels: 3,
            n_prompts: 3,
            n_clusters: 3,
        },
    }
}

fn data_without_matrices() -> ReportData {
    ReportData {
        experiment: ReportExperiment {
            name: "tiny <i>".to_owned(),
            question: "Does <script>alert(1)</script> leak?".to_owned(),
            sha256: "fedcba9876543210".repeat(4),
            yaml: Some("name: tiny\nquestion: |\n  </pre><script>alert(1)</script>\n".to_owned()),
            extended_yaml: None,
            messages: vec![ReportMessages {
                wording: String::new(),
                system_message: Some("Continue.\nAt most </pre> five words.".to_owned()),
                user_message: "Her blue scarf. She is ...\nNext words:".to_owned(),
            }],
        },
        metric: "sbert".to_owned(),
        agreements: Vec::new(),
        embedding_model: model("encoder", "F32", 22_000_000, 32.0),
        seed: Some(1),
        n_seeds: 1,
        enumeration: None,
        numerics_note: None,
        cluster_unit: "control prompt".to_owned(),
        concepts: Concepts {
            n: 11,
            are_random: false,
        },
        conditions: conditions(),
        comparisons: vec![BaseComparisons {
            base_idx: 0,
            others: vec![
                other(
                    1,
                    "small:Q4_0",
                    comparison(-11.25, interval(-20.0, -2.5), 0.04),
                    [3, 0, 1, 2],
                    drift(0.0421),
                ),
                other(
                    2,
                    "large<&>:Q8_0",
                    comparison(-2.5, interval(-9.0, 4.0), 0.5),
                    [0, 0, 0, 6],
                    None,
                ),
            ],
        }],
        trends: vec![trend()],
        pairs: vec![
            pair(0, "blue", "color-to-other"),
            pair(1, "red|.*", "color-to-other"),
            pair(2, "blue", "<b>expression</b>"),
        ],
        runs: vec![run()],
        making: Making {
            database: "tiny.sqlite".to_owned(),
            command_line: "seep report -o tiny.html".to_owned(),
            program: "seep 0.1.0 (0123456789ab)".to_owned(),
            flip_seed: 1,
        },
    }
}

fn exact_leak(pair_idx: usize, probability: f64, text: &str) -> ReportLeak {
    let likely = |text: &str, probability| LikelyText {
        text: text.to_owned(),
        probability,
    };
    let is_echo = pair_idx == 2;
    let estimate = PairEstimate::from(&ExactPair {
        pair_idx,
        category: ["color-to-other", "<b>expression</b>"][pair_idx / 2].to_owned(),
        test_prompt_idx: pair_idx,
        control_prompt_idx: 10 + pair_idx,
        leak: ExactLeak {
            probability,
            lower: probability - 0.0125,
            upper: probability + 0.0125,
            tie_probability: 0.125,
            echo_probability: if is_echo { 0.75 } else { 0.0 },
            similarity_shift: probability - 0.5,
            total_variation_lower: 0.5,
            total_variation_upper: 0.6,
            entropy_test: 1.0,
            entropy_control: 0.0,
            covered_test: 0.99,
            covered_control: 1.0,
            test_influences: Vec::new(),
            control_influences: Vec::new(),
        },
    });
    ReportLeak {
        estimate: estimate.with_specific(specific(probability - 0.55, is_echo)),
        texts: Texts::Likely {
            test: vec![likely(text, 0.6), likely("b", 0.39)],
            control: vec![likely("a control", 1.0)],
        },
        is_legible: true,
    }
}

/// The same report with exact rates.
pub(super) fn exact_data() -> ReportData {
    let [script, image, turned, echo] = HOSTILE;
    let mut data = data();
    data.enumeration = Some(EnumerationParams {
        coverage: 0.99,
        max_rows_per_prompt: 100,
        n_tail_draws: 8,
    });
    let leaks = [
        [(0.75, "a"), (0.5, script), (0.875, echo)],
        [(0.25, "a"), (0.625, image), (0.875, echo)],
        [(0.5, turned), (0.5, "c"), (0.25, echo)],
    ];
    for (condition, leaks) in data.conditions.iter_mut().zip(leaks) {
        let leaks = leaks.into_iter().enumerate();
        condition.leaks = leaks
            .map(|(pair_idx, (probability, text))| exact_leak(pair_idx, probability, text))
            .collect();
        let estimates = condition.leaks.iter().map(|leak| leak.estimate.clone());
        condition.leak_rates = leak_rates(&estimates.collect::<Vec<_>>(), &[]);
        condition.leak_rate_without_echoes = None;
        condition.diversity = None;
        condition.disagreement = None;
    }
    for other in data
        .comparisons
        .iter_mut()
        .flat_map(|base| &mut base.others)
    {
        other.found.flips = Flips::default();
        if let Some(found) = &mut other.found.comparison {
            found.bounds = Some(Bounds {
                lower: found.difference - 1.0,
                upper: found.difference + 1.0,
                draw_standard_error: Some(0.05),
            });
        }
    }
    data
}
