//! The comparison in words.
//!
//! Owns what is said of a difference and of a trend. A direction is claimed only where the interval leaves out zero
//! and the corrected p-value is small; where not, what the data allow is said instead.

use crate::leakage::{
    Comparison, Direction, LeakTrend, MarginTest, Measure, Origin, P_VALUE_MAX, SpecificComparison,
    SpreadDifference, side_of,
};
use crate::report::columns::{p_value_text, points, range};
use crate::results::{ConditionComparison, ModelTrend};
use crate::stats::ClusterMean;
use crate::visible::visible;

/// With fewer clusters no simulation shows that intervals hold what they promise (`docs/statistics.md`).
const N_CLUSTERS_FEW: usize = 8;

/// Says what a comparison found, in a few sentences; `n_comparisons` are corrected for.
pub(in crate::report) fn difference_words(
    unit: &str,
    found: &ConditionComparison,
    n_comparisons: usize,
) -> String {
    let (base, other) = (&*found.base, &*found.name);
    let Some(leak_rate) = &found.comparison else {
        return format!(
            "{other}: nothing to compare, no prompt has verdicts here and under {base}."
        );
    };
    let words = Differing {
        base,
        other,
        unit,
        n_comparisons,
    };
    let mut text = match &found.specific {
        Some(specific) => words.of_specific(specific, leak_rate),
        None => words.of_leak_rate(leak_rate),
    };
    text.extend(by_category_words(found));
    if leak_rate.n_base_only + leak_rate.n_other_only > 0 {
        text += &format!(
            " Left out: {} prompts of {base} and {} of {other}, which the other does not have.",
            leak_rate.n_base_only, leak_rate.n_other_only
        );
    }
    text
}

/// Two conditions that are compared.
struct Differing<'a> {
    base: &'a str,
    other: &'a str,
    /// The kind of text that prompts of one cluster share.
    unit: &'a str,
    n_comparisons: usize,
}

impl Differing<'_> {
    /// The claim is on specificity; the Leak-Rate is said beside it.
    fn of_specific(&self, specific: &SpecificComparison, leak_rate: &Comparison) -> String {
        let (base, other) = (self.base, self.other);
        let found = specific.by(Measure::Specificity);
        let by_leak_rate = format!(
            "Its Mean Leak-Rate differs by {} points ({})",
            points(leak_rate.difference),
            range(leak_rate.interval)
        );
        let Some(direction) = found.direction() else {
            if let Some(equivalent) = self.equivalent(found, "specificity") {
                return format!("{equivalent} {by_leak_rate}.");
            }
            let slot = match leak_rate.direction() {
                Some(_) => {
                    ": the slot matters more or less, but not measurably which concept stands in it"
                }
                None => "",
            };
            return format!(
                "{}{} {by_leak_rate}{slot}.",
                self.undecided(found, "specificity"),
                not_equivalent(found)
            );
        };
        let more = match direction {
            Direction::Above => "more",
            Direction::Below => "less",
        };
        format!(
            "{other} leaks {more} than {base}{}: specificity differs by {} points (95 % interval {}). {} {by_leak_rate}.",
            less_than_margin(found, "by"),
            points(found.difference),
            range(found.interval),
            origin_words(specific, direction, more)
        )
    }

    /// Without siblings only the Leak-Rate can be compared, and no leakage be claimed.
    fn of_leak_rate(&self, found: &Comparison) -> String {
        let (base, other) = (self.base, self.other);
        let caution = "no comparison with other concepts is there, so nothing tells leakage from what any word in the slot does";
        match found.direction() {
            Some(direction) => format!(
                "{other} has a Mean Leak-Rate {} than {base}, by {:.1} points (95 % interval {}){}; {caution}.",
                match direction {
                    Direction::Above => "higher",
                    Direction::Below => "lower",
                },
                found.difference.abs(),
                range(found.interval),
                less_than_margin(found, "which is")
            ),
            None => match self.equivalent(found, "the Mean Leak-Rate") {
                Some(equivalent) => format!("{equivalent} Yet {caution}."),
                None => format!(
                    "{}{} Also, {caution}.",
                    self.undecided(found, "the Mean Leak-Rate"),
                    not_equivalent(found)
                ),
            },
        }
    }

    /// Says that a figure differs by less than the margin; None where it cannot be told to, or has none.
    fn equivalent(&self, found: &Comparison, figure: &str) -> Option<String> {
        let test = found.equivalence.filter(MarginTest::is_within)?;
        Some(format!(
            "{} is equivalent to {} within {} points: {figure} differs by {} (90 % interval {}).",
            self.other,
            self.base,
            test.margin,
            points(found.difference),
            range(Some(test.interval))
        ))
    }

    /// Says why no direction of a figure is claimed.
    fn undecided(&self, found: &Comparison, figure: &str) -> String {
        let (base, other) = (self.base, self.other);
        if found.interval.is_none() {
            let unit = self.unit;
            return format!(
                "{other}: cannot tell, all prompts share one {unit}, so nothing shows how far the difference would vary."
            );
        }
        let range = range(found.interval);
        if side_of(found.interval, 0.0).is_none() {
            return format!(
                "{other}: cannot tell at this size if it leaks more or less than {base}; a difference of {figure} of {range} points is compatible with the data."
            );
        }
        let p_value = p_value_text(found.holm_p_value);
        let after = match self.n_comparisons {
            1 => String::new(),
            n => format!(" after correction for {n} comparisons"),
        };
        format!(
            "{other}: cannot tell for sure if it leaks more or less than {base}; {figure} differs by {} points here (95 % interval {range}), but p is {p_value}{after}.",
            points(found.difference)
        )
    }
}

/// Says of a difference that has a direction that it is smaller than the margin.
fn less_than_margin(found: &Comparison, link: &str) -> String {
    let test = found.equivalence.filter(MarginTest::is_within);
    test.map_or(String::new(), |test| {
        format!(", {link} less than {} points", test.margin)
    })
}

/// Says that a difference cannot be told to be within the margin; empty without a margin.
fn not_equivalent(found: &Comparison) -> String {
    found.equivalence.map_or(String::new(), |test| {
        format!(
            " That they are equivalent within {} points cannot be told either (90 % interval {}, Holm p {}).",
            test.margin,
            range(Some(test.interval)),
            p_value_text(test.holm_p_value)
        )
    })
}

/// Says if the difference that the conclusion is about depends on the category; None where no test could be made.
fn by_category_words(found: &ConditionComparison) -> Option<String> {
    let (figure, found) = match &found.specific {
        Some(specific) => ("specificity", specific.by(Measure::Specificity)),
        None => ("the Mean Leak-Rate", found.comparison.as_ref()?),
    };
    let by_category = found.by_category.as_ref()?;
    let test = by_category.test?;
    let mut p_value = p_value_text(test.holm_p_value);
    if test.is_for_these_concepts {
        p_value += ", for these very concepts";
    }
    if !test.depends() {
        return Some(format!(
            " There is no sign that the difference of {figure} depends on the category (Holm p {p_value})."
        ));
    }
    let differences = by_category.differences.iter();
    let differences = differences
        .map(|(category, it)| format!("{} in {}", points(it.difference), visible(category)));
    let differences = differences.collect::<Vec<_>>().join(", ");
    Some(format!(
        " The difference of {figure} depends on the category (Holm p {p_value}): {differences}."
    ))
}

/// Says which part of specificity differs.
fn origin_words(specific: &SpecificComparison, direction: Direction, more: &str) -> String {
    let part = |measure| {
        let found = specific.by(measure);
        format!("{} ({})", points(found.difference), range(found.interval))
    };
    let what = match specific.origin(direction) {
        Origin::Repetition => format!(
            "It repeats the concept or the prompt {more}; that it associates {more} cannot be told"
        ),
        Origin::Association => {
            format!("It associates {more}; that it repeats {more} cannot be told")
        }
        Origin::Both => format!("It repeats {more} and associates {more}"),
        Origin::Unclear => "By which of the two cannot be told".to_owned(),
    };
    format!(
        "{what}: repetition {} points, association {}.",
        part(Measure::SpecificityRepetition),
        part(Measure::SpecificityAssociation)
    )
}

/// Says what is certain of a difference of exact rates for the prompts at hand, in a sentence.
pub(in crate::report) fn certain_words(base: &str, other: &str, lower: f64, upper: f64) -> String {
    let range = format!("{} to {} points", points(lower), points(upper));
    let what = match (lower > 0.0, upper < 0.0) {
        (true, _) => {
            format!("its Mean Leak-Rate is certainly above that of {base} on these prompts")
        }
        (_, true) => {
            format!("its Mean Leak-Rate is certainly below that of {base} on these prompts")
        }
        (false, false) if lower == 0.0 && upper == 0.0 => {
            format!("its Mean Leak-Rate is certainly that of {base} on these prompts")
        }
        (false, false) => format!(
            "what was not enumerated leaves open if its Mean Leak-Rate is above or below that of {base} on these prompts"
        ),
    };
    format!("{other}: {what} ({range}).")
}

/// Returns a warning where clusters are few; None where they are not.
pub(in crate::report) fn few_clusters_words(n_clusters: usize, unit: &str) -> Option<String> {
    let words = format!(
        "Only {n_clusters} clusters ({unit}s): intervals tend to be too narrow below {N_CLUSTERS_FEW}"
    );
    // Each choice of signs has a mirror image, so two of 2^n are as far from zero as the one found.
    let p_value_min = 2.0 / 2f64.powi(n_clusters.min(64) as i32);
    match n_clusters {
        0 | 1 | N_CLUSTERS_FEW.. => None,
        _ if p_value_min > P_VALUE_MAX => {
            Some(format!("{words}, and no p can be below {p_value_min:.3}."))
        }
        _ => Some(words + "."),
    }
}

/// Says how far texts moved and how different they are, in a line.
pub(super) fn spread_words(name: &str, found: &SpreadDifference) -> String {
    let words = |what: &str, unit: &str, scale: f64, found: Option<ClusterMean>| {
        let found = found?;
        let interval = found.interval.map_or("none".to_owned(), |it| {
            format!("{:+.3} to {:+.3}", scale * it.lower, scale * it.upper)
        });
        Some(format!(
            "{what} {:+.3}{unit} ({interval})",
            scale * found.mean
        ))
    };
    let parts = [
        words("similarity shift", "", 1.0, found.similarity_shift),
        words("entropy of test texts", " bits", 1.0, found.entropy),
        words("distinct test texts", " points", 100.0, found.distinct),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{name}: {}", parts.join(", "))
}

/// Says what a trend found, in a sentence.
pub(in crate::report) fn trend_words(found: &ModelTrend) -> String {
    let trend = &found.trend;
    let figure = match found.measure {
        Measure::LeakRate => "the Mean Leak-Rate",
        measure => measure.title(),
    };
    format!(
        "{} over {} levels from {:.2} to {:.2} bits per weight, {} prompts: {}.",
        found.model,
        trend.n_levels,
        found.bits_min,
        found.bits_max,
        trend.n_prompts,
        course_words(figure, trend)
    )
}

fn course_words(figure: &str, trend: &LeakTrend) -> String {
    let slope = points(trend.slope);
    if trend.interval.is_none() {
        return format!(
            "{figure} changes by {slope} points for each bit more, without an interval: there is a single cluster"
        );
    }
    if !trend.is_line() {
        return contrasts_words(figure, trend);
    }
    let sure = format!(
        "95 % interval {}, Holm p {}",
        range(trend.interval),
        p_value_text(trend.holm_p_value)
    );
    match trend.direction() {
        None => format!(
            "cannot tell if {figure} rises or falls with bits; {slope} points for each bit more ({sure})"
        ),
        Some(direction) => format!(
            "{figure} {} with bits, by {:.1} points for each bit more ({sure})",
            rises_or_falls(direction),
            trend.slope.abs()
        ),
    }
}

/// Says how a figure changes from each number of bits to the next, and why no line is drawn through it.
fn contrasts_words(figure: &str, trend: &LeakTrend) -> String {
    let why = match trend.is_monotone {
        false => "neither only rises nor only falls with bits here".to_owned(),
        true => format!(
            "does not follow a straight line over bits (p {})",
            p_value_text(trend.lack_of_fit_p_value)
        ),
    };
    let contrasts = trend.contrasts.iter().map(|contrast| {
        let change = points(contrast.difference);
        let change = match contrast.direction() {
            Some(direction) => format!(
                "it {} by {:.1} points",
                rises_or_falls(direction),
                contrast.difference.abs()
            ),
            None => format!("cannot tell, {change} points"),
        };
        format!(
            "from {:.2} to {:.2} bits {change} (95 % interval {}, Holm p {})",
            contrast.bits_from,
            contrast.bits_to,
            range(contrast.interval),
            p_value_text(contrast.holm_p_value)
        )
    });
    let contrasts = contrasts.collect::<Vec<_>>().join("; ");
    format!("{figure} {why}: {contrasts}")
}

fn rises_or_falls(direction: Direction) -> &'static str {
    match direction {
        Direction::Above => "rises",
        Direction::Below => "falls",
    }
}
