//! `seep report`: everything that is stored of an experiment, as one HTML file and as figures.
//!
//! Owns the order of its steps and where the files go. Which leaks are shown, `choice` says; what is read of them,
//! `assemble`, and `exact` of exact ones; how it is told, `report`. Nothing is generated and the database stays as it is.

mod assemble;
mod choice;
mod exact;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};

use super::compare::Kinds;
use super::verdicts::stored_conditions;
use super::{Status, stored};
use crate::cli::{RateKind, ReportArgs};
use crate::progress;
use crate::report::{Report, figure_files};

/// Writes the report, and the figures where they are asked for.
pub(super) fn report(args: &ReportArgs) -> anyhow::Result<Status> {
    let store = stored::open(&args.db)?;
    let (stored, exact) = stored_conditions(&store)?;
    if stored.is_empty() && exact.is_empty() {
        bail!(
            "the database `{}` holds no leaks yet\nhint: `seep run` stores them",
            args.db.display()
        );
    }
    let kinds = Kinds {
        repeats: &stored,
        exact: &exact,
    };
    let choice = choice::choose(kinds, args)?;
    for note in &choice.notes {
        progress::note(note);
    }
    let data = match choice.kind {
        RateKind::Repeats => assemble::assemble(&store, &choice)?,
        RateKind::Exact => exact::assemble(&store, &exact, &choice)?,
    };
    let report = Report::new(&data);
    let size = write_page(&report, &args.output)?;
    progress::note(format!(
        "wrote {} ({:.1} MB)",
        args.output.display(),
        size as f64 / 1e6
    ));
    if let Some(folder) = &args.figures {
        let figures: Vec<_> = report.figures().collect();
        let paths = figure_files(&figures, folder)?;
        progress::note(format!(
            "wrote {} files into {}",
            paths.len(),
            folder.display()
        ));
    }
    Ok(Status::Done)
}

/// Writes the page beside its place first, so that a report that could not be finished replaces none.
fn write_page(report: &Report, path: &Path) -> anyhow::Result<u64> {
    let context = || format!("failed to write the report `{}`", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(context)?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let written = (|| {
        let mut out = BufWriter::new(File::create(part)?);
        report.write_html(&mut out)?;
        out.flush()?;
        let size = out.get_ref().metadata()?.len();
        std::fs::rename(part, path)?;
        Ok::<u64, std::io::Error>(size)
    })();
    written.with_context(context)
}
