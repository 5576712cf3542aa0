//! `seep import`: generations made elsewhere, into the tables of runs.

use super::Status;
use super::output::print;
use super::program::quiet_session;
use crate::cli::ImportArgs;
use crate::report::plain_table;
use crate::study::{ImportedNow, Importing};

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
    let importing = Importing {
        files: args.files.clone(),
        experiment: args.experiment.clone(),
        model: args.model.clone(),
        repeats: args.repeats.clone(),
        mapping: args.mapping.clone(),
        is_strict: args.strict,
    };
    let imported = quiet_session(&args.shelf.models_dir).import(&args.db, &importing)?;
    let rows = imported.iter().map(row).collect();
    let table = plain_table(&COLUMNS, rows, &|column_idx| column_idx >= 3);
    let (name, db) = (&args.experiment, args.db.display());
    print(&format!(
        "{table}\n\nThe experiment {name} in {db} can be scored: seep score --experiment {name}\n"
    ))?;
    Ok(Status::Done)
}

fn row(imported: &ImportedNow) -> Vec<String> {
    let file = &imported.file;
    let name = file.path.file_name().unwrap_or(file.path.as_os_str());
    vec![
        name.to_string_lossy().into_owned(),
        file.sha256.short(),
        imported.model.clone(),
        file.rows.len().to_string(),
        file.pairs.len().to_string(),
        file.columns.len().to_string(),
        file.n_unused_rows().to_string(),
        file.findings.len().to_string(),
        imported.added.n_new_generations.to_string(),
    ]
}
