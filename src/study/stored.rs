//! What commands share that only read the database: opening it, finding the experiments that are meant, and the texts
//! beside a verdict.
//!
//! Owns the messages about names that the database does not have. It makes no database.

use std::path::Path;

use anyhow::{bail, ensure};

use crate::experiment::did_you_mean;
use crate::leakage::{DiagnosedPair, ScoredPair, Side};
use crate::store::{ComparedText, Comparison, ExperimentId, Store, StoredExperiment};

/// Opens a database that is there.
///
/// # Errors
/// When there is none.
pub fn open(db: &Path) -> anyhow::Result<Store> {
    ensure!(
        db.is_file(),
        "there is no database `{}`\nhint: `seep run` and `seep import` make one; `--db` names another",
        db.display()
    );
    Ok(Store::open(db)?)
}

/// The experiments of this name; all of them unless one is given.
///
/// # Errors
/// When there is none of this name.
pub(crate) fn experiments_named(
    store: &Store,
    name: Option<&str>,
) -> anyhow::Result<Vec<StoredExperiment>> {
    let all = store.experiments()?;
    let Some(name) = name else {
        return Ok(all);
    };
    let (meant, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|experiment| experiment.name == name);
    if meant.is_empty() {
        let names = others.iter().map(|experiment| experiment.name.as_str());
        bail!(
            "the database has no experiment `{name}`{}",
            hint(name, names)
        );
    }
    Ok(meant)
}

/// The ids of the experiments of this name; None unless one is given.
///
/// # Errors
/// When there is none of this name.
pub fn ids_named(store: &Store, name: Option<&str>) -> anyhow::Result<Option<Vec<ExperimentId>>> {
    let Some(name) = name else {
        return Ok(None);
    };
    let experiments = experiments_named(store, Some(name))?;
    Ok(Some(
        experiments.iter().map(|experiment| experiment.id).collect(),
    ))
}

/// The line that helps with a name that is not there, on a line of its own.
pub(crate) fn hint<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.dedup();
    match did_you_mean(name, names.iter().copied()) {
        Some(meant) => format!("\nhint: did you mean `{meant}`?"),
        None if names.is_empty() => String::new(),
        None => format!("\nhint: it has: {}", names.join(", ")),
    }
}

/// A verdict with the stored texts that it is about.
pub(crate) fn diagnosed_pair<'a>(
    comparison: &'a Comparison,
    scored: &'a ScoredPair,
) -> DiagnosedPair<'a> {
    let side = |prompt: &'a str, text: &'a ComparedText| Side {
        prompt,
        generation: &text.text,
        is_cut_off: text.is_cut_off,
    };
    DiagnosedPair {
        scored,
        concept: &comparison.concept,
        test: side(&comparison.test_prompt, &comparison.test),
        control: side(&comparison.control_prompt, &comparison.control),
    }
}
