//! Where tables go: stdout, or a file that is there in full or not at all.

use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::output;
use crate::export::{Document, ExportFormat};
use crate::{progress, whole};

/// Where a document goes.
pub(super) enum Target {
    Stdout,
    File(PathBuf),
}

/// Tables and how many rows of them were written.
type Written = Vec<(&'static str, usize)>;

impl Target {
    /// The target that `-o` names.
    pub(super) fn new(output: &Path, format: ExportFormat) -> anyhow::Result<Self> {
        if output != Path::new("-") {
            return Ok(Self::File(output.to_owned()));
        }
        if format.is_binary() && std::io::stdout().is_terminal() {
            bail!(
                "a terminal cannot show {}\nhint: give a file with `-o`",
                format.extension()
            );
        }
        Ok(Self::Stdout)
    }

    /// Writes a document and says what was written.
    pub(super) fn write(
        &self,
        format: ExportFormat,
        fill: impl FnOnce(&mut dyn Document) -> anyhow::Result<Written>,
    ) -> anyhow::Result<()> {
        match self {
            Self::Stdout => {
                let out = BufWriter::new(output::stdout());
                write_document(format, Box::new(out), fill).map(drop)
            }
            Self::File(path) => {
                let (written, n_formula_rows) = write_file(path, format, fill)?;
                report_written(path, &written, n_formula_rows);
                Ok(())
            }
        }
    }
}

/// Writes the files of a folder, all or none, and says what was written; each is a name and how it is filled.
pub(super) fn write_folder<F>(
    folder: &Path,
    format: ExportFormat,
    files: impl Iterator<Item = (String, F)>,
) -> anyhow::Result<()>
where
    F: FnOnce(&mut dyn Document) -> anyhow::Result<Written>,
{
    let all_written = whole::write_folder(folder, |stage| {
        let written = files.map(|(name, fill)| {
            let written = write_file(&stage.join(&name), format, fill)?;
            Ok((folder.join(name), written))
        });
        written.collect::<anyhow::Result<Vec<_>>>()
    });
    let all_written =
        all_written.with_context(|| format!("failed to write `{}`", folder.display()))?;
    for (path, (written, n_formula_rows)) in all_written {
        report_written(&path, &written, n_formula_rows);
    }
    Ok(())
}

fn write_file(
    path: &Path,
    format: ExportFormat,
    fill: impl FnOnce(&mut dyn Document) -> anyhow::Result<Written>,
) -> anyhow::Result<(Written, usize)> {
    let written = whole::write_file(path, |file| {
        write_document(format, Box::new(BufWriter::new(file)), fill)
    });
    written.with_context(|| format!("failed to write `{}`", path.display()))
}

fn write_document(
    format: ExportFormat,
    out: Box<dyn Write + Send>,
    fill: impl FnOnce(&mut dyn Document) -> anyhow::Result<Written>,
) -> anyhow::Result<(Written, usize)> {
    let mut document = format.document(out);
    let written = fill(document.as_mut())?;
    document.finish()?;
    Ok((written, document.n_formula_rows()))
}

/// Says what was written where, and what to beware of.
fn report_written(path: &Path, written: &[(&'static str, usize)], n_formula_rows: usize) {
    for (table, n_rows) in written {
        let rows = if *n_rows == 1 { "row" } else { "rows" };
        progress::note(format_args!(
            "{}: {n_rows} {rows} of {table}",
            path.display()
        ));
    }
    if n_formula_rows > 0 {
        progress::warning(format_args!(
            "{}: {n_formula_rows} rows hold text that begins with `=`, `+`, `-`, `@`, a tab or a line break, which a spreadsheet takes for a \
             formula\nhint: `--format xlsx` keeps it text, `--escape-formulas` puts an apostrophe before it",
            path.display()
        ));
    }
}
