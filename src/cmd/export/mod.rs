//! `seep export`: tables for other programs.
//!
//! Owns which tables go into which files. The content of a table is in `study`, the making of a file in `cmd/target.rs`,
//! and the module `export` of the library has the formats.

use std::path::Path;

use anyhow::{bail, ensure};

use super::Status;
use super::program::quiet_session;
use super::target::{Target, write_folder};
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
        let session = quiet_session("".as_ref());
        Some(Source::open(
            &session,
            &args.db,
            args.experiment.as_deref(),
            encoder,
        )?)
    };
    if let Some(source) = &source
        && plan.iter().any(Table::is_of_figures)
    {
        source.notes()?.iter().for_each(progress::note);
    }
    let fill = |document: &mut dyn Document, tables: &[Table]| {
        write_tables(document, tables, source.as_ref())
    };
    let written = match place(&args.output, format, plan)? {
        Place::One(target, tables) => target.write(format, |document| fill(document, &tables)),
        Place::Folder(tables) => {
            let files = tables.into_iter().map(|table| {
                let name = format!("{}.{}", table.name, format.extension());
                (name, |document: &mut dyn Document| fill(document, &[table]))
            });
            write_folder(&args.output, format, files)
        }
    };
    match written {
        Err(error) if is_broken_pipe(&error) => {}
        result => result?,
    }
    Ok(Status::Done)
}

/// Where the tables go: all into one document, or each into its own in a folder.
enum Place {
    One(Target, Vec<Table>),
    Folder(Vec<Table>),
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

/// Where the tables go, with the dictionary beside them where there are several or a folder is meant.
fn place(output: &Path, format: ExportFormat, mut tables: Vec<Table>) -> anyhow::Result<Place> {
    let is_stdout = output == Path::new("-");
    let is_folder =
        !is_stdout && (output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/'));
    let is_workbook = format.holds_many() && !is_folder;
    if tables.len() == 1 && !is_folder && !is_workbook {
        return Ok(Place::One(Target::new(output, format)?, tables));
    }
    ensure!(
        is_workbook || !is_stdout && !output.is_file(),
        "{} tables do not fit into one {} file\nhint: name one with `--table`, or give a folder with `-o FOLDER/`",
        tables.len(),
        format.extension()
    );
    tables.push(tables::dictionary(names(&tables)));
    if is_workbook {
        return Ok(Place::One(Target::new(output, format)?, tables));
    }
    Ok(Place::Folder(tables))
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
