//! The comparisons with other concepts in JSON.
//!
//! Owns the names of their fields, which programs rely on: those of the measures, each with `_interval` and the two ends.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::leakage::{Comparison, Figure, Measure, PlaceboRate, SpecificComparison, SpecificRate};
use crate::stats::Interval;

/// The figures of a rate, or the differences of two conditions; null where no pair has siblings.
pub(super) struct SpecificObject(Vec<(String, Value)>);

/// A rate without the concept, beside the leak rate of the same pairs.
#[derive(serde::Serialize)]
pub(super) struct PlaceboObject {
    n_pairs: usize,
    mean_leak_rate: f64,
    rate: f64,
    rate_interval: Option<[f64; 2]>,
    difference: f64,
    difference_interval: Option<[f64; 2]>,
}

enum Value {
    Number(Option<f64>),
    Ends(Option<[f64; 2]>),
    Count(usize),
}

impl SpecificObject {
    pub(super) fn of(rate: Option<&SpecificRate>) -> Self {
        let mut fields = Vec::new();
        for measure in Measure::OF_SIBLINGS {
            let figure = rate.map(|rate| rate.figure(measure));
            let name = measure.name();
            fields.push((name.to_owned(), Value::Number(figure.map(|it| it.value))));
            let error = figure.and_then(|it| it.standard_error);
            fields.push((format!("{name}_standard_error"), Value::Number(error)));
            fields.push((
                format!("{name}_interval"),
                Value::Ends(figure.and_then(interval)),
            ));
        }
        let p_value = rate.and_then(|rate| rate.p_value).map(|it| it.value);
        fields.push(("specificity_p".to_owned(), Value::Number(p_value)));
        let n_pairs = rate.map_or(0, |rate| rate.n_pairs);
        fields.push(("n_pairs_with_siblings".to_owned(), Value::Count(n_pairs)));
        Self(fields)
    }

    pub(super) fn of_differences(found: Option<&SpecificComparison>) -> Self {
        let mut fields = Vec::new();
        for measure in Measure::COMPARED {
            let found = found.map(|found| found.by(measure));
            let number = |value: fn(&Comparison) -> f64| Value::Number(found.map(value));
            let name = format!("{}_difference", measure.name());
            let error = found.and_then(|it| it.standard_error);
            let ends = found.and_then(|it| it.interval).map(ends);
            fields.extend([
                (name.clone(), number(|it| it.difference)),
                (format!("{name}_standard_error"), Value::Number(error)),
                (format!("{name}_interval"), Value::Ends(ends)),
                (format!("{name}_p"), number(|it| it.p_value.value)),
                (format!("{name}_holm_p"), number(|it| it.holm_p_value)),
            ]);
        }
        let n_prompts = found.map_or(0, |it| it.by(Measure::Specificity).n_prompts);
        fields.push((
            "n_prompts_with_siblings".to_owned(),
            Value::Count(n_prompts),
        ));
        Self(fields)
    }
}

impl PlaceboObject {
    pub(super) fn of(rate: &PlaceboRate) -> Self {
        Self {
            n_pairs: rate.n_pairs,
            mean_leak_rate: rate.mean_leak_rate,
            rate: rate.rate.value,
            rate_interval: interval(&rate.rate),
            difference: rate.difference.value,
            difference_interval: interval(&rate.difference),
        }
    }
}

fn interval(figure: &Figure) -> Option<[f64; 2]> {
    figure.interval.map(ends)
}

fn ends(interval: Interval) -> [f64; 2] {
    [interval.lower, interval.upper]
}

impl Serialize for SpecificObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            match value {
                Value::Number(number) => map.serialize_entry(name, number)?,
                Value::Ends(ends) => map.serialize_entry(name, ends)?,
                Value::Count(count) => map.serialize_entry(name, count)?,
            }
        }
        map.end()
    }
}
