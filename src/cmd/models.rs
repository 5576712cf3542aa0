//! `seep models`: lists model files, fetches and checks them, shows their content.
//!
//! Owns the tables that people read. `gguf` says what a file is.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use indicatif::HumanBytes;

use super::Status;
use super::output::print;
use super::program::session;
use crate::cli::{
    CheckArgs, DeriveArgs, FetchArgs, ModelsCommand, NamedModelArgs, ShelfArgs, ShowArgs,
};
use crate::engine::{Schedule, self_check};
use crate::experiment::SamplingDefaults;
use crate::generation::Method;
use crate::gguf::conversion::converted_files;
use crate::gguf::derivation::{Derivation, DerivedRecord, Target, derived_files, read_record};
use crate::gguf::file_hash::hash_file;
use crate::gguf::inspect::LabelShare;
use crate::gguf::manifest::{Entry, Kind, Manifest};
use crate::gguf::shelf::{Shelf, State};
use crate::gguf::{Gguf, Inspection};
use crate::llama::{self, Device, LlamaDecoder};
use crate::progress;
use crate::report::plain_table;
use crate::study::answering::loaded::{context_limits, decoder_config, prompts};
use crate::study::asking::plan;
use crate::study::models::deriving::Wish;
use crate::study::models::encoder as encoder_file;
use crate::study::models::fetching::{self, state_text};
use crate::study::models::file::file_label;
use crate::study::models::opening::open_model;
use crate::study::models::wanted::{Wanted, one_entry, targets_text};
use crate::study::prompt_date::PromptDate;
use crate::study::{Loading, Session};

/// Runs a subcommand of `seep models`.
pub(super) fn models(command: &ModelsCommand) -> anyhow::Result<Status> {
    match command {
        ModelsCommand::List(shelf) => list(shelf),
        ModelsCommand::Fetch(args) => fetch(args),
        ModelsCommand::Verify(args) => verify(args),
        ModelsCommand::Show(args) => show(args),
        ModelsCommand::Derive(args) => derive(args),
        ModelsCommand::Check(args) => check(args),
        ModelsCommand::Devices => devices(),
    }
}

fn list(shelf: &ShelfArgs) -> anyhow::Result<Status> {
    let shelf = Shelf::new(&shelf.models_dir);
    let columns = ["model", "quantization", "size", "licence", "here"];
    let rows = Manifest::builtin().entries().iter().map(|entry| {
        vec![
            entry.name().to_owned(),
            entry.quantization().to_owned(),
            HumanBytes(entry.bytes()).to_string(),
            licence_text(entry),
            state_text(&shelf.state(entry), entry),
        ]
    });
    let rows = rows.chain(derived_rows(&shelf)).collect();
    print(&(plain_table(&columns, rows, &|column_idx| column_idx == 2) + "\n"))?;
    Ok(Status::Done)
}

/// The files that were derived here, under the name of their folder, which is the model's.
fn derived_rows(shelf: &Shelf) -> Vec<Vec<String>> {
    let folders = shelf.folders().into_iter();
    let files = folders.flat_map(|folder| derived_files(&folder));
    let row = |(path, record): (PathBuf, DerivedRecord)| {
        let size = path.metadata().map_or(0, |metadata| metadata.len());
        vec![
            model_of(&path),
            record.derivation.label(),
            HumanBytes(size).to_string(),
            "as its parent".to_owned(),
            derived_text(&record.derivation),
        ]
    };
    files.map(row).collect()
}

fn model_of(path: &Path) -> String {
    let folder = path.parent().and_then(Path::file_name);
    folder.unwrap_or_default().to_string_lossy().into_owned()
}

fn derived_text(derivation: &Derivation) -> String {
    let kind = if derivation.is_requantized {
        "requantized"
    } else {
        "derived"
    };
    format!("yes, {kind} from {}", derivation.parent_quantization)
}

/// The derived file of a model with this label; of several versions the last by name.
fn derived_file(shelf: &Shelf, model: &str, label: &str) -> Option<PathBuf> {
    let files = derived_files(&shelf.dir().join(model)).into_iter().rev();
    let mut matching =
        files.filter(|(_, record)| record.derivation.label().eq_ignore_ascii_case(label));
    matching.next().map(|(path, _)| path)
}

fn derive(args: &DeriveArgs) -> anyhow::Result<Status> {
    let targets = args.to.iter().map(|label| {
        Target::find(label)
            .with_context(|| format!("the quantizer makes no `{label}`\nhint: {}", targets_text()))
    });
    let targets = targets.collect::<anyhow::Result<Vec<Target>>>()?;
    let session = session(&args.shelf, args.offline, args.threads)?;
    let parent = match Path::new(&args.model) {
        path if path.is_file() => Wanted::File {
            path: path.to_owned(),
            label: file_label(path),
        },
        _ => Wanted::Entry(one_entry(&args.model, args.from.as_deref())?),
    };
    for target in targets {
        let wanted = Wanted::Derived {
            parent: Box::new(parent.clone()),
            wish: Wish {
                target,
                allow_requantize: args.allow_requantize,
                imatrix: args.imatrix.clone(),
            },
        };
        let file = open_model(&session, &wanted)?;
        print(&format!("{}\n", file.gguf.path().display()))?;
    }
    Ok(Status::Done)
}

fn licence_text(entry: &Entry) -> String {
    match entry.licence_note() {
        Some(note) => format!("{} ({note})", entry.licence()),
        None => entry.licence().to_owned(),
    }
}

fn fetch(args: &FetchArgs) -> anyhow::Result<Status> {
    let entry = one_entry(&args.name, args.quantization.as_deref())?;
    let session = session(&args.shelf, false, None)?;
    let wanted = Wanted::Entry(entry);
    let path = match entry.kind() {
        Kind::Generation => open_model(&session, &wanted)?.gguf.path().to_owned(),
        Kind::Encoder => encoder_file::open_encoder(&session, &wanted)?
            .file
            .gguf
            .path()
            .to_owned(),
    };
    print(&format!("{}\n", path.display()))?;
    Ok(Status::Done)
}

fn verify(args: &NamedModelArgs) -> anyhow::Result<Status> {
    let manifest = Manifest::builtin();
    let shelf = Shelf::new(&args.shelf.models_dir);
    let derived = wanted_derived(&shelf, args);
    let entries = wanted_entries(manifest, args, !derived.is_empty())?;
    let here: Vec<&Entry> = entries
        .into_iter()
        .filter(|entry| !matches!(shelf.state(entry), State::Absent))
        .collect();
    if here.is_empty() && derived.is_empty() {
        progress::note("none of these models is here");
    }
    let mut n_wrong = verify_converted(&shelf, &here)?;
    for entry in here {
        let said = match shelf.verify(entry, &mut |_| {}) {
            Ok(()) => "as published".to_owned(),
            Err(error) => {
                n_wrong += 1;
                error.to_string()
            }
        };
        print(&format!(
            "{} {}: {said}\n",
            entry.name(),
            entry.quantization()
        ))?;
    }
    for (path, record) in derived {
        let sha256 = hash_file(&path)
            .with_context(|| format!("failed to read `{}`", path.display()))?
            .to_string();
        let said = if sha256 == record.sha256 {
            "as it was made".to_owned()
        } else {
            n_wrong += 1;
            wrong_derived_text(&path, &sha256, &record)
        };
        let label = record.derivation.label();
        print(&format!("{} {label}: {said}\n", model_of(&path)))?;
    }
    if n_wrong > 0 {
        bail!("{n_wrong} of the model files are not as published or as they were made");
    }
    Ok(Status::Done)
}

/// Hashes what was converted here of encoders again; returns how many files are not what was made.
fn verify_converted(shelf: &Shelf, entries: &[&Entry]) -> anyhow::Result<usize> {
    let encoders = entries.iter().filter(|entry| entry.kind() == Kind::Encoder);
    let mut n_wrong = 0;
    for (path, record) in encoders.flat_map(|entry| converted_files(&shelf.folder(entry))) {
        let sha256 = hash_file(&path)
            .with_context(|| format!("failed to read `{}`", path.display()))?
            .to_string();
        let said = if sha256 == record.sha256 {
            "as it was converted".to_owned()
        } else {
            n_wrong += 1;
            format!(
                "not as it was converted: its sha256 is `{sha256}` instead of `{}`\n\
                 hint: delete it; it is made again when it is needed",
                record.sha256
            )
        };
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        print(&format!("{} {file}: {said}\n", model_of(&path)))?;
    }
    Ok(n_wrong)
}

/// The entries of the models that are meant; none where only derived files have such a name.
fn wanted_entries<'m>(
    manifest: &'m Manifest,
    args: &NamedModelArgs,
    has_derived: bool,
) -> anyhow::Result<Vec<&'m Entry>> {
    let found = match (&args.name, &args.quantization) {
        (Some(name), Some(quantization)) => {
            manifest.find(name, quantization).map(|entry| vec![entry])
        }
        (Some(name), None) => manifest.quantizations(name),
        (None, _) => return Ok(manifest.entries().iter().collect()),
    };
    match found {
        Err(_) if has_derived => Ok(Vec::new()),
        found => Ok(found?),
    }
}

/// The derived files here of the models that are meant.
fn wanted_derived(shelf: &Shelf, args: &NamedModelArgs) -> Vec<(PathBuf, DerivedRecord)> {
    let is_wanted = |path: &Path, record: &DerivedRecord| {
        let label = record.derivation.label();
        let is_named = args
            .name
            .as_ref()
            .is_none_or(|name| model_of(path) == *name);
        let mut quantization = args.quantization.iter();
        is_named && quantization.all(|quantization| label.eq_ignore_ascii_case(quantization))
    };
    let folders = shelf.folders().into_iter();
    folders
        .flat_map(|folder| derived_files(&folder))
        .filter(|(path, record)| is_wanted(path, record))
        .collect()
}

fn wrong_derived_text(path: &Path, sha256: &str, record: &DerivedRecord) -> String {
    format!(
        "`{}` has the sha256 {sha256}, and was made with {}\n\
         hint: delete the file; the next run makes it again from its parent",
        path.display(),
        record.sha256
    )
}

/// Shows the devices that this build can compute on.
fn devices() -> anyhow::Result<Status> {
    let columns = ["device", "kind", "backend", "memory", "free", "description"];
    let memory = |bytes: u64| match bytes {
        0 => "not told".to_owned(),
        bytes => HumanBytes(bytes).to_string(),
    };
    let row = |device: Device| {
        vec![
            device.name,
            device.kind.as_str().to_owned(),
            device.backend,
            memory(device.memory_total),
            memory(device.memory_free),
            device.description,
        ]
    };
    let rows = llama::devices().into_iter().map(row).collect();
    let is_number = |column_idx| matches!(column_idx, 3 | 4);
    print(&(plain_table(&columns, rows, &is_number) + "\n"))?;
    if llama::gpus().is_empty() {
        progress::note("no GPU: models are computed by the processor");
    }
    Ok(Status::Done)
}

/// The file a person means: a path, or a model of the manifest that is fetched where it is missing.
fn named_file(session: &Session, model: &str, quantization: Option<&str>) -> anyhow::Result<Gguf> {
    let path = Path::new(model);
    if path.is_file() {
        return Ok(Gguf::read(path)?);
    }
    let looks_like_path = model.ends_with(".gguf") || model.contains(std::path::MAIN_SEPARATOR);
    if looks_like_path {
        bail!("there is no file `{model}`");
    }
    let derived = quantization.and_then(|label| derived_file(&session.shelf, model, label));
    if let Some(path) = derived {
        return Ok(Gguf::read(&path)?);
    }
    let entry = one_entry(model, quantization)?;
    match entry.kind() {
        Kind::Generation => Ok(Gguf::read(&fetching::fetch(session, entry)?[0])?),
        Kind::Encoder => Ok(encoder_file::open_encoder(session, &Wanted::Entry(entry))?
            .file
            .gguf),
    }
}

fn show(args: &ShowArgs) -> anyhow::Result<Status> {
    let session = session(&args.shelf, false, None)?;
    let gguf = named_file(&session, &args.model, args.quantization.as_deref())?;
    print(&description(&gguf))?;
    Ok(Status::Done)
}

fn description(gguf: &Gguf) -> String {
    let inspection = Inspection::of(gguf);
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "not stated".to_owned());
    let pairs = [
        ("file", gguf.path().display().to_string()),
        ("name", or_none(&inspection.name)),
        ("architecture", or_none(&inspection.architecture)),
        ("label", or_none(&inspection.quantization)),
        ("parameters", inspection.n_parameters.to_string()),
        (
            "size",
            format!(
                "{} ({} bytes)",
                HumanBytes(inspection.size_bytes),
                inspection.size_bytes
            ),
        ),
        (
            "bits per weight",
            format!("{:.2} measured", inspection.bits_per_weight),
        ),
        (
            "context",
            inspection
                .context_length
                .map_or("not stated".to_owned(), |n| format!("{n} tokens")),
        ),
        ("tokenizer", tokenizer_text(&inspection)),
        (
            "usable",
            usable_text(gguf, inspection.architecture.as_deref()),
        ),
    ];
    let mut text = String::new();
    for (name, value) in pairs {
        writeln!(text, "{name:<16} {value}").expect("writing to a string cannot fail");
    }
    let columns = [
        "tensor type",
        "tensors",
        "parameters",
        "share",
        "bits/weight",
    ];
    let rows = inspection.composition.iter().map(|share| {
        vec![
            share.tensor_type.name().to_owned(),
            share.n_tensors.to_string(),
            share.n_elements.to_string(),
            format!(
                "{:.1} %",
                100.0 * share.n_elements as f64 / inspection.n_parameters as f64
            ),
            format!(
                "{:.2}",
                8.0 * share.n_bytes as f64 / share.n_elements as f64
            ),
        ]
    });
    let table = plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0);
    if let Some(record) = read_record(gguf.path()) {
        text.push_str(&derivation_lines(&record.derivation));
    }
    if let Some(share) = inspection.label_share() {
        text.push_str(&label_line(&share));
    }
    let template = gguf.opt_str("tokenizer.chat_template").ok().flatten();
    let template = template.map_or("chat template    none".to_owned(), |template| {
        format!("chat template:\n{template}")
    });
    format!("{text}\n{table}\n\n{template}\n")
}

/// How a derived file was made.
fn derivation_lines(derivation: &Derivation) -> String {
    let imatrix = derivation.imatrix_sha256.as_deref();
    let pairs = [
        (
            "derived from",
            format!(
                "{} with sha256 {}",
                derivation.parent_quantization, derivation.parent_sha256
            ),
        ),
        (
            "requantized",
            if derivation.is_requantized {
                "yes: its parent was quantized already".to_owned()
            } else {
                "no".to_owned()
            },
        ),
        ("imatrix", imatrix.unwrap_or("none").to_owned()),
        (
            "quantizer",
            format!("{} ({})", derivation.quantizer, derivation.options),
        ),
    ];
    let lines = pairs.map(|(name, value)| format!("{name:<16} {value}\n"));
    lines.concat()
}

/// The label, beside the share of the weights that it is true of.
fn label_line(share: &LabelShare) -> String {
    let verdict = if share.is_misleading() {
        "misleading"
    } else {
        "true"
    };
    format!(
        "{:<16} {verdict}: {} holds {:.1} % of the weights\n",
        "label is",
        share.tensor_type.name(),
        100.0 * share.fraction
    )
}

fn tokenizer_text(inspection: &Inspection) -> String {
    let model = inspection.tokenizer_model.as_deref().unwrap_or("none");
    let pre = inspection
        .tokenizer_pre
        .as_deref()
        .map_or(String::new(), |pre| format!(" ({pre})"));
    let n_vocab = inspection
        .n_vocab
        .map_or(String::new(), |n| format!(", {n} tokens"));
    format!("{model}{pre}{n_vocab}")
}

fn usable_text(gguf: &Gguf, architecture: Option<&str>) -> String {
    let checked = match architecture {
        Some("bert") => crate::gguf::check_encoder(gguf).map(|()| "yes, as an embedding model"),
        _ => crate::gguf::check_generation_model(gguf).map(|()| "yes, to generate"),
    };
    checked.map_or_else(|error| format!("no: {error}"), str::to_owned)
}

/// Measures the independence of neighbours under our schedule and, beside it, under the usual settings.
fn check(args: &CheckArgs) -> anyhow::Result<Status> {
    let session = session(&args.model.shelf, false, args.threads)?;
    let file = match Path::new(&args.model.model) {
        path if path.is_file() => Wanted::File {
            path: path.to_owned(),
            label: args.model.model.clone(),
        },
        _ => Wanted::Entry(one_entry(
            &args.model.model,
            args.model.quantization.as_deref(),
        )?),
    };
    let file = open_model(&session, &file)?;
    let experiment = session.load(&args.experiment, &Loading::default())?;
    // The self-check draws nothing, so any values stand in for those that a model lacks.
    let samplings = experiment.samplings(Some(&SamplingDefaults::TRANSFORMERS));
    let date = PromptDate::of(&experiment, None)?;
    let planned = plan(&session, &experiment, date, file, &samplings[..1])?.swap_remove(0);
    let prepared = &planned.prepared;
    let placement = &prepared.placement;
    let model = placement.load(&prepared.file)?;
    let requests = planned.plan.requests();
    let limits = context_limits(requests, prepared, Method::Repeats);
    let prompts = prompts(requests);
    let mut rows = Vec::new();
    for (name, schedule) in [
        ("strict", placement.schedule),
        ("usual settings", Schedule::USUAL),
    ] {
        let check = self_check(
            &prompts,
            schedule,
            limits.n_cells,
            session.n_threads,
            &mut |n_threads| {
                let config = decoder_config(limits, schedule, n_threads);
                Ok(Box::new(LlamaDecoder::new(&model, config)?))
            },
        )?;
        rows.push(vec![
            name.to_owned(),
            check.determinism.to_string(),
            check.n_rows.to_string(),
        ]);
    }
    let columns = [
        "schedule",
        "logits with and without neighbours",
        "rows compared",
    ];
    print(&format!(
        "{}\n{}\n",
        prepared.file.label(),
        plain_table(&columns, rows, &|column_idx| column_idx == 2)
    ))?;
    Ok(Status::Done)
}
