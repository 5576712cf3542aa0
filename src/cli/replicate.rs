//! Arguments of `seep replicate`: the comparisons of an experiment under other seeds and other arithmetic.

use std::path::PathBuf;

use clap::Args;

use super::{ClusterUnit, Format, Generalise, RateKind};

/// Arguments of `seep replicate`.
#[derive(Debug, Args)]
pub struct ReplicateArgs {
    /// The experiment, by name or by the first 8 digits of its sha256; all that is stored of its prompts under each seed is
    /// compared.
    pub experiment: String,
    /// The database of another machine, whose run of the experiment is set beside; may be given several times. It is read
    /// from a copy and stays as it is.
    #[arg(long, value_name = "FILE")]
    pub with: Vec<PathBuf>,
    /// The condition that all others are compared with: name, name:quantization, or the first 8 digits of a file's
    /// sha256; unless given of each model the file with most bits per weight, under each sampling, and of a single file
    /// its first sampling.
    #[arg(long, value_name = "NAME")]
    pub base: Option<String>,
    /// The metric; sbert unless given.
    #[arg(long, value_name = "NAME")]
    pub metric: Option<String>,
    /// The encoder, by its name, its path or the first 8 digits of its file's sha256; the first that the experiment names
    /// unless given.
    #[arg(long, value_name = "NAME")]
    pub embedding_model: Option<String>,
    /// Rates of repeats or exact ones; those of repeats where an experiment has both.
    #[arg(long, value_enum, value_name = "KIND")]
    pub rates: Option<RateKind>,
    /// The common part of prompts that are not independent of each other.
    #[arg(long, value_enum, default_value_t = ClusterUnit::Control)]
    pub unit: ClusterUnit,
    /// Let intervals speak of other concepts too, whatever the experiment says.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub generalise: Option<Generalise>,
    /// The database that is read.
    #[arg(long, value_name = "FILE", default_value = "db/seep.sqlite")]
    pub db: PathBuf,
    /// How the conclusions are printed on stdout.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}
