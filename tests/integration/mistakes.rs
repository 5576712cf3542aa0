//! The mistakes people make most: what is printed, that nothing is run and nothing of theirs is changed.
//!
//! Owns a small right experiment and its wrong variants. What is wrong in a file is tested in `experiment`, text by text;
//! here such mistakes show what comes of them.

use std::collections::BTreeMap;
use std::fs;

use rusqlite::Connection;

use crate::harness::TestEnv;

/// A right experiment.
const RIGHT: &str = r#"name: small
question: Does a color leak?
prompt:
  system: null
  user: "{prompt}"
sampling:
  temperature: 0.5
  top_k: 0
  top_p: 1.0
  min_p: 0.0
  repetition_penalty: 1.0
  max_tokens: 10
  stop: sentence_end
  repeats: 5
  seed: 1
models:
  - path: a.gguf
embedding_model: {path: encoder.gguf}
concepts: [red, blue]
templates:
  - id: likes-works
    category: color-to-other
    test: "He likes {concept}. He works as a"
    control: "He works as a"
"#;

/// A mistake in [`RIGHT`] or on the command line, and what is said about it.
struct Mistake {
    /// A text of the experiment that stands there once, and what is written instead.
    change: (&'static str, &'static str),
    flags: &'static str,
    /// All of stderr.
    said: &'static str,
    /// The files that are there afterwards and were not before.
    made: &'static [&'static str],
}

impl Mistake {
    const NONE: Self = Self {
        change: ("", ""),
        flags: "",
        said: "",
        made: &[],
    };
}

/// A folder with [`RIGHT`], model files right and wrong, and a database of another program.
fn env() -> TestEnv {
    let env = TestEnv::with_tiny_models();
    env.write("x.yaml", RIGHT);
    let bytes = fs::read(env.path("a.gguf")).unwrap();
    fs::write(env.path("cut.gguf"), &bytes[..bytes.len() / 2]).unwrap();
    let foreign = Connection::open(env.path("foreign.sqlite")).unwrap();
    foreign
        .execute_batch("CREATE TABLE bookmarks (url TEXT)")
        .unwrap();
    env
}

/// The content of every file by its name.
fn contents(env: &TestEnv) -> BTreeMap<String, Vec<u8>> {
    let files = env.files().into_iter();
    files
        .map(|name| (name.clone(), fs::read(env.path(&name)).unwrap()))
        .collect()
}

#[track_caller]
fn check(mistake: &Mistake) {
    let env = env();
    let (right, wrong) = mistake.change;
    if !right.is_empty() {
        assert_eq!(RIGHT.matches(right).count(), 1, "{right:?}");
        env.write("x.yaml", &RIGHT.replace(right, wrong));
    }
    let before = contents(&env);
    let ran = env.seep(&format!("run x.yaml {}", mistake.flags));
    assert_eq!(ran.stable(&ran.stderr), mistake.said);
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.exit_code, Some(2));
    let mut after = contents(&env);
    let made: Vec<String> = after
        .keys()
        .filter(|name| !before.contains_key(*name))
        .cloned()
        .collect();
    assert_eq!(made, mistake.made);
    after.retain(|name, _| before.contains_key(name));
    assert!(after == before, "a file was changed");
}

#[test]
fn without_a_mistake_it_runs() {
    let env = env();
    env.seep("run x.yaml").ok();
    assert_eq!(env.n_generations("db/seep.sqlite"), 3 * 5);
}

#[test]
fn concept_in_control() {
    check(&Mistake {
        change: (
            "control: \"He works as a\"",
            "control: \"He wears red and works as a\"",
        ),
        said: r#"error: the control prompt holds the concept `red`
  --> x.yaml:24:24
   |
24 |     control: "He wears red and works as a"
   |                        ^^^ a control prompt is without the concept
   |
   = hint: reword the control, or leave the concept out

1 problem in x.yaml; nothing was run
"#,
        ..Mistake::NONE
    });
}

#[test]
fn unknown_model() {
    check(&Mistake {
        change: (
            "  - path: a.gguf\n",
            "  - {name: qwen2.5-coder-0.5-instruct, quantizations: [Q4_K_M]}\n",
        ),
        said: "error: no model is named `qwen2.5-coder-0.5-instruct`
  --> x.yaml:17:12
   |
17 |   - {name: qwen2.5-coder-0.5-instruct, quantizations: [Q4_K_M]}
   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = hint: did you mean `qwen2.5-coder-0.5b-instruct`?

1 problem in x.yaml; nothing was run
",
        ..Mistake::NONE
    });
}

#[test]
fn unknown_quantization() {
    check(&Mistake {
        change: (
            "  - path: a.gguf\n",
            "  - {name: qwen2.5-coder-0.5b-instruct, quantizations: [Q4_KM]}\n",
        ),
        said: "error: `qwen2.5-coder-0.5b-instruct` has no quantization `Q4_KM`
  --> x.yaml:17:57
   |
17 |   - {name: qwen2.5-coder-0.5b-instruct, quantizations: [Q4_KM]}
   |                                                         ^^^^^
   |
   = hint: it has Q2_K, Q3_K_M, Q4_0, Q4_K_M, Q8_0

1 problem in x.yaml; nothing was run
",
        ..Mistake::NONE
    });
}

#[test]
fn missing_model_file() {
    check(&Mistake {
        change: ("path: a.gguf", "path: c.gguf"),
        said: "error: there is no file `c.gguf`
  --> x.yaml:17:11
   |
17 |   - path: c.gguf
   |           ^^^^^^
   |
   = hint: a path counts from the folder of the experiment file

1 problem in x.yaml; nothing was run
",
        ..Mistake::NONE
    });
}

#[test]
fn model_file_that_is_no_gguf() {
    check(&Mistake {
        change: ("path: a.gguf", "path: x.yaml"),
        said: "error: `x.yaml` is no GGUF: it begins with `name`, expected `GGUF`
hint: a download that failed may have left a web page; fetch the file again
",
        ..Mistake::NONE
    });
}

#[test]
fn model_file_cut_short() {
    check(&Mistake {
        change: ("path: a.gguf", "path: cut.gguf"),
        said: "error: `cut.gguf` ends 239248 bytes early: 478496 bytes expected, 239248 found
hint: the download was cut short; fetch it again
",
        ..Mistake::NONE
    });
}

#[test]
fn generation_model_as_embedding_model() {
    check(&Mistake {
        change: ("{path: encoder.gguf}", "{path: b.gguf}"),
        made: &["shelf/.hashes.json"],
        said: "hashing a.gguf
error: key `general.architecture` of `b.gguf` is `qwen2`, which is not supported
hint: only the architecture `bert` can embed
",
        ..Mistake::NONE
    });
}

#[test]
fn embedding_model_as_generation_model() {
    check(&Mistake {
        change: ("path: a.gguf", "path: encoder.gguf"),
        said:
            "error: key `general.architecture` of `encoder.gguf` is `bert`, which is not supported
hint: the architectures `qwen2` and `llama` can generate
",
        ..Mistake::NONE
    });
}

#[test]
fn limit_of_nothing() {
    check(&Mistake {
        flags: "--limit 0",
        said: "error: `--limit` is 0, so nothing would be generated
hint: `--limit 1` takes one test prompt with its control
",
        ..Mistake::NONE
    });
}

#[test]
fn misspelt_models_flag() {
    check(&Mistake {
        flags: "--models aa",
        said: "error: the experiment `small` has no model `aa`
hint: did you mean `a`? the experiment has: a
",
        ..Mistake::NONE
    });
}

#[test]
fn database_that_is_none() {
    check(&Mistake {
        flags: "--db x.yaml",
        said: "error: `x.yaml` is not a database
hint: give another file with `--db`; this one is left as it is
",
        ..Mistake::NONE
    });
}

#[test]
fn database_of_another_program() {
    check(&Mistake {
        flags: "--db foreign.sqlite",
        said: "error: `foreign.sqlite` is a database of another program
hint: give another file with `--db`; this one is left as it is
",
        ..Mistake::NONE
    });
}

#[test]
fn tab_as_indentation() {
    check(&Mistake {
        change: ("  temperature: 0.5", "\ttemperature: 0.5"),
        said: "error: not valid YAML: tabs disallowed within this context (block indentation)
 --> x.yaml:7:1
  |
7 |     temperature: 0.5
  | ^^^^
  |
  = hint: YAML is indented with spaces; this line begins with a tab

1 problem in x.yaml; nothing was run
",
        ..Mistake::NONE
    });
}

#[test]
fn two_mistakes_at_once() {
    check(&Mistake {
        change: ("temperature: 0.5\n  top_k: 0", "temprature: 0.5\n  top_k: -1"),
        said: "error: unknown key `temprature`
 --> x.yaml:7:3
  |
7 |   temprature: 0.5
  |   ^^^^^^^^^^ expected one of: preset, temperature, top_k, top_p, min_p, repetition_penalty, max_tokens, stop, draws, repeats, control_repeats, seed, mode, coverage, max_rows_per_prompt
  |
  = hint: did you mean `temperature`?

error: `sampling.top_k` is out of range
 --> x.yaml:8:10
  |
8 |   top_k: -1
  |          ^^ expected a whole number from 0 to 4294967295, found -1

2 problems in x.yaml; nothing was run
",
        ..Mistake::NONE
    });
}

#[test]
fn no_repeats() {
    check(&Mistake {
        flags: "--repeats 0",
        said: "error: `--repeats` is 0, expected a number from 1 to 10000
",
        ..Mistake::NONE
    });
}

#[test]
fn missing_model_when_offline() {
    check(&Mistake {
        change: ("  - path: a.gguf\n", "  - {name: qwen2.5-coder-0.5b-instruct, quantizations: [Q4_K_M]}\n"),
        flags: "--offline",
        made: &["shelf/qwen2.5-coder-0.5b-instruct/.lock"],
        said: "error: failed to fetch qwen2.5-coder-0.5b-instruct Q4_K_M: `qwen2.5-coder-0.5b-instruct` Q4_K_M lacks `[FOLDER]/shelf/qwen2.5-coder-0.5b-instruct/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf` (491.4 MB), and nothing is fetched when offline
hint: `seep models fetch qwen2.5-coder-0.5b-instruct Q4_K_M` fetches it
",
    });
}

#[test]
fn database_locked_by_another_connection() {
    let env = env();
    env.seep("run x.yaml --db x.sqlite --limit 1").ok();
    let other = Connection::open(env.path("x.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ran = env.seep("run x.yaml --db x.sqlite").with_code(2);
    let said = "error: the database `x.sqlite` is locked by another process\nhint: wait until it is done (another run, a database browser) and repeat the command, or give another file with `--db`\n";
    assert_eq!(ran.stderr, said);
    assert_eq!(ran.stdout, "");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(env.record("x.sqlite").statuses(), ["success"]);
    env.seep("run x.yaml --db x.sqlite").ok();
}

#[test]
fn thread_count_out_of_range() {
    let env = env();
    let ran = env.seep("run x.yaml --threads 0").with_code(2);
    let said = "error: invalid value '0' for '--threads <N>': 0 is not in 1..=512\n\nFor more information, try '--help'.\n";
    assert_eq!(ran.stderr, said);
}
