//! Diverging bars: what changed in one direction to the left of zero, in the other to the right.
//!
//! Owns the layout. Directions are named at the top and have the sides of the axis; colour only repeats it.

use plotters::style::text_anchor::{HPos, VPos};

use super::axes::{Axes, BOTTOM, Frame};
use super::canvas::{self, Area, TEXT, block, draw, note};
use super::scale::{Span, tick};
use super::style::{INK, SERIES, WIDTH, label, text_width};

/// The height of a row, in pixels.
const ROW: f64 = 26.0;
/// The height of the directions' names, in pixels.
const HEADING: f64 = 24.0;
/// Characters of a name that are shown.
const N_CHARS_MAX: usize = 56;

/// The data that diverging bars show.
#[derive(Debug, Clone)]
pub(in crate::report) struct Bars {
    /// The words of the axis.
    pub(in crate::report) x_words: String,
    /// The names of both directions.
    pub(in crate::report) directions: [String; 2],
    /// The rows.
    pub(in crate::report) rows: Vec<BarRow>,
}

/// One row.
#[derive(Debug, Clone)]
pub(in crate::report) struct BarRow {
    pub(in crate::report) label: String,
    /// The values to the left and to the right, both 0 or more.
    pub(in crate::report) values: [f64; 2],
    /// The numbers, as they are written at the right.
    pub(in crate::report) numbers: String,
}

/// The SVG of diverging bars.
pub(in crate::report) fn bars(plot: &Bars) -> String {
    let widest = |text: &dyn Fn(&BarRow) -> String| {
        let widths = plot.rows.iter().map(|row| text_width(&text(row), TEXT));
        widths.fold(0.0, f64::max)
    };
    let frame = Frame {
        left: widest(&|row| label(&row.label, N_CHARS_MAX)) + 22.0,
        right: widest(&|row| row.numbers.clone()) + 16.0,
        top: HEADING,
    };
    let n_rows = plot.rows.len() as f64;
    draw(HEADING + ROW * n_rows + BOTTOM, |area| {
        let span = Span::of_differences(plot.rows.iter().flat_map(|row| row.values));
        let y_span = Span {
            lower: -n_rows,
            upper: 0.0,
        };
        let axes = Axes::new(
            area,
            frame,
            (span, &plot.x_words),
            (y_span, None),
            |share| tick(share.abs()),
        );
        let (zero, _) = axes.place((0.0, 0.0));
        let sides = [(zero - 8.0, HPos::Right), (zero + 8.0, HPos::Left)];
        for (direction, (x, h)) in plot.directions.iter().zip(sides) {
            canvas::text(area, direction, (x, HEADING / 2.0), INK, (h, VPos::Center));
        }
        for (row_idx, row) in plot.rows.iter().enumerate() {
            draw_row(area, &axes, row, -(row_idx as f64) - 0.5);
        }
        axes.vertical_reference(0.0);
    })
}

fn draw_row(area: &Area<'_>, axes: &Axes<'_>, row: &BarRow, y: f64) {
    let (left, _, _, _) = axes.edges();
    let (zero, place) = axes.place((0.0, y));
    let half = ROW * 0.3;
    let [to_left, to_right] = row.values;
    for (value, colour) in [(-to_left, SERIES[1]), (to_right, SERIES[0])] {
        let (end, _) = axes.place((value, y));
        let (from, to) = (zero.min(end), zero.max(end));
        block(area, (from, place - half), (to, place + half), colour);
    }
    note(
        area,
        &label(&row.label, N_CHARS_MAX),
        (left - 8.0, place),
        HPos::Right,
    );
    note(
        area,
        &row.numbers,
        (f64::from(WIDTH) - 6.0, place),
        HPos::Right,
    );
}
