//! The report: one HTML file with everything in it.
//!
//! Owns the way from `ReportData` (plain values) over `Context` (formatted strings and the rows of the table as JSON)
//! to the page. It reads no database and computes no statistic.
//!
//! **The text of models is hostile.** Every text passes `text::visible`, which shows what a browser would obey; the
//! template escapes whatever it prints; the rows stand in a script element of a type that is not run, with `<` written
//! as an escape; the page's script puts them in as text nodes only. What is left is stopped by the content security
//! policy: nothing may be loaded, and only this very style sheet and this very script may be used.

mod charts;
mod context;
mod rows;
mod words;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use super::figure::Figure;
use crate::results::ReportData;
use charts::Chart;
use context::{Context, SCRIPT, STYLE};

const TEMPLATE: &str = include_str!("report.html.jinja");

/// A report that can be written.
#[derive(Debug)]
pub struct Report {
    context: Context,
    charts: Vec<Chart>,
}

impl Report {
    /// Puts everything into words and figures.
    pub fn new(data: &ReportData) -> Self {
        let charts = charts::charts(data);
        Self {
            context: Context::new(data, &charts),
            charts,
        }
    }

    /// The figures, in the order of the page.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.charts.iter().map(|chart| &chart.figure)
    }

    /// Writes the page.
    ///
    /// # Errors
    /// The error that `out` reports.
    pub fn write_html(&self, out: &mut impl Write) -> io::Result<()> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        let template = environment.template_from_str(TEMPLATE);
        let template = template.expect("the template is part of the program, and tests render it");
        template
            .render_captured_to(
                context! { report => self.context, style => STYLE, script => SCRIPT },
                out,
            )
            .map(|_| ())
            .map_err(io::Error::other)
    }
}
