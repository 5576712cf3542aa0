//! Parts of JSON documents that several have.
//!
//! Owns the names of their fields, which programs rely on.

use serde::Serialize;

use crate::generation::EnumerationParams;
use crate::leakage::{Bounds, Concepts};
use crate::results::LikelyText;
use crate::stats::Interval;

/// How far continuations were enumerated.
#[derive(Serialize)]
pub(super) struct EnumerationObject {
    coverage: f64,
    max_rows_per_prompt: u32,
    n_tail_draws: u32,
}

impl From<EnumerationParams> for EnumerationObject {
    fn from(params: EnumerationParams) -> Self {
        Self {
            coverage: params.coverage,
            max_rows_per_prompt: params.max_rows_per_prompt,
            n_tail_draws: params.n_tail_draws,
        }
    }
}

/// The concepts that intervals speak of.
#[derive(Serialize)]
pub(super) struct ConceptsObject {
    n: usize,
    /// `fixed` where intervals are for these very concepts, `random` where they are for others like them too.
    are: &'static str,
}

impl From<Concepts> for ConceptsObject {
    fn from(concepts: Concepts) -> Self {
        Self {
            n: concepts.n,
            are: if concepts.are_random {
                "random"
            } else {
                "fixed"
            },
        }
    }
}

/// An interval of confidence.
#[derive(Serialize)]
pub(super) struct IntervalObject {
    level: f64,
    lower: f64,
    upper: f64,
}

impl From<Interval> for IntervalObject {
    fn from(interval: Interval) -> Self {
        Self {
            level: 0.95,
            lower: interval.lower,
            upper: interval.upper,
        }
    }
}

/// The certain bounds of a rate or a difference.
#[derive(Serialize)]
pub(super) struct BoundsObject {
    lower: f64,
    upper: f64,
    /// Null where a tail has a single draw.
    draw_standard_error: Option<f64>,
}

impl From<Bounds> for BoundsObject {
    fn from(bounds: Bounds) -> Self {
        Self {
            lower: bounds.lower,
            upper: bounds.upper,
            draw_standard_error: bounds.draw_standard_error,
        }
    }
}

/// Texts with their probabilities, 0 to 1.
pub(super) fn listed(texts: &[LikelyText]) -> Vec<(&str, f64)> {
    let texts = texts.iter();
    texts
        .map(|likely| (likely.text.as_str(), likely.probability))
        .collect()
}
