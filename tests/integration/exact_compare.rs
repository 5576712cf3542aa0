//! Exact leak rates of several conditions: `seep compare`, `seep drift` and `seep plan` where continuations were enumerated.
//!
//! Owns that figures agree with the database, and that exact rates and rates of repeats are never mixed. What a run
//! enumerates is tested in `exact`.

use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;

const DB: &str = "db/seep.sqlite";

/// Three templates and a pair, for these models.
fn text(name: &str, models: &[&str], is_exact: bool) -> String {
    let mut file = ExperimentFile {
        name: name.to_owned(),
        max_tokens: 4,
        repeats: 3,
        ..ExperimentFile::tiny(3, 3)
    };
    file.models = models.iter().map(|&model| model.to_owned()).collect();
    let mode = if is_exact {
        "  mode: exact\n  coverage: 0.9\n  max_rows_per_prompt: 40\n"
    } else {
        ""
    };
    file.text()
        .replace("  top_k: 0\n", &format!("  top_k: 8\n{mode}"))
}

const LADDER: [&str; 2] = [
    "{path: a.gguf}",
    "{path: a.gguf, quantizations: {to: [q8_0, q4_0]}}",
];

fn number(value: &Value, name: &str) -> f64 {
    value[name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

/// The cells of a column of a CSV file, by the column's name.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let column_idx = headers.iter().position(|header| header == name).unwrap();
    let rows = reader.records();
    rows.map(|row| row.unwrap()[column_idx].to_owned())
        .collect()
}

#[test]
fn exact_rates_are_reported_and_exported() {
    let env = TestEnv::with_tiny_models();
    env.write("x.yaml", &text("tiny", &LADDER, true));
    env.seep("run x.yaml").ok();
    let words = "compare a:F32 a:Q8_0-from-F32 a:Q4_0-from-F32 --format json";
    let compared = env.seep(words).ok().json();
    let rate = number(&compared["conditions"][0], "mean_leak_rate");
    env.seep("report -o page.html").ok();
    let page = std::fs::read_to_string(env.path("page.html")).unwrap();
    let json = page.split("id=\"rows-json\">").nth(1).unwrap();
    let rows: Value = serde_json::from_str(json.split("</script>").next().unwrap()).unwrap();
    assert_eq!(rows["is_exact"], true);
    let pairs = rows["pairs"].as_array().unwrap();
    let leak = |pair: &Value| pair["groups"][0][0].as_f64().unwrap() / 1e4;
    let mean = pairs.iter().map(leak).sum::<f64>() / pairs.len() as f64;
    assert!((100.0 * mean - rate).abs() < 0.01, "{mean} {rate}");
    for expected in [
        "Its Mean Leak-Rate over all pairs is ",
        "certainly",
        "continuations enumerated to a coverage of 0.9",
        "repetition_penalty",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    let exported = |table: &str| {
        let words = format!("export --table {table} --format csv -o -");
        env.seep(&words).ok().stdout
    };
    let rates = exported("rates");
    assert!(column(&rates, "rates").iter().all(|kind| kind == "exact"));
    let of_file: f64 = column(&rates, "mean_leak_rate")[0].parse().unwrap();
    assert!((of_file - rate).abs() < 1e-9);
    let differences = exported("comparisons");
    assert_eq!(column(&differences, "rates"), ["exact"; 3]);
    let points: f64 = column(&differences, "difference")[0].parse().unwrap();
    let expected = number(&compared["comparisons"][0]["difference"], "points");
    assert!((points - expected).abs() < 1e-9);
    assert_eq!(column(&differences, "n_to_leak"), [""; 3]);
    let record = env.record(DB);
    for (table, sql) in [
        ("exact_leaks", "SELECT count(*) FROM exact_leaks"),
        ("continuations", "SELECT count(*) FROM continuations"),
    ] {
        let n_rows = column(&exported(table), "model").len();
        assert_eq!(n_rows as i64, record.value::<i64>(sql), "{table}");
    }
    env.write("r.yaml", &text("tiny", &["{path: a.gguf}"], false));
    env.seep("run r.yaml").ok();
    let ran = env.seep("report -o both.html");
    assert_eq!(ran.exit_code, Some(0), "{ran:?}");
    assert!(
        !std::fs::read_to_string(env.path("both.html"))
            .unwrap()
            .contains("Exact Mean")
    );
}

#[test]
fn exact_rates_are_compared_with_their_bounds_and_drift() {
    let env = TestEnv::with_tiny_models();
    env.write("x.yaml", &text("tiny", &LADDER, true));
    let run = env.seep("run x.yaml --format json").ok().json();
    let words = "compare a:F32 a:Q8_0-from-F32 a:Q4_0-from-F32";
    let found = env.seep(&format!("{words} --format json")).ok().json();
    assert_eq!(found["rates"], "exact");
    assert_eq!(found["enumeration"]["max_rows_per_prompt"], 40);
    let record = env.record(DB);
    let mean = "SELECT 100 * avg(leak_probability) FROM v_exact_leaks WHERE model_id =
        (SELECT id FROM models WHERE quantization = 'F32' AND label = 'a')";
    let base = &found["conditions"][0];
    assert!((record.value::<f64>(mean) - number(base, "mean_leak_rate")).abs() < 1e-9);
    assert_eq!(base["n_repeats"], Value::Null);
    for (idx, comparison) in found["comparisons"].as_array().unwrap().iter().enumerate() {
        let (difference, exact) = (&comparison["difference"], &comparison["exact"]);
        let points = number(difference, "points");
        assert!(number(exact, "lower") <= points && points <= number(exact, "upper"));
        assert!(number(difference, "holm_p_value") >= number(difference, "p_value"));
        // What `seep run` prints of the same two.
        let of_run = &run["exact_differences"][idx];
        for name in ["lower", "upper"] {
            assert!((number(of_run, name) - number(exact, name)).abs() < 1e-9);
        }
        assert!((number(of_run, "difference") - points).abs() < 1e-9);
        assert_eq!(comparison["drift"], run["drifts"][idx]);
        assert!(number(&comparison["drift"], "mean_kl") > 0.0);
    }
    let moved = &found["comparisons"][1]["exact"]["moved_pairs"][0];
    let sides = [&moved["base"], &moved["other"]].map(|side| number(side, "leak_probability"));
    assert!((sides[1] - sides[0] - number(moved, "change")).abs() < 1e-12);
    assert!(!moved["base"]["test_texts"].as_array().unwrap().is_empty());
    let table = env.seep(words).ok().stdout;
    for expected in [
        "certainly",
        "Exact leak rates: continuations enumerated up to 90 % of the probability, within 40 rows a prompt.",
        "Drift from a F32",
        "Trends:\n",
        "the Mean Leak-Rate",
        "Largest changes of the leak probability from a:F32 to a:Q4_0-from-F32, one for each control prompt:",
    ] {
        assert!(table.contains(expected), "{expected:?} is not in\n{table}");
    }
    assert!(!table.contains("flips from") && !table.contains("Repeats"));
}

#[test]
fn drift_of_exact_runs_scores_nothing() {
    let env = TestEnv::with_tiny_models();
    env.write("x.yaml", &text("tiny", &LADDER, true));
    env.seep("run x.yaml").ok();
    let record = env.record(DB);
    // As for repeats: 9 filled templates with 3 controls, and a pair, for each of three models.
    let n_distributions = "SELECT count(*) FROM next_token_distributions";
    assert_eq!(record.value::<u32>(n_distributions), 3 * 14);
    let exact = env.seep("drift x.yaml --format json").ok().json();
    assert_eq!(exact["drifts"].as_array().unwrap().len(), 2);
    assert_eq!(exact["drifts"][0]["scores"], Value::Null);
    // Repeats of the same prompts have the same distributions.
    env.write("y.yaml", &text("other", &LADDER, false));
    let repeats = env
        .seep("run y.yaml --db other.sqlite --format json")
        .ok()
        .json();
    assert_eq!(
        exact["drifts"][1]["mean_kl"],
        repeats["drifts"][1]["mean_kl"]
    );
    let part = text("tiny", &["{path: a.gguf}", "{path: b.gguf}"], true);
    env.write("z.yaml", &part);
    let none = env.seep("drift z.yaml").with_code(2);
    let expected = "no next-token distributions of a F32 and another model are stored";
    assert!(none.stderr.contains(expected), "{}", none.stderr);
}

#[test]
fn exact_rates_and_rates_of_repeats_are_not_mixed() {
    let env = TestEnv::with_tiny_models();
    let (a, b) = ("{path: a.gguf}", "{path: b.gguf}");
    env.write("exact.yaml", &text("exact", &[a], true));
    env.write("repeats.yaml", &text("repeats", &[b], false));
    env.seep("run exact.yaml").ok();
    env.seep("run repeats.yaml").ok();
    let refused = |arguments: &str, expected: &str| {
        let ran = env.seep(&format!("compare {arguments}")).with_code(2);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    };
    refused(
        "a b",
        "an exact rate is not compared with one of repeats: exact leaks alone are stored of `a`, leaks of repeats alone of `b`\n\
         hint: run one experiment with all of them",
    );
    env.write("exact-both.yaml", &text("exact-both", &[a, b], true));
    env.seep("run exact-both.yaml").ok();
    let ran = env.seep("compare a b --format json").ok();
    assert_eq!(ran.json()["rates"], "exact");
    let note = "comparing exact leaks; the leaks of repeats of b are left out";
    assert!(ran.stderr.contains(note), "{}", ran.stderr);
    env.write("repeats-both.yaml", &text("repeats-both", &[a, b], false));
    env.seep("run repeats-both.yaml").ok();
    refused(
        "a b",
        "these conditions have leaks of repeats and exact leaks\nhint: choose with `--rates repeats` or `--rates exact`",
    );
    for kind in ["exact", "repeats"] {
        let ran = env.seep(&format!("compare a b --rates {kind} --format json"));
        assert_eq!(ran.ok().json()["rates"], kind);
    }
}

#[test]
fn a_plan_tells_what_enumerating_takes() {
    let env = TestEnv::with_tiny_models();
    env.write("x.yaml", &text("tiny", &["{path: a.gguf}"], true));
    let plan = |from: &str| {
        let plan = env.seep("plan x.yaml --limit 9 --format json").ok().json();
        let cost = plan["models"][0]["cost"].clone();
        assert_eq!(cost["seconds_from"], from, "{plan}");
        (number(&plan["models"][0], "n_missing"), cost)
    };
    let (n_missing, cost) = plan("warm-up");
    assert!(number(&cost, "seconds") > 0.0);
    // 40 rows, and 3 draws of the tail of 4 tokens at most.
    assert_eq!(number(&cost, "n_tokens_max"), n_missing * 52.0);
    env.seep("run x.yaml --limit 4").ok();
    let (fewer, _) = plan("run 1");
    assert!(fewer < n_missing);
}
