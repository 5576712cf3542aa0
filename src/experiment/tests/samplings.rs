//! Samplings: sweeps and presets, and what is wrong with them.

use super::*;

/// The sampling section of the good file.
fn section() -> &'static str {
    let start = GOOD.find("sampling:").unwrap();
    let end = GOOD.find("models:").unwrap();
    &GOOD[start..end]
}

/// The samplings of the good file with `sampling` for its section, in words.
fn samplings(sampling: &str, defaults: Option<&SamplingDefaults>) -> Vec<String> {
    let experiment = load(&GOOD.replace(section(), sampling)).unwrap();
    let samplings = experiment.samplings(defaults);
    samplings.iter().map(SamplingParams::written_out).collect()
}

#[test]
fn sweeps_multiply() {
    let swept = section()
        .replace("temperature: 0.5", "temperature: [0, 1]")
        .replace("top_k: 0", "top_k: [20]")
        .replace("repetition_penalty: 1.0", "repetition_penalty: [1.0, 1.05]")
        .replace("stop: sentence_end", "stop: [sentence_end, [\"\\n\"]]");
    insta::assert_snapshot!(samplings(&swept, None).join("\n"), @r#"
    temperature=0.0 top_k=20 top_p=1.0 min_p=0.0 repetition_penalty=1.0 max_tokens=10 stop=sentence_end draws=gumbel_max
    temperature=0.0 top_k=20 top_p=1.0 min_p=0.0 repetition_penalty=1.0 max_tokens=10 stop=["\n"] draws=gumbel_max
    temperature=0.0 top_k=20 top_p=1.0 min_p=0.0 repetition_penalty=1.05 max_tokens=10 stop=sentence_end draws=gumbel_max
    temperature=0.0 top_k=20 top_p=1.0 min_p=0.0 repetition_penalty=1.05 max_tokens=10 stop=["\n"] draws=gumbel_max
    temperature=1.0 top_k=20 top_p=1.0 min_p=0.0 repetition_penalty=1.0 max_tokens=10 stop=sentence_end draws=gumbel_max
    temperature=1.0 top_k=20 top_p=1.0 min_p=0.0 repetition_penalty=1.0 max_tokens=10 stop=["\n"] draws=gumbel_max
    temperature=1.0 top_k=20 top_p=1.0 min_p=0.0 repetition_penalty=1.05 max_tokens=10 stop=sentence_end draws=gumbel_max
    temperature=1.0 top_k=20 top_p=1.0 min_p=0.0 repetition_penalty=1.05 max_tokens=10 stop=["\n"] draws=gumbel_max
    "#);
}

#[test]
fn strings_alone_are_one_stop_rule() {
    let strings = section().replace("stop: sentence_end", "stop: [\";\", \".\"]");
    let shown = samplings(&strings, None);
    assert_eq!(shown.len(), 1);
    assert!(
        shown[0].ends_with("stop=[\";\",\".\"] draws=gumbel_max"),
        "{shown:?}"
    );
}

#[test]
fn a_preset_gives_what_is_not_written() {
    let rest = "  max_tokens: 10\n  stop: none\n  repeats: 5\n  seed: 1\n";
    let transformers = format!("sampling:\n  preset: transformers-defaults\n{rest}");
    insta::assert_snapshot!(samplings(&transformers, None).join("\n"), @r"
    temperature=1.0 top_k=50 top_p=1.0 min_p=0.0 repetition_penalty=1.0 max_tokens=10 stop=none draws=gumbel_max
    ");
    let own = SamplingDefaults {
        temperature: 0.7,
        top_k: 20,
        top_p: 0.8,
        min_p: 0.0,
        repetition_penalty: 1.1,
    };
    let model = format!(
        "sampling:\n  preset: model-defaults\n  temperature: 0.5\n  repetition_penalty: [1.0, 1.2]\n{rest}"
    );
    insta::assert_snapshot!(samplings(&model, Some(&own)).join("\n"), @r"
    temperature=0.5 top_k=20 top_p=0.8 min_p=0.0 repetition_penalty=1.0 max_tokens=10 stop=none draws=gumbel_max
    temperature=0.5 top_k=20 top_p=0.8 min_p=0.0 repetition_penalty=1.2 max_tokens=10 stop=none draws=gumbel_max
    ");
}

#[test]
fn only_what_is_not_written_is_asked_of_each_model() {
    let asks = |sampling: &str| {
        let files = Files::new(&[("x.yaml", &GOOD.replace(section(), sampling))]);
        let experiment = files.load("x.yaml").unwrap();
        let position = experiment.model_defaults_position();
        position.map(|position| files.relative(&position.to_string()))
    };
    let complete = section().replace("sampling:\n", "sampling:\n  preset: model-defaults\n");
    assert_eq!(asks(section()), None);
    assert_eq!(asks(&complete), None);
    let place = Some("x.yaml:9:11".to_owned());
    assert_eq!(asks(&complete.replace("  min_p: 0.0\n", "")), place);
    let other = complete.replace("model-defaults", "transformers-defaults");
    assert_eq!(asks(&other.replace("  top_k: 0\n", "")), None);
}

#[test]
fn preset() {
    insta::assert_snapshot!(wrong("  temperature: 0.5\n", "  preset: model-default\n"), @r"
    error: unknown preset `model-default`
     --> x.yaml:9:11
      |
    9 |   preset: model-default
      |           ^^^^^^^^^^^^^ expected one of: transformers-defaults, model-defaults
      |
      = hint: did you mean `model-defaults`?
    ");
    insta::assert_snapshot!(wrong("  temperature: 0.5\n", "  preset: ollama\n"), @r"
    error: unknown preset `ollama`
     --> x.yaml:9:11
      |
    9 |   preset: ollama
      |           ^^^^^^ expected one of: transformers-defaults, model-defaults
    ");
    insta::assert_snapshot!(wrong("  temperature: 0.5\n", "  preset: 1\n"), @r"
    error: `sampling.preset` has the wrong type
     --> x.yaml:9:11
      |
    9 |   preset: 1
      |           ^ expected the name of a preset, found the number `1`
      |
      = hint: for example `preset: model-defaults`
    ");
    insta::assert_snapshot!(wrong("  temperature: 0.5\n", "  preset: [model-defaults]\n"), @r"
    error: `sampling.preset` has the wrong type
     --> x.yaml:9:11
      |
    9 |   preset: [model-defaults]
      |           ^^^^^^^^^^^^^^^^ expected the name of a preset, found a list
      |
      = hint: for example `preset: model-defaults`
    ");
    insta::assert_snapshot!(
        wrong("  max_tokens: 10\n  stop: sentence_end\n", "  preset: transformers-defaults\n"), @r"
    error: missing keys `max_tokens`, `stop` in `sampling`, which no preset gives
     --> x.yaml:9:3
      |
    9 |   temperature: 0.5
      |   ^ in the mapping that begins here
      |
      = hint: add for example `max_tokens: 10`
    ");
}

#[test]
fn sweeps() {
    insta::assert_snapshot!(wrong("temperature: 0.5", "temperature: [0.5, warm]"), @r"
    error: `sampling.temperature` has the wrong type
     --> x.yaml:9:22
      |
    9 |   temperature: [0.5, warm]
      |                      ^^^^ expected a number, found the string `warm`
    ");
    insta::assert_snapshot!(wrong("temperature: 0.5", "temperature: [0.5, -1, 0.5]"), @r"
    error: `sampling.temperature` is out of range
     --> x.yaml:9:22
      |
    9 |   temperature: [0.5, -1, 0.5]
      |                      ^^ expected a number of 0 or more, found -1

    error: `sampling.temperature` has the same value twice
     --> x.yaml:9:26
      |
    9 |   temperature: [0.5, -1, 0.5]
      |                 ---      ^^^ the second
      |                 |
      |                 the first
    ");
    insta::assert_snapshot!(wrong("temperature: 0.5", "temperature: []"), @r"
    error: `sampling.temperature` is an empty list
     --> x.yaml:9:16
      |
    9 |   temperature: []
      |                ^^ expected at least one item
      |
      = hint: for example `temperature: [0.5, 1.0]`
    ");
    insta::assert_snapshot!(wrong("top_k: 0", "top_k: []"), @r"
    error: `sampling.top_k` is an empty list
      --> x.yaml:10:10
       |
    10 |   top_k: []
       |          ^^ expected at least one item
       |
       = hint: for example `top_k: [10, 20]`
    ");
    insta::assert_snapshot!(wrong("temperature: 0.5", "temperature: [[0.5]]"), @r"
    error: `sampling.temperature` has the wrong type
     --> x.yaml:9:17
      |
    9 |   temperature: [[0.5]]
      |                 ^^^^^ expected a number, found a list
    ");
    insta::assert_snapshot!(wrong("top_k: 0", "top_k: [20, 20]"), @r"
    error: `sampling.top_k` has the same value twice
      --> x.yaml:10:15
       |
    10 |   top_k: [20, 20]
       |           --  ^^ the second
       |           |
       |           the first
    ");
    insta::assert_snapshot!(wrong("top_p: 1.0", "top_p: [0.5, 1.5]"), @r"
    error: `sampling.top_p` is out of range
      --> x.yaml:11:16
       |
    11 |   top_p: [0.5, 1.5]
       |                ^^^ expected a number above 0, at most 1, found 1.5
    ");
}

#[test]
fn sweeps_of_other_values() {
    insta::assert_snapshot!(wrong("min_p: 0.0", "min_p: {from: 0}"), @r"
    error: `sampling.min_p` has the wrong type
      --> x.yaml:12:10
       |
    12 |   min_p: {from: 0}
       |          ^^^^^^^^^ expected a number, found a mapping
    ");
    insta::assert_snapshot!(wrong("repetition_penalty: 1.0", "repetition_penalty: [1, 1.0]"), @r"
    error: `sampling.repetition_penalty` has the same value twice
      --> x.yaml:13:27
       |
    13 |   repetition_penalty: [1, 1.0]
       |                        -  ^^^ the second
       |                        |
       |                        the first
    ");
    insta::assert_snapshot!(wrong("max_tokens: 10", "max_tokens: [10, 5000]"), @r"
    error: `sampling.max_tokens` is out of range
      --> x.yaml:14:20
       |
    14 |   max_tokens: [10, 5000]
       |                    ^^^^ expected a whole number from 1 to 4096, found 5000
    ");
    insta::assert_snapshot!(wrong("repeats: 5", "repeats: [1, 5]"), @r"
    error: `sampling.repeats` has the wrong type
      --> x.yaml:16:12
       |
    16 |   repeats: [1, 5]
       |            ^^^^^^ expected a whole number, found a list
    ");
    insta::assert_snapshot!(wrong("seed: 1", "seed: [1, 2]"), @r"
    error: `sampling.seed` has the wrong type
      --> x.yaml:17:9
       |
    17 |   seed: [1, 2]
       |         ^^^^^^ expected a whole number, found a list
    ");
}

#[test]
fn swept_stop_rules() {
    insta::assert_snapshot!(wrong("stop: sentence_end", "stop: [sentence_end, \";\"]"), @r#"
    error: `sampling.stop` holds a string beside stop rules
      --> x.yaml:15:24
       |
    15 |   stop: [sentence_end, ";"]
       |                        ^^^ in a sweep over rules, strings to stop at are a list
       |
       = hint: for example `[";"]`
    "#);
    insta::assert_snapshot!(wrong("stop: sentence_end", "stop: [none, none]"), @r"
    error: `sampling.stop` has the same value twice
      --> x.yaml:15:16
       |
    15 |   stop: [none, none]
       |          ----  ^^^^ the second
       |          |
       |          the first
    ");
    insta::assert_snapshot!(wrong("stop: sentence_end", "stop: [[\";\"], []]"), @r#"
    error: `sampling.stop` is an empty list
      --> x.yaml:15:17
       |
    15 |   stop: [[";"], []]
       |                 ^^ expected at least one item
       |
       = hint: for example `stop: ["."]`
    "#);
}

#[test]
fn too_many_samplings_are_refused() {
    let temperatures: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let top_ks = "top_k: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]";
    let swept = GOOD.replace(
        "temperature: 0.5",
        &format!("temperature: [{}]", temperatures.join(", ")),
    );
    let shown = load(&swept.replace("top_k: 0", top_ks)).unwrap_err();
    assert!(
        shown.starts_with("error: the sweeps multiply to 1010 samplings\n"),
        "{shown}"
    );
    assert_eq!(load(&swept).unwrap().samplings(None).len(), 101);
}

#[test]
fn draws_are_swept_and_default_by_mode() {
    let draws = |yaml: &str| -> Vec<&str> {
        let samplings = load(yaml).unwrap().samplings(None);
        samplings.iter().map(|it| it.draws.as_str()).collect()
    };
    let with = |line: &str| GOOD.replace("  seed: 1\n", &format!("  seed: 1\n{line}"));
    assert_eq!(draws(GOOD), ["gumbel_max"]);
    assert_eq!(draws(&with("  draws: inverse_cdf\n")), ["inverse_cdf"]);
    let swept = with("  draws: [inverse_cdf, gumbel_max]\n");
    assert_eq!(draws(&swept), ["inverse_cdf", "gumbel_max"]);
    // The request ids of enumerations hold no other way.
    let exact = "  mode: exact\n  coverage: 0.9\n  max_rows_per_prompt: 9\n";
    assert_eq!(draws(&with(exact)), ["inverse_cdf"]);
    let named = format!("  draws: inverse_cdf\n{exact}");
    assert_eq!(draws(&with(&named)), ["inverse_cdf"]);
}

#[test]
fn wrong_draws_are_shown() {
    let with = |line: &str| wrong("  seed: 1\n", &format!("  seed: 1\n{line}"));
    insta::assert_snapshot!(with("  draws: gumbel-max\n"), @"
    error: unknown way of drawing `gumbel-max`
      --> x.yaml:18:10
       |
    18 |   draws: gumbel-max
       |          ^^^^^^^^^^ expected `gumbel_max` or `inverse_cdf`
       |
       = hint: did you mean `gumbel_max`?
    ");
    insta::assert_snapshot!(with("  draws: 1\n"), @"
    error: `sampling.draws` has the wrong type
      --> x.yaml:18:10
       |
    18 |   draws: 1
       |          ^ expected `gumbel_max` or `inverse_cdf`, found the number `1`
       |
       = hint: for example `draws: gumbel_max`
    ");
    let exact = "  draws: gumbel_max\n  mode: exact\n  coverage: 0.9\n  max_rows_per_prompt: 9\n";
    insta::assert_snapshot!(with(exact), @"
    error: `mode: exact` draws by `inverse_cdf` only
      --> x.yaml:18:10
       |
    18 |   draws: gumbel_max
       |          ^^^^^^^^^^ continuations are enumerated, and only tails are drawn
       |
       = hint: remove this key, or write `draws: inverse_cdf`
    ");
}
