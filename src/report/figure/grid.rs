//! The grid of sizes and quantizations: a cell for each condition, coloured by its leak rate and labelled with it.
//!
//! Owns the layout and the scale of colours, which diverges from 50: orange below, blue above.

use plotters::style::RGBColor;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Area, block, draw, note};
use super::style::{INK, MUTED, WIDTH, label};

/// The height of a cell, in pixels.
const CELL: f64 = 44.0;
/// The height of the columns' names, in pixels.
const HEADING: f64 = 26.0;
/// The widest a cell gets, in pixels.
const CELL_WIDTH_MAX: f64 = 150.0;
/// A rate so far from 50 has the full colour.
const FULL: f64 = 30.0;
const ABOVE: RGBColor = RGBColor(0x00, 0x5a, 0x8f);
const BELOW: RGBColor = RGBColor(0xb8, 0x52, 0x00);
const MIDDLE: RGBColor = RGBColor(0xf4, 0xf4, 0xf2);
/// Type on light and on dark cells; not the page's own colours, because the cells are the same on a dark page.
const ON_LIGHT: RGBColor = RGBColor(0x00, 0x00, 0x00);
const ON_DARK: RGBColor = RGBColor(0xfe, 0xfe, 0xfe);

/// The data that a grid shows.
#[derive(Debug, Clone)]
pub(in crate::report) struct Grid {
    /// The names of the rows.
    pub(in crate::report) rows: Vec<String>,
    /// The names of the columns.
    pub(in crate::report) columns: Vec<String>,
    /// The cells that there are: row, column, and what they show.
    pub(in crate::report) cells: Vec<(usize, usize, GridCell)>,
}

/// One condition.
#[derive(Debug, Clone)]
pub(in crate::report) struct GridCell {
    /// The Mean Leak-Rate in percent.
    pub(in crate::report) rate: f64,
    /// The rate as it is written, and below it its interval.
    pub(in crate::report) lines: [String; 2],
}

/// The SVG of a grid.
pub(in crate::report) fn grid(grid: &Grid) -> String {
    let left = 230.0;
    let free = f64::from(WIDTH) - left - 4.0;
    let width = (free / grid.columns.len().max(1) as f64).min(CELL_WIDTH_MAX);
    draw(HEADING + CELL * grid.rows.len() as f64 + 4.0, |area| {
        for (column_idx, name) in grid.columns.iter().enumerate() {
            let x = left + width * (column_idx as f64 + 0.5);
            let name = label(name, (width / 7.0) as usize);
            canvas::text(area, &name, (x, 13.0), INK, (HPos::Center, VPos::Center));
        }
        for (row_idx, name) in grid.rows.iter().enumerate() {
            let y = HEADING + CELL * (row_idx as f64 + 0.5);
            note(area, &label(name, 32), (left - 10.0, y), HPos::Right);
            for column_idx in 0..grid.columns.len() {
                let cell = grid
                    .cells
                    .iter()
                    .find(|(row, column, _)| (*row, *column) == (row_idx, column_idx));
                let from = (left + width * column_idx as f64, y - CELL / 2.0);
                draw_cell(area, cell.map(|(_, _, cell)| cell), from, width);
            }
        }
    })
}

fn draw_cell(area: &Area<'_>, cell: Option<&GridCell>, (x, y): (f64, f64), width: f64) {
    let middle = x + width / 2.0;
    let centre = (HPos::Center, VPos::Center);
    let Some(cell) = cell else {
        canvas::text(area, "–", (middle, y + CELL / 2.0), MUTED, centre);
        return;
    };
    let fill = colour(cell.rate);
    let ink = if is_dark(fill) { ON_DARK } else { ON_LIGHT };
    block(
        area,
        (x + 1.0, y + 1.0),
        (x + width - 1.0, y + CELL - 1.0),
        fill,
    );
    let [rate, interval] = &cell.lines;
    canvas::text(area, rate, (middle, y + 14.0), ink, centre);
    canvas::text(area, interval, (middle, y + 31.0), ink, centre);
}

/// The colour of a rate in percent.
fn colour(rate: f64) -> RGBColor {
    let end = if rate >= 50.0 { ABOVE } else { BELOW };
    let share = ((rate - 50.0).abs() / FULL).min(1.0);
    let mixed = |from: u8, to: u8| {
        (f64::from(from) + share * (f64::from(to) - f64::from(from))).round() as u8
    };
    RGBColor(
        mixed(MIDDLE.0, end.0),
        mixed(MIDDLE.1, end.1),
        mixed(MIDDLE.2, end.2),
    )
}

/// True if light type is easier to read on a colour: where it has the larger contrast by WCAG 2.1.
fn is_dark(colour: RGBColor) -> bool {
    contrast(colour, ON_DARK) > contrast(colour, ON_LIGHT)
}

/// The contrast of two colours as WCAG 2.1 defines it, from 1 to 21.
pub(super) fn contrast(a: RGBColor, b: RGBColor) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance as WCAG 2.1 defines it.
fn luminance(colour: RGBColor) -> f64 {
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(colour.0) + 0.7152 * linear(colour.1) + 0.0722 * linear(colour.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_can_be_read() {
        for tenths in 0..=1000 {
            let fill = colour(f64::from(tenths) / 10.0);
            let ink = if is_dark(fill) { ON_DARK } else { ON_LIGHT };
            assert!(contrast(fill, ink) >= 4.5, "{tenths}");
        }
    }

    #[test]
    fn one_half_has_no_colour() {
        assert_eq!(colour(50.0), MIDDLE);
        assert_eq!((colour(100.0), colour(0.0)), (ABOVE, BELOW));
    }
}
