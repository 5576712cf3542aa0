//! `seep report`: everything that is stored of an experiment, as one HTML file and as figures.
//!
//! Owns where the files go. Nothing is generated and the database stays as it is.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;

use super::Status;
use super::program::quiet_session;
use crate::cli::ReportArgs;
use crate::report::{Report, figure_files};
use crate::study::{Reporting, Selection};
use crate::{progress, whole};

/// Writes the report, and the figures where they are asked for.
pub(super) fn report(args: &ReportArgs) -> anyhow::Result<Status> {
    let reporting = Reporting {
        selection: Selection {
            experiment: args.experiment.clone(),
            metric: args.metric.clone(),
            embedding_model: args.embedding_model.clone(),
            seed: args.seed,
            rates: args.rates.map(Into::into),
        },
        base: args.base.clone(),
        unit: args.unit.into(),
        generalises_concepts: args.generalise.is_some(),
    };
    let data = quiet_session("".as_ref()).report(&args.db, &reporting)?;
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

fn write_page(report: &Report, path: &Path) -> anyhow::Result<u64> {
    let written = if path == Path::new("-") {
        write_counted(report, std::io::stdout())
    } else {
        whole::write_file(path, |file| write_counted(report, file))
    };
    written.with_context(|| format!("failed to write the report `{}`", path.display()))
}

/// Writes the page and returns its size in bytes.
fn write_counted(report: &Report, out: impl Write) -> std::io::Result<u64> {
    let mut out = Counted {
        out: BufWriter::new(out),
        n_bytes: 0,
    };
    report.write_html(&mut out)?;
    out.flush()?;
    Ok(out.n_bytes)
}

/// Counts what is written: a pipe has no size.
struct Counted<W> {
    out: W,
    n_bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n_written = self.out.write(bytes)?;
        self.n_bytes += n_written as u64;
        Ok(n_written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
