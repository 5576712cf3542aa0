//! Where tables go: stdout, or a file that is there in full or not at all.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::export::{Document, ExportFormat};
use crate::progress;

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
                let out = BufWriter::new(std::io::stdout());
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

/// Writes beside the file and renames, so that a file of this name is never half of one.
fn write_file(
    path: &Path,
    format: ExportFormat,
    fill: impl FnOnce(&mut dyn Document) -> anyhow::Result<Written>,
) -> anyhow::Result<(Written, usize)> {
    let failed = || format!("failed to write `{}`", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(failed)?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let file = File::create(&part).with_context(failed)?;
    let result = write_document(format, Box::new(BufWriter::new(file)), fill);
    if result.is_err() {
        // The first error matters more than one about cleaning up.
        let _ = std::fs::remove_file(&part);
    }
    let written = result.with_context(failed)?;
    std::fs::rename(&part, path).with_context(failed)?;
    Ok(written)
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
            "{}: {n_formula_rows} rows hold text that begins with `=`, `+`, `-` or `@`, which a spreadsheet takes for a \
             formula\nhint: `--format xlsx` keeps it text, `--escape-formulas` puts an apostrophe before it",
            path.display()
        ));
    }
}
