//! `seep export`: tables for other programs.
//!
//! Owns which tables go into which files. The content of a table is in `study`, the making of a file in `cmd/target.rs`,
//! and the module `export` of the library has the formats.

use std::path::Path;

use anyhow::{bail, ensure};

use super::Status;
use super::target::Target;
use crate::cli::{ExportArgs, TableFormat};
use crate::export::{Document, ExportError, ExportFormat};
use crate::progress;
use crate::study::export::{self as tables, Source, Table};

/// Writes what is asked for.
pub(super) fn export(args: &ExportArgs) -> anyhow::Result<Status> {
    let format = format(args)?;
    let tables = tables::named(args.table.as_deref())?;
    let mut plan = if args.dictionary {
        let all = tables.iter().map(|table| table.name).collect();
        vec![tables::dictionary(all)]
    } else {
        tables
    };
    if let Some(columns) = &args.columns {
        let [table] = plan.as_mut_slice() else {
            bail!("`--columns` chooses from one table\nhint: name it with `--table`");
        };
        table.choose(columns)?;
    }
    let source = if args.dictionary {
        None
    } else {
        let encoder = args.embedding_model.as_deref();
        Some(Source::open(&args.db, args.experiment.as_deref(), encoder)?)
    };
    if let Some(source) = &source
        && plan.iter().any(Table::is_of_figures)
    {
        source.notes()?.iter().for_each(progress::note);
    }
    let targets = targets(&args.output, format, plan)?;
    for (target, tables) in targets {
        match target.write(format, |document| {
            write_tables(document, &tables, source.as_ref())
        }) {
            Err(error) if is_broken_pipe(&error) => break,
            result => result?,
        }
    }
    Ok(Status::Done)
}

/// The format that is named, or that the name of the output says.
fn format(args: &ExportArgs) -> anyhow::Result<ExportFormat> {
    let by_name = args.output.extension().and_then(|extension| {
        let known = [
            ("csv", TableFormat::Csv),
            ("jsonl", TableFormat::Jsonl),
            ("parquet", TableFormat::Parquet),
            ("xlsx", TableFormat::Xlsx),
            ("tex", TableFormat::Latex),
        ];
        known.into_iter().find(|(name, _)| extension == *name)
    });
    let Some(format) = args.format.or(by_name.map(|(_, format)| format)) else {
        bail!(
            "the format is not known\nhint: give it with `--format csv`, jsonl, parquet, xlsx or latex"
        );
    };
    Ok(match format {
        TableFormat::Csv => ExportFormat::Csv {
            escapes_formulas: args.escape_formulas,
        },
        TableFormat::Jsonl => ExportFormat::Jsonl,
        TableFormat::Parquet => ExportFormat::Parquet,
        TableFormat::Xlsx => ExportFormat::Xlsx { wraps_text: false },
        TableFormat::Latex => ExportFormat::Latex,
    })
}

/// Where the tables go: all into one document, or each into its own in a folder, with the dictionary beside them.
fn targets(
    output: &Path,
    format: ExportFormat,
    mut tables: Vec<Table>,
) -> anyhow::Result<Vec<(Target, Vec<Table>)>> {
    let is_stdout = output == Path::new("-");
    let is_folder =
        !is_stdout && (output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/'));
    if format.holds_many() && !is_folder {
        tables.push(tables::dictionary(names(&tables)));
        return Ok(vec![(Target::new(output, format)?, tables)]);
    }
    if tables.len() == 1 && !is_folder {
        return Ok(vec![(Target::new(output, format)?, tables)]);
    }
    ensure!(
        !is_stdout && !output.is_file(),
        "{} tables do not fit into one {} file\nhint: name one with `--table`, or give a folder with `-o FOLDER/`",
        tables.len(),
        format.extension()
    );
    tables.push(tables::dictionary(names(&tables)));
    let in_folder = tables.into_iter().map(|table| {
        let name = format!("{}.{}", table.name, format.extension());
        (Target::File(output.join(name)), vec![table])
    });
    Ok(in_folder.collect())
}

fn names(tables: &[Table]) -> Vec<&'static str> {
    tables.iter().map(|table| table.name).collect()
}

fn write_tables(
    document: &mut dyn Document,
    tables: &[Table],
    source: Option<&Source>,
) -> anyhow::Result<Vec<(&'static str, usize)>> {
    let mut written = Vec::new();
    for table in tables {
        document.begin(table.name, &table.columns())?;
        let n_rows = table.each_row(source, &mut |cells| Ok(document.row(cells)?))?;
        written.push((table.name, n_rows));
    }
    Ok(written)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<ExportError>();
    error.is_some_and(ExportError::is_broken_pipe)
}
