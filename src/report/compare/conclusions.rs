//! Conclusions: the answer that a comparison gives by each metric and encoder.
//!
//! Owns the sentence that says if all of them give the same.

use crate::leakage::{Comparison, Direction, MarginTest, Measure, SpecificComparison};
use crate::report::columns::{p_value_text, points, range};
use crate::results::{ConditionComparison, MetricDifference};

/// The answer that a comparison gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Conclusion {
    /// It leaks more than the base.
    More,
    /// It leaks less than the base.
    Less,
    /// Without comparisons with other concepts: its Leak-Rate is above that of the base.
    HigherRate,
    /// The same: below.
    LowerRate,
    /// It is equivalent to the base within the margin.
    Equivalent,
    /// The data do not say which.
    CannotTell,
}

impl Conclusion {
    /// By specificity where it is there, else by the Leak-Rate.
    pub(in crate::report) fn of(
        leak_rate: &Comparison,
        specific: Option<&SpecificComparison>,
    ) -> Self {
        match specific {
            Some(specific) => {
                let measure = Measure::Specificity;
                Self::by(measure, specific.by(measure))
            }
            None => Self::by(Measure::LeakRate, leak_rate),
        }
    }

    /// By a difference of one measure.
    pub(in crate::report) fn by(measure: Measure, found: &Comparison) -> Self {
        match (found.direction(), measure) {
            (None, _) if found.equivalence.filter(MarginTest::is_within).is_some() => {
                Self::Equivalent
            }
            (None, _) => Self::CannotTell,
            (Some(Direction::Above), Measure::LeakRate) => Self::HigherRate,
            (Some(Direction::Below), Measure::LeakRate) => Self::LowerRate,
            (Some(Direction::Above), _) => Self::More,
            (Some(Direction::Below), _) => Self::Less,
        }
    }

    /// The answer to whether it leaks more or less, in a word or two.
    pub(in crate::report) fn short_words(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Less => "less",
            Self::HigherRate => "higher",
            Self::LowerRate => "lower",
            Self::Equivalent => "equivalent",
            Self::CannotTell => "cannot tell",
        }
    }

    pub(in crate::report) fn words(self) -> &'static str {
        match self {
            Self::More => "leaks more",
            Self::Less => "leaks less",
            Self::HigherRate => "has a higher Leak-Rate",
            Self::LowerRate => "has a lower Leak-Rate",
            Self::Equivalent => "is equivalent within the margin",
            Self::CannotTell => "cannot tell",
        }
    }
}

impl MetricDifference {
    pub(in crate::report) fn conclusion(&self) -> Conclusion {
        Conclusion::of(&self.comparison, self.specific.as_ref())
    }
}

impl ConditionComparison {
    /// The difference of the Leak-Rate and of the two figures that are free of the placebo, as far as they are there.
    pub(super) fn main_differences(&self) -> Vec<(Measure, &Comparison)> {
        let leak_rate = self.comparison.iter().map(|it| (Measure::LeakRate, it));
        let specific = self.specific.iter().flat_map(SpecificComparison::all);
        let specific = specific.filter(|(measure, _)| measure.has_margin());
        leak_rate.chain(specific).collect()
    }

    /// None where there is nothing to compare.
    pub(in crate::report) fn conclusion(&self) -> Option<Conclusion> {
        let leak_rate = self.comparison.as_ref()?;
        Some(Conclusion::of(leak_rate, self.specific.as_ref()))
    }
}

/// The name of a similarity: a metric with its encoder.
pub(in crate::report) fn similarity_name(metric: &str, embedding_model: &str) -> String {
    format!("{metric} of {embedding_model}")
}

/// Says if other metrics and encoders lead to the conclusion that `shown` leads to; None where there is no other.
pub(in crate::report) fn conclusions_words(
    shown: &str,
    found: &ConditionComparison,
) -> Option<String> {
    let mut groups = vec![(found.conclusion()?, vec![shown.to_owned()])];
    for other in &found.other_metrics {
        let conclusion = other.conclusion();
        let name = similarity_name(&other.metric, &other.embedding_model);
        match groups.iter_mut().find(|(of, _)| *of == conclusion) {
            Some((_, names)) => names.push(name),
            None => groups.push((conclusion, vec![name])),
        }
    }
    let group = |(conclusion, names): &(Conclusion, Vec<String>)| {
        format!("{} by {}", conclusion.words(), names.join(", "))
    };
    let said = match &groups[..] {
        _ if found.other_metrics.is_empty() => return None,
        [all] => format!("the conclusion is the same by all: {}", group(all)),
        several => {
            let several: Vec<String> = several.iter().map(group).collect();
            format!(
                "the conclusion is not the same by all: {}",
                several.join("; ")
            )
        }
    };
    Some(format!("{} against {}: {said}.", found.name, found.base))
}

/// The differences by another metric or encoder, without a full stop.
pub(in crate::report) fn other_difference_words(name: &str, other: &MetricDifference) -> String {
    let words = |what: &str, found: &Comparison| {
        format!(
            "{what} {} points (95 % interval {}, p {})",
            points(found.difference),
            range(found.interval),
            p_value_text(found.p_value.value)
        )
    };
    let specific = other.specific.as_ref();
    let specificity = specific.map(|it| words("specificity", it.by(Measure::Specificity)) + ", ");
    format!(
        "{name} by {}: {}{}",
        similarity_name(&other.metric, &other.embedding_model),
        specificity.unwrap_or_default(),
        words("Mean Leak-Rate", &other.comparison)
    )
}
