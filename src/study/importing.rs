//! Imports: generations made elsewhere, into the tables of runs.
//!
//! Owns the order of its steps: every file is read and checked before the first is stored, so that a wrong one leaves
//! the database as it was. What a file says, `import` decides.

use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

use crate::embedding::wordpiece::Reading;
use crate::import::{ImportedFile, Mapping, summary_of};
use crate::machine;
use crate::store::{Imported, NewImport, NewImportedPair, NewImportedRow, Store};
use crate::study::domain::{Domain, warn_of_readings};
use crate::study::models::encoder::wanted_encoder;
use crate::study::published;
use crate::study::scoring::SBERT_MODEL;
use crate::study::session::Session;

/// Files to import.
#[derive(Debug, Clone)]
pub struct Importing {
    /// The files; `published:NAME` is a published workbook.
    pub files: Vec<PathBuf>,
    /// The experiment's name.
    pub experiment: String,
    /// The name of the model; that of each file unless given.
    pub model: Option<String>,
    /// The columns with generations, one for each repeat; those of the mapping unless given.
    pub repeats: Option<Vec<String>>,
    /// The file that says which column is what; that of the published workbooks unless given.
    pub mapping: Option<PathBuf>,
    /// Refuse files in which something looks wrong.
    pub is_strict: bool,
}

/// A file that was imported.
#[derive(Debug)]
pub struct ImportedNow {
    /// The file as it was read.
    pub file: ImportedFile,
    /// The name of the model.
    pub model: String,
    /// The rows that it added.
    pub added: Imported,
}

impl Session {
    /// Imports files into `db`, all of them or none.
    ///
    /// # Errors
    /// For a file that cannot be read; under `is_strict` for one in which something looks wrong.
    pub fn import(&self, db: &Path, importing: &Importing) -> anyhow::Result<Vec<ImportedNow>> {
        ensure!(
            !importing.experiment.trim().is_empty(),
            "the name of the experiment is empty\nhint: give one with `--experiment`"
        );
        let mapping = mapping(importing)?;
        let files = published::files(self, &importing.files, db)?
            .iter()
            .map(|path| ImportedFile::read(path, &mapping))
            .collect::<Result<Vec<_>, _>>()?;
        report_findings(self, importing, &files)?;
        warn_of_files(self, &files)?;
        let mut store = self.store(db)?;
        let mut imported = Vec::new();
        for file in files {
            let model = label(importing, &file.path);
            let added = store_file(self, &mut store, importing, &file, &model)?;
            if added.is_known && added.n_new_generations == 0 {
                let path = file.path.display();
                self.note(format_args!("{path}: imported before; nothing was added"));
            }
            imported.push(ImportedNow { file, model, added });
        }
        Ok(imported)
    }
}

/// Warns of what the encoder by which imports are scored, unless another is named, does not know of them.
fn warn_of_files(session: &Session, files: &[ImportedFile]) -> anyhow::Result<()> {
    let wanted = wanted_encoder(SBERT_MODEL)?;
    let domain = Domain::at_hand(session, &wanted);
    let pairs = files.iter().flat_map(|file| &file.pairs);
    let rows = || files.iter().flat_map(|file| &file.rows);
    let concepts: Vec<&str> = pairs.map(|pair| pair.concept.as_str()).collect();
    let prompts: Vec<&str> = rows().map(|row| row.prompt.as_str()).collect();
    domain.warn(session, &concepts, &prompts);
    if let Some(tokenizer) = &domain.tokenizer {
        let texts = rows().flat_map(|row| row.generations.iter().flatten());
        let readings = texts.map(|text| tokenizer.read(text));
        let readings: Vec<Reading> = readings.collect::<Result<_, _>>()?;
        let n_tokens_max = tokenizer.n_tokens_max();
        warn_of_readings(session, domain.name, n_tokens_max, readings.iter());
    }
    Ok(())
}

fn mapping(importing: &Importing) -> anyhow::Result<Mapping> {
    let mapping = match &importing.mapping {
        Some(path) => Mapping::load(path)?,
        None => Mapping::published(),
    };
    Ok(match &importing.repeats {
        Some(columns) => mapping.with_repeats(columns.clone()),
        None => mapping,
    })
}

/// Returns the name of the model of a file.
fn label(importing: &Importing, path: &Path) -> String {
    importing.model.clone().unwrap_or_else(|| {
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        stem.to_string_lossy().into_owned()
    })
}

/// Prints what was found in each file; an error under `--strict`.
fn report_findings(
    session: &Session,
    importing: &Importing,
    files: &[ImportedFile],
) -> anyhow::Result<()> {
    for file in files {
        let mut rows = file.rows.iter();
        ensure!(
            importing.repeats.is_none() || rows.all(|row| *row.columns == *file.columns),
            "`--repeats` names columns of one prompt, and each row of `{}` has two prompts\n\
             hint: name the columns of both in a mapping (experiments/IMPORT.md)",
            file.path.display()
        );
        show_findings(
            session,
            file,
            importing.is_strict,
            importing.mapping.is_some(),
        );
    }
    let n_findings: usize = files.iter().map(|file| file.findings.len()).sum();
    if importing.is_strict && n_findings > 0 {
        let noun = if n_findings == 1 {
            "finding"
        } else {
            "findings"
        };
        bail!(
            "{n_findings} {noun}; nothing was imported\nhint: correct the file, or leave out `--strict`"
        );
    }
    Ok(())
}

/// Prints what was found in a file, as errors where findings are refused.
pub(crate) fn show_findings(
    session: &Session,
    file: &ImportedFile,
    is_strict: bool,
    has_mapping: bool,
) {
    let severity = if is_strict { "error" } else { "warning" };
    let path = file.path.display();
    for line in summary_of(&file.findings) {
        session.warning(format_args!("{severity}: {path}, {line}"));
    }
    if let (Some(sheet), false) = (&file.sheet, has_mapping)
        && sheet.n_sheets > 1
    {
        session.note(format_args!(
            "{path}: only its first sheet, `{}`, is read; a mapping may name another",
            sheet.name
        ));
    }
}

fn store_file(
    session: &Session,
    store: &mut Store,
    importing: &Importing,
    file: &ImportedFile,
    label: &str,
) -> anyhow::Result<Imported> {
    let rows: Vec<NewImportedRow<'_>> = file
        .rows
        .iter()
        .map(|row| NewImportedRow {
            number: row.number,
            prompt: &row.prompt,
            columns: &row.columns,
            generations: row.generations.iter().map(Option::as_deref).collect(),
        })
        .collect();
    let pairs: Vec<NewImportedPair<'_>> = file
        .pairs
        .iter()
        .map(|pair| NewImportedPair {
            concept: &pair.concept,
            concept_family: pair.concept_family.as_deref(),
            category: &pair.category,
            template_id: pair.template_id.as_deref(),
            test_row_idx: pair.test_row_idx,
            control_row_idx: pair.control_row_idx,
        })
        .collect();
    let build = machine::build();
    let sheet = file.sheet.as_ref().filter(|sheet| sheet.idx > 0);
    Ok(store.insert_import(&NewImport {
        experiment: &importing.experiment,
        model: label,
        sha256: file.sha256,
        later_sheet: sheet.map(|sheet| sheet.name.as_str()),
        path: &file.path.to_string_lossy(),
        mapping: &file.mapping,
        columns: &file.columns,
        rows: &rows,
        pairs: &pairs,
        n_findings: file.findings.len(),
        command_line: &session.command_line,
        seep_version: machine::VERSION,
        seep_commit: build.commit,
        seep_is_dirty: build.is_dirty,
    })?)
}
