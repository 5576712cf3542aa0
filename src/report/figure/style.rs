//! The looks that all figures share: colours, shapes, sizes.
//!
//! Owns the palette and its meaning. Series are told apart by shape and label too, never by colour alone.

use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontFamily, RGBColor, ShapeStyle, TextStyle};

/// The font of all figures; `font/` holds it.
pub(super) const FONT: &str = "Inter";
/// Units of the drawing for each pixel of the page: plotters places things at whole units.
pub(super) const SCALE: i32 = 10;
/// The width of all figures in pixels, so that type has one size in a paper.
pub(super) const WIDTH: i32 = 720;

/// Text and the marks that matter.
pub(super) const INK: RGBColor = RGBColor(0x1a, 0x1a, 0x1a);
/// Axes, ticks and notes.
pub(super) const MUTED: RGBColor = RGBColor(0x55, 0x55, 0x55);
/// Lines behind the data.
pub(super) const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// The colour behind everything.
pub(super) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);

/// The palette of M. Okabe and K. Ito ("Color Universal Design", 2008), told apart with any kind of colour vision;
/// the strongest on white come first, and the yellow, which white swallows, is left out.
pub(super) const SERIES: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];

/// Above and below zero on a map, over paper: type in the colour of paper can be read on either.
pub(super) const CLOSER: RGBColor = RGBColor(0x00, 0x5c, 0x92);
pub(super) const FURTHER: RGBColor = RGBColor(0xb5, 0x50, 0x00);

/// The colours that a page may set by itself, and the names of its custom properties.
pub(super) const ROLES: [(RGBColor, &str); 12] = [
    (INK, "--ink"),
    (MUTED, "--muted"),
    (GRID, "--grid"),
    (PAPER, "--paper"),
    (SERIES[0], "--series-0"),
    (SERIES[1], "--series-1"),
    (SERIES[2], "--series-2"),
    (SERIES[3], "--series-3"),
    (SERIES[4], "--series-4"),
    (SERIES[5], "--series-5"),
    (CLOSER, "--closer"),
    (FURTHER, "--further"),
];

/// The shape of a series' marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
    Cross,
}

const SHAPES: [Shape; 6] = [
    Shape::Circle,
    Shape::Square,
    Shape::Triangle,
    Shape::Diamond,
    Shape::TriangleDown,
    Shape::Cross,
];

/// The colour and the shape of the n-th series.
///
/// After six series the shapes begin one further on, so that 36 differ.
pub(super) fn series_style(series_idx: usize) -> (RGBColor, Shape) {
    let colour_idx = series_idx % SERIES.len();
    let shape_idx = (series_idx + series_idx / SERIES.len()) % SHAPES.len();
    (SERIES[colour_idx], SHAPES[shape_idx])
}

/// A colour as SVG has it, and as plotters writes it.
pub(super) fn hex(colour: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}

/// Pixels in units of the drawing.
pub(super) fn units(pixels: f64) -> i32 {
    (pixels * f64::from(SCALE)).round() as i32
}

/// Text of so many pixels.
pub(super) fn text_style(pixels: f64, colour: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    // plotters writes a font's size divided by 1.24.
    let size = pixels * f64::from(SCALE) * 1.24;
    let style = TextStyle::from((FontFamily::Name(FONT), size));
    TextStyle {
        color: colour.to_backend_color(),
        pos: Pos::new(h, v),
        ..style
    }
}

/// A line of so many pixels.
pub(super) fn line(colour: RGBColor, pixels: f64) -> ShapeStyle {
    colour.stroke_width(units(pixels).max(1) as u32)
}

/// About how wide a text is, in pixels: no figure needs to know it exactly.
pub(super) fn text_width(text: &str, pixels: f64) -> f64 {
    text.chars().count() as f64 * pixels * 0.54
}

/// The text; where it is longer than a label should be, a part of its first half is left out, because conditions differ
/// at their ends.
pub(super) fn label(text: &str, n_chars_max: usize) -> String {
    let n_chars = text.chars().count();
    if n_chars <= n_chars_max {
        return text.to_owned();
    }
    let n_kept = n_chars_max.saturating_sub(1);
    let n_start = n_kept / 3;
    let start = text.chars().take(n_start);
    let end = text.chars().skip(n_chars - (n_kept - n_start));
    start.chain(['…']).chain(end).collect()
}

/// True if XML has the character at all; a drawing with another one is none.
pub(super) fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// A text as it stands between tags.
pub(super) fn xml_escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_differ_in_colour_or_shape() {
        let styles: Vec<_> = (0..36).map(series_style).collect();
        for (idx, style) in styles.iter().enumerate() {
            assert!(!styles[..idx].contains(style), "{idx}");
        }
    }

    #[test]
    fn long_labels_are_cut() {
        assert_eq!(label("abc", 3), "abc");
        assert_eq!(label("abcd", 3), "…cd");
        assert_eq!(label("abcdefghij", 7), "ab…ghij");
    }
}
