//! Scatter plots: one mark for each condition, with intervals and the names of conditions beside them.
//!
//! Owns the layout. Which quantities are set against each other, the caller says.

use plotters::style::text_anchor::{HPos, VPos};

use super::axes::{Axes, BOTTOM, Frame};
use super::canvas::{self, Area, MARK, TEXT, block, draw, interval, key, mark, stroke};
use super::scale::{Span, extent, tick};
use super::style::{MUTED, PAPER, label, series_style, text_width};
use crate::stats::Interval;

/// An axis that begins at zero spans at least this, whatever its unit.
const SMALLEST: f64 = 1e-6;
/// The height of the plane, in pixels.
const PLANE: f64 = 300.0;

/// Where the horizontal axis begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum XAxis {
    /// A little before the smallest value.
    Around,
    /// At zero, which means that nothing has changed.
    FromZero,
}

/// The data that a scatter plot shows.
#[derive(Debug, Clone)]
pub(in crate::report) struct Scatter {
    /// The words of the horizontal axis.
    pub(in crate::report) x_words: String,
    /// Where it begins.
    pub(in crate::report) x_axis: XAxis,
    /// The words of the vertical axis.
    pub(in crate::report) y_words: String,
    /// A value of y that means nothing has happened, such as 50 for specificity or 0 for a difference.
    pub(in crate::report) y_reference: f64,
    /// The names of the series, in the order of their first points.
    pub(in crate::report) series: Vec<String>,
    /// The points.
    pub(in crate::report) points: Vec<Point>,
}

/// One condition.
#[derive(Debug, Clone)]
pub(in crate::report) struct Point {
    pub(in crate::report) series_idx: usize,
    pub(in crate::report) label: String,
    pub(in crate::report) x: f64,
    pub(in crate::report) y: f64,
    pub(in crate::report) interval: Option<Interval>,
}

/// The SVG of a scatter plot.
pub(in crate::report) fn scatter(plot: &Scatter) -> String {
    let left = 56.0;
    let top = key(None, &plot.series, left) + 12.0;
    draw(top + PLANE + BOTTOM, |area| {
        key(Some(area), &plot.series, left);
        let frame = Frame {
            left,
            right: 12.0,
            top,
        };
        let values = plot.points.iter().map(|point| point.x);
        let x_span = match plot.x_axis {
            XAxis::Around => Span::with_margin(values),
            XAxis::FromZero => Span::from_zero(values, SMALLEST),
        };
        let axes = Axes::new(
            area,
            frame,
            (x_span, &plot.x_words),
            (y_span(plot), Some(&plot.y_words)),
            tick,
        );
        axes.horizontal_reference(plot.y_reference);
        draw_series(area, &axes, plot);
    })
}

fn y_span(plot: &Scatter) -> Span {
    let values = || {
        let points = plot.points.iter();
        points.flat_map(|point| extent(point.y, point.interval))
    };
    if plot.y_reference == 0.0 {
        Span::of_differences(values())
    } else {
        Span::of_rates(values(), plot.y_reference)
    }
}

fn draw_series(area: &Area<'_>, axes: &Axes<'_>, plot: &Scatter) {
    for series_idx in 0..plot.series.len() {
        let of_series = plot.points.iter().filter(|p| p.series_idx == series_idx);
        let mut points: Vec<&Point> = of_series.collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        let (colour, _) = series_style(series_idx);
        for pair in points.windows(2) {
            let [from, to] = [pair[0], pair[1]].map(|point| axes.place((point.x, point.y)));
            stroke(area, from, to, colour, 1.0);
        }
        for point in points {
            draw_point(area, axes, point);
        }
    }
}

/// A mark with its interval; the name stands to the right, or to the left where the plane ends.
fn draw_point(area: &Area<'_>, axes: &Axes<'_>, point: &Point) {
    let (x, y) = axes.place((point.x, point.y));
    if let Some(found) = point.interval {
        let [from, to] = [found.lower, found.upper].map(|end| (x, axes.place((point.x, end)).1));
        interval(area, point.series_idx, from, to);
    }
    mark(area, point.series_idx, (x, y));
    let name = label(&point.label, 28);
    let (gap, width) = (MARK + 4.0, text_width(&name, TEXT));
    let (_, right, _, _) = axes.edges();
    let fits = x + gap + width < right;
    let (place, left, h) = if fits {
        (x + gap, x + gap, HPos::Left)
    } else {
        (x - gap, x - gap - width, HPos::Right)
    };
    // Paper behind the name, so that no line runs through it.
    let half = TEXT / 2.0;
    block(
        area,
        (left - 2.0, y - 8.0 - half),
        (left + width + 2.0, y - 8.0 + half),
        PAPER,
    );
    canvas::text(area, &name, (place, y - 8.0), MUTED, (h, VPos::Center));
}
