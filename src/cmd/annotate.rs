//! `seep annotate`: verdicts that people judge, written, read back and compared.
//!
//! Owns the sheet: its columns, its formats and the instructions on the second sheet of a workbook.

use anyhow::{bail, ensure};

use super::Status;
use super::output::{print, print_as};
use super::program::quiet_session;
use super::target::Target;
use crate::cli::{AnnotateCommand, AnnotateReadArgs, AnnotateSampleArgs, AnnotateShowArgs, Format};
use crate::export::{Document, ExportFormat};
use crate::progress;
use crate::report::{annotation_json, annotation_table};
use crate::study::{AnnotationSheet, ReadingAnnotations, SamplingVerdicts, Selection};
use crate::table::{Cell, Column, ColumnKind};

/// The columns of the sheet, with their meaning.
const COLUMNS: [(&str, &str); 5] = [
    ("item", "The name of the item."),
    ("concept", "The concept."),
    ("text_a", "Text A."),
    ("text_b", "Text B."),
    ("answer", "`A`, `B` or `same`."),
];

const INSTRUCTIONS: [&str; 6] = [
    "Each row has a concept and two texts. Which text is closer in meaning to the concept, or more about it?",
    "Write A, B or same into the column `answer`; leave it empty where you cannot say.",
    "The texts are short and may be odd, cut off or empty. Judge what they say, not how well they say it.",
    "Nothing is said of where the texts come from, and there is no right answer. Please do not look for a pattern.",
    "Change no other cell and keep the names of the columns. Rows may be sorted; a row may be left out.",
    "Do not talk about the items with other annotators before all are done.",
];

/// Draws, reads or shows.
pub(super) fn annotate(command: &AnnotateCommand) -> anyhow::Result<Status> {
    match command {
        AnnotateCommand::Sample(args) => sample(args),
        AnnotateCommand::Read(args) => read(args),
        AnnotateCommand::Show(args) => show(args),
    }
}

fn sample(args: &AnnotateSampleArgs) -> anyhow::Result<Status> {
    let output = &args.output;
    let ending = output.extension().unwrap_or_default().to_ascii_lowercase();
    let format = match ending.to_str() {
        Some("csv") => ExportFormat::Csv {
            escapes_formulas: true,
        },
        Some("xlsx") => ExportFormat::Xlsx { wraps_text: true },
        _ => bail!(
            "`{}` has no format that people fill in\nhint: give a name that ends in .csv or .xlsx with `--output`",
            output.display()
        ),
    };
    ensure!(
        !output.exists(),
        "there is a file `{}` already\nhint: it may hold answers, so move it away, or give another name with `--output`",
        output.display()
    );
    let sampling = SamplingVerdicts {
        selection: Selection {
            experiment: args.experiment.clone(),
            metric: args.metric.clone(),
            embedding_model: args.embedding_model.clone(),
            seed: args.generation_seed,
            rates: None,
        },
        models: args.models.clone().unwrap_or_default(),
        n_items: args.n_items as usize,
        seed: args.seed,
    };
    let sheet = quiet_session("".as_ref()).sample_verdicts(&args.db, &sampling)?;
    Target::new(output, format)?.write(format, |document| {
        write_sheet(document, &sheet, format.holds_many())
    })?;
    for (condition, n_items) in &sheet.n_of_conditions {
        progress::note(format_args!("{n_items} of {condition}"));
    }
    Ok(Status::Done)
}

fn write_sheet(
    document: &mut dyn Document,
    sheet: &AnnotationSheet,
    has_second: bool,
) -> anyhow::Result<Vec<(&'static str, usize)>> {
    let column = |(name, meaning): (&str, &str)| Column {
        name: name.to_owned(),
        kind: ColumnKind::Text,
        meaning: meaning.to_owned(),
    };
    document.begin("items", &COLUMNS.map(column))?;
    for item in &sheet.items {
        let texts = [&item.name, &item.concept, &item.text_a, &item.text_b];
        let [name, concept, text_a, text_b] = texts.map(|text| Cell::Text(text));
        document.row(&[name, concept, text_a, text_b, Cell::Null])?;
    }
    if has_second {
        document.begin("instructions", &[column(("instructions", ""))])?;
        for line in INSTRUCTIONS {
            document.row(&[Cell::Text(line)])?;
        }
    }
    Ok(vec![("items", sheet.items.len())])
}

fn read(args: &AnnotateReadArgs) -> anyhow::Result<Status> {
    let reading = ReadingAnnotations {
        file: args.file.clone(),
        annotator: args.annotator.clone(),
    };
    let found = quiet_session("".as_ref()).read_annotations(&args.db, &reading)?;
    let (path, annotator) = (args.file.display(), &found.annotator);
    for change in &found.changed {
        progress::warning(format_args!(
            "warning: {path}, {}: the answer of {annotator} about {} was {} and is {} now",
            change.place,
            change.item,
            change.old.as_str(),
            change.new.as_str()
        ));
    }
    print(&format!(
        "{annotator}: {} items, {} new answers, {} changed, {} as before, {} empty\n",
        found.n_items,
        found.n_new,
        found.changed.len(),
        found.n_unchanged,
        found.n_empty
    ))?;
    Ok(Status::Done)
}

fn show(args: &AnnotateShowArgs) -> anyhow::Result<Status> {
    let session = quiet_session("".as_ref());
    let reports = session.annotation_reports(&args.db, args.experiment.as_deref())?;
    print_as(
        args.format,
        &match args.format {
            Format::Table => annotation_table(&reports),
            Format::Json => annotation_json(&reports),
        },
    )?;
    Ok(Status::Done)
}
