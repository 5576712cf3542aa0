//! `seep report`: everything that is stored of an experiment, as one HTML file and as figures.
//!
//! Owns where the files go. Nothing is generated and the database stays as it is.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;

use super::Status;
use super::program::quiet_session;
use crate::cli::ReportArgs;
use crate::progress;
use crate::report::{Report, figure_files};
use crate::study::{Reporting, Selection};

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
