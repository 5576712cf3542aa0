//! Figures: SVG for the page, and files for a paper.
//!
//! Owns drawing and the three forms of a figure. What is drawn and what is said about it, `html` decides; no figure
//! computes a statistic.
//!
//! Axes, ticks and the mapping of values are plotters': it is the plotting library most Rust programs use, draws SVG
//! without a font file or a JavaScript engine, and leaves marks and labels to its caller, which dot plots with
//! intervals and labelled grids need. charming draws in a browser engine, poloto has no intervals and no grids, and
//! kuva is younger, with ready-made figures whose marks and keys are its own.

mod axes;
mod bars;
mod canvas;
mod dots;
mod file;
mod grid;
mod matrix;
mod scale;
mod scatter;
mod style;
mod sums;

pub(in crate::report) use bars::{BarRow, Bars, bars};
pub(in crate::report) use dots::{DotRow, Dots, Scale, dots};
pub use file::{FigureError, figure_files};
pub(in crate::report) use grid::{Grid, GridCell, grid};
pub(in crate::report) use matrix::{Matrix, Steps, matrix};
pub(in crate::report) use scatter::{Point, Scatter, XAxis, scatter};
pub(in crate::report) use sums::{SumRow, Sums, sums};

use style::{FONT, ROLES, SCALE, hex, is_xml, xml_escaped};

/// A figure, with all that is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// The name of its files, and its anchor in the page.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// The caption: what is shown, of how many, in which unit, by which method.
    pub caption: String,
    /// A description for somebody who cannot see the figure.
    pub description: String,
    /// The drawing as plotters writes it.
    drawing: String,
}

impl Figure {
    pub(in crate::report) fn new(
        name: &str,
        title: &str,
        caption: String,
        description: String,
        drawing: String,
    ) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            caption,
            description,
            drawing,
        }
    }

    /// The SVG for a page: its colours are the page's custom properties, so that a dark page has a dark figure.
    pub(in crate::report) fn for_page(&self) -> String {
        let mut body = self.body().to_owned();
        for (colour, role) in ROLES {
            let written = hex(colour);
            body = body.replace(&format!("\"{written}\""), &format!("\"var({role})\""));
        }
        self.svg(&body, "")
    }

    /// The SVG for a file; `style` is a style sheet.
    fn for_file(&self, style: &str) -> String {
        self.svg(self.body(), style)
    }

    fn svg(&self, body: &str, style: &str) -> String {
        let (width, height) = self.size();
        let (title_id, description_id) = (
            format!("{}-title", self.name),
            format!("{}-description", self.name),
        );
        let style = match style {
            "" => String::new(),
            style => format!("<style>{style}</style>\n"),
        };
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{}\" height=\"{}\" \
             role=\"img\" aria-labelledby=\"{title_id} {description_id}\" font-family=\"{FONT}\">\n\
             <title id=\"{title_id}\">{}</title>\n<desc id=\"{description_id}\">{}</desc>\n{style}{body}</svg>\n",
            width / SCALE,
            height / SCALE,
            xml_escaped(&self.title),
            xml_escaped(&self.description),
        );
        svg.replace(|c| !is_xml(c), "\u{fffd}")
    }

    /// Returns the text between the root's tags.
    fn body(&self) -> &str {
        let from = self.drawing.find('>').map_or(0, |end| end + 1);
        let to = self.drawing.rfind("</svg>").unwrap_or(self.drawing.len());
        self.drawing[from..to].trim_start()
    }

    /// Width and height of the drawing, in its own units.
    fn size(&self) -> (i32, i32) {
        let attribute = |name: &str| {
            let from = self.drawing.split(&format!(" {name}=\"")).nth(1);
            let number = from.and_then(|rest| rest.split('"').next());
            number.and_then(|number| number.parse().ok())
        };
        let size = attribute("width").zip(attribute("height"));
        size.expect("plotters writes both to the root")
    }
}
