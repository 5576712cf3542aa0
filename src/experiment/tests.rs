//! The format as a whole: what a good file gives, and all that is wrong with a bad one.

mod design;
mod extends;
mod families;
mod files;
mod fillers;
mod ladders;
mod mode;
mod pairs_file;
mod readme;
mod samplings;
mod sizes;
mod wordings;
mod wrong_models;
mod wrong_prompts;
mod wrong_values;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::generation::{DrawMethod, Request, StopRule};

/// A file with every field, as short as it can be.
const GOOD: &str = r#"name: small
question: >
  Does a colour
  leak?
prompt:
  system: "Be brief."
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
  - name: qwen2.5-0.5b-instruct
    quantizations: [Q4_K_M, Q8_0]
  - path: own/my.gguf
    name: mine
embedding_model: all-minilm-l6-v2
concepts: [red, blue]
templates:
  - id: likes-works
    category: color-to-other
    test: "He likes {concept}. He works as a"
    control: "He works as a"
  - id: wears-sings
    category: color-to-color
    test: "In a {concept} hat she sings of"
    control: "In a hat she sings of"
    concepts: [red]
pairs:
  - concept: green
    category: expression-to-color
    test: "The greenhouse is"
    control: "The house is"
"#;

/// The warning about the good file.
const NO_PLACEBO: &str = "1 template has no placebo: `wears-sings`";

/// Experiment files in a directory of their own.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The experiment, or its errors as shown, with paths relative to the directory.
    fn load(&self, name: &str) -> Result<Experiment, String> {
        Experiment::load(&self.path(name)).map_err(|errors| self.relative(&errors.to_string()))
    }

    fn relative(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.directory.path().display()), "")
    }
}

/// The warnings without their places.
fn messages(experiment: &Experiment) -> Vec<&str> {
    let warnings = experiment.warnings().iter();
    warnings.map(Problem::message).collect()
}

fn load(yaml: &str) -> Result<Experiment, String> {
    Files::new(&[("x.yaml", yaml)]).load("x.yaml")
}

/// The message for the good file with `from`, which it holds once, replaced by `to`.
fn wrong(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from}");
    let shown = load(&GOOD.replace(from, to)).unwrap_err();
    let (problems, _closing_line) = shown.rsplit_once("\n\n").unwrap();
    problems.to_owned()
}

#[test]
fn every_field_is_read() {
    let files = Files::new(&[("x.yaml", GOOD)]);
    let experiment = files.load("x.yaml").unwrap();
    assert_eq!(experiment.name(), "small");
    assert_eq!(experiment.question(), "Does a colour leak?");
    assert_eq!(experiment.first_wording().system(), Some("Be brief."));
    assert_eq!(experiment.first_wording().user(), "{prompt}");
    let sampling = SamplingParams {
        temperature: 0.5,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        max_tokens: 10,
        stop: StopRule::SentenceEnd,
        draws: DrawMethod::GumbelMax,
    };
    assert_eq!(experiment.samplings(None), [sampling]);
    assert_eq!(experiment.preset(), None);
    assert_eq!((experiment.n_repeats(), experiment.seed()), (5, 1));
    let labels: Vec<_> = experiment.models().iter().map(ModelSpec::label).collect();
    let model = "qwen2.5-0.5b-instruct";
    assert_eq!(
        labels,
        [
            format!("{model}:Q4_K_M"),
            format!("{model}:Q8_0"),
            "mine".to_owned()
        ]
    );
    let file = ModelSource::File {
        path: files.path("own/my.gguf"),
        label: "mine".to_owned(),
    };
    assert_eq!(experiment.models()[2].source, file);
    let encoder = EmbeddingModelSource::Manifest {
        name: "all-minilm-l6-v2".to_owned(),
    };
    assert_eq!(experiment.embedding_models()[0].source, encoder);
    assert_eq!(experiment.concepts(), ["red", "blue"]);
    assert_eq!(messages(&experiment), [NO_PLACEBO]);
    assert_eq!(experiment.yaml(), GOOD);
    assert_eq!(experiment.sha256(), Digest::of(GOOD.as_bytes()));
}

#[test]
fn encoders_are_named_in_several_ways() {
    let named = |value: &str| {
        let yaml = GOOD.replace("embedding_model: all-minilm-l6-v2", value);
        let files = Files::new(&[("x.yaml", &yaml)]);
        let experiment = files.load("x.yaml").unwrap();
        let encoders = experiment.embedding_models().iter();
        let encoders = encoders.map(|encoder| match &encoder.source {
            EmbeddingModelSource::Manifest { name } => name.clone(),
            EmbeddingModelSource::File { path } => files.relative(&path.display().to_string()),
        });
        encoders.collect::<Vec<_>>().join(" ")
    };
    for (value, expected) in [
        ("embedding_model: x", "x"),
        ("embedding_model: my.gguf", "my.gguf"),
        ("embedding_model: {path: folder}", "folder"),
        ("embedding_models: [x]", "x"),
        (
            "embedding_models:\n  - x\n  - own/folder\n  - {path: b.gguf}\n  - c.GGUF",
            "x own/folder b.gguf c.GGUF",
        ),
    ] {
        assert_eq!(named(value), expected);
    }
}

#[test]
fn models_know_where_they_are_named() {
    let files = Files::new(&[("x.yaml", GOOD)]);
    let experiment = files.load("x.yaml").unwrap();
    let shown = |position: &Position| files.relative(&position.to_string());
    let model = &experiment.models()[1];
    assert_eq!(shown(&model.position), "x.yaml:19:11");
    assert_eq!(
        model.quantization_position.as_ref().map(shown).as_deref(),
        Some("x.yaml:20:29")
    );
    assert_eq!(shown(&experiment.models()[2].position), "x.yaml:21:11");
    assert_eq!(
        shown(&experiment.embedding_models()[0].position),
        "x.yaml:23:18"
    );
    let problem = Problem::error(
        &model.position,
        "the manifest has no model `qwen2.5-0.5b-instruct`",
    )
    .hint("did you mean `qwen2.5-1.5b-instruct`?");
    insta::assert_snapshot!(files.relative(&ExperimentErrors::single(problem).to_string()), @r"
    error: the manifest has no model `qwen2.5-0.5b-instruct`
      --> x.yaml:19:11
       |
    19 |   - name: qwen2.5-0.5b-instruct
       |           ^^^^^^^^^^^^^^^^^^^^^
       |
       = hint: did you mean `qwen2.5-1.5b-instruct`?

    1 problem in x.yaml; nothing was run
    ");
}

#[test]
fn templates_are_expanded_in_file_order() {
    let experiment = load(GOOD).unwrap();
    let shown = experiment.pairs().iter().map(|pair| {
        let id = pair.template_id.as_deref().unwrap_or("-");
        let (test, control) = (
            experiment.test_prompt(pair),
            experiment.control_prompt(pair),
        );
        let PromptPair {
            pair_idx,
            concept,
            category,
            ..
        } = pair;
        format!("{pair_idx} {concept} {category} {id}: {test} / {control}\n")
    });
    insta::assert_snapshot!(shown.collect::<String>(), @r"
    0 red color-to-other likes-works: He likes red. He works as a / He works as a
    1 blue color-to-other likes-works: He likes blue. He works as a / He works as a
    2 red color-to-color wears-sings: In a red hat she sings of / In a hat she sings of
    3 green expression-to-color -: The greenhouse is / The house is
    ");
    assert_eq!(
        experiment.prompts().len(),
        7,
        "the shared control is there once"
    );
    assert_eq!(
        experiment.pairs()[0].control_prompt_idx,
        experiment.pairs()[1].control_prompt_idx
    );
}

#[test]
fn the_user_message_takes_the_prompt_as_it_is() {
    let yaml = GOOD.replace(
        "user: \"{prompt}\"",
        "user: \"{prompt} {your_answer}\\nYour answer:\"",
    );
    let experiment = load(&yaml).unwrap();
    assert_eq!(
        experiment.first_wording().user_message("He {prompt} is"),
        "He {prompt} is {your_answer}\nYour answer:"
    );
}

#[test]
fn other_values_of_a_field_are_read() {
    let cases = [
        ("system: \"Be brief.\"", "system: null"),
        ("stop: sentence_end", "stop: none"),
        ("stop: sentence_end", "stop: [\"\\n\", \".\"]"),
        ("temperature: 0.5", "temperature: 0"),
        ("seed: 1", "seed: 18446744073709551615"),
        ("    name: mine\n", ""),
        (
            "embedding_model: all-minilm-l6-v2",
            "embedding_model: {path: e.gguf}",
        ),
        ("name: small", "\u{feff}name: small"),
        ("The greenhouse is", "The {big} greenhouse is"),
    ];
    for (from, to) in cases {
        let loaded = load(&GOOD.replace(from, to));
        assert!(loaded.is_ok(), "{to}: {}", loaded.unwrap_err());
    }
}

#[test]
fn a_pair_without_its_concept_is_a_warning() {
    let files = Files::new(&[("x.yaml", &GOOD.replace("The greenhouse", "The hothouse"))]);
    let experiment = files.load("x.yaml").unwrap();
    let shown = experiment.warnings()[..1].iter().map(Problem::to_string);
    insta::assert_snapshot!(files.relative(&shown.collect::<String>()), @r#"
    warning: the test prompt does not hold its concept `green`
      --> x.yaml:38:11
       |
    38 |     test: "The hothouse is"
       |           ^^^^^^^^^^^^^^^^^ is the word spelt differently here?
       |
      ::: x.yaml:36:14
       |
    36 |   - concept: green
       |              ----- the concept
    "#);
}

#[test]
fn what_looks_wrong_is_a_warning() {
    let swapped = GOOD.replace(
        "  - concept: green\n",
        "  - concept: snow\n    category: a\n    test: \"The firewood is\"\n    control: \"The wood is\"\n  - concept: fire\n    category: a\n    test: \"The snowman is\"\n    control: \"The man is\"\n  - concept: green\n",
    );
    let control = GOOD.replace(
        "control: \"The house is\"",
        "control: \"In a red hat she sings of\"",
    );
    let unused = GOOD.replace(
        "    control: \"He works as a\"\n",
        "    control: \"He works as a\"\n    concepts: [red]\n",
    );
    let mut shown = String::new();
    for text in [swapped, control, unused] {
        let files = Files::new(&[("x.yaml", &text)]);
        let experiment = files.load("x.yaml").unwrap();
        let all = experiment.warnings().iter();
        let warnings = all.filter(|warning| !warning.message().contains("no placebo"));
        for warning in warnings.map(Problem::to_string) {
            shown.push_str(&files.relative(&warning));
            shown.push('\n');
        }
    }
    insta::assert_snapshot!(shown, @r#"
    warning: the test prompt does not hold its concept `snow`
      --> x.yaml:38:11
       |
    38 |     test: "The firewood is"
       |           ^^^^^^^^^^^^^^^^^ it holds `fire`, whose own prompt holds `snow`: are they swapped?
       |
      ::: x.yaml:36:14
       |
    36 |   - concept: snow
       |              ---- the concept
    warning: the test prompt does not hold its concept `fire`
      --> x.yaml:42:11
       |
    42 |     test: "The snowman is"
       |           ^^^^^^^^^^^^^^^^ it holds `snow`, whose own prompt holds `fire`: are they swapped?
       |
      ::: x.yaml:40:14
       |
    40 |   - concept: fire
       |              ---- the concept
    warning: the control prompt is itself a test prompt
      --> x.yaml:39:14
       |
    39 |     control: "In a red hat she sings of"
       |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^ it is the one with the concept `red`
    warning: no template takes the concept `blue`
      --> x.yaml:24:17
       |
    24 | concepts: [red, blue]
       |                 ^^^^ every template has concepts of its own
    "#);
}

#[test]
fn overrides_replace_values() {
    let overrides = Overrides {
        models: Some(vec![
            "mine".to_owned(),
            "qwen2.5-0.5b-instruct:Q8_0".to_owned(),
        ]),
        repeats: Some(2),
        control_repeats: Some(6),
        seed: Some(9),
        limit: Some(2),
        gpu_layers: None,
        generalises_concepts: true,
    };
    let experiment = load(GOOD).unwrap().with_overrides(&overrides).unwrap();
    let labels: Vec<_> = experiment.models().iter().map(ModelSpec::label).collect();
    assert_eq!(labels, ["qwen2.5-0.5b-instruct:Q8_0", "mine"]);
    assert_eq!((experiment.n_repeats(), experiment.seed()), (2, 9));
    assert!(experiment.generalises_concepts());
    let pair_idxs: Vec<_> = experiment
        .pairs()
        .iter()
        .map(|pair| pair.pair_idx)
        .collect();
    assert_eq!(pair_idxs, [0, 2]);
    assert_eq!(
        experiment.prompts(),
        [
            "He likes red. He works as a",
            "He works as a",
            "In a red hat she sings of",
            "In a hat she sings of"
        ]
    );
    let unchanged = load(GOOD).unwrap().with_overrides(&Overrides::default());
    assert_eq!(unchanged.unwrap().pairs(), load(GOOD).unwrap().pairs());
}

#[test]
fn impossible_overrides_are_refused() {
    let none = Overrides::default;
    let models = |words: &[&str]| Overrides {
        models: Some(words.iter().map(|word| (*word).to_owned()).collect()),
        ..none()
    };
    let has = "the experiment has: qwen2.5-0.5b-instruct:Q4_K_M, qwen2.5-0.5b-instruct:Q8_0, mine";
    let cases = [
        (
            models(&["mine", "qwen2.5-0.5-instruct"]),
            format!(
                "the experiment `small` has no model `qwen2.5-0.5-instruct`\nhint: did you mean `qwen2.5-0.5b-instruct`? {has}"
            ),
        ),
        (
            models(&["llama"]),
            format!("the experiment `small` has no model `llama`\nhint: {has}"),
        ),
        (
            models(&[]),
            "no model is chosen\nhint: leave `--models` out to take all models of the experiment".to_owned(),
        ),
        (
            Overrides {
                repeats: Some(0),
                ..none()
            },
            "`--repeats` is 0, expected a number from 1 to 10000".to_owned(),
        ),
        (
            Overrides {
                control_repeats: Some(0),
                ..none()
            },
            "`--control-repeats` is 0, expected a number from 1 to 10000".to_owned(),
        ),
        (
            Overrides {
                repeats: Some(4),
                control_repeats: Some(10),
                ..none()
            },
            "of 4 repeats of test prompts and 10 of control prompts neither number divides the other\n\
             hint: the nearest for `--control-repeats` are 8 and 12"
                .to_owned(),
        ),
        (
            Overrides {
                limit: Some(0),
                ..none()
            },
            "`--limit` is 0, so nothing would be generated\nhint: `--limit 1` takes one test prompt with its control"
                .to_owned(),
        ),
    ];
    for (overrides, expected) in cases {
        let error = load(GOOD).unwrap().with_overrides(&overrides).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_plan_has_each_request_once_in_order() {
    let experiment = load(GOOD).unwrap();
    let sampling = experiment.samplings(None).swap_remove(0);
    let schedule = "strict-pad8-vbf16".to_owned();
    let context = experiment.request_context(Digest::of(b"model"), sampling, schedule);
    // The prompts in reverse order; the last two have the same tokens.
    let prompt_tokens: Vec<Arc<[u32]>> = [70, 60, 50, 40, 30, 10, 10]
        .map(|last| Arc::from([1, last]))
        .to_vec();
    let plan = plan_requests(&experiment, &prompt_tokens, &context);
    let requests = plan.requests();
    assert_eq!(requests.len(), 6 * 5);
    let key = |request: &Request| (request.prompt_tokens.clone(), request.repeat_idx);
    assert!(requests.is_sorted_by(|left, right| key(left) < key(right)));
    for (prompt_idx, tokens) in prompt_tokens.iter().enumerate() {
        for repeat_idx in 0..5 {
            let request = plan.request(prompt_idx, repeat_idx);
            assert_eq!(request, &context.request(Arc::clone(tokens), repeat_idx));
            assert_eq!(plan.request_id(prompt_idx, repeat_idx), request.id);
        }
    }
}

#[test]
fn every_experiment_of_the_project_loads() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_yaml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    };
    let mut n_loaded = 0;
    for path in paths.filter(is_yaml) {
        let experiment = Experiment::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(experiment.warnings(), [], "{}", path.display());
        n_loaded += 1;
    }
    assert!(n_loaded > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any file gives an experiment or its problems, each with a text.
    #[test]
    fn a_damaged_file_is_answered(
        start in 0..GOOD.len(),
        n_cut in 0..40_usize,
        inserted in "[-:{}\\[\\]'\"|>&*!%@`#,? \\n\\ta-e0-9é\u{2028}\u{0}]{0,6}",
        is_truncated in any::<bool>(),
    ) {
        let end = if is_truncated { GOOD.len() } else { (start + n_cut).min(GOOD.len()) };
        let yaml = format!("{}{inserted}{}", &GOOD[..start], &GOOD[end..]);
        if let Err(shown) = load(&yaml) {
            prop_assert!(shown.starts_with("error: "), "{shown}");
            prop_assert!(shown.contains(" in x.yaml"), "{shown}");
            prop_assert!(shown.ends_with("; nothing was run"), "{shown}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let files = Files::new(&[]);
        fs::write(files.path("x.yaml"), bytes).unwrap();
        prop_assert!(files.load("x.yaml").is_err());
    }
}
