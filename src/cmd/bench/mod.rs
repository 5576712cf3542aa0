//! `seep bench`: how fast this machine generates, embeds and scores, beside what llama.cpp and other programs do.
//!
//! Owns the order of the measurements and the prompts they share. `benches/README.md` says what each figure means.
//! Everything is measured in one run, because only ratios of figures taken side by side mean something.

mod embedding;
mod end_to_end;
mod figures;
mod figuring;
mod peers;
mod raw;

use std::path::Path;

use anyhow::Context as _;

use super::Status;
use super::output::print;
use super::program::session;
use crate::cli::BenchArgs;
use crate::experiment::{Experiment, Overrides};
use crate::generation::SamplingParams;
use crate::llama::{Model, Weights};
use crate::progress;
use crate::study::asking::{Prepared, prepare};
use crate::study::models::file::{ModelFile, file_label};
use crate::study::models::opening::open_model;
use crate::study::models::wanted::{Wanted, one_entry};
use crate::study::prompt_date::PromptDate;
use crate::study::{Loading, Session};
use embedding::EmbeddingFigures;
use end_to_end::{Bench, EndToEnd};
use figuring::spread;
use peers::PeerFigure;
use raw::RawRates;

/// Numbers of repeats whose cost is compared.
const GROWTH_REPEATS: [u32; 3] = [5, 20, 50];
/// Numbers of prompts whose cost is compared, beside all of them.
const GROWTH_PROMPTS: [usize; 2] = [100, 300];

/// Everything that was measured.
struct Figures {
    model: String,
    n_prompts: usize,
    n_repeats: u32,
    n_threads: u32,
    machine: String,
    rounds: Vec<Round>,
    growth: Vec<EndToEnd>,
    embedding: Option<EmbeddingFigures>,
    peers: Vec<PeerFigure>,
}

/// Our engine and llama.cpp's own rates, taken one after the other.
struct Round {
    end_to_end: EndToEnd,
    /// Of the model file as it is.
    raw: RawRates,
    /// Of the weights as seep widens them; None where it does not.
    raw_widened: Option<RawRates>,
}

/// Measures, and prints a table for each part when it ends; with `--output` also a JSON file, written anew after each
/// measurement, so that a run that is killed loses only the one it was in.
pub(super) fn bench(args: &BenchArgs) -> anyhow::Result<Status> {
    let session = session(&args.shelf, false, args.threads)?;
    let overrides = Overrides {
        repeats: Some(args.repeats),
        ..Overrides::default()
    };
    let loading = Loading {
        overrides,
        ..Loading::default()
    };
    let experiment = session.load(&args.experiment, &loading)?;
    let prompts = prompts(args, &experiment)?;
    let file = model(&session, &args.model)?;
    let sampling = sampling(&experiment)?;
    let date = PromptDate::of(&experiment, None)?;
    let prepared = prepare(&session, &experiment, date, &prompts, file, &sampling)?;
    let prepared = prepared.into_iter().next();
    let prepared = prepared.expect("an experiment has a wording");
    let bench = Bench::new(&session, &experiment, &prompts, &prepared)?;
    let measured = measure(args, &bench);
    session.check_interrupted()?;
    measured?;
    Ok(Status::Done)
}

/// The one sampling of the experiment.
fn sampling(experiment: &Experiment) -> anyhow::Result<SamplingParams> {
    if experiment.model_defaults_position().is_none()
        && let [sampling] = experiment.samplings(None).as_slice()
    {
        return Ok(sampling.clone());
    }
    anyhow::bail!(
        "speed is measured with one set of sampling values\n\
         hint: take an experiment without a sweep that writes all of them out"
    )
}

/// The prompts of the experiment or of a file, spread evenly where there is a limit.
fn prompts(args: &BenchArgs, experiment: &Experiment) -> anyhow::Result<Vec<String>> {
    let all = match &args.prompts {
        None => experiment.prompts().to_vec(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("failed to read the prompts in `{}`", path.display()))?;
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .map(str::to_owned)
                .collect()
        }
    };
    anyhow::ensure!(!all.is_empty(), "there is no prompt to measure with");
    Ok(spread(&all, args.limit.unwrap_or(all.len())))
}

/// The model named as `name`, `name:quantization` or by the path of a GGUF.
fn model(session: &Session, name: &str) -> anyhow::Result<ModelFile> {
    let path = Path::new(name);
    let wanted = if path.is_file() {
        Wanted::File {
            path: path.to_owned(),
            label: file_label(path),
        }
    } else {
        let (name, quantization) = name
            .split_once(':')
            .map_or((name, None), |(name, q)| (name, Some(q)));
        Wanted::Entry(one_entry(name, quantization)?)
    };
    open_model(session, &wanted)
}

/// Shows the figures of each part, also of one that ended with an error, before that error is returned.
fn measure(args: &BenchArgs, bench: &Bench<'_>) -> anyhow::Result<()> {
    let mut figures = new_figures(args, bench);
    show(&figures::heading(&figures))?;
    let ended = rounds(args, bench, &mut figures);
    if !figures.rounds.is_empty() {
        show(&figures::raw_table(&figures.rounds))?;
        show(&figures::rounds_table(&figures.rounds))?;
    }
    ended?;
    if args.growth {
        let ended = growth(args, bench, &mut figures);
        if !figures.growth.is_empty() {
            show(&figures::growth_table(&figures.growth))?;
        }
        ended?;
    }
    let embedding = embedding::measure(bench, &bench.texts()?)?;
    show(&figures::embedding(&embedding))?;
    figures.embedding = Some(embedding);
    save(args, &figures)?;
    if let Some(python) = &args.peers {
        figures.peers = peers::measure(args, bench, python)?;
        save(args, &figures)?;
        show(&figures::peers_table(&figures.peers))?;
    }
    Ok(())
}

fn show(part: &str) -> anyhow::Result<()> {
    print(&format!("{part}\n\n"))
}

/// Writes what was measured so far to the file of `--output`, if there is to be one.
fn save(args: &BenchArgs, figures: &Figures) -> anyhow::Result<()> {
    let Some(path) = &args.output else {
        return Ok(());
    };
    std::fs::write(path, figures::json(figures))
        .with_context(|| format!("failed to write `{}`", path.display()))
}

fn rounds(args: &BenchArgs, bench: &Bench<'_>, figures: &mut Figures) -> anyhow::Result<()> {
    for round_idx in 0..args.rounds {
        progress::note(format_args!("round {} of {}", round_idx + 1, args.rounds));
        let end_to_end = bench.measure(bench.n_prompts(), args.repeats)?;
        let (raw, raw_widened) = raw_rates(bench)?;
        figures.rounds.push(Round {
            end_to_end,
            raw,
            raw_widened,
        });
        save(args, figures)?;
    }
    Ok(())
}

/// Measures the cost of more repeats and of more prompts; leaves out numbers of prompts beyond those there are.
fn growth(args: &BenchArgs, bench: &Bench<'_>, figures: &mut Figures) -> anyhow::Result<()> {
    let by_repeats = GROWTH_REPEATS
        .iter()
        .map(|&repeats| (bench.n_prompts().min(GROWTH_PROMPTS[0]), repeats));
    let by_prompts = GROWTH_PROMPTS
        .iter()
        .map(|&n_prompts| (n_prompts, args.repeats));
    for (n_prompts, n_repeats) in by_repeats.chain(by_prompts) {
        if n_prompts <= bench.n_prompts() {
            figures.growth.push(bench.measure(n_prompts, n_repeats)?);
            save(args, figures)?;
        }
    }
    Ok(())
}

/// The rates of llama.cpp with the model file, and with the widened weights where there are any.
fn raw_rates(bench: &Bench<'_>) -> anyhow::Result<(RawRates, Option<RawRates>)> {
    let Prepared {
        file, placement, ..
    } = bench.prepared;
    let measure = |model: Model| raw::measure(&model, bench.session.n_threads);
    let as_it_is = Model::load(file.gguf.path(), Weights::OnGpus(placement.n_gpu_layers))?;
    let raw = measure(as_it_is)?;
    if placement.widened_bytes == 0 {
        return Ok((raw, None));
    }
    let raw_widened = measure(placement.load(file)?)?;
    Ok((raw, Some(raw_widened)))
}

fn new_figures(args: &BenchArgs, bench: &Bench<'_>) -> Figures {
    let machine = &bench.session.machine;
    Figures {
        model: bench.prepared.file.label(),
        n_prompts: bench.n_prompts(),
        n_repeats: args.repeats,
        n_threads: bench.session.n_threads,
        machine: format!("{}, {} cores, {}", machine.cpu, machine.n_cores, machine.os),
        rounds: Vec::new(),
        growth: Vec::new(),
        embedding: None,
        peers: Vec::new(),
    }
}
