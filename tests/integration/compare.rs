//! `seep compare` on a database that the harness fills: three quantizations, of which the smallest leaks more.

use seep::store::Store;
use serde_json::Value;

use crate::harness::{Ran, TestEnv};

fn compare(env: &TestEnv, arguments: &str) -> Ran {
    env.seep(&format!("compare --db filled.sqlite {arguments}"))
}

fn document(ran: &Ran) -> Value {
    assert_eq!(ran.exit_code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_ladder_is_compared_with_its_base() {
    let env = TestEnv::filled();
    let ran = compare(&env, "tiny:q8_0 tiny:Q4_0 tiny:Q2_K --flips 1");
    assert_eq!((ran.exit_code, ran.stderr.as_str()), (Some(0), ""));
    for expected in [
        "tiny:Q4_0: cannot tell at this size if it leaks more or less than tiny:Q8_0; a difference of the Mean Leak-Rate of ",
        "tiny:Q2_K has a Mean Leak-Rate higher than tiny:Q8_0, by 41.7 points (95 % interval ",
        "tiny over 3 levels from 2.60 to 8.50 bits per weight, 24 prompts: the Mean Leak-Rate does not follow a straight line over bits (p ",
        "): from 2.60 to 4.50 bits it falls by 41.7 points (95 % interval ",
        "; from 4.50 to 8.50 bits cannot tell, +0.0 points (95 % interval ",
        "Two repeats under tiny:Q8_0 itself differ in 70.8 % of cases",
        "blue (color-to-color): His blue scarf, number 1, was",
        "1x leak, 2x no leak   3x leak",
    ] {
        let text = &ran.stdout;
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let found = document(&compare(
        &env,
        "tiny:Q8_0 tiny:Q2_K --format json --unit template",
    ));
    let comparison = &found["comparisons"][0];
    assert_eq!(found["cluster_unit"], "template");
    assert_eq!(comparison["difference"]["n_clusters"], 8);
    assert_eq!(comparison["flips"]["no_leak_to_leak"], 30);
}

#[test]
fn swapped_conditions_negate_the_difference() {
    let env = TestEnv::filled();
    let difference = |conditions: &str| {
        let found = document(&compare(&env, &format!("{conditions} --format json")));
        let difference = &found["comparisons"][0]["difference"];
        ["points", "p_value"].map(|name| difference[name].as_f64().unwrap())
    };
    let there = difference("tiny:Q8_0 tiny:Q2_K");
    let back = difference("tiny:Q2_K tiny:Q8_0");
    assert!((there[0] + back[0]).abs() < 1e-9, "{there:?} {back:?}");
    assert_eq!(there[1], back[1]);
}

#[test]
fn equivalence_and_categories_are_asked_of_what_is_stored() {
    let env = TestEnv::filled();
    let words = "tiny:Q8_0 tiny:Q4_0 tiny:Q2_K --format json";
    let without = document(&compare(&env, words));
    let found = document(&compare(&env, &format!("{words} --margin 50")));
    let test = |comparison_idx: usize| {
        assert!(
            without["comparisons"][comparison_idx]
                .get("equivalence")
                .is_none()
        );
        found["comparisons"][comparison_idx]["equivalence"]["mean_leak_rate"].clone()
    };
    assert_eq!(test(0)["is_equivalent"], true);
    for comparison_idx in [0, 1] {
        let [p, holm] = ["p_value", "holm_p_value"].map(|name| test(comparison_idx)[name].as_f64());
        assert!(p <= holm && holm <= Some(1.0));
        let by = &found["comparisons"][comparison_idx]["by_category"]["mean_leak_rate"];
        assert_eq!(by["differences"].as_array().unwrap().len(), 2, "{by}");
        assert!(by["holm_p_value"].as_f64().unwrap() > 0.05, "{by}");
    }
    let spread = &found["comparisons"][1]["spread"];
    for name in ["similarity_shift", "entropy_test", "distinct_test"] {
        assert!(
            spread[name].is_number() && spread[format!("{name}_interval")].is_object(),
            "{spread}"
        );
    }
    let ran = compare(&env, "tiny:Q8_0 tiny:Q4_0 --margin 51");
    assert_eq!(ran.exit_code, Some(2));
    let expected = "`--margin` is 51, expected a number above 0, at most 50";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let env = TestEnv::filled();
    let empty = TestEnv::empty();
    let refused = |env: &TestEnv, arguments: &str, expected: &str| {
        let ran = compare(env, arguments);
        assert_eq!((ran.exit_code, ran.stdout.as_str()), (Some(2), ""));
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    };
    refused(
        &env,
        "tiny:Q8_0 tiny:Q3_K",
        "hint: did you mean `tiny:Q2_K`? there are leaks of tiny:Q2_K, tiny:Q4_0, tiny:Q8_0",
    );
    let words = "tiny:Q8_0 tiny:Q2_K";
    refused(&empty, words, "there is no database `filled.sqlite`");
    assert_eq!(empty.files(), [""; 0]);
    Store::open(&empty.path("filled.sqlite")).unwrap();
    refused(&empty, words, "holds no leaks yet");
}
