//! One drawing: an SVG being written, with the few strokes that all figures are made of.
//!
//! Owns the way from plotters to an SVG text, and the marks (shapes, intervals, keys). Where things belong, the
//! figures say; coordinates here are pixels of the page, y downwards.

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea as _};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color as _, RGBColor};

use super::style::{
    INK, MUTED, PAPER, Shape, WIDTH, label, line, series_style, text_style, text_width, units,
};

/// The area that strokes go to.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Strings never refuse to be written to, and plotters reports nothing else for SVG.
pub(super) const DRAWN: &str = "an SVG in memory can always be drawn";

/// Pixels between two entries of a key.
const KEY_GAP: f64 = 18.0;
/// The height of a line of the key, in pixels.
const KEY_LINE: f64 = 20.0;
/// Type size of keys and labels, in pixels.
pub(super) const TEXT: f64 = 12.0;
/// Half the size of a mark, in pixels.
pub(super) const MARK: f64 = 4.5;

/// Draws on an area of so many pixels in height and returns the SVG.
pub(super) fn draw(height: f64, strokes: impl FnOnce(&Area<'_>)) -> String {
    let mut svg = String::new();
    {
        let size = (units(f64::from(WIDTH)) as u32, units(height) as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&PAPER).expect(DRAWN);
        strokes(&area);
        area.present().expect(DRAWN);
    }
    svg
}

fn at((x, y): (f64, f64)) -> (i32, i32) {
    (units(x), units(y))
}

/// Text whose anchor is at a place.
pub(super) fn text(
    area: &Area<'_>,
    text: &str,
    place: (f64, f64),
    colour: RGBColor,
    (h, v): (HPos, VPos),
) {
    let style = text_style(TEXT, colour, h, v);
    area.draw(&Text::new(text.to_owned(), at(place), style))
        .expect(DRAWN);
}

/// A straight line.
pub(super) fn stroke(
    area: &Area<'_>,
    from: (f64, f64),
    to: (f64, f64),
    colour: RGBColor,
    width: f64,
) {
    area.draw(&PathElement::new([at(from), at(to)], line(colour, width)))
        .expect(DRAWN);
}

/// A filled rectangle.
pub(super) fn block(area: &Area<'_>, from: (f64, f64), to: (f64, f64), colour: RGBColor) {
    area.draw(&Rectangle::new([at(from), at(to)], colour.filled()))
        .expect(DRAWN);
}

/// The mark of a series, with its middle at a place.
pub(super) fn mark(area: &Area<'_>, series_idx: usize, (x, y): (f64, f64)) {
    let (colour, shape) = series_style(series_idx);
    let polygon = |points: &[(f64, f64)]| {
        let points: Vec<_> = points
            .iter()
            .map(|(dx, dy)| at((x + dx * MARK, y + dy * MARK)))
            .collect();
        area.draw(&Polygon::new(points, colour.filled()))
            .expect(DRAWN);
    };
    match shape {
        Shape::Circle => area
            .draw(&Circle::new(at((x, y)), units(MARK), colour.filled()))
            .expect(DRAWN),
        Shape::Square => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        Shape::Triangle => polygon(&[(0.0, -1.1), (1.1, 0.9), (-1.1, 0.9)]),
        Shape::TriangleDown => polygon(&[(0.0, 1.1), (1.1, -0.9), (-1.1, -0.9)]),
        Shape::Diamond => polygon(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
        Shape::Cross => {
            let arm = MARK * 0.9;
            stroke(area, (x - arm, y - arm), (x + arm, y + arm), colour, 2.2);
            stroke(area, (x - arm, y + arm), (x + arm, y - arm), colour, 2.2);
        }
    }
}

/// An interval: a line between two places with a short bar across each end.
pub(super) fn interval(area: &Area<'_>, series_idx: usize, from: (f64, f64), to: (f64, f64)) {
    let (colour, _) = series_style(series_idx);
    stroke(area, from, to, colour, 1.6);
    let is_horizontal = from.1 == to.1;
    let (dx, dy) = if is_horizontal {
        (0.0, 3.5)
    } else {
        (3.5, 0.0)
    };
    for (x, y) in [from, to] {
        stroke(area, (x - dx, y - dy), (x + dx, y + dy), colour, 1.6);
    }
}

/// The names of series with their marks, in as many lines as they take; `is_drawn` says whether or only how high.
///
/// Returns the height in pixels: 0 for a single series, which needs no key.
pub(super) fn key(area: Option<&Area<'_>>, names: &[String], left: f64) -> f64 {
    if names.len() < 2 {
        return 0.0;
    }
    let (mut x, mut y) = (left, 14.0);
    for (series_idx, name) in names.iter().enumerate() {
        let name = label(name, 60);
        let width = text_width(&name, TEXT) + 16.0;
        if x > left && x + width > f64::from(WIDTH) - 8.0 {
            (x, y) = (left, y + KEY_LINE);
        }
        if let Some(area) = area {
            mark(area, series_idx, (x + 5.0, y));
            text(area, &name, (x + 16.0, y), INK, (HPos::Left, VPos::Center));
        }
        x += width + KEY_GAP;
    }
    y + KEY_LINE - 6.0
}

/// A note in muted type.
pub(super) fn note(area: &Area<'_>, words: &str, place: (f64, f64), h: HPos) {
    text(area, words, place, MUTED, (h, VPos::Center));
}
