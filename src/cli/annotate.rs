//! Arguments of `seep annotate`: verdicts that people judge.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;

/// Arguments of `seep annotate`.
#[derive(Debug, Args)]
pub struct AnnotateArgs {
    /// The command.
    #[command(subcommand)]
    pub command: AnnotateCommand,
}

/// The command.
#[derive(Debug, Subcommand)]
pub enum AnnotateCommand {
    /// Write verdicts for people to judge: concept and both texts, sides and order at random, nothing that tells them.
    Sample(AnnotateSampleArgs),
    /// Read a filled sheet: who said what.
    Read(AnnotateReadArgs),
    /// Show how far people and the metric agree, and people among themselves.
    Show(AnnotateShowArgs),
}

/// Arguments of `seep annotate sample`.
#[derive(Debug, Args)]
pub struct AnnotateSampleArgs {
    /// The experiment, by name or by the first 8 digits of its sha256; the latest unless given.
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// Only these models, by name or name:quantization, comma-separated.
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    pub models: Option<Vec<String>>,
    /// The metric whose verdicts are judged; sbert unless given.
    #[arg(long, value_name = "NAME")]
    pub metric: Option<String>,
    /// The encoder, by its name, path or the beginning of its sha256; the experiment's primary one unless given.
    #[arg(long, value_name = "NAME")]
    pub embedding_model: Option<String>,
    /// The seed of the generations; the one that most models have unless given.
    #[arg(long, value_name = "N")]
    pub generation_seed: Option<u64>,
    /// Items: of each condition the same number, and in it of each category, as near as it goes.
    #[arg(long = "n", value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub n_items: u32,
    /// Seed of the draws: which verdicts, in which order, and which side is text A.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The file, whose name ends in .csv or .xlsx; one that is there is never replaced. A spreadsheet leaves the texts of
    /// an .xlsx as they are.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// The database that is read and keeps the key.
    #[arg(long, value_name = "FILE", default_value = "db/seep.sqlite")]
    pub db: PathBuf,
}

/// Arguments of `seep annotate read`.
#[derive(Debug, Args)]
pub struct AnnotateReadArgs {
    /// The filled sheet, whose name ends in .csv or .xlsx; answers are `A`, `B`, `same`, or nothing.
    pub file: PathBuf,
    /// The annotator's name.
    #[arg(long, value_name = "NAME")]
    pub annotator: String,
    /// The database that keeps the key.
    #[arg(long, value_name = "FILE", default_value = "db/seep.sqlite")]
    pub db: PathBuf,
}

/// Arguments of `seep annotate show`.
#[derive(Debug, Args)]
pub struct AnnotateShowArgs {
    /// Only the experiment of this name, or whose sha256 begins with these 8 digits or more; all unless given.
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// The database that is read.
    #[arg(long, value_name = "FILE", default_value = "db/seep.sqlite")]
    pub db: PathBuf,
    /// How the figures are printed on stdout.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}
