//! The page as formatted strings, for the template.
//!
//! Owns every number's format and the order of tables. Texts are harmless here, but not escaped: the template escapes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use itertools::Itertools as _;
use serde::Serialize;

use super::charts::{Chart, Table};
use super::rows::rows;
use super::words::{AnswerPart, answer, count, enumeration_words, thousands};
use crate::digest::Digest;
use crate::leakage::{PairEstimate, striking_leaks};
use crate::report::text::{visible, visible_block};
use crate::results::{
    LikelyText, ReportCondition, ReportData, ReportLeak, ReportMessages, ReportModel, ReportRun,
    SimilarText, Texts,
};

/// The page's style sheet.
pub(super) const STYLE: &str = include_str!("report.css");
/// The page's script.
pub(super) const SCRIPT: &str = include_str!("report.js");
/// Leaks shown for each condition.
const N_EXAMPLES: usize = 3;

/// Everything the template prints.
#[derive(Debug, Serialize)]
pub(super) struct Context {
    policy: String,
    name: String,
    question: String,
    facts: Vec<Fact>,
    answer: Vec<AnswerPart>,
    /// True if rates are exact; the template then gives other explanations and choices.
    is_exact: bool,
    messages: Vec<MessagesContext>,
    sample_pairs: Vec<[String; 3]>,
    charts: Vec<ChartContext>,
    examples: Vec<Examples>,
    n_pairs: String,
    /// The rows of the table of prompts; JSON in which no `<` stands.
    pub(super) rows_json: String,
    models: Table,
    sampling: Table,
    runs: Vec<RunContext>,
    commands: Vec<String>,
    files: Vec<(String, String)>,
    making: Vec<Fact>,
}

/// A name and its value.
#[derive(Debug, Serialize)]
struct Fact {
    name: String,
    value: String,
}

/// The messages of the first test prompt in one wording.
#[derive(Debug, Serialize)]
struct MessagesContext {
    /// Empty where the wording has no name.
    wording: String,
    system_message: Option<String>,
    user_message: String,
}

#[derive(Debug, Serialize)]
struct ChartContext {
    id: String,
    title: String,
    svg: String,
    caption: String,
    table: Table,
}

#[derive(Debug, Serialize)]
struct Examples {
    condition: String,
    leaks: Vec<ExampleContext>,
}

#[derive(Debug, Serialize)]
struct ExampleContext {
    concept: String,
    margin: String,
    sides: [ExampleSide; 2],
}

#[derive(Debug, Serialize)]
struct ExampleSide {
    what: String,
    prompt: String,
    generation: String,
}

#[derive(Debug, Serialize)]
struct RunContext {
    title: String,
    facts: Vec<Fact>,
    models: Table,
}

impl Context {
    pub(super) fn new(data: &ReportData, charts: &[Chart]) -> Self {
        let experiment = &data.experiment;
        Self {
            policy: policy(),
            name: visible(&experiment.name),
            question: visible(&experiment.question),
            facts: facts(data),
            answer: answer(data),
            is_exact: data.enumeration.is_some(),
            messages: experiment.messages.iter().map(messages).collect(),
            sample_pairs: sample_pairs(data),
            charts: charts.iter().map(chart_context).collect(),
            examples: data
                .conditions
                .iter()
                .filter_map(|condition| examples(data, condition))
                .collect(),
            n_pairs: count(data.pairs.len(), "prompt pair"),
            rows_json: rows_json(data),
            models: models_table(data),
            sampling: sampling_table(data),
            runs: data.runs.iter().map(run_context).collect(),
            commands: commands(data),
            files: files(data),
            making: making(data),
        }
    }
}

fn messages(messages: &ReportMessages) -> MessagesContext {
    MessagesContext {
        wording: visible(&messages.wording),
        system_message: messages.system_message.as_deref().map(visible_block),
        user_message: visible_block(&messages.user_message),
    }
}

/// Nothing is loaded, and only the style sheet and the script of the page count.
fn policy() -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Digest::of(text.as_bytes()).as_bytes());
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn fact(name: &str, value: impl Into<String>) -> Fact {
    Fact {
        name: name.to_owned(),
        value: value.into(),
    }
}

/// The conditions, without means over wordings.
fn conditions(data: &ReportData) -> impl Iterator<Item = &ReportCondition> {
    data.conditions.iter().filter(|it| !it.is_mean())
}

fn facts(data: &ReportData) -> Vec<Fact> {
    let concepts = distinct(data.pairs.iter().map(|pair| pair.concept.as_str()));
    let categories = distinct(data.pairs.iter().map(|pair| pair.category.as_str()));
    vec![
        fact("conditions", conditions(data).count().to_string()),
        fact("prompt pairs", thousands(data.pairs.len())),
        fact("concepts", concepts.to_string()),
        fact("categories", categories.to_string()),
        counted(data),
        fact(
            "metric",
            visible(&format!(
                "{}, by {}",
                data.metric, data.embedding_model.name
            )),
        ),
        fact(
            "seed",
            data.seed
                .map_or("unknown".to_owned(), |seed| seed.to_string()),
        ),
    ]
}

/// Returns the fact about the verdicts or enumerations that the rates are made of.
fn counted(data: &ReportData) -> Fact {
    if let Some(params) = data.enumeration {
        return fact("rates", format!("exact, {}", enumeration_words(params)));
    }
    let verdicts = data
        .conditions
        .iter()
        .map(|condition| condition.leaks.len());
    fact("verdicts", thousands(verdicts.sum()))
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.unique().count()
}

/// The first pair of each category, for a reader who wants to know what was asked.
fn sample_pairs(data: &ReportData) -> Vec<[String; 3]> {
    let pairs = data.pairs.iter();
    pairs
        .unique_by(|pair| &pair.category)
        .map(|pair| {
            [&pair.category, &pair.test_prompt, &pair.control_prompt].map(|text| visible(text))
        })
        .collect()
}

fn chart_context(chart: &Chart) -> ChartContext {
    let figure = &chart.figure;
    ChartContext {
        id: figure.name.clone(),
        title: figure.title.clone(),
        svg: figure.for_page(),
        caption: figure.caption.clone(),
        table: chart.table.clone(),
    }
}

fn examples(data: &ReportData, condition: &ReportCondition) -> Option<Examples> {
    let estimates = condition.leaks.iter().map(|leak| &leak.estimate);
    let striking = striking_leaks(estimates, N_EXAMPLES, |place| {
        condition.leaks[place].is_legible
    })
    .into_iter();
    let leaks: Vec<ExampleContext> = striking
        .filter_map(|place| example(data, &condition.leaks[place]))
        .collect();
    (!leaks.is_empty()).then(|| Examples {
        condition: visible(&condition.name),
        leaks,
    })
}

fn example(data: &ReportData, leak: &ReportLeak) -> Option<ExampleContext> {
    let pair_idx = leak.estimate.pair_idx;
    let pair = data.pairs.iter().find(|pair| pair.pair_idx == pair_idx)?;
    let concept = visible(&pair.concept);
    let prompts = [&pair.test_prompt, &pair.control_prompt];
    let [test_prompt, control_prompt] = prompts.map(|prompt| visible(prompt));
    let margin = margin_words(&leak.estimate);
    Some(match &leak.texts {
        Texts::Generations { test, control } => ExampleContext {
            concept,
            margin,
            sides: [
                similar_side("test", test_prompt, test),
                similar_side("control", control_prompt, control),
            ],
        },
        Texts::Likely { test, control } => ExampleContext {
            concept: format!(
                "{concept}, leaks with {:.1} %",
                100.0 * leak.estimate.leak_probability
            ),
            margin,
            sides: [
                likely_side("test", test_prompt, test),
                likely_side("control", control_prompt, control),
            ],
        },
    })
}

/// How much closer to its concept the test text is than all that it is compared with.
fn margin_words(estimate: &PairEstimate) -> String {
    match estimate.specific.and_then(|it| it.margin) {
        Some(margin) => format!("margin {margin:.3}"),
        None => format!(
            "margin over the control alone {:.3}",
            estimate.similarity_shift
        ),
    }
}

fn similar_side(what: &str, prompt: String, text: &SimilarText) -> ExampleSide {
    ExampleSide {
        what: format!("{what}, similarity {:.3}", text.similarity),
        prompt,
        generation: visible(&text.text),
    }
}

fn likely_side(what: &str, prompt: String, texts: &[LikelyText]) -> ExampleSide {
    ExampleSide {
        what: what.to_owned(),
        prompt,
        generation: likely_words(texts),
    }
}

/// The first texts with their probabilities.
fn likely_words(texts: &[LikelyText]) -> String {
    let words = texts.iter().take(N_EXAMPLES).map(|likely| {
        let percent = 100.0 * likely.probability;
        format!("{} ({percent:.0}\u{a0}%)", visible(&likely.text))
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The rows as JSON that a script element can hold: without `<`, no tag and no comment can begin.
fn rows_json(data: &ReportData) -> String {
    let json =
        serde_json::to_string(&rows(data)).expect("plain strings and numbers always serialise");
    json.replace('<', "\\u003c")
}

fn models_table(data: &ReportData) -> Table {
    let generating =
        conditions(data).map(|condition| model_row(&condition.model, &condition.marks.join(", ")));
    let mut rows: Vec<[String; 9]> = generating.collect();
    rows.dedup();
    rows.push(model_row(&data.embedding_model, "embeds"));
    Table::new(
        [
            "model",
            "quantization",
            "bits per weight",
            "weights",
            "bytes",
            "architecture",
            "licence",
            "marks",
            "sha256",
        ],
        rows,
    )
}

fn model_row(model: &ReportModel, marks: &str) -> [String; 9] {
    [
        visible(&model.name),
        visible(&model.quantization),
        known(model.bits_per_weight.map(|bits| format!("{bits:.3}"))),
        known(model.n_parameters.map(|n| thousands(n as usize))),
        known(model.size_bytes.map(|n| thousands(n as usize))),
        known(model.architecture.as_deref().map(visible)),
        model
            .licence
            .as_deref()
            .map_or("not stated in the file or the manifest".to_owned(), visible),
        visible(marks),
        model.sha256.clone(),
    ]
}

/// Returns the value, or `unknown` where there is none.
fn known(value: Option<String>) -> String {
    value.unwrap_or_else(|| "unknown".to_owned())
}

fn sampling_table(data: &ReportData) -> Table {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in conditions(data).flat_map(|condition| &condition.sampling) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let value = |condition: &ReportCondition, wanted: &str| {
        let values = condition.sampling.iter().filter(|(name, _)| name == wanted);
        visible(
            &values
                .map(|(_, value)| value.as_str())
                .collect::<Vec<_>>()
                .join("; "),
        )
    };
    let columns = ["condition"].into_iter().chain(names.iter().copied());
    Table {
        columns: columns.map(visible).collect(),
        rows: conditions(data)
            .map(|condition| {
                let values = names.iter().map(|name| value(condition, name));
                [visible(&condition.name)]
                    .into_iter()
                    .chain(values)
                    .collect()
            })
            .collect(),
    }
}

fn run_context(run: &ReportRun) -> RunContext {
    let rows = run.models.iter().map(|model| {
        [
            visible(&model.name),
            visible(&model.schedule),
            visible(&model.device),
            visible(&model.tokenizer),
            model
                .determinism
                .as_deref()
                .map_or("nothing was generated".to_owned(), visible),
            model.n_generated.to_string(),
            model.n_reused.to_string(),
            model.n_failed.to_string(),
        ]
    });
    RunContext {
        title: run.title.clone(),
        facts: run
            .facts
            .iter()
            .map(|(name, value)| fact(name, visible(value)))
            .collect(),
        models: Table::new(
            [
                "model",
                "schedule",
                "device",
                "tokenizer",
                "independence of neighbours",
                "generated",
                "reused",
                "failed",
            ],
            rows.collect(),
        ),
    }
}

/// The runs' commands in order, each once, and the command of this report.
fn commands(data: &ReportData) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let all = data
        .runs
        .iter()
        .map(|run| &run.command_line)
        .chain([&data.making.command_line]);
    for command in all.map(|command| visible(command)) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    commands
}

/// The experiment's files, as they were when it was first run.
fn files(data: &ReportData) -> Vec<(String, String)> {
    let experiment = &data.experiment;
    let extended = experiment.extended_yaml.as_deref();
    let own = experiment.yaml.as_deref();
    let own = own.map(|yaml| ("The experiment’s file", yaml));
    let extended = extended.map(|yaml| ("The file it extends", yaml));
    let files = own.into_iter().chain(extended);
    files
        .map(|(what, yaml)| (what.to_owned(), visible_block(yaml)))
        .collect()
}

fn making(data: &ReportData) -> Vec<Fact> {
    let making = &data.making;
    vec![
        fact("made by", visible(&making.program)),
        fact("from", visible(&making.database)),
        fact(
            "experiment",
            format!(
                "{}, sha256 {}",
                visible(&data.experiment.name),
                data.experiment.sha256
            ),
        ),
        fact(
            "seed of the random sign flips",
            making.flip_seed.to_string(),
        ),
    ]
}
