//! From the path of an experiment to the experiment with all its prompt pairs.
//!
//! Owns the way from the file that an experiment names under `pairs` to what it holds: which published workbook a name
//! means, fetching it, reading it, and proving that a file is the one that was meant. The format of the experiment is
//! that of `experiment`, how a table becomes pairs `import` decides.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{import, published};
use crate::digest::Digest;
use crate::experiment::{
    Experiment, ExperimentErrors, FilePair, PairsFile, PairsLocation, PairsSource, Problem,
};
use crate::import::{ImportedFile, ImportedPair, Mapping, published_prompts};

/// The database beside which workbooks are kept where a command names none.
pub(super) const USUAL_DB: &str = "db/seep.sqlite";

/// An experiment with all its pairs.
pub(super) struct Loaded {
    pub(super) experiment: Experiment,
    /// What looks wrong in the file from which pairs were taken; it has been said.
    pub(super) n_findings: usize,
}

/// Loads an experiment and the pairs of the file that it names; published workbooks lie beside the database.
pub(super) fn load(
    path: &Path,
    db: &Path,
    is_offline: bool,
    is_strict: bool,
) -> anyhow::Result<Loaded> {
    let experiment = Experiment::load(path)?;
    let Some(source) = experiment.pairs_source() else {
        return Ok(Loaded {
            experiment,
            n_findings: 0,
        });
    };
    let (file, mapping) = located(source, db, is_offline)?;
    let mapping_sha256 = mapping
        .as_ref()
        .map(|mapping| Digest::of(mapping.text().as_bytes()));
    let has_mapping = mapping.is_some();
    let mapping = mapping.unwrap_or_else(|| Mapping::published().of_prompts());
    let imported = ImportedFile::read(&file, &mapping).with_context(|| failed(source))?;
    check_sha256(source, &imported)?;
    import::show_findings(&imported, is_strict, has_mapping);
    let n_findings = imported.findings.len();
    let experiment = experiment.with_pairs_file(PairsFile {
        sha256: imported.sha256,
        mapping_sha256,
        pairs: file_pairs(&imported),
    })?;
    Ok(Loaded {
        experiment,
        n_findings,
    })
}

/// The file, and the mapping of its columns where the experiment names one.
fn located(
    source: &PairsSource,
    db: &Path,
    is_offline: bool,
) -> anyhow::Result<(PathBuf, Option<Mapping>)> {
    match &source.file {
        PairsLocation::Published { name } => {
            let workbook = published_prompts(name).map_err(|(message, hint)| {
                let problem = Problem::error(&source.position, message);
                ExperimentErrors::single(problem.hint(hint))
            })?;
            let path = published::fetch(workbook, db, is_offline);
            Ok((path.with_context(|| failed(source))?, None))
        }
        PairsLocation::Own { path, mapping, .. } => {
            let mapping = mapping.as_ref().map(|(path, position)| {
                let named = || format!("failed to read the mapping that {position} names");
                Mapping::load_of_prompts(path).with_context(named)
            });
            Ok((path.clone(), mapping.transpose()?))
        }
    }
}

fn failed(source: &PairsSource) -> String {
    format!(
        "failed to read the prompt pairs of the file that {} names",
        source.position
    )
}

/// Refuses a file that is not the one whose checksum the experiment gives.
fn check_sha256(source: &PairsSource, imported: &ImportedFile) -> Result<(), ExperimentErrors> {
    let PairsLocation::Own {
        sha256: Some((sha256, position)),
        ..
    } = &source.file
    else {
        return Ok(());
    };
    if *sha256 == imported.sha256 {
        return Ok(());
    }
    let message = format!("`{}` is another file", imported.path.display());
    Err(ExperimentErrors::single(
        Problem::error(position, message)
            .label(format!("found {}", imported.sha256))
            .hint("give the file that was meant, or leave `sha256` out: what is used is recorded"),
    ))
}

fn file_pairs(imported: &ImportedFile) -> Vec<FilePair> {
    let prompt = |row_idx: usize| imported.rows[row_idx].prompt.clone();
    let pair = |pair: &ImportedPair| FilePair {
        concept: pair.concept.trim().to_owned(),
        category: pair.category.clone(),
        template_id: pair.template_id.clone(),
        test: prompt(pair.test_row_idx),
        control: prompt(pair.control_row_idx),
    };
    imported.pairs.iter().map(pair).collect()
}
