//! Annotations: verdicts that people judge without knowing whose text is whose.
//!
//! Owns what people see of an item: the concept and both generations, and nothing else, because the metric is given
//! nothing else; a prompt beside a generation that repeats it would name the side. Which verdicts are drawn, `drawing`
//! says; a filled sheet is read in `reading`; `judging` compares people with the metric. The method is described in
//! `docs/annotation.md`.

mod drawing;
mod judging;
mod reading;
mod sampling;

pub use reading::{AnnotationsRead, ChangedChoice, ReadingAnnotations};
pub use sampling::{AnnotationSheet, SamplingVerdicts, SheetItem};

use crate::visible::visible;

/// The text of a generation or a concept as people see it: its lines stay lines, without the white space around them and
/// with nothing in it that a program would obey.
fn shown(text: &str) -> String {
    let lines = text.trim().lines().map(visible);
    lines.collect::<Vec<_>>().join("\n")
}
