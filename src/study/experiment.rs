//! From the path of an experiment to the experiment with all its prompt pairs.
//!
//! Owns the way from the file that an experiment names under `pairs` to what it holds: which published workbook a name
//! means, fetching it, reading it, and proving that a file is the one that was meant. The format of the experiment is
//! that of `experiment`, how a table becomes pairs `import` decides.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::digest::Digest;
use crate::experiment::{
    Experiment, ExperimentErrors, FilePair, Overrides, PairsFile, PairsLocation, PairsSource,
    Problem,
};
use crate::import::{ImportedFile, ImportedPair, Mapping, published_prompts};
use crate::study::importing::show_findings;
use crate::study::{published, session::Session};

/// The database beside which workbooks are kept where a command names none.
const USUAL_DB: &str = "db/seep.sqlite";

/// The circumstances in which an experiment is loaded.
#[derive(Debug, Clone)]
pub struct Loading {
    /// The database beside which published workbooks are kept.
    pub db: PathBuf,
    /// Contact no server.
    pub is_offline: bool,
    /// Refuse an experiment about which there is a warning.
    pub is_strict: bool,
    /// Values that take the place of the file's.
    pub overrides: Overrides,
}

impl Default for Loading {
    fn default() -> Self {
        Self {
            db: PathBuf::from(USUAL_DB),
            is_offline: false,
            is_strict: false,
            overrides: Overrides::default(),
        }
    }
}

impl Session {
    /// Loads an experiment and the pairs of the file that it names.
    ///
    /// # Errors
    /// All problems of the file at once, each at its place; under `is_strict` also warnings.
    pub fn load(&self, path: &Path, loading: &Loading) -> anyhow::Result<Experiment> {
        let (experiment, n_findings) = with_pairs(self, path, loading)?;
        let experiment = experiment.with_overrides(&loading.overrides)?;
        for warning in experiment.warnings() {
            self.warning(warning);
        }
        anyhow::ensure!(
            !loading.is_strict || experiment.warnings().is_empty() && n_findings == 0,
            "warnings are errors under `--strict`; nothing was run\nhint: correct the experiment, or leave out `--strict`"
        );
        Ok(experiment)
    }
}

/// The experiment with all its pairs, and how much looks wrong in the file that they come from; that has been said.
fn with_pairs(
    session: &Session,
    path: &Path,
    loading: &Loading,
) -> anyhow::Result<(Experiment, usize)> {
    let experiment = Experiment::load(path)?;
    let Some(source) = experiment.pairs_source() else {
        return Ok((experiment, 0));
    };
    let (file, mapping) = located(session, source, loading)?;
    let mapping_sha256 = mapping
        .as_ref()
        .map(|mapping| Digest::of(mapping.text().as_bytes()));
    let has_mapping = mapping.is_some();
    let mapping = mapping.unwrap_or_else(|| Mapping::published().of_prompts());
    let imported = ImportedFile::read(&file, &mapping).with_context(|| failed(source))?;
    check_sha256(source, &imported)?;
    show_findings(session, &imported, loading.is_strict, has_mapping);
    let n_findings = imported.findings.len();
    let experiment = experiment.with_pairs_file(PairsFile {
        sha256: imported.sha256,
        mapping_sha256,
        pairs: file_pairs(&imported),
    })?;
    Ok((experiment, n_findings))
}

/// The file, and the mapping of its columns where the experiment names one.
fn located(
    session: &Session,
    source: &PairsSource,
    loading: &Loading,
) -> anyhow::Result<(PathBuf, Option<Mapping>)> {
    match &source.file {
        PairsLocation::Published { name } => {
            let workbook = published_prompts(name).map_err(|(message, hint)| {
                let problem = Problem::error(&source.position, message);
                ExperimentErrors::single(problem.hint(hint))
            })?;
            let path = published::fetch(session, workbook, &loading.db, loading.is_offline);
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
        concept_family: pair.concept_family.clone(),
        category: pair.category.clone(),
        template_id: pair.template_id.clone(),
        test: prompt(pair.test_row_idx),
        control: prompt(pair.control_row_idx),
    };
    imported.pairs.iter().map(pair).collect()
}
