//! The command line: arguments and their help, nothing else.
//!
//! Exit codes: 0 everything was done, 1 done but some requests failed, 2 could not start or finish
//! (128 and the number of the signal where one ended it: 130 of Ctrl-C, 143 of SIGTERM).

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::home;

mod annotate;
mod choices;
mod decimals;
mod models;
mod replicate;

pub use annotate::{
    AnnotateArgs, AnnotateCommand, AnnotateReadArgs, AnnotateSampleArgs, AnnotateShowArgs,
};
pub use choices::{ClusterUnit, Generalise, RateKind};
pub use decimals::Decimals;
pub use models::{
    CheckArgs, DeriveArgs, FetchArgs, ModelsArgs, ModelsCommand, NamedModelArgs, QuantizeArgs,
    ShowArgs,
};
pub use replicate::ReplicateArgs;

/// A laboratory for semantic leakage in quantized language models.
#[derive(Debug, Parser)]
#[command(name = "seep", version, arg_required_else_help = true)]
pub struct Cli {
    /// Say nothing on stderr but warnings and errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment: generate what is missing, measure leakage, print the table.
    Run(RunArgs),
    /// Show what a run would do: prompts, generations still missing, downloads.
    Plan(PlanArgs),
    /// Take in generations that were made elsewhere: workbooks, CSV, TSV or JSON lines.
    Import(ImportArgs),
    /// Measure leakage in what is stored, without generating.
    Score(ScoreArgs),
    /// Compare the leakage of models or quantizations, prompt by prompt, from what is stored.
    Compare(CompareArgs),
    /// Show which conclusions stand under other seeds and on other machines, from what is stored.
    Replicate(ReplicateArgs),
    /// Show how far models lie from a base: next tokens, its generations.
    Drift(DriftArgs),
    /// Write everything that is stored of an experiment as one HTML file, and as figures.
    Report(ReportArgs),
    /// Model files: what is there, what it would cost to fetch, what is inside.
    Models(ModelsArgs),
    /// The experiments and runs that the database holds.
    List(ListArgs),
    /// Page through what models made of the prompts, side by side.
    Show(ShowRowsArgs),
    /// Write tables for other programs: CSV, JSON Lines, Parquet, Excel, LaTeX.
    Export(ExportArgs),
    /// Let people judge verdicts without knowing whose text is whose, and show how far they agree with the metric.
    Annotate(AnnotateArgs),
    /// Measure how fast generations are made on this machine.
    Bench(BenchArgs),
    /// Print the completions of a shell.
    Completions(CompletionsArgs),
    /// Print the manual page.
    Man(ManArgs),
    /// Make one model file from another; what `models derive` and `run` do in a process of its own.
    #[command(hide = true)]
    Quantize(QuantizeArgs),
    /// Serve a model to the program that started this one.
    #[command(hide = true)]
    ServeModel {
        /// The number of the open file for logits.
        shared: u32,
    },
    /// Try intervals, p-values and plans on made-up experiments whose truth is known.
    #[command(hide = true)]
    Simulate(SimulateArgs),
}

/// Which part of an experiment is meant, and where its files lie.
#[derive(Debug, Args)]
pub struct ExperimentArgs {
    /// The experiment, a YAML file (experiments/README.md documents the format).
    pub file: PathBuf,
    /// Only these models, by name or name:quantization, comma-separated.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    pub models: Option<Vec<String>>,
    /// Only N test prompts, spread evenly over templates and concepts, with their controls.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Repeats of each test prompt, instead of the experiment's number; those of controls change in the same ratio.
    #[arg(long, value_name = "N")]
    pub repeats: Option<u32>,
    /// Repeats of each control prompt, instead of the experiment's number.
    #[arg(long, value_name = "N")]
    pub control_repeats: Option<u32>,
    /// Seed of the draws, instead of the experiment's.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Layers of each model that are put on the GPU, 0 for none, instead of the experiment's number; all where there is a
    /// GPU unless either is given.
    #[arg(long, value_name = "N")]
    pub gpu_layers: Option<u32>,
    /// Let the intervals that are printed speak of other concepts too, whatever the experiment says.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub generalise: Option<Generalise>,
    /// Refuse an experiment about which there is a warning.
    #[arg(long)]
    pub strict: bool,
    /// Contact no server: every model file must be there (also: SEEP_OFFLINE=1, HF_HUB_OFFLINE=1).
    #[arg(long)]
    pub offline: bool,
    #[command(flatten)]
    /// Where things lie.
    pub places: PlaceArgs,
}

/// Where things lie.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// The database that records everything.
    #[arg(long, value_name = "FILE", default_value = "db/seep.sqlite")]
    pub db: PathBuf,
    #[command(flatten)]
    /// Where the model files lie.
    pub shelf: ShelfArgs,
}

/// Where the model files lie.
#[derive(Debug, Args)]
pub struct ShelfArgs {
    /// The folder of the model files.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "gguf",
        env = "SEEP_MODELS_DIR",
        value_parser = path_parser()
    )]
    pub models_dir: PathBuf,
}

/// A path, which may come from the environment with a `~` that no shell has seen.
fn path_parser() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|path| home::expanded(&path).into_owned())
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    #[value(alias = "text")]
    Table,
    /// One JSON document.
    Json,
}

/// Arguments of `seep run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    /// The experiment.
    pub experiment: ExperimentArgs,
    /// Threads that compute; the number of physical cores unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads: Option<u32>,
    /// How the results are printed on stdout.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Arguments of `seep plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    /// The experiment.
    pub experiment: ExperimentArgs,
    /// Threads that the run would compute with; the number of physical cores unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads: Option<u32>,
    /// How the plan is printed on stdout.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Arguments of `seep import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The files; their names end in .xlsx, .csv, .tsv, .jsonl or .json. `published:colors` and `published:original` are
    /// the published workbooks, fetched where they are missing.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The experiment they belong to; files with the same prompt pairs share them.
    #[arg(long, value_name = "NAME")]
    pub experiment: String,
    /// The model's name; unless given, each file is a model of its own, called like the file.
    #[arg(long, value_name = "LABEL")]
    pub model: Option<String>,
    /// The columns with generations, comma-separated, one for each repeat, instead of the mapping's.
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
    pub repeats: Option<Vec<String>>,
    /// A YAML file that says which column is what; that of the published workbooks unless given.
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
    /// Where an encoder may lie, whose vocabulary the texts are compared with.
    #[command(flatten)]
    pub shelf: ShelfArgs,
    /// Import nothing where anything looks wrong.
    #[arg(long)]
    pub strict: bool,
    /// The database that records everything.
    #[arg(long, value_name = "FILE", default_value = "db/seep.sqlite")]
    pub db: PathBuf,
}

/// A similarity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Metric {
    /// Cosine of sentence embeddings.
    Sbert,
    /// F1 of BERTScore.
    Bertscore,
    /// Precision of BERTScore: how well the tokens of the concept are matched.
    BertscorePrecision,
    /// Recall of BERTScore: how well the tokens of the generation are matched.
    BertscoreRecall,
}

/// Arguments of `seep score`.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// Only the experiment of this name, or whose sha256 begins with these 8 digits or more; all unless given.
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// The similarity; may be given several times.
    #[arg(long, value_enum, value_name = "NAME", default_values_t = [Metric::Sbert])]
    pub metric: Vec<Metric>,
    /// The encoders, comma-separated, the primary one first: each a name of the manifest, the path of a GGUF file, or that
    /// of a folder with model.safetensors; unless given those that the experiment names, all-minilm-l6-v2 where it names
    /// none, and distilbert-base-uncased for bertscore.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    pub embedding_model: Vec<String>,
    /// The layer that bertscore uses; unless given, 5 of distilbert-base-uncased and the last of other encoders.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub layer: Option<u32>,
    /// Decimals to which similarities are rounded before they are compared, or `none`.
    #[arg(long, value_name = "N", default_value = "3")]
    pub decimals: Decimals,
    /// Let intervals speak of other concepts too, whatever the experiment says.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub generalise: Option<Generalise>,
    /// Contact no server: the encoder must be there (also: SEEP_OFFLINE=1, HF_HUB_OFFLINE=1).
    #[arg(long)]
    pub offline: bool,
    /// Threads that compute; the number of physical cores unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads: Option<u32>,
    /// How the results are printed on stdout; JSON is one list.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    #[command(flatten)]
    /// Where things lie.
    pub places: PlaceArgs,
}

impl From<Metric> for crate::leakage::Metric {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Sbert => Self::Sbert,
            Metric::Bertscore => Self::Bertscore,
            Metric::BertscorePrecision => Self::BertscorePrecision,
            Metric::BertscoreRecall => Self::BertscoreRecall,
        }
    }
}

/// Arguments of `seep compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The condition that the others are compared with: name, name:quantization, or the first 8 digits of a file's sha256;
    /// of a sweep as it prints them, "name:quantization temperature=0.5", and one of several wordings by its name,
    /// "name:quantization plain"; without it all are compared, each with the same, and their means.
    pub base: String,
    /// The other conditions, named alike.
    #[arg(required = true, value_name = "OTHER")]
    pub others: Vec<String>,
    /// The experiment, by name or by the first 8 digits of its sha256; needed where several have all conditions.
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// The metric; sbert unless given.
    #[arg(long, value_name = "NAME")]
    pub metric: Option<String>,
    /// The encoder, by its name, its path or the first 8 digits of its file's sha256; the first that the experiment names
    /// unless given.
    #[arg(long, value_name = "NAME")]
    pub embedding_model: Option<String>,
    /// The seed of the generations; needed where several are stored.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Rates of repeats or exact ones; needed where the conditions have both.
    #[arg(long, value_enum, value_name = "KIND")]
    pub rates: Option<RateKind>,
    /// The common part of prompts that are not independent of each other.
    #[arg(long, value_enum, default_value_t = ClusterUnit::Control)]
    pub unit: ClusterUnit,
    /// Let intervals speak of other concepts too, whatever the experiment says.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub generalise: Option<Generalise>,
    /// The most prompts shown for each comparison whose verdicts flipped, or whose leak probability changed most.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub flips: usize,
    /// The largest difference in points that counts as none, instead of the experiment's: is it smaller for sure?
    #[arg(long, value_name = "POINTS")]
    pub margin: Option<f64>,
    /// The database that is read.
    #[arg(long, value_name = "FILE", default_value = "db/seep.sqlite")]
    pub db: PathBuf,
    /// How the comparison is printed on stdout.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Arguments of `seep simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Made-up experiments for each figure.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub simulations: u32,
    /// Seed of everything that is drawn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How the figures are printed on stdout.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Arguments of `seep drift`.
#[derive(Debug, Args)]
pub struct DriftArgs {
    #[command(flatten)]
    /// The experiment.
    pub experiment: ExperimentArgs,
    /// The model that the others are compared with: name, name:quantization, or the first 8 digits of a file's sha256;
    /// the first unless given.
    #[arg(long, value_name = "NAME")]
    pub base: Option<String>,
    /// Threads that compute; the number of physical cores unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads: Option<u32>,
    /// How the results are printed on stdout.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Arguments of `seep report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The HTML file that is written; one that is there is replaced; `-` is stdout.
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
    /// Also write every figure into this folder, as SVG, PDF and PNG.
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
    /// The experiment, by name or by the first 8 digits of its sha256; the latest unless given.
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// The condition that all others are compared with: name, name:quantization, or the first 8 digits of a file's
    /// sha256; unless given of each model the file with most bits per weight, under each sampling in each wording, and of
    /// a single file its first sampling and wording.
    #[arg(long, value_name = "NAME")]
    pub base: Option<String>,
    /// The metric; sbert unless given.
    #[arg(long, value_name = "NAME")]
    pub metric: Option<String>,
    /// The encoder, by its name, its path or the first 8 digits of its file's sha256; the first that the experiment names
    /// unless given.
    #[arg(long, value_name = "NAME")]
    pub embedding_model: Option<String>,
    /// The seed of the generations; the one that most models have unless given.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Rates of repeats or exact ones; those of repeats where an experiment has both.
    #[arg(long, value_enum, value_name = "KIND")]
    pub rates: Option<RateKind>,
    /// The common part of prompts that are not independent of each other, where conditions are compared.
    #[arg(long, value_enum, default_value_t = ClusterUnit::Control)]
    pub unit: ClusterUnit,
    /// Let intervals speak of other concepts too, whatever the experiment says.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub generalise: Option<Generalise>,
    /// The database that is read.
    #[arg(long, value_name = "FILE", default_value = "db/seep.sqlite")]
    pub db: PathBuf,
}

/// Arguments of `seep bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The experiment whose prompts, messages and sampling values are used.
    #[arg(long, value_name = "FILE", default_value = "benches/colors.yaml")]
    pub experiment: PathBuf,
    /// A file with one prompt a line, instead of the experiment's prompts.
    #[arg(long, value_name = "FILE")]
    pub prompts: Option<PathBuf>,
    /// The model: a name, name:quantization, or the path of a GGUF.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "qwen2.5-coder-0.5b-instruct:Q4_K_M"
    )]
    pub model: String,
    /// Only N prompts, evenly spread.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Repeats of each prompt.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub repeats: u32,
    /// How often our engine and llama.cpp's own rates are measured; medians are printed.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Also measure 5, 20 and 50 repeats, and 100 and 300 prompts.
    #[arg(long)]
    pub growth: bool,
    /// Also measure other programs, with this Python.
    #[arg(long, value_name = "PYTHON")]
    pub peers: Option<PathBuf>,
    /// The folder of the programs that call the other programs.
    #[arg(long, value_name = "DIR", default_value = "../shared/tools")]
    pub peer_programs: PathBuf,
    /// Also write everything that was measured as JSON.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Threads that compute; the number of physical cores unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads: Option<u32>,
    #[command(flatten)]
    /// Where the model files lie.
    pub shelf: ShelfArgs,
}

/// Arguments of `seep list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only the experiment of this name, or whose sha256 begins with these 8 digits or more.
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// The database that is read.
    #[arg(long, value_name = "FILE", default_value = "db/seep.sqlite")]
    pub db: PathBuf,
    /// How the lists are printed on stdout.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Arguments of `seep show`.
#[derive(Debug, Args)]
pub struct ShowRowsArgs {
    /// Only the experiment of this name, or whose sha256 begins with these 8 digits or more.
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// Only these models, by name or name:quantization, comma-separated.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    pub models: Option<Vec<String>>,
    /// Only this metric, such as sbert.
    #[arg(long, value_name = "NAME")]
    pub metric: Option<String>,
    /// The encoder, by its name, its path or the first 8 digits of its file's sha256; the first that the experiment names
    /// unless given.
    #[arg(long, value_name = "NAME")]
    pub embedding_model: Option<String>,
    /// Only generations of this seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Only this concept.
    #[arg(long, value_name = "WORD")]
    pub concept: Option<String>,
    /// Only this category.
    #[arg(long, value_name = "NAME")]
    pub category: Option<String>,
    /// Only prompts of which a repeat leaks.
    #[arg(long)]
    pub leaks: bool,
    /// Only prompts of which a test generation holds the concept itself.
    #[arg(long)]
    pub echoes: bool,
    /// Only prompts on which models differ in a verdict.
    #[arg(long)]
    pub flips: bool,
    /// At most so many prompts.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// The database that is read.
    #[arg(long, value_name = "FILE", default_value = "db/seep.sqlite")]
    pub db: PathBuf,
}

/// A format of exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// Comma-separated values, in UTF-8 with a heading.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Parquet, compressed with Snappy.
    Parquet,
    /// An Excel workbook with a sheet for each table.
    Xlsx,
    /// A LaTeX table with the rules of booktabs.
    Latex,
}

/// Arguments of `seep export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The format; needed unless the name of the output says it.
    #[arg(long, value_enum)]
    pub format: Option<TableFormat>,
    /// Only these tables, comma-separated; `seep export --dictionary --format csv` lists all.
    #[arg(long, value_name = "TABLE,..", value_delimiter = ',')]
    pub table: Option<Vec<String>>,
    /// Only what belongs to the experiment of this name, or whose sha256 begins with these 8 digits or more.
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// The encoder of rates, diagnostics and comparisons, by its name, its path or the first 8 digits of its file's sha256; the first that the experiment names
    /// unless given.
    #[arg(long, value_name = "NAME")]
    pub embedding_model: Option<String>,
    /// Only these columns of the one table, in this order, comma-separated.
    #[arg(long, value_name = "COLUMN,..", value_delimiter = ',')]
    pub columns: Option<Vec<String>>,
    /// The meaning of every column, instead of the tables.
    #[arg(long, conflicts_with_all = ["columns", "experiment", "embedding_model"])]
    pub dictionary: bool,
    /// Put an apostrophe before text in CSV that a spreadsheet would take for a formula.
    #[arg(long)]
    pub escape_formulas: bool,
    /// The file; `-` is stdout. Several tables, unless they are sheets of one workbook, go into a folder.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// The database that is read.
    #[arg(long, value_name = "FILE", default_value = "db/seep.sqlite")]
    pub db: PathBuf,
}

/// Arguments of `seep completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A shell that completions can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
    /// PowerShell.
    Powershell,
    /// Elvish.
    Elvish,
}

/// Arguments of `seep man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for the program and each of its commands into this folder instead.
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
}
