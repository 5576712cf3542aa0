//! More than one encoder: what a run, a scoring, comparisons, reports and exports say by each of them.

use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;
use crate::tiny::write_distilbert_folder;

const DB: &str = "db/seep.sqlite";

/// With two models and two encoders, `encoder.gguf` and the folder `distil`.
fn env() -> TestEnv {
    let env = TestEnv::with_tiny_models();
    std::fs::create_dir(env.path("distil")).unwrap();
    write_distilbert_folder(&env.path("distil"));
    env
}

/// Writes an experiment of both models with these encoders.
fn write(env: &TestEnv, encoders: &str) {
    let experiment = ExperimentFile {
        repeats: 3,
        embedding_model: "replaced".to_owned(),
        ..ExperimentFile::tiny(4, 3).models(&["a.gguf", "b.gguf"])
    };
    let encoders = format!("embedding_models: {encoders}");
    let text = experiment.text();
    env.write(
        "x.yaml",
        &text.replace("embedding_model: replaced", &encoders),
    );
}

const BOTH: &str = "[encoder.gguf, ./distil]";

/// The rates of all categories together, a model each.
fn rates(document: &Value) -> Vec<f64> {
    let rates = document["leak_rates"].as_array().unwrap().iter();
    let of_all = rates.filter(|rate| rate["category"].is_null());
    of_all
        .map(|rate| rate["mean_leak_rate"].as_f64().unwrap())
        .collect()
}

/// The share of equal verdicts by both encoders on the generations of a model, as the database has them.
fn share(env: &TestEnv, model: &str) -> f64 {
    env.record(DB).value(&format!(
        "SELECT avg(a.leak = b.leak) FROM v_leaks AS a JOIN v_leaks AS b
             USING (test_generation_id, control_generation_id, pair_idx, repeat_idx, model)
         WHERE a.embedding_model = 'encoder' AND b.embedding_model = 'distil' AND model = '{model}'"
    ))
}

#[test]
fn a_run_scores_by_each_encoder_and_shows_the_first() {
    let env = env();
    write(&env, BOTH);
    let ran = env.seep("run x.yaml --format json").ok().json();
    assert_eq!(ran["embedding_model"], "encoder");
    let [other] = &ran["encoders"].as_array().unwrap()[..] else {
        panic!("{ran}")
    };
    assert_eq!(other["embedding_model"], "distil");
    assert_ne!(other["signature"], ran["signature"]);
    assert_ne!(rates(other), rates(&ran));
    assert_eq!(
        other["leak_rates"].as_array().unwrap().len(),
        ran["leak_rates"].as_array().unwrap().len()
    );
    for (idx, model) in ["a", "b"].into_iter().enumerate() {
        let found = &other["agreements"][idx];
        assert_eq!(found["model"], model);
        assert_eq!(found["n"], ran["leak_rates"][0]["n_pairs"]);
        let difference = found["share"].as_f64().unwrap() - share(&env, model);
        assert!(difference.abs() < 1e-12, "{difference}");
    }
    let named = "SELECT embedding_model || ' ' || encoder_idx || ' ' || n_leaks FROM v_conditions
        JOIN experiment_models AS named
            ON named.experiment_id = v_conditions.experiment_id AND named.model_id = embedding_model_id
        ORDER BY 1";
    let n_leaks = &ran["leak_rates"][0]["n_pairs"];
    let expected = ["distil 1", "distil 1", "encoder 0", "encoder 0"];
    let expected = expected.map(|name| format!("{name} {n_leaks}"));
    assert_eq!(env.record(DB).column::<String>(named), expected);

    let again = env.seep("run x.yaml").ok();
    let table = &again.stdout;
    assert!(table.contains("cosine of encoder embeddings"), "{table}");
    assert!(
        table.contains("\nBy other encoders, with how often the verdict is that by encoder:\n"),
        "{table}"
    );
    let lines = table.lines().filter(|line| line.starts_with("distil "));
    assert_eq!(lines.count(), 2, "{table}");
    let share = format!("{:.1} %", 100.0 * share(&env, "b"));
    assert!(table.contains(&share), "{table}");
    let rerun = env.seep("run x.yaml --format json").ok().json();
    assert_eq!(rerun["models"][0]["n_generated"], 0);
    assert_eq!(
        [&rerun["leak_rates"], &rerun["encoders"]],
        [&ran["leak_rates"], &ran["encoders"]]
    );
}

#[test]
fn stored_generations_are_scored_by_all_encoders_of_the_experiment_or_by_those_asked_for() {
    let env = env();
    write(&env, BOTH);
    let ran = env.seep("run x.yaml --format json").ok().json();
    let before = env.record(DB).leaks();
    let scored = |words: &str| {
        let words = format!("score --threads 1 --format json {words}");
        env.seep(&words).ok().json()
    };
    let all = scored("");
    assert_eq!(all.as_array().unwrap().len(), 1);
    for field in ["leak_rates", "signature", "encoders"] {
        assert_eq!(all[0][field], ran[field], "{field}");
    }
    assert_eq!(env.record(DB).leaks(), before);
    let swapped = scored("--embedding-model distil,encoder.gguf");
    assert_eq!(swapped[0]["embedding_model"], "distil");
    assert_eq!(rates(&swapped[0]), rates(&ran["encoders"][0]));
    assert_eq!(rates(&swapped[0]["encoders"][0]), rates(&ran));
    let repeated = scored("--embedding-model distil --embedding-model encoder.gguf");
    assert_eq!(repeated, swapped);
    let one = scored("--embedding-model distil");
    assert_eq!(one[0]["encoders"], serde_json::json!([]));
    assert_eq!(env.record(DB).leaks(), before);
}

fn close(a: Vec<f64>, b: Vec<f64>) -> bool {
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9)
}

/// The note of whoever shows the first of both encoders.
const SAID: &str = "the figures are by the encoder encoder, which the experiment names first; `--embedding-model` shows those by distil";

#[test]
fn figures_are_by_the_primary_encoder_unless_another_is_asked_for() {
    let env = env();
    write(&env, BOTH);
    let ran = env.seep("run x.yaml --format json").ok().json();
    // The other is scored last.
    env.seep("score --embedding-model distil --threads 1").ok();
    let compared = |words: &str| env.seep(&format!("compare a b {words}")).ok();
    let primary = compared("--format json");
    assert!(primary.stderr.contains(SAID), "{}", primary.stderr);
    let primary = primary.json();
    let other = compared("--format json --embedding-model ./distil");
    assert_eq!(other.stderr, "");
    let other = other.json();
    let condition_rates = |report: &Value| {
        let rate = |idx: usize| report["conditions"][idx]["mean_leak_rate"].as_f64();
        [0, 1].map(|idx| rate(idx).unwrap()).to_vec()
    };
    assert!(close(condition_rates(&primary), rates(&ran)));
    assert!(close(condition_rates(&other), rates(&ran["encoders"][0])));
    assert_eq!(
        [&primary["embedding_model"], &other["embedding_model"]],
        ["encoder", "distil"]
    );
    for (report, name) in [(&primary, "distil"), (&other, "encoder")] {
        let agreements = report["metric_agreements"].as_array().unwrap();
        assert!(
            agreements
                .iter()
                .all(|found| found["embedding_model"] == name && found["metric"] == "sbert")
        );
        assert_eq!(agreements.len(), 2);
        let comparison = &report["comparisons"][0];
        assert_eq!(comparison["other_metrics"][0]["embedding_model"], name);
        let is_same = comparison["conclusion"] == comparison["other_metrics"][0]["conclusion"];
        assert_eq!(comparison["is_same_conclusion"], is_same);
    }
    assert_eq!(
        primary["comparisons"][0]["difference"],
        other["comparisons"][0]["other_metrics"][0]["difference"]
    );
    let table = compared("").stdout;
    let heading = "Agreement of sbert of encoder with other metrics and encoders:";
    assert!(
        table.contains(heading) && table.contains("b:F32 by sbert of distil: "),
        "{table}"
    );
    assert!(
        table.contains("b:F32 against a:F32: the conclusion is "),
        "{table}"
    );
}

#[test]
fn reports_and_exports_are_by_the_primary_encoder_unless_another_is_asked_for() {
    let env = env();
    write(&env, BOTH);
    let ran = env.seep("run x.yaml --format json").ok().json();
    env.seep("score --embedding-model distil --threads 1").ok();
    for (words, shown, other) in [
        ("", "encoder", "distil"),
        ("--embedding-model distil", "distil", "encoder"),
    ] {
        let report = env.seep(&format!("report -o page.html {words}")).ok();
        assert_eq!(report.stderr.contains(SAID), words.is_empty());
        let page = std::fs::read_to_string(env.path("page.html")).unwrap();
        assert!(page.contains(&format!("sbert, by {shown}")));
        assert!(page.contains("Do other metrics and encoders say the same?"));
        assert!(page.contains(&format!(
            "% of the verdicts by sbert of {other} are those by sbert of {shown}"
        )));
        let exported = env.seep(&format!(
            "export --table rates --columns category,mean_leak_rate --format jsonl {words}"
        ));
        let rows = exported.ok().stdout;
        let rows = rows
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of_all = rows.filter(|row| row["category"].is_null());
        let found: Vec<f64> = of_all
            .map(|row| row["mean_leak_rate"].as_f64().unwrap())
            .collect();
        let expected = if words.is_empty() {
            rates(&ran)
        } else {
            rates(&ran["encoders"][0])
        };
        assert!(close(found, expected));
    }
    let shown = |words: &str| env.seep(&format!("show --models a {words}")).ok().stdout;
    assert_ne!(shown(""), shown("--embedding-model distil"));
    let unknown = env
        .seep("report --embedding-model distl")
        .with_code(2)
        .stderr;
    assert!(
        unknown.contains("hint: did you mean `distil`?"),
        "{unknown}"
    );
}

#[test]
fn unusable_encoders_are_refused_before_anything_is_made() {
    let env = env();
    std::fs::copy(env.path("encoder.gguf"), env.path("copy.gguf")).unwrap();
    std::fs::create_dir(env.path("other")).unwrap();
    std::fs::copy(env.path("encoder.gguf"), env.path("other/encoder.gguf")).unwrap();
    env.write("broken.gguf", "no encoder");
    for (encoders, expected) in [
        ("[encoder.gguf, nowhere.gguf]", "there is no file"),
        ("[encoder.gguf, nobody]", "nobody"),
        ("[encoder.gguf, broken.gguf]", "broken.gguf"),
        (
            "[encoder.gguf, other/encoder.gguf]",
            "two encoders are called `encoder`",
        ),
        (
            "[encoder.gguf, copy.gguf]",
            "the encoders `encoder` and `copy` are the same file",
        ),
    ] {
        write(&env, encoders);
        let refused = env.seep("run x.yaml").with_code(2);
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
        assert_eq!(env.n_generations(DB), 0);
    }
}

/// A folder has no ending, and stays that encoder where it is scored by again.
#[test]
fn a_folder_with_a_dot_keeps_its_name() {
    let env = env();
    std::fs::rename(env.path("distil"), env.path("tiny-v1.5")).unwrap();
    write(&env, "[{path: tiny-v1.5}]");
    let ran = env.seep("run x.yaml --format json").ok().json();
    assert_eq!(ran["embedding_model"], "tiny-v1.5");
    let scored = env.seep("score --threads 1 --format json").ok().json();
    assert_eq!(scored[0]["signature"], ran["signature"]);
    assert_eq!(
        env.record(DB)
            .value::<u32>("SELECT count(*) FROM conditions"),
        2
    );
}

#[test]
fn exact_rates_are_by_each_encoder_too() {
    let env = env();
    write(&env, BOTH);
    let text = std::fs::read_to_string(env.path("x.yaml")).unwrap();
    let exact = "  top_k: 4\n  mode: exact\n  coverage: 0.9\n  max_rows_per_prompt: 20\n";
    env.write("x.yaml", &text.replace("  top_k: 0\n", exact));
    let ran = env.seep("run x.yaml --format json").ok().json();
    let other = &ran["encoders"][0];
    assert!(!other["exact_leak_rates"].as_array().unwrap().is_empty());
    assert_eq!(
        [&other["leak_rates"], &other["agreements"]],
        [&serde_json::json!([]); 2]
    );
    let table = env.seep("run x.yaml").ok().stdout;
    assert!(table.contains("\ndistil "), "{table}");
    let compared = env.seep("compare a b").ok().stdout;
    assert!(
        compared.contains("b:F32 by sbert of distil: "),
        "{compared}"
    );
}

/// A folder that asks for the vector of its first token was read as if it asked for the mean over all.
#[test]
fn a_folder_with_another_pooling_is_refused() {
    let env = env();
    write(&env, "[./distil]");
    std::fs::create_dir(env.path("distil/1_Pooling")).unwrap();
    let pooling = |is_mean: bool| {
        let config = serde_json::json!({"pooling_mode_cls_token": !is_mean, "pooling_mode_mean_tokens": is_mean});
        env.write("distil/1_Pooling/config.json", &config.to_string());
    };
    pooling(false);
    let refused = env.seep("run x.yaml").with_code(2).stderr;
    assert!(
        refused.contains("error: `./distil` makes the vector of a text otherwise"),
        "{refused}"
    );
    pooling(true);
    env.seep("run x.yaml").ok();
    pooling(false);
    // BERTScore compares tokens.
    let words = "score --metric bertscore --embedding-model distil --threads 1";
    env.seep(words).ok();
}

/// Bits that flipped in the file made of an encoder changed every verdict, and `models verify` said "as published".
#[test]
fn a_converted_encoder_is_refused_once_it_is_not_as_it_was_made() {
    let env = env();
    write(&env, "[./distil]");
    env.seep("run x.yaml").ok();
    let made = env.path("distil/distil-f32.gguf");
    let flip = |path: &std::path::Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let last = bytes.len() - 5;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    flip(&made);
    let said = env.seep("run x.yaml").with_code(2).stderr;
    assert!(
        said.contains("distil-f32.gguf` is not as it was made: its sha256 is"),
        "{said}"
    );
    std::fs::remove_file(&made).unwrap();
    env.seep("run x.yaml").ok();
    // Other weights in the folder are another encoder, however old the file says it is.
    let weights = env.path("distil/model.safetensors");
    let changed = weights.metadata().unwrap().modified().unwrap();
    flip(&weights);
    let file = std::fs::File::options()
        .append(true)
        .open(&weights)
        .unwrap();
    let older = std::time::Duration::from_secs(3600);
    file.set_modified(changed - older).unwrap();
    let before = std::fs::read(&made).unwrap();
    env.seep("run x.yaml").ok();
    assert!(before != std::fs::read(&made).unwrap());
}

#[test]
fn verifying_hashes_converted_encoders_again() {
    let env = env();
    write(&env, "[./distil]");
    env.seep("run x.yaml").ok();
    let folder = env.path("shelf/all-minilm-l6-v2");
    std::fs::create_dir_all(&folder).unwrap();
    for name in [
        "distil-f32.gguf",
        "distil-f32.gguf.conversion.json",
        "config.json",
        "model.safetensors",
    ] {
        std::fs::copy(env.path("distil").join(name), folder.join(name)).unwrap();
    }
    let verify = "models verify all-minilm-l6-v2";
    let line = "all-minilm-l6-v2 distil-f32.gguf: ";
    let said = env.seep(verify).stdout;
    assert!(
        said.contains(&format!("{line}as it was converted\n")),
        "{said}"
    );
    let made = folder.join("distil-f32.gguf");
    let mut bytes = std::fs::read(&made).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&made, bytes).unwrap();
    let said = env.seep(verify).with_code(2).stdout;
    assert!(
        said.contains(&format!("{line}not as it was converted: ")),
        "{said}"
    );
}
