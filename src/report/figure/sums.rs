//! Sums: rows of a first part from zero, and further parts that each begin where the one before ends.
//!
//! Owns the layout. Each part has a lane of its own, so that a negative one goes back visibly and covers nothing; parts
//! are told apart by their lane and their filling, and colour only repeats it.

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::axes::{Axes, BOTTOM, Frame};
use super::canvas::{self, Area, TEXT, block, draw, note, stroke};
use super::scale::Span;
use super::style::{INK, MUTED, PAPER, SERIES, WIDTH, label, text_width};

/// The height of a lane and of a row of three, in pixels.
const LANE: f64 = 7.0;
const ROW: f64 = 31.0;
/// The height of a heading and of the key, in pixels.
const HEADING: f64 = 24.0;
const KEY: f64 = 26.0;
/// The size of a box of the key, in pixels.
const BOX: (f64, f64) = (26.0, 10.0);
/// Pixels between the stripes of a striped part.
const STRIPE: f64 = 4.0;
/// Characters of a name that are shown.
const N_CHARS_MAX: usize = 40;

/// The data that sums show.
#[derive(Debug, Clone)]
pub(in crate::report) struct Sums {
    /// The words of the axis.
    pub(in crate::report) x_words: String,
    /// The names of the parts, in their order.
    pub(in crate::report) parts: [&'static str; 3],
    /// The words of the line at which a row ends.
    pub(in crate::report) whole: &'static str,
    /// The rows, in groups with a heading each; an empty heading takes no line.
    pub(in crate::report) groups: Vec<(String, Vec<SumRow>)>,
}

/// One row.
#[derive(Debug, Clone)]
pub(in crate::report) struct SumRow {
    pub(in crate::report) label: String,
    /// The parts, of which all but the first may be negative.
    pub(in crate::report) parts: [f64; 3],
    /// The numbers, as they are written at the right.
    pub(in crate::report) numbers: String,
}

/// The way in which a part is filled.
#[derive(Debug, Clone, Copy)]
enum Filling {
    Hollow,
    Striped,
    Solid,
}

/// The filling and the colour of each part.
const LOOKS: [(Filling, RGBColor); 3] = [
    (Filling::Hollow, MUTED),
    (Filling::Striped, SERIES[1]),
    (Filling::Solid, SERIES[0]),
];

/// The SVG of sums.
pub(in crate::report) fn sums(plot: &Sums) -> String {
    let rows = || plot.groups.iter().flat_map(|(_, rows)| rows);
    let widest = |text: &dyn Fn(&SumRow) -> String| {
        let widths = rows().map(|row| text_width(&text(row), TEXT));
        widths.fold(0.0, f64::max)
    };
    let frame = Frame {
        left: widest(&|row| label(&row.label, N_CHARS_MAX)) + 22.0,
        right: widest(&|row| row.numbers.clone()) + 16.0,
        top: KEY,
    };
    let heights = plot.groups.iter().map(|(heading, rows)| {
        let heading = if heading.is_empty() { 0.0 } else { HEADING };
        heading + ROW * rows.len() as f64
    });
    let height: f64 = heights.sum();
    draw(KEY + height + BOTTOM, |area| {
        draw_key(area, plot);
        let y_span = Span {
            lower: -height,
            upper: 0.0,
        };
        let axes = Axes::new(
            area,
            frame,
            (x_span(rows()), &plot.x_words),
            (y_span, None),
            super::scale::tick,
        );
        let mut top = 0.0;
        for (heading, rows) in &plot.groups {
            if !heading.is_empty() {
                draw_heading(area, axes.place((0.0, -top - HEADING / 2.0)).1, heading);
                top += HEADING;
            }
            for row in rows {
                draw_row(area, &axes, row, axes.place((0.0, -top)).1);
                top += ROW;
            }
        }
    })
}

fn x_span<'a>(rows: impl Iterator<Item = &'a SumRow>) -> Span {
    Span::from_zero(rows.flat_map(|row| ends(row.parts)), 1.0)
}

/// The places at which the parts end.
fn ends([first, second, third]: [f64; 3]) -> [f64; 3] {
    [first, first + second, first + second + third]
}

fn draw_key(area: &Area<'_>, plot: &Sums) {
    let (mut x, y) = (8.0, 12.0);
    let name = |words: &str, x: f64| {
        canvas::text(area, words, (x, y), INK, (HPos::Left, VPos::Center));
        x + text_width(words, TEXT) + 18.0
    };
    for (part, look) in plot.parts.iter().zip(LOOKS) {
        let (from, to) = ((x, y - BOX.1 / 2.0), (x + BOX.0, y + BOX.1 / 2.0));
        fill(area, from, to, look);
        x = name(part, to.0 + 6.0);
    }
    stroke(area, (x, y - 8.0), (x, y + 8.0), INK, 2.0);
    name(plot.whole, x + 8.0);
}

fn draw_heading(area: &Area<'_>, y: f64, heading: &str) {
    let heading = label(heading, 60);
    let half = HEADING * 0.45;
    // A heading may be longer than the rows' names; the lines behind it stop before it.
    let end = 12.0 + text_width(&heading, TEXT);
    block(area, (0.0, y - half), (end, y + half), PAPER);
    canvas::text(area, &heading, (8.0, y), INK, (HPos::Left, VPos::Center));
}

fn draw_row(area: &Area<'_>, axes: &Axes<'_>, row: &SumRow, top: f64) {
    let (left, _, _, _) = axes.edges();
    let middle = top + ROW / 2.0;
    let first_lane = middle - 1.5 * LANE;
    let x = |value: f64| axes.place((value, 0.0)).0;
    let mut from = x(0.0);
    for (lane, (end, look)) in ends(row.parts).into_iter().zip(LOOKS).enumerate() {
        let (to, y) = (x(end), first_lane + LANE * lane as f64);
        fill(area, (from.min(to), y), (from.max(to), y + LANE), look);
        let next_lane = y + 2.0 * LANE;
        if lane + 1 < LOOKS.len() {
            stroke(area, (to, y), (to, next_lane), MUTED, 1.0);
        }
        from = to;
    }
    stroke(
        area,
        (from, first_lane - 3.0),
        (from, first_lane + 3.0 * LANE + 3.0),
        INK,
        2.0,
    );
    let name = label(&row.label, N_CHARS_MAX);
    note(area, &name, (left - 8.0, middle), HPos::Right);
    let right = f64::from(WIDTH) - 6.0;
    note(area, &row.numbers, (right, middle), HPos::Right);
}

/// A part from its upper left to its lower right corner.
fn fill(area: &Area<'_>, from: (f64, f64), to: (f64, f64), (filling, colour): (Filling, RGBColor)) {
    match filling {
        Filling::Solid => block(area, from, to, colour),
        Filling::Hollow => {
            block(area, from, to, colour);
            let edge = 1.0;
            if to.0 - from.0 > 2.0 * edge {
                let inner = [(from.0 + edge, from.1 + edge), (to.0 - edge, to.1 - edge)];
                block(area, inner[0], inner[1], PAPER);
            }
        }
        Filling::Striped => {
            block(area, from, to, colour);
            let mut x = from.0 + STRIPE / 2.0;
            while x < to.0 - 1.0 {
                stroke(area, (x, from.1), (x, to.1), PAPER, 1.4);
                x += STRIPE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_begin_where_the_one_before_ends() {
        assert_eq!(ends([50.0, -5.0, 10.0]), [50.0, 45.0, 55.0]);
        let row = SumRow {
            label: String::new(),
            parts: [60.0, -20.0, 10.0],
            numbers: String::new(),
        };
        let span = x_span([&row].into_iter());
        assert!(span.lower == 0.0 && span.upper > 60.0, "{span:?}");
    }
}
