//! The axes of a figure: plotters' charts in the looks that all figures share.
//!
//! Owns the mesh, its labels and reference lines. What is drawn into it is the figure's business.

use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color as _, RGBColor};

use super::canvas::{Area, DRAWN, TEXT};
use super::scale::Span;
use super::style::{GRID, INK, MUTED, SCALE, line, text_style, units};

type Plane = Cartesian2d<RangedCoordf64, RangedCoordf64>;

/// A chart with two numeric axes; rows of names are numbers too, from 0 downwards.
pub(super) struct Axes<'a> {
    chart: ChartContext<'a, SVGBackend<'a>, Plane>,
    area: Area<'a>,
}

/// Pixels kept free around the plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
}

/// The height of the labels below the plane, in pixels.
pub(super) const BOTTOM: f64 = 46.0;
/// The room that a number below the plane has at least, in pixels.
const NUMBER_WIDTH: f64 = 40.0;
/// Numbers below the plane at most.
const N_NUMBERS_MAX: usize = 8;

impl<'a> Axes<'a> {
    /// Axes with numbers below, written by `format`; with `y_words` also to the left, without for rows that have names.
    pub(super) fn new(
        area: &Area<'a>,
        frame: Frame,
        (x_span, x_words): (Span, &str),
        (y_span, y_words): (Span, Option<&str>),
        format: fn(f64) -> String,
    ) -> Self {
        let chart = ChartBuilder::on(area)
            .margin_left(units(4.0))
            .margin_top(units(frame.top))
            .margin_right(units(frame.right))
            .x_label_area_size(units(BOTTOM))
            .y_label_area_size(units(frame.left))
            .build_cartesian_2d(x_span.lower..x_span.upper, y_span.lower..y_span.upper)
            .expect(DRAWN);
        let mut axes = Self {
            chart,
            area: area.clone(),
        };
        axes.mesh(x_words, y_words, format);
        axes
    }

    fn mesh(&mut self, x_words: &str, y_words: Option<&str>, format: fn(f64) -> String) {
        let text = |colour: RGBColor| text_style(TEXT, colour, HPos::Center, VPos::Top);
        let format = |value: &f64| format(*value);
        let (left, right, _, _) = self.edges();
        let n_numbers = ((right - left) / NUMBER_WIDTH) as usize;
        let mut mesh = self.chart.configure_mesh();
        mesh.light_line_style(GRID.mix(0.0))
            .bold_line_style(line(GRID, 0.8))
            .axis_style(line(MUTED, 1.0))
            .label_style(text(MUTED))
            .axis_desc_style(text(INK))
            .x_labels(n_numbers.clamp(2, N_NUMBERS_MAX))
            .y_labels(6)
            .x_label_formatter(&format)
            .y_label_formatter(&format)
            .x_desc(x_words);
        match y_words {
            Some(words) => mesh.y_desc(words),
            None => mesh.disable_y_axis().disable_y_mesh(),
        };
        mesh.draw().expect(DRAWN);
    }

    /// A dashed line across the plane at a value of x, such as that at which a figure says nothing.
    pub(super) fn vertical_reference(&self, value: f64) {
        let (_, _, top, bottom) = self.edges();
        let (x, _) = self.place((value, 0.0));
        self.dashed((x, top), (x, bottom));
    }

    /// The same at a value of y.
    pub(super) fn horizontal_reference(&self, value: f64) {
        let (left, right, _, _) = self.edges();
        let (_, y) = self.place((0.0, value));
        self.dashed((left, y), (right, y));
    }

    fn dashed(&self, from: (f64, f64), to: (f64, f64)) {
        let points = [from, to].map(|(x, y)| (units(x), units(y)));
        let dashes = DashedPathElement::new(points, units(5.0), units(4.0), line(INK, 1.2));
        self.area.draw(&dashes).expect(DRAWN);
    }

    /// Where a value lies, in pixels of the page.
    pub(super) fn place(&self, value: (f64, f64)) -> (f64, f64) {
        let (x, y) = self.chart.backend_coord(&value);
        (
            f64::from(x) / f64::from(SCALE),
            f64::from(y) / f64::from(SCALE),
        )
    }

    /// The plane's left, right, upper and lower edge, in pixels of the page.
    pub(super) fn edges(&self) -> (f64, f64, f64, f64) {
        let (x, y) = self.chart.plotting_area().get_pixel_range();
        let pixels = |units: i32| f64::from(units) / f64::from(SCALE);
        (
            pixels(x.start),
            pixels(x.end),
            pixels(y.start),
            pixels(y.end),
        )
    }
}
