//! Several wordings of the messages around the prompts: conditions that are kept apart everywhere, and their mean.

use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;
use crate::record::assert_part;

const DB: &str = "db/seep.sqlite";
const PLAIN: &str = "{name: plain, system: null, user: \"{prompt}\"}";
const BRIEF: &str = "{name: brief, system: \"Be brief.\", user: \"Go on: {prompt}\"}";
const STORY: &str = "{name: story, system: null, user: \"A story: {prompt}\"}";
/// Distinct prompts of [`worded`], five times each.
const N_EACH: usize = 10 * 5;

/// Two templates, three concepts and a pair, 10 prompts, in these wordings.
fn worded(wordings: &[&str]) -> ExperimentFile {
    ExperimentFile {
        wordings: wordings.iter().map(|&item| item.to_owned()).collect(),
        ..ExperimentFile::tiny(2, 3).models(&["a.gguf", "b.gguf"])
    }
}

/// With what `worded` left of the wordings in `db/seep.sqlite`.
fn ran(wordings: &[&str]) -> TestEnv {
    let env = TestEnv::with_tiny_models();
    env.experiment(&worded(wordings));
    env.seep("run x.yaml").ok();
    env
}

fn items(json: &Value) -> &Vec<Value> {
    json.as_array().unwrap()
}

#[test]
fn wordings_are_kept_apart_and_nothing_is_made_twice() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&worded(&[PLAIN, BRIEF]));
    let first = env.seep("run x.yaml").ok();
    let loadings = first.stderr.matches("a F32: loading").count();
    assert_eq!(loadings, 1, "{}", first.stderr);
    let record = env.record(DB);
    record.check_integrity();
    assert_eq!(record.n_generations(), 4 * N_EACH);
    let n_leaks =
        "SELECT n_leaks || ' ' || wording FROM v_conditions ORDER BY model_id, wording_id";
    let expected = ["175 plain", "175 brief", "175 plain", "175 brief"];
    assert_eq!(record.column::<String>(n_leaks), expected);
    let strays: i64 = record.value(
        "SELECT count(*) FROM v_leaks JOIN wordings ON wordings.name = v_leaks.wording
             JOIN v_generations ON generation_id IN (test_generation_id, control_generation_id)
         WHERE v_generations.user_message NOT IN (
             replace(wordings.user_message, '{prompt}', test_prompt),
             replace(wordings.user_message, '{prompt}', control_prompt))
             OR v_generations.system_message IS NOT wordings.system_message",
    );
    assert_eq!(strays, 0);
    let clusters = "SELECT DISTINCT n_clusters FROM v_leak_rates WHERE category IS NULL";
    assert_eq!(record.column::<i64>(clusters), [3]);
    let before = record.rows();
    // A third is added, the second has another name and comes first.
    let renamed = BRIEF.replace("name: brief", "name: short");
    env.experiment(&worded(&[&renamed, PLAIN, STORY]));
    let json = env.seep("run x.yaml --format json").ok().json();
    let counts = items(&json["models"]).iter().map(|model| {
        let count = |name: &str| model[name].as_u64().unwrap();
        let wording = model["wording"].as_str().unwrap().to_owned();
        (wording, count("n_generated"), count("n_reused"))
    });
    let n_each = N_EACH as u64;
    let of_model = [
        ("short", 0, n_each),
        ("plain", 0, n_each),
        ("story", n_each, 0),
    ];
    let of_model = of_model.map(|(name, made, reused)| (name.to_owned(), made, reused));
    let expected = [of_model.clone(), of_model].concat();
    assert_eq!(counts.collect::<Vec<_>>(), expected);
    assert_part(&before, &env.record(DB).rows());
}

/// Both the table of a run and that of scoring what it stored.
#[test]
fn rates_stand_by_wording_with_their_mean_below() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&worded(&[PLAIN, BRIEF]));
    let ran = env.seep("run x.yaml").ok();
    let scored = env.seep("score").ok();
    for shown in [&ran.stdout, &scored.stdout] {
        let rows = shown
            .lines()
            .filter(|line| line.contains(" all   ") && line.contains("32.00"));
        let named = ["plain", "brief", "mean over 2 wordings"];
        let wordings = rows.map(|row| named.into_iter().find(|name| row.contains(name)));
        let wordings: Vec<&str> = wordings.flatten().collect();
        assert_eq!(wordings, [named, named].concat(), "{shown}");
        for expected in [
            "Mean over these 2 wordings (plain, brief)",
            "a: specificity ranges over 2 wordings under one quantization by ",
            "a: the Mean Leak-Rate ranges over 2 wordings under one quantization by ",
        ] {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
    }
    env.experiment(&worded(&[PLAIN]));
    let alone = env.seep("run x.yaml").ok().stdout;
    for absent in ["plain", "wording"] {
        assert!(!alone.contains(absent), "{absent}: {alone}");
    }
}

/// By hand from the verdicts: the mean over pairs of their means over wordings of those over repeats.
#[test]
fn the_mean_over_wordings_is_that_of_the_pairs() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&worded(&[PLAIN, BRIEF, STORY]));
    let json = env.seep("run x.yaml --format json").ok().json();
    let record = env.record(DB);
    let means = items(&json["wording_means"]).iter();
    let mut means = means.filter(|rate| rate["model"] == "a" && rate["category"].is_null());
    let found = means.next().unwrap();
    assert_eq!(
        found["mean_over"],
        serde_json::json!(["plain", "brief", "story"])
    );
    assert_eq!(
        (&found["n_pairs"], &found["n_clusters"]),
        (&Value::from(7), &Value::from(3))
    );
    let by_hand = |table: &str, value: &str| -> f64 {
        record.value(&format!(
            "SELECT 100.0 * avg(of_pair) FROM (
                 SELECT avg(of_wording) AS of_pair FROM (
                     SELECT pair_idx, avg({value}) AS of_wording
                     FROM conditions JOIN {table} ON {table}.condition_id = conditions.id
                     WHERE model_id = (SELECT min(model_id) FROM conditions) GROUP BY pair_idx, wording_id
                 ) WHERE of_wording IS NOT NULL GROUP BY pair_idx
             )"
        ))
    };
    for (name, expected) in [
        ("mean_leak_rate", by_hand("leaks", "leak")),
        ("placebo_rate", by_hand("specificities", "placebo")),
        ("specificity", by_hand("specificities", "specificity")),
    ] {
        let figure = found[name].as_f64().unwrap();
        assert!(
            (figure - expected).abs() < 1e-9,
            "{name}: {figure} {expected}"
        );
    }
    assert!(found["interval"]["lower"].as_f64() < found["interval"]["upper"].as_f64());
    assert!(found["specificity_p"].is_number(), "{found}");
}

#[test]
fn like_is_compared_with_like() {
    let env = ran(&[PLAIN, BRIEF]);
    let json = |words: [&str; 2]| {
        let mut command = env.command("compare --format json");
        env.run(command.args(words)).ok().json()
    };
    let found = json(["a:F32", "b:F32"]);
    assert_eq!(found["base"], "a:F32");
    // A drift is that of two files.
    let drifts = items(&found["comparisons"])
        .iter()
        .filter(|it| it["drift"].is_object());
    assert_eq!(drifts.count(), 1);
    let names = |found: &Value| {
        let comparisons = items(&found["comparisons"]).iter();
        let names = comparisons
            .map(|it| [&it["base"], &it["name"]].map(|it| it.as_str().unwrap().to_owned()));
        names.collect::<Vec<_>>()
    };
    let expected = [
        ["a:F32 plain", "b:F32 plain"],
        ["a:F32 brief", "b:F32 brief"],
        ["a:F32 mean over 2 wordings", "b:F32 mean over 2 wordings"],
    ];
    assert_eq!(names(&found), expected);
    let points = |idx: usize| {
        found["comparisons"][idx]["difference"]["points"]
            .as_f64()
            .unwrap()
    };
    assert!((points(2) - (points(0) + points(1)) / 2.0).abs() < 1e-9);
    // Each is what it is by itself.
    let alone = json(["a:F32 brief", "b:F32 brief"]);
    assert_eq!(
        alone["comparisons"][0]["difference"],
        found["comparisons"][1]["difference"]
    );
    assert_eq!(items(&alone["comparisons"]).len(), 1);
    // Two wordings of one file.
    let both = json(["a:F32 plain", "a:F32 brief"]);
    assert_eq!(names(&both), [["a:F32 plain", "a:F32 brief"]]);
    assert_eq!(items(&both["conditions"]).len(), 2);
    let table = env
        .run(env.command("compare").args(["a:F32", "b:F32"]))
        .ok()
        .stdout;
    for expected in [
        "against a:F32 ",
        "b:F32 mean over 2 wordings",
        "Mean over these 2 wordings",
    ] {
        assert!(table.contains(expected), "{expected}: {table}");
    }
}

/// Like is compared with like under each seed, and a wording is known by its messages.
#[test]
fn wordings_and_their_means_are_replicated() {
    let env = ran(&[PLAIN, BRIEF]);
    env.seep("run x.yaml --seed 2").ok();
    let found = env
        .seep("replicate tiny --base a:F32 --format json")
        .ok()
        .json();
    let rows = items(&found["conclusions"]).iter();
    let rows = rows.filter(|it| it["figure"] == "mean_leak_rate" && it["base"].is_string());
    let rows: Vec<&Value> = rows.collect();
    let names = rows.iter().map(|it| it["condition"].as_str().unwrap());
    let expected = ["b:F32 plain", "b:F32 brief", "b:F32 mean over 2 wordings"];
    assert_eq!(names.collect::<Vec<_>>(), expected);
    assert_eq!(rows[2]["base"], "a:F32 mean over 2 wordings");
    let of_row = |row: &Value| {
        let cells = [&row["columns"][0], &row["columns"][1], &row["pooled"]];
        cells.map(|cell| cell["value"].as_f64().unwrap())
    };
    let [plain, brief, mean] = [0, 1, 2].map(|place| of_row(rows[place]));
    for (place, mean) in mean.into_iter().enumerate() {
        let expected = (plain[place] + brief[place]) / 2.0;
        assert!((mean - expected).abs() < 1e-9, "{mean} is not {expected}");
    }
    env.experiment(&worded(&[PLAIN, &BRIEF.replace("Be brief", "Be quick")]));
    env.seep("run x.yaml --db other.sqlite").ok();
    let refused = env.seep("replicate tiny --with other.sqlite").with_code(2);
    let expected = "a:F32 brief has other messages: [\"Be quick.\",\"Go on: {prompt}\"]";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
}

#[test]
fn page_export_and_show_name_the_wording() {
    let env = ran(&[PLAIN, BRIEF]);
    env.seep("report -o r.html").ok();
    let page = std::fs::read_to_string(env.path("r.html")).unwrap();
    for expected in [
        "b:F32 brief",
        "b:F32 mean over 2 wordings",
        "System message in the wording brief",
        "User message of the first test prompt in the wording plain",
        "How far does the wording move it?",
        "Mean over these 2 wordings (plain, brief)",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    let csv = env.seep("export --table rates --columns model,wording,category --format csv -o -");
    let all = csv.ok().stdout;
    let all: Vec<&str> = all.lines().filter(|line| line.ends_with(',')).collect();
    assert_eq!(all, ["a,plain,", "a,brief,", "b,plain,", "b,brief,"]);
    let flips =
        env.seep("export --table flips --columns base_model,other_model,wording --format csv -o -");
    assert!(flips.ok().stdout.contains("a,b,brief"));
    let shown = env.seep("show --models a").ok().stdout;
    for expected in ["a F32 plain", "a F32 brief"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

/// Exact rates have certain bounds in each wording, and so has their mean and a difference of means.
#[test]
fn exact_means_have_certain_bounds() {
    let env = TestEnv::with_tiny_models();
    let exact = "sampling:\n  mode: exact\n  coverage: 0.5\n  max_rows_per_prompt: 40\n";
    let text = worded(&[PLAIN, BRIEF]).text().replace("sampling:\n", exact);
    env.write("x.yaml", &text);
    let ran = env.seep("run x.yaml --repeats 2 --limit 4").ok();
    assert!(
        ran.stdout.contains("mean over 2 wordings"),
        "{}",
        ran.stdout
    );
    let mut command = env.command("compare --format json");
    let found = env.run(command.args(["a:F32", "b:F32"])).ok().json();
    let bounds = |idx: usize, end: &str| found["comparisons"][idx]["exact"][end].as_f64().unwrap();
    for end in ["lower", "upper"] {
        let expected = (bounds(0, end) + bounds(1, end)) / 2.0;
        assert!((bounds(2, end) - expected).abs() < 1e-9);
    }
    env.run(env.command("compare").args(["a:F32", "b:F32"]))
        .ok();
    env.seep("report -o r.html").ok();
}

#[test]
fn drift_is_that_of_the_first_wording() {
    let env = ran(&[PLAIN, BRIEF]);
    let drift = env.seep("drift x.yaml --format json").ok().json();
    assert_eq!(
        drift["drifts"][0]["n_prompts"].as_u64(),
        Some(10),
        "{drift}"
    );
    let plan = env
        .seep("plan x.yaml --format json --repeats 6")
        .ok()
        .json();
    let counts = ["n_generations", "n_stored"].map(|name| plan["models"][0][name].clone());
    assert_eq!(counts, [2 * 60, 2 * 50]);
}
