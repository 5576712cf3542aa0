//! The map of a matrix of concepts: a cell for each concept in a prompt and each concept measured.
//!
//! Owns the layout and the steps of colour. A sign is told by colour, and without colour by a number or a minus in the
//! cell; a size by how dark the cell is, in steps that a legend names. The SVG is written here, not by plotters: that
//! writes a hundred bytes for each cell, and a page may hold fifteen maps of a thousand cells. Cells of one step are one
//! path, whose horizontal strokes are as thick as a cell is high. Colours lie over paper, so that on a dark page what is
//! near zero is dark.

use std::fmt::Write as _;
use std::iter;

use plotters::style::RGBColor;

use super::scale::{step, tick};
use super::style::{
    CLOSER, FURTHER, INK, MUTED, PAPER, SCALE, WIDTH, hex, label, text_width, units, xml_escaped,
};

/// Steps of colour on either side of zero, each about twice the one before.
const N_STEPS: usize = 5;
/// How much of the full colour each step has; before them that of the middle, which is a breath of ink.
const SHARES: [f64; N_STEPS + 1] = [0.05, 0.14, 0.28, 0.43, 0.58, 1.0];
/// A cell so wide has room for a number, in pixels.
const NUMBERED: f64 = 34.0;
/// The height of a cell with a number and the width of the widest cell, in pixels.
const CELL: (f64, f64) = (28.0, 58.0);
/// The size of names and of numbers in cells, and of the smallest type, in pixels.
const TEXT: f64 = 12.0;
const NUMBER: f64 = 11.0;
const TEXT_MIN: f64 = 8.0;
/// Characters of a name that are shown.
const N_CHARS_MAX: usize = 20;
/// The words in the corner, and the pixels between their lines.
const MEASURED: &str = "measured →";
const HELD: &str = "in the prompt ↓";
const LINE: f64 = 16.0;
/// Pixels between a name and the cells, and around the whole.
const GAP: f64 = 8.0;
/// The size of a box of the legend, in pixels.
const BOX: (f64, f64) = (44.0, 16.0);
/// The height of the legend, in pixels.
const LEGEND: f64 = 68.0;

/// The data that a map shows.
#[derive(Debug, Clone)]
pub(in crate::report) struct Matrix<'a> {
    /// The names of its parts in the page begin with this.
    pub(in crate::report) id: &'a str,
    /// The concepts.
    pub(in crate::report) concepts: &'a [String],
    /// `cells[held][measured]` in thousandths; None where there is nothing.
    pub(in crate::report) cells: &'a [Vec<Option<f64>>],
    /// The steps of colour, the same in maps that are compared.
    pub(in crate::report) steps: Steps,
}

/// The values at which the colour changes: of the series 1, 2, 5, 10, ascending; below the first there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::report) struct Steps([f64; N_STEPS + 1]);

impl Steps {
    /// Steps that end with the first round number above all values.
    pub(in crate::report) fn of(values: impl Iterator<Item = f64>) -> Self {
        let largest = values.fold(1.0, |largest: f64, value| largest.max(value.abs()));
        let descending = iter::successors(Some(step(largest, 1)), |last| Some(step(last / 2.6, 1)));
        let mut edges = [0.0; N_STEPS + 1];
        for (edge, value) in edges.iter_mut().rev().zip(descending) {
            *edge = value;
        }
        Self(edges)
    }

    /// The step of a value, negative below zero.
    fn step(&self, value: f64) -> i32 {
        let n_passed = self.0[..N_STEPS]
            .iter()
            .filter(|edge| value.abs() >= **edge)
            .count();
        if value < 0.0 {
            -(n_passed as i32)
        } else {
            n_passed as i32
        }
    }

    /// A value with its sign, as exactly as the steps are fine.
    pub(in crate::report) fn text(&self, value: f64) -> String {
        let n_decimals = usize::from(self.0[0] < 1.0);
        let text = format!("{value:+.n_decimals$}");
        let is_zero = text.chars().all(|c| !c.is_ascii_digit() || c == '0');
        if is_zero {
            "0".to_owned()
        } else {
            text.replace('-', "−")
        }
    }
}

/// Where everything lies, in pixels.
struct Layout {
    /// The upper left corner of the cells.
    corner: (f64, f64),
    /// Width and height of a cell.
    cell: (f64, f64),
    /// The size of names.
    text: f64,
    /// The places from one name to the next: 1 where all have room.
    every: usize,
    /// True if the names above the columns need not be turned.
    is_upright: bool,
    /// True if cells have room for a number.
    is_numbered: bool,
    /// The number of concepts.
    n: usize,
}

impl Layout {
    fn of(names: &[String]) -> Self {
        let n = names.len();
        let widest = names
            .iter()
            .map(|name| text_width(name, TEXT))
            .fold(0.0, f64::max);
        let left = widest.max(text_width(HELD, TEXT)) + 2.0 * GAP;
        let width = ((f64::from(WIDTH) - left - GAP) / n as f64).min(CELL.1);
        let is_numbered = width >= NUMBERED;
        let height = if is_numbered {
            CELL.0
        } else {
            width.min(CELL.0)
        };
        let text = (height * 0.92).clamp(TEXT_MIN, TEXT);
        let is_upright = widest + 6.0 <= width;
        let top = if is_upright { TEXT } else { widest }.max(2.0 * LINE) + 2.0 * GAP;
        Self {
            corner: (left, top),
            cell: (width, height),
            text,
            every: (text * 1.08 / height).ceil().max(1.0) as usize,
            is_upright,
            is_numbered,
            n,
        }
    }

    /// The right and the lower edge of the cells.
    fn end(&self) -> (f64, f64) {
        let n = self.n as f64;
        (
            self.corner.0 + n * self.cell.0,
            self.corner.1 + n * self.cell.1,
        )
    }

    /// The upper left corner of a cell.
    fn place(&self, column: f64, row: f64) -> (f64, f64) {
        (
            self.corner.0 + column * self.cell.0,
            self.corner.1 + row * self.cell.1,
        )
    }
}

/// Strings never refuse to be written to.
const WRITTEN: &str = "a string can always be written to";

/// An SVG being written; places are pixels of the page.
struct Drawing(String);

impl Drawing {
    fn raw(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect(WRITTEN);
    }

    fn text(&mut self, text: &str, (x, y): (f64, f64)) {
        let (x, y, text) = (units(x), units(y), xml_escaped(text));
        self.raw(format_args!("<text x=\"{x}\" y=\"{y}\">{text}</text>\n"));
    }

    /// A group of what `fill` writes.
    fn group(&mut self, attributes: &str, fill: impl FnOnce(&mut Self)) {
        self.raw(format_args!("<g {attributes}>\n"));
        fill(self);
        self.raw(format_args!("</g>\n"));
    }

    /// A group of texts of one size, colour and anchor.
    fn texts(&mut self, pixels: f64, colour: RGBColor, anchor: &str, fill: impl FnOnce(&mut Self)) {
        let (size, colour) = (units(pixels), hex(colour));
        let attributes = format!("font-size=\"{size}\" fill=\"{colour}\" text-anchor=\"{anchor}\"");
        self.group(&attributes, fill);
    }

    /// A group of cells of a size in pixels, the first at a place. Inside, a cell is one wide and one high, and the middle
    /// of the first row is at height 0. Dashes leave a gap between neighbours.
    fn cells(&mut self, (x, y): (f64, f64), cell: (f64, f64), fill: impl FnOnce(&mut Self)) {
        let [width, height] = [cell.0, cell.1].map(|pixels| pixels * f64::from(SCALE));
        let gap = (cell.1 * 0.12).min(2.2);
        let [gap_x, gap_y] = [gap / cell.0, gap / cell.1];
        let attributes = format!(
            "fill=\"none\" transform=\"translate({} {}) scale({width:.2} {height:.2})\" stroke-width=\"{:.3}\" \
             stroke-dasharray=\"0 {:.3} {:.3} {:.3}\"",
            units(x),
            units(y + cell.1 / 2.0),
            1.0 - gap_y,
            gap_x / 2.0,
            1.0 - gap_x,
            gap_x / 2.0,
        );
        self.group(&attributes, fill);
    }
}

/// The SVG of a map.
pub(in crate::report) fn matrix(map: &Matrix<'_>) -> String {
    let names = map.concepts.iter().map(|name| label(name, N_CHARS_MAX));
    let names: Vec<String> = names.collect();
    let layout = Layout::of(&names);
    let (width, height) = (units(f64::from(WIDTH)), units(layout.end().1 + LEGEND));
    let mut drawing = Drawing(String::new());
    drawing.raw(format_args!(
        "<svg width=\"{width}\" height=\"{height}\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"{}\"/>\n",
        hex(PAPER)
    ));
    draw_names(&mut drawing, &layout, &names);
    drawing.cells(layout.corner, layout.cell, |drawing| {
        draw_cells(drawing, map, &layout);
    });
    draw_frames(&mut drawing, &layout);
    if layout.is_numbered {
        draw_numbers(&mut drawing, map, &layout);
    }
    draw_legend(&mut drawing, map, &layout);
    draw_plane(&mut drawing, &layout);
    drawing.raw(format_args!("</svg>\n"));
    drawing.0
}

/// How far below the middle of type its line lies.
fn below_middle(pixels: f64) -> f64 {
    pixels * 0.36
}

fn draw_names(drawing: &mut Drawing, layout: &Layout, names: &[String]) {
    let (left, top) = layout.corner;
    let (x, y) = (left - GAP, top - GAP);
    drawing.texts(TEXT, MUTED, "end", |drawing| {
        drawing.text(MEASURED, (x, y - LINE));
        drawing.text(HELD, (x, y));
    });
    let middle = |idx: usize| layout.place(idx as f64 + 0.5, idx as f64 + 0.5);
    let lower = below_middle(layout.text);
    let named = || names.iter().enumerate().step_by(layout.every);
    drawing.texts(layout.text, INK, "end", |drawing| {
        named().for_each(|(idx, name)| drawing.text(name, (x, middle(idx).1 + lower)));
    });
    if layout.is_upright {
        drawing.texts(layout.text, INK, "middle", |drawing| {
            named().for_each(|(idx, name)| drawing.text(name, (middle(idx).0, y)));
        });
        return;
    }
    drawing.group("transform=\"rotate(-90)\"", |drawing| {
        drawing.texts(layout.text, INK, "start", |drawing| {
            named().for_each(|(idx, name)| drawing.text(name, (-y, middle(idx).0 + lower)));
        });
    });
}

fn draw_cells(drawing: &mut Drawing, map: &Matrix<'_>, layout: &Layout) {
    let none = strokes(map.cells, |cell| cell.is_none());
    if !none.is_empty() {
        drawing.raw(format_args!(
            "<path d=\"{none}\" stroke=\"{}\" stroke-width=\".12\" stroke-dasharray=\"0 .44 .12 .44\"/>\n",
            hex(MUTED)
        ));
    }
    let is_signed = !layout.is_numbered;
    // The middle lies under all others, so that a row of it is one stroke.
    let others = all_steps().filter(|step| *step != 0);
    for (idx, step) in iter::once(0).chain(others).enumerate() {
        let path = strokes(map.cells, |cell| {
            cell.is_some_and(|value| step == 0 || map.steps.step(value) == step)
        });
        if !path.is_empty() {
            draw_step(
                drawing,
                &format!("{}-{idx}", map.id),
                &path,
                step,
                is_signed,
            );
        }
    }
}

fn all_steps() -> impl Iterator<Item = i32> {
    let n = N_STEPS as i32;
    -n..=n
}

/// A path through the middle of the chosen cells, row by row, neighbours in one stroke.
fn strokes(cells: &[Vec<Option<f64>>], is_chosen: impl Fn(Option<f64>) -> bool) -> String {
    let mut path = String::new();
    for (row_idx, row) in cells.iter().enumerate() {
        let (mut column_idx, mut end) = (0, None);
        for run in row.chunk_by(|a, b| is_chosen(*a) == is_chosen(*b)) {
            let (from, n) = (column_idx, run.len());
            column_idx += n;
            if !is_chosen(run[0]) {
                continue;
            }
            match end.replace(column_idx) {
                None => write!(path, "M{from} {row_idx}h{n}"),
                Some(end) => write!(path, "m{} 0h{n}", from - end),
            }
            .expect(WRITTEN);
        }
    }
    path
}

/// Draws the cells of a path in the colour of their step, with a minus in each where `has_sign`.
fn draw_step(drawing: &mut Drawing, id: &str, path: &str, step: i32, has_sign: bool) {
    let (colour, opacity) = colour(step);
    let colour = hex(colour);
    drawing.raw(format_args!(
        "<g stroke=\"{colour}\" stroke-opacity=\"{opacity}\"><path id=\"{id}\" d=\"{path}\"/></g>\n"
    ));
    if has_sign && step < 0 {
        // A cell is one wide, so the dashes come again in each.
        drawing.raw(format_args!(
            "<use href=\"#{id}\" stroke=\"{}\" stroke-width=\".09\" stroke-opacity=\".8\" stroke-dasharray=\"0 .28 .44 .28\"/>\n",
            hex(ink(step))
        ));
    }
}

/// The colour of a step and how much of it is there, over paper.
fn colour(step: i32) -> (RGBColor, f64) {
    let colour = match step.signum() {
        -1 => FURTHER,
        0 => INK,
        _ => CLOSER,
    };
    (colour, SHARES[step.unsigned_abs() as usize])
}

/// The colour of type on a cell.
fn ink(step: i32) -> RGBColor {
    if step.unsigned_abs() as usize == N_STEPS {
        PAPER
    } else {
        INK
    }
}

/// A frame around each cell of a concept with itself.
fn draw_frames(drawing: &mut Drawing, layout: &Layout) {
    let mut frames = String::new();
    let corner = |idx: usize| layout.place(idx as f64, idx as f64);
    for idx in 0..layout.n {
        let ((x, y), (right, bottom)) = (corner(idx), corner(idx + 1));
        let [x, y, right, bottom] = [x, y, right, bottom].map(units);
        write!(frames, "M{x} {y}H{right}V{bottom}H{x}z").expect(WRITTEN);
    }
    drawing.raw(format_args!(
        "<path d=\"{frames}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"/>\n",
        hex(INK),
        units((layout.cell.1 * 0.08).min(1.2))
    ));
}

fn draw_numbers(drawing: &mut Drawing, map: &Matrix<'_>, layout: &Layout) {
    let lower = below_middle(NUMBER);
    for colour in [INK, PAPER] {
        drawing.texts(NUMBER, colour, "middle", |drawing| {
            for (row_idx, row) in map.cells.iter().enumerate() {
                for (column_idx, cell) in row.iter().enumerate() {
                    let of_colour = |value: &f64| ink(map.steps.step(*value)) == colour;
                    let Some(value) = cell.filter(of_colour) else {
                        continue;
                    };
                    let (x, y) = layout.place(column_idx as f64 + 0.5, row_idx as f64 + 0.5);
                    drawing.text(&map.steps.text(value), (x, y + lower));
                }
            }
        });
    }
}

/// A box for each step with the values between them, and what a frame and a dot mean.
fn draw_legend(drawing: &mut Drawing, map: &Matrix<'_>, layout: &Layout) {
    let width = BOX.0 * all_steps().count() as f64;
    let left = layout.corner.0.min(f64::from(WIDTH) - width - 4.0 * GAP);
    let top = layout.end().1 + 28.0;
    drawing.cells((left, top), BOX, |drawing| {
        for (idx, step) in all_steps().enumerate() {
            let id = format!("{}-box-{idx}", map.id);
            draw_step(
                drawing,
                &id,
                &format!("M{idx} 0h1"),
                step,
                !layout.is_numbered,
            );
        }
    });
    let edges = map.steps.0;
    let signed = edges.iter().rev().map(|edge| -edge).chain(edges);
    drawing.texts(NUMBER, MUTED, "middle", |drawing| {
        for (idx, edge) in signed.enumerate() {
            let x = left + BOX.0 * idx as f64;
            drawing.text(&tick(edge), (x, top + BOX.1 + 14.0));
        }
    });
    drawing.texts(NUMBER, MUTED, "start", |drawing| {
        drawing.text("thousandths of similarity", (left, top - GAP));
    });
    let has_none = map.cells.iter().flatten().any(Option::is_none);
    let none = if has_none {
        "; dot: no template has both"
    } else {
        ""
    };
    drawing.texts(NUMBER, MUTED, "end", |drawing| {
        let words = format!("framed: a concept with itself{none}");
        drawing.text(&words, (left + width, top - GAP));
    });
}

/// The plane of the cells, by which the page finds out over which cell the pointer is.
fn draw_plane(drawing: &mut Drawing, layout: &Layout) {
    let ((left, top), (right, bottom)) = (layout.corner, layout.end());
    let [x, y, width, height] = [left, top, right - left, bottom - top].map(units);
    drawing.raw(format_args!(
        "<rect class=\"plane\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"none\" pointer-events=\"all\"/>\n"
    ));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::figure::grid::contrast;

    const STYLE: &str = include_str!("../html/report.css");

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|idx| format!("concept {idx}")).collect()
    }

    /// Values without a pattern, from -50 to 50.
    fn cells(n: usize) -> Vec<Vec<Option<f64>>> {
        let value = |row, column| (row * 37 + column * column * 59 + row * column * 17) % 101;
        let row = |row| (0..n).map(move |column| Some(value(row, column) as f64 - 50.0));
        (0..n).map(|idx| row(idx).collect()).collect()
    }

    fn drawn(n: usize) -> String {
        let cells = cells(n);
        matrix(&Matrix {
            id: "map",
            concepts: &names(n),
            cells: &cells,
            steps: Steps::of(cells.iter().flatten().flatten().copied()),
        })
    }

    #[test]
    fn steps_are_round_and_alike_on_both_sides() {
        let steps = Steps::of([-84.0, 3.0].into_iter());
        assert_eq!(steps.0, [2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        let found =
            [-84.0, -2.0, -1.9, 0.0, 1.9, 2.0, 49.9, 50.0, 1e9].map(|value| steps.step(value));
        assert_eq!(found, [-5, -1, 0, 0, 0, 1, 4, 5, 5]);
        assert_eq!(Steps::of([].into_iter()).0[N_STEPS], 1.0);
    }

    #[test]
    fn numbers_are_as_exact_as_the_steps() {
        let found = |largest: f64| {
            let steps = Steps::of([largest].into_iter());
            [-12.34, -0.04, 0.46].map(|value| steps.text(value))
        };
        assert_eq!(found(100.0), ["−12", "0", "0"]);
        assert_eq!(found(15.0), ["−12.3", "0", "+0.5"]);
    }

    #[test]
    fn neighbours_are_one_stroke() {
        let cells = [[1.0, 1.0, 0.0, 1.0], [0.0; 4], [0.0, 1.0, 1.0, 1.0]];
        let cells = cells.map(|row| row.map(Some).to_vec());
        let path = strokes(&cells, |cell| cell == Some(1.0));
        assert_eq!(path, "M0 0h2m1 0h1M1 2h3");
    }

    #[test]
    fn names_have_room_and_the_whole_is_as_wide_as_other_figures() {
        for n in 2..=150 {
            let layout = Layout::of(&names(n));
            let room = layout.every as f64 * layout.cell.1.min(layout.cell.0);
            assert!(layout.is_upright || layout.text <= room, "{n}");
            assert!(layout.end().0 <= f64::from(WIDTH) - GAP + 1e-6, "{n}");
        }
        assert_eq!(
            (Layout::of(&names(33)).every, Layout::of(&names(11)).every),
            (1, 1)
        );
    }

    /// In grey a step looks alike on both sides of zero: a number or a minus tells them apart.
    #[test]
    fn a_sign_is_told_without_colour() {
        assert!(drawn(11).contains(">−50<") && !drawn(11).contains("<use"));
        let steps = Steps::of([50.0].into_iter());
        let found = cells(33).concat().into_iter().flatten();
        let negative = found
            .map(|value| steps.step(value))
            .filter(|step| *step < 0);
        let n_negative = negative.collect::<BTreeSet<i32>>().len();
        let n_found = drawn(33).matches("<use").count();
        assert_eq!(n_found, n_negative + N_STEPS, "and in the legend");
    }

    #[test]
    fn a_cell_takes_a_few_bytes() {
        let n = drawn(33).len();
        assert!(n < 16_000, "{n}");
    }

    #[test]
    fn numbers_can_be_read_on_light_and_dark_pages() {
        for page in [0, 1] {
            let css = |name: &str| {
                let found = STYLE.split(&format!("{name}: #")).nth(1 + page).unwrap();
                let channel = |at: usize| u8::from_str_radix(&found[at..at + 2], 16).unwrap();
                RGBColor(channel(0), channel(2), channel(4))
            };
            let on_page = |colour: RGBColor| match colour {
                INK => css("--ink"),
                PAPER => css("--paper"),
                CLOSER => css("--closer"),
                _ => css("--further"),
            };
            for step in all_steps() {
                let (end, share) = colour(step);
                let (end, paper) = (on_page(end), css("--paper"));
                let mixed = |a: u8, b: u8| {
                    (f64::from(a) * share + f64::from(b) * (1.0 - share)).round() as u8
                };
                let fill = RGBColor(
                    mixed(end.0, paper.0),
                    mixed(end.1, paper.1),
                    mixed(end.2, paper.2),
                );
                let found = contrast(fill, on_page(ink(step)));
                assert!(found >= 4.5, "page {page}, step {step}: {found}");
            }
        }
    }
}
