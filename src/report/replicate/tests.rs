//! Replications in words, from comparisons written by hand.

use super::rows::{Standing, rows};
use super::*;
use crate::leakage::{
    Claim, Comparison, Concepts, ConditionRate, Figure, Flips, Measure, Origin, SpecificComparison,
    SpecificRate,
};
use crate::results::{
    ComparisonReport, Condition, ConditionComparison, ReplicatedGroup, Replication,
    ReplicationColumn,
};
use crate::stats::{Interval, PValue};

const BASE: &str = "qwen:Q8_0";
const OTHER: &str = "qwen:Q2_K";

/// An interval as wide on both sides of a value.
fn about(value: f64, half_width: f64) -> Option<Interval> {
    Some(Interval {
        lower: value - half_width,
        upper: value + half_width,
    })
}

/// Leaks where its interval leaves out 50.
fn condition(name: &str, specificity: f64) -> Condition {
    let figure = Figure {
        value: specificity,
        standard_error: Some(1.0),
        interval: about(specificity, 2.0),
    };
    let p_value = PValue {
        value: 0.001,
        n_draws: None,
    };
    Condition {
        name: name.to_owned(),
        model: "qwen".to_owned(),
        wording: String::new(),
        mean_over: Vec::new(),
        quantization: String::new(),
        sha256: String::new(),
        bits_per_weight: None,
        requantized_from: None,
        rate: ConditionRate {
            mean_leak_rate: 60.0,
            interval: about(60.0, 4.0),
            n_prompts: 10,
            n_clusters: 5,
        },
        n_repeats: 2,
        n_control_repeats: 2,
        specific: Some(SpecificRate::made_up(
            vec![figure; Measure::OF_SIBLINGS.len()],
            Some(p_value),
        )),
        claim: match specificity > 52.0 {
            true => Claim::Leaks(Origin::Unclear),
            false => Claim::CannotTell,
        },
        exact: None,
    }
}

fn difference(points: f64) -> Comparison {
    let p_value = PValue {
        value: 0.01,
        n_draws: None,
    };
    Comparison {
        base_rate: 50.0,
        other_rate: 50.0 + points,
        difference: points,
        standard_error: Some(1.0),
        interval: about(points, 2.0),
        naive_interval: None,
        design_effect: None,
        holm_p_value: p_value.value,
        p_value,
        n_prompts: 10,
        n_clusters: 5,
        n_base_only: 0,
        n_other_only: 0,
        bounds: None,
        equivalence: None,
        by_category: None,
    }
}

/// A comparison with these specificities and differences of specificity and Leak-Rate.
fn report(specificities: [f64; 2], specificity: f64, leak_rate: f64) -> ComparisonReport {
    let differences = vec![difference(specificity); Measure::COMPARED.len()];
    ComparisonReport {
        experiment: "colors".to_owned(),
        experiment_sha256: "ab".repeat(32),
        database: "a.sqlite".to_owned(),
        metric: "sbert".to_owned(),
        embedding_model: "encoder".to_owned(),
        seed: 1,
        unit: "control prompt".to_owned(),
        concepts: Concepts {
            n: 3,
            are_random: false,
        },
        flip_seed: 1,
        enumeration: None,
        numerics_note: None,
        base: BASE.to_owned(),
        conditions: vec![
            condition(BASE, specificities[0]),
            condition(OTHER, specificities[1]),
        ],
        comparisons: vec![ConditionComparison {
            name: OTHER.to_owned(),
            base: BASE.to_owned(),
            comparison: Some(difference(leak_rate)),
            specific: Some(SpecificComparison::made_up(differences)),
            drift: None,
            spread: None,
            flips: Flips::default(),
            changed: Vec::new(),
            other_metrics: Vec::new(),
        }],
        base_disagreement: None,
        trends: Vec::new(),
        agreements: Vec::new(),
    }
}

fn column(database: &str, seed: u64) -> ReplicationColumn {
    ReplicationColumn {
        database: database.to_owned(),
        experiment_sha256: "ab".repeat(32),
        seed,
        numerics_idx: 1,
        llama_cpp_version: "b10252".to_owned(),
        machines: vec!["a processor, AVX2 = 1, CPU".to_owned()],
    }
}

fn replication(columns: Vec<ReplicationColumn>, reports: Vec<ComparisonReport>) -> Replication {
    let n_pooled = reports.len();
    Replication {
        experiment: "colors".to_owned(),
        metric: "sbert".to_owned(),
        embedding_model: "encoder".to_owned(),
        unit: "control prompt".to_owned(),
        n_pairs: 10,
        columns,
        groups: vec![ReplicatedGroup {
            names: vec![BASE.to_owned(), OTHER.to_owned()],
            pooled: Some(report([51.0, 54.0], 3.0, 1.0)),
            reports: reports.into_iter().map(Some).collect(),
            n_pooled,
        }],
    }
}

fn three() -> Replication {
    replication(
        vec![
            column("a.sqlite", 1),
            column("a.sqlite", 2),
            column("b.sqlite", 1),
        ],
        vec![
            report([51.0, 54.0], 3.0, 7.6),
            report([51.0, 55.0], 4.0, -1.0),
            report([51.0, 53.0], 2.5, -3.9),
        ],
    )
}

#[test]
fn an_answer_stands_where_all_claim_the_same() {
    let found = three();
    let standings: Vec<(String, Standing)> = rows(&found)
        .iter()
        .map(|row| (row.clause(None), row.standing()))
        .collect();
    let words = standings
        .iter()
        .map(|(question, standing)| format!("{question}? {}\n", standing.words()));
    assert_eq!(
        words.collect::<String>(),
        "if qwen:Q8_0 leaks? cannot tell: 3 of 3\n\
         if qwen:Q2_K leaks? stands: 3 of 3\n\
         if qwen:Q2_K leaks more or less than qwen:Q8_0? stands: 3 of 3\n\
         if qwen:Q2_K has more or less specific leakage than qwen:Q8_0? stands: 3 of 3\n\
         if qwen:Q2_K has a higher or lower Leak-Rate than qwen:Q8_0? does not: higher in 1, lower in 1, cannot tell in 1\n"
    );
}

#[test]
fn the_table_ends_with_what_stands() {
    let text = replication_table(&three());
    for expected in [
        "colors: sbert of encoder, 10 prompt pairs, clusters by control prompt\n  seed 1, a.sqlite: a.sqlite (experiment abababababab), llama.cpp b10252, a processor\n",
        "54.0 (52.0 to 56.0) leaks",
        "+3.0 (+1.0 to +5.0) more",
        "-1.0 (-3.0 to +1.0) cannot tell",
        "\n  against qwen:Q8_0   specific leakage   ",
        "\nStands every time: qwen:Q2_K leaks; qwen:Q2_K leaks more than qwen:Q8_0; qwen:Q2_K has more specific leakage than qwen:Q8_0.\n\
         Does not stand: if qwen:Q2_K has a higher or lower Leak-Rate than qwen:Q8_0 (higher in 1, lower in 1, cannot tell in 1).\n\
         Cannot be told any time: if qwen:Q8_0 leaks.\n",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&replication_json(&three())).unwrap();
    let conclusions = json["conclusions"].as_array().unwrap();
    let leak_rate = &conclusions[4];
    assert_eq!(leak_rate["figure"], "mean_leak_rate");
    assert_eq!(leak_rate["standing"], "does not stand");
    assert_eq!(leak_rate["columns"][2]["verdict"], "lower");
    assert_eq!(json["columns"][2]["name"], "seed 1, b.sqlite");
    assert_eq!(json["in_words"].as_array().unwrap().len(), 3);
}

#[test]
fn what_was_seen_once_stands_for_nothing() {
    let found = replication(
        vec![column("a.sqlite", 1)],
        vec![report([54.0, 58.0], 4.0, 7.6)],
    );
    let rows = rows(&found);
    assert!(rows.iter().all(|row| row.standing() == Standing::Once));
    assert!(replication_table(&found).ends_with("the database of another machine.\n"));
}
