//! Looking around in the terminal: `seep list`, `seep show`, `--quiet`, completions, the manual.
//!
//! Owns what a person sees there without a terminal: no pager, no colours.

use crate::experiment_file::ExperimentFile;
use crate::harness::TestEnv;

const DB: &str = "db/seep.sqlite";

/// A folder with a database of two models.
fn env() -> TestEnv {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(2, 2).models(&["a.gguf", "b.gguf"]));
    env.seep("run x.yaml").ok();
    env
}

/// The first words of the lines that begin a pair.
fn headings(shown: &str) -> Vec<&str> {
    let is_heading = |line: &&str| line.contains(" · ");
    let headings = shown.lines().filter(is_heading);
    headings
        .filter_map(|line| line.split(" · ").next())
        .collect()
}

#[test]
fn experiments_and_runs_are_listed() {
    let env = env();
    env.seep("run x.yaml --limit 2").ok();
    let listed = env.seep("list").ok();
    let words = |start: &str| -> Vec<String> {
        let line = listed.stdout.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("{start}:\n{}", listed.stdout));
        line.split_whitespace().map(str::to_owned).collect()
    };
    let experiment = words("tiny");
    // Four filled templates and the pair, each of five generations with each of the control's five, of two models.
    assert_eq!(experiment[2..5], ["5", "2", "250"]);
    let runs: Vec<&str> = listed
        .stdout
        .lines()
        .filter(|line| line.contains(" success "))
        .collect();
    assert_eq!(runs.len(), 2, "{}", listed.stdout);
    assert!(
        runs[0].trim_start().starts_with("1   tiny "),
        "{}",
        listed.stdout
    );
    let document = env.seep("list --format json").ok().json();
    assert_eq!(document["experiments"][0]["n_prompt_pairs"], 5);
    assert_eq!(document["runs"][1]["n_prompt_pairs"], 2);
    assert_eq!(document["runs"][0]["n_models"], 2);
}

#[test]
fn databases_that_are_not_there_are_not_made() {
    let env = TestEnv::empty();
    for command in ["list", "show", "export --format csv --table leaks"] {
        let ran = env.seep(command).with_code(2);
        let said = "error: there is no database `db/seep.sqlite`\nhint: ";
        assert!(ran.stderr.starts_with(said), "{}", ran.stderr);
    }
    assert_eq!(env.files(), Vec::<String>::new());
}

#[test]
fn pairs_are_shown_with_both_models() {
    let env = env();
    let shown = env.seep("show").ok();
    assert_eq!(shown.stderr, "5 of 5 prompt pairs\n");
    assert_eq!(
        headings(&shown.stdout),
        ["red", "blue", "red", "blue", "green"]
    );
    for label in ["  a F32: ", "  b F32: "] {
        let n_labels = shown
            .stdout
            .lines()
            .filter(|line| line.starts_with(label))
            .count();
        assert_eq!(n_labels, 5, "{}", shown.stdout);
    }
    assert!(!shown.stdout.contains('\u{1b}'));
    // Counts of equal repeats add up to all repeats.
    let counts = shown
        .stdout
        .lines()
        .filter_map(|line| line.trim_start().split_once(" x  "));
    let total: u32 = counts.map(|(count, _)| count.parse::<u32>().unwrap()).sum();
    assert_eq!(total, 5 * 25 * 2);
}

#[test]
fn flags_choose_pairs() {
    let env = env();
    let record = env.record(DB);
    let n_pairs = |sql: &str| {
        record
            .column::<i64>(&format!("SELECT DISTINCT pair_idx FROM {sql}"))
            .len()
    };
    let n_shown = |flags: &str| headings(&env.seep(&format!("show {flags}")).ok().stdout).len();
    assert_eq!(n_shown("--concept blue"), 2);
    assert_eq!(n_shown("--category expression-to-color"), 1);
    assert_eq!(n_shown("--limit 3"), 3);
    assert_eq!(n_shown("--leaks"), n_pairs("leaks WHERE leak = 1"));
    assert_eq!(
        n_shown("--leaks --models b"),
        n_pairs("v_leaks WHERE leak = 1 AND model = 'b'")
    );
    assert_eq!(n_shown("--flips"), n_pairs("v_flips"));
    assert_eq!(n_shown("--flips --models a:F32"), 0);
    assert_eq!(n_shown("--echoes"), n_pairs("leaks WHERE is_echo"));
    let nothing = env.seep("show --concept mauve").ok();
    assert_eq!(
        (nothing.stdout.as_str(), nothing.stderr.as_str()),
        ("", "no prompt is like that\n")
    );
    let unknown = env.seep("show --models other").with_code(2);
    assert_eq!(
        unknown.stderr,
        "error: no leaks are stored of the model `other`\nhint: there are leaks of a:F32, b:F32\n"
    );
}

#[test]
fn quiet_leaves_errors_only() {
    let env = TestEnv::with_tiny_models();
    env.experiment(&ExperimentFile::tiny(1, 2));
    let ran = env.seep("run x.yaml --quiet").ok();
    assert_eq!(ran.stderr, "");
    assert!(ran.stdout.contains("Mean Leak-Rate"), "{}", ran.stdout);
    let wrong = env.seep("--quiet run y.yaml --threads 1").with_code(2);
    assert!(wrong.stderr.contains("y.yaml"), "{}", wrong.stderr);
}

#[test]
fn completions_and_manual_know_every_command() {
    let env = TestEnv::empty();
    let commands = [
        "run", "plan", "import", "score", "models", "list", "show", "export", "bench",
    ];
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = env.seep(&format!("completions {shell}")).ok().stdout;
        for command in commands {
            assert!(script.contains(command), "{shell} {command}");
        }
    }
    let page = env.seep("man").ok().stdout;
    assert!(page.contains(".TH seep 1"), "{page}");
    env.seep("man -o man").ok();
    let files = env.files();
    for command in commands {
        assert!(
            files.contains(&format!("man/seep-{command}.1")),
            "{files:?}"
        );
    }
}
