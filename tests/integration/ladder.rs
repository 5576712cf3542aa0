//! Derived quantizations of tiny models: the same bytes every time, marked everywhere, whole or not there.
//!
//! Owns what happens around the quantizer: its record, kills, full disks, files that were changed. What an experiment
//! file may say about derivations is tested in `experiment`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use seep::digest::Digest;
use seep::gguf::widen::write_widened;
use seep::gguf::{Gguf, Inspection};
use serde_json::Value;

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;
use crate::tiny::TinyModel;

const DB: &str = "db/seep.sqlite";
/// Wide enough for K-quants, and for a derivation that can be caught in the middle.
const WIDE: TinyModel = TinyModel {
    n_embd: 1024,
    ..TinyModel::QWEN2
};

/// A folder with the model `wide.gguf`.
fn wide_env() -> TestEnv {
    let env = TestEnv::empty();
    WIDE.write(&env.path("wide.gguf"));
    env
}

/// The files of derived models and of models being derived on the shelf `shelf`, without locks and hashes.
fn on_shelf(env: &TestEnv, shelf: &str) -> Vec<String> {
    let files = env.files().into_iter();
    files
        .filter(|name| name.starts_with(shelf) && !name.contains("/."))
        .collect()
}

/// Derives and returns where the file is.
fn derive(env: &TestEnv, arguments: &str) -> PathBuf {
    let ran = env.seep(&format!("models derive {arguments}")).ok();
    env.path(ran.stdout.trim_end())
}

#[test]
fn deriving_twice_gives_the_same_bytes() {
    let env = wide_env();
    let one = derive(&env, "wide.gguf Q2_K --threads 1 --models-dir one");
    let two = derive(&env, "wide.gguf q2_k --threads 2 --models-dir two");
    let bytes = fs::read(&one).unwrap();
    assert!(bytes == fs::read(&two).unwrap(), "the bytes differ");
    assert_eq!(one.file_name(), two.file_name());
    let record: Value =
        serde_json::from_slice(&fs::read(format!("{}.derivation.json", one.display())).unwrap())
            .unwrap();
    assert_eq!(record["sha256"], Digest::of(&bytes).to_string());
    let parent = Digest::of(&fs::read(env.path("wide.gguf")).unwrap());
    assert_eq!(record["derivation"]["parent_sha256"], parent.to_string());
    assert_eq!(record["derivation"]["is_requantized"], false);
    let inspection = Inspection::of(&Gguf::read(&one).unwrap());
    assert_eq!(inspection.quantization.as_deref(), Some("Q2_K"));
    assert!(
        (2.5..5.0).contains(&inspection.bits_per_weight),
        "{inspection:?}"
    );
    // What is there is found again.
    let again = env
        .seep("models derive wide.gguf Q2_K --models-dir one")
        .ok();
    assert_eq!(again.stderr, "");
    let list = env.seep("models list --models-dir one").ok().stdout;
    assert!(list.contains("Q2_K-from-F32"), "{list}");
    let show = env
        .seep("models show wide Q2_K-from-F32 --models-dir one")
        .ok();
    assert!(
        show.stdout
            .contains(&format!("derived from     F32 with sha256 {parent}\n"))
    );
}

#[test]
fn verify_finds_a_derived_file_that_changed() {
    let env = wide_env();
    let path = derive(&env, "wide.gguf Q2_K --models-dir one");
    let verify = |name: &str| env.seep(&format!("models verify {name} --models-dir one"));
    let as_made = "wide Q2_K-from-F32: as it was made\n";
    for name in ["", "wide", "wide q2_k-from-f32"] {
        assert_eq!(verify(name).ok().stdout, as_made, "{name}");
    }
    let mut bytes = fs::read(&path).unwrap();
    let made = Digest::of(&bytes);
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let found = verify("").with_code(2);
    let said = format!(
        "has the sha256 {}, and was made with {made}\nhint: delete the file",
        Digest::of(&bytes)
    );
    assert!(found.stdout.contains(&said), "{}", found.stdout);
    assert!(
        found.stderr.contains("1 of the model files are not as"),
        "{}",
        found.stderr
    );
}

#[test]
fn quantized_parent_is_refused_unless_it_is_allowed() {
    let env = wide_env();
    let parent = derive(&env, "wide.gguf Q8_0 --models-dir one");
    let parent = parent.display();
    let refused = env.seep(&format!("models derive {parent} Q2_K --models-dir two"));
    let said = "is quantized already, so Q2_K would be made of rounded weights\n\
                hint: derive from F16, or allow it (`allow_requantize: true`, `--allow-requantize`)\n";
    assert!(refused.stderr.ends_with(said), "{}", refused.stderr);
    assert_eq!(refused.exit_code, Some(2));
    assert_eq!(on_shelf(&env, "two"), Vec::<String>::new());
    let path = derive(
        &env,
        &format!("{parent} Q2_K --allow-requantize --models-dir two"),
    );
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.contains("-q2_k-from-q8_0-"), "{name}");
    let list = env.seep("models list --models-dir two").ok().stdout;
    assert!(list.contains("yes, requantized from Q8_0"), "{list}");
}

#[test]
fn importance_matrix_is_used_and_recorded() {
    let env = wide_env();
    let gguf = Gguf::read(&env.path("wide.gguf")).unwrap();
    let weights: Vec<_> = gguf
        .tensors()
        .iter()
        .filter(|tensor| tensor.dims.len() == 2)
        .collect();
    let mut matrix = (weights.len() as u32).to_le_bytes().to_vec();
    for tensor in weights {
        matrix.extend((tensor.name.len() as u32).to_le_bytes());
        matrix.extend(tensor.name.as_bytes());
        matrix.extend(1_u32.to_le_bytes());
        matrix.extend((tensor.dims[0] as u32).to_le_bytes());
        let values = (0..tensor.dims[0]).map(|column| 1.0 + (column % 7) as f32);
        matrix.extend(values.flat_map(f32::to_le_bytes));
    }
    fs::write(env.path("m.imatrix"), &matrix).unwrap();
    let without = env.seep("models derive wide.gguf Q2_K_S --models-dir shelf");
    assert!(
        without
            .stderr
            .contains("Q2_K_S cannot be made without an importance matrix")
    );
    derive(
        &env,
        "wide.gguf Q2_K_S --imatrix m.imatrix --models-dir shelf",
    );
    let plain = derive(&env, "wide.gguf Q2_K --models-dir shelf");
    let weighted = derive(
        &env,
        "wide.gguf Q2_K --imatrix m.imatrix --models-dir shelf",
    );
    assert!(fs::read(&plain).unwrap() != fs::read(&weighted).unwrap());
    let name = weighted.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.contains("-q2_k-from-f32-imatrix-"), "{name}");
    let record = fs::read_to_string(format!("{}.derivation.json", weighted.display())).unwrap();
    assert!(
        record.contains(&Digest::of(&matrix).to_string()),
        "{record}"
    );
    env.write("none.imatrix", "nothing");
    let refused = env.seep("models derive wide.gguf Q4_0 --imatrix none.imatrix");
    assert!(
        refused
            .stderr
            .contains("`none.imatrix` is no importance matrix"),
        "{}",
        refused.stderr
    );
}

#[test]
fn killed_derivation_leaves_nothing_that_looks_finished() {
    let env = wide_env();
    let reference = fs::read(derive(&env, "wide.gguf Q3_K_M --models-dir reference")).unwrap();
    let arguments = "models derive wide.gguf Q3_K_M --threads 1 --models-dir shelf";
    let is_deriving = || {
        on_shelf(&env, "shelf")
            .iter()
            .any(|name| name.ends_with(".deriving"))
    };
    let mut running = env.start(arguments);
    running.wait_until("the file grows", is_deriving);
    assert!(running.kill_at(Duration::ZERO), "it was not killed");
    let left = on_shelf(&env, "shelf");
    assert!(
        left.iter().all(|name| name.ends_with(".deriving")),
        "{left:?}"
    );
    let mut running = env.start(arguments);
    running.wait_until("another file grows", || {
        let names = on_shelf(&env, "shelf");
        names.iter().any(|name| !left.contains(name))
    });
    running.interrupt();
    running.finish().with_code(130);
    assert_eq!(on_shelf(&env, "shelf"), Vec::<String>::new());
    let whole = derive(&env, "wide.gguf Q3_K_M --models-dir shelf");
    assert!(fs::read(whole).unwrap() == reference, "the bytes differ");
    assert_eq!(on_shelf(&env, "shelf").len(), 2);
}

#[test]
fn file_that_cannot_be_written_is_an_error_and_not_there() {
    let env = wide_env();
    let mut command = Command::new("sh");
    // Without the signal a file that grows too large is an error of writing, as it is on a full disk.
    let script = format!(
        "trap '' XFSZ; ulimit -f 2048; exec {} models derive wide.gguf Q8_0 --models-dir shelf",
        env!("CARGO_BIN_EXE_seep")
    );
    command.args(["-c", &script]).current_dir(env.path(""));
    let ran = env.run(&mut command);
    assert_eq!(ran.exit_code, Some(2), "{}", ran.stderr);
    let said = "error: failed to derive wide Q8_0-from-F32 after ";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert_eq!(on_shelf(&env, "shelf"), Vec::<String>::new());
}

#[test]
fn changed_file_is_refused() {
    let env = wide_env();
    let path = derive(&env, "wide.gguf Q4_0 --models-dir shelf");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let refused = env.seep("models derive wide.gguf Q4_0 --models-dir shelf");
    let said = "hint: remove it; it is derived again when it is needed\n";
    assert!(
        refused.stderr.contains("is not the file that was derived"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.ends_with(said), "{}", refused.stderr);
    fs::remove_file(&path).unwrap();
    derive(&env, "wide.gguf Q4_0 --models-dir shelf");
}

#[test]
fn run_derives_what_is_missing_and_marks_it() {
    let env = TestEnv::with_tiny_models();
    let mut experiment = ExperimentFile::tiny(2, 2);
    experiment.models = vec![
        "{path: a.gguf}".to_owned(),
        "{path: a.gguf, quantizations: {to: [q8_0, q2_k]}}".to_owned(),
    ];
    env.experiment(&experiment);
    let plan = env.seep("plan x.yaml --format json").ok().json();
    let to_make = |idx: usize| plan["models"][idx]["derive_bytes"].as_u64().unwrap();
    assert!(
        to_make(0) == 0 && to_make(1) > to_make(2) && to_make(2) > 0,
        "{plan}"
    );
    let ran = env.seep("run x.yaml").ok();
    assert!(
        ran.stderr.contains("a Q8_0-from-F32: deriving"),
        "{}",
        ran.stderr
    );
    // 64 numbers are no multiple of the 256 of a block of Q2_K.
    let note = "a Q2_K-from-F32 is misleadingly labelled: Q2_K 0 % of its weights (";
    assert!(ran.stdout.contains(note), "{}", ran.stdout);
    assert!(!ran.stdout.contains("requantized"), "{}", ran.stdout);
    let record = env.record(DB);
    let quantizations = record.column::<String>(
        "SELECT quantization FROM models WHERE parent_sha256 NOT NULL ORDER BY id",
    );
    assert_eq!(quantizations, ["Q8_0-from-F32", "Q2_K-from-F32"]);
    let parents = "SELECT count(*) FROM models AS derived JOIN models AS parent
                   ON parent.sha256 = derived.parent_sha256 AND derived.derivation ->> 'parent_sha256' = parent.sha256";
    assert_eq!(record.value::<u32>(parents), 2);
    let json = env.seep("run x.yaml --format json").ok();
    assert_eq!(json.stderr, "");
    let model = &json.json()["models"][2];
    assert_eq!(model["derivation"]["parent_quantization"], "F32");
    assert_eq!(model["label_share"]["tensor_type"], "Q2_K");
    let chosen = env
        .seep("run x.yaml --models a:Q8_0 --format json")
        .ok()
        .json();
    assert_eq!(chosen["models"][0]["quantization"], "Q8_0-from-F32");
}

#[test]
fn narrow_weights_are_widened_and_the_record_says_so() {
    let env = TestEnv::with_tiny_models();
    let narrow = derive(&env, "a.gguf Q5_0");
    fs::copy(&narrow, env.path("narrow.gguf")).unwrap();
    let mut wide = fs::File::create(env.path("wide.gguf")).unwrap();
    write_widened(&narrow, &mut wide).unwrap();
    let mut experiment = ExperimentFile::tiny(2, 2);
    experiment.models = vec![
        "{path: narrow.gguf}".to_owned(),
        "{path: wide.gguf}".to_owned(),
    ];
    env.experiment(&experiment);
    env.seep("run x.yaml").ok();
    let record = env.record(DB);
    let of_run = |column: &str| {
        let sql = format!("SELECT {column} FROM run_models ORDER BY model_id");
        record.column::<String>(&sql)
    };
    assert_eq!(
        of_run("schedule"),
        ["strict-pad8-vbf16-wide", "strict-pad8-vbf16"]
    );
    assert_eq!(of_run("determinism"), ["bitwise", "bitwise"]);
    // What is computed with is the same in both, so what comes out is too.
    let texts = |name: &str| {
        let sql = format!(
            "SELECT user_message || repeat_idx || text || mean_logprob FROM v_generations
             WHERE model = '{name}' ORDER BY user_message, repeat_idx"
        );
        record.column::<String>(&sql)
    };
    assert!(!texts("narrow").is_empty());
    assert_eq!(texts("narrow"), texts("wide"));
}

#[test]
fn requantized_figures_are_marked() {
    let env = TestEnv::with_tiny_models();
    let parent = derive(&env, "a.gguf Q8_0");
    fs::copy(parent, env.path("parent.gguf")).unwrap();
    let mut experiment = ExperimentFile::tiny(1, 2);
    let ladder = "{path: parent.gguf, allow_requantize: true, quantizations: {to: [Q4_0]}}";
    experiment.models = vec![ladder.to_owned()];
    env.experiment(&experiment.clone().with_value("temperature", "[0.5, 1]"));
    let ran = env.seep("run x.yaml --db swept.sqlite").ok();
    let note = "parent Q4_0-from-Q8_0 is requantized from Q8_0: its weights were rounded twice, so it is no Q4_0 of the published weights.";
    // Once for a file, not for each of its samplings.
    assert_eq!(ran.stdout.matches(note).count(), 1, "{}", ran.stdout);
    let json = env
        .seep("run x.yaml --db swept.sqlite --format json")
        .ok()
        .json();
    assert_eq!(json["leak_rates"][0]["requantized_from"], "Q8_0");
    env.experiment(&ExperimentFile {
        models: vec![ladder.to_owned(), "{path: a.gguf}".to_owned()],
        ..experiment
    });
    env.seep("run x.yaml").ok();
    let compared = env.seep("compare a parent").ok();
    let note = "parent:Q4_0-from-Q8_0 is requantized from Q8_0: its weights were rounded twice.";
    assert!(compared.stdout.contains(note), "{}", compared.stdout);
    let flag = "SELECT derivation ->> 'is_requantized' FROM models WHERE derivation NOT NULL";
    assert_eq!(env.record(DB).value::<u32>(flag), 1);
}

#[test]
fn drift_grows_down_the_ladder_and_is_computed_once() {
    let env = TestEnv::with_tiny_models();
    let mut experiment = ExperimentFile::tiny(3, 3);
    experiment.models = vec![
        "{path: a.gguf}".to_owned(),
        "{path: a.gguf, quantizations: {to: [q8_0, q4_0]}}".to_owned(),
    ];
    env.experiment(&experiment);
    let none = env.seep("drift x.yaml");
    assert!(
        none.stderr.contains("there is no database"),
        "{}",
        none.stderr
    );
    let ran = env.seep("run x.yaml").ok();
    let line = "a Q4_0-from-F32 against a F32: KL divergence of the next token ";
    assert!(ran.stdout.contains(line), "{}", ran.stdout);
    let record = env.record(DB);
    // 9 filled templates with 3 controls, and a pair, for each of three models.
    let distributions =
        "SELECT count(*) FROM next_token_distributions WHERE length(tokens) = 4 * k";
    assert_eq!(record.value::<u32>(distributions), 3 * 14);
    let scores = "SELECT count(*) FROM scored_generations";
    assert_eq!(record.value::<u32>(scores), 0);
    let drift = env.seep("drift x.yaml --format json --threads 1").ok();
    assert_eq!(record.value::<u32>(scores), 2 * 14 * 5);
    let document = drift.json();
    let of = |idx: usize, name: &str| document["drifts"][idx][name].as_f64().unwrap();
    let score = |idx: usize, name: &str| document["drifts"][idx]["scores"][name].as_f64().unwrap();
    assert_eq!(document["drifts"][0]["quantization"], "Q8_0-from-F32");
    assert!(
        0.0 < of(0, "mean_kl") && of(0, "mean_kl") < of(1, "mean_kl"),
        "{document}"
    );
    assert!(of(0, "same_top") >= of(1, "same_top"), "{document}");
    let own = score(0, "own_logprob");
    assert_eq!(own, score(1, "own_logprob"));
    assert!((score(0, "other_logprob") - own).abs() < 0.1, "{document}");
    assert!(score(1, "other_logprob") < own, "{document}");
    let again = env.seep("drift x.yaml --format json").ok();
    assert_eq!((again.stderr.as_str(), &again.json()), ("", &document));
    let json = env.seep("run x.yaml --format json").ok().json();
    assert_eq!(json["drifts"], document["drifts"]);
    let compared = env
        .seep("compare a:F32 a:Q8_0-from-F32 a:q4_0-from-f32 --format json")
        .ok();
    let compared = compared.json();
    assert_eq!(compared["comparisons"][1]["drift"], document["drifts"][1]);
    let other = env.seep("drift x.yaml --base a:q8_0-from-f32").ok();
    assert!(
        other.stdout.starts_with("Drift from a Q8_0-from-F32\n"),
        "{}",
        other.stdout
    );
    let unknown = env.seep("drift x.yaml --base c");
    assert!(
        unknown.stderr.contains("the experiment has no model `c`"),
        "{}",
        unknown.stderr
    );
}

/// Each sampling of a sweep has a trend over the files of its own, the same as without the others.
#[test]
fn trends_are_over_files_under_one_sampling() {
    let env = TestEnv::with_tiny_models();
    let mut experiment = ExperimentFile::tiny(3, 3);
    let ladder = "{path: a.gguf, quantizations: {to: [q8_0, q4_0]}}";
    experiment.models = vec!["{path: a.gguf}".to_owned(), ladder.to_owned()];
    env.experiment(&experiment.with_value("temperature", "[0.5, 1]"));
    env.seep("run x.yaml").ok();
    let conditions = |temperature: &str| {
        ["F32", "Q8_0-from-F32", "Q4_0-from-F32"]
            .map(|quantization| format!("a:{quantization} temperature={temperature}"))
    };
    let trends = |conditions: &[String]| {
        let mut command = env.command("compare --format json");
        let compared = env.run(command.args(conditions)).ok().json();
        compared["trends"].as_array().unwrap().clone()
    };
    let (cool, warm) = (conditions("0.5"), conditions("1.0"));
    let both = trends(&[cool.clone(), warm.clone()].concat());
    let models: Vec<&str> = both
        .iter()
        .map(|it| it["model"].as_str().unwrap())
        .collect();
    assert_eq!(models, ["a temperature=0.5", "a temperature=1.0"]);
    // Holm's correction is over all trends that are shown, two here and one there.
    let uncorrected = |mut trends: Vec<Value>| {
        for trend in &mut trends {
            trend["holm_p_value"] = Value::Null;
            for step in trend["contrasts"].as_array_mut().unwrap() {
                step["holm_p_value"] = Value::Null;
            }
        }
        trends
    };
    let alone = [trends(&cool), trends(&warm)].concat();
    assert_eq!(uncorrected(both), uncorrected(alone));
}
