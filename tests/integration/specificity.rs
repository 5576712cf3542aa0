//! Placebo and specificity of whole runs: exact figures against many repeats, families, fillers, runs with a limit.
//!
//! Owns the comparison of both methods. The figures of single pairs are tested where they are defined.

use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;

const DB: &str = "db/seep.sqlite";

/// An experiment of three templates and four concepts whose continuations can be enumerated.
fn experiment(repeats: u32) -> ExperimentFile {
    ExperimentFile {
        max_tokens: 2,
        repeats,
        probabilities: "  temperature: 0.8\n  top_k: 4\n  top_p: 1.0\n  min_p: 0.0\n  repetition_penalty: 1.0\n"
            .to_owned(),
        ..ExperimentFile::tiny(3, 4)
    }
}

fn number(rate: &Value, name: &str) -> f64 {
    rate[name]
        .as_f64()
        .unwrap_or_else(|| panic!("{name} of {rate}"))
}

const FIGURES: [&str; 8] = [
    "placebo_rate",
    "specific_leakage",
    "repetition",
    "association",
    "specificity",
    "specificity_repetition",
    "echo_over_control",
    "echo_over_siblings",
];

/// Everything is enumerated, so the exact figures are the expectations of those of repeats.
#[test]
fn exact_figures_are_those_of_many_repeats() {
    let n_repeats = 4000;
    let env = TestEnv::with_tiny_models();
    env.experiment(&experiment(n_repeats));
    let drawn = env.seep("run x.yaml --format json").ok().json();
    let text = experiment(5).text().replace(
        "  top_k: 4\n",
        "  top_k: 4\n  mode: exact\n  coverage: 1.0\n  max_rows_per_prompt: 100\n",
    );
    env.write("exact.yaml", &text);
    let exact = env.seep("run exact.yaml --format json").ok().json();
    let (drawn, exact) = (&drawn["leak_rates"][0], &exact["exact_leak_rates"][0]);
    assert!(number(exact, "coverage_min") > 1.0 - 1e-9);
    assert_eq!(exact["n_pairs_with_siblings"], 12);
    assert_eq!(drawn["n_pairs_with_siblings"], 12 * 5 * n_repeats);
    for name in FIGURES {
        let difference = (number(drawn, name) - number(exact, name)).abs();
        // Four standard errors of a mean of verdicts between the three controls' repeats and one test's.
        let bound = 400.0 * 0.5 / f64::from(3 * n_repeats).sqrt();
        assert!(
            difference < bound,
            "{name}: {difference} of at most {bound}"
        );
    }
    let parts = number(exact, "repetition") + number(exact, "association");
    assert!((parts - number(exact, "specific_leakage")).abs() < 1e-9);
}

#[test]
fn concepts_of_one_family_are_no_placebo_for_each_other() {
    let env = TestEnv::with_tiny_models();
    let text = experiment(3).text();
    env.write("x.yaml", &text);
    env.seep("run x.yaml").ok();
    let siblings = "SELECT DISTINCT n_siblings FROM specificities ORDER BY n_siblings";
    assert_eq!(env.record(DB).column::<i64>(siblings), [0, 3]);
    let with_families = text.replace(
        "concepts:",
        "concept_families: {warm: [red, yellow]}\nconcepts:",
    );
    env.write("f.yaml", &with_families);
    let json = env
        .seep("run f.yaml --db f.sqlite --format json")
        .ok()
        .json();
    assert_eq!(env.record("f.sqlite").column::<i64>(siblings), [0, 2, 3]);
    let scored = env.seep("score --db f.sqlite --format json").ok().json();
    assert_eq!(scored[0]["leak_rates"], json["leak_rates"]);
}

/// A run with a limit compares fewer pairs, and must not put its figures in the place of better ones.
#[test]
fn a_limit_takes_no_sibling_away() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&experiment(3));
    env.seep("run x.yaml").ok();
    let all = |env: &TestEnv| {
        let rows = "SELECT json_array(condition_id, pair_idx, repeat_idx, n_sibling_texts, placebo, specificity)
            FROM specificities UNION ALL
            SELECT json_array(condition_id, pair_idx, held_pair_idx, n_texts, similarity) FROM concept_similarities";
        env.record(DB).column::<String>(rows)
    };
    let before = all(&env);
    env.seep("run x.yaml --limit 2").ok();
    env.seep("run x.yaml --repeats 1").ok();
    assert_eq!(all(&env), before);
}

#[test]
fn fillers_say_what_any_modifier_does() {
    let env = TestEnv::with_tiny_models();
    let text = experiment(3).text();
    env.write(
        "x.yaml",
        &text.replace("concepts:", "fillers: [new, woollen]\nconcepts:"),
    );
    let ran = env.seep("run x.yaml --format json").ok().json();
    let fillers = &ran["leak_rates"][0]["fillers"];
    assert_eq!(fillers["n_pairs"], 108);
    // By hand from what is stored: each filler's verdict against the same control by each concept's similarity.
    let rates = "SELECT avg(filler_rate) FROM specificities WHERE filler_rate IS NOT NULL";
    let mean: f64 = env.record(DB).value(rates);
    assert!((number(fillers, "rate") - 100.0 * mean).abs() < 1e-9);
    let n_stored = "SELECT count(*) FROM v_generations JOIN experiment_fillers USING (prompt_id)";
    assert_eq!(env.record(DB).value::<i64>(n_stored), 2 * 3 * 3);
    let table = env.seep("run x.yaml").ok().stdout;
    assert!(
        table.contains("With a neutral filler in the slot the rate is "),
        "{table}"
    );
}

/// The ends of an interval.
fn interval(of: &Value, name: &str) -> [f64; 2] {
    let interval = &of[name];
    ["lower", "upper"].map(|end| number(interval, end))
}

/// The flag and the key of the experiment say the same to all commands.
#[test]
fn concepts_are_fixed_unless_they_are_generalised_over() {
    let env = TestEnv::with_tiny_models();
    let text = experiment(5).text();
    env.write("x.yaml", &text);
    env.write("g.yaml", &format!("{text}generalise: concepts\n"));
    let run = |arguments: &str| {
        env.seep(&format!("run {arguments} --format json"))
            .ok()
            .json()
    };
    let fixed = run("x.yaml");
    assert_eq!(
        fixed["concepts"],
        serde_json::json!({"n": 4, "are": "fixed"})
    );
    let random = run("x.yaml --generalise concepts");
    assert_eq!(random["concepts"]["are"], "random");
    assert_eq!(
        run("g.yaml --db g.sqlite")["leak_rates"],
        random["leak_rates"]
    );
    let rate = |run: &Value| interval(&run["leak_rates"][0], "interval");
    let width = |[lower, upper]: [f64; 2]| upper - lower;
    assert!(width(rate(&random)) >= width(rate(&fixed)));
    let scored = |arguments: &str| {
        let scored = env.seep(&format!("score {arguments} --format json")).ok();
        scored.json()[0]["leak_rates"].clone()
    };
    assert_eq!(scored("--generalise concepts"), random["leak_rates"]);
    assert_eq!(scored("--db g.sqlite"), random["leak_rates"]);
    let said = env.seep("run g.yaml --db g.sqlite").ok().stdout;
    assert!(
        said.contains("for other concepts like the 4 here"),
        "{said}"
    );
    let said = env.seep("run x.yaml").ok().stdout;
    assert!(said.contains("for other prompts with these 4 concepts, not for other concepts."));
    env.seep("report -o page.html --generalise concepts").ok();
    let page = std::fs::read_to_string(env.path("page.html")).unwrap();
    assert!(page.contains("for other concepts like the 4 here"));
}

#[test]
fn differences_of_generalised_concepts_are_tested_by_t() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&experiment(5).models(&["a.gguf", "b.gguf"]));
    env.seep("run x.yaml").ok();
    let compare = |flag: &str| env.seep(&format!("compare a b {flag}")).ok();
    let (fixed, random) = (compare("").stdout, compare("--generalise concepts").stdout);
    assert!(fixed.contains("p: by all sign flips"), "{fixed}");
    assert!(random.contains("p: by Student's t"), "{random}");
    let json = |flag: &str| compare(&format!("--format json {flag}")).json();
    let (fixed, random) = (json(""), json("--generalise concepts"));
    let difference = |of: &Value| number(&of["comparisons"][0]["difference"], "points");
    assert_eq!(difference(&fixed), difference(&random));
    assert_eq!(random["concepts"]["are"], "random");
    // An earlier version stored no comparison with each sibling.
    let database = rusqlite::Connection::open(env.path(DB)).unwrap();
    let forget = "UPDATE concept_similarities SET placebo = NULL";
    assert!(database.execute(forget, []).unwrap() > 0);
    let refused = env.seep("compare a b --generalise concepts").with_code(2);
    let expected = "hint: `seep score --experiment";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    compare("");
    env.seep("score").ok();
    compare("--generalise concepts");
}
