//! Figures as files: SVG, PDF and PNG.
//!
//! Owns the font that is embedded and the conversion. The files' colours are those of paper, whatever the page's are.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use svg2pdf::{ConversionOptions, PageOptions};

use super::Figure;
use super::style::{FONT, SCALE, xml_escaped};
use crate::whole;

/// Inter, cut to the Latin, Greek and Cyrillic scripts and the signs we write; the licence lies beside it.
const FONT_FILE: &[u8] = include_bytes!("font/Inter-Regular.otf");
/// Pixels of a PNG for each of the page: 720 of them are 180 mm wide at 300 dots per inch.
const PNG_SCALE: f32 = 3.0;
/// Dots per inch of a PDF: it makes 720 pixels 180 mm wide, two columns of most journals.
const PDF_DPI: f32 = 101.6;

/// Why a figure could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The folder or a file could not be written.
    #[error("failed to write {path}")]
    Write {
        /// The path.
        path: PathBuf,
        /// The error that the system reported.
        #[source]
        reason: std::io::Error,
    },
    /// A converter refused the drawing.
    #[error("failed to make a {form} of the figure `{figure}`: {reason}")]
    Convert {
        /// The figure's name.
        figure: String,
        /// PDF or PNG.
        form: &'static str,
        /// The reason that the converter gave.
        reason: String,
    },
}

/// Writes every figure as SVG, PDF and PNG into a folder, all or none; returns the files' paths.
///
/// # Errors
/// The first file that cannot be made or written.
pub fn figure_files(figures: &[&Figure], folder: &Path) -> Result<Vec<PathBuf>, FigureError> {
    let mut files = Vec::new();
    for figure in figures {
        let named = |(form, bytes)| (format!("{}.{form}", figure.name), bytes);
        files.extend(forms(figure)?.map(named));
    }
    let written = whole::write_folder(folder, |stage| {
        let mut files = files.iter();
        files.try_for_each(|(name, bytes)| fs::write(stage.join(name), bytes))
    });
    written.map_err(|reason| FigureError::Write {
        path: folder.to_owned(),
        reason,
    })?;
    Ok(files.iter().map(|(name, _)| folder.join(name)).collect())
}

fn forms(figure: &Figure) -> Result<[(&'static str, Vec<u8>); 3], FigureError> {
    let tree = tree(figure)?;
    Ok([
        ("svg", figure.for_file(&font_face()).into_bytes()),
        ("pdf", pdf(figure, &tree)?),
        ("png", png(figure, &tree)?),
    ])
}

fn convert_error(figure: &Figure, form: &'static str, reason: impl ToString) -> FigureError {
    FigureError::Convert {
        figure: figure.name.clone(),
        form,
        reason: reason.to_string(),
    }
}

fn tree(figure: &Figure) -> Result<Tree, FigureError> {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(FONT_FILE.to_vec());
    fonts.set_sans_serif_family(FONT);
    let options = Options {
        font_family: FONT.to_owned(),
        fontdb: Arc::new(fonts),
        ..Options::default()
    };
    Tree::from_str(&figure.for_file(""), &options)
        .map_err(|error| convert_error(figure, "PDF", error))
}

fn pdf(figure: &Figure, tree: &Tree) -> Result<Vec<u8>, FigureError> {
    let page = PageOptions { dpi: PDF_DPI };
    svg2pdf::to_pdf(tree, ConversionOptions::default(), page)
        .map_err(|error| convert_error(figure, "PDF", error))
}

fn png(figure: &Figure, tree: &Tree) -> Result<Vec<u8>, FigureError> {
    let (width, height) = figure.size();
    let pixels = |units: i32| (units / SCALE) as f32 * PNG_SCALE;
    let pixmap = Pixmap::new(pixels(width) as u32, pixels(height) as u32);
    let mut pixmap = pixmap.ok_or_else(|| convert_error(figure, "PNG", "it has no size"))?;
    resvg::render(
        tree,
        Transform::from_scale(PNG_SCALE, PNG_SCALE),
        &mut pixmap.as_mut(),
    );
    pixmap
        .encode_png()
        .map_err(|error| convert_error(figure, "PNG", error))
}

/// The style sheet that brings the font along.
fn font_face() -> String {
    let family = xml_escaped(FONT);
    format!(
        "@font-face {{ font-family: '{family}'; src: url(data:font/otf;base64,{}) format('opentype'); }}",
        BASE64_STANDARD.encode(FONT_FILE)
    )
}
