//! Dot plots: rows with a name, a mark and an interval, and the numbers at the right.
//!
//! Owns the layout of leak rates by category, differences to a base, and shares. A bar from zero instead of a mark
//! would say that zero means something, which it does not for a rate whose neutral value is 50.

use plotters::style::text_anchor::{HPos, VPos};

use super::axes::{Axes, BOTTOM, Frame};
use super::canvas::{self, Area, TEXT, draw, interval, key, mark, note};
use super::scale::{Span, extent, tick};
use super::style::{INK, PAPER, WIDTH, label, text_width};
use crate::stats::Interval;

/// The height of a row, in pixels.
const ROW: f64 = 22.0;
/// Characters of a name that are shown.
const N_CHARS_MAX: usize = 56;

/// Which values the axis spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Scale {
    /// Percentages around 50.
    Rates,
    /// Both sides of zero alike.
    Differences,
    /// From zero upwards.
    Shares,
}

/// The data that a dot plot shows.
#[derive(Debug, Clone)]
pub(in crate::report) struct Dots {
    /// The words of the axis.
    pub(in crate::report) x_words: String,
    /// Which values it spans.
    pub(in crate::report) scale: Scale,
    /// The names of the series; none where the rows' names say it.
    pub(in crate::report) series: Vec<String>,
    /// The rows, in groups with a heading each; an empty heading takes no line.
    pub(in crate::report) groups: Vec<(String, Vec<DotRow>)>,
}

/// One row.
#[derive(Debug, Clone)]
pub(in crate::report) struct DotRow {
    pub(in crate::report) series_idx: usize,
    pub(in crate::report) label: String,
    /// None leaves the row without a mark.
    pub(in crate::report) value: Option<f64>,
    pub(in crate::report) interval: Option<Interval>,
    /// The numbers, as they are written at the right.
    pub(in crate::report) numbers: String,
}

/// A line of the plot: the heading of a group, or a row.
enum Line<'a> {
    Heading(&'a str),
    Row(&'a DotRow),
}

/// The SVG of a dot plot.
pub(in crate::report) fn dots(plot: &Dots) -> String {
    let lines = lines(plot);
    let rows = || plot.groups.iter().flat_map(|(_, rows)| rows);
    let widest = |text: &dyn Fn(&DotRow) -> String| {
        let widths = rows().map(|row| text_width(&text(row), TEXT));
        widths.fold(0.0, f64::max)
    };
    let frame = Frame {
        left: widest(&|row| label(&row.label, N_CHARS_MAX)) + 22.0,
        right: widest(&|row| row.numbers.clone()) + 16.0,
        top: key(None, &plot.series, 8.0) + 8.0,
    };
    let height = frame.top + ROW * lines.len() as f64 + BOTTOM;
    draw(height, |area| {
        key(Some(area), &plot.series, 8.0);
        let y_span = Span {
            lower: -(lines.len() as f64),
            upper: 0.0,
        };
        let axes = Axes::new(
            area,
            frame,
            (x_span(plot), &plot.x_words),
            (y_span, None),
            tick,
        );
        match plot.scale {
            Scale::Rates => axes.vertical_reference(50.0),
            Scale::Differences => axes.vertical_reference(0.0),
            Scale::Shares => {}
        }
        for (line_idx, line) in lines.iter().enumerate() {
            draw_line(area, &axes, line, -(line_idx as f64) - 0.5);
        }
    })
}

fn lines(plot: &Dots) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for (heading, rows) in &plot.groups {
        if !heading.is_empty() {
            lines.push(Line::Heading(heading));
        }
        lines.extend(rows.iter().map(Line::Row));
    }
    lines
}

fn x_span(plot: &Dots) -> Span {
    let rows = plot.groups.iter().flat_map(|(_, rows)| rows);
    let values = rows.flat_map(|row| {
        let value = row.value.into_iter();
        value.flat_map(|value| extent(value, row.interval))
    });
    match plot.scale {
        Scale::Rates => Span::of_rates(values, 50.0),
        Scale::Differences => Span::of_differences(values),
        Scale::Shares => Span::from_zero(values, 1.0),
    }
}

fn draw_line(area: &Area<'_>, axes: &Axes<'_>, line: &Line<'_>, y: f64) {
    let (left, _, _, _) = axes.edges();
    let (_, place) = axes.place((0.0, y));
    match line {
        Line::Heading(heading) => {
            let heading = label(heading, 60);
            let at = (8.0, place);
            // A heading may be longer than the rows' names; the lines behind it stop before it.
            let end = 12.0 + text_width(&heading, TEXT);
            canvas::block(
                area,
                (0.0, place - ROW * 0.4),
                (end, place + ROW * 0.4),
                PAPER,
            );
            canvas::text(area, &heading, at, INK, (HPos::Left, VPos::Center));
        }
        Line::Row(row) => {
            let name = label(&row.label, N_CHARS_MAX);
            note(area, &name, (left - 8.0, place), HPos::Right);
            note(
                area,
                &row.numbers,
                (f64::from(WIDTH) - 6.0, place),
                HPos::Right,
            );
            draw_value(area, axes, row, y);
        }
    }
}

fn draw_value(area: &Area<'_>, axes: &Axes<'_>, row: &DotRow, y: f64) {
    let Some(value) = row.value else {
        return;
    };
    if let Some(found) = row.interval {
        let [from, to] = [found.lower, found.upper].map(|end| axes.place((end, y)));
        interval(area, row.series_idx, from, to);
    }
    mark(area, row.series_idx, axes.place((value, y)));
}
