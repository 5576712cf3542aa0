//! The measured figures, as tables for people and as JSON.
//!
//! Owns the words and the medians over rounds.

use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::embedding::EmbeddingFigures;
use super::end_to_end::EndToEnd;
use super::figuring::median;
use super::peers::PeerFigure;
use super::raw::RawRates;
use super::{Figures, Round};
use crate::machine;
use crate::report::plain_table;

/// The model, the settings and the machine that were measured.
pub(super) fn heading(figures: &Figures) -> String {
    format!(
        "{}, {} threads, {} prompts, {} repeats\n{}",
        figures.model, figures.n_threads, figures.n_prompts, figures.n_repeats, figures.machine
    )
}

fn number(decimals: usize) -> impl Fn(f64) -> String {
    move |value| format!("{value:.decimals$}")
}

/// The rates of llama.cpp alone.
pub(super) fn raw_table(rounds: &[Round]) -> String {
    let Some(first) = rounds.first() else {
        return String::new();
    };
    let is_widened = first.raw_widened.is_some();
    let line = |name: String, rate: &dyn Fn(&RawRates) -> f64| {
        let median_of = |rates: Vec<f64>| format!("{:.1}", median(rates));
        let mut cells = vec![
            name,
            median_of(rounds.iter().map(|round| rate(&round.raw)).collect()),
        ];
        if is_widened {
            let widened = rounds.iter().filter_map(|round| round.raw_widened.as_ref());
            cells.push(median_of(widened.map(rate).collect()));
        }
        cells
    };
    let prefill = first.raw.prefill.iter().enumerate();
    let prefill = prefill
        .map(|(idx, &(n_tokens, _))| line(format!("pp{n_tokens}"), &|raw| raw.prefill[idx].1));
    let decode = first.raw.decode.iter().enumerate();
    let decode = decode.map(|(idx, &(n_seqs, _))| {
        line(format!("tg, {n_seqs} sequences"), &|raw| raw.decode[idx].1)
    });
    let rows = prefill.chain(decode).collect();
    let columns = ["llama.cpp alone", "tokens/s", "widened"];
    plain_table(
        &columns[..2 + usize::from(is_widened)],
        rows,
        &|column_idx| column_idx > 0,
    )
}

/// Part of our time that the rows evaluated would have taken at llama.cpp's best rates of the same round.
fn floor_ratio(round: &Round) -> f64 {
    ratio_to(&round.raw, round)
}

/// The same at the rates of the widened weights; of the weights themselves where they are not.
fn widened_floor_ratio(round: &Round) -> f64 {
    ratio_to(round.raw_widened.as_ref().unwrap_or(&round.raw), round)
}

fn ratio_to(raw: &RawRates, round: &Round) -> f64 {
    let work = &round.end_to_end.work;
    let floor = raw.floor(work.n_prefill_tokens, work.n_decode_rows);
    floor.as_secs_f64() / round.end_to_end.total.as_secs_f64()
}

/// Our engine, medians over rounds.
pub(super) fn rounds_table(rounds: &[Round]) -> String {
    let median_of = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    let seconds = number(1);
    let work = |figure: fn(&EndToEnd) -> f64| median_of(&|round| figure(&round.end_to_end));
    let rows = [
        (
            "generations/s",
            number(2)(work(EndToEnd::generations_per_second)),
        ),
        ("seconds", seconds(work(|e| e.total.as_secs_f64()))),
        ("  prefill", seconds(work(|e| e.work.prefill.as_secs_f64()))),
        ("  decode", seconds(work(|e| e.work.decode.as_secs_f64()))),
        ("  sample", seconds(work(|e| e.work.sample.as_secs_f64()))),
        ("  tokenize", number(3)(work(|e| e.tokenize.as_secs_f64()))),
        ("  store and the rest", seconds(work(rest_seconds))),
        (
            "prompt tokens evaluated",
            number(0)(work(|e| e.work.n_prefill_tokens as f64)),
        ),
        (
            "  of those of a loop",
            percent(work(|e| {
                e.work.n_prefill_tokens as f64 / e.n_loop_prompt_tokens as f64
            })),
        ),
        (
            "decode rows",
            number(0)(work(|e| e.work.n_decode_rows as f64)),
        ),
        (
            "  of those of a loop",
            percent(work(|e| {
                e.work.n_decode_rows as f64 / e.n_loop_decode_rows as f64
            })),
        ),
        (
            "rows that fill batches",
            number(0)(work(|e| e.work.n_padding_rows as f64)),
        ),
        ("floor ratio", number(3)(median_of(&floor_ratio))),
        (
            "  to the widened weights",
            number(3)(median_of(&widened_floor_ratio)),
        ),
        (
            "self-check seconds",
            seconds(work(|e| e.work.self_check.as_secs_f64())),
        ),
        ("peak memory beyond the model", peak_memory(rounds)),
    ];
    let rows = rows
        .map(|(name, value)| vec![name.to_owned(), value])
        .to_vec();
    let heading = format!("median of {}", rounds.len());
    plain_table(&["seep, end to end", &heading], rows, &|column_idx| {
        column_idx == 1
    })
}

fn rest_seconds(figure: &EndToEnd) -> f64 {
    let accounted = figure.work.prefill + figure.work.decode + figure.work.sample;
    figure.total.saturating_sub(accounted).as_secs_f64()
}

fn percent(fraction: f64) -> String {
    format!("{:.1} %", 100.0 * fraction)
}

/// Of the first round, before anything but generating has taken memory.
fn peak_memory(rounds: &[Round]) -> String {
    let bytes = rounds
        .first()
        .and_then(|round| round.end_to_end.memory_bytes);
    bytes.map_or("not known".to_owned(), |bytes| {
        HumanBytes(bytes).to_string()
    })
}

/// A line for each number of prompts and repeats.
pub(super) fn growth_table(growth: &[EndToEnd]) -> String {
    let rows = growth.iter().map(|figure| {
        vec![
            figure.n_prompts.to_string(),
            figure.n_repeats.to_string(),
            format!("{:.1}", figure.total.as_secs_f64()),
            format!("{:.2}", figure.generations_per_second()),
            figure.work.n_prefill_tokens.to_string(),
            figure.work.n_decode_rows.to_string(),
        ]
    });
    let columns = [
        "prompts",
        "repeats",
        "seconds",
        "generations/s",
        "prompt tokens",
        "decode rows",
    ];
    plain_table(&columns, rows.collect(), &|_| true)
}

/// Embedding and scoring in one sentence.
pub(super) fn embedding(figures: &EmbeddingFigures) -> String {
    format!(
        "embedding: {:.0} strings/s ({} distinct generations); {} pairs scored from stored embeddings in {:.3} s",
        figures.strings_per_second,
        figures.n_strings,
        figures.n_scored_pairs,
        figures.scoring.as_secs_f64()
    )
}

/// A line for each program that gave a rate.
pub(super) fn peers_table(peers: &[PeerFigure]) -> String {
    let rows = peers.iter().map(|peer| {
        vec![
            peer.name.to_owned(),
            peer.n_prompts.to_string(),
            peer.n_repeats.to_string(),
            format!("{:.2}", peer.per_second),
            format!("{:.2}", peer.ours_per_second),
            format!("{:.1}", peer.ratio()),
        ]
    });
    let columns = ["peer", "items", "repeats", "its items/s", "ours", "times"];
    plain_table(&columns, rows.collect(), &|column_idx| column_idx > 0)
}

/// The figures as one JSON document, every round by itself.
pub(super) fn json(figures: &Figures) -> String {
    let rounds = figures.rounds.iter().map(|round| {
        json!({
            "end_to_end": end_to_end_json(&round.end_to_end),
            "raw": raw_json(&round.raw),
            "raw_widened": round.raw_widened.as_ref().map(raw_json),
            "floor_ratio": floor_ratio(round),
            "widened_floor_ratio": widened_floor_ratio(round),
        })
    });
    let document = json!({
        "seep": { "version": machine::VERSION, "commit": machine::build().to_string() },
        "machine": figures.machine,
        "model": figures.model,
        "n_threads": figures.n_threads,
        "n_prompts": figures.n_prompts,
        "n_repeats": figures.n_repeats,
        "rounds": rounds.collect::<Vec<Value>>(),
        "growth": figures.growth.iter().map(end_to_end_json).collect::<Vec<Value>>(),
        "embedding": figures.embedding.as_ref().map(|embedding| json!({
            "n_strings": embedding.n_strings,
            "strings_per_second": embedding.strings_per_second,
            "n_scored_pairs": embedding.n_scored_pairs,
            "scoring_seconds": embedding.scoring.as_secs_f64(),
        })),
        "peers": figures.peers.iter().map(|peer| json!({
            "name": peer.name,
            "n_items": peer.n_prompts,
            "n_repeats": peer.n_repeats,
            "per_second": peer.per_second,
            "ours_per_second": peer.ours_per_second,
            "ratio": peer.ratio(),
        })).collect::<Vec<Value>>(),
    });
    format!("{document:#}\n")
}

fn raw_json(raw: &RawRates) -> Value {
    json!({
        "prefill_tokens_per_second": rates_json(&raw.prefill),
        "decode_tokens_per_second": rates_json(&raw.decode),
    })
}

fn rates_json(rates: &[(u32, f64)]) -> Value {
    rates
        .iter()
        .map(|(size, rate)| (size.to_string(), json!(rate)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn end_to_end_json(figure: &EndToEnd) -> Value {
    json!({
        "n_prompts": figure.n_prompts,
        "n_repeats": figure.n_repeats,
        "n_generations": figure.n_generations,
        "generations_per_second": figure.generations_per_second(),
        "total_seconds": figure.total.as_secs_f64(),
        "prefill_seconds": figure.work.prefill.as_secs_f64(),
        "decode_seconds": figure.work.decode.as_secs_f64(),
        "sample_seconds": figure.work.sample.as_secs_f64(),
        "tokenize_seconds": figure.tokenize.as_secs_f64(),
        "self_check_seconds": figure.work.self_check.as_secs_f64(),
        "n_prefill_rows": figure.work.n_prefill_tokens,
        "n_decode_rows": figure.work.n_decode_rows,
        "n_padding_rows": figure.work.n_padding_rows,
        "n_loop_prompt_tokens": figure.n_loop_prompt_tokens,
        "n_loop_decode_rows": figure.n_loop_decode_rows,
        "peak_memory_beyond_model_bytes": figure.memory_bytes,
        "determinism": figure.work.determinism,
    })
}
