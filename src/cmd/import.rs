//! `seep import`: generations made elsewhere, into the tables of runs.
//!
//! Owns the order of its steps: every file is read and checked before the first is stored, so that a wrong one leaves
//! the database as it was. What a file says, `import` decides.

use std::path::Path;

use anyhow::{bail, ensure};

use super::{Status, print, published};
use crate::cli::ImportArgs;
use crate::import::{ImportedFile, Mapping, summary_of};
use crate::machine;
use crate::progress;
use crate::report::plain_table;
use crate::store::{Imported, NewImport, NewImportedPair, NewImportedRow, Store};

/// The columns of the table it ends with; the first three are text.
const COLUMNS: [&str; 9] = [
    "file",
    "sha256",
    "model",
    "rows",
    "pairs",
    "repeats",
    "unused rows",
    "findings",
    "new generations",
];

/// Imports files and prints what was added.
pub(super) fn import(args: &ImportArgs) -> anyhow::Result<Status> {
    ensure!(
        !args.experiment.trim().is_empty(),
        "the name of the experiment is empty\nhint: give one with `--experiment`"
    );
    let mapping = mapping(args)?;
    let files = published::files(&args.files, &args.db)?
        .iter()
        .map(|path| ImportedFile::read(path, &mapping))
        .collect::<Result<Vec<_>, _>>()?;
    report_findings(args, &files)?;
    let mut store = Store::open(&args.db)?;
    let mut rows = Vec::new();
    for file in &files {
        let label = label(args, &file.path);
        let imported = store_file(&mut store, args, &mapping, file, &label)?;
        if imported.is_known {
            let path = file.path.display();
            progress::note(format_args!("{path}: imported before; nothing was added"));
        }
        rows.push(row(file, label, &imported));
    }
    let table = plain_table(&COLUMNS, rows, &|column_idx| column_idx >= 3);
    let (name, db) = (&args.experiment, args.db.display());
    print(&format!(
        "{table}\n\nThe experiment {name} in {db} can be scored: seep score --experiment {name}\n"
    ))?;
    Ok(Status::Done)
}

fn mapping(args: &ImportArgs) -> anyhow::Result<Mapping> {
    let mapping = match &args.mapping {
        Some(path) => Mapping::load(path)?,
        None => Mapping::published(),
    };
    Ok(match &args.repeats {
        Some(columns) => mapping.with_repeats(columns.clone()),
        None => mapping,
    })
}

/// What the model of a file is called.
fn label(args: &ImportArgs, path: &Path) -> String {
    args.model.clone().unwrap_or_else(|| {
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        stem.to_string_lossy().into_owned()
    })
}

/// Prints what was found in each file; an error under `--strict`.
fn report_findings(args: &ImportArgs, files: &[ImportedFile]) -> anyhow::Result<()> {
    for file in files {
        show_findings(file, args.strict, args.mapping.is_some());
    }
    let n_findings: usize = files.iter().map(|file| file.findings.len()).sum();
    if args.strict && n_findings > 0 {
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
pub(super) fn show_findings(file: &ImportedFile, is_strict: bool, has_mapping: bool) {
    let severity = if is_strict { "error" } else { "warning" };
    let path = file.path.display();
    for line in summary_of(&file.findings) {
        progress::warning(format_args!("{severity}: {path}, {line}"));
    }
    if let (Some((sheet, 2..)), false) = (&file.sheet, has_mapping) {
        progress::note(format_args!(
            "{path}: only its first sheet, `{sheet}`, is read; a mapping may name another"
        ));
    }
}

fn store_file(
    store: &mut Store,
    args: &ImportArgs,
    mapping: &Mapping,
    file: &ImportedFile,
    label: &str,
) -> anyhow::Result<Imported> {
    let rows: Vec<NewImportedRow<'_>> = file
        .rows
        .iter()
        .map(|row| NewImportedRow {
            number: row.number,
            prompt: &row.prompt,
            generations: row.generations.iter().map(Option::as_deref).collect(),
        })
        .collect();
    let pairs: Vec<NewImportedPair<'_>> = file
        .pairs
        .iter()
        .map(|pair| NewImportedPair {
            concept: &pair.concept,
            category: &pair.category,
            template_id: pair.template_id.as_deref(),
            test_row_idx: pair.test_row_idx,
            control_row_idx: pair.control_row_idx,
        })
        .collect();
    let build = machine::build();
    Ok(store.insert_import(&NewImport {
        experiment: &args.experiment,
        model: label,
        sha256: file.sha256,
        path: &file.path.to_string_lossy(),
        mapping: mapping.text(),
        columns: &file.columns,
        rows: &rows,
        pairs: &pairs,
        n_findings: file.findings.len(),
        command_line: &std::env::args().collect::<Vec<_>>().join(" "),
        seep_version: machine::VERSION,
        seep_commit: build.commit,
        seep_is_dirty: build.is_dirty,
    })?)
}

fn row(file: &ImportedFile, label: String, imported: &Imported) -> Vec<String> {
    let name = file.path.file_name().unwrap_or(file.path.as_os_str());
    vec![
        name.to_string_lossy().into_owned(),
        file.sha256.short(),
        label,
        file.rows.len().to_string(),
        file.pairs.len().to_string(),
        file.columns.len().to_string(),
        file.n_unused_rows().to_string(),
        file.findings.len().to_string(),
        imported.n_new_generations.to_string(),
    ]
}
