//! Tests of the whole: the program itself, llama.cpp and SQLite, on files that the tests write and on real models.
//!
//! Owns the list of modules. What several of them need lies in `harness` (a folder in which the program runs),
//! `experiment_file`, `filling` (a database without models), `record` (what a database holds), `tiny` and `llama_child`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod annotate;
mod bertscore;
mod browse;
mod cli;
mod compare;
mod controls;
mod damaged;
mod encoders;
mod exact;
mod exact_compare;
mod experiment_file;
mod export;
mod filling;
mod harness;
mod import;
mod inputs;
mod interrupted;
mod ladder;
mod library;
mod llama_child;
mod migration;
mod mistakes;
mod numerics;
mod outputs;
mod pairs_file;
mod real_models;
mod record;
mod regression;
mod replicate;
mod report;
mod run;
mod rungs;
mod samplings;
mod self_check;
mod specificity;
mod surroundings;
mod tiny;
mod wordings;
